//! What a leader knows of a partition's other replicas: how far each is, and which ISR it has asked the controller for.
//!
//! The ISR has two states (KIP-497): *committed*, as the metadata log has it, and *pending*, while an `AlterPartition`
//! is under way and nobody knows whether it took effect. While pending the high watermark waits for the union of both
//! (the *maximal* ISR), and `min.insync.replicas` counts the committed one: either outcome is then safe.

use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{BrokerEpoch, BrokerId, Offset};

/// After a failed write a follower's word on its end is believed from this fetch on. A follower has at most two
/// fetches in flight, so that the third was sent after every earlier answer had been taken in.
const FETCHES_UNTIL_BELIEVED: u32 = 3;

/// A leader's state; its life is one leader epoch or several in a row.
#[derive(Debug)]
pub(super) struct Leader {
    /// The log end offset when this leader epoch began.
    pub(super) epoch_start: Offset,
    /// An ISR that the controller was asked for.
    pub(super) pending_isr: Option<Vec<BrokerId>>,
    followers: SortedMap<BrokerId, FollowerProgress>,
    /// Followers that may hold bytes which a failed write took out of this leader's log, with the number of their
    /// fetches since. While there is one, an append would put other bytes at the same offsets of the same epoch.
    ahead: SortedMap<BrokerId, u32>,
}

/// How far one follower is.
#[derive(Debug, Clone, Default)]
pub(super) struct FollowerProgress {
    /// Its durable log end offset: what it asked for last. None until its first fetch in this leadership.
    pub(super) log_end: Option<Offset>,
    /// Where its log starts, as it said last.
    pub(super) log_start: Option<Offset>,
    /// The epoch of the registration it fetches under (KIP-903).
    pub(super) broker_epoch: Option<BrokerEpoch>,
    last_caught_up: Option<Instant>,
    /// When it fetched last, and the leader's log end offset then.
    last_fetch: Option<(Instant, Offset)>,
    /// The end of what it was given.
    served_to: Offset,
}

impl FollowerProgress {
    /// True while its lag is below `lag_max`: it has, or had within that time, all that the leader had.
    pub(super) fn is_caught_up(&self, now: Instant, leader_end: Offset, lag_max: Duration) -> bool {
        self.log_end == Some(leader_end) || self.last_caught_up.is_some_and(|at| now.since(at) <= lag_max)
    }

    /// True when it has not fetched for longer than `lag_max`.
    pub(super) fn is_silent(&self, now: Instant, lag_max: Duration) -> bool {
        self.last_fetch.is_none_or(|(at, _)| now.since(at) > lag_max)
    }
}

/// A follower's fetch, as far as its progress goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct FollowerFetch {
    pub(super) follower: BrokerId,
    pub(super) broker_epoch: Option<BrokerEpoch>,
    pub(super) offset: Offset,
    pub(super) log_start: Option<Offset>,
}

impl Leader {
    /// Leadership that begins now. Replicas of the ISR get `replica.lag.time.max.ms` from now to show up.
    pub(super) fn new(
        now: Instant,
        epoch_start: Offset,
        followers: impl Iterator<Item = BrokerId>,
        isr: &[BrokerId],
    ) -> Self {
        let mut leader =
            Self { epoch_start, pending_isr: None, followers: SortedMap::new(), ahead: SortedMap::new() };
        leader.assign(now, followers, isr);
        leader
    }

    /// Another set of replicas.
    pub(super) fn assign(
        &mut self,
        now: Instant,
        followers: impl Iterator<Item = BrokerId>,
        isr: &[BrokerId],
    ) {
        let mut before = std::mem::take(&mut self.followers);
        for id in followers {
            let progress = before.remove(&id).unwrap_or_else(|| FollowerProgress {
                last_caught_up: isr.contains(&id).then_some(now),
                ..Default::default()
            });
            self.followers.insert(id, progress);
        }
        self.ahead.retain(|id, _| self.followers.contains_key(id));
    }

    /// A new leader epoch with the same leader: what was served in the old one is told apart by the epoch.
    pub(super) fn new_epoch(&mut self, now: Instant, epoch_start: Offset, isr: &[BrokerId]) {
        self.epoch_start = epoch_start;
        self.pending_isr = None;
        self.ahead.clear();
        for (id, follower) in &mut self.followers {
            follower.last_caught_up = isr.contains(id).then_some(now);
            follower.last_fetch = None;
            follower.served_to = Offset::ZERO;
        }
    }

