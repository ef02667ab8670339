//! State trackers: from the latest items and what they earned to the vector that a policy sees.

mod average;
mod caser;
mod gru;
mod nextitnet;
mod sasrec;

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

pub use average::Average;
pub use caser::Caser;
pub use gru::Gru;
pub use nextitnet::NextItNet;
pub use sasrec::SasRec;

use crate::network::{normal, param};
use crate::states::States;
use crate::{Error, Result};

/// How a reward joins its item's vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RewardInput {
    /// One more number: `[E; r]`.
    #[default]
    Concatenate,
    /// Not at all: `E`.
    Ignore,
    /// `E * r`.
    Multiply,
}

/// Which tracker, and how wide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackerConfig {
    /// The architecture.
    pub kind: TrackerKind,
    /// How many of the latest pairs it sees.
    pub window: usize,
    /// How a reward joins its item's vector.
    pub reward_input: RewardInput,
    /// Whether item vectors stay as they are given.
    pub freeze_items: bool,
    /// The share of numbers that Caser and SASRec set to 0 while learning.
    pub dropout: f64,
    /// The heads of SASRec's attention; they divide the width of a pair.
    pub heads: usize,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            kind: TrackerKind::Average,
            window: 3,
            reward_input: RewardInput::Concatenate,
            freeze_items: false,
            dropout: 0.1,
            heads: 1,
        }
    }
}

/// The architectures of EasyRL4Rec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackerKind {
    /// The mean of the pairs.
    #[default]
    Average,
    /// A gated recurrent unit: [`Gru`].
    Gru,
    /// Convolutions over whole pairs: [`Caser`].
    Caser,
    /// Self-attention: [`SasRec`].
    #[serde(rename = "sasrec")]
    SasRec,
    /// Dilated causal convolutions: [`NextItNet`].
    #[serde(rename = "nextitnet")]
    NextItNet,
}

/// States as tensors.
#[derive(Clone, Debug)]
pub struct StateTensors {
    /// Items, `[n, window]`; 0 where there is padding.
    pub items: Tensor<2, Int>,
    /// Scaled rewards, `[n, window]`.
    pub rewards: Tensor<2>,
    /// 1 for a pair, 0 for padding, `[n, window]`.
    pub mask: Tensor<2>,
    /// The number of pairs, `[n, 1]`.
    pub lengths: Tensor<2>,
    /// 1 for the last pair, `[n, window]`.
    pub last: Tensor<2>,
}

impl StateTensors {
    /// `states` on `device`.
    pub fn new(states: &States, device: &Device) -> Self {
        let (n, window) = (states.len(), states.window);
        let items: Vec<i32> = states.items.iter().map(|&item| item as i32).collect();
        let mask: Vec<f32> = states
            .lengths
            .iter()
            .flat_map(|&length| (0..window).map(move |at| f32::from(u8::from(at < usize::from(length)))))
            .collect();
        let lengths: Vec<f32> = states.lengths.iter().map(|&length| f32::from(length)).collect();
        let mut last = vec![0.0; n * window];
        for (row, &length) in states.lengths.iter().enumerate() {
            last[row * window + usize::from(length) - 1] = 1.0;
        }
        Self {
            items: Tensor::from_data(TensorData::new(items, [n, window]), device),
            rewards: Tensor::from_data(TensorData::new(states.rewards.clone(), [n, window]), device),
            mask: Tensor::from_data(TensorData::new(mask, [n, window]), device),
            lengths: Tensor::from_data(TensorData::new(lengths, [n, 1]), device),
            last: Tensor::from_data(TensorData::new(last, [n, window]), device),
        }
    }

    /// What `x` holds at the last pair.
    ///
    /// # Shapes
    /// - `x`: `[n, window, width]`
    /// - output: `[n, width]`
    pub fn last(&self, x: Tensor<3>) -> Tensor<2> {
        x.mul(self.last.clone().unsqueeze_dim::<3>(2)).sum_dim(1).squeeze_dim(1)
    }
}

/// The item vectors that trackers start from, row-major `[n_items, dim]`: those of a user model, of a collaborative
/// filtering model, or random ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemVectors {
    /// The width of a vector.
    pub dim: usize,
    /// The vectors, one after the other.
    pub values: Vec<f32>,
}

impl ItemVectors {
    /// Normal with standard deviation 0.01.
    pub fn random(n_items: usize, dim: usize, rng: &mut Random) -> Self {
        Self { dim, values: normal(n_items * dim, 0.01, rng) }
    }

    /// How many items there are.
    pub fn n_items(&self) -> usize {
        self.values.len() / self.dim.max(1)
    }
}

/// Item vectors, rewards and an architecture over them.
#[derive(Module, Debug)]
pub struct Tracker {
    /// `[n_items + 1, dim]`; the last row stands for "no item yet".
    pub items: Param<Tensor<2>>,
    #[module(skip)]
    reward_input: RewardInput,
    #[module(skip)]
    window: usize,
    encoder: Encoder,
}

