//! What an admin can be asked, and what it answers: plain data.

use serde::Serialize;

use crate::sorted::SortedMap;
use crate::types::Uuid;

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

/// A partition and the replicas it is to have, preferred leader first; none cancels.
pub type NewReplicas = (i32, Option<Vec<i32>>);

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
    /// Move partitions to other replicas; without replicas, cancel what is under way.
    AlterPartitionReassignments(Vec<(String, Vec<NewReplicas>)>),
    /// Partitions whose replicas are on their way: of these topics' partitions, or all.
    ListPartitionReassignments(Option<Vec<(String, Vec<i32>)>>),
    /// Elect leaders: of these topics' partitions, or of all.
    ElectLeaders {
        /// Replicas that lack records may lead where nobody else can; else the preferred ones are wanted.
        unclean: bool,
        /// Topic and partitions.
        partitions: Option<Vec<(String, Vec<i32>)>>,
    },
    /// Forget a broker that has left.
    UnregisterBroker(i32),
    /// All groups.
    ListGroups,
    /// Groups in detail.
    DescribeGroups(Vec<String>),
    /// Delete groups.
    DeleteGroups(Vec<String>),
    /// The quorum's voters and observers.
    DescribeQuorum,
    /// Make a broker a voter.
    AddRaftVoter {
        /// Which.
        id: i32,
        /// The id of its storage.
        directory: Uuid,
        /// Where it is.
        host: String,
        /// Where it is.
        port: u16,
    },
    /// Make a voter an observer.
    RemoveRaftVoter {
        /// Which.
        id: i32,
        /// The id of its storage.
        directory: Uuid,
    },
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
    /// Reassignments under way.
    Reassignments(Vec<TopicReassignments>),
    /// How elections went.
    Elections(Vec<TopicElections>),
    /// The quorum.
    Quorum(QuorumDescription),
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

/// The quorum of the metadata log.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct QuorumDescription {
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub high_watermark: String,
    pub voters: Vec<QuorumReplica>,
    pub observers: Vec<QuorumReplica>,
}

/// A voter or an observer; -1 for a time or offset that is not known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct QuorumReplica {
    pub replica_id: i32,
    pub directory_id: String,
    pub log_end_offset: String,
    pub last_fetch_timestamp: f64,
    pub last_caught_up_timestamp: f64,
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
    pub config_source: i8,
    pub config_synonyms: Vec<ConfigSynonym>,
}

/// Where else a config's value may come from: its default is the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ConfigSynonym {
    pub config_name: String,
    pub config_value: Option<String>,
    pub config_source: i8,
}

/// A topic's partitions whose replicas are on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct TopicReassignments {
    pub topic: String,
    pub partitions: Vec<Reassignment>,
}

/// A partition whose replicas are on their way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Reassignment {
    pub partition_index: i32,
    pub replicas: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub removing_replicas: Vec<i32>,
}

/// How a topic's elections went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct TopicElections {
    pub topic: String,
    pub partitions: Vec<Election>,
}

/// How one partition's election went: 0, or Kafka's error with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct Election {
    pub partition: i32,
    pub error_code: i16,
    pub error: Option<String>,
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
    pub assignment: SortedMap<String, Vec<i32>>,
}
