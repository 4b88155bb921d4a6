//! A broker that could not run (a frozen worker, a laptop asleep) re-checks before it acts: it acknowledges nothing in an
//! epoch that is over, shows no consumer anything, and is a follower like any other a moment later.

mod support;

use support::Bench;
use tabmq::event::ClusterEvent;
use tabmq::protocol::frame::FrameReader;
use tabmq::protocol::messages::*;
use tabmq::protocol::records::{BatchBuilder, BatchOptions};
use tabmq::protocol::{ErrorCode, Request, Response, StrBytes, decode_response, encode_request};
use tabmq::sim::{ClientConn, ToClient};
use tabmq::time::Duration;
use tabmq::types::BrokerId;

const HOUR: Duration = Duration::from_secs(3600);

fn produce(value: &str, acks: i16) -> Request {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    builder.push(support::START.as_timestamp(), None, Some(value.as_bytes()), &[]);
    let data = produce_request::PartitionProduceData::default().with_records(Some(builder.build()));
    let topic = produce_request::TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(30_000).with_topic_data(vec![topic]).into()
}

fn fetch() -> Request {
    let partition =
        fetch_request::FetchPartition::default().with_fetch_offset(0).with_partition_max_bytes(1 << 20);
    let topic = fetch_request::FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("orders")))
        .with_partitions(vec![partition]);
    FetchRequest::default().with_min_bytes(1).with_max_bytes(1 << 20).with_topics(vec![topic]).into()
}

/// A connection that is open.
fn connect(bench: &mut Bench, broker: BrokerId) -> ClientConn {
    let conn = bench.world.connect(broker);
    bench.world.run_for(Duration::from_millis(20));
    while bench.world.pop_inbox().is_some() {}
    conn
}

fn send(bench: &mut Bench, conn: ClientConn, version: i16, request: &Request) {
    let bytes = encode_request(version, 1, Some("bench"), request).unwrap();
    bench.world.send(conn, bytes);
}

/// The error of the one partition that each of these requests was about, in their order.
fn errors(bench: &mut Bench, conn: ClientConn, asked: &[(Request, i16)]) -> Vec<i16> {
    let mut reader = FrameReader::new(100_000_000);
    let mut found = Vec::new();
    let until = bench.world.now() + Duration::from_secs(10);
    while found.len() < asked.len() {
        while let Some(arrived) = bench.world.pop_inbox() {
            if let ToClient::Bytes(from, bytes) = arrived
                && from == conn
            {
                reader.push(bytes);
            }
        }
        while let Some(frame) = reader.next() {
            let (request, version) = &asked[found.len()];
            let (_, response) = decode_response(request.key(), *version, frame.unwrap()).unwrap();
            found.push(match response {
                Response::Produce(body) => body.responses[0].partition_responses[0].error_code,
                Response::Fetch(body) => body.responses[0].partitions[0].error_code,
                other => panic!("{other:?}"),
            });
        }
        if found.len() < asked.len() {
            assert!(bench.world.step(until), "{} of {} answers", found.len(), asked.len());
        }
    }
    found
}

fn paused_for(bench: &Bench, broker: BrokerId) -> Option<u64> {
    bench.world.events().iter().rev().find_map(|(_, id, event)| match event {
        ClusterEvent::Paused { for_ms } if *id == broker => Some(*for_ms),
        _ => None,
    })
}

/// A cluster of three with one partition, its leader, and a connection to it.
fn bench() -> (Bench, BrokerId, ClientConn) {
    let mut bench = Bench::new(5, 3);
    bench.ready();
    bench.create_topic_through(BrokerId(1), "orders", 1, 3);
    bench.settled("orders", 1, 3);
    let leader = bench.leader("orders", 0);
    bench.produce(leader, "orders", 0, b"first");
    let conn = connect(&mut bench, leader);
    (bench, leader, conn)
}

