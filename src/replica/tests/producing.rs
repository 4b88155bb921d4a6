//! What a producer is answered, and when.

use bytes::{Bytes, BytesMut};

use super::harness::*;
use crate::effects::Reply;
use crate::log::io::IoError;
use crate::log::stored_batches;
use crate::protocol::messages;
use crate::protocol::records::{BatchBuilder, BatchOptions};
use crate::protocol::{ErrorCode, Response};
use crate::types::{BrokerId, Offset, TopicPartition};

#[test]
fn acks_0_gets_no_answer_and_the_record_is_there() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    let token = cluster.produce(1, &tp, 0, batch_of(&["a"]));
    assert_eq!(cluster.replies[&token], Reply::None);
    cluster.run_for(5);
    assert_eq!(cluster.stored(1, &tp), ["a"]);
}

#[test]
fn acks_0_to_a_broker_that_does_not_lead_closes_the_connection() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    let token = cluster.produce(2, &tp, 0, batch_of(&["a"]));
    assert_eq!(cluster.replies[&token], Reply::Close(ErrorCode::NotLeaderOrFollower));
}

#[test]
fn acks_1_is_answered_when_the_leaders_storage_has_committed() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.set_cut(1, 2, true);
    let token = cluster.produce(1, &tp, 1, batch_of(&["a", "b"]));
    cluster.run_for(1);
    assert_eq!(cluster.produced(token), None);
    cluster.run_for(1);
    let answer = cluster.produced(token).unwrap();
    assert_eq!((answer.error_code, answer.base_offset, answer.log_start_offset), (0, 0, 0));
    assert_eq!(answer.log_append_time_ms, -1);
    assert_eq!(offsets(&cluster.status(1, &tp)), (0, 2, 2));
}

#[test]
fn acks_all_is_answered_when_every_replica_of_the_isr_is_durable() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 2);
    cluster.run_for(20);
    cluster.hold_storage(3, true);
    let token = cluster.produce(1, &tp, -1, batch_of(&["a"]));
    cluster.run_for(50);
    assert_eq!(cluster.produced(token), None);
    assert_eq!(cluster.status(1, &tp).high_watermark, Offset(0));
    cluster.hold_storage(3, false);
    cluster.run_for(10);
    assert_eq!(cluster.produced(token).unwrap().error_code, 0);
    assert_eq!(cluster.status(1, &tp).high_watermark, Offset(1));
    assert_eq!(cluster.stored(3, &tp), ["a"]);
}

#[test]
fn acks_all_takes_one_leader_to_follower_round_and_one_follower_write() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2, 3], 2);
    cluster.run_for(20);
    let before = cluster.now;
    cluster.produce_and_wait(1, &tp, -1, &["a"]);
    // Response of the parked fetch, write, next fetch.
    assert_eq!(cluster.now.since(before), HOP + STORAGE + HOP);
}

#[test]
fn what_no_follower_confirms_times_out() {
    let mut cluster =
        Cluster::with_config(2, |config| config.set("replica.lag.time.max.ms", "60000").unwrap());
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.set_cut(1, 2, true);
    let token = cluster.produce(1, &tp, -1, batch_of(&["a"]));
    cluster.run_for(999);
    assert_eq!(cluster.produced(token), None);
    cluster.run_for(1);
    assert_eq!(cluster.produced(token).unwrap().error_code, ErrorCode::RequestTimedOut.code());
}

#[test]
fn one_answer_waits_for_all_partitions_of_the_request() {
    let mut cluster = Cluster::new(2);
    let slow = cluster.create("slow", &[1, 2], 1);
    let fast = cluster.create("fast", &[1], 1);
    cluster.run_for(20);
    cluster.hold_storage(2, true);
    let mut request = produce_request(&slow, -1, 1_000, batch_of(&["a"]));
    request.topic_data.extend(produce_request(&fast, -1, 1_000, batch_of(&["b"])).topic_data);
    request
        .topic_data
        .extend(produce_request(&TopicPartition::new("none", 0), -1, 1, batch_of(&["c"])).topic_data);
    let token = cluster.send(1, 9, request);
    cluster.run_for(20);
    assert_eq!(cluster.reply(token, 9), None);
    cluster.hold_storage(2, false);
    cluster.run_for(10);
    let Some(Response::Produce(response)) = cluster.reply(token, 9) else { panic!("no answer") };
    let codes: Vec<i16> = response.responses.iter().map(|t| t.partition_responses[0].error_code).collect();
    assert_eq!(codes, [0, 0, ErrorCode::UnknownTopicOrPartition.code()]);
    assert_eq!(response.responses[2].partition_responses[0].base_offset, -1);
}

