//! The losses on tensors.

use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Int, Tensor};

use super::{Divergence, EXPONENT_CAP, LEAST_NLL, Objective, PreferenceLoss};

/// The log-probabilities of chosen completions and of `k` rejected ones for each, summed over tokens.
#[derive(Clone, Debug)]
pub struct PreferenceBatch {
    /// log pi(w), `[batch]`.
    pub chosen: Tensor<1>,
    /// log pi(l), `[batch, k]`.
    pub rejected: Tensor<2>,
    /// log pi_ref(w), `[batch]`; zeros where no loss looks at it.
    pub reference_chosen: Tensor<1>,
    /// log pi_ref(l), `[batch, k]`.
    pub reference_rejected: Tensor<2>,
    /// Tokens of the chosen completions, `[batch]`.
    pub chosen_tokens: Tensor<1>,
    /// Tokens of the rejected completions, `[batch, k]`.
    pub rejected_tokens: Tensor<2>,
    /// For each pair the probability that it is the wrong way round, `[batch]`, in place of the label smoothing of
    /// [`PreferenceLoss::Sigmoid`] (RosePO, Liao et al., 2024).
    pub label_smoothing: Option<Tensor<1>>,
    /// A weight for each chosen completion, `[batch]`, without gradient (WPO, re-weighting).
    pub weights: Option<Tensor<1>>,
}

/// Implicit rewards for the log, without gradient: `beta (log pi - log pi_ref)`.
#[derive(Clone, Debug)]
pub struct Rewards {
    /// Of chosen completions, `[batch]`.
    pub chosen: Tensor<1>,
    /// Of rejected ones, `[batch, k]`.
    pub rejected: Tensor<2>,
}

/// `-ln sigma(x)`. Not the composition of a maximum and an absolute value: its gradient at 0, where preference
/// training starts, would be 0 instead of -1/2.
fn ell<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    log_sigmoid(x).neg()
}

/// `exp` of at most [`EXPONENT_CAP`].
fn capped_exp<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clamp_max(EXPONENT_CAP).exp()
}

impl Divergence {
    /// What takes the place of the log-ratios `delta`; same shape.
    pub fn apply<const D: usize>(self, delta: Tensor<D>) -> Tensor<D> {
        match self {
            Self::ReverseKl => delta,
            Self::ForwardKl => capped_exp(delta.neg()).neg(),
            Self::JensenShannon => log_sigmoid(delta),
            Self::Alpha { alpha } => capped_exp(delta.mul_scalar(alpha - 1.0)).div_scalar(alpha - 1.0),
        }
    }
}

/// What the losses of pairs look at; everything `[batch, k]`.
struct Pairs<'a> {
    batch: &'a PreferenceBatch,
    w: Tensor<2>,
    l: Tensor<2>,
    beta: f64,
}

impl Pairs<'_> {
    fn z(&self) -> Tensor<2> {
        (self.w.clone() - self.l.clone()).mul_scalar(self.beta)
    }

    /// The chosen completion's mean log-probability of a token.
    fn chosen_mean(&self) -> Tensor<2> {
        wide(&(self.batch.chosen.clone() / self.batch.chosen_tokens.clone()), self.k())
    }

    fn rejected_mean(&self) -> Tensor<2> {
        self.batch.rejected.clone() / self.batch.rejected_tokens.clone()
    }

    fn k(&self) -> usize {
        self.l.dims()[1]
    }
}

fn wide(column: &Tensor<1>, k: usize) -> Tensor<2> {
    column.clone().unsqueeze_dim::<2>(1).repeat_dim(1, k)
}

