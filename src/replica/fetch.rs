//! Fetch (key 1), versions 4-17: for consumers and for followers.
//!
//! - Consumers read below the high watermark, from the leader only. Until there are transactions the last stable offset
//!   is the high watermark, and `read_committed` reads as `read_uncommitted`.
//! - Followers read up to the leader's in-memory log end. Their fetch offset is their durable end (ordering law 3): it
//!   moves the high watermark and the ISR. From v12 on the leader tells where logs diverge (KIP-595).
//! - A fetch waits until `min_bytes` are there, something is to be told, or `max_wait_ms` is over. A follower's parked
//!   fetch is answered at once when the same follower sends another.
//! - The first partition with data gives at least one batch, whatever the limits (KIP-74).
//! - From v7 on a fetcher may have a session: then it says only what has changed, and is told only what is new (KIP-227,
//!   `session`).
//! - A follower that is told nothing else hears of a higher high watermark a moment later, so that one that becomes leader
//!   knows what is committed.
//! - A topic whose `compression.type` is zstd is not read by consumers below v10 (KIP-110). Batches that a producer
//!   compressed with it are, as in Kafka: nobody looks at each.
//! - v13 has topic ids (KIP-516); v16 names the current leader beside an error (KIP-951).

use bytes::Bytes;

use crate::effects::{Effects, ReplyToken};
use crate::log::io::{Chunk, IoId, IoOp, IoResult};
use crate::log::{Damaged, ReadOutcome};
use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::batches;
use crate::protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use crate::protocol::messages::{self, FetchRequest, FetchResponse};
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{BrokerEpoch, BrokerId, Compression, LeaderEpoch, LogId, Offset, Uuid};

use super::leader::FollowerFetch;
use super::manager::{IoFor, ReplicaManager};
use super::partition::Partition;
use super::read_ahead::Ahead;
use super::session::{SessionUse, Told};

/// The first version that a topic of zstd is read in.
const ZSTD_VERSION: i16 = 10;
/// The first version with topic ids.
const TOPIC_ID_VERSION: i16 = 13;
/// The first version with the follower's epoch, and its id in a place of its own.
const REPLICA_STATE_VERSION: i16 = 15;
/// The first version that names the current leader beside an error.
const CURRENT_LEADER_VERSION: i16 = 16;
/// One response's records, at most: what a frame between brokers may hold, less its frills.
const RESPONSE_BYTES_MAX: usize = 15 * 1024 * 1024;

/// A higher high watermark waits this long for something else to be told with it to a follower.
const HIGH_WATERMARK_DELAY: Duration = Duration::from_millis(20);

/// A fetch, as it waits.
#[derive(Debug)]
pub(super) struct DelayedFetch {
    token: ReplyToken,
    version: i16,
    follower: Option<BrokerId>,
    min_bytes: usize,
    bytes_max: usize,
    deadline: Instant,
    session: SessionUse,
    entries: Vec<FetchEntry>,
}

/// What is wanted of one partition.
#[derive(Debug, Clone)]
pub(super) struct FetchEntry {
    topic: messages::TopicName,
    topic_id: Uuid,
    index: i32,
    log: Result<LogId, ErrorCode>,
    pub(super) leader_epoch: Option<LeaderEpoch>,
    offset: Offset,
    /// Where a follower's log starts.
    log_start: Option<Offset>,
    last_fetched_epoch: Option<LeaderEpoch>,
    bytes_max: usize,
    /// What its session has told of it.
    pub(super) told: Told,
}

impl FetchEntry {
    /// How a session names it.
    pub(super) fn name(&self) -> (messages::TopicName, Uuid, i32) {
        (self.topic.clone(), self.topic_id, self.index)
    }
}

/// A fetch whose records storage is reading.
#[derive(Debug)]
pub(super) struct ReadingFetch {
    fetch: DelayedFetch,
    data: Vec<PartitionData>,
    waiting: SortedMap<usize, StorageRead>,
}

/// One partition's read from storage: what cuts its chunks to the records wanted.
#[derive(Debug, Clone)]
struct StorageRead {
    up_to: Offset,
    bytes_max: usize,
    truncations: u64,
    leader_epoch: LeaderEpoch,
}

