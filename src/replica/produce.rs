//! Produce (key 0), versions 3-13.
//!
//! - Each partition takes exactly one batch of magic 2; it is checked, gets its offsets and the leader epoch, and is
//!   stored as it came, or recompressed where the topic's `compression.type` names another codec.
//! - acks=0 is never answered; when something is wrong the connection is closed, as Kafka does, so that the client
//!   notices. acks=1 is answered when the leader's storage has committed, acks=all when the high watermark has passed.
//! - One request is answered once, when all its partitions are decided or its timeout is over (REQUEST_TIMED_OUT for
//!   those that are not).
//! - A batch that its producer sends again (KIP-98) is answered with the first one's offset, and waits like it.
//! - Versions below 7 may not carry zstd (KIP-110): UNSUPPORTED_COMPRESSION_TYPE.
//! - v10 names the current leader with NOT_LEADER_OR_FOLLOWER (KIP-951). v13 has topic ids (KIP-516).
//!
//! Transactions are absent until their time: a transactional batch gets INVALID_TXN_STATE.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::effects::{Effects, Reply, ReplyToken};
use crate::event::ClusterEvent;
use crate::log::{AppendError, AppendInfo, NewRecords};
use crate::protocol::batch::{self, BatchError, BatchHeader};
use crate::protocol::messages::produce_response::{
    LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use crate::protocol::messages::{self, ProduceRequest, ProduceResponse};
use crate::protocol::records::{CheckedRecords, check_records as check_batch_records, recompress};
use crate::protocol::{ErrorCode, StrBytes};
use crate::time::{Duration, Instant};
use crate::types::{Compression, LeaderEpoch, LogId, Offset, TopicName, TopicPartition};

use super::directory::is_internal;
use super::manager::ReplicaManager;
use super::partition::{AppendRefusal, Partition};

/// The first version whose batches may be compressed with zstd.
const ZSTD_VERSION: i16 = 7;
/// The first version that names the current leader beside an error.
const CURRENT_LEADER_VERSION: i16 = 10;
/// The first version with topic ids.
const TOPIC_ID_VERSION: i16 = 13;

/// A produce that waits for the high watermark, or for the leader's storage.
#[derive(Debug)]
pub(super) struct DelayedProduce {
    token: ReplyToken,
    version: i16,
    acks_all: bool,
    response: ProduceResponse,
    pending: Vec<PendingAppend>,
}

/// One appended batch whose durability is open.
#[derive(Debug, Clone, Copy)]
struct PendingAppend {
    /// Its place in the response.
    topic: usize,
    partition: usize,
    log: LogId,
    /// One past its last offset.
    required: Offset,
    epoch: LeaderEpoch,
}

/// Why a partition's records were not taken, with words for the client.
struct Refusal {
    code: ErrorCode,
    message: Option<String>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Refusal { code, message: None }
    }
}

impl ReplicaManager {
    /// Serves a client's Produce.
    pub fn produce(
        &mut self,
        now: Instant,
        token: ReplyToken,
        version: i16,
        request: ProduceRequest,
        fx: &mut Effects,
    ) {
        let acks_known = (-1..=1).contains(&request.acks);
        let acks_all = request.acks == -1;
        let mut pending = Vec::new();
        let mut responses = Vec::new();
        for (topic_at, topic) in request.topic_data.into_iter().enumerate() {
            let mut partitions = Vec::new();
            for (partition_at, data) in topic.partition_data.into_iter().enumerate() {
                let response = PartitionProduceResponse::default().with_index(data.index);
                let outcome = if acks_known {
                    let by_id = version >= TOPIC_ID_VERSION;
                    self.resolve(by_id, &topic.name, topic.topic_id, data.index)
                        .map_err(Refusal::from)
                        .and_then(|log| self.take_batch(now, log, data.records, version, acks_all, fx))
                } else {
                    Err(ErrorCode::InvalidRequiredAcks.into())
                };
                partitions.push(match outcome {
                    Ok((log, epoch, log_start, info)) => {
                        let required = info.last_offset.plus(1);
                        pending.push(PendingAppend {
                            topic: topic_at,
                            partition: partition_at,
                            log,
                            required,
                            epoch,
                        });
                        response
                            .with_base_offset(info.first_offset.0)
                            .with_log_append_time_ms(info.log_append_time.unwrap_or(-1))
                            .with_log_start_offset(log_start.0)
                    }
                    Err(refusal) => response
                        .with_base_offset(-1)
                        .with_error_code(refusal.code.code())
                        .with_error_message(refusal.message.map(StrBytes::from_string)),
                });
            }
            responses.push(
                TopicProduceResponse::default()
                    .with_name(topic.name)
                    .with_topic_id(topic.topic_id)
                    .with_partition_responses(partitions),
            );
        }
        let response = ProduceResponse::default().with_responses(responses);
        if request.acks == 0 {
            fx.replies.push_back((token, unacknowledged(&response)));
        } else {
            let deadline = now + Duration::from_millis(request.timeout_ms.max(0) as u64);
            let delayed = DelayedProduce { token, version, acks_all, response, pending };
            self.complete_or_park(delayed, deadline, fx);
        }
        self.finish(now, fx);
    }

