//! A high watermark never goes back within a replica's life: what was shown to consumers stays shown (Kafka's replication
//! design; KIP-207). Elections here are clean; an unclean one may take committed records back by design. The quorum's high
//! watermark is Raft's commit index, which only increases (Raft, figure 2).

use std::collections::BTreeMap;

use crate::types::{BrokerId, LogId, Offset};

use super::{Checked, Look, Violation};

#[derive(Debug, Default)]
pub(super) struct HighWatermarkMonotonic {
    last: BTreeMap<(BrokerId, LogId), (u64, Offset)>,
}

impl HighWatermarkMonotonic {
    /// The replica is there no longer.
    pub(super) fn forget(&mut self, broker: BrokerId, log: LogId) {
        self.last.remove(&(broker, log));
    }

    pub(super) fn look(&mut self, look: &Look<'_>) -> Checked {
        let now = (look.life, look.high_watermark);
        let last = self.last.insert((look.broker, look.id), now).unwrap_or(now);
        let what = if look.high_watermark > look.log.log_end_offset() {
            format!("is {} beyond its log's end {}", look.high_watermark, look.log.log_end_offset())
        } else if last.0 == look.life && look.high_watermark < last.1 {
            format!("went back from {} to {}", last.1, look.high_watermark)
        } else {
            return Ok(());
        };
        let what = format!("the high watermark of {} on broker {} {what}", look.name(), look.broker);
        Err(Violation { invariant: "high_watermark_monotonic", what })
    }
}
