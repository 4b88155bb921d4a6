//! What the log knows of a segment beside its chunks, and the row that storage keeps of it.
//!
//! A row is written when a segment is opened and again when it is closed (and when the log start offset moves within
//! the active one, and as compaction goes on). Version 2, all numbers big-endian; an absent timestamp or offset is -1:
//!
//! ```text
//! at  bytes  field
//!  0      1  format version: 2
//!  1      4  CRC-32C of everything below
//!  5      1  flags: bit 0 = closed, bit 1 = sparse (offsets may be missing), bit 2 = all its chunks are sealed
//!  6      8  base offset
//! 14      8  log start offset when the row was written
//! 22      8  creation time, ms since the Unix epoch
//! 30      8  compacted up to this offset             (not in version 1)
//! 38      8  size of all batches, bytes              (0 while open)
//! 46      8  largest timestamp of the first batch    (-1 while open)
//! 54      8  largest timestamp                       (-1 while open)
//! 62      4  E: number of leader epochs; then E times: i32 epoch | i64 start offset
//!            open: the epoch in effect at the base; closed: that and all that begin within
//!         4  T: number of time index entries; then T times: i64 timestamp | i64 offset   (0 while open)
//!         4  P: size of the producer snapshot; then P bytes (drawn in producer_state.rs): the state at the base
//! ```
//!
//! So opening a log reads the rows, and scans the chunks of the last segment only.

use bytes::{BufMut, Bytes, BytesMut};

use super::batch_facts::BatchFacts;
use super::codec::Reader;
use super::epoch_cache::EpochEntry;
use crate::log::io::SegmentRow;
use crate::time::Instant;
use crate::types::{LeaderEpoch, Offset};

const ROW_VERSION: u8 = 2;
/// The version before compaction.
const ROW_VERSION_1: u8 = 1;
const FLAG_CLOSED: u8 = 1;
const FLAG_SPARSE: u8 = 2;
const FLAG_SEALED: u8 = 4;

/// Sums over a segment's batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentFacts {
    /// Size of all batches, in bytes.
    pub size_bytes: u64,
    /// The first batch's largest timestamp, ms: what `segment.ms` counts from.
    pub first_timestamp: Option<i64>,
    /// The largest timestamp, ms.
    pub max_timestamp: Option<i64>,
}

impl SegmentFacts {
    /// Adds a batch.
    pub fn note(&mut self, batch: &BatchFacts) {
        self.size_bytes += batch.size as u64;
        let timestamp = (batch.max_timestamp >= 0).then_some(batch.max_timestamp);
        if self.first_timestamp.is_none() {
            self.first_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
    }
}

/// A point of the sparse time index: no batch of the segment below `offset` has a timestamp above `timestamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeIndexEntry {
    /// The largest timestamp below `offset`, ms.
    pub timestamp: i64,
    /// The base offset of a batch.
    pub offset: Offset,
}

/// One segment. The last of a log is the active one, all others are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its first offset.
    pub base: Offset,
    /// When it was opened.
    pub created: Instant,
    /// Sums over its batches.
    pub facts: SegmentFacts,
    /// The sparse time index, ascending.
    pub time_index: Vec<TimeIndexEntry>,
    /// The producer state at `base`, encoded.
    pub producers_at_base: Bytes,
    /// Offsets may be missing in it: compaction took records out, here or at the leader they were fetched from. In a
    /// segment that is not sparse, a gap means that something was lost.
    pub sparse: bool,
    /// None of its chunks is from before there were seals.
    pub sealed: bool,
    /// Compacted up to here, if at all.
    pub cleaned_to: Option<Offset>,
}

impl Segment {
    /// An empty segment.
    pub fn open(base: Offset, created: Instant, producers_at_base: Bytes) -> Segment {
        Segment {
            base,
            created,
            facts: SegmentFacts::default(),
            time_index: Vec::new(),
            producers_at_base,
            sparse: false,
            sealed: true,
            cleaned_to: None,
        }
    }

    /// Adds a batch to the sums and, every `index_bytes`, to the time index.
    pub fn note(&mut self, batch: &BatchFacts, index_bytes: u64) {
        let indexed = self.facts.size_bytes / index_bytes;
        if (self.facts.size_bytes + batch.size as u64) / index_bytes > indexed
            && let Some(timestamp) = self.facts.max_timestamp
        {
            self.time_index.push(TimeIndexEntry { timestamp, offset: batch.base });
        }
        self.facts.note(batch);
    }

