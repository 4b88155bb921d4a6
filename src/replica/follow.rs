//! The follower's side: what a leader's fetch response does to the logs here.

use crate::effects::{Effects, PeerResult, RequestId};
use crate::event::ClusterEvent;
use crate::protocol::messages::fetch_response::PartitionData;
use crate::protocol::{ErrorCode, Response};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerId, LeaderEpoch, LogId, Offset, PartitionIndex, TopicId};

use super::fetcher::{FetchSettings, Position};
use super::manager::ReplicaManager;
use super::partition::{Partition, Role};

/// Beyond the leader's longest wait, how long its answer may take.
const ANSWER_TIME: Duration = Duration::from_millis(500);

impl ReplicaManager {
    /// Sends the fetches that are due.
    pub(super) fn send_fetches(&mut self, now: Instant, fx: &mut Effects) {
        if !std::mem::take(&mut self.fetch_due) {
            return;
        }
        let wait_max = self.config.replica_fetch_wait_max();
        let settings = FetchSettings {
            node_id: self.node_id,
            broker_epoch: self.broker_epoch,
            wait_max,
            min_bytes: i32::try_from(self.config.replica_fetch_min_bytes()).unwrap_or(i32::MAX),
            response_bytes_max: i32::try_from(self.config.replica_fetch_response_max_bytes())
                .unwrap_or(i32::MAX),
            partition_bytes_max: i32::try_from(self.config.replica_fetch_max_bytes()).unwrap_or(i32::MAX),
            timeout: (wait_max + ANSWER_TIME).max(self.config.replica_lag_time_max() / 2),
        };
        self.fetch_deadline = None;
        for fetcher in self.fetchers.values_mut() {
            let partitions = &self.partitions;
            fetcher.send(now, &settings, |log| position(partitions.get(&log)?), fx);
            self.fetch_deadline = earliest(self.fetch_deadline, fetcher.next_deadline(now));
        }
    }

    /// Takes a leader's answer.
    pub(super) fn fetched(
        &mut self,
        now: Instant,
        id: RequestId,
        from: BrokerId,
        result: PeerResult,
        fx: &mut Effects,
    ) {
        let Some(fetcher) = self.fetchers.get_mut(&from) else { return };
        let Some(asked) = fetcher.finished(id) else { return };
        self.fetch_due = true;
        let response = match result {
            Ok(Response::Fetch(response)) => response,
            _ => return fetcher.leader_failed(now, &asked),
        };
        match ErrorCode::try_from_code(response.error_code) {
            None => fetcher.leader_answered(&asked, response.session_id),
            Some(error @ (ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch)) => {
                return fetcher.session_lost(&asked, error);
            }
            Some(_) => return fetcher.leader_failed(now, &asked),
        }
        for topic in response.responses {
            for data in topic.partitions {
                let partition = PartitionIndex(data.partition_index);
                let log = LogId { topic_id: TopicId(topic.topic_id), partition };
                let fetcher = self.fetchers.get(&from);
                let Some(asked) = fetcher.and_then(|fetcher| fetcher.position(&asked, log)) else { continue };
                let outcome = self.take_fetched(now, log, asked, data, fx);
                let Some(fetcher) = self.fetchers.get_mut(&from) else { continue };
                match outcome {
                    Outcome::Taken => fetcher.succeeded(log),
                    Outcome::Failed => fetcher.failed(now, log),
                    Outcome::Overtaken => {}
                }
            }
        }
    }

