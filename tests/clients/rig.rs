//! A cluster of three, its clients, and how they are called.

use bytes::Bytes;
use tabmq::client::*;
use tabmq::event::ClusterEvent;
use tabmq::protocol::ErrorCode;
use tabmq::sim::clients::{Clients, Handle};
use tabmq::sim::{Latencies, World};
use tabmq::time::{Duration, Instant};
use tabmq::types::{BrokerId, Compression, TopicName};

pub use crate::support::clients::{client_options, ms, producer_options};
use crate::support::{self, Bench};

pub const TOPIC: &str = "orders";

pub fn consumer_options(name: &str, assignor: Assignor) -> ConsumerOptions {
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

pub fn record(key: &str, value: &str) -> ProducerRecord {
    ProducerRecord {
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..ProducerRecord::default()
    }
}

pub fn send(records: Vec<ProducerRecord>) -> ProducerCall {
    send_to(TOPIC, records, -1, None)
}

pub fn send_to(
    topic: &str,
    records: Vec<ProducerRecord>,
    acks: i16,
    timeout: Option<Duration>,
) -> ProducerCall {
    let topics = vec![(TopicName::from(topic), records)];
    ProducerCall::Send { topics, acks, compression: Compression::None, timeout }
}

/// A cluster of three with its clients.
pub struct Rig {
    pub seed: u64,
    pub bench: Bench,
    pub clients: Clients,
}

impl Rig {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Latencies::default())
    }

    pub fn with(seed: u64, latencies: Latencies) -> Self {
        Self::ready(World::new(seed, support::START, support::configs(3), latencies), seed)
    }

    /// With these configs on every broker.
    pub fn with_configs(seed: u64, configs: &[(&str, &str)]) -> Self {
        let mut brokers = support::configs(3);
        for broker in &mut brokers {
            for (name, value) in configs {
                broker.set(name, value).unwrap();
            }
        }
        Self::ready(World::new(seed, support::START, brokers, Latencies::default()), seed)
    }

    fn ready(world: World, seed: u64) -> Self {
        let mut rig = Rig { seed, bench: Bench { world }, clients: Clients::default() };
        rig.bench.ready();
        rig
    }

    pub fn with_topic(seed: u64, partitions: i32) -> Self {
        let mut rig = Self::new(seed);
        rig.create_topic(partitions);
        rig
    }

    pub fn create_topic(&mut self, partitions: i32) {
        self.bench.create_topic_through(BrokerId(1), TOPIC, partitions, 3);
        self.bench.settled(TOPIC, partitions as usize, 3);
    }

    pub fn controller(&self) -> BrokerId {
        self.bench.world.broker(BrokerId(1)).and_then(|broker| broker.quorum().leader()).unwrap()
    }

    /// Who told last of a group's state.
    pub fn coordinator(&self) -> BrokerId {
        let events = self.bench.world.events().iter().rev();
        let mut groups = events.filter(|(.., event)| matches!(event, ClusterEvent::GroupState { .. }));
        groups.next().unwrap().1
    }

    pub fn now(&self) -> Instant {
        self.bench.world.now()
    }

    pub fn run_for(&mut self, duration: Duration) {
        self.clients.run_for(&mut self.bench.world, duration);
    }

    pub fn run_until(&mut self, limit: Duration, what: &str, condition: impl FnMut(&World) -> bool) {
        let held = self.clients.run_until(&mut self.bench.world, limit, condition);
        assert!(held, "seed {}: not within {limit:?}: {what}", self.seed);
    }

    pub fn producer(&mut self, options: ProducerOptions) -> Handle<Producer> {
        self.clients.add(Producer::new(options, self.seed))
    }

    pub fn admin(&mut self) -> Handle<Admin> {
        self.clients.add(Admin::new(client_options("admin"), ms(10_000)))
    }

    /// Makes one call and runs until it is answered, within `limit`.
    pub fn answer<C: Client>(
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
    pub fn logs(&mut self, partitions: i32) -> Vec<Vec<String>> {
        self.bench.settled(TOPIC, partitions as usize, 3);
        (0..partitions)
            .map(|partition| {
                let leader = self.bench.leader(TOPIC, partition);
                let values = self.bench.fetch(leader, TOPIC, partition);
                values.into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
            })
            .collect()
    }

    /// Runs the clients until all replicas are in sync.
    pub fn heal(&mut self, partitions: usize) {
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

    /// As `answer`, but leaves all answers where they are.
    pub fn answer_kept<C: Client>(
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

pub fn protocol_error<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ErrorCode {
    match answer.unwrap_err() {
        ClientError { kind: FailureKind::Protocol(code), .. } => code,
        other => panic!("{other:?}"),
    }
}
