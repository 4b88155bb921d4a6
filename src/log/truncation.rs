//! Cutting a log: its end (by a new leader's word, or because a write failed) and its front (retention, DeleteRecords).
//!
//! Cutting the end at an offset that the tail holds needs no bytes from storage. Below the tail it takes two steps, each
//! queued like any other operation:
//!
//! 1. Reads, in slices, from the base of the segment that becomes the active one up to the cut: they rebuild the
//!    producer state (from the segment's snapshot on), the segment's sums, and find the front of the chunk that the cut
//!    falls into.
//! 2. The truncation, which puts that front in place of the chunk.
//!
//! Meanwhile the log end is already cut, reads below it go on, and appends are refused (`AppendError::Truncating`).

use super::batch_facts::Batch;
use super::partition_log::{PartitionLog, facts_of};
use super::producer_state::ProducerState;
use super::seal::stored_batches;
use super::segment::Segment;
use super::tail::{StateBefore, Tail, TailChunk};
use crate::log::io::Chunk;
use crate::time::Instant;
use crate::types::Offset;

/// Bytes of one read of a scan.
const SCAN_BYTES: usize = 1024 * 1024;

/// The first step of a truncation below the tail.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// The first offset that goes.
    to: Offset,
    /// Everything below it, down to the segment's base, was read.
    at: Offset,
    /// Offsets may be missing.
    sparse: bool,
    /// No chunk is from before there were seals.
    sealed: bool,
    /// The log's state there.
    state: StateBefore,
}

enum ScanStep {
    More,
    /// What stays of the chunk that the cut falls into; nothing when the cut is between chunks.
    Found(Vec<Batch>),
}

impl PartitionLog {
    /// Cuts the log's end to `offset`, at a batch boundary: a batch that holds `offset` goes as a whole. Does nothing at
    /// or above the log end; below the log start the log restarts empty at `offset`, as in Kafka. Returns the log end
    /// offset, which may still sink to the boundary below while `is_truncating`.
    pub fn truncate_to(&mut self, offset: Offset) -> Offset {
        if self.deleted || offset >= self.log_end {
            return self.log_end;
        }
        if offset < self.log_start {
            self.restart_at(offset);
        } else {
            self.cut_memory(offset);
            self.queue_cut();
        }
        self.log_end
    }

    /// Empties the log and lets it begin at `offset`: for a follower whose leader's log starts beyond its own end.
    pub fn truncate_fully_and_start_at(&mut self, offset: Offset) {
        if !self.deleted {
            self.restart_at(offset);
        }
    }

    /// Raises the log start offset to `offset` (at most the durable end) and deletes the segments below it. Returns the
    /// log start offset: unchanged while the storage has failed or a truncation or cleaning is under way (try again
    /// later). The owner keeps it at or below the high watermark.
    pub fn delete_before(&mut self, offset: Offset, now: Instant) -> Offset {
        let offset = offset.min(self.durable_end);
        let busy = self.failed || self.scan.is_some() || self.is_cleaning();
        if offset <= self.log_start || self.deleted || busy {
            return self.log_start;
        }
        self.log_start = offset;
        self.epochs.truncate_from_start(offset);
        if offset == self.log_end && self.active().facts.size_bytes > 0 {
            // Everything goes, so the active segment too can be deleted as a whole (as Kafka's retention does).
            self.roll(now);
        } else {
            let row = self.open_row();
            self.queue.put_rows(vec![row], self.log_end);
        }
        let gone = self.segments.iter().skip(1).take_while(|next| next.base <= offset).count();
        self.segments.drain(..gone);
        if gone > 0 {
            self.queue.delete_before(self.first_base());
        }
        self.log_start
    }