    fn take_fetched(
        &mut self,
        now: Instant,
        log: LogId,
        asked: Position,
        data: PartitionData,
        fx: &mut Effects,
    ) -> Outcome {
        let Some(partition) = self.partitions.get_mut(&log) else { return Outcome::Overtaken };
        if partition.leader_epoch != asked.leader_epoch || !matches!(partition.role, Role::Follower { .. }) {
            return Outcome::Overtaken;
        }
        let error = ErrorCode::try_from_code(data.error_code);
        if error.is_none() {
            partition.heard_high_watermark(Offset(data.high_watermark));
            self.touched.insert(log);
        }
        // An earlier fetch's answer has come in between.
        if position(partition) != Some(asked) {
            return Outcome::Overtaken;
        }
        let outcome = match error {
            Some(ErrorCode::OffsetOutOfRange) => partition.out_of_range(Offset(data.log_start_offset), fx),
            Some(_) => Outcome::Failed,
            None if data.diverging_epoch.end_offset >= 0 => {
                let epoch = LeaderEpoch(data.diverging_epoch.epoch);
                partition.diverged(epoch, Offset(data.diverging_epoch.end_offset), fx)
            }
            None => partition.take_data(now, data, fx),
        };
        self.submit_log_io(log, fx);
        self.touched.insert(log);
        outcome
    }
}

/// What came of one partition's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Taken,
    /// Not now: pause.
    Failed,
    /// The partition has moved on since it was asked for.
    Overtaken,
}

/// Where a partition's next fetch begins; none while it can't be fetched.
fn position(partition: &Partition) -> Option<Position> {
    let ready = matches!(partition.role, Role::Follower { .. })
        && partition.is_settled()
        && !partition.log.storage_failed();
    ready.then(|| Position {
        leader_epoch: partition.leader_epoch,
        offset: partition.log.log_end_offset(),
        last_fetched_epoch: partition.log.latest_epoch(),
        log_start: partition.log.log_start_offset(),
    })
}

impl Partition {
    fn heard_high_watermark(&mut self, of_leader: Offset) {
        if let Role::Follower { leader_high_watermark } = &mut self.role {
            *leader_high_watermark = of_leader;
        }
    }

    /// Appends what the leader sent.
    fn take_data(&mut self, now: Instant, data: PartitionData, fx: &mut Effects) -> Outcome {
        if let Some(records) = data.records.filter(|records| !records.is_empty()) {
            match self.log.append_as_follower(&records, now) {
                Err(_) => return Outcome::Failed,
                Ok(info) => {
                    if let Some(base) = info.rolled {
                        let (topic, partition) = (self.tp.topic.clone(), self.tp.partition);
                        fx.event(ClusterEvent::SegmentRolled { topic, partition, base });
                    }
                }
            }
        }
        let leader_start = Offset(data.log_start_offset).min(self.high_watermark);
        if leader_start > self.log.log_start_offset() {
            self.log.delete_before(leader_start, now);
        }
        Outcome::Taken
    }

    /// The leader's log leaves ours at the end of an epoch: cut there, or at the end of the largest epoch below it that
    /// we know; the next fetch finds out whether that was enough (KIP-279, KIP-595).
    ///
    /// With clean elections the cut is never below the high watermark. An unclean one loses committed records by design;
    /// then the high watermark goes back with the log, and the event says how far.
    fn diverged(&mut self, epoch: LeaderEpoch, leader_end: Offset, fx: &mut Effects) -> Outcome {
        let to = match self.log.end_offset_for_epoch(epoch) {
            Some((ours, our_end)) if ours == epoch => our_end.min(leader_end),
            Some((_, our_end)) => our_end,
            None => leader_end,
        };
        let from = self.log.log_end_offset();
        if to >= from {
            return Outcome::Failed;
        }
        let to = self.log.truncate_to(to);
        self.log_cut();
        let (topic, partition) = (self.tp.topic.clone(), self.tp.partition);
        fx.event(ClusterEvent::Truncated { topic, partition, from, to });
        Outcome::Taken
    }

    /// Our end is not within the leader's log. When all of ours is older than what the leader keeps, begin anew there;
    /// else the leader is behind for the moment (a write of its failed).
    fn out_of_range(&mut self, leader_start: Offset, fx: &mut Effects) -> Outcome {
        let from = self.log.log_end_offset();
        if leader_start <= from {
            return Outcome::Failed;
        }
        self.log.truncate_fully_and_start_at(leader_start);
        self.high_watermark = leader_start;
        let (topic, partition) = (self.tp.topic.clone(), self.tp.partition);
        fx.event(ClusterEvent::Truncated { topic, partition, from, to: leader_start });
        Outcome::Taken
    }
}
