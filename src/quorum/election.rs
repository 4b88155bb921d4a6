//! Elections: Vote, first as a question that changes nothing (pre-vote, KIP-996), then in earnest.

use crate::effects::{Effects, Lane, PeerResult, ReplyToken};
use crate::mutation::{Mutation, mutated};
use crate::protocol::control::{ControlRecord, control_batch, leader_change};
use crate::protocol::messages::{self, VoteRequest, VoteResponse, vote_request, vote_response};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::sorted::{SortedMap, SortedSet};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, LeaderEpoch, METADATA_TOPIC, Offset};

use super::replication::{Following, Leadership};
use super::{Held, Purpose, Quorum, QuorumState, RETRY, Role, unreachable_peer};

/// A count of votes, or of pre-votes.
#[derive(Debug, Clone)]
pub(super) struct Candidacy {
    /// The leader that a prospective candidate could not hear, and goes back to when others can.
    leader: Option<BrokerId>,
    granted: SortedSet<BrokerId>,
    rejected: SortedSet<BrokerId>,
    /// When it has failed.
    ends_at: Instant,
    /// Voters that could not be reached, and when to ask them again.
    ask_again: SortedMap<BrokerId, Instant>,
}

impl Candidacy {
    pub(super) fn next_deadline(&self) -> Instant {
        let again = self.ask_again.values().min().copied();
        earliest(Some(self.ends_at), again).unwrap_or(self.ends_at)
    }
}

impl Quorum {
    /// Asks whether it would be elected. Its epoch stays as it is, so that a voter which comes back after it was cut off
    /// deposes nobody.
    pub(super) fn stand(&mut self, now: Instant, fx: &mut Effects) {
        if self.storage_retry_at.is_some() || !self.state_is_stored() {
            // It could not vote for itself durably; look again later.
            self.role = self.unattached(now);
            return;
        }
        self.leave_role(fx);
        let leader = self.leader().filter(|id| *id != self.node);
        self.role = Role::Prospective(self.candidacy(now, leader));
        // Answers to an earlier question say nothing of now.
        self.requests.retain(|_, (purpose, _)| *purpose != Purpose::PreVote);
        let elected = self.majority() == 1 && self.is_voter();
        if elected || mutated(Mutation::StandWithoutPreVote) {
            return self.become_candidate(now, fx);
        }
        for voter in self.other_voters() {
            self.ask_for_vote(voter, fx);
        }
    }

    /// Becomes a candidate of the next epoch, with its own vote if it has one.
    fn become_candidate(&mut self, now: Instant, fx: &mut Effects) {
        if self.storage_retry_at.is_some() {
            self.role = self.unattached(now);
            return;
        }
        self.state = QuorumState { epoch: self.state.epoch.next(), voted_for: Some(self.node), ..self.state };
        self.persist(fx);
        self.role = Role::Candidate(self.candidacy(now, None));
        for voter in self.other_voters() {
            self.ask_for_vote(voter, fx);
        }
        self.held.push_back(Held::Lead);
    }

    fn candidacy(&mut self, now: Instant, leader: Option<BrokerId>) -> Candidacy {
        // Who is no voter does not count itself.
        let granted = self.is_voter().then_some(self.node).into_iter().collect();
        Candidacy {
            leader,
            granted,
            rejected: SortedSet::new(),
            ends_at: now + self.random_election_timeout(),
            ask_again: SortedMap::new(),
        }
    }

    fn ask_for_vote(&mut self, voter: BrokerId, fx: &mut Effects) {
        let purpose = match self.role {
            Role::Prospective(_) => Purpose::PreVote,
            _ => Purpose::Vote,
        };
        self.send_vote(voter, purpose, fx);
    }

    /// Asks a voter for its epoch. A pre-vote changes nothing there, and no other storage than the voter's answers it.
    pub(super) fn ask_for_epoch(&mut self, voter: BrokerId, fx: &mut Effects) {
        self.send_vote(voter, Purpose::Epoch, fx);
    }

