//! What happened in an episode, token by token, and the files that keep it.

use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::Path;

use rec_core::{Json, Message, ToolCall, ToolSpec, Trajectory};
use serde::{Deserialize, Serialize};

use crate::codec::ActionCodec;
use crate::env::{End, Facts, Outcome, Reply, ToolEnvironment};
use crate::{Error, Result};

/// What somebody said of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// Whether the call was well-formed and was carried out: 0 to 1.
    pub success: f32,
    /// How much it served the answer: 0 to 1.
    pub contribution: f32,
}

/// One call and its reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What the model thought before the call; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub thought: String,
    /// The call.
    pub call: ToolCall,
    /// The reply.
    pub reply: Reply,
    /// Where the action stands among the episode's tokens; empty if it was never written in tokens.
    pub action: Range<usize>,
    /// Where the observation stands.
    pub observation: Range<usize>,
    /// The log-probability of each token of the action under the policy that wrote it; empty if nobody kept them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_probs: Vec<f32>,
    /// [`ToolEnvironment::digest`] before the step.
    #[serde(default)]
    pub digest: u64,
    /// What the oracle knew before and after, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<[Facts; 2]>,
    /// What a judge said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Scores>,
}

/// An episode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Episode {
    /// Names it within its collection.
    pub id: String,
    /// The task's number.
    pub task: u64,
    /// Episodes of one group share task and beginning.
    pub group: u64,
    /// What the environment was reset with.
    pub seed: u64,
    /// Which policy acted.
    pub policy: String,
    /// What was asked.
    pub query: String,
    /// Prompt, actions and observations as they came about; empty if never written in tokens.
    pub tokens: Vec<u32>,
    /// How many of the tokens are the prompt.
    pub prompt: usize,
    /// The calls.
    pub steps: Vec<Step>,
    /// Why it is over; nothing if it was cut off and may go on.
    pub end: Option<End>,
    /// The verdict.
    pub outcome: Outcome,
}

impl Episode {
    /// For each token whether it is an action's, which is where there is a loss.
    pub fn loss_mask(&self) -> Vec<bool> {
        let mut mask = vec![false; self.tokens.len()];
        for step in &self.steps {
            mask[step.action.clone()].fill(true);
        }
        mask
    }

    /// The number of tokens of all actions.
    pub fn action_tokens(&self) -> usize {
        self.steps.iter().map(|step| step.action.len()).sum()
    }

    /// The value given with `Finish`.
    pub fn final_answer(&self) -> Option<String> {
        let last = self.steps.last().filter(|_| self.end == Some(End::Finished))?;
        let value = last.call.arguments.get("final_answer").or_else(|| last.call.arguments.get("value"))?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// Checks what the code that learns relies on: the prompt is not empty, actions and observations follow each other
    /// without gaps up to the last token, and behaviour log-probabilities are as many as tokens. An episode without tokens
    /// has nothing that points at one.
    ///
    /// # Errors
    /// [`Error::Record`] naming the step.
    pub fn check(&self) -> Result<()> {
        let mut at = self.prompt;
        if self.tokens.is_empty() {
            if at > 0 {
                return Err(Error::record(format!("episode {}", self.id), "has a prompt, but no tokens"));
            }
            let written = |step: &Step| {
                step.action != (0..0) || step.observation != (0..0) || !step.log_probs.is_empty()
            };
            return match self.steps.iter().position(written) {
                None => Ok(()),
                Some(number) => Err(Error::record(
                    format!("episode {}, step {number}", self.id),
                    "stands among tokens, but the episode has none",
                )),
            };
        }
        if at == 0 {
            return Err(Error::record(format!("episode {}", self.id), "has an empty prompt"));
        }
        for (number, step) in self.steps.iter().enumerate() {
            let place = || format!("episode {}, step {number}", self.id);
            if step.action.start != at || step.observation.start != step.action.end || step.action.is_empty()
            {
                return Err(Error::record(place(), format!("does not begin at token {at}")));
            }
            at = step.observation.end;
            if at < step.observation.start || at > self.tokens.len() {
                return Err(Error::record(place(), "ends after the last token"));
            }
            if !step.log_probs.is_empty() && step.log_probs.len() != step.action.len() {
                let (found, tokens) = (step.log_probs.len(), step.action.len());
                return Err(Error::record(
                    place(),
                    format!("has {found} log-probabilities of {tokens} tokens"),
                ));
            }
        }
        if at == self.tokens.len() {
            Ok(())
        } else {
            Err(Error::record(format!("episode {}", self.id), "has tokens after its last step"))
        }
    }

    /// The conversation, for readers and for the other systems.
    pub fn trajectory(&self, tools: &[ToolSpec]) -> Trajectory {
        let mut messages = vec![Message::user(self.query.clone())];
        for (at, step) in self.steps.iter().enumerate() {
            let id = format!("call_{at}");
            let call = ToolCall { id: id.clone(), ..step.call.clone() };
            messages.push(Message { content: step.thought.clone(), ..Message::calls(vec![call]) });
            messages.push(Message::tool(id, step.reply.text()));
        }
        let metadata = [
            ("policy", Json::from(self.policy.as_str())),
            ("score", Json::from(f64::from(self.outcome.score))),
            ("passed", Json::from(self.outcome.passed)),
        ];
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Trajectory { id: self.id.clone(), tools: tools.to_vec(), messages, metadata }
    }
}

/// How far an episode may go. The same for every method that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most steps.
    pub steps: usize,
    /// The most tokens of one action.
    pub action_tokens: usize,
    /// The most tokens of an episode after its prompt, read and written. A model needs as many positions, and those of the prompt.
    pub tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 14, action_tokens: 16, tokens: 208 }
    }
}

