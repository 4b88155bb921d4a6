//! The Rust client against real brokers, under virtual time. What fails says its seed.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use support::Bench;
use tabmq::client::*;
use tabmq::log::io::IoError;
use tabmq::protocol::ErrorCode;

use tabmq::event::ClusterEvent;
use tabmq::rng::Rng;
use tabmq::sim::clients::{Clients, Handle};
use tabmq::sim::{Latencies, World};
use tabmq::time::{Duration, Instant};
use tabmq::types::{BrokerId, Compression, TopicName};

const TOPIC: &str = "orders";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn client_options(name: &str) -> ClientOptions {
    ClientOptions {
        client_id: name.to_owned(),
        bootstrap: (1..=3).map(|id| (format!("broker-{id}"), 9092)).collect(),
        request_timeout: ms(10_000),
    }
}

fn producer_options() -> ProducerOptions {
    ProducerOptions {
        client: client_options("producer"),
        idempotent: true,
        partitioner: Partitioner::Sticky,
        linger: Duration::ZERO,
        batch_bytes: 16 * 1024,
        buffer_bytes: 4 * 1024 * 1024,
        delivery_timeout: ms(30_000),
    }
}

fn consumer_options(name: &str, assignor: Assignor) -> ConsumerOptions {
    ConsumerOptions {
        client: client_options(name),
        group_id: Some("readers".to_owned()),
        assignors: vec![assignor],
        session_timeout: ms(3000),
        max_poll_interval: ms(10_000),
        max_poll_records: None,
        heartbeat_interval: ms(300),
        auto_commit: Some(ms(200)),
        fetch_bytes: 1 << 20,
        partition_bytes: 1 << 18,
        fetch_wait: ms(500),
    }
}

fn record(key: &str, value: &str) -> ProducerRecord {
    ProducerRecord {
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..ProducerRecord::default()
    }
}

fn send(records: Vec<ProducerRecord>) -> ProducerCall {
    send_to(TOPIC, records, -1, None)
}

fn send_to(topic: &str, records: Vec<ProducerRecord>, acks: i16, timeout: Option<Duration>) -> ProducerCall {
    let topics = vec![(TopicName::from(topic), records)];
    ProducerCall::Send { topics, acks, compression: Compression::None, timeout }
}

/// A cluster of three with its clients.
struct Rig {
    seed: u64,
    bench: Bench,
    clients: Clients,
}

impl Rig {
    fn new(seed: u64) -> Self {
        Self::with(seed, Latencies::default())
    }

    fn with(seed: u64, latencies: Latencies) -> Self {
        let world = World::new(seed, support::START, support::configs(3), latencies);
        let mut rig = Rig { seed, bench: Bench { world }, clients: Clients::default() };
        rig.bench.ready();
        rig
    }

    fn with_topic(seed: u64, partitions: i32) -> Self {
        let mut rig = Self::new(seed);
        rig.create_topic(partitions);
        rig
    }

    fn create_topic(&mut self, partitions: i32) {
        self.bench.create_topic_through(BrokerId(1), TOPIC, partitions, 3);
        self.bench.settled(TOPIC, partitions as usize, 3);
    }

    fn now(&self) -> Instant {
        self.bench.world.now()
    }

    fn run_for(&mut self, duration: Duration) {
        self.clients.run_for(&mut self.bench.world, duration);
    }

    fn run_until(&mut self, limit: Duration, what: &str, condition: impl FnMut(&World) -> bool) {
        let held = self.clients.run_until(&mut self.bench.world, limit, condition);
        assert!(held, "seed {}: not within {limit:?}: {what}", self.seed);
    }

    fn producer(&mut self, options: ProducerOptions) -> Handle<Producer> {
        self.clients.add(Producer::new(options, self.seed))
    }

    fn admin(&mut self) -> Handle<Admin> {
        self.clients.add(Admin::new(client_options("admin"), ms(10_000)))
    }

