//! Metadata 0-13 and FindCoordinator 0-6: where partitions and groups are. Topics that a client asks for and that are not
//! there are created on the way, where that is enabled and allowed by the request.

use crate::controller::{PartitionState, Topic, check_topic_name};
use crate::coordinator::partition_for;
use crate::effects::ReplyToken;
use crate::protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use crate::protocol::messages::find_coordinator_response::Coordinator;
use crate::protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use crate::protocol::messages::{
    self, CreateTopicsRequest, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
    MetadataResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::time::Instant;
use crate::types::{BrokerId, OFFSETS_TOPIC, PartitionIndex, TopicId, TopicName};

use super::{Broker, Origin};

/// FindCoordinator's key type of a consumer group.
const GROUP: i8 = 0;
/// The version from which FindCoordinator asks for several at once.
const BATCHED_VERSION: i16 = 4;
/// The version from which topics may be asked for by id.
const TOPIC_ID_VERSION: i16 = 10;

impl Broker {
    pub(super) fn serve_metadata(
        &mut self,
        now: Instant,
        token: ReplyToken,
        version: i16,
        request: &MetadataRequest,
    ) {
        let all = match &request.topics {
            None => true,
            // Version 0 has no null: there an empty list means all.
            Some(topics) => version == 0 && topics.is_empty(),
        };
        let may_create = request.allow_auto_topic_creation && self.config.auto_create_topics_enable();
        let mut topics = Vec::new();
        if all {
            topics.extend(self.image.topics().map(|(id, topic)| self.describe_topic(id, topic)));
        }
        for asked in request.topics.iter().flatten().filter(|_| !all) {
            let id = TopicId(asked.topic_id);
            let found = match &asked.name {
                Some(name) => self.image.topic_named(&TopicName::from(name.as_str())),
                None => self.image.topic(id).map(|topic| (id, topic)),
            };
            let answer = MetadataResponseTopic::default().with_name(asked.name.clone()).with_topic_id(id.0);
            topics.push(match (found, &asked.name) {
                (Some((id, topic)), _) => self.describe_topic(id, topic),
                (None, None) => answer.with_error_code(ErrorCode::UnknownTopicId.code()),
                (None, Some(name)) => {
                    let name = name.to_string();
                    let code = match may_create {
                        true => self.create_on_the_way(now, &name),
                        false => ErrorCode::UnknownTopicOrPartition,
                    };
                    answer.with_error_code(code.code())
                }
            });
        }
        if version < TOPIC_ID_VERSION {
            for topic in &mut topics {
                topic.topic_id = Default::default();
            }
        }
        let brokers = self.image.brokers().filter(|(_, broker)| !broker.fenced).map(|(id, broker)| {
            MetadataResponseBroker::default()
                .with_node_id(messages::BrokerId(id.0))
                .with_host(StrBytes::from_string(broker.host.clone()))
                .with_port(i32::from(broker.port))
                .with_rack(broker.rack.clone().map(StrBytes::from_string))
        });
        let response = MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(self.config.cluster_id.clone())))
            .with_controller_id(messages::BrokerId(self.controller_for_clients().map_or(-1, |id| id.0)))
            .with_topics(topics);
        self.fx.reply(token, response);
    }

    /// Every broker passes controller requests on; the active controller saves the detour while it is up.
    fn controller_for_clients(&self) -> Option<BrokerId> {
        let up = |id: &BrokerId| self.image.broker(*id).is_some_and(|broker| !broker.fenced);
        self.quorum.leader().filter(up).or_else(|| self.image.brokers().map(|(id, _)| id).find(up))
    }

    fn describe_topic(&self, id: TopicId, topic: &Topic) -> MetadataResponseTopic {
        let partitions =
            topic.partitions.iter().map(|(partition, state)| self.describe_partition(*partition, state));
        MetadataResponseTopic::default()
            .with_name(Some(messages::TopicName(StrBytes::from_string(topic.name.to_string()))))
            .with_topic_id(id.0)
            .with_is_internal(topic.name.as_str() == OFFSETS_TOPIC)
            .with_partitions(partitions.collect())
    }

    fn describe_partition(
        &self,
        partition: PartitionIndex,
        state: &PartitionState,
    ) -> MetadataResponsePartition {
        let ids = |ids: &[BrokerId]| ids.iter().map(|id| messages::BrokerId(id.0)).collect();
        let error = state.leader.is_none().then_some(ErrorCode::LeaderNotAvailable);
        MetadataResponsePartition::default()
            .with_error_code(crate::protocol::error::code_of(error))
            .with_partition_index(partition.0)
            .with_leader_id(messages::BrokerId(state.leader.map_or(-1, |id| id.0)))
            .with_leader_epoch(state.leader_epoch.0)
            .with_replica_nodes(ids(&state.replicas))
            .with_isr_nodes(ids(&state.isr))
            .with_offline_replicas(ids(&self.offline_replicas(state)))
    }

    /// Replicas on brokers that are away.
    pub(super) fn offline_replicas(&self, state: &PartitionState) -> Vec<BrokerId> {
        let offline = |id: &BrokerId| self.image.broker(*id).is_none_or(|broker| broker.fenced);
        state.replicas.iter().copied().filter(offline).collect()
    }

    /// Has a topic created, for nobody in particular; the client that needs it asks again.
    fn create_on_the_way(&mut self, now: Instant, name: &str) -> ErrorCode {
        if check_topic_name(name).is_err() {
            return ErrorCode::InvalidTopicException;
        }
        let mut topic = CreatableTopic::default()
            .with_name(messages::TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(-1)
            .with_replication_factor(-1);
        if name == OFFSETS_TOPIC {
            let compact = CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str("cleanup.policy"))
                .with_value(Some(StrBytes::from_static_str("compact")));
            topic = topic
                .with_num_partitions(self.config.offsets_topic_num_partitions() as i32)
                .with_replication_factor(self.config.offsets_topic_replication_factor() as i16)
                .with_configs(vec![compact]);
        }
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(self.config.request_timeout().as_millis() as i32);
        if self.creating.insert(TopicName::from(name)) {
            let token = self.token(Origin::Creating(TopicName::from(name)));
            self.serve_by_controller(now, token, request.into());
        }
        // What real brokers say while it is on its way.
        ErrorCode::LeaderNotAvailable
    }

    pub(super) fn serve_find_coordinator(
        &mut self,
        now: Instant,
        token: ReplyToken,
        version: i16,
        request: &FindCoordinatorRequest,
    ) {
        let keys = match version < BATCHED_VERSION {
            true => vec![request.key.clone()],
            false => request.coordinator_keys.clone(),
        };
        let mut found = Vec::new();
        for key in keys {
            let coordinator = Coordinator::default().with_key(key.clone());
            found.push(match self.coordinator_of(now, request.key_type, key.as_str()) {
                Ok((id, host, port)) => coordinator
                    .with_node_id(messages::BrokerId(id.0))
                    .with_host(StrBytes::from_string(host))
                    .with_port(i32::from(port)),
                Err((error, message)) => coordinator
                    .with_node_id(messages::BrokerId(-1))
                    .with_port(-1)
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_static_str(message))),
            });
        }
        let response = FindCoordinatorResponse::default();
        let response = match found.pop() {
            Some(one) if version < BATCHED_VERSION => response
                .with_error_code(one.error_code)
                .with_error_message(one.error_message)
                .with_node_id(one.node_id)
                .with_host(one.host)
                .with_port(one.port),
            last => {
                found.extend(last);
                response.with_coordinators(found)
            }
        };
        self.fx.reply(token, response);
    }

    fn coordinator_of(
        &mut self,
        now: Instant,
        key_type: i8,
        key: &str,
    ) -> Result<(BrokerId, String, u16), (ErrorCode, &'static str)> {
        if key_type != GROUP {
            return Err((ErrorCode::InvalidRequest, "Only groups have coordinators here."));
        }
        if key.is_empty() {
            return Err((ErrorCode::InvalidGroupId, "The group id is empty."));
        }
        let Some((_, topic)) = self.image.topic_named(&TopicName::from(OFFSETS_TOPIC)) else {
            self.create_on_the_way(now, OFFSETS_TOPIC);
            return Err((ErrorCode::CoordinatorNotAvailable, "The offsets topic is being created."));
        };
        let partition = partition_for(key, topic.partitions.len());
        let leader = topic.partitions.get(&partition).and_then(|state| state.leader);
        let broker = leader.and_then(|id| self.image.broker(id).map(|broker| (id, broker)));
        match broker {
            Some((id, broker)) => Ok((id, broker.host.clone(), broker.port)),
            None => Err((ErrorCode::CoordinatorNotAvailable, "The group's partition has no leader.")),
        }
    }
}
