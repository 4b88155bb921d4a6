//! Opening a log on storage that was damaged: whatever is there, it opens and goes on; what it gives out is what was stored;
//! and nothing is missing that no report and no refused read tells of.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tabmq::log::io::{Chunk, IoOp, IoResult, RecoveredLog, SegmentRow};
use tabmq::log::{
    CompactionRules, CutReason, Damaged, LogConfig, PartitionLog, ReadOutcome, RecoveryReport, stored_batches,
};
use tabmq::protocol::batch::batches;
use tabmq::protocol::records::BatchOptions;
use tabmq::sim::storage::MemoryStorage;
use tabmq::time::{Duration, Instant};
use tabmq::types::{LeaderEpoch, LogId, Offset, ProducerEpoch, ProducerId};

use super::script::{Script, placed, seal};

const ID: LogId = LogId::METADATA;
const NOW: Instant = Instant(1_000_000);
/// Where a batch holds its checksum.
const CRC: std::ops::Range<usize> = 17..21;

pub fn run(data: &[u8]) {
    let mut script = Script(data);
    match script.byte() % 4 {
        0 => foreign(&mut script),
        _ => damaged(&mut script),
    }
}

/// Rows and chunks of the fuzzer's own.
fn foreign(script: &mut Script<'_>) {
    let mut found = RecoveredLog::default();
    let mut storage = MemoryStorage::default();
    for _ in 0..script.below(4) {
        let base = Offset(i64::from(script.byte()) * 4);
        let mut bytes = script.bytes().to_vec();
        if script.bool() && bytes.len() >= 14 {
            bytes[0] = 1 + bytes[0] % 2;
            bytes[6..14].copy_from_slice(&base.0.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[5..]).to_be_bytes();
            bytes[1..5].copy_from_slice(&crc);
        }
        found.rows.push(SegmentRow { base, bytes: bytes.into() });
    }
    found.rows.sort_by_key(|row| row.base);
    found.rows.dedup_by_key(|row| row.base);
    for _ in 0..script.below(6) {
        let base = Offset(i64::from(script.byte()));
        let mut bytes = script.bytes().to_vec();
        if script.bool() {
            bytes.resize(bytes.len().max(61), 0);
            bytes[16] = 2;
            bytes[..8].copy_from_slice(&base.0.to_be_bytes());
            seal(&mut bytes);
        }
        found.tail.push(Chunk { base, bytes: bytes.into() });
    }
    found.tail.sort_by_key(|chunk| chunk.base);
    found.tail.dedup_by_key(|chunk| chunk.base);
    let append = IoOp::Append { log: ID, chunks: found.tail.clone(), rows: found.rows.clone(), flush: false };
    storage.execute(append);
    let last = found.rows.last().map_or(Offset(i64::MIN), |row| row.base);
    found.tail.retain(|chunk| chunk.base >= last);
    let (log, _) = open(&mut storage, &LogConfig::default(), found);
    read_all(&log, &storage);
    goes_on(log, storage, LogConfig::default());
}

