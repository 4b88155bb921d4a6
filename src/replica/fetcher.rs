//! A follower's fetches from one leader (KIP-595's form of replication: truncation is told in the fetch response).
//!
//! Each request names every partition that is *ready*: all of its log durable (ordering law 3), not backing off. A
//! request is sent whenever a ready partition is in none that is under way, and at most two are under way. The leader
//! answers a parked fetch at once when the same follower sends another, so a newly created partition, or one whose
//! bytes have just become durable, never waits for the end of a long poll.
//!
//! | a partition is | until |
//! |---|---|
//! | ready | it is put into a request |
//! | asked for | the last request that names it is answered or lost |
//! | settling (asked of the log, not kept here) | storage has answered |
//! | backing off | its time has come, or the metadata log changed it |

use std::collections::BTreeMap;

use crate::effects::{Effects, Lane, RequestId};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use crate::protocol::messages::{self, FetchRequest};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, TopicId};

/// Requests to one leader under way at a time. The leader's caution after a failed write relies on it.
const IN_FLIGHT_MAX: usize = 2;
/// The first pause after an error; each further one doubles it.
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// The longest pause (Kafka's `replica.fetch.backoff.ms`).
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// What the follower side of a fetch needs of the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchSettings {
    pub(super) node_id: BrokerId,
    pub(super) broker_epoch: Option<BrokerEpoch>,
    /// `replica.fetch.wait.max.ms`.
    pub(super) wait_max: Duration,
    /// `replica.fetch.min.bytes`.
    pub(super) min_bytes: i32,
    /// `replica.fetch.response.max.bytes`.
    pub(super) response_bytes_max: i32,
    /// `replica.fetch.max.bytes`.
    pub(super) partition_bytes_max: i32,
    /// When an unanswered request counts as lost.
    pub(super) timeout: Duration,
}

/// A partition's place in the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) leader_epoch: LeaderEpoch,
    /// The log end offset, all durable.
    pub(super) offset: Offset,
    pub(super) last_fetched_epoch: Option<LeaderEpoch>,
    pub(super) log_start: Offset,
}

/// A pause that grows.
#[derive(Debug, Default)]
struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    fn failed(&mut self, now: Instant) {
        let pause = BACKOFF_MIN.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_MAX);
        self.failures += 1;
        self.until = Some(now + pause);
    }

    fn succeeded(&mut self) {
        *self = Self::default();
    }

    fn holds(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until > now)
    }
}

#[derive(Debug, Default)]
struct Fetched {
    backoff: Backoff,
    /// The last request that names the partition, while under way.
    asked_in: Option<RequestId>,
}

/// All fetches from one leader.
#[derive(Debug)]
pub(super) struct Fetcher {
    leader: BrokerId,
    partitions: BTreeMap<LogId, Fetched>,
    in_flight: BTreeMap<RequestId, BTreeMap<LogId, Position>>,
    /// After the leader could not be reached.
    backoff: Backoff,
    /// Where the next request begins, so that no partition is always last under `max_bytes`.
    turn: usize,
}

impl Fetcher {
    /// Nothing to fetch yet.
    pub(super) fn new(leader: BrokerId) -> Self {
        Self {
            leader,
            partitions: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            backoff: Backoff::default(),
            turn: 0,
        }
    }

    /// Fetches this partition from now on, from its end; a pause it was in is over.
    pub(super) fn add(&mut self, log: LogId) {
        self.partitions.insert(log, Fetched::default());
    }

    /// Fetches this partition no longer.
    pub(super) fn remove(&mut self, log: LogId) {
        self.partitions.remove(&log);
    }

    /// True when no partition is left. Answers under way go nowhere.
    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The leader can be reached again, for all we know: no pause.
    pub(super) fn retry_now(&mut self) {
        self.backoff.succeeded();
    }

    /// Sends a request if a ready partition is in none under way. `position` tells where a partition is, or none while
    /// it is not ready.
    pub(super) fn send(
        &mut self,
        now: Instant,
        settings: &FetchSettings,
        position: impl Fn(LogId) -> Option<Position>,
        fx: &mut Effects,
    ) -> Option<RequestId> {
        if self.in_flight.len() >= IN_FLIGHT_MAX || self.backoff.holds(now) {
            return None;
        }
        let mut unasked = false;
        let mut positions = BTreeMap::new();
        for (log, fetched) in &self.partitions {
            if fetched.backoff.holds(now) {
                continue;
            }
            if let Some(position) = position(*log) {
                positions.insert(*log, position);
                unasked |= fetched.asked_in.is_none();
            }
        }
        if !unasked {
            return None;
        }
        self.turn = self.turn.wrapping_add(1);
        let body = request(settings, &positions, self.turn);
        let id = fx.request(self.leader, Lane::ReplicaFetch, body.into(), settings.timeout);
        for log in positions.keys() {
            if let Some(fetched) = self.partitions.get_mut(log) {
                fetched.asked_in = Some(id);
            }
        }
        self.in_flight.insert(id, positions);
        Some(id)
    }

    /// A request has come to its end, answered or not. Returns what it asked for, less what is fetched no longer.
    pub(super) fn finished(&mut self, id: RequestId) -> Option<BTreeMap<LogId, Position>> {
        let mut positions = self.in_flight.remove(&id)?;
        for fetched in self.partitions.values_mut() {
            if fetched.asked_in == Some(id) {
                fetched.asked_in = None;
            }
        }
        positions.retain(|log, _| self.partitions.contains_key(log));
        Some(positions)
    }

