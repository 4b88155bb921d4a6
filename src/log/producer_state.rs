//! Idempotence: what each producer wrote last to this log (KIP-98, KIP-360; Kafka 4.1's `ProducerStateManager` and
//! `ProducerAppendInfo`).
//!
//! The rules for a data batch of a known producer, from a client:
//! - a lower epoch than the known one is refused;
//! - a higher epoch must start at sequence 0;
//! - in the same epoch the first sequence must follow the last one (after `i32::MAX` comes 0);
//! - a batch with the epoch and exactly the sequences of one of the producer's last five batches is a duplicate, and is
//!   answered as the original was.
//!
//! A producer nothing is known of may start at any sequence: its records may all have been deleted. (Kafka answered
//! `UNKNOWN_PRODUCER_ID` there before 2.4 and does not any more, so no such error exists here.) Replicated batches were
//! judged by the leader and only noted.
//!
//! A snapshot, written into the row of each new segment, all numbers big-endian:
//!
//! ```text
//! u32 producers, then for each, ascending by id:
//!   i64 producer id | i16 epoch | i64 last timestamp (ms) | u8 batches (0-5), then for each, oldest first:
//!     i32 last sequence | i64 last offset | i32 last offset - first offset | i64 timestamp (ms)
//! ```
//!
//! (Kafka's snapshot files keep only the last batch of each; ours keeps all five, so that a retry across a restart is
//! still recognised.)

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::batch_facts::{BatchFacts, ProducerFacts};
use super::codec::Reader;
use super::error::AppendError;
use crate::protocol::batch::sequence_after;
use crate::sorted::SortedMap;
use crate::time::Duration;
use crate::types::{Offset, ProducerEpoch, ProducerId};

/// How many batches are remembered of each producer: as many as an idempotent client may have in flight.
pub const BATCHES_RETAINED: usize = 5;

/// One batch as remembered for idempotence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchMetadata {
    /// Sequence of the last record.
    pub last_sequence: i32,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// Last offset minus first offset.
    pub offset_delta: i32,
    /// The batch's largest timestamp, ms.
    pub timestamp: i64,
}

impl BatchMetadata {
    /// Offset of the first record.
    pub fn first_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }
}

/// What is known of one producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Largest timestamp of its latest batch, ms; for expiry.
    pub last_timestamp: i64,
    batches: VecDeque<BatchMetadata>,
}

impl ProducerEntry {
    /// Its last batches in this epoch, oldest first, at most `BATCHES_RETAINED`.
    pub fn batches(&self) -> impl Iterator<Item = &BatchMetadata> {
        self.batches.iter()
    }

    /// Sequence of the last record written in this epoch.
    pub fn last_sequence(&self) -> Option<i32> {
        self.batches.back().map(|batch| batch.last_sequence)
    }
}

/// All producers of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerState {
    producers: SortedMap<ProducerId, ProducerEntry>,
}

impl ProducerState {
    /// The earlier batch that `batch` repeats, if it is one of its producer's last five.
    pub fn duplicate_of(&self, batch: &BatchFacts) -> Option<BatchMetadata> {
        let producer = batch.producer?;
        let last = sequence_after(producer.first_sequence?, batch.offset_delta());
        let entry = self.producers.get(&producer.id).filter(|entry| entry.epoch == producer.epoch)?;
        let same = |b: &&BatchMetadata| b.last_sequence == last && b.offset_delta == batch.offset_delta();
        entry.batches.iter().find(same).copied()
    }

