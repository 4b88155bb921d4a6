//! The broker: one plain state machine made of the parts below it. Inputs in, outputs out; time and the seed are
//! arguments. See `handle` and `poll_output`.
//!
//! A turn: one input goes to the part it is for; then `settle` carries what each part left in `Effects` to where it
//! belongs, until nothing is left. Parts never call each other.

mod api_versions;
mod connections;
mod control;
mod describe;
mod describe_topic_partitions;
mod dispatch;
mod errors;
mod forward;
mod groups;
mod lifecycle;
mod metadata;
mod metrics;
mod pause;
mod producer_ids;
mod replay;

use std::collections::VecDeque;

use bytes::Bytes;

pub use connections::Conn;
pub use metrics::{Gauges, Meters, MetricsReport, RequestStats};

use crate::config::BrokerConfig;
use crate::controller::{Changes, Controller, MetadataImage};
use crate::coordinator::GroupCoordinator;
use crate::effects::{Effects, Lane, PeerError, PeerResult, Reply, ReplyToken, RequestId};
use crate::event::ClusterEvent;
use crate::log::Opened;
use crate::log::io::{IoId, IoOp, IoResult};
use crate::protocol::supported_versions;
use crate::quorum::{QUORUM_STATE_KEY, Quorum};
use crate::replica::ReplicaManager;
use crate::rng::Rng;
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Instant, earliest};
use crate::types::{BrokerId, Offset, TopicId, TopicName};

use connections::{ConnOutput, Connections, Place};
use control::ControlPlane;
use forward::Forwarder;
use groups::Groups;
use lifecycle::{CLEAN_SHUTDOWN_KEY, Lifecycle};
use metrics::Metrics;
use producer_ids::ProducerIds;

/// What a host tells its broker. One input is exactly one mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Bytes of a connection: from a client in any chunking, from a peer one whole frame.
    Frame {
        /// Where they came in.
        from: Conn,
        /// The bytes.
        bytes: Bytes,
    },
    /// A connection is there.
    Opened(Conn),
    /// A connection is gone.
    Closed(Conn),
    /// A storage operation ended.
    Completed {
        /// Which.
        io: IoId,
        /// How.
        result: IoResult,
    },
    /// Stop in good order: leadership moves first, then `ClusterEvent::ReadyToStop`.
    ShutDown,
    /// Time has passed.
    Tick,
}

/// What a broker asks of its host.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send bytes: whole frames.
    Send {
        /// Over which connection.
        to: Conn,
        /// The bytes.
        bytes: Bytes,
    },
    /// Close a connection; no `Closed` follows.
    Close(Conn),
    /// Do this in storage and answer with `Completed`.
    Submit {
        /// Its name.
        io: IoId,
        /// What to do.
        op: IoOp,
    },
    /// Tell the page.
    Event(ClusterEvent),
    /// Nothing more; hand in `Tick` at this time at the latest.
    Wait(Option<Instant>),
}

/// Who waits for the answer to a request.
#[derive(Debug, Clone)]
enum Origin {
    /// A connection.
    Conn(Place),
    /// The forwarded request in the envelope of `outer`.
    Envelope { outer: ReplyToken, version: i16, correlation_id: i32 },
    /// This broker itself, as a peer of its own.
    Loopback { lane: Lane, id: RequestId },
    /// Nobody: a topic is created because a client asked for it.
    Creating(TopicName),
}

/// Whose storage operation it was.
#[derive(Debug, Clone, Copy)]
enum IoOwner {
    Quorum,
    Replicas,
}

/// One broker of a cluster, in combined mode: broker and, if it is one of the voters, controller.
pub struct Broker {
    config: BrokerConfig,
    fx: Effects,
    outputs: VecDeque<Output>,
    connections: Connections,
    origins: SortedMap<ReplyToken, Origin>,
    next_token: u64,
    io_owners: SortedMap<IoId, IoOwner>,
    /// Requests and answers of this broker to itself.
    loopback: VecDeque<(Lane, RequestId, PeerResult)>,
    quorum: Quorum,
    /// The committed metadata, as replayed.
    image: MetadataImage,
    /// The next offset of the metadata log to replay.
    replayed: Offset,
    /// What replay changed and this broker has not acted on.
    unapplied: Changes,
    /// True once this incarnation's registration is replayed.
    caught_up: bool,
    control: ControlPlane,
    replicas: ReplicaManager,
    groups: Groups,
    lifecycle: Lifecycle,
    forwarder: Forwarder,
    producer_ids: ProducerIds,
    metrics: Metrics,
    /// Who the parts were told is the controller.
    known_controller: Option<BrokerId>,
    /// Topics being created on the way.
    creating: SortedSet<TopicName>,
    /// Set when controlled shutdown is done.
    stopped: bool,
    /// The write of it, under way.
    stopping_io: Option<IoId>,
    /// When this broker asked to be woken, at the latest.
    wake_at: Option<Instant>,
}

