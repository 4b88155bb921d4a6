//! Newtypes for every number and name with a meaning. Wire sentinels (`-1`) end at `protocol/`: from here up an absent
//! value is an `Option`.

use std::fmt;
use std::sync::Arc;

pub use uuid::Uuid;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

number! {
    /// A broker's node id; in combined mode also its voter id. Never negative.
    BrokerId(i32)
}
number! {
    /// The epoch the controller gives a broker at registration: the offset of its `RegisterBrokerRecord` (KIP-631).
    BrokerEpoch(i64)
}
number! {
    /// The number of a record in a partition, counted from 0. End offsets are exclusive.
    Offset(i64)
}
number! {
    /// The number of a partition's (or of the quorum's) leadership, raised by each election (KIP-101, Raft's term).
    LeaderEpoch(i32)
}
number! {
    /// The version of a partition's state in the metadata log, raised by each change; fences `AlterPartition` (KIP-497).
    PartitionEpoch(i32)
}
number! {
    /// The number of a partition within its topic, from 0.
    PartitionIndex(i32)
}
number! {
    /// An idempotent producer's id, unique in the cluster (KIP-98).
    ProducerId(i64)
}
number! {
    /// Fences older instances of one producer id (KIP-98).
    ProducerEpoch(i16)
}
number! {
    /// A consumer group's generation: one per completed rebalance.
    Generation(i32)
}

impl Offset {
    /// The first offset of every log.
    pub const ZERO: Offset = Offset(0);

    /// The offset `count` records further on.
    pub fn plus(self, count: i64) -> Offset {
        Offset(self.0 + count)
    }
}

impl LeaderEpoch {
    /// The epoch after this one.
    pub fn next(self) -> LeaderEpoch {
        LeaderEpoch(self.0 + 1)
    }
}

/// A topic's id (KIP-516). Random for user topics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// The reserved id of `__cluster_metadata` (Kafka's `Uuid.METADATA_TOPIC_ID`).
    pub const METADATA: TopicId = TopicId(Uuid::from_u128(1));
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

/// A topic's name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for TopicName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The Raft log's topic.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// The topic that holds committed group offsets and group metadata.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// One partition of one topic, by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition within it.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// `topic`-`partition`.
    pub fn new(topic: impl Into<TopicName>, partition: i32) -> Self {
        Self { topic: topic.into(), partition: PartitionIndex(partition) }
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A log in a broker's storage: by topic id, so that a topic deleted and made again by the same name is another log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition within it.
    pub partition: PartitionIndex,
}

impl LogId {
    /// The Raft log `__cluster_metadata-0`.
    pub const METADATA: LogId = LogId { topic_id: TopicId::METADATA, partition: PartitionIndex(0) };
    /// Where its snapshots are stored (drawn in `quorum/snapshot.rs`): not a partition.
    pub const SNAPSHOTS: LogId = LogId { topic_id: TopicId::METADATA, partition: PartitionIndex(1) };
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}

impl std::str::FromStr for LogId {
    type Err = ();

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (topic, partition) = text.rsplit_once('-').ok_or(())?;
        Ok(LogId {
            topic_id: TopicId(Uuid::try_parse(topic).map_err(|_| ())?),
            partition: PartitionIndex(partition.parse().map_err(|_| ())?),
        })
    }
}

/// How a batch's records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

impl Compression {
    /// Each, in the order of its bits.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// From the attributes' lowest three bits.
    pub fn from_bits(bits: i16) -> Option<Compression> {
        Some(match bits & 7 {
            0 => Compression::None,
            1 => Compression::Gzip,
            2 => Compression::Snappy,
            3 => Compression::Lz4,
            4 => Compression::Zstd,
            _ => return None,
        })
    }

    /// As the attributes' lowest three bits.
    pub fn bits(self) -> i16 {
        self as i16
    }

    /// By the name that `compression.type` has for it.
    pub fn named(name: &str) -> Option<Compression> {
        Compression::ALL.into_iter().find(|codec| codec.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
