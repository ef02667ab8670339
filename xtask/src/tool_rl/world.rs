//! The back office of an experiment: who demonstrates on which tasks, and how policies and scripts are judged.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::seq::SliceRandom;
use rec_core::random::stream;
use tool_rl::backoffice::{
    Backoffice, BackofficeCodec, Expert, ExpertConfig, Task, TaskConfig, Tier, random_call,
};
use tool_rl::lm::{Draw, Job, RolloutConfig, rollout};
use tool_rl::{CausalLm, Episode, Limits, play, summarise};

use super::rows::Script;
use crate::error::Result;

/// A set of tasks, each with a world of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tasks {
    /// What experts demonstrate, by seed.
    Demonstrated(u64),
    /// What methods train on, by seed: the same tasks for every method.
    Trained(u64),
    /// What choices are made on; the same for all seeds.
    Validation,
    /// What the tables are made on; the same for all seeds.
    Test,
}

impl Tasks {
    /// The tasks' settings; no two sets share a seed.
    pub fn config(self) -> TaskConfig {
        let seed = match self {
            Self::Demonstrated(seed) => 4 * seed,
            Self::Trained(seed) => 4 * seed + 1,
            Self::Validation => 2,
            Self::Test => 3,
        };
        TaskConfig { seed, ..TaskConfig::default() }
    }
}

/// Episodes of one tier.
pub type OfTier = (Tier, Vec<Episode>);

/// Metrics by name.
pub type Metrics = BTreeMap<String, f64>;

/// The tasks of every tier, `count` each (or of the one tier given), as episodes to be.
///
/// # Errors
/// As [`Backoffice::task_of`].
pub fn jobs(
    office: &Backoffice,
    tasks: Tasks,
    tiers: &[Tier],
    count: u64,
) -> Result<Vec<(Tier, Vec<Job<Arc<Task>>>)>> {
    let config = tasks.config();
    let of = |&tier: &Tier| {
        let job = |at: u64| {
            // Numbers tell episodes of a set apart; failures and draws hang on them.
            let number = (tier as u64) << 32 | at;
            let task = office.task_of(&config, tier, at)?;
            Ok(Job { task, number, group: number, seed: number, stream: number })
        };
        Ok((tier, (0..count).map(job).collect::<Result<Vec<_>>>()?))
    };
    tiers.iter().map(of).collect()
}

/// The policy's episodes on the tasks, tier by tier.
///
/// # Errors
/// As [`rollout()`].
pub fn roll(
    policy: &CausalLm,
    office: &Backoffice,
    jobs: &[(Tier, Vec<Job<Arc<Task>>>)],
    draw: Draw,
) -> Result<Vec<OfTier>> {
    let config = RolloutConfig { draw, batch: 256, ..RolloutConfig::default() };
    // One batch over all tiers: long episodes of one do not wait for another's.
    let all: Vec<_> = jobs.iter().flat_map(|(_, jobs)| jobs.iter().cloned()).collect();
    let mut episodes = rollout(policy, office, &BackofficeCodec, &all, &config)?.into_iter();
    Ok(jobs.iter().map(|(tier, jobs)| (*tier, episodes.by_ref().take(jobs.len()).collect())).collect())
}

/// Shares of tasks passed: `PREFIX_t1` to `PREFIX_tu`, and `PREFIX_all` over all tasks, of which every tier has as many.
pub fn passes(prefix: &str, judged: &[OfTier]) -> Metrics {
    let named = |name: &str, pass: f64| (format!("{prefix}_{name}"), pass);
    let tiers = judged
        .iter()
        .map(|(tier, episodes)| named(&format!("{tier:?}").to_lowercase(), summarise(episodes).pass));
    let all = summarise(judged.iter().flat_map(|(_, episodes)| episodes)).pass;
    tiers.chain([named("all", all)]).collect()
}

/// [`passes`] as `pass_…`, and what else a table says of episodes.
pub fn measures(judged: &[OfTier]) -> Metrics {
    let mut metrics = passes("pass", judged);
    let all = summarise(judged.iter().flat_map(|(_, episodes)| episodes));
    let t3 = judged.iter().find(|(tier, _)| *tier == Tier::T3).map(|(_, episodes)| summarise(episodes));
    for (name, value) in [
        ("tool_success", all.tool_success),
        ("recall", all.recall),
        ("redundant", all.redundant),
        ("invalid", all.invalid),
        ("finish", Some(all.finish)),
        ("give_up", Some(all.give_up)),
        ("pass_given_finish", all.pass_given_finish),
        ("score", Some(all.score)),
        ("steps", Some(all.steps)),
        ("steps_solved", all.steps_solved),
        ("steps_t3", t3.map(|summary| summary.steps)),
        ("finish_t3", t3.map(|summary| summary.finish)),
        ("recall_t3", t3.and_then(|summary| summary.recall)),
    ] {
        metrics.extend(value.map(|value| (name.to_owned(), value)));
    }
    metrics
}

