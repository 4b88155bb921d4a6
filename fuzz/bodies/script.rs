//! A fuzzer's bytes, read as decisions. When they end, all further ones are 0.

use bytes::Bytes;
use tabmq::protocol::batch::{set_base_offset, set_leader_epoch};
use tabmq::protocol::records::{BatchBuilder, BatchOptions};
use tabmq::types::{Compression, LeaderEpoch, Offset};

pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn bool(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `below`; 0 when that is 0.
    pub fn below(&mut self, below: usize) -> usize {
        let number = usize::from(self.byte()) << 8 | usize::from(self.byte());
        number.checked_rem(below).unwrap_or(0)
    }

    /// Up to 255 bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub fn codec(&mut self) -> Compression {
        Compression::ALL[self.below(Compression::ALL.len())]
    }

    /// One to four records with keys, some of them tombstones.
    pub fn batch(&mut self, options: BatchOptions, timestamp: i64) -> Bytes {
        let mut builder = BatchBuilder::new(options);
        for _ in 0..1 + self.below(4) {
            let what = self.byte();
            let key = [b'a' + what % 5];
            let value = vec![what; usize::from(what) * 2];
            let headers = [("h".to_owned(), (what & 1 == 1).then(|| Bytes::from_static(b"header")))];
            let value = (what & 0x30 != 0x30).then_some(value.as_slice());
            let headers = if what & 8 == 8 { headers.as_slice() } else { &[] };
            builder.push(timestamp + i64::from(what), (what != 7).then_some(&key[..]), value, headers);
        }
        builder.build()
    }

    /// Damages bytes in one of several ways.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.byte() % 6 {
            0 | 1 => {
                let bit = 1 << (self.byte() % 8);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
            }
            2 => bytes.truncate(at),
            3 => bytes.extend_from_slice(self.bytes()),
            4 => {
                let with = self.bytes();
                bytes.iter_mut().skip(at).zip(with).for_each(|(byte, with)| *byte = *with);
            }
            _ => {
                let end = bytes.len().min(at + usize::from(self.byte()));
                bytes.drain(at..end);
            }
        }
    }
}

/// A batch as a leader stores it.
pub fn placed(batch: &[u8], base: i64, epoch: i32) -> Bytes {
    let mut batch = batch.to_vec();
    set_base_offset(&mut batch, Offset(base));
    set_leader_epoch(&mut batch, LeaderEpoch(epoch));
    batch.into()
}

/// Makes a batch's length and checksum fit its bytes, so that what lies behind them is reached.
pub fn seal(batch: &mut [u8]) {
    let length = (batch.len() as i32 - 12).to_be_bytes();
    let crc = crc32c::crc32c(batch.get(21..).unwrap_or_default()).to_be_bytes();
    batch.iter_mut().skip(8).zip(length).for_each(|(byte, new)| *byte = new);
    batch.iter_mut().skip(17).zip(crc).for_each(|(byte, new)| *byte = new);
}
