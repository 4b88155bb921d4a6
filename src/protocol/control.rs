//! Control records: the broker's own entries in a log. Key: version (i16, 0) and type (i16); the value's schema is the
//! type's.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::leader_change_message;
use kafka_protocol::messages::{self, LeaderChangeMessage};
use kafka_protocol::protocol::Encodable;

use crate::types::{BrokerId, Offset, Uuid};

use super::batch::BatchError;
use super::compact::{Malformed, Reader, Writer};
use super::records::{BatchBuilder, BatchOptions, decode_records};

/// The type of a leader change (KIP-595).
const LEADER_CHANGE: i16 = 2;
/// The types of a snapshot's first and last record (KIP-630).
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
/// The types of what makes voters dynamic (KIP-853).
const KRAFT_VERSION: i16 = 5;
const KRAFT_VOTERS: i16 = 6;

/// The listener's name in a voter's endpoints.
const LISTENER: &str = "PLAINTEXT";

/// A voter of the quorum, as the log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voter {
    /// Its id.
    pub id: BrokerId,
    /// Tells its storage from another that the same id had; nil while it has not said.
    pub directory: Uuid,
    /// Host and port, if it has said.
    pub endpoint: Option<(String, u16)>,
}

/// A control record of the metadata log's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRecord {
    /// SnapshotHeaderRecord: a snapshot begins.
    SnapshotHeader {
        /// The timestamp of the last record that it stands for, ms.
        last_timestamp: i64,
    },
    /// SnapshotFooterRecord: a snapshot is whole.
    SnapshotFooter,
    /// KRaftVersionRecord: 1 makes voters dynamic.
    KraftVersion(i16),
    /// VotersRecord: all voters, from this record on.
    Voters(Vec<Voter>),
}

/// The batch with which a quorum's leader begins its epoch.
pub fn leader_change(timestamp: i64, leader: BrokerId, voters: &[BrokerId], granted: &[BrokerId]) -> Bytes {
    let voter = |id: &BrokerId| leader_change_message::Voter::default().with_voter_id(id.0);
    let list = |ids: &[BrokerId]| ids.iter().map(voter).collect();
    let message = LeaderChangeMessage::default()
        .with_version(0)
        .with_leader_id(messages::BrokerId(leader.0))
        .with_voters(list(voters))
        .with_granting_voters(list(granted));
    let mut value = BytesMut::new();
    if let Err(error) = message.encode(&mut value, 0) {
        panic!("a leader change of plain ids can't be written: {error}");
    }
    batch_of(timestamp, [(LEADER_CHANGE, value.to_vec())])
}

/// One batch of control records.
pub fn control_batch(timestamp: i64, records: &[ControlRecord]) -> Bytes {
    batch_of(timestamp, records.iter().map(ControlRecord::encode))
}

fn batch_of(timestamp: i64, records: impl IntoIterator<Item = (i16, Vec<u8>)>) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions { control: true, ..BatchOptions::default() });
    for (kind, value) in records {
        let mut key = [0u8; 4];
        key[2..].copy_from_slice(&kind.to_be_bytes());
        batch.push(timestamp, Some(&key), Some(&value), &[]);
    }
    batch.build()
}

/// The records of a control batch with their offsets; those of other types are left out.
pub fn read_control(batch: &Bytes) -> Result<Vec<(Offset, ControlRecord)>, BatchError> {
    let mut found = Vec::new();
    for record in decode_records(batch)? {
        let (Some([_, _, kind @ ..]), Some(value)) = (record.key.as_deref(), record.value.as_deref()) else {
            return Err(BatchError::Records("a control record without key or value"));
        };
        let kind = <[u8; 2]>::try_from(kind).map(i16::from_be_bytes);
        let kind = kind.map_err(|_| BatchError::Records("a control record's key has another size"))?;
        let decoded = ControlRecord::decode(kind, value);
        let decoded = decoded.map_err(|_| BatchError::Records("a control record can't be read"))?;
        found.extend(decoded.map(|decoded| (record.offset, decoded)));
    }
    Ok(found)
}

