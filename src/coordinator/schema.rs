//! The records of `__consumer_offsets`, in Kafka's own schemas (its `group-coordinator` module), so that Kafka's tools
//! read them. Keys and values each begin with their schema's version as an int16.
//!
//! ```text
//! OffsetCommitKey 1      group string, topic string, partition int32
//! OffsetCommitValue 3    offset int64, leader epoch int32, metadata string, commit timestamp int64
//! OffsetCommitValue 1    offset int64, metadata string, commit timestamp int64, expire timestamp int64
//! GroupMetadataKey 2     group string
//! GroupMetadataValue 3   protocol type string, generation int32, protocol nullable string, leader nullable string,
//!                        state timestamp int64, members array of:
//!                          member id string, instance id nullable string, client id string, client host string,
//!                          rebalance timeout int32, session timeout int32, subscription bytes, assignment bytes
//! ```
//!
//! Written are the versions above, as Kafka 4.1 does; read are all versions (values 0-4). A null value is a tombstone.

use bytes::Bytes;

use crate::types::{Generation, LeaderEpoch, Offset, PartitionIndex, TopicName};

/// A record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaError {
    /// The bytes end before the schema does.
    CutShort,
    /// A value of a version that is not known.
    UnknownVersion(i16),
    /// A field can't have this value.
    Invalid(&'static str),
}

/// One record of `__consumer_offsets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRecord {
    /// A group's offset in a partition.
    Offset {
        /// The group.
        group: String,
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: PartitionIndex,
        /// The offset; none is a tombstone.
        value: Option<OffsetValue>,
    },
    /// A classic group's metadata.
    Group {
        /// The group.
        group: String,
        /// The metadata; none is a tombstone.
        value: Option<GroupValue>,
    },
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetValue {
    /// The next offset the group will read.
    pub offset: Offset,
    /// The leader epoch of the record before it, as the consumer knows it (KIP-320).
    pub leader_epoch: Option<LeaderEpoch>,
    /// The consumer's own words.
    pub metadata: String,
    /// When it was committed, in ms since the Unix epoch.
    pub commit_timestamp: i64,
    /// When it goes, in ms since the Unix epoch, if the commit said so (OffsetCommit 2-4).
    pub expire_timestamp: Option<i64>,
}

/// A classic group, as of one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupValue {
    /// `consumer`, `connect`...; empty for a group that never had members.
    pub protocol_type: String,
    /// The generation.
    pub generation: Generation,
    /// The protocol (assignor) selected.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: Option<String>,
    /// When the group came into its state, in ms since the Unix epoch.
    pub state_timestamp: Option<i64>,
    /// The members.
    pub members: Vec<MemberValue>,
}

/// A member within `GroupValue`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberValue {
    /// The member id.
    pub member_id: String,
    /// A static member's name (KIP-345).
    pub instance_id: Option<String>,
    /// The client's name for itself.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// Absent in version 0.
    pub rebalance_timeout_ms: Option<i32>,
    /// The session timeout.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol selected; opaque.
    pub subscription: Bytes,
    /// What the leader assigned to it; opaque.
    pub assignment: Bytes,
}

impl GroupRecord {
    /// Key and value as bytes.
    pub fn encode(&self) -> (Bytes, Option<Bytes>) {
        match self {
            GroupRecord::Offset { group, topic, partition, value } => {
                let mut key = Writer::new(1);
                key.string(group);
                key.string(topic.as_str());
                key.int32(partition.0);
                (key.finish(), value.as_ref().map(encode_offset))
            }
            GroupRecord::Group { group, value } => {
                let mut key = Writer::new(2);
                key.string(group);
                (key.finish(), value.as_ref().map(encode_group))
            }
        }
    }

    /// Reads a record; none for a kind that is not a classic group's (KIP-848 and share groups use key versions from 3).
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, SchemaError> {
        let mut reader = Reader { bytes: key, flexible: false };
        Ok(match reader.int16()? {
            0 | 1 => Some(GroupRecord::Offset {
                group: reader.string()?,
                topic: TopicName::from(reader.string()?.as_str()),
                partition: PartitionIndex(reader.int32()?),
                value: value.map(decode_offset).transpose()?,
            }),
            2 => Some(GroupRecord::Group {
                group: reader.string()?,
                value: value.map(decode_group).transpose()?,
            }),
            _ => None,
        })
    }
}

