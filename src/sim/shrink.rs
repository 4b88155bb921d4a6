//! A failing run with as few faults as still make it fail.

use super::run::{Outcome, Plan, run};

/// Lines of a trace that are printed, the last ones.
const TRACE_LINES: usize = 80;

/// A violation with what is needed to see it again.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The plan with the faults that are needed.
    pub plan: Plan,
    /// Their numbers in the seed's list.
    pub kept: Vec<usize>,
    /// How that run ended.
    pub outcome: Outcome,
    /// So many lines of its trace are printed, the last ones.
    pub trace_lines: usize,
}

/// Runs a seed; a failure is shrunk.
pub fn run_seed(seed: u64) -> (Outcome, Option<Failure>) {
    let plan = Plan::draw(seed);
    let outcome = run(&plan);
    let failure = outcome.violation.is_some().then(|| shrink(&plan, outcome.clone()));
    (outcome, failure)
}

/// Leaves out one fault after the other, as long as a violation of the same invariant remains.
pub fn shrink(plan: &Plan, outcome: Outcome) -> Failure {
    let invariant = |outcome: &Outcome| outcome.violation.as_ref().map(|violation| violation.invariant);
    let mut kept: Vec<usize> = (0..plan.faults.len()).collect();
    let mut best = outcome;
    let mut at = kept.len();
    while at > 0 {
        at -= 1;
        let mut fewer = kept.clone();
        fewer.remove(at);
        let outcome = run(&plan.with_faults(&fewer));
        if outcome.violation.is_some() && invariant(&outcome) == invariant(&best) {
            kept = fewer;
            best = outcome;
            // Others may be needless now.
            at = kept.len();
        }
    }
    Failure { seed: plan.seed, plan: plan.with_faults(&kept), kept, outcome: best, trace_lines: TRACE_LINES }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let trace = &self.outcome.trace;
        for line in trace.iter().skip(trace.len().saturating_sub(self.trace_lines)) {
            writeln!(f, "{line}")?;
        }
        let plan = &self.plan;
        writeln!(f, "\nseed {}: {} brokers, faults within {:?}:", self.seed, plan.brokers, plan.span)?;
        for (number, fault) in self.kept.iter().zip(&plan.faults) {
            writeln!(f, "  {number}: {fault}")?;
        }
        if let Some(violation) = &self.outcome.violation {
            writeln!(f, "violated: {violation}")?;
        }
        let kept: Vec<String> = self.kept.iter().map(ToString::to_string).collect();
        let kept = if kept.is_empty() { "none".to_owned() } else { kept.join(",") };
        write!(f, "replay: cargo run --release --bin sim -- --seed {} --faults {kept}", self.seed)
    }
}
