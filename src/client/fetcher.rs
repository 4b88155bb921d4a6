//! Fetching: one request per leader with all its partitions that have room, in a fetch session (KIP-227); positions looked
//! up where there is none.

use bytes::Bytes;

use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::{BatchError, batches};
use crate::protocol::fetch_session::FetchSession;
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use crate::protocol::messages::fetch_response::PartitionData;
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::protocol::messages::{self, FetchRequest, ListOffsetsRequest};
use crate::protocol::records::{Record, decode_records};
use crate::protocol::{ErrorCode, Response};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, TopicName};

use super::consumer::{Consumer, ConsumerEvent, FetchedBatch, Place};
use super::net::{Lane, RETRY, Tag};
use super::{ClientError, FailureKind, NetError, wire_topic};

/// Topics are named up to this version of Fetch; later ones use ids.
const FETCH_VERSION_MAX: i16 = 12;
/// Batches of a partition that wait for the host, at most; then it is left out of fetches.
const BUFFERED_MAX: usize = 2;
/// How long a fetch may wait while partitions that have no room are left out of it: they may soon have.
const SHORT_WAIT: Duration = Duration::from_millis(50);
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The fetch sessions of a consumer, one a leader.
pub(super) type Sessions = SortedMap<BrokerId, FetchSession<Place, FetchFrom>>;

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FetchFrom {
    offset: i64,
    leader_epoch: i32,
}

/// A fetch under way.
#[derive(Debug)]
pub(super) struct Fetching {
    pub(super) tag: Tag,
    /// Each partition with its count of seeks at the time.
    places: SortedMap<Place, u64>,
}

impl Consumer {
    /// Asks each leader that is not being asked.
    pub(super) fn fetch(&mut self, now: Instant) {
        if !self.reads() {
            return;
        }
        let mut plans: SortedMap<BrokerId, Vec<(Place, i64, u64)>> = SortedMap::new();
        let mut left_out: SortedMap<BrokerId, bool> = SortedMap::new();
        for (place, position) in &mut self.positions {
            position.not_before = position.not_before.filter(|at| *at > now);
            let Some(offset) = position.fetch_at else { continue };
            let Some(leader) = self.net.leader(&place.0, place.1) else {
                self.net.refresh_soon(now);
                continue;
            };
            if position.buffer.len() >= BUFFERED_MAX || position.not_before.is_some() {
                left_out.insert(leader, true);
            } else if !position.paused {
                plans.entry(leader).or_default().push((place.clone(), offset, position.seeks));
            }
        }
        for (leader, plan) in plans {
            if !self.fetches.contains_key(&leader) {
                let wait = match left_out.contains_key(&leader) {
                    true => SHORT_WAIT.min(self.options.fetch_wait),
                    false => self.options.fetch_wait,
                };
                self.send_fetch(now, leader, plan, wait);
            }
        }
    }

