//! The begin and the end of a leader's epoch, told to the voters: BeginQuorumEpoch 0-1, EndQuorumEpoch 0-1 (KIP-595).

use crate::effects::{Effects, Lane, PeerResult, ReplyToken};
use crate::protocol::messages::{
    self, BeginQuorumEpochRequest, BeginQuorumEpochResponse, EndQuorumEpochRequest, EndQuorumEpochResponse,
    begin_quorum_epoch_request, begin_quorum_epoch_response, end_quorum_epoch_request,
    end_quorum_epoch_response,
};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, LeaderEpoch};

use super::election::topic_name;
use super::{Purpose, Quorum, RETRY, Role};

impl Quorum {
    pub(super) fn send_begin_epoch(&mut self, voter: BrokerId, fx: &mut Effects) {
        let partition = begin_quorum_epoch_request::PartitionData::default()
            .with_partition_index(0)
            .with_voter_directory_id(self.voters.get(&voter).copied().unwrap_or_default())
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
        let wrong_cluster = self.is_other_cluster(body.cluster_id.as_ref());
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
        let directory = begun.voter_directory_id;
        let error = if !self.is_asked_as(directory) {
            Some(ErrorCode::InvalidVoterKey)
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
        let answer = match &result {
            Ok(Response::BeginQuorumEpoch(body)) => {
                body.topics.first().and_then(|topic| topic.partitions.first())
            }
            _ => None,
        };
        if let Some(answer) = answer {
            self.learn(now, answer.leader_id.0, answer.leader_epoch, fx);
            if answer.error_code == 0 {
                self.heard_since(from, LeaderEpoch(answer.leader_epoch));
            }
        } else if result.is_err()
            && epoch == self.state.epoch
            && let Role::Leader(leadership) = &mut self.role
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
            if following && self.may_stand() {
                let place = ended.preferred_candidates.iter().position(|c| c.candidate_id.0 == self.node.0);
                // The first stands at once; the others give it time, in their order.
                if place == Some(0) {
                    self.stand(now, fx);
                } else {
                    let base = self.election_timeout.as_millis() as u64;
                    let wait = place.map_or(2 * base, |place| place as u64 * base);
                    let election_at = Some(now + Duration::from_millis(wait));
                    self.role = Role::Unattached { election_at, ask_at: now + RETRY };
                }
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
}
