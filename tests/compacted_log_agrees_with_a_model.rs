//! A compacted log on storage agrees with a plain list of records, whatever happens between: the latest value of each key is
//! there, nothing above the cleaned part is missing, and what is there is what was appended. Cleanings meet appends, failed
//! writes, cuts of the end, deletions of the front, and crashes between any two steps of IO.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tabmq::log::io::{IoError, IoOp, IoResult};
use tabmq::log::{
    AppendError, CompactionRules, LogConfig, LogOpening, PartitionLog, ReadOutcome, stored_batches, unsealed,
};
use tabmq::protocol::batch;
use tabmq::protocol::records::{BatchBuilder, BatchOptions, Record, decode_records};
use tabmq::sim::storage::MemoryStorage;
use tabmq::time::{Duration, Instant};
use tabmq::types::{Compression, LeaderEpoch, LogId, Offset, ProducerEpoch, ProducerId};

#[derive(Debug, Clone)]
enum Op {
    /// A batch of records with these keys; every third is a tombstone. By an idempotent producer if there is one.
    Append {
        keys: Vec<u8>,
        value_bytes: usize,
        producer: Option<i64>,
        gzip: bool,
    },
    /// As a follower, of a leader that has compacted: offsets are missing.
    FollowWithGap {
        key: u8,
        gap: u8,
    },
    Execute(usize),
    Deliver(usize),
    Clean {
        budget: usize,
    },
    FailNextWrite,
    RetryStorage,
    /// Never below what was committed, at a share of what is above, in 256ths.
    Truncate(u8),
    DeleteBefore(u8),
    Crash,
    Wait(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let keys = prop::collection::vec(0u8..8, 1..5);
    let producer = prop::option::of(1i64..3);
    prop_oneof![
        10 => (keys, 0usize..300, producer, any::<bool>())
            .prop_map(|(keys, value_bytes, producer, gzip)| Op::Append { keys, value_bytes, producer, gzip }),
        2 => (0u8..8, 0u8..20).prop_map(|(key, gap)| Op::FollowWithGap { key, gap }),
        10 => (1usize..6).prop_map(Op::Execute),
        10 => (1usize..6).prop_map(Op::Deliver),
        5 => prop_oneof![Just(1 << 20), 1usize..400].prop_map(|budget| Op::Clean { budget }),
        1 => Just(Op::FailNextWrite),
        1 => Just(Op::RetryStorage),
        1 => any::<u8>().prop_map(Op::Truncate),
        1 => any::<u8>().prop_map(Op::DeleteBefore),
        1 => Just(Op::Crash),
        2 => (1u16..3000).prop_map(Op::Wait),
    ]
}

const ID: LogId = LogId::METADATA;

struct World {
    config: LogConfig,
    log: PartitionLog,
    storage: MemoryStorage,
    submitted: VecDeque<IoOp>,
    executed: VecDeque<IoResult>,
    /// Every record appended and not cut off.
    model: Vec<Record>,
    /// The offset after the last batch of the model.
    batch_ends: Vec<Offset>,
    high_watermark: Offset,
    /// Cleanings have not been given anything from here on.
    cleaned_below: Offset,
    sequences: BTreeMap<i64, i32>,
    now: Instant,
    cleanings: usize,
}

impl World {
    fn new(tail_bytes: usize) -> World {
        let config = LogConfig {
            segment_bytes: 1500,
            tail_bytes,
            retention: None,
            compaction: Some(CompactionRules {
                min_lag: Duration::ZERO,
                max_lag: None,
                delete_retention: Duration::from_millis(500),
            }),
            producer_id_expiration: Duration::from_secs(1 << 30),
            ..LogConfig::default()
        };
        let now = Instant(1_000_000);
        let (log, _, _) = PartitionLog::recover(ID, config.clone(), LogOpening::default(), now);
        World {
            config,
            log,
            storage: MemoryStorage::default(),
            submitted: VecDeque::new(),
            executed: VecDeque::new(),
            model: Vec::new(),
            batch_ends: Vec::new(),
            high_watermark: Offset::ZERO,
            cleaned_below: Offset::ZERO,
            sequences: BTreeMap::new(),
            now,
            cleanings: 0,
        }
    }

