//! Who may write a database. A worker can outlive its right to: its tab was frozen, and another has taken the cluster over;
//! or its page is gone, or it was killed, and it goes on for a moment. So every transaction that writes takes a turn, and a
//! turn can be taken once.
//!
//! ```text
//! store   key                     value
//! meta    [epoch, life, turn]     null
//! ```
//!
//! `epoch` is the number of the tab's ownership (`beginOwnership`), `life` counts the openings of this database, `turn` the
//! transactions of a life; 0 is its opening. A transaction adds its row together with its writes, and waits for nothing: where
//! the row is there already, the browser aborts it as a whole. Opening the database takes the next turn of the last life away;
//! from then on nothing of that life takes effect. Nor can a tab of an earlier epoch open it.
//!
//! The row that was taken away from each life stays, of the living one those since the last tidying.
//!
//! A transaction that says at once that no more requests will come saves a round trip to the browser's storage. But Firefox
//! completes one that said so even when a request of it fails. So each opening tries it, on a turn that is taken already:
//! where the browser aborts that, transactions say it at once, else when their turn is taken.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::Array;
use rexie::KeyRange;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbObjectStore, IdbRequest, IdbTransaction};

use crate::log::io::IoError;

use super::connection::{Connection, Mode, thrown};
use super::migrations::META;

/// Rows of a life at which the old ones go.
const TIDY_EVERY: f64 = 64.0;
/// Rows that an opening leaves. A worker whose row is gone would have slept through almost as many openings.
const ROWS_MAX: usize = 1000;

/// The turns of one life.
pub struct Turns {
    epoch: f64,
    life: f64,
    /// The turn that the next transaction takes.
    next: Cell<f64>,
    /// How the last transaction ended is not known: it may have taken that turn.
    unsure: Cell<bool>,
    lost: Cell<bool>,
    /// A transaction that takes a turn may say at once that no more requests will come.
    prompt: bool,
}

/// A row's key.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Turn {
    epoch: f64,
    life: f64,
    turn: f64,
}

impl Turns {
    /// Takes the database from whoever had it. Fails when a tab of a later epoch has.
    pub async fn begin(connection: &Connection, epoch: f64) -> Result<Turns, IoError> {
        let answer = move |store: &IdbObjectStore, keys: JsValue| begin(store, &turns_of(&keys), epoch);
        let life = change(connection, turn_keys, answer).await?;
        let prompt = aborts_when_told_at_once(connection, Turn { epoch, life, turn: 0.0 }).await;
        let (unsure, lost) = (Cell::new(false), Cell::new(false));
        Ok(Turns { epoch, life, next: Cell::new(1.0), unsure, lost, prompt })
    }

    /// For a transaction that takes a turn.
    pub fn mode(&self, strict: bool) -> Mode {
        if self.prompt { Mode::Write { strict } } else { Mode::Guarded { strict } }
    }

    /// True once another has taken the database.
    pub fn are_lost(&self) -> bool {
        self.lost.get()
    }

    /// To be called before a transaction.
    pub async fn prepare(&self, connection: &Connection) -> Result<(), IoError> {
        if self.unsure.get() {
            self.next.set(self.last(connection).await? + 1.0);
            self.unsure.set(false);
        }
        if self.lost.get() { Err(lost()) } else { Ok(()) }
    }

    /// Takes the next turn in a transaction.
    pub fn take(&self, transaction: &IdbTransaction) -> Result<(), JsValue> {
        let store = transaction.object_store(META)?;
        let turn = self.at(self.next.get());
        let added = store.add_with_key(&JsValue::NULL, &turn.key())?;
        let own = transaction.clone();
        let on_answer = Closure::once_into_js(move |event: Event| answered(&own, &event));
        added.set_onsuccess(Some(on_answer.unchecked_ref()));
        added.set_onerror(Some(on_answer.unchecked_ref()));
        if turn.turn % TIDY_EVERY == 0.0 {
            store.delete(&between(self.at(0.0), turn)?)?;
        }
        Ok(())
    }

    /// To be called after a transaction, with its outcome; gives what it was in truth.
    pub async fn taken(&self, connection: &Connection, outcome: Result<(), IoError>) -> Result<(), IoError> {
        if let Err(error) = outcome {
            self.unsure.set(true);
            let last = self.last(connection).await;
            if self.lost.get() {
                return Err(lost());
            }
            // The row is there: it was committed by an attempt of which the browser did not tell us so.
            if last != Ok(self.next.get()) {
                self.unsure.set(last.is_err());
                return Err(error);
            }
            self.unsure.set(false);
        }
        self.next.set(self.next.get() + 1.0);
        Ok(())
    }

    /// The last turn taken of this life.
    async fn last(&self, connection: &Connection) -> Result<f64, IoError> {
        let keys = |transaction: &IdbTransaction| turn_keys(&transaction.object_store(META)?);
        let keys = connection.transact(&[META], Mode::Read, keys).await?;
        let keys = keys.result().map_err(|error| thrown(&error))?;
        match turns_of(&keys).last() {
            Some(last) if last.epoch == self.epoch && last.life == self.life => Ok(last.turn),
            _ => {
                self.lost.set(true);
                Err(lost())
            }
        }
    }

    fn at(&self, turn: f64) -> Turn {
        Turn { epoch: self.epoch, life: self.life, turn }
    }
}

impl Turn {
    fn key(self) -> JsValue {
        [self.epoch, self.life, self.turn].into_iter().map(JsValue::from_f64).collect::<Array>().into()
    }
}

