//! Errors that come before a group is looked at, and responses that carry one error for all of a request.

use crate::protocol::messages::delete_groups_response::DeletableGroupResult;
use crate::protocol::messages::describe_groups_response::DescribedGroup;
use crate::protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use crate::protocol::messages::offset_fetch_response::{OffsetFetchResponseGroup, OffsetFetchResponseTopics};
use crate::protocol::messages::*;
use crate::protocol::{ErrorCode, Request, Response, StrBytes};
use crate::time::Duration;

use super::{Settings, leave, offsets, shard, sync};

/// The group that a request of a single group is for.
pub(super) fn group_of(request: &Request) -> &str {
    match request {
        Request::JoinGroup(request) => request.group_id.as_str(),
        Request::SyncGroup(request) => request.group_id.as_str(),
        Request::Heartbeat(request) => request.group_id.as_str(),
        Request::LeaveGroup(request) => request.group_id.as_str(),
        Request::OffsetCommit(request) => request.group_id.as_str(),
        Request::OffsetDelete(request) => request.group_id.as_str(),
        _ => "",
    }
}

/// Why a request can't be served whatever its group's state.
pub(super) fn unservable(request: &Request, version: i16, settings: &Settings) -> Option<ErrorCode> {
    match request {
        // For old simple consumers, offsets may be kept under the empty group id.
        Request::JoinGroup(_) | Request::SyncGroup(_) | Request::Heartbeat(_) | Request::LeaveGroup(_)
            if group_of(request).is_empty() =>
        {
            return Some(ErrorCode::InvalidGroupId);
        }
        _ if !fits_schema(group_of(request)) => return Some(ErrorCode::InvalidGroupId),
        _ => {}
    }
    match request {
        Request::JoinGroup(join) => {
            let timeout = Duration::from_millis(join.session_timeout_ms.max(0) as u64);
            if timeout < settings.session_timeout_min || timeout > settings.session_timeout_max {
                return Some(ErrorCode::InvalidSessionTimeout);
            }
            let names = join.protocols.iter().map(|protocol| &protocol.name);
            let texts = names.chain([&join.protocol_type]).chain(&join.group_instance_id);
            // Member ids are the instance id and 37 characters more.
            let fit = texts.into_iter().all(|text| fits_schema(text) && text.len() < 30_000);
            (!fit).then_some(ErrorCode::InvalidRequest)
        }
        Request::SyncGroup(sync) if version >= 5 => {
            let named = sync.protocol_type.is_some() && sync.protocol_name.is_some();
            (!named).then_some(ErrorCode::InconsistentGroupProtocol)
        }
        Request::OffsetCommit(commit) => {
            let fit = commit.topics.iter().all(|topic| fits_schema(&topic.name));
            (!fit).then_some(ErrorCode::InvalidTopicException)
        }
        _ => None,
    }
}

/// True if `text` fits a string of the records' schemas, whose lengths are int16.
pub(super) fn fits_schema(text: &str) -> bool {
    text.len() <= i16::MAX as usize
}

/// What a client is told when a write failed. Clients know these: they look for the coordinator again, or retry.
pub(super) fn append_error(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition
        | ErrorCode::NotEnoughReplicas
        | ErrorCode::NotEnoughReplicasAfterAppend
        | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch | ErrorCode::KafkaStorageError => {
            ErrorCode::NotCoordinator
        }
        ErrorCode::MessageTooLarge | ErrorCode::RecordListTooLarge | ErrorCode::InvalidFetchSize => {
            ErrorCode::UnknownServerError
        }
        other => other,
    }
}

/// The response to `request` that says `error` wherever it can.
pub(super) fn error_response(request: &Request, version: i16, error: ErrorCode) -> Response {
    let code = error.code();
    match request {
        Request::JoinGroup(request) => shard::join_error(&request.member_id, version, error).into(),
        Request::SyncGroup(_) => sync::error(error).into(),
        // While the group is loading, a member that does as it should is not to be alarmed.
        Request::Heartbeat(_) if error == ErrorCode::CoordinatorLoadInProgress => {
            HeartbeatResponse::default().into()
        }
        Request::Heartbeat(_) => HeartbeatResponse::default().with_error_code(code).into(),
        Request::LeaveGroup(_) => {
            leave::for_version(LeaveGroupResponse::default().with_error_code(code), version).into()
        }
        Request::OffsetCommit(request) => {
            commit_error(offsets::accepted(request.topics.clone()), error).into()
        }
        Request::OffsetDelete(_) => OffsetDeleteResponse::default().with_error_code(code).into(),
        Request::OffsetFetch(request) => {
            let groups = offsets::fetch_groups(version, request.clone());
            let groups = groups.iter().map(|group| fetch_error(version, group, error)).collect();
            offsets::fetch_response(version, groups).into()
        }
        Request::DescribeGroups(request) => {
            let groups = request.groups.iter().map(|group| described_error(group, error));
            DescribeGroupsResponse::default().with_groups(groups.collect()).into()
        }
        Request::ListGroups(_) => ListGroupsResponse::default().with_error_code(code).into(),
        Request::DeleteGroups(request) => {
            let results = request.groups_names.iter().map(|group| deleted(group, Some(error)));
            DeleteGroupsResponse::default().with_results(results.collect()).into()
        }
        // The dispatcher sends no others here.
        other => panic!("{:?} is not for the group coordinator", other.key()),
    }
}

/// A commit's response with every partition refused.
pub(super) fn commit_error(mut response: OffsetCommitResponse, error: ErrorCode) -> OffsetCommitResponse {
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.error_code = error.code();
    }
    response
}

/// One partition's part of a commit's response.
pub(super) fn commit_result(partition: i32, error: Option<ErrorCode>) -> OffsetCommitResponsePartition {
    OffsetCommitResponsePartition::default()
        .with_partition_index(partition)
        .with_error_code(error.map_or(0, |error| error.code()))
}

/// One topic's part of a commit's response.
pub(super) fn commit_topic(
    name: TopicName,
    partitions: Vec<OffsetCommitResponsePartition>,
) -> OffsetCommitResponseTopic {
    OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions)
}

/// One group's part of an OffsetFetch response: only an error. Version 1 has room for it in the partitions only.
pub(super) fn fetch_error(
    version: i16,
    request: &OffsetFetchRequestGroup,
    error: ErrorCode,
) -> OffsetFetchResponseGroup {
    let mut response = OffsetFetchResponseGroup::default()
        .with_group_id(request.group_id.clone())
        .with_error_code(error.code());
    if version < 2 {
        let topics = request.topics.iter().flatten().map(|topic| {
            let partitions = topic
                .partition_indexes
                .iter()
                .map(|index| offsets::fetch_partition(*index, None).with_error_code(error.code()));
            OffsetFetchResponseTopics::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        response.topics = topics.collect();
    }
    response
}

/// One group's part of a DescribeGroups response: only an error.
pub(super) fn described_error(group: &GroupId, error: ErrorCode) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(group.clone())
        .with_group_state(StrBytes::from_static_str(""))
        .with_error_code(error.code())
}

/// One group's part of a DeleteGroups response.
pub(super) fn deleted(group: &GroupId, error: Option<ErrorCode>) -> DeletableGroupResult {
    DeletableGroupResult::default()
        .with_group_id(group.clone())
        .with_error_code(error.map_or(0, |error| error.code()))
}
