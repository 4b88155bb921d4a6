//! The cluster that the tests of this folder drive. A network hop takes 1 ms, a storage operation 2 ms.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::config::{BrokerConfig, Profile, TopicConfig};
use crate::effects::{Effects, Lane, PeerError, PeerResult, Reply, ReplyToken, RequestId};
use crate::event::ClusterEvent;
use crate::log::io::{IoId, IoOp};
use crate::log::unsealed;
use crate::protocol::messages::alter_partition_response::{PartitionData, TopicData};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::protocol::messages::produce_response::PartitionProduceResponse;
use crate::protocol::messages::{self, *};
use crate::protocol::records::{BatchBuilder, BatchOptions, decode_records};
use crate::protocol::{
    ErrorCode, Request, Response, StrBytes, batch, decode_request, decode_response, encode_request,
    encode_response, supported_versions,
};
use crate::replica::{LiveBroker, PartitionSpec, ReplicaManager, ReplicaStatus};
use crate::rng::Rng;
use crate::sim::storage::MemoryStorage;
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{
    BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, ProducerEpoch, ProducerId, TopicId,
    TopicPartition, Uuid,
};

pub const HOP: Duration = Duration::from_millis(1);
pub const STORAGE: Duration = Duration::from_millis(2);
/// Fetches of consumers are numbered from here.
const CLIENT_TOKENS: u64 = 1_000_000;

enum Happening {
    Request { from: BrokerId, to: BrokerId, lane: Lane, id: RequestId, body: Request },
    Response { to: BrokerId, from: BrokerId, id: RequestId, result: PeerResult },
    Io { node: BrokerId, life: u64, io: IoId, op: IoOp },
    Wake { node: BrokerId, life: u64 },
    Metadata { node: BrokerId, life: u64, spec: PartitionSpec },
}

/// What keeps its order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Requests(BrokerId, BrokerId),
    Responses(BrokerId, BrokerId),
    Storage(BrokerId),
    Metadata(BrokerId),
}

pub struct Node {
    pub manager: ReplicaManager,
    pub fx: Effects,
    life: u64,
    /// Storage operations are kept back while this is set.
    held: Option<Vec<(IoId, IoOp)>>,
    kept: Vec<(IoId, IoOp)>,
}

/// An inbound request that waits for its reply, in the order of its connection.
struct Waiting {
    token: ReplyToken,
    id: RequestId,
    version: i16,
    reply: Option<PeerResult>,
}

/// See the file's head.
pub struct Cluster {
    pub now: Instant,
    pub nodes: BTreeMap<BrokerId, Node>,
    pub storages: BTreeMap<BrokerId, MemoryStorage>,
    pub specs: BTreeMap<LogId, PartitionSpec>,
    pub events: Vec<(BrokerId, ClusterEvent)>,
    pub replies: BTreeMap<ReplyToken, Reply>,
    /// AlterPartition requests that reached the controller.
    pub alter_partitions: Vec<AlterPartitionRequest>,
    /// The controller answers AlterPartition with this instead.
    pub controller_error: Option<ErrorCode>,
    /// What the controller has decided reaches the brokers by the answer only, not by the metadata log.
    pub metadata_held: bool,
    /// The controller's answers get lost.
    pub answers_lost: bool,
    pub fetch_requests: usize,
    /// Makes every delay random, up to five times as long; the metadata log then comes late, too.
    pub jitter: Option<Rng>,
    stream_ends: BTreeMap<Stream, Instant>,
    configure: fn(&mut BrokerConfig),
    cut: BTreeSet<(BrokerId, BrokerId)>,
    connections: BTreeMap<(BrokerId, BrokerId), VecDeque<Waiting>>,
    queue: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    tokens: u64,
    lives: u64,
    starts: BTreeMap<BrokerId, i64>,
}

impl Cluster {
    pub fn new(brokers: i32) -> Self {
        Self::with_config(brokers, |_| {})
    }

    pub fn with_config(brokers: i32, configure: fn(&mut BrokerConfig)) -> Self {
        let mut cluster = Cluster {
            now: Instant(1_000_000),
            nodes: BTreeMap::new(),
            storages: BTreeMap::new(),
            specs: BTreeMap::new(),
            events: Vec::new(),
            replies: BTreeMap::new(),
            alter_partitions: Vec::new(),
            controller_error: None,
            metadata_held: false,
            answers_lost: false,
            fetch_requests: 0,
            jitter: None,
            stream_ends: BTreeMap::new(),
            configure,
            cut: BTreeSet::new(),
            connections: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            tokens: 0,
            lives: 0,
            starts: BTreeMap::new(),
        };
        for id in 1..=brokers {
            cluster.storages.insert(BrokerId(id), MemoryStorage::default());
            cluster.start(BrokerId(id));
        }
        cluster
    }

