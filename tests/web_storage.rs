//! The storage against real IndexedDB, in a dedicated worker.
#![cfg(target_arch = "wasm32")]

use bytes::Bytes;
use tabmq::log::conformance::{Action, Found, steps};
use tabmq::log::io::{Chunk, IoId, IoOp, IoResult, SegmentRow};
use tabmq::types::{LogId, Offset};
use tabmq::web::storage::IndexedDb;
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
    assert_eq!(bases, (45..75).map(|n| n * 10).collect::<Vec<i64>>());
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