impl Broker {
    /// A broker on what its storage holds. `seed` gives its random numbers.
    pub fn new(config: BrokerConfig, found: impl Into<Opened>, seed: u64, now: Instant) -> Self {
        let mut recovered: Opened = found.into();
        let mut rng = Rng::new(seed);
        let mut fx = Effects::default();
        let clean_shutdown = recovered.meta.remove(CLEAN_SHUTDOWN_KEY);
        let quorum = Quorum::open(&config, &mut recovered, Rng::new(rng.next_u64()), now, &mut fx);
        let replicas = ReplicaManager::new(&config, recovered, Rng::new(rng.next_u64()), now, &mut fx);
        let mut broker = Self {
            connections: Connections::new(config.socket_request_max_bytes() as usize),
            control: ControlPlane::new(Controller::new(&config, Rng::new(rng.next_u64()))),
            groups: Groups::new(GroupCoordinator::new(&config, Rng::new(rng.next_u64()))),
            lifecycle: Lifecycle::new(rng, now, clean_shutdown),
            config,
            fx,
            outputs: VecDeque::new(),
            origins: SortedMap::new(),
            next_token: 0,
            io_owners: SortedMap::new(),
            loopback: VecDeque::new(),
            quorum,
            image: MetadataImage::default(),
            replayed: Offset::ZERO,
            unapplied: Changes::default(),
            caught_up: false,
            replicas,
            forwarder: Forwarder::default(),
            producer_ids: ProducerIds::default(),
            metrics: Metrics::default(),
            known_controller: None,
            creating: SortedSet::new(),
            stopped: false,
            stopping_io: None,
            wake_at: None,
        };
        broker.settle(now);
        broker
    }

    /// Takes one input. Never panics on what came from outside; a broken invariant of our own does.
    pub fn handle(&mut self, now: Instant, input: Input) {
        if let Input::Frame { .. } = &input {
            self.metrics.frame_in();
        }
        self.notice_pause(now);
        match input {
            Input::Frame { from: Conn::Peer { broker, lane, outbound: true }, bytes } => {
                if let Some((id, result)) = self.connections.response(broker, lane, bytes) {
                    self.peer_answered(now, broker, lane, id, result);
                }
            }
            Input::Frame { from, bytes } => {
                for (place, request) in self.connections.received(from, bytes) {
                    let token = self.token(Origin::Conn(place));
                    self.metrics.request(now, token, request.key);
                    self.serve(now, token, from, request);
                }
            }
            Input::Opened(conn) => self.connections.opened(conn),
            Input::Closed(conn) => {
                let unanswered = self.connections.closed(conn);
                if let Conn::Peer { broker, lane, .. } = conn {
                    for id in unanswered {
                        self.peer_answered(now, broker, lane, id, Err(PeerError::Disconnected));
                    }
                }
            }
            Input::Completed { io, result } => match self.io_owners.remove(&io) {
                Some(_) if self.stopping_io == Some(io) => self.fx.event(ClusterEvent::ReadyToStop),
                Some(IoOwner::Quorum) => self.quorum.handle_io(now, io, result, &mut self.fx),
                Some(IoOwner::Replicas) => self.replicas.handle_io(now, io, result, &mut self.fx),
                None => panic!("storage completed {io:?}, which was not under way"),
            },
            Input::ShutDown => self.lifecycle.shut_down(now),
            Input::Tick => {}
        }
        self.settle(now);
    }

