//! What can be wrong with a file, and where.

use std::fmt;

use crate::protocol::batch::BatchError;
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicName};

/// Why files are refused: which one, from which byte on, and what is wrong there. Nothing was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The path as it was given.
    pub file: String,
    /// The first byte that is wrong, counted from 0.
    pub at: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong. The remedy is always the same: take the whole directory again from where it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is no log file at all.
    NoLog,
    /// Not a path of Kafka's: `<topic>-<partition>/<file>`.
    ForeignPath,
    /// A file that Kafka does not keep in a partition's directory.
    ForeignFile,
    /// This directory is of another topic than the ones before.
    OtherTopic(TopicName),
    /// The same file was given before.
    Twice,
    /// Partitions are numbered from 0 without gaps; this one is not there.
    PartitionMissing(PartitionIndex),
    /// A batch claims more bytes than are left.
    BatchCut {
        /// What it claims.
        claimed: u64,
        /// What is left.
        left: u64,
    },
    /// A batch is broken.
    Batch(BatchError),
    /// A batch of a transaction, or its marker: a client can't write these as they are.
    Transactional,
    /// A batch begins below the end of the one before, or below its file's name, or beyond any offset.
    OffsetNotAscending {
        /// Where it begins.
        base: Offset,
        /// The lowest it may begin at.
        expected: Offset,
    },
    /// A batch's leader epoch is lower than that of the one before.
    EpochWentBack(LeaderEpoch),
    /// The checkpoint gives another epoch for the batch at this byte.
    EpochDiffers {
        /// Of the batch.
        batch: LeaderEpoch,
        /// By the checkpoint.
        checkpoint: LeaderEpoch,
    },
    /// An index without its log.
    IndexWithoutLog,
    /// A file whose length is no multiple of its entries'.
    EntryCut,
    /// An entry does not come after the one before.
    EntryNotAscending,
    /// An entry does not fit the log: no batch is there, or not of that offset or time.
    EntryDiffersFromLog,
    /// The checkpoint is not of Kafka's form.
    CheckpointMalformed(&'static str),
}

impl FileError {
    pub(super) fn new(file: &str, at: usize, fault: Fault) -> Self {
        Self { file: file.to_owned(), at: at as u64, fault }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}: {}", self.file, self.at, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::NoLog => f.write_str("there is no .log file among these files"),
            Fault::ForeignPath => f.write_str("not a path of Kafka's (<topic>-<partition>/<file>)"),
            Fault::ForeignFile => f.write_str("not a file that Kafka keeps in a partition's directory"),
            Fault::OtherTopic(topic) => write!(f, "of another topic than '{topic}', which came before"),
            Fault::Twice => f.write_str("this file is there twice"),
            Fault::PartitionMissing(partition) => {
                write!(f, "partition {partition} is missing before this one")
            }
            Fault::BatchCut { claimed, left } => {
                write!(f, "the batch is cut short: it claims {claimed} bytes, {left} are left")
            }
            Fault::Batch(error) => error.fmt(f),
            Fault::Transactional => {
                f.write_str("a batch of a transaction (or its marker), which can't be imported")
            }
            Fault::OffsetNotAscending { base, expected } => {
                write!(f, "the batch begins at offset {base}, where at least {expected} was expected")
            }
            Fault::EpochWentBack(before) => {
                write!(f, "the batch's leader epoch is below {before}, that of the batch before")
            }
            Fault::EpochDiffers { batch, checkpoint } => {
                write!(f, "the batch's leader epoch is {batch}, the checkpoint says {checkpoint}")
            }
            Fault::IndexWithoutLog => f.write_str("an index without its .log"),
            Fault::EntryCut => f.write_str("the last entry is cut short"),
            Fault::EntryNotAscending => f.write_str("the entry does not come after the one before"),
            Fault::EntryDiffersFromLog => f.write_str("the entry does not fit the .log"),
            Fault::CheckpointMalformed(what) => f.write_str(what),
        }
    }
}