fn code_for(cluster: &mut Cluster, tp: &TopicPartition, acks: i16, records: Bytes) -> (i16, Option<String>) {
    let token = cluster.produce(1, tp, acks, records);
    cluster.run_for(5);
    let answer = cluster.produced(token).unwrap();
    assert_eq!(answer.base_offset, -1);
    (answer.error_code, answer.error_message.map(|text| text.to_string()))
}

#[test]
fn what_is_not_one_good_batch_is_refused_and_not_stored() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create_with("t", &[1], |config| config.max_message_bytes = 200);
    let good = batch_of(&["a"]);
    let two = Bytes::from([good.as_ref(), good.as_ref()].concat());
    let mut torn = BytesMut::from(good.as_ref());
    *torn.last_mut().unwrap() ^= 1;
    let mut old = BytesMut::from(good.as_ref());
    old[16] = 1;
    let control = BatchBuilder::new(BatchOptions { control: true, ..Default::default() });
    let invalid = ErrorCode::InvalidRecord.code();
    for (records, code) in [
        (Bytes::new(), invalid),
        (two, invalid),
        (old.freeze(), invalid),
        (
            {
                let mut b = control;
                b.push(1, None, Some(b"x"), &[]);
                b.build()
            },
            invalid,
        ),
        (torn.freeze(), ErrorCode::CorruptMessage.code()),
        (good.slice(..good.len() - 1), invalid),
        (batch_of(&[&"x".repeat(200)]), ErrorCode::MessageTooLarge.code()),
        (batch_at(&["a"], i64::MAX / 2), ErrorCode::InvalidTimestamp.code()),
    ] {
        let length = records.len();
        assert_eq!(code_for(&mut cluster, &tp, -1, records).0, code, "{length} bytes");
    }
    assert_eq!(code_for(&mut cluster, &tp, 2, good.clone()).0, ErrorCode::InvalidRequiredAcks.code());
    let (_, message) = code_for(&mut cluster, &tp, -1, batch_of(&[&"x".repeat(200)]));
    assert!(message.unwrap().contains("max.message.bytes is 200"));
    assert_eq!(cluster.stored(1, &tp), Vec::<String>::new());
}

#[test]
fn clients_may_not_write_internal_topics_and_coordinators_may() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("__consumer_offsets", &[1], 1);
    assert_eq!(code_for(&mut cluster, &tp, -1, batch_of(&["a"])).0, ErrorCode::InvalidTopicException.code());
    let end = cluster.with(BrokerId(1), |node, now| {
        node.manager.append_as_leader(now, &tp, batch_of(&["a", "b"]), true, &mut node.fx)
    });
    assert_eq!(end, Ok(Offset(2)));
    cluster.run_for(5);
    let progress = cluster.with(BrokerId(1), |node, _| node.manager.take_progress());
    assert_eq!(progress, [(tp, Offset(2))]);
}

#[test]
fn too_small_an_isr_refuses_acks_all_before_the_append_and_takes_acks_1() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 2);
    cluster.elect(&tp, Some(1), &[1]);
    cluster.set_cut(1, 2, true);
    let code = ErrorCode::NotEnoughReplicas.code();
    assert_eq!(code_for(&mut cluster, &tp, -1, batch_of(&["a"])).0, code);
    assert_eq!(cluster.stored(1, &tp), Vec::<String>::new());
    assert_eq!(cluster.produce_and_wait(1, &tp, 1, &["b"]), 0);
    // Not visible to consumers until the ISR is large enough again (KIP-966).
    assert_eq!(cluster.status(1, &tp).high_watermark, Offset(0));
    cluster.set_cut(1, 2, false);
    cluster.run_until(3_000, "the follower joins", |c| c.status(1, &tp).high_watermark == Offset(1));
}

