//! One replica of a partition on this broker: its log, its role and its high watermark.
//!
//! | role | takes produces | fetches from the leader | leaves it when the metadata log names |
//! |---|---|---|---|
//! | leader | yes | no | another leader, or none |
//! | follower | no | yes | this broker, or none, as leader; or another leader, which it then follows |
//! | offline | no | no | a leader |

use crate::config::TopicConfig;
use crate::effects::Effects;
use crate::event::ClusterEvent;
use crate::log::{AppendError, AppendInfo, Damaged, NewRecords, PartitionLog};
use crate::mutation::{Mutation, mutated};
use crate::protocol::ErrorCode;
use crate::time::{Duration, Instant};
use crate::types::{BrokerEpoch, BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch, TopicPartition};

use super::compaction::Compacting;
use super::leader::{FollowerFetch, Leader};
use super::spec::PartitionSpec;

/// What this broker is to a partition.
#[derive(Debug)]
pub(super) enum Role {
    /// It leads.
    Leader(Leader),
    /// It follows.
    Follower {
        /// The leader's high watermark, as it said last.
        leader_high_watermark: Offset,
    },
    /// Nobody leads.
    Offline,
}

/// What the metadata log's word on a partition changed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RoleTransition {
    /// The leader epoch that this broker led in before, if it leads no longer or in another epoch.
    pub(super) resigned: Option<LeaderEpoch>,
    /// True when this broker leads in a new epoch.
    pub(super) elected: bool,
    /// True when role, leader or leader epoch are new.
    pub(super) changed: bool,
    /// What this broker cut off its log, from the end it had before, to fetch it from the leader.
    pub(super) cut: Option<(Offset, Offset)>,
}

/// A replica on this broker.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) id: LogId,
    pub(super) tp: TopicPartition,
    /// Tells this life of the log from an earlier one under the same id.
    pub(super) incarnation: u64,
    pub(super) log: PartitionLog,
    pub(super) config: TopicConfig,
    pub(super) leader: Option<BrokerId>,
    pub(super) leader_epoch: LeaderEpoch,
    pub(super) partition_epoch: PartitionEpoch,
    pub(super) replicas: Vec<BrokerId>,
    /// The committed ISR.
    pub(super) isr: Vec<BrokerId>,
    pub(super) high_watermark: Offset,
    pub(super) role: Role,
    /// The cleaning of its log that is under way.
    pub(super) compacting: Option<Compacting>,
    progress_told: Option<(Offset, Offset, Offset)>,
    /// The active segment's base, and how many are closed with how many bytes.
    segments_told: Option<(Offset, usize, u64)>,
    /// Readers come again and again to the same place.
    damage_told: Option<Offset>,
    /// Where storage has lost what was there, while this broker waits for another to lead.
    damaged_at: Option<Offset>,
}

impl Partition {
    /// A replica in no role yet. `high_watermark` is the checkpointed one.
    pub(super) fn new(
        spec: &PartitionSpec,
        incarnation: u64,
        log: PartitionLog,
        high_watermark: Offset,
    ) -> Self {
        let high_watermark = high_watermark.min(log.log_end_offset()).max(log.log_start_offset());
        Self {
            id: spec.log_id(),
            tp: spec.tp.clone(),
            incarnation,
            log,
            config: spec.config.clone(),
            leader: None,
            leader_epoch: spec.leader_epoch,
            partition_epoch: spec.partition_epoch,
            replicas: Vec::new(),
            isr: Vec::new(),
            high_watermark,
            role: Role::Offline,
            compacting: None,
            progress_told: None,
            segments_told: None,
            damage_told: None,
            damaged_at: None,
        }
    }

    /// A reader came to where storage has lost what was there. True when another replica is to lead because of it.
    pub(super) fn found_damaged(&mut self, damaged: Damaged, fx: &mut Effects) -> bool {
        let Damaged { at, next } = damaged;
        if self.damage_told.replace(at) != Some(at) {
            let TopicPartition { topic, partition } = self.tp.clone();
            fx.event(ClusterEvent::LogDamaged { topic, partition, from: at, to: next });
        }
        let steps_aside = self.leading().is_some() && self.isr.len() > 1;
        if steps_aside {
            self.damaged_at = Some(at);
            self.role = Role::Offline;
        }
        steps_aside
    }

