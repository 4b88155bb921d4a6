//! A chunk as it is stored: batches, and behind them a seal over what their own checksums leave out. A batch's CRC covers
//! neither its base offset nor its length, leader epoch and magic, so that a leader can set them; when storage changes one
//! of them, nothing else would tell.
//!
//! ```text
//! whole record batches
//! 4 each  CRC-32C of the first 17 bytes of each batch, in their order
//! 4       how many batches
//! 4       "SEAL"
//! ```
//!
//! Numbers are big-endian. Chunks stored before there were seals have none, and are read as they are. They are in segments
//! whose rows do not say that all is sealed; in others a chunk without a seal has lost its end.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::log::io::Chunk;
use crate::protocol::batch::{self, BatchError, BatchHeader};
use crate::types::Offset;

/// What of a batch its own checksum does not cover, but for the checksum itself.
const COVERED: Range<usize> = 0..17;
const MARK: [u8; 4] = *b"SEAL";
/// Count and mark.
const END_BYTES: usize = 8;
/// What a batch costs in the seal.
pub(super) const SEAL_BYTES_EACH: usize = 4;

/// The batches as one chunk.
pub(super) fn seal<'a>(base: Offset, batches: impl Iterator<Item = &'a Bytes> + Clone) -> Chunk {
    let size: usize = batches.clone().map(|batch| batch.len() + SEAL_BYTES_EACH).sum();
    let mut bytes = BytesMut::with_capacity(size + END_BYTES);
    batches.clone().for_each(|batch| bytes.extend_from_slice(batch));
    let mut count = 0;
    for batch in batches {
        bytes.put_u32(sum(batch));
        count += 1;
    }
    bytes.put_u32(count);
    bytes.extend_from_slice(&MARK);
    Chunk { base, bytes: bytes.freeze() }
}

/// A chunk's batches with their places, up to the first that is not what was stored (its records are not looked at).
/// `sealed`: it can't be from before there were seals.
pub fn stored_batches(
    chunk: &Chunk,
    sealed: bool,
) -> impl Iterator<Item = Result<(BatchHeader, Range<usize>), BatchError>> + '_ {
    let (batches, sums) = parts(&chunk.bytes);
    let mut sums = sums.map(|sums| sums.as_chunks().0.iter());
    let mut broken = false;
    let mut first = true;
    let mut found = batch::batches(batches);
    std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let sum_there = sums.as_mut().map(|sums| sums.next().copied().map(u32::from_be_bytes));
        let next = match (found.next(), sum_there) {
            // Else it is another place's.
            (Some(Ok((header, _))), _) if std::mem::take(&mut first) && header.base_offset != chunk.base => {
                Err(BatchError::Inconsistent("it does not begin at the offset it is stored under"))
            }
            (Some(Ok((header, _))), _) if header.last_offset_delta < 0 => {
                Err(BatchError::Inconsistent("it ends before it begins"))
            }
            (Some(Ok((header, range))), stored) => {
                let same = stored.is_none_or(|stored| stored == batches.get(range.clone()).map(sum));
                if same {
                    Ok((header, range))
                } else {
                    Err(BatchError::Inconsistent("its offset or leader epoch is not what was stored"))
                }
            }
            (Some(Err(error)), _) => Err(error),
            (None, Some(Some(_))) => Err(BatchError::CutShort),
            (None, None) if sealed => Err(BatchError::CutShort),
            (None, _) => return None,
        };
        broken = next.is_err();
        Some(next)
    })
}

/// A chunk's batches without the seal, unchecked: for who looks into a storage.
pub fn unsealed(chunk: &Chunk) -> Bytes {
    chunk.bytes.slice(..parts(&chunk.bytes).0.len())
}

/// The batches, and what the seal says of each; none when there is no seal.
fn parts(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let sealed = || {
        let (rest, mark) = bytes.split_last_chunk()?;
        let (rest, count) = rest.split_last_chunk()?;
        let size = usize::try_from(u32::from_be_bytes(*count)).ok()?.checked_mul(SEAL_BYTES_EACH)?;
        (*mark == MARK).then_some(rest.split_at_checked(rest.len().checked_sub(size)?)?)
    };
    sealed().map_or((bytes, None), |(batches, sums)| (batches, Some(sums)))
}

fn sum(batch: impl AsRef<[u8]>) -> u32 {
    crc32c::crc32c(batch.as_ref().get(COVERED).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::records::{BatchBuilder, BatchOptions};

    fn batches() -> Vec<Bytes> {
        let batch = |n: usize| {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.push(5, None, Some(&vec![n as u8; n * 10]), &[]);
            let mut batch = builder.build().to_vec();
            batch::set_base_offset(&mut batch, Offset(n as i64));
            Bytes::from(batch)
        };
        (0..3).map(batch).collect()
    }

    fn read(chunk: &Chunk) -> Result<Vec<Bytes>, (usize, BatchError)> {
        let mut whole = Vec::new();
        for found in stored_batches(chunk, false) {
            match found {
                Ok((_, range)) => whole.push(chunk.bytes.slice(range)),
                Err(error) => return Err((whole.len(), error)),
            }
        }
        Ok(whole)
    }

    #[test]
    fn batches_come_back_with_and_without_a_seal() {
        let sealed = seal(Offset(0), batches().iter());
        assert_eq!(read(&sealed), Ok(batches()));
        let bare = Chunk { base: Offset(0), bytes: batches().concat().into() };
        assert_eq!(read(&bare), Ok(batches()));
        assert_eq!(unsealed(&sealed), bare.bytes);
        let refused = stored_batches(&bare, true).filter_map(Result::err).collect::<Vec<_>>();
        assert_eq!(refused, [BatchError::CutShort], "where all is sealed");
    }

    #[test]
    fn a_bit_that_the_batchs_own_checksum_leaves_out_is_noticed_at_its_batch() {
        let sealed = seal(Offset(0), batches().iter());
        let second = batches()[0].len();
        for at in COVERED {
            for bit in 0..8 {
                let mut bytes = sealed.bytes.to_vec();
                bytes[second + at] ^= 1 << bit;
                let found = read(&Chunk { base: Offset(0), bytes: bytes.into() });
                assert!(matches!(found, Err((1, _))), "byte {at} bit {bit}: {found:?}");
            }
        }
    }

    #[test]
    fn a_broken_seal_or_a_lost_batch_is_noticed() {
        let sealed = seal(Offset(0), batches().iter());
        let batches_end = batches().concat().len();
        for at in batches_end..sealed.bytes.len() {
            let mut bytes = sealed.bytes.to_vec();
            bytes[at] ^= 1;
            assert!(read(&Chunk { base: Offset(0), bytes: bytes.into() }).is_err(), "byte {at}");
        }
        for end in batches_end + 1..sealed.bytes.len() {
            let cut = Chunk { base: Offset(0), bytes: sealed.bytes.slice(..end) };
            assert!(matches!(read(&cut), Err((3, BatchError::CutShort))), "cut to {end}");
        }
        let mut bytes = sealed.bytes.to_vec();
        bytes.drain(batches_end - batches()[2].len()..batches_end);
        assert_eq!(read(&Chunk { base: Offset(0), bytes: bytes.into() }), Err((2, BatchError::CutShort)));
    }
}
