//! The storage against real IndexedDB, in a dedicated worker.
#![cfg(target_arch = "wasm32")]

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use rexie::{ObjectStore, Rexie, TransactionMode};
use tabmq::log::io::{Chunk, IoId, IoOp, IoResult, SegmentRow};
use tabmq::storage::{Storage, conformance, recovered};
use tabmq::types::{LogId, Offset};
use tabmq::web::storage::IndexedDb;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn execute(db: &IndexedDb, op: IoOp) -> IoResult {
    let mut results = db.execute(vec![(IoId(1), op)]).await;
    results.pop().expect("one operation, one result").1
}

struct Subject(IndexedDb);

impl conformance::Subject for Subject {
    type Storage = IndexedDb;

    fn storage(&self) -> &IndexedDb {
        &self.0
    }

    fn fail_next_write(&mut self) {
        self.0.abort_next_write();
    }

    async fn reopen(&mut self) {
        self.0.close();
        self.0 = IndexedDb::open("test/conformance").await.unwrap();
    }
}

#[wasm_bindgen_test]
async fn indexeddb_keeps_every_rule_of_the_storage_contract() {
    IndexedDb::delete("test/conformance").await.unwrap();
    let mut subject = Subject(IndexedDb::open("test/conformance").await.unwrap());
    assert_eq!(conformance::check(&mut subject).await, Ok(()));
    subject.0.close();
}

#[wasm_bindgen_test]
async fn a_log_of_many_chunks_is_read_in_order_from_any_offset() {
    const NAME: &str = "test/many";
    IndexedDb::delete(NAME).await.unwrap();
    let db = IndexedDb::open(NAME).await.unwrap();
    let log = LogId::METADATA;
    let chunks: Vec<Chunk> =
        (0..100).map(|n| Chunk { base: Offset(n * 10), bytes: Bytes::from(vec![n as u8; 1000]) }).collect();
    let rows = vec![SegmentRow { base: Offset(0), bytes: Bytes::from_static(b"row") }];
    assert_eq!(execute(&db, IoOp::Append { log, chunks, rows, flush: false }).await, IoResult::Done);
    let IoResult::Read(found) = execute(&db, IoOp::Read { log, from: Offset(455), bytes_max: 30_000 }).await
    else {
        panic!("a read gives chunks");
    };
    let bases: Vec<i64> = found.iter().map(|chunk| chunk.base.0).collect();
    assert_eq!(bases, (45..).map(|n| n * 10).take(bases.len()).collect::<Vec<i64>>());
    assert!((30..40).contains(&bases.len()), "about as many as were wanted: {bases:?}");
    db.close();
}

#[wasm_bindgen_test]
async fn chunks_of_every_size_are_read_as_they_were_written() {
    const NAME: &str = "test/sizes";
    IndexedDb::delete(NAME).await.unwrap();
    let db = IndexedDb::open(NAME).await.unwrap();
    let log = LogId::METADATA;
    let sizes = [10, 65_535, 65_536, 70_000, 123_456, 196_607, 196_608, 400_000, 10, 150_000];
    let chunk = |base: i64, size: usize| {
        let bytes: Vec<u8> = (0..size).map(|at| (at * 7 + base as usize) as u8).collect();
        Chunk { base: Offset(base), bytes: bytes.into() }
    };
    let chunks: Vec<Chunk> = sizes.iter().zip(0..).map(|(size, n)| chunk(n * 10, *size)).collect();
    let rows = vec![SegmentRow { base: Offset(0), bytes: Bytes::from_static(b"row") }];
    let append = IoOp::Append { log, chunks: chunks.clone(), rows: rows.clone(), flush: false };
    assert_eq!(execute(&db, append).await, IoResult::Done);
    for from in 0..100 {
        for bytes_max in [1, 200_000, 10_000_000] {
            let read = IoOp::Read { log, from: Offset(from), bytes_max };
            let IoResult::Read(found) = execute(&db, read).await else { panic!("a read gives chunks") };
            let wanted = &chunks[from as usize / 10..];
            assert!(found.len() >= wanted.len().min(2), "from {from}: at least two chunks");
            let size: usize = found.iter().map(|chunk| chunk.bytes.len()).sum();
            assert!(
                found.len() == wanted.len() || size >= bytes_max,
                "from {from}: {size} of {bytes_max} bytes"
            );
            assert!(found == wanted[..found.len()], "from {from}, {bytes_max} bytes");
        }
    }
    // A chunk in three pieces is cut to one: nothing of the old ones is left.
    let kept = chunk(40, 100);
    let cut = IoOp::Truncate { log, to: Offset(43), keep: Some(kept.clone()), rows };
    assert_eq!(execute(&db, cut).await, IoResult::Done);
    db.close();
    let db = IndexedDb::open(NAME).await.unwrap();
    let tail = recovered(&db).await.unwrap().logs.remove(&log).unwrap().tail;
    assert!(tail[..4] == chunks[..4] && tail[4..] == [kept], "{} chunks", tail.len());
    db.close();
}

