//! SyncGroup 0-5: the leader hands in the generation's assignment, and each member fetches its own. Followers wait until
//! the assignment is committed.
//!
//! - 3: static members (KIP-345).
//! - 5: both sides name the protocol type and protocol, and must agree (KIP-559).

use bytes::Bytes;

use crate::effects::ReplyToken;
use crate::protocol::ErrorCode;
use crate::protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use crate::sorted::SortedMap;
use crate::types::Generation;

use super::Turn;
use super::classic_group::{ClassicGroup, State, Waiter, wire};
use super::shard::{Shard, Then};

impl Shard {
    pub(super) fn sync(
        &mut self,
        turn: &mut Turn<'_>,
        token: ReplyToken,
        version: i16,
        request: SyncGroupRequest,
    ) {
        let unknown = ErrorCode::UnknownMemberId;
        match self.groups.get_mut(request.group_id.as_str()) {
            None => turn.reply(token, error(unknown)),
            Some(group) => {
                let refused = group.sync(turn, Waiter { token, version }, request);
                if let Err(code) = refused {
                    turn.reply(token, error(code));
                }
            }
        }
    }
}

impl ClassicGroup {
    fn sync(
        &mut self,
        turn: &mut Turn<'_>,
        waiter: Waiter,
        request: SyncGroupRequest,
    ) -> Result<(), ErrorCode> {
        let id = request.member_id.as_str();
        self.validate_member(id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation.0 {
            return Err(ErrorCode::IllegalGeneration);
        }
        let contradicts = |said: &Option<_>, known: Option<&str>| {
            said.as_ref().is_some_and(|said: &crate::protocol::StrBytes| Some(said.as_str()) != known)
        };
        if contradicts(&request.protocol_type, self.protocol_type())
            || contradicts(&request.protocol_name, self.protocol.as_deref())
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        match self.state() {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::Stable => {
                self.synced(turn, id);
                if let Some(member) = self.member(id) {
                    let response = self.assigned_response(member.assignment.clone());
                    turn.reply(waiter.token, response);
                }
                Ok(())
            }
            State::CompletingRebalance => {
                self.synced(turn, id);
                let older = self.member_mut(id).and_then(|member| member.awaiting_sync.replace(waiter));
                if let Some(older) = older {
                    // The client gave up on its older request; its connection may wait for an answer.
                    turn.reply(older.token, error(ErrorCode::RebalanceInProgress));
                }
                if self.is_leader(id) {
                    self.write_assignment(turn, request);
                }
                Ok(())
            }
        }
    }

    fn write_assignment(&mut self, turn: &mut Turn<'_>, request: SyncGroupRequest) {
        let assigned = request.assignments.into_iter();
        let assignment: SortedMap<String, Bytes> =
            assigned.map(|one| (one.member_id.to_string(), one.assignment)).collect();
        let record = self.record(&assignment);
        let (group, generation) = (self.id().to_owned(), self.generation);
        turn.write(vec![record], Then::Assigned { group, generation, assignment });
    }

    /// The assignment is committed, or could not be written. If another rebalance began meanwhile, it is of no use.
    pub(super) fn assignment_written(
        &mut self,
        turn: &mut Turn<'_>,
        generation: Generation,
        mut assignment: SortedMap<String, Bytes>,
        error: Option<ErrorCode>,
    ) {
        if self.state() != State::CompletingRebalance || self.generation != generation {
            return;
        }
        if let Some(error) = error {
            self.drop_assignments(turn, error);
            let name = crate::protocol::error::wire_name(error);
            return self.prepare_rebalance(turn, format!("the assignment could not be written: {name}"));
        }
        for id in self.member_ids() {
            let own = assignment.remove(&id).unwrap_or_default();
            let response = self.assigned_response(own.clone());
            let waiter = self.member_mut(&id).and_then(|member| {
                member.assignment = own;
                member.awaiting_sync.take()
            });
            if let Some(waiter) = waiter {
                turn.reply(waiter.token, response);
                self.restart_session(turn, &id);
            }
        }
        let leader = self.leader.clone().unwrap_or_default();
        self.transition(turn, State::Stable, format!("the assignment of the leader {leader} is committed"));
    }

    /// All members are to join again: their assignments are void, and parked syncs are answered with `error`.
    pub(super) fn drop_assignments(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        let mut told = Vec::new();
        for member in self.members_mut() {
            member.assignment = Bytes::new();
            if let Some(waiter) = member.awaiting_sync.take() {
                turn.reply(waiter.token, SyncGroupResponse::default().with_error_code(error.code()));
                told.push(member.id.clone());
            }
        }
        for id in told {
            self.restart_session(turn, &id);
        }
    }

    /// A member has sent its SyncGroup; after the last one nobody has to be waited for.
    fn synced(&mut self, turn: &mut Turn<'_>, id: &str) {
        self.pending_sync.remove(id);
        if self.pending_sync.is_empty() {
            let timer = self.sync_timer(turn);
            turn.core.timers.cancel(&timer);
        }
    }

    fn assigned_response(&self, assignment: Bytes) -> SyncGroupResponse {
        SyncGroupResponse::default()
            .with_protocol_type(self.protocol_type().map(wire))
            .with_protocol_name(self.protocol.as_deref().map(wire))
            .with_assignment(assignment)
    }
}

/// A response that carries an error.
pub(super) fn error(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.code())
}
