//! What was to be shown, decided by rule: paired differences over seeds with intervals, and the claim where all of them allow it.

use serde::Serialize;

use super::outcome::{RowResult, ToolComparison};
use super::rows::TRAJECTORY_LEVEL;
use crate::comparison::Summary;
use crate::policies::outcome::student_95;

/// The row that the claim is about.
const OURS: &str = "steptool-gated";

/// Seeds below which nothing is claimed.
const LEAST_SEEDS: usize = 8;

/// What is compared: all tasks, and those that are hardest.
pub const COMPARED: [(&str, &str); 2] = [("pass_t3", "T3"), ("pass_all", "all")];

/// `steptool-gated` less another row, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The other row.
    pub minus: String,
    /// What it stands for.
    pub role: &'static str,
    /// The metric.
    pub metric: &'static str,
    /// The differences of the seeds that both have.
    pub values: Summary,
    /// Half of the 95 % interval of the mean, by Student's distribution.
    pub half: f64,
    /// Whether the claim needs it above 0.
    pub needed: bool,
}

impl Difference {
    /// Whether the whole interval is above 0.
    pub fn is_above(&self) -> bool {
        self.values.mean - self.half > 0.0
    }

    /// Whether the whole interval is below 0.
    pub fn is_below(&self) -> bool {
        self.values.mean + self.half < 0.0
    }
}

/// The differences of the seeds that two rows share.
fn paired(ours: &RowResult, other: &RowResult, metric: &str) -> Vec<f64> {
    let value = |row: &RowResult, seed: u64| {
        row.runs.iter().find(|run| run.seed == seed).and_then(|run| run.metrics.get(metric).copied())
    };
    ours.runs.iter().filter_map(|run| Some(value(ours, run.seed)? - value(other, run.seed)?)).collect()
}

/// The trajectory-level method with the best mean on a metric among those with the most seeds.
pub fn best_trajectory_level<'a>(comparison: &'a ToolComparison, metric: &str) -> Option<&'a RowResult> {
    let rows = || TRAJECTORY_LEVEL.iter().filter_map(|name| comparison.row(name));
    let most = rows().map(|row| row.runs.len()).max().filter(|most| *most > 0)?;
    let mean = |row: &RowResult| row.metric(metric).map_or(f64::NEG_INFINITY, |value| value.mean);
    rows().filter(|row| row.runs.len() == most).max_by(|a, b| mean(a).total_cmp(&mean(b)))
}

/// All differences that are told, of the rows that are there.
pub fn differences(comparison: &ToolComparison) -> Vec<Difference> {
    let Some(ours) = comparison.row(OURS) else { return Vec::new() };
    let mut all = Vec::new();
    for (metric, _) in COMPARED {
        let best = best_trajectory_level(comparison, metric);
        let on_t3 = metric == "pass_t3";
        for (other, role, needed) in [
            (comparison.row("sft"), "the supervised policy", true),
            (best, "the best trajectory-level method", true),
            (comparison.row("ppo-summed"), "the same reward summed, PPO", on_t3),
            (comparison.row("grpo-summed"), "the same reward summed, GRPO", on_t3),
            (comparison.row("ppo-return-to-go"), "the outcome with the same baseline of states", false),
        ] {
            let Some(other) = other else { continue };
            let values = paired(ours, other, metric);
            if values.is_empty() {
                continue;
            }
            let freedom = values.len() - 1;
            let values = Summary::of(values);
            let half = student_95(freedom) * values.std / ((freedom + 1) as f64).sqrt();
            let half = if freedom == 0 { f64::INFINITY } else { half };
            all.push(Difference { minus: other.row.name.to_owned(), role, metric, values, half, needed });
        }
    }
    all
}

/// The line that says what was found.
pub fn claim(differences: &[Difference]) -> String {
    let told = |difference: &Difference| {
        let name = COMPARED.iter().find(|(metric, _)| *metric == difference.metric).map_or("", |pair| pair.1);
        let half = if difference.half.is_finite() {
            format!(" ± {:.1}", 100.0 * difference.half)
        } else {
            String::new()
        };
        format!("{} on {name} ({:+.1}{half})", difference.minus, 100.0 * difference.values.mean)
    };
    let needed: Vec<&Difference> = differences.iter().filter(|difference| difference.needed).collect();
    // Two metrics against SFT and the best trajectory-level method, two summed controls on T3.
    if needed.len() < 6 {
        return "No claim: rows that it needs are not there.".to_owned();
    }
    let fewest = needed.iter().map(|difference| difference.values.runs.len()).min().unwrap_or(0);
    let (above, not): (Vec<&Difference>, Vec<&Difference>) =
        needed.iter().partition(|difference| difference.is_above());
    let list = |some: &[&Difference]| some.iter().map(|one| told(one)).collect::<Vec<_>>().join(", ");
    if fewest >= LEAST_SEEDS && not.is_empty() {
        return format!(
            "Claim: {OURS} is better than sft and than the best trajectory-level method on T3 and on all tasks, and than \
             both summed controls on T3, with 95 % intervals above 0 over {fewest} seeds: {}.",
            list(&above)
        );
    }
    let mut text = if fewest < LEAST_SEEDS {
        format!("No claim: {fewest} seeds, and it takes {LEAST_SEEDS}.")
    } else {
        "No claim.".to_owned()
    };
    if !above.is_empty() {
        text.push_str(&format!(" {OURS} is ahead of {}.", list(&above)));
    }
    let (below, open): (Vec<&Difference>, Vec<&Difference>) =
        not.iter().partition(|difference| difference.is_below());
    if !below.is_empty() {
        text.push_str(&format!(" It is behind {}.", list(&below)));
    }
    if !open.is_empty() {
        text.push_str(&format!(" Not told apart from {}.", list(&open)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(minus: &str, metric: &'static str, mean: f64, seeds: usize) -> Difference {
        let values = Summary { mean, std: 0.0, runs: vec![mean; seeds] };
        Difference { minus: minus.into(), role: "", metric, values, half: 0.02, needed: true }
    }

    fn six(last: f64, seeds: usize) -> Vec<Difference> {
        let pairs = [("sft", "pass_t3"), ("sft", "pass_all"), ("rloo", "pass_t3"), ("rloo", "pass_all")];
        let pairs = pairs.into_iter().chain([("ppo-summed", "pass_t3"), ("grpo-summed", "pass_t3")]);
        let mut all: Vec<Difference> =
            pairs.map(|(minus, metric)| difference(minus, metric, 0.1, seeds)).collect();
        all[5].values.mean = last;
        all
    }

    #[test]
    fn a_claim_needs_every_interval_and_eight_seeds() {
        assert!(claim(&six(0.1, 8)).starts_with("Claim: steptool-gated is better"));
        assert!(claim(&six(0.1, 7)).starts_with("No claim: 7 seeds"));
        let open = claim(&six(0.01, 8));
        assert!(open.starts_with("No claim. steptool-gated is ahead of sft on T3 (+10.0 ± 2.0)"), "{open}");
        assert!(open.ends_with("Not told apart from grpo-summed on T3 (+1.0 ± 2.0)."), "{open}");
        assert!(claim(&six(-0.1, 8)).ends_with("It is behind grpo-summed on T3 (-10.0 ± 2.0)."));
        assert_eq!(claim(&six(0.1, 8)[..5]), "No claim: rows that it needs are not there.");
    }
}