#[wasm_bindgen_test]
async fn writes_submitted_together_are_done_in_order_and_a_failed_one_takes_the_rest_of_its_log_along() {
    const NAME: &str = "test/together";
    IndexedDb::delete(NAME).await.unwrap();
    let db = IndexedDb::open(NAME).await.unwrap();
    let log = LogId::METADATA;
    let append = |base: i64, flush| {
        let chunks = vec![Chunk { base: Offset(base), bytes: Bytes::from(vec![base as u8; 10]) }];
        let rows = vec![SegmentRow { base: Offset(0), bytes: Bytes::from_static(b"row") }];
        (IoId(base as u64), IoOp::Append { log, chunks, rows, flush })
    };
    let read = (IoId(9), IoOp::Read { log, from: Offset(0), bytes_max: 1000 });
    // A strict one makes its whole transaction strict.
    let results = db.execute(vec![append(0, false), append(1, true), read.clone()]).await;
    let [(_, IoResult::Done), (_, IoResult::Done), (_, IoResult::Read(chunks))] = results.as_slice() else {
        panic!("{results:?}")
    };
    assert_eq!(chunks.len(), 2);
    db.abort_next_write();
    let results = db.execute(vec![append(2, false), append(3, false), read.clone(), append(4, false)]).await;
    let done = |result: &IoResult| matches!(result, IoResult::Done);
    assert!(!results.iter().any(|(_, result)| done(result)), "{results:?}");
    let IoResult::Read(chunks) = execute(&db, read.1).await else { panic!("a read gives chunks") };
    assert_eq!(chunks.len(), 2, "nothing of the aborted transaction, and no hole behind it");
    db.close();
}

/// A database as another version of tabmq made it.
async fn database(name: &str, version: u32) -> Rexie {
    Rexie::delete(name).await.unwrap();
    let stores = ["meta", "segments", "chunks"];
    let builder = Rexie::builder(name).version(version);
    stores
        .iter()
        .fold(builder, |builder, name| builder.add_object_store(ObjectStore::new(name)))
        .build()
        .await
        .unwrap()
}

async fn put(db: &Rexie, store: &str, key: &JsValue, bytes: &[u8]) {
    let transaction = db.transaction(&[store], TransactionMode::ReadWrite).unwrap();
    transaction.store(store).unwrap().put(&Uint8Array::from(bytes), Some(key)).await.unwrap();
    transaction.done().await.unwrap();
}

