//! What the responses to an admin's call come to.

use std::collections::VecDeque;

use crate::protocol::consumer_protocol::{decode_assignment, decode_subscription};
use crate::protocol::error::wire_name;
use crate::protocol::{ErrorCode, Response, StrBytes, messages};

use super::super::net::Net;
use super::super::{ClientError, FailureKind};
use super::calls::{
    AdminCall, AdminReply, BrokerDescription, CommittedPartition, CommittedTopic, ConfigDescription,
    ConfigSynonym, ConfigValue, Election, GroupDescription, MemberDescription, PartitionDescription,
    PartitionOffset, QuorumDescription, QuorumReplica, Reassignment, TopicDescription, TopicElections,
    TopicReassignments,
};

/// An error among those of a response, with its words.
fn check(code: i16, message: Option<&StrBytes>, topic: Option<&str>) -> Result<(), ClientError> {
    match ErrorCode::try_from_code(code) {
        None => Ok(()),
        Some(error) => {
            let error = ClientError::protocol(error, message.map(|message| message.as_str()));
            Err(topic.map_or(error.clone(), |topic| error.at(topic, None)))
        }
    }
}

/// The answer, or what was wrong.
pub(super) fn conclude(
    call: &AdminCall,
    responses: &[Response],
    net: &Net,
) -> Result<AdminReply, ClientError> {
    let mut queue: VecDeque<&Response> = responses.iter().collect();
    let mut offsets = Vec::new();
    let mut groups = Vec::new();
    while let Some(response) = queue.pop_front() {
        match response {
            Response::CreateTopics(body) => {
                for topic in &body.topics {
                    check(topic.error_code, topic.error_message.as_ref(), Some(topic.name.as_str()))?;
                }
            }
            Response::DeleteTopics(body) => {
                for topic in &body.responses {
                    let name = topic.name.as_ref().map(|name| name.as_str());
                    check(topic.error_code, topic.error_message.as_ref(), name)?;
                }
            }
            Response::CreatePartitions(body) => {
                for topic in &body.results {
                    check(topic.error_code, topic.error_message.as_ref(), Some(topic.name.as_str()))?;
                }
            }
            Response::IncrementalAlterConfigs(body) => {
                for resource in &body.responses {
                    check(resource.error_code, resource.error_message.as_ref(), None)?;
                }
            }
            Response::AlterPartitionReassignments(body) => {
                check(body.error_code, body.error_message.as_ref(), None)?;
                for topic in &body.responses {
                    for partition in &topic.partitions {
                        let place = Some(partition.partition_index);
                        check(partition.error_code, partition.error_message.as_ref(), None)
                            .map_err(|error| error.at(topic.name.as_str(), place))?;
                    }
                }
            }
            Response::ListPartitionReassignments(body) => {
                check(body.error_code, body.error_message.as_ref(), None)?;
                return Ok(AdminReply::Reassignments(body.topics.iter().map(reassigned).collect()));
            }
            Response::ElectLeaders(body) => {
                check(body.error_code, None, None)?;
                return Ok(AdminReply::Elections(
                    body.replica_election_results.iter().map(elected).collect(),
                ));
            }
            Response::UnregisterBroker(body) => check(body.error_code, body.error_message.as_ref(), None)?,
            Response::Metadata(body) => return topics_of(body).map(AdminReply::Topics),
            Response::ListOffsets(body) => {
                for topic in &body.topics {
                    for partition in &topic.partitions {
                        check(partition.error_code, None, Some(topic.name.as_str()))?;
                        offsets.push(PartitionOffset {
                            partition: partition.partition_index,
                            offset: partition.offset.to_string(),
                        });
                    }
                }
            }
            Response::DeleteRecords(body) => {
                for topic in &body.topics {
                    for partition in &topic.partitions {
                        let place = Some(partition.partition_index);
                        check(partition.error_code, None, None)
                            .map_err(|error| error.at(topic.name.as_str(), place))?;
                    }
                }
            }
            Response::OffsetFetch(body) => {
                check(body.error_code, None, None)?;
                return committed_of(body).map(AdminReply::Committed);
            }
            Response::OffsetCommit(body) => {
                for topic in &body.topics {
                    for partition in &topic.partitions {
                        check(partition.error_code, None, Some(topic.name.as_str()))?;
                    }
                }
            }
            Response::DescribeCluster(body) => {
                check(body.error_code, body.error_message.as_ref(), None)?;
                let brokers = body.brokers.iter().map(|broker| BrokerDescription {
                    node_id: broker.broker_id.0,
                    host: broker.host.to_string(),
                    port: broker.port,
                });
                return Ok(AdminReply::Cluster {
                    brokers: brokers.collect(),
                    controller: net.controller().map(|id| id.0),
                    cluster_id: body.cluster_id.to_string(),
                });
            }
            Response::DescribeQuorum(body) => {
                check(body.error_code, body.error_message.as_ref(), None)?;
                return quorum_of(body).map(AdminReply::Quorum);
            }
            Response::AddRaftVoter(body) => check(body.error_code, body.error_message.as_ref(), None)?,
            Response::RemoveRaftVoter(body) => check(body.error_code, body.error_message.as_ref(), None)?,
            Response::DescribeConfigs(body) => {
                let mut all = Vec::new();
                for result in &body.results {
                    check(result.error_code, result.error_message.as_ref(), None)?;
                    let entries = result.configs.iter().map(|config| ConfigValue {
                        config_name: config.name.to_string(),
                        config_value: config.value.as_ref().map(|value| value.to_string()),
                        read_only: config.read_only,
                        is_default: config.config_source == 5,
                        config_source: config.config_source,
                        config_synonyms: config.synonyms.iter().map(synonym).collect(),
                    });
                    all.push(ConfigDescription {
                        resource_type: result.resource_type,
                        resource_name: result.resource_name.to_string(),
                        config_entries: entries.collect(),
                    });
                }
                return Ok(AdminReply::Configs(all));
            }
            Response::ListGroups(body) => {
                check(body.error_code, None, None)?;
                groups.extend(body.groups.iter().map(|group| GroupDescription {
                    group_id: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    protocol: String::new(),
                    members: Vec::new(),
                }));
            }
            Response::DescribeGroups(body) => {
                for group in &body.groups {
                    check(group.error_code, None, None)?;
                    groups.push(described(group));
                }
            }
            Response::DeleteGroups(body) => {
                for result in &body.results {
                    check(result.error_code, None, None)?;
                }
            }
            other => {
                let message = format!("{:?} was not asked for.", other.key());
                return Err(ClientError::new(FailureKind::Connection, message));
            }
        }
    }
    offsets.sort_by_key(|offset: &PartitionOffset| offset.partition);
    Ok(match call {
        AdminCall::ListOffsets { .. } => AdminReply::Offsets(offsets),
        AdminCall::ListGroups | AdminCall::DescribeGroups(_) => AdminReply::Groups(groups),
        _ => AdminReply::Done(true),
    })
}

