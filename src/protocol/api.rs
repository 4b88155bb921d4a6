//! The API table: which keys at which versions, and the one place where a request or response body is read or written.

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::buf::ByteBuf;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

pub use kafka_protocol::messages::ApiKey;

use super::guard::{read_body, read_header};

/// A request's bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The API key is not served. Remedy for a client: read ApiVersions first.
    UnknownApi {
        /// The key as sent.
        key: i16,
    },
    /// The key is served, but not in this version.
    UnsupportedVersion {
        /// The key.
        key: ApiKey,
        /// The version as sent.
        version: i16,
        /// To answer with.
        correlation_id: i32,
    },
    /// The bytes do not fit the schema: cut short, or not Kafka at all.
    Malformed {
        /// What did not fit.
        reason: String,
    },
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DecodeError::UnknownApi { key } => write!(f, "API key {key} is not served"),
            DecodeError::UnsupportedVersion { key, version, .. } => {
                write!(f, "{key:?} version {version} is not served")
            }
            DecodeError::Malformed { reason } => write!(f, "malformed: {reason}"),
        }
    }
}

/// A request with its header.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestFrame {
    /// The API key.
    pub key: ApiKey,
    /// The version, within `supported_versions(key)`.
    pub version: i16,
    /// Copied into the response.
    pub correlation_id: i32,
    /// The client's name for itself.
    pub client_id: Option<StrBytes>,
    /// The body.
    pub body: Request,
}

macro_rules! apis {
    ($($name:ident $request:ident $response:ident $min:literal ..= $max:literal $audience:ident;)*) => {
        /// A request body of one of the APIs served.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum Request { $($name($request),)* }

        /// A response body of one of the APIs served.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, clippy::large_enum_variant)]
        pub enum Response { $($name($response),)* }

        $(
            impl From<$request> for Request {
                fn from(body: $request) -> Self { Request::$name(body) }
            }
            impl From<$response> for Response {
                fn from(body: $response) -> Self { Response::$name(body) }
            }
        )*

        impl Request {
            /// Its API key.
            pub fn key(&self) -> ApiKey {
                match self { $(Request::$name(_) => ApiKey::$name,)* }
            }
        }

        impl Response {
            /// Its API key.
            pub fn key(&self) -> ApiKey {
                match self { $(Response::$name(_) => ApiKey::$name,)* }
            }
        }

        /// The versions served of an API, both ends inclusive; none when it is not served.
        pub fn supported_versions(key: ApiKey) -> Option<(i16, i16)> {
            match key {
                $(ApiKey::$name => Some(($min, $max)),)*
                _ => None,
            }
        }

        /// True for APIs that only brokers may call.
        pub fn internal_only(key: ApiKey) -> bool {
            match key {
                $(ApiKey::$name => apis!(@internal $audience),)*
                _ => true,
            }
        }

        /// What ApiVersions says to clients, ascending by key.
        pub fn advertised_versions() -> Vec<(ApiKey, i16, i16)> {
            let mut all = vec![$((ApiKey::$name, $min, $max),)*];
            all.retain(|(key, ..)| !internal_only(*key));
            for (key, min, _) in &mut all {
                // Real brokers advertise Produce from 0, though 0-2 are refused: older librdkafka derives what a
                // broker can do from it.
                if *key == ApiKey::Produce {
                    *min = 0;
                }
            }
            all.sort_by_key(|(key, ..)| *key as i16);
            all
        }

        pub(super) fn decode_request_body<B: ByteBuf>(key: ApiKey, version: i16, buf: &mut B) -> anyhow_free::Result<Request> {
            match key {
                $(ApiKey::$name => $request::decode(buf, version).map(Request::$name).map_err(anyhow_free::text),)*
                _ => Err(format!("{key:?} is not served")),
            }
        }

        pub(super) fn decode_response_body<B: ByteBuf>(key: ApiKey, version: i16, buf: &mut B) -> anyhow_free::Result<Response> {
            match key {
                $(ApiKey::$name => $response::decode(buf, version).map(Response::$name).map_err(anyhow_free::text),)*
                _ => Err(format!("{key:?} is not served")),
            }
        }

        fn encode_request_body(body: &Request, version: i16, buf: &mut BytesMut) -> anyhow_free::Result<()> {
            match body { $(Request::$name(body) => body.encode(buf, version).map_err(anyhow_free::text),)* }
        }

        fn encode_response_body(body: &Response, version: i16, buf: &mut BytesMut) -> anyhow_free::Result<()> {
            match body { $(Response::$name(body) => body.encode(buf, version).map_err(anyhow_free::text),)* }
        }
    };
    (@internal client) => { false };
    (@internal broker) => { true };
}

