//! Which log is compacted when (Kafka's `LogCleanerManager`): the dirtiest first, one at a time, on every replica for itself;
//! and how far it is.

use crate::config::TopicConfig;
use crate::effects::Effects;
use crate::event::ClusterEvent;
use crate::log::Dirt;
use crate::time::Instant;
use crate::types::{LogId, TopicPartition};

use super::manager::{Chore, ReplicaManager};
use super::partition::Partition;

/// Between two tellings of how far a cleaning is, in thousandths.
const TOLD_EACH: u32 = 50;

/// A cleaning whose end was not told yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compacting {
    /// What it began for.
    dirt: Dirt,
    /// How far it was when that was told last, in thousandths.
    told: Option<u32>,
}

/// True when a log as dirty as this is to be cleaned.
fn is_worth(dirt: Dirt, config: &TopicConfig) -> bool {
    dirt.permille > config.min_cleanable_dirty_permille || dirt.overdue
}

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
                is_worth(dirt, &partition.config).then_some((dirt.permille, partition.id, dirt))
            })
            .max_by_key(|(permille, id, _)| (*permille, *id));
        let Some((_, log, dirt)) = dirtiest else { return };
        let budget = self.config.log_cleaner_dedupe_buffer_size().unsigned_abs() as usize;
        if let Some(partition) = self.partitions.get_mut(&log) {
            partition.log.begin_cleaning(now, partition.high_watermark, budget);
            partition.compacting = partition.log.is_cleaning().then_some(Compacting { dirt, told: None });
            partition.tell_compaction(fx);
        }
        self.submit_log_io(log, fx);
    }

    /// A log's storage has done something: tells how far its cleaning is, and looks for the next when it is over.
    pub(super) fn cleaning_progressed(&mut self, now: Instant, log: LogId, fx: &mut Effects) {
        let Some(partition) = self.partitions.get_mut(&log) else { return };
        if partition.tell_compaction(fx) {
            self.clean_dirtiest(now, fx);
        }
    }
}

impl Partition {
    /// Ends a cleaning that the topic's new configs would not have begun, as Kafka does when `cleanup.policy` changes.
    pub(super) fn reconsider_compaction(&mut self, fx: &mut Effects) {
        let Some(Compacting { mut dirt, .. }) = self.compacting else { return };
        dirt.overdue &= self.log.config().compaction.is_some_and(|rules| rules.max_lag.is_some());
        if self.log.config().compaction.is_none() || !is_worth(dirt, &self.config) {
            self.log.abort_cleaning();
            self.tell_compaction(fx);
        }
    }

    /// Tells how a cleaning goes on. True when it has come to its end.
    fn tell_compaction(&mut self, fx: &mut Effects) -> bool {
        let Some(compacting) = &mut self.compacting else { return false };
        let TopicPartition { topic, partition } = self.tp.clone();
        if let Some(progress) = self.log.cleaning_progress() {
            if compacting.told.is_none_or(|told| progress.permille >= told + TOLD_EACH) {
                compacting.told = Some(progress.permille);
                let (permille, to) = (progress.permille, progress.to);
                fx.event(ClusterEvent::LogCompacting { topic, partition, permille, to });
            }
            return false;
        }
        self.compacting = None;
        let Some(cleaned) = self.log.take_cleaned() else {
            fx.event(ClusterEvent::LogCompactionStopped { topic, partition, at: self.log.first_dirty() });
            return false;
        };
        fx.event(ClusterEvent::LogCompacted {
            topic,
            partition,
            from: cleaned.from,
            to: cleaned.to,
            bytes_before: cleaned.bytes_before,
            bytes_after: cleaned.bytes_after,
            records_removed: cleaned.records_removed,
        });
        true
    }
}
