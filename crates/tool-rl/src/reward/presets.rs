//! Rewards by name.

use super::Shaper;

impl Shaper {
    /// StepTool's form: `alpha * SC + beta * contribution` on every step but `Finish`, the outcome on the last
    /// (arXiv 2410.07745). The paper's weights were not found; in the released tables both are 1/2.
    pub fn steptool(alpha: f32, beta: f32, contribution: Self) -> Self {
        let contribution = contribution.times(beta).before_end();
        Self::Sum(vec![Self::Success.times(alpha).before_end(), contribution, Self::Outcome.at_end()])
    }

    /// [`Shaper::steptool`] with the oracle's word on whether a step brought a needed fact.
    pub fn steptool_paper() -> Self {
        Self::steptool(0.5, 0.5, Self::Gained)
    }

    /// The rule by which the released tables follow from their annotations: `(SC + Con / 5) / 2`, both a judge's.
    pub fn steptool_released() -> Self {
        let terms = [Self::JudgedSuccess, Self::JudgedContribution];
        let mut terms: Vec<Self> = terms.into_iter().map(|term| term.times(0.5).before_end()).collect();
        terms.push(Self::Outcome.at_end());
        Self::Sum(terms)
    }

    /// The outcome and nothing else.
    pub fn outcome_only() -> Self {
        Self::Outcome.at_end()
    }

    /// Half of each new needed fact's share, a small cost for what is of no use, the outcome: what steps can earn in all stays
    /// below what a solution does.
    pub fn gated() -> Self {
        Self::Sum(vec![
            Self::NewFacts.times(0.5).before_end(),
            Self::Unproductive.times(-0.02).before_end(),
            Self::Outcome.at_end(),
        ])
    }

    /// [`Shaper::gated`] without an oracle: values that later steps use stand for needed facts.
    pub fn gated_by_reuse() -> Self {
        let used = Self::Product(vec![Self::Success, Self::ValueReuse]);
        let fresh = Self::Sum(vec![Self::Constant(1.0), Self::Duplicate.times(-1.0)]);
        Self::Sum(vec![
            Self::Product(vec![used, fresh]).times(0.05).before_end(),
            Self::Sum(vec![Self::Constant(1.0), Self::Success.times(-1.0)]).times(-0.02).before_end(),
            Self::Outcome.at_end(),
        ])
    }

    /// Known facts as a potential beside the outcome: the optimal policies stay those of the outcome alone.
    pub fn potential(gamma: f32) -> Self {
        let shaping = Self::PotentialDifference(gamma, Box::new(Self::KnownFacts));
        Self::Sum(vec![shaping, Self::Outcome.at_end()])
    }

    /// The preset of a name: `steptool-paper`, `steptool-released`, `outcome-only`, `gated`, `gated-summed`, `gated-by-reuse`,
    /// `potential`.
    pub fn preset(name: &str) -> Option<Self> {
        Some(match name {
            "steptool-paper" => Self::steptool_paper(),
            "steptool-released" => Self::steptool_released(),
            "outcome-only" => Self::outcome_only(),
            "gated" => Self::gated(),
            "gated-summed" => Self::gated().paid_at_end(),
            "gated-by-reuse" => Self::gated_by_reuse(),
            "potential" => Self::potential(1.0),
            _ => return None,
        })
    }
}
