//! The image as records that give the same image again, for snapshots of the metadata log; and what lies between two
//! images, for who begins anew with one.

use crate::mutation::{Mutation, mutated};
use crate::types::{BrokerEpoch, BrokerId, ProducerId};

use super::image::{BrokerRegistration, Changes, MetadataImage};
use super::record::{MetadataRecord, Resource};

/// Nobody: a snapshot does not say who got the last producer ids (as Kafka's).
const NOBODY: (BrokerId, BrokerEpoch) = (BrokerId(-1), BrokerEpoch(-1));

impl MetadataImage {
    /// Records that make this image of an empty one.
    pub fn records(&self) -> Vec<MetadataRecord> {
        let feature = |(name, level): (&String, &i16)| {
            let (name, level) = (name.clone(), *level);
            MetadataRecord::FeatureLevel { name, level }
        };
        let mut records: Vec<MetadataRecord> = self.features().iter().map(feature).collect();
        for (id, broker) in self.brokers() {
            let BrokerRegistration { incarnation, epoch, host, port, rack, fenced, in_controlled_shutdown } =
                broker.clone();
            records.push(MetadataRecord::RegisterBroker { id, incarnation, epoch, host, port, rack, fenced });
            if in_controlled_shutdown {
                let (fenced, in_controlled_shutdown) = (None, true);
                records.push(MetadataRecord::BrokerRegistrationChange {
                    id,
                    epoch,
                    fenced,
                    in_controlled_shutdown,
                });
            }
        }
        for (id, topic) in self.topics() {
            records.push(MetadataRecord::Topic { name: topic.name.clone(), id });
            for (partition, state) in &topic.partitions {
                let (partition, state) = (*partition, state.clone());
                records.push(MetadataRecord::Partition { topic: id, partition, state });
            }
        }
        let all_configs = self.all_configs().filter(|_| !mutated(Mutation::SnapshotWithoutConfigs));
        for (resource, configs) in all_configs {
            records.extend(configs.iter().map(|(name, value)| MetadataRecord::Config {
                resource: resource.clone(),
                name: name.clone(),
                value: Some(value.clone()),
            }));
        }
        let (broker, epoch) = NOBODY;
        if self.next_producer_id() != ProducerId::default() {
            records.push(MetadataRecord::ProducerIds { broker, epoch, next: self.next_producer_id() });
        }
        records
    }
}

impl Changes {
    /// Adds what changed from `before` to `after`.
    pub fn between(&mut self, before: &MetadataImage, after: &MetadataImage) {
        self.brokers |= !before.brokers().eq(after.brokers());
        let configs =
            |image: &MetadataImage, topic: &super::Topic| image.configs(&Resource::Topic(topic.name.clone()));
        for (id, topic) in before.topics() {
            if after.topic(id).is_none() {
                self.partitions.retain(|(of, _)| *of != id);
                self.removed.insert(id, topic.clone());
            }
        }
        for (id, topic) in after.topics() {
            let known = before.topic(id);
            let same_configs = known.is_some_and(|known| configs(before, known) == configs(after, topic));
            for (partition, state) in &topic.partitions {
                let same = known.is_some_and(|known| known.partitions.get(partition) == Some(state));
                if !same || !same_configs {
                    self.partitions.insert((id, *partition));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::PartitionState;
    use crate::types::{LeaderEpoch, PartitionEpoch, PartitionIndex, TopicId, Uuid};

    fn replay(records: &[MetadataRecord]) -> MetadataImage {
        let mut image = MetadataImage::default();
        records.iter().for_each(|record| image.replay(record, &mut Changes::default()));
        image
    }

    fn broker(id: i32) -> MetadataRecord {
        MetadataRecord::RegisterBroker {
            id: BrokerId(id),
            incarnation: Uuid::from_u128(9),
            epoch: BrokerEpoch(7),
            host: "broker".into(),
            port: 9092,
            rack: Some("r".into()),
            fenced: false,
        }
    }

    fn topic(id: u128, name: &str, leader: Option<i32>) -> Vec<MetadataRecord> {
        let topic = TopicId(Uuid::from_u128(id));
        vec![
            MetadataRecord::Topic { name: name.into(), id: topic },
            MetadataRecord::Partition {
                topic,
                partition: PartitionIndex(0),
                state: PartitionState {
                    replicas: vec![BrokerId(1), BrokerId(2), BrokerId(3)],
                    removing: vec![BrokerId(1)],
                    adding: vec![BrokerId(3)],
                    isr: vec![BrokerId(2)],
                    elr: vec![BrokerId(1)],
                    last_known_elr: vec![BrokerId(3)],
                    leader: leader.map(BrokerId),
                    leader_epoch: LeaderEpoch(3),
                    partition_epoch: PartitionEpoch(4),
                },
            },
        ]
    }

    fn config(topic: &str, value: &str) -> MetadataRecord {
        let resource = Resource::Topic(topic.into());
        MetadataRecord::Config { resource, name: "retention.ms".into(), value: Some(value.into()) }
    }

    #[test]
    fn an_images_records_make_the_same_image() {
        let mut records = vec![
            broker(1),
            broker(2),
            MetadataRecord::BrokerRegistrationChange {
                id: BrokerId(2),
                epoch: BrokerEpoch(7),
                fenced: Some(true),
                in_controlled_shutdown: true,
            },
            MetadataRecord::ProducerIds {
                broker: BrokerId(1),
                epoch: BrokerEpoch(7),
                next: ProducerId(3000),
            },
            MetadataRecord::FeatureLevel { name: "metadata.version".into(), level: 27 },
        ];
        records.extend(topic(1, "a", Some(2)).into_iter().chain(topic(2, "b", None)));
        records.push(config("a", "5"));
        let image = replay(&records);
        let again: Vec<_> = image.records().iter().map(MetadataRecord::encode).collect();
        let again: Vec<_> = again.iter().map(|bytes| MetadataRecord::decode(bytes).unwrap()).collect();
        assert_eq!(replay(&again), image);
    }

    #[test]
    fn the_changes_between_two_images_are_what_differs() {
        let records = |rest: Vec<Vec<MetadataRecord>>| {
            let rest = rest.into_iter().flatten();
            replay(&[broker(1)].into_iter().chain(rest).collect::<Vec<_>>())
        };
        let before = records(vec![
            topic(1, "a", Some(1)),
            topic(2, "b", Some(1)),
            topic(3, "c", Some(1)),
            topic(4, "d", Some(1)),
        ]);
        let after = records(vec![
            topic(1, "a", Some(1)),
            topic(2, "b", Some(2)),
            topic(3, "c", Some(1)),
            vec![config("c", "5")],
            topic(5, "d", Some(1)),
        ]);
        let mut changes = Changes::default();
        changes.between(&before, &after);
        let ids: Vec<u128> = changes.partitions.iter().map(|(id, _)| id.0.as_u128()).collect();
        assert_eq!(ids, [2, 3, 5]);
        assert_eq!(changes.removed.keys().map(|id| id.0.as_u128()).collect::<Vec<_>>(), [4]);
        assert!(!changes.brokers);
    }
}
