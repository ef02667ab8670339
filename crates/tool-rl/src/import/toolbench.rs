//! ToolBench's answers as episodes: the path that led to the answer, and the paths of the search tree.

use rec_core::tool::toolbench;
use rec_core::{Json, Role, ToolCall};

use crate::env::replay::read_reply;
use crate::env::{End, FINISH, Outcome, Reply, Status};
use crate::episode::{Episode, Step};
use crate::{Error, Result};

/// The path of an answer file (`answer_generation/train_messages`, the last list). It counts as passed where the file says that it
/// gave an answer; that is ToolBench's `valid_data`, no judge's verdict.
///
/// # Errors
/// [`rec_core::Error::Invalid`] naming what is missing; an answer that was given up has no messages.
pub fn read_answer(file: &Json) -> Result<Episode> {
    let trajectory = toolbench::read(file)?;
    let query = trajectory.messages.iter().find(|message| message.role == Role::User);
    let mut steps: Vec<Step> = Vec::new();
    let mut waiting = 0;
    for message in &trajectory.messages {
        for call in &message.tool_calls {
            steps.push(step(&message.content, call.clone(), Reply::ok(Json::Null)));
        }
        if message.role == Role::Tool && waiting < steps.len() {
            steps[waiting].reply = read_reply(&message.content);
            waiting += 1;
        }
    }
    let valid = trajectory.metadata.get("valid_data").and_then(Json::as_bool).unwrap_or(false);
    let query = query.map(|message| message.content.clone()).unwrap_or_default();
    Ok(finish(Episode { id: trajectory.id.clone(), query, steps, ..Episode::default() }, valid))
}

/// All paths from the root of a file's search tree to its leaves, in the order in which they were searched. `CoT@1` files have chains
/// (`trys`) in its place.
///
/// # Errors
/// [`Error::Record`] for a tree whose nodes are not `Thought`, `Action` and `Action Input`.
pub fn read_tree(file: &Json) -> Result<Vec<Episode>> {
    let query = file.pointer("/answer_generation/query").and_then(Json::as_str).unwrap_or_default();
    let mut paths = Vec::new();
    if let Some(root) = file.pointer("/tree/tree") {
        walk(root, &mut Vec::new(), &mut String::new(), None, &mut paths, 0)?;
    } else if let Some(chains) = file.get("trys").and_then(Json::as_array) {
        for chain in chains {
            let nodes = chain.get("chain").and_then(Json::as_array).or_else(|| chain.as_array());
            let nodes = nodes.ok_or_else(|| Error::record("trys", "holds something else than chains"))?;
            let (mut steps, mut thought, mut action) = (Vec::new(), String::new(), None);
            for node in nodes {
                visit(node, &mut steps, &mut thought, &mut action)?;
            }
            paths.push(steps);
        }
    } else {
        return Err(Error::record("answer file", "has neither tree nor trys"));
    }
    let episodes = paths.into_iter().enumerate().map(|(at, steps)| {
        finish(Episode { id: at.to_string(), query: query.to_owned(), steps, ..Episode::default() }, true)
    });
    Ok(episodes.collect())
}

fn step(thought: &str, call: ToolCall, reply: Reply) -> Step {
    Step {
        thought: thought.to_owned(),
        call,
        reply,
        action: 0..0,
        observation: 0..0,
        log_probs: Vec::new(),
        digest: 0,
        facts: None,
        scores: None,
    }
}

/// Takes one node: a thought and a name are kept until the arguments come.
fn visit(
    node: &Json,
    steps: &mut Vec<Step>,
    thought: &mut String,
    action: &mut Option<String>,
) -> Result<()> {
    let text = node.get("description").and_then(Json::as_str).unwrap_or_default();
    match node.get("node_type").and_then(Json::as_str) {
        Some("Thought") => *thought = text.to_owned(),
        Some("Action") => *action = Some(text.to_owned()),
        Some("Action Input") => {
            // The root is an empty node of this kind.
            if let Some(name) = action.take() {
                let arguments = text.parse().unwrap_or_else(|_| Json::from(text));
                let mut reply =
                    read_reply(node.get("observation").and_then(Json::as_str).unwrap_or_default());
                let code = node.get("observation_code").and_then(Json::as_i64);
                let status = code.and_then(|code| u8::try_from(code).ok()).and_then(Status::from_code);
                reply.status = status.unwrap_or(reply.status);
                steps.push(step(thought, ToolCall::new("", name, arguments), reply));
                thought.clear();
            }
        }
        other => return Err(Error::record("tree", format!("has a node of type {other:?}"))),
    }
    Ok(())
}

fn walk(
    node: &Json,
    steps: &mut Vec<Step>,
    thought: &mut String,
    mut action: Option<String>,
    paths: &mut Vec<Vec<Step>>,
    depth: usize,
) -> Result<()> {
    if depth > 256 {
        return Err(Error::record("tree", "is nested too deep"));
    }
    let before = steps.len();
    visit(node, steps, thought, &mut action)?;
    let children = node.get("children").and_then(Json::as_array).unwrap_or_default();
    if children.is_empty() {
        paths.push(steps.clone());
    }
    for child in children {
        walk(child, steps, &mut thought.clone(), action.clone(), paths, depth + 1)?;
    }
    steps.truncate(before);
    Ok(())
}

/// Sets end and outcome by the last call.
fn finish(mut episode: Episode, valid: bool) -> Episode {
    let last = episode.steps.last_mut().filter(|step| step.call.name == FINISH);
    if let Some(step) = last {
        let answer = step.call.arguments.get("return_type").and_then(Json::as_str) == Some("give_answer");
        step.reply.status = if answer { Status::FinalAnswer } else { Status::GiveUp };
        episode.end = Some(if answer { End::Finished } else { End::GaveUp });
        let passed = answer && valid && episode.final_answer().is_some_and(|answer| !answer.is_empty());
        episode.outcome = Outcome { score: f32::from(u8::from(passed)), passed };
    } else {
        episode.end = Some(End::StepLimit);
    }
    episode
}
