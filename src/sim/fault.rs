//! What goes wrong in a run, as data: a list drawn from the seed, so that it can be shrunk, printed and replayed.

use std::fmt;

use crate::log::io::IoError;
use crate::rng::Rng;
use crate::time::Duration;
use crate::types::BrokerId;

use super::contest;
use super::run::VOTERS;
use super::world::World;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When it begins, in ms from the begin of the faults.
    pub at_ms: u64,
    /// How long it lasts, in ms; a broker that ended is started again then.
    pub for_ms: u64,
    /// What it is.
    pub kind: FaultKind,
}

/// What can go wrong. `Display` of a `Fault` says it with its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FaultKind {
    /// The broker ends; of the storage operations under way some took effect, one perhaps by half.
    Crash { broker: BrokerId, seed: u64 },
    /// The same right after so many more completed storage operations, before the broker hears of the last.
    CrashAfterIos { broker: BrokerId, ios: u64, seed: u64 },
    /// All brokers end at once, as in a closed tab.
    CrashAll { seed: u64 },
    /// All brokers but this one end at once.
    CrashOthers { but: BrokerId, seed: u64 },
    /// The broker's machine loses power: what was not flushed may be gone. Only while all others have everything, otherwise it
    /// is a crash; and nothing else goes wrong until it is out of every ISR.
    PowerLoss { broker: BrokerId, seed: u64 },
    /// The broker ends, and its storage is lost: it comes back with its id and nothing else. Only while the cluster can spare
    /// it, otherwise it is a crash; and nothing else goes wrong until it is out of every ISR.
    LoseStorage { broker: BrokerId, seed: u64 },
    /// The broker stops in good order.
    Stop { broker: BrokerId },
    /// The broker does nothing, and nobody is told; it finds out by its clock.
    Pause { broker: BrokerId },
    /// The broker's clock stands still, and then goes on from where it stood.
    StopClock { broker: BrokerId },
    /// The broker's clock jumps ahead.
    JumpClock { broker: BrokerId, by_ms: u64 },
    /// What one broker sends another is lost.
    Cut { from: BrokerId, to: BrokerId },
    /// The same in both directions.
    CutBoth { a: BrokerId, b: BrokerId },
    /// All other brokers are cut off, in both directions.
    Isolate { broker: BrokerId },
    /// The connections of two brokers close, and can't be opened.
    LinkDown { a: BrokerId, b: BrokerId },
    /// What two brokers send each other takes longer.
    SlowLink { a: BrokerId, b: BrokerId, by_ms: u64 },
    /// Clients can't reach the broker, and its answers are lost.
    HideFromClients { broker: BrokerId },
    /// The connections of all clients to the broker close.
    DropClients { broker: BrokerId },
    /// Storage takes longer.
    SlowDisk { broker: BrokerId, by_ms: u64 },
    /// Writes fail.
    FailDisk { broker: BrokerId },
    /// Writes fail because the quota is used up.
    FullDisk { broker: BrokerId },
    /// A consumer's process ends (or falls silent); another takes its place.
    KillConsumer { index: usize, silent: bool },
    /// The quorum's leader is cut off from the other voters, and asked to change them. See `contest`.
    ContestVoters { brokers: usize, seed: u64 },
    /// The quorum's leader is cut off from the other voters, and its clock stands still. See `contest`.
    DeposeUnaware,
}