    /// Takes the role that the metadata log says. The caller has checked that `spec` is not older than what is known.
    pub(super) fn apply(&mut self, now: Instant, node_id: BrokerId, spec: &PartitionSpec) -> RoleTransition {
        let fresh = self.replicas.is_empty();
        let new_epoch = fresh || spec.leader_epoch > self.leader_epoch;
        let changed = new_epoch || spec.leader != self.leader;
        let led = matches!(self.role, Role::Leader(_)).then_some(self.leader_epoch);
        // In an epoch that was missed another may have led, and followers may have cut what they had told us of.
        let next = fresh || spec.leader_epoch <= self.leader_epoch.next();
        if new_epoch || spec.partition_epoch > self.partition_epoch {
            self.isr = spec.isr.clone();
            if let Role::Leader(leader) = &mut self.role {
                leader.pending_isr = None;
            }
        }
        self.config = spec.config.clone();
        self.replicas = spec.replicas.clone();
        self.leader = spec.leader;
        self.leader_epoch = spec.leader_epoch;
        self.partition_epoch = spec.partition_epoch;
        let mut cut = None;
        match spec.leader {
            // Until another leads.
            Some(leader) if leader == node_id && self.damaged_at.is_some() && !new_epoch => {}
            Some(leader) if leader == node_id => self.lead(now, node_id, new_epoch, next),
            Some(_) => cut = self.follow(),
            None => self.role = Role::Offline,
        }
        let leads = matches!(self.role, Role::Leader(_));
        RoleTransition {
            resigned: led.filter(|_| !leads || new_epoch),
            elected: leads && (led.is_none() || new_epoch),
            changed,
            cut,
        }
    }

    fn lead(&mut self, now: Instant, node_id: BrokerId, new_epoch: bool, next: bool) {
        // Elected all the same: nobody else is in sync any more.
        self.damaged_at = None;
        let followers = self.replicas.iter().copied().filter(|id| *id != node_id);
        let end = self.log.log_end_offset();
        match &mut self.role {
            Role::Leader(leader) if next => {
                leader.assign(now, followers, &self.isr);
                if new_epoch {
                    leader.new_epoch(now, end, &self.isr);
                }
            }
            _ => self.role = Role::Leader(Leader::new(now, end, followers, &self.isr)),
        }
    }

    fn follow(&mut self) -> Option<(Offset, Offset)> {
        if mutated(Mutation::TruncateToHighWatermark) {
            self.log.truncate_to(self.high_watermark);
        }
        if !matches!(self.role, Role::Follower { .. }) {
            self.role = Role::Follower { leader_high_watermark: self.high_watermark };
        }
        let at = self.damaged_at.take()?;
        let from = self.log.log_end_offset();
        let to = self.log.truncate_to(at);
        self.log_cut();
        Some((from, to))
    }

    /// The role, in the page's words.
    pub(super) fn role_event(&self) -> ClusterEvent {
        ClusterEvent::PartitionRole {
            topic: self.tp.topic.clone(),
            partition: self.tp.partition,
            role: match self.role {
                Role::Leader(_) => "leader",
                Role::Follower { .. } => "follower",
                Role::Offline => "offline",
            },
            leader: self.leader,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
        }
    }

    /// How far the replica is, if that has changed since this was last asked.
    pub(super) fn progress_event(&mut self) -> Option<ClusterEvent> {
        let now = (self.log.log_start_offset(), self.high_watermark, self.log.log_end_offset());
        if self.progress_told == Some(now) {
            return None;
        }
        self.progress_told = Some(now);
        Some(ClusterEvent::PartitionProgress {
            topic: self.tp.topic.clone(),
            partition: self.tp.partition,
            log_start: now.0,
            high_watermark: now.1,
            log_end: now.2,
            bytes: self.log.size_bytes(),
        })
    }

    /// The log's segments, if they have changed since this was last asked.
    pub(super) fn segments_event(&mut self) -> Option<ClusterEvent> {
        let segments = self.log.segments();
        let (active, closed) = segments.split_last()?;
        // Rolling and cutting change the active one, deletion and compaction what the closed ones hold.
        let now = (active.base, closed.len(), closed.iter().map(|segment| segment.facts.size_bytes).sum());
        if self.segments_told == Some(now) {
            return None;
        }
        self.segments_told = Some(now);
        Some(ClusterEvent::LogSegments {
            topic: self.tp.topic.clone(),
            partition: self.tp.partition,
            segments: segments.iter().map(|segment| (segment.base, segment.facts.size_bytes)).collect(),
        })
    }

