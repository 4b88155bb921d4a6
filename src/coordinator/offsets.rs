//! OffsetCommit 2-9, OffsetFetch 1-9, OffsetDelete 0 (KIP-496).
//!
//! OffsetCommit: by members of a generation, and by simple consumers (generation -1, no member id) while the group has
//! no members.
//! - 2-4: the commit may say how long it is kept.
//! - 6: leader epochs (KIP-320). 7: static members (KIP-345).
//! - 9: GROUP_ID_NOT_FOUND for a group that is not there, before ILLEGAL_GENERATION (KIP-848).
//!
//! OffsetFetch tells committed offsets; -1 where there is none.
//! - 2: all partitions, when no topics are named; the error is the response's, before each partition's.
//! - 7: `require_stable` waits for the commits under way (KIP-447).
//! - 8: several groups (KIP-709). 9: member id and epoch, of KIP-848's groups only.

use crate::effects::{Effects, ReplyToken};
use crate::protocol::ErrorCode;
use crate::protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use crate::protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use crate::protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse,
};
use crate::sorted::SortedMap;
use crate::time::Instant;
use crate::types::{LeaderEpoch, Offset, PartitionIndex, TopicName};

use super::classic_group::{ClassicGroup, State, wire};
use super::errors::{commit_result, commit_topic, fetch_error};
use super::expiry::tombstone;
use super::schema::{GroupRecord, OffsetValue};
use super::shard::{Shard, Then};
use super::{Core, Gather, GroupCoordinator, Turn};

/// A group's offsets.
pub(super) type GroupOffsets = SortedMap<TopicName, SortedMap<PartitionIndex, OffsetValue>>;

/// Offsets by group.
#[derive(Debug, Clone, Default)]
pub(super) struct Offsets {
    by_group: SortedMap<String, GroupOffsets>,
}

impl Offsets {
    /// Replays a record; those of groups are none of its business.
    pub(super) fn apply(&mut self, record: &GroupRecord) {
        let GroupRecord::Offset { group, topic, partition, value } = record else { return };
        if let Some(value) = value {
            let topics = self.by_group.entry(group.clone()).or_default();
            topics.entry(topic.clone()).or_default().insert(*partition, value.clone());
        } else if let Some(topics) = self.by_group.get_mut(group) {
            if let Some(partitions) = topics.get_mut(topic) {
                partitions.remove(partition);
            }
            topics.retain(|_, partitions| !partitions.is_empty());
            if topics.is_empty() {
                self.by_group.remove(group);
            }
        }
    }

    pub(super) fn of(&self, group: &str) -> Option<&GroupOffsets> {
        self.by_group.get(group)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (&String, &GroupOffsets)> {
        self.by_group.iter()
    }
}

/// An OffsetFetch of one group that waits for the commits under way.
#[derive(Debug)]
pub(super) struct StableRead {
    pub(super) token: ReplyToken,
    /// Which of the request's groups.
    pub(super) slot: usize,
    pub(super) request: OffsetFetchRequestGroup,
}

impl Shard {
    pub(super) fn commit_offsets(
        &mut self,
        turn: &mut Turn<'_>,
        token: ReplyToken,
        version: i16,
        request: OffsetCommitRequest,
    ) {
        let name = request.group_id.to_string();
        if let Err(error) = self.may_commit(turn, version, &request) {
            let response = super::errors::commit_error(accepted(request.topics), error);
            return turn.reply(token, response);
        }
        let expire_timestamp = Some(request.retention_time_ms)
            .filter(|retention| version <= 4 && *retention != -1)
            .map(|retention| turn.now.as_timestamp().saturating_add(retention));
        let mut records = Vec::new();
        let mut topics = Vec::new();
        for topic in request.topics {
            let mut results = Vec::new();
            let topic_name = TopicName::from(topic.name.as_str());
            for partition in topic.partitions {
                let index = partition.partition_index;
                let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
                let error = turn.core.refused(&topic_name, index, metadata);
                results.push(commit_result(index, error));
                if error.is_some() {
                    continue;
                }
                let epoch = partition.committed_leader_epoch;
                records.push(GroupRecord::Offset {
                    group: name.clone(),
                    topic: topic_name.clone(),
                    partition: PartitionIndex(index),
                    value: Some(OffsetValue {
                        offset: Offset(partition.committed_offset),
                        leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
                        metadata: metadata.to_owned(),
                        commit_timestamp: turn.now.as_timestamp(),
                        expire_timestamp,
                    }),
                });
            }
            topics.push(commit_topic(topic.name, results));
        }
        let response = OffsetCommitResponse::default().with_topics(topics);
        if records.is_empty() {
            return turn.reply(token, response);
        }
        let created = !self.groups.contains_key(&name);
        if created {
            self.groups.insert(name.clone(), ClassicGroup::simple(name.clone(), Some(turn.now)));
        }
        turn.write(records, Then::OffsetsCommitted { token, group: name, response, created });
    }