    /// Raises the log start offset to `offset`, as `delete_before`, but deletes chunks, not segments: the active segment
    /// begins anew with the chunk that holds `offset`, if memory has that. For a log that is never rolled. Row and chunks
    /// change in one transaction. Returns the log start offset: unchanged while the log's end is not settled (try again
    /// later).
    pub fn trim_before(&mut self, offset: Offset) -> Offset {
        let offset = offset.min(self.durable_end);
        if offset <= self.log_start || self.deleted || !self.is_settled() || self.is_cleaning() {
            return self.log_start;
        }
        self.log_start = offset;
        self.epochs.truncate_from_start(offset);
        let from = self.first_base();
        let mut gone: Vec<Offset> = self.segments.iter().map(|segment| segment.base).collect();
        let below = self.segments.iter().skip(1).take_while(|next| next.base <= offset).count();
        self.segments.drain(..below);
        self.tail.evict_below(offset);
        let base = self.tail.start();
        if self.segments.len() == 1 && (self.active().base..=offset).contains(&base) {
            let producers = self.tail.begin_segment();
            let (_, facts) = self.tail.state_at_end(base);
            let active = self.active_mut();
            active.base = base;
            active.producers_at_base = producers;
            active.facts = facts;
            active.time_index.retain(|entry| entry.offset >= base);
        }
        gone.retain(|base| self.segments.iter().all(|segment| segment.base != *base));
        let row = self.open_row();
        self.queue.trim(from, self.first_base(), row, gone);
        self.log_start
    }

    /// Deletes the whole log. Every later call is refused; the owner may drop it once `io_idle`.
    pub fn delete_all(&mut self) {
        if !self.deleted {
            self.abort_cleaning();
            self.deleted = true;
            self.failed = false;
            self.scan = None;
            self.queue.delete_log();
        }
    }

    /// Tries again to bring a failed storage back. Call it on a timer while `storage_failed`.
    pub fn retry_storage(&mut self) {
        match (self.failed && self.queue.is_idle(), self.deleted) {
            (true, true) => self.queue.delete_log(),
            (true, false) => self.queue_cut(),
            (false, _) => {}
        }
    }

    /// A write failed: memory goes back to what is durable.
    pub(super) fn write_failed(&mut self, deletion: bool) {
        self.redelete |= self.queue.void() | deletion;
        self.abort_cleaning();
        let known = std::mem::replace(&mut self.failed, true);
        if self.deleted {
            return;
        }
        if self.scan.is_none() {
            self.cut_memory(self.durable_end);
        }
        // The first cut is asked for at once; if that fails as well, the owner decides when to try again.
        if !known {
            self.queue_cut();
        }
    }

    /// Storage has the end that memory has.
    pub(super) fn cut_done(&mut self) {
        self.failed = false;
        self.evict();
        if !self.queue.holds_cut() {
            self.emptied = false;
        }
        if std::mem::take(&mut self.redelete) {
            self.queue.delete_before(self.first_base());
        }
    }

    /// The chunks that a truncation waits for.
    pub(super) fn continue_scan(&mut self, chunks: &[Chunk]) {
        let Some(mut scan) = self.scan.take() else { return };
        match scan.step(chunks) {
            ScanStep::More => self.scan = Some(scan),
            ScanStep::Found(kept) => {
                let starts_segment = scan.state.facts.size_bytes == 0;
                self.tail = Tail::new(scan.at, scan.state);
                for (i, batch) in kept.into_iter().enumerate() {
                    self.tail.push(batch, i == 0, i == 0 && starts_segment);
                }
                let end = self.tail.last().map_or(scan.at, |chunk| chunk.next);
                self.end_at(end);
            }
        }
        self.queue_cut();
    }

    fn restart_at(&mut self, offset: Offset) {
        self.abort_cleaning();
        let producers = ProducerState::default();
        self.segments = vec![Segment::open(offset, self.active().created, producers.encode())];
        self.tail = Tail::new(offset, StateBefore::default());
        self.epochs.clear();
        self.log_start = offset;
        self.durable_end = offset;
        self.truncations += 1;
        self.forget_scan();
        self.end_at(offset);
        self.emptied = true;
        self.queue_cut();
    }

