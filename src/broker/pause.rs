//! Time that jumps: a broker that was frozen finds out by its clock, and re-checks before it acts.
//!
//! It knows when it wanted to be woken. When that was long ago, it was not silent by choice: others may have fenced it and
//! lead in its place, and requests of then are still in its queue. Until it has heard of the quorum what is committed, and
//! replayed that, it appends nothing, serves no consumer and acknowledges nothing. Sessions that it keeps of others get the
//! time back that it was away.

use crate::event::ClusterEvent;
use crate::time::Instant;

use super::Broker;

impl Broker {
    /// Call it first in each turn.
    pub(super) fn notice_pause(&mut self, now: Instant) {
        let Some(late) = self.wake_at.take().map(|at| now.since(at)) else { return };
        if late < self.config.quorum_fetch_timeout().min(self.config.broker_session_timeout() / 2) {
            return;
        }
        self.fx.event(ClusterEvent::Paused { for_ms: late.as_millis() as u64 });
        self.quorum.time_jumped(now, late, &mut self.fx);
        self.control.controller.time_jumped(late);
        self.groups.coordinator.time_jumped(late);
        self.replicas.suspend();
        self.groups.coordinator.set_suspended(self.replicas.is_suspended());
    }

    /// Leads again what it led, if it still does.
    pub(super) fn end_recheck(&mut self, now: Instant) {
        if self.replicas.is_suspended() && !self.quorum.is_doubtful(self.replayed) {
            self.quorum.end_doubt();
            self.replicas.resume(now, &mut self.fx);
            self.groups.coordinator.set_suspended(false);
        }
    }
}
