//! Followers get what leaders have.

use super::harness::*;
use crate::event::ClusterEvent;
use crate::log::io::IoError;
use crate::protocol::ErrorCode;
use crate::types::{BrokerId, Offset, PartitionEpoch};

#[test]
fn followers_have_what_the_leader_has_and_learn_the_high_watermark() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 2);
    cluster.run_for(20);
    for i in 0..5 {
        assert_eq!(cluster.produce_and_wait(1, &tp, -1, &[&format!("v{i}")]), i);
    }
    cluster.run_for(600);
    for id in 1..=3 {
        assert_eq!(cluster.stored(id, &tp), ["v0", "v1", "v2", "v3", "v4"]);
        assert_eq!(offsets(&cluster.status(id, &tp)), (5, 5, 5));
    }
}

#[test]
fn a_new_partition_is_in_sync_at_once_although_a_long_poll_is_parked() {
    let mut cluster = Cluster::new(2);
    cluster.create("old", &[1, 2], 1);
    cluster.run_for(100);
    let new = cluster.create("new", &[1, 2], 1);
    let before = cluster.now;
    cluster.produce_and_wait(1, &new, -1, &["a"]);
    assert!(cluster.now.since(before).as_millis() <= 10, "{:?}", cluster.now.since(before));
}

#[test]
fn idle_followers_ask_about_twice_a_second() {
    let mut cluster = Cluster::new(2);
    cluster.create("a", &[1, 2], 1);
    cluster.create("b", &[1, 2], 1);
    cluster.run_for(100);
    cluster.fetch_requests = 0;
    cluster.run_for(10_000);
    assert!((18..=21).contains(&cluster.fetch_requests), "{}", cluster.fetch_requests);
}

#[test]
fn a_follower_whose_metadata_is_ahead_of_its_leaders_does_not_wait_long() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    let log = log_of(&tp);
    let spec = cluster.specs.get_mut(&log).unwrap();
    spec.leader_epoch = spec.leader_epoch.next();
    spec.partition_epoch = crate::types::PartitionEpoch(1);
    let spec = spec.clone();
    cluster.with(BrokerId(2), |node, now| {
        node.manager.apply(now, vec![spec.clone()], Vec::new(), None, &mut node.fx);
    });
    cluster.run_for(5);
    cluster.publish(log);
    let before = cluster.now;
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    assert!(cluster.now.since(before).as_millis() <= 20, "{:?}", cluster.now.since(before));
}

#[test]
fn a_leader_that_leads_again_after_an_epoch_it_missed_does_not_count_what_its_followers_had_before() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 2);
    let log = log_of(&tp);
    cluster.run_for(20);
    cluster.set_cut(1, 3, true);
    cluster.produce(1, &tp, 1, batch_of(&["a", "b"]));
    cluster.run_for(50);
    assert_eq!(cluster.stored(2, &tp), ["a", "b"]);
    // Broker 3 leads, without them; broker 1 does not hear of it.
    cluster.set_cut(1, 2, true);
    let change = |cluster: &mut Cluster, leader: i32, isr: &[i32]| {
        let spec = cluster.specs.get_mut(&log).unwrap();
        spec.leader = Some(BrokerId(leader));
        spec.isr = isr.iter().copied().map(BrokerId).collect();
        spec.leader_epoch = spec.leader_epoch.next();
        spec.partition_epoch = PartitionEpoch(spec.partition_epoch.0 + 1);
        spec.clone()
    };
    let spec = change(&mut cluster, 3, &[1, 2, 3]);
    for id in [2, 3].map(BrokerId) {
        cluster.with(id, |node, now| {
            node.manager.apply(now, vec![spec.clone()], Vec::new(), None, &mut node.fx)
        });
    }
    cluster.run_for(100);
    assert!(cluster.stored(2, &tp).is_empty());
    // Broker 1 leads again, and has all that is committed: nothing.
    change(&mut cluster, 1, &[1, 2]);
    cluster.publish(log);
    cluster.run_for(20);
    assert_eq!(cluster.status(1, &tp).high_watermark, Offset(0));
    cluster.set_cut(1, 2, false);
    let committed = |cluster: &Cluster| cluster.status(1, &tp).high_watermark == Offset(2);
    cluster.run_until(60_000, "what the leader has is committed", committed);
    assert_eq!(cluster.stored(2, &tp), ["a", "b"]);
}

#[test]
fn a_follower_that_restarts_goes_on_where_its_storage_ends() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    cluster.run_for(600);
    cluster.with(BrokerId(2), |node, _| node.manager.shut_down(&mut node.fx));
    cluster.run_for(5);
    cluster.crash(BrokerId(2));
    cluster.produce_and_wait(1, &tp, 1, &["b"]);
    cluster.start(BrokerId(2));
    assert_eq!(cluster.status(2, &tp).high_watermark, Offset(1), "from the checkpoint");
    cluster.run_for(1_100);
    assert_eq!(cluster.stored(2, &tp), ["a", "b"]);
    assert_eq!(cluster.status(1, &tp).high_watermark, Offset(2));
}

#[test]
fn a_followers_failed_write_is_fetched_again() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.storages.get_mut(&BrokerId(2)).unwrap().fail_next_write(IoError::QuotaExceeded);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    assert_eq!(cluster.stored(2, &tp), ["a"]);
}

