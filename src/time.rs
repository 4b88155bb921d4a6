//! Integer instants and the timer table. Time is always an argument: no code below `web/` reads a clock.

use std::ops::{Add, Sub};

use crate::sorted::{SortedMap, SortedSet};

pub use std::time::Duration;

/// A point in time: milliseconds since the Unix epoch by the host's steady clock. It serves for record timestamps too,
/// so there is one clock, not two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// As a record timestamp (ms since the Unix epoch).
    pub fn as_timestamp(self) -> i64 {
        self.0 as i64
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(duration.as_millis() as u64))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_sub(duration.as_millis() as u64))
    }
}

/// Named deadlines, at most one per key.
#[derive(Debug, Clone)]
pub struct Timers<K> {
    by_key: SortedMap<K, Instant>,
    by_time: SortedSet<(Instant, K)>,
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Self { by_key: SortedMap::new(), by_time: SortedSet::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets `key`'s deadline, replacing an earlier one.
    pub fn set(&mut self, key: K, at: Instant) {
        self.cancel(&key);
        self.by_key.insert(key.clone(), at);
        self.by_time.insert((at, key));
    }

    /// Forgets `key`'s deadline.
    pub fn cancel(&mut self, key: &K) {
        if let Some(at) = self.by_key.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    /// All deadlines come so much later.
    pub fn postpone(&mut self, by: Duration) {
        for at in self.by_key.values_mut() {
            *at = *at + by;
        }
        self.by_time = self.by_key.iter().map(|(key, at)| (*at, key.clone())).collect();
    }

    /// `key`'s deadline.
    pub fn deadline(&self, key: &K) -> Option<Instant> {
        self.by_key.get(key).copied()
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one timer that is due, earliest first. Call until `None`.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }
}

/// The earlier of two optional deadlines.
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postponed_timers_keep_their_order() {
        let mut timers = Timers::default();
        timers.set("a", Instant(5));
        timers.set("b", Instant(7));
        timers.postpone(Duration::from_millis(10));
        assert_eq!((timers.next(), timers.deadline(&"b")), (Some(Instant(15)), Some(Instant(17))));
        assert_eq!(timers.pop_due(Instant(16)), Some("a"));
        assert_eq!(timers.pop_due(Instant(16)), None);
    }

    #[test]
    fn a_timer_set_again_fires_once_at_its_new_deadline() {
        let mut timers = Timers::default();
        timers.set("a", Instant(5));
        timers.set("b", Instant(7));
        timers.set("a", Instant(9));
        assert_eq!(timers.next(), Some(Instant(7)));
        assert_eq!(timers.pop_due(Instant(10)), Some("b"));
        assert_eq!(timers.pop_due(Instant(10)), Some("a"));
        assert_eq!(timers.pop_due(Instant(10)), None);
    }
}
