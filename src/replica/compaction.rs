//! Which log is compacted when (Kafka's `LogCleanerManager`): the dirtiest first, one at a time, on every replica for itself.

use crate::effects::Effects;
use crate::event::ClusterEvent;
use crate::time::Instant;
use crate::types::LogId;

use super::manager::{Chore, ReplicaManager};

impl ReplicaManager {
    /// Begins the most urgent cleaning, unless one is under way.
    pub(super) fn clean_dirtiest(&mut self, now: Instant, fx: &mut Effects) {
        self.chores.set(Chore::Clean, now + self.config.log_cleaner_backoff());
        let busy = self.partitions.values().any(|partition| partition.log.is_cleaning());
        if busy || !self.config.log_cleaner_enable() {
            return;
        }
        let dirtiest = self
            .partitions
            .values()
            .filter_map(|partition| {
                let dirt = partition.log.dirt(now, partition.high_watermark)?;
                let worth = dirt.permille > partition.config.min_cleanable_dirty_permille || dirt.overdue;
                worth.then_some((dirt.permille, partition.id))
            })
            .max();
        let Some((_, log)) = dirtiest else { return };
        let budget = self.config.log_cleaner_dedupe_buffer_size().unsigned_abs() as usize;
        if let Some(partition) = self.partitions.get_mut(&log) {
            partition.log.begin_cleaning(now, partition.high_watermark, budget);
        }
        self.submit_log_io(log, fx);
    }

    /// Tells of a cleaning that has come to its end, and looks for the next.
    pub(super) fn cleaning_progressed(&mut self, now: Instant, log: LogId, fx: &mut Effects) {
        let Some(partition) = self.partitions.get_mut(&log) else { return };
        let Some(cleaned) = partition.log.take_cleaned() else { return };
        fx.event(ClusterEvent::LogCompacted {
            topic: partition.tp.topic.clone(),
            partition: partition.tp.partition,
            from: cleaned.from,
            to: cleaned.to,
            bytes_before: cleaned.bytes_before,
            bytes_after: cleaned.bytes_after,
            records_removed: cleaned.records_removed,
        });
        self.clean_dirtiest(now, fx);
    }
}
