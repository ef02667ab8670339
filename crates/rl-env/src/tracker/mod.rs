//! State trackers: from the latest items and what they earned to the vector that a policy sees.

mod average;

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

pub use average::Average;

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
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            kind: TrackerKind::Average,
            window: 3,
            reward_input: RewardInput::Concatenate,
            freeze_items: false,
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
        Self {
            items: Tensor::from_data(TensorData::new(items, [n, window]), device),
            rewards: Tensor::from_data(TensorData::new(states.rewards.clone(), [n, window]), device),
            mask: Tensor::from_data(TensorData::new(mask, [n, window]), device),
            lengths: Tensor::from_data(TensorData::new(lengths, [n, 1]), device),
        }
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
enum Encoder {
    Average(Average),
}

impl Tracker {
    /// A tracker that starts from `items`.
    ///
    /// # Errors
    /// [`Error::Config`] if the window is 0 or too narrow for the architecture.
    pub fn new(
        config: &TrackerConfig,
        items: &ItemVectors,
        rng: &mut Random,
        device: &Device,
    ) -> Result<Self> {
        if config.window == 0 || config.window > 255 {
            return Err(Error::config("tracker.window", format!("is {}; accepts 1 to 255", config.window)));
        }
        let mut values = items.values.clone();
        values.extend(normal(items.dim, 0.01, rng));
        let table = param(values, [items.n_items() + 1, items.dim], device);
        let width = items.dim + usize::from(config.reward_input == RewardInput::Concatenate);
        let encoder = match config.kind {
            TrackerKind::Average => Encoder::Average(Average::new(width)),
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
        }
    }

    /// The states as vectors.
    ///
    /// # Shapes
    /// - `states`: `n` of them
    /// - output: `[n, width]`
    pub fn forward(&self, states: &StateTensors) -> Tensor<2> {
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
        }
    }
}
