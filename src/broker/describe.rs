//! DescribeCluster 0-2, DescribeConfigs 1-4, ListConfigResources 0-1: answered from this broker's image.

use crate::config::{ConfigEntry, Kind, topic_entries};
use crate::controller::Resource;
use crate::effects::ReplyToken;
use crate::protocol::messages::describe_cluster_response::DescribeClusterBroker;
use crate::protocol::messages::describe_configs_request::DescribeConfigsResource;
use crate::protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::protocol::messages::list_config_resources_response::ConfigResource;
use crate::protocol::messages::{
    self, DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::types::TopicName;

use super::Broker;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
/// Where a value comes from (`ConfigEntry.ConfigSource`).
const FROM_TOPIC: i8 = 1;
const FROM_STATIC_BROKER: i8 = 4;
const FROM_DEFAULT: i8 = 5;

impl Broker {
    pub(super) fn serve_describe_cluster(&mut self, token: ReplyToken, request: &DescribeClusterRequest) {
        let brokers = self
            .image
            .brokers()
            .filter(|(_, broker)| !broker.fenced || request.include_fenced_brokers)
            .map(|(id, broker)| {
                DescribeClusterBroker::default()
                    .with_broker_id(messages::BrokerId(id.0))
                    .with_host(StrBytes::from_string(broker.host.clone()))
                    .with_port(i32::from(broker.port))
                    .with_rack(broker.rack.clone().map(StrBytes::from_string))
                    .with_is_fenced(broker.fenced)
            })
            .collect();
        let response = DescribeClusterResponse::default()
            .with_cluster_id(StrBytes::from_string(self.config.cluster_id.clone()))
            .with_controller_id(messages::BrokerId(self.quorum.leader().map_or(-1, |id| id.0)))
            .with_brokers(brokers);
        self.fx.reply(token, response);
    }

    pub(super) fn serve_describe_configs(&mut self, token: ReplyToken, request: &DescribeConfigsRequest) {
        let results = request.resources.iter().map(|asked| {
            let result = DescribeConfigsResult::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name.clone());
            match self.configs_of(asked) {
                Ok((entries, source, read_only)) => {
                    let wanted = |entry: &ConfigEntry| {
                        let keys = asked.configuration_keys.as_ref();
                        keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == entry.name))
                    };
                    let configs = entries.into_iter().filter(wanted);
                    let describe = |entry| describe(entry, source, read_only, request.include_synonyms);
                    result.with_configs(configs.map(describe).collect())
                }
                Err((error, message)) => result
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_string(message))),
            }
        });
        let response = DescribeConfigsResponse::default().with_results(results.collect());
        self.fx.reply(token, response);
    }

    /// What has configs: topics and brokers. Version 0 asks for client metrics alone (KIP-714), of which there are none.
    pub(super) fn serve_list_config_resources(
        &mut self,
        token: ReplyToken,
        version: i16,
        request: &ListConfigResourcesRequest,
    ) {
        let wanted = |kind: i8| {
            version > 0 && (request.resource_types.is_empty() || request.resource_types.contains(&kind))
        };
        let topics = self.image.topics().map(|(_, topic)| (TOPIC, topic.name.to_string()));
        let brokers = self.image.brokers().map(|(id, _)| (BROKER, id.to_string()));
        let resources = topics.chain(brokers).filter(|(kind, _)| wanted(*kind)).map(|(kind, name)| {
            ConfigResource::default().with_resource_type(kind).with_resource_name(StrBytes::from_string(name))
        });
        let response = ListConfigResourcesResponse::default().with_config_resources(resources.collect());
        self.fx.reply(token, response);
    }

    fn configs_of(
        &self,
        asked: &DescribeConfigsResource,
    ) -> Result<(Vec<ConfigEntry>, i8, bool), (ErrorCode, String)> {
        match asked.resource_type {
            TOPIC => {
                let topic = TopicName::from(asked.resource_name.as_str());
                if self.image.topic_id(&topic).is_none() {
                    let message = format!("The topic '{topic}' does not exist.");
                    return Err((ErrorCode::UnknownTopicOrPartition, message));
                }
                let overrides = self.image.configs(&Resource::Topic(topic));
                Ok((topic_entries(&self.config, &overrides), FROM_TOPIC, false))
            }
            BROKER if asked.resource_name.as_str() == self.config.node_id.to_string() => {
                Ok((self.config.entries(), FROM_STATIC_BROKER, true))
            }
            BROKER => {
                let message = format!("Unexpected broker id, expected {}.", self.config.node_id);
                Err((ErrorCode::InvalidRequest, message))
            }
            other => Err((ErrorCode::InvalidRequest, format!("Resource type {other} is not served."))),
        }
    }
}

fn describe(
    entry: ConfigEntry,
    source: i8,
    read_only: bool,
    include_synonyms: bool,
) -> DescribeConfigsResourceResult {
    let is_default = entry.value == entry.default;
    let name = StrBytes::from_static_str(entry.name);
    let value = Some(StrBytes::from_string(entry.value));
    let synonym = DescribeConfigsSynonym::default()
        .with_name(name.clone())
        .with_value(Some(StrBytes::from_string(entry.default)))
        .with_source(FROM_DEFAULT);
    DescribeConfigsResourceResult::default()
        .with_name(name)
        .with_value(value)
        .with_read_only(read_only)
        .with_config_source(if is_default { FROM_DEFAULT } else { source })
        .with_synonyms(if include_synonyms { vec![synonym] } else { Vec::new() })
        .with_config_type(match entry.kind {
            Kind::Flag => 1,
            Kind::Word(_) => 2,
            Kind::Number { .. } => 5,
            Kind::Ratio => 6,
            Kind::List(_) => 7,
        })
}
