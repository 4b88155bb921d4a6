//! Two logs with a batch of the same offset and epoch are the same up to there (Raft, section 5.3 and figure 3, "Log
//! Matching"; KIP-101 and KIP-279 for partitions). Checked by induction: where two replicas have a batch of the same offset
//! and epoch it has one content, and one predecessor.
//!
//! Counted is what a replica has in its storage, running or not. A leader that has never stored a batch may forget it (a
//! failed write) and put another in its place, once no follower has it either.

use std::collections::BTreeMap;

use crate::types::{BrokerId, LogId, Offset};

use super::{BatchMark, Checked, Look, Violation};

type Batches = BTreeMap<Offset, Seen>;

#[derive(Debug, Default)]
pub(super) struct LogMatching {
    logs: BTreeMap<LogId, BTreeMap<BrokerId, Batches>>,
}

#[derive(Debug)]
struct Seen {
    batch: BatchMark,
    before: Option<BatchMark>,
}

impl LogMatching {
    /// A replica is looked at from the start again: its end was cut, or it began a new life.
    pub(super) fn forget(&mut self, broker: BrokerId, log: LogId) {
        if let Some(replicas) = self.logs.get_mut(&log) {
            replicas.remove(&broker);
        }
    }

    /// A replica has a batch in its storage, after another (none at its start).
    pub(super) fn batch(
        &mut self,
        look: &Look<'_>,
        batch: &BatchMark,
        before: Option<&BatchMark>,
    ) -> Checked {
        let replicas = self.logs.entry(look.id).or_default();
        for (other, batches) in replicas.iter().filter(|(other, _)| **other != look.broker) {
            let Some(seen) = batches.get(&batch.base) else { continue };
            let other_before = seen.before.zip(before.copied());
            let differs = seen.batch != *batch || other_before.is_some_and(|(theirs, ours)| theirs != ours);
            if seen.batch.epoch == batch.epoch && differs {
                let what = format!(
                    "{} on broker {} has {batch:?} after {before:?}, on broker {other} it has {:?} after {:?}",
                    look.name(),
                    look.broker,
                    seen.batch,
                    seen.before
                );
                return Err(Violation { invariant: "log_matching", what });
            }
        }
        let seen = Seen { batch: *batch, before: before.copied() };
        replicas.entry(look.broker).or_default().insert(batch.base, seen);
        Ok(())
    }
}
