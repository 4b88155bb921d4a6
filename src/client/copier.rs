//! The copier: reads and writes whole batches as they are, for export and import.
//!
//! A read is one `Fetch` of one partition (after a `ListOffsets`, when it begins at the log start). An append sends
//! batches one after the other, up to five in flight, under a producer id of the copier's own: the numbers a batch had
//! belong to a producer that is not here, and without any, a retry after a lost answer would write a batch twice.
//! What compaction left, and no leader takes, goes as a new batch of the same records. After a failure nothing more is sent
//! until all that was in flight is answered; then what has no ack goes again, in order.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::files::{is_producible, rewrite};
use crate::protocol::batch::{
    BatchError, BatchHeader, batches, sequence_after, set_base_offset, set_leader_epoch, set_producer,
};
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::protocol::messages::{
    self, FetchRequest, FetchResponse, InitProducerIdRequest, ListOffsetsRequest, ListOffsetsResponse,
    ProduceRequest, ProduceResponse,
};
use crate::protocol::{ErrorCode, Response};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicName};

use super::net::{Lane, Net, RETRY, Tag};
use super::{
    CallId, Client, ClientError, ClientInput, ClientOptions, ClientOutput, FailureKind, NetError, Outbox,
    not_before, wire_topic,
};

/// Topics are named up to these versions; later ones use ids.
const FETCH_VERSION_MAX: i16 = 12;
const PRODUCE_VERSION_MAX: i16 = 12;
/// What one fetch asks for, in bytes.
const FETCH_BYTES: i32 = 1024 * 1024;
/// How long a fetch may wait for the first byte: it is there, but may have to come from storage.
const FETCH_WAIT: Duration = Duration::from_millis(100);
const MOMENT: Duration = Duration::from_millis(5);
/// A broker remembers a producer's last five batches, and knows repetitions of these.
const IN_FLIGHT_MAX: usize = 5;
const EARLIEST: i64 = -2;

/// What a copier can be asked.
#[derive(Debug, Clone)]
pub enum CopierCall {
    /// The batches of a partition from an offset on, as many as one fetch brings.
    Read {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// From here; none for the log start. The first batch may begin below it.
        from: Option<Offset>,
        /// As many bytes at most; one whole batch is given in any case. None for what an export wants.
        bytes_max: Option<i32>,
        /// How long it may take; none for as long as this copier's calls may.
        patience: Option<Duration>,
    },
    /// Append whole batches, in order, acks=all. A partition takes one such call at a time.
    Append {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// The batches, one after the other.
        batches: Bytes,
    },
    /// Close the connections.
    Close,
}

/// What a copier answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopierReply {
    /// What one fetch brought.
    Read(ReadBatches),
    /// All batches are acked.
    Appended {
        /// True when every batch got the base offset it had.
        offsets_kept: bool,
    },
    /// Done.
    Closed,
}

/// Batches as the leader stored them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBatches {
    /// The batches; the last one may be cut short, but one is whole unless nothing was there below the high watermark.
    pub bytes: Bytes,
    /// Where the read began: as asked, or the log start.
    pub from: Offset,
    /// The first offset kept.
    pub log_start: Offset,
    /// Offsets below it are committed.
    pub high_watermark: Offset,
}

/// See the module's head.
#[derive(Debug)]
pub struct Copier {
    now: Instant,
    /// A call that makes no progress for this long has failed.
    patience: Duration,
    request_timeout: Duration,
    net: Net,
    out: Outbox<CopierReply, ()>,
    tasks: SortedMap<CallId, Task>,
    identity: Identity,
    /// The next sequence number of each partition.
    sequences: SortedMap<(TopicName, i32), i32>,
    closed: bool,
}

/// Who we are to the brokers.
#[derive(Debug)]
enum Identity {
    Unknown { ask_at: Instant },
    Asked(Tag),
    Known(ProducerId, ProducerEpoch),
}

#[derive(Debug)]
struct Task {
    topic: TopicName,
    partition: i32,
    work: Work,
    deadline: Instant,
    retry_at: Instant,
    failures: u32,
    last_error: Option<ClientError>,
}

#[derive(Debug)]
enum Work {
    Read { from: Option<Offset>, start_known: bool, bytes_max: i32, asked: Option<Tag> },
    Append(Append),
}

