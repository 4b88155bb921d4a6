//! Connections of a broker: bytes to requests, and responses back in the order of the requests.
//!
//! A client's connection carries bytes in any chunking; a peer's carries whole frames. Requests of one connection are
//! taken up as they come and may be finished in any order; their responses leave in the order of the requests, as
//! Kafka's do.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::effects::{Lane, PeerError, PeerRequest, PeerResult, Reply, RequestId};
use crate::mutation::{Mutation, mutated};
use crate::protocol::frame::FrameReader;
use crate::protocol::{
    ApiKey, DecodeError, RequestFrame, decode_request, decode_response, encode_request, encode_response,
    supported_versions,
};
use crate::sorted::SortedMap;
use crate::time::{Instant, earliest};
use crate::types::BrokerId;

use super::api_versions;

/// Requests of one connection that may wait for their responses; one more and the connection is closed.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 1_000;

/// One end of a connection, as the host names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Conn {
    /// A client's connection to this broker.
    Client(u64),
    /// A connection between this broker and another.
    Peer {
        /// The other broker.
        broker: BrokerId,
        /// What the connection is for.
        lane: Lane,
        /// True when this broker sends the requests and the other the responses.
        outbound: bool,
    },
}

/// What the connections want of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnOutput {
    /// Send these bytes.
    Send(Conn, Bytes),
    /// Close the connection.
    Close(Conn),
}

/// Where a request came from: its connection and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The connection.
    pub conn: Conn,
    /// Counts the requests of all connections: a connection to the same peer that opened since is another one, and gets no
    /// reply that this one waited for.
    pub number: u64,
}

#[derive(Debug)]
struct Inbound {
    reader: FrameReader,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    version: i16,
    correlation_id: i32,
    reply: Option<Reply>,
}

#[derive(Debug, Default)]
struct Outbound {
    in_flight: VecDeque<InFlight>,
}

#[derive(Debug)]
struct InFlight {
    correlation_id: i32,
    id: RequestId,
    key: ApiKey,
    version: i16,
    deadline: Instant,
}

/// All connections of one broker.
#[derive(Debug)]
pub struct Connections {
    frame_bytes_max: usize,
    inbound: SortedMap<Conn, Inbound>,
    outbound: SortedMap<(BrokerId, Lane), Outbound>,
    /// Of the next request that comes in.
    next_number: u64,
    next_correlation_id: i32,
    /// The earliest deadline of a request in flight: asked for after each turn.
    next_deadline: Option<Instant>,
    outputs: VecDeque<ConnOutput>,
    refusals: VecDeque<String>,
}

