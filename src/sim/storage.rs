//! Storage in memory: what the simulator and the tests give a broker. It keeps what was executed, so a broker that is
//! started again finds exactly what was committed; and it fails on demand.
//!
//! With `model_power_loss` it also knows what has not reached the disk: as IndexedDB with `relaxed` durability, it commits
//! in order and flushes later, all at once, when a write asks for it or by and by. Losing power then takes a suffix of
//! the committed operations.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use bytes::Bytes;

use crate::log::io::{Chunk, IoError, IoId, IoOp, IoResult, Recovered, RecoveredLog, SegmentRow};
use crate::quorum::{QUORUM_STATE_KEY, QuorumState};
use crate::rng::Rng;
use crate::sorted::SortedMap;
use crate::storage::{Inventory, Storage};
use crate::types::{LogId, Offset};

/// Committed operations that a power loss may take, at most: older ones were flushed in the background.
const UNFLUSHED_MAX: usize = 48;

#[derive(Debug, Clone, Default)]
struct StoredLog {
    chunks: BTreeMap<Offset, Bytes>,
    rows: BTreeMap<Offset, Bytes>,
    /// A write failed and no truncation has succeeded since.
    poisoned: bool,
}

/// What is stored.
#[derive(Debug, Clone, Default)]
struct Stored {
    meta: SortedMap<String, Bytes>,
    logs: BTreeMap<LogId, StoredLog>,
}

/// What the disk has, and what was committed since.
#[derive(Debug, Clone, Default)]
struct Disk {
    flushed: Stored,
    unflushed: VecDeque<IoOp>,
}

/// One broker's storage.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    stored: Stored,
    disk: Option<Box<Disk>>,
    faults: VecDeque<IoError>,
    failing: Option<IoError>,
    deletions_refused: bool,
}

impl MemoryStorage {
    /// Executes one operation, wholly or not at all. Operations of a log must come in the order they were submitted.
    pub fn execute(&mut self, op: IoOp) -> IoResult {
        if let IoOp::Read { log, from, bytes_max } = op {
            return IoResult::Read(self.read(log, from, bytes_max));
        }
        let log = op.log();
        let refused = self.deletions_refused && matches!(op, IoOp::DeleteLog { .. });
        let refused = refused.then(|| IoError::Other("deletions are refused".to_owned()));
        if let Some(error) = refused.or_else(|| self.faults.pop_front()).or_else(|| self.failing.clone()) {
            if let Some(log) = log {
                self.stored.logs.entry(log).or_default().poisoned = true;
            }
            return IoResult::Failed(error);
        }
        if let IoOp::Append { log, .. } = &op
            && self.stored.logs.get(log).is_some_and(|log| log.poisoned)
        {
            return IoResult::Failed(IoError::Poisoned);
        }
        self.commit(op);
        IoResult::Done
    }

    fn commit(&mut self, op: IoOp) {
        if let Some(disk) = &mut self.disk {
            disk.unflushed.push_back(op.clone());
            let keep = if op.flushes() { 0 } else { UNFLUSHED_MAX };
            while disk.unflushed.len() > keep
                && let Some(oldest) = disk.unflushed.pop_front()
            {
                disk.flushed.commit(oldest);
            }
        }
        self.stored.commit(op);
    }

    /// From now on `lose_power` is possible.
    pub fn model_power_loss(&mut self) {
        self.disk = Some(Box::new(Disk { flushed: self.stored.clone(), unflushed: VecDeque::new() }));
    }

    /// The machine lost its power: of what had not reached the disk only a beginning is left, chosen by `rng`. Gives
    /// the number of operations lost.
    pub fn lose_power(&mut self, rng: &mut Rng) -> usize {
        let Some(disk) = &mut self.disk else { return 0 };
        let kept = rng.below(disk.unflushed.len() as u64 + 1) as usize;
        let lost = disk.unflushed.len() - kept;
        for op in disk.unflushed.drain(..).take(kept) {
            disk.flushed.commit(op);
        }
        self.stored = disk.flushed.clone();
        lost
    }

