//! Changes of the voters (KIP-853): AddRaftVoter 0, RemoveRaftVoter 0, UpdateRaftVoter 0. One at a time: the set before
//! must be committed, so that any majority of the new voters has one of the old ones in it. A set counts as soon as it is
//! appended; whoever asked is answered when it is committed. A leader that is not in it leads until then.

use crate::effects::{Effects, Lane, Reply, ReplyToken};
use crate::mutation::{Mutation, mutated};
use crate::protocol::control::{ControlRecord, Voter, control_batch};
use crate::protocol::error::code_of;
use crate::protocol::messages::{
    self, AddRaftVoterRequest, AddRaftVoterResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse,
    UpdateRaftVoterRequest, UpdateRaftVoterResponse, update_raft_voter_request, update_raft_voter_response,
};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, LeaderEpoch, Offset, Uuid};

use super::voters::find;
use super::{Purpose, Quorum, Role};

/// Which request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Remove,
    Update,
}

/// A change that is appended, and waits to be committed.
#[derive(Debug)]
pub(super) struct Change {
    token: ReplyToken,
    kind: Kind,
    /// The end offset of its record.
    end: Offset,
    pub(super) deadline: Instant,
}

impl Quorum {
    pub(super) fn on_add_voter(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: &AddRaftVoterRequest,
        fx: &mut Effects,
    ) {
        let (id, directory) = (BrokerId(body.voter_id), body.voter_directory_id);
        let listener = body.listeners.first();
        let error = match () {
            () if self.is_other_cluster(body.cluster_id.as_ref()) => Some(ErrorCode::InconsistentClusterId),
            () if directory.is_nil() || listener.is_none() || id.0 < 0 => Some(ErrorCode::InvalidRequest),
            () => self.change_error(),
        };
        let error = error.or_else(|| match () {
            () if self.voters.contains_key(&id) => Some(ErrorCode::DuplicateVoter),
            // Until it has, every commit would wait for it, or be one voter from standing still.
            () if !self.has_caught_up(now, id, directory) => Some(ErrorCode::RequestTimedOut),
            () => None,
        });
        let (Some(listener), None) = (listener, error) else {
            return self.reply(token, response(Kind::Add, error, self), fx);
        };
        let mut voters = self.voter_list();
        voters.push(Voter { id, directory, endpoint: Some((listener.host.to_string(), listener.port)) });
        voters.sort_by_key(|voter| voter.id);
        let timeout = Duration::from_millis(body.timeout_ms.max(0) as u64);
        self.change_voters(now, voters, Some((token, Kind::Add, timeout)), fx);
    }

    pub(super) fn on_remove_voter(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: &RemoveRaftVoterRequest,
        fx: &mut Effects,
    ) {
        let (id, directory) = (BrokerId(body.voter_id), body.voter_directory_id);
        let mut voters = self.voter_list();
        let error = match () {
            () if self.is_other_cluster(body.cluster_id.as_ref()) => Some(ErrorCode::InconsistentClusterId),
            () => self.change_error(),
        };
        let error = error.or_else(|| match () {
            () if find(&voters, id, directory).is_none() => Some(ErrorCode::VoterNotFound),
            // Nobody would be left to decide anything.
            () if voters.len() == 1 => Some(ErrorCode::InvalidRequest),
            () => None,
        });
        if error.is_some() {
            return self.reply(token, response(Kind::Remove, error, self), fx);
        }
        voters.retain(|voter| voter.id != id);
        self.change_voters(now, voters, Some((token, Kind::Remove, self.request_timeout)), fx);
    }

    pub(super) fn on_update_voter(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: &UpdateRaftVoterRequest,
        fx: &mut Effects,
    ) {
        let (id, directory) = (BrokerId(body.voter_id), body.voter_directory_id);
        let listener = body.listeners.first();
        let mut voters = self.voter_list();
        let error = match () {
            () if self.is_other_cluster(body.cluster_id.as_ref()) => Some(ErrorCode::InconsistentClusterId),
            () if listener.is_none() || directory.is_nil() => Some(ErrorCode::InvalidRequest),
            () => self.leader_error(LeaderEpoch(body.current_leader_epoch)).or_else(|| self.change_error()),
        };
        let known = voters.iter_mut().find(|voter| voter.id == id);
        let known = known.filter(|voter| voter.directory == directory || voter.directory.is_nil());
        let error = error.or(known.is_none().then_some(ErrorCode::VoterNotFound));
        let (Some(listener), Some(voter), None) = (listener, known, error) else {
            return self.reply(token, response(Kind::Update, error, self), fx);
        };
        voter.directory = directory;
        voter.endpoint = Some((listener.host.to_string(), listener.port));
        self.change_voters(now, voters, Some((token, Kind::Update, self.request_timeout)), fx);
    }

    /// Why no change can be made now.
    fn change_error(&self) -> Option<ErrorCode> {
        let Role::Leader(_) = &self.role else { return Some(ErrorCode::NotLeaderOrFollower) };
        match self.voter_sets.latest() {
            _ if !self.leadership_established() => Some(ErrorCode::RequestTimedOut),
            None => Some(ErrorCode::UnsupportedVersion),
            Some((offset, _))
                if offset >= self.high_watermark && !mutated(Mutation::TwoVoterChangesAtOnce) =>
            {
                Some(ErrorCode::RequestTimedOut)
            }
            Some(_) => None,
        }
    }

