//! JoinGroup 0-9: a client becomes a member, or a member takes part in the next generation.
//!
//! - 0: the rebalance timeout is the session timeout (KIP-62 gives it a field of its own in 1).
//! - 4: a client without a member id is given one with MEMBER_ID_REQUIRED and joins again with it (KIP-394).
//! - 5: static members, by `group.instance.id` (KIP-345).
//! - 7: the response names the protocol type (KIP-559).
//! - 8: the client says why (KIP-800).
//! - 9: a static leader that comes back is told of the members, and not to assign (KIP-814).

use bytes::Bytes;

use crate::effects::ReplyToken;
use crate::protocol::ErrorCode;
use crate::protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use super::classic_group::{ClassicGroup, Member, Protocol, State, Waiter, wire};
use super::shard::{Shard, StaticReplaced, Then, join_error};
use super::{ClientInfo, NEW_MEMBER_JOIN_TIMEOUT, Turn};

/// A JoinGroup request in this layer's terms.
struct Join {
    waiter: Waiter,
    member: String,
    instance: Option<String>,
    protocol_type: String,
    protocols: Vec<Protocol>,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    client_id: String,
    client_host: String,
    reason: String,
}

impl Join {
    fn new(token: ReplyToken, version: i16, client: &ClientInfo, request: JoinGroupRequest) -> Self {
        let protocols = request.protocols.into_iter();
        Self {
            waiter: Waiter { token, version },
            member: request.member_id.to_string(),
            instance: request.group_instance_id.map(|instance| instance.to_string()),
            protocol_type: request.protocol_type.to_string(),
            protocols: protocols
                .map(|protocol| Protocol { name: protocol.name.to_string(), metadata: protocol.metadata })
                .collect(),
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: match version {
                0 => request.session_timeout_ms,
                _ => request.rebalance_timeout_ms,
            },
            client_id: client.client_id.clone(),
            client_host: client.host.clone(),
            reason: match request.reason {
                Some(reason) if !reason.is_empty() => format!(" ({})", &*reason),
                _ => String::new(),
            },
        }
    }

    fn refuse(&self, turn: &mut Turn<'_>, member: &str, error: ErrorCode) {
        turn.reply(self.waiter.token, join_error(member, self.waiter.version, error));
    }
}

impl Shard {
    pub(super) fn join(
        &mut self,
        turn: &mut Turn<'_>,
        token: ReplyToken,
        version: i16,
        client: &ClientInfo,
        request: JoinGroupRequest,
    ) {
        let name = request.group_id.to_string();
        let join = Join::new(token, version, client, request);
        let is_new_group = !self.groups.contains_key(&name);
        if is_new_group && !join.member.is_empty() {
            return join.refuse(turn, &join.member, ErrorCode::UnknownMemberId);
        }
        let group = || ClassicGroup::simple(name.clone(), Some(turn.now));
        let group = self.groups.entry(name.clone()).or_insert_with(group);
        group.join(turn, join);
        if is_new_group && turn.drafts.is_empty() {
            turn.write(vec![group.first_record()], Then::Created { group: name });
        }
    }
}

impl ClassicGroup {
    fn join(&mut self, turn: &mut Turn<'_>, join: Join) {
        if !self.accepts(turn, &join.member) {
            self.remove_waiting(turn, &join.member);
            join.refuse(turn, "", ErrorCode::GroupMaxSizeReached);
        } else if !self.supports_protocols(&join.protocol_type, &join.protocols) {
            join.refuse(turn, &join.member, ErrorCode::InconsistentGroupProtocol);
        } else if join.member.is_empty() {
            self.join_without_id(turn, join);
        } else if self.pending_join.contains(&join.member) {
            match join.instance {
                // Ids are given out ahead to dynamic members only.
                Some(_) => join.refuse(turn, &join.member, ErrorCode::UnknownServerError),
                None => self.join_as(turn, join.member.clone(), join),
            }
        } else if let Err(error) = self.validate_member(&join.member, join.instance.as_deref()) {
            join.refuse(turn, &join.member, error);
        } else {
            self.rejoin(turn, join);
        }
    }

