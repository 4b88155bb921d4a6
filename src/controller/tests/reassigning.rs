//! Reassignments (KIP-455).

use super::*;
use crate::protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use crate::protocol::messages::{AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest};

impl Bench {
    /// The error of partition 0, and what was decided. No replicas cancels.
    fn reassign(&mut self, name: &str, replicas: Option<&[i32]>) -> (i16, Decision) {
        let replicas = replicas.map(|ids| ids.iter().map(|id| messages::BrokerId(*id)).collect());
        let partition = ReassignablePartition::default().with_partition_index(0).with_replicas(replicas);
        let topic = ReassignableTopic::default().with_name(wire(name)).with_partitions(vec![partition]);
        let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
        let decision = self.controller.alter_partition_reassignments(&request);
        self.commit(&decision);
        let Some(Response::AlterPartitionReassignments(response)) = &decision.response else {
            panic!("{decision:?}")
        };
        (response.responses[0].partitions[0].error_code, decision)
    }

    /// Topic, adding and removing of each partition under way.
    fn ongoing(&self) -> Vec<(String, Vec<i32>, Vec<i32>)> {
        let request = ListPartitionReassignmentsRequest::default().with_topics(None);
        let decision = self.controller.list_partition_reassignments(&request);
        let Some(Response::ListPartitionReassignments(response)) = decision.response else { panic!() };
        let plain = |ids: &[messages::BrokerId]| ids.iter().map(|id| id.0).collect();
        let topics = response.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|partition| {
                let (adding, removing) = (&partition.adding_replicas, &partition.removing_replicas);
                (topic.name.to_string(), plain(adding), plain(removing))
            })
        });
        topics.collect()
    }
}

#[test]
fn a_partition_moves_when_the_new_replicas_are_in_sync_and_its_leader_with_it() {
    let mut bench = Bench::new(5);
    bench.create_on("t", &[1, 2]);
    let (error, decision) = bench.reassign("t", Some(&[4, 2]));
    assert_eq!(error, 0);
    let begun = PartitionChange {
        replicas: Some(ids(&[4, 2, 1])),
        removing: Some(ids(&[1])),
        adding: Some(ids(&[4])),
        ..PartitionChange::default()
    };
    assert_eq!(only_change(&decision), begun);
    assert_eq!(bench.ongoing(), [("t".to_owned(), vec![4], vec![1])]);
    // The leader is told that another leads now, and the record takes it off.
    let (error, decision) = bench.alter_isr("t", &[1, 2, 4]);
    assert_eq!(error, ErrorCode::NewLeaderElected.code());
    let done = PartitionChange {
        isr: Some(ids(&[2, 4])),
        leader: Some(Some(BrokerId(4))),
        replicas: Some(ids(&[4, 2])),
        removing: Some(vec![]),
        adding: Some(vec![]),
        ..PartitionChange::default()
    };
    assert_eq!(only_change(&decision), done);
    assert_eq!(bench.ongoing(), []);
}

#[test]
fn a_leader_that_stays_gets_a_new_epoch_when_a_replica_goes() {
    let mut bench = Bench::new(3);
    bench.create_on("t", &[1, 2, 3]);
    let epoch = bench.first("t").1.leader_epoch;
    // Everybody who is to stay is in sync: it is done at once.
    let (error, decision) = bench.reassign("t", Some(&[1, 3]));
    assert_eq!(error, 0);
    let done = PartitionChange {
        isr: Some(ids(&[1, 3])),
        leader: Some(Some(BrokerId(1))),
        replicas: Some(ids(&[1, 3])),
        ..PartitionChange::default()
    };
    assert_eq!(only_change(&decision), done);
    assert_eq!(bench.first("t").1.leader_epoch, epoch.next());
}

