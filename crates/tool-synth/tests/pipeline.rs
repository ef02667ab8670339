//! The offline pipeline from the outside: reproducible whatever the threads and shards, of all types, clean, diverse; the two
//! layers find what is put in; complexity rises with what makes a sample hard.
#![cfg(feature = "synthesis")]

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::LazyLock;

use rayon::prelude::*;
use rec_core::random::stream;
use rec_core::tool::Format;
use rec_core::{Json, Trajectory};
use tool_synth::complexity::{Ngram, complexity};
use tool_synth::dlv::inject::{FAULTS, Finder};
use tool_synth::dlv::{self, examine_offline};
use tool_synth::engine::RuleEngine;
use tool_synth::sdg::{Mix, Planner, Stage, Voting, goal_metadata};
use tool_synth::shard::{self, Shard};
use tool_synth::synthesis::{Config, Synthesizer};
use tool_synth::tss::{Diversity, Grammar, Operator, Pool, PoolConfig};
use tool_synth::{export, report};

const SEED: u64 = 3;

fn grammar() -> &'static Grammar {
    Grammar::embedded()
}

static POOL: LazyLock<Pool> = LazyLock::new(|| {
    Pool::synthesise(grammar(), &PoolConfig { apis: 600, ..PoolConfig::default() }, SEED).unwrap()
});

/// Dialogues that are clean by construction: spoken as the goal asks, judged by no rule.
static CLEAN: LazyLock<Vec<Trajectory>> = LazyLock::new(|| {
    let mix = Mix::default();
    let voting = Voting { votes: 1, ..Voting::default() };
    let engine = RuleEngine::new(grammar(), &POOL, 0.0);
    let planner = Planner::new(grammar(), &POOL, &mix);
    let stage = Stage { grammar: grammar(), pool: &POOL, engine: &engine, voting: &voting };
    (0..700_u64)
        .into_par_iter()
        .filter_map(|index| {
            let plan = planner.plan(SEED, index, 0);
            let spoken = stage.speak(&plan, index).unwrap().ok()?;
            let mut sample = spoken.trajectory.clone();
            sample.id = format!("clean_{index}");
            sample.metadata.insert("type".into(), Json::from(plan.kind.name()));
            if matches!(plan.turns.last(), Some(tool_synth::sdg::Turn::Missing { .. })) {
                sample.metadata.insert("no_tool".into(), Json::from("missing_parameter"));
            }
            sample.metadata.insert("goal".into(), goal_metadata(&spoken, &plan));
            Some(sample)
        })
        .collect()
});

#[test]
fn most_goals_are_reached_by_a_solver_that_does_not_know_them() {
    assert!(CLEAN.len() > 550, "only {} of 700 plans were spoken as the goal asks", CLEAN.len());
}

#[test]
fn clean_samples_raise_no_alarm() {
    let rules = CLEAN.iter().filter(|sample| !dlv::check(sample).is_empty()).count();
    let experts = CLEAN
        .iter()
        .filter(|sample| dlv::Expert::ALL.into_iter().any(|expert| !examine_offline(expert, sample).pass))
        .count();
    assert_eq!(rules, 0);
    assert!(experts * 100 <= CLEAN.len(), "{experts} of {}", CLEAN.len());
}

#[test]
fn faults_are_found_by_the_rule_or_expert_that_they_are_meant_for() {
    assert!(FAULTS.len() >= 30);
    let kinds: HashSet<String> = FAULTS.iter().map(|fault| format!("{:?}", fault.finder)).collect();
    assert_eq!(kinds.len(), 26 + 3, "a kind for every rule and expert");
    for (number, fault) in FAULTS.iter().enumerate() {
        let (mut tried, mut found) = (0, 0);
        for (index, sample) in CLEAN.iter().enumerate() {
            if tried == 40 {
                break;
            }
            let mut sample = sample.clone();
            if !(fault.apply)(&mut sample, &mut stream(SEED, &format!("fault {number}"), index as u64)) {
                continue;
            }
            tried += 1;
            found += usize::from(match fault.finder {
                Finder::Rule(rule) => dlv::check(&sample).iter().any(|finding| finding.rule == rule),
                Finder::Expert(expert) => !examine_offline(expert, &sample).pass,
            });
        }
        assert!(tried >= 10, "{}: only {tried} samples have a place for it", fault.name);
        let least = if matches!(fault.finder, Finder::Rule(_)) { 0.99 } else { 0.95 };
        assert!(
            f64::from(found as u32) >= least * f64::from(tried as u32),
            "{}: {found} of {tried}",
            fault.name
        );
    }
}