    /// Makes one call and runs until it is answered, within `limit`.
    fn answer<C: Client>(
        &mut self,
        client: &Handle<C>,
        call: C::Call,
        limit: Duration,
    ) -> Result<C::Reply, ClientError> {
        let id = client.call(&mut self.bench.world, call);
        self.run_until(limit, "an answer", |_| !client.look().unanswered().contains(&id));
        let replies = client.take_replies();
        replies.into_iter().find(|(_, call, _)| *call == id).unwrap().2
    }

    /// Every value of every partition, when all is quiet and in sync again.
    fn logs(&mut self, partitions: i32) -> Vec<Vec<String>> {
        self.bench.settled(TOPIC, partitions as usize, 3);
        (0..partitions)
            .map(|partition| {
                let leader = self.bench.leader(TOPIC, partition);
                let values = self.bench.fetch(leader, TOPIC, partition);
                values.into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
            })
            .collect()
    }
}

/// Keyed records one after the other, remembering what was acked.
struct Load {
    producer: Handle<Producer>,
    keys: u32,
    next: u32,
    calls: BTreeMap<CallId, String>,
    acked: BTreeSet<String>,
    acked_at: Vec<Instant>,
    failed: Vec<(String, ClientError)>,
}

impl Load {
    fn new(producer: Handle<Producer>) -> Self {
        Load {
            producer,
            keys: 12,
            next: 0,
            calls: BTreeMap::new(),
            acked: BTreeSet::new(),
            acked_at: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn send_one(&mut self, world: &mut World) {
        let value = format!("k{}:{}", self.next % self.keys, self.next);
        let key = value.split(':').next().unwrap().to_owned();
        self.next += 1;
        let call = self.producer.call(world, send(vec![record(&key, &value)]));
        self.calls.insert(call, value);
    }

    fn gather(&mut self) {
        for (at, call, result) in self.producer.take_replies() {
            let value = self.calls.remove(&call).unwrap();
            match result {
                Ok(_) => {
                    self.acked.insert(value);
                    self.acked_at.push(at);
                }
                Err(error) => self.failed.push((value, error)),
            }
        }
    }

    /// A record every `pause` for `duration`.
    fn run(&mut self, rig: &mut Rig, duration: Duration, pause: Duration) {
        let until = rig.now() + duration;
        while rig.now() < until {
            self.send_one(&mut rig.bench.world);
            rig.run_for(pause);
            self.gather();
        }
    }

    /// Runs until every call is answered.
    fn finish(&mut self, rig: &mut Rig) {
        let producer = &self.producer;
        let limit = ms(35_000);
        let held =
            rig.clients.run_until(&mut rig.bench.world, limit, |_| producer.look().unanswered().is_empty());
        assert!(held, "seed {}: {} calls unanswered", rig.seed, self.calls.len());
        self.gather();
    }

    /// Acked means in the log; nothing is there twice; the order of a key is the order of its calls.
    fn check(&self, rig: &mut Rig, partitions: i32) {
        let seed = rig.seed;
        let logs = rig.logs(partitions);
        let mut seen = BTreeSet::new();
        for log in &logs {
            let mut last: BTreeMap<String, u32> = BTreeMap::new();
            for value in log {
                assert!(seen.insert(value.clone()), "seed {seed}: {value} twice");
                let (key, number) = value.split_once(':').unwrap();
                let number: u32 = number.parse().unwrap();
                let before = last.insert(key.to_owned(), number);
                assert!(before.is_none_or(|before| before < number), "seed {seed}: {value} after {before:?}");
            }
        }
        for value in &self.acked {
            assert!(seen.contains(value), "seed {seed}: {value} was acked and is lost");
        }
    }
}

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
        let gap = rig.gap_after(&load, crashed_at);
        slowest = slowest.max(gap);
        load.check(&mut rig, 6);
    }
    assert!(slowest < ms(2500), "{slowest:?}");
}

