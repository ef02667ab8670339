//! Other people's files, searches and judges. The files here are made up in the released forms.

#![allow(clippy::print_stderr)]

use rec_core::{Json, ToolCall};
use tool_rl::backoffice::{Backoffice, BackofficeCodec, Expert, ExpertConfig, TaskConfig, Tier};
use tool_rl::env::{FINISH, Status, ToolEnvironment};
use tool_rl::import::{read_annotations, read_answer, read_table, read_tree, retokenise};
use tool_rl::{ByteCodec, End, Limits, SearchConfig, Shaper, play, read_episodes, search, write_episodes};

const ANNOTATIONS: &str = r#"{"17": {"query": "who won?", "tool_names": ["f_for_t", "Finish"],
  "answer_steps": ["Step 1: {'name': 'f_for_t', 'arguments': '{\"a\":1}', 'response': '{\"error\": \"\", \"response\": \"it\\'s X\"}'}",
                   "Step 2: {'name': 'f_for_t', 'arguments': '{}', 'response': '{\"error\": \"no a\", \"response\": \"\"}'}"],
  "final_step": "Final step: {'name': 'Finish', 'arguments': '{\"return_type\":\"give_answer\",\"final_answer\":\"X\"}', 'response': ''}",
  "process_reward": {"0": {"succeed_tool_calling": [1, 0], "contributions": [5, 0]},
                     "1": {"succeed_tool_calling": [1, 0], "contributions": [4, 0]},
                     "2": {"succeed_tool_calling": [1, 1], "contributions": [5, 1]}},
  "is_solved": {"0": "AnswerStatus.Solved", "1": "AnswerStatus.Unsure", "2": "AnswerStatus.Solved"}}}"#;

#[test]
fn annotations_become_the_rewards_of_the_released_tables() {
    let episodes = read_annotations(ANNOTATIONS).unwrap();
    let [episode] = episodes.as_slice() else { panic!("one query") };
    assert_eq!(episode.steps.len(), 3);
    assert_eq!(episode.steps[0].reply.response, Json::from("it's X"));
    assert_eq!(episode.steps[1].reply.error, "no a");
    assert_eq!((episode.end, episode.final_answer().as_deref()), (Some(End::Finished), Some("X")));
    let rewards = Shaper::steptool_released().rewards(episode, 0.0);
    let expected = [(1.0 + 14.0 / 15.0) / 2.0, (1.0 / 3.0 + 1.0 / 15.0) / 2.0, 2.5 / 3.0];
    for (reward, expected) in rewards.iter().zip(expected) {
        assert!((reward - expected).abs() < 1e-6, "{rewards:?}");
        assert!((reward * 30.0 - (reward * 30.0).round()).abs() < 1e-4);
    }
    // In tokens it can be trained on.
    let written = retokenise(episode, &ByteCodec, &[], 4000).unwrap();
    written.check().unwrap();
    assert!(retokenise(episode, &ByteCodec, &[], 50).is_none());
}

#[test]
fn ragged_and_wrong_annotations_are_refused() {
    for (from, to, said) in [
        ("\"contributions\": [4, 0]", "\"contributions\": [4]", "pass 1 has 1 contributions for 2 steps"),
        ("\"contributions\": [4, 0]", "\"contributions\": [4, 6]", "out of range"),
        ("AnswerStatus.Unsure", "AnswerStatus.Perhaps", "Perhaps"),
        ("Step 2: {'name': 'f_for_t'", "Step 2: {'name' 'f_for_t'", "step 2"),
        ("\"query\": \"who won?\", ", "", "has no query"),
    ] {
        assert!(ANNOTATIONS.contains(from));
        let error = read_annotations(&ANNOTATIONS.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("query 17"), "{error}");
    }
}

