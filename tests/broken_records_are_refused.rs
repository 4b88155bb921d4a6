//! A batch that is not what it says is refused with Kafka's error, and nothing of it is written. Kafka checks a produced
//! batch in `ByteBufferLogInputStream`, `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords` and
//! `LogValidator`, down to each record.

mod support;

use bytes::Bytes;
use support::Bench;
use tabmq::protocol::messages::{BrokerId as BrokerIdOfWire, *};
use tabmq::protocol::records::{BatchBuilder, BatchOptions};
use tabmq::protocol::{ErrorCode, Request, Response, StrBytes};
use tabmq::types::{BrokerId, ProducerEpoch, ProducerId};

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

/// Two records with keys, of an idempotent producer.
fn good(bench: &Bench) -> Vec<u8> {
    let producer = Some((ProducerId(1), ProducerEpoch(0), 0));
    let mut builder = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
    for key in [b"a", b"b"] {
        builder.push(bench.world.now().as_timestamp(), Some(key), Some(b"value"), &[]);
    }
    builder.build().to_vec()
}

fn set<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    batch[at..at + N].copy_from_slice(&value);
}

/// The same, under a checksum that fits.
fn sealed<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    set(batch, at, value);
    let crc = crc32c::crc32c(&batch[21..]);
    set(batch, 17, crc.to_be_bytes());
}

#[test]
fn each_field_that_is_wrong_gets_kafkas_error_and_nothing_is_written() {
    use ErrorCode::{CorruptMessage, InvalidRecord, InvalidTimestamp};
    let (mut bench, leader) = bench();
    let stored = |bench: &Bench| bench.world.storage(leader).map(|storage| storage.size_bytes());
    type Change = fn(&mut Vec<u8>);
    let wrong: [(&str, Change, ErrorCode); 20] = [
        ("no bytes", Vec::clear, InvalidRecord),
        ("a record's bit", |b| *b.last_mut().unwrap() ^= 1, CorruptMessage),
        ("the checksum", |b| b[20] ^= 1, CorruptMessage),
        ("magic 0", |b| b[16] = 0, InvalidRecord),
        ("magic 1", |b| b[16] = 1, InvalidRecord),
        ("magic 3", |b| b[16] = 3, CorruptMessage),
        ("magic -1", |b| b[16] = 0xff, CorruptMessage),
        ("a length beyond the end", |b| b[11] += 1, InvalidRecord),
        ("bytes cut off the end", |b| b.truncate(b.len() - 3), InvalidRecord),
        ("a length within the batch", |b| b[11] -= 1, CorruptMessage),
        ("a length below a header's", |b| set(b, 8, 13i32.to_be_bytes()), CorruptMessage),
        ("a negative length", |b| set(b, 8, (-5i32).to_be_bytes()), CorruptMessage),
        ("a base offset", |b| b[7] = 1, InvalidRecord),
        ("a last offset delta too large", |b| sealed(b, 23, 2i32.to_be_bytes()), InvalidRecord),
        ("a negative last offset delta", |b| sealed(b, 23, (-1i32).to_be_bytes()), InvalidRecord),
        ("a count too small", |b| sealed(b, 57, 1i32.to_be_bytes()), InvalidRecord),
        ("no record", |b| sealed(b, 57, 0i32.to_be_bytes()), InvalidRecord),
        ("a negative count", |b| sealed(b, 57, (-2i32).to_be_bytes()), InvalidRecord),
        ("LogAppendTime", |b| sealed(b, 21, 8i16.to_be_bytes()), InvalidTimestamp),
        ("a producer without a sequence", |b| sealed(b, 53, (-1i32).to_be_bytes()), InvalidRecord),
    ];
    let before = stored(&bench);
    for (what, change, code) in wrong {
        let mut batch = good(&bench);
        change(&mut batch);
        assert_eq!(produce(&mut bench, leader, batch.into()), (code.code(), -1), "{what}");
        assert_eq!(stored(&bench), before, "{what}");
    }
    // A count and a last offset delta that agree, and are not the number of records.
    for count in [1i32, 3] {
        let mut batch = good(&bench);
        sealed(&mut batch, 23, (count - 1).to_be_bytes());
        sealed(&mut batch, 57, count.to_be_bytes());
        assert_eq!(produce(&mut bench, leader, batch.into()), (InvalidRecord.code(), -1), "{count} records");
        assert_eq!(stored(&bench), before);
    }
    let batch = good(&bench).into();
    assert_eq!(produce(&mut bench, leader, batch), (0, 0), "the same without a fault");
}

#[test]
fn a_batch_that_lies_about_its_largest_timestamp_is_put_right() {
    let (mut bench, leader) = bench();
    let now = bench.world.now().as_timestamp();
    let mut batch = good(&bench);
    sealed(&mut batch, 35, (now - 100_000).to_be_bytes());
    assert_eq!(produce(&mut bench, leader, batch.into()), (0, 0));
    let data = list_offsets_request::ListOffsetsPartition::default().with_timestamp(now);
    let topic = list_offsets_request::ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_partitions(vec![data]);
    let request = ListOffsetsRequest::default().with_replica_id(BrokerIdOfWire(-1)).with_topics(vec![topic]);
    let Response::ListOffsets(response) = bench.ask(leader, 7, Request::from(request)) else { panic!() };
    let answer = &response.topics[0].partitions[0];
    assert_eq!((answer.error_code, answer.offset, answer.timestamp), (0, 0, now));
}