#[test]
fn a_batch_sent_again_gets_the_first_ones_offset_and_waits_like_it() {
    let mut cluster = Cluster::new(2);
    let tp = cluster.create("t", &[1, 2], 1);
    cluster.run_for(20);
    cluster.hold_storage(2, true);
    let first = cluster.produce(1, &tp, -1, idempotent_batch(&["a", "b"], 0));
    cluster.run_for(10);
    let again = cluster.produce(1, &tp, -1, idempotent_batch(&["a", "b"], 0));
    cluster.run_for(10);
    assert_eq!((cluster.produced(first), cluster.produced(again)), (None, None));
    cluster.hold_storage(2, false);
    cluster.run_for(10);
    for token in [first, again] {
        let answer = cluster.produced(token).unwrap();
        assert_eq!((answer.error_code, answer.base_offset), (0, 0));
    }
    assert_eq!(cluster.stored(1, &tp), ["a", "b"]);
    let gap = cluster.produce(1, &tp, -1, idempotent_batch(&["d"], 3));
    cluster.run_for(10);
    let code = ErrorCode::OutOfOrderSequenceNumber.code();
    assert_eq!(cluster.produced(gap).unwrap().error_code, code);
}

#[test]
fn a_broker_that_does_not_lead_names_the_one_that_does() {
    let mut cluster = Cluster::new(3);
    let tp = cluster.create("t", &[1, 2], 1);
    for broker in [2, 3] {
        let mut request = produce_request(&tp, 1, 1_000, batch_of(&["a"]));
        request.topic_data[0].name = Default::default();
        request.topic_data[0].topic_id = log_of(&tp).topic_id.0;
        let token = cluster.send(broker, 13, request);
        let Some(Response::Produce(response)) = cluster.reply(token, 13) else { panic!("no answer") };
        let answer = &response.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, ErrorCode::NotLeaderOrFollower.code());
        assert_eq!((answer.current_leader.leader_id.0, answer.current_leader.leader_epoch), (1, 0));
        let endpoint = &response.node_endpoints[0];
        assert_eq!((endpoint.node_id, endpoint.host.as_str()), (messages::BrokerId(1), "broker-1"));
    }
}

#[test]
fn an_unknown_topic_id_is_told_as_such() {
    let mut cluster = Cluster::new(1);
    let mut request = produce_request(&TopicPartition::new("none", 0), 1, 1_000, batch_of(&["a"]));
    request.topic_data[0].topic_id = topic_id("none").0;
    request.topic_data[0].name = Default::default();
    let token = cluster.send(1, 13, request);
    let Some(Response::Produce(response)) = cluster.reply(token, 13) else { panic!("no answer") };
    let code = response.responses[0].partition_responses[0].error_code;
    assert_eq!(code, ErrorCode::UnknownTopicId.code());
}

#[test]
fn a_failed_write_fails_what_waits_for_it_and_the_next_one_is_taken() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    cluster.storages.get_mut(&BrokerId(1)).unwrap().fail_next_write(IoError::QuotaExceeded);
    let token = cluster.produce(1, &tp, 1, batch_of(&["b"]));
    cluster.run_for(5);
    assert_eq!(cluster.produced(token).unwrap().error_code, ErrorCode::KafkaStorageError.code());
    cluster.run_for(5);
    assert_eq!(cluster.produce_and_wait(1, &tp, 1, &["c"]), 1);
    assert_eq!(cluster.stored(1, &tp), ["a", "c"]);
    let told =
        cluster.events.iter().filter(|(_, e)| matches!(e, crate::event::ClusterEvent::StorageFailed { .. }));
    assert_eq!(told.count(), 1);
}

#[test]
fn storage_that_stays_full_is_tried_again_until_it_works() {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create("t", &[1], 1);
    cluster.produce_and_wait(1, &tp, 1, &["a"]);
    let full = |cluster: &mut Cluster, full: bool| {
        let storage = cluster.storages.get_mut(&BrokerId(1)).unwrap();
        storage.fail_writes(full.then_some(IoError::QuotaExceeded));
    };
    full(&mut cluster, true);
    for _ in 0..3 {
        let token = cluster.produce(1, &tp, 1, batch_of(&["b"]));
        cluster.run_for(1_000);
        let code = cluster.produced(token).unwrap().error_code;
        assert_eq!(code, ErrorCode::KafkaStorageError.code());
    }
    let fetch = cluster.consume(1, &tp, 0, 0);
    assert_eq!(values(&cluster.fetched(fetch).unwrap().records.unwrap()), ["a"]);
    full(&mut cluster, false);
    cluster.run_for(1_100);
    assert_eq!(cluster.produce_and_wait(1, &tp, 1, &["c"]), 1);
    assert_eq!(cluster.stored(1, &tp), ["a", "c"]);
    assert_eq!(stored_batches(&cluster.storages[&BrokerId(1)].chunks(log_of(&tp))[0], true).count(), 1);
}
