//! Consumers: alone and in groups, whoever dies.

use std::collections::BTreeSet;

use tabmq::client::*;
use tabmq::rng::Rng;
use tabmq::time::Instant;
use tabmq::types::{BrokerId, TopicName};

use crate::load::*;
use crate::rig::*;

#[test]
fn two_consumers_share_and_one_takes_over_what_the_other_leaves() {
    for seed in 0..20 {
        let assignor = if seed % 2 == 0 { Assignor::Range } else { Assignor::RoundRobin };
        let mut rig = Rig::with_topic(seed, 6);
        let producer = rig.producer(producer_options());
        let mut load = Load::new(producer);
        let mut a = Reader::start(&mut rig, consumer_options("a", assignor));
        run_all(&mut rig, Some(&mut load), &mut [&mut a], ms(4000));
        assert_eq!(share_of(&a), 6, "seed {seed}");
        let mut b = Reader::start(&mut rig, consumer_options("b", assignor));
        run_all(&mut rig, Some(&mut load), &mut [&mut a, &mut b], ms(4000));
        assert_eq!((share_of(&a), share_of(&b)), (3, 3), "seed {seed}");
        let before = a.got.len();
        assert!(!b.got.is_empty(), "seed {seed}");
        // a leaves.
        let left_at = rig.now();
        match seed % 4 {
            0 | 1 => {
                let call = a.consumer.call(&mut rig.bench.world, ConsumerCall::Close);
                run_all(&mut rig, Some(&mut load), &mut [&mut b], ms(1500));
                assert!(!a.consumer.look().unanswered().contains(&call), "seed {seed}: close");
            }
            2 => {
                rig.clients.kill(&mut rig.bench.world, &a.consumer);
                run_all(&mut rig, Some(&mut load), &mut [&mut b], ms(5000));
            }
            _ => {
                rig.clients.silence(&a.consumer);
                run_all(&mut rig, Some(&mut load), &mut [&mut b], ms(5000));
            }
        }
        assert_eq!(share_of(&b), 6, "seed {seed}: after {:?}", rig.now().since(left_at));
        assert_eq!(a.got.len(), before, "seed {seed}");
        load.finish(&mut rig);
        run_all(&mut rig, None, &mut [&mut b], ms(2000));
        check_read(seed, &load, &[&a, &b]);
        if seed % 4 < 2 {
            let all: Vec<_> = a.got.iter().chain(&b.got).collect();
            let unique: BTreeSet<_> = all.iter().collect();
            assert_eq!(all.len(), unique.len(), "seed {seed}: read twice, though nobody died");
        }
        // A new member of the group begins where it was committed.
        let call = b.consumer.call(&mut rig.bench.world, ConsumerCall::Close);
        rig.run_for(ms(1000));
        assert!(!b.consumer.look().unanswered().contains(&call), "seed {seed}: close");
        let mut c = Reader::start(&mut rig, consumer_options("c", assignor));
        run_all(&mut rig, None, &mut [&mut c], ms(4000));
        assert_eq!((share_of(&c), c.got.len()), (6, 0), "seed {seed}");
    }
}

#[test]
fn consumers_go_on_when_a_broker_dies_the_coordinators_too() {
    for seed in 0..30 {
        let mut rig = Rig::with_topic(seed, 6);
        let producer = rig.producer(producer_options());
        let mut load = Load::new(producer);
        let mut a = Reader::start(&mut rig, consumer_options("a", Assignor::Range));
        let mut b = Reader::start(&mut rig, consumer_options("b", Assignor::Range));
        run_all(&mut rig, Some(&mut load), &mut [&mut a, &mut b], ms(5000));
        let mut rng = Rng::new(seed);
        for round in 0..3 {
            let victim = BrokerId(1 + rng.below(3) as i32);
            rig.bench.world.crash(victim);
            let read = a.got.len() + b.got.len();
            run_all(&mut rig, Some(&mut load), &mut [&mut a, &mut b], ms(3000));
            assert!(a.got.len() + b.got.len() > read + 60, "seed {seed} round {round}: stalled");
            rig.bench.world.start(victim);
            run_all(&mut rig, Some(&mut load), &mut [&mut a, &mut b], ms(3000));
            rig.heal(6);
        }
        load.finish(&mut rig);
        run_all(&mut rig, None, &mut [&mut a, &mut b], ms(5000));
        assert_eq!(share_of(&a) + share_of(&b), 6, "seed {seed}");
        check_read(seed, &load, &[&a, &b]);
    }
}

