//! The paper's measures over all training pairs, and the collapse threshold of gamma.

use rand::RngExt;
use rayon::prelude::*;
use rec_core::statistics::spearman;
use rec_core::{Interactions, ItemId, UserId, UserItems, random};

use crate::Embeddings;
use crate::fused::rows::padded;
use crate::fused::uniformity::{Sphere, TILE, tile_row, transpose_tile};

/// Pairs in a parallel task.
const PAIRS: usize = 4096;

/// Mean of `|x_u - y_i|^2` over all training rows, on the sphere (DirectAU, appendix A.2); from 0, all pairs in one
/// place, to 4.
///
/// # Panics
/// If an id is outside the tables.
pub fn overall_alignment(model: &Embeddings, train: &Interactions) -> f64 {
    let norms = |n: usize, row: &dyn Fn(usize) -> Vec<f32>| -> Vec<f64> {
        (0..n)
            .map(|index| row(index).iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt().max(1e-12))
            .collect()
    };
    let user_norms = norms(model.n_users(), &|u| model.user(UserId::from_index(u)).to_vec());
    let item_norms = norms(model.n_items(), &|i| model.item(ItemId::from_index(i)).to_vec());
    let pairs: Vec<(UserId, ItemId)> = train.pairs().collect();
    let sums: Vec<f64> = pairs
        .par_chunks(PAIRS)
        .map(|pairs| {
            pairs
                .iter()
                .map(|&(user, item)| {
                    let product: f32 =
                        model.user(user).iter().zip(model.item(item)).map(|(a, b)| a * b).sum();
                    2.0 - 2.0 * f64::from(product) / (user_norms[user.index()] * item_norms[item.index()])
                })
                .sum()
        })
        .collect();
    sums.iter().sum::<f64>() / pairs.len().max(1) as f64
}

/// `log` of the mean of `exp(-2 |z_a - z_b|^2)` over pairs of training rows with distinct ids, on the sphere
/// (DirectAU, appendix A.2): ids weigh by how often they occur, pairs of the same id are left out.
///
/// `vectors` is row-major `[n, dim]`, `counts` says how often each row's id occurs. Between -8 and 0; 0 for fewer
/// than two ids with a count. Costs `O(n^2 dim)`, in tiles, on all threads.
///
/// # Panics
/// If `vectors` does not have `dim` values for each count.
pub fn overall_uniformity(vectors: &[f32], dim: usize, counts: &[u32]) -> f64 {
    assert_eq!(vectors.len(), dim * counts.len(), "one count for each vector");
    let width = padded(dim);
    let used: Vec<usize> = (0..counts.len()).filter(|&id| counts[id] > 0).collect();
    let mut sphere = Sphere::with_capacity(used.len(), width);
    sphere.n = used.len();
    for (row, &id) in used.iter().enumerate() {
        let source = &vectors[id * dim..(id + 1) * dim];
        let scale = 1.0 / source.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
        let target = &mut sphere.rows[row * width..row * width + dim];
        target.iter_mut().zip(source).for_each(|(target, x)| *target = scale * x);
        sphere.weights[row] = counts[id] as f32;
    }
    let Sphere { rows, panels, .. } = &mut sphere;
    for (rows, panel) in rows.chunks_exact(TILE * width).zip(panels.chunks_exact_mut(TILE * width)) {
        transpose_tile(rows, width, panel);
    }
    let sums: Vec<f64> = (0..sphere.tiles())
        .into_par_iter()
        .with_max_len(1)
        .map(|tile| tile_row(&sphere, tile, 4.0, None))
        .collect();
    let total: f64 = counts.iter().map(|&c| f64::from(c)).sum();
    let squares: f64 = counts.iter().map(|&c| f64::from(c).powi(2)).sum();
    let pairs = (total * total - squares) / 2.0;
    if pairs == 0.0 { 0.0 } else { (sums.iter().sum::<f64>() / pairs).ln() }
}

