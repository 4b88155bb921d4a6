//! The fuzz targets (`fuzz/`, `scripts/fuzz.sh`) over their seeds, what fuzzing has found, and some noise.
#![cfg(not(target_arch = "wasm32"))]

use std::panic::catch_unwind;
use std::path::Path;

use tabmq::rng::Rng;

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

/// Runs a target over its seeds, over each with some bytes changed, and over the inputs in `fuzz/found/<name>`.
fn drive(name: &str, run: fn(&[u8]), seeds: Vec<Vec<u8>>, rounds: usize) {
    let mut inputs = seeds.clone();
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found").join(name);
    for entry in std::fs::read_dir(&found).into_iter().flatten().flatten() {
        inputs.push(std::fs::read(entry.path()).expect("a found input can be read"));
    }
    let mut rng = Rng::new(1);
    for round in 0..rounds {
        let mut input = seeds[round % seeds.len()].clone();
        for _ in 0..1 + rng.below(6) {
            let at = rng.below(input.len() as u64) as usize;
            input[at] = rng.below(256) as u8;
        }
        if rng.below(4) == 0 {
            input.extend((0..rng.below(60)).map(|_| rng.below(256) as u8));
        }
        inputs.push(input);
    }
    for input in inputs {
        if catch_unwind(|| run(&input)).is_err() {
            let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{name}: this input breaks a promise: {hex}");
        }
    }
}

#[test]
fn batches_are_read_or_refused() {
    drive("batches", bodies::batches::run, bodies::batches::seeds(), 3000);
}

#[test]
fn frames_are_read_or_refused() {
    drive("frames", bodies::frames::run, bodies::frames::seeds(), 3000);
}

#[test]
fn damaged_files_are_refused_with_file_and_byte() {
    drive("import", bodies::import::run, bodies::import::seeds(), 3000);
}

#[test]
fn a_damaged_log_opens_and_tells_the_truth() {
    drive("recovery", bodies::recovery::run, bodies::recovery::seeds(), 6000);
}

/// For `scripts/fuzz.sh`, which names the folder.
#[test]
fn seeds_are_written() {
    let Ok(folder) = std::env::var("TABMQ_FUZZ_SEEDS") else { return };
    for (name, seeds) in [
        ("batches", bodies::batches::seeds()),
        ("frames", bodies::frames::seeds()),
        ("import", bodies::import::seeds()),
        ("recovery", bodies::recovery::seeds()),
    ] {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).expect("a folder for seeds");
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(n.to_string()), seed).expect("a seed can be written");
        }
    }
}
