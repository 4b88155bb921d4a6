//! DescribeLogDirs 1-4 (KIP-113, KIP-827) and DescribeProducers 0 (KIP-664): what is stored here, and who writes it.

use crate::effects::{Effects, ReplyToken};
use crate::protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use crate::protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use crate::protocol::messages::{
    self, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
    DescribeProducersResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::types::{LogId, PartitionIndex, TopicName, TopicPartition};

use super::manager::ReplicaManager;

/// A broker has one database, which Kafka's answer calls a log directory.
const LOG_DIR: &str = "/indexeddb";
/// How large it may become nobody knows.
const UNKNOWN_BYTES: i64 = -1;

impl ReplicaManager {
    /// The logs of the topics asked for, or all. A follower's lag is how far its end is behind the high watermark.
    pub fn describe_log_dirs(&self, token: ReplyToken, request: &DescribeLogDirsRequest, fx: &mut Effects) {
        let mut topics: Vec<DescribeLogDirsTopic> = Vec::new();
        for partition in self.partitions.values() {
            let TopicPartition { topic, partition: index } = &partition.tp;
            let asked = request.topics.as_ref().is_none_or(|topics| {
                topics.iter().any(|asked| {
                    asked.topic.as_str() == topic.as_str() && asked.partitions.contains(&index.0)
                })
            });
            if !asked {
                continue;
            }
            let lag = match partition.leading() {
                Some(_) => 0,
                None => partition.high_watermark.0 - partition.log.log_end_offset().0,
            };
            let described = DescribeLogDirsPartition::default()
                .with_partition_index(index.0)
                .with_partition_size(partition.log.size_bytes() as i64)
                .with_offset_lag(lag.max(0));
            match topics.iter_mut().find(|known| known.name.as_str() == topic.as_str()) {
                Some(known) => known.partitions.push(described),
                None => topics.push(
                    DescribeLogDirsTopic::default().with_name(wire(topic)).with_partitions(vec![described]),
                ),
            }
        }
        let result = DescribeLogDirsResult::default()
            .with_log_dir(StrBytes::from_static_str(LOG_DIR))
            .with_topics(topics)
            .with_total_bytes(UNKNOWN_BYTES)
            .with_usable_bytes(UNKNOWN_BYTES);
        fx.reply(token, DescribeLogDirsResponse::default().with_results(vec![result]));
    }

    /// Idempotent producers of partitions led here.
    pub fn describe_producers(
        &self,
        token: ReplyToken,
        request: &DescribeProducersRequest,
        fx: &mut Effects,
    ) {
        let topics = request.topics.iter().map(|asked| {
            let topic = TopicName::from(asked.name.as_str());
            let partitions = asked.partition_indexes.iter().map(|index| {
                let answer = PartitionResponse::default().with_partition_index(*index);
                match self.producers_of(&topic, PartitionIndex(*index)) {
                    Ok(producers) => answer.with_active_producers(producers),
                    Err(error) => answer.with_error_code(error.code()),
                }
            });
            TopicResponse::default().with_name(asked.name.clone()).with_partitions(partitions.collect())
        });
        fx.reply(token, DescribeProducersResponse::default().with_topics(topics.collect()));
    }

    fn producers_of(
        &self,
        topic: &TopicName,
        index: PartitionIndex,
    ) -> Result<Vec<ProducerState>, ErrorCode> {
        let topic_id = self.topics.get(topic).copied().ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let log = LogId { topic_id, partition: index };
        if !self.known.contains_key(&log) {
            return Err(ErrorCode::UnknownTopicOrPartition);
        }
        let led = self.partitions.get(&log).filter(|partition| partition.leading().is_some());
        let producers = led.ok_or(ErrorCode::NotLeaderOrFollower)?.log.producers();
        Ok(producers
            .iter()
            .map(|(id, entry)| {
                ProducerState::default()
                    .with_producer_id(messages::ProducerId(id.0))
                    .with_producer_epoch(entry.epoch.0.into())
                    .with_last_sequence(entry.last_sequence().unwrap_or(-1))
                    .with_last_timestamp(entry.last_timestamp)
                    .with_coordinator_epoch(-1)
                    .with_current_txn_start_offset(-1)
            })
            .collect())
    }
}

fn wire(topic: &TopicName) -> messages::TopicName {
    messages::TopicName(StrBytes::from_string(topic.to_string()))
}
