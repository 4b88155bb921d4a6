//! A partition log on storage: opening one whose last writes are torn, rotten or out of place; failed writes; rolls; what a
//! leader refuses.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use tabmq::log::io::{Chunk, IoOp, IoResult};
use tabmq::log::{
    AppendError, CutReason, Damaged, LogConfig, PartitionLog, ReadOutcome, RecoveryReport, unsealed,
};
use tabmq::protocol::batch::{self, BatchError};
use tabmq::protocol::records::{BatchBuilder, BatchOptions};
use tabmq::rng::Rng;
use tabmq::sim::storage::MemoryStorage;
use tabmq::time::{Duration, Instant};
use tabmq::types::{LeaderEpoch, LogId, Offset};

const ID: LogId = LogId::METADATA;
const NOW: Instant = Instant(1_000_000);

fn batch_of(records: usize) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    (0..records).for_each(|_| builder.push(NOW.as_timestamp(), None, Some(b"value"), &[]));
    builder.build()
}

fn open(storage: &mut MemoryStorage, config: &LogConfig) -> (PartitionLog, Vec<RecoveryReport>) {
    let recovered = storage.recovered().logs.remove(&ID).unwrap_or_default();
    let (mut log, ops, reports) = PartitionLog::recover(ID, config.clone(), recovered, NOW);
    for op in ops {
        log.io_done(&storage.execute(op));
    }
    settle(&mut log, storage);
    (log, reports)
}

fn settle(log: &mut PartitionLog, storage: &mut MemoryStorage) {
    while !log.io_idle() {
        for op in log.take_io() {
            log.io_done(&storage.execute(op));
        }
    }
}

/// A log of three committed batches of two records in one chunk, and three of three in another.
fn filled(config: &LogConfig) -> MemoryStorage {
    let mut storage = MemoryStorage::default();
    let (mut log, _) = open(&mut storage, config);
    for records in [2, 3] {
        for _ in 0..3 {
            log.append_as_leader(&batch_of(records), LeaderEpoch(4), NOW).expect("appends");
        }
        settle(&mut log, &mut storage);
    }
    assert_eq!(storage.chunks(ID).iter().map(|chunk| chunk.base.0).collect::<Vec<_>>(), [0, 6]);
    storage
}

fn reads_whole(log: &PartitionLog, storage: &mut MemoryStorage) -> Offset {
    let mut at = log.log_start_offset();
    while at < log.log_end_offset() {
        let bytes = match log.read(at, log.log_end_offset(), 1000, true) {
            ReadOutcome::Batches(bytes) => bytes,
            ReadOutcome::NeedsIo(op) => match storage.execute(op) {
                IoResult::Read(chunks) => {
                    log.supply(&chunks, at, log.log_end_offset(), 1000, true).expect("undamaged")
                }
                other => panic!("{other:?}"),
            },
            ReadOutcome::OutOfRange => panic!("{at} is within the log"),
        };
        let (header, range) = batch::batches(&bytes).next().expect("at least one").expect("whole");
        batch::validate_batch(&bytes[range]).expect("valid");
        at = header.next_offset();
    }
    at
}

#[test]
fn a_chunk_cut_short_loses_its_last_batch_only() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    storage.corrupt_chunk(ID, Offset(6), |bytes| bytes.truncate(3 * batch_of(3).len() - 5));
    let (mut log, reports) = open(&mut storage, &config);
    let bytes_cut = batch_of(3).len() as u64 - 5;
    let reason = CutReason::CorruptBatch(BatchError::CutShort);
    assert_eq!(reports, [RecoveryReport { log: ID, end: Offset(12), bytes_cut, reason }]);
    assert_eq!(log.log_end_offset(), Offset(12));

    log.append_as_leader(&batch_of(1), LeaderEpoch(5), NOW).expect("goes on");
    settle(&mut log, &mut storage);
    let (log, reports) = open(&mut storage, &config);
    assert_eq!(reports, [], "the cut is in storage too");
    assert_eq!(reads_whole(&log, &mut storage), Offset(13));
    assert_eq!(log.end_offset_for_epoch(LeaderEpoch(4)), Some((LeaderEpoch(4), Offset(12))));
}

