use super::*;
use crate::config::Profile;
use crate::protocol::messages::create_topics_request::CreatableTopic;
use crate::protocol::messages::{
    self, BrokerHeartbeatRequest, BrokerRegistrationRequest, CreateTopicsRequest, broker_registration_request,
};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::types::{Offset, TopicName, Uuid};

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
            .with_name(messages::TopicName(StrBytes::from_string(name.to_owned())))
            .with_num_partitions(partitions)
            .with_replication_factor(replication);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let decision = self.controller.create_topics(&request);
        self.commit(&decision);
        let Some(Response::CreateTopics(response)) = &decision.response else { panic!("{decision:?}") };
        (response.topics[0].error_code, decision)
    }

    fn states(&self, name: &str) -> Vec<PartitionState> {
        let (_, topic) = self.committed.topic_named(&TopicName::from(name)).unwrap();
        topic.partitions.values().cloned().collect()
    }
}

fn elections(decision: &Decision) -> usize {
    let elected = |record: &&MetadataRecord| {
        matches!(record, MetadataRecord::PartitionChange { leader: Some(Some(_)), .. })
    };
    decision.records.iter().filter(elected).count()
}

#[test]
fn a_topic_is_one_record_and_one_per_partition() {
    let mut bench = Bench::new(3);
    let (error, decision) = bench.create("orders", 6, 3);
    assert_eq!(error, 0);
    assert_eq!(decision.records.len(), 7);
    assert!(matches!(&decision.records[0], MetadataRecord::Topic { name, .. } if name.as_str() == "orders"));
    for state in bench.states("orders") {
        assert_eq!(state.isr, state.replicas);
        assert_eq!(state.leader, Some(state.replicas[0]));
    }
}

#[test]
fn what_kafka_refuses_is_refused_with_its_code_and_no_record() {
    let mut bench = Bench::new(3);
    bench.create("there", 1, 1);
    bench.create("a.b", 1, 1);
    for (name, partitions, replication, error) in [
        ("there", 1, 1, ErrorCode::TopicAlreadyExists),
        ("a_b", 1, 1, ErrorCode::InvalidTopicException),
        ("not a name", 1, 1, ErrorCode::InvalidTopicException),
        ("..", 1, 1, ErrorCode::InvalidTopicException),
        ("none", 0, 1, ErrorCode::InvalidPartitions),
        ("none", 1, 0, ErrorCode::InvalidReplicationFactor),
        ("four", 1, 4, ErrorCode::InvalidReplicationFactor),
    ] {
        let (code, decision) = bench.create(name, partitions, replication);
        assert_eq!((code, decision.records.len()), (error.code(), 0), "{name}");
    }
}

#[test]
fn a_silent_broker_is_fenced_and_its_partitions_get_leaders_from_the_isr() {
    let mut bench = Bench::new(3);
    bench.create("orders", 6, 3);
    bench.now = Instant(900);
    bench.heartbeat(2, false);
    bench.heartbeat(3, false);
    assert_eq!(bench.controller.next_deadline(), Some(Instant(1000)));
    bench.now = Instant(1000);
    let decision = bench.controller.tick(bench.now);
    bench.commit(&decision);
    assert_eq!(elections(&decision), 2);
    for state in bench.states("orders") {
        assert!(!state.isr.contains(&BrokerId(1)) && state.leader != Some(BrokerId(1)));
    }
}

#[test]
fn the_last_in_sync_replica_stays_in_the_isr_and_leads_again_when_it_is_back() {
    let mut bench = Bench::new(1);
    bench.create("orders", 1, 1);
    bench.now = Instant(5000);
    let decision = bench.controller.tick(bench.now);
    bench.commit(&decision);
    let state = bench.states("orders").remove(0);
    assert_eq!((state.leader, state.isr.as_slice()), (None, &[BrokerId(1)][..]));
    bench.heartbeat(1, false);
    let state = bench.states("orders").remove(0);
    assert_eq!((state.leader, state.leader_epoch), (Some(BrokerId(1)), LeaderEpoch(2)));
}

#[test]
fn a_new_incarnation_waits_for_the_session_of_the_old_one_unless_this_controller_never_heard_it() {
    let mut bench = Bench::new(1);
    let decision = bench.register(1, 99);
    let Some(Response::BrokerRegistration(response)) = decision.response else { panic!() };
    assert_eq!(response.error_code, ErrorCode::DuplicateBrokerRegistration.code());
    let image = bench.committed.clone();
    bench.controller.activate(bench.now, image);
    let decision = bench.register(1, 99);
    let Some(Response::BrokerRegistration(response)) = decision.response else { panic!() };
    assert_eq!(response.error_code, 0);
}

#[test]
fn the_same_incarnation_registered_again_keeps_its_epoch_and_what_it_leads() {
    let mut bench = Bench::new(3);
    bench.create("t", 3, 3);
    let before = (bench.committed.broker(BrokerId(1)).cloned(), bench.states("t"));
    let decision = bench.register(1, 1);
    assert_eq!(decision.records, []);
    assert_eq!((bench.committed.broker(BrokerId(1)).cloned(), bench.states("t")), before);
    let Some(Response::BrokerRegistration(response)) = decision.response else { panic!("no answer") };
    assert_eq!(Some(response.broker_epoch), before.0.map(|broker| broker.epoch.0));
}

#[test]
fn a_broker_that_names_its_epoch_registers_anew_at_once_and_what_it_led_goes_to_others() {
    let mut bench = Bench::new(3);
    bench.create("t", 3, 3);
    let epoch = bench.committed.broker(BrokerId(1)).unwrap().epoch.0;
    let refused = bench.register_after(1, 9, epoch + 1);
    assert!(refused.records.is_empty(), "somebody else's epoch");
    bench.register_after(1, 9, epoch);
    assert!(bench.committed.broker(BrokerId(1)).unwrap().epoch.0 > epoch);
    for state in bench.states("t") {
        assert!(!state.isr.contains(&BrokerId(1)), "{state:?}");
        assert!(state.leader.is_some_and(|leader| leader != BrokerId(1)), "{state:?}");
    }
}

#[test]
fn a_controlled_shutdown_moves_leadership_before_it_lets_go() {
    let mut bench = Bench::new(3);
    bench.create("orders", 3, 3);
    let decision = bench.heartbeat(2, true);
    let Some(Response::BrokerHeartbeat(response)) = &decision.response else { panic!() };
    assert!(response.should_shut_down && response.is_fenced);
    assert_eq!(elections(&decision), 1);
    assert!(bench.states("orders").iter().all(|state| state.leader != Some(BrokerId(2))));
}

use crate::types::LeaderEpoch;
