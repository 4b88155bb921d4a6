//! Kafka's flexible encoding (KIP-482), for the records of internal logs whose schemas kafka-protocol does not have.

use crate::types::Uuid;

/// The bytes do not fit the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Writes fields in order.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// An unsigned varint.
    pub fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(value.into());
    }

    /// An int8.
    pub fn i8(&mut self, value: i8) {
        self.bytes.push(value as u8);
    }

    /// An int16.
    pub fn i16(&mut self, value: i16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// A uint16.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// An int32.
    pub fn i32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// An int64.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// A UUID.
    pub fn uuid(&mut self, value: Uuid) {
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// A compact string.
    pub fn string(&mut self, value: &str) {
        self.varint(value.len() as u32 + 1);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// A compact string or null.
    pub fn nullable_string(&mut self, value: Option<&str>) {
        match value {
            Some(value) => self.string(value),
            None => self.varint(0),
        }
    }

    /// A compact array of `items`, each written by `write`.
    pub fn array<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.varint(items.len() as u32 + 1);
        for item in items {
            write(self, item);
        }
    }

    /// Tagged fields, ascending by tag; each is its own bytes.
    pub fn tagged(&mut self, fields: Vec<(u32, Writer)>) {
        self.varint(fields.len() as u32);
        for (tag, field) in fields {
            self.varint(tag);
            self.varint(field.bytes.len() as u32);
            self.bytes.extend_from_slice(&field.bytes);
        }
    }

    /// No tagged field.
    pub fn no_tags(&mut self) {
        self.varint(0);
    }
}

/// Reads fields in order.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(Malformed)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    /// An unsigned varint.
    pub fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0u64;
        for shift in 0..5 {
            let [byte] = self.fixed()?;
            value |= u64::from(byte & 0x7f) << (7 * shift);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| Malformed);
            }
        }
        Err(Malformed)
    }

    /// A boolean.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.fixed::<1>()? != [0])
    }

    /// An int8.
    pub fn i8(&mut self) -> Result<i8, Malformed> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// An int16.
    pub fn i16(&mut self) -> Result<i16, Malformed> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// A uint16.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.fixed().map(u16::from_be_bytes)
    }

    /// An int32.
    pub fn i32(&mut self) -> Result<i32, Malformed> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// An int64.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// A UUID.
    pub fn uuid(&mut self) -> Result<Uuid, Malformed> {
        self.fixed().map(Uuid::from_bytes)
    }

    /// A compact string.
    pub fn string(&mut self) -> Result<String, Malformed> {
        self.nullable_string()?.ok_or(Malformed)
    }

    /// A compact string or null.
    pub fn nullable_string(&mut self) -> Result<Option<String>, Malformed> {
        match self.varint()? {
            0 => Ok(None),
            length => {
                let bytes = self.take(length as usize - 1)?;
                String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Malformed)
            }
        }
    }

    /// A compact array, each item read by `read`. A count can't ask for more memory than there are bytes.
    pub fn array<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.varint()?.saturating_sub(1) as usize;
        if count > self.bytes.len() {
            return Err(Malformed);
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// Tagged fields: each tag with a reader of its bytes.
    pub fn tagged(&mut self) -> Result<Vec<(u32, Reader<'a>)>, Malformed> {
        let count = self.varint()? as usize;
        if count > self.bytes.len() {
            return Err(Malformed);
        }
        (0..count)
            .map(|_| {
                let tag = self.varint()?;
                let size = self.varint()? as usize;
                Ok((tag, Reader::new(self.take(size)?)))
            })
            .collect()
    }
}
