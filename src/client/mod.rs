//! The client: producer, consumer, admin and copier, each a plain state machine over `Net`. Knows nothing of brokers but the
//! protocol, so it works against real ones as well.
//!
//! Each machine takes a `ClientInput` and gives `ClientOutput`s until `Wait`, as a broker does. Every call has a deadline
//! and is answered exactly once.

mod admin;
mod assignor;
mod consumer;
mod copier;
mod fetcher;
mod membership;
mod net;
mod partitioner;
mod producer;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::protocol::ErrorCode;
use crate::time::{Duration, Instant};

pub use admin::{Admin, AdminCall, AdminReply, ConfigChange, NewReplicas, NewTopic};
pub use assignor::Assignor;
pub use consumer::{Consumer, ConsumerCall, ConsumerEvent, ConsumerOptions, ConsumerReply, FetchedBatch};
pub use copier::{Copier, CopierCall, CopierReply, ReadBatches};
pub use net::{ConnId, NetError, NetOutput};
pub use partitioner::{Partitioner, murmur2, partition_of_key};
pub use producer::{Producer, ProducerCall, ProducerOptions, ProducerRecord, ProducerReply, SendResult};

/// Names one call of the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// What every client needs to know.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The client's name for itself.
    pub client_id: String,
    /// Where to begin: any of the cluster's brokers.
    pub bootstrap: Vec<(String, u16)>,
    /// A request unanswered for this long has failed.
    pub request_timeout: Duration,
}

/// What a host tells a client.
#[derive(Debug, Clone)]
pub enum ClientInput<C> {
    /// Do this; a `Reply` of this id follows.
    Call(CallId, C),
    /// A connection that was asked for is open.
    Opened(ConnId),
    /// A connection is gone, or could not be opened.
    Closed(ConnId),
    /// Bytes arrived, in any chunking.
    Bytes(ConnId, Bytes),
    /// Time has passed.
    Tick,
}

/// What a client asks of its host.
#[derive(Debug, Clone)]
pub enum ClientOutput<R, E> {
    /// For the network.
    Net(NetOutput),
    /// A call has ended.
    Reply(CallId, Result<R, ClientError>),
    /// Something happened that no call asked for.
    Event(E),
    /// Nothing more; hand in `Tick` at this time at the latest.
    Wait(Option<Instant>),
}

/// A producer, consumer or admin, as its host sees it.
pub trait Client {
    /// What it can be asked.
    type Call;
    /// What it answers.
    type Reply;
    /// What it tells unasked.
    type Event;

    /// Takes one input; what follows from it happens in the next `turn`.
    fn take(&mut self, now: Instant, input: ClientInput<Self::Call>);
    /// Everything that can go on, goes on. Calls taken together before it may share batches and requests.
    fn turn(&mut self, now: Instant);
    /// Takes one input and acts on it.
    fn handle(&mut self, now: Instant, input: ClientInput<Self::Call>) {
        self.take(now, input);
        self.turn(now);
    }
    /// What it wants, one thing a call, until `Wait`.
    fn poll_output(&mut self) -> ClientOutput<Self::Reply, Self::Event>;
}

/// What kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A broker answered with an error of Kafka's.
    Protocol(ErrorCode),
    /// No answer within the call's deadline. The call may have taken effect.
    Timeout,
    /// No broker could be reached within the call's deadline.
    Connection,
    /// The client was closed.
    Closed,
    /// The call itself is wrong.
    Invalid,
    /// The broker serves no version of an API that this client speaks.
    Unsupported,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// What kind of failure.
    pub kind: FailureKind,
    /// In words.
    pub message: String,
    /// The topic concerned.
    pub topic: Option<String>,
    /// The partition concerned.
    pub partition: Option<i32>,
}

impl ClientError {
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), topic: None, partition: None }
    }

    fn protocol(error: ErrorCode, message: Option<&str>) -> Self {
        let name = crate::protocol::error::wire_name(error);
        Self::new(FailureKind::Protocol(error), message.map_or(name, ToOwned::to_owned))
    }

    fn at(mut self, topic: &str, partition: Option<i32>) -> Self {
        self.topic = Some(topic.to_owned());
        self.partition = partition;
        self
    }

    /// True when the same call may succeed later.
    pub fn retriable(&self) -> bool {
        match self.kind {
            FailureKind::Protocol(error) => error.is_retriable(),
            FailureKind::Timeout | FailureKind::Connection => true,
            FailureKind::Closed | FailureKind::Invalid | FailureKind::Unsupported => false,
        }
    }
}

impl From<&NetError> for ClientError {
    fn from(error: &NetError) -> Self {
        match error {
            NetError::Unreachable => Self::new(FailureKind::Connection, "The broker could not be reached."),
            NetError::Disconnected => Self::new(FailureKind::Connection, "The connection was lost."),
            NetError::TimedOut => Self::new(FailureKind::Timeout, "The broker did not answer in time."),
            NetError::Undecodable => {
                Self::new(FailureKind::Connection, "The broker's answer could not be read.")
            }
            NetError::Unsupported(key) => {
                Self::new(FailureKind::Unsupported, format!("The broker does not serve {key:?} as needed."))
            }
        }
    }
}

/// Outputs of a machine that are not the network's.
#[derive(Debug)]
struct Outbox<R, E> {
    replies: VecDeque<(CallId, Result<R, ClientError>)>,
    events: VecDeque<E>,
}

impl<R, E> Default for Outbox<R, E> {
    fn default() -> Self {
        Self { replies: VecDeque::new(), events: VecDeque::new() }
    }
}

impl<R, E> Outbox<R, E> {
    fn reply(&mut self, call: CallId, result: Result<R, ClientError>) {
        self.replies.push_back((call, result));
    }

    fn pop(&mut self, net: &mut net::Net) -> Option<ClientOutput<R, E>> {
        if let Some(output) = net.pop_output() {
            return Some(ClientOutput::Net(output));
        }
        if let Some(event) = self.events.pop_front() {
            return Some(ClientOutput::Event(event));
        }
        self.replies.pop_front().map(|(call, result)| ClientOutput::Reply(call, result))
    }
}

/// A deadline that has passed and is still there waits for something else (a connection, metadata): looking again at once
/// would spin.
fn not_before(now: Instant, deadline: Option<Instant>) -> Option<Instant> {
    deadline.map(|at| at.max(now + Duration::from_millis(5)))
}

/// A wire topic name.
fn wire_topic(topic: &str) -> crate::protocol::messages::TopicName {
    crate::protocol::messages::TopicName(crate::protocol::StrBytes::from_string(topic.to_owned()))
}
