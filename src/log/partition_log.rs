//! One partition's log: the composition of segments, tail, epoch cache and producer state. Sans-IO.
//!
//! How an owner drives it:
//! - After any call that changes the log (and after `io_done`), submit what `take_io` gives, in order. Each of these
//!   operations needs exactly one `io_done`, in the order they were submitted.
//! - Memory runs ahead of storage: `log_end_offset` counts what was appended, `durable_end_offset` what is committed.
//! - A read below the in-memory tail gives the operation to submit; its chunks go to `supply`. These reads are the
//!   owner's: no `io_done` for them.
//! - When a write fails the log falls back to what is durable and asks storage to cut there; until that has succeeded
//!   appends are refused (`storage_failed`). If the cut fails too, call `retry_storage` on a timer.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::batch_facts::{Batch, BatchFacts, ProducerFacts};
use super::cleaner::{Cleaned, Cleaning, Rewritten};
use super::config::LogConfig;
use super::epoch_cache::EpochCache;
use super::error::AppendError;
use super::io_queue::{IoQueue, Outstanding};
use super::producer_state::ProducerState;
use super::segment::{Segment, SegmentFacts};
use super::tail::Tail;
use super::truncation::Scan;
use crate::log::io::{IoError, IoOp, IoResult, SegmentRow};
use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::{self, BatchError, BatchHeader};
use crate::protocol::records::CheckedRecords;
use crate::time::Instant;
use crate::types::{LeaderEpoch, LogId, Offset};

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record; of the original's when `duplicate`.
    pub first_offset: Offset,
    /// Offset of the last record; of the original's when `duplicate`.
    pub last_offset: Offset,
    /// The time written into the batches, ms; none when their own timestamps stay (`CreateTime`).
    pub log_append_time: Option<i64>,
    /// The largest timestamp, ms; none if the batches carry none.
    pub max_timestamp: Option<i64>,
    /// The batch is one of its producer's last five, sent again: nothing was appended. The answer is the original's, and
    /// must wait for the original's durability all the same.
    pub duplicate: bool,
    /// Base of the segment that was opened for it (of the last, if for a follower there were several).
    pub rolled: Option<Offset>,
}

/// What a leader is to append.
#[derive(Debug, Clone, Copy)]
pub enum NewRecords<'a> {
    /// Batches as they came.
    Unchecked(&'a Bytes),
    /// A batch that was checked down to its records: the log need not go over its bytes again.
    Checked(&'a CheckedRecords),
}

impl<'a> From<&'a Bytes> for NewRecords<'a> {
    fn from(records: &'a Bytes) -> Self {
        NewRecords::Unchecked(records)
    }
}

impl<'a> From<&'a CheckedRecords> for NewRecords<'a> {
    fn from(records: &'a CheckedRecords) -> Self {
        NewRecords::Checked(records)
    }
}

impl NewRecords<'_> {
    fn bytes(&self) -> &Bytes {
        match self {
            NewRecords::Unchecked(records) => records,
            NewRecords::Checked(records) => records.batch(),
        }
    }

    /// Whole, valid batches with their places.
    fn batches(&self) -> Result<Vec<(BatchHeader, Range<usize>)>, BatchError> {
        let records = match self {
            NewRecords::Unchecked(records) => records,
            NewRecords::Checked(records) => {
                return Ok(vec![(records.header.clone(), 0..records.batch().len())]);
            }
        };
        let checked = |found: Result<(BatchHeader, Range<usize>), BatchError>| {
            let (_, range) = found?;
            let batch = records.get(range.clone()).unwrap_or_default();
            Ok((batch::validate_batch(batch)?, range))
        };
        batch::batches(records).map(checked).collect()
    }
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadOutcome {
    /// Whole batches; empty when there is nothing to read below the limit.
    Batches(Bytes),
    /// Submit this, then give the chunks to `supply`.
    NeedsIo(IoOp),
    /// The offset is below the log start or above the log end (`OFFSET_OUT_OF_RANGE`).
    OutOfRange,
}

/// What a completed operation meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IoOutcome {
    /// The log is as durable as this says (perhaps no more than before).
    Done {
        /// Everything below it is committed.
        durable_end_offset: Offset,
    },
    /// Storage refused. The log fell back to what is durable; nothing above was or will be acknowledged.
    Failed {
        /// The storage's words.
        error: IoError,
        /// The log end offset now, equal to the durable end.
        log_end_offset: Offset,
    },
}

