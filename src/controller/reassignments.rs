//! AlterPartitionReassignments 0-1 and ListPartitionReassignments 0 (KIP-455): partitions move to other replicas while they
//! are read and written.
//!
//! The replicas become those that are to be, followed by those that go; the new ones fetch from the leader as every follower.
//! When all that are to be are in the ISR, one record takes the others off (`change`): it raises the leader epoch, and elects
//! another leader where the leader goes. Cancelling takes off the new ones.

use crate::protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use crate::protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use crate::protocol::messages::{
    self, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::types::{BrokerId, PartitionIndex, TopicName};

use super::change::Change;
use super::partition::PartitionState;
use super::record::MetadataRecord;
use super::topics::Refusal;
use super::{Controller, Decision};

impl Controller {
    /// Begins, changes or cancels reassignments; each by itself succeeds or is refused.
    pub fn alter_partition_reassignments(
        &mut self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Decision {
        let mut decision = Decision::default();
        let mut responses = Vec::new();
        for topic in &request.topics {
            let name = TopicName::from(topic.name.as_str());
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let answer =
                    ReassignablePartitionResponse::default().with_partition_index(asked.partition_index);
                let made = self.reassignment(&name, asked, request.allow_replication_factor_change);
                partitions.push(match made {
                    Ok(record) => {
                        self.decide_all(record.into_iter().collect(), &mut decision);
                        answer
                    }
                    Err((error, message)) => answer
                        .with_error_code(error.code())
                        .with_error_message(Some(StrBytes::from_string(message))),
                });
            }
            responses.push(
                ReassignableTopicResponse::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions),
            );
        }
        let response = AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(request.allow_replication_factor_change)
            .with_responses(responses);
        decision.response = Some(response.into());
        decision
    }

    fn reassignment(
        &self,
        topic: &TopicName,
        asked: &ReassignablePartition,
        other_number: bool,
    ) -> Result<Option<MetadataRecord>, Refusal> {
        let unknown = |what: String| (ErrorCode::UnknownTopicOrPartition, what);
        let index = PartitionIndex(asked.partition_index);
        let (id, found) = self
            .image
            .topic_named(topic)
            .ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
        let state = found
            .partitions
            .get(&index)
            .ok_or_else(|| unknown(format!("Unable to find partition {topic}:{index}.")))?;
        let acceptable = |id: BrokerId| self.image.is_active(id);
        let mut change = Change::of(state, self.rules(topic), &acceptable);
        match &asked.replicas {
            None => cancel(state, &mut change)?,
            Some(replicas) => {
                let target: Vec<BrokerId> = replicas.iter().map(|id| BrokerId(id.0)).collect();
                self.check_assignment(&target)?;
                let number = state.replicas.len() - state.adding.len();
                if !other_number && target.len() != number {
                    let message = format!(
                        "The replication factor is changed from {number} to {}, which the request does not allow.",
                        target.len()
                    );
                    return Err((ErrorCode::InvalidReplicationFactor, message));
                }
                begin(state, target, &mut change);
            }
        }
        Ok(change.record(id, index))
    }

    /// Partitions whose replicas are on their way, of those asked for or of all.
    pub fn list_partition_reassignments(&self, request: &ListPartitionReassignmentsRequest) -> Decision {
        let mut topics = Vec::new();
        for (_, topic) in self.image.topics() {
            let asked = match &request.topics {
                None => None,
                Some(asked) => match asked.iter().find(|asked| asked.name.as_str() == topic.name.as_str()) {
                    Some(asked) => Some(&asked.partition_indexes),
                    None => continue,
                },
            };
            let wanted = |index: &PartitionIndex| asked.is_none_or(|indexes| indexes.contains(&index.0));
            let ongoing =
                topic.partitions.iter().filter(|(index, state)| wanted(index) && state.is_reassigning());
            let partitions: Vec<_> = ongoing.map(|(index, state)| ongoing_of(*index, state)).collect();
            if !partitions.is_empty() {
                let name = messages::TopicName(StrBytes::from_string(topic.name.to_string()));
                topics.push(OngoingTopicReassignment::default().with_name(name).with_partitions(partitions));
            }
        }
        let response = ListPartitionReassignmentsResponse::default().with_topics(topics);
        Decision { response: Some(response.into()), ..Decision::default() }
    }
}

/// What a target makes of the replicas there were before any reassignment, and of those on their way.
fn begin(state: &PartitionState, target: Vec<BrokerId>, change: &mut Change<'_>) {
    change.removing = state.replicas.iter().copied().filter(|id| !target.contains(id)).collect();
    let original = |id: &BrokerId| state.replicas.contains(id) && !state.adding.contains(id);
    change.adding = target.iter().copied().filter(|id| !original(id)).collect();
    change.replicas = target;
    // A replica that was on its way in, and is not wanted any more, need not wait for the others to go.
    let dropped = |id: &BrokerId| state.adding.contains(id);
    let stays = |id: &BrokerId| !dropped(id) || !change.removing.contains(id);
    let isr: Vec<BrokerId> = change.isr.iter().copied().filter(stays).collect();
    if !isr.is_empty() {
        change.isr = isr;
        change.removing.retain(|id| !dropped(id));
    }
    change.replicas.extend(&change.removing);
}

/// The replicas of before. Where only new ones are in sync, an old one would have to lead without all that is committed.
fn cancel(state: &PartitionState, change: &mut Change<'_>) -> Result<(), Refusal> {
    if !state.is_reassigning() {
        let message = "No partition reassignment is in progress.".to_owned();
        return Err((ErrorCode::NoReassignmentInProgress, message));
    }
    change.replicas.retain(|id| !state.adding.contains(id));
    change.isr.retain(|id| !state.adding.contains(id));
    change.adding.clear();
    change.removing.clear();
    let eligible = state.elr.iter().chain(&state.last_known_elr);
    let unclean = change.isr.is_empty() && !eligible.into_iter().any(|id| change.replicas.contains(id));
    let Some(first) = change.replicas.first().copied().filter(|_| !unclean || change.rules.unclean) else {
        let message = "Only replicas that the reassignment brings are in sync: without them an unclean election would be needed.";
        return Err((ErrorCode::InvalidReplicaAssignment, message.to_owned()));
    };
    if unclean {
        change.isr.push(first);
    }
    Ok(())
}

fn ongoing_of(index: PartitionIndex, state: &PartitionState) -> OngoingPartitionReassignment {
    let ids = |ids: &[BrokerId]| ids.iter().map(|id| messages::BrokerId(id.0)).collect();
    OngoingPartitionReassignment::default()
        .with_partition_index(index.0)
        .with_replicas(ids(&state.replicas))
        .with_adding_replicas(ids(&state.adding))
        .with_removing_replicas(ids(&state.removing))
}
