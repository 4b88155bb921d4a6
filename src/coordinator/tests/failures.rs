use super::super::harness::*;
use crate::protocol::messages::*;
use crate::protocol::{ErrorCode, Response};
use crate::types::LeaderEpoch;

#[test]
fn after_a_failover_members_go_on_in_their_generation() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    h.call(8, "a", commit_request(&ids[0], 1, "t", &[(0, 5)]));
    h.advance(SESSION_MS as u64 - 1);
    h.fail_over();
    assert_eq!(h.state_names(), ["Stable"]);
    h.advance(SESSION_MS as u64 - 1);
    for id in &ids {
        assert_eq!(h.heartbeat(id, 1), None, "sessions start over");
    }
    assert_eq!(fetched(h.call(8, "a", fetch_all(true))), [("t".into(), 0, 5)]);
    let synced = sync_of(h.call(3, "b", sync(&ids[1], 1, &[])));
    assert_eq!(&synced.assignment[..], ids[1].as_bytes());
    let rejoined = join_of(h.call(5, "b", join(&ids[1])));
    assert_eq!((rejoined.generation_id, rejoined.leader.as_str()), (1, ids[0].as_str()));
    h.advance(SESSION_MS as u64);
    assert_eq!(h.heartbeat(&ids[0], 1), Some(ErrorCode::UnknownMemberId));
}

#[test]
fn a_coordinator_answers_only_once_all_it_loaded_is_committed() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    let end = h.end();
    h.begin_load();
    let loading = ErrorCode::CoordinatorLoadInProgress.code();
    for committed in [None, Some(end.plus(-1))] {
        if let Some(high_watermark) = committed {
            h.end_load(high_watermark);
        }
        let token = h.send(5, "a", join(&ids[0]));
        assert_eq!(join_of(h.answer(token).unwrap()).error_code, loading);
        let token = h.send(5, "a", ListGroupsRequest::default());
        assert!(
            matches!(h.answer(token), Some(Response::ListGroups(listed)) if listed.error_code == loading)
        );
        for version in 1..=9 {
            let request = if version < 8 {
                let topic =
                    offset_fetch_request::OffsetFetchRequestTopic::default().with_partition_indexes(vec![0]);
                OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![topic]))
            } else {
                fetch_all(false)
            };
            let token = h.send(version, "a", request);
            let Some(Response::OffsetFetch(response)) = h.answer(token) else { panic!() };
            let error = match version {
                1 => response.topics[0].partitions[0].error_code,
                2..=7 => response.error_code,
                _ => response.groups[0].error_code,
            };
            assert_eq!(error, loading);
        }
        assert!(!h.coordinator.is_active(h.partition()));
    }
    h.commit();
    assert_eq!(h.heartbeat(&ids[0], 1), None);
}

#[test]
fn while_loading_a_heartbeat_alarms_nobody_and_elsewhere_it_does() {
    let mut h = Harness::new();
    h.begin_load();
    let request = HeartbeatRequest::default().with_group_id(group());
    let token = h.send(3, "a", request.clone());
    assert_eq!(h.answer(token), Some(HeartbeatResponse::default().into()));
    let partition = h.partition();
    h.coordinator.on_resigned(h.now, partition, &mut h.fx);
    let token = h.send(3, "a", request);
    let code = ErrorCode::NotCoordinator.code();
    assert_eq!(h.answer(token), Some(HeartbeatResponse::default().with_error_code(code).into()));
}

#[test]
fn one_who_no_longer_leads_answers_all_that_is_parked_and_forgets() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    let join = h.send(5, "a", join(&ids[0]));
    let commit = h.send(8, "b", commit_request(&ids[1], 1, "t", &[(0, 5)]));
    let fetch = h.send(8, "b", fetch_all(true));
    let partition = h.partition();
    h.coordinator.on_resigned(h.now, partition, &mut h.fx);
    let code = ErrorCode::NotCoordinator.code();
    assert_eq!(join_of(h.answer(join).unwrap()).error_code, code);
    assert_eq!(commit_errors(h.answer(commit).unwrap()), [(0, code)]);
    let Some(Response::OffsetFetch(fetch)) = h.answer(fetch) else { panic!() };
    assert_eq!(fetch.groups[0].error_code, code);
    assert_eq!(h.coordinator.take_writes(), []);
    assert_eq!(h.coordinator.next_deadline(), None);
}

#[test]
fn an_older_epoch_is_ignored() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    let partition = h.partition();
    h.coordinator.on_leader(h.now, partition, LeaderEpoch(0), &mut h.fx);
    assert_eq!(h.heartbeat(&ids[0], 1), None);
}

