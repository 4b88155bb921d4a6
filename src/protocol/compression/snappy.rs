//! snappy. Java clients (and kafka-python) write the stream of xerial's snappy-java, librdkafka writes one bare block:
//!
//! ```text
//!  0  magic               8 bytes, 0x82 "SNAPPY" 0
//!  8  version             u32, 1
//! 12  compatible version  u32, 1
//! 16  blocks              each: u32 length in bytes, then a bare block
//! ```
//!
//! Numbers are big-endian. Both are read; the stream is written, because every client reads it.

use snap::raw::{Decoder, Encoder, decompress_len};

use crate::protocol::batch::BatchError;

const BROKEN: BatchError = BatchError::Records("the snappy data is broken");
const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_BYTES: usize = 16;
/// What snappy-java puts into a block.
const BLOCK_BYTES: usize = 32 * 1024;
/// A block is at most this many times larger decompressed: three bytes copy 64.
const RATIO_MAX: usize = 22;

pub(super) fn compress(records: &[u8]) -> Result<Vec<u8>, BatchError> {
    let mut encoder = Encoder::new();
    let mut stream = MAGIC.to_vec();
    stream.extend_from_slice(&1u32.to_be_bytes());
    stream.extend_from_slice(&1u32.to_be_bytes());
    for chunk in records.chunks(BLOCK_BYTES) {
        let block =
            encoder.compress_vec(chunk).map_err(|_| BatchError::Records("snappy refused the records"))?;
        stream.extend_from_slice(&(block.len() as u32).to_be_bytes());
        stream.extend_from_slice(&block);
    }
    Ok(stream)
}

pub(super) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, BatchError> {
    let mut records = Vec::new();
    if !bytes.starts_with(&MAGIC) {
        append_block(&mut records, bytes)?;
        return Ok(records);
    }
    let mut rest = bytes.get(HEADER_BYTES..).ok_or(BROKEN)?;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk().ok_or(BROKEN)?;
        let (block, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(BROKEN)?;
        append_block(&mut records, block)?;
        rest = after;
    }
    Ok(records)
}

fn append_block(records: &mut Vec<u8>, block: &[u8]) -> Result<(), BatchError> {
    // The length is only claimed so far.
    let length = decompress_len(block).map_err(|_| BROKEN)?;
    if length > block.len().saturating_mul(RATIO_MAX) {
        return Err(BROKEN);
    }
    let start = records.len();
    if length > super::DECOMPRESSED_BYTES_MAX - start {
        return Err(super::TOO_LARGE);
    }
    records.resize(start + length, 0);
    let room = records.get_mut(start..).ok_or(BROKEN)?;
    Decoder::new().decompress(block, room).map(drop).map_err(|_| BROKEN)
}
