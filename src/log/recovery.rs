//! Opening a log: rows give the closed segments, a scan of the last segment's chunks gives the rest. Every batch is
//! checked (CRC, offsets without a gap, epochs that do not fall); the log is cut at the first that fails.

use bytes::Bytes;

use super::batch_facts::Batch;
use super::config::LogConfig;
use super::epoch_cache::EpochCache;
use super::io_queue::IoQueue;
use super::partition_log::{PartitionLog, facts_of};
use super::producer_state::ProducerState;
use super::seal::{stored_batches, unsealed};
use super::segment::{DecodedRow, Segment, decode_row};
use super::tail::{StateBefore, Tail};
use crate::log::io::{Chunk, IoOp, Recovered, RecoveredLog, SegmentRow};
use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::{self, BatchError};
use crate::sorted::SortedMap;
use crate::time::Instant;
use crate::types::{LeaderEpoch, LogId, Offset};

/// How much of a log's end is kept in memory until its owner says how much it may be.
const OPENING_TAIL_BYTES: usize = 64 * 1024;

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

/// A log that is being opened, as its chunks come: however large its last segment is, only the end of it is held.
#[derive(Debug, Clone, Default)]
pub struct LogOpening {
    rows: Vec<SegmentRow>,
    /// Not looked at yet.
    chunks: Vec<Chunk>,
    /// Control batches, of the metadata log.
    control: Vec<Bytes>,
    /// What was looked at so far, and where it ended too early.
    scanned: Option<Box<(PartitionLog, Option<Cut>)>>,
}

/// The first thing that was wrong with the last segment.
#[derive(Debug, Clone)]
struct Cut {
    reason: CutReason,
    /// Bytes of it and behind it.
    bytes: u64,
}

/// What a broker opens on.
#[derive(Debug, Clone, Default)]
pub struct Opened {
    /// All small values of its storage.
    pub meta: SortedMap<String, Bytes>,
    /// Each log.
    pub logs: SortedMap<LogId, LogOpening>,
}

impl From<Recovered> for Opened {
    fn from(found: Recovered) -> Opened {
        let logs = found.logs.into_iter().map(|(id, log)| (id, LogOpening::from(log))).collect();
        Opened { meta: found.meta, logs }
    }
}

impl From<RecoveredLog> for LogOpening {
    fn from(found: RecoveredLog) -> LogOpening {
        LogOpening { rows: found.rows, chunks: found.tail, ..LogOpening::default() }
    }
}

impl LogOpening {
    /// Takes the next chunks of the last segment (all chunks, when there is no row), ascending.
    pub fn scan(&mut self, id: LogId, chunks: Vec<Chunk>, now: Instant) {
        self.chunks.extend(chunks);
        // Snapshots are no log.
        if id != LogId::SNAPSHOTS {
            self.scan_waiting(id, now);
        }
    }

    /// The rows and chunks, where they were not scanned.
    pub fn into_stored(self) -> RecoveredLog {
        RecoveredLog { rows: self.rows, tail: self.chunks }
    }

    /// The control batches of the metadata log's last segment.
    pub fn control_batches(&mut self) -> Vec<Bytes> {
        self.note_control();
        self.control.clone()
    }

    fn note_control(&mut self) {
        for chunk in &self.chunks {
            let whole =
                stored_batches(chunk, false).map_while(Result::ok).filter(|(header, _)| header.is_control());
            self.control.extend(whole.map(|(_, range)| chunk.bytes.slice(range)));
        }
    }

    fn scan_waiting(&mut self, id: LogId, now: Instant) {
        if id == LogId::METADATA {
            self.note_control();
        }
        let chunks = std::mem::take(&mut self.chunks);
        if self.scanned.is_none() {
            let first = chunks.first().map(|chunk| chunk.base);
            self.scanned = Some(Box::new((PartitionLog::of_rows(id, &self.rows, first, now), None)));
        }
        let Some((log, cut)) = self.scanned.as_deref_mut() else { return };
        log.scan_active(&chunks, cut);
    }
}