    pub fn config(&self, id: BrokerId) -> BrokerConfig {
        let mut config = BrokerConfig::new(Profile::Lab, id, vec![BrokerId(1)]);
        (self.configure)(&mut config);
        config
    }

    /// Starts a broker on its storage and tells it all there is.
    pub fn start(&mut self, id: BrokerId) {
        self.lives += 1;
        *self.starts.entry(id).or_default() += 1;
        let config = self.config(id);
        let mut fx = Effects::default();
        let recovered = self.storages.get_mut(&id).unwrap().recovered();
        let manager = ReplicaManager::new(&config, recovered.into(), Rng::new(self.lives), self.now, &mut fx);
        self.nodes.insert(id, Node { manager, fx, life: self.lives, held: None, kept: Vec::new() });
        let specs: Vec<PartitionSpec> = self.specs.values().cloned().collect();
        let epoch = self.broker_epoch(id);
        self.with(id, |node, now| {
            node.manager.set_controller(now, Some(BrokerId(0)), &mut node.fx);
            node.manager.apply(now, specs, Vec::new(), Some(epoch), &mut node.fx);
        });
        self.tell_live_brokers();
    }

    /// Ends a broker: what its storage has not committed is gone, and its peers' requests fail.
    pub fn crash(&mut self, id: BrokerId) {
        self.nodes.remove(&id);
        let gone: Vec<_> =
            self.connections.keys().copied().filter(|(from, to)| *from == id || *to == id).collect();
        for (from, to) in gone {
            for waiting in self.connections.remove(&(from, to)).unwrap() {
                let result = Err(PeerError::Disconnected);
                self.push(HOP, Happening::Response { to: from, from: to, id: waiting.id, result });
            }
        }
        self.tell_live_brokers();
    }

    /// 100 for the first life of broker 1, 101 for its second, and so on.
    fn broker_epoch(&self, id: BrokerId) -> BrokerEpoch {
        BrokerEpoch(i64::from(id.0) * 100 + self.starts.get(&id).map_or(0, |starts| starts - 1))
    }

    fn tell_live_brokers(&mut self) {
        let live: Vec<LiveBroker> = self
            .nodes
            .keys()
            .map(|id| LiveBroker {
                id: *id,
                epoch: self.broker_epoch(*id),
                host: format!("broker-{id}"),
                port: 9092,
                rack: None,
            })
            .collect();
        for id in self.ids() {
            let live = live.clone();
            self.with(id, |node, now| node.manager.set_live_brokers(now, live, &mut node.fx));
        }
    }

    pub fn ids(&self) -> Vec<BrokerId> {
        self.nodes.keys().copied().collect()
    }

    /// One input to one broker, and all that follows from it.
    pub fn with<R>(&mut self, id: BrokerId, input: impl FnOnce(&mut Node, Instant) -> R) -> R {
        let now = self.now;
        let node = self.nodes.get_mut(&id).unwrap();
        let result = input(node, now);
        self.drain(id);
        result
    }

    fn drain(&mut self, id: BrokerId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let life = node.life;
        let requests: Vec<_> = node.fx.requests.drain(..).collect();
        let replies: Vec<_> = node.fx.replies.drain(..).collect();
        let mut ios: Vec<_> = node.fx.ios.drain(..).collect();
        let events: Vec<_> = node.fx.events.drain(..).collect();
        if let Some(held) = &mut node.held {
            held.append(&mut ios);
        }
        let deadline = node.manager.next_deadline();
        self.events.extend(events.into_iter().map(|event| (id, event)));
        for request in requests {
            let (from, to, lane, id) = (id, request.to, request.lane, request.id);
            if !self.nodes.contains_key(&to) && to != BrokerId(0) {
                let result = Err(PeerError::Disconnected);
                self.push(HOP, Happening::Response { to: from, from: to, id, result });
                continue;
            }
            // Comes to nothing if there has been an answer.
            let result = Err(PeerError::TimedOut);
            self.push(request.timeout, Happening::Response { to: from, from: to, id, result });
            if self.cut.contains(&(from, to)) {
                continue;
            }
            let body = over_the_wire(request.body);
            self.send_on(Stream::Requests(from, to), HOP, Happening::Request { from, to, lane, id, body });
        }
        for (io, op) in ios {
            self.send_on(Stream::Storage(id), STORAGE, Happening::Io { node: id, life, io, op });
        }
        for (token, reply) in replies {
            self.answer(id, token, reply);
        }
        if let Some(at) = deadline {
            let after = at.since(self.now);
            self.push(after, Happening::Wake { node: id, life });
        }
    }

