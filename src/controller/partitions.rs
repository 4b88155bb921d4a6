//! Partitions: leaders and in-sync replicas. Who leads is decided here alone; leaders ask for ISR changes with
//! AlterPartition (KIP-497).

use crate::config::topic_value;
use crate::mutation::{Mutation, mutated};
use crate::protocol::ErrorCode;
use crate::protocol::error::code_of;
use crate::protocol::messages::alter_partition_request::PartitionData as Asked;
use crate::protocol::messages::alter_partition_response::{PartitionData, TopicData};
use crate::protocol::messages::{self, AlterPartitionRequest, AlterPartitionResponse};
use crate::types::{BrokerEpoch, BrokerId, PartitionIndex, TopicId, TopicName};

use super::change::{Change, Rules};
use super::features::ELR_FEATURE;
use super::partition::PartitionState;
use super::record::{MetadataRecord, Resource};
use super::{Controller, Decision};

impl Controller {
    /// Takes a broker that is not active (any more) out of every ISR and leadership. With `unclean` it may have lost what it
    /// had, and is not eligible either. Without ELR the last in-sync replica stays in the ISR: it alone has all that was
    /// acknowledged. The partition then has no leader.
    pub(super) fn leave_partitions(&mut self, id: BrokerId, unclean: bool, decision: &mut Decision) {
        let concerned = |state: &PartitionState| {
            state.isr.contains(&id) || state.leader == Some(id) || (unclean && state.elr.contains(&id))
        };
        let acceptable = |other: BrokerId| other != id && self.image.is_active(other);
        let changes = self.changes(concerned, &acceptable, |change| {
            let mut change = change.without(id);
            change.unclean_shutdown = unclean.then_some(id);
            change
        });
        self.decide_all(changes, decision);
    }

    /// A broker is active again: it leads where nobody does and it may.
    pub(super) fn join_partitions(&mut self, id: BrokerId, decision: &mut Decision) {
        let concerned = |state: &PartitionState| state.leader.is_none() && state.replicas.contains(&id);
        let acceptable = |other: BrokerId| other == id || self.image.is_active(other);
        let changes = self.changes(concerned, &acceptable, |change| change);
        self.decide_all(changes, decision);
    }

    /// A topic's configs have changed: what hangs on them is looked at again.
    pub(super) fn follow_configs(&mut self, topic: &TopicName, decision: &mut Decision) {
        let Some((id, found)) = self.image.topic_named(topic) else { return };
        let rules = self.rules(topic);
        let acceptable = |other: BrokerId| self.image.is_active(other);
        let concerned =
            found.partitions.iter().filter(|(_, state)| state.leader.is_none() || !state.elr.is_empty());
        let changes = concerned
            .filter_map(|(partition, state)| Change::of(state, rules, &acceptable).record(id, *partition))
            .collect();
        self.decide_all(changes, decision);
    }

