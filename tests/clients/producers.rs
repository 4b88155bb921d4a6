//! Producers: what is acked is there once and in order, and every call is answered by its deadline.

use tabmq::client::*;
use tabmq::protocol::ErrorCode;
use tabmq::rng::Rng;
use tabmq::sim::{Latencies, World};
use tabmq::time::Duration;
use tabmq::types::{BrokerId, Compression, TopicName};

use crate::load::*;
use crate::rig::*;
use crate::support;

#[test]
fn what_is_acked_while_a_leader_dies_is_there_once_and_in_order() {
    let mut slowest = Duration::ZERO;
    for seed in 0..40 {
        let mut rig = Rig::with_topic(seed, 6);
        let producer = rig.producer(producer_options());
        let mut load = Load::new(producer);
        load.run(&mut rig, ms(1000), ms(20));
        let leader = rig.bench.leader(TOPIC, 0);
        rig.bench.world.crash(leader);
        let crashed_at = rig.now();
        load.run(&mut rig, ms(3000), ms(20));
        rig.bench.world.start(leader);
        load.run(&mut rig, ms(2000), ms(20));
        load.finish(&mut rig);
        assert!(load.failed.is_empty(), "seed {seed}: {:?}", load.failed);
        // Every partition that lost its leader goes on: the longest silence of the run is the crash's.
        let gap = load.gap_after(crashed_at);
        slowest = slowest.max(gap);
        load.check(&mut rig, 6);
    }
    assert!(slowest < ms(2500), "{slowest:?}");
}

#[test]
fn a_producer_goes_on_through_random_crashes_and_cuts() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let latencies = Latencies { network_max: ms(1 + rng.below(15)), storage_max: ms(1 + rng.below(20)) };
        let mut rig = Rig::with(seed, latencies);
        rig.create_topic(6);
        let producer = rig.producer(producer_options());
        let mut load = Load::new(producer);
        for _ in 0..5 {
            load.run(&mut rig, ms(200 + rng.below(600)), ms(15));
            let victim = BrokerId(1 + rng.below(3) as i32);
            if rng.below(3) == 0 {
                let other = BrokerId(victim.0 % 3 + 1);
                rig.bench.world.set_cut(victim, other, true);
                if rng.below(2) == 0 {
                    rig.bench.world.set_cut(other, victim, true);
                }
                load.run(&mut rig, ms(300 + rng.below(3000)), ms(15));
                rig.bench.world.set_cut(victim, other, false);
                rig.bench.world.set_cut(other, victim, false);
            } else {
                rig.bench.world.crash(victim);
                load.run(&mut rig, ms(100 + rng.below(2500)), ms(15));
                rig.bench.world.start(victim);
            }
            // One fault at a time: the cluster is whole again before the next.
            rig.heal(6);
            load.gather();
        }
        load.finish(&mut rig);
        assert!(load.failed.is_empty(), "seed {seed}: {:?}", &load.failed[..load.failed.len().min(3)]);
        load.check(&mut rig, 6);
    }
}

#[test]
fn acks_0_and_1_every_codec_and_close_deliver_everything() {
    let each_codec = Compression::ALL.map(|codec| (-1, codec));
    for (acks, compression) in [(0, Compression::None), (1, Compression::Zstd)].into_iter().chain(each_codec)
    {
        let mut rig = Rig::with_topic(3, 3);
        let producer =
            rig.producer(ProducerOptions { linger: ms(100), batch_bytes: 500, ..producer_options() });
        let world = &mut rig.bench.world;
        for n in 0..200 {
            let records = vec![record(&format!("k{}", n % 5), &format!("k{}:{n}", n % 5))];
            let topics = vec![(TopicName::from(TOPIC), records)];
            producer.call(world, ProducerCall::Send { topics, acks, compression, timeout: None });
        }
        rig.answer_kept(&producer, ProducerCall::Close, ms(5000)).unwrap();
        let replies = producer.take_replies();
        assert_eq!(replies.len(), 201);
        for (_, call, result) in &replies {
            match result {
                Ok(ProducerReply::Sent(results)) => {
                    assert_eq!(results.len(), 1);
                    assert_eq!(results[0].base_offset.is_some(), acks != 0, "{call:?}");
                }
                Ok(ProducerReply::Closed) => {}
                other => panic!("{other:?}"),
            }
        }
        rig.run_for(ms(1000));
        let logs = rig.logs(3);
        assert_eq!(logs.iter().map(Vec::len).sum::<usize>(), 200, "acks {acks}");
        let closed = rig.answer(&producer, send(vec![record("a", "a:1")]), ms(10)).unwrap_err();
        assert_eq!(closed.kind, FailureKind::Closed);
    }
}

