//! Elections with pre-votes.

use crate::protocol::Request;
use crate::protocol::messages::{VoteRequest, vote_request};
use crate::time::Duration;
use crate::types::BrokerId;

use super::harness::{Nodes, id};

#[test]
fn a_leader_that_ends_is_followed_by_another_in_the_next_epoch() {
    for voters in [2, 3, 5] {
        let mut all = Nodes::new(voters, voters + 1);
        all.commit("a");
        let (leader, epoch) = (all.elected(), all.quorum(id(1)).epoch());
        all.crash(leader);
        if voters == 2 {
            // The other one is no majority.
            all.run_for(Duration::from_secs(5));
            assert!(all.nodes.values().all(|node| node.quorum.epoch() == epoch), "{}", all.roles());
            all.start(leader);
        }
        let next = all.elected();
        assert!(all.quorum(next).epoch() > epoch);
        all.commit("b");
        all.start(leader);
        all.commit("c");
        assert_eq!(all.nodes[&leader].values, ["a", "b", "c"]);
    }
}

#[test]
fn a_voter_that_was_cut_off_deposes_nobody_when_it_is_back() {
    let mut all = Nodes::new(3, 3);
    all.commit("a");
    let (leader, epoch) = (all.elected(), all.quorum(id(1)).epoch());
    let lost = [1, 2, 3].map(id).into_iter().find(|other| *other != leader).unwrap();
    all.isolate(lost, true);
    all.until("it asks for pre-votes", |all| all.quorum(lost).role_name() == "prospective");
    all.run_for(Duration::from_secs(5));
    assert_eq!(all.quorum(lost).epoch(), epoch, "it raised its epoch");
    all.isolate(lost, false);
    all.commit("b");
    assert_eq!((all.leader(), all.quorum(lost).epoch()), (Some(leader), epoch));
}

#[test]
fn a_voter_that_starts_cut_off_deposes_nobody_when_it_is_back() {
    let mut all = Nodes::new(3, 3);
    all.commit("a");
    let (leader, epoch) = (all.elected(), all.quorum(id(1)).epoch());
    let lost = [1, 2, 3].map(id).into_iter().find(|other| *other != leader).unwrap();
    all.isolate(lost, true);
    all.crash(lost);
    all.start(lost);
    all.run_for(Duration::from_secs(5));
    assert_eq!(all.quorum(lost).leader(), None);
    all.isolate(lost, false);
    all.commit("b");
    assert_eq!((all.leader(), all.quorum(lost).epoch()), (Some(leader), epoch));
}

#[test]
fn one_voter_without_the_leader_is_refused_by_one_that_hears_it() {
    let mut all = Nodes::new(3, 3);
    all.commit("a");
    let (leader, epoch) = (all.elected(), all.quorum(id(1)).epoch());
    let lost = [1, 2, 3].map(id).into_iter().find(|other| *other != leader).unwrap();
    all.set_cut(leader, lost, true);
    all.until("it asks for pre-votes", |all| all.quorum(lost).role_name() == "prospective");
    all.until("it goes back to its leader", |all| all.quorum(lost).role_name() == "follower");
    all.run_for(Duration::from_secs(5));
    assert_eq!(all.quorum(leader).epoch(), epoch);
    assert!(all.quorum(leader).is_leader());
}

#[test]
fn a_leader_without_its_followers_resigns_and_they_elect_another() {
    let mut all = Nodes::new(3, 3);
    all.commit("a");
    let (leader, epoch) = (all.elected(), all.quorum(id(1)).epoch());
    all.isolate(leader, true);
    all.until("it resigns", |all| !all.quorum(leader).is_leader());
    all.until("another leads", |all| {
        all.nodes.iter().any(|(id, node)| *id != leader && node.quorum.leadership_established())
    });
    assert_eq!(all.quorum(leader).epoch(), epoch, "it can't begin an epoch alone");
    all.isolate(leader, false);
    all.commit("b");
    assert_eq!(all.quorum(leader).epoch(), epoch.next());
}

