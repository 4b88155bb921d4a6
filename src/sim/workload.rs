//! Clients at work: producers of each kind, consumers of two groups, topics that come and go; and what they were told,
//! handed to the invariants as it comes.
//!
//! A produce has three outcomes: acked; failed, when it was never sent; unknown, when it may be in the log. A timeout is
//! unknown, never failed.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::broker::Broker;
use crate::client::{
    Admin, AdminCall, Assignor, CallId, ClientError, ClientOptions, Consumer, ConsumerCall, ConsumerEvent,
    ConsumerOptions, ConsumerReply, FailureKind, FetchedBatch, NewTopic, Partitioner, Producer, ProducerCall,
    ProducerOptions, ProducerRecord, ProducerReply, SendResult,
};
use crate::config::BrokerConfig;
use crate::rng::Rng;
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, Compression, OFFSETS_TOPIC, Offset, TopicName, TopicPartition, Uuid};

use super::clients::{Clients, Handle};
use super::invariants::{
    AckedRecordsKept, Checked, Checker, ConsumersSeeCommitted, OneOwner, PartitionOrder, Violation,
};
use super::membership::Membership;
use super::world::World;

/// A topic's configs.
type Configs = &'static [(&'static str, &'static str)];
/// Topics that are there from the start, with their numbers of partitions and replicas.
const TOPICS: [(&str, i32, i16, Configs); 3] = [
    ("orders", 2, 3, &[]),
    ("ledger", 1, 3, &[("segment.bytes", "1024"), ("flush.messages", "1")]),
    // What its only replica has acked is committed, with acks=1 as well.
    (SOLO, 1, 1, &[("flush.messages", "1")]),
];
const SOLO: &str = "solo";
/// The topic that comes and goes.
const SPARE: &str = "spare";
/// How often voters are changed in a run.
const VOTER_CHANGES: usize = 3;
/// Calls of one producer without an answer, at most.
const UNANSWERED_MAX: usize = 12;
/// One consumer may be replaced by another so many times.
pub const CONSUMERS: usize = 3;

/// The name of a record, unique in a run: its value begins with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName {
    /// True for a record that may not be there twice.
    pub idempotent: bool,
    /// Its producer.
    pub producer: String,
    /// Counts the producer's records.
    pub number: u64,
}

impl RecordName {
    /// From a record's value; none for a record of another kind.
    pub fn read(value: &[u8]) -> Option<RecordName> {
        let end = value.iter().position(|byte| *byte == b'.')?;
        let name = std::str::from_utf8(value.get(..end)?).ok()?;
        let (producer, number) = name.split_once('-')?;
        Some(RecordName {
            idempotent: producer.starts_with("idempotent"),
            producer: producer.to_owned(),
            number: number.parse().ok()?,
        })
    }

    fn value(&self, padding: usize) -> Bytes {
        let mut value = format!("{self}.").into_bytes();
        value.resize(value.len() + padding, b' ');
        value.into()
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.producer, self.number)
    }
}

struct ProducerLoad {
    name: &'static str,
    handle: Handle<Producer>,
    acks: i16,
    idempotent: bool,
    topic: &'static str,
    /// None leaves it to the partitioner, by key.
    partitions: Option<u64>,
    next: u64,
    calls: BTreeMap<CallId, Vec<RecordName>>,
    pause_max_ms: u64,
    next_at: Instant,
}

/// What the admin does.
enum Plan {
    Call(AdminCall),
    /// A broker, whichever it is, becomes a voter, or is one no more.
    ChangeVoters,
}

/// What clients were told, and when.
type Told = Vec<(Instant, String)>;

struct Reader {
    name: String,
    handle: Handle<Consumer>,
    group: &'static str,
    topics: &'static [&'static str],
    /// It commits by calls, after each batch.
    commits: bool,
    /// The next offset of each partition in this assignment, once something was given.
    next: BTreeMap<(TopicName, i32), i64>,
    poll: Option<CallId>,
    committing: BTreeMap<CallId, (TopicName, i32, i64)>,
    /// Commits that failed, to be made again with the next poll.
    again: Vec<(TopicName, i32, i64)>,
}

