//! What preference training would end in, if it ended.
//!
//! With positives drawn from `p` and rejected items from `q`, the population loss of DPO has its minimum where
//! `pi(y) ~ pi_ref(y) (p(y) / q(y))^(1/beta)`: uniform `q` at `beta = 0.1` raises popularity to the eleventh power.

/// `pi_ref (p / q)^(1/beta)`, normalised. Items with `p = 0` get nothing; with `q = 0` and `p > 0` there is no optimum: such
/// items are given the smallest positive `q`.
///
/// # Panics
/// If the three differ in length.
pub fn optimum(reference: &[f64], p: &[f64], q: &[f64], beta: f64) -> Vec<f64> {
    assert!(reference.len() == p.len() && p.len() == q.len(), "distributions over different items");
    let least = q.iter().copied().filter(|&value| value > 0.0).fold(f64::INFINITY, f64::min);
    let logs: Vec<f64> = (0..p.len())
        .map(|item| reference[item].ln() + (p[item].ln() - q[item].max(least).ln()) / beta)
        .collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raw: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|value| value / sum).collect()
}

/// The slope of `ln(pi / pi_ref)` over `ln(p / q)`, weighted by `p`: `1/beta` at the optimum, 0 where nothing was learnt. None
/// where `p / q` is the same for all items.
///
/// # Panics
/// If the distributions differ in length.
pub fn realised_slope(policy: &[f64], reference: &[f64], p: &[f64], q: &[f64]) -> Option<f64> {
    assert!(policy.len() == reference.len() && reference.len() == p.len() && p.len() == q.len());
    let points: Vec<(f64, f64, f64)> = (0..p.len())
        .filter(|&item| [policy[item], reference[item], p[item], q[item]].iter().all(|&value| value > 0.0))
        .map(|item| (p[item], (p[item] / q[item]).ln(), (policy[item] / reference[item]).ln()))
        .collect();
    let sum: f64 = points.iter().map(|point| point.0).sum();
    let mean =
        |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(|point| point.0 * of(point)).sum::<f64>() / sum;
    let (x, y) = (mean(|point| point.1), mean(|point| point.2));
    let spread: f64 = points.iter().map(|point| point.0 * (point.1 - x).powi(2)).sum();
    let common: f64 = points.iter().map(|point| point.0 * (point.1 - x) * (point.2 - y)).sum();
    (spread > 1e-9 * sum).then(|| common / spread)
}

/// Items in `groups` groups of equal size from the least to the largest `p / q`: the mean of `ln(p / q)` and of
/// `ln(pi / pi_ref)` in each, weighted by `p` and centred over all items. At the optimum they lie on a line of slope `1/beta`
/// through 0. Items without `p` are left out.
///
/// # Panics
/// If the distributions differ in length.
pub fn grouped_change(
    policy: &[f64],
    reference: &[f64],
    p: &[f64],
    q: &[f64],
    groups: usize,
) -> Vec<[f64; 2]> {
    assert!(policy.len() == reference.len() && reference.len() == p.len() && p.len() == q.len());
    let mut points: Vec<[f64; 3]> = (0..p.len())
        .filter(|&item| [policy[item], reference[item], p[item], q[item]].iter().all(|&value| value > 0.0))
        .map(|item| [p[item], (p[item] / q[item]).ln(), (policy[item] / reference[item]).ln()])
        .collect();
    points.sort_by(|a, b| a[1].total_cmp(&b[1]));
    let mean = |points: &[[f64; 3]], side: usize| {
        let sum: f64 = points.iter().map(|point| point[0]).sum();
        points.iter().map(|point| point[0] * point[side]).sum::<f64>() / sum
    };
    let centre = [mean(&points, 1), mean(&points, 2)];
    let size = points.len().div_ceil(groups.max(1)).max(1);
    let group = |own: &[[f64; 3]]| [mean(own, 1) - centre[0], mean(own, 2) - centre[1]];
    points.chunks(size).map(group).collect()
}

