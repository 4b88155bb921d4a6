//! One broker's host in the world: its storage, its clock, and what waits for it while it is paused.

use std::collections::VecDeque;

use crate::broker::{Broker, Input};
use crate::config::BrokerConfig;
use crate::rng::Rng;
use crate::time::{Duration, Instant};

use super::storage::MemoryStorage;

/// A steady clock: it never goes back, but it may stand still, and jump ahead.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Clock {
    ahead_ms: i64,
    stopped_at: Option<Instant>,
}

impl Clock {
    /// The clock's time when the world's is `now`.
    pub(super) fn read(&self, now: Instant) -> Instant {
        self.stopped_at.unwrap_or_else(|| Instant(now.0.saturating_add_signed(self.ahead_ms)))
    }

    /// When, by the world's time, this clock will show `at`; none while it stands still before that.
    pub(super) fn shows_at(&self, now: Instant, at: Instant) -> Option<Instant> {
        match self.stopped_at {
            Some(stopped) => (at <= stopped).then_some(now),
            None => Some(Instant(at.0.saturating_add_signed(-self.ahead_ms)).max(now)),
        }
    }

    pub(super) fn stop(&mut self, now: Instant) {
        self.stopped_at = Some(self.read(now));
    }

    /// Goes on from where it stood.
    pub(super) fn go_on(&mut self, now: Instant) {
        if let Some(stopped) = self.stopped_at.take() {
            self.ahead_ms = stopped.0 as i64 - now.0 as i64;
        }
    }

    pub(super) fn jump(&mut self, by: Duration) {
        let by = by.as_millis() as i64;
        match &mut self.stopped_at {
            Some(stopped) => *stopped = Instant(stopped.0.saturating_add_signed(by)),
            None => self.ahead_ms += by,
        }
    }
}

/// A crash to come: after so many more completed storage operations.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArmedCrash {
    pub(super) ios_left: u64,
    pub(super) seed: u64,
}

pub(super) struct Node {
    pub(super) config: BrokerConfig,
    pub(super) storage: MemoryStorage,
    /// The one that it had before, and lost.
    pub(super) lost: Option<MemoryStorage>,
    /// None while stopped or crashed.
    pub(super) broker: Option<Broker>,
    pub(super) incarnation: u64,
    /// By the world's time.
    pub(super) wake_at: Option<Instant>,
    pub(super) clock: Clock,
    /// While paused nothing reaches the broker; it finds everything when it goes on. By its clock.
    pub(super) paused_at: Option<Instant>,
    pub(super) held: VecDeque<Input>,
    pub(super) crash: Option<ArmedCrash>,
    /// Added to each storage operation, at most.
    pub(super) storage_slower: Duration,
}

impl Node {
    pub(super) fn new(config: BrokerConfig) -> Self {
        Self {
            config,
            storage: MemoryStorage::default(),
            lost: None,
            broker: None,
            incarnation: 0,
            wake_at: None,
            clock: Clock::default(),
            paused_at: None,
            held: VecDeque::new(),
            crash: None,
            storage_slower: Duration::ZERO,
        }
    }

    /// A new life on what storage holds.
    pub(super) fn start(&mut self, seed: u64, now: Instant) {
        self.incarnation += 1;
        let found = self.storage.recovered();
        self.broker = Some(Broker::new(self.config.clone(), found, seed, self.clock.read(now)));
    }

    /// The end of a life.
    pub(super) fn end(&mut self) {
        self.broker = None;
        self.wake_at = None;
        self.paused_at = None;
        self.held.clear();
        self.crash = None;
    }

    /// Begins with an empty storage next time.
    pub(super) fn lose_storage(&mut self) {
        let mut empty = MemoryStorage::default();
        empty.model_power_loss();
        self.lost = Some(std::mem::replace(&mut self.storage, empty));
    }

    /// Counts a completed storage operation. Some when the crash that was armed comes now.
    pub(super) fn io_completed(&mut self) -> Option<Rng> {
        let crash = self.crash.as_mut()?;
        crash.ios_left = crash.ios_left.saturating_sub(1);
        if crash.ios_left > 0 {
            return None;
        }
        self.crash.take().map(|crash| Rng::new(crash.seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_stands_still_jumps_and_never_goes_back() {
        let mut clock = Clock::default();
        clock.stop(Instant(100));
        assert_eq!(clock.read(Instant(500)), Instant(100));
        assert_eq!(clock.shows_at(Instant(500), Instant(101)), None);
        clock.go_on(Instant(500));
        assert_eq!(clock.read(Instant(510)), Instant(110));
        assert_eq!(clock.shows_at(Instant(510), Instant(120)), Some(Instant(520)));
        clock.jump(Duration::from_millis(1000));
        assert_eq!(clock.read(Instant(511)), Instant(1111));
    }
}
