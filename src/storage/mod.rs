//! Where a broker keeps things. The core only names operations (`log::io`); a host carries them out in a `Storage`. There is
//! one in memory (the simulator's as well, which can lose its power) and one in IndexedDB; another one has to keep the rules
//! of `conformance`, and no line of the core knows it.

pub mod conformance;

use crate::log::io::{Chunk, IoError, IoId, IoOp, IoResult, Recovered, RecoveredLog, SegmentRow};
use crate::log::{LogOpening, Opened};
use crate::sorted::SortedMap;
use crate::time::Instant;
use crate::types::{LogId, Offset};

/// Chunks in memory at once while logs are opened, in bytes; somewhat more when chunks are large.
const OPENING_BYTES: usize = 4 * 1024 * 1024;
/// Logs that are read at once.
const OPENING_LOGS: usize = 16;

/// A broker's storage. Its contract is in `log::io`; `conformance` checks it.
pub trait Storage {
    /// Carries out operations in order; the results are in the same order.
    #[expect(async_fn_in_trait, reason = "hosts have one thread")]
    async fn execute(&self, ops: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)>;

    /// All small values, and the segment rows of each log.
    #[expect(async_fn_in_trait, reason = "hosts have one thread")]
    async fn inventory(&self) -> Result<Inventory, IoError>;
}

/// What a storage holds, without its chunks.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// All small values.
    pub meta: SortedMap<String, bytes::Bytes>,
    /// Each log's segment rows, ascending by base.
    pub rows: SortedMap<LogId, Vec<SegmentRow>>,
}

/// Opens every log in a storage. The chunks of their last segments are looked at as they come, so that hundreds of logs
/// need little more memory than one.
pub async fn open_logs(storage: &impl Storage, now: Instant) -> Result<Opened, IoError> {
    let Inventory { meta, rows } = storage.inventory().await?;
    let mut logs: SortedMap<LogId, LogOpening> = SortedMap::new();
    for (id, rows) in &rows {
        logs.insert(*id, LogOpening::from(RecoveredLog { rows: rows.clone(), tail: Vec::new() }));
    }
    let scan = |id: LogId, chunks: Vec<Chunk>| {
        if let Some(opening) = logs.get_mut(&id) {
            opening.scan(id, chunks, now);
        }
    };
    read_last_segments(storage, &rows, scan).await?;
    Ok(Opened { meta, logs })
}

/// All that `open_logs` looks at, at once: for who looks into a storage.
pub async fn recovered(storage: &impl Storage) -> Result<Recovered, IoError> {
    let Inventory { meta, rows } = storage.inventory().await?;
    let mut tails: SortedMap<LogId, Vec<Chunk>> = SortedMap::new();
    read_last_segments(storage, &rows, |id, chunks| tails.entry(id).or_default().extend(chunks)).await?;
    let found = |(id, rows)| (id, RecoveredLog { rows, tail: tails.remove(&id).unwrap_or_default() });
    Ok(Recovered { meta, logs: rows.into_iter().map(found).collect() })
}

/// Where the reading of a log's last segment has come to.
struct Progress {
    log: LogId,
    at: Offset,
}

/// Gives the chunks from each log's last row on, slice by slice: of a log in their order, of several logs in turn.
async fn read_last_segments(
    storage: &impl Storage,
    rows: &SortedMap<LogId, Vec<SegmentRow>>,
    mut take: impl FnMut(LogId, Vec<Chunk>),
) -> Result<(), IoError> {
    let start = |(id, rows): (&LogId, &Vec<SegmentRow>)| {
        let at = rows.last().map_or(Offset::ZERO, |row| row.base);
        Progress { log: *id, at }
    };
    let mut waiting = rows.iter().map(start);
    let mut reading: Vec<Progress> = Vec::new();
    loop {
        reading.extend(waiting.by_ref().take(OPENING_LOGS - reading.len()));
        if reading.is_empty() {
            return Ok(());
        }
        let bytes_max = OPENING_BYTES / reading.len();
        let reads = reading
            .iter()
            .zip(0..)
            .map(|(progress, io)| (IoId(io), IoOp::Read { log: progress.log, from: progress.at, bytes_max }));
        let results = storage.execute(reads.collect()).await;
        let mut unfinished = Vec::new();
        for (mut progress, (_, result)) in reading.into_iter().zip(results) {
            let mut chunks = match result {
                IoResult::Read(chunks) => chunks,
                IoResult::Failed(error) => return Err(error),
                IoResult::Done => unreachable!("a read gives chunks"),
            };
            // The first one may begin below.
            chunks.retain(|chunk| chunk.base >= progress.at);
            let Some(last) = chunks.last() else { continue };
            let whole = chunks.iter().map(|chunk| chunk.bytes.len()).sum::<usize>() < bytes_max;
            progress.at = last.base.plus(1);
            take(progress.log, chunks);
            if !whole {
                unfinished.push(progress);
            }
        }
        reading = unfinished;
    }
}
