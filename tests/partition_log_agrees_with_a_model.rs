//! A partition log on storage agrees with a plain list of batches, whatever happens between: rolls, truncations,
//! deletions, failed writes, crashes between any two steps of IO. After every step, what the log calls durable is what a
//! restarted broker would find.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tabmq::log::io::{IoError, IoOp, IoResult};
use tabmq::log::{
    AppendError, IoOutcome, LogConfig, LogOpening, PartitionLog, ReadOutcome, TimestampLookup, stored_batches,
};
use tabmq::protocol::batch::{self, BatchHeader};
use tabmq::protocol::records::{BatchBuilder, BatchOptions, decode_records};
use tabmq::sim::storage::MemoryStorage;
use tabmq::time::{Duration, Instant};
use tabmq::types::{LeaderEpoch, LogId, Offset, ProducerEpoch, ProducerId};

/// A producer's epoch, and its batches: first sequence, base offset, count.
type ProducerInModel = (i16, Vec<(i32, Offset, i32)>);

#[derive(Debug, Clone)]
enum Op {
    /// Several batches at once when `batches` is above 1.
    Append {
        batches: usize,
        records: usize,
        value_bytes: usize,
        new_epoch: bool,
    },
    /// By an idempotent producer: `step` 0 continues, 1 repeats an earlier batch, 2 leaves a gap, 3 bumps the epoch.
    AppendIdempotent {
        producer: i64,
        step: u8,
        records: usize,
    },
    Follow {
        batches: usize,
        records: usize,
        value_bytes: usize,
        new_epoch: bool,
    },
    /// The storage executes that many operations; the log does not know yet.
    Execute(usize),
    /// The log learns that many results.
    Deliver(usize),
    FailNextWrite,
    RetryStorage,
    /// At a share of the log, in 256ths.
    Truncate(u8),
    DeleteBefore(u8),
    RestartAt(u8),
    Crash,
    Read {
        from: u8,
        up_to: u8,
        bytes_max: usize,
        min_one: bool,
    },
    LookUp(u8),
    Wait(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let sizes = prop_oneof![12 => 0usize..300, 2 => 300usize..1500, 1 => Just(70_000usize)];
    let big = sizes.clone();
    prop_oneof![
        8 => (1usize..3, 1usize..5, sizes, prop::bool::weighted(0.15)).prop_map(
            |(batches, records, value_bytes, new_epoch)| Op::Append { batches, records, value_bytes, new_epoch }
        ),
        6 => (1i64..4, 0u8..4, 1usize..4)
            .prop_map(|(producer, step, records)| Op::AppendIdempotent { producer, step, records }),
        3 => (1usize..4, 1usize..5, big, prop::bool::weighted(0.15)).prop_map(
            |(batches, records, value_bytes, new_epoch)| Op::Follow { batches, records, value_bytes, new_epoch }
        ),
        8 => (1usize..4).prop_map(Op::Execute),
        8 => (1usize..4).prop_map(Op::Deliver),
        2 => Just(Op::FailNextWrite),
        1 => Just(Op::RetryStorage),
        3 => any::<u8>().prop_map(Op::Truncate),
        2 => any::<u8>().prop_map(Op::DeleteBefore),
        1 => any::<u8>().prop_map(Op::RestartAt),
        2 => Just(Op::Crash),
        4 => (any::<u8>(), any::<u8>(), 0usize..2000, any::<bool>())
            .prop_map(|(from, up_to, bytes_max, min_one)| Op::Read { from, up_to, bytes_max, min_one }),
        2 => any::<u8>().prop_map(Op::LookUp),
        1 => (1u16..3000).prop_map(Op::Wait),
    ]
}

fn config(tail_bytes: usize) -> LogConfig {
    LogConfig {
        segment_bytes: 80_000,
        segment_ms: Duration::from_secs(2),
        max_message_bytes: 400_000,
        producer_id_expiration: Duration::from_secs(1 << 30),
        tail_bytes,
        ..LogConfig::default()
    }
}

/// Small segments make rolls and deletions frequent; batches of 70 kB only pass with large ones.
fn small(config: LogConfig) -> LogConfig {
    LogConfig { segment_bytes: 1500, ..config }
}

#[derive(Debug, Clone, PartialEq)]
struct Stored {
    header: BatchHeader,
    bytes: Bytes,
}

impl Stored {
    fn base(&self) -> Offset {
        self.header.base_offset
    }

