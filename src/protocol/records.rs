//! Records inside a batch, and the builder of batches.
//!
//! A record: length, attributes (i8, 0), timestamp delta, offset delta, key, value, headers; lengths, deltas and counts
//! are zigzag varints, a length of -1 is null.

use std::borrow::Cow;

use bytes::Bytes;

use crate::types::{Compression, LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::batch::{
    BATCH_HEADER_BYTES, BatchError, BatchHeader, renew_crc, set_compression, validate_batch, validate_stored,
};
use super::compression::{compress, decompress};

/// A record's header: a name and perhaps a value.
pub type RecordHeader = (String, Option<Bytes>);

/// One record, with its place and time as the batch gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the partition.
    pub offset: Offset,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<RecordHeader>,
}

/// Records of one batch and their headers, together, at most. Each costs a reader about 100 bytes, however small it is in
/// the batch; the largest batch taken, 16 MiB, holds fewer records uncompressed.
const PARTS_MAX: usize = 2_500_000;
/// A record is no smaller than its seven fields without bytes.
const RECORD_BYTES_MIN: usize = 7;

/// Checks a whole batch and reads its records.
pub fn decode_records(batch: &Bytes) -> Result<Vec<Record>, BatchError> {
    let header = validate_stored(batch)?;
    let body = open(batch, &header)?;
    let mut records = Vec::new();
    let mut reader = Reader::new(&body);
    let owned = |bytes: &[u8]| body.slice_ref(bytes);
    for _ in 0..header.record_count {
        let mut headers = Vec::new();
        let record =
            reader.record(&header, |name, value| headers.push((name.to_owned(), value.map(owned))))?;
        records.push(Record {
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(owned),
            value: record.value.map(owned),
            headers,
        });
    }
    reader.finish()?;
    Ok(records)
}

/// A batch with the places of its fields, for a person to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedBatch {
    /// The batch's header.
    pub header: BatchHeader,
    /// The records' bytes, decompressed.
    pub body: Bytes,
    /// Of each record where each of its fields ends in `body`: length, attributes, timestamp delta, offset delta, key
    /// length, key, value length, value, header count, and of each header name length, name, value length, value. A field
    /// without bytes (a null) ends where it begins; a record begins where the one before ends.
    pub field_ends: Vec<Vec<usize>>,
}

/// Checks a whole batch, and finds where its fields lie.
pub fn inspect_batch(batch: &Bytes) -> Result<InspectedBatch, BatchError> {
    let header = validate_stored(batch)?;
    let body = open(batch, &header)?;
    let mut reader = Reader::new(&body);
    let mut field_ends = Vec::new();
    for _ in 0..header.record_count {
        let mut look = reader.clone();
        reader.record(&header, |_, _| ())?;
        field_ends.push(look.field_ends(body.len())?);
    }
    reader.finish()?;
    Ok(InspectedBatch { header, body, field_ends })
}

/// A batch that `check_records` found right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecords {
    batch: Bytes,
    /// The batch's header.
    pub header: BatchHeader,
    /// Every record has a key.
    pub all_keyed: bool,
    /// The largest of the records' timestamps, ms: what the header should say.
    pub max_timestamp: i64,
}

impl CheckedRecords {
    /// The batch.
    pub fn batch(&self) -> &Bytes {
        &self.batch
    }
}

/// Checks a whole batch down to its records, as a leader must before it gives them offsets: they are there, as many as
/// the header says, in order. It keeps none of them.
pub fn check_records(batch: &Bytes) -> Result<CheckedRecords, BatchError> {
    let header = validate_batch(batch)?;
    let body = open(batch, &header)?;
    let mut reader = Reader::new(&body);
    let mut next = None;
    let mut all_keyed = true;
    let mut max_timestamp = -1;
    for _ in 0..header.record_count {
        let record = reader.record(&header, |_, _| ())?;
        if next.is_some_and(|next| next != record.offset) {
            return Err(BatchError::Records("the offsets of the records are not consecutive"));
        }
        next = Some(record.offset.plus(1));
        all_keyed &= record.key.is_some();
        max_timestamp = max_timestamp.max(record.timestamp);
    }
    reader.finish()?;
    Ok(CheckedRecords { batch: batch.clone(), header, all_keyed, max_timestamp })
}

