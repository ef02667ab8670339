//! SFT, DPO with random negatives and SPRec on a data set with titles: what each recommends first.
//!
//! `cargo run -p pref-opt --example sprec -- FOLDER [LEAST_RATING [SEED [ROUNDS]]]`; without arguments on the data set that
//! comes with the repository.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::Instant;

use pref_opt::burn::module::Module;
use pref_opt::burn::tensor::Device;
use pref_opt::codec::ItemCodec;
use pref_opt::data::{DataConfig, PreferenceData};
use pref_opt::loss::Objective;
use pref_opt::negatives::NegativeSource;
use pref_opt::score::LanguageRecommender;
use pref_opt::selfplay::{BaseConfig, PreferenceStage, ReferenceRule, SelfPlayConfig, Task, fit_base, play};
use pref_opt::train::StageConfig;
use pref_opt::{CausalLm, Error};
use rec_core::evaluate::Evaluator;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: f64| arguments.get(at).map_or(Ok(default), |text| text.parse::<f64>());
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../datasets/mt-mini");
    let folder = arguments.first().map_or(own, PathBuf::from);
    let windows = DataConfig {
        // MovieTweetings rates from 0 to 10.
        least_rating: number(1, if arguments.is_empty() { 8.0 } else { 4.0 })? as f32,
        ..DataConfig::default()
    };
    let (seed, rounds) = (number(2, 1.0)? as u64, number(3, 2.0)? as usize);
    let start = Instant::now();
    let data = PreferenceData::new(rec_core::read::folder(folder)?, &windows)?;
    let codec = ItemCodec::one_token(data.n_items());
    let metrics = ["ndcg@5", "hit@5", "div-ratio@1", "or-ratio@1", "mgu@1", "dgu@1"];
    let metrics = metrics.map(str::parse).into_iter().collect::<Result<Vec<_>, _>>()?;
    let (users, items) = (data.dataset.n_users(), data.n_items());
    let test = Evaluator::test(&data.split, users, items)?;
    let test = test.with_catalogue(&data.dataset.catalogue)?.with_metrics(&metrics)?;
    let validation = Evaluator::validation(&data.split, users, items)?.with_metrics(&metrics[..1])?;
    let judge = |evaluator: &Evaluator, model: &CausalLm| -> Result<Vec<(String, f64)>, Error> {
        let model = LanguageRecommender {
            model: model.clone(),
            codec: codec.clone(),
            most_history: windows.most_history,
            debias: None,
            decoder: None,
        };
        let found = evaluator.evaluate(&model)?;
        Ok(found.values.iter().map(|(name, value)| (name.to_owned(), *value)).collect())
    };
    let show = |arm: &str, round: usize, values: &[(String, f64)]| {
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        println!("{arm} round {round}: {} ({:.0} s)", values.join(", "), start.elapsed().as_secs_f64());
    };
    println!("{users} users, {items} items, {} windows", data.windows.len());
    let task = Task { data: &data, codec: &codec, seed };
    let base = fit_base(
        &task,
        &BaseConfig::default(),
        windows.most_history,
        &Device::flex(),
        &mut |model| Ok(judge(&validation, model)?[0].1),
        &mut |stage, epoch, value| {
            println!("{stage} {epoch}: {value:.4} ({:.0} s)", start.elapsed().as_secs_f64());
        },
    )?;
    show("SFT", 0, &judge(&test, &base.valid())?);
    let stage = |batch_size| StageConfig { batch_size, ..StageConfig::default() };
    let preference = |negatives, reference| {
        Some(PreferenceStage { negatives, objective: Objective::default(), reference, stage: stage(8) })
    };
    let random = NegativeSource::RandomItem { k: 1 };
    for (arm, sft, preference) in [
        ("DPO-random", None, preference(random, ReferenceRule::Initial)),
        ("SPRec", Some(stage(16)), preference(NegativeSource::Greedy, ReferenceRule::Current)),
    ] {
        let config =
            SelfPlayConfig { rounds, rows: 1024, sft, reweight: 0.0, preference, mode: Default::default() };
        play(&base, &task, &config, None, &mut |model, record| {
            show(arm, record.round, &judge(&test, model)?);
            Ok(())
        })?;
    }
    Ok(())
}
