//! Heartbeat 0-4: a member is alive, and hears whether it must rejoin. 3: static members (KIP-345).

use crate::effects::ReplyToken;
use crate::protocol::ErrorCode;
use crate::protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::Turn;
use super::classic_group::{ClassicGroup, State};
use super::shard::Shard;

impl Shard {
    pub(super) fn heartbeat(&mut self, turn: &mut Turn<'_>, token: ReplyToken, request: HeartbeatRequest) {
        let result = match self.groups.get(request.group_id.as_str()) {
            None => Err(ErrorCode::UnknownMemberId),
            Some(group) => group.heartbeat(turn, &request),
        };
        let code = result.err().map_or(0, |error| error.code());
        turn.reply(token, HeartbeatResponse::default().with_error_code(code));
    }
}

impl ClassicGroup {
    fn heartbeat(&self, turn: &mut Turn<'_>, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let id = request.member_id.as_str();
        self.validate_member(id, request.group_instance_id.as_deref())?;
        if request.generation_id != self.generation.0 {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.state() {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => {
                self.restart_session(turn, id);
                Err(ErrorCode::RebalanceInProgress)
            }
            State::CompletingRebalance | State::Stable => {
                self.restart_session(turn, id);
                Ok(())
            }
        }
    }
}
