//! Which leader epoch each offset belongs to: the start offset of every epoch the log has seen (KIP-101, KIP-279,
//! KIP-320; Kafka's `LeaderEpochFileCache`).

use crate::types::{LeaderEpoch, Offset};

/// One leader epoch and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The first offset written in it.
    pub start: Offset,
}

/// The epochs of a log, ascending in epoch and (not strictly, at the log's end) in start offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<EpochEntry>,
}

impl EpochCache {
    /// Notes that `epoch` begins at `start`, unless it is known already or older than the latest. An older epoch that
    /// has no offset of its own (it began at or beyond `start`) goes.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.latest().is_some_and(|latest| latest >= epoch) {
            return;
        }
        self.truncate_from_end(start);
        self.entries.push(EpochEntry { epoch, start });
    }

    /// The highest epoch.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// The epoch of the record at `offset`, or at the log's end the latest.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.entries.iter().rev().find(|entry| entry.start <= offset).map(|entry| entry.epoch)
    }

    /// The answer to OffsetForLeaderEpoch: the largest known epoch at or below `requested`, and the exclusive end of
    /// its offsets. Below the first known epoch the answer is `requested` itself and the first known start, as in Kafka.
    /// None when `requested` is above the latest epoch, or nothing is known.
    pub fn end_offset_for(&self, requested: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        if self.latest()? == requested {
            return Some((requested, log_end));
        }
        let higher = self.entries.iter().find(|entry| entry.epoch > requested)?;
        let floor = self.entries.iter().rev().find(|entry| entry.epoch <= requested);
        Some((floor.map_or(requested, |entry| entry.epoch), higher.start))
    }

    /// Forgets epochs that begin at or above `end`.
    pub fn truncate_from_end(&mut self, end: Offset) {
        self.entries.retain(|entry| entry.start < end);
    }

    /// Forgets epochs that end at or below `start`; the one in effect at `start` now begins there.
    pub fn truncate_from_start(&mut self, start: Offset) {
        let gone = self.entries.iter().take_while(|entry| entry.start <= start).count();
        if let Some(last) = gone.checked_sub(1) {
            self.entries.drain(..last);
            if let Some(entry) = self.entries.first_mut() {
                entry.start = start;
            }
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The epochs in effect from `from` (inclusive) to `to` (exclusive): the one that covers `from`, its start moved
    /// there, then those that begin between.
    pub fn slice(&self, from: Offset, to: Offset) -> Vec<EpochEntry> {
        let mut slice = EpochCache { entries: self.entries.clone() };
        slice.truncate_from_start(from);
        slice.entries.retain(|entry| entry.start < to || entry.start == from);
        slice.entries
    }

    /// All entries, ascending.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start) in entries {
            cache.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        cache
    }

    fn end(cache: &EpochCache, requested: i32, log_end: i64) -> Option<(i32, i64)> {
        cache.end_offset_for(LeaderEpoch(requested), Offset(log_end)).map(|(e, o)| (e.0, o.0))
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next_known_one() {
        let cache = cache(&[(2, 6), (3, 8), (7, 10)]);
        assert_eq!(end(&cache, 7, 15), Some((7, 15)));
        assert_eq!(end(&cache, 2, 15), Some((2, 8)));
        assert_eq!(end(&cache, 5, 15), Some((3, 10)));
    }

    #[test]
    fn an_epoch_above_the_latest_has_no_end_and_one_below_the_first_ends_where_the_first_begins() {
        let cache = cache(&[(2, 6), (3, 8)]);
        assert_eq!(end(&cache, 4, 15), None);
        assert_eq!(end(&cache, 1, 15), Some((1, 6)));
        assert_eq!(end(&EpochCache::default(), 0, 0), None);
    }

    #[test]
    fn an_older_epoch_is_not_assigned_and_an_empty_one_is_replaced() {
        let cache = cache(&[(2, 6), (1, 9), (3, 8), (4, 8)]);
        assert_eq!(
            cache.entries().iter().map(|e| (e.epoch.0, e.start.0)).collect::<Vec<_>>(),
            [(2, 6), (4, 8)]
        );
    }

    #[test]
    fn cutting_the_end_forgets_epochs_that_begin_there() {
        let mut cache = cache(&[(2, 6), (3, 8), (4, 11)]);
        cache.truncate_from_end(Offset(8));
        assert_eq!(cache.latest(), Some(LeaderEpoch(2)));
    }

    #[test]
    fn cutting_the_start_keeps_the_epoch_in_effect() {
        let mut cache = cache(&[(2, 6), (3, 8), (4, 11)]);
        cache.truncate_from_start(Offset(9));
        assert_eq!(
            cache.entries().iter().map(|e| (e.epoch.0, e.start.0)).collect::<Vec<_>>(),
            [(3, 9), (4, 11)]
        );
        cache.truncate_from_start(Offset(20));
        assert_eq!(cache.entries().iter().map(|e| (e.epoch.0, e.start.0)).collect::<Vec<_>>(), [(4, 20)]);
    }

    #[test]
    fn a_slice_begins_with_the_epoch_in_effect() {
        let cache = cache(&[(2, 6), (3, 8), (4, 11)]);
        let slice = cache.slice(Offset(9), Offset(11));
        assert_eq!(slice, [EpochEntry { epoch: LeaderEpoch(3), start: Offset(9) }]);
        assert_eq!(
            cache.slice(Offset(11), Offset(11)),
            [EpochEntry { epoch: LeaderEpoch(4), start: Offset(11) }]
        );
        assert_eq!(cache.slice(Offset(0), Offset(5)), []);
    }
}
