//! What must hold at every moment of a run, one file each with its source; and the checker that looks at whatever a step
//! may have changed.

mod acked_records_kept;
mod commits_durable;
mod consumers_see_committed;
mod elections_needed;
mod epochs_monotonic;
mod group_offsets_monotonic;
mod high_watermark_monotonic;
mod images_agree;
mod isr_members;
mod leader_completeness;
mod log_matching;
mod losses;
mod no_duplicates;
mod no_stale_leaders;
mod one_leader;
mod one_owner;
mod partition_order;
mod progress;
mod reassignments_complete;
mod replicas_agree;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::broker::Broker;
use crate::log::{PartitionLog, ReadOutcome};
use crate::protocol::batch::batches;
use crate::protocol::records::Record;
use crate::replica::{Glance, ReplicaStatus};
use crate::types::{
    BrokerId, LeaderEpoch, LogId, OFFSETS_TOPIC, Offset, PartitionIndex, TopicId, TopicPartition,
};

use super::history::{BatchMark, History};
use super::storage::MemoryStorage;
use super::world::World;

pub use acked_records_kept::AckedRecordsKept;
pub use consumers_see_committed::ConsumersSeeCommitted;
pub use group_offsets_monotonic::GroupOffsetsMonotonic;
pub use no_duplicates::NoDuplicates;
pub use no_stale_leaders::NoStaleLeaders;
pub use one_owner::OneOwner;
pub use partition_order::PartitionOrder;
pub use progress::{all_caught_up, metadata_caught_up};

use commits_durable::CommitsDurable;
use elections_needed::ElectionsNeeded;
use epochs_monotonic::EpochsMonotonic;
use high_watermark_monotonic::HighWatermarkMonotonic;
use images_agree::ImagesAgree;
use isr_members::IsrMembers;
use leader_completeness::LeaderCompleteness;
use log_matching::LogMatching;
use losses::Losses;
use one_leader::OneLeader;
use reassignments_complete::ReassignmentsComplete;
use replicas_agree::ReplicasAgree;

/// Something that must hold does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name: its file.
    pub invariant: &'static str,
    /// What was found.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// What an invariant's check gives.
pub type Checked = Result<(), Violation>;

/// A replica (or a quorum node's log) that a step may have changed.
pub(super) struct Look<'a> {
    pub(super) broker: BrokerId,
    /// Which life of the broker.
    pub(super) life: u64,
    pub(super) id: LogId,
    /// None for the metadata log.
    pub(super) tp: Option<&'a TopicPartition>,
    pub(super) log: &'a PartitionLog,
    pub(super) high_watermark: Offset,
    /// The leader epoch it is in.
    pub(super) epoch: LeaderEpoch,
    /// The epoch, if it leads.
    pub(super) leads: Option<LeaderEpoch>,
}

impl Look<'_> {
    /// How the log is named in what is printed.
    pub(super) fn name(&self) -> String {
        self.tp.map_or_else(|| "the metadata log".to_owned(), ToString::to_string)
    }

    fn quorum_glance(&self) -> QuorumGlance {
        QuorumGlance {
            leads: self.leads,
            truncations: self.log.truncations(),
            log_end: self.log.log_end_offset(),
            durable_end: self.log.durable_end_offset(),
            high_watermark: self.high_watermark,
        }
    }
}

/// How much of a replica has been looked at.
#[derive(Debug, Default)]
struct Watch {
    life: u64,
    truncations: u64,
    log_end: Offset,
    durable_end: Offset,
    high_watermark: Offset,
    leads: Option<LeaderEpoch>,
    /// Batches below it were compared with those of the same epochs elsewhere.
    matched: Offset,
    last: Option<BatchMark>,
    /// Batches below it were compared with what is committed.
    agreed: Offset,
}

