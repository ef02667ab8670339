//! The released code's quirks that concern what is fed and what is called, one at a time.

use rec_core::{Json, ToolCall};
use tool_rl::backoffice::{Backoffice, BackofficeCodec, TaskConfig};
use tool_rl::compat::{SuffixLookup, retokenise_fragments};
use tool_rl::env::Status;
use tool_rl::import::{TableRow, read_literal, read_table, retokenise};
use tool_rl::{ActionCodec, ByteCodec, Limits, ToolEnvironment, play};

#[test]
fn names_are_looked_up_by_their_end() {
    let office = Backoffice::new(0.0).unwrap();
    let task = office.task(&TaskConfig::default(), 3).unwrap();
    let (mut exact, mut by_end) = (office.clone(), SuffixLookup(office));
    exact.reset(&task, 1);
    by_end.reset(&task, 1);
    for name in ["", "_employee", "employee", "no such tool", "price"] {
        let call = ToolCall::new("", name, "{}".parse().unwrap());
        assert_eq!(exact.step(&call).reply.status, Status::NoSuchTool, "{name:?}");
        let wanted =
            by_end.tools().iter().find(|tool| tool.name.ends_with(name)).map(|tool| tool.name.clone());
        let found = by_end.step(&call);
        match wanted {
            // The whole name does what the end of it does: the first tool is run, with arguments that do not fit it.
            Some(whole) => {
                assert_ne!(found.reply.status, Status::NoSuchTool, "{name:?}");
                assert_eq!(found, exact.step(&ToolCall { name: whole, ..call }));
            }
            None => assert_eq!(found.reply.status, Status::NoSuchTool, "{name:?}"),
        }
    }
    // A call that is right goes the same way with both.
    let planned = task.plan().next().unwrap();
    assert_eq!(exact.step(planned), by_end.step(planned));
    assert_eq!(exact.outcome(), by_end.outcome());
}

#[test]
fn a_mark_before_each_fragment_is_an_action_token() {
    let mut office = Backoffice::new(0.0).unwrap();
    let task = office.task(&TaskConfig::default(), 5).unwrap();
    let plan: Vec<ToolCall> = task.plan().cloned().collect();
    let mut next = plan.iter();
    let episode = play(
        &mut office,
        &task,
        1,
        &BackofficeCodec,
        &Limits { steps: plan.len(), ..Limits::default() },
        |_, _| next.next().cloned().unwrap_or_else(|| plan[0].clone()),
    );
    let tools = task.tools.clone();
    let bos = 257;
    let plain = retokenise(&episode, &ByteCodec, &tools, usize::MAX).unwrap();
    let marked = retokenise_fragments(&episode, &ByteCodec, &tools, bos, usize::MAX).unwrap();
    plain.check().unwrap();
    marked.check().unwrap();
    assert_eq!(marked.prompt, plain.prompt + 1);
    assert_eq!(marked.action_tokens(), plain.action_tokens() + plain.steps.len());
    let observations = plain.steps.iter().filter(|step| !step.observation.is_empty()).count();
    assert_eq!(marked.tokens.len(), plain.tokens.len() + 1 + plain.steps.len() + observations);
    for (own, other) in marked.steps.iter().zip(&plain.steps) {
        assert_eq!(marked.tokens[own.action.start], bos);
        assert_eq!(marked.tokens[own.action.start + 1..own.action.end], plain.tokens[other.action.clone()]);
        assert_eq!(*marked.tokens[own.action.clone()].last().unwrap(), ByteCodec.end());
    }
    assert!(retokenise_fragments(&episode, &ByteCodec, &tools, bos, plain.tokens.len()).is_none());
}

/// The texts are what Python 3.11 prints for these lists.
#[test]
fn lists_are_fed_as_python_prints_them() {
    let row = TableRow {
        prompts: vec!["a\n".into(), "it's".into(), "say \"x\" it's\\".into()],
        responses: vec!["\u{7}\t".into(), "é".into(), String::new()],
        rewards: vec![0.5, 1.0, 0.25],
    };
    let (prompt, response, reward) = row.as_literals();
    assert_eq!(prompt, r#"['a\n', "it's", 'say "x" it\'s\\']"#);
    assert_eq!(response, r"['\x07\t', 'é', '']");
    assert_eq!(reward, 0.25);
    let back = |text: &str| read_literal(text).unwrap();
    assert_eq!(back(&prompt), Json::from(row.prompts.clone()));
    let text = "prompt\tresponse\treward\n['p', 'q']\t['x', 'y']\t[0.5, 1]\n";
    assert_eq!(read_table(text).unwrap()[0].as_literals(), ("['p', 'q']".into(), "['x', 'y']".into(), 1.0));
}
