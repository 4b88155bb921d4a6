//! `compression.type` on the broker, and what old versions may carry (KIP-110).

use bytes::Bytes;

use super::harness::*;
use crate::protocol::batch::{BatchHeader, set_base_offset, set_leader_epoch};
use crate::protocol::records::{BatchBuilder, BatchOptions, recompress};
use crate::protocol::{ErrorCode, Response};
use crate::types::{Compression, LeaderEpoch, Offset, ProducerEpoch, ProducerId, TopicPartition};

const VALUES: [&str; 3] = ["a", "b", "c"];

fn batch_in(compression: Compression, sequence: i32) -> Bytes {
    let producer = Some((ProducerId(7), ProducerEpoch(0), sequence));
    let mut batch = BatchBuilder::new(BatchOptions { compression, producer, ..Default::default() });
    for value in VALUES {
        batch.push(1_000_000, Some(b"key"), Some(value.as_bytes()), &[("header".to_owned(), None)]);
    }
    batch.build()
}

fn cluster_of(codec: Option<Compression>) -> (Cluster, TopicPartition) {
    let mut cluster = Cluster::new(1);
    let tp = cluster.create_with("t", &[1], |config| config.compression = codec);
    (cluster, tp)
}

/// What a produce in `version` is answered: code, message, base offset.
fn produce_in(
    cluster: &mut Cluster,
    version: i16,
    tp: &TopicPartition,
    records: Bytes,
) -> (i16, String, i64) {
    let token = cluster.send(1, version, produce_request(tp, -1, 1_000, records));
    cluster.run_for(10);
    let Some(Response::Produce(response)) = cluster.reply(token, version) else { panic!("no answer") };
    let answer = response.responses[0].partition_responses[0].clone();
    (answer.error_code, answer.error_message.unwrap_or_default().to_string(), answer.base_offset)
}

fn stored_bytes(cluster: &mut Cluster, tp: &TopicPartition) -> Bytes {
    let token = cluster.consume(1, tp, 0, 0);
    cluster.run_for(10);
    cluster.fetched(token).unwrap().records.unwrap()
}

#[test]
fn a_batch_is_stored_in_the_topics_codec_and_is_otherwise_as_it_came() {
    for produced in Compression::ALL {
        for topic in Compression::ALL.map(Some).into_iter().chain([None]) {
            let (mut cluster, tp) = cluster_of(topic);
            let batch = batch_in(produced, 0);
            assert_eq!(produce_in(&mut cluster, 9, &tp, batch.clone()), (0, String::new(), 0));
            let stored = stored_bytes(&mut cluster, &tp);
            let codec = BatchHeader::parse(&stored).unwrap().compression();
            assert_eq!(codec, Some(topic.unwrap_or(produced)));
            let mut expected = recompress(&batch, Compression::None).unwrap().to_vec();
            set_base_offset(&mut expected, Offset(0));
            set_leader_epoch(&mut expected, LeaderEpoch(0));
            assert_eq!(recompress(&stored, Compression::None).unwrap(), expected, "{produced} in {topic:?}");
        }
    }
}

#[test]
fn a_batch_sent_again_is_known_though_it_was_recompressed() {
    let (mut cluster, tp) = cluster_of(Some(Compression::Zstd));
    for (sequence, offset) in [(0, 0), (3, 3), (0, 0), (3, 3), (6, 6)] {
        let batch = batch_in(Compression::Gzip, sequence);
        assert_eq!(produce_in(&mut cluster, 9, &tp, batch), (0, String::new(), offset));
    }
    assert_eq!(cluster.stored(1, &tp).len(), 9);
}

#[test]
fn a_batch_is_too_large_before_recompression_or_after() {
    let value = "x".repeat(5_000);
    let in_codec = |codec| recompress(&batch_of(&[&value]), codec).unwrap();
    let mut cluster = Cluster::new(1);
    for (topic, codec, produced, code) in [
        ("t", Compression::Zstd, Compression::None, ErrorCode::MessageTooLarge.code()),
        ("u", Compression::None, Compression::Zstd, ErrorCode::MessageTooLarge.code()),
        ("v", Compression::Zstd, Compression::Gzip, 0),
    ] {
        let tp = cluster.create_with(topic, &[1], |config| {
            config.max_message_bytes = 200;
            config.compression = Some(codec);
        });
        assert_eq!(produce_in(&mut cluster, 9, &tp, in_codec(produced)).0, code, "{produced} in {codec}");
    }
}

#[test]
fn zstd_is_refused_to_versions_that_do_not_know_it() {
    let (mut cluster, tp) = cluster_of(None);
    let batch = batch_in(Compression::Zstd, 0);
    let (code, _, offset) = produce_in(&mut cluster, 6, &tp, batch.clone());
    assert_eq!((code, offset), (ErrorCode::UnsupportedCompressionType.code(), -1));
    assert_eq!(produce_in(&mut cluster, 6, &tp, batch_in(Compression::Lz4, 0)).0, 0);
    assert_eq!(produce_in(&mut cluster, 7, &tp, batch_in(Compression::Zstd, 3)).0, 0);

    // A topic that is known to hold zstd; one whose producers chose it is read, as Kafka does.
    for (codec, version, code) in [
        (Some(Compression::Zstd), 9, ErrorCode::UnsupportedCompressionType.code()),
        (Some(Compression::Zstd), 10, 0),
        (Some(Compression::Gzip), 9, 0),
        (None, 9, 0),
    ] {
        let (mut cluster, tp) = cluster_of(codec);
        assert_eq!(produce_in(&mut cluster, 9, &tp, batch_in(Compression::Zstd, 0)).0, 0);
        let token = cluster.send(1, version, fetch_request(&tp, 0, 0));
        cluster.run_for(10);
        let Some(Response::Fetch(response)) = cluster.reply(token, version) else { panic!("no answer") };
        let data = &response.responses[0].partitions[0];
        assert_eq!(data.error_code, code, "{codec:?} {version}");
        let records = data.records.clone().unwrap_or_default();
        assert_eq!(values(&records).is_empty(), code != 0, "{codec:?} {version}");
    }
}
