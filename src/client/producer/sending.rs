//! From batches to requests.

use bytes::Bytes;

use crate::protocol::batch::sequence_after;
use crate::protocol::messages::ProduceRequest;
use crate::protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::sorted::SortedMap;
use crate::time::{Duration, Instant};
use crate::types::{BrokerId, TopicName};

use super::super::net::Lane;
use super::super::wire_topic;
use super::{Place, Producer, Queue};

/// Topics are named up to this version of Produce; later ones use ids.
const PRODUCE_VERSION_MAX: i16 = 12;
/// One request carries at most this many bytes of batches (or one batch, if that is larger).
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

impl Producer {
    pub(super) fn is_full(&self, queue: &Queue) -> bool {
        queue.batches.len() > 1
            || queue.batches.front().is_some_and(|b| b.builder.size_in_bytes() >= self.options.batch_bytes)
    }

    /// Sends what can go.
    pub(super) fn dispatch(&mut self, now: Instant) {
        let mut ready: SortedMap<(BrokerId, i16), Vec<Place>> = SortedMap::new();
        for (place, queue) in &self.queues {
            let Some(front) = queue.batches.front() else { continue };
            let leader = self.net.leader(&place.0, place.1);
            // Another leader is another chance: no need to sit out what the last one cost.
            let patient = queue.retry_at.is_some_and(|at| at > now) && leader == queue.asked;
            if patient {
                self.net.refresh_soon(now);
            }
            let waits = queue.in_flight.is_some() || patient;
            let lingers = front.attempts == 0
                && !self.is_full(queue)
                && self.closing.is_none()
                && front.created_at + self.options.linger > now;
            let numbered = self.options.idempotent && front.acks == -1;
            let nameless = numbered
                && (self.identity.is_none() || self.reset && (front.producer.is_none() || front.refused));
            if waits || lingers || nameless {
                continue;
            }
            match leader {
                Some(leader) => ready.entry((leader, front.acks)).or_default().push(place.clone()),
                None => self.net.refresh_soon(now),
            }
        }
        for ((leader, acks), places) in ready {
            self.send_requests(now, leader, acks, places);
        }
    }

    fn send_requests(&mut self, now: Instant, leader: BrokerId, acks: i16, places: Vec<Place>) {
        let mut request: Vec<(Place, Bytes)> = Vec::new();
        let mut size = 0;
        let mut patience = Duration::ZERO;
        for place in places {
            let Some((bytes, deadline)) = self.seal(&place) else { continue };
            if size + bytes.len() > REQUEST_BYTES_MAX && !request.is_empty() {
                self.send_request(now, leader, acks, std::mem::take(&mut request), patience);
                size = 0;
                patience = Duration::ZERO;
            }
            size += bytes.len();
            patience = patience.max(deadline.since(now));
            request.push((place, bytes));
        }
        if !request.is_empty() {
            self.send_request(now, leader, acks, request, patience);
        }
    }

    /// The front batch's bytes, numbered for its first attempt.
    fn seal(&mut self, place: &Place) -> Option<(Bytes, Instant)> {
        let identity = self.identity.filter(|_| self.options.idempotent);
        let queue = self.queues.get_mut(place)?;
        let front = queue.batches.front_mut()?;
        if front.acks == -1
            && front.producer.is_none()
            && let Some((id, epoch)) = identity
        {
            let count = front.builder.record_count() as i32;
            front.builder.set_producer(id, epoch, queue.next_sequence);
            front.producer = Some((id, epoch, queue.next_sequence));
            queue.next_sequence = sequence_after(queue.next_sequence, count);
        }
        front.attempts += 1;
        queue.retry_at = None;
        if let Some(spread) = self.spreads.get_mut(&place.0) {
            spread.batch_done(place.1);
        }
        Some((front.builder.build(), front.deadline))
    }

    fn send_request(
        &mut self,
        now: Instant,
        leader: BrokerId,
        acks: i16,
        batches: Vec<(Place, Bytes)>,
        patience: Duration,
    ) {
        let mut topics: SortedMap<TopicName, Vec<PartitionProduceData>> = SortedMap::new();
        let places: Vec<Place> = batches.iter().map(|(place, _)| place.clone()).collect();
        for ((topic, partition), bytes) in batches {
            let data = PartitionProduceData::default().with_index(partition).with_records(Some(bytes));
            topics.entry(topic).or_default().push(data);
        }
        let topics = topics.into_iter().map(|(topic, data)| {
            TopicProduceData::default().with_name(wire_topic(topic.as_str())).with_partition_data(data)
        });
        let patience = patience.min(self.options.client.request_timeout);
        let body = ProduceRequest::default()
            .with_acks(acks)
            .with_timeout_ms(patience.as_millis() as i32)
            .with_topic_data(topics.collect());
        // The broker's own time limit answers first; ours is for a broker that does not answer at all.
        let timeout = patience + Duration::from_millis(500);
        let tag = self.net.send(now, leader, Lane::Produce, body.into(), PRODUCE_VERSION_MAX, timeout);
        for place in &places {
            if let Some(queue) = self.queues.get_mut(place) {
                queue.in_flight = Some(tag);
                queue.asked = Some(leader);
            }
        }
        self.requests.insert(tag, places);
    }
}
