//! Whether a difference between two recommenders is more than chance: tests over users, intervals, and the price of
//! asking several questions.
//!
//! All tests are two-sided and paired: the two columns hold the same metric of the same users in the same order, as
//! [`Evaluation::per_user`](crate::evaluate::Evaluation::per_user) gives them. They speak about the users, not about
//! the seeds: for the effect of seeds compare several runs.

use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::{Error, Result, random};

/// The mean; NaN without values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of a sample (divisor `n - 1`); NaN for fewer than two values.
pub fn standard_deviation(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// What a paired test found.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PairedTest {
    /// The mean of `a - b` over all pairs.
    pub mean_difference: f64,
    /// The test's own statistic: `t`, Wilcoxon's rank sum of the positive differences, or the mean difference.
    pub statistic: f64,
    /// The probability of a statistic at least this extreme, in either direction, if there is no difference.
    pub p_value: f64,
    /// The number of pairs.
    pub pairs: usize,
}

fn differences(a: &[f64], b: &[f64]) -> Result<Vec<f64>> {
    if a.len() != b.len() {
        return Err(Error::invalid(format!("{} values cannot be paired with {}", a.len(), b.len())));
    }
    if a.len() < 2 {
        return Err(Error::invalid("a paired test needs at least two pairs"));
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    if differences.iter().any(|difference| !difference.is_finite()) {
        return Err(Error::invalid("a paired test needs finite values"));
    }
    Ok(differences)
}

/// Student's paired t-test, `n - 1` degrees of freedom. If all pairs are equal the p-value is 1.
///
/// # Errors
/// [`Error::Invalid`] if the columns differ in length, have fewer than two values, or values that are not finite.
pub fn paired_t_test(a: &[f64], b: &[f64]) -> Result<PairedTest> {
    let differences = differences(a, b)?;
    let n = differences.len() as f64;
    let mean_difference = mean(&differences);
    let error = standard_deviation(&differences) / n.sqrt();
    let statistic = if mean_difference == 0.0 { 0.0 } else { mean_difference / error };
    let p_value = student_two_sided(statistic, n - 1.0);
    Ok(PairedTest { mean_difference, statistic, p_value, pairs: differences.len() })
}

/// Wilcoxon's signed-rank test by its normal approximation with tie correction, without continuity correction; equal
/// pairs are dropped. Good from about twenty unequal pairs on. If all pairs are equal the p-value is 1.
///
/// # Errors
/// As [`paired_t_test`].
pub fn wilcoxon_test(a: &[f64], b: &[f64]) -> Result<PairedTest> {
    let all = differences(a, b)?;
    let mut unequal: Vec<f64> = all.iter().copied().filter(|&difference| difference != 0.0).collect();
    unequal.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let n = unequal.len() as f64;
    let (mut statistic, mut before, mut ties) = (0.0, 0.0, 0.0);
    for tied in unequal.chunk_by(|a, b| a.abs() == b.abs()) {
        let size = tied.len() as f64;
        let rank = before + (size + 1.0) / 2.0;
        statistic += rank * tied.iter().filter(|&&difference| difference > 0.0).count() as f64;
        ties += size.powi(3) - size;
        before += size;
    }
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    let distance = statistic - n * (n + 1.0) / 4.0;
    let p_value = if variance > 0.0 { normal_two_sided(distance / variance.sqrt()) } else { 1.0 };
    Ok(PairedTest { mean_difference: mean(&all), statistic, p_value, pairs: all.len() })
}

/// Spearman's rank correlation of paired values, ties sharing their mean rank, and its two-sided p-value by the normal approximation (fit
/// for 30 pairs and more). `(0, 1)` if all values of one side are the same.
///
/// # Panics
/// If the two do not have the same length.
pub fn spearman(a: &[f64], b: &[f64]) -> (f64, f64) {
    assert_eq!(a.len(), b.len(), "values come in pairs");
    let (ranks_a, ranks_b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let mean = (n + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let scale = (product(&ranks_a, &ranks_a) * product(&ranks_b, &ranks_b)).sqrt();
    if scale == 0.0 {
        return (0.0, 1.0);
    }
    let rho = product(&ranks_a, &ranks_b) / scale;
    (rho, normal_two_sided(rho * (n - 1.0).sqrt()))
}

/// Ranks from 1, ascending; equal values share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0.0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&place| ranks[place] = rank);
        before += tied.len() as f64;
    }
    ranks
}

/// Fisher's randomisation test on the mean difference: how often random signs give a mean at least as far from zero.
/// It assumes nothing about the distribution. `rounds` random sign vectors are drawn (10,000 resolve p-values to about
/// 0.002 near 0.05); the observed one counts as one more, so the p-value is never 0.
///
/// # Errors
/// As [`paired_t_test`], and for zero rounds.
pub fn randomisation_test(a: &[f64], b: &[f64], rounds: usize, seed: u64) -> Result<PairedTest> {
    let differences = differences(a, b)?;
    if rounds == 0 {
        return Err(Error::config("rounds", "0; accepts whole numbers from 1"));
    }
    let observed = differences.iter().sum::<f64>();
    // Sums of the same numbers in other signs differ by rounding even where they are equal on paper.
    let bar = observed.abs() - 1e-12 * differences.iter().map(|difference| difference.abs()).sum::<f64>();
    let extreme = (0..rounds)
        .into_par_iter()
        .filter(|&round| {
            let mut random = random::stream(seed, "randomisation test", round as u64);
            let mut sum = 0.0;
            for block in differences.chunks(64) {
                let mut signs = random.next_u64();
                for difference in block {
                    sum += if signs & 1 == 0 { *difference } else { -difference };
                    signs >>= 1;
                }
            }
            sum.abs() >= bar
        })
        .count();
    let mean_difference = observed / differences.len() as f64;
    Ok(PairedTest {
        mean_difference,
        statistic: mean_difference,
        p_value: (extreme + 1) as f64 / (rounds + 1) as f64,
        pairs: differences.len(),
    })
}

/// An interval of plausible values.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The percentile bootstrap interval of the mean at `level` (0.95, say), from `rounds` samples with replacement. For the
/// difference between two recommenders give it the differences of their users.
///
/// # Errors
/// [`Error::Invalid`] without values or for values that are not finite; [`Error::Config`] for a level outside (0, 1) or
/// zero rounds.
pub fn bootstrap_interval(values: &[f64], level: f64, rounds: usize, seed: u64) -> Result<Interval> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return Err(Error::invalid("a bootstrap interval needs values, all of them finite"));
    }
    if !(level > 0.0 && level < 1.0) {
        return Err(Error::config("level", format!("{level}; accepts numbers between 0 and 1")));
    }
    if rounds == 0 {
        return Err(Error::config("rounds", "0; accepts whole numbers from 1"));
    }
    let mut means: Vec<f64> = (0..rounds)
        .into_par_iter()
        .map(|round| {
            let mut random = random::stream(seed, "bootstrap", round as u64);
            let sum: f64 = (0..values.len()).map(|_| values[random.random_range(0..values.len())]).sum();
            sum / values.len() as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    Ok(Interval { low: quantile(&means, (1.0 - level) / 2.0), high: quantile(&means, (1.0 + level) / 2.0) })
}

/// The quantile of ascending values, linear between two of them.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - low as f64)
}

