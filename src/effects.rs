//! What a part of the broker (quorum, replica manager, controller, coordinator) asks of the broker it lives in. One
//! `Effects` is filled during a turn and carried out at its end; parts never see connections.

use std::collections::VecDeque;

use crate::event::ClusterEvent;
use crate::log::io::{IoId, IoOp};
use crate::protocol::{ErrorCode, Request, Response};
use crate::time::Duration;
use crate::types::BrokerId;

/// Names one request that waits for its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyToken(pub u64);

/// Names one request sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A connection's purpose between two brokers. Responses keep the order of requests within a connection, so what may
/// wait long (a fetch) has one of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Vote, BeginQuorumEpoch, EndQuorumEpoch.
    Quorum,
    /// Fetch of the metadata log.
    QuorumFetch,
    /// Fetch of partitions.
    ReplicaFetch,
    /// Broker to controller: registration, heartbeat, AlterPartition, AllocateProducerIds.
    Control,
    /// Client requests forwarded to the controller (Envelope, KIP-590).
    Forward,
}

impl Lane {
    /// All lanes, by their number on the link.
    pub const ALL: [Lane; 5] =
        [Lane::Quorum, Lane::QuorumFetch, Lane::ReplicaFetch, Lane::Control, Lane::Forward];
}

/// A request to a peer.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerRequest {
    /// Its name.
    pub id: RequestId,
    /// Who is asked.
    pub to: BrokerId,
    /// On which connection.
    pub lane: Lane,
    /// What is asked.
    pub body: Request,
    /// It has failed with `PeerError::TimedOut` after this long.
    pub timeout: Duration,
}

/// Why a peer gave no answer. The request may have taken effect all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerError {
    /// No connection, or it closed while waiting.
    Disconnected,
    /// No answer within the request's timeout; a later one is dropped.
    TimedOut,
    /// The answer could not be read.
    Undecodable,
}

/// A peer's answer, or why there is none.
pub type PeerResult = Result<Response, PeerError>;

/// What a turn leads to.
#[derive(Debug, Default)]
pub struct Effects {
    next_io: u64,
    next_request: u64,
    /// Requests to peers.
    pub requests: VecDeque<PeerRequest>,
    /// Answers to parked requests.
    pub replies: VecDeque<(ReplyToken, Reply)>,
    /// Storage operations, in order.
    pub ios: VecDeque<(IoId, IoOp)>,
    /// Facts for the page.
    pub events: VecDeque<ClusterEvent>,
    /// Added up, never taken.
    pub counts: Counts,
}

/// What parts count, from the broker's start on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that clients' produces appended.
    pub messages_in: u64,
    /// Their bytes, as batches.
    pub bytes_in: u64,
    /// ISRs of partitions led here that became smaller.
    pub isr_shrinks: u64,
    /// ISRs of partitions led here that grew.
    pub isr_expands: u64,
}

/// How a request is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// With this response.
    Response(Response),
    /// Not at all (Produce with acks=0).
    None,
    /// The connection is closed: the request could not be answered in its own terms.
    Close(ErrorCode),
}

impl Effects {
    /// Asks a peer.
    pub fn request(&mut self, to: BrokerId, lane: Lane, body: Request, timeout: Duration) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        self.requests.push_back(PeerRequest { id, to, lane, body, timeout });
        id
    }

    /// Answers a request.
    pub fn reply(&mut self, token: ReplyToken, response: impl Into<Response>) {
        self.replies.push_back((token, Reply::Response(response.into())));
    }

    /// Submits a storage operation.
    pub fn submit(&mut self, op: IoOp) -> IoId {
        self.next_io += 1;
        let id = IoId(self.next_io);
        self.ios.push_back((id, op));
        id
    }

    /// True when nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.replies.is_empty() && self.ios.is_empty() && self.events.is_empty()
    }

    /// Tells the page.
    pub fn event(&mut self, event: ClusterEvent) {
        self.events.push_back(event);
    }
}
