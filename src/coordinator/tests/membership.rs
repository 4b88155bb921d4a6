use super::super::harness::*;
use crate::protocol::messages::*;
use crate::protocol::{ErrorCode, Response};

fn two(ids: &[String]) -> Vec<(String, String)> {
    let mut members: Vec<_> = ids.iter().map(|id| (id.clone(), id.clone())).collect();
    members.sort();
    members
}

#[test]
fn a_single_member_joins_in_two_steps_and_is_assigned_once_its_generation_is_committed() {
    let mut h = Harness::new();
    let id = h.member_id("app");
    assert!(id.starts_with("app-") && id.len() == 4 + 36);
    let first = h.records();
    assert_eq!(first.len(), 1);
    assert_eq!(group_in_short(&first[0]), (0, None, None, vec![]));

    let token = h.send(5, "app", join(&id));
    h.advance(INITIAL_DELAY_MS - 1);
    assert_eq!(h.answer(token), None, "the initial delay is not over");
    h.advance(1);
    let joined = join_of(h.answer(token).unwrap());
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    assert_eq!((joined.leader.as_str(), joined.member_id.as_str()), (id.as_str(), id.as_str()));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    assert_eq!(joined.members.len(), 1);
    assert_eq!(&joined.members[0].metadata[..], b"range-metadata");
    assert_eq!(h.records(), [], "nothing to write before the assignment");

    let token = h.send(3, "app", sync(&id, 1, &[&id]));
    h.append();
    assert_eq!(h.answer(token), None, "appended is not committed");
    h.commit();
    let synced = sync_of(h.answer(token).unwrap());
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, id.as_bytes()));
    let written = h.records();
    assert_eq!(written.len(), 1);
    assert_eq!(
        group_in_short(&written[0]),
        (1, Some("range".into()), Some(id.clone()), vec![(id.clone(), id.clone())])
    );
    assert_eq!(h.state_names(), ["PreparingRebalance", "CompletingRebalance", "Stable"]);
    assert_eq!(h.heartbeat(&id, 1), None);
}

#[test]
fn before_version_4_a_client_is_a_member_at_once() {
    let mut h = Harness::new();
    for version in 0..=3 {
        let token = h.send(version, "old", join_with("", &["range"]));
        h.advance(INITIAL_DELAY_MS + u64::from(version > 0) * 30_000);
        h.commit();
        let joined = join_of(h.answer(token).expect("joined"));
        assert_eq!((joined.error_code, joined.generation_id), (0, 1));
        h = Harness::new();
    }
}

#[test]
fn a_second_member_makes_the_first_one_rejoin_and_both_are_assigned_by_the_leader() {
    let mut h = Harness::new();
    let first = h.stable_group(&["a"]).remove(0);
    let second = h.member_id("b");
    assert_eq!(h.heartbeat(&first, 1), None, "an id given out is no member");
    let second_join = h.send(5, "b", join(&second));
    assert_eq!(h.heartbeat(&first, 1), Some(ErrorCode::RebalanceInProgress));
    let first_join = h.send(5, "a", join(&first));

    let leader = join_of(h.answer(first_join).unwrap());
    let follower = join_of(h.answer(second_join).unwrap());
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    assert_eq!((leader.leader.as_str(), follower.leader.as_str()), (first.as_str(), first.as_str()));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));

    let waiting = h.send(3, "b", sync(&second, 2, &[]));
    h.commit();
    assert_eq!(h.answer(waiting), None, "a follower waits for the leader");
    let ids = [first.clone(), second.clone()];
    let assigning = h.send(3, "a", sync(&first, 2, &[&first, &second]));
    h.commit();
    assert_eq!(&sync_of(h.answer(waiting).unwrap()).assignment[..], second.as_bytes());
    assert_eq!(&sync_of(h.answer(assigning).unwrap()).assignment[..], first.as_bytes());
    let written = h.records();
    assert_eq!(written.len(), 1);
    assert_eq!(group_in_short(&written[0]), (2, Some("range".into()), Some(first), two(&ids)));
    assert_eq!(h.state_names(), ["PreparingRebalance", "CompletingRebalance", "Stable"]);
}

#[test]
fn the_initial_delay_is_drawn_out_while_members_keep_coming() {
    let mut h = Harness::new();
    let ids: Vec<String> = ["a", "b", "c"].iter().map(|client| h.member_id(client)).collect();
    let first = h.send(5, "a", join(&ids[0]));
    h.advance(INITIAL_DELAY_MS - 10);
    let second = h.send(5, "b", join(&ids[1]));
    h.advance(INITIAL_DELAY_MS);
    assert_eq!(h.answer(first), None);
    let third = h.send(5, "c", join(&ids[2]));
    h.advance(INITIAL_DELAY_MS * 2);
    for token in [first, second, third] {
        assert_eq!(join_of(h.answer(token).unwrap()).generation_id, 1);
    }
}

