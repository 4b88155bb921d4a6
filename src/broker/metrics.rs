//! What a broker counts, by Kafka's names (the `name` of its JMX beans): since the broker's start, and as things are.

use serde::Serialize;

use crate::effects::{Counts, ReplyToken};
use crate::event::ClusterEvent;
use crate::protocol::messages::FetchResponse;
use crate::protocol::{ApiKey, Response};
use crate::sorted::SortedMap;
use crate::time::Instant;

use super::Broker;

/// Meters and requests, added up since the broker's start.
#[derive(Debug, Default)]
pub struct Metrics {
    meters: Meters,
    requests: SortedMap<&'static str, RequestStats>,
    /// Requests that wait for their answers.
    waiting: SortedMap<ReplyToken, (ApiKey, Instant)>,
}

/// Counts since the broker's start. Rates are for whoever reads them twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Meters {
    /// Records that clients' produces appended.
    pub messages_in_per_sec: u64,
    /// Their bytes, as batches.
    pub bytes_in_per_sec: u64,
    /// Bytes of batches that clients fetched.
    pub bytes_out_per_sec: u64,
    /// Bytes of batches fetched from leaders.
    pub replication_bytes_in_per_sec: u64,
    /// Bytes of batches that followers fetched.
    pub replication_bytes_out_per_sec: u64,
    /// ISRs of partitions led here that became smaller.
    pub isr_shrinks_per_sec: u64,
    /// ISRs of partitions led here that grew.
    pub isr_expands_per_sec: u64,
    /// Leaders that this broker elected as the active controller.
    pub leader_election_rate_and_time_ms: u64,
    /// Those of them that may lack committed records.
    pub unclean_leader_elections_per_sec: u64,
    /// Frames (or pieces of them, from clients) received. Not Kafka's.
    pub frames_in_per_sec: u64,
    /// Frames sent. Not Kafka's.
    pub frames_out_per_sec: u64,
}

/// How things are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Gauges {
    /// Partitions that have a replica here.
    pub partition_count: usize,
    /// Those led here.
    pub leader_count: usize,
    /// Of those led here: some replica is not in sync. Replicas that a reassignment brings don't count.
    pub under_replicated_partitions: usize,
    /// Of those led here: fewer are in sync than `min.insync.replicas`.
    pub under_min_isr_partition_count: usize,
    /// Of those led here: replicas are on their way.
    pub reassigning_partitions: usize,
    /// 1 on the active controller, which alone has the next five.
    pub active_controller_count: usize,
    /// All partitions without a leader.
    pub offline_partitions_count: usize,
    /// All partitions not led by their preferred replica.
    pub preferred_replica_imbalance_count: usize,
    /// All partitions.
    pub global_partition_count: usize,
    /// Brokers that may lead.
    pub active_broker_count: usize,
    /// Brokers that may not.
    pub fenced_broker_count: usize,
}

/// One kind of request: clients' and brokers' together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestStats {
    /// How many were answered.
    pub count: u64,
    /// From their coming in to their answers, in ms, added up. A fetch waits for something to come.
    pub total_time_ms: u64,
    /// The longest.
    pub max_time_ms: u64,
}

/// All there is to tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricsReport {
    /// Counts.
    pub meters: Meters,
    /// States.
    pub gauges: Gauges,
    /// By API, by name.
    pub requests: SortedMap<&'static str, RequestStats>,
}

impl Metrics {
    pub(super) fn frame_in(&mut self) {
        self.meters.frames_in_per_sec += 1;
    }

    pub(super) fn frame_out(&mut self) {
        self.meters.frames_out_per_sec += 1;
    }

    pub(super) fn request(&mut self, now: Instant, token: ReplyToken, key: ApiKey) {
        self.waiting.insert(token, (key, now));
    }

    /// The request was answered, or there is none.
    pub(super) fn answered(&mut self, now: Instant, token: ReplyToken) {
        let Some((key, since)) = self.waiting.remove(&token) else { return };
        let stats = self.requests.entry(name(key)).or_default();
        let ms = now.since(since).as_millis() as u64;
        stats.count += 1;
        stats.total_time_ms += ms;
        stats.max_time_ms = stats.max_time_ms.max(ms);
    }

