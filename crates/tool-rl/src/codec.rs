//! Between calls and tokens.
//!
//! An episode is written once: the prompt, then each action and each observation, token by token as they came about. Nothing
//! is decoded and encoded again, so spans of actions stay what the model wrote.

use rec_core::{Json, ToolCall, ToolSpec};

use crate::env::Reply;

/// How prompts, calls and replies are written in tokens.
pub trait ActionCodec: Sync {
    /// The number of tokens.
    fn vocabulary(&self) -> usize;

    /// The token that ends an action.
    fn end(&self) -> u32;

    /// The prompt of an episode; never empty.
    fn prompt(&self, query: &str, tools: &[ToolSpec]) -> Vec<u32>;

    /// A call, with [`ActionCodec::end`] as its last token; nothing if the vocabulary has no words for it.
    fn action(&self, call: &ToolCall) -> Option<Vec<u32>>;

    /// The call that tokens spell, the end included or not. What is no call becomes one that environments refuse: its name
    /// is empty, or its arguments are a text.
    fn read_action(&self, tokens: &[u32]) -> ToolCall;

    /// What the model reads after a call.
    fn reply(&self, reply: &Reply) -> Vec<u32>;

    /// The tokens that may follow `written` in an action that is to be well-formed, in ascending order; nothing if all may.
    fn allowed(&self, tools: &[ToolSpec], written: &[u32]) -> Option<Vec<u32>>;
}

/// Bytes as tokens, for any environment: ReAct's lines `Thought:`, `Action:`, `Action Input:`.
///
/// Tokens 0 to 255 are bytes, 256 ends an action, 257 begins a prompt. There is no grammar: any byte may follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByteCodec;

const END: u32 = 256;
const BEGIN: u32 = 257;

/// ReAct's text of a call, with an empty thought left out.
pub fn react(thought: &str, call: &ToolCall) -> String {
    let thought = if thought.is_empty() { String::new() } else { format!("Thought: {thought}\n") };
    format!("{thought}Action: {}\nAction Input: {}", call.name, call.arguments)
}

/// Thought and call of ReAct's text. A missing line is an error told in the call: an empty name, or arguments that are a text.
pub fn read_react(text: &str) -> (String, ToolCall) {
    let input = text.find("Action Input:");
    let head = &text[..input.unwrap_or(text.len())];
    let action = head.find("Action:");
    let thought = head[..action.unwrap_or(head.len())].trim().trim_start_matches("Thought:").trim();
    let name = action.map_or("", |at| head[at + "Action:".len()..].trim());
    let arguments = input.map_or("", |at| text[at + "Action Input:".len()..].trim());
    let arguments = arguments.parse().unwrap_or_else(|_| Json::from(arguments));
    (thought.to_owned(), ToolCall::new("", name, arguments))
}

impl ActionCodec for ByteCodec {
    fn vocabulary(&self) -> usize {
        258
    }

    fn end(&self) -> u32 {
        END
    }

    fn prompt(&self, query: &str, tools: &[ToolSpec]) -> Vec<u32> {
        let tools: Vec<String> =
            tools.iter().map(|tool| format!("{} {}\n", tool.name, tool.parameters)).collect();
        let text = format!("{}\n{query}\n", tools.concat());
        std::iter::once(BEGIN).chain(text.bytes().map(u32::from)).collect()
    }

    fn action(&self, call: &ToolCall) -> Option<Vec<u32>> {
        Some(react("", call).bytes().map(u32::from).chain([END]).collect())
    }

    fn read_action(&self, tokens: &[u32]) -> ToolCall {
        let bytes: Vec<u8> = tokens.iter().filter_map(|&token| u8::try_from(token).ok()).collect();
        read_react(&String::from_utf8_lossy(&bytes)).1
    }

    fn reply(&self, reply: &Reply) -> Vec<u32> {
        format!("\nObservation: {}\n", reply.text()).bytes().map(u32::from).collect()
    }

    fn allowed(&self, _: &[ToolSpec], _: &[u32]) -> Option<Vec<u32>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn calls_survive_bytes() {
        let call = ToolCall::new("", "find", r#"{"name":"Ümit","n":3}"#.parse().unwrap());
        let tokens = ByteCodec.action(&call).unwrap();
        assert_eq!(*tokens.last().unwrap(), ByteCodec.end());
        assert_eq!(ByteCodec.read_action(&tokens), call);
    }

    #[test]
    fn react_without_a_thought_or_an_input() {
        let (thought, call) = read_react("Thought: look it up\nAction: f\nAction Input: {\"a\": 1}");
        assert_eq!((thought.as_str(), call.name.as_str()), ("look it up", "f"));
        assert_eq!(call.arguments, r#"{"a":1}"#.parse().unwrap());
        let (thought, call) = read_react("Action: f\nAction Input: {\"a\"");
        assert_eq!((thought.as_str(), call.name.as_str()), ("", "f"));
        assert_eq!(call.arguments, Json::from("{\"a\""));
        assert_eq!(read_react("nonsense").1.name, "");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}", cut in 0_usize..60) {
            let _ = read_react(&text);
            let mixed: String = format!("Action Input:{text}Action:").chars().skip(cut % 20).collect();
            let _ = read_react(&mixed);
        }
    }
}
