//! The tables before the first step.

use rand::RngExt;
use rec_core::random::{self, Random};

use crate::{Init, ModelConfig};

/// The deviation of [`Init::Normal`].
pub(crate) const NORMAL_DEVIATION: f64 = 0.1;

/// The user and item tables `[n_users, dim]` and `[n_items, dim]` that every engine starts from.
///
/// Xavier initialisation (Glorot & Bengio, AISTATS 2010) takes a table's rows and columns as fan-in and fan-out,
/// as RecBole does, but counts no padding row.
pub fn tables(config: &ModelConfig, n_users: usize, n_items: usize) -> (Vec<f32>, Vec<f32>) {
    let training = &config.training;
    let table = |rows: usize, purpose: &str| {
        let mut rng = random::stream(training.seed, purpose, 0);
        let fan = (rows + training.dim) as f64;
        let mut values = vec![0.0; rows * training.dim];
        match training.init {
            Init::XavierNormal => fill_normal(&mut values, (2.0 / fan).sqrt(), &mut rng),
            Init::XavierUniform => {
                let bound = (6.0 / fan).sqrt();
                values.fill_with(|| rng.random_range(-bound..bound) as f32);
            }
            Init::Normal => fill_normal(&mut values, NORMAL_DEVIATION, &mut rng),
        }
        values
    };
    (table(n_users, "init-users"), table(n_items, "init-items"))
}

/// MAWU's margin scalars of users and of items: tables with one column, filled by the same rule.
pub fn margins(config: &ModelConfig, n_users: usize, n_items: usize) -> [Vec<f32>; 2] {
    [(n_users, "init-user-margins"), (n_items, "init-item-margins")].map(|(rows, purpose)| {
        let mut values = vec![0.0; rows];
        let deviation = (2.0 / (rows + 1) as f64).sqrt();
        fill_normal(&mut values, deviation, &mut random::stream(config.training.seed, purpose, 0));
        values
    })
}

/// Normal draws with mean 0 by the Box–Muller transform.
pub(crate) fn fill_normal(values: &mut [f32], deviation: f64, rng: &mut Random) {
    for pair in values.chunks_mut(2) {
        // 1 - u lies in (0, 1], where the logarithm is finite.
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt() * deviation;
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        pair[0] = (radius * angle.cos()) as f32;
        if let Some(second) = pair.get_mut(1) {
            *second = (radius * angle.sin()) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_deviation_that_xavier_asks_for() {
        let mut config = ModelConfig::directau();
        for init in [Init::XavierNormal, Init::XavierUniform] {
            config.training.init = init;
            let (users, items) = tables(&config, 943, 1682);
            for (table, rows) in [(users, 943), (items, 1682)] {
                assert_eq!(table.len(), rows * 64);
                let variance = table.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / table.len() as f64;
                let expected = 2.0 / (rows + 64) as f64;
                assert!((variance / expected - 1.0).abs() < 0.02, "{variance} against {expected}");
            }
        }
    }
}
