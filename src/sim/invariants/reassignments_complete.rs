//! A reassignment is complete only when every replica that is to stay is in sync (KIP-455, "a reassignment is complete when
//! all adding replicas are in the ISR"), and nobody is in an ISR, or eligible, who is no replica. Looked at when the first
//! broker learns of a state of the metadata.

use std::collections::{BTreeMap, BTreeSet};

use crate::controller::{MetadataImage, PartitionState};
use crate::types::{BrokerId, LogId, Offset, PartitionEpoch};

use super::{Checked, Violation};

#[derive(Debug, Default)]
pub(super) struct ReassignmentsComplete {
    newest: Offset,
    last: BTreeMap<LogId, PartitionState>,
    /// By whom it concerns, the state that took it off last.
    taken_off: BTreeMap<(LogId, BrokerId), PartitionEpoch>,
}

impl ReassignmentsComplete {
    /// True for a broker that was taken off, and whoever knows no later state than `known` has not heard of it. It may have
    /// been asked to come back since.
    pub(super) fn took_off(&self, log: LogId, id: BrokerId, known: PartitionEpoch) -> bool {
        self.taken_off.get(&(log, id)).is_some_and(|epoch| *epoch > known)
    }

    pub(super) fn replayed(&mut self, replayed: Offset, image: &MetadataImage) -> Checked {
        if replayed <= self.newest {
            return Ok(());
        }
        self.newest = replayed;
        for (topic_id, topic, partition, state) in image.partitions() {
            let log = LogId { topic_id, partition };
            if self.last.get(&log).is_some_and(|last| last.partition_epoch == state.partition_epoch) {
                continue;
            }
            let before = self.last.insert(log, state.clone());
            let name = format!("{}-{partition}", topic.name);
            if let Some(id) = state.isr.iter().chain(&state.elr).find(|id| !state.replicas.contains(id)) {
                return violation(format!("broker {id} is no replica of {name}: {state:?}"));
            }
            for id in before.iter().flat_map(|before| &before.replicas) {
                if !state.replicas.contains(id) {
                    self.taken_off.insert((log, *id), state.partition_epoch);
                }
            }
            let next = |before: &&PartitionState| before.partition_epoch.0 + 1 == state.partition_epoch.0;
            if let Some(before) = before.as_ref().filter(next)
                && completes(before, state)
                && state.replicas.iter().any(|id| !state.isr.contains(id))
            {
                return violation(format!("{name} was reassigned from {before:?} to {state:?}"));
            }
        }
        Ok(())
    }
}

/// The change took off what was on its way out, and not (as cancelling does) what was on its way in.
fn completes(before: &PartitionState, after: &PartitionState) -> bool {
    let without = |gone: &[BrokerId]| -> BTreeSet<BrokerId> {
        before.replicas.iter().copied().filter(|id| !gone.contains(id)).collect()
    };
    let now: BTreeSet<BrokerId> = after.replicas.iter().copied().collect();
    let ended = before.is_reassigning() && !after.is_reassigning();
    ended && now == without(&before.removing) && now != without(&before.adding)
}

fn violation(what: String) -> Checked {
    Err(Violation { invariant: "reassignments_complete", what })
}