/// How a broker's logs were when they were looked at last. Most steps change none of them, or one: this finds out which,
/// without a search for each.
#[derive(Debug, Default)]
struct Seen {
    life: u64,
    quorum: Option<QuorumGlance>,
    /// In the order of their ids.
    replicas: Vec<(LogId, Glance)>,
}

/// What changes when anything of the metadata log changes on a node.
#[derive(Debug, PartialEq, Eq)]
struct QuorumGlance {
    leads: Option<LeaderEpoch>,
    truncations: u64,
    log_end: Offset,
    durable_end: Offset,
    high_watermark: Offset,
}

/// Checks what brokers hold.
#[derive(Debug, Default)]
pub struct Checker {
    /// What was committed so far.
    pub history: History,
    /// See there.
    pub losses: Losses,
    watches: BTreeMap<(BrokerId, LogId), Watch>,
    seen: BTreeMap<BrokerId, Seen>,
    one_leader: OneLeader,
    log_matching: LogMatching,
    leader_completeness: LeaderCompleteness,
    epochs: EpochsMonotonic,
    elections: ElectionsNeeded,
    images: ImagesAgree,
    isr_members: IsrMembers,
    reassignments: ReassignmentsComplete,
    high_watermark: HighWatermarkMonotonic,
    replicas_agree: ReplicasAgree,
    commits_durable: CommitsDurable,
    /// Leaders that come back from a pause.
    pub stale_leaders: NoStaleLeaders,
    /// Duplicates and order among what is committed.
    pub no_duplicates: NoDuplicates,
    /// See there.
    pub group_offsets: GroupOffsetsMonotonic,
}

impl Checker {
    /// Looks at one broker after a step.
    pub fn look_at(&mut self, world: &World, id: BrokerId) -> Checked {
        let (Some(broker), Some(storage)) = (world.broker(id), world.storage(id)) else { return Ok(()) };
        let life = world.incarnation(id);
        let quorum = broker.quorum();
        let epoch = quorum.epoch();
        let leads = quorum.is_leader().then_some(epoch);
        self.epochs.quorum(id, life, epoch, storage)?;
        self.elections.quorum(world.now(), id, quorum)?;
        let look = Look {
            broker: id,
            life,
            id: LogId::METADATA,
            tp: None,
            log: quorum.log(),
            high_watermark: quorum.high_watermark(),
            epoch,
            leads,
        };
        let mut seen = self.seen.remove(&id).unwrap_or_default();
        if seen.life != life {
            seen = Seen { life, ..Seen::default() };
            self.forget_removed(id, broker);
        }
        let glance = Some(look.quorum_glance());
        if seen.quorum != glance {
            self.look(world, storage, &look, None)?;
            seen.quorum = glance;
        }
        let (replayed, image) = (broker.replayed(), broker.image());
        self.images.replayed(id, replayed, image)?;
        self.reassignments.replayed(replayed, image)?;
        if let Some(snapshot) = quorum.latest_snapshot() {
            self.images.snapshot(id, snapshot)?;
        }
        self.isr_members.replayed(world, replayed, image, &self.history, &self.losses)?;
        self.look_at_replicas(world, id, &mut seen.replicas)?;
        self.seen.insert(id, seen);
        Ok(())
    }

    /// Looks at those replicas of a broker that are not as they were `seen` last.
    fn look_at_replicas(&mut self, world: &World, id: BrokerId, seen: &mut Vec<(LogId, Glance)>) -> Checked {
        let Some(broker) = world.broker(id) else { return Ok(()) };
        let replicas = broker.replicas();
        if !replicas.glances().map(|(log, ..)| log).eq(seen.iter().map(|(log, _)| *log)) {
            self.forget_removed(id, broker);
            let known: BTreeMap<LogId, Glance> = seen.drain(..).collect();
            for (log, tp, glance) in replicas.glances() {
                if known.get(&log) != Some(&glance) {
                    self.look_at_replica(world, id, tp)?;
                }
                seen.push((log, glance));
            }
            return Ok(());
        }
        for ((_, tp, glance), (_, seen)) in replicas.glances().zip(seen) {
            if *seen != glance {
                self.look_at_replica(world, id, tp)?;
                *seen = glance;
            }
        }
        Ok(())
    }