    /// Appends a coordinator's records as leader. Returns the end offset (exclusive): they are committed when the high
    /// watermark reaches it in the same leader epoch. With `acks_all`, refused below `min.insync.replicas`.
    pub fn append_as_leader(
        &mut self,
        now: Instant,
        tp: &TopicPartition,
        records: Bytes,
        acks_all: bool,
        fx: &mut Effects,
    ) -> Result<Offset, ErrorCode> {
        let log = self.log_id(tp).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let info = self.append(now, log, (&records).into(), acks_all, fx).map_err(|refusal| refusal.code);
        self.finish(now, fx);
        Ok(info?.last_offset.plus(1))
    }

    /// Checks what a client sent to one partition, and appends it.
    fn take_batch(
        &mut self,
        now: Instant,
        log: LogId,
        records: Option<Bytes>,
        version: i16,
        acks_all: bool,
        fx: &mut Effects,
    ) -> Result<(LogId, LeaderEpoch, Offset, AppendInfo), Refusal> {
        let records = records.unwrap_or_default();
        let compacted = self.partitions.get(&log).is_some_and(|partition| partition.config.compact);
        let checked = check_records(&records, version, compacted)?;
        if self.topic_of(log).is_some_and(is_internal) {
            let message = Some("Cannot append to an internal topic.".to_owned());
            return Err(Refusal { code: ErrorCode::InvalidTopicException, message });
        }
        let stored = self.as_stored(log, &checked)?;
        let records = stored.as_ref().map_or(NewRecords::Checked(&checked), NewRecords::Unchecked);
        let info = self.append(now, log, records, acks_all, fx)?;
        if !info.duplicate {
            fx.counts.messages_in += u64::from(checked.header.record_count.unsigned_abs());
            fx.counts.bytes_in += stored.as_ref().map_or(checked.batch().len(), Bytes::len) as u64;
        }
        let partition = self.partitions.get(&log).ok_or(ErrorCode::NotLeaderOrFollower)?;
        Ok((log, partition.leader_epoch, partition.log.log_start_offset(), info))
    }

    /// The batch as it is to be stored, where that is not as it came: in the codec that its topic names, and with its true
    /// largest timestamp (Kafka puts that right without a word).
    fn as_stored(&self, log: LogId, checked: &CheckedRecords) -> Result<Option<Bytes>, ErrorCode> {
        let (batch, header) = (checked.batch(), &checked.header);
        let config = self.partitions.get(&log).map(|partition| &partition.config);
        let recompressed = match config
            .and_then(|config| config.compression.map(|codec| (codec, config.max_message_bytes)))
        {
            // One that is too large as it came is left to the log, which refuses it: Kafka measures before and after.
            Some((codec, max)) if header.compression() != Some(codec) && batch.len() <= max => {
                Some(recompress(batch, codec).map_err(|error| error.code())?)
            }
            _ => None,
        };
        if header.max_timestamp == checked.max_timestamp {
            return Ok(recompressed);
        }
        let mut corrected = recompressed.as_ref().unwrap_or(batch).to_vec();
        batch::set_max_timestamp(&mut corrected, checked.max_timestamp);
        Ok(Some(corrected.into()))
    }

    fn append(
        &mut self,
        now: Instant,
        log: LogId,
        records: NewRecords<'_>,
        acks_all: bool,
        fx: &mut Effects,
    ) -> Result<AppendInfo, Refusal> {
        if self.suspended {
            return Err(ErrorCode::NotLeaderOrFollower.into());
        }
        let partition = self.partitions.get_mut(&log).ok_or(ErrorCode::NotLeaderOrFollower)?;
        let info = partition.append_as_leader(now, records, acks_all).map_err(refusal)?;
        if let Some(base) = info.rolled {
            let (topic, partition) = (partition.tp.topic.clone(), partition.tp.partition);
            fx.event(ClusterEvent::SegmentRolled { topic, partition, base });
        }
        self.submit_log_io(log, fx);
        self.touched.insert(log);
        Ok(info)
    }

