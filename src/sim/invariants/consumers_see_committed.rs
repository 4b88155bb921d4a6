//! A consumer is given only what is committed, as it is in the log, and without a gap (Kafka's design, "Replicated Logs";
//! Maelstrom's names: unseen and skip). Where it begins after a rebalance is not beyond what its group has committed.

use crate::client::FetchedBatch;
use crate::types::{Offset, TopicPartition};

use super::{Checked, History, Violation};

/// See the file's head.
#[derive(Debug, Default)]
pub struct ConsumersSeeCommitted;

impl ConsumersSeeCommitted {
    /// A consumer was given a batch. `expected` is the offset after the batch before, in the same assignment;
    /// `committed` what its group has committed.
    pub fn given(
        &self,
        history: &History,
        batch: &FetchedBatch,
        expected: Option<i64>,
        committed: Option<Offset>,
    ) -> Checked {
        let tp = TopicPartition::new(batch.topic.as_str(), batch.partition);
        let log = history.named(&tp);
        let first = batch.records.first().map_or(0, |record| record.offset.0);
        match expected {
            Some(expected) if expected != first => {
                return violation(format!("a consumer of {tp} was given {first}, {expected} comes next"));
            }
            None if first > committed.map_or(0, |committed| committed.0) => {
                return violation(format!(
                    "a consumer of {tp} began at {first}, its group has committed {committed:?}"
                ));
            }
            _ => {}
        }
        for (next, record) in (first..).zip(&batch.records) {
            let known = log.and_then(|log| log.record(record.offset));
            if known != Some(record) {
                return violation(format!("a consumer of {tp} was given {record:?}, committed is {known:?}"));
            }
            if record.offset.0 != next {
                return violation(format!(
                    "a consumer of {tp} was given {} in the place of {next}",
                    record.offset
                ));
            }
        }
        let end = log.map_or(0, |log| log.end().0);
        if batch.high_watermark > end {
            return violation(format!(
                "a consumer of {tp} was told the high watermark {}, committed is {end}",
                batch.high_watermark
            ));
        }
        Ok(())
    }
}

fn violation(what: String) -> Checked {
    Err(Violation { invariant: "consumers_see_committed", what })
}