/// `ln(1 - exp(x))` for `x < 0`, in two branches that meet at `-ln 2`. Each branch sees only values where it is finite,
/// so that the gradient of the one that is not taken is no NaN.
fn log1mexp(x: Tensor<2>) -> Tensor<2> {
    let x = x.clamp_max(-LEAST_NLL);
    let near = x.clone().greater_elem(-std::f64::consts::LN_2);
    let half = x.clone().clamp_min(-1.0).div_scalar(2.0);
    // 1 - exp(x) = -2 exp(x/2) sinh(x/2), without the cancellation.
    let above = half.clone().exp().mul(half.sinh()).mul_scalar(-2.0).log();
    let below = x.clamp_max(-0.5).exp().neg().log1p();
    below.mask_where(near, above)
}

impl PreferenceLoss {
    /// The loss of each pair `[batch, k]`, or `[batch, 1]` where all rejected completions are looked at together.
    ///
    /// # Panics
    /// If the shapes of the batch do not fit.
    pub fn each(&self, batch: &PreferenceBatch, beta: f64, divergence: Divergence) -> Tensor<2> {
        let k = batch.rejected.dims()[1];
        let w = divergence.apply(batch.chosen.clone() - batch.reference_chosen.clone());
        let pairs = Pairs {
            batch,
            w: wide(&w, k),
            l: divergence.apply(batch.rejected.clone() - batch.reference_rejected.clone()),
            beta,
        };
        let (w, l) = (|| pairs.w.clone(), || pairs.l.clone());
        match *self {
            Self::Sigmoid { label_smoothing } => match &batch.label_smoothing {
                None if label_smoothing == 0.0 => ell(pairs.z()),
                None => {
                    ell(pairs.z()).mul_scalar(1.0 - label_smoothing)
                        + ell(pairs.z().neg()).mul_scalar(label_smoothing)
                }
                Some(each) => {
                    let e = wide(each, k);
                    ell(pairs.z()).mul(e.clone().neg().add_scalar(1.0)) + ell(pairs.z().neg()).mul(e)
                }
            },
            Self::Robust { label_smoothing: e } => (ell(pairs.z()).mul_scalar(1.0 - e)
                - ell(pairs.z().neg()).mul_scalar(e))
            .div_scalar(1.0 - 2.0 * e),
            Self::Hinge => pairs.z().neg().add_scalar(1.0).clamp_min(0.0),
            Self::Ipo { token_averaged: true } => {
                let own = w().div(wide(&batch.chosen_tokens, k));
                (own - l().div(batch.rejected_tokens.clone())).sub_scalar(0.5 / beta).square()
            }
            Self::Ipo { token_averaged: false } => (w() - l()).sub_scalar(0.5 / beta).square(),
            Self::SoftmaxDpo => {
                let exponents = (l() - w()).mul_scalar(beta);
                // The 1 in the sum is an exponent of 0; the largest is taken out and has no gradient.
                let most = exponents.clone().detach().max_dim(1).clamp_min(0.0);
                let one = most.clone().neg().exp();
                most.clone() + (exponents - most.repeat_dim(1, k)).exp().sum_dim(1).add(one).log()
            }
            Self::Dmpo => ell((w().mean_dim(1) - l().mean_dim(1)).mul_scalar(beta)),
            Self::SppoHard => w().sub_scalar(0.5 / beta).square() + l().add_scalar(0.5 / beta).square(),
            Self::BcoPair => ell(w().mul_scalar(beta)) + ell(l().mul_scalar(-beta)),
            Self::NcaPair => {
                ell(w().mul_scalar(beta))
                    + (ell(w().mul_scalar(-beta)) + ell(l().mul_scalar(-beta))).div_scalar(2.0)
            }
            Self::ApoZero => sigmoid(l().mul_scalar(beta)) - sigmoid(w().mul_scalar(beta)).sub_scalar(1.0),
            Self::ApoDown => sigmoid(w().mul_scalar(beta)) - sigmoid(pairs.z()).sub_scalar(1.0),
            Self::ExoPair { label_smoothing: e } => {
                let side = |z: Tensor<2>, target: f64| {
                    sigmoid(z.clone()).mul(log_sigmoid(z).sub_scalar(target.ln()))
                };
                side(pairs.z(), 1.0 - e) + side(pairs.z().neg(), e)
            }
            Self::DiscoPop { temperature } => {
                let mix = sigmoid(pairs.z().div_scalar(temperature));
                let logistic = ell(pairs.z()).mul(mix.clone().neg().add_scalar(1.0));
                logistic + capped_exp(pairs.z().neg()).mul(mix)
            }
            Self::SimPo { gamma } => {
                let margin = (pairs.chosen_mean() - pairs.rejected_mean()).mul_scalar(beta);
                ell(margin.sub_scalar(gamma))
            }
            Self::Cpo { alpha } => {
                let margin = wide(&batch.chosen, k) - batch.rejected.clone();
                ell(margin.mul_scalar(beta)) - pairs.chosen_mean().mul_scalar(alpha)
            }
            Self::Orpo { lambda } => {
                let odds = |mean: Tensor<2>| mean.clone() - log1mexp(mean);
                let ratio = odds(pairs.chosen_mean()) - odds(pairs.rejected_mean());
                ell(ratio).mul_scalar(lambda) - pairs.chosen_mean()
            }
            Self::Sft => (batch.chosen.clone() / batch.chosen_tokens.clone()).neg().unsqueeze_dim(1),
        }
    }
}

