//! What members of a consumer group tell each other through the coordinator (the "consumer" embedded protocol): their
//! subscriptions and their assignments, each after its version (i16).

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition;
use kafka_protocol::messages::{self, ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::sorted::SortedMap;
use crate::types::TopicName;

use super::guard::read_body;

const VERSION: i16 = 0;
/// Later versions only add fields at the end, which are left unread.
const VERSION_MAX: i16 = 3;

/// A member's subscription.
pub fn encode_subscription(topics: &[TopicName]) -> Bytes {
    let names = topics.iter().map(|topic| StrBytes::from_string(topic.to_string())).collect();
    write(&ConsumerProtocolSubscription::default().with_topics(names))
}

/// The topics of a member's subscription; none when it can't be read.
pub fn decode_subscription(bytes: &Bytes) -> Option<Vec<TopicName>> {
    let subscription: ConsumerProtocolSubscription = read(bytes)?;
    Some(subscription.topics.iter().map(|topic| TopicName::from(topic.as_str())).collect())
}

/// A member's share.
pub fn encode_assignment(share: &SortedMap<TopicName, Vec<i32>>) -> Bytes {
    let topics = share.iter().map(|(topic, partitions)| {
        TopicPartition::default()
            .with_topic(messages::TopicName(StrBytes::from_string(topic.to_string())))
            .with_partitions(partitions.clone())
    });
    write(&ConsumerProtocolAssignment::default().with_assigned_partitions(topics.collect()))
}

/// A member's share; none when it can't be read. No bytes are an empty share.
pub fn decode_assignment(bytes: &Bytes) -> Option<SortedMap<TopicName, Vec<i32>>> {
    if bytes.is_empty() {
        return Some(SortedMap::new());
    }
    let assignment: ConsumerProtocolAssignment = read(bytes)?;
    let share = assignment.assigned_partitions.into_iter();
    Some(share.map(|topic| (TopicName::from(topic.topic.as_str()), topic.partitions)).collect())
}

fn write(message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    if let Err(error) = message.encode(&mut bytes, VERSION) {
        panic!("names and numbers can't be written: {error}");
    }
    bytes.freeze()
}

fn read<M: Decodable>(bytes: &Bytes) -> Option<M> {
    let mut rest = bytes.clone();
    let version = rest.try_get_i16().ok()?;
    let version = version.clamp(VERSION, VERSION_MAX);
    read_body(&rest, |buf| M::decode(buf, version).map_err(|error| error.to_string())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_and_assignments_come_back_as_they_went() {
        let topics = vec![TopicName::from("a"), TopicName::from("b")];
        assert_eq!(decode_subscription(&encode_subscription(&topics)), Some(topics));
        let share = SortedMap::from([(TopicName::from("a"), vec![0, 2])]);
        assert_eq!(decode_assignment(&encode_assignment(&share)), Some(share));
        assert_eq!(decode_subscription(&Bytes::from_static(&[0, 0, 0x7f, 0xff])), None);
    }
}
