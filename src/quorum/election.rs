//! Elections: Vote, BeginQuorumEpoch, EndQuorumEpoch.

use std::collections::{BTreeMap, BTreeSet};

use crate::effects::{Effects, Lane, PeerResult, ReplyToken};
use crate::mutation::{Mutation, mutated};
use crate::protocol::messages::{
    self, BeginQuorumEpochRequest, BeginQuorumEpochResponse, EndQuorumEpochRequest, EndQuorumEpochResponse,
    VoteRequest, VoteResponse, begin_quorum_epoch_request, begin_quorum_epoch_response,
    end_quorum_epoch_request, end_quorum_epoch_response, vote_request, vote_response,
};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, LeaderEpoch, METADATA_TOPIC, Offset};

use super::replication::{Following, Leadership};
use super::{Held, Purpose, Quorum, QuorumState, RETRY, Role, unreachable_peer};

/// A candidate's count of the votes of one epoch.
#[derive(Debug, Clone)]
pub(super) struct Candidacy {
    granted: BTreeSet<BrokerId>,
    rejected: BTreeSet<BrokerId>,
    /// When to stand again, in the next epoch.
    stand_again_at: Instant,
    /// Voters that could not be reached, and when to ask them again.
    ask_again: BTreeMap<BrokerId, Instant>,
}

impl Candidacy {
    pub(super) fn next_deadline(&self) -> Instant {
        let again = self.ask_again.values().min().copied();
        earliest(Some(self.stand_again_at), again).unwrap_or(self.stand_again_at)
    }
}

impl Quorum {
    /// Becomes a candidate of the next epoch, with its own vote.
    pub(super) fn stand(&mut self, now: Instant, fx: &mut Effects) {
        if self.storage_retry_at.is_some() || !self.state_writes.is_empty() {
            // It could not vote for itself durably; look again later.
            self.role = self.unattached(now);
            return;
        }
        self.leave_role(fx);
        self.state = QuorumState { epoch: self.state.epoch.next(), voted_for: Some(self.node) };
        self.persist(fx);
        self.role = Role::Candidate(Candidacy {
            granted: BTreeSet::from([self.node]),
            rejected: BTreeSet::new(),
            stand_again_at: now + self.random_election_timeout(),
            ask_again: BTreeMap::new(),
        });
        for voter in self.other_voters() {
            self.ask_for_vote(voter, fx);
        }
        self.held.push_back(Held::Lead);
    }

    fn ask_for_vote(&mut self, voter: BrokerId, fx: &mut Effects) {
        let (last_epoch, last_offset) = self.durable_position();
        let partition = vote_request::PartitionData::default()
            .with_partition_index(0)
            .with_replica_epoch(self.state.epoch.0)
            .with_replica_id(messages::BrokerId(self.node.0))
            .with_last_offset_epoch(last_epoch.0)
            .with_last_offset(last_offset.0)
            .with_pre_vote(false);
        let topic =
            vote_request::TopicData::default().with_topic_name(topic_name()).with_partitions(vec![partition]);
        let body = VoteRequest::default()
            .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
            .with_voter_id(messages::BrokerId(voter.0))
            .with_topics(vec![topic]);
        self.request(voter, Lane::Quorum, body.into(), Purpose::Vote, fx);
    }

    /// The end of what is durable here, and the epoch of its last record: what elections compare.
    fn durable_position(&self) -> (LeaderEpoch, Offset) {
        let end = self.log.durable_end_offset();
        let last = (end > Offset::ZERO).then(|| self.log.epoch_at(end.plus(-1))).flatten();
        (last.unwrap_or_default(), end)
    }