#[test]
fn a_commit_that_can_not_be_written_is_undone() {
    let mut h = Harness::new();
    h.call(8, "s", commit_request("", -1, "t", &[(0, 1)]));
    for (refused, told) in [
        (ErrorCode::NotEnoughReplicas, ErrorCode::CoordinatorNotAvailable),
        (ErrorCode::NotLeaderOrFollower, ErrorCode::NotCoordinator),
        (ErrorCode::KafkaStorageError, ErrorCode::NotCoordinator),
        (ErrorCode::MessageTooLarge, ErrorCode::UnknownServerError),
    ] {
        let token = h.send(8, "s", commit_request("", -1, "t", &[(0, 2)]));
        h.refuse(refused);
        assert_eq!(commit_errors(h.answer(token).unwrap()), [(0, told.code())]);
    }
    assert_eq!(fetched(h.call(8, "s", fetch_all(true))), [("t".into(), 0, 1)]);
}

#[test]
fn an_assignment_that_can_not_be_written_makes_all_rejoin() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    let tokens = [h.send(5, "a", join(&ids[0])), h.send(5, "b", join(&ids[1]))];
    for token in tokens {
        assert_eq!(join_of(h.answer(token).unwrap()).generation_id, 2);
    }
    let follower = h.send(3, "b", sync(&ids[1], 2, &[]));
    let leader = h.send(3, "a", sync(&ids[0], 2, &[&ids[0], &ids[1]]));
    h.refuse(ErrorCode::NotEnoughReplicas);
    for token in [follower, leader] {
        let told = sync_of(h.answer(token).unwrap());
        assert_eq!((told.error_code, told.assignment.len()), (ErrorCode::CoordinatorNotAvailable.code(), 0));
    }
    assert_eq!(h.heartbeat(&ids[0], 2), Some(ErrorCode::RebalanceInProgress));
    let (state, _, reason) = h.states().pop().unwrap();
    assert_eq!(state, "PreparingRebalance");
    assert_eq!(reason, "the assignment could not be written: COORDINATOR_NOT_AVAILABLE");
}

#[test]
fn a_new_group_that_can_not_be_written_never_was() {
    let mut h = Harness::new();
    let token = h.send(3, "a", join(""));
    h.refuse(ErrorCode::NotEnoughReplicas);
    assert_eq!(join_of(h.answer(token).unwrap()).error_code, ErrorCode::CoordinatorNotAvailable.code());
    let commit = h.send(8, "s", commit_request("", -1, "t", &[(0, 1)]));
    h.refuse(ErrorCode::NotEnoughReplicas);
    assert!(h.answer(commit).is_some());
    let deleted = h.call(2, "s", DeleteGroupsRequest::default().with_groups_names(vec![group()]));
    let Response::DeleteGroups(deleted) = deleted else { panic!() };
    assert_eq!(deleted.results[0].error_code, ErrorCode::GroupIdNotFound.code());
}

#[test]
fn a_write_that_takes_too_long_is_answered_and_may_yet_be_committed() {
    let mut h = Harness::new();
    let commit = h.send(8, "s", commit_request("", -1, "t", &[(0, 1)]));
    let fetch = h.send(8, "s", fetch_all(true));
    h.append();
    h.advance(5_000);
    assert_eq!(commit_errors(h.answer(commit).unwrap()), [(0, ErrorCode::CoordinatorNotAvailable.code())]);
    let Some(Response::OffsetFetch(fetch)) = h.answer(fetch) else { panic!() };
    assert_eq!(fetch.groups[0].error_code, ErrorCode::NotCoordinator.code());
    h.commit();
    assert_eq!(fetched(h.call(8, "s", fetch_all(true))), [("t".into(), 0, 1)]);
}

#[test]
fn a_write_that_storage_lost_fails_when_another_takes_its_place() {
    let mut h = Harness::new();
    let lost = h.send(8, "s", commit_request("", -1, "t", &[(0, 1), (1, 1)]));
    h.append();
    h.cut_log();
    let next = h.send(8, "s", commit_request("", -1, "t", &[(0, 2)]));
    h.append();
    assert_eq!(commit_errors(h.answer(lost).unwrap())[0].1, ErrorCode::NotCoordinator.code());
    h.commit();
    assert_eq!(commit_errors(h.answer(next).unwrap()), [(0, 0)]);
    assert_eq!(fetched(h.call(8, "s", fetch_all(true))), [("t".into(), 0, 2)]);
}

#[test]
fn a_rebalance_that_begins_while_the_assignment_is_written_wins() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    let token = h.send(5, "a", join(&ids[0]));
    assert!(h.answer(token).is_some());
    let leader = h.send(3, "a", sync(&ids[0], 2, &[&ids[0]]));
    h.append();
    let second = h.member_id_of("b");
    let follower = h.send(5, "b", join(&second));
    assert_eq!(sync_of(h.answer(leader).unwrap()).error_code, ErrorCode::RebalanceInProgress.code());
    h.commit();
    assert_eq!(h.answer(follower), None);
    let rejoined = join_of(h.call(5, "a", join(&ids[0])));
    assert_eq!((rejoined.generation_id, rejoined.members.len()), (3, 2));
}
