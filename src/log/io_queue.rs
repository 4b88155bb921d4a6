//! A log's operations on their way: first pending (still growing), then outstanding (with the storage), in order.
//!
//! - Appends that wait for the owner's next `take_io` share one operation, and small batches share one chunk.
//! - A truncation is handed out only when nothing is outstanding. It ends the storage's refusal of appends after a failed
//!   write; handed out behind an append that fails, it would let later appends in above a hole.
//! - So is a deletion of the front. Storage does not refuse it after a failed write, and behind a lost row of a new
//!   segment it would delete the last row, and with it the knowledge of where the log ends.

use std::collections::VecDeque;

use bytes::Bytes;

use super::seal::{SEAL_BYTES_EACH, seal};
use crate::log::io::{Chunk, IoOp, SegmentRow};
use crate::types::{LogId, Offset};

/// The largest chunk made of several batches. Beyond 64 KiB IndexedDB on LevelDB stores a value as a file of its own,
/// at a third of the speed.
pub const CHUNK_BYTES_MAX: usize = 60 * 1024;

/// Appends are merged into one operation up to this size, so that transactions stay short.
pub const APPEND_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone)]
struct PendingChunk {
    base: Offset,
    size: usize,
    pieces: Vec<Bytes>,
}

#[derive(Debug, Clone)]
enum Pending {
    Append { chunks: Vec<PendingChunk>, rows: Vec<SegmentRow>, size: usize, end: Offset },
    Other { op: IoOp, kind: Outstanding },
}

impl Pending {
    fn is(&self, wanted: Outstanding) -> bool {
        matches!(self, Pending::Other { kind, .. } if *kind == wanted)
    }

    fn goes_alone(&self) -> bool {
        let Pending::Other { op, kind } = self else { return false };
        let trims = matches!(op, IoOp::Rewrite { .. }) && *kind == Outstanding::Delete;
        trims || matches!(op, IoOp::Truncate { .. } | IoOp::DeleteBefore { .. })
    }
}

/// What an outstanding operation means to the log when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outstanding {
    /// Everything below `end` is durable.
    Append { end: Offset },
    /// The storage has the log's end as memory has it, and takes appends again.
    Cut,
    /// Chunks for the truncation that waits for them.
    Scan,
    /// Chunks for the cleaning that waits for them.
    Clean,
    /// A slice of a cleaning is in place.
    Rewrite,
    /// Nothing.
    Delete,
    /// Submitted before a failure: its result says nothing any more.
    Void,
}

#[derive(Debug, Clone)]
pub(super) struct IoQueue {
    log: LogId,
    pending: VecDeque<Pending>,
    outstanding: VecDeque<Outstanding>,
    /// Appends are to reach the disk before they are done.
    pub flush: bool,
}

impl IoQueue {
    pub fn new(log: LogId) -> IoQueue {
        IoQueue { log, pending: VecDeque::new(), outstanding: VecDeque::new(), flush: false }
    }

    /// Queues one batch; true when it begins a chunk of its own.
    pub fn append(&mut self, base: Offset, next: Offset, bytes: Bytes, starts_segment: bool) -> bool {
        let new_piece = bytes.len() + SEAL_BYTES_EACH;
        let (chunks, size) = self.growing_append(new_piece, next);
        *size += new_piece;
        match chunks.last_mut() {
            Some(chunk) if !starts_segment && chunk.size + new_piece <= CHUNK_BYTES_MAX => {
                chunk.size += new_piece;
                chunk.pieces.push(bytes);
                false
            }
            _ => {
                chunks.push(PendingChunk { base, size: new_piece, pieces: vec![bytes] });
                true
            }
        }
    }

    /// Queues rows, into the same transaction as the appends around them where possible.
    pub fn put_rows(&mut self, new: Vec<SegmentRow>, log_end: Offset) {
        if let Some(Pending::Append { rows, .. }) = self.pending.back_mut() {
            rows.retain(|row| new.iter().all(|other| other.base != row.base));
            rows.extend(new);
            return;
        }
        self.pending.push_back(Pending::Append { chunks: Vec::new(), rows: new, size: 0, end: log_end });
    }

    /// Queues a truncation. It replaces one that has not been handed out and is the last in the queue.
    pub fn cut(&mut self, to: Offset, keep: Option<Chunk>, rows: Vec<SegmentRow>) {
        self.pending.pop_back_if(|pending| pending.is(Outstanding::Cut));
        let op = IoOp::Truncate { log: self.log, to, keep, rows };
        self.pending.push_back(Pending::Other { op, kind: Outstanding::Cut });
    }