#[test]
fn a_flipped_bit_cuts_from_its_batch_on() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    storage.corrupt_chunk(ID, Offset(0), |bytes| bytes[batch_of(2).len() + 70] ^= 1);
    let (log, reports) = open(&mut storage, &config);
    let [report] = reports.try_into().expect("one thing was wrong");
    assert_eq!((report.end, log.log_end_offset()), (Offset(2), Offset(2)));
    assert_eq!(report.bytes_cut, (2 * batch_of(2).len() + 3 * batch_of(3).len()) as u64);
    assert!(matches!(report.reason, CutReason::CorruptBatch(BatchError::Crc { .. })));
    assert_eq!(storage.chunks(ID).len(), 1);
    assert_eq!(reads_whole(&log, &mut storage), Offset(2));
}

#[test]
fn a_bit_of_an_offset_or_a_leader_epoch_cuts_from_its_batch_on() {
    let config = LogConfig::default();
    // Base offset, length, leader epoch, magic: kafka's checksum covers none of them.
    for at in [0, 7, 10, 13, 15, 16] {
        let mut storage = filled(&config);
        storage.corrupt_chunk(ID, Offset(6), |bytes| bytes[batch_of(3).len() + at] ^= 1);
        let (log, reports) = open(&mut storage, &config);
        let [report] = reports.try_into().expect("one thing was wrong");
        assert_eq!((report.end, log.log_end_offset()), (Offset(9), Offset(9)), "byte {at}");
        assert_eq!(report.bytes_cut, 2 * batch_of(3).len() as u64);
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(4)));
        assert_eq!(reads_whole(&log, &mut storage), Offset(9));
    }
}

#[test]
fn a_lost_seal_is_told_and_costs_no_record() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    storage.corrupt_chunk(ID, Offset(6), |bytes| bytes.truncate(bytes.len() - 1));
    let (log, reports) = open(&mut storage, &config);
    assert_eq!(reports.iter().map(|report| report.end).collect::<Vec<_>>(), [Offset(15)]);
    assert_eq!(reads_whole(&log, &mut storage), Offset(15));
    assert_eq!(open(&mut storage, &config).1, [], "it is sealed again");
}

#[test]
fn chunks_of_before_there_were_seals_are_read_and_written_on() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    for chunk in storage.chunks(ID) {
        let bare = unsealed(&chunk);
        assert!(bare.len() < chunk.bytes.len());
        storage.corrupt_chunk(ID, chunk.base, |bytes| *bytes = bare.to_vec());
    }
    let mut rows = storage.recovered().logs.get(&ID).unwrap().rows.clone();
    for row in &mut rows {
        // As it was written then: without the flag that all is sealed.
        let mut bytes = row.bytes.to_vec();
        bytes[5] &= !4;
        let crc = crc32c::crc32c(&bytes[5..]).to_be_bytes();
        bytes[1..5].copy_from_slice(&crc);
        row.bytes = bytes.into();
    }
    storage.execute(IoOp::Append { log: ID, chunks: Vec::new(), rows, flush: false });
    let (mut log, reports) = open(&mut storage, &config);
    assert_eq!(reports, []);
    assert_eq!(reads_whole(&log, &mut storage), Offset(15));
    log.truncate_to(Offset(12));
    log.append_as_leader(&batch_of(2), LeaderEpoch(5), NOW).expect("goes on");
    settle(&mut log, &mut storage);
    let (log, reports) = open(&mut storage, &config);
    assert_eq!(reports, []);
    assert_eq!(reads_whole(&log, &mut storage), Offset(14));
}

#[test]
fn a_chunk_that_lost_its_end_at_a_batch_is_told() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    let chunk = storage.chunks(ID).pop().expect("there are chunks");
    let (_, first) = batch::batches(&chunk.bytes).next().expect("a batch").expect("whole");
    storage.corrupt_chunk(ID, chunk.base, |bytes| bytes.truncate(first.end));
    let (log, reports) = open(&mut storage, &config);
    assert_eq!(reports.iter().map(|report| report.end).collect::<Vec<_>>(), [Offset(9)]);
    assert_eq!(reads_whole(&log, &mut storage), Offset(9));
    assert_eq!(open(&mut storage, &config).1, [], "the end is sealed again");
}