#[test]
fn a_producer_is_told_what_is_wrong_by_its_deadline() {
    let mut rig = Rig::with_topic(4, 2);
    let producer = rig.producer(producer_options());
    let mut wrong = record("a", "a:1");
    wrong.partition = Some(2);
    let answer = rig.answer(&producer, send(vec![wrong]), ms(3000));
    assert_eq!(protocol_error(answer), ErrorCode::UnknownTopicOrPartition);
    let large = record("a", &"x".repeat(3_000_000));
    let answer = rig.answer(&producer, send(vec![large]), ms(3000));
    assert_eq!(protocol_error(answer), ErrorCode::MessageTooLarge);
    let larger = record("a", &"x".repeat(20_000_000));
    let answer = rig.answer(&producer, send(vec![larger]), ms(3000));
    assert_eq!(protocol_error(answer), ErrorCode::MessageTooLarge);
    // And it goes on.
    rig.answer(&producer, send(vec![record("a", "a:2")]), ms(3000)).unwrap();
    let invalid = send_to(TOPIC, vec![record("a", "a:2")], 2, None);
    assert_eq!(rig.answer(&producer, invalid, ms(10)).unwrap_err().kind, FailureKind::Invalid);
    let invalid = send_to("no good", vec![record("a", "a:2")], -1, None);
    assert_eq!(protocol_error(rig.answer(&producer, invalid, ms(3000))), ErrorCode::InvalidTopicException);
    rig.answer(&producer, send_to(TOPIC, vec![], -1, None), ms(10)).unwrap();
    let Ok(ProducerReply::Partitions(2)) =
        rig.answer(&producer, ProducerCall::PartitionCount(TopicName::from(TOPIC)), ms(3000))
    else {
        panic!()
    };
}

#[test]
fn an_unknown_topic_is_created_or_waited_for_until_the_deadline() {
    let mut rig = Rig::new(5);
    let producer = rig.producer(producer_options());
    let sent = send_to("fresh", vec![record("a", "a:2")], -1, None);
    rig.answer(&producer, sent, ms(5000)).unwrap();
    let mut rig = Rig::with_configs(5, &[("auto.create.topics.enable", "false")]);
    let producer = rig.producer(producer_options());
    let called_at = rig.now();
    let turns = producer.look().turns;
    let sent = send_to("fresh", vec![record("a", "a:2")], -1, Some(ms(2000)));
    assert_eq!(protocol_error(rig.answer(&producer, sent, ms(2010))), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(rig.now().since(called_at), ms(2000));
    assert!(producer.look().turns - turns < 100, "{} turns", producer.look().turns - turns);
}

#[test]
fn too_few_replicas_is_said_by_the_deadline_and_forgotten_when_they_are_back() {
    for seed in 0..10 {
        let mut rig = Rig::with_topic(seed, 3);
        let producer = rig.producer(producer_options());
        rig.answer(&producer, send(vec![record("a", "a:1")]), ms(3000)).unwrap();
        // The controller stays.
        let controller = rig.controller();
        let others: Vec<BrokerId> =
            rig.bench.world.ids().into_iter().filter(|id| *id != controller).collect();
        rig.bench.world.crash(others[0]);
        rig.run_for(ms(3000));
        rig.bench.world.crash(others[1]);
        rig.run_for(ms(200));
        let called_at = rig.now();
        let answer =
            rig.answer(&producer, send_to(TOPIC, vec![record("a", "a:2")], -1, Some(ms(4000))), ms(4010));
        let error = answer.unwrap_err();
        // A client takes a turn every 5 ms at most.
        assert!(rig.now().since(called_at) <= ms(4005), "seed {seed}: {error:?}");
        let said = matches!(
            error.kind,
            FailureKind::Protocol(
                ErrorCode::NotEnoughReplicas
                    | ErrorCode::NotEnoughReplicasAfterAppend
                    | ErrorCode::RequestTimedOut
                    | ErrorCode::LeaderNotAvailable
            ) | FailureKind::Timeout
        );
        assert!(said, "seed {seed}: {error:?}");
        for id in others {
            rig.bench.world.start(id);
        }
        rig.answer(&producer, send(vec![record("a", "a:3")]), ms(10_000)).unwrap();
        let log = rig.logs(3).concat();
        for value in ["a:1", "a:3"] {
            assert_eq!(log.iter().filter(|found| *found == value).count(), 1, "seed {seed}: {log:?}");
        }
    }
}

#[test]
fn a_producer_gets_its_id_from_another_broker_when_the_one_it_asked_hangs() {
    for hanging in 1..=3 {
        let mut rig = Rig::with_topic(9, 3);
        let client = ClientOptions { request_timeout: ms(30_000), ..client_options("producer") };
        let producer =
            rig.producer(ProducerOptions { client, delivery_timeout: ms(8000), ..producer_options() });
        rig.answer(&producer, ProducerCall::PartitionCount(TopicName::from(TOPIC)), ms(3000)).unwrap();
        rig.bench.world.pause(BrokerId(hanging));
        let led = |partition: &i32| rig.bench.leader(TOPIC, *partition) != BrokerId(hanging);
        let partition = (0..3).find(led);
        rig.answer(&producer, send(vec![ProducerRecord { partition, ..record("a", "a:1") }]), ms(8000))
            .unwrap();
    }
}

/// It asks often, and not those that it has just lost.
#[test]
fn a_producer_finds_a_leader_soon_after_it_is_elected() {
    for seed in 1..=20 {
        let mut rig = Rig::with_topic(seed, 1);
        let producer = rig.producer(producer_options());
        rig.answer(&producer, send(vec![record("a", "a:1")]), ms(3000)).unwrap();
        let killed = rig.bench.leader(TOPIC, 0);
        rig.bench.world.crash(killed);
        let call = producer.call(&mut rig.bench.world, send(vec![record("a", "a:2")]));
        let leads = |world: &World, id: BrokerId| {
            world.broker(id).is_some_and(|broker| support::leader_in(broker, TOPIC, 0) == Some(id))
        };
        rig.run_until(ms(10_000), "another leads", |world| {
            world.ids().into_iter().any(|id| id != killed && leads(world, id))
        });
        rig.run_until(ms(150), "it is acked", |_| !producer.look().unanswered().contains(&call));
    }
}
