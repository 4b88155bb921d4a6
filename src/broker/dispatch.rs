//! Each request to the part that serves it.

use bytes::Bytes;

use crate::coordinator::ClientInfo;
use crate::effects::{Reply, ReplyToken};
use crate::event::ClusterEvent;
use crate::protocol::messages::{EnvelopeRequest, EnvelopeResponse, FetchRequest};
use crate::protocol::{ErrorCode, Request, RequestFrame, decode_request, internal_only};
use crate::time::{Duration, Instant};
use crate::types::{Offset, PartitionIndex, TopicId, TopicName};

use super::connections::Conn;
use super::{Broker, Origin, api_versions};

impl Broker {
    /// Serves a request of a connection.
    pub(super) fn serve(&mut self, now: Instant, token: ReplyToken, from: Conn, request: RequestFrame) {
        match from {
            Conn::Peer { .. } => self.serve_peer(now, token, request.version, request.body),
            Conn::Client(_) if internal_only(request.key) => {
                // Real brokers don't listen to these on the clients' port.
                self.fx.replies.push_back((token, Reply::Close(ErrorCode::InvalidRequest)));
            }
            Conn::Client(_) => self.serve_client(now, token, request),
        }
    }

    /// Serves a request of a broker, this one included.
    pub(super) fn serve_peer(&mut self, now: Instant, token: ReplyToken, version: i16, body: Request) {
        match body {
            Request::Vote(_)
            | Request::BeginQuorumEpoch(_)
            | Request::EndQuorumEpoch(_)
            | Request::FetchSnapshot(_)
            | Request::UpdateRaftVoter(_) => {
                self.quorum.handle_request(now, token, &body, &mut self.fx);
            }
            Request::Fetch(fetch)
                if fetch.topics.iter().any(|topic| topic.topic_id == TopicId::METADATA.0) =>
            {
                self.quorum.handle_request(now, token, &fetch.into(), &mut self.fx);
            }
            Request::Fetch(fetch) => self.replicas.fetch(now, token, version, fetch, false, &mut self.fx),
            Request::Envelope(envelope) => self.open_envelope(now, token, envelope),
            Request::BrokerRegistration(_)
            | Request::BrokerHeartbeat(_)
            | Request::AlterPartition(_)
            | Request::AllocateProducerIds(_) => self.serve_controller(now, token, body),
            _ => self.fx.replies.push_back((token, Reply::Close(ErrorCode::InvalidRequest))),
        }
    }

    fn serve_client(&mut self, now: Instant, token: ReplyToken, request: RequestFrame) {
        let version = request.version;
        let client = ClientInfo {
            client_id: request.client_id.as_ref().map(|id| id.to_string()).unwrap_or_default(),
            host: "/127.0.0.1".to_owned(),
        };
        let fx = &mut self.fx;
        match request.body {
            Request::ApiVersions(_) => {
                fx.reply(token, api_versions::supported(self.image.features(), self.replayed));
            }
            Request::Produce(body) => self.replicas.produce(now, token, version, body, fx),
            Request::Fetch(body) => {
                self.tell_positions(&client.client_id, &body);
                self.replicas.fetch(now, token, version, body, true, &mut self.fx);
            }
            Request::ListOffsets(body) => self.replicas.list_offsets(now, token, version, body, fx),
            Request::DeleteRecords(body) => self.replicas.delete_records(now, token, body, fx),
            Request::OffsetForLeaderEpoch(body) => {
                self.replicas.offsets_for_leader_epoch(now, token, version, body, fx);
            }
            Request::Metadata(body) => self.serve_metadata(now, token, version, &body),
            Request::DescribeTopicPartitions(body) => self.serve_describe_topic_partitions(token, &body),
            Request::DescribeCluster(body) => self.serve_describe_cluster(token, &body),
            Request::ListConfigResources(body) => self.serve_list_config_resources(token, version, &body),
            Request::DescribeLogDirs(body) => self.replicas.describe_log_dirs(token, &body, fx),
            Request::DescribeProducers(body) => self.replicas.describe_producers(token, &body, fx),
            Request::DescribeConfigs(body) => self.serve_describe_configs(token, &body),
            Request::FindCoordinator(body) => self.serve_find_coordinator(now, token, version, &body),
            Request::InitProducerId(body) => self.producer_ids.init(now, &self.config, token, &body, fx),
            body if is_for_controller(&body) => self.serve_by_controller(now, token, body),
            Request::JoinGroup(_)
            | Request::SyncGroup(_)
            | Request::Heartbeat(_)
            | Request::LeaveGroup(_)
            | Request::OffsetCommit(_)
            | Request::OffsetFetch(_)
            | Request::DescribeGroups(_)
            | Request::ListGroups(_)
            | Request::OffsetDelete(_)
            | Request::DeleteGroups(_) => {
                self.groups.coordinator.handle(now, token, version, client, request.body, fx);
            }
            Request::Vote(_)
            | Request::BeginQuorumEpoch(_)
            | Request::EndQuorumEpoch(_)
            | Request::FetchSnapshot(_)
            | Request::UpdateRaftVoter(_)
            | Request::AlterPartition(_)
            | Request::Envelope(_)
            | Request::BrokerRegistration(_)
            | Request::BrokerHeartbeat(_)
            | Request::AllocateProducerIds(_) => unreachable!("clients are refused these"),
            other => unreachable!("{:?} is the controller's", other.key()),
        }
    }

