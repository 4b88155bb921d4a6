//! Snapshots of the metadata log (KIP-630): what a node has replayed, as records that give the same again, in the place of
//! the log's beginning. A snapshot's id is the end offset and the epoch of what it stands for. Its bytes are Kafka's: a
//! control batch that begins with SnapshotHeader and names the voters, batches of records, a control batch with
//! SnapshotFooter.
//!
//! Each node makes its own; who needs what the leader's log has no more fetches the leader's (`fetching.rs`). Storage has
//! them in a log of their own (`LogId::SNAPSHOTS`), by the position of their bytes, one after another; a row, written when
//! all bytes are durable (a write can be torn), makes one count:
//!
//! ```text
//!  0  version    i16  0
//!  2  end offset i64
//! 10  epoch      i32  of the record before it
//! 14  size       i64  bytes, from the row's base on
//! 22  log start  i64  where the log may begin from now on: at this snapshot, or at the one before it,
//! 30  its epoch  i32  so that who is a little behind needs no snapshot
//! ```
//!
//! The log's beginning goes when that row is durable, and not before. Whatever is above the last row is of a snapshot that
//! did not get that far: the next one begins with cutting it off.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::effects::Effects;
use crate::event::ClusterEvent;
use crate::log::io::{Chunk, IoId, IoOp, IoResult, RecoveredLog, SegmentRow};
use crate::log::{APPEND_BYTES_MAX, CHUNK_BYTES_MAX};
use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::batches;
use crate::protocol::compact::{Malformed, Reader, Writer};
use crate::protocol::control::{ControlRecord, Voter, control_batch, read_control};
use crate::protocol::records::{BatchBuilder, BatchOptions, decode_records};
use crate::sorted::SortedSet;
use crate::time::{Duration, Instant};
use crate::types::{LeaderEpoch, LogId, Offset};

use super::{Quorum, Role, STORAGE_RETRY};

/// The largest snapshot that is fetched.
pub(super) const SNAPSHOT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a snapshot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SnapshotId {
    /// The epoch of the last record.
    pub epoch: LeaderEpoch,
    /// The offset after it.
    pub end: Offset,
}

/// Records and voters that give the same as the log up to `id`.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What it stands for.
    pub id: SnapshotId,
    /// As stored and sent.
    pub bytes: Bytes,
    /// The voters at its end; none while they are the configuration's.
    pub voters: Option<Vec<Voter>>,
}

impl Snapshot {
    /// Of record values, and the voters.
    fn new(id: SnapshotId, timestamp: i64, voters: Option<Vec<Voter>>, values: Vec<Bytes>) -> Snapshot {
        let mut head = vec![ControlRecord::SnapshotHeader { last_timestamp: timestamp }];
        if let Some(voters) = &voters {
            head.push(ControlRecord::KraftVersion(1));
            head.push(ControlRecord::Voters(voters.clone()));
        }
        let mut bytes = BytesMut::from(control_batch(timestamp, &head).as_ref());
        let empty =
            || BatchBuilder::new(BatchOptions { leader_epoch: Some(id.epoch), ..BatchOptions::default() });
        let mut batch = empty();
        for value in values {
            if batch.size_in_bytes() > CHUNK_BYTES_MAX {
                bytes.extend_from_slice(&std::mem::replace(&mut batch, empty()).build());
            }
            batch.push(timestamp, None, Some(&value), &[]);
        }
        if !batch.is_empty() {
            bytes.extend_from_slice(&batch.build());
        }
        bytes.extend_from_slice(&control_batch(timestamp, &[ControlRecord::SnapshotFooter]));
        Snapshot { id, bytes: bytes.freeze(), voters }
    }

    /// Of bytes from elsewhere; none when they are not a whole snapshot.
    pub(super) fn read(id: SnapshotId, bytes: Bytes) -> Option<Snapshot> {
        let (mut voters, mut begun, mut ended) = (None, false, false);
        for entry in batches(&bytes) {
            let (header, range) = entry.ok()?;
            let batch = bytes.slice(range);
            if ended {
                return None;
            }
            if !header.is_control() {
                decode_records(&batch).ok().filter(|_| begun)?;
                continue;
            }
            for (_, record) in read_control(&batch).ok()? {
                match record {
                    ControlRecord::SnapshotHeader { .. } if !begun => begun = true,
                    ControlRecord::SnapshotFooter if begun => ended = true,
                    ControlRecord::Voters(found) if begun => voters = Some(found),
                    ControlRecord::KraftVersion(_) if begun => {}
                    _ => return None,
                }
            }
        }
        ended.then_some(Snapshot { id, bytes, voters })
    }
}

