//! The cases of `bench` that time a language model with random weights: training steps and greedy decoding on this machine's
//! processor.

use benches::language_model::Workload;
use causal_lm::burn::tensor::Device;

use super::{Times, times};
use crate::error::Error;

/// Repeats within one process; the command repeats processes.
const REPEATS: usize = 5;

/// Of a model of a million parameters.
pub fn one_million() -> Times {
    seconds("1m")
}

/// Of a model of five million parameters.
pub fn five_million() -> Times {
    seconds("5m")
}

fn seconds(shape: &str) -> Times {
    let failed =
        |error: benches::language_model::Failure| Error::Failed(format!("causal-lm {shape}: {error}"));
    let mut found = Vec::new();
    let workload = Workload::of(shape).map_err(failed)?;
    let keep = |name: &str, value: serde_json::Value| {
        found.push((name.to_owned(), value["median"].as_f64().unwrap_or(f64::NAN)));
    };
    workload.measure(&Device::flex(), None, REPEATS, keep).map_err(failed)?;
    times(&found)
}
