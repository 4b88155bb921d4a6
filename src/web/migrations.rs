//! The format of a broker's database, version by version: the browser keeps the number, and opening runs the steps from
//! the number found to ours, all in one transaction. A step that has shipped is never edited; a new format is a new step.
//!
//! A database of a later version than ours is refused, and stays as it is. (Rows and small values carry versions of their
//! own, see `log::segment` and `log::producer_state`: what they hold is no business of the storage's. A new version of one
//! is a step here as well, so that older code keeps away from it.)

use wasm_bindgen::JsValue;
use web_sys::{IdbDatabase, IdbTransaction};

/// Small values by name.
pub const META: &str = "meta";
/// One row per segment, by log and base offset.
pub const SEGMENTS: &str = "segments";
/// Runs of whole record batches, by log and base offset.
pub const CHUNKS: &str = "chunks";

type Step = fn(&IdbDatabase, &IdbTransaction) -> Result<(), JsValue>;

/// The step at place n leads from version n to n + 1.
const STEPS: [Step; 3] = [to_1, to_2, to_3];

/// The version we write.
pub const VERSION: u32 = STEPS.len() as u32;

/// Brings a database from the version `found` (0: a new one) to ours.
pub fn migrate(database: &IdbDatabase, transaction: &IdbTransaction, found: u32) -> Result<(), JsValue> {
    STEPS.iter().skip(found as usize).try_for_each(|step| step(database, transaction))
}

/// The three stores; every chunk is one row.
fn to_1(database: &IdbDatabase, _: &IdbTransaction) -> Result<(), JsValue> {
    for store in [META, SEGMENTS, CHUNKS] {
        database.create_object_store(store)?;
    }
    Ok(())
}

/// Chunks of some sizes are in pieces, with keys of four parts. Those there are stay whole, and are read as before.
fn to_2(_: &IdbDatabase, _: &IdbTransaction) -> Result<(), JsValue> {
    Ok(())
}

/// Chunks end with a seal (`log::seal`). Those there are have none, and are read as before.
fn to_3(_: &IdbDatabase, _: &IdbTransaction) -> Result<(), JsValue> {
    Ok(())
}
