//! Within a generation a partition belongs to one member of the group (Kafka's consumer rebalance protocol; KIP-62).

use std::collections::BTreeMap;

use crate::sorted::SortedMap;
use crate::types::{Generation, TopicName};

use super::{Checked, Violation};

type Place = (String, Generation, TopicName, i32);

/// Who owned what.
#[derive(Debug, Default)]
pub struct OneOwner {
    owners: BTreeMap<Place, String>,
}

impl OneOwner {
    /// A member was told its share.
    pub fn assigned(
        &mut self,
        group: &str,
        generation: Generation,
        member: &str,
        share: &SortedMap<TopicName, Vec<i32>>,
    ) -> Checked {
        for (topic, partitions) in share {
            for partition in partitions {
                let place = (group.to_owned(), generation, topic.clone(), *partition);
                let owner = self.owners.entry(place.clone()).or_insert_with(|| member.to_owned());
                if owner != member {
                    let what = format!("{place:?} belongs to {owner} and to {member}");
                    return Err(Violation { invariant: "one_owner", what });
                }
            }
        }
        Ok(())
    }
}