/// A snapshot on its way into storage.
#[derive(Debug)]
struct Writing {
    snapshot: Snapshot,
    base: Offset,
    start: SnapshotId,
    written: usize,
    /// Its row is being written.
    counts: bool,
    io: IoId,
    fetched: bool,
}

/// A node's snapshots. See the file's head.
#[derive(Debug)]
pub(super) struct Snapshots {
    /// The last is the one that counts; the one before may still be on its way to somebody.
    kept: VecDeque<Snapshot>,
    /// Where the log may begin, if not at 0.
    start: Option<SnapshotId>,
    /// Where the next one goes in storage.
    next_base: Offset,
    writing: Option<Writing>,
    /// Operations under way.
    ios: SortedSet<IoId>,
    /// The last one has not been replayed, and the log that it stands for is not there.
    pub(super) unread: bool,
    /// Bytes replayed from the log since the last one.
    pub(super) bytes_since: u64,
    /// Make one after so many,
    bytes_max: u64,
    /// or when the last is so old; zero for never.
    interval: Duration,
    /// When there was one last, or the node started.
    made_at: Instant,
    /// Set while storage refuses.
    retry_at: Option<Instant>,
}

impl Snapshots {
    /// On what storage holds.
    ///
    /// # Panics
    /// If a snapshot that counts is not whole: without it the log has no beginning.
    pub(super) fn open(
        recovered: RecoveredLog,
        bytes_max: u64,
        interval: Duration,
        now: Instant,
        fx: &mut Effects,
    ) -> Snapshots {
        let mut snapshots = Snapshots {
            kept: VecDeque::new(),
            start: None,
            next_base: Offset::ZERO,
            writing: None,
            ios: SortedSet::new(),
            unread: false,
            bytes_since: 0,
            bytes_max,
            interval,
            made_at: now,
            retry_at: None,
        };
        let Some(row) = recovered.rows.last() else { return snapshots };
        let mut bytes = BytesMut::new();
        for chunk in recovered.tail.iter().filter(|chunk| chunk.base >= row.base) {
            if chunk.base == row.base.plus(bytes.len() as i64) {
                bytes.extend_from_slice(&chunk.bytes);
            }
        }
        let found = read_row(&row.bytes).ok().and_then(|(id, size, start)| {
            let size = usize::try_from(size).ok().filter(|size| *size <= bytes.len())?;
            Some((Snapshot::read(id, bytes.freeze().slice(..size))?, start))
        });
        let Some((snapshot, start)) = found else {
            panic!(
                "the snapshot of the metadata log is damaged: restore it, or start this broker with an empty storage"
            )
        };
        snapshots.next_base = row.base.plus(snapshot.bytes.len() as i64);
        snapshots.start = Some(start);
        snapshots.unread = true;
        snapshots.kept.push_back(snapshot);
        if recovered.rows.len() > 1 {
            snapshots.submit(IoOp::DeleteBefore { log: LogId::SNAPSHOTS, before: row.base }, fx);
        }
        snapshots
    }

    /// The snapshot that counts.
    pub(super) fn latest(&self) -> Option<&Snapshot> {
        self.kept.back()
    }

    /// One that is still here.
    pub(super) fn named(&self, id: SnapshotId) -> Option<&Snapshot> {
        self.kept.iter().find(|snapshot| snapshot.id == id)
    }

    /// Where the log may begin, if not at 0.
    pub(super) fn start(&self) -> Option<SnapshotId> {
        self.start
    }

    fn submit(&mut self, op: IoOp, fx: &mut Effects) -> IoId {
        let io = fx.submit(op);
        self.ios.insert(io);
        io
    }

    /// True, once, for an operation on the snapshots' storage.
    pub(super) fn owns(&mut self, io: IoId) -> bool {
        self.ios.remove(&io)
    }

    /// True while a snapshot that was fetched is written.
    pub(super) fn installing(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| writing.fetched)
    }

    /// When the next one is due; none while there is nothing new to make one of, or one is written.
    pub(super) fn due_at(&self, replayed: Offset) -> Option<Instant> {
        let end = self.latest().map_or(Offset::ZERO, |snapshot| snapshot.id.end);
        if self.writing.is_some() || self.bytes_since == 0 || replayed <= end {
            return None;
        }
        let by_time = (!self.interval.is_zero()).then(|| self.made_at + self.interval);
        let at = if self.bytes_since >= self.bytes_max { Some(self.made_at) } else { by_time }?;
        Some(at.max(self.retry_at.unwrap_or(at)))
    }
}

