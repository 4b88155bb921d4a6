//! Why an append was refused. Facts only; the handler turns them into the wire's codes.

use crate::protocol::batch::BatchError;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// Why nothing of an append was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// There was no batch at all. Remedy: send one (`INVALID_RECORD`).
    NoBatches,
    /// A batch's bytes are not what they claim to be. Remedy: send them again (`CORRUPT_MESSAGE`).
    CorruptBatch(BatchError),
    /// A batch is larger than `max.message.bytes`. Remedy: smaller batches (`MESSAGE_TOO_LARGE`).
    RecordTooLarge {
        /// The batch's size in bytes.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// All batches together are larger than a segment may be. Remedy: fewer batches (`RECORD_LIST_TOO_LARGE`).
    RecordListTooLarge {
        /// Their size in bytes.
        size: usize,
        /// `segment.bytes`.
        max: u64,
    },
    /// A timestamp lies further in the future than `message.timestamp.after.max.ms` allows (`INVALID_TIMESTAMP`).
    TimestampInFuture {
        /// The batch's largest timestamp, ms since the Unix epoch.
        timestamp: i64,
        /// The largest allowed at that moment.
        max: i64,
    },
    /// An idempotent producer's batch neither continues its sequence nor repeats one of its last five batches: a batch
    /// before it was lost (`OUT_OF_ORDER_SEQUENCE_NUMBER`). The producer must bump its epoch.
    OutOfOrderSequence {
        /// The producer.
        producer_id: ProducerId,
        /// The sequence that would have been accepted; none after a new epoch, which starts at 0.
        expected: Option<i32>,
        /// The sequence that came.
        got: i32,
    },
    /// A newer instance of the producer has written with a higher epoch (`INVALID_PRODUCER_EPOCH`).
    InvalidProducerEpoch {
        /// The producer.
        producer_id: ProducerId,
        /// Its current epoch.
        current: ProducerEpoch,
        /// The epoch that came.
        got: ProducerEpoch,
    },
    /// Replicated batches do not continue the log. Remedy: fetch again from the log end offset.
    OffsetsNotContiguous {
        /// The log end offset at that point.
        expected: Offset,
        /// The batch's base offset.
        got: Offset,
    },
    /// A batch's leader epoch is below the log's latest. Remedy: the owner must not append in an epoch that is over.
    EpochWentBack {
        /// The log's latest epoch.
        latest: LeaderEpoch,
        /// The epoch that came.
        got: LeaderEpoch,
    },
    /// A write failed, and storage has not yet confirmed the cut that followed. Remedy: try again later
    /// (`KAFKA_STORAGE_ERROR`).
    StorageFailed,
    /// A truncation waits for bytes from storage. Remedy: try again when `is_truncating` is false.
    Truncating,
    /// The log was deleted.
    Deleted,
}
