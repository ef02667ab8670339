//! The distinct users (or items) of a batch, and which pairs each takes part in.

const ABSENT: u32 = u32::MAX;

/// One side of a batch. A *slot* is a distinct id, numbered by first appearance.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    slot_of: Vec<u32>,
    /// The id of each slot.
    pub ids: Vec<u32>,
    /// The slot of each pair.
    pub slots: Vec<u32>,
    /// Slot `s` takes part in the pairs `pairs[offsets[s]..offsets[s + 1]]`, ascending.
    pub offsets: Vec<u32>,
    /// Pairs grouped by slot.
    pub pairs: Vec<u32>,
}

impl Side {
    /// Room for ids below `n` and at most `capacity` pairs.
    pub fn with_capacity(n: usize, capacity: usize) -> Self {
        Self {
            slot_of: vec![ABSENT; n],
            ids: Vec::with_capacity(capacity),
            slots: Vec::with_capacity(capacity),
            offsets: Vec::with_capacity(capacity + 1),
            pairs: Vec::with_capacity(capacity),
        }
    }

    /// Takes in the ids of the batch's pairs, in order.
    pub fn index(&mut self, ids: impl Iterator<Item = u32>) {
        self.ids.clear();
        self.slots.clear();
        self.offsets.clear();
        self.offsets.push(0);
        for id in ids {
            let slot = &mut self.slot_of[id as usize];
            if *slot == ABSENT {
                *slot = self.ids.len() as u32;
                self.ids.push(id);
                self.offsets.push(0);
            }
            self.slots.push(*slot);
            self.offsets[*slot as usize + 1] += 1;
        }
        for slot in 0..self.ids.len() {
            self.offsets[slot + 1] += self.offsets[slot];
        }
        self.pairs.clear();
        self.pairs.resize(self.slots.len(), 0);
        // The offsets of the slots serve as cursors and are moved back by one slot afterwards.
        for (pair, &slot) in self.slots.iter().enumerate() {
            let cursor = &mut self.offsets[slot as usize];
            self.pairs[*cursor as usize] = pair as u32;
            *cursor += 1;
        }
        for slot in (1..=self.ids.len()).rev() {
            self.offsets[slot] = self.offsets[slot - 1];
        }
        self.offsets[0] = 0;
        for &id in &self.ids {
            self.slot_of[id as usize] = ABSENT;
        }
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The pairs of `slot`.
    #[inline(always)]
    pub fn pairs_of(&self, slot: usize) -> &[u32] {
        &self.pairs[self.offsets[slot] as usize..self.offsets[slot + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_group_their_pairs() {
        let mut side = Side::with_capacity(10, 8);
        for _ in 0..2 {
            side.index([7, 3, 7, 7, 0, 3].into_iter());
            assert_eq!(side.ids, [7, 3, 0]);
            assert_eq!(side.slots, [0, 1, 0, 0, 2, 1]);
            assert_eq!(side.pairs_of(0), [0, 2, 3]);
            assert_eq!(side.pairs_of(1), [1, 5]);
            assert_eq!(side.pairs_of(2), [4]);
        }
        side.index(std::iter::empty());
        assert_eq!(side.len(), 0);
    }
}