/// A log as it is written, then changed here and there.
fn damaged(script: &mut Script<'_>) {
    let compaction = CompactionRules {
        min_lag: Duration::ZERO,
        max_lag: None,
        delete_retention: Duration::from_millis(1),
    };
    let config = LogConfig {
        segment_bytes: [700, 3000, 1 << 20][script.below(3)],
        tail_bytes: [0, 1000, 1 << 20][script.below(3)],
        compaction: script.bool().then_some(compaction),
        ..LogConfig::default()
    };
    let mut storage = MemoryStorage::default();
    write(script, &mut storage, &config);
    let stored = batches_of(&storage.chunks(ID));
    let mut found = storage.recovered().logs.remove(&ID).unwrap_or_default();
    let mut rows_lost = false;
    let mut chunks_gone = Vec::new();
    // Each chunk once: two changes could take a whole seal away, and change what only the seal covers; such a chunk is read as
    // those from before there were seals.
    let mut hit = BTreeSet::new();
    for _ in 0..script.below(4) {
        let chunks = storage.chunks(ID);
        match script.byte() % 8 {
            0 if !found.rows.is_empty() => {
                let at = script.below(found.rows.len());
                let mut bytes = found.rows[at].bytes.to_vec();
                script.damage(&mut bytes);
                found.rows[at].bytes = bytes.into();
                let rows = vec![found.rows[at].clone()];
                storage.execute(IoOp::Append { log: ID, chunks: Vec::new(), rows, flush: false });
            }
            1 => {
                // The last one, as if the transaction that rolled had not been.
                let gone: Vec<Offset> = found.rows.pop().map(|row| row.base).into_iter().collect();
                rows_lost |= !gone.is_empty();
                rewrite(&mut storage, Offset::ZERO, Offset::ZERO, gone);
            }
            2 if !chunks.is_empty() => {
                let gone = chunks[script.below(chunks.len())].base;
                chunks_gone.push(gone);
                rewrite(&mut storage, gone, gone.plus(1), Vec::new());
            }
            3 if !chunks.is_empty() => {
                let (to, from) = (script.below(chunks.len()), script.below(chunks.len()));
                let other = chunks[from].bytes.to_vec();
                if hit.insert(chunks[to].base) {
                    storage.corrupt_chunk(ID, chunks[to].base, |bytes| *bytes = other);
                }
            }
            _ if !chunks.is_empty() => {
                let base = chunks[script.below(chunks.len())].base;
                if hit.insert(base) {
                    storage.corrupt_chunk(ID, base, |bytes| script.damage(bytes));
                }
            }
            _ => {}
        }
    }
    let last = found.rows.last().map_or(Offset(i64::MIN), |row| row.base);
    found.tail = storage.chunks(ID).into_iter().filter(|chunk| chunk.base >= last).collect();

    let (mut log, reports) = open(&mut storage, &config, found);
    let sparse = log.segments().iter().any(|segment| segment.sparse);
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    let before = read_all(&log, &storage);
    tells_the_truth(&before, &stored);
    // Where offsets may be missing, a whole chunk less can't be told from what compaction took.
    if !(sparse || rows_lost && !chunks_gone.is_empty()) {
        for (base, (next, _)) in stored.range(start..) {
            let cut = reports.iter().any(|report| report.end < *next);
            // Storage that lost its newest chunks looks like storage that never had them.
            let newest = *base >= end && chunks_gone.iter().any(|gone| *gone <= *base && *gone >= end);
            let refused =
                before.holes.iter().any(|hole| hole.at < *next && hole.next.is_none_or(|to| to > *base));
            assert!(
                before.batches.contains_key(base) || cut || newest || refused,
                "{base} is gone, and nothing tells: {reports:?}, {:?}",
                before.holes
            );
        }
    }
    if config.compaction.is_some() {
        log.begin_cleaning(NOW, log.log_end_offset(), 1 << 20);
        settle(&mut log, &mut storage);
        let after = read_all(&log, &storage);
        for hole in &before.holes {
            let reaches =
                |other: &Damaged| other.next.is_none_or(|next| hole.next.is_some_and(|to| next >= to));
            assert!(
                after.holes.iter().any(|other| other.at <= hole.at && reaches(other)),
                "compaction covered up {hole:?}"
            );
        }
    }
    goes_on(log, storage, config);
}

fn write(script: &mut Script<'_>, storage: &mut MemoryStorage, config: &LogConfig) {
    let recovered = RecoveredLog::default();
    let (mut log, _) = open(storage, config, recovered);
    let mut epoch = 0;
    for _ in 0..script.below(30) {
        match script.byte() % 16 {
            0 => {
                let at = script.below(log.log_end_offset().0 as usize + 1) as i64;
                log.delete_before(Offset(at), NOW);
            }
            1 => {
                let at = script.below(log.log_end_offset().0 as usize + 1) as i64;
                log.truncate_to(Offset(at));
                settle(&mut log, storage);
            }
            2 => log.begin_cleaning(NOW, log.durable_end_offset(), 1 << 20),
            3 => epoch += 1,
            4 => {
                // As from a leader that has compacted.
                let batch = script.batch(BatchOptions::default(), NOW.as_timestamp());
                let gap = i64::from(script.byte() % 4);
                let epoch = log.latest_epoch().map_or(epoch, |latest| latest.0.max(epoch));
                let batch = placed(&batch, log.log_end_offset().0 + gap, epoch);
                let _ = log.append_as_follower(&batch, NOW);
            }
            what => {
                let producer = (what % 2 == 0).then_some((ProducerId(7), ProducerEpoch(0), 0));
                let options = BatchOptions { producer, ..BatchOptions::default() };
                let batch = script.batch(options, NOW.as_timestamp());
                let epoch = LeaderEpoch(log.latest_epoch().map_or(epoch, |latest| latest.0.max(epoch)));
                let _ = log.append_as_leader(&batch, epoch, NOW);
            }
        }
        if !script.byte().is_multiple_of(4) {
            settle(&mut log, storage);
        }
    }
    settle(&mut log, storage);
}

