//! Connections and cluster metadata of one client: bootstrap from any broker, learn the rest, negotiate versions, match
//! responses to requests, and give up what takes too long. Every request ends: with a response, or with a `NetError`.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::mutation::{Mutation, mutated};
use crate::protocol::frame::{FRAME_BYTES_MAX_DEFAULT, FrameReader};
use crate::protocol::messages::metadata_request::MetadataRequestTopic;
use crate::protocol::messages::{
    self, ApiVersionsRequest, MetadataRequest, MetadataResponse, ProduceResponse,
};
use crate::protocol::{
    ApiKey, ErrorCode, Request, Response, StrBytes, decode_response, encode_request, supported_versions,
};
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, TopicName, Uuid};

use super::{CallId, ClientInput};

/// Between two attempts at something that failed.
pub const RETRY: Duration = Duration::from_millis(50);
/// Metadata is asked for again after this long, so that new partitions and brokers are noticed.
const METADATA_AGE_MAX: Duration = Duration::from_secs(10);
/// Something is missing in what the cluster said; who needs it at once asks sooner.
const INCOMPLETE_RETRY: Duration = Duration::from_millis(500);
/// A broker that could not be reached, or hung up, is passed over for this long when another one will do.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(500);
/// So many questions of a series come `RETRY` after each other: a leader is elected within a second or two, and a longer pause
/// then is part of what a failover takes.
const QUICK_QUESTIONS: u32 = 28;
/// A pause this long in asking for metadata begins a new series.
const SERIES_GAP: Duration = Duration::from_secs(1);
/// Responses may be larger than requests: a fetch brings many batches.
const RESPONSE_BYTES_MAX: usize = 8 * FRAME_BYTES_MAX_DEFAULT;

/// Names one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// What a connection is for: responses keep the order of requests, so what may wait long has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Metadata and admin calls.
    Meta,
    /// Produce: an answer may wait for replicas.
    Produce,
    /// Fetches.
    Fetch,
    /// The group's protocol: a join may wait for a whole rebalance.
    Join,
    /// Heartbeats and commits.
    Group,
}

/// Names one request of the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// Why there is no response. Unless it was not sent, the request may have taken effect all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetError {
    /// No connection: the request was not sent.
    Unreachable,
    /// The connection closed while waiting.
    Disconnected,
    /// No answer in time.
    TimedOut,
    /// The broker does not serve this API in a version that this client speaks.
    Unsupported(ApiKey),
    /// The answer could not be read.
    Undecodable,
}

/// What the host is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetOutput {
    /// Open a connection; `opened` or `closed` follows.
    Connect {
        /// Its name.
        conn: ConnId,
        /// To this host.
        host: String,
        /// And port.
        port: u16,
    },
    /// Close a connection; nothing follows.
    Disconnect(ConnId),
    /// Send these bytes.
    Send {
        /// Over which connection.
        conn: ConnId,
        /// The bytes.
        bytes: Bytes,
    },
}

/// One partition, as the cluster says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMeta {
    /// The error of the partition, LEADER_NOT_AVAILABLE for one.
    pub error: Option<ErrorCode>,
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The epoch of that; none where the broker does not say.
    pub leader_epoch: Option<i32>,
    /// Replicas.
    pub replicas: Vec<BrokerId>,
    /// The in-sync replicas.
    pub isr: Vec<BrokerId>,
}

/// One topic, as the cluster says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicMeta {
    /// The error of the topic.
    pub error: Option<ErrorCode>,
    /// Its id; nil where the broker does not say.
    pub id: Uuid,
    /// Made by the cluster for itself.
    pub internal: bool,
    /// By number.
    pub partitions: SortedMap<i32, PartitionMeta>,
}

#[derive(Debug)]
struct Connection {
    place: (String, u16, Lane),
    reader: FrameReader,
    /// None until ApiVersions is answered.
    versions: Option<SortedMap<i16, (i16, i16)>>,
    /// Waiting for the connection to be ready.
    queued: VecDeque<Queued>,
    in_flight: VecDeque<InFlight>,
    ready_by: Instant,
}