    /// Judges the batches of one append from a client, in order, by the rules above. Nothing is noted.
    pub fn check<'a>(&self, batches: impl IntoIterator<Item = &'a BatchFacts>) -> Result<(), AppendError> {
        // What the append's earlier batches have made of their producers: epoch and last sequence.
        let mut pending: SortedMap<ProducerId, (ProducerEpoch, Option<i32>)> = SortedMap::new();
        for batch in batches {
            let Some(producer) = batch.producer else { continue };
            let known = self.producers.get(&producer.id);
            let before = match pending.get(&producer.id) {
                Some(state) => Some(*state),
                None => known.map(|entry| (entry.epoch, entry.last_sequence())),
            };
            check_one(before, &producer)?;
            let last = producer.first_sequence.map(|first| sequence_after(first, batch.offset_delta()));
            let unchanged = before.filter(|(epoch, _)| *epoch == producer.epoch).and_then(|(_, last)| last);
            pending.insert(producer.id, (producer.epoch, last.or(unchanged)));
        }
        Ok(())
    }

    /// Notes a batch that is part of the log.
    pub fn note(&mut self, batch: &BatchFacts) {
        let Some(producer) = batch.producer else { return };
        let entry = self.producers.entry(producer.id).or_insert_with(|| ProducerEntry {
            epoch: producer.epoch,
            last_timestamp: batch.max_timestamp,
            batches: VecDeque::new(),
        });
        if entry.epoch != producer.epoch {
            entry.epoch = producer.epoch;
            entry.batches.clear();
        }
        entry.last_timestamp = batch.max_timestamp;
        let Some(first) = producer.first_sequence else { return };
        if entry.batches.len() == BATCHES_RETAINED {
            entry.batches.pop_front();
        }
        entry.batches.push_back(BatchMetadata {
            last_sequence: sequence_after(first, batch.offset_delta()),
            last_offset: batch.last(),
            offset_delta: batch.offset_delta(),
            timestamp: batch.max_timestamp,
        });
    }

    /// Forgets producers whose last batch is older than `after` at `now_ms`.
    pub fn expire(&mut self, now_ms: i64, after: Duration) {
        let after = i64::try_from(after.as_millis()).unwrap_or(i64::MAX);
        self.producers.retain(|_, entry| now_ms.saturating_sub(entry.last_timestamp) < after);
    }

    /// What is known of a producer.
    pub fn producer(&self, id: ProducerId) -> Option<&ProducerEntry> {
        self.producers.get(&id)
    }

    /// All producers, ascending by id (for DescribeProducers).
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerEntry)> {
        self.producers.iter().map(|(id, entry)| (*id, entry))
    }

    /// The snapshot, as drawn above.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u32(self.producers.len() as u32);
        for (id, entry) in &self.producers {
            out.put_i64(id.0);
            out.put_i16(entry.epoch.0);
            out.put_i64(entry.last_timestamp);
            out.put_u8(entry.batches.len() as u8);
            for batch in &entry.batches {
                out.put_i32(batch.last_sequence);
                out.put_i64(batch.last_offset.0);
                out.put_i32(batch.offset_delta);
                out.put_i64(batch.timestamp);
            }
        }
        out.freeze()
    }

    /// Reads a snapshot; none when it is not one.
    pub fn decode(bytes: &[u8]) -> Option<ProducerState> {
        let mut reader = Reader(bytes);
        let mut producers = SortedMap::new();
        for _ in 0..reader.u32()? {
            let id = ProducerId(reader.i64()?);
            let epoch = ProducerEpoch(reader.i16()?);
            let last_timestamp = reader.i64()?;
            let mut batches = VecDeque::new();
            for _ in 0..reader.u8()? {
                batches.push_back(BatchMetadata {
                    last_sequence: reader.i32()?,
                    last_offset: Offset(reader.i64()?),
                    offset_delta: reader.i32()?,
                    timestamp: reader.i64()?,
                });
            }
            producers.insert(id, ProducerEntry { epoch, last_timestamp, batches });
        }
        reader.0.is_empty().then_some(ProducerState { producers })
    }
}

