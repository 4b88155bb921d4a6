//! A connection to a broker's database for whole transactions, by web-sys: rexie can't ask for a durability, and waits for
//! each request where only the transaction's end counts. All requests are made at once; their results are there when the
//! transaction is complete.

use std::cell::RefCell;

use futures_channel::oneshot;
use js_sys::{Array, Function, Object, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{DomException, Event, IdbDatabase, IdbFactory, IdbOpenDbRequest, IdbTransaction};

use crate::log::io::IoError;

/// See the file's head. The database must be there: rexie makes it.
pub struct Connection {
    name: String,
    /// The browser may close it under us; then it is opened again.
    db: RefCell<Option<IdbDatabase>>,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only reading.
    Read,
    /// Writing; with `strict`, complete means flushed to the disk.
    Write {
        /// Flush.
        strict: bool,
    },
    /// Writing what depends on what is read: more requests come in answer to the first.
    Change,
}

impl Connection {
    /// A connection to the database `name`, opened when it is needed.
    pub fn new(name: &str) -> Connection {
        Connection { name: name.to_owned(), db: RefCell::new(None) }
    }

    /// Makes `requests` in one transaction on `stores`, and waits until it is complete; gives what `requests` gave. An error
    /// means that nothing of it took effect.
    pub async fn transact<T>(
        &self,
        stores: &[&str],
        mode: Mode,
        requests: impl FnOnce(&IdbTransaction) -> Result<T, JsValue>,
    ) -> Result<T, IoError> {
        let transaction = self.transaction(stores, mode).await?;
        let (sender, ended) = oneshot::channel();
        let sender = RefCell::new(Some(sender));
        let watched = transaction.clone();
        let on_end = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let outcome = match event.type_().as_str() {
                "complete" => Ok(()),
                _ => Err(why(watched.error())),
            };
            if let Some(sender) = sender.borrow_mut().take() {
                let _ = sender.send(outcome);
            }
        });
        transaction.set_oncomplete(Some(on_end.as_ref().unchecked_ref()));
        transaction.set_onabort(Some(on_end.as_ref().unchecked_ref()));
        let made = match requests(&transaction).and_then(|made| end(&transaction, mode).map(|()| made)) {
            Ok(made) => made,
            Err(error) => {
                // Nobody hears its end any more.
                transaction.set_oncomplete(None);
                transaction.set_onabort(None);
                // It is aborted already when the failure was its own.
                let _ = transaction.abort();
                return Err(thrown(&error));
            }
        };
        let forgotten = || IoError::Other("the transaction was forgotten".to_owned());
        ended.await.unwrap_or_else(|_| Err(forgotten()))?;
        Ok(made)
    }

    /// Closes the connection.
    pub fn close(&self) {
        if let Some(db) = self.db.borrow_mut().take() {
            db.close();
        }
    }

    /// A transaction; a connection that the browser has closed is opened again once.
    async fn transaction(&self, stores: &[&str], mode: Mode) -> Result<IdbTransaction, IoError> {
        let known = self.db.borrow().clone();
        if let Some(transaction) = known.and_then(|db| begin(&db, stores, mode).ok()) {
            return Ok(transaction);
        }
        let db = open(&self.name).await?;
        let transaction = begin(&db, stores, mode).map_err(|error| thrown(&error))?;
        *self.db.borrow_mut() = Some(db);
        Ok(transaction)
    }
}

fn begin(db: &IdbDatabase, stores: &[&str], mode: Mode) -> Result<IdbTransaction, JsValue> {
    let names: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
    // By name: web-sys has the call that takes a durability only behind a flag of the compiler.
    let options = Object::new();
    let (mode, durability) = match mode {
        Mode::Read => ("readonly", "relaxed"),
        Mode::Write { strict: false } => ("readwrite", "relaxed"),
        Mode::Write { strict: true } => ("readwrite", "strict"),
        Mode::Change => ("readwrite", "relaxed"),
    };
    Reflect::set(&options, &JsValue::from_str("durability"), &JsValue::from_str(durability))?;
    let call: Function = Reflect::get(db, &JsValue::from_str("transaction"))?.unchecked_into();
    call.call3(db, &names, &JsValue::from_str(mode), &options).map(JsCast::unchecked_into)
}

/// Says that no more requests will come; else the browser asks after the answer to the last one. Not when reading:
/// Chromium 156 never ends a transaction that was told so before it has read a value that lies in a file of its own.
#[expect(deprecated, reason = "by web-sys, and by no browser")]
fn end(transaction: &IdbTransaction, mode: Mode) -> Result<(), JsValue> {
    if matches!(mode, Mode::Write { .. }) { transaction.commit() } else { Ok(()) }
}

async fn open(name: &str) -> Result<IdbDatabase, IoError> {
    let factory = Reflect::get(&js_sys::global(), &JsValue::from_str("indexedDB"));
    let factory: IdbFactory = factory.map_err(|error| thrown(&error))?.unchecked_into();
    let request: IdbOpenDbRequest = factory.open(name).map_err(|error| thrown(&error))?;
    let (sender, ended) = oneshot::channel();
    let sender = RefCell::new(Some(sender));
    let on_end = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        if let Some(sender) = sender.borrow_mut().take() {
            let _ = sender.send(event.type_() == "success");
        }
    });
    request.set_onsuccess(Some(on_end.as_ref().unchecked_ref()));
    request.set_onerror(Some(on_end.as_ref().unchecked_ref()));
    match ended.await {
        Ok(true) => request.result().map(JsCast::unchecked_into).map_err(|error| thrown(&error)),
        _ => Err(why(request.error().ok().flatten())),
    }
}

/// Why a transaction or request failed.
fn why(error: Option<DomException>) -> IoError {
    match error {
        None => IoError::Other("the transaction was aborted".to_owned()),
        Some(error) => named(&error.name(), &error.message()),
    }
}

/// An exception, in the storage's terms.
pub fn thrown(error: &JsValue) -> IoError {
    match error.dyn_ref::<DomException>() {
        Some(error) => named(&error.name(), &error.message()),
        None => IoError::Other(format!("{error:?}")),
    }
}

fn named(name: &str, message: &str) -> IoError {
    match name {
        "QuotaExceededError" => IoError::QuotaExceeded,
        _ => IoError::Other(format!("{name}: {message}")),
    }
}
