//! AllocateProducerIds 0: blocks of producer ids for brokers to hand out (KIP-730).

use crate::protocol::messages::{self, AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use crate::types::{BrokerEpoch, BrokerId, ProducerId};

use super::record::MetadataRecord;
use super::{Controller, Decision};

/// Ids in a block.
const BLOCK: i32 = 1000;

impl Controller {
    /// Gives a broker the next block.
    pub fn allocate_producer_ids(&mut self, request: &AllocateProducerIdsRequest) -> Decision {
        let mut decision = Decision::default();
        let (broker, epoch) = (BrokerId(request.broker_id.0), BrokerEpoch(request.broker_epoch));
        let response = AllocateProducerIdsResponse::default();
        if let Some(error) = self.broker_epoch_error(broker, epoch) {
            decision.response = Some(response.with_error_code(error.code()).into());
            return decision;
        }
        let start = self.image.next_producer_id();
        let next = ProducerId(start.0 + i64::from(BLOCK));
        self.decide(MetadataRecord::ProducerIds { broker, epoch, next }, &mut decision);
        let response =
            response.with_producer_id_start(messages::ProducerId(start.0)).with_producer_id_len(BLOCK);
        decision.response = Some(response.into());
        decision
    }
}