    /// Cuts everything in memory to `to`. What the tail does not hold begins a scan.
    fn cut_memory(&mut self, to: Offset) {
        self.abort_cleaning();
        self.truncations += 1;
        let scanning = self.forget_scan();
        if to >= self.tail.start() && !scanning {
            let end = self.tail.truncate(to);
            self.end_at(end);
            return;
        }
        while self.segments.len() > 1 && self.active().base > to {
            self.segments.pop();
        }
        let base = self.active().base;
        let producers = ProducerState::decode(&self.active().producers_at_base).unwrap_or_default();
        let state = StateBefore { producers, ..StateBefore::default() };
        if base == to {
            self.tail = Tail::new(to, state);
        } else {
            self.tail = Tail::new(to, StateBefore::default());
            self.scan = Some(Scan {
                to,
                at: base,
                sparse: self.active().sparse,
                sealed: self.active().sealed,
                state,
            });
        }
        self.end_at(to);
    }

    /// Brings everything but the tail in line with the tail, which now ends at `end`.
    fn end_at(&mut self, end: Offset) {
        while self.segments.len() > 1 && self.active().base > end {
            self.segments.pop();
        }
        let (producers, facts) = self.tail.state_at_end(self.active().base);
        self.producers = producers;
        let active = self.active_mut();
        active.facts = facts;
        active.truncate_index(end);
        self.epochs.truncate_from_end(end);
        self.log_end = end;
        self.log_start = self.log_start.min(end);
        self.durable_end = self.durable_end.min(end);
        self.queue.clamp(end);
    }

    /// Asks storage for the end that memory has; or, if that needs bytes first, for those.
    pub(super) fn queue_cut(&mut self) {
        if let Some(scan) = &self.scan {
            self.queue.scan(scan.at, SCAN_BYTES);
            return;
        }
        // The last chunk is put again: in storage it may reach beyond the cut.
        let first_base = self.first_base();
        let keep = self.tail.last().filter(|chunk| chunk.base >= first_base).map(TailChunk::to_chunk);
        let to = if self.emptied { Offset::ZERO } else { self.log_end };
        let rows = self.end_rows();
        self.row_written = true;
        self.queue.cut(to, keep, rows);
    }

    fn forget_scan(&mut self) -> bool {
        self.queue.forget_scans();
        self.scan.take().is_some()
    }

    pub(super) fn first_base(&self) -> Offset {
        self.segments.first().map_or(self.log_start, |segment| segment.base)
    }
}

impl Scan {
    fn step(&mut self, chunks: &[Chunk]) -> ScanStep {
        let before = self.at;
        for chunk in chunks {
            if self.sparse && chunk.base < self.at {
                // Read because a gap was asked for.
                continue;
            }
            // Storage holds less than the log did (or all that is left is above the cut): the log ends where the bytes do.
            if chunk.base != self.at && !(self.sparse && chunk.base < self.to) {
                return ScanStep::Found(Vec::new());
            }
            let (batches, whole) = self.front(chunk);
            let Some(next) = batches.last().map(|batch| batch.facts.next).filter(|_| whole) else {
                return ScanStep::Found(batches);
            };
            // The sums began empty at the segment's base.
            self.state.note(&batches, false);
            self.at = next;
            if next >= self.to {
                return ScanStep::Found(Vec::new());
            }
        }
        // Nothing new: there is no more.
        if self.at == before { ScanStep::Found(Vec::new()) } else { ScanStep::More }
    }

    /// The chunk's batches that end at or below the cut, and whether that is all of them.
    fn front(&self, chunk: &Chunk) -> (Vec<Batch>, bool) {
        let mut batches = Vec::new();
        for entry in stored_batches(chunk, self.sealed) {
            let Ok((header, range)) = entry else { return (batches, false) };
            let facts = facts_of(&header, header.base_offset, range.len());
            if facts.next > self.to {
                return (batches, false);
            }
            batches.push(Batch { facts, bytes: chunk.bytes.slice(range) });
        }
        (batches, true)
    }
}
