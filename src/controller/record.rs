//! The records of `__cluster_metadata`, in the schemas of Kafka's `metadata` module, so that Kafka's own tools can read
//! the log. A record's value is: frame version (unsigned varint, 1), type, version (both unsigned varints), then the
//! fields in Kafka's flexible encoding.

use bytes::Bytes;

use crate::protocol::compact::{Malformed, Reader, Writer};
use crate::types::{
    BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, ProducerId, TopicId, TopicName, Uuid,
};

use super::partition::{PartitionChange, PartitionState};

const FRAME_VERSION: u32 = 1;
/// The `securityProtocol` of the only listener.
const PLAINTEXT: i16 = 0;
/// The leader field's word for "did not change".
const LEADER_UNCHANGED: i32 = -2;
const NO_LEADER: i32 = -1;
/// The version of partition records that has eligible leader replicas.
const ELR_VERSION: u32 = 2;
/// A replica's log directory, where there are none (Kafka's `DirectoryId.UNASSIGNED`).
const UNASSIGNED: Uuid = Uuid::nil();

/// One change of the cluster's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataRecord {
    /// RegisterBrokerRecord (0), version 1: a new incarnation of a broker.
    RegisterBroker {
        /// The broker.
        id: BrokerId,
        /// Tells this life of it from others.
        incarnation: Uuid,
        /// The offset of this record.
        epoch: BrokerEpoch,
        /// Where clients find it.
        host: String,
        /// Where clients find it.
        port: u16,
        /// Its rack.
        rack: Option<String>,
        /// True until it has caught up.
        fenced: bool,
    },
    /// TopicRecord (2), version 0.
    Topic {
        /// Its name.
        name: TopicName,
        /// Its id.
        id: TopicId,
    },
    /// PartitionRecord (3), version 0; version 2 with eligible leader replicas.
    Partition {
        /// The topic.
        topic: TopicId,
        /// The partition.
        partition: PartitionIndex,
        /// All of it.
        state: PartitionState,
    },
    /// ConfigRecord (4), version 0: one config of one resource; without a value its default again.
    Config {
        /// Whose.
        resource: Resource,
        /// The config.
        name: String,
        /// The value.
        value: Option<String>,
    },
    /// PartitionChangeRecord (5), version 0; version 2 with eligible leader replicas.
    PartitionChange {
        /// The topic.
        topic: TopicId,
        /// The partition.
        partition: PartitionIndex,
        /// What changes.
        change: PartitionChange,
    },
    /// UnregisterBrokerRecord (1), version 0: the broker is no more.
    UnregisterBroker {
        /// The broker.
        id: BrokerId,
        /// The epoch of the registration that ends.
        epoch: BrokerEpoch,
    },
    /// FeatureLevelRecord (12), version 0: a feature in force for the cluster (KIP-584).
    FeatureLevel {
        /// Its name.
        name: String,
        /// Its level; 0 switches it off.
        level: i16,
    },
    /// RemoveTopicRecord (9), version 0.
    RemoveTopic {
        /// The topic.
        id: TopicId,
    },
    /// ProducerIdsRecord (15), version 0: ids below `next` are given out.
    ProducerIds {
        /// Who got the block.
        broker: BrokerId,
        /// Its epoch.
        epoch: BrokerEpoch,
        /// The first id of the next block.
        next: ProducerId,
    },
    /// BrokerRegistrationChangeRecord (17), version 1.
    BrokerRegistrationChange {
        /// The broker.
        id: BrokerId,
        /// Its epoch.
        epoch: BrokerEpoch,
        /// Fenced or unfenced, if that changed.
        fenced: Option<bool>,
        /// True when it now is in controlled shutdown.
        in_controlled_shutdown: bool,
    },
    /// NoOpRecord (20), version 0.
    NoOp,
}

