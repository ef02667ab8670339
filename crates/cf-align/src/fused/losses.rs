//! The losses: the values of their terms, and the numbers that their gradients are made of.

use super::adam::Table;
use super::batch::{Batch, side_and_tile, tile_counts};
use super::margins::{Margins, margin_alignment};
use super::rows::RowsMut;
use super::side::Side;
use super::simd::dispatch;
use super::slots::{Dots, Vectors};
use super::team::Team;
use super::uniformity::{TILE, tile_row};
use crate::Loss;

/// Temperature of uniformity, `t = 2`, times two.
const TWO_T: f32 = 4.0;

/// What one step gave: the loss and its terms, in the order of [`term_names`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StepLosses {
    pub loss: f64,
    pub terms: [f64; 3],
}

/// The names of the terms that an epoch reports.
pub(crate) fn term_names(loss: &Loss) -> &'static [&'static str] {
    match loss {
        Loss::Bpr { .. } => &["bpr", "penalty"],
        _ => &["alignment", "uniformity_user", "uniformity_item"],
    }
}

/// What the loss of a batch hands to the gradients of its slots, besides the coefficients and the lanes in [`Batch`].
#[derive(Default)]
pub(crate) struct Losses {
    pub total: StepLosses,
    pub lane_counts: [usize; 2],
    pub lane_lengths: [usize; 2],
    /// What uniformity's `G` is multiplied with on each side.
    pub uniformity: [f32; 2],
    /// What the ego rows of users, positives and negatives are multiplied with in the penalty's gradient.
    pub ego: [f32; 3],
}

impl Losses {
    /// Of the vectors in `batch`, which holds `pairs` pairs.
    pub fn of(
        batch: &mut Batch,
        pairs: usize,
        loss: &Loss,
        table: &Table,
        margins: Option<&Margins>,
        n_users: usize,
        team: Team<'_>,
    ) -> Self {
        let Batch { sides, hops, terms, coefficients, margin_gradients, lanes, tile_sums, .. } = batch;
        let (sides, hops, terms) = (&*sides, &*hops, &*terms);
        let width = table.width;
        let inverse = 1.0 / pairs as f64;
        let bpr = matches!(loss, Loss::Bpr { .. });
        let tiles = tile_counts(sides);
        let lane_counts = if bpr { [0, 0] } else { tiles.map(lane_count) };
        let lane_lengths = tiles.map(|tiles| tiles * TILE * width);

        // Sums of uniformity for each lane, then of the pair terms for each user tile.
        let [user_lanes, item_lanes] = lanes;
        let lane_slices = [
            RowsMut::new(&mut user_lanes[..lane_counts[0] * lane_lengths[0]], lane_lengths[0].max(1)),
            RowsMut::new(&mut item_lanes[..lane_counts[1] * lane_lengths[1]], lane_lengths[1].max(1)),
        ];
        let uniform_tasks = lane_counts[0] + lane_counts[1];
        let tasks = uniform_tasks + tiles[0];
        tile_sums.clear();
        tile_sums.resize(tasks, 0.0);
        coefficients.resize(sides[0].slots.len(), 0.0);
        margin_gradients.resize(if margins.is_some() { sides[0].slots.len() } else { 0 }, 0.0);
        if margins.is_none() {
            coefficients.fill((-2.0 * inverse) as f32);
        }
        let coefficients = RowsMut::new(coefficients, 1);
        let margin_gradients = RowsMut::new(margin_gradients, 1);
        let sums = RowsMut::new(tile_sums, 1);
        team.each(tasks, |task| {
            // SAFETY: each task has a sum of its own.
            let sum = unsafe { &mut sums.row(task)[0] };
            if task < uniform_tasks {
                let (side, lane) = side_and_tile(task, lane_counts);
                // SAFETY: each task has a lane of its own.
                let gradient = unsafe { lane_slices[side].row(lane) };
                gradient.fill(0.0);
                // Tile rows shrink towards the end: deal them out there and back.
                let count = lane_counts[side];
                for tile in (0..tiles[side]).filter(|tile| {
                    let place = tile % (2 * count);
                    place.min(2 * count - 1 - place) == lane
                }) {
                    *sum += tile_row(&hops[0][side].sphere, tile, TWO_T, Some(&mut *gradient));
                }
                return;
            }
            let tile = task - uniform_tasks;
            let slots = tile * TILE..((tile + 1) * TILE).min(sides[0].len());
            if bpr {
                *sum = bpr_tile(slots, sides, &hops[0], inverse, coefficients);
                return;
            }
            for term in terms {
                let each = |pair: usize, cosine: f32| match margins {
                    None => *sum += term.weight * (2.0 - 2.0 * f64::from(cosine)),
                    Some(margins) => {
                        let user = sides[0].ids[sides[0].slots[pair] as usize] as usize;
                        let item = sides[1].ids[sides[1].slots[pair] as usize] as usize + n_users;
                        let margin = margins.values[user] + margins.values[item];
                        let (value, by_cosine, by_margin) = margin_alignment(cosine, margin);
                        *sum += value;
                        // SAFETY: a pair belongs to one user slot, and so to one task.
                        unsafe {
                            coefficients.row(pair)[0] = (by_cosine * inverse) as f32;
                            margin_gradients.row(pair)[0] = (by_margin * inverse) as f32;
                        }
                    }
                };
                dispatch(Dots {
                    slots: slots.clone(),
                    side: &sides[0],
                    own: &hops[term.hops[0]][0],
                    others: &hops[term.hops[1]][1],
                    other_slots: &sides[1].slots,
                    each,
                });
            }
        });

        let pair_value = tile_sums[uniform_tasks..].iter().sum::<f64>() * inverse;
        let (user_sums, item_sums) = tile_sums[..uniform_tasks].split_at(lane_counts[0]);
        let (gammas, dedup) = match *loss {
            Loss::DirectAu { gamma, dedup } => ([gamma / 2.0; 2], dedup),
            Loss::GraphAu { gamma, .. } => ([gamma / 2.0; 2], false),
            Loss::Mawu { gamma_user, gamma_item } => ([gamma_user, gamma_item], false),
            Loss::Bpr { l2, squared } => {
                return Self::with_penalty(pair_value, l2 / pairs as f64, squared, sides, table, n_users);
            }
        };
        let total = StepLosses { loss: pair_value, terms: [pair_value, 0.0, 0.0] };
        let mut losses = Self { total, lane_counts, lane_lengths, ..Self::default() };
        for (side, sums) in [user_sums, item_sums].into_iter().enumerate() {
            losses.add_uniformity(side, &sides[side], sums, pairs, gammas[side], dedup);
        }
        losses
    }