#[test]
fn the_successor_of_a_leader_that_resigns_is_elected_at_once() {
    for voters in [3, 5] {
        let mut all = Nodes::new(voters, voters);
        all.commit("a");
        // Voters have told where they are: nothing more is written.
        all.run_for(Duration::from_secs(5));
        let (leader, epoch) = (all.elected(), all.quorum(id(1)).epoch());
        let resigned_at = all.now;
        all.with(leader, |quorum, now, fx| quorum.resign(now, fx));
        let next = all.elected();
        assert_ne!(next, leader);
        assert_eq!(all.quorum(next).epoch(), epoch.next());
        // No timeout is part of it: the shortest is 300 ms.
        assert!(all.now.since(resigned_at) < Duration::from_millis(100), "{:?}", all.now.since(resigned_at));
    }
}

#[test]
fn a_vote_that_could_not_be_stored_is_not_given_when_it_is_asked_for_again() {
    let mut all = Nodes::new(2, 2);
    all.commit("a");
    let leader = all.elected();
    let other = [1, 2].map(id).into_iter().find(|other| *other != leader).unwrap();
    all.break_writes(other, true);
    all.with(leader, |quorum, now, fx| quorum.resign(now, fx));
    all.until("it stands for election", |all| all.quorum(leader).role_name() == "candidate");
    all.run_for(Duration::from_secs(10));
    assert!(!all.quorum(leader).is_leader(), "with a vote that the other forgets when it ends");
    all.break_writes(other, false);
    all.commit("b");
}

#[test]
fn no_vote_is_asked_for_before_a_majority_would_give_it() {
    let mut all = Nodes::new(3, 3);
    all.commit("a");
    let leader = all.elected();
    all.arrived.clear();
    all.crash(leader);
    all.elected();
    let kind = |request: &Request| match request {
        Request::Vote(VoteRequest { topics, .. }) => {
            let partition: &vote_request::PartitionData = &topics[0].partitions[0];
            Some((partition.pre_vote, partition.replica_epoch))
        }
        _ => None,
    };
    let votes: Vec<(bool, i32)> = all.arrived.iter().filter_map(|(.., request)| kind(request)).collect();
    let epoch = all.nodes.values().next().unwrap().quorum.epoch().0;
    assert_eq!(votes.first(), Some(&(true, epoch - 1)), "{votes:?}");
    let first_vote = votes.iter().position(|vote| *vote == (false, epoch));
    assert!(first_vote.is_some_and(|at| votes[..at].iter().all(|(pre_vote, _)| *pre_vote)), "{votes:?}");
}

/// True while a node may not go by what it has replayed.
fn doubts(all: &Nodes, node: BrokerId) -> bool {
    all.quorum(node).is_doubtful(all.quorum(node).high_watermark())
}

#[test]
fn a_leader_that_was_away_is_sure_of_itself_when_a_majority_has_said_so_since() {
    let mut all = Nodes::new(3, 3);
    all.commit("a");
    let (leader, epoch) = (all.elected(), all.quorum(id(1)).epoch());
    // For longer than the others wait for it, and not for so long that it resigns.
    let late = Duration::from_millis(700);
    let doubts = |all: &Nodes| doubts(all, leader);
    assert!(!doubts(&all));
    all.with(leader, |quorum, now, fx| quorum.time_jumped(now, late, fx));
    assert!(doubts(&all));
    all.until("it has heard of a majority", |all| !doubts(all));
    assert_eq!((all.leader(), all.quorum(leader).epoch()), (Some(leader), epoch));

    // What the others have asked before says nothing.
    let followers = [1, 2, 3].map(id).into_iter().filter(|other| *other != leader);
    followers.for_each(|follower| all.set_cut_one_way(leader, follower, true));
    all.arrived.clear();
    all.with(leader, |quorum, now, fx| quorum.time_jumped(now, late, fx));
    let fetched = |(_, to, request): &(_, _, Request)| *to == leader && matches!(request, Request::Fetch(_));
    all.until("another asks it", |all| all.arrived.iter().any(fetched) || !all.quorum(leader).is_leader());
    assert!(doubts(&all), "{}", all.roles());
}

