//! The arms that are compared, by the letters of the table.

use pref_opt::loss::{Objective, PreferenceLoss};
use pref_opt::negatives::NegativeSource;
use pref_opt::selfplay::{Mode, PreferenceStage, ReferenceRule, SelfPlayConfig};
use pref_opt::train::StageConfig;

use super::experiment::PreferenceExperiment;
use crate::error::{Error, Result};

/// An arm.
#[derive(Clone, Copy, Debug)]
pub struct Arm {
    /// Its name on the command line and in folders.
    pub name: &'static str,
    /// What it is, for people.
    pub about: &'static str,
    /// Whether beta changes anything.
    pub uses_beta: bool,
    /// Whether it begins and ends with the supervised policy, changed at decoding only.
    pub decoding_only: bool,
}

/// All arms, in the order of the table.
pub const ARMS: &[Arm] = &[
    arm("a", "SFT", false),
    arm("b", "SFT + more SFT", false),
    arm("c", "DPO, random negatives", true),
    arm("d", "S-DPO, 3 random", true),
    arm("e", "DPO, popular negatives", true),
    arm("f", "self-play without SFT", true),
    arm("g", "SPRec (greedy)", true),
    arm("h", "SPRec (sampled)", true),
    arm("dmpo", "DMPO, 3 random", true),
    arm("simpo", "SimPO, random negatives", true),
    arm("reweight", "SFT + re-weighted SFT", false),
    Arm { name: "d3", about: "SFT, debiased at decoding", uses_beta: false, decoding_only: true },
    arm("as-coded", "SPRec as its code does it", true),
];

const fn arm(name: &'static str, about: &'static str, uses_beta: bool) -> Arm {
    Arm { name, about, uses_beta, decoding_only: false }
}

/// The arm called `name`.
///
/// # Errors
/// [`Error::Usage`] naming all arms.
pub fn find(name: &str) -> Result<&'static Arm> {
    ARMS.iter().find(|arm| arm.name == name).ok_or_else(|| {
        let names: Vec<&str> = ARMS.iter().map(|arm| arm.name).collect();
        Error::Usage(format!("no arm {name}; there are {}", names.join(", ")))
    })
}

impl Arm {
    /// The rounds of this arm.
    pub fn rounds(&self, experiment: &PreferenceExperiment, beta: f64) -> SelfPlayConfig {
        let sft = StageConfig {
            learning_rate: experiment.sft_learning_rate,
            batch_size: 16,
            ..StageConfig::default()
        };
        let preference = |negatives, loss, reference| PreferenceStage {
            negatives,
            objective: Objective::of(loss, beta),
            reference,
            stage: StageConfig {
                learning_rate: experiment.preference_learning_rate,
                batch_size: 8,
                ..StageConfig::default()
            },
        };
        let dpo = PreferenceLoss::default();
        let (initial, current) = (ReferenceRule::Initial, ReferenceRule::Current);
        let random = |k| NegativeSource::RandomItem { k };
        let (sft, preference) = match self.name {
            "b" | "reweight" => (Some(sft), None),
            "c" => (None, Some(preference(random(1), dpo, initial))),
            "d" => (None, Some(preference(random(3), PreferenceLoss::SoftmaxDpo, initial))),
            "e" => (None, Some(preference(NegativeSource::Popular { k: 1 }, dpo, initial))),
            "f" => (None, Some(preference(NegativeSource::Greedy, dpo, current))),
            "g" | "as-coded" => (Some(sft), Some(preference(NegativeSource::Greedy, dpo, current))),
            "h" => {
                let sampled = NegativeSource::Sample { temperature: 1.0 };
                (Some(sft), Some(preference(sampled, dpo, current)))
            }
            "dmpo" => (None, Some(preference(random(3), PreferenceLoss::Dmpo, initial))),
            "simpo" => (None, Some(preference(random(1), PreferenceLoss::SimPo { gamma: 0.5 }, initial))),
            _ => (None, None),
        };
        let trains = sft.is_some() || preference.is_some();
        SelfPlayConfig {
            rounds: if trains { experiment.rounds } else { 0 },
            rows: experiment.rows,
            sft,
            reweight: if self.name == "reweight" { 0.5 } else { 0.0 },
            preference,
            mode: if self.name == "as-coded" { Mode::AsCoded } else { Mode::Corrected },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arm_has_settings_that_hold() {
        let experiment = PreferenceExperiment::default();
        for arm in ARMS {
            arm.rounds(&experiment, 0.1).validate().unwrap();
        }
        assert_eq!(find("a").unwrap().rounds(&experiment, 0.1).rounds, 0);
        assert!(find("z").is_err());
    }
}
