//! A cluster's catalog: a small database beside its brokers' that remembers which brokers there are.

use bytes::Bytes;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use web_sys::IdbObjectStore;

use crate::log::io::IoError;
use crate::storage::Storage;

use super::connection::thrown;
use super::rows::value_of;
use super::storage::IndexedDb;
use super::turns::change;

const KEY: &str = "cluster";
const OWNER: &str = "owner";

/// The catalog in database `name`, as it was written; none when there is none.
#[wasm_bindgen(js_name = readCatalog)]
pub async fn read_catalog(name: String) -> Result<Option<String>, JsValue> {
    let db = IndexedDb::open(&name).await.map_err(js_error)?;
    let inventory = db.inventory().await.map_err(js_error)?;
    db.close();
    Ok(inventory.meta.get(KEY).map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// Writes the catalog, for the owner of number `epoch`: refused once there is a later one.
#[wasm_bindgen(js_name = writeCatalog)]
pub async fn write_catalog(name: String, text: String, epoch: f64) -> Result<(), JsValue> {
    let db = IndexedDb::open(&name).await.map_err(js_error)?;
    let write = move |store: &IdbObjectStore, last: JsValue| {
        if last.as_f64().is_some_and(|last| last > epoch) {
            return Err(IoError::Other("another tab has taken the cluster over".to_owned()));
        }
        let value = value_of(&Bytes::copy_from_slice(text.as_bytes()));
        store.put_with_key(&value, &KEY.into()).map(drop).map_err(|error| thrown(&error))
    };
    let written = change(db.connection(), |store| store.get(&OWNER.into()), write).await;
    db.close();
    written.map_err(js_error)
}

/// Counts the owners of the cluster whose catalog is database `name`: a number greater than any of an earlier owner, also
/// of before the cluster was destroyed and made anew.
#[wasm_bindgen(js_name = beginOwnership)]
pub async fn begin_ownership(name: String) -> Result<f64, JsValue> {
    let db = IndexedDb::open(&name).await.map_err(js_error)?;
    let begin = |store: &IdbObjectStore, last: JsValue| {
        let epoch = js_sys::Date::now().max(last.as_f64().unwrap_or(0.0) + 1.0);
        store.put_with_key(&epoch.into(), &OWNER.into()).map_err(|error| thrown(&error))?;
        Ok(epoch)
    };
    let epoch = change(db.connection(), |store| store.get(&OWNER.into()), begin).await;
    db.close();
    epoch.map_err(js_error)
}

/// Deletes a database.
#[wasm_bindgen(js_name = deleteDatabase)]
pub async fn delete_database(name: String) -> Result<(), JsValue> {
    IndexedDb::delete(&name).await.map_err(js_error)
}

fn js_error(error: IoError) -> JsValue {
    js_sys::Error::new(&match error {
        IoError::QuotaExceeded => "the storage quota is used up".to_owned(),
        IoError::Poisoned => "an earlier write failed".to_owned(),
        IoError::Other(text) => text,
    })
    .into()
}
