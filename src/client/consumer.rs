//! The consumer: a member of a group (or a reader of partitions it was given), its positions, and the batches on their way
//! to the host. Of a partition one batch at a time is with the host, so order holds; partitions are independent.

use std::collections::VecDeque;

use crate::protocol::Response;
use crate::protocol::records::Record;
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, Generation, TopicName};

use super::assignor::Assignor;
use super::membership::Membership;
use super::net::{Net, Tag};
use super::{
    CallId, Client, ClientError, ClientInput, ClientOptions, ClientOutput, FailureKind, NetError, Outbox,
    not_before,
};

/// How a consumer behaves.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// What every client needs.
    pub client: ClientOptions,
    /// The group; none reads without one, and commits nothing.
    pub group_id: Option<String>,
    /// Strategies this member can live with, best first.
    pub assignors: Vec<Assignor>,
    /// A member silent this long is out.
    pub session_timeout: Duration,
    /// A batch with the host longer than this takes the member out of the group, until the host is done with it (KIP-62).
    /// Also how long a rebalance may wait for this member.
    pub max_poll_interval: Duration,
    /// The host gets at most this many records of a partition at once (`max.poll.records`); none: all that were fetched.
    pub max_poll_records: Option<usize>,
    /// Between two heartbeats.
    pub heartbeat_interval: Duration,
    /// Processed offsets are committed at most this often; none leaves commits to the host.
    pub auto_commit: Option<Duration>,
    /// One fetch brings at most this much, in bytes.
    pub fetch_bytes: i32,
    /// One fetch brings at most this much of one partition, in bytes.
    pub partition_bytes: i32,
    /// A fetch waits this long at the broker for something new.
    pub fetch_wait: Duration,
}

/// What a consumer can be asked.
#[derive(Debug, Clone)]
pub enum ConsumerCall {
    /// Read these topics, from the start (or the end) where the group has committed nothing.
    Subscribe {
        /// The topics.
        topics: Vec<TopicName>,
        /// From the first offset kept; else from the end.
        from_beginning: bool,
    },
    /// Begin: join the group.
    Start,
    /// Give the next batches, of different partitions; answered empty after `wait`.
    Poll {
        /// At most so many.
        batches_max: usize,
        /// At most this long.
        wait: Duration,
    },
    /// The host is done with a partition's batch, up to this offset (exclusive).
    Processed {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// The next offset to read; a lower one than the batch's end reads the rest again.
        next: i64,
    },
    /// Commit these: the next offset to read of each.
    Commit(Vec<(TopicName, i32, i64, Option<String>)>),
    /// Read on from here.
    Seek {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: i32,
        /// The next offset.
        offset: i64,
    },
    /// Hand out nothing of these until resumed; no partitions means all of the topic.
    Pause(Vec<(TopicName, Vec<i32>)>),
    /// Hand out again.
    Resume(Vec<(TopicName, Vec<i32>)>),
    /// Commit, leave the group, close.
    Close,
}

/// What a consumer answers.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsumerReply {
    /// Done.
    Done,
    /// Batches.
    Batches(Vec<FetchedBatch>),
}

/// Records of one partition, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedBatch {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: i32,
    /// The partition's high watermark at the fetch.
    pub high_watermark: i64,
    /// At least one.
    pub records: Vec<Record>,
    /// The leader epoch of the last one.
    pub leader_epoch: i32,
}

/// What a consumer tells unasked.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsumerEvent {
    /// A rebalance is over.
    Assigned {
        /// The generation.
        generation: Generation,
        /// This member.
        member_id: String,
        /// The member that shared the partitions out.
        leader_id: String,
        /// The strategy.
        protocol: String,
        /// This member's share.
        partitions: SortedMap<TopicName, Vec<i32>>,
    },
    /// A rebalance begins: what is not committed will be read again, perhaps by another member.
    Revoked,
    /// This member was put out of the group; others may have its partitions already.
    Lost,
    /// It can't go on; the host must give it up.
    Crashed(ClientError),
}

pub(super) type Place = (TopicName, i32);

