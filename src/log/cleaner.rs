//! Compaction (`cleanup.policy=compact`): of each key the latest record stays (Kafka's `LogCleaner` and
//! `LogCleanerManager`). What may be cleaned is whole closed segments, below the high watermark and older than
//! `min.compaction.lag.ms`. It is *dirty* from the first offset that no cleaning has reached. One cleaning takes two passes,
//! each in slices, so that the broker answers in between:
//!
//! 1. The dirty part is read, and the latest offset of each key noted. When the keys fill the buffer, the rest is left for
//!    another time.
//! 2. Everything from the log's start is read again. A record goes when a later one has its key, or when it is a tombstone
//!    whose time is over. What has changed is put in place of what was there, slice by slice: each is one transaction and
//!    leaves a whole log behind, so that a crash in between costs nothing. Segments that have become small are merged.
//!
//! Offsets, leader epochs and the last sequence number of each producer stay as they were. A cut of the log's end or a
//! failed write ends the cleaning, and the next one begins anew; a deletion of the log's front waits for its end. So does
//! damage that the first pass finds: where nothing may be missing yet, and something is, nothing is cleaned.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::io_queue::CHUNK_BYTES_MAX;
use super::partition_log::{PartitionLog, facts_of};
use super::seal::{SEAL_BYTES_EACH, seal, stored_batches};
use super::segment::{Segment, SegmentFacts};
use crate::log::io::{Chunk, IoOp, SegmentRow};
use crate::protocol::batch::{self, BatchError};
use crate::protocol::compacted::{Compacted, Tombstones, compact_batch};
use crate::protocol::records::decode_records;
use crate::time::{Duration, Instant};
use crate::types::Offset;

/// Bytes of one read, and of one turn's work.
const SLICE_BYTES: usize = 256 * 1024;
/// What a key in the table costs beside its bytes.
const KEY_OVERHEAD: usize = 64;

/// When a log is worth cleaning, and what may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionRules {
    /// `min.compaction.lag.ms`.
    pub min_lag: Duration,
    /// `max.compaction.lag.ms`.
    pub max_lag: Option<Duration>,
    /// `delete.retention.ms`.
    pub delete_retention: Duration,
}

/// How much of a log waits for cleaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dirt {
    /// The dirty part of what may be cleaned, in thousandths of its bytes.
    pub permille: u32,
    /// A record has waited longer than `max.compaction.lag.ms`.
    pub overdue: bool,
}

/// How far a cleaning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleaningProgress {
    /// How much of the work is done, in thousandths: 0 to 999.
    pub permille: u32,
    /// It cleans up to here (exclusive).
    pub to: Offset,
}

/// What a cleaning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleaned {
    /// The log's start.
    pub from: Offset,
    /// Clean up to here.
    pub to: Offset,
    /// Bytes before.
    pub bytes_before: u64,
    /// Bytes now.
    pub bytes_after: u64,
    /// Records that went.
    pub records_removed: u64,
}

/// A cleaning under way.
#[derive(Debug, Clone)]
pub(super) struct Cleaning {
    /// The exclusive end of what is cleaned: where the noted keys end.
    to: Offset,
    rules: CompactionRules,
    now: Instant,
    budget: usize,
    /// As many as the budget allows, in any order.
    keys: BTreeMap<Bytes, Offset>,
    /// What the keys cost, in bytes.
    held: usize,
    /// Where the next slice begins.
    at: Offset,
    noting: bool,
    /// The segment in work, as it will be.
    segment: Option<Segment>,
    /// Segments of which nothing is missing so far, as first and next offset.
    dense: Vec<(Offset, Offset)>,
    /// Those of which nothing was missing when it began: a gap in one is damage.
    whole: Vec<(Offset, Offset)>,
    /// Where the first pass began.
    dirty_from: Offset,
    /// Where the second one begins.
    from: Offset,
    bytes_before: u64,
    bytes_after: u64,
    records_removed: u64,
}

/// A slice that is on its way to storage.
#[derive(Debug, Clone)]
pub(super) struct Rewritten {
    /// The segment as its row says now.
    segment: Segment,
    /// The segment that was merged into it.
    merged: Option<Offset>,
}

