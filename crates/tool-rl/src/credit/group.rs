//! Baselines from other episodes of the same task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is taken from an episode's return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Nothing.
    Zero,
    /// The mean of its group.
    Mean,
    /// The mean of its group, and divided by the group's standard deviation (unbiased) + 1e-4: GRPO (Shao et al., 2024).
    Standardised,
    /// The mean of the others in its group: RLOO (Ahmadian et al., 2024). `G/(G-1) (R - mean)`.
    LeaveOneOut,
}

/// Returns less their baseline, and the share of groups whose returns are all the same. An episode without others in its group
/// gets 0, since nothing says whether it was good; with [`Baseline::Zero`] it keeps its return.
pub fn group_advantages(baseline: Baseline, returns: &[f32], groups: &[u64]) -> (Vec<f32>, f64) {
    let mut members: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, &group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(at);
    }
    let mut advantages = returns.to_vec();
    let mut flat = 0_usize;
    for places in members.values() {
        let own: Vec<f32> = places.iter().map(|&at| returns[at]).collect();
        let (mean, variance) = super::mean_and_variance(&own);
        let same = own.iter().all(|value| *value == own[0]);
        flat += usize::from(same);
        let count = own.len() as f64;
        for &at in places {
            let centred = f64::from(returns[at]) - mean;
            let advantage = match baseline {
                Baseline::Zero => continue,
                _ if same => 0.0,
                Baseline::Mean => centred,
                Baseline::Standardised => centred / (variance.sqrt() + 1e-4),
                Baseline::LeaveOneOut => centred * count / (count - 1.0),
            };
            advantages[at] = advantage as f32;
        }
    }
    (advantages, flat as f64 / members.len().max(1) as f64)
}

/// A step where states are compared across a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnchorStep {
    /// The group.
    pub group: u64,
    /// The state before the step.
    pub state: u64,
    /// The return from the step on.
    pub return_to_go: f32,
}

/// Of each step how much better it went on from its state than other steps of its group that were taken in the same state
/// (GiGPO, arXiv 2505.10978). Steps in a state that no other step shares get 0.
pub fn anchor_advantages(steps: &[AnchorStep], standardise: bool) -> Vec<f32> {
    let mut states: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let groups: Vec<u64> = steps
        .iter()
        .map(|step| {
            let next = states.len() as u64;
            *states.entry((step.group, step.state)).or_insert(next)
        })
        .collect();
    let returns: Vec<f32> = steps.iter().map(|step| step.return_to_go).collect();
    let baseline = if standardise { Baseline::Standardised } else { Baseline::Mean };
    group_advantages(baseline, &returns, &groups).0
}

/// Of each episode and step the mean return-to-go of its group at the same turn, where an episode that is over counts as 0. (A mean over
/// the episodes that are still going on would depend on when the policy stops, and push it to stop or to go on.)
pub fn turn_baseline(returns: &[Vec<f32>], groups: &[u64]) -> Vec<Vec<f32>> {
    let mut sums: BTreeMap<u64, (usize, Vec<f64>)> = BTreeMap::new();
    for (own, &group) in returns.iter().zip(groups) {
        let (count, sum) = sums.entry(group).or_default();
        *count += 1;
        sum.resize(sum.len().max(own.len()), 0.0);
        sum.iter_mut().zip(own).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    let of = |own: &Vec<f32>, group: &u64| {
        let (count, sum) = &sums[group];
        sum[..own.len()].iter().map(|sum| (sum / *count as f64) as f32).collect()
    };
    returns.iter().zip(groups).map(|(own, group)| of(own, group)).collect()
}
