//! The replicas of one broker, and everything that waits for them.
//!
//! Each entry point changes partitions, notes which (`touched`), and ends in `finish`: high watermarks rise, waiting
//! operations are looked at again, and fetches and ISR changes go out.

use std::collections::BTreeMap;

use crate::config::{BrokerConfig, TopicConfig};
use crate::effects::{Effects, PeerResult, RequestId};
use crate::event::ClusterEvent;
use crate::log::io::{IoId, IoOp, IoResult};
use crate::log::{CompactionRules, LogConfig, LogOpening, Opened, PartitionLog, RecoveryReport};
use crate::mutation::{Mutation, mutated};
use crate::rng::Rng;
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, Timers, earliest};
use crate::types::{BrokerEpoch, BrokerId, LogId, Offset, TopicId, TopicName, TopicPartition};

use super::checkpoint::{self, HIGH_WATERMARK_CHECKPOINT_KEY};
use super::directory::{Known, is_eligible, is_internal};
use super::fetch::{DelayedFetch, ReadingFetch};
use super::fetcher::Fetcher;
use super::isr::IsrChanges;
use super::list_offsets::{DelayedListOffsets, Lookup};
use super::local::LocalReadId;
use super::partition::{Partition, Role};
use super::produce::DelayedProduce;
use super::purgatory::Purgatory;
use super::read_ahead::ReadAhead;
use super::retention::DelayedDeletion;
use super::session::FetchSessions;
use super::spec::{LiveBroker, PartitionSpec, RoleChange};
use super::storage::Unclaimed;

/// The ends of all logs, which serve most reads, take about this much memory, in bytes.
const TAIL_BYTES: usize = 24 * 1024 * 1024;
/// One log's end takes at most this much,
const TAIL_BYTES_MAX: usize = 4 * 1024 * 1024;
/// and this much even when there are many.
const TAIL_BYTES_MIN: usize = 64 * 1024;

/// What the manager does by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Chore {
    /// Look for followers that lag. Twice per `replica.lag.time.max.ms`, as Kafka does.
    CheckIsrs,
    /// Write the high watermark checkpoint.
    Checkpoint,
    /// Try failed storage again.
    RetryStorage,
    /// Delete segments whose time is over.
    Retention,
    /// Compact a log.
    Clean,
}

/// Whose storage operation it was.
#[derive(Debug, Clone, Copy)]
pub(super) enum IoFor {
    /// A log's own, told to it in order.
    Log { log: LogId, incarnation: u64 },
    /// The deletion of a log that is not here any more.
    Deletion(LogId),
    /// A fetch's read of one partition.
    Fetch { number: u64, entry: usize },
    /// What a fetch may want next.
    ReadAhead(u64),
    /// A look-up by time.
    Lookup(Lookup),
    /// A read for a coordinator.
    Local(LocalReadId),
    /// The high watermark checkpoint.
    Checkpoint,
}

/// The replicas of one broker (Kafka's `ReplicaManager`).
#[derive(Debug)]
pub struct ReplicaManager {
    pub(super) node_id: BrokerId,
    pub(super) config: BrokerConfig,
    pub(super) broker_epoch: Option<BrokerEpoch>,
    pub(super) controller: Option<BrokerId>,
    /// None until told: then every broker counts as alive.
    pub(super) live: Option<SortedMap<BrokerId, LiveBroker>>,
    /// Large: a vector of them would be moved about.
    pub(super) partitions: BTreeMap<LogId, Partition>,
    pub(super) known: SortedMap<LogId, Known>,
    pub(super) topics: SortedMap<TopicName, TopicId>,
    pub(super) unclaimed: SortedMap<LogId, Unclaimed>,
    /// Logs that storage failed to delete.
    pub(super) undeleted: SortedSet<LogId>,
    next_incarnation: u64,
    pub(super) produces: Purgatory<DelayedProduce>,
    pub(super) fetches: Purgatory<DelayedFetch>,
    pub(super) deletions: Purgatory<DelayedDeletion>,
    pub(super) sessions: FetchSessions,
    /// Fetches that wait for storage.
    pub(super) reading: SortedMap<u64, ReadingFetch>,
    pub(super) next_reading: u64,
    pub(super) read_ahead: ReadAhead,
    pub(super) lookups: SortedMap<u64, DelayedListOffsets>,
    pub(super) local: super::local::LocalReads,
    pub(super) fetchers: SortedMap<BrokerId, Fetcher>,
    /// Something about fetches has changed since they were sent last.
    pub(super) fetch_due: bool,
    pub(super) fetch_deadline: Option<Instant>,
    pub(super) isr_changes: IsrChanges,
    pub(super) ios: SortedMap<IoId, IoFor>,
    /// Partitions changed in this turn.
    pub(super) touched: SortedSet<LogId>,
    pub(super) progress: SortedMap<LogId, Offset>,
    pub(super) role_changes: Vec<RoleChange>,
    /// Set while others may lead what this broker led, and it has not heard of it yet.
    pub(super) suspended: bool,
    /// Set when others are to lead what this broker leads.
    pub(super) steps_aside: bool,
    pub(super) chores: Timers<Chore>,
    /// High watermarks as last written, or of logs not claimed yet.
    pub(super) checkpointed: SortedMap<LogId, Offset>,
    pub(super) checkpoint_due: bool,
}