impl Quorum {
    /// The snapshot that counts here.
    pub fn latest_snapshot(&self) -> Option<&Snapshot> {
        self.snapshots.latest()
    }

    /// True when enough was replayed since the last snapshot.
    pub fn wants_snapshot(&self, now: Instant) -> bool {
        self.snapshots.due_at(self.replay_at).is_some_and(|at| at <= now)
    }

    /// Makes a snapshot of what was handed out for replay so far: the records' values that give the same.
    pub fn write_snapshot(&mut self, now: Instant, values: Vec<Bytes>, fx: &mut Effects) {
        let end = self.replay_at;
        let id = SnapshotId { epoch: self.epoch_before(end), end };
        let voters = self.voter_sets.at(end).map(<[Voter]>::to_vec);
        let snapshot = Snapshot::new(id, now.as_timestamp(), voters, values);
        // Who is less behind than that gets records.
        let start = self.snapshots.latest().map_or(SnapshotId::default(), |before| before.id);
        self.snapshots.bytes_since = 0;
        self.begin_writing(snapshot, start, false, fx);
        if mutated(Mutation::TrimBeforeSnapshot) {
            self.log.trim_before(end);
            self.submit_log_io(fx);
        }
    }

    /// A whole snapshot has come from the leader.
    pub(super) fn install_snapshot(&mut self, snapshot: Snapshot, fx: &mut Effects) {
        let start = snapshot.id;
        self.begin_writing(snapshot, start, true, fx);
    }

    fn begin_writing(&mut self, snapshot: Snapshot, start: SnapshotId, fetched: bool, fx: &mut Effects) {
        let base = self.snapshots.next_base;
        // What another left half-written; it also ends the storage's refusal after a failure.
        let cut = IoOp::Truncate { log: LogId::SNAPSHOTS, to: base, keep: None, rows: Vec::new() };
        let io = self.snapshots.submit(cut, fx);
        self.snapshots.writing =
            Some(Writing { snapshot, base, start, written: 0, counts: false, io, fetched });
    }

    /// Takes the end of an operation on the snapshots' storage.
    pub(super) fn snapshot_io(&mut self, now: Instant, io: IoId, result: &IoResult, fx: &mut Effects) {
        // A deletion of what does not count any more can fail: the next one has another chance.
        let Some(mut writing) = self.snapshots.writing.take_if(|writing| writing.io == io) else { return };
        if let IoResult::Failed(error) = result {
            fx.event(ClusterEvent::StorageFailed { reason: error.to_string() });
            self.snapshots.retry_at = Some(now + STORAGE_RETRY);
            if !writing.fetched {
                self.snapshots.bytes_since = self.snapshots.bytes_max;
            } else if let Role::Follower(following) = &mut self.role {
                following.fetch_at = Some(now + STORAGE_RETRY);
            }
            return;
        }
        let size = writing.snapshot.bytes.len();
        if writing.counts {
            return self.snapshot_written(now, writing, fx);
        }
        writing.counts = writing.written == size;
        let mut chunks = Vec::new();
        let slice_end = size.min(writing.written + APPEND_BYTES_MAX);
        while writing.written < slice_end {
            let to = slice_end.min(writing.written + CHUNK_BYTES_MAX);
            let bytes = writing.snapshot.bytes.slice(writing.written..to);
            chunks.push(Chunk { base: writing.base.plus(writing.written as i64), bytes });
            writing.written = to;
        }
        let row = writing.counts.then(|| SegmentRow {
            base: writing.base,
            bytes: row(writing.snapshot.id, size as i64, writing.start),
        });
        let rows = row.into_iter().collect();
        let append = IoOp::Append { log: LogId::SNAPSHOTS, chunks, rows, flush: writing.counts };
        writing.io = self.snapshots.submit(append, fx);
        self.snapshots.writing = Some(writing);
    }

    /// A snapshot is durable, and counts: the log may lose what it has in its place.
    fn snapshot_written(&mut self, now: Instant, writing: Writing, fx: &mut Effects) {
        let Writing { snapshot, base, start, fetched, .. } = writing;
        let (id, size) = (snapshot.id, snapshot.bytes.len());
        self.snapshots.next_base = base.plus(size as i64);
        self.snapshots.start = Some(start).filter(|start| start.end > Offset::ZERO);
        self.snapshots.made_at = now;
        self.snapshots.retry_at = None;
        self.snapshots.kept.push_back(snapshot);
        if self.snapshots.kept.len() > 2 {
            self.snapshots.kept.pop_front();
        }
        self.snapshots.submit(IoOp::DeleteBefore { log: LogId::SNAPSHOTS, before: base }, fx);
        fx.event(ClusterEvent::MetadataSnapshot {
            end: id.end,
            epoch: id.epoch,
            bytes: size as u64,
            fetched,
        });
        self.log_begins_at_snapshot(now);
        self.submit_log_io(fx);
        self.fetch(now, fx);
    }

