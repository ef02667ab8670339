//! Everything a step works on.

use rec_core::{ItemId, UserId};

use super::losses::lane_count;
use super::rows::RowsMut;
use super::side::Side;
use super::slots::{Term, Vectors};
use super::team::Team;
use super::uniformity::TILE;
use crate::{Encoder, Loss, ModelConfig};

/// The buffers of a step, allocated once.
pub(crate) struct Batch {
    /// Items of a pair: 2 with a negative.
    samples: usize,
    pub sides: [Side; 2],
    /// Vectors of each hop that the loss uses, for both sides.
    pub hops: Vec<[Vectors; 2]>,
    /// Which hops the alignment terms join, and their weights.
    pub terms: Vec<Term>,
    /// `d loss / d (x . y)` of each pair, for a term of weight 1.
    pub coefficients: Vec<f32>,
    /// `d loss / d margin` of each pair.
    pub margin_gradients: Vec<f32>,
    pub negatives: Vec<ItemId>,
    /// Uniformity's gradient of each side, summed in several lanes at once.
    pub lanes: [Vec<f32>; 2],
    /// Gradients of each side's slots.
    pub gradients: [Vec<f32>; 2],
    pub tile_sums: Vec<f64>,
}

impl Batch {
    /// Room for `pairs` pairs.
    pub fn new(config: &ModelConfig, pairs: usize, n_users: usize, n_items: usize, width: usize) -> Self {
        let samples = if matches!(config.loss, Loss::Bpr { .. }) { 2 } else { 1 };
        let slots = [pairs.min(n_users), (samples * pairs).min(n_items)];
        let terms = match (&config.loss, &config.encoder) {
            (Loss::GraphAu { base, .. }, Encoder::LightGcn { layers }) => {
                let hops = (layers + 1) as f64;
                let mut terms = vec![Term { hops: [0, 0], weight: 1.0 / hops }];
                for hop in 1..=*layers {
                    let weight = base.powi(hop as i32) / hops / 2.0;
                    terms.push(Term { hops: [0, hop], weight });
                    terms.push(Term { hops: [hop, 0], weight });
                }
                terms
            }
            _ => vec![Term { hops: [0, 0], weight: 1.0 }],
        };
        let n_hops = 1 + terms.iter().map(|term| term.hops[0]).max().unwrap_or(0);
        let vectors = || [Vectors::with_capacity(slots[0], width), Vectors::with_capacity(slots[1], width)];
        let tiles = slots.map(|slots| slots.div_ceil(TILE));
        let lanes = tiles.map(|tiles| match config.loss {
            Loss::Bpr { .. } => Vec::new(),
            _ => vec![0.0; (1..=tiles).map(|n| lane_count(n) * n).max().unwrap_or(0) * TILE * width],
        });
        Self {
            samples,
            sides: [
                Side::with_capacity(n_users, samples * pairs),
                Side::with_capacity(n_items, samples * pairs),
            ],
            hops: (0..n_hops).map(|_| vectors()).collect(),
            terms,
            coefficients: Vec::with_capacity(samples * pairs),
            margin_gradients: Vec::with_capacity(pairs),
            negatives: Vec::with_capacity(pairs),
            lanes,
            gradients: tiles.map(|tiles| vec![0.0; tiles * TILE * width]),
            tile_sums: Vec::with_capacity(2 * 8 + tiles[0]),
        }
    }

    /// Takes in the ids of `pairs` and of the negatives. Pair `p` becomes `2p`, and its negative `2p + 1`, if there are
    /// negatives.
    pub fn index(&mut self, pairs: &[(UserId, ItemId)], team: Team<'_>) {
        let Self { sides, negatives, samples, .. } = self;
        let sides = RowsMut::new(sides, 1);
        team.each(2, |side| {
            // SAFETY: each task has a side of its own.
            let ids = unsafe { &mut sides.row(side)[0] };
            if side == 0 {
                ids.index(pairs.iter().flat_map(|pair| std::iter::repeat_n(pair.0.0, *samples)));
            } else {
                ids.index(pairs.iter().enumerate().flat_map(|(p, pair)| {
                    std::iter::once(pair.1.0).chain((*samples == 2).then(|| negatives[p].0))
                }));
            }
        });
        for [users, items] in &mut self.hops {
            users.sphere.n = self.sides[0].len();
            items.sphere.n = self.sides[1].len();
        }
    }
}

/// How many tiles the slots of each side fill.
pub(crate) fn tile_counts(sides: &[Side; 2]) -> [usize; 2] {
    [sides[0].len().div_ceil(TILE), sides[1].len().div_ceil(TILE)]
}

/// The side and the tile of parallel task `task`: the users' tiles come first.
#[inline(always)]
pub(crate) fn side_and_tile(task: usize, tiles: [usize; 2]) -> (usize, usize) {
    if task < tiles[0] { (0, task) } else { (1, task - tiles[0]) }
}
