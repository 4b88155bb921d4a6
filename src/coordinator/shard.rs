//! One partition of `__consumer_offsets`: its groups, its offsets, and its writes under way.
//!
//! Offsets are kept twice: `committed` is what is told, `latest` is what new decisions build on (it has the writes
//! under way too). A write that fails leaves `latest` as if it had never been.
//!
//! Groups change at once, in memory; a write that fails calls for its own way back (`Then`).

use std::collections::VecDeque;

use bytes::Bytes;

use crate::effects::ReplyToken;
use crate::event::ClusterEvent;
use crate::mutation::{Mutation, mutated};
use crate::protocol::ErrorCode;
use crate::protocol::batch::batches;
use crate::protocol::messages::{
    JoinGroupResponse, LeaveGroupResponse, OffsetCommitResponse, OffsetDeleteResponse,
};
use crate::protocol::records::decode_records;
use crate::sorted::SortedMap;
use crate::types::{Generation, LeaderEpoch, Offset};

use super::classic_group::{ClassicGroup, Member, Waiter};
use super::errors::append_error;
use super::offsets::{Offsets, StableRead};
use super::schema::GroupRecord;
use super::{EXPIRY_INTERVAL, Timer, Turn, WRITE_TIMEOUT, WriteId, errors};

/// One partition of `__consumer_offsets` that this broker leads.
#[derive(Debug)]
pub(super) struct Shard {
    epoch: LeaderEpoch,
    phase: Phase,
    pub(super) groups: SortedMap<String, ClassicGroup>,
    pub(super) committed: Offsets,
    pub(super) latest: Offsets,
    pending: VecDeque<InFlight>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Batches come in; `end` is the offset after the last one.
    Loading { end: Offset },
    /// All is read; it is not all committed yet.
    Loaded { end: Offset },
    /// Requests are served.
    Active,
}

/// A write under way.
#[derive(Debug)]
struct InFlight {
    id: WriteId,
    /// The offset after its last record, once appended.
    end: Option<Offset>,
    records: Vec<GroupRecord>,
    then: Then,
    /// OffsetFetch requests with `require_stable` that came after it.
    reads: Vec<StableRead>,
}

/// What follows when a write is committed, or fails.
#[derive(Debug)]
pub(super) enum Then {
    /// Nothing: as Kafka, a group that became empty is so whether or not it could be written down.
    Nothing,
    /// A new group is there for all to see, or is gone again and its parked joins fail.
    Created { group: String },
    /// OffsetCommit is answered; `created` names the simple group it made.
    OffsetsCommitted { token: ReplyToken, group: String, response: OffsetCommitResponse, created: bool },
    /// OffsetDelete is answered.
    OffsetsDeleted { token: ReplyToken, response: OffsetDeleteResponse },
    /// LeaveGroup is answered.
    Left { token: ReplyToken, version: i16, response: LeaveGroupResponse },
    /// The generation's assignment goes to its members, or they are to rejoin.
    Assigned { group: String, generation: Generation, assignment: SortedMap<String, Bytes> },
    /// A static member has its new id, or its old one again.
    StaticReplaced(Box<StaticReplaced>),
    /// DeleteGroups is answered; on failure the groups are back.
    Deleted { token: ReplyToken, slots: Vec<usize>, removed: Vec<ClassicGroup> },
}

/// A static member that came back under a new id while its group was stable.
#[derive(Debug)]
pub(super) struct StaticReplaced {
    pub(super) group: String,
    pub(super) generation: Generation,
    /// As it was before.
    pub(super) old: Member,
    pub(super) new_id: String,
    pub(super) was_leader: bool,
    pub(super) waiter: Waiter,
}

impl Shard {
    pub(super) fn new(epoch: LeaderEpoch) -> Self {
        Self {
            epoch,
            phase: Phase::Loading { end: Offset::ZERO },
            groups: SortedMap::new(),
            committed: Offsets::default(),
            latest: Offsets::default(),
            pending: VecDeque::new(),
        }
    }

