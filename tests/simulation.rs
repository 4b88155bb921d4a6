//! A cluster under faults keeps its promises: a fixed set of seeds, each with its own cluster, clients and faults, checked
//! after every step against all invariants (`src/sim/invariants`). What fails prints the faults that are needed and the
//! command that replays it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tabmq::sim::{Failure, Plan, run, run_seed};

const SEEDS: u64 = 300;

#[test]
fn no_seed_breaks_a_promise() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, acked, failures) = (AtomicU64::new(1), AtomicU64::new(0), Mutex::new(Vec::<Failure>::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > SEEDS {
                        return;
                    }
                    let (outcome, failure) = run_seed(seed);
                    acked.fetch_add(outcome.acked as u64, Ordering::Relaxed);
                    failures.lock().unwrap().extend(failure);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {SEEDS} seeds failed; the first:\n{}", failures.len(), failures[0]);
    // Faults that let nothing through would prove nothing.
    assert!(acked.into_inner() > SEEDS * 100);
}

#[test]
fn the_run_of_one_seed_is_the_same_twice() {
    for seed in 1..=5 {
        let plan = Plan::draw(seed);
        let (first, second) = (run(&plan), run(&plan));
        assert_eq!((first.events, first.acked), (second.events, second.acked), "seed {seed}");
        assert_eq!(first.duration, second.duration, "seed {seed}");
    }
}

/// Seeds that found a bug once, each with the sentence that says which.
#[test]
fn seeds_that_found_a_bug_stay_fixed() {
    let found: [(u64, &str); 14] = [
        (1, "a consumer's waiting commits were sent again in the next generation, over another member's"),
        (12, "a follower of the quorum counted as committed what its storage then refused"),
        (43, "the quorum's leader counted as committed what its own storage then refused"),
        (
            17,
            "a voter that could not store its vote closed its peer's connection for good, and was deaf on it from then on",
        ),
        (14, "a leader whose write failed put another batch in the place of the first"),
        (186, "a consumer never read a partition whose start offset was asked for during a rebalance"),
        (514, "a consumer that asked a deposed leader began again at the start"),
        (684, "a consumer that asked a deposed leader began again at the start, without any storage fault"),
        (1078, "a member that came back read its group's offset without its own commit, which was under way"),
        (705, "the same, with several crashes"),
        (2025, "a leader of a group that shared out twice in a generation never noticed a new partition"),
        (3706, "a batch that a deposed leader had replicated was sent again under a new producer id"),
        (
            1414,
            "a broker paused while it was elected, long deposed when it heard of it, may lead nothing new",
        ),
        (270, "a call of several batches that failed may have put some of its records into the log"),
    ];
    for (seed, bug) in found {
        if let (_, Some(failure)) = run_seed(seed) {
            panic!("seed {seed} found once that {bug}\n{failure}");
        }
    }
}
