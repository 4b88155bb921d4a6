//! Storage that does not hold what was stored: nothing else is given for it, somebody is told, and other replicas help.

use bytes::Bytes;

use super::harness::*;
use crate::event::ClusterEvent;
use crate::log::io::{Chunk, IoOp};
use crate::log::unsealed;
use crate::protocol::ErrorCode;
use crate::types::{BrokerId, LeaderEpoch, Offset, TopicPartition};

const RECORDS: usize = 40;

fn value(at: usize) -> String {
    format!("{at:03} {}", "x".repeat(200))
}

/// A partition with many closed segments, led by broker 1, which has none of them in memory.
fn stored(brokers: i32, replicas: &[i32]) -> (Cluster, TopicPartition) {
    let mut cluster = Cluster::new(brokers);
    let tp = cluster.create_with("t", replicas, |config| {
        config.segment_bytes = 1000;
        config.min_insync_replicas = 1;
    });
    for at in 0..RECORDS {
        cluster.produce_and_wait(1, &tp, -1, &[&value(at)]);
    }
    cluster.crash(BrokerId(1));
    cluster.start(BrokerId(1));
    let mut isr = replicas.to_vec();
    isr.sort();
    cluster.elect(&tp, Some(1), &isr);
    cluster.run_for(100);
    (cluster, tp)
}

/// The chunk of broker 1 that holds the record at `offset`.
fn chunk_at(cluster: &Cluster, tp: &TopicPartition, offset: i64) -> Chunk {
    let chunks = cluster.storages[&BrokerId(1)].chunks(log_of(tp));
    chunks.into_iter().rev().find(|chunk| chunk.base.0 <= offset).unwrap()
}

/// Puts other chunks in the place of one of broker 1.
fn replace(cluster: &mut Cluster, tp: &TopicPartition, chunk: &Chunk, with: Vec<Chunk>) {
    let (log, from, to) = (log_of(tp), chunk.base, chunk.base.plus(1));
    let op = IoOp::Rewrite { log, from, to, chunks: with, rows: Vec::new(), gone: Vec::new() };
    cluster.storages.get_mut(&BrokerId(1)).unwrap().execute(op);
}

fn flip(cluster: &mut Cluster, tp: &TopicPartition, offset: i64) {
    let chunk = chunk_at(cluster, tp, offset);
    let mut bytes = chunk.bytes.to_vec();
    let last = unsealed(&chunk).len() - 20;
    bytes[last] ^= 1;
    replace(cluster, tp, &chunk, vec![Chunk { base: chunk.base, bytes: Bytes::from(bytes) }]);
}

fn damage_told(cluster: &Cluster) -> Vec<(i32, i64, Option<i64>)> {
    let told = cluster.events.iter().filter_map(|(broker, event)| match event {
        ClusterEvent::LogDamaged { from, to, .. } => Some((broker.0, from.0, to.map(|to| to.0))),
        _ => None,
    });
    told.collect()
}

/// What a consumer of broker `from` reads until an error or the end.
fn read_from(cluster: &mut Cluster, broker: i32, tp: &TopicPartition, mut at: i64) -> (Vec<String>, i16) {
    let mut found = Vec::new();
    loop {
        let fetch = cluster.consume(broker, tp, at, 0);
        cluster.run_for(20);
        let data = cluster.fetched(fetch).unwrap();
        let more = values(&data.records.unwrap_or_default());
        if data.error_code != 0 || more.is_empty() {
            return (found, data.error_code);
        }
        // Whole batches come: the first may begin below.
        at += more.len() as i64;
        found.extend(more);
    }
}

#[test]
fn alone_a_leader_refuses_what_is_damaged_serves_the_rest_and_goes_on() {
    for missing in [true, false] {
        let (mut cluster, tp) = stored(1, &[1]);
        let chunk = chunk_at(&cluster, &tp, 10);
        match missing {
            true => replace(&mut cluster, &tp, &chunk, Vec::new()),
            false => flip(&mut cluster, &tp, 10),
        }
        let at = chunk.base.0;
        let (found, error) = read_from(&mut cluster, 1, &tp, 0);
        assert_eq!(error, ErrorCode::CorruptMessage.code());
        assert_eq!(found, (0..at as usize).map(value).collect::<Vec<_>>());
        let [(1, from, Some(to))] = damage_told(&cluster)[..] else { panic!("{:?}", damage_told(&cluster)) };
        assert!(from == at && to > at, "{from} to {to}");
        let (rest, error) = read_from(&mut cluster, 1, &tp, to);
        assert_eq!((rest, error), ((to as usize..RECORDS).map(value).collect(), 0));
        // Told once, however often somebody comes by.
        read_from(&mut cluster, 1, &tp, at);
        assert_eq!(damage_told(&cluster).len(), 1);
        assert_eq!(cluster.produce_and_wait(1, &tp, -1, &["more"]), RECORDS as i64);
    }
}

#[test]
fn with_others_in_sync_a_damaged_leader_steps_aside_and_fetches_again_what_it_lost() {
    let (mut cluster, tp) = stored(3, &[1, 2, 3]);
    flip(&mut cluster, &tp, 10);
    let at = chunk_at(&cluster, &tp, 10).base.0;
    let (found, error) = read_from(&mut cluster, 1, &tp, 0);
    assert_eq!(error, ErrorCode::NotLeaderOrFollower.code());
    assert_eq!(found, (0..at as usize).map(value).collect::<Vec<_>>());
    assert_eq!(damage_told(&cluster).len(), 1);
    assert!(cluster.nodes.get_mut(&BrokerId(1)).unwrap().manager.take_steps_aside());
    // It does not lead again because the metadata says what it said before.
    cluster.publish(log_of(&tp));
    assert_eq!(cluster.status(1, &tp).role, "offline");

    cluster.elect(&tp, Some(2), &[2, 3]);
    let (found, error) = read_from(&mut cluster, 2, &tp, 0);
    assert_eq!((found, error), ((0..RECORDS).map(value).collect(), 0));
    cluster.run_until(5_000, "broker 1 is in sync again", |cluster| {
        cluster.specs[&log_of(&tp)].isr.contains(&BrokerId(1))
    });
    assert_eq!(cluster.stored(1, &tp), (0..RECORDS).map(value).collect::<Vec<_>>());
    cluster.elect(&tp, Some(1), &[1, 2, 3]);
    let (found, error) = read_from(&mut cluster, 1, &tp, 0);
    assert_eq!((found, error), ((0..RECORDS).map(value).collect(), 0));
    assert_eq!(cluster.status(1, &tp).leader_epoch, LeaderEpoch(3));
    assert_eq!(cluster.status(1, &tp).log_end, Offset(RECORDS as i64));
}

#[test]
fn a_damaged_leader_that_is_elected_again_leads_for_nobody_else_is_in_sync() {
    let (mut cluster, tp) = stored(3, &[1, 2, 3]);
    flip(&mut cluster, &tp, 10);
    read_from(&mut cluster, 1, &tp, 0);
    cluster.crash(BrokerId(2));
    cluster.crash(BrokerId(3));
    cluster.elect(&tp, Some(1), &[1]);
    assert_eq!(read_from(&mut cluster, 1, &tp, 0).1, ErrorCode::CorruptMessage.code());
    assert_eq!(cluster.produce_and_wait(1, &tp, -1, &["more"]), RECORDS as i64);
}
