use super::super::harness::*;
use super::super::schema::GroupRecord;
use crate::protocol::messages::*;
use crate::protocol::{ErrorCode, Response};
use crate::types::PartitionIndex;

fn describe(h: &mut Harness, version: i16) -> describe_groups_response::DescribedGroup {
    match h.call(version, "admin", DescribeGroupsRequest::default().with_groups(vec![group()])) {
        Response::DescribeGroups(mut response) => response.groups.remove(0),
        other => panic!("{other:?}"),
    }
}

fn list(h: &mut Harness, request: ListGroupsRequest) -> Vec<(String, String, String)> {
    let Response::ListGroups(response) = h.call(5, "admin", request) else { panic!() };
    assert_eq!(response.error_code, 0);
    let groups = response.groups.iter();
    groups
        .map(|group| {
            (group.group_id.to_string(), group.group_state.to_string(), group.protocol_type.to_string())
        })
        .collect()
}

fn delete() -> DeleteGroupsRequest {
    DeleteGroupsRequest::default().with_groups_names(vec![group()])
}

fn deleted(response: Response) -> i16 {
    match response {
        Response::DeleteGroups(response) => response.results[0].error_code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_is_described_with_what_its_members_subscribe_to_and_are_assigned() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    let described = describe(&mut h, 5);
    assert_eq!(described.group_state.as_str(), "Stable");
    assert_eq!((described.protocol_type.as_str(), described.protocol_data.as_str()), ("consumer", "range"));
    let member = &described.members[0];
    assert_eq!((member.member_id.as_str(), member.client_id.as_str()), (ids[0].as_str(), "a"));
    assert_eq!(member.client_host.as_str(), "/10.0.0.1");
    assert_eq!(
        (&member.member_metadata[..], &member.member_assignment[..]),
        (&b"range-metadata"[..], ids[0].as_bytes())
    );

    let second = h.member_id_of("b");
    h.send(5, "b", join(&second));
    let described = describe(&mut h, 5);
    assert_eq!(described.group_state.as_str(), "PreparingRebalance");
    assert_eq!((described.protocol_data.as_str(), described.members.len()), ("", 2));
}

#[test]
fn a_group_that_is_not_there_is_dead_and_from_version_6_an_error() {
    let mut h = Harness::new();
    let old = describe(&mut h, 5);
    assert_eq!((old.error_code, old.group_state.as_str()), (0, "Dead"));
    let new = describe(&mut h, 6);
    assert_eq!(new.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(new.error_message.as_deref(), Some("Group g not found."));
}

#[test]
fn a_new_group_is_told_of_once_it_is_committed() {
    let mut h = Harness::new();
    let token = h.send(5, "a", join(""));
    assert_eq!(join_of(h.answer(token).unwrap()).error_code, ErrorCode::MemberIdRequired.code());
    let request = h.send(4, "admin", ListGroupsRequest::default());
    assert!(matches!(h.answer(request), Some(Response::ListGroups(response)) if response.groups.is_empty()));
    h.commit();
    assert_eq!(list(&mut h, ListGroupsRequest::default()), [("g".into(), "Empty".into(), String::new())]);
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut h = Harness::new();
    h.stable_group(&["a"]);
    let states = |state: &str| ListGroupsRequest::default().with_states_filter(vec![text(state)]);
    let types = |kind: &str| ListGroupsRequest::default().with_types_filter(vec![text(kind)]);
    let all = [("g".to_owned(), "Stable".to_owned(), "consumer".to_owned())];
    assert_eq!(list(&mut h, states("stable")), all);
    assert_eq!(list(&mut h, states("Empty")), []);
    assert_eq!(list(&mut h, types("Classic")), all);
    assert_eq!(list(&mut h, types("consumer")), []);
}

#[test]
fn only_an_empty_group_is_deleted_and_its_offsets_with_it() {
    let mut h = Harness::new();
    assert_eq!(deleted(h.call(2, "admin", delete())), ErrorCode::GroupIdNotFound.code());
    let ids = h.stable_group(&["a"]);
    h.call(8, "a", commit_request(&ids[0], 1, "t", &[(0, 5)]));
    assert_eq!(deleted(h.call(2, "admin", delete())), ErrorCode::NonEmptyGroup.code());
    h.call(5, "a", leave(&ids[0]));
    h.records();
    h.fx.events.clear();

    let token = h.send(2, "admin", delete());
    h.append();
    assert_eq!(h.answer(token), None);
    h.commit();
    assert_eq!(deleted(h.answer(token).unwrap()), 0);
    let tombstone = GroupRecord::Offset {
        group: GROUP.into(),
        topic: "t".into(),
        partition: PartitionIndex(0),
        value: None,
    };
    assert_eq!(h.records(), [tombstone, GroupRecord::Group { group: GROUP.into(), value: None }]);
    assert_eq!(h.state_names(), ["Dead"]);
    assert_eq!(fetched(h.call(8, "a", fetch_all(false))), []);
    assert_eq!(describe(&mut h, 6).error_code, ErrorCode::GroupIdNotFound.code());

    // What is deleted stays deleted after a failover.
    h.fail_over();
    assert_eq!(fetched(h.call(8, "a", fetch_all(false))), []);
    assert_eq!(list(&mut h, ListGroupsRequest::default()), []);
}

#[test]
fn a_group_that_could_not_be_deleted_is_still_there() {
    let mut h = Harness::new();
    h.call(8, "s", commit_request("", -1, "t", &[(0, 5)]));
    let token = h.send(2, "admin", delete());
    h.refuse(ErrorCode::NotEnoughReplicas);
    assert_eq!(deleted(h.answer(token).unwrap()), ErrorCode::CoordinatorNotAvailable.code());
    assert_eq!(list(&mut h, ListGroupsRequest::default()).len(), 1);
    assert_eq!(fetched(h.call(8, "s", fetch_all(true))), [("t".into(), 0, 5)]);
}

fn delete_offsets(partitions: &[i32]) -> OffsetDeleteRequest {
    let partitions = partitions.iter().map(|index| {
        offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(*index)
    });
    let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
        .with_name(TopicName(text("t")))
        .with_partitions(partitions.collect());
    OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![topic])
}

/// The response's own error, and each partition's.
fn offsets_deleted(response: Response) -> (i16, Vec<i16>) {
    let Response::OffsetDelete(response) = response else { panic!("{response:?}") };
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    (response.error_code, partitions.map(|partition| partition.error_code).collect())
}

#[test]
fn offsets_of_a_group_without_members_are_deleted_one_by_one_and_told_when_it_is_committed() {
    let mut h = Harness::new();
    let missing = offsets_deleted(h.call(0, "admin", delete_offsets(&[0])));
    assert_eq!(missing, (ErrorCode::GroupIdNotFound.code(), vec![]));
    h.call(8, "s", commit_request("", -1, "t", &[(0, 5), (1, 6)]));
    h.records();
    let token = h.send(0, "admin", delete_offsets(&[1, 7]));
    h.append();
    assert_eq!(h.answer(token), None);
    h.commit();
    assert_eq!(offsets_deleted(h.answer(token).unwrap()), (0, vec![0, 0]));
    let tombstone = GroupRecord::Offset {
        group: GROUP.into(),
        topic: "t".into(),
        partition: PartitionIndex(1),
        value: None,
    };
    assert_eq!(h.records(), [tombstone]);
    assert_eq!(fetched(h.call(8, "s", fetch_all(false))), [("t".into(), 0, 5)]);
}

#[test]
fn offsets_of_members_whose_topics_are_unknown_stay() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    h.call(8, "a", commit_request(&ids[0], 1, "t", &[(0, 5)]));
    let refused = offsets_deleted(h.call(0, "admin", delete_offsets(&[0])));
    assert_eq!(refused, (ErrorCode::NonEmptyGroup.code(), vec![]));
    assert_eq!(fetched(h.call(8, "a", fetch_all(false))), [("t".into(), 0, 5)]);
}
