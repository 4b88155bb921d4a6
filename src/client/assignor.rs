//! Who of a group gets which partition: Java's `range` and `roundrobin` assignors.

use crate::sorted::SortedMap;
use crate::types::TopicName;

/// An assignment strategy, by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// Per topic, consecutive partitions for each member in order of their ids.
    Range,
    /// All partitions of all topics, one after the other, to the members in order of their ids.
    RoundRobin,
}

/// Partitions by topic.
pub type Assignment = SortedMap<TopicName, Vec<i32>>;

impl Assignor {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Range => "range",
            Assignor::RoundRobin => "roundrobin",
        }
    }

    /// By its name on the wire.
    pub fn by_name(name: &str) -> Option<Assignor> {
        [Assignor::Range, Assignor::RoundRobin].into_iter().find(|assignor| assignor.name() == name)
    }

    /// Shares `counts` (partitions of each topic) among members, each with the topics it is subscribed to.
    pub fn assign(
        self,
        members: &SortedMap<String, Vec<TopicName>>,
        counts: &SortedMap<TopicName, i32>,
    ) -> SortedMap<String, Assignment> {
        let mut shares: SortedMap<String, Assignment> =
            members.keys().map(|member| (member.clone(), Assignment::new())).collect();
        let wants = |member: &String, topic: &TopicName| {
            members.get(member).is_some_and(|topics| topics.contains(topic))
        };
        let mut give = |member: &String, topic: &TopicName, partition: i32| {
            if let Some(share) = shares.get_mut(member) {
                share.entry(topic.clone()).or_default().push(partition);
            }
        };
        let names: Vec<&String> = members.keys().collect();
        match self {
            Assignor::Range => {
                for (topic, count) in counts {
                    let takers: Vec<&String> = names.iter().copied().filter(|m| wants(m, topic)).collect();
                    let Ok(takers_count) = i32::try_from(takers.len()) else { continue };
                    if takers_count == 0 {
                        continue;
                    }
                    let (each, extra) = (count / takers_count, count % takers_count);
                    let mut next = 0;
                    for (index, member) in takers.into_iter().enumerate() {
                        let take = each + i32::from((index as i32) < extra);
                        for partition in next..next + take {
                            give(member, topic, partition);
                        }
                        next += take;
                    }
                }
            }
            Assignor::RoundRobin => {
                let mut at = 0;
                for (topic, count) in counts {
                    if !names.iter().any(|member| wants(member, topic)) {
                        continue;
                    }
                    for partition in 0..*count {
                        // Members not subscribed to the topic are passed over.
                        while !names.get(at % names.len()).is_some_and(|member| wants(member, topic)) {
                            at += 1;
                        }
                        if let Some(member) = names.get(at % names.len()) {
                            give(member, topic, partition);
                        }
                        at += 1;
                    }
                }
            }
        }
        shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assign(assignor: Assignor, topics: &[(&str, i32)], members: &[(&str, &[&str])]) -> Vec<String> {
        let counts = topics.iter().map(|(topic, count)| (TopicName::from(*topic), *count)).collect();
        let members = members
            .iter()
            .map(|(member, topics)| {
                ((*member).to_owned(), topics.iter().map(|t| TopicName::from(*t)).collect())
            })
            .collect();
        let shares = assignor.assign(&members, &counts);
        shares.into_iter().map(|(member, share)| format!("{member} {share:?}")).collect()
    }

    /// The examples in the documentation of Java's assignors.
    #[test]
    fn assignments_are_those_of_javas_assignors() {
        let (topics, both) = ([("t0", 3), ("t1", 3)], ["t0", "t1"]);
        let members: [(&str, &[&str]); 2] = [("C0", &both), ("C1", &both)];
        assert_eq!(
            assign(Assignor::Range, &topics, &members),
            ["C0 {t0: [0, 1], t1: [0, 1]}", "C1 {t0: [2], t1: [2]}"]
        );
        assert_eq!(
            assign(Assignor::RoundRobin, &topics, &members),
            ["C0 {t0: [0, 2], t1: [1]}", "C1 {t0: [1], t1: [0, 2]}"]
        );
        let topics = [("t0", 1), ("t1", 2), ("t2", 3)];
        let members: [(&str, &[&str]); 3] =
            [("C0", &["t0"]), ("C1", &["t0", "t1"]), ("C2", &["t0", "t1", "t2"])];
        assert_eq!(
            assign(Assignor::RoundRobin, &topics, &members),
            ["C0 {t0: [0]}", "C1 {t1: [0]}", "C2 {t1: [1], t2: [0, 1, 2]}"]
        );
    }
}
