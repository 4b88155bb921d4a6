//! What a consumer is answered, and when.

use super::harness::*;
use crate::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::protocol::messages::{FetchRequest, OffsetForLeaderEpochRequest};
use crate::protocol::{ErrorCode, Response};
use crate::types::{BrokerId, Offset, TopicPartition};

#[test]
fn consumers_see_only_what_is_committed() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.hold_storage(2, true);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    let fetch = cluster.consume(1, &tp, 0, 0);
    let found = cluster.fetched(fetch).unwrap();
    assert_eq!((found.error_code, found.high_watermark, found.last_stable_offset), (0, 0, 0));
    assert_eq!(found.records.unwrap().len(), 0);
    cluster.hold_storage(2, false);
    cluster.run_for(10);
    let fetch = cluster.consume(1, &tp, 0, 0);
    let found = cluster.fetched(fetch).unwrap();
    assert_eq!((found.high_watermark, found.last_stable_offset, found.log_start_offset), (1, 1, 0));
    assert_eq!(values(&found.records.unwrap()), ["a"]);
}

#[test]
fn a_fetch_at_the_end_waits_for_a_record() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    let fetch = cluster.consume(1, &tp, 0, 500);
    cluster.run_for(100);
    assert_eq!(cluster.fetched(fetch), None);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    assert_eq!(values(&cluster.fetched(fetch).unwrap().records.unwrap()), ["a"]);
}

#[test]
fn a_fetch_that_nothing_comes_for_is_answered_empty_when_its_time_is_up() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    let fetch = cluster.consume(1, &tp, 0, 500);
    cluster.run_for(499);
    assert_eq!(cluster.fetched(fetch), None);
    cluster.run_for(1);
    assert_eq!(cluster.fetched(fetch).unwrap().records.unwrap().len(), 0);
}

#[test]
fn min_bytes_gathers_several_produces() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    let mut request = fetch_request(&tp, 0, 500);
    request.min_bytes = 2 * batch_of(&["a"]).len() as i32;
    let fetch = cluster.send(1, 11, request);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    cluster.run_for(10);
    assert_eq!(cluster.fetched(fetch), None);
    cluster.produce_and_wait(1, &tp, 1, &["b"]);
    assert_eq!(values(&cluster.fetched(fetch).unwrap().records.unwrap()), ["a", "b"]);
}

#[test]
fn limits_below_one_batch_still_give_one_batch() {
    let mut cluster = Cluster::new(1);
    let (a, b) = (cluster.create("a", &[1], 1), cluster.create("b", &[1], 1));
    for tp in [&a, &b] {
        cluster.produce_and_wait(1, tp, 1, &["x"]);
        cluster.produce_and_wait(1, tp, 1, &["y"]);
    }
    let mut request = fetch_request(&a, 0, 0);
    request.topics.extend(fetch_request(&b, 0, 0).topics);
    request.max_bytes = 1;
    let fetch = cluster.send(1, 11, request);
    let Some(Response::Fetch(response)) = cluster.reply(fetch, 11) else { panic!("no answer") };
    let found: Vec<_> = response
        .responses
        .iter()
        .map(|topic| values(topic.partitions[0].records.as_ref().unwrap()))
        .collect();
    assert_eq!(found, [vec!["x".to_owned()], vec![]]);
}

#[test]
fn a_fetch_outside_the_log_is_told_so() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    for offset in [1, 100, -1] {
        let fetch = cluster.consume(1, &tp, offset, 500);
        let found = cluster.fetched(fetch).unwrap();
        assert_eq!(found.error_code, ErrorCode::OffsetOutOfRange.code(), "{offset}");
        assert_eq!(found.high_watermark, -1);
    }
}

#[test]
fn leader_epochs_fence_fetches() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.elect(&tp, Some(1), &[1, 2]);
    for (broker, epoch, code) in [
        (1, 0, ErrorCode::FencedLeaderEpoch),
        (1, 2, ErrorCode::UnknownLeaderEpoch),
        (2, 1, ErrorCode::NotLeaderOrFollower),
    ] {
        let mut request = fetch_request(&tp, 0, 500);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        let fetch = cluster.send(broker, 11, request);
        assert_eq!(cluster.fetched(fetch).unwrap().error_code, code.code());
    }
}

