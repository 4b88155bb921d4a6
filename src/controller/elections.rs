//! Leaders by hand and by the clock: ElectLeaders 0-2 (KIP-183, KIP-460), and leadership given back to preferred replicas.

use crate::protocol::error::code_of;
use crate::protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use crate::protocol::messages::{self, ElectLeadersRequest, ElectLeadersResponse};
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::SortedMap;
use crate::types::{BrokerId, PartitionIndex, TopicName};

use super::change::{Change, Election};
use super::partition::PartitionState;
use super::record::MetadataRecord;
use super::{Controller, Decision};

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

impl Controller {
    /// Elects leaders now. Without partitions all are meant, and only those are told of that had something to elect.
    pub fn elect_leaders(&mut self, request: &ElectLeadersRequest) -> Decision {
        let mut decision = Decision::default();
        let election = match request.election_type {
            PREFERRED => Election::Preferred,
            UNCLEAN => Election::Unclean,
            _ => {
                let code = ErrorCode::InvalidRequest.code();
                decision.response = Some(ElectLeadersResponse::default().with_error_code(code).into());
                return decision;
            }
        };
        let asked: Vec<(TopicName, Vec<i32>)> = match &request.topic_partitions {
            Some(topics) => topics
                .iter()
                .map(|topic| (TopicName::from(topic.topic.as_str()), topic.partitions.clone()))
                .collect(),
            None => self
                .image
                .topics()
                .map(|(_, topic)| {
                    (topic.name.clone(), topic.partitions.keys().map(|index| index.0).collect())
                })
                .collect(),
        };
        let mut results = Vec::new();
        for (topic, partitions) in asked {
            let mut told = Vec::new();
            for index in partitions {
                let error = self.elect_one(&topic, PartitionIndex(index), election, &mut decision).err();
                if request.topic_partitions.is_none() && error == Some(ErrorCode::ElectionNotNeeded) {
                    continue;
                }
                let message = error.map(|error| StrBytes::from_static_str(why(error)));
                told.push(
                    PartitionResult::default()
                        .with_partition_id(index)
                        .with_error_code(code_of(error))
                        .with_error_message(message),
                );
            }
            if !told.is_empty() || request.topic_partitions.is_some() {
                let name = messages::TopicName(StrBytes::from_string(topic.to_string()));
                results.push(ReplicaElectionResult::default().with_topic(name).with_partition_result(told));
            }
        }
        let response = ElectLeadersResponse::default().with_replica_election_results(results);
        decision.response = Some(response.into());
        decision
    }

    fn elect_one(
        &mut self,
        topic: &TopicName,
        partition: PartitionIndex,
        election: Election,
        decision: &mut Decision,
    ) -> Result<(), ErrorCode> {
        let (id, found) = self.image.topic_named(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let state = found.partitions.get(&partition).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let needed = match election {
            Election::Preferred => !led_by_preferred(state),
            Election::Unclean | Election::Online => state.leader.is_none(),
        };
        if !needed {
            return Err(ErrorCode::ElectionNotNeeded);
        }
        let acceptable = |id: BrokerId| self.image.is_active(id);
        let record = Change::of(state, self.rules(topic), &acceptable).elect(election).record(id, partition);
        let record = record.ok_or(match election {
            Election::Preferred => ErrorCode::PreferredLeaderNotAvailable,
            Election::Unclean | Election::Online => ErrorCode::EligibleLeadersNotAvailable,
        })?;
        self.decide(record, decision);
        Ok(())
    }

    /// Gives leadership back to preferred replicas that may lead: of each broker of whose preferred partitions more than
    /// `leader.imbalance.per.broker.percentage` are led by others.
    pub(super) fn balance_leaders(&mut self, decision: &mut Decision) {
        let mut preferred: SortedMap<BrokerId, (u64, u64)> = SortedMap::new();
        for (_, _, _, state) in self.image.partitions() {
            if let Some(first) = state.replicas.first() {
                let (all, elsewhere) = preferred.entry(*first).or_default();
                *all += 1;
                *elsewhere += u64::from(!led_by_preferred(state));
            }
        }
        let allowed = self.config.leader_imbalance_per_broker_percentage().unsigned_abs();
        preferred.retain(|_, (all, elsewhere)| *elsewhere * 100 > *all * allowed);
        let acceptable = |id: BrokerId| self.image.is_active(id);
        let concerned = |state: &PartitionState| {
            let first = state.replicas.first().filter(|first| preferred.contains_key(first));
            let may = |first: &&BrokerId| state.isr.contains(first) && acceptable(**first);
            first.filter(may).is_some() && state.leader.is_some() && !led_by_preferred(state)
        };
        let changes: Vec<MetadataRecord> =
            self.changes(concerned, &acceptable, |change| change.elect(Election::Preferred));
        self.decide_all(changes, decision);
    }
}

fn led_by_preferred(state: &PartitionState) -> bool {
    state.leader.is_some() && state.leader == state.replicas.first().copied()
}

fn why(error: ErrorCode) -> &'static str {
    match error {
        ErrorCode::UnknownTopicOrPartition => "There is no such partition.",
        ErrorCode::ElectionNotNeeded => "Leader election not needed for topic partition.",
        ErrorCode::PreferredLeaderNotAvailable => "The preferred leader is not available.",
        _ => "No replica that may lead is available.",
    }
}
