//! Leadership moves.

use super::harness::*;
use crate::event::ClusterEvent;
use crate::log::io::IoError;
use crate::protocol::ErrorCode;
use crate::replica::RoleChange;
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, PartitionEpoch};

#[test]
fn a_new_leader_has_all_that_was_acknowledged_and_the_old_one_loses_the_rest() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 2);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["kept"]);
    cluster.run_for(600);
    cluster.set_cut(1, 2, true);
    cluster.set_cut(1, 3, true);
    cluster.produce_and_wait(1, &tp, 1, &["lost", "lost too"]);
    assert_eq!(cluster.stored(1, &tp).len(), 3);
    cluster.elect(&tp, Some(2), &[2, 3]);
    cluster.set_cut(1, 2, false);
    cluster.set_cut(1, 3, false);
    assert_eq!(cluster.produce_and_wait(2, &tp, -1, &["new"]), 1);
    // The old leader's first fetch was lost, and times out before the next.
    cluster.run_for(2_500);
    for id in 1..=3 {
        assert_eq!(cluster.stored(id, &tp), ["kept", "new"], "broker {id}");
    }
    let cut = cluster.events.iter().find_map(|(id, event)| match event {
        ClusterEvent::Truncated { from, to, .. } => Some((id.0, from.0, to.0)),
        _ => None,
    });
    assert_eq!(cut, Some((1, 3, 1)));
    assert_eq!(cluster.status(2, &tp).isr.len(), 3, "the old leader is back in the ISR");
}

#[test]
fn logs_that_parted_over_several_epochs_agree_in_the_end() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    cluster.run_for(600);
    cluster.set_cut(1, 2, true);
    // Each writes alone, in turn, in epochs the other does not see: elections of an unclean kind.
    cluster.elect(&tp, Some(1), &[1]);
    cluster.produce_and_wait(1, &tp, 1, &["x1", "x2"]);
    cluster.elect(&tp, Some(2), &[2]);
    cluster.produce_and_wait(2, &tp, 1, &["y1"]);
    cluster.elect(&tp, Some(1), &[1]);
    cluster.produce_and_wait(1, &tp, 1, &["z1"]);
    cluster.elect(&tp, Some(2), &[2]);
    cluster.produce_and_wait(2, &tp, 1, &["w1"]);
    cluster.set_cut(1, 2, false);
    cluster.run_for(4_000);
    assert_eq!(cluster.stored(2, &tp), ["a", "y1", "w1"]);
    assert_eq!(cluster.stored(1, &tp), ["a", "y1", "w1"]);
    assert_eq!(cluster.status(2, &tp).isr.len(), 2);
}

#[test]
fn a_leader_with_an_empty_log_empties_its_followers() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.hold_storage(2, true);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    cluster.crash(BrokerId(2));
    cluster.start(BrokerId(2));
    cluster.elect(&tp, Some(2), &[2]);
    cluster.run_for(100);
    assert_eq!(cluster.stored(1, &tp), Vec::<String>::new());
    assert_eq!(cluster.produce_and_wait(2, &tp, -1, &["b"]), 0);
}

#[test]
fn parked_produces_fail_when_leadership_goes() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.hold_storage(2, true);
    let token = cluster.produce(1, &tp, -1, batch_of(&["a"]));
    cluster.run_for(5);
    cluster.elect(&tp, Some(2), &[1, 2]);
    let code = cluster.produced(token).unwrap().error_code;
    assert_eq!(code, ErrorCode::NotLeaderOrFollower.code());
}

#[test]
fn parked_produces_fail_when_the_same_leader_is_elected_anew() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.hold_storage(2, true);
    let token = cluster.produce(1, &tp, -1, batch_of(&["a"]));
    cluster.elect(&tp, Some(1), &[1, 2]);
    let code = cluster.produced(token).unwrap().error_code;
    assert_eq!(code, ErrorCode::NotLeaderOrFollower.code());
}

