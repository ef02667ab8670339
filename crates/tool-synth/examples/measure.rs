//! Measures the two layers and the complexity: recall of every kind of fault, false alarms on clean samples, and how complexity
//! goes with candidates, calls and dissimilarity.
//!
//! `cargo run -p tool-synth --example measure -- 10000 1000 2000`: clean samples, faults a kind, samples of the correlations.
#![allow(clippy::print_stdout)]

use rayon::prelude::*;
use rec_core::random::stream;
use rec_core::statistics::spearman;
use rec_core::{Json, Trajectory};
use tool_synth::complexity::{Ngram, complexity};
use tool_synth::dlv::inject::{FAULTS, Finder};
use tool_synth::dlv::{self, Expert, examine_offline};
use tool_synth::engine::RuleEngine;
use tool_synth::sdg::{Mix, Planner, Stage, Turn, Voting, goal_metadata, wishes};
use tool_synth::tss::{Grammar, Pool, PoolConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let at = |index: usize, default: usize| numbers.get(index).copied().unwrap_or(default);
    let (wanted, faults, pairs) = (at(0, 10_000), at(1, 1_000), at(2, 2_000));
    let (seed, grammar) = (11, Grammar::embedded());
    let pool = Pool::synthesise(grammar, &PoolConfig::default(), seed)?;
    let (mix, voting) = (Mix::default(), Voting { votes: 1, ..Voting::default() });
    let engine = RuleEngine::new(grammar, &pool, 0.0);
    let planner = Planner::new(grammar, &pool, &mix);
    let stage = Stage { grammar, pool: &pool, engine: &engine, voting: &voting };
    // Clean by construction: spoken as the goal asks, judged by no rule and no expert.
    let clean: Vec<(Trajectory, usize)> = (0..wanted as u64 * 5 / 4)
        .into_par_iter()
        .filter_map(|index| {
            let plan = planner.plan(seed, index, 0);
            let spoken = stage.speak(&plan, index).ok()?.ok()?;
            let mut sample = spoken.trajectory.clone();
            sample.id = format!("clean_{index}");
            if matches!(plan.turns.last(), Some(Turn::Missing { .. })) {
                sample.metadata.insert("no_tool".into(), Json::from("missing_parameter"));
            }
            sample.metadata.insert("goal".into(), goal_metadata(&spoken, &plan));
            let mut apis: Vec<usize> = plan.turns.iter().flat_map(wishes).map(|wish| wish.api).collect();
            apis.sort_unstable();
            apis.dedup();
            Some((sample, apis.len()))
        })
        .collect();
    println!("{} of {} plans are spoken as the goal asks", clean.len(), wanted * 5 / 4);
    let clean = &clean[..wanted.min(clean.len())];
    let alarms =
        |by: &(dyn Fn(&Trajectory) -> bool + Sync)| clean.par_iter().filter(|(sample, _)| by(sample)).count();
    let share = |count: usize| 100.0 * count as f64 / clean.len() as f64;
    let rules = alarms(&|sample| !dlv::check(sample).is_empty());
    let experts =
        alarms(&|sample| Expert::ALL.into_iter().any(|expert| !examine_offline(expert, sample).pass));
    println!(
        "false alarms on {} clean samples: rules {rules} ({:.3} %), experts {experts} ({:.3} %)",
        clean.len(),
        share(rules),
        share(experts)
    );
    for (number, fault) in FAULTS.iter().enumerate() {
        let name = format!("fault {number}");
        let verdicts: Vec<bool> = clean
            .par_iter()
            .enumerate()
            .filter_map(|(index, (sample, _))| {
                let mut sample = sample.clone();
                (fault.apply)(&mut sample, &mut stream(seed, &name, index as u64)).then(|| {
                    match fault.finder {
                        Finder::Rule(rule) => dlv::check(&sample).iter().any(|finding| finding.rule == rule),
                        Finder::Expert(expert) => !examine_offline(expert, &sample).pass,
                    }
                })
            })
            .collect();
        let tried = &verdicts[..verdicts.len().min(faults)];
        let found = tried.iter().filter(|found| **found).count();
        println!(
            "{:<44} {:?} {found} of {} ({:.2} %)",
            fault.name,
            fault.finder,
            tried.len(),
            100.0 * found as f64 / tried.len().max(1) as f64
        );
    }
    let with_calls: Vec<&(Trajectory, usize)> =
        clean.iter().filter(|(sample, _)| sample.calls().next().is_some()).collect();
    let half = with_calls.len() / 2;
    let model = Ngram::fit(with_calls[..half].iter().take(1_000).map(|(sample, _)| sample));
    let held = &with_calls[half..(half + pairs).min(with_calls.len())];
    let h: Vec<f64> =
        held.par_iter().map(|(sample, _)| complexity(&model, sample).unwrap_or(f64::NAN)).collect();
    let measures: [(&str, Vec<f64>); 2] = [
        ("candidates", held.iter().map(|(sample, _)| sample.tools.len() as f64).collect()),
        ("APIs used", held.iter().map(|(_, used)| *used as f64).collect()),
    ];
    for (name, values) in &measures {
        let (rho, p) = spearman(&h, values);
        println!("Spearman of H and {name}: {rho:.3}, p {p:.1e}, {} samples", h.len());
    }
    let dissimilar: Vec<f64> =
        held.iter().map(|(sample, _)| tool_synth::synthesis::dissimilarity(sample)).collect();
    let (rho, p) = spearman(&h, &dissimilar);
    println!("Spearman of H and dissimilarity: {rho:.3}, p {p:.1e}, {} samples", h.len());
    Ok(())
}
