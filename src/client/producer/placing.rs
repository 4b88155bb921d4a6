//! From calls to batches.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::protocol::ErrorCode;
use crate::protocol::frame::FRAME_BYTES_MAX_DEFAULT;
use crate::protocol::records::{BatchBuilder, BatchOptions, RecordHeader};
use crate::sorted::SortedSet;
use crate::time::Instant;
use crate::types::TopicName;

use super::super::partitioner::partition_of_key;
use super::super::{CallId, ClientError};
use super::{Batch, Producer, ProducerRecord, SendCall};

/// No broker takes a larger request: it closes the connection instead.
const RECORD_BYTES_MAX: usize = FRAME_BYTES_MAX_DEFAULT - 64 * 1024;

/// A length or a delta, as records have them.
const VARINT_BYTES_MAX: usize = 5;
/// A record's attributes, the delta of its time, and the five other numbers it has.
const RECORD_OVERHEAD_MAX: usize = 1 + 10 + 5 * VARINT_BYTES_MAX;

impl Producer {
    pub(super) fn place_waiting(&mut self, now: Instant) {
        // A later call never overtakes an earlier one to the same topic.
        let mut blocked: SortedSet<TopicName> = SortedSet::new();
        let mut still = VecDeque::new();
        for id in std::mem::take(&mut self.waiting) {
            if !self.place_call(now, id, &mut blocked) {
                still.push_back(id);
            }
        }
        self.waiting = still;
    }

    /// True when nothing of the call is left to place.
    fn place_call(&mut self, now: Instant, id: CallId, blocked: &mut SortedSet<TopicName>) -> bool {
        let Some(mut call) = self.sends.remove(&id) else { return true };
        let mut left = VecDeque::new();
        while let Some((topic, mut records)) = call.unplaced.pop_front() {
            let usable = match self.net.topic(&topic) {
                Some(meta) => match meta.error {
                    Some(error) if !error.is_retriable() => {
                        call.error = Some(ClientError::protocol(error, None).at(topic.as_str(), None));
                        continue;
                    }
                    Some(_) => None,
                    None => i32::try_from(meta.partitions.len()).ok().filter(|count| *count > 0),
                },
                None => None,
            };
            if usable.is_none() {
                self.net.refresh_soon(now);
            }
            let Some(partitions) = usable.filter(|_| !blocked.contains(&topic)) else {
                blocked.insert(topic.clone());
                left.push_back((topic, records));
                continue;
            };
            while let Some(record) = records.pop_front() {
                if self.buffered >= self.options.buffer_bytes {
                    records.push_front(record);
                    break;
                }
                self.place_record(now, id, &mut call, &topic, partitions, &record);
            }
            if !records.is_empty() {
                blocked.insert(topic.clone());
                left.push_back((topic, records));
            }
        }
        call.unplaced = left;
        let placed = call.unplaced.is_empty();
        self.sends.insert(id, call);
        self.finish_if_done(id);
        placed
    }

    fn place_record(
        &mut self,
        now: Instant,
        id: CallId,
        call: &mut SendCall,
        topic: &TopicName,
        partitions: i32,
        record: &ProducerRecord,
    ) {
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) if !(0..partitions).contains(&partition) => {
                let error = ClientError::protocol(ErrorCode::UnknownTopicOrPartition, None);
                call.error = Some(error.at(topic.as_str(), Some(partition)));
                return;
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, partitions),
            (None, None) => {
                let spread = self.spreads.entry(topic.clone()).or_default();
                spread.next(self.options.partitioner, partitions, &mut self.rng)
            }
        };
        let size = size_at_most(record);
        if size > RECORD_BYTES_MAX {
            let error = ClientError::protocol(ErrorCode::MessageTooLarge, None);
            call.error = Some(error.at(topic.as_str(), Some(partition)));
            return;
        }
        let queue = self.queues.entry((topic.clone(), partition)).or_default();
        let busy = usize::from(queue.in_flight.is_some());
        let fits = |batch: &Batch| {
            batch.acks == call.acks
                && batch.compression == call.compression
                && batch.attempts == 0
                // All calls of a batch end with it: none may have to end earlier.
                && batch.deadline <= call.deadline
                && batch.builder.size_in_bytes() + size <= self.options.batch_bytes
        };
        let open = queue.batches.len() > busy && queue.batches.back().is_some_and(fits);
        if !open {
            let options = BatchOptions { compression: call.compression, ..BatchOptions::default() };
            queue.batches.push_back(Batch {
                builder: BatchBuilder::new(options),
                acks: call.acks,
                compression: call.compression,
                parts: Vec::new(),
                created_at: now,
                deadline: call.deadline,
                producer: None,
                attempts: 0,
                unknown: false,
                refused: false,
                last_error: None,
            });
        }
        let Some(batch) = queue.batches.back_mut() else { return };
        if batch.parts.last().is_none_or(|(last, _)| *last != id) {
            batch.parts.push((id, batch.builder.record_count() as i64));
            call.open_parts += 1;
        }
        let before = batch.builder.size_in_bytes();
        let timestamp = record.timestamp.unwrap_or(call.called_at.as_timestamp());
        batch.builder.push(timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
        self.buffered += batch.builder.size_in_bytes() - before;
        if batch.builder.size_in_bytes() >= self.options.batch_bytes
            && let Some(spread) = self.spreads.get_mut(topic)
        {
            spread.batch_done(partition);
        }
    }
}

/// A record's size in a batch, or a little more.
fn size_at_most(record: &ProducerRecord) -> usize {
    let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let header = |(name, value): &RecordHeader| 2 * VARINT_BYTES_MAX + name.len() + bytes(value);
    RECORD_OVERHEAD_MAX
        + bytes(&record.key)
        + bytes(&record.value)
        + record.headers.iter().map(header).sum::<usize>()
}
