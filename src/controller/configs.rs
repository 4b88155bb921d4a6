//! IncrementalAlterConfigs 0-1: configs of topics, set and unset (KIP-339).
//!
//! A broker's configs are given at its start and can't be changed while it runs.

use crate::config::check_topic_config;
use crate::protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use crate::protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use crate::protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use crate::protocol::{ErrorCode, StrBytes};
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
                        for record in records {
                            self.decide(record, &mut decision);
                        }
                    }
                    response
                }
            });
        }
        let response = IncrementalAlterConfigsResponse::default().with_responses(responses);
        decision.response = Some(response.into());
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