    fn step(&mut self, op: &Op) {
        self.now = self.now + Duration::from_millis(3);
        match op {
            Op::Append { keys, value_bytes, producer, gzip } => {
                self.append(keys, *value_bytes, *producer, *gzip)
            }
            Op::FollowWithGap { key, gap } => self.follow(*key, i64::from(*gap)),
            Op::Execute(n) => (0..*n).for_each(|_| self.execute()),
            Op::Deliver(n) => (0..*n).for_each(|_| self.deliver()),
            Op::Clean { budget } => {
                self.high_watermark = self.log.durable_end_offset();
                self.log.begin_cleaning(self.now, self.high_watermark, *budget);
                if self.log.is_cleaning() {
                    self.cleaned_below = self.cleaned_below.max(self.high_watermark);
                }
            }
            Op::FailNextWrite => self.storage.fail_next_write(IoError::QuotaExceeded),
            Op::RetryStorage => self.log.retry_storage(),
            Op::Truncate(share) => {
                let (from, end) = (self.high_watermark.0, self.log.log_end_offset().0);
                let to = Offset(from + (end - from).max(0) * i64::from(*share) / 255);
                if to > self.log.log_start_offset() {
                    self.log.truncate_to(to);
                    self.cut_model(to);
                }
            }
            Op::DeleteBefore(share) => {
                let (start, end) = (self.log.log_start_offset().0, self.high_watermark.0);
                let to = start + (end - start).max(0) * i64::from(*share) / 255;
                self.log.delete_before(Offset(to), self.now);
            }
            Op::Crash => self.crash(),
            Op::Wait(ms) => self.now = self.now + Duration::from_millis(u64::from(*ms)),
        }
        self.submit();
        self.check_restart();
    }

    fn append(&mut self, keys: &[u8], value_bytes: usize, producer: Option<i64>, gzip: bool) {
        let compression = if gzip { Compression::Gzip } else { Compression::None };
        let marks = producer.map(|id| {
            (ProducerId(id), ProducerEpoch(0), self.sequences.get(&id).copied().unwrap_or_default())
        });
        let mut builder =
            BatchBuilder::new(BatchOptions { producer: marks, compression, ..BatchOptions::default() });
        for (at, key) in keys.iter().enumerate() {
            let value = vec![*key; value_bytes];
            let tombstone = (self.model.len() + at).is_multiple_of(3);
            let value = (!tombstone).then_some(value.as_slice());
            builder.push(self.now.as_timestamp() + at as i64, Some(&[*key]), value, &[]);
        }
        match self.log.append_as_leader(&builder.build(), LeaderEpoch(1), self.now) {
            Ok(info) => {
                if let Some((id, _, sequence)) = marks {
                    self.sequences.insert(id.0, sequence + keys.len() as i32);
                }
                // What was cut off, a crash may have brought back: then this is sent again.
                if !info.duplicate {
                    self.note(&builder.build(), info.first_offset);
                }
            }
            Err(AppendError::StorageFailed | AppendError::Truncating) => {}
            // What the producer wrote last was cut off: it would find out, and start anew.
            Err(AppendError::OutOfOrderSequence { expected, .. }) => {
                let id = producer.expect("an idempotent producer");
                self.sequences.insert(id, expected.unwrap_or_default());
            }
            Err(error) => panic!("{error:?}"),
        }
    }