/// What one look at a partition found.
struct EntryRead {
    data: PartitionData,
    bytes: usize,
    /// The response must not wait.
    urgent: bool,
    storage: Option<(IoOp, StorageRead)>,
}

impl ReplicaManager {
    /// Serves a Fetch. `from_client` is false on connections of brokers, where it may be a follower's.
    pub fn fetch(
        &mut self,
        now: Instant,
        token: ReplyToken,
        version: i16,
        request: FetchRequest,
        from_client: bool,
        fx: &mut Effects,
    ) {
        let by_state = version >= REPLICA_STATE_VERSION;
        let replica = if by_state { request.replica_state.replica_id } else { request.replica_id };
        let follower = (!from_client && replica.0 >= 0).then_some(BrokerId(replica.0));
        let broker_epoch = (by_state && request.replica_state.replica_epoch >= 0)
            .then_some(BrokerEpoch(request.replica_state.replica_epoch));
        if follower.is_some_and(|follower| self.is_stale(follower, broker_epoch)) {
            // A follower from before its broker's last registration (KIP-903).
            return refuse_fetch(token, ErrorCode::StaleBrokerEpoch, fx);
        }
        let fetch = match self.read_request(now, token, version, follower, request) {
            Ok(fetch) => fetch,
            Err(error) => return refuse_fetch(token, error, fx),
        };
        if let Some(follower) = follower {
            self.follower_fetched(now, follower, broker_epoch, &fetch);
            self.settle_touched(now, fx);
            self.release_fetches_of(now, follower, fx);
        }
        self.serve_fetch(now, fetch, fx);
        self.finish(now, fx);
    }

    fn read_request(
        &mut self,
        now: Instant,
        token: ReplyToken,
        version: i16,
        follower: Option<BrokerId>,
        request: FetchRequest,
    ) -> Result<DelayedFetch, ErrorCode> {
        let by_id = version >= TOPIC_ID_VERSION;
        let mut named = Vec::new();
        for topic in request.topics {
            for partition in topic.partitions {
                named.push(FetchEntry {
                    topic: topic.topic.clone(),
                    topic_id: topic.topic_id,
                    index: partition.partition,
                    // Looked up below.
                    log: Err(ErrorCode::UnknownTopicOrPartition),
                    leader_epoch: epoch_of(partition.current_leader_epoch),
                    offset: Offset(partition.fetch_offset),
                    log_start: (partition.log_start_offset >= 0)
                        .then_some(Offset(partition.log_start_offset)),
                    last_fetched_epoch: epoch_of(partition.last_fetched_epoch),
                    bytes_max: partition.partition_max_bytes.max(0) as usize,
                    told: Told::NOTHING,
                });
            }
        }
        let forgotten = request.forgotten_topics_data.into_iter().flat_map(|topic| {
            let name = move |index| (topic.topic.clone(), topic.topic_id, index);
            topic.partitions.into_iter().map(name)
        });
        let session = (request.session_id, request.session_epoch);
        let (session, mut entries) = self.sessions.take(now, session, by_id, named, forgotten)?;
        for entry in &mut entries {
            // Topics come and go within a session.
            let log = self.resolve(by_id, &entry.topic, entry.topic_id, entry.index);
            entry.log = log.and_then(|log| self.readable_in(version, follower, log));
        }
        let own_max = if follower.is_some() { i64::MAX } else { self.config.fetch_max_bytes() };
        let bytes_max = (request.max_bytes.max(0) as usize).min(own_max.max(0) as usize);
        Ok(DelayedFetch {
            token,
            version,
            follower,
            min_bytes: request.min_bytes.max(0) as usize,
            bytes_max: bytes_max.min(RESPONSE_BYTES_MAX),
            deadline: now + Duration::from_millis(request.max_wait_ms.max(0) as u64),
            session,
            entries,
        })
    }

    /// A consumer of an old version is not given what it may not know how to decompress.
    fn readable_in(&self, version: i16, follower: Option<BrokerId>, log: LogId) -> Result<LogId, ErrorCode> {
        let codec = self.partitions.get(&log).and_then(|partition| partition.config.compression);
        if version < ZSTD_VERSION && follower.is_none() && codec == Some(Compression::Zstd) {
            return Err(ErrorCode::UnsupportedCompressionType);
        }
        Ok(log)
    }

