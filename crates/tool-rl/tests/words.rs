//! Words learned from texts, and replays judged by their calls.

use std::sync::Arc;

use proptest::prelude::*;
use rec_core::{Message, ToolCall, ToolSpec, Trajectory};
use tool_rl::env::replay::{Recorded, ReplayEnvironment};
use tool_rl::env::{FINISH, Facts, Status, finish_tool};
use tool_rl::{ActionCodec, Limits, ToolEnvironment, WordCodec, play};

fn codec() -> WordCodec {
    WordCodec::learn(["book a table for two, book a table", "a table"], 2, 100)
}

#[test]
fn frequent_words_are_one_token_and_others_are_spelled() {
    let codec = codec();
    // "book" stands twice, once at the beginning of the text and once after a blank: two words, each too rare.
    assert_eq!(codec.vocabulary(), 261 + 2);
    assert_eq!(codec.encode(" a table 12").len(), 5);
    assert_eq!(codec.encode(" ab").len(), 3);
    let call = ToolCall::new("", "find table", r#"{"name":"Ümit","n":3}"#.parse().unwrap());
    let tokens = codec.action(&call).unwrap();
    assert_eq!(tokens.last(), Some(&codec.end()));
    assert_eq!(codec.read_action(&tokens), call);
    assert_eq!(codec.read_action(&codec.encode("nonsense")).name, "nonsense");
    assert_eq!(codec.read_action(&[u32::MAX, 0]).name, "\0");
    let text = serde_json::to_string(&codec).unwrap();
    assert!(text.starts_with('['), "{text}");
    assert_eq!(serde_json::from_str::<WordCodec>(&text).unwrap(), codec);
    // A setting survives, too.
    let mut short = codec;
    short.most_seen = 12;
    let text = serde_json::to_string(&short).unwrap();
    assert_eq!(serde_json::from_str::<WordCodec>(&text).unwrap(), short);
    let none = serde_json::to_string(&WordCodec::default()).unwrap();
    assert_eq!(serde_json::from_str::<WordCodec>(&none).unwrap(), WordCodec::default());
}

fn tool() -> ToolSpec {
    let schema =
        r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"]}"#;
    ToolSpec::new("f", "", schema.parse().unwrap())
}

#[test]
fn tools_are_told_with_what_they_need() {
    let prompt = codec().prompt("go", &[tool(), finish_tool()]);
    assert_eq!(codec().decode(&prompt), " f(a*,b) go");
}

fn call(argument: &str) -> ToolCall {
    ToolCall::new("1", "f", format!(r#"{{"a":"{argument}"}}"#).parse().unwrap())
}

fn finish() -> ToolCall {
    let text = r#"{"return_type":"give_answer","final_answer":"done"}"#;
    ToolCall::new("", FINISH, text.parse().unwrap())
}

#[test]
fn a_replay_passes_by_exactly_the_recorded_calls() {
    let trajectory = Trajectory {
        tools: vec![tool()],
        messages: vec![
            Message::user("what?"),
            Message::calls(vec![call("x")]),
            Message::tool("1", r#"{"id":"Q-7"}"#),
        ],
        ..Trajectory::default()
    };
    let task = Arc::new(Recorded::from_trajectories(&[trajectory]).unwrap().with_needed_calls());
    let mut env = ReplayEnvironment::default();
    for (calls, known, passes) in [
        (vec![call("x")], 1, true),
        (vec![call("x"), call("x")], 1, true),
        (vec![], 0, false),
        (vec![call("x"), call("y")], 1, false),
    ] {
        let mut next = calls.clone().into_iter();
        let episode =
            play(&mut env, &task, 0, &codec(), &Limits::default(), |_, _| next.next().unwrap_or_else(finish));
        assert_eq!(env.facts(), Some(Facts { needed: 1, known }));
        assert_eq!(episode.outcome.passed, passes, "{calls:?}");
        if known == 1 {
            assert!(codec().decode(&episode.tokens).contains("Q-7"));
        }
    }
    // Where nothing was recorded, ending at once is right, and any call is wrong.
    let none = Recorded { replies: Default::default(), ..Recorded::clone(&task) }.with_needed_calls();
    env.reset(&Arc::new(none), 0);
    let before = env.snapshot();
    env.step(&finish());
    assert!(env.outcome().passed);
    env.restore(&before);
    assert_eq!(env.step(&call("x")).reply.status, Status::NotWorking);
    env.step(&finish());
    assert!(!env.outcome().passed);
}

proptest! {
    #[test]
    fn every_text_survives(text in ".{0,60}") {
        prop_assert_eq!(codec().decode(&codec().encode(&text)), text);
    }
}
