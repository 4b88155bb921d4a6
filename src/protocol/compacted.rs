//! A batch without the records that compaction takes out (Kafka's `MemoryRecords.filterTo`). Its first and last offset, its
//! leader epoch and its producer's marks stay, so that nothing but the records is missing.
//!
//! A tombstone has to be seen by every consumer before it goes: the first compaction that meets one writes into the batch
//! from when on it may (the delete horizon, KIP-534), and one after that time takes it out.

use std::borrow::Cow;

use bytes::Bytes;

use super::batch::{
    BATCH_HEADER_BYTES, BatchError, BatchHeader, DELETE_HORIZON, put, renew_crc, validate_stored,
};
use super::compression::compress;
use super::records::{Record, decode_records, put_record};
use crate::types::Offset;

/// What compaction makes of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compacted {
    /// Every record stays.
    Unchanged,
    /// No record stays, and nobody needs the batch.
    Gone,
    /// Another batch in its place.
    Rewritten(Bytes),
}

/// When tombstones may go.
#[derive(Debug, Clone, Copy)]
pub struct Tombstones {
    /// Now, ms since the Unix epoch.
    pub now: i64,
    /// `delete.retention.ms`.
    pub retention_ms: i64,
    /// From this offset on they stay: what they delete may still be there.
    pub below: Offset,
}

/// Takes the records out that `keep` does not want, and the tombstones whose time is over. With `keep_empty` the batch
/// stays without a record: it is the last that its producer wrote, and holds the sequence number to go on from.
pub fn compact_batch(
    batch: &Bytes,
    tombstones: Tombstones,
    keep_empty: bool,
    mut keep: impl FnMut(&Record) -> bool,
) -> Result<Compacted, BatchError> {
    let header = validate_stored(batch)?;
    if header.is_control() {
        return Ok(Compacted::Unchanged);
    }
    let horizon = header.delete_horizon();
    let over = horizon.is_some_and(|horizon| tombstones.now >= horizon);
    let mut records = decode_records(batch)?;
    let before = records.len();
    let expired = |record: &Record| over && record.value.is_none() && record.offset < tombstones.below;
    records.retain(|record| keep(record) && !expired(record));
    let new_horizon = (horizon.is_none() && records.iter().any(|record| record.value.is_none()))
        .then(|| tombstones.now.saturating_add(tombstones.retention_ms));
    if records.is_empty() && !keep_empty {
        return Ok(Compacted::Gone);
    }
    if records.len() == before && new_horizon.is_none() {
        return Ok(Compacted::Unchanged);
    }
    rewrite(batch, &header, &records, new_horizon.or(horizon)).map(Compacted::Rewritten)
}