#[test]
fn a_missing_chunk_cuts_at_the_gap() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    let mut far = BytesMut::from(batch_of(1).as_ref());
    batch::set_base_offset(&mut far, Offset(40));
    let chunks = vec![Chunk { base: Offset(40), bytes: far.freeze() }];
    assert_eq!(
        storage.execute(IoOp::Append { log: ID, chunks, rows: Vec::new(), flush: false }),
        IoResult::Done
    );
    let (log, reports) = open(&mut storage, &config);
    assert!(matches!(&reports[..], [one] if one.reason == CutReason::Gap { found: Offset(40) }));
    assert_eq!(reports[0].end, Offset(15));
    assert_eq!(reads_whole(&log, &mut storage), Offset(15));
    assert!(storage.chunks(ID).iter().all(|chunk| chunk.base < Offset(15)));
}

#[test]
fn opening_asks_for_the_last_segment_only() {
    let config = LogConfig { segment_bytes: 700, ..LogConfig::default() };
    let mut storage = MemoryStorage::default();
    let (mut log, _) = open(&mut storage, &config);
    for _ in 0..50 {
        log.append_as_leader(&batch_of(2), LeaderEpoch(1), NOW).expect("appends");
        settle(&mut log, &mut storage);
    }
    assert!(log.segments().len() > 5);
    let found = storage.recovered().logs.remove(&ID).expect("there");
    assert!(found.tail.len() < 10);
    let (again, reports) = open(&mut storage, &config);
    assert_eq!(reports, []);
    let sums = |log: &PartitionLog| log.segments().iter().map(|s| (s.base, s.facts)).collect::<Vec<_>>();
    assert_eq!(sums(&again), sums(&log));
    assert_eq!(reads_whole(&again, &mut storage), Offset(100));
}

#[test]
fn a_segment_whose_row_was_written_and_its_batches_were_not_has_the_epochs_of_what_is_there() {
    let config = LogConfig { segment_bytes: 700, ..LogConfig::default() };
    let mut storage = MemoryStorage::default();
    let (mut log, _) = open(&mut storage, &config);
    log.append_as_leader(&batch_of(2), LeaderEpoch(0), NOW).expect("appends");
    settle(&mut log, &mut storage);
    // Those of a later epoch fill the segment, and the next ones: all in one write, which is torn.
    while log.segments().len() < 4 {
        log.append_as_leader(&batch_of(2), LeaderEpoch(2), NOW).expect("appends");
    }
    let [op] = &log.take_io()[..] else { panic!("one write") };
    let mut ends = BTreeSet::new();
    for seed in 0..200 {
        let mut storage = storage.clone();
        storage.tear(op.clone(), &mut Rng::new(seed));
        let (log, _) = open(&mut storage, &config);
        let end = reads_whole(&log, &mut storage);
        assert!(end >= Offset(2), "seed {seed}: what was there before is gone from {end} on");
        ends.insert(end);
        let expected = if end == Offset(2) { LeaderEpoch(0) } else { LeaderEpoch(2) };
        assert_eq!(log.latest_epoch(), Some(expected), "seed {seed}: it ends at {end}");
    }
    assert!(ends.len() > 2, "{ends:?}");
}

#[test]
fn an_unreadable_row_is_reported_and_costs_no_record() {
    let config = LogConfig { segment_bytes: 700, ..LogConfig::default() };
    let mut storage = MemoryStorage::default();
    let (mut log, _) = open(&mut storage, &config);
    for _ in 0..20 {
        log.append_as_leader(&batch_of(2), LeaderEpoch(1), NOW).expect("appends");
        settle(&mut log, &mut storage);
    }
    let mut found = storage.recovered().logs.remove(&ID).expect("there");
    let base = found.rows[1].base;
    found.rows[1].bytes = Bytes::from_static(b"rot");
    let (log, _, reports) = PartitionLog::recover(ID, config, found, NOW);
    assert!(matches!(&reports[..], [one] if one.reason == CutReason::UnreadableRow { base }));
    assert_eq!(reads_whole(&log, &mut storage), Offset(40));
}

