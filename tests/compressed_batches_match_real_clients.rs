//! Batches that kafka-python, aiokafka and librdkafka compressed are read as what went in, in every codec.

use bytes::Bytes;
use tabmq::protocol::batch::validate_batch;
use tabmq::protocol::records::{check_records, decode_records, recompress};
use tabmq::types::Compression;

const T: i64 = 1_700_000_000_000;

fn hex(text: &str) -> Bytes {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Name (client-codec-size) and bytes.
fn vectors() -> Vec<(&'static str, Bytes)> {
    let lines = include_str!("vectors/batches-compressed.txt").lines();
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, text)| (name, hex(text))).collect()
}

/// What compressed.py gave to each client.
fn expected(large: bool) -> Vec<(i64, String, String)> {
    let record = |i: i64| {
        let value = match large {
            true => format!("tabmq {} ", i * i).repeat(i as usize),
            false => format!("value {}", i * i),
        };
        (T + i, format!("key-{i}"), value)
    };
    (0..if large { 200 } else { 20 }).map(record).collect()
}

#[test]
fn every_client_and_codec_gives_the_records_that_went_in() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 18);
    for (name, batch) in vectors {
        let codec = validate_batch(&batch).unwrap().compression().unwrap();
        assert!(name.contains(&codec.to_string()), "{name} is {codec}");
        check_records(&batch).unwrap();
        let text = |bytes: Option<Bytes>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        let records = decode_records(&batch).unwrap().into_iter();
        let found: Vec<_> = records.map(|r| (r.timestamp, text(r.key), text(r.value))).collect();
        assert_eq!(found, expected(name.ends_with("large")), "{name}");
    }
}

#[test]
fn the_same_records_recompressed_are_the_same_whoever_compressed_them() {
    let plain = |wanted: &str| {
        let all = vectors().into_iter().filter(|(name, _)| name.ends_with(wanted));
        all.map(|(_, batch)| recompress(&batch, Compression::None).unwrap().slice(61..)).collect::<Vec<_>>()
    };
    for size in ["small", "large"] {
        let bodies = plain(size);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{size}");
    }
}

#[test]
fn any_byte_of_a_real_batch_changed_is_an_error_or_other_records_and_never_a_panic() {
    let small = vectors().into_iter().filter(|(name, _)| name.ends_with("small"));
    for (name, batch) in small {
        for at in 61..batch.len() {
            // A checksum that fits, so that the decompressors see it.
            for value in (0..=255).step_by(5) {
                let mut changed = batch.to_vec();
                changed[at] = value;
                let _ = decode_records(&sealed(changed));
            }
            let cut = sealed(batch[..at].to_vec());
            assert!(decode_records(&cut).is_err(), "{name} cut at {at}");
        }
    }
}

/// With the length and the checksum made right.
fn sealed(mut batch: Vec<u8>) -> Bytes {
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}