/// Holm's correction: p-values of several tests, in the same order, each raised so that calling those below `alpha`
/// significant makes a single false call with probability at most `alpha`.
///
/// ```
/// let corrected = rec_core::statistics::holm(&[0.01, 0.04, 0.03]);
/// assert_eq!(corrected, [0.03, 0.06, 0.06]);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (place, &index) in order.iter().enumerate() {
        least = least.max(p_values[index] * (p_values.len() - place) as f64).min(1.0);
        corrected[index] = least;
    }
    corrected
}

/// `P(|T| >= |t|)` for Student's distribution.
fn student_two_sided(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

/// `P(|Z| >= |z|)` for the normal distribution, that is `erfc(|z| / sqrt 2)`.
fn normal_two_sided(z: f64) -> f64 {
    let x = z * z / 2.0;
    let front = (0.5 * x.ln() - x - ln_gamma(0.5)).exp();
    if x == 0.0 {
        1.0
    } else if x < 1.5 {
        // 1 - P(1/2, x) by its series.
        let (mut term, mut sum, mut a) = (2.0, 2.0, 0.5);
        while term > sum * 1e-17 {
            a += 1.0;
            term *= x / a;
            sum += term;
        }
        1.0 - front * sum
    } else {
        // Q(1/2, x) by its continued fraction.
        front * lentz(x + 0.5, |i| (-i * (i - 0.5), x + 0.5 + 2.0 * i)).recip()
    }
}

/// The regularised incomplete beta function `I_x(a, b)`, by its continued fraction.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast only below the mean.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (a * x.ln() + b * (-x).ln_1p() + ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b)).exp() / a;
    let fraction = lentz(1.0, |i| {
        let m = (i / 2.0).floor();
        let numerator = if i % 2.0 == 0.0 {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        } else {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        };
        (numerator, 1.0)
    });
    front / fraction
}

