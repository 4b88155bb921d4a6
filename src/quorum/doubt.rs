//! Time that jumps: a node that could not act for a while (a frozen worker, a laptop asleep) does not know what the others
//! have done meanwhile, and may not go by what it knew before.
//!
//! It reads anew what is committed, by Raft's rule for reads (section 6.4 of the thesis). A majority of the voters says since
//! that it knows no later epoch: no other leader had been elected when the node came back. And the leader says what is committed,
//! once a record of its own epoch is: what a leader that is new knows of that may be from before.

use crate::effects::Effects;
use crate::mutation::{Mutation, mutated};
use crate::sorted::SortedSet;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, LeaderEpoch, Offset};

use super::{Purpose, Quorum, RETRY, Role};

/// What this node knows of the quorum may be from before time jumped.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    /// The voters that were in this node's epoch when they answered, since.
    heard: SortedSet<BrokerId>,
    /// When to ask those again that were not heard.
    ask_at: Instant,
}

impl Quorum {
    /// This node could not act for so long that others may have elected another leader: what it was told before counts no
    /// more. If it led and was away for longer than a leader may go without its followers, it stands again like any other.
    pub fn time_jumped(&mut self, now: Instant, late: Duration, fx: &mut Effects) {
        if self.is_voter() && self.voters.len() == 1 {
            // Nobody else can have been elected.
            return;
        }
        self.doubt = Some(Doubt { heard: SortedSet::new(), ask_at: now });
        // Answers that have waited tell how things were. A vote that was given stays given.
        self.requests.retain(|_, (purpose, _)| matches!(purpose, Purpose::PreVote | Purpose::Vote));
        if let Role::Follower(following) = &mut self.role {
            following.begin_again(now, self.fetch_timeout);
        }
        if late >= 2 * self.fetch_timeout {
            self.resign(now, fx);
        }
    }

    /// True while what is committed may be much more than this node has replayed, `replayed` being the next offset.
    pub fn is_doubtful(&self, replayed: Offset) -> bool {
        let committed = match &self.role {
            Role::Leader(_) => self.high_watermark,
            Role::Follower(following) => following.high_watermark,
            _ => Offset::ZERO,
        };
        let of_this_epoch = self.epoch_before(committed) == self.state.epoch
            || (mutated(Mutation::SureByNewLeader)
                && self.leader().is_some_and(|id| self.was_heard_since(id)));
        let sure = self.majority_was_heard() && of_this_epoch && replayed >= committed;
        self.doubt.is_some() && !sure
    }

    /// It has replayed what it had to: it goes on like a node that was never away.
    pub fn end_doubt(&mut self) {
        self.doubt = None;
    }

    /// A voter, with the storage that it votes with, has answered a question that was asked since, and was in this epoch then.
    pub(super) fn heard_since(&mut self, voter: BrokerId, epoch: LeaderEpoch) {
        if let Some(doubt) = &mut self.doubt
            && epoch == self.state.epoch
        {
            doubt.heard.insert(voter);
        }
    }

    /// True if the voter needs not be asked.
    pub(super) fn was_heard_since(&self, voter: BrokerId) -> bool {
        self.doubt.as_ref().is_none_or(|doubt| doubt.heard.contains(&voter))
    }

    fn majority_was_heard(&self) -> bool {
        let itself = self.is_voter().then_some(self.node);
        let counts = |voter: &&BrokerId| Some(**voter) == itself || self.was_heard_since(**voter);
        self.voters.keys().filter(counts).count() >= self.majority() || mutated(Mutation::SureWithoutMajority)
    }

    pub(super) fn doubt_deadline(&self) -> Option<Instant> {
        self.doubt.as_ref().filter(|_| !self.majority_was_heard()).map(|doubt| doubt.ask_at)
    }

    /// Asks the voters that it has not heard whether they know of a later epoch.
    pub(super) fn tick_doubt(&mut self, now: Instant, fx: &mut Effects) {
        if self.doubt_deadline().is_none_or(|at| at > now) {
            return;
        }
        if let Some(doubt) = &mut self.doubt {
            doubt.ask_at = now + RETRY;
        }
        if !self.state_is_stored() {
            return;
        }
        // A leader that is followed is asked by the fetch.
        let (leads, leader) = (self.is_leader(), self.leader());
        for voter in self.other_voters().filter(|voter| Some(*voter) != leader) {
            match leads {
                _ if self.was_heard_since(voter) => {}
                true => self.send_begin_epoch(voter, fx),
                false => self.ask_for_epoch(voter, fx),
            }
        }
    }
}
