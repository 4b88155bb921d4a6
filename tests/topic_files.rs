//! Kafka's own files: what is written reads back, and what is cut, changed, mixed up or foreign is refused as a whole,
//! with the file and the byte.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use tabmq::files::{Fault, FileError, PartitionWriter, TopicFacts, TopicReader, is_producible, rewrite};
use tabmq::protocol::batch::{BatchError, BatchHeader, batches, set_base_offset, set_leader_epoch};
use tabmq::protocol::compacted::{Compacted, Tombstones, compact_batch};
use tabmq::protocol::records::{BatchBuilder, BatchOptions, Record, check_records, decode_records};
use tabmq::types::{Compression, LeaderEpoch, Offset, PartitionIndex, TopicName};

type Files = BTreeMap<String, Bytes>;

/// A batch as a leader stored it: so many records, its epoch and time, and its codec.
#[derive(Debug, Clone)]
struct Plan {
    records: usize,
    value_bytes: usize,
    epoch_step: i32,
    timestamp: i64,
    compression: Compression,
    gap: i64,
}

fn plan() -> impl Strategy<Value = Plan> {
    let gap = prop_oneof![9 => Just(0i64), 1 => 1i64..50];
    (
        1usize..5,
        0usize..3000,
        prop_oneof![8 => Just(0), 2 => 1i32..4],
        -1i64..100_000,
        (0i16..5).prop_map(|bits| Compression::from_bits(bits).unwrap()),
        gap,
    )
        .prop_map(|(records, value_bytes, epoch_step, timestamp, compression, gap)| Plan {
            records,
            value_bytes,
            epoch_step,
            timestamp,
            compression,
            gap,
        })
}

/// The log of these batches from `start` on.
fn log(start: i64, plans: &[Plan]) -> Vec<Bytes> {
    let (mut next, mut epoch) = (start, 0);
    let each = plans.iter().map(|plan| {
        let compression = plan.compression;
        let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
        for index in 0..plan.records {
            // Not the same byte again and again: gzip would leave nothing.
            let value: Vec<u8> = (0..plan.value_bytes).map(|at| (at * at + index) as u8).collect();
            let name = ("header".to_owned(), Some(Bytes::from_static(b"h")));
            builder.push(plan.timestamp, Some(b"key"), Some(&value), &[name]);
        }
        epoch += plan.epoch_step;
        next += plan.gap;
        let mut batch = BytesMut::from(builder.build().as_ref());
        set_base_offset(&mut batch, Offset(next));
        set_leader_epoch(&mut batch, LeaderEpoch(epoch));
        next += plan.records as i64;
        batch.freeze()
    });
    each.collect()
}

/// The files of one partition, fetched in responses of `fetch_bytes` that end anywhere.
fn written(partition: i32, start: i64, log: &[Bytes], segment_bytes: u64, fetch_bytes: usize) -> Files {
    let mut writer = PartitionWriter::new(
        TopicName::from("orders"),
        PartitionIndex(partition),
        Offset(start),
        segment_bytes,
    );
    let mut files = Files::new();
    let mut take = |pieces: Vec<tabmq::files::Piece>| {
        for piece in pieces {
            let file = files.entry(piece.path.to_string()).or_default();
            *file = [file.as_ref(), piece.bytes.as_ref()].concat().into();
        }
    };
    loop {
        let from = writer.next_offset();
        let header = |batch: &Bytes| BatchHeader::parse(batch).unwrap();
        let mut rest: Vec<u8> =
            log.iter().filter(|batch| header(batch).next_offset() > from).flat_map(|b| b.to_vec()).collect();
        let Some(first) = log.iter().find(|batch| header(batch).next_offset() > from) else { break };
        rest.truncate(fetch_bytes.max(first.len()));
        take(writer.write(&Bytes::from(rest), Offset(i64::MAX)).unwrap());
    }
    take(writer.finish());
    files
}

fn read(files: &Files) -> Result<TopicFacts, FileError> {
    let mut reader = TopicReader::default();
    for (path, bytes) in files {
        reader.read(path, bytes)?;
    }
    reader.finish()
}

fn total(files: &Files, facts: &TopicFacts, partition: usize) -> Vec<u8> {
    facts.partitions[partition].logs.iter().flat_map(|path| files[path].to_vec()).collect()
}