impl PartitionLog {
    /// How dirty the log is; none when there is nothing to clean.
    pub fn dirt(&self, now: Instant, high_watermark: Offset) -> Option<Dirt> {
        let rules = self.config.compaction?;
        let first_dirty = self.first_dirty();
        let end = self.cleanable_end(now, high_watermark, rules.min_lag);
        let (mut clean, mut dirty, mut oldest) = (0, 0, None);
        for (segment, next) in self.segments.iter().zip(self.segments.iter().skip(1)) {
            if segment.base >= end {
                break;
            }
            if next.base <= first_dirty {
                clean += segment.facts.size_bytes;
            } else {
                dirty += segment.facts.size_bytes;
                oldest = oldest.or(segment.facts.first_timestamp);
            }
        }
        let waited = |first: i64| now.as_timestamp().saturating_sub(first);
        let overdue = match (rules.max_lag, oldest) {
            (Some(max), Some(first)) => waited(first) > i64::try_from(max.as_millis()).unwrap_or(i64::MAX),
            _ => false,
        };
        (dirty > 0).then(|| Dirt { permille: (dirty * 1000 / (clean + dirty)) as u32, overdue })
    }

    /// True while a cleaning is under way, or the last slice of one that was ended.
    pub fn is_cleaning(&self) -> bool {
        self.cleaning.is_some() || self.rewritten.is_some()
    }

    /// How far the cleaning is that is under way.
    pub fn cleaning_progress(&self) -> Option<CleaningProgress> {
        self.cleaning.as_ref().map(Cleaning::progress)
    }

    /// What the last cleaning did, if it has come to its end since this was last asked.
    pub fn take_cleaned(&mut self) -> Option<Cleaned> {
        self.cleaned.take()
    }

    /// Begins a cleaning that holds at most `budget` bytes of keys. Submit what `take_io` gives.
    pub fn begin_cleaning(&mut self, now: Instant, high_watermark: Offset, budget: usize) {
        let Some(rules) = self.config.compaction.filter(|_| !self.is_cleaning() && self.is_settled()) else {
            return;
        };
        let to = self.cleanable_end(now, high_watermark, rules.min_lag);
        let at = self.first_dirty();
        if at >= to {
            return;
        }
        // From here on storage has other chunks than memory, and perhaps fewer offsets.
        self.tail.evict_below(to);
        let ends: Vec<Offset> = self.segments.iter().skip(1).map(|next| next.base).collect();
        let mut dense = Vec::new();
        for (segment, end) in self.segments.iter_mut().zip(ends).filter(|(segment, _)| segment.base < to) {
            if !std::mem::replace(&mut segment.sparse, true) {
                dense.push((segment.base, end));
            }
        }
        self.cleaned = None;
        self.cleaning = Some(Cleaning {
            to,
            rules,
            now,
            budget,
            keys: BTreeMap::new(),
            held: 0,
            at,
            noting: true,
            segment: None,
            whole: dense.clone(),
            dense,
            dirty_from: at,
            from: self.first_base(),
            bytes_before: 0,
            bytes_after: 0,
            records_removed: 0,
        });
        self.queue.read_to_clean(at, SLICE_BYTES);
    }

    /// Ends a cleaning before its end: what it has done so far stays.
    pub fn abort_cleaning(&mut self) {
        if let Some(cleaning) = self.cleaning.take() {
            if !self.queue.forget_cleaning() {
                self.rewritten = None;
            }
            self.nothing_is_missing_in(&cleaning.dense);
        }
    }

    /// Segments that a cleaning leaves as they were.
    fn nothing_is_missing_in(&mut self, dense: &[(Offset, Offset)]) {
        for segment in &mut self.segments {
            segment.sparse &= dense.iter().all(|(base, _)| *base != segment.base);
        }
    }

