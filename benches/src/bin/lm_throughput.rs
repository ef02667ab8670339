//! Training and greedy decoding of a language model, timed as `benches/peers/torch_causal_lm.py` is:
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo run -p benches --bin lm_throughput -- 1m
//! cargo run -p benches --no-default-features --features cuda --bin lm_throughput -- 0.5b --device cuda:0 --dtype bf16
//! ```
//!
//! Prints a line of JSON for each measurement as it is done, then one object with all. `--check` compares log-probabilities and
//! gradients with `flex` first. Options: `--device`, `--dtype f32|bf16|f16`, `--repeats N`, `--check`.
#![allow(clippy::print_stdout)]

use benches::language_model::{Failure, Workload};
use causal_lm::burn::tensor::{DType, Device};
use serde_json::{Map, Value, json};

fn device(name: &str) -> Result<Device, Failure> {
    #[cfg(feature = "cuda")]
    if let Some(index) = name.strip_prefix("cuda:") {
        return Ok(Device::cuda(index.parse::<usize>()?));
    }
    #[cfg(feature = "wgpu")]
    if name == "wgpu" {
        return Ok(Device::wgpu(causal_lm::burn::tensor::DeviceKind::DefaultDevice));
    }
    #[cfg(feature = "flex")]
    if name == "flex" {
        return Ok(Device::flex());
    }
    Err(format!("{name:?} is no device of this build").into())
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let shape = arguments.first().map_or("1m", String::as_str);
    let workload = Workload::of(shape)?;
    let device_name = option("--device").unwrap_or("flex");
    let device = device(device_name)?;
    let dtype = match option("--dtype") {
        None | Some("f32") => None,
        Some("bf16") => Some(DType::BF16),
        Some("f16") => Some(DType::F16),
        Some(other) => return Err(format!("{other:?} is none of f32, bf16, f16").into()),
    };
    let repeats: usize = option("--repeats").map_or(Ok(10), str::parse)?;
    let mut all = Map::new();
    #[cfg(feature = "flex")]
    if arguments.iter().any(|word| word == "--check") {
        let found = workload.differences(&device, dtype)?;
        println!("{}", json!({"differences": found}));
        all.insert("differences".to_owned(), found);
    }
    workload.measure(&device, dtype, repeats.max(1), |name, value| {
        println!("{}", json!({name: value}));
        all.insert(name.to_owned(), value);
    })?;
    all.insert("shape".to_owned(), Value::from(shape));
    all.insert("device".to_owned(), Value::from(device_name));
    all.insert("dtype".to_owned(), Value::from(option("--dtype").unwrap_or("f32")));
    all.insert("threads".to_owned(), Value::from(std::thread::available_parallelism()?.get()));
    println!("{}", Value::Object(all));
    Ok(())
}
