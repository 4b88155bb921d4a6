//! What this broker knows of the cluster's partitions and brokers: how requests name partitions, who leads them, who may
//! join an ISR.

use crate::mutation::{Mutation, mutated};
use crate::protocol::{ErrorCode, messages};
use crate::sorted::SortedMap;
use crate::types::{
    BrokerEpoch, BrokerId, LeaderEpoch, LogId, METADATA_TOPIC, OFFSETS_TOPIC, PartitionEpoch, PartitionIndex,
    TopicId, TopicName, TopicPartition, Uuid,
};

use super::manager::ReplicaManager;
use super::produce::topic_name;
use super::spec::{LiveBroker, PartitionSpec};

/// What is known of a partition, hosted here or not.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) tp: TopicPartition,
    pub(super) leader: Option<BrokerId>,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) partition_epoch: PartitionEpoch,
}

impl ReplicaManager {
    pub(super) fn know(&mut self, spec: &PartitionSpec) {
        let known = Known {
            tp: spec.tp.clone(),
            leader: spec.leader,
            leader_epoch: spec.leader_epoch,
            partition_epoch: spec.partition_epoch,
        };
        let id = spec.log_id();
        if self.known.get(&id).is_none_or(|old| old.partition_epoch <= known.partition_epoch) {
            self.known.insert(id, known);
        }
        self.topics.insert(spec.tp.topic.clone(), spec.topic_id);
    }

    pub(super) fn forget(&mut self, log: LogId) {
        self.known.remove(&log);
        if !self.knows_topic(log.topic_id) {
            self.topics.retain(|_, id| *id != log.topic_id);
        }
    }

    pub(super) fn knows_topic(&self, topic_id: TopicId) -> bool {
        let first = LogId { topic_id, partition: PartitionIndex(i32::MIN) };
        self.known.range(first..).next().is_some_and(|(log, _)| log.topic_id == topic_id)
    }

    /// The partition that a request names, by topic id or by name.
    pub(super) fn resolve(
        &self,
        by_id: bool,
        name: &messages::TopicName,
        topic_id: Uuid,
        partition: i32,
    ) -> Result<LogId, ErrorCode> {
        let partition = PartitionIndex(partition);
        let topic_id = if by_id {
            let topic_id = TopicId(topic_id);
            self.knows_topic(topic_id).then_some(topic_id).ok_or(ErrorCode::UnknownTopicId)?
        } else {
            let topic_id = self.topics.get(&topic_name(name)).copied();
            topic_id.ok_or(ErrorCode::UnknownTopicOrPartition)?
        };
        let log = LogId { topic_id, partition };
        if self.known.contains_key(&log) { Ok(log) } else { Err(ErrorCode::UnknownTopicOrPartition) }
    }

    /// A partition's log, by name.
    pub(super) fn log_id(&self, tp: &TopicPartition) -> Option<LogId> {
        let topic_id = *self.topics.get(&tp.topic)?;
        Some(LogId { topic_id, partition: tp.partition })
    }

    /// A log's topic.
    pub(super) fn topic_of(&self, log: LogId) -> Option<&TopicName> {
        self.known.get(&log).map(|known| &known.tp.topic)
    }

    /// Who leads a partition, and in which epoch, as far as known.
    pub(super) fn known_leader(&self, log: LogId) -> Option<(BrokerId, LeaderEpoch)> {
        let known = self.known.get(&log)?;
        Some((known.leader?, known.leader_epoch))
    }

    /// Where clients find a broker.
    pub(super) fn endpoint(&self, broker: BrokerId) -> Option<&LiveBroker> {
        self.live.as_ref()?.get(&broker)
    }

    /// True when the broker has registered anew since the fetch that names this epoch was made.
    pub(super) fn is_stale(&self, broker: BrokerId, epoch: Option<BrokerEpoch>) -> bool {
        self.endpoint(broker).zip(epoch).is_some_and(|(live, epoch)| epoch < live.epoch)
    }

    /// Partitions that this broker leads.
    pub(super) fn led(&self) -> Vec<LogId> {
        let leading = self.partitions.values().filter(|partition| partition.leading().is_some());
        leading.map(|partition| partition.id).collect()
    }

    /// True when the broker may join an ISR (KIP-841, KIP-903).
    pub(super) fn is_eligible(&self, broker: BrokerId, epoch: Option<BrokerEpoch>) -> bool {
        is_eligible(self.live.as_ref(), broker, epoch)
    }
}

pub(super) fn is_eligible(
    live: Option<&SortedMap<BrokerId, LiveBroker>>,
    broker: BrokerId,
    epoch: Option<BrokerEpoch>,
) -> bool {
    let Some(live) = live.filter(|_| !mutated(Mutation::AcceptIneligibleReplica)) else { return true };
    live.get(&broker).is_some_and(|live| epoch.is_none_or(|epoch| epoch == live.epoch))
}

/// True for topics that only brokers write.
pub(super) fn is_internal(topic: &TopicName) -> bool {
    [METADATA_TOPIC, OFFSETS_TOPIC, "__transaction_state", "__share_group_state"].contains(&topic.as_str())
}
