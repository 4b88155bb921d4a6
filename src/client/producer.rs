//! The producer: records to batches, batches to leaders, and each `send` answered when all its records are acked.
//!
//! One batch of a partition is in flight at a time; what comes meanwhile gathers in the next. So order needs no
//! renumbering on retries, and a busy partition batches by itself. Idempotent (KIP-98): a batch keeps its sequence number
//! through every retry and leader change, so a retry makes no duplicate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::mutation::{Mutation, mutated};
use crate::protocol::batch::sequence_after;
use crate::protocol::frame::FRAME_BYTES_MAX_DEFAULT;
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::protocol::messages::{InitProducerIdRequest, ProduceRequest, ProduceResponse};
use crate::protocol::records::{BatchBuilder, BatchOptions, RecordHeader};
use crate::protocol::{ErrorCode, Response};
use crate::rng::Rng;
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, Compression, ProducerEpoch, ProducerId, TopicName};

use super::net::{Lane, Net, RETRY, Tag};
use super::partitioner::{Partitioner, Spread, partition_of_key};
use super::{
    CallId, Client, ClientError, ClientInput, ClientOptions, ClientOutput, FailureKind, NetError, Outbox,
    not_before, wire_topic,
};

/// Topics are named up to this version of Produce; later ones use ids.
const PRODUCE_VERSION_MAX: i16 = 12;
/// One request carries at most this many bytes of batches (or one batch, if that is larger).
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// Kafka's `retry.backoff.ms`. A leader is elected within a second or two: who waits longer between attempts makes that more.
const RETRY_MAX: Duration = Duration::from_millis(100);
/// No broker takes a larger request: it closes the connection instead.
const RECORD_BYTES_MAX: usize = FRAME_BYTES_MAX_DEFAULT - 64 * 1024;

/// A length or a delta, as records have them.
const VARINT_BYTES_MAX: usize = 5;
/// A record's attributes, the delta of its time, and the five other numbers it has.
const RECORD_OVERHEAD_MAX: usize = 1 + 10 + 5 * VARINT_BYTES_MAX;

/// How a producer behaves.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// What every client needs.
    pub client: ClientOptions,
    /// A retry makes no duplicate; for acks=all.
    pub idempotent: bool,
    /// Where records without a partition go.
    pub partitioner: Partitioner,
    /// A batch waits this long for company.
    pub linger: Duration,
    /// A batch is closed at this size, in bytes.
    pub batch_bytes: usize,
    /// Records not yet acked, at most, in bytes; a call beyond waits for room.
    pub buffer_bytes: usize,
    /// From `send` to its answer, at most.
    pub delivery_timeout: Duration,
}

/// One record to produce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerRecord {
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Headers.
    pub headers: Vec<RecordHeader>,
    /// The partition, if not left to the partitioner.
    pub partition: Option<i32>,
    /// Ms since the Unix epoch; the time of the call otherwise.
    pub timestamp: Option<i64>,
}

/// What a producer can be asked.
#[derive(Debug, Clone)]
pub enum ProducerCall {
    /// Produce.
    Send {
        /// Records by topic, in order.
        topics: Vec<(TopicName, Vec<ProducerRecord>)>,
        /// -1 all, 1, or 0.
        acks: i16,
        /// How batches are compressed.
        compression: Compression,
        /// The call's own deadline, if shorter than the delivery timeout.
        timeout: Option<Duration>,
    },
    /// How many partitions a topic has.
    PartitionCount(TopicName),
    /// Answered when all that was sent is; then the connections close.
    Close,
}

/// Where records of a call went: one per partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendResult {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The offset of the call's first record there; none without an ack, or for a duplicate the broker has forgotten.
    pub base_offset: Option<i64>,
    /// The broker's time, where the topic uses it.
    pub log_append_time: Option<i64>,
}

/// What a producer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProducerReply {
    /// All records are acked.
    Sent(Vec<SendResult>),
    /// So many partitions.
    Partitions(i32),
    /// All done.
    Closed,
}

