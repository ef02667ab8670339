//! The back office as section 13 of the design asks for it: ceilings and floors, the same transcripts whatever the threads,
//! snapshots, failures at the rate ordered, no side doors.

use std::sync::Arc;

use proptest::prelude::*;
use rayon::prelude::*;
use rec_core::random::stream;
use rec_core::{Json, ToolCall};
use tool_rl::ToolEnvironment;
use tool_rl::backoffice::{Backoffice, Expert, ExpertConfig, Task, TaskConfig, Tier, random_call};
use tool_rl::env::{End, FINISH, Status};

const CAP: usize = 14;

/// Pass and transcript of one episode of an expert.
fn play(office: &Backoffice, task: &Arc<Task>, expert: &ExpertConfig, seed: u64) -> (bool, String) {
    let mut env = office.clone();
    env.reset(task, seed);
    let mut agent = Expert::new(task, expert, seed);
    let mut transcript = String::new();
    for _ in 0..CAP {
        let call = agent.act();
        let transition = env.step(&call);
        agent.observe(&transition.reply);
        transcript += &format!("{}\n{}\n", call.canonical(), transition.reply.text());
        if transition.end.is_some() {
            break;
        }
    }
    (env.outcome().passed, transcript)
}

fn pass_rate(tier: Tier, expert: &ExpertConfig, config: &TaskConfig, n: u64) -> f64 {
    let office = Backoffice::new(0.12).unwrap();
    let passed = (0..n).into_par_iter().filter(|&index| {
        let task = office.task_of(config, tier, index).unwrap();
        play(&office, &task, expert, index).0
    });
    passed.count() as f64 / n as f64
}

#[test]
fn the_careful_expert_marks_the_ceiling() {
    for unseen_decoys in [false, true] {
        let config = TaskConfig { seed: 3, unseen_decoys, ..TaskConfig::default() };
        for tier in Tier::ALL {
            let rate = pass_rate(tier, &ExpertConfig::careful(), &config, 300);
            assert!(rate >= 0.95, "{tier:?}: {rate}");
        }
    }
}

#[test]
fn noisy_experts_fail_more_the_longer_the_way() {
    let rates = [Tier::T1, Tier::T2, Tier::T3]
        .map(|tier| pass_rate(tier, &ExpertConfig::default(), &TaskConfig::default(), 600));
    assert!(rates[0] > rates[1] && rates[1] > rates[2], "{rates:?}");
    assert!((0.2..0.7).contains(&rates[0]) && rates[2] < 0.1 && rates[2] > 0.0, "{rates:?}");
}

#[test]
fn random_valid_calls_pass_almost_never() {
    let office = Backoffice::new(0.12).unwrap();
    let passed = (0..600_u64).filter(|&index| {
        let tier = [Tier::T1, Tier::T2, Tier::T3][index as usize % 3];
        let task = office.task_of(&TaskConfig::default(), tier, index).unwrap();
        let mut env = office.clone();
        env.reset(&task, index);
        let mut rng = stream(1, "random", index);
        for _ in 0..CAP {
            env.step(&random_call(&task, &mut rng));
        }
        env.outcome().passed
    });
    assert!(passed.count() <= 12);
}

#[test]
fn transcripts_do_not_depend_on_threads() {
    let office = Backoffice::new(0.12).unwrap();
    let config = TaskConfig::default();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            (0..64_u64)
                .into_par_iter()
                .map(|index| {
                    play(&office, &office.task(&config, index).unwrap(), &ExpertConfig::default(), index).1
                })
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(run(1), run(8));
}