impl ReplicaManager {
    /// The replicas that storage holds; each waits for the metadata log to claim it. The metadata log itself must have
    /// been taken out of `recovered`.
    pub fn new(config: &BrokerConfig, recovered: Opened, rng: Rng, now: Instant, fx: &mut Effects) -> Self {
        let checkpoint = recovered.meta.get(HIGH_WATERMARK_CHECKPOINT_KEY);
        let mut manager = Self {
            node_id: config.node_id,
            config: config.clone(),
            broker_epoch: None,
            controller: None,
            live: None,
            partitions: BTreeMap::new(),
            known: SortedMap::new(),
            topics: SortedMap::new(),
            unclaimed: SortedMap::new(),
            undeleted: SortedSet::new(),
            next_incarnation: 0,
            produces: Purgatory::default(),
            fetches: Purgatory::default(),
            deletions: Purgatory::default(),
            sessions: FetchSessions::new(config.fetch_session_cache_slots().max(0) as usize, rng),
            reading: SortedMap::new(),
            next_reading: 0,
            read_ahead: ReadAhead::default(),
            lookups: SortedMap::new(),
            local: Default::default(),
            fetchers: SortedMap::new(),
            fetch_due: false,
            fetch_deadline: None,
            isr_changes: IsrChanges::default(),
            ios: SortedMap::new(),
            touched: SortedSet::new(),
            progress: SortedMap::new(),
            role_changes: Vec::new(),
            suspended: false,
            steps_aside: false,
            chores: Timers::default(),
            checkpointed: checkpoint.map(|bytes| checkpoint::decode(bytes)).unwrap_or_default(),
            checkpoint_due: false,
        };
        for (id, found) in recovered.logs {
            manager.next_incarnation += 1;
            let incarnation = manager.next_incarnation;
            let (log, ops, reports) = PartitionLog::recover(id, LogConfig::default(), found, now);
            for op in ops {
                manager.ios.insert(fx.submit(op), IoFor::Log { log: id, incarnation });
            }
            manager.unclaimed.insert(id, Unclaimed { log, incarnation, reports });
        }
        manager.chores.set(Chore::CheckIsrs, now + manager.isr_check_interval());
        manager.chores.set(Chore::Retention, now + config.log_retention_check_interval());
        manager.chores.set(Chore::Clean, now + config.log_cleaner_backoff());
        manager
    }

    /// Takes what the metadata log says of partitions, all of the cluster's: those not replicated here are kept in mind to
    /// answer NOT_LEADER_OR_FOLLOWER. `removed` are logs of partitions that are gone. `broker_epoch` is this broker's
    /// registration; none leaves it as it was.
    pub fn apply(
        &mut self,
        now: Instant,
        changed: Vec<PartitionSpec>,
        removed: Vec<LogId>,
        broker_epoch: Option<BrokerEpoch>,
        fx: &mut Effects,
    ) {
        if broker_epoch.is_some() {
            self.broker_epoch = broker_epoch;
        }
        let hosted = self.partitions.len();
        for log in removed {
            self.forget(log);
            self.remove(log, fx);
        }
        for spec in changed {
            self.know(&spec);
            if spec.replicas.contains(&self.node_id) {
                self.apply_spec(now, &spec, fx);
            } else {
                self.remove(spec.log_id(), fx);
            }
        }
        if self.partitions.len() != hosted {
            self.share_tails();
        }
        self.finish(now, fx);
    }

