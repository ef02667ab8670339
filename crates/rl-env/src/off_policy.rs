//! What a policy would earn, from the log of another: inverse propensities, a model of rewards, and both.
//!
//! A logged round has an action `a`, drawn with the known probability `p` (its *propensity*), and a reward `r`. A target
//! policy takes `a` with probability `pi(a)`; with the weight `w = pi(a) / p` and predicted rewards `q`,
//!
//! ```text
//! IPS             mean(w r)                                       unbiased
//! clipped IPS     mean(min(w, c) r)                               less variance, some bias
//! SNIPS           sum(w r) / sum(w)                               bounded by the rewards
//! direct method   mean(sum_a pi(a) q(a))                          as good as the model
//! doubly robust   mean(sum_a pi(a) q(a) + w (r - q(a)))           unbiased, whatever the model
//! ```
//!
//! (Horvitz and Thompson 1952; Swaminathan and Joachims, NeurIPS 2015; Dudik et al., ICML 2011.) The names are those of
//! the Open Bandit Pipeline (Saito et al., NeurIPS 2021), whose logs [`BanditLog::open_bandit`] reads.

use std::path::Path;

use rand::RngExt;
use rec_core::random;
use serde::{Deserialize, Serialize};

use crate::datasets::csv::Csv;
use crate::datasets::files::parse_error;
use crate::{Error, Result};

/// Logged rounds of a bandit, in columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BanditLog {
    /// How many actions there are.
    pub n_actions: usize,
    /// How many positions there are, 1 if they do not matter.
    pub n_positions: usize,
    /// The action of each round, below `n_actions`.
    pub actions: Vec<u32>,
    /// Where it was shown, below `n_positions`.
    pub positions: Vec<u32>,
    /// What it earned, finite.
    pub rewards: Vec<f64>,
    /// With which probability it was chosen for its position: above 0, at most 1.
    pub propensities: Vec<f64>,
    /// Numbers known of each round before its action.
    pub context_dim: usize,
    /// Row-major `[rounds, context_dim]`.
    pub contexts: Vec<f32>,
}

impl BanditLog {
    /// How many rounds there are.
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// The mean reward: what the logging policy earns a round.
    pub fn mean_reward(&self) -> f64 {
        self.rewards.iter().sum::<f64>() / self.len() as f64
    }

