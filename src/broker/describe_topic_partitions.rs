//! DescribeTopicPartitions 0 (KIP-966): partitions with their eligible leader replicas, so many at a time.

use crate::controller::PartitionState;
use crate::effects::ReplyToken;
use crate::protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::protocol::messages::{self, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::SortedMap;
use crate::types::{BrokerId, OFFSETS_TOPIC, PartitionIndex, TopicName};

use super::Broker;

/// Partitions of one answer, at most (Kafka's `max.request.partition.size.limit`).
const PARTITIONS_MAX: usize = 2000;

impl Broker {
    /// Topics in order of their names, from the cursor on; without any asked for, all.
    pub(super) fn serve_describe_topic_partitions(
        &mut self,
        token: ReplyToken,
        request: &DescribeTopicPartitionsRequest,
    ) {
        let mut names: Vec<TopicName> =
            request.topics.iter().map(|topic| TopicName::from(topic.name.as_str())).collect();
        if names.is_empty() {
            names = self.image.topics().map(|(_, topic)| topic.name.clone()).collect();
        }
        names.sort();
        names.dedup();
        let (first, mut from) = match &request.cursor {
            Some(cursor) => (TopicName::from(cursor.topic_name.as_str()), cursor.partition_index),
            None => (TopicName::from(""), 0),
        };
        names.retain(|name| *name >= first);
        let asked = usize::try_from(request.response_partition_limit).unwrap_or_default();
        let mut left = asked.clamp(1, PARTITIONS_MAX);
        let mut response = DescribeTopicPartitionsResponse::default();
        for name in names {
            let start = if name == first { std::mem::take(&mut from) } else { 0 };
            let wire = messages::TopicName(StrBytes::from_string(name.to_string()));
            let mut answer = DescribeTopicPartitionsResponseTopic::default().with_name(Some(wire.clone()));
            let Some((id, topic)) = self.image.topic_named(&name) else {
                answer.error_code = ErrorCode::UnknownTopicOrPartition.code();
                response.topics.push(answer);
                continue;
            };
            let next_cursor = |index: i32| {
                Some(Cursor::default().with_topic_name(wire.clone()).with_partition_index(index))
            };
            if left == 0 {
                response.next_cursor = next_cursor(start);
                break;
            }
            let rest: SortedMap<_, _> = topic.partitions.range(PartitionIndex(start)..).collect();
            let told = rest.iter().take(left).map(|(index, state)| self.describe(**index, state)).collect();
            answer.topic_id = id.0;
            answer.is_internal = name.as_str() == OFFSETS_TOPIC;
            answer.partitions = told;
            let told = answer.partitions.len();
            response.topics.push(answer);
            left -= told;
            if told < rest.len() {
                response.next_cursor = next_cursor(start + told as i32);
                break;
            }
        }
        self.fx.reply(token, response);
    }

    fn describe(
        &self,
        partition: PartitionIndex,
        state: &PartitionState,
    ) -> DescribeTopicPartitionsResponsePartition {
        let ids = |ids: &[BrokerId]| ids.iter().map(|id| messages::BrokerId(id.0)).collect::<Vec<_>>();
        let error = state.leader.is_none().then_some(ErrorCode::LeaderNotAvailable);
        DescribeTopicPartitionsResponsePartition::default()
            .with_error_code(crate::protocol::error::code_of(error))
            .with_partition_index(partition.0)
            .with_leader_id(messages::BrokerId(state.leader.map_or(-1, |id| id.0)))
            .with_leader_epoch(state.leader_epoch.0)
            .with_replica_nodes(ids(&state.replicas))
            .with_isr_nodes(ids(&state.isr))
            .with_eligible_leader_replicas(Some(ids(&state.elr)))
            .with_last_known_elr(Some(ids(&state.last_known_elr)))
            .with_offline_replicas(ids(&self.offline_replicas(state)))
    }
}
