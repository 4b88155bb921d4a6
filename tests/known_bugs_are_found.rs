//! The simulator can fail: each known bug (`src/mutation.rs`), put back, is found within the seeds that `simulation.rs`
//! runs. `cargo test --features mutations --test known_bugs_are_found`
#![cfg(feature = "mutations")]

#[path = "support/seeds.rs"]
mod seeds;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tabmq::mutation::{Mutation, switch_on};
use tabmq::sim::{Plan, run};

/// The first seed that finds the bug, and which invariant it was.
fn found_by(bug: Mutation) -> Option<(u64, String)> {
    switch_on(Some(bug));
    let finds = |seed| Some((seed, run(&Plan::draw(seed)).violation?.to_string()));
    let found = seeds::fixed().into_iter().find_map(finds);
    switch_on(None);
    found
}

#[test]
fn each_known_bug_is_found_within_the_fixed_seeds() {
    // Broken assertions of the core are among what finds them: no need to print each.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(bug) = Mutation::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = found_by(*bug);
                    println!("{bug:?}: {found:?}");
                    results.lock().unwrap().push((*bug, found));
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let results = results.into_inner().unwrap();
    let missed: Vec<Mutation> =
        results.iter().filter(|(_, found)| found.is_none()).map(|(bug, _)| *bug).collect();
    assert!(missed.is_empty(), "not found by the fixed seeds: {missed:?}");
}
