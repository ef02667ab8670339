//! The gradients of a minibatch, by tensors on any device or by hand on this machine's processor.
//!
//! Both compute the same loss:
//!
//! `sum_i w_i (L(log p_i) + kl * k3_i - entropy * H_i) + value weight * mean_i V(v_i)`
//!
//! with the token weights of [`Aggregation`](crate::Aggregation). By hand, the derivatives of its terms by each log-probability,
//! entropy and value are plain loops ([`super::factors`]), and `causal-lm` goes back from them through the model.

use burn::tensor::{Device, Tensor, TensorData};
use causal_lm::{Batch, HostTape, ParameterGradients, ReadingGradients, Slot};

use super::factors;
use super::learner::{LearnConfig, Lesson};
use super::loss::{k3, policy_loss, ratios, value_loss};
use super::policy::{ActorCritic, Row, batch_of, evaluate};
use crate::Result;
use crate::method::{KlPlace, PolicyLoss};

/// Episodes of a lesson, with what their loss needs for each action token, episode by episode.
#[derive(Clone, Debug)]
pub struct Minibatch<'a> {
    lesson: Lesson<'a>,
    rows: Vec<Row<'a>>,
    /// The tokens' weights.
    weights: Vec<f32>,
    old: Vec<f32>,
    reference: Vec<f32>,
    advantages: Vec<f32>,
    old_values: Vec<f32>,
    returns: Vec<f32>,
}

/// What a minibatch's pass found.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// The gradients by all parameters; none if the minibatch is to be left out, because its mean ratio is too large.
    pub gradients: Option<ParameterGradients>,
    /// The mean k3 from the old policy.
    pub moved: f64,
    /// The share of tokens whose clipped term counts.
    pub clip_fraction: f64,
    /// The loss of the policy.
    pub policy_loss: f64,
    /// The loss of the value head.
    pub value_loss: f64,
}

impl<'a> Minibatch<'a> {
    /// The episodes of `lesson` at `places`, each of which has actions.
    pub fn new(lesson: &Lesson<'a>, places: &[usize]) -> Self {
        let Lesson { method, episodes, before, credited, .. } = *lesson;
        let of = |at: usize| &episodes[at];
        let lengths: Vec<Vec<usize>> =
            places.iter().map(|&at| of(at).steps.iter().map(|step| step.action.len()).collect()).collect();
        let gather =
            |list: &dyn Fn(usize) -> &'a [f32]| places.iter().flat_map(|&at| list(at)).copied().collect();
        let uses_reference = method.kl == KlPlace::Loss;
        Self {
            lesson: *lesson,
            rows: places.iter().map(|&at| Row::of(of(at))).collect(),
            weights: method.aggregation.weights(&lengths),
            old: gather(&|at| &before[at].log_probs),
            reference: gather(&|at| if uses_reference { &before[at].reference } else { &[] }),
            advantages: gather(&|at| &credited[at].advantages),
            old_values: gather(&|at| if method.critic { &before[at].values } else { &[] }),
            returns: gather(&|at| if method.critic { &credited[at].returns } else { &[] }),
        }
    }

