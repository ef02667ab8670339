//! Data, models and deciders of a team.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use agents::decider::Decider;
use agents::encyclopedia::{Wikipedia, WikipediaConfig};
use agents::knowledge::Knowledge;
use agents::llm::{LlmConfig, LlmDecider, OnRuntime};
use agents::models::ModelsConfig;
use agents::policy::PolicyDecider;
use agents::protocol::{Negatives, Population, Prepared, ProtocolConfig, Sample, prepare};
use agents::trace::{ReplayDecider, Trace};
use chat_model::SharedModel;
use chat_model::http::{EndpointConfig, OpenAiCompatible};
use chat_model::layer::{Budget, BudgetConfig, Cache, CacheConfig, FitContext, Retry, RetryConfig};
use rec_core::split::{Manifest, Split};
use rec_core::{Interactions, Recommender};
use serde::Deserialize;

use crate::cli::agents::Preparation;
use crate::error::{Error, Result};
use crate::models::{self, Fit};
use crate::settings::{Setting, apply};
use crate::{data, output};

/// The data as the reference prepares it, with `seed` for the wrong candidates.
///
/// # Errors
/// [`Error::Usage`] for an unknown source of negatives; of the data.
pub fn prepared(arguments: &Preparation, seed: u64) -> Result<Prepared> {
    let source = match arguments.negatives.as_str() {
        "uniform" => Negatives::Uniform,
        "popularity" => Negatives::Popularity,
        "reference" => Negatives::Reference,
        "hard" => Negatives::Hard,
        other => {
            return Err(Error::Usage(format!(
                "--negatives {other}: accepts uniform, popularity, reference, hard"
            )));
        }
    };
    let population = match arguments.split.as_str() {
        "classic" => Population::Classic,
        "cold-start" => Population::ColdStart,
        "evolving" => Population::Evolving,
        "strict" => Population::Strict,
        other => {
            return Err(Error::Usage(format!(
                "--split {other}: accepts classic, cold-start, evolving, strict"
            )));
        }
    };
    let config = ProtocolConfig {
        source,
        negatives: arguments.candidates,
        seed,
        min_history: arguments.min_history,
        max_history: arguments.max_history,
        population,
        ..ProtocolConfig::default()
    };
    Ok(prepare(data::load(&arguments.data)?, &config)?)
}