    /// Deletes a group's offsets; of a group with members only those of topics that none of them has subscribed to.
    pub(super) fn delete_offsets(
        &mut self,
        turn: &mut Turn<'_>,
        token: ReplyToken,
        request: OffsetDeleteRequest,
    ) {
        let name = request.group_id.to_string();
        let refuse = |error: ErrorCode| OffsetDeleteResponse::default().with_error_code(error.code());
        let Some(group) = self.groups.get(&name).filter(|group| group.visible) else {
            return turn.reply(token, refuse(ErrorCode::GroupIdNotFound));
        };
        let subscribed = match group.state() {
            State::Empty => Default::default(),
            _ => match group.subscribed_topics() {
                Some(topics) => topics,
                None => return turn.reply(token, refuse(ErrorCode::NonEmptyGroup)),
            },
        };
        let mut records = Vec::new();
        let mut topics = Vec::new();
        for topic in request.topics {
            let of = TopicName::from(topic.name.as_str());
            let known = self.latest.of(&name).and_then(|topics| topics.get(&of));
            let mut results = Vec::new();
            for asked in &topic.partitions {
                let index = PartitionIndex(asked.partition_index);
                let result = OffsetDeleteResponsePartition::default().with_partition_index(index.0);
                results.push(match subscribed.contains(of.as_str()) {
                    true => result.with_error_code(ErrorCode::GroupSubscribedToTopic.code()),
                    false => result,
                });
                if !subscribed.contains(of.as_str()) && known.is_some_and(|known| known.contains_key(&index))
                {
                    records.push(tombstone(&name, &of, index));
                }
            }
            topics.push(OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(results));
        }
        let response = OffsetDeleteResponse::default().with_topics(topics);
        match records.is_empty() {
            true => turn.reply(token, response),
            false => turn.write(records, Then::OffsetsDeleted { token, response }),
        }
    }

    /// Checks who commits. A member's commit is a sign of life.
    fn may_commit(
        &self,
        turn: &mut Turn<'_>,
        version: i16,
        request: &OffsetCommitRequest,
    ) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        let Some(group) = self.groups.get(request.group_id.as_str()) else {
            return match (generation, version) {
                (..0, _) => Ok(()),
                (_, 9..) => Err(ErrorCode::GroupIdNotFound),
                _ => Err(ErrorCode::IllegalGeneration),
            };
        };
        if generation < 0 && group.state() == State::Empty {
            return Ok(());
        }
        let id = request.member_id.as_str();
        if generation < 0 && id.is_empty() && request.group_instance_id.is_none() {
            // A simple consumer, and the group has members.
            return Err(ErrorCode::UnknownMemberId);
        }
        group.validate_member(id, request.group_instance_id.as_deref())?;
        if generation != group.generation.0 {
            return Err(ErrorCode::IllegalGeneration);
        }
        match group.state() {
            State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::Stable | State::PreparingRebalance => {
                group.restart_session(turn, id);
                Ok(())
            }
            State::Empty => Ok(()),
        }
    }

    /// One group's committed offsets.
    pub(super) fn fetch(&self, request: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let offsets = self.committed.of(&request.group_id);
        let topics = match &request.topics {
            Some(topics) => topics.iter().map(|topic| fetch_topic(offsets, topic)).collect(),
            None => offsets.into_iter().flatten().map(all_of_topic).collect(),
        };
        OffsetFetchResponseGroup::default().with_group_id(request.group_id.clone()).with_topics(topics)
    }
}

