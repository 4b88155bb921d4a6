//! The cluster's metadata as one value, built by replaying records: what every broker knows, and what the controller
//! decides on.

use crate::sorted::{SortedMap, SortedSet};
use crate::types::{BrokerEpoch, BrokerId, PartitionIndex, ProducerId, TopicId, TopicName, Uuid};

use super::partition::PartitionState;
use super::record::{MetadataRecord, Resource};

/// A registered broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Tells this life of the broker from others.
    pub incarnation: Uuid,
    /// The offset of its registration.
    pub epoch: BrokerEpoch,
    /// Where clients find it.
    pub host: String,
    /// Where clients find it.
    pub port: u16,
    /// Its rack.
    pub rack: Option<String>,
    /// True while it may lead nothing.
    pub fenced: bool,
    /// True while it is on its way out.
    pub in_controlled_shutdown: bool,
}

impl BrokerRegistration {
    /// True for a broker that may be made leader.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// By partition.
    pub partitions: SortedMap<PartitionIndex, PartitionState>,
}

/// What a replay changed, for those who act on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Partitions made or changed, or whose topic's configs changed.
    pub partitions: SortedSet<(TopicId, PartitionIndex)>,
    /// Topics removed, as they were.
    pub removed: SortedMap<TopicId, Topic>,
    /// A broker was registered, fenced or unfenced.
    pub brokers: bool,
}

/// See the module's head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataImage {
    brokers: SortedMap<BrokerId, BrokerRegistration>,
    topics: SortedMap<TopicId, Topic>,
    ids: SortedMap<TopicName, TopicId>,
    configs: SortedMap<Resource, SortedMap<String, String>>,
    features: SortedMap<String, i16>,
    next_producer_id: ProducerId,
}

impl MetadataImage {
    /// Takes in one record.
    pub fn replay(&mut self, record: &MetadataRecord, changes: &mut Changes) {
        match record {
            MetadataRecord::RegisterBroker { id, incarnation, epoch, host, port, rack, fenced } => {
                let registration = BrokerRegistration {
                    incarnation: *incarnation,
                    epoch: *epoch,
                    host: host.clone(),
                    port: *port,
                    rack: rack.clone(),
                    fenced: *fenced,
                    in_controlled_shutdown: false,
                };
                self.brokers.insert(*id, registration);
                changes.brokers = true;
            }
            MetadataRecord::BrokerRegistrationChange { id, fenced, in_controlled_shutdown, .. } => {
                if let Some(broker) = self.brokers.get_mut(id) {
                    broker.fenced = fenced.unwrap_or(broker.fenced);
                    broker.in_controlled_shutdown |= in_controlled_shutdown;
                    changes.brokers = true;
                }
            }
            MetadataRecord::Topic { name, id } => {
                self.topics.insert(*id, Topic { name: name.clone(), partitions: SortedMap::new() });
                self.ids.insert(name.clone(), *id);
            }
            MetadataRecord::Partition { topic, partition, state } => {
                if let Some(topic_state) = self.topics.get_mut(topic) {
                    topic_state.partitions.insert(*partition, state.clone());
                    changes.partitions.insert((*topic, *partition));
                }
            }
            MetadataRecord::PartitionChange { topic, partition, change } => {
                let states = self.topics.get_mut(topic);
                if let Some(state) = states.and_then(|topic| topic.partitions.get_mut(partition)) {
                    state.apply(change);
                    changes.partitions.insert((*topic, *partition));
                }
            }
            MetadataRecord::UnregisterBroker { id, .. } => {
                self.brokers.remove(id);
                changes.brokers = true;
            }
            MetadataRecord::FeatureLevel { name, level: 0 } => {
                self.features.remove(name);
            }
            MetadataRecord::FeatureLevel { name, level } => {
                self.features.insert(name.clone(), *level);
            }
            MetadataRecord::RemoveTopic { id } => {
                if let Some(topic) = self.topics.remove(id) {
                    self.ids.remove(&topic.name);
                    self.configs.remove(&Resource::Topic(topic.name.clone()));
                    changes.partitions.retain(|(topic, _)| topic != id);
                    changes.removed.insert(*id, topic);
                }
            }
            MetadataRecord::Config { resource, name, value } => {
                self.replay_config(resource, name, value, changes)
            }
            MetadataRecord::ProducerIds { next, .. } => self.next_producer_id = *next,
            MetadataRecord::NoOp => {}
        }
    }