/// What the tools know: the crate's own models, and those of `arguments.rankers`, fitted with `seed` on the training part.
///
/// # Errors
/// [`Error::Usage`] for a model that does not exist; of the models.
pub fn learn(prepared: &Prepared, arguments: &Preparation, seed: u64) -> Result<Arc<Knowledge>> {
    let mut config = ModelsConfig::default();
    config.factors.seed = seed;
    let settings: Vec<Setting> =
        arguments.settings.iter().map(|text| Setting::parse(text)).collect::<Result<_>>()?;
    let mut used = vec![false; settings.len()];
    // What is wrong with settings is said before anything is fitted.
    let mut planned = Vec::new();
    for name in &arguments.rankers {
        let model = models::find(name)?;
        let mut config = model.default_config("flex");
        apply(name, &mut config, &settings, &mut used)?;
        model.check(&config)?;
        planned.push((name, config));
    }
    if let Some(unused) = used.iter().position(|used| !used) {
        return Err(Error::Usage(format!(
            "--set {}: no model of --rankers has such a setting",
            arguments.settings[unused]
        )));
    }
    let rankers = planned
        .into_iter()
        .map(|(name, config)| Ok((name.clone(), ranker(name, &config, prepared, seed)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut knowledge = Knowledge::build_with(prepared, &config, rankers)?;
    if let Some(address) = &arguments.wikipedia {
        let config = WikipediaConfig {
            base_url: address.clone(),
            folder: arguments.wikipedia_cache.clone(),
            ..WikipediaConfig::default()
        };
        knowledge.encyclopedia = Some(Arc::new(Wikipedia::new(config, sockets()?)?));
    }
    Ok(Arc::new(knowledge))
}

/// A runtime for the sockets of what tools ask, for as long as the process lives: knowledge outlives teams.
fn sockets() -> Result<tokio::runtime::Handle> {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Error::io("the async runtime", error))?;
    Ok(RUNTIME.get_or_init(|| runtime).handle().clone())
}

/// The model called `name` of `compare`, fitted on the training part and selected on the validation part of `prepared`.
fn ranker(
    name: &str,
    config: &serde_json::Value,
    prepared: &Prepared,
    seed: u64,
) -> Result<Arc<dyn Recommender>> {
    let model = models::find(name)?;
    output::note(format!("fitting {name}"));
    let rows = |samples: &[Sample]| {
        let users = samples.iter().map(|sample| sample.user).collect();
        Interactions::from_pairs(users, samples.iter().map(|sample| sample.item).collect())
    };
    let split = Split {
        train: prepared.train.clone(),
        valid: rows(&prepared.dev),
        test: Interactions::from_pairs(Vec::new(), Vec::new()),
        fold_in: Interactions::from_pairs(Vec::new(), Vec::new()),
        manifest: Manifest::default(),
    };
    let folder = std::env::temp_dir().join(format!("sextant-agents-{}-{name}", std::process::id()));
    let fitted = model.fit(
        config,
        Fit {
            seed,
            device: "flex",
            split: &split,
            dataset: &prepared.dataset,
            n_users: prepared.dataset.n_users(),
            n_items: prepared.dataset.n_items(),
            observer: &mut (),
            checkpoint: &folder,
            checkpoint_every: Duration::from_secs(u64::from(u32::MAX)),
        },
    );
    let _ = std::fs::remove_dir_all(&folder);
    let fitted = fitted?;
    for warning in &fitted.warnings {
        output::warn(format!("{name}: {warning}"));
    }
    Ok(Arc::from(fitted.recommender))
}

/// A model behind an endpoint, and what stands between it and the agents.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    /// Where it is.
    endpoint: EndpointConfig,
    /// When it is asked again.
    #[serde(default)]
    retry: RetryConfig,
    /// What may be spent, for the run, a sample, a session.
    #[serde(default)]
    budget: Option<BudgetConfig>,
    /// Where replies are kept.
    #[serde(default)]
    cache: Option<CacheConfig>,
    /// The form of replies, the temperature, repairs.
    #[serde(default)]
    asked: LlmConfig,
}

impl ModelFile {
    /// The model: requests are shortened to its window, found in the cache, paid for, repeated.
    fn open(&self) -> chat_model::Result<SharedModel> {
        let mut model: SharedModel = Arc::new(OpenAiCompatible::new(self.endpoint.clone())?);
        model = Arc::new(Retry::new(model, self.retry.clone()));
        if let Some(budget) = &self.budget {
            model = Arc::new(Budget::new(model, budget.clone())?);
        }
        if let Some(cache) = &self.cache {
            model = Arc::new(Cache::new(model, cache.clone())?);
        }
        Ok(Arc::new(FitContext::new(model)))
    }
}

/// Who decides, what it is called, and the runtime that it needs.
pub struct Team {
    /// Decides for every agent.
    pub decider: Arc<dyn Decider>,
    /// The name in tables and traces.
    pub name: String,
    /// Where what waits for a network runs.
    pub runtime: tokio::runtime::Runtime,
    /// Whether it mostly waits, so that many samples should be in flight.
    pub waits: bool,
}

impl Team {
    /// The team of `--model`: `policy`, `http:FILE.json`, `local:FOLDER` or `replay:TRACE.jsonl`.
    ///
    /// # Errors
    /// [`Error::Usage`] for another form or an endpoint's file that does not hold; of the files.
    pub fn new(model: &str, knowledge: &Knowledge) -> Result<Self> {
        let runtime =
            tokio::runtime::Runtime::new().map_err(|error| Error::io("the async runtime", error))?;
        let (kind, rest) = model.split_once(':').unwrap_or((model, ""));
        match kind {
            "policy" => {
                let decider = Arc::new(PolicyDecider::new(knowledge.calibration.clone()));
                Ok(Self { decider, name: "rules (no language model)".into(), runtime, waits: false })
            }
            "replay" => {
                let trace = Trace::read(rest.as_ref())?;
                // The model's own name, so that a replayed trace comes out byte for byte.
                let name = trace.header.model.clone();
                Ok(Self { decider: Arc::new(ReplayDecider::new(&trace)?), name, runtime, waits: false })
            }
            "http" => {
                let text = std::fs::read_to_string(rest).map_err(|error| Error::io(rest, error))?;
                let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("{rest}: {error}"));
                let file: ModelFile = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
                let name = file.endpoint.model.clone();
                let model = file.open().map_err(|error| wrong(&error))?;
                let decider = Arc::new(LlmDecider::new(model, file.asked));
                let decider = Arc::new(OnRuntime::new(decider, runtime.handle().clone()));
                Ok(Self { decider, name, runtime, waits: true })
            }
            #[cfg(feature = "local-lm")]
            "local" => {
                let local = super::local::LocalModel::open(rest.as_ref(), "flex")?;
                let model = Arc::new(FitContext::new(Arc::new(local)));
                let name = chat_model::ChatModel::capabilities(&model).model;
                let decider = Arc::new(LlmDecider::new(model, LlmConfig::default()));
                Ok(Self { decider, name, runtime, waits: false })
            }
            #[cfg(not(feature = "local-lm"))]
            "local" => Err(Error::Usage("--model local: build with --features local-lm".into())),
            _ => Err(Error::Usage(format!(
                "--model {model}: accepts policy, http:FILE.json, local:FOLDER, replay:TRACE.jsonl"
            ))),
        }
    }
}
