//! Tools in two parts, dialogues over each, and what is made of them for an arm.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use rec_core::random::{Random, stream};
use rec_core::{Json, Trajectory};
use tool_synth::dlv::inject::FAULTS;
use tool_synth::dlv::{Expert, examine_offline, first_finding};
use tool_synth::engine::RuleEngine;
use tool_synth::sdg::{Mix, Voting};
use tool_synth::synthesis::{Config, Synthesizer};
use tool_synth::tss::{Grammar, Pool, PoolConfig, clusters};

use super::arms::{Arm, Kind};
use super::experiment::AblationExperiment;
use super::requests::request;
use crate::error::{Error, Result};

/// Clusters of the tools' tree.
pub const CLUSTERS: usize = 30;

/// As many times the dialogues of an arm are made for a seed: thirds, and what replaces faults, come from them.
const RESERVE: usize = 3;

/// The tools that dialogues are made with, and dialogues over those that nobody learns.
pub struct Source<'a> {
    experiment: &'a AblationExperiment,
    known: Pool,
    clusters: Vec<usize>,
    /// Held-out dialogues: all types, no faults, tools that are in no training set.
    pub held_out: Vec<Trajectory>,
}

/// The tools of a pool that are wanted, as a pool.
fn part(pool: &Pool, wanted: impl Fn(usize) -> bool) -> Pool {
    let mut apis: Vec<_> = pool.apis.iter().filter(|api| wanted(api.id)).cloned().collect();
    for (id, api) in apis.iter_mut().enumerate() {
        api.id = id;
    }
    Pool { tree: pool.tree.clone(), apis, coverage: pool.coverage }
}

impl<'a> Source<'a> {
    /// Makes the tools and the held-out dialogues.
    ///
    /// # Errors
    /// As [`Pool::synthesise`] and [`Source::dialogues`].
    pub fn new(experiment: &'a AblationExperiment) -> Result<Self> {
        let config = PoolConfig { apis: experiment.apis, ..PoolConfig::default() };
        let pool = Pool::synthesise(Grammar::embedded(), &config, experiment.data_seed)?;
        let every = experiment.held_out_every;
        let known = part(&pool, |id| id % every != 0);
        let fresh = part(&pool, |id| id % every == 0);
        let clusters = clusters(&known, CLUSTERS);
        let mut source = Self { experiment, known, clusters, held_out: Vec::new() };
        source.held_out = source.dialogues(&fresh, experiment.held_out, experiment.data_seed)?;
        Ok(source)
    }

    /// Verified dialogues of one request over a pool's tools.
    ///
    /// # Errors
    /// As [`Synthesizer::new`] and [`Synthesizer::sample`].
    fn dialogues(&self, pool: &Pool, count: usize, seed: u64) -> Result<Vec<Trajectory>> {
        let mix = Mix {
            types: [0.4, 0.3, 0.0, 0.3],
            candidates: self.experiment.candidates,
            turns: [1.0, 0.0, 0.0, 0.0],
            withheld: 0.0,
            ..Mix::default()
        };
        let config = Config {
            count: count as u64,
            seed,
            mix,
            voting: Voting { votes: 1, ..Voting::default() },
            // Complexity is measured and nothing is rewritten: the thirds are to differ.
            rewrites: 0,
            epoch: count as u64,
            ..Config::default()
        };
        let grammar = Grammar::embedded();
        let engine = RuleEngine::new(grammar, pool, config.noise);
        let synthesizer = Synthesizer::new(grammar, pool, &config, &engine)?;
        let made: Vec<_> = (0..count as u64)
            .into_par_iter()
            .map(|index| synthesizer.sample(index))
            .collect::<Result<_, _>>()?;
        Ok(made.into_iter().filter_map(|(sample, _)| sample).collect())
    }

    /// The dialogues of a seed that all arms but those of fewer clusters are cut from.
    ///
    /// # Errors
    /// As for the held-out ones.
    pub fn corpus(&self, seed: u64) -> Result<Vec<Trajectory>> {
        self.dialogues(&self.known, RESERVE * self.experiment.dialogues, seed)
    }

    /// The training set of an arm.
    ///
    /// # Errors
    /// [`Error::Data`] if the corpus does not hold as many dialogues; what making others fails with.
    pub fn arm(&self, arm: &Arm, corpus: &[Trajectory], seed: u64) -> Result<Vec<Trajectory>> {
        let wanted = self.experiment.dialogues;
        let own: Vec<Trajectory> = match arm.kind {
            Kind::Whole => corpus.iter().take(wanted).cloned().collect(),
            Kind::Faulty { layers } => self.faulty(corpus, layers, seed),
            Kind::Third(third) => {
                let mut sorted: Vec<&Trajectory> = corpus.iter().collect();
                sorted.sort_by(|a, b| complexity(a).total_cmp(&complexity(b)));
                let from = third * (sorted.len() - wanted.min(sorted.len())) / 2;
                sorted.into_iter().skip(from).take(wanted).cloned().collect()
            }
            Kind::Clusters(count) => {
                let mut all: Vec<usize> =
                    self.clusters.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
                all.shuffle(&mut stream(seed, "clusters of tools", 0));
                all.truncate(count);
                let pool = part(&self.known, |id| all.contains(&self.clusters[id]));
                self.dialogues(&pool, wanted, seed)?
            }
            Kind::Without(kind) => {
                corpus.iter().filter(|sample| type_of(sample) != kind).take(wanted).cloned().collect()
            }
        };
        if own.len() * 100 < wanted * 99 {
            return Err(Error::Data(format!("{}: {} dialogues of {wanted}", arm.name, own.len())));
        }
        Ok(own)
    }

