//! The offsets that a member reads from its group, and commits to it.

use crate::mutation::{Mutation, mutated};
use crate::protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use crate::protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::sorted::SortedMap;
use crate::time::Instant;
use crate::types::TopicName;

use super::super::consumer::{Consumer, ConsumerReply, Position};
use super::super::net::{Lane, RETRY, Tag};
use super::super::{CallId, ClientError, FailureKind, wire_topic};
use super::Phase;

/// Up to these versions topics by name.
const OFFSET_FETCH_VERSION_MAX: i16 = 7;
const OFFSET_COMMIT_VERSION_MAX: i16 = 9;

/// A commit of one partition: next offset and metadata.
pub(super) type Offsets = (TopicName, i32, i64, Option<String>);

#[derive(Debug)]
pub(super) struct Commit {
    pub(super) tag: Tag,
    offsets: Vec<Offsets>,
    /// None for an automatic one.
    call: Option<CallId>,
}

impl Consumer {
    pub(super) fn fetch_commits(&mut self, now: Instant) {
        let due = self.membership.offset_fetch_at.is_some_and(|at| at <= now);
        if !due || self.membership.offset_fetch.is_some() || !matches!(self.membership.phase, Phase::Stable) {
            return;
        }
        let mut topics: SortedMap<TopicName, Vec<i32>> = SortedMap::new();
        for (topic, partition) in self.positions.keys() {
            topics.entry(topic.clone()).or_default().push(*partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            OffsetFetchRequestTopic::default()
                .with_name(wire_topic(topic.as_str()))
                .with_partition_indexes(partitions)
        });
        let body =
            OffsetFetchRequest::default().with_group_id(self.group()).with_topics(Some(topics.collect()));
        // A commit of ours that is still under way counts (KIP-447): going back behind it would take it back.
        let body = body.with_require_stable(!mutated(Mutation::UnstableOffsets));
        let timeout = self.options.client.request_timeout;
        self.membership.offset_fetch = self.ask(now, Lane::Group, body, OFFSET_FETCH_VERSION_MAX, timeout);
        self.membership.offset_fetch_at = Some(now + RETRY);
    }