/// How a broker is named in what is printed.
struct Named<'a>(&'a BrokerId);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broker {}", self.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {:>5} ms, for {:>4} ms: ", self.at_ms, self.for_ms)?;
        match &self.kind {
            FaultKind::Crash { broker, .. } => write!(f, "{} crashes", Named(broker)),
            FaultKind::CrashAfterIos { broker, ios, .. } => {
                write!(f, "{} crashes after {ios} more storage operations", Named(broker))
            }
            FaultKind::CrashAll { .. } => write!(f, "all brokers crash"),
            FaultKind::CrashOthers { but, .. } => write!(f, "all but {} crash", Named(but)),
            FaultKind::PowerLoss { broker, .. } => write!(f, "{} loses power", Named(broker)),
            FaultKind::LoseStorage { broker, .. } => write!(f, "{} loses its storage", Named(broker)),
            FaultKind::Stop { broker } => write!(f, "{} stops in good order", Named(broker)),
            FaultKind::Pause { broker } => write!(f, "{} is paused", Named(broker)),
            FaultKind::StopClock { broker } => write!(f, "{}'s clock stands still", Named(broker)),
            FaultKind::JumpClock { broker, by_ms } => {
                write!(f, "{}'s clock jumps ahead by {by_ms} ms", Named(broker))
            }
            FaultKind::Cut { from, to } => write!(f, "what {} sends {} is lost", Named(from), Named(to)),
            FaultKind::CutBoth { a, b } => write!(f, "{} and {} are cut off", Named(a), Named(b)),
            FaultKind::Isolate { broker } => write!(f, "{} is cut off from all others", Named(broker)),
            FaultKind::LinkDown { a, b } => {
                write!(f, "the connections of {} and {} close", Named(a), Named(b))
            }
            FaultKind::SlowLink { a, b, by_ms } => {
                write!(f, "the link of {} and {} is slower by up to {by_ms} ms", Named(a), Named(b))
            }
            FaultKind::HideFromClients { broker } => write!(f, "clients can't reach {}", Named(broker)),
            FaultKind::DropClients { broker } => {
                write!(f, "clients lose their connections to {}", Named(broker))
            }
            FaultKind::SlowDisk { broker, by_ms } => {
                write!(f, "{}'s storage is slower by up to {by_ms} ms", Named(broker))
            }
            FaultKind::FailDisk { broker } => write!(f, "{}'s writes fail", Named(broker)),
            FaultKind::FullDisk { broker } => write!(f, "{}'s quota is used up", Named(broker)),
            FaultKind::KillConsumer { index, silent: false } => write!(f, "consumer {index} is killed"),
            FaultKind::ContestVoters { .. } => {
                write!(f, "the quorum's leader is cut off from the other voters, and asked to change them")
            }
            FaultKind::DeposeUnaware => {
                write!(f, "the quorum's leader is cut off from the other voters, and its clock stands still")
            }
            FaultKind::KillConsumer { index, silent: true } => write!(f, "consumer {index} falls silent"),
        }
    }
}

/// Draws a list for a cluster of `brokers` brokers; all begin within `span`.
pub fn draw(rng: &mut Rng, brokers: usize, consumers: usize, span: Duration) -> Vec<Fault> {
    let count = 1 + rng.below(8);
    let mut faults: Vec<Fault> = (0..count)
        .map(|_| {
            let for_max_ms = if rng.below(3) == 0 { 4000 } else { 1200 };
            Fault {
                at_ms: rng.below(span.as_millis() as u64),
                for_ms: 50 + rng.below(for_max_ms),
                kind: draw_kind(rng, brokers, consumers),
            }
        })
        .collect();
    faults.sort_by_key(|fault| fault.at_ms);
    faults
}

/// For some seeds, a contest of voters. From a generator of its own: the other seeds stay what they were without it.
pub fn draw_contest(seed: u64, brokers: usize, span: Duration) -> Option<Fault> {
    let mut rng = Rng::new(seed ^ 0x5eed_c0de);
    (rng.below(CONTESTS_ONE_IN) == 0).then(|| Fault {
        at_ms: rng.below(span.as_millis() as u64),
        for_ms: 300 + rng.below(2500),
        kind: FaultKind::ContestVoters { brokers, seed: rng.next_u64() },
    })
}

/// One seed in so many has a contest.
const CONTESTS_ONE_IN: u64 = 6;

/// For some seeds, a broker that is away while its leaderships go to others, and comes back as the quorum is between two
/// leaders: the others have just crashed, or there is one that does not know of the next. From a generator of its own, too; its
/// constant spares the seeds that tests name for what they found before.
pub fn draw_return(seed: u64, brokers: usize, span: Duration) -> Vec<Fault> {
    let mut rng = Rng::new(seed ^ 0x5ea006c);
    if rng.below(RETURNS_ONE_IN) != 0 {
        return Vec::new();
    }
    let (any, last) = (BrokerId(1 + rng.below(brokers as u64) as i32), BrokerId(brokers as i32));
    let (away, kind, for_ms, before_ms) = match rng.below(2) {
        // A voter would have to elect the next leader itself; the last broker has no vote at first.
        0 if brokers > VOTERS => (last, FaultKind::DeposeUnaware, 3500, 1500 + rng.below(2000)),
        _ => {
            let kind = FaultKind::CrashOthers { but: any, seed: rng.next_u64() };
            (any, kind, 20 + rng.below(200), 50 + rng.below(350))
        }
    };
    let at_ms = AWAY_MIN_MS + rng.below(span.as_millis() as u64 - AWAY_MIN_MS);
    let back_ms = at_ms + before_ms;
    let away_ms = (AWAY_MIN_MS + rng.below(2500)).min(back_ms);
    vec![
        Fault { at_ms: back_ms - away_ms, for_ms: away_ms, kind: FaultKind::Pause { broker: away } },
        Fault { at_ms, for_ms, kind },
    ]
}