/// What a config belongs to (Kafka's `ConfigResource.Type`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// 2: a topic, by name.
    Topic(TopicName),
    /// 4: a broker; none for the default of all.
    Broker(Option<BrokerId>),
}

impl MetadataRecord {
    /// As the value of a record.
    pub fn encode(&self) -> Bytes {
        let mut w = Writer::default();
        let (kind, version) = self.kind();
        w.varint(FRAME_VERSION);
        w.varint(kind);
        w.varint(version);
        self.write(&mut w);
        Bytes::from(w.finish())
    }

    fn kind(&self) -> (u32, u32) {
        match self {
            MetadataRecord::RegisterBroker { .. } => (0, 1),
            MetadataRecord::UnregisterBroker { .. } => (1, 0),
            MetadataRecord::Topic { .. } => (2, 0),
            MetadataRecord::Partition { state, .. } => {
                (3, if state.elr.is_empty() && state.last_known_elr.is_empty() { 0 } else { ELR_VERSION })
            }
            MetadataRecord::Config { .. } => (4, 0),
            MetadataRecord::PartitionChange { change, .. } => {
                (5, if change.elr.is_none() && change.last_known_elr.is_none() { 0 } else { ELR_VERSION })
            }
            MetadataRecord::RemoveTopic { .. } => (9, 0),
            MetadataRecord::FeatureLevel { .. } => (12, 0),
            MetadataRecord::ProducerIds { .. } => (15, 0),
            MetadataRecord::BrokerRegistrationChange { .. } => (17, 1),
            MetadataRecord::NoOp => (20, 0),
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            MetadataRecord::RegisterBroker { id, incarnation, epoch, host, port, rack, fenced } => {
                w.i32(id.0);
                w.uuid(*incarnation);
                w.i64(epoch.0);
                w.array(&[()], |w, ()| {
                    w.string("PLAINTEXT");
                    w.string(host);
                    w.u16(*port);
                    w.i16(PLAINTEXT);
                    w.no_tags();
                });
                w.array::<()>(&[], |_, ()| {});
                w.nullable_string(rack.as_deref());
                w.bool(*fenced);
                w.bool(false);
                w.no_tags();
            }
            MetadataRecord::Topic { name, id } => {
                w.string(name.as_str());
                w.uuid(id.0);
                w.no_tags();
            }
            MetadataRecord::Partition { topic, partition, state } => {
                w.i32(partition.0);
                w.uuid(topic.0);
                write_ids(w, &state.replicas);
                write_ids(w, &state.isr);
                write_ids(w, &state.removing);
                write_ids(w, &state.adding);
                w.i32(state.leader.map_or(NO_LEADER, |id| id.0));
                w.i32(state.leader_epoch.0);
                w.i32(state.partition_epoch.0);
                let elr = [(1, &state.elr), (2, &state.last_known_elr)];
                let elr = elr.into_iter().filter(|(_, ids)| !ids.is_empty());
                let tags: Vec<(u32, Writer)> = elr.map(|(tag, ids)| (tag, ids_field(ids))).collect();
                if !tags.is_empty() {
                    w.array(&state.replicas, |w, _| w.uuid(UNASSIGNED));
                }
                w.tagged(tags);
            }
            MetadataRecord::Config { resource, name, value } => {
                let (kind, of) = match resource {
                    Resource::Topic(name) => (2, name.to_string()),
                    Resource::Broker(id) => (4, id.map(|id| id.to_string()).unwrap_or_default()),
                };
                w.i8(kind);
                w.string(&of);
                w.string(name);
                w.nullable_string(value.as_deref());
                w.no_tags();
            }
            MetadataRecord::PartitionChange { topic, partition, change } => {
                w.i32(partition.0);
                w.uuid(topic.0);
                let leader = change.leader.map(|leader| {
                    let mut field = Writer::default();
                    field.i32(leader.map_or(NO_LEADER, |id| id.0));
                    field
                });
                let ids = |ids: &Option<Vec<BrokerId>>| ids.as_ref().map(|ids| ids_field(ids));
                let fields = [
                    (0, ids(&change.isr)),
                    (1, leader),
                    (2, ids(&change.replicas)),
                    (3, ids(&change.removing)),
                    (4, ids(&change.adding)),
                    (6, ids(&change.elr)),
                    (7, ids(&change.last_known_elr)),
                ];
                w.tagged(fields.into_iter().filter_map(|(tag, field)| Some((tag, field?))).collect());
            }
            MetadataRecord::UnregisterBroker { id, epoch } => {
                w.i32(id.0);
                w.i64(epoch.0);
                w.no_tags();
            }
            MetadataRecord::FeatureLevel { name, level } => {
                w.string(name);
                w.i16(*level);
                w.no_tags();
            }
            MetadataRecord::RemoveTopic { id } => {
                w.uuid(id.0);
                w.no_tags();
            }
            MetadataRecord::ProducerIds { broker, epoch, next } => {
                w.i32(broker.0);
                w.i64(epoch.0);
                w.i64(next.0);
                w.no_tags();
            }
            MetadataRecord::BrokerRegistrationChange { id, epoch, fenced, in_controlled_shutdown } => {
                w.i32(id.0);
                w.i64(epoch.0);
                let mut tags = Vec::new();
                if let Some(fenced) = fenced {
                    let mut field = Writer::default();
                    field.i8(if *fenced { 1 } else { -1 });
                    tags.push((0, field));
                }
                if *in_controlled_shutdown {
                    let mut field = Writer::default();
                    field.i8(1);
                    tags.push((1, field));
                }
                w.tagged(tags);
            }
            MetadataRecord::NoOp => w.no_tags(),
        }
    }