impl Rig {
    /// The longest time without an ack after `at`.
    fn gap_after(&self, load: &Load, at: Instant) -> Duration {
        let mut last = at;
        let mut longest = Duration::ZERO;
        for ack in load.acked_at.iter().filter(|ack| **ack >= at) {
            longest = longest.max(ack.since(last));
            last = *ack;
        }
        longest
    }
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

impl Rig {
    /// Runs the clients until all replicas are in sync.
    fn heal(&mut self, partitions: usize) {
        let name = TopicName::from(TOPIC);
        self.run_until(ms(20_000), "all replicas in sync", |world| {
            world.ids().iter().all(|id| {
                world.broker(*id).is_some_and(|broker| {
                    broker.is_running()
                        && broker.image().topic_named(&name).is_some_and(|(_, topic)| {
                            topic.partitions.len() == partitions
                                && topic.partitions.values().all(|p| p.leader.is_some() && p.isr.len() == 3)
                        })
                })
            })
        });
    }
}

/// A consumer whose host polls, and gives each batch back at once.
struct Reader {
    consumer: Handle<Consumer>,
    poll: Option<CallId>,
    got: Vec<(i32, i64, String)>,
    seen_events: usize,
    share: Vec<i32>,
}

impl Reader {
    fn start(rig: &mut Rig, options: ConsumerOptions) -> Self {
        let consumer = rig.clients.add(Consumer::new(options));
        let topics = vec![TopicName::from(TOPIC)];
        let world = &mut rig.bench.world;
        consumer.call(world, ConsumerCall::Subscribe { topics, from_beginning: true });
        consumer.call(world, ConsumerCall::Start);
        Reader { consumer, poll: None, got: Vec::new(), seen_events: 0, share: Vec::new() }
    }