    fn look_at_replica(&mut self, world: &World, id: BrokerId, tp: &TopicPartition) -> Checked {
        let (Some(broker), Some(storage)) = (world.broker(id), world.storage(id)) else { return Ok(()) };
        let (Some(status), Some(log)) = (broker.replicas().status(tp), broker.replicas().log(tp)) else {
            return Ok(());
        };
        let look = Look {
            broker: id,
            life: world.incarnation(id),
            id: log.id(),
            tp: Some(tp),
            log,
            high_watermark: status.high_watermark,
            epoch: status.leader_epoch,
            leads: (status.role == "leader").then_some(status.leader_epoch),
        };
        self.epochs.partition(&look, status.leader_epoch)?;
        self.look(world, storage, &look, Some(&status))
    }

    /// What was seen of a broker's replicas.
    fn watches_of(&self, id: BrokerId) -> impl Iterator<Item = (LogId, &Watch)> {
        let first = LogId { topic_id: TopicId::default(), partition: PartitionIndex(0) };
        let theirs = self.watches.range((id, first)..).take_while(move |((of, _), _)| *of == id);
        theirs.map(|((_, log), watch)| (*log, watch)).filter(|(log, _)| *log != LogId::METADATA)
    }

    /// A replica that was taken off a broker, and comes back, is another one.
    fn forget_removed(&mut self, id: BrokerId, broker: &Broker) {
        // Both in the order of their ids.
        let mut hosted = broker.replicas().glances().map(|(log, _, _)| log).peekable();
        let mut removed = Vec::new();
        for (log, _) in self.watches_of(id) {
            while hosted.next_if(|other| *other < log).is_some() {}
            if hosted.peek() != Some(&log) {
                removed.push(log);
            }
        }
        for log in removed {
            self.watches.remove(&(id, log));
            self.log_matching.forget(id, log);
            self.high_watermark.forget(id, log);
        }
    }

    fn look(
        &mut self,
        world: &World,
        storage: &MemoryStorage,
        look: &Look<'_>,
        status: Option<&ReplicaStatus>,
    ) -> Checked {
        let watch = self.watches.entry((look.broker, look.id)).or_default();
        let end = look.log.log_end_offset();
        let unchanged = watch.life == look.life
            && watch.truncations == look.log.truncations()
            && watch.log_end == end
            && watch.durable_end == look.log.durable_end_offset()
            && watch.high_watermark == look.high_watermark
            && watch.leads == look.leads;
        let elected = look.leads.is_some() && (watch.leads != look.leads || watch.life != look.life);
        if watch.life != look.life || watch.truncations != look.log.truncations() {
            watch.matched = look.log.log_start_offset();
            watch.agreed = watch.matched;
            watch.last = None;
            self.log_matching.forget(look.broker, look.id);
        }
        watch.life = look.life;
        watch.truncations = look.log.truncations();
        watch.log_end = end;
        watch.durable_end = look.log.durable_end_offset();
        watch.high_watermark = look.high_watermark;
        watch.leads = look.leads;
        if !unchanged {
            self.look_at_log(world, storage, look, status, elected)?;
        }
        let known = status.map(|status| status.partition_epoch).unwrap_or_default();
        let taken_off = |id| self.reassignments.took_off(look.id, id, known);
        self.commits_durable.look(world, look, status, &self.losses, taken_off)
    }

