//! Rewards for steps, as data: a [`Shaper`] is a small expression over what happened in an episode.
//!
//! Rewards are computed when an episode is over, so a term may look at what came later (whether a reply was of use). They say
//! nothing yet of who gets the credit: that is [`credit`](crate::credit).
//!
//! ```
//! use tool_rl::reward::Shaper;
//!
//! // An additive reward for every call that goes well pays for idling; the gated one does not.
//! assert!(tool_rl::reward::audit_loop_exploit(&Shaper::steptool_paper(), 5, 14).is_exploitable());
//! assert!(!tool_rl::reward::audit_loop_exploit(&Shaper::gated(), 5, 14).is_exploitable());
//! ```

mod audit;
mod contribution;
mod presets;

pub use audit::{Audit, audit_loop_exploit};
pub use contribution::{
    longest_common_subsequence, match_calls, ngram_overlap, reused_values, rule_scores, rule_success,
};

use serde::{Deserialize, Serialize};

use crate::env::{End, FINISH, Status};
use crate::episode::{Episode, Step};
use crate::{Error, Result};

/// A reward of a step. Leaves give 0 to 1 unless they say otherwise; the last step of an episode is the one that ends it, be it
/// `Finish` or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shaper {
    /// Always this.
    Constant(f32),
    /// 1 if the call could be read and names a tool on offer.
    FormatOk,
    /// 1 if the arguments fit, too.
    SchemaOk,
    /// 1 if the call did what it asks for: StepTool's SC.
    Success,
    /// The environment's score of the whole episode, 0 to 1: StepTool's IS.
    Outcome,
    /// The share of all needed facts that this step was the first to bring. Needs an oracle; 0 without.
    NewFacts,
    /// 1 if this step brought a needed fact. Needs an oracle; 0 without.
    Gained,
    /// The share of needed facts known before the step: a potential. Needs an oracle; 0 without.
    KnownFacts,
    /// The share of the reply's values that later calls or the answer use: contribution without an oracle.
    ValueReuse,
    /// 1 if the longest common subsequence of reply and final answer is at least this share of the reply: the released rule.
    LcsContribution(f32),
    /// The share of the reply's n-grams of words that occur in the final answer.
    NgramContribution(usize),
    /// 1 if the same call went well before.
    Duplicate,
    /// 1 if the call failed, or went well before, or brought no needed fact although an oracle is there.
    Unproductive,
    /// The ticks that the call took, divided by this, at most 1.
    Latency(u32),
    /// A judge's word on success; 0 without.
    JudgedSuccess,
    /// A judge's word on contribution; 0 without.
    JudgedContribution,
    /// The sum.
    Sum(Vec<Shaper>),
    /// The product.
    Product(Vec<Shaper>),
    /// This many times.
    Scale(f32, Box<Shaper>),
    /// The second where the first is above 0.5, else 0.
    Gate(Box<Shaper>, Box<Shaper>),
    /// Held between two numbers.
    Clip(f32, f32, Box<Shaper>),
    /// On every step but a `Finish`. The last step of an episode that was cut off is a step like any other.
    BeforeEnd(Box<Shaper>),
    /// On the last step.
    AtEnd(Box<Shaper>),
    /// `gamma * phi(after) - phi(before)`, with `phi` 0 after the last step (Ng, Harada & Russell, 1999).
    PotentialDifference(f32, Box<Shaper>),
    /// On the last step the sum over all steps, elsewhere 0: the same information without its place.
    PaidAtEnd(Box<Shaper>),
    /// Scaled by a weight that goes in a line from the first to the second number as training goes from 0 to 1.
    Schedule(f32, f32, Box<Shaper>),
}

impl Shaper {
    /// `factor * self`.
    pub fn times(self, factor: f32) -> Self {
        Self::Scale(factor, Box::new(self))
    }

    /// On the last step.
    pub fn at_end(self) -> Self {
        Self::AtEnd(Box::new(self))
    }

    /// On every step but a `Finish`.
    pub fn before_end(self) -> Self {
        Self::BeforeEnd(Box::new(self))
    }

    /// The sum over all steps on the last.
    pub fn paid_at_end(self) -> Self {
        Self::PaidAtEnd(Box::new(self))
    }