    /// This segment and the next one, both clean, as one that ends at `end`; none when that would be too large.
    pub(super) fn merged_with(&self, next: &Segment, segment_bytes: u64, end: Offset) -> Option<Segment> {
        let size_bytes = self.facts.size_bytes + next.facts.size_bytes;
        let offsets = end.0 - self.base.0;
        if self.cleaned_to != Some(next.base) || size_bytes > segment_bytes || offsets > i64::from(i32::MAX) {
            return None;
        }
        let facts = SegmentFacts {
            size_bytes,
            first_timestamp: self.facts.first_timestamp.or(next.facts.first_timestamp),
            max_timestamp: self.facts.max_timestamp.max(next.facts.max_timestamp),
        };
        let between =
            self.facts.max_timestamp.map(|timestamp| TimeIndexEntry { timestamp, offset: next.base });
        let mut time_index = self.time_index.clone();
        time_index.extend(between);
        for entry in &next.time_index {
            let timestamp = self.facts.max_timestamp.map_or(entry.timestamp, |max| max.max(entry.timestamp));
            time_index.push(TimeIndexEntry { timestamp, ..*entry });
        }
        let sealed = self.sealed && next.sealed;
        Some(Segment { facts, time_index, cleaned_to: next.cleaned_to, sparse: true, sealed, ..self.clone() })
    }

    /// Forgets index points beyond `end`; the sums are the caller's to correct.
    pub fn truncate_index(&mut self, end: Offset) {
        self.time_index.retain(|entry| entry.offset < end);
    }

    /// Where to begin looking for the first record at or after `timestamp`.
    pub fn scan_start(&self, timestamp: i64) -> Offset {
        self.time_index
            .iter()
            .rev()
            .find(|entry| entry.timestamp < timestamp)
            .map_or(self.base, |entry| entry.offset)
    }

    /// The bytes between two points of the time index: at most about a thousand points a segment.
    pub fn index_bytes(segment_bytes: u64) -> u64 {
        (segment_bytes / 1024).max(64 * 1024)
    }

    /// The row, as drawn above. `epochs`: those the row is to carry.
    pub fn encode(&self, closed: bool, log_start: Offset, epochs: &[EpochEntry]) -> SegmentRow {
        let mut body = BytesMut::with_capacity(80 + self.producers_at_base.len());
        let flags = [(closed, FLAG_CLOSED), (self.sparse, FLAG_SPARSE), (self.sealed, FLAG_SEALED)];
        body.put_u8(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum());
        body.put_i64(self.base.0);
        body.put_i64(log_start.0);
        body.put_u64(self.created.0);
        body.put_i64(self.cleaned_to.map_or(-1, |offset| offset.0));
        let (facts, index) = if closed {
            (self.facts, self.time_index.as_slice())
        } else {
            (SegmentFacts::default(), [].as_slice())
        };
        body.put_u64(facts.size_bytes);
        body.put_i64(facts.first_timestamp.unwrap_or(-1));
        body.put_i64(facts.max_timestamp.unwrap_or(-1));
        body.put_u32(epochs.len() as u32);
        for entry in epochs {
            body.put_i32(entry.epoch.0);
            body.put_i64(entry.start.0);
        }
        body.put_u32(index.len() as u32);
        for entry in index {
            body.put_i64(entry.timestamp);
            body.put_i64(entry.offset.0);
        }
        body.put_u32(self.producers_at_base.len() as u32);
        body.put_slice(&self.producers_at_base);

        let mut row = BytesMut::with_capacity(body.len() + 5);
        row.put_u8(ROW_VERSION);
        row.put_u32(crc32c::crc32c(&body));
        row.put_slice(&body);
        SegmentRow { base: self.base, bytes: row.freeze() }
    }
}

/// A row as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedRow {
    /// The segment; without sums and index if it was open.
    pub segment: Segment,
    /// True if it was closed when the row was written.
    pub closed: bool,
    /// The log start offset at that time.
    pub log_start: Offset,
    /// The leader epochs it carries.
    pub epochs: Vec<EpochEntry>,
}

