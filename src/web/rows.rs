//! How chunks lie in a database's rows, and the keys of rows.
//!
//! ```text
//! [log, base]                  a whole chunk (or a segment's row, in its own store)
//! [log, base, piece, pieces]   a chunk in pieces, counted from 0
//! ```
//!
//! IndexedDB on LevelDB keeps a value above 64 KiB as a file of its own, at 5 to 10 ms each. Up to about 200 KiB two or
//! three smaller rows are written and read at twice the speed; beyond that reading is faster from the file.

use bytes::{Bytes, BytesMut};
use js_sys::{Array, Uint8Array};
use rexie::KeyRange;
use wasm_bindgen::{JsCast, JsValue};

use crate::log::io::{Chunk, IoError};
use crate::types::{LogId, Offset};

use super::storage::io_error;

/// The largest piece.
const PIECE_BYTES_MAX: usize = 60 * 1024;
/// Chunks from this size on are in pieces,
const PIECES_FROM: usize = 64 * 1024;
/// up to this one (exclusive).
const PIECES_BELOW: usize = 192 * 1024;
/// No offset is above this: the largest whole number of a double.
const OFFSET_MAX: Offset = Offset((1 << 53) - 1);

/// The key of what begins at `base`.
pub fn key_of(log: LogId, base: Offset) -> JsValue {
    Array::of2(&JsValue::from_str(&log.to_string()), &JsValue::from_f64(base.0 as f64)).into()
}

/// The log and the offset of a key.
pub fn log_key(key: &JsValue) -> Option<(LogId, Offset)> {
    let key: &Array = key.dyn_ref()?;
    Some((key.get(0).as_string()?.parse().ok()?, Offset(key.get(1).as_f64()? as i64)))
}

/// Keys of a log from `from` (inclusive).
pub fn range(log: LogId, from: Offset) -> Result<KeyRange, IoError> {
    keys(&key_of(log, from), false, &key_of(log, OFFSET_MAX), false)
}

/// Keys of a log from `from` (inclusive) to `to` (exclusive).
pub fn span(log: LogId, from: Offset, to: Offset) -> Result<KeyRange, IoError> {
    keys(&key_of(log, from), false, &key_of(log, to), true)
}

/// Keys of a log after `key`.
pub fn after(log: LogId, key: &JsValue) -> Result<KeyRange, IoError> {
    keys(key, true, &key_of(log, OFFSET_MAX), false)
}

fn keys(from: &JsValue, without_from: bool, to: &JsValue, without_to: bool) -> Result<KeyRange, IoError> {
    KeyRange::bound(from, to, Some(without_from), Some(without_to)).map_err(io_error)
}

/// Bytes as a value.
pub fn value_of(bytes: &Bytes) -> JsValue {
    // A copy: a view would make the structured clone take the whole wasm memory along.
    Uint8Array::from(bytes.as_ref()).into()
}

/// A value's bytes.
pub fn bytes_of(value: &JsValue) -> Bytes {
    value.dyn_ref::<Uint8Array>().map(|array| Bytes::from(array.to_vec())).unwrap_or_default()
}

/// The rows of a chunk: keys and values.
pub fn rows_of(log: LogId, chunk: &Chunk) -> Vec<(JsValue, JsValue)> {
    let size = chunk.bytes.len();
    if !(PIECES_FROM..PIECES_BELOW).contains(&size) {
        return vec![(key_of(log, chunk.base), value_of(&chunk.bytes))];
    }
    let pieces = size.div_ceil(PIECE_BYTES_MAX);
    let length = size.div_ceil(pieces);
    let row = |piece: usize| {
        let key: Array = key_of(log, chunk.base).unchecked_into();
        key.push(&JsValue::from_f64(piece as f64));
        key.push(&JsValue::from_f64(pieces as f64));
        let range = piece * length..size.min((piece + 1) * length);
        (key.into(), value_of(&chunk.bytes.slice(range)))
    };
    (0..pieces).map(row).collect()
}

/// Makes chunks of rows that come in the order of their keys. Of a chunk that lacks a piece there is what lies before it.
#[derive(Default)]
pub struct Assembly {
    chunks: Vec<Chunk>,
    open: Option<Open>,
}

/// A chunk of which more pieces are to come.
struct Open {
    base: Offset,
    found: usize,
    pieces: usize,
    bytes: BytesMut,
}

impl Assembly {
    /// Takes the next row.
    pub fn add(&mut self, key: &JsValue, value: &JsValue) {
        let Some((_, base)) = log_key(key) else { return };
        let bytes = bytes_of(value);
        let key: &Array = key.unchecked_ref();
        let (Some(piece), Some(pieces)) = (key.get(2).as_f64(), key.get(3).as_f64()) else {
            self.close();
            return self.chunks.push(Chunk { base, bytes });
        };
        let (piece, pieces) = (piece as usize, pieces as usize);
        if piece == 0 {
            self.close();
            self.open = Some(Open { base, found: 0, pieces, bytes: BytesMut::new() });
        }
        if let Some(open) = self.open.as_mut().filter(|open| open.base == base && open.found == piece) {
            open.bytes.extend_from_slice(&bytes);
            open.found += 1;
            if open.found == open.pieces {
                self.close();
            }
        }
    }

    fn close(&mut self) {
        self.chunks
            .extend(self.open.take().map(|open| Chunk { base: open.base, bytes: open.bytes.freeze() }));
    }

    /// True when the next row should complete a chunk.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Complete chunks so far.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// All chunks, when no more rows come.
    pub fn finish(mut self) -> Vec<Chunk> {
        self.close();
        self.chunks
    }
}
