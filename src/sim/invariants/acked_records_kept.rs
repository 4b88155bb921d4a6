//! A record acked with acks=all is committed, where the ack said, and stays (Kafka's design, "Availability and Durability
//! Guarantees"; Maelstrom's name for the anomaly: lost write). It stays because whoever is elected has all that is
//! committed (`leader_completeness`) and replicas never differ from it (`replicas_agree`). A record that failed without
//! having been sent is nowhere.

use std::collections::BTreeSet;

use crate::types::{Offset, TopicPartition};

use super::super::workload::RecordName;
use super::{Checked, Checker, Violation};

/// What producers were told.
#[derive(Debug, Default)]
pub struct AckedRecordsKept {
    acked: BTreeSet<RecordName>,
    failed: BTreeSet<RecordName>,
}

impl AckedRecordsKept {
    /// A producer with acks=all was told that its records are in a partition, the first at `base`; a duplicate whose
    /// original the broker has forgotten has no offset.
    pub fn acked(
        &mut self,
        names: &[RecordName],
        tp: &TopicPartition,
        base: Option<Offset>,
        checker: &Checker,
    ) -> Checked {
        for (at, name) in names.iter().enumerate() {
            self.acked.insert(name.clone());
            let places = checker.no_duplicates.places(name);
            let kept = match base {
                Some(base) if at == 0 => places.contains(&(tp.clone(), base)),
                _ => places.iter().any(|(place, _)| place == tp),
            };
            if !kept {
                let what = format!("{name} was acked in {tp} at {base:?}, committed is {places:?}");
                return violation(what);
            }
        }
        Ok(())
    }

    /// A producer was told that its records were never sent.
    pub fn failed(&mut self, names: &[RecordName]) {
        self.failed.extend(names.iter().cloned());
    }

    /// True for a record that was acked.
    pub fn is_acked(&self, name: &RecordName) -> bool {
        self.acked.contains(name)
    }

    /// How many were acked.
    pub fn count(&self) -> usize {
        self.acked.len()
    }

    /// At the end: what failed is nowhere.
    pub fn at_the_end(&self, checker: &Checker) -> Checked {
        let there = self.failed.iter().find(|name| !checker.no_duplicates.places(name).is_empty());
        match there {
            None => Ok(()),
            Some(name) => violation(format!("{name} was never sent, says its producer, and is committed")),
        }
    }
}

fn violation(what: String) -> Checked {
    Err(Violation { invariant: "acked_records_kept", what })
}