    /// What the broker wants, one thing a call, until `Wait`.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            self.wake_at = self.next_deadline();
            Output::Wait(self.wake_at)
        })
    }

    /// The metadata this broker has replayed.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// How much of the metadata log is in the image: the offset of the next record.
    pub fn replayed(&self) -> Offset {
        self.replayed
    }

    /// The quorum as this node knows it.
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// This broker's replicas.
    pub fn replicas(&self) -> &ReplicaManager {
        &self.replicas
    }

    /// True once the controller has let this broker lead partitions.
    pub fn is_running(&self) -> bool {
        self.lifecycle.is_running()
    }

    fn token(&mut self, origin: Origin) -> ReplyToken {
        self.next_token += 1;
        let token = ReplyToken(self.next_token);
        self.origins.insert(token, origin);
        token
    }

    /// Everything whose time has come, then everything that follows, until the broker is at rest.
    fn settle(&mut self, now: Instant) {
        for (broker, lane, id) in self.connections.expire(now) {
            self.peer_answered(now, broker, lane, id, Err(PeerError::TimedOut));
        }
        self.quorum.tick(now, &mut self.fx);
        self.replicas.tick(now, &mut self.fx);
        self.groups.tick(now, &mut self.fx);
        loop {
            self.follow_quorum(now);
            self.tick_controller(now);
            self.replay_committed(now);
            self.end_recheck(now);
            self.drive_groups(now);
            let controller = self.quorum.leader();
            if self.known_controller != controller {
                self.known_controller = controller;
                self.replicas.set_controller(now, controller, &mut self.fx);
                self.lifecycle.controller_changed(now);
            }
            if self.replicas.take_steps_aside() {
                self.lifecycle.register_anew(now);
            }
            let epoch = self.lifecycle.broker_epoch();
            self.lifecycle.tick(now, &self.config, controller, self.replayed, &mut self.fx);
            self.forwarder.tick(now, controller, &mut self.fx);
            self.producer_ids.tick(now, &self.config, controller, epoch, &mut self.fx);
            if self.lifecycle.has_stopped() && !self.stopped {
                self.stopped = true;
                self.replicas.shut_down(&mut self.fx);
                self.quorum.resign(now, &mut self.fx);
                // After all that was written before: what it says is true then.
                let value = self.lifecycle.clean_shutdown().unwrap_or_default();
                let op = IoOp::WriteMeta { key: CLEAN_SHUTDOWN_KEY.to_owned(), value, flush: true };
                self.stopping_io = Some(self.fx.submit(op));
            }
            if !self.carry_out(now) {
                break;
            }
        }
    }

    /// Carries out what the parts asked for. True if anything came back to a part.
    fn carry_out(&mut self, now: Instant) -> bool {
        let mut came_back = false;
        while let Some((token, reply)) = self.fx.replies.pop_front() {
            self.answer(now, token, reply);
        }
        while let Some((io, op)) = self.fx.ios.pop_front() {
            let owner = match &op {
                IoOp::WriteMeta { key, .. } if key == QUORUM_STATE_KEY => IoOwner::Quorum,
                op if op.log().is_some_and(|log| log.topic_id == TopicId::METADATA) => IoOwner::Quorum,
                _ => IoOwner::Replicas,
            };
            self.io_owners.insert(io, owner);
            self.outputs.push_back(Output::Submit { io, op });
        }
        while let Some(request) = self.fx.requests.pop_front() {
            let (to, lane, id) = (request.to, request.lane, request.id);
            if to == self.config.node_id {
                came_back = true;
                let token = self.token(Origin::Loopback { lane, id });
                let version = supported_versions(request.body.key()).map_or(0, |(_, max)| max);
                self.serve_peer(now, token, version, request.body);
            } else if let Err(error) = self.connections.send(now, request) {
                came_back = true;
                self.peer_answered(now, to, lane, id, Err(error));
            }
        }
        while let Some((lane, id, result)) = self.loopback.pop_front() {
            came_back = true;
            self.peer_answered(now, self.config.node_id, lane, id, result);
        }
        while let Some(output) = self.connections.pop_output() {
            self.outputs.push_back(match output {
                ConnOutput::Send(to, bytes) => {
                    self.metrics.frame_out();
                    Output::Send { to, bytes }
                }
                ConnOutput::Close(conn) => Output::Close(conn),
            });
        }
        while let Some(reason) = self.connections.pop_refusal() {
            self.outputs.push_back(Output::Event(ClusterEvent::ConnectionRefused { reason }));
        }
        while let Some(event) = self.fx.events.pop_front() {
            self.outputs.push_back(Output::Event(event));
        }
        came_back || !self.fx.is_empty()
    }

    /// Brings a reply to who waits for it.
    fn answer(&mut self, now: Instant, token: ReplyToken, reply: Reply) {
        self.metrics.answered(now, token);
        if let (Reply::Response(response), Some(Origin::Conn(place))) = (&reply, self.origins.get(&token)) {
            self.metrics.served(response, matches!(place.conn, Conn::Client(_)));
        }
        match self.origins.remove(&token) {
            Some(Origin::Conn(place)) => self.connections.reply(place, reply),
            Some(Origin::Envelope { outer, version, correlation_id }) => {
                let reply = forward::wrap(reply, version, correlation_id);
                self.answer(now, outer, reply);
            }
            Some(Origin::Loopback { lane, id }) => {
                let result = match reply {
                    Reply::Response(response) => Ok(response),
                    Reply::None | Reply::Close(_) => Err(PeerError::Disconnected),
                };
                self.loopback.push_back((lane, id, result));
            }
            Some(Origin::Creating(topic)) => {
                self.creating.remove(&topic);
            }
            None => {}
        }
    }

    /// Brings a peer's answer to the part that asked.
    fn peer_answered(&mut self, now: Instant, from: BrokerId, lane: Lane, id: RequestId, result: PeerResult) {
        let fx = &mut self.fx;
        match lane {
            Lane::Quorum | Lane::QuorumFetch => self.quorum.handle_response(now, id, from, result, fx),
            Lane::ReplicaFetch => {
                if let Ok(response) = &result {
                    self.metrics.replicated(response);
                }
                self.replicas.handle_response(now, id, from, result, fx);
            }
            Lane::Forward => self.forwarder.on_response(now, id, result, fx),
            Lane::Control => {
                let taken = self.lifecycle.on_response(now, &self.config, id, &result, fx)
                    || self.producer_ids.on_response(now, id, &result, fx);
                if !taken {
                    self.replicas.handle_response(now, id, from, result, fx);
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        [
            self.connections.next_deadline(),
            self.quorum.next_deadline(),
            self.control.next_deadline(),
            self.replicas.next_deadline(),
            self.groups.next_deadline(),
            self.lifecycle.next_deadline(),
            self.forwarder.next_deadline(),
            self.producer_ids.next_deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }
}