/// One partition being read.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// The next offset to fetch; none until known.
    pub(super) fetch_at: Option<i64>,
    /// Processed up to here.
    pub(super) processed: Option<i64>,
    /// The leader epoch of the record before that.
    pub(super) processed_epoch: i32,
    /// Committed up to here.
    pub(super) committed: Option<i64>,
    /// The coordinator does not know the partition, and refused this: it was deleted, or it is so new that the coordinator
    /// has not heard of it.
    pub(super) refused: Option<i64>,
    pub(super) buffer: VecDeque<FetchedBatch>,
    /// The batch that is with the host.
    pub(super) with_host: Option<WithHost>,
    pub(super) paused: bool,
    /// Not before, after an error.
    pub(super) not_before: Option<Instant>,
    /// Another number after each seek and each assignment: answers to earlier fetches are dropped.
    pub(super) seeks: u64,
}

/// A batch that is with the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithHost {
    pub(super) since: Instant,
    first: i64,
    /// The offset after its last record.
    next: i64,
    leader_epoch: i32,
    /// A seek made it moot.
    moot: bool,
}

/// See the module's head.
pub struct Consumer {
    pub(super) options: ConsumerOptions,
    now: Instant,
    pub(super) net: Net,
    pub(super) out: Outbox<ConsumerReply, ConsumerEvent>,
    pub(super) topics: SortedMap<TopicName, bool>,
    pub(super) membership: Membership,
    pub(super) positions: SortedMap<Place, Position>,
    /// One fetch per leader.
    pub(super) fetches: SortedMap<BrokerId, super::fetcher::Fetching>,
    pub(super) sessions: super::fetcher::Sessions,
    /// Look-ups of start and end offsets.
    pub(super) lookups: SortedMap<Tag, Vec<(Place, u64)>>,
    pub(super) lookup_at: Option<Instant>,
    pub(super) started: bool,
    /// The last number given to a position's `seeks`.
    seeks: u64,
    poll: Option<(CallId, usize, Instant)>,
    /// Paused, also before it is assigned.
    paused: SortedSet<(TopicName, Option<i32>)>,
    pub(super) closing: Option<(CallId, Instant)>,
    closed: bool,
}

impl Client for Consumer {
    type Call = ConsumerCall;
    type Reply = ConsumerReply;
    type Event = ConsumerEvent;

    fn take(&mut self, now: Instant, input: ClientInput<ConsumerCall>) {
        self.now = now;
        if let Some((id, call)) = self.net.take(now, input) {
            self.call(now, id, call);
        }
    }

    fn turn(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.net.tick(now);
        while let Some((tag, result)) = self.net.pop_result(now) {
            self.on_result(now, tag, result);
        }
        if self.started && self.options.group_id.is_none() {
            self.assign_all(now);
        }
        self.drive_membership(now);
        self.look_up_offsets(now);
        if self.closing.is_none() {
            self.fetch(now);
        }
        self.answer_poll(now);
        self.close_if_left(now);
    }

    fn poll_output(&mut self) -> ClientOutput<ConsumerReply, ConsumerEvent> {
        self.out
            .pop(&mut self.net)
            .unwrap_or_else(|| ClientOutput::Wait(not_before(self.now, self.next_deadline())))
    }
}

impl Consumer {
    /// A consumer that is not in its group yet.
    pub fn new(options: ConsumerOptions) -> Self {
        let client = options.client.clone();
        Self {
            net: Net::new(client.client_id, client.bootstrap, client.request_timeout),
            options,
            now: Instant::default(),
            out: Outbox::default(),
            topics: SortedMap::new(),
            membership: Membership::default(),
            positions: SortedMap::new(),
            fetches: SortedMap::new(),
            sessions: SortedMap::new(),
            lookups: SortedMap::new(),
            lookup_at: None,
            started: false,
            seeks: 0,
            poll: None,
            paused: SortedSet::new(),
            closing: None,
            closed: false,
        }
    }

