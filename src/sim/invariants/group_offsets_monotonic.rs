//! A group's committed offset never goes back without a reset (Maelstrom's name: non-monotonic), and a commit that was
//! answered is committed (Kafka's `GroupCoordinator`: offsets are answered when their records are below the high
//! watermark). Deleting a topic deletes its offsets; nobody seeks back in these runs.

use std::collections::BTreeMap;

use crate::coordinator::schema::GroupRecord;
use crate::protocol::records::Record;
use crate::types::{Offset, PartitionIndex, TopicName};

use super::{Checked, Violation};

/// Committed offsets, as the log of `__consumer_offsets` has them.
#[derive(Debug, Default)]
pub struct GroupOffsetsMonotonic {
    committed: BTreeMap<(String, TopicName, PartitionIndex), Offset>,
}

impl GroupOffsetsMonotonic {
    pub(super) fn record(&mut self, record: &Record) -> Checked {
        let Some(key) = &record.key else { return Ok(()) };
        let decoded = GroupRecord::decode(key, record.value.as_deref());
        let Ok(Some(GroupRecord::Offset { group, topic, partition, value })) = decoded else { return Ok(()) };
        let place = (group, topic, partition);
        let Some(value) = value else {
            self.committed.remove(&place);
            return Ok(());
        };
        let before = self.committed.insert(place.clone(), value.offset);
        match before.filter(|before| *before > value.offset) {
            None => Ok(()),
            Some(before) => violation(format!("{place:?} went back from {before} to {}", value.offset)),
        }
    }

    /// What a group has committed.
    pub fn committed(&self, group: &str, topic: &TopicName, partition: i32) -> Option<Offset> {
        self.committed.get(&(group.to_owned(), topic.clone(), PartitionIndex(partition))).copied()
    }

    /// A consumer was told that its commit is done.
    pub fn answered(&self, group: &str, topic: &TopicName, partition: i32, offset: i64) -> Checked {
        let committed = self.committed(group, topic, partition);
        if committed.is_some_and(|committed| committed.0 >= offset) {
            return Ok(());
        }
        violation(format!(
            "{group}'s commit of {offset} in {topic}-{partition} was answered, committed is {committed:?}"
        ))
    }
}

fn violation(what: String) -> Checked {
    Err(Violation { invariant: "group_offsets_monotonic", what })
}
