//! Offsets by time (ListOffsets): the first record at or after a timestamp. The largest timestamps of the segments and a
//! sparse index lead near it; from there batches are scanned, from memory or, in slices, from storage.

use bytes::Bytes;

use super::partition_log::PartitionLog;
use super::seal::stored_batches;
use crate::log::io::{Chunk, IoOp};
use crate::protocol::batch;
use crate::protocol::records;
use crate::types::{LeaderEpoch, Offset};

/// Bytes of one read of a look-up.
const LOOKUP_BYTES: usize = 512 * 1024;

/// A record found by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// Its timestamp, ms since the Unix epoch.
    pub timestamp: i64,
    /// Its offset.
    pub offset: Offset,
    /// The leader epoch it was written in.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What a look-up by time found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimestampLookup {
    /// The first record at or after the timestamp.
    Found(TimestampOffset),
    /// No record is that late.
    NotFound,
    /// Submit `op`, then give its chunks and `at` to `resume_timestamp_lookup`.
    NeedsIo {
        /// A read.
        op: IoOp,
        /// Where the look-up goes on.
        at: Offset,
    },
}

impl PartitionLog {
    /// The largest timestamp in the log, ms. `offset_for_timestamp` of it finds the first record that has it.
    pub fn max_timestamp(&self) -> Option<i64> {
        self.segments.iter().filter_map(|segment| segment.facts.max_timestamp).max()
    }

    /// The first record below `up_to` (exclusive) whose timestamp is at or after `timestamp` (ms).
    pub fn offset_for_timestamp(&self, timestamp: i64, up_to: Offset) -> TimestampLookup {
        self.lookup(timestamp, up_to, self.log_start)
    }

    /// Goes on with a look-up, with the same `timestamp` and `up_to`, when the chunks it asked for are
    /// there (and before later operations of the log are done).
    pub fn resume_timestamp_lookup(
        &self,
        timestamp: i64,
        up_to: Offset,
        at: Offset,
        chunks: &[Chunk],
    ) -> TimestampLookup {
        let stored_end = self.stored_end();
        let mut next = at;
        for chunk in chunks {
            for (header, range) in stored_batches(chunk, false).map_while(Result::ok) {
                if header.next_offset() <= next || header.next_offset() > stored_end {
                    continue;
                }
                next = header.next_offset();
                if header.max_timestamp >= timestamp
                    && let Some(found) = self.first_in(chunk.bytes.slice(range), timestamp, up_to)
                {
                    return found;
                }
            }
        }
        // No progress where there should be some: storage has nothing more.
        if next == at && at < stored_end {
            TimestampLookup::NotFound
        } else {
            self.lookup(timestamp, up_to, next)
        }
    }

    fn lookup(&self, timestamp: i64, up_to: Offset, from: Offset) -> TimestampLookup {
        let up_to = up_to.min(self.log_end);
        let mut at = from;
        for (i, segment) in self.segments.iter().enumerate() {
            let end = self.segments.get(i + 1).map_or(self.log_end, |next| next.base);
            if end <= from || segment.facts.max_timestamp.is_none_or(|max| max < timestamp) {
                continue;
            }
            at = segment.scan_start(timestamp).max(from);
            if at >= up_to {
                return TimestampLookup::NotFound;
            }
            if at < self.tail.start() {
                let op = IoOp::Read { log: self.id, from: at, bytes_max: LOOKUP_BYTES };
                return TimestampLookup::NeedsIo { op, at };
            }
            break;
        }
        let later = self.tail.batches().filter(|b| b.facts.next > at && b.facts.max_timestamp >= timestamp);
        for candidate in later {
            if let Some(found) = self.first_in(candidate.bytes.clone(), timestamp, up_to) {
                return found;
            }
        }
        TimestampLookup::NotFound
    }

    /// The first record of a batch at or after `timestamp`. A batch whose records cannot be read is found by its base
    /// offset: a consumer that starts there misses nothing.
    fn first_in(&self, bytes: Bytes, timestamp: i64, up_to: Offset) -> Option<TimestampLookup> {
        let header = batch::BatchHeader::parse(&bytes).ok()?;
        let (offset, timestamp) = match records::decode_records(&bytes) {
            Ok(records) => {
                let wanted = |r: &&records::Record| r.timestamp >= timestamp && r.offset >= self.log_start;
                records.iter().find(wanted).map(|record| (record.offset, record.timestamp))?
            }
            Err(_) => (header.base_offset.max(self.log_start), header.max_timestamp),
        };
        if offset >= up_to {
            return Some(TimestampLookup::NotFound);
        }
        let leader_epoch = self.epoch_at(offset);
        Some(TimestampLookup::Found(TimestampOffset { timestamp, offset, leader_epoch }))
    }
}