    /// A slice of a cleaning is in place. A truncation that waited for it was queued with the segment's row of before, and
    /// perhaps with that of `gone`, which was merged into it.
    pub fn renew_row(&mut self, new: &SegmentRow, gone: Option<Offset>) {
        for pending in &mut self.pending {
            if let Pending::Other { op: IoOp::Truncate { rows, .. }, .. } = pending {
                rows.retain(|row| Some(row.base) != gone);
                rows.iter_mut().filter(|row| row.base == new.base).for_each(|row| *row = new.clone());
            }
        }
    }

    /// Queues a read for a truncation.
    pub fn scan(&mut self, from: Offset, bytes_max: usize) {
        let op = IoOp::Read { log: self.log, from, bytes_max };
        self.pending.push_back(Pending::Other { op, kind: Outstanding::Scan });
    }

    /// Queues a read for a cleaning.
    pub fn read_to_clean(&mut self, from: Offset, bytes_max: usize) {
        let op = IoOp::Read { log: self.log, from, bytes_max };
        self.pending.push_back(Pending::Other { op, kind: Outstanding::Clean });
    }

    /// Queues a slice of a cleaning.
    pub fn rewrite(&mut self, op: IoOp) {
        self.pending.push_back(Pending::Other { op, kind: Outstanding::Rewrite });
    }

    /// A cleaning is over: what it still waits for counts for nothing, except a slice that storage has been given. True when
    /// there is one.
    pub fn forget_cleaning(&mut self) -> bool {
        self.pending.retain(|pending| !pending.is(Outstanding::Rewrite));
        self.forget(Outstanding::Clean);
        self.outstanding.contains(&Outstanding::Rewrite)
    }

    /// Queues a deletion of the log's front.
    pub fn delete_before(&mut self, before: Offset) {
        let op = IoOp::DeleteBefore { log: self.log, before };
        self.pending.push_back(Pending::Other { op, kind: Outstanding::Delete });
    }

    /// Queues a deletion of the log's front within a segment, which from then on begins at `to`.
    pub fn trim(&mut self, from: Offset, to: Offset, row: SegmentRow, gone: Vec<Offset>) {
        let op = IoOp::Rewrite { log: self.log, from, to, chunks: Vec::new(), rows: vec![row], gone };
        self.pending.push_back(Pending::Other { op, kind: Outstanding::Delete });
    }

    /// Forgets what is pending and queues the deletion of the log.
    pub fn delete_log(&mut self) {
        self.void();
        let op = IoOp::DeleteLog { log: self.log };
        self.pending.push_back(Pending::Other { op, kind: Outstanding::Delete });
    }

    /// The operations to submit now, in order.
    pub fn take(&mut self) -> Vec<IoOp> {
        let mut ops = Vec::new();
        while let Some(next) = self.pending.front() {
            if next.goes_alone() && !self.outstanding.is_empty() {
                break;
            }
            match self.pending.pop_front() {
                None => break,
                Some(Pending::Append { chunks, rows, end, .. }) => {
                    self.outstanding.push_back(Outstanding::Append { end });
                    let chunks = chunks.iter().map(PendingChunk::to_chunk).collect();
                    ops.push(IoOp::Append { log: self.log, chunks, rows, flush: self.flush });
                }
                Some(Pending::Other { op, kind }) => {
                    self.outstanding.push_back(kind);
                    ops.push(op);
                }
            }
        }
        ops
    }

    /// The oldest outstanding operation is done.
    pub fn pop_outstanding(&mut self) -> Option<Outstanding> {
        self.outstanding.pop_front()
    }

    /// The log was cut to `end`: what is on its way can make no more than that durable.
    pub fn clamp(&mut self, end: Offset) {
        let pending = self.pending.iter_mut().filter_map(|pending| match pending {
            Pending::Append { end, .. } => Some(end),
            _ => None,
        });
        let outstanding = self.outstanding.iter_mut().filter_map(|outstanding| match outstanding {
            Outstanding::Append { end } => Some(end),
            _ => None,
        });
        pending.chain(outstanding).for_each(|reached| *reached = (*reached).min(end));
    }