apis! {
    Produce ProduceRequest ProduceResponse 3..=13 client;
    Fetch FetchRequest FetchResponse 4..=17 client;
    ListOffsets ListOffsetsRequest ListOffsetsResponse 1..=10 client;
    Metadata MetadataRequest MetadataResponse 0..=13 client;
    OffsetCommit OffsetCommitRequest OffsetCommitResponse 2..=9 client;
    OffsetFetch OffsetFetchRequest OffsetFetchResponse 1..=9 client;
    FindCoordinator FindCoordinatorRequest FindCoordinatorResponse 0..=6 client;
    JoinGroup JoinGroupRequest JoinGroupResponse 0..=9 client;
    Heartbeat HeartbeatRequest HeartbeatResponse 0..=4 client;
    LeaveGroup LeaveGroupRequest LeaveGroupResponse 0..=5 client;
    SyncGroup SyncGroupRequest SyncGroupResponse 0..=5 client;
    DescribeGroups DescribeGroupsRequest DescribeGroupsResponse 0..=6 client;
    ListGroups ListGroupsRequest ListGroupsResponse 0..=5 client;
    ApiVersions ApiVersionsRequest ApiVersionsResponse 0..=4 client;
    CreateTopics CreateTopicsRequest CreateTopicsResponse 2..=7 client;
    DeleteTopics DeleteTopicsRequest DeleteTopicsResponse 1..=6 client;
    DeleteRecords DeleteRecordsRequest DeleteRecordsResponse 0..=2 client;
    InitProducerId InitProducerIdRequest InitProducerIdResponse 0..=5 client;
    OffsetForLeaderEpoch OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse 2..=4 client;
    DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse 1..=4 client;
    AlterConfigs AlterConfigsRequest AlterConfigsResponse 0..=2 client;
    DescribeLogDirs DescribeLogDirsRequest DescribeLogDirsResponse 1..=4 client;
    CreatePartitions CreatePartitionsRequest CreatePartitionsResponse 0..=3 client;
    ElectLeaders ElectLeadersRequest ElectLeadersResponse 0..=2 client;
    DeleteGroups DeleteGroupsRequest DeleteGroupsResponse 0..=2 client;
    OffsetDelete OffsetDeleteRequest OffsetDeleteResponse 0..=0 client;
    DescribeCluster DescribeClusterRequest DescribeClusterResponse 0..=2 client;
    IncrementalAlterConfigs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse 0..=1 client;
    AlterPartitionReassignments AlterPartitionReassignmentsRequest AlterPartitionReassignmentsResponse 0..=1 client;
    ListPartitionReassignments ListPartitionReassignmentsRequest ListPartitionReassignmentsResponse 0..=0 client;
    DescribeQuorum DescribeQuorumRequest DescribeQuorumResponse 0..=2 client;
    UpdateFeatures UpdateFeaturesRequest UpdateFeaturesResponse 0..=2 client;
    DescribeProducers DescribeProducersRequest DescribeProducersResponse 0..=0 client;
    UnregisterBroker UnregisterBrokerRequest UnregisterBrokerResponse 0..=0 client;
    ListConfigResources ListConfigResourcesRequest ListConfigResourcesResponse 0..=1 client;
    DescribeTopicPartitions DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse 0..=0 client;
    AddRaftVoter AddRaftVoterRequest AddRaftVoterResponse 0..=0 client;
    RemoveRaftVoter RemoveRaftVoterRequest RemoveRaftVoterResponse 0..=0 client;
    UpdateRaftVoter UpdateRaftVoterRequest UpdateRaftVoterResponse 0..=0 broker;
    FetchSnapshot FetchSnapshotRequest FetchSnapshotResponse 0..=1 broker;
    Vote VoteRequest VoteResponse 0..=2 broker;
    BeginQuorumEpoch BeginQuorumEpochRequest BeginQuorumEpochResponse 0..=1 broker;
    EndQuorumEpoch EndQuorumEpochRequest EndQuorumEpochResponse 0..=1 broker;
    AlterPartition AlterPartitionRequest AlterPartitionResponse 2..=3 broker;
    Envelope EnvelopeRequest EnvelopeResponse 0..=0 broker;
    BrokerRegistration BrokerRegistrationRequest BrokerRegistrationResponse 0..=4 broker;
    BrokerHeartbeat BrokerHeartbeatRequest BrokerHeartbeatResponse 0..=1 broker;
    AllocateProducerIds AllocateProducerIdsRequest AllocateProducerIdsResponse 0..=0 broker;
}

