//! Who votes (KIP-853): the configuration's voters until the log names others; then those of its last VotersRecord, from
//! the moment it is appended. Sets are kept by their offsets, because the log's end may be cut.

use bytes::Bytes;

use crate::protocol::batch::batches;
use crate::protocol::control::{ControlRecord, Voter, read_control};
use crate::time::Instant;
use crate::types::{BrokerId, Offset, Uuid};

use super::{Quorum, Role, Snapshot};

/// See the file's head.
#[derive(Debug)]
pub(super) struct VoterSets {
    /// Ascending by offset.
    sets: Vec<(Offset, Vec<Voter>)>,
}

impl VoterSets {
    /// Of a log's control batches, and the snapshot before.
    pub(super) fn read(control: &[Bytes], snapshot: Option<&Snapshot>) -> VoterSets {
        let mut sets = VoterSets { sets: Vec::new() };
        let start = snapshot.map_or(Offset::ZERO, |snapshot| snapshot.id.end);
        sets.begin_at(start, snapshot.and_then(|snapshot| snapshot.voters.clone()));
        for (offset, voters) in control.iter().flat_map(named_in) {
            if offset >= start {
                sets.record(offset, voters);
            }
        }
        sets
    }

    /// The log begins at `start` with these voters.
    pub(super) fn begin_at(&mut self, start: Offset, voters: Option<Vec<Voter>>) {
        self.sets = voters.map(|voters| (start.plus(-1), voters)).into_iter().collect();
    }

    /// The record at `offset` names these.
    pub(super) fn record(&mut self, offset: Offset, voters: Vec<Voter>) {
        self.sets.push((offset, voters));
    }

    /// The log was cut to `end`. True when that took a set.
    pub(super) fn truncate(&mut self, end: Offset) -> bool {
        let before = self.sets.len();
        self.sets.retain(|(offset, _)| *offset < end);
        self.sets.len() < before
    }

    /// The log now begins at `start`.
    pub(super) fn trim(&mut self, start: Offset) {
        let gone = self.sets.iter().take_while(|(offset, _)| *offset < start).count().saturating_sub(1);
        self.sets.drain(..gone);
    }

    /// The voters that the records below `end` name; none while they are the configuration's.
    pub(super) fn at(&self, end: Offset) -> Option<&[Voter]> {
        self.sets.iter().rev().find(|(offset, _)| *offset < end).map(|(_, voters)| voters.as_slice())
    }

    /// True for a voter, with this storage, of the set before the one that counts, which has nobody of its id. The first one
    /// leaves nobody out.
    pub(super) fn leaves_out(&self, id: BrokerId, directory: Uuid) -> bool {
        let mut newest_first = self.sets.iter().rev().map(|(_, voters)| voters);
        let is_named = newest_first.next().is_some_and(|last| last.iter().any(|voter| voter.id == id));
        !is_named && newest_first.next().is_some_and(|before| find(before, id, directory).is_some())
    }

    /// The voters that count, and the offset of their record.
    pub(super) fn latest(&self) -> Option<(Offset, &[Voter])> {
        self.sets.last().map(|(offset, voters)| (*offset, voters.as_slice()))
    }
}

/// The voter `id` with the storage `directory`; one of the two may not have said which.
pub(super) fn find(voters: &[Voter], id: BrokerId, directory: Uuid) -> Option<&Voter> {
    let same = |voter: &&Voter| {
        voter.id == id && (voter.directory == directory || voter.directory.is_nil() || directory.is_nil())
    };
    voters.iter().find(same)
}

/// The sets of voters that batches name.
pub(super) fn named_in(bytes: &Bytes) -> Vec<(Offset, Vec<Voter>)> {
    let control = batches(bytes).map_while(Result::ok).filter(|(header, _)| header.is_control());
    let records = control.flat_map(|(_, range)| read_control(&bytes.slice(range)).unwrap_or_default());
    let voters = records.filter_map(|(offset, record)| match record {
        ControlRecord::Voters(voters) => Some((offset, voters)),
        _ => None,
    });
    voters.collect()
}

impl Quorum {
    /// Batches were appended here: who they name votes from now on.
    pub(super) fn take_voters(&mut self, now: Instant, bytes: &Bytes) {
        let named = named_in(bytes);
        if !named.is_empty() {
            named.into_iter().for_each(|(offset, voters)| self.voter_sets.record(offset, voters));
            self.voters_changed(now);
        }
    }

    /// The log's end may have been cut: then the voters are those of before.
    pub(super) fn log_was_cut(&mut self, now: Instant) {
        if self.voter_sets.truncate(self.log.log_end_offset()) {
            self.voters_changed(now);
        }
    }

    /// Takes up who votes now, and leaves a role that is not this node's any more.
    pub(super) fn voters_changed(&mut self, now: Instant) {
        let voters = match self.voter_sets.latest() {
            Some((_, voters)) => voters.iter().map(|voter| (voter.id, voter.directory)).collect(),
            None => self.configured.iter().map(|id| (*id, Uuid::nil())).collect(),
        };
        self.voters = voters;
        let votes = self.may_stand();
        let stands = match &self.role {
            Role::Unattached { election_at, .. } => election_at.is_some(),
            Role::Prospective(_) | Role::Candidate(_) => true,
            _ => votes,
        };
        if stands != votes {
            self.role = self.unattached(now);
        }
    }
}
