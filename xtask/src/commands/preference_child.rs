//! The hidden command that makes a seed's base policy, or plays the rounds of one arm with one seed, as its run folder
//! says.

use std::collections::BTreeMap;
use std::time::Instant;

use pref_opt::CausalLm;
use pref_opt::burn::module::Module;
use pref_opt::codec::ItemCodec;
use pref_opt::data::PreferenceData;
use pref_opt::negatives::NegativeSource;
use pref_opt::selfplay::{SelfPlayConfig, Task, fit_base, play};
use pref_opt::{theory, weights};
use rec_core::run::{RunFolder, Start};

use crate::children::{self, Beat, Said};
use crate::cli::Child;
use crate::error::{Error, Result};
use crate::preferences::arms;
use crate::preferences::execute::{PreferenceJob, PreferenceRun, base_of, load};
use crate::preferences::experiment::Profile;
use crate::preferences::judge::{Judge, shares, top3};

/// The base policy in its run folder.
const BASE: &str = "base.safetensors";

/// Does what the run folder says.
///
/// # Errors
/// [`Error::Data`] if the data is not that of the parent, and everything that training and judging report.
pub fn preference_child(arguments: &Child) -> Result<()> {
    let start = Instant::now();
    let job: PreferenceJob = children::read_job(&arguments.folder)?;
    let mut run = RunFolder::open(&arguments.folder, &job, Start::Resume)?;
    let (data, sha256) = load(&job.data, &job.windows)?;
    if sha256 != job.data_sha256 {
        return Err(Error::Data(format!("{}: the data changed since the run began", job.data)));
    }
    let codec = match job.profile {
        Profile::ItemToken => ItemCodec::one_token(data.n_items()),
        #[cfg(feature = "text")]
        Profile::Titles { vocab_size } => pref_opt::titles::learn_titles(&data.titles(), vocab_size)?.0,
        #[cfg(not(feature = "text"))]
        Profile::Titles { .. } => {
            return Err(Error::Usage("titles need the feature text, without which xtask was built".into()));
        }
    };
    let judge = Judge::new(&data, &codec, &job.windows)?;
    let device = cf_align::autodiff::device(&job.device)?;
    let task = Task { data: &data, codec: &codec, seed: job.seed };
    let mut phases = BTreeMap::new();
    phases.insert("data".to_owned(), start.elapsed().as_secs_f64());
    let Some(rounds) = &job.rounds else {
        let (mut metrics, mut clock) = (Vec::new(), Instant::now());
        let base = fit_base(
            &task,
            &job.base,
            job.windows.most_history,
            &device,
            &mut |model| judge.validate(model).map_err(into_preference),
            &mut |stage, epoch, value| {
                let seconds = std::mem::replace(&mut clock, Instant::now()).elapsed().as_secs_f64();
                *phases.entry(stage.to_owned()).or_default() += seconds;
                metrics.push((stage.to_owned(), epoch, value));
            },
        )?;
        for (place, (stage, epoch, value)) in metrics.iter().enumerate() {
            let names = match stage.as_str() {
                "pretrain" => ["pretrain_epoch", "pretrain_loss"],
                _ => ["sft_epoch", "valid_ndcg@5"],
            };
            run.metrics().append(place + 1, &[(names[0], *epoch as f64), (names[1], *value)])?;
        }
        run.write_file(BASE, &weights::to_bytes(&base, "")?)?;
        let (values, recommended) = judge.judge(&base.valid(), None)?;
        let result = PreferenceRun {
            seed: job.seed,
            start: values,
            start_recommended: recommended,
            rounds: Vec::new(),
            theory: BTreeMap::new(),
            theory_points: Vec::new(),
            phases,
            seconds: start.elapsed().as_secs_f64(),
        };
        run.finish(&result)?;
        return Ok(());
    };
    let path = base_of(&arguments.folder, job.seed).join(BASE);
    let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
    let shape = pref_opt::CausalLmConfig { vocab_size: codec.vocab_size(), ..job.base.model.clone() };
    let fresh = shape.init(job.seed, &device.autodiff()).map_err(pref_opt::Error::from)?;
    let (mut base, _) = weights::from_bytes(fresh, &bytes)?;
    if let Some(lora) = &job.lora {
        base = base.add_lora(lora, job.seed).map_err(pref_opt::Error::from)?;
    }
    let arm = arms::find(job.arm.as_deref().unwrap_or_default())?;
    // D3 takes off what the policy gives an item whatever the history.
    let debias = match arm.decoding_only {
        true => Some(
            judge.marginal(&base.valid())?.iter().map(|share| share.max(1e-12).ln() as f32 * 0.3).collect(),
        ),
        false => None,
    };
    let clock = Instant::now();
    let (values, recommended) = judge.judge(&base.valid(), debias)?;
    let (mut judging, clock) = (clock.elapsed().as_secs_f64(), Instant::now());
    let (policy, records) = play(&base, &task, rounds, Some(&mut run), &mut |model, record| {
        let clock = Instant::now();
        let (values, recommended) = judge.judge(model, None).map_err(into_preference)?;
        record.evaluation = values;
        record.recommended = recommended;
        judging += clock.elapsed().as_secs_f64();
        children::say(&Said::Beat(Beat {
            epoch: record.round,
            epochs: rounds.rounds,
            quality: record.evaluation.get("ndcg@5").copied(),
        }));
        Ok(())
    })?;
    phases.insert("rounds and judging".to_owned(), clock.elapsed().as_secs_f64());
    phases.insert("judging".to_owned(), judging);
    let clock = Instant::now();
    let (theory, theory_points) = compare_with_theory(&judge, &data, &base, &policy, rounds)?;
    phases.insert("theory".to_owned(), clock.elapsed().as_secs_f64());
    let result = PreferenceRun {
        seed: job.seed,
        start: values,
        start_recommended: recommended,
        theory,
        theory_points,
        rounds: records,
        phases,
        seconds: start.elapsed().as_secs_f64(),
    };
    run.finish(&result)?;
    Ok(())
}