/// Plays an episode with a scripted agent and writes it in tokens: demonstrations for supervised training.
///
/// `next` sees the environment and the last reply. The episode ends early where the agent calls what the vocabulary has no
/// words for, or where the limits are reached.
pub fn play<E: ToolEnvironment, C: ActionCodec>(
    env: &mut E,
    task: &E::Task,
    seed: u64,
    codec: &C,
    limits: &Limits,
    mut next: impl FnMut(&E, Option<&Reply>) -> ToolCall,
) -> Episode {
    env.reset(task, seed);
    let tokens = codec.prompt(env.query(), env.tools());
    let mut episode =
        Episode { seed, query: env.query().to_owned(), prompt: tokens.len(), tokens, ..Episode::default() };
    while episode.steps.len() < limits.steps {
        let call = next(env, episode.steps.last().map(|step| &step.reply));
        let Some(action) = codec.action(&call) else { break };
        if episode.tokens.len() - episode.prompt + action.len() > limits.tokens {
            episode.end = Some(End::TokenLimit);
            break;
        }
        let end = take(&mut episode, env, codec, call, &action, Vec::new());
        if end.is_some() {
            episode.end = end;
            break;
        }
    }
    if episode.end.is_none() && episode.steps.len() >= limits.steps {
        episode.end = Some(End::StepLimit);
    }
    episode.outcome = env.outcome();
    episode
}

/// Carries out a call and writes it down.
pub(crate) fn take<E: ToolEnvironment, C: ActionCodec>(
    episode: &mut Episode,
    env: &mut E,
    codec: &C,
    call: ToolCall,
    action: &[u32],
    log_probs: Vec<f32>,
) -> Option<End> {
    let (digest, before) = (env.digest(), env.facts());
    let transition = env.step(&call);
    let start = episode.tokens.len();
    episode.tokens.extend_from_slice(action);
    let middle = episode.tokens.len();
    // Nobody reads what comes after the last action.
    if transition.end.is_none() {
        episode.tokens.extend(codec.reply(&transition.reply));
    }
    episode.steps.push(Step {
        thought: String::new(),
        call,
        reply: transition.reply,
        action: start..middle,
        observation: middle..episode.tokens.len(),
        log_probs,
        digest,
        facts: before.zip(env.facts()).map(|(before, after)| [before, after]),
        scores: None,
    });
    transition.end
}

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a> {
    schema_version: u32,
    episode: &'a Episode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnedLine {
    schema_version: u32,
    episode: Episode,
}

/// Writes episodes, one a line (JSON Lines).
///
/// # Errors
/// [`rec_core::Error::Io`] if the file cannot be written.
pub fn write_episodes(path: &Path, episodes: &[Episode]) -> Result<()> {
    let mut bytes = Vec::new();
    for episode in episodes {
        let line = Line { schema_version: VERSION, episode };
        serde_json::to_writer(&mut bytes, &line).map_err(|error| Error::invalid(error.to_string()))?;
        bytes.write_all(b"\n").map_err(|error| rec_core::Error::io(path, error))?;
    }
    Ok(rec_core::run::replace_file(path, &bytes)?)
}

/// Reads what [`write_episodes`] wrote.
///
/// # Errors
/// [`rec_core::Error::Parse`] naming file and line, also for an episode whose parts do not fit ([`Episode::check`]).
pub fn read_episodes(path: &Path) -> Result<Vec<Episode>> {
    let file = std::fs::File::open(path).map_err(|error| rec_core::Error::io(path, error))?;
    let mut episodes = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|error| rec_core::Error::io(path, error))?;
        let wrong = |what: String| {
            let place = rec_core::Place { path: path.to_owned(), line: at as u64 + 1, column: 0 };
            rec_core::Error::Parse { place, what }
        };
        let read: OwnedLine = serde_json::from_str(&line).map_err(|error| wrong(error.to_string()))?;
        if read.schema_version != VERSION {
            return Err(wrong(format!("schema_version is {}, not {VERSION}", read.schema_version)).into());
        }
        read.episode.check().map_err(|error| wrong(error.to_string()))?;
        episodes.push(read.episode);
    }
    Ok(episodes)
}
