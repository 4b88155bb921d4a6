//! The answer to a request when all there is to say is one error: every API has its own place for it.

use crate::protocol::messages::*;
use crate::protocol::{ErrorCode, Request, Response, StrBytes};

/// `request` answered by `error`, for each thing it names.
pub fn error_response(request: &Request, error: ErrorCode, message: &str) -> Response {
    let code = error.code();
    let text = Some(StrBytes::from_string(message.to_owned()));
    match request {
        Request::CreateTopics(r) => CreateTopicsResponse::default()
            .with_topics(
                r.topics
                    .iter()
                    .map(|topic| {
                        create_topics_response::CreatableTopicResult::default()
                            .with_name(topic.name.clone())
                            .with_error_code(code)
                            .with_error_message(text.clone())
                    })
                    .collect(),
            )
            .into(),
        Request::DeleteTopics(r) => {
            let by_name = r.topic_names.iter().map(|name| (Some(name.clone()), Default::default()));
            let by_state = r.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
            DeleteTopicsResponse::default()
                .with_responses(
                    by_name
                        .chain(by_state)
                        .map(|(name, id)| {
                            delete_topics_response::DeletableTopicResult::default()
                                .with_name(name)
                                .with_topic_id(id)
                                .with_error_code(code)
                                .with_error_message(text.clone())
                        })
                        .collect(),
                )
                .into()
        }
        Request::CreatePartitions(r) => CreatePartitionsResponse::default()
            .with_results(
                r.topics
                    .iter()
                    .map(|topic| {
                        create_partitions_response::CreatePartitionsTopicResult::default()
                            .with_name(topic.name.clone())
                            .with_error_code(code)
                            .with_error_message(text.clone())
                    })
                    .collect(),
            )
            .into(),
        Request::AlterConfigs(r) => AlterConfigsResponse::default()
            .with_responses(
                r.resources
                    .iter()
                    .map(|resource| {
                        alter_configs_response::AlterConfigsResourceResponse::default()
                            .with_resource_type(resource.resource_type)
                            .with_resource_name(resource.resource_name.clone())
                            .with_error_code(code)
                            .with_error_message(text.clone())
                    })
                    .collect(),
            )
            .into(),
        Request::IncrementalAlterConfigs(r) => IncrementalAlterConfigsResponse::default()
            .with_responses(
                r.resources
                    .iter()
                    .map(|resource| {
                        incremental_alter_configs_response::AlterConfigsResourceResponse::default()
                            .with_resource_type(resource.resource_type)
                            .with_resource_name(resource.resource_name.clone())
                            .with_error_code(code)
                            .with_error_message(text.clone())
                    })
                    .collect(),
            )
            .into(),
        Request::ElectLeaders(_) => ElectLeadersResponse::default().with_error_code(code).into(),
        Request::AlterPartitionReassignments(_) => AlterPartitionReassignmentsResponse::default()
            .with_error_code(code)
            .with_error_message(text)
            .into(),
        Request::ListPartitionReassignments(_) => ListPartitionReassignmentsResponse::default()
            .with_error_code(code)
            .with_error_message(text)
            .into(),
        Request::UpdateFeatures(_) => {
            UpdateFeaturesResponse::default().with_error_code(code).with_error_message(text).into()
        }
        Request::UnregisterBroker(_) => {
            UnregisterBrokerResponse::default().with_error_code(code).with_error_message(text).into()
        }
        Request::DescribeQuorum(_) => {
            DescribeQuorumResponse::default().with_error_code(code).with_error_message(text).into()
        }
        Request::AlterPartition(_) => AlterPartitionResponse::default().with_error_code(code).into(),
        Request::AllocateProducerIds(_) => {
            AllocateProducerIdsResponse::default().with_error_code(code).into()
        }
        Request::BrokerRegistration(_) => BrokerRegistrationResponse::default().with_error_code(code).into(),
        Request::BrokerHeartbeat(_) => BrokerHeartbeatResponse::default().with_error_code(code).into(),
        Request::InitProducerId(_) => InitProducerIdResponse::default().with_error_code(code).into(),
        Request::Envelope(_) => EnvelopeResponse::default().with_error_code(code).into(),
        Request::JoinGroup(_) => JoinGroupResponse::default().with_error_code(code).into(),
        Request::SyncGroup(_) => SyncGroupResponse::default().with_error_code(code).into(),
        Request::Heartbeat(_) => HeartbeatResponse::default().with_error_code(code).into(),
        Request::LeaveGroup(_) => LeaveGroupResponse::default().with_error_code(code).into(),
        Request::DescribeCluster(_) => {
            DescribeClusterResponse::default().with_error_code(code).with_error_message(text).into()
        }
        Request::AddRaftVoter(_) => {
            AddRaftVoterResponse::default().with_error_code(code).with_error_message(text).into()
        }
        Request::RemoveRaftVoter(_) => {
            RemoveRaftVoterResponse::default().with_error_code(code).with_error_message(text).into()
        }
        Request::UpdateRaftVoter(_) => UpdateRaftVoterResponse::default().with_error_code(code).into(),
        Request::FetchSnapshot(_) => FetchSnapshotResponse::default().with_error_code(code).into(),
        Request::Vote(_) => VoteResponse::default().with_error_code(code).into(),
        Request::BeginQuorumEpoch(_) => BeginQuorumEpochResponse::default().with_error_code(code).into(),
        Request::EndQuorumEpoch(_) => EndQuorumEpochResponse::default().with_error_code(code).into(),
        Request::Fetch(_) => FetchResponse::default().with_error_code(code).into(),
        Request::ListGroups(_) => ListGroupsResponse::default().with_error_code(code).into(),
        Request::ApiVersions(_) => super::api_versions::unsupported().with_error_code(code).into(),
        // These name an error per partition or group only, and their handlers never fail as a whole.
        Request::Produce(_)
        | Request::ListOffsets(_)
        | Request::DeleteRecords(_)
        | Request::Metadata(_)
        | Request::DescribeTopicPartitions(_)
        | Request::ListConfigResources(_)
        | Request::DescribeLogDirs(_)
        | Request::DescribeProducers(_)
        | Request::OffsetDelete(_)
        | Request::OffsetCommit(_)
        | Request::OffsetFetch(_)
        | Request::FindCoordinator(_)
        | Request::DescribeGroups(_)
        | Request::OffsetForLeaderEpoch(_)
        | Request::DescribeConfigs(_)
        | Request::DeleteGroups(_) => unreachable!("{:?} has no error of its own", request.key()),
    }
}
