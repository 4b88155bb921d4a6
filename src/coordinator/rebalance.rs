//! A rebalance: the join phase (PreparingRebalance), the sync phase (CompletingRebalance), and what ends each: all have
//! come, or time is up.

use crate::protocol::ErrorCode;
use crate::protocol::messages::{JoinGroupResponse, join_group_response::JoinGroupResponseMember};
use crate::time::Duration;
use crate::types::Generation;

use super::classic_group::{ClassicGroup, InitialDelay, Member, State, wire};
use super::join;
use super::shard::{Shard, Then, join_error};
use super::{Timer, Turn};

impl Shard {
    /// A member was not heard from for its session, or an id given out was not used.
    pub(super) fn session_expired(&mut self, turn: &mut Turn<'_>, group: &str, member: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.session_expired(turn, member);
        }
    }

    /// The initial delay or the rebalance timeout is over.
    pub(super) fn join_phase_over(&mut self, turn: &mut Turn<'_>, group: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.join_phase_over(turn);
        }
    }

    /// Members that have not sent SyncGroup within the rebalance timeout are out.
    pub(super) fn sync_phase_over(&mut self, turn: &mut Turn<'_>, group: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            group.sync_phase_over(turn);
        }
    }
}

impl ClassicGroup {
    /// Starts a rebalance; or, if one waits for members, sees whether it has to any longer.
    pub(super) fn rebalance_or_complete_join(&mut self, turn: &mut Turn<'_>, reason: String) {
        match self.state() {
            State::PreparingRebalance => self.complete_join_if_all_joined(turn),
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare_rebalance(turn, reason),
        }
    }

    /// Completes the join phase if nobody has to be waited for, except in the initial delay, which runs to its end.
    pub(super) fn complete_join_if_all_joined(&mut self, turn: &mut Turn<'_>) {
        let waiting = self.state() == State::PreparingRebalance && self.previous != Some(State::Empty);
        if waiting && self.all_joined() {
            self.complete_join(turn);
        }
    }

