//! The Rust client against real brokers, under virtual time. What fails says its seed.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use support::Bench;
use tabmq::client::*;
use tabmq::protocol::ErrorCode;
use tabmq::protocol::batch::Compression;

use tabmq::sim::clients::{Clients, Handle};
use tabmq::sim::{Latencies, World};
use tabmq::time::{Duration, Instant};
use tabmq::types::{BrokerId, TopicName};

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
        let held = rig.clients.run_until(&mut rig.bench.world, limit, |_| producer.look().unanswered().is_empty());
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
    println!("slowest: {slowest:?} from the crash until every record sent before it is acked");
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
