//! A connection to a broker's database for whole transactions, by web-sys: rexie can't ask for a durability, can't migrate,
//! and waits for each request where only the transaction's end counts. All requests are made at once; their results are
//! there when the transaction is complete.
//!
//! A browser may close a connection by itself (Safari does it to hidden tabs, all do when they run out of files or their
//! storage process dies): it aborts what is under way, and takes no transaction any more. Then the database is opened again,
//! and the transaction made anew. If it had been committed in truth that changes nothing: all our writes put or delete by key.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Array, Function, Object, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    DomException, Event, IdbDatabase, IdbFactory, IdbOpenDbRequest, IdbTransaction, IdbVersionChangeEvent,
};

use crate::log::io::IoError;

use super::migrations::{VERSION, migrate};
use super::webkit::keeps_what_workers_leave;

/// How often a transaction is made that the browser takes its connection from.
const ATTEMPTS_MAX: usize = 3;

/// See the file's head.
pub struct Connection {
    name: String,
    /// Whether a transaction may be told to commit before the browser has begun it: see `webkit`.
    tells: bool,
    open: RefCell<Option<Open>>,
}

/// An open database, and who listens to it.
struct Open {
    database: IdbDatabase,
    _on_version_change: Closure<dyn FnMut(IdbVersionChangeEvent)>,
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only reading.
    Read,
    /// Writing, all requests at once; with `strict`, complete means flushed to the disk.
    Write {
        /// Flush.
        strict: bool,
    },
    /// Writing what only takes effect if a request succeeds, which then says that no more will come.
    Guarded {
        /// Flush.
        strict: bool,
    },
    /// Writing what depends on what is read: more requests come in answer to the first.
    Change,
}

impl Connection {
    /// Opens the database `name`: made if it is not there, migrated if it is old, refused if it is newer than we are.
    pub async fn open(name: &str) -> Result<Connection, IoError> {
        let open = open(name, true).await?;
        let tells = !keeps_what_workers_leave();
        Ok(Connection { name: name.to_owned(), tells, open: RefCell::new(Some(open)) })
    }

    /// Makes `requests` in one transaction on `stores`, and waits until it is complete; gives what `requests` gave. An error
    /// means that nothing of it took effect, unless the browser closed the connection again and again: then it may have.
    pub async fn transact<T>(
        &self,
        stores: &[&str],
        mode: Mode,
        mut requests: impl FnMut(&IdbTransaction) -> Result<T, JsValue>,
    ) -> Result<T, IoError> {
        let mut attempts = 0;
        loop {
            let transaction = self.transaction(stores, mode).await?;
            let tell = self.tells && matches!(mode, Mode::Write { .. });
            let outcome = complete(&transaction, tell, &mut requests).await;
            attempts += 1;
            if outcome.is_ok() || attempts == ATTEMPTS_MAX || self.begin(stores, Mode::Read).is_some() {
                return outcome;
            }
        }
    }

    /// Closes the connection.
    pub fn close(&self) {
        if let Some(open) = self.open.borrow_mut().take() {
            open.database.close();
        }
    }

    /// A transaction; a connection that the browser has closed is opened again once.
    async fn transaction(&self, stores: &[&str], mode: Mode) -> Result<IdbTransaction, IoError> {
        if let Some(transaction) = self.begin(stores, mode) {
            return Ok(transaction);
        }
        let open = open(&self.name, false).await?;
        let transaction = begin(&open.database, stores, mode).map_err(|error| thrown(&error))?;
        *self.open.borrow_mut() = Some(open);
        Ok(transaction)
    }

    /// None when the connection is closed.
    fn begin(&self, stores: &[&str], mode: Mode) -> Option<IdbTransaction> {
        self.open.borrow().as_ref().and_then(|open| begin(&open.database, stores, mode).ok())
    }
}