fn even(count: usize) -> Vec<Plan> {
    let plan = |index: usize| Plan {
        records: 2,
        value_bytes: 700,
        epoch_step: i32::from(index % 7 == 6),
        timestamp: 1000 + index as i64,
        compression: if index.is_multiple_of(3) { Compression::Gzip } else { Compression::None },
        gap: 0,
    };
    (0..count).map(plan).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(
        plans in prop::collection::vec(plan(), 0..40),
        start in prop_oneof![Just(0i64), 0i64..10_000_000_000],
        segment_bytes in 200u64..60_000,
        fetch_bytes in 1usize..30_000,
    ) {
        let log = log(start, &plans);
        let files = written(0, start, &log, segment_bytes, fetch_bytes);
        let facts = read(&files).unwrap();
        prop_assert_eq!(total(&files, &facts, 0), log.concat());
        prop_assert_eq!(facts.partitions[0].records, plans.iter().map(|plan| plan.records as u64).sum::<u64>());
        prop_assert_eq!(facts.batch_bytes_max, log.iter().map(Bytes::len).max().unwrap_or(0));
        // However the responses were cut.
        prop_assert_eq!(&files, &written(0, start, &log, segment_bytes, usize::MAX));
        for path in &facts.partitions[0].logs {
            let bytes = &files[path];
            let sizes: Vec<usize> = batches(bytes).map(|found| found.unwrap().1.len()).collect();
            prop_assert!(bytes.len() as u64 <= segment_bytes || sizes.len() == 1, "{path}: {sizes:?}");
        }
        // As a broker looks an offset up: the entry at or below it leads to a position at or before its batch.
        for path in &facts.partitions[0].logs {
            let base: i64 = path[9..29].parse().unwrap();
            let (log, index) = (&files[path], &files[&path.replace(".log", ".index")]);
            let mut since = 0;
            let mut entries = index.chunks(8);
            for (header, range) in batches(log).map(Result::unwrap) {
                if since > 4096 {
                    let entry = entries.next().unwrap();
                    let offset = base + i64::from(i32::from_be_bytes(entry[..4].try_into().unwrap()));
                    let position = i32::from_be_bytes(entry[4..].try_into().unwrap()) as usize;
                    prop_assert_eq!((offset, position), (header.last_offset().0, range.start));
                    since = 0;
                }
                since += range.len();
            }
            prop_assert!(entries.next().is_none());
            let newest = batches(log).map(|found| found.unwrap().0.max_timestamp).max().filter(|time| *time >= 0);
            let times = &files[&path.replace(".log", ".timeindex")];
            let last = times.chunks(12).last().map(|entry| i64::from_be_bytes(entry[..8].try_into().unwrap()));
            prop_assert_eq!(last, newest);
        }
    }

    #[test]
    fn a_changed_byte_never_reads_as_other_records(
        plans in prop::collection::vec(plan(), 1..8),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let log = log(0, &plans);
        let files = written(0, 0, &log, 8000, usize::MAX);
        let paths: Vec<&String> = files.keys().filter(|path| path.ends_with(".log")).collect();
        let path = at.get(&paths);
        let mut bytes = files[*path].to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut changed = files.clone();
        changed.insert((*path).clone(), Bytes::from(bytes));
        let records = |files: &Files, facts: &TopicFacts| -> Vec<_> {
            let whole = Bytes::from(total(files, facts, 0));
            batches(&whole)
                .flat_map(|found| decode_records(&whole.slice(found.unwrap().1)).unwrap())
                .map(|record| (record.key, record.value, record.headers, record.timestamp))
                .collect()
        };
        match read(&changed) {
            Err(error) => prop_assert!(error.file == **path || error.file.contains("index"), "{error}"),
            // A base offset may have moved up, which leaves a gap, as compaction does: the records are the same.
            Ok(facts) => prop_assert_eq!(records(&changed, &facts), records(&files, &read(&files).unwrap())),
        }
    }

    #[test]
    fn a_log_cut_within_a_batch_is_refused_at_that_batch(
        plans in prop::collection::vec(plan(), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let log = log(0, &plans);
        let mut files = written(0, 0, &log, u64::MAX, usize::MAX);
        let path = "orders-0/00000000000000000000.log";
        let path = files.keys().find(|key| key.ends_with(".log")).unwrap_or(&path.to_owned()).clone();
        let whole = files[&path].clone();
        let end = cut.index(whole.len());
        let starts: Vec<usize> = batches(&whole).map(|found| found.unwrap().1.start).collect();
        prop_assume!(!starts.contains(&end));
        files.insert(path.clone(), whole.slice(..end));
        let error = read(&files).unwrap_err();
        let batch = starts.iter().rev().find(|start| **start < end).unwrap();
        prop_assert_eq!((error.file, error.at), (path, *batch as u64));
        let is_cut = matches!(error.fault, Fault::BatchCut { .. });
        prop_assert!(is_cut, "{}", error.fault);
    }

    #[test]
    fn what_compaction_left_reads_back_and_can_be_produced(
        plans in prop::collection::vec(plan(), 1..8),
        kept in prop::collection::vec(any::<bool>(), 40),
    ) {
        let tombstones = Tombstones { now: 0, retention_ms: 1000, below: Offset(i64::MAX) };
        let mut stays = kept.iter().copied().cycle();
        let left: Vec<Bytes> = log(0, &plans)
            .into_iter()
            .filter_map(|batch| match compact_batch(&batch, tombstones, true, |_| stays.next().unwrap()).unwrap() {
                Compacted::Unchanged => Some(batch),
                Compacted::Gone => None,
                Compacted::Rewritten(bytes) => Some(bytes),
            })
            .collect();
        let files = written(0, 0, &left, u64::MAX, usize::MAX);
        let facts = read(&files).unwrap();
        prop_assert_eq!(facts.partitions[0].start, Offset(0));
        prop_assert_eq!(total(&files, &facts, 0), left.concat());
        for batch in &left {
            let records = decode_records(batch).unwrap();
            if is_producible(&BatchHeader::parse(batch).unwrap()) {
                check_records(batch).unwrap();
                continue;
            }
            let Some(rewritten) = rewrite(batch).unwrap() else {
                prop_assert!(records.is_empty());
                continue;
            };
            check_records(&rewritten.bytes).unwrap();
            let base = BatchHeader::parse(batch).unwrap().base_offset;
            let again = decode_records(&rewritten.bytes).unwrap();
            let at = |record: &Record| Record { offset: base.plus(record.offset.0), ..record.clone() };
            let same_offsets = again.iter().map(at).eq(records.iter().cloned());
            prop_assert_eq!(rewritten.offsets_kept, same_offsets);
            let plain = |record: &Record| Record { offset: Offset::ZERO, ..record.clone() };
            prop_assert!(again.iter().map(plain).eq(records.iter().map(plain)));
        }
    }

    #[test]
    fn anything_at_all_is_read_without_a_panic(
        name in prop_oneof![
            Just("a-0/00000000000000000000.log"), Just("a-0/00000000000000000009.index"),
            Just("a-0/00000000000000000000.timeindex"), Just("a-0/leader-epoch-checkpoint"),
        ],
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = read(&Files::from([(name.to_owned(), Bytes::from(bytes))]));
    }
}

const LOG: &str = "orders-0/00000000000000000000.log";
const INDEX: &str = "orders-0/00000000000000000000.index";
const TIMES: &str = "orders-0/00000000000000000000.timeindex";
const EPOCHS: &str = "orders-0/leader-epoch-checkpoint";

#[track_caller]
fn refused(files: &Files, file: &str, at: u64) -> Fault {
    let error = read(files).unwrap_err();
    assert_eq!((error.file.as_str(), error.at), (file, at), "{error}");
    assert!(error.to_string().starts_with(&format!("{file}, byte {at}: ")));
    error.fault
}

#[test]
fn one_wrong_file_refuses_all() {
    let log = log(0, &even(20));
    let files = written(0, 0, &log, u64::MAX, usize::MAX);
    assert_eq!(files.keys().collect::<Vec<_>>(), [INDEX, LOG, TIMES, EPOCHS]);
    assert_eq!(files[EPOCHS], "0\n3\n0 0\n1 12\n2 26\n");
    assert!(files[INDEX].len() >= 24);
    read(&files).unwrap();
    let second = log[0].len() as u64;
    let third = second + log[1].len() as u64;
    let with = |path: &str, bytes: Vec<u8>| {
        let mut files = files.clone();
        files.insert(path.to_owned(), bytes.into());
        files
    };
    let changed = |path: &str, at: u64, to: u8| {
        let mut bytes = files[path].to_vec();
        assert_ne!(std::mem::replace(&mut bytes[at as usize], to), to);
        with(path, bytes)
    };

    // The log.
    assert!(matches!(
        refused(&changed(LOG, second + 70, 0xaa), LOG, second),
        Fault::Batch(BatchError::Crc { .. })
    ));
    assert_eq!(refused(&changed(LOG, second + 16, 1), LOG, second), Fault::Batch(BatchError::Magic(1)));
    assert!(matches!(refused(&changed(LOG, second + 8, 1), LOG, second), Fault::BatchCut { .. }));
    let swapped = [&log[0], &log[2], &log[1]].map(|batch| batch.to_vec()).concat();
    assert_eq!(
        refused(&with(LOG, swapped), LOG, second + log[2].len() as u64),
        Fault::OffsetNotAscending { base: Offset(2), expected: Offset(6) }
    );
    let doubled = [&log[0], &log[1], &log[1]].map(|batch| batch.to_vec()).concat();
    assert!(matches!(refused(&with(LOG, doubled), LOG, third), Fault::OffsetNotAscending { .. }));
    let mut marked = log[1].to_vec();
    marked[22] |= 0x10;
    let transactional = [log[0].to_vec(), marked].concat();
    assert_eq!(refused(&with(LOG, transactional), LOG, second), Fault::Transactional);
    let mut later = log[0].to_vec();
    set_leader_epoch(&mut later, LeaderEpoch(9));
    let back = [&later[..], &log[1]].concat();
    let mut alone = with(LOG, back);
    assert_eq!(refused(&alone, LOG, second), Fault::EpochWentBack(LeaderEpoch(9)));
    alone.insert(LOG.to_owned(), later.into());
    alone.retain(|path, _| [LOG, EPOCHS].contains(&path.as_str()));
    assert!(matches!(refused(&alone, LOG, 0), Fault::EpochDiffers { .. }));

    // A log that lost its end between two batches is found out by its indexes.
    let fault = refused(&with(LOG, log[..10].concat()), INDEX, 16);
    assert_eq!(fault, Fault::EntryDiffersFromLog);

    // The indexes.
    assert_eq!(refused(&with(INDEX, files[INDEX][..13].to_vec()), INDEX, 8), Fault::EntryCut);
    assert_eq!(refused(&changed(INDEX, 15, 0), INDEX, 8), Fault::EntryDiffersFromLog);
    assert_eq!(refused(&changed(TIMES, 7, 0), TIMES, 0), Fault::EntryDiffersFromLog);
    assert_eq!(refused(&changed(TIMES, 11, 0x7f), TIMES, 12), Fault::EntryNotAscending);
    let mut orphan = files.clone();
    orphan.insert("orders-0/00000000000000000099.index".to_owned(), Bytes::new());
    assert_eq!(refused(&orphan, "orders-0/00000000000000000099.index", 0), Fault::IndexWithoutLog);
    let mut padded = files.clone();
    padded.insert(INDEX.to_owned(), [&files[INDEX][..], &[0; 800]].concat().into());
    read(&padded).unwrap();
    padded.retain(|path, _| path == LOG);
    assert_eq!(read(&padded).unwrap().partitions[0].records, 40);

    // The checkpoint.
    assert!(matches!(
        refused(&with(EPOCHS, b"0\n1\n0 0".to_vec()), EPOCHS, 4),
        Fault::CheckpointMalformed(_)
    ));
    assert!(matches!(
        refused(&with(EPOCHS, b"0\n1\n5 0\n".to_vec()), LOG, 0),
        Fault::EpochDiffers { batch: LeaderEpoch(0), checkpoint: LeaderEpoch(5) }
    ));

    // Names.
    let renamed = |from: &str, to: &str| -> Files {
        files.iter().map(|(path, bytes)| (path.replace(from, to), bytes.clone())).collect()
    };
    assert!(matches!(
        refused(
            &renamed("00000000000000000000.log", "00000000000000000003.log"),
            "orders-0/00000000000000000003.log",
            0
        ),
        Fault::OffsetNotAscending { expected: Offset(3), .. }
    ));
    assert_eq!(
        refused(&renamed("orders-0", "orders-1"), "orders-1/00000000000000000000.index", 0),
        Fault::PartitionMissing(PartitionIndex(0))
    );
    let mut mixed = files.clone();
    mixed.insert("others-1/00000000000000000000.log".to_owned(), Bytes::new());
    assert_eq!(
        refused(&mixed, "others-1/00000000000000000000.log", 0),
        Fault::OtherTopic(TopicName::from("orders"))
    );
    let mut twice = files.clone();
    twice.insert(format!("more/{LOG}"), files[LOG].clone());
    assert_eq!(refused(&twice, LOG, 0), Fault::Twice);
    let mut foreign = files.clone();
    foreign.insert("orders-0/notes.txt".to_owned(), Bytes::new());
    assert_eq!(refused(&foreign, "orders-0/notes.txt", 0), Fault::ForeignFile);
    foreign.insert("a.json".to_owned(), Bytes::new());
    assert_eq!(refused(&foreign, "a.json", 0), Fault::ForeignPath);
    assert_eq!(read(&Files::new()).unwrap_err().fault, Fault::NoLog);
    let only_epochs = Files::from([(EPOCHS.to_owned(), files[EPOCHS].clone())]);
    assert_eq!(refused(&only_epochs, EPOCHS, 0), Fault::NoLog);
}

#[test]
fn segments_of_two_partitions_that_were_mixed_are_refused() {
    let files = written(0, 0, &log(0, &even(20)), 5000, usize::MAX);
    let other = written(0, 0, &log(0, &even(30)[10..]), 5000, usize::MAX);
    let logs = |files: &Files| -> Vec<String> {
        files.keys().filter(|path| path.ends_with(".log")).cloned().collect()
    };
    assert!(logs(&files).len() > 3);
    let last = logs(&other).pop().unwrap();
    let mut mixed = files.clone();
    mixed.insert(logs(&files)[1].clone(), other[&last].clone());
    let error = read(&mixed).unwrap_err();
    assert!(error.file.starts_with("orders-0/"), "{error}");
}

#[test]
fn a_partition_of_a_broker_with_its_other_files_is_read() {
    let mut files = written(0, 0, &log(0, &even(3)), u64::MAX, usize::MAX);
    files.insert("orders-0/partition.metadata".to_owned(), Bytes::from_static(b"version: 0\ntopic_id: x\n"));
    files.insert("orders-0/00000000000000000006.snapshot".to_owned(), Bytes::from_static(b"\0\x01"));
    files.insert("orders-0/00000000000000000000.txnindex".to_owned(), Bytes::new());
    assert_eq!(read(&files).unwrap().partitions[0].end, Some(Offset(6)));
}

#[test]
fn an_empty_partition_is_a_file_named_by_its_start() {
    let files = written(3, 500, &[], 1000, usize::MAX);
    let expected: Files = [
        ("orders-3/00000000000000000500.index", ""),
        ("orders-3/00000000000000000500.log", ""),
        ("orders-3/00000000000000000500.timeindex", ""),
        ("orders-3/leader-epoch-checkpoint", "0\n0\n"),
    ]
    .map(|(path, text)| (path.to_owned(), Bytes::from(text)))
    .into();
    assert_eq!(files, expected);
}

#[test]
fn a_fetch_that_begins_below_the_asked_offset_is_kept_whole_and_what_is_beyond_the_end_left_out() {
    let log = log(0, &even(5));
    let all = Bytes::from(log.concat());
    let topic = TopicName::from("orders");
    let mut writer = PartitionWriter::new(topic, PartitionIndex(0), Offset(3), u64::MAX);
    let pieces = writer.write(&all.slice(log[0].len()..), Offset(7)).unwrap();
    assert_eq!(pieces.len(), 1);
    assert_eq!(pieces[0].path.to_string(), "orders-0/00000000000000000002.log");
    assert_eq!(pieces[0].bytes, log[1..4].concat());
    assert_eq!(writer.next_offset(), Offset(8));
    // The same again brings nothing.
    assert_eq!(writer.write(&all, Offset(8)).unwrap(), []);
    let mut broken = log[4].to_vec();
    broken[80] ^= 1;
    assert!(matches!(writer.write(&broken.into(), Offset(99)), Err(BatchError::Crc { .. })));
}