#[test]
fn a_parked_fetch_is_answered_when_leadership_goes() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    let fetch = cluster.consume(1, &tp, 0, 500);
    cluster.elect(&tp, Some(2), &[1, 2]);
    assert_eq!(cluster.fetched(fetch).unwrap().error_code, ErrorCode::NotLeaderOrFollower.code());
}

#[test]
fn topics_are_found_by_id_and_the_leader_is_named() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    let by_id = |id: &TopicPartition| {
        let topic = FetchTopic::default()
            .with_topic_id(log_of(id).topic_id.0)
            .with_partitions(vec![FetchPartition::default().with_partition_max_bytes(100)]);
        FetchRequest::default().with_topics(vec![topic])
    };
    let fetch = cluster.send(2, 17, by_id(&tp));
    let Some(Response::Fetch(response)) = cluster.reply(fetch, 17) else { panic!("no answer") };
    let found = &response.responses[0].partitions[0];
    assert_eq!(found.error_code, ErrorCode::NotLeaderOrFollower.code());
    assert_eq!(found.current_leader.leader_id.0, 1);
    assert_eq!(response.node_endpoints[0].host.as_str(), "broker-1");
    let fetch = cluster.send(1, 17, by_id(&TopicPartition::new("none", 0)));
    let Some(Response::Fetch(response)) = cluster.reply(fetch, 17) else { panic!("no answer") };
    assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::UnknownTopicId.code());
}

#[test]
fn a_session_that_was_never_given_out_is_not_found() {
    let mut cluster = Cluster::new(1);
    let fetch = cluster.send(1, 11, FetchRequest::default().with_session_id(5).with_session_epoch(1));
    let Some(Response::Fetch(response)) = cluster.reply(fetch, 11) else { panic!("no answer") };
    assert_eq!(response.error_code, ErrorCode::FetchSessionIdNotFound.code());
}

#[test]
fn records_that_are_in_storage_only_are_read_from_there() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    let large = "x".repeat(500_000);
    for _ in 0..12 {
        cluster.produce_and_wait(1, &tp, 1, &[&large]);
    }
    let fetch = cluster.consume(1, &tp, 0, 0);
    assert_eq!(cluster.fetched(fetch), None, "storage has not answered");
    cluster.run_for(2);
    let found = cluster.fetched(fetch).unwrap();
    assert_eq!(values(&found.records.unwrap()), [large.clone(), large]);
    assert_eq!(found.high_watermark, 12);
}

#[test]
fn who_reads_storage_in_sequence_waits_for_it_once_and_gets_every_record_once() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    let wanted: Vec<String> = (0..40).map(|n| format!("{n} {}", "x".repeat(400_000))).collect();
    for value in &wanted {
        cluster.produce_and_wait(1, &tp, 1, &[value]);
    }
    let (mut found, mut waited) = (Vec::new(), 0);
    while found.len() < wanted.len() {
        let fetch = cluster.consume(1, &tp, found.len() as i64, 0);
        if cluster.fetched(fetch).is_none() {
            waited += 1;
            cluster.run_for(2);
        }
        found.extend(values(&cluster.fetched(fetch).unwrap().records.unwrap()));
        // As long as storage takes to read on.
        cluster.run_for(2);
    }
    assert!(found == wanted, "each record once, in order");
    assert_eq!(waited, 1);
}

#[test]
fn who_reads_faster_than_storage_gets_every_record_once() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    // Alone in a response, so that there is more in memory while more is being read.
    let wanted: Vec<String> = (0..20).map(|n| format!("{n} {}", "x".repeat(700_000))).collect();
    for value in &wanted {
        cluster.produce_and_wait(1, &tp, 1, &[value]);
    }
    let (mut found, mut at_once) = (Vec::new(), 0);
    while found.len() < wanted.len() {
        let fetch = cluster.consume(1, &tp, found.len() as i64, 0);
        at_once += usize::from(cluster.fetched(fetch).is_some());
        cluster.run_until(10, "an answer", |cluster| cluster.fetched(fetch).is_some());
        found.extend(values(&cluster.fetched(fetch).unwrap().records.unwrap()));
    }
    assert!(found == wanted, "each record once, in order");
    assert!(at_once > wanted.len() / 2, "{at_once}");
}