    /// Takes the follower's word on how far it is, and lets it into ISRs.
    fn follower_fetched(
        &mut self,
        now: Instant,
        follower: BrokerId,
        broker_epoch: Option<BrokerEpoch>,
        fetch: &DelayedFetch,
    ) {
        for entry in &fetch.entries {
            let Ok(log) = entry.log else { continue };
            let Some(partition) = self.partitions.get_mut(&log) else { continue };
            if partition.leading_in(entry.leader_epoch).is_err() || diverging(partition, entry).is_some() {
                continue;
            }
            let fetched =
                FollowerFetch { follower, broker_epoch, offset: entry.offset, log_start: entry.log_start };
            partition.follower_fetched(now, fetched);
            self.touched.insert(log);
            self.maybe_expand_isr(log, follower);
        }
    }

    /// Answers the earlier fetches of a follower that has sent another.
    fn release_fetches_of(&mut self, now: Instant, follower: BrokerId, fx: &mut Effects) {
        let earlier: Vec<_> = self
            .fetches
            .iter()
            .filter(|(_, fetch)| fetch.follower == Some(follower))
            .map(|(id, _)| id)
            .collect();
        for id in earlier {
            if let Some(mut fetch) = self.fetches.remove(id) {
                fetch.deadline = now;
                self.serve_fetch(now, fetch, fx);
            }
        }
    }

    /// Answers a fetch, or lets it wait.
    fn serve_fetch(&mut self, now: Instant, fetch: DelayedFetch, fx: &mut Effects) {
        let mut data = Vec::with_capacity(fetch.entries.len());
        let mut waiting = Vec::new();
        let (mut bytes, mut urgent, mut left, mut min_one) = (0, false, fetch.bytes_max, true);
        for (at, entry) in fetch.entries.iter().enumerate() {
            let read = self.read_entry(entry, fetch.follower.is_some(), left, min_one);
            let taken = read.storage.as_ref().map_or(read.bytes, |(_, storage)| storage.bytes_max.max(1));
            min_one &= taken == 0;
            left = left.saturating_sub(taken);
            bytes += read.bytes;
            urgent |= read.urgent;
            data.push(read.data);
            if let Some((op, storage)) = read.storage {
                waiting.push((at, op, storage));
            }
        }
        if !waiting.is_empty() {
            self.read_from_storage(now, fetch, data, waiting, fx);
        } else if urgent || bytes >= fetch.min_bytes || fetch.deadline <= now || fetch.entries.is_empty() {
            self.answer_fetch(now, fetch, data, fx);
        } else {
            let logs = fetch.entries.iter().filter_map(|entry| entry.log.ok()).collect();
            let told_less = |(entry, data): (&FetchEntry, &PartitionData)| {
                data.high_watermark > entry.told.high_watermark
            };
            let behind = fetch.tells_high_watermarks() && fetch.entries.iter().zip(&data).any(told_less);
            let deadline = match behind {
                true => fetch.deadline.min(now + HIGH_WATERMARK_DELAY),
                false => fetch.deadline,
            };
            self.fetches.park(fetch, logs, deadline);
        }
    }

    /// A high watermark has moved here: followers with nothing else to hear are told soon.
    pub(super) fn tell_followers_soon(&mut self, now: Instant, log: LogId) {
        for id in self.fetches.watchers(log) {
            if self.fetches.operation(id).is_some_and(DelayedFetch::tells_high_watermarks) {
                self.fetches.hasten(id, now + HIGH_WATERMARK_DELAY);
            }
        }
    }

