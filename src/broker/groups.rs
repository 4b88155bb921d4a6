//! The group coordinator inside its broker: partitions of `__consumer_offsets` that this broker leads are loaded into
//! it, and what it decides is appended to them.

use std::collections::VecDeque;

use crate::coordinator::GroupCoordinator;
use crate::effects::Effects;
use crate::protocol::ErrorCode;
use crate::protocol::batch::batches;
use crate::replica::{LocalRead, LocalReadId, RoleChange};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant, earliest};
use crate::types::{LeaderEpoch, OFFSETS_TOPIC, Offset, PartitionIndex, TopicPartition};

use super::Broker;

/// One read while loading.
const LOAD_BYTES: usize = 1024 * 1024;
/// Before a read that storage refused is made again.
const RETRY: Duration = Duration::from_millis(200);

/// The coordinator, and what is on its way to it.
pub struct Groups {
    pub(super) coordinator: GroupCoordinator,
    loads: SortedMap<PartitionIndex, Load>,
}

/// A partition being read from its start.
struct Load {
    epoch: LeaderEpoch,
    next: Offset,
    pending: Option<LocalReadId>,
    retry_at: Option<Instant>,
}

impl Groups {
    pub(super) fn new(coordinator: GroupCoordinator) -> Self {
        Self { coordinator, loads: SortedMap::new() }
    }

    pub(super) fn tick(&mut self, now: Instant, fx: &mut Effects) {
        self.coordinator.tick(now, fx);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let retry = self.loads.values().filter_map(|load| load.retry_at).min();
        earliest(self.coordinator.next_deadline(), retry)
    }
}

impl Broker {
    /// Role changes and reads go to the coordinator, its writes to the log, and what is committed back to it.
    pub(super) fn drive_groups(&mut self, now: Instant) {
        for change in self.replicas.take_role_changes() {
            match change {
                RoleChange::BecameLeader { tp, epoch } if tp.topic.as_str() == OFFSETS_TOPIC => {
                    self.begin_loading(now, &tp, epoch);
                }
                RoleChange::CutBack { tp, epoch, end } if tp.topic.as_str() == OFFSETS_TOPIC => {
                    self.offsets_lost(now, &tp, epoch, end);
                }
                RoleChange::Resigned { tp, .. } if tp.topic.as_str() == OFFSETS_TOPIC => {
                    self.groups.loads.remove(&tp.partition);
                    self.groups.coordinator.on_resigned(now, tp.partition, &mut self.fx);
                }
                RoleChange::BecameLeader { .. }
                | RoleChange::Resigned { .. }
                | RoleChange::CutBack { .. } => {}
            }
        }
        for (id, found) in self.replicas.take_local_reads() {
            self.local_read_done(now, id, found);
        }
        self.retry_loads(now);
        for (tp, high_watermark) in self.replicas.take_progress() {
            if tp.topic.as_str() == OFFSETS_TOPIC {
                self.groups.coordinator.committed(now, tp.partition, high_watermark, &mut self.fx);
            }
        }
        self.append_group_writes(now);
    }

    fn begin_loading(&mut self, now: Instant, tp: &TopicPartition, epoch: LeaderEpoch) {
        self.groups.coordinator.on_leader(now, tp.partition, epoch, &mut self.fx);
        let next = self.replicas.status(tp).map_or(Offset::ZERO, |status| status.log_start);
        let load = Load { epoch, next, pending: None, retry_at: None };
        self.groups.loads.insert(tp.partition, load);
        self.go_on_loading(now, tp.partition);
    }

    /// Storage has lost what was appended at and after `from`. What was decided since is undone and answered now; what was
    /// only loaded can't be told apart, and is loaded again.
    fn offsets_lost(&mut self, now: Instant, tp: &TopicPartition, epoch: LeaderEpoch, from: Offset) {
        let coordinator = &mut self.groups.coordinator;
        if coordinator.is_active(tp.partition) {
            let error = ErrorCode::KafkaStorageError;
            return coordinator.lost(now, tp.partition, from, error, &mut self.fx);
        }
        coordinator.on_resigned(now, tp.partition, &mut self.fx);
        self.begin_loading(now, tp, epoch);
    }

    fn append_group_writes(&mut self, now: Instant) {
        loop {
            let mut writes = VecDeque::from(self.groups.coordinator.take_writes());
            if writes.is_empty() {
                return;
            }
            while let Some(write) = writes.pop_front() {
                let tp = TopicPartition::new(OFFSETS_TOPIC, write.partition.0);
                let leads = self
                    .replicas
                    .status(&tp)
                    .is_some_and(|status| status.role == "leader" && status.leader_epoch == write.epoch);
                let result = match leads {
                    true => self.replicas.append_as_leader(now, &tp, write.batch(), true, &mut self.fx),
                    false => Err(ErrorCode::NotLeaderOrFollower),
                };
                self.groups.coordinator.appended(now, write.id, result, &mut self.fx);
            }
        }
    }

    fn go_on_loading(&mut self, now: Instant, partition: PartitionIndex) {
        let tp = TopicPartition::new(OFFSETS_TOPIC, partition.0);
        loop {
            let Some(load) = self.groups.loads.get_mut(&partition) else { return };
            match self.replicas.read_local(&tp, load.next, LOAD_BYTES, &mut self.fx) {
                Ok(LocalRead::Pending(id)) => {
                    load.pending = Some(id);
                    return;
                }
                Ok(LocalRead::Batches(bytes)) => {
                    let last = batches(&bytes).filter_map(Result::ok).last();
                    let epoch = load.epoch;
                    let Some((header, _)) = last else {
                        self.groups.loads.remove(&partition);
                        let high_watermark =
                            self.replicas.status(&tp).map_or(Offset::ZERO, |status| status.high_watermark);
                        self.groups.coordinator.loaded(now, partition, epoch, high_watermark, &mut self.fx);
                        return;
                    };
                    load.next = header.next_offset();
                    self.groups.coordinator.load(partition, epoch, &bytes);
                }
                Err(_) => {
                    load.retry_at = Some(now + RETRY);
                    return;
                }
            }
        }
    }

    fn local_read_done(&mut self, now: Instant, id: LocalReadId, found: Result<bytes::Bytes, ErrorCode>) {
        let loads = &mut self.groups.loads;
        let Some((&partition, load)) = loads.iter_mut().find(|(_, load)| load.pending == Some(id)) else {
            return;
        };
        load.pending = None;
        match found {
            Ok(bytes) => {
                if let Some((header, _)) = batches(&bytes).filter_map(Result::ok).last() {
                    load.next = header.next_offset();
                }
                let epoch = load.epoch;
                self.groups.coordinator.load(partition, epoch, &bytes);
                self.go_on_loading(now, partition);
            }
            Err(_) => load.retry_at = Some(now + RETRY),
        }
    }

    fn retry_loads(&mut self, now: Instant) {
        let due: Vec<PartitionIndex> = self
            .groups
            .loads
            .iter_mut()
            .filter_map(|(partition, load)| load.retry_at.take_if(|at| *at <= now).map(|_| *partition))
            .collect();
        for partition in due {
            self.go_on_loading(now, partition);
        }
    }
}
