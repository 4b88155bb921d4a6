//! The group coordinator: the classic consumer group protocol and committed offsets, kept on `__consumer_offsets`.
//!
//! A broker coordinates the groups of each partition of `__consumer_offsets` it leads (`partition_for`). Its state is
//! the log replayed: on election the broker hands in the partition's batches (`on_leader`, `load`..., `loaded`), and the
//! coordinator answers COORDINATOR_LOAD_IN_PROGRESS until all of that is committed.
//!
//! What a request changes becomes records (`take_writes`); the broker appends them (`appended`) and tells how far the
//! high watermark is (`committed`). A response that promises something leaves when its records are committed; if they
//! can't be, what the request changed is undone and the response carries the error. Joins and syncs wait for other
//! members, under their `ReplyToken`; a token whose connection is gone is answered all the same.
//!
//! | file | what |
//! |---|---|
//! | `classic_group` | a group's state machine and its members |
//! | `join`, `sync`, `heartbeat`, `leave`, `rebalance` | the classic protocol (KIP-62, 345, 394, 800, 814) |
//! | `offsets`, `expiry` | OffsetCommit, OffsetFetch; when offsets go |
//! | `describe` | DescribeGroups, ListGroups, DeleteGroups |
//! | `shard` | one partition: its groups, its offsets, its writes under way |
//! | `schema` | the records, byte for byte Kafka's |

mod classic_group;
mod describe;
mod errors;
mod expiry;
#[cfg(test)]
mod harness;
mod heartbeat;
mod join;
mod leave;
mod offsets;
mod rebalance;
pub mod schema;
mod shard;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::config::BrokerConfig;
use crate::effects::{Effects, ReplyToken};
use crate::protocol::messages::{
    DeleteGroupsResponse, delete_groups_response::DeletableGroupResult,
    offset_fetch_response::OffsetFetchResponseGroup,
};
use crate::protocol::records::{BatchBuilder, BatchOptions};
use crate::protocol::{ErrorCode, Request, Response};
use crate::rng::Rng;
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant, Timers};
use crate::types::{LeaderEpoch, OFFSETS_TOPIC, Offset, PartitionIndex, TopicName};

use schema::GroupRecord;
use shard::{Shard, Then};

/// A write not committed after this long is answered with an error (Kafka's `offsets.commit.timeout.ms`).
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// A new member's parked JoinGroup waits this long at most (Kafka's `group.new.member.join.timeout.ms`).
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Between two looks for expired offsets (Kafka's `offsets.retention.check.interval.ms`).
const EXPIRY_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Offsets of an empty group are kept this long (Kafka's `offsets.retention.minutes`).
const OFFSETS_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The partition of `__consumer_offsets` that keeps `group`: Java's `String.hashCode`, without its sign, modulo
/// `partitions`.
pub fn partition_for(group: &str, partitions: usize) -> PartitionIndex {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    PartitionIndex((hash & i32::MAX) % (partitions.clamp(1, i32::MAX as usize) as i32))
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The client's name for itself; empty without one.
    pub client_id: String,
    /// Where it connected from; Kafka writes `/10.0.0.1`.
    pub host: String,
}

/// Names one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId {
    partition: PartitionIndex,
    number: u64,
}

/// Records to append, as one batch, to a partition of `__consumer_offsets` with acks=all; then call `appended`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingWrite {
    /// Its name.
    pub id: WriteId,
    /// The partition of `__consumer_offsets`.
    pub partition: PartitionIndex,
    /// The leader epoch it was decided in; in another epoch it must not be appended (NOT_LEADER_OR_FOLLOWER).
    pub epoch: LeaderEpoch,
    /// Ms since the Unix epoch.
    pub timestamp: i64,
    /// Keys and values; at least one.
    pub records: Vec<(Bytes, Option<Bytes>)>,
}

impl PendingWrite {
    /// The records as one batch with base offset 0.
    pub fn batch(&self) -> Bytes {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        for (key, value) in &self.records {
            batch.push(self.timestamp, Some(key), value.as_deref(), &[]);
        }
        batch.build()
    }
}

/// The coordinator of all groups whose partition this broker leads.
#[derive(Debug)]
pub struct GroupCoordinator {
    core: Core,
    shards: SortedMap<PartitionIndex, Shard>,
    suspended: bool,
}

