//! StepTool's annotations: steps as Python dictionaries in texts, several passes of a judge over each.

use rec_core::{Json, ToolCall};

use super::python::read_literal;
use crate::env::replay::read_reply;
use crate::env::{End, FINISH, Outcome, Reply, Status};
use crate::episode::{Episode, Scores, Step};
use crate::{Error, Result};

/// Reads a file of annotations: for each query its steps with the mean of the judge's passes, contribution divided by 5.
///
/// The passes' lists are checked against the number of steps: the released annotator did not do so.
///
/// # Errors
/// [`Error::Record`] naming the query for a step that cannot be read, a list of another length than there are steps, a score out
/// of range, or a verdict of another name; [`rec_core::Error::Json`] for a file that is no JSON.
pub fn read_annotations(text: &str) -> Result<Vec<Episode>> {
    let file: Json = text.parse()?;
    let queries = file.as_object().ok_or_else(|| Error::record("annotations", "are no object"))?;
    queries.iter().map(|(id, entry)| read_entry(id, entry)).collect()
}

fn read_entry(id: &str, entry: &Json) -> Result<Episode> {
    let wrong = |what: String| Error::record(format!("query {id}"), what);
    let query = entry.get("query").and_then(Json::as_str).ok_or_else(|| wrong("has no query".into()))?;
    let texts = entry.get("answer_steps").and_then(Json::as_array);
    let texts = texts.ok_or_else(|| wrong("has no answer_steps".into()))?;
    let mut steps = Vec::with_capacity(texts.len() + 1);
    for (at, text) in texts.iter().enumerate() {
        let text = text.as_str().unwrap_or_default();
        steps.push(read_step(text).map_err(|what| wrong(format!("step {}: {what}", at + 1)))?);
    }
    if let Some(passes) = entry.get("process_reward").and_then(Json::as_object)
        && !passes.is_empty()
    {
        let mut sums = vec![[0.0_f32; 2]; steps.len()];
        for (pass, scores) in passes {
            for (part, (key, most)) in
                [("succeed_tool_calling", 1.0), ("contributions", 5.0)].into_iter().enumerate()
            {
                let list = scores.get(key).and_then(Json::as_array);
                let list = list.ok_or_else(|| wrong(format!("pass {pass} has no {key}")))?;
                if list.len() != steps.len() {
                    let (found, steps) = (list.len(), steps.len());
                    return Err(wrong(format!("pass {pass} has {found} {key} for {steps} steps")));
                }
                for (sum, score) in sums.iter_mut().zip(list) {
                    let score = score.as_f64().filter(|score| (0.0..=most).contains(score));
                    let score = score
                        .ok_or_else(|| wrong(format!("pass {pass} has a score out of range in {key}")))?;
                    sum[part] += (score / most) as f32;
                }
            }
        }
        let count = passes.len() as f32;
        for (step, [success, contribution]) in steps.iter_mut().zip(sums) {
            step.scores = Some(Scores { success: success / count, contribution: contribution / count });
        }
    }

    let mut end = None;
    if let Some(text) = entry.get("final_step").and_then(Json::as_str).filter(|text| !text.is_empty()) {
        let mut step = read_step(text).map_err(|what| wrong(format!("final step: {what}")))?;
        end = Some(End::StepLimit);
        if step.call.name == FINISH {
            let gave_up =
                step.call.arguments.get("return_type").and_then(Json::as_str) == Some("give_up_and_restart");
            end = Some(if gave_up { End::GaveUp } else { End::Finished });
            step.reply.status = if gave_up { Status::GiveUp } else { Status::FinalAnswer };
        }
        steps.push(step);
    }
    let verdicts = entry.get("is_solved").and_then(Json::as_object);
    let mut scores = Vec::new();
    for verdict in verdicts.into_iter().flat_map(|verdicts| verdicts.values()) {
        scores.push(match verdict.as_str().unwrap_or_default().trim_start_matches("AnswerStatus.") {
            "Solved" => 1.0,
            "Unsure" => 0.5,
            "Unsolved" => 0.0,
            other => return Err(wrong(format!("has the verdict {other:?}"))),
        });
    }
    let score = if scores.is_empty() { 0.0 } else { scores.iter().sum::<f32>() / scores.len() as f32 };
    let outcome = Outcome { score, passed: score > 0.5 };
    Ok(Episode { id: id.to_owned(), query: query.to_owned(), steps, end, outcome, ..Episode::default() })
}

/// `Step k: {'name': …, 'arguments': '…', 'response': '…'}`.
fn read_step(text: &str) -> Result<Step, String> {
    let start = text.find('{').ok_or("has no dictionary")?;
    let value = read_literal(&text[start..])?;
    let member = |key: &str| value.get(key).and_then(Json::as_str);
    let name = member("name").ok_or("has no name")?;
    let arguments = match value.get("arguments") {
        // Arguments that are not JSON stay a text.
        Some(Json::String(text)) => text.parse().unwrap_or_else(|_| Json::from(text.as_str())),
        Some(other) => other.clone(),
        None => return Err("has no arguments".to_owned()),
    };
    let reply = match member("response") {
        None | Some("") => Reply::ok(Json::Null),
        Some(text) => read_reply(text),
    };
    Ok(Step {
        thought: member("thought").unwrap_or_default().to_owned(),
        call: ToolCall::new("", name, arguments),
        reply,
        action: 0..0,
        observation: 0..0,
        log_probs: Vec::new(),
        digest: 0,
        facts: None,
        scores: None,
    })
}
