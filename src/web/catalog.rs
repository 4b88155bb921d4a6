//! A cluster's catalog: a small database beside its brokers' that remembers which brokers there are.

use bytes::Bytes;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::log::io::{IoError, IoId, IoOp, IoResult};

use super::storage::IndexedDb;

const KEY: &str = "cluster";
const OWNER: &str = "owner";

/// The catalog in database `name`, as it was written; none when there is none.
#[wasm_bindgen(js_name = readCatalog)]
pub async fn read_catalog(name: String) -> Result<Option<String>, JsValue> {
    let db = IndexedDb::open(&name).await.map_err(js_error)?;
    let recovered = db.recovered().await.map_err(js_error)?;
    db.close();
    Ok(recovered.meta.get(KEY).map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// Writes the catalog.
#[wasm_bindgen(js_name = writeCatalog)]
pub async fn write_catalog(name: String, text: String) -> Result<(), JsValue> {
    let db = IndexedDb::open(&name).await.map_err(js_error)?;
    let op = IoOp::WriteMeta { key: KEY.to_owned(), value: Bytes::from(text.into_bytes()), flush: false };
    let results = db.execute(vec![(IoId(0), op)]).await;
    db.close();
    match results.into_iter().next() {
        Some((_, IoResult::Failed(error))) => Err(js_error(error)),
        _ => Ok(()),
    }
}

/// Counts the owners of the cluster whose catalog is database `name`: a number greater than any of an earlier owner, also
/// of before the cluster was destroyed and made anew.
#[wasm_bindgen(js_name = beginOwnership)]
pub async fn begin_ownership(name: String) -> Result<f64, JsValue> {
    let db = IndexedDb::open(&name).await.map_err(js_error)?;
    let recovered = db.recovered().await.map_err(js_error)?;
    let last: f64 = recovered
        .meta
        .get(OWNER)
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
        .unwrap_or(0.0);
    let epoch = js_sys::Date::now().max(last + 1.0);
    let op = IoOp::WriteMeta { key: OWNER.to_owned(), value: Bytes::from(epoch.to_string()), flush: false };
    let results = db.execute(vec![(IoId(0), op)]).await;
    db.close();
    match results.into_iter().next() {
        Some((_, IoResult::Failed(error))) => Err(js_error(error)),
        _ => Ok(epoch),
    }
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