#[test]
fn complexity_rises_with_what_makes_a_sample_hard() {
    let half = CLEAN.len() / 2;
    let model = Ngram::fit(&CLEAN[..half]);
    // The same dialogues with more tools on offer: the very thing, all else equal.
    let held = CLEAN[half..].iter().filter(|sample| sample.calls().next().is_some());
    let mut h = Vec::new();
    for (index, sample) in held.take(60).enumerate() {
        let called: HashSet<&str> = sample.calls().map(|call| call.name.as_str()).collect();
        let mut sample = sample.clone();
        sample.tools.retain(|tool| called.contains(tool.name.as_str()));
        let few = complexity(&model, &sample).unwrap();
        for more in 1..=10 {
            let other = &POOL.apis[(index * 31 + more * 17) % POOL.apis.len()].spec;
            sample.tools.push(other.clone());
        }
        h.push(complexity(&model, &sample).unwrap() - few);
    }
    let rises = h.iter().filter(|more| **more > 0.0).count();
    assert!(rises * 10 >= h.len() * 8, "{rises} of {}", h.len());
}

#[test]
fn operators_keep_the_rules_of_definition() {
    for (index, api) in POOL.apis.iter().take(150).enumerate() {
        for operator in Operator::ALL {
            let mut api = api.clone();
            operator.apply(&mut api, grammar(), &mut stream(SEED, operator.name(), index as u64));
            assert_eq!(dlv::definition::faults(&api.spec), [], "{operator:?} of {}", api.spec.name);
        }
    }
}

#[test]
fn a_pool_is_diverse_and_each_leaf_has_one_owner() {
    let mut owners: BTreeMap<usize, usize> = BTreeMap::new();
    for api in &POOL.apis {
        for leaf in &api.leaves {
            assert_eq!(
                owners.insert(*leaf, api.id),
                None,
                "{} is owned twice",
                POOL.tree.path(*leaf).join(" > ")
            );
        }
    }
    let diversity = Diversity::of(&POOL, grammar());
    assert!(diversity.nested.iter().all(|count| *count > 0), "{:?}", diversity.nested);
    assert!(diversity.domains.len() >= 30 && (diversity.distinct_names - 1.0).abs() < 1e-12);
    assert!(diversity.operators.len() >= 14, "{:?}", diversity.operators);
    assert!(diversity.mean_similarity < 0.5 && diversity.generations.len() > 2);
}

fn run(config: &Config, out: &Path, shards: u64) -> String {
    let pool = Pool::synthesise(grammar(), &config.pool, config.seed).unwrap();
    let engine = RuleEngine::new(grammar(), &pool, config.noise);
    let synthesizer = Synthesizer::new(grammar(), &pool, config, &engine).unwrap();
    for index in (0..shards).rev() {
        shard::run(&synthesizer, config, out, Shard { index, of: shards }, &mut ()).unwrap();
    }
    shard::merge(out).unwrap();
    std::fs::read_to_string(out.join("samples.jsonl")).unwrap()
}

#[test]
fn settings_that_nothing_can_be_drawn_by_are_refused() {
    let changes: [(&str, fn(&mut Config)); 7] = [
        ("levels", |config| config.pool.levels[1] = f64::INFINITY),
        ("levels", |config| config.pool.levels = [f64::MAX; 4]),
        ("types", |config| config.mix.types[0] = f64::INFINITY),
        ("turns", |config| config.mix.turns[0] = f64::NAN),
        ("noise", |config| config.noise = f64::INFINITY),
        ("voting.temperature", |config| config.voting.temperature = f64::NAN),
        ("rewrites", |config| config.rewrites = 16),
    ];
    for (name, change) in changes {
        let mut config = Config::default();
        change(&mut config);
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(name), "{name}: {error}");
    }
}

/// Adds up the samples that each block is said to have.
#[derive(Default)]
struct Told(f64);

