//! Reading ahead: who reads a partition in sequence below what memory holds (a consumer that catches up, a follower far
//! behind) finds its next records read already, or on their way, instead of waiting for storage each time.
//!
//! After each fetch that storage has served, what it read beyond is kept, and where that is not enough for two more fetches
//! of the size, more is read at once. All streams together keep `BYTES_MAX`; the one unused for longest goes first.

use std::collections::VecDeque;

use crate::effects::Effects;
use crate::log::io::{Chunk, IoOp, IoResult};
use crate::log::{PartitionLog, ReadOutcome, stored_batches};
use crate::protocol::batch::BatchHeader;
use crate::time::Instant;
use crate::types::{LogId, Offset};

use super::manager::{IoFor, ReplicaManager};

/// Chunks of all streams together, at most (but one stream may have more, while it is the only one).
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The streams of one broker, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    streams: VecDeque<Stream>,
    next_id: u64,
}

/// One reader's way through a log.
#[derive(Debug)]
struct Stream {
    id: u64,
    log: LogId,
    /// The log's count when the chunks were read: after another truncation they say nothing.
    truncations: u64,
    /// What the reader will ask for.
    next: Offset,
    chunks: Vec<Chunk>,
    /// Bytes of chunks, also of those on their way.
    size: usize,
    reading: bool,
    /// Its chunks are with a fetch, which brings back what it leaves of them (or not: then the stream has a hole).
    lent: bool,
    /// The fetch that waits for what is being read, and which of its entries.
    waiter: Option<(u64, usize)>,
}

/// What a stream has for a fetch.
pub(super) enum Ahead {
    /// The chunks.
    Ready(Vec<Chunk>),
    /// The fetch will be told.
    Underway,
    /// Nothing: it must read.
    Nothing,
}

impl ReadAhead {
    /// What there is for entry `waiter` of a fetch, which wants this log from `from`.
    pub fn claim(
        &mut self,
        log: LogId,
        truncations: u64,
        (from, bytes_max): (Offset, usize),
        waiter: (u64, usize),
    ) -> Ahead {
        let fits =
            |stream: &Stream| stream.log == log && stream.next == from && stream.truncations == truncations;
        let free = |stream: &Stream| !stream.lent && stream.waiter.is_none();
        let found = self.streams.iter().position(|stream| fits(stream) && free(stream));
        let Some(mut stream) = found.and_then(|at| self.streams.remove(at)) else { return Ahead::Nothing };
        if !stream.reading {
            return Ahead::Ready(stream.chunks);
        }
        let here: usize = stream.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        let ahead = if here < (bytes_max / 2).max(1) {
            // Too little for a response of its own.
            stream.waiter = Some(waiter);
            Ahead::Underway
        } else {
            stream.lent = true;
            Ahead::Ready(std::mem::take(&mut stream.chunks))
        };
        self.streams.push_back(stream);
        ahead
    }

    /// The stream whose chunks were given to a fetch from `from`, while it reads more.
    fn lender(&mut self, log: LogId, from: Offset) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.lent && stream.log == log && stream.next == from)
    }

    fn add(&mut self, stream: Stream) {
        self.streams.push_back(stream);
        let mut size: usize = self.streams.iter().map(|stream| stream.size).sum();
        let last = self.streams.len() - 1;
        let mut at = 0;
        self.streams.retain(|stream| {
            at += 1;
            let goes = size > BYTES_MAX && at <= last && stream.waiter.is_none();
            size -= if goes { stream.size } else { 0 };
            !goes
        });
    }
}

impl ReplicaManager {
    /// A fetch was given what lies from `from` to `next`, out of `chunks`, and may want as much again.
    pub(super) fn read_on(
        &mut self,
        log: LogId,
        (from, next): (Offset, Offset),
        mut chunks: Vec<Chunk>,
        bytes_max: usize,
        fx: &mut Effects,
    ) {
        let Some(partition) = self.partitions.get(&log) else { return };
        chunks.retain(|chunk| end_of(chunk) > next);
        if let Some(stream) = self.read_ahead.lender(log, from) {
            (stream.next, stream.chunks, stream.lent) = (next, chunks, false);
            return;
        }
        let end = chunks.last().map_or(next, end_of);
        let kept: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        let more = (kept < 2 * bytes_max).then(|| stored_from(&partition.log, end, bytes_max)).flatten();
        if chunks.is_empty() && more.is_none() {
            return;
        }
        let truncations = partition.log.truncations();
        let id = self.read_ahead.next_id;
        self.read_ahead.next_id += 1;
        let (reading, size) = (more.is_some(), kept + more.as_ref().map_or(0, |_| bytes_max));
        let stream = Stream { id, log, truncations, next, chunks, size, reading, lent: false, waiter: None };
        self.read_ahead.add(stream);
        if let Some(op) = more {
            self.submit_read(op, IoFor::ReadAhead(id), fx);
        }
    }

    /// Storage has read ahead.
    pub(super) fn read_ahead_done(&mut self, now: Instant, id: u64, result: IoResult, fx: &mut Effects) {
        let streams = &mut self.read_ahead.streams;
        let Some(at) = streams.iter().position(|stream| stream.id == id) else { return };
        let Some(mut stream) = streams.remove(at).filter(|stream| !stream.lent) else { return };
        let result = match result {
            IoResult::Read(found) => {
                stream.chunks.extend(found);
                IoResult::Read(std::mem::take(&mut stream.chunks))
            }
            failed => failed,
        };
        match (stream.waiter, result) {
            (Some((number, entry)), result) => self.fetch_read(now, number, entry, result, fx),
            (None, IoResult::Read(chunks)) => {
                let size = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
                self.read_ahead.add(Stream { chunks, size, reading: false, ..stream });
            }
            // Who wants it reads it, and is told.
            (None, _) => {}
        }
    }
}

/// The offset after a chunk's last record; beyond all others for a damaged one, which is to be met and not passed over.
fn end_of(chunk: &Chunk) -> Offset {
    let next = |found: Result<(BatchHeader, _), _>| found.map_or(Offset(i64::MAX), |(h, _)| h.next_offset());
    stored_batches(chunk, false).last().map_or(chunk.base, next)
}

/// The read that goes on at `from`, if what comes there is in storage only.
fn stored_from(log: &PartitionLog, from: Offset, bytes_max: usize) -> Option<IoOp> {
    match log.read(from, log.log_end_offset(), bytes_max, true) {
        ReadOutcome::NeedsIo(op) => Some(op),
        ReadOutcome::Batches(_) | ReadOutcome::OutOfRange => None,
    }
}