/// The same batch in another codec.
pub fn recompress(batch: &Bytes, codec: Compression) -> Result<Bytes, BatchError> {
    let header = validate_stored(batch)?;
    let records = open(batch, &header)?;
    let body = compress(codec, &records)?;
    let mut recompressed = batch.slice(..BATCH_HEADER_BYTES).to_vec();
    recompressed.extend_from_slice(&body);
    set_compression(&mut recompressed, &header, codec);
    Ok(Bytes::from(recompressed))
}

/// A batch's records, decompressed: enough bytes for as many as its header claims.
fn open(batch: &Bytes, header: &BatchHeader) -> Result<Bytes, BatchError> {
    let body = batch.slice(BATCH_HEADER_BYTES..);
    let body = match header.compression() {
        Some(Compression::None) => body,
        Some(codec) => Bytes::from(decompress(codec, &body)?),
        None => return Err(BatchError::Inconsistent("the compression codec is unknown")),
    };
    if header.record_count.max(0) as usize > body.len() / RECORD_BYTES_MIN {
        return Err(BatchError::Inconsistent("the batch claims more records than its bytes can hold"));
    }
    Ok(body)
}

/// A record where it lies.
struct RecordRef<'a> {
    offset: Offset,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

#[derive(Clone)]
struct Reader<'a> {
    bytes: &'a [u8],
    /// Records and headers that may still come.
    parts_left: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, parts_left: PARTS_MAX }
    }

    fn record(
        &mut self,
        batch: &BatchHeader,
        mut each_header: impl FnMut(&'a str, Option<&'a [u8]>),
    ) -> Result<RecordRef<'a>, BatchError> {
        self.count_part()?;
        let length = self.varint()?;
        let rest = self.bytes.len();
        self.take(1)?;
        let timestamp = match batch.is_log_append_time() {
            true => {
                self.varlong()?;
                batch.max_timestamp
            }
            false => batch.base_timestamp.wrapping_add(self.varlong()?),
        };
        let offset_delta = self.varint()?;
        let key = self.nullable()?;
        let value = self.nullable()?;
        let count = self.varint()?;
        for _ in 0..count {
            self.count_part()?;
            let name = self.nullable()?.ok_or(BatchError::Records("a header without a name"))?;
            let name = std::str::from_utf8(name);
            let name = name.map_err(|_| BatchError::Records("a header's name is not UTF-8"))?;
            each_header(name, self.nullable()?);
        }
        if count < 0 || rest - self.bytes.len() != length as usize {
            return Err(BatchError::Records("a record's length does not fit its fields"));
        }
        if !(0..=batch.last_offset_delta).contains(&offset_delta) {
            return Err(BatchError::Records("a record's offset is outside its batch"));
        }
        let offset = Offset(batch.base_offset.0.saturating_add(offset_delta.into()));
        Ok(RecordRef { offset, timestamp, key, value })
    }

    /// Where each field of a record that was read before ends, of `whole` bytes.
    fn field_ends(&mut self, whole: usize) -> Result<Vec<usize>, BatchError> {
        let mut ends = Vec::new();
        self.varint()?;
        ends.push(whole - self.bytes.len());
        self.take(1)?;
        ends.push(whole - self.bytes.len());
        self.varlong()?;
        ends.push(whole - self.bytes.len());
        self.varint()?;
        ends.push(whole - self.bytes.len());
        // Key and value, then of each header name and value.
        let mut left = 2;
        let mut counted = false;
        while left > 0 {
            let length = self.varint()?;
            ends.push(whole - self.bytes.len());
            self.take(length.max(0) as usize)?;
            ends.push(whole - self.bytes.len());
            left -= 1;
            if left == 0 && !counted {
                counted = true;
                left = self.varint()?.saturating_mul(2);
                ends.push(whole - self.bytes.len());
            }
        }
        Ok(ends)
    }

    /// After the last record.
    fn finish(&self) -> Result<(), BatchError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(BatchError::Records("bytes follow the last record")) }
    }

    fn count_part(&mut self) -> Result<(), BatchError> {
        let left = self.parts_left.checked_sub(1);
        self.parts_left = left.ok_or(BatchError::Records("the batch has too many records or headers"))?;
        Ok(())
    }

    fn nullable(&mut self) -> Result<Option<&'a [u8]>, BatchError> {
        match self.varint()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| BatchError::Records("a negative length"))?;
                self.take(length).map(Some)
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BatchError> {
        let (taken, rest) =
            self.bytes.split_at_checked(length).ok_or(BatchError::Records("a record is cut short"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<i32, BatchError> {
        i32::try_from(self.varlong()?).map_err(|_| BatchError::Records("a varint is too large"))
    }

    fn varlong(&mut self) -> Result<i64, BatchError> {
        let mut value = 0u64;
        for (index, byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.take(index + 1)?;
                return Ok((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        Err(BatchError::Records("a varint does not end"))
    }
}

/// What a batch says of itself besides its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// How the records are compressed.
    pub compression: Compression,
    /// The idempotent producer: id, epoch, sequence number of the first record.
    pub producer: Option<(ProducerId, ProducerEpoch, i32)>,
    /// Part of a transaction.
    pub transactional: bool,
    /// The broker's own batch.
    pub control: bool,
    /// The leader epoch, where the writer is the leader.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            producer: None,
            transactional: false,
            control: false,
            leader_epoch: None,
        }
    }
}

/// Builds one batch with base offset 0.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    options: BatchOptions,
    records: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// An empty batch.
    pub fn new(options: BatchOptions) -> Self {
        Self { options, records: Vec::new(), count: 0, base_timestamp: 0, max_timestamp: -1 }
    }

    /// Adds a record; `timestamp` in ms since the Unix epoch.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let deltas = (timestamp.wrapping_sub(self.base_timestamp), self.count);
        put_record(&mut self.records, deltas, key, value, headers);
        self.count += 1;
    }

    /// How many records it has.
    pub fn record_count(&self) -> usize {
        self.count as usize
    }

    /// True before the first record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its size in bytes, before compression.
    pub fn size_in_bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.records.len()
    }

    /// Sets the producer fields, which are known only when the batch is sent.
    pub fn set_producer(&mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) {
        self.options.producer = Some((id, epoch, base_sequence));
    }

    /// The batch.
    pub fn build(&self) -> Bytes {
        let options = &self.options;
        // No encoder refuses what fits into a batch. Would one, the batch is as right without it.
        let (codec, body) = match compress(options.compression, &self.records) {
            Ok(body) => (options.compression, body),
            Err(_) => (Compression::None, Cow::Borrowed(self.records.as_slice())),
        };
        let flags = (i16::from(options.transactional) << 4) | (i16::from(options.control) << 5);
        let (id, epoch, sequence) =
            options.producer.map_or((-1, -1, -1), |(id, epoch, sequence)| (id.0, epoch.0, sequence));
        let mut batch = Vec::with_capacity(BATCH_HEADER_BYTES + body.len());
        batch.extend_from_slice(&0i64.to_be_bytes());
        batch.extend_from_slice(&((BATCH_HEADER_BYTES - 12 + body.len()) as i32).to_be_bytes());
        batch.extend_from_slice(&options.leader_epoch.map_or(-1, |epoch| epoch.0).to_be_bytes());
        batch.push(2);
        batch.extend_from_slice(&[0; 4]);
        batch.extend_from_slice(&(codec.bits() | flags).to_be_bytes());
        batch.extend_from_slice(&(self.count - 1).to_be_bytes());
        batch.extend_from_slice(&self.base_timestamp.to_be_bytes());
        batch.extend_from_slice(&self.max_timestamp.to_be_bytes());
        batch.extend_from_slice(&id.to_be_bytes());
        batch.extend_from_slice(&epoch.to_be_bytes());
        batch.extend_from_slice(&sequence.to_be_bytes());
        batch.extend_from_slice(&self.count.to_be_bytes());
        batch.extend_from_slice(&body);
        renew_crc(&mut batch);
        Bytes::from(batch)
    }
}