    /// Tells where a client reads of what this broker leads.
    fn tell_positions(&mut self, client_id: &str, fetch: &FetchRequest) {
        for asked in &fetch.topics {
            let found = match asked.topic.is_empty() {
                true => self.image.topic(TopicId(asked.topic_id)),
                false => {
                    self.image.topic_named(&TopicName::from(asked.topic.as_str())).map(|(_, topic)| topic)
                }
            };
            let Some(topic) = found else { continue };
            for wanted in &asked.partitions {
                let partition = PartitionIndex(wanted.partition);
                let leader = topic.partitions.get(&partition).and_then(|state| state.leader);
                if leader == Some(self.config.node_id) {
                    self.fx.event(ClusterEvent::ConsumerFetched {
                        client_id: client_id.to_owned(),
                        topic: topic.name.clone(),
                        partition,
                        offset: Offset(wanted.fetch_offset),
                    });
                }
            }
        }
    }

    /// Serves here if this broker is the active controller, else passes it on to the one that is.
    pub(super) fn serve_by_controller(&mut self, now: Instant, token: ReplyToken, body: Request) {
        if self.control.is_active() {
            return self.serve_as_controller(now, token, body);
        }
        let asked = match &body {
            Request::CreateTopics(r) => Some(r.timeout_ms),
            Request::DeleteTopics(r) => Some(r.timeout_ms),
            Request::CreatePartitions(r) => Some(r.timeout_ms),
            Request::ElectLeaders(r) => Some(r.timeout_ms),
            Request::AlterPartitionReassignments(r) => Some(r.timeout_ms),
            Request::ListPartitionReassignments(r) => Some(r.timeout_ms),
            Request::UpdateFeatures(r) => Some(r.timeout_ms),
            Request::AddRaftVoter(r) => Some(r.timeout_ms),
            _ => None,
        };
        let timeout = asked.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis);
        let deadline =
            now + timeout.unwrap_or(self.config.request_timeout()).min(self.config.request_timeout());
        self.forwarder.accept(now, token, body, deadline);
    }

    fn serve_as_controller(&mut self, now: Instant, token: ReplyToken, body: Request) {
        match body {
            Request::DescribeQuorum(_) | Request::AddRaftVoter(_) | Request::RemoveRaftVoter(_) => {
                self.quorum.handle_request(now, token, &body, &mut self.fx);
            }
            body => self.serve_controller(now, token, super::forward::newest(body)),
        }
    }

    fn open_envelope(&mut self, now: Instant, outer: ReplyToken, envelope: EnvelopeRequest) {
        let refuse = |error: ErrorCode| EnvelopeResponse::default().with_error_code(error.code());
        let Ok(inner) = decode_request(Bytes::from(envelope.request_data.to_vec())) else {
            return self.fx.reply(outer, refuse(ErrorCode::InvalidRequest));
        };
        if !is_for_controller(&inner.body) {
            return self.fx.reply(outer, refuse(ErrorCode::InvalidRequest));
        }
        if !self.control.is_active() {
            return self.fx.reply(outer, refuse(ErrorCode::NotController));
        }
        let origin = Origin::Envelope { outer, version: inner.version, correlation_id: inner.correlation_id };
        let token = self.token(origin);
        self.serve_as_controller(now, token, inner.body);
    }
}

/// True for a client's requests that only the active controller can serve.
fn is_for_controller(request: &Request) -> bool {
    matches!(
        request,
        Request::CreateTopics(_)
            | Request::DeleteTopics(_)
            | Request::CreatePartitions(_)
            | Request::AlterConfigs(_)
            | Request::IncrementalAlterConfigs(_)
            | Request::ElectLeaders(_)
            | Request::AlterPartitionReassignments(_)
            | Request::ListPartitionReassignments(_)
            | Request::UpdateFeatures(_)
            | Request::UnregisterBroker(_)
            | Request::DescribeQuorum(_)
            | Request::AddRaftVoter(_)
            | Request::RemoveRaftVoter(_)
    )
}
