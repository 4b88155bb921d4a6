//! FetchSnapshot 0-1 (KIP-630), from both ends: how a node gets the leader's snapshot when the leader's log does not reach
//! back to where its own ends. It comes in pieces, into memory; a piece that fails, another leader or a restart begins it
//! again. Whole and checked it is written, and counts when that is durable.

use bytes::{Bytes, BytesMut};

use crate::effects::{Effects, ReplyToken};
use crate::protocol::error::code_of;
use crate::protocol::messages::{
    self, FetchSnapshotRequest, FetchSnapshotResponse, fetch_snapshot_request, fetch_snapshot_response,
};
use crate::protocol::{ErrorCode, StrBytes};
use crate::time::Instant;
use crate::types::{BrokerId, LeaderEpoch, Offset};

use super::election::topic_name;
use super::snapshot::SNAPSHOT_BYTES_MAX;
use super::{Quorum, RETRY, Role, Snapshot, SnapshotId};

/// A snapshot that is being fetched.
#[derive(Debug, Clone)]
pub(super) struct Fetching {
    id: SnapshotId,
    bytes: BytesMut,
}

impl Fetching {
    pub(super) fn new(id: SnapshotId) -> Fetching {
        Fetching { id, bytes: BytesMut::new() }
    }
}

impl Quorum {
    pub(super) fn snapshot_request(&self, fetching: &Fetching) -> FetchSnapshotRequest {
        let id = fetch_snapshot_request::SnapshotId::default()
            .with_end_offset(fetching.id.end.0)
            .with_epoch(fetching.id.epoch.0);
        let partition = fetch_snapshot_request::PartitionSnapshot::default()
            .with_partition(0)
            .with_current_leader_epoch(self.state.epoch.0)
            .with_snapshot_id(id)
            .with_position(fetching.bytes.len() as i64)
            .with_replica_directory_id(self.state.directory);
        let topic = fetch_snapshot_request::TopicSnapshot::default()
            .with_name(topic_name())
            .with_partitions(vec![partition]);
        FetchSnapshotRequest::default()
            .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
            .with_replica_id(messages::BrokerId(self.node.0))
            .with_max_bytes(self.snapshot_fetch_bytes)
            .with_topics(vec![topic])
    }

    pub(super) fn on_fetch_snapshot(
        &mut self,
        now: Instant,
        token: ReplyToken,
        body: &FetchSnapshotRequest,
        fx: &mut Effects,
    ) {
        let asked = body.topics.first().and_then(|topic| topic.partitions.first());
        let whole = match asked {
            None => Some(ErrorCode::InvalidRequest),
            Some(_) if self.is_other_cluster(body.cluster_id.as_ref()) => {
                Some(ErrorCode::InconsistentClusterId)
            }
            Some(_) => None,
        };
        let (Some(asked), None) = (asked, whole) else {
            let response = FetchSnapshotResponse::default().with_error_code(code_of(whole));
            return self.reply(token, response, fx);
        };
        let id = SnapshotId {
            end: Offset(asked.snapshot_id.end_offset),
            epoch: LeaderEpoch(asked.snapshot_id.epoch),
        };
        let found = self.leader_error(LeaderEpoch(asked.current_leader_epoch)).map_or_else(
            || {
                let snapshot = self.snapshots.named(id).ok_or(ErrorCode::SnapshotNotFound)?;
                let at = usize::try_from(asked.position).ok().filter(|at| *at < snapshot.bytes.len());
                let at = at.ok_or(ErrorCode::PositionOutOfRange)?;
                let end = snapshot.bytes.len().min(at.saturating_add(body.max_bytes.max(1) as usize));
                Ok((snapshot.bytes.len(), snapshot.bytes.slice(at..end)))
            },
            Err,
        );
        if let Role::Leader(leadership) = &mut self.role {
            leadership.heard(now, BrokerId(body.replica_id.0), asked.replica_directory_id);
        }
        let current = fetch_snapshot_response::LeaderIdAndEpoch::default()
            .with_leader_id(messages::BrokerId(self.leader().map_or(-1, |id| id.0)))
            .with_leader_epoch(self.state.epoch.0);
        let mut partition = fetch_snapshot_response::PartitionSnapshot::default()
            .with_index(0)
            .with_error_code(code_of(found.as_ref().err().copied()))
            .with_snapshot_id(
                fetch_snapshot_response::SnapshotId::default()
                    .with_end_offset(id.end.0)
                    .with_epoch(id.epoch.0),
            )
            .with_current_leader(current);
        if let Ok((size, bytes)) = found {
            partition =
                partition.with_size(size as i64).with_position(asked.position).with_unaligned_records(bytes);
        }
        let topic = fetch_snapshot_response::TopicSnapshot::default()
            .with_name(topic_name())
            .with_partitions(vec![partition]);
        self.reply(token, FetchSnapshotResponse::default().with_topics(vec![topic]), fx);
    }

    pub(super) fn on_fetch_snapshot_response(
        &mut self,
        now: Instant,
        from: BrokerId,
        epoch: LeaderEpoch,
        body: FetchSnapshotResponse,
        fx: &mut Effects,
    ) {
        let partition = body.topics.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
        let Some(partition) = partition else { return self.fetch_failed(now, epoch, false) };
        let current = &partition.current_leader;
        if self.learn(now, current.leader_id.0, current.leader_epoch, fx) {
            return;
        }
        let ours = epoch == self.state.epoch;
        let Role::Follower(following) = &mut self.role else { return };
        if !ours || following.leader != from {
            return;
        }
        following.in_flight = false;
        let Some(mut fetching) = following.fetching.take() else { return self.fetch(now, fx) };
        let id = SnapshotId {
            end: Offset(partition.snapshot_id.end_offset),
            epoch: LeaderEpoch(partition.snapshot_id.epoch),
        };
        let continues = partition.error_code == 0
            && id == fetching.id
            && usize::try_from(partition.position) == Ok(fetching.bytes.len())
            && !partition.unaligned_records.is_empty()
            && (1..=SNAPSHOT_BYTES_MAX as i64).contains(&partition.size);
        if !continues {
            // Begun again, with what the leader has then.
            following.fetch_at = Some(now + RETRY);
            return;
        }
        following.was_answered(now, self.fetch_timeout);
        fetching.bytes.extend_from_slice(&partition.unaligned_records);
        if (fetching.bytes.len() as i64) < partition.size {
            following.fetching = Some(fetching);
        } else {
            match Snapshot::read(id, Bytes::from(fetching.bytes)) {
                Some(snapshot) => self.install_snapshot(snapshot, fx),
                None => following.fetch_at = Some(now + RETRY),
            }
        }
        self.fetch(now, fx);
    }
}