fn reassigned(
    topic: &messages::list_partition_reassignments_response::OngoingTopicReassignment,
) -> TopicReassignments {
    let ids = |ids: &[messages::BrokerId]| ids.iter().map(|id| id.0).collect();
    let partitions = topic.partitions.iter().map(|partition| Reassignment {
        partition_index: partition.partition_index,
        replicas: ids(&partition.replicas),
        adding_replicas: ids(&partition.adding_replicas),
        removing_replicas: ids(&partition.removing_replicas),
    });
    TopicReassignments { topic: topic.name.to_string(), partitions: partitions.collect() }
}

fn elected(topic: &messages::elect_leaders_response::ReplicaElectionResult) -> TopicElections {
    let partitions = topic.partition_result.iter().map(|result| Election {
        partition: result.partition_id,
        error_code: result.error_code,
        error: ErrorCode::try_from_code(result.error_code).map(wire_name),
    });
    TopicElections { topic: topic.topic.to_string(), partitions: partitions.collect() }
}

fn quorum_of(body: &messages::DescribeQuorumResponse) -> Result<QuorumDescription, ClientError> {
    let partition = body.topics.first().and_then(|topic| topic.partitions.first());
    let Some(partition) = partition else {
        return Err(ClientError::new(FailureKind::Connection, "The quorum was not described."));
    };
    check(partition.error_code, partition.error_message.as_ref(), None)?;
    let replicas = |states: &[messages::describe_quorum_response::ReplicaState]| {
        let replica = |state: &messages::describe_quorum_response::ReplicaState| QuorumReplica {
            replica_id: state.replica_id.0,
            directory_id: state.replica_directory_id.to_string(),
            log_end_offset: state.log_end_offset.to_string(),
            last_fetch_timestamp: state.last_fetch_timestamp as f64,
            last_caught_up_timestamp: state.last_caught_up_timestamp as f64,
        };
        states.iter().map(replica).collect()
    };
    Ok(QuorumDescription {
        leader_id: partition.leader_id.0,
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark.to_string(),
        voters: replicas(&partition.current_voters),
        observers: replicas(&partition.observers),
    })
}

