//! Epochs never go back: a node's quorum epoch, also across its restarts as far as it was stored (Raft, section 5.1,
//! "terms act as a logical clock"; figure 2, persistent state); a replica's leader epoch within a life (KIP-101).

use std::collections::BTreeMap;

use crate::quorum::QuorumState;
use crate::types::{BrokerId, LeaderEpoch, LogId};

use super::{Checked, Look, MemoryStorage, Violation};

#[derive(Debug, Default)]
pub(super) struct EpochsMonotonic {
    quorum: BTreeMap<BrokerId, (u64, LeaderEpoch)>,
    /// The highest stored.
    stored: BTreeMap<BrokerId, QuorumState>,
    partitions: BTreeMap<(BrokerId, LogId), (u64, LeaderEpoch)>,
}

impl EpochsMonotonic {
    pub(super) fn quorum(
        &mut self,
        broker: BrokerId,
        life: u64,
        epoch: LeaderEpoch,
        storage: &MemoryStorage,
    ) -> Checked {
        let stored = storage.quorum_state();
        let known = self.stored.entry(broker).or_insert(stored);
        // A vote is given once an epoch, and never taken back.
        let voted_again =
            stored.epoch == known.epoch && known.voted_for.is_some() && stored.voted_for != known.voted_for;
        if stored.epoch < known.epoch || voted_again {
            return violation(format!("broker {broker} had stored {known:?}, and now {stored:?}"));
        }
        *known = stored;
        let last = self.quorum.entry(broker).or_insert((life, epoch));
        let floor = if last.0 == life { last.1 } else { stored.epoch };
        if epoch < floor {
            return violation(format!("broker {broker} went back from quorum epoch {floor} to {epoch}"));
        }
        *last = (life, epoch);
        Ok(())
    }

    /// The broker has lost its storage, and knows of no epoch.
    pub(super) fn forget(&mut self, broker: BrokerId) {
        self.stored.remove(&broker);
        self.quorum.remove(&broker);
    }

    pub(super) fn partition(&mut self, look: &Look<'_>, epoch: LeaderEpoch) -> Checked {
        let last = self.partitions.entry((look.broker, look.id)).or_insert((look.life, epoch));
        if last.0 == look.life && epoch < last.1 {
            let (name, broker) = (look.name(), look.broker);
            return violation(format!(
                "{name} on broker {broker} went back from epoch {} to {epoch}",
                last.1
            ));
        }
        *last = (look.life, epoch);
        Ok(())
    }
}

fn violation(what: String) -> Checked {
    Err(Violation { invariant: "epochs_monotonic", what })
}
