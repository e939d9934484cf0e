//! Maps from numbers, in their order.
//!
//! A `BTreeMap` is compiled anew for every type of value, and no other code of `std` is as large. Here the tree
//! has only places, so it is compiled once, and for each type of value there is no more than a `Vec`.

use std::collections::BTreeMap;
use std::mem;

/// A map from numbers to values, in the order of the numbers. For what few nodes have, for example.
//
// An empty one is a null pointer, because a run has several, nearly all of which stay empty.
#[derive(Clone, Debug)]
pub(crate) struct NumberMap<K, V>(Option<Box<Entries<K, V>>>);

#[derive(Clone, Debug)]
struct Entries<K, V> {
    places: Places,
    /// In no order.
    list: Vec<(K, V)>,
}

/// Where the entry of each number is.
#[derive(Clone, Debug, Default)]
struct Places(BTreeMap<u128, usize>);

impl<K: Copy + Into<u128>, V> NumberMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |entries| entries.list.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        let entries = self.0.as_ref()?;
        let place = entries.places.get(key.into())?;
        Some(&entries.list[place].1)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let entries = self.0.as_mut()?;
        let place = entries.places.get(key.into())?;
        Some(&mut entries.list[place].1)
    }

    /// Inserts a value. Returns the one that was there before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(before) = self.get_mut(key) {
            return Some(mem::replace(before, value));
        }
        self.add(key, value);
        None
    }

    /// The value of a number, which is made if there is none.
    pub(crate) fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        if self.get(key).is_none() {
            self.add(key, V::default());
        }
        self.get_mut(key).expect("it was added")
    }

    /// Inserts a value for a number that has none.
    fn add(&mut self, key: K, value: V) {
        let entries = self.0.get_or_insert_default();
        entries.places.set(key.into(), entries.list.len());
        entries.list.push((key, value));
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let entries = self.0.as_mut()?;
        let place = entries.places.remove(key.into())?;
        let (_, value) = entries.list.swap_remove(place);
        if let Some((moved, _)) = entries.list.get(place) {
            entries.places.set((*moved).into(), place);
        }
        Some(value)
    }

    pub(crate) fn first(&self) -> Option<&(K, V)> {
        let entries = self.0.as_ref()?;
        entries.places.first().map(|place| &entries.list[place])
    }

    /// The entries in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        let entries = self.0.iter();
        entries.flat_map(|entries| entries.places.0.values().map(|place| &entries.list[*place]))
    }
}

impl<K, V> Entries<K, V> {
    fn last(&self) -> Option<&(K, V)> {
        self.places.last().map(|place| &self.list[place])
    }
}

impl<V> NumberMap<u64, V> {
    /// Inserts a value behind all others. Returns its number, which another may get once it is removed.
    pub(crate) fn push(&mut self, value: V) -> u64 {
        let last = self.0.as_ref().and_then(|entries| entries.last());
        let number = last.map_or(0, |(last, _)| last + 1);
        self.add(number, value);
        number
    }
}

impl<K, V> Default for NumberMap<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Self {
            places: Places::default(),
            list: Vec::new(),
        }
    }
}

impl Places {
    fn get(&self, number: u128) -> Option<usize> {
        self.0.get(&number).copied()
    }

    fn set(&mut self, number: u128, place: usize) {
        self.0.insert(number, place);
    }

    fn remove(&mut self, number: u128) -> Option<usize> {
        self.0.remove(&number)
    }

    fn first(&self) -> Option<usize> {
        self.0.first_key_value().map(|(_, place)| *place)
    }

    fn last(&self) -> Option<usize> {
        self.0.last_key_value().map(|(_, place)| *place)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Does the same to a `BTreeMap`, and compares.
    #[test]
    fn does_what_a_tree_does() {
        let (mut map, mut model) = (NumberMap::<u64, u64>::new(), BTreeMap::new());
        let mut random = 1_u64;
        for step in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let (key, what) = ((random >> 33) % 50, (random >> 60) % 5);
            match what {
                0 => assert_eq!(map.insert(key, step), model.insert(key, step)),
                1 => {
                    let key = map.push(step);
                    assert!(model.keys().all(|other| *other < key));
                    model.insert(key, step);
                }
                2 => {
                    let (value, expected) =
                        (map.get_or_default(key), model.entry(key).or_default());
                    assert_eq!(value, expected);
                    (*value, *expected) = (step, step);
                }
                _ => assert_eq!(map.remove(key), model.remove(&key)),
            }
            assert_eq!(map.get(key), model.get(&key));
            assert_eq!(map.get_mut(key), model.get_mut(&key));
            assert_eq!(map.len(), model.len());
            assert!(map.iter().map(|(key, value)| (key, value)).eq(&model));
            assert_eq!(
                map.first(),
                model
                    .first_key_value()
                    .map(|(key, value)| (*key, *value))
                    .as_ref()
            );
        }
    }
}