/// Long enough to be fenced.
const AWAY_MIN_MS: u64 = 1500;
/// One seed in so many has such a return.
const RETURNS_ONE_IN: u64 = 6;

/// For some seeds without a contest, a broker that loses its storage. From a generator of its own, too, whose constant spares the
/// same seeds. (A voter without its storage is none any more: with another taken out meanwhile no majority would be left.)
pub fn draw_loss(seed: u64, brokers: usize, span: Duration) -> Option<Fault> {
    let mut rng = Rng::new(seed ^ 0x1055_0c71);
    (rng.below(LOSSES_ONE_IN) == 0 && draw_contest(seed, brokers, span).is_none()).then(|| Fault {
        at_ms: rng.below(span.as_millis() as u64),
        for_ms: 20 + rng.below(1200),
        kind: FaultKind::LoseStorage {
            broker: BrokerId(1 + rng.below(brokers as u64) as i32),
            seed: rng.next_u64(),
        },
    })
}

/// One seed in so many loses a broker's storage.
const LOSSES_ONE_IN: u64 = 4;

fn draw_kind(rng: &mut Rng, brokers: usize, consumers: usize) -> FaultKind {
    let count = brokers as u64;
    let first = rng.below(count);
    let broker = BrokerId(1 + first as i32);
    let other = BrokerId(1 + ((first + 1 + rng.below(count.max(2) - 1)) % count) as i32);
    let seed = rng.next_u64();
    match rng.below(30) {
        0..=3 => FaultKind::Crash { broker, seed },
        4..=7 => FaultKind::CrashAfterIos { broker, ios: 1 + rng.below(30), seed },
        8 => FaultKind::CrashAll { seed },
        9 | 10 => FaultKind::PowerLoss { broker, seed },
        11 => FaultKind::Stop { broker },
        12 | 13 => FaultKind::Pause { broker },
        14 => FaultKind::StopClock { broker },
        15 => FaultKind::JumpClock { broker, by_ms: 200 + rng.below(5000) },
        16 | 17 => FaultKind::Cut { from: broker, to: other },
        18 => FaultKind::CutBoth { a: broker, b: other },
        19 | 20 => FaultKind::Isolate { broker },
        21 => FaultKind::LinkDown { a: broker, b: other },
        22 => FaultKind::SlowLink { a: broker, b: other, by_ms: 20 + rng.below(400) },
        23 => FaultKind::HideFromClients { broker },
        24 => FaultKind::DropClients { broker },
        25 => FaultKind::SlowDisk { broker, by_ms: 20 + rng.below(400) },
        26 | 27 => FaultKind::FailDisk { broker },
        28 => FaultKind::FullDisk { broker },
        _ => {
            FaultKind::KillConsumer { index: rng.below(consumers as u64) as usize, silent: rng.below(2) == 0 }
        }
    }
}

