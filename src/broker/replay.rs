//! Committed metadata on its way into this broker: the image, its replicas, and the group coordinator follow it.

use bytes::Bytes;

use crate::config::TopicConfig;
use crate::controller::{Changes, MetadataRecord, Resource};
use crate::protocol::batch::batches;
use crate::protocol::records::decode_records;
use crate::quorum::{Committed, Snapshot};
use crate::replica::{LiveBroker, PartitionSpec};
use crate::sorted::SortedMap;
use crate::time::Instant;
use crate::types::{LogId, Offset, TopicId, TopicName, TopicPartition};

use super::Broker;

impl Broker {
    /// Replays what the quorum has committed, and acts on what changed.
    pub(super) fn replay_committed(&mut self, now: Instant) {
        let mut any = false;
        while let Some(committed) = self.quorum.next_committed(&mut self.fx) {
            any = true;
            match committed {
                Committed::Snapshot(snapshot) => self.load(&snapshot),
                Committed::Batches(bytes) => self.replay(&bytes),
            }
        }
        if self.quorum.wants_snapshot(now) {
            let values = self.image.records().iter().map(MetadataRecord::encode).collect();
            self.quorum.write_snapshot(now, values, &mut self.fx);
        }
        self.release_committed();
        // Until this incarnation's registration is replayed, the image is of the past: acting on it, this broker could
        // lead in an epoch that is over. What changed meanwhile is acted on then, at once.
        let registered = self.lifecycle.broker_epoch().is_some_and(|epoch| self.replayed > Offset(epoch.0));
        if registered && (any || !self.caught_up) {
            let changes = std::mem::take(&mut self.unapplied);
            self.act_on(now, changes);
        }
    }

    /// Begins the image anew with a snapshot; what it changes is found by comparing.
    fn load(&mut self, snapshot: &Snapshot) {
        let before = std::mem::take(&mut self.image);
        self.replay(&snapshot.bytes);
        self.replayed = snapshot.id.end;
        self.unapplied.between(&before, &self.image);
    }

    fn replay(&mut self, bytes: &Bytes) {
        for (header, range) in batches(bytes).map_while(Result::ok) {
            self.replayed = header.next_offset();
            if header.is_control() {
                continue;
            }
            // Every batch below the high watermark was checked when it was appended here.
            let records = match decode_records(&bytes.slice(range)) {
                Ok(records) => records,
                Err(error) => panic!("the metadata log can't be read at {}: {error}", header.base_offset),
            };
            for record in records {
                let value = record.value.unwrap_or_default();
                match MetadataRecord::decode(&value) {
                    Ok(decoded) => self.image.replay(&decoded, &mut self.unapplied),
                    Err(_) => panic!("the metadata record at {} has an unknown schema", record.offset),
                }
            }
        }
    }

    fn act_on(&mut self, now: Instant, changes: Changes) {
        if changes.brokers {
            let live = self.live_brokers();
            self.replicas.set_live_brokers(now, live, &mut self.fx);
        }
        let mut removed = Vec::new();
        let mut gone = Vec::new();
        for (id, topic) in &changes.removed {
            let logs = topic.partitions.keys().map(|index| LogId { topic_id: *id, partition: *index });
            removed.extend(logs);
            // Unless there is another of its name by now.
            gone.extend(self.image.topic_named(&topic.name).is_none().then(|| topic.name.clone()));
        }
        let changed = self.specs(&changes);
        // Not all topics there are: an ISR changes often.
        let counts: SortedMap<TopicName, usize> = changed
            .iter()
            .filter_map(|spec| {
                Some((spec.tp.topic.clone(), self.image.topic(spec.topic_id)?.partitions.len()))
            })
            .collect();
        let epoch = self.lifecycle.broker_epoch();
        self.replicas.apply(now, changed, removed, epoch, &mut self.fx);
        if !gone.is_empty() || !counts.is_empty() {
            self.groups.coordinator.topics_changed(now, counts, &gone, &mut self.fx);
        }
        if !std::mem::replace(&mut self.caught_up, true) {
            // All topics there are have claimed their logs.
            self.replicas.remove_strays(&mut self.fx);
            self.lifecycle.caught_up(now);
        }
    }

    fn live_brokers(&self) -> Vec<LiveBroker> {
        self.image
            .brokers()
            .filter(|(_, broker)| broker.is_active())
            .map(|(id, broker)| LiveBroker {
                id,
                epoch: broker.epoch,
                host: broker.host.clone(),
                port: broker.port,
                rack: broker.rack.clone(),
            })
            .collect()
    }

    /// What changed, as replicas need it.
    fn specs(&self, changes: &Changes) -> Vec<PartitionSpec> {
        // One topic's partitions come one after the other, and have one configuration.
        let mut last: Option<(TopicId, TopicConfig)> = None;
        let mut specs = Vec::with_capacity(changes.partitions.len());
        for (topic_id, partition) in &changes.partitions {
            let Some(topic) = self.image.topic(*topic_id) else { continue };
            let Some(state) = topic.partitions.get(partition) else { continue };
            let config = match last.take().filter(|(id, _)| id == topic_id) {
                Some((_, config)) => config,
                None => {
                    let overrides = self.image.configs(&Resource::Topic(topic.name.clone()));
                    TopicConfig::resolve(&self.config, &overrides)
                }
            };
            last = Some((*topic_id, config.clone()));
            specs.push(PartitionSpec {
                tp: TopicPartition { topic: topic.name.clone(), partition: *partition },
                topic_id: *topic_id,
                leader: state.leader,
                leader_epoch: state.leader_epoch,
                partition_epoch: state.partition_epoch,
                replicas: state.replicas.clone(),
                isr: state.isr.clone(),
                config,
            });
        }
        specs
    }
}
