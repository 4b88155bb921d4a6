//! Two logs with a batch of the same offset and epoch are the same up to there (Raft, section 5.3 and figure 3, "Log
//! Matching"; KIP-101 and KIP-279 for partitions). Checked by induction: a batch with its offset and epoch has one content
//! and one predecessor.

use std::collections::BTreeMap;

use crate::types::{LeaderEpoch, LogId, Offset};

use super::{BatchMark, Checked, Look, Violation};

#[derive(Debug, Default)]
pub(super) struct LogMatching {
    seen: BTreeMap<(LogId, Offset, LeaderEpoch), Seen>,
}

#[derive(Debug)]
struct Seen {
    batch: BatchMark,
    before: Option<BatchMark>,
}

impl LogMatching {
    pub(super) fn batch(
        &mut self,
        look: &Look<'_>,
        batch: &BatchMark,
        before: Option<&BatchMark>,
    ) -> Checked {
        let key = (look.id, batch.base, batch.epoch);
        let seen = self.seen.entry(key).or_insert_with(|| Seen { batch: *batch, before: before.copied() });
        // A log that was read from the middle shows no predecessor.
        let differ = seen.before.zip(before.copied()).is_some_and(|(known, before)| known != before);
        if seen.batch == *batch && !differ {
            seen.before = seen.before.or(before.copied());
            return Ok(());
        }
        let what = format!(
            "{} on broker {} has {batch:?} after {before:?}, elsewhere there was {:?} after {:?}",
            look.name(),
            look.broker,
            seen.batch,
            seen.before
        );
        Err(Violation { invariant: "log_matching", what })
    }
}