impl Objective {
    /// The weighted sum of the losses, each averaged over the batch: `[1]`.
    pub fn loss(&self, batch: &PreferenceBatch) -> Tensor<1> {
        let mut sum: Option<Tensor<1>> = None;
        for term in &self.terms {
            let mut each = term.loss.each(batch, self.beta, self.divergence).mean_dim(1);
            if let Some(weights) = &batch.weights {
                each = each.mul(weights.clone().unsqueeze_dim(1));
            }
            let own = each.mean().mul_scalar(term.weight);
            sum = Some(match sum {
                Some(sum) => sum + own,
                None => own,
            });
        }
        sum.expect("a validated objective has a term")
    }

    /// The implicit rewards; of `log pi` alone where no loss looks at a reference.
    pub fn rewards(&self, batch: &PreferenceBatch) -> Rewards {
        let (chosen, rejected) = match self.needs_reference() {
            true => (
                batch.chosen.clone() - batch.reference_chosen.clone(),
                batch.rejected.clone() - batch.reference_rejected.clone(),
            ),
            false => (batch.chosen.clone(), batch.rejected.clone()),
        };
        Rewards {
            chosen: chosen.detach().mul_scalar(self.beta),
            rejected: rejected.detach().mul_scalar(self.beta),
        }
    }
}

/// KTO (Ethayarajh et al., 2024), for completions that are good or bad by themselves: the loss of each, `[batch]`.
///
/// # Shapes
/// - `deltas`: log-ratios of policy and reference, `[batch]`
/// - `desirable`: 1 for a good completion, 0 for a bad one, `[batch]`
/// - `kl`: [`kto_kl`] of the batch, `[1]`
pub fn kto(
    deltas: Tensor<1>,
    desirable: Tensor<1, Int>,
    kl: Tensor<1>,
    beta: f64,
    (desirable_weight, undesirable_weight): (f64, f64),
) -> Tensor<1> {
    let good = desirable.float();
    let sign = good.clone().mul_scalar(2.0).sub_scalar(1.0);
    let weights = good.mul_scalar(desirable_weight - undesirable_weight).add_scalar(undesirable_weight);
    sigmoid((deltas - kl).mul(sign).mul_scalar(beta)).neg().add_scalar(1.0).mul(weights)
}

/// The divergence that KTO compares with: the mean log-ratio of mismatched prompts and completions, at least 0, without
/// gradient. `[batch] -> [1]`.
pub fn kto_kl(mismatched: Tensor<1>) -> Tensor<1> {
    mismatched.detach().mean().clamp_min(0.0)
}