impl Connections {
    /// No connection yet. Frames above `frame_bytes_max` close theirs.
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            frame_bytes_max,
            inbound: SortedMap::new(),
            outbound: SortedMap::new(),
            next_number: 0,
            next_correlation_id: 0,
            next_deadline: None,
            outputs: VecDeque::new(),
            refusals: VecDeque::new(),
        }
    }

    /// The host opened a connection.
    pub fn opened(&mut self, conn: Conn) {
        match conn {
            Conn::Peer { broker, lane, outbound: true } => {
                self.outbound.insert((broker, lane), Outbound::default());
                self.find_next_deadline();
            }
            _ => {
                let reader = FrameReader::new(self.frame_bytes_max);
                self.inbound.insert(conn, Inbound { reader, waiting: VecDeque::new() });
            }
        }
    }

    /// The host lost a connection. Returns the requests of ours that will not be answered.
    pub fn closed(&mut self, conn: Conn) -> Vec<RequestId> {
        match conn {
            Conn::Peer { broker, lane, outbound: true } => {
                let gone = self.outbound.remove(&(broker, lane)).unwrap_or_default();
                self.find_next_deadline();
                gone.in_flight.iter().map(|flight| flight.id).collect()
            }
            _ => {
                self.inbound.remove(&conn);
                Vec::new()
            }
        }
    }

    /// Takes bytes of an inbound connection and gives the requests that are now whole. What can't be read closes the
    /// connection, and `pop_refusal` says why.
    pub fn received(&mut self, conn: Conn, bytes: Bytes) -> Vec<(Place, RequestFrame)> {
        let mut requests = Vec::new();
        if let Some(inbound) = self.inbound.get_mut(&conn) {
            inbound.reader.push(bytes);
        }
        while let Some(inbound) = self.inbound.get_mut(&conn) {
            match inbound.reader.next() {
                None => break,
                Some(Err(error)) => self.refuse(conn, error.to_string()),
                Some(Ok(frame)) => requests.extend(self.request(conn, frame)),
            }
        }
        requests
    }

    fn request(&mut self, conn: Conn, frame: Bytes) -> Option<(Place, RequestFrame)> {
        match decode_request(frame) {
            Ok(request) => {
                let number = self.wait_for_reply(conn, request.version, request.correlation_id)?;
                Some((Place { conn, number }, request))
            }
            Err(DecodeError::UnsupportedVersion { key: ApiKey::ApiVersions, correlation_id, .. }) => {
                // The one request that is answered in a version the client did not ask for: v0 with the ranges, so
                // that the client can fall back (KIP-511).
                let number = self.wait_for_reply(conn, 0, correlation_id)?;
                self.reply(Place { conn, number }, Reply::Response(api_versions::unsupported().into()));
                None
            }
            // As Kafka does: a request that can't be read can't be answered in its own terms.
            Err(error) => {
                self.refuse(conn, error.to_string());
                None
            }
        }
    }

    fn wait_for_reply(&mut self, conn: Conn, version: i16, correlation_id: i32) -> Option<u64> {
        let inbound = self.inbound.get_mut(&conn)?;
        if inbound.waiting.len() >= REQUESTS_IN_FLIGHT_MAX {
            self.refuse(conn, format!("more than {REQUESTS_IN_FLIGHT_MAX} requests in flight"));
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        inbound.waiting.push_back(Waiting { number, version, correlation_id, reply: None });
        Some(number)
    }

    /// Answers the request at `place`; a reply to a connection that is gone is dropped.
    pub fn reply(&mut self, place: Place, reply: Reply) {
        let Some(inbound) = self.inbound.get_mut(&place.conn) else { return };
        if let Some(waiting) = inbound.waiting.iter_mut().find(|waiting| waiting.number == place.number) {
            waiting.reply = Some(reply);
        }
        self.flush(place.conn);
    }

    fn flush(&mut self, conn: Conn) {
        loop {
            let Some(inbound) = self.inbound.get_mut(&conn) else { return };
            let Some(waiting) = inbound.waiting.pop_front_if(|waiting| waiting.reply.is_some()) else {
                return;
            };
            match waiting.reply {
                Some(Reply::Response(response)) => {
                    match encode_response(waiting.version, waiting.correlation_id, &response) {
                        Ok(bytes) => self.outputs.push_back(ConnOutput::Send(conn, bytes)),
                        Err(error) => self.refuse(conn, format!("no answer in this version: {error}")),
                    }
                }
                Some(Reply::None) | None => {}
                Some(Reply::Close(error)) => self.refuse(conn, error.to_string()),
            }
        }
    }

    /// A client's connection closes. A peer's stays: nothing would open it again, and its requests, named by their
    /// correlation ids, do without an answer to one of them.
    fn refuse(&mut self, conn: Conn, reason: String) {
        self.refusals.push_back(reason);
        if let Conn::Peer { .. } = conn {
            if mutated(Mutation::RefusedRequestClosesPeer) {
                self.inbound.remove(&conn);
            } else if let Some(inbound) = self.inbound.get_mut(&conn) {
                inbound.reader = FrameReader::new(self.frame_bytes_max);
            }
            return;
        }
        self.inbound.remove(&conn);
        self.outputs.push_back(ConnOutput::Close(conn));
    }

    /// Sends a request to a peer; fails at once when there is no connection.
    pub fn send(&mut self, now: Instant, request: PeerRequest) -> Result<(), PeerError> {
        let outbound = self.outbound.get_mut(&(request.to, request.lane)).ok_or(PeerError::Disconnected)?;
        let key = request.body.key();
        // Brokers of one cluster are of one build: both know the same versions.
        let version = supported_versions(key).map_or(0, |(_, max)| max);
        self.next_correlation_id = self.next_correlation_id.wrapping_add(1);
        let correlation_id = self.next_correlation_id;
        let bytes = match encode_request(version, correlation_id, Some("broker"), &request.body) {
            Ok(bytes) => bytes,
            Err(error) => panic!("a broker's request does not fit its version: {error}"),
        };
        let deadline = now + request.timeout;
        self.next_deadline = earliest(self.next_deadline, Some(deadline));
        outbound.in_flight.push_back(InFlight { correlation_id, id: request.id, key, version, deadline });
        let conn = Conn::Peer { broker: request.to, lane: request.lane, outbound: true };
        self.outputs.push_back(ConnOutput::Send(conn, bytes));
        Ok(())
    }

    /// Takes a response frame (with its length prefix) of an outbound connection.
    pub fn response(
        &mut self,
        broker: BrokerId,
        lane: Lane,
        frame: Bytes,
    ) -> Option<(RequestId, PeerResult)> {
        let outbound = self.outbound.get_mut(&(broker, lane))?;
        let body = frame.get(4..).map(|_| frame.slice(4..))?;
        let correlation_id = i32::from_be_bytes(body.get(..4)?.try_into().ok()?);
        // A late answer to a request that was given up finds nothing here.
        let at = outbound.in_flight.iter().position(|flight| flight.correlation_id == correlation_id)?;
        let flight = outbound.in_flight.remove(at)?;
        if self.next_deadline == Some(flight.deadline) {
            self.find_next_deadline();
        }
        let result = decode_response(flight.key, flight.version, body)
            .map(|(_, response)| response)
            .map_err(|_| PeerError::Undecodable);
        Some((flight.id, result))
    }

    /// Gives up requests whose deadline has passed.
    pub fn expire(&mut self, now: Instant) -> Vec<(BrokerId, Lane, RequestId)> {
        let mut expired = Vec::new();
        if self.next_deadline.is_none_or(|at| at > now) {
            return expired;
        }
        for (&(broker, lane), outbound) in &mut self.outbound {
            outbound.in_flight.retain(|flight| {
                let late = flight.deadline <= now;
                if late {
                    expired.push((broker, lane, flight.id));
                }
                !late
            });
        }
        self.find_next_deadline();
        expired
    }

    /// The next deadline of a request in flight.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    fn find_next_deadline(&mut self) {
        let in_flight = self.outbound.values().flat_map(|out| &out.in_flight);
        self.next_deadline = in_flight.map(|flight| flight.deadline).min();
    }

    /// Why a connection was closed by this broker.
    pub fn pop_refusal(&mut self) -> Option<String> {
        self.refusals.pop_front()
    }

    /// What the host is to do, in order.
    pub fn pop_output(&mut self) -> Option<ConnOutput> {
        self.outputs.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::protocol::Request;
    use crate::protocol::messages::{EndQuorumEpochRequest, EndQuorumEpochResponse};

    const VOTES: Conn = Conn::Peer { broker: BrokerId(2), lane: Lane::Quorum, outbound: false };

    fn asked(connections: &mut Connections, correlation_id: i32) -> Place {
        let request: Request = EndQuorumEpochRequest::default().into();
        let bytes = encode_request(0, correlation_id, Some("broker"), &request).unwrap();
        connections.received(VOTES, bytes)[0].0
    }

    fn answer() -> Reply {
        Reply::Response(EndQuorumEpochResponse::default().into())
    }

    #[test]
    fn what_a_peer_asked_before_it_ended_is_no_answer_to_what_it_asks_now() {
        let mut connections = Connections::new(1 << 20);
        connections.opened(VOTES);
        let before = asked(&mut connections, 7);
        connections.closed(VOTES);
        connections.opened(VOTES);
        let now = asked(&mut connections, 8);
        connections.reply(before, answer());
        assert_eq!(connections.pop_output(), None);
        connections.reply(now, answer());
        let Some(ConnOutput::Send(VOTES, bytes)) = connections.pop_output() else { panic!("no answer") };
        assert_eq!(bytes[4..8], 8_i32.to_be_bytes());
    }
}