    fn answer(&mut self, by: BrokerId, token: ReplyToken, reply: Reply) {
        if token.0 >= CLIENT_TOKENS {
            assert!(self.replies.insert(token, reply).is_none(), "answered twice");
            return;
        }
        let keys: Vec<_> = self.connections.keys().copied().filter(|(_, to)| *to == by).collect();
        for (from, to) in keys {
            let waiting = self.connections.get_mut(&(from, to)).unwrap();
            if let Some(waiting) = waiting.iter_mut().find(|waiting| waiting.token == token) {
                let Reply::Response(response) = &reply else { panic!("{reply:?} to a broker") };
                let bytes = encode_response(waiting.version, 7, response).unwrap();
                let response = decode_response(response.key(), waiting.version, bytes.slice(4..)).unwrap().1;
                waiting.reply = Some(Ok(response));
            }
            while let Some(done) = waiting_front(self.connections.get_mut(&(from, to)).unwrap()) {
                let result = done.reply.unwrap();
                if !self.cut.contains(&(to, from)) {
                    let response = Happening::Response { to: from, from: to, id: done.id, result };
                    self.send_on(Stream::Responses(to, from), HOP, response);
                }
            }
        }
    }

    fn push(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }

    /// Like `push`, after a random time if there is jitter, and never before what the stream carried earlier.
    fn send_on(&mut self, stream: Stream, after: Duration, happening: Happening) {
        let Some(rng) = &mut self.jitter else { return self.push(after, happening) };
        let after = after * rng.below(6) as u32;
        let end = self.stream_ends.entry(stream).or_default();
        *end = (*end).max(self.now + after);
        let after = end.since(self.now);
        self.push(after, happening);
    }

    /// One step; false when nothing happens until `until`.
    fn step(&mut self, until: Instant) -> bool {
        match self.queue.first_key_value() {
            Some((&(at, _), _)) if at <= until => {}
            _ => {
                self.now = until;
                return false;
            }
        }
        let ((at, _), happening) = self.queue.pop_first().unwrap();
        self.now = at;
        match happening {
            Happening::Request { from, to, lane, id, body } => self.request(from, to, lane, id, body),
            Happening::Response { to, from, id, result } => {
                if self.nodes.contains_key(&to) {
                    self.with(to, |node, now| {
                        node.manager.handle_response(now, id, from, result, &mut node.fx);
                    });
                }
            }
            Happening::Io { node, life, io, op } => {
                if self.nodes.get(&node).is_some_and(|node| node.life == life) {
                    let result = self.storages.get_mut(&node).unwrap().execute(op);
                    self.with(node, |node, now| node.manager.handle_io(now, io, result, &mut node.fx));
                }
            }
            Happening::Metadata { node, life, spec } => {
                if self.nodes.get(&node).is_some_and(|node| node.life == life) {
                    self.with(node, |node, now| {
                        node.manager.apply(now, vec![spec], Vec::new(), None, &mut node.fx);
                    });
                }
            }
            Happening::Wake { node, life } => {
                let due = self.nodes.get(&node).filter(|node| node.life == life);
                if due.and_then(|node| node.manager.next_deadline()).is_some_and(|due| due <= at) {
                    self.with(node, |node, now| node.manager.tick(now, &mut node.fx));
                }
            }
        }
        true
    }

    fn request(&mut self, from: BrokerId, to: BrokerId, lane: Lane, id: RequestId, body: Request) {
        match (lane, body) {
            (Lane::Control, Request::AlterPartition(request)) => {
                let result = Ok(self.alter_partition(request).into());
                let response = Happening::Response { to: from, from: BrokerId(0), id, result };
                if !self.answers_lost {
                    self.send_on(Stream::Responses(BrokerId(0), from), HOP, response);
                }
            }
            (Lane::ReplicaFetch, Request::Fetch(request)) => {
                self.fetch_requests += 1;
                if !self.nodes.contains_key(&to) {
                    let result = Err(PeerError::Disconnected);
                    return self.push(HOP, Happening::Response { to: from, from: to, id, result });
                }
                self.tokens += 1;
                let token = ReplyToken(self.tokens);
                let waiting = Waiting { token, id, version: 17, reply: None };
                self.connections.entry((from, to)).or_default().push_back(waiting);
                self.with(to, |node, now| node.manager.fetch(now, token, 17, request, false, &mut node.fx));
            }
            (lane, body) => panic!("{body:?} on {lane:?}"),
        }
    }

