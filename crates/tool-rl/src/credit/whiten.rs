//! Mean 0, variance 1.

/// Mean and unbiased variance; the variance is 0 for fewer than two values.
pub fn mean_and_variance(values: &[f32]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let count = values.len() as f64;
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let sum: f64 = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
    (mean, if values.len() < 2 { 0.0 } else { sum / (count - 1.0) })
}

/// `(x - mean) / sqrt(variance + 1e-8)` as TRL's `masked_whiten` over the values under its mask: the variance is unbiased. With
/// `shift` false the mean is put back. Fewer than two values, and values that are all the same, become 0 (or stay).
pub fn whiten(values: &mut [f32], shift: bool) {
    let (mean, variance) = mean_and_variance(values);
    let scale = 1.0 / (variance + 1e-8).sqrt();
    // All the same up to rounding: there is no direction to go.
    let flat = variance <= 1e-12 * (mean * mean + 1e-12);
    for value in values {
        let centred = if flat { 0.0 } else { (f64::from(*value) - mean) * scale };
        *value = (if shift { centred } else { centred + mean }) as f32;
    }
}
