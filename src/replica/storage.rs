//! Logs and their storage: operations go out and come back in order, failures are told and tried again, high watermarks are
//! written down.

use crate::effects::Effects;
use crate::event::ClusterEvent;
use crate::log::io::{IoOp, IoResult};
use crate::log::{IoOutcome, PartitionLog, RecoveryReport};
use crate::time::{Duration, Instant};
use crate::types::{LogId, Offset};

use super::checkpoint::{self, HIGH_WATERMARK_CHECKPOINT_KEY};
use super::directory::is_internal;
use super::manager::{Chore, IoFor, ReplicaManager};
use super::spec::RoleChange;

/// Between two writes of the high watermark checkpoint (Kafka's `replica.high.watermark.checkpoint.interval.ms`).
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);
/// Between two attempts to bring a failed storage back.
const STORAGE_RETRY: Duration = Duration::from_secs(1);

/// A log that storage held and no topic has claimed yet.
#[derive(Debug)]
pub(super) struct Unclaimed {
    pub(super) log: PartitionLog,
    pub(super) incarnation: u64,
    /// What was wrong with it: told when its name is known.
    pub(super) reports: Vec<RecoveryReport>,
}

impl ReplicaManager {
    // --- storage ---

    /// Submits what a partition's log has queued.
    pub(super) fn submit_log_io(&mut self, log: LogId, fx: &mut Effects) {
        let Some(partition) = self.partitions.get_mut(&log) else { return };
        for op in partition.log.take_io() {
            let incarnation = partition.incarnation;
            self.ios.insert(fx.submit(op), IoFor::Log { log, incarnation });
        }
    }

    pub(super) fn log_io_done(
        &mut self,
        now: Instant,
        log: LogId,
        incarnation: u64,
        result: &IoResult,
        fx: &mut Effects,
    ) {
        if let Some(stray) = self.unclaimed.get_mut(&log).filter(|stray| stray.incarnation == incarnation) {
            let outcome = stray.log.io_done(result);
            for op in stray.log.take_io() {
                self.ios.insert(fx.submit(op), IoFor::Log { log, incarnation });
            }
            if let IoOutcome::Failed { error, .. } = outcome {
                fx.event(ClusterEvent::StorageFailed { reason: error.to_string() });
                self.chores.set(Chore::RetryStorage, now + STORAGE_RETRY);
            }
            return;
        }
        let partition = self.partitions.get_mut(&log);
        let Some(partition) = partition.filter(|partition| partition.incarnation == incarnation) else {
            // A deleted log's.
            return;
        };
        let failed_before = partition.log.storage_failed();
        let end_before = partition.log.log_end_offset();
        let outcome = partition.log.io_done(result);
        let end = partition.log.log_end_offset();
        if end < end_before {
            partition.log_cut();
            if partition.leading().is_some() && is_internal(&partition.tp.topic) {
                let (tp, epoch) = (partition.tp.clone(), partition.leader_epoch);
                self.role_changes.push(RoleChange::CutBack { tp, epoch, end });
            }
        }
        if let IoOutcome::Failed { error, .. } = outcome {
            if !failed_before {
                fx.event(ClusterEvent::StorageFailed { reason: error.to_string() });
            }
            if self.chores.deadline(&Chore::RetryStorage).is_none() {
                self.chores.set(Chore::RetryStorage, now + STORAGE_RETRY);
            }
        }
        self.submit_log_io(log, fx);
        self.cleaning_progressed(now, log, fx);
        self.touched.insert(log);
        self.fetch_due = true;
    }

    /// A deleted log's storage is free, or will be tried again.
    pub(super) fn deletion_done(&mut self, now: Instant, log: LogId, result: &IoResult, fx: &mut Effects) {
        if let IoResult::Failed(error) = result {
            fx.event(ClusterEvent::StorageFailed { reason: error.to_string() });
            match self.partitions.get_mut(&log) {
                // A reassignment brought the replica back meanwhile: deleting the log again would take the new one. Of that
                // nothing is stored yet, as operations end in order.
                Some(partition) => {
                    partition.log.truncate_fully_and_start_at(Offset::ZERO);
                    partition.log_cut();
                    self.touched.insert(log);
                    self.submit_log_io(log, fx);
                }
                None => {
                    self.undeleted.insert(log);
                }
            }
            self.chores.set(Chore::RetryStorage, now + STORAGE_RETRY);
        }
    }

    pub(super) fn retry_storage(&mut self, now: Instant, fx: &mut Effects) {
        for log in std::mem::take(&mut self.undeleted) {
            self.submit_deletion(log, vec![IoOp::DeleteLog { log }], fx);
        }
        let mut failed = false;
        for stray in self.unclaimed.values_mut().filter(|stray| stray.log.storage_failed()) {
            failed = true;
            stray.log.retry_storage();
            for op in stray.log.take_io() {
                let io_for = IoFor::Log { log: stray.log.id(), incarnation: stray.incarnation };
                self.ios.insert(fx.submit(op), io_for);
            }
        }
        let logs: Vec<LogId> =
            self.partitions.values().filter(|p| p.log.storage_failed()).map(|p| p.id).collect();
        for log in logs {
            failed = true;
            if let Some(partition) = self.partitions.get_mut(&log) {
                partition.log.retry_storage();
            }
            self.submit_log_io(log, fx);
        }
        if failed {
            self.chores.set(Chore::RetryStorage, now + STORAGE_RETRY);
        }
    }

    pub(super) fn checkpoint_soon(&mut self, now: Instant) {
        if self.chores.deadline(&Chore::Checkpoint).is_none() {
            self.chores.set(Chore::Checkpoint, now + CHECKPOINT_INTERVAL);
        }
    }

    pub(super) fn write_checkpoint(&mut self, fx: &mut Effects) {
        self.chores.cancel(&Chore::Checkpoint);
        self.checkpoint_due = false;
        for partition in self.partitions.values() {
            self.checkpointed.insert(partition.id, partition.high_watermark);
        }
        let key = HIGH_WATERMARK_CHECKPOINT_KEY.to_owned();
        let value = checkpoint::encode(&self.checkpointed);
        self.ios.insert(fx.submit(IoOp::WriteMeta { key, value, flush: false }), IoFor::Checkpoint);
    }
}
