//! lz4: the standard frame. Written as Kafka's own client writes it, in independent blocks of 64 KiB, because Kafka's
//! reader (`Lz4BlockInputStream`) refuses blocks that refer to earlier ones. Other clients write such blocks (aiokafka
//! does), so they are read.

use std::io::{Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use crate::protocol::batch::BatchError;

const BROKEN: BatchError = BatchError::Records("the lz4 data is broken");
const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Also what the decoder takes for the end of a frame.
const END_MARK: [u8; 4] = [0; 4];

pub(super) fn compress(records: &[u8]) -> Result<Vec<u8>, BatchError> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    let refused = BatchError::Records("lz4 refused the records");
    if encoder.write_all(records).is_err() {
        return Err(refused);
    }
    encoder.finish().map_err(|_| refused)
}

pub(super) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, BatchError> {
    // The decoder also knows an older format, which Kafka never had.
    if !bytes.starts_with(&MAGIC) {
        return Err(BROKEN);
    }
    // The decoder takes the end of its input between two blocks for the frame's end. So a mark follows that only a frame
    // without its own end would reach.
    let mut decoder = FrameDecoder::new(bytes.chain(&END_MARK[..]));
    let records = super::read_bounded(&mut decoder, BROKEN)?;
    let (rest, mark) = decoder.get_ref().get_ref();
    if !rest.is_empty() || mark.len() != END_MARK.len() { Err(BROKEN) } else { Ok(records) }
}