    /// Forgets what is pending; what is outstanding counts for nothing any more, except a slice of a cleaning. True when a
    /// deletion was among it.
    pub fn void(&mut self) -> bool {
        let deletion =
            |pending: &Pending| matches!(pending, Pending::Other { kind: Outstanding::Delete, .. });
        let deletions = self.pending.iter().any(deletion) || self.outstanding.contains(&Outstanding::Delete);
        self.pending.clear();
        let others = self.outstanding.iter_mut().filter(|outstanding| **outstanding != Outstanding::Rewrite);
        others.for_each(|outstanding| *outstanding = Outstanding::Void);
        deletions
    }

    /// Reads for a truncation that is no longer wanted count for nothing.
    pub fn forget_scans(&mut self) {
        self.forget(Outstanding::Scan);
    }

    fn forget(&mut self, kind: Outstanding) {
        self.pending.retain(|pending| !pending.is(kind));
        let known = self.outstanding.iter_mut().filter(|outstanding| **outstanding == kind);
        known.for_each(|outstanding| *outstanding = Outstanding::Void);
    }

    /// True when a truncation is pending or outstanding.
    pub fn holds_cut(&self) -> bool {
        self.pending.iter().any(|pending| pending.is(Outstanding::Cut))
            || self.outstanding.contains(&Outstanding::Cut)
    }

    /// True when nothing is pending or outstanding.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.outstanding.is_empty()
    }

    /// True when nothing is pending or outstanding but what a cleaning wants.
    pub fn end_is_idle(&self) -> bool {
        let cleans = |kind: &Outstanding| matches!(kind, Outstanding::Clean | Outstanding::Rewrite);
        let pending = |pending: &Pending| matches!(pending, Pending::Other { kind, .. } if cleans(kind));
        self.pending.iter().all(pending) && self.outstanding.iter().all(cleans)
    }

    /// The append at the queue's end if it may grow by `more` bytes, else a new one; its durable end is `end` now.
    fn growing_append(&mut self, more: usize, new_end: Offset) -> (&mut Vec<PendingChunk>, &mut usize) {
        let may_grow = match self.pending.back() {
            Some(Pending::Append { size, .. }) => *size == 0 || size + more <= APPEND_BYTES_MAX,
            _ => false,
        };
        if !may_grow {
            let append = Pending::Append { chunks: Vec::new(), rows: Vec::new(), size: 0, end: new_end };
            self.pending.push_back(append);
        }
        match self.pending.back_mut() {
            Some(Pending::Append { chunks, size, end, .. }) => {
                *end = new_end;
                (chunks, size)
            }
            _ => unreachable!("an append was pushed above when the last one is none"),
        }
    }
}

impl PendingChunk {
    fn to_chunk(&self) -> Chunk {
        seal(self.base, self.pieces.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::unsealed;

    fn queue() -> IoQueue {
        IoQueue::new(LogId::METADATA)
    }

    fn append(queue: &mut IoQueue, base: i64, size: usize) -> bool {
        queue.append(Offset(base), Offset(base + 1), vec![base as u8; size].into(), false)
    }

    fn sizes(op: &IoOp) -> Vec<usize> {
        match op {
            IoOp::Append { chunks, .. } => chunks.iter().map(|chunk| unsealed(chunk).len()).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn small_appends_of_one_turn_share_an_operation_and_a_chunk() {
        let mut queue = queue();
        assert!(append(&mut queue, 0, 100));
        assert!(!append(&mut queue, 1, 100));
        let ops = queue.take();
        assert_eq!(ops.iter().map(sizes).collect::<Vec<_>>(), [[200]]);
        assert!(append(&mut queue, 2, 100), "what was handed out does not grow");
    }

    #[test]
    fn a_chunk_of_several_batches_stays_below_the_limit_and_a_larger_batch_is_its_own() {
        let mut queue = queue();
        for (base, size) in [(0, 40_000), (1, 30_000), (2, 100_000), (3, 10)] {
            assert!(append(&mut queue, base, size));
        }
        assert_eq!(queue.take().iter().map(sizes).collect::<Vec<_>>(), [[40_000, 30_000, 100_000, 10]]);
    }

    #[test]
    fn a_truncation_waits_until_nothing_is_outstanding() {
        let mut queue = queue();
        append(&mut queue, 0, 10);
        queue.cut(Offset(0), None, Vec::new());
        assert_eq!(queue.take().len(), 1);
        assert_eq!(queue.take().len(), 0);
        assert_eq!(queue.pop_outstanding(), Some(Outstanding::Append { end: Offset(1) }));
        assert!(matches!(queue.take().as_slice(), [IoOp::Truncate { .. }]));
    }
}
