//! The front of the logs here: segments whose time is over, and DeleteRecords (key 21, KIP-107).
//!
//! Each replica applies retention to its own log, as in Kafka; a follower also takes over its leader's log start. Records
//! deleted by request are gone when every live replica's log start has passed them: the answer waits for that.

use std::collections::BTreeMap;

use crate::effects::{Effects, ReplyToken};
use crate::event::ClusterEvent;
use crate::log::RetentionReason;
use crate::protocol::ErrorCode;
use crate::protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use crate::protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, LogId, Offset, Uuid};

use super::directory::is_internal;
use super::leader::FollowerProgress;
use super::manager::{Chore, ReplicaManager};
use super::partition::Partition;
use super::spec::LiveBroker;

/// Asks for everything below the high watermark.
const TO_HIGH_WATERMARK: i64 = -1;

/// A DeleteRecords that waits for followers.
#[derive(Debug)]
pub(super) struct DelayedDeletion {
    token: ReplyToken,
    response: DeleteRecordsResponse,
    pending: Vec<PendingDeletion>,
}

#[derive(Debug, Clone, Copy)]
struct PendingDeletion {
    /// Its place in the response.
    topic: usize,
    partition: usize,
    log: LogId,
    /// Where every live replica's log must start.
    start: Offset,
}

impl ReplicaManager {
    /// Deletes what retention says, in all logs.
    pub(super) fn retain(&mut self, now: Instant, fx: &mut Effects) {
        self.chores.set(Chore::Retention, now + self.config.log_retention_check_interval());
        let logs: Vec<LogId> = self.partitions.keys().copied().collect();
        for log in logs {
            let Some(partition) = self.partitions.get_mut(&log) else { continue };
            let Some(expired) = partition.log.retain(now, partition.high_watermark) else { continue };
            fx.event(ClusterEvent::SegmentsDeleted {
                topic: partition.tp.topic.clone(),
                partition: partition.tp.partition,
                from: expired.from,
                to: expired.to,
                bytes: expired.bytes,
                reason: match expired.reason {
                    RetentionReason::Time => "retention.ms",
                    RetentionReason::Size => "retention.bytes",
                },
            });
            self.submit_log_io(log, fx);
            self.touched.insert(log);
        }
    }

    /// Serves DeleteRecords.
    pub fn delete_records(
        &mut self,
        now: Instant,
        token: ReplyToken,
        request: DeleteRecordsRequest,
        fx: &mut Effects,
    ) {
        let mut response = DeleteRecordsResponse::default();
        let mut pending = Vec::new();
        for topic in request.topics {
            let mut answer = DeleteRecordsTopicResult::default().with_name(topic.name.clone());
            for wanted in topic.partitions {
                let log = self.resolve(false, &topic.name, Uuid::nil(), wanted.partition_index);
                let deleted = log.and_then(|log| self.delete_front(now, log, wanted.offset, fx));
                let result = DeleteRecordsPartitionResult::default()
                    .with_partition_index(wanted.partition_index)
                    .with_low_watermark(-1);
                answer.partitions.push(match deleted {
                    Ok((log, start)) => {
                        let (topic, partition) = (response.topics.len(), answer.partitions.len());
                        pending.push(PendingDeletion { topic, partition, log, start });
                        result.with_low_watermark(start.0)
                    }
                    Err(error) => result.with_error_code(error.code()),
                });
            }
            response.topics.push(answer);
        }
        let mut deletion = DelayedDeletion { token, response, pending };
        deletion.decide(&self.partitions, self.live.as_ref());
        if deletion.pending.is_empty() {
            fx.reply(deletion.token, deletion.response);
        } else {
            let logs = deletion.pending.iter().map(|pending| pending.log).collect();
            let deadline = now + Duration::from_millis(request.timeout_ms.max(0) as u64);
            self.deletions.park(deletion, logs, deadline);
        }
        self.finish(now, fx);
    }

    /// Raises the log start here; the offset it is to reach everywhere.
    fn delete_front(
        &mut self,
        now: Instant,
        log: LogId,
        offset: i64,
        fx: &mut Effects,
    ) -> Result<(LogId, Offset), ErrorCode> {
        let partition = self.partitions.get_mut(&log).ok_or(ErrorCode::NotLeaderOrFollower)?;
        partition.leading_in(None)?;
        if is_internal(&partition.tp.topic) {
            return Err(ErrorCode::InvalidTopicException);
        }
        if !partition.config.delete {
            return Err(ErrorCode::PolicyViolation);
        }
        let to = match offset {
            TO_HIGH_WATERMARK => partition.high_watermark,
            offset => Offset(offset),
        };
        if to < Offset::ZERO || to > partition.high_watermark {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        let start = partition.log.delete_before(to, now);
        if start < to {
            return Err(ErrorCode::KafkaStorageError);
        }
        self.submit_log_io(log, fx);
        self.touched.insert(log);
        Ok((log, start))
    }

    /// Looks again at the deletions that watch this log.
    pub(super) fn wake_deletions(&mut self, log: LogId, fx: &mut Effects) {
        for id in self.deletions.watchers(log) {
            let Some(deletion) = self.deletions.operation_mut(id) else { continue };
            deletion.decide(&self.partitions, self.live.as_ref());
            if deletion.pending.is_empty()
                && let Some(deletion) = self.deletions.remove(id)
            {
                fx.reply(deletion.token, deletion.response);
            }
        }
    }

    /// Answers deletions that have waited for too long.
    pub(super) fn expire_deletions(&mut self, now: Instant, fx: &mut Effects) {
        while let Some(mut deletion) = self.deletions.pop_due(now) {
            for pending in std::mem::take(&mut deletion.pending) {
                deletion.fail(pending, ErrorCode::RequestTimedOut);
            }
            fx.reply(deletion.token, deletion.response);
        }
    }
}

impl DelayedDeletion {
    /// Settles what can be settled.
    fn decide(
        &mut self,
        partitions: &BTreeMap<LogId, Partition>,
        live: Option<&SortedMap<BrokerId, LiveBroker>>,
    ) {
        for pending in std::mem::take(&mut self.pending) {
            let leader = partitions.get(&pending.log).and_then(Partition::leading);
            let Some(leader) = leader else {
                self.fail(pending, ErrorCode::NotLeaderOrFollower);
                continue;
            };
            let behind = |(id, follower): (BrokerId, &FollowerProgress)| {
                live.is_none_or(|live| live.contains_key(&id))
                    && follower.log_start.is_none_or(|start| start < pending.start)
            };
            if leader.followers().any(behind) {
                self.pending.push(pending);
            }
        }
    }

    fn fail(&mut self, pending: PendingDeletion, error: ErrorCode) {
        let topic = self.response.topics.get_mut(pending.topic);
        if let Some(place) = topic.and_then(|topic| topic.partitions.get_mut(pending.partition)) {
            place.error_code = error.code();
            place.low_watermark = -1;
        }
    }
}
