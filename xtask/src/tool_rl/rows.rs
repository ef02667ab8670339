//! The rows of the tables by name: scripts, supervised policies, methods, and methods with one part exchanged.

use tool_rl::credit::{AdaptiveKl, Credit, KlController};
use tool_rl::{Baseline, KlPlace, Method, PolicyLoss, Shaper};

use crate::error::{Error, Result};

/// Which table a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Methods beside each other.
    Methods,
    /// `steptool-gated` with one part exchanged or left out.
    Ablations,
    /// Training on recorded episodes of the supervised policy, no rollouts.
    Offline,
    /// `steptool-paper` with one quirk of the released code.
    Quirks,
}

impl Table {
    /// In the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Methods, Self::Ablations, Self::Offline, Self::Quirks];

    /// What stands over it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Methods => "methods",
            Self::Ablations => "ablations of steptool-gated",
            Self::Offline => "offline: recorded episodes of the supervised policy",
            Self::Quirks => "quirks of the released code, one at a time on steptool-paper",
        }
    }

    /// The row of the table of methods that stands first in it for comparison.
    pub fn reference(self) -> Option<&'static str> {
        match self {
            Self::Methods => None,
            Self::Ablations => Some("steptool-gated"),
            Self::Offline => Some("sft"),
            Self::Quirks => Some("steptool-paper"),
        }
    }
}

/// A scripted agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Valid calls at random.
    Random,
    /// No mistakes: the ceiling.
    Careful,
    /// What demonstrations are made of.
    Noisy,
}

/// Where a row's policy comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// No policy at all.
    Scripted(Script),
    /// The supervised policy that all methods begin with.
    Supervised,
    /// Supervised training goes on, on as many fresh demonstrations as a method collects episodes.
    MoreSupervised(Method),
    /// Episodes of its own.
    Online(Method),
    /// Recorded episodes of the supervised policy, whose steps are judged by the released rules as well.
    Offline(Method),
}