    fn follow(&mut self, key: u8, gap: i64) {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.push(self.now.as_timestamp(), Some(&[key]), Some(b"followed"), &[]);
        let base = self.log.log_end_offset().plus(gap);
        let mut batch = BytesMut::from(builder.build().as_ref());
        batch::set_base_offset(&mut batch, base);
        batch::set_leader_epoch(&mut batch, LeaderEpoch(1));
        match self.log.append_as_follower(&batch.freeze(), self.now) {
            Ok(_) => self.note(&builder.build(), base),
            Err(AppendError::StorageFailed | AppendError::Truncating) => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    fn note(&mut self, batch: &Bytes, base: Offset) {
        let mut copy = BytesMut::from(batch.as_ref());
        batch::set_base_offset(&mut copy, base);
        let records = decode_records(&copy.freeze()).expect("built here");
        self.batch_ends.push(base.plus(records.len() as i64));
        self.model.extend(records);
    }

    fn model_end(&self) -> Offset {
        self.batch_ends.last().copied().unwrap_or_default()
    }

    /// Batches that hold `to` go as a whole.
    fn cut_model(&mut self, to: Offset) {
        self.batch_ends.retain(|end| *end <= to);
        let end = self.model_end();
        self.model.retain(|record| record.offset < end);
    }

    fn submit(&mut self) {
        self.submitted.extend(self.log.take_io());
    }

    fn execute(&mut self) {
        if let Some(op) = self.submitted.pop_front() {
            self.executed.push_back(self.storage.execute(op));
        }
    }

    fn deliver(&mut self) {
        let Some(result) = self.executed.pop_front() else { return };
        let failed = matches!(result, IoResult::Failed(_));
        self.log.io_done(&result);
        if failed && !self.log.is_truncating() {
            self.cut_model(self.log.log_end_offset());
        }
        self.cleanings += usize::from(self.log.take_cleaned().is_some());
        self.submit();
    }

    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.execute();
            self.deliver();
            if self.submitted.is_empty() && self.executed.is_empty() {
                self.log.retry_storage();
                self.submit();
                if self.submitted.is_empty() {
                    break;
                }
            }
        }
        assert!(self.log.io_idle() && !self.log.storage_failed() && !self.log.is_cleaning());
    }

    fn crash(&mut self) {
        // While a cut is under way the log's end may still sink to the end of a batch.
        let durable = self.log.durable_end_offset().min(self.model_end());
        self.submitted.clear();
        self.executed.clear();
        let recovered = self.storage.recovered().logs.remove(&ID).unwrap_or_default();
        let (log, ops, reports) = PartitionLog::recover(ID, self.config.clone(), recovered, self.now);
        assert_eq!(reports, [], "storage was never torn");
        assert!(log.log_end_offset() >= durable, "what was durable is there");
        self.log = log;
        self.submitted.extend(ops);
        // What was not durable may be there or not, and what was cut off may be there again.
        self.model.retain(|record| record.offset < durable);
        self.batch_ends.retain(|end| *end <= durable);
        for chunk in self.storage.chunks(ID) {
            for entry in stored_batches(&chunk, true) {
                let (header, range) = entry.expect("whole batches");
                if header.base_offset >= durable && header.next_offset() <= self.log.log_end_offset() {
                    self.batch_ends.push(header.next_offset());
                    self.model.extend(decode_records(&chunk.bytes.slice(range)).expect("whole records"));
                }
            }
        }
    }

    /// A broker that restarted now would find a whole log.
    fn check_restart(&self) {
        let recovered = self.storage.clone().recovered().logs.remove(&ID).unwrap_or_default();
        let (log, _, reports) = PartitionLog::recover(ID, self.config.clone(), recovered, self.now);
        assert_eq!(reports, []);
        if self.log.is_truncating() {
            return;
        }
        let durable = self.log.durable_end_offset();
        let start = self.log.log_start_offset();
        let found: Vec<Record> = self
            .storage
            .chunks(ID)
            .iter()
            .flat_map(|chunk| records_of(&unsealed(chunk)))
            .filter(|record| record.offset < durable.min(log.log_end_offset()) && record.offset >= start)
            .collect();
        assert!(found.is_sorted_by(|a, b| a.offset < b.offset), "stored twice, or out of order");
        let below = |record: &&Record| record.offset < durable && record.offset >= start;
        assert_eq!(table(found.iter()), table(self.model.iter().filter(below)), "durable, but not stored");
    }

    /// Everything there is, as a consumer reads it.
    fn read_all(&mut self) -> Vec<Record> {
        let end = self.log.log_end_offset();
        let mut from = self.log.log_start_offset();
        let mut all = Vec::new();
        while from < end {
            let bytes = match self.log.read(from, end, 700, true) {
                ReadOutcome::Batches(bytes) => bytes,
                ReadOutcome::NeedsIo(op) => {
                    let IoResult::Read(chunks) = self.storage.execute(op) else { panic!("a read failed") };
                    self.log.supply(&chunks, from, end, 700, true).expect("undamaged")
                }
                ReadOutcome::OutOfRange => panic!("within the log"),
            };
            assert!(!bytes.is_empty(), "nothing to read at {from}, and the log ends at {end}");
            for entry in batch::batches(&bytes) {
                let (header, range) = entry.expect("whole batches");
                assert!(header.next_offset() > from);
                from = header.next_offset();
                all.extend(decode_records(&bytes.slice(range)).expect("whole records"));
            }
        }
        let start = self.log.log_start_offset();
        all.retain(|record| record.offset >= start);
        all
    }

