//! Reads of this broker's own coordinators, and a look at a replica for the page and for tests.

use bytes::Bytes;

use crate::effects::Effects;
use crate::log::io::IoResult;
use crate::log::{PartitionLog, ReadOutcome};
use crate::protocol::ErrorCode;
use crate::sorted::SortedMap;
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, TopicPartition};

use super::manager::{IoFor, ReplicaManager};
use super::partition::Role;

/// Names one local read that waits for storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalReadId(pub u64);

/// What a local read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalRead {
    /// Whole batches from the offset on; empty at the log end.
    Batches(Bytes),
    /// `take_local_reads` will have it.
    Pending(LocalReadId),
}

/// A replica's state, as far as others may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// `leader`, `follower` or `offline`.
    pub role: &'static str,
    /// The leader.
    pub leader: Option<BrokerId>,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The version of the partition's state.
    pub partition_epoch: PartitionEpoch,
    /// The committed ISR.
    pub isr: Vec<BrokerId>,
    /// The first offset kept.
    pub log_start: Offset,
    /// Consumers see records below this.
    pub high_watermark: Offset,
    /// Everything below this is in storage.
    pub durable_end: Offset,
    /// The offset of the next record.
    pub log_end: Offset,
}

/// What changes when anything of a replica's state changes: cheap to ask for, and to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance {
    leads: bool,
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
    log_start: Offset,
    high_watermark: Offset,
    durable_end: Offset,
    log_end: Offset,
    truncations: u64,
}

/// Local reads on their way.
#[derive(Debug, Default)]
pub(super) struct LocalReads {
    next: u64,
    waiting: SortedMap<LocalReadId, Waiting>,
    done: Vec<(LocalReadId, Result<Bytes, ErrorCode>)>,
}

#[derive(Debug)]
struct Waiting {
    log: LogId,
    from: Offset,
    bytes_max: usize,
    truncations: u64,
}

impl ReplicaManager {
    /// Reads a partition that this broker leads, up to its log end (what is not committed included), at least one batch if
    /// there is one.
    pub fn read_local(
        &mut self,
        tp: &TopicPartition,
        from: Offset,
        bytes_max: usize,
        fx: &mut Effects,
    ) -> Result<LocalRead, ErrorCode> {
        let log = self.log_id(tp).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let partition = self.partitions.get(&log).ok_or(ErrorCode::NotLeaderOrFollower)?;
        partition.leading_in(None)?;
        match partition.log.read(from, partition.log.log_end_offset(), bytes_max, true) {
            ReadOutcome::Batches(bytes) => Ok(LocalRead::Batches(bytes)),
            ReadOutcome::OutOfRange => Err(ErrorCode::OffsetOutOfRange),
            ReadOutcome::NeedsIo(op) => {
                let waiting = Waiting { log, from, bytes_max, truncations: partition.log.truncations() };
                self.local.next += 1;
                let id = LocalReadId(self.local.next);
                self.local.waiting.insert(id, waiting);
                self.submit_read(op, IoFor::Local(id), fx);
                Ok(LocalRead::Pending(id))
            }
        }
    }

    /// Local reads that storage has answered since the last call. Read again after KAFKA_STORAGE_ERROR.
    pub fn take_local_reads(&mut self) -> Vec<(LocalReadId, Result<Bytes, ErrorCode>)> {
        std::mem::take(&mut self.local.done)
    }

    pub(super) fn local_read_done(&mut self, id: LocalReadId, result: IoResult, fx: &mut Effects) {
        let Some(read) = self.local.waiting.remove(&id) else { return };
        let partition = self.partitions.get(&read.log).filter(|partition| partition.leading().is_some());
        let found = match (partition, result) {
            (None, _) => Err(ErrorCode::NotLeaderOrFollower),
            (Some(partition), IoResult::Read(chunks)) if partition.log.truncations() == read.truncations => {
                let end = partition.log.log_end_offset();
                let found = partition.log.supply(&chunks, read.from, end, read.bytes_max, true);
                found.map_err(|damaged| self.damage_found(read.log, damaged, fx))
            }
            _ => Err(ErrorCode::KafkaStorageError),
        };
        self.local.done.push((id, found));
    }

    /// A replica on this broker.
    pub fn status(&self, tp: &TopicPartition) -> Option<ReplicaStatus> {
        let partition = self.partitions.get(&self.log_id(tp)?)?;
        Some(ReplicaStatus {
            role: match partition.role {
                Role::Leader(_) => "leader",
                Role::Follower { .. } => "follower",
                Role::Offline => "offline",
            },
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr: partition.isr.clone(),
            log_start: partition.log.log_start_offset(),
            high_watermark: partition.high_watermark,
            durable_end: partition.log.durable_end_offset(),
            log_end: partition.log.log_end_offset(),
        })
    }

    /// All replicas on this broker, as far as it takes to see which have changed.
    pub fn glances(&self) -> impl Iterator<Item = (LogId, &TopicPartition, Glance)> {
        self.partitions.values().map(|partition| {
            let glance = Glance {
                leads: partition.leading().is_some(),
                leader_epoch: partition.leader_epoch,
                partition_epoch: partition.partition_epoch,
                log_start: partition.log.log_start_offset(),
                high_watermark: partition.high_watermark,
                durable_end: partition.log.durable_end_offset(),
                log_end: partition.log.log_end_offset(),
                truncations: partition.log.truncations(),
            };
            (partition.id, &partition.tp, glance)
        })
    }

    /// A replica's log.
    pub fn log(&self, tp: &TopicPartition) -> Option<&PartitionLog> {
        Some(&self.partitions.get(&self.log_id(tp)?)?.log)
    }

    /// Names of all replicas on this broker.
    pub fn hosted(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.values().map(|partition| &partition.tp)
    }
}