#[wasm_bindgen_test]
async fn databases_of_every_earlier_format_are_read_whole_and_go_on_in_ours() {
    let log = LogId::METADATA;
    let key = |base: i64| Array::of2(&log.to_string().into(), &JsValue::from_f64(base as f64));
    for version in 1..=2 {
        let name = format!("test/format-{version}");
        let old = database(&name, version).await;
        put(&old, "meta", &"name".into(), b"small").await;
        put(&old, "segments", &key(0), b"row").await;
        put(&old, "chunks", &key(0), &[7; 100_000]).await;
        if version == 2 {
            for (piece, byte) in [(0, 1), (1, 2)] {
                let key = key(9);
                key.push(&JsValue::from_f64(piece.into()));
                key.push(&JsValue::from_f64(2.0));
                put(&old, "chunks", &key, &[byte; 50_000]).await;
            }
        }
        old.close();
        let mut chunks = vec![Chunk { base: Offset(0), bytes: vec![7; 100_000].into() }];
        if version == 2 {
            chunks.push(Chunk { base: Offset(9), bytes: [vec![1; 50_000], vec![2; 50_000]].concat().into() });
        }
        let db = IndexedDb::open(&name).await.unwrap();
        let recovered = recovered(&db).await.unwrap();
        assert_eq!(recovered.meta.get("name").map(Bytes::as_ref), Some(&b"small"[..]), "format {version}");
        let found = recovered.logs.get(&log).unwrap();
        assert_eq!(found.rows, [SegmentRow { base: Offset(0), bytes: Bytes::from_static(b"row") }]);
        assert!(found.tail == chunks, "format {version}");
        chunks.push(Chunk { base: Offset(20), bytes: vec![3; 90_000].into() });
        let more =
            IoOp::Append { log, chunks: chunks[chunks.len() - 1..].to_vec(), rows: vec![], flush: false };
        assert_eq!(execute(&db, more).await, IoResult::Done);
        let read = IoOp::Read { log, from: Offset(0), bytes_max: 1 << 20 };
        assert!(execute(&db, read).await == IoResult::Read(chunks), "format {version}");
        db.close();
        let ours = Rexie::builder(&name).build().await.unwrap();
        assert_eq!(ours.version().unwrap(), 3, "it has our format's number now");
        ours.close();
    }
}

#[wasm_bindgen_test]
async fn a_connection_makes_way_for_a_newer_version_and_fails_from_then_on() {
    const NAME: &str = "test/made-way";
    IndexedDb::delete(NAME).await.unwrap();
    let db = IndexedDb::open(NAME).await.unwrap();
    let op = IoOp::WriteMeta { key: "a".to_owned(), value: Bytes::from_static(b"1"), flush: false };
    assert_eq!(execute(&db, op.clone()).await, IoResult::Done);
    let stores = ["meta", "segments", "chunks"];
    let builder = Rexie::builder(NAME).version(9);
    let newer = stores.iter().fold(builder, |builder, name| builder.add_object_store(ObjectStore::new(name)));
    newer.build().await.unwrap().close();
    let refused = execute(&db, op).await;
    assert!(format!("{refused:?}").contains("written by a newer version of tabmq"), "{refused:?}");
    db.close();
}

