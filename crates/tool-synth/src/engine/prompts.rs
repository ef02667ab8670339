//! Tasks as chat messages, for engines that read text.

use rec_core::{Json, Message, Role};

use super::Task;
use crate::sdg::UserTask;

/// The messages of a task.
pub fn messages(task: &Task<'_>) -> Vec<Message> {
    match task {
        Task::User(task) => user(task),
        Task::Assistant { messages, tools } => {
            let list = serde_json::to_string(tools).expect("tools have a text");
            let instructions = format!(
                "You decide how an assistant replies. These tools are on offer:\n{list}\n\
                 First think: is a tool needed; which; for each required parameter its value and where it comes from (user, \
                 result, default); which optional ones; what is missing. Write that as one JSON object between <decision> and \
                 </decision> with the members need_tool, apis, args (each with name, value, origin) and missing.\n\
                 Then reply. To call tools write nothing but [name(parameter=value, ...), ...] with Python literals. If a \
                 required value is missing, ask for it in one question. If no tool fits, answer without one, or say that you \
                 cannot. Once results are there and nothing is left to call, tell the user what came out."
            );
            let mut all = vec![Message::system(instructions)];
            all.extend(messages.iter().filter(|message| message.role != Role::System).cloned());
            all
        }
        Task::Tool { tool, call, .. } => {
            let spec = serde_json::to_string(tool).expect("a tool has a text");
            vec![
                Message::system(format!(
                    "You play this tool and answer a call with one plausible result as JSON that fits its returns schema, and \
                     with nothing else. Repeat identifiers and names of the call as they are.\n{spec}"
                )),
                Message::user(format!("{}({})", call.name, call.arguments)),
            ]
        }
        Task::Expert { expert, sample } => {
            let text = serde_json::to_string(sample).expect("a sample has a text");
            vec![
                Message::system(format!(
                    "{} Answer with one JSON object with the members pass (true or false), evidence (the shortest span of text \
                     that shows it, empty if it passes) and confidence (0 to 1).",
                    expert.question()
                )),
                Message::user(text),
            ]
        }
    }
}

fn user(task: &UserTask<'_>) -> Vec<Message> {
    let wishes: Vec<Json> = task
        .expected
        .iter()
        .map(|(name, description, arguments)| {
            [
                ("tool", Json::from(name.as_str())),
                ("what it does", Json::from(description.as_str())),
                ("arguments", Json::Object(arguments.clone())),
            ]
            .into_iter()
            .collect()
        })
        .collect();
    let orders = task.orders();
    let mut all = vec![Message::system(format!(
        "You play a person who writes to an assistant. Write the person's next message and nothing else. Speak as people do, \
         never of tools, functions or parameters by their technical names, and tell every value exactly. Style: {}.\n{orders}\n\
         What the person wants, one entry a call:\n{}",
        task.style.name(),
        Json::Array(wishes)
    ))];
    if !task.before.is_empty() {
        let said: Vec<String> = task
            .before
            .iter()
            .filter(|message| message.tool_calls.is_empty() && message.role != Role::System)
            .map(|message| {
                let who = if message.role == Role::User { "Person" } else { "Assistant" };
                format!("{who}: {}", message.content)
            })
            .collect();
        all.push(Message::user(format!("The conversation so far:\n{}", said.join("\n"))));
    } else {
        all.push(Message::user("Begin."));
    }
    all
}
