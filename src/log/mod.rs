//! The partition log: segments, epoch cache, producer state, recovery. Sans-IO; storage is asked through `io`.

mod batch_facts;
mod cleaner;
mod codec;
mod config;
mod epoch_cache;
mod error;
pub mod io;
mod io_queue;
mod partition_log;
mod producer_state;
mod reading;
mod recovery;
mod retention;
mod seal;
mod segment;
mod tail;
mod timestamps;
mod truncation;

pub use cleaner::{Cleaned, CleaningProgress, CompactionRules, Dirt};
pub use config::LogConfig;
pub use epoch_cache::{EpochCache, EpochEntry};
pub use error::AppendError;
pub use io_queue::{APPEND_BYTES_MAX, CHUNK_BYTES_MAX};
pub use partition_log::{AppendInfo, IoOutcome, NewRecords, PartitionLog, ReadOutcome};
pub use producer_state::{BATCHES_RETAINED, BatchMetadata, ProducerEntry, ProducerState};
pub use reading::Damaged;
pub use recovery::{CutReason, LogOpening, Opened, RecoveryReport};
pub use retention::{Expired, RetentionReason};
pub use seal::{stored_batches, unsealed};
pub use segment::{DecodedRow, Segment, SegmentFacts, TimeIndexEntry, decode_row};
pub use timestamps::{TimestampLookup, TimestampOffset};
