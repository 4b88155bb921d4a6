//! The ISR shrinks and grows, through the controller.

use super::harness::*;
use crate::protocol::ErrorCode;
use crate::types::{BrokerId, Offset, PartitionEpoch};

fn isr(cluster: &Cluster, tp: &crate::types::TopicPartition) -> Vec<i32> {
    cluster.status(1, tp).isr.iter().map(|id| id.0).collect()
}

#[test]
fn a_follower_that_lags_leaves_the_isr_and_what_waited_goes_on() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 2);
    cluster.run_for(20);
    cluster.set_cut(1, 3, true);
    let mut request = produce_request(&tp, -1, 10_000, batch_of(&["a"]));
    request.timeout_ms = 10_000;
    let token = cluster.send(1, 9, request);
    cluster.run_for(2_000);
    assert_eq!((isr(&cluster, &tp), cluster.produced(token)), (vec![1, 2, 3], None));
    cluster.run_for(3_000);
    assert_eq!(isr(&cluster, &tp), [1, 2]);
    assert_eq!(cluster.produced(token).unwrap().error_code, 0);
    let asked = &cluster.alter_partitions[0];
    assert_eq!((asked.broker_id.0, asked.broker_epoch), (1, 100));
    let members: Vec<_> = asked.topics[0].partitions[0]
        .new_isr_with_epochs
        .iter()
        .map(|state| (state.broker_id.0, state.broker_epoch))
        .collect();
    assert_eq!(members, [(1, 100), (2, 200)]);
}

#[test]
fn an_idle_follower_that_is_silent_stays_while_it_has_everything() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.set_cut(1, 2, true);
    cluster.run_for(20_000);
    assert_eq!(isr(&cluster, &tp), [1, 2]);
}

#[test]
fn a_follower_that_is_back_joins_the_isr_again() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.set_cut(1, 2, true);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    cluster.run_for(6_000);
    assert_eq!(isr(&cluster, &tp), [1]);
    assert_eq!(cluster.status(1, &tp).high_watermark, Offset(1));
    cluster.set_cut(1, 2, false);
    cluster.run_for(3_000);
    assert_eq!(isr(&cluster, &tp), [1, 2]);
    assert_eq!(cluster.stored(2, &tp), ["a"]);
}

#[test]
fn a_follower_joins_while_the_load_goes_on() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.elect(&tp, Some(1), &[1]);
    for i in 0..200 {
        cluster.produce(1, &tp, 1, batch_of(&[&format!("{i}")]));
        cluster.run_for(1);
        if isr(&cluster, &tp).len() == 2 {
            return;
        }
    }
    panic!("not in 200 ms");
}

#[test]
fn two_followers_that_join_at_once_both_get_in_soon() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 1);
    cluster.elect(&tp, Some(1), &[1]);
    cluster.run_for(15);
    assert_eq!(isr(&cluster, &tp), [1, 2, 3]);
}

#[test]
fn while_a_shrink_is_undecided_the_high_watermark_waits_for_the_larger_isr() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.set_cut(1, 2, true);
    cluster.controller_error = Some(ErrorCode::NotController);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    cluster.run_for(10_000);
    assert!(cluster.alter_partitions.len() > 50, "asked again and again");
    assert_eq!((isr(&cluster, &tp), cluster.status(1, &tp).high_watermark), (vec![1, 2], Offset(0)));
    cluster.controller_error = None;
    cluster.run_for(100);
    assert_eq!((isr(&cluster, &tp), cluster.status(1, &tp).high_watermark), (vec![1], Offset(1)));
}

#[test]
fn while_an_expansion_is_undecided_the_high_watermark_waits_for_the_newcomer_and_min_isr_does_not_count_it() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 2);
    cluster.controller_error = Some(ErrorCode::NotController);
    cluster.elect(&tp, Some(1), &[1]);
    cluster.run_for(50);
    assert!(!cluster.alter_partitions.is_empty());
    let token = cluster.produce(1, &tp, -1, batch_of(&["a"]));
    let code = cluster.produced(token).unwrap().error_code;
    assert_eq!(code, ErrorCode::NotEnoughReplicas.code());
    cluster.controller_error = None;
    cluster.run_for(100);
    assert_eq!(cluster.produce_and_wait(1, &tp, -1, &["b"]), 0);
}

#[test]
fn a_newcomer_whose_place_in_the_isr_is_uncertain_is_waited_for_as_if_it_had_it() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.answers_lost = true;
    cluster.metadata_held = true;
    cluster.elect(&tp, Some(1), &[1]);
    cluster.run_for(50);
    assert_eq!(isr(&cluster, &tp), [1]);
    assert_eq!(cluster.specs[&log_of(&tp)].isr.len(), 2, "the controller has decided");
    cluster.set_cut(1, 2, true);
    let token = cluster.send(1, 9, produce_request(&tp, -1, 60_000, batch_of(&["a"])));
    cluster.run_for(20_000);
    assert_eq!((cluster.produced(token), cluster.status(1, &tp).high_watermark), (None, Offset(0)));
}

#[test]
fn an_isr_change_holds_from_the_controllers_answer_on() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.elect(&tp, Some(1), &[1]);
    cluster.metadata_held = true;
    cluster.run_for(15);
    let status = cluster.status(1, &tp);
    assert_eq!((status.isr.len(), status.partition_epoch), (2, PartitionEpoch(2)));
    // The metadata log catches up, and says the same.
    cluster.publish(log_of(&tp));
    assert_eq!(cluster.status(1, &tp), status);
}

#[test]
fn a_proposal_that_the_metadata_log_has_overtaken_is_dropped() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 1);
    cluster.run_for(20);
    cluster.set_cut(1, 3, true);
    cluster.controller_error = Some(ErrorCode::NotController);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    cluster.run_for(6_000);
    cluster.controller_error = None;
    cluster.alter_partitions.clear();
    cluster.set_cut(1, 3, false);
    cluster.elect(&tp, Some(1), &[1, 2, 3]);
    cluster.run_for(2_000);
    assert_eq!(isr(&cluster, &tp), [1, 2, 3]);
    assert_eq!(cluster.alter_partitions.len(), 0);
}

#[test]
fn a_broker_that_is_not_alive_for_the_controller_is_not_proposed() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    let all = cluster.ids();
    cluster.with(BrokerId(1), |node, now| node.manager.set_live_brokers(now, Vec::new(), &mut node.fx));
    cluster.elect(&tp, Some(1), &[1]);
    cluster.run_for(1_000);
    assert_eq!((isr(&cluster, &tp), cluster.alter_partitions.len()), (vec![1], 0));
    assert_eq!(all.len(), 2);
}