/// What all partitions share.
#[derive(Debug)]
struct Core {
    settings: Settings,
    rng: Rng,
    timers: Timers<Timer>,
    outbox: VecDeque<PendingWrite>,
    next_write: u64,
    gathers: SortedMap<ReplyToken, Gather>,
    /// Each topic's number of partitions; none before the broker has said.
    topics: Option<SortedMap<TopicName, usize>>,
}

#[derive(Debug)]
struct Settings {
    session_timeout_min: Duration,
    session_timeout_max: Duration,
    group_size_max: usize,
    initial_rebalance_delay: Duration,
    offset_metadata_max: usize,
    /// Until the broker has said how many `__consumer_offsets` really has.
    offsets_partitions: usize,
}

/// What may be due, of which partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A member's session, a new member's parked join, or a member id given out and not used.
    Session { partition: PartitionIndex, group: String, member: String },
    /// A rebalance's join phase, or the initial delay.
    Join { partition: PartitionIndex, group: String },
    /// A rebalance's sync phase.
    Sync { partition: PartitionIndex, group: String },
    /// A write.
    Write(WriteId),
    /// The look for expired offsets.
    Expiry(PartitionIndex),
}

/// A response made of the answers of several partitions.
#[derive(Debug)]
enum Gather {
    Fetch { version: i16, groups: Vec<Option<OffsetFetchResponseGroup>> },
    Delete { results: Vec<DeletableGroupResult>, waiting: usize },
}

/// One turn on one partition.
struct Turn<'a> {
    now: Instant,
    partition: PartitionIndex,
    core: &'a mut Core,
    fx: &'a mut Effects,
    /// Writes decided in this turn.
    drafts: Vec<Draft>,
}

/// A write before it has its name.
#[derive(Debug)]
struct Draft {
    records: Vec<GroupRecord>,
    then: Then,
}

impl GroupCoordinator {
    /// A coordinator that leads nothing yet.
    pub fn new(config: &BrokerConfig, rng: Rng) -> Self {
        let settings = Settings {
            session_timeout_min: config.group_min_session_timeout(),
            session_timeout_max: config.group_max_session_timeout(),
            group_size_max: config.group_max_size().max(1) as usize,
            initial_rebalance_delay: config.group_initial_rebalance_delay(),
            offset_metadata_max: config.offset_metadata_max_bytes().max(0) as usize,
            offsets_partitions: config.offsets_topic_num_partitions().max(1) as usize,
        };
        Self {
            core: Core {
                settings,
                rng,
                timers: Timers::default(),
                outbox: VecDeque::new(),
                next_write: 0,
                gathers: SortedMap::new(),
                topics: None,
            },
            shards: SortedMap::new(),
            suspended: false,
        }
    }

    /// Topics that are new or have other numbers of partitions than before, and those that are gone; all topics there are in
    /// the first call. Commits to others are refused with UNKNOWN_TOPIC_OR_PARTITION, and offsets of topics that are gone are
    /// deleted. Until the first call, every topic is taken to exist and `__consumer_offsets` to have the configured number
    /// of partitions.
    pub fn topics_changed(
        &mut self,
        now: Instant,
        changed: SortedMap<TopicName, usize>,
        gone: &[TopicName],
        fx: &mut Effects,
    ) {
        let topics = self.core.topics.get_or_insert_default();
        for topic in gone {
            topics.remove(topic);
        }
        topics.extend(changed);
        if gone.is_empty() {
            return;
        }
        let partitions: Vec<PartitionIndex> = self.shards.keys().copied().collect();
        for partition in partitions {
            self.on_shard(now, partition, fx, |shard, turn| shard.topics_deleted(turn, gone));
        }
    }

    /// How many partitions `__consumer_offsets` has.
    pub fn offsets_partitions(&self) -> usize {
        let topics = self.core.topics.as_ref();
        let actual = topics.and_then(|topics| topics.get(&TopicName::from(OFFSETS_TOPIC)));
        actual.copied().unwrap_or(self.core.settings.offsets_partitions)
    }

    /// This broker leads a partition of `__consumer_offsets`; its batches follow, from the first on.
    pub fn on_leader(
        &mut self,
        now: Instant,
        partition: PartitionIndex,
        epoch: LeaderEpoch,
        fx: &mut Effects,
    ) {
        if self.shards.get(&partition).is_some_and(|shard| shard.epoch() >= epoch) {
            return;
        }
        self.on_resigned(now, partition, fx);
        self.shards.insert(partition, Shard::new(epoch));
    }

