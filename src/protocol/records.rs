//! Records inside a batch, and the builder of batches.
//!
//! A record: length, attributes (i8, 0), timestamp delta, offset delta, key, value, headers; lengths, deltas and counts
//! are zigzag varints, a length of -1 is null.

use bytes::Bytes;

use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::batch::{
    BATCH_HEADER_BYTES, BatchError, BatchHeader, Compression, renew_crc, validate_batch, validate_stored,
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

/// One batch claims at most this many records: what a batch of the largest size taken can hold, compressed.
const RECORDS_MAX: i32 = 4_000_000;

/// Checks a whole batch and reads its records.
pub fn decode_records(batch: &Bytes) -> Result<Vec<Record>, BatchError> {
    let mut records = Vec::new();
    walk_records(&validate_stored(batch)?, batch, |record| records.push(record))?;
    Ok(records)
}

/// What `check_records` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedRecords {
    /// The batch's header.
    pub header: BatchHeader,
    /// Every record has a key, as far as they can be read.
    pub all_keyed: bool,
}

/// Checks a whole batch down to its records, as a leader must before it gives them offsets: they are there, as many as
/// the header says, in order. The records of a codec that can't be read here are taken on the header's word, which is
/// bounded.
pub fn check_records(batch: &Bytes) -> Result<CheckedRecords, BatchError> {
    let header = validate_batch(batch)?;
    let mut next = None;
    let mut in_order = true;
    let mut all_keyed = true;
    match walk_records(&header, batch, |record| {
        in_order &= next.is_none_or(|next| record.offset == next);
        next = Some(record.offset.plus(1));
        all_keyed &= record.key.is_some();
    }) {
        Ok(()) if in_order => Ok(CheckedRecords { header, all_keyed }),
        Ok(()) => Err(BatchError::Records("the offsets of the records are not consecutive")),
        Err(BatchError::UnsupportedCompression(_)) => Ok(CheckedRecords { header, all_keyed: true }),
        Err(error) => Err(error),
    }
}

fn walk_records(header: &BatchHeader, batch: &Bytes, mut each: impl FnMut(Record)) -> Result<(), BatchError> {
    if header.record_count > RECORDS_MAX {
        return Err(BatchError::Inconsistent("the batch claims more records than a batch can have"));
    }
    let body = batch.slice(BATCH_HEADER_BYTES..);
    let body = match header.compression() {
        Some(Compression::None) => body,
        Some(codec) => Bytes::from(decompress(codec, &body)?),
        None => return Err(BatchError::Inconsistent("the compression codec is unknown")),
    };
    let mut reader = Reader { bytes: body };
    for _ in 0..header.record_count {
        each(reader.record(header)?);
    }
    if !reader.bytes.is_empty() {
        return Err(BatchError::Records("bytes follow the last record"));
    }
    Ok(())
}

struct Reader {
    bytes: Bytes,
}

impl Reader {
    fn record(&mut self, header: &BatchHeader) -> Result<Record, BatchError> {
        let length = self.varint()?;
        let rest = self.bytes.len();
        self.take(1)?;
        let timestamp = match header.is_log_append_time() {
            true => {
                self.varlong()?;
                header.max_timestamp
            }
            false => header.base_timestamp.wrapping_add(self.varlong()?),
        };
        let offset_delta = self.varint()?;
        let key = self.nullable()?;
        let value = self.nullable()?;
        let count = self.varint()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = self.nullable()?.ok_or(BatchError::Records("a header without a name"))?;
            let name = String::from_utf8(name.to_vec());
            let name = name.map_err(|_| BatchError::Records("a header's name is not UTF-8"))?;
            headers.push((name, self.nullable()?));
        }
        if count < 0 || rest - self.bytes.len() != length as usize {
            return Err(BatchError::Records("a record's length does not fit its fields"));
        }
        if !(0..=header.last_offset_delta).contains(&offset_delta) {
            return Err(BatchError::Records("a record's offset is outside its batch"));
        }
        let offset = Offset(header.base_offset.0.saturating_add(offset_delta.into()));
        Ok(Record { offset, timestamp, key, value, headers })
    }

    fn nullable(&mut self) -> Result<Option<Bytes>, BatchError> {
        match self.varint()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| BatchError::Records("a negative length"))?;
                self.take(length).map(Some)
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, BatchError> {
        if length > self.bytes.len() {
            return Err(BatchError::Records("a record is cut short"));
        }
        Ok(self.bytes.split_to(length))
    }

    fn varint(&mut self) -> Result<i32, BatchError> {
        i32::try_from(self.varlong()?).map_err(|_| BatchError::Records("a varint is too large"))
    }

    fn varlong(&mut self) -> Result<i64, BatchError> {
        let mut value = 0u64;
        for (index, byte) in self.bytes.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.bytes = self.bytes.slice(index + 1..);
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
        // A codec without an encoder here leaves the records as they are: `compress` is asked only for those it has.
        let (codec, body) = match compress(options.compression, &self.records) {
            Ok(body) => (options.compression, body),
            Err(_) => (Compression::None, self.records.clone()),
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
    let mut record = vec![0];
    put_varint(&mut record, deltas.0);
    put_varint(&mut record, i64::from(deltas.1));
    put_nullable(&mut record, key);
    put_nullable(&mut record, value);
    put_varint(&mut record, headers.len() as i64);
    for (name, value) in headers {
        put_nullable(&mut record, Some(name.as_bytes()));
        put_nullable(&mut record, value.as_deref());
    }
    put_varint(to, record.len() as i64);
    to.append(&mut record);
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
        for codec in [Compression::None, Compression::Gzip] {
            let records = decode_records(&batch(codec)).unwrap();
            assert_eq!(records.len(), 2);
            assert_eq!(records[0].key.as_deref(), Some(&b"k"[..]));
            assert_eq!(records[0].headers, [("h".to_owned(), None)]);
            assert_eq!((records[1].timestamp, records[1].offset), (990, Offset(1)));
            assert_eq!(records[1].value, None);
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
