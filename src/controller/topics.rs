//! CreateTopics 2-7, DeleteTopics 1-6, CreatePartitions 0-3.

use crate::config::{check_topic_config, topic_entries};
use crate::protocol::messages::create_partitions_request::CreatePartitionsTopic;
use crate::protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use crate::protocol::messages::create_topics_request::CreatableTopic;
use crate::protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use crate::protocol::messages::delete_topics_request::DeleteTopicState;
use crate::protocol::messages::delete_topics_response::DeletableTopicResult;
use crate::protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::{SortedMap, SortedSet};
use crate::types::{BrokerId, PartitionIndex, TopicId, TopicName};

use crate::event::ClusterEvent;

use super::partition::PartitionState;
use super::placement::place;
use super::record::{MetadataRecord, Resource};
use super::{Controller, Decision};

/// The longest topic name (Kafka's limit, set by file names).
const NAME_LENGTH_MAX: usize = 249;
/// Partitions of one topic: each is a log on every replica, all on this one machine.
const PARTITIONS_MAX: usize = 1_000;

/// Kafka's code, and what to say.
pub(super) type Refusal = (ErrorCode, String);

struct Plan {
    replicas: Vec<Vec<BrokerId>>,
    configs: SortedMap<String, String>,
}

impl Controller {
    /// Creates topics; each by itself succeeds or is refused.
    pub fn create_topics(&mut self, request: &CreateTopicsRequest) -> Decision {
        let mut decision = Decision::default();
        let mut times = SortedMap::new();
        for topic in &request.topics {
            *times.entry(topic.name.to_string()).or_insert(0) += 1;
        }
        let mut results = Vec::new();
        for topic in &request.topics {
            let planned = match times.get(topic.name.as_str()) {
                Some(1) => self.plan(topic),
                _ => Err((ErrorCode::InvalidRequest, "Duplicate topic name.".to_owned())),
            };
            let result = CreatableTopicResult::default().with_name(topic.name.clone());
            results.push(match planned {
                Err((error, message)) => result
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_string(message)))
                    .with_num_partitions(-1)
                    .with_replication_factor(-1),
                Ok(plan) => self.create(topic, plan, request.validate_only, result, &mut decision),
            });
        }
        decision.response = Some(CreateTopicsResponse::default().with_topics(results).into());
        decision
    }

    fn create(
        &mut self,
        topic: &CreatableTopic,
        plan: Plan,
        validate_only: bool,
        result: CreatableTopicResult,
        decision: &mut Decision,
    ) -> CreatableTopicResult {
        let name = TopicName::from(topic.name.as_str());
        let id = TopicId(self.rng.uuid());
        let (partitions, replication) = (plan.replicas.len(), plan.replicas.first().map_or(0, Vec::len));
        let described = topic_entries(&self.config, &plan.configs)
            .into_iter()
            .map(|entry| {
                let source = if plan.configs.contains_key(entry.name) { 1 } else { 5 };
                CreatableTopicConfigs::default()
                    .with_name(StrBytes::from_static_str(entry.name))
                    .with_value(Some(StrBytes::from_string(entry.value)))
                    .with_config_source(source)
            })
            .collect();
        if !validate_only {
            let event = ClusterEvent::TopicCreated {
                topic: name.clone(),
                partitions,
                replication_factor: replication,
            };
            decision.events.push(event);
            self.decide(MetadataRecord::Topic { name: name.clone(), id }, decision);
            for (config, value) in plan.configs {
                let resource = Resource::Topic(name.clone());
                self.decide(MetadataRecord::Config { resource, name: config, value: Some(value) }, decision);
            }
            for (index, replicas) in plan.replicas.into_iter().enumerate() {
                self.add_partition(id, PartitionIndex(index as i32), replicas, decision);
            }
        }
        result
            .with_topic_id(if validate_only { Default::default() } else { id.0 })
            .with_num_partitions(partitions as i32)
            .with_replication_factor(replication as i16)
            .with_configs(Some(described))
    }

    fn add_partition(
        &mut self,
        topic: TopicId,
        partition: PartitionIndex,
        replicas: Vec<BrokerId>,
        decision: &mut Decision,
    ) {
        let isr: Vec<BrokerId> = replicas.iter().copied().filter(|id| self.image.is_active(*id)).collect();
        let leader = isr.first().copied();
        let state = PartitionState { isr, replicas, leader, ..PartitionState::default() };
        self.decide(MetadataRecord::Partition { topic, partition, state }, decision);
    }

    fn plan(&mut self, topic: &CreatableTopic) -> Result<Plan, Refusal> {
        let name = TopicName::from(topic.name.as_str());
        check_topic_name(name.as_str()).map_err(|reason| (ErrorCode::InvalidTopicException, reason))?;
        if self.image.topic_id(&name).is_some() {
            return Err((ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        let merged = |name: &str| name.replace('.', "_");
        if let Some((_, other)) =
            self.image.topics().find(|(_, t)| merged(t.name.as_str()) == merged(name.as_str()))
        {
            let message = format!("Topic '{name}' collides with existing topic: {}", other.name);
            return Err((ErrorCode::InvalidTopicException, message));
        }
        let mut configs = SortedMap::new();
        for config in &topic.configs {
            let value = config.value.as_ref().map(|value| value.to_string());
            let value = value.ok_or_else(|| {
                (
                    ErrorCode::InvalidConfig,
                    format!("Null value not supported for topic config {}", config.name),
                )
            })?;
            check_topic_config(&config.name, &value)
                .map_err(|error| (ErrorCode::InvalidConfig, error.to_string()))?;
            configs.insert(config.name.to_string(), value);
        }
        let replicas = match topic.assignments.is_empty() {
            true => self.automatic(topic.num_partitions, topic.replication_factor)?,
            false => self.assigned(topic)?,
        };
        Ok(Plan { replicas, configs })
    }

    fn automatic(&mut self, partitions: i32, replication: i16) -> Result<Vec<Vec<BrokerId>>, Refusal> {
        let partitions = match partitions {
            -1 => self.config.num_partitions(),
            count if count <= 0 => {
                let message = "Number of partitions was set to an invalid non-positive value.";
                return Err((ErrorCode::InvalidPartitions, message.to_owned()));
            }
            count => i64::from(count),
        };
        let replication = match replication {
            -1 => self.config.default_replication_factor(),
            count if count <= 0 => {
                let message = "Replication factor must be larger than 0, or -1 to use the default value.";
                return Err((ErrorCode::InvalidReplicationFactor, message.to_owned()));
            }
            count => i64::from(count),
        };
        self.place(partitions as usize, replication as usize, 0)
    }

    /// Chooses replicas for `partitions` new partitions of a topic that has `existing`.
    fn place(
        &mut self,
        partitions: usize,
        replication: usize,
        existing: usize,
    ) -> Result<Vec<Vec<BrokerId>>, Refusal> {
        if partitions + existing > PARTITIONS_MAX {
            let message = format!("A topic may have at most {PARTITIONS_MAX} partitions here.");
            return Err((ErrorCode::PolicyViolation, message));
        }
        let (active, others): (Vec<BrokerId>, Vec<BrokerId>) =
            self.image.brokers().map(|(id, _)| id).partition(|id| self.image.is_active(*id));
        let registered = active.len() + others.len();
        if active.is_empty() {
            return Err((
                ErrorCode::InvalidReplicationFactor,
                "All brokers are currently fenced.".to_owned(),
            ));
        }
        if replication > registered {
            let message = format!(
                "The replication factor of {replication} cannot be reached: only {registered} broker(s) are registered."
            );
            return Err((ErrorCode::InvalidReplicationFactor, message));
        }
        Ok(place(partitions, replication, &active, &others, &mut self.rng))
    }

    fn assigned(&self, topic: &CreatableTopic) -> Result<Vec<Vec<BrokerId>>, Refusal> {
        if topic.num_partitions != -1 || topic.replication_factor != -1 {
            let message = "A manual partition assignment was specified, but numPartitions or replicationFactor was not set to -1.";
            return Err((ErrorCode::InvalidRequest, message.to_owned()));
        }
        let mut replicas = SortedMap::new();
        for assignment in &topic.assignments {
            let ids: Vec<BrokerId> = assignment.broker_ids.iter().map(|id| BrokerId(id.0)).collect();
            self.check_new(&ids)?;
            replicas.insert(assignment.partition_index, ids);
        }
        if replicas.len() != topic.assignments.len() || !replicas.keys().copied().eq(0..replicas.len() as i32)
        {
            let message = "Partitions must be numbered from 0, each once.";
            return Err((ErrorCode::InvalidReplicaAssignment, message.to_owned()));
        }
        Ok(replicas.into_values().collect())
    }

    /// A new partition's replicas: one must be there to lead.
    fn check_new(&self, ids: &[BrokerId]) -> Result<(), Refusal> {
        self.check_assignment(ids)?;
        match ids.iter().any(|id| self.image.is_active(*id)) {
            true => Ok(()),
            false => {
                let message = "All brokers of the assignment are fenced or in controlled shutdown.";
                Err((ErrorCode::InvalidReplicaAssignment, message.to_owned()))
            }
        }
    }

    pub(super) fn check_assignment(&self, ids: &[BrokerId]) -> Result<(), Refusal> {
        let refused = |message: String| Err((ErrorCode::InvalidReplicaAssignment, message));
        if ids.is_empty() || ids.iter().collect::<SortedSet<_>>().len() != ids.len() {
            return refused("An assignment must name at least one broker, and none twice.".to_owned());
        }
        match ids.iter().find(|id| self.image.broker(**id).is_none()) {
            Some(unknown) => {
                refused(format!("The assignment includes broker {unknown}, which is not registered."))
            }
            None => Ok(()),
        }
    }

    /// Deletes topics, each named or by its id.
    pub fn delete_topics(&mut self, request: &DeleteTopicsRequest) -> Decision {
        let named = request.topic_names.iter().cloned();
        let states = named
            .map(|name| DeleteTopicState::default().with_name(Some(name)))
            .chain(request.topics.iter().cloned());
        let mut decision = Decision::default();
        let mut responses = Vec::new();
        for state in states {
            let by_name = state.name.as_ref().map(|name| TopicName::from(name.as_str()));
            let (id, unknown) = match &by_name {
                Some(name) => (self.image.topic_id(name), ErrorCode::UnknownTopicOrPartition),
                None => (Some(TopicId(state.topic_id)), ErrorCode::UnknownTopicId),
            };
            let found = id.and_then(|id| Some((id, self.image.topic(id)?.name.clone())));
            let answer = DeletableTopicResult::default().with_name(state.name.clone());
            responses.push(match found {
                _ if !self.config.delete_topic_enable() => {
                    let message = Some(StrBytes::from_static_str("Topic deletion is disabled."));
                    let code = ErrorCode::TopicDeletionDisabled.code();
                    answer.with_topic_id(state.topic_id).with_error_code(code).with_error_message(message)
                }
                None => {
                    let message = Some(StrBytes::from_static_str("There is no such topic."));
                    answer
                        .with_topic_id(state.topic_id)
                        .with_error_code(unknown.code())
                        .with_error_message(message)
                }
                Some((id, name)) => {
                    self.decide(MetadataRecord::RemoveTopic { id }, &mut decision);
                    let name = StrBytes::from_string(name.to_string());
                    answer.with_topic_id(id.0).with_name(Some(crate::protocol::messages::TopicName(name)))
                }
            });
        }
        decision.response = Some(DeleteTopicsResponse::default().with_responses(responses).into());
        decision
    }

    /// Gives topics more partitions.
    pub fn create_partitions(&mut self, request: &CreatePartitionsRequest) -> Decision {
        let mut decision = Decision::default();
        let mut results = Vec::new();
        for asked in &request.topics {
            let result = CreatePartitionsTopicResult::default().with_name(asked.name.clone());
            results.push(match self.more_partitions(asked) {
                Err((error, message)) => result
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_string(message))),
                Ok((id, first, replicas)) => {
                    if !request.validate_only {
                        let topic = TopicName::from(asked.name.as_str());
                        let partitions = asked.count as usize;
                        decision.events.push(ClusterEvent::PartitionsCreated { topic, partitions });
                        for (step, replicas) in replicas.into_iter().enumerate() {
                            let partition = PartitionIndex((first + step) as i32);
                            self.add_partition(id, partition, replicas, &mut decision);
                        }
                    }
                    result
                }
            });
        }
        decision.response = Some(CreatePartitionsResponse::default().with_results(results).into());
        decision
    }

    fn more_partitions(
        &mut self,
        asked: &CreatePartitionsTopic,
    ) -> Result<(TopicId, usize, Vec<Vec<BrokerId>>), Refusal> {
        let name = TopicName::from(asked.name.as_str());
        let Some((id, topic)) = self.image.topic_named(&name) else {
            return Err((ErrorCode::UnknownTopicOrPartition, "There is no such topic.".to_owned()));
        };
        let have = topic.partitions.len();
        let replication = topic.partitions.values().next().map_or(1, |state| state.replicas.len());
        let want = usize::try_from(asked.count).unwrap_or(0);
        if want <= have {
            let message = format!(
                "Topic '{name}' currently has {have} partition(s); {} would not be an increase.",
                asked.count
            );
            return Err((ErrorCode::InvalidPartitions, message));
        }
        let replicas = match &asked.assignments {
            None => self.place(want - have, replication, have)?,
            Some(assignments) => {
                if assignments.len() != want - have {
                    let message =
                        format!("{} new partition(s), but {} assignment(s).", want - have, assignments.len());
                    return Err((ErrorCode::InvalidReplicaAssignment, message));
                }
                let mut all = Vec::new();
                for assignment in assignments {
                    let ids: Vec<BrokerId> = assignment.broker_ids.iter().map(|id| BrokerId(id.0)).collect();
                    self.check_new(&ids)?;
                    all.push(ids);
                }
                all
            }
        };
        Ok((id, have, replicas))
    }
}

/// Kafka's rules for topic names.
pub fn check_topic_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Err("Topic name is invalid: it is empty.".to_owned()),
        "." | ".." => Err(format!("Topic name is invalid: '{name}' is not allowed.")),
        _ if name.len() > NAME_LENGTH_MAX => {
            Err(format!("Topic name is invalid: it is longer than {NAME_LENGTH_MAX} characters."))
        }
        _ if !name.chars().all(legal) => Err(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII letters, digits, '.', '_' and '-'."
        )),
        _ => Ok(()),
    }
}