    /// Whole batches of a partition, in order. Ignored in another epoch than `on_leader`'s.
    pub fn load(&mut self, partition: PartitionIndex, epoch: LeaderEpoch, batches: &Bytes) {
        if let Some(shard) = self.shards.get_mut(&partition).filter(|shard| shard.epoch() == epoch) {
            shard.load(batches);
        }
    }

    /// The log was handed in to its end. Requests are served once the high watermark has reached that end: what a
    /// coordinator answers from must never be taken back.
    pub fn loaded(
        &mut self,
        now: Instant,
        partition: PartitionIndex,
        epoch: LeaderEpoch,
        high_watermark: Offset,
        fx: &mut Effects,
    ) {
        if self.shards.get(&partition).is_some_and(|shard| shard.epoch() == epoch) {
            self.on_shard(now, partition, fx, |shard, turn| {
                shard.loaded();
                shard.committed(turn, high_watermark);
            });
        }
    }

    /// True once `partition` serves requests.
    pub fn is_active(&self, partition: PartitionIndex) -> bool {
        self.shards.get(&partition).is_some_and(Shard::is_active)
    }

    /// This broker no longer leads a partition: everything parked is answered with NOT_COORDINATOR.
    pub fn on_resigned(&mut self, now: Instant, partition: PartitionIndex, fx: &mut Effects) {
        self.on_shard(now, partition, fx, |shard, turn| shard.resign(turn));
        self.shards.remove(&partition);
        self.core.outbox.retain(|write| write.partition != partition);
    }

    /// Serves one of JoinGroup, SyncGroup, Heartbeat, LeaveGroup, OffsetCommit, OffsetDelete, OffsetFetch, DescribeGroups,
    /// ListGroups, DeleteGroups.
    pub fn handle(
        &mut self,
        now: Instant,
        token: ReplyToken,
        version: i16,
        client: ClientInfo,
        request: Request,
        fx: &mut Effects,
    ) {
        if let Some(error) = errors::unservable(&request, version, &self.core.settings) {
            return fx.reply(token, errors::error_response(&request, version, error));
        }
        match request {
            Request::OffsetFetch(request) => self.fetch_offsets(now, token, version, request, fx),
            Request::DescribeGroups(request) => self.describe_groups(token, version, request, fx),
            Request::ListGroups(request) => self.list_groups(token, request, fx),
            Request::DeleteGroups(request) => self.delete_groups(now, token, request, fx),
            request => match self.shard_of(errors::group_of(&request)) {
                Err(error) => fx.reply(token, errors::error_response(&request, version, error)),
                Ok(partition) => self.on_shard(now, partition, fx, |shard, turn| match request {
                    Request::JoinGroup(request) => shard.join(turn, token, version, &client, request),
                    Request::SyncGroup(request) => shard.sync(turn, token, version, request),
                    Request::Heartbeat(request) => shard.heartbeat(turn, token, request),
                    Request::LeaveGroup(request) => shard.leave(turn, token, version, request),
                    Request::OffsetCommit(request) => shard.commit_offsets(turn, token, version, request),
                    Request::OffsetDelete(request) => shard.delete_offsets(turn, token, request),
                    // The dispatcher sends no others here.
                    other => panic!("{:?} is not for the group coordinator", other.key()),
                }),
            },
        }
    }

    /// The writes decided since the last call, in order. Append them in this order.
    pub fn take_writes(&mut self) -> Vec<PendingWrite> {
        self.core.outbox.drain(..).collect()
    }

    /// A write is in the leader's log, up to the offset given (exclusive); or it was refused, and is undone.
    pub fn appended(
        &mut self,
        now: Instant,
        write: WriteId,
        result: Result<Offset, ErrorCode>,
        fx: &mut Effects,
    ) {
        self.on_shard(now, write.partition, fx, |shard, turn| shard.appended(turn, write, result));
    }

    /// The high watermark of a partition of `__consumer_offsets`: responses that waited for it leave.
    pub fn committed(
        &mut self,
        now: Instant,
        partition: PartitionIndex,
        high_watermark: Offset,
        fx: &mut Effects,
    ) {
        self.on_shard(now, partition, fx, |shard, turn| shard.committed(turn, high_watermark));
    }

    /// Storage lost what was appended at and after `from`, in an unchanged epoch: those writes have failed.
    pub fn lost(
        &mut self,
        now: Instant,
        partition: PartitionIndex,
        from: Offset,
        error: ErrorCode,
        fx: &mut Effects,
    ) {
        self.on_shard(now, partition, fx, |shard, turn| shard.lost(turn, from, error));
    }