#[derive(Debug)]
struct Append {
    batches: Bytes,
    /// Bytes of it that were taken into `sent`.
    taken: usize,
    /// Without an ack, in order.
    sent: VecDeque<Sent>,
    /// Something failed: what is in flight is to be answered first.
    recovering: bool,
    offsets_kept: bool,
}

#[derive(Debug)]
struct Sent {
    bytes: Bytes,
    base: Offset,
    tag: Option<Tag>,
    acked: bool,
}

impl Client for Copier {
    type Call = CopierCall;
    type Reply = CopierReply;
    type Event = ();

    fn take(&mut self, now: Instant, input: ClientInput<CopierCall>) {
        self.now = now;
        if let Some((id, call)) = self.net.take(now, input) {
            self.call(now, id, call);
        }
    }

    fn turn(&mut self, now: Instant) {
        self.net.tick(now);
        while let Some((tag, result)) = self.net.pop_result(now) {
            self.on_result(now, tag, result);
        }
        for id in self.tasks.keys().copied().collect::<Vec<_>>() {
            let Some(mut task) = self.tasks.remove(&id) else { continue };
            if task.deadline <= now {
                let late = || ClientError::new(FailureKind::Timeout, "The brokers did not answer in time.");
                let error = task.last_error.unwrap_or_else(late);
                self.out.reply(id, Err(error.at(task.topic.as_str(), Some(task.partition))));
                continue;
            }
            match self.proceed(now, &mut task) {
                None => drop(self.tasks.insert(id, task)),
                Some(reply) => self.out.reply(id, Ok(reply)),
            }
        }
    }

    fn poll_output(&mut self) -> ClientOutput<CopierReply, ()> {
        self.out
            .pop(&mut self.net)
            .unwrap_or_else(|| ClientOutput::Wait(not_before(self.now, self.next_deadline())))
    }
}

impl Copier {
    /// A copier whose calls fail when they make no progress for `patience`.
    pub fn new(options: ClientOptions, patience: Duration) -> Self {
        let mut net = Net::new(options.client_id.clone(), options.bootstrap.clone(), options.request_timeout);
        net.forbid_creation();
        Self {
            now: Instant::default(),
            patience,
            request_timeout: options.request_timeout.min(patience),
            net,
            out: Outbox::default(),
            tasks: SortedMap::new(),
            identity: Identity::Unknown { ask_at: Instant::default() },
            sequences: SortedMap::new(),
            closed: false,
        }
    }

    fn call(&mut self, now: Instant, id: CallId, call: CopierCall) {
        if self.closed && !matches!(call, CopierCall::Close) {
            return self.out.reply(id, Err(ClientError::new(FailureKind::Closed, "The copier is closed.")));
        }
        let mut allowed = self.patience;
        let (topic, partition, work) = match call {
            CopierCall::Read { topic, partition, from, bytes_max, patience } => {
                let start_known = from.is_some();
                let bytes_max = bytes_max.map_or(FETCH_BYTES, |bytes| bytes.clamp(1, FETCH_BYTES));
                allowed = patience.unwrap_or(allowed);
                (topic, partition, Work::Read { from, start_known, bytes_max, asked: None })
            }
            CopierCall::Append { topic, partition, batches } => {
                let append = Append {
                    batches,
                    taken: 0,
                    sent: VecDeque::new(),
                    recovering: false,
                    offsets_kept: true,
                };
                (topic, partition, Work::Append(append))
            }
            CopierCall::Close => return self.close(id),
        };
        self.net.want_topic(now, &topic);
        let deadline = now + allowed;
        let task = Task { topic, partition, work, deadline, retry_at: now, failures: 0, last_error: None };
        self.tasks.insert(id, task);
    }

    fn close(&mut self, id: CallId) {
        self.closed = true;
        self.net.close();
        for (task, _) in std::mem::take(&mut self.tasks) {
            self.out.reply(task, Err(ClientError::new(FailureKind::Closed, "The copier was closed first.")));
        }
        self.out.reply(id, Ok(CopierReply::Closed));
    }

    fn next_deadline(&self) -> Option<Instant> {
        let ask_at = match self.identity {
            Identity::Unknown { ask_at } => Some(ask_at),
            _ => None,
        };
        self.tasks.values().fold(self.net.next_deadline(), |next, task| {
            let idle = match &task.work {
                Work::Read { asked, .. } => asked.is_none(),
                Work::Append(append) => append.sent.iter().all(|sent| sent.tag.is_none()),
            };
            // Who we are is asked for when somebody wants to append, and the answer is a result.
            let nameless = matches!(task.work, Work::Append(_)) && !self.is_known();
            let retry = if nameless { ask_at } else { idle.then_some(task.retry_at) };
            earliest(next, Some(retry.map_or(task.deadline, |at| at.min(task.deadline))))
        })
    }

