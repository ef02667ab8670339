//! Bayesian personalised ranking.

use burn::tensor::Tensor;
use burn::tensor::activation::softplus;

use super::alignment::sum_of;

/// The smallest sum of squares whose root is taken: the root's slope at 0 is infinite.
const SMALLEST_SQUARE: f32 = 1e-24;

/// `mean softplus(-(s+ - s-))`, which is `mean -log sigmoid(s+ - s-)` (Rendle et al., UAI 2009, eq. BPR-Opt) without
/// its overflow: a score difference of -100 costs 100, where RecBole's `-log(1e-10 + sigmoid)` stops at 23.
///
/// # Shapes
/// - `positive`: `[B]`, the scores of the positives
/// - `negative`: `[B]`, the scores of the drawn negatives
/// - output: `[1]`
pub fn bpr(positive: Tensor<1>, negative: Tensor<1>) -> Tensor<1> {
    softplus(negative.sub(positive), 1.0).mean()
}

/// The penalty on the rows of the tables that a batch touches.
///
/// `squared`: `(1/B) sum |row|^2 / 2` over all rows of all blocks (the LightGCN paper); otherwise
/// `(1/B) sum_blocks |block|_F` (RecBole's default, `require_pow = false`).
///
/// # Shapes
/// - `blocks`: each `[B, dim]`: the batch's users, positives, negatives
/// - output: `[1]`
///
/// # Panics
/// If `blocks` is empty.
pub fn embedding_penalty(blocks: Vec<Tensor<2>>, squared: bool) -> Tensor<1> {
    let rows = blocks.first().expect("at least one block of rows").dims()[0] as f64;
    let norms = blocks.into_iter().map(|block| {
        let sum = sum_of(block.square());
        if squared { sum.div_scalar(2.0) } else { sum.clamp_min(SMALLEST_SQUARE).sqrt() }
    });
    norms.reduce(Tensor::add).expect("at least one block of rows").div_scalar(rows)
}
