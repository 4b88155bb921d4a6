//! From answers, and from deadlines, to what each call is told.

use crate::mutation::{Mutation, mutated};
use crate::protocol::messages::ProduceResponse;
use crate::protocol::records::{BatchBuilder, BatchOptions};
use crate::protocol::{ErrorCode, Response};
use crate::time::{Duration, Instant};

use super::super::net::{RETRY, Tag};
use super::super::{CallId, ClientError, FailureKind, NetError};
use super::{Batch, Place, Producer, ProducerReply, Queue, SendResult};

/// Kafka's `retry.backoff.ms`. A leader is elected within a second or two: who waits longer between attempts makes that more.
const RETRY_MAX: Duration = Duration::from_millis(100);

/// How an attempt ended that is to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    NotSent,
    /// It may have been made.
    Unknown,
    Failed(ErrorCode),
}

impl Producer {
    pub(super) fn on_result(&mut self, now: Instant, tag: Tag, result: Result<Response, NetError>) {
        if self.init == Some(tag) {
            return self.on_identity(now, result);
        }
        let Some(places) = self.requests.remove(&tag) else { return };
        for place in &places {
            if let Some(queue) = self.queues.get_mut(place).filter(|queue| queue.in_flight == Some(tag)) {
                queue.in_flight = None;
            }
        }
        match result {
            Ok(Response::Produce(body)) => self.on_produced(now, places, &body),
            Err(NetError::Unsupported(key)) => {
                for place in &places {
                    if let Some(batch) = self.pop_front(place) {
                        self.batch_failed(place, batch, ClientError::from(&NetError::Unsupported(key)));
                    }
                }
            }
            Err(NetError::Unreachable) => {
                self.net.refresh(now);
                for place in &places {
                    self.retry(now, place, Attempt::NotSent);
                }
            }
            _ => {
                self.net.refresh(now);
                for place in &places {
                    self.retry(now, place, Attempt::Unknown);
                }
            }
        }
    }

    fn on_produced(&mut self, now: Instant, places: Vec<Place>, body: &ProduceResponse) {
        for place in places {
            let topic = body.responses.iter().find(|topic| topic.name.as_str() == place.0.as_str());
            let answer = topic.and_then(|t| t.partition_responses.iter().find(|p| p.index == place.1));
            let unacked = |queue: &Queue| queue.batches.front().is_some_and(|front| front.acks == 0);
            if self.queues.get(&place).is_some_and(unacked) {
                if let Some(batch) = self.pop_front(&place) {
                    self.batch_done(&place, batch, None, None);
                }
                continue;
            }
            let Some(answer) = answer else {
                self.retry(now, &place, Attempt::Unknown);
                continue;
            };
            let time = (answer.log_append_time_ms >= 0).then_some(answer.log_append_time_ms);
            match ErrorCode::try_from_code(answer.error_code) {
                None => {
                    if let Some(batch) = self.pop_front(&place) {
                        let base = (answer.base_offset >= 0).then_some(answer.base_offset);
                        self.batch_done(&place, batch, base, time);
                    }
                }
                Some(ErrorCode::DuplicateSequenceNumber) => {
                    if let Some(batch) = self.pop_front(&place) {
                        self.batch_done(&place, batch, None, None);
                    }
                }
                Some(
                    error @ (ErrorCode::OutOfOrderSequenceNumber
                    | ErrorCode::UnknownProducerId
                    | ErrorCode::InvalidProducerEpoch),
                ) => {
                    self.reset = true;
                    self.retry(now, &place, Attempt::Failed(error));
                    if let Some(front) = self.queues.get_mut(&place).and_then(|q| q.batches.front_mut()) {
                        front.refused = front.producer.is_some();
                    }
                }
                Some(error) if error.is_retriable() => {
                    self.net.refresh(now);
                    self.retry(now, &place, Attempt::Failed(error));
                }
                Some(error) => {
                    if let Some(batch) = self.pop_front(&place) {
                        let message = answer.error_message.as_ref().map(|message| message.as_str());
                        self.batch_failed(&place, batch, ClientError::protocol(error, message));
                        // Its sequence number was not used.
                        self.reset |= self.options.idempotent;
                    }
                }
            }
        }
    }