fn open(
    storage: &mut MemoryStorage,
    config: &LogConfig,
    found: RecoveredLog,
) -> (PartitionLog, Vec<RecoveryReport>) {
    let (mut log, ops, reports) = PartitionLog::recover(ID, config.clone(), found, NOW);
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

/// Takes the chunks of a range and some rows away.
fn rewrite(storage: &mut MemoryStorage, from: Offset, to: Offset, gone: Vec<Offset>) {
    storage.execute(IoOp::Rewrite { log: ID, from, to, chunks: Vec::new(), rows: Vec::new(), gone });
}

/// Batches by their first offset, each with the offset after it.
type Batches = BTreeMap<Offset, (Offset, Bytes)>;

fn batches_of(chunks: &[Chunk]) -> Batches {
    let each = |chunk: &Chunk| {
        let found = stored_batches(chunk, false).map_while(Result::ok);
        found
            .map(|(header, range)| (header.base_offset, (header.next_offset(), chunk.bytes.slice(range))))
            .collect::<Vec<_>>()
    };
    chunks.iter().flat_map(each).collect()
}

/// What a reader gets from the log's start to its end.
struct Readable {
    batches: Batches,
    holes: Vec<Damaged>,
}

fn read_all(log: &PartitionLog, storage: &MemoryStorage) -> Readable {
    let mut readable = Readable { batches: Batches::new(), holes: Vec::new() };
    let (mut at, end) = (log.log_start_offset(), log.log_end_offset());
    while at < end {
        let bytes = match log.read(at, end, 500, true) {
            ReadOutcome::Batches(bytes) => Ok(bytes),
            ReadOutcome::NeedsIo(IoOp::Read { log: id, from, bytes_max }) => {
                match log.supply(&storage.read(id, from, bytes_max), at, end, 500, true) {
                    // Its end may only have been out of sight.
                    Err(Damaged { next: None, .. }) => {
                        log.supply(&storage.read(id, from, usize::MAX), at, end, 500, true)
                    }
                    found => found,
                }
            }
            other => panic!("{at} of {end}: {other:?}"),
        };
        match bytes {
            Ok(bytes) => {
                assert!(!bytes.is_empty(), "nothing to read at {at}, below the end {end}");
                for found in batches(&bytes) {
                    let (header, range) = found.expect("whole batches are given out");
                    assert!(header.next_offset() > at, "{at}: what was asked for, or what comes after it");
                    at = header.next_offset();
                    readable.batches.insert(header.base_offset, (at, bytes.slice(range)));
                }
            }
            Err(hole) => {
                assert_eq!(hole.at, at);
                readable.holes.push(hole);
                match hole.next {
                    Some(next) => {
                        assert!(next > at, "a hole ends behind where it begins");
                        at = next;
                    }
                    None => break,
                }
            }
        }
    }
    readable
}

/// What is given out is what was stored. (A batch whose very checksum was changed to fit is a forgery, not damage.)
fn tells_the_truth(read: &Readable, stored: &Batches) {
    for (base, (_, bytes)) in &read.batches {
        let forged = stored.values().all(|(_, known)| known.get(CRC) != bytes.get(CRC));
        let known = stored.get(base).map(|(_, known)| known);
        assert!(forged || known == Some(bytes), "{base} is not what was stored: {known:?}, {bytes:?}");
    }
}

/// The log takes records, and opens again as it is.
fn goes_on(mut log: PartitionLog, mut storage: MemoryStorage, config: LogConfig) {
    let batch = Script(&[0, 1, 2]).batch(BatchOptions::default(), NOW.as_timestamp());
    let epoch = log.latest_epoch().map_or(LeaderEpoch(0), |latest| LeaderEpoch(latest.0.max(0)));
    // There are no offsets left, or none that are ever reached.
    if log.log_end_offset().0 > i64::MAX / 2 {
        return;
    }
    log.append_as_leader(&batch, epoch, NOW).expect("a log that was opened takes records");
    settle(&mut log, &mut storage);
    let found = storage.recovered().logs.remove(&ID).unwrap_or_default();
    let (again, reports) = open(&mut storage, &config, found);
    let cut = reports.iter().find(|report| !matches!(report.reason, CutReason::UnreadableRow { .. }));
    assert_eq!(cut, None, "what was cut is cut in storage too");
    assert_eq!(again.log_end_offset(), log.log_end_offset());
    assert!(!matches!(storage.execute(IoOp::DeleteLog { log: ID }), IoResult::Failed(_)));
}

/// What a run begins with.
pub fn seeds() -> Vec<Vec<u8>> {
    let written = |segment: u8, tail: u8, compacted: u8, damage: &[u8]| {
        let mut bytes = vec![1, 0, segment, 0, tail, compacted, 0, 20];
        (0..20).for_each(|n| bytes.extend([5 + n % 11, 0, 2, n * 7, n * 3, 60, 1]));
        bytes.extend([0, (damage.len() / 6) as u8]);
        bytes.extend_from_slice(damage);
        bytes
    };
    vec![
        written(0, 0, 0, &[]),
        written(0, 0, 1, &[]),
        written(0, 0, 0, &[4, 0, 1, 0, 70, 0]),
        written(1, 0, 1, &[2, 0, 1, 0, 0, 0]),
        written(1, 1, 0, &[5, 0, 2, 0, 90, 2]),
        written(0, 0, 0, &[0, 0, 1, 0, 30, 0]),
        written(2, 2, 0, &[1, 3, 0, 0, 0, 1]),
        vec![0, 0, 1, 0, 61, 0, 0, 1, 0, 61],
    ]
}
