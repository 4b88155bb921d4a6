//! Who is in an ISR is active (KIP-841: no fenced broker joins one; only the last stays, because it alone has everything)
//! and has all that is committed (KIP-497, KIP-903: a stale leader's ISR, or one with an earlier incarnation, is refused).
//! Looked at when the first broker learns of a state of the metadata.

use std::collections::BTreeMap;

use crate::controller::MetadataImage;
use crate::types::{LogId, Offset, PartitionEpoch};

use super::commits_durable::stored_end;
use super::{Checked, History, Losses, Violation, World};

#[derive(Debug, Default)]
pub(super) struct IsrMembers {
    newest: Offset,
    seen: BTreeMap<LogId, PartitionEpoch>,
}

impl IsrMembers {
    /// How much of the metadata any broker has replayed.
    pub(super) fn newest(&self) -> Offset {
        self.newest
    }

    pub(super) fn replayed(
        &mut self,
        world: &World,
        replayed: Offset,
        image: &MetadataImage,
        history: &History,
        losses: &Losses,
    ) -> Checked {
        if replayed <= self.newest {
            return Ok(());
        }
        self.newest = replayed;
        for (topic_id, topic, partition, state) in image.partitions() {
            let log = LogId { topic_id, partition };
            if self.seen.insert(log, state.partition_epoch) == Some(state.partition_epoch) {
                continue;
            }
            let name = format!("{}-{partition}", topic.name);
            let inactive = state.isr.iter().find(|id| !image.is_active(**id));
            if let Some(id) = inactive.filter(|_| state.isr.len() > 1) {
                return violation(format!("broker {id} is not active and in the ISR of {name}: {state:?}"));
            }
            let end = history.log(log).map(|log| log.end()).unwrap_or_default();
            for id in &state.isr {
                let has = stored_end(world, *id, log);
                if has < end && !losses.may_miss(*id, log) {
                    let what = format!("broker {id} is in the ISR of {name} with {has} of {end} committed");
                    return violation(what);
                }
            }
        }
        Ok(())
    }
}

fn violation(what: String) -> Checked {
    Err(Violation { invariant: "isr_members", what })
}
