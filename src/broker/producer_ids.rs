//! InitProducerId 0-5 for idempotent producers: ids handed out from blocks that the controller allocates (KIP-730).
//!
//! A transactional id is refused with UNSUPPORTED_VERSION until transactions are served.

use std::collections::VecDeque;
use std::ops::Range;

use crate::config::BrokerConfig;
use crate::effects::{Effects, Lane, PeerResult, ReplyToken, RequestId};
use crate::protocol::messages::{
    self, AllocateProducerIdsRequest, InitProducerIdRequest, InitProducerIdResponse,
};
use crate::protocol::{ErrorCode, Response};
use crate::time::{Duration, Instant, earliest};
use crate::types::{BrokerEpoch, BrokerId};

const RETRY: Duration = Duration::from_millis(50);

/// The block in use and who waits for the next.
#[derive(Debug, Default)]
pub struct ProducerIds {
    block: Range<i64>,
    waiting: VecDeque<(ReplyToken, Instant)>,
    in_flight: Option<RequestId>,
    retry_at: Option<Instant>,
}

impl ProducerIds {
    /// Answers from the block, or when the next block is there.
    pub fn init(
        &mut self,
        now: Instant,
        config: &BrokerConfig,
        token: ReplyToken,
        request: &InitProducerIdRequest,
        fx: &mut Effects,
    ) {
        if request.transactional_id.is_some() {
            fx.reply(token, refusal(ErrorCode::UnsupportedVersion));
            return;
        }
        match self.block.next() {
            Some(id) => fx.reply(token, granted(id)),
            None => {
                self.waiting.push_back((token, now + config.request_timeout()));
                self.retry_at.get_or_insert(now);
            }
        }
    }

    /// Asks the controller for a block when one is needed, and gives up who waited too long.
    pub fn tick(
        &mut self,
        now: Instant,
        config: &BrokerConfig,
        controller: Option<BrokerId>,
        epoch: Option<BrokerEpoch>,
        fx: &mut Effects,
    ) {
        while let Some((token, _)) = self.waiting.pop_front_if(|(_, deadline)| *deadline <= now) {
            // Retriable for every client, as Kafka answers while a block is on its way.
            fx.reply(token, refusal(ErrorCode::CoordinatorLoadInProgress));
        }
        if self.waiting.is_empty() || self.in_flight.is_some() || self.retry_at.is_none_or(|at| at > now) {
            return;
        }
        let (Some(controller), Some(epoch)) = (controller, epoch) else {
            self.retry_at = Some(now + RETRY);
            return;
        };
        self.retry_at = None;
        let body = AllocateProducerIdsRequest::default()
            .with_broker_id(messages::BrokerId(config.node_id.0))
            .with_broker_epoch(epoch.0);
        // Asked again, should a frame be lost, before clients give up: a block that was granted for nothing is no loss.
        let timeout = config.request_timeout().min(config.broker_session_timeout());
        self.in_flight = Some(fx.request(controller, Lane::Control, body.into(), timeout));
    }

    /// When `tick` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let retry = self.retry_at.filter(|_| self.in_flight.is_none() && !self.waiting.is_empty());
        earliest(retry, self.waiting.front().map(|(_, deadline)| *deadline))
    }

    /// Takes the answer to a request of ours; false when it is somebody else's.
    pub fn on_response(
        &mut self,
        now: Instant,
        id: RequestId,
        result: &PeerResult,
        fx: &mut Effects,
    ) -> bool {
        if self.in_flight != Some(id) {
            return false;
        }
        self.in_flight = None;
        match result {
            Ok(Response::AllocateProducerIds(response)) if response.error_code == 0 => {
                let start = response.producer_id_start.0;
                self.block = start..start + i64::from(response.producer_id_len);
                while !self.block.is_empty() {
                    let Some((token, _)) = self.waiting.pop_front() else { break };
                    if let Some(id) = self.block.next() {
                        fx.reply(token, granted(id));
                    }
                }
                self.retry_at = (!self.waiting.is_empty()).then_some(now);
            }
            _ => self.retry_at = Some(now + RETRY),
        }
        true
    }
}

fn granted(id: i64) -> InitProducerIdResponse {
    InitProducerIdResponse::default().with_producer_id(messages::ProducerId(id)).with_producer_epoch(0)
}

fn refusal(error: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(error.code())
        .with_producer_id(messages::ProducerId(-1))
        .with_producer_epoch(-1)
}
