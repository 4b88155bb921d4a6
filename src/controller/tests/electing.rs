//! Leaders by hand, by the clock, and where they may lack records.

use super::*;
use crate::protocol::messages::ElectLeadersRequest;
use crate::protocol::messages::elect_leaders_request::TopicPartitions;

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

impl Bench {
    fn elect(&mut self, kind: i8, topic: Option<&str>) -> (Vec<i16>, Decision) {
        let asked = topic
            .map(|name| vec![TopicPartitions::default().with_topic(wire(name)).with_partitions(vec![0])]);
        let request = ElectLeadersRequest::default().with_election_type(kind).with_topic_partitions(asked);
        let decision = self.controller.elect_leaders(&request);
        self.commit(&decision);
        let Some(Response::ElectLeaders(response)) = &decision.response else { panic!("{decision:?}") };
        let results = response.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
        (results.map(|result| result.error_code).collect(), decision)
    }
}

fn elected(id: i32) -> PartitionChange {
    PartitionChange { leader: Some(Some(BrokerId(id))), ..PartitionChange::default() }
}

#[test]
fn the_preferred_replica_leads_again_when_asked_once_it_is_in_sync() {
    let mut bench = Bench::new(3);
    bench.create_on("t", &[1, 2]);
    assert_eq!(bench.elect(PREFERRED, Some("t")).0, [ErrorCode::ElectionNotNeeded.code()]);
    bench.lose(1);
    let (errors, decision) = bench.elect(PREFERRED, Some("t"));
    assert_eq!((errors, decision.records), (vec![ErrorCode::PreferredLeaderNotAvailable.code()], vec![]));
    bench.heartbeat(1, false);
    assert_eq!(bench.elect(PREFERRED, Some("t")).0, [ErrorCode::PreferredLeaderNotAvailable.code()]);
    bench.alter_isr("t", &[2, 1]);
    let (errors, decision) = bench.elect(PREFERRED, Some("t"));
    assert_eq!((errors, only_change(&decision)), (vec![0], elected(1)));
}

#[test]
fn without_partitions_only_those_are_told_of_that_had_something_to_elect() {
    let mut bench = Bench::new(3);
    bench.create_on("a", &[1, 2]);
    bench.create_on("b", &[2, 1]);
    assert!(bench.elect(PREFERRED, None).0.is_empty());
    bench.lose(1);
    bench.heartbeat(1, false);
    bench.alter_isr("a", &[2, 1]);
    let (errors, decision) = bench.elect(PREFERRED, None);
    assert_eq!((errors, only_change(&decision)), (vec![0], elected(1)));
    assert_eq!(bench.elect(9, None).1.records, []);
    assert_eq!(bench.elect(PREFERRED, Some("none")).0, [ErrorCode::UnknownTopicOrPartition.code()]);
}

#[test]
fn an_unclean_election_by_hand_needs_a_partition_without_leader_and_a_replica_that_is_there() {
    let mut bench = Bench::new(3);
    bench.create_on("t", &[1, 2]);
    bench.lose(2);
    assert_eq!(bench.elect(UNCLEAN, Some("t")).0, [ErrorCode::ElectionNotNeeded.code()]);
    bench.lose(1);
    assert_eq!(bench.elect(UNCLEAN, Some("t")).0, [ErrorCode::EligibleLeadersNotAvailable.code()]);
    bench.heartbeat(2, false);
    assert_eq!(bench.first("t").1.leader, None, "nobody asked for a leader that lacks records");
    let (errors, decision) = bench.elect(UNCLEAN, Some("t"));
    assert_eq!(errors, [0]);
    assert_eq!(only_change(&decision), PartitionChange { isr: Some(ids(&[2])), ..elected(2) });
}

#[test]
fn a_partition_without_leader_gets_one_when_unclean_elections_are_switched_on() {
    let mut bench = Bench::new(3);
    bench.create_on("t", &[1, 2]);
    bench.lose(2);
    bench.lose(1);
    bench.heartbeat(2, false);
    let decision = bench.set_config("t", "unclean.leader.election.enable", "true");
    let [MetadataRecord::Config { .. }, MetadataRecord::PartitionChange { change, .. }] =
        &decision.records[..]
    else {
        panic!("{decision:?}")
    };
    assert_eq!(*change, PartitionChange { isr: Some(ids(&[2])), ..elected(2) });
}

#[test]
fn leadership_is_given_back_only_when_more_than_the_allowed_share_of_a_brokers_partitions_is_elsewhere() {
    let mut bench = Bench::new(3);
    bench.controller.config.set("leader.imbalance.per.broker.percentage", "50").unwrap();
    for name in ["a", "b"] {
        bench.create_on(name, &[1, 2]);
    }
    bench.lose(1);
    bench.heartbeat(1, false);
    bench.alter_isr("a", &[2, 1]);
    bench.alter_isr("b", &[2, 1]);
    // One of two is half: not more.
    assert_eq!(bench.elect(PREFERRED, Some("a")).0, [0]);
    let mut decision = Decision::default();
    bench.controller.balance_leaders(&mut decision);
    assert_eq!(decision.records, []);
    bench.controller.config.set("leader.imbalance.per.broker.percentage", "49").unwrap();
    bench.controller.balance_leaders(&mut decision);
    bench.commit(&decision);
    assert_eq!(only_change(&decision), elected(1));
}
