//! A broker that was away appends nothing in a leader epoch that had ended before it came back, however soon it is asked:
//! it re-checks first (issue "time that jumps"; Kafka leaves it to acks=all, for which such records are not acknowledged).

use std::collections::BTreeMap;

use crate::types::{BrokerId, LeaderEpoch, LogId, Offset};

use super::{Checked, Look, Violation, World};

/// A leadership that was over when its leader came back.
#[derive(Debug)]
struct Ended {
    life: u64,
    epoch: LeaderEpoch,
    log_end: Offset,
}

/// See the file's head.
#[derive(Debug, Default)]
pub struct NoStaleLeaders {
    ended: BTreeMap<(BrokerId, LogId), Ended>,
}

impl NoStaleLeaders {
    /// A broker that was paused for long goes on now.
    pub fn comes_back(&mut self, world: &World, id: BrokerId) {
        let Some(broker) = world.broker(id) else { return };
        let others: Vec<_> = world.ids().into_iter().filter(|other| *other != id).collect();
        for tp in broker.replicas().hosted() {
            let (replicas, life) = (broker.replicas(), world.incarnation(id));
            let (Some(status), Some(log)) = (replicas.status(tp), replicas.log(tp)) else { continue };
            let newest = others.iter().filter_map(|other| {
                let image = world.broker(*other)?.image();
                Some(image.partition(log.id().topic_id, log.id().partition)?.leader_epoch)
            });
            if status.role == "leader" && newest.max().is_some_and(|newest| newest > status.leader_epoch) {
                let ended = Ended { life, epoch: status.leader_epoch, log_end: status.log_end };
                self.ended.insert((id, log.id()), ended);
            }
        }
    }

    pub(super) fn look(&mut self, look: &Look<'_>) -> Checked {
        let Some(ended) = self.ended.get(&(look.broker, look.id)) else { return Ok(()) };
        if ended.life != look.life || look.leads != Some(ended.epoch) {
            self.ended.remove(&(look.broker, look.id));
            return Ok(());
        }
        if look.log.log_end_offset() <= ended.log_end {
            return Ok(());
        }
        let what = format!(
            "broker {} was paused, and has appended to {} in epoch {}, which was over when it came back",
            look.broker,
            look.name(),
            ended.epoch
        );
        Err(Violation { invariant: "no_stale_leaders", what })
    }
}
