//! A broker's storage in IndexedDB, through rexie: one database per broker.
//!
//! ```text
//! store     key              value
//! meta      key              Uint8Array
//! segments  [log, base]      Uint8Array: one row per segment
//! chunks    [log, base]      Uint8Array: a run of whole record batches
//! ```
//!
//! `log` is `LogId`'s text. Consecutive writes, of all logs, go into one transaction (group commit); consecutive reads
//! share one too. Version 1 of the format; a change of it is a new version with its own migration.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use rexie::{KeyRange, ObjectStore, Rexie, Store, Transaction, TransactionMode};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbCursorDirection, IdbCursorWithValue, IdbObjectStore, IdbRequest, IdbTransaction};

use crate::log::CHUNK_BYTES_MAX;
use crate::log::io::{Chunk, IoError, IoId, IoOp, IoResult, Recovered, RecoveredLog, SegmentRow};
use crate::types::{LogId, Offset};

use super::connection::{Connection, Mode, thrown};

const VERSION: u32 = 1;
const META: &str = "meta";
const SEGMENTS: &str = "segments";
const CHUNKS: &str = "chunks";

/// The most chunks of one request.
const PAGE_CHUNKS_MAX: usize = 1024;

/// One broker's database.
pub struct IndexedDb {
    name: String,
    /// The browser may close it under us; then it is opened again.
    db: RefCell<Option<Rexie>>,
    connection: Connection,
    abort_next: Cell<bool>,
    /// Logs whose last write failed: no append until a truncation succeeds.
    poisoned: RefCell<BTreeSet<LogId>>,
}

impl IndexedDb {
    /// Opens, or makes, the database `name`.
    pub async fn open(name: &str) -> Result<IndexedDb, IoError> {
        let db = open(name).await?;
        Ok(IndexedDb {
            name: name.to_owned(),
            db: RefCell::new(Some(db)),
            connection: Connection::new(name),
            abort_next: Cell::new(false),
            poisoned: RefCell::new(BTreeSet::new()),
        })
    }

    /// Deletes the database `name`.
    pub async fn delete(name: &str) -> Result<(), IoError> {
        Rexie::delete(name).await.map_err(io_error)
    }

    /// Closes the connection, so that the database can be deleted or opened elsewhere.
    pub fn close(&self) {
        self.connection.close();
        if let Some(db) = self.db.borrow_mut().take() {
            db.close();
        }
    }

    /// The next write's transaction is aborted: how a test arranges a write that fails.
    pub fn abort_next_write(&self) {
        self.abort_next.set(true);
    }

    /// What the database holds: all small values and rows, and the chunks of each log's active segment.
    pub async fn recovered(&self) -> Result<Recovered, IoError> {
        let transaction = self.reading(&[META, SEGMENTS, CHUNKS]).await?;
        let mut recovered = Recovered::default();
        for (key, value) in entries(&store(&transaction, META)?, None, None).await? {
            if let Some(key) = key.as_string() {
                recovered.meta.insert(key, bytes_of(&value));
            }
        }
        for (key, value) in entries(&store(&transaction, SEGMENTS)?, None, None).await? {
            if let Some((log, base)) = log_key(&key) {
                let log = recovered.logs.entry(log).or_insert_with(RecoveredLog::default);
                log.rows.push(SegmentRow { base, bytes: bytes_of(&value) });
            }
        }
        let chunks = store(&transaction, CHUNKS)?;
        for (id, log) in &mut recovered.logs {
            let from = log.rows.last().map_or(Offset::ZERO, |row| row.base);
            let range = range(*id, Some(from), None)?;
            for (key, value) in entries(&chunks, Some(range), None).await? {
                if let Some((_, base)) = log_key(&key) {
                    log.tail.push(Chunk { base, bytes: bytes_of(&value) });
                }
            }
        }
        Ok(recovered)
    }

    /// Carries out operations in order; the results are in the same order.
    pub async fn execute(&self, ops: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        let mut results = Vec::with_capacity(ops.len());
        let mut ops = ops.into_iter().peekable();
        while let Some(first) = ops.next() {
            let reads = is_read(&first.1);
            let mut run = vec![first];
            while let Some(next) = ops.next_if(|(_, op)| is_read(op) == reads) {
                run.push(next);
            }
            if reads {
                results.extend(self.read_run(run).await);
            } else {
                results.extend(self.write_run(run).await);
            }
        }
        results
    }

