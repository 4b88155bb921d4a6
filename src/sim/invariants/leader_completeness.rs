//! Whoever is elected has everything that was committed in earlier epochs (Raft, section 5.4 and figure 3, "Leader
//! Completeness"). For partitions the same holds of every clean election, because leaders come from the ISR (Kafka's design,
//! "Replicated Logs: Quorums, ISRs, and State Machines"). A broker that learns late that it was elected, when later epochs
//! have begun, owes nothing of what was committed in those, whenever it was written.

use bytes::Bytes;

use crate::protocol::batch::batches;
use crate::types::Offset;

use super::{BatchMark, Checked, History, Look, Violation};

#[derive(Debug, Default)]
pub(super) struct LeaderCompleteness;

impl LeaderCompleteness {
    pub(super) fn elected(
        &self,
        look: &Look<'_>,
        history: &History,
        read: &mut dyn FnMut(Offset, Offset) -> Bytes,
    ) -> Checked {
        let (Some(committed), Some(epoch)) = (history.log(look.id), look.leads) else { return Ok(()) };
        let end = committed.end_before(epoch);
        let mut at = look.log.log_start_offset();
        let bytes = read(at, end);
        for (header, _) in batches(&bytes).map_while(Result::ok) {
            let found = BatchMark::from(&header);
            if committed.batch(found.base) != Some(&found) {
                break;
            }
            at = found.next;
        }
        if at >= end {
            return Ok(());
        }
        let what = format!(
            "broker {} leads {} in epoch {epoch} without what was committed at {at} (up to {end}, its log ends at {})",
            look.broker,
            look.name(),
            look.log.log_end_offset()
        );
        Err(Violation { invariant: "leader_completeness", what })
    }
}
