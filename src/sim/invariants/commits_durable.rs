//! What a leader counts as committed is in the storage of everyone it counts: of a majority of the voters (Raft, section 5.3;
//! KIP-595), of every in-sync replica, of which there are enough (KIP-966; DESIGN, ordering law 3, and decision 6: a response that promises durability leaves
//! only after its bytes are committed).

use std::collections::BTreeMap;

use crate::log::stored_batches;
use crate::quorum::snapshot_end;
use crate::replica::ReplicaStatus;
use crate::types::{BrokerId, LogId, Offset};

use super::{Checked, Look, Losses, MemoryStorage, Violation, World};

#[derive(Debug, Default)]
pub(super) struct CommitsDurable {
    replicas: BTreeMap<(BrokerId, LogId), Seen>,
}

/// What a replica was like when it was looked at last.
#[derive(Debug, Clone)]
struct Seen {
    leads: bool,
    high_watermark: Offset,
    /// The voters, or the in-sync replicas.
    counted: Vec<BrokerId>,
}

impl CommitsDurable {
    /// A leader may not have heard yet that a replica was `taken_off`: it counts more than it has to, and that replica's log
    /// may be gone already.
    pub(super) fn look(
        &mut self,
        world: &World,
        look: &Look<'_>,
        status: Option<&ReplicaStatus>,
        losses: &Losses,
        taken_off: impl Fn(BrokerId) -> bool,
    ) -> Checked {
        let counted: Vec<BrokerId> = match status {
            Some(status) => status.isr.clone(),
            None => {
                world.broker(look.broker).map(|broker| broker.quorum().voters().collect()).unwrap_or_default()
            }
        };
        let now = Seen { leads: look.leads.is_some(), high_watermark: look.high_watermark, counted };
        let before = self.replicas.insert((look.broker, look.id), now.clone()).unwrap_or_else(|| now.clone());
        if now.high_watermark <= before.high_watermark || !(now.leads || before.leads) {
            return Ok(());
        }
        let has = |id: BrokerId| {
            let end = match status {
                Some(_) => stored_end(world, id, look.id),
                None => voter_end(world, look.broker, id),
            };
            end >= look.high_watermark
        };
        let exempt = |id: BrokerId| taken_off(id) || losses.may_miss(id, look.id);
        let wrong = |counted: &[BrokerId]| -> Option<String> {
            let (name, broker, end) = (look.name(), look.broker, look.high_watermark);
            let without = counted.iter().copied().filter(|id| !has(*id));
            let (enough, missing): (bool, Vec<BrokerId>) = match status {
                Some(_) => {
                    let enough = counted.len() >= MIN_ISR.min(replicas(world, look));
                    (enough, without.filter(|id| !exempt(*id)).collect())
                }
                None => {
                    let without: Vec<BrokerId> = without.collect();
                    (true, if without.len() * 2 < counted.len() { Vec::new() } else { without })
                }
            };
            match (enough, missing.is_empty()) {
                (false, _) => {
                    Some(format!("broker {broker} commits in {name} with only {counted:?} in sync"))
                }
                (true, false) => Some(format!(
                    "broker {broker} counts {name} committed up to {end}, which is not in the storage of {missing:?}"
                )),
                (true, true) => None,
            }
        };
        // In one turn a leader may count what is committed, and then hear or decide that others are to be counted, or lead.
        match wrong(&before.counted).and_then(|_| wrong(&now.counted)) {
            Some(what) => Err(Violation { invariant: "commits_durable", what }),
            None => Ok(()),
        }
    }
}

/// `min.insync.replicas` in all runs.
const MIN_ISR: usize = 2;

fn replicas(world: &World, look: &Look<'_>) -> usize {
    let image = world.broker(look.broker).map(|broker| broker.image());
    let state = image.and_then(|image| image.partition(look.id.topic_id, look.id.partition));
    state.map_or(0, |state| state.replicas.len())
}

/// Where the metadata log of a voter of a leader ends, in the storage that it votes with.
fn voter_end(world: &World, leader: BrokerId, voter: BrokerId) -> Offset {
    let directory = world.broker(leader).and_then(|broker| broker.quorum().voter_directory(voter));
    let storage = world.voter_storage(voter, directory.unwrap_or_default());
    storage.map_or(Offset::ZERO, |storage| end_in(storage, LogId::METADATA))
}

/// Where a log ends in a broker's storage.
pub(super) fn stored_end(world: &World, broker: BrokerId, log: LogId) -> Offset {
    world.storage(broker).map_or(Offset::ZERO, |storage| end_in(storage, log))
}

fn end_in(storage: &MemoryStorage, log: LogId) -> Offset {
    let snapshot = storage.last_row(LogId::SNAPSHOTS).and_then(|row| snapshot_end(&row));
    let snapshot = snapshot.filter(|_| log == LogId::METADATA).unwrap_or_default();
    let Some(chunk) = storage.last_chunk(log) else { return snapshot };
    let last = stored_batches(&chunk, false).map_while(Result::ok).last();
    last.map_or(chunk.base, |(header, _)| header.next_offset()).max(snapshot)
}
