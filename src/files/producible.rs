//! A stored batch as a producer may send it. There are batches that no leader takes: those that compaction has left, with
//! offsets without a record or a delete horizon, and those that say their time is the broker's. Their records go into a new
//! batch, with the same codec; every other batch goes as it is.

use bytes::Bytes;

use crate::protocol::batch::{BatchError, BatchHeader};
use crate::protocol::records::{BatchBuilder, BatchOptions, decode_records};
use crate::types::Offset;

/// A new batch of an old one's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The batch.
    pub bytes: Bytes,
    /// True when each record gets its offset again if the first one does.
    pub offsets_kept: bool,
}

/// True when a leader takes the batch as it is.
pub fn is_producible(header: &BatchHeader) -> bool {
    header.last_offset_delta == header.record_count - 1
        && header.delete_horizon().is_none()
        && !header.is_log_append_time()
}

/// The records of a batch that is not producible, with their times; none when it has no record.
pub fn rewrite(batch: &Bytes) -> Result<Option<Rewritten>, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let records = decode_records(batch)?;
    let compression = header.compression().unwrap_or_default();
    let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
    let mut next: Option<Offset> = None;
    let mut offsets_kept = true;
    for (index, record) in records.iter().enumerate() {
        if next.is_some_and(|next| record.offset < next) {
            return Err(BatchError::Records("the offsets of the records do not ascend"));
        }
        next = Some(record.offset.plus(1));
        offsets_kept &= record.offset == header.base_offset.plus(index as i64);
        builder.push(record.timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
    }
    Ok((!builder.is_empty()).then(|| Rewritten { bytes: builder.build(), offsets_kept }))
}