    fn complete_or_park(&mut self, mut produce: DelayedProduce, deadline: Instant, fx: &mut Effects) {
        // While suspended nothing was appended, so that nothing is pending.
        produce.decide(&self.partitions);
        if produce.pending.is_empty() {
            self.answer_produce(produce, fx);
        } else {
            let logs = produce.pending.iter().map(|append| append.log).collect();
            self.produces.park(produce, logs, deadline);
        }
    }

    /// Completes what waited for this partition.
    pub(super) fn wake_produces(&mut self, log: LogId, fx: &mut Effects) {
        if self.suspended {
            return;
        }
        for id in self.produces.watchers(log) {
            let partitions = &self.partitions;
            let Some(produce) = self.produces.operation_mut(id) else { continue };
            produce.decide(partitions);
            if produce.pending.is_empty()
                && let Some(produce) = self.produces.remove(id)
            {
                self.answer_produce(produce, fx);
            }
        }
    }

    /// Answers what has waited for too long.
    pub(super) fn expire_produces(&mut self, now: Instant, fx: &mut Effects) {
        while let Some(mut produce) = self.produces.pop_due(now) {
            for append in std::mem::take(&mut produce.pending) {
                produce.fail(append, ErrorCode::RequestTimedOut);
            }
            self.answer_produce(produce, fx);
        }
    }

    fn answer_produce(&self, produce: DelayedProduce, fx: &mut Effects) {
        let DelayedProduce { token, version, mut response, .. } = produce;
        if version >= CURRENT_LEADER_VERSION {
            self.name_leaders(version, &mut response);
        }
        fx.reply(token, response);
    }

    /// Tells with each NOT_LEADER_OR_FOLLOWER who leads (KIP-951).
    fn name_leaders(&self, version: i16, response: &mut ProduceResponse) {
        for topic in &mut response.responses {
            for partition in &mut topic.partition_responses {
                if partition.error_code != ErrorCode::NotLeaderOrFollower.code() {
                    continue;
                }
                let by_id = version >= TOPIC_ID_VERSION;
                let log = self.resolve(by_id, &topic.name, topic.topic_id, partition.index);
                let Some((leader, epoch)) = log.ok().and_then(|log| self.known_leader(log)) else { continue };
                partition.current_leader = LeaderIdAndEpoch::default()
                    .with_leader_id(messages::BrokerId(leader.0))
                    .with_leader_epoch(epoch.0);
                if let Some(endpoint) = self.endpoint(leader)
                    && !response.node_endpoints.iter().any(|known| known.node_id.0 == leader.0)
                {
                    response.node_endpoints.push(
                        messages::produce_response::NodeEndpoint::default()
                            .with_node_id(messages::BrokerId(leader.0))
                            .with_host(StrBytes::from_string(endpoint.host.clone()))
                            .with_port(i32::from(endpoint.port))
                            .with_rack(endpoint.rack.clone().map(StrBytes::from_string)),
                    );
                }
            }
        }
    }
}

impl DelayedProduce {
    /// Settles what can be settled.
    fn decide(&mut self, partitions: &BTreeMap<LogId, Partition>) {
        for append in std::mem::take(&mut self.pending) {
            let outcome = match partitions.get(&append.log) {
                Some(p) => p.acknowledgement(append.required, append.epoch, self.acks_all),
                None => Some(Err(ErrorCode::NotLeaderOrFollower)),
            };
            match outcome {
                None => self.pending.push(append),
                Some(Ok(())) => {}
                Some(Err(error)) => self.fail(append, error),
            }
        }
    }

    fn fail(&mut self, append: PendingAppend, error: ErrorCode) {
        let topic = self.response.responses.get_mut(append.topic);
        if let Some(place) = topic.and_then(|topic| topic.partition_responses.get_mut(append.partition)) {
            place.error_code = error.code();
        }
    }
}

/// acks=0: silence if all went well, else the connection goes.
fn unacknowledged(response: &ProduceResponse) -> Reply {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    match partitions.map(|p| p.error_code).find_map(ErrorCode::try_from_code) {
        Some(error) => Reply::Close(error),
        None => Reply::None,
    }
}

