//! gzip (RFC 1952).

use std::io::Write;

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::protocol::batch::BatchError;

pub(super) fn compress(records: &[u8]) -> Result<Vec<u8>, BatchError> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    let written = encoder.write_all(records).and_then(|()| encoder.finish());
    written.map_err(|_| BatchError::Records("gzip refused the records"))
}

pub(super) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, BatchError> {
    super::read_bounded(GzDecoder::new(bytes), BatchError::Records("the gzip data is broken"))
}
