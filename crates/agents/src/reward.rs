//! The reference's rewards for reflections, as pure functions: what a trainer of the Reflector (`tool-rl`) needs.
//!
//! An attempt without a valid answer is `None`.

/// Whether the reflection judged the first attempt rightly: 16 if so, -16 if not.
pub fn reflection(claimed_correct: bool, was_correct: bool) -> f64 {
    if claimed_correct == was_correct { 16.0 } else { -16.0 }
}

/// Ratings, first version: squared error of the first attempt less that of the second; an invalid answer counts as 0.
pub fn rating_gain(first: Option<f64>, second: Option<f64>, truth: f64) -> f64 {
    let error = |answer: Option<f64>| (answer.unwrap_or(0.0) - truth).powi(2);
    error(first) - error(second)
}

/// Ratings, second version: keeping a good answer pays, keeping a bad one costs.
///
/// With `r = -(answer - truth)^2`, -16 for an invalid answer, and `d = r2 - r1`: `d + exp(-2|d|) (4 + r2)`. An invalid second
/// attempt gives -16; after an invalid first one a gain counts a quarter.
pub fn rating_balance(first: Option<f64>, second: Option<f64>, truth: f64) -> f64 {
    let Some(second) = second else { return -16.0 };
    let second = -(second - truth).powi(2);
    let Some(first) = first else {
        let gain = second + 16.0;
        return if gain > 0.0 { 0.25 * gain } else { gain };
    };
    let gain = second + (first - truth).powi(2);
    gain + (-2.0 * gain.abs()).exp() * (4.0 + second)
}

/// Rankings: the reciprocal rank of the true item in the second attempt less that in the first; 0 where it is absent.
pub fn ranking_gain<T: PartialEq>(first: &[T], second: &[T], truth: &T) -> f64 {
    let reciprocal = |order: &[T]| {
        let place = order.iter().position(|item| item == truth);
        place.map_or(0.0, |place| 1.0 / (place as f64 + 1.0))
    };
    reciprocal(second) - reciprocal(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_formula() {
        let answer = |value: f64| (value > 0.0).then_some(value);
        for (first, second, truth, want) in [
            (3.0, 4.0, 5.0, 3.0074),
            (3.0, 4.0, 3.0, -0.5940),
            (1.0, 2.0, 5.0, 7.0),
            (0.0, 4.0, 1.0, 1.75),
            (3.0, 0.0, 1.0, -16.0),
            (0.0, 0.0, 2.0, -16.0),
            (3.0, 3.0, 5.0, 0.0),
            (3.0, 3.0, 3.0, 4.0),
            (5.0, 5.0, 1.0, -12.0),
        ] {
            let found = rating_balance(answer(first), answer(second), truth);
            assert!((found - want).abs() < 1e-4, "{first} {second} {truth}: {found}");
        }
        let gain = |truth: i32| ranking_gain(&[1, 2, 3], &[2, 3, 1], &truth);
        assert!(
            (gain(2) - 0.5).abs() < 1e-9
                && (gain(3) - 1.0 / 6.0).abs() < 1e-9
                && (gain(1) + 2.0 / 3.0).abs() < 1e-9
        );
        assert!((ranking_gain(&[1], &[2], &3)).abs() < 1e-9);
        assert!((rating_gain(Some(3.0), Some(4.0), 5.0) - 3.0).abs() < 1e-9);
        assert!((rating_gain(None, Some(4.0), 4.0) - 16.0).abs() < 1e-9);
        assert_eq!((reflection(true, true), reflection(false, true)), (16.0, -16.0));
    }
}