    fn is_known(&self) -> bool {
        matches!(self.identity, Identity::Known(..))
    }

    /// Sends what a task can send now; its end, when it is there.
    fn proceed(&mut self, now: Instant, task: &mut Task) -> Option<CopierReply> {
        if let Work::Append(append) = &task.work
            && append.sent.is_empty()
            && append.taken == append.batches.len()
        {
            return Some(CopierReply::Appended { offsets_kept: append.offsets_kept });
        }
        if task.retry_at > now {
            return None;
        }
        let error = self.net.topic(&task.topic).and_then(|topic| topic.error);
        let error = error.or_else(|| self.net.partition_error(&task.topic, task.partition));
        let Some(leader) = self.net.leader(&task.topic, task.partition) else {
            task.last_error = error.map(|error| ClientError::protocol(error, None));
            task.retry_at = now + RETRY;
            self.net.refresh_soon(now);
            return None;
        };
        match &mut task.work {
            Work::Read { asked: Some(_), .. } => {}
            Work::Read { from, bytes_max, asked, .. } => {
                let (topic, partition) = (&task.topic, task.partition);
                *asked = Some(match *from {
                    None => self.send_list_offsets(now, leader, topic, partition),
                    Some(from) => self.send_fetch(now, leader, topic, partition, from, *bytes_max),
                });
            }
            Work::Append(_) => self.send_batches(now, leader, task),
        }
        None
    }

    fn send_list_offsets(&mut self, now: Instant, to: BrokerId, topic: &TopicName, partition: i32) -> Tag {
        let asked = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(EARLIEST);
        let topic =
            ListOffsetsTopic::default().with_name(wire_topic(topic.as_str())).with_partitions(vec![asked]);
        let body =
            ListOffsetsRequest::default().with_replica_id(messages::BrokerId(-1)).with_topics(vec![topic]);
        self.net.send(now, to, Lane::Meta, body.into(), 10, self.request_timeout)
    }

    fn send_fetch(
        &mut self,
        now: Instant,
        to: BrokerId,
        topic: &TopicName,
        partition: i32,
        from: Offset,
        bytes_max: i32,
    ) -> Tag {
        let asked = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(from.0)
            .with_partition_max_bytes(bytes_max);
        let topic = FetchTopic::default().with_topic(wire_topic(topic.as_str())).with_partitions(vec![asked]);
        let body = FetchRequest::default()
            .with_max_wait_ms(FETCH_WAIT.as_millis() as i32)
            .with_min_bytes(1)
            .with_max_bytes(bytes_max)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        self.net.send(now, to, Lane::Fetch, body.into(), FETCH_VERSION_MAX, self.request_timeout)
    }

    /// Takes batches up to the window, and sends those that are not under way.
    fn send_batches(&mut self, now: Instant, leader: BrokerId, task: &mut Task) {
        let Some((id, epoch)) = self.identity(now) else { return };
        let Work::Append(append) = &mut task.work else { return };
        if append.recovering {
            if append.sent.iter().any(|sent| sent.tag.is_some()) {
                return;
            }
            append.recovering = false;
        }
        let place = (task.topic.clone(), task.partition);
        while append.sent.len() < IN_FLIGHT_MAX {
            let rest = append.batches.get(append.taken..).unwrap_or_default();
            let Some(found) = batches(rest).next() else { break };
            let (header, range) = match found {
                Ok(found) => found,
                Err(error) => return task.refuse(now, &error),
            };
            append.taken += range.end;
            let mut batch = append.batches.slice(append.taken - range.len()..append.taken);
            if !is_producible(&header) {
                match rewrite(&batch) {
                    Ok(Some(rewritten)) => {
                        batch = rewritten.bytes;
                        append.offsets_kept &= rewritten.offsets_kept;
                    }
                    Ok(None) => continue,
                    Err(error) => return task.refuse(now, &error),
                }
            }
            let records = BatchHeader::parse(&batch).map_or(0, |header| header.record_count);
            let sequence = self.sequences.entry(place.clone()).or_default();
            let mut copy = BytesMut::from(batch.as_ref());
            // As any producer's: the leader gives the offset and its epoch.
            set_base_offset(&mut copy, Offset::ZERO);
            set_leader_epoch(&mut copy, LeaderEpoch(-1));
            set_producer(&mut copy, id, epoch, *sequence);
            *sequence = sequence_after(*sequence, records);
            let bytes = copy.freeze();
            append.sent.push_back(Sent { bytes, base: header.base_offset, tag: None, acked: false });
        }
        for sent in append.sent.iter_mut().filter(|sent| sent.tag.is_none() && !sent.acked) {
            let data = PartitionProduceData::default()
                .with_index(task.partition)
                .with_records(Some(sent.bytes.clone()));
            let topic = TopicProduceData::default()
                .with_name(wire_topic(task.topic.as_str()))
                .with_partition_data(vec![data]);
            let body = ProduceRequest::default()
                .with_acks(-1)
                .with_timeout_ms(self.request_timeout.as_millis() as i32)
                .with_topic_data(vec![topic]);
            // The broker's own time limit answers first; ours is for a broker that does not answer at all.
            let timeout = self.request_timeout + Duration::from_millis(500);
            let tag = self.net.send(now, leader, Lane::Produce, body.into(), PRODUCE_VERSION_MAX, timeout);
            sent.tag = Some(tag);
        }
    }

