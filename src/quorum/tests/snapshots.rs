//! Snapshots of the log, made, fetched, and interrupted.

use crate::protocol::messages::{FetchSnapshotRequest, fetch_snapshot_request};
use crate::protocol::{ErrorCode, Response};
use crate::rng::Rng;
use crate::time::Duration;
use crate::types::{BrokerId, LogId, Offset};

use super::harness::{Nodes, id};

const SMALL: [(&str, &str); 2] = [
    ("metadata.log.max.record.bytes.between.snapshots", "1000"),
    ("controller.quorum.fetch.snapshot.max.bytes", "200"),
];

fn end(all: &Nodes, node: BrokerId) -> Option<Offset> {
    all.quorum(node).latest_snapshot().map(|snapshot| snapshot.id.end)
}

fn start(all: &Nodes, node: BrokerId) -> Offset {
    all.quorum(node).log().log_start_offset()
}

fn numbers(to: usize) -> Vec<String> {
    (0..to).map(|n| format!("value {n}")).collect()
}

fn commit(all: &mut Nodes, from: usize, to: usize) {
    for n in from..to {
        all.commit(&format!("value {n}"));
    }
}

#[test]
fn the_log_loses_its_beginning_to_snapshots_and_a_node_starts_from_them() {
    let mut all = Nodes::with_configs(3, 4, &SMALL);
    commit(&mut all, 0, 60);
    all.run_for(Duration::from_millis(100));
    for node in [1, 2, 3, 4].map(id) {
        assert!(start(&all, node) > Offset::ZERO && end(&all, node) > Some(start(&all, node)), "{node}");
        // Storage has no more than the log since the snapshot before the last, and the chunk that it begins in.
        let chunks = all.storages[&node].chunks(LogId::METADATA);
        assert!(chunks.len() < 60 && chunks[0].base <= start(&all, node), "{node}");
        assert!(chunks[0].base > Offset::ZERO);
    }
    for node in [1, 2, 3, 4].map(id) {
        let end = end(&all, node);
        all.crash(node);
        all.start(node);
        assert_eq!(all.quorum(node).latest_snapshot().map(|snapshot| snapshot.id.end), end);
    }
    commit(&mut all, 60, 61);
    for node in all.nodes.values() {
        assert_eq!(node.values, numbers(61));
    }
}

#[test]
fn who_is_behind_the_leaders_log_fetches_its_snapshot_in_pieces() {
    let mut all = Nodes::with_configs(3, 3, &SMALL);
    commit(&mut all, 0, 2);
    let leader = all.elected();
    let late = [1, 2, 3].map(id).into_iter().find(|other| *other != leader).unwrap();
    all.crash(late);
    commit(&mut all, 2, 60);
    assert!(start(&all, leader) > Offset(10));
    let before = all.arrived.len();
    all.start(late);
    // A new observer, too.
    all.start(id(4));
    commit(&mut all, 60, 61);
    for node in [late, id(4)] {
        assert_eq!(all.nodes[&node].values, numbers(61));
        assert!(start(&all, node) > Offset(10));
        let asked = |(from, _, request): &&(BrokerId, BrokerId, crate::protocol::Request)| {
            *from == node && matches!(request, crate::protocol::Request::FetchSnapshot(_))
        };
        assert!(all.arrived[before..].iter().filter(asked).count() > 3, "in pieces");
    }
    // They go on from there.
    for node in [late, id(4)] {
        all.crash(node);
        all.start(node);
    }
    commit(&mut all, 61, 62);
    assert_eq!(all.nodes[&late].values, numbers(62));
}

#[test]
fn a_node_that_ends_at_any_operation_finds_the_old_state_or_the_new() {
    // The late node installs a snapshot; it ends after each number of operations, and goes on from what is stored.
    for ios in 0..40 {
        let mut all = Nodes::with_configs(3, 3, &SMALL);
        commit(&mut all, 0, 2);
        let leader = all.elected();
        let late = [1, 2, 3].map(id).into_iter().find(|other| *other != leader).unwrap();
        all.crash(late);
        commit(&mut all, 2, 40);
        all.start(late);
        all.crash_after_ios(late, ios);
        all.append(leader, "value 40");
        all.run_for(Duration::from_millis(300));
        if all.nodes.contains_key(&late) {
            all.crash(late);
        }
        all.start(late);
        commit(&mut all, 41, 43);
        assert_eq!(all.nodes[&late].values, numbers(43), "after {ios} operations");
    }
    // The leader makes one.
    for ios in 0..40 {
        let mut all = Nodes::with_configs(1, 1, &SMALL);
        commit(&mut all, 0, 10);
        all.crash_after_ios(id(1), ios);
        let mut next = 10;
        while all.nodes.contains_key(&id(1)) && next < 60 {
            all.append(id(1), &format!("value {next}"));
            next += 1;
            all.run_for(Duration::from_millis(3));
        }
        if !all.nodes.contains_key(&id(1)) {
            all.start(id(1));
        }
        all.elected();
        all.run_for(Duration::from_millis(50));
        let values = &all.nodes[&id(1)].values;
        assert!(values.len() + 2 >= next, "{} of {next} after {ios} operations", values.len());
        assert_eq!(values, &numbers(values.len()));
    }
}