impl PartitionLog {
    /// Opens a log on what storage holds of it; `RecoveredLog::default()` for a new one. Gives the operations to submit
    /// (each needs its `io_done`), and what was wrong.
    pub fn recover(
        id: LogId,
        config: LogConfig,
        found: impl Into<LogOpening>,
        now: Instant,
    ) -> (PartitionLog, Vec<IoOp>, Vec<RecoveryReport>) {
        let mut opening: LogOpening = found.into();
        opening.scan_waiting(id, now);
        let unreadable = opening.rows.iter().filter(|row| decode_row(row).is_none()).map(|row| row.base);
        let Some((mut log, cut)) = opening.scanned.map(|scanned| *scanned) else {
            unreachable!("it was just scanned")
        };
        log.config = config;
        if mutated(Mutation::ForgetProducersOnRestart) {
            log.producers = ProducerState::default();
        }
        log.evict();
        log.log_start = log.log_start.min(log.log_end);
        log.epochs.truncate_from_end(log.log_end);
        log.epochs.truncate_from_start(log.log_start);
        log.drop_deleted_segments();
        if cut.is_some() {
            log.queue_cut();
        }
        let cut = cut.map(|cut| (cut.reason, cut.bytes));
        let rows = unreadable.map(|base| (CutReason::UnreadableRow { base }, 0));
        let report = |(reason, bytes_cut)| RecoveryReport { log: id, end: log.log_end, bytes_cut, reason };
        let reports = cut.into_iter().chain(rows).map(report).collect();
        let ops = log.take_io();
        (log, ops, reports)
    }

    /// A log of which only the rows are known, and the base of the first chunk to come.
    fn of_rows(id: LogId, rows: &[SegmentRow], first_chunk: Option<Offset>, now: Instant) -> PartitionLog {
        let Rows { mut segments, mut epochs, log_start } = Rows::read(rows, now);
        let row_written = !segments.is_empty();
        if segments.is_empty() {
            let base = first_chunk.unwrap_or(Offset::ZERO);
            segments.push(Segment::open(base, now, ProducerState::default().encode()));
        }
        let base = segments.last().map_or(Offset::ZERO, |segment| segment.base);
        // What began within the segment, its batches say: of a torn write the row may be there without them.
        epochs.truncate_from_end(base.plus(1));
        if let Some(active) = segments.last_mut() {
            active.facts = Default::default();
            active.time_index.clear();
        }
        let snapshot = segments.last().and_then(|active| ProducerState::decode(&active.producers_at_base));
        let producers = snapshot.unwrap_or_default();
        PartitionLog {
            id,
            config: LogConfig { tail_bytes: OPENING_TAIL_BYTES, ..LogConfig::default() },
            log_start: log_start.unwrap_or(base),
            log_end: base,
            durable_end: base,
            segments,
            row_written,
            epochs,
            producers: producers.clone(),
            tail: Tail::new(base, StateBefore { producers, ..StateBefore::default() }),
            queue: IoQueue::new(id),
            scan: None,
            failed: false,
            redelete: false,
            emptied: false,
            deleted: false,
            truncations: 0,
            cleaning: None,
            rewritten: None,
            cleaned: None,
        }
    }

    /// Takes batches of the last segment in, up to the first that is wrong; counts what follows.
    fn scan_active(&mut self, chunks: &[Chunk], cut: &mut Option<Cut>) {
        for chunk in chunks {
            match cut {
                Some(cut) => cut.bytes += unsealed(chunk).len() as u64,
                None => *cut = self.scan_chunk(chunk),
            }
        }
    }

    fn scan_chunk(&mut self, chunk: &Chunk) -> Option<Cut> {
        if chunk.bytes.is_empty() {
            return Some(Cut { reason: CutReason::CorruptBatch(BatchError::CutShort), bytes: 0 });
        }
        let mut taken = 0;
        for entry in stored_batches(chunk, self.active().sealed) {
            let batch = entry.map_err(CutReason::CorruptBatch).and_then(|(_, range)| {
                // The chunk is a value read whole from storage, not a view of something larger.
                self.check_stored(chunk.bytes.slice(range))
            });
            match batch {
                Ok(batch) => {
                    let size = batch.facts.size;
                    self.take_in_stored(batch, taken == 0);
                    taken += size;
                }
                Err(reason) => return Some(Cut { reason, bytes: (unsealed(chunk).len() - taken) as u64 }),
            }
        }
        None
    }

    fn check_stored(&self, bytes: Bytes) -> Result<Batch, CutReason> {
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
}

impl Rows {
    fn read(rows: &[SegmentRow], now: Instant) -> Rows {
        let mut found = Rows::default();
        for row in rows {
            match decode_row(row) {
                Some(DecodedRow { segment, log_start, epochs, .. }) => {
                    epochs.iter().for_each(|entry| found.epochs.assign(entry.epoch, entry.start));
                    // The last row is the latest written.
                    found.log_start = Some(log_start);
                    found.segments.push(segment);
                }
                None => {
                    let mut segment = Segment::open(row.base, now, ProducerState::default().encode());
                    // It may hold any timestamp, so that look-ups by time do not pass it by; it may be sparse, and from
                    // before there were seals.
                    segment.facts.max_timestamp = Some(i64::MAX);
                    segment.sparse = true;
                    segment.sealed = false;
                    found.segments.push(segment);
                }
            }
        }
        found
    }
}