#[test]
fn tables_of_lists_are_read() {
    let text = "prompt\tresponse\treward\n['a\\n', \"it's\"]\t['x', 'y']\t[0.5, 1]\n\"['q \"\"z\"\"\nw']\"\t['r']\t[0.0]\n";
    let rows = read_table(text).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].prompts[0].as_str(), rows[0].prompts[1].as_str()), ("a\n", "it's"));
    assert_eq!(rows[0].rewards, [0.5, 1.0]);
    assert_eq!(rows[1].prompts, ["q \"z\"\nw"]);
    for (text, said) in [
        ("", "empty"),
        ("prompt\tresponse\n", "no column reward"),
        (
            "prompt\tresponse\treward\n['a']\t['b', 'c']\t[1]\n",
            "row 1: has 1 prompts, 2 responses and 1 rewards",
        ),
        ("prompt\tresponse\treward\n['a']\t['b']\t[f()]\n", "row 1: reward"),
    ] {
        let error = read_table(text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

fn node(
    kind: &str,
    text: &str,
    observation: Option<(&str, i64)>,
    children: Vec<serde_json::Value>,
) -> serde_json::Value {
    let mut node = serde_json::json!({"node_type": kind, "description": text, "children": children});
    if let Some((observation, code)) = observation {
        node["observation"] = observation.into();
        node["observation_code"] = code.into();
    }
    node
}

#[test]
fn toolbench_trees_and_chains_become_paths() {
    let finish = |arguments: &str, code| {
        node("Action", "Finish", None, vec![node("Action Input", arguments, Some(("done", code)), vec![])])
    };
    let gave_up = finish(r#"{"return_type":"give_up_and_restart"}"#, 4);
    let answered = finish(r#"{"return_type":"give_answer","final_answer":"7"}"#, 3);
    let call = node(
        "Action Input",
        "{\"a\": 1",
        Some((r#"{"error":"bad","response":""}"#, 2)),
        vec![gave_up, answered],
    );
    let tree = node(
        "Action Input",
        "",
        None,
        vec![node("Thought", "look", None, vec![node("Action", "f", None, vec![call])])],
    );
    let file = serde_json::json!({"tree": {"tree": tree}, "answer_generation": {"query": "how many?"}});
    let paths = read_tree(&Json::from(file)).unwrap();
    assert_eq!(paths.len(), 2);
    assert_eq!(paths[0].query, "how many?");
    assert_eq!((paths[0].end, paths[1].end), (Some(End::GaveUp), Some(End::Finished)));
    assert!(!paths[0].outcome.passed && paths[1].outcome.passed);
    let first = &paths[0].steps[0];
    assert_eq!((first.thought.as_str(), first.call.name.as_str()), ("look", "f"));
    assert_eq!(first.reply.status, Status::BadInput);
    assert_eq!(first.call.arguments, Json::from("{\"a\": 1"));
    let chain = serde_json::json!({"trys": [{"chain": [
        node("Action", "f", None, vec![]), node("Action Input", "{}", Some(("ok", 0)), vec![])]}]});
    let paths = read_tree(&Json::from(chain)).unwrap();
    assert_eq!((paths.len(), paths[0].end), (1, Some(End::StepLimit)));
    assert!(
        read_tree(&Json::from(serde_json::json!({"tree": {"tree": node("Odd", "", None, vec![])}}))).is_err()
    );
    assert!(read_tree(&Json::Null).is_err());
}

/// ToolBench's own answers, where a copy is at hand: all paths are read, one of them is the one the file says led to the answer.
#[test]
fn toolbenchs_own_answers_are_read() {
    let Some(folder) = std::env::var_os("SEXTANT_DATA")
        .map(|data| std::path::PathBuf::from(data).join("toolbench-sample/answer"))
    else {
        eprintln!("skipped: SEXTANT_DATA is not set");
        return;
    };
    let mut files = 0;
    for group in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(group.unwrap().path()).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let file: Json = text.parse().unwrap();
            let paths = read_tree(&file).unwrap();
            assert!(!paths.is_empty());
            if file.pointer("/answer_generation/valid_data").and_then(Json::as_bool) == Some(true) {
                let answer = read_answer(&file).unwrap();
                // Valid data may give up, and says so.
                let finished = file.pointer("/answer_generation/finish_type").and_then(Json::as_str)
                    == Some("give_answer");
                assert_eq!(answer.end, Some(if finished { End::Finished } else { End::GaveUp }));
                assert!(
                    paths.iter().any(|path| path.final_answer() == answer.final_answer()),
                    "{}",
                    answer.query
                );
            }
            files += 1;
        }
    }
    assert!(files > 0);
}

#[test]
fn episodes_survive_their_file() {
    let mut office = Backoffice::new(0.12).unwrap();
    let mut episodes = read_annotations(ANNOTATIONS).unwrap();
    for index in 0..5 {
        let task = office.task(&TaskConfig::default(), index).unwrap();
        let mut expert = Expert::new(&task, &ExpertConfig::default(), index);
        episodes.push(play(&mut office, &task, index, &BackofficeCodec, &Limits::default(), |_, reply| {
            reply.into_iter().for_each(|reply| expert.observe(reply));
            expert.act()
        }));
        let trajectory = episodes.last().unwrap().trajectory(&task.tools);
        trajectory.check().unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("episodes.jsonl");
    write_episodes(&path, &episodes).unwrap();
    assert_eq!(read_episodes(&path).unwrap(), episodes);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"schema_version\":1", "\"schema_version\":2", 1)).unwrap();
    assert!(read_episodes(&path).unwrap_err().to_string().contains(":1: schema_version"));
    // Steps that point at tokens which are not there.
    let last = episodes.len();
    let mut broken = episodes.clone();
    broken[last - 1].tokens.clear();
    for (prompt, said) in [(broken[last - 1].prompt, "has a prompt"), (0, "step 0: stands among tokens")] {
        broken[last - 1].prompt = prompt;
        write_episodes(&path, &broken).unwrap();
        let error = read_episodes(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("episodes.jsonl:{last}: ")) && error.contains(said), "{error}");
    }
}

#[test]
fn a_search_comes_back_from_dead_ends() {
    let office = Backoffice::new(0.0).unwrap();
    let give_up = || ToolCall::new("", FINISH, [("kind", "give_up")].into_iter().collect());
    for index in 0..20 {
        let task = office.task_of(&TaskConfig::default(), Tier::T2, index).unwrap();
        let plan: Vec<ToolCall> = task.plan().cloned().collect();
        let mut env = office.clone();
        env.reset(&task, 0);
        // First a wrong turn from every state: giving up. Then what is needed.
        let found = search(&mut env, &SearchConfig::default(), |env, _, tried| {
            let known = env.facts().unwrap().known as usize;
            Ok(Some(match (tried.is_empty(), plan.get(known)) {
                (true, _) => give_up(),
                (false, Some(call)) => call.clone(),
                (false, None) => {
                    let value = task.answer().unwrap().clone();
                    ToolCall::new(
                        "",
                        FINISH,
                        [("kind", Json::from("value")), ("value", value)].into_iter().collect(),
                    )
                }
            }))
        })
        .unwrap();
        assert_eq!(found.end, Some(End::Finished));
        assert_eq!(found.path.len(), plan.len() + 1);
        assert_eq!(found.pruned, plan.len() + 1);
        assert!(env.outcome().passed);
        // A search that never finds an answer keeps to its budget and leaves the last path's state.
        env.reset(&task, 0);
        let config = SearchConfig { width: 2, depth: 3, budget: 9 };
        let found = search(&mut env, &config, |_, path, tried| {
            let label = ["anvil", "axe"][tried.len()];
            Ok(Some(ToolCall::new(
                "",
                "search_docs",
                [("query", format!("{label}{}", path.len()))].into_iter().collect(),
            )))
        })
        .unwrap();
        assert_eq!((found.end, found.queries), (None, 9));
        assert!(!env.outcome().passed);
    }
}

#[cfg(feature = "judge")]
mod judging {
    use super::*;
    use chat_model::{Capabilities, ChatModel, ChatReply, ChatRequest};
    use futures_util::future::{BoxFuture, FutureExt};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tool_rl::judge::{JudgeConfig, judge, read_judgement};

    /// Says what it was given, in turn.
    struct Scripted(Vec<&'static str>, AtomicUsize);

    impl ChatModel for Scripted {
        fn complete<'a>(&'a self, request: &'a ChatRequest) -> BoxFuture<'a, chat_model::Result<ChatReply>> {
            let text = &request.messages[1].content;
            assert!(
                text.contains("Call 2: f_for_t")
                    && !text.contains("Call 3")
                    && text.contains("Final answer: X")
            );
            let at = self.1.fetch_add(1, Ordering::Relaxed) % self.0.len();
            futures_util::future::ready(Ok(ChatReply::text(self.0[at]))).boxed()
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::default()
        }
    }

    #[test]
    fn passes_are_averaged_and_answers_checked() {
        let mut episode = read_annotations(ANNOTATIONS).unwrap().remove(0);
        let model = Scripted(
            vec![
                r#"{"success":[1,0],"contribution":[5,0],"solved":"solved"}"#,
                "Here: {\"success\":[1,1],\"contribution\":[3,0],\"solved\":\"Unsure\"} as asked.",
            ],
            AtomicUsize::new(0),
        );
        let config = JudgeConfig { passes: 2, ..JudgeConfig::default() };
        judge(&model, &mut episode, &config, false).now_or_never().unwrap().unwrap();
        let scores: Vec<_> = episode.steps.iter().filter_map(|step| step.scores).collect();
        assert_eq!(scores.len(), 2);
        assert!((scores[0].contribution - 0.8).abs() < 1e-6 && (scores[1].success - 0.5).abs() < 1e-6);
        assert!((episode.outcome.score - 0.75).abs() < 1e-6 && episode.outcome.passed);
        for wrong in [
            "no object",
            r#"{"success":[1],"contribution":[5,0],"solved":"solved"}"#,
            r#"{"success":[1,2],"contribution":[5,0],"solved":"solved"}"#,
            r#"{"success":[1,0],"contribution":[5,0],"solved":"perhaps"}"#,
        ] {
            assert!(read_judgement(wrong, 2).is_err(), "{wrong}");
        }
    }
}