    /// Our producer id; asked for when it is not known.
    fn identity(&mut self, now: Instant) -> Option<(ProducerId, ProducerEpoch)> {
        match self.identity {
            Identity::Known(id, epoch) => return Some((id, epoch)),
            Identity::Unknown { ask_at } if ask_at <= now => {
                let body = InitProducerIdRequest::default()
                    .with_transactional_id(None)
                    .with_transaction_timeout_ms(i32::MAX)
                    .with_producer_id(messages::ProducerId(-1))
                    .with_producer_epoch(-1);
                self.identity =
                    Identity::Asked(self.net.send_to_any(now, body.into(), 4, self.request_timeout));
            }
            _ => {}
        }
        None
    }

    fn on_result(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        if matches!(self.identity, Identity::Asked(asked) if asked == tag) {
            self.identity = match result {
                Ok(Response::InitProducerId(body)) if body.error_code == 0 => {
                    Identity::Known(ProducerId(body.producer_id.0), ProducerEpoch(body.producer_epoch))
                }
                _ => Identity::Unknown { ask_at: now + RETRY },
            };
            return;
        }
        let waits = |task: &Task| match &task.work {
            Work::Read { asked, .. } => *asked == Some(tag),
            Work::Append(append) => append.sent.iter().any(|sent| sent.tag == Some(tag)),
        };
        let Some(id) = self.tasks.iter().find(|(_, task)| waits(task)).map(|(id, _)| *id) else { return };
        let Some(mut task) = self.tasks.remove(&id) else { return };
        match task.take_result(tag, result) {
            // Nothing to take yet: a moment later, so that a broker that answers at once is not asked without end.
            Ok(Progress::None) => task.retry_at = task.retry_at.max(now + MOMENT),
            Ok(Progress::Some) => {
                task.deadline = now + self.patience;
                task.failures = 0;
            }
            Ok(Progress::Done(reply)) => return self.out.reply(id, Ok(reply)),
            Err(error) if error.retriable() => {
                task.failures += 1;
                task.retry_at = now + RETRY * task.failures.min(4);
                task.last_error = Some(error);
                self.net.refresh(now);
            }
            Err(error) => {
                let error = error.at(task.topic.as_str(), Some(task.partition));
                return self.out.reply(id, Err(error));
            }
        }
        self.tasks.insert(id, task);
    }
}

enum Progress {
    None,
    Some,
    Done(CopierReply),
}

impl Task {
    /// Who gives batches has read them: it is the call that is wrong.
    fn refuse(&mut self, now: Instant, error: &BatchError) {
        self.deadline = now;
        self.last_error = Some(ClientError::new(FailureKind::Invalid, format!("batches: {error}")));
    }