    fn next(&self) -> Offset {
        self.header.next_offset()
    }
}

struct World {
    config: LogConfig,
    log: PartitionLog,
    storage: MemoryStorage,
    submitted: VecDeque<IoOp>,
    executed: VecDeque<IoResult>,
    /// Every batch since the log (re)started, deleted ones too, those cut off not.
    model: Vec<Stored>,
    log_start: Offset,
    epoch: i32,
    now: Instant,
    /// Next sequence and epoch of each producer, as the producer sees it; and what it sent.
    sent: BTreeMap<i64, Vec<(i16, i32, usize)>>,
}

const ID: LogId = LogId::METADATA;

impl World {
    fn new(config: LogConfig) -> World {
        let now = Instant(1_000_000);
        let (log, ops, reports) = PartitionLog::recover(ID, config.clone(), LogOpening::default(), now);
        assert!(ops.is_empty() && reports.is_empty());
        World {
            config,
            log,
            storage: MemoryStorage::default(),
            submitted: VecDeque::new(),
            executed: VecDeque::new(),
            model: Vec::new(),
            log_start: Offset::ZERO,
            epoch: 0,
            now,
            sent: BTreeMap::new(),
        }
    }

    fn step(&mut self, op: &Op) {
        self.now = self.now + Duration::from_millis(3);
        self.sink_log_start();
        match *op {
            Op::Append { batches, records, value_bytes, new_epoch } => {
                self.epoch += i32::from(new_epoch);
                let mut all = BytesMut::new();
                for _ in 0..batches {
                    all.extend_from_slice(&self.batch(records, value_bytes, None));
                }
                self.append(all.freeze());
            }
            Op::AppendIdempotent { producer, step, records } => self.idempotent(producer, step, records),
            Op::Follow { batches, records, value_bytes, new_epoch } => {
                self.epoch += i32::from(new_epoch);
                self.follow(batches, records, value_bytes);
            }
            Op::Execute(n) => (0..n).for_each(|_| self.execute()),
            Op::Deliver(n) => (0..n).for_each(|_| self.deliver()),
            Op::FailNextWrite => self.storage.fail_next_write(IoError::QuotaExceeded),
            Op::RetryStorage => self.log.retry_storage(),
            Op::Truncate(share) => self.truncate(share),
            Op::DeleteBefore(share) => {
                let to = self.at(share);
                let blocked = self.log.storage_failed() || self.log.is_truncating();
                let durable = self.log.durable_end_offset();
                let start = self.log.delete_before(to, self.now);
                if !blocked {
                    self.log_start = self.log_start.max(to.min(durable));
                }
                assert_eq!(start, self.log_start);
            }
            Op::RestartAt(offset) => {
                self.log.truncate_fully_and_start_at(Offset(i64::from(offset)));
                self.model.clear();
                self.log_start = Offset(i64::from(offset));
                // The model cannot say what a crash before this is committed would bring back.
                self.submit();
                self.settle();
            }
            Op::Crash => self.crash(),
            Op::Read { from, up_to, bytes_max, min_one } => {
                self.read(self.at(from), self.at(up_to), bytes_max, min_one);
            }
            Op::LookUp(share) => self.look_up(share),
            Op::Wait(ms) => self.now = self.now + Duration::from_millis(u64::from(ms)),
        }
        self.submit();
        self.check();
    }

    /// A batch that the log start fell into was cut off: the start sinks to the log end.
    fn sink_log_start(&mut self) {
        if !self.log.is_truncating() {
            self.log_start = self.log_start.min(self.model_end());
        }
    }

    fn at(&self, share: u8) -> Offset {
        let (start, end) = (self.log.log_start_offset().0, self.log.log_end_offset().0);
        Offset(start + (end - start) * i64::from(share) / 255)
    }

    fn batch(&self, records: usize, value_bytes: usize, producer: Option<(i64, i16, i32)>) -> Bytes {
        let producer = producer.map(|(id, epoch, seq)| (ProducerId(id), ProducerEpoch(epoch), seq));
        let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
        for i in 0..records {
            // Not in order: look-ups must not rely on it.
            let timestamp = self.now.as_timestamp() + [0, 7, -5, 2][i % 4];
            builder.push(timestamp, None, Some(&vec![i as u8; value_bytes / records]), &[]);
        }
        builder.build()
    }

