//! A partition's state in the metadata, and what a change says of it.

use crate::types::{BrokerId, LeaderEpoch, PartitionEpoch};

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionState {
    /// Replicas, preferred leader first. During a reassignment those it is to have, then those that go.
    pub replicas: Vec<BrokerId>,
    /// Replicas that go when the reassignment is complete.
    pub removing: Vec<BrokerId>,
    /// Replicas that the reassignment brings.
    pub adding: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// Replicas that left the ISR when it fell below `min.insync.replicas`: each has all that is committed, because
    /// nothing is committed since, and may lead when the ISR is empty (KIP-966).
    pub elr: Vec<BrokerId>,
    /// Who led last, while ISR and `elr` leave nobody to lead (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
    /// The leader; none while no in-sync replica is alive.
    pub leader: Option<BrokerId>,
    /// Raised by each election.
    pub leader_epoch: LeaderEpoch,
    /// Raised by each change.
    pub partition_epoch: PartitionEpoch,
}

/// What changes of a partition; none where nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartitionChange {
    /// The new ISR.
    pub isr: Option<Vec<BrokerId>>,
    /// The leader elected (or that there is none). It raises the leader epoch, also when it is the same.
    pub leader: Option<Option<BrokerId>>,
    /// The new replicas.
    pub replicas: Option<Vec<BrokerId>>,
    /// The new replicas on their way out.
    pub removing: Option<Vec<BrokerId>>,
    /// The new replicas on their way in.
    pub adding: Option<Vec<BrokerId>>,
    /// The new eligible leader replicas.
    pub elr: Option<Vec<BrokerId>>,
    /// The new last known ones.
    pub last_known_elr: Option<Vec<BrokerId>>,
}

impl PartitionState {
    /// True while replicas are on their way in or out (KIP-455).
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// Takes in a change.
    pub fn apply(&mut self, change: &PartitionChange) {
        let lists = [
            (&mut self.replicas, &change.replicas),
            (&mut self.removing, &change.removing),
            (&mut self.adding, &change.adding),
            (&mut self.isr, &change.isr),
            (&mut self.elr, &change.elr),
            (&mut self.last_known_elr, &change.last_known_elr),
        ];
        for (list, changed) in lists {
            if let Some(changed) = changed {
                list.clone_from(changed);
            }
        }
        if let Some(leader) = change.leader {
            self.leader = leader;
            self.leader_epoch = self.leader_epoch.next();
        }
        self.partition_epoch = PartitionEpoch(self.partition_epoch.0 + 1);
    }
}

impl PartitionChange {
    /// True when nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == PartitionChange::default()
    }
}