    pub(super) fn changes(
        &self,
        concerned: impl Fn(&PartitionState) -> bool,
        acceptable: &dyn Fn(BrokerId) -> bool,
        make: impl Fn(Change<'_>) -> Change<'_>,
    ) -> Vec<MetadataRecord> {
        let mut changes = Vec::new();
        for (id, topic) in self.image.topics() {
            let mut rules = None;
            for (partition, state) in topic.partitions.iter().filter(|(_, state)| concerned(state)) {
                let rules = *rules.get_or_insert_with(|| self.rules(&topic.name));
                changes.extend(make(Change::of(state, rules, acceptable)).record(id, *partition));
            }
        }
        changes
    }

    pub(super) fn decide_all(&mut self, records: Vec<MetadataRecord>, decision: &mut Decision) {
        for record in records {
            self.decide(record, decision);
        }
    }

    /// What a topic's configs say of its leaders.
    pub(super) fn rules(&self, topic: &TopicName) -> Rules {
        let resource = Resource::Topic(topic.clone());
        let value = |name: &'static str| topic_value(&self.config, name, self.image.config(&resource, name));
        Rules {
            min_isr: value("min.insync.replicas").parse().unwrap_or(1),
            unclean: value("unclean.leader.election.enable") == "true",
            elr: self.image.feature(ELR_FEATURE) > 0,
        }
    }

    /// AlterPartition 2-3: a leader asks for another ISR.
    pub fn alter_partition(&mut self, request: &AlterPartitionRequest) -> Decision {
        let mut decision = Decision::default();
        let leader = BrokerId(request.broker_id.0);
        if let Some(error) = self.broker_epoch_error(leader, BrokerEpoch(request.broker_epoch)) {
            let response = AlterPartitionResponse::default().with_error_code(error.code());
            decision.response = Some(response.into());
            return decision;
        }
        let mut topics = Vec::new();
        for topic in &request.topics {
            let id = TopicId(topic.topic_id);
            let partitions = topic
                .partitions
                .iter()
                .map(|asked| self.alter_one(leader, id, asked, &mut decision))
                .collect();
            topics.push(TopicData::default().with_topic_id(topic.topic_id).with_partitions(partitions));
        }
        decision.response = Some(AlterPartitionResponse::default().with_topics(topics).into());
        decision
    }

    fn alter_one(
        &mut self,
        leader: BrokerId,
        topic: TopicId,
        asked: &Asked,
        decision: &mut Decision,
    ) -> PartitionData {
        let partition = PartitionIndex(asked.partition_index);
        let isr: Vec<BrokerId> = match asked.new_isr_with_epochs.is_empty() {
            true => asked.new_isr.iter().map(|id| BrokerId(id.0)).collect(),
            false => asked.new_isr_with_epochs.iter().map(|state| BrokerId(state.broker_id.0)).collect(),
        };
        let mut error = self.alter_error(leader, topic, partition, asked, &isr);
        let found = self.image.topic(topic).and_then(|of| Some((of, of.partitions.get(&partition)?)));
        if error.is_none()
            && let Some((of, state)) = found
        {
            let acceptable = |id: BrokerId| self.image.is_active(id);
            let mut change = Change::of(state, self.rules(&of.name), &acceptable);
            change.isr = isr;
            if let Some(record) = change.record(topic, partition) {
                self.decide(record, decision);
            }
            // The ISR that was asked for may have completed a reassignment that took the leader off.
            let leads = self.image.partition(topic, partition).is_some_and(|now| now.leader == Some(leader));
            error = (!leads).then_some(ErrorCode::NewLeaderElected);
        }
        let answer = PartitionData::default()
            .with_partition_index(asked.partition_index)
            .with_error_code(code_of(error));
        match self.image.partition(topic, partition) {
            Some(state) if error.is_none() => answer
                .with_leader_id(messages::BrokerId(state.leader.map_or(-1, |id| id.0)))
                .with_leader_epoch(state.leader_epoch.0)
                .with_isr(state.isr.iter().map(|id| messages::BrokerId(id.0)).collect())
                .with_partition_epoch(state.partition_epoch.0),
            _ => answer,
        }
    }

    fn alter_error(
        &self,
        leader: BrokerId,
        topic: TopicId,
        partition: PartitionIndex,
        asked: &Asked,
        isr: &[BrokerId],
    ) -> Option<ErrorCode> {
        let Some(known) = self.image.topic(topic) else { return Some(ErrorCode::UnknownTopicId) };
        let Some(state) = known.partitions.get(&partition) else {
            return Some(ErrorCode::UnknownTopicOrPartition);
        };
        let ineligible = |member: &BrokerId| {
            let stated = asked.new_isr_with_epochs.iter().find(|state| state.broker_id.0 == member.0);
            let epoch = stated.map(|state| state.broker_epoch).filter(|epoch| *epoch >= 0);
            let stale = epoch.is_some_and(|epoch| {
                self.image.broker(*member).is_none_or(|broker| broker.epoch != BrokerEpoch(epoch))
            });
            (stale || !self.image.is_active(*member)) && !mutated(Mutation::AcceptIneligibleReplica)
        };
        match () {
            () if mutated(Mutation::AcceptStaleIsr) => None,
            // The leader knows more of the future than this controller: it speaks to the wrong one.
            () if asked.leader_epoch > state.leader_epoch.0 => Some(ErrorCode::NotController),
            () if asked.partition_epoch > state.partition_epoch.0 => Some(ErrorCode::NotController),
            () if asked.leader_epoch < state.leader_epoch.0 => Some(ErrorCode::FencedLeaderEpoch),
            () if state.leader != Some(leader) => Some(ErrorCode::InvalidRequest),
            () if asked.partition_epoch < state.partition_epoch.0 => Some(ErrorCode::InvalidUpdateVersion),
            () if !isr.contains(&leader) => Some(ErrorCode::InvalidRequest),
            () if isr.iter().any(|member| !state.replicas.contains(member)) => {
                Some(ErrorCode::InvalidRequest)
            }
            () if isr.iter().any(ineligible) => Some(ErrorCode::IneligibleReplica),
            () => None,
        }
    }
}