    fn send_fetch(&mut self, now: Instant, leader: BrokerId, plan: Vec<(Place, i64, u64)>, wait: Duration) {
        let mut wanted = SortedMap::new();
        let mut places = SortedMap::new();
        for (place, offset, seeks) in plan {
            let leader_epoch = self.net.leader_epoch(&place.0, place.1);
            wanted.insert(place.clone(), FetchFrom { offset, leader_epoch });
            places.insert(place, seeks);
        }
        let session = self.sessions.entry(leader).or_default();
        session.set_all(wanted);
        let request = session.request();
        let mut topics: SortedMap<TopicName, Vec<FetchPartition>> = SortedMap::new();
        for ((topic, partition), from) in request.changed {
            let asked = FetchPartition::default()
                .with_partition(partition)
                .with_current_leader_epoch(from.leader_epoch)
                .with_fetch_offset(from.offset)
                .with_partition_max_bytes(self.options.partition_bytes);
            topics.entry(topic).or_default().push(asked);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            FetchTopic::default().with_topic(wire_topic(topic.as_str())).with_partitions(partitions)
        });
        let mut forgotten: SortedMap<TopicName, Vec<i32>> = SortedMap::new();
        for (topic, partition) in request.forgotten {
            forgotten.entry(topic).or_default().push(partition);
        }
        let forgotten = forgotten.into_iter().map(|(topic, partitions)| {
            ForgottenTopic::default().with_topic(wire_topic(topic.as_str())).with_partitions(partitions)
        });
        let body = FetchRequest::default()
            .with_max_wait_ms(wait.as_millis() as i32)
            .with_min_bytes(1)
            .with_max_bytes(self.options.fetch_bytes)
            .with_session_id(request.session_id)
            .with_session_epoch(request.epoch)
            .with_topics(topics.collect())
            .with_forgotten_topics_data(forgotten.collect());
        let timeout = wait + self.options.client.request_timeout.min(Duration::from_secs(5));
        let tag = self.net.send(now, leader, Lane::Fetch, body.into(), FETCH_VERSION_MAX, timeout);
        self.fetches.insert(leader, Fetching { tag, places });
    }

    pub(super) fn on_fetched(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        let leader = self.fetches.iter().find(|(_, fetching)| fetching.tag == tag).map(|(id, _)| *id);
        let Some(leader) = leader else { return };
        let Some(fetching) = self.fetches.remove(&leader) else { return };
        let session = self.sessions.entry(leader).or_default();
        let body = match result {
            Ok(Response::Fetch(body)) if body.error_code == 0 => {
                session.answered(body.session_id);
                body
            }
            other => {
                let code = other.ok().and_then(|response| match response {
                    Response::Fetch(body) => ErrorCode::try_from_code(body.error_code),
                    _ => None,
                });
                session.failed(code);
                if let Some(ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch) = code {
                    // The broker has forgotten it, or given its slot away: the next fetch opens another.
                    return;
                }
                self.net.refresh(now);
                for place in fetching.places.keys() {
                    self.not_before(place, now + 2 * RETRY);
                }
                return;
            }
        };
        for topic in body.responses {
            let name = TopicName::from(topic.topic.as_str());
            for data in topic.partitions {
                let place = (name.clone(), data.partition_index);
                let asked = fetching.places.get(&place);
                let current = self.positions.get(&place).map(|position| position.seeks);
                if asked.is_some() && asked.copied() == current {
                    self.take_in(now, &place, data);
                }
            }
        }
    }

    fn not_before(&mut self, place: &Place, at: Instant) {
        if let Some(position) = self.positions.get_mut(place) {
            position.not_before = Some(at);
        }
    }

    fn take_in(&mut self, now: Instant, place: &Place, data: PartitionData) {
        match ErrorCode::try_from_code(data.error_code) {
            None => {}
            Some(ErrorCode::OffsetOutOfRange) => {
                // What was there is gone (or was never there): begin where the subscription says.
                if let Some(position) = self.positions.get_mut(place) {
                    position.fetch_at = None;
                    position.buffer.clear();
                }
                self.lookup_at = Some(now);
                return;
            }
            // The same bytes would come again: Kafka's consumer throws, too.
            Some(error)
                if error != ErrorCode::CorruptMessage
                    && (error.is_retriable() || error == ErrorCode::UnknownTopicId) =>
            {
                self.net.refresh(now);
                // A leader that is new does not know for a moment; a topic that was deleted will not come back.
                return self.not_before(place, now + 2 * RETRY);
            }
            Some(error) => {
                let error = ClientError::protocol(error, None).at(place.0.as_str(), Some(place.1));
                self.not_before(place, now + Duration::from_secs(1));
                return self.out.events.push_back(ConsumerEvent::Crashed(error));
            }
        }
        let bytes = data.records.unwrap_or_default();
        let Some(position) = self.positions.get_mut(place) else { return };
        let Some(from) = position.fetch_at else { return };
        match read_batches(&bytes, from) {
            Ok((records, next, leader_epoch)) => {
                position.fetch_at = Some(next.max(from));
                if !records.is_empty() {
                    position.buffer.push_back(FetchedBatch {
                        topic: place.0.clone(),
                        partition: place.1,
                        high_watermark: data.high_watermark,
                        records,
                        leader_epoch,
                    });
                }
            }
            Err(error) => {
                let error = ClientError::new(FailureKind::Protocol(error.code()), error.to_string());
                position.not_before = Some(now + Duration::from_secs(1));
                let crash = ConsumerEvent::Crashed(error.at(place.0.as_str(), Some(place.1)));
                self.out.events.push_back(crash);
            }
        }
    }

    /// Finds a start for positions that have none: the group's commits are asked for first, by `drive_membership`.
    pub(super) fn look_up_offsets(&mut self, now: Instant) {
        if self.lookup_at.is_none_or(|at| at > now) || !self.membership.knows_commits(&self.options) {
            return;
        }
        self.lookup_at = None;
        let mut plans: SortedMap<BrokerId, Vec<(Place, u64, i64)>> = SortedMap::new();
        for (place, position) in &self.positions {
            let asked = |(other, seeks): &(Place, u64)| {
                other == place && (*seeks == position.seeks || mutated(Mutation::StaleLookupStalls))
            };
            let under_way = self.lookups.values().flatten().any(asked);
            if position.fetch_at.is_some() || under_way {
                continue;
            }
            let from_beginning = self.topics.get(&place.0).copied().unwrap_or(false);
            let timestamp = if from_beginning { EARLIEST } else { LATEST };
            match self.net.leader(&place.0, place.1) {
                Some(leader) => {
                    plans.entry(leader).or_default().push((place.clone(), position.seeks, timestamp))
                }
                None => {
                    self.net.refresh_soon(now);
                    self.lookup_at = Some(now + RETRY);
                }
            }
        }
        for (leader, plan) in plans {
            let mut topics: SortedMap<TopicName, Vec<ListOffsetsPartition>> = SortedMap::new();
            for ((topic, partition), _, timestamp) in &plan {
                let asked = ListOffsetsPartition::default()
                    .with_partition_index(*partition)
                    .with_current_leader_epoch(self.net.leader_epoch(topic, *partition))
                    .with_timestamp(*timestamp);
                topics.entry(topic.clone()).or_default().push(asked);
            }
            let topics = topics.into_iter().map(|(topic, partitions)| {
                ListOffsetsTopic::default().with_name(wire_topic(topic.as_str())).with_partitions(partitions)
            });
            let body = ListOffsetsRequest::default()
                .with_replica_id(messages::BrokerId(-1))
                .with_topics(topics.collect());
            let timeout = self.options.client.request_timeout;
            let tag = self.net.send(now, leader, Lane::Meta, body.into(), 10, timeout);
            self.lookups.insert(tag, plan.into_iter().map(|(place, seeks, _)| (place, seeks)).collect());
        }
    }

    pub(super) fn on_looked_up(
        &mut self,
        now: Instant,
        places: Vec<(Place, u64)>,
        result: Result<Response, NetError>,
    ) {
        let mut found = SortedMap::new();
        if let Ok(Response::ListOffsets(body)) = result {
            for topic in body.topics {
                let name = TopicName::from(topic.name.as_str());
                for data in topic.partitions.iter().filter(|data| data.error_code == 0) {
                    found.insert((name.clone(), data.partition_index), data.offset);
                }
            }
        }
        for (place, seeks) in places {
            let Some(position) = self.positions.get_mut(&place).filter(|position| position.seeks == seeks)
            else {
                continue;
            };
            match found.get(&place) {
                Some(offset) if position.fetch_at.is_none() => position.fetch_at = Some(*offset),
                Some(_) => {}
                None => {
                    self.net.refresh(now);
                    self.lookup_at = Some(now + RETRY);
                }
            }
        }
    }
}

/// The records at or after `from`, and the offset after the last batch.
fn read_batches(bytes: &Bytes, from: i64) -> Result<(Vec<Record>, i64, i32), BatchError> {
    let mut records = Vec::new();
    let (mut next, mut leader_epoch) = (from, -1);
    for found in batches(bytes) {
        let (header, range) = match found {
            Ok(found) => found,
            // The broker cuts a response at its limit, perhaps within a batch.
            Err(BatchError::CutShort) => break,
            Err(error) => return Err(error),
        };
        next = header.next_offset().0;
        if !header.is_control() {
            leader_epoch = header.partition_leader_epoch.0;
            let all = decode_records(&bytes.slice(range))?;
            records.extend(all.into_iter().filter(|record| record.offset.0 >= from));
        }
    }
    Ok((records, next, leader_epoch))
}
