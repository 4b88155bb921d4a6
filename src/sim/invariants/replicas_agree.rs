//! What is below a replica's high watermark is the same on all replicas (Kafka's replication design, "a message is
//! committed when all in-sync replicas have it"; Raft, figure 3, "State Machine Safety"), and can be read.

use bytes::Bytes;

use crate::protocol::batch::{batches, validate_stored};

use super::{BatchMark, Checked, History, Look, Violation};

#[derive(Debug, Default)]
pub(super) struct ReplicasAgree;

impl ReplicasAgree {
    /// `bytes` are the replica's batches that its high watermark has passed newly.
    pub(super) fn committed(&self, look: &Look<'_>, bytes: &Bytes, history: &History) -> Checked {
        let mut at = None;
        for (header, range) in batches(bytes).map_while(Result::ok) {
            let found = BatchMark::from(&header);
            let known = history.log(look.id).and_then(|log| log.batch(found.base));
            if known != Some(&found) || validate_stored(&bytes.slice(range)).is_err() {
                let what = format!(
                    "{} on broker {} has {found:?} below its high watermark, committed was {known:?}",
                    look.name(),
                    look.broker
                );
                return Err(Violation { invariant: "replicas_agree", what });
            }
            at = Some(found.next);
        }
        if at.is_some_and(|at| at >= look.high_watermark) {
            return Ok(());
        }
        let what = format!(
            "{} on broker {} can be read up to {at:?} only, its high watermark is {}",
            look.name(),
            look.broker,
            look.high_watermark
        );
        Err(Violation { invariant: "replicas_agree", what })
    }
}