    fn turn(&mut self, world: &mut World) {
        let seed = "a reader";
        for event in &self.consumer.look().events[self.seen_events..] {
            match &event.1 {
                ConsumerEvent::Assigned { partitions, .. } => {
                    self.share = partitions.values().flatten().copied().collect();
                }
                ConsumerEvent::Revoked | ConsumerEvent::Lost => self.share.clear(),
                ConsumerEvent::Crashed(error) => panic!("{seed} crashed: {error:?}"),
            }
        }
        self.seen_events = self.consumer.look().events.len();
        for (_, call, result) in self.consumer.take_replies() {
            if self.poll != Some(call) {
                continue;
            }
            self.poll = None;
            let Ok(ConsumerReply::Batches(batches)) = result else { continue };
            for batch in batches {
                let mut next = 0;
                for record in &batch.records {
                    let value = String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
                    self.got.push((batch.partition, record.offset.0, value));
                    next = record.offset.0 + 1;
                }
                let (topic, partition) = (batch.topic, batch.partition);
                self.consumer.call(world, ConsumerCall::Processed { topic, partition, next });
            }
        }
        if self.poll.is_none() {
            let call = ConsumerCall::Poll { batches_max: 3, wait: ms(1000) };
            self.poll = Some(self.consumer.call(world, call));
        }
    }
}

/// Runs the load (if there is one) and the readers for `duration`.
fn run_all(rig: &mut Rig, mut load: Option<&mut Load>, readers: &mut [&mut Reader], duration: Duration) {
    let until = rig.now() + duration;
    let mut send_at = rig.now();
    while rig.now() < until {
        if let Some(load) = &mut load
            && rig.now() >= send_at
        {
            load.send_one(&mut rig.bench.world);
            load.gather();
            send_at = rig.now() + ms(20);
        }
        for reader in readers.iter_mut() {
            reader.turn(&mut rig.bench.world);
        }
        rig.run_for(ms(5));
    }
}

/// Everything acked was read by somebody, and no offset was skipped.
fn check_read(seed: u64, load: &Load, readers: &[&Reader]) {
    let mut offsets: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    let mut values = BTreeSet::new();
    for reader in readers {
        for (partition, offset, value) in &reader.got {
            offsets.entry(*partition).or_default().insert(*offset);
            values.insert(value.clone());
        }
    }
    for value in &load.acked {
        assert!(values.contains(value), "seed {seed}: {value} was acked and never read");
    }
    for (partition, offsets) in offsets {
        let contiguous = (0..offsets.len() as i64).all(|offset| offsets.contains(&offset));
        assert!(contiguous, "seed {seed}: gap in partition {partition}");
    }
}

fn share_of(reader: &Reader) -> usize {
    reader.share.len()
}

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

fn protocol_error<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ErrorCode {
    match answer.unwrap_err() {
        ClientError { kind: FailureKind::Protocol(code), .. } => code,
        other => panic!("{other:?}"),
    }
}

fn new_topic(name: &str, partitions: i32, replicas: i16) -> AdminCall {
    let topic = NewTopic {
        topic: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(replicas),
        configs: Vec::new(),
    };
    AdminCall::CreateTopics { topics: vec![topic], validate_only: false }
}

#[test]
fn an_admin_manages_topics_configs_and_groups_through_any_broker() {
    for through in 1..=3 {
        let mut rig = Rig::new(through);
        let mut options = client_options("admin");
        options.bootstrap = vec![(format!("broker-{through}"), 9092)];
        let admin = rig.clients.add(Admin::new(options, ms(10_000)));
        let soon = ms(3000);
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("a/b", 1, 1), soon)),
            ErrorCode::InvalidTopicException
        );
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("x", 0, 1), soon)),
            ErrorCode::InvalidPartitions
        );
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("x", 1, 4), soon)),
            ErrorCode::InvalidReplicationFactor
        );
        rig.answer(&admin, new_topic("x", 2, 3), soon).unwrap();
        assert_eq!(
            protocol_error(rig.answer(&admin, new_topic("x", 2, 3), soon)),
            ErrorCode::TopicAlreadyExists
        );
        let validated = AdminCall::CreateTopics {
            topics: vec![NewTopic {
                topic: "y".to_owned(),
                partitions: None,
                replication_factor: None,
                configs: vec![("retention.ms".to_owned(), "5000".to_owned())],
            }],
            validate_only: true,
        };
        rig.answer(&admin, validated, soon).unwrap();
        rig.answer(&admin, AdminCall::CreatePartitions(vec![("x".to_owned(), 5)]), soon).unwrap();
        let fewer = AdminCall::CreatePartitions(vec![("x".to_owned(), 1)]);
        assert_eq!(protocol_error(rig.answer(&admin, fewer, soon)), ErrorCode::InvalidPartitions);
        rig.run_for(ms(500));
        let Ok(AdminReply::Topics(topics)) = rig.answer(&admin, AdminCall::FetchTopicMetadata(None), soon)
        else {
            panic!()
        };
        assert_eq!((topics.len(), topics[0].partitions.len()), (1, 5));
        let unknown = AdminCall::FetchTopicMetadata(Some(vec!["nope".to_owned()]));
        assert_eq!(protocol_error(rig.answer(&admin, unknown, soon)), ErrorCode::UnknownTopicOrPartition);
        let producer = rig.producer(producer_options());
        let sent = send_to("x", vec![record("a", "a:1"), record("b", "b:1")], -1, None);
        rig.answer(&producer, sent, soon).unwrap();
        for (timestamp, total) in [(-1, 2), (-2, 0)] {
            let asked = AdminCall::ListOffsets { topic: "x".to_owned(), timestamp };
            let Ok(AdminReply::Offsets(offsets)) = rig.answer(&admin, asked, soon) else { panic!() };
            assert_eq!(offsets.len(), 5);
            assert_eq!(offsets.iter().map(|o| o.offset.parse::<i64>().unwrap()).sum::<i64>(), total);
        }
        let asked = AdminCall::ListOffsets { topic: "nope".to_owned(), timestamp: -1 };
        assert_eq!(protocol_error(rig.answer(&admin, asked, soon)), ErrorCode::UnknownTopicOrPartition);
        let Ok(AdminReply::Cluster { brokers, controller, .. }) =
            rig.answer(&admin, AdminCall::DescribeCluster, soon)
        else {
            panic!()
        };
        assert_eq!(brokers.len(), 3);
        assert!(controller.is_some());
        let set = vec![("retention.ms".to_owned(), Some("60000".to_owned()))];
        rig.answer(&admin, AdminCall::AlterConfigs(vec![(2, "x".to_owned(), set)]), soon).unwrap();
        rig.run_for(ms(500));
        let value_of = |rig: &mut Rig| {
            let asked = AdminCall::DescribeConfigs(vec![(2, "x".to_owned())]);
            let Ok(AdminReply::Configs(configs)) = rig.answer(&admin, asked, soon) else { panic!() };
            let entry = configs[0].config_entries.iter().find(|c| c.config_name == "retention.ms").unwrap();
            (entry.config_value.clone(), entry.is_default)
        };
        assert_eq!(value_of(&mut rig), (Some("60000".to_owned()), false));
        let unset = vec![("retention.ms".to_owned(), None)];
        rig.answer(&admin, AdminCall::AlterConfigs(vec![(2, "x".to_owned(), unset)]), soon).unwrap();
        rig.run_for(ms(500));
        assert!(value_of(&mut rig).1);
        let wrong = vec![("retention.ms".to_owned(), Some("soon".to_owned()))];
        let wrong = AdminCall::AlterConfigs(vec![(2, "x".to_owned(), wrong)]);
        assert_eq!(protocol_error(rig.answer(&admin, wrong, soon)), ErrorCode::InvalidConfig);
        let broker = AdminCall::DescribeConfigs(vec![(4, "2".to_owned())]);
        let Ok(AdminReply::Configs(configs)) = rig.answer(&admin, broker, soon) else { panic!() };
        assert!(!configs[0].config_entries.is_empty());
        // Groups: none, then one with offsets set by hand, then gone.
        let Ok(AdminReply::Groups(groups)) = rig.answer(&admin, AdminCall::ListGroups, soon) else {
            panic!()
        };
        assert!(groups.is_empty());
        let set =
            AdminCall::SetOffsets { group: "g".to_owned(), topic: "x".to_owned(), partitions: vec![(0, 7)] };
        rig.answer(&admin, set, ms(8000)).unwrap();
        let Ok(AdminReply::Groups(groups)) = rig.answer(&admin, AdminCall::ListGroups, soon) else {
            panic!()
        };
        assert_eq!(groups.len(), 1);
        let described = AdminCall::DescribeGroups(vec!["g".to_owned()]);
        let Ok(AdminReply::Groups(groups)) = rig.answer(&admin, described, soon) else { panic!() };
        assert_eq!(groups[0].state, "Empty");
        let asked = AdminCall::FetchOffsets {
            group: "g".to_owned(),
            topics: Some(vec![("x".to_owned(), vec![0, 1])]),
        };
        let Ok(AdminReply::Committed(committed)) = rig.answer(&admin, asked, soon) else { panic!() };
        let offsets: Vec<&str> = committed[0].partitions.iter().map(|p| p.offset.as_str()).collect();
        assert_eq!(offsets, ["7", "-1"]);
        rig.answer(&admin, AdminCall::DeleteGroups(vec!["g".to_owned()]), soon).unwrap();
        let again = AdminCall::DeleteGroups(vec!["g".to_owned()]);
        assert_eq!(protocol_error(rig.answer(&admin, again, soon)), ErrorCode::GroupIdNotFound);
        rig.answer(&admin, AdminCall::DeleteTopics(vec!["x".to_owned()]), soon).unwrap();
        let again = AdminCall::DeleteTopics(vec!["x".to_owned()]);
        assert_eq!(protocol_error(rig.answer(&admin, again, soon)), ErrorCode::UnknownTopicOrPartition);
        rig.answer(&admin, AdminCall::Close, ms(10)).unwrap();
        let closed = rig.answer(&admin, AdminCall::ListGroups, ms(10)).unwrap_err();
        assert_eq!(closed.kind, FailureKind::Closed);
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