impl FaultKind {
    /// Lets it begin in the world. Consumers are the workload's business.
    pub fn begin(&self, world: &mut World) {
        match *self {
            FaultKind::Crash { broker, seed } => world.crash_midway(broker, Rng::new(seed)),
            FaultKind::CrashAfterIos { broker, ios, seed } => world.crash_after_ios(broker, ios, seed),
            FaultKind::CrashAll { seed } => crash_all(world, None, seed),
            FaultKind::CrashOthers { but, seed } => crash_all(world, Some(but), seed),
            FaultKind::PowerLoss { broker, seed } => world.lose_power(broker, Rng::new(seed)),
            FaultKind::LoseStorage { broker, .. } => world.lose_storage(broker),
            FaultKind::Stop { broker } => world.stop(broker),
            FaultKind::Pause { broker } => world.pause(broker),
            FaultKind::StopClock { broker } => world.stop_clock(broker),
            FaultKind::JumpClock { broker, by_ms } => {
                world.jump_clock(broker, Duration::from_millis(by_ms));
            }
            FaultKind::Cut { from, to } => world.set_cut(from, to, true),
            FaultKind::CutBoth { a, b } => cut_both(world, a, b, true),
            FaultKind::Isolate { broker } => isolate(world, broker, true),
            FaultKind::LinkDown { a, b } => world.set_link_down(a, b, true),
            FaultKind::SlowLink { a, b, by_ms } => world.slow_link(a, b, Duration::from_millis(by_ms)),
            FaultKind::HideFromClients { broker } => world.hide_from_clients(broker, true),
            FaultKind::DropClients { broker } => world.drop_clients(broker),
            FaultKind::SlowDisk { broker, by_ms } => {
                world.slow_storage(broker, Duration::from_millis(by_ms));
            }
            FaultKind::FailDisk { broker } => {
                fail(world, broker, Some(IoError::Other("the disk is broken".to_owned())));
            }
            FaultKind::FullDisk { broker } => fail(world, broker, Some(IoError::QuotaExceeded)),
            FaultKind::ContestVoters { brokers, seed } => contest::begin(world, brokers, seed),
            FaultKind::DeposeUnaware => contest::depose_unaware(world),
            FaultKind::KillConsumer { .. } => {}
        }
    }

    /// True for those that end a broker, now or while they last.
    pub fn ends_brokers(&self) -> bool {
        use FaultKind::*;
        matches!(
            self,
            Crash { .. }
                | CrashAfterIos { .. }
                | CrashAll { .. }
                | CrashOthers { .. }
                | PowerLoss { .. }
                | LoseStorage { .. }
                | Stop { .. }
        )
    }

    /// Ends it: what was broken works again.
    pub fn end(&self, world: &mut World) {
        match *self {
            FaultKind::CrashAfterIos { broker, .. } => {
                world.disarm(broker);
                world.start(broker);
            }
            FaultKind::Crash { broker, .. }
            | FaultKind::PowerLoss { broker, .. }
            | FaultKind::LoseStorage { broker, .. } => world.start(broker),
            FaultKind::Stop { broker } => {
                // It may not have been allowed to stop yet, and would later, for good.
                world.crash(broker);
                world.start(broker);
            }
            FaultKind::CrashAll { .. } | FaultKind::CrashOthers { .. } => {
                world.ids().into_iter().for_each(|id| world.start(id))
            }
            FaultKind::Pause { broker } => world.resume(broker),
            FaultKind::StopClock { broker } => world.start_clock(broker),
            FaultKind::Cut { from, to } => world.set_cut(from, to, false),
            FaultKind::CutBoth { a, b } => cut_both(world, a, b, false),
            FaultKind::Isolate { broker } => isolate(world, broker, false),
            FaultKind::LinkDown { a, b } => world.set_link_down(a, b, false),
            FaultKind::SlowLink { a, b, .. } => world.slow_link(a, b, Duration::ZERO),
            FaultKind::HideFromClients { broker } => world.hide_from_clients(broker, false),
            FaultKind::SlowDisk { broker, .. } => world.slow_storage(broker, Duration::ZERO),
            FaultKind::ContestVoters { .. } => world.heal_splits(),
            FaultKind::DeposeUnaware => {
                world.heal_splits();
                world.ids().into_iter().for_each(|id| world.start_clock(id));
            }
            FaultKind::FailDisk { broker } | FaultKind::FullDisk { broker } => fail(world, broker, None),
            FaultKind::JumpClock { .. } | FaultKind::DropClients { .. } | FaultKind::KillConsumer { .. } => {}
        }
    }
}

fn crash_all(world: &mut World, but: Option<BrokerId>, seed: u64) {
    let mut rng = Rng::new(seed);
    for id in world.ids().into_iter().filter(|id| Some(*id) != but) {
        world.crash_midway(id, Rng::new(rng.next_u64()));
    }
}

fn cut_both(world: &mut World, a: BrokerId, b: BrokerId, cut: bool) {
    world.set_cut(a, b, cut);
    world.set_cut(b, a, cut);
}

fn isolate(world: &mut World, broker: BrokerId, cut: bool) {
    for other in world.ids().into_iter().filter(|id| *id != broker) {
        cut_both(world, broker, other, cut);
    }
}

fn fail(world: &mut World, broker: BrokerId, error: Option<IoError>) {
    if let Some(storage) = world.storage_mut(broker) {
        storage.fail_writes(error);
    }
}