/// Half the sum of absolute differences: 0 for equal distributions, 1 for disjoint ones.
pub fn total_variation(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
}

/// One round of self-play on a distribution without context: the reference and the source of rejected items are both
/// `policy`, and a share `realised` of the step to the optimum is taken in log space.
///
/// The gap to `p` is multiplied by `1 - realised / beta`: it shrinks only while `realised < 2 beta`.
pub fn self_play_round(policy: &[f64], p: &[f64], beta: f64, realised: f64) -> Vec<f64> {
    let best = optimum(policy, p, policy, beta);
    let logs: Vec<f64> =
        policy.iter().zip(&best).map(|(own, best)| own.ln() + realised * (best.ln() - own.ln())).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let raw: Vec<f64> = logs.iter().map(|log| (log - most).exp()).collect();
    let sum: f64 = raw.iter().sum();
    raw.into_iter().map(|value| value / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::scalar::{negative_log_sigmoid, sigmoid};

    const P: [f64; 5] = [0.4, 0.25, 0.2, 0.1, 0.05];

    #[test]
    fn gradient_descent_on_the_population_loss_finds_the_optimum() {
        let (reference, q, beta): ([f64; 5], [f64; 5], f64) =
            ([0.3, 0.3, 0.2, 0.1, 0.1], [0.1, 0.3, 0.2, 0.2, 0.2], 0.5);
        let mut logits: Vec<f64> = reference.iter().map(|value| value.ln()).collect();
        let gap = |logits: &[f64], item: usize| beta * (logits[item] - reference[item].ln());
        for _ in 0..20_000 {
            let mut gradient = [0.0; 5];
            for w in 0..5 {
                for l in 0..5 {
                    let push = P[w] * q[l] * beta * sigmoid(gap(&logits, l) - gap(&logits, w));
                    gradient[w] -= push;
                    gradient[l] += push;
                }
            }
            logits.iter_mut().zip(gradient).for_each(|(logit, by)| *logit -= 5.0 * by);
        }
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        let found: Vec<f64> = logits.iter().map(|logit| logit.exp() / sum).collect();
        let expected = optimum(&reference, &P, &q, beta);
        assert!(total_variation(&found, &expected) < 1e-6, "{found:?} {expected:?}");
        let slope = realised_slope(&found, &reference, &P, &q).unwrap();
        assert!((slope - 1.0 / beta).abs() < 1e-4, "{slope}");
        for [x, y] in grouped_change(&found, &reference, &P, &q, 5) {
            assert!((y - x / beta).abs() < 1e-4, "{x} {y}");
        }
        assert!(negative_log_sigmoid(0.0) > 0.0);
    }

    #[test]
    fn uniform_negatives_raise_popularity_to_a_power() {
        let found = optimum(&P, &P, &[0.2; 5], 0.1);
        let powers: Vec<f64> = P.iter().map(|p| p.powi(11)).collect();
        let sum: f64 = powers.iter().sum();
        assert!(total_variation(&found, &powers.iter().map(|power| power / sum).collect::<Vec<_>>()) < 1e-12);
        assert!(found[0] > 0.99);
        assert_eq!(realised_slope(&P, &P, &P, &P), None);
    }

    #[test]
    fn self_play_comes_to_the_data_or_swings_away() {
        let start = [0.2; 5];
        let after = |beta: f64, realised: f64| {
            let mut policy = start.to_vec();
            (0..6).for_each(|_| policy = self_play_round(&policy, &P, beta, realised));
            total_variation(&policy, &P)
        };
        assert!(total_variation(&self_play_round(&P, &P, 0.1, 1.0), &P) < 1e-12, "the data is a fixed point");
        assert!(after(1.0, 1.0) < 1e-9, "one whole step at beta = 1");
        assert!(after(0.1, 0.05) < 0.02, "a damped step");
        assert!(after(0.4, 1.0) > total_variation(&start, &P), "a whole step below beta = 1/2 swings away");
    }
}
