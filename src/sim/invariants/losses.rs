//! Brokers that lost what they had stored, by design: what they miss is no violation until the cluster has taken notice.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::Broker;
use crate::controller::MetadataImage;
use crate::types::{BrokerEpoch, BrokerId, LogId};

use super::World;

/// See the file's head.
#[derive(Debug, Default)]
pub struct Losses {
    by_broker: BTreeMap<BrokerId, Loss>,
}

#[derive(Debug)]
struct Loss {
    /// The registration of the life that ended with it.
    epoch: BrokerEpoch,
    /// The partitions whose ISR it has not left since.
    logs: BTreeSet<LogId>,
}

impl Losses {
    /// A broker is about to lose something of these logs.
    pub(super) fn happens(&mut self, world: &World, broker: BrokerId, logs: BTreeSet<LogId>) {
        let known = world.broker(broker).and_then(|running| running.image().broker(broker));
        let epoch = known.map(|known| known.epoch).unwrap_or_default();
        self.by_broker.insert(broker, Loss { epoch, logs });
    }

    /// True while a broker may miss something of a log and count as in sync.
    pub(super) fn may_miss(&self, broker: BrokerId, log: LogId) -> bool {
        self.by_broker.get(&broker).is_some_and(|loss| loss.logs.contains(&log))
    }

    /// What a partition's leader knows: whoever registered anew and is out of the ISR has to catch up. (Before that the ISR
    /// may grow once more, by what the broker had when it asked.)
    pub(super) fn isr_is(&mut self, log: LogId, isr: &[BrokerId], image: &MetadataImage) {
        for (broker, loss) in &mut self.by_broker {
            let registered = image.broker(*broker).is_some_and(|known| known.epoch > loss.epoch);
            if registered && !isr.contains(broker) {
                loss.logs.remove(&log);
            }
        }
    }

    /// True while a broker that lost writes counts as in sync. One such is what acks=all with a `min.insync.replicas` of two
    /// survives; with the others gone as well it may be all that is left, and leads (KIP-966's last known leader).
    pub fn in_sight(&self, world: &World) -> bool {
        let images = || world.ids().into_iter().filter_map(|id| world.broker(id)).map(Broker::image);
        self.by_broker.iter().any(|(broker, loss)| {
            loss.logs.iter().any(|log| {
                images()
                    .filter_map(|image| image.partition(log.topic_id, log.partition))
                    .any(|state| state.isr.contains(broker))
            })
        })
    }
}