    /// The front batch goes again, a little later.
    fn retry(&mut self, now: Instant, place: &Place, attempt: Attempt) {
        let Some(queue) = self.queues.get_mut(place) else { return };
        let Some(front) = queue.batches.front_mut().filter(|front| front.attempts > 0) else { return };
        match attempt {
            Attempt::NotSent => {}
            Attempt::Unknown => front.unknown = true,
            Attempt::Failed(error) => {
                front.last_error = Some(error);
                // After these the batch may be in a log all the same: a leader that was deposed while the batch waited to be
                // acked says no more than that it leads no longer, and one whose storage failed may have replicated it.
                front.unknown |= [
                    ErrorCode::RequestTimedOut,
                    ErrorCode::NotEnoughReplicasAfterAppend,
                    ErrorCode::NotLeaderOrFollower,
                    ErrorCode::KafkaStorageError,
                ]
                .contains(&error)
                    && !(mutated(Mutation::DeposedMeansNotAppended)
                        && error == ErrorCode::NotLeaderOrFollower);
            }
        }
        let backoff = (RETRY * 2u32.pow((front.attempts - 1).min(5))).min(RETRY_MAX);
        queue.retry_at = Some(now + backoff);
    }

    fn pop_front(&mut self, place: &Place) -> Option<Batch> {
        let queue = self.queues.get_mut(place)?;
        // The batch that was sent may have expired meanwhile; then the front is another one.
        queue.batches.pop_front_if(|front| front.attempts > 0)
    }

    fn batch_done(&mut self, place: &Place, batch: Batch, base: Option<i64>, log_append_time: Option<i64>) {
        self.release(&batch);
        for (id, first) in &batch.parts {
            if let Some(call) = self.sends.get_mut(id) {
                call.open_parts -= 1;
                let result = SendResult {
                    topic: place.0.clone(),
                    partition: place.1,
                    base_offset: base.map(|base| base + first),
                    log_append_time,
                };
                // A call spread over several batches of a partition is told its first offset there.
                call.results.entry(place.clone()).or_insert(result);
            }
            self.finish_if_done(*id);
        }
    }

    pub(super) fn batch_failed(&mut self, place: &Place, batch: Batch, error: ClientError) {
        self.release(&batch);
        for (id, _) in &batch.parts {
            if let Some(call) = self.sends.get_mut(id) {
                call.open_parts -= 1;
                call.error.get_or_insert_with(|| error.clone().at(place.0.as_str(), Some(place.1)));
            }
            self.finish_if_done(*id);
        }
    }

    fn release(&mut self, batch: &Batch) {
        let empty = BatchBuilder::new(BatchOptions::default()).size_in_bytes();
        self.buffered = self.buffered.saturating_sub(batch.builder.size_in_bytes() - empty);
    }

    pub(super) fn finish_if_done(&mut self, id: CallId) {
        let done = self.sends.get(&id).is_some_and(|call| call.open_parts == 0 && call.unplaced.is_empty());
        if done && let Some(call) = self.sends.remove(&id) {
            let results = call.results.into_values().collect();
            self.out.reply(id, call.error.map_or(Ok(ProducerReply::Sent(results)), Err));
        }
    }

    fn not_sent(&self) -> ClientError {
        match self.net.is_connected() {
            true => ClientError::new(FailureKind::Timeout, "Not sent in time."),
            false => ClientError::new(FailureKind::Connection, "No broker could be reached in time."),
        }
    }

    /// Ends what is late.
    pub(super) fn expire(&mut self, now: Instant) {
        let places: Vec<Place> = self.queues.keys().cloned().collect();
        for place in places {
            while let Some(queue) = self.queues.get_mut(&place) {
                let Some(at) = queue.batches.iter().position(|batch| batch.deadline <= now) else { break };
                let in_flight = at == 0 && queue.in_flight.is_some();
                let Some(batch) = queue.batches.remove(at) else { break };
                // A numbered batch is missing in the sequence now, or is in the log without our knowing.
                self.reset |= batch.producer.is_some();
                let unknown = in_flight || batch.unknown;
                let error = match batch.last_error.or(self.net.partition_error(&place.0, place.1)) {
                    Some(error) => ClientError::protocol(error, None),
                    None if unknown => {
                        ClientError::new(FailureKind::Timeout, "Not acked in time; it may be in the log.")
                    }
                    None => self.not_sent(),
                };
                self.batch_failed(&place, batch, error);
            }
        }
        let not_sent = self.not_sent();
        for id in self.waiting.clone() {
            let Some(call) = self.sends.get_mut(&id).filter(|call| call.deadline <= now) else { continue };
            if let Some((topic, _)) = call.unplaced.pop_front() {
                call.unplaced.clear();
                let known = self.net.topic(&topic).and_then(|meta| meta.error);
                let error = match known {
                    Some(error) => ClientError::protocol(error, None),
                    None => not_sent.clone(),
                };
                call.error.get_or_insert(error.at(topic.as_str(), None));
            }
            self.finish_if_done(id);
        }
    }
}