    /// Brings the log in line with the snapshot that counts: begins anew behind it when it does not reach that far, else
    /// loses its beginning.
    pub(super) fn log_begins_at_snapshot(&mut self, now: Instant) {
        let Some(snapshot) = self.snapshots.latest() else { return };
        let id = snapshot.id;
        let end = self.log.log_end_offset();
        let behind = end < id.end || self.epoch_before(end) < id.epoch;
        self.high_watermark = self.high_watermark.max(id.end);
        if behind {
            let voters = snapshot.voters.clone();
            self.log.truncate_fully_and_start_at(id.end);
            self.snapshots.start = Some(id);
            self.voter_sets.begin_at(id.end, voters);
            self.voters_changed(now);
            self.snapshots.unread = self.replay_at < id.end;
        }
        self.trim_log();
    }

    /// Deletes the log's beginning; tried again later while the log is busy.
    pub(super) fn trim_log(&mut self) {
        if let Some(start) = self.snapshots.start
            && self.log.log_start_offset() < start.end
        {
            self.log.trim_before(start.end);
            self.voter_sets.trim(start.end);
        }
    }

    /// The epoch of the record before `end`.
    pub(super) fn epoch_before(&self, end: Offset) -> LeaderEpoch {
        if end == Offset::ZERO {
            return LeaderEpoch::default();
        }
        let in_log = self.log.epoch_at(end.plus(-1));
        in_log.or(self.snapshots.start.map(|start| start.epoch)).unwrap_or_default()
    }
}

/// Up to where the snapshot of a stored row stands for the log.
pub fn snapshot_end(row: &[u8]) -> Option<Offset> {
    read_row(row).ok().map(|(id, ..)| id.end)
}

fn row(id: SnapshotId, size: i64, start: SnapshotId) -> Bytes {
    let mut w = Writer::default();
    w.i16(0);
    w.i64(id.end.0);
    w.i32(id.epoch.0);
    w.i64(size);
    w.i64(start.end.0);
    w.i32(start.epoch.0);
    Bytes::from(w.finish())
}

fn read_row(bytes: &[u8]) -> Result<(SnapshotId, i64, SnapshotId), Malformed> {
    let mut r = Reader::new(bytes);
    if r.i16()? != 0 {
        return Err(Malformed);
    }
    let id = |r: &mut Reader<'_>| -> Result<SnapshotId, Malformed> {
        let end = Offset(r.i64()?);
        Ok(SnapshotId { end, epoch: LeaderEpoch(r.i32()?) })
    };
    let first = id(&mut r)?;
    let size = r.i64()?;
    Ok((first, size, id(&mut r)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_as_it_was_made_and_refused_when_it_is_not_whole() {
        let id = SnapshotId { epoch: LeaderEpoch(2), end: Offset(9) };
        let voters = Some(vec![Voter { id: 1.into(), directory: Default::default(), endpoint: None }]);
        let values: Vec<Bytes> = (0..20).map(|n| Bytes::from(vec![n; 10_000])).collect();
        let snapshot = Snapshot::new(id, 5, voters.clone(), values);
        let read = Snapshot::read(id, snapshot.bytes.clone()).unwrap();
        assert_eq!((read.id, read.voters), (id, voters));
        let size = snapshot.bytes.len();
        assert!(size > 200_000);
        for cut in [0, 1, 100, size / 2, size - 1] {
            assert!(Snapshot::read(id, snapshot.bytes.slice(..cut)).is_none(), "{cut}");
        }
        let mut twice = snapshot.bytes.to_vec();
        twice.extend_from_slice(&snapshot.bytes);
        assert!(Snapshot::read(id, twice.into()).is_none());
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let (id, start) = (SnapshotId { epoch: 3.into(), end: 70.into() }, SnapshotId::default());
        assert_eq!(read_row(&row(id, 12, start)), Ok((id, 12, start)));
        assert_eq!(row(id, 12, start).len(), 34);
        assert!(read_row(&row(id, 12, start)[..33]).is_err());
    }
}
