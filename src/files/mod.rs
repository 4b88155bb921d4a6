//! Kafka's own files of a topic, as a broker lays them out in a directory of `log.dirs`: written from record batches, and
//! read back. Sans-IO: pieces of bytes with the path they belong to.
//!
//! ```text
//! orders-0/00000000000000000000.log        record batches of magic 2, exactly as stored (`protocol::batch`)
//! orders-0/00000000000000000000.index      8 bytes an entry: offset minus the file's (i32), position in the .log (i32)
//! orders-0/00000000000000000000.timeindex  12 bytes an entry: timestamp (i64, ms), offset minus the file's (i32)
//! orders-0/00000000000000001234.log        the next segment, named by its first offset
//! orders-0/leader-epoch-checkpoint         text: "0", the number of lines that follow, then "epoch startOffset" each
//! ```
//!
//! An index entry says: the batch at this position ends at this offset. A time index entry says: the largest timestamp up
//! to and including the batch that ends at this offset. (Kafka's `LogSegment.append`, `OffsetIndex`, `TimeIndex`,
//! `LeaderEpochCheckpointFile`.)

mod checkpoint;
mod fault;
mod index;
mod path;
mod producible;
mod reader;
mod writer;

pub use checkpoint::EpochStart;
pub use fault::{Fault, FileError};
pub use path::{FileKind, FilePath};
pub use producible::{Rewritten, is_producible, rewrite};
pub use reader::{PartitionFacts, TopicFacts, TopicReader};
pub use writer::{PartitionWriter, Piece};

/// Bytes of log between two entries of an index, at least: the default of Kafka's `index.interval.bytes`.
pub const INDEX_INTERVAL_BYTES: u64 = 4096;
