//! Batches as the page shows them: decoded by the brokers' own code, and taken apart to the last byte.

use bytes::Bytes;
use js_sys::{Array, Object, Uint8Array, Uint32Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::protocol::batch::{BatchError, BatchHeader, batches};
use crate::protocol::records;

use super::client::set;
use super::packed;

/// The whole batches of a run of bytes as a fetch brings it, each `{ at, size, …header, bytes, numbers }`, its records as
/// `packed` has them. One that can't be read has an `error` instead of records; a last one that is cut short is left out.
#[wasm_bindgen(js_name = decodeBatches)]
pub fn decode_batches(bytes: &Uint8Array) -> Array {
    let bytes = Bytes::from(bytes.to_vec());
    let found = Array::new();
    for (header, range) in batches(&bytes).map_while(Result::ok) {
        let object = Object::new();
        set(&object, "at", &(range.start as f64).into());
        set(&object, "size", &(range.len() as f64).into());
        set_header(&object, &header);
        match records::decode_records(&bytes.slice(range)) {
            Ok(records) => {
                let (bytes, numbers) = packed::pack(&records);
                set(&object, "bytes", &bytes);
                set(&object, "numbers", &numbers);
            }
            Err(error) => set(&object, "error", &error.to_string().into()),
        }
        found.push(&object);
    }
    found
}

/// One whole batch: `{ …header, body, fieldEnds }`. `body`: the records' bytes, decompressed; `fieldEnds`: of each record
/// where its fields end in it, in the order of the format. Throws when it can't be read, with why.
#[wasm_bindgen(js_name = inspectBatch)]
pub fn inspect_batch(bytes: &Uint8Array) -> Result<JsValue, JsValue> {
    let wrong = |error: BatchError| JsValue::from(js_sys::Error::new(&error.to_string()));
    let inspected = records::inspect_batch(&Bytes::from(bytes.to_vec())).map_err(wrong)?;
    let object = Object::new();
    set_header(&object, &inspected.header);
    set(&object, "body", &Uint8Array::from(inspected.body.as_ref()));
    let field_ends: Array = inspected
        .field_ends
        .iter()
        .map(|ends| {
            let ends: Vec<u32> = ends.iter().map(|end| *end as u32).collect();
            Uint32Array::from(ends.as_slice())
        })
        .collect();
    set(&object, "fieldEnds", &field_ends);
    Ok(object.into())
}

/// Offsets and times are numbers: exact up to 2^53. Producer ids, too.
fn set_header(object: &Object, header: &BatchHeader) {
    let compression = header.compression().map_or("unknown".to_owned(), |codec| codec.to_string());
    set(object, "baseOffset", &(header.base_offset.0 as f64).into());
    set(object, "lastOffset", &(header.last_offset().0 as f64).into());
    set(object, "leaderEpoch", &header.partition_leader_epoch.0.into());
    set(object, "crc", &header.crc.into());
    set(object, "attributes", &header.attributes.into());
    set(object, "compression", &compression.into());
    set(object, "logAppendTime", &header.is_log_append_time().into());
    set(object, "transactional", &header.is_transactional().into());
    set(object, "control", &header.is_control().into());
    set(object, "baseTimestamp", &(header.base_timestamp as f64).into());
    set(object, "maxTimestamp", &(header.max_timestamp as f64).into());
    set(object, "producerId", &header.producer_id.map_or(-1.0, |id| id.0 as f64).into());
    set(object, "producerEpoch", &header.producer_epoch.0.into());
    set(object, "baseSequence", &header.base_sequence.into());
    set(object, "recordCount", &header.record_count.into());
}