    /// Checks what the fields promise.
    ///
    /// # Errors
    /// The first thing that does not hold, with its round; a log without rounds.
    pub fn validate(&self) -> Result<()> {
        let n = self.len();
        let lengths = [self.positions.len(), self.rewards.len(), self.propensities.len()];
        if n == 0 || lengths.iter().any(|&length| length != n) {
            return Err(Error::invalid("a bandit log needs rounds, and columns of equal length"));
        }
        if self.contexts.len() != n * self.context_dim {
            let (found, expected) = (self.contexts.len(), n * self.context_dim);
            return Err(Error::invalid(format!("{found} context values, expected {expected}")));
        }
        for round in 0..n {
            let (action, position) = (self.actions[round] as usize, self.positions[round] as usize);
            if action >= self.n_actions || position >= self.n_positions {
                let what = format!(
                    "round {round}: action {action} of {}, position {position} of {}",
                    self.n_actions, self.n_positions
                );
                return Err(Error::invalid(what));
            }
            let propensity = self.propensities[round];
            if !(propensity > 0.0 && propensity <= 1.0) {
                let what =
                    format!("round {round}: the propensity is {propensity}, expected above 0 and at most 1");
                return Err(Error::invalid(what));
            }
            if !self.rewards[round].is_finite() {
                return Err(Error::invalid(format!("round {round}: the reward is {}", self.rewards[round])));
            }
        }
        match self.contexts.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::invalid(format!(
                "round {}: a context value is {}",
                at / self.context_dim,
                self.contexts[at]
            ))),
            None => Ok(()),
        }
    }

    /// Reads a campaign of the Open Bandit Dataset: `POLICY/CAMPAIGN/CAMPAIGN.csv` with the columns `item_id`, `position`
    /// (from 1), `click`, `propensity_score` (`action_prob` in its documentation) and user features, which become
    /// one-hot contexts. There are as many actions as `item_context.csv` beside it has rows.
    ///
    /// # Errors
    /// A missing file or column, a row that does not parse, an action without a row in `item_context.csv`; with file,
    /// line and column.
    pub fn open_bandit(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let items_path = path.with_file_name("item_context.csv");
        let mut items = Csv::open(&items_path)?;
        let item = items.column("item_id")?;
        let mut n_actions = 0;
        while let Some(row) = items.next_row()? {
            let id = row.id(item)? as usize;
            if id != n_actions {
                return Err(row.error(item, format!("item {id}, expected {n_actions}: items in order")));
            }
            n_actions += 1;
        }
        if n_actions == 0 {
            return Err(parse_error(&items_path, 0, 0, "there is no row below the header"));
        }

        let mut csv = Csv::open(path)?;
        let (item, place, click) = (csv.column("item_id")?, csv.column("position")?, csv.column("click")?);
        let propensity = match csv.find("propensity_score") {
            Some(column) => column,
            None => csv.column("action_prob")?,
        };
        let features: Vec<usize> =
            (0..).map_while(|number| csv.find(&format!("user_feature_{number}"))).collect();
        let mut log = Self { n_actions, ..Self::default() };
        let mut texts: Vec<Vec<String>> = vec![Vec::new(); features.len()];
        while let Some(row) = csv.next_row()? {
            let action = row.id(item)?;
            if action as usize >= n_actions {
                return Err(row.error(item, format!("item {action}, but there are {n_actions}")));
            }
            let position = row.id(place)?;
            if !(1..=64).contains(&position) {
                return Err(row.error(place, format!("position {position}, expected 1 to 64")));
            }
            let clicked = row.number(click)?;
            if clicked != 0.0 && clicked != 1.0 {
                return Err(row.error(click, format!("{clicked}, expected 0 or 1")));
            }
            let chance = row.number(propensity)?;
            if !(chance > 0.0 && chance <= 1.0) {
                return Err(row.error(propensity, format!("{chance}, expected above 0 and at most 1")));
            }
            log.actions.push(action);
            log.positions.push(position - 1);
            log.rewards.push(clicked);
            log.propensities.push(chance);
            for (texts, &column) in texts.iter_mut().zip(&features) {
                texts.push(row.text(column).to_owned());
            }
        }
        log.n_positions = log.positions.iter().max().map_or(1, |&last| last as usize + 1);
        log.set_one_hot(&texts);
        log.validate().map_err(|error| parse_error(path, 0, 0, error.to_string()))?;
        Ok(log)
    }

    /// Sets the contexts to one 0/1 column for each value of each feature.
    fn set_one_hot(&mut self, features: &[Vec<String>]) {
        let columns: Vec<_> =
            features.iter().map(|texts| crate::datasets::columns::encode("", texts)).collect();
        self.context_dim = columns.iter().map(|column| column.vocabulary as usize).sum();
        self.contexts = vec![0.0; self.len() * self.context_dim];
        let mut start = 0;
        for column in &columns {
            for (round, &value) in column.values.iter().enumerate() {
                self.contexts[round * self.context_dim + start + value as usize] = 1.0;
            }
            start += column.vocabulary as usize;
        }
    }
}

/// One number for each action: a policy's probabilities, or predicted rewards; the same in all rounds of a position, or
/// another in each round.
#[derive(Clone, Debug, PartialEq)]
pub enum ActionTable {
    /// Row-major `[positions, actions]`.
    ByPosition(Vec<f64>),
    /// Row-major `[rounds, actions]`.
    ByRound(Vec<f64>),
}

impl ActionTable {
    /// The policy that takes every action with the same probability, wherever it is shown.
    pub fn uniform(log: &BanditLog) -> Self {
        Self::ByPosition(vec![1.0 / log.n_actions as f64; log.n_positions * log.n_actions])
    }