impl rec_core::Observer for Told {
    fn progress(&mut self, progress: &rec_core::Progress<'_>) {
        self.0 += progress.values.iter().find(|(name, _)| *name == "samples").unwrap().1;
    }
}

#[test]
fn rewrites_are_not_counted_as_samples() {
    let config = Config {
        count: 40,
        prior: 32,
        pool: PoolConfig { apis: 300, ..PoolConfig::default() },
        ..Config::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let pool = Pool::synthesise(grammar(), &config.pool, config.seed).unwrap();
    let engine = RuleEngine::new(grammar(), &pool, config.noise);
    let synthesizer = Synthesizer::new(grammar(), &pool, &config, &engine).unwrap();
    let mut told = Told::default();
    shard::run(&synthesizer, &config, folder.path(), Shard::WHOLE, &mut told).unwrap();
    let (samples, tally, _) = shard::merge(folder.path()).unwrap();
    assert!(tally.rewrites > 0 && tally.experts > samples.len() as u64, "{tally:?}");
    assert_eq!(told.0, samples.len() as f64);
}

#[test]
fn the_same_bytes_for_any_number_of_threads_and_shards() {
    let config = Config {
        count: 300,
        prior: 32,
        pool: PoolConfig { apis: 300, ..PoolConfig::default() },
        ..Config::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let threads = |count: usize, name: &str, shards: u64| {
        let out = folder.path().join(name);
        let workers = rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        workers.install(|| run(&config, &out, shards))
    };
    let one = threads(1, "one", 1);
    assert_eq!(one.lines().count(), 300);
    assert!(one == threads(2, "two", 2), "another text with two threads and two shards");
    // A block that is lost is made again, the others are not touched.
    let out = folder.path().join("two");
    std::fs::remove_file(out.join("blocks/000001.json")).unwrap();
    assert!(matches!(shard::merge(&out), Err(tool_synth::Error::Invalid(_))));
    assert!(one == run(&config, &out, 1));
    let other = Config { seed: 9, ..config.clone() };
    assert!(matches!(shard::open(&out, &other), Err(tool_synth::Error::Config { .. })));

    let (samples, tally, read) = shard::merge(&out).unwrap();
    assert_eq!(read, config);
    assert!(tally.attempts >= tally.spoken && tally.spoken >= tally.rules && tally.rules >= tally.experts);
    let types: HashSet<&str> =
        samples.iter().filter_map(|sample| sample.metadata.get("type")?.as_str()).collect();
    assert_eq!(types.len(), 4);
    for sample in &samples {
        sample.check().unwrap();
        assert_eq!(dlv::check(sample), []);
        // Rows of ToolACE keep calls and roles.
        let again =
            Format::ToolAce.read(&Format::ToolAce.write(&export::published(sample)).unwrap()).unwrap();
        let calls = |sample: &Trajectory| sample.calls().map(|call| call.canonical()).collect::<Vec<_>>();
        assert_eq!(calls(&again), calls(sample));
        assert!(!serde_json::to_string(&export::published(sample)).unwrap().contains("\"goal\""));
    }
    let written = export::write_all(&samples, &out).unwrap();
    assert!(written.iter().all(|path| path.exists()));
    let page = report::leaf_through(&samples[..20]);
    assert_eq!(page.matches("<article").count(), 20);
    let pool = Pool::synthesise(grammar(), &config.pool, config.seed).unwrap();
    let card = report::data_card(&samples, &tally, &Diversity::of(&pool, grammar()), &config);
    assert!(card.contains("Why plans were given up") && card.contains("<svg"));
}

#[test]
fn bad_settings_name_their_key() {
    for (config, key) in [
        (Config { count: 0, ..Config::default() }, "count"),
        (Config { pool: PoolConfig { apis: 3, ..PoolConfig::default() }, ..Config::default() }, "apis"),
        (Config { mix: Mix { types: [0.0; 4], ..Mix::default() }, ..Config::default() }, "types"),
    ] {
        assert!(config.validate().unwrap_err().to_string().starts_with(key));
    }
    let many = PoolConfig { apis: 100_000, ..PoolConfig::default() };
    assert!(Pool::synthesise(grammar(), &many, 1).unwrap_err().to_string().contains("apis"));
}
