//! Where operations wait until a partition has moved far enough, or their time is up.

use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Instant, Timers};
use crate::types::LogId;

/// Names one waiting operation. Never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OperationId(u64);

#[derive(Debug)]
struct Parked<T> {
    operation: T,
    logs: Vec<LogId>,
}

/// Waiting operations, by what they wait for.
#[derive(Debug)]
pub(super) struct Purgatory<T> {
    next: u64,
    parked: SortedMap<OperationId, Parked<T>>,
    watchers: SortedMap<LogId, SortedSet<OperationId>>,
    deadlines: Timers<OperationId>,
}

impl<T> Default for Purgatory<T> {
    fn default() -> Self {
        Self { next: 0, parked: SortedMap::new(), watchers: SortedMap::new(), deadlines: Timers::default() }
    }
}

impl<T> Purgatory<T> {
    /// Parks an operation that watches `logs`, until `deadline` at the latest.
    pub(super) fn park(&mut self, operation: T, mut logs: Vec<LogId>, deadline: Instant) -> OperationId {
        self.next += 1;
        let id = OperationId(self.next);
        logs.sort();
        logs.dedup();
        for log in &logs {
            self.watchers.entry(*log).or_default().insert(id);
        }
        self.deadlines.set(id, deadline);
        self.parked.insert(id, Parked { operation, logs });
        id
    }

    /// The operations that watch `log`, oldest first.
    pub(super) fn watchers(&self, log: LogId) -> Vec<OperationId> {
        self.watchers.get(&log).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    /// The logs that are watched.
    pub(super) fn logs(&self) -> impl Iterator<Item = LogId> {
        self.watchers.keys().copied()
    }

    /// All operations, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (OperationId, &T)> {
        self.parked.iter().map(|(id, parked)| (*id, &parked.operation))
    }

    /// An operation, to look at.
    pub(super) fn operation(&self, id: OperationId) -> Option<&T> {
        self.parked.get(&id).map(|parked| &parked.operation)
    }

    /// An operation, to change.
    pub(super) fn operation_mut(&mut self, id: OperationId) -> Option<&mut T> {
        self.parked.get_mut(&id).map(|parked| &mut parked.operation)
    }

    /// Takes an operation out.
    pub(super) fn remove(&mut self, id: OperationId) -> Option<T> {
        let parked = self.parked.remove(&id)?;
        self.deadlines.cancel(&id);
        for log in &parked.logs {
            if let Some(ids) = self.watchers.get_mut(log) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.watchers.remove(log);
                }
            }
        }
        Some(parked.operation)
    }

    /// An operation's time is up at `at` already, if it had longer.
    pub(super) fn hasten(&mut self, id: OperationId, at: Instant) {
        if self.deadlines.deadline(&id).is_some_and(|deadline| deadline > at) {
            self.deadlines.set(id, at);
        }
    }

    /// Takes out one operation whose time is up, earliest first. Call until none.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let id = self.deadlines.pop_due(now)?;
        self.remove(id)
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{PartitionIndex, TopicId};

    fn log(partition: i32) -> LogId {
        LogId { topic_id: TopicId::METADATA, partition: PartitionIndex(partition) }
    }

    #[test]
    fn an_operation_is_found_under_each_of_its_logs_until_it_is_taken_out() {
        let mut purgatory = Purgatory::default();
        let id = purgatory.park("a", vec![log(1), log(2), log(1)], Instant(5));
        assert_eq!(purgatory.watchers(log(1)), [id]);
        assert_eq!(purgatory.watchers(log(2)), [id]);
        assert_eq!(purgatory.remove(id), Some("a"));
        assert_eq!(purgatory.watchers(log(1)), []);
        assert_eq!(purgatory.next_deadline(), None);
        assert_eq!(purgatory.pop_due(Instant(9)), None);
    }

    #[test]
    fn operations_come_due_in_the_order_of_their_deadlines() {
        let mut purgatory = Purgatory::default();
        purgatory.park("late", vec![log(1)], Instant(7));
        purgatory.park("early", vec![log(1)], Instant(5));
        assert_eq!(purgatory.pop_due(Instant(4)), None);
        assert_eq!(purgatory.pop_due(Instant(9)), Some("early"));
        assert_eq!(purgatory.pop_due(Instant(9)), Some("late"));
        assert_eq!(purgatory.pop_due(Instant(9)), None);
    }
}