    fn send_vote(&mut self, voter: BrokerId, purpose: Purpose, fx: &mut Effects) {
        let (last_epoch, last_offset) = self.durable_position();
        let voter_directory = self.voters.get(&voter).copied().unwrap_or_default();
        let partition = vote_request::PartitionData::default()
            .with_partition_index(0)
            .with_replica_epoch(self.state.epoch.0)
            .with_replica_id(messages::BrokerId(self.node.0))
            .with_replica_directory_id(self.state.directory)
            .with_voter_directory_id(voter_directory)
            .with_last_offset_epoch(last_epoch.0)
            .with_last_offset(last_offset.0)
            .with_pre_vote(purpose != Purpose::Vote);
        let topic =
            vote_request::TopicData::default().with_topic_name(topic_name()).with_partitions(vec![partition]);
        let body = VoteRequest::default()
            .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
            .with_voter_id(messages::BrokerId(voter.0))
            .with_topics(vec![topic]);
        self.request(voter, Lane::Quorum, body.into(), purpose, fx);
    }

    /// The end of what is durable here, and the epoch of its last record: what elections compare.
    fn durable_position(&self) -> (LeaderEpoch, Offset) {
        let end = self.log.durable_end_offset();
        (self.epoch_before(end), end)
    }

    pub(super) fn on_vote(&mut self, now: Instant, token: ReplyToken, body: &VoteRequest, fx: &mut Effects) {
        let Some(asked) = body.topics.first().and_then(|topic| topic.partitions.first()).cloned() else {
            return self.reply(token, vote_error(ErrorCode::InvalidRequest), fx);
        };
        if self.is_other_cluster(body.cluster_id.as_ref()) {
            return self.reply(token, vote_error(ErrorCode::InconsistentClusterId), fx);
        }
        let candidate = BrokerId(asked.replica_id.0);
        let epoch = LeaderEpoch(asked.replica_epoch);
        // Whether they are voters is not asked: the log of one of them may not say so yet.
        let directory = asked.voter_directory_id;
        if !self.is_asked_as(directory) {
            return self.answer_vote(token, Some(ErrorCode::InvalidVoterKey), false, fx);
        }
        if epoch < self.state.epoch {
            return self.answer_vote(token, Some(ErrorCode::FencedLeaderEpoch), false, fx);
        }
        let theirs = (LeaderEpoch(asked.last_offset_epoch), Offset(asked.last_offset));
        let up_to_date = theirs >= self.durable_position() || mutated(Mutation::VoteForShorterLog);
        self.see_epoch(now, epoch, fx);
        if asked.pre_vote {
            // Nobody needs another leader while this one is heard.
            let granted = up_to_date && (!self.hears_leader() || mutated(Mutation::PreVoteWhileLed));
            return self.answer_vote(token, None, granted, fx);
        }
        let free = self.state.voted_for.is_none_or(|voted| voted == candidate);
        let free = free || mutated(Mutation::VoteTwice);
        let leaderless = match &self.role {
            Role::Unattached { .. } => true,
            Role::Prospective(candidacy) => candidacy.leader.is_none(),
            _ => false,
        };
        let granted = up_to_date && free && leaderless;
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
        asked: (Purpose, LeaderEpoch),
        result: PeerResult,
        fx: &mut Effects,
    ) {
        let current = asked.1 == self.state.epoch;
        if unreachable_peer(&result)
            && let Some(candidacy) = self.canvass(asked.0)
            && current
        {
            candidacy.ask_again.insert(from, now + RETRY);
        }
        let Ok(Response::Vote(body)) = result else { return };
        let Some(answer) = body.topics.first().and_then(|topic| topic.partitions.first()) else { return };
        let learned = self.learn(now, answer.leader_id.0, answer.leader_epoch, fx);
        if asked.0 == Purpose::Epoch && answer.error_code == 0 {
            self.heard_since(from, LeaderEpoch(answer.leader_epoch));
        }
        if learned || !current {
            return;
        }
        let (majority, voters) = (self.majority(), self.voters.len());
        let backoff = 1 + self.rng.below(self.election_backoff_max.as_millis() as u64);
        let Some(candidacy) = self.canvass(asked.0) else { return };
        if answer.vote_granted {
            candidacy.granted.insert(from);
        } else {
            candidacy.rejected.insert(from);
        }
        let (granted, lost) =
            (candidacy.granted.len() >= majority, candidacy.rejected.len() > voters - majority);
        match asked.0 {
            // Time has passed unnoticed: what was granted may not hold any more.
            Purpose::PreVote if candidacy.ends_at <= now => {}
            Purpose::PreVote if granted => self.become_candidate(now, fx),
            Purpose::PreVote if lost => self.lose_pre_vote(now, fx),
            Purpose::PreVote => {}
            _ => {
                if lost {
                    candidacy.ends_at = candidacy.ends_at.min(now + Duration::from_millis(backoff));
                }
                self.lead_if_elected(now, fx);
            }
        }
    }