/// All clients of a run.
pub struct Workload {
    clients: Clients,
    rng: Rng,
    producers: Vec<ProducerLoad>,
    readers: Vec<Reader>,
    admin: Handle<Admin>,
    /// What the admin does, and when.
    plans: Vec<(Instant, Plan)>,
    admin_calls: usize,
    brokers: usize,
    /// A broker that comes and goes, in some runs.
    membership: Option<Membership>,
    /// A voter whose storage was lost: no other is changed before that one is out.
    lost: Option<(BrokerId, Uuid)>,
    sending: bool,
    acked: AckedRecordsKept,
    order: PartitionOrder,
    seen: ConsumersSeeCommitted,
    owners: OneOwner,
    /// Records sent since the faults stopped and not acked yet.
    probes: usize,
    next_client: u64,
    /// What consumers were told, for the trace.
    pub told: Told,
}

impl Workload {
    /// Clients that do nothing yet.
    pub fn new(seed: u64, now: Instant, brokers: usize) -> Self {
        let mut rng = Rng::new(seed);
        let mut clients = Clients::default();
        let admin = Admin::new(client_options("admin", brokers), Duration::from_millis(6000));
        let admin = clients.add(admin);
        let producers = PRODUCERS
            .iter()
            .map(|kind| ProducerLoad {
                name: kind.name,
                handle: clients.add(Producer::new(producer_options(kind, &mut rng, brokers), rng.next_u64())),
                acks: kind.acks,
                idempotent: kind.idempotent,
                topic: kind.topic,
                partitions: kind.partitions,
                next: 0,
                calls: BTreeMap::new(),
                pause_max_ms: 40 + rng.below(200),
                next_at: now,
            })
            .collect();
        let mut workload = Self {
            clients,
            rng,
            producers,
            readers: Vec::new(),
            admin,
            plans: Vec::new(),
            admin_calls: 0,
            brokers,
            membership: None,
            lost: None,
            sending: false,
            acked: AckedRecordsKept::default(),
            order: PartitionOrder::default(),
            seen: ConsumersSeeCommitted,
            owners: OneOwner::default(),
            probes: 0,
            next_client: 0,
            told: Vec::new(),
        };
        for index in 0..CONSUMERS {
            let reader = workload.reader(index, brokers);
            workload.readers.push(reader);
        }
        workload
    }

    fn reader(&mut self, index: usize, brokers: usize) -> Reader {
        let (group, topics, commits): (_, &[&str], _) = match index {
            0 | 1 => ("readers", &["orders", "ledger"], false),
            _ => ("auditors", &["orders"], true),
        };
        self.next_client += 1;
        let name = format!("{group}-{}", self.next_client);
        let options = ConsumerOptions {
            client: client_options(&name, brokers),
            group_id: Some(group.to_owned()),
            // One for all of a group: with different ones a member could be refused, as by Kafka.
            assignors: vec![if commits { Assignor::RoundRobin } else { Assignor::Range }],
            session_timeout: Duration::from_millis(1500),
            max_poll_interval: Duration::from_millis(3000),
            max_poll_records: None,
            heartbeat_interval: Duration::from_millis(200),
            auto_commit: (!commits).then_some(Duration::from_millis(150)),
            fetch_bytes: 64 * 1024,
            partition_bytes: 2 * 1024,
            fetch_wait: Duration::from_millis(300),
        };
        Reader {
            name,
            handle: self.clients.add(Consumer::new(options)),
            group,
            topics,
            commits,
            next: BTreeMap::new(),
            poll: None,
            committing: BTreeMap::new(),
            again: Vec::new(),
        }
    }

    /// The next happening of the world or of a client, at `until` at the latest.
    pub fn step(&mut self, world: &mut World, until: Instant) -> bool {
        self.clients.step(world, until)
    }

    /// Asks for the topics.
    pub fn create_topics(&mut self, world: &mut World) {
        let topics = TOPICS.iter().map(|(name, partitions, replicas, configs)| NewTopic {
            topic: (*name).to_owned(),
            partitions: Some(*partitions),
            replication_factor: Some(*replicas),
            configs: configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        });
        self.admin.call(world, AdminCall::CreateTopics { topics: topics.collect(), validate_only: false });
        self.admin_calls += 1;
    }