    async fn write_run(&self, run: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        // A poisoned log's appends are left out; one that is truncated in this run is sound again from there on.
        let mut poisoned = self.poisoned.borrow().clone();
        let mut plan = Vec::with_capacity(run.len());
        for (id, op) in run {
            let refused = match &op {
                IoOp::Append { log, .. } => poisoned.contains(log),
                IoOp::Truncate { log, .. } | IoOp::DeleteLog { log } => {
                    poisoned.remove(log);
                    false
                }
                _ => false,
            };
            plan.push((id, op, refused));
        }
        let outcome = self.write(plan.iter().filter(|(.., refused)| !refused).map(|(_, op, _)| op)).await;
        if outcome.is_ok() {
            *self.poisoned.borrow_mut() = poisoned;
        } else {
            self.poisoned.borrow_mut().extend(plan.iter().filter_map(|(_, op, _)| op.log()));
        }
        plan.into_iter()
            .map(|(id, _, refused)| {
                let result = match &outcome {
                    _ if refused => IoResult::Failed(IoError::Poisoned),
                    Ok(()) => IoResult::Done,
                    Err(error) => IoResult::Failed(error.clone()),
                };
                (id, result)
            })
            .collect()
    }

    async fn write(&self, ops: impl Iterator<Item = &IoOp>) -> Result<(), IoError> {
        let ops: Vec<&IoOp> = ops.collect();
        if ops.is_empty() {
            return Ok(());
        }
        // As few stores as needed: a transaction on fewer blocks less when a worker ends in the middle of it.
        let only_meta = ops.iter().all(|op| op.log().is_none());
        let only_chunks = ops.iter().all(|op| matches!(op, IoOp::Append { rows, .. } if rows.is_empty()));
        let stores: &[&str] = match (only_meta, only_chunks) {
            (true, _) => &[META],
            (_, true) => &[CHUNKS],
            _ => &[META, SEGMENTS, CHUNKS],
        };
        let strict = ops.iter().any(IoOp::flushes);
        let abort = self.abort_next.take();
        let requests = |transaction: &IdbTransaction| {
            ops.iter().try_for_each(|op| put(transaction, op))?;
            if abort { transaction.abort() } else { Ok(()) }
        };
        self.connection.transact(stores, Mode::Write { strict }, requests).await
    }

    /// Reads of one run share transactions, until each has enough.
    async fn read_run(&self, run: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        let mut reads: Vec<Reading> = run.iter().map(|(_, op)| Reading::new(op)).collect();
        let mut failure = None;
        while failure.is_none() && reads.iter().any(Reading::wants_more) {
            let requests = |transaction: &IdbTransaction| {
                let chunks = transaction.object_store(CHUNKS)?;
                reads.iter_mut().try_for_each(|read| read.ask(&chunks))
            };
            failure = match self.connection.transact(&[CHUNKS], Mode::Read, requests).await {
                Ok(()) => reads.iter_mut().find_map(|read| read.take().err()),
                Err(error) => Some(error),
            };
        }
        let result = |read: Reading| match &failure {
            Some(error) => IoResult::Failed(error.clone()),
            None => IoResult::Read(read.found),
        };
        run.into_iter().zip(reads).map(|((id, _), read)| (id, result(read))).collect()
    }

    /// A transaction to read in; a connection that the browser has closed is opened again once.
    async fn reading(&self, stores: &[&str]) -> Result<Transaction, IoError> {
        let mode = TransactionMode::ReadOnly;
        if let Some(db) = self.db.borrow().as_ref()
            && let Ok(transaction) = db.transaction(stores, mode)
        {
            return Ok(transaction);
        }
        let db = open(&self.name).await?;
        let transaction = db.transaction(stores, mode).map_err(io_error)?;
        *self.db.borrow_mut() = Some(db);
        Ok(transaction)
    }
}

/// One read as it goes on.
struct Reading {
    log: LogId,
    bytes_max: usize,
    found: Vec<Chunk>,
    size: usize,
    /// Where the next page begins.
    next: Offset,
    /// The chunk at or below the offset wanted has been asked for.
    floored: bool,
    at_end: bool,
    page: u32,
    floor: Option<IdbRequest>,
    keys: Option<IdbRequest>,
    values: Option<IdbRequest>,
}