    /// All logs' ends together stay within the memory that is for them, however many logs there are.
    fn share_tails(&mut self) {
        let share = (TAIL_BYTES / self.partitions.len().max(1)).clamp(TAIL_BYTES_MIN, TAIL_BYTES_MAX);
        self.partitions.values_mut().for_each(|partition| partition.log.set_tail_bytes(share));
    }

    /// Deletes the logs that storage held and no partition has claimed: of topics deleted while this broker was away.
    /// Call it once, when the metadata log has been replayed up to this broker's registration.
    pub fn remove_strays(&mut self, fx: &mut Effects) {
        let strays: Vec<LogId> = self.unclaimed.keys().copied().collect();
        for log in strays {
            self.remove(log, fx);
        }
    }

    /// Who takes ISR changes.
    pub fn set_controller(&mut self, now: Instant, controller: Option<BrokerId>, fx: &mut Effects) {
        if self.controller != controller {
            self.controller = controller;
            self.isr_changes.controller_changed();
            self.finish(now, fx);
        }
    }

    /// Brokers that are registered, unfenced and not shutting down: who may join an ISR, and where clients find leaders.
    pub fn set_live_brokers(&mut self, now: Instant, brokers: Vec<LiveBroker>, fx: &mut Effects) {
        self.live = Some(brokers.into_iter().map(|broker| (broker.id, broker)).collect());
        for fetcher in self.fetchers.values_mut() {
            fetcher.retry_now();
        }
        self.fetch_due = true;
        for log in self.led() {
            self.touched.insert(log);
            self.maybe_expand_isr_by_any(now, log);
        }
        self.finish(now, fx);
    }

    /// Partitions led by this broker whose high watermark moved since the last call.
    pub fn take_progress(&mut self) -> Vec<(TopicPartition, Offset)> {
        let progress = std::mem::take(&mut self.progress);
        progress
            .into_iter()
            .filter_map(|(log, offset)| Some((self.partitions.get(&log)?.tp.clone(), offset)))
            .collect()
    }

    /// What became of partitions of internal topics since the last call, in order.
    pub fn take_role_changes(&mut self) -> Vec<RoleChange> {
        std::mem::take(&mut self.role_changes)
    }

    /// Partitions led here with fewer in-sync replicas than `min.insync.replicas`.
    pub fn under_min_isr(&self) -> usize {
        let led = self.partitions.values().filter(|partition| partition.leading().is_some());
        led.filter(|partition| partition.is_under_min_isr()).count()
    }

