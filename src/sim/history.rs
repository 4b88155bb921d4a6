//! What was committed in a run, by each log: every batch that any replica's high watermark has passed, once, in order.
//! Invariants compare replicas, clients and coordinators with it.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::protocol::batch::{BatchHeader, batches};
use crate::protocol::records::{Record, decode_records};
use crate::types::{LeaderEpoch, LogId, Offset, TopicPartition};

/// One batch, as far as replicas can differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMark {
    /// Its first offset.
    pub base: Offset,
    /// The offset after its last.
    pub next: Offset,
    /// The leader epoch it was written in.
    pub epoch: LeaderEpoch,
    /// The checksum of all its other content.
    pub crc: u32,
}

impl From<&BatchHeader> for BatchMark {
    fn from(header: &BatchHeader) -> Self {
        BatchMark {
            base: header.base_offset,
            next: header.next_offset(),
            epoch: header.partition_leader_epoch,
            crc: header.crc,
        }
    }
}

/// One log's committed batches.
#[derive(Debug, Default)]
pub struct Committed {
    /// The partition; none for the metadata log.
    pub tp: Option<TopicPartition>,
    batches: BTreeMap<Offset, BatchMark>,
    /// Where the part ends that was committed in each epoch.
    ends: BTreeMap<LeaderEpoch, Offset>,
    /// Records, of partitions only.
    records: BTreeMap<Offset, Record>,
    end: Offset,
}

impl Committed {
    /// Everything below it is committed.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// Everything below it was committed in an epoch before `epoch`. (What was written in such an epoch may be committed
    /// much later.)
    pub fn end_before(&self, epoch: LeaderEpoch) -> Offset {
        self.ends.range(..epoch).next_back().map_or(Offset::ZERO, |(_, end)| *end)
    }

    /// The batch that begins at `base`.
    pub fn batch(&self, base: Offset) -> Option<&BatchMark> {
        self.batches.get(&base)
    }

    /// The record at `offset`.
    pub fn record(&self, offset: Offset) -> Option<&Record> {
        self.records.get(&offset)
    }

    /// All records, in order.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }
}

/// All logs of a run, those of deleted topics included.
#[derive(Debug, Default)]
pub struct History {
    logs: BTreeMap<LogId, Committed>,
    names: BTreeMap<TopicPartition, LogId>,
}

impl History {
    /// A log's committed part.
    pub fn log(&self, log: LogId) -> Option<&Committed> {
        self.logs.get(&log)
    }

    /// The committed part of the latest partition of this name.
    pub fn named(&self, tp: &TopicPartition) -> Option<&Committed> {
        self.logs.get(self.names.get(tp)?)
    }

    /// All partitions with something committed.
    pub fn partitions(&self) -> impl Iterator<Item = &Committed> {
        self.logs.values().filter(|log| log.tp.is_some())
    }

    /// Takes in what is committed beyond what is known, in `epoch`: whole batches from the known end on. Gives the new
    /// records.
    pub fn extend(
        &mut self,
        log: LogId,
        tp: Option<&TopicPartition>,
        bytes: &Bytes,
        high_watermark: Offset,
        epoch: LeaderEpoch,
    ) -> Vec<Record> {
        if let Some(tp) = tp {
            self.names.insert(tp.clone(), log);
        }
        let known = self.logs.entry(log).or_default();
        known.tp = tp.cloned();
        let mut new = Vec::new();
        for (header, range) in batches(bytes).map_while(Result::ok) {
            if header.base_offset < known.end {
                continue;
            }
            if header.next_offset() > high_watermark {
                break;
            }
            known.batches.insert(header.base_offset, BatchMark::from(&header));
            known.end = header.next_offset();
            known.ends.insert(epoch, known.end);
            if tp.is_some() && !header.is_control() {
                // What can't be read is found by the invariant that compares replicas.
                new.extend(decode_records(&bytes.slice(range)).unwrap_or_default());
            }
        }
        known.records.extend(new.iter().map(|record| (record.offset, record.clone())));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::batch;
    use crate::protocol::records::{BatchBuilder, BatchOptions};

    #[test]
    fn a_batch_counts_for_the_epoch_that_committed_it_not_for_the_one_that_wrote_it() {
        // Seed 359: a leader of epoch 0 was out of sync before its last batch was committed, and committed it when it led
        // again in epoch 2. Whoever had led in epoch 1 never owed it.
        let written = |base: i64| {
            let mut builder = BatchBuilder::new(BatchOptions::default());
            builder.push(0, None, Some(b"x"), &[]);
            let mut batch = builder.build().to_vec();
            batch::set_base_offset(&mut batch, Offset(base));
            batch::set_leader_epoch(&mut batch, LeaderEpoch(0));
            Bytes::from(batch)
        };
        let mut history = History::default();
        history.extend(LogId::METADATA, None, &written(0), Offset(1), LeaderEpoch(0));
        history.extend(LogId::METADATA, None, &written(1), Offset(2), LeaderEpoch(2));
        let log = history.log(LogId::METADATA).expect("something is committed");
        let ends = [0, 1, 2, 3].map(|epoch| log.end_before(LeaderEpoch(epoch)).0);
        assert_eq!(ends, [0, 1, 1, 2]);
    }
}
