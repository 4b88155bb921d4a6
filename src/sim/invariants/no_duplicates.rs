//! An idempotent producer's record is in a log once, whatever was sent again (KIP-98, "Idempotent Producer Guarantees"). Only
//! a record whose batch the producer gave up may be missing.

use std::collections::BTreeMap;

use crate::protocol::records::Record;
use crate::types::{Offset, TopicPartition};

use super::super::workload::RecordName;
use super::{Checked, Violation};

/// Where each record of a producer is among what is committed.
#[derive(Debug, Default)]
pub struct NoDuplicates {
    places: BTreeMap<RecordName, Vec<(TopicPartition, Offset)>>,
}

impl NoDuplicates {
    pub(super) fn record(&mut self, tp: &TopicPartition, record: &Record) -> Checked {
        let Some(name) = record.value.as_deref().and_then(RecordName::read) else { return Ok(()) };
        let places = self.places.entry(name.clone()).or_default();
        places.push((tp.clone(), record.offset));
        if !name.idempotent || places.len() == 1 {
            return Ok(());
        }
        Err(Violation {
            invariant: "no_duplicates",
            what: format!("{name} is there more than once: {places:?}"),
        })
    }

    /// Where a record is.
    pub fn places(&self, name: &RecordName) -> &[(TopicPartition, Offset)] {
        self.places.get(name).map_or(&[], Vec::as_slice)
    }
}
