//! What the broker tells its replicas of the cluster, and what they tell its coordinators.

use crate::config::TopicConfig;
use crate::types::{
    BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, TopicId, TopicPartition,
};

/// One partition as the metadata log has it.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionSpec {
    /// Its name.
    pub tp: TopicPartition,
    /// Its topic's id.
    pub topic_id: TopicId,
    /// The leader; none while no replica of the ISR is alive.
    pub leader: Option<BrokerId>,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// The version of this state.
    pub partition_epoch: PartitionEpoch,
    /// Replicas, preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
    /// The topic's configuration, resolved.
    pub config: TopicConfig,
}

impl PartitionSpec {
    /// Its log in any broker's storage.
    pub fn log_id(&self) -> LogId {
        LogId { topic_id: self.topic_id, partition: self.tp.partition }
    }
}

/// A broker that is registered, unfenced and not shutting down: it may join an ISR (KIP-841, KIP-903).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveBroker {
    /// Its id.
    pub id: BrokerId,
    /// The epoch of its registration.
    pub epoch: BrokerEpoch,
    /// The host name for clients.
    pub host: String,
    /// The port for clients.
    pub port: u16,
    /// Its rack.
    pub rack: Option<String>,
}

/// What became of a partition of an internal topic here: what coordinators live by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleChange {
    /// This broker leads the partition from now on.
    BecameLeader {
        /// The partition.
        tp: TopicPartition,
        /// The leader epoch.
        epoch: LeaderEpoch,
    },
    /// This broker leads the partition no longer.
    Resigned {
        /// The partition.
        tp: TopicPartition,
        /// The last leader epoch it led in.
        epoch: LeaderEpoch,
    },
    /// This broker leads the partition as before, and a write has failed: what was appended last is gone.
    CutBack {
        /// The partition.
        tp: TopicPartition,
        /// The leader epoch.
        epoch: LeaderEpoch,
        /// Where the log ends now.
        end: Offset,
    },
}