    fn check_content(&mut self) {
        let found = self.read_all();
        let start = self.log.log_start_offset();
        let model: Vec<&Record> = self.model.iter().filter(|record| record.offset >= start).collect();
        assert!(found.is_sorted_by(|a, b| a.offset < b.offset));
        assert!(found.iter().all(|record| model.contains(&record)), "something that was never appended");
        assert_eq!(table(found.iter()), table(model.iter().copied()));
        let above = |record: &&&Record| record.offset >= self.cleaned_below;
        let untouched = found.iter().filter(|record| record.offset >= self.cleaned_below).count();
        assert_eq!(untouched, model.iter().filter(above).count(), "no cleaning has been here");
    }

    fn check_size(&self) {
        let size: usize = self.storage.chunks(ID).iter().map(|chunk| unsealed(chunk).len()).sum();
        assert_eq!(self.log.size_bytes(), size as u64, "the log counts what is stored");
    }
}

fn records_of(bytes: &Bytes) -> Vec<Record> {
    let whole = batch::batches(bytes).map(|entry| entry.expect("whole batches"));
    whole.flat_map(|(_, range)| decode_records(&bytes.slice(range)).expect("whole records")).collect()
}

/// The latest record of each key that has a value.
fn table<'a>(records: impl Iterator<Item = &'a Record>) -> BTreeMap<Bytes, &'a Record> {
    let mut table = BTreeMap::new();
    for record in records {
        let key = record.key.clone().expect("every record has a key");
        match &record.value {
            None => table.remove(&key),
            Some(_) => table.insert(key, record),
        };
    }
    table
}

fn run(tail_bytes: usize, ops: &[Op]) -> usize {
    let mut world = World::new(tail_bytes);
    for op in ops {
        world.step(op);
    }
    world.settle();
    world.check_content();
    // Also after cleanings that a failed write has ended half-way.
    world.check_size();
    world.crash();
    world.submit();
    world.settle();
    world.check_content();
    world.check_size();
    // With something new behind it, all of that can be cleaned.
    for _ in 0..3 {
        world.step(&Op::Append { keys: vec![0], value_bytes: 900, producer: None, gzip: false });
        world.settle();
    }
    // Cleanings come to an end: after a few, nothing more is dirty but what was appended last.
    for _ in 0..80 {
        world.step(&Op::Clean { budget: 100 });
        world.settle();
    }
    world.high_watermark = world.log.durable_end_offset();
    assert_eq!(world.log.dirt(world.now, world.high_watermark), None);
    world.check_content();
    world.check_size();
    world.cleanings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(ops in prop::collection::vec(op(), 1..120), tail_bytes in 0usize..3000) {
        run(tail_bytes, &ops);
    }
}

#[test]
fn a_cleaning_with_a_small_buffer_goes_on_where_it_ended() {
    let mut ops = Vec::new();
    for round in 0..40 {
        let keys = (0..4).map(|key| key + 4 * (round % 2)).collect();
        ops.push(Op::Append { keys, value_bytes: 100, producer: None, gzip: false });
        ops.extend([Op::Execute(5), Op::Deliver(5)]);
    }
    assert!(run(0, &ops) > 3, "one cleaning was enough: the buffer is not small");
}

/// What `whatever_happens` met once: the truncation waits for the cleaning's slice, and so much is appended behind it that the
/// row of the cleaned segment is not written again.
#[test]
fn a_cut_that_waits_for_a_cleaning_keeps_what_that_has_found_out() {
    let append = |keys: &[u8], value_bytes| Op::Append {
        keys: keys.to_vec(),
        value_bytes,
        producer: None,
        gzip: false,
    };
    let mut ops = vec![append(&[0; 3], 60), append(&[0, 4], 32), append(&[0; 2], 167), append(&[0; 4], 246)];
    ops.extend([Op::Execute(4), Op::Deliver(4), append(&[3], 72), Op::Clean { budget: 1 << 20 }]);
    ops.extend([Op::Execute(2), Op::Deliver(2), Op::Execute(1), Op::Deliver(1), Op::Truncate(0)]);
    ops.extend([append(&[0; 4], 246), append(&[0; 4], 127), append(&[2, 0], 264)]);
    run(0, &ops);
}