fn into_preference(error: Error) -> pref_opt::Error {
    match error {
        Error::Core(error) => error.into(),
        other => pref_opt::Error::invalid(other.to_string()),
    }
}

/// Groups of items in the picture of theory and measurement.
const GROUPS: usize = 12;

/// The distribution over items at the end beside the optimum that theory gives for it, where negatives do not come from the
/// policy.
fn compare_with_theory(
    judge: &Judge,
    data: &PreferenceData,
    base: &CausalLm,
    policy: &CausalLm,
    rounds: &SelfPlayConfig,
) -> Result<(BTreeMap<String, f64>, Vec<[f64; 2]>)> {
    let nothing = (BTreeMap::new(), Vec::new());
    let Some(preference) = &rounds.preference else { return Ok(nothing) };
    let p = shares(&data.target_counts);
    let q = match &preference.negatives {
        NegativeSource::RandomItem { .. } => vec![1.0 / p.len() as f64; p.len()],
        _ => return Ok(nothing),
    };
    let (before, after) = (judge.marginal(&base.valid())?, judge.marginal(&policy.valid())?);
    let best = theory::optimum(&before, &p, &q, preference.objective.beta);
    let mut values = BTreeMap::from([
        ("top3_start".to_owned(), top3(&before)),
        ("top3_predicted".to_owned(), top3(&best)),
        ("top3_measured".to_owned(), top3(&after)),
        ("distance_to_start".to_owned(), theory::total_variation(&after, &before)),
        ("distance_to_predicted".to_owned(), theory::total_variation(&after, &best)),
    ]);
    values.insert("sharpening".into(), judge.sharpening(&base.valid(), &policy.valid())?);
    if let Some(slope) = theory::realised_slope(&after, &before, &p, &q) {
        values.insert("slope".into(), slope);
    }
    Ok((values, theory::grouped_change(&after, &before, &p, &q, GROUPS)))
}
