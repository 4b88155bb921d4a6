//! Requests that only the active controller can serve, passed on to it in an Envelope (KIP-590).
//!
//! Until the request's own deadline a lost or refused attempt is made again with the controller known by then. An
//! attempt whose answer was lost may have taken effect, so its repetition can answer TOPIC_ALREADY_EXISTS, as Kafka's.

use bytes::Bytes;

use crate::effects::{Effects, Lane, PeerResult, Reply, ReplyToken, RequestId};
use crate::protocol::messages::delete_topics_request::DeleteTopicState;
use crate::protocol::messages::{EnvelopeRequest, EnvelopeResponse};
use crate::protocol::{
    ErrorCode, Request, Response, decode_response, encode_request, encode_response, supported_versions,
};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant, earliest};
use crate::types::BrokerId;

use super::errors::error_response;

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(50);

/// UpdateFeatures' `UpgradeType`.
const SAFE_DOWNGRADE: i8 = 2;

/// Requests on their way to the controller.
#[derive(Debug, Default)]
pub struct Forwarder {
    next: u64,
    requests: SortedMap<u64, Forwarded>,
    in_flight: SortedMap<RequestId, u64>,
}

#[derive(Debug)]
struct Forwarded {
    token: ReplyToken,
    body: Request,
    deadline: Instant,
    /// When to try next; none while an attempt is under way.
    retry_at: Option<Instant>,
}

impl Forwarder {
    /// Takes a request to pass on; it is answered by `deadline` at the latest.
    pub fn accept(&mut self, now: Instant, token: ReplyToken, body: Request, deadline: Instant) {
        self.next += 1;
        let forwarded = Forwarded { token, body, deadline, retry_at: Some(now) };
        self.requests.insert(self.next, forwarded);
    }

    /// Sends what is due, and gives up what is late.
    pub fn tick(&mut self, now: Instant, controller: Option<BrokerId>, fx: &mut Effects) {
        let numbers: Vec<u64> = self.requests.keys().copied().collect();
        for number in numbers {
            let Some(request) = self.requests.get_mut(&number) else { continue };
            if request.deadline <= now {
                let message = "The controller did not answer in time.";
                let response = error_response(&request.body, ErrorCode::RequestTimedOut, message);
                fx.replies.push_back((request.token, Reply::Response(response)));
                self.requests.remove(&number);
                self.in_flight.retain(|_, waiting| *waiting != number);
                continue;
            }
            if request.retry_at.is_none_or(|at| at > now) {
                continue;
            }
            let Some(controller) = controller else {
                request.retry_at = Some(now + RETRY);
                continue;
            };
            let left = request.deadline.since(now);
            let envelope = envelope(&request.body);
            request.retry_at = None;
            let id = fx.request(controller, Lane::Forward, envelope.into(), left);
            self.in_flight.insert(id, number);
        }
    }

    /// When `tick` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.requests.values().fold(None, |next, request| {
            earliest(next, Some(request.retry_at.unwrap_or(request.deadline).min(request.deadline)))
        })
    }

    /// Takes the controller's answer.
    pub fn on_response(&mut self, now: Instant, id: RequestId, result: PeerResult, fx: &mut Effects) {
        let Some(number) = self.in_flight.remove(&id) else { return };
        let Some(request) = self.requests.get_mut(&number) else { return };
        match answer(&request.body, result) {
            Some(response) => {
                fx.replies.push_back((request.token, Reply::Response(response)));
                self.requests.remove(&number);
            }
            None => request.retry_at = Some(now + RETRY),
        }
    }
}

/// The version a request travels in inside the envelope, and its answer comes back in.
fn inner_version(body: &Request) -> i16 {
    supported_versions(body.key()).map_or(0, |(_, max)| max)
}

fn envelope(body: &Request) -> EnvelopeRequest {
    let bytes = match encode_request(inner_version(body), 0, Some("broker"), &newest(body.clone())) {
        Ok(bytes) => bytes,
        Err(error) => panic!("a request that was read can't be written: {error}"),
    };
    EnvelopeRequest::default()
        .with_request_data(bytes.slice(4..))
        .with_client_host_address(Bytes::from_static(&[127, 0, 0, 1]))
}

/// A request with the fields of older versions moved to where the newest has them.
pub fn newest(body: Request) -> Request {
    match body {
        Request::DeleteTopics(mut delete) => {
            let named = std::mem::take(&mut delete.topic_names);
            let states = named.into_iter().map(|name| DeleteTopicState::default().with_name(Some(name)));
            delete.topics.extend(states);
            delete.into()
        }
        Request::UpdateFeatures(mut update) => {
            for asked in &mut update.feature_updates {
                if std::mem::take(&mut asked.allow_downgrade) {
                    asked.upgrade_type = SAFE_DOWNGRADE;
                }
            }
            update.into()
        }
        other => other,
    }
}

/// The controller's answer, on its way back in the envelope.
pub fn wrap(reply: Reply, version: i16, correlation_id: i32) -> Reply {
    let Reply::Response(response) = reply else { return reply };
    let envelope = match encode_response(version, correlation_id, &response) {
        Ok(bytes) => EnvelopeResponse::default().with_response_data(Some(bytes.slice(4..))),
        Err(_) => EnvelopeResponse::default().with_error_code(ErrorCode::UnknownServerError.code()),
    };
    Reply::Response(envelope.into())
}

/// The response inside, or none when another attempt may find the controller.
fn answer(body: &Request, result: PeerResult) -> Option<Response> {
    let Ok(Response::Envelope(envelope)) = result else { return None };
    if envelope.error_code != 0 {
        return None;
    }
    let bytes = envelope.response_data?;
    decode_response(body.key(), inner_version(body), bytes).ok().map(|(_, response)| response)
}