impl Kind {
    /// The method, if something is trained.
    pub fn method(&self) -> Option<&Method> {
        match self {
            Self::Scripted(_) | Self::Supervised => None,
            Self::MoreSupervised(method) | Self::Online(method) | Self::Offline(method) => Some(method),
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it is, where the name does not say it.
    pub about: &'static str,
    /// Where it stands.
    pub table: Table,
    /// What it is made by.
    pub kind: Kind,
    /// The row whose learning rate it takes; its own name if a rate is looked for.
    pub rate_from: &'static str,
}

/// Methods that give one number to a whole episode: what step credit is compared with.
pub const TRAJECTORY_LEVEL: [&str; 5] = ["rft", "ppo-trajectory", "grpo-trajectory", "rloo", "reinforce++"];

/// Names and what they are, in the order of the tables.
const NAMES: [(&str, &str, Table); 42] = [
    ("random-valid", "valid calls at random", Table::Methods),
    ("careful", "a script that makes no mistakes: the ceiling", Table::Methods),
    ("expert", "the noisy experts of the demonstrations", Table::Methods),
    ("sft", "supervised on the experts' episodes", Table::Methods),
    ("more-sft", "sft, then as many fresh demonstrations as methods collect episodes", Table::Methods),
    ("rft", "imitates its own episodes that passed", Table::Methods),
    ("ppo-trajectory", "PPO, outcome, GAE over tokens", Table::Methods),
    ("ppo-return-to-go", "PPO, outcome, GAE over steps: the state-baseline control", Table::Methods),
    ("grpo-trajectory", "GRPO, outcome", Table::Methods),
    ("grpo-summed", "GRPO, gated rewards summed: the reward without the credit", Table::Methods),
    ("rloo", "leave-one-out, outcome", Table::Methods),
    ("reinforce++", "REINFORCE++, outcome", Table::Methods),
    ("ppo-summed", "PPO, gated rewards summed and paid at the end", Table::Methods),
    ("steptool-released", "paper's reward, all quirks of the released code", Table::Methods),
    ("steptool-paper", "paper's reward, GAE over steps", Table::Methods),
    ("steptool-gated", "gated reward, GAE over steps", Table::Methods),
    ("grpo-anchor", "GRPO, gated, groups of equal states", Table::Methods),
    ("gated-no-contribution", "no pay for needed facts", Table::Ablations),
    ("gated-any-success", "0.1 a call that goes well, needed or not, instead of new facts", Table::Ablations),
    ("gated-no-cost", "no cost of useless steps", Table::Ablations),
    ("gated-over-observations", "GAE over observation tokens as well", Table::Ablations),
    ("gated-scalar", "one number an episode, no critic", Table::Ablations),
    ("gated-lambda-0", "lambda 0", Table::Ablations),
    ("gated-lambda-1", "lambda 1", Table::Ablations),
    ("gated-no-kl", "no penalty", Table::Ablations),
    ("gated-no-whitening", "advantages as they are", Table::Ablations),
    ("gated-potential", "known facts as a potential", Table::Ablations),
    ("gated-by-reuse", "values used later instead of the oracle", Table::Ablations),
    ("offline-paper", "steptool-paper", Table::Offline),
    ("offline-released", "steptool-released, steps judged by the released rules", Table::Offline),
    ("offline-gated", "steptool-gated", Table::Offline),
    ("offline-awr", "advantage-weighted regression, gated", Table::Offline),
    ("offline-rft", "imitates those that passed", Table::Offline),
    ("paper-token-gae", "GAE over tokens: what the next five change", Table::Quirks),
    ("paper-reversed", "the reward of step t times T - 1 - t", Table::Quirks),
    ("paper-observations", "GAE over observation tokens as well", Table::Quirks),
    ("paper-both", "both", Table::Quirks),
    ("paper-discount", "gamma 0.99 a token", Table::Quirks),
    ("paper-token-gated", "gated instead of additive", Table::Quirks),
    ("paper-adaptive-kl", "adaptive penalty, target 6", Table::Quirks),
    ("paper-4-epochs", "four passes over a batch", Table::Quirks),
    ("paper-no-whitening", "advantages as they are", Table::Quirks),
];

/// The names of all rows.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().map(|(name, _, _)| name)
}

fn preset(name: &str, kl: f64) -> Method {
    Method::preset(name, kl).expect("it is one of the presets")
}

/// GAE over tokens as the released code has it, each quirk on its switch.
fn over_tokens(gamma: f32, over_observations: bool, reversed_weights: bool) -> Credit {
    Credit::Released { gamma, lambda: 0.95, over_observations, reversed_weights }
}

/// `steptool-gated` with one part exchanged.
fn ablation(name: &str, kl: f64) -> Method {
    let gated = preset("steptool-gated", kl);
    let facts = || Shaper::NewFacts.times(0.5).before_end();
    let cost = || Shaper::Unproductive.times(-0.02).before_end();
    let outcome = || Shaper::Outcome.at_end();
    let reward = |reward| Method { reward, ..gated.clone() };
    let credit = |credit| Method { credit, ..gated.clone() };
    match name {
        "gated-no-contribution" => reward(Shaper::Sum(vec![cost(), outcome()])),
        "gated-any-success" => {
            reward(Shaper::Sum(vec![Shaper::Success.times(0.1).before_end(), cost(), outcome()]))
        }
        "gated-no-cost" => reward(Shaper::Sum(vec![facts(), outcome()])),
        "gated-over-observations" => credit(over_tokens(1.0, true, false)),
        "gated-scalar" => Method { credit: Credit::Trajectory, critic: false, ..gated },
        "gated-lambda-0" => credit(Credit::StepGae { gamma: 1.0, lambda: 0.0 }),
        "gated-lambda-1" => credit(Credit::StepGae { gamma: 1.0, lambda: 1.0 }),
        "gated-no-kl" => Method { kl: KlPlace::Off, ..gated },
        "gated-no-whitening" => Method { whiten: false, ..gated },
        "gated-potential" => reward(Shaper::potential(1.0)),
        _ => reward(Shaper::gated_by_reuse()),
    }
}

/// `steptool-paper` with one quirk.
fn quirk(name: &str, kl: f64) -> Method {
    let paper = preset("steptool-paper", kl);
    let credit = |credit| Method { credit, ..paper.clone() };
    match name {
        "paper-token-gae" => credit(over_tokens(1.0, false, false)),
        "paper-reversed" => credit(over_tokens(1.0, false, true)),
        "paper-observations" => credit(over_tokens(1.0, true, false)),
        "paper-both" => credit(over_tokens(1.0, true, true)),
        "paper-discount" => credit(over_tokens(0.99, false, false)),
        "paper-token-gated" => Method { reward: Shaper::gated(), ..credit(over_tokens(1.0, false, false)) },
        "paper-adaptive-kl" => {
            let adaptive = Some(AdaptiveKl { target: 6.0, horizon: 10_000.0 });
            Method { kl_control: KlController { beta: kl, adaptive }, ..paper }
        }
        "paper-4-epochs" => Method { epochs: 4, ..paper },
        _ => Method { whiten: false, ..paper },
    }
}

/// The row of a name; `kl` is the factor of the penalty, the same for all.
///
/// # Errors
/// [`Error::Usage`] with the list of names.
pub fn find(name: &str, kl: f64) -> Result<Row> {
    let found = NAMES.into_iter().find(|(own, _, _)| *own == name);
    let (name, about, table) = found.ok_or_else(|| {
        let known: Vec<&str> = names().collect();
        Error::Usage(format!("no row {name}; there are {}", known.join(", ")))
    })?;
    let named = |method: Method| Method { name: name.to_owned(), ..method };
    let (kind, rate_from) = match (table, name) {
        (Table::Methods, "random-valid") => (Kind::Scripted(Script::Random), name),
        (Table::Methods, "careful") => (Kind::Scripted(Script::Careful), name),
        (Table::Methods, "expert") => (Kind::Scripted(Script::Noisy), name),
        (Table::Methods, "sft") => (Kind::Supervised, name),
        // Every token has the weight exp(0).
        (Table::Methods, "more-sft") => {
            let imitation = Method {
                reward: Shaper::Constant(0.0),
                baseline: Baseline::Zero,
                loss: PolicyLoss::Weighted { beta: 1.0, most: 1.0 },
                ..preset("rft", kl)
            };
            (Kind::MoreSupervised(named(imitation)), name)
        }
        (Table::Methods, _) => (Kind::Online(preset(name, kl)), name),
        (Table::Ablations, _) => (Kind::Online(named(ablation(name, kl))), "steptool-gated"),
        (Table::Quirks, _) => (Kind::Online(named(quirk(name, kl))), "steptool-paper"),
        (Table::Offline, "offline-released") => {
            let released = preset("steptool-released", kl);
            let judged = Method { reward: Shaper::steptool_released(), ..released };
            (Kind::Offline(named(judged)), "steptool-released")
        }
        (Table::Offline, "offline-awr") => (Kind::Offline(named(preset("awr", kl))), name),
        (Table::Offline, "offline-paper") => {
            (Kind::Offline(named(preset("steptool-paper", kl))), "steptool-paper")
        }
        (Table::Offline, "offline-gated") => {
            (Kind::Offline(named(preset("steptool-gated", kl))), "steptool-gated")
        }
        (Table::Offline, _) => (Kind::Offline(named(preset("rft", kl))), "rft"),
    };
    Ok(Row { name, about, table, kind, rate_from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_there_once_and_its_method_is_valid() {
        let mut seen: Vec<Method> = Vec::new();
        for name in names() {
            let row = find(name, 0.05).unwrap();
            let Some(method) = row.kind.method() else { continue };
            method.validate().unwrap();
            assert_eq!(method.name, name);
            let nameless = Method { name: String::new(), ..method.clone() };
            // Offline rows share methods with online ones; all others differ in what they do.
            assert!(row.table == Table::Offline || !seen.contains(&nameless), "{name} is there twice");
            seen.push(nameless);
            assert!(find(row.rate_from, 0.05).is_ok());
        }
        assert!(find("nonsense", 0.05).unwrap_err().to_string().contains("steptool-gated"));
    }
}
