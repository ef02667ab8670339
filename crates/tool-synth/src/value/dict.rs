//! Dictionaries that keep the order of insertion.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Int, Value};

/// From how many members on a dictionary keeps an index. Below, looking at each is faster.
const INDEXED: usize = 24;

/// A dictionary: members in the order of insertion, keys equal as Python's are.
///
/// Keys must be hashable ([`Value::is_hashable`]); nothing here checks it.
#[derive(Clone, Debug, Default)]
pub struct Dict {
    members: Vec<(Value, Value)>,
    /// From a key's hash to the first member that had it. Two keys may share a hash: then the members are walked.
    // Boxed, because few dictionaries have one and a value should be small.
    #[allow(clippy::box_collection)]
    index: Option<Box<HashMap<u64, usize>>>,
}

impl Dict {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty dictionary with room for `capacity` members.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { members: Vec::with_capacity(capacity), index: None }
    }

    /// A dictionary of members whose keys differ, which is not looked at again.
    pub(crate) fn from_distinct(members: impl Iterator<Item = (Value, Value)>) -> Self {
        let mut dict = Self { members: members.collect(), index: None };
        dict.reindex();
        dict
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn position(&self, key: &Value) -> Option<usize> {
        if let Some(index) = &self.index {
            let first = *index.get(&hash(key))?;
            if self.members[first].0 == *key {
                return Some(first);
            }
        }
        self.members.iter().position(|(other, _)| other == key)
    }

    /// Sets a member. The first key object stays, at its place; the value is the new one. Returns the former value.
    pub fn insert(&mut self, key: Value, value: Value) -> Option<Value> {
        if let Some(at) = self.position(&key) {
            return Some(std::mem::replace(&mut self.members[at].1, value));
        }
        self.members.push((key, value));
        if self.members.len() > INDEXED {
            if let Some(index) = &mut self.index {
                let last = self.members.len() - 1;
                index.entry(hash(&self.members[last].0)).or_insert(last);
            } else {
                self.reindex();
            }
        }
        None
    }

    fn reindex(&mut self) {
        self.index = None;
        if self.members.len() > INDEXED {
            let mut index = HashMap::with_capacity(self.members.len() * 2);
            for (at, (key, _)) in self.members.iter().enumerate() {
                index.entry(hash(key)).or_insert(at);
            }
            self.index = Some(Box::new(index));
        }
    }

    /// The value under a key.
    pub fn get(&self, key: &Value) -> Option<&Value> {
        self.position(key).map(|at| &self.members[at].1)
    }

    /// The value under a key, to change it.
    pub fn get_mut(&mut self, key: &Value) -> Option<&mut Value> {
        self.position(key).map(|at| &mut self.members[at].1)
    }

    /// The value under a text key.
    pub fn get_str(&self, key: &str) -> Option<&Value> {
        if self.index.is_some() {
            return self.get(&Value::from(key));
        }
        self.members.iter().find(|(other, _)| other.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// The value under a text key, looked for from a place on, which becomes the one after it: keys that are asked for in the order of
    /// the members are found at once.
    pub(crate) fn find_from(&self, next: &mut usize, key: &str) -> Option<&Value> {
        let is = |(other, _): &(Value, Value)| other.as_str() == Some(key);
        let start = (*next).min(self.members.len());
        let later = self.members[start..].iter().position(is).map(|at| start + at);
        let at = later.or_else(|| self.members[..start].iter().position(is))?;
        *next = at + 1;
        Some(&self.members[at].1)
    }

    /// Whether there is a member under the key.
    pub fn contains_key(&self, key: &Value) -> bool {
        self.position(key).is_some()
    }

    /// Whether there is a member under a text key.
    pub fn contains_str(&self, key: &str) -> bool {
        self.get_str(key).is_some()
    }

    /// Takes a member out; the others keep their order.
    pub fn remove(&mut self, key: &Value) -> Option<Value> {
        let at = self.position(key)?;
        let (_, value) = self.members.remove(at);
        self.reindex();
        Some(value)
    }

    /// The members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value, &Value)> + DoubleEndedIterator {
        self.members.iter().map(|(key, value)| (key, value))
    }

    /// The values in order, to change them.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Value> {
        self.members.iter_mut().map(|(_, value)| value)
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.members.iter().map(|(key, _)| key)
    }

    /// The values in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.members.iter().map(|(_, value)| value)
    }
}

/// Equal whatever the order.
impl PartialEq for Dict {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, value)| other.get(key) == Some(value))
    }
}

impl FromIterator<(Value, Value)> for Dict {
    fn from_iter<T: IntoIterator<Item = (Value, Value)>>(members: T) -> Self {
        let mut dict = Self::new();
        for (key, value) in members {
            dict.insert(key, value);
        }
        dict
    }
}

impl IntoIterator for Dict {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

/// Equal values have equal hashes: a number hashes as the integer it is, if it is one.
fn hash(value: &Value) -> u64 {
    fn float(value: f64, state: &mut DefaultHasher) {
        match Int::from_f64(value) {
            Some(int) if value.fract() == 0.0 => int.hash(state),
            _ => value.to_bits().hash(state),
        }
    }
    fn feed(value: &Value, state: &mut DefaultHasher) {
        match value {
            Value::Bool(value) => Int::Small(i64::from(*value)).hash(state),
            Value::Int(value) => value.hash(state),
            Value::Float(value) => float(*value, state),
            Value::Complex(real, imaginary) => {
                float(*real, state);
                if *imaginary != 0.0 {
                    float(*imaginary, state);
                }
            }
            Value::Str(text) => text.hash(state),
            Value::Bytes(bytes) => bytes.hash(state),
            Value::Tuple(items) => items.iter().for_each(|item| feed(item, state)),
            Value::None | Value::List(_) | Value::Dict(_) | Value::Set(_) => 0u8.hash(state),
        }
    }
    let mut state = DefaultHasher::new();
    feed(value, &mut state);
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_equal_are_one_key() {
        for filler in [0, 100] {
            let mut dict: Dict = (0..filler).map(|i| (Value::from(format!("k{i}")), Value::None)).collect();
            assert!(dict.insert(Value::from(1), Value::from("a")).is_none());
            assert!(dict.insert(Value::from(1.0), Value::from("b")).is_some());
            assert!(dict.insert(Value::from(true), Value::from("c")).is_some());
            assert_eq!(dict.len(), filler + 1);
            let (key, value) = dict.iter().last().unwrap();
            assert!(key.same(&Value::from(1)) && value.as_str() == Some("c"));
            assert!(dict.contains_key(&Value::Complex(1.0, 0.0)));
            assert!(dict.remove(&Value::from(1)).is_some() && !dict.contains_key(&Value::from(1)));
            assert_eq!(dict.contains_str("k99"), filler == 100);
        }
    }
}
