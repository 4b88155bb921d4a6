//! Quorum nodes without brokers. A network hop takes 1 ms, a storage operation 2 ms. Each node's state machine is the list
//! of the values it has replayed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::config::{BrokerConfig, Profile};
use crate::effects::{Effects, PeerError, PeerResult, Reply, ReplyToken, RequestId};
use crate::log::io::{IoError, IoId, IoOp, IoResult};
use crate::protocol::batch::batches;
use crate::protocol::records::{BatchBuilder, BatchOptions, decode_records};
use crate::protocol::{Request, Response};
use crate::quorum::{Committed, Quorum};
use crate::rng::Rng;
use crate::sim::storage::MemoryStorage;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, LogId};

const HOP: Duration = Duration::from_millis(1);
const STORAGE: Duration = Duration::from_millis(2);

enum Happening {
    Request { from: BrokerId, to: BrokerId, id: RequestId, body: Request },
    Response { to: BrokerId, from: BrokerId, id: RequestId, result: PeerResult },
    Io { node: BrokerId, life: u64, io: IoId, op: IoOp },
    Wake { node: BrokerId, life: u64 },
}

pub struct Node {
    pub quorum: Quorum,
    pub values: Vec<String>,
    fx: Effects,
    life: u64,
}

/// See the file's head.
pub struct Nodes {
    pub now: Instant,
    pub nodes: BTreeMap<BrokerId, Node>,
    pub storages: BTreeMap<BrokerId, MemoryStorage>,
    /// Requests that arrived, by kind.
    pub arrived: Vec<(BrokerId, BrokerId, Request)>,
    /// Answers to what the tests asked.
    pub answers: BTreeMap<ReplyToken, Response>,
    voters: Vec<BrokerId>,
    configs: Vec<(&'static str, &'static str)>,
    cut: BTreeSet<(BrokerId, BrokerId)>,
    /// Nodes that end when so many more storage operations took effect.
    ending: BTreeMap<BrokerId, usize>,
    /// What a node ends with is torn: some of it took effect, as this decides.
    pub tearing: Option<Rng>,
    /// Nodes whose storage refuses snapshots.
    refusing: BTreeSet<BrokerId>,
    /// Nodes whose storage refuses all writes.
    broken: BTreeSet<BrokerId>,
    waiting: BTreeMap<ReplyToken, (BrokerId, BrokerId, RequestId)>,
    outstanding: BTreeSet<(BrokerId, RequestId)>,
    queue: BTreeMap<(Instant, u64), Happening>,
    sequence: u64,
    lives: u64,
    /// How often something was still due at this time after a turn.
    due_still: (Instant, u32),
}

pub fn id(id: i32) -> BrokerId {
    BrokerId(id)
}

impl Nodes {
    /// Nodes 1 to `nodes`, of which the first `voters` vote.
    pub fn new(voters: i32, nodes: i32) -> Self {
        Self::with_configs(voters, nodes, &[])
    }

    pub fn with_configs(voters: i32, nodes: i32, configs: &[(&'static str, &'static str)]) -> Self {
        let mut all = Nodes {
            now: Instant(1_000_000),
            nodes: BTreeMap::new(),
            storages: BTreeMap::new(),
            arrived: Vec::new(),
            answers: BTreeMap::new(),
            voters: (1..=voters).map(BrokerId).collect(),
            configs: configs.to_vec(),
            cut: BTreeSet::new(),
            ending: BTreeMap::new(),
            tearing: None,
            refusing: BTreeSet::new(),
            broken: BTreeSet::new(),
            waiting: BTreeMap::new(),
            outstanding: BTreeSet::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            lives: 0,
            due_still: (Instant(0), 0),
        };
        for id in 1..=nodes {
            all.start(BrokerId(id));
        }
        all
    }

    pub fn start(&mut self, id: BrokerId) {
        let mut config = BrokerConfig::new(Profile::Lab, id, self.voters.clone());
        for (name, value) in &self.configs {
            config.set(name, value).unwrap();
        }
        let mut recovered = self.storages.entry(id).or_default().recovered().into();
        self.lives += 1;
        let mut fx = Effects::default();
        let quorum = Quorum::open(&config, &mut recovered, Rng::new(self.lives), self.now, &mut fx);
        self.nodes.insert(id, Node { quorum, values: Vec::new(), fx, life: self.lives });
        self.settle(id);
    }

    /// Ends a node at once; what waits for it finds its connections closed.
    pub fn crash(&mut self, id: BrokerId) {
        self.nodes.remove(&id);
        self.ending.remove(&id);
        let of_it = self.waiting.extract_if(.., |_, (_, at, _)| *at == id).collect::<Vec<_>>();
        for (_, (asker, at, request)) in of_it {
            self.push(
                HOP,
                Happening::Response {
                    to: asker,
                    from: at,
                    id: request,
                    result: Err(PeerError::Disconnected),
                },
            );
        }
    }