    /// The leader's state, if this broker leads.
    pub(super) fn leading(&self) -> Option<&Leader> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    /// The leader's state, to change.
    pub(super) fn leading_mut(&mut self) -> Option<&mut Leader> {
        match &mut self.role {
            Role::Leader(leader) => Some(leader),
            _ => None,
        }
    }

    /// The leader's state, if this broker leads in the epoch that the request names (KIP-320); none named is any.
    pub(super) fn leading_in(&self, epoch: Option<LeaderEpoch>) -> Result<&Leader, ErrorCode> {
        match epoch {
            Some(epoch) if epoch < self.leader_epoch => Err(ErrorCode::FencedLeaderEpoch),
            Some(epoch) if epoch > self.leader_epoch => Err(ErrorCode::UnknownLeaderEpoch),
            _ => self.leading().ok_or(ErrorCode::NotLeaderOrFollower),
        }
    }

    /// `min.insync.replicas`, but never more than there are replicas (KIP-966).
    fn min_insync_replicas(&self) -> usize {
        self.config.min_insync_replicas.min(self.replicas.len())
    }

    /// True while the committed ISR is smaller than `min.insync.replicas`: acks=all is refused and the high watermark
    /// stands still (KIP-966).
    pub(super) fn is_under_min_isr(&self) -> bool {
        self.isr.len() < self.min_insync_replicas() && !mutated(Mutation::IgnoreMinIsr)
    }

    /// True when the replica is in the ISR, or in one that the controller was asked for.
    fn in_maximal_isr(&self, leader: &Leader, id: BrokerId) -> bool {
        if mutated(Mutation::ShrinkIsrAtOnce)
            && let Some(pending) = &leader.pending_isr
        {
            return pending.contains(&id);
        }
        self.isr.contains(&id) || leader.pending_isr.as_ref().is_some_and(|isr| isr.contains(&id))
    }

    /// Appends as leader.
    pub(super) fn append_as_leader(
        &mut self,
        now: Instant,
        records: NewRecords<'_>,
        acks_all: bool,
    ) -> Result<AppendInfo, AppendRefusal> {
        let leader = self.leading().ok_or(AppendRefusal::Code(ErrorCode::NotLeaderOrFollower))?;
        if acks_all && self.is_under_min_isr() {
            return Err(AppendRefusal::Code(ErrorCode::NotEnoughReplicas));
        }
        if leader.followers_ahead() {
            return Err(AppendRefusal::Log(AppendError::StorageFailed));
        }
        self.log.append_as_leader(records, self.leader_epoch, now).map_err(AppendRefusal::Log)
    }

    /// Whether what ends at `required` (exclusive) and was appended in `epoch` may be acknowledged; none while that is
    /// open. `acks_all` waits for the high watermark, else for the leader's own storage.
    pub(super) fn acknowledgement(
        &self,
        required: Offset,
        epoch: LeaderEpoch,
        acks_all: bool,
    ) -> Option<Result<(), ErrorCode>> {
        if self.leading().is_none() || self.leader_epoch != epoch {
            if mutated(Mutation::AckAfterDeposed) {
                return Some(Ok(()));
            }
            return Some(Err(ErrorCode::NotLeaderOrFollower));
        }
        if self.log.log_end_offset() < required {
            return Some(Err(ErrorCode::KafkaStorageError));
        }
        if !acks_all {
            let durable = self.log.durable_end_offset() >= required;
            return (durable || mutated(Mutation::AckOneBeforeDurable)).then_some(Ok(()));
        }
        if self.high_watermark < required {
            return None;
        }
        Some(if self.is_under_min_isr() { Err(ErrorCode::NotEnoughReplicasAfterAppend) } else { Ok(()) })
    }

