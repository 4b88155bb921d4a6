//! Batches made by kafka-python and kafkajs are read as what went in, and written again as the same bytes.

use bytes::Bytes;
use tabmq::client::murmur2;
use tabmq::protocol::batch::{BatchError, BatchHeader, batches, validate_batch};
use tabmq::protocol::records::{BatchBuilder, BatchOptions, Record, decode_records};
use tabmq::protocol::{Request, decode_request};
use tabmq::types::{Compression, LeaderEpoch, ProducerEpoch, ProducerId};

const T: i64 = 1_700_000_000_000;

fn hex(text: &str) -> Bytes {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().map(|line| line.split_once(' ').unwrap())
}

fn kafka_python() -> Vec<(&'static str, Bytes)> {
    lines(include_str!("vectors/batches-kafka-python.txt")).map(|(name, text)| (name, hex(text))).collect()
}

fn named(wanted: &str) -> Bytes {
    kafka_python().into_iter().find(|(name, _)| *name == wanted).unwrap().1
}

/// Builds a batch of the same records and options.
fn rebuild(header: &BatchHeader, records: &[Record]) -> Bytes {
    let producer = header.producer_id.map(|id| (id, header.producer_epoch, header.base_sequence));
    let mut builder = BatchBuilder::new(BatchOptions {
        compression: header.compression().unwrap(),
        producer,
        transactional: header.is_transactional(),
        control: header.is_control(),
        leader_epoch: Some(header.partition_leader_epoch),
    });
    for r in records {
        builder.push(r.timestamp, r.key.as_deref(), r.value.as_deref(), &r.headers);
    }
    builder.build()
}

#[test]
fn uncompressed_batches_of_kafka_python_come_out_byte_for_byte() {
    let mut seen = 0;
    for (name, bytes) in kafka_python() {
        let header = validate_batch(&bytes).unwrap();
        if header.compression() == Some(Compression::None) {
            assert_eq!(rebuild(&header, &decode_records(&bytes).unwrap()), bytes, "{name}");
            seen += 1;
        }
    }
    assert_eq!(seen, 5);
}

#[test]
fn gzipped_batches_hold_the_same_records_as_the_uncompressed_ones() {
    let many = decode_records(&named("many")).unwrap();
    assert_eq!(many.len(), 100);
    for name in ["gzip", "transactional-gzip"] {
        let bytes = named(name);
        let header = validate_batch(&bytes).unwrap();
        assert_eq!(header.compression(), Some(Compression::Gzip));
        assert_eq!(decode_records(&bytes).unwrap(), many);
        // Compressors differ; what is inside may not.
        assert_eq!(decode_records(&rebuild(&header, &many)).unwrap(), many);
    }
}

#[test]
fn nulls_and_empties_stay_apart_and_timestamps_may_go_back() {
    let records = decode_records(&named("plain")).unwrap();
    let facts: Vec<_> =
        records.iter().map(|r| (r.timestamp - T, r.key.as_deref(), r.value.as_deref())).collect();
    assert_eq!(
        facts,
        [
            (0, Some(&b"key"[..]), Some(&b"value"[..])),
            (5, None, Some(&b"no key"[..])),
            (-3, Some(&b"tombstone"[..]), None),
            (1, Some(&b""[..]), Some(&b""[..])),
        ]
    );
    assert_eq!(validate_batch(&named("plain")).unwrap().max_timestamp, T + 5);
}

#[test]
fn headers_keep_their_order_their_nulls_and_their_utf8_names() {
    let records = decode_records(&named("headers")).unwrap();
    let bytes = |bytes: &'static [u8]| Some(Bytes::from_static(bytes));
    assert_eq!(
        records[0].headers,
        [
            ("trace".to_owned(), bytes(b"\x00\xff")),
            ("empty".to_owned(), bytes(b"")),
            ("null".to_owned(), None),
            ("gr\u{fc}\u{df}".to_owned(), bytes(b"utf-8 name")),
        ]
    );
}

#[test]
fn the_idempotent_producers_fields_are_where_it_put_them() {
    let header = validate_batch(&named("idempotent")).unwrap();
    assert_eq!(header.producer_id, Some(ProducerId(4711)));
    assert_eq!((header.producer_epoch, header.base_sequence), (ProducerEpoch(3), 2_147_483_600));
    assert_eq!(header.last_sequence(), 2_147_483_603);
    assert_eq!(header.partition_leader_epoch, LeaderEpoch(0));
    assert!(validate_batch(&named("transactional-gzip")).unwrap().is_transactional());
}

#[test]
fn a_run_of_batches_is_cut_where_each_ends() {
    let all = kafka_python();
    let run: Vec<u8> = all.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let ranges: Vec<_> = batches(&run).map(|found| found.unwrap().1).collect();
    assert_eq!(ranges.len(), all.len());
    for ((name, bytes), range) in all.iter().zip(ranges) {
        assert_eq!(&run[range], &bytes[..], "{name}");
    }
    let cut: Vec<_> = batches(&run[..run.len() - 1]).collect();
    assert_eq!(cut.last(), Some(&Err(BatchError::CutShort)));
}

#[test]
fn any_byte_changed_in_a_real_batch_is_an_error_and_never_a_panic() {
    for (name, bytes) in kafka_python() {
        for at in 0..bytes.len() {
            for value in [0x00, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.to_vec();
                if changed[at] != value {
                    changed[at] = value;
                    let result = decode_records(&Bytes::from(changed));
                    // Base offset and leader epoch are outside the checksum.
                    assert!(result.is_err() || at < 8 || (12..16).contains(&at), "{name} {at} {value}");
                }
            }
            assert!(decode_records(&bytes.slice(..at)).is_err());
        }
    }
}

#[test]
fn batches_of_kafkajs_are_read() {
    for (name, text) in lines(include_str!("vectors/frames-kafkajs.txt")) {
        if let Request::Produce(request) = decode_request(hex(text).slice(4..)).unwrap().body {
            let batch = request.topic_data[0].partition_data[0].records.clone().unwrap();
            let header = validate_batch(&batch).unwrap();
            let records = decode_records(&batch).unwrap();
            assert_eq!(records[0].timestamp, T, "{name}");
            match name {
                "produce-7-gzip" => {
                    assert_eq!((header.compression(), records.len()), (Some(Compression::Gzip), 50));
                }
                "produce-7" | "produce-7-idempotent" => {
                    let names: Vec<_> = records[0].headers.iter().map(|(name, _)| name.as_str()).collect();
                    assert_eq!(names, ["trace", "again", "again"]);
                    assert_eq!(records[1].key, None);
                    assert_eq!(records[2].value, None);
                    // Without idempotence kafkajs leaves epoch 0 and sequence 0 beside producer id -1.
                    let producer = (name == "produce-7-idempotent").then_some(ProducerId(4711));
                    assert_eq!(header.producer_id, producer);
                    if producer.is_some() {
                        assert_eq!(rebuild(&header, &records), batch);
                    }
                }
                _ => panic!("{name} is not known here"),
            }
        }
    }
}

#[test]
fn murmur2_is_javas_for_keys_of_every_length_and_sign() {
    for (key, hash) in lines(include_str!("vectors/murmur2.txt")) {
        assert_eq!(murmur2(&hex(key.trim_matches('-'))), hash.parse::<i32>().unwrap(), "{key}");
    }
}