    /// Checks the numbers of this and of all that it is made of.
    ///
    /// # Errors
    /// [`Error::Config`] naming the kind.
    pub fn validate(&self) -> Result<()> {
        let finite = |key: &str, values: &[f32]| match values.iter().find(|value| !value.is_finite()) {
            None => Ok(()),
            Some(value) => {
                Err(Error::config(format!("reward.{key}"), format!("has {value}, not a finite number")))
            }
        };
        match self {
            Self::Constant(value) => finite("constant", &[*value]),
            Self::LcsContribution(threshold) => finite("lcs_contribution", &[*threshold]),
            Self::Sum(terms) | Self::Product(terms) => terms.iter().try_for_each(Self::validate),
            Self::Scale(factor, of) => finite("scale", &[*factor]).and_then(|()| of.validate()),
            Self::Gate(when, of) => when.validate().and_then(|()| of.validate()),
            Self::Clip(least, most, _) if !(least <= most) => Err(Error::config(
                "reward.clip",
                format!("holds between {least} and {most}, which is nothing"),
            )),
            Self::Clip(_, _, of) | Self::BeforeEnd(of) | Self::AtEnd(of) | Self::PaidAtEnd(of) => {
                of.validate()
            }
            Self::PotentialDifference(gamma, of) => {
                finite("potential_difference", &[*gamma]).and_then(|()| of.validate())
            }
            Self::Schedule(from, to, of) => finite("schedule", &[*from, *to]).and_then(|()| of.validate()),
            Self::FormatOk
            | Self::SchemaOk
            | Self::Success
            | Self::Outcome
            | Self::NewFacts
            | Self::Gained
            | Self::KnownFacts
            | Self::ValueReuse
            | Self::NgramContribution(_)
            | Self::Duplicate
            | Self::Unproductive
            | Self::Latency(_)
            | Self::JudgedSuccess
            | Self::JudgedContribution => Ok(()),
        }
    }

    /// The rewards of all steps. `progress` is how far training has come, 0 to 1.
    pub fn rewards(&self, episode: &Episode, progress: f32) -> Vec<f32> {
        (0..episode.steps.len()).map(|at| self.at(episode, at, progress)).collect()
    }

    /// The rewards term by term, if this is a sum; their sum is [`Shaper::rewards`].
    pub fn parts(&self, episode: &Episode, progress: f32) -> Vec<(String, Vec<f32>)> {
        match self {
            Self::Sum(terms) => {
                terms.iter().map(|term| (term.name(), term.rewards(episode, progress))).collect()
            }
            term => vec![(term.name(), term.rewards(episode, progress))],
        }
    }

    /// The leaves' names.
    pub fn name(&self) -> String {
        match self {
            Self::Sum(terms) => terms.iter().map(Self::name).collect::<Vec<_>>().join("+"),
            Self::Product(terms) => terms.iter().map(Self::name).collect::<Vec<_>>().join("*"),
            Self::Gate(when, of) => format!("{}?{}", when.name(), of.name()),
            Self::Scale(_, of)
            | Self::Clip(_, _, of)
            | Self::BeforeEnd(of)
            | Self::AtEnd(of)
            | Self::PotentialDifference(_, of)
            | Self::PaidAtEnd(of)
            | Self::Schedule(_, _, of) => of.name(),
            leaf => format!("{leaf:?}").split('(').next().unwrap_or_default().to_owned(),
        }
    }

    fn at(&self, episode: &Episode, at: usize, progress: f32) -> f32 {
        let step = &episode.steps[at];
        let last = at + 1 == episode.steps.len();
        let finishing = last && matches!(episode.end, Some(End::Finished | End::GaveUp));
        let truth = |holds: bool| f32::from(u8::from(holds));
        let status = step.reply.status;
        match self {
            Self::Constant(value) => *value,
            Self::FormatOk => truth(!matches!(status, Status::MessageError | Status::NoSuchTool)),
            Self::SchemaOk => {
                truth(!matches!(status, Status::MessageError | Status::NoSuchTool | Status::BadInput))
            }
            Self::Success => truth(status.is_success()),
            Self::Outcome => episode.outcome.score,
            Self::NewFacts => step.facts.map_or(0.0, |[before, after]| {
                (after.known as f32 - before.known as f32) / (after.needed.max(1) as f32)
            }),
            Self::Gained => truth(gained(step) == Some(true)),
            Self::KnownFacts => {
                step.facts.map_or(0.0, |[before, _]| before.known as f32 / before.needed.max(1) as f32)
            }
            Self::ValueReuse => reused_values(episode, at),
            Self::LcsContribution(threshold) => truth(contribution::lcs_share(episode, at) >= *threshold),
            Self::NgramContribution(n) => ngram_overlap(
                &step.reply.response.to_string(),
                &episode.final_answer().unwrap_or_default(),
                *n,
            ),
            Self::Duplicate => truth(is_duplicate(episode, at)),
            Self::Unproductive => truth(
                step.call.name != FINISH
                    && (!status.is_success() || is_duplicate(episode, at) || gained(step) == Some(false)),
            ),
            Self::Latency(ticks) => (step.reply.latency as f32 / (*ticks).max(1) as f32).min(1.0),
            Self::JudgedSuccess => step.scores.map_or(0.0, |scores| scores.success),
            Self::JudgedContribution => step.scores.map_or(0.0, |scores| scores.contribution),
            Self::Sum(terms) => terms.iter().map(|term| term.at(episode, at, progress)).sum(),
            Self::Product(terms) => terms.iter().map(|term| term.at(episode, at, progress)).product(),
            Self::Scale(factor, of) => factor * of.at(episode, at, progress),
            Self::Gate(when, of) => {
                if when.at(episode, at, progress) > 0.5 {
                    of.at(episode, at, progress)
                } else {
                    0.0
                }
            }
            Self::Clip(least, most, of) => of.at(episode, at, progress).clamp(*least, *most),
            Self::BeforeEnd(of) => {
                if finishing {
                    0.0
                } else {
                    of.at(episode, at, progress)
                }
            }
            Self::AtEnd(of) => {
                if last {
                    of.at(episode, at, progress)
                } else {
                    0.0
                }
            }
            Self::PotentialDifference(gamma, of) => {
                let after = if last { 0.0 } else { of.at(episode, at + 1, progress) };
                gamma * after - of.at(episode, at, progress)
            }
            Self::PaidAtEnd(of) => {
                if last {
                    of.rewards(episode, progress).iter().sum()
                } else {
                    0.0
                }
            }
            Self::Schedule(from, to, of) => {
                (from + (to - from) * progress.clamp(0.0, 1.0)) * of.at(episode, at, progress)
            }
        }
    }