#[test]
fn a_leader_whose_write_failed_appends_nothing_until_its_followers_are_cut_back() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.storages.get_mut(&BrokerId(1)).unwrap().fail_next_write(IoError::QuotaExceeded);
    let lost = cluster.produce(1, &tp, -1, batch_of(&["lost"]));
    cluster.run_for(3);
    let storage_error = ErrorCode::KafkaStorageError.code();
    assert_eq!(cluster.produced(lost).unwrap().error_code, storage_error);
    // The follower has, or is about to have, what the leader has lost.
    cluster.run_for(3);
    let early = cluster.produce(1, &tp, -1, batch_of(&["early"]));
    cluster.run_for(1);
    assert_eq!(cluster.produced(early).unwrap().error_code, storage_error);
    cluster.run_for(1_100);
    assert_eq!(cluster.produce_and_wait(1, &tp, -1, &["good"]), 0);
    cluster.run_for(10);
    assert_eq!(cluster.stored(1, &tp), ["good"]);
    assert_eq!(cluster.stored(2, &tp), ["good"]);
}

#[test]
fn a_leader_whose_write_failed_steps_aside_when_a_follower_that_may_have_it_is_gone() {
    for (min_isr, expected) in [(1, true), (2, false)] {
        let mut cluster = Cluster::new(2);
        let tp = cluster.create("t", &[1, 2], min_isr);
        cluster.run_for(20);
        cluster.storages.get_mut(&BrokerId(1)).unwrap().fail_next_write(IoError::QuotaExceeded);
        cluster.produce(1, &tp, -1, batch_of(&["lost"]));
        cluster.run_for(3);
        cluster.crash(BrokerId(2));
        // The controller fences it, and so takes it out of the ISR.
        let spec = cluster.specs.get_mut(&log_of(&tp)).unwrap();
        spec.isr = vec![BrokerId(1)];
        spec.partition_epoch = PartitionEpoch(spec.partition_epoch.0 + 1);
        cluster.publish(log_of(&tp));
        let lag_max = cluster.config(BrokerId(1)).replica_lag_time_max();
        let mut aside = false;
        let steps = 4 * lag_max.as_millis() as u64 / 10;
        for _ in 0..steps {
            cluster.run_for(10);
            aside |= cluster.with(BrokerId(1), |node, _| node.manager.take_steps_aside());
        }
        // Alone and below the minimum it stays: nobody else could lead.
        assert_eq!(aside, expected, "min.insync.replicas {min_isr}");
    }
}

#[test]
fn a_deleted_topics_log_is_gone_and_the_next_of_its_name_is_another() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    let log = log_of(&tp);
    cluster.specs.remove(&log);
    for id in cluster.ids() {
        cluster.with(id, |node, now| {
            node.manager.apply(now, Vec::new(), vec![log], None, &mut node.fx);
        });
    }
    let token = cluster.produce(1, &tp, 1, batch_of(&["b"]));
    let code = cluster.produced(token).unwrap().error_code;
    assert_eq!(code, ErrorCode::UnknownTopicOrPartition.code());
    cluster.run_for(10);
    for id in [1, 2] {
        assert_eq!(cluster.stored(id, &tp), Vec::<String>::new());
    }
}

#[test]
fn a_log_that_no_partition_claims_is_deleted() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    cluster.crash(BrokerId(1));
    cluster.specs.clear();
    cluster.start(BrokerId(1));
    cluster.with(BrokerId(1), |node, _| node.manager.remove_strays(&mut node.fx));
    cluster.run_for(5);
    assert_eq!(cluster.stored(1, &tp), Vec::<String>::new());
}

#[test]
fn roles_and_progress_are_told() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    let roles: Vec<_> = cluster
        .events
        .iter()
        .filter_map(|(id, event)| match event {
            ClusterEvent::PartitionRole { role, .. } => Some((id.0, *role)),
            _ => None,
        })
        .collect();
    assert_eq!(roles, [(1, "leader"), (2, "follower")]);
    let last = cluster.events.iter().rev().find_map(|(id, event)| match event {
        ClusterEvent::PartitionProgress { high_watermark, log_end, .. } if id.0 == 1 => {
            Some((high_watermark.0, log_end.0))
        }
        _ => None,
    });
    assert_eq!(last, Some((1, 1)));
}

#[test]
fn the_segments_of_each_replica_are_told_as_they_change_and_again_after_a_restart() {
    fn told(cluster: &Cluster, id: i32) -> Vec<(i64, u64)> {
        let last = cluster.events.iter().rev().find_map(|(teller, event)| match event {
            ClusterEvent::LogSegments { segments, .. } if teller.0 == id => Some(segments),
            _ => None,
        });
        last.expect("told at least once").iter().map(|(base, bytes)| (base.0, *bytes)).collect()
    }
    let mut cluster = Cluster::new(2);
    let tp = cluster.create_with("t", &[1, 2], |config| config.segment_bytes = 1024);
    cluster.run_for(20);
    assert_eq!(told(&cluster, 1), [(0, 0)]);
    let value = "x".repeat(400);
    for _ in 0..5 {
        cluster.produce_and_wait(1, &tp, -1, &[&value]);
    }
    // Two batches fill a segment.
    for id in [1, 2] {
        let segments = told(&cluster, id);
        assert_eq!(segments.iter().map(|(base, _)| *base).collect::<Vec<_>>(), [0, 2, 4], "broker {id}");
        assert!(segments[0].1 > 800 && segments[0].1 == segments[1].1, "{segments:?}");
    }
    let tellings =
        cluster.events.iter().filter(|(_, event)| matches!(event, ClusterEvent::LogSegments { .. })).count();
    assert!(tellings < 12, "told when they change, not with each batch: {tellings}");
    cluster.crash(BrokerId(2));
    cluster.events.clear();
    cluster.start(BrokerId(2));
    cluster.run_for(20);
    assert_eq!(told(&cluster, 2).len(), 3);
}