    /// Dialogues of which some got a fault that changes what is learnt; what the layers find is replaced by the next dialogue of
    /// the same type that they let pass, as the pipeline does.
    fn faulty(&self, corpus: &[Trajectory], layers: usize, seed: u64) -> Vec<Trajectory> {
        let wanted = self.experiment.dialogues.min(corpus.len());
        let spoilt = |(at, sample): (usize, &Trajectory)| {
            let mut random = stream(seed, "faults in dialogues", at as u64);
            let mut sample = sample.clone();
            if random.random_bool(self.experiment.faults) {
                spoil(&mut sample, &mut random);
            }
            let passes = (layers < 1 || first_finding(&sample).is_none())
                && (layers < 2
                    || Expert::ALL.into_iter().all(|expert| examine_offline(expert, &sample).pass));
            (sample, passes)
        };
        let all: Vec<(Trajectory, bool)> =
            corpus.par_iter().enumerate().map(|(at, sample)| spoilt((at, sample))).collect();
        let (first, rest) = all.split_at(wanted);
        let mut spare: BTreeMap<String, VecDeque<&Trajectory>> = BTreeMap::new();
        for (sample, _) in rest.iter().filter(|(_, passes)| *passes) {
            spare.entry(type_of(sample).to_owned()).or_default().push_back(sample);
        }
        let kept = |(sample, passes): &(Trajectory, bool)| {
            if *passes {
                return Some(sample.clone());
            }
            spare.get_mut(type_of(sample)).and_then(VecDeque::pop_front).cloned()
        };
        first.iter().filter_map(kept).collect()
    }
}

fn complexity(sample: &Trajectory) -> f64 {
    sample.metadata.get("complexity").and_then(Json::as_f64).unwrap_or(0.0)
}

/// The type that a dialogue was planned as.
pub fn type_of(sample: &Trajectory) -> &str {
    sample.metadata.get("type").and_then(Json::as_str).unwrap_or_default()
}

/// Puts a fault in that changes the answer which is learnt, if one of a few that are drawn finds a place; faults elsewhere (in
/// what tools reply, say) teach nothing wrong here.
fn spoil(sample: &mut Trajectory, random: &mut Random) {
    let right = request(sample).answer;
    for _ in 0..40 {
        let mut other = sample.clone();
        let fault = &FAULTS[random.random_range(0..FAULTS.len())];
        if (fault.apply)(&mut other, random) && request(&other).answer != right {
            *sample = other;
            return;
        }
    }
}

/// What a training set is made of, in shares and means.
pub fn composition(samples: &[Trajectory]) -> BTreeMap<String, f64> {
    let share = |fits: &dyn Fn(&Trajectory) -> bool| {
        samples.iter().filter(|sample| fits(sample)).count() as f64 / samples.len().max(1) as f64
    };
    let called: BTreeSet<&str> =
        samples.iter().flat_map(Trajectory::calls).map(|call| call.name.as_str()).collect();
    let complexity = samples.iter().map(complexity).sum::<f64>() / samples.len().max(1) as f64;
    [
        ("one_call", share(&|sample| sample.calls().count() == 1)),
        ("several_calls", share(&|sample| sample.calls().count() > 1)),
        ("no_call", share(&|sample| sample.calls().count() == 0)),
        ("tools_called", called.len() as f64),
        ("complexity", complexity),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::arms::find;
    use super::super::requests::calls;
    use super::*;

    fn small() -> AblationExperiment {
        AblationExperiment { apis: 300, dialogues: 60, held_out: 30, ..AblationExperiment::default() }
    }

    #[test]
    fn arms_hold_what_they_say() {
        let experiment = small();
        let source = Source::new(&experiment).unwrap();
        let corpus = source.corpus(1).unwrap();
        let arm = |name: &str| source.arm(find(name).unwrap(), &corpus, 1).unwrap();
        let names = |samples: &[Trajectory]| -> BTreeSet<String> {
            samples.iter().flat_map(|sample| &sample.tools).map(|tool| tool.name.clone()).collect()
        };
        let whole = arm("whole");
        assert_eq!(whole.len(), experiment.dialogues);
        assert!(names(&corpus).is_disjoint(&names(&source.held_out)));
        assert!(arm("no-parallel").iter().all(|sample| type_of(sample) != "parallel"));
        assert!(arm("no-no-tool").iter().all(|sample| type_of(sample) != "no_tool"));
        let hardest = |name: &str| arm(name).iter().map(complexity).fold(0.0, f64::max);
        assert!(hardest("easy") < hardest("medium") && hardest("medium") < hardest("hard"));
        assert!(names(&arm("clusters-6")).len() < names(&whole).len());
    }

    #[test]
    fn verification_takes_out_faults_and_keeps_the_types() {
        let experiment = AblationExperiment { faults: 1.0, ..small() };
        let source = Source::new(&experiment).unwrap();
        let corpus = source.corpus(2).unwrap();
        let right: BTreeMap<&str, super::super::requests::Request> =
            corpus.iter().map(|sample| (sample.id.as_str(), request(sample))).collect();
        let wrong = |samples: &[Trajectory]| {
            let changed = |sample: &&Trajectory| request(sample).answer != right[sample.id.as_str()].answer;
            samples.iter().filter(changed).count()
        };
        let [none, rules, both] = [0, 1, 2].map(|layers| source.faulty(&corpus, layers, 2));
        let called = none.iter().filter(|sample| type_of(sample) != "no_tool").count();
        assert!(wrong(&none) * 10 >= called * 9, "{} of {called}", wrong(&none));
        assert!(wrong(&rules) < wrong(&none));
        assert_eq!(wrong(&both), 0);
        assert!(both.iter().all(|sample| calls(&request(sample).answer).is_some()));
    }
}
