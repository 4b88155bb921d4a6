//! What brokers tell the page: its only source of truth. Each is emitted where the fact happens, by the broker it
//! happens to; the host adds the broker's id and the time.

use serde::Serialize;

use crate::types::{BrokerId, Generation, LeaderEpoch, Offset, PartitionEpoch, PartitionIndex, TopicName};

/// One fact of a broker's life. Most are discrete and never dropped; the frequent ones (`is_frequent`) say how things stand,
/// and the host keeps only the latest of each key per frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ClusterEvent {
    /// This node's role in the Raft quorum changed.
    QuorumRole {
        /// `unattached`, `voted`, `candidate`, `follower`, `leader`, `resigned`, `observer`.
        role: &'static str,
        /// The quorum's epoch.
        epoch: LeaderEpoch,
        /// The quorum's leader as this node knows it.
        leader: Option<BrokerId>,
    },
    /// This node is now the active controller (its leadership is committed).
    ControllerActive {
        /// The quorum's epoch.
        epoch: LeaderEpoch,
    },
    /// This node has a new snapshot of the metadata log.
    MetadataSnapshot {
        /// It stands for everything below.
        end: Offset,
        /// The epoch of the last record below.
        epoch: LeaderEpoch,
        /// Its size.
        bytes: u64,
        /// It came from the leader.
        fetched: bool,
    },
    /// The voters of the quorum, as this node's log names them, changed.
    QuorumVoters {
        /// All of them.
        voters: Vec<BrokerId>,
    },
    /// This broker's own standing changed: `registered` (fenced), `running` (it may lead).
    BrokerState {
        /// Which.
        state: &'static str,
    },
    /// This broker could not run for so long that others may lead in its place; it re-checks before it goes on.
    Paused {
        /// How long it was late, in ms.
        for_ms: u64,
    },
    /// The controller registered a broker.
    BrokerRegistered {
        /// Which.
        id: BrokerId,
    },
    /// The controller fenced a broker: it leads nothing and is in no ISR until it is back.
    BrokerFenced {
        /// Which.
        id: BrokerId,
    },
    /// The controller unfenced a broker: it may lead.
    BrokerUnfenced {
        /// Which.
        id: BrokerId,
    },
    /// The controller created a topic.
    TopicCreated {
        /// Its name.
        topic: TopicName,
        /// How many partitions.
        partitions: usize,
        /// Replicas of each.
        replication_factor: usize,
    },
    /// The controller added partitions to a topic.
    PartitionsCreated {
        /// The topic.
        topic: TopicName,
        /// How many it has now.
        partitions: usize,
    },
    /// The controller changed a config of a topic. Those that a new topic begins with are not told.
    ConfigChanged {
        /// The topic.
        topic: TopicName,
        /// The config.
        name: String,
        /// Its value; none: its default again.
        value: Option<String>,
    },
    /// The controller deleted a topic.
    TopicDeleted {
        /// Its name.
        topic: TopicName,
    },
    /// The controller forgot a broker: it has left the cluster.
    BrokerUnregistered {
        /// Which.
        id: BrokerId,
    },
    /// The controller changed a partition: a new leader, another ISR, or other replicas.
    PartitionChanged {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The leader; none while no replica of the ISR is alive.
        leader: Option<BrokerId>,
        /// The leader epoch.
        leader_epoch: LeaderEpoch,
        /// Raised by each change of the partition.
        partition_epoch: PartitionEpoch,
        /// Replicas, preferred leader first. During a reassignment those that are to be, then those that go.
        replicas: Vec<BrokerId>,
        /// Those that a reassignment brings.
        adding: Vec<BrokerId>,
        /// Those that go when it is complete.
        removing: Vec<BrokerId>,
        /// The in-sync replicas.
        isr: Vec<BrokerId>,
        /// Replicas that may lead when the ISR is empty (KIP-966).
        elr: Vec<BrokerId>,
        /// True when this change elected a leader (the epoch rose).
        elected: bool,
        /// True when the leader elected may lack committed records.
        unclean: bool,
    },
    /// This broker took a role in a partition.
    PartitionRole {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// `leader`, `follower`, or `offline` (no leader known).
        role: &'static str,
        /// The leader.
        leader: Option<BrokerId>,
        /// The leader epoch.
        leader_epoch: LeaderEpoch,
        /// Raised by each change of the partition.
        partition_epoch: PartitionEpoch,
        /// Replicas, preferred leader first.
        replicas: Vec<BrokerId>,
        /// The in-sync replicas.
        isr: Vec<BrokerId>,
    },
    /// How far a replica on this broker is. Frequent.
    PartitionProgress {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The first offset kept.
        log_start: Offset,
        /// Consumers see records below this.
        high_watermark: Offset,
        /// The offset of the next record.
        log_end: Offset,
        /// Bytes kept.
        bytes: u64,
    },
    /// The segments of a log on this broker: told when it is opened and whenever they change, however they did. Frequent.
    LogSegments {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// Of each its base offset and its bytes, ascending. The last is active: it grows on, and only
        /// `PartitionProgress` tells.
        segments: Vec<(Offset, u64)>,
    },
    /// A client asked this broker, the leader, for records from an offset on: where it reads. Frequent.
    ConsumerFetched {
        /// What the client calls itself.
        client_id: String,
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The offset.
        offset: Offset,
    },
    /// A replica on this broker cut its log to agree with its leader.
    Truncated {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The log end offset before.
        from: Offset,
        /// The log end offset after.
        to: Offset,
    },
    /// A log of this broker started a new segment.
    SegmentRolled {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// Its base offset.
        base: Offset,
    },
    /// Retention deleted a log's oldest segments on this broker.
    SegmentsDeleted {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The log start offset before.
        from: Offset,
        /// The log start offset now.
        to: Offset,
        /// Bytes freed.
        bytes: u64,
        /// `retention.ms` or `retention.bytes`.
        reason: &'static str,
    },
    /// This broker compacts a log: told when it begins, and again each twentieth of the way.
    LogCompacting {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// How much of the work is done, in thousandths: 0 to 999.
        permille: u32,
        /// Up to where it compacts (exclusive).
        to: Offset,
    },
    /// Compaction of a log on this broker ended before its end: configs changed, the log was cut, a write failed, or there
    /// is damage. What it has done stays.
    LogCompactionStopped {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The log is clean up to here (exclusive).
        at: Offset,
    },
    /// Compaction took records out of a log on this broker whose keys have later ones.
    LogCompacted {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// Where the cleaned part begins.
        from: Offset,
        /// Where it ends (exclusive).
        to: Offset,
        /// Its bytes before.
        bytes_before: u64,
        /// Its bytes now.
        bytes_after: u64,
        /// How many records went.
        records_removed: u64,
    },
    /// On opening, a log's tail was not whole and was cut.
    LogRecovered {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The log end offset after the cut: the first offset that is gone.
        end: Offset,
        /// Bytes cut, from there to the end of what storage held.
        bytes_cut: u64,
        /// What was wrong.
        reason: String,
    },
    /// What this broker's storage holds of a closed segment is not what was stored. With other replicas in sync one of
    /// them leads from now on, and this broker fetches it again; else reads there are refused, and reads behind it are
    /// served.
    LogDamaged {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The first offset that can't be read.
        from: Offset,
        /// Where records go on; none when that is further than was looked.
        to: Option<Offset>,
    },
    /// A consumer group's state changed on its coordinator.
    GroupState {
        /// The group.
        group: String,
        /// Kafka's state name: `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable`, `Dead`.
        state: &'static str,
        /// The generation.
        generation: Generation,
        /// Member ids with their client ids.
        members: Vec<(String, String)>,
        /// Why it changed, in plain words.
        reason: String,
    },
    /// A group committed offsets. Frequent.
    OffsetsCommitted {
        /// The group.
        group: String,
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The next offset the group will read.
        offset: Offset,
    },
    /// Storage refused a write; nothing of it was acknowledged.
    StorageFailed {
        /// The storage's own words.
        reason: String,
    },
    /// A connection was closed because what it sent could not be served.
    ConnectionRefused {
        /// What was wrong with it.
        reason: String,
    },
    /// Controlled shutdown is done: this broker may stop.
    ReadyToStop,
}

impl ClusterEvent {
    /// True for the kinds of which only the latest counts.
    pub fn is_frequent(&self) -> bool {
        matches!(
            self,
            ClusterEvent::PartitionProgress { .. }
                | ClusterEvent::LogSegments { .. }
                | ClusterEvent::ConsumerFetched { .. }
                | ClusterEvent::OffsetsCommitted { .. }
        )
    }
}
