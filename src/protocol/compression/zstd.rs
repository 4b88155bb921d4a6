//! zstd (RFC 8878): one frame.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::protocol::batch::BatchError;

use super::DECOMPRESSED_BYTES_MAX;

const BROKEN: BatchError = BatchError::Records("the zstd data is broken");

/// Decompressed at once, somewhat more at most: a block is up to 128 KiB.
const STEP_BYTES: usize = 1024 * 1024;

/// At about zstd's level 1: the encoder has no other.
pub(super) fn compress(records: &[u8]) -> Vec<u8> {
    compress_to_vec(records, CompressionLevel::Fastest)
}

pub(super) fn decompress(mut bytes: &[u8]) -> Result<Vec<u8>, BatchError> {
    // The window that a frame claims is not allocated, only what comes out of it (a claim beyond 128 MiB, zstd's own
    // limit, is refused). It is taken step by step, so that the decoder holds no more than a window beside it.
    let mut decoder = FrameDecoder::new();
    decoder.init(&mut bytes).map_err(|_| BROKEN)?;
    let mut records = Vec::new();
    for _ in 0..=DECOMPRESSED_BYTES_MAX / STEP_BYTES {
        let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES);
        let finished = decoder.decode_blocks(&mut bytes, step).map_err(|_| BROKEN)?;
        records.extend(decoder.collect().unwrap_or_default());
        if records.len() > DECOMPRESSED_BYTES_MAX {
            break;
        }
        if finished {
            return if bytes.is_empty() { Ok(records) } else { Err(BROKEN) };
        }
    }
    Err(super::TOO_LARGE)
}
