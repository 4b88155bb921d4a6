//! ISR changes on their way to the controller (`AlterPartition`, KIP-497): one request in flight, with everything that
//! waited; repeated until the controller has decided.

use crate::effects::{Effects, Lane, PeerResult, RequestId};
use crate::protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use crate::protocol::messages::{self, AlterPartitionRequest};
use crate::protocol::{ErrorCode, Response};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, PartitionEpoch, PartitionIndex, TopicId};

/// Between two attempts while the controller is unknown, away or says no.
const RETRY: Duration = Duration::from_millis(50);

/// An ISR that a leader asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IsrProposal {
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) partition_epoch: PartitionEpoch,
    /// The members with the broker epochs they fetch under; none for one that has not fetched yet.
    pub(super) isr: Vec<(BrokerId, Option<BrokerEpoch>)>,
}

/// What the controller said to one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IsrDecision {
    /// It took effect, or the state it names was reached otherwise.
    Committed { leader_epoch: LeaderEpoch, partition_epoch: PartitionEpoch, isr: Vec<BrokerId> },
    /// It had no effect and won't have one; the same ISR may be asked for again later.
    Rejected,
    /// The partition has changed in the meantime; the metadata log will say how.
    Superseded,
}

/// Proposals waiting or under way.
#[derive(Debug, Default)]
pub(super) struct IsrChanges {
    waiting: SortedMap<LogId, IsrProposal>,
    in_flight: Option<(RequestId, SortedMap<LogId, IsrProposal>)>,
    retry_at: Option<Instant>,
}

impl IsrChanges {
    /// Takes a proposal; it replaces one for the same partition that has not been sent.
    pub(super) fn propose(&mut self, log: LogId, proposal: IsrProposal) {
        self.waiting.insert(log, proposal);
    }

    /// The partition has changed: what was asked for is void.
    pub(super) fn withdraw(&mut self, log: LogId) {
        self.waiting.remove(&log);
        if let Some((_, proposals)) = &mut self.in_flight {
            proposals.remove(&log);
        }
    }

    /// Another controller: ask it at once.
    pub(super) fn controller_changed(&mut self) {
        self.retry_at = None;
    }

    /// Sends what waits, if nothing is under way.
    pub(super) fn send(
        &mut self,
        now: Instant,
        from: (BrokerId, Option<BrokerEpoch>),
        controller: Option<BrokerId>,
        timeout: Duration,
        fx: &mut Effects,
    ) {
        let held = self.retry_at.is_some_and(|at| at > now);
        if self.waiting.is_empty() || self.in_flight.is_some() || held {
            return;
        }
        let (Some(controller), (node_id, Some(epoch))) = (controller, from) else {
            self.retry_at = Some(now + RETRY);
            return;
        };
        self.retry_at = None;
        let proposals = std::mem::take(&mut self.waiting);
        let body = request(node_id, epoch, &proposals);
        let id = fx.request(controller, Lane::Control, body.into(), timeout);
        self.in_flight = Some((id, proposals));
    }

    /// When `send` may have something to do.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.retry_at.filter(|_| !self.waiting.is_empty() && self.in_flight.is_none())
    }

    /// Takes the controller's answer; none when it is not to a request of ours. What is undecided waits again.
    pub(super) fn on_response(
        &mut self,
        now: Instant,
        id: RequestId,
        result: &PeerResult,
    ) -> Option<Vec<(LogId, IsrProposal, IsrDecision)>> {
        let (_, mut proposals) = self.in_flight.take_if(|(in_flight, _)| *in_flight == id)?;
        let mut decisions = Vec::new();
        if let Ok(Response::AlterPartition(response)) = result
            && response.error_code == 0
        {
            for topic in &response.topics {
                for partition in &topic.partitions {
                    let log = LogId {
                        topic_id: TopicId(topic.topic_id),
                        partition: PartitionIndex(partition.partition_index),
                    };
                    let Some(proposal) = proposals.remove(&log) else { continue };
                    match decision(partition) {
                        Some(decision) => decisions.push((log, proposal, decision)),
                        None => drop(proposals.insert(log, proposal)),
                    }
                }
            }
        }
        if !proposals.is_empty() {
            self.retry_at = Some(now + RETRY);
        }
        for (log, proposal) in proposals {
            self.waiting.entry(log).or_insert(proposal);
        }
        Some(decisions)
    }
}

fn request(
    node_id: BrokerId,
    epoch: BrokerEpoch,
    proposals: &SortedMap<LogId, IsrProposal>,
) -> AlterPartitionRequest {
    let mut topics: SortedMap<TopicId, Vec<PartitionData>> = SortedMap::new();
    for (log, proposal) in proposals {
        let member = |(id, epoch): &(BrokerId, Option<BrokerEpoch>)| {
            BrokerState::default()
                .with_broker_id(messages::BrokerId(id.0))
                .with_broker_epoch(epoch.map_or(-1, |epoch| epoch.0))
        };
        topics.entry(log.topic_id).or_default().push(
            PartitionData::default()
                .with_partition_index(log.partition.0)
                .with_leader_epoch(proposal.leader_epoch.0)
                .with_partition_epoch(proposal.partition_epoch.0)
                .with_new_isr_with_epochs(proposal.isr.iter().map(member).collect()),
        );
    }
    let topics = topics
        .into_iter()
        .map(|(id, partitions)| TopicData::default().with_topic_id(id.0).with_partitions(partitions))
        .collect();
    AlterPartitionRequest::default()
        .with_broker_id(messages::BrokerId(node_id.0))
        .with_broker_epoch(epoch.0)
        .with_topics(topics)
}

fn decision(partition: &messages::alter_partition_response::PartitionData) -> Option<IsrDecision> {
    match ErrorCode::try_from_code(partition.error_code) {
        None => Some(IsrDecision::Committed {
            leader_epoch: LeaderEpoch(partition.leader_epoch),
            partition_epoch: PartitionEpoch(partition.partition_epoch),
            isr: partition.isr.iter().map(|id| BrokerId(id.0)).collect(),
        }),
        Some(ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica) => Some(IsrDecision::Rejected),
        Some(
            ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::InvalidRequest
            | ErrorCode::InvalidUpdateVersion
            | ErrorCode::NewLeaderElected,
        ) => Some(IsrDecision::Superseded),
        Some(_) => None,
    }
}
