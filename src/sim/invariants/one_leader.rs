//! At most one leader in an epoch: of the quorum (Raft, section 5.2 and figure 3, "Election Safety"; KIP-595) and of each
//! partition (KIP-101, KIP-497).

use std::collections::BTreeMap;

use crate::types::{BrokerId, LeaderEpoch, LogId};

use super::{Checked, Look, Violation};

#[derive(Debug, Default)]
pub(super) struct OneLeader {
    leaders: BTreeMap<(LogId, LeaderEpoch), BrokerId>,
}

impl OneLeader {
    pub(super) fn look(&mut self, look: &Look<'_>) -> Checked {
        let Some(epoch) = look.leads else { return Ok(()) };
        let first = *self.leaders.entry((look.id, epoch)).or_insert(look.broker);
        if first == look.broker {
            return Ok(());
        }
        let what = format!("brokers {first} and {} both led {} in epoch {epoch}", look.broker, look.name());
        Err(Violation { invariant: "one_leader", what })
    }
}
