//! How good predicted values are: errors of ratings, and how well scores tell positives from negatives.

/// Root of the mean squared difference; NaN without values.
///
/// # Panics
/// If the two differ in length.
pub fn rmse(predicted: &[f32], actual: &[f32]) -> f64 {
    mean(predicted, actual, |p, a| (p - a).powi(2)).sqrt()
}

/// Mean absolute difference; NaN without values.
///
/// # Panics
/// If the two differ in length.
pub fn mae(predicted: &[f32], actual: &[f32]) -> f64 {
    mean(predicted, actual, |p, a| (p - a).abs())
}

fn mean(predicted: &[f32], actual: &[f32], error: impl Fn(f64, f64) -> f64) -> f64 {
    assert_eq!(predicted.len(), actual.len(), "predicted and actual values differ in number");
    let sum: f64 = predicted.iter().zip(actual).map(|(&p, &a)| error(f64::from(p), f64::from(a))).sum();
    sum / predicted.len() as f64
}

/// Mean negative log-likelihood of binary labels under predicted probabilities, which are clipped to
/// `[1e-15, 1 - 1e-15]`; in nats. NaN without values.
///
/// # Panics
/// If the two differ in length.
pub fn log_loss(probabilities: &[f32], labels: &[bool]) -> f64 {
    assert_eq!(probabilities.len(), labels.len(), "probabilities and labels differ in number");
    let sum: f64 = probabilities
        .iter()
        .zip(labels)
        .map(|(&p, &label)| {
            let p = f64::from(p).clamp(1e-15, 1.0 - 1e-15);
            if label { -p.ln() } else { -(1.0 - p).ln() }
        })
        .sum();
    sum / labels.len() as f64
}

/// The chance that a positive scores higher than a negative, ties counting half (area under the ROC curve). `None`
/// without positives or without negatives.
///
/// # Panics
/// If the two differ in length, or on a NaN score.
pub fn auc(scores: &[f32], labels: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), labels.len(), "scores and labels differ in number");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].partial_cmp(&scores[b]).expect("a score is NaN"));
    let positives = labels.iter().filter(|&&label| label).count() as f64;
    let negatives = labels.len() as f64 - positives;
    // Sum of the positives' ranks, equal scores sharing their average rank.
    let mut rank_sum = 0.0;
    let mut start = 0;
    for tied in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let average_rank = start as f64 + (tied.len() as f64 + 1.0) / 2.0;
        rank_sum += average_rank * tied.iter().filter(|&&index| labels[index]).count() as f64;
        start += tied.len();
    }
    (positives > 0.0 && negatives > 0.0)
        .then(|| (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// [`auc`] by user: `sum_u n_u AUC_u / sum_u n_u`, `n_u` the number of the user's positives (as in RecBole; others
/// weigh by all of the user's rows). Users without positives or without negatives are left out; `None` if none is
/// left.
///
/// Each user is a pair of scores and labels.
///
/// # Panics
/// As [`auc`].
pub fn gauc<'a>(users: impl IntoIterator<Item = (&'a [f32], &'a [bool])>) -> Option<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    for (scores, labels) in users {
        if let Some(auc) = auc(scores, labels) {
            let positives = labels.iter().filter(|&&label| label).count() as f64;
            sum += auc * positives;
            weight += positives;
        }
    }
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn errors_by_hand() {
        close(rmse(&[1.0, 5.0], &[4.0, 1.0]), 12.5f64.sqrt());
        close(mae(&[1.0, 5.0], &[4.0, 1.0]), 3.5);
        assert!(rmse(&[], &[]).is_nan());
    }

    #[test]
    fn log_loss_by_hand() {
        close(log_loss(&[0.75, 0.25], &[true, true]), -(0.75f64.ln() + 0.25f64.ln()) / 2.0);
        close(log_loss(&[0.0], &[true]), -(1e-15f64).ln());
        assert!(log_loss(&[1.0], &[false]).is_finite());
    }

    #[test]
    fn auc_is_the_share_of_ordered_pairs() {
        let scores = [0.1, 0.4, 0.4, 0.8, 0.3];
        let labels = [false, true, false, true, true];
        let mut won = 0.0;
        for p in (0..5).filter(|&p| labels[p]) {
            for n in (0..5).filter(|&n| !labels[n]) {
                won += match scores[p].partial_cmp(&scores[n]).unwrap() {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
            }
        }
        close(auc(&scores, &labels).unwrap(), won / 6.0);
        assert_eq!(auc(&scores, &[true; 5]), None);
        assert_eq!(auc(&[], &[]), None);
    }

    #[test]
    fn gauc_weighs_by_positives_and_skips_one_sided_users() {
        let users: [(&[f32], &[bool]); 3] =
            [(&[0.9, 0.8, 0.1], &[true, true, false]), (&[0.1, 0.5], &[true, false]), (&[0.3], &[true])];
        close(gauc(users).unwrap(), 2.0 / 3.0);
        assert_eq!(gauc([users[2]]), None);
    }
}
