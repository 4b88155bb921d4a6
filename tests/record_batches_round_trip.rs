//! Whatever is put into a batch comes out of it, and no bytes make its readers panic.
#![cfg(not(target_arch = "wasm32"))]

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use tabmq::protocol::batch::{
    BATCH_HEADER_BYTES, batches, set_base_offset, set_leader_epoch, set_log_append_time, validate_batch,
};
use tabmq::protocol::records::{BatchBuilder, BatchOptions, Record, decode_records};
use tabmq::types::{Compression, LeaderEpoch, Offset, ProducerEpoch, ProducerId};

fn some_bytes() -> impl Strategy<Value = Option<Bytes>> {
    of(vec(any::<u8>(), 0..200).prop_map(Bytes::from))
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let header = (".{0,8}", some_bytes());
    let record = (any::<i64>(), some_bytes(), some_bytes(), vec(header, 0..4));
    vec(record, 1..20).prop_map(|records| {
        let numbered = records.into_iter().enumerate();
        let record = |(at, (timestamp, key, value, headers))| Record {
            offset: Offset(at as i64),
            timestamp,
            key,
            value,
            headers,
        };
        numbered.map(record).collect()
    })
}

fn build(records: &[Record], options: BatchOptions) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for r in records {
        builder.push(r.timestamp, r.key.as_deref(), r.value.as_deref(), &r.headers);
    }
    assert_eq!(builder.record_count(), records.len());
    builder.build()
}

fn options() -> impl Strategy<Value = BatchOptions> {
    let producer = (0..i64::MAX, 0..i16::MAX, 0..i32::MAX);
    let codec = prop::sample::select(&Compression::ALL);
    (codec, of(producer), any::<bool>()).prop_map(|(compression, producer, transactional)| BatchOptions {
        compression,
        producer: producer.map(|(id, epoch, sequence)| (ProducerId(id), ProducerEpoch(epoch), sequence)),
        transactional: transactional && producer.is_some(),
        ..BatchOptions::default()
    })
}

proptest! {
    #[test]
    fn records_come_out_as_they_went_in(records in records(), options in options()) {
        let batch = build(&records, options);
        let header = validate_batch(&batch).unwrap();
        prop_assert_eq!(header.size_in_bytes(), batch.len());
        prop_assert_eq!(header.record_count as usize, records.len());
        prop_assert_eq!(header.is_transactional(), options.transactional);
        prop_assert_eq!(header.producer_id, options.producer.map(|(id, ..)| id));
        prop_assert_eq!(decode_records(&batch).unwrap(), records);
    }

    #[test]
    fn what_a_leader_sets_is_read_back_and_leaves_the_checksum_right(
        records in records(),
        options in options(),
        base in 0..i64::MAX / 2,
        epoch in 0..i32::MAX,
        time in of(0..i64::MAX),
    ) {
        let mut batch = build(&records, options).to_vec();
        set_base_offset(&mut batch, Offset(base));
        set_leader_epoch(&mut batch, LeaderEpoch(epoch));
        if let Some(time) = time {
            set_log_append_time(&mut batch, time);
        }
        let header = validate_batch(&batch).unwrap();
        prop_assert_eq!(header.base_offset, Offset(base));
        prop_assert_eq!(header.next_offset(), Offset(base + records.len() as i64));
        prop_assert_eq!(header.partition_leader_epoch, LeaderEpoch(epoch));
        for (read, put) in decode_records(&Bytes::from(batch)).unwrap().into_iter().zip(records) {
            prop_assert_eq!(read.offset, Offset(base + put.offset.0));
            prop_assert_eq!(read.timestamp, time.unwrap_or(put.timestamp));
            prop_assert_eq!(read.value, put.value);
        }
    }

    /// With the checksum made right again, so that the bytes behind it are read at all.
    #[test]
    fn no_records_make_the_reader_panic(
        records in records(),
        options in options(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in of(any::<prop::sample::Index>()),
    ) {
        let mut batch = build(&records, options).to_vec();
        for (at, value) in changes {
            let at = at.index(batch.len());
            batch[at] = value;
        }
        if let Some(cut) = cut {
            batch.truncate(BATCH_HEADER_BYTES + cut.index(batch.len() - BATCH_HEADER_BYTES + 1));
        }
        let length = batch.len() as i32 - 12;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        let _ = decode_records(&Bytes::from(batch));
    }

    #[test]
    fn no_bytes_make_the_reader_of_a_run_panic(bytes in vec(any::<u8>(), 0..300)) {
        for (header, range) in batches(&bytes).flatten() {
            prop_assert!(range.end <= bytes.len());
            let _ = header.next_offset();
        }
    }
}

#[test]
fn a_base_offset_at_the_end_of_all_numbers_is_read_without_a_panic() {
    let record = Record { offset: Offset(0), timestamp: 0, key: None, value: None, headers: Vec::new() };
    let mut batch = build(&[record.clone(), record], BatchOptions::default()).to_vec();
    set_base_offset(&mut batch, Offset(i64::MAX));
    assert_eq!(validate_batch(&batch).unwrap().next_offset(), Offset(i64::MAX));
    assert_eq!(decode_records(&Bytes::from(batch)).unwrap().len(), 2);
}