    /// The other replicas.
    pub(super) fn followers(&self) -> impl Iterator<Item = (BrokerId, &FollowerProgress)> {
        self.followers.iter().map(|(id, follower)| (*id, follower))
    }

    /// One of them.
    pub(super) fn follower(&self, id: BrokerId) -> Option<&FollowerProgress> {
        self.followers.get(&id)
    }

    /// Takes note of a fetch at an offset that is within the log. `leader_end` is the log end offset.
    pub(super) fn fetched(&mut self, now: Instant, fetch: FollowerFetch, leader_end: Offset) {
        let Some(follower) = self.followers.get_mut(&fetch.follower) else { return };
        if fetch.offset >= leader_end {
            follower.last_caught_up = Some(now);
        } else if let Some((at, end)) = follower.last_fetch
            && fetch.offset >= end
        {
            follower.last_caught_up = follower.last_caught_up.max(Some(at));
        }
        follower.last_fetch = Some((now, leader_end));
        follower.log_end = Some(fetch.offset);
        follower.log_start = fetch.log_start;
        follower.broker_epoch = fetch.broker_epoch;
        if let Some(fetches) = self.ahead.get_mut(&fetch.follower) {
            *fetches += 1;
            if *fetches >= FETCHES_UNTIL_BELIEVED && fetch.offset <= leader_end {
                self.ahead.remove(&fetch.follower);
                follower.served_to = fetch.offset;
            }
        }
    }

    /// Takes note that a follower was given everything below `end`.
    pub(super) fn served(&mut self, follower: BrokerId, end: Offset) {
        if let Some(follower) = self.followers.get_mut(&follower) {
            follower.served_to = follower.served_to.max(end);
        }
    }

    /// A write failed: the log ends at `end` again.
    pub(super) fn cut_back(&mut self, end: Offset) {
        self.epoch_start = self.epoch_start.min(end);
        for (id, follower) in &mut self.followers {
            if follower.served_to > end {
                self.ahead.insert(*id, 0);
                follower.log_end = follower.log_end.map(|at| at.min(end));
            }
        }
    }

    /// True while a follower may hold bytes that this leader has lost: nothing may be appended then.
    pub(super) fn followers_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// True when such a follower is silent, and out of the ISR for it: it may not come back for long, and with it what it
    /// holds. Only a new leader epoch tells that apart from what is appended from now on.
    pub(super) fn is_stuck(&self, now: Instant, isr: &[BrokerId], lag_max: Duration) -> bool {
        let gone = |(id, follower): (&BrokerId, &FollowerProgress)| {
            self.ahead.contains_key(id) && !isr.contains(id) && follower.is_silent(now, lag_max)
        };
        self.followers.iter().any(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAG_MAX: Duration = Duration::from_millis(100);

    fn leader() -> Leader {
        Leader::new(Instant(0), Offset(0), [BrokerId(2)].into_iter(), &[BrokerId(1), BrokerId(2)])
    }

    fn fetch(offset: i64) -> FollowerFetch {
        FollowerFetch { follower: BrokerId(2), broker_epoch: None, offset: Offset(offset), log_start: None }
    }

    #[test]
    fn a_follower_that_asks_for_what_was_the_end_at_its_last_fetch_keeps_up() {
        let mut leader = leader();
        leader.fetched(Instant(10), fetch(0), Offset(5));
        leader.fetched(Instant(90), fetch(5), Offset(9));
        let progress = leader.follower(BrokerId(2)).cloned().unwrap();
        assert!(progress.is_caught_up(Instant(110), Offset(9), LAG_MAX));
        assert!(!progress.is_caught_up(Instant(111), Offset(9), LAG_MAX));
    }

    #[test]
    fn after_a_failed_write_a_follower_is_believed_at_its_third_fetch() {
        let mut leader = leader();
        leader.served(BrokerId(2), Offset(8));
        leader.cut_back(Offset(5));
        assert!(leader.followers_ahead());
        leader.fetched(Instant(1), fetch(5), Offset(5));
        leader.fetched(Instant(2), fetch(5), Offset(5));
        assert!(leader.followers_ahead());
        leader.fetched(Instant(3), fetch(5), Offset(5));
        assert!(!leader.followers_ahead());
    }

    #[test]
    fn a_failed_write_that_no_follower_has_seen_blocks_nothing() {
        let mut leader = leader();
        leader.served(BrokerId(2), Offset(5));
        leader.cut_back(Offset(5));
        assert!(!leader.followers_ahead());
    }
}