    /// From a record's value.
    pub fn decode(bytes: &[u8]) -> Result<MetadataRecord, Malformed> {
        let mut r = Reader::new(bytes);
        if r.varint()? != FRAME_VERSION {
            return Err(Malformed);
        }
        match (r.varint()?, r.varint()?) {
            (0, 1) => read_registration(&mut r),
            (2, 0) => {
                let name = TopicName::from(r.string()?.as_str());
                Ok(MetadataRecord::Topic { name, id: TopicId(r.uuid()?) })
            }
            (1, 0) => {
                Ok(MetadataRecord::UnregisterBroker { id: BrokerId(r.i32()?), epoch: BrokerEpoch(r.i64()?) })
            }
            (3, version @ 0..=ELR_VERSION) => read_partition(&mut r, version),
            (4, 0) => read_config(&mut r),
            (5, 0..=ELR_VERSION) => read_partition_change(&mut r),
            (9, 0) => Ok(MetadataRecord::RemoveTopic { id: TopicId(r.uuid()?) }),
            (12, 0) => Ok(MetadataRecord::FeatureLevel { name: r.string()?, level: r.i16()? }),
            (15, 0) => Ok(MetadataRecord::ProducerIds {
                broker: BrokerId(r.i32()?),
                epoch: BrokerEpoch(r.i64()?),
                next: ProducerId(r.i64()?),
            }),
            (17, 1) => read_registration_change(&mut r),
            (20, 0) => Ok(MetadataRecord::NoOp),
            _ => Err(Malformed),
        }
    }
}

fn read_registration(r: &mut Reader<'_>) -> Result<MetadataRecord, Malformed> {
    let id = BrokerId(r.i32()?);
    let incarnation = r.uuid()?;
    let epoch = BrokerEpoch(r.i64()?);
    let endpoints = r.array(|r| {
        r.string()?;
        let place = (r.string()?, r.u16()?);
        r.i16()?;
        r.tagged()?;
        Ok(place)
    })?;
    r.array(|r| {
        r.string()?;
        r.i16()?;
        r.i16()?;
        r.tagged()
    })?;
    let rack = r.nullable_string()?;
    let fenced = r.bool()?;
    let (host, port) = endpoints.into_iter().next().ok_or(Malformed)?;
    Ok(MetadataRecord::RegisterBroker { id, incarnation, epoch, host, port, rack, fenced })
}

