//! At most one leader in an epoch: of the quorum (Raft, section 5.2 and figure 3, "Election Safety"; KIP-595) and of each
//! partition (KIP-101, KIP-497). The quorum's was elected with votes that a majority has stored (figure 2, persistent
//! state): others may be forgotten, and given again.

use std::collections::BTreeMap;

use crate::broker::Broker;
use crate::types::{BrokerId, LeaderEpoch, LogId};

use super::{Checked, Look, MemoryStorage, Violation, World};

#[derive(Debug, Default)]
pub(super) struct OneLeader {
    leaders: BTreeMap<(LogId, LeaderEpoch), BrokerId>,
}

impl OneLeader {
    pub(super) fn look(&mut self, world: &World, look: &Look<'_>) -> Checked {
        let Some(epoch) = look.leads else { return Ok(()) };
        if look.tp.is_none() && !self.leaders.contains_key(&(look.id, epoch)) {
            self.elected(world, look.broker, epoch)?;
        }
        let first = *self.leaders.entry((look.id, epoch)).or_insert(look.broker);
        if first == look.broker {
            return Ok(());
        }
        let what = format!("brokers {first} and {} both led {} in epoch {epoch}", look.broker, look.name());
        Err(Violation { invariant: "one_leader", what })
    }

    fn elected(&self, world: &World, leader: BrokerId, epoch: LeaderEpoch) -> Checked {
        // It is elected by the voters of its own log, committed or not (KIP-853).
        let Some(quorum) = world.broker(leader).map(Broker::quorum) else { return Ok(()) };
        let voted = |id: &BrokerId| {
            let directory = quorum.voter_directory(*id).unwrap_or_default();
            let stored = world.voter_storage(*id, directory).map(MemoryStorage::quorum_state);
            let stored = stored.unwrap_or_default();
            // Who is in a later epoch now has overwritten its vote.
            stored.epoch > epoch || (stored.epoch == epoch && stored.voted_for == Some(leader))
        };
        let votes = quorum.voters().filter(voted).count();
        if votes > quorum.voters().len() / 2 {
            return Ok(());
        }
        let what = format!("broker {leader} leads the quorum in epoch {epoch} with {votes} votes stored");
        Err(Violation { invariant: "one_leader", what })
    }
}