impl ControlRecord {
    fn encode(&self) -> (i16, Vec<u8>) {
        let mut w = Writer::default();
        w.i16(0);
        let kind = match self {
            ControlRecord::SnapshotHeader { last_timestamp } => {
                w.i64(*last_timestamp);
                SNAPSHOT_HEADER
            }
            ControlRecord::SnapshotFooter => SNAPSHOT_FOOTER,
            ControlRecord::KraftVersion(version) => {
                w.i16(*version);
                KRAFT_VERSION
            }
            ControlRecord::Voters(voters) => {
                w.array(voters, |w, voter| {
                    w.i32(voter.id.0);
                    w.uuid(voter.directory);
                    w.array(voter.endpoint.as_slice(), |w, (host, port)| {
                        w.string(LISTENER);
                        w.string(host);
                        w.u16(*port);
                        w.no_tags();
                    });
                    // The versions of `kraft.version` that it can do.
                    w.i16(0);
                    w.i16(1);
                    w.no_tags();
                    w.no_tags();
                });
                KRAFT_VOTERS
            }
        };
        w.no_tags();
        (kind, w.finish())
    }

    fn decode(kind: i16, value: &[u8]) -> Result<Option<ControlRecord>, Malformed> {
        let mut r = Reader::new(value);
        let version = r.i16()?;
        let record = match kind {
            SNAPSHOT_HEADER => ControlRecord::SnapshotHeader { last_timestamp: r.i64()? },
            SNAPSHOT_FOOTER => ControlRecord::SnapshotFooter,
            KRAFT_VERSION => ControlRecord::KraftVersion(r.i16()?),
            KRAFT_VOTERS => ControlRecord::Voters(r.array(read_voter)?),
            _ => return Ok(None),
        };
        if version == 0 { Ok(Some(record)) } else { Err(Malformed) }
    }
}

fn read_voter(r: &mut Reader<'_>) -> Result<Voter, Malformed> {
    let (id, directory) = (BrokerId(r.i32()?), r.uuid()?);
    let endpoints = r.array(|r| {
        r.string()?;
        let place = (r.string()?, r.u16()?);
        r.tagged()?;
        Ok(place)
    })?;
    let (_min, _max) = (r.i16()?, r.i16()?);
    r.tagged()?;
    r.tagged()?;
    Ok(Voter { id, directory, endpoint: endpoints.into_iter().next() })
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{SnapshotHeaderRecord, VotersRecord};
    use kafka_protocol::protocol::Decodable;

    use super::*;

    fn samples() -> Vec<ControlRecord> {
        let endpoint = Some(("broker-1".to_owned(), 9092));
        vec![
            ControlRecord::SnapshotHeader { last_timestamp: 7 },
            ControlRecord::KraftVersion(1),
            ControlRecord::Voters(vec![
                Voter { id: BrokerId(1), directory: Uuid::from_u128(9), endpoint },
                Voter { id: BrokerId(2), directory: Uuid::nil(), endpoint: None },
            ]),
            ControlRecord::SnapshotFooter,
        ]
    }

    #[test]
    fn control_records_are_read_as_they_were_written() {
        let read = read_control(&control_batch(5, &samples())).unwrap();
        assert_eq!(read.iter().map(|(offset, _)| offset.0).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(read.into_iter().map(|(_, record)| record).collect::<Vec<_>>(), samples());
        let change = leader_change(5, BrokerId(1), &[BrokerId(1)], &[BrokerId(1)]);
        assert_eq!(read_control(&change), Ok(Vec::new()));
    }

    #[test]
    fn control_records_have_kafkas_schemas() {
        let samples = samples();
        let header = SnapshotHeaderRecord::decode(&mut Bytes::from(samples[0].encode().1), 0).unwrap();
        assert_eq!((header.version, header.last_contained_log_timestamp), (0, 7));
        let voters = VotersRecord::decode(&mut Bytes::from(samples[2].encode().1), 0).unwrap();
        let first = &voters.voters[0];
        assert_eq!((first.voter_id.0, first.voter_directory_id), (1, Uuid::from_u128(9)));
        assert_eq!((first.endpoints[0].host.as_str(), first.endpoints[0].port), ("broker-1", 9092));
        assert_eq!((first.k_raft_version_feature.max_supported_version, voters.voters.len()), (1, 2));
    }
}