#[test]
fn a_restored_state_goes_on_as_the_saved_one_did() {
    let office = Backoffice::new(0.2).unwrap();
    for index in 0..60 {
        let task = office.task(&TaskConfig::default(), index).unwrap();
        let mut env = office.clone();
        env.reset(&task, index);
        let mut rng = stream(2, "random", index);
        let calls: Vec<ToolCall> =
            task.plan().cloned().chain((0..6).map(|_| random_call(&task, &mut rng))).collect();
        let half = calls.len() / 2;
        calls[..half].iter().for_each(|call| drop(env.step(call)));
        let (saved, digest) = (env.snapshot(), env.digest());
        let first: Vec<_> = calls[half..].iter().map(|call| env.step(call)).collect();
        let (end, outcome) = (env.digest(), env.outcome());
        env.restore(&saved);
        assert_eq!(env.digest(), digest);
        let second: Vec<_> = calls[half..].iter().map(|call| env.step(call)).collect();
        assert_eq!(first, second);
        assert_eq!((env.digest(), env.outcome()), (end, outcome));
    }
}

#[test]
fn the_plan_brings_every_fact_and_nothing_else_is_needed() {
    let office = Backoffice::new(0.0).unwrap();
    for index in 0..100 {
        let task = office.task_of(&TaskConfig::default(), Tier::T3, index).unwrap();
        let mut env = office.clone();
        env.reset(&task, 0);
        for (done, call) in task.plan().enumerate() {
            assert_eq!(env.facts().unwrap().known, done as u32);
            assert_eq!(env.step(call).reply.status, Status::Ok, "{call:?}");
        }
        let facts = env.facts().unwrap();
        assert_eq!(facts.known, facts.needed);
        assert!((6..=8).contains(&facts.needed));
        let value = task.answer().unwrap().clone();
        let finish = |value: Json| {
            ToolCall::new("", FINISH, [("kind", Json::from("value")), ("value", value)].into_iter().collect())
        };
        let before = env.snapshot();
        assert_eq!(env.step(&finish(value.clone())).end, Some(End::Finished));
        assert!(env.outcome().passed);
        // A wrong value fails, and so does the right one with a side effect.
        env.restore(&before);
        env.step(&finish("nowhere".into()));
        assert_eq!(env.outcome().score, 0.0);
        env.restore(&before);
        let order = r#"{"token":"k0","emp":"e0","item":"i0","depot":"d0"}"#;
        if task.tools.iter().any(|tool| tool.name == "create_order")
            && task.tools.iter().any(|tool| tool.name == "request_token")
        {
            let token =
                env.step(&ToolCall::new("", "request_token", r#"{"scope":"orders"}"#.parse().unwrap()));
            let token = token.reply.response.get("token").unwrap().clone();
            let mut arguments: Json = order.parse().unwrap();
            arguments.as_object_mut().unwrap().insert("token".to_owned(), token);
            assert_eq!(env.step(&ToolCall::new("", "create_order", arguments)).reply.status, Status::Ok);
            env.step(&finish(value));
            assert_eq!((env.outcome().score, env.outcome().passed), (0.5, false));
        }
    }
}

#[test]
fn tools_that_change_the_office_need_a_token() {
    let office = Backoffice::new(0.0).unwrap();
    let task = (0..).map(|index| office.task_of(&TaskConfig::default(), Tier::T3, index).unwrap());
    let task = task.into_iter().find(|task| task.plan().any(|call| call.name == "refund_order")).unwrap();
    let mut env = office.clone();
    env.reset(&task, 0);
    let (world, refund) = (env.digest(), task.plan().find(|call| call.name == "refund_order").unwrap());
    assert_eq!(env.step(refund).reply.status, Status::Unauthorised);
    assert_eq!(env.digest(), world);
}

#[test]
fn busy_tools_are_as_many_as_ordered() {
    let office = Backoffice::new(0.12).unwrap();
    let mut busy = 0;
    let n = 8000;
    for seed in 0..n {
        let task = office.task_of(&TaskConfig::default(), Tier::T1, seed % 50).unwrap();
        let mut env = office.clone();
        env.reset(&task, seed);
        busy += u64::from(env.step(task.plan().next().unwrap()).reply.status == Status::TooManyRequests);
    }
    let rate = busy as f64 / n as f64;
    assert!((rate - 0.12).abs() < 4.0 * (0.12 * 0.88 / n as f64).sqrt(), "{rate}");
}

#[test]
fn whatever_is_called_is_answered() {
    let office = Backoffice::new(0.1).unwrap();
    let task = office.task(&TaskConfig::default(), 1).unwrap();
    let mut env = office.clone();
    assert_eq!(env.step(&ToolCall::new("", "add", Json::Null)).end, Some(End::EnvironmentError));
    env.reset(&task, 0);
    for (name, arguments) in [
        ("", Json::Null),
        ("add", "x".into()),
        (FINISH, Json::Array(Vec::new())),
        (FINISH, [("kind", "value")].into_iter().collect()),
        (FINISH, [("kind", "perhaps")].into_iter().collect()),
        ("find_employee", [("name", 7_i64)].into_iter().collect()),
        ("find_employee", [("name", "e1"), ("other", "x")].into_iter().collect()),
    ] {
        let transition = env.step(&ToolCall::new("", name, arguments));
        assert!(!transition.reply.status.is_success() && transition.end.is_none());
    }
    env.step(&ToolCall::new("", FINISH, [("kind", "give_up")].into_iter().collect()));
    assert!(env.is_over());
    assert_eq!(env.step(&ToolCall::new("", "add", Json::Null)).reply.status, Status::RequestError);
}

#[test]
fn without_a_token_nothing_is_ever_ordered_or_refunded() {
    let office = Backoffice::new(0.05).unwrap();
    let mut tried = 0;
    for index in 0..300 {
        let task = office.task(&TaskConfig::default(), index).unwrap();
        let mut env = office.clone();
        env.reset(&task, index);
        let mut rng = stream(5, "random", index);
        for _ in 0..CAP {
            let call = random_call(&task, &mut rng);
            if call.name == "request_token" || call.name == FINISH {
                continue;
            }
            let reply = env.step(&call).reply;
            if ["create_order", "refund_order"].contains(&call.name.as_str()) {
                tried += 1;
                assert_ne!(reply.status, Status::Ok, "{}", call.canonical());
            }
        }
    }
    assert!(tried > 50, "{tried}");
}

/// Worlds are told apart by nothing but tasks and seeds, so their sources know no clock, no file, no network and no other chance.
#[test]
fn no_tool_reaches_the_network_or_the_clock() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    for folder in ["backoffice", "env"] {
        for entry in std::fs::read_dir(source.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            read += 1;
            for word in [
                "std::time",
                "std::fs",
                "std::net",
                "std::process",
                "std::env",
                "std::thread",
                "Instant",
                "SystemTime",
                "rand::rng(",
                "thread_rng",
                "reqwest",
                "tokio",
            ] {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
        }
    }
    assert!(read >= 10, "{read}");
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        (-1e9_f64..1e9).prop_map(Json::from),
        prop_oneof!["[a-z]{1,2}[0-9]{1,3}", "orders|refunds|value|give_up|", ".{0,12}"].prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![
            "name|emp|label|item|city|depot|amount|from|to|a|b|order|scope|token|kind|value",
            "[a-z]{0,5}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::vec((key, inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever arguments a tool is called with, it answers, and a refused call can be made again with the same answer.
    #[test]
    fn no_arguments_make_a_tool_panic(
        calls in prop::collection::vec((0_usize..64, json()), 1..8), index in 0_u64..40, unknown in "[a-zA-Z_]{0,12}",
    ) {
        let office = Backoffice::new(0.0).unwrap();
        let task = office.task(&TaskConfig::default(), index).unwrap();
        let mut env = office.clone();
        env.reset(&task, index);
        for (tool, arguments) in calls {
            let name = task.tools.get(tool % (task.tools.len() + 1)).map_or(unknown.clone(), |tool| tool.name.clone());
            let call = ToolCall::new("", name, arguments);
            let before = env.snapshot();
            let first = env.step(&call);
            if !first.reply.status.is_success() && first.end.is_none() {
                prop_assert_eq!(env.step(&call).reply.status, first.reply.status);
            }
            env.restore(&before);
            prop_assert_eq!(env.step(&call), first);
        }
    }
}
