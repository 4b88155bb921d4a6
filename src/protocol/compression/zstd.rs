//! zstd (RFC 8878): one frame.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::protocol::batch::BatchError;

use super::DECOMPRESSED_BYTES_MAX;

const BROKEN: BatchError = BatchError::Records("the zstd data is broken");

/// At about zstd's level 1: the encoder has no other.
pub(super) fn compress(records: &[u8]) -> Vec<u8> {
    compress_to_vec(records, CompressionLevel::Fastest)
}

pub(super) fn decompress(mut bytes: &[u8]) -> Result<Vec<u8>, BatchError> {
    // The window that a frame claims is not allocated, only what comes out of it (a claim beyond 128 MiB, zstd's own
    // limit, is refused). A block is at most 128 KiB: decoding stops that soon after the limit.
    let mut decoder = FrameDecoder::new();
    decoder.init(&mut bytes).map_err(|_| BROKEN)?;
    let upto = BlockDecodingStrategy::UptoBytes(DECOMPRESSED_BYTES_MAX + 1);
    let finished = decoder.decode_blocks(&mut bytes, upto).map_err(|_| BROKEN)?;
    if !finished || decoder.can_collect() > DECOMPRESSED_BYTES_MAX {
        return Err(super::TOO_LARGE);
    }
    match decoder.collect() {
        Some(records) if bytes.is_empty() => Ok(records),
        _ => Err(BROKEN),
    }
}
