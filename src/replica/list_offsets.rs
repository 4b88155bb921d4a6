//! ListOffsets (key 2), versions 1-10, and OffsetForLeaderEpoch (key 23), versions 2-4.
//!
//! | timestamp asked for | answer |
//! |---|---|
//! | -1 latest | the high watermark (it is the last stable offset too, until there are transactions) |
//! | -2 earliest, -4 earliest local (KIP-405) | the log start offset |
//! | -3 largest (KIP-734) | the first record with the largest timestamp |
//! | -5 latest tiered (KIP-1005) | none: there is no tiered storage |
//! | otherwise | the first record at or after it |
//!
//! After an election the new leader may not know yet how far the high watermark was. While it is below the epoch's start,
//! "latest" and what is not found get OFFSET_NOT_AVAILABLE, so that offsets never seem to go back (KIP-207).

use crate::effects::{Effects, ReplyToken};
use crate::log::io::IoResult;
use crate::log::{TimestampLookup, TimestampOffset};
use crate::protocol::ErrorCode;
use crate::protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use crate::protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use crate::protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};
use crate::time::Instant;
use crate::types::{LeaderEpoch, LogId, Offset, Uuid};

use super::fetch::epoch_of;
use super::manager::{IoFor, ReplicaManager};
use super::partition::Partition;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// The first version that knows OFFSET_NOT_AVAILABLE.
const OFFSET_NOT_AVAILABLE_VERSION: i16 = 5;

/// A ListOffsets that waits for storage.
#[derive(Debug)]
pub(super) struct DelayedListOffsets {
    token: ReplyToken,
    version: i16,
    response: ListOffsetsResponse,
    waiting: usize,
}

/// One partition's look-up by time, as it goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lookup {
    number: u64,
    /// Its place in the response.
    topic: usize,
    partition: usize,
    log: LogId,
    timestamp: i64,
    up_to: Offset,
    at: Offset,
    truncations: u64,
    leader_epoch: LeaderEpoch,
}

/// What a look at one partition found.
enum Found {
    Answer(Result<Option<TimestampOffset>, ErrorCode>),
    NeedsStorage(crate::log::io::IoOp, Lookup),
}

impl ReplicaManager {
    /// Serves ListOffsets.
    pub fn list_offsets(
        &mut self,
        _now: Instant,
        token: ReplyToken,
        version: i16,
        request: ListOffsetsRequest,
        fx: &mut Effects,
    ) {
        self.next_reading += 1;
        let number = self.next_reading;
        let mut delayed =
            DelayedListOffsets { token, version, response: ListOffsetsResponse::default(), waiting: 0 };
        for (topic_at, topic) in request.topics.into_iter().enumerate() {
            let mut answer = ListOffsetsTopicResponse::default().with_name(topic.name.clone());
            for (partition_at, wanted) in topic.partitions.into_iter().enumerate() {
                let log = self.resolve(false, &topic.name, Uuid::nil(), wanted.partition_index);
                let epoch = epoch_of(wanted.current_leader_epoch);
                let place = (number, topic_at, partition_at);
                let mut response =
                    ListOffsetsPartitionResponse::default().with_partition_index(wanted.partition_index);
                match log.and_then(|log| self.find_offset(log, epoch, wanted.timestamp, place)) {
                    Ok(Found::Answer(found)) => fill(&mut response, version, found),
                    Err(error) => fill(&mut response, version, Err(error)),
                    Ok(Found::NeedsStorage(op, lookup)) => {
                        delayed.waiting += 1;
                        self.submit_read(op, IoFor::Lookup(lookup), fx);
                    }
                }
                answer.partitions.push(response);
            }
            delayed.response.topics.push(answer);
        }
        if delayed.waiting == 0 {
            fx.reply(token, delayed.response);
        } else {
            self.lookups.insert(number, delayed);
        }
    }

