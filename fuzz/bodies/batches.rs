//! Reading record batches: any bytes are an answer or an error, and what one reader takes, every other takes as well.

use bytes::Bytes;
use tabmq::protocol::batch::{batches, validate_batch, validate_stored};
use tabmq::protocol::compacted::{Compacted, Tombstones, compact_batch};
use tabmq::protocol::compression::{DECOMPRESSED_BYTES_MAX, decompress};
use tabmq::protocol::records::{BatchOptions, Record, check_records, decode_records, recompress};
use tabmq::types::{Compression, Offset};

use super::script::{Script, seal};

/// Bytes, or a batch that was damaged and sealed again.
pub fn run(data: &[u8]) {
    let mut script = Script(data);
    let bytes = match script.byte() % 4 {
        0 => script.rest().to_vec(),
        1 => {
            let codec = script.codec();
            let _ = decompress(codec, script.rest()).map(|out| assert!(out.len() <= DECOMPRESSED_BYTES_MAX));
            return;
        }
        2 => {
            // A header of the fuzzer's and the records too, but whole.
            let mut bytes = script.rest().to_vec();
            bytes.resize(bytes.len().max(61), 0);
            bytes[16] = 2;
            seal(&mut bytes);
            bytes
        }
        _ => {
            let options = BatchOptions { compression: script.codec(), ..BatchOptions::default() };
            let mut bytes = script.batch(options, 1000).to_vec();
            for _ in 0..1 + script.below(3) {
                script.damage(&mut bytes);
            }
            if script.bool() && bytes.len() >= 61 {
                seal(&mut bytes);
            }
            bytes
        }
    };
    let bytes = Bytes::from(bytes);
    for found in batches(&bytes) {
        let Ok((_, range)) = found else { break };
        check(&bytes.slice(range));
    }
    check(&bytes);
}

fn check(batch: &Bytes) {
    let stored = validate_stored(batch);
    assert!(stored.is_ok() || validate_batch(batch).is_err(), "a leader takes what can't be stored");
    let records = decode_records(batch);
    assert!(stored.is_ok() || records.is_err(), "records of a batch that can't be stored");
    let checked = check_records(batch);
    if let Ok(checked) = &checked {
        let records = records.as_ref().expect("a leader's check is the reader's and more");
        assert_eq!(records.len(), checked.header.record_count as usize);
        let first = records.first().map_or(Offset::ZERO, |record| record.offset);
        assert!(records.iter().zip(0..).all(|(record, at)| record.offset.0 == first.0.saturating_add(at)));
        assert_eq!(checked.all_keyed, records.iter().all(|record| record.key.is_some()));
    }
    let Ok(records) = records else { return };
    // Each step may cost 64 MiB: what decompresses to much is enough as it is.
    if records.iter().map(|record| record.value.as_ref().map_or(0, Bytes::len)).sum::<usize>() > 1 << 20 {
        return;
    }
    for codec in Compression::ALL {
        let other = recompress(batch, codec).expect("what was read can be compressed");
        assert_eq!(decode_records(&other).as_ref(), Ok(&records), "by {codec}");
    }
    compacted(batch, &records);
}

fn compacted(batch: &Bytes, records: &[Record]) {
    let tombstones = Tombstones { now: 5000, retention_ms: 100, below: Offset(i64::MAX) };
    let wanted = |record: &Record| record.offset.0 % 2 == 0;
    let Ok(header) = validate_stored(batch) else { return };
    if header.is_control() {
        return;
    }
    let over = header.delete_horizon().is_some_and(|horizon| horizon <= tombstones.now);
    let kept: Vec<&Record> = records.iter().filter(|record| wanted(record)).collect();
    let kept: Vec<&Record> = kept.into_iter().filter(|record| !over || record.value.is_some()).collect();
    match compact_batch(batch, tombstones, false, wanted).expect("what was read can be compacted") {
        Compacted::Unchanged => assert_eq!(kept.len(), records.len()),
        Compacted::Gone => assert!(kept.is_empty()),
        Compacted::Rewritten(bytes) => {
            let left = decode_records(&bytes).expect("a compacted batch can be read");
            assert!(left.iter().eq(kept), "others are left than were to stay");
        }
    }
}

/// What a run begins with.
pub fn seeds() -> Vec<Vec<u8>> {
    let damaged = |codec: u8| vec![3, 0, codec, 0, 2, 40, 200, 60, 0, 0, 0, 80, 0, 5, 1];
    let bare = |codec: Compression| {
        let mut script = Script(&[0, 3, 10, 20, 30, 40]);
        let batch = script.batch(BatchOptions { compression: codec, ..BatchOptions::default() }, 1000);
        [&[0], batch.as_ref()].concat()
    };
    let compressed = |codec: Compression| {
        let text = b"some text and some text again".repeat(10);
        let place = Compression::ALL.iter().position(|known| *known == codec).unwrap_or(0) as u8;
        let bytes = tabmq::protocol::compression::compress(codec, &text).expect("text can be compressed");
        [&[1, 0, place], &bytes[..]].concat()
    };
    let whole = |mut batch: Vec<u8>| {
        batch[0] = 2;
        batch
    };
    let codecs = Compression::ALL.into_iter();
    codecs
        .flat_map(|codec| [bare(codec), whole(bare(codec)), compressed(codec)])
        .chain((0..5).map(damaged))
        .collect()
}