impl Reading {
    fn new(op: &IoOp) -> Reading {
        let IoOp::Read { log, from, bytes_max } = op else { unreachable!("only reads are read") };
        // As many as make `bytes_max` when they are full, and the two that must come.
        let page = (bytes_max / CHUNK_BYTES_MAX + 2).min(PAGE_CHUNKS_MAX) as u32;
        Reading {
            log: *log,
            bytes_max: *bytes_max,
            found: Vec::new(),
            size: 0,
            next: *from,
            floored: false,
            at_end: false,
            page,
            floor: None,
            keys: None,
            values: None,
        }
    }

    /// At least two chunks, whatever the limit.
    fn wants_more(&self) -> bool {
        !self.at_end && (self.found.len() < 2 || self.size < self.bytes_max)
    }

    fn ask(&mut self, chunks: &IdbObjectStore) -> Result<(), JsValue> {
        if !self.wants_more() {
            return Ok(());
        }
        if !std::mem::replace(&mut self.floored, true) {
            let below = range(self.log, None, Some(self.next)).map_err(|error| text(&error))?.into();
            let request = chunks.open_cursor_with_range_and_direction(&below, IdbCursorDirection::Prev)?;
            self.floor = Some(request);
            self.next = self.next.plus(1);
        }
        let above = range(self.log, Some(self.next), None).map_err(|error| text(&error))?.into();
        self.keys = Some(chunks.get_all_keys_with_key_and_limit(&above, self.page)?);
        self.values = Some(chunks.get_all_with_key_and_limit(&above, self.page)?);
        Ok(())
    }

    fn take(&mut self) -> Result<(), IoError> {
        if let Some(request) = self.floor.take() {
            let cursor = request.result().map_err(|error| thrown(&error))?;
            if let Some(cursor) = cursor.dyn_ref::<IdbCursorWithValue>() {
                let key = cursor.key().map_err(|error| thrown(&error))?;
                self.add(&key, &cursor.value().map_err(|error| thrown(&error))?);
            }
        }
        let (Some(keys), Some(values)) = (self.keys.take(), self.values.take()) else { return Ok(()) };
        let keys: Array = keys.result().map_err(|error| thrown(&error))?.unchecked_into();
        let values: Array = values.result().map_err(|error| thrown(&error))?.unchecked_into();
        for (key, value) in keys.iter().zip(values.iter()) {
            if self.wants_more() {
                self.add(&key, &value);
            }
        }
        self.at_end = keys.length() < self.page;
        // Small chunks: more of them at a time.
        self.page = (self.page * 4).min(PAGE_CHUNKS_MAX as u32);
        Ok(())
    }

    fn add(&mut self, key: &JsValue, value: &JsValue) {
        let Some((_, base)) = log_key(key) else { return };
        let bytes = bytes_of(value);
        self.size += bytes.len();
        self.found.push(Chunk { base, bytes });
        self.next = base.plus(1).max(self.next);
    }
}

fn text(error: &IoError) -> JsValue {
    JsValue::from_str(&format!("{error:?}"))
}

async fn open(name: &str) -> Result<Rexie, IoError> {
    Rexie::builder(name)
        .version(VERSION)
        .add_object_store(ObjectStore::new(META))
        .add_object_store(ObjectStore::new(SEGMENTS))
        .add_object_store(ObjectStore::new(CHUNKS))
        .build()
        .await
        .map_err(io_error)
}

fn is_read(op: &IoOp) -> bool {
    matches!(op, IoOp::Read { .. })
}