/// Makes the requests of a transaction, may `tell` that no more will come, and waits for its end.
#[expect(deprecated, reason = "`commit` is by web-sys, and by no browser")]
async fn complete<T>(
    transaction: &IdbTransaction,
    tell: bool,
    requests: &mut impl FnMut(&IdbTransaction) -> Result<T, JsValue>,
) -> Result<T, IoError> {
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
    // Untold, the browser asks after the answer to the last request. Not when reading: Chromium 156 never ends a transaction
    // that was told so before it has read a value that lies in a file of its own.
    let told = |made| if tell { transaction.commit().map(|()| made) } else { Ok(made) };
    let made = match requests(transaction).and_then(told) {
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

fn begin(db: &IdbDatabase, stores: &[&str], mode: Mode) -> Result<IdbTransaction, JsValue> {
    let names: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
    // By name: web-sys has the call that takes a durability only behind a flag of the compiler.
    let options = Object::new();
    let (mode, durability) = match mode {
        Mode::Read => ("readonly", "relaxed"),
        Mode::Write { strict: false } | Mode::Guarded { strict: false } => ("readwrite", "relaxed"),
        Mode::Write { strict: true } | Mode::Guarded { strict: true } => ("readwrite", "strict"),
        Mode::Change => ("readwrite", "relaxed"),
    };
    Reflect::set(&options, &JsValue::from_str("durability"), &JsValue::from_str(durability))?;
    let call: Function = Reflect::get(db, &JsValue::from_str("transaction"))?.unchecked_into();
    call.call3(db, &names, &JsValue::from_str(mode), &options).map(JsCast::unchecked_into)
}

/// Opens a database, and brings it to our version. With `may_create` one that is not there is made; without, its absence
/// is an error: what was in it is gone.
async fn open(name: &str, may_create: bool) -> Result<Open, IoError> {
    let factory = Reflect::get(&js_sys::global(), &JsValue::from_str("indexedDB"));
    let factory: IdbFactory = factory.map_err(|error| thrown(&error))?.unchecked_into();
    let request: IdbOpenDbRequest = factory.open_with_u32(name, VERSION).map_err(|error| thrown(&error))?;
    let (sender, ended) = oneshot::channel();
    let sender = RefCell::new(Some(sender));
    let on_end = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        if let Some(sender) = sender.borrow_mut().take() {
            let _ = sender.send(event.type_() == "success");
        }
    });
    request.set_onsuccess(Some(on_end.as_ref().unchecked_ref()));
    request.set_onerror(Some(on_end.as_ref().unchecked_ref()));
    let gone = Rc::new(Cell::new(false));
    let (upgraded, is_gone) = (request.clone(), Rc::clone(&gone));
    let on_upgrade = Closure::<dyn FnMut(IdbVersionChangeEvent)>::new(move |event: IdbVersionChangeEvent| {
        let Some(transaction) = upgraded.transaction() else { return };
        let found = event.old_version() as u32;
        is_gone.set(found == 0 && !may_create);
        let database = upgraded.result().map(JsCast::unchecked_into::<IdbDatabase>);
        let migrated = database.and_then(|database| migrate(&database, &transaction, found));
        if is_gone.get() || migrated.is_err() {
            // Nothing of it took effect, and opening fails.
            let _ = transaction.abort();
        }
    });
    request.set_onupgradeneeded(Some(on_upgrade.as_ref().unchecked_ref()));
    match ended.await {
        Ok(true) => {
            let database: IdbDatabase =
                request.result().map(JsCast::unchecked_into).map_err(|error| thrown(&error))?;
            Ok(watched(database))
        }
        _ if gone.get() => {
            Err(IoError::Other(format!("the database {name} was deleted while it was in use")))
        }
        _ => Err(refused(name, request.error().ok().flatten())),
    }
}

fn watched(database: IdbDatabase) -> Open {
    // A newer tabmq that wants to migrate would wait for us; from then on we are refused. Who wants to delete has to wait.
    let closing = database.clone();
    let on_version_change =
        Closure::<dyn FnMut(IdbVersionChangeEvent)>::new(move |event: IdbVersionChangeEvent| {
            if event.new_version().is_some() {
                closing.close();
            }
        });
    database.set_onversionchange(Some(on_version_change.as_ref().unchecked_ref()));
    Open { database, _on_version_change: on_version_change }
}

/// Why a database can't be opened.
fn refused(name: &str, error: Option<DomException>) -> IoError {
    match error {
        Some(error) if error.name() == "VersionError" => IoError::Other(format!(
            "the database {name} was written by a newer version of tabmq than this one, which knows format {VERSION}; it \
             stays as it is ({})",
            error.message()
        )),
        error => why(error),
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