#[derive(Debug)]
struct Queued {
    tag: Tag,
    body: Request,
    version_max: i16,
    deadline: Instant,
}

#[derive(Debug)]
struct InFlight {
    tag: Option<Tag>,
    correlation_id: i32,
    key: ApiKey,
    version: i16,
    deadline: Instant,
}

/// See the module's head.
#[derive(Debug)]
pub struct Net {
    client_id: String,
    bootstrap: Vec<(String, u16)>,
    request_timeout: Duration,
    next_conn: u64,
    next_tag: u64,
    next_correlation_id: i32,
    /// Which place to ask next when any broker will do.
    next_any: usize,
    /// Places that were lost, and until when they are passed over then.
    lost: SortedMap<(String, u16), Instant>,
    connections: SortedMap<ConnId, Connection>,
    brokers: SortedMap<BrokerId, (String, u16)>,
    controller: Option<BrokerId>,
    topics: SortedMap<TopicName, TopicMeta>,
    wanted: SortedSet<TopicName>,
    allow_create: bool,
    refresh_at: Option<Instant>,
    refreshing: Option<Tag>,
    /// When metadata was last asked for, and how often in short succession.
    asked_at: Instant,
    series: u32,
    closed: bool,
    outputs: VecDeque<NetOutput>,
    results: VecDeque<(Tag, Result<Response, NetError>)>,
}

impl Net {
    /// Knows nothing but where to begin.
    pub fn new(client_id: String, bootstrap: Vec<(String, u16)>, request_timeout: Duration) -> Self {
        Self {
            client_id,
            bootstrap,
            request_timeout,
            next_conn: 0,
            next_tag: 0,
            next_correlation_id: 0,
            next_any: 0,
            lost: SortedMap::new(),
            connections: SortedMap::new(),
            brokers: SortedMap::new(),
            controller: None,
            topics: SortedMap::new(),
            wanted: SortedSet::new(),
            allow_create: true,
            refresh_at: None,
            refreshing: None,
            asked_at: Instant::default(),
            series: 0,
            closed: false,
            outputs: VecDeque::new(),
            results: VecDeque::new(),
        }
    }

    /// Topics whose metadata is kept.
    pub fn want_topic(&mut self, now: Instant, topic: &TopicName) {
        if self.wanted.insert(topic.clone()) || !self.topics.contains_key(topic) {
            self.refresh(now);
        }
    }

    /// Topics that do not exist are not created by asking for them.
    pub fn forbid_creation(&mut self) {
        self.allow_create = false;
    }

    /// Keeps no metadata of a topic any more.
    pub fn forget_topic(&mut self, topic: &TopicName) {
        self.wanted.remove(topic);
        self.topics.remove(topic);
    }

    /// Asks for metadata now, unless that is under way. Late in a series of questions each waits a little longer.
    pub fn refresh(&mut self, now: Instant) {
        if self.refreshing.is_none() && !self.closed {
            let at = now.max(self.asked_at + self.pause());
            self.refresh_at = earliest(self.refresh_at, Some(at));
        }
    }

    /// Asks for metadata a little later: what was just learnt was not enough.
    pub fn refresh_soon(&mut self, now: Instant) {
        if self.refreshing.is_none() && !self.closed {
            let at = (now + RETRY).max(self.asked_at + self.pause());
            self.refresh_at = earliest(self.refresh_at, Some(at));
        }
    }

    fn pause(&self) -> Duration {
        match self.series {
            0 => Duration::ZERO,
            series => RETRY * (1 + series.saturating_sub(QUICK_QUESTIONS) / 4).min(10),
        }
    }

    /// What is known of a topic.
    pub fn topic(&self, topic: &TopicName) -> Option<&TopicMeta> {
        self.topics.get(topic)
    }