    fn find_offset(
        &self,
        log: LogId,
        epoch: Option<LeaderEpoch>,
        timestamp: i64,
        (number, topic, place): (u64, usize, usize),
    ) -> Result<Found, ErrorCode> {
        let partition = self.partitions.get(&log).ok_or(ErrorCode::NotLeaderOrFollower)?;
        partition.leading_in(epoch)?;
        if self.suspended {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        let plain = |offset: Offset, leader_epoch| {
            Found::Answer(Ok(Some(TimestampOffset { timestamp: -1, offset, leader_epoch })))
        };
        let timestamp = match timestamp {
            LATEST if high_watermark_unsure(partition) => return Err(ErrorCode::OffsetNotAvailable),
            LATEST => return Ok(plain(partition.high_watermark, Some(partition.leader_epoch))),
            EARLIEST | EARLIEST_LOCAL => {
                let start = partition.log.log_start_offset();
                return Ok(plain(start, partition.log.epoch_at(start)));
            }
            LATEST_TIERED => return Ok(Found::Answer(Ok(None))),
            MAX_TIMESTAMP => match partition.log.max_timestamp() {
                Some(timestamp) => timestamp,
                None => return Ok(Found::Answer(Ok(None))),
            },
            timestamp if timestamp < 0 => return Err(ErrorCode::UnsupportedVersion),
            timestamp => timestamp,
        };
        let lookup = Lookup {
            number,
            topic,
            partition: place,
            log,
            timestamp,
            up_to: partition.high_watermark,
            at: Offset::ZERO,
            truncations: partition.log.truncations(),
            leader_epoch: partition.leader_epoch,
        };
        let found = partition.log.offset_for_timestamp(timestamp, partition.high_watermark);
        Ok(take_step(partition, lookup, found))
    }

    /// Storage has read for a look-up by time.
    pub(super) fn lookup_read(&mut self, lookup: Lookup, result: IoResult, fx: &mut Effects) {
        let partition = self.partitions.get(&lookup.log);
        let partition = partition.filter(|p| p.leading().is_some() && p.leader_epoch == lookup.leader_epoch);
        let found = match (partition, result) {
            (None, _) => Found::Answer(Err(ErrorCode::NotLeaderOrFollower)),
            (Some(partition), IoResult::Read(chunks)) => {
                let Lookup { timestamp, up_to, at, .. } = lookup;
                let step = if partition.log.truncations() == lookup.truncations {
                    partition.log.resume_timestamp_lookup(timestamp, up_to, at, &chunks)
                } else {
                    partition.log.offset_for_timestamp(timestamp, up_to)
                };
                take_step(partition, lookup, step)
            }
            (Some(_), IoResult::Done | IoResult::Failed(_)) => {
                Found::Answer(Err(ErrorCode::KafkaStorageError))
            }
        };
        let Some(delayed) = self.lookups.get_mut(&lookup.number) else { return };
        match found {
            Found::NeedsStorage(op, lookup) => {
                self.submit_read(op, IoFor::Lookup(lookup), fx);
                return;
            }
            Found::Answer(found) => {
                let topic = delayed.response.topics.get_mut(lookup.topic);
                if let Some(response) = topic.and_then(|t| t.partitions.get_mut(lookup.partition)) {
                    fill(response, delayed.version, found);
                }
            }
        }
        delayed.waiting -= 1;
        if delayed.waiting == 0
            && let Some(delayed) = self.lookups.remove(&lookup.number)
        {
            fx.reply(delayed.token, delayed.response);
        }
    }

    /// Serves OffsetForLeaderEpoch (KIP-320).
    pub fn offsets_for_leader_epoch(
        &mut self,
        _now: Instant,
        token: ReplyToken,
        _version: i16,
        request: OffsetForLeaderEpochRequest,
        fx: &mut Effects,
    ) {
        let mut response = OffsetForLeaderEpochResponse::default();
        for topic in request.topics {
            let mut answer = OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone());
            for wanted in topic.partitions {
                let log = self.resolve(false, &topic.topic, Uuid::nil(), wanted.partition);
                let end = log.and_then(|log| {
                    let partition = self.partitions.get(&log).ok_or(ErrorCode::NotLeaderOrFollower)?;
                    partition.leading_in(epoch_of(wanted.current_leader_epoch))?;
                    let epoch = epoch_of(wanted.leader_epoch);
                    Ok(epoch.and_then(|epoch| partition.end_offset_for_epoch(epoch)))
                });
                let place = EpochEndOffset::default()
                    .with_partition(wanted.partition)
                    .with_leader_epoch(-1)
                    .with_end_offset(-1);
                answer.partitions.push(match end {
                    Ok(Some((epoch, end))) => place.with_leader_epoch(epoch.0).with_end_offset(end.0),
                    Ok(None) => place,
                    Err(error) => place.with_error_code(error.code()),
                });
            }
            response.topics.push(answer);
        }
        fx.reply(token, response);
    }
}

/// True while this leader may know less of the high watermark than its predecessor did.
fn high_watermark_unsure(partition: &Partition) -> bool {
    partition.leading().is_some_and(|leader| leader.epoch_start > partition.high_watermark)
}

fn take_step(partition: &Partition, lookup: Lookup, step: TimestampLookup) -> Found {
    match step {
        TimestampLookup::Found(found) => Found::Answer(Ok(Some(found))),
        TimestampLookup::NotFound if high_watermark_unsure(partition) => {
            Found::Answer(Err(ErrorCode::OffsetNotAvailable))
        }
        TimestampLookup::NotFound => Found::Answer(Ok(None)),
        TimestampLookup::NeedsIo { op, at } => {
            let truncations = partition.log.truncations();
            Found::NeedsStorage(op, Lookup { at, truncations, ..lookup })
        }
    }
}

fn fill(
    response: &mut ListOffsetsPartitionResponse,
    version: i16,
    found: Result<Option<TimestampOffset>, ErrorCode>,
) {
    response.timestamp = -1;
    response.offset = -1;
    response.leader_epoch = -1;
    match found {
        Ok(Some(found)) => {
            response.timestamp = found.timestamp;
            response.offset = found.offset.0;
            response.leader_epoch = found.leader_epoch.map_or(-1, |epoch| epoch.0);
        }
        Ok(None) => {}
        Err(ErrorCode::OffsetNotAvailable) if version < OFFSET_NOT_AVAILABLE_VERSION => {
            response.error_code = ErrorCode::LeaderNotAvailable.code();
        }
        Err(error) => response.error_code = error.code(),
    }
    // Before v4 there is no place for it.
    if version < 4 {
        response.leader_epoch = -1;
    }
}
