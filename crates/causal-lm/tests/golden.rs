//! Models and adapters written by transformers and peft (tests/golden/make.py) give the logits and tokens that they give
//! there; and, where `SEXTANT_PYTHON` names a Python that has them, the other way round.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use burn::tensor::{DType, Device};
use causal_lm::{
    CausalLm, CausalLmConfig, Free, GenerateConfig, Pass, Slot, Tokens, TrainConfig, generate, load_model,
    save_model, save_model_in_shards,
};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn golden(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name).join("golden.json")).unwrap()).unwrap()
}

fn prompts(golden: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(golden["prompts"].clone()).unwrap()
}

fn logits(model: &CausalLm, prompt: &[u32], slot: Slot) -> Vec<f32> {
    let tokens = Tokens::right_padded(&[prompt], 0).unwrap();
    let hidden = model.forward(&tokens, &mut Pass::from(slot)).unwrap();
    let [_, length, width] = hidden.dims();
    model.logits(hidden.reshape([length, width])).into_data().iter::<f32>().collect()
}

fn assert_logits(model: &CausalLm, golden: &Value, key: &str, slot: Slot, what: &str) {
    let expected: Vec<Vec<f32>> = serde_json::from_value(golden[key].clone()).unwrap();
    for (prompt, expected) in prompts(golden).iter().zip(expected) {
        let found = logits(model, prompt, slot);
        assert_eq!(found.len(), expected.len());
        let away = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(away < 1e-4, "{what}: logits are {away} away");
    }
}

const SHAPES: [&str; 4] = ["llama3", "qwen2", "smollm2", "tinyllama"];

#[test]
fn logits_and_greedy_tokens_are_those_of_transformers() {
    for name in SHAPES {
        let (golden, model) = (golden(name), load_model(folder(name), &Device::flex()).unwrap());
        assert_logits(&model, &golden, "logits", Slot::Active, name);
        let expected: Vec<Vec<u32>> = serde_json::from_value(golden["greedy"].clone()).unwrap();
        let settings = GenerateConfig { max_new_tokens: 64, ..GenerateConfig::default() };
        // Both prompts together: the shorter one is padded on the left.
        let texts = generate(&model, &prompts(&golden), &settings, &Free).unwrap();
        let found: Vec<Vec<u32>> = texts.into_iter().map(|text| text.tokens).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn adapters_of_peft_give_its_logits_and_merge() {
    let golden = golden("qwen2");
    let model = load_model(folder("qwen2"), &Device::flex()).unwrap();
    let model = model.load_adapter(folder("qwen2/adapter")).unwrap();
    assert_logits(&model, &golden, "adapter_logits", Slot::Active, "active");
    assert_logits(&model, &golden, "logits", Slot::Off, "off");
    assert_logits(&model.merged(Slot::Active), &golden, "adapter_logits", Slot::Off, "merged");
    let saved = tempfile::tempdir().unwrap();
    model.save_adapter(Slot::Active, "base", saved.path()).unwrap();
    let again = load_model(folder("qwen2"), &Device::flex()).unwrap().load_adapter(saved.path()).unwrap();
    assert_logits(&again, &golden, "adapter_logits", Slot::Active, "saved");
}

#[test]
fn models_saved_here_load_here_in_one_file_and_in_shards() {
    for name in SHAPES {
        let (golden, model) = (golden(name), load_model(folder(name), &Device::flex()).unwrap());
        let place = tempfile::tempdir().unwrap();
        save_model(&model, place.path().join("one")).unwrap();
        save_model_in_shards(&model, place.path().join("shards"), 5000).unwrap();
        for form in ["one", "shards"] {
            let again = load_model(place.path().join(form), &Device::flex()).unwrap();
            // Saved with the width of a head spelled out, where the original leaves it to be divided.
            let width = Some(model.config().head_width());
            let expected = CausalLmConfig { head_dim: width, ..model.config().clone() };
            assert_eq!(*again.config(), expected);
            assert_logits(&again, &golden, "logits", Slot::Active, name);
        }
    }
}

#[test]
fn a_model_saved_over_another_is_the_one_that_loads() {
    let [first, second] =
        ["qwen2", "llama3"].map(|name| (golden(name), load_model(folder(name), &Device::flex()).unwrap()));
    let place = tempfile::tempdir().unwrap();
    let loads = |golden: &Value| {
        let again = load_model(place.path(), &Device::flex()).unwrap();
        assert_logits(&again, golden, "logits", Slot::Active, "saved over another");
    };
    let weights = || -> Vec<String> {
        let names = std::fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).filter(|name| name.ends_with(".safetensors")).collect()
    };
    std::fs::write(place.path().join("tokenizer.json"), "not of the weights").unwrap();
    save_model(&first.1, place.path()).unwrap();
    save_model_in_shards(&second.1, place.path(), 5000).unwrap();
    loads(&second.0);
    // Fewer shards than before, and then none.
    let many = weights().len();
    save_model_in_shards(&first.1, place.path(), 20_000).unwrap();
    loads(&first.0);
    assert!(
        weights().len() < many && !weights().contains(&"model.safetensors".to_owned()),
        "{:?}",
        weights()
    );
    save_model(&second.1, place.path()).unwrap();
    loads(&second.0);
    assert_eq!(weights(), ["model.safetensors"]);
    assert!(!place.path().join("model.safetensors.index.json").exists());
    assert!(place.path().join("tokenizer.json").exists());
}

#[test]
fn learning_rates_are_those_of_transformers() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("golden/schedules.json")).unwrap();
    assert_eq!(rows.len(), 9);
    for row in rows {
        let config = TrainConfig {
            learning_rate: 3e-4,
            schedule: serde_json::from_value(row["schedule"].clone()).unwrap(),
            warmup_steps: row["warmup"].as_u64().unwrap(),
            total_steps: row["total"].as_u64().unwrap(),
            ..TrainConfig::default()
        };
        for (step, expected) in row["rates"].as_array().unwrap().iter().enumerate() {
            let (found, expected) = (config.learning_rate_at(step as u64), expected.as_f64().unwrap());
            assert!((found - expected).abs() < 1e-12, "{row}: {found} at {step}");
        }
    }
}