    /// A crash in the middle of a write: some of its chunks are there, the last of them cut short, and its rows perhaps.
    /// Operations of other kinds leave nothing.
    pub fn tear(&mut self, op: IoOp, rng: &mut Rng) {
        let IoOp::Append { log, mut chunks, rows, flush } = op else { return };
        chunks.truncate(rng.below(chunks.len() as u64 + 1) as usize);
        if let Some(last) = chunks.last_mut() {
            let kept = 1 + rng.below(last.bytes.len().max(2) as u64 - 1) as usize;
            last.bytes = last.bytes.slice(..kept.min(last.bytes.len()));
        }
        let mut rows = if rng.below(2) == 0 { rows } else { Vec::new() };
        // What is written in order is torn in order: the row of a segment is not there before the segments below it are.
        let end = chunks.last().map(|chunk| chunk.base);
        rows.retain(|row| end.is_some_and(|end| row.base <= end));
        self.commit(IoOp::Append { log, chunks, rows, flush });
    }

    /// What a broker finds when it opens this storage. Poison does not outlive the broker that saw the failure.
    pub fn recovered(&mut self) -> Recovered {
        let mut logs = SortedMap::new();
        for (id, log) in &mut self.stored.logs {
            log.poisoned = false;
            let active = log.rows.last_key_value().map_or(Offset(i64::MIN), |(base, _)| *base);
            let found = RecoveredLog {
                rows: log
                    .rows
                    .iter()
                    .map(|(base, bytes)| SegmentRow { base: *base, bytes: bytes.clone() })
                    .collect(),
                tail: log.chunks.range(active..).map(to_chunk).collect(),
            };
            if !found.rows.is_empty() || !found.tail.is_empty() {
                logs.insert(*id, found);
            }
        }
        Recovered { meta: self.stored.meta.clone(), logs }
    }

    /// The next write (of a log or of meta) fails with `error`. Several calls queue up.
    pub fn fail_next_write(&mut self, error: IoError) {
        self.faults.push_back(error);
    }

    /// Every write fails with `error`, until `None` is set.
    pub fn fail_writes(&mut self, error: Option<IoError>) {
        self.failing = error;
    }

    /// Every deletion of a log fails while this is set.
    pub fn refuse_deletions(&mut self, refuse: bool) {
        self.deletions_refused = refuse;
    }

    /// Bytes of all chunks, rows and small values.
    pub fn size_bytes(&self) -> usize {
        let of_logs = self.stored.logs.values().flat_map(|log| log.chunks.values().chain(log.rows.values()));
        of_logs.chain(self.stored.meta.values()).map(Bytes::len).sum()
    }

    /// A log's chunks in order, to look into.
    pub fn chunks(&self, log: LogId) -> Vec<Chunk> {
        self.stored.logs.get(&log).map(|log| log.chunks.iter().map(to_chunk).collect()).unwrap_or_default()
    }

    /// A log's last chunk.
    pub fn last_chunk(&self, log: LogId) -> Option<Chunk> {
        self.stored.logs.get(&log)?.chunks.last_key_value().map(to_chunk)
    }

    /// A log's last row.
    pub fn last_row(&self, log: LogId) -> Option<Bytes> {
        self.stored.logs.get(&log)?.rows.last_key_value().map(|(_, bytes)| bytes.clone())
    }

    /// A small value.
    pub fn meta(&self, key: &str) -> Option<&Bytes> {
        self.stored.meta.get(key)
    }

    /// What its broker may never forget of the quorum.
    pub fn quorum_state(&self) -> QuorumState {
        self.meta(QUORUM_STATE_KEY).and_then(|bytes| QuorumState::decode(bytes)).unwrap_or_default()
    }

    /// Replaces a stored chunk's bytes (a torn or rotten write). False when there is no chunk at `base`.
    pub fn corrupt_chunk(&mut self, log: LogId, base: Offset, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(bytes) = self.stored.logs.get_mut(&log).and_then(|log| log.chunks.get_mut(&base)) else {
            return false;
        };
        let mut changed = bytes.to_vec();
        change(&mut changed);
        *bytes = changed.into();
        true
    }

    /// What `IoOp::Read` gives.
    pub fn read(&self, log: LogId, from: Offset, bytes_max: usize) -> Vec<Chunk> {
        let Some(log) = self.stored.logs.get(&log) else { return Vec::new() };
        let first = log.chunks.range(..=from).next_back().map_or(from, |(base, _)| *base);
        let mut found = Vec::new();
        let mut size = 0;
        for entry in log.chunks.range((Bound::Included(first), Bound::Unbounded)) {
            if size >= bytes_max && found.len() >= 2 {
                break;
            }
            size += entry.1.len();
            found.push(to_chunk(entry));
        }
        found
    }
}

