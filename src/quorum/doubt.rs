//! Time that jumps: a node that could not act for a while (a frozen worker, a laptop asleep) does not know what the others
//! have done meanwhile, and may not go by what it knew before.

use crate::effects::Effects;
use crate::time::{Duration, Instant};
use crate::types::Offset;

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
    /// more. If it led, and was away for longer than a leader may go without its followers, it stands again like any other.
    pub fn time_jumped(&mut self, now: Instant, late: Duration, fx: &mut Effects) {
        if self.is_voter() && self.voters.len() == 1 {
            // Nobody else can have been elected.
            return;
        }
        self.doubt = Doubt::Open;
        // Answers that have waited tell how things were.
        self.requests.retain(|_, (purpose, _)| !matches!(purpose, Purpose::Fetch | Purpose::Snapshot));
        if let Role::Follower(following) = &mut self.role {
            following.begin_again(now, self.fetch_timeout);
        }
        if late >= 2 * self.fetch_timeout {
            self.resign(now, fx);
        }
    }

    /// True while what is committed may be much more than this node has replayed, `replayed` being the next offset.
    pub fn is_doubtful(&self, replayed: Offset) -> bool {
        match self.doubt {
            Doubt::None => false,
            Doubt::Open => !self.leadership_established(),
            Doubt::Until(committed) => replayed < committed,
        }
    }
}
