//! Names of directories and files.

use std::fmt;

use crate::types::{Offset, PartitionIndex, TopicName};

use super::fault::Fault;

/// The longest name of a topic, in bytes.
const TOPIC_BYTES_MAX: usize = 249;
/// Kafka's own files in a partition's directory that say nothing about its records.
const PASSED_OVER: [&str; 1] = ["partition.metadata"];
/// The same, by what their names end in: producers' state, aborted transactions.
const PASSED_OVER_ENDINGS: [&str; 2] = ["snapshot", "txnindex"];

/// A file of a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePath {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: PartitionIndex,
    /// Which of its files.
    pub kind: FileKind,
}

/// The files of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// Record batches from this offset on.
    Log(Offset),
    /// Positions by offset.
    OffsetIndex(Offset),
    /// Offsets by time.
    TimeIndex(Offset),
    /// Start offsets of leader epochs.
    LeaderEpochs,
    /// Kafka's own, of no use here.
    PassedOver,
}

impl FilePath {
    /// Reads a path; directories above the partition's do not matter.
    pub fn parse(path: &str) -> Result<FilePath, Fault> {
        let mut parts = path.rsplit('/');
        let (Some(file), Some(directory)) = (parts.next(), parts.next()) else {
            return Err(Fault::ForeignPath);
        };
        let (topic, partition) = directory.rsplit_once('-').ok_or(Fault::ForeignPath)?;
        let legal = |c: char| c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(&c);
        if topic.is_empty() || topic.len() > TOPIC_BYTES_MAX || !topic.chars().all(legal) {
            return Err(Fault::ForeignPath);
        }
        let number = number::<i32>(partition).ok_or(Fault::ForeignPath)?;
        if number.to_string() != partition {
            return Err(Fault::ForeignPath);
        }
        let topic = TopicName::from(topic);
        Ok(FilePath { topic, partition: PartitionIndex(number), kind: kind(file)? })
    }
}

fn kind(file: &str) -> Result<FileKind, Fault> {
    if file == "leader-epoch-checkpoint" {
        return Ok(FileKind::LeaderEpochs);
    }
    if PASSED_OVER.contains(&file) {
        return Ok(FileKind::PassedOver);
    }
    let (base, ending) = file.split_once('.').ok_or(Fault::ForeignFile)?;
    let base = number::<i64>(base).filter(|_| base.len() == 20).ok_or(Fault::ForeignFile)?;
    match ending {
        "log" => Ok(FileKind::Log(Offset(base))),
        "index" => Ok(FileKind::OffsetIndex(Offset(base))),
        "timeindex" => Ok(FileKind::TimeIndex(Offset(base))),
        other if PASSED_OVER_ENDINGS.contains(&other) => Ok(FileKind::PassedOver),
        _ => Err(Fault::ForeignFile),
    }
}

/// Digits only: no sign.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}/", self.topic, self.partition)?;
        match self.kind {
            FileKind::Log(base) => write!(f, "{:020}.log", base.0),
            FileKind::OffsetIndex(base) => write!(f, "{:020}.index", base.0),
            FileKind::TimeIndex(base) => write!(f, "{:020}.timeindex", base.0),
            FileKind::LeaderEpochs => f.write_str("leader-epoch-checkpoint"),
            FileKind::PassedOver => f.write_str("partition.metadata"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back_as_written() {
        for kind in [
            FileKind::Log(Offset(0)),
            FileKind::Log(Offset(i64::MAX)),
            FileKind::OffsetIndex(Offset(1234)),
            FileKind::TimeIndex(Offset(1234)),
            FileKind::LeaderEpochs,
            FileKind::PassedOver,
        ] {
            let path = FilePath { topic: TopicName::from("a-1.b_c"), partition: PartitionIndex(12), kind };
            assert_eq!(FilePath::parse(&path.to_string()), Ok(path));
        }
        let path = FilePath::parse("backup/kafka-logs/orders-3/00000000000000000007.log").unwrap();
        assert_eq!((path.topic.as_str(), path.partition.0), ("orders", 3));
    }

    #[test]
    fn foreign_paths_are_refused() {
        for path in [
            "",
            "orders",
            "orders/00000000000000000000.log",
            "orders-/00000000000000000000.log",
            "-0/00000000000000000000.log",
            "orders-01/00000000000000000000.log",
            "orders-+1/00000000000000000000.log",
            "orders-9999999999/00000000000000000000.log",
            "no good-0/00000000000000000000.log",
        ] {
            assert_eq!(FilePath::parse(path), Err(Fault::ForeignPath), "{path}");
        }
        for path in [
            "orders-0/",
            "orders-0/README.md",
            "orders-0/0.log",
            "orders-0/0000000000000000000x.log",
            "orders-0/-0000000000000000001.log",
            "orders-0/00000000000000000000.log.deleted",
            "orders-0/99999999999999999999.log",
        ] {
            assert_eq!(FilePath::parse(path), Err(Fault::ForeignFile), "{path}");
        }
    }
}