    fn take_result(&mut self, tag: Tag, result: Result<Response, NetError>) -> Result<Progress, ClientError> {
        let partition = self.partition;
        match &mut self.work {
            Work::Read { from, start_known, bytes_max, asked } => {
                *asked = None;
                match result.map_err(|error| ClientError::from(&error))? {
                    Response::ListOffsets(body) => {
                        *from = Some(log_start(&body, partition)?);
                        Ok(Progress::None)
                    }
                    Response::Fetch(body) => match fetched(&body, partition) {
                        Ok(mut read) => {
                            read.from = from.unwrap_or(Offset::ZERO);
                            Ok(whole_batches(read, bytes_max))
                        }
                        // What was the log start is so no more.
                        Err(error)
                            if error.kind == FailureKind::Protocol(ErrorCode::OffsetOutOfRange)
                                && !*start_known =>
                        {
                            *from = None;
                            Ok(Progress::None)
                        }
                        Err(error) => Err(error),
                    },
                    _ => Err(ClientError::from(&NetError::Undecodable)),
                }
            }
            Work::Append(append) => append.take_result(tag, partition, result),
        }
    }
}

/// An answer that is to be given, or asked for again with more room.
fn whole_batches(read: ReadBatches, bytes_max: &mut i32) -> Progress {
    let is_whole = batches(&read.bytes).next().is_some_and(|first| first.is_ok());
    if is_whole || read.high_watermark <= read.from {
        return Progress::Done(CopierReply::Read(read));
    }
    if !read.bytes.is_empty() {
        *bytes_max = bytes_max.saturating_mul(2);
    }
    Progress::None
}

fn log_start(body: &ListOffsetsResponse, partition: i32) -> Result<Offset, ClientError> {
    let mut all = body.topics.iter().flat_map(|topic| &topic.partitions);
    let data = all.find(|data| data.partition_index == partition);
    let data = data.ok_or_else(|| ClientError::from(&NetError::Undecodable))?;
    match ErrorCode::try_from_code(data.error_code) {
        None => Ok(Offset(data.offset)),
        Some(error) => Err(ClientError::protocol(error, None)),
    }
}

fn fetched(body: &FetchResponse, partition: i32) -> Result<ReadBatches, ClientError> {
    let mut all = body.responses.iter().flat_map(|topic| &topic.partitions);
    let data = all.find(|data| data.partition_index == partition);
    let data = data.ok_or_else(|| ClientError::from(&NetError::Undecodable))?;
    match ErrorCode::try_from_code(body.error_code).or(ErrorCode::try_from_code(data.error_code)) {
        None => Ok(ReadBatches {
            bytes: data.records.clone().unwrap_or_default(),
            from: Offset::ZERO,
            log_start: Offset(data.log_start_offset),
            high_watermark: Offset(data.high_watermark),
        }),
        Some(error) => Err(ClientError::protocol(error, None)),
    }
}

impl Append {
    fn take_result(
        &mut self,
        tag: Tag,
        partition: i32,
        result: Result<Response, NetError>,
    ) -> Result<Progress, ClientError> {
        let Some(index) = self.sent.iter().position(|sent| sent.tag == Some(tag)) else {
            return Ok(Progress::None);
        };
        let Some(sent) = self.sent.get_mut(index) else { return Ok(Progress::None) };
        sent.tag = None;
        match result.map_err(|error| ClientError::from(&error)).and_then(|body| produced(&body, partition)) {
            Ok(base) => {
                sent.acked = true;
                self.offsets_kept &= base == Some(sent.base);
                while self.sent.pop_front_if(|sent| sent.acked).is_some() {}
                Ok(Progress::Some)
            }
            Err(error) => {
                self.recovering = true;
                let out_of_order = FailureKind::Protocol(ErrorCode::OutOfOrderSequenceNumber);
                // One before it was refused or lost, and will be sent again first.
                let follows = error.kind == out_of_order && index > 0;
                if follows { Ok(Progress::None) } else { Err(error) }
            }
        }
    }
}

/// The base offset of an acked batch; none for a repetition whose place the broker has forgotten.
fn produced(body: &Response, partition: i32) -> Result<Option<Offset>, ClientError> {
    let Response::Produce(ProduceResponse { responses, .. }) = body else {
        return Err(ClientError::from(&NetError::Undecodable));
    };
    let mut all = responses.iter().flat_map(|topic| &topic.partition_responses);
    let data = all.find(|data| data.index == partition);
    let data = data.ok_or_else(|| ClientError::from(&NetError::Undecodable))?;
    match ErrorCode::try_from_code(data.error_code) {
        None => Ok((data.base_offset >= 0).then_some(Offset(data.base_offset))),
        Some(ErrorCode::DuplicateSequenceNumber) => Ok(None),
        Some(error) => {
            Err(ClientError::protocol(error, data.error_message.as_ref().map(|message| message.as_str())))
        }
    }
}