    /// The least and the most that a step can get, in an episode of at most `horizon` steps.
    pub fn bounds(&self, horizon: usize) -> (f32, f32) {
        let product = |(a, b): (f32, f32), (c, d): (f32, f32)| {
            let all = [a * c, a * d, b * c, b * d];
            (all.into_iter().fold(f32::INFINITY, f32::min), all.into_iter().fold(f32::NEG_INFINITY, f32::max))
        };
        let with_zero = |(least, most): (f32, f32)| (least.min(0.0), most.max(0.0));
        match self {
            Self::Constant(value) => (*value, *value),
            Self::Sum(terms) => terms.iter().fold((0.0, 0.0), |(least, most), term| {
                let (a, b) = term.bounds(horizon);
                (least + a, most + b)
            }),
            Self::Product(terms) => {
                terms.iter().fold((1.0, 1.0), |bounds, term| product(bounds, term.bounds(horizon)))
            }
            Self::Scale(factor, of) => product((*factor, *factor), of.bounds(horizon)),
            Self::Gate(_, of) | Self::BeforeEnd(of) | Self::AtEnd(of) => with_zero(of.bounds(horizon)),
            Self::Clip(least, most, of) => {
                let (a, b) = of.bounds(horizon);
                (a.clamp(*least, *most), b.clamp(*least, *most))
            }
            Self::PotentialDifference(gamma, of) => {
                let (least, most) = with_zero(of.bounds(horizon));
                (gamma * least - most, gamma * most - least)
            }
            Self::PaidAtEnd(of) => with_zero(of.episode_bounds(horizon)),
            Self::Schedule(from, to, of) => product((from.min(*to), from.max(*to)), of.bounds(horizon)),
            _ => (0.0, 1.0),
        }
    }

    /// The least and the most that an episode of one to `horizon` steps can get in all.
    pub fn episode_bounds(&self, horizon: usize) -> (f32, f32) {
        let (least, most) = self.bounds(horizon);
        let over = |steps: usize| {
            let steps = steps as f32;
            ((least * steps).min(least.min(0.0)), (most * steps).max(most.max(0.0)))
        };
        match self {
            Self::NewFacts => (0.0, 1.0),
            Self::Sum(terms) => terms.iter().fold((0.0, 0.0), |(least, most), term| {
                let (a, b) = term.episode_bounds(horizon);
                (least + a, most + b)
            }),
            Self::Scale(factor, of) => {
                let (a, b) = of.episode_bounds(horizon);
                (f32::min(factor * a, factor * b), f32::max(factor * a, factor * b))
            }
            // Leaving out a step of a term that has one sign only makes its sum smaller.
            Self::BeforeEnd(of) if least >= 0.0 || most <= 0.0 => {
                let (a, b) = of.episode_bounds(horizon);
                (a.min(0.0), b.max(0.0))
            }
            Self::AtEnd(_) | Self::PaidAtEnd(_) => (least, most),
            _ => over(horizon),
        }
    }
}

/// Whether a step brought a needed fact; nothing without an oracle.
fn gained(step: &Step) -> Option<bool> {
    step.facts.map(|[before, after]| after.known > before.known)
}

/// Whether the same call went well before.
fn is_duplicate(episode: &Episode, at: usize) -> bool {
    let call = &episode.steps[at].call;
    episode.steps[..at].iter().any(|step| {
        step.reply.status == Status::Ok
            && step.call.name == call.name
            && step.call.canonical() == call.canonical()
    })
}