/// As a host uses it.
impl Storage for RefCell<MemoryStorage> {
    async fn execute(&self, ops: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        let mut storage = self.borrow_mut();
        ops.into_iter().map(|(io, op)| (io, storage.execute(op))).collect()
    }

    async fn inventory(&self) -> Result<Inventory, IoError> {
        let Recovered { meta, logs } = self.borrow_mut().recovered();
        Ok(Inventory { meta, rows: logs.into_iter().map(|(id, log)| (id, log.rows)).collect() })
    }
}

impl Stored {
    fn commit(&mut self, op: IoOp) {
        match op {
            IoOp::Append { log, chunks, rows, .. } => self.logs.entry(log).or_default().put(chunks, rows),
            IoOp::Truncate { log, to, keep, rows } => {
                let log = self.logs.entry(log).or_default();
                let from = keep.as_ref().map_or(to, |kept| kept.base.min(to));
                log.chunks.retain(|base, _| *base < from);
                log.rows.retain(|base, _| *base < to);
                log.put(keep.into_iter().collect(), rows);
                log.poisoned = false;
            }
            IoOp::Rewrite { log, from, to, chunks, rows, gone } => {
                let log = self.logs.entry(log).or_default();
                log.chunks.retain(|base, _| !(from..to).contains(base));
                log.rows.retain(|base, _| !gone.contains(base));
                log.put(chunks, rows);
            }
            IoOp::DeleteBefore { log, before } => {
                let log = self.logs.entry(log).or_default();
                log.chunks.retain(|base, _| *base >= before);
                log.rows.retain(|base, _| *base >= before);
            }
            IoOp::DeleteLog { log } => {
                self.logs.remove(&log);
            }
            IoOp::WriteMeta { key, value, .. } => {
                self.meta.insert(key, value);
            }
            IoOp::Read { .. } => {}
        }
    }
}

impl StoredLog {
    fn put(&mut self, chunks: Vec<Chunk>, rows: Vec<SegmentRow>) {
        self.chunks.extend(chunks.into_iter().map(|chunk| (chunk.base, chunk.bytes)));
        self.rows.extend(rows.into_iter().map(|row| (row.base, row.bytes)));
    }
}

fn to_chunk((base, bytes): (&Offset, &Bytes)) -> Chunk {
    Chunk { base: *base, bytes: bytes.clone() }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::storage::conformance::{self, Subject};

    /// Memory is there at once: nothing is ever waited for.
    fn at_once<T>(work: impl Future<Output = T>) -> T {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("memory let somebody wait"),
        }
    }

    struct Memory(RefCell<MemoryStorage>);

    impl Subject for Memory {
        type Storage = RefCell<MemoryStorage>;

        fn storage(&self) -> &Self::Storage {
            &self.0
        }

        fn fail_next_write(&mut self) {
            self.0.get_mut().fail_next_write(IoError::QuotaExceeded);
        }

        async fn reopen(&mut self) {}
    }

    #[test]
    fn memory_keeps_the_storage_contract() {
        assert_eq!(at_once(conformance::check(&mut Memory(RefCell::default()))), Ok(()));
    }

    /// Reopened after its power was lost. What is flushed must be there.
    struct Powerless(RefCell<MemoryStorage>, Rng);

    impl Subject for Powerless {
        type Storage = RefCell<MemoryStorage>;

        fn storage(&self) -> &Self::Storage {
            &self.0
        }

        fn fail_next_write(&mut self) {
            self.0.get_mut().fail_next_write(IoError::Other("a fault".to_owned()));
        }

        async fn reopen(&mut self) {
            let storage = self.0.get_mut();
            storage.execute(IoOp::WriteMeta { key: "flush".into(), value: Bytes::new(), flush: true });
            storage.execute(IoOp::WriteMeta {
                key: "lost, or not".into(),
                value: Bytes::new(),
                flush: false,
            });
            storage.lose_power(&mut self.1);
        }
    }

    #[test]
    fn the_simulated_storage_keeps_the_contract_across_losses_of_power() {
        for seed in 0..20 {
            let mut storage = MemoryStorage::default();
            storage.model_power_loss();
            let mut subject = Powerless(RefCell::new(storage), Rng::new(seed));
            assert_eq!(at_once(conformance::check(&mut subject)), Ok(()), "seed {seed}");
        }
    }
}
