//! A map and a set that are one sorted vector each, with the methods of `std`'s of the same names.
//!
//! Each kind of `std`'s B-tree adds several kB to the wasm, each of these some hundred bytes: together a sixth of it. A search
//! costs the same. What is added or taken before the end moves all that stands behind it, so they are for what is small
//! (most of what the core keeps by key) or grows at its end. `BTreeMap` stays where there may be many thousands, or entries
//! are large: a producer's calls, a broker's partitions, the keys of a compaction, the storage in
//! memory.

use std::borrow::Borrow;
use std::fmt;
use std::ops::RangeFrom;

use serde::{Serialize, Serializer};

/// A map, in the order of its keys.
#[derive(Clone, PartialEq, Eq)]
pub struct SortedMap<K, V> {
    entries: Vec<(K, V)>,
}

/// The place of a key in a map, taken or not.
pub struct Entry<'a, K, V> {
    map: &'a mut SortedMap<K, V>,
    key: K,
    found: Result<usize, usize>,
}

/// A set, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct SortedSet<T> {
    items: SortedMap<T, ()>,
}

/// The entries of a map.
pub type Iter<'a, K, V> = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;
/// The entries of a map, with values that may be changed.
pub type IterMut<'a, K, V> =
    std::iter::Map<std::slice::IterMut<'a, (K, V)>, fn(&'a mut (K, V)) -> (&'a K, &'a mut V)>;
/// The items of a set.
pub type SetIter<'a, T> = std::iter::Map<std::slice::Iter<'a, (T, ())>, fn(&'a (T, ())) -> &'a T>;

fn entry<K, V>((key, value): &(K, V)) -> (&K, &V) {
    (key, value)
}

fn entry_mut<K, V>((key, value): &mut (K, V)) -> (&K, &mut V) {
    (key, value)
}

fn item<T>((item, ()): &(T, ())) -> &T {
    item
}

fn into_item<T>((item, ()): (T, ())) -> T {
    item
}

impl<K, V> SortedMap<K, V> {
    /// An empty one.
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes all entries away.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The entries, in order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.entries.iter().map(entry)
    }

    /// The entries, in order, with values that may be changed.
    pub fn iter_mut(&mut self) -> IterMut<'_, K, V> {
        self.entries.iter_mut().map(entry_mut)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values, in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// The values, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> + ExactSizeIterator {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The keys alone.
    pub fn into_keys(self) -> impl DoubleEndedIterator<Item = K> + ExactSizeIterator {
        self.entries.into_iter().map(|(key, _)| key)
    }

    /// The values alone.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> + ExactSizeIterator {
        self.entries.into_iter().map(|(_, value)| value)
    }

    /// Keeps only what is to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    /// Where the key is, or would be.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        match self.entries.last() {
            // Most of what grows grows at its end.
            Some((last, _)) if last.borrow() < key => Err(self.entries.len()),
            _ => self.entries.binary_search_by(|(known, _)| known.borrow().cmp(key)),
        }
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &self.entries[at].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &mut self.entries[at].1)
    }

    /// True when the key is there.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Puts a value; gives the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.entries.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes a key and its value out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| self.entries.remove(at).1)
    }

    /// The place of a key.
    pub fn entry(&mut self, key: K) -> Entry<'_, K, V> {
        let found = self.find(&key);
        Entry { map: self, key, found }
    }

    /// The entries from a key on.
    pub fn range(&self, keys: RangeFrom<K>) -> Iter<'_, K, V> {
        let from = self.find(&keys.start).unwrap_or_else(|at| at);
        self.entries[from..].iter().map(entry)
    }
}

impl<'a, K, V> Entry<'a, K, V> {
    /// The value; `value` is put where there is none.
    pub fn or_insert(self, value: V) -> &'a mut V {
        self.or_insert_with(|| value)
    }

    /// The value; what `value` gives is put where there is none.
    pub fn or_insert_with(self, value: impl FnOnce() -> V) -> &'a mut V {
        let at = self.found.unwrap_or_else(|at| {
            self.map.entries.insert(at, (self.key, value()));
            at
        });
        &mut self.map.entries[at].1
    }

    /// The value; the default is put where there is none.
    pub fn or_default(self) -> &'a mut V
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }
}

impl<T> SortedSet<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self { items: SortedMap::new() }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True without items.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes all items away.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// The items, in order.
    pub fn iter(&self) -> SetIter<'_, T> {
        self.items.entries.iter().map(item)
    }

    /// The least item.
    pub fn first(&self) -> Option<&T> {
        self.items.entries.first().map(item)
    }

    /// Takes the least item out.
    pub fn pop_first(&mut self) -> Option<T> {
        (!self.is_empty()).then(|| into_item(self.items.entries.remove(0)))
    }

    /// Keeps only what is to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.items.retain(|item, ()| keep(item));
    }
}

impl<T: Ord> SortedSet<T> {
    /// True when the item is there.
    pub fn contains<Q: Ord + ?Sized>(&self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.items.contains_key(item)
    }

    /// Puts an item; true when it is new.
    pub fn insert(&mut self, item: T) -> bool {
        self.items.insert(item, ()).is_none()
    }

