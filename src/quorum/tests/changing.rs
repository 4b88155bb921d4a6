//! Voters that come and go.

use crate::protocol::messages::{
    AddRaftVoterRequest, DescribeQuorumRequest, DescribeQuorumResponse, RemoveRaftVoterRequest,
    add_raft_voter_request,
};
use crate::protocol::{ErrorCode, Response, StrBytes};
use crate::time::Duration;
use crate::types::{BrokerId, Uuid};

use super::harness::{Nodes, id};

fn voters(all: &Nodes, node: BrokerId) -> Vec<i32> {
    all.quorum(node).voters().map(|id| id.0).collect()
}

fn directory(all: &Nodes, node: BrokerId) -> Uuid {
    all.quorum(node).directory()
}

fn add(node: BrokerId, directory: Uuid) -> AddRaftVoterRequest {
    let listener =
        add_raft_voter_request::Listener::default().with_host(StrBytes::from_static_str("h")).with_port(9);
    AddRaftVoterRequest::default()
        .with_timeout_ms(1000)
        .with_voter_id(node.0)
        .with_voter_directory_id(directory)
        .with_listeners(vec![listener])
}

fn remove(node: BrokerId, directory: Uuid) -> RemoveRaftVoterRequest {
    RemoveRaftVoterRequest::default().with_voter_id(node.0).with_voter_directory_id(directory)
}

/// Asks, and gives the answer's error once it is there.
fn add_voter(all: &mut Nodes, at: BrokerId, body: AddRaftVoterRequest) -> Option<ErrorCode> {
    let token = all.ask(at, body);
    all.until("an answer", |all| all.answers.contains_key(&token));
    match all.answers.remove(&token) {
        Some(Response::AddRaftVoter(body)) => ErrorCode::try_from_code(body.error_code),
        other => panic!("{other:?}"),
    }
}

fn remove_voter(all: &mut Nodes, at: BrokerId, body: RemoveRaftVoterRequest) -> Option<ErrorCode> {
    let token = all.ask(at, body);
    all.until("an answer", |all| all.answers.contains_key(&token));
    match all.answers.remove(&token) {
        Some(Response::RemoveRaftVoter(body)) => ErrorCode::try_from_code(body.error_code),
        other => panic!("{other:?}"),
    }
}

fn describe(all: &mut Nodes, at: BrokerId) -> DescribeQuorumResponse {
    let token = all.ask(at, DescribeQuorumRequest::default());
    match all.answers.remove(&token) {
        Some(Response::DescribeQuorum(body)) => body,
        other => panic!("{other:?}"),
    }
}

/// A quorum whose voters have said which storage they have.
fn settled(voters: i32, nodes: i32) -> (Nodes, BrokerId) {
    let mut all = Nodes::new(voters, nodes);
    all.commit("a");
    all.run_for(Duration::from_secs(3));
    let leader = all.elected();
    (all, leader)
}

#[test]
fn voters_of_the_configuration_are_written_into_the_log_with_their_storage() {
    let (mut all, leader) = settled(3, 4);
    let described = describe(&mut all, leader);
    let partition = &described.topics[0].partitions[0];
    let named = |states: &[crate::protocol::messages::describe_quorum_response::ReplicaState]| {
        states.iter().map(|state| (state.replica_id.0, state.replica_directory_id)).collect::<Vec<_>>()
    };
    let expected =
        |ids: &[i32]| ids.iter().map(|node| (*node, directory(&all, id(*node)))).collect::<Vec<_>>();
    assert_eq!(named(&partition.current_voters), expected(&[1, 2, 3]));
    assert_eq!(named(&partition.observers), expected(&[4]));
    assert!(expected(&[1, 2, 3, 4]).iter().all(|(_, directory)| !directory.is_nil()));
    assert_eq!(described.nodes.iter().map(|node| node.node_id.0).collect::<Vec<_>>(), [1, 2, 3]);
    let end = all.quorum(leader).log_end_offset().0;
    for state in partition.current_voters.iter().chain(&partition.observers) {
        assert_eq!(state.log_end_offset, end);
        assert!(state.last_caught_up_timestamp > all.now.as_timestamp() - 1000, "{state:?}");
    }
}

#[test]
fn an_observer_that_has_caught_up_becomes_a_voter_whose_vote_counts() {
    let (mut all, leader) = settled(3, 4);
    let new = add(id(4), directory(&all, id(4)));
    assert_eq!(add_voter(&mut all, leader, new), None);
    all.commit("b");
    for node in 1..=4 {
        assert_eq!(voters(&all, id(node)), [1, 2, 3, 4]);
    }
    assert_eq!(all.quorum(id(4)).role_name(), "follower");
    // An even number: of four, three must have a record.
    let others: Vec<BrokerId> = [1, 2, 3].map(id).into_iter().filter(|node| *node != leader).collect();
    others.iter().for_each(|node| all.crash(*node));
    all.append(leader, "c");
    all.run_for(Duration::from_millis(500));
    assert_eq!(all.nodes[&id(4)].values, ["a", "b"]);
    all.start(others[0]);
    all.commit("d");
    assert!(all.nodes.contains_key(&id(4)) && all.nodes[&id(4)].values.last().unwrap() == "d");
}

