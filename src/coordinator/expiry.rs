//! When offsets go: a retention after the group became empty (KIP-211), a retention after the commit where there was no
//! group at all, or with their topic. A group without members and offsets goes too.

use crate::types::{PartitionIndex, TopicName};

use super::classic_group::{ClassicGroup, State};
use super::schema::{GroupRecord, OffsetValue};
use super::shard::{Shard, Then};
use super::{EXPIRY_INTERVAL, OFFSETS_RETENTION, Timer, Turn};

impl Shard {
    /// Writes tombstones for what has expired.
    pub(super) fn expire_offsets(&mut self, turn: &mut Turn<'_>) {
        turn.core.timers.set(Timer::Expiry(turn.partition), turn.now + EXPIRY_INTERVAL);
        let now = turn.now.as_timestamp();
        let mut records = Vec::new();
        let mut gone = Vec::new();
        for (name, group) in &self.groups {
            let mut all = true;
            let subscribed = group.subscribed_topics();
            for (topic, partitions) in self.latest.of(name).into_iter().flatten() {
                let unused = match &subscribed {
                    Some(topics) => !topics.contains(topic.as_str()),
                    None => !group.is_consumer_group(),
                };
                for (partition, value) in partitions {
                    if unused && expired(group, value, now) {
                        records.push(tombstone(name, topic, *partition));
                    } else {
                        all = false;
                    }
                }
            }
            if all && group.state() == State::Empty && group.pending_join.is_empty() {
                gone.push(name.clone());
            }
        }
        for name in gone {
            records.push(GroupRecord::Group { group: name.clone(), value: None });
            if let Some(group) = self.groups.remove(&name) {
                group.announce(turn, "Dead", "it has no members, and its offsets expired".to_owned());
            }
        }
        if !records.is_empty() {
            turn.write(records, Then::Nothing);
        }
    }

    /// Writes tombstones for the offsets of topics that are gone.
    pub(super) fn topics_deleted(&mut self, turn: &mut Turn<'_>, topics: &[TopicName]) {
        if !self.is_active() {
            return;
        }
        let mut records = Vec::new();
        for (group, offsets) in self.latest.groups() {
            for (topic, partitions) in offsets.iter().filter(|(topic, _)| topics.contains(topic)) {
                records.extend(partitions.keys().map(|partition| tombstone(group, topic, *partition)));
            }
        }
        if !records.is_empty() {
            turn.write(records, Then::Nothing);
        }
    }
}

/// A record that deletes an offset.
pub(super) fn tombstone(group: &str, topic: &TopicName, partition: PartitionIndex) -> GroupRecord {
    GroupRecord::Offset { group: group.to_owned(), topic: topic.clone(), partition, value: None }
}

fn expired(group: &ClassicGroup, value: &OffsetValue, now: i64) -> bool {
    if let Some(expire) = value.expire_timestamp {
        return now >= expire;
    }
    let since = match (group.protocol_type(), group.state()) {
        (None, _) => value.commit_timestamp,
        (Some(_), State::Empty) => {
            group.state_since().map_or(value.commit_timestamp, |since| since.as_timestamp())
        }
        (Some(_), State::Stable) if group.is_consumer_group() => value.commit_timestamp,
        _ => return false,
    };
    now.saturating_sub(since) >= OFFSETS_RETENTION.as_millis() as i64
}
