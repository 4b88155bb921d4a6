//! Which of a log's oldest segments may go, by age and by size (Kafka's `UnifiedLog.deleteOldSegments`). Whole segments
//! only, and only what is below the high watermark. An active segment that is too old is closed first.

use super::partition_log::PartitionLog;
use super::segment::Segment;
use crate::time::Instant;
use crate::types::Offset;

/// Why segments were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetentionReason {
    /// `retention.ms`.
    Time,
    /// `retention.bytes`.
    Size,
}

/// Segments that retention deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// The log start offset before.
    pub from: Offset,
    /// The log start offset now.
    pub to: Offset,
    /// How many bytes went.
    pub bytes: u64,
    /// Why the last of them went.
    pub reason: RetentionReason,
}

impl PartitionLog {
    /// Deletes the segments whose time is over, all of them below `high_watermark`. None when there is nothing to do; also
    /// while storage refuses or a truncation is under way (ask again later).
    pub fn retain(&mut self, now: Instant, high_watermark: Offset) -> Option<Expired> {
        if !self.config.delete {
            return None;
        }
        let (from, bytes_before) = (self.log_start, self.size_bytes());
        let mut excess = self.config.retention_bytes.map_or(0, |max| bytes_before.saturating_sub(max));
        let mut to = from;
        let mut reason = None;
        for (at, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(at + 1).map(|next| next.base);
            let end = next.unwrap_or(self.log_end);
            let size = segment.facts.size_bytes;
            if size == 0 || end > high_watermark {
                break;
            }
            reason = match () {
                () if self.is_over(segment, now) => Some(RetentionReason::Time),
                // The active segment is never too much.
                () if excess >= size && next.is_some() => Some(RetentionReason::Size),
                () => break,
            };
            excess = excess.saturating_sub(size);
            to = end;
        }
        let reason = reason.filter(|_| to > from)?;
        if self.delete_before(to, now) != to {
            return None;
        }
        Some(Expired { from, to, bytes: bytes_before - self.size_bytes(), reason })
    }

    fn is_over(&self, segment: &Segment, now: Instant) -> bool {
        let Some(retention) = self.config.retention else { return false };
        // Batches without timestamps: the segment's own time.
        let newest = segment.facts.max_timestamp.unwrap_or_else(|| segment.created.as_timestamp());
        let age = now.as_timestamp().saturating_sub(newest);
        age > i64::try_from(retention.as_millis()).unwrap_or(i64::MAX)
    }
}