fn topics_of(body: &messages::MetadataResponse) -> Result<Vec<TopicDescription>, ClientError> {
    let ids = |ids: &[messages::BrokerId]| ids.iter().map(|id| id.0).collect();
    let mut topics = Vec::new();
    for topic in &body.topics {
        let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
        check(topic.error_code, None, Some(&name))?;
        let mut partitions: Vec<PartitionDescription> = topic
            .partitions
            .iter()
            .map(|partition| PartitionDescription {
                partition_error_code: partition.error_code,
                partition_id: partition.partition_index,
                leader: partition.leader_id.0,
                replicas: ids(&partition.replica_nodes),
                isr: ids(&partition.isr_nodes),
                offline_replicas: ids(&partition.offline_replicas),
            })
            .collect();
        partitions.sort_by_key(|partition| partition.partition_id);
        topics.push(TopicDescription { name, internal: topic.is_internal, partitions });
    }
    Ok(topics)
}

fn committed_of(body: &messages::OffsetFetchResponse) -> Result<Vec<CommittedTopic>, ClientError> {
    let mut topics = Vec::new();
    for topic in &body.topics {
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            check(partition.error_code, None, Some(topic.name.as_str()))?;
            partitions.push(CommittedPartition {
                partition: partition.partition_index,
                offset: partition.committed_offset.to_string(),
                metadata: partition.metadata.as_ref().map(|metadata| metadata.to_string()),
            });
        }
        topics.push(CommittedTopic { topic: topic.name.to_string(), partitions });
    }
    Ok(topics)
}

fn described(group: &messages::describe_groups_response::DescribedGroup) -> GroupDescription {
    let members = group.members.iter().map(|member| MemberDescription {
        member_id: member.member_id.to_string(),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        topics: decode_subscription(&member.member_metadata)
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect(),
        assignment: decode_assignment(&member.member_assignment)
            .unwrap_or_default()
            .into_iter()
            .map(|(topic, partitions)| (topic.to_string(), partitions))
            .collect(),
    });
    GroupDescription {
        group_id: group.group_id.to_string(),
        protocol_type: group.protocol_type.to_string(),
        state: group.group_state.to_string(),
        protocol: group.protocol_data.to_string(),
        members: members.collect(),
    }
}

fn synonym(synonym: &messages::describe_configs_response::DescribeConfigsSynonym) -> ConfigSynonym {
    ConfigSynonym {
        config_name: synonym.name.to_string(),
        config_value: synonym.value.as_ref().map(|value| value.to_string()),
        config_source: synonym.source,
    }
}