    pub(super) fn on_commits(&mut self, now: Instant, body: OffsetFetchResponse) {
        let partitions = || body.topics.iter().flat_map(|topic| &topic.partitions);
        let error = std::iter::once(body.error_code)
            .chain(partitions().map(|partition| partition.error_code))
            .find_map(ErrorCode::try_from_code);
        match error {
            None => {}
            Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) => {
                return self.coordinator_lost(now);
            }
            Some(_) => return,
        }
        self.membership.offset_fetch_at = None;
        self.membership.commits_known = true;
        for topic in &body.topics {
            for partition in &topic.partitions {
                let place = (TopicName::from(topic.name.as_str()), partition.partition_index);
                if let Some(position) = self.positions.get_mut(&place)
                    && partition.committed_offset >= 0
                {
                    self.net.leader_epoch_is(now, &place, partition.committed_leader_epoch);
                    position.committed = Some(partition.committed_offset);
                    position.fetch_at.get_or_insert(partition.committed_offset);
                }
            }
        }
        self.lookup_at = Some(now);
    }

    pub(super) fn commit_if_due(&mut self, now: Instant) {
        if self.membership.commit.is_some() {
            return;
        }
        while self.membership.calls.front().is_some_and(|(_, _, deadline)| *deadline <= now) {
            if let Some((call, ..)) = self.membership.calls.pop_front() {
                let error = ClientError::new(FailureKind::Timeout, "The offsets were not committed in time.");
                self.out.reply(call, Err(error));
            }
        }
        if self.membership.coordinator.is_none() {
            return;
        }
        if let Some((call, offsets, _)) = self.membership.calls.front().cloned() {
            return self.send_commit(now, offsets, Some(call));
        }
        let Some(interval) = self.options.auto_commit else { return };
        let dirty = self.membership.generation.is_some() && self.positions.values().any(is_uncommitted);
        if !dirty {
            self.membership.commit_at = None;
            return;
        }
        let at = *self.membership.commit_at.get_or_insert(now + interval);
        if at <= now || self.closing.is_some() {
            self.membership.commit_at = None;
            let offsets = self.positions.iter().filter(|(_, position)| is_uncommitted(position));
            let offsets = offsets.filter_map(|((topic, partition), position)| {
                Some((topic.clone(), *partition, position.processed?, None))
            });
            let offsets = offsets.collect();
            self.send_commit(now, offsets, None);
        }
    }

    fn send_commit(&mut self, now: Instant, offsets: Vec<Offsets>, call: Option<CallId>) {
        let mut topics: SortedMap<TopicName, Vec<OffsetCommitRequestPartition>> = SortedMap::new();
        for (topic, partition, next, metadata) in &offsets {
            let position = self.positions.get(&(topic.clone(), *partition));
            let position = position.filter(|position| position.processed == Some(*next));
            let leader_epoch = position.map_or(-1, |position| position.processed_epoch);
            let metadata = metadata.clone().map(StrBytes::from_string).unwrap_or_default();
            let committed = OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(*next)
                .with_committed_leader_epoch(leader_epoch)
                .with_committed_metadata(Some(metadata));
            topics.entry(topic.clone()).or_default().push(committed);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            OffsetCommitRequestTopic::default()
                .with_name(wire_topic(topic.as_str()))
                .with_partitions(partitions)
        });
        let body = OffsetCommitRequest::default()
            .with_group_id(self.group())
            .with_generation_id_or_member_epoch(self.generation())
            .with_member_id(self.member())
            .with_topics(topics.collect());
        let mut timeout = self.options.client.request_timeout;
        if let (Some(_), Some((.., deadline))) = (call, self.membership.calls.front()) {
            timeout = timeout.min(deadline.since(now));
        }
        let tag = self.ask(now, Lane::Group, body, OFFSET_COMMIT_VERSION_MAX, timeout);
        self.membership.commit = tag.map(|tag| Commit { tag, offsets, call });
    }

    pub(super) fn on_committed(
        &mut self,
        now: Instant,
        commit: Commit,
        result: Result<OffsetCommitResponse, ()>,
    ) {
        let retry = now + RETRY;
        let mut error = result.as_ref().err().map(|()| ErrorCode::CoordinatorNotAvailable);
        for topic in result.iter().flat_map(|body| &body.topics) {
            for answer in &topic.partitions {
                let place = (TopicName::from(topic.name.as_str()), answer.partition_index);
                let failed = ErrorCode::try_from_code(answer.error_code);
                error = error.or(failed);
                let next = commit.offsets.iter().find(|(t, p, ..)| (t, *p) == (&place.0, place.1));
                let (Some((_, _, next, _)), Some(position)) = (next, self.positions.get_mut(&place)) else {
                    continue;
                };
                match failed {
                    // Too large it is another time as well.
                    None | Some(ErrorCode::OffsetMetadataTooLarge) => position.committed = Some(*next),
                    Some(ErrorCode::UnknownTopicOrPartition) => position.refused = Some(*next),
                    Some(_) => {}
                }
            }
        }
        let Commit { call, .. } = commit;
        match error {
            None => {}
            Some(ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable) => {
                self.coordinator_lost(now)
            }
            // The group moved on without us; what was processed will be read again by whoever has it now.
            Some(ErrorCode::IllegalGeneration) => self.lost(now, false),
            Some(ErrorCode::UnknownMemberId) => self.lost(now, true),
            Some(ErrorCode::RebalanceInProgress) => self.rejoin(now),
            Some(_) => {}
        }
        self.membership.commit_at = error.map(|error| match (error, self.options.auto_commit) {
            (ErrorCode::UnknownTopicOrPartition, Some(interval)) => now + interval.max(RETRY),
            _ => retry,
        });
        if let Some(call) = call {
            let again = error
                .is_some_and(|error| error.is_retriable() && error != ErrorCode::UnknownTopicOrPartition);
            let waits = self.membership.calls.front().is_some_and(|(id, ..)| *id == call);
            if !again && waits {
                self.membership.calls.pop_front();
                let answer = error.map_or(Ok(ConsumerReply::Done), |e| Err(ClientError::protocol(e, None)));
                self.out.reply(call, answer);
            }
        }
    }

    /// Offsets that the host commits itself.
    pub(in crate::client) fn commit_for(&mut self, now: Instant, call: CallId, offsets: Vec<Offsets>) {
        if self.options.group_id.is_none() {
            let error = ClientError::new(
                FailureKind::Invalid,
                "groupId: a consumer without a group has nowhere to commit to",
            );
            return self.out.reply(call, Err(error));
        }
        if !self.started {
            let error =
                ClientError::new(FailureKind::Invalid, "The consumer does not run: nothing to commit.");
            return self.out.reply(call, Err(error));
        }
        if matches!(self.membership.phase, Phase::Sharing { .. } | Phase::Syncing) {
            // Of the generation before.
            return self.out.reply(call, Err(ClientError::protocol(ErrorCode::RebalanceInProgress, None)));
        }
        let deadline = now + self.options.client.request_timeout;
        self.membership.calls.push_back((call, offsets, deadline));
    }

    pub(in crate::client) fn fail_commits(&mut self, error: &ClientError) {
        for (call, ..) in std::mem::take(&mut self.membership.calls) {
            self.out.reply(call, Err(error.clone()));
        }
    }
}

/// A rebalance and an end wait for it; for what was refused only as long as it takes to be told.
pub(super) fn is_awaited(position: &Position) -> bool {
    is_uncommitted(position) && position.refused != position.processed
}

pub(super) fn is_uncommitted(position: &Position) -> bool {
    position.processed.is_some_and(|processed| position.committed != Some(processed))
}