#[wasm_bindgen_test]
async fn a_database_that_was_deleted_under_its_connection_is_not_made_anew() {
    const NAME: &str = "test/deleted";
    IndexedDb::delete(NAME).await.unwrap();
    let db = IndexedDb::open(NAME).await.unwrap();
    let op = IoOp::WriteMeta { key: "a".to_owned(), value: Bytes::from_static(b"1"), flush: false };
    assert_eq!(execute(&db, op.clone()).await, IoResult::Done);
    db.close();
    IndexedDb::delete(NAME).await.unwrap();
    for _ in 0..2 {
        let refused = execute(&db, op.clone()).await;
        assert!(format!("{refused:?}").contains("was deleted while it was in use"), "{refused:?}");
    }
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_version_is_refused_and_stays_as_it_is() {
    const NAME: &str = "test/newer-version";
    database(NAME, 9).await.close();
    let Err(refusal) = IndexedDb::open(NAME).await else { panic!("a newer database was opened") };
    assert!(format!("{refusal:?}").contains("written by a newer version of tabmq"), "{refusal:?}");
    let again = Rexie::builder(NAME).version(9).build().await.unwrap();
    assert_eq!(again.version().unwrap(), 9);
    again.close();
}

/// Makes this worker's IndexedDB able to do what a browser does when it takes a connection away (IndexedDB 3.0, "close a
/// database connection", forced): aborts what is under way, then closes. Gives the function that does it. A script can't
/// abort what was told to commit, as a browser can: so here transactions end by themselves.
fn closing_by_force() -> js_sys::Function {
    let text = "(() => {
        const live = new Map()
        IDBTransaction.prototype.commit = () => {}
        const begin = IDBDatabase.prototype.transaction
        IDBDatabase.prototype.transaction = function (...given) {
            const transaction = begin.apply(this, given)
            if (!live.has(this)) live.set(this, new Set())
            live.get(this).add(transaction)
            for (const end of ['complete', 'abort']) transaction.addEventListener(end, () => live.get(this)?.delete(transaction))
            return transaction
        }
        return () => {
            let aborted = 0
            for (const [database, transactions] of live) {
                for (const transaction of transactions) try { transaction.abort(); aborted++ } catch {}
                database.close()
            }
            live.clear()
            return aborted
        }
    })()";
    js_sys::eval(text).unwrap().unchecked_into()
}

#[wasm_bindgen_test]
async fn a_connection_that_the_browser_closes_again_and_again_under_load_loses_and_doubles_no_append() {
    const NAME: &str = "test/reopened";
    const APPENDS: i64 = 300;
    IndexedDb::delete(NAME).await.unwrap();
    let close = closing_by_force();
    let db = Rc::new(IndexedDb::open(NAME).await.unwrap());
    let log = LogId::METADATA;
    let chunk = |base: i64| Chunk { base: Offset(base), bytes: vec![base as u8; 5000].into() };
    let stop = Rc::new(Cell::new(false));
    let aborted = Rc::new(Cell::new(0));
    let (stopped, count) = (Rc::clone(&stop), Rc::clone(&aborted));
    spawn_local(async move {
        for round in 0.. {
            if stopped.get() {
                break;
            }
            // Now in the middle of a transaction, now between two.
            gloo_timers::future::TimeoutFuture::new(8 * (round % 4)).await;
            let hit = close.call0(&JsValue::NULL).unwrap().as_f64().unwrap();
            count.set(count.get() + hit as u32);
        }
    });
    let mut acked = Vec::new();
    let mut failed = 0;
    let mut next = 0;
    while next < APPENDS || aborted.get() < 20 {
        let run: Vec<i64> = (next..next + 1 + next % 5).collect();
        let ops = run.iter().map(|base| {
            let rows = vec![SegmentRow { base: Offset(0), bytes: Bytes::from_static(b"row") }];
            let op = IoOp::Append { log, chunks: vec![chunk(*base)], rows, flush: base % 7 == 0 };
            (IoId(*base as u64), op)
        });
        let results = db.execute(ops.collect()).await;
        if results.iter().all(|(_, result)| *result == IoResult::Done) {
            acked.extend(run);
            next = acked.len() as i64;
            continue;
        }
        // Closed more often in a row than it was tried: as the log does, cut, and write it again.
        failed += 1;
        let cut = || IoOp::Truncate { log, to: Offset(next), keep: None, rows: vec![] };
        while execute(&db, cut()).await != IoResult::Done {}
    }
    stop.set(true);
    let read = || IoOp::Read { log, from: Offset(0), bytes_max: 1 << 24 };
    let mut found = execute(&db, read()).await;
    while matches!(found, IoResult::Failed(_)) {
        found = execute(&db, read()).await;
    }
    let all: Vec<Chunk> = (0..next).map(chunk).collect();
    assert!(
        found == IoResult::Read(all),
        "{} acked, {failed} runs failed, {} aborted",
        acked.len(),
        aborted.get()
    );
    db.close();
}