    fn append(&mut self, records: Bytes) {
        let end = self.log.log_end_offset();
        match self.log.append_as_leader(&records, LeaderEpoch(self.epoch), self.now) {
            Ok(info) => {
                assert!(!info.duplicate);
                assert_eq!(info.first_offset, end);
                self.note(&records, end);
                assert_eq!(info.last_offset.plus(1), self.model_end());
            }
            Err(AppendError::StorageFailed) => assert!(self.log.storage_failed()),
            Err(AppendError::Truncating) => assert!(self.log.is_truncating()),
            Err(AppendError::RecordListTooLarge { size, max }) => assert!(size as u64 > max),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn note(&mut self, records: &Bytes, from: Offset) {
        let mut copy = BytesMut::from(records.as_ref());
        let mut next = from;
        for entry in batch::batches(records) {
            let (header, range) = entry.expect("built here");
            batch::set_base_offset(&mut copy[range.clone()], next);
            batch::set_leader_epoch(&mut copy[range.clone()], LeaderEpoch(self.epoch));
            next = next.plus(i64::from(header.record_count));
            let bytes = Bytes::copy_from_slice(&copy[range]);
            self.model.push(Stored { header: BatchHeader::parse(&bytes).expect("built here"), bytes });
        }
    }

    fn idempotent(&mut self, producer: i64, step: u8, records: usize) {
        let known = self.producer_in_model(producer);
        let sent = self.sent.entry(producer).or_default();
        let (epoch, next) = known.as_ref().map_or((0, 0), |(epoch, batches)| {
            (*epoch, batches.last().map_or(0, |(last, ..)| last.wrapping_add(1) & i32::MAX))
        });
        let (epoch, sequence, records) = match (step, sent.last()) {
            (1, Some(last)) => *last,
            (2, _) => (epoch, next.wrapping_add(5) & i32::MAX, records),
            // A jump to the end of the numbers, where they wrap, while nothing is known.
            (3, _) if known.is_none() => (0, i32::MAX - 1, records),
            (3, _) => (epoch + 1, 0, records),
            _ => (epoch, next, records),
        };
        let bytes = self.batch(records, 40, Some((producer, epoch, sequence)));
        let end = self.log.log_end_offset();
        let result = self.log.append_as_leader(&bytes, LeaderEpoch(self.epoch), self.now);
        let last_sequence = batch::sequence_after(sequence, records as i32 - 1);
        let original = known.as_ref().filter(|(known, _)| *known == epoch).and_then(|(_, batches)| {
            let count = records as i32 - 1;
            batches.iter().find(|(last, _, delta)| *last == last_sequence && *delta == count)
        });
        match result {
            Ok(info) if info.duplicate => {
                let (_, last_offset, delta) = original.expect("known to the model");
                assert_eq!(info.last_offset, *last_offset);
                assert_eq!(info.first_offset, last_offset.plus(-i64::from(*delta)));
            }
            Ok(info) => {
                assert!(original.is_none(), "the model knows it as a duplicate");
                assert_eq!(info.first_offset, end);
                if let Some((known_epoch, _)) = &known {
                    assert!(
                        epoch >= *known_epoch && sequence == if epoch == *known_epoch { next } else { 0 }
                    );
                }
                self.note(&bytes, end);
                self.sent.entry(producer).or_default().push((epoch, sequence, records));
            }
            Err(AppendError::OutOfOrderSequence { got, .. }) => {
                assert_eq!(got, sequence);
                let (known_epoch, _) = known.as_ref().expect("an unknown producer may start anywhere");
                assert!(original.is_none() && sequence != if epoch == *known_epoch { next } else { 0 });
            }
            Err(AppendError::InvalidProducerEpoch { current, .. }) => {
                assert_eq!(Some(current.0), known.as_ref().map(|(epoch, _)| *epoch));
                assert!(epoch < current.0);
            }
            Err(AppendError::StorageFailed | AppendError::Truncating) => {}
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Epoch and last five batches (last sequence, last offset, delta) by the model.
    fn producer_in_model(&self, producer: i64) -> Option<ProducerInModel> {
        let mut found: Option<ProducerInModel> = None;
        for stored in &self.model {
            let header = &stored.header;
            if header.producer_id != Some(ProducerId(producer)) {
                continue;
            }
            let entry = found.get_or_insert((header.producer_epoch.0, Vec::new()));
            if entry.0 != header.producer_epoch.0 {
                *entry = (header.producer_epoch.0, Vec::new());
            }
            entry.1.push((header.last_sequence(), header.last_offset(), header.last_offset_delta));
            if entry.1.len() > 5 {
                entry.1.remove(0);
            }
        }
        found
    }

    fn follow(&mut self, batches: usize, records: usize, value_bytes: usize) {
        let mut all = BytesMut::new();
        let from = self.log.log_end_offset();
        let mut next = from;
        for _ in 0..batches {
            let mut one = BytesMut::from(self.batch(records, value_bytes, None).as_ref());
            batch::set_base_offset(&mut one, next);
            batch::set_leader_epoch(&mut one, LeaderEpoch(self.epoch));
            all.extend_from_slice(&one);
            next = next.plus(records as i64);
        }
        match self.log.append_as_follower(&all.clone().freeze(), self.now) {
            Ok(info) => {
                assert_eq!((info.first_offset, info.last_offset.plus(1)), (from, next));
                self.note(&all.freeze(), from);
            }
            Err(AppendError::StorageFailed | AppendError::Truncating) => {}
            Err(error) => panic!("{error:?}"),
        }
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
        let durable = self.log.durable_end_offset();
        match self.log.io_done(&result) {
            IoOutcome::Done { durable_end_offset } => {
                assert!(durable_end_offset >= durable || self.log.log_end_offset() == durable_end_offset);
            }
            IoOutcome::Failed { log_end_offset, .. } => {
                assert_eq!(log_end_offset, self.log.log_end_offset());
                assert_eq!(log_end_offset, self.log.durable_end_offset());
                assert_eq!(log_end_offset, durable);
                self.model.retain(|stored| stored.next() <= durable);
            }
        }
        self.submit();
    }

    /// Lets IO run until nothing is under way and storage is well.
    fn settle(&mut self) {
        for _ in 0..1000 {
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
        assert!(self.log.io_idle() && !self.log.storage_failed() && !self.log.is_truncating());
    }

    fn truncate(&mut self, share: u8) {
        let to = self.at(share);
        self.log.truncate_to(to);
        if to < self.model_end() {
            self.model.retain(|stored| stored.next() <= to);
        }
    }

    fn crash(&mut self) {
        let durable = self.log.durable_end_offset();
        self.submitted.clear();
        self.executed.clear();
        let recovered = self.storage.recovered().logs.remove(&ID).unwrap_or_default();
        let (log, ops, reports) = PartitionLog::recover(ID, self.config.clone(), recovered, self.now);
        assert_eq!(reports, [], "storage was never torn");
        let first = log.segments()[0].base;
        let stored = self.stored(first);
        let mut model: Vec<Stored> = self.model.iter().filter(|b| b.next() <= first).cloned().collect();
        model.extend(stored);
        let below = |all: &[Stored]| -> Vec<Stored> {
            all.iter().filter(|b| b.next() <= durable && b.base() >= self.log_start).cloned().collect()
        };
        assert_eq!(below(&model), below(&self.model), "what was durable is there");
        assert!(log.log_end_offset() >= durable);
        assert_eq!(log.durable_end_offset(), log.log_end_offset());
        self.log_start = log.log_start_offset();
        self.model = model;
        self.log = log;
        self.submitted.extend(ops);
        self.epoch = self.epoch.max(self.log.latest_epoch().map_or(0, |epoch| epoch.0));
    }

    /// What is stored of the segments from `first` on. Chunks below are to be deleted, and may still be uncut.
    fn stored(&self, first: Offset) -> Vec<Stored> {
        let mut all = Vec::new();
        for chunk in self.storage.chunks(ID).into_iter().filter(|chunk| chunk.base >= first) {
            for (i, entry) in stored_batches(&chunk, true).enumerate() {
                let (header, range) = entry.expect("whole");
                assert!(i > 0 || header.base_offset == chunk.base);
                all.push(Stored { header, bytes: chunk.bytes.slice(range) });
            }
        }
        all
    }

    fn model_end(&self) -> Offset {
        self.model.last().map_or(self.log.log_start_offset(), |stored| stored.next())
    }

    fn read(&mut self, from: Offset, up_to: Offset, bytes_max: usize, min_one: bool) {
        if self.log.is_truncating() {
            return;
        }
        let found = match self.log.read(from, up_to, bytes_max, min_one) {
            ReadOutcome::Batches(bytes) => bytes,
            ReadOutcome::NeedsIo(op) => {
                let IoResult::Read(chunks) = self.after_submitted(op) else { panic!("a read failed") };
                self.log.supply(&chunks, from, up_to, bytes_max, min_one).expect("undamaged")
            }
            ReadOutcome::OutOfRange => panic!("within the log"),
        };
        let mut expected = BytesMut::new();
        if from < up_to && (bytes_max > 0 || min_one) {
            for stored in self.model.iter().filter(|stored| stored.next() > from) {
                let fits =
                    expected.len() + stored.bytes.len() <= bytes_max || (expected.is_empty() && min_one);
                if !fits || stored.next() > up_to {
                    break;
                }
                expected.extend_from_slice(&stored.bytes);
            }
        }
        // From storage less may come than would fit: whole chunks were read up to the limit.
        if found.len() < expected.len() {
            assert!(!found.is_empty(), "something must come");
            expected.truncate(found.len());
        }
        assert_eq!(found, expected.freeze());
    }

    /// Reads are executed in order, behind what was submitted before.
    fn after_submitted(&mut self, op: IoOp) -> IoResult {
        while !self.submitted.is_empty() {
            self.execute();
        }
        self.storage.execute(op)
    }

    fn look_up(&mut self, share: u8) {
        let timestamp = 1_000_000 + (self.now.as_timestamp() - 1_000_000) * i64::from(share) / 255;
        if self.log.is_truncating() {
            return;
        }
        let end = self.log.log_end_offset();
        let mut lookup = self.log.offset_for_timestamp(timestamp, end);
        while let TimestampLookup::NeedsIo { op, at } = lookup {
            let IoResult::Read(chunks) = self.after_submitted(op) else { panic!("a read failed") };
            lookup = self.log.resume_timestamp_lookup(timestamp, end, at, &chunks);
        }
        let records = self.model.iter().flat_map(|stored| decode_records(&stored.bytes).expect("built here"));
        let expected = records
            .filter(|r| r.offset >= self.log_start)
            .find(|r| r.timestamp >= timestamp)
            .map(|r| r.offset);
        let found = match lookup {
            TimestampLookup::Found(found) => Some(found.offset),
            _ => None,
        };
        assert_eq!(found, expected, "first record at or after {timestamp}");
    }

    fn check(&self) {
        let log = &self.log;
        assert!(log.durable_end_offset() <= log.log_end_offset());
        self.check_durable();
        if log.is_truncating() {
            return;
        }
        assert_eq!(log.log_end_offset(), self.model_end());
        let first = log.segments()[0].base;
        let held: u64 =
            self.model.iter().filter(|b| b.base() >= first).map(|stored| stored.bytes.len() as u64).sum();
        assert_eq!(log.size_bytes(), held);
        let latest = self.model.iter().filter(|b| b.base() >= first).map(|b| b.header.max_timestamp).max();
        assert_eq!(log.max_timestamp(), latest);
        for stored in self.model.iter().filter(|stored| stored.base() >= log.log_start_offset()) {
            assert_eq!(log.epoch_at(stored.base()), Some(stored.header.partition_leader_epoch));
        }
        for producer in 1..4 {
            let found = log.producers().producer(ProducerId(producer)).map(|entry| {
                let batches = entry.batches().map(|b| (b.last_sequence, b.last_offset, b.offset_delta));
                (entry.epoch.0, batches.collect::<Vec<_>>())
            });
            assert_eq!(found, self.producer_in_model(producer), "producer {producer}");
        }
    }

    /// A broker that restarted now would find everything the log calls durable.
    fn check_durable(&self) {
        let recovered = self.storage.clone().recovered().logs.remove(&ID).unwrap_or_default();
        let (log, _, reports) = PartitionLog::recover(ID, self.config.clone(), recovered, self.now);
        assert_eq!(reports, []);
        let durable = self.log.durable_end_offset();
        assert!(log.log_end_offset() >= durable || durable == self.log.log_start_offset());
        let stored = self.stored(log.segments()[0].base);
        for expected in self.model.iter().filter(|b| b.base() >= self.log_start && b.next() <= durable) {
            assert!(stored.contains(expected), "durable, but not stored: {:?}", expected.header);
        }
    }
}

fn run(config: LogConfig, ops: &[Op]) {
    let mut world = World::new(config);
    for op in ops {
        world.step(op);
    }
    world.settle();
    world.check();
    world.crash();
    world.submit();
    world.settle();
    world.check();
    let (start, end) = (world.log.log_start_offset(), world.log.log_end_offset());
    let mut at = start;
    while at < end {
        world.read(at, end, 500, true);
        at = at.plus(1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn with_small_segments(ops in prop::collection::vec(op(), 1..80), tail_bytes in 0usize..3000) {
        run(small(config(tail_bytes)), &ops);
    }

    #[test]
    fn with_large_batches(ops in prop::collection::vec(op(), 1..80), tail_bytes in 0usize..100_000) {
        run(config(tail_bytes), &ops);
    }
}