impl Core {
    /// Why an offset can't be committed.
    fn refused(&self, topic: &TopicName, partition: i32, metadata: &str) -> Option<ErrorCode> {
        let exists = match &self.topics {
            None => true,
            Some(topics) => {
                let count = topics.get(topic).copied().unwrap_or(0);
                usize::try_from(partition).is_ok_and(|partition| partition < count)
            }
        };
        if !exists {
            return Some(ErrorCode::UnknownTopicOrPartition);
        }
        // As Kafka, which says bytes and counts UTF-16 units.
        let length = metadata.encode_utf16().count();
        let fits = length <= self.settings.offset_metadata_max && super::errors::fits_schema(metadata);
        (!fits).then_some(ErrorCode::OffsetMetadataTooLarge)
    }
}

impl GroupCoordinator {
    pub(super) fn fetch_offsets(
        &mut self,
        now: Instant,
        token: ReplyToken,
        version: i16,
        request: OffsetFetchRequest,
        fx: &mut Effects,
    ) {
        let require_stable = request.require_stable;
        let requests = fetch_groups(version, request);
        if requests.is_empty() {
            return fx.reply(token, OffsetFetchResponse::default());
        }
        let groups = vec![None; requests.len()];
        self.core.gathers.insert(token, Gather::Fetch { version, groups });
        for (slot, request) in requests.into_iter().enumerate() {
            match self.shard_of(&request.group_id) {
                Err(error) => {
                    let part = fetch_error(version, &request, error);
                    self.core.gathered_fetch(token, slot, part, fx);
                }
                Ok(partition) => self.on_shard(now, partition, fx, |shard, turn| {
                    if require_stable {
                        shard.read_stable(turn, StableRead { token, slot, request });
                    } else {
                        let part = shard.fetch(&request);
                        turn.core.gathered_fetch(token, slot, part, turn.fx);
                    }
                }),
            }
        }
    }
}

/// A commit's response with every partition accepted.
pub(super) fn accepted(topics: Vec<OffsetCommitRequestTopic>) -> OffsetCommitResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter();
        let results = partitions.map(|partition| commit_result(partition.partition_index, None));
        commit_topic(topic.name, results.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// The groups a request asks for, in the shape of version 8.
pub(super) fn fetch_groups(version: i16, request: OffsetFetchRequest) -> Vec<OffsetFetchRequestGroup> {
    if version >= 8 {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        topics.collect()
    });
    vec![OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(topics)]
}

/// The response to `fetch_groups`, in the shape of its version.
pub(super) fn fetch_response(version: i16, groups: Vec<OffsetFetchResponseGroup>) -> OffsetFetchResponse {
    let mut response = OffsetFetchResponse::default();
    if version >= 8 {
        return response.with_groups(groups);
    }
    for group in groups {
        response.error_code = if version >= 2 { group.error_code } else { 0 };
        response.topics = group.topics.into_iter().map(older_topic).collect();
    }
    response
}

fn older_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(partition.error_code)
    });
    OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
}

fn fetch_topic(
    offsets: Option<&GroupOffsets>,
    topic: &OffsetFetchRequestTopics,
) -> OffsetFetchResponseTopics {
    let known = offsets.and_then(|offsets| offsets.get(&TopicName::from(topic.name.as_str())));
    let partitions = topic.partition_indexes.iter().map(|index| {
        let value = known.and_then(|partitions| partitions.get(&PartitionIndex(*index)));
        fetch_partition(*index, value)
    });
    OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(partitions.collect())
}

fn all_of_topic(
    (topic, partitions): (&TopicName, &SortedMap<PartitionIndex, OffsetValue>),
) -> OffsetFetchResponseTopics {
    let partitions = partitions.iter().map(|(index, value)| fetch_partition(index.0, Some(value)));
    OffsetFetchResponseTopics::default()
        .with_name(wire(topic.as_str()).into())
        .with_partitions(partitions.collect())
}

/// One partition's part of the response; without an offset, -1.
pub(super) fn fetch_partition(index: i32, value: Option<&OffsetValue>) -> OffsetFetchResponsePartitions {
    let epoch = value.and_then(|value| value.leader_epoch);
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(value.map_or(-1, |value| value.offset.0))
        .with_committed_leader_epoch(epoch.map_or(-1, |epoch| epoch.0))
        .with_metadata(Some(wire(value.map_or("", |value| &value.metadata))))
}
