//! The producer id and epoch that make a retry no duplicate (KIP-98), and how a producer gets a new one.

use crate::protocol::Response;
use crate::protocol::messages::InitProducerIdRequest;
use crate::time::{Duration, Instant};
use crate::types::{ProducerEpoch, ProducerId};

use super::super::net::RETRY;
use super::super::{ClientError, FailureKind, NetError};
use super::{Place, Producer};

impl Producer {
    pub(super) fn needs_identity(&self) -> bool {
        self.options.idempotent
            && (self.reset || self.identity.is_none())
            && self.queues.values().flat_map(|queue| &queue.batches).any(|batch| batch.acks == -1)
    }

    /// A new producer id, once nothing is in flight under the old one, and what may be in a log under it is settled.
    pub(super) fn renew_identity(&mut self, now: Instant) {
        if !self.needs_identity() || self.init.is_some() || self.init_at > now || !self.requests.is_empty() {
            return;
        }
        let mut batches = self.queues.values().flat_map(|queue| &queue.batches);
        if self.identity.is_some() && batches.any(|batch| batch.unknown && !batch.refused) {
            return;
        }
        self.identity = None;
        let body = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id(crate::protocol::messages::ProducerId(-1))
            .with_producer_epoch(-1);
        // Everything waits for it, and any other broker can answer as well.
        let timeout = self.options.client.request_timeout.min(Duration::from_secs(5));
        self.init = Some(self.net.send_to_any(now, body.into(), 4, timeout));
    }

    pub(super) fn on_identity(&mut self, now: Instant, result: Result<Response, NetError>) {
        self.init = None;
        match result {
            Ok(Response::InitProducerId(body)) if body.error_code == 0 => {
                self.identity = Some((ProducerId(body.producer_id.0), ProducerEpoch(body.producer_epoch)));
                self.reset = false;
                let places: Vec<Place> = self.queues.keys().cloned().collect();
                for place in places {
                    self.restart_sequence(&place);
                }
            }
            _ => self.init_at = now + RETRY,
        }
    }

    /// Sequence numbers begin at 0 under a new id. A batch that may be in the log already can't be sent under it.
    fn restart_sequence(&mut self, place: &Place) {
        let Some(queue) = self.queues.get_mut(place) else { return };
        queue.next_sequence = 0;
        let (unknown, known) = queue.batches.drain(..).partition::<Vec<_>, _>(|batch| batch.unknown);
        queue.batches = known.into();
        for batch in &mut queue.batches {
            batch.producer = None;
            batch.refused = false;
        }
        for batch in unknown {
            let message = "The outcome is not known, and the producer had to begin anew.";
            self.batch_failed(place, batch, ClientError::new(FailureKind::Timeout, message));
        }
    }
}