    /// Batches left for a client, or for a follower.
    pub(super) fn served(&mut self, response: &Response, to_client: bool) {
        let Response::Fetch(fetch) = response else { return };
        match to_client {
            true => self.meters.bytes_out_per_sec += batch_bytes(fetch),
            false => self.meters.replication_bytes_out_per_sec += batch_bytes(fetch),
        }
    }

    /// Batches came from a leader.
    pub(super) fn replicated(&mut self, response: &Response) {
        if let Response::Fetch(fetch) = response {
            self.meters.replication_bytes_in_per_sec += batch_bytes(fetch);
        }
    }

    /// This broker told what it did as the controller.
    pub(super) fn decided(&mut self, event: &ClusterEvent) {
        if let ClusterEvent::PartitionChanged { elected: true, leader: Some(_), unclean, .. } = event {
            self.meters.leader_election_rate_and_time_ms += 1;
            self.meters.unclean_leader_elections_per_sec += u64::from(*unclean);
        }
    }
}

fn batch_bytes(fetch: &FetchResponse) -> u64 {
    let partitions = fetch.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.filter_map(|partition| partition.records.as_ref()).map(|records| records.len() as u64).sum()
}

/// The APIs of interest by name; the rest together.
fn name(key: ApiKey) -> &'static str {
    match key {
        ApiKey::Produce => "Produce",
        ApiKey::Fetch => "Fetch",
        ApiKey::ListOffsets => "ListOffsets",
        ApiKey::Metadata => "Metadata",
        ApiKey::OffsetCommit => "OffsetCommit",
        ApiKey::OffsetFetch => "OffsetFetch",
        ApiKey::FindCoordinator => "FindCoordinator",
        ApiKey::JoinGroup => "JoinGroup",
        ApiKey::SyncGroup => "SyncGroup",
        ApiKey::Heartbeat => "Heartbeat",
        ApiKey::BrokerHeartbeat => "BrokerHeartbeat",
        ApiKey::AlterPartition => "AlterPartition",
        ApiKey::CreateTopics => "CreateTopics",
        ApiKey::ApiVersions => "ApiVersions",
        _ => "Other",
    }
}

impl Broker {
    /// What this broker has counted, and how things are. Looks at every partition: not for every turn.
    pub fn metrics(&self) -> MetricsReport {
        let Counts { messages_in, bytes_in, isr_shrinks, isr_expands } = self.fx.counts;
        let meters = Meters {
            messages_in_per_sec: messages_in,
            bytes_in_per_sec: bytes_in,
            isr_shrinks_per_sec: isr_shrinks,
            isr_expands_per_sec: isr_expands,
            ..self.metrics.meters
        };
        MetricsReport { meters, gauges: self.gauges(), requests: self.metrics.requests.clone() }
    }

    fn gauges(&self) -> Gauges {
        let node = self.config.node_id;
        let mut gauges = Gauges::default();
        let controls = self.control.is_active();
        for (_, _, _, state) in self.image.partitions() {
            gauges.partition_count += usize::from(state.replicas.contains(&node));
            if state.leader == Some(node) {
                let out =
                    state.replicas.iter().filter(|id| !state.isr.contains(id) && !state.adding.contains(id));
                gauges.leader_count += 1;
                gauges.under_replicated_partitions += usize::from(out.count() > 0);
                gauges.reassigning_partitions += usize::from(state.is_reassigning());
            }
            if controls {
                gauges.global_partition_count += 1;
                gauges.offline_partitions_count += usize::from(state.leader.is_none());
                gauges.preferred_replica_imbalance_count +=
                    usize::from(state.leader != state.replicas.first().copied());
            }
        }
        gauges.under_min_isr_partition_count = self.replicas.under_min_isr();
        if controls {
            gauges.active_controller_count = 1;
            gauges.active_broker_count =
                self.image.brokers().filter(|(_, broker)| broker.is_active()).count();
            gauges.fenced_broker_count = self.image.brokers().filter(|(_, broker)| broker.fenced).count();
        }
        gauges
    }
}
