//! Brokers that have replayed as much of the metadata log have the same image (Raft, figure 3, "State Machine Safety";
//! KIP-500).

use std::collections::BTreeMap;

use crate::controller::MetadataImage;
use crate::types::{BrokerId, Offset};

use super::{Checked, Violation};

#[derive(Debug, Default)]
pub(super) struct ImagesAgree {
    by_offset: BTreeMap<Offset, (BrokerId, MetadataImage)>,
    at: BTreeMap<BrokerId, Offset>,
}

impl ImagesAgree {
    pub(super) fn replayed(&mut self, broker: BrokerId, replayed: Offset, image: &MetadataImage) -> Checked {
        if self.at.insert(broker, replayed) == Some(replayed) {
            return Ok(());
        }
        let (first, known) = self.by_offset.entry(replayed).or_insert_with(|| (broker, image.clone()));
        if known == image {
            return Ok(());
        }
        let what = format!("at offset {replayed} the metadata of brokers {first} and {broker} differ");
        Err(Violation { invariant: "images_agree", what })
    }
}
