//! LeaveGroup 0-5: members go at once instead of by their session.
//!
//! - 3: several members, static ones also by their instance id alone (KIP-345).
//! - 5: each says why (KIP-800).

use crate::effects::ReplyToken;
use crate::protocol::ErrorCode;
use crate::protocol::messages::leave_group_request::MemberIdentity;
use crate::protocol::messages::leave_group_response::MemberResponse;
use crate::protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::Turn;
use super::classic_group::{ClassicGroup, State};
use super::shard::{Shard, Then};

impl Shard {
    pub(super) fn leave(
        &mut self,
        turn: &mut Turn<'_>,
        token: ReplyToken,
        version: i16,
        request: LeaveGroupRequest,
    ) {
        let leaving = match version {
            0..=2 => vec![MemberIdentity::default().with_member_id(request.member_id)],
            _ => request.members,
        };
        let unknown = |identity: &MemberIdentity| answer(identity, Some(ErrorCode::UnknownMemberId));
        let members = match self.groups.get_mut(request.group_id.as_str()) {
            None => leaving.iter().map(unknown).collect(),
            Some(group) => group.leave(turn, &leaving),
        };
        let response = LeaveGroupResponse::default().with_members(members);
        match turn.drafts.last_mut() {
            // The group's record as an empty one: the answer waits for it.
            Some(draft) => draft.then = Then::Left { token, version, response },
            None => turn.reply(token, for_version(response, version)),
        }
    }
}

impl ClassicGroup {
    fn leave(&mut self, turn: &mut Turn<'_>, leaving: &[MemberIdentity]) -> Vec<MemberResponse> {
        let mut gone = Vec::new();
        let mut answers = Vec::new();
        for identity in leaving {
            let left = self.member_leaving(identity);
            if let Ok(id) = &left {
                self.remove_waiting(turn, id);
                let why = identity.reason.as_deref().filter(|reason| !reason.is_empty());
                gone.push(match why {
                    Some(why) => format!("{id} left ({why})"),
                    None => format!("{id} left"),
                });
            }
            answers.push(answer(identity, left.err()));
        }
        if !gone.is_empty() {
            match self.state() {
                State::Stable | State::CompletingRebalance => {
                    self.rebalance_or_complete_join(turn, gone.join("; "));
                }
                State::PreparingRebalance => self.complete_join_if_all_joined(turn),
                State::Empty => {}
            }
        }
        answers
    }

    /// The member id that `identity` names.
    fn member_leaving(&self, identity: &MemberIdentity) -> Result<String, ErrorCode> {
        let id = identity.member_id.as_str();
        let instance = identity.group_instance_id.as_deref();
        if id.is_empty() {
            let by_instance = instance.and_then(|instance| self.static_member_id(instance));
            return by_instance.map(str::to_owned).ok_or(ErrorCode::UnknownMemberId);
        }
        if !self.pending_join.contains(id) {
            self.validate_member(id, instance)?;
        }
        Ok(id.to_owned())
    }
}

fn answer(identity: &MemberIdentity, error: Option<ErrorCode>) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(identity.member_id.clone())
        .with_group_instance_id(identity.group_instance_id.clone())
        .with_error_code(error.map_or(0, |error| error.code()))
}

/// Fits a response to what its version can carry: before 3, the one member's error is the response's.
pub(super) fn for_version(mut response: LeaveGroupResponse, version: i16) -> LeaveGroupResponse {
    if version < 3 {
        let first = std::mem::take(&mut response.members).first().map_or(0, |member| member.error_code);
        if response.error_code == 0 {
            response.error_code = first;
        }
    }
    response
}