    fn read_entry(&self, entry: &FetchEntry, follower: bool, left: usize, min_one: bool) -> EntryRead {
        let empty = PartitionData::default()
            .with_partition_index(entry.index)
            .with_high_watermark(-1)
            .with_last_stable_offset(-1)
            .with_log_start_offset(-1)
            .with_records(Some(Bytes::new()));
        let partition = entry.log.and_then(|log| {
            let partition = self.partitions.get(&log).ok_or(ErrorCode::NotLeaderOrFollower)?;
            partition.leading_in(entry.leader_epoch)?;
            // Followers find out by their epochs.
            let serves = follower || !self.suspended;
            serves.then_some(partition).ok_or(ErrorCode::NotLeaderOrFollower)
        });
        let partition = match partition {
            Ok(partition) => partition,
            Err(error) => {
                let data = self.with_leader(empty.with_error_code(error.code()), entry);
                return EntryRead { data, bytes: 0, urgent: true, storage: None };
            }
        };
        let mut data = empty
            .with_high_watermark(partition.high_watermark.0)
            .with_last_stable_offset(partition.high_watermark.0)
            .with_log_start_offset(partition.log.log_start_offset().0);
        if let Some((epoch, end)) = diverging(partition, entry) {
            data.diverging_epoch = EpochEndOffset::default().with_epoch(epoch.0).with_end_offset(end.0);
            return EntryRead { data, bytes: 0, urgent: true, storage: None };
        }
        let up_to = read_limit(partition, follower);
        let bytes_max = entry.bytes_max.min(left);
        match partition.log.read(entry.offset, up_to, bytes_max, min_one) {
            ReadOutcome::OutOfRange => {
                // The log start offset goes along, for a follower whose end is below it.
                data.error_code = ErrorCode::OffsetOutOfRange.code();
                data.high_watermark = -1;
                data.last_stable_offset = -1;
                EntryRead { data, bytes: 0, urgent: true, storage: None }
            }
            ReadOutcome::Batches(records) => {
                let bytes = records.len();
                EntryRead { data: data.with_records(Some(records)), bytes, urgent: false, storage: None }
            }
            ReadOutcome::NeedsIo(op) => {
                let truncations = partition.log.truncations();
                let leader_epoch = partition.leader_epoch;
                let read = StorageRead { up_to, bytes_max, truncations, leader_epoch };
                EntryRead { data, bytes: 0, urgent: false, storage: Some((op, read)) }
            }
        }
    }

    /// Tells beside an error who leads, as far as known. Taken out again for versions that can't say it.
    fn with_leader(&self, mut data: PartitionData, entry: &FetchEntry) -> PartitionData {
        if let Some((leader, epoch)) = entry.log.ok().and_then(|log| self.known_leader(log)) {
            data.current_leader = LeaderIdAndEpoch::default()
                .with_leader_id(messages::BrokerId(leader.0))
                .with_leader_epoch(epoch.0);
        }
        data
    }

    fn read_from_storage(
        &mut self,
        now: Instant,
        fetch: DelayedFetch,
        data: Vec<PartitionData>,
        reads: Vec<(usize, IoOp, StorageRead)>,
        fx: &mut Effects,
    ) {
        self.next_reading += 1;
        let number = self.next_reading;
        let mut waiting = SortedMap::new();
        let mut ready = Vec::new();
        for (entry, op, read) in reads {
            let ahead = match &op {
                IoOp::Read { log, from, bytes_max } => {
                    self.read_ahead.claim(*log, read.truncations, (*from, *bytes_max), (number, entry))
                }
                _ => Ahead::Nothing,
            };
            match ahead {
                Ahead::Ready(chunks) => ready.push((entry, chunks)),
                Ahead::Underway => {}
                Ahead::Nothing => drop(self.submit_read(op, IoFor::Fetch { number, entry }, fx)),
            }
            waiting.insert(entry, read);
        }
        self.reading.insert(number, ReadingFetch { fetch, data, waiting });
        for (entry, chunks) in ready {
            self.fetch_read(now, number, entry, IoResult::Read(chunks), fx);
        }
    }