    /// The fake controller: does as asked when the partition epoch is right, and publishes it.
    fn alter_partition(&mut self, request: AlterPartitionRequest) -> AlterPartitionResponse {
        self.alter_partitions.push(request.clone());
        if let Some(error) = self.controller_error {
            return AlterPartitionResponse::default().with_error_code(error.code());
        }
        let mut topics = Vec::new();
        for topic in request.topics {
            let mut partitions = Vec::new();
            for asked in topic.partitions {
                let log = LogId {
                    topic_id: TopicId(topic.topic_id),
                    partition: crate::types::PartitionIndex(asked.partition_index),
                };
                let answer = PartitionData::default().with_partition_index(asked.partition_index);
                let spec = self.specs.get_mut(&log).unwrap();
                if spec.partition_epoch.0 != asked.partition_epoch
                    || spec.leader_epoch.0 != asked.leader_epoch
                {
                    partitions.push(answer.with_error_code(ErrorCode::InvalidUpdateVersion.code()));
                    continue;
                }
                spec.isr =
                    asked.new_isr_with_epochs.iter().map(|state| BrokerId(state.broker_id.0)).collect();
                spec.partition_epoch = PartitionEpoch(spec.partition_epoch.0 + 1);
                partitions.push(
                    answer
                        .with_leader_id(messages::BrokerId(spec.leader.unwrap().0))
                        .with_leader_epoch(spec.leader_epoch.0)
                        .with_isr(spec.isr.iter().map(|id| messages::BrokerId(id.0)).collect())
                        .with_partition_epoch(spec.partition_epoch.0),
                );
                if !self.metadata_held {
                    self.publish(log);
                }
            }
            topics.push(TopicData::default().with_topic_id(topic.topic_id).with_partitions(partitions));
        }
        AlterPartitionResponse::default().with_topics(topics)
    }

    /// Tells every broker of a partition's state.
    pub fn publish(&mut self, log: LogId) {
        let spec = self.specs.get(&log).unwrap().clone();
        for id in self.ids() {
            let spec = spec.clone();
            if self.jitter.is_some() {
                let life = self.nodes[&id].life;
                self.send_on(Stream::Metadata(id), HOP, Happening::Metadata { node: id, life, spec });
                continue;
            }
            self.with(id, |node, now| {
                node.manager.apply(now, vec![spec], Vec::new(), None, &mut node.fx);
            });
        }
    }

    /// Creates a partition of `topic`, on these replicas, led by the first, all in the ISR.
    pub fn create(&mut self, topic: &str, replicas: &[i32], min_isr: usize) -> TopicPartition {
        self.create_with(topic, replicas, |config| config.min_insync_replicas = min_isr)
    }

    pub fn create_with(
        &mut self,
        topic: &str,
        replicas: &[i32],
        configure: impl FnOnce(&mut TopicConfig),
    ) -> TopicPartition {
        let mut config = TopicConfig::resolve(&self.config(BrokerId(1)), &SortedMap::new());
        configure(&mut config);
        let replicas: Vec<BrokerId> = replicas.iter().map(|id| BrokerId(*id)).collect();
        let spec = PartitionSpec {
            tp: TopicPartition::new(topic, 0),
            topic_id: topic_id(topic),
            leader: replicas.first().copied(),
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            isr: replicas.clone(),
            replicas,
            config,
        };
        let tp = spec.tp.clone();
        let log = spec.log_id();
        self.specs.insert(log, spec);
        self.publish(log);
        tp
    }

    /// Changes a partition as the controller would: both epochs rise.
    pub fn elect(&mut self, tp: &TopicPartition, leader: Option<i32>, isr: &[i32]) {
        let log = log_of(tp);
        let spec = self.specs.get_mut(&log).unwrap();
        spec.leader = leader.map(BrokerId);
        spec.isr = isr.iter().map(|id| BrokerId(*id)).collect();
        spec.leader_epoch = spec.leader_epoch.next();
        spec.partition_epoch = PartitionEpoch(spec.partition_epoch.0 + 1);
        self.publish(log);
    }