    pub(super) fn on_vote(&mut self, now: Instant, token: ReplyToken, body: &VoteRequest, fx: &mut Effects) {
        let Some(asked) = body.topics.first().and_then(|topic| topic.partitions.first()).cloned() else {
            return self.reply(token, vote_error(ErrorCode::InvalidRequest), fx);
        };
        if body.cluster_id.as_ref().is_some_and(|id| id.as_str() != self.cluster_id) {
            return self.reply(token, vote_error(ErrorCode::InconsistentClusterId), fx);
        }
        let candidate = BrokerId(asked.replica_id.0);
        let epoch = LeaderEpoch(asked.replica_epoch);
        if !self.voters.contains(&candidate) || !self.is_voter() {
            return self.answer_vote(token, Some(ErrorCode::InconsistentVoterSet), false, fx);
        }
        if epoch < self.state.epoch {
            return self.answer_vote(token, Some(ErrorCode::FencedLeaderEpoch), false, fx);
        }
        let theirs = (LeaderEpoch(asked.last_offset_epoch), Offset(asked.last_offset));
        let up_to_date = theirs >= self.durable_position() || mutated(Mutation::VoteForShorterLog);
        if asked.pre_vote {
            // A pre-vote changes nothing here (KIP-996).
            let granted = up_to_date && self.leader().is_none();
            return self.answer_vote(token, None, granted, fx);
        }
        self.see_epoch(now, epoch, fx);
        let free = self.state.voted_for.is_none_or(|voted| voted == candidate);
        let free = free || mutated(Mutation::VoteTwice);
        let granted = up_to_date && free && matches!(self.role, Role::Unattached { .. });
        if granted {
            if self.state.voted_for.is_none() {
                self.state.voted_for = Some(candidate);
                self.persist(fx);
            }
            self.role = self.unattached(now);
        }
        self.answer_vote(token, None, granted, fx);
    }

    fn answer_vote(&mut self, token: ReplyToken, error: Option<ErrorCode>, granted: bool, fx: &mut Effects) {
        let partition = vote_response::PartitionData::default()
            .with_partition_index(0)
            .with_error_code(crate::protocol::error::code_of(error))
            .with_leader_id(messages::BrokerId(self.leader().map_or(-1, |id| id.0)))
            .with_leader_epoch(self.state.epoch.0)
            .with_vote_granted(granted);
        let topic = vote_response::TopicData::default()
            .with_topic_name(topic_name())
            .with_partitions(vec![partition]);
        self.reply(token, VoteResponse::default().with_topics(vec![topic]), fx);
    }

    pub(super) fn on_vote_response(
        &mut self,
        now: Instant,
        from: BrokerId,
        epoch: LeaderEpoch,
        result: PeerResult,
        fx: &mut Effects,
    ) {
        if unreachable_peer(&result)
            && let Role::Candidate(candidacy) = &mut self.role
            && epoch == self.state.epoch
        {
            candidacy.ask_again.insert(from, now + RETRY);
        }
        let Ok(Response::Vote(body)) = result else { return };
        let Some(answer) = body.topics.first().and_then(|topic| topic.partitions.first()) else { return };
        if self.learn(now, answer.leader_id.0, answer.leader_epoch, fx) || epoch != self.state.epoch {
            return;
        }
        let (majority, voters) = (self.majority(), self.voters.len());
        let backoff = 1 + self.rng.below(self.election_backoff_max.as_millis() as u64);
        let Role::Candidate(candidacy) = &mut self.role else { return };
        if answer.vote_granted {
            candidacy.granted.insert(from);
        } else {
            candidacy.rejected.insert(from);
        }
        if candidacy.rejected.len() == voters - majority + 1 {
            candidacy.stand_again_at = now + Duration::from_millis(backoff);
        }
        self.lead_if_elected(now, fx);
    }

    /// Takes what a message says of the quorum's leader. True if that changed this node's role.
    pub(super) fn learn(&mut self, now: Instant, leader: i32, epoch: i32, fx: &mut Effects) -> bool {
        let epoch = LeaderEpoch(epoch);
        let leader = (leader >= 0).then_some(BrokerId(leader)).filter(|id| *id != self.node);
        if epoch < self.state.epoch {
            return false;
        }
        match leader {
            Some(leader) if self.voters.contains(&leader) => self.follow(now, leader, epoch, fx),
            _ if epoch > self.state.epoch => {
                self.see_epoch(now, epoch, fx);
                true
            }
            _ => false,
        }
    }

