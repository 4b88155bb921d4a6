//! What a leader counts as committed is in the storage of everyone it counts: of a majority of the voters (Raft, section 5.3;
//! KIP-595), of every in-sync replica, of which there are enough (KIP-966; DESIGN, ordering law 3, and decision 6: a response that promises durability leaves
//! only after its bytes are committed).

use std::collections::{BTreeMap, BTreeSet};

use crate::log::stored_batches;
use crate::quorum::snapshot_end;
use crate::replica::ReplicaStatus;
use crate::types::{BrokerId, LogId, Offset};

use super::{Checked, Look, Violation, World};

#[derive(Debug, Default)]
pub(super) struct CommitsDurable {
    checked: BTreeMap<LogId, Offset>,
    /// By node, the voters of its log when it was looked at last.
    voters: BTreeMap<BrokerId, Vec<BrokerId>>,
}

impl CommitsDurable {
    /// `lossy` are brokers whose storage lost something by design, with the logs concerned. A leader may not have heard yet
    /// that a replica was `taken_off`: it counts more than it has to, and that replica's log may be gone already.
    pub(super) fn look(
        &mut self,
        world: &World,
        look: &Look<'_>,
        status: Option<&ReplicaStatus>,
        lossy: &BTreeMap<BrokerId, BTreeSet<LogId>>,
        taken_off: impl Fn(BrokerId) -> bool,
    ) -> Checked {
        let now =
            world.broker(look.broker).filter(|_| status.is_none()).map(|broker| broker.quorum().voters());
        let now: Vec<BrokerId> = now.map(Iterator::collect).unwrap_or_default();
        let before = match status {
            None => self.voters.insert(look.broker, now.clone()).unwrap_or_else(|| now.clone()),
            Some(_) => Vec::new(),
        };
        let checked = self.checked.entry(look.id).or_default();
        if look.leads.is_none() || look.high_watermark <= *checked {
            return Ok(());
        }
        *checked = look.high_watermark;
        if let Some(status) = status
            && status.isr.len() < MIN_ISR.min(replicas(world, look))
        {
            let (name, broker, isr) = (look.name(), look.broker, &status.isr);
            let what = format!("broker {broker} commits in {name} with only {isr:?} in sync");
            return Err(Violation { invariant: "commits_durable", what });
        }
        let has = |id: BrokerId| stored_end(world, id, look.id) >= look.high_watermark;
        let exempt =
            |id: &BrokerId| taken_off(*id) || lossy.get(id).is_some_and(|logs| logs.contains(&look.id));
        let missing: Vec<BrokerId> = match status {
            Some(status) => status.isr.iter().copied().filter(|id| !exempt(id) && !has(*id)).collect(),
            None => {
                // In one turn a leader may count what is committed, and then begin a change of the voters.
                let missing = |voters: &[BrokerId]| -> Vec<BrokerId> {
                    let without: Vec<BrokerId> = voters.iter().copied().filter(|id| !has(*id)).collect();
                    if without.len() * 2 < voters.len() { Vec::new() } else { without }
                };
                if missing(&before).is_empty() { Vec::new() } else { missing(&now) }
            }
        };
        if missing.is_empty() {
            return Ok(());
        }
        let what = format!(
            "broker {} counts {} committed up to {}, which is not in the storage of {missing:?}",
            look.broker,
            look.name(),
            look.high_watermark
        );
        Err(Violation { invariant: "commits_durable", what })
    }
}

/// `min.insync.replicas` in all runs.
const MIN_ISR: usize = 2;

fn replicas(world: &World, look: &Look<'_>) -> usize {
    let image = world.broker(look.broker).map(|broker| broker.image());
    let state = image.and_then(|image| image.partition(look.id.topic_id, look.id.partition));
    state.map_or(0, |state| state.replicas.len())
}

/// Where a log ends in a broker's storage.
pub(super) fn stored_end(world: &World, broker: BrokerId, log: LogId) -> Offset {
    let Some(storage) = world.storage(broker) else { return Offset::ZERO };
    let snapshot = storage.last_row(LogId::SNAPSHOTS).and_then(|row| snapshot_end(&row));
    let snapshot = snapshot.filter(|_| log == LogId::METADATA).unwrap_or_default();
    let Some(chunk) = storage.last_chunk(log) else { return snapshot };
    let last = stored_batches(&chunk, false).map_while(Result::ok).last();
    last.map_or(chunk.base, |(header, _)| header.next_offset()).max(snapshot)
}