/// Writes one record; `deltas` of its timestamp and offset.
pub(super) fn put_record(
    to: &mut Vec<u8>,
    deltas: (i64, i32),
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[RecordHeader],
) {
    let header_bytes = |(name, value): &RecordHeader| {
        nullable_bytes(Some(name.as_bytes())) + nullable_bytes(value.as_deref())
    };
    let size = 1
        + varint_bytes(deltas.0)
        + varint_bytes(i64::from(deltas.1))
        + nullable_bytes(key)
        + nullable_bytes(value)
        + varint_bytes(headers.len() as i64)
        + headers.iter().map(header_bytes).sum::<usize>();
    put_varint(to, size as i64);
    to.push(0);
    put_varint(to, deltas.0);
    put_varint(to, i64::from(deltas.1));
    put_nullable(to, key);
    put_nullable(to, value);
    put_varint(to, headers.len() as i64);
    for (name, value) in headers {
        put_nullable(to, Some(name.as_bytes()));
        put_nullable(to, value.as_deref());
    }
}

fn nullable_bytes(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint_bytes(bytes.len() as i64) + bytes.len())
}

fn varint_bytes(value: i64) -> usize {
    let bits = 64 - (((value << 1) ^ (value >> 63)) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn put_nullable(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varint(to, bytes.map_or(-1, |bytes| bytes.len() as i64));
    to.extend_from_slice(bytes.unwrap_or_default());
}

fn put_varint(to: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(compression: Compression) -> Bytes {
        let mut builder = BatchBuilder::new(BatchOptions {
            compression,
            producer: Some((ProducerId(7), ProducerEpoch(1), 5)),
            ..BatchOptions::default()
        });
        builder.push(1_000, Some(b"k"), Some(b"v"), &[("h".to_owned(), None)]);
        builder.push(990, None, None, &[]);
        builder.build()
    }

    #[test]
    fn records_come_back_as_they_were_put_in() {
        for codec in Compression::ALL {
            let records = decode_records(&batch(codec)).unwrap();
            assert_eq!(records.len(), 2);
            assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
            assert_eq!(records[0].headers, [("h".to_owned(), None)]);
            assert_eq!((records[1].timestamp, records[1].offset), (990, Offset(1)));
            assert_eq!(records[1].value, None);
        }
    }

    #[test]
    fn each_field_of_a_batch_is_found_where_it_lies() {
        let plain = inspect_batch(&batch(Compression::None)).unwrap();
        for codec in Compression::ALL {
            let inspected = inspect_batch(&batch(codec)).unwrap();
            assert_eq!(inspected.body, plain.body);
            let [first, second] = &inspected.field_ends[..] else { panic!("two records") };
            assert_eq!(first.len(), 9 + 4);
            assert_eq!(second.len(), 9);
            let field = |ends: &[usize], at: usize| inspected.body.slice(ends[at - 1]..ends[at]);
            assert_eq!((&field(first, 5)[..], &field(first, 7)[..]), (&b"k"[..], &b"v"[..]));
            assert_eq!((&field(first, 10)[..], &field(first, 12)[..]), (&b"h"[..], &b""[..]));
            assert_eq!(&field(first, 4)[..], [2], "the key's length, 1, in zigzag");
            assert_eq!(&field(first, 11)[..], [1], "no header value: -1 in zigzag");
            assert_eq!((&field(second, 5)[..], &field(second, 4)[..]), (&b""[..], &[1][..]));
            assert_eq!(second.last(), Some(&inspected.body.len()));
        }
    }

    #[test]
    fn a_recompressed_batch_differs_in_nothing_but_its_codec() {
        let plain = batch(Compression::None);
        for from in Compression::ALL {
            for to in Compression::ALL {
                let recompressed = recompress(&batch(from), to).unwrap();
                assert_eq!(validate_batch(&recompressed).unwrap().compression(), Some(to));
                assert_eq!(recompress(&recompressed, Compression::None).unwrap(), plain, "{from} to {to}");
            }
        }
    }

    #[test]
    fn any_flipped_bit_after_the_epoch_is_noticed() {
        let good = batch(Compression::None);
        for at in 16..good.len() {
            for bit in 0..8 {
                let mut bad = good.to_vec();
                bad[at] ^= 1 << bit;
                assert!(decode_records(&Bytes::from(bad)).is_err(), "byte {at} bit {bit}");
            }
        }
    }
}
