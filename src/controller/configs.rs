//! IncrementalAlterConfigs 0-1: configs of topics, set and unset (KIP-339); AlterConfigs 0-2, the older way: what is not named is
//! unset.
//!
//! A broker's configs are given at its start and can't be changed while it runs.

use crate::config::check_topic_config;
use crate::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use crate::protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, alter_configs_response,
};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::types::TopicName;

use super::record::{MetadataRecord, Resource};
use super::{Controller, Decision};

const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

impl Controller {
    /// Changes configs; each resource's changes are all made or all refused.
    pub fn incremental_alter_configs(&mut self, request: &IncrementalAlterConfigsRequest) -> Decision {
        let mut decision = Decision::default();
        let mut responses = Vec::new();
        for asked in &request.resources {
            let response = AlterConfigsResourceResponse::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name.clone());
            responses.push(match self.config_records(asked) {
                Err((error, message)) => response
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_string(message))),
                Ok(records) => {
                    if !request.validate_only {
                        self.decide_all(records, &mut decision);
                        self.follow_configs(&TopicName::from(asked.resource_name.as_str()), &mut decision);
                    }
                    response
                }
            });
        }
        let response = IncrementalAlterConfigsResponse::default().with_responses(responses);
        decision.response = Some(response.into());
        decision
    }

    /// Gives resources exactly these configs.
    pub fn alter_configs(&mut self, request: &AlterConfigsRequest) -> Decision {
        let resources = request.resources.iter().map(|asked| {
            let named = |name: &String| asked.configs.iter().any(|config| config.name.as_str() == name);
            let topic = Resource::Topic(TopicName::from(asked.resource_name.as_str()));
            let others = self.image.configs(&topic).into_keys().filter(|name| !named(name)).map(|name| {
                AlterableConfig::default()
                    .with_name(StrBytes::from_string(name))
                    .with_config_operation(DELETE)
            });
            let set = asked.configs.iter().map(|config| {
                AlterableConfig::default()
                    .with_name(config.name.clone())
                    .with_config_operation(SET)
                    .with_value(config.value.clone())
            });
            AlterConfigsResource::default()
                .with_resource_type(asked.resource_type)
                .with_resource_name(asked.resource_name.clone())
                .with_configs(set.chain(others).collect())
        });
        let incremental = IncrementalAlterConfigsRequest::default()
            .with_validate_only(request.validate_only)
            .with_resources(resources.collect());
        let mut decision = self.incremental_alter_configs(&incremental);
        if let Some(Response::IncrementalAlterConfigs(response)) = decision.response {
            let responses = response.responses.into_iter().map(|answer| {
                alter_configs_response::AlterConfigsResourceResponse::default()
                    .with_error_code(answer.error_code)
                    .with_error_message(answer.error_message)
                    .with_resource_type(answer.resource_type)
                    .with_resource_name(answer.resource_name)
            });
            let response = AlterConfigsResponse::default().with_responses(responses.collect());
            decision.response = Some(response.into());
        }
        decision
    }

    fn config_records(
        &self,
        asked: &AlterConfigsResource,
    ) -> Result<Vec<MetadataRecord>, (ErrorCode, String)> {
        if asked.resource_type != TOPIC {
            let message = "Only topic configs can be changed while brokers run.".to_owned();
            return Err((ErrorCode::InvalidRequest, message));
        }
        let topic = TopicName::from(asked.resource_name.as_str());
        if self.image.topic_id(&topic).is_none() {
            let message = format!("The topic '{topic}' does not exist.");
            return Err((ErrorCode::UnknownTopicOrPartition, message));
        }
        let mut records = Vec::new();
        for config in &asked.configs {
            let value = match (config.config_operation, &config.value) {
                (SET, Some(value)) => Some(value.to_string()),
                (DELETE, _) => None,
                (SET, None) => {
                    let message = format!("Null value not supported for {}", config.name);
                    return Err((ErrorCode::InvalidConfig, message));
                }
                (operation, _) => {
                    let message = format!(
                        "Operation {operation} is not served for {}: only SET and DELETE",
                        config.name
                    );
                    return Err((ErrorCode::InvalidConfig, message));
                }
            };
            if let Some(value) = &value {
                check_topic_config(&config.name, value)
                    .map_err(|error| (ErrorCode::InvalidConfig, error.to_string()))?;
            }
            let resource = Resource::Topic(topic.clone());
            records.push(MetadataRecord::Config { resource, name: config.name.to_string(), value });
        }
        Ok(records)
    }
}