    /// Ends a node when so many more storage operations took effect, and one more that it does not hear of.
    pub fn crash_after_ios(&mut self, id: BrokerId, ios: usize) {
        self.ending.insert(id, ios);
    }

    /// A node's storage refuses all writes, or no longer.
    pub fn break_writes(&mut self, id: BrokerId, broken: bool) {
        match broken {
            true => self.broken.insert(id),
            false => self.broken.remove(&id),
        };
    }

    /// A node's storage refuses what concerns snapshots, or no longer.
    pub fn refuse_snapshots(&mut self, id: BrokerId, refuse: bool) {
        match refuse {
            true => self.refusing.insert(id),
            false => self.refusing.remove(&id),
        };
    }

    /// What the two send each other is lost, or no longer.
    pub fn set_cut(&mut self, a: BrokerId, b: BrokerId, cut: bool) {
        self.set_cut_one_way(a, b, cut);
        self.set_cut_one_way(b, a, cut);
    }

    /// What one sends the other is lost, or no longer.
    pub fn set_cut_one_way(&mut self, from: BrokerId, to: BrokerId, cut: bool) {
        match cut {
            true => self.cut.insert((from, to)),
            false => self.cut.remove(&(from, to)),
        };
    }

    pub fn isolate(&mut self, node: BrokerId, cut: bool) {
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            if other != node {
                self.set_cut(node, other, cut);
            }
        }
    }

    pub fn quorum(&self, id: BrokerId) -> &Quorum {
        &self.nodes[&id].quorum
    }

    /// The leader that all running nodes agree on, once its epoch has begun.
    pub fn leader(&self) -> Option<BrokerId> {
        let leader =
            self.nodes.values().find(|node| node.quorum.leadership_established())?.quorum.leader()?;
        self.nodes.values().all(|node| node.quorum.leader() == Some(leader)).then_some(leader)
    }

    pub fn elected(&mut self) -> BrokerId {
        self.until("a leader that all know", |all| all.leader().is_some());
        self.leader().unwrap()
    }

    /// Appends a value at the leader, and waits until all running nodes have replayed it.
    pub fn commit(&mut self, value: &str) {
        let leader = self.elected();
        self.append(leader, value);
        self.until("all have replayed it", |all| {
            all.nodes.values().all(|node| node.values.last().is_some_and(|last| last == value))
        });
    }

    pub fn append(&mut self, leader: BrokerId, value: &str) {
        let now = self.now;
        let mut batch = BatchBuilder::new(BatchOptions::default());
        batch.push(now.as_timestamp(), None, Some(value.as_bytes()), &[]);
        let node = self.nodes.get_mut(&leader).unwrap();
        node.quorum.append(now, &batch.build(), &mut node.fx).unwrap();
        self.settle(leader);
    }

    /// Does something to a node's quorum.
    pub fn with(&mut self, id: BrokerId, act: impl FnOnce(&mut Quorum, Instant, &mut Effects)) {
        let now = self.now;
        let node = self.nodes.get_mut(&id).unwrap();
        act(&mut node.quorum, now, &mut node.fx);
        self.settle(id);
    }

    /// Asks a node something; the answer will be in `answers`.
    pub fn ask(&mut self, id: BrokerId, request: impl Into<Request>) -> ReplyToken {
        self.sequence += 1;
        let (token, request) = (ReplyToken(self.sequence), request.into());
        self.with(id, |quorum, now, fx| quorum.handle_request(now, token, &request, fx));
        token
    }

    pub fn until(&mut self, what: &str, mut condition: impl FnMut(&Nodes) -> bool) {
        let end = self.now + Duration::from_secs(10);
        while !condition(self) {
            assert!(self.step(end), "not within 10 s: {what}; {}", self.roles());
        }
    }

    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
    }

    pub fn roles(&self) -> String {
        let role = |(id, node): (&BrokerId, &Node)| {
            format!("{id} is {} in epoch {}", node.quorum.role_name(), node.quorum.epoch())
        };
        self.nodes.iter().map(role).collect::<Vec<_>>().join(", ")
    }

    fn push(&mut self, after: Duration, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + after, self.sequence), happening);
    }

    fn step(&mut self, until: Instant) -> bool {
        let Some((&(at, _), _)) = self.queue.first_key_value().filter(|((at, _), _)| *at <= until) else {
            self.now = until;
            return false;
        };
        let Some((_, happening)) = self.queue.pop_first() else { return false };
        self.now = self.now.max(at);
        match happening {
            Happening::Request { from, to, id, body } => {
                self.arrived.push((from, to, body.clone()));
                self.sequence += 1;
                let token = ReplyToken(self.sequence);
                if self.nodes.contains_key(&to) {
                    self.waiting.insert(token, (from, to, id));
                    self.with(to, |quorum, now, fx| quorum.handle_request(now, token, &body, fx));
                }
            }
            Happening::Response { to, from, id, result } => {
                if self.outstanding.remove(&(to, id)) && self.nodes.contains_key(&to) {
                    self.with(to, |quorum, now, fx| quorum.handle_response(now, id, from, result, fx));
                }
            }
            Happening::Io { node, life, io, op } => {
                if self.nodes.get(&node).is_some_and(|node| node.life == life) {
                    if self.ending.get(&node) == Some(&0)
                        && let Some(rng) = &mut self.tearing
                    {
                        self.storages.entry(node).or_default().tear(op, rng);
                        self.crash(node);
                        return true;
                    }
                    let refused = (op.log() == Some(LogId::SNAPSHOTS) && self.refusing.contains(&node))
                        || (!matches!(op, IoOp::Read { .. }) && self.broken.contains(&node));
                    let result = match refused {
                        true => IoResult::Failed(IoError::QuotaExceeded),
                        false => self.storages.entry(node).or_default().execute(op),
                    };
                    match self.ending.get_mut(&node) {
                        Some(0) => {
                            self.ending.remove(&node);
                            self.crash(node);
                            return true;
                        }
                        Some(left) => *left -= 1,
                        None => {}
                    }
                    self.with(node, |quorum, now, fx| quorum.handle_io(now, io, result, fx));
                }
            }
            Happening::Wake { node, life } => {
                if self.nodes.get(&node).is_some_and(|node| node.life == life) {
                    self.settle(node);
                }
            }
        }
        true
    }

    fn settle(&mut self, id: BrokerId) {
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.quorum.tick(now, &mut node.fx);
        while let Some(committed) = node.quorum.next_committed(&mut node.fx) {
            match committed {
                Committed::Snapshot(snapshot) => node.values = values(&snapshot.bytes),
                Committed::Batches(bytes) => node.values.extend(values(&bytes)),
            }
        }
        if node.quorum.wants_snapshot(now) {
            let values = node.values.iter().map(|value| Bytes::from(value.clone())).collect();
            node.quorum.write_snapshot(now, values, &mut node.fx);
        }
        let life = node.life;
        let deadline = node.quorum.next_deadline();
        let (requests, replies, ios) = (
            std::mem::take(&mut node.fx.requests),
            std::mem::take(&mut node.fx.replies),
            std::mem::take(&mut node.fx.ios),
        );
        node.fx.events.clear();
        for (io, op) in ios {
            self.push(STORAGE, Happening::Io { node: id, life, io, op });
        }
        for request in requests {
            let (to, request_id) = (request.to, request.id);
            self.outstanding.insert((id, request_id));
            let late =
                Happening::Response { to: id, from: to, id: request_id, result: Err(PeerError::TimedOut) };
            self.push(request.timeout, late);
            if !self.nodes.contains_key(&to) {
                let result = Err(PeerError::Disconnected);
                self.push(HOP, Happening::Response { to: id, from: to, id: request_id, result });
            } else if !self.cut.contains(&(id, to)) {
                let body = request.body;
                self.push(HOP, Happening::Request { from: id, to, id: request_id, body });
            }
        }
        for (token, reply) in replies {
            let result = match reply {
                Reply::Response(response) => Ok(response),
                Reply::Close(_) => Err(PeerError::Disconnected),
                _ => continue,
            };
            let Some((asker, at, request)) = self.waiting.remove(&token) else {
                if let Ok(response) = result {
                    self.answers.insert(token, response);
                }
                continue;
            };
            if !self.cut.contains(&(id, asker)) {
                self.push(HOP, Happening::Response { to: asker, from: at, id: request, result });
            }
        }
        if let Some(at) = deadline {
            if at <= now {
                let before = if self.due_still.0 == now { self.due_still.1 } else { 0 };
                self.due_still = (now, before + 1);
                assert!(before < 1000, "node {id} spins: what it wakes for stays due");
            }
            self.push(at.since(now), Happening::Wake { node: id, life });
        }
    }
}

/// The values of all batches that are not control batches.
pub fn values(bytes: &Bytes) -> Vec<String> {
    let data = batches(bytes).map_while(Result::ok).filter(|(header, _)| !header.is_control());
    let records = data.flat_map(|(_, range)| decode_records(&bytes.slice(range)).unwrap());
    records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect()
}