#[test]
fn a_snapshot_that_storage_refuses_is_made_later_and_the_log_keeps_its_beginning() {
    let mut all = Nodes::with_configs(1, 1, &[SMALL[0]]);
    commit(&mut all, 0, 5);
    all.refuse_snapshots(id(1), true);
    commit(&mut all, 5, 40);
    assert_eq!((end(&all, id(1)), start(&all, id(1))), (None, Offset::ZERO));
    all.refuse_snapshots(id(1), false);
    all.run_for(Duration::from_secs(3));
    commit(&mut all, 40, 80);
    all.run_for(Duration::from_millis(50));
    assert!(end(&all, id(1)).is_some() && start(&all, id(1)) > Offset::ZERO);
    all.crash(id(1));
    all.start(id(1));
    all.elected();
    assert_eq!(all.nodes[&id(1)].values, numbers(80));
}

#[test]
fn an_old_log_gets_a_snapshot_by_time() {
    let interval = [("metadata.log.max.snapshot.interval.ms", "1000")];
    let mut all = Nodes::with_configs(1, 1, &interval);
    commit(&mut all, 0, 1);
    all.run_for(Duration::from_millis(900));
    assert_eq!(end(&all, id(1)), None);
    all.run_for(Duration::from_millis(300));
    let first = end(&all, id(1));
    assert!(first.is_some());
    all.run_for(Duration::from_secs(5));
    assert_eq!(end(&all, id(1)), first, "nothing was written since");
}

#[test]
fn a_piece_that_is_not_there_is_refused() {
    let mut all = Nodes::with_configs(1, 1, &SMALL);
    commit(&mut all, 0, 60);
    let snapshot = all.quorum(id(1)).latest_snapshot().unwrap().clone();
    let epoch = all.quorum(id(1)).epoch();
    let mut ask = |end: Offset, position: i64, epoch: i32| {
        let named = fetch_snapshot_request::SnapshotId::default()
            .with_end_offset(end.0)
            .with_epoch(snapshot.id.epoch.0);
        let partition = fetch_snapshot_request::PartitionSnapshot::default()
            .with_current_leader_epoch(epoch)
            .with_position(position)
            .with_snapshot_id(named);
        let topic = fetch_snapshot_request::TopicSnapshot::default().with_partitions(vec![partition]);
        let token =
            all.ask(id(1), FetchSnapshotRequest::default().with_max_bytes(100).with_topics(vec![topic]));
        match all.answers.remove(&token) {
            Some(Response::FetchSnapshot(body)) => body.topics[0].partitions[0].clone(),
            other => panic!("{other:?}"),
        }
    };
    let (end, size) = (snapshot.id.end, snapshot.bytes.len() as i64);
    let piece = ask(end, 50, epoch.0);
    assert_eq!((piece.error_code, piece.size, piece.position), (0, size, 50));
    assert_eq!(piece.unaligned_records, snapshot.bytes.slice(50..150));
    assert_eq!(ask(end.plus(1), 0, epoch.0).error_code, ErrorCode::SnapshotNotFound.code());
    assert_eq!(ask(end, size, epoch.0).error_code, ErrorCode::PositionOutOfRange.code());
    assert_eq!(ask(end, -1, epoch.0).error_code, ErrorCode::PositionOutOfRange.code());
    assert_eq!(ask(end, 0, epoch.0 - 1).error_code, ErrorCode::FencedLeaderEpoch.code());
    assert_eq!(ask(end, 0, epoch.0 + 1).error_code, ErrorCode::UnknownLeaderEpoch.code());
}

#[test]
fn a_failed_write_of_a_fetched_snapshot_begins_it_again() {
    let mut all = Nodes::with_configs(3, 3, &SMALL);
    commit(&mut all, 0, 2);
    let leader = all.elected();
    let late = [1, 2, 3].map(id).into_iter().find(|other| *other != leader).unwrap();
    all.crash(late);
    commit(&mut all, 2, 40);
    all.start(late);
    all.refuse_snapshots(late, true);
    all.run_for(Duration::from_secs(1));
    assert_eq!(end(&all, late), None);
    all.refuse_snapshots(late, false);
    commit(&mut all, 40, 41);
    assert_eq!(all.nodes[&late].values, numbers(41));
}

/// Seed 49 of the simulator, once: the row was there, and not all bytes.
#[test]
fn a_snapshot_whose_write_is_torn_does_not_count() {
    for seed in 0..8 {
        for ios in 0..30 {
            let mut all = Nodes::with_configs(1, 1, &SMALL);
            all.tearing = Some(Rng::new(seed));
            commit(&mut all, 0, 10);
            all.crash_after_ios(id(1), ios);
            let mut next = 10;
            while all.nodes.contains_key(&id(1)) && next < 60 {
                all.append(id(1), &format!("value {next}"));
                next += 1;
                all.run_for(Duration::from_millis(3));
            }
            all.start(id(1));
            all.elected();
            all.run_for(Duration::from_millis(50));
            let values = &all.nodes[&id(1)].values;
            assert_eq!(values, &numbers(values.len()), "seed {seed}, after {ios} operations");
        }
    }
}

/// Seed 26 of the simulator, once: the time to try again was past, and nobody was there to try with.
#[test]
fn a_node_that_could_not_store_a_snapshot_rests_while_no_leader_is_there() {
    let mut all = Nodes::with_configs(3, 3, &SMALL);
    commit(&mut all, 0, 2);
    let leader = all.elected();
    let late = [1, 2, 3].map(id).into_iter().find(|other| *other != leader).unwrap();
    all.crash(late);
    commit(&mut all, 2, 40);
    all.start(late);
    all.refuse_snapshots(late, true);
    all.run_for(Duration::from_millis(500));
    for other in [1, 2, 3].map(id).into_iter().filter(|other| *other != late) {
        all.crash(other);
    }
    all.run_for(Duration::from_secs(5));
    assert!(all.nodes.contains_key(&late));
}