    fn call(&mut self, now: Instant, id: CallId, call: ConsumerCall) {
        if self.closed || self.closing.is_some() {
            return match call {
                // Said twice, done once; and what was with the host may come back late.
                ConsumerCall::Processed { topic, partition, next } if !self.closed => {
                    self.processed(&(topic, partition), next);
                    self.out.reply(id, Ok(ConsumerReply::Done));
                }
                _ => {
                    let error = ClientError::new(FailureKind::Closed, "The consumer is closed.");
                    self.out.reply(id, Err(error));
                }
            };
        }
        match call {
            ConsumerCall::Subscribe { topics, from_beginning } => {
                for topic in topics {
                    self.net.want_topic(now, &topic);
                    self.topics.insert(topic, from_beginning);
                }
                if self.started && self.options.group_id.is_some() {
                    self.rejoin(now);
                }
            }
            ConsumerCall::Start => {
                self.started = true;
                if self.options.group_id.is_some() {
                    self.rejoin(now);
                }
            }
            ConsumerCall::Poll { batches_max, wait } => {
                if let Some((earlier, ..)) = self.poll.replace((id, batches_max.max(1), now + wait)) {
                    self.out.reply(earlier, Ok(ConsumerReply::Batches(Vec::new())));
                }
                return;
            }
            ConsumerCall::Processed { topic, partition, next } => self.processed(&(topic, partition), next),
            ConsumerCall::Commit(offsets) => return self.commit_for(now, id, offsets),
            ConsumerCall::Seek { topic, partition, offset } => {
                let seeks = self.next_seeks();
                if let Some(position) = self.positions.get_mut(&(topic, partition)) {
                    position.buffer.clear();
                    position.fetch_at = Some(offset);
                    position.processed = None;
                    position.seeks = seeks;
                    if let Some(with_host) = &mut position.with_host {
                        with_host.moot = true;
                    }
                }
            }
            ConsumerCall::Pause(topics) => self.set_paused(topics, true),
            ConsumerCall::Resume(topics) => self.set_paused(topics, false),
            ConsumerCall::Close => {
                self.closing =
                    Some((id, now + self.options.client.request_timeout.min(Duration::from_secs(5))));
                if let Some((poll, ..)) = self.poll.take() {
                    self.out.reply(poll, Ok(ConsumerReply::Batches(Vec::new())));
                }
                return;
            }
        }
        self.out.reply(id, Ok(ConsumerReply::Done));
    }

    fn processed(&mut self, place: &Place, next: i64) {
        self.given_back(place);
        let seeks = self.next_seeks();
        let Some(position) = self.positions.get_mut(place) else { return };
        let Some(batch) = position.with_host else { return };
        if !(batch.first..=batch.next).contains(&next) {
            // Of a batch from before a rebalance.
            return;
        }
        position.with_host = None;
        if batch.moot {
            return;
        }
        if next < batch.next && position.fetch_at.is_some() {
            // Not all of it: read the rest again.
            position.buffer.clear();
            position.fetch_at = Some(next);
            position.seeks = seeks;
        }
        position.processed = Some(next);
        position.processed_epoch = batch.leader_epoch;
    }

    /// A number that no position has.
    pub(super) fn next_seeks(&mut self) -> u64 {
        self.seeks += 1;
        self.seeks
    }

    /// True while batches are fetched and handed out.
    pub(super) fn reads(&self) -> bool {
        self.membership.is_stable() || self.options.group_id.is_none()
    }

    fn set_paused(&mut self, topics: Vec<(TopicName, Vec<i32>)>, paused: bool) {
        for (topic, partitions) in topics {
            let names: Vec<Option<i32>> = match partitions.is_empty() {
                true => vec![None],
                false => partitions.into_iter().map(Some).collect(),
            };
            for name in names {
                match paused {
                    true => self.paused.insert((topic.clone(), name)),
                    false => self.paused.remove(&(topic.clone(), name)),
                };
            }
        }
        let paused = &self.paused;
        for ((topic, partition), position) in &mut self.positions {
            position.paused = paused.contains(&(topic.clone(), None))
                || paused.contains(&(topic.clone(), Some(*partition)));
        }
    }

