//! The end of the log in memory: recent batches, by the chunk they are stored in, and the state of the log where they
//! begin. It serves reads without IO; and because the state before it is known, every index can be rebuilt for any
//! offset within it, which is what truncation and a failed write need.
//!
//! It always holds what is not yet durable, and the last chunk. It begins at a chunk boundary of the storage.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::batch_facts::Batch;
use super::producer_state::ProducerState;
use super::seal::seal;
use super::segment::SegmentFacts;
use crate::log::io::Chunk;
use crate::types::Offset;

/// Batches stored as one value.
#[derive(Debug, Clone)]
pub(super) struct TailChunk {
    pub base: Offset,
    pub next: Offset,
    pub size: usize,
    /// True for the first chunk of a segment.
    pub starts_segment: bool,
    /// Ascending, never empty.
    pub batches: Vec<Batch>,
}

impl TailChunk {
    /// A chunk of one batch.
    pub fn new(batch: Batch, starts_segment: bool) -> TailChunk {
        let (base, next, size) = (batch.facts.base, batch.facts.next, batch.facts.size);
        TailChunk { base, next, size, starts_segment, batches: vec![batch] }
    }

    /// As storage has it.
    pub fn to_chunk(&self) -> Chunk {
        seal(self.base, self.batches.iter().map(|batch| &batch.bytes))
    }
}

/// The log's state at the tail's first offset.
#[derive(Debug, Clone, Default)]
pub(super) struct StateBefore {
    /// What producers wrote below it.
    pub producers: ProducerState,
    /// Sums, up to it, over the segment that the offset before it belongs to.
    pub facts: SegmentFacts,
}

impl StateBefore {
    /// Goes on behind a chunk's batches.
    pub fn note(&mut self, batches: &[Batch], starts_segment: bool) {
        if starts_segment {
            self.facts = SegmentFacts::default();
        }
        for batch in batches {
            self.producers.note(&batch.facts);
            self.facts.note(&batch.facts);
        }
    }
}

/// See the file's head.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    start: Offset,
    before: StateBefore,
    chunks: VecDeque<TailChunk>,
    size: usize,
}

impl Tail {
    /// An empty tail at `start`.
    pub fn new(start: Offset, before: StateBefore) -> Tail {
        Tail { start, before, chunks: VecDeque::new(), size: 0 }
    }

    /// The first offset held (or, when empty, the log end).
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The last chunk.
    pub fn last(&self) -> Option<&TailChunk> {
        self.chunks.back()
    }

    /// All batches, ascending.
    pub fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.chunks.iter().flat_map(|chunk| &chunk.batches)
    }

    /// Adds a batch: to the last chunk, or as the first of a new one.
    pub fn push(&mut self, batch: Batch, new_chunk: bool, starts_segment: bool) {
        self.size += batch.facts.size;
        match self.chunks.back_mut() {
            Some(chunk) if !new_chunk => {
                chunk.next = batch.facts.next;
                chunk.size += batch.facts.size;
                chunk.batches.push(batch);
            }
            _ => self.chunks.push_back(TailChunk::new(batch, starts_segment)),
        }
    }

    /// Lets chunks below `durable_end` go, oldest first, until at most `bytes_max` are held. The last chunk stays.
    pub fn evict(&mut self, durable_end: Offset, bytes_max: usize) {
        while self.size > bytes_max && self.chunks.len() > 1 {
            match self.chunks.front() {
                Some(front) if front.next <= durable_end => {}
                _ => break,
            }
            self.pop_front();
        }
    }

    /// Lets chunks that end at or below `end` go, whatever the size. The last chunk stays.
    pub fn evict_below(&mut self, end: Offset) {
        while self.chunks.len() > 1 && self.chunks.front().is_some_and(|front| front.next <= end) {
            self.pop_front();
        }
    }

    /// The segment now begins where the tail does. Gives the producer state there, encoded.
    pub fn begin_segment(&mut self) -> Bytes {
        self.before.facts = SegmentFacts::default();
        self.before.producers.encode()
    }

    fn pop_front(&mut self) {
        let Some(front) = self.chunks.pop_front() else { return };
        self.before.note(&front.batches, front.starts_segment);
        self.size -= front.size;
        self.start = front.next;
    }

    /// Drops every batch that ends above `end`; returns where the tail ends now.
    pub fn truncate(&mut self, end: Offset) -> Offset {
        while let Some(last) = self.chunks.back_mut() {
            if last.next <= end {
                return last.next;
            }
            while let Some(batch) = last.batches.pop_if(|batch| batch.facts.next > end) {
                last.size -= batch.facts.size;
                self.size -= batch.facts.size;
            }
            if let Some(batch) = last.batches.last() {
                last.next = batch.facts.next;
                return last.next;
            }
            self.chunks.pop_back();
        }
        self.start
    }

    /// The producer state at the tail's end, and the sums of the segment that begins at `segment_base`, up to there.
    pub fn state_at_end(&self, segment_base: Offset) -> (ProducerState, SegmentFacts) {
        let mut state = self.before.clone();
        self.chunks.iter().for_each(|chunk| state.note(&chunk.batches, chunk.starts_segment));
        let end = self.chunks.back().map_or(self.start, |chunk| chunk.next);
        let facts = if end <= segment_base { SegmentFacts::default() } else { state.facts };
        (state.producers, facts)
    }

    /// Whole batches from the one that holds `from`, all of them below `up_to`, up to `bytes_max` (but the first one
    /// even if it is larger, when `min_one`). None when the tail begins above `from`.
    pub fn read(&self, from: Offset, up_to: Offset, bytes_max: usize, min_one: bool) -> Option<Bytes> {
        if from < self.start {
            return None;
        }
        let first_chunk = self.chunks.partition_point(|chunk| chunk.next <= from);
        let mut picked: Vec<&Bytes> = Vec::new();
        let mut size = 0;
        let batches = self.chunks.range(first_chunk..).flat_map(|chunk| &chunk.batches);
        for batch in batches.skip_while(|batch| batch.facts.next <= from) {
            let fits = size + batch.facts.size <= bytes_max || (picked.is_empty() && min_one);
            if !fits || batch.facts.next > up_to {
                break;
            }
            size += batch.facts.size;
            picked.push(&batch.bytes);
        }
        Some(join(size, picked.into_iter()))
    }
}

/// One buffer of several; a single one is not copied.
pub(super) fn join<'a>(size: usize, mut pieces: impl Iterator<Item = &'a Bytes>) -> Bytes {
    let Some(first) = pieces.next() else { return Bytes::new() };
    if first.len() == size {
        return first.clone();
    }
    let mut all = BytesMut::with_capacity(size);
    all.extend_from_slice(first);
    pieces.for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}