    /// Begins to produce and consume, and to change topics within `span`.
    pub fn start(&mut self, world: &mut World, span: Duration, joining: BrokerConfig) {
        self.sending = true;
        for index in 0..self.readers.len() {
            self.start_reader(world, index);
        }
        let span = span.as_millis() as u64;
        let joins = self.rng.below(3) == 0;
        let mut at = |from: u64, to: u64| {
            world.now() + Duration::from_millis(from * span / 10 + self.rng.below((to - from) * span / 10))
        };
        let spare = NewTopic {
            topic: SPARE.to_owned(),
            partitions: Some(1),
            replication_factor: Some(3),
            configs: Vec::new(),
        };
        let (joins_at, leaves_at) = (at(0, 5), at(5, 10));
        let voters_change = [(); VOTER_CHANGES].map(|()| (at(0, 10), Plan::ChangeVoters));
        let create = AdminCall::CreateTopics { topics: vec![spare], validate_only: false };
        self.plans = vec![
            (at(0, 4), Plan::Call(create)),
            (at(2, 8), Plan::Call(AdminCall::CreatePartitions(vec![("orders".to_owned(), 3)]))),
            (at(5, 10), Plan::Call(AdminCall::DeleteTopics(vec![SPARE.to_owned()]))),
        ];
        self.plans.extend(voters_change);
        if joins {
            let admin = Admin::new(client_options("membership", self.brokers), Duration::from_millis(6000));
            self.membership = Some(Membership::new(joining, self.clients.add(admin), joins_at, leaves_at));
        }
        for _ in 0..self.rng.below(5) {
            let when = world.now() + Duration::from_millis(self.rng.below(span));
            let call = self.reassignment();
            self.plans.push((when, Plan::Call(call)));
        }
        self.plans.sort_by_key(|(at, _)| *at);
    }

    /// One partition gets other replicas, or what is under way is cancelled; or leaders are elected.
    fn reassignment(&mut self) -> AdminCall {
        let (topic, partitions) = match self.rng.below(4) {
            0 => ("ledger", 1),
            1 => (OFFSETS_TOPIC, 2),
            2 => (SPARE, 1),
            _ => ("orders", 3),
        };
        let partition = self.rng.below(partitions) as i32;
        let mut replicas: Vec<i32> = (1..=self.brokers as i32).collect();
        // With fewer than two, one broker's loss of power would be the loss of what was acked.
        let count = 2 + self.rng.below(2) as usize;
        while replicas.len() > count {
            replicas.remove(self.rng.below(replicas.len() as u64) as usize);
        }
        let first = self.rng.below(replicas.len() as u64) as usize;
        replicas.rotate_left(first);
        match self.rng.below(8) {
            0 => AdminCall::ElectLeaders { unclean: false, partitions: None },
            1 => AdminCall::AlterPartitionReassignments(vec![(topic.to_owned(), vec![(partition, None)])]),
            _ => {
                let moved = vec![(partition, Some(replicas))];
                AdminCall::AlterPartitionReassignments(vec![(topic.to_owned(), moved)])
            }
        }
    }

    fn start_reader(&mut self, world: &mut World, index: usize) {
        let Some(reader) = self.readers.get_mut(index) else { return };
        let topics = reader.topics.iter().map(|topic| TopicName::from(*topic)).collect();
        reader.handle.call(world, ConsumerCall::Subscribe { topics, from_beginning: true });
        reader.handle.call(world, ConsumerCall::Start);
        reader.poll(world);
    }

    /// One consumer's process ends, or falls silent; another takes its place.
    pub fn replace_consumer(&mut self, world: &mut World, index: usize, silent: bool, brokers: usize) {
        let reader = self.reader(index, brokers);
        let Some(old) = self.readers.get_mut(index) else { return };
        let old = std::mem::replace(old, reader);
        match silent {
            true => self.clients.silence(&old.handle),
            false => self.clients.kill(world, &old.handle),
        }
        self.start_reader(world, index);
    }

    /// When something is to be sent.
    pub fn next_at(&self) -> Option<Instant> {
        let sends = self.producers.iter().map(|load| load.next_at).min().filter(|_| self.sending);
        let joins = self.membership.as_ref().and_then(Membership::next_at);
        earliest(joins, earliest(sends, self.plans.first().map(|(at, _)| *at)))
    }

