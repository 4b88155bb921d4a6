//! The storage against real IndexedDB, in a dedicated worker.
#![cfg(target_arch = "wasm32")]

use bytes::Bytes;
use js_sys::{Array, Uint8Array};
use rexie::{ObjectStore, Rexie, TransactionMode};
use tabmq::log::conformance::{Action, Found, steps};
use tabmq::log::io::{Chunk, IoId, IoOp, IoResult, SegmentRow};
use tabmq::types::{LogId, Offset};
use tabmq::web::storage::IndexedDb;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn execute(db: &IndexedDb, op: IoOp) -> IoResult {
    let mut results = db.execute(vec![(IoId(1), op)]).await;
    results.pop().expect("one operation, one result").1
}

#[wasm_bindgen_test]
async fn indexeddb_keeps_every_rule_of_the_storage_contract() {
    const NAME: &str = "test/conformance";
    IndexedDb::delete(NAME).await.unwrap();
    let mut db = IndexedDb::open(NAME).await.unwrap();
    for step in steps() {
        let found = match &step.action {
            Action::FailNextWrite => {
                db.abort_next_write();
                continue;
            }
            Action::Reopen => {
                db.close();
                db = IndexedDb::open(NAME).await.unwrap();
                Found::Recovered(db.recovered().await.unwrap())
            }
            Action::Execute(op) => Found::Result(execute(&db, op.clone()).await),
        };
        if let Err(difference) = step.check(&found) {
            panic!("{difference}");
        }
    }
    db.close();
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
    let tail = db.recovered().await.unwrap().logs.remove(&log).unwrap().tail;
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

#[wasm_bindgen_test]
async fn a_database_of_the_first_version_keeps_its_records() {
    const NAME: &str = "test/first-version";
    let log = LogId::METADATA;
    let old = database(NAME, 1).await;
    let transaction = old.transaction(&["segments", "chunks"], TransactionMode::ReadWrite).unwrap();
    let key = Array::of2(&log.to_string().into(), &JsValue::from_f64(0.0));
    for (store, size) in [("segments", 3), ("chunks", 100_000)] {
        let value = Uint8Array::from(vec![7; size].as_slice());
        transaction.store(store).unwrap().put(&value, Some(&key)).await.unwrap();
    }
    transaction.done().await.unwrap();
    old.close();
    let db = IndexedDb::open(NAME).await.unwrap();
    let recovered = db.recovered().await.unwrap().logs.remove(&log).unwrap();
    assert_eq!(recovered.rows.len(), 1);
    assert!(recovered.tail == [Chunk { base: Offset(0), bytes: vec![7; 100_000].into() }]);
    db.close();
}

#[wasm_bindgen_test]
async fn a_database_of_a_newer_version_is_refused_and_stays_as_it_is() {
    const NAME: &str = "test/newer-version";
    database(NAME, 9).await.close();
    let Err(refusal) = IndexedDb::open(NAME).await else { panic!("a newer database was opened") };
    assert!(format!("{refusal:?}").contains("version"), "{refusal:?}");
    let again = Rexie::builder(NAME).version(9).build().await.unwrap();
    assert_eq!(again.version().unwrap(), 9);
    again.close();
}

#[wasm_bindgen_test]
async fn a_connection_that_was_closed_is_opened_again() {
    const NAME: &str = "test/reopened";
    IndexedDb::delete(NAME).await.unwrap();
    let db = IndexedDb::open(NAME).await.unwrap();
    let op = IoOp::WriteMeta { key: "a".to_owned(), value: Bytes::from_static(b"1"), flush: false };
    assert_eq!(execute(&db, op.clone()).await, IoResult::Done);
    // What browsers do to hidden tabs.
    db.close();
    assert_eq!(execute(&db, op).await, IoResult::Done);
    assert_eq!(db.recovered().await.unwrap().meta.len(), 1);
    db.close();
}
