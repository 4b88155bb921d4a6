//! The producer: records to batches, batches to leaders, and each `send` answered when all its records are acked.
//!
//! One batch of a partition is in flight at a time; what comes meanwhile gathers in the next. So order needs no
//! renumbering on retries, and a busy partition batches by itself. Idempotent (KIP-98): a batch keeps its sequence number
//! through every retry and leader change, so a retry makes no duplicate.
//!
//! A call goes through `placing` (into batches), `sending` (into requests) and `answers`; `identity` has the producer's id.

mod answers;
mod identity;
mod placing;
mod sending;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::protocol::ErrorCode;
use crate::protocol::records::{BatchBuilder, RecordHeader};
use crate::rng::Rng;
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, Compression, ProducerEpoch, ProducerId, TopicName};

use super::net::{Net, Tag};
use super::partitioner::{Partitioner, Spread};
use super::{
    CallId, Client, ClientError, ClientInput, ClientOptions, ClientOutput, FailureKind, Outbox, not_before,
};

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
    results: SortedMap<(TopicName, i32), SendResult>,
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

/// See the module's head.
pub struct Producer {
    options: ProducerOptions,
    now: Instant,
    net: Net,
    rng: Rng,
    out: Outbox<ProducerReply, ()>,
    /// A page may send thousands at once: they go from the front.
    sends: BTreeMap<CallId, SendCall>,
    /// Calls with unplaced records, in order.
    waiting: VecDeque<CallId>,
    counts: SortedMap<CallId, (TopicName, Instant)>,
    closing: Option<CallId>,
    closed: bool,
    spreads: SortedMap<TopicName, Spread>,
    queues: SortedMap<Place, Queue>,
    buffered: usize,
    requests: SortedMap<Tag, Vec<Place>>,
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
            counts: SortedMap::new(),
            closing: None,
            closed: false,
            spreads: SortedMap::new(),
            queues: SortedMap::new(),
            buffered: 0,
            requests: SortedMap::new(),
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
                    results: SortedMap::new(),
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
}
