//! An admin's call as a request.

use crate::protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use crate::protocol::messages::create_partitions_request::CreatePartitionsTopic;
use crate::protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::protocol::messages::delete_topics_request::DeleteTopicState;
use crate::protocol::messages::describe_configs_request::DescribeConfigsResource;
use crate::protocol::messages::elect_leaders_request::TopicPartitions;
use crate::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use crate::protocol::messages::{
    self, AddRaftVoterRequest, AlterPartitionReassignmentsRequest, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest, DescribeQuorumRequest,
    ElectLeadersRequest, IncrementalAlterConfigsRequest, ListGroupsRequest, ListOffsetsRequest,
    ListPartitionReassignmentsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    RemoveRaftVoterRequest, UnregisterBrokerRequest, add_raft_voter_request, describe_quorum_request,
};
use crate::protocol::{Request, StrBytes};
use crate::types::METADATA_TOPIC;

use super::super::wire_topic;
use super::calls::AdminCall;

/// The newest version that a call makes use of.
pub(super) fn version_max(call: &AdminCall) -> i16 {
    match call {
        AdminCall::FetchOffsets { .. } => 7,
        AdminCall::SetOffsets { .. } => 9,
        AdminCall::FetchTopicMetadata(_) => 12,
        _ => i16::MAX,
    }
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// The request of a call; `partitions` are those that its receiver leads.
pub(super) fn request(call: &AdminCall, partitions: Option<&[i32]>) -> Request {
    const PATIENCE_MS: i32 = 10_000;
    match call {
        AdminCall::CreateTopics { topics, validate_only } => {
            let topics = topics.iter().map(|topic| {
                let configs = topic.configs.iter().map(|(name, value)| {
                    CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
                });
                CreatableTopic::default()
                    .with_name(wire_topic(&topic.topic))
                    .with_num_partitions(topic.partitions.unwrap_or(-1))
                    .with_replication_factor(topic.replication_factor.unwrap_or(-1))
                    .with_configs(configs.collect())
            });
            CreateTopicsRequest::default()
                .with_topics(topics.collect())
                .with_validate_only(*validate_only)
                .with_timeout_ms(PATIENCE_MS)
                .into()
        }
        AdminCall::DeleteTopics(topics) => {
            let states = topics.iter().map(|t| DeleteTopicState::default().with_name(Some(wire_topic(t))));
            DeleteTopicsRequest::default().with_topics(states.collect()).with_timeout_ms(PATIENCE_MS).into()
        }
        AdminCall::CreatePartitions(topics) => {
            let topics = topics.iter().map(|(topic, count)| {
                CreatePartitionsTopic::default()
                    .with_name(wire_topic(topic))
                    .with_count(*count)
                    .with_assignments(None)
            });
            CreatePartitionsRequest::default()
                .with_topics(topics.collect())
                .with_timeout_ms(PATIENCE_MS)
                .into()
        }
        AdminCall::FetchTopicMetadata(topics) => {
            let topics = topics.as_ref().map(|topics| {
                topics
                    .iter()
                    .map(|t| MetadataRequestTopic::default().with_name(Some(wire_topic(t))))
                    .collect()
            });
            MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false).into()
        }
        AdminCall::ListOffsets { topic, timestamp } => {
            let asked = partitions.unwrap_or_default().iter().map(|partition| {
                ListOffsetsPartition::default().with_partition_index(*partition).with_timestamp(*timestamp)
            });
            let topic =
                ListOffsetsTopic::default().with_name(wire_topic(topic)).with_partitions(asked.collect());
            ListOffsetsRequest::default()
                .with_replica_id(messages::BrokerId(-1))
                .with_topics(vec![topic])
                .into()
        }
        AdminCall::DeleteRecords { topic, partitions: wanted } => {
            let led = partitions.unwrap_or_default();
            let wanted = wanted.iter().filter(|(partition, _)| led.contains(partition));
            let asked = wanted.map(|(partition, offset)| {
                DeleteRecordsPartition::default().with_partition_index(*partition).with_offset(*offset)
            });
            let topic =
                DeleteRecordsTopic::default().with_name(wire_topic(topic)).with_partitions(asked.collect());
            DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(PATIENCE_MS).into()
        }
        AdminCall::FetchOffsets { group, topics } => {
            let topics = topics.as_ref().map(|topics| {
                let asked = topics.iter().map(|(topic, partitions)| {
                    OffsetFetchRequestTopic::default()
                        .with_name(wire_topic(topic))
                        .with_partition_indexes(partitions.clone())
                });
                asked.collect()
            });
            OffsetFetchRequest::default()
                .with_group_id(messages::GroupId(text(group)))
                .with_topics(topics)
                .into()
        }
        AdminCall::SetOffsets { group, topic, partitions } => {
            let offsets = partitions.iter().map(|(partition, offset)| {
                OffsetCommitRequestPartition::default()
                    .with_partition_index(*partition)
                    .with_committed_offset(*offset)
                    .with_committed_leader_epoch(-1)
                    .with_committed_metadata(Some(text("")))
            });
            let topic = OffsetCommitRequestTopic::default()
                .with_name(wire_topic(topic))
                .with_partitions(offsets.collect());
            OffsetCommitRequest::default()
                .with_group_id(messages::GroupId(text(group)))
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![topic])
                .into()
        }
        AdminCall::DescribeCluster => DescribeClusterRequest::default().into(),
        AdminCall::DescribeConfigs(resources) => {
            let resources = resources.iter().map(|(kind, name)| {
                DescribeConfigsResource::default()
                    .with_resource_type(*kind)
                    .with_resource_name(text(name))
                    .with_configuration_keys(None)
            });
            DescribeConfigsRequest::default()
                .with_resources(resources.collect())
                .with_include_synonyms(true)
                .into()
        }
        AdminCall::AlterConfigs(resources) => {
            let resources = resources.iter().map(|(kind, name, configs)| {
                let configs = configs.iter().map(|(name, value)| {
                    AlterableConfig::default()
                        .with_name(text(name))
                        .with_config_operation(i8::from(value.is_none()))
                        .with_value(value.as_deref().map(text))
                });
                AlterConfigsResource::default()
                    .with_resource_type(*kind)
                    .with_resource_name(text(name))
                    .with_configs(configs.collect())
            });
            IncrementalAlterConfigsRequest::default().with_resources(resources.collect()).into()
        }
        AdminCall::AlterPartitionReassignments(topics) => {
            let topics = topics.iter().map(|(topic, partitions)| {
                let partitions = partitions.iter().map(|(partition, replicas)| {
                    let ids = |ids: &Vec<i32>| ids.iter().map(|id| messages::BrokerId(*id)).collect();
                    ReassignablePartition::default()
                        .with_partition_index(*partition)
                        .with_replicas(replicas.as_ref().map(ids))
                });
                ReassignableTopic::default()
                    .with_name(wire_topic(topic))
                    .with_partitions(partitions.collect())
            });
            AlterPartitionReassignmentsRequest::default()
                .with_topics(topics.collect())
                .with_timeout_ms(PATIENCE_MS)
                .into()
        }
        AdminCall::ListPartitionReassignments(topics) => {
            let topics = topics.as_ref().map(|topics| {
                let asked = topics.iter().map(|(topic, partitions)| {
                    ListPartitionReassignmentsTopics::default()
                        .with_name(wire_topic(topic))
                        .with_partition_indexes(partitions.clone())
                });
                asked.collect()
            });
            ListPartitionReassignmentsRequest::default()
                .with_topics(topics)
                .with_timeout_ms(PATIENCE_MS)
                .into()
        }
        AdminCall::ElectLeaders { unclean, partitions } => {
            let asked = partitions.as_ref().map(|topics| {
                let asked = topics.iter().map(|(topic, partitions)| {
                    TopicPartitions::default()
                        .with_topic(wire_topic(topic))
                        .with_partitions(partitions.clone())
                });
                asked.collect()
            });
            ElectLeadersRequest::default()
                .with_election_type(i8::from(*unclean))
                .with_topic_partitions(asked)
                .with_timeout_ms(PATIENCE_MS)
                .into()
        }
        AdminCall::UnregisterBroker(id) => {
            UnregisterBrokerRequest::default().with_broker_id(messages::BrokerId(*id)).into()
        }
        AdminCall::ListGroups => ListGroupsRequest::default().into(),
        AdminCall::DescribeGroups(groups) => {
            let groups = groups.iter().map(|group| messages::GroupId(text(group)));
            DescribeGroupsRequest::default().with_groups(groups.collect()).into()
        }
        AdminCall::DeleteGroups(groups) => {
            let groups = groups.iter().map(|group| messages::GroupId(text(group)));
            DeleteGroupsRequest::default().with_groups_names(groups.collect()).into()
        }
        AdminCall::DescribeQuorum => {
            let partition = describe_quorum_request::PartitionData::default();
            let topic = describe_quorum_request::TopicData::default()
                .with_topic_name(wire_topic(METADATA_TOPIC))
                .with_partitions(vec![partition]);
            DescribeQuorumRequest::default().with_topics(vec![topic]).into()
        }
        AdminCall::AddRaftVoter { id, directory, host, port } => {
            let listener = add_raft_voter_request::Listener::default()
                .with_name(text("PLAINTEXT"))
                .with_host(text(host))
                .with_port(*port);
            // Left out, the id would be "", which no cluster has.
            AddRaftVoterRequest::default()
                .with_cluster_id(None)
                .with_timeout_ms(PATIENCE_MS)
                .with_voter_id(*id)
                .with_voter_directory_id(*directory)
                .with_listeners(vec![listener])
                .into()
        }
        AdminCall::RemoveRaftVoter { id, directory } => RemoveRaftVoterRequest::default()
            .with_cluster_id(None)
            .with_voter_id(*id)
            .with_voter_directory_id(*directory)
            .into(),
        AdminCall::Close => unreachable!("closing asks nobody"),
    }
}
