//! Whatever is acked with acks=all is there, in order, after any broker (one of three at a time) was ended and started at
//! random moments, and after all were ended at once. The outcome of an unanswered produce is unknown: it may be there.

mod support;

use support::Bench;
use tabmq::rng::Rng;
use tabmq::time::Duration;
use tabmq::types::BrokerId;

const SEEDS: u64 = 200;
const STEPS: usize = 60;

fn survives(seed: u64) {
    let mut bench = Bench::new(seed, 3);
    let mut rng = Rng::new(seed ^ 0xfeed);
    bench.ready();
    bench.create_topic_through(BrokerId(1), "orders", 1, 3);
    bench.settled("orders", 1, 3);
    let mut acked: Vec<String> = Vec::new();
    let mut down: Option<BrokerId> = None;
    for step in 0..STEPS {
        match (rng.below(10), down) {
            (0, None) => {
                let id = BrokerId(1 + rng.below(3) as i32);
                bench.world.crash(id);
                down = Some(id);
            }
            (0 | 1, Some(id)) => {
                bench.world.start(id);
                // The next one goes down only when the last is in sync again: one broker at a time is lost.
                bench.ready();
                bench.settled("orders", 1, 3);
                down = None;
            }
            (2, None) => {
                for id in bench.world.ids() {
                    bench.world.crash(id);
                }
                bench.world.run_for(Duration::from_millis(rng.below(500)));
                for id in bench.world.ids() {
                    bench.world.start(id);
                }
                bench.ready();
                bench.settled("orders", 1, 3);
            }
            (3, _) => bench.world.run_for(Duration::from_millis(rng.below(1500))),
            _ => {
                let leader = bench.leader("orders", 0);
                if bench.world.broker(leader).is_some() {
                    let value = format!("{seed}-{step}");
                    let (code, _) = bench.try_produce(leader, "orders", 0, value.as_bytes(), -1);
                    if code == 0 {
                        acked.push(value);
                    }
                } else {
                    bench.world.run_for(Duration::from_millis(100));
                }
            }
        }
    }
    if let Some(id) = down {
        bench.world.start(id);
    }
    bench.ready();
    bench.settled("orders", 1, 3);
    let leader = bench.leader("orders", 0);
    let log: Vec<String> =
        bench.fetch(leader, "orders", 0).into_iter().map(|value| String::from_utf8(value).unwrap()).collect();
    let kept: Vec<&String> = log.iter().filter(|value| acked.contains(value)).collect();
    assert_eq!(
        kept,
        acked.iter().collect::<Vec<_>>(),
        "seed {seed}: acked records lost, doubled or out of order"
    );
    assert!(acked.len() > STEPS / 4, "seed {seed}: only {} of {STEPS} steps acked anything", acked.len());
}

#[test]
fn acked_records_survive_brokers_ended_at_random() {
    for seed in 0..SEEDS {
        survives(seed);
    }
}