#[test]
fn a_failed_write_drops_what_was_never_acknowledged_and_refuses_appends_until_storage_is_cut() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    let (mut log, _) = open(&mut storage, &config);
    storage.fail_writes(Some(tabmq::log::io::IoError::QuotaExceeded));
    log.append_as_leader(&batch_of(1), LeaderEpoch(9), NOW).expect("memory takes it");
    assert_eq!((log.log_end_offset(), log.durable_end_offset()), (Offset(16), Offset(15)));
    settle(&mut log, &mut storage);
    assert_eq!((log.log_end_offset(), log.durable_end_offset()), (Offset(15), Offset(15)));
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(4)));
    let refused = log.append_as_leader(&batch_of(1), LeaderEpoch(9), NOW);
    assert_eq!(refused, Err(AppendError::StorageFailed));

    log.retry_storage();
    settle(&mut log, &mut storage);
    assert!(log.storage_failed(), "the quota is still used up");
    storage.fail_writes(None);
    log.retry_storage();
    settle(&mut log, &mut storage);
    assert!(!log.storage_failed());
    let info = log.append_as_leader(&batch_of(1), LeaderEpoch(9), NOW).expect("goes on");
    assert_eq!(info.first_offset, Offset(15));
}

#[test]
fn a_segment_is_rolled_by_size_and_by_the_records_own_time() {
    let size = batch_of(2).len() as u64;
    let config = LogConfig {
        segment_bytes: 3 * size,
        segment_ms: Duration::from_secs(60),
        timestamp_after_max: None,
        ..LogConfig::default()
    };
    let mut storage = MemoryStorage::default();
    let (mut log, _) = open(&mut storage, &config);
    let mut append =
        |records: Bytes| log.append_as_leader(&records, LeaderEpoch(1), NOW).map(|info| info.rolled);
    assert_eq!(
        (0..3).map(|_| append(batch_of(2))).collect::<Result<Vec<_>, _>>(),
        Ok(vec![None, None, None])
    );
    assert_eq!(append(batch_of(2)), Ok(Some(Offset(6))), "a fourth does not fit");
    let mut later = BatchBuilder::new(BatchOptions::default());
    later.push(NOW.as_timestamp() + 60_000, None, None, &[]);
    assert_eq!(append(later.build()), Ok(None), "not yet older than segment.ms");
    let mut later = BatchBuilder::new(BatchOptions::default());
    later.push(NOW.as_timestamp() + 60_001, None, None, &[]);
    assert_eq!(append(later.build()), Ok(Some(Offset(9))), "the broker's clock did not move");
    assert!(matches!(append(batch_of(200)), Err(AppendError::RecordListTooLarge { .. })));
}

#[test]
fn what_a_leader_may_not_accept_is_refused_whole() {
    let config = LogConfig { max_message_bytes: 200, ..LogConfig::default() };
    let mut storage = MemoryStorage::default();
    let (mut log, _) = open(&mut storage, &config);
    let mut append = |records: &Bytes| log.append_as_leader(records, LeaderEpoch(1), NOW);
    assert_eq!(append(&Bytes::new()), Err(AppendError::NoBatches));
    let large = batch_of(50);
    assert_eq!(append(&large), Err(AppendError::RecordTooLarge { size: large.len(), max: 200 }));
    let mut two = BytesMut::from(batch_of(1).as_ref());
    two.extend_from_slice(&large);
    assert!(append(&two.freeze()).is_err());
    let mut torn = batch_of(1).to_vec();
    torn[65] ^= 1;
    assert!(matches!(append(&torn.into()), Err(AppendError::CorruptBatch(BatchError::Crc { .. }))));
    let mut future = BatchBuilder::new(BatchOptions::default());
    future.push(NOW.as_timestamp() + 3_600_001, None, None, &[]);
    assert!(matches!(append(&future.build()), Err(AppendError::TimestampInFuture { .. })));
    assert_eq!(log.log_end_offset(), Offset(0));
    log.append_as_leader(&batch_of(1), LeaderEpoch(3), NOW).expect("appends");
    let old = log.append_as_leader(&batch_of(1), LeaderEpoch(2), NOW);
    assert_eq!(old, Err(AppendError::EpochWentBack { latest: LeaderEpoch(3), got: LeaderEpoch(2) }));
    let gap = log.append_as_follower(&batch_of(1), NOW);
    assert_eq!(gap, Err(AppendError::OffsetsNotContiguous { expected: Offset(1), got: Offset(0) }));
}

