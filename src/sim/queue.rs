//! What is to happen, by time; what is due at the same time happens in the order it was put in.
//!
//! A heap of small keys beside slots for the things themselves: most of a run's work passes through here, and things are
//! large to move about.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Instant;

/// When something is due, and its number among all that were put in.
type Due = (Instant, u64);

/// See the file's head.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// With the slot of each. A slot that is empty was taken out of turn.
    heap: BinaryHeap<Reverse<(Due, usize)>>,
    slots: Vec<Option<T>>,
    free: Vec<usize>,
    next_number: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), next_number: 0 }
    }
}

impl<T> Queue<T> {
    pub(super) fn push(&mut self, at: Instant, thing: T) {
        self.next_number += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(thing);
        }
        self.heap.push(Reverse(((at, self.next_number), slot)));
    }

    /// Takes out the first, if it is due at `until` at the latest.
    pub(super) fn pop(&mut self, until: Instant) -> Option<(Instant, T)> {
        loop {
            let Reverse(((at, _), slot)) = *self.heap.peek()?;
            let taken_before = self.slots.get(slot).is_none_or(Option::is_none);
            if at > until && !taken_before {
                return None;
            }
            self.heap.pop();
            self.free.push(slot);
            if let Some(thing) = self.slots.get_mut(slot).and_then(Option::take) {
                return Some((at, thing));
            }
        }
    }

    /// Takes out, whenever they are due, the things that `chosen` says. In order.
    pub(super) fn take_all(&mut self, chosen: impl Fn(&T) -> bool) -> Vec<T> {
        let is_chosen = |slot: usize| self.slots.get(slot).and_then(Option::as_ref).is_some_and(&chosen);
        let mut keys: Vec<(Due, usize)> =
            self.heap.iter().map(|Reverse(key)| *key).filter(|(_, slot)| is_chosen(*slot)).collect();
        keys.sort_unstable();
        // Their slots are free when their keys come up.
        keys.into_iter().filter_map(|(_, slot)| self.slots.get_mut(slot)?.take()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_by_time_and_then_in_the_order_they_were_put_in() {
        let mut queue = Queue::default();
        for (at, thing) in [(7, "c"), (5, "a"), (5, "b"), (9, "d")] {
            queue.push(Instant(at), thing);
        }
        assert_eq!(queue.pop(Instant(4)), None);
        assert_eq!(queue.pop(Instant(5)), Some((Instant(5), "a")));
        queue.push(Instant(5), "later");
        assert_eq!(queue.pop(Instant(8)), Some((Instant(5), "b")));
        assert_eq!(queue.pop(Instant(8)), Some((Instant(5), "later")));
        assert_eq!(queue.pop(Instant(8)), Some((Instant(7), "c")));
        assert_eq!(queue.pop(Instant(8)), None);
        assert_eq!(queue.pop(Instant(9)), Some((Instant(9), "d")));
    }

    #[test]
    fn what_was_taken_out_of_turn_does_not_come_again_nor_stand_in_the_way() {
        let mut queue = Queue::default();
        for (at, thing) in [(7, 3), (5, 1), (6, 2), (5, 4)] {
            queue.push(Instant(at), thing);
        }
        assert_eq!(queue.take_all(|thing| thing % 2 == 1), [1, 3]);
        queue.push(Instant(5), 5);
        assert_eq!(queue.pop(Instant(5)), Some((Instant(5), 4)));
        assert_eq!(queue.pop(Instant(5)), Some((Instant(5), 5)));
        assert_eq!(queue.pop(Instant(5)), None);
        assert_eq!(queue.pop(Instant(9)), Some((Instant(6), 2)));
        assert_eq!(queue.pop(Instant(9)), None);
    }
}
