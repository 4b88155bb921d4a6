//! The log alone, natively, beside the CRC that bounds it: `cargo bench --bench log`. Every figure is over the same bytes
//! (batches of 1000 records of 100 bytes), so that throughputs compare.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tabmq::log::io::IoResult;
use tabmq::log::{CompactionRules, LogConfig, LogOpening, PartitionLog, ReadOutcome};
use tabmq::protocol::records::{BatchBuilder, BatchOptions};
use tabmq::sim::storage::MemoryStorage;
use tabmq::time::{Duration, Instant};
use tabmq::types::{LeaderEpoch, LogId, Offset};

const ID: LogId = LogId::METADATA;
const EPOCH: LeaderEpoch = LeaderEpoch(1);
const NOW: Instant = Instant(1_000_000);
const BATCHES: usize = 64;
const RECORDS: usize = 1000;
/// As many keys: of each some records are obsolete.
const KEYS: usize = 4000;
const FETCH_BYTES: usize = 1024 * 1024;

/// Batches whose records have keys and are a millisecond apart.
fn batches() -> Vec<Bytes> {
    let record = |builder: &mut BatchBuilder, n: usize| {
        let key = (n % KEYS).to_be_bytes();
        let value: Vec<u8> = (0..92).map(|at| (n * 31 + at * 17) as u8).collect();
        builder.push(n as i64, Some(&key), Some(&value), &[]);
    };
    let batch = |at: usize| {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        (at * RECORDS..(at + 1) * RECORDS).for_each(|n| record(&mut builder, n));
        builder.build()
    };
    (0..BATCHES).map(batch).collect()
}

fn config(tail_bytes: usize) -> LogConfig {
    LogConfig { tail_bytes, timestamp_after_max: None, retention: None, ..LogConfig::default() }
}

fn empty(config: LogConfig) -> PartitionLog {
    PartitionLog::recover(ID, config, LogOpening::default(), NOW).0
}

fn append(log: &mut PartitionLog, batches: &[Bytes]) {
    for batch in batches {
        log.append_as_leader(batch, EPOCH, NOW).expect("appends");
        for _ in log.take_io() {
            log.io_done(&IoResult::Done);
        }
    }
}

fn settle(log: &mut PartitionLog, storage: &mut MemoryStorage) {
    while !log.io_idle() {
        for op in log.take_io() {
            log.io_done(&storage.execute(op));
        }
    }
}

fn stored(batches: &[Bytes], config: &LogConfig) -> (PartitionLog, MemoryStorage) {
    let (mut log, mut storage) = (empty(config.clone()), MemoryStorage::default());
    for batch in batches {
        log.append_as_leader(batch, EPOCH, NOW).expect("appends");
        settle(&mut log, &mut storage);
    }
    (log, storage)
}

/// Reads everything as a consumer does, and gives how many bytes that was.
fn read_all(log: &PartitionLog, storage: &MemoryStorage) -> usize {
    let (end, mut at, mut size) = (log.log_end_offset(), Offset::ZERO, 0);
    while at < end {
        let bytes = match log.read(at, end, FETCH_BYTES, true) {
            ReadOutcome::Batches(bytes) => bytes,
            ReadOutcome::NeedsIo(_) => log
                .supply(&storage.read(ID, at, FETCH_BYTES), at, end, FETCH_BYTES, true)
                .expect("it is whole"),
            ReadOutcome::OutOfRange => panic!("{at} is within the log"),
        };
        size += bytes.len();
        let found = tabmq::protocol::batch::batches(&bytes).map_while(Result::ok).last();
        at = found.expect("at least one batch").0.next_offset();
    }
    size
}

fn log(criterion: &mut Criterion) {
    let batches = batches();
    let size: usize = batches.iter().map(Bytes::len).sum();
    let mut group = criterion.benchmark_group("log");
    group.sample_size(20).throughput(Throughput::Bytes(size as u64));

    group.bench_function("crc32c (the limit)", |bencher| {
        bencher.iter(|| batches.iter().fold(0, |sum, batch| sum ^ crc32c::crc32c(black_box(batch))));
    });
    group.bench_function("append", |bencher| {
        let fresh = || empty(config(usize::MAX));
        bencher.iter_batched_ref(fresh, |log| append(log, &batches), BatchSize::LargeInput);
    });

    let (in_memory, nothing) = stored(&batches, &config(usize::MAX));
    group.bench_function("read from memory", |bencher| {
        bencher.iter(|| assert_eq!(read_all(&in_memory, &nothing), size));
    });
    let (in_storage, storage) = stored(&batches, &config(0));
    group.bench_function("read from storage", |bencher| {
        bencher.iter(|| assert_eq!(read_all(&in_storage, &storage), size));
    });
    group.bench_function("recovery scan", |bencher| {
        let (_, mut storage) = stored(&batches, &config(0));
        let recovered = || storage.recovered().logs.remove(&ID).expect("it was stored");
        let open = |recovered| {
            let (log, ..) = PartitionLog::recover(ID, config(0), recovered, NOW);
            assert_eq!(log.log_end_offset().0 as usize, BATCHES * RECORDS);
            log
        };
        bencher.iter_batched(recovered, open, BatchSize::LargeInput);
    });
    group.bench_function("compaction", |bencher| {
        let rules =
            CompactionRules { min_lag: Duration::ZERO, max_lag: None, delete_retention: Duration::ZERO };
        // The active segment is never compacted: almost all lies below it.
        let segment_bytes = size as u64 / 16;
        let config = LogConfig { compaction: Some(rules), delete: false, segment_bytes, ..config(0) };
        let fresh = || stored(&batches, &config);
        bencher.iter_batched_ref(
            fresh,
            |(log, storage)| {
                log.begin_cleaning(NOW, log.log_end_offset(), usize::MAX);
                while log.is_cleaning() {
                    settle(log, storage);
                }
                let cleaned = log.take_cleaned().expect("there was something to clean");
                assert!(log.size_bytes() < size as u64 / 4, "{cleaned:?}");
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();

    let mut lookups = criterion.benchmark_group("lookup");
    let last = (BATCHES * RECORDS) as i64;
    let mut step = 0;
    let mut next = move || {
        step = (step + 7919) % last;
        step
    };
    lookups.bench_function("a batch by offset", |bencher| {
        bencher.iter(|| in_memory.read(Offset(next()), Offset(last), 1, true));
    });
    lookups.bench_function("an offset by time", |bencher| {
        bencher.iter(|| in_memory.offset_for_timestamp(next(), Offset(last)));
    });
    lookups.finish();
}

criterion_group!(benches, log);
criterion_main!(benches);