    /// Sends what is due.
    pub fn act(&mut self, world: &mut World, checker: &Checker) {
        while self.plans.first().is_some_and(|(at, _)| *at <= world.now()) {
            let call = match self.plans.remove(0).1 {
                Plan::Call(call) => Some(call),
                Plan::ChangeVoters => self.change_of_voters(world),
            };
            if let Some(call) = call {
                self.told.push((world.now(), format!("admin: {call:?}")));
                self.admin.call(world, call);
                self.admin_calls += 1;
            }
        }
        if let Some(membership) = &mut self.membership {
            membership.act(world, checker.metadata_told(), &mut self.rng);
        }
        let now = world.now();
        for load in self.producers.iter_mut().filter(|load| self.sending && load.next_at <= now) {
            load.next_at = now + Duration::from_millis(1 + self.rng.below(load.pause_max_ms));
            if load.calls.len() < UNANSWERED_MAX {
                load.send(world, &mut self.rng);
            }
        }
    }

    /// Stops producing, but for one more record of each producer: they must get through.
    pub fn probe(&mut self, world: &mut World) {
        self.sending = false;
        self.probes = 0;
        for load in &mut self.producers {
            load.send(world, &mut self.rng);
            self.probes += 1;
        }
    }

    /// Looks at what clients were told since the last call.
    pub fn gather(&mut self, world: &mut World, checker: &Checker) -> Checked {
        if !self.clients.take_news() {
            return Ok(());
        }
        for load in &mut self.producers {
            for (_, call, result) in load.handle.take_replies() {
                let Some(names) = load.calls.remove(&call) else { continue };
                match result {
                    Ok(ProducerReply::Sent(sent)) => {
                        self.probes = self.probes.saturating_sub(usize::from(!self.sending));
                        told(load, &names, &sent, &mut self.acked, &mut self.order, checker)?;
                    }
                    Ok(_) => {}
                    Err(error) => {
                        // Of several records some may have gone in an earlier batch.
                        if outcome(&error) == Outcome::Failed && load.acks == -1 && names.len() == 1 {
                            self.acked.failed(&names);
                        }
                        if !self.sending {
                            // The last one may have been sent too early; one must get through.
                            load.send(world, &mut self.rng);
                        }
                    }
                }
            }
        }
        // Whether it worked is not asked: an attempt whose answer was lost may have made the topic, or deleted it.
        self.admin_calls -= self.admin.take_replies().len();
        for index in 0..self.readers.len() {
            if let Some(reader) = self.readers.get_mut(index) {
                reader.events(&mut self.owners, &mut self.told)?;
                reader.replies(world, checker, &self.seen, &mut self.told)?;
            }
        }
        Ok(())
    }

    /// A broker is about to lose its storage: if it votes it is to be replaced by what comes back.
    pub fn loses_storage(&mut self, world: &World, id: BrokerId) {
        // It may not know itself that it votes.
        let mut quorums = world.ids().into_iter().filter_map(|id| world.broker(id).map(Broker::quorum));
        self.lost = quorums.find_map(|quorum| quorum.voter_directory(id)).map(|directory| (id, directory));
        for _ in 0..VOTER_CHANGES {
            let at = world.now() + Duration::from_millis(1000 + self.rng.below(5000));
            self.plans.push((at, Plan::ChangeVoters));
        }
        self.plans.sort_by_key(|(at, _)| *at);
    }

    /// A broker that runs becomes a voter, or is one no more, as it sees itself. Not the one that leaves.
    fn change_of_voters(&mut self, world: &World) -> Option<AdminCall> {
        let quorums = || world.ids().into_iter().map(|id| world.broker(id).map(Broker::quorum));
        let named = |(id, directory): (BrokerId, Uuid)| {
            quorums().any(|quorum| quorum.is_none_or(|quorum| quorum.voter_directory(id) == Some(directory)))
        };
        self.lost = self.lost.filter(|lost| named(*lost));
        if let Some((id, directory)) = self.lost {
            return Some(AdminCall::RemoveRaftVoter { id: id.0, directory });
        }
        let id = BrokerId(1 + self.rng.below(self.brokers as u64) as i32);
        let quorum = world.broker(id)?.quorum();
        let directory = quorum.directory();
        Some(match quorum.voters().any(|voter| voter == id) {
            true => AdminCall::RemoveRaftVoter { id: id.0, directory },
            false => {
                AdminCall::AddRaftVoter { id: id.0, directory, host: format!("broker-{id}"), port: 9092 }
            }
        })
    }

