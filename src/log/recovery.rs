//! Opening a log: rows give the closed segments, a scan of the last segment's chunks gives the rest. Every batch is
//! checked (CRC, offsets without a gap, epochs that do not fall); the log is cut at the first that fails.

use super::batch_facts::Batch;
use super::config::LogConfig;
use super::epoch_cache::EpochCache;
use super::io_queue::IoQueue;
use super::partition_log::{PartitionLog, facts_of};
use super::producer_state::ProducerState;
use super::segment::{DecodedRow, Segment, decode_row};
use super::tail::{StateBefore, Tail};
use crate::log::io::{Chunk, IoOp, RecoveredLog};
use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::{self, BatchError};
use crate::time::Instant;
use crate::types::{LeaderEpoch, LogId, Offset};

/// Why a log's tail was cut when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutReason {
    /// A batch's bytes are not what they claim to be: a torn write.
    CorruptBatch(BatchError),
    /// The next batch does not begin where the one before ended.
    Gap {
        /// The base offset found.
        found: Offset,
    },
    /// A batch's leader epoch is below the one before.
    EpochWentBack {
        /// The epoch before.
        latest: LeaderEpoch,
        /// The epoch found.
        found: LeaderEpoch,
    },
    /// Nothing was cut, but the row of a segment was unreadable: its producer snapshot, epochs and indexes are lost.
    UnreadableRow {
        /// The segment's base offset.
        base: Offset,
    },
}

/// One thing that was wrong with a log on opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The log.
    pub log: LogId,
    /// The log end offset after the cut: the first offset that was not usable.
    pub end: Offset,
    /// Bytes cut, from there to the end of what storage held.
    pub bytes_cut: u64,
    /// What was wrong.
    pub reason: CutReason,
}

impl std::fmt::Display for CutReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CutReason::CorruptBatch(error) => write!(f, "a batch is corrupt: {error}"),
            CutReason::Gap { found } => write!(f, "the next batch begins at {found}"),
            CutReason::EpochWentBack { latest, found } => {
                write!(f, "leader epoch {found} follows {latest}")
            }
            CutReason::UnreadableRow { base } => write!(f, "the row of segment {base} is unreadable"),
        }
    }
}

impl PartitionLog {
    /// Opens a log on what storage holds of it; `RecoveredLog::default()` for a new one. Gives the operations to submit
    /// (each needs its `io_done`), and what was wrong.
    pub fn recover(
        id: LogId,
        config: LogConfig,
        recovered: RecoveredLog,
        now: Instant,
    ) -> (PartitionLog, Vec<IoOp>, Vec<RecoveryReport>) {
        let first_chunk = recovered.tail.first().map(|chunk| chunk.base);
        let Rows { mut segments, epochs, log_start, unreadable } = Rows::read(&recovered, now);
        let row_written = !segments.is_empty();
        if segments.is_empty() {
            let base = first_chunk.unwrap_or(Offset::ZERO);
            segments.push(Segment::open(base, now, ProducerState::default().encode()));
        }
        let base = segments.last().map_or(Offset::ZERO, |segment| segment.base);
        let mut log = PartitionLog {
            id,
            log_start: log_start.unwrap_or(base),
            log_end: base,
            durable_end: base,
            segments,
            row_written,
            epochs,
            producers: ProducerState::default(),
            tail: Tail::new(base, StateBefore::default()),
            queue: IoQueue::new(id),
            scan: None,
            failed: false,
            redelete: false,
            emptied: false,
            deleted: false,
            truncations: 0,
            cleaning: None,
            cleaned: None,
            config,
        };
        let cut = log.scan_active(&recovered.tail);
        log.log_start = log.log_start.min(log.log_end);
        log.epochs.truncate_from_start(log.log_start);
        log.drop_deleted_segments();
        if cut.is_some() {
            log.queue_cut();
        }
        let rows = unreadable.into_iter().map(|base| (CutReason::UnreadableRow { base }, 0));
        let report = |(reason, bytes_cut)| RecoveryReport { log: id, end: log.log_end, bytes_cut, reason };
        let reports = cut.into_iter().chain(rows).map(report).collect();
        let ops = log.take_io();
        (log, ops, reports)
    }

