//! Grounding by the model's own states, as BIGRec does it: a title is the last layer's state at its last token, and a text
//! means the items whose titles are nearest to it.

use burn::tensor::{Int, Tensor, TensorData};
use causal_lm::{CausalLm, Pass, Tokens};
use rec_core::{ItemId, ScoredItem};

use crate::codec::ItemCodec;
use crate::{Error, Result};

/// Texts read at a time.
const ROWS: usize = 128;

/// The states of all titles.
#[derive(Clone, Debug)]
pub struct StateIndex {
    states: Vec<f32>,
    width: usize,
    squares: Vec<f32>,
}

/// What else an item has for it: BIGRec divides normalised distances by `(1 + c)^gamma`, where `c` is popularity or the score
/// of another recommender, brought to 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction<'a> {
    /// `c`, one an item; any scale, it is brought to 0..1.
    pub values: &'a [f32],
    /// `gamma`, 0 or more; to be chosen by validation.
    pub gamma: f64,
}

/// The normed state of the last layer at the last token of each text: `[texts, width]`, row by row.
///
/// # Errors
/// [`Error::EmptyCompletion`] for a text without tokens, and what the model reports.
pub fn last_states<T: AsRef<[u32]>>(model: &CausalLm, texts: &[T], pass: &mut Pass<'_>) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for (block, chunk) in texts.chunks(ROWS).enumerate() {
        if let Some(row) = chunk.iter().position(|text| text.as_ref().is_empty()) {
            return Err(Error::EmptyCompletion { row: block * ROWS + row });
        }
        let tokens = Tokens::right_padded(chunk, ItemCodec::PAD)?;
        let hidden = model.forward(&tokens, pass)?;
        let [rows, length, width] = hidden.dims();
        let last =
            chunk.iter().enumerate().map(|(row, text)| (row * length + text.as_ref().len() - 1) as i32);
        let last = TensorData::new(last.collect::<Vec<i32>>(), [rows]);
        let last = Tensor::<1, Int>::from_data(last, &hidden.device());
        let states = hidden.reshape([rows * length, width]).select(0, last);
        all.extend(states.into_data().iter::<f32>());
    }
    Ok(all)
}

impl StateIndex {
    /// Reads all titles, in item order. A title should be given as the model writes it: begun and ended as in training.
    ///
    /// # Errors
    /// As [`last_states`].
    pub fn new<T: AsRef<[u32]>>(model: &CausalLm, titles: &[T], pass: &mut Pass<'_>) -> Result<Self> {
        let states = last_states(model, titles, pass)?;
        let width = states.len() / titles.len().max(1);
        let squares = states.chunks_exact(width.max(1)).map(|state| state.iter().map(|x| x * x).sum());
        Ok(Self { squares: squares.collect(), states, width })
    }

    /// The number of titles.
    pub fn len(&self) -> usize {
        self.squares.len()
    }

    /// Whether there are no titles.
    pub fn is_empty(&self) -> bool {
        self.squares.is_empty()
    }

    /// The `k` items whose titles are nearest to a state, best first, equal ones by ascending id. The score is the negative
    /// Euclidean distance; with a correction, the negative of the corrected one after it was brought to 0..1.
    ///
    /// # Panics
    /// If the state has another width, or a correction another number of items.
    pub fn nearest(&self, state: &[f32], k: usize, correction: Option<Correction<'_>>) -> Vec<ScoredItem> {
        assert_eq!(state.len(), self.width, "a state of another model");
        let square: f32 = state.iter().map(|x| x * x).sum();
        let distance = |item: usize| {
            let title = &self.states[item * self.width..][..self.width];
            let dot: f32 = title.iter().zip(state).map(|(a, b)| a * b).sum();
            (self.squares[item] + square - 2.0 * dot).max(0.0).sqrt()
        };
        let mut distances: Vec<f32> = (0..self.len()).map(distance).collect();
        if let Some(Correction { values, gamma }) = correction {
            assert_eq!(values.len(), self.len(), "a correction for other items");
            let unit = |all: &[f32]| {
                let low = all.iter().copied().fold(f32::INFINITY, f32::min);
                let high = all.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                move |value: f32| if high > low { (value - low) / (high - low) } else { 0.0 }
            };
            let (own, others) = (unit(&distances), unit(values));
            for (distance, &value) in distances.iter_mut().zip(values) {
                *distance = own(*distance) * (1.0 + others(value)).powf(-gamma as f32);
            }
        }
        let mut order: Vec<u32> = (0..distances.len() as u32).collect();
        let by = |a: &u32, b: &u32| distances[*a as usize].total_cmp(&distances[*b as usize]).then(a.cmp(b));
        if k < order.len() && k > 0 {
            order.select_nth_unstable_by(k - 1, by);
        }
        order.truncate(k);
        order.sort_unstable_by(by);
        let scored = |item: u32| ScoredItem { item: ItemId(item), score: -distances[item as usize] };
        order.into_iter().map(scored).collect()
    }
}
