//! One run: a cluster and its clients made from a seed, faults, and then rest, in which everything must come right again.
//! Whatever may have changed is checked after every step.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::broker::Broker;
use crate::config::{BrokerConfig, Profile};
use crate::rng::Rng;
use crate::time::{Duration, Instant, earliest};
use crate::types::BrokerId;

use super::fault::{self, Fault, FaultKind};
use super::invariants::{Checker, Violation, all_caught_up, metadata_caught_up};
use super::workload::{CONSUMERS, Workload};
use super::world::{Latencies, World};

/// When virtual time begins.
const START: Instant = Instant(1_800_000_000_000);
/// A new cluster runs within this time.
const BOOT_MAX: Duration = Duration::from_secs(15);
/// A run that takes more turns than this goes round in circles: the longest seen took a tenth.
const TURNS_MAX: u64 = 1_000_000;
/// When the faults have stopped, every call is answered, every partition led and every replica and group caught up within
/// this time. The slowest clocks in it: a producer's delivery timeout (8 s), a rebalance that waits for a silent member.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// Brokers that vote at first.
pub(super) const VOTERS: usize = 3;
/// A pause that a broker notices in any case: a session of the lab.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// What a seed stands for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many brokers; the first three of them vote.
    pub brokers: usize,
    /// How long things take without faults.
    pub latencies: Latencies,
    /// All faults begin within this time.
    pub span: Duration,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

impl Plan {
    /// Draws everything from the seed.
    pub fn draw(seed: u64) -> Plan {
        let mut rng = Rng::new(seed);
        let brokers = [3, 3, 3, 4, 5].get(rng.below(5) as usize).copied().unwrap_or(3);
        let latencies = Latencies {
            network_max: Duration::from_millis(1 + rng.below(8)),
            storage_max: Duration::from_millis(1 + rng.below(12)),
        };
        let span = Duration::from_millis(3000 + rng.below(5000));
        let mut faults = fault::draw(&mut rng, brokers, CONSUMERS, span);
        faults.extend(fault::draw_contest(seed, brokers, span));
        faults.extend(fault::draw_return(seed, brokers, span));
        faults.extend(fault::draw_loss(seed, brokers, span));
        faults.sort_by_key(|fault| fault.at_ms);
        Plan { seed, brokers, latencies, span, faults }
    }

    /// The same with some of its faults only, by their numbers.
    pub fn with_faults(&self, kept: &[usize]) -> Plan {
        let faults = self.faults.iter().enumerate().filter(|(at, _)| kept.contains(at));
        Plan { faults: faults.map(|(_, fault)| fault.clone()).collect(), ..self.clone() }
    }

    fn configs(&self) -> Vec<BrokerConfig> {
        (1..=self.brokers as i32).map(config).collect()
    }
}

fn config(id: i32) -> BrokerConfig {
    let mut config =
        BrokerConfig::new(Profile::Lab, BrokerId(id), (1..=VOTERS as i32).map(BrokerId).collect());
    config.cluster_id = "sim".to_owned();
    for (name, value) in CONFIGS {
        if let Err(error) = config.set(name, value) {
            panic!("{error}");
        }
    }
    config
}

const CONFIGS: [(&str, &str); 8] = [
    // A run writes some kilobytes of metadata.
    ("metadata.log.max.record.bytes.between.snapshots", "1500"),
    ("controller.quorum.fetch.snapshot.max.bytes", "700"),
    ("min.insync.replicas", "2"),
    ("default.replication.factor", "3"),
    ("offsets.topic.replication.factor", "3"),
    ("offsets.topic.num.partitions", "2"),
    ("leader.imbalance.check.interval.seconds", "3"),
    ("request.timeout.ms", "5000"),
];

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Happenings.
    pub events: u64,
    /// A number that stands for what happened: the same for the same trace.
    pub digest: u64,
    /// Virtual time.
    pub duration: Duration,
    /// Records acked with acks=all.
    pub acked: usize,
    /// What did not hold.
    pub violation: Option<Violation>,
    /// What led to it: faults, cluster events, and what consumers were told.
    pub trace: Vec<String>,
}

/// Runs a plan to its end, or to the first violation. A broken assertion of the core is a violation as well, where panics
/// unwind.
pub fn run(plan: &Plan) -> Outcome {
    let mut run = Run::new(plan);
    let ended = catch_unwind(AssertUnwindSafe(|| run.go()));
    let violation = match ended {
        Ok(checked) => checked.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let what = text.unwrap_or("a panic without words").to_owned();
            Some(Violation { invariant: "assertions", what })
        }
    };
    let trace = if violation.is_some() { run.trace() } else { Vec::new() };
    Outcome {
        events: run.world.steps(),
        digest: run.world.digest(),
        duration: run.world.now().since(START),
        acked: run.workload.acked(),
        violation,
        trace,
    }
}