#[test]
fn a_fetch_of_what_is_being_read_ahead_waits_for_that_read() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    let wanted: Vec<String> = (0..40).map(|n| format!("{n} {}", "x".repeat(400_000))).collect();
    for value in &wanted {
        cluster.produce_and_wait(1, &tp, 1, &[value]);
    }
    let first = cluster.consume(1, &tp, 0, 0);
    cluster.run_for(2);
    assert!(values(&cluster.fetched(first).unwrap().records.unwrap()) == wanted[..2]);
    cluster.run_for(1);
    let second = cluster.consume(1, &tp, 2, 0);
    assert_eq!(cluster.fetched(second), None, "storage takes 2 ms");
    cluster.run_for(1);
    assert!(values(&cluster.fetched(second).unwrap().records.unwrap()) == wanted[2..4]);
}

#[test]
fn offsets_are_listed_by_place_and_by_time() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    for (value, timestamp) in [("a", 100), ("b", 300), ("c", 200)] {
        let token = cluster.produce(1, &tp, -1, batch_at(&[value], timestamp));
        cluster.run_for(10);
        assert_eq!(cluster.produced(token).unwrap().error_code, 0);
    }
    assert_eq!(cluster.list_offsets(1, &tp, -1), (0, 3, -1));
    assert_eq!(cluster.list_offsets(1, &tp, -2), (0, 0, -1));
    assert_eq!(cluster.list_offsets(1, &tp, -3), (0, 1, 300));
    assert_eq!(cluster.list_offsets(1, &tp, -4), (0, 0, -1));
    assert_eq!(cluster.list_offsets(1, &tp, -5), (0, -1, -1));
    assert_eq!(cluster.list_offsets(1, &tp, 150), (0, 1, 300));
    assert_eq!(cluster.list_offsets(1, &tp, 301), (0, -1, -1));
    let not_leader = ErrorCode::NotLeaderOrFollower.code();
    assert_eq!(cluster.list_offsets(2, &tp, -1), (not_leader, -1, -1));
}

#[test]
fn a_new_leader_that_does_not_know_the_high_watermark_says_so() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    // The follower learns of the high watermark with the next response only.
    cluster.crash(BrokerId(1));
    cluster.elect(&tp, Some(2), &[1, 2]);
    let status = cluster.status(2, &tp);
    assert_eq!((status.high_watermark, status.log_end), (Offset(0), Offset(1)));
    assert_eq!(cluster.list_offsets(2, &tp, -1), (ErrorCode::OffsetNotAvailable.code(), -1, -1));
    assert_eq!(cluster.list_offsets(2, &tp, -2).0, 0);
    cluster.elect(&tp, Some(2), &[2]);
    assert_eq!(cluster.list_offsets(2, &tp, -1), (0, 1, -1));
}

#[test]
fn the_end_of_an_epoch_is_where_the_next_begins() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    cluster.produce_and_wait(1, &tp, 1, &["a", "b"]);
    cluster.elect(&tp, Some(1), &[1]);
    cluster.elect(&tp, Some(1), &[1]);
    let mut end_of = |epoch: i32| {
        let partition = OffsetForLeaderPartition::default().with_partition(0).with_leader_epoch(epoch);
        let topic =
            OffsetForLeaderTopic::default().with_topic(wire_name(&tp)).with_partitions(vec![partition]);
        let token = cluster.send(1, 4, OffsetForLeaderEpochRequest::default().with_topics(vec![topic]));
        match cluster.reply(token, 4) {
            Some(Response::OffsetForLeaderEpoch(response)) => {
                let found = &response.topics[0].partitions[0];
                (found.error_code, found.leader_epoch, found.end_offset)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end_of(0), (0, 0, 2));
    assert_eq!(end_of(1), (0, 0, 2));
    assert_eq!(end_of(2), (0, 2, 2));
    assert_eq!(end_of(3), (0, -1, -1));
}

#[test]
fn a_coordinator_reads_its_partition_to_the_end() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("__consumer_offsets", &[1], 1);
    let read = cluster.with(BrokerId(1), |node, now| {
        node.manager.append_as_leader(now, &tp, batch_of(&["a"]), true, &mut node.fx).unwrap();
        node.manager.read_local(&tp, Offset(0), 1 << 20, &mut node.fx)
    });
    let Ok(crate::replica::LocalRead::Batches(bytes)) = read else { panic!("{read:?}") };
    assert_eq!(values(&bytes), ["a"]);
}
