//! What a table says of a set of episodes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::env::{End, FINISH, Status};
use crate::episode::Episode;

/// Rates over episodes or over calls; none where there is nothing to divide by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Episodes.
    pub episodes: usize,
    /// The share that passed.
    pub pass: f64,
    /// The mean score.
    pub score: f64,
    /// The share that ended in `Finish`, giving up included.
    pub finish: f64,
    /// The share of those that passed among those that ended in `Finish`.
    pub pass_given_finish: Option<f64>,
    /// The share that gave up.
    pub give_up: f64,
    /// Calls without error among all calls, `Finish` left out.
    pub tool_success: Option<f64>,
    /// Needed facts that were found among all that were needed, by the environment's oracle.
    pub recall: Option<f64>,
    /// Calls that were made before with the same result, or that brought no needed fact, among all calls that went well.
    pub redundant: Option<f64>,
    /// Calls that were none: unreadable, or of no such tool, or with arguments that do not fit, among all calls.
    pub invalid: Option<f64>,
    /// Steps an episode.
    pub steps: f64,
    /// Steps an episode that passed.
    pub steps_solved: Option<f64>,
    /// Calls of tools in all, `Finish` left out.
    pub calls: usize,
    /// Tokens of actions in all.
    pub action_tokens: usize,
}

/// Counts episodes.
pub fn summarise<'a>(episodes: impl IntoIterator<Item = &'a Episode>) -> Summary {
    let (mut count, mut passed, mut finished, mut gave_up, mut passed_finished) = (0_usize, 0, 0, 0, 0);
    let (mut score, mut steps, mut steps_solved) = (0.0, 0, 0);
    let (mut calls, mut good, mut invalid, mut redundant) = (0_usize, 0_usize, 0, 0);
    let (mut known, mut needed, mut action_tokens) = (0, 0, 0);
    for episode in episodes {
        count += 1;
        let ended = matches!(episode.end, Some(End::Finished | End::GaveUp));
        finished += usize::from(ended);
        gave_up += usize::from(episode.end == Some(End::GaveUp));
        score += f64::from(episode.outcome.score);
        steps += episode.steps.len();
        action_tokens += episode.action_tokens();
        if episode.outcome.passed {
            passed += 1;
            passed_finished += usize::from(ended);
            steps_solved += episode.steps.len();
        }
        let mut made = BTreeSet::new();
        for step in episode.steps.iter().filter(|step| step.call.name != FINISH) {
            calls += 1;
            let wrong = [Status::MessageError, Status::NoSuchTool, Status::BadInput];
            invalid += usize::from(wrong.contains(&step.reply.status));
            if step.reply.status == Status::Ok {
                good += 1;
                let new = made.insert(step.call.canonical());
                let brought = step.facts.is_none_or(|[before, after]| after.known > before.known);
                redundant += usize::from(!new || !brought);
            }
        }
        if let Some([_, after]) = episode.steps.last().and_then(|step| step.facts) {
            known += after.known;
            needed += after.needed;
        }
    }
    let share = |part: usize, all: usize| (all > 0).then(|| part as f64 / all as f64);
    let mean = |sum: f64| if count > 0 { sum / count as f64 } else { 0.0 };
    Summary {
        episodes: count,
        pass: mean(passed as f64),
        score: mean(score),
        finish: mean(finished as f64),
        pass_given_finish: share(passed_finished, finished),
        give_up: mean(gave_up as f64),
        tool_success: share(good, calls),
        recall: share(known as usize, needed as usize),
        redundant: share(redundant, good),
        invalid: share(invalid, calls),
        steps: mean(steps as f64),
        steps_solved: share(steps_solved, passed),
        calls,
        action_tokens,
    }
}
