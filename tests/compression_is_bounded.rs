//! What is compressed comes back; hostile data is an error, never a panic, and never more memory than the limit.
#![cfg(not(target_arch = "wasm32"))]

use std::io::Write;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tabmq::protocol::batch::BatchError;
use tabmq::protocol::compression::{DECOMPRESSED_BYTES_MAX, compress, decompress};
use tabmq::protocol::records::{BatchBuilder, BatchOptions, check_records, decode_records};
use tabmq::types::Compression;

const CODECS: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn too_large() -> Result<Vec<u8>, BatchError> {
    Err(BatchError::Records("the records are larger than 64 MiB decompressed"))
}

/// Pieces that repeat, pieces that do not: 0 to 200 kB.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..300),
        (any::<u8>(), 0..5000usize).prop_map(|(byte, count)| vec![byte; count]),
        (vec(any::<u8>(), 1..40), 1..400usize).prop_map(|(word, times)| word.repeat(times)),
        ("[a-e ]{0,200}", 1..20usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        vec(0..4u8, 0..9000),
    ];
    vec(piece, 0..40).prop_map(|pieces| {
        let mut all = pieces.concat();
        all.truncate(200_000);
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_compressed_comes_back(contents in contents()) {
        for codec in CODECS {
            let compressed = compress(codec, &contents).unwrap();
            prop_assert_eq!(&decompress(codec, &compressed).unwrap(), &contents, "{}", codec);
        }
    }

    #[test]
    fn noise_is_never_a_panic(noise in vec(any::<u8>(), 0..400)) {
        let starts: [&[u8]; 7] = [
            b"", b"\x1f\x8b\x08\0\0\0\0\0\0\0", b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x20",
            b"\x04\x22\x4d\x18\x60\x40\x82", b"\x04\x22\x4d\x18\x40\x40\xc0", b"\x28\xb5\x2f\xfd\0\x58",
            b"\x28\xb5\x2f\xfd\0\x58\x05\x01\0",
        ];
        for start in starts {
            let bytes = [start, &noise[..]].concat();
            for codec in CODECS {
                let _ = decompress(codec, &bytes);
            }
        }
    }

    #[test]
    fn bits_that_flip_are_never_a_panic(
        contents in contents(),
        flips in vec((any::<prop::sample::Index>(), 0..8u8), 1..8),
    ) {
        for codec in CODECS {
            let mut compressed = compress(codec, &contents[..contents.len().min(20_000)]).unwrap().into_owned();
            for (at, bit) in &flips {
                let at = at.index(compressed.len());
                compressed[at] ^= 1 << bit;
            }
            if let Ok(bytes) = decompress(codec, &compressed) {
                prop_assert!(bytes.len() <= DECOMPRESSED_BYTES_MAX);
            }
        }
    }
}

#[test]
fn data_cut_anywhere_is_an_error() {
    let text: Vec<u8> = (0..3000).flat_map(|n: i32| format!("{} {}; ", n * n, n % 7).into_bytes()).collect();
    for codec in CODECS {
        let compressed = compress(codec, &text).unwrap();
        assert!(compressed.len() < text.len());
        for at in 0..compressed.len() {
            match decompress(codec, &compressed[..at]) {
                Err(_) => {}
                // A stream of blocks says nowhere how many there are. The count of records does.
                Ok(bytes) => {
                    assert!(codec == Compression::Snappy && text.starts_with(&bytes), "{codec} {at}")
                }
            }
        }
    }
}

#[test]
fn bytes_after_the_end_are_an_error_where_the_codec_has_an_end() {
    for codec in [Compression::Lz4, Compression::Zstd] {
        let mut compressed = compress(codec, b"records").unwrap().into_owned();
        compressed.push(0);
        assert!(decompress(codec, &compressed).is_err(), "{codec}");
    }
}

#[test]
fn the_limit_is_taken_and_a_byte_more_is_not() {
    let mut zeros = vec![0; DECOMPRESSED_BYTES_MAX];
    for codec in CODECS {
        let compressed = compress(codec, &zeros).unwrap();
        assert!(compressed.len() < DECOMPRESSED_BYTES_MAX / 20, "{codec}: {}", compressed.len());
        assert_eq!(decompress(codec, &compressed).map(|bytes| bytes.len()), Ok(zeros.len()), "{codec}");
    }
    zeros.push(0);
    for codec in CODECS {
        assert_eq!(decompress(codec, &compress(codec, &zeros).unwrap()), too_large(), "{codec}");
    }
}

#[test]
fn a_size_that_is_only_claimed_is_refused_at_once() {
    // Bare snappy: four gigabytes, then nothing. A stream with such a block. A ratio no block can have.
    let huge = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    assert!(decompress(Compression::Snappy, &huge).is_err());
    let stream = [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x06"[..], &huge].concat();
    assert!(decompress(Compression::Snappy, &stream).is_err());
    assert!(decompress(Compression::Snappy, b"\x80\x80\x80\x10\0").is_err());
    // A block of a stream that would begin after the end of all memory.
    assert!(decompress(Compression::Snappy, b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff").is_err());
    // zstd: a window of 3.75 TiB; a content of 2^63 bytes in one segment.
    assert!(decompress(Compression::Zstd, b"\x28\xb5\x2f\xfd\0\xff\x01\0\0").is_err());
    assert!(decompress(Compression::Zstd, b"\x28\xb5\x2f\xfd\xe0\0\0\0\0\0\0\0\x80\x01\0\0").is_err());
}

/// 32 bytes of zstd for each MiB.
fn zstd_bomb(mebibytes: usize) -> Vec<u8> {
    let mut frame = b"\x28\xb5\x2f\xfd\0\x88".to_vec();
    for _ in 0..8 * mebibytes {
        // A run of 128 KiB of zeros.
        frame.extend_from_slice(&[0x02, 0x00, 0x10, 0]);
    }
    frame.extend_from_slice(&[0x01, 0, 0]);
    frame
}

#[test]
fn bombs_stop_at_the_limit() {
    assert_eq!(decompress(Compression::Zstd, &zstd_bomb(8)).unwrap().len(), 8 << 20);
    assert_eq!(decompress(Compression::Zstd, &zstd_bomb(100_000)), too_large());
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..200 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    assert_eq!(decompress(Compression::Gzip, &encoder.finish().unwrap()), too_large());
}

/// A batch with a right checksum around any records.
fn forged(codec: Compression, count: i32, records: &[u8]) -> Bytes {
    let mut batch = vec![0; 61];
    batch[16] = 2;
    batch[22] = codec.bits() as u8;
    batch[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    batch[43..57].fill(0xff);
    batch[57..61].copy_from_slice(&count.to_be_bytes());
    batch.extend_from_slice(&compress(codec, records).unwrap());
    let length = batch.len() as i32 - 12;
    batch[8..12].copy_from_slice(&length.to_be_bytes());
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

#[test]
fn more_records_than_the_bytes_can_hold_are_refused_before_the_first_is_read() {
    let body = [12, 0, 0, 0, 1, 1, 0];
    assert_eq!(decode_records(&forged(Compression::Zstd, 1, &body)).unwrap().len(), 1);
    for codec in Compression::ALL {
        let claimed = BatchError::Inconsistent("the batch claims more records than its bytes can hold");
        assert_eq!(decode_records(&forged(codec, 2, &body)), Err(claimed.clone()), "{codec}");
        assert_eq!(check_records(&forged(codec, i32::MAX, &body)), Err(claimed), "{codec}");
    }
}

/// Each header is two bytes in the batch, and a hundred in the reader's memory.
#[test]
fn a_record_of_millions_of_headers_is_refused() {
    let record = |headers: usize| {
        let mut fields = vec![0, 0, 0, 1, 1];
        put_varint(&mut fields, headers);
        fields.resize(fields.len() + 2 * headers, 0);
        let mut record = Vec::new();
        put_varint(&mut record, fields.len());
        record.extend_from_slice(&fields);
        record
    };
    assert!(check_records(&forged(Compression::Zstd, 1, &record(1000))).is_ok());
    let batch = forged(Compression::Zstd, 1, &record(3_000_000));
    assert!(batch.len() < 3000, "{}", batch.len());
    let refused = BatchError::Records("the batch has too many records or headers");
    assert_eq!(check_records(&batch), Err(refused.clone()));
    assert_eq!(decode_records(&batch), Err(refused));
}

fn put_varint(to: &mut Vec<u8>, value: usize) {
    let mut rest = value << 1;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

/// Prints what we compress, one `codec hex` a line, for tests/vectors/read_ours.py to read with other clients.
#[test]
#[ignore = "for another program to read"]
fn print_our_batches() {
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(BatchOptions { compression: codec, ..BatchOptions::default() });
        for i in 0..200usize {
            let (key, value) = (format!("key-{i}"), format!("tabmq {} ", i * i).repeat(i));
            let time = 1_700_000_000_000 + i as i64;
            builder.push(time, Some(key.as_bytes()), Some(value.as_bytes()), &[]);
        }
        let hex: String = builder.build().iter().map(|byte| format!("{byte:02x}")).collect();
        println!("\n{codec} {hex}");
    }
}
