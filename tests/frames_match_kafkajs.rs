//! Frames as kafkajs sends them are read as what was meant, and written again as the same bytes.

use bytes::Bytes;
use tabmq::protocol::frame::FrameReader;
use tabmq::protocol::messages::TopicName;
use tabmq::protocol::{Request, RequestFrame, StrBytes, decode_request, encode_request};

fn hex(text: &str) -> Bytes {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn frames() -> Vec<(&'static str, Bytes)> {
    let lines = include_str!("vectors/frames-kafkajs.txt").lines();
    lines.map(|line| line.split_once(' ').unwrap()).map(|(name, text)| (name, hex(text))).collect()
}

fn decoded(wanted: &str) -> RequestFrame {
    let (_, frame) = frames().into_iter().find(|(name, _)| *name == wanted).unwrap();
    decode_request(frame.slice(4..)).unwrap()
}

#[test]
fn every_frame_comes_out_byte_for_byte() {
    for (index, (name, frame)) in frames().into_iter().enumerate() {
        let request = decode_request(frame.slice(4..)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(request.correlation_id, index as i32 + 1, "{name}");
        assert_eq!(request.client_id.as_deref(), Some("kafkajs"), "{name}");
        let again =
            encode_request(request.version, request.correlation_id, Some("kafkajs"), &request.body).unwrap();
        assert_eq!(again, frame, "{name}");
    }
}

#[test]
fn the_stream_of_all_frames_is_cut_into_the_same_frames_however_it_arrives() {
    let frames = frames();
    let stream: Vec<u8> = frames.iter().flat_map(|(_, frame)| frame.iter().copied()).collect();
    for size in [1, 2, 3, 5, 7, 64, 1_000, stream.len()] {
        let mut reader = FrameReader::new(1 << 20);
        let mut found = Vec::new();
        for piece in stream.chunks(size) {
            reader.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = reader.next() {
                found.push(frame.unwrap());
            }
        }
        let expected: Vec<_> = frames.iter().map(|(_, frame)| frame.slice(4..)).collect();
        assert_eq!(found, expected, "pieces of {size}");
    }
}

#[test]
fn a_frame_cut_anywhere_is_malformed_and_never_a_panic() {
    for (name, frame) in frames() {
        for end in 4..frame.len() {
            assert!(decode_request(frame.slice(4..end)).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn metadata_of_all_topics_and_of_none_are_told_apart() {
    let Request::Metadata(all) = decoded("metadata-6-all").body else { panic!() };
    assert_eq!(all.topics, None);
    let Request::Metadata(some) = decoded("metadata-6-some").body else { panic!() };
    assert_eq!(some.topics.unwrap().len(), 2);
    assert!(!some.allow_auto_topic_creation);
}

#[test]
fn a_fetch_says_from_where_and_how_much() {
    let Request::Fetch(fetch) = decoded("fetch-11").body else { panic!() };
    assert_eq!((fetch.max_wait_ms, fetch.max_bytes, fetch.isolation_level), (5_000, 10_485_760, 1));
    assert_eq!(fetch.topics[0].topic, TopicName(StrBytes::from_static_str("orders")));
    let partition = &fetch.topics[0].partitions[0];
    assert_eq!((partition.fetch_offset, partition.partition_max_bytes), (42, 1_048_576));
    assert_eq!(partition.current_leader_epoch, -1);
}

#[test]
fn a_members_subscription_is_read_by_our_own_consumer() {
    use tabmq::protocol::consumer_protocol::{decode_assignment, decode_subscription};
    let Request::JoinGroup(join) = decoded("join-group-5").body else { panic!() };
    assert_eq!((join.session_timeout_ms, join.rebalance_timeout_ms), (30_000, 60_000));
    let topics = decode_subscription(&join.protocols[0].metadata).unwrap();
    assert_eq!(topics, ["orders".into()]);
    let Request::SyncGroup(sync) = decoded("sync-group-3").body else { panic!() };
    let share = decode_assignment(&sync.assignments[0].assignment).unwrap();
    assert_eq!(share.get(&"orders".into()), Some(&vec![0, 1]));
}