#[derive(Debug)]
struct SendCall {
    acks: i16,
    compression: Compression,
    deadline: Instant,
    called_at: Instant,
    /// Not in a batch yet.
    unplaced: VecDeque<(TopicName, VecDeque<ProducerRecord>)>,
    /// Batches that have records of this call.
    open_parts: usize,
    results: BTreeMap<(TopicName, i32), SendResult>,
    error: Option<ClientError>,
}

#[derive(Debug)]
struct Batch {
    builder: BatchBuilder,
    acks: i16,
    compression: Compression,
    /// Calls, each with the place of its first record in this batch.
    parts: Vec<(CallId, i64)>,
    created_at: Instant,
    deadline: Instant,
    producer: Option<(ProducerId, ProducerEpoch, i32)>,
    attempts: u32,
    /// An attempt's outcome is not known: it may be in the log.
    unknown: bool,
    /// The broker takes this sequence number no more.
    refused: bool,
    last_error: Option<ErrorCode>,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Batch>,
    /// The request that carries the front batch.
    in_flight: Option<Tag>,
    retry_at: Option<Instant>,
    /// Who was asked last.
    asked: Option<BrokerId>,
    next_sequence: i32,
}

type Place = (TopicName, i32);

/// How an attempt ended that is to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    NotSent,
    /// It may have been made.
    Unknown,
    Failed(ErrorCode),
}

/// See the module's head.
pub struct Producer {
    options: ProducerOptions,
    now: Instant,
    net: Net,
    rng: Rng,
    out: Outbox<ProducerReply, ()>,
    sends: BTreeMap<CallId, SendCall>,
    /// Calls with unplaced records, in order.
    waiting: VecDeque<CallId>,
    counts: BTreeMap<CallId, (TopicName, Instant)>,
    closing: Option<CallId>,
    closed: bool,
    spreads: BTreeMap<TopicName, Spread>,
    queues: BTreeMap<Place, Queue>,
    buffered: usize,
    requests: BTreeMap<Tag, Vec<Place>>,
    identity: Option<(ProducerId, ProducerEpoch)>,
    init: Option<Tag>,
    init_at: Instant,
    /// The identity can't be used for new sequence numbers any more.
    reset: bool,
}

impl Client for Producer {
    type Call = ProducerCall;
    type Reply = ProducerReply;
    type Event = ();

    fn take(&mut self, now: Instant, input: ClientInput<ProducerCall>) {
        self.now = now;
        if let Some((id, call)) = self.net.take(now, input) {
            self.call(now, id, call);
        }
    }

    fn turn(&mut self, now: Instant) {
        self.net.tick(now);
        loop {
            while let Some((tag, result)) = self.net.pop_result(now) {
                self.on_result(now, tag, result);
            }
            self.expire(now);
            self.place_waiting(now);
            self.renew_identity(now);
            self.dispatch(now);
            // What needs no ack is done as soon as it is sent: there may be more behind it, or room again.
            if !self.net.has_results() {
                break;
            }
        }
        self.answer_counts(now);
        if self.closing.is_some() && self.sends.is_empty() {
            let call = self.closing.take();
            self.closed = true;
            self.net.close();
            self.out.replies.extend(call.map(|id| (id, Ok(ProducerReply::Closed))));
        }
    }

    fn poll_output(&mut self) -> ClientOutput<ProducerReply, ()> {
        self.out
            .pop(&mut self.net)
            .unwrap_or_else(|| ClientOutput::Wait(not_before(self.now, self.next_deadline())))
    }
}

impl Producer {
    /// A producer; `seed` gives its random numbers.
    pub fn new(options: ProducerOptions, seed: u64) -> Self {
        let client = options.client.clone();
        Self {
            net: Net::new(client.client_id, client.bootstrap, client.request_timeout),
            options,
            now: Instant::default(),
            rng: Rng::new(seed),
            out: Outbox::default(),
            sends: BTreeMap::new(),
            waiting: VecDeque::new(),
            counts: BTreeMap::new(),
            closing: None,
            closed: false,
            spreads: BTreeMap::new(),
            queues: BTreeMap::new(),
            buffered: 0,
            requests: BTreeMap::new(),
            identity: None,
            init: None,
            init_at: Instant::default(),
            reset: false,
        }
    }