#[test]
fn a_voter_that_was_removed_observes() {
    let (mut all, leader) = settled(3, 3);
    let gone = [1, 2, 3].map(id).into_iter().find(|node| *node != leader).unwrap();
    let request = remove(gone, directory(&all, gone));
    assert_eq!(remove_voter(&mut all, leader, request), None);
    all.commit("b");
    assert_eq!((voters(&all, gone).len(), all.quorum(gone).role_name()), (2, "observer"));
    // It comes back after a restart as what it was.
    all.crash(gone);
    all.start(gone);
    all.commit("c");
    assert_eq!(all.quorum(gone).role_name(), "observer");
    // Cut off, it does not stand.
    all.isolate(gone, true);
    all.run_for(Duration::from_secs(3));
    assert_eq!(all.quorum(gone).role_name(), "observer");
}

#[test]
fn a_leader_that_is_removed_leads_until_that_is_committed() {
    for count in [2, 3] {
        let (mut all, leader) = settled(count, 3);
        let epoch = all.quorum(leader).epoch();
        let request = remove(leader, directory(&all, leader));
        assert_eq!(remove_voter(&mut all, leader, request), None);
        let next = all.elected();
        assert_ne!(next, leader);
        assert!(all.quorum(next).epoch() > epoch);
        all.commit("b");
        assert_eq!(all.quorum(leader).role_name(), "observer");
        assert_eq!(voters(&all, leader).len(), count as usize - 1);
    }
}

#[test]
fn of_two_voters_the_one_that_was_taken_out_leads_again_until_that_is_committed() {
    let (mut all, leader) = settled(2, 3);
    let other = [1, 2].map(id).into_iter().find(|node| *node != leader).unwrap();
    all.set_cut(leader, other, true);
    let request = remove(leader, directory(&all, leader));
    all.ask(leader, request);
    all.run_for(Duration::from_secs(3));
    // Only it knows, and it leads no more. The other alone can't be elected: its log is shorter.
    assert_eq!((voters(&all, leader), voters(&all, other)), (vec![other.0], vec![1, 2]));
    assert!(!all.quorum(leader).is_leader() && !all.quorum(other).is_leader());
    // A restart makes no difference.
    all.crash(leader);
    all.start(leader);
    all.set_cut(leader, other, false);
    all.until("the other leads alone", |all| {
        all.quorum(other).leadership_established() && all.quorum(other).voters().len() == 1
    });
    all.commit("b");
    assert_eq!(all.quorum(leader).role_name(), "observer");
}

#[test]
fn changes_that_can_not_be_made_are_refused_with_kafkas_errors() {
    let (mut all, leader) = settled(3, 4);
    let new = directory(&all, id(4));
    let follower = [1, 2, 3].map(id).into_iter().find(|node| *node != leader).unwrap();
    let its = directory(&all, follower);
    assert_eq!(add_voter(&mut all, leader, add(follower, its)), Some(ErrorCode::DuplicateVoter));
    assert_eq!(add_voter(&mut all, follower, add(id(4), new)), Some(ErrorCode::NotLeaderOrFollower));
    assert_eq!(add_voter(&mut all, leader, add(id(4), Uuid::nil())), Some(ErrorCode::InvalidRequest));
    let without = add(id(4), new).with_listeners(Vec::new());
    assert_eq!(add_voter(&mut all, leader, without), Some(ErrorCode::InvalidRequest));
    let other = Some(StrBytes::from_static_str("other"));
    let foreign = add(id(4), new).with_cluster_id(other);
    assert_eq!(add_voter(&mut all, leader, foreign), Some(ErrorCode::InconsistentClusterId));
    // Another storage of that id has not caught up; and one that fell silent is behind soon.
    assert_eq!(add_voter(&mut all, leader, add(id(4), Uuid::from_u128(7))), Some(ErrorCode::RequestTimedOut));
    all.crash(id(4));
    all.run_for(Duration::from_secs(1));
    assert_eq!(add_voter(&mut all, leader, add(id(4), new)), Some(ErrorCode::RequestTimedOut));
    assert_eq!(remove_voter(&mut all, leader, remove(id(4), new)), Some(ErrorCode::VoterNotFound));
    let stranger = remove(follower, Uuid::from_u128(7));
    assert_eq!(remove_voter(&mut all, leader, stranger), Some(ErrorCode::VoterNotFound));
    assert_eq!(voters(&all, leader), [1, 2, 3]);
    let (mut alone, leader) = settled(1, 1);
    let last = remove(leader, directory(&alone, leader));
    assert_eq!(remove_voter(&mut alone, leader, last), Some(ErrorCode::InvalidRequest));
}

