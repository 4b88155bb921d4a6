//! Only the last who opened a database as its owner writes it, against real IndexedDB, in a dedicated worker.
#![cfg(target_arch = "wasm32")]

use bytes::Bytes;
use rexie::{Rexie, TransactionMode};
use tabmq::log::io::{Chunk, IoId, IoOp, IoResult, SegmentRow};
use tabmq::storage::{Storage, conformance, recovered};
use tabmq::types::{LogId, Offset};
use tabmq::web::storage::IndexedDb;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const LOG: LogId = LogId::METADATA;

async fn execute(db: &IndexedDb, op: IoOp) -> IoResult {
    let mut results = db.execute(vec![(IoId(1), op)]).await;
    results.pop().expect("one operation, one result").1
}

fn append(base: i64, value: u8) -> IoOp {
    let chunks = vec![Chunk { base: Offset(base), bytes: vec![value; 10].into() }];
    // Only the first brings a row: the others write chunks and nothing else, as nearly all appends do.
    let row = SegmentRow { base: Offset(0), bytes: Bytes::from_static(b"row") };
    IoOp::Append { log: LOG, chunks, rows: if base == 0 { vec![row] } else { Vec::new() }, flush: false }
}

fn meta(value: &'static [u8]) -> IoOp {
    IoOp::WriteMeta { key: "vote".to_owned(), value: Bytes::from_static(value), flush: true }
}

/// The first byte of each chunk that is there.
async fn found(db: &IndexedDb) -> Vec<u8> {
    let recovered = recovered(db).await.unwrap();
    recovered
        .logs
        .get(&LOG)
        .map(|log| log.tail.iter().map(|chunk| chunk.bytes[0]).collect())
        .unwrap_or_default()
}

#[wasm_bindgen_test]
async fn who_was_replaced_writes_nothing_more_and_the_new_owner_has_all_that_was_acked() {
    const NAME: &str = "test/replaced";
    IndexedDb::delete(NAME).await.unwrap();
    let old = IndexedDb::open_as_owner(NAME, 10.0).await.unwrap();
    assert_eq!(execute(&old, append(0, 1)).await, IoResult::Done);
    assert_eq!(execute(&old, append(1, 2)).await, IoResult::Done);
    assert_eq!(execute(&old, meta(b"old")).await, IoResult::Done);
    let new = IndexedDb::open_as_owner(NAME, 11.0).await.unwrap();
    assert!(!old.is_lost(), "it can't know yet");
    for op in [append(2, 3), meta(b"zombie"), IoOp::DeleteLog { log: LOG }, append(2, 3)] {
        let refused = execute(&old, op.clone()).await;
        assert!(matches!(refused, IoResult::Failed(_)), "{op:?}: {refused:?}");
        assert!(old.is_lost());
    }
    assert_eq!(found(&new).await, [1, 2]);
    assert_eq!(recovered(&new).await.unwrap().meta.get("vote").unwrap(), "old");
    assert_eq!(execute(&new, append(2, 9)).await, IoResult::Done);
    assert_eq!(found(&new).await, [1, 2, 9]);
    assert!(!new.is_lost());
    old.close();
    new.close();
}

#[wasm_bindgen_test]
async fn a_write_that_was_under_way_when_the_owner_changed_is_there_whole_or_not_at_all() {
    const NAME: &str = "test/under-way";
    for round in 0..20 {
        IndexedDb::delete(NAME).await.unwrap();
        let old = IndexedDb::open_as_owner(NAME, 1.0).await.unwrap();
        let writes = (0..=round % 5).map(|n| (IoId(n), append(n as i64, 1))).collect();
        // Whose transaction the browser sees first.
        let (written, new) = if round % 2 == 0 {
            both(old.execute(writes), IndexedDb::open_as_owner(NAME, 2.0)).await
        } else {
            let (new, written) = both(IndexedDb::open_as_owner(NAME, 2.0), old.execute(writes)).await;
            (written, new)
        };
        let new = new.unwrap();
        let done = written.iter().filter(|(_, result)| *result == IoResult::Done).count();
        let there = found(&new).await.len();
        assert_eq!(there, done, "what was acked is what the new owner found");
        assert!(matches!(execute(&old, append(9, 1)).await, IoResult::Failed(_)));
        assert_eq!(found(&new).await.len(), there);
        old.close();
        new.close();
    }
}