#[test]
fn a_partition_without_leader_takes_nothing() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.elect(&tp, None, &[1]);
    assert_eq!(cluster.status(1, &tp).role, "offline");
    let token = cluster.produce(1, &tp, 1, batch_of(&["a"]));
    let code = cluster.produced(token).unwrap().error_code;
    assert_eq!(code, ErrorCode::NotLeaderOrFollower.code());
    cluster.elect(&tp, Some(1), &[1]);
    assert_eq!(cluster.produce_and_wait(1, &tp, 1, &["b"]), 0);
}

#[test]
fn news_that_is_older_than_what_is_known_changes_nothing() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    let log: LogId = log_of(&tp);
    let old = cluster.specs[&log].clone();
    cluster.elect(&tp, Some(2), &[1, 2]);
    cluster.with(BrokerId(1), |node, now| {
        node.manager.apply(now, vec![old], Vec::new(), None, &mut node.fx);
    });
    let status = cluster.status(1, &tp);
    assert_eq!((status.role, status.leader_epoch), ("follower", LeaderEpoch(1)));
    assert_eq!(status.partition_epoch, PartitionEpoch(1));
}

#[test]
fn a_follower_behind_its_leaders_log_start_begins_there() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create_with("t", &[1, 2], |config| config.segment_bytes = 1024);
    cluster.run_for(20);
    cluster.crash(BrokerId(2));
    cluster.elect(&tp, Some(1), &[1]);
    for i in 0..30 {
        cluster.produce_and_wait(1, &tp, 1, &[&format!("value {i}")]);
    }
    let log = log_of(&tp);
    cluster.with(BrokerId(1), |node, now| {
        let partition = node.manager.partitions.get_mut(&log).unwrap();
        partition.log.delete_before(Offset(20), now);
        node.manager.submit_log_io(log, &mut node.fx);
    });
    cluster.run_for(10);
    cluster.start(BrokerId(2));
    cluster.run_for(1_500);
    let status = cluster.status(2, &tp);
    assert_eq!((status.log_start, status.log_end), (Offset(20), Offset(30)));
    assert_eq!(cluster.status(1, &tp).isr.len(), 2);
}

#[test]
fn coordinators_hear_of_roles_in_their_topic_only() {
    let mut cluster = Cluster::new(2);
    cluster.create("t", &[1, 2], 1);
    let tp = cluster.create("__consumer_offsets", &[1, 2], 1);
    cluster.elect(&tp, Some(2), &[1, 2]);
    let mut changes = |id: i32| cluster.with(BrokerId(id), |node, _| node.manager.take_role_changes());
    assert_eq!(
        changes(1),
        [
            RoleChange::BecameLeader { tp: tp.clone(), epoch: LeaderEpoch(0) },
            RoleChange::Resigned { tp: tp.clone(), epoch: LeaderEpoch(0) },
        ]
    );
    assert_eq!(changes(2), [RoleChange::BecameLeader { tp, epoch: LeaderEpoch(1) }]);
}

#[test]
fn a_replica_that_is_taken_off_loses_its_log_and_one_that_is_back_fetches_it_anew() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    cluster.reassign(&tp, &[1], &[1]);
    cluster.run_for(20);
    assert_eq!(cluster.stored(2, &tp), Vec::<String>::new());
    cluster.produce_and_wait(1, &tp, -1, &["b"]);
    cluster.reassign(&tp, &[1, 2], &[1]);
    cluster.run_for(50);
    assert_eq!(cluster.stored(2, &tp), ["a", "b"]);
    assert_eq!(cluster.status(1, &tp).isr.len(), 2);
}

#[test]
fn a_replica_that_is_back_before_its_deletion_failed_keeps_what_it_has_fetched_anew() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    cluster.hold_storage(2, true);
    cluster.storages.get_mut(&BrokerId(2)).unwrap().fail_next_write(IoError::QuotaExceeded);
    cluster.reassign(&tp, &[1], &[1]);
    cluster.reassign(&tp, &[1, 2], &[1]);
    cluster.hold_storage(2, false);
    // Longer than it takes until failed deletions are tried again.
    cluster.run_for(2_500);
    assert_eq!(cluster.stored(2, &tp), ["a"]);
    cluster.produce_and_wait(1, &tp, -1, &["b"]);
    cluster.run_for(2_500);
    assert_eq!(cluster.stored(2, &tp), ["a", "b"]);
}