    fn replay_config(
        &mut self,
        resource: &Resource,
        name: &str,
        value: &Option<String>,
        changes: &mut Changes,
    ) {
        let configs = self.configs.entry(resource.clone()).or_default();
        match value {
            Some(value) => configs.insert(name.to_owned(), value.clone()),
            None => configs.remove(name),
        };
        if configs.is_empty() {
            self.configs.remove(resource);
        }
        if let Resource::Topic(name) = resource
            && let Some(id) = self.ids.get(name)
            && let Some(topic) = self.topics.get(id)
        {
            changes.partitions.extend(topic.partitions.keys().map(|partition| (*id, *partition)));
        }
    }

    /// All registered brokers.
    pub fn brokers(&self) -> impl Iterator<Item = (BrokerId, &BrokerRegistration)> {
        self.brokers.iter().map(|(id, broker)| (*id, broker))
    }

    /// A registered broker.
    pub fn broker(&self, id: BrokerId) -> Option<&BrokerRegistration> {
        self.brokers.get(&id)
    }

    /// True for a registered broker that may lead.
    pub fn is_active(&self, id: BrokerId) -> bool {
        self.brokers.get(&id).is_some_and(BrokerRegistration::is_active)
    }

    /// All topics.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &Topic)> {
        self.topics.iter().map(|(id, topic)| (*id, topic))
    }

    /// A topic by its id.
    pub fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id)
    }

    /// A topic's id.
    pub fn topic_id(&self, name: &TopicName) -> Option<TopicId> {
        self.ids.get(name).copied()
    }

    /// A topic by its name.
    pub fn topic_named(&self, name: &TopicName) -> Option<(TopicId, &Topic)> {
        let id = self.topic_id(name)?;
        Some((id, self.topics.get(&id)?))
    }

    /// A partition.
    pub fn partition(&self, topic: TopicId, partition: PartitionIndex) -> Option<&PartitionState> {
        self.topics.get(&topic)?.partitions.get(&partition)
    }

    /// All partitions.
    pub fn partitions(&self) -> impl Iterator<Item = (TopicId, &Topic, PartitionIndex, &PartitionState)> {
        self.topics.iter().flat_map(|(id, topic)| {
            topic.partitions.iter().map(move |(partition, state)| (*id, topic, *partition, state))
        })
    }

    /// The configs set on a resource.
    pub fn configs(&self, resource: &Resource) -> SortedMap<String, String> {
        self.configs.get(resource).cloned().unwrap_or_default()
    }

    /// One config set on a resource.
    pub fn config(&self, resource: &Resource, name: &str) -> Option<&str> {
        self.configs.get(resource)?.get(name).map(String::as_str)
    }

    /// Resources that have configs set.
    pub fn configured(&self) -> impl Iterator<Item = &Resource> {
        self.configs.keys()
    }

    /// The features in force, by name.
    pub fn features(&self) -> &SortedMap<String, i16> {
        &self.features
    }

    /// The level in force of a feature; 0 when it is off.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or_default()
    }

    /// True while nothing was ever decided.
    pub fn is_empty(&self) -> bool {
        *self == MetadataImage::default()
    }

    /// The configs of all resources that have any.
    pub fn all_configs(&self) -> impl Iterator<Item = (&Resource, &SortedMap<String, String>)> {
        self.configs.iter()
    }

    /// The first producer id not given out.
    pub fn next_producer_id(&self) -> ProducerId {
        self.next_producer_id
    }
}
