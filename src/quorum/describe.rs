//! DescribeQuorum 0-2: the leader tells who votes, who fetches, and how far each one is (KIP-595, KIP-836, KIP-853).

use crate::effects::{Effects, ReplyToken};
use crate::protocol::control::Voter;
use crate::protocol::error::code_of;
use crate::protocol::messages::{self, DescribeQuorumResponse, describe_quorum_response};
use crate::protocol::{ErrorCode, StrBytes};
use crate::time::Instant;
use crate::types::{BrokerId, Uuid};

use super::election::topic_name;
use super::replication::Replica;
use super::{Quorum, Role};

impl Quorum {
    pub(super) fn on_describe(&mut self, now: Instant, token: ReplyToken, fx: &mut Effects) {
        let error = (!self.is_leader()).then_some(ErrorCode::NotLeaderOrFollower);
        let (mut voters, mut observers, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        if let Role::Leader(leadership) = &self.role {
            let list = self.voter_list();
            for voter in &list {
                let known = leadership.replicas.get(&voter.id);
                voters.push(match known.filter(|replica| self.votes(voter.id, replica.directory)) {
                    _ if voter.id == self.node => self.describe_self(now),
                    Some(replica) => describe(voter.id, replica),
                    None => describe(voter.id, &Replica { directory: voter.directory, ..Replica::default() }),
                });
                nodes.extend(node(voter));
            }
            if !self.is_voter() {
                observers.push(self.describe_self(now));
            }
            let others =
                leadership.replicas.iter().filter(|(id, replica)| !self.votes(**id, replica.directory));
            observers.extend(others.map(|(id, replica)| describe(*id, replica)));
        }
        let partition = describe_quorum_response::PartitionData::default()
            .with_partition_index(0)
            .with_error_code(code_of(error))
            .with_leader_id(messages::BrokerId(self.leader().map_or(-1, |id| id.0)))
            .with_leader_epoch(self.state.epoch.0)
            .with_high_watermark(self.high_watermark.0)
            .with_current_voters(voters)
            .with_observers(observers);
        let topic = describe_quorum_response::TopicData::default()
            .with_topic_name(topic_name())
            .with_partitions(vec![partition]);
        let response = DescribeQuorumResponse::default().with_topics(vec![topic]).with_nodes(nodes);
        self.reply(token, response, fx);
    }

    fn describe_self(&self, now: Instant) -> describe_quorum_response::ReplicaState {
        state(self.node, self.state.directory)
            .with_log_end_offset(self.log.log_end_offset().0)
            .with_last_fetch_timestamp(now.as_timestamp())
            .with_last_caught_up_timestamp(now.as_timestamp())
    }
}

fn state(id: BrokerId, directory: Uuid) -> describe_quorum_response::ReplicaState {
    describe_quorum_response::ReplicaState::default()
        .with_replica_id(messages::BrokerId(id.0))
        .with_replica_directory_id(directory)
}

fn describe(id: BrokerId, replica: &Replica) -> describe_quorum_response::ReplicaState {
    state(id, replica.directory)
        .with_log_end_offset(if replica.fetched_at.is_some() { replica.end.0 } else { -1 })
        .with_last_fetch_timestamp(replica.fetched_at.map_or(-1, Instant::as_timestamp))
        .with_last_caught_up_timestamp(replica.caught_up_at.map_or(-1, Instant::as_timestamp))
}

fn node(voter: &Voter) -> Option<describe_quorum_response::Node> {
    let (host, port) = voter.endpoint.clone()?;
    let listener = describe_quorum_response::Listener::default()
        .with_name(StrBytes::from_static_str("PLAINTEXT"))
        .with_host(StrBytes::from_string(host))
        .with_port(port);
    let id = messages::BrokerId(voter.id.0);
    Some(describe_quorum_response::Node::default().with_node_id(id).with_listeners(vec![listener]))
}
