use super::super::harness::*;
use super::super::schema::{GroupRecord, OffsetValue};
use crate::event::ClusterEvent;
use crate::protocol::ErrorCode;
use crate::protocol::messages::*;
use crate::sorted::SortedMap;
use crate::types::{self, Offset, PartitionIndex};

fn offset(partition: i32, offset: i64, at: i64) -> GroupRecord {
    GroupRecord::Offset {
        group: GROUP.into(),
        topic: "t".into(),
        partition: PartitionIndex(partition),
        value: Some(OffsetValue {
            offset: Offset(offset),
            leader_epoch: None,
            metadata: "m".into(),
            commit_timestamp: at,
            expire_timestamp: None,
        }),
    }
}

#[test]
fn a_commit_is_answered_and_told_of_once_it_is_committed() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    let token = h.send(8, "a", commit_request(&ids[0], 1, "t", &[(0, 5), (1, 7)]));
    h.append();
    assert_eq!(h.answer(token), None);
    h.commit();
    assert_eq!(commit_errors(h.answer(token).unwrap()), [(0, 0), (1, 0)]);
    assert_eq!(fetched(h.call(8, "a", fetch_all(false))), [("t".into(), 0, 5), ("t".into(), 1, 7)]);
    let now = h.now.as_timestamp();
    assert_eq!(h.records(), [offset(0, 5, now), offset(1, 7, now)]);
    let told = h.fx.events.iter().filter(|event| matches!(event, ClusterEvent::OffsetsCommitted { .. }));
    assert_eq!(told.count(), 2);
}

#[test]
fn a_plain_fetch_sees_what_is_committed_and_a_stable_one_waits_for_what_is_under_way() {
    let mut h = Harness::new();
    h.call(8, "s", commit_request("", -1, "t", &[(0, 1)]));
    let commit = h.send(8, "s", commit_request("", -1, "t", &[(0, 2)]));
    h.append();
    let plain = h.send(8, "s", fetch_all(false));
    let stable = h.send(8, "s", fetch_all(true));
    assert_eq!(fetched(h.answer(plain).unwrap()), [("t".into(), 0, 1)]);
    assert_eq!(h.answer(stable), None);
    h.commit();
    assert_eq!(fetched(h.answer(stable).unwrap()), [("t".into(), 0, 2)]);
    assert!(h.answer(commit).is_some());
}

#[test]
fn commits_are_taken_from_members_of_the_generation_only() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    let error = |h: &mut Harness, version, request| commit_errors(h.call(version, "a", request))[0].1;
    let commit = |id: &str, generation| commit_request(id, generation, "t", &[(0, 5)]);
    assert_eq!(error(&mut h, 8, commit(&ids[0], 0)), ErrorCode::IllegalGeneration.code());
    assert_eq!(error(&mut h, 8, commit("who", 1)), ErrorCode::UnknownMemberId.code());
    assert_eq!(error(&mut h, 8, commit("", -1)), ErrorCode::UnknownMemberId.code());
    assert_eq!(h.records(), []);
    assert_eq!(error(&mut h, 8, commit(&ids[0], 1)), 0);

    // While members rejoin, what they did in their generation may still be committed.
    h.send(5, "a", join(&ids[0]));
    assert_eq!(error(&mut h, 8, commit(&ids[1], 1)), 0);
    h.send(5, "b", join(&ids[1]));
    assert_eq!(error(&mut h, 8, commit(&ids[1], 1)), ErrorCode::IllegalGeneration.code());
    assert_eq!(error(&mut h, 8, commit(&ids[1], 2)), ErrorCode::RebalanceInProgress.code());
}

#[test]
fn a_commit_keeps_the_session_alive() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    for _ in 0..4 {
        h.advance(SESSION_MS as u64 - 1);
        h.call(8, "a", commit_request(&ids[0], 1, "t", &[(0, 5)]));
    }
    assert_eq!(h.heartbeat(&ids[0], 1), None);
}

#[test]
fn a_simple_consumer_commits_without_a_group() {
    let mut h = Harness::new();
    let now = h.now.as_timestamp();
    let committed = h.call(2, "s", commit_request("", -1, "t", &[(0, 5)]));
    assert_eq!(commit_errors(committed), [(0, 0)]);
    assert_eq!(h.records(), [offset(0, 5, now)]);
    let stale = h.call(8, "s", commit_request("m", 3, "t", &[(0, 5)]));
    assert_eq!(commit_errors(stale), [(0, ErrorCode::UnknownMemberId.code())]);

    let mut h = Harness::new();
    for (version, error) in [(8, ErrorCode::IllegalGeneration), (9, ErrorCode::GroupIdNotFound)] {
        let answer = h.call(version, "s", commit_request("m", 3, "t", &[(0, 5)]));
        assert_eq!(commit_errors(answer), [(0, error.code())]);
    }
    assert_eq!(h.records(), []);
}

