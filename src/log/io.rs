//! What a log asks of storage. Nothing here knows Kafka's formats: a chunk is bytes under an offset.
//!
//! Contract of a storage (checked by one conformance suite against each):
//! - Operations of one log take effect, and complete, in the order they were submitted.
//! - `IoResult::Done` means committed: after a crash of the worker, the tab or the browser it is still there.
//! - When a write of a log fails, every later `Append` to that log fails too, until a `Truncate` of that log succeeds.
//!   (Otherwise a hole could follow a failed write.)

use bytes::Bytes;

use crate::sorted::SortedMap;
use crate::types::{LogId, Offset};

/// Names one submitted operation; unique within a broker's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IoId(pub u64);

/// A run of whole record batches, stored as one value under its first offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Offset of the first record in `bytes`.
    pub base: Offset,
    /// Whole record batches.
    pub bytes: Bytes,
}

/// What storage keeps of a segment beside its chunks: one small row, opaque to storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// The segment's base offset.
    pub base: Offset,
    /// The row, encoded by `log::segment`.
    pub bytes: Bytes,
}

/// An operation on a broker's storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IoOp {
    /// Puts chunks, and segment rows, in one transaction.
    Append {
        /// The log.
        log: LogId,
        /// New chunks, ascending.
        chunks: Vec<Chunk>,
        /// Rows to put (a segment that was opened, one that was closed).
        rows: Vec<SegmentRow>,
        /// `Done` is to mean that it has reached the disk, where the storage can tell.
        flush: bool,
    },
    /// Reads chunks in order: first the one with the greatest base at or below `from` (or the first chunk, when all
    /// are above), then on until `bytes_max` is reached, or somewhat further; at least two chunks if there are two (where
    /// compaction has left a gap, the first may end below `from`).
    Read {
        /// The log.
        log: LogId,
        /// The offset wanted.
        from: Offset,
        /// Soft limit on the sum of the chunks' sizes.
        bytes_max: usize,
    },
    /// Cuts a log's end in one transaction: deletes every row with a base at or above `to`, and every chunk at or above that
    /// or the base of `keep`, whichever comes first; then puts `keep` and `rows`.
    Truncate {
        /// The log.
        log: LogId,
        /// The first offset that goes.
        to: Offset,
        /// The kept front of the chunk that `to` falls into (it replaces that chunk).
        keep: Option<Chunk>,
        /// Rows to put.
        rows: Vec<SegmentRow>,
    },
    /// Puts other chunks in the place of those with a base from `from` (inclusive) to `to` (exclusive), in one
    /// transaction with rows to put and rows to delete.
    Rewrite {
        /// The log.
        log: LogId,
        /// The first base that goes.
        from: Offset,
        /// The first base above that stays.
        to: Offset,
        /// What comes in their place.
        chunks: Vec<Chunk>,
        /// Rows to put.
        rows: Vec<SegmentRow>,
        /// Bases of rows to delete.
        gone: Vec<Offset>,
    },
    /// Deletes every chunk and row with a base below `before`.
    DeleteBefore {
        /// The log.
        log: LogId,
        /// The first base that stays.
        before: Offset,
    },
    /// Deletes the whole log.
    DeleteLog {
        /// The log.
        log: LogId,
    },
    /// Puts one small value (quorum state, checkpoints, broker identity).
    WriteMeta {
        /// Its key.
        key: String,
        /// The value.
        value: Bytes,
        /// As for `Append`.
        flush: bool,
    },
}

impl IoOp {
    /// The log concerned, if the operation is on a log.
    pub fn log(&self) -> Option<LogId> {
        match self {
            IoOp::Append { log, .. }
            | IoOp::Read { log, .. }
            | IoOp::Truncate { log, .. }
            | IoOp::Rewrite { log, .. }
            | IoOp::DeleteBefore { log, .. }
            | IoOp::DeleteLog { log } => Some(*log),
            IoOp::WriteMeta { .. } => None,
        }
    }

    /// True when `Done` is to mean that the operation has reached the disk.
    pub fn flushes(&self) -> bool {
        matches!(self, IoOp::Append { flush: true, .. } | IoOp::WriteMeta { flush: true, .. })
    }
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IoResult {
    /// Committed.
    Done,
    /// The chunks asked for.
    Read(Vec<Chunk>),
    /// Nothing of it took effect.
    Failed(IoError),
}

/// Why storage refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IoError {
    /// The quota is used up (`QuotaExceededError`). Remedy: free space.
    QuotaExceeded,
    /// An earlier write of this log failed; truncate first.
    Poisoned,
    /// Anything else, in the storage's words.
    Other(String),
}

impl std::fmt::Display for IoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            IoError::QuotaExceeded => "the storage quota is used up",
            IoError::Poisoned => "an earlier write failed",
            IoError::Other(reason) => reason,
        })
    }
}

/// What storage holds when a broker opens it: read once, handed to `Broker::new`.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// All small values.
    pub meta: SortedMap<String, Bytes>,
    /// Each log's segment rows in order, with the chunks of its last (active) segment.
    pub logs: SortedMap<LogId, RecoveredLog>,
}

/// One log as found in storage.
#[derive(Debug, Clone, Default)]
pub struct RecoveredLog {
    /// Segment rows, ascending by base.
    pub rows: Vec<SegmentRow>,
    /// Chunks with a base at or above the last row's base, ascending; all chunks when there is no row.
    pub tail: Vec<Chunk>,
}
