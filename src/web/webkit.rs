//! What WebKit does not do when a worker ends with a transaction under way: it does not tell its storage.
//!
//! A transaction that was told to commit before the storage has begun it stays there, begun and without an end, and every
//! later one on its stores waits for it, until the browser is ended (seen in 21 of 300 kills of a worker that writes all the
//! time, WebKitGTK 2.50; bug 324094 is of the same family). One that was not told so is given up. The connection of a worker
//! that ends while a transaction commits may stay open: then the database can be used, but not deleted.
//!
//! So here nothing is told to commit that has not begun, and a worker closes its database before it is ended, if it can.

use js_sys::Reflect;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// True where a worker that ends leaves transactions and connections behind.
#[wasm_bindgen(js_name = keepsWhatWorkersLeave)]
pub fn keeps_what_workers_leave() -> bool {
    // There is no way to try it out.
    let navigator = Reflect::get(&js_sys::global(), &JsValue::from_str("navigator"));
    let agent = navigator.and_then(|navigator| Reflect::get(&navigator, &JsValue::from_str("userAgent")));
    let agent = agent.ok().and_then(|agent| agent.as_string()).unwrap_or_default();
    // Chromium calls itself both.
    agent.contains("AppleWebKit") && !agent.contains("Chrome")
}
