//! Time that jumps: a node that could not act for a while (a frozen worker, a laptop asleep) does not know what the others
//! have done meanwhile, and may not go by what it knew before.

use crate::effects::Effects;
use crate::sorted::SortedSet;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, Offset};

use super::{Purpose, Quorum, Role};

/// Whether what this node knows of the quorum can be old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// No more than the quorum's timeouts allow.
    None,
    /// It has heard nothing since time jumped.
    Open,
    /// A leader has said since what was committed: everything below this.
    Until(Offset),
}

impl Quorum {
    /// This node could not act for so long that others may have elected another leader: what it was told before counts no
    /// more. If it led, it asks whether it still does; if it was away for longer than a leader may go without its followers, it
    /// stands again like any other.
    pub fn time_jumped(&mut self, now: Instant, late: Duration, fx: &mut Effects) {
        if self.is_voter() && self.voters.len() == 1 {
            // Nobody else can have been elected.
            return;
        }
        self.doubt = Doubt::Open;
        // Answers that have waited tell how things were.
        let old = |purpose: &Purpose| matches!(purpose, Purpose::Fetch | Purpose::Snapshot | Purpose::Begin);
        self.requests.retain(|_, (purpose, _)| !old(purpose));
        if let Role::Follower(following) = &mut self.role {
            following.begin_again(now, self.fetch_timeout);
        }
        let voters: Vec<BrokerId> = self.other_voters().collect();
        if let Role::Leader(leadership) = &mut self.role {
            leadership.confirmed = Some(SortedSet::new());
            voters.into_iter().for_each(|voter| leadership.begin_again(voter, now));
        }
        if late >= 2 * self.fetch_timeout {
            self.resign(now, fx);
        }
    }

    /// True while what is committed may be much more than this node has replayed, `replayed` being the next offset.
    pub fn is_doubtful(&self, replayed: Offset) -> bool {
        match self.doubt {
            Doubt::None => false,
            Doubt::Open => !self.leadership_established() || !self.leadership_confirmed(),
            Doubt::Until(committed) => replayed < committed,
        }
    }

    /// True for a leader that was elected after time jumped, or of which a majority has said since that it knows no later one.
    /// That others fetch says nothing: they may have asked before they elected another.
    fn leadership_confirmed(&self) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        leadership.confirmed.as_ref().is_none_or(|confirmed| {
            let by = |id: &&BrokerId| **id == self.node || confirmed.contains(id);
            self.voters.keys().filter(by).count() >= self.majority()
        })
    }
}
