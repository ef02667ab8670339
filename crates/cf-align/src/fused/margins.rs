//! MAWU's margins (Park et al., CIKM 2023): a learned scalar for each user and item that widens the angle of its
//! pairs.

use super::adam::{Schedule, update_all};
use super::batch::Batch;
use crate::{ModelConfig, init};

/// The margins, users first, then items, with Adam's moments.
pub(crate) struct Margins {
    pub values: Vec<f32>,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    pub gradient: Vec<f32>,
}

impl Margins {
    /// Freshly initialised; padded to whole registers of the widest kind.
    pub fn new(config: &ModelConfig, n_users: usize, n_items: usize) -> Self {
        let [users, items] = init::margins(config, n_users, n_items);
        let mut values = users;
        values.extend(items);
        values.resize(values.len().next_multiple_of(16), 0.0);
        let zero = vec![0.0; values.len()];
        Self { values, first: zero.clone(), second: zero.clone(), gradient: zero }
    }

    /// Sums the pairs' gradients by node.
    pub fn gather(&mut self, batch: &Batch, n_users: usize) {
        self.gradient.fill(0.0);
        for (side, slots) in batch.sides.iter().enumerate() {
            for (slot, &id) in slots.ids.iter().enumerate() {
                let pairs = slots.pairs_of(slot).iter();
                self.gradient[id as usize + side * n_users] =
                    pairs.map(|&pair| batch.margin_gradients[pair as usize]).sum();
            }
        }
    }

    /// Moves the margins by one step of Adam and keeps them in `[0, 1]`.
    pub fn update(&mut self, schedule: &Schedule) {
        update_all(&mut self.values, &mut self.first, &mut self.second, &self.gradient, schedule);
        self.values.iter_mut().for_each(|m| *m = m.clamp(0.0, 1.0));
    }
}

/// `-cos(min(pi, theta + 1 - sigmoid(m)))` and its derivatives by `cos theta` and by `m`.
pub(crate) fn margin_alignment(cosine: f32, margin: f32) -> (f64, f64, f64) {
    let cosine = f64::from(cosine).clamp(-1.0 + 1e-7, 1.0 - 1e-7);
    let sigmoid = 1.0 / (1.0 + (-f64::from(margin)).exp());
    let theta = cosine.acos();
    let widened = theta + 1.0 - sigmoid;
    if widened >= std::f64::consts::PI {
        return (1.0, 0.0, 0.0);
    }
    let (sine, cosine) = widened.sin_cos();
    (-cosine, -sine / theta.sin(), -sine * sigmoid * (1.0 - sigmoid))
}
