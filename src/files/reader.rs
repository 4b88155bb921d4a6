//! Reads a topic's files, one at a time and in any order, and believes none: a set that is cut, mixed up or foreign is
//! refused as a whole, with the file and the byte.

use bytes::Bytes;

use crate::protocol::batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};
use crate::protocol::records::check_records;
use crate::sorted::SortedMap;
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicName};

use super::checkpoint::{self, EpochStart};
use super::fault::{Fault, FileError};
use super::index::{OffsetEntry, TimeEntry, parse_offsets, parse_times};
use super::path::{FileKind, FilePath};
use super::producible::{is_producible, rewrite};

/// What the files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    /// The topic they were written of.
    pub topic: TopicName,
    /// By number, from 0 without gaps.
    pub partitions: Vec<PartitionFacts>,
    /// The largest batch, in bytes.
    pub batch_bytes_max: usize,
}

/// What a partition's files hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionFacts {
    /// The paths of its .log files as they were given, in order.
    pub logs: Vec<String>,
    /// The offset in the name of the first of them.
    pub start: Offset,
    /// Records in them.
    pub records: u64,
    /// The offset after the last record; none without one.
    pub end: Option<Offset>,
}

/// Takes the files of a topic; keeps what it has to compare, not their bytes.
#[derive(Debug, Default)]
pub struct TopicReader {
    topic: Option<TopicName>,
    partitions: SortedMap<PartitionIndex, Files>,
    batch_bytes_max: usize,
}

/// Files of a partition by the offset of their name, each with its path as it was given.
#[derive(Debug, Default)]
struct Files {
    first_path: String,
    logs: SortedMap<Offset, (String, Vec<BatchPlace>)>,
    offset_indexes: SortedMap<Offset, (String, Vec<OffsetEntry>)>,
    time_indexes: SortedMap<Offset, (String, Vec<TimeEntry>)>,
    epochs: Option<(String, Vec<EpochStart>)>,
}

#[derive(Debug, Clone, Copy)]
struct BatchPlace {
    at: usize,
    base: Offset,
    last: Offset,
    epoch: LeaderEpoch,
    max_timestamp: i64,
    records: u32,
}

impl TopicReader {
    /// Takes one file. An error ends it all.
    pub fn read(&mut self, path: &str, bytes: &Bytes) -> Result<(), FileError> {
        let wrong = |(at, fault)| FileError::new(path, at, fault);
        let name = FilePath::parse(path).map_err(|fault| wrong((0, fault)))?;
        let topic = self.topic.get_or_insert_with(|| name.topic.clone());
        if *topic != name.topic {
            return Err(wrong((0, Fault::OtherTopic(topic.clone()))));
        }
        let files = self.partitions.entry(name.partition).or_default();
        if files.first_path.is_empty() {
            files.first_path = path.to_owned();
        }
        let given = path.to_owned();
        let twice = match name.kind {
            FileKind::Log(base) => {
                let batches = read_log(base, bytes).map_err(wrong)?;
                let sizes = batches.iter().map(|batch| batch.at).skip(1).chain([bytes.len()]);
                let largest = batches.iter().zip(sizes).map(|(batch, end)| end - batch.at).max();
                self.batch_bytes_max = self.batch_bytes_max.max(largest.unwrap_or(0));
                files.logs.insert(base, (given, batches)).is_some()
            }
            FileKind::OffsetIndex(base) => {
                let entries = parse_offsets(base, bytes).map_err(wrong)?;
                files.offset_indexes.insert(base, (given, entries)).is_some()
            }
            FileKind::TimeIndex(base) => {
                let entries = parse_times(base, bytes).map_err(wrong)?;
                files.time_indexes.insert(base, (given, entries)).is_some()
            }
            FileKind::LeaderEpochs => {
                let epochs = checkpoint::parse(bytes).map_err(wrong)?;
                files.epochs.replace((given, epochs)).is_some()
            }
            FileKind::PassedOver => false,
        };
        if twice { Err(wrong((0, Fault::Twice))) } else { Ok(()) }
    }

    /// All files are there: do they fit each other?
    pub fn finish(self) -> Result<TopicFacts, FileError> {
        let mut partitions = Vec::new();
        for (number, files) in &self.partitions {
            let expected = PartitionIndex(partitions.len() as i32);
            if *number != expected {
                return Err(FileError::new(&files.first_path, 0, Fault::PartitionMissing(expected)));
            }
            if files.logs.is_empty() && files.offset_indexes.is_empty() && files.time_indexes.is_empty() {
                return Err(FileError::new(&files.first_path, 0, Fault::NoLog));
            }
            partitions.push(files.check()?);
        }
        let topic = self.topic.ok_or_else(|| FileError::new("(no file)", 0, Fault::NoLog))?;
        Ok(TopicFacts { topic, partitions, batch_bytes_max: self.batch_bytes_max })
    }
}