    /// Looks at what a log has become.
    fn look_at_log(
        &mut self,
        world: &World,
        storage: &MemoryStorage,
        look: &Look<'_>,
        status: Option<&ReplicaStatus>,
        elected: bool,
    ) -> Checked {
        self.one_leader.look(world, look)?;
        self.stale_leaders.look(look)?;
        self.high_watermark.look(look)?;
        self.match_batches(storage, look)?;
        let new = self.commit(storage, look)?;
        if let Some(tp) = look.tp {
            self.check_new(tp, &new)?;
        }
        if elected {
            self.leader_completeness
                .elected(look, &self.history, &mut |from, to| read(look.log, storage, from, to))?;
        }
        if let (Some(_), Some(status), Some(broker)) = (look.leads, status, world.broker(look.broker)) {
            self.losses.isr_is(look.id, &status.isr, broker.image());
        }
        Ok(())
    }

    /// Compares batches that were not looked at yet with those of the same epochs on other replicas.
    fn match_batches(&mut self, storage: &MemoryStorage, look: &Look<'_>) -> Checked {
        let Some(watch) = self.watches.get_mut(&(look.broker, look.id)) else { return Ok(()) };
        let end = look.log.durable_end_offset();
        if watch.matched >= end {
            return Ok(());
        }
        let bytes = read(look.log, storage, watch.matched, end);
        for (header, _) in batches(&bytes).map_while(Result::ok) {
            let mark = BatchMark::from(&header);
            self.log_matching.batch(look, &mark, watch.last.as_ref())?;
            watch.matched = mark.next;
            watch.last = Some(mark);
        }
        Ok(())
    }

    /// Compares what is below the replica's high watermark with what is committed, and adds what is new.
    fn commit(&mut self, storage: &MemoryStorage, look: &Look<'_>) -> Result<Vec<Record>, Violation> {
        let Some(watch) = self.watches.get_mut(&(look.broker, look.id)) else { return Ok(Vec::new()) };
        if watch.agreed >= look.high_watermark {
            return Ok(Vec::new());
        }
        let bytes = read(look.log, storage, watch.agreed, look.high_watermark);
        let new = self.history.extend(look.id, look.tp, &bytes, look.high_watermark, look.epoch);
        self.replicas_agree.committed(look, &bytes, &self.history)?;
        watch.agreed = look.high_watermark;
        Ok(new)
    }

    fn check_new(&mut self, tp: &TopicPartition, new: &[Record]) -> Checked {
        for record in new {
            if tp.topic.as_str() == OFFSETS_TOPIC {
                self.group_offsets.record(record)?;
            } else {
                self.no_duplicates.record(tp, record)?;
            }
        }
        Ok(())
    }

    /// How much of the metadata any broker has told of so far.
    pub fn metadata_told(&self) -> Offset {
        self.isr_members.newest()
    }

    /// A broker is about to lose what it has not flushed.
    pub fn loses_power(&mut self, world: &World, broker: BrokerId) {
        let logs: BTreeSet<LogId> =
            self.watches.keys().filter(|(id, _)| *id == broker).map(|(_, log)| *log).collect();
        logs.iter().for_each(|log| self.log_matching.forget(broker, *log));
        self.losses.happens(world, broker, logs);
    }

    /// A broker is about to lose its storage.
    pub fn loses_storage(&mut self, world: &World, broker: BrokerId) {
        self.loses_power(world, broker);
        self.epochs.forget(broker);
    }
}

/// Whole batches of a replica from `from` up to `to`, from memory or storage.
pub(super) fn read(log: &PartitionLog, storage: &MemoryStorage, from: Offset, to: Offset) -> Bytes {
    let mut found = BytesMut::new();
    let mut at = from;
    while at < to {
        let bytes = match log.read(at, to, usize::MAX / 2, true) {
            ReadOutcome::Batches(bytes) => bytes,
            ReadOutcome::OutOfRange => break,
            ReadOutcome::NeedsIo(_) => {
                let chunks = storage.read(log.id(), at, usize::MAX / 2);
                log.supply(&chunks, at, to, usize::MAX / 2, true).unwrap_or_default()
            }
        };
        let Some((last, _)) = batches(&bytes).map_while(Result::ok).last() else { break };
        at = last.next_offset();
        found.extend_from_slice(&bytes);
    }
    found.freeze()
}
