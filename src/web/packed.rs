//! Records on their way to and from JavaScript: all bytes in one array and all numbers in another, because each step over
//! the border costs as much as a small record. `www/sdk/packed.js` is the other side.
//!
//! Numbers of a record: its place (offset, or the partition wanted), its timestamp, the lengths of key and value, the
//! count of headers, and of each header the lengths of name and value. A null has length -1; what is left to us is NaN.
//! Bytes of a record, in that order: key, value, each header's name and value.

use bytes::Bytes;
use js_sys::{Float64Array, Uint8Array};

use crate::client::ProducerRecord;
use crate::protocol::records::{Record, RecordHeader};

/// Numbers of a record without headers.
const NUMBERS: usize = 5;

/// Records of one topic, as `packed.js` packed them; none when the numbers don't fit the bytes.
pub fn unpack(bytes: &Uint8Array, numbers: &Float64Array) -> Option<Vec<ProducerRecord>> {
    let mut reader = Reader { bytes: Bytes::from(bytes.to_vec()), numbers: numbers.to_vec().into_iter() };
    let mut records = Vec::with_capacity(numbers.length() as usize / NUMBERS);
    while let Some(partition) = reader.numbers.next() {
        let timestamp = reader.numbers.next()?;
        let (key, value, headers) = (reader.numbers.next()?, reader.numbers.next()?, reader.numbers.next()?);
        records.push(ProducerRecord {
            partition: (!partition.is_nan()).then_some(partition as i32),
            timestamp: (!timestamp.is_nan()).then_some(timestamp as i64),
            key: reader.take(key)?,
            value: reader.take(value)?,
            headers: (0..headers as usize).map(|_| reader.header()).collect::<Option<_>>()?,
        });
    }
    Some(records)
}

struct Reader {
    bytes: Bytes,
    numbers: std::vec::IntoIter<f64>,
}

impl Reader {
    /// The next bytes, or a null; the outer none when there are too few.
    fn take(&mut self, length: f64) -> Option<Option<Bytes>> {
        if length < 0.0 {
            return Some(None);
        }
        let length = length as usize;
        (length <= self.bytes.len()).then(|| Some(self.bytes.split_to(length)))
    }

    fn header(&mut self) -> Option<RecordHeader> {
        let (name, value) = (self.numbers.next()?, self.numbers.next()?);
        let name = self.take(name)?.unwrap_or_default();
        Some((String::from_utf8_lossy(&name).into_owned(), self.take(value)?))
    }
}

/// Records of one partition, for `packed.js`.
pub fn pack(records: &[Record]) -> (Uint8Array, Float64Array) {
    let mut writer = Writer { bytes: Vec::new(), numbers: Vec::with_capacity(records.len() * NUMBERS) };
    let sizes = records.iter().map(|record| {
        record.key.as_ref().map_or(0, Bytes::len) + record.value.as_ref().map_or(0, Bytes::len)
    });
    writer.bytes.reserve(sizes.sum());
    for record in records {
        writer.numbers.extend([record.offset.0 as f64, record.timestamp as f64]);
        writer.put(record.key.as_deref());
        writer.put(record.value.as_deref());
        writer.numbers.push(record.headers.len() as f64);
        for (name, value) in &record.headers {
            writer.put(Some(name.as_bytes()));
            writer.put(value.as_deref());
        }
    }
    (Uint8Array::from(writer.bytes.as_slice()), Float64Array::from(writer.numbers.as_slice()))
}

struct Writer {
    bytes: Vec<u8>,
    numbers: Vec<f64>,
}

impl Writer {
    fn put(&mut self, bytes: Option<&[u8]>) {
        self.numbers.push(bytes.map_or(-1.0, |bytes| bytes.len() as f64));
        self.bytes.extend_from_slice(bytes.unwrap_or_default());
    }
}
