//! Topics, sessions, fencing, registrations, and brokers that leave.

use super::*;
use crate::protocol::messages::{AlterConfigsRequest, UnregisterBrokerRequest, alter_configs_request};

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

#[test]
fn an_unregistered_broker_is_in_no_isr_and_its_id_is_free_again() {
    let mut bench = Bench::new(3);
    bench.create_on("t", &[2, 1]);
    let request = UnregisterBrokerRequest::default().with_broker_id(messages::BrokerId(2));
    let decision = bench.controller.unregister_broker(&request);
    bench.commit(&decision);
    let epoch = match &decision.records[..] {
        [MetadataRecord::PartitionChange { change, .. }, MetadataRecord::UnregisterBroker { id, epoch }] => {
            assert_eq!((id.0, &change.isr, change.leader), (2, &Some(ids(&[1])), Some(Some(BrokerId(1)))));
            *epoch
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(decision.events.last(), Some(&ClusterEvent::BrokerUnregistered { id: BrokerId(2) }));
    assert!(bench.committed.broker(BrokerId(2)).is_none());
    let decision = bench.controller.unregister_broker(&request);
    let Some(Response::UnregisterBroker(response)) = &decision.response else { panic!("{decision:?}") };
    assert_eq!(response.error_code, ErrorCode::BrokerIdNotRegistered.code());
    assert_eq!(decision.records, []);
    bench.register(2, 77);
    assert!(bench.committed.broker(BrokerId(2)).is_some_and(|broker| broker.epoch > epoch));
}

#[test]
fn a_partition_on_brokers_that_are_all_away_is_refused() {
    let mut bench = Bench::new(3);
    bench.lose(3);
    let decision = bench.create_on("t", &[3]);
    assert_eq!(decision.records, []);
    let Some(Response::CreateTopics(response)) = &decision.response else { panic!("{decision:?}") };
    assert_eq!(response.topics[0].error_code, ErrorCode::InvalidReplicaAssignment.code());
}

#[test]
fn the_older_way_to_alter_configs_unsets_what_it_does_not_name() {
    let mut bench = Bench::new(1);
    bench.create_on("t", &[1]);
    bench.set_config("t", "retention.ms", "1000");
    bench.set_config("t", "segment.ms", "2000");
    let config = alter_configs_request::AlterableConfig::default()
        .with_name(StrBytes::from_static_str("retention.ms"))
        .with_value(Some(StrBytes::from_static_str("3000")));
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(StrBytes::from_static_str("t"))
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    let decision = bench.controller.alter_configs(&request);
    bench.commit(&decision);
    let record = |name: &str, value: Option<&str>| MetadataRecord::Config {
        resource: Resource::Topic("t".into()),
        name: name.to_owned(),
        value: value.map(str::to_owned),
    };
    assert_eq!(decision.records, [record("retention.ms", Some("3000")), record("segment.ms", None)]);
    let told = |name: &str, value: Option<&str>| ClusterEvent::ConfigChanged {
        topic: "t".into(),
        name: name.to_owned(),
        value: value.map(str::to_owned),
    };
    assert_eq!(decision.events, [told("retention.ms", Some("3000")), told("segment.ms", None)]);
    let Some(Response::AlterConfigs(response)) = &decision.response else { panic!("{decision:?}") };
    assert_eq!(response.responses[0].error_code, 0);
}
