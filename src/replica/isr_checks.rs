//! The leader's side of ISR changes: when to ask for one, and what the controller's answer does.

use crate::effects::Effects;
use crate::time::Instant;
use crate::types::{BrokerId, LogId};

use super::isr::{IsrDecision, IsrProposal};
use super::manager::{Chore, ReplicaManager};

impl ReplicaManager {
    /// Asks for a follower to join the ISR, if it has caught up and may.
    pub(super) fn maybe_expand_isr(&mut self, log: LogId, follower: BrokerId) {
        let Some(partition) = self.partitions.get(&log) else { return };
        let Some(isr) = partition.expanded_isr(follower) else { return };
        let epoch = partition.leading().and_then(|leader| leader.follower(follower)?.broker_epoch);
        if self.is_eligible(follower, epoch) {
            self.propose_isr(log, isr);
        }
    }

    /// The same for whichever follower keeps up, without waiting for its next fetch.
    pub(super) fn maybe_expand_isr_by_any(&mut self, now: Instant, log: LogId) {
        let Some(partition) = self.partitions.get(&log) else { return };
        let Some(leader) = partition.leading() else { return };
        let (end, lag_max) = (partition.log.log_end_offset(), self.config.replica_lag_time_max());
        let ready: Vec<BrokerId> = leader
            .followers()
            .filter(|(_, follower)| {
                follower.is_caught_up(now, end, lag_max) && !follower.is_silent(now, lag_max)
            })
            .map(|(id, _)| id)
            .collect();
        for follower in ready {
            self.maybe_expand_isr(log, follower);
        }
    }

    /// Asks for followers that lag to leave their ISRs; and lets others lead where a failed write has left this leader
    /// waiting for a follower that is away. `due` is when this look was to be: if that is long ago, this
    /// broker was paused, and its followers get the time to show up again.
    pub(super) fn check_isrs(&mut self, now: Instant, due: Instant) {
        let interval = self.isr_check_interval();
        self.chores.set(Chore::CheckIsrs, now + interval);
        if now.since(due) > interval {
            return;
        }
        let lag_max = self.config.replica_lag_time_max();
        let mut stuck = false;
        for log in self.led() {
            let shrunk = self.partitions.get(&log).and_then(|p| p.shrunk_isr(now, lag_max));
            if let Some(isr) = shrunk {
                self.propose_isr(log, isr);
            }
            stuck |= self.partitions.get(&log).is_some_and(|partition| {
                partition.leading().is_some_and(|leader| leader.is_stuck(now, &partition.isr, lag_max))
            });
            // A follower outside the ISR that has stopped holds the high watermark back no longer.
            self.touched.insert(log);
        }
        // Where too few others are in sync, nobody may be left to lead: better a partition that takes no records.
        self.steps_aside |= stuck && self.under_min_isr() == 0;
    }

    fn propose_isr(&mut self, log: LogId, isr: Vec<BrokerId>) {
        let (node_id, own_epoch) = (self.node_id, self.broker_epoch);
        let Some(partition) = self.partitions.get_mut(&log) else { return };
        let (leader_epoch, partition_epoch) = (partition.leader_epoch, partition.partition_epoch);
        let Some(leader) = partition.leading_mut() else { return };
        let epoch_of = |id: BrokerId| {
            if id == node_id { own_epoch } else { leader.follower(id).and_then(|f| f.broker_epoch) }
        };
        let members = isr.iter().map(|id| (*id, epoch_of(*id))).collect();
        leader.pending_isr = Some(isr);
        self.isr_changes.propose(log, IsrProposal { leader_epoch, partition_epoch, isr: members });
        self.touched.insert(log);
    }

    pub(super) fn send_isr_changes(&mut self, now: Instant, fx: &mut Effects) {
        let timeout = self.config.request_timeout();
        let from = (self.node_id, self.broker_epoch);
        self.isr_changes.send(now, from, self.controller, timeout, fx);
    }

    /// Takes the controller's word on an ISR.
    pub(super) fn isr_decided(
        &mut self,
        now: Instant,
        log: LogId,
        proposal: &IsrProposal,
        decision: IsrDecision,
        fx: &mut Effects,
    ) {
        let Some(partition) = self.partitions.get_mut(&log) else { return };
        if partition.leader_epoch != proposal.leader_epoch
            || partition.partition_epoch != proposal.partition_epoch
        {
            return;
        }
        let (own_leader_epoch, own_partition_epoch) = (partition.leader_epoch, partition.partition_epoch);
        let Some(leader) = partition.leading_mut() else { return };
        match decision {
            IsrDecision::Committed { leader_epoch, partition_epoch, isr } => {
                if leader_epoch != own_leader_epoch || partition_epoch < own_partition_epoch {
                    return;
                }
                leader.pending_isr = None;
                fx.counts.isr_shrinks += u64::from(isr.len() < partition.isr.len());
                fx.counts.isr_expands += u64::from(isr.len() > partition.isr.len());
                partition.isr = isr;
                partition.partition_epoch = partition_epoch;
                self.touched.insert(log);
                self.maybe_expand_isr_by_any(now, log);
            }
            IsrDecision::Rejected => {
                leader.pending_isr = None;
                self.touched.insert(log);
            }
            IsrDecision::Superseded => {}
        }
    }
}
