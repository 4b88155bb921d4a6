//! One seed, one event queue, virtual time: a whole cluster of real brokers, with the network and the storage between
//! them simulated. The same calls in the same order give the same trace.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::broker::{Broker, Conn, Input, Output};
use crate::config::BrokerConfig;
use crate::effects::Lane;
use crate::event::ClusterEvent;
use crate::log::io::{IoId, IoOp};
use crate::rng::Rng;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, Uuid};

use super::node::{ArmedCrash, Node};
use super::queue::Queue;
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
        /// For a frame of a peer: which life of the link it was sent in. A later one never sees it.
        link: Option<(BrokerId, u64)>,
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

struct Line {
    broker: BrokerId,
    incarnation: u64,
    /// Something sent on it was lost: nothing more gets through, and it closes when the network is whole again.
    broken: bool,
}

/// All lanes between two brokers.
#[derive(Debug, Default)]
struct Link {
    /// Another number each time it opens.
    life: u64,
    open: bool,
    /// It can't be opened for the time being.
    down: bool,
    /// Added to each delivery, at most.
    slower: Duration,
}

/// A cluster with its clients' connections.
pub struct World {
    now: Instant,
    rng: Rng,
    latencies: Latencies,
    queue: Queue<Happening>,
    nodes: BTreeMap<BrokerId, Node>,
    /// Directed links that are cut.
    cuts: BTreeSet<(BrokerId, BrokerId)>,
    /// The same, until all of them heal together.
    splits: BTreeSet<(BrokerId, BrokerId)>,
    /// By the pair, lower id first.
    links: BTreeMap<(BrokerId, BrokerId), Link>,
    /// Brokers that clients can't reach.
    hidden: BTreeSet<BrokerId>,
    /// The last delivery per stream: a connection and a storage keep their order.
    stream_ends: BTreeMap<u64, Instant>,
    lines: BTreeMap<ClientConn, Line>,
    next_line: u64,
    inbox: VecDeque<ToClient>,
    events: Vec<(Instant, BrokerId, ClusterEvent)>,
    keeps_frequent: bool,
    /// Brokers whose state may have changed and `next_touched` has not given.
    touched: Vec<BrokerId>,
    /// Brokers that go on after a pause, and have not been given yet all that came meanwhile.
    resuming: VecDeque<BrokerId>,
    steps: u64,
    digest: u64,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Peer { from: BrokerId, to: BrokerId, lane: Lane, request: bool },
    Client { conn: ClientConn, up: bool },
    Storage(BrokerId),
}

impl Stream {
    /// Another for each: a search by it is quick.
    fn number(self) -> u64 {
        let of = |id: BrokerId| u64::from(id.0.unsigned_abs());
        match self {
            Stream::Peer { from, to, lane, request } => {
                of(from) << 36 | of(to) << 4 | (lane as u64) << 1 | u64::from(request)
            }
            Stream::Storage(id) => 1 << 62 | of(id),
            Stream::Client { conn, up } => 1 << 63 | conn.0 << 1 | u64::from(up),
        }
    }
}

