//! The control plane: the metadata image that every broker replays, and the controller that decides what comes next.

mod brokers;
mod change;
mod configs;
mod elections;
mod features;
mod image;
mod partition;
mod partitions;
mod placement;
mod producer_ids;
mod reassignments;
mod record;
mod snapshot;
#[cfg(test)]
mod tests;
mod topics;

use crate::config::BrokerConfig;
use crate::event::ClusterEvent;
use crate::protocol::Response;
use crate::rng::Rng;
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, PartitionIndex};

use brokers::Session;
pub use features::{ELR_FEATURE, FEATURES, Feature};
pub use image::{BrokerRegistration, Changes, MetadataImage, Topic};
pub use partition::{PartitionChange, PartitionState};
pub use record::{MetadataRecord, Resource};
pub use topics::check_topic_name;

/// What the controller decides: records to append as one batch, the answer to send when they are committed, and what
/// to tell the page then.
#[derive(Debug, Default, PartialEq)]
pub struct Decision {
    /// All or nothing.
    pub records: Vec<MetadataRecord>,
    /// None when nobody asked.
    pub response: Option<Response>,
    /// Facts, once committed.
    pub events: Vec<ClusterEvent>,
}

/// The active controller. It decides on its own image, which runs ahead of the committed one by what it has decided.
pub struct Controller {
    config: BrokerConfig,
    rng: Rng,
    image: MetadataImage,
    sessions: SortedMap<BrokerId, Session>,
    balance_at: Option<Instant>,
    /// The cluster is new: nobody has decided anything before.
    begins: bool,
}

impl Controller {
    /// A controller that is not active yet.
    pub fn new(config: &BrokerConfig, rng: Rng) -> Self {
        Self {
            config: config.clone(),
            rng,
            image: MetadataImage::default(),
            sessions: SortedMap::new(),
            balance_at: None,
            begins: false,
        }
    }

    /// Begins to decide, on what is committed. Every broker that was unfenced gets a whole session to be heard in, as in
    /// Kafka: heartbeats are not in the metadata log, so when one came last only the controller before knew. (A broker that
    /// ends together with that controller is fenced later for it, by the time of the election.)
    pub fn activate(&mut self, now: Instant, image: MetadataImage) {
        let timeout = self.config.broker_session_timeout();
        self.sessions = image
            .brokers()
            .filter(|(_, broker)| !broker.fenced)
            .map(|(id, _)| (id, Session { ends_at: now + timeout, heard: false }))
            .collect();
        self.begins = image.is_empty();
        self.image = image;
        self.balance_at = self.config.auto_leader_rebalance_enable().then(|| now + self.balance_interval());
    }

    /// Ends deciding; what was decided and is not committed is forgotten here.
    pub fn deactivate(&mut self) {
        self.sessions.clear();
        self.image = MetadataImage::default();
        self.balance_at = None;
        self.begins = false;
    }

    /// This controller could not run for so long: brokers that it could not hear get the time back.
    pub fn time_jumped(&mut self, late: Duration) {
        for session in self.sessions.values_mut() {
            session.ends_at = session.ends_at + late;
        }
    }

    /// The image the controller decides on.
    pub fn image(&self) -> &MetadataImage {
        &self.image
    }

    /// Fences brokers that were silent too long; gives leadership back to preferred replicas.
    pub fn tick(&mut self, now: Instant) -> Decision {
        let mut decision = Decision::default();
        if std::mem::take(&mut self.begins) {
            self.begin_features(&mut decision);
        }
        self.fence_silent(now, &mut decision);
        if self.balance_at.is_some_and(|at| at <= now) {
            self.balance_at = Some(now + self.balance_interval());
            self.balance_leaders(&mut decision);
        }
        decision
    }

    /// When `tick` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let session = self.sessions.values().map(|session| session.ends_at).min();
        let at_once = self.begins.then_some(Instant(0));
        earliest(at_once, earliest(session, self.balance_at))
    }

    fn balance_interval(&self) -> Duration {
        Duration::from_secs(self.config.leader_imbalance_check_interval_seconds().unsigned_abs())
    }

    /// Decides a record: from here on the controller sees the world with it.
    fn decide(&mut self, record: MetadataRecord, decision: &mut Decision) {
        let mut changes = Changes::default();
        let unclean = self.elects_uncleanly(&record);
        self.image.replay(&record, &mut changes);
        if let Some(event) = self.event_of(&record, &changes, unclean) {
            decision.events.push(event);
        }
        decision.records.push(record);
    }

    /// Before it was replayed: the record makes a leader of somebody who was neither in sync nor eligible.
    fn elects_uncleanly(&self, record: &MetadataRecord) -> bool {
        let MetadataRecord::PartitionChange { topic, partition, change } = record else { return false };
        let state = self.image.partition(*topic, *partition);
        let has_all = |id, state: &PartitionState| state.isr.contains(&id) || state.elr.contains(&id);
        let elected = change.leader.flatten().zip(state);
        // Who comes in with the record that completes its reassignment is in sync.
        let completes = change.adding.is_some() || change.removing.is_some();
        elected.is_some_and(|(id, state)| !completes && !has_all(id, state))
    }

    /// What the page is told of a record, after it was replayed.
    fn event_of(&self, record: &MetadataRecord, changes: &Changes, unclean: bool) -> Option<ClusterEvent> {
        match record {
            MetadataRecord::RegisterBroker { id, .. } => Some(ClusterEvent::BrokerRegistered { id: *id }),
            MetadataRecord::BrokerRegistrationChange { id, fenced: Some(true), .. } => {
                Some(ClusterEvent::BrokerFenced { id: *id })
            }
            MetadataRecord::BrokerRegistrationChange { id, fenced: Some(false), .. } => {
                Some(ClusterEvent::BrokerUnfenced { id: *id })
            }
            MetadataRecord::UnregisterBroker { id, .. } => Some(ClusterEvent::BrokerUnregistered { id: *id }),
            MetadataRecord::RemoveTopic { id } => {
                let topic = changes.removed.get(id)?.name.clone();
                Some(ClusterEvent::TopicDeleted { topic })
            }
            MetadataRecord::Config { resource: Resource::Topic(topic), name, value } => {
                // A new topic's configs come before its partitions.
                self.image.partition(self.image.topic_id(topic)?, PartitionIndex(0))?;
                Some(ClusterEvent::ConfigChanged {
                    topic: topic.clone(),
                    name: name.clone(),
                    value: value.clone(),
                })
            }
            MetadataRecord::Partition { topic, partition, .. }
            | MetadataRecord::PartitionChange { topic, partition, .. } => {
                let state = self.image.partition(*topic, *partition)?;
                let elected = match record {
                    MetadataRecord::PartitionChange { change, .. } => change.leader.is_some(),
                    _ => true,
                };
                Some(ClusterEvent::PartitionChanged {
                    topic: self.image.topic(*topic)?.name.clone(),
                    partition: *partition,
                    leader: state.leader,
                    leader_epoch: state.leader_epoch,
                    partition_epoch: state.partition_epoch,
                    replicas: state.replicas.clone(),
                    adding: state.adding.clone(),
                    removing: state.removing.clone(),
                    isr: state.isr.clone(),
                    elr: state.elr.clone(),
                    elected,
                    unclean,
                })
            }
            _ => None,
        }
    }
}