    /// Takes an item out; true when it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.items.remove(item).is_some()
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Default for SortedSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for SortedSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<T: Ord> Extend<T> for SortedSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.items.extend(items.into_iter().map(|item| (item, ())));
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<T: Ord> FromIterator<T> for SortedSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut set = Self::new();
        set.extend(items);
        set
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for SortedSet<T> {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, K, V> IntoIterator for &'a mut SortedMap<K, V> {
    type Item = (&'a K, &'a mut V);
    type IntoIter = IterMut<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T> IntoIterator for SortedSet<T> {
    type Item = T;
    type IntoIter = std::iter::Map<std::vec::IntoIter<(T, ())>, fn((T, ())) -> T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.entries.into_iter().map(into_item)
    }
}

impl<'a, T> IntoIterator for &'a SortedSet<T> {
    type Item = &'a T;
    type IntoIter = SetIter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Serialize, V: Serialize> Serialize for SortedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u16),
        Remove(u8),
        Add(u8, u16),
        OrInsert(u8, u16),
        Change(u8, u16),
        Keep(u8),
        Extend(Vec<(u8, u16)>),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || any::<u8>().prop_map(|key| key % 24);
        prop_oneof![
            6 => (key(), any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
            4 => key().prop_map(Step::Remove),
            2 => (key(), any::<u16>()).prop_map(|(key, value)| Step::Add(key, value)),
            2 => (key(), any::<u16>()).prop_map(|(key, value)| Step::OrInsert(key, value)),
            2 => (key(), any::<u16>()).prop_map(|(key, value)| Step::Change(key, value)),
            1 => key().prop_map(Step::Keep),
            1 => prop::collection::vec((key(), any::<u16>()), 0..8).prop_map(Step::Extend),
            1 => Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn a_map_is_what_std_s_is(steps in prop::collection::vec(step(), 0..60)) {
            let mut ours = SortedMap::new();
            let mut std = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Insert(key, value) => prop_assert_eq!(ours.insert(key, value), std.insert(key, value)),
                    Step::Remove(key) => prop_assert_eq!(ours.remove(&key), std.remove(&key)),
                    Step::Add(key, value) => {
                        let sum = |there: &mut u16| *there = there.wrapping_add(value);
                        sum(ours.entry(key).or_default());
                        sum(std.entry(key).or_default());
                    }
                    Step::OrInsert(key, value) => {
                        prop_assert_eq!(ours.entry(key).or_insert(value), std.entry(key).or_insert(value));
                    }
                    Step::Change(key, value) => {
                        prop_assert_eq!(ours.get_mut(&key).map(|there| *there = value), std.get_mut(&key).map(|there| *there = value));
                        ours.values_mut().for_each(|there| *there ^= 1);
                        std.values_mut().for_each(|there| *there ^= 1);
                    }
                    Step::Keep(divisor) => {
                        ours.retain(|key, value| key % (divisor + 1) != 0 || *value % 2 == 0);
                        std.retain(|key, value| key % (divisor + 1) != 0 || *value % 2 == 0);
                    }
                    Step::Extend(entries) => {
                        ours.extend(entries.clone());
                        std.extend(entries);
                    }
                    Step::Clear => {
                        ours.clear();
                        std.clear();
                    }
                }
                prop_assert!(ours.iter().eq(&std), "{:?} is not {:?}", ours, std);
                prop_assert!(ours.iter().rev().eq(std.iter().rev()));
                prop_assert!(ours.keys().eq(std.keys()) && ours.values().eq(std.values()));
                prop_assert_eq!((ours.len(), ours.is_empty()), (std.len(), std.is_empty()));
                for key in 0..=24 {
                    prop_assert_eq!((ours.get(&key), ours.contains_key(&key)), (std.get(&key), std.contains_key(&key)));
                    prop_assert!(ours.range(key..).eq(std.range(key..)));
                }
                prop_assert_eq!(format!("{ours:?}"), format!("{std:?}"));
            }
            prop_assert!(ours.clone().into_keys().eq(std.clone().into_keys()));
            prop_assert!(ours.clone().into_values().eq(std.clone().into_values()));
            prop_assert!(ours.into_iter().eq(std));
        }

        #[test]
        fn a_set_is_what_std_s_is(steps in prop::collection::vec((any::<u8>(), 0..4), 0..60)) {
            let mut ours = SortedSet::new();
            let mut std = BTreeSet::new();
            for (item, step) in steps {
                let item = item % 24;
                match step {
                    0 | 1 => prop_assert_eq!(ours.insert(item), std.insert(item)),
                    2 => prop_assert_eq!(ours.remove(&item), std.remove(&item)),
                    _ => prop_assert_eq!(ours.pop_first(), std.pop_first()),
                }
                prop_assert!(ours.iter().eq(&std), "{:?} is not {:?}", ours, std);
                prop_assert_eq!((ours.first(), ours.len(), ours.contains(&item)), (std.first(), std.len(), std.contains(&item)));
                prop_assert_eq!(format!("{ours:?}"), format!("{std:?}"));
            }
            prop_assert!(ours.into_iter().eq(std));
        }
    }
}
