//! Kafka's error codes: the wire's whole table, as kafka-protocol has it, under our name.

pub use kafka_protocol::error::ResponseError as ErrorCode;

/// The code on the wire: 0 for none.
pub fn code_of(error: Option<ErrorCode>) -> i16 {
    error.map_or(0, |error| error.code())
}

/// Kafka's own name of an error, `NOT_LEADER_OR_FOLLOWER`.
pub fn wire_name(error: ErrorCode) -> String {
    let mut name = String::new();
    for c in error.to_string().chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