    pub(super) fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    pub(super) fn is_active(&self) -> bool {
        self.phase == Phase::Active
    }

    /// Replays whole batches of the log. A batch that can't be read is passed over, as Kafka's loader does with
    /// records it does not know: the groups in it rejoin, which is better than a partition that never serves.
    pub(super) fn load(&mut self, bytes: &Bytes) {
        let Phase::Loading { end } = &mut self.phase else { return };
        let mut decoded = Vec::new();
        for batch in batches(bytes) {
            let Ok((header, range)) = batch else { break };
            *end = header.next_offset();
            if !header.is_control() {
                decoded.extend(decode_records(&bytes.slice(range)).unwrap_or_default());
            }
        }
        for record in decoded {
            let Some(key) = &record.key else { continue };
            match GroupRecord::decode(key, record.value.as_deref()) {
                Ok(Some(GroupRecord::Group { group, value: Some(value) })) => {
                    self.groups.insert(group.clone(), ClassicGroup::from_record(group, value));
                }
                Ok(Some(GroupRecord::Group { group, value: None })) => {
                    self.groups.remove(&group);
                }
                Ok(Some(record @ GroupRecord::Offset { .. })) => {
                    self.committed.apply(&record);
                    if let GroupRecord::Offset { group, value: Some(_), .. } = record {
                        let simple = || ClassicGroup::simple(group.clone(), None);
                        self.groups.entry(group.clone()).or_insert_with(simple);
                    }
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// The log is read to its end.
    pub(super) fn loaded(&mut self) {
        if let Phase::Loading { end } = self.phase {
            self.phase = Phase::Loaded { end };
        }
    }

    /// The high watermark is at `high_watermark`.
    pub(super) fn committed(&mut self, turn: &mut Turn<'_>, high_watermark: Offset) {
        match self.phase {
            Phase::Loading { .. } => return,
            Phase::Loaded { end } if high_watermark < end => return,
            Phase::Loaded { .. } => self.activate(turn),
            Phase::Active => {}
        }
        while self.pending.front().and_then(|write| write.end).is_some_and(|end| end <= high_watermark) {
            if let Some(write) = self.pending.pop_front() {
                turn.core.timers.cancel(&Timer::Write(write.id));
                for record in &write.records {
                    self.committed.apply(record);
                    announce(turn, record);
                }
                self.follow_up(turn, write.then, None);
                self.answer_reads(turn, write.reads, None);
            }
        }
    }

    fn activate(&mut self, turn: &mut Turn<'_>) {
        self.phase = Phase::Active;
        self.latest = self.committed.clone();
        turn.core.timers.set(Timer::Expiry(turn.partition), turn.now + EXPIRY_INTERVAL);
        for group in self.groups.values_mut() {
            group.restored(turn);
        }
    }

    /// Gives the writes of this turn their names and their place in the queue.
    pub(super) fn submit(&mut self, turn: &mut Turn<'_>) {
        for draft in std::mem::take(&mut turn.drafts) {
            turn.core.next_write += 1;
            let id = WriteId { partition: turn.partition, number: turn.core.next_write };
            for record in &draft.records {
                self.latest.apply(record);
            }
            turn.core.timers.set(Timer::Write(id), turn.now + WRITE_TIMEOUT);
            turn.core.outbox.push_back(super::PendingWrite {
                id,
                partition: turn.partition,
                epoch: self.epoch,
                timestamp: turn.now.as_timestamp(),
                records: draft.records.iter().map(GroupRecord::encode).collect(),
            });
            self.pending.push_back(InFlight {
                id,
                end: None,
                records: draft.records,
                then: draft.then,
                reads: Vec::new(),
            });
        }
    }

    pub(super) fn appended(&mut self, turn: &mut Turn<'_>, id: WriteId, result: Result<Offset, ErrorCode>) {
        match result {
            Ok(end) => {
                let Some(write) = self.pending.iter_mut().find(|write| write.id == id) else { return };
                write.end = Some(end);
                // The coordinator is its partition's only writer. An earlier write that ends after this one's beginning
                // was cut off when storage failed.
                let base = end.plus(-(write.records.len() as i64));
                let overwritten =
                    |write: &InFlight| write.id != id && write.end.is_some_and(|end| end > base);
                self.fail(turn, ErrorCode::KafkaStorageError, overwritten);
                if mutated(Mutation::CommitAnsweredBeforeReplicated) {
                    self.committed(turn, end);
                }
            }
            Err(error) => self.fail(turn, error, |write| write.id == id),
        }
    }

    pub(super) fn lost(&mut self, turn: &mut Turn<'_>, from: Offset, error: ErrorCode) {
        self.fail(turn, error, |write| write.end.is_some_and(|end| end > from));
    }

    /// Takes writes out of the queue, undoes them and answers who waits for them.
    fn fail(&mut self, turn: &mut Turn<'_>, error: ErrorCode, failed: impl Fn(&InFlight) -> bool) {
        let (lost, kept): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(failed);
        if lost.is_empty() {
            self.pending = kept.into();
            return;
        }
        self.latest = self.committed.clone();
        for record in kept.iter().flat_map(|write| &write.records) {
            self.latest.apply(record);
        }
        self.pending = kept.into();
        // Youngest first, so that each finds the state it left.
        for write in lost.into_iter().rev() {
            turn.core.timers.cancel(&Timer::Write(write.id));
            self.follow_up(turn, write.then, Some(append_error(error)));
            self.answer_reads(turn, write.reads, Some(ErrorCode::NotCoordinator));
        }
    }

    /// Answers who waits for a write that takes too long. Its records may be committed yet, so its offsets stay under
    /// way; a client that hears the error tries again.
    pub(super) fn write_timed_out(&mut self, turn: &mut Turn<'_>, id: WriteId) {
        let Some(write) = self.pending.iter_mut().find(|write| write.id == id) else { return };
        let reads = std::mem::take(&mut write.reads);
        let mut then = std::mem::replace(&mut write.then, Then::Nothing);
        match &mut then {
            Then::Created { .. } => {
                // Nobody waits for it: it becomes visible when it is committed after all.
                write.then = then;
                then = Then::Nothing;
            }
            Then::Deleted { removed, .. } => removed.clear(),
            Then::OffsetsCommitted { group, created, .. } if *created => {
                write.then = Then::Created { group: group.clone() };
                *created = false;
            }
            _ => {}
        }
        self.follow_up(turn, then, Some(append_error(ErrorCode::RequestTimedOut)));
        self.answer_reads(turn, reads, Some(ErrorCode::NotCoordinator));
    }

    /// Answers everything that waits; the shard is dropped after this.
    pub(super) fn resign(&mut self, turn: &mut Turn<'_>) {
        let not_coordinator = ErrorCode::NotCoordinator;
        for (name, mut group) in std::mem::take(&mut self.groups) {
            group.fail_joins(turn, not_coordinator);
            group.fail_syncs(turn, not_coordinator);
            turn.core.timers.cancel(&Timer::Join { partition: turn.partition, group: name.clone() });
            turn.core.timers.cancel(&Timer::Sync { partition: turn.partition, group: name.clone() });
            for member in group.session_holders() {
                group.cancel_session(turn, &member);
            }
        }
        for write in std::mem::take(&mut self.pending) {
            turn.core.timers.cancel(&Timer::Write(write.id));
            match write.then {
                Then::OffsetsCommitted { .. } | Then::OffsetsDeleted { .. } | Then::Left { .. } => {
                    self.follow_up(turn, write.then, Some(not_coordinator));
                }
                Then::Deleted { token, slots, .. } => {
                    turn.core.gathered_delete(token, &slots, Some(not_coordinator), turn.fx);
                }
                // Their members were answered above.
                Then::Nothing | Then::Created { .. } | Then::Assigned { .. } | Then::StaticReplaced(_) => {}
            }
            self.answer_reads(turn, write.reads, Some(not_coordinator));
        }
        turn.core.timers.cancel(&Timer::Expiry(turn.partition));
        turn.drafts.clear();
    }

    /// Answers a read once all writes so far have ended: at once when there are none.
    pub(super) fn read_stable(&mut self, turn: &mut Turn<'_>, read: StableRead) {
        match self.pending.back_mut() {
            Some(write) => write.reads.push(read),
            None => self.answer_reads(turn, vec![read], None),
        }
    }

    fn answer_reads(&mut self, turn: &mut Turn<'_>, reads: Vec<StableRead>, error: Option<ErrorCode>) {
        for read in reads {
            let group = match error {
                // `require_stable` came with version 7.
                Some(error) => errors::fetch_error(7, &read.request, error),
                None => self.fetch(&read.request),
            };
            turn.core.gathered_fetch(read.token, read.slot, group, turn.fx);
        }
    }

    /// What follows from the end of a write; `error` is the one to answer with.
    fn follow_up(&mut self, turn: &mut Turn<'_>, then: Then, error: Option<ErrorCode>) {
        match then {
            Then::Nothing => {}
            Then::Created { group } => self.group_created(turn, &group, error),
            Then::OffsetsCommitted { token, group, response, created } => {
                if created {
                    self.group_created(turn, &group, error);
                }
                let response = match error {
                    Some(error) => errors::commit_error(response, error),
                    None => response,
                };
                turn.reply(token, response);
            }
            Then::OffsetsDeleted { token, response } => match error {
                Some(error) => {
                    turn.reply(token, OffsetDeleteResponse::default().with_error_code(error.code()));
                }
                None => turn.reply(token, response),
            },
            Then::Left { token, version, response } => match error {
                Some(error) => {
                    turn.reply(token, LeaveGroupResponse::default().with_error_code(error.code()));
                }
                None => turn.reply(token, super::leave::for_version(response, version)),
            },
            Then::Assigned { group, generation, assignment } => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.assignment_written(turn, generation, assignment, error);
                }
            }
            Then::StaticReplaced(replaced) => {
                if let Some(group) = self.groups.get_mut(&replaced.group) {
                    group.static_member_written(turn, *replaced, error);
                }
            }
            Then::Deleted { token, slots, removed } => {
                if error.is_some() {
                    for group in removed {
                        self.groups.entry(group.id().to_owned()).or_insert(group);
                    }
                }
                turn.core.gathered_delete(token, &slots, error, turn.fx);
            }
        }
    }

    /// A group's first record is committed: it may be told of. Or not: then it never was.
    fn group_created(&mut self, turn: &mut Turn<'_>, name: &str, error: Option<ErrorCode>) {
        let Some(error) = error else {
            if let Some(group) = self.groups.get_mut(name) {
                group.visible = true;
            }
            return;
        };
        if self.groups.get(name).is_some_and(|group| group.visible) {
            return;
        }
        if let Some(mut group) = self.groups.remove(name) {
            group.fail_joins(turn, error);
            group.fail_syncs(turn, error);
            turn.core.timers.cancel(&Timer::Join { partition: turn.partition, group: name.to_owned() });
            turn.core.timers.cancel(&Timer::Sync { partition: turn.partition, group: name.to_owned() });
            for member in group.session_holders() {
                group.cancel_session(turn, &member);
            }
        }
    }
}

fn announce(turn: &mut Turn<'_>, record: &GroupRecord) {
    if let GroupRecord::Offset { group, topic, partition, value: Some(value) } = record {
        turn.fx.event(ClusterEvent::OffsetsCommitted {
            group: group.clone(),
            topic: topic.clone(),
            partition: *partition,
            offset: value.offset,
        });
    }
}

/// A JoinGroup response that carries an error.
pub(super) fn join_error(member: &str, version: i16, error: ErrorCode) -> JoinGroupResponse {
    super::join::for_version(
        JoinGroupResponse::default()
            .with_member_id(crate::protocol::StrBytes::from_string(member.to_owned()))
            .with_generation_id(-1)
            .with_error_code(error.code()),
        version,
    )
}
