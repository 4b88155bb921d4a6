//! A batch whose header and checksum are right, but whose records are not there, is refused with INVALID_RECORD.
//! Kafka reads each record of a produced batch before it appends (`LogValidator`).

mod support;

use bytes::Bytes;
use support::Bench;
use tabmq::protocol::messages::*;
use tabmq::protocol::{ErrorCode, Request, Response, StrBytes};
use tabmq::types::BrokerId;

/// A header that claims `count` records, then `body`.
fn forged(count: i32, body: &[u8]) -> Bytes {
    let mut batch = vec![0; 61];
    batch[16] = 2;
    batch[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    batch[43..57].fill(0xff);
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    batch.extend_from_slice(body);
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

fn produce(bench: &mut Bench, leader: BrokerId, records: Bytes) -> (i16, i64) {
    let data = produce_request::PartitionProduceData::default().with_records(Some(records));
    let topic = produce_request::TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(5000).with_topic_data(vec![topic]);
    let Response::Produce(response) = bench.ask(leader, 9, Request::from(request)) else { panic!() };
    let answer = &response.responses[0].partition_responses[0];
    (answer.error_code, answer.base_offset)
}

fn bench() -> (Bench, BrokerId) {
    let mut bench = Bench::new(1, 1);
    bench.ready();
    bench.create_topic_through(BrokerId(1), "orders", 1, 1);
    bench.settled("orders", 1, 1);
    let leader = bench.leader("orders", 0);
    (bench, leader)
}

#[test]
fn a_batch_of_61_bytes_that_claims_two_thousand_million_records_moves_no_offset() {
    let (mut bench, leader) = bench();
    let answer = produce(&mut bench, leader, forged(i32::MAX, b""));
    assert_eq!(answer, (ErrorCode::InvalidRecord.code(), -1));
    assert_eq!(bench.produce(leader, "orders", 0, b"next"), 0);
}

#[test]
fn a_batch_of_noise_under_a_right_checksum_is_not_appended() {
    let (mut bench, leader) = bench();
    assert_eq!(produce(&mut bench, leader, forged(1, b"noise")), (ErrorCode::InvalidRecord.code(), -1));
}
