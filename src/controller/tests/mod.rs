//! The controller alone: requests in, the exact records and answers out. What was decided is replayed on a second image, as
//! brokers do.

mod brokers;
mod electing;
mod eligible;
mod reassigning;

use super::*;
use crate::config::Profile;
use crate::protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use crate::protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use crate::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use crate::protocol::messages::{
    self, AlterPartitionRequest, BrokerHeartbeatRequest, BrokerRegistrationRequest, CreateTopicsRequest,
    IncrementalAlterConfigsRequest, broker_registration_request,
};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicId, TopicName, Uuid};

struct Bench {
    controller: Controller,
    committed: MetadataImage,
    end: i64,
    now: Instant,
}

impl Bench {
    fn new(brokers: i32) -> Self {
        let mut config = BrokerConfig::new(Profile::Lab, BrokerId(1), vec![BrokerId(1)]);
        config.cluster_id = "c".into();
        let mut controller = Controller::new(&config, Rng::new(7));
        controller.activate(Instant(0), MetadataImage::default());
        // As a cluster from before there were features.
        controller.begins = false;
        let mut bench = Self { controller, committed: MetadataImage::default(), end: 1, now: Instant(0) };
        for id in 1..=brokers {
            bench.register(id, id as u128);
            bench.heartbeat(id, false);
        }
        bench
    }

    /// Replays what was decided on another image, as brokers do.
    fn commit(&mut self, decision: &Decision) {
        for record in &decision.records {
            self.committed.replay(record, &mut Changes::default());
            self.end += 1;
        }
        assert_eq!(&self.committed, self.controller.image());
    }

    fn register(&mut self, id: i32, incarnation: u128) -> Decision {
        self.register_after(id, incarnation, -1)
    }

    fn register_after(&mut self, id: i32, incarnation: u128, previous_epoch: i64) -> Decision {
        let listener = broker_registration_request::Listener::default().with_port(9092);
        let request = BrokerRegistrationRequest::default()
            .with_broker_id(messages::BrokerId(id))
            .with_cluster_id(StrBytes::from_static_str("c"))
            .with_incarnation_id(Uuid::from_u128(incarnation))
            .with_previous_broker_epoch(previous_epoch)
            .with_listeners(vec![listener]);
        let decision = self.controller.register_broker(self.now, &request, Offset(self.end));
        self.commit(&decision);
        decision
    }

    fn heartbeat(&mut self, id: i32, want_shut_down: bool) -> Decision {
        let epoch = self.committed.broker(BrokerId(id)).unwrap().epoch.0;
        let request = BrokerHeartbeatRequest::default()
            .with_broker_id(messages::BrokerId(id))
            .with_broker_epoch(epoch)
            .with_current_metadata_offset(self.end)
            .with_want_shut_down(want_shut_down);
        let decision = self.controller.heartbeat(self.now, &request);
        self.commit(&decision);
        decision
    }

    fn create(&mut self, name: &str, partitions: i32, replication: i16) -> (i16, Decision) {
        let topic = CreatableTopic::default()
            .with_name(wire(name))
            .with_num_partitions(partitions)
            .with_replication_factor(replication);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let decision = self.controller.create_topics(&request);
        self.commit(&decision);
        let Some(Response::CreateTopics(response)) = &decision.response else { panic!("{decision:?}") };
        (response.topics[0].error_code, decision)
    }

    /// A topic of one partition on these replicas, the first of which leads.
    fn create_on(&mut self, name: &str, replicas: &[i32]) -> Decision {
        let assignment = CreatableReplicaAssignment::default()
            .with_partition_index(0)
            .with_broker_ids(replicas.iter().map(|id| messages::BrokerId(*id)).collect());
        let topic = CreatableTopic::default()
            .with_name(wire(name))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_assignments(vec![assignment]);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let decision = self.controller.create_topics(&request);
        self.commit(&decision);
        decision
    }

    /// The leader of a topic's first partition asks for this ISR.
    fn alter_isr(&mut self, name: &str, isr: &[i32]) -> (i16, Decision) {
        let (id, state) = self.first(name);
        let leader = state.leader.unwrap();
        let members = isr.iter().map(|id| BrokerState::default().with_broker_id(messages::BrokerId(*id)));
        let partition = PartitionData::default()
            .with_partition_index(0)
            .with_leader_epoch(state.leader_epoch.0)
            .with_partition_epoch(state.partition_epoch.0)
            .with_new_isr_with_epochs(members.map(|member| member.with_broker_epoch(-1)).collect());
        let topic = TopicData::default().with_topic_id(id.0).with_partitions(vec![partition]);
        let request = AlterPartitionRequest::default()
            .with_broker_id(messages::BrokerId(leader.0))
            .with_broker_epoch(self.committed.broker(leader).unwrap().epoch.0)
            .with_topics(vec![topic]);
        let decision = self.controller.alter_partition(&request);
        self.commit(&decision);
        let Some(Response::AlterPartition(response)) = &decision.response else { panic!("{decision:?}") };
        (response.topics[0].partitions[0].error_code, decision)
    }

    /// A broker falls silent and is fenced; the others are heard.
    fn lose(&mut self, id: i32) -> Decision {
        self.now = self.now + Duration::from_millis(900);
        let others: Vec<BrokerId> =
            self.committed.brokers().filter(|(_, broker)| !broker.fenced).map(|(id, _)| id).collect();
        for other in others.into_iter().filter(|other| other.0 != id) {
            self.heartbeat(other.0, false);
        }
        self.now = self.now + Duration::from_millis(200);
        let decision = self.controller.tick(self.now);
        self.commit(&decision);
        assert!(self.committed.broker(BrokerId(id)).unwrap().fenced);
        decision
    }

    fn set_config(&mut self, topic: &str, name: &'static str, value: &'static str) -> Decision {
        let config = AlterableConfig::default()
            .with_name(StrBytes::from_static_str(name))
            .with_value(Some(StrBytes::from_static_str(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(StrBytes::from_string(topic.to_owned()))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let decision = self.controller.incremental_alter_configs(&request);
        self.commit(&decision);
        decision
    }

    /// A topic's first partition.
    fn first(&self, name: &str) -> (TopicId, PartitionState) {
        let (id, topic) = self.committed.topic_named(&TopicName::from(name)).unwrap();
        (id, topic.partitions.get(&PartitionIndex(0)).unwrap().clone())
    }

    fn states(&self, name: &str) -> Vec<PartitionState> {
        let (_, topic) = self.committed.topic_named(&TopicName::from(name)).unwrap();
        topic.partitions.values().cloned().collect()
    }
}

fn wire(name: &str) -> messages::TopicName {
    messages::TopicName(StrBytes::from_string(name.to_owned()))
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().copied().map(BrokerId).collect()
}

/// The only record of a decision, which changes a partition.
fn only_change(decision: &Decision) -> PartitionChange {
    match decision.records.as_slice() {
        [MetadataRecord::PartitionChange { change, .. }] => change.clone(),
        other => panic!("{other:?}"),
    }
}

fn elections(decision: &Decision) -> usize {
    let elected = |record: &&MetadataRecord| matches!(record, MetadataRecord::PartitionChange { change, .. } if change.leader.flatten().is_some());
    decision.records.iter().filter(elected).count()
}