    /// What the clients still wait for; none when every call was answered, every probe acked and every group has read and
    /// committed all there is.
    pub fn waits_for(&self, checker: &Checker) -> Option<String> {
        if let Some(load) = self.producers.iter().find(|load| !load.calls.is_empty()) {
            return Some(format!("producer {} waits for {:?}", load.name, load.calls));
        }
        if self.probes > 0 {
            return Some(format!("{} of the last records were not acked", self.probes));
        }
        if self.admin_calls > 0 {
            return Some("the admin waits".to_owned());
        }
        if let Some(still) = self.membership.as_ref().and_then(Membership::waits_for) {
            return Some(still);
        }
        for reader in &self.readers {
            for log in checker.history.partitions() {
                let Some(tp) = log.tp.as_ref().filter(|tp| reader.topics.contains(&tp.topic.as_str())) else {
                    continue;
                };
                let committed = checker.group_offsets.committed(reader.group, &tp.topic, tp.partition.0);
                if committed.unwrap_or_default() != log.end() {
                    let (group, end) = (reader.group, log.end());
                    let members = self.readers.iter().filter(|other| other.group == group).map(|one| {
                        format!(
                            "{} read {:?}, polls {:?}, commits {:?}",
                            one.name, one.next, one.poll, one.committing
                        )
                    });
                    return Some(format!(
                        "group {group} has committed {committed:?} of {end} in {tp} ({})",
                        members.collect::<Vec<_>>().join("; ")
                    ));
                }
            }
        }
        None
    }

    /// True when the topics asked for are there, as the admin was told.
    pub fn admin_is_idle(&self) -> bool {
        self.admin_calls == 0
    }

    /// What can be said only of a whole run.
    pub fn at_the_end(&self, checker: &Checker) -> Checked {
        self.acked.at_the_end(checker)?;
        self.order.at_the_end(&checker.history)
    }

    /// How many records were acked with acks=all.
    pub fn acked(&self) -> usize {
        self.acked.count()
    }
}

impl ProducerLoad {
    fn send(&mut self, world: &mut World, rng: &mut Rng) {
        let count = 1 + rng.below(3);
        let partition = self.partitions.map(|count| rng.below(count) as i32);
        let key = format!("key {}", rng.below(4));
        let mut names = Vec::new();
        let mut records = Vec::new();
        for _ in 0..count {
            self.next += 1;
            let name =
                RecordName { idempotent: self.idempotent, producer: self.name.to_owned(), number: self.next };
            records.push(ProducerRecord {
                key: partition.is_none().then(|| key.clone().into()),
                value: Some(name.value(rng.below(160) as usize)),
                partition,
                ..ProducerRecord::default()
            });
            names.push(name);
        }
        let call = ProducerCall::Send {
            topics: vec![(TopicName::from(self.topic), records)],
            acks: self.acks,
            compression: Compression::None,
            timeout: None,
        };
        let id = self.handle.call(world, call);
        self.calls.insert(id, names);
    }
}

fn told(
    load: &ProducerLoad,
    names: &[RecordName],
    sent: &[SendResult],
    acked: &mut AckedRecordsKept,
    order: &mut PartitionOrder,
    checker: &Checker,
) -> Checked {
    if load.acks != 0 {
        order.acked(names);
    }
    let committed = load.acks == -1 || (load.acks == 1 && load.topic == SOLO);
    for result in sent.iter().filter(|_| committed) {
        let tp = TopicPartition::new(result.topic.as_str(), result.partition);
        acked.acked(names, &tp, result.base_offset.map(Offset), checker)?;
    }
    Ok(())
}

/// How a failed call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Failed,
    Unknown,
}

fn outcome(error: &ClientError) -> Outcome {
    match error.kind {
        FailureKind::Connection | FailureKind::Invalid | FailureKind::Unsupported => Outcome::Failed,
        FailureKind::Timeout | FailureKind::Closed | FailureKind::Protocol(_) => Outcome::Unknown,
    }
}

impl Reader {
    fn poll(&mut self, world: &mut World) {
        let wait = Duration::from_millis(500);
        self.poll = Some(self.handle.call(world, ConsumerCall::Poll { batches_max: 4, wait }));
    }

    fn events(&mut self, owners: &mut OneOwner, told: &mut Told) -> Checked {
        for (at, event) in self.handle.take_events() {
            told.push((at, format!("{}: {event:?}", self.name)));
            self.next.clear();
            match event {
                ConsumerEvent::Assigned { generation, member_id, partitions, .. } => {
                    owners.assigned(self.group, generation, &member_id, &partitions)?;
                }
                ConsumerEvent::Revoked | ConsumerEvent::Lost => {}
                ConsumerEvent::Crashed(error) => {
                    let what = format!("a consumer of {} gave up: {error:?}", self.group);
                    return Err(Violation { invariant: "progress", what });
                }
            }
        }
        Ok(())
    }

