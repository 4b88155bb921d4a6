//! The high watermarks as stored: one small text value, so that a broker that starts again knows what was committed.
//!
//! ```text
//! 0                                  format version
//! <log id> <high watermark>          one line a log; the log id is <topic id>-<partition>
//! ```
//!
//! Kafka's file of the same name has topic names; here a topic made again by the same name must not find the old value.

use std::fmt::Write;

use bytes::Bytes;

use crate::sorted::SortedMap;
use crate::types::{LogId, Offset};

/// The meta key.
pub const HIGH_WATERMARK_CHECKPOINT_KEY: &str = "replication-offset-checkpoint";

const VERSION: &str = "0";

/// Writes a checkpoint.
pub(super) fn encode(high_watermarks: &SortedMap<LogId, Offset>) -> Bytes {
    let mut text = format!("{VERSION}\n");
    for (log, offset) in high_watermarks {
        // Writing to a String never fails.
        let _ = writeln!(text, "{log} {offset}");
    }
    Bytes::from(text)
}

/// Reads a checkpoint. Lines that can't be read are left out: a high watermark that is unknown starts at the log start
/// offset and rises again as replicas fetch.
pub(super) fn decode(bytes: &[u8]) -> SortedMap<LogId, Offset> {
    let Ok(text) = std::str::from_utf8(bytes) else { return SortedMap::new() };
    let mut lines = text.lines();
    if lines.next() != Some(VERSION) {
        return SortedMap::new();
    }
    lines
        .filter_map(|line| {
            let (log, offset) = line.split_once(' ')?;
            Some((log.parse().ok()?, Offset(offset.parse().ok()?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{PartitionIndex, TopicId};

    #[test]
    fn a_checkpoint_reads_back_as_written() {
        let log = LogId { topic_id: TopicId::METADATA, partition: PartitionIndex(3) };
        let all = SortedMap::from([(LogId::METADATA, Offset(7)), (log, Offset(0))]);
        assert_eq!(decode(&encode(&all)), all);
    }

    #[test]
    fn what_is_not_a_checkpoint_holds_nothing() {
        assert_eq!(decode(b"1\nx 5\n"), SortedMap::new());
        assert_eq!(decode(b"0\nx 5\n0-0 y\n"), SortedMap::new());
        assert_eq!(decode(&[0xff, 0xfe]), SortedMap::new());
    }
}
