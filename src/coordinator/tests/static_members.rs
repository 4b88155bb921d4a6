use super::super::harness::*;
use super::super::schema::GroupRecord;
use crate::protocol::ErrorCode;
use crate::protocol::messages::*;

fn static_join(member: &str, instance: &str) -> JoinGroupRequest {
    join(member).with_group_instance_id(Some(text(instance)))
}

/// A stable group of the static members i0 and i1; their ids.
fn static_group(h: &mut Harness) -> Vec<String> {
    let tokens = [h.send(7, "a", static_join("", "i0")), h.send(7, "b", static_join("", "i1"))];
    h.advance(INITIAL_DELAY_MS * 2);
    let joined = tokens.map(|token| join_of(h.answer(token).unwrap()));
    let mut ids: Vec<String> = joined.iter().map(|joined| joined.member_id.to_string()).collect();
    if joined[0].leader != joined[0].member_id {
        ids.reverse();
    }
    h.commit();
    h.sync_all(&ids, 1);
    h.records();
    h.fx.events.clear();
    ids
}

#[test]
fn a_static_member_that_comes_back_takes_its_place_without_a_rebalance() {
    let mut h = Harness::new();
    let ids = static_group(&mut h);
    assert!(ids[0].starts_with("i0-"));
    let token = h.send(9, "a", static_join("", "i0"));
    assert_eq!(h.answer(token), None, "waits for its new id to be committed");
    h.commit();
    let back = join_of(h.answer(token).unwrap());
    let new_id = back.member_id.to_string();
    assert_ne!(new_id, ids[0]);
    assert_eq!((back.error_code, back.generation_id), (0, 1));
    assert_eq!((back.leader.as_str(), back.skip_assignment, back.members.len()), (new_id.as_str(), true, 2));
    assert_eq!(h.state_names(), [] as [&str; 0]);

    let written = h.records();
    let (generation, _, leader, members) = group_in_short(&written[0]);
    assert_eq!((written.len(), generation, leader), (1, 1, Some(new_id.clone())));
    assert!(members.contains(&(new_id.clone(), ids[0].clone())), "with the old one's assignment");

    assert_eq!(h.heartbeat(&new_id, 1), None);
    assert_eq!(h.heartbeat(&ids[0], 1), Some(ErrorCode::UnknownMemberId));
    let fenced = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(1)
        .with_member_id(text(&ids[0]))
        .with_group_instance_id(Some(text("i0")));
    let fenced = h.call(4, "a", fenced);
    assert_eq!(
        fenced,
        HeartbeatResponse::default().with_error_code(ErrorCode::FencedInstanceId.code()).into()
    );
    let synced = sync_of(h.call(3, "a", sync(&new_id, 1, &[])));
    assert_eq!(&synced.assignment[..], ids[0].as_bytes());
}

#[test]
fn before_version_9_a_static_leader_that_comes_back_is_told_that_its_old_self_leads() {
    let mut h = Harness::new();
    let ids = static_group(&mut h);
    let back = join_of(h.call(7, "a", static_join("", "i0")));
    assert_eq!((back.leader.as_str(), back.members.len(), back.skip_assignment), (ids[0].as_str(), 0, false));
}

#[test]
fn a_static_member_that_could_not_be_written_has_its_old_id_again() {
    let mut h = Harness::new();
    let ids = static_group(&mut h);
    let token = h.send(9, "a", static_join("", "i0"));
    h.refuse(ErrorCode::NotEnoughReplicas);
    let refused = join_of(h.answer(token).unwrap());
    assert_eq!(refused.error_code, ErrorCode::CoordinatorNotAvailable.code());
    assert_eq!(h.heartbeat(&ids[0], 1), None);
}

#[test]
fn a_static_member_with_another_protocol_makes_a_rebalance() {
    let mut h = Harness::new();
    let token = h.send(7, "a", join_with("", &["range", "sticky"]).with_group_instance_id(Some(text("i0"))));
    h.advance(INITIAL_DELAY_MS);
    let id = join_of(h.answer(token).unwrap()).member_id.to_string();
    h.commit();
    h.sync_all(&[id], 1);
    let changed = join_with("", &["sticky", "range"]).with_group_instance_id(Some(text("i0")));
    let joined = join_of(h.call(7, "a", changed));
    assert_eq!((joined.error_code, joined.generation_id), (0, 2));
    assert_eq!(joined.protocol_name.as_deref(), Some("sticky"));
}

#[test]
fn a_static_member_may_be_absent_from_a_rebalance_until_its_session_ends() {
    let mut h = Harness::new();
    let ids = static_group(&mut h);
    let token = h.send(7, "a", static_join(&ids[0], "i0"));
    for _ in 0..REBALANCE_MS / 5_000 {
        let _ = h.heartbeat(&ids[1], 1);
        h.advance(5_000);
    }
    let joined = join_of(h.answer(token).unwrap());
    assert_eq!((joined.generation_id, joined.members.len()), (2, 2), "both are in the generation");
}

#[test]
fn a_static_member_is_removed_by_its_name_alone() {
    let mut h = Harness::new();
    let ids = static_group(&mut h);
    let by_name = |name: &str| {
        let identity =
            leave_group_request::MemberIdentity::default().with_group_instance_id(Some(text(name)));
        LeaveGroupRequest::default().with_group_id(group()).with_members(vec![identity])
    };
    let left = leave_of(h.call(4, "admin", by_name("i1")));
    assert_eq!(left.members[0].error_code, 0);
    let unknown = leave_of(h.call(4, "admin", by_name("i1")));
    assert_eq!(unknown.members[0].error_code, ErrorCode::UnknownMemberId.code());
    assert_eq!(h.heartbeat(&ids[0], 1), Some(ErrorCode::RebalanceInProgress));
}

#[test]
fn instance_ids_survive_a_failover() {
    let mut h = Harness::new();
    let ids = static_group(&mut h);
    h.fail_over();
    assert_eq!(h.heartbeat(&ids[0], 1), None);
    let back = join_of(h.call(9, "a", static_join("", "i0")));
    assert_eq!((back.error_code, back.generation_id), (0, 1));
    let GroupRecord::Group { value: Some(value), .. } = h.records().remove(0) else { panic!() };
    assert_eq!(value.members.iter().filter(|member| member.instance_id.is_some()).count(), 2);
}
