//! Running an experiment: seed by seed and arm by arm, each in a run folder of its own.

use std::collections::BTreeMap;
use std::path::Path;

use rec_core::Trajectory;
use serde::{Deserialize, Serialize};

use super::arms::Arm;
use super::data::{Source, composition};
use super::experiment::AblationExperiment;
use super::learner::{Metrics, judge, learn};
use super::requests::{Request, Vocabulary, request};
use crate::children::prepare;
use crate::cli::Existing;
use crate::error::Result;
use crate::machine::processor_seconds;
use crate::output;

/// `config.toml` of a run folder: everything that its result hangs on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AblationJob {
    arm: String,
    seed: u64,
    experiment: AblationExperiment,
}

/// `result.json` of a run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AblationRun {
    /// The seed.
    pub seed: u64,
    /// What was measured on held-out dialogues.
    pub metrics: Metrics,
    /// What the training set is made of.
    pub composition: BTreeMap<String, f64>,
    /// The mean loss of the last pass.
    pub loss: f64,
    /// Processor seconds of training and judging; 0 where the system does not tell.
    pub seconds: f64,
}

/// An arm and its runs.
#[derive(Clone, Debug)]
pub struct ArmResult {
    /// The arm.
    pub arm: &'static Arm,
    /// Its runs in the order of seeds.
    pub runs: Vec<AblationRun>,
}

/// What all runs share, made when the first of them needs it.
struct Shared<'a> {
    source: Source<'a>,
    held_out: Vec<Request>,
}

impl<'a> Shared<'a> {
    fn new(experiment: &'a AblationExperiment) -> Result<Self> {
        let source = Source::new(experiment)?;
        let held_out = source.held_out.iter().map(request).collect();
        Ok(Self { source, held_out })
    }
}

/// A seed's dialogues, and the words of all that is read and written with it: a reader knows how to spell words that it has not
/// learnt yet.
struct OfSeed {
    corpus: Vec<Trajectory>,
    vocabulary: Vocabulary,
}

/// How often a word must occur to be a token.
const LEAST: usize = 2;

impl OfSeed {
    fn new(shared: &Shared<'_>, seed: u64) -> Result<Self> {
        let corpus = shared.source.corpus(seed)?;
        let requests: Vec<Request> = corpus.iter().map(request).collect();
        let vocabulary = Vocabulary::of(requests.iter().chain(&shared.held_out), LEAST);
        Ok(Self { corpus, vocabulary })
    }
}

/// Runs what is not finished yet and gives all results.
///
/// # Errors
/// What the experiment, its data, training and judging report.
pub fn execute(experiment: &AblationExperiment, folder: &Path, existing: Existing) -> Result<Vec<ArmResult>> {
    let arms = experiment.arms()?;
    let mut results: Vec<ArmResult> = arms.iter().map(|&arm| ArmResult { arm, runs: Vec::new() }).collect();
    // The seeds and arms of a table do not decide what one of its runs is.
    let common = AblationExperiment {
        about: String::new(),
        arms: Vec::new(),
        seeds: Vec::new(),
        ..experiment.clone()
    };
    let bar = output::progress((arms.len() * experiment.seeds.len()) as u64);
    let mut shared: Option<Shared<'_>> = None;
    for &seed in &experiment.seeds {
        let mut of_seed: Option<OfSeed> = None;
        for result in &mut results {
            let arm = result.arm;
            bar.set_message(format!("{} (seed {seed})", arm.name));
            let job = AblationJob { arm: arm.name.to_owned(), seed, experiment: common.clone() };
            let path = folder.join(arm.name).join(seed.to_string());
            let mut run = prepare(&path, &job, existing)?;
            let done = match run.result()? {
                Some(done) => done,
                None => {
                    let shared = match &mut shared {
                        Some(shared) => shared,
                        none => none.insert(Shared::new(experiment)?),
                    };
                    let of_seed = match &mut of_seed {
                        Some(of_seed) => of_seed,
                        none => none.insert(OfSeed::new(shared, seed)?),
                    };
                    let done = work(experiment, shared, of_seed, arm, seed)?;
                    run.finish(&done)?;
                    done
                }
            };
            result.runs.push(done);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(results)
}

fn work(
    experiment: &AblationExperiment,
    shared: &Shared<'_>,
    of_seed: &OfSeed,
    arm: &Arm,
    seed: u64,
) -> Result<AblationRun> {
    let samples = shared.source.arm(arm, &of_seed.corpus, seed)?;
    let requests: Vec<Request> = samples.iter().map(request).collect();
    let before = processor_seconds().unwrap_or(0.0);
    let (model, loss) = learn(experiment, &of_seed.vocabulary, &requests, seed)?;
    let metrics = judge(&model, &of_seed.vocabulary, &shared.held_out)?;
    let seconds = processor_seconds().unwrap_or(0.0) - before;
    output::note(format!(
        "{} (seed {seed}): {:.1} % overall on held-out tools, loss {loss:.3}, {seconds:.0} s",
        arm.name,
        100.0 * metrics.get("overall").copied().unwrap_or(0.0)
    ));
    Ok(AblationRun { seed, metrics, composition: composition(&samples), loss, seconds })
}