#[test]
fn bf16_stays_near_f32() {
    for name in SHAPES {
        let model = load_model(folder(name), &Device::flex()).unwrap();
        let (golden, half) = (golden(name), model.clone().cast(DType::BF16).unwrap());
        assert_eq!(half.dtype(), DType::BF16);
        for prompt in prompts(&golden) {
            let (exact, rough) = (logits(&model, &prompt, Slot::Off), logits(&half, &prompt, Slot::Off));
            let scale = exact.iter().map(|x| x.abs()).fold(0.0, f32::max);
            let square: f32 = exact.iter().zip(&rough).map(|(a, b)| (a - b).powi(2)).sum();
            let away = (square / exact.len() as f32).sqrt();
            // Eight bits of mantissa through two layers; random weights of sd 0.3 make logits large.
            assert!(away > 0.0 && away < 0.03 * scale, "{name}: {away} of {scale}");
        }
        // Decoding goes by burn here, with a cache in bf16.
        let settings = GenerateConfig { max_new_tokens: 8, ..GenerateConfig::default() };
        let texts = generate(&half, &prompts(&golden), &settings, &Free).unwrap();
        assert!(texts.iter().all(|text| text.tokens.len() == 8));
    }
}

#[test]
fn models_saved_here_load_in_transformers_with_equal_logits() {
    let Ok(python) = std::env::var("SEXTANT_PYTHON") else {
        // Past the test harness, which keeps what a passing test prints.
        let line = b"skipped: SEXTANT_PYTHON names no Python with transformers and peft\n";
        std::io::stderr().write_all(line).unwrap();
        return;
    };
    let model =
        load_model(folder("qwen2"), &Device::flex()).unwrap().load_adapter(folder("qwen2/adapter")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let (base, adapter) = (place.path().join("base"), place.path().join("adapter"));
    save_model_in_shards(&model, &base, 8000).unwrap();
    model.save_adapter(Slot::Active, "base", &adapter).unwrap();
    let output = Command::new(python).arg(folder("make.py")).args([&base, &adapter]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["prompts"] = golden("qwen2")["prompts"].clone();
    assert_logits(&model, &found, "logits", Slot::Off, "base");
    assert_logits(&model, &found, "adapter_logits", Slot::Active, "adapter");
}
