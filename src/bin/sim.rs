//! The simulator from the command line: `tabmq::sim` with a clock, threads and arguments around it.
//!
//! ```text
//! sim --first 1 --seeds 100000     runs these seeds; the exit status is 1 at the first violation
//! sim ... --trace 1000             prints more of what led to it
//! sim ... --violations 5           stops at the fifth violation
//! sim ... --threads 2              uses so many cores, all without it (--jobs is the same)
//! sim --seed 17                    runs one
//! sim --seed 17 --faults 0,3       runs one with these of its faults only (`none` for none)
//! ```
//!
//! The line before the last has a digest of all that happened: the same for the same seeds, however fast the build.
//! `scripts/hunt.sh` makes the fastest one.

#[cfg(feature = "hunt")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::process::ExitCode;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::time::Instant;

    use tabmq::sim::{Failure, Plan, run, run_seed, shrink};

    struct Arguments {
        first: u64,
        seeds: u64,
        /// None for all of the seed's.
        faults: Option<Vec<usize>>,
        threads: usize,
        violations: u64,
        trace_lines: Option<usize>,
    }

    fn arguments() -> Result<Arguments, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (faults, trace_lines) = (None, None);
        let mut read = Arguments { first: 1, seeds: 1, faults, threads: cores, violations: 1, trace_lines };
        let mut words = std::env::args().skip(1);
        while let Some(name) = words.next() {
            let value = words.next().ok_or(format!("{name} needs a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{name}: {value} is not a number"));
            match name.as_str() {
                "--first" => read.first = number()?,
                "--seeds" => read.seeds = number()?,
                "--seed" => (read.first, read.seeds) = (number()?, 1),
                "--violations" => read.violations = number()?,
                "--trace" => read.trace_lines = Some(number()? as usize),
                "--threads" | "--jobs" => read.threads = number()?.max(1) as usize,
                "--faults" if value == "none" => read.faults = Some(Vec::new()),
                "--faults" => {
                    let numbers = value.split(',').map(str::parse).collect::<Result<_, _>>();
                    read.faults = Some(numbers.map_err(|_| format!("{name}: {value} is not a list"))?);
                }
                _ => return Err(format!("unknown argument {name}")),
            }
        }
        Ok(read)
    }

    pub fn main() -> ExitCode {
        let arguments = match arguments() {
            Ok(arguments) => arguments,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(2);
            }
        };
        if let Some(faults) = &arguments.faults {
            return replay(&arguments, faults);
        }
        let begun = Instant::now();
        let (next, stop) = (AtomicU64::new(arguments.first), AtomicBool::new(false));
        let (done, events, millis) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let digest = AtomicU64::new(0);
        let failures: Mutex<Vec<Failure>> = Mutex::new(Vec::new());
        let end = arguments.first.saturating_add(arguments.seeds);
        std::thread::scope(|scope| {
            for _ in 0..arguments.threads {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end {
                            return;
                        }
                        let (outcome, failure) = run_seed(seed);
                        done.fetch_add(1, Ordering::Relaxed);
                        events.fetch_add(outcome.events, Ordering::Relaxed);
                        // Threads end their seeds in any order.
                        digest.fetch_xor(outcome.digest, Ordering::Relaxed);
                        millis.fetch_add(outcome.duration.as_millis() as u64, Ordering::Relaxed);
                        if let Some(failure) = failure
                            && let Ok(mut failures) = failures.lock()
                        {
                            failures.push(failure);
                            let enough = failures.len() as u64 >= arguments.violations;
                            stop.fetch_or(enough, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap_or_default();
        for failure in failures.iter().cloned() {
            let failure = with_lines(failure, &arguments);
            println!("{failure}\n");
        }
        let (done, events) = (done.into_inner(), events.into_inner());
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        println!(
            "{:.0} events/s, {:.1} cluster-hours simulated per minute, {:.1} s, digest {:016x}",
            events as f64 / (minutes * 60.0),
            millis.into_inner() as f64 / 3_600_000.0 / minutes,
            minutes * 60.0,
            digest.into_inner()
        );
        println!("{done} seeds, {events} events, {} violations", failures.len());
        if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn with_lines(failure: Failure, arguments: &Arguments) -> Failure {
        let trace_lines = arguments.trace_lines.unwrap_or(failure.trace_lines);
        Failure { trace_lines, ..failure }
    }

    fn replay(arguments: &Arguments, faults: &[usize]) -> ExitCode {
        let plan = Plan::draw(arguments.first).with_faults(faults);
        let outcome = run(&plan);
        let (events, failed) = (outcome.events, outcome.violation.is_some());
        if failed {
            let failure = shrink(&plan, outcome);
            let kept = failure.kept.iter().filter_map(|at| faults.get(*at).copied()).collect();
            println!("{}\n", with_lines(Failure { kept, ..failure }, arguments));
        }
        println!("1 seeds, {events} events, {} violations", u8::from(failed));
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    native::main()
}

/// In a browser the page runs the simulator itself.
#[cfg(target_arch = "wasm32")]
fn main() {}