    /// Storage has read a slice.
    pub(super) fn continue_cleaning(&mut self, chunks: &[Chunk]) {
        let Some(mut cleaning) = self.cleaning.take() else { return };
        let step = match cleaning.noting {
            true => cleaning.note(chunks, |base| self.is_sealed(base)),
            false => self.clean(&mut cleaning, chunks),
        };
        match step {
            // A batch that cannot be read, or is not there: better no cleaning than a wrong one.
            Err(_) => return self.nothing_is_missing_in(&cleaning.dense),
            Ok(Step::Read) => self.queue.read_to_clean(cleaning.at, SLICE_BYTES),
            Ok(Step::Write(op)) => self.queue.rewrite(op),
            Ok(Step::End) => {
                self.nothing_is_missing_in(&cleaning.dense);
                self.cleaned = Some(Cleaned {
                    from: cleaning.from,
                    to: cleaning.to,
                    bytes_before: cleaning.bytes_before,
                    bytes_after: cleaning.bytes_after,
                    records_removed: cleaning.records_removed,
                });
                return;
            }
        }
        self.cleaning = Some(cleaning);
    }

    /// Storage has taken a slice, perhaps of a cleaning that was ended meanwhile.
    pub(super) fn slice_rewritten(&mut self) {
        if let Some(Rewritten { segment, merged }) = self.rewritten.take() {
            // Unless the log was cut as far back as here meanwhile.
            let is_closed = |base| self.segments.iter().rev().skip(1).any(|known| known.base == base);
            if is_closed(segment.base) && merged.is_none_or(is_closed) {
                self.segments.retain(|known| Some(known.base) != merged);
                let at = self.segments.iter().position(|known| known.base == segment.base);
                if let Some((at, next)) = at.and_then(|at| Some((at, self.segments.get(at + 1)?.base))) {
                    self.queue.renew_row(&self.closed_row(&segment, next), merged);
                    self.segments[at] = segment;
                }
            }
        }
        if let Some(cleaning) = &self.cleaning {
            self.queue.read_to_clean(cleaning.at, SLICE_BYTES);
        }
    }

    /// Up to here everything is clean.
    pub fn first_dirty(&self) -> Offset {
        let mut at = self.first_base();
        for (index, segment) in self.segments.iter().enumerate() {
            let Some(to) = segment.cleaned_to else { break };
            at = to;
            if self.segments.get(index + 1).is_none_or(|next| next.base > to) {
                break;
            }
        }
        at
    }

    fn cleanable_end(&self, now: Instant, high_watermark: Offset, min_lag: Duration) -> Offset {
        // The last chunk in memory is put again when the end is cut: it has to be as storage has it.
        let limit =
            high_watermark.min(self.durable_end).min(self.tail.last().map_or(self.log_end, |c| c.base));
        let young = now.as_timestamp().saturating_sub(i64::try_from(min_lag.as_millis()).unwrap_or(i64::MAX));
        let mut end = self.first_base();
        for (segment, next) in self.segments.iter().zip(self.segments.iter().skip(1)) {
            let too_young =
                min_lag > Duration::ZERO && segment.facts.max_timestamp.is_some_and(|t| t > young);
            if next.base > limit || too_young {
                break;
            }
            end = next.base;
        }
        end
    }