/// The turn is taken: no more requests will come. Or it is not: nothing of the transaction takes effect. Both are said
/// here and not before, because Firefox completes a transaction that was told to commit even when a request of it fails;
/// and an error that nobody takes ends the worker there.
#[expect(deprecated, reason = "`commit` is by web-sys, and by no browser")]
fn answered(transaction: &IdbTransaction, event: &Event) {
    if event.type_() == "success" {
        let _ = transaction.commit();
    } else {
        event.prevent_default();
        // It is aborted already when that is why the request failed.
        let _ = transaction.abort();
    }
}

/// Whether a transaction that was told at once to commit is aborted when a request of it fails: it adds a row that is there.
async fn aborts_when_told_at_once(connection: &Connection, taken: Turn) -> bool {
    let refused = Rc::new(Cell::new(false));
    let requests = |transaction: &IdbTransaction| {
        let store = transaction.object_store(META)?;
        let added = store.add_with_key(&JsValue::NULL, &taken.key())?;
        // As it is. Only where a request follows the one that fails does Firefox complete the transaction.
        store.put_with_key(&JsValue::NULL, &taken.key())?;
        let said = Rc::clone(&refused);
        let on_error = Closure::once_into_js(move |event: Event| {
            event.prevent_default();
            said.set(true);
        });
        added.set_onerror(Some(on_error.unchecked_ref()));
        Ok(())
    };
    let outcome = connection.transact(&[META], Mode::Write { strict: false }, requests).await;
    // Any other failure says nothing about it.
    outcome.is_err() && refused.get()
}

/// A transaction on small values in two steps: `answer` makes the requests that depend on what `ask` asked for. Its error
/// undoes everything.
pub async fn change<T: 'static>(
    connection: &Connection,
    ask: impl Fn(&IdbObjectStore) -> Result<IdbRequest, JsValue>,
    answer: impl Fn(&IdbObjectStore, JsValue) -> Result<T, IoError> + 'static,
) -> Result<T, IoError> {
    let answer = Rc::new(answer);
    let given: Rc<RefCell<Option<Result<T, IoError>>>> = Rc::default();
    let requests = |transaction: &IdbTransaction| {
        let store = transaction.object_store(META)?;
        let request = ask(&store)?;
        let (asked, transaction) = (request.clone(), transaction.clone());
        let (answer, given) = (Rc::clone(&answer), Rc::clone(&given));
        let on_success = Closure::once_into_js(move || {
            let found = asked.result().map_err(|error| thrown(&error));
            let made = found.and_then(|found| answer(&store, found));
            if made.is_err() {
                let _ = transaction.abort();
            }
            *given.borrow_mut() = Some(made);
        });
        request.set_onsuccess(Some(on_success.unchecked_ref()));
        Ok(())
    };
    let ended = connection.transact(&[META], Mode::Change, requests).await;
    match given.take() {
        Some(Err(error)) => Err(error),
        Some(Ok(made)) => ended.map(|()| made),
        None => Err(ended.err().unwrap_or_else(|| IoError::Other("storage gave no answer".to_owned()))),
    }
}

/// Begins the next life; gives its number.
fn begin(store: &IdbObjectStore, turns: &[Turn], epoch: f64) -> Result<f64, IoError> {
    let add = |turn: Turn| store.add_with_key(&JsValue::NULL, &turn.key());
    let delete = |range: Result<JsValue, JsValue>| range.and_then(|range| store.delete(&range));
    let life = match turns.last() {
        None => 1.0,
        Some(last) if last.epoch > epoch => return Err(lost()),
        Some(last) => {
            let next = Turn { turn: last.turn + 1.0, ..*last };
            add(next).map_err(|error| thrown(&error))?;
            delete(between(Turn { turn: 0.0, ..*last }, next)).map_err(|error| thrown(&error))?;
            last.life + 1.0
        }
    };
    add(Turn { epoch, life, turn: 0.0 }).map_err(|error| thrown(&error))?;
    if let Some(oldest) = turns.len().checked_sub(ROWS_MAX).and_then(|at| turns.get(at)) {
        let first = Turn { epoch: 0.0, life: 0.0, turn: 0.0 };
        delete(between(first, *oldest)).map_err(|error| thrown(&error))?;
    }
    Ok(life)
}

/// Other small values have texts for keys, and those come before lists.
fn turn_keys(store: &IdbObjectStore) -> Result<IdbRequest, JsValue> {
    let lists = KeyRange::lower_bound(&Array::new(), Some(false))
        .map_err(|error| JsValue::from_str(&error.to_string()))?;
    store.get_all_keys_with_key(&lists.into())
}

/// The keys from `from` (inclusive) to `to` (exclusive).
fn between(from: Turn, to: Turn) -> Result<JsValue, JsValue> {
    KeyRange::bound(&from.key(), &to.key(), Some(false), Some(true))
        .map(JsValue::from)
        .map_err(|error| JsValue::from_str(&error.to_string()))
}

fn turns_of(keys: &JsValue) -> Vec<Turn> {
    let number = |key: &Array, at| key.get(at).as_f64();
    let turn = |key: JsValue| {
        let key: Array = key.dyn_into().ok()?;
        Some(Turn { epoch: number(&key, 0)?, life: number(&key, 1)?, turn: number(&key, 2)? })
    };
    keys.dyn_ref::<Array>().map(|keys| keys.iter().filter_map(turn).collect()).unwrap_or_default()
}

fn lost() -> IoError {
    IoError::Other("another tab has taken the cluster over, or this broker was started again".to_owned())
}
