//! A follower's fetches from one leader (KIP-595's form of replication: truncation is told in the fetch response), in one
//! fetch session (KIP-227).
//!
//! The session has every partition that is *ready*: all of its log durable (ordering law 3), not backing off. A request is
//! sent when none is under way, and a second one when a partition has become ready, or has moved, since the first. The
//! leader answers a parked fetch at once when the same follower sends another, so a newly created partition, or one whose
//! bytes have just become durable, never waits for the end of a long poll; and one that is settling holds nobody up.
//!
//! | a partition is | until |
//! |---|---|
//! | in the session | it is not ready any more: the next request, whatever it is sent for, forgets it |
//! | settling (asked of the log, not kept here) | storage has answered |
//! | backing off | its time has come, or the metadata log changed it |
//!
//! What may have changed a partition's place marks it (`look_at`); a turn costs what was marked, not what there is.

use crate::effects::{Effects, Lane, RequestId};
use crate::protocol::ErrorCode;
use crate::protocol::fetch_session::{FetchSession, SessionRequest};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use crate::protocol::messages::{self, FetchRequest};
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, Timers};
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

/// A request under way.
#[derive(Debug)]
struct InFlight {
    /// In which session it was sent: answers of an earlier one say nothing.
    session: u64,
    opens: bool,
    /// Where partitions were asked for that a later request has asked for from elsewhere, or forgotten.
    before: SortedMap<LogId, Position>,
}

/// What a request's answer is about.
#[derive(Debug)]
pub(super) struct Asked(InFlight);

/// All fetches from one leader.
#[derive(Debug)]
pub(super) struct Fetcher {
    leader: BrokerId,
    partitions: SortedMap<LogId, Backoff>,
    /// Pauses of partitions.
    pauses: Timers<LogId>,
    /// To be looked at before the next request.
    marked: SortedSet<LogId>,
    session: FetchSession<LogId, Position>,
    /// Counts the sessions.
    sessions: u64,
    in_flight: SortedMap<RequestId, InFlight>,
    /// After the leader could not be reached.
    backoff: Backoff,
}

impl Fetcher {
    /// Nothing to fetch yet.
    pub(super) fn new(leader: BrokerId) -> Self {
        Self {
            leader,
            partitions: SortedMap::new(),
            pauses: Timers::default(),
            marked: SortedSet::new(),
            session: FetchSession::default(),
            sessions: 0,
            in_flight: SortedMap::new(),
            backoff: Backoff::default(),
        }
    }

    /// Fetches this partition from now on, from its end; a pause it was in is over.
    pub(super) fn add(&mut self, log: LogId) {
        self.partitions.insert(log, Backoff::default());
        self.pauses.cancel(&log);
        self.marked.insert(log);
    }

    /// Fetches this partition no longer.
    pub(super) fn remove(&mut self, log: LogId) {
        if self.partitions.remove(&log).is_some() {
            self.pauses.cancel(&log);
            self.marked.remove(&log);
            self.session.remove(&log);
        }
    }

    /// This partition may be elsewhere, or ready, or not ready any more. True when it is one of this leader's.
    pub(super) fn look_at(&mut self, log: LogId) -> bool {
        let ours = self.partitions.contains_key(&log);
        if ours {
            self.marked.insert(log);
        }
        ours
    }

    /// True when no partition is left. Answers under way go nowhere.
    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The leader can be reached again, for all we know: no pause.
    pub(super) fn retry_now(&mut self) {
        self.backoff.succeeded();
    }

    /// Sends a request if there is reason to. `position` tells where a partition is, or none while it is not ready.
    pub(super) fn send(
        &mut self,
        now: Instant,
        settings: &FetchSettings,
        position: impl Fn(LogId) -> Option<Position>,
        fx: &mut Effects,
    ) -> Option<RequestId> {
        while let Some(log) = self.pauses.pop_due(now) {
            self.marked.insert(log);
        }
        if self.in_flight.len() >= IN_FLIGHT_MAX || self.backoff.holds(now) || !self.session.may_request() {
            return None;
        }
        for log in std::mem::take(&mut self.marked) {
            let pauses = self.partitions.get(&log).is_none_or(|backoff| backoff.holds(now));
            match position(log).filter(|_| !pauses) {
                Some(position) => self.session.set(log, position),
                None => self.session.remove(&log),
            }
        }
        if self.session.is_empty() || !(self.in_flight.is_empty() || self.session.has_news()) {
            return None;
        }
        let opens = self.session.opens();
        if opens {
            self.sessions += 1;
        }
        let request = self.session.request();
        for earlier in self.in_flight.values_mut().filter(|earlier| earlier.session == self.sessions) {
            for (log, position) in &request.before {
                earlier.before.entry(*log).or_insert(*position);
            }
        }
        // Nothing can follow before a session has its id: the request that asks for one does not wait.
        let wait_max = if opens { Duration::ZERO } else { settings.wait_max };
        let body = wire_request(settings, wait_max, request);
        let id = fx.request(self.leader, Lane::ReplicaFetch, body.into(), settings.timeout);
        let sent = InFlight { session: self.sessions, opens, before: SortedMap::new() };
        self.in_flight.insert(id, sent);
        Some(id)
    }