    /// How often `log` has each action at each position: its logging policy, averaged over the rounds. A position
    /// without rounds gets the uniform policy.
    pub fn frequencies(log: &BanditLog) -> Self {
        let n = log.n_actions;
        let mut counts = vec![0.0; log.n_positions * n];
        for (&action, &position) in log.actions.iter().zip(&log.positions) {
            counts[position as usize * n + action as usize] += 1.0;
        }
        for row in counts.chunks_mut(n.max(1)) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|cell| *cell = if sum > 0.0 { *cell / sum } else { 1.0 / n as f64 });
        }
        Self::ByPosition(counts)
    }

    /// The numbers of a round's actions.
    fn row(&self, log: &BanditLog, round: usize) -> &[f64] {
        let (cells, row) = match self {
            Self::ByPosition(cells) => (cells, log.positions[round] as usize),
            Self::ByRound(cells) => (cells, round),
        };
        &cells[row * log.n_actions..(row + 1) * log.n_actions]
    }

    fn validate(&self, log: &BanditLog, what: &str, probabilities: bool) -> Result<()> {
        let (cells, rows) = match self {
            Self::ByPosition(cells) => (cells, log.n_positions),
            Self::ByRound(cells) => (cells, log.len()),
        };
        if cells.len() != rows * log.n_actions {
            let expected = format!("{rows} x {}", log.n_actions);
            return Err(Error::invalid(format!("the {what}: {} numbers, expected {expected}", cells.len())));
        }
        for (at, row) in cells.chunks(log.n_actions).enumerate() {
            if row.iter().any(|cell| !cell.is_finite() || (probabilities && *cell < 0.0)) {
                return Err(Error::invalid(format!(
                    "the {what}, row {at}: a number is negative or not finite"
                )));
            }
            let sum: f64 = row.iter().sum();
            if probabilities && (sum - 1.0).abs() > 1e-4 {
                return Err(Error::invalid(format!("the {what}, row {at}: probabilities sum to {sum}")));
            }
        }
        Ok(())
    }
}

/// How the value of a policy is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Estimator {
    /// Inverse propensity scores.
    Ips,
    /// Inverse propensity scores with weights of at most `clip`.
    ClippedIps {
        /// The largest weight, above 0.
        clip: f64,
    },
    /// Self-normalised inverse propensity scores.
    Snips,
    /// The model alone.
    DirectMethod,
    /// The model, corrected where it was wrong on the log.
    DoublyRobust,
    /// The same with weights of at most `clip`.
    ClippedDoublyRobust {
        /// The largest weight, above 0.
        clip: f64,
    },
}

/// How the uncertainty of an estimate is told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Interval {
    /// 1.96 standard errors to either side, by the normal distribution.
    Normal,
    /// Percentiles over resampled logs.
    Bootstrap {
        /// How many resampled logs.
        resamples: usize,
        /// Seeds them.
        seed: u64,
    },
}

/// The value of a policy, as far as a log tells it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The expected reward of a round.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// The lower end of the 95 % confidence interval.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// `sum(w)^2 / sum(w^2)`: how many rounds of the target policy the log is worth (Kish 1965).
    pub effective_rounds: f64,
}

