//! One read of a log's chunks as it goes on, over as many transactions as it needs: mostly one.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbCursor, IdbCursorDirection, IdbObjectStore, IdbRequest};

use crate::log::io::{Chunk, IoError, IoOp};
use crate::sorted::SortedMap;
use crate::types::{LogId, Offset};

use super::connection::thrown;
use super::rows::{Assembly, after, log_key, range, span};

/// The most rows of one request.
const PAGE_ROWS_MAX: usize = 1024;

/// See the file's head.
pub struct Reading {
    log: LogId,
    from: Offset,
    bytes_max: usize,
    /// Where the chunk begins that holds `from`, when that is not `from` itself.
    floor: Floor,
    below: Assembly,
    rows: Assembly,
    bytes: usize,
    row_count: usize,
    /// The last row's key.
    last: Option<JsValue>,
    at_end: bool,
    page: u32,
    requests: Requests,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Floor {
    Unknown,
    At(Offset),
    Read,
}

/// What was asked in the transaction under way.
#[derive(Default)]
struct Requests {
    floor: Option<IdbRequest>,
    below: Option<(IdbRequest, IdbRequest)>,
    rows: Option<(IdbRequest, IdbRequest)>,
}

impl Reading {
    /// A read, and the mean sizes of the rows that were last read of each log.
    pub fn new(op: &IoOp, row_sizes: &SortedMap<LogId, usize>) -> Reading {
        let IoOp::Read { log, from, bytes_max } = op else { unreachable!("only reads are read") };
        // As many as make `bytes_max`; of a log not known yet the two that must come, which tell.
        let page = row_sizes.get(log).map_or(2, |size| (bytes_max / size).clamp(2, PAGE_ROWS_MAX));
        Reading {
            log: *log,
            from: *from,
            bytes_max: *bytes_max,
            floor: Floor::Unknown,
            below: Assembly::default(),
            rows: Assembly::default(),
            bytes: 0,
            row_count: 0,
            last: None,
            at_end: false,
            page: page as u32,
            requests: Requests::default(),
        }
    }

    /// At least two chunks, whatever the limit.
    pub fn wants_more(&self) -> bool {
        let below = usize::from(matches!(self.floor, Floor::At(_)) || self.below.len() > 0);
        let enough = self.rows.len() + below >= 2 && self.bytes >= self.bytes_max && !self.rows.is_open();
        self.floor != Floor::Read || !(self.at_end || enough)
    }

    /// Makes its requests in a transaction.
    pub fn ask(&mut self, chunks: &IdbObjectStore) -> Result<(), JsValue> {
        let all = |range: Result<rexie::KeyRange, IoError>, limit: Option<u32>| {
            let range: JsValue = range.map_err(|error| text(&error))?.into();
            Ok::<_, JsValue>(match limit {
                None => (chunks.get_all_keys_with_key(&range)?, chunks.get_all_with_key(&range)?),
                Some(limit) => (
                    chunks.get_all_keys_with_key_and_limit(&range, limit)?,
                    chunks.get_all_with_key_and_limit(&range, limit)?,
                ),
            })
        };
        match self.floor {
            Floor::Unknown => {
                let up_to = span(self.log, Offset::ZERO, self.from.plus(1)).map_err(|error| text(&error))?;
                let prev = IdbCursorDirection::Prev;
                let request = chunks.open_key_cursor_with_range_and_direction(&up_to.into(), prev)?;
                self.requests.floor = Some(request);
            }
            Floor::At(base) => self.requests.below = Some(all(span(self.log, base, self.from), None)?),
            Floor::Read => {}
        }
        if !self.at_end {
            let rows = match &self.last {
                None => range(self.log, self.from),
                Some(last) => after(self.log, last),
            };
            self.requests.rows = Some(all(rows, Some(self.page))?);
        }
        Ok(())
    }

    /// Takes what the transaction has read.
    pub fn take(&mut self) -> Result<(), IoError> {
        let Requests { floor, below, rows } = std::mem::take(&mut self.requests);
        if let Some(request) = floor {
            let cursor = request.result().map_err(|error| thrown(&error))?;
            let key = cursor.dyn_ref::<IdbCursor>().map(IdbCursor::key).transpose();
            let base = key.map_err(|error| thrown(&error))?.as_ref().and_then(log_key).map(|(_, base)| base);
            self.floor = base.filter(|base| *base < self.from).map_or(Floor::Read, Floor::At);
        }
        if let Some(requests) = below {
            self.floor = Floor::Read;
            for (key, value) in pairs(&requests)? {
                self.count(&value);
                self.below.add(&key, &value);
            }
        }
        if let Some(requests) = rows {
            let rows = pairs(&requests)?;
            self.at_end = rows.len() < self.page as usize;
            for (key, value) in rows {
                self.count(&value);
                self.rows.add(&key, &value);
                self.last = Some(key);
            }
            if let Some((_, size)) = self.row_size() {
                let missing = self.bytes_max.saturating_sub(self.bytes);
                self.page = missing.div_ceil(size).clamp(1, PAGE_ROWS_MAX) as u32;
            }
        }
        Ok(())
    }

    fn count(&mut self, value: &JsValue) {
        self.bytes += value.dyn_ref::<js_sys::Uint8Array>().map_or(0, |bytes| bytes.length() as usize);
        self.row_count += 1;
    }

    /// The mean size of the rows it has read.
    pub fn row_size(&self) -> Option<(LogId, usize)> {
        Some((self.log, self.bytes.checked_div(self.row_count)?.max(1)))
    }

    /// What it has read.
    pub fn finish(self) -> Vec<Chunk> {
        let mut chunks = self.below.finish();
        chunks.extend(self.rows.finish());
        chunks
    }
}

fn pairs((keys, values): &(IdbRequest, IdbRequest)) -> Result<Vec<(JsValue, JsValue)>, IoError> {
    let list = |request: &IdbRequest| {
        request.result().map(JsCast::unchecked_into::<Array>).map_err(|error| thrown(&error))
    };
    Ok(list(keys)?.iter().zip(list(values)?.iter()).collect())
}

fn text(error: &IoError) -> JsValue {
    JsValue::from_str(&format!("{error:?}"))
}
