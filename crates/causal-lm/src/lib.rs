//! Llama-style language models on burn: Hugging Face weights, LoRA, constrained decoding, training of completions.
//!
//! - [`CausalLmConfig::init`] or [`load_model`] give a [`CausalLm`]; [`save_model`] writes it as Hugging Face does.
//! - [`Batch`] holds prompts with completions; [`CausalLm::completion_log_probs`] computes their log-probabilities, with
//!   logits at completion positions only.
//! - [`Tape`] records them so that any loss can go back through them; [`Trainer`] accumulates, clips and steps.
//! - [`HostTape`] and [`CausalLm::readings`] give and take slices, entropies and last states too, for losses by hand.
//! - [`CausalLm::add_lora`], [`CausalLm::freeze_reference`] and [`Slot`]: policy and reference share one base.
//! - [`generate()`], [`beam_search`] and [`score_completions`] decode, free or under a [`Constraint`] such as [`Trie`] or
//!   [`JsonSchema`]; a [`Snapshot`] (on any device: [`Prepared`]) in place of the model spares many short calls its copy.
//! - [`parameters`] keeps any module with its optimizer in one file; `replicas` (feature `distributed`) train on several devices.
//!
//! Models for training are made on `device.autodiff()`. Tokens are numbers; `Tokenizer` (feature `text`) is for text only.
#![warn(missing_docs)]

pub mod batch;
pub mod cache;
mod checkpoint;
pub mod config;
mod cpu;
pub mod decode;
pub mod error;
pub mod folder;
pub mod lora;
pub mod model;
pub mod optimizer;
pub mod parameters;
pub mod projection;
pub mod reading;
#[cfg(feature = "distributed")]
pub mod replicas;
#[cfg(feature = "text")]
pub mod tokenizer;
pub mod tokens;
pub mod train;
mod weights;

pub use burn;

pub use batch::{Batch, Sequence};
pub use cache::Cache;
pub use config::{CausalLmConfig, RopeScaling};
pub use cpu::training::{ReadingGradients, Readings};
pub use decode::{
    BeamConfig, Constraint, Decoder, Free, GenerateConfig, Generated, JsonSchema, Prepared, Sampling,
    Session, Snapshot, Trie, Vocabulary, beam_search, generate, score_completions,
};
pub use error::{Error, Result};
pub use folder::{load_model, save_model, save_model_in_shards};
pub use lora::LoraConfig;
pub use model::CausalLm;
pub use optimizer::{AdamW, AdamWConfig, ParameterGradients};
pub use projection::{Pass, Slot};
pub use reading::HostTape;
#[cfg(feature = "text")]
pub use tokenizer::Tokenizer;
pub use tokens::Tokens;
pub use train::{Schedule, StepReport, Tape, TrainConfig, Trainer};

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