    /// Gives a partition other replicas, in a new epoch of its leader.
    pub fn reassign(&mut self, tp: &TopicPartition, replicas: &[i32], isr: &[i32]) {
        let spec = self.specs.get_mut(&log_of(tp)).unwrap();
        spec.replicas = replicas.iter().map(|id| BrokerId(*id)).collect();
        let leader = spec.leader.map(|id| id.0);
        self.elect(tp, leader, isr);
    }

    /// Messages between two brokers get lost, both ways.
    pub fn set_cut(&mut self, a: i32, b: i32, cut: bool) {
        for pair in [(BrokerId(a), BrokerId(b)), (BrokerId(b), BrokerId(a))] {
            if cut {
                self.cut.insert(pair);
            } else {
                self.cut.remove(&pair);
            }
        }
    }

    /// Keeps a broker's storage operations back, or lets them go.
    pub fn hold_storage(&mut self, id: i32, hold: bool) {
        let node = self.nodes.get_mut(&BrokerId(id)).unwrap();
        let life = node.life;
        let held = if hold {
            node.held.get_or_insert_default();
            Vec::new()
        } else {
            let mut held = std::mem::take(&mut node.kept);
            held.extend(node.held.take().unwrap_or_default());
            held
        };
        for (io, op) in held {
            self.push(STORAGE, Happening::Io { node: BrokerId(id), life, io, op });
        }
    }

    /// What was kept back stays so; what comes from now on does not wait with it.
    pub fn release_later_storage(&mut self, id: i32) {
        let node = self.nodes.get_mut(&BrokerId(id)).unwrap();
        node.kept = node.held.take().unwrap_or_default();
    }

    pub fn run_for(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while self.step(until) {}
    }

    /// Runs until the condition holds; fails after `limit_ms`.
    pub fn run_until(&mut self, limit_ms: u64, what: &str, mut done: impl FnMut(&Cluster) -> bool) {
        let until = self.now + Duration::from_millis(limit_ms);
        while !done(self) {
            assert!(self.step(until), "not within {limit_ms} ms: {what}");
        }
    }

    pub fn status(&self, id: i32, tp: &TopicPartition) -> ReplicaStatus {
        self.nodes[&BrokerId(id)].manager.status(tp).unwrap()
    }

    /// The values of a replica's records, as its storage has them.
    pub fn stored(&self, id: i32, tp: &TopicPartition) -> Vec<String> {
        let chunks = self.storages[&BrokerId(id)].chunks(log_of(tp));
        chunks.iter().flat_map(|chunk| values(&unsealed(chunk))).collect()
    }

    /// Sends a request of a client; the answer will be in `replies`.
    pub fn send(&mut self, to: i32, version: i16, body: impl Into<Request>) -> ReplyToken {
        let body = body.into();
        self.tokens += 1;
        let token = ReplyToken(CLIENT_TOKENS + self.tokens);
        self.with(BrokerId(to), |node, now| {
            let (manager, fx) = (&mut node.manager, &mut node.fx);
            match body {
                Request::Produce(r) => manager.produce(now, token, version, r, fx),
                Request::Fetch(r) => manager.fetch(now, token, version, r, true, fx),
                Request::ListOffsets(r) => manager.list_offsets(now, token, version, r, fx),
                Request::OffsetForLeaderEpoch(r) => {
                    manager.offsets_for_leader_epoch(now, token, version, r, fx);
                }
                other => panic!("{other:?}"),
            }
        });
        token
    }