/// Greedy episodes and those drawn at temperature 1 on the tasks of all tiers: all metrics, and the greedy episodes.
///
/// # Errors
/// As [`roll`].
pub fn judge(
    policy: &CausalLm,
    office: &Backoffice,
    tasks: Tasks,
    count: u64,
    seed: u64,
) -> Result<(Metrics, Vec<OfTier>)> {
    let jobs = jobs(office, tasks, &Tier::ALL, count)?;
    let greedy = roll(policy, office, &jobs, Draw::Greedy)?;
    let mut metrics = measures(&greedy);
    let drawn = roll(policy, office, &jobs, Draw::Sample { temperature: 1.0, seed })?;
    metrics.extend(passes("sampled", &drawn));
    Ok((metrics, greedy))
}

/// The first of the greedy episodes of each tier, for readers.
pub fn shown(judged: &[OfTier], each: usize) -> Vec<Episode> {
    judged.iter().flat_map(|(_, episodes)| episodes.iter().take(each).cloned()).collect()
}

/// Episodes of noisy experts: numbers `from` to `from + count` of the seed's set.
///
/// # Errors
/// As [`Backoffice::task`].
pub fn demonstrate(
    office: &Backoffice,
    expert: &ExpertConfig,
    seed: u64,
    from: u64,
    count: u64,
) -> Result<Vec<Episode>> {
    let config = Tasks::Demonstrated(seed).config();
    let mut env = office.clone();
    (from..from + count)
        .map(|index| {
            let task = office.task(&config, index)?;
            let mut agent = Expert::new(&task, expert, seed);
            Ok(play(&mut env, &task, index, &BackofficeCodec, &Limits::default(), |_, reply| {
                reply.into_iter().for_each(|reply| agent.observe(reply));
                agent.act()
            }))
        })
        .collect()
}

/// What a script does on the test tasks.
///
/// # Errors
/// As [`jobs`].
pub fn script(
    office: &Backoffice,
    script: Script,
    expert: &ExpertConfig,
    count: u64,
    seed: u64,
) -> Result<Vec<OfTier>> {
    let config = match script {
        Script::Careful => ExpertConfig::careful(),
        _ => expert.clone(),
    };
    let mut env = office.clone();
    let mut of_tier = |(tier, jobs): (Tier, Vec<Job<Arc<Task>>>)| {
        let mut episode = |job: &Job<Arc<Task>>| {
            let mut agent = Expert::new(&job.task, &config, seed);
            let mut rng = stream(seed, "valid calls at random", job.number);
            play(&mut env, &job.task, job.seed, &BackofficeCodec, &Limits::default(), |_, reply| {
                if script == Script::Random {
                    return random_call(&job.task, &mut rng);
                }
                reply.into_iter().for_each(|reply| agent.observe(reply));
                agent.act()
            })
        };
        (tier, jobs.iter().map(&mut episode).collect())
    };
    Ok(jobs(office, Tasks::Test, &Tier::ALL, count)?.into_iter().map(&mut of_tier).collect())
}

/// A permutation of `0..count` drawn from a seed.
pub fn shuffled(count: usize, seed: u64, pass: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut stream(seed, "recorded episodes", pass));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_stand_at_both_ends() {
        let office = Backoffice::new(0.12).unwrap();
        let judged = |kind| measures(&script(&office, kind, &ExpertConfig::default(), 20, 1).unwrap());
        assert!(judged(Script::Careful)["pass_all"] >= 0.95);
        // What cannot be solved is given up by chance now and then.
        let random = judged(Script::Random);
        assert!(["pass_t1", "pass_t2", "pass_t3"].iter().all(|tier| random[*tier] <= 0.05), "{random:?}");
        let noisy = judged(Script::Noisy)["pass_all"];
        assert!(noisy > 0.02 && noisy < 0.8, "{noisy}");
    }

    #[test]
    fn sets_of_tasks_are_apart() {
        let seeds = [Tasks::Validation, Tasks::Test, Tasks::Demonstrated(1), Tasks::Trained(1)];
        let seeds: std::collections::BTreeSet<u64> =
            seeds.into_iter().map(|tasks| tasks.config().seed).collect();
        assert_eq!(seeds.len(), 4);
        assert_eq!(shuffled(5, 1, 0).len(), 5);
        assert_ne!(shuffled(50, 1, 0), shuffled(50, 1, 1));
    }
}
