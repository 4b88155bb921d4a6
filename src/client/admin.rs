//! The admin: calls on the cluster, each made again on retriable errors until its deadline.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::protocol::consumer_protocol::{decode_assignment, decode_subscription};
use crate::protocol::messages::create_partitions_request::CreatePartitionsTopic;
use crate::protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use crate::protocol::messages::delete_topics_request::DeleteTopicState;
use crate::protocol::messages::describe_configs_request::DescribeConfigsResource;
use crate::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use crate::protocol::messages::{
    self, CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeClusterRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, IncrementalAlterConfigsRequest, ListGroupsRequest, ListOffsetsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
};
use crate::protocol::{ErrorCode, Request, Response, StrBytes};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, TopicName};

use super::net::{Lane, Net, RETRY, Tag};
use super::{
    CallId, Client, ClientError, ClientInput, ClientOptions, ClientOutput, FailureKind, NetError, Outbox,
    not_before, wire_topic,
};

/// A broker may learn of a new topic a little after the controller.
const UNKNOWN_TOPIC_GRACE: Duration = Duration::from_millis(500);
const FIND_VERSION_MAX: i16 = 3;

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub topic: String,
    /// Partitions; none leaves it to the broker.
    pub partitions: Option<i32>,
    /// Replicas; none leaves it to the broker.
    pub replication_factor: Option<i16>,
    /// Configs by name.
    pub configs: Vec<(String, String)>,
}

/// A config's name and its new value; none unsets it.
pub type ConfigChange = (String, Option<String>);

/// What an admin can be asked.
#[derive(Debug, Clone)]
pub enum AdminCall {
    /// Create topics.
    CreateTopics {
        /// Which.
        topics: Vec<NewTopic>,
        /// Only check.
        validate_only: bool,
    },
    /// Delete topics.
    DeleteTopics(Vec<String>),
    /// Raise the number of partitions: topic and new count.
    CreatePartitions(Vec<(String, i32)>),
    /// Topics with their partitions; none means all.
    FetchTopicMetadata(Option<Vec<String>>),
    /// Offsets of a topic's partitions by timestamp (-1 latest, -2 earliest).
    ListOffsets {
        /// The topic.
        topic: String,
        /// Ms since the Unix epoch, or one of Kafka's words.
        timestamp: i64,
    },
    /// Delete the records below an offset: partition and offset (-1 for all that is committed).
    DeleteRecords {
        /// The topic.
        topic: String,
        /// Partition and the first offset that stays.
        partitions: Vec<(i32, i64)>,
    },
    /// A group's committed offsets; without topics, all.
    FetchOffsets {
        /// The group.
        group: String,
        /// Topic and partitions.
        topics: Option<Vec<(String, Vec<i32>)>>,
    },
    /// Commit for a group without members.
    SetOffsets {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
        /// Partition and offset.
        partitions: Vec<(i32, i64)>,
    },
    /// The cluster.
    DescribeCluster,
    /// Configs of a resource: its type (2 topic, 4 broker) and name.
    DescribeConfigs(Vec<(i8, String)>),
    /// Set (or, without a value, unset) configs of a resource.
    AlterConfigs(Vec<(i8, String, Vec<ConfigChange>)>),
    /// All groups.
    ListGroups,
    /// Groups in detail.
    DescribeGroups(Vec<String>),
    /// Delete groups.
    DeleteGroups(Vec<String>),
    /// Close the connections.
    Close,
}

/// What an admin answers; plain data for the host.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub enum AdminReply {
    /// Done.
    Done(bool),
    /// Topics.
    Topics(Vec<TopicDescription>),
    /// Offsets by partition.
    Offsets(Vec<PartitionOffset>),
    /// Committed offsets.
    Committed(Vec<CommittedTopic>),
    /// The cluster.
    Cluster {
        /// Brokers.
        brokers: Vec<BrokerDescription>,
        /// The active controller.
        controller: Option<i32>,
        /// The cluster's id.
        cluster_id: String,
    },
    /// Configs.
    Configs(Vec<ConfigDescription>),
    /// Groups.
    Groups(Vec<GroupDescription>),
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct TopicDescription {
    pub name: String,
    pub internal: bool,
    pub partitions: Vec<PartitionDescription>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PartitionDescription {
    pub partition_error_code: i16,
    pub partition_id: i32,
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub offline_replicas: Vec<i32>,
}

/// One partition's offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PartitionOffset {
    pub partition: i32,
    pub offset: String,
}

/// A group's offsets of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CommittedTopic {
    pub topic: String,
    pub partitions: Vec<CommittedPartition>,
}

/// A group's offset of one partition; "-1" without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct CommittedPartition {
    pub partition: i32,
    pub offset: String,
    pub metadata: Option<String>,
}

