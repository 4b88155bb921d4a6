//! What a leader does when its storage does not hold what was stored (`log::Damaged`).
//!
//! | in sync | then |
//! |---|---|
//! | this replica alone | reads there are refused with CORRUPT_MESSAGE, reads behind it are served |
//! | others, too | it serves no more, and the broker registers anew, so that another leads; as that one's follower it cuts its log where the damage begins, and fetches the rest again |
//!
//! A follower's damage is found when it leads. What is damaged at the end of a log is found, and cut, when it is opened.

use crate::effects::Effects;
use crate::log::Damaged;
use crate::protocol::ErrorCode;
use crate::types::LogId;

use super::directory::is_internal;
use super::manager::ReplicaManager;
use super::spec::RoleChange;

impl ReplicaManager {
    /// A read came to where storage is damaged; gives what the reader is answered.
    pub(super) fn damage_found(&mut self, log: LogId, damaged: Damaged, fx: &mut Effects) -> ErrorCode {
        let Some(partition) = self.partitions.get_mut(&log) else { return ErrorCode::NotLeaderOrFollower };
        if !partition.found_damaged(damaged, fx) {
            return ErrorCode::CorruptMessage;
        }
        fx.event(partition.role_event());
        if is_internal(&partition.tp.topic) {
            let (tp, epoch) = (partition.tp.clone(), partition.leader_epoch);
            self.role_changes.push(RoleChange::Resigned { tp, epoch });
        }
        self.isr_changes.withdraw(log);
        self.touched.insert(log);
        self.steps_aside = true;
        ErrorCode::NotLeaderOrFollower
    }

    /// True once after damage was found, or a leader got stuck: others have to lead what this broker leads.
    pub fn take_steps_aside(&mut self) -> bool {
        std::mem::take(&mut self.steps_aside)
    }
}
