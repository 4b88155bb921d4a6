//! When the faults have stopped, a cluster is whole again: every partition has a leader and all its replicas in sync, every
//! replica has everything, and all brokers know the same (openraft's turmoil tests: heal, then require progress). The
//! condition, and what is still missing for it; `run` gives the virtual time within which it must hold.

use crate::broker::Broker;

use super::{History, World};

/// What is still missing until brokers, leaders and replicas are whole; none when nothing is.
pub fn metadata_caught_up(world: &World) -> Option<String> {
    let mut replayed = None;
    for id in world.ids() {
        let Some(broker) = world.broker(id).filter(|broker| Broker::is_running(broker)) else {
            return Some(format!("broker {id} does not run"));
        };
        if *replayed.get_or_insert(broker.replayed()) != broker.replayed() {
            return Some(format!("broker {id} has replayed {} of the metadata", broker.replayed()));
        }
        for (_, topic, partition, state) in broker.image().partitions() {
            if state.leader.is_none() || state.isr.len() != state.replicas.len() {
                let name = &topic.name;
                return Some(format!("broker {id} has {name}-{partition} as {state:?}"));
            }
        }
    }
    None
}

/// The same, and what replicas hold: all that is committed, which is all there is.
pub fn all_caught_up(world: &World, history: &History) -> Option<String> {
    if let Some(missing) = metadata_caught_up(world) {
        return Some(missing);
    }
    for id in world.ids() {
        let Some(broker) = world.broker(id) else { continue };
        for (topic_id, topic, partition, state) in broker.image().partitions() {
            if !state.replicas.contains(&id) {
                continue;
            }
            let tp = crate::types::TopicPartition { topic: topic.name.clone(), partition };
            let log = crate::types::LogId { topic_id, partition };
            let end = history.log(log).map(|log| log.end()).unwrap_or_default();
            let status = broker.replicas().status(&tp);
            let caught_up = status.as_ref().is_some_and(|status| {
                status.log_end == end && status.high_watermark == end && status.durable_end == end
            });
            if !caught_up {
                return Some(format!("{tp} on broker {id} is not at {end}: {status:?}"));
            }
        }
    }
    None
}