    /// Follows the leader of an epoch that is ours or newer. True if that is a change.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        leader: BrokerId,
        epoch: LeaderEpoch,
        fx: &mut Effects,
    ) -> bool {
        self.see_epoch(now, epoch, fx);
        match &self.role {
            // There is one leader an epoch; a message that says otherwise is not believed.
            Role::Leader(_) | Role::Follower(_) => return false,
            Role::Resigned { .. } if leader == self.node => return false,
            _ => {}
        }
        self.role = Role::Follower(Following::new(leader, now, self.fetch_timeout));
        self.fetch(now, fx);
        true
    }

    pub(super) fn lead_if_elected(&mut self, now: Instant, fx: &mut Effects) {
        let majority = self.majority();
        let Role::Candidate(candidacy) = &self.role else { return };
        if candidacy.granted.len() < majority || !self.state_writes.is_empty() {
            return;
        }
        let granted: Vec<BrokerId> = candidacy.granted.iter().copied().collect();
        let epoch_start = self.log.log_end_offset();
        self.role = Role::Leader(Leadership::new(now, epoch_start, self.other_voters(), self.fetch_timeout));
        let voters: Vec<BrokerId> = self.voters.iter().copied().collect();
        let batch = crate::protocol::control::leader_change(now.as_timestamp(), self.node, &voters, &granted);
        if self.append(now, &batch, fx).is_err() {
            return;
        }
        for voter in self.other_voters() {
            self.send_begin_epoch(voter, fx);
        }
    }

    pub(super) fn send_begin_epoch(&mut self, voter: BrokerId, fx: &mut Effects) {
        let partition = begin_quorum_epoch_request::PartitionData::default()
            .with_partition_index(0)
            .with_leader_id(messages::BrokerId(self.node.0))
            .with_leader_epoch(self.state.epoch.0);
        let topic = begin_quorum_epoch_request::TopicData::default()
            .with_topic_name(topic_name())
            .with_partitions(vec![partition]);
        let body = BeginQuorumEpochRequest::default()
            .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
            .with_voter_id(messages::BrokerId(voter.0))
            .with_topics(vec![topic]);
        self.request(voter, Lane::Quorum, body.into(), Purpose::Begin, fx);
    }

    pub(super) fn on_begin_epoch(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: &BeginQuorumEpochRequest,
        fx: &mut Effects,
    ) {
        let begun = body.topics.first().and_then(|topic| topic.partitions.first()).cloned();
        let wrong_cluster = body.cluster_id.as_ref().is_some_and(|id| id.as_str() != self.cluster_id);
        let whole = match &begun {
            None => Some(ErrorCode::InvalidRequest),
            Some(_) if wrong_cluster => Some(ErrorCode::InconsistentClusterId),
            Some(_) => None,
        };
        let (Some(begun), None) = (begun, whole) else {
            let code = crate::protocol::error::code_of(whole);
            return self.reply(token, BeginQuorumEpochResponse::default().with_error_code(code), fx);
        };
        let (leader, epoch) = (BrokerId(begun.leader_id.0), LeaderEpoch(begun.leader_epoch));
        let error = if !self.voters.contains(&leader) {
            Some(ErrorCode::InconsistentVoterSet)
        } else if epoch < self.state.epoch {
            Some(ErrorCode::FencedLeaderEpoch)
        } else {
            self.follow(now, leader, epoch, fx);
            None
        };
        let partition = begin_quorum_epoch_response::PartitionData::default()
            .with_partition_index(0)
            .with_error_code(crate::protocol::error::code_of(error))
            .with_leader_id(messages::BrokerId(self.leader().map_or(-1, |id| id.0)))
            .with_leader_epoch(self.state.epoch.0);
        let topic = begin_quorum_epoch_response::TopicData::default()
            .with_topic_name(topic_name())
            .with_partitions(vec![partition]);
        self.reply(token, BeginQuorumEpochResponse::default().with_topics(vec![topic]), fx);
    }

    pub(super) fn on_begin_response(
        &mut self,
        now: Instant,
        from: BrokerId,
        epoch: LeaderEpoch,
        result: PeerResult,
        fx: &mut Effects,
    ) {
        if let Ok(Response::BeginQuorumEpoch(body)) = &result
            && let Some(answer) = body.topics.first().and_then(|topic| topic.partitions.first())
            && self.learn(now, answer.leader_id.0, answer.leader_epoch, fx)
        {
            return;
        }
        if epoch == self.state.epoch
            && let Role::Leader(leadership) = &mut self.role
            && result.is_err()
        {
            leadership.begin_again(from, now + RETRY);
        }
    }

    pub(super) fn send_end_epoch(&mut self, successors: Vec<BrokerId>, fx: &mut Effects) {
        for voter in self.other_voters() {
            let partition = end_quorum_epoch_request::PartitionData::default()
                .with_partition_index(0)
                .with_leader_id(messages::BrokerId(self.node.0))
                .with_leader_epoch(self.state.epoch.0)
                .with_preferred_candidates(
                    successors
                        .iter()
                        .map(|id| {
                            end_quorum_epoch_request::ReplicaInfo::default()
                                .with_candidate_id(messages::BrokerId(id.0))
                        })
                        .collect(),
                );
            let topic = end_quorum_epoch_request::TopicData::default()
                .with_topic_name(topic_name())
                .with_partitions(vec![partition]);
            let body = EndQuorumEpochRequest::default()
                .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
                .with_topics(vec![topic]);
            self.request(voter, Lane::Quorum, body.into(), Purpose::End, fx);
        }
    }

    pub(super) fn on_end_epoch(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: &EndQuorumEpochRequest,
        fx: &mut Effects,
    ) {
        let Some(ended) = body.topics.first().and_then(|topic| topic.partitions.first()).cloned() else {
            let code = ErrorCode::InvalidRequest.code();
            return self.reply(token, EndQuorumEpochResponse::default().with_error_code(code), fx);
        };
        let epoch = LeaderEpoch(ended.leader_epoch);
        let error = (epoch < self.state.epoch).then_some(ErrorCode::FencedLeaderEpoch);
        if error.is_none() {
            self.see_epoch(now, epoch, fx);
            let following = self.leader() == Some(BrokerId(ended.leader_id.0)) && !self.is_leader();
            if following && self.is_voter() {
                let place = ended.preferred_candidates.iter().position(|c| c.candidate_id.0 == self.node.0);
                // The first stands at once; the others give it time, in their order.
                let base = self.election_timeout.as_millis() as u64;
                let wait = place.map_or(2 * base, |place| place as u64 * base);
                let ask_at = now + RETRY;
                let election_at = Some(now + Duration::from_millis(wait));
                self.role = Role::Unattached { election_at, ask_at };
            }
        }
        let partition = end_quorum_epoch_response::PartitionData::default()
            .with_partition_index(0)
            .with_error_code(crate::protocol::error::code_of(error))
            .with_leader_id(messages::BrokerId(self.leader().map_or(-1, |id| id.0)))
            .with_leader_epoch(self.state.epoch.0);
        let topic = end_quorum_epoch_response::TopicData::default()
            .with_topic_name(topic_name())
            .with_partitions(vec![partition]);
        self.reply(token, EndQuorumEpochResponse::default().with_topics(vec![topic]), fx);
    }

    pub(super) fn tick_candidate(&mut self, now: Instant, fx: &mut Effects) {
        let Role::Candidate(candidacy) = &mut self.role else { return };
        if candidacy.stand_again_at <= now {
            return self.stand(now, fx);
        }
        let due: Vec<BrokerId> =
            candidacy.ask_again.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        candidacy.ask_again.retain(|_, at| *at > now);
        for voter in due {
            self.ask_for_vote(voter, fx);
        }
    }
}

fn vote_error(error: ErrorCode) -> VoteResponse {
    VoteResponse::default().with_error_code(error.code())
}

pub(super) fn topic_name() -> messages::TopicName {
    messages::TopicName(StrBytes::from_static_str(METADATA_TOPIC))
}
