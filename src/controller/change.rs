//! From what a partition is to what it is to be: the one place where leaders, ISRs, reassignments and eligible leader
//! replicas are worked out together, into one record (as in Kafka's `PartitionChangeBuilder`).
//!
//! A leader must be acceptable (active, and not on its way out) and have all that is committed. Those that have it are the
//! ISR; or, while the ISR is empty, the ELR; or, while both are, who led last (KIP-966: it had everything when the ISR became
//! empty, but may have lost some of it since). Anybody else only where the topic allows unclean elections.

use crate::mutation::{Mutation, mutated};
use crate::types::{BrokerId, PartitionIndex, TopicId};

use super::partition::{PartitionChange, PartitionState};
use super::record::MetadataRecord;

/// Which leader is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// The one there is, else the first that may.
    Online,
    /// The first replica, if it may.
    Preferred,
    /// As `Online`; but where nobody may, the first that is acceptable.
    Unclean,
}

/// What the topic and the cluster say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// `min.insync.replicas`.
    pub(super) min_isr: usize,
    /// `unclean.leader.election.enable`.
    pub(super) unclean: bool,
    /// `eligible.leader.replicas.version` is at least 1.
    pub(super) elr: bool,
}

/// A change in the making. Its fields are what the partition is to be.
pub(super) struct Change<'a> {
    before: &'a PartitionState,
    pub(super) rules: Rules,
    acceptable: &'a dyn Fn(BrokerId) -> bool,
    election: Election,
    pub(super) replicas: Vec<BrokerId>,
    pub(super) removing: Vec<BrokerId>,
    pub(super) adding: Vec<BrokerId>,
    pub(super) isr: Vec<BrokerId>,
    /// A broker that may have lost what it had.
    pub(super) unclean_shutdown: Option<BrokerId>,
    elr: Vec<BrokerId>,
}

impl<'a> Change<'a> {
    /// No change but what has to be. `acceptable` are those that may be leader.
    pub(super) fn of(
        before: &'a PartitionState,
        rules: Rules,
        acceptable: &'a dyn Fn(BrokerId) -> bool,
    ) -> Self {
        Self {
            before,
            rules,
            acceptable,
            election: if rules.unclean { Election::Unclean } else { Election::Online },
            replicas: before.replicas.clone(),
            removing: before.removing.clone(),
            adding: before.adding.clone(),
            isr: before.isr.clone(),
            unclean_shutdown: None,
            elr: before.elr.clone(),
        }
    }

    /// Asks for another election than the topic's own.
    pub(super) fn elect(mut self, election: Election) -> Self {
        self.election = election;
        self
    }

    /// A broker is to be in the ISR no longer.
    pub(super) fn without(mut self, id: BrokerId) -> Self {
        self.isr.retain(|member| *member != id);
        self
    }

    /// The record; none when nothing changes.
    pub(super) fn record(self, topic: TopicId, partition: PartitionIndex) -> Option<MetadataRecord> {
        let change = self.build();
        (!change.is_empty()).then_some(MetadataRecord::PartitionChange { topic, partition, change })
    }

    fn build(mut self) -> PartitionChange {
        let before = self.before;
        self.complete_reassignment();
        self.keep_eligible();
        let (elected, unclean) = self.elected();
        let mut change =
            PartitionChange { leader: (elected != before.leader).then_some(elected), ..Default::default() };
        if change.leader.is_some()
            && let Some(leader) = elected
        {
            if unclean {
                self.isr = vec![leader];
                self.elr.clear();
            } else if self.isr.is_empty() {
                self.isr = vec![leader];
                self.elr.retain(|id| *id != leader);
            }
        }
        if self.meets_min_isr() {
            // Others may have fewer records from now on.
            self.elr.clear();
        }
        // A replica that is none any more must find its epoch over.
        if change.leader.is_none() && before.replicas.iter().any(|id| !self.replicas.contains(id)) {
            change.leader = Some(before.leader);
        }
        let last_known = self.last_known(elected);
        let changed = |now: Vec<BrokerId>, then: &[BrokerId]| (now != then).then_some(now);
        // Without ELR the last one stays in the ISR: it alone has everything.
        if !self.isr.is_empty() || self.rules.elr {
            change.isr = changed(self.isr, &before.isr);
        }
        change.elr = changed(self.elr, &before.elr);
        change.last_known_elr = changed(last_known, &before.last_known_elr);
        change.replicas = changed(self.replicas, &before.replicas);
        change.removing = changed(self.removing, &before.removing);
        change.adding = changed(self.adding, &before.adding);
        change
    }