    /// The end of the largest epoch at or below `epoch`, with that epoch (KIP-101, KIP-279). An epoch that has begun
    /// but holds no record yet ends where the log ends.
    pub(super) fn end_offset_for_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let Some(leader) = self.leading() else { return self.log.end_offset_for_epoch(epoch) };
        if epoch == self.leader_epoch {
            return Some((epoch, self.log.log_end_offset()));
        }
        if epoch > self.leader_epoch {
            return None;
        }
        match self.log.latest_epoch() {
            // An empty log has no epochs; whatever was written in earlier ones is not part of it.
            None => Some((epoch, leader.epoch_start)),
            Some(latest) if latest <= epoch => Some((latest, leader.epoch_start)),
            _ => self.log.end_offset_for_epoch(epoch),
        }
    }

    /// Takes note of a follower's fetch. The offset must be within the log.
    pub(super) fn follower_fetched(&mut self, now: Instant, fetch: FollowerFetch) {
        let (start, end) = (self.log.log_start_offset(), self.log.log_end_offset());
        if let Role::Leader(leader) = &mut self.role
            && fetch.offset >= start
            && fetch.offset <= end
        {
            leader.fetched(now, fetch, end);
        }
    }

    /// The ISR to ask for so that `follower` joins it; none if it can't, or an answer is outstanding.
    pub(super) fn expanded_isr(&self, follower: BrokerId) -> Option<Vec<BrokerId>> {
        let leader = self.leading()?;
        let end = leader.follower(follower)?.log_end?;
        let joins = leader.pending_isr.is_none()
            && !self.isr.contains(&follower)
            && end >= self.high_watermark
            && end >= leader.epoch_start;
        joins.then(|| self.isr.iter().copied().chain([follower]).collect())
    }

    /// The ISR to ask for so that followers which lag by more than `lag_max` leave it; none if there are none, or an
    /// answer is outstanding.
    pub(super) fn shrunk_isr(&self, now: Instant, lag_max: Duration) -> Option<Vec<BrokerId>> {
        let leader = self.leading()?;
        if leader.pending_isr.is_some() {
            return None;
        }
        let end = self.log.log_end_offset();
        let keeps_up = |id: &BrokerId| {
            leader.follower(*id).is_none_or(|follower| follower.is_caught_up(now, end, lag_max))
        };
        let isr: Vec<BrokerId> = self.isr.iter().copied().filter(keeps_up).collect();
        (isr.len() < self.isr.len()).then_some(isr)
    }

    /// Raises the high watermark as far as the replicas' durable ends allow. True if it moved.
    ///
    /// A leader also waits for followers outside the ISR that keep up: under a steady load they could otherwise never
    /// reach the high watermark and join.
    pub(super) fn advance_high_watermark(
        &mut self,
        now: Instant,
        lag_max: Duration,
        eligible: impl Fn(BrokerId, Option<BrokerEpoch>) -> bool,
    ) -> bool {
        let durable_end = match mutated(Mutation::AckBeforeDurable) {
            true => self.log.log_end_offset(),
            false => self.log.durable_end_offset(),
        };
        let reached = match &self.role {
            Role::Leader(_) if self.is_under_min_isr() => return false,
            Role::Leader(leader) => {
                let end = self.log.log_end_offset();
                let mut reached = Some(durable_end);
                for (id, follower) in leader.followers() {
                    let counts = self.in_maximal_isr(leader, id)
                        || (follower.is_caught_up(now, end, lag_max)
                            && follower.log_end.is_some()
                            && eligible(id, follower.broker_epoch));
                    if counts {
                        reached = reached.min(follower.log_end);
                    }
                }
                reached
            }
            Role::Follower { leader_high_watermark } => Some(durable_end.min(*leader_high_watermark)),
            Role::Offline => None,
        };
        let moved = reached.is_some_and(|reached| reached > self.high_watermark);
        if let Some(reached) = reached.filter(|_| moved) {
            self.high_watermark = reached;
        }
        moved
    }

    /// The log is shorter now, by a truncation or a failed write.
    pub(super) fn log_cut(&mut self) {
        let end = self.log.log_end_offset();
        self.high_watermark = self.high_watermark.min(end).max(self.log.log_start_offset());
        if let Role::Leader(leader) = &mut self.role {
            leader.cut_back(end);
        }
    }

    /// True when everything in the log is durable, so that a follower may ask for what comes next (ordering law 3).
    pub(super) fn is_settled(&self) -> bool {
        let settled = self.log.end_is_idle()
            && !self.log.is_truncating()
            && self.log.durable_end_offset() == self.log.log_end_offset();
        settled || mutated(Mutation::FollowerPromisesUnflushedTail)
    }
}

/// Why a leader took nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AppendRefusal {
    /// For a reason of replication.
    Code(ErrorCode),
    /// For a reason of the log.
    Log(AppendError),
}