/// Segments of one chunk each, of two batches of two records, and nothing of them in memory.
fn closed_segments() -> (LogConfig, MemoryStorage) {
    let size = batch_of(2).len() as u64;
    let config = LogConfig { segment_bytes: 2 * size, tail_bytes: 0, ..LogConfig::default() };
    let mut storage = MemoryStorage::default();
    let (mut log, _) = open(&mut storage, &config);
    for _ in 0..5 {
        for _ in 0..2 {
            log.append_as_leader(&batch_of(2), LeaderEpoch(1), NOW).expect("appends");
        }
        settle(&mut log, &mut storage);
    }
    assert_eq!(storage.chunks(ID).iter().map(|chunk| chunk.base.0).collect::<Vec<_>>(), [0, 4, 8, 12, 16]);
    (config, storage)
}

fn refused(at: i64, next: i64) -> Result<(i64, usize), Damaged> {
    Err(Damaged { at: Offset(at), next: Some(Offset(next)) })
}

fn fetch(log: &PartitionLog, storage: &MemoryStorage, at: i64) -> Result<(i64, usize), Damaged> {
    let chunks = storage.read(ID, Offset(at), 1000);
    let bytes = log.supply(&chunks, Offset(at), log.log_end_offset(), 1000, true)?;
    let (header, _) = batch::batches(&bytes).next().expect("at least one").expect("whole");
    Ok((header.base_offset.0, bytes.len() / batch_of(2).len()))
}

#[test]
fn what_a_closed_segment_lost_is_refused_and_not_passed_over() {
    let (config, mut storage) = closed_segments();
    let gone = |from: i64, to: i64| IoOp::Rewrite {
        log: ID,
        from: Offset(from),
        to: Offset(to),
        chunks: Vec::new(),
        rows: Vec::new(),
        gone: Vec::new(),
    };
    storage.execute(gone(4, 8));
    let (log, reports) = open(&mut storage, &config);
    assert_eq!(reports, [], "only the last segment is looked at");
    assert_eq!(fetch(&log, &storage, 0), Ok((0, 2)), "up to the hole");
    for at in 4..8 {
        assert_eq!(fetch(&log, &storage, at), refused(at, 8));
    }
    assert!(matches!(fetch(&log, &storage, 8), Ok((8, _))), "what lies behind can be read");
    storage.execute(gone(0, 16));
    assert_eq!(fetch(&log, &storage, 0), refused(0, 16), "only the end is there");
}

#[test]
fn a_batch_of_a_closed_segment_that_is_cut_foreign_or_elsewhere_is_refused() {
    let size = batch_of(2).len();
    type Change = fn(&mut Vec<u8>);
    let first: [(&str, Change); 3] = [
        ("no batch", |bytes| bytes[16] = 9),
        ("moved up", |bytes| bytes[7] += 8),
        ("moved down", |bytes| bytes[7] -= 1),
    ];
    for (what, change) in first {
        let (config, mut storage) = closed_segments();
        storage.corrupt_chunk(ID, Offset(4), change);
        let (log, _) = open(&mut storage, &config);
        assert_eq!(fetch(&log, &storage, 4), refused(4, 8), "{what}");
        assert_eq!(fetch(&log, &storage, 6), refused(6, 8), "{what}");
    }
    let (config, mut storage) = closed_segments();
    storage.corrupt_chunk(ID, Offset(4), |bytes| bytes.truncate(size + 30));
    let (log, _) = open(&mut storage, &config);
    assert_eq!(fetch(&log, &storage, 4), Ok((4, 1)));
    assert_eq!(fetch(&log, &storage, 6), refused(6, 8));
}

#[test]
fn a_chunk_cut_to_nothing_is_reported() {
    let config = LogConfig::default();
    let mut storage = filled(&config);
    storage.corrupt_chunk(ID, Offset(6), Vec::clear);
    let (log, reports) = open(&mut storage, &config);
    let reason = CutReason::CorruptBatch(BatchError::CutShort);
    assert_eq!(reports, [RecoveryReport { log: ID, end: Offset(6), bytes_cut: 0, reason }]);
    assert_eq!(reads_whole(&log, &mut storage), Offset(6));
}