    /// Takes the last segment's batches in, up to the first that is wrong; says what was and how many bytes follow.
    fn scan_active(&mut self, chunks: &[Chunk]) -> Option<(CutReason, u64)> {
        let producers = ProducerState::decode(&self.active().producers_at_base).unwrap_or_default();
        self.tail =
            Tail::new(self.log_end, StateBefore { producers: producers.clone(), ..StateBefore::default() });
        self.producers = producers;
        let active = self.active_mut();
        active.facts = Default::default();
        active.time_index.clear();
        let total: u64 = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
        let mut cut = None;
        'chunks: for chunk in chunks {
            let mut first = true;
            if chunk.bytes.is_empty() {
                cut = Some(CutReason::CorruptBatch(BatchError::CutShort));
                break;
            }
            for entry in batch::batches(&chunk.bytes) {
                let batch = entry.map_err(CutReason::CorruptBatch).and_then(|(_, range)| {
                    // The chunk is a value read whole from storage, not a view of something larger.
                    self.check_stored(chunk.bytes.slice(range))
                });
                match batch {
                    Ok(batch) => self.take_in_stored(batch, std::mem::take(&mut first)),
                    Err(reason) => {
                        cut = Some(reason);
                        break 'chunks;
                    }
                }
            }
        }
        self.durable_end = self.log_end;
        if mutated(Mutation::ForgetProducersOnRestart) {
            self.producers = ProducerState::default();
        }
        self.evict();
        cut.map(|reason| (reason, total - self.active().facts.size_bytes))
    }

    fn check_stored(&self, bytes: bytes::Bytes) -> Result<Batch, CutReason> {
        let header = batch::validate_stored(&bytes).map_err(CutReason::CorruptBatch)?;
        let gap = header.base_offset > self.log_end && !self.active().sparse;
        if header.base_offset < self.log_end || gap {
            return Err(CutReason::Gap { found: header.base_offset });
        }
        let facts = facts_of(&header, header.base_offset, bytes.len());
        match (self.epochs.latest(), facts.epoch) {
            (Some(latest), Some(found)) if found < latest => Err(CutReason::EpochWentBack { latest, found }),
            _ => Ok(Batch { facts, bytes }),
        }
    }

    fn take_in_stored(&mut self, batch: Batch, new_chunk: bool) {
        let facts = batch.facts;
        let index_bytes = Segment::index_bytes(self.config.segment_bytes);
        if let Some(epoch) = facts.epoch {
            self.epochs.assign(epoch, facts.base);
        }
        self.producers.note(&facts);
        let active = self.active_mut();
        let starts_segment = active.facts.size_bytes == 0;
        active.note(&facts, index_bytes);
        self.tail.push(batch, new_chunk, starts_segment);
        self.log_end = facts.next;
        self.durable_end = facts.next;
        self.evict();
    }

    /// Segments below the log start are deleted again: the crash came between the new row and the deletion.
    fn drop_deleted_segments(&mut self) {
        let gone = self.segments.iter().skip(1).take_while(|next| next.base <= self.log_start).count();
        if gone > 0 {
            self.segments.drain(..gone);
            self.queue.delete_before(self.first_base());
        }
    }
}

/// What the rows say.
#[derive(Default)]
struct Rows {
    segments: Vec<Segment>,
    epochs: EpochCache,
    log_start: Option<Offset>,
    unreadable: Vec<Offset>,
}

impl Rows {
    fn read(recovered: &RecoveredLog, now: Instant) -> Rows {
        let mut found = Rows::default();
        for row in &recovered.rows {
            match decode_row(row) {
                Some(DecodedRow { segment, log_start, epochs, .. }) => {
                    epochs.iter().for_each(|entry| found.epochs.assign(entry.epoch, entry.start));
                    // The last row is the latest written.
                    found.log_start = Some(log_start);
                    found.segments.push(segment);
                }
                None => {
                    found.unreadable.push(row.base);
                    let mut segment = Segment::open(row.base, now, ProducerState::default().encode());
                    // It may hold any timestamp, so that look-ups by time do not pass it by; and it may be sparse.
                    segment.facts.max_timestamp = Some(i64::MAX);
                    segment.sparse = true;
                    found.segments.push(segment);
                }
            }
        }
        found
    }
}
