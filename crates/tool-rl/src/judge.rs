//! Any chat model as judge of steps and answers.
//!
//! The judge sees the question, the calls with their replies, and the answer, and says for each call whether it succeeded and how
//! much it contributed, 0 to 5, and whether the question was answered. What it says is checked: a list of another length or a number out
//! of range is an error, not a score. Judges differ from pass to pass even at temperature 0, so passes are averaged.

use chat_model::{ChatModel, ChatRequest, ResponseFormat, Sampling};
use rec_core::{Json, Message};

use crate::env::FINISH;
use crate::episode::{Episode, Scores};
use crate::{Error, Result};

/// How the judge is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgeConfig {
    /// How often; scores are means.
    pub passes: u32,
    /// The most characters of a reply that the judge sees.
    pub reply_characters: usize,
    /// The most tokens of its answer.
    pub max_tokens: u32,
}

impl Default for JudgeConfig {
    fn default() -> Self {
        Self { passes: 3, reply_characters: 1024, max_tokens: 1000 }
    }
}

/// What a judge says of an episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Of each call, `Finish` left out.
    pub steps: Vec<Scores>,
    /// Whether the question was answered: 1, 0.5 where unsure, 0.
    pub solved: f32,
}

const INSTRUCTIONS: &str = "You judge how an assistant used tools. Below are a question, the assistant's numbered calls with \
the replies of the tools, and its final answer. For every call say whether it succeeded (1 if it was well-formed and was carried out \
without an error, else 0) and how much it contributed to the answer (0 not at all, 5 it could not be spared). Then say whether the \
question was answered: solved, unsure or unsolved. Answer with JSON only: \
{\"success\": [...], \"contribution\": [...], \"solved\": \"...\"}, both lists in the order of the calls and as long as they are many.";

/// What the judge is asked about an episode.
pub fn judge_request(episode: &Episode, config: &JudgeConfig) -> ChatRequest {
    let mut text = format!("Question: {}\n", episode.query);
    let calls = episode.steps.iter().filter(|step| step.call.name != FINISH);
    for (at, step) in calls.enumerate() {
        let reply: String = step.reply.text().chars().take(config.reply_characters).collect();
        text += &format!("Call {}: {}({})\nReply: {reply}\n", at + 1, step.call.name, step.call.arguments);
    }
    text += &format!(
        "Final answer: {}\n",
        episode.final_answer().unwrap_or_else(|| "(none was given)".to_owned())
    );
    let mut request = ChatRequest::new(vec![Message::system(INSTRUCTIONS), Message::user(text)]);
    request.sampling =
        Sampling { temperature: Some(0.0), max_tokens: Some(config.max_tokens), ..Sampling::default() };
    request.format = ResponseFormat::JsonObject;
    request
}

/// Reads the judge's answer, for an episode with so many calls.
///
/// # Errors
/// [`Error::Record`] for text that holds no such object, lists of another length, or numbers out of range.
pub fn read_judgement(text: &str, calls: usize) -> Result<Judgement> {
    let wrong = |what: String| Error::record("judgement", what);
    // Models put JSON between other words and marks.
    let start = text.find('{').ok_or_else(|| wrong("has no object".into()))?;
    let (value, _) = Json::read_prefix(&text[start..]).map_err(|error| wrong(error.to_string()))?;
    let list = |key: &str, most: f64| -> Result<Vec<f32>> {
        let list =
            value.get(key).and_then(Json::as_array).ok_or_else(|| wrong(format!("has no list {key}")))?;
        if list.len() != calls {
            return Err(wrong(format!("has {} numbers in {key} for {calls} calls", list.len())));
        }
        let number = |value: &Json| {
            let number = value.as_f64().filter(|number| (0.0..=most).contains(number));
            number.map(|number| (number / most) as f32).ok_or_else(|| wrong(format!("{key} holds {value}")))
        };
        list.iter().map(number).collect()
    };
    let (success, contribution) = (list("success", 1.0)?, list("contribution", 5.0)?);
    let solved = match value.get("solved").and_then(Json::as_str).map(str::to_lowercase).as_deref() {
        Some("solved") => 1.0,
        Some("unsure") => 0.5,
        Some("unsolved") => 0.0,
        other => return Err(wrong(format!("solved is {other:?}"))),
    };
    let steps = success.into_iter().zip(contribution);
    let steps = steps.map(|(success, contribution)| Scores { success, contribution }).collect();
    Ok(Judgement { steps, solved })
}

/// Asks a judge `config.passes` times and writes the means into the episode: scores of its steps, and the outcome's score, if the
/// environment has no word on it (`keep_outcome` false). An episode without an answer is not solved, whatever the judge says.
///
/// # Errors
/// [`Error::Judge`] where the model fails, [`Error::Record`] where it answers something else.
pub async fn judge(
    model: &dyn ChatModel,
    episode: &mut Episode,
    config: &JudgeConfig,
    keep_outcome: bool,
) -> Result<()> {
    let calls = episode.steps.iter().filter(|step| step.call.name != FINISH).count();
    let request = judge_request(episode, config);
    let (mut sums, mut solved) = (vec![Scores::default(); calls], 0.0);
    let passes = config.passes.max(1);
    for _ in 0..passes {
        let reply = model.complete(&request).await?;
        let judgement = read_judgement(&reply.message.content, calls)?;
        for (sum, scores) in sums.iter_mut().zip(&judgement.steps) {
            sum.success += scores.success / passes as f32;
            sum.contribution += scores.contribution / passes as f32;
        }
        solved += judgement.solved / passes as f32;
    }
    let mut sums = sums.into_iter();
    for step in episode.steps.iter_mut().filter(|step| step.call.name != FINISH) {
        step.scores = sums.next();
    }
    if !keep_outcome {
        let answered = episode.final_answer().is_some_and(|answer| !answer.is_empty());
        episode.outcome.score = if answered { solved } else { 0.0 };
        episode.outcome.passed = episode.outcome.score > 0.5;
    }
    Ok(())
}
