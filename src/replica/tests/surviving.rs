//! Whatever happens to brokers, links and storage: with clean elections nothing acknowledged by acks=all is lost, and what a
//! consumer has seen stays as it was.

use std::collections::{BTreeMap, BTreeSet};

use super::harness::*;
use crate::effects::ReplyToken;
use crate::log::io::IoError;
use crate::protocol::records::decode_records;
use crate::protocol::{Response, batch};
use crate::rng::Rng;
use crate::types::{BrokerId, LeaderEpoch, LogId, PartitionEpoch, TopicPartition};

/// One run: the workload, the faults, and what must hold.
struct Run {
    cluster: Cluster,
    rng: Rng,
    tp: TopicPartition,
    produces: Vec<(ReplyToken, String)>,
    fetches: Vec<(ReplyToken, i64)>,
    consumed: BTreeMap<i64, String>,
    next_offset: i64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let mut cluster = Cluster::new(3);
        cluster.jitter = Some(Rng::new(rng.next_u64()));
        let tp = cluster.create("t", &[1, 2, 3], 2);
        cluster.run_for(50);
        let (produces, fetches) = (Vec::new(), Vec::new());
        Run { cluster, rng, tp, produces, fetches, consumed: BTreeMap::new(), next_offset: 0 }
    }

    fn go(&mut self) {
        for step in 0..150 {
            self.one_thing(step);
            let pause = self.rng.below(40);
            self.cluster.run_for(pause);
            self.look();
        }
        self.heal();
        self.check();
    }

    fn one_thing(&mut self, step: usize) {
        let (a, b) = (1 + self.rng.below(3) as i32, 1 + self.rng.below(3) as i32);
        let up = self.cluster.nodes.contains_key(&BrokerId(a));
        match self.rng.below(24) {
            0 => self.cluster.set_cut(a, b, true),
            1 | 2 => self.cluster.set_cut(a, b, false),
            3 if up => self.crash(a),
            4 | 5 if !up => self.start(a),
            6 if up => self.move_leadership(a),
            7 if up => {
                let storage = self.cluster.storages.get_mut(&BrokerId(a)).unwrap();
                storage.fail_next_write(IoError::QuotaExceeded);
            }
            8 | 9 => self.consume(),
            10 => self.cluster.run_for(4_000),
            _ => self.produce(step),
        }
    }

    fn leader(&self) -> Option<i32> {
        let leader = self.cluster.specs[&log_of(&self.tp)].leader?;
        self.cluster.nodes.contains_key(&leader).then_some(leader.0)
    }

    fn produce(&mut self, step: usize) {
        let Some(leader) = self.leader() else { return };
        let value = format!("v{step}");
        let token = self.cluster.produce(leader, &self.tp, -1, batch_of(&[&value]));
        self.produces.push((token, value));
    }

    fn consume(&mut self) {
        let Some(leader) = self.leader() else { return };
        let token = self.cluster.consume(leader, &self.tp, self.next_offset, 50);
        self.fetches.push((token, self.next_offset));
    }

    /// What the controller does: the ISR loses the broker unless it is the last, and a leader is found in the rest.
    fn crash(&mut self, id: i32) {
        self.cluster.crash(BrokerId(id));
        self.change(|spec, up| {
            let rest: Vec<BrokerId> = spec.isr.iter().copied().filter(|member| up.contains(member)).collect();
            if !rest.is_empty() {
                spec.isr = rest;
            }
        });
    }

    fn start(&mut self, id: i32) {
        self.cluster.start(BrokerId(id));
        self.change(|_, _| {});
    }

    fn move_leadership(&mut self, to: i32) {
        self.change(|spec, _| {
            if spec.isr.contains(&BrokerId(to)) {
                spec.leader = Some(BrokerId(to));
            }
        });
    }

    fn change(&mut self, change: impl FnOnce(&mut crate::replica::PartitionSpec, &BTreeSet<BrokerId>)) {
        let log: LogId = log_of(&self.tp);
        let up: BTreeSet<BrokerId> = self.cluster.nodes.keys().copied().collect();
        let spec = self.cluster.specs.get_mut(&log).unwrap();
        let before = spec.clone();
        change(spec, &up);
        if !spec.leader.is_some_and(|leader| up.contains(&leader)) {
            spec.leader = spec.isr.iter().copied().find(|member| up.contains(member));
        }
        if spec.leader != before.leader {
            spec.leader_epoch = LeaderEpoch(spec.leader_epoch.0 + 1);
        }
        if *spec != before {
            spec.partition_epoch = PartitionEpoch(spec.partition_epoch.0 + 1);
            self.cluster.publish(log);
        }
    }

    /// Takes in what consumers were given, and checks it against what they were given before.
    fn look(&mut self) {
        for (token, offset) in std::mem::take(&mut self.fetches) {
            let Some(Response::Fetch(response)) = self.cluster.reply(token, 11) else {
                self.fetches.push((token, offset));
                continue;
            };
            let records = response.responses[0].partitions[0].records.clone().unwrap_or_default();
            for entry in batch::batches(&records) {
                let (_, range) = entry.unwrap();
                for record in decode_records(&records.slice(range)).unwrap() {
                    let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                    let known = self.consumed.entry(record.offset.0).or_insert_with(|| value.clone());
                    assert_eq!(*known, value, "offset {} has changed", record.offset);
                    self.next_offset = self.next_offset.max(record.offset.0 + 1);
                }
            }
        }
    }

    fn heal(&mut self) {
        for (a, b) in [(1, 2), (1, 3), (2, 3)] {
            self.cluster.set_cut(a, b, false);
        }
        for id in 1..=3 {
            if !self.cluster.nodes.contains_key(&BrokerId(id)) {
                self.start(id);
            }
        }
        self.cluster.run_for(15_000);
    }

    fn check(&mut self) {
        let leader = self.leader().expect("a leader");
        // Faults of storage that nobody has met yet are met now.
        let progress = (0..6).any(|_| {
            let token = self.cluster.produce(leader, &self.tp, -1, batch_of(&["last"]));
            self.cluster.run_for(2_000);
            self.cluster.produced(token).expect("an answer").error_code == 0
        });
        assert!(progress, "no progress after the faults");
        self.cluster.run_for(5_000);
        let stored = self.cluster.stored(1, &self.tp);
        for id in 2..=3 {
            assert_eq!(self.cluster.stored(id, &self.tp), stored, "broker {id}");
        }
        for id in 1..=3 {
            let status = self.cluster.status(id, &self.tp);
            assert_eq!((status.isr.len(), status.durable_end.0 as usize), (3, stored.len()), "{status:?}");
        }
        for (token, value) in &self.produces {
            let acknowledged = match self.cluster.reply(*token, 9) {
                Some(Response::Produce(response)) => {
                    let answer = &response.responses[0].partition_responses[0];
                    (answer.error_code == 0).then_some(answer.base_offset)
                }
                _ => None,
            };
            if let Some(offset) = acknowledged {
                assert_eq!(stored.get(offset as usize), Some(value), "acknowledged at {offset}");
            }
            assert!(stored.iter().filter(|found| *found == value).count() <= 1);
        }
        for (offset, value) in &self.consumed {
            assert_eq!(stored.get(*offset as usize), Some(value), "consumed at {offset}");
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_consumed_changes() {
    let seeds = std::env::var("TABMQ_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let first = std::env::var("TABMQ_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        eprintln!("TABMQ_SEED={seed} TABMQ_SEEDS=1 cargo test --lib replica::tests::surviving");
        Run::new(seed).go();
    }
}