/// One broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct BrokerDescription {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
}

/// One resource's configs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ConfigDescription {
    pub resource_type: i8,
    pub resource_name: String,
    pub config_entries: Vec<ConfigValue>,
}

/// One config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ConfigValue {
    pub config_name: String,
    pub config_value: Option<String>,
    pub read_only: bool,
    pub is_default: bool,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct GroupDescription {
    pub group_id: String,
    pub protocol_type: String,
    pub state: String,
    pub protocol: String,
    pub members: Vec<MemberDescription>,
}

/// One member; topics and partitions as the embedded consumer protocol has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct MemberDescription {
    pub member_id: String,
    pub client_id: String,
    pub client_host: String,
    pub topics: Vec<String>,
    pub assignment: BTreeMap<String, Vec<i32>>,
}

/// Where a request goes.
enum Target {
    Any,
    Broker(BrokerId),
    Every,
    Coordinator(String),
    /// The leaders of a topic's partitions: of these, or of all.
    Leaders(String, Option<Vec<i32>>),
}

#[derive(Debug)]
struct Task {
    call: AdminCall,
    called_at: Instant,
    failures: u32,
    /// An earlier attempt may have taken effect.
    unknown: bool,
    deadline: Instant,
    /// When to try (again); none while requests are under way.
    try_at: Option<Instant>,
    waiting: BTreeMap<Tag, Step>,
    gathered: Vec<Response>,
    coordinator: Option<BrokerId>,
    last_error: Option<ClientError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Find,
    Ask,
}

/// See the module's head.
pub struct Admin {
    now: Instant,
    timeout: Duration,
    request_timeout: Duration,
    net: Net,
    out: Outbox<AdminReply, ()>,
    tasks: BTreeMap<CallId, Task>,
    closed: bool,
}

impl Client for Admin {
    type Call = AdminCall;
    type Reply = AdminReply;
    type Event = ();

    fn handle(&mut self, now: Instant, input: ClientInput<AdminCall>) {
        self.now = now;
        match input {
            ClientInput::Call(id, call) => self.call(now, id, call),
            ClientInput::Opened(conn) => self.net.opened(now, conn),
            ClientInput::Closed(conn) => self.net.closed(now, conn),
            ClientInput::Bytes(conn, bytes) => self.net.received(now, conn, bytes),
            ClientInput::Tick => {}
        }
        self.turn(now);
    }

    fn poll_output(&mut self) -> ClientOutput<AdminReply, ()> {
        self.out
            .pop(&mut self.net)
            .unwrap_or_else(|| ClientOutput::Wait(not_before(self.now, self.next_deadline())))
    }
}

impl Admin {
    /// An admin whose calls may take up to `timeout`.
    pub fn new(options: ClientOptions, timeout: Duration) -> Self {
        let mut net = Net::new(options.client_id.clone(), options.bootstrap.clone(), options.request_timeout);
        net.forbid_creation();
        Self {
            now: Instant::default(),
            timeout,
            request_timeout: options.request_timeout,
            net,
            out: Outbox::default(),
            tasks: BTreeMap::new(),
            closed: false,
        }
    }

    fn call(&mut self, now: Instant, id: CallId, call: AdminCall) {
        if matches!(call, AdminCall::Close) {
            self.closed = true;
            self.net.close();
            for (task, _) in std::mem::take(&mut self.tasks) {
                let error = ClientError::new(FailureKind::Closed, "The admin was closed first.");
                self.out.reply(task, Err(error));
            }
            return self.out.reply(id, Ok(AdminReply::Done(true)));
        }
        if self.closed {
            return self.out.reply(id, Err(ClientError::new(FailureKind::Closed, "The admin is closed.")));
        }
        self.net.refresh(now);
        if let AdminCall::ListOffsets { topic, .. } | AdminCall::DeleteRecords { topic, .. } = &call {
            // What was known may be of fewer partitions.
            self.net.forget_topic(&TopicName::from(topic.as_str()));
        }
        let task = Task {
            call,
            called_at: now,
            failures: 0,
            unknown: false,
            deadline: now + self.timeout,
            try_at: Some(now),
            waiting: BTreeMap::new(),
            gathered: Vec::new(),
            coordinator: None,
            last_error: None,
        };
        self.tasks.insert(id, task);
    }

