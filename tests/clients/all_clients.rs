//! What holds for every client.

use tabmq::client::*;
use tabmq::log::io::IoError;
use tabmq::types::{BrokerId, TopicName};

use crate::load::*;
use crate::rig::*;

#[test]
fn every_call_ends_by_its_deadline_when_all_brokers_are_down() {
    for up_first in [false, true] {
        let mut rig = Rig::with_topic(6, 3);
        let producer = rig.producer(ProducerOptions { delivery_timeout: ms(5000), ..producer_options() });
        let admin = rig.admin();
        let mut reader = Reader::start(&mut rig, consumer_options("a", Assignor::Range));
        if up_first {
            let mut load = Load::new(rig.producer(producer_options()));
            run_all(&mut rig, Some(&mut load), &mut [&mut reader], ms(3000));
            rig.answer(&producer, send(vec![record("a", "a:1")]), ms(3000)).unwrap();
        }
        for id in rig.bench.world.ids() {
            rig.bench.world.crash(id);
        }
        let at = rig.now();
        let turns =
            |reader: &Reader| producer.look().turns + admin.look().turns + reader.consumer.look().turns;
        let before = turns(&reader);
        let world = &mut rig.bench.world;
        producer.call(world, send(vec![record("a", "a:1")]));
        producer.call(world, send_to("other", vec![record("a", "a:1")], 1, Some(ms(1000))));
        producer.call(world, ProducerCall::PartitionCount(TopicName::from("third")));
        admin.call(world, AdminCall::ListGroups);
        admin.call(world, AdminCall::DescribeCluster);
        admin.call(world, AdminCall::ListOffsets { topic: TOPIC.to_owned(), timestamp: -1 });
        admin.call(world, AdminCall::DeleteGroups(vec!["x".to_owned()]));
        reader.consumer.call(world, ConsumerCall::Commit(vec![(TopicName::from(TOPIC), 0, 1, None)]));
        reader.consumer.call(world, ConsumerCall::Poll { batches_max: 1, wait: ms(500) });
        // A turn may be followed by the next one 5 ms later.
        rig.run_for(ms(5005));
        assert_eq!(producer.look().unanswered().len(), 1, "the count waits for the request timeout");
        rig.run_for(ms(5005));
        assert!(producer.look().unanswered().is_empty());
        assert!(admin.look().unanswered().is_empty());
        assert!(reader.consumer.look().unanswered().is_empty());
        let called = turns(&reader) - before;
        assert!(called < 1500, "{called} turns in 10 s of three clients");
        for (_, _, result) in producer.take_replies() {
            let error = result.unwrap_err();
            assert!(error.retriable(), "{error:?}");
        }
        for (when, _, result) in admin.take_replies() {
            assert!(matches!(result.unwrap_err().kind, FailureKind::Connection | FailureKind::Timeout));
            assert_eq!(when.since(at), ms(10_000));
        }
        rig.answer(&producer, ProducerCall::Close, ms(10)).unwrap();
        rig.answer(&reader.consumer, ConsumerCall::Close, ms(5010)).unwrap();
        rig.answer(&admin, AdminCall::Close, ms(10)).unwrap();
        let before = turns(&reader);
        rig.run_for(ms(10_000));
        assert!(turns(&reader) - before < 3, "a closed client does nothing");
    }
}

#[test]
fn an_idle_client_takes_few_turns() {
    let mut rig = Rig::with_topic(7, 6);
    let producer = rig.producer(producer_options());
    rig.answer(&producer, send(vec![record("a", "a:1")]), ms(3000)).unwrap();
    let mut reader = Reader::start(&mut rig, consumer_options("a", Assignor::Range));
    run_all(&mut rig, None, &mut [&mut reader], ms(5000));
    let poll = ConsumerCall::Poll { batches_max: 1, wait: ms(60_000) };
    reader.consumer.call(&mut rig.bench.world, poll);
    let before = (producer.look().turns, reader.consumer.look().turns);
    rig.run_for(ms(20_000));
    let after = (producer.look().turns, reader.consumer.look().turns);
    assert!(after.0 - before.0 < 20);
    assert!(after.1 - before.1 < 20 * 30);
}

#[test]
fn the_run_of_one_seed_is_the_same_twice() {
    let run = || {
        let mut rig = Rig::with_topic(42, 6);
        let producer = rig.producer(producer_options());
        let mut load = Load::new(producer);
        let mut a = Reader::start(&mut rig, consumer_options("a", Assignor::Range));
        let mut b = Reader::start(&mut rig, consumer_options("b", Assignor::Range));
        run_all(&mut rig, Some(&mut load), &mut [&mut a, &mut b], ms(2000));
        rig.bench.world.crash(BrokerId(2));
        run_all(&mut rig, Some(&mut load), &mut [&mut a, &mut b], ms(4000));
        let events = rig.bench.world.events().iter().map(|event| format!("{event:?}"));
        let told = a
            .consumer
            .look()
            .events
            .iter()
            .chain(&b.consumer.look().events)
            .map(|e| format!("{e:?}"))
            .collect::<Vec<_>>();
        (events.collect::<Vec<_>>(), load.acked_at, a.got, b.got, told)
    };
    assert_eq!(run(), run());
}

#[test]
fn while_the_quota_is_used_up_producers_wait_consumers_go_on_and_nothing_is_acked() {
    for seed in 0..10 {
        let mut rig = Rig::with_topic(seed, 3);
        let producer = rig.producer(producer_options());
        let mut load = Load::new(producer);
        load.run(&mut rig, ms(1000), ms(20));
        load.finish(&mut rig);
        let acked_before = load.acked.len();
        for id in rig.bench.world.ids() {
            rig.bench.world.storage_mut(id).unwrap().fail_writes(Some(IoError::QuotaExceeded));
        }
        load.run(&mut rig, ms(3000), ms(50));
        assert_eq!(load.acked.len(), acked_before, "seed {seed}: acked, and not stored");
        let without_commits = ConsumerOptions { auto_commit: None, ..consumer_options("a", Assignor::Range) };
        let mut reader = Reader::start(&mut rig, ConsumerOptions { group_id: None, ..without_commits });
        run_all(&mut rig, None, &mut [&mut reader], ms(3000));
        assert_eq!(reader.got.len(), acked_before, "seed {seed}: what is there is read");
        for id in rig.bench.world.ids() {
            rig.bench.world.storage_mut(id).unwrap().fail_writes(None);
        }
        load.finish(&mut rig);
        assert!(load.failed.is_empty(), "seed {seed}: {:?}", load.failed);
        run_all(&mut rig, None, &mut [&mut reader], ms(3000));
        assert!(reader.got.len() >= load.acked.len());
        load.check(&mut rig, 3);
    }
}