#[test]
fn a_member_that_falls_silent_is_out_after_its_session() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    h.advance(SESSION_MS as u64 - 1);
    assert_eq!(h.heartbeat(&ids[0], 1), None);
    h.advance(1);
    assert_eq!(h.heartbeat(&ids[0], 1), Some(ErrorCode::RebalanceInProgress));
    assert_eq!(h.heartbeat(&ids[1], 1), Some(ErrorCode::UnknownMemberId));
    let (state, _, reason) = h.states().remove(0);
    assert_eq!(state, "PreparingRebalance");
    assert_eq!(reason, format!("the session of {} timed out after 10000 ms", ids[1]));
    let rejoined = join_of(h.call(5, "a", join(&ids[0])));
    assert_eq!((rejoined.generation_id, rejoined.members.len()), (2, 1));
}

#[test]
fn when_the_last_member_is_gone_the_group_is_written_as_empty() {
    let mut h = Harness::new();
    h.stable_group(&["a"]);
    h.advance(SESSION_MS as u64);
    let written = h.records();
    assert_eq!(written.len(), 1);
    assert_eq!(group_in_short(&written[0]), (2, None, None, vec![]));
    assert_eq!(h.state_names(), ["PreparingRebalance", "Empty"]);
}

#[test]
fn a_member_that_leaves_is_gone_at_once() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    let left = leave_of(h.call(3, "b", leave(&ids[1])));
    assert_eq!((left.error_code, left.members[0].error_code), (0, 0));
    assert_eq!(h.records(), []);
    assert_eq!(h.heartbeat(&ids[0], 1), Some(ErrorCode::RebalanceInProgress));

    let token = h.send(5, "a", leave(&ids[0]));
    assert_eq!(h.answer(token), None, "waits for the record of the empty group");
    h.commit();
    assert_eq!(leave_of(h.answer(token).unwrap()).members[0].error_code, 0);
    assert_eq!(group_in_short(&h.records()[0]), (2, None, None, vec![]));
    let again = leave_of(h.call(3, "a", leave(&ids[0])));
    assert_eq!((again.error_code, again.members[0].error_code), (0, ErrorCode::UnknownMemberId.code()));
}

#[test]
fn before_version_3_a_leave_is_answered_with_one_error() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    for (id, error) in [(&ids[1], 0), (&ids[1], ErrorCode::UnknownMemberId.code())] {
        let request = LeaveGroupRequest::default().with_group_id(group()).with_member_id(text(id));
        let left = leave_of(h.call(1, "b", request));
        assert_eq!((left.error_code, left.members.len()), (error, 0));
    }
}

#[test]
fn a_leader_that_dies_before_it_assigns_is_replaced() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    let joins = [h.send(5, "a", join(&ids[0])), h.send(5, "b", join(&ids[1]))];
    for token in joins {
        assert_eq!(join_of(h.answer(token).unwrap()).generation_id, 2);
    }
    let follower = h.send(3, "b", sync(&ids[1], 2, &[]));
    h.advance(SESSION_MS as u64);
    let told = sync_of(h.answer(follower).unwrap());
    assert_eq!(told.error_code, ErrorCode::RebalanceInProgress.code());
    let rejoined = join_of(h.call(5, "b", join(&ids[1])));
    assert_eq!((rejoined.generation_id, rejoined.leader.as_str()), (3, ids[1].as_str()));
    let synced = sync_of(h.call(3, "b", sync(&ids[1], 3, &[&ids[1]])));
    assert_eq!(synced.error_code, 0);
    assert_eq!(h.records().len(), 1);
}

#[test]
fn members_that_do_not_rejoin_in_time_are_out_and_so_are_those_that_do_not_sync() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b", "c"]);
    let join_a = h.send(5, "a", join(&ids[0]));
    let join_b = h.send(5, "b", join(&ids[1]));
    for _ in 0..REBALANCE_MS / 5_000 {
        assert_eq!(h.answer(join_a), None);
        let _ = h.heartbeat(&ids[2], 1);
        h.advance(5_000);
    }
    let joined = join_of(h.answer(join_a).unwrap());
    assert_eq!((joined.generation_id, joined.members.len()), (2, 2));
    assert!(h.answer(join_b).is_some());
    assert_eq!(h.heartbeat(&ids[2], 2), Some(ErrorCode::UnknownMemberId));

    let leader = h.send(3, "a", sync(&ids[0], 2, &[&ids[0], &ids[1]]));
    h.commit();
    assert_eq!(sync_of(h.answer(leader).unwrap()).error_code, 0);
    for _ in 0..REBALANCE_MS / 5_000 {
        let _ = (h.heartbeat(&ids[0], 2), h.heartbeat(&ids[1], 2));
        h.advance(5_000);
    }
    assert_eq!(h.heartbeat(&ids[0], 2), Some(ErrorCode::RebalanceInProgress));
    assert_eq!(h.heartbeat(&ids[1], 2), Some(ErrorCode::UnknownMemberId));
}

