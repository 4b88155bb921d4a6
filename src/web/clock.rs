//! The host's clock and random source, in a window and in a worker alike.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::Performance;

use crate::time::Instant;

/// Milliseconds since the Unix epoch that never go back: `performance.timeOrigin + performance.now()`.
pub fn now() -> Instant {
    let performance = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("performance"));
    let performance: Option<Performance> = performance.ok().and_then(|value| value.dyn_into().ok());
    let ms = performance.map_or_else(js_sys::Date::now, |clock| clock.time_origin() + clock.now());
    Instant(ms as u64)
}

/// A seed for the core's generator.
pub fn seed() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
}
