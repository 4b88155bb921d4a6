//! A whole cluster of three brokers under virtual time, driven with raw requests.

mod support;

use support::Bench;
use tabmq::protocol::messages::*;
use tabmq::protocol::{Request, Response, encode_request};
use tabmq::time::Duration;
use tabmq::types::BrokerId;

#[test]
fn three_brokers_elect_a_controller_and_are_all_unfenced() {
    for seed in 0..20 {
        let mut bench = Bench::new(seed, 3);
        bench.ready();
        let leaders: Vec<_> =
            bench.world.ids().iter().map(|id| bench.world.broker(*id).unwrap().quorum().leader()).collect();
        assert!(leaders.iter().all(|leader| leader.is_some() && *leader == leaders[0]), "{leaders:?}");
    }
}

#[test]
fn a_topic_is_created_through_any_broker() {
    for id in 1..=3 {
        let mut bench = Bench::new(7, 3);
        bench.ready();
        bench.create_topic_through(BrokerId(id), "orders", 6, 3);
        bench.settled("orders", 6, 3);
    }
}

#[test]
fn an_acked_record_is_read_back_after_its_leader_was_killed() {
    let mut bench = Bench::new(3, 3);
    bench.ready();
    bench.create_topic_through(BrokerId(1), "orders", 1, 3);
    bench.settled("orders", 1, 3);
    let leader = bench.leader("orders", 0);
    let offset = bench.produce(leader, "orders", 0, b"before");
    assert_eq!(offset, 0);
    let killed_at = bench.world.now();
    bench.world.crash(leader);
    bench.world.run_until(Duration::from_secs(5), "another leader", |world| {
        world
            .ids()
            .iter()
            .filter_map(|id| world.broker(*id))
            .any(|broker| support::leader_in(broker, "orders", 0).is_some_and(|now| now != leader))
    });
    let next = bench.leader("orders", 0);
    let offset = bench.produce(next, "orders", 0, b"after");
    assert_eq!(offset, 1);
    assert!(bench.world.now().since(killed_at) < Duration::from_secs(2));
    assert_eq!(bench.fetch(next, "orders", 0), vec![b"before".to_vec(), b"after".to_vec()]);
    bench.world.start(leader);
    bench.settled("orders", 1, 3);
    assert_eq!(
        bench.fetch(bench.leader("orders", 0), "orders", 0),
        vec![b"before".to_vec(), b"after".to_vec()]
    );
}

#[test]
fn everything_is_there_after_all_brokers_were_ended_at_once() {
    let mut bench = Bench::new(11, 3);
    bench.ready();
    bench.create_topic_through(BrokerId(2), "orders", 3, 3);
    bench.settled("orders", 3, 3);
    for partition in 0..3 {
        bench.produce(bench.leader("orders", partition), "orders", partition, b"kept");
    }
    for id in bench.world.ids() {
        bench.world.crash(id);
    }
    for id in bench.world.ids() {
        bench.world.start(id);
    }
    bench.ready();
    bench.settled("orders", 3, 3);
    for partition in 0..3 {
        let leader = bench.leader("orders", partition);
        assert_eq!(bench.fetch(leader, "orders", partition), vec![b"kept".to_vec()]);
    }
}

#[test]
fn a_broker_that_is_stopped_moves_its_leaderships_first() {
    let mut bench = Bench::new(5, 3);
    bench.ready();
    bench.create_topic_through(BrokerId(1), "orders", 3, 3);
    bench.settled("orders", 3, 3);
    bench.world.stop(BrokerId(2));
    bench.world.run_until(Duration::from_secs(5), "broker 2 has stopped", |world| {
        world.broker(BrokerId(2)).is_none()
    });
    // It may have been the controller: what it has committed last reaches the others with the next one.
    bench.world.run_until(Duration::from_secs(5), "others lead, in every broker's eyes", |world| {
        world.ids().iter().filter_map(|id| world.broker(*id)).all(|broker| {
            (0..3).all(|partition| {
                support::leader_in(broker, "orders", partition).is_some_and(|id| id != BrokerId(2))
            })
        })
    });
}

#[test]
fn a_short_cut_does_not_keep_producer_ids_away_for_long() {
    let mut bench = Bench::new(4, 3);
    bench.ready();
    let controller =
        bench.world.ids().into_iter().find(|id| bench.world.broker(*id).unwrap().quorum().is_leader());
    let controller = controller.expect("a controller is active");
    let asked = BrokerId(controller.0 % 3 + 1);
    let request: Request = InitProducerIdRequest::default().with_transactional_id(None).into();
    // What is sent meanwhile is lost, and no connection closes.
    bench.world.set_cut(asked, controller, true);
    let conn = bench.world.connect(asked);
    bench.world.send(conn, encode_request(4, 1, Some("bench"), &request).unwrap());
    bench.world.run_for(Duration::from_millis(100));
    bench.world.set_cut(asked, controller, false);
    let healed = bench.world.now();
    let Response::InitProducerId(response) = bench.ask(asked, 4, request) else { panic!() };
    assert_eq!(response.error_code, 0);
    let waited = bench.world.now().since(healed);
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

#[test]
fn the_run_of_one_seed_is_the_same_twice() {
    let run = || {
        let mut bench = Bench::new(42, 3);
        bench.ready();
        bench.create_topic_through(BrokerId(3), "orders", 2, 3);
        bench.settled("orders", 2, 3);
        let leader = bench.leader("orders", 0);
        bench.produce(leader, "orders", 0, b"x");
        bench.world.crash(leader);
        bench.world.run_for(Duration::from_secs(3));
        bench.world.events().iter().map(|event| format!("{event:?}")).collect::<Vec<_>>()
    };
    let (first, second) = (run(), run());
    assert!(first.len() > 20);
    assert_eq!(first, second);
}

#[test]
fn metadata_is_answered_in_every_version() {
    let mut bench = Bench::new(1, 3);
    bench.ready();
    bench.create_topic_through(BrokerId(1), "orders", 2, 3);
    bench.settled("orders", 2, 3);
    for version in 0..=13 {
        let request = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(true);
        let request = if version == 0 { request.with_topics(Some(Vec::new())) } else { request };
        let Response::Metadata(response) = bench.ask(BrokerId(2), version, Request::Metadata(request)) else {
            panic!()
        };
        assert_eq!((response.brokers.len(), response.topics.len()), (3, 1), "version {version}");
    }
}

#[test]
fn a_cluster_whose_controller_was_killed_is_whole_again_after_all_were_ended() {
    for seed in 0..40 {
        let mut bench = Bench::new(seed, 3);
        bench.ready();
        bench.create_topic_through(BrokerId(1), "orders", 6, 3);
        bench.settled("orders", 6, 3);
        let controller = bench.world.broker(BrokerId(1)).and_then(|broker| broker.quorum().leader()).unwrap();
        bench.world.crash(controller);
        for _ in 0..5 {
            bench.world.run_for(Duration::from_millis(400));
            let leader = bench.leader("orders", 0);
            if bench.world.broker(leader).is_some() {
                bench.try_produce(leader, "orders", 0, b"x", -1);
            }
        }
        for id in bench.world.ids() {
            bench.world.crash(id);
        }
        for id in bench.world.ids() {
            bench.world.start(id);
        }
        bench.ready();
        bench.settled("orders", 6, 3);
    }
}
