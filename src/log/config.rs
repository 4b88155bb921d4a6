//! A log's settings, already resolved (default, broker, topic).

use super::cleaner::CompactionRules;
use crate::time::Duration;

/// What a partition log needs to know of its topic's configuration. Kafka's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is rolled before it would grow beyond this.
    pub segment_bytes: u64,
    /// `segment.ms`: a segment is rolled when a record is this much newer (by timestamps) than its first batch.
    pub segment_ms: Duration,
    /// `max.message.bytes`: the largest record batch a leader accepts, header included.
    pub max_message_bytes: usize,
    /// `message.timestamp.type=LogAppendTime`: the leader overwrites timestamps with its own time.
    pub log_append_time: bool,
    /// `message.timestamp.after.max.ms`: how far in the future a record's timestamp may be. None for no limit.
    pub timestamp_after_max: Option<Duration>,
    /// `cleanup.policy` has `delete`: `retention` and `retention_bytes` are in force.
    pub delete: bool,
    /// `retention.ms`: a segment whose newest record is older than this goes. None for no limit.
    pub retention: Option<Duration>,
    /// `retention.bytes`: the oldest segments go while the log without them is at least this large. None for no limit.
    pub retention_bytes: Option<u64>,
    /// `cleanup.policy` has `compact`: of each key the latest record stays, by these rules.
    pub compaction: Option<CompactionRules>,
    /// `flush.messages` below its default: an append is done when it has reached the disk.
    pub flush: bool,
    /// `producer.id.expiration.ms`: a producer's state is forgotten when it has been silent for this long.
    pub producer_id_expiration: Duration,
    /// How much of the log's end stays in memory to serve reads, in bytes. What is not yet durable is always kept, and
    /// so is the last chunk.
    pub tail_bytes: usize,
}

impl Default for LogConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1024 * 1024 * 1024,
            segment_ms: Duration::from_secs(7 * 24 * 3600),
            max_message_bytes: 1024 * 1024 + 12,
            log_append_time: false,
            timestamp_after_max: Some(Duration::from_secs(3600)),
            delete: true,
            retention: Some(Duration::from_secs(7 * 24 * 3600)),
            retention_bytes: None,
            compaction: None,
            flush: false,
            producer_id_expiration: Duration::from_secs(24 * 3600),
            tail_bytes: 4 * 1024 * 1024,
        }
    }
}