/// What Kafka demands of a produced partition before it looks at the log: one batch, of magic 2, that begins at offset 0,
/// with the producer's own timestamps, no control batch; and keys, where the topic is compacted. (`ProduceRequest`,
/// `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`.)
fn check_records(records: &Bytes, version: i16, compacted: bool) -> Result<CheckedRecords, Refusal> {
    let invalid = |message: String| Refusal { code: ErrorCode::InvalidRecord, message: Some(message) };
    let one =
        || invalid(format!("Produce requests with version {version} must have exactly one record batch."));
    if records.is_empty() {
        return Err(one());
    }
    let mut batches = batch::batches(records);
    let header: BatchHeader = match batches.next() {
        Some(Ok((header, _))) => header,
        // Kafka takes what claims more bytes than came for no batch at all.
        Some(Err(BatchError::CutShort)) if is_incomplete(records) => return Err(one()),
        Some(Err(error @ BatchError::Magic(magic))) => {
            let message = format!("Produce requests take record batches of magic 2, not {magic}.");
            return Err(Refusal { code: error.code(), message: Some(message) });
        }
        Some(Err(error)) => return Err(error.code().into()),
        None => return Err(one()),
    };
    match batches.next() {
        None => {}
        Some(Ok(_)) => return Err(one()),
        Some(Err(error)) => return Err(error.code().into()),
    }
    if header.is_control() {
        return Err(invalid("Clients are not allowed to write control records.".to_owned()));
    }
    if header.base_offset != Offset::ZERO {
        return Err(invalid(format!("The batch's base offset is to be 0, it is {}.", header.base_offset)));
    }
    // Kafka refuses it where the topic has LogAppendTime or the records no time, and else makes CreateTime of it.
    if header.is_log_append_time() {
        let message = "Producers may not set the timestamp type to LogAppendTime.".to_owned();
        return Err(Refusal { code: ErrorCode::InvalidTimestamp, message: Some(message) });
    }
    if header.is_transactional() {
        return Err(ErrorCode::InvalidTxnState.into());
    }
    if version < ZSTD_VERSION && header.compression() == Some(Compression::Zstd) {
        return Err(Refusal {
            code: ErrorCode::UnsupportedCompressionType,
            message: Some(format!("zstd needs Produce {ZSTD_VERSION} or later, this is version {version}.")),
        });
    }
    match check_batch_records(records) {
        Ok(checked) if compacted && !checked.all_keyed => {
            Err(invalid("A compacted topic takes no record without a key.".to_owned()))
        }
        Ok(checked) => Ok(checked),
        // What is wrong with the batch as a whole is found again, and named, by the log.
        Err(error @ BatchError::Records(_)) => Err(invalid(format!("{error}."))),
        Err(error) => Err(error.code().into()),
    }
}

/// True when a batch's length claims more bytes than there are.
fn is_incomplete(records: &[u8]) -> bool {
    let length = records.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    length.is_none_or(|length| i64::from(length) + 12 > records.len() as i64)
}

fn refusal(refusal: AppendRefusal) -> Refusal {
    let error = match refusal {
        AppendRefusal::Code(code) => return code.into(),
        AppendRefusal::Log(error) => error,
    };
    let (code, message) = match error {
        AppendError::NoBatches => (ErrorCode::InvalidRecord, None),
        AppendError::CorruptBatch(error) => (error.code(), None),
        AppendError::RecordTooLarge { size, max } => (
            ErrorCode::MessageTooLarge,
            Some(format!("The record batch has {size} bytes; max.message.bytes is {max}.")),
        ),
        AppendError::RecordListTooLarge { size, max } => (
            ErrorCode::RecordListTooLarge,
            Some(format!("The record batches have {size} bytes; segment.bytes is {max}.")),
        ),
        AppendError::TimestampInFuture { timestamp, max } => (
            ErrorCode::InvalidTimestamp,
            Some(format!("Timestamp {timestamp} is beyond {max}, the latest that is taken.")),
        ),
        AppendError::OutOfOrderSequence { producer_id, expected, got } => (
            ErrorCode::OutOfOrderSequenceNumber,
            Some(format!(
                "Producer {producer_id} sent sequence {got}; expected was {}.",
                expected.unwrap_or(0)
            )),
        ),
        AppendError::InvalidProducerEpoch { producer_id, current, got } => (
            ErrorCode::InvalidProducerEpoch,
            Some(format!("Producer {producer_id} sent epoch {got}; the current one is {current}.")),
        ),
        AppendError::OffsetsNotContiguous { .. } => (ErrorCode::UnknownServerError, None),
        AppendError::EpochWentBack { .. } => (ErrorCode::NotLeaderOrFollower, None),
        AppendError::StorageFailed | AppendError::Truncating => (ErrorCode::KafkaStorageError, None),
        AppendError::Deleted => (ErrorCode::UnknownTopicOrPartition, None),
    };
    Refusal { code, message }
}

/// The topic's name of the wire, as ours.
pub(super) fn topic_name(name: &messages::TopicName) -> TopicName {
    TopicName::from(name.as_str())
}