    /// Everything whose time has come.
    pub fn tick(&mut self, now: Instant, fx: &mut Effects) {
        while let Some(timer) = self.core.timers.pop_due(now) {
            let partition = match &timer {
                Timer::Session { partition, .. }
                | Timer::Join { partition, .. }
                | Timer::Sync { partition, .. }
                | Timer::Expiry(partition) => *partition,
                Timer::Write(id) => id.partition,
            };
            self.on_shard(now, partition, fx, |shard, turn| match timer {
                Timer::Session { group, member, .. } => shard.session_expired(turn, &group, &member),
                Timer::Join { group, .. } => shard.join_phase_over(turn, &group),
                Timer::Sync { group, .. } => shard.sync_phase_over(turn, &group),
                Timer::Write(id) => shard.write_timed_out(turn, id),
                Timer::Expiry(_) => shard.expire_offsets(turn),
            });
        }
    }

    /// This broker could not run for so long: members that it could not hear get the time back.
    pub fn time_jumped(&mut self, late: Duration) {
        self.core.timers.postpone(late);
    }

    /// While set, requests are answered with COORDINATOR_LOAD_IN_PROGRESS: others may coordinate these groups by now, and
    /// what is known of them here be old.
    pub fn set_suspended(&mut self, suspended: bool) {
        self.suspended = suspended;
    }

    /// When `tick` is needed next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.core.timers.next()
    }

    /// The partition that serves `group`, or why none does.
    fn shard_of(&self, group: &str) -> Result<PartitionIndex, ErrorCode> {
        let partition = partition_for(group, self.offsets_partitions());
        match self.shards.get(&partition) {
            None => Err(ErrorCode::NotCoordinator),
            Some(shard) if !shard.is_active() || self.suspended => Err(ErrorCode::CoordinatorLoadInProgress),
            Some(_) => Ok(partition),
        }
    }

    /// One turn on a partition, if this broker leads it. The writes it decided go to the outbox.
    fn on_shard(
        &mut self,
        now: Instant,
        partition: PartitionIndex,
        fx: &mut Effects,
        act: impl FnOnce(&mut Shard, &mut Turn<'_>),
    ) {
        if let Some(shard) = self.shards.get_mut(&partition) {
            let mut turn = Turn { now, partition, core: &mut self.core, fx, drafts: Vec::new() };
            act(shard, &mut turn);
            shard.submit(&mut turn);
        }
    }
}

impl Turn<'_> {
    fn write(&mut self, records: Vec<GroupRecord>, then: Then) {
        self.drafts.push(Draft { records, then });
    }

    fn reply(&mut self, token: ReplyToken, response: impl Into<Response>) {
        self.fx.reply(token, response);
    }
}

impl Core {
    /// Fills one group's part of an OffsetFetch response; the response leaves with its last part.
    fn gathered_fetch(
        &mut self,
        token: ReplyToken,
        slot: usize,
        group: OffsetFetchResponseGroup,
        fx: &mut Effects,
    ) {
        let Some(Gather::Fetch { version, groups }) = self.gathers.get_mut(&token) else { return };
        let version = *version;
        if let Some(part) = groups.get_mut(slot) {
            *part = Some(group);
        }
        if groups.iter().any(Option::is_none) {
            return;
        }
        if let Some(Gather::Fetch { groups, .. }) = self.gathers.remove(&token) {
            let groups = groups.into_iter().flatten().collect();
            fx.reply(token, offsets::fetch_response(version, groups));
        }
    }

    /// Notes that one partition's write of a DeleteGroups request ended; the response leaves with the last.
    fn gathered_delete(
        &mut self,
        token: ReplyToken,
        slots: &[usize],
        error: Option<ErrorCode>,
        fx: &mut Effects,
    ) {
        let Some(Gather::Delete { results, waiting }) = self.gathers.get_mut(&token) else { return };
        if let Some(error) = error {
            for slot in slots {
                if let Some(result) = results.get_mut(*slot) {
                    result.error_code = error.code();
                }
            }
        }
        *waiting = waiting.saturating_sub(1);
        if *waiting > 0 {
            return;
        }
        if let Some(Gather::Delete { results, .. }) = self.gathers.remove(&token) {
            fx.reply(token, DeleteGroupsResponse::default().with_results(results));
        }
    }
}
