//! Random requests, failures and elections: nothing panics, everybody is answered once, and memory is what the log says.

use super::super::harness::*;
use crate::effects::Reply;
use crate::protocol::messages::*;
use crate::protocol::{ErrorCode, Response};
use crate::rng::Rng;
use crate::types::Offset;

/// What a client remembers: its id, and the last generation it heard of.
#[derive(Default)]
struct Known {
    ids: Vec<String>,
    generation: i32,
    read: usize,
}

impl Known {
    fn read_answers(&mut self, h: &Harness) {
        for (_, reply) in h.fx.replies.iter().skip(self.read) {
            if let Reply::Response(Response::JoinGroup(joined)) = reply {
                if !joined.member_id.is_empty() && !self.ids.contains(&joined.member_id.to_string()) {
                    self.ids.push(joined.member_id.to_string());
                }
                self.generation = self.generation.max(joined.generation_id);
            }
        }
        self.read = h.fx.replies.len();
    }

    fn id(&self, rng: &mut Rng) -> String {
        let recent = self.ids.len().saturating_sub(4);
        let at = recent + rng.below(4) as usize;
        self.ids.get(at).cloned().unwrap_or_default()
    }
}

fn step(h: &mut Harness, rng: &mut Rng, known: &mut Known) {
    let id = known.id(rng);
    let generation = known.generation - i32::from(rng.below(8) == 0);
    let instance = (rng.below(3) == 0).then(|| text(["i0", "i1"][rng.below(2) as usize]));
    let protocols = [&["range"][..], &["range", "sticky"], &["sticky", "range"]][rng.below(3) as usize];
    let version = [3, 5, 9][rng.below(3) as usize];
    match rng.below(16) {
        0..=1 => {
            h.send(version, "c", join_with("", protocols).with_group_instance_id(instance));
        }
        2..=4 => {
            h.send(version, "c", join_with(&id, protocols).with_group_instance_id(None));
        }
        5..=6 => {
            // All at once, as clients do that heard of the same generation.
            let recent: Vec<&str> = known.ids.iter().rev().take(6).map(String::as_str).collect();
            for id in &recent {
                h.send(3, "c", sync(id, generation, &recent));
            }
        }
        7..=8 => {
            for id in known.ids.iter().rev().take(6) {
                h.heartbeat_only(id, generation);
            }
        }
        9 => {
            h.send(4, "c", leave(&id));
        }
        10 => {
            let (id, generation) = if rng.below(3) == 0 { ("", -1) } else { (id.as_str(), generation) };
            let offset = rng.below(1_000) as i64;
            h.send(8, "c", commit_request(id, generation, "t", &[(rng.below(3) as i32, offset)]));
        }
        11 => {
            h.send(8, "c", fetch_all(rng.below(2) == 0));
        }
        12 => {
            h.send(2, "c", DeleteGroupsRequest::default().with_groups_names(vec![group()]));
            h.send(6, "c", DescribeGroupsRequest::default().with_groups(vec![group()]));
        }
        13 => h.advance(rng.below(2_000)),
        14 => h.advance(rng.below(12_000)),
        _ => match rng.below(8) {
            0..=1 => h.refuse(ErrorCode::NotEnoughReplicas),
            2..=4 => h.append(),
            5 if rng.below(4) == 0 => h.resign_and_return(),
            _ => h.commit(),
        },
    }
    if rng.below(3) > 0 {
        h.commit();
    }
    known.read_answers(h);
}

#[test]
fn whatever_happens_all_are_answered_once_and_memory_is_what_the_log_says() {
    for seed in 0..300 {
        let mut h = Harness::new();
        let (mut rng, mut known) = (Rng::new(seed), Known::default());
        for _ in 0..200 {
            step(&mut h, &mut rng, &mut known);
        }
        for _ in 0..20 {
            h.commit();
            h.advance(20_000);
        }
        h.commit();
        assert_eq!(h.unanswered(), [], "seed {seed}");
        let answers = h.fx.replies.len();
        let mut tokens: Vec<_> = h.fx.replies.drain(..).map(|(token, _)| token).collect();
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), answers, "answered twice, seed {seed}");

        let stable = fetched(h.call(8, "c", fetch_all(true)));
        let plain = fetched(h.call(8, "c", fetch_all(false)));
        h.fail_over();
        let loaded = fetched(h.call(8, "c", fetch_all(false)));
        assert_eq!((&stable, &plain), (&loaded, &loaded), "seed {seed}");
        assert!(h.end() > Offset::ZERO);
    }
}
