//! Sets of small numbers as bits.

/// One set of numbers below `columns` for each of a fixed number of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BitMatrix {
    columns: usize,
    words: usize,
    bits: Vec<u64>,
}

impl BitMatrix {
    /// `rows` empty sets.
    pub fn new(rows: usize, columns: usize) -> Self {
        let words = columns.div_ceil(64);
        Self { columns, words, bits: vec![0; rows * words] }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.bits.len().checked_div(self.words).unwrap_or(0)
    }

    /// How many numbers a row can hold.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether `column` is in `row`.
    ///
    /// # Panics
    /// If there is no such place.
    #[inline]
    pub fn get(&self, row: usize, column: usize) -> bool {
        self.bits[row * self.words + column / 64] >> (column % 64) & 1 == 1
    }

    /// Puts `column` into `row`.
    ///
    /// # Panics
    /// If there is no such place.
    #[inline]
    pub fn insert(&mut self, row: usize, column: usize) {
        self.bits[row * self.words + column / 64] |= 1 << (column % 64);
    }

    /// Empties `row`.
    #[inline]
    pub fn clear(&mut self, row: usize) {
        self.bits[row * self.words..(row + 1) * self.words].fill(0);
    }

    /// The words of `row`; bit `c % 64` of word `c / 64` is `column` `c`.
    #[inline]
    pub fn row(&self, row: usize) -> &[u64] {
        &self.bits[row * self.words..(row + 1) * self.words]
    }

    /// How many numbers are in `row`.
    pub fn count(&self, row: usize) -> usize {
        self.row(row).iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Words per row, and all words, row by row: for work on disjoint rows at once.
    pub(crate) fn words_mut(&mut self) -> (usize, &mut [u64]) {
        (self.words, &mut self.bits)
    }
}

/// Some rows of a [`BitMatrix`], in the order of a batch: the items that each of its states must not get.
#[derive(Clone, Copy, Debug)]
pub struct MaskedRows<'a> {
    /// The sets.
    pub bits: &'a BitMatrix,
    /// For each state of the batch the row of its set.
    pub rows: &'a [usize],
}

impl<'a> MaskedRows<'a> {
    /// The words of the set of state `index` (see [`BitMatrix::row`]).
    ///
    /// # Panics
    /// If there is no such state.
    pub fn row(&self, index: usize) -> &'a [u64] {
        self.bits.row(self.rows[index])
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether `item` is in the set of state `index`.
    ///
    /// # Panics
    /// If there is no such state or item.
    pub fn contains(&self, index: usize, item: u32) -> bool {
        self.bits.get(self.rows[index], item as usize)
    }
}
