//! A broker's storage in IndexedDB, through rexie: one database per broker.
//!
//! ```text
//! store     key              value
//! meta      key              Uint8Array
//! segments  [log, base]      Uint8Array: one row per segment
//! chunks    see `rows`       Uint8Array: a run of whole record batches, or a piece of it
//! ```
//!
//! `log` is `LogId`'s text. Consecutive writes, of all logs, go into one transaction (group commit); consecutive reads
//! share one too. Who opens the database as its cluster's owner takes it from whoever had it: see `turns`. Earlier formats:
//! see `migrations`.

use std::cell::{Cell, RefCell};

use rexie::{KeyRange, ObjectStore, Rexie, Store, Transaction, TransactionMode};
use wasm_bindgen::JsValue;
use web_sys::IdbTransaction;

use crate::log::io::{Chunk, IoError, IoId, IoOp, IoResult, SegmentRow};
use crate::sorted::{SortedMap, SortedSet};
use crate::storage::{Inventory, Storage};
use crate::types::{LogId, Offset};

use super::connection::{Connection, Mode};
use super::migrations::{CHUNKS, META, SEGMENTS, VERSION};
use super::reading::Reading;
use super::rows::{bytes_of, key_of, log_key, range, rows_of, span, value_of};
use super::turns::Turns;

/// One broker's database.
pub struct IndexedDb {
    name: String,
    connection: Connection,
    /// None: nobody can take it away.
    turns: Option<Turns>,
    abort_next: Cell<bool>,
    /// Logs whose last write failed: no append until a truncation succeeds.
    poisoned: RefCell<SortedSet<LogId>>,
    /// The mean size of the rows that were last read of each log.
    row_sizes: RefCell<SortedMap<LogId, usize>>,
}

impl Storage for IndexedDb {
    async fn execute(&self, ops: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
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

    async fn inventory(&self) -> Result<Inventory, IoError> {
        // A connection of its own, for as long as it takes: it would not make way for a newer version.
        let db = rexie(&self.name).await?;
        let inventory = read_inventory(&db).await;
        db.close();
        inventory
    }
}

impl IndexedDb {
    /// Opens, or makes, the database `name`; one of an earlier format is migrated, one of a later one refused.
    pub async fn open(name: &str) -> Result<IndexedDb, IoError> {
        Ok(IndexedDb {
            name: name.to_owned(),
            connection: Connection::open(name).await?,
            turns: None,
            abort_next: Cell::new(false),
            poisoned: RefCell::default(),
            row_sizes: RefCell::default(),
        })
    }

    /// Opens the database for the cluster's owner of number `epoch`: nothing that an earlier one still writes takes effect any
    /// more. Refused when a later one has it.
    pub async fn open_as_owner(name: &str, epoch: f64) -> Result<IndexedDb, IoError> {
        let mut db = IndexedDb::open(name).await?;
        db.turns = Some(Turns::begin(&db.connection, epoch).await?);
        Ok(db)
    }

    /// True once another owner, or a later life of the same broker, has the database: no write takes effect any more.
    pub fn is_lost(&self) -> bool {
        self.turns.as_ref().is_some_and(Turns::are_lost)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Deletes the database `name`.
    pub async fn delete(name: &str) -> Result<(), IoError> {
        Rexie::delete(name).await.map_err(io_error)
    }

    /// Closes the connection, so that the database can be deleted or opened elsewhere.
    pub fn close(&self) {
        self.connection.close();
    }

    /// The next write's transaction is aborted: how a test arranges a write that fails.
    pub fn abort_next_write(&self) {
        self.abort_next.set(true);
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
            (_, true) if self.turns.is_none() => &[CHUNKS],
            (_, true) => &[META, CHUNKS],
            _ => &[META, SEGMENTS, CHUNKS],
        };
        let strict = ops.iter().any(|op| op.flushes());
        let abort = self.abort_next.take();
        let requests = |transaction: &IdbTransaction| {
            self.turns.iter().try_for_each(|turns| turns.take(transaction))?;
            ops.iter().try_for_each(|op| put(transaction, op))?;
            if abort { transaction.abort() } else { Ok(()) }
        };
        let Some(turns) = &self.turns else {
            return self.connection.transact(stores, Mode::Write { strict }, requests).await;
        };
        turns.prepare(&self.connection).await?;
        let outcome = self.connection.transact(stores, turns.mode(strict), requests).await;
        turns.taken(&self.connection, outcome).await
    }

    /// Reads of one run share transactions, until each has enough.
    async fn read_run(&self, run: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        let known = self.row_sizes.borrow().clone();
        let mut reads: Vec<Reading> = run.iter().map(|(_, op)| Reading::new(op, &known)).collect();
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
        self.row_sizes.borrow_mut().extend(reads.iter().filter_map(Reading::row_size));
        let result = |read: Reading| match &failure {
            Some(error) => IoResult::Failed(error.clone()),
            None => IoResult::Read(read.finish()),
        };
        run.into_iter().zip(reads).map(|((id, _), read)| (id, result(read))).collect()
    }
}

async fn read_inventory(db: &Rexie) -> Result<Inventory, IoError> {
    let transaction = db.transaction(&[META, SEGMENTS], TransactionMode::ReadOnly).map_err(io_error)?;
    let mut inventory = Inventory::default();
    for (key, value) in entries(&store(&transaction, META)?).await? {
        if let Some(key) = key.as_string() {
            inventory.meta.insert(key, bytes_of(&value));
        }
    }
    for (key, value) in entries(&store(&transaction, SEGMENTS)?).await? {
        if let Some((log, base)) = log_key(&key) {
            let rows = inventory.rows.entry(log).or_default();
            rows.push(SegmentRow { base, bytes: bytes_of(&value) });
        }
    }
    Ok(inventory)
}

fn text(error: &IoError) -> JsValue {
    JsValue::from_str(&format!("{error:?}"))
}

/// Opens a database that is there, in our version.
async fn rexie(name: &str) -> Result<Rexie, IoError> {
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
            // Also the kept one as it was: it may have been in more pieces.
            delete(CHUNKS, range(*log, keep.as_ref().map_or(*to, |kept| kept.base.min(*to))))?;
            delete(SEGMENTS, range(*log, *to))?;
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
            delete(CHUNKS, range(*log, Offset::ZERO))?;
            delete(SEGMENTS, range(*log, Offset::ZERO))
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
        for (key, value) in chunks.iter().flat_map(|chunk| rows_of(log, chunk)) {
            store.put_with_key(&value, &key)?;
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

/// Keys with their values, ascending. Two bulk requests: a cursor would cost a turn per record.
async fn entries(store: &Store) -> Result<Vec<(JsValue, JsValue)>, IoError> {
    let (keys, values) = (store.get_all_keys(None, None), store.get_all(None, None));
    let (keys, values) = (keys.await.map_err(io_error)?, values.await.map_err(io_error)?);
    Ok(keys.into_iter().zip(values).collect())
}

/// A failure in the storage's terms.
pub(super) fn io_error(error: impl Into<rexie::Error>) -> IoError {
    let error = error.into();
    // Its own text is only that there was one.
    let text = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
    if text.contains("QuotaExceeded") { IoError::QuotaExceeded } else { IoError::Other(text) }
}
