//! Export and import of a topic in the page: Kafka's files (`files`) over the copier (`client`). The order of things, and
//! who keeps the files, is in `www/sdk/files.js`; here no more than one response or one file is held.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use js_sys::{Array, Function, Object, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::client::{Copier, CopierCall, CopierReply, ReadBatches};
use crate::files::{FileError, PartitionWriter, Piece, TopicReader};
use crate::types::{Offset, PartitionIndex, TopicName};

use super::client::{ClientConfig, Engine, ms, set};

/// The connections of one export or import.
#[wasm_bindgen]
pub struct CopierHost {
    engine: Rc<Engine<Copier>>,
}

#[wasm_bindgen]
impl CopierHost {
    /// Opens nothing yet; what makes no progress for `patience_ms` has failed.
    #[wasm_bindgen(constructor)]
    pub fn new(client: JsValue, patience_ms: u32, connect: Function) -> Result<CopierHost, JsValue> {
        let client: ClientConfig = serde_wasm_bindgen::from_value(client)?;
        let copier = Copier::new(client.options(), ms(patience_ms));
        Ok(CopierHost { engine: Engine::new(copier, connect, |_| ()) })
    }

    /// A partition to be written as files; a segment gets at most `segment_bytes`.
    pub fn export(&self, topic: &str, partition: i32, segment_bytes: f64) -> PartitionExport {
        PartitionExport {
            engine: Rc::clone(&self.engine),
            topic: TopicName::from(topic),
            partition,
            segment_bytes: segment_bytes as u64,
            writer: RefCell::new(None),
            end: Cell::new(None),
        }
    }

    /// What one fetch of a partition brings, from `offset` on or, without one, from the log start: `{ bytes, offset,
    /// logStart, highWatermark }`, the batches as they are stored, the last of them perhaps cut short.
    pub async fn read(
        &self,
        topic: String,
        partition: i32,
        offset: Option<f64>,
        bytes_max: i32,
        patience_ms: u32,
    ) -> Result<JsValue, JsValue> {
        let call = CopierCall::Read {
            topic: TopicName::from(topic.as_str()),
            partition,
            from: offset.map(|offset| Offset(offset as i64)),
            bytes_max: Some(bytes_max),
            patience: Some(ms(patience_ms)),
        };
        let CopierReply::Read(read) = Rc::clone(&self.engine).call(call).await? else {
            return Ok(JsValue::NULL);
        };
        let object = Object::new();
        set(&object, "bytes", &Uint8Array::from(read.bytes.as_ref()));
        set(&object, "offset", &(read.from.0 as f64).into());
        set(&object, "logStart", &(read.log_start.0 as f64).into());
        set(&object, "highWatermark", &(read.high_watermark.0 as f64).into());
        Ok(object.into())
    }

    /// Appends a .log file's batches, acks=all. Resolves with true when each got the offset it had.
    pub async fn append(&self, topic: String, partition: i32, log: Uint8Array) -> Result<bool, JsValue> {
        let topic = TopicName::from(topic.as_str());
        let call = CopierCall::Append { topic, partition, batches: Bytes::from(log.to_vec()) };
        let reply = Rc::clone(&self.engine).call(call).await?;
        Ok(matches!(reply, CopierReply::Appended { offsets_kept: true }))
    }

    /// Closes the connections.
    pub async fn close(&self) -> Result<(), JsValue> {
        Rc::clone(&self.engine).call(CopierCall::Close).await.map(drop)
    }
}

/// One partition on its way out: from its log start to what was committed at the first read.
#[wasm_bindgen]
pub struct PartitionExport {
    engine: Rc<Engine<Copier>>,
    topic: TopicName,
    partition: i32,
    segment_bytes: u64,
    writer: RefCell<Option<PartitionWriter>>,
    end: Cell<Option<Offset>>,
}

#[wasm_bindgen]
impl PartitionExport {
    /// The next `[path, bytes]`, each to be appended to its file; nothing when all was given.
    pub async fn next(&self) -> Result<Option<Array>, JsValue> {
        let writer = self.writer.borrow_mut().take();
        let from = match (&writer, self.end.get()) {
            (Some(writer), _) => Some(writer.next_offset()),
            (None, None) => None,
            (None, Some(_)) => return Ok(None),
        };
        let (topic, partition) = (self.topic.clone(), self.partition);
        let call = CopierCall::Read { topic, partition, from, bytes_max: None, patience: None };
        let reply = Rc::clone(&self.engine).call(call).await?;
        let CopierReply::Read(ReadBatches { bytes, from, high_watermark, .. }) = reply else {
            return Ok(None);
        };
        let end = self.end.get().unwrap_or(high_watermark);
        self.end.set(Some(end));
        let mut writer = writer.unwrap_or_else(|| {
            let partition = PartitionIndex(self.partition);
            PartitionWriter::new(self.topic.clone(), partition, from, self.segment_bytes)
        });
        let mut pieces = writer.write(&bytes, end).map_err(|error| {
            let place = format!("{}-{} from offset {}", self.topic, self.partition, writer.next_offset());
            js_sys::Error::new(&format!("{place}: {error}"))
        })?;
        if writer.next_offset() >= end {
            pieces.extend(writer.finish());
        } else {
            self.writer.replace(Some(writer));
        }
        Ok(Some(pieces.iter().map(piece).collect()))
    }
}

fn piece(piece: &Piece) -> JsValue {
    let bytes = Uint8Array::from(piece.bytes.as_ref());
    Array::of2(&piece.path.to_string().into(), &bytes).into()
}

/// Files of a topic, looked at one by one before anything is created.
#[wasm_bindgen]
pub struct FilesReader {
    reader: RefCell<TopicReader>,
}

#[wasm_bindgen]
impl FilesReader {
    /// No file yet.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> FilesReader {
        FilesReader { reader: RefCell::default() }
    }

    /// Takes one file; throws `{ file, at, message }`.
    pub fn read(&self, path: &str, bytes: &Uint8Array) -> Result<(), JsValue> {
        let bytes = Bytes::from(bytes.to_vec());
        self.reader.borrow_mut().read(path, &bytes).map_err(|error| file_error(&error))
    }

    /// `{ topic, batchBytesMax, partitions: [{ logs, start, records }] }`; throws `{ file, at, message }`.
    pub fn finish(&self) -> Result<JsValue, JsValue> {
        let facts = self.reader.take().finish().map_err(|error| file_error(&error))?;
        let partitions: Array = facts
            .partitions
            .iter()
            .map(|partition| {
                let logs: Array = partition.logs.iter().map(JsValue::from).collect();
                let object = Object::new();
                set(&object, "logs", &logs);
                set(&object, "start", &(partition.start.0 as f64).into());
                set(&object, "records", &(partition.records as f64).into());
                object
            })
            .collect();
        let object = Object::new();
        set(&object, "topic", &facts.topic.as_str().into());
        set(&object, "batchBytesMax", &(facts.batch_bytes_max as f64).into());
        set(&object, "partitions", &partitions);
        Ok(object.into())
    }
}

fn file_error(error: &FileError) -> JsValue {
    let object = Object::new();
    set(&object, "file", &error.file.as_str().into());
    set(&object, "at", &(error.at as f64).into());
    set(&object, "message", &error.to_string().into());
    object.into()
}