fn encode_offset(value: &OffsetValue) -> Bytes {
    let version = if value.expire_timestamp.is_some() { 1 } else { 3 };
    let mut writer = Writer::new(version);
    writer.int64(value.offset.0);
    if version == 3 {
        writer.int32(value.leader_epoch.map_or(-1, |epoch| epoch.0));
    }
    writer.string(&value.metadata);
    writer.int64(value.commit_timestamp);
    if let Some(expire) = value.expire_timestamp {
        writer.int64(expire);
    }
    writer.finish()
}

fn decode_offset(bytes: &[u8]) -> Result<OffsetValue, SchemaError> {
    let (mut reader, version) = Reader::value(bytes)?;
    let offset = Offset(reader.int64()?);
    let leader_epoch = if version >= 3 { reader.int32()? } else { -1 };
    let metadata = reader.string()?;
    let commit_timestamp = reader.int64()?;
    let expire_timestamp = if version == 1 { reader.int64()? } else { -1 };
    Ok(OffsetValue {
        offset,
        leader_epoch: (leader_epoch >= 0).then_some(LeaderEpoch(leader_epoch)),
        metadata,
        commit_timestamp,
        expire_timestamp: (expire_timestamp != -1).then_some(expire_timestamp),
    })
}

fn encode_group(value: &GroupValue) -> Bytes {
    let mut writer = Writer::new(3);
    writer.string(&value.protocol_type);
    writer.int32(value.generation.0);
    writer.nullable(value.protocol.as_deref());
    writer.nullable(value.leader.as_deref());
    writer.int64(value.state_timestamp.unwrap_or(-1));
    writer.int32(value.members.len() as i32);
    for member in &value.members {
        writer.string(&member.member_id);
        writer.nullable(member.instance_id.as_deref());
        writer.string(&member.client_id);
        writer.string(&member.client_host);
        writer.int32(member.rebalance_timeout_ms.unwrap_or(-1));
        writer.int32(member.session_timeout_ms);
        writer.bytes(&member.subscription);
        writer.bytes(&member.assignment);
    }
    writer.finish()
}

fn decode_group(bytes: &[u8]) -> Result<GroupValue, SchemaError> {
    let (mut reader, version) = Reader::value(bytes)?;
    let protocol_type = reader.string()?;
    let generation = Generation(reader.int32()?);
    let protocol = reader.nullable()?;
    let leader = reader.nullable()?;
    let state_timestamp = if version >= 2 { reader.int64()? } else { -1 };
    let mut members = Vec::new();
    for _ in 0..reader.count()? {
        members.push(decode_member(&mut reader, version)?);
    }
    Ok(GroupValue {
        protocol_type,
        generation,
        protocol,
        leader,
        state_timestamp: (state_timestamp != -1).then_some(state_timestamp),
        members,
    })
}

