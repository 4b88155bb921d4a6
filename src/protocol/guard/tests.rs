//! Frames of every API and version served, invented, then made hostile.

use std::process::Command;

use bytes::BufMut;

use super::super::api::{advertised_versions, decode_request_body, decode_response_body};
use super::super::{ApiKey, Request, Response, decode_request, decode_response, supported_versions};
use super::*;
use crate::rng::Rng;

/// A buffer that makes up what it is asked for and keeps a record of it: what a decoder reads from it is a message, and
/// what it kept are that message's bytes.
struct Invention {
    rng: Rng,
    given: Vec<u8>,
    int32s: Vec<usize>,
}

impl Invention {
    fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), given: Vec::new(), int32s: Vec::new() }
    }
}

impl Buf for Invention {
    fn remaining(&self) -> usize {
        1 << 20
    }

    // Wide numbers and UUIDs.
    fn chunk(&self) -> &[u8] {
        &[7; 16]
    }

    fn advance(&mut self, count: usize) {
        self.given.put_bytes(7, count);
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let value = self.rng.below(4) as u8;
        self.given.put_u8(value);
        Ok(value)
    }

    fn try_get_i8(&mut self) -> Result<i8, TryGetError> {
        let value = self.rng.below(2) as i8;
        self.given.put_i8(value);
        Ok(value)
    }

    fn try_get_i16(&mut self) -> Result<i16, TryGetError> {
        let value = self.rng.below(4) as i16;
        self.given.put_i16(value);
        Ok(value)
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let value = self.rng.below(4) as i32;
        self.int32s.push(self.given.len());
        self.given.put_i32(value);
        Ok(value)
    }
}

impl ByteBuf for Invention {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        Bytes::from(vec![b'x'; range.len()])
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.given.put_bytes(b'x', size);
        Bytes::from(vec![b'x'; size])
    }
}

/// A request's or a response's body of some API and version.
#[derive(Debug, Clone)]
struct Message {
    key: ApiKey,
    version: i16,
    is_request: bool,
    bytes: Bytes,
    /// Where its int32s are, lengths and others.
    int32s: Vec<usize>,
}

#[derive(Debug, PartialEq)]
enum Body {
    Request(Request),
    Response(Response),
}

impl Message {
    fn decode<B: ByteBuf>(&self, buf: &mut B) -> Result<Body, String> {
        match self.is_request {
            true => decode_request_body(self.key, self.version, buf).map(Body::Request),
            false => decode_response_body(self.key, self.version, buf).map(Body::Response),
        }
    }

    fn guarded(&self) -> Result<Body, String> {
        read_body(&self.bytes, |buf| self.decode(buf))
    }

    fn with(&self, bytes: impl Into<Bytes>) -> Message {
        Message { bytes: bytes.into(), ..self.clone() }
    }
}

fn served() -> Vec<(ApiKey, i16)> {
    let keys = (0..100).filter_map(|key| ApiKey::try_from(key).ok());
    let served = keys.filter_map(|key| supported_versions(key).map(|(min, max)| (key, min..=max)));
    served.flat_map(|(key, versions)| versions.map(move |version| (key, version))).collect()
}

/// A few messages of every API and version served.
fn messages() -> Vec<Message> {
    let mut messages = Vec::new();
    for (key, version) in served() {
        for is_request in [true, false] {
            let mut blank = Message { key, version, is_request, bytes: Bytes::new(), int32s: Vec::new() };
            let mut found = 0;
            // Some attempts invent a tag that the version does not have.
            for seed in 0..200 {
                let mut invention = Invention::new(seed);
                // The smaller ones: each of their bytes will be replaced.
                if blank.decode(&mut invention).is_ok() && invention.given.len() < 300 {
                    blank.bytes = invention.given.into();
                    blank.int32s = invention.int32s;
                    messages.push(blank.clone());
                    found += 1;
                }
                if found == 2 {
                    break;
                }
            }
            assert!(found > 0, "{key:?} {version} {is_request}");
        }
    }
    messages
}

#[test]
fn messages_of_every_api_and_version_are_read_as_without_the_guard() {
    for message in messages() {
        assert_eq!(message.guarded(), message.decode(&mut message.bytes.clone()), "{message:?}");
        for cut in 0..message.bytes.len() {
            let cut = message.with(message.bytes.slice(..cut));
            assert_eq!(cut.guarded().ok(), cut.decode(&mut cut.bytes.clone()).ok(), "{cut:?}");
        }
    }
}

/// A bare buffer, except that a number larger than those invented ends the reading. Such a number is only seen by a
/// decoder that took `LARGE` for the length of an array, and so is bound to fail.
struct Bare(Bytes);

const LARGE: i32 = 20_000;

impl Buf for Bare {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }

    fn try_get_i32(&mut self) -> Result<i32, TryGetError> {
        let value = self.0.try_get_i32()?;
        let error = TryGetError { requested: value as usize, available: self.0.len() };
        if value > LARGE { Err(error) } else { Ok(value) }
    }
}

impl ByteBuf for Bare {
    fn peek_bytes(&mut self, range: Range<usize>) -> Bytes {
        self.0.peek_bytes(range)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.0.get_bytes(size)
    }
}

#[test]
fn a_large_number_is_refused_exactly_where_it_is_a_length() {
    let (mut read, mut refused) = (0, 0);
    for message in messages() {
        for at in message.int32s.clone() {
            let mut bytes = message.bytes.to_vec();
            bytes[at..at + 4].copy_from_slice(&LARGE.to_be_bytes());
            let message = message.with(bytes);
            let bare = message.decode(&mut Bare(message.bytes.clone()));
            *if bare.is_ok() { &mut read } else { &mut refused } += 1;
            assert_eq!(message.guarded().ok(), bare.ok(), "{message:?} {at}");
        }
    }
    assert!(read > 1_000 && refused > 500, "{read} {refused}");
}