/// Reads a row; none when it is damaged or of another version.
pub fn decode_row(row: &SegmentRow) -> Option<DecodedRow> {
    let mut reader = Reader(&row.bytes);
    let version = reader.u8()?;
    if ![ROW_VERSION, ROW_VERSION_1].contains(&version) || reader.u32()? != crc32c::crc32c(reader.0) {
        return None;
    }
    let present = |value: i64| (value >= 0).then_some(value);
    let flags = reader.u8()?;
    let closed = flags & FLAG_CLOSED != 0;
    let sparse = flags & FLAG_SPARSE != 0;
    let sealed = flags & FLAG_SEALED != 0;
    let base = Offset(reader.i64()?);
    let log_start = Offset(reader.i64()?);
    let created = Instant(reader.u64()?);
    let cleaned_to = if version == ROW_VERSION_1 { None } else { present(reader.i64()?).map(Offset) };
    let facts = SegmentFacts {
        size_bytes: reader.u64()?,
        first_timestamp: present(reader.i64()?),
        max_timestamp: present(reader.i64()?),
    };
    let mut epochs = Vec::new();
    for _ in 0..reader.u32()? {
        epochs.push(EpochEntry { epoch: LeaderEpoch(reader.i32()?), start: Offset(reader.i64()?) });
    }
    let mut time_index = Vec::new();
    for _ in 0..reader.u32()? {
        time_index.push(TimeIndexEntry { timestamp: reader.i64()?, offset: Offset(reader.i64()?) });
    }
    let size = reader.u32()? as usize;
    let producers_at_base = Bytes::copy_from_slice(reader.slice(size)?);
    let whole = reader.0.is_empty() && base == row.base;
    let segment = Segment { base, created, facts, time_index, producers_at_base, sparse, sealed, cleaned_to };
    whole.then_some(DecodedRow { segment, closed, log_start, epochs })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base: i64, size: usize, max_timestamp: i64) -> BatchFacts {
        BatchFacts {
            base: Offset(base),
            next: Offset(base + 1),
            size,
            epoch: Some(LeaderEpoch(0)),
            max_timestamp,
            producer: None,
        }
    }

    fn segment() -> Segment {
        let mut segment = Segment::open(Offset(10), Instant(5), Bytes::from_static(b"producers"));
        for i in 0..10 {
            segment.note(&batch(10 + i, 60, 100 + i), 100);
        }
        segment
    }

    #[test]
    fn a_closed_row_reads_back_whole() {
        let segment = segment();
        let epochs = vec![EpochEntry { epoch: LeaderEpoch(3), start: Offset(10) }];
        let row = segment.encode(true, Offset(4), &epochs);
        let found = decode_row(&row);
        assert_eq!(found, Some(DecodedRow { segment, closed: true, log_start: Offset(4), epochs }));
    }

    #[test]
    fn an_open_row_carries_no_sums() {
        let row = segment().encode(false, Offset(4), &[]);
        let found = decode_row(&row).expect("whole");
        assert_eq!(found.segment.facts, SegmentFacts::default());
        assert_eq!(found.segment.producers_at_base, Bytes::from_static(b"producers"));
        assert!(found.segment.time_index.is_empty() && !found.closed);
    }

    #[test]
    fn a_row_of_version_1_is_read() {
        let segment = segment();
        let epochs = vec![EpochEntry { epoch: LeaderEpoch(3), start: Offset(10) }];
        let row = segment.encode(true, Offset(4), &epochs);
        // As it was written then: without the offset up to which the segment is compacted.
        let body = [&row.bytes[5..30], &row.bytes[38..]].concat();
        let bytes = [&[1], &crc32c::crc32c(&body).to_be_bytes()[..], &body].concat();
        let found = decode_row(&SegmentRow { base: row.base, bytes: bytes.into() });
        assert_eq!(found, Some(DecodedRow { segment, closed: true, log_start: Offset(4), epochs }));
    }

    #[test]
    fn a_damaged_row_is_not_read() {
        let row = segment().encode(true, Offset(4), &[]);
        for at in 0..row.bytes.len() {
            let mut bytes = row.bytes.to_vec();
            bytes[at] ^= 1;
            assert_eq!(decode_row(&SegmentRow { base: row.base, bytes: bytes.into() }), None, "byte {at}");
        }
        assert_eq!(decode_row(&SegmentRow { base: row.base, bytes: row.bytes.slice(..20) }), None);
    }

    #[test]
    fn the_time_index_leads_to_a_place_before_the_timestamp() {
        let segment = segment();
        assert!(!segment.time_index.is_empty());
        for target in 95..115 {
            let start = segment.scan_start(target);
            assert!(start == Offset(10) || start.0 <= 10 + (target - 100).max(0), "{target}: {start}");
        }
        assert!(segment.scan_start(109) > Offset(16));
    }
}