/// Spearman's rank correlation between the length of a vector and how often its id occurs, over ids that occur: 1 where longer vectors
/// are exactly the more frequent ones, 0 where lengths say nothing. Under the inner product an item's length lifts it for every user, so
/// this tells how much of a popularity prior the lengths are.
///
/// `vectors` is row-major `[n, dim]`; ties get their mean rank. 0 if all lengths or all counts are the same.
///
/// # Panics
/// If `vectors` does not have `dim` values for each count.
pub fn length_popularity(vectors: &[f32], dim: usize, counts: &[u32]) -> f64 {
    assert_eq!(vectors.len(), dim * counts.len(), "one count for each vector");
    let used = || (0..counts.len()).filter(|&id| counts[id] > 0);
    let length =
        |id: usize| vectors[id * dim..(id + 1) * dim].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let lengths: Vec<f64> = used().map(length).collect();
    let popularity: Vec<f64> = used().map(|id| f64::from(counts[id])).collect();
    spearman(&lengths, &popularity).0
}

/// The weight of uniformity under which DirectAU's collapse, all vectors in one point, is stable.
///
/// Near the collapsed point uniformity is about `-4 Var(z)`, so that the loss is about
/// `(1 - 2 gamma) (Var x + Var y) - 2 Cov(x, y)` under the distribution of the training pairs. That has no descent
/// direction iff `gamma < (1 - s2) / 2`, where `s2` is the second singular value of `D_u^-1/2 R D_i^-1/2`. Dense
/// data have a small `s2` and a high threshold; sparse data have `s2` near 1 and nothing to fear.
pub fn critical_gamma(train: &UserItems) -> f64 {
    (1.0 - second_singular_value(train)) / 2.0
}

/// The second singular value of the normalised interaction matrix, by power iteration with the first one, whose
/// vectors are the square roots of the degrees, projected out.
pub fn second_singular_value(train: &UserItems) -> f64 {
    let item_counts = train.item_counts();
    let user_scale: Vec<f64> = (0..train.n_users())
        .map(|user| 1.0 / (train.row(UserId::from_index(user)).len().max(1) as f64).sqrt())
        .collect();
    let item_scale: Vec<f64> =
        item_counts.iter().map(|&count| 1.0 / f64::from(count.max(1)).sqrt()).collect();
    let total = train.n_pairs() as f64;
    if total == 0.0 {
        return 0.0;
    }
    let first: Vec<f64> = item_counts.iter().map(|&count| (f64::from(count) / total).sqrt()).collect();
    let mut rng = random::stream(0, "critical-gamma", 0);
    let mut vector: Vec<f64> =
        item_counts.iter().map(|&count| if count > 0 { rng.random_range(-1.0..1.0) } else { 0.0 }).collect();
    let mut previous = 0.0;
    for _ in 0..1000 {
        let along: f64 = vector.iter().zip(&first).map(|(v, f)| v * f).sum();
        vector.iter_mut().zip(&first).for_each(|(v, f)| *v -= along * f);
        let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm < 1e-12 {
            return 0.0;
        }
        vector.iter_mut().for_each(|v| *v /= norm);
        let mut next = vec![0.0; vector.len()];
        let mut squared = 0.0;
        for user in 0..train.n_users() {
            let row = train.row(UserId::from_index(user));
            let scale = user_scale[user];
            let y: f64 = scale * row.iter().map(|i| item_scale[i.index()] * vector[i.index()]).sum::<f64>();
            squared += y * y;
            for item in row {
                next[item.index()] += scale * item_scale[item.index()] * y;
            }
        }
        vector = next;
        // |N v| for a unit v grows towards the singular value.
        let value = squared.sqrt();
        if (value - previous).abs() < 1e-9 {
            return value.min(1.0);
        }
        previous = value;
    }
    previous.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_ranked_against_counts() {
        let vectors = [3.0, 4.0, 1.0, 0.0, 0.0, 2.0, 9.0, 9.0];
        // Lengths 5, 1, 2; the last id never occurs.
        assert_eq!(length_popularity(&vectors, 2, &[9, 1, 2, 0]), 1.0);
        assert_eq!(length_popularity(&vectors, 2, &[1, 9, 2, 0]), -1.0);
        assert_eq!(length_popularity(&vectors, 2, &[7, 7, 7, 0]), 0.0);
    }
}