    /// The answer, when it is there, after a trip over the wire.
    pub fn reply(&self, token: ReplyToken, version: i16) -> Option<Response> {
        match self.replies.get(&token)? {
            Reply::Response(response) => {
                let bytes = encode_response(version, 7, response).unwrap();
                Some(decode_response(response.key(), version, bytes.slice(4..)).unwrap().1)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Sends a produce of one batch.
    pub fn produce(&mut self, to: i32, tp: &TopicPartition, acks: i16, records: Bytes) -> ReplyToken {
        self.send(to, 9, produce_request(tp, acks, 1_000, records))
    }

    /// A produce's one partition, when it is answered.
    pub fn produced(&self, token: ReplyToken) -> Option<PartitionProduceResponse> {
        match self.reply(token, 9)? {
            Response::Produce(response) => Some(response.responses[0].partition_responses[0].clone()),
            other => panic!("{other:?}"),
        }
    }

    /// Produces values in one batch, and waits for the answer.
    pub fn produce_and_wait(&mut self, to: i32, tp: &TopicPartition, acks: i16, values: &[&str]) -> i64 {
        let token = self.produce(to, tp, acks, batch_of(values));
        self.run_until(1_500, "an answer to a produce", |cluster| cluster.produced(token).is_some());
        let answer = self.produced(token).unwrap();
        assert_eq!(answer.error_code, 0, "{answer:?}");
        answer.base_offset
    }

    /// A consumer's fetch of one partition.
    pub fn consume(&mut self, to: i32, tp: &TopicPartition, offset: i64, max_wait_ms: i32) -> ReplyToken {
        self.send(to, 11, fetch_request(tp, offset, max_wait_ms))
    }

    pub fn fetched(&self, token: ReplyToken) -> Option<messages::fetch_response::PartitionData> {
        match self.reply(token, 11)? {
            Response::Fetch(response) => {
                assert_eq!((response.error_code, response.session_id), (0, 0));
                Some(response.responses[0].partitions[0].clone())
            }
            other => panic!("{other:?}"),
        }
    }

    /// ListOffsets of one partition: (error, offset, timestamp).
    pub fn list_offsets(&mut self, to: i32, tp: &TopicPartition, timestamp: i64) -> (i16, i64, i64) {
        let partition = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(wire_name(tp)).with_partitions(vec![partition]);
        let request =
            ListOffsetsRequest::default().with_replica_id(messages::BrokerId(-1)).with_topics(vec![topic]);
        let token = self.send(to, 7, request);
        self.run_until(100, "an answer to ListOffsets", |cluster| cluster.reply(token, 7).is_some());
        match self.reply(token, 7).unwrap() {
            Response::ListOffsets(response) => {
                let partition = &response.topics[0].partitions[0];
                (partition.error_code, partition.offset, partition.timestamp)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn waiting_front(waiting: &mut VecDeque<Waiting>) -> Option<Waiting> {
    waiting.pop_front_if(|waiting| waiting.reply.is_some())
}

/// A request as it arrives at the other end.
fn over_the_wire(body: Request) -> Request {
    let (_, version) = supported_versions(body.key()).unwrap();
    let bytes = encode_request(version, 7, Some("broker"), &body).unwrap();
    decode_request(bytes.slice(4..)).unwrap().body
}

pub fn topic_id(topic: &str) -> TopicId {
    let number = topic.bytes().fold(7u128, |number, byte| number * 31 + u128::from(byte));
    TopicId(Uuid::from_u128(number))
}

pub fn log_of(tp: &TopicPartition) -> LogId {
    LogId { topic_id: topic_id(tp.topic.as_str()), partition: tp.partition }
}

pub fn wire_name(tp: &TopicPartition) -> messages::TopicName {
    messages::TopicName(StrBytes::from_string(tp.topic.to_string()))
}

pub fn produce_request(tp: &TopicPartition, acks: i16, timeout_ms: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(tp.partition.0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(wire_name(tp)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(timeout_ms).with_topic_data(vec![topic])
}

pub fn fetch_request(tp: &TopicPartition, offset: i64, max_wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(tp.partition.0)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(wire_name(tp)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic])
}

pub fn batch_of(values: &[&str]) -> Bytes {
    batch_at(values, 1_000_000)
}

pub fn batch_at(values: &[&str], timestamp: i64) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    for (i, value) in values.iter().enumerate() {
        batch.push(timestamp + i as i64, None, Some(value.as_bytes()), &[]);
    }
    batch.build()
}

pub fn idempotent_batch(values: &[&str], sequence: i32) -> Bytes {
    let producer = Some((ProducerId(7), ProducerEpoch(0), sequence));
    let mut batch = BatchBuilder::new(BatchOptions { producer, ..Default::default() });
    for value in values {
        batch.push(1_000_000, None, Some(value.as_bytes()), &[]);
    }
    batch.build()
}

/// The values in a run of batches.
pub fn values(bytes: &Bytes) -> Vec<String> {
    let mut values = Vec::new();
    for entry in batch::batches(bytes) {
        let (_, range) = entry.unwrap();
        for record in decode_records(&bytes.slice(range)).unwrap() {
            values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
        }
    }
    values
}

pub fn offsets(status: &ReplicaStatus) -> (i64, i64, i64) {
    let Offset(durable) = status.durable_end;
    (status.high_watermark.0, durable, status.log_end.0)
}