/// Makes the requests of one operation; whether they succeed is said by the transaction's end.
fn put(transaction: &IdbTransaction, op: &IoOp) -> Result<(), JsValue> {
    let delete = |name: &str, range: Result<KeyRange, IoError>| {
        let range: JsValue = range.map_err(|error| text(&error))?.into();
        transaction.object_store(name)?.delete(&range).map(drop)
    };
    match op {
        IoOp::WriteMeta { key, value, .. } => {
            let store = transaction.object_store(META)?;
            store.put_with_key(&value_of(value), &JsValue::from_str(key)).map(drop)
        }
        IoOp::Append { log, chunks, rows, .. } => put_all(transaction, *log, chunks, rows),
        IoOp::Truncate { log, to, keep, rows } => {
            delete(CHUNKS, range(*log, Some(*to), None))?;
            delete(SEGMENTS, range(*log, Some(*to), None))?;
            put_all(transaction, *log, keep.as_slice(), rows)
        }
        IoOp::Rewrite { log, from, to, chunks, rows, gone } => {
            // An empty range is no key range.
            if from < to {
                delete(CHUNKS, span(*log, *from, *to))?;
            }
            for base in gone {
                transaction.object_store(SEGMENTS)?.delete(&key_of(*log, *base))?;
            }
            put_all(transaction, *log, chunks, rows)
        }
        IoOp::DeleteBefore { log, before } => {
            delete(CHUNKS, span(*log, Offset::ZERO, *before))?;
            delete(SEGMENTS, span(*log, Offset::ZERO, *before))
        }
        IoOp::DeleteLog { log } => {
            delete(CHUNKS, range(*log, None, None))?;
            delete(SEGMENTS, range(*log, None, None))
        }
        IoOp::Read { .. } => unreachable!("a read is not written"),
    }
}

fn put_all(
    transaction: &IdbTransaction,
    log: LogId,
    chunks: &[Chunk],
    rows: &[SegmentRow],
) -> Result<(), JsValue> {
    if !chunks.is_empty() {
        let store = transaction.object_store(CHUNKS)?;
        for chunk in chunks {
            store.put_with_key(&value_of(&chunk.bytes), &key_of(log, chunk.base))?;
        }
    }
    if !rows.is_empty() {
        let store = transaction.object_store(SEGMENTS)?;
        for row in rows {
            store.put_with_key(&value_of(&row.bytes), &key_of(log, row.base))?;
        }
    }
    Ok(())
}

fn store(transaction: &Transaction, name: &str) -> Result<Store, IoError> {
    transaction.store(name).map_err(io_error)
}

/// Keys with their values, ascending, at most `limit`. Two bulk requests: a cursor would cost a turn per record.
async fn entries(
    store: &Store,
    range: Option<KeyRange>,
    limit: Option<u32>,
) -> Result<Vec<(JsValue, JsValue)>, IoError> {
    let keys = store.get_all_keys(range.clone(), limit);
    let values = store.get_all(range, limit);
    let (keys, values) = (keys.await.map_err(io_error)?, values.await.map_err(io_error)?);
    Ok(keys.into_iter().zip(values).collect())
}

fn key_of(log: LogId, base: Offset) -> JsValue {
    Array::of2(&JsValue::from_str(&log.to_string()), &JsValue::from_f64(base.0 as f64)).into()
}

fn log_key(key: &JsValue) -> Option<(LogId, Offset)> {
    let key: &Array = key.dyn_ref()?;
    Some((key.get(0).as_string()?.parse().ok()?, Offset(key.get(1).as_f64()? as i64)))
}

/// Keys of a log from `from` to `to`, both inclusive; without an end, all on that side.
fn range(log: LogId, from: Option<Offset>, to: Option<Offset>) -> Result<KeyRange, IoError> {
    let from = key_of(log, from.unwrap_or(Offset::ZERO));
    let to = key_of(log, to.unwrap_or(Offset((1 << 53) - 1)));
    KeyRange::bound(&from, &to, Some(false), Some(false)).map_err(|error| other(&error))
}

/// Keys of a log from `from` (inclusive) to `to` (exclusive).
fn span(log: LogId, from: Offset, to: Offset) -> Result<KeyRange, IoError> {
    let (from, to) = (key_of(log, from), key_of(log, to));
    KeyRange::bound(&from, &to, Some(false), Some(true)).map_err(|error| other(&error))
}

fn value_of(bytes: &Bytes) -> JsValue {
    // A copy: a view would make the structured clone take the whole wasm memory along.
    Uint8Array::from(bytes.as_ref()).into()
}

fn bytes_of(value: &JsValue) -> Bytes {
    value.dyn_ref::<Uint8Array>().map(|array| Bytes::from(array.to_vec())).unwrap_or_default()
}

fn io_error(error: rexie::Error) -> IoError {
    other(&error)
}

fn other(error: &impl std::fmt::Display) -> IoError {
    let text = error.to_string();
    if text.contains("QuotaExceeded") { IoError::QuotaExceeded } else { IoError::Other(text) }
}