fn read_partition(r: &mut Reader<'_>, version: u32) -> Result<MetadataRecord, Malformed> {
    let partition = PartitionIndex(r.i32()?);
    let topic = TopicId(r.uuid()?);
    let mut state = PartitionState {
        replicas: read_ids(r)?,
        isr: read_ids(r)?,
        removing: read_ids(r)?,
        adding: read_ids(r)?,
        leader: leader_of(r.i32()?),
        leader_epoch: LeaderEpoch(r.i32()?),
        partition_epoch: PartitionEpoch(r.i32()?),
        ..PartitionState::default()
    };
    if version > 0 {
        r.array(Reader::uuid)?;
    }
    for (tag, mut field) in r.tagged()? {
        match tag {
            1 => state.elr = read_ids(&mut field)?,
            2 => state.last_known_elr = read_ids(&mut field)?,
            _ => {}
        }
    }
    Ok(MetadataRecord::Partition { topic, partition, state })
}

fn read_config(r: &mut Reader<'_>) -> Result<MetadataRecord, Malformed> {
    let (kind, of) = (r.i8()?, r.string()?);
    let resource = match kind {
        2 => Resource::Topic(TopicName::from(of.as_str())),
        4 if of.is_empty() => Resource::Broker(None),
        4 => Resource::Broker(Some(BrokerId(of.parse().map_err(|_| Malformed)?))),
        _ => return Err(Malformed),
    };
    Ok(MetadataRecord::Config { resource, name: r.string()?, value: r.nullable_string()? })
}

fn read_partition_change(r: &mut Reader<'_>) -> Result<MetadataRecord, Malformed> {
    let partition = PartitionIndex(r.i32()?);
    let topic = TopicId(r.uuid()?);
    let mut change = PartitionChange::default();
    for (tag, mut field) in r.tagged()? {
        match tag {
            0 => change.isr = Some(read_ids(&mut field)?),
            1 => {
                let id = field.i32()?;
                change.leader = (id != LEADER_UNCHANGED).then(|| leader_of(id));
            }
            2 => change.replicas = Some(read_ids(&mut field)?),
            3 => change.removing = Some(read_ids(&mut field)?),
            4 => change.adding = Some(read_ids(&mut field)?),
            6 => change.elr = Some(read_ids(&mut field)?),
            7 => change.last_known_elr = Some(read_ids(&mut field)?),
            _ => {}
        }
    }
    Ok(MetadataRecord::PartitionChange { topic, partition, change })
}

fn read_registration_change(r: &mut Reader<'_>) -> Result<MetadataRecord, Malformed> {
    let id = BrokerId(r.i32()?);
    let epoch = BrokerEpoch(r.i64()?);
    let (mut fenced, mut in_controlled_shutdown) = (None, false);
    for (tag, mut field) in r.tagged()? {
        match tag {
            0 => {
                fenced = match field.i8()? {
                    0 => None,
                    change => Some(change > 0),
                };
            }
            1 => in_controlled_shutdown = field.i8()? == 1,
            _ => {}
        }
    }
    Ok(MetadataRecord::BrokerRegistrationChange { id, epoch, fenced, in_controlled_shutdown })
}

fn write_ids(w: &mut Writer, ids: &[BrokerId]) {
    w.array(ids, |w, id| w.i32(id.0));
}

fn ids_field(ids: &[BrokerId]) -> Writer {
    let mut field = Writer::default();
    write_ids(&mut field, ids);
    field
}

fn read_ids(r: &mut Reader<'_>) -> Result<Vec<BrokerId>, Malformed> {
    r.array(|r| r.i32().map(BrokerId))
}