    /// True if the group has room, or `member` is in it.
    fn accepts(&self, turn: &Turn<'_>, member: &str) -> bool {
        let size_max = turn.core.settings.group_size_max;
        match self.state() {
            State::Empty => true,
            // Who has joined counts, not who may: so the last to rejoin are those who don't fit.
            State::PreparingRebalance => {
                let waits = self.member(member).is_some_and(|member| member.awaiting_join.is_some());
                waits || self.joined_count() < size_max
            }
            State::CompletingRebalance | State::Stable => {
                self.member(member).is_some() || self.size() < size_max
            }
        }
    }

    fn join_without_id(&mut self, turn: &mut Turn<'_>, join: Join) {
        let name = join.instance.as_ref().unwrap_or(&join.client_id);
        let new_id = format!("{name}-{}", turn.core.rng.uuid());
        if let Some(instance) = &join.instance {
            match self.static_member_id(instance).map(str::to_owned) {
                Some(old_id) => self.replace_static_member(turn, &old_id, new_id, join),
                None => self.join_as(turn, new_id, join),
            }
        } else if join.waiter.version >= 4 {
            let session = std::time::Duration::from_millis(join.session_timeout_ms.max(0) as u64);
            self.pending_join.insert(new_id.clone());
            self.start_session(turn, &new_id, session);
            join.refuse(turn, &new_id, ErrorCode::MemberIdRequired);
        } else {
            self.join_as(turn, new_id, join);
        }
    }

    /// Adds a member; its answer waits for the others.
    fn join_as(&mut self, turn: &mut Turn<'_>, id: String, join: Join) {
        if self.state() == State::PreparingRebalance && self.previous == Some(State::Empty) {
            self.new_member_added = true;
        }
        let reason = match &join.instance {
            Some(instance) => format!("static member {instance} joined as {id}{}", join.reason),
            None => format!("{id} joined{}", join.reason),
        };
        let member = Member {
            id: id.clone(),
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols,
            assignment: Bytes::new(),
            awaiting_join: Some(join.waiter),
            awaiting_sync: None,
            is_new: true,
        };
        self.add(member, &join.protocol_type);
        // It can't send heartbeats yet, and nobody would notice if its client were gone.
        self.start_session(turn, &id, NEW_MEMBER_JOIN_TIMEOUT);
        self.rebalance_or_complete_join(turn, reason);
    }

    /// A member joins once more.
    fn rejoin(&mut self, turn: &mut Turn<'_>, join: Join) {
        let Some(member) = self.member(&join.member) else { return };
        let same = member.protocols == join.protocols;
        let leads = self.is_leader(&join.member);
        let id = &join.member;
        let reason = match self.state() {
            State::PreparingRebalance => format!("{id} rejoined{}", join.reason),
            // Perhaps it never got its answer.
            State::CompletingRebalance if same => return self.tell_generation(turn, &join, leads),
            State::Stable if leads => format!("the leader {id} asked for a new assignment{}", join.reason),
            State::Stable if same => return self.tell_generation(turn, &join, false),
            State::CompletingRebalance | State::Stable => {
                format!("{id} changed its subscription{}", join.reason)
            }
            State::Empty => return join.refuse(turn, id, ErrorCode::UnknownMemberId),
        };
        self.update_member(turn, join);
        self.rebalance_or_complete_join(turn, reason);
    }

    fn tell_generation(&self, turn: &mut Turn<'_>, join: &Join, with_members: bool) {
        let response = self.joined_response(&join.member, with_members);
        turn.reply(join.waiter.token, for_version(response, join.waiter.version));
    }

    fn update_member(&mut self, turn: &mut Turn<'_>, join: Join) {
        let Some(member) = self.member_mut(&join.member) else { return };
        member.protocols = join.protocols;
        member.rebalance_timeout_ms = join.rebalance_timeout_ms;
        member.session_timeout_ms = join.session_timeout_ms;
        if let Some(older) = member.awaiting_join.replace(join.waiter) {
            // The client gave up on its older request; its connection may wait for an answer.
            let error = ErrorCode::RebalanceInProgress;
            turn.reply(older.token, join_error(&join.member, older.version, error));
        }
    }