    /// Storage has read for a fetch.
    pub(super) fn fetch_read(
        &mut self,
        now: Instant,
        number: u64,
        entry: usize,
        result: IoResult,
        fx: &mut Effects,
    ) {
        let Some(reading) = self.reading.get_mut(&number) else { return };
        let Some(read) = reading.waiting.remove(&entry) else { return };
        let wanted = reading.fetch.entries.get(entry);
        let mut read_on = None;
        let mut damaged = None;
        if let (Some(wanted), Some(data)) = (wanted, reading.data.get_mut(entry)) {
            let partition = wanted.log.ok().and_then(|log| self.partitions.get(&log));
            match fill(data, partition, wanted, &read, result) {
                Ok(chunks) => {
                    let next = data.records.as_ref().and_then(end_of);
                    read_on = wanted.log.ok().zip(next.map(|next| (wanted.offset, next))).zip(chunks);
                }
                Err(found) => damaged = wanted.log.ok().map(|log| (log, found)),
            }
        }
        if let Some((log, found)) = damaged {
            let error = self.damage_found(log, found, fx);
            let data = self.reading.get_mut(&number).and_then(|reading| reading.data.get_mut(entry));
            if let Some(data) = data {
                data.error_code = error.code();
            }
        }
        if self.reading.get(&number).is_some_and(|reading| reading.waiting.is_empty())
            && let Some(ReadingFetch { fetch, data, .. }) = self.reading.remove(&number)
        {
            self.answer_fetch(now, fetch, data, fx);
        }
        if let Some(((log, way), chunks)) = read_on {
            self.read_on(log, way, chunks, read.bytes_max, fx);
        }
    }

    fn answer_fetch(
        &mut self,
        now: Instant,
        fetch: DelayedFetch,
        data: Vec<PartitionData>,
        fx: &mut Effects,
    ) {
        if let Some(follower) = fetch.follower {
            for (entry, data) in fetch.entries.iter().zip(&data) {
                let empty = data.records.as_ref().is_none_or(Bytes::is_empty);
                let partition = entry.log.ok().and_then(|log| self.partitions.get_mut(&log));
                if let Some(partition) = partition.filter(|_| !empty) {
                    let end = partition.log.log_end_offset();
                    if let Some(leader) = partition.leading_mut() {
                        leader.served(follower, end);
                    }
                }
            }
        }
        let session_id = match fetch.session {
            SessionUse::None => 0,
            SessionUse::Opens => {
                let by_id = fetch.version >= TOPIC_ID_VERSION;
                let opened = self.sessions.open(now, fetch.follower.is_some(), by_id, &fetch.entries, &data);
                opened.map_or(0, |id| id.0)
            }
            SessionUse::Continues { id, .. } => id.0,
        };
        let mut responses: Vec<FetchableTopicResponse> = Vec::new();
        let mut endpoints: Vec<NodeEndpoint> = Vec::new();
        for (entry, mut data) in fetch.entries.iter().zip(data) {
            if let SessionUse::Continues { id, round } = fetch.session
                && !self.sessions.says(id, round, entry, &data)
            {
                continue;
            }
            let leader = BrokerId(data.current_leader.leader_id.0);
            if fetch.version < CURRENT_LEADER_VERSION {
                data.current_leader = LeaderIdAndEpoch::default();
            } else if let Some(endpoint) = self.endpoint(leader)
                && !endpoints.iter().any(|known| known.node_id.0 == leader.0)
            {
                endpoints.push(
                    NodeEndpoint::default()
                        .with_node_id(messages::BrokerId(leader.0))
                        .with_host(StrBytes::from_string(endpoint.host.clone()))
                        .with_port(i32::from(endpoint.port))
                        .with_rack(endpoint.rack.clone().map(StrBytes::from_string)),
                );
            }
            match responses.last_mut() {
                Some(topic) if topic.topic_id == entry.topic_id && topic.topic == entry.topic => {
                    topic.partitions.push(data);
                }
                _ => responses.push(
                    FetchableTopicResponse::default()
                        .with_topic(entry.topic.clone())
                        .with_topic_id(entry.topic_id)
                        .with_partitions(vec![data]),
                ),
            }
        }
        let response = FetchResponse::default()
            .with_session_id(session_id)
            .with_responses(responses)
            .with_node_endpoints(endpoints);
        fx.reply(fetch.token, response);
    }

    /// Looks again at what waits for this partition.
    pub(super) fn wake_fetches(&mut self, now: Instant, log: LogId, fx: &mut Effects) {
        for id in self.fetches.watchers(log) {
            let partition = self.partitions.get(&log);
            let news = self.fetches.operation(id).is_some_and(|fetch| fetch.has_news(log, partition));
            if news && let Some(fetch) = self.fetches.remove(id) {
                self.serve_fetch(now, fetch, fx);
            }
        }
    }