    /// The count that an answer belongs to.
    fn canvass(&mut self, purpose: Purpose) -> Option<&mut Candidacy> {
        match (&mut self.role, purpose) {
            (Role::Prospective(candidacy), Purpose::PreVote) => Some(candidacy),
            (Role::Candidate(candidacy), Purpose::Vote) => Some(candidacy),
            _ => None,
        }
    }

    /// Others hear a leader, or have more records: goes back to the leader it had.
    fn lose_pre_vote(&mut self, now: Instant, fx: &mut Effects) {
        let Role::Prospective(candidacy) = &self.role else { return };
        match candidacy.leader {
            Some(leader) => {
                self.role = Role::Follower(Following::new(leader, now, self.fetch_timeout));
                self.fetch(now, fx);
            }
            None => self.role = self.unattached(now),
        }
    }

    /// Takes what a message says of the quorum's leader. True if that changed this node's role.
    pub(super) fn learn(&mut self, now: Instant, leader: i32, epoch: i32, fx: &mut Effects) -> bool {
        let epoch = LeaderEpoch(epoch);
        let leader = (leader >= 0).then_some(BrokerId(leader)).filter(|id| *id != self.node);
        if epoch < self.state.epoch {
            return false;
        }
        match (leader, &self.role) {
            // What others know of the leader that can't be heard from here is in their votes.
            (Some(leader), Role::Prospective(candidacy))
                if candidacy.leader == Some(leader) && epoch == self.state.epoch =>
            {
                false
            }
            (Some(leader), _) => self.follow(now, leader, epoch, fx),
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
        if candidacy.granted.len() < majority || !self.state_is_stored() {
            return;
        }
        let granted: Vec<BrokerId> = candidacy.granted.iter().copied().collect();
        let epoch_start = self.log.log_end_offset();
        self.role = Role::Leader(Leadership::new(now, epoch_start, self.fetch_timeout));
        let voters: Vec<BrokerId> = self.voters.keys().copied().collect();
        let mut batch = leader_change(now.as_timestamp(), self.node, &voters, &granted).to_vec();
        if self.voter_sets.latest().is_none() {
            // From here on the log says who votes, and not the configuration.
            let records = [ControlRecord::KraftVersion(1), ControlRecord::Voters(self.voter_list())];
            batch.extend_from_slice(&control_batch(now.as_timestamp(), &records));
        }
        if self.append(now, &batch.into(), fx).is_err() {
            return;
        }
        for voter in self.other_voters() {
            self.send_begin_epoch(voter, fx);
        }
    }

    pub(super) fn tick_candidate(&mut self, now: Instant, fx: &mut Effects) {
        let (Role::Prospective(candidacy) | Role::Candidate(candidacy)) = &mut self.role else { return };
        if candidacy.ends_at <= now {
            return match &self.role {
                Role::Prospective(_) => self.lose_pre_vote(now, fx),
                _ => self.stand(now, fx),
            };
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