/// Places of the batches of a log file, each checked down to its records.
fn read_log(base: Offset, bytes: &Bytes) -> Result<Vec<BatchPlace>, (usize, Fault)> {
    let mut places: Vec<BatchPlace> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = bytes.slice(at..);
        let left = rest.len();
        let header = BatchHeader::parse(&rest).map_err(|error| match error {
            BatchError::CutShort if left < BATCH_HEADER_BYTES => {
                (at, Fault::BatchCut { claimed: BATCH_HEADER_BYTES as u64, left: left as u64 })
            }
            error => (at, Fault::Batch(error)),
        })?;
        let size = header.size_in_bytes();
        if size > left {
            return Err((at, Fault::BatchCut { claimed: size as u64, left: left as u64 }));
        }
        if header.is_control() || header.is_transactional() {
            return Err((at, Fault::Transactional));
        }
        let batch = rest.slice(..size);
        let checked =
            if is_producible(&header) { check_records(&batch).map(drop) } else { rewrite(&batch).map(drop) };
        checked.map_err(|error| (at, Fault::Batch(error)))?;
        let expected = places.last().map_or(base, |before| before.last.plus(1));
        // An end beyond the last offset there is would not come after anything.
        let out_of_order = header.base_offset < expected || header.last_offset().0 == i64::MAX;
        if out_of_order || header.last_offset().0 - base.0 > i64::from(i32::MAX) {
            return Err((at, Fault::OffsetNotAscending { base: header.base_offset, expected }));
        }
        if let Some(before) = places.last().filter(|before| before.epoch > header.partition_leader_epoch) {
            return Err((at, Fault::EpochWentBack(before.epoch)));
        }
        places.push(BatchPlace {
            at,
            base: header.base_offset,
            last: header.last_offset(),
            epoch: header.partition_leader_epoch,
            max_timestamp: header.max_timestamp,
            records: header.record_count.unsigned_abs(),
        });
        at += size;
    }
    Ok(places)
}

impl Files {
    fn check(&self) -> Result<PartitionFacts, FileError> {
        let start = self.logs.keys().next().copied().unwrap_or_default();
        let mut facts = PartitionFacts { logs: Vec::new(), start, records: 0, end: None };
        let mut before: Option<BatchPlace> = None;
        for (path, batches) in self.logs.values() {
            for batch in batches {
                self.check_batch(path, before, batch)?;
                before = Some(*batch);
                facts.records += u64::from(batch.records);
                facts.end = Some(batch.last.plus(1));
            }
            facts.logs.push(path.clone());
        }
        for (base, (path, entries)) in &self.offset_indexes {
            check_entries(path, entries, 8, self.logs.get(base), |entry, batches| {
                let found = batches.binary_search_by_key(&(entry.position as usize), |batch| batch.at);
                let batch = found.ok().and_then(|index| batches.get(index));
                // An older Kafka gives the last offset of several batches that were appended at once.
                let end = batches.last().map(|batch| batch.last);
                batch.is_some_and(|batch| batch.base <= entry.offset) && end >= Some(entry.offset)
            })?;
        }
        for (base, (path, entries)) in &self.time_indexes {
            check_entries(path, entries, 12, self.logs.get(base), |entry, batches| {
                let index = batches.partition_point(|batch| batch.last < entry.offset);
                let batch = batches.get(index).filter(|batch| batch.base <= entry.offset);
                batch.is_some_and(|batch| batch.max_timestamp == entry.timestamp)
            })?;
        }
        Ok(facts)
    }

    fn check_batch(
        &self,
        path: &str,
        before: Option<BatchPlace>,
        batch: &BatchPlace,
    ) -> Result<(), FileError> {
        let wrong = |fault| Err(FileError::new(path, batch.at, fault));
        if let Some(before) = before {
            let expected = before.last.plus(1);
            if batch.base < expected {
                return wrong(Fault::OffsetNotAscending { base: batch.base, expected });
            }
            if batch.epoch < before.epoch {
                return wrong(Fault::EpochWentBack(before.epoch));
            }
        }
        // What is below the first known epoch was deleted, and its epoch with it.
        let noted = self.epochs.iter().flat_map(|(_, epochs)| epochs);
        match noted.take_while(|epoch| epoch.start <= batch.base).last() {
            Some(noted) if batch.epoch >= LeaderEpoch(0) && noted.epoch != batch.epoch => {
                wrong(Fault::EpochDiffers { batch: batch.epoch, checkpoint: noted.epoch })
            }
            _ => Ok(()),
        }
    }
}

fn check_entries<E>(
    path: &str,
    entries: &[E],
    entry_bytes: usize,
    log: Option<&(String, Vec<BatchPlace>)>,
    fits: impl Fn(&E, &[BatchPlace]) -> bool,
) -> Result<(), FileError> {
    let Some((_, batches)) = log else { return Err(FileError::new(path, 0, Fault::IndexWithoutLog)) };
    match entries.iter().position(|entry| !fits(entry, batches)) {
        Some(index) => Err(FileError::new(path, index * entry_bytes, Fault::EntryDiffersFromLog)),
        None => Ok(()),
    }
}