#[test]
fn what_can_not_be_committed_is_refused_partition_by_partition() {
    let mut h = Harness::new();
    let topics = SortedMap::from([(types::TopicName::from("t"), 2), ("__consumer_offsets".into(), 4)]);
    h.coordinator.topics_changed(h.now, topics, &[], &mut h.fx);
    let mut request = commit_request("", -1, "t", &[(0, 5), (1, 6), (2, 7)]);
    request.topics[0].partitions[1].committed_metadata = Some(text(&"x".repeat(4097)));
    let now = h.now.as_timestamp();
    let answer = commit_errors(h.call(8, "s", request));
    let (too_large, unknown) = (ErrorCode::OffsetMetadataTooLarge, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(answer, [(0, 0), (1, too_large.code()), (2, unknown.code())]);
    assert_eq!(h.records(), [offset(0, 5, now)]);
}

#[test]
fn a_retention_of_its_own_is_written_with_the_offset() {
    let mut h = Harness::new();
    let request = commit_request("", -1, "t", &[(0, 5)]).with_retention_time_ms(60_000);
    h.call(4, "s", request);
    let GroupRecord::Offset { value: Some(value), .. } = h.records().remove(0) else { panic!() };
    assert_eq!(value.expire_timestamp, Some(h.now.as_timestamp() + 60_000));
    h.advance(11 * 60_000);
    h.commit();
    assert_eq!(fetched(h.call(8, "s", fetch_all(false))), []);
}

#[test]
fn offsets_go_a_week_after_the_group_became_empty_and_the_group_with_them() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    h.call(8, "a", commit_request(&ids[0], 1, "t", &[(0, 5)]));
    h.call(5, "a", leave(&ids[0]));
    h.records();
    h.advance(7 * DAY_MS - 1000);
    assert_eq!(h.records(), []);
    h.advance(601_000);
    let tombstone = GroupRecord::Offset {
        group: GROUP.into(),
        topic: "t".into(),
        partition: PartitionIndex(0),
        value: None,
    };
    assert_eq!(h.records(), [tombstone, GroupRecord::Group { group: GROUP.into(), value: None }]);
    h.commit();
    assert_eq!(fetched(h.call(8, "a", fetch_all(true))), []);
}

#[test]
fn offsets_of_a_deleted_topic_go() {
    let mut h = Harness::new();
    let topics = SortedMap::from([(types::TopicName::from("t"), 2), ("u".into(), 1)]);
    h.coordinator.topics_changed(h.now, topics, &[], &mut h.fx);
    h.call(8, "s", commit_request("", -1, "t", &[(0, 5), (1, 6)]));
    h.call(8, "s", commit_request("", -1, "u", &[(0, 9)]));
    h.records();
    h.coordinator.topics_changed(h.now, SortedMap::new(), &["t".into()], &mut h.fx);
    assert_eq!(h.records().len(), 2);
    h.commit();
    assert_eq!(fetched(h.call(8, "s", fetch_all(false))), [("u".into(), 0, 9)]);
}

#[test]
fn every_version_of_fetch_and_commit_is_served() {
    let mut h = Harness::new();
    for version in 2..=9 {
        let answer = h.call(version, "s", commit_request("", -1, "t", &[(0, i64::from(version))]));
        assert_eq!(commit_errors(answer), [(0, 0)]);
    }
    for version in 1..=7 {
        let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
            .with_name(TopicName(text("t")))
            .with_partition_indexes(vec![0, 1]);
        let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]));
        let crate::protocol::Response::OffsetFetch(response) = h.call(version, "s", request) else {
            panic!()
        };
        let partitions = &response.topics[0].partitions;
        assert_eq!((partitions[0].committed_offset, partitions[1].committed_offset), (9, -1));
        assert_eq!(
            (partitions[0].metadata.as_deref(), partitions[1].metadata.as_deref()),
            (Some("m"), Some(""))
        );
    }
    let all = OffsetFetchRequest::default().with_group_id(group()).with_topics(None);
    let crate::protocol::Response::OffsetFetch(response) = h.call(5, "s", all) else { panic!() };
    assert_eq!(response.topics[0].partitions.len(), 1);
    for version in 8..=9 {
        assert_eq!(fetched(h.call(version, "s", fetch_all(version == 9))), [("t".into(), 0, 9)]);
    }
}

#[test]
fn a_fetch_of_several_groups_answers_each_for_itself() {
    let mut h = Harness::new();
    h.call(8, "s", commit_request("", -1, "t", &[(0, 5)]));
    // This broker leads the partition of "g" only.
    let elsewhere = (0..).map(|number| format!("other-{number}"));
    let elsewhere = elsewhere.into_iter().find(|name| super::super::partition_for(name, 4) != h.partition());
    let mut request = fetch_all(true);
    let other = request.groups[0].clone().with_group_id(GroupId(text(&elsewhere.unwrap())));
    request.groups.push(other);
    let crate::protocol::Response::OffsetFetch(response) = h.call(8, "s", request) else { panic!() };
    assert_eq!(response.groups[0].topics.len(), 1);
    assert_eq!(response.groups[1].error_code, ErrorCode::NotCoordinator.code());
}
