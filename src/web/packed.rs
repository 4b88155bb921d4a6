//! Records on their way to and from JavaScript: all bytes in one array and all numbers in another, because each step over
//! the border costs as much as a small record. `www/sdk/packed.js` is the other side.
//!
//! Numbers of a producer's call: its own number, acks, the codec's number in a batch, its time limit in ms, how many topics;
//! of each topic its place in the list of names, and how many records, which follow.
//!
//! Numbers of a record: its place (offset, or the partition wanted), its timestamp, the lengths of key and value, the
//! count of headers, and of each header the lengths of name and value. A null has length -1; what is left to us is NaN.
//! Bytes of a record, in that order: key, value, each header's name and value.

use bytes::Bytes;
use js_sys::{Float64Array, Uint8Array};

use crate::client::{ProducerCall, ProducerRecord};
use crate::protocol::records::{Record, RecordHeader};
use crate::time::Duration;
use crate::types::{Compression, TopicName};

/// Numbers of a record without headers.
const NUMBERS: usize = 5;

/// A producer's calls.
pub struct Calls {
    reader: Reader,
    names: Vec<TopicName>,
}

/// One of them.
pub struct Call {
    /// Its number, by JavaScript.
    pub id: u64,
    /// What is asked.
    pub send: ProducerCall,
}

impl Calls {
    /// As `packed.js` packed them; `names` are the topics that the numbers mean.
    pub fn new(bytes: &Uint8Array, numbers: &Float64Array, names: Vec<TopicName>) -> Calls {
        let reader = Reader { bytes: Bytes::from(bytes.to_vec()), numbers: numbers.to_vec().into_iter() };
        Calls { reader, names }
    }

    /// The next; the inner none when the numbers don't fit the bytes.
    pub fn next(&mut self) -> Option<Option<Call>> {
        let id = self.reader.numbers.next()?;
        Some(self.call(id as u64))
    }

    fn call(&mut self, id: u64) -> Option<Call> {
        let numbers = &mut self.reader.numbers;
        let (acks, compression) = (numbers.next()? as i16, Compression::from_bits(numbers.next()? as i16)?);
        let timeout = numbers.next()?;
        let timeout = (!timeout.is_nan()).then(|| Duration::from_millis(timeout as u64));
        let count = numbers.next()?;
        let topics = (0..count as usize).map(|_| self.topic()).collect::<Option<_>>()?;
        Some(Call { id, send: ProducerCall::Send { topics, acks, compression, timeout } })
    }

    fn topic(&mut self) -> Option<(TopicName, Vec<ProducerRecord>)> {
        let name = self.names.get(self.reader.numbers.next()? as usize)?.clone();
        let count = self.reader.numbers.next()?;
        let records = (0..count as usize).map(|_| self.reader.record()).collect::<Option<_>>()?;
        Some((name, records))
    }
}

struct Reader {
    bytes: Bytes,
    numbers: std::vec::IntoIter<f64>,
}

impl Reader {
    fn record(&mut self) -> Option<ProducerRecord> {
        let (partition, timestamp) = (self.numbers.next()?, self.numbers.next()?);
        let (key, value, headers) = (self.numbers.next()?, self.numbers.next()?, self.numbers.next()?);
        Some(ProducerRecord {
            partition: (!partition.is_nan()).then_some(partition as i32),
            timestamp: (!timestamp.is_nan()).then_some(timestamp as i64),
            key: self.take(key)?,
            value: self.take(value)?,
            headers: (0..headers as usize).map(|_| self.header()).collect::<Option<_>>()?,
        })
    }

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