#[test]
fn nothing_is_done_before_all_that_are_to_stay_are_in_sync() {
    let mut bench = Bench::new(5);
    bench.create_on("t", &[1, 2]);
    bench.reassign("t", Some(&[3, 4]));
    let (error, _) = bench.alter_isr("t", &[1, 2, 3]);
    assert_eq!(error, 0);
    assert_eq!(bench.first("t").1.replicas, ids(&[3, 4, 1, 2]));
    // One of the new ones leaves again before the other is there.
    bench.alter_isr("t", &[1, 2]);
    bench.alter_isr("t", &[1, 2, 4]);
    assert!(bench.first("t").1.is_reassigning());
    bench.alter_isr("t", &[1, 2, 4, 3]);
    let state = bench.first("t").1;
    assert_eq!((state.replicas, state.isr, state.leader), (ids(&[3, 4]), ids(&[4, 3]), Some(BrokerId(3))));
}

#[test]
fn cancelling_takes_the_new_replicas_off_and_keeps_the_old_ones() {
    let mut bench = Bench::new(5);
    bench.create_on("t", &[1, 2]);
    assert_eq!(bench.reassign("t", None).0, ErrorCode::NoReassignmentInProgress.code());
    bench.reassign("t", Some(&[3, 4]));
    bench.alter_isr("t", &[1, 2, 3]);
    let (error, decision) = bench.reassign("t", None);
    assert_eq!(error, 0);
    let cancelled = PartitionChange {
        isr: Some(ids(&[1, 2])),
        leader: Some(Some(BrokerId(1))),
        replicas: Some(ids(&[1, 2])),
        removing: Some(vec![]),
        adding: Some(vec![]),
        ..PartitionChange::default()
    };
    assert_eq!(only_change(&decision), cancelled);
    assert_eq!(bench.ongoing(), []);
}

#[test]
fn cancelling_is_refused_when_only_new_replicas_are_in_sync_unless_unclean_elections_are_allowed() {
    let mut bench = Bench::new(5);
    bench.create_on("t", &[1]);
    bench.reassign("t", Some(&[3, 4]));
    bench.alter_isr("t", &[1, 3]);
    bench.lose(1);
    assert_eq!(bench.first("t").1.isr, ids(&[3]));
    let (error, decision) = bench.reassign("t", None);
    assert_eq!((error, decision.records), (ErrorCode::InvalidReplicaAssignment.code(), vec![]));
    bench.set_config("t", "unclean.leader.election.enable", "true");
    let (error, _) = bench.reassign("t", None);
    assert_eq!(error, 0);
    let state = bench.first("t").1;
    assert_eq!((state.replicas, state.isr, state.leader), (ids(&[1]), ids(&[1]), None));
}

#[test]
fn another_target_replaces_the_first_one() {
    let mut bench = Bench::new(5);
    bench.create_on("t", &[1, 2]);
    bench.reassign("t", Some(&[3, 4]));
    bench.alter_isr("t", &[1, 2, 3]);
    let (error, _) = bench.reassign("t", Some(&[4, 5]));
    assert_eq!(error, 0);
    let state = bench.first("t").1;
    // 3 was on its way in, and is not wanted any more; 4 still counts as new.
    assert_eq!((state.replicas, state.isr), (ids(&[4, 5, 1, 2]), ids(&[1, 2])));
    assert_eq!((state.adding, state.removing), (ids(&[4, 5]), ids(&[1, 2])));
    bench.reassign("t", Some(&[1, 2]));
    assert!(!bench.first("t").1.is_reassigning());
    assert_eq!(bench.first("t").1.replicas, ids(&[1, 2]));
}

#[test]
fn what_can_not_be_is_refused_with_kafkas_code_and_no_record() {
    let mut bench = Bench::new(3);
    bench.create_on("t", &[1, 2]);
    let refused: [(&str, Option<&[i32]>, ErrorCode); 5] = [
        ("none", Some(&[1]), ErrorCode::UnknownTopicOrPartition),
        ("t", Some(&[]), ErrorCode::InvalidReplicaAssignment),
        ("t", Some(&[1, 1]), ErrorCode::InvalidReplicaAssignment),
        ("t", Some(&[1, 9]), ErrorCode::InvalidReplicaAssignment),
        ("t", None, ErrorCode::NoReassignmentInProgress),
    ];
    for (name, replicas, error) in refused {
        let (code, decision) = bench.reassign(name, replicas);
        assert_eq!((code, decision.records.len()), (error.code(), 0), "{name} {replicas:?}");
    }
}
