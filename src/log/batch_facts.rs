//! What the log keeps in mind of a batch: enough to rebuild every index without its records.

use bytes::Bytes;

use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// An idempotent producer's marks on a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerFacts {
    /// The producer.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Sequence of the first record; none in control batches.
    pub first_sequence: Option<i32>,
}

/// A batch's header, as far as the log's indexes need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchFacts {
    /// The first offset.
    pub base: Offset,
    /// The offset after the last one.
    pub next: Offset,
    /// Header and records, in bytes.
    pub size: usize,
    /// The leader epoch it was written in; none before a leader has set it.
    pub epoch: Option<LeaderEpoch>,
    /// The largest timestamp of its records, ms since the Unix epoch.
    pub max_timestamp: i64,
    /// The producer's marks; none when the producer is not idempotent.
    pub producer: Option<ProducerFacts>,
}

impl BatchFacts {
    /// The last offset.
    pub fn last(&self) -> Offset {
        self.next.plus(-1)
    }

    /// Last offset minus first offset.
    pub fn offset_delta(&self) -> i32 {
        (self.next.0 - self.base.0 - 1) as i32
    }
}

/// A whole batch with its facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub facts: BatchFacts,
    pub bytes: Bytes,
}
