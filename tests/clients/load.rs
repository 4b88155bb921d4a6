//! Who sends and who reads while a test does something to the cluster, and what must hold for both.

use std::collections::{BTreeMap, BTreeSet};

use tabmq::client::*;
use tabmq::sim::World;
use tabmq::sim::clients::Handle;
use tabmq::time::{Duration, Instant};
use tabmq::types::TopicName;

use crate::rig::*;

/// Keyed records one after the other, remembering what was acked.
pub struct Load {
    pub producer: Handle<Producer>,
    pub keys: u32,
    pub next: u32,
    pub calls: BTreeMap<CallId, String>,
    pub acked: BTreeSet<String>,
    pub acked_at: Vec<Instant>,
    pub failed: Vec<(String, ClientError)>,
}

impl Load {
    pub fn new(producer: Handle<Producer>) -> Self {
        Load {
            producer,
            keys: 12,
            next: 0,
            calls: BTreeMap::new(),
            acked: BTreeSet::new(),
            acked_at: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub fn send_one(&mut self, world: &mut World) {
        let value = format!("k{}:{}", self.next % self.keys, self.next);
        let key = value.split(':').next().unwrap().to_owned();
        self.next += 1;
        let call = self.producer.call(world, send(vec![record(&key, &value)]));
        self.calls.insert(call, value);
    }

    pub fn gather(&mut self) {
        for (at, call, result) in self.producer.take_replies() {
            let value = self.calls.remove(&call).unwrap();
            match result {
                Ok(_) => {
                    self.acked.insert(value);
                    self.acked_at.push(at);
                }
                Err(error) => self.failed.push((value, error)),
            }
        }
    }

    /// A record every `pause` for `duration`.
    pub fn run(&mut self, rig: &mut Rig, duration: Duration, pause: Duration) {
        let until = rig.now() + duration;
        while rig.now() < until {
            self.send_one(&mut rig.bench.world);
            rig.run_for(pause);
            self.gather();
        }
    }

    /// Runs until every call is answered.
    pub fn finish(&mut self, rig: &mut Rig) {
        let producer = &self.producer;
        let limit = ms(35_000);
        let held =
            rig.clients.run_until(&mut rig.bench.world, limit, |_| producer.look().unanswered().is_empty());
        assert!(held, "seed {}: {} calls unanswered", rig.seed, self.calls.len());
        self.gather();
    }

    /// Acked means in the log; nothing is there twice; the order of a key is the order of its calls.
    pub fn check(&self, rig: &mut Rig, partitions: i32) {
        let seed = rig.seed;
        let logs = rig.logs(partitions);
        let mut seen = BTreeSet::new();
        for log in &logs {
            let mut last: BTreeMap<String, u32> = BTreeMap::new();
            for value in log {
                assert!(seen.insert(value.clone()), "seed {seed}: {value} twice");
                let (key, number) = value.split_once(':').unwrap();
                let number: u32 = number.parse().unwrap();
                let before = last.insert(key.to_owned(), number);
                assert!(before.is_none_or(|before| before < number), "seed {seed}: {value} after {before:?}");
            }
        }
        for value in &self.acked {
            assert!(seen.contains(value), "seed {seed}: {value} was acked and is lost");
        }
    }

    /// The longest time without an ack after `at`.
    pub fn gap_after(&self, at: Instant) -> Duration {
        let mut last = at;
        let mut longest = Duration::ZERO;
        for ack in self.acked_at.iter().filter(|ack| **ack >= at) {
            longest = longest.max(ack.since(last));
            last = *ack;
        }
        longest
    }
}

/// A consumer whose host polls, and gives each batch back at once.
pub struct Reader {
    pub consumer: Handle<Consumer>,
    pub poll: Option<CallId>,
    pub got: Vec<(i32, i64, String)>,
    pub seen_events: usize,
    pub share: Vec<i32>,
}

impl Reader {
    pub fn start(rig: &mut Rig, options: ConsumerOptions) -> Self {
        let consumer = rig.clients.add(Consumer::new(options));
        let topics = vec![TopicName::from(TOPIC)];
        let world = &mut rig.bench.world;
        consumer.call(world, ConsumerCall::Subscribe { topics, from_beginning: true });
        consumer.call(world, ConsumerCall::Start);
        Reader { consumer, poll: None, got: Vec::new(), seen_events: 0, share: Vec::new() }
    }

    pub fn turn(&mut self, world: &mut World) {
        let seed = "a reader";
        for event in &self.consumer.look().events[self.seen_events..] {
            match &event.1 {
                ConsumerEvent::Assigned { partitions, .. } => {
                    self.share = partitions.values().flatten().copied().collect();
                }
                ConsumerEvent::Revoked | ConsumerEvent::Lost => self.share.clear(),
                ConsumerEvent::Crashed(error) => panic!("{seed} crashed: {error:?}"),
            }
        }
        self.seen_events = self.consumer.look().events.len();
        for (_, call, result) in self.consumer.take_replies() {
            if self.poll != Some(call) {
                continue;
            }
            self.poll = None;
            let Ok(ConsumerReply::Batches(batches)) = result else { continue };
            for batch in batches {
                let mut next = 0;
                for record in &batch.records {
                    let value = String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
                    self.got.push((batch.partition, record.offset.0, value));
                    next = record.offset.0 + 1;
                }
                let (topic, partition) = (batch.topic, batch.partition);
                self.consumer.call(world, ConsumerCall::Processed { topic, partition, next });
            }
        }
        if self.poll.is_none() {
            let call = ConsumerCall::Poll { batches_max: 3, wait: ms(1000) };
            self.poll = Some(self.consumer.call(world, call));
        }
    }
}

/// Runs the load (if there is one) and the readers for `duration`.
pub fn run_all(rig: &mut Rig, mut load: Option<&mut Load>, readers: &mut [&mut Reader], duration: Duration) {
    let until = rig.now() + duration;
    let mut send_at = rig.now();
    while rig.now() < until {
        if let Some(load) = &mut load
            && rig.now() >= send_at
        {
            load.send_one(&mut rig.bench.world);
            load.gather();
            send_at = rig.now() + ms(20);
        }
        for reader in readers.iter_mut() {
            reader.turn(&mut rig.bench.world);
        }
        rig.run_for(ms(5));
    }
}

/// Everything acked was read by somebody, and no offset was skipped.
pub fn check_read(seed: u64, load: &Load, readers: &[&Reader]) {
    let mut offsets: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    let mut values = BTreeSet::new();
    for reader in readers {
        for (partition, offset, value) in &reader.got {
            offsets.entry(*partition).or_default().insert(*offset);
            values.insert(value.clone());
        }
    }
    for value in &load.acked {
        assert!(values.contains(value), "seed {seed}: {value} was acked and never read");
    }
    for (partition, offsets) in offsets {
        let contiguous = (0..offsets.len() as i64).all(|offset| offsets.contains(&offset));
        assert!(contiguous, "seed {seed}: gap in partition {partition}");
    }
}

pub fn share_of(reader: &Reader) -> usize {
    reader.share.len()
}