#[test]
fn a_follower_that_was_away_does_not_go_by_a_leader_that_is_new_and_knows_little_itself() {
    let mut all = Nodes::new(3, 3);
    all.commit("a");
    let leader = all.elected();
    let [away, other] = [1, 2, 3].map(id).into_iter().filter(|id| *id != leader).collect::<Vec<_>>()[..]
    else {
        unreachable!()
    };
    all.isolate(away, true);
    all.append(leader, "b");
    let committed = |all: &Nodes| all.nodes[&other].values.contains(&"b".to_owned());
    all.until("the other has replayed it", committed);
    // It has the record, and no longer knows that it is committed.
    all.crash(leader);
    all.crash(other);
    all.start(other);
    all.isolate(away, false);
    all.with(away, |quorum, now, fx| quorum.time_jumped(now, Duration::from_millis(700), fx));
    let doubts = |all: &Nodes| doubts(all, away);
    assert!(doubts(&all));
    all.until("it is sure of what is committed", |all| !doubts(all));
    assert_eq!(all.quorum(away).leader(), Some(other), "{}", all.roles());
    assert_eq!(all.nodes[&away].values, ["a", "b"]);
}

#[test]
fn an_observer_that_was_away_does_not_go_by_a_leader_that_the_voters_have_left() {
    let mut all = Nodes::new(3, 4);
    all.commit("a");
    let (leader, observer) = (all.elected(), id(4));
    let voters: Vec<_> = [1, 2, 3].map(id).into_iter().filter(|id| *id != leader).collect();
    voters.iter().for_each(|voter| all.set_cut(leader, *voter, true));
    let elected =
        |all: &Nodes| voters.iter().copied().find(|voter| all.quorum(*voter).leadership_established());
    all.until("another is elected", |all| elected(all).is_some());
    let second = elected(&all).unwrap();
    all.append(second, "b");
    all.until("that is committed", |all| all.nodes[&second].values.contains(&"b".to_owned()));
    assert!(all.quorum(leader).is_leader(), "as far as it knows: {}", all.roles());
    assert_eq!(all.quorum(observer).leader(), Some(leader), "{}", all.roles());

    let late = Duration::from_millis(700);
    all.with(observer, |quorum, now, fx| quorum.time_jumped(now, late, fx));
    let doubts = |all: &Nodes| doubts(all, observer);
    all.until("it is sure of what is committed", |all| !doubts(all));
    assert_eq!(all.quorum(observer).leader(), Some(second), "{}", all.roles());
    assert_eq!(all.nodes[&observer].values, ["a", "b"]);
}

#[test]
fn a_node_that_was_away_hears_of_a_majority_over_links_that_lose_what_it_asks() {
    let mut all = Nodes::new(3, 4);
    all.commit("a");
    let (leader, observer) = (all.elected(), id(4));
    let voters: Vec<_> = [1, 2, 3].map(id).into_iter().filter(|id| *id != leader).collect();
    voters.iter().for_each(|voter| all.set_cut_one_way(observer, *voter, true));
    all.with(observer, |quorum, now, fx| quorum.time_jumped(now, Duration::from_millis(700), fx));
    let doubts = |all: &Nodes| doubts(all, observer);
    all.run_for(Duration::from_millis(300));
    assert!(doubts(&all), "only the leader was heard");
    all.set_cut_one_way(observer, voters[0], false);
    all.until("it has heard of a majority", |all| !doubts(all));
}

#[test]
fn a_voter_that_lost_its_storage_does_not_make_a_node_sure_that_was_away() {
    let mut all = Nodes::new(3, 4);
    all.commit("a");
    // All voters have said which storage they have.
    all.run_for(Duration::from_secs(3));
    let (leader, observer) = (all.elected(), id(4));
    let voters: Vec<_> = [1, 2, 3].map(id).into_iter().filter(|id| *id != leader).collect();
    all.crash(voters[0]);
    all.storages.remove(&voters[0]);
    all.start(voters[0]);
    all.commit("b");
    assert_eq!(all.quorum(voters[0]).epoch(), all.quorum(leader).epoch());
    // It forgot whom it had voted for: a later epoch may have begun with that vote, unknown to the leader.
    all.set_cut_one_way(observer, voters[1], true);
    all.with(observer, |quorum, now, fx| quorum.time_jumped(now, Duration::from_millis(700), fx));
    let doubts = |all: &Nodes| doubts(all, observer);
    all.run_for(Duration::from_millis(300));
    assert!(doubts(&all), "the leader was heard, and one that votes no more");
    all.set_cut_one_way(observer, voters[1], false);
    all.until("it has heard of a majority", |all| !doubts(all));
}