    /// A partition's leader, if it is known where to find it.
    pub fn leader(&self, topic: &TopicName, partition: i32) -> Option<BrokerId> {
        let leader = self.topics.get(topic)?.partitions.get(&partition)?.leader?;
        self.brokers.contains_key(&leader).then_some(leader)
    }

    /// The epoch of the partition's leader; -1 where it is not known. A leader that was deposed does not answer who names a
    /// later epoch (KIP-320): what it has may be less than what was read already.
    pub fn leader_epoch(&self, topic: &TopicName, partition: i32) -> i32 {
        let meta = self.topics.get(topic).and_then(|topic| topic.partitions.get(&partition));
        let meta = meta.filter(|_| !mutated(Mutation::FetchWithoutLeaderEpoch));
        meta.and_then(|meta| meta.leader_epoch).unwrap_or(-1)
    }

    /// Somebody has read of a leader epoch: an earlier leader, which we may have been told of, may not have what was read
    /// (KIP-320). Until the cluster tells of a leader that late, there is none.
    pub fn leader_epoch_is(&mut self, now: Instant, (topic, partition): &(TopicName, i32), epoch: i32) {
        let meta = self.topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(partition));
        if let Some(meta) = meta.filter(|meta| meta.leader_epoch.is_some_and(|known| known < epoch)) {
            meta.leader = None;
            meta.leader_epoch = Some(epoch);
            self.refresh(now);
        }
    }

    /// What the cluster says is wrong with a partition.
    pub fn partition_error(&self, topic: &TopicName, partition: i32) -> Option<ErrorCode> {
        self.topics.get(topic)?.partitions.get(&partition)?.error
    }

    /// True while a broker can be talked to.
    pub fn is_connected(&self) -> bool {
        self.connections.values().any(|connection| connection.versions.is_some())
    }

    /// Who takes controller requests.
    pub fn controller(&self) -> Option<BrokerId> {
        self.controller.filter(|id| self.brokers.contains_key(id))
    }

    /// The brokers there are.
    pub fn brokers(&self) -> &SortedMap<BrokerId, (String, u16)> {
        &self.brokers
    }

    /// A broker that another answer named (a coordinator).
    pub fn learn_broker(&mut self, id: BrokerId, host: String, port: u16) {
        self.brokers.insert(id, (host, port));
    }

    /// Sends a request to a broker; its result comes from `pop_result`.
    pub fn send(
        &mut self,
        now: Instant,
        to: BrokerId,
        lane: Lane,
        body: Request,
        version_max: i16,
        timeout: Duration,
    ) -> Tag {
        let place = self.brokers.get(&to).cloned();
        self.send_to_place(now, place, lane, body, version_max, timeout)
    }

    /// Sends a request to some broker, another one each time; those that were just lost are asked last.
    pub fn send_to_any(&mut self, now: Instant, body: Request, version_max: i16, timeout: Duration) -> Tag {
        let known: Vec<(String, u16)> = match self.brokers.is_empty() {
            true => self.bootstrap.clone(),
            false => self.brokers.values().chain(&self.bootstrap).cloned().collect(),
        };
        self.lost.retain(|_, until| *until > now);
        let count = known.len().max(1);
        let mut in_turn = (0..count).map(|ahead| (self.next_any + ahead) % count);
        let reachable = |at: &usize| known.get(*at).is_some_and(|place| !self.lost.contains_key(place));
        let at = in_turn.find(reachable).unwrap_or(self.next_any % count);
        self.next_any = at + 1;
        self.send_to_place(now, known.get(at).cloned(), Lane::Meta, body, version_max, timeout)
    }

    fn send_to_place(
        &mut self,
        now: Instant,
        place: Option<(String, u16)>,
        lane: Lane,
        body: Request,
        version_max: i16,
        timeout: Duration,
    ) -> Tag {
        self.next_tag += 1;
        let tag = Tag(self.next_tag);
        let Some((host, port)) = place.filter(|_| !self.closed) else {
            self.results.push_back((tag, Err(NetError::Unreachable)));
            return tag;
        };
        let place = (host, port, lane);
        let open = self.connections.iter().find(|(_, connection)| connection.place == place);
        let conn = match open.map(|(conn, _)| *conn) {
            Some(conn) => conn,
            None => self.open(now, place),
        };
        let queued = Queued { tag, body, version_max, deadline: now + timeout };
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.queued.push_back(queued);
        }
        self.flush(conn);
        tag
    }

    fn open(&mut self, now: Instant, place: (String, u16, Lane)) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        let (host, port, _) = place.clone();
        self.outputs.push_back(NetOutput::Connect { conn, host, port });
        let connection = Connection {
            place,
            reader: FrameReader::new(RESPONSE_BYTES_MAX),
            versions: None,
            queued: VecDeque::new(),
            in_flight: VecDeque::new(),
            ready_by: now + self.request_timeout,
        };
        self.connections.insert(conn, connection);
        conn
    }

    /// Takes an input, if it is for the network; a call is given back.
    pub fn take<C>(&mut self, now: Instant, input: ClientInput<C>) -> Option<(CallId, C)> {
        match input {
            ClientInput::Call(id, call) => return Some((id, call)),
            ClientInput::Opened(conn) => self.opened(now, conn),
            ClientInput::Closed(conn) => self.closed(now, conn),
            ClientInput::Bytes(conn, bytes) => self.received(now, conn, bytes),
            ClientInput::Tick => {}
        }
        None
    }

    /// The host opened a connection: ask what its broker serves. Version 0, which every broker knows.
    pub fn opened(&mut self, now: Instant, conn: ConnId) {
        if let Some(connection) = self.connections.get(&conn) {
            let (host, port, _) = connection.place.clone();
            self.lost.remove(&(host, port));
        }
        let deadline = now + self.request_timeout;
        self.write(conn, None, &ApiVersionsRequest::default().into(), 0, deadline);
    }

    /// The host lost a connection, or could not open it.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        self.lose(now, conn);
        self.fail(conn, &NetError::Disconnected);
        self.refresh_soon(now);
    }

    fn lose(&mut self, now: Instant, conn: ConnId) {
        if let Some(connection) = self.connections.get(&conn) {
            let (host, port, _) = connection.place.clone();
            self.lost.insert((host, port), now + UNREACHABLE_PAUSE);
        }
    }

    fn fail(&mut self, conn: ConnId, error: &NetError) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        let sent = connection.in_flight.into_iter().filter_map(|flight| flight.tag);
        self.results.extend(sent.map(|tag| (tag, Err(error.clone()))));
        let unsent = connection.queued.into_iter().map(|queued| queued.tag);
        self.results.extend(unsent.map(|tag| (tag, Err(NetError::Unreachable))));
    }

    /// Bytes arrived.
    pub fn received(&mut self, now: Instant, conn: ConnId, bytes: Bytes) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.reader.push(bytes);
        }
        while let Some(connection) = self.connections.get_mut(&conn) {
            match connection.reader.next() {
                None => return,
                Some(Ok(frame)) => self.response(now, conn, frame),
                Some(Err(_)) => self.drop_connection(conn, &NetError::Undecodable),
            }
        }
    }

    fn response(&mut self, now: Instant, conn: ConnId, frame: Bytes) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let expected = connection.in_flight.pop_front();
        let Some(flight) = expected else { return self.drop_connection(conn, &NetError::Undecodable) };
        let response = match decode_response(flight.key, flight.version, frame) {
            Ok((id, response)) if id == flight.correlation_id => response,
            // Out of step: nothing that follows can be trusted.
            _ => {
                self.results.extend(flight.tag.map(|tag| (tag, Err(NetError::Undecodable))));
                return self.drop_connection(conn, &NetError::Undecodable);
            }
        };
        match (flight.tag, response) {
            (None, Response::ApiVersions(body)) => {
                let ranges =
                    body.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
                connection.versions = Some(ranges.collect());
                self.flush(conn);
            }
            (None, _) => {}
            (Some(tag), Response::Metadata(body)) if self.refreshing == Some(tag) => {
                self.refreshing = None;
                self.learn(now, body);
            }
            (Some(tag), response) => self.results.push_back((tag, Ok(response))),
        }
    }

    fn drop_connection(&mut self, conn: ConnId, error: &NetError) {
        self.outputs.push_back(NetOutput::Disconnect(conn));
        self.fail(conn, error);
    }

    /// Sends what waits, once versions are known.
    fn flush(&mut self, conn: ConnId) {
        while let Some(connection) = self.connections.get_mut(&conn) {
            let Some(versions) = &connection.versions else { return };
            let Some(queued) = connection.queued.pop_front() else { return };
            let key = queued.body.key();
            let theirs = versions.get(&(key as i16)).copied();
            let common = theirs.zip(supported_versions(key)).and_then(|((low, high), (min, max))| {
                let best = high.min(max).min(queued.version_max);
                (best >= low.max(min)).then_some(best)
            });
            let Some(version) = common else {
                self.results.push_back((queued.tag, Err(NetError::Unsupported(key))));
                continue;
            };
            self.write(conn, Some(queued.tag), &queued.body, version, queued.deadline);
        }
    }

    fn write(&mut self, conn: ConnId, tag: Option<Tag>, body: &Request, version: i16, deadline: Instant) {
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let correlation_id = self.next_correlation_id;
        let unanswered = matches!(body, Request::Produce(produce) if produce.acks == 0);
        match encode_request(version, correlation_id, Some(&self.client_id), body) {
            Ok(bytes) => {
                if let Some(connection) = self.connections.get_mut(&conn) {
                    self.outputs.push_back(NetOutput::Send { conn, bytes });
                    if unanswered {
                        // With the host: nobody will ever know more.
                        let nothing = ProduceResponse::default().into();
                        self.results.extend(tag.map(|tag| (tag, Ok(nothing))));
                    } else {
                        let key = body.key();
                        let flight = InFlight { tag, correlation_id, key, version, deadline };
                        connection.in_flight.push_back(flight);
                    }
                }
            }
            Err(_) => self.results.extend(tag.map(|tag| (tag, Err(NetError::Unsupported(body.key()))))),
        }
    }

    fn learn(&mut self, now: Instant, body: MetadataResponse) {
        self.brokers = body
            .brokers
            .iter()
            .map(|broker| (BrokerId(broker.node_id.0), (broker.host.to_string(), broker.port as u16)))
            .collect();
        self.controller = (body.controller_id.0 >= 0).then_some(BrokerId(body.controller_id.0));
        for topic in body.topics {
            let Some(name) = topic.name.as_ref().map(|name| TopicName::from(name.as_str())) else { continue };
            let ids = |ids: &[messages::BrokerId]| ids.iter().map(|id| BrokerId(id.0)).collect();
            let partitions = topic.partitions.iter().map(|partition| {
                let meta = PartitionMeta {
                    error: ErrorCode::try_from_code(partition.error_code),
                    leader: (partition.leader_id.0 >= 0).then_some(BrokerId(partition.leader_id.0)),
                    leader_epoch: (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
                    replicas: ids(&partition.replica_nodes),
                    isr: ids(&partition.isr_nodes),
                };
                (partition.partition_index, meta)
            });
            // A broker that is behind may tell of an earlier leader: the later one counts (KIP-320).
            let known = self.topics.get(&name).filter(|known| known.id == topic.topic_id);
            let latest = |(partition, meta): (i32, PartitionMeta)| {
                let known = known.and_then(|known| known.partitions.get(&partition));
                let later = known.filter(|known| known.leader_epoch > meta.leader_epoch);
                (partition, later.cloned().unwrap_or(meta))
            };
            let partitions = partitions.map(latest);
            let meta = TopicMeta {
                error: ErrorCode::try_from_code(topic.error_code),
                id: topic.topic_id,
                internal: topic.is_internal,
                partitions: partitions.collect(),
            };
            self.topics.insert(name, meta);
        }
        let incomplete = |name: &TopicName| {
            self.topics.get(name).is_none_or(|topic| {
                topic.error.is_some_and(|error| error.is_retriable())
                    || topic.partitions.values().any(|partition| partition.leader.is_none())
            })
        };
        let age = match self.wanted.iter().any(incomplete) || self.brokers.is_empty() {
            true => INCOMPLETE_RETRY,
            false => METADATA_AGE_MAX,
        };
        self.refresh_at = earliest(self.refresh_at, Some(now + age));
    }

    /// Gives up what is late; asks for metadata when it is time.
    pub fn tick(&mut self, now: Instant) {
        let late = |connection: &Connection| {
            connection.in_flight.iter().any(|flight| flight.deadline <= now)
                || (connection.versions.is_none() && connection.ready_by <= now)
        };
        let late: Vec<ConnId> = self
            .connections
            .iter()
            .filter(|(_, connection)| late(connection))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in late {
            // A connection that answers late would answer all that follows late.
            self.lose(now, conn);
            self.drop_connection(conn, &NetError::TimedOut);
            self.refresh_soon(now);
        }
        for connection in self.connections.values_mut() {
            let (waiting, late) =
                connection.queued.drain(..).partition::<Vec<_>, _>(|queued| queued.deadline > now);
            connection.queued.extend(waiting);
            self.results.extend(late.into_iter().map(|queued| (queued.tag, Err(NetError::Unreachable))));
        }
        if self.refresh_at.is_some_and(|at| at <= now) && self.refreshing.is_none() {
            self.refresh_at = None;
            self.series = if now.since(self.asked_at) < SERIES_GAP { self.series + 1 } else { 0 };
            self.asked_at = now;
            let topics = self.wanted.iter().map(|topic| {
                let name = messages::TopicName(StrBytes::from_string(topic.to_string()));
                MetadataRequestTopic::default().with_name(Some(name))
            });
            let body = MetadataRequest::default()
                .with_topics(Some(topics.collect()))
                .with_allow_auto_topic_creation(self.allow_create);
            let timeout = self.request_timeout.min(Duration::from_secs(2));
            let tag = self.send_to_any(now, body.into(), 12, timeout);
            self.refreshing = Some(tag);
        }
    }

    /// When `tick` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.has_results() {
            return Some(Instant::default());
        }
        let connections = self.connections.values().fold(None, |next, connection| {
            let flight = connection.in_flight.iter().map(|flight| flight.deadline).min();
            let queued = connection.queued.iter().map(|queued| queued.deadline).min();
            let ready = connection.versions.is_none().then_some(connection.ready_by);
            earliest(next, earliest(flight, earliest(queued, ready)))
        });
        earliest(connections, self.refresh_at.filter(|_| self.refreshing.is_none()))
    }

    /// The end of a request.
    pub fn pop_result(&mut self, now: Instant) -> Option<(Tag, Result<Response, NetError>)> {
        let (tag, result) = self.results.pop_front()?;
        if self.refreshing == Some(tag) {
            self.refreshing = None;
            self.refresh_soon(now);
            return self.pop_result(now);
        }
        Some((tag, result))
    }

    /// True when `pop_result` has one.
    pub fn has_results(&self) -> bool {
        !self.results.is_empty()
    }

    /// What the host is to do.
    pub fn pop_output(&mut self) -> Option<NetOutput> {
        self.outputs.pop_front()
    }

    /// Closes all connections.
    pub fn close(&mut self) {
        let conns: Vec<ConnId> = self.connections.keys().copied().collect();
        for conn in conns {
            self.drop_connection(conn, &NetError::Disconnected);
        }
        self.refresh_at = None;
        self.refreshing = None;
        self.closed = true;
    }
}