fn leader_of(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<MetadataRecord> {
        let topic = TopicId(Uuid::from_u128(0x0102));
        let partition = PartitionIndex(3);
        let change = |change| MetadataRecord::PartitionChange { topic, partition, change };
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
        let state = PartitionState {
            replicas: ids(&[1, 2]),
            isr: ids(&[2]),
            leader: Some(BrokerId(2)),
            leader_epoch: LeaderEpoch(4),
            partition_epoch: PartitionEpoch(5),
            ..PartitionState::default()
        };
        vec![
            MetadataRecord::RegisterBroker {
                id: BrokerId(1),
                incarnation: Uuid::from_u128(9),
                epoch: BrokerEpoch(7),
                host: "broker-1".into(),
                port: 9092,
                rack: None,
                fenced: true,
            },
            MetadataRecord::Topic { name: "orders".into(), id: topic },
            MetadataRecord::Partition { topic, partition, state: state.clone() },
            MetadataRecord::Partition {
                topic,
                partition,
                state: PartitionState {
                    adding: ids(&[2]),
                    removing: ids(&[1]),
                    elr: ids(&[1]),
                    last_known_elr: ids(&[3]),
                    ..state
                },
            },
            change(PartitionChange { isr: Some(ids(&[1])), ..PartitionChange::default() }),
            change(PartitionChange { leader: Some(None), ..PartitionChange::default() }),
            change(PartitionChange {
                isr: Some(vec![]),
                leader: Some(Some(BrokerId(2))),
                replicas: Some(ids(&[2, 3, 1])),
                removing: Some(ids(&[1])),
                adding: Some(vec![]),
                elr: Some(ids(&[2])),
                last_known_elr: Some(vec![]),
            }),
            MetadataRecord::UnregisterBroker { id: BrokerId(3), epoch: BrokerEpoch(8) },
            MetadataRecord::FeatureLevel { name: "eligible.leader.replicas.version".into(), level: 1 },
            MetadataRecord::Config {
                resource: Resource::Topic("orders".into()),
                name: "retention.ms".into(),
                value: Some("1".into()),
            },
            MetadataRecord::RemoveTopic { id: topic },
            MetadataRecord::ProducerIds {
                broker: BrokerId(1),
                epoch: BrokerEpoch(2),
                next: ProducerId(1000),
            },
            MetadataRecord::BrokerRegistrationChange {
                id: BrokerId(1),
                epoch: BrokerEpoch(7),
                fenced: Some(false),
                in_controlled_shutdown: true,
            },
            MetadataRecord::NoOp,
        ]
    }

    #[test]
    fn every_record_is_read_as_it_was_written() {
        for record in samples() {
            assert_eq!(MetadataRecord::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn a_partition_change_has_kafkas_bytes() {
        let record = MetadataRecord::PartitionChange {
            topic: TopicId(Uuid::from_u128(1)),
            partition: PartitionIndex(2),
            change: PartitionChange {
                isr: Some(vec![BrokerId(3)]),
                leader: Some(Some(BrokerId(3))),
                ..PartitionChange::default()
            },
        };
        let mut expected = vec![1, 5, 0, 0, 0, 0, 2];
        expected.extend_from_slice(Uuid::from_u128(1).as_bytes());
        // Two tagged fields: 0, the ISR as a compact array in 5 bytes; 1, the leader in 4.
        expected.extend_from_slice(&[2, 0, 5, 2, 0, 0, 0, 3, 1, 4, 0, 0, 0, 3]);
        assert_eq!(record.encode(), expected);
    }

    #[test]
    fn cut_bytes_are_refused() {
        for record in samples() {
            let bytes = record.encode();
            for end in 0..bytes.len().saturating_sub(1) {
                let _ = MetadataRecord::decode(&bytes[..end]);
            }
            assert_eq!(MetadataRecord::decode(&bytes[..2]), Err(Malformed));
        }
    }
}