    fn call(&mut self, now: Instant, id: CallId, call: ProducerCall) {
        if self.closed || self.closing.is_some() {
            let error = ClientError::new(FailureKind::Closed, "The producer is closed.");
            return self.out.reply(id, Err(error));
        }
        match call {
            ProducerCall::Send { acks, .. } if !(-1..=1).contains(&acks) => {
                let error = ClientError::new(FailureKind::Invalid, format!("acks: {acks} is not -1, 0 or 1"));
                self.out.reply(id, Err(error));
            }
            ProducerCall::Send { topics, acks, compression, timeout } => {
                let timeout =
                    timeout.unwrap_or(self.options.delivery_timeout).min(self.options.delivery_timeout);
                let topics = topics.into_iter().filter(|(_, records)| !records.is_empty());
                let call = SendCall {
                    acks,
                    compression,
                    deadline: now + timeout,
                    called_at: now,
                    unplaced: topics.map(|(topic, records)| (topic, records.into())).collect(),
                    open_parts: 0,
                    results: BTreeMap::new(),
                    error: None,
                };
                for (topic, _) in &call.unplaced {
                    self.net.want_topic(now, topic);
                }
                self.sends.insert(id, call);
                self.waiting.push_back(id);
                self.finish_if_done(id);
            }
            ProducerCall::PartitionCount(topic) => {
                self.net.want_topic(now, &topic);
                self.counts.insert(id, (topic, now + self.options.client.request_timeout));
            }
            ProducerCall::Close => {
                self.closing = Some(id);
                for (count, _) in std::mem::take(&mut self.counts) {
                    let error = ClientError::new(FailureKind::Closed, "The producer was closed first.");
                    self.out.reply(count, Err(error));
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let mut next = self.net.next_deadline();
        for queue in self.queues.values() {
            let Some(front) = queue.batches.front() else { continue };
            next = earliest(next, queue.batches.iter().map(|batch| batch.deadline).min());
            if queue.in_flight.is_none() {
                let ready =
                    queue.retry_at.or((!self.is_full(queue)).then(|| front.created_at + self.options.linger));
                // What is ready and still here waits for metadata or an identity, and those wake us.
                next = earliest(next, ready.filter(|at| *at > self.now));
            }
        }
        for id in &self.waiting {
            next = earliest(next, self.sends.get(id).map(|call| call.deadline));
        }
        next = earliest(next, self.counts.values().map(|(_, deadline)| *deadline).min());
        let init = self.needs_identity() && self.init.is_none();
        earliest(next, init.then_some(self.init_at).filter(|at| *at > self.now))
    }

    // --- from calls to batches ---

    fn place_waiting(&mut self, now: Instant) {
        // A later call never overtakes an earlier one to the same topic.
        let mut blocked: BTreeSet<TopicName> = BTreeSet::new();
        let mut still = VecDeque::new();
        for id in std::mem::take(&mut self.waiting) {
            if !self.place_call(now, id, &mut blocked) {
                still.push_back(id);
            }
        }
        self.waiting = still;
    }

    /// True when nothing of the call is left to place.
    fn place_call(&mut self, now: Instant, id: CallId, blocked: &mut BTreeSet<TopicName>) -> bool {
        let Some(mut call) = self.sends.remove(&id) else { return true };
        let mut left = VecDeque::new();
        while let Some((topic, mut records)) = call.unplaced.pop_front() {
            let usable = match self.net.topic(&topic) {
                Some(meta) => match meta.error {
                    Some(error) if !error.is_retriable() => {
                        call.error = Some(ClientError::protocol(error, None).at(topic.as_str(), None));
                        continue;
                    }
                    Some(_) => None,
                    None => i32::try_from(meta.partitions.len()).ok().filter(|count| *count > 0),
                },
                None => None,
            };
            if usable.is_none() {
                self.net.refresh_soon(now);
            }
            let Some(partitions) = usable.filter(|_| !blocked.contains(&topic)) else {
                blocked.insert(topic.clone());
                left.push_back((topic, records));
                continue;
            };
            while let Some(record) = records.pop_front() {
                if self.buffered >= self.options.buffer_bytes {
                    records.push_front(record);
                    break;
                }
                self.place_record(now, id, &mut call, &topic, partitions, &record);
            }
            if !records.is_empty() {
                blocked.insert(topic.clone());
                left.push_back((topic, records));
            }
        }
        call.unplaced = left;
        let placed = call.unplaced.is_empty();
        self.sends.insert(id, call);
        self.finish_if_done(id);
        placed
    }

    fn place_record(
        &mut self,
        now: Instant,
        id: CallId,
        call: &mut SendCall,
        topic: &TopicName,
        partitions: i32,
        record: &ProducerRecord,
    ) {
        let partition = match (record.partition, &record.key) {
            (Some(partition), _) if !(0..partitions).contains(&partition) => {
                let error = ClientError::protocol(ErrorCode::UnknownTopicOrPartition, None);
                call.error = Some(error.at(topic.as_str(), Some(partition)));
                return;
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, partitions),
            (None, None) => {
                let spread = self.spreads.entry(topic.clone()).or_default();
                spread.next(self.options.partitioner, partitions, &mut self.rng)
            }
        };
        let size = size_at_most(record);
        if size > RECORD_BYTES_MAX {
            let error = ClientError::protocol(ErrorCode::MessageTooLarge, None);
            call.error = Some(error.at(topic.as_str(), Some(partition)));
            return;
        }
        let queue = self.queues.entry((topic.clone(), partition)).or_default();
        let busy = usize::from(queue.in_flight.is_some());
        let fits = |batch: &Batch| {
            batch.acks == call.acks
                && batch.compression == call.compression
                && batch.attempts == 0
                // All calls of a batch end with it: none may have to end earlier.
                && batch.deadline <= call.deadline
                && batch.builder.size_in_bytes() + size <= self.options.batch_bytes
        };
        let open = queue.batches.len() > busy && queue.batches.back().is_some_and(fits);
        if !open {
            let options = BatchOptions { compression: call.compression, ..BatchOptions::default() };
            queue.batches.push_back(Batch {
                builder: BatchBuilder::new(options),
                acks: call.acks,
                compression: call.compression,
                parts: Vec::new(),
                created_at: now,
                deadline: call.deadline,
                producer: None,
                attempts: 0,
                unknown: false,
                refused: false,
                last_error: None,
            });
        }
        let Some(batch) = queue.batches.back_mut() else { return };
        if batch.parts.last().is_none_or(|(last, _)| *last != id) {
            batch.parts.push((id, batch.builder.record_count() as i64));
            call.open_parts += 1;
        }
        let before = batch.builder.size_in_bytes();
        let timestamp = record.timestamp.unwrap_or(call.called_at.as_timestamp());
        batch.builder.push(timestamp, record.key.as_deref(), record.value.as_deref(), &record.headers);
        self.buffered += batch.builder.size_in_bytes() - before;
        if batch.builder.size_in_bytes() >= self.options.batch_bytes
            && let Some(spread) = self.spreads.get_mut(topic)
        {
            spread.batch_done(partition);
        }
    }

    fn answer_counts(&mut self, now: Instant) {
        let mut answered = Vec::new();
        for (id, (topic, deadline)) in &self.counts {
            let meta = self.net.topic(topic);
            let fatal = meta.and_then(|meta| meta.error).filter(|error| !error.is_retriable());
            match (meta.map_or(0, |meta| meta.partitions.len()), fatal) {
                (_, Some(error)) => {
                    answered.push((*id, Err(ClientError::protocol(error, None).at(topic.as_str(), None))));
                }
                (0, None) if *deadline <= now => {
                    let error = ClientError::new(FailureKind::Timeout, "The topic did not appear in time.");
                    answered.push((*id, Err(error.at(topic.as_str(), None))));
                }
                (0, None) => {}
                (count, None) => answered.push((*id, Ok(ProducerReply::Partitions(count as i32)))),
            }
        }
        for (id, answer) in answered {
            self.counts.remove(&id);
            self.out.reply(id, answer);
        }
    }

    // --- from batches to requests ---

    fn needs_identity(&self) -> bool {
        self.options.idempotent
            && (self.reset || self.identity.is_none())
            && self.queues.values().flat_map(|queue| &queue.batches).any(|batch| batch.acks == -1)
    }

    /// A new producer id, once nothing is in flight under the old one, and what may be in a log under it is settled.
    fn renew_identity(&mut self, now: Instant) {
        if !self.needs_identity() || self.init.is_some() || self.init_at > now || !self.requests.is_empty() {
            return;
        }
        let mut batches = self.queues.values().flat_map(|queue| &queue.batches);
        if self.identity.is_some() && batches.any(|batch| batch.unknown && !batch.refused) {
            return;
        }
        self.identity = None;
        let body = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id(crate::protocol::messages::ProducerId(-1))
            .with_producer_epoch(-1);
        // Everything waits for it, and any other broker can answer as well.
        let timeout = self.options.client.request_timeout.min(Duration::from_secs(5));
        self.init = Some(self.net.send_to_any(now, body.into(), 4, timeout));
    }

    fn on_identity(&mut self, now: Instant, result: Result<Response, NetError>) {
        self.init = None;
        match result {
            Ok(Response::InitProducerId(body)) if body.error_code == 0 => {
                self.identity = Some((ProducerId(body.producer_id.0), ProducerEpoch(body.producer_epoch)));
                self.reset = false;
                let places: Vec<Place> = self.queues.keys().cloned().collect();
                for place in places {
                    self.restart_sequence(&place);
                }
            }
            _ => self.init_at = now + RETRY,
        }
    }

    /// Sequence numbers begin at 0 under a new id. A batch that may be in the log already can't be sent under it.
    fn restart_sequence(&mut self, place: &Place) {
        let Some(queue) = self.queues.get_mut(place) else { return };
        queue.next_sequence = 0;
        let (unknown, known) = queue.batches.drain(..).partition::<Vec<_>, _>(|batch| batch.unknown);
        queue.batches = known.into();
        for batch in &mut queue.batches {
            batch.producer = None;
            batch.refused = false;
        }
        for batch in unknown {
            let message = "The outcome is not known, and the producer had to begin anew.";
            self.batch_failed(place, batch, ClientError::new(FailureKind::Timeout, message));
        }
    }

    fn is_full(&self, queue: &Queue) -> bool {
        queue.batches.len() > 1
            || queue.batches.front().is_some_and(|b| b.builder.size_in_bytes() >= self.options.batch_bytes)
    }

    /// Sends what can go.
    fn dispatch(&mut self, now: Instant) {
        let mut ready: BTreeMap<(BrokerId, i16), Vec<Place>> = BTreeMap::new();
        for (place, queue) in &self.queues {
            let Some(front) = queue.batches.front() else { continue };
            let leader = self.net.leader(&place.0, place.1);
            // Another leader is another chance: no need to sit out what the last one cost.
            let patient = queue.retry_at.is_some_and(|at| at > now) && leader == queue.asked;
            if patient {
                self.net.refresh_soon(now);
            }
            let waits = queue.in_flight.is_some() || patient;
            let lingers = front.attempts == 0
                && !self.is_full(queue)
                && self.closing.is_none()
                && front.created_at + self.options.linger > now;
            let numbered = self.options.idempotent && front.acks == -1;
            let nameless = numbered
                && (self.identity.is_none() || self.reset && (front.producer.is_none() || front.refused));
            if waits || lingers || nameless {
                continue;
            }
            match leader {
                Some(leader) => ready.entry((leader, front.acks)).or_default().push(place.clone()),
                None => self.net.refresh_soon(now),
            }
        }
        for ((leader, acks), places) in ready {
            self.send_requests(now, leader, acks, places);
        }
    }

    fn send_requests(&mut self, now: Instant, leader: BrokerId, acks: i16, places: Vec<Place>) {
        let mut request: Vec<(Place, Bytes)> = Vec::new();
        let mut size = 0;
        let mut patience = Duration::ZERO;
        for place in places {
            let Some((bytes, deadline)) = self.seal(&place) else { continue };
            if size + bytes.len() > REQUEST_BYTES_MAX && !request.is_empty() {
                self.send_request(now, leader, acks, std::mem::take(&mut request), patience);
                size = 0;
                patience = Duration::ZERO;
            }
            size += bytes.len();
            patience = patience.max(deadline.since(now));
            request.push((place, bytes));
        }
        if !request.is_empty() {
            self.send_request(now, leader, acks, request, patience);
        }
    }

    /// The front batch's bytes, numbered for its first attempt.
    fn seal(&mut self, place: &Place) -> Option<(Bytes, Instant)> {
        let identity = self.identity.filter(|_| self.options.idempotent);
        let queue = self.queues.get_mut(place)?;
        let front = queue.batches.front_mut()?;
        if front.acks == -1
            && front.producer.is_none()
            && let Some((id, epoch)) = identity
        {
            let count = front.builder.record_count() as i32;
            front.builder.set_producer(id, epoch, queue.next_sequence);
            front.producer = Some((id, epoch, queue.next_sequence));
            queue.next_sequence = sequence_after(queue.next_sequence, count);
        }
        front.attempts += 1;
        queue.retry_at = None;
        if let Some(spread) = self.spreads.get_mut(&place.0) {
            spread.batch_done(place.1);
        }
        Some((front.builder.build(), front.deadline))
    }

    fn send_request(
        &mut self,
        now: Instant,
        leader: BrokerId,
        acks: i16,
        batches: Vec<(Place, Bytes)>,
        patience: Duration,
    ) {
        let mut topics: BTreeMap<TopicName, Vec<PartitionProduceData>> = BTreeMap::new();
        let places: Vec<Place> = batches.iter().map(|(place, _)| place.clone()).collect();
        for ((topic, partition), bytes) in batches {
            let data = PartitionProduceData::default().with_index(partition).with_records(Some(bytes));
            topics.entry(topic).or_default().push(data);
        }
        let topics = topics.into_iter().map(|(topic, data)| {
            TopicProduceData::default().with_name(wire_topic(topic.as_str())).with_partition_data(data)
        });
        let patience = patience.min(self.options.client.request_timeout);
        let body = ProduceRequest::default()
            .with_acks(acks)
            .with_timeout_ms(patience.as_millis() as i32)
            .with_topic_data(topics.collect());
        // The broker's own time limit answers first; ours is for a broker that does not answer at all.
        let timeout = patience + Duration::from_millis(500);
        let tag = self.net.send(now, leader, Lane::Produce, body.into(), PRODUCE_VERSION_MAX, timeout);
        for place in &places {
            if let Some(queue) = self.queues.get_mut(place) {
                queue.in_flight = Some(tag);
                queue.asked = Some(leader);
            }
        }
        self.requests.insert(tag, places);
    }

    // --- from answers to results ---

    fn on_result(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        if self.init == Some(tag) {
            return self.on_identity(now, result);
        }
        let Some(places) = self.requests.remove(&tag) else { return };
        for place in &places {
            if let Some(queue) = self.queues.get_mut(place).filter(|queue| queue.in_flight == Some(tag)) {
                queue.in_flight = None;
            }
        }
        match result {
            Ok(Response::Produce(body)) => self.on_produced(now, places, &body),
            Err(NetError::Unsupported(key)) => {
                for place in &places {
                    if let Some(batch) = self.pop_front(place) {
                        self.batch_failed(place, batch, ClientError::from(&NetError::Unsupported(key)));
                    }
                }
            }
            Err(NetError::Unreachable) => {
                self.net.refresh(now);
                for place in &places {
                    self.retry(now, place, Attempt::NotSent);
                }
            }
            _ => {
                self.net.refresh(now);
                for place in &places {
                    self.retry(now, place, Attempt::Unknown);
                }
            }
        }
    }

    fn on_produced(&mut self, now: Instant, places: Vec<Place>, body: &ProduceResponse) {
        for place in places {
            let topic = body.responses.iter().find(|topic| topic.name.as_str() == place.0.as_str());
            let answer = topic.and_then(|t| t.partition_responses.iter().find(|p| p.index == place.1));
            let unacked = |queue: &Queue| queue.batches.front().is_some_and(|front| front.acks == 0);
            if self.queues.get(&place).is_some_and(unacked) {
                if let Some(batch) = self.pop_front(&place) {
                    self.batch_done(&place, batch, None, None);
                }
                continue;
            }
            let Some(answer) = answer else {
                self.retry(now, &place, Attempt::Unknown);
                continue;
            };
            let time = (answer.log_append_time_ms >= 0).then_some(answer.log_append_time_ms);
            match ErrorCode::try_from_code(answer.error_code) {
                None => {
                    if let Some(batch) = self.pop_front(&place) {
                        let base = (answer.base_offset >= 0).then_some(answer.base_offset);
                        self.batch_done(&place, batch, base, time);
                    }
                }
                Some(ErrorCode::DuplicateSequenceNumber) => {
                    if let Some(batch) = self.pop_front(&place) {
                        self.batch_done(&place, batch, None, None);
                    }
                }
                Some(
                    error @ (ErrorCode::OutOfOrderSequenceNumber
                    | ErrorCode::UnknownProducerId
                    | ErrorCode::InvalidProducerEpoch),
                ) => {
                    self.reset = true;
                    self.retry(now, &place, Attempt::Failed(error));
                    if let Some(front) = self.queues.get_mut(&place).and_then(|q| q.batches.front_mut()) {
                        front.refused = front.producer.is_some();
                    }
                }
                Some(error) if error.is_retriable() => {
                    self.net.refresh(now);
                    self.retry(now, &place, Attempt::Failed(error));
                }
                Some(error) => {
                    if let Some(batch) = self.pop_front(&place) {
                        let message = answer.error_message.as_ref().map(|message| message.as_str());
                        self.batch_failed(&place, batch, ClientError::protocol(error, message));
                        // Its sequence number was not used.
                        self.reset |= self.options.idempotent;
                    }
                }
            }
        }
    }

    /// The front batch goes again, a little later.
    fn retry(&mut self, now: Instant, place: &Place, attempt: Attempt) {
        let Some(queue) = self.queues.get_mut(place) else { return };
        let Some(front) = queue.batches.front_mut().filter(|front| front.attempts > 0) else { return };
        match attempt {
            Attempt::NotSent => {}
            Attempt::Unknown => front.unknown = true,
            Attempt::Failed(error) => {
                front.last_error = Some(error);
                // After these the batch may be in a log all the same: a leader that was deposed while the batch waited to be
                // acked says no more than that it leads no longer, and one whose storage failed may have replicated it.
                front.unknown |= [
                    ErrorCode::RequestTimedOut,
                    ErrorCode::NotEnoughReplicasAfterAppend,
                    ErrorCode::NotLeaderOrFollower,
                    ErrorCode::KafkaStorageError,
                ]
                .contains(&error)
                    && !(mutated(Mutation::DeposedMeansNotAppended)
                        && error == ErrorCode::NotLeaderOrFollower);
            }
        }
        let backoff = (RETRY * 2u32.pow((front.attempts - 1).min(5))).min(RETRY_MAX);
        queue.retry_at = Some(now + backoff);
    }

    fn pop_front(&mut self, place: &Place) -> Option<Batch> {
        let queue = self.queues.get_mut(place)?;
        // The batch that was sent may have expired meanwhile; then the front is another one.
        queue.batches.pop_front_if(|front| front.attempts > 0)
    }

    fn batch_done(&mut self, place: &Place, batch: Batch, base: Option<i64>, log_append_time: Option<i64>) {
        self.release(&batch);
        for (id, first) in &batch.parts {
            if let Some(call) = self.sends.get_mut(id) {
                call.open_parts -= 1;
                let result = SendResult {
                    topic: place.0.clone(),
                    partition: place.1,
                    base_offset: base.map(|base| base + first),
                    log_append_time,
                };
                // A call spread over several batches of a partition is told its first offset there.
                call.results.entry(place.clone()).or_insert(result);
            }
            self.finish_if_done(*id);
        }
    }

    fn batch_failed(&mut self, place: &Place, batch: Batch, error: ClientError) {
        self.release(&batch);
        for (id, _) in &batch.parts {
            if let Some(call) = self.sends.get_mut(id) {
                call.open_parts -= 1;
                call.error.get_or_insert_with(|| error.clone().at(place.0.as_str(), Some(place.1)));
            }
            self.finish_if_done(*id);
        }
    }

    fn release(&mut self, batch: &Batch) {
        let empty = BatchBuilder::new(BatchOptions::default()).size_in_bytes();
        self.buffered = self.buffered.saturating_sub(batch.builder.size_in_bytes() - empty);
    }

    fn finish_if_done(&mut self, id: CallId) {
        let done = self.sends.get(&id).is_some_and(|call| call.open_parts == 0 && call.unplaced.is_empty());
        if done && let Some(call) = self.sends.remove(&id) {
            let results = call.results.into_values().collect();
            self.out.reply(id, call.error.map_or(Ok(ProducerReply::Sent(results)), Err));
        }
    }

    fn not_sent(&self) -> ClientError {
        match self.net.is_connected() {
            true => ClientError::new(FailureKind::Timeout, "Not sent in time."),
            false => ClientError::new(FailureKind::Connection, "No broker could be reached in time."),
        }
    }

    /// Ends what is late.
    fn expire(&mut self, now: Instant) {
        let places: Vec<Place> = self.queues.keys().cloned().collect();
        for place in places {
            while let Some(queue) = self.queues.get_mut(&place) {
                let Some(at) = queue.batches.iter().position(|batch| batch.deadline <= now) else { break };
                let in_flight = at == 0 && queue.in_flight.is_some();
                let Some(batch) = queue.batches.remove(at) else { break };
                // A numbered batch is missing in the sequence now, or is in the log without our knowing.
                self.reset |= batch.producer.is_some();
                let unknown = in_flight || batch.unknown;
                let error = match batch.last_error.or(self.net.partition_error(&place.0, place.1)) {
                    Some(error) => ClientError::protocol(error, None),
                    None if unknown => {
                        ClientError::new(FailureKind::Timeout, "Not acked in time; it may be in the log.")
                    }
                    None => self.not_sent(),
                };
                self.batch_failed(&place, batch, error);
            }
        }
        let not_sent = self.not_sent();
        for id in self.waiting.clone() {
            let Some(call) = self.sends.get_mut(&id).filter(|call| call.deadline <= now) else { continue };
            if let Some((topic, _)) = call.unplaced.pop_front() {
                call.unplaced.clear();
                let known = self.net.topic(&topic).and_then(|meta| meta.error);
                let error = match known {
                    Some(error) => ClientError::protocol(error, None),
                    None => not_sent.clone(),
                };
                call.error.get_or_insert(error.at(topic.as_str(), None));
            }
            self.finish_if_done(id);
        }
    }
}

/// A record's size in a batch, or a little more.
fn size_at_most(record: &ProducerRecord) -> usize {
    let bytes = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let header = |(name, value): &RecordHeader| 2 * VARINT_BYTES_MAX + name.len() + bytes(value);
    RECORD_OVERHEAD_MAX
        + bytes(&record.key)
        + bytes(&record.value)
        + record.headers.iter().map(header).sum::<usize>()
}