fn decode_member(reader: &mut Reader<'_>, version: i16) -> Result<MemberValue, SchemaError> {
    let member = MemberValue {
        member_id: reader.string()?,
        instance_id: if version >= 3 { reader.nullable()? } else { None },
        client_id: reader.string()?,
        client_host: reader.string()?,
        rebalance_timeout_ms: match version {
            0 => None,
            _ => Some(reader.int32()?).filter(|timeout| *timeout != -1),
        },
        session_timeout_ms: reader.int32()?,
        subscription: reader.bytes()?,
        assignment: reader.bytes()?,
    };
    reader.tagged_fields()?;
    Ok(member)
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn new(version: i16) -> Self {
        Self { bytes: version.to_be_bytes().to_vec() }
    }

    fn int32(&mut self, value: i32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn int64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    fn string(&mut self, text: &str) {
        // Requests with longer strings are refused before they come here (`errors::fits_schema`).
        assert!(text.len() <= i16::MAX as usize, "a string of {} bytes in a group record", text.len());
        self.bytes.extend_from_slice(&(text.len() as i16).to_be_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn nullable(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.bytes.extend_from_slice(&(-1i16).to_be_bytes()),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.int32(bytes.len() as i32);
        self.bytes.extend_from_slice(bytes);
    }

    fn finish(self) -> Bytes {
        Bytes::from(self.bytes)
    }
}

/// Reads both encodings: the fixed one, and the flexible one of version 4 (compact lengths, tagged fields).
struct Reader<'a> {
    bytes: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    fn value(bytes: &'a [u8]) -> Result<(Self, i16), SchemaError> {
        let mut reader = Reader { bytes, flexible: false };
        let version = reader.int16()?;
        reader.flexible = version == 4;
        match version {
            0..=4 => Ok((reader, version)),
            _ => Err(SchemaError::UnknownVersion(version)),
        }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], SchemaError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(SchemaError::CutShort)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], SchemaError> {
        self.take(N)?.first_chunk().copied().ok_or(SchemaError::CutShort)
    }

    fn int16(&mut self) -> Result<i16, SchemaError> {
        self.array().map(i16::from_be_bytes)
    }

    fn int32(&mut self) -> Result<i32, SchemaError> {
        self.array().map(i32::from_be_bytes)
    }

    fn int64(&mut self) -> Result<i64, SchemaError> {
        self.array().map(i64::from_be_bytes)
    }

    fn unsigned_varint(&mut self) -> Result<usize, SchemaError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.array()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value as usize);
            }
        }
        Err(SchemaError::Invalid("a varint does not end"))
    }

    fn string(&mut self) -> Result<String, SchemaError> {
        self.nullable()?.ok_or(SchemaError::Invalid("null where a string must be"))
    }

    fn nullable(&mut self) -> Result<Option<String>, SchemaError> {
        let length = match self.flexible {
            true => self.unsigned_varint()?.checked_sub(1),
            false => usize::try_from(self.int16()?).ok(),
        };
        let Some(length) = length else { return Ok(None) };
        let text = std::str::from_utf8(self.take(length)?);
        text.map(|text| Some(text.to_owned())).map_err(|_| SchemaError::Invalid("a string is not UTF-8"))
    }

    fn count(&mut self) -> Result<usize, SchemaError> {
        let count = match self.flexible {
            true => self.unsigned_varint()?.checked_sub(1),
            false => usize::try_from(self.int32()?).ok(),
        };
        count.ok_or(SchemaError::Invalid("null where an array must be"))
    }

    fn bytes(&mut self) -> Result<Bytes, SchemaError> {
        let length = self.count()?;
        self.take(length).map(Bytes::copy_from_slice)
    }

    /// Tagged fields are none of those known here; they are passed over.
    fn tagged_fields(&mut self) -> Result<(), SchemaError> {
        if self.flexible {
            for _ in 0..self.unsigned_varint()? {
                self.unsigned_varint()?;
                let length = self.unsigned_varint()?;
                self.take(length)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Bytes {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn offset(expire_timestamp: Option<i64>) -> GroupRecord {
        GroupRecord::Offset {
            group: "g1".into(),
            topic: "orders".into(),
            partition: PartitionIndex(3),
            value: Some(OffsetValue {
                offset: Offset(258),
                leader_epoch: expire_timestamp.is_none().then_some(LeaderEpoch(5)),
                metadata: "m".into(),
                commit_timestamp: 1_700_000_000_000,
                expire_timestamp,
            }),
        }
    }

    fn group() -> GroupRecord {
        GroupRecord::Group {
            group: "g1".into(),
            value: Some(GroupValue {
                protocol_type: "consumer".into(),
                generation: Generation(7),
                protocol: Some("range".into()),
                leader: Some("c-1".into()),
                state_timestamp: Some(1),
                members: vec![MemberValue {
                    member_id: "c-1".into(),
                    instance_id: None,
                    client_id: "c".into(),
                    client_host: "/h".into(),
                    rebalance_timeout_ms: Some(60_000),
                    session_timeout_ms: 10_000,
                    subscription: Bytes::from_static(&[0xAA, 0xBB]),
                    assignment: Bytes::from_static(&[0xCC]),
                }],
            }),
        }
    }

    fn round_trip(record: &GroupRecord) {
        let (key, value) = record.encode();
        assert_eq!(GroupRecord::decode(&key, value.as_deref()).unwrap().as_ref(), Some(record));
    }

    #[test]
    fn an_offset_commit_is_byte_for_byte_kafkas_key_1_and_value_3() {
        let (key, value) = offset(None).encode();
        assert_eq!(key, hex("0001 0002 6731 0006 6f7264657273 00000003"));
        assert_eq!(value.unwrap(), hex("0003 0000000000000102 00000005 0001 6d 0000018bcfe56800"));
        round_trip(&offset(None));
    }

    #[test]
    fn an_offset_with_its_own_expiry_is_written_as_value_1() {
        let (_, value) = offset(Some(2)).encode();
        let expected = "0001 0000000000000102 0001 6d 0000018bcfe56800 0000000000000002";
        assert_eq!(value.unwrap(), hex(expected));
        round_trip(&offset(Some(2)));
    }

    #[test]
    fn a_group_is_byte_for_byte_kafkas_key_2_and_value_3() {
        let (key, value) = group().encode();
        assert_eq!(key, hex("0002 0002 6731"));
        let expected = "0003 0008 636f6e73756d6572 00000007 0005 72616e6765 0003 632d31 0000000000000001 00000001 \
             0003 632d31 ffff 0001 63 0002 2f68 0000ea60 00002710 00000002 aabb 00000001 cc";
        assert_eq!(value.unwrap(), hex(expected));
        round_trip(&group());
    }

    #[test]
    fn a_tombstone_is_a_key_without_a_value() {
        let record = GroupRecord::Group { group: "g1".into(), value: None };
        assert_eq!(record.encode(), (hex("0002 0002 6731"), None));
        round_trip(&record);
    }

    #[test]
    fn older_and_flexible_versions_are_read() {
        let key = hex("0001 0001 67 0001 74 00000000");
        let value_of = |text: &str| match GroupRecord::decode(&key, Some(&hex(text))).unwrap() {
            Some(GroupRecord::Offset { value: Some(value), .. }) => value,
            other => panic!("{other:?}"),
        };
        assert_eq!(value_of("0000 0000000000000009 0000 0000000000000005").offset, Offset(9));
        assert_eq!(value_of("0002 0000000000000009 0000 0000000000000005").commit_timestamp, 5);
        let flexible = value_of("0004 0000000000000009 00000001 02 6d 0000000000000005 00");
        assert_eq!((flexible.leader_epoch, flexible.metadata.as_str()), (Some(LeaderEpoch(1)), "m"));

        let key = hex("0002 0001 67");
        let version_0 =
            "0000 0001 63 00000001 ffff ffff 00000001 0001 6d 0001 63 0001 68 00002710 00000000 00000000";
        let version_4 = "0004 02 63 00000001 00 00 0000000000000001 02 02 6d 00 02 63 02 68 0000ea60 00002710 01 01 00 00";
        for (text, rebalance) in [(version_0, None), (version_4, Some(60_000))] {
            match GroupRecord::decode(&key, Some(&hex(text))).unwrap() {
                Some(GroupRecord::Group { value: Some(value), .. }) => {
                    assert_eq!(value.members[0].rebalance_timeout_ms, rebalance);
                    assert_eq!(value.members[0].session_timeout_ms, 10_000);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_of_another_kind_is_no_panic() {
        let (key, value) = group().encode();
        let value = value.unwrap();
        for end in 0..value.len() {
            assert!(GroupRecord::decode(&key, Some(&value[..end])).is_err());
        }
        assert_eq!(GroupRecord::decode(&hex("0003 0001 67"), None), Ok(None));
        assert_eq!(GroupRecord::decode(&key, Some(&hex("0009"))), Err(SchemaError::UnknownVersion(9)));
    }
}