/// kafka-protocol's errors are `anyhow`'s; they become text here and go no further.
mod anyhow_free {
    pub type Result<T> = std::result::Result<T, String>;

    pub fn text(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
}

/// Reads a request frame (without its length prefix).
pub fn decode_request(mut frame: Bytes) -> Result<RequestFrame, DecodeError> {
    let malformed = |reason: String| DecodeError::Malformed { reason };
    if frame.len() < 8 {
        return Err(malformed(format!("a request of {} bytes has no header", frame.len())));
    }
    let mut peek = frame.clone();
    let (key_code, version, correlation_id) = (peek.get_i16(), peek.get_i16(), peek.get_i32());
    let key = ApiKey::try_from(key_code).map_err(|_| DecodeError::UnknownApi { key: key_code })?;
    let (min, max) = supported_versions(key).ok_or(DecodeError::UnknownApi { key: key_code })?;
    if version < min || version > max {
        return Err(DecodeError::UnsupportedVersion { key, version, correlation_id });
    }
    let header_version = key.request_header_version(version);
    let header =
        read_header(&mut frame, |buf| RequestHeader::decode(buf, header_version).map_err(anyhow_free::text));
    let header = header.map_err(malformed)?;
    let body = read_body(&frame, |buf| decode_request_body(key, version, buf)).map_err(malformed)?;
    Ok(RequestFrame { key, version, correlation_id, client_id: header.client_id, body })
}

/// Reads a response frame (without its length prefix) to a request of `key` and `version`.
pub fn decode_response(key: ApiKey, version: i16, mut frame: Bytes) -> Result<(i32, Response), DecodeError> {
    let malformed = |reason: String| DecodeError::Malformed { reason };
    let header_version = key.response_header_version(version);
    let header =
        read_header(&mut frame, |buf| ResponseHeader::decode(buf, header_version).map_err(anyhow_free::text));
    let header = header.map_err(malformed)?;
    let body = read_body(&frame, |buf| decode_response_body(key, version, buf)).map_err(malformed)?;
    Ok((header.correlation_id, body))
}

/// Writes a request as a whole frame, length prefix included. Fails only on a field that `version` cannot carry.
pub fn encode_request(
    version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &Request,
) -> Result<Bytes, DecodeError> {
    let key = body.key();
    let mut buf = BytesMut::with_capacity(256);
    buf.extend_from_slice(&[0; 4]);
    RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(client_id.map(|id| StrBytes::from_string(id.to_owned())))
        .encode(&mut buf, key.request_header_version(version))
        .map_err(|e| DecodeError::Malformed { reason: e.to_string() })?;
    encode_request_body(body, version, &mut buf).map_err(|reason| DecodeError::Malformed { reason })?;
    Ok(finish_frame(buf))
}

/// Writes a response as a whole frame, length prefix included. Fails only on a field that `version` cannot carry.
pub fn encode_response(version: i16, correlation_id: i32, body: &Response) -> Result<Bytes, DecodeError> {
    let key = body.key();
    let mut buf = BytesMut::with_capacity(256);
    buf.extend_from_slice(&[0; 4]);
    ResponseHeader::default()
        .with_correlation_id(correlation_id)
        .encode(&mut buf, key.response_header_version(version))
        .map_err(|e| DecodeError::Malformed { reason: e.to_string() })?;
    encode_response_body(body, version, &mut buf).map_err(|reason| DecodeError::Malformed { reason })?;
    Ok(finish_frame(buf))
}

fn finish_frame(mut buf: BytesMut) -> Bytes {
    let length = (buf.len() - 4) as u32;
    buf[..4].copy_from_slice(&length.to_be_bytes());
    buf.freeze()
}
