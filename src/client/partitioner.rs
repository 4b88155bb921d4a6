//! Which partition a record goes to.

use crate::rng::Rng;

/// How records without an explicit partition are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitioner {
    /// By murmur2 of the key, as Java's client; without a key, all to one partition until its batch is sent (KIP-480).
    #[default]
    Sticky,
    /// By murmur2 of the key; without a key, one partition after the other.
    RoundRobin,
}

/// Kafka's murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`).
pub fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut h = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    for (index, byte) in rest.iter().enumerate() {
        h ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    (h ^ (h >> 15)) as i32
}

/// The partition of a key among `partitions` (at least 1).
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX) % partitions.max(1)
}

/// Where a topic's records without a key go.
#[derive(Debug, Clone, Default)]
pub struct Spread {
    current: Option<i32>,
}

impl Spread {
    /// The partition of the next record without a key.
    pub fn next(&mut self, how: Partitioner, partitions: i32, rng: &mut Rng) -> i32 {
        let next = match (how, self.current.filter(|current| *current < partitions)) {
            (_, None) => rng.below(partitions as u64) as i32,
            (Partitioner::Sticky, Some(current)) => current,
            (Partitioner::RoundRobin, Some(current)) => (current + 1) % partitions,
        };
        self.current = Some(next);
        next
    }

    /// The sticky partition's batch is full or sent: another one is next.
    pub fn batch_done(&mut self, partition: i32) {
        if self.current == Some(partition) {
            self.current = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_gives_what_javas_client_gives() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn records_without_a_key_stick_until_the_batch_is_done_or_take_turns() {
        let mut rng = Rng::new(1);
        let mut spread = Spread::default();
        let first = spread.next(Partitioner::Sticky, 6, &mut rng);
        assert!((0..20).all(|_| spread.next(Partitioner::Sticky, 6, &mut rng) == first));
        let mut turns: Vec<i32> = (0..6).map(|_| spread.next(Partitioner::RoundRobin, 6, &mut rng)).collect();
        turns.sort_unstable();
        assert_eq!(turns, [0, 1, 2, 3, 4, 5]);
    }
}