    /// The second pass over one slice.
    fn clean(&mut self, cleaning: &mut Cleaning, chunks: &[Chunk]) -> Result<Step, BatchError> {
        let Some(found) = self.segments.iter().rposition(|segment| segment.base <= cleaning.at) else {
            return Ok(Step::End);
        };
        let (Some(known), Some(next)) = (self.segments.get(found), self.segments.get(found + 1)) else {
            return Ok(Step::End);
        };
        if known.base >= cleaning.to {
            return Ok(Step::End);
        }
        let end = next.base;
        let mine: Vec<&Chunk> =
            chunks.iter().filter(|chunk| chunk.base >= cleaning.at && chunk.base < end).collect();
        // The read may have ended within the segment.
        let beyond = chunks.iter().any(|chunk| chunk.base >= end);
        let slice_end = last_offset_of(&mine).filter(|_| !beyond).unwrap_or(end);
        let whole = slice_end >= end;
        let mut segment = cleaning.segment.take().filter(|segment| segment.base == known.base);
        let segment = segment.get_or_insert_with(|| Segment {
            facts: Default::default(),
            time_index: Vec::new(),
            sparse: !cleaning.dense.iter().any(|(base, _)| *base == known.base),
            ..known.clone()
        });
        let index_bytes = Segment::index_bytes(self.config.segment_bytes);
        let mut kept: Vec<(Offset, Bytes)> = Vec::new();
        let mut changed = false;
        let sizes_before = (cleaning.bytes_before, cleaning.bytes_after);
        let mut at = cleaning.at;
        for chunk in &mine {
            for entry in stored_batches(chunk, known.sealed) {
                let (header, range) = entry?;
                cleaning.check_gap(at, header.base_offset)?;
                at = header.next_offset();
                let bytes = chunk.bytes.slice(range);
                cleaning.bytes_before += bytes.len() as u64;
                let is_last = header.producer_id.is_some_and(|id| {
                    let last = self.producers.producer(id).and_then(|entry| entry.batches().last());
                    last.is_some_and(|last| last.last_offset == header.last_offset())
                });
                let bytes = match cleaning.compact(&bytes, is_last)? {
                    Compacted::Unchanged => bytes,
                    Compacted::Gone => {
                        cleaning.records_removed += u64::from(header.record_count.unsigned_abs());
                        changed = true;
                        continue;
                    }
                    Compacted::Rewritten(new) => {
                        let left = batch::BatchHeader::parse(&new)?.record_count;
                        cleaning.records_removed += u64::from((header.record_count - left).unsigned_abs());
                        changed = true;
                        new
                    }
                };
                cleaning.bytes_after += bytes.len() as u64;
                let header = batch::BatchHeader::parse(&bytes)?;
                segment.note(&facts_of(&header, header.base_offset, bytes.len()), index_bytes);
                kept.push((header.base_offset, bytes));
            }
        }
        cleaning.check_gap(at, slice_end)?;
        let from = cleaning.at;
        cleaning.at = slice_end;
        segment.sparse |= changed;
        let packed = pack(kept);
        changed |= packed.len() * 2 <= mine.len();
        let chunks = if changed { packed } else { Vec::new() };
        let to = if changed { slice_end } else { from };
        if !whole {
            cleaning.segment = Some(segment.clone());
            if !changed {
                return Ok(Step::Read);
            }
            // The row's other sums stay as they were until the segment is through.
            let (before, after) = sizes_before;
            let gone = (cleaning.bytes_before - before).saturating_sub(cleaning.bytes_after - after);
            let size_bytes = known.facts.size_bytes.saturating_sub(gone);
            let facts = SegmentFacts { size_bytes, ..known.facts };
            let smaller = Segment { facts, sparse: segment.sparse, ..known.clone() };
            cleaning.dense.retain(|(base, _)| !smaller.sparse || *base != smaller.base);
            let rows = vec![self.closed_row(&smaller, end)];
            let segment = Segment { sparse: true, ..smaller };
            self.rewritten = Some(Rewritten { segment, merged: None });
            return Ok(Step::Write(IoOp::Rewrite { log: self.id, from, to, chunks, rows, gone: Vec::new() }));
        }
        let mut finished = Segment { cleaned_to: Some(cleaning.to.min(end)), ..segment.clone() };
        let mut gone = Vec::new();
        if let Some(before) = found.checked_sub(1).and_then(|at| self.segments.get(at))
            && let Some(merged) = before.merged_with(&finished, self.config.segment_bytes, end)
        {
            gone.push(finished.base);
            finished = merged;
        }
        cleaning.dense.retain(|(base, _)| *base != known.base && *base != finished.base);
        let rows = vec![self.closed_row(&finished, end)];
        self.rewritten = Some(Rewritten { segment: finished, merged: gone.first().copied() });
        Ok(Step::Write(IoOp::Rewrite { log: self.id, from, to, chunks, rows, gone }))
    }

    fn closed_row(&self, segment: &Segment, end: Offset) -> SegmentRow {
        segment.encode(true, self.log_start, &self.epochs.slice(segment.base, end))
    }
}

enum Step {
    Read,
    Write(IoOp),
    End,
}

