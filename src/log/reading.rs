//! What a reader gets of chunks from storage: whole batches, as they were stored, without a hole between
//! them.

use std::ops::Range;

use bytes::Bytes;

use super::partition_log::PartitionLog;
use super::seal::stored_batches;
use super::tail::join;
use crate::log::io::Chunk;
use crate::protocol::batch::{self, BatchHeader};
use crate::types::Offset;

/// Storage does not hold what the log once stored: a chunk is gone, or is not the batches that belong there. Remedy: read
/// it from another replica; what lies behind it can be read (`CORRUPT_MESSAGE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    /// The first offset that is not there.
    pub at: Offset,
    /// Where records go on, as far as was read.
    pub next: Option<Offset>,
}

impl PartitionLog {
    /// Cuts what reads from storage gave to what `read` would have returned, with the same arguments (less, when the log's
    /// end has left memory since, or up to where storage is damaged). What was read before a truncation must not be given.
    pub fn supply(
        &self,
        chunks: &[Chunk],
        from: Offset,
        up_to: Offset,
        bytes_max: usize,
        min_one: bool,
    ) -> Result<Bytes, Damaged> {
        let up_to = up_to.min(self.log_end);
        if let Some(bytes) = self.tail.read(from, up_to, bytes_max, min_one) {
            return Ok(bytes);
        }
        let up_to = up_to.min(self.stored_end());
        let mut picked = Picked { at: from, size: 0, pieces: Vec::new() };
        let limited = self.pick(&mut picked, chunks, up_to, bytes_max, min_one);
        if limited || picked.size > 0 || from >= up_to || self.deleted {
            Ok(join(picked.size, picked.pieces.iter()))
        } else {
            let after = |chunk: &Chunk| {
                let whole = self.batches_of(chunk).map_while(|found| found);
                let whole = whole.filter(|(_, range)| is_whole(chunk, range.clone()));
                whole.map(|(header, _)| header.base_offset).find(|base| *base > from)
            };
            Err(Damaged { at: from, next: chunks.iter().find_map(after) })
        }
    }

    /// Picks batches up to a limit (true), or to where there is no next one (false).
    fn pick(
        &self,
        picked: &mut Picked,
        chunks: &[Chunk],
        up_to: Offset,
        bytes_max: usize,
        min_one: bool,
    ) -> bool {
        for chunk in chunks {
            let mut run = 0..0;
            let mut end = None;
            for found in self.batches_of(chunk) {
                let Some((header, range)) = found else {
                    end = Some(false);
                    break;
                };
                // Chunks of two reads may overlap, when the log was compacted between them.
                if header.next_offset() <= picked.at {
                    continue;
                }
                if !self.may_lack(picked.at, header.base_offset) {
                    end = Some(false);
                    break;
                }
                let fits = picked.size + range.len() <= bytes_max || (picked.size == 0 && min_one);
                if !fits || header.next_offset() > up_to {
                    // A first one that is damaged may only claim to end there: nobody would ever get past it.
                    end = Some(picked.size > 0 || is_whole(chunk, range));
                    break;
                }
                if !is_whole(chunk, range.clone()) {
                    end = Some(false);
                    break;
                }
                picked.size += range.len();
                picked.at = header.next_offset();
                run = if run.is_empty() { range } else { run.start..range.end };
            }
            if !run.is_empty() {
                picked.pieces.push(chunk.bytes.slice(run));
            }
            if let Some(limited) = end {
                return limited;
            }
        }
        false
    }

    /// A chunk's batches; none in the place of the first that can't be what was stored there.
    fn batches_of<'a>(
        &'a self,
        chunk: &'a Chunk,
    ) -> impl Iterator<Item = Option<(BatchHeader, Range<usize>)>> + 'a {
        let mut before = None;
        stored_batches(chunk, self.is_sealed(chunk.base)).map(move |found| {
            let (header, range) = found.ok()?;
            let expected = before.replace(header.next_offset());
            let fits = match expected {
                Some(next) => header.base_offset >= next && self.may_lack(next, header.base_offset),
                None => header.base_offset == chunk.base,
            };
            fits.then_some((header, range))
        })
    }

    /// True when a chunk that begins at `base` can't be from before there were seals.
    pub(super) fn is_sealed(&self, base: Offset) -> bool {
        self.segments.iter().rfind(|segment| segment.base <= base).is_none_or(|segment| segment.sealed)
    }

    /// True when all offsets from `at` to `next` (exclusive) may be missing: each segment that they are in is sparse.
    fn may_lack(&self, at: Offset, next: Offset) -> bool {
        let first = self.segments.partition_point(|segment| segment.base <= at).saturating_sub(1);
        at >= next || self.segments.iter().skip(first).take_while(|s| s.base < next).all(|s| s.sparse)
    }
}

/// True when a batch's bytes are what was stored, by its checksum.
fn is_whole(chunk: &Chunk, range: Range<usize>) -> bool {
    chunk.bytes.get(range).is_some_and(|bytes| batch::validate_stored(bytes).is_ok())
}

struct Picked {
    /// The next offset wanted.
    at: Offset,
    size: usize,
    pieces: Vec<Bytes>,
}