#[test]
fn a_reader_without_a_group_reads_all_and_notices_new_partitions() {
    let mut rig = Rig::with_topic(1, 2);
    let producer = rig.producer(producer_options());
    let options = ConsumerOptions { group_id: None, ..consumer_options("a", Assignor::Range) };
    let mut reader = Reader::start(&mut rig, options);
    let mut load = Load { keys: 50, ..Load::new(producer) };
    run_all(&mut rig, Some(&mut load), &mut [&mut reader], ms(2000));
    let admin = rig.admin();
    rig.answer(&admin, AdminCall::CreatePartitions(vec![(TOPIC.to_owned(), 4)]), ms(3000)).unwrap();
    run_all(&mut rig, Some(&mut load), &mut [&mut reader], ms(15_000));
    load.finish(&mut rig);
    run_all(&mut rig, None, &mut [&mut reader], ms(2000));
    check_read(1, &load, &[&reader]);
    let partitions: BTreeSet<i32> = reader.got.iter().map(|(partition, ..)| *partition).collect();
    assert_eq!(partitions.len(), 4, "{partitions:?}");
    let commit = vec![(TopicName::from(TOPIC), 0, 1, None)];
    let error = rig.answer(&reader.consumer, ConsumerCall::Commit(commit), ms(10)).unwrap_err();
    assert_eq!(error.kind, FailureKind::Invalid);
}

/// KIP-62: with a heartbeat of its own, only this tells that a member does not get on.
#[test]
fn a_member_that_keeps_a_batch_for_too_long_is_out_until_it_gives_it_back() {
    for seed in 0..10 {
        let mut rig = Rig::with_topic(seed, 4);
        let producer = rig.producer(producer_options());
        let stuck_options = ConsumerOptions {
            max_poll_interval: ms(3000),
            max_poll_records: Some(2),
            ..consumer_options("stuck", Assignor::Range)
        };
        let stuck = Reader::start(&mut rig, stuck_options);
        let poll = stuck
            .consumer
            .call(&mut rig.bench.world, ConsumerCall::Poll { batches_max: 1, wait: ms(20_000) });
        let mut load = Load { keys: 50, ..Load::new(producer) };
        let mut other = Reader::start(&mut rig, consumer_options("other", Assignor::Range));
        run_all(&mut rig, Some(&mut load), &mut [&mut other], ms(2500));
        let held = stuck.consumer.take_replies().into_iter().find_map(|(_, call, reply)| match reply {
            Ok(ConsumerReply::Batches(batches)) if call == poll => batches.first().cloned(),
            _ => None,
        });
        let held = held.unwrap_or_else(|| panic!("seed {seed}: it has a batch"));
        assert!(held.records.len() <= 2, "seed {seed}: {} records", held.records.len());
        // Longer than its session and than the interval: its heartbeats are not enough.
        run_all(&mut rig, Some(&mut load), &mut [&mut other], ms(12_000));
        let lost = |event: &(Instant, ConsumerEvent)| matches!(event.1, ConsumerEvent::Lost);
        assert!(stuck.consumer.look().events.iter().any(lost), "seed {seed}");
        let last = stuck.consumer.look().events.last().map(|(_, event)| event.clone());
        assert_eq!(last, Some(ConsumerEvent::Lost), "seed {seed}: it stays away");
        assert_eq!(share_of(&other), 4, "seed {seed}: the other one has all");
        let next = held.records.last().map_or(0, |record| record.offset.0 + 1);
        let (topic, partition) = (held.topic, held.partition);
        stuck.consumer.call(&mut rig.bench.world, ConsumerCall::Processed { topic, partition, next });
        let mut stuck = stuck;
        run_all(&mut rig, Some(&mut load), &mut [&mut stuck, &mut other], ms(6000));
        assert_eq!((share_of(&stuck), share_of(&other)), (2, 2), "seed {seed}: it is back");
        load.finish(&mut rig);
        run_all(&mut rig, None, &mut [&mut stuck, &mut other], ms(3000));
        check_read(seed, &load, &[&stuck, &other]);
    }
}