    /// A request has come to its end, answered or not.
    pub(super) fn finished(&mut self, id: RequestId) -> Option<Asked> {
        self.in_flight.remove(&id).map(Asked)
    }

    /// Where a request asked for a partition; none when it did not, or in an earlier session, or the partition is fetched no
    /// longer.
    pub(super) fn position(&self, asked: &Asked, log: LogId) -> Option<Position> {
        let Asked(request) = asked;
        let counts = request.session == self.sessions && self.partitions.contains_key(&log);
        counts.then(|| request.before.get(&log).or(self.session.sent(&log)).copied()).flatten()
    }

    /// The leader could not be reached.
    pub(super) fn leader_failed(&mut self, now: Instant, asked: &Asked) {
        self.backoff.failed(now);
        self.lost(asked, None);
    }

    /// The leader has answered, in this session.
    pub(super) fn leader_answered(&mut self, asked: &Asked, session_id: i32) {
        self.backoff.succeeded();
        if asked.0.session == self.sessions && (asked.0.opens || session_id == 0) {
            self.session.answered(session_id);
        }
    }

    /// The leader does not know the session (any more), or not so: the next request begins another.
    pub(super) fn session_lost(&mut self, asked: &Asked, error: ErrorCode) {
        self.lost(asked, Some(error));
    }

    fn lost(&mut self, asked: &Asked, error: Option<ErrorCode>) {
        if asked.0.session == self.sessions {
            self.session.failed(error);
            // What is still under way is of the old one.
            self.sessions += 1;
        }
    }

    /// The partition could not be fetched.
    pub(super) fn failed(&mut self, now: Instant, log: LogId) {
        if let Some(backoff) = self.partitions.get_mut(&log) {
            backoff.failed(now);
            self.marked.insert(log);
            if let Some(until) = backoff.until {
                self.pauses.set(log, until);
            }
        }
    }

    /// The partition was fetched.
    pub(super) fn succeeded(&mut self, log: LogId) {
        if let Some(backoff) = self.partitions.get_mut(&log) {
            backoff.succeeded();
        }
    }

    /// When a pause ends.
    pub(super) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        if self.in_flight.len() >= IN_FLIGHT_MAX || !self.session.may_request() {
            return None;
        }
        if self.backoff.holds(now) {
            return self.backoff.until;
        }
        self.pauses.next()
    }

    /// The partitions fetched.
    #[cfg(test)]
    pub(super) fn logs(&self) -> SortedSet<LogId> {
        self.partitions.keys().copied().collect()
    }
}