    /// A replica that fetches, and had all there was within the fetch timeout.
    fn has_caught_up(&self, now: Instant, id: BrokerId, directory: Uuid) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        let replica = leadership.replicas.get(&id).filter(|replica| replica.directory == directory);
        let recent = |at: Instant| at + self.fetch_timeout > now;
        replica.is_some_and(|replica| replica.caught_up_at.is_some_and(recent))
    }

    fn change_voters(
        &mut self,
        now: Instant,
        voters: Vec<Voter>,
        asked: Option<(ReplyToken, Kind, Duration)>,
        fx: &mut Effects,
    ) {
        let batch = control_batch(now.as_timestamp(), &[ControlRecord::Voters(voters)]);
        let appended = self.append(now, &batch, fx);
        let Some((token, kind, timeout)) = asked else { return };
        match appended {
            Ok(end) => self.change = Some(Change { token, kind, end, deadline: now + timeout }),
            Err(_) => self.reply(token, response(kind, Some(ErrorCode::NotLeaderOrFollower), self), fx),
        }
    }

    /// The high watermark has risen.
    pub(super) fn change_committed(&mut self, now: Instant, fx: &mut Effects) {
        let high_watermark = self.high_watermark;
        if let Some(change) = self.change.take_if(|change| change.end <= high_watermark) {
            self.reply(change.token, response(change.kind, None, self), fx);
        }
        let left = self.voter_sets.latest().is_some_and(|(offset, _)| offset < high_watermark);
        if left && !self.is_voter() {
            self.resign(now, fx);
        }
    }

    pub(super) fn change_failed(&mut self, error: ErrorCode, fx: &mut Effects) {
        if let Some(change) = self.change.take() {
            fx.replies.push_back((change.token, Reply::Response(response(change.kind, Some(error), self))));
        }
    }

    /// What a leader does about voters by the clock.
    pub(super) fn tick_change(&mut self, now: Instant, fx: &mut Effects) {
        if self.change.as_ref().is_some_and(|change| change.deadline <= now) {
            // It may be committed yet.
            self.change_failed(ErrorCode::RequestTimedOut, fx);
        }
        if self.change_error().is_none() && self.says_where().is_some() {
            let own = self.own_voter();
            let mut voters = self.voter_list();
            voters.iter_mut().filter(|voter| voter.id == own.id).for_each(|voter| *voter = own.clone());
            self.change_voters(now, voters, None, fx);
        }
    }

    /// Tells the leader where this voter is and which storage it has, if the log says something else.
    pub(super) fn tell_where(&mut self, now: Instant, fx: &mut Effects) {
        let (Some(leader), Some(own)) = (self.leader(), self.says_where()) else { return };
        if self.update_at > now {
            return;
        }
        self.update_at = now + self.fetch_timeout;
        let (host, port) = own.endpoint.unwrap_or_default();
        let listener = update_raft_voter_request::Listener::default()
            .with_name(StrBytes::from_static_str("PLAINTEXT"))
            .with_host(StrBytes::from_string(host))
            .with_port(port);
        let versions = update_raft_voter_request::KRaftVersionFeature::default()
            .with_min_supported_version(0)
            .with_max_supported_version(1);
        let body = UpdateRaftVoterRequest::default()
            .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
            .with_current_leader_epoch(self.state.epoch.0)
            .with_voter_id(own.id.0)
            .with_voter_directory_id(own.directory)
            .with_listeners(vec![listener])
            .with_k_raft_version_feature(versions);
        self.request(leader, Lane::Quorum, body.into(), Purpose::Update, fx);
    }

    /// This voter as it is, if the log, as far as it is committed, says something else.
    fn says_where(&self) -> Option<Voter> {
        let (offset, voters) = self.voter_sets.latest()?;
        let own = self.own_voter();
        let known = find(voters, own.id, own.directory).filter(|_| offset < self.high_watermark)?;
        (*known != own).then_some(own)
    }

    fn own_voter(&self) -> Voter {
        Voter { id: self.node, directory: self.state.directory, endpoint: Some(self.endpoint.clone()) }
    }

    /// All voters that count.
    pub(super) fn voter_list(&self) -> Vec<Voter> {
        if let Some((_, voters)) = self.voter_sets.latest() {
            return voters.to_vec();
        }
        let unknown = |id: &BrokerId| match *id == self.node {
            true => self.own_voter(),
            false => Voter { id: *id, directory: Uuid::nil(), endpoint: None },
        };
        self.configured.iter().map(unknown).collect()
    }
}

fn response(kind: Kind, error: Option<ErrorCode>, quorum: &Quorum) -> Response {
    let code = code_of(error);
    let message = error.map(|error| StrBytes::from_string(error.to_string()));
    match kind {
        Kind::Add => AddRaftVoterResponse::default().with_error_code(code).with_error_message(message).into(),
        Kind::Remove => {
            RemoveRaftVoterResponse::default().with_error_code(code).with_error_message(message).into()
        }
        Kind::Update => {
            let leader = update_raft_voter_response::CurrentLeader::default()
                .with_leader_id(messages::BrokerId(quorum.leader().map_or(-1, |id| id.0)))
                .with_leader_epoch(quorum.state.epoch.0);
            UpdateRaftVoterResponse::default().with_error_code(code).with_current_leader(leader).into()
        }
    }
}