    /// Answers what has waited for as long as it wanted.
    pub(super) fn expire_fetches(&mut self, now: Instant, fx: &mut Effects) {
        while let Some(mut fetch) = self.fetches.pop_due(now) {
            // It may have been hastened.
            fetch.deadline = now;
            self.serve_fetch(now, fetch, fx);
        }
    }

    /// Submits a read that is not a log's own business.
    pub(super) fn submit_read(&mut self, op: IoOp, io_for: IoFor, fx: &mut Effects) -> IoId {
        let io = fx.submit(op);
        self.ios.insert(io, io_for);
        io
    }
}

impl DelayedFetch {
    /// True when its fetcher, a follower, is told no more than what is new.
    fn tells_high_watermarks(&self) -> bool {
        self.follower.is_some() && matches!(self.session, SessionUse::Continues { .. })
    }

    /// True when another look at the partition would find something.
    fn has_news(&self, log: LogId, partition: Option<&Partition>) -> bool {
        let Some(partition) = partition else { return true };
        self.entries.iter().filter(|entry| entry.log == Ok(log)).any(|entry| {
            partition.leading_in(entry.leader_epoch).is_err()
                || read_limit(partition, self.follower.is_some()) > entry.offset
                || partition.log.log_end_offset() < entry.offset
                || partition.log.log_start_offset() > entry.offset
        })
    }
}

fn refuse_fetch(token: ReplyToken, error: ErrorCode, fx: &mut Effects) {
    fx.reply(token, FetchResponse::default().with_error_code(error.code()));
}

/// Where reading ends (exclusive): consumers see what is committed, followers all that there is.
fn read_limit(partition: &Partition, follower: bool) -> Offset {
    let all = follower || mutated(Mutation::ConsumersReadUncommitted);
    if all { partition.log.log_end_offset() } else { partition.high_watermark }
}

/// Where the log that the fetch continues leaves ours, if it does (KIP-595).
fn diverging(partition: &Partition, entry: &FetchEntry) -> Option<(LeaderEpoch, Offset)> {
    let last_fetched = entry.last_fetched_epoch?;
    let (epoch, end) = partition.end_offset_for_epoch(last_fetched)?;
    if mutated(Mutation::IgnoreDivergence) {
        return None;
    }
    let end = if mutated(Mutation::EpochEndOffByOne) { end.plus(1) } else { end };
    (epoch < last_fetched || end < entry.offset).then_some((epoch, end))
}

/// The offset after the last record, if there are any.
fn end_of(records: &Bytes) -> Option<Offset> {
    batches(records).map_while(Result::ok).last().map(|(header, _)| header.next_offset())
}

/// Puts what storage read into the response, if it still holds, and gives it back.
fn fill(
    data: &mut PartitionData,
    partition: Option<&Partition>,
    wanted: &FetchEntry,
    read: &StorageRead,
    result: IoResult,
) -> Result<Option<Vec<Chunk>>, Damaged> {
    let leads = partition.filter(|p| p.leading().is_some() && p.leader_epoch == read.leader_epoch);
    let Some(partition) = leads else {
        data.error_code = ErrorCode::NotLeaderOrFollower.code();
        return Ok(None);
    };
    let chunks: Vec<Chunk> = match result {
        IoResult::Read(chunks) => chunks,
        IoResult::Done | IoResult::Failed(_) => {
            data.error_code = ErrorCode::KafkaStorageError.code();
            return Ok(None);
        }
    };
    // The log was cut in between: let the reader come again.
    if partition.log.truncations() != read.truncations {
        return Ok(None);
    }
    let records = partition.log.supply(&chunks, wanted.offset, read.up_to, read.bytes_max, true)?;
    data.records = Some(records);
    Ok(Some(chunks))
}

/// A leader epoch of the wire; -1 is none.
pub(super) fn epoch_of(epoch: i32) -> Option<LeaderEpoch> {
    (epoch >= 0).then_some(LeaderEpoch(epoch))
}