/// Estimates what the policy `target` would earn a round, from the log of another; `predicted` are the rewards that a
/// model expects ([`predicted_rewards`]), needed by [`Estimator::DirectMethod`] and the doubly robust ones.
///
/// The intervals take `target` and `predicted` as given: the direct method's does not know how wrong its model is.
///
/// # Errors
/// A log or tables that do not hold, a missing model, a clip that is not above 0, a bootstrap without resamples, and a
/// self-normalised estimate of a policy that takes none of the logged actions.
pub fn estimate(
    log: &BanditLog,
    target: &ActionTable,
    predicted: Option<&ActionTable>,
    estimator: Estimator,
    interval: Interval,
) -> Result<Estimate> {
    log.validate()?;
    target.validate(log, "target policy", true)?;
    if let Some(predicted) = predicted {
        predicted.validate(log, "predicted rewards", false)?;
    }
    let clip = match estimator {
        Estimator::ClippedIps { clip } | Estimator::ClippedDoublyRobust { clip } => clip,
        _ => f64::INFINITY,
    };
    if clip.is_nan() || clip <= 0.0 {
        return Err(Error::config("estimator.clip", format!("is {clip}; accepts numbers above 0")));
    }
    let weight = |round: usize| {
        let chance = target.row(log, round)[log.actions[round] as usize];
        (chance / log.propensities[round]).min(clip)
    };
    let weights: Vec<f64> = (0..log.len()).map(weight).collect();
    let by_model = |corrected: bool| -> Result<Vec<f64>> {
        let predicted = predicted.ok_or_else(|| Error::config("estimator", "needs predicted rewards"))?;
        Ok((0..log.len())
            .map(|round| {
                let (chances, rewards) = (target.row(log, round), predicted.row(log, round));
                let expected: f64 = chances.iter().zip(rewards).map(|(chance, reward)| chance * reward).sum();
                let missed = log.rewards[round] - rewards[log.actions[round] as usize];
                expected + if corrected { weights[round] * missed } else { 0.0 }
            })
            .collect())
    };
    // The value is the sum of the first column over the sum of the second.
    let numerators = match estimator {
        Estimator::DirectMethod => by_model(false)?,
        Estimator::DoublyRobust | Estimator::ClippedDoublyRobust { .. } => by_model(true)?,
        _ => weights.iter().zip(&log.rewards).map(|(weight, reward)| weight * reward).collect(),
    };
    let denominators = match estimator {
        Estimator::Snips => weights.clone(),
        _ => vec![1.0; log.len()],
    };
    let n = log.len() as f64;
    let total: f64 = denominators.iter().sum();
    if total <= 0.0 {
        return Err(Error::invalid("the target policy takes none of the logged actions: all weights are 0"));
    }
    let value = numerators.iter().sum::<f64>() / total;
    // By the delta method where the denominator varies.
    let residual = |(numerator, denominator): (&f64, &f64)| (numerator - value * denominator).powi(2);
    let squares: f64 = numerators.iter().zip(&denominators).map(residual).sum();
    let spread = (squares * n / (n - 1.0).max(1.0)).sqrt() / total;
    let (sum, sum_of_squares) = weights.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    let effective_rounds = if sum > 0.0 { sum * sum / sum_of_squares } else { 0.0 };
    let (standard_error, low, high) = match interval {
        Interval::Normal => (spread, value - 1.959_964 * spread, value + 1.959_964 * spread),
        Interval::Bootstrap { resamples, seed } => bootstrap(&numerators, &denominators, resamples, seed)?,
    };
    Ok(Estimate { value, standard_error, low, high, effective_rounds })
}