    /// These partitions, and no others, from now on.
    pub(super) fn take_over(&mut self, places: impl Iterator<Item = Place>) {
        self.positions.clear();
        let seeks = self.next_seeks();
        for (topic, partition) in places {
            let paused = self.paused.contains(&(topic.clone(), None))
                || self.paused.contains(&(topic.clone(), Some(partition)));
            let position = Position { paused, seeks, ..Position::default() };
            self.positions.insert((topic, partition), position);
        }
    }

    /// Without a group: every partition of the topics, as they become known.
    fn assign_all(&mut self, now: Instant) {
        let seeks = self.seeks;
        for topic in self.topics.keys() {
            let meta = self.net.topic(topic).filter(|meta| !meta.partitions.is_empty());
            let Some(meta) = meta else {
                self.net.refresh_soon(now);
                continue;
            };
            for partition in meta.partitions.keys() {
                let place = (topic.clone(), *partition);
                if !self.positions.contains_key(&place) {
                    let paused = self.paused.contains(&(topic.clone(), None))
                        || self.paused.contains(&(topic.clone(), Some(*partition)));
                    self.positions.insert(place, Position { paused, seeks, ..Position::default() });
                    self.lookup_at = Some(now);
                }
            }
        }
    }

    fn on_result(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        if self.fetches.values().any(|fetching| fetching.tag == tag) {
            self.on_fetched(now, tag, result);
        } else if let Some(places) = self.lookups.remove(&tag) {
            self.on_looked_up(now, places, result);
        } else {
            self.on_member_result(now, tag, result);
        }
    }

    fn answer_poll(&mut self, now: Instant) {
        let Some((id, batches_max, deadline)) = self.poll else { return };
        let mut batches = Vec::new();
        if self.reads() {
            for position in self.positions.values_mut() {
                if batches.len() == batches_max {
                    break;
                }
                if !position.paused
                    && position.with_host.is_none()
                    && let Some(mut batch) = position.buffer.pop_front()
                {
                    let records_max = self.options.max_poll_records.unwrap_or(usize::MAX).max(1);
                    if records_max < batch.records.len() {
                        let (topic, partition) = (batch.topic.clone(), batch.partition);
                        let high_watermark = batch.high_watermark;
                        let records = batch.records.split_off(records_max);
                        let leader_epoch = batch.leader_epoch;
                        let rest = FetchedBatch { topic, partition, high_watermark, records, leader_epoch };
                        position.buffer.push_front(rest);
                    }
                    let first = batch.records.first().map_or(0, |record| record.offset.0);
                    let next = batch.records.last().map_or(first, |record| record.offset.0 + 1);
                    let leader_epoch = batch.leader_epoch;
                    position.with_host =
                        Some(WithHost { since: now, first, next, leader_epoch, moot: false });
                    batches.push(batch);
                }
            }
        }
        if !batches.is_empty() || deadline <= now {
            self.poll = None;
            self.out.reply(id, Ok(ConsumerReply::Batches(batches)));
        }
    }

    fn close_if_left(&mut self, now: Instant) {
        let Some((id, deadline)) = self.closing else { return };
        if self.leave(now) || deadline <= now {
            self.closing = None;
            self.closed = true;
            self.net.close();
            self.fail_commits(&ClientError::new(FailureKind::Closed, "The consumer was closed first."));
            self.out.reply(id, Ok(ConsumerReply::Done));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let errors = self.positions.values().filter_map(|position| position.not_before).min();
        let errors = errors.filter(|at| *at > self.now);
        // What is due and still here waits for the group's commits, and those wake us.
        let lookup = self.lookup_at.filter(|at| *at > self.now);
        let poll = self.poll.map(|(_, _, deadline)| deadline);
        let closing = self.closing.map(|(_, deadline)| deadline);
        [self.net.next_deadline(), self.member_deadline(self.now), lookup, errors, poll, closing]
            .into_iter()
            .fold(None, earliest)
    }
}