/// Both at once.
async fn both<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|context| {
        if first.is_none()
            && let std::task::Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let std::task::Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        if first.is_some() && second.is_some() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    (first.expect("it is ready"), second.expect("it is ready"))
}

#[wasm_bindgen_test]
async fn a_tab_of_an_earlier_ownership_can_not_open_and_does_no_harm_by_trying() {
    const NAME: &str = "test/earlier";
    IndexedDb::delete(NAME).await.unwrap();
    let owner = IndexedDb::open_as_owner(NAME, 5.0).await.unwrap();
    assert_eq!(execute(&owner, append(0, 1)).await, IoResult::Done);
    let Err(refusal) = IndexedDb::open_as_owner(NAME, 4.0).await else {
        panic!("an earlier owner opened it")
    };
    assert!(format!("{refusal:?}").contains("another tab"), "{refusal:?}");
    assert_eq!(execute(&owner, append(1, 2)).await, IoResult::Done);
    // The same tab may start the broker again: then the worker from before is out.
    let again = IndexedDb::open_as_owner(NAME, 5.0).await.unwrap();
    assert!(matches!(execute(&owner, append(2, 3)).await, IoResult::Failed(_)));
    assert_eq!(execute(&again, append(2, 4)).await, IoResult::Done);
    assert_eq!(found(&again).await, [1, 2, 4]);
    owner.close();
    again.close();
}

#[wasm_bindgen_test]
async fn a_failed_write_costs_no_ownership_and_the_rows_of_turns_stay_few() {
    const NAME: &str = "test/many-turns";
    IndexedDb::delete(NAME).await.unwrap();
    for life in 0..5 {
        let db = IndexedDb::open_as_owner(NAME, 1.0).await.unwrap();
        for turn in 0..100 {
            if turn % 30 == 7 {
                db.abort_next_write();
                assert!(matches!(execute(&db, meta(b"never")).await, IoResult::Failed(_)));
            }
            assert_eq!(execute(&db, meta(b"kept")).await, IoResult::Done, "life {life}, turn {turn}");
        }
        assert!(!db.is_lost());
        db.close();
    }
    let db = Rexie::builder(NAME).build().await.unwrap();
    let transaction = db.transaction(&["meta"], TransactionMode::ReadOnly).unwrap();
    let rows = transaction.store("meta").unwrap().get_all_keys(None, None).await.unwrap().len();
    assert!(rows < 80, "{rows} rows after 500 writes");
    transaction.done().await.unwrap();
    db.close();
}

struct Owner {
    db: IndexedDb,
    epoch: f64,
}

impl conformance::Subject for Owner {
    type Storage = IndexedDb;

    fn storage(&self) -> &IndexedDb {
        &self.db
    }

    fn fail_next_write(&mut self) {
        self.db.abort_next_write();
    }

    async fn reopen(&mut self) {
        self.db.close();
        self.epoch += 1.0;
        self.db = IndexedDb::open_as_owner("test/owner-conformance", self.epoch).await.unwrap();
    }
}

#[wasm_bindgen_test]
async fn an_owner_keeps_every_rule_of_the_storage_contract() {
    const NAME: &str = "test/owner-conformance";
    IndexedDb::delete(NAME).await.unwrap();
    let mut owner = Owner { db: IndexedDb::open_as_owner(NAME, 1.0).await.unwrap(), epoch: 1.0 };
    assert_eq!(conformance::check(&mut owner).await, Ok(()));
    owner.db.close();
}