/// Runs a test again in a process that may use little memory: what asks for much dies there, and the test fails.
fn in_little_memory(test: &str) -> bool {
    const LIMITED: &str = "TABMQ_TEST_IN_LITTLE_MEMORY";
    if std::env::var_os(LIMITED).is_some() {
        return true;
    }
    let me = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    // The limit counts address space, of which the threads' stacks and heaps take some.
    shell.args(["-c", "ulimit -v 700000; exec \"$0\" \"$@\""]).arg(me);
    shell.args(["--exact", &format!("protocol::guard::tests::{test}"), "--test-threads=1"]);
    let output = shell.env(LIMITED, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    false
}

#[test]
fn no_change_of_a_message_panics_or_asks_for_much_memory() {
    if !in_little_memory("no_change_of_a_message_panics_or_asks_for_much_memory") {
        return;
    }
    let hostile: [&[u8]; 8] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x00, 0x7f, 0xff, 0xff],
        &[0x80, 0x00, 0x00, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        // 2^25, which is zero when read from one byte before.
        &[0x80, 0x80, 0x80, 0x80, 0x10],
        &[0x80, 0x80, 0x80, 0x10],
        &[0xff],
        &[0x80],
    ];
    let mut rng = Rng::new(1);
    for message in messages() {
        for at in 0..message.bytes.len() {
            for pattern in hostile {
                let mut replaced = message.bytes.to_vec();
                let end = (at + pattern.len()).min(replaced.len());
                replaced.splice(at..end, pattern.iter().copied());
                let _ = message.with(replaced).guarded();
                let mut inserted = message.bytes.to_vec();
                inserted.splice(at..at, pattern.iter().copied());
                let _ = message.with(inserted).guarded();
            }
        }
        for _ in 0..50 {
            let mut bytes = message.bytes.to_vec();
            for _ in 0..1 + rng.below(4) {
                if let Some(byte) = {
                    let at = rng.below(bytes.len().max(1) as u64) as usize;
                    bytes.get_mut(at)
                } {
                    *byte = rng.next_u64() as u8;
                }
            }
            let _ = message.with(bytes).guarded();
            let random: Vec<u8> = (0..rng.below(200)).map(|_| rng.next_u64() as u8).collect();
            let _ = message.with(random).guarded();
        }
    }
}

#[test]
fn a_message_full_of_empty_elements_is_refused_before_it_fills_the_memory() {
    if !in_little_memory("a_message_full_of_empty_elements_is_refused_before_it_fills_the_memory") {
        return;
    }
    // Fetch 12: after the plain numbers, arrays of arrays, each as long as it claims.
    for fill in [0x01, 0x02, 0x10, 0x40] {
        for (key, version) in served() {
            for is_request in [true, false] {
                let bytes = Bytes::from(vec![fill; 4 << 20]);
                let _ = Message { key, version, is_request, bytes, int32s: Vec::new() }.guarded();
            }
        }
    }
    let mut bytes = vec![0; 4 * 4 + 1 + 4 * 2];
    for _ in 0..400 {
        // ListGroups 5: an array of strings, 16 000 long, then again.
        bytes.extend_from_slice(&[0x80, 0x7d]);
        bytes.extend(std::iter::repeat_n(1, 16_000));
    }
    let (key, bytes) = (ApiKey::Fetch, bytes.into());
    let _ = Message { key, version: 12, is_request: true, bytes, int32s: Vec::new() }.guarded();
}

fn produce(version: i16, records: usize, timeout_ms: i32) -> Request {
    use kafka_protocol::messages::produce_request::*;
    use kafka_protocol::messages::*;
    let partition = PartitionProduceData::default().with_records(Some(Bytes::from(vec![9; records])));
    let topic = TopicProduceData::default()
        .with_name(TopicName(if version < 13 { "t".into() } else { "".into() }))
        .with_partition_data(vec![partition.clone(), partition]);
    ProduceRequest::default().with_timeout_ms(timeout_ms).with_topic_data(vec![topic]).into()
}

#[test]
fn bytes_longer_than_any_array_are_read_beside_large_plain_numbers() {
    for version in 3..=13 {
        for records in [0, 1, ARRAY_LENGTH_MAX - 1, ARRAY_LENGTH_MAX, ARRAY_LENGTH_MAX + 1, 1 << 20] {
            for timeout_ms in [-1, 1_500, i32::MAX] {
                let request = produce(version, records, timeout_ms);
                let frame = super::super::encode_request(version, 1 << 30, Some("client"), &request).unwrap();
                let decoded = decode_request(frame.slice(4..)).unwrap();
                assert_eq!(decoded.body, request);
                assert_eq!(decoded.correlation_id, 1 << 30);
            }
        }
    }
}

#[test]
fn a_short_frame_that_claims_two_thousand_million_topics_is_malformed() {
    for count in [i32::MAX, 1 << 24, ARRAY_LENGTH_MAX as i32 + 1] {
        let mut frame = Vec::new();
        frame.put_slice(&[0, 3, 0, 1, 0, 0, 0, 9, 0xff, 0xff]);
        frame.put_i32(count);
        assert!(decode_request(frame.into()).is_err());
        let mut response = Vec::new();
        response.put_i32(9);
        response.put_i32(count);
        assert!(decode_response(ApiKey::Metadata, 1, response.into()).is_err());
    }
}

#[test]
fn every_api_advertised_is_served() {
    for (key, _, max) in advertised_versions() {
        assert_eq!(supported_versions(key).unwrap().1, max);
    }
}