    fn replies(
        &mut self,
        world: &mut World,
        checker: &Checker,
        seen: &ConsumersSeeCommitted,
        told: &mut Told,
    ) -> Checked {
        for (_, call, result) in self.handle.take_replies() {
            if let Some((topic, partition, next)) = self.committing.remove(&call) {
                match result {
                    Ok(_) => checker.group_offsets.answered(self.group, &topic, partition, next)?,
                    Err(_) => self.again.push((topic, partition, next)),
                }
            } else if self.poll == Some(call) {
                if let Ok(ConsumerReply::Batches(batches)) = result {
                    for batch in &batches {
                        self.take(world, checker, seen, told, batch)?;
                    }
                }
                for (topic, partition, next) in std::mem::take(&mut self.again) {
                    // Unless it has read on, or the partition is another member's.
                    if self.next.get(&(topic.clone(), partition)) == Some(&next) {
                        self.commit(world, topic, partition, next);
                    }
                }
                self.poll(world);
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        world: &mut World,
        checker: &Checker,
        seen: &ConsumersSeeCommitted,
        told: &mut Told,
        batch: &FetchedBatch,
    ) -> Checked {
        let place = (batch.topic.clone(), batch.partition);
        let committed = checker.group_offsets.committed(self.group, &batch.topic, batch.partition);
        seen.given(&checker.history, batch, self.next.get(&place).copied(), committed)?;
        let Some(next) = batch.records.last().map(|record| record.offset.0 + 1) else { return Ok(()) };
        if self.next.insert(place, next).is_none() {
            let (name, topic, partition) = (&self.name, &batch.topic, batch.partition);
            told.push((world.now(), format!("{name}: reads {topic}-{partition} up to {next}")));
        }
        let (topic, partition) = (batch.topic.clone(), batch.partition);
        self.handle.call(world, ConsumerCall::Processed { topic: topic.clone(), partition, next });
        if self.commits {
            self.commit(world, topic, partition, next);
        }
        Ok(())
    }

    fn commit(&mut self, world: &mut World, topic: TopicName, partition: i32, next: i64) {
        let offsets = vec![(topic.clone(), partition, next, None)];
        let call = self.handle.call(world, ConsumerCall::Commit(offsets));
        self.committing.insert(call, (topic, partition, next));
    }
}

struct ProducerKind {
    name: &'static str,
    acks: i16,
    idempotent: bool,
    topic: &'static str,
    partitions: Option<u64>,
}

const PRODUCERS: [ProducerKind; 6] = [
    ProducerKind { name: "idempotent", acks: -1, idempotent: true, topic: "orders", partitions: Some(2) },
    ProducerKind {
        name: "idempotent ledger",
        acks: -1,
        idempotent: true,
        topic: "ledger",
        partitions: Some(1),
    },
    ProducerKind { name: "all", acks: -1, idempotent: false, topic: "orders", partitions: None },
    ProducerKind { name: "one", acks: 1, idempotent: false, topic: "orders", partitions: Some(2) },
    ProducerKind { name: "solo", acks: 1, idempotent: false, topic: SOLO, partitions: Some(1) },
    ProducerKind { name: "zero", acks: 0, idempotent: false, topic: "orders", partitions: Some(2) },
];

fn client_options(name: &str, brokers: usize) -> ClientOptions {
    ClientOptions {
        client_id: name.to_owned(),
        bootstrap: (1..=brokers).map(|id| (format!("broker-{id}"), 9092)).collect(),
        request_timeout: Duration::from_millis(1500),
    }
}

fn producer_options(kind: &ProducerKind, rng: &mut Rng, brokers: usize) -> ProducerOptions {
    ProducerOptions {
        client: client_options(kind.name, brokers),
        idempotent: kind.idempotent,
        partitioner: Partitioner::Sticky,
        linger: Duration::from_millis(rng.below(2) * 5),
        batch_bytes: 1024,
        buffer_bytes: 64 * 1024,
        delivery_timeout: Duration::from_millis(2000 + rng.below(6000)),
    }
}