    /// The leader could not be reached.
    pub(super) fn leader_failed(&mut self, now: Instant) {
        self.backoff.failed(now);
    }

    /// The leader has answered.
    pub(super) fn leader_answered(&mut self) {
        self.backoff.succeeded();
    }

    /// The partition could not be fetched.
    pub(super) fn failed(&mut self, now: Instant, log: LogId) {
        if let Some(fetched) = self.partitions.get_mut(&log) {
            fetched.backoff.failed(now);
        }
    }

    /// The partition was fetched.
    pub(super) fn succeeded(&mut self, log: LogId) {
        if let Some(fetched) = self.partitions.get_mut(&log) {
            fetched.backoff.succeeded();
        }
    }

    /// When a pause ends.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        if self.backoff.holds(now) {
            return self.backoff.until;
        }
        let pauses = self.partitions.values().filter_map(|fetched| fetched.backoff.until);
        pauses.filter(|until| *until > now).fold(None, |next, until| earliest(next, Some(until)))
    }

    /// The partitions fetched.
    #[cfg(test)]
    pub(super) fn logs(&self) -> std::collections::BTreeSet<LogId> {
        self.partitions.keys().copied().collect()
    }
}

fn request(settings: &FetchSettings, positions: &BTreeMap<LogId, Position>, turn: usize) -> FetchRequest {
    let mut topics: BTreeMap<TopicId, Vec<FetchPartition>> = BTreeMap::new();
    for (log, position) in positions {
        topics.entry(log.topic_id).or_default().push(
            FetchPartition::default()
                .with_partition(log.partition.0)
                .with_current_leader_epoch(position.leader_epoch.0)
                .with_fetch_offset(position.offset.0)
                .with_last_fetched_epoch(position.last_fetched_epoch.map_or(-1, |epoch| epoch.0))
                .with_log_start_offset(position.log_start.0)
                .with_partition_max_bytes(settings.partition_bytes_max),
        );
    }
    let mut topics: Vec<FetchTopic> = topics
        .into_iter()
        .map(|(id, mut partitions)| {
            let first = turn % partitions.len().max(1);
            partitions.rotate_left(first);
            FetchTopic::default().with_topic_id(id.0).with_partitions(partitions)
        })
        .collect();
    let first = turn % topics.len().max(1);
    topics.rotate_left(first);
    let follower = ReplicaState::default()
        .with_replica_id(messages::BrokerId(settings.node_id.0))
        .with_replica_epoch(settings.broker_epoch.map_or(-1, |epoch| epoch.0));
    FetchRequest::default()
        .with_replica_state(follower)
        .with_max_wait_ms(settings.wait_max.as_millis() as i32)
        .with_min_bytes(settings.min_bytes)
        .with_max_bytes(settings.response_bytes_max)
        .with_session_epoch(-1)
        .with_topics(topics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::types::PartitionIndex;

    const SETTINGS: FetchSettings = FetchSettings {
        node_id: BrokerId(2),
        broker_epoch: None,
        wait_max: Duration::from_millis(500),
        min_bytes: 1,
        response_bytes_max: 1 << 20,
        partition_bytes_max: 1 << 20,
        timeout: Duration::from_secs(1),
    };

    fn log(partition: i32) -> LogId {
        LogId { topic_id: TopicId::METADATA, partition: PartitionIndex(partition) }
    }

    fn at_zero(_: LogId) -> Option<Position> {
        Some(Position {
            leader_epoch: LeaderEpoch(0),
            offset: Offset(0),
            last_fetched_epoch: None,
            log_start: Offset(0),
        })
    }

    #[test]
    fn a_newcomer_is_asked_for_at_once_with_all_the_others() {
        let (mut fetcher, mut fx) = (Fetcher::new(BrokerId(1)), Effects::default());
        fetcher.add(log(0));
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_some());
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_none());
        fetcher.add(log(1));
        let second = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        fetcher.add(log(2));
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_none(), "two are under way");
        assert_eq!(fetcher.finished(second).unwrap().len(), 2);
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_some());
        assert_eq!(fetcher.logs(), BTreeSet::from([log(0), log(1), log(2)]));
    }

    #[test]
    fn an_earlier_request_that_ends_leaves_a_partition_to_the_later_one() {
        let (mut fetcher, mut fx) = (Fetcher::new(BrokerId(1)), Effects::default());
        fetcher.add(log(0));
        let first = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        fetcher.add(log(1));
        let second = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        assert!(fetcher.finished(first).is_some());
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_none());
        assert!(fetcher.finished(second).is_some());
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_some());
    }

    #[test]
    fn pauses_grow_and_end_with_the_first_success() {
        let mut fetcher = Fetcher::new(BrokerId(1));
        fetcher.add(log(0));
        fetcher.failed(Instant(0), log(0));
        assert_eq!(fetcher.next_deadline(Instant(0)), Some(Instant(5)));
        fetcher.failed(Instant(5), log(0));
        assert_eq!(fetcher.next_deadline(Instant(5)), Some(Instant(15)));
        fetcher.succeeded(log(0));
        assert_eq!(fetcher.next_deadline(Instant(5)), None);
    }
}
