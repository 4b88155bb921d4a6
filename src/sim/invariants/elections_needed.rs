//! A voter begins an epoch only after a majority was without a leader, itself included, since it began to ask (KIP-996): a
//! leader that is heard is not deposed by one that was away.

use std::collections::{BTreeMap, BTreeSet};

use crate::quorum::Quorum;
use crate::time::Instant;
use crate::types::{BrokerId, LeaderEpoch};

use super::{Checked, Violation};

#[derive(Debug, Default)]
pub(super) struct ElectionsNeeded {
    /// Who hears no leader now, and when others did not last.
    without: BTreeSet<BrokerId>,
    last_without: BTreeMap<BrokerId, Instant>,
    asks_since: BTreeMap<BrokerId, Instant>,
    stood: BTreeMap<BrokerId, LeaderEpoch>,
}

impl ElectionsNeeded {
    pub(super) fn quorum(&mut self, now: Instant, broker: BrokerId, quorum: &Quorum) -> Checked {
        if quorum.hears_leader() {
            self.without.remove(&broker);
        } else {
            self.without.insert(broker);
            self.last_without.insert(broker, now);
        }
        let epoch = quorum.epoch();
        match quorum.role_name() {
            "prospective" => {
                self.asks_since.entry(broker).or_insert(now);
            }
            "candidate" if self.stood.insert(broker, epoch) != Some(epoch) => {
                let asked = self.asks_since.remove(&broker);
                let since = |at: Instant| {
                    let lost = |id: &BrokerId| {
                        self.without.contains(id) || self.last_without.get(id).is_some_and(|lost| *lost >= at)
                    };
                    quorum.voters().filter(lost).count()
                };
                let needed = quorum.voters().len() / 2 + 1;
                if needed > 1 && asked.map_or(0, since) < needed {
                    let what =
                        format!("broker {broker} begins epoch {epoch}, and a majority hears its leader");
                    return Err(Violation { invariant: "elections_needed", what });
                }
            }
            _ => {
                self.asks_since.remove(&broker);
            }
        }
        Ok(())
    }
}