fn check_one(
    before: Option<(ProducerEpoch, Option<i32>)>,
    producer: &ProducerFacts,
) -> Result<(), AppendError> {
    let Some((epoch, last)) = before else { return Ok(()) };
    if producer.epoch < epoch {
        return Err(AppendError::InvalidProducerEpoch {
            producer_id: producer.id,
            current: epoch,
            got: producer.epoch,
        });
    }
    let Some(first) = producer.first_sequence else { return Ok(()) };
    let expected = if producer.epoch > epoch { Some(0) } else { last.map(|last| sequence_after(last, 1)) };
    match expected {
        Some(expected) if expected == first => Ok(()),
        // A known epoch without a sequence (only a control batch so far) starts at 0, as in Kafka.
        None if first == 0 => Ok(()),
        _ => Err(AppendError::OutOfOrderSequence { producer_id: producer.id, expected, got: first }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::LeaderEpoch;

    fn batch(epoch: i16, first_sequence: i32, base: i64, records: i64) -> BatchFacts {
        BatchFacts {
            base: Offset(base),
            next: Offset(base + records),
            size: 100,
            epoch: Some(LeaderEpoch(0)),
            max_timestamp: 1000 + base,
            producer: Some(ProducerFacts {
                id: ProducerId(7),
                epoch: ProducerEpoch(epoch),
                first_sequence: Some(first_sequence),
            }),
        }
    }

    fn state(batches: &[BatchFacts]) -> ProducerState {
        let mut state = ProducerState::default();
        batches.iter().for_each(|b| state.note(b));
        state
    }

    #[test]
    fn an_unknown_producer_may_start_anywhere() {
        assert_eq!(ProducerState::default().check(&[batch(3, 17, 0, 2)]), Ok(()));
    }

    #[test]
    fn a_gap_and_a_step_back_are_out_of_order() {
        let state = state(&[batch(0, 0, 0, 10)]);
        assert_eq!(state.check(&[batch(0, 10, 10, 1)]), Ok(()));
        for got in [11, 9, 0] {
            let error =
                AppendError::OutOfOrderSequence { producer_id: ProducerId(7), expected: Some(10), got };
            assert_eq!(state.check(&[batch(0, got, 10, 1)]), Err(error));
        }
    }

    #[test]
    fn one_append_may_carry_several_batches_in_sequence() {
        let state = state(&[batch(0, 0, 0, 10)]);
        assert_eq!(state.check(&[batch(0, 10, 10, 2), batch(0, 12, 12, 1)]), Ok(()));
        assert!(state.check(&[batch(0, 10, 10, 2), batch(0, 13, 12, 1)]).is_err());
    }

    #[test]
    fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
        let mut state = state(&[batch(1, 0, 0, 10)]);
        assert!(matches!(state.check(&[batch(2, 10, 10, 1)]), Err(AppendError::OutOfOrderSequence { .. })));
        assert_eq!(state.check(&[batch(2, 0, 10, 1)]), Ok(()));
        state.note(&batch(2, 0, 10, 1));
        let error = AppendError::InvalidProducerEpoch {
            producer_id: ProducerId(7),
            current: ProducerEpoch(2),
            got: ProducerEpoch(1),
        };
        assert_eq!(state.check(&[batch(1, 10, 11, 1)]), Err(error));
        assert_eq!(state.duplicate_of(&batch(1, 0, 11, 10)), None);
    }

    #[test]
    fn the_last_five_batches_are_recognised_and_no_more() {
        let batches: Vec<_> = (0..6).map(|i| batch(0, i * 2, i64::from(i) * 2, 2)).collect();
        let state = state(&batches);
        assert_eq!(state.duplicate_of(&batches[0]), None);
        for original in &batches[1..] {
            let found = state.duplicate_of(&BatchFacts { base: Offset(90), next: Offset(92), ..*original });
            assert_eq!(found.map(|b| b.first_offset()), Some(original.base));
        }
        assert_eq!(state.duplicate_of(&batch(0, 2, 90, 1)), None, "other bounds are no duplicate");
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let state = state(&[batch(0, i32::MAX - 1, 0, 2)]);
        assert_eq!(state.check(&[batch(0, 0, 2, 1)]), Ok(()));
        assert!(state.check(&[batch(0, 1, 2, 1)]).is_err());
        let across = batch(0, i32::MAX, 2, 3);
        assert_eq!(sequence_after(i32::MAX, across.offset_delta()), 1);
    }

    #[test]
    fn a_snapshot_reads_back_whole_and_not_cut_short() {
        let state = state(&[batch(0, 0, 0, 10), batch(0, 10, 10, 1)]);
        let bytes = state.encode();
        assert_eq!(ProducerState::decode(&bytes), Some(state));
        assert_eq!(ProducerState::decode(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn a_silent_producer_is_forgotten() {
        let mut state = state(&[batch(0, 0, 0, 10)]);
        state.expire(1999, Duration::from_millis(1000));
        assert!(state.producer(ProducerId(7)).is_some());
        state.expire(2000, Duration::from_millis(1000));
        assert!(state.producer(ProducerId(7)).is_none());
    }
}