#[test]
fn a_follower_that_rejoins_unchanged_is_told_the_generation_and_the_leader_starts_a_new_one() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    let told = join_of(h.call(5, "b", join(&ids[1])));
    assert_eq!((told.error_code, told.generation_id, told.members.len()), (0, 1, 0));
    let token = h.send(5, "b", join_with(&ids[1], &["range", "sticky"]));
    assert_eq!(h.answer(token), None, "a changed subscription is a rebalance");
    assert_eq!(h.heartbeat(&ids[0], 1), Some(ErrorCode::RebalanceInProgress));
    let leader = join_of(h.call(5, "a", join(&ids[0])));
    assert_eq!((leader.generation_id, leader.members.len()), (2, 2));
}

#[test]
fn what_does_not_fit_the_group_is_refused_with_kafkas_errors() {
    let mut h = Harness::with(|config| config.set("group.max.size", "1").unwrap());
    let ids = h.stable_group(&["a"]);
    let join_error = |h: &mut Harness, request| join_of(h.call(5, "b", request)).error_code;
    assert_eq!(join_error(&mut h, join("")), ErrorCode::GroupMaxSizeReached.code());
    assert_eq!(join_error(&mut h, join("who")), ErrorCode::GroupMaxSizeReached.code());
    let other = join_with(&ids[0], &["sticky-only"]).with_protocol_type(text("connect"));
    assert_eq!(join_error(&mut h, other), ErrorCode::InconsistentGroupProtocol.code());
    let nameless = join("").with_group_id(GroupId(text("")));
    assert_eq!(join_error(&mut h, nameless), ErrorCode::InvalidGroupId.code());
    for timeout in [499, 1_800_001, -1] {
        let request = join("").with_session_timeout_ms(timeout);
        assert_eq!(join_error(&mut h, request), ErrorCode::InvalidSessionTimeout.code());
    }

    let mut h = Harness::new();
    assert_eq!(join_error(&mut h, join("who")), ErrorCode::UnknownMemberId.code());
    let ids = h.stable_group(&["a"]);
    assert_eq!(join_error(&mut h, join_with("", &["other"])), ErrorCode::InconsistentGroupProtocol.code());
    assert_eq!(h.heartbeat(&ids[0], 0), Some(ErrorCode::IllegalGeneration));
    let sync_error = |h: &mut Harness, request| sync_of(h.call(5, "a", request)).error_code;
    let named = |request: SyncGroupRequest, name: &str| {
        request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text(name)))
    };
    assert_eq!(sync_error(&mut h, named(sync("who", 1, &[]), "range")), ErrorCode::UnknownMemberId.code());
    assert_eq!(
        sync_error(&mut h, named(sync(&ids[0], 9, &[]), "range")),
        ErrorCode::IllegalGeneration.code()
    );
    let inconsistent = ErrorCode::InconsistentGroupProtocol.code();
    assert_eq!(sync_error(&mut h, named(sync(&ids[0], 1, &[]), "sticky")), inconsistent);
    assert_eq!(sync_error(&mut h, sync(&ids[0], 1, &[])), inconsistent);
    assert_eq!(sync_error(&mut h, named(sync(&ids[0], 1, &[]), "range")), 0);
}

#[test]
fn a_join_whose_client_is_gone_is_answered_all_the_same() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a", "b"]);
    let lost = h.send(5, "a", join(&ids[0]));
    let again = h.send(5, "a", join(&ids[0]));
    assert_eq!(join_of(h.answer(lost).unwrap()).error_code, ErrorCode::RebalanceInProgress.code());
    h.send(5, "b", join(&ids[1]));
    assert_eq!(join_of(h.answer(again).unwrap()).generation_id, 2);
}

#[test]
fn an_id_given_out_and_not_used_is_forgotten() {
    let mut h = Harness::new();
    let ids = h.stable_group(&["a"]);
    let unused = h.member_id("b");
    h.advance(1_000);
    let token = h.send(5, "a", join(&ids[0]));
    assert_eq!(h.answer(token), None, "the one who got an id may come yet");
    h.advance(SESSION_MS as u64);
    assert_eq!(join_of(h.answer(token).unwrap()).members.len(), 1);
    let late = join_of(h.call(5, "b", join(&unused)));
    assert_eq!(late.error_code, ErrorCode::UnknownMemberId.code());
}

#[test]
fn every_version_of_every_answer_can_be_encoded() {
    let mut h = Harness::new();
    for version in 0..=9 {
        let token = h.send(version, "c", join(""));
        h.commit();
        h.advance(60_000);
        assert!(h.answer(token).is_some());
    }
    h.call(8, "c", commit_request("", -1, "t", &[(0, 1)]));
    for version in 0..=5 {
        h.call(version, "c", sync("who", 1, &[]));
        let request = match version {
            0..=2 => LeaveGroupRequest::default().with_group_id(group()).with_member_id(text("who")),
            _ => leave("who"),
        };
        h.call(version, "c", request);
        let listed = h.call(version, "c", ListGroupsRequest::default());
        assert!(matches!(listed, Response::ListGroups(listed) if listed.error_code == 0));
    }
    for version in 0..=6 {
        h.call(version, "c", DescribeGroupsRequest::default().with_groups(vec![group()]));
    }
}