#[test]
fn seek_pause_resume_and_manual_commits_do_what_they_say() {
    let mut rig = Rig::with_topic(2, 1);
    let producer = rig.producer(producer_options());
    let records = |from: u32| (from..from + 5).map(|n| record("k", &format!("k:{n}"))).collect::<Vec<_>>();
    rig.answer(&producer, send(records(0)), ms(3000)).unwrap();
    rig.answer(&producer, send(records(5)), ms(3000)).unwrap();
    let options = ConsumerOptions { auto_commit: None, ..consumer_options("a", Assignor::Range) };
    let consumer = rig.clients.add(Consumer::new(options.clone()));
    let topic = TopicName::from(TOPIC);
    let early = ConsumerCall::Commit(vec![(topic.clone(), 0, 1, None)]);
    assert_eq!(rig.answer(&consumer, early, ms(10)).unwrap_err().kind, FailureKind::Invalid);
    let subscribe = ConsumerCall::Subscribe { topics: vec![topic.clone()], from_beginning: true };
    rig.answer(&consumer, subscribe, ms(10)).unwrap();
    rig.answer(&consumer, ConsumerCall::Start, ms(10)).unwrap();
    let poll = |rig: &mut Rig, wait: u64| {
        let call = ConsumerCall::Poll { batches_max: 1, wait: ms(wait) };
        let Ok(ConsumerReply::Batches(batches)) = rig.answer(&consumer, call, ms(wait + 10)) else {
            panic!()
        };
        batches.first().map(|b| b.records.iter().map(|r| r.offset.0).collect::<Vec<_>>())
    };
    let seek = |offset| ConsumerCall::Seek { topic: TopicName::from(TOPIC), partition: 0, offset };
    let done = |next| ConsumerCall::Processed { topic: TopicName::from(TOPIC), partition: 0, next };
    let first = poll(&mut rig, 8000).expect("a batch");
    assert_eq!(first.first(), Some(&0));
    // With the host: nothing else of the partition is handed out.
    assert_eq!(poll(&mut rig, 1000), None);
    // A seek while the batch is with the host wins over the batch's end.
    rig.answer(&consumer, seek(7), ms(10)).unwrap();
    rig.answer(&consumer, done(first.last().unwrap() + 1), ms(10)).unwrap();
    assert_eq!(poll(&mut rig, 3000), Some(vec![7, 8, 9]));
    // Part of it done: the rest comes again.
    rig.answer(&consumer, done(8), ms(10)).unwrap();
    assert_eq!(poll(&mut rig, 3000), Some(vec![8, 9]));
    rig.answer(&consumer, done(10), ms(10)).unwrap();
    rig.answer(&consumer, ConsumerCall::Pause(vec![(topic.clone(), vec![])]), ms(10)).unwrap();
    rig.answer(&producer, send(records(10)), ms(3000)).unwrap();
    assert_eq!(poll(&mut rig, 2000), None);
    rig.answer(&consumer, ConsumerCall::Resume(vec![(topic.clone(), vec![0])]), ms(10)).unwrap();
    rig.answer(&consumer, ConsumerCall::Resume(vec![(topic.clone(), vec![])]), ms(10)).unwrap();
    assert_eq!(poll(&mut rig, 3000), Some(vec![10, 11, 12, 13, 14]));
    let commit = ConsumerCall::Commit(vec![(topic.clone(), 0, 12, Some("here".to_owned()))]);
    rig.answer(&consumer, commit, ms(3000)).unwrap();
    let admin = rig.admin();
    let asked = AdminCall::FetchOffsets { group: "readers".to_owned(), topics: None };
    let Ok(AdminReply::Committed(topics)) = rig.answer(&admin, asked, ms(3000)) else { panic!() };
    assert_eq!(topics[0].partitions[0].offset, "12");
    assert_eq!(topics[0].partitions[0].metadata.as_deref(), Some("here"));
    // Out of range: begins where the subscription says.
    rig.answer(&consumer, done(15), ms(10)).unwrap();
    rig.answer(&consumer, seek(5000), ms(10)).unwrap();
    assert_eq!(poll(&mut rig, 3000).and_then(|offsets| offsets.first().copied()), Some(0));
    rig.answer(&consumer, done(1), ms(10)).unwrap();
    rig.answer(&consumer, ConsumerCall::Close, ms(6000)).unwrap();
    // Another member begins at the commit.
    let consumer = rig.clients.add(Consumer::new(options));
    let subscribe = ConsumerCall::Subscribe { topics: vec![topic.clone()], from_beginning: true };
    rig.answer(&consumer, subscribe, ms(10)).unwrap();
    rig.answer(&consumer, ConsumerCall::Start, ms(10)).unwrap();
    let call = ConsumerCall::Poll { batches_max: 1, wait: ms(8000) };
    let Ok(ConsumerReply::Batches(batches)) = rig.answer(&consumer, call, ms(8010)) else { panic!() };
    assert_eq!(batches[0].records[0].offset.0, 12);
}

