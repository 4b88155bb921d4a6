//! Control records: the broker's own entries in a log. Key: version (i16, 0) and type (i16); the value's schema is the
//! type's.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::leader_change_message::Voter;
use kafka_protocol::messages::{self, LeaderChangeMessage};
use kafka_protocol::protocol::Encodable;

use crate::types::BrokerId;

use super::records::{BatchBuilder, BatchOptions};

/// The type of a leader change (KIP-595).
const LEADER_CHANGE: i16 = 2;

/// The batch with which a quorum's leader begins its epoch.
pub fn leader_change(timestamp: i64, leader: BrokerId, voters: &[BrokerId], granted: &[BrokerId]) -> Bytes {
    let list = |ids: &[BrokerId]| ids.iter().map(|id| Voter::default().with_voter_id(id.0)).collect();
    let message = LeaderChangeMessage::default()
        .with_version(0)
        .with_leader_id(messages::BrokerId(leader.0))
        .with_voters(list(voters))
        .with_granting_voters(list(granted));
    let mut value = BytesMut::new();
    if let Err(error) = message.encode(&mut value, 0) {
        panic!("a leader change of plain ids can't be written: {error}");
    }
    let mut key = [0u8; 4];
    key[2..].copy_from_slice(&LEADER_CHANGE.to_be_bytes());
    let mut batch = BatchBuilder::new(BatchOptions { control: true, ..BatchOptions::default() });
    batch.push(timestamp, Some(&key), Some(&value), &[]);
    batch.build()
}
