//! Compression of record batches. A broker stores batches as they came, unless the topic's `compression.type` names a
//! codec; it decompresses to check them. Clients need both directions.
//!
//! What is decompressed is hostile until it is read: each codec says where its own output ends, so each stops by itself
//! beyond `DECOMPRESSED_BYTES_MAX`, and no size that the data only claims is allocated.

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::borrow::Cow;

use crate::types::Compression;

use super::batch::BatchError;

/// Records of one batch, decompressed, at most, in bytes: a small batch must not fill the memory.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

const TOO_LARGE: BatchError = BatchError::Records("the records are larger than 64 MiB decompressed");

/// Compresses a batch's records.
pub fn compress(codec: Compression, records: &[u8]) -> Result<Cow<'_, [u8]>, BatchError> {
    match codec {
        Compression::None => Ok(Cow::Borrowed(records)),
        Compression::Gzip => gzip::compress(records).map(Cow::Owned),
        Compression::Snappy => snappy::compress(records).map(Cow::Owned),
        Compression::Lz4 => lz4::compress(records).map(Cow::Owned),
        Compression::Zstd => Ok(Cow::Owned(zstd::compress(records))),
    }
}

/// Decompresses a batch's records.
pub fn decompress(codec: Compression, bytes: &[u8]) -> Result<Vec<u8>, BatchError> {
    match codec {
        Compression::None => Ok(bytes.to_vec()),
        Compression::Gzip => gzip::decompress(bytes),
        Compression::Snappy => snappy::decompress(bytes),
        Compression::Lz4 => lz4::decompress(bytes),
        Compression::Zstd => zstd::decompress(bytes),
    }
}

/// Reads to the end, which has to come within the limit.
fn read_bounded(reader: impl std::io::Read, broken: BatchError) -> Result<Vec<u8>, BatchError> {
    let mut records = Vec::new();
    let mut reader = reader.take(DECOMPRESSED_BYTES_MAX as u64 + 1);
    std::io::Read::read_to_end(&mut reader, &mut records).map_err(|_| broken)?;
    if records.len() > DECOMPRESSED_BYTES_MAX { Err(TOO_LARGE) } else { Ok(records) }
}
