//! One seed, one event queue, virtual time: a whole cluster of real brokers, with the network and the storage between
//! them simulated. The same calls in the same order give the same trace.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::broker::{Broker, Conn, Input, Output};
use crate::config::BrokerConfig;
use crate::effects::Lane;
use crate::event::ClusterEvent;
use crate::log::io::{IoId, IoOp};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::types::BrokerId;

use super::storage::MemoryStorage;

/// Names one connection between a client of the world and a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientConn(pub u64);

/// How long things take.
#[derive(Debug, Clone)]
pub struct Latencies {
    /// One way over the network, at most (uniform from zero).
    pub network_max: Duration,
    /// One storage operation, at most (uniform from zero).
    pub storage_max: Duration,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { network_max: Duration::from_millis(2), storage_max: Duration::from_millis(3) }
    }
}

/// What reaches a client of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToClient {
    /// The connection is there.
    Opened(ClientConn),
    /// It is gone.
    Closed(ClientConn),
    /// Bytes, in any chunking.
    Bytes(ClientConn, Bytes),
}

#[derive(Debug)]
enum Happening {
    /// To one incarnation of a broker; a later one never sees it.
    ToBroker {
        id: BrokerId,
        incarnation: u64,
        input: Input,
    },
    Io {
        id: BrokerId,
        incarnation: u64,
        io: IoId,
        op: IoOp,
    },
    Wake {
        id: BrokerId,
        incarnation: u64,
    },
    ToClient(ToClient),
}

struct Node {
    config: BrokerConfig,
    storage: MemoryStorage,
    /// None while stopped or crashed.
    broker: Option<Broker>,
    incarnation: u64,
    wake_at: Option<Instant>,
}

struct Line {
    broker: BrokerId,
    incarnation: u64,
}

/// A cluster with its clients' connections.
pub struct World {
    now: Instant,
    rng: Rng,
    latencies: Latencies,
    queue: BTreeMap<(Instant, u64), Happening>,
    next_sequence: u64,
    nodes: BTreeMap<BrokerId, Node>,
    /// Directed links that are cut.
    cuts: std::collections::BTreeSet<(BrokerId, BrokerId)>,
    /// The last delivery per stream: a connection and a storage keep their order.
    stream_ends: BTreeMap<Stream, Instant>,
    lines: BTreeMap<ClientConn, Line>,
    next_line: u64,
    inbox: std::collections::VecDeque<ToClient>,
    events: Vec<(Instant, BrokerId, ClusterEvent)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Peer { from: BrokerId, to: BrokerId, lane: Lane, request: bool },
    Client { conn: ClientConn, up: bool },
    Storage(BrokerId),
}

impl World {
    /// A cluster of these brokers, all started at time `now`.
    pub fn new(seed: u64, now: Instant, configs: Vec<BrokerConfig>, latencies: Latencies) -> Self {
        let mut world = World {
            now,
            rng: Rng::new(seed),
            latencies,
            queue: BTreeMap::new(),
            next_sequence: 0,
            nodes: BTreeMap::new(),
            cuts: Default::default(),
            stream_ends: BTreeMap::new(),
            lines: BTreeMap::new(),
            next_line: 0,
            inbox: Default::default(),
            events: Vec::new(),
        };
        let ids: Vec<BrokerId> = configs.iter().map(|config| config.node_id).collect();
        for config in configs {
            let storage = MemoryStorage::default();
            world.nodes.insert(
                config.node_id,
                Node { config, storage, broker: None, incarnation: 0, wake_at: None },
            );
        }
        for id in ids {
            world.start(id);
        }
        world
    }

