//! The record batch of magic 2, as bytes: its header, its validation, and the few fields a broker may set.
//!
//! ```text
//!  0  base offset             i64   set by the leader
//!  8  batch length            i32   bytes after this field
//! 12  partition leader epoch  i32   set by the leader
//! 16  magic                   i8    2
//! 17  CRC-32C                 u32   of all bytes from 21 on
//! 21  attributes              i16   bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
//! 23  last offset delta       i32
//! 27  base timestamp          i64   with bit 6: from when on tombstones may go (KIP-534)
//! 35  max timestamp           i64
//! 43  producer id             i64   -1 without
//! 51  producer epoch          i16
//! 53  base sequence           i32
//! 57  record count            i32
//! 61  records
//! ```
//!
//! The CRC leaves out the base offset and the leader epoch, so that a leader sets both without touching it.

use std::ops::Range;

use crate::types::{Compression, LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::ErrorCode;

/// Bytes before the first record.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Bytes before the batch length begins to count.
const LENGTH_STARTS: usize = 12;
const CRC_STARTS: usize = 21;

/// The attribute that says that the base timestamp is a delete horizon.
pub(super) const DELETE_HORIZON: i16 = 0x40;

/// What is wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchError {
    /// Fewer bytes than the header says, or than a header has.
    CutShort,
    /// Bytes after the batch where exactly one was to be.
    TrailingBytes,
    /// A format before magic 2 (or after).
    Magic(i8),
    /// The checksum does not fit: the bytes changed on the way.
    Crc {
        /// In the header.
        stored: u32,
        /// Of the bytes.
        computed: u32,
    },
    /// A field contradicts another.
    Inconsistent(&'static str),
    /// The records, once decompressed, do not parse, or are larger than the limit.
    Records(&'static str),
}

impl BatchError {
    /// Kafka's code for it (`ByteBufferLogInputStream`, `ProduceRequest.validateRecords`, `LogValidator`).
    pub fn code(&self) -> ErrorCode {
        match self {
            // A magic there never was.
            BatchError::Magic(magic) if !(0..=1).contains(magic) => ErrorCode::CorruptMessage,
            BatchError::Magic(_)
            | BatchError::Inconsistent(_)
            | BatchError::Records(_)
            | BatchError::TrailingBytes => ErrorCode::InvalidRecord,
            BatchError::CutShort | BatchError::Crc { .. } => ErrorCode::CorruptMessage,
        }
    }
}

impl std::fmt::Display for BatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BatchError::CutShort => f.write_str("the batch is cut short"),
            BatchError::TrailingBytes => f.write_str("bytes follow the batch"),
            BatchError::Magic(magic) => write!(f, "magic {magic} is not served, only 2"),
            BatchError::Crc { stored, computed } => {
                write!(f, "the checksum is {stored:08x}, the bytes give {computed:08x}")
            }
            BatchError::Inconsistent(what) | BatchError::Records(what) => f.write_str(what),
        }
    }
}

/// A batch's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Bytes after the length field.
    pub batch_length: i32,
    /// The epoch of the leader that appended it; -1 before it was.
    pub partition_leader_epoch: LeaderEpoch,
    /// CRC-32C of the bytes from the attributes on.
    pub crc: u32,
    /// See the module's table.
    pub attributes: i16,
    /// The last record's offset, from the base.
    pub last_offset_delta: i32,
    /// Of the first record, ms since the Unix epoch.
    pub base_timestamp: i64,
    /// The largest.
    pub max_timestamp: i64,
    /// The idempotent producer.
    pub producer_id: Option<ProducerId>,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// The sequence number of the first record; -1 without a producer id.
    pub base_sequence: i32,
    /// How many records.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header; checks the magic and that a length is sane, no more.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let header: &[u8; BATCH_HEADER_BYTES] = bytes.first_chunk().ok_or(BatchError::CutShort)?;
        if header[16] != 2 {
            return Err(BatchError::Magic(header[16] as i8));
        }
        let batch_length = i32_at(header, 8);
        if batch_length < (BATCH_HEADER_BYTES - LENGTH_STARTS) as i32 {
            return Err(BatchError::CutShort);
        }
        let producer_id = i64_at(header, 43);
        Ok(BatchHeader {
            base_offset: Offset(i64_at(header, 0)),
            batch_length,
            partition_leader_epoch: LeaderEpoch(i32_at(header, 12)),
            crc: i32_at(header, 17) as u32,
            attributes: i16_at(header, 21),
            last_offset_delta: i32_at(header, 23),
            base_timestamp: i64_at(header, 27),
            max_timestamp: i64_at(header, 35),
            producer_id: (producer_id >= 0).then_some(ProducerId(producer_id)),
            producer_epoch: ProducerEpoch(i16_at(header, 51)),
            base_sequence: i32_at(header, 53),
            record_count: i32_at(header, 57),
        })
    }

    /// Offset of the last record. No base offset on the wire makes it overflow.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)))
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// The whole batch in bytes, header included.
    pub fn size_in_bytes(&self) -> usize {
        LENGTH_STARTS + self.batch_length as usize
    }

    /// The codec; none for bits that mean none known.
    pub fn compression(&self) -> Option<Compression> {
        Compression::from_bits(self.attributes)
    }

    /// True when timestamps are the broker's (LogAppendTime).
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & 0x08 != 0
    }

    /// From when on the batch's tombstones may go, ms: set by the first compaction that met them (KIP-534).
    pub fn delete_horizon(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// True for a batch of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// True for a batch of the broker's own: transaction markers, leader changes.
    pub fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// The sequence number of the last record, which wraps from `i32::MAX` to 0.
    pub fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// The sequence number `count` further on; `i32::MAX` is followed by 0.
pub fn sequence_after(sequence: i32, count: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(count);
    if sum > i64::from(i32::MAX) { (sum - i64::from(i32::MAX) - 1) as i32 } else { sum as i32 }
}

/// The batches of a run of bytes, each with its place. A cut or broken one ends the run with an error.
pub fn batches(bytes: &[u8]) -> impl Iterator<Item = Result<(BatchHeader, Range<usize>), BatchError>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let found = BatchHeader::parse(rest).and_then(|header| {
            let size = header.size_in_bytes();
            if size > rest.len() { Err(BatchError::CutShort) } else { Ok((header, at..at + size)) }
        });
        at = found.as_ref().map_or(bytes.len(), |(_, range)| range.end);
        Some(found)
    })
}