    /// Adds `gamma` times the uniformity of one side, from the sums of its lanes.
    fn add_uniformity(
        &mut self,
        index: usize,
        side: &Side,
        sums: &[f64],
        pairs: usize,
        gamma: f64,
        dedup: bool,
    ) {
        let rows = if dedup { side.len() } else { pairs } as f64;
        if rows < 2.0 {
            return;
        }
        let mut sum: f64 = sums.iter().sum();
        if !dedup {
            // Rows of the same id are at distance 0 from each other.
            let same = |slot| {
                let count = side.pairs_of(slot).len() as f64;
                count * (count - 1.0) / 2.0
            };
            sum += (0..side.len()).map(same).sum::<f64>();
        }
        let uniformity = (sum / (rows * (rows - 1.0) / 2.0)).ln();
        self.total.terms[1 + index] = uniformity;
        self.total.loss += gamma * uniformity;
        self.uniformity[index] = (gamma * f64::from(TWO_T) / sum) as f32;
    }

    /// BPR with `scale` times the penalty on the ego rows of the batch.
    fn with_penalty(
        bpr: f64,
        scale: f64,
        squared: bool,
        sides: &[Side; 2],
        table: &Table,
        n_users: usize,
    ) -> Self {
        let mut losses = Self::default();
        let mut penalty = 0.0;
        if scale > 0.0 {
            // Squared Frobenius norms of the users', the positives' and the negatives' rows.
            let mut norms = [0.0f64; 3];
            for side in 0..2 {
                for (slot, &id) in sides[side].ids.iter().enumerate() {
                    let at = (id as usize + side * n_users) * table.width;
                    let row = &table.values[at..at + table.width];
                    let norm: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
                    let [positives, negatives] = counts(sides[side].pairs_of(slot));
                    norms[side] += positives as f64 * norm;
                    if side == 1 {
                        norms[2] += negatives as f64 * norm;
                    }
                }
            }
            if squared {
                penalty = scale * norms.iter().sum::<f64>() / 2.0;
                losses.ego = [scale as f32; 3];
            } else {
                penalty = scale * norms.iter().map(|norm| norm.sqrt()).sum::<f64>();
                losses.ego = norms.map(|norm| (scale / norm.sqrt().max(1e-12)) as f32);
            }
        }
        losses.total = StepLosses { loss: bpr + penalty, terms: [bpr, penalty, 0.0] };
        losses
    }

    /// The penalty's factor for a slot with these pairs.
    pub fn ego_factor(&self, side: usize, pairs: &[u32]) -> f32 {
        let [positives, negatives] = counts(pairs);
        match side {
            0 => positives as f32 * self.ego[0],
            _ => positives as f32 * self.ego[1] + negatives as f32 * self.ego[2],
        }
    }
}

/// How many of BPR's pairs are positive and negative; the odd ones are negatives.
fn counts(pairs: &[u32]) -> [usize; 2] {
    let negatives = pairs.iter().filter(|&pair| pair % 2 == 1).count();
    [pairs.len() - negatives, negatives]
}

/// How many buffers one side's uniformity gradient is accumulated in: depends on the batch alone.
pub(crate) fn lane_count(tiles: usize) -> usize {
    (tiles / 3).clamp(1, 8).min(tiles)
}

/// The BPR loss of the pairs of a user tile, summed; writes the pairs' coefficients.
fn bpr_tile(
    slots: std::ops::Range<usize>,
    sides: &[Side; 2],
    vectors: &[Vectors; 2],
    inverse: f64,
    coefficients: RowsMut<'_, f32>,
) -> f64 {
    // First all inner products go where the coefficients will be.
    dispatch(Dots {
        slots: slots.clone(),
        side: &sides[0],
        own: &vectors[0],
        others: &vectors[1],
        other_slots: &sides[1].slots,
        // SAFETY: a pair belongs to one user slot, and so to one task.
        each: |pair: usize, score: f32| unsafe { coefficients.row(pair)[0] = score },
    });
    let mut sum = 0.0;
    for slot in slots {
        for &pair in sides[0].pairs_of(slot).iter().filter(|&pair| pair % 2 == 0) {
            // SAFETY: as above; a pair and its negative belong to the same user.
            let (positive, negative) =
                unsafe { (coefficients.row(pair as usize), coefficients.row(pair as usize + 1)) };
            let difference = f64::from(positive[0]) - f64::from(negative[0]);
            // softplus(-d), stable on both sides; its derivative is -sigmoid(-d).
            let tail = (-difference.abs()).exp();
            sum += tail.ln_1p() + (-difference).max(0.0);
            let sigmoid = if difference > 0.0 { tail } else { 1.0 } / (1.0 + tail);
            positive[0] = (-sigmoid * inverse) as f32;
            negative[0] = (sigmoid * inverse) as f32;
        }
    }
    sum
}