#[test]
fn a_leader_that_was_frozen_for_an_hour_acknowledges_nothing_of_what_waited_for_it() {
    let (mut bench, old, conn) = bench();
    bench.world.pause(old);
    let asked =
        [(produce("lost-1", 1), 9), (produce("lost-all", -1), 9), (fetch(), 11), (produce("lost-2", 1), 9)];
    for (request, version) in &asked {
        send(&mut bench, conn, *version, request);
    }
    bench.world.run_for(HOUR);
    let new = bench.leader("orders", 0);
    assert_ne!(new, old);
    bench.produce(new, "orders", 0, b"second");
    bench.world.resume(old);
    assert_eq!(errors(&mut bench, conn, &asked), [ErrorCode::NotLeaderOrFollower.code(); 4]);
    assert!(paused_for(&bench, old).is_some_and(|ms| ms > 3_500_000));
    bench.settled("orders", 1, 3);
    let leader = bench.leader("orders", 0);
    assert_eq!(bench.fetch(leader, "orders", 0), [b"first".to_vec(), b"second".to_vec()]);
    let again = bench.try_produce(old, "orders", 0, b"third", 1).0;
    let expected = if leader == old { 0 } else { ErrorCode::NotLeaderOrFollower.code() };
    assert_eq!(again, expected);
}

#[test]
fn a_leader_that_hears_nobody_after_an_hour_acknowledges_nothing_until_it_does() {
    let (mut bench, old, conn) = bench();
    bench.world.pause(old);
    bench.world.run_for(HOUR);
    let others: Vec<BrokerId> = bench.world.ids().into_iter().filter(|id| *id != old).collect();
    for other in &others {
        bench.world.set_cut(old, *other, true);
        bench.world.set_cut(*other, old, true);
    }
    bench.world.resume(old);
    let asked = [(produce("lost", 1), 9), (fetch(), 11)];
    for (request, version) in &asked {
        send(&mut bench, conn, *version, request);
    }
    assert_eq!(errors(&mut bench, conn, &asked), [ErrorCode::NotLeaderOrFollower.code(); 2]);
    bench.world.run_for(Duration::from_secs(20));
    send(&mut bench, conn, 9, &asked[0].0);
    assert_eq!(errors(&mut bench, conn, &asked[..1]), [ErrorCode::NotLeaderOrFollower.code()]);
    for other in &others {
        bench.world.set_cut(old, *other, false);
        bench.world.set_cut(*other, old, false);
    }
    bench.settled("orders", 1, 3);
    let leader = bench.leader("orders", 0);
    bench.produce(leader, "orders", 0, b"second");
    assert_eq!(bench.fetch(leader, "orders", 0), [b"first".to_vec(), b"second".to_vec()]);
}

#[test]
fn a_whole_cluster_that_slept_goes_on_where_it_was() {
    let (mut bench, leader, _) = bench();
    let ids = bench.world.ids();
    for id in &ids {
        bench.world.pause(*id);
    }
    bench.world.run_for(HOUR);
    for id in &ids {
        bench.world.resume(*id);
    }
    let before = bench.world.now();
    let leads = |bench: &mut Bench| {
        let leader = bench.leader("orders", 0);
        bench.try_produce(leader, "orders", 0, b"second", -1).0 == 0
    };
    while !leads(&mut bench) {
        assert!(bench.world.now().since(before) < Duration::from_secs(5), "it does not go on");
        bench.world.run_for(Duration::from_millis(50));
    }
    bench.ready();
    bench.settled("orders", 1, 3);
    let now = bench.leader("orders", 0);
    assert_eq!(bench.fetch(now, "orders", 0), [b"first".to_vec(), b"second".to_vec()]);
    assert!(ids.iter().all(|id| paused_for(&bench, *id).is_some()), "leader was {leader}");
}

#[test]
fn a_broker_that_is_alone_goes_on_at_once() {
    let mut bench = Bench::new(5, 1);
    bench.ready();
    bench.create_topic_through(BrokerId(1), "orders", 1, 1);
    bench.settled("orders", 1, 1);
    bench.world.pause(BrokerId(1));
    bench.world.run_for(HOUR);
    bench.world.resume(BrokerId(1));
    assert_eq!(bench.produce(BrokerId(1), "orders", 0, b"first"), 0);
}