/// The continued fraction `first + n_1 / (d_1 + n_2 / (d_2 + …))` by Lentz's method; `part(i)` is `(n_i, d_i)`.
fn lentz(first: f64, part: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut value, mut c, mut d) = (first, first, 0.0);
    for i in 1..10_000 {
        let (numerator, denominator) = part(f64::from(i));
        d = 1.0 / (denominator + numerator * d);
        c = denominator + numerator / c;
        let factor = c * d;
        value *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

/// The logarithm of the gamma function for positive arguments, by Stirling's series from 15 on and the recurrence
/// below.
fn ln_gamma(x: f64) -> f64 {
    if x < 15.0 {
        return ln_gamma(x + 1.0) - x.ln();
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - 1.0 / 1680.0 / square) / square) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-11 * b.abs().max(1e-3), "{a} is not {b}");
    }

    #[test]
    fn moments_by_hand() {
        close(mean(&[1.0, 2.0, 6.0]), 3.0);
        close(standard_deviation(&[1.0, 2.0, 6.0]), 7f64.sqrt());
        assert!(standard_deviation(&[1.0]).is_nan() && mean(&[]).is_nan());
    }

    #[test]
    fn distributions_in_closed_form() {
        // One degree of freedom: 1 - 2 atan(t) / pi; two: 1 - t / sqrt(2 + t^2).
        for t in [0.01_f64, 0.5, 1.0, 3.0, 50.0] {
            close(student_two_sided(t, 1.0), 1.0 - 2.0 * t.atan() / std::f64::consts::PI);
            close(student_two_sided(-t, 2.0), 1.0 - t / (2.0 + t * t).sqrt());
        }
        assert_eq!(student_two_sided(0.0, 7.0), 1.0);
        // Known to many digits: P(|Z| >= 1), P(|Z| >= 1.96), P(|Z| >= 6).
        close(normal_two_sided(1.0), 0.317_310_507_862_914_1);
        close(normal_two_sided(-1.96), 0.049_995_790_296_440_87);
        let far = normal_two_sided(6.0);
        assert!((far / 1.973_175_290_075_396e-9 - 1.0).abs() < 1e-9, "{far}");
        // Many degrees of freedom approach the normal distribution.
        assert!((student_two_sided(1.96, 1e7) - normal_two_sided(1.96)).abs() < 1e-7);
        close(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
        close(ln_gamma(11.0), 3_628_800f64.ln());
    }

    #[test]
    fn equal_columns_are_not_different() {
        let a = [0.5, 0.25, 1.0];
        for test in [paired_t_test(&a, &a), wilcoxon_test(&a, &a), randomisation_test(&a, &a, 99, 1)]
            .map(Result::unwrap)
        {
            assert_eq!((test.p_value, test.mean_difference, test.pairs), (1.0, 0.0, 3));
        }
        // The same difference everywhere leaves no doubt to a t-test.
        assert_eq!(paired_t_test(&[2.0, 3.0], &[1.0, 2.0]).unwrap().p_value, 0.0);
    }

    #[test]
    fn randomisation_counts_all_sign_vectors() {
        // Differences 1 2 3: |sum| >= 6 for 2 of the 8 sign vectors.
        let test = randomisation_test(&[1.0, 2.0, 3.0], &[0.0; 3], 40_000, 5).unwrap();
        assert!((test.p_value - 0.25).abs() < 0.01, "{}", test.p_value);
        assert_eq!(test.statistic, 2.0);
    }

    #[test]
    fn seeds_and_threads() {
        let values: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 101) / 100.0).collect();
        let zeros = vec![0.45; 200];
        let all = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let test = randomisation_test(&values, &zeros, 500, seed).unwrap();
                (bootstrap_interval(&values, 0.9, 500, seed).unwrap(), test)
            })
        };
        assert_eq!(all(1, 3), all(4, 3));
        assert_ne!(all(1, 3), all(1, 4));
    }

    #[test]
    fn ranks_are_correlated_with_ties() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 5.0]), [2.5, 1.0, 2.5, 4.0]);
        let a: Vec<f64> = (0..50).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|x| -x.exp()).collect();
        let ((same, p), (opposite, _)) = (spearman(&a, &a), spearman(&a, &b));
        assert!((same - 1.0).abs() < 1e-12 && (opposite + 1.0).abs() < 1e-12 && p < 1e-9);
        assert_eq!(spearman(&a[..3], &[7.0; 3]), (0.0, 1.0));
        // By hand: ranks 3 1 2 against 2.5 2.5 1.
        assert!(spearman(&[5.0, 1.0, 2.0], &[4.0, 4.0, 1.0]).0.abs() < 1e-12);
    }

    #[test]
    fn bootstrap_is_as_wide_as_the_normal_interval() {
        let values: Vec<f64> = (0..500).map(|i| f64::from(i * 37 % 101) / 100.0).collect();
        let found = bootstrap_interval(&values, 0.95, 4000, 1).unwrap();
        let half = 1.96 * standard_deviation(&values) / 500f64.sqrt();
        assert!((found.low - (mean(&values) - half)).abs() < 0.1 * half, "{found:?}");
        assert!((found.high - (mean(&values) + half)).abs() < 0.1 * half, "{found:?}");
    }

    #[test]
    fn holm_keeps_order_and_bounds() {
        // By hand: 4 * .005, 3 * .01, 2 * .03, then .04 is held at .06.
        assert_eq!(holm(&[0.04, 0.005, 0.03, 0.01]), [0.06, 0.02, 0.06, 0.03]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn what_cannot_be_tested_is_refused() {
        assert!(paired_t_test(&[1.0, 2.0], &[1.0]).is_err());
        assert!(wilcoxon_test(&[1.0], &[2.0]).is_err());
        assert!(randomisation_test(&[1.0, f64::NAN], &[0.0, 0.0], 10, 1).is_err());
        assert!(randomisation_test(&[1.0, 2.0], &[0.0, 0.0], 0, 1).is_err());
        assert!(bootstrap_interval(&[], 0.95, 10, 1).is_err());
        assert!(bootstrap_interval(&[1.0], 1.0, 10, 1).is_err());
        assert!(bootstrap_interval(&[1.0], 0.9, 0, 1).is_err());
    }
}