/// Standard deviation, 2.5th and 97.5th percentile of the ratio over resampled rounds.
fn bootstrap(
    numerators: &[f64],
    denominators: &[f64],
    resamples: usize,
    seed: u64,
) -> Result<(f64, f64, f64)> {
    if resamples < 2 {
        return Err(Error::config("interval.resamples", format!("is {resamples}; accepts numbers from 2")));
    }
    let n = numerators.len();
    let mut values: Vec<f64> = (0..resamples)
        .filter_map(|resample| {
            let mut rng = random::stream(seed, "off-policy bootstrap", resample as u64);
            let (mut above, mut below) = (0.0, 0.0);
            for _ in 0..n {
                let round = rng.random_range(0..n);
                above += numerators[round];
                below += denominators[round];
            }
            (below > 0.0).then(|| above / below)
        })
        .collect();
    if values.len() < 2 {
        return Err(Error::invalid(
            "hardly a logged action is one of the target policy's: nothing to resample",
        ));
    }
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let percentile = |share: f64| {
        let place = share * (count - 1.0);
        let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    Ok((variance.sqrt(), percentile(0.025), percentile(0.975)))
}

/// A simple model of rewards: the mean reward of each action at each position, drawn towards the position's mean as if
/// it had been seen `strength` times more with that.
///
/// With `folds` above 1 each round is predicted from the other folds' rounds alone (round `t` is in fold `t mod folds`),
/// so that the doubly robust estimate stays unbiased.
///
/// # Errors
/// A log that does not hold, a strength that is not above 0, no folds or more than rounds.
pub fn predicted_rewards(log: &BanditLog, strength: f64, folds: usize) -> Result<ActionTable> {
    log.validate()?;
    if !(strength.is_finite() && strength > 0.0) {
        return Err(Error::config(
            "model.strength",
            format!("is {strength}; accepts finite numbers above 0"),
        ));
    }
    if folds == 0 || folds > log.len() {
        return Err(Error::config("model.folds", format!("is {folds}; accepts 1 to the number of rounds")));
    }
    let n = log.n_actions;
    let fit = |left_out: Option<usize>| -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); log.n_positions * n];
        for round in (0..log.len()).filter(|round| left_out != Some(round % folds)) {
            let (sum, count) = &mut sums[log.positions[round] as usize * n + log.actions[round] as usize];
            *sum += log.rewards[round];
            *count += 1.0;
        }
        let add = |(sum, count): (f64, f64), cell: &(f64, f64)| (sum + cell.0, count + cell.1);
        let all = sums.iter().fold((0.0, 0.0), add);
        let overall = all.0 / f64::max(all.1, 1.0);
        let means = sums.chunks(n).flat_map(|row| {
            let (sum, count) = row.iter().fold((0.0, 0.0), add);
            let mean = if count > 0.0 { sum / count } else { overall };
            row.iter().map(move |(sum, count)| (sum + strength * mean) / (count + strength))
        });
        means.collect()
    };
    if folds == 1 {
        return Ok(ActionTable::ByPosition(fit(None)));
    }
    let tables: Vec<Vec<f64>> = (0..folds).map(|fold| fit(Some(fold))).collect();
    let rows = (0..log.len()).flat_map(|round| {
        let start = log.positions[round] as usize * n;
        tables[round % folds][start..start + n].iter().copied()
    });
    Ok(ActionTable::ByRound(rows.collect()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ALL: [Estimator; 6] = [
        Estimator::Ips,
        Estimator::ClippedIps { clip: 100.0 },
        Estimator::Snips,
        Estimator::DirectMethod,
        Estimator::DoublyRobust,
        Estimator::ClippedDoublyRobust { clip: 100.0 },
    ];

    /// Two positions, five actions, clicks whose chances depend on both; logged by a policy that prefers the first actions.
    fn synthetic(rounds: usize, seed: u64) -> (BanditLog, ActionTable, f64) {
        let logging = [0.4, 0.3, 0.15, 0.1, 0.05];
        let target = [0.05, 0.1, 0.15, 0.3, 0.4];
        let chance = |action: usize, position: usize| 0.1 + 0.15 * action as f64 - 0.05 * position as f64;
        let mut rng = random::stream(seed, "bandit", 0);
        let mut log = BanditLog { n_actions: 5, n_positions: 2, ..BanditLog::default() };
        for _ in 0..rounds {
            let mut left: f64 = rng.random();
            let action = logging.iter().position(|chance| {
                left -= chance;
                left < 0.0
            });
            let (action, position) = (action.unwrap_or(4), rng.random_range(0..2u32));
            log.actions.push(action as u32);
            log.positions.push(position);
            log.rewards.push(f64::from(u8::from(rng.random_bool(chance(action, position as usize)))));
            log.propensities.push(logging[action]);
        }
        let both = (0..2).flat_map(|position| (0..5).map(move |action| (action, position)));
        let value = both.map(|(action, position)| 0.5 * target[action] * chance(action, position)).sum();
        (log, ActionTable::ByPosition(target.repeat(2)), value)
    }

    #[test]
    fn estimates_are_those_of_the_open_bandit_pipeline() {
        #[derive(Deserialize)]
        struct Golden {
            actions: Vec<u32>,
            positions: Vec<u32>,
            rewards: Vec<f64>,
            propensities: Vec<f64>,
            target: Vec<f64>,
            predicted: Vec<f64>,
            values: std::collections::BTreeMap<String, f64>,
        }
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/off_policy.json")).unwrap();
        let log = BanditLog {
            n_actions: 4,
            n_positions: 2,
            actions: golden.actions,
            positions: golden.positions,
            rewards: golden.rewards,
            propensities: golden.propensities,
            ..BanditLog::default()
        };
        let (target, predicted) =
            (ActionTable::ByRound(golden.target), ActionTable::ByRound(golden.predicted));
        for (name, estimator) in [
            ("ips", Estimator::Ips),
            ("clipped_ips", Estimator::ClippedIps { clip: 2.0 }),
            ("snips", Estimator::Snips),
            ("direct_method", Estimator::DirectMethod),
            ("doubly_robust", Estimator::DoublyRobust),
            ("clipped_doubly_robust", Estimator::ClippedDoublyRobust { clip: 2.0 }),
        ] {
            let found = estimate(&log, &target, Some(&predicted), estimator, Interval::Normal).unwrap().value;
            assert!(
                (found - golden.values[name]).abs() < 1e-12,
                "{name}: {found} for {}",
                golden.values[name]
            );
        }
    }

    #[test]
    fn the_logging_policy_is_worth_the_mean_reward() {
        let (mut log, ..) = synthetic(500, 1);
        log.propensities.fill(0.2);
        let target = ActionTable::uniform(&log);
        for estimator in [Estimator::Ips, Estimator::Snips] {
            let found = estimate(&log, &target, None, estimator, Interval::Normal).unwrap();
            assert!((found.value - log.mean_reward()).abs() < 1e-12, "{estimator:?}");
            assert!((found.effective_rounds - 500.0).abs() < 1e-6);
        }
    }

    #[test]
    fn estimates_are_unbiased_and_intervals_cover_the_truth() {
        // Over 200 logs of 400 rounds: the mean within three of its standard errors, 95 % intervals cover mostly.
        for estimator in [Estimator::Ips, Estimator::Snips, Estimator::DoublyRobust] {
            let (mut found, mut covered, mut truth) = (Vec::new(), 0, 0.0);
            for seed in 0..200 {
                let (log, target, value) = synthetic(400, seed);
                let predicted = predicted_rewards(&log, 5.0, 4).unwrap();
                let estimate =
                    estimate(&log, &target, Some(&predicted), estimator, Interval::Normal).unwrap();
                covered += usize::from((estimate.low..=estimate.high).contains(&value));
                found.push(estimate.value);
                truth = value;
            }
            let mean = found.iter().sum::<f64>() / 200.0;
            let deviation = (found.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 199.0).sqrt();
            // SNIPS is biased by a term of order one over the rounds.
            assert!(
                (mean - truth).abs() < 3.0 * deviation / 200f64.sqrt() + 0.003,
                "{estimator:?}: {mean} {truth}"
            );
            assert!((174..=199).contains(&covered), "{estimator:?}: {covered} of 200");
            // The naive mean of the log is far away.
            assert!((synthetic(400, 0).0.mean_reward() - truth).abs() > 0.1);
        }
    }

    #[test]
    fn a_right_model_makes_doubly_robust_less_uncertain() {
        let (log, target, _) = synthetic(4000, 3);
        let predicted = predicted_rewards(&log, 1.0, 5).unwrap();
        let error = |estimator| {
            estimate(&log, &target, Some(&predicted), estimator, Interval::Normal).unwrap().standard_error
        };
        assert!(error(Estimator::DoublyRobust) < error(Estimator::Ips));
    }

    #[test]
    fn the_bootstrap_agrees_with_the_normal_interval_and_repeats() {
        let (log, target, _) = synthetic(2000, 2);
        let predicted = predicted_rewards(&log, 5.0, 2).unwrap();
        for estimator in ALL {
            let with = |interval| estimate(&log, &target, Some(&predicted), estimator, interval).unwrap();
            let (normal, bootstrap) =
                (with(Interval::Normal), with(Interval::Bootstrap { resamples: 400, seed: 1 }));
            assert_eq!(normal.value, bootstrap.value);
            let ratio = bootstrap.standard_error / normal.standard_error;
            assert!((0.85..1.15).contains(&ratio), "{estimator:?}: {ratio}");
            assert!(bootstrap.low < normal.value && normal.value < bootstrap.high);
            assert_eq!(bootstrap, with(Interval::Bootstrap { resamples: 400, seed: 1 }));
        }
    }

    #[test]
    fn what_cannot_be_estimated_is_refused() {
        let (log, target, _) = synthetic(50, 1);
        let try_with = |log: &BanditLog, target: &ActionTable, estimator| {
            estimate(log, target, None, estimator, Interval::Normal).unwrap_err().to_string()
        };
        assert!(try_with(&log, &target, Estimator::DoublyRobust).contains("needs predicted rewards"));
        assert!(
            try_with(&log, &target, Estimator::ClippedIps { clip: 0.0 }).starts_with("estimator.clip: is 0")
        );
        let half = ActionTable::ByPosition(vec![0.1; 10]);
        assert!(try_with(&log, &half, Estimator::Ips).contains("row 0: probabilities sum to 0.5"));
        let short = ActionTable::ByRound(vec![0.2; 10]);
        assert!(try_with(&log, &short, Estimator::Ips).contains("10 numbers, expected 50 x 5"));
        let mut bad = log.clone();
        bad.propensities[7] = 0.0;
        assert!(try_with(&bad, &target, Estimator::Ips).starts_with("round 7: the propensity is 0"));
        let never = BanditLog { actions: vec![0; 50], ..log.clone() };
        let other = ActionTable::ByPosition([0.0, 1.0, 0.0, 0.0, 0.0].repeat(2));
        assert!(try_with(&never, &other, Estimator::Snips).contains("all weights are 0"));
        let interval = Interval::Bootstrap { resamples: 1, seed: 1 };
        assert!(estimate(&log, &target, None, Estimator::Ips, interval).is_err());
        assert!(predicted_rewards(&log, 0.0, 1).is_err() && predicted_rewards(&log, 1.0, 51).is_err());
        assert!(BanditLog::default().validate().is_err());
    }

    const HEADER: &str = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,\
                          user-item_affinity_0,user-item_affinity_1\n";

    fn read(rows: &str) -> Result<BanditLog> {
        let folder = tempfile::tempdir().unwrap();
        let items = ",item_id,item_feature_0\n0,0,-0.6\n1,1,0.7\n";
        fs::write(folder.path().join("item_context.csv"), items).unwrap();
        fs::write(folder.path().join("men.csv"), format!("{HEADER}{rows}")).unwrap();
        BanditLog::open_bandit(folder.path().join("men.csv"))
    }

    #[test]
    fn a_small_open_bandit_file_is_read_as_it_is_written() {
        let time = "2019-11-24 00:00:17.004101+00:00";
        let rows = format!("0,{time},1,3,0,0.25,a,x,0.0,0.0\n1,{time},0,1,1,0.5,b,x,0.0,1.0\n");
        let log = read(&rows).unwrap();
        assert_eq!((log.n_actions, log.n_positions, log.context_dim), (2, 3, 3));
        assert_eq!((&log.actions[..], &log.positions[..]), (&[1, 0][..], &[2, 0][..]));
        assert_eq!((&log.rewards[..], &log.propensities[..]), (&[0.0, 1.0][..], &[0.25, 0.5][..]));
        assert_eq!(log.contexts, [1.0, 0.0, 1.0, 0.0, 1.0, 1.0]);
        let half = 0.5;
        let expected = vec![1.0, 0.0, half, half, 0.0, 1.0];
        assert_eq!(ActionTable::frequencies(&log), ActionTable::ByPosition(expected));
    }

    #[test]
    fn wrong_open_bandit_files_are_refused_with_their_place() {
        let error = |row: &str| {
            let text = read(&format!("{row}\n")).unwrap_err().to_string();
            text[text.find("men.csv").unwrap()..].to_owned()
        };
        assert_eq!(error("0,t,2,1,0,0.5,a,x,0,0"), "men.csv:2:3: item 2, but there are 2");
        assert_eq!(error("0,t,1,0,0,0.5,a,x,0,0"), "men.csv:2:4: position 0, expected 1 to 64");
        assert_eq!(error("0,t,1,1,2,0.5,a,x,0,0"), "men.csv:2:5: 2, expected 0 or 1");
        assert_eq!(error("0,t,1,1,0,0,a,x,0,0"), "men.csv:2:6: 0, expected above 0 and at most 1");
        assert_eq!(error("0,t,1,1,0,nan,a,x,0,0"), "men.csv:2:6: \"nan\" is not a finite number");
        assert_eq!(error("0,t,1,1,0,0.5,a,x,0"), "men.csv:2:10: 9 fields, but the header has 10");
        assert!(error("").contains("needs rounds"));
    }
}