fn rewrite(
    original: &Bytes,
    header: &BatchHeader,
    records: &[Record],
    horizon: Option<i64>,
) -> Result<Bytes, BatchError> {
    let base_timestamp = match (horizon, records.first()) {
        (Some(horizon), _) => horizon,
        (None, Some(first)) => first.timestamp,
        (None, None) => header.max_timestamp,
    };
    let max_timestamp = match header.is_log_append_time() {
        true => header.max_timestamp,
        false => records.iter().map(|record| record.timestamp).max().unwrap_or(header.max_timestamp),
    };
    let mut body = Vec::new();
    for record in records {
        let offset_delta = (record.offset.0 - header.base_offset.0) as i32;
        let deltas = (record.timestamp.wrapping_sub(base_timestamp), offset_delta);
        put_record(&mut body, deltas, record.key.as_deref(), record.value.as_deref(), &record.headers);
    }
    let mut attributes = header.attributes & !DELETE_HORIZON;
    if horizon.is_some() {
        attributes |= DELETE_HORIZON;
    }
    let codec = header.compression().unwrap_or_default();
    let body = match records.is_empty() {
        true => {
            attributes &= !7;
            Cow::Owned(body)
        }
        false => compress(codec, &body)?,
    };
    let mut batch = Vec::with_capacity(BATCH_HEADER_BYTES + body.len());
    batch.extend_from_slice(original.get(..BATCH_HEADER_BYTES).unwrap_or_default());
    batch.extend_from_slice(&body);
    let length = (batch.len() - 12) as i32;
    put(&mut batch, 8, &length.to_be_bytes());
    put(&mut batch, 21, &attributes.to_be_bytes());
    put(&mut batch, 27, &base_timestamp.to_be_bytes());
    put(&mut batch, 35, &max_timestamp.to_be_bytes());
    put(&mut batch, 57, &(records.len() as i32).to_be_bytes());
    renew_crc(&mut batch);
    Ok(Bytes::from(batch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::batch::{set_base_offset, set_leader_epoch};
    use crate::protocol::records::{BatchBuilder, BatchOptions};
    use crate::types::{Compression, LeaderEpoch, ProducerEpoch, ProducerId};

    const TOMBSTONES: Tombstones = Tombstones { now: 10_000, retention_ms: 500, below: Offset(104) };

    /// Four records at offset 100: a, b, a tombstone of c, d.
    fn batch(compression: Compression) -> Bytes {
        let producer = Some((ProducerId(7), ProducerEpoch(1), 5));
        let mut builder =
            BatchBuilder::new(BatchOptions { compression, producer, ..BatchOptions::default() });
        for (at, key) in ["a", "b", "c", "d"].iter().enumerate() {
            let value = (*key != "c").then_some(&b"value"[..]);
            builder.push(1000 + at as i64, Some(key.as_bytes()), value, &[("h".into(), None)]);
        }
        let mut batch = builder.build().to_vec();
        set_base_offset(&mut batch, Offset(100));
        set_leader_epoch(&mut batch, LeaderEpoch(3));
        batch.into()
    }

    fn rewritten(batch: &Bytes, now: i64, keep: impl FnMut(&Record) -> bool) -> Bytes {
        match compact_batch(batch, Tombstones { now, ..TOMBSTONES }, false, keep).unwrap() {
            Compacted::Rewritten(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_stays_keeps_its_offset_time_and_headers_and_the_batch_its_range_and_marks() {
        for codec in Compression::ALL {
            let before = batch(codec);
            let after = rewritten(&before, 10_000, |record| record.key.as_deref() != Some(b"b"));
            let (old, new) = (BatchHeader::parse(&before).unwrap(), validate_stored(&after).unwrap());
            assert_eq!((new.base_offset, new.next_offset()), (old.base_offset, old.next_offset()));
            assert_eq!(new.partition_leader_epoch, old.partition_leader_epoch);
            assert_eq!((new.producer_id, new.last_sequence()), (old.producer_id, old.last_sequence()));
            assert_eq!((new.compression(), new.record_count), (old.compression(), 3));
            let expected: Vec<Record> = decode_records(&before)
                .unwrap()
                .into_iter()
                .filter(|record| record.key.as_deref() != Some(b"b"))
                .collect();
            assert_eq!(decode_records(&after).unwrap(), expected);
        }
    }

    #[test]
    fn a_tombstone_goes_only_after_the_horizon_that_its_first_compaction_set() {
        let first = rewritten(&batch(Compression::None), 10_000, |_| true);
        assert_eq!(BatchHeader::parse(&first).unwrap().delete_horizon(), Some(10_500));
        assert_eq!(decode_records(&first).unwrap(), decode_records(&batch(Compression::None)).unwrap());
        let at = |now| compact_batch(&first, Tombstones { now, ..TOMBSTONES }, false, |_| true).unwrap();
        assert_eq!(at(10_499), Compacted::Unchanged);
        let not_noted = Tombstones { now: 10_500, below: Offset(102), ..TOMBSTONES };
        assert_eq!(compact_batch(&first, not_noted, false, |_| true), Ok(Compacted::Unchanged));
        let Compacted::Rewritten(last) = at(10_500) else { panic!("the tombstone stays") };
        let keys: Vec<_> = decode_records(&last).unwrap().into_iter().map(|r| r.key.unwrap()).collect();
        assert_eq!(keys, ["a", "b", "d"]);
    }

    #[test]
    fn a_batch_without_a_record_goes_unless_its_producer_goes_on_from_it() {
        let batch = batch(Compression::Gzip);
        assert_eq!(compact_batch(&batch, TOMBSTONES, false, |_| false), Ok(Compacted::Gone));
        let Ok(Compacted::Rewritten(empty)) = compact_batch(&batch, TOMBSTONES, true, |_| false) else {
            panic!("the batch is gone")
        };
        let header = validate_stored(&empty).unwrap();
        assert_eq!((header.record_count, header.next_offset(), header.last_sequence()), (0, Offset(104), 8));
        assert_eq!(decode_records(&empty).unwrap(), []);
        assert_eq!(compact_batch(&empty, TOMBSTONES, true, |_| false), Ok(Compacted::Unchanged));
    }
}
