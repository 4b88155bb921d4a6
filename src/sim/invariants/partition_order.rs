//! Records of one producer to one partition are in the order they were sent (Kafka's design, "Guarantees"). Acked ones, at
//! their first place: what was given up may still arrive, and without idempotence a retry may come twice.

use std::collections::{BTreeMap, BTreeSet};

use super::super::workload::RecordName;
use super::{Checked, History, Violation};

/// See the file's head.
#[derive(Debug, Default)]
pub struct PartitionOrder {
    acked: BTreeSet<RecordName>,
}

impl PartitionOrder {
    /// A producer was told that its records are there, with acks=1 or all.
    pub fn acked(&mut self, names: &[RecordName]) {
        self.acked.extend(names.iter().cloned());
    }

    /// At the end of a run.
    pub fn at_the_end(&self, history: &History) -> Checked {
        for log in history.partitions() {
            let mut seen = BTreeSet::new();
            let mut last: BTreeMap<String, u64> = BTreeMap::new();
            for record in log.records() {
                let Some(name) = record.value.as_deref().and_then(RecordName::read) else { continue };
                if !self.acked.contains(&name) || !seen.insert(name.clone()) {
                    continue;
                }
                let before = last.insert(name.producer.clone(), name.number);
                if let Some(before) = before.filter(|before| *before > name.number) {
                    let what = format!("in {:?} {name} at {} comes after {before}", log.tp, record.offset);
                    return Err(Violation { invariant: "partition_order", what });
                }
            }
        }
        Ok(())
    }
}