fn wire_request(
    settings: &FetchSettings,
    wait_max: Duration,
    request: SessionRequest<LogId, Position>,
) -> FetchRequest {
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (log, position) in request.changed {
        let partition = FetchPartition::default()
            .with_partition(log.partition.0)
            .with_current_leader_epoch(position.leader_epoch.0)
            .with_fetch_offset(position.offset.0)
            .with_last_fetched_epoch(position.last_fetched_epoch.map_or(-1, |epoch| epoch.0))
            .with_log_start_offset(position.log_start.0)
            .with_partition_max_bytes(settings.partition_bytes_max);
        match topics.last_mut() {
            Some(topic) if topic.topic_id == log.topic_id.0 => topic.partitions.push(partition),
            _ => topics
                .push(FetchTopic::default().with_topic_id(log.topic_id.0).with_partitions(vec![partition])),
        }
    }
    let mut forgotten: SortedMap<TopicId, Vec<i32>> = SortedMap::new();
    for log in request.forgotten {
        forgotten.entry(log.topic_id).or_default().push(log.partition.0);
    }
    let forgotten = forgotten
        .into_iter()
        .map(|(id, partitions)| ForgottenTopic::default().with_topic_id(id.0).with_partitions(partitions));
    let follower = ReplicaState::default()
        .with_replica_id(messages::BrokerId(settings.node_id.0))
        .with_replica_epoch(settings.broker_epoch.map_or(-1, |epoch| epoch.0));
    FetchRequest::default()
        .with_replica_state(follower)
        .with_max_wait_ms(wait_max.as_millis() as i32)
        .with_min_bytes(settings.min_bytes)
        .with_max_bytes(settings.response_bytes_max)
        .with_session_id(request.session_id)
        .with_session_epoch(request.epoch)
        .with_topics(topics)
        .with_forgotten_topics_data(forgotten.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::protocol::Request;
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

    fn at(offset: i64) -> Option<Position> {
        Some(Position {
            leader_epoch: LeaderEpoch(0),
            offset: Offset(offset),
            last_fetched_epoch: None,
            log_start: Offset(0),
        })
    }

    fn at_zero(_: LogId) -> Option<Position> {
        at(0)
    }

    /// What the last request said.
    fn said(fx: &Effects) -> (i32, i32, Vec<i32>, Vec<i32>) {
        let Some(Request::Fetch(body)) = fx.requests.back().map(|request| request.body.clone()) else {
            panic!("no fetch")
        };
        let named = body.topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.partition);
        let forgotten = body.forgotten_topics_data.iter().flat_map(|topic| topic.partitions.clone());
        (body.session_epoch, body.max_wait_ms, named.collect(), forgotten.collect())
    }

    /// A fetcher with an open session on partition 0, and nothing under way.
    fn opened() -> (Fetcher, Effects) {
        let (mut fetcher, mut fx) = (Fetcher::new(BrokerId(1)), Effects::default());
        fetcher.add(log(0));
        let first = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        assert_eq!(said(&fx), (0, 0, vec![0], vec![]), "it does not wait");
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_none());
        let asked = fetcher.finished(first).unwrap();
        assert_eq!(fetcher.position(&asked, log(0)), at(0));
        fetcher.leader_answered(&asked, 7);
        (fetcher, fx)
    }

    #[test]
    fn a_newcomer_is_asked_for_at_once_and_no_more_than_two_requests_are_under_way() {
        let (mut fetcher, mut fx) = opened();
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_some());
        assert_eq!(said(&fx), (1, 500, vec![], vec![]));
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_none(), "nothing is new");
        fetcher.add(log(1));
        let second = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        assert_eq!(said(&fx), (2, 500, vec![1], vec![]));
        fetcher.add(log(2));
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_none(), "two are under way");
        fetcher.finished(second).unwrap();
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_some());
        assert_eq!(fetcher.logs(), SortedSet::from([log(0), log(1), log(2)]));
    }

    #[test]
    fn a_settling_partition_is_forgotten_and_an_answer_is_about_where_its_request_asked() {
        let (mut fetcher, mut fx) = opened();
        let first = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        fetcher.look_at(log(0));
        fetcher.add(log(1));
        let settling = |id: LogId| at(0).filter(|_| id != log(0));
        let second = fetcher.send(Instant(0), &SETTINGS, settling, &mut fx).unwrap();
        assert_eq!(said(&fx), (2, 500, vec![1], vec![0]));
        let (first, second) = (fetcher.finished(first).unwrap(), fetcher.finished(second).unwrap());
        assert_eq!(fetcher.position(&first, log(0)), at(0));
        assert_eq!(fetcher.position(&second, log(0)), None);
        fetcher.look_at(log(0));
        fetcher.send(Instant(0), &SETTINGS, |_| at(5), &mut fx).unwrap();
        assert_eq!(said(&fx), (3, 500, vec![0], vec![]));
    }

    #[test]
    fn after_a_lost_answer_all_is_asked_for_again_and_what_the_old_session_brings_is_dropped() {
        let (mut fetcher, mut fx) = opened();
        let first = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        fetcher.add(log(1));
        let second = fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).unwrap();
        let first = fetcher.finished(first).unwrap();
        fetcher.leader_failed(Instant(0), &first);
        fetcher.send(Instant(5), &SETTINGS, at_zero, &mut fx).unwrap();
        assert_eq!(said(&fx), (0, 0, vec![0, 1], vec![]));
        let late = fetcher.finished(second).unwrap();
        assert_eq!(fetcher.position(&late, log(0)), None);
        fetcher.leader_failed(Instant(5), &late);
        assert!(fetcher.send(Instant(500), &SETTINGS, at_zero, &mut fx).is_none(), "the new one is opening");
    }

    #[test]
    fn pauses_grow_and_end_with_the_first_success() {
        let (mut fetcher, mut fx) = opened();
        fetcher.failed(Instant(0), log(0));
        assert!(fetcher.send(Instant(0), &SETTINGS, at_zero, &mut fx).is_none());
        assert_eq!(fetcher.next_deadline(Instant(0)), Some(Instant(5)));
        let tried = fetcher.send(Instant(5), &SETTINGS, at_zero, &mut fx).unwrap();
        let _ = fetcher.finished(tried);
        fetcher.failed(Instant(5), log(0));
        assert_eq!(fetcher.next_deadline(Instant(5)), Some(Instant(15)));
        fetcher.send(Instant(15), &SETTINGS, at_zero, &mut fx).unwrap();
        fetcher.succeeded(log(0));
        assert_eq!(fetcher.next_deadline(Instant(15)), None);
    }
}