    /// Takes the answer to a request of ours (fetches on `Lane::ReplicaFetch`, ISR changes on `Lane::Control`).
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        from: BrokerId,
        result: PeerResult,
        fx: &mut Effects,
    ) {
        match self.isr_changes.on_response(now, id, &result) {
            Some(decisions) => {
                for (log, proposal, decision) in decisions {
                    self.isr_decided(now, log, &proposal, decision, fx);
                }
            }
            None => self.fetched(now, id, from, result, fx),
        }
        self.finish(now, fx);
    }

    /// Takes the end of a storage operation of ours.
    pub fn handle_io(&mut self, now: Instant, io: IoId, result: IoResult, fx: &mut Effects) {
        match self.ios.remove(&io) {
            None => {}
            Some(IoFor::Log { log, incarnation }) => self.log_io_done(now, log, incarnation, &result, fx),
            Some(IoFor::Deletion(log)) => self.deletion_done(now, log, &result, fx),
            Some(IoFor::Fetch { number, entry }) => self.fetch_read(now, number, entry, result, fx),
            Some(IoFor::ReadAhead(id)) => self.read_ahead_done(now, id, result, fx),
            Some(IoFor::Lookup(lookup)) => self.lookup_read(lookup, result, fx),
            Some(IoFor::Local(id)) => self.local_read_done(id, result, fx),
            Some(IoFor::Checkpoint) => {
                if let IoResult::Failed(_) = result {
                    self.checkpoint_soon(now);
                }
            }
        }
        self.finish(now, fx);
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant, fx: &mut Effects) {
        if self.next_deadline().is_none_or(|at| at > now) {
            return;
        }
        self.fetch_due |= self.fetch_deadline.is_some_and(|at| at <= now);
        while let Some(at) = self.chores.next()
            && let Some(chore) = self.chores.pop_due(now)
        {
            match chore {
                Chore::CheckIsrs => self.check_isrs(now, at),
                Chore::Checkpoint => self.write_checkpoint(fx),
                Chore::RetryStorage => self.retry_storage(now, fx),
                Chore::Retention => self.retain(now, fx),
                Chore::Clean => self.clean_dirtiest(now, fx),
            }
        }
        self.finish(now, fx);
        self.expire_produces(now, fx);
        self.expire_fetches(now, fx);
        self.expire_deletions(now, fx);
    }

    /// When `tick` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        [
            self.chores.next(),
            self.produces.next_deadline(),
            self.fetches.next_deadline(),
            self.deletions.next_deadline(),
            self.fetch_deadline,
            self.isr_changes.next_deadline(),
        ]
        .into_iter()
        .fold(None, earliest)
    }

    /// Writes the high watermarks down, before this broker stops.
    pub fn shut_down(&mut self, fx: &mut Effects) {
        self.write_checkpoint(fx);
    }

    /// Until `resume` this broker appends nothing as leader, serves no consumer and acknowledges nothing: it was away, and
    /// others may lead in its place.
    pub fn suspend(&mut self) {
        self.suspended = !mutated(Mutation::PausedLeaderActs);
    }

    /// True between `suspend` and `resume`.
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// What it was told of leaders and epochs since then is up to date.
    pub fn resume(&mut self, now: Instant, fx: &mut Effects) {
        self.suspended = false;
        self.touched.extend(self.produces.logs());
        self.finish(now, fx);
    }

    // --- partitions ---

    fn apply_spec(&mut self, now: Instant, spec: &PartitionSpec, fx: &mut Effects) {
        let id = spec.log_id();
        if !self.partitions.contains_key(&id) {
            let partition = self.open(now, spec, fx);
            self.partitions.insert(id, partition);
        }
        let Some(partition) = self.partitions.get_mut(&id) else { return };
        partition.log.set_config(log_config(&spec.config, partition.log.config().tail_bytes));
        if spec.leader_epoch < partition.leader_epoch || spec.partition_epoch < partition.partition_epoch {
            partition.config = spec.config.clone();
            partition.reconsider_compaction(fx);
            return;
        }
        if spec.partition_epoch > partition.partition_epoch || spec.leader_epoch > partition.leader_epoch {
            self.isr_changes.withdraw(id);
        }
        let transition = partition.apply(now, self.node_id, spec);
        partition.reconsider_compaction(fx);
        if transition.changed {
            fx.event(partition.role_event());
        }
        if let Some((from, to)) = transition.cut {
            let (topic, partition) = (spec.tp.topic.clone(), spec.tp.partition);
            fx.event(ClusterEvent::Truncated { topic, partition, from, to });
        }
        if is_internal(&spec.tp.topic) {
            let tp = || spec.tp.clone();
            self.role_changes
                .extend(transition.resigned.map(|epoch| RoleChange::Resigned { tp: tp(), epoch }));
            if transition.elected {
                let epoch = spec.leader_epoch;
                self.role_changes.push(RoleChange::BecameLeader { tp: tp(), epoch });
            }
        }
        let follows = spec.leader.filter(|_| matches!(partition.role, Role::Follower { .. }));
        if transition.changed {
            self.fetch_from(id, follows);
        }
        self.submit_log_io(id, fx);
        self.touched.insert(id);
        self.maybe_expand_isr_by_any(now, id);
    }

    /// Opens a replica's log: the one that storage held, or a new one.
    fn open(&mut self, now: Instant, spec: &PartitionSpec, fx: &mut Effects) -> Partition {
        let id = spec.log_id();
        let found = self.unclaimed.remove(&id).unwrap_or_else(|| {
            self.next_incarnation += 1;
            let (mut log, _, _) = PartitionLog::recover(
                id,
                log_config(&spec.config, TAIL_BYTES_MIN),
                LogOpening::default(),
                now,
            );
            if self.undeleted.remove(&id) {
                log.truncate_fully_and_start_at(Offset::ZERO);
            }
            Unclaimed { log, incarnation: self.next_incarnation, reports: Vec::new() }
        });
        for RecoveryReport { end, bytes_cut, reason, .. } in found.reports {
            let (topic, partition) = (spec.tp.topic.clone(), spec.tp.partition);
            let reason = reason.to_string();
            fx.event(ClusterEvent::LogRecovered { topic, partition, end, bytes_cut, reason });
        }
        let high_watermark = self.checkpointed.get(&id).copied().unwrap_or_default();
        Partition::new(spec, found.incarnation, found.log, high_watermark)
    }

    /// Fetches a partition from this leader and no other.
    fn fetch_from(&mut self, log: LogId, leader: Option<BrokerId>) {
        for fetcher in self.fetchers.values_mut() {
            fetcher.remove(log);
        }
        self.fetchers.retain(|id, fetcher| !fetcher.is_empty() || Some(*id) == leader);
        if let Some(leader) = leader {
            self.fetchers.entry(leader).or_insert_with(|| Fetcher::new(leader)).add(log);
            self.fetch_due = true;
        }
    }

    /// Deletes a replica and its log.
    fn remove(&mut self, id: LogId, fx: &mut Effects) {
        if let Some(mut stray) = self.unclaimed.remove(&id) {
            stray.log.delete_all();
            self.submit_deletion(id, stray.log.take_io(), fx);
        }
        let Some(mut partition) = self.partitions.remove(&id) else { return };
        self.fetch_from(id, None);
        self.isr_changes.withdraw(id);
        if partition.leading().is_some() && is_internal(&partition.tp.topic) {
            let (tp, epoch) = (partition.tp.clone(), partition.leader_epoch);
            self.role_changes.push(RoleChange::Resigned { tp, epoch });
        }
        partition.log.delete_all();
        self.submit_deletion(id, partition.log.take_io(), fx);
        self.progress.remove(&id);
        self.touched.insert(id);
    }

    pub(super) fn submit_deletion(&mut self, log: LogId, ops: Vec<IoOp>, fx: &mut Effects) {
        self.checkpoint_due |= self.checkpointed.remove(&log).is_some();
        for op in ops {
            self.ios.insert(fx.submit(op), IoFor::Deletion(log));
        }
    }

    // --- the end of a turn ---

    /// What every entry point ends in.
    pub(super) fn finish(&mut self, now: Instant, fx: &mut Effects) {
        self.settle_touched(now, fx);
        self.send_fetches(now, fx);
        self.send_isr_changes(now, fx);
        if std::mem::take(&mut self.checkpoint_due) {
            self.checkpoint_soon(now);
        }
    }

    /// Lets high watermarks rise, and wakes what waits for the partitions of this turn.
    pub(super) fn settle_touched(&mut self, now: Instant, fx: &mut Effects) {
        let lag_max = self.config.replica_lag_time_max();
        while let Some(log) = self.touched.pop_first() {
            for fetcher in self.fetchers.values_mut() {
                self.fetch_due |= fetcher.look_at(log);
            }
            let mut told_late = false;
            if let Some(partition) = self.partitions.get_mut(&log) {
                let live = self.live.as_ref();
                if partition.advance_high_watermark(now, lag_max, |id, epoch| is_eligible(live, id, epoch)) {
                    self.checkpoint_due = true;
                    if partition.leading().is_some() {
                        self.progress.insert(log, partition.high_watermark);
                        told_late = true;
                    }
                }
                if let Some(event) = partition.progress_event() {
                    fx.event(event);
                }
                if let Some(event) = partition.segments_event() {
                    fx.event(event);
                }
            }
            if told_late {
                self.tell_followers_soon(now, log);
            }
            self.wake_produces(log, fx);
            self.wake_fetches(now, log, fx);
            self.wake_deletions(log, fx);
        }
    }

    pub(super) fn isr_check_interval(&self) -> Duration {
        self.config.replica_lag_time_max() / 2
    }
}

fn log_config(topic: &TopicConfig, tail_bytes: usize) -> LogConfig {
    let compaction = topic.compact.then_some(CompactionRules {
        min_lag: topic.min_compaction_lag,
        max_lag: topic.max_compaction_lag,
        delete_retention: topic.delete_retention,
    });
    let segment_ms = match topic.max_compaction_lag {
        // The active segment is not compacted: it must not stay active for longer.
        Some(lag) if topic.compact => topic.segment.min(lag),
        _ => topic.segment,
    };
    LogConfig {
        segment_bytes: topic.segment_bytes,
        segment_ms,
        compaction,
        flush: topic.flush,
        tail_bytes,
        max_message_bytes: topic.max_message_bytes,
        log_append_time: topic.log_append_time,
        delete: topic.delete,
        retention: topic.retention,
        retention_bytes: topic.retention_bytes,
        ..LogConfig::default()
    }
}