/// Checks one whole batch as a leader must before it appends it: on top of `validate_stored`, no offset of it is unused.
pub fn validate_batch(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = validate_stored(bytes)?;
    if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
        return Err(BatchError::Inconsistent("the record count does not fit the last offset delta"));
    }
    if header.producer_id.is_some() && header.base_sequence < 0 {
        return Err(BatchError::Inconsistent("a producer id without a sequence number"));
    }
    if header.delete_horizon().is_some() {
        return Err(BatchError::Inconsistent("a delete horizon, which only compaction sets"));
    }
    Ok(header)
}

/// Checks one whole batch of a log. Compaction may have taken records, or all of them, out of it.
pub fn validate_stored(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(bytes)?;
    let size = header.size_in_bytes();
    if size > bytes.len() {
        return Err(BatchError::CutShort);
    }
    if size < bytes.len() {
        return Err(BatchError::TrailingBytes);
    }
    let computed = crc32c::crc32c(bytes.get(CRC_STARTS..).unwrap_or_default());
    if computed != header.crc {
        return Err(BatchError::Crc { stored: header.crc, computed });
    }
    if header.compression().is_none() {
        return Err(BatchError::Inconsistent("the compression codec is unknown"));
    }
    let records_max = i64::from(header.last_offset_delta) + 1;
    if header.last_offset_delta < 0 || !(0..=records_max).contains(&i64::from(header.record_count)) {
        return Err(BatchError::Inconsistent("more records than offsets"));
    }
    if header.producer_id.is_some() && header.producer_epoch.0 < 0 {
        return Err(BatchError::Inconsistent("a producer id without an epoch"));
    }
    if header.is_transactional() && header.producer_id.is_none() {
        return Err(BatchError::Inconsistent("a transactional batch without a producer id"));
    }
    Ok(header)
}

/// Sets the base offset of a whole batch.
pub fn set_base_offset(batch: &mut [u8], offset: Offset) {
    put(batch, 0, &offset.0.to_be_bytes());
}

/// Sets the leader epoch of a whole batch.
pub fn set_leader_epoch(batch: &mut [u8], epoch: LeaderEpoch) {
    put(batch, 12, &epoch.0.to_be_bytes());
}

/// Makes the broker's time the time of a whole batch, and renews its checksum.
pub fn set_log_append_time(batch: &mut [u8], timestamp: i64) {
    if let Some(low) = batch.get_mut(22) {
        *low |= 0x08;
    }
    put(batch, 35, &timestamp.to_be_bytes());
    renew_crc(batch);
}

/// Sets the largest timestamp of a whole batch, and renews its checksum.
pub fn set_max_timestamp(batch: &mut [u8], timestamp: i64) {
    put(batch, 35, &timestamp.to_be_bytes());
    renew_crc(batch);
}

/// Names the codec of a batch whose records were replaced; sets its length and checksum too.
pub(super) fn set_compression(batch: &mut [u8], header: &BatchHeader, codec: Compression) {
    put(batch, 8, &((batch.len() - LENGTH_STARTS) as i32).to_be_bytes());
    put(batch, 21, &((header.attributes & !7) | codec.bits()).to_be_bytes());
    renew_crc(batch);
}

/// Sets the idempotent producer's marks of a whole batch, and renews its checksum.
pub fn set_producer(batch: &mut [u8], id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) {
    put(batch, 43, &id.0.to_be_bytes());
    put(batch, 51, &epoch.0.to_be_bytes());
    put(batch, 53, &base_sequence.to_be_bytes());
    renew_crc(batch);
}

/// Computes and sets the checksum of a whole batch.
pub(super) fn renew_crc(batch: &mut [u8]) {
    let crc = crc32c::crc32c(batch.get(CRC_STARTS..).unwrap_or_default());
    put(batch, 17, &crc.to_be_bytes());
}

/// Writes a field of a header.
pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn i16_at(header: &[u8; BATCH_HEADER_BYTES], at: usize) -> i16 {
    i16::from_be_bytes(fixed(header, at))
}

fn i32_at(header: &[u8; BATCH_HEADER_BYTES], at: usize) -> i32 {
    i32::from_be_bytes(fixed(header, at))
}

fn i64_at(header: &[u8; BATCH_HEADER_BYTES], at: usize) -> i64 {
    i64::from_be_bytes(fixed(header, at))
}

fn fixed<const N: usize>(header: &[u8; BATCH_HEADER_BYTES], at: usize) -> [u8; N] {
    std::array::from_fn(|index| header.get(at + index).copied().unwrap_or_default())
}