    fn turn(&mut self, now: Instant) {
        self.net.tick(now);
        while let Some((tag, result)) = self.net.pop_result(now) {
            self.on_result(now, tag, result);
        }
        let ids: Vec<CallId> = self.tasks.keys().copied().collect();
        for id in ids {
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            if task.deadline > now && task.try_at.is_some_and(|at| at <= now) {
                self.attempt(now, &mut task);
            }
            if task.deadline <= now {
                self.forget_topic_of(&task.call);
                let error = task.last_error.unwrap_or_else(|| {
                    ClientError::new(FailureKind::Timeout, "The call was not answered in time.")
                });
                self.out.reply(id, Err(error));
                continue;
            }
            self.tasks.insert(id, task);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.tasks.values().fold(self.net.next_deadline(), |next, task| {
            earliest(next, Some(task.try_at.unwrap_or(task.deadline).min(task.deadline)))
        })
    }

    /// Sends what a task needs; what is not known yet is asked for first.
    fn attempt(&mut self, now: Instant, task: &mut Task) {
        task.gathered.clear();
        task.try_at = Some(now + RETRY);
        let timeout = task.deadline.since(now).min(self.request_timeout);
        let mut sends: Vec<(BrokerId, Request)> = Vec::new();
        match target(&task.call) {
            Target::Any => {
                let tag =
                    self.net.send_to_any(now, request(&task.call, None), version_max(&task.call), timeout);
                task.waiting.insert(tag, Step::Ask);
            }
            Target::Broker(id) => sends.push((id, request(&task.call, None))),
            Target::Every => {
                sends.extend(self.net.brokers().keys().map(|id| (*id, request(&task.call, None))));
            }
            Target::Coordinator(group) => match task.coordinator {
                Some(id) => sends.push((id, request(&task.call, None))),
                None => {
                    let key = StrBytes::from_string(group);
                    let body = FindCoordinatorRequest::default().with_key(key).with_key_type(0);
                    let tag = self.net.send_to_any(now, body.into(), FIND_VERSION_MAX, timeout);
                    task.waiting.insert(tag, Step::Find);
                }
            },
            Target::Leaders(topic, wanted) => {
                let name = TopicName::from(topic.as_str());
                self.net.want_topic(now, &name);
                let Some(meta) = self.net.topic(&name) else { return };
                if let Some(error) = meta.error {
                    let error_now = ClientError::protocol(error, None);
                    if given_at_once(task, now, &error_now) || !error_now.retriable() {
                        task.deadline = now;
                    }
                    self.net.refresh_soon(now);
                    task.last_error = Some(ClientError::protocol(error, None).at(&topic, None));
                    return;
                }
                let mut leaders: BTreeMap<BrokerId, Vec<i32>> = BTreeMap::new();
                let all = || meta.partitions.keys().copied().collect();
                for partition in &wanted.unwrap_or_else(all) {
                    if !meta.partitions.contains_key(partition) {
                        let error = ClientError::protocol(ErrorCode::UnknownTopicOrPartition, None);
                        task.last_error = Some(error.at(&topic, Some(*partition)));
                        task.deadline = now;
                        return;
                    }
                    let Some(leader) = self.net.leader(&name, *partition) else {
                        let error = ClientError::protocol(ErrorCode::LeaderNotAvailable, None);
                        task.last_error = Some(error.at(&topic, Some(*partition)));
                        self.net.refresh_soon(now);
                        return;
                    };
                    leaders.entry(leader).or_default().push(*partition);
                }
                sends.extend(
                    leaders.iter().map(|(id, partitions)| (*id, request(&task.call, Some(partitions)))),
                );
            }
        }
        for (id, body) in sends {
            let tag = self.net.send(now, id, Lane::Meta, body, version_max(&task.call), timeout);
            task.waiting.insert(tag, Step::Ask);
        }
        if !task.waiting.is_empty() {
            task.try_at = None;
        }
    }

    fn on_result(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        let found = self.tasks.iter().find(|(_, task)| task.waiting.contains_key(&tag)).map(|(id, _)| *id);
        let Some((id, mut task)) = found.and_then(|id| Some((id, self.tasks.remove(&id)?))) else { return };
        let step = task.waiting.remove(&tag);
        match (step, result) {
            (Some(Step::Find), Ok(Response::FindCoordinator(body))) => {
                match ErrorCode::try_from_code(body.error_code) {
                    None => {
                        let coordinator = BrokerId(body.node_id.0);
                        self.net.learn_broker(coordinator, body.host.to_string(), body.port as u16);
                        task.coordinator = Some(coordinator);
                        task.try_at = Some(now);
                    }
                    Some(error) => return self.failed(now, id, task, ClientError::protocol(error, None)),
                }
            }
            (_, Ok(response)) => {
                task.gathered.push(response);
                if task.waiting.is_empty() {
                    let gone = FailureKind::Protocol(ErrorCode::UnknownTopicOrPartition);
                    return match conclude(&task.call, &task.gathered, &self.net) {
                        // Deleted by an attempt whose answer was lost.
                        Err(error)
                            if task.unknown
                                && error.kind == gone
                                && matches!(task.call, AdminCall::DeleteTopics(_)) =>
                        {
                            self.out.reply(id, Ok(AdminReply::Done(true)));
                        }
                        Ok(reply) => {
                            self.forget_topic_of(&task.call);
                            self.out.reply(id, Ok(reply));
                        }
                        Err(error) => self.failed(now, id, task, error),
                    };
                }
            }
            (step, Err(error)) => {
                task.unknown |= step == Some(Step::Ask) && error != NetError::Unreachable;
                let error = ClientError::from(&error);
                return self.failed(now, id, task, error);
            }
        }
        self.tasks.insert(id, task);
    }

    /// Keeps no metadata that only this call needed.
    fn forget_topic_of(&mut self, call: &AdminCall) {
        if let AdminCall::ListOffsets { topic, .. } | AdminCall::DeleteRecords { topic, .. } = call {
            self.net.forget_topic(&TopicName::from(topic.as_str()));
        }
    }

    /// Another attempt, if that can help and there is time.
    fn failed(&mut self, now: Instant, id: CallId, mut task: Task, error: ClientError) {
        if !error.retriable() || given_at_once(&task, now, &error) {
            self.forget_topic_of(&task.call);
            return self.out.reply(id, Err(error));
        }
        task.last_error = Some(error);
        task.coordinator = None;
        task.waiting.clear();
        task.failures += 1;
        task.try_at = Some(now + RETRY * task.failures.min(6));
        self.net.refresh(now);
        self.tasks.insert(id, task);
    }
}

/// Retriable by Kafka's table, but for an admin's call an answer: the controller knows, and other brokers a little later.
fn given_at_once(task: &Task, now: Instant, error: &ClientError) -> bool {
    let unknown = error.kind == FailureKind::Protocol(ErrorCode::UnknownTopicOrPartition)
        || error.kind == FailureKind::Protocol(ErrorCode::UnknownTopicId);
    let by_controller = matches!(task.call, AdminCall::DeleteTopics(_) | AdminCall::CreatePartitions(_));
    unknown && (by_controller || now.since(task.called_at) >= UNKNOWN_TOPIC_GRACE)
}

fn target(call: &AdminCall) -> Target {
    match call {
        AdminCall::ListOffsets { topic, .. } => Target::Leaders(topic.clone(), None),
        AdminCall::DeleteRecords { topic, partitions } => {
            Target::Leaders(topic.clone(), Some(partitions.iter().map(|(partition, _)| *partition).collect()))
        }
        AdminCall::FetchOffsets { group, .. } | AdminCall::SetOffsets { group, .. } => {
            Target::Coordinator(group.clone())
        }
        AdminCall::ListGroups => Target::Every,
        // One group a call: the host splits.
        AdminCall::DescribeGroups(groups) | AdminCall::DeleteGroups(groups) => {
            Target::Coordinator(groups.first().cloned().unwrap_or_default())
        }
        AdminCall::DescribeConfigs(resources) => {
            let broker =
                resources.iter().find(|(kind, _)| *kind == 4).and_then(|(_, name)| name.parse().ok());
            broker.map_or(Target::Any, |id| Target::Broker(BrokerId(id)))
        }
        _ => Target::Any,
    }
}

fn version_max(call: &AdminCall) -> i16 {
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

fn request(call: &AdminCall, partitions: Option<&[i32]>) -> Request {
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
            DescribeConfigsRequest::default().with_resources(resources.collect()).into()
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
        AdminCall::ListGroups => ListGroupsRequest::default().into(),
        AdminCall::DescribeGroups(groups) => {
            let groups = groups.iter().map(|group| messages::GroupId(text(group)));
            DescribeGroupsRequest::default().with_groups(groups.collect()).into()
        }
        AdminCall::DeleteGroups(groups) => {
            let groups = groups.iter().map(|group| messages::GroupId(text(group)));
            DeleteGroupsRequest::default().with_groups_names(groups.collect()).into()
        }
        AdminCall::Close => unreachable!("closing asks nobody"),
    }
}

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
fn conclude(call: &AdminCall, responses: &[Response], net: &Net) -> Result<AdminReply, ClientError> {
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
            Response::DescribeConfigs(body) => {
                let mut all = Vec::new();
                for result in &body.results {
                    check(result.error_code, result.error_message.as_ref(), None)?;
                    let entries = result.configs.iter().map(|config| ConfigValue {
                        config_name: config.name.to_string(),
                        config_value: config.value.as_ref().map(|value| value.to_string()),
                        read_only: config.read_only,
                        is_default: config.config_source == 5,
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
