//! Margin-aware alignment and weighted uniformity.

use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::directau::{Objective, T};
use super::{normalize, uniformity};

/// How near to ±1 a cosine may come, as in the authors' program: the angle has no slope at 0 and pi.
const COSINE_BOUND: f32 = 1.0 - 1e-7;

/// The squared sine at that bound, which the bound's own f32 rounding would miss by a fifth.
const SMALLEST_SQUARED_SINE: f32 = 2e-7;

/// One learned scalar for each user and item, kept in `[0, 1]`.
///
/// The angle of a pair is widened by `1 - sigmoid(m_u + m_i)`: the lower the scalars, the further a pair must be
/// aligned.
#[derive(Module, Debug)]
pub struct Margins {
    /// Of the users, `[n_users]`.
    pub users: Param<Tensor<1>>,
    /// Of the items, `[n_items]`.
    pub items: Param<Tensor<1>>,
}

impl Margins {
    /// Margins with the given values.
    pub fn from_values(users: Vec<f32>, items: Vec<f32>, device: &Device) -> Self {
        let param = |values: Vec<f32>| {
            let rows = values.len();
            Param::from_data(TensorData::new(values, [rows]), device)
        };
        Self { users: param(users), items: param(items) }
    }

    /// The sums `m_u + m_i` of pairs.
    ///
    /// # Shapes
    /// - `users`, `items`: `[B]`, row numbers
    /// - output: `[B]`
    pub fn forward(&self, users: Tensor<1, Int>, items: Tensor<1, Int>) -> Tensor<1> {
        self.users.val().select(0, users).add(self.items.val().select(0, items))
    }

    /// The same margins, clamped to `[0, 1]`.
    pub fn clamped(self) -> Self {
        // The new value is a leaf again, not a function of the old one.
        let clamp = |margins: Tensor<1>| {
            let tracked = margins.is_require_grad();
            margins.clamp(0.0, 1.0).detach().set_require_grad(tracked)
        };
        Self { users: self.users.map(clamp), items: self.items.map(clamp) }
    }
}

/// `-mean cos(min(pi, theta + 1 - sigmoid(m)))` with `theta` the angle of each pair and `m` its margin sum (MAWU, Park
/// et al., CIKM 2023, the margin-aware alignment).
///
/// The angle itself is not needed: `cos(theta + w) = cos theta cos w - sin theta sin w`, and `theta + w` exceeds pi
/// exactly when `cos theta < -cos w`.
///
/// # Shapes
/// - `users`, `items`: `[B, dim]`, of any length
/// - `margins`: `[B]`, `m_u + m_i`
/// - output: `[1]`
pub fn margin_alignment(users: Tensor<2>, items: Tensor<2>, margins: Tensor<1>) -> Tensor<1> {
    of_unit_rows(normalize(users), normalize(items), margins)
}

fn of_unit_rows(users: Tensor<2>, items: Tensor<2>, margins: Tensor<1>) -> Tensor<1> {
    let cosine = users.mul(items).sum_dim(1).squeeze_dim::<1>(1);
    let widening = sigmoid(margins).neg().add_scalar(1.0);
    let (cos_w, sin_w) = (widening.clone().cos(), widening.sin());
    // 1 - cos is exact near cos = 1, where 1 - cos^2 would lose half of the digits.
    let squared_sine = cosine.clone().neg().add_scalar(1.0).mul(cosine.clone().add_scalar(1.0));
    let sine = squared_sine.clamp_min(SMALLEST_SQUARED_SINE).sqrt();
    let cosine = cosine.clamp(-COSINE_BOUND, COSINE_BOUND);
    let beyond_pi = cosine.clone().lower(cos_w.clone().neg());
    let widened = cosine.mul(cos_w).sub(sine.mul(sin_w)).mask_fill(beyond_pi, -1.0);
    widened.mean().neg()
}

/// `margin_alignment + gamma_user * uniformity(users) + gamma_item * uniformity(items)` (MAWU, CIKM 2023), `t = 2`.
///
/// Uniformity is the mean over pairs, as in the paper. The authors' program averages over the full matrix with the
/// upper half counted as `exp(-4)`: a larger constant in the logarithm, so its gammas weigh less than the same
/// numbers here.
///
/// Terms: `alignment`, `uniformity_user`, `uniformity_item`.
///
/// # Shapes
/// - `users`, `items`: `[B, dim]`, of any length
/// - `margins`: `[B]`, `m_u + m_i`
/// - output: `[1]` and three terms of `[1]`
pub fn mawu(
    users: Tensor<2>,
    items: Tensor<2>,
    margins: Tensor<1>,
    gamma_user: f64,
    gamma_item: f64,
) -> Objective {
    let (users, items) = (normalize(users), normalize(items));
    let alignment = of_unit_rows(users.clone(), items.clone(), margins);
    let uniformity_user = uniformity::of_unit_rows(users, T);
    let uniformity_item = uniformity::of_unit_rows(items, T);
    let spread =
        uniformity_user.clone().mul_scalar(gamma_user).add(uniformity_item.clone().mul_scalar(gamma_item));
    Objective {
        loss: alignment.clone().add(spread),
        terms: vec![
            ("alignment", alignment),
            ("uniformity_user", uniformity_user),
            ("uniformity_item", uniformity_item),
        ],
    }
}
