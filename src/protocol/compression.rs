//! Compression of record batches. A broker stores batches as they came; only a client, and a broker that reads records,
//! needs this. gzip so far; the other codecs are stored and passed on untouched.

use std::io::{Read, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::batch::{BatchError, Compression};

/// Records of one batch, decompressed, at most: a small batch must not fill the memory.
const DECOMPRESSED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Compresses a batch's records.
pub fn compress(codec: Compression, records: &[u8]) -> Result<Vec<u8>, BatchError> {
    match codec {
        Compression::None => Ok(records.to_vec()),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            let written = encoder.write_all(records).and_then(|()| encoder.finish());
            written.map_err(|_| BatchError::Records("gzip refused the records"))
        }
        other => Err(BatchError::UnsupportedCompression(other)),
    }
}

/// Decompresses a batch's records.
pub fn decompress(codec: Compression, bytes: &[u8]) -> Result<Vec<u8>, BatchError> {
    match codec {
        Compression::None => Ok(bytes.to_vec()),
        Compression::Gzip => {
            let mut records = Vec::new();
            let mut decoder = GzDecoder::new(bytes).take(DECOMPRESSED_BYTES_MAX + 1);
            decoder.read_to_end(&mut records).map_err(|_| BatchError::Records("the gzip data is broken"))?;
            if records.len() as u64 > DECOMPRESSED_BYTES_MAX {
                return Err(BatchError::Records("the records are larger than 64 MiB decompressed"));
            }
            Ok(records)
        }
        other => Err(BatchError::UnsupportedCompression(other)),
    }
}
