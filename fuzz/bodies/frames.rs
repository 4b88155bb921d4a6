//! Reading requests and responses: any bytes are an answer or an error, at a bounded price, and what was read can be written
//! and read again.

use bytes::Bytes;
use tabmq::protocol::frame::FrameReader;
use tabmq::protocol::messages::{ApiVersionsRequest, MetadataRequest, ProduceRequest};
use tabmq::protocol::{
    Request, advertised_versions, decode_request, decode_response, encode_request, encode_response,
};

use super::script::Script;

pub fn run(data: &[u8]) {
    let mut script = Script(data);
    match script.byte() % 3 {
        0 => request(Bytes::copy_from_slice(script.rest())),
        1 => {
            let apis = advertised_versions();
            let (key, min, max) = apis[script.below(apis.len())];
            let version = min + script.below((max - min) as usize + 1) as i16;
            let frame = Bytes::copy_from_slice(script.rest());
            if let Ok((id, response)) = decode_response(key, version, frame) {
                // What can't be carried by the version that it was read in was not read from it.
                let frame = encode_response(version, id, &response).expect("read, so it can be written");
                let again =
                    decode_response(key, version, frame.slice(4..)).expect("written, so it can be read");
                assert_eq!(again, (id, response));
            }
        }
        _ => {
            // A stream that comes in pieces.
            let mut reader = FrameReader::new(1000);
            while !script.is_over() {
                reader.push(Bytes::copy_from_slice(script.bytes()));
                while let Some(frame) = reader.next() {
                    let Ok(frame) = frame else { return };
                    request(frame);
                }
            }
        }
    }
}

fn request(frame: Bytes) {
    let Ok(read) = decode_request(frame) else { return };
    let client = read.client_id.as_deref();
    let frame = encode_request(read.version, read.correlation_id, client, &read.body)
        .expect("read, so it can be written");
    let again = decode_request(frame.slice(4..)).expect("written, so it can be read");
    assert_eq!((again.key, again.version, again.body), (read.key, read.version, read.body));
}

/// What a run begins with.
pub fn seeds() -> Vec<Vec<u8>> {
    let requests: [(i16, Request); 3] = [
        (3, ApiVersionsRequest::default().into()),
        (12, MetadataRequest::default().into()),
        (9, ProduceRequest::default().into()),
    ];
    let bytes = |(version, request): &(i16, Request)| {
        let frame = encode_request(*version, 7, Some("seed"), request).expect("a seed can be written");
        let stream = [&[2, frame.len() as u8], frame.as_ref()].concat();
        [[&[0], &frame[4..]].concat(), stream]
    };
    let responses = (0..40).map(|key| [&[1, 0, key, 0, 0][..], &[0; 60]].concat());
    requests.iter().flat_map(bytes).chain(responses).collect()
}