#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a tracker has one")]
enum Encoder {
    Average(Average),
    Gru(Gru),
    Caser(Caser),
    SasRec(SasRec),
    NextItNet(NextItNet),
}

impl Tracker {
    /// A tracker that starts from `items`.
    ///
    /// # Errors
    /// [`Error::Config`] if a setting is out of range or does not fit the architecture.
    pub fn new(
        config: &TrackerConfig,
        items: &ItemVectors,
        rng: &mut Random,
        device: &Device,
    ) -> Result<Self> {
        if config.window == 0 || config.window > 255 {
            return Err(Error::config("tracker.window", format!("is {}; accepts 1 to 255", config.window)));
        }
        if config.kind == TrackerKind::Caser && config.window < Caser::LEAST_WINDOW {
            let least = Caser::LEAST_WINDOW;
            return Err(Error::config(
                "tracker.window",
                format!("is {}; Caser accepts {least} to 255", config.window),
            ));
        }
        if !(0.0..1.0).contains(&config.dropout) {
            return Err(Error::config(
                "tracker.dropout",
                format!("is {}; accepts 0 to below 1", config.dropout),
            ));
        }
        let width = items.dim + usize::from(config.reward_input == RewardInput::Concatenate);
        if config.kind == TrackerKind::SasRec && (config.heads == 0 || !width.is_multiple_of(config.heads)) {
            return Err(Error::config(
                "tracker.heads",
                format!("is {}; accepts divisors of {width}, the width of a pair", config.heads),
            ));
        }
        let mut values = items.values.clone();
        values.extend(normal(items.dim, 0.01, rng));
        let table = param(values, [items.n_items() + 1, items.dim], device);
        let encoder = match config.kind {
            TrackerKind::Average => Encoder::Average(Average::new(width)),
            TrackerKind::Gru => Encoder::Gru(Gru::new(width, rng, device)),
            TrackerKind::Caser => {
                Encoder::Caser(Caser::new(config.window, width, config.dropout, rng, device))
            }
            TrackerKind::SasRec => {
                Encoder::SasRec(SasRec::new(config.window, width, config.heads, config.dropout, rng, device))
            }
            TrackerKind::NextItNet => Encoder::NextItNet(NextItNet::new(width, rng, device)),
        };
        Ok(Self {
            items: if config.freeze_items { table.set_require_grad(false) } else { table },
            reward_input: config.reward_input,
            window: config.window,
            encoder,
        })
    }

    /// How many pairs of the past it sees.
    pub fn window(&self) -> usize {
        self.window
    }

    /// The width of what [`Tracker::forward`] gives.
    pub fn width(&self) -> usize {
        match &self.encoder {
            Encoder::Average(average) => average.width(),
            Encoder::Gru(gru) => gru.width(),
            Encoder::Caser(caser) => caser.width(),
            Encoder::SasRec(sasrec) => sasrec.width(),
            Encoder::NextItNet(nextitnet) => nextitnet.width(),
        }
    }

    /// The item vectors as they are now, scaled to length 1, `[n_items, dim]`; the row for "no item yet" is left out.
    pub fn directions(&self) -> Tensor<2> {
        let items = self.items.val();
        let [rows, dim] = items.dims();
        let items = items.slice([0..rows - 1, 0..dim]);
        let lengths = items.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
        items.div(lengths)
    }

    /// The states as vectors, to act on or to judge.
    ///
    /// # Shapes
    /// - `states`: `n` of them
    /// - output: `[n, width]`
    pub fn forward(&self, states: &StateTensors) -> Tensor<2> {
        self.encode(states, None)
    }

    /// As [`Tracker::forward`], to learn from: with dropout drawn from `rng`.
    pub fn forward_training(&self, states: &StateTensors, rng: &mut Random) -> Tensor<2> {
        self.encode(states, Some(rng))
    }

    fn encode(&self, states: &StateTensors, rng: Option<&mut Random>) -> Tensor<2> {
        let [n, window] = states.items.dims();
        let dim = self.items.val().dims()[1];
        let items =
            self.items.val().select(0, states.items.clone().reshape([n * window])).reshape([n, window, dim]);
        let rewards = states.rewards.clone().unsqueeze_dim::<3>(2);
        let pairs = match self.reward_input {
            RewardInput::Concatenate => Tensor::cat(vec![items, rewards], 2),
            RewardInput::Ignore => items,
            RewardInput::Multiply => items.mul(rewards),
        };
        let pairs = pairs.mul(states.mask.clone().unsqueeze_dim::<3>(2));
        match &self.encoder {
            Encoder::Average(average) => average.forward(pairs, states),
            Encoder::Gru(gru) => gru.forward(pairs, states),
            Encoder::Caser(caser) => caser.forward(pairs, rng),
            Encoder::SasRec(sasrec) => sasrec.forward(pairs, states, rng),
            Encoder::NextItNet(nextitnet) => nextitnet.forward(pairs, states),
        }
    }
}
