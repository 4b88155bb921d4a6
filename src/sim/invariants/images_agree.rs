//! Brokers that have replayed as much of the metadata log have the same image (Raft, figure 3, "State Machine Safety";
//! KIP-500), whether from records or from a snapshot; and so does a snapshot itself (KIP-630).

use std::collections::BTreeMap;

use crate::controller::{Changes, MetadataImage, MetadataRecord};
use crate::protocol::batch::batches;
use crate::protocol::records::decode_records;
use crate::quorum::{Snapshot, SnapshotId};
use crate::types::{BrokerId, Offset};

use super::{Checked, Violation};

#[derive(Debug, Default)]
pub(super) struct ImagesAgree {
    by_offset: BTreeMap<Offset, (BrokerId, MetadataImage)>,
    at: BTreeMap<BrokerId, Offset>,
    snapshots: BTreeMap<BrokerId, SnapshotId>,
}

impl ImagesAgree {
    pub(super) fn replayed(&mut self, broker: BrokerId, replayed: Offset, image: &MetadataImage) -> Checked {
        if self.at.insert(broker, replayed) == Some(replayed) {
            return Ok(());
        }
        self.agrees(broker, replayed, image)
    }

    /// A broker's last snapshot.
    pub(super) fn snapshot(&mut self, broker: BrokerId, snapshot: &Snapshot) -> Checked {
        if self.snapshots.insert(broker, snapshot.id) == Some(snapshot.id) {
            return Ok(());
        }
        let mut image = MetadataImage::default();
        for (header, range) in batches(&snapshot.bytes).map_while(Result::ok) {
            let records = decode_records(&snapshot.bytes.slice(range)).unwrap_or_default();
            for record in records.iter().filter(|_| !header.is_control()) {
                if let Ok(record) = MetadataRecord::decode(record.value.as_deref().unwrap_or_default()) {
                    image.replay(&record, &mut Changes::default());
                }
            }
        }
        self.agrees(broker, snapshot.id.end, &image)
    }

    fn agrees(&mut self, broker: BrokerId, replayed: Offset, image: &MetadataImage) -> Checked {
        let (first, known) = self.by_offset.entry(replayed).or_insert_with(|| (broker, image.clone()));
        if known == image {
            return Ok(());
        }
        let what = format!("at offset {replayed} the metadata of brokers {first} and {broker} differ");
        Err(Violation { invariant: "images_agree", what })
    }
}