/// See the file's head.
#[derive(Debug, Clone)]
pub struct PartitionLog {
    pub(super) id: LogId,
    pub(super) config: LogConfig,
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    pub(super) durable_end: Offset,
    /// Ascending, never empty; the last is active.
    pub(super) segments: Vec<Segment>,
    /// The active segment's row is in storage, or on its way.
    pub(super) row_written: bool,
    pub(super) epochs: EpochCache,
    pub(super) producers: ProducerState,
    pub(super) tail: Tail,
    pub(super) queue: IoQueue,
    /// A truncation that waits for bytes from storage.
    pub(super) scan: Option<Scan>,
    /// A write failed, and the cut that followed has not succeeded yet.
    pub(super) failed: bool,
    /// A deletion of the front was lost with a failed write.
    pub(super) redelete: bool,
    /// The log was emptied, and storage does not know yet.
    pub(super) emptied: bool,
    pub(super) deleted: bool,
    pub(super) truncations: u64,
    pub(super) cleaning: Option<Cleaning>,
    /// What to do when storage has taken the slice of a cleaning that is on its way there.
    pub(super) rewritten: Option<Rewritten>,
    pub(super) cleaned: Option<Cleaned>,
}

impl PartitionLog {
    /// Which log this is.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> Offset {
        self.log_start
    }

    /// The offset the next record gets. Counts what is only in memory.
    pub fn log_end_offset(&self) -> Offset {
        self.log_end
    }

    /// Everything below it is committed to storage.
    pub fn durable_end_offset(&self) -> Offset {
        self.durable_end
    }

    /// Size of all batches, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.facts.size_bytes).sum()
    }

    /// The latest leader epoch a record was written in, or that began (`begin_epoch`).
    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs.latest()
    }

    /// The leader epochs of the log.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The leader epoch of the record at `offset`; at the log end the latest.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs.epoch_at(offset)
    }

    /// The largest known epoch at or below `epoch` and its exclusive end offset (KIP-101, KIP-279); see
    /// `EpochCache::end_offset_for`.
    pub fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.end_offset_for(epoch, self.log_end)
    }

    /// Segments, ascending; the last is active.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What idempotent producers wrote last.
    pub fn producers(&self) -> &ProducerState {
        &self.producers
    }

    /// True while appends are refused because a write failed.
    pub fn storage_failed(&self) -> bool {
        self.failed
    }

    /// True when nothing of this log is on its way to storage.
    pub fn io_idle(&self) -> bool {
        self.queue.is_idle()
    }

    /// True when nothing that concerns the log's end is on its way to storage.
    pub fn end_is_idle(&self) -> bool {
        self.queue.end_is_idle()
    }

    /// True while appends are refused because a truncation waits for bytes from storage.
    pub fn is_truncating(&self) -> bool {
        self.scan.is_some()
    }

    /// How often the log's end was cut (also by a failed write). If this changed while a read was with the storage, what
    /// `supply` makes of its chunks is right all the same, but may be less than was asked for: read again.
    pub fn truncations(&self) -> u64 {
        self.truncations
    }

    /// The settings.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the settings, from the next call on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// How much of the log's end may stay in memory from now on.
    pub fn set_tail_bytes(&mut self, tail_bytes: usize) {
        self.config.tail_bytes = tail_bytes;
        self.evict();
    }

    /// A leader's epoch begins here, before it has written anything (Kafka assigns it on becoming leader). Kept in
    /// memory only, until a batch of the epoch is written.
    pub fn begin_epoch(&mut self, epoch: LeaderEpoch) {
        self.epochs.assign(epoch, self.log_end);
    }

    /// Appends a producer's (or coordinator's) batches: checks them, assigns offsets and `epoch`, notes idempotence.
    /// All or nothing.
    pub fn append_as_leader<'a>(
        &mut self,
        records: impl Into<NewRecords<'a>>,
        epoch: LeaderEpoch,
        now: Instant,
    ) -> Result<AppendInfo, AppendError> {
        self.check_writable()?;
        let records: NewRecords = records.into();
        if let Some(latest) = self.epochs.latest().filter(|latest| *latest > epoch) {
            return Err(AppendError::EpochWentBack { latest, got: epoch });
        }
        let valid = records.batches().map_err(AppendError::CorruptBatch)?;
        let records = records.bytes();
        let mut patched = BytesMut::from(records.as_ref());
        let log_append_time = self.config.log_append_time.then(|| now.as_timestamp());
        let mut next = self.log_end;
        let mut found = Vec::new();
        for (header, range) in valid {
            self.check_batch(&header, range.len(), now)?;
            // The ranges are within what was given, and `patched` is as long.
            let Some(copy) = patched.get_mut(range.clone()) else { continue };
            batch::set_base_offset(copy, next);
            batch::set_leader_epoch(copy, epoch);
            if let Some(time) = log_append_time {
                batch::set_log_append_time(copy, time);
            }
            let max_timestamp = log_append_time.unwrap_or(header.max_timestamp);
            let facts =
                BatchFacts { epoch: Some(epoch), max_timestamp, ..facts_of(&header, next, range.len()) };
            next = facts.next;
            found.push((facts, range));
        }
        let duplicate = found.iter().find_map(|(facts, _)| self.producers.duplicate_of(facts));
        if let Some(original) = duplicate.filter(|_| !mutated(Mutation::AcceptDuplicateSequence)) {
            return Ok(AppendInfo {
                first_offset: original.first_offset(),
                last_offset: original.last_offset,
                log_append_time: log_append_time.map(|_| original.timestamp),
                max_timestamp: Some(original.timestamp),
                duplicate: true,
                rolled: None,
            });
        }
        if !mutated(Mutation::AcceptDuplicateSequence) {
            self.producers.check(found.iter().map(|(facts, _)| facts))?;
        }
        if records.len() as u64 > self.config.segment_bytes {
            return Err(AppendError::RecordListTooLarge {
                size: records.len(),
                max: self.config.segment_bytes,
            });
        }
        let patched = patched.freeze();
        let batches = found.into_iter().map(|(facts, range)| Batch { facts, bytes: patched.slice(range) });
        self.append(batches.collect(), log_append_time, now)
    }

    /// Appends batches fetched from the leader: offsets and epochs are theirs and must continue the log. All or nothing.
    pub fn append_as_follower(&mut self, records: &Bytes, now: Instant) -> Result<AppendInfo, AppendError> {
        self.check_writable()?;
        // A copy of its own, so that the tail does not hold on to a whole fetch response.
        let copy = Bytes::copy_from_slice(records);
        let mut expected = self.log_end;
        let mut latest = self.epochs.latest();
        let mut found = Vec::new();
        for entry in batch::batches(&copy) {
            let (_, range) = entry.map_err(AppendError::CorruptBatch)?;
            let bytes = copy.slice(range);
            let header = batch::validate_stored(&bytes).map_err(AppendError::CorruptBatch)?;
            // The leader may have compacted its log: then offsets are missing.
            if header.base_offset < expected {
                return Err(AppendError::OffsetsNotContiguous { expected, got: header.base_offset });
            }
            let facts = facts_of(&header, header.base_offset, bytes.len());
            if let (Some(latest), Some(got)) = (latest, facts.epoch)
                && got < latest
            {
                return Err(AppendError::EpochWentBack { latest, got });
            }
            expected = facts.next;
            latest = latest.max(facts.epoch);
            found.push(Batch { facts, bytes });
        }
        // One by one: what the leader appended in several steps may be larger than a segment.
        let mut whole: Option<AppendInfo> = None;
        for batch in found {
            let info = self.append(vec![batch], None, now)?;
            whole = Some(match whole {
                None => info,
                Some(before) => AppendInfo {
                    first_offset: before.first_offset,
                    max_timestamp: before.max_timestamp.max(info.max_timestamp),
                    rolled: info.rolled.or(before.rolled),
                    ..info
                },
            });
        }
        whole.ok_or(AppendError::NoBatches)
    }

    /// The operations to submit now, in order.
    pub fn take_io(&mut self) -> Vec<IoOp> {
        self.queue.flush = self.config.flush;
        self.queue.take()
    }

    /// The oldest operation from `take_io` ended like this.
    ///
    /// # Panics
    /// If none is outstanding, or the result is of another kind of operation: the host broke the order of IO.
    pub fn io_done(&mut self, result: &IoResult) -> IoOutcome {
        let outstanding = self.queue.pop_outstanding();
        assert!(outstanding.is_some(), "{}: a result came, but no operation is outstanding", self.id);
        match (outstanding, result) {
            (Some(Outstanding::Void) | None, _) => {}
            // Of a cleaning that was ended by a failure before.
            (Some(Outstanding::Rewrite), IoResult::Failed(_)) if self.cleaning.is_none() => {
                self.rewritten = None;
            }
            (Some(kind), IoResult::Failed(error)) => {
                self.write_failed(kind == Outstanding::Delete);
                return IoOutcome::Failed { error: error.clone(), log_end_offset: self.log_end };
            }
            (Some(Outstanding::Scan), IoResult::Read(chunks)) => self.continue_scan(chunks),
            (Some(Outstanding::Clean), IoResult::Read(chunks)) => self.continue_cleaning(chunks),
            (Some(Outstanding::Rewrite), IoResult::Done) => self.slice_rewritten(),
            (Some(Outstanding::Append { end }), IoResult::Done) => {
                self.durable_end = self.durable_end.max(end);
                self.evict();
            }
            (Some(Outstanding::Cut), IoResult::Done) => self.cut_done(),
            (Some(Outstanding::Delete), IoResult::Done) => self.failed &= !self.deleted,
            (Some(outstanding), result) => panic!("{}: {outstanding:?} ended as {result:?}", self.id),
        }
        IoOutcome::Done { durable_end_offset: self.durable_end }
    }

    /// Whole batches from the one that holds `from`, all below `up_to` (exclusive), up to `bytes_max`. With `min_one` the
    /// first batch comes even if it is larger (as Kafka's fetch of the first partition that has data).
    pub fn read(&self, from: Offset, up_to: Offset, bytes_max: usize, min_one: bool) -> ReadOutcome {
        if from < self.log_start || from > self.log_end {
            return ReadOutcome::OutOfRange;
        }
        let up_to = up_to.min(self.log_end);
        if from >= up_to || (bytes_max == 0 && !min_one) {
            return ReadOutcome::Batches(Bytes::new());
        }
        match self.tail.read(from, up_to, bytes_max, min_one) {
            Some(bytes) => ReadOutcome::Batches(bytes),
            None => ReadOutcome::NeedsIo(IoOp::Read { log: self.id, from, bytes_max }),
        }
    }

    fn check_writable(&self) -> Result<(), AppendError> {
        match () {
            () if self.deleted => Err(AppendError::Deleted),
            () if self.failed => Err(AppendError::StorageFailed),
            () if self.scan.is_some() => Err(AppendError::Truncating),
            () => Ok(()),
        }
    }

    fn check_batch(&self, header: &BatchHeader, size: usize, now: Instant) -> Result<(), AppendError> {
        let max = self.config.max_message_bytes;
        if size > max {
            return Err(AppendError::RecordTooLarge { size, max });
        }
        match self.config.timestamp_after_max {
            Some(after) if !self.config.log_append_time => {
                let (timestamp, max) = (header.max_timestamp, (now + after).as_timestamp());
                if timestamp > max { Err(AppendError::TimestampInFuture { timestamp, max }) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Takes checked batches in: nothing can fail any more, except that there are none.
    fn append(
        &mut self,
        batches: Vec<Batch>,
        log_append_time: Option<i64>,
        now: Instant,
    ) -> Result<AppendInfo, AppendError> {
        let (Some(first), Some(last)) = (batches.first(), batches.last()) else {
            return Err(AppendError::NoBatches);
        };
        let (first_offset, last_offset) = (first.facts.base, last.facts.last());
        let size: usize = batches.iter().map(|batch| batch.facts.size).sum();
        let max_timestamp = batches.iter().map(|batch| batch.facts.max_timestamp).max().filter(|t| *t >= 0);
        let rolled = self.should_roll(size, max_timestamp, last_offset, now).then(|| self.roll(now));
        let sparse = first_offset > self.log_end && !self.active().sparse;
        self.active_mut().sparse |= sparse;
        if !self.row_written || sparse {
            let row = self.open_row();
            self.queue.put_rows(vec![row], self.log_end);
            self.row_written = true;
        }
        batches.into_iter().for_each(|batch| self.take_in(batch));
        self.evict();
        let duplicate = false;
        Ok(AppendInfo { first_offset, last_offset, log_append_time, max_timestamp, duplicate, rolled })
    }

    fn take_in(&mut self, batch: Batch) {
        let facts = batch.facts;
        let index_bytes = Segment::index_bytes(self.config.segment_bytes);
        if let Some(epoch) = facts.epoch {
            self.epochs.assign(epoch, facts.base);
        }
        self.producers.note(&facts);
        let active = self.active_mut();
        let starts_segment = active.facts.size_bytes == 0;
        active.note(&facts, index_bytes);
        let new_chunk = self.queue.append(facts.base, facts.next, batch.bytes.clone(), starts_segment);
        self.tail.push(batch, new_chunk, starts_segment);
        self.log_end = facts.next;
    }

    /// Kafka's `LogSegment.shouldRoll`.
    fn should_roll(&self, size: usize, max_timestamp: Option<i64>, last: Offset, now: Instant) -> bool {
        let active = self.active();
        let SegmentFacts { size_bytes, first_timestamp, .. } = active.facts;
        if size_bytes == 0 {
            return false;
        }
        let waited_ms = match first_timestamp {
            Some(first) => max_timestamp.unwrap_or(-1).saturating_sub(first),
            None => now.since(active.created).as_millis() as i64,
        };
        size_bytes + size as u64 > self.config.segment_bytes
            || waited_ms > i64::try_from(self.config.segment_ms.as_millis()).unwrap_or(i64::MAX)
            || last.0 - active.base.0 > i64::from(i32::MAX)
    }

    /// Closes the active segment and opens one at the log end, with the rows that say so.
    pub(super) fn roll(&mut self, now: Instant) -> Offset {
        self.producers.expire(now.as_timestamp(), self.config.producer_id_expiration);
        let base = self.log_end;
        self.segments.push(Segment::open(base, now, self.producers.encode()));
        let rows = self.end_rows();
        self.queue.put_rows(rows, self.log_end);
        self.row_written = true;
        base
    }

    /// The rows of the active segment and of the one before it.
    pub(super) fn end_rows(&self) -> Vec<SegmentRow> {
        let active = self.active();
        let mut rows = Vec::new();
        if let Some(closed) = self.segments.len().checked_sub(2).and_then(|at| self.segments.get(at)) {
            rows.push(closed.encode(true, self.log_start, &self.epochs.slice(closed.base, active.base)));
        }
        rows.push(self.open_row());
        rows
    }

    /// The active segment's row.
    pub(super) fn open_row(&self) -> SegmentRow {
        let active = self.active();
        active.encode(false, self.log_start, &self.epochs.slice(active.base, active.base))
    }

    /// Keeps the tail within its bounds. While a cut is not settled it only grows, so that no read has to go where
    /// storage still holds what was cut off.
    pub(super) fn evict(&mut self) {
        if self.is_settled() {
            self.tail.evict(self.durable_end, self.config.tail_bytes);
        }
    }

    /// Up to where storage can be believed: everything, or, while a cut is not settled, up to the tail's start.
    pub(super) fn stored_end(&self) -> Offset {
        if self.is_settled() { self.log_end } else { self.tail.start() }
    }

    pub(super) fn is_settled(&self) -> bool {
        !self.failed && self.scan.is_none() && !self.queue.holds_cut()
    }

    pub(super) fn active(&self) -> &Segment {
        let Some(active) = self.segments.last() else {
            unreachable!("a log has an active segment from recovery on")
        };
        active
    }

    pub(super) fn active_mut(&mut self) -> &mut Segment {
        let Some(active) = self.segments.last_mut() else {
            unreachable!("a log has an active segment from recovery on")
        };
        active
    }
}

/// What the log keeps in mind of a batch of `size` bytes that begins at `base` (a producer's own base offset says nothing).
pub(super) fn facts_of(header: &BatchHeader, base: Offset, size: usize) -> BatchFacts {
    let producer = header.producer_id.map(|id| ProducerFacts {
        id,
        epoch: header.producer_epoch,
        first_sequence: (header.base_sequence >= 0 && !header.is_control()).then_some(header.base_sequence),
    });
    let epoch = header.partition_leader_epoch;
    BatchFacts {
        base,
        next: base.plus(i64::from(header.last_offset_delta) + 1),
        size,
        epoch: (epoch.0 >= 0).then_some(epoch),
        max_timestamp: header.max_timestamp,
        producer,
    }
}