#[test]
fn a_second_change_waits_for_the_first() {
    let (mut all, leader) = settled(3, 5);
    let others: Vec<BrokerId> = [1, 2, 3].map(id).into_iter().filter(|node| *node != leader).collect();
    let (fourth, fifth) = (directory(&all, id(4)), directory(&all, id(5)));
    others.iter().for_each(|node| all.set_cut(leader, *node, true));
    let token = all.ask(leader, add(id(4), fourth));
    assert_eq!(voters(&all, leader), [1, 2, 3, 4], "it counts when it is appended");
    assert_eq!(add_voter(&mut all, leader, add(id(5), fifth)), Some(ErrorCode::RequestTimedOut));
    // Two of the four have it by then: the majority of the three before, which counts no more.
    all.run_for(Duration::from_millis(30));
    assert_eq!(all.quorum(id(4)).log_end_offset(), all.quorum(leader).log_end_offset());
    assert!(!all.answers.contains_key(&token), "it is not committed");
    others.iter().for_each(|node| all.set_cut(leader, *node, false));
    all.until("an answer", |all| all.answers.contains_key(&token));
    all.commit("b");
    let leader = all.elected();
    if voters(&all, leader) == [1, 2, 3, 4] {
        assert_eq!(add_voter(&mut all, leader, add(id(5), fifth)), None);
    }
}

#[test]
fn a_change_that_is_cut_from_the_log_never_was() {
    let (mut all, leader) = settled(3, 4);
    all.isolate(leader, true);
    let gone = [1, 2, 3].map(id).into_iter().find(|node| *node != leader).unwrap();
    let request = remove(gone, directory(&all, gone));
    let token = all.ask(leader, request);
    all.run_for(Duration::from_millis(50));
    assert_eq!(voters(&all, leader).len(), 2);
    all.until("another leads", |all| {
        all.nodes.iter().any(|(id, node)| *id != leader && node.quorum.leadership_established())
    });
    all.isolate(leader, false);
    all.commit("b");
    assert_eq!(voters(&all, leader), [1, 2, 3]);
    match &all.answers[&token] {
        Response::RemoveRaftVoter(body) => assert_ne!(body.error_code, 0),
        other => panic!("{other:?}"),
    }
    // What was in memory only, and what a restart finds, are the same.
    all.crash(leader);
    all.start(leader);
    all.commit("c");
    assert_eq!(voters(&all, leader), [1, 2, 3]);
}

#[test]
fn a_voter_that_lost_its_storage_is_not_the_voter_it_was() {
    let (mut all, leader) = settled(3, 3);
    let lost = [1, 2, 3].map(id).into_iter().find(|node| *node != leader).unwrap();
    let before = directory(&all, lost);
    all.crash(lost);
    all.storages.remove(&lost);
    all.start(lost);
    all.commit("b");
    assert_eq!(all.quorum(lost).role_name(), "observer");
    assert_eq!(remove_voter(&mut all, leader, remove(lost, before)), None);
    let now = directory(&all, lost);
    all.until("it has caught up", |all| {
        all.quorum(lost).high_watermark() == all.quorum(leader).high_watermark()
    });
    all.run_for(Duration::from_millis(400));
    assert_eq!(add_voter(&mut all, leader, add(lost, now)), None);
    all.commit("c");
    assert_eq!(all.quorum(lost).role_name(), "follower");
}

#[test]
fn a_voter_that_lost_its_storage_stands_in_no_election() {
    let (mut all, leader) = settled(3, 3);
    let lost = [1, 2, 3].map(id).into_iter().find(|node| *node != leader).unwrap();
    all.crash(lost);
    all.storages.remove(&lost);
    all.start(lost);
    all.commit("b");
    // Now it does not know how much of its log is committed: who was left out of the last set of voters might stand.
    all.crash(leader);
    all.crash(lost);
    all.start(lost);
    for _ in 0..100 {
        all.run_for(Duration::from_millis(50));
        assert_eq!(all.quorum(lost).role_name(), "observer");
    }
}

#[test]
fn voters_are_known_after_a_start_from_a_snapshot() {
    let small = [("metadata.log.max.record.bytes.between.snapshots", "1000")];
    let mut all = Nodes::with_configs(1, 2, &small);
    all.commit("a");
    all.run_for(Duration::from_secs(3));
    let new = add(id(2), directory(&all, id(2)));
    assert_eq!(add_voter(&mut all, id(1), new), None);
    for n in 0..60 {
        all.commit(&format!("value {n}"));
    }
    all.run_for(Duration::from_millis(100));
    for node in [1, 2].map(id) {
        let snapshot = all.quorum(node).latest_snapshot().unwrap();
        assert_eq!(snapshot.voters.as_ref().map(Vec::len), Some(2));
        all.crash(node);
        all.start(node);
        assert_eq!(voters(&all, node), [1, 2]);
    }
    // One that has only the snapshot.
    all.start(id(3));
    all.commit("b");
    assert_eq!(voters(&all, id(3)), [1, 2]);
}
