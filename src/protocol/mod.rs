//! The Kafka protocol: frames, API keys and versions, requests and responses, error codes, record batches.
//!
//! Message bodies are the `kafka-protocol` crate's (schemas of Kafka 4.1), re-exported as `messages`; everything that
//! can go wrong in reading them ends here as a `DecodeError`.

mod api;
pub mod batch;
pub mod compact;
pub mod compacted;
pub mod compression;
pub mod consumer_protocol;
pub mod control;
pub mod error;
pub mod fetch_session;
pub mod frame;
mod guard;
pub mod records;

pub use api::{ApiKey, DecodeError, Request, RequestFrame, Response, decode_request, decode_response};
pub use api::{advertised_versions, encode_request, encode_response, internal_only, supported_versions};
pub use error::ErrorCode;
pub use kafka_protocol::messages;
pub use kafka_protocol::protocol::StrBytes;
