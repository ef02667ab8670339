//! A decoder that learns from requests, and how it is judged.

use std::collections::{BTreeMap, BTreeSet};

use causal_lm::{Batch, CausalLm, Free, GenerateConfig, Pass, Sequence, Tape, Trainer, generate};
use rand::seq::SliceRandom;
use rec_core::random::stream;

use super::experiment::AblationExperiment;
use super::requests::{Call, END, Request, Vocabulary, calls};
use crate::error::{Error, Result};

/// Measures by name.
pub type Metrics = BTreeMap<String, f64>;

fn failed(error: causal_lm::Error) -> Error {
    Error::Failed(error.to_string())
}

/// Trains a decoder from nothing; the mean loss of the last pass comes with it.
///
/// # Errors
/// A device that is not there; training that leaves the finite numbers.
pub fn learn(
    experiment: &AblationExperiment,
    vocabulary: &Vocabulary,
    requests: &[Request],
    seed: u64,
) -> Result<(CausalLm, f64)> {
    let device = cf_align::autodiff::device(&experiment.device)?.autodiff();
    let mut model = experiment.model(vocabulary.len()).init(seed, &device).map_err(failed)?;
    let mut trainer = Trainer::new(experiment.training(requests.len())).map_err(failed)?;
    let sequences: Vec<Sequence> = requests
        .iter()
        .map(|request| {
            Sequence::new(&vocabulary.encode(&request.prompt), &vocabulary.encode(&request.answer))
        })
        .collect();
    let mut last = 0.0;
    for pass in 0..experiment.passes {
        let mut random = stream(seed, "requests to learn from", pass as u64);
        let mut order: Vec<&Sequence> = sequences.iter().collect();
        order.shuffle(&mut random);
        // Steps of sequences of like length: less padding.
        for some in order.chunks_mut(16 * experiment.minibatch) {
            some.sort_by_key(|sequence| sequence.tokens.len());
        }
        let mut steps: Vec<&[&Sequence]> = order.chunks(experiment.minibatch).collect();
        steps.shuffle(&mut random);
        let mut sum = 0.0;
        for step in &steps {
            let own: Vec<Sequence> = step.iter().map(|sequence| (*sequence).clone()).collect();
            let batch = Batch::new(&own).map_err(failed)?;
            let tape = Tape::record(&model, &batch, &mut Pass::default()).map_err(failed)?;
            let loss = tape.cross_entropy();
            sum += f64::from(loss.clone().into_scalar::<f32>());
            trainer.accumulate(tape.backward(loss), 1.0);
            (model, _) = trainer.step(model).map_err(failed)?;
        }
        last = sum / steps.len() as f64;
    }
    Ok((model, last))
}

/// What the decoder writes to each request, greedily.
fn write(model: &CausalLm, vocabulary: &Vocabulary, requests: &[Request]) -> Result<Vec<Option<Vec<Call>>>> {
    let most = requests.iter().map(|request| request.answer.len()).max().unwrap_or(0) + 8;
    let config = GenerateConfig { max_new_tokens: most, end: vec![END], ..GenerateConfig::default() };
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&at| requests[at].prompt.len());
    let mut written = vec![None; requests.len()];
    for some in order.chunks(64) {
        let prompts: Vec<Vec<u32>> = some.iter().map(|&at| vocabulary.encode(&requests[at].prompt)).collect();
        let texts = generate(model, &prompts, &config, &Free).map_err(failed)?;
        for (&at, text) in some.iter().zip(&texts) {
            written[at] = calls(&vocabulary.decode(&text.tokens));
        }
    }
    Ok(written)
}

/// Judges a decoder on requests, by kind: `single` and `parallel` are the shares of those with one and with several calls that are
/// answered with all tools and arguments and no others, `irrelevance` that of those that need no call; `overall` is the mean of the
/// three. `tool` and `several_tools` leave the arguments aside, `arguments` are those of rightly chosen tools, `relevance` asks only
/// whether anything is called.
///
/// # Errors
/// What decoding reports.
pub fn judge(model: &CausalLm, vocabulary: &Vocabulary, requests: &[Request]) -> Result<Metrics> {
    let written = write(model, vocabulary, requests)?;
    let mut shares: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for (request, written) in requests.iter().zip(written) {
        let right = calls(&request.answer).unwrap_or_default();
        let mut put = |name, fits: bool| shares.entry(name).or_default().push(fits);
        // What is no answer calls nothing that there is.
        let written = written.unwrap_or_else(|| vec![Call { tool: usize::MAX, arguments: BTreeSet::new() }]);
        if right.is_empty() {
            put("irrelevance", written.is_empty());
            continue;
        }
        put("relevance", !written.is_empty());
        let tools = |calls: &[Call]| calls.iter().map(|call| call.tool).collect::<Vec<_>>();
        let (same_tools, same) = (tools(&written) == tools(&right), written == right);
        if right.len() == 1 {
            put("tool", same_tools);
            if same_tools {
                put("arguments", same);
            }
            put("single", same);
        } else {
            put("several_tools", same_tools);
            put("parallel", same);
        }
    }
    let share = |fits: &Vec<bool>| fits.iter().filter(|fits| **fits).count() as f64 / fits.len() as f64;
    let mut metrics: Metrics = shares.iter().map(|(name, fits)| ((*name).to_owned(), share(fits))).collect();
    let parts: Vec<f64> = PARTS.iter().filter_map(|name| metrics.get(*name).copied()).collect();
    metrics.insert("overall".into(), parts.iter().sum::<f64>() / parts.len().max(1) as f64);
    Ok(metrics)
}

/// What [`judge`]'s `overall` is the mean of.
const PARTS: [&str; 3] = ["single", "parallel", "irrelevance"];