#[test]
fn a_consumer_that_is_told_of_an_earlier_leader_does_not_begin_anew_there() {
    let mut shown = 0;
    for seed in 0..12 {
        let mut rig = Rig::with_topic(seed, 1);
        let producer = rig.producer(producer_options());
        rig.answer(&producer, send(vec![record("a", "a:1")]), ms(3000)).unwrap();
        let mut first = Reader::start(&mut rig, consumer_options("first", Assignor::Range));
        run_all(&mut rig, None, &mut [&mut first], ms(2000));
        let behind = rig.bench.leader(TOPIC, 0);
        if [rig.controller(), rig.coordinator()].contains(&behind) {
            continue;
        }
        // Its leader hears of nothing any more, and clients reach it all the same.
        for other in rig.bench.world.ids().into_iter().filter(|other| *other != behind) {
            rig.bench.world.set_cut(behind, other, true);
            rig.bench.world.set_cut(other, behind, true);
        }
        for number in 2..6 {
            let value = format!("a:{number}");
            rig.answer(&producer, send(vec![record("a", &value)]), ms(20_000)).unwrap();
        }
        // It notices with its next metadata, or the one after.
        run_all(&mut rig, None, &mut [&mut first], ms(25_000));
        assert_eq!(first.got.len(), 5, "seed {seed}");
        rig.answer(&first.consumer, ConsumerCall::Close, ms(6000)).unwrap();
        let bootstrap = vec![(format!("broker-{behind}"), 9092)];
        let client = ClientOptions { bootstrap, ..client_options("second") };
        let options = ConsumerOptions { client, ..consumer_options("second", Assignor::Range) };
        let mut second = Reader::start(&mut rig, options);
        run_all(&mut rig, None, &mut [&mut second], ms(8000));
        rig.answer(&producer, send(vec![record("a", "a:6")]), ms(20_000)).unwrap();
        run_all(&mut rig, None, &mut [&mut second], ms(8000));
        assert_eq!(second.got, [(0, 5, "a:6".to_owned())], "seed {seed}");
        shown += 1;
    }
    assert!(shown > 0, "no seed showed it");
}

#[test]
fn an_offset_is_committed_also_where_the_coordinator_heard_late_of_the_topic() {
    let mut shown = 0;
    for seed in 0..12 {
        // A coordinator that commits alone, and goes on while it does not hear the controller.
        let configs = [("offsets.topic.replication.factor", "1"), ("auto.create.topics.enable", "false")];
        let mut rig = Rig::with_configs(seed, &configs);
        let mut reader = Reader::start(&mut rig, consumer_options("reader", Assignor::Range));
        run_all(&mut rig, None, &mut [&mut reader], ms(2000));
        let (controller, coordinator) = (rig.controller(), rig.coordinator());
        if coordinator == controller {
            continue;
        }
        rig.bench.world.set_cut(controller, coordinator, true);
        rig.bench.create_topic_through(controller, TOPIC, 1, 1);
        if rig.bench.leader(TOPIC, 0) == coordinator {
            continue;
        }
        rig.run_for(ms(50));
        let (code, _) = rig.bench.try_produce(rig.bench.leader(TOPIC, 0), TOPIC, 0, b"a:1", 1);
        assert_eq!(code, 0, "seed {seed}");
        for _ in 0..100 {
            run_all(&mut rig, None, &mut [&mut reader], ms(50));
        }
        let read_meanwhile = !reader.got.is_empty();
        rig.bench.world.set_cut(controller, coordinator, false);
        run_all(&mut rig, None, &mut [&mut reader], ms(4000));
        assert_eq!(reader.got, [(0, 0, "a:1".to_owned())], "seed {seed}");
        let admin = rig.admin();
        let asked = AdminCall::FetchOffsets { group: "readers".to_owned(), topics: None };
        let Ok(AdminReply::Committed(topics)) = rig.answer(&admin, asked, ms(3000)) else { panic!() };
        let committed: Vec<&str> = topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| partition.offset.as_str())
            .collect();
        assert_eq!(committed, ["1"], "seed {seed}");
        shown += usize::from(read_meanwhile);
    }
    assert!(shown > 0, "no seed showed it");
}
