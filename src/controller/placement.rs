//! Where replicas go: striped over the brokers, so that leaders and followers are spread evenly.

use crate::rng::Rng;
use crate::types::BrokerId;

/// Replicas for `partitions` partitions, preferred leader first. `active` brokers are taken before `others`, which can
/// only follow later. `replication` is at most the number of both.
pub fn place(
    partitions: usize,
    replication: usize,
    active: &[BrokerId],
    others: &[BrokerId],
    rng: &mut Rng,
) -> Vec<Vec<BrokerId>> {
    let start = rng.below(active.len() as u64) as usize;
    let mut shift = rng.below(active.len() as u64) as usize;
    let mut placed = Vec::with_capacity(partitions);
    for partition in 0..partitions {
        let first = start + partition;
        if partition > 0 && partition % active.len() == 0 {
            // Another round: the same leader gets other first followers.
            shift += 1;
        }
        let mut replicas = Vec::with_capacity(replication);
        replicas.extend(active.get(first % active.len()));
        let rest = active.len() - 1;
        for step in 0..rest {
            let at = (first + 1 + (shift + step) % rest) % active.len();
            replicas.extend(active.get(at));
        }
        replicas.extend(others);
        replicas.truncate(replication);
        placed.push(replicas);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sorted::SortedSet;

    #[test]
    fn leaders_are_spread_evenly_and_no_broker_has_a_partition_twice() {
        let brokers: Vec<BrokerId> = (1..=5).map(BrokerId).collect();
        for seed in 0..50 {
            let placed = place(10, 3, &brokers, &[], &mut Rng::new(seed));
            for id in &brokers {
                assert_eq!(placed.iter().filter(|replicas| replicas[0] == *id).count(), 2);
            }
            for replicas in &placed {
                assert_eq!(replicas.iter().collect::<SortedSet<_>>().len(), 3);
            }
        }
    }

    #[test]
    fn a_broker_that_is_away_follows_only_when_it_must() {
        let (active, away) = ([BrokerId(1), BrokerId(2)], [BrokerId(3)]);
        for replicas in place(4, 2, &active, &away, &mut Rng::new(1)) {
            assert!(!replicas.contains(&BrokerId(3)));
        }
        for replicas in place(4, 3, &active, &away, &mut Rng::new(1)) {
            assert_eq!(replicas[2], BrokerId(3));
        }
    }
}