    /// Asks all members to join again.
    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>, reason: String) {
        if self.state() == State::CompletingRebalance {
            self.drop_assignments(turn, ErrorCode::RebalanceInProgress);
        }
        self.pending_sync.clear();
        let timer = self.sync_timer(turn);
        turn.core.timers.cancel(&timer);

        let initial = self.state() == State::Empty;
        self.transition(turn, State::PreparingRebalance, reason);
        let timeout = self.rebalance_timeout();
        if initial {
            let delay = turn.core.settings.initial_rebalance_delay;
            self.initial_delay = Some(InitialDelay { delay, remaining: timeout.saturating_sub(delay) });
            self.set_join_timer(turn, delay);
        } else if self.all_joined() {
            self.complete_join(turn);
        } else {
            self.set_join_timer(turn, timeout);
        }
    }

    /// While members keep coming in each round of the initial delay, it is drawn out, to the rebalance timeout at most.
    fn join_phase_over(&mut self, turn: &mut Turn<'_>) {
        if self.state() != State::PreparingRebalance {
            return;
        }
        match self.initial_delay {
            Some(InitialDelay { delay, remaining }) if self.new_member_added && !remaining.is_zero() => {
                self.new_member_added = false;
                let next = turn.core.settings.initial_rebalance_delay.min(remaining);
                let remaining = remaining.saturating_sub(delay);
                self.initial_delay = Some(InitialDelay { delay: next, remaining });
                self.set_join_timer(turn, next);
            }
            _ => self.complete_join(turn),
        }
    }

    /// The join phase is over: the next generation is made of who joined, and of static members.
    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        let timer = self.join_timer(turn);
        turn.core.timers.cancel(&timer);
        self.initial_delay = None;
        let late = |member: &&Member| member.awaiting_join.is_none() && !member.is_static();
        let late: Vec<String> = self.members().filter(late).map(|member| member.id.clone()).collect();
        for member in &late {
            self.remove(member);
            self.cancel_session(turn, member);
        }
        if !self.elect_joined_leader() && self.size() > 0 {
            // Only static members are left, and none came: their sessions decide.
            let timeout = self.rebalance_timeout();
            return self.set_join_timer(turn, timeout);
        }
        self.generation = Generation(self.generation.0.wrapping_add(1).max(0));
        self.protocol = self.select_protocol();
        self.pending_sync.clear();
        if self.size() == 0 {
            self.transition(turn, State::Empty, "no member is left".to_owned());
            let record = self.record(&Default::default());
            turn.write(vec![record], Then::Nothing);
        } else {
            let reason = match late.len() {
                0 => format!("{} joined", members_in_words(self.size())),
                dropped => format!(
                    "{} joined; {} did not rejoin in time",
                    members_in_words(self.joined_count()),
                    members_in_words(dropped)
                ),
            };
            self.transition(turn, State::CompletingRebalance, reason);
            self.answer_joins(turn);
            let timer = self.sync_timer(turn);
            turn.core.timers.set(timer, turn.now + self.rebalance_timeout());
        }
    }

    /// Tells each member of the new generation; the leader hears of all members.
    fn answer_joins(&mut self, turn: &mut Turn<'_>) {
        for id in self.member_ids() {
            let response = self.joined_response(&id, self.is_leader(&id));
            if let Some(member) = self.member_mut(&id) {
                member.is_new = false;
                if let Some(waiter) = member.awaiting_join.take() {
                    turn.reply(waiter.token, join::for_version(response, waiter.version));
                }
            }
            self.restart_session(turn, &id);
            self.pending_sync.insert(id);
        }
    }

    /// What a member is told of the current generation.
    pub(super) fn joined_response(&self, member: &str, with_members: bool) -> JoinGroupResponse {
        let protocol = self.protocol.as_deref();
        let members = self.members().filter(|_| with_members).map(|member| {
            JoinGroupResponseMember::default()
                .with_member_id(wire(&member.id))
                .with_group_instance_id(member.instance.as_deref().map(wire))
                .with_metadata(member.metadata(protocol).unwrap_or_default())
        });
        JoinGroupResponse::default()
            .with_generation_id(self.generation.0)
            .with_protocol_type(self.protocol_type().map(wire))
            .with_protocol_name(protocol.map(wire))
            .with_leader(wire(self.leader.as_deref().unwrap_or_default()))
            .with_member_id(wire(member))
            .with_members(members.collect())
    }

    fn sync_phase_over(&mut self, turn: &mut Turn<'_>) {
        let syncing = matches!(self.state(), State::CompletingRebalance | State::Stable);
        if !syncing || self.pending_sync.is_empty() {
            return;
        }
        let late = std::mem::take(&mut self.pending_sync);
        for member in &late {
            self.remove(member);
            self.cancel_session(turn, member);
        }
        let reason = format!("{} did not fetch the assignment in time", members_in_words(late.len()));
        self.prepare_rebalance(turn, reason);
    }

    fn session_expired(&mut self, turn: &mut Turn<'_>, id: &str) {
        if self.pending_join.contains(id) {
            self.remove(id);
            return self.complete_join_if_last_was_waited_for(turn);
        }
        let Some(member) = self.member_mut(id) else { return };
        // A parked request is a sign of life, except of a new member: its client may be long gone.
        let waits = member.awaiting_join.is_some() || member.awaiting_sync.is_some();
        if waits && !member.is_new {
            return;
        }
        let reason = match member.is_new {
            true => format!("the join of {id} waited too long"),
            false => format!("the session of {id} timed out after {} ms", member.session_timeout_ms),
        };
        self.remove_waiting(turn, id);
        match self.state() {
            State::Stable | State::CompletingRebalance => self.rebalance_or_complete_join(turn, reason),
            State::PreparingRebalance => self.complete_join_if_last_was_waited_for(turn),
            State::Empty => {}
        }
    }

    fn complete_join_if_last_was_waited_for(&mut self, turn: &mut Turn<'_>) {
        if self.state() == State::PreparingRebalance && self.all_joined() {
            self.complete_join(turn);
        }
    }

    /// Removes a member whose requests may be parked: a client that is still there joins anew.
    pub(super) fn remove_waiting(&mut self, turn: &mut Turn<'_>, id: &str) {
        self.cancel_session(turn, id);
        let Some(member) = self.remove(id) else { return };
        let error = ErrorCode::UnknownMemberId;
        if let Some(waiter) = member.awaiting_join {
            turn.reply(waiter.token, join_error("", waiter.version, error));
        }
        if let Some(waiter) = member.awaiting_sync {
            turn.reply(waiter.token, super::sync::error(error));
        }
    }

    fn set_join_timer(&self, turn: &mut Turn<'_>, after: Duration) {
        let timer = self.join_timer(turn);
        turn.core.timers.set(timer, turn.now + after);
    }

    fn join_timer(&self, turn: &Turn<'_>) -> Timer {
        Timer::Join { partition: turn.partition, group: self.id().to_owned() }
    }

    pub(super) fn sync_timer(&self, turn: &Turn<'_>) -> Timer {
        Timer::Sync { partition: turn.partition, group: self.id().to_owned() }
    }
}

fn members_in_words(count: usize) -> String {
    match count {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    }
}
