//! Partitions: leaders and in-sync replicas. Who leads is decided here alone; leaders ask for ISR changes with
//! AlterPartition (KIP-497).

use crate::config::TopicConfig;
use crate::mutation::{Mutation, mutated};
use crate::protocol::ErrorCode;
use crate::protocol::error::code_of;
use crate::protocol::messages::alter_partition_request::PartitionData as Asked;
use crate::protocol::messages::alter_partition_response::{PartitionData, TopicData};
use crate::protocol::messages::{self, AlterPartitionRequest, AlterPartitionResponse};
use crate::types::{BrokerEpoch, BrokerId, PartitionIndex, TopicId};

use super::image::PartitionState;
use super::record::{MetadataRecord, Resource};
use super::{Controller, Decision};

impl Controller {
    /// Takes a broker that is not active (any more) out of every ISR and leadership. The last in-sync replica stays in
    /// the ISR: it alone has all that was acknowledged. The partition then has no leader.
    pub(super) fn leave_partitions(&mut self, id: BrokerId, decision: &mut Decision) {
        let mut changes = Vec::new();
        for (topic, _, partition, state) in self.image.partitions() {
            let mut isr: Vec<BrokerId> = state.isr.iter().copied().filter(|member| *member != id).collect();
            if isr.is_empty() {
                isr = state.isr.clone();
            }
            let leader = match state.leader == Some(id) {
                true => {
                    let fit = |replica: &BrokerId| {
                        let in_sync = isr.contains(replica) || mutated(Mutation::ElectOutOfSync);
                        *replica != id && in_sync && self.image.is_active(*replica)
                    };
                    Some(state.replicas.iter().copied().find(fit))
                }
                false => None,
            };
            changes.extend(change(topic, partition, state, isr, leader));
        }
        for record in changes {
            self.decide(record, decision);
        }
    }

    /// A broker is active again: it leads where nobody does and it may.
    pub(super) fn join_partitions(&mut self, id: BrokerId, decision: &mut Decision) {
        let mut changes = Vec::new();
        for (topic_id, topic, partition, state) in self.image.partitions() {
            if state.leader.is_some() || !state.replicas.contains(&id) {
                continue;
            }
            if state.isr.contains(&id) {
                changes.extend(change(topic_id, partition, state, state.isr.clone(), Some(Some(id))));
                continue;
            }
            let overrides = self.image.configs(&Resource::Topic(topic.name.clone()));
            if TopicConfig::resolve(&self.config, &overrides).unclean_leader_election {
                changes.extend(change(topic_id, partition, state, vec![id], Some(Some(id))));
            }
        }
        for record in changes {
            self.decide(record, decision);
        }
    }

    /// Gives leadership back to the first replica, where it is active and in sync.
    pub(super) fn elect_preferred(&mut self, decision: &mut Decision) {
        let mut changes = Vec::new();
        for (topic, _, partition, state) in self.image.partitions() {
            if let Some(&preferred) = state.replicas.first()
                && state.leader.is_some_and(|leader| leader != preferred)
                && state.isr.contains(&preferred)
                && self.image.is_active(preferred)
            {
                changes.extend(change(topic, partition, state, state.isr.clone(), Some(Some(preferred))));
            }
        }
        for record in changes {
            self.decide(record, decision);
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
        let error = self.alter_error(leader, topic, partition, asked, &isr);
        if error.is_none()
            && let Some(state) = self.image.partition(topic, partition)
            && let Some(record) = change(topic, partition, state, isr, None)
        {
            self.decide(record, decision);
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

/// The record of a change; none when there is none. `leader`: elected anew, perhaps the same one or none.
fn change(
    topic: TopicId,
    partition: PartitionIndex,
    state: &PartitionState,
    isr: Vec<BrokerId>,
    leader: Option<Option<BrokerId>>,
) -> Option<MetadataRecord> {
    let isr = Some(isr).filter(|isr| *isr != state.isr);
    (isr.is_some() || leader.is_some()).then_some(MetadataRecord::PartitionChange {
        topic,
        partition,
        isr,
        leader,
    })
}