/// What is to be done to the world, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    begins: bool,
    fault: usize,
}

struct Run<'a> {
    plan: &'a Plan,
    world: World,
    workload: Workload,
    checker: Checker,
    /// By time, the last first.
    due: Vec<Due>,
    active: Vec<usize>,
    /// When the last fault but those of consumers began or ended.
    disturbed_at: Instant,
    told: Vec<(Instant, String)>,
    turns: u64,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut world = World::new(plan.seed, START, plan.configs(), plan.latencies.clone());
        world.forget_frequent_events();
        for id in world.ids() {
            if let Some(storage) = world.storage_mut(id) {
                storage.model_power_loss();
            }
        }
        Self {
            plan,
            world,
            workload: Workload::new(plan.seed ^ 0x77ad, START, plan.brokers),
            checker: Checker::default(),
            due: Vec::new(),
            active: Vec::new(),
            disturbed_at: START,
            told: Vec::new(),
            turns: 0,
        }
    }

    fn go(&mut self) -> Result<(), Violation> {
        self.until(BOOT_MAX, "a new cluster runs", |run| {
            let ids = run.world.ids();
            let idle = ids.iter().find(|id| !run.world.broker(**id).is_some_and(Broker::is_running));
            idle.map(|id| format!("broker {id} does not run"))
        })?;
        self.workload.create_topics(&mut self.world);
        self.until(BOOT_MAX, "topics are there", |run| {
            let asked = (!run.workload.admin_is_idle()).then(|| "the admin waits".to_owned());
            asked.or_else(|| metadata_caught_up(&run.world))
        })?;
        self.faults_happen()?;
        self.workload.probe(&mut self.world);
        self.until(RECOVERY_MAX, "all is whole after the faults", |run| {
            run.workload.waits_for(&run.checker).or_else(|| all_caught_up(&run.world, &run.checker.history))
        })?;
        self.workload.at_the_end(&self.checker)
    }

    fn faults_happen(&mut self) -> Result<(), Violation> {
        let begin = self.world.now();
        let joining = config(self.plan.brokers as i32 + 1);
        self.workload.start(&mut self.world, self.plan.span, joining);
        let all = self.plan.faults.iter().enumerate();
        self.due = all
            .flat_map(|(number, fault)| {
                let at = begin + Duration::from_millis(fault.at_ms);
                let end = at + Duration::from_millis(fault.for_ms);
                [Due { at, begins: true, fault: number }, Due { at: end, begins: false, fault: number }]
            })
            .collect();
        self.due.sort_by(|a, b| b.cmp(a));
        let end = begin + self.plan.span;
        while self.world.now() < end || !self.due.is_empty() {
            let over = (self.world.now() < end).then_some(end);
            let due = self.due.last().map(|due| due.at);
            let next = [over, due, self.workload.next_at()].into_iter().fold(None, earliest);
            self.run_to(next.unwrap_or(end))?;
            while let Some(due) = self.due.pop_if(|due| due.at <= self.world.now()) {
                self.change(due);
                self.check()?;
            }
            self.workload.act(&mut self.world, &self.checker);
            self.check()?;
        }
        Ok(())
    }

    fn change(&mut self, due: Due) {
        let Some(fault) = self.plan.faults.get(due.fault) else { return };
        let verb = if due.begins { "begins" } else { "ends" };
        self.told.push((self.world.now(), format!("fault {} {verb}: {fault}", due.fault)));
        match &fault.kind {
            FaultKind::KillConsumer { index, silent } => {
                if due.begins {
                    let brokers = self.plan.brokers;
                    self.workload.replace_consumer(&mut self.world, *index, *silent, brokers);
                }
                return;
            }
            _ if due.begins && self.checker.losses.in_sight(&self.world) => {
                self.told
                    .push((self.world.now(), "not yet: a broker that lost writes is in an ISR".to_owned()));
                return;
            }
            FaultKind::PowerLoss { broker, seed } | FaultKind::LoseStorage { broker, seed }
                if due.begins && !self.can_spare(&fault.kind) =>
            {
                self.told.push((self.world.now(), "it can't be spared: it is a crash".to_owned()));
                FaultKind::Crash { broker: *broker, seed: *seed }.begin(&mut self.world);
            }
            FaultKind::PowerLoss { broker, .. } if due.begins => {
                self.checker.loses_power(&self.world, *broker);
                fault.kind.begin(&mut self.world);
            }
            FaultKind::LoseStorage { broker, .. } if due.begins => {
                self.workload.loses_storage(&self.world, *broker);
                self.checker.loses_storage(&self.world, *broker);
                fault.kind.begin(&mut self.world);
            }
            FaultKind::Pause { broker } if !due.begins => {
                if self.world.paused_for(*broker).is_some_and(|paused| paused >= LONG_PAUSE) {
                    self.checker.stale_leaders.comes_back(&self.world, *broker);
                }
                fault.kind.end(&mut self.world);
            }
            kind if due.begins => kind.begin(&mut self.world),
            kind => kind.end(&mut self.world),
        }
        self.disturbed_at = self.world.now();
        match due.begins {
            true => self.active.push(due.fault),
            false => self.active.retain(|number| *number != due.fault),
        }
    }

    /// True when a loss is one that the cluster promises to survive.
    fn can_spare(&self, kind: &FaultKind) -> bool {
        match kind {
            FaultKind::PowerLoss { .. } => self.may_lose_power(),
            FaultKind::LoseStorage { broker, .. } => self.may_lose_storage(*broker),
            _ => true,
        }
    }

    /// True when one broker may lose acked writes without harm: all others have them.
    fn may_lose_power(&self) -> bool {
        let quiet = self.active.is_empty() && self.world.now().since(self.disturbed_at) > QUIET;
        quiet && metadata_caught_up(&self.world).is_none()
    }

    /// True when one broker may lose all it has. Of each partition another alive replica has what is committed. The other voters
    /// are a majority without it, and all know its storage: another is another voter. And nobody else ends meanwhile.
    fn may_lose_storage(&self, id: BrokerId) -> bool {
        let ids = self.world.ids();
        let brokers = || ids.iter().filter_map(|id| self.world.broker(*id));
        let others_elect = |broker: &Broker| {
            let (voter, voters) = (broker.quorum().voter_directory(id), broker.quorum().voters().len());
            voter.is_none_or(|directory| !directory.is_nil() && voters >= VOTERS)
        };
        let newest = brokers().max_by_key(|broker| broker.replayed()).map(Broker::image);
        let spared = newest.is_some_and(|image| {
            image.partitions().all(|(.., state)| {
                let mut complete = state.isr.iter().chain(&state.elr);
                !state.replicas.contains(&id) || complete.any(|other| *other != id && image.is_active(*other))
            })
        });
        let ends = self
            .active
            .iter()
            .filter_map(|at| self.plan.faults.get(*at))
            .any(|fault| fault.kind.ends_brokers());
        let all_run = ids.len() == brokers().filter(|broker| broker.is_running()).count();
        all_run && !ends && spared && brokers().all(others_elect) && self.workload.admin_is_idle()
    }

    /// Runs on until nothing is missing; a violation when something still is after `limit`.
    fn until(
        &mut self,
        limit: Duration,
        what: &str,
        missing: impl Fn(&Run<'_>) -> Option<String>,
    ) -> Result<(), Violation> {
        let end = self.world.now() + limit;
        while let Some(still) = missing(self) {
            if self.world.now() >= end {
                let what = format!("not within {limit:?}: {what}: {still}");
                return Err(Violation { invariant: "progress", what });
            }
            let next = (self.world.now() + Duration::from_millis(50)).min(end);
            self.run_to(next)?;
            self.workload.act(&mut self.world, &self.checker);
            self.check()?;
        }
        Ok(())
    }

    fn run_to(&mut self, until: Instant) -> Result<(), Violation> {
        while self.workload.step(&mut self.world, until) {
            self.check()?;
            self.turns += 1;
            if self.turns > TURNS_MAX {
                let what = format!("more than {TURNS_MAX} turns, and it is {:?}", self.world.now());
                return Err(Violation { invariant: "progress", what });
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Violation> {
        while let Some(id) = self.world.next_touched() {
            self.checker.look_at(&self.world, id)?;
        }
        self.workload.gather(&mut self.world, &self.checker)
    }

    fn trace(&self) -> Vec<String> {
        let told =
            self.told.iter().chain(&self.workload.told).map(|(at, text)| (*at, 0, format!("-- {text}")));
        let events = self.world.events().iter();
        let events = events.map(|(at, id, event)| (*at, 1, format!("broker {id}: {event:?}")));
        let mut lines: Vec<(Instant, u8, String)> = told.chain(events).collect();
        lines.sort_by_key(|(at, order, _)| (*at, *order));
        lines
            .into_iter()
            .map(|(at, _, text)| format!("{:>6} ms  {text}", at.since(START).as_millis()))
            .collect()
    }
}

/// Before a loss of power nothing else has gone wrong for this long.
const QUIET: Duration = Duration::from_secs(1);