    /// When all replicas that are to stay are in sync, those on their way out go (KIP-455).
    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let stays = |id: &BrokerId| !self.removing.contains(id);
        let replicas: Vec<BrokerId> = self.replicas.iter().copied().filter(stays).collect();
        let mut isr: Vec<BrokerId> = self.isr.iter().copied().filter(stays).collect();
        let whole = replicas.iter().all(|id| isr.contains(id));
        if mutated(Mutation::ReassignBeforeInSync) && isr.is_empty() {
            isr = replicas.clone();
        } else if replicas.is_empty() || !(whole || mutated(Mutation::ReassignBeforeInSync)) {
            return;
        }
        if !mutated(Mutation::RemovedReplicaStaysInIsr) {
            self.isr = isr;
        }
        self.replicas = replicas;
        self.removing.clear();
        self.adding.clear();
    }

    /// Who leaves an ISR that falls below the minimum is eligible, unless it may have lost something.
    fn keep_eligible(&mut self) {
        if !self.rules.elr || self.meets_min_isr() {
            self.elr.clear();
            return;
        }
        for id in &self.before.isr {
            if !self.elr.contains(id) {
                self.elr.push(*id);
            }
        }
        let lost = self.unclean_shutdown.filter(|_| !mutated(Mutation::EligibleAfterUncleanShutdown));
        self.elr.retain(|id| !self.isr.contains(id) && self.replicas.contains(id) && Some(*id) != lost);
    }

    fn meets_min_isr(&self) -> bool {
        self.isr.len() >= self.rules.min_isr.min(self.replicas.len())
    }

    /// The leader, and whether it may lack committed records.
    fn elected(&self) -> (Option<BrokerId>, bool) {
        let replicas = self.replicas.iter().copied();
        if self.election == Election::Preferred
            && let Some(preferred) = replicas.clone().next().filter(|id| self.may_lead(*id))
        {
            return (Some(preferred), false);
        }
        let current = self.before.leader.filter(|id| self.may_lead(*id));
        if let Some(leader) = current.or_else(|| replicas.clone().find(|id| self.may_lead(*id))) {
            return (Some(leader), false);
        }
        if let [last] = *self.before.last_known_elr
            && self.rules.elr
            && self.isr.is_empty()
            && self.elr.is_empty()
            && self.replicas.contains(&last)
            && (self.acceptable)(last)
        {
            return (Some(last), true);
        }
        let unclean = self.election == Election::Unclean || mutated(Mutation::UncleanWithoutLeave);
        match replicas.clone().find(|id| unclean && (self.acceptable)(*id)) {
            Some(leader) => (Some(leader), true),
            None => (None, false),
        }
    }

    fn may_lead(&self, id: BrokerId) -> bool {
        let has_all = self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id));
        (has_all || mutated(Mutation::ElectOutOfSync)) && (self.acceptable)(id)
    }

    /// Who led when the ISR became empty, until there is a leader again.
    fn last_known(&self, elected: Option<BrokerId>) -> Vec<BrokerId> {
        let before = self.before;
        if elected.is_some() || !self.rules.elr {
            return Vec::new();
        }
        if !self.isr.is_empty() || before.isr.is_empty() {
            return before.last_known_elr.clone();
        }
        before.leader.or(before.isr.last().copied()).into_iter().collect()
    }
}