    /// A static member came back without its id: the new one takes the old one's place, and the old one is fenced.
    fn replace_static_member(&mut self, turn: &mut Turn<'_>, old_id: &str, new_id: String, mut join: Join) {
        let was_leader = self.is_leader(old_id);
        let Some(old) = self.rename_static(old_id, &new_id) else { return };
        self.cancel_session(turn, old_id);
        let fenced = ErrorCode::FencedInstanceId;
        if let Some(waiter) = old.awaiting_join {
            turn.reply(waiter.token, join_error(old_id, waiter.version, fenced));
        }
        if let Some(waiter) = old.awaiting_sync {
            turn.reply(waiter.token, super::sync::error(fenced));
        }
        self.restart_session(turn, &new_id);
        let reason =
            format!("static member {} came back{}", old.instance.as_deref().unwrap_or_default(), join.reason);
        let waiter = join.waiter;
        join.member = new_id.clone();
        self.update_member(turn, join);
        match self.state() {
            State::Stable if self.select_protocol() == self.protocol => {
                let assignment =
                    self.members().map(|member| (member.id.clone(), member.assignment.clone())).collect();
                let record = self.record(&assignment);
                let (group, generation) = (self.id().to_owned(), self.generation);
                let replaced = StaticReplaced { group, generation, old, new_id, was_leader, waiter };
                turn.write(vec![record], Then::StaticReplaced(Box::new(replaced)));
            }
            // The leader may know the old id already and assign to it.
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(turn, reason),
            State::PreparingRebalance => self.complete_join_if_all_joined(turn),
            State::Empty => {}
        }
    }

    /// The record with a static member's new id is committed, or could not be written.
    pub(super) fn static_member_written(
        &mut self,
        turn: &mut Turn<'_>,
        replaced: StaticReplaced,
        error: Option<ErrorCode>,
    ) {
        let StaticReplaced { generation, old, new_id, was_leader, waiter, .. } = replaced;
        let unchanged = self.state() == State::Stable && self.generation == generation;
        let waits = |member: &Member| member.awaiting_join == Some(waiter);
        if !self.member(&new_id).is_some_and(waits) {
            return;
        }
        if let Some(error) = error {
            let leader = if was_leader { Some(old.id.clone()) } else { self.leader.clone() };
            let old_id = old.id.clone();
            self.rename_static(&new_id, &old_id);
            self.cancel_session(turn, &new_id);
            if let Some(member) = self.member_mut(&old_id) {
                member.protocols = old.protocols;
                member.rebalance_timeout_ms = old.rebalance_timeout_ms;
                member.session_timeout_ms = old.session_timeout_ms;
            }
            self.restart_session(turn, &old_id);
            let response = self.joined_response("", false).with_error_code(error.code());
            let response = response.with_leader(wire(leader.as_deref().unwrap_or_default()));
            return turn.reply(waiter.token, for_version(response, waiter.version));
        }
        if !unchanged {
            // A rebalance began meanwhile: the join counts for it.
            return;
        }
        let leads = self.is_leader(&new_id);
        let mut response = self.joined_response(&new_id, leads && waiter.version >= 9);
        if waiter.version >= 9 {
            response.skip_assignment = leads;
        } else if was_leader {
            // Told that the old id leads, it does not assign: the assignment stands.
            response.leader = wire(&old.id);
        }
        if let Some(member) = self.member_mut(&new_id) {
            member.awaiting_join = None;
        }
        turn.reply(waiter.token, for_version(response, waiter.version));
    }
}

/// Fits a response to what its version can carry.
pub(super) fn for_version(mut response: JoinGroupResponse, version: i16) -> JoinGroupResponse {
    if version < 7 && response.protocol_name.is_none() {
        response.protocol_name = Some(wire(""));
    }
    response
}