impl World {
    /// A cluster of these brokers, all started at time `now`.
    pub fn new(seed: u64, now: Instant, configs: Vec<BrokerConfig>, latencies: Latencies) -> Self {
        let mut world = World {
            now,
            rng: Rng::new(seed),
            latencies,
            queue: Queue::default(),
            nodes: BTreeMap::new(),
            cuts: BTreeSet::new(),
            splits: BTreeSet::new(),
            links: BTreeMap::new(),
            hidden: BTreeSet::new(),
            stream_ends: BTreeMap::new(),
            lines: BTreeMap::new(),
            next_line: 0,
            inbox: VecDeque::new(),
            events: Vec::new(),
            keeps_frequent: true,
            touched: Vec::new(),
            resuming: VecDeque::new(),
            steps: 0,
            digest: 0,
        };
        let ids: Vec<BrokerId> = configs.iter().map(|config| config.node_id).collect();
        for config in configs {
            world.nodes.insert(config.node_id, Node::new(config));
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

    /// Counts a broker's lives.
    pub fn incarnation(&self, id: BrokerId) -> u64 {
        self.nodes.get(&id).map_or(0, |node| node.incarnation)
    }

    /// A broker whose state may have changed since it was given last; the lowest id first.
    pub fn next_touched(&mut self) -> Option<BrokerId> {
        let (at, _) = self.touched.iter().enumerate().min_by_key(|(_, id)| **id)?;
        Some(self.touched.swap_remove(at))
    }

    /// Happenings so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// A number that stands for all happenings so far, in their order: when, to whom, and the bytes of each frame.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// A broker's storage, to look into.
    pub fn storage(&self, id: BrokerId) -> Option<&MemoryStorage> {
        self.nodes.get(&id).map(|node| &node.storage)
    }

    /// Everything brokers told so far.
    pub fn events(&self) -> &[(Instant, BrokerId, ClusterEvent)] {
        &self.events
    }

    /// From now on `events` leaves out the frequent ones: most of a long run's memory.
    pub fn forget_frequent_events(&mut self) {
        self.keeps_frequent = false;
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
        node.start(seed, now);
        self.touch(id);
        self.drain(id);
        let others: Vec<BrokerId> = self.running().filter(|other| *other != id).collect();
        for other in others {
            self.open_link(id, other);
        }
    }

    /// A new broker joins, with empty storage.
    pub fn join(&mut self, config: BrokerConfig) {
        let id = config.node_id;
        self.nodes.entry(id).or_insert_with(|| Node::new(config));
        self.start(id);
    }

    /// A broker is no more, nor is its storage.
    pub fn retire(&mut self, id: BrokerId) {
        self.crash(id);
        self.nodes.remove(&id);
    }

    /// Ends a broker at once: what was not committed to its storage is gone. Its peers' connections close.
    pub fn crash(&mut self, id: BrokerId) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.broker.is_some()) else { return };
        node.end();
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

    /// Ends a broker while storage works for it: of the operations under way some are committed, unknown to it, and one
    /// may be torn, as `rng` decides.
    pub fn crash_midway(&mut self, id: BrokerId, mut rng: Rng) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.broker.is_some()) else { return };
        let incarnation = node.incarnation;
        let theirs = |happening: &Happening| matches!(happening, Happening::Io { id: of, incarnation: life, .. } if *of == id && *life == incarnation);
        let pending = self.queue.take_all(theirs);
        let done = rng.below(pending.len() as u64 + 1) as usize;
        for (at, happening) in pending.into_iter().enumerate() {
            let Happening::Io { op, .. } = happening else { continue };
            if at < done {
                node.storage.execute(op);
            } else if at == done && rng.below(2) == 0 {
                node.storage.tear(op, &mut rng);
            }
        }
        self.crash(id);
    }

    /// The same as `crash_midway`, when so many more storage operations have completed.
    pub fn crash_after_ios(&mut self, id: BrokerId, ios: u64, seed: u64) {
        if let Some(node) = self.nodes.get_mut(&id).filter(|node| node.broker.is_some()) {
            node.crash = Some(ArmedCrash { ios_left: ios.max(1), seed });
        }
    }

    /// Calls off a `crash_after_ios` that has not come yet.
    pub fn disarm(&mut self, id: BrokerId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.crash = None;
        }
    }

    /// Ends a broker together with its machine: what its storage had committed and not flushed may be gone, too.
    pub fn lose_power(&mut self, id: BrokerId, mut rng: Rng) {
        if self.nodes.get(&id).is_some_and(|node| node.broker.is_some()) {
            self.crash(id);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.storage.lose_power(&mut rng);
            }
        }
    }

    /// Ends a broker together with its storage: what starts in its place has the same id and an empty one.
    pub fn lose_storage(&mut self, id: BrokerId) {
        if self.nodes.get(&id).is_some_and(|node| node.broker.is_some()) {
            self.crash(id);
            if let Some(node) = self.nodes.get_mut(&id) {
                node.lose_storage();
            }
        }
    }

    /// The storage that a voter votes with, lost or not: that of this directory, or any while it has not said which.
    pub fn voter_storage(&self, id: BrokerId, directory: Uuid) -> Option<&MemoryStorage> {
        let node = self.nodes.get(&id)?;
        let mut all = std::iter::once(&node.storage).chain(&node.lost);
        all.find(|storage| directory.is_nil() || storage.quorum_state().directory == directory)
    }

    /// Nothing reaches a broker until `resume`; nobody is told. Its storage works on.
    pub fn pause(&mut self, id: BrokerId) {
        let now = self.now;
        if let Some(node) = self.nodes.get_mut(&id).filter(|node| node.broker.is_some()) {
            node.paused_at.get_or_insert(node.clock.read(now));
        }
    }

    /// How long a broker has been paused, by its own clock.
    pub fn paused_for(&self, id: BrokerId) -> Option<Duration> {
        let node = self.nodes.get(&id)?;
        Some(node.clock.read(self.now).since(node.paused_at?))
    }

    /// A paused broker goes on, and finds all that has come meanwhile, step by step.
    pub fn resume(&mut self, id: BrokerId) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.paused_at.is_some()) else { return };
        node.paused_at = None;
        node.held.push_back(Input::Tick);
        self.resuming.push_back(id);
    }

    /// Gives a broker that goes on the next thing that came while it was paused. False when there is none.
    fn give_held(&mut self) -> bool {
        while let Some(id) = self.resuming.front().copied() {
            let node =
                self.nodes.get_mut(&id).filter(|node| node.broker.is_some() && node.paused_at.is_none());
            if let Some(input) = node.and_then(|node| node.held.pop_front()) {
                self.steps += 1;
                self.act(id, input);
                return true;
            }
            self.resuming.pop_front();
        }
        false
    }

    /// A broker's clock stands still until `start_clock`.
    pub fn stop_clock(&mut self, id: BrokerId) {
        let now = self.now;
        self.change_clock(id, |clock| clock.stop(now));
    }

    /// A broker's clock goes on from where it stood.
    pub fn start_clock(&mut self, id: BrokerId) {
        let now = self.now;
        self.change_clock(id, |clock| clock.go_on(now));
    }

    /// A broker's clock jumps ahead.
    pub fn jump_clock(&mut self, id: BrokerId, by: Duration) {
        self.change_clock(id, |clock| clock.jump(by));
    }

    fn change_clock(&mut self, id: BrokerId, change: impl FnOnce(&mut super::node::Clock)) {
        if let Some(node) = self.nodes.get_mut(&id) {
            change(&mut node.clock);
            self.give(id, Input::Tick);
        }
    }

    /// A broker's storage operations take up to this much longer from now on.
    pub fn slow_storage(&mut self, id: BrokerId, by: Duration) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.storage_slower = by;
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

    /// Cuts the link between two brokers in both directions, until `heal_splits`, whatever else cuts and heals it.
    pub fn split(&mut self, a: BrokerId, b: BrokerId) {
        self.splits.extend([(a, b), (b, a)]);
    }

    /// Ends all splits.
    pub fn heal_splits(&mut self) {
        self.splits.clear();
    }

    /// The link between two brokers closes, and can't be opened again until it is up: both ends are told, what was on
    /// its way is lost.
    pub fn set_link_down(&mut self, a: BrokerId, b: BrokerId, down: bool) {
        let link = self.links.entry((a.min(b), a.max(b))).or_default();
        link.down = down;
        match down {
            true => {
                self.close_link(a, b);
                self.close_link(b, a);
            }
            false => self.open_link(a, b),
        }
    }

    /// What two brokers send each other takes up to this much longer from now on.
    pub fn slow_link(&mut self, a: BrokerId, b: BrokerId, by: Duration) {
        self.links.entry((a.min(b), a.max(b))).or_default().slower = by;
    }

    /// Clients can't reach a broker, nor it them, until it is shown again: then the connections that lost something
    /// close.
    pub fn hide_from_clients(&mut self, id: BrokerId, hide: bool) {
        if hide {
            self.hidden.insert(id);
        } else if self.hidden.remove(&id) {
            self.close_lines(id, |line| line.broken);
        }
    }

    /// All clients' connections to a broker close, at both ends.
    pub fn drop_clients(&mut self, id: BrokerId) {
        self.close_lines(id, |_| true);
    }

    fn close_lines(&mut self, id: BrokerId, which: impl Fn(&Line) -> bool) {
        let lines = self.lines.iter().filter(|(_, line)| line.broker == id && which(line));
        let lines: Vec<ClientConn> = lines.map(|(conn, _)| *conn).collect();
        for conn in lines {
            self.lines.remove(&conn);
            self.deliver(Stream::Client { conn, up: false }, Happening::ToClient(ToClient::Closed(conn)));
            self.give(id, Input::Closed(Conn::Client(conn.0)));
        }
    }

    /// Opens a client's connection; `ToClient::Opened` or `Closed` follows.
    pub fn connect(&mut self, broker: BrokerId) -> ClientConn {
        self.next_line += 1;
        let conn = ClientConn(self.next_line);
        let up = self.nodes.get(&broker).filter(|node| node.broker.is_some()).map(|node| node.incarnation);
        let outcome = match up {
            Some(incarnation) if self.hidden.contains(&broker) => {
                self.lines.insert(conn, Line { broker, incarnation, broken: true });
                return conn;
            }
            Some(incarnation) => {
                self.lines.insert(conn, Line { broker, incarnation, broken: false });
                let input = Input::Opened(Conn::Client(conn.0));
                let stream = Stream::Client { conn, up: true };
                self.deliver(stream, Happening::ToBroker { id: broker, incarnation, link: None, input });
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
        let Some(line) = self.lines.get_mut(&conn) else { return };
        line.broken |= self.hidden.contains(&line.broker);
        if line.broken {
            return;
        }
        let happening =
            Happening::ToBroker { id: line.broker, incarnation: line.incarnation, link: None, input };
        self.deliver(Stream::Client { conn, up: true }, happening);
    }

    /// The next thing for the clients, if one has arrived.
    pub fn pop_inbox(&mut self) -> Option<ToClient> {
        self.inbox.pop_front()
    }

    /// Takes one step: the earliest happening. False when it would be later than `until`; then time is `until`.
    pub fn step(&mut self, until: Instant) -> bool {
        if self.give_held() {
            return true;
        }
        let Some((at, happening)) = self.queue.pop(until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = at;
        self.steps += 1;
        self.digest = digest(self.digest, at, &happening);
        match happening {
            Happening::ToBroker { id, incarnation, link, input } if self.is_current(id, incarnation) => {
                if link.is_none_or(|(peer, life)| self.life_of(id, peer) == Some(life)) {
                    self.give(id, input);
                }
            }
            Happening::Io { id, incarnation, io, op } if self.is_current(id, incarnation) => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    let result = node.storage.execute(op);
                    match node.io_completed() {
                        Some(rng) => self.crash_midway(id, rng),
                        None => self.give(id, Input::Completed { io, result }),
                    }
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

    /// The life of an open link.
    fn life_of(&self, a: BrokerId, b: BrokerId) -> Option<u64> {
        self.links.get(&(a.min(b), a.max(b))).filter(|link| link.open).map(|link| link.life)
    }

    fn open_link(&mut self, a: BrokerId, b: BrokerId) {
        let up = |id: &BrokerId| self.nodes.get(id).is_some_and(|node| node.broker.is_some());
        let both = up(&a) && up(&b);
        let link = self.links.entry((a.min(b), a.max(b))).or_default();
        if link.open || link.down || !both {
            return;
        }
        link.open = true;
        link.life += 1;
        for (end, other) in [(a, b), (b, a)] {
            for lane in Lane::ALL {
                for outbound in [false, true] {
                    self.give(end, Input::Opened(Conn::Peer { broker: other, lane, outbound }));
                }
            }
        }
    }

    /// Tells one end that its link is gone.
    fn close_link(&mut self, end: BrokerId, gone: BrokerId) {
        self.links.entry((end.min(gone), end.max(gone))).or_default().open = false;
        for lane in Lane::ALL {
            for outbound in [false, true] {
                self.give(end, Input::Closed(Conn::Peer { broker: gone, lane, outbound }));
            }
        }
    }

    fn give(&mut self, id: BrokerId, input: Input) {
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.broker.is_some()) else { return };
        if node.paused_at.is_some() || !node.held.is_empty() {
            // A tick says no more than that time has passed; it gets one when it goes on.
            if input != Input::Tick {
                node.held.push_back(input);
            }
            return;
        }
        self.act(id, input);
    }

    fn act(&mut self, id: BrokerId, input: Input) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let Some(broker) = node.broker.as_mut() else { return };
        broker.handle(node.clock.read(self.now), input);
        self.touch(id);
        self.drain(id);
    }

    fn touch(&mut self, id: BrokerId) {
        if !self.touched.contains(&id) {
            self.touched.push(id);
        }
    }

    fn drain(&mut self, id: BrokerId) {
        loop {
            let Some(node) = self.nodes.get_mut(&id) else { return };
            let incarnation = node.incarnation;
            let Some(broker) = node.broker.as_mut() else { return };
            match broker.poll_output() {
                Output::Send { to: Conn::Client(number), bytes } => {
                    let conn = ClientConn(number);
                    let hidden = self.hidden.contains(&id);
                    let Some(line) = self.lines.get_mut(&conn) else { continue };
                    line.broken |= hidden;
                    if !line.broken {
                        let what = Happening::ToClient(ToClient::Bytes(conn, bytes));
                        self.deliver(Stream::Client { conn, up: false }, what);
                    }
                }
                Output::Send { to: Conn::Peer { broker: to, lane, outbound }, bytes } => {
                    // Working through what came while it was paused, it may not have come to the end of this connection yet.
                    let ended = node.held.contains(&Input::Closed(Conn::Peer { broker: to, lane, outbound }));
                    if !ended
                        && !self.cuts.contains(&(id, to))
                        && !self.splits.contains(&(id, to))
                        && let Some(life) = self.life_of(id, to)
                    {
                        let from = Conn::Peer { broker: id, lane, outbound: !outbound };
                        let input = Input::Frame { from, bytes };
                        let Some(peer) = self.nodes.get(&to) else { continue };
                        let (incarnation, link) = (peer.incarnation, Some((id, life)));
                        let what = Happening::ToBroker { id: to, incarnation, link, input };
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
                Output::Event(event) => {
                    if self.keeps_frequent || !event.is_frequent() {
                        self.events.push((self.now, id, event));
                    }
                }
                Output::Wait(deadline) => {
                    node.wake_at = deadline.and_then(|at| node.clock.shows_at(self.now, at));
                    if let Some(at) = node.wake_at {
                        self.queue.push(at, Happening::Wake { id, incarnation });
                    }
                    return;
                }
            }
        }
    }

    /// Queues a happening after a random delay, in order within its stream.
    fn deliver(&mut self, stream: Stream, happening: Happening) {
        let max = match stream {
            Stream::Storage(id) => {
                self.latencies.storage_max + self.nodes.get(&id).map_or(Duration::ZERO, |n| n.storage_slower)
            }
            Stream::Peer { from, to, .. } => {
                let link = self.links.get(&(from.min(to), from.max(to)));
                self.latencies.network_max + link.map_or(Duration::ZERO, |link| link.slower)
            }
            Stream::Client { .. } => self.latencies.network_max,
        };
        let delay = Duration::from_millis(self.rng.below(max.as_millis() as u64 + 1));
        let end = self.stream_ends.entry(stream.number()).or_default();
        *end = (*end).max(self.now + delay);
        let at = *end;
        self.queue.push(at, happening);
    }
}

/// Folds one more happening into a digest.
fn digest(before: u64, at: Instant, happening: &Happening) -> u64 {
    let (kind, whom, bytes) = match happening {
        Happening::ToBroker { id, input: Input::Frame { bytes, .. }, .. } => (1, id.0 as u64, Some(bytes)),
        Happening::ToBroker { id, .. } => (2, id.0 as u64, None),
        Happening::Io { id, .. } => (3, id.0 as u64, None),
        Happening::Wake { id, .. } => (4, id.0 as u64, None),
        Happening::ToClient(ToClient::Bytes(conn, bytes)) => (5, conn.0, Some(bytes)),
        Happening::ToClient(ToClient::Opened(conn)) => (6, conn.0, None),
        Happening::ToClient(ToClient::Closed(conn)) => (7, conn.0, None),
    };
    let bytes = bytes.map_or(0, |bytes| u64::from(crc32c::crc32c(bytes)));
    // FNV's multiplier: any odd number that mixes would do.
    [at.0, kind, whom, bytes]
        .into_iter()
        .fold(before, |digest, part| (digest ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23))
}