    /// By hand where the model can be run so, else by tensors.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn gradients(&self, model: &ActorCritic, config: &LearnConfig) -> Result<Gathered> {
        match self.by_hand(model, config)? {
            Some(found) => Ok(found),
            None => self.by_tensors(model, config),
        }
    }

    fn is_left_out(&self, mean_ratio: f64, config: &LearnConfig) -> bool {
        matches!(self.lesson.method.loss, PolicyLoss::Clip { .. })
            && mean_ratio > f64::from(config.ratio_threshold)
    }

    /// The factor of k3 in the loss.
    fn penalty(&self) -> f64 {
        if self.lesson.method.kl == KlPlace::Loss { self.lesson.kl } else { 0.0 }
    }

    /// In plain loops; nothing where `causal-lm` has no pass by hand for the model.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn by_hand(&self, model: &ActorCritic, config: &LearnConfig) -> Result<Option<Gathered>> {
        let method = self.lesson.method;
        let batch: Batch = batch_of(&self.rows)?;
        let with_entropy = method.entropy > 0.0;
        let Some(tape) = HostTape::record(&model.lm, &batch, Slot::Active, with_entropy)? else {
            return Ok(None);
        };
        let found = tape.readings();
        let count = found.log_probs.len() as f64;
        let (mut by_log_probs, mut clipped) = (vec![0.0; found.log_probs.len()], 0usize);
        let (mut moved, mut ratio, mut policy_loss) = (0.0, 0.0, 0.0);
        for (at, by) in by_log_probs.iter_mut().enumerate() {
            let (now, old, weight) = (found.log_probs[at], self.old[at], self.weights[at]);
            moved += f64::from(factors::k3(old, now).value);
            let token = factors::policy_loss(method.loss, now, old, self.advantages[at]);
            ratio += f64::from(token.ratio);
            clipped += usize::from(token.is_clipped);
            policy_loss += f64::from(weight * token.loss.value);
            *by = weight * token.loss.slope;
        }
        let mut gathered = Gathered {
            moved: moved / count,
            clip_fraction: clipped as f64 / count,
            policy_loss,
            ..Gathered::default()
        };
        if self.is_left_out(ratio / count, config) {
            return Ok(Some(gathered));
        }
        let penalty = self.penalty() as f32;
        if penalty > 0.0 {
            for (at, by) in by_log_probs.iter_mut().enumerate() {
                *by +=
                    penalty * self.weights[at] * factors::k3(found.log_probs[at], self.reference[at]).slope;
            }
        }
        let by_entropies: Vec<f32> = if with_entropy {
            self.weights.iter().map(|weight| -method.entropy * weight).collect()
        } else {
            Vec::new()
        };
        let (mut by_states, mut by_head) = (Vec::new(), ParameterGradients::default());
        if let Some(head) = &model.value {
            let (mut by_weight, mut by_bias) = (vec![0.0; head.width()], 0.0);
            if method.critic {
                let (weight, bias) = head.on_host();
                by_states = vec![0.0; found.states.len()];
                let scale = config.value_weight / count as f32;
                let rows = found.states.chunks_exact(weight.len());
                for (at, (state, by_state)) in rows.zip(by_states.chunks_exact_mut(weight.len())).enumerate()
                {
                    let value = factors::value(state, &weight, bias);
                    let (old, total) = (self.old_values[at], self.returns[at]);
                    let loss = factors::value_loss(value, old, total, config.value_clip);
                    gathered.value_loss += f64::from(loss.value) / count;
                    let by = scale * loss.slope;
                    by_bias += by;
                    for ((by_weight, by_state), (state, weight)) in
                        by_weight.iter_mut().zip(by_state).zip(state.iter().zip(&weight))
                    {
                        *by_weight += by * state;
                        *by_state = by * weight;
                    }
                }
            }
            let values =
                if method.critic { vec![Some(by_weight), Some(vec![by_bias])] } else { vec![None, None] };
            by_head = ParameterGradients::from_values(values, &model.lm.device());
        }
        let by = ReadingGradients { log_probs: &by_log_probs, entropies: &by_entropies, states: &by_states };
        gathered.gradients = Some(tape.backward(by).then(by_head));
        Ok(Some(gathered))
    }

    /// By burn's autodiff, on any device: what the pass by hand is held to.
    ///
    /// # Errors
    /// As [`evaluate`].
    pub fn by_tensors(&self, model: &ActorCritic, config: &LearnConfig) -> Result<Gathered> {
        let method = self.lesson.method;
        let device = model.lm.device();
        let tensor = |values: &[f32]| floats(values, &device);
        let (weights, old) = (tensor(&self.weights), tensor(&self.old));
        let advantages = tensor(&self.advantages);
        let found = evaluate(model, &self.rows, Slot::Active)?;
        let now = found.log_probs.clone().detach();
        let moved = number(k3(old.clone(), now.clone()).mean());
        let now = ratios(now, old.clone());
        let mut gathered = Gathered { moved, ..Gathered::default() };
        if let PolicyLoss::Clip { low, high, .. } = method.loss {
            // Where the clipped term is the larger loss.
            let clipped = now.clone().clamp(1.0 - f64::from(low), 1.0 + f64::from(high));
            let larger = clipped.mul(advantages.clone()).lower(now.clone().mul(advantages.clone()));
            gathered.clip_fraction = number(larger.float().mean());
        }
        if self.is_left_out(number(now.mean()), config) {
            return Ok(gathered);
        }
        let mut loss =
            policy_loss(method.loss, found.log_probs.clone(), old, advantages).mul(weights.clone()).sum();
        gathered.policy_loss = number(loss.clone().detach());
        if self.penalty() > 0.0 {
            let penalty = k3(found.log_probs, tensor(&self.reference)).mul(weights.clone()).sum();
            loss = loss.add(penalty.mul_scalar(self.penalty()));
        }
        if method.entropy > 0.0 {
            loss = loss.sub(found.entropies.mul(weights).sum().mul_scalar(method.entropy));
        }
        if let (Some(values), true) = (found.values, method.critic) {
            let (old, returns) = (tensor(&self.old_values), tensor(&self.returns));
            let own = value_loss(values, old, returns, config.value_clip).mean();
            gathered.value_loss = number(own.clone().detach());
            loss = loss.add(own.mul_scalar(config.value_weight));
        }
        gathered.gradients = Some(ParameterGradients::of(model, loss));
        Ok(gathered)
    }
}

fn floats(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn number(value: Tensor<1>) -> f64 {
    f64::from(value.into_scalar::<f32>())
}