    /// The virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A broker, if it runs.
    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.nodes.get(&id)?.broker.as_ref()
    }

    /// Ids of all brokers, running or not.
    pub fn ids(&self) -> Vec<BrokerId> {
        self.nodes.keys().copied().collect()
    }

    /// Everything brokers told so far.
    pub fn events(&self) -> &[(Instant, BrokerId, ClusterEvent)] {
        &self.events
    }

    /// A broker's storage, to look into or to break.
    pub fn storage_mut(&mut self, id: BrokerId) -> Option<&mut MemoryStorage> {
        self.nodes.get_mut(&id).map(|node| &mut node.storage)
    }

    /// Starts a broker on what its storage holds, and connects it with the running ones.
    pub fn start(&mut self, id: BrokerId) {
        let seed = self.rng.next_u64();
        let now = self.now;
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.broker.is_none()) else { return };
        node.incarnation += 1;
        let broker = Broker::new(node.config.clone(), node.storage.recovered(), seed, now);
        node.broker = Some(broker);
        self.drain(id);
        let others: Vec<BrokerId> = self.running().filter(|other| *other != id).collect();
        for other in others {
            self.open_link(id, other);
        }
    }

    /// Ends a broker at once: what was not committed to its storage is gone. Its peers' connections close.
    pub fn crash(&mut self, id: BrokerId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.broker = None;
        node.wake_at = None;
        let others: Vec<BrokerId> = self.running().collect();
        for other in others {
            self.close_link(other, id);
        }
        let lost: Vec<ClientConn> =
            self.lines.iter().filter(|(_, line)| line.broker == id).map(|(conn, _)| *conn).collect();
        for conn in lost {
            self.lines.remove(&conn);
            self.deliver(Stream::Client { conn, up: false }, Happening::ToClient(ToClient::Closed(conn)));
        }
    }

    /// Asks a broker for a controlled shutdown; it stops when it says so.
    pub fn stop(&mut self, id: BrokerId) {
        self.give(id, Input::ShutDown);
    }

    /// Cuts or heals the link from one broker to another, one way. What is sent over a cut link is lost, as on a
    /// network that drops packets: nobody is told.
    pub fn set_cut(&mut self, from: BrokerId, to: BrokerId, cut: bool) {
        if cut {
            self.cuts.insert((from, to));
        } else {
            self.cuts.remove(&(from, to));
        }
    }

    /// Opens a client's connection; `ToClient::Opened` or `Closed` follows.
    pub fn connect(&mut self, broker: BrokerId) -> ClientConn {
        self.next_line += 1;
        let conn = ClientConn(self.next_line);
        let up = self.nodes.get(&broker).filter(|node| node.broker.is_some()).map(|node| node.incarnation);
        let outcome = match up {
            Some(incarnation) => {
                self.lines.insert(conn, Line { broker, incarnation });
                let input = Input::Opened(Conn::Client(conn.0));
                let stream = Stream::Client { conn, up: true };
                self.deliver(stream, Happening::ToBroker { id: broker, incarnation, input });
                ToClient::Opened(conn)
            }
            None => ToClient::Closed(conn),
        };
        self.deliver(Stream::Client { conn, up: false }, Happening::ToClient(outcome));
        conn
    }

    /// Sends a client's bytes.
    pub fn send(&mut self, conn: ClientConn, bytes: Bytes) {
        let input = Input::Frame { from: Conn::Client(conn.0), bytes };
        self.up(conn, input);
    }

    /// Closes a client's connection.
    pub fn disconnect(&mut self, conn: ClientConn) {
        self.up(conn, Input::Closed(Conn::Client(conn.0)));
        self.lines.remove(&conn);
    }

    fn up(&mut self, conn: ClientConn, input: Input) {
        let Some(line) = self.lines.get(&conn) else { return };
        let happening = Happening::ToBroker { id: line.broker, incarnation: line.incarnation, input };
        self.deliver(Stream::Client { conn, up: true }, happening);
    }

    /// The next thing for the clients, if one has arrived.
    pub fn pop_inbox(&mut self) -> Option<ToClient> {
        self.inbox.pop_front()
    }

    /// Takes one step: the earliest happening. False when it would be later than `until`; then time is `until`.
    pub fn step(&mut self, until: Instant) -> bool {
        let Some((&(at, _), _)) = self.queue.first_key_value() else {
            self.now = self.now.max(until);
            return false;
        };
        if at > until {
            self.now = self.now.max(until);
            return false;
        }
        let Some((_, happening)) = self.queue.pop_first() else { return false };
        self.now = at;
        match happening {
            Happening::ToBroker { id, incarnation, input } if self.is_current(id, incarnation) => {
                self.give(id, input);
            }
            Happening::Io { id, incarnation, io, op } if self.is_current(id, incarnation) => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    let result = node.storage.execute(op);
                    self.give(id, Input::Completed { io, result });
                }
            }
            Happening::Wake { id, incarnation } if self.is_current(id, incarnation) => {
                if self.nodes.get(&id).and_then(|node| node.wake_at) == Some(at) {
                    self.give(id, Input::Tick);
                }
            }
            Happening::ToClient(what) => {
                if let ToClient::Closed(conn) = &what {
                    self.lines.remove(conn);
                }
                self.inbox.push_back(what);
            }
            // For an incarnation that is gone.
            Happening::ToBroker { .. } | Happening::Io { .. } | Happening::Wake { .. } => {}
        }
        true
    }

    /// Steps until `condition` holds; panics with the last events when it does not within `limit` of virtual time.
    pub fn run_until(&mut self, limit: Duration, what: &str, mut condition: impl FnMut(&World) -> bool) {
        let until = self.now + limit;
        while !condition(self) {
            if !self.step(until) {
                let tail: Vec<String> =
                    self.events.iter().rev().take(30).map(|event| format!("{event:?}")).collect();
                panic!("not within {limit:?}: {what}\nlast events, newest first:\n{}", tail.join("\n"));
            }
        }
    }

    /// Steps for `duration` of virtual time.
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step(until) {}
    }

    fn running(&self) -> impl Iterator<Item = BrokerId> {
        self.nodes.iter().filter(|(_, node)| node.broker.is_some()).map(|(id, _)| *id)
    }

    fn is_current(&self, id: BrokerId, incarnation: u64) -> bool {
        self.nodes.get(&id).is_some_and(|node| node.broker.is_some() && node.incarnation == incarnation)
    }

    fn open_link(&mut self, a: BrokerId, b: BrokerId) {
        for (end, other) in [(a, b), (b, a)] {
            for lane in Lane::ALL {
                for outbound in [false, true] {
                    self.give(end, Input::Opened(Conn::Peer { broker: other, lane, outbound }));
                }
            }
        }
    }

    fn close_link(&mut self, end: BrokerId, gone: BrokerId) {
        for lane in Lane::ALL {
            for outbound in [false, true] {
                self.give(end, Input::Closed(Conn::Peer { broker: gone, lane, outbound }));
            }
        }
    }

    fn give(&mut self, id: BrokerId, input: Input) {
        let now = self.now;
        let Some(broker) = self.nodes.get_mut(&id).and_then(|node| node.broker.as_mut()) else { return };
        broker.handle(now, input);
        self.drain(id);
    }

    fn drain(&mut self, id: BrokerId) {
        loop {
            let Some(node) = self.nodes.get_mut(&id) else { return };
            let incarnation = node.incarnation;
            let Some(broker) = node.broker.as_mut() else { return };
            match broker.poll_output() {
                Output::Send { to: Conn::Client(number), bytes } => {
                    let conn = ClientConn(number);
                    let what = Happening::ToClient(ToClient::Bytes(conn, bytes));
                    self.deliver(Stream::Client { conn, up: false }, what);
                }
                Output::Send { to: Conn::Peer { broker: to, lane, outbound }, bytes } => {
                    if !self.cuts.contains(&(id, to)) {
                        let from = Conn::Peer { broker: id, lane, outbound: !outbound };
                        let input = Input::Frame { from, bytes };
                        let Some(peer) = self.nodes.get(&to) else { continue };
                        let what = Happening::ToBroker { id: to, incarnation: peer.incarnation, input };
                        self.deliver(Stream::Peer { from: id, to, lane, request: outbound }, what);
                    }
                }
                Output::Close(Conn::Client(number)) => {
                    let conn = ClientConn(number);
                    let what = Happening::ToClient(ToClient::Closed(conn));
                    self.deliver(Stream::Client { conn, up: false }, what);
                }
                Output::Close(conn @ Conn::Peer { .. }) => panic!("{id} closed {conn:?}"),
                Output::Submit { io, op } => {
                    self.deliver(Stream::Storage(id), Happening::Io { id, incarnation, io, op });
                }
                Output::Event(ClusterEvent::ReadyToStop) => {
                    self.events.push((self.now, id, ClusterEvent::ReadyToStop));
                    self.crash(id);
                    return;
                }
                Output::Event(event) => self.events.push((self.now, id, event)),
                Output::Wait(deadline) => {
                    node.wake_at = deadline.map(|at| at.max(self.now));
                    if let Some(at) = node.wake_at {
                        self.push(at, Happening::Wake { id, incarnation });
                    }
                    return;
                }
            }
        }
    }

    /// Queues a happening after a random delay, in order within its stream.
    fn deliver(&mut self, stream: Stream, happening: Happening) {
        let max = match stream {
            Stream::Storage(_) => self.latencies.storage_max,
            Stream::Peer { .. } | Stream::Client { .. } => self.latencies.network_max,
        };
        let delay = Duration::from_millis(self.rng.below(max.as_millis() as u64 + 1));
        let end = self.stream_ends.entry(stream).or_default();
        *end = (*end).max(self.now + delay);
        let at = *end;
        self.push(at, happening);
    }

    fn push(&mut self, at: Instant, happening: Happening) {
        self.next_sequence += 1;
        self.queue.insert((at, self.next_sequence), happening);
    }
}