impl Rig {
    /// As `answer`, but leaves all answers where they are.
    fn answer_kept<C: Client>(
        &mut self,
        client: &Handle<C>,
        call: C::Call,
        limit: Duration,
    ) -> Result<(), ClientError> {
        let id = client.call(&mut self.bench.world, call);
        self.run_until(limit, "an answer", |_| !client.look().unanswered().contains(&id));
        let looked = client.look();
        let found = looked.replies.iter().find(|(_, call, _)| *call == id).unwrap();
        found.2.as_ref().map(|_| ()).map_err(Clone::clone)
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
    let configs = support::configs(3)
        .into_iter()
        .map(|mut config| {
            config.set("auto.create.topics.enable", "false").unwrap();
            config
        })
        .collect();
    let world = World::new(5, support::START, configs, Latencies::default());
    let mut rig = Rig { seed: 5, bench: Bench { world }, clients: Clients::default() };
    rig.bench.ready();
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
        let controller = rig.bench.world.broker(BrokerId(1)).and_then(|b| b.quorum().leader()).unwrap();
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
fn a_consumer_that_is_told_of_an_earlier_leader_does_not_begin_anew_there() {
    let mut shown = 0;
    for seed in 0..12 {
        let mut rig = Rig::with_topic(seed, 1);
        let producer = rig.producer(producer_options());
        rig.answer(&producer, send(vec![record("a", "a:1")]), ms(3000)).unwrap();
        let mut first = Reader::start(&mut rig, consumer_options("first", Assignor::Range));
        run_all(&mut rig, None, &mut [&mut first], ms(2000));
        let controller = rig.bench.world.broker(BrokerId(1)).and_then(|b| b.quorum().leader()).unwrap();
        let behind = rig.bench.leader(TOPIC, 0);
        let coordinator = |rig: &Rig| {
            let of_group = |event: &ClusterEvent| matches!(event, ClusterEvent::GroupState { .. });
            let events = rig.bench.world.events();
            events.iter().rev().find(|(.., event)| of_group(event)).map(|(_, broker, _)| *broker).unwrap()
        };
        if behind == controller || coordinator(&rig) == behind {
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

#[test]
fn an_offset_is_committed_also_where_the_coordinator_heard_late_of_the_topic() {
    let mut shown = 0;
    for seed in 0..12 {
        // A coordinator that commits alone, and goes on while it does not hear the controller.
        let configs = support::configs(3).into_iter().map(|mut config| {
            config.set("offsets.topic.replication.factor", "1").unwrap();
            config.set("auto.create.topics.enable", "false").unwrap();
            config
        });
        let world = World::new(seed, support::START, configs.collect(), Latencies::default());
        let mut rig = Rig { seed, bench: Bench { world }, clients: Clients::default() };
        rig.bench.ready();
        let mut reader = Reader::start(&mut rig, consumer_options("reader", Assignor::Range));
        run_all(&mut rig, None, &mut [&mut reader], ms(2000));
        let controller =
            rig.bench.world.broker(BrokerId(1)).and_then(|broker| broker.quorum().leader()).unwrap();
        let of_group = |event: &ClusterEvent| matches!(event, ClusterEvent::GroupState { .. });
        let events = rig.bench.world.events();
        let coordinator =
            events.iter().rev().find(|(.., event)| of_group(event)).map(|(_, broker, _)| *broker).unwrap();
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