impl Cleaning {
    /// By the offsets that the two passes have to go through.
    fn progress(&self) -> CleaningProgress {
        let between = |from: Offset, to: Offset| to.0.saturating_sub(from.0).max(0);
        let (noted, cleaned) = match self.noting {
            true => (between(self.dirty_from, self.at), 0),
            false => (between(self.dirty_from, self.to), between(self.from, self.at)),
        };
        let all = between(self.dirty_from, self.to) + between(self.from, self.to);
        let permille = (noted + cleaned).saturating_mul(1000) / all.max(1);
        CleaningProgress { permille: permille.clamp(0, 999) as u32, to: self.to }
    }

    /// The first pass over one slice.
    fn note(&mut self, chunks: &[Chunk], is_sealed: impl Fn(Offset) -> bool) -> Result<Step, BatchError> {
        let before = self.at;
        'slice: for chunk in chunks {
            for entry in stored_batches(chunk, is_sealed(chunk.base)) {
                let (header, range) = entry?;
                if header.next_offset() <= self.at {
                    continue;
                }
                self.check_gap(self.at, header.base_offset)?;
                if header.base_offset >= self.to {
                    self.at = self.to;
                    break 'slice;
                }
                if header.is_control() {
                    self.at = header.next_offset();
                    continue;
                }
                // The buffer takes one batch at least, or there would be no end.
                if self.held > self.budget {
                    self.to = header.base_offset;
                    break 'slice;
                }
                for record in decode_records(&chunk.bytes.slice(range))? {
                    let Some(key) = record.key else { continue };
                    if !self.keys.contains_key(&key) {
                        self.held += key.len() + KEY_OVERHEAD;
                    }
                    // A copy: the key would hold the whole slice.
                    self.keys.insert(Bytes::copy_from_slice(&key), record.offset);
                }
                self.at = header.next_offset();
            }
        }
        // Nothing more: the rest of the range is a gap.
        if self.at == before {
            self.check_gap(self.at, self.to)?;
        }
        if self.at >= self.to || self.at == before {
            self.noting = false;
            self.at = self.from;
        }
        Ok(Step::Read)
    }

    /// Storage has nothing from `at` to `next`: that is damage where nothing may be missing.
    fn check_gap(&self, at: Offset, next: Offset) -> Result<(), BatchError> {
        let touched = |(base, end): &(Offset, Offset)| at < next && *base < next && at < *end;
        match self.whole.iter().any(touched) {
            true => Err(BatchError::Inconsistent("batches are missing")),
            false => Ok(()),
        }
    }

    fn compact(&self, bytes: &Bytes, keep_empty: bool) -> Result<Compacted, BatchError> {
        let tombstones = Tombstones {
            now: self.now.as_timestamp(),
            retention_ms: i64::try_from(self.rules.delete_retention.as_millis()).unwrap_or(i64::MAX),
            below: self.to,
        };
        compact_batch(bytes, tombstones, keep_empty, |record| {
            let latest = record.key.as_ref().map(|key| self.keys.get(key));
            match latest {
                _ if record.offset >= self.to => true,
                // A record without a key can't be kept by key: it goes, as in Kafka.
                None => false,
                Some(latest) => latest.is_none_or(|latest| record.offset >= *latest),
            }
        })
    }
}

fn last_offset_of(chunks: &[&Chunk]) -> Option<Offset> {
    let last = chunks.last()?;
    stored_batches(last, false).map_while(Result::ok).last().map(|(header, _)| header.next_offset())
}

/// Batches in as few chunks as may be.
fn pack(batches: Vec<(Offset, Bytes)>) -> Vec<Chunk> {
    let mut runs: Vec<(Offset, usize, Vec<Bytes>)> = Vec::new();
    for (base, bytes) in batches {
        match runs.last_mut() {
            Some((_, size, run)) if *size + bytes.len() + SEAL_BYTES_EACH <= CHUNK_BYTES_MAX => {
                *size += bytes.len() + SEAL_BYTES_EACH;
                run.push(bytes);
            }
            _ => runs.push((base, bytes.len() + SEAL_BYTES_EACH, vec![bytes])),
        }
    }
    runs.into_iter().map(|(base, _, run)| seal(base, run.iter())).collect()
}
