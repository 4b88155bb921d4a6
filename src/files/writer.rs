//! A partition's batches as files, piece by piece: no more than one fetched response is held, beside the indexes.

use bytes::Bytes;

use crate::protocol::batch::{BatchError, BatchHeader, batches, validate_stored};
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicName};

use super::INDEX_INTERVAL_BYTES;
use super::checkpoint::{self, EpochStart};
use super::index::{OffsetEntry, TimeEntry, write_offsets, write_times};
use super::path::{FileKind, FilePath};

/// Bytes that belong at the end of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file.
    pub path: FilePath,
    /// What is appended to it.
    pub bytes: Bytes,
}

/// Takes what was fetched of one partition, in order.
#[derive(Debug)]
pub struct PartitionWriter {
    topic: TopicName,
    partition: PartitionIndex,
    segment_bytes: u64,
    /// Batches that end at or below this offset are written, or were never asked for.
    next: Offset,
    begun: bool,
    segment: Option<Segment>,
    epochs: Vec<EpochStart>,
}

#[derive(Debug)]
struct Segment {
    base: Offset,
    bytes: u64,
    since_entry: u64,
    /// The largest timestamp so far, and the last offset of the first batch that had it.
    newest: Option<TimeEntry>,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
}

impl PartitionWriter {
    /// Writes from `start` on (in whole batches: the first may begin below it). A segment gets at most `segment_bytes`,
    /// or one batch.
    pub fn new(
        topic: TopicName,
        partition: PartitionIndex,
        start: Offset,
        segment_bytes: u64,
    ) -> PartitionWriter {
        let epochs = Vec::new();
        PartitionWriter { topic, partition, segment_bytes, next: start, begun: false, segment: None, epochs }
    }

    /// From where to fetch on.
    pub fn next_offset(&self) -> Offset {
        self.next
    }

    /// Takes what a fetch brought: whole batches that begin below `up_to`. What was written already is left out, as is a
    /// last batch that is cut short. Batches are checked, for a file that is wrong is worse than none.
    pub fn write(&mut self, fetched: &Bytes, up_to: Offset) -> Result<Vec<Piece>, BatchError> {
        let mut pieces = Vec::new();
        let mut run = 0..0;
        for found in batches(fetched) {
            let (header, range) = match found {
                Ok(found) => found,
                Err(BatchError::CutShort) => break,
                Err(error) => return Err(error),
            };
            if header.base_offset >= up_to {
                break;
            }
            if header.next_offset() <= self.next {
                continue;
            }
            validate_stored(fetched.get(range.clone()).unwrap_or_default())?;
            let rolls = self.segment.as_ref().is_some_and(|segment| !self.has_room(segment, &header));
            if rolls || run.end != range.start {
                pieces.extend(self.piece(fetched, run));
                run = range.start..range.start;
            }
            if rolls {
                pieces.extend(self.close_segment());
            }
            run.end = range.end;
            self.note(&header);
        }
        pieces.extend(self.piece(fetched, run));
        Ok(pieces)
    }

    /// The rest: indexes of the last segment, and the epochs. An empty partition has a segment, too.
    pub fn finish(mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if self.segment.is_none() {
            self.segment = Some(Segment::new(self.next));
            pieces.push(Piece { path: self.path(FileKind::Log(self.next)), bytes: Bytes::new() });
        }
        pieces.extend(self.close_segment());
        let epochs = Bytes::from(checkpoint::write(&self.epochs));
        pieces.push(Piece { path: self.path(FileKind::LeaderEpochs), bytes: epochs });
        pieces
    }

    fn path(&self, kind: FileKind) -> FilePath {
        FilePath { topic: self.topic.clone(), partition: self.partition, kind }
    }

    fn piece(&self, fetched: &Bytes, run: std::ops::Range<usize>) -> Option<Piece> {
        let segment = self.segment.as_ref().filter(|_| !run.is_empty())?;
        Some(Piece { path: self.path(FileKind::Log(segment.base)), bytes: fetched.slice(run) })
    }

    fn has_room(&self, segment: &Segment, header: &BatchHeader) -> bool {
        let fits = segment.bytes + header.size_in_bytes() as u64 <= self.segment_bytes;
        // Positions and relative offsets are an i32 in the indexes.
        let near = header.last_offset().0 - segment.base.0 <= i64::from(i32::MAX);
        fits && near && segment.bytes <= i32::MAX as u64
    }

    fn note(&mut self, header: &BatchHeader) {
        let (base, epoch) = (header.base_offset, header.partition_leader_epoch);
        if epoch >= LeaderEpoch(0) && self.epochs.last().is_none_or(|last| last.epoch < epoch) {
            self.epochs.push(EpochStart { epoch, start: base });
        }
        // The first file is named by the log's start, also where compaction took what was there.
        let far = base.0 - self.next.0 > i64::from(i32::MAX / 2);
        let name = if self.begun || far { base } else { base.min(self.next) };
        self.begun = true;
        self.segment.get_or_insert_with(|| Segment::new(name)).note(header);
        self.next = header.next_offset();
    }

    fn close_segment(&mut self) -> Vec<Piece> {
        let Some(mut segment) = self.segment.take() else { return Vec::new() };
        segment.note_time();
        let base = segment.base;
        let offsets = write_offsets(base, &segment.offsets);
        let times = write_times(base, &segment.times);
        vec![
            Piece { path: self.path(FileKind::OffsetIndex(base)), bytes: offsets.into() },
            Piece { path: self.path(FileKind::TimeIndex(base)), bytes: times.into() },
        ]
    }
}

impl Segment {
    fn new(base: Offset) -> Segment {
        Segment { base, bytes: 0, since_entry: 0, newest: None, offsets: Vec::new(), times: Vec::new() }
    }

    /// As Kafka's `LogSegment.append`, batch by batch.
    fn note(&mut self, header: &BatchHeader) {
        let (offset, timestamp) = (header.last_offset(), header.max_timestamp);
        // Kafka's -1: records without a time.
        if timestamp >= 0 && self.newest.is_none_or(|newest| newest.timestamp < timestamp) {
            self.newest = Some(TimeEntry { timestamp, offset });
        }
        if self.since_entry > INDEX_INTERVAL_BYTES {
            // A position fits: a segment with no room for it was closed.
            self.offsets.push(OffsetEntry { offset, position: self.bytes as u32 });
            self.note_time();
            self.since_entry = 0;
        }
        let size = header.size_in_bytes() as u64;
        self.bytes += size;
        self.since_entry += size;
    }

    fn note_time(&mut self) {
        let last = self.times.last().map(|entry| entry.timestamp);
        self.times.extend(self.newest.filter(|newest| last.is_none_or(|last| last < newest.timestamp)));
    }
}
