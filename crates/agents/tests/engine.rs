//! The loop with scripted decisions: what is refused, what halts, what is kept; and the whole rule-based team.

mod common;

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};

use agents::action::AgentRole;
use agents::decider::{DecideError, Decider, Decision, Usage};
use agents::engine::{Engine, Halt, Job};
use agents::knowledge::Knowledge;
use agents::parser::parse;
use agents::protocol::Prepared;
use agents::system::SystemConfig;
use agents::task::{Answer, TaskInput, TaskKind};
use agents::trace::EventKind;
use agents::view::{AgentView, Assignment};
use futures_util::future::BoxFuture;
use rec_core::Json;

static PREPARED: LazyLock<Prepared> = LazyLock::new(common::prepared);
static KNOWLEDGE: LazyLock<Arc<Knowledge>> = LazyLock::new(|| common::knowledge(&PREPARED));

/// Replies with lines of text, whoever asks, and remembers what it was shown.
struct Script {
    lines: Mutex<VecDeque<&'static str>>,
    views: Mutex<Vec<AgentView>>,
}

impl Script {
    fn new(lines: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { lines: Mutex::new(lines.iter().copied().collect()), views: Mutex::default() })
    }

    fn told(&self) -> Vec<String> {
        let views = self.views.lock().unwrap();
        views.iter().filter_map(|view| view.steps.last()).map(|step| step.observation.text.clone()).collect()
    }
}

impl Decider for Script {
    fn decide<'a>(&'a self, view: &'a AgentView) -> BoxFuture<'a, Result<Decision, DecideError>> {
        self.views.lock().unwrap().push(view.clone());
        let line = self.lines.lock().unwrap().pop_front();
        Box::pin(async move {
            let line = line.ok_or_else(|| DecideError::Model("the script has ended".into()))?;
            if line == "TOO LONG" {
                return Err(DecideError::Context("5000 tokens".into()));
            }
            let (action, rung) = match parse(view.role, line, &[]) {
                Ok((action, rung)) => (Ok(action), rung),
                Err(error) => (Err(error), agents::parser::Rung::Text),
            };
            let usage = Usage { requests: 1, input_tokens: 10, output_tokens: 5, repairs: 0 };
            Ok(Decision {
                thought: "scripted".into(),
                action,
                claims: vec![],
                items: vec![],
                rung,
                usage,
                source: agents::decider::Source::Model,
            })
        })
    }
}

fn run(system: &SystemConfig, kind: TaskKind, script: &Arc<Script>) -> agents::engine::Done {
    let sample = &PREPARED.test[0];
    let engine = Engine::with(KNOWLEDGE.clone(), system.clone(), script.clone()).unwrap();
    let task = TaskInput::of_sample(kind, &KNOWLEDGE, sample, 10);
    futures_executor::block_on(engine.run(Job::new(task, sample.cut_off)))
}

fn candidates() -> Vec<String> {
    PREPARED.test[0].candidates.iter().map(|item| KNOWLEDGE.dataset.items.token(item.0).to_owned()).collect()
}

#[test]
fn wrong_answers_are_refused_with_reasons_and_the_loop_goes_on() {
    let system = SystemConfig::named("analyse").unwrap();
    let script = Script::new(&["Finish[nine]", "Finish[9]", "Finish[NaN]", "Dance[now]", "Finish[4.5]"]);
    let done = run(&system, TaskKind::Rating, &script);
    assert_eq!(
        (done.outcome.answer, done.outcome.valid, done.outcome.refused),
        (Answer::Rating(4.5), true, 4)
    );
    let told = script.told().join("\n");
    for part in [
        "not a number",
        "outside the scale: give a number from 1 to 5",
        "Not an action: the manager has no action \"Dance\"",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_ranking_is_a_permutation_of_the_candidates_and_the_check_does_not_know_the_truth() {
    let ids = candidates();
    let task = TaskInput::of_sample(TaskKind::Ranking, &KNOWLEDGE, &PREPARED.test[0], 10);
    let check = |ids: &[String]| task.check(&Json::from(ids.to_vec()));
    assert_eq!(check(&ids), Ok(Answer::Ranking(ids.clone())));
    for left_out in 0..ids.len() {
        // Whichever is missing, the message is the same: the reference complains only if the true item is missing.
        let mut short = ids.clone();
        short.remove(left_out);
        assert_eq!(check(&short), Err("7 of 8 candidates: name all of them, best first.".into()));
        short.push(short[0].clone());
        assert!(check(&short).unwrap_err().contains("comes twice"));
        *short.last_mut().unwrap() = "777".into();
        assert!(check(&short).unwrap_err().contains("not a candidate"));
    }
    let bare: Vec<&str> = ids.iter().map(|id| id.trim_start_matches('0')).collect();
    assert_eq!(task.check(&Json::from(format!("[{}]", bare.join(", ")))), Ok(Answer::Ranking(ids)));
}

#[test]
fn every_halt_has_its_cause_and_a_fallback_that_is_not_valid() {
    let system = SystemConfig::named("analyse").unwrap();
    for (lines, cause) in [
        (&["Dance[]"; 10][..], Halt::Steps),
        (&["TOO LONG"][..], Halt::Context("5000 tokens".into())),
        (&[][..], Halt::ModelError("the script has ended".into())),
    ] {
        let done = run(&system, TaskKind::Rating, &Script::new(lines));
        assert_eq!((done.outcome.valid, done.outcome.halt.as_ref()), (false, Some(&cause)));
        let Answer::Rating(rating) = done.outcome.answer else { panic!("no rating") };
        let history = TaskInput::of_sample(TaskKind::Rating, &KNOWLEDGE, &PREPARED.test[0], 10).history;
        let mean = history.iter().map(|line| line.rating).sum::<f32>() / history.len() as f32;
        assert!((rating - mean).abs() < 1e-6);
        assert!(done.events.iter().any(|event| event.kind == EventKind::Halt));
    }
    let done = run(&system, TaskKind::Ranking, &Script::new(&[]));
    let Answer::Ranking(order) = done.outcome.answer else { panic!("no ranking") };
    let counts: Vec<usize> = order
        .iter()
        .map(|id| KNOWLEDGE.count(KNOWLEDGE.item(id).unwrap(), PREPARED.test[0].cut_off))
        .collect();
    assert!(counts.is_sorted_by(|a, b| a >= b) && order.len() == 8);

    let small = SystemConfig { max_requests: 3, ..system.clone() };
    let done = run(&small, TaskKind::Rating, &Script::new(&["Dance[]"; 10]));
    assert_eq!(done.outcome.halt, Some(Halt::Budget("3 requests".into())));
    let small = SystemConfig { max_tokens: 30, ..system.clone() };
    let done = run(&small, TaskKind::Rating, &Script::new(&["Dance[]"; 10]));
    assert_eq!(done.outcome.halt, Some(Halt::Budget("30 tokens".into())));
    let late = SystemConfig { deadline_ms: Some(0), ..system };
    assert_eq!(run(&late, TaskKind::Rating, &Script::new(&["Finish[3]"])).outcome.halt, Some(Halt::Deadline));
}

#[test]
fn a_cancelled_run_stops_before_the_next_decision() {
    let sample = &PREPARED.test[0];
    let script = Script::new(&["Finish[3]"]);
    let engine =
        Engine::with(KNOWLEDGE.clone(), SystemConfig::named("single").unwrap(), script.clone()).unwrap();
    let mut job = Job::new(TaskInput::of_sample(TaskKind::Rating, &KNOWLEDGE, sample, 10), sample.cut_off);
    job.cancel = Some(Arc::new(true.into()));
    let done = futures_executor::block_on(engine.run(job));
    assert_eq!(done.outcome.halt, Some(Halt::Cancelled));
    assert!(script.views.lock().unwrap().is_empty());
}

#[test]
fn absent_workers_and_foreign_tools_are_told_not_fatal() {
    let system = SystemConfig::named("analyse").unwrap();
    let script = Script::new(&[
        "Search[anything]",
        "Analyse[user, 99999]",
        // The Analyst: an action of somebody else, a tool error, then a report.
        "Recommend[{}]",
        "UserInfo[99999]",
        "Finish[there is no such user]",
        "Finish[3]",
    ]);
    let done = run(&system, TaskKind::Rating, &script);
    assert!(done.outcome.valid);
    assert_eq!((done.outcome.tool_calls, done.outcome.tool_errors), (1, 1));
    let told = script.told().join("\n");
    for part in [
        "no searcher on the team",
        "the analyst has no action \"Recommend\"",
        "There is no user \"99999\"",
        "there is no such user",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_worker_that_never_finishes_reports_that() {
    let mut system = SystemConfig::named("analyse").unwrap();
    system.agents.get_mut(&AgentRole::Analyst).unwrap().max_turns = 2;
    let script = Script::new(&["Analyse[user, 1]", "UserInfo[1]", "UserInfo[1]", "Finish[3]"]);
    let done = run(&system, TaskKind::Rating, &script);
    assert!(done.outcome.valid);
    assert!(script.told().iter().any(|text| text.contains("analyst found no result in its turns")));
}

#[test]
fn reflection_strategies_show_the_next_attempt_what_they_say() {
    use agents::system::Strategy;
    for (strategy, advice, trial) in [
        (Strategy::Base, 0, 0),
        (Strategy::LastTrial, 0, 1),
        (Strategy::Reflection, 1, 0),
        (Strategy::LastTrialAndReflection, 1, 1),
    ] {
        let system = SystemConfig { strategy, ..SystemConfig::named("reflect_analyse").unwrap() };
        let script = Script::new(&[
            "Dance[]",
            "Finish[2]",
            r#"{"type":"Verdict","content":[false,"too low"]}"#,
            "Finish[4]",
        ]);
        let done = run(&system, TaskKind::Rating, &script);
        assert_eq!(done.outcome.answer, Answer::Rating(4.0));
        assert_eq!(done.outcome.attempts, [Some(Answer::Rating(2.0)), Some(Answer::Rating(4.0))]);
        assert_eq!(done.outcome.reflections, [(false, "too low".to_owned())]);
        let views = script.views.lock().unwrap();
        assert!(
            matches!(&views[2].assignment, Assignment::Reflect { answer: Some(_), .. })
                && views[2].steps.len() == 1
        );
        let second = views.last().unwrap();
        assert_eq!((second.attempt, second.steps.len()), (2, 0));
        assert_eq!((second.reflections.len(), second.last_trial.len()), (advice, trial), "{strategy:?}");
    }
    // Kept: no second attempt. Nonsense from the Reflector: the answer stands.
    for verdict in [r#"Verdict[true, fine]"#, "I think it is fine"] {
        let script = Script::new(&["Finish[2]", verdict, "Finish[4]"]);
        let done = run(&SystemConfig::named("reflect_api").unwrap(), TaskKind::Rating, &script);
        assert_eq!(done.outcome.answer, Answer::Rating(2.0), "{verdict}");
    }
    // A second attempt that halts does not cost the first one's answer.
    let script = Script::new(&["Finish[2]", "Verdict[false, try again]", "Dance[]"]);
    let done = run(&SystemConfig::named("reflect_api").unwrap(), TaskKind::Rating, &script);
    assert_eq!((done.outcome.answer, done.outcome.valid), (Answer::Rating(2.0), true));
}

#[test]
fn plans_come_first_where_the_system_plans_and_nowhere_else() {
    let script = Script::new(&[
        "Finish[3]",
        "Plan[Analyse[user, 1]; Search[Film]]",
        "Finish[u]",
        "Finish[s]",
        "Finish[3]",
    ]);
    for mode in ["plan", "rewoo"] {
        let system = SystemConfig { attempts: 1, ..SystemConfig::named(mode).unwrap() };
        let script = Script::new(&[
            "Analyse[user, 1]",
            "Plan[Analyse[user, 1]; Search[Film]]",
            "Finish[u]",
            "Finish[s]",
            "Finish[3]",
        ]);
        let done = run(&system, TaskKind::Rating, &script);
        assert!(!done.outcome.valid || mode == "plan" || mode == "rewoo");
        assert!(script.told()[0].contains("Lay down all steps first"));
    }
    let done = run(
        &SystemConfig::named("analyse").unwrap(),
        TaskKind::Rating,
        &Script::new(&["Plan[Analyse[user, 1]]", "Finish[3]"]),
    );
    assert_eq!((done.outcome.valid, done.outcome.refused), (true, 1));
    drop(script);
}

#[test]
fn workers_at_once_share_what_is_left_of_the_budget() {
    let mut lines = vec![
        "Plan[Analyse[user, 1]; Analyse[user, 2]; Analyse[user, 3]; Analyse[user, 4]; Analyse[user, 5]]",
    ];
    lines.extend([r#"UserInfo[1]"#; 100]);
    let rewoo = SystemConfig { attempts: 1, ..SystemConfig::named("rewoo").unwrap() };
    for (system, halt) in [
        // One for the plan, then 2, 1, 1, 1 and 1.
        (SystemConfig { max_requests: 7, ..rewoo.clone() }, "7 requests"),
        // 15 tokens a decision: the plan's, then 45 for five, who stop after the decision that reaches their 9.
        (SystemConfig { max_tokens: 60, ..rewoo }, "90 tokens"),
    ] {
        let done = run(&system, TaskKind::Rating, &Script::new(&lines));
        assert_eq!(done.outcome.halt, Some(Halt::Budget(halt.into())));
        assert_eq!(done.outcome.worker_halts, 5);
    }
}

#[test]
fn a_worker_who_hears_nothing_new_leaves_the_dialogue_alone() {
    let system = SystemConfig { attempts: 1, ..SystemConfig::named("rewoo").unwrap() };
    let script = Script::new(&[
        "Plan[Interpret[I like Film Number 8]; Analyse[user, 1]]",
        "Understand[]",
        "Finish[understood]",
        "Finish[nothing]",
        "Finish[3]",
    ]);
    assert!(run(&system, TaskKind::Rating, &script).outcome.valid);
    let views = script.views.lock().unwrap();
    assert_eq!(views.last().unwrap().dialogue.request.liked, ["009"]);
}

#[test]
fn listeners_hear_events_numbered_as_they_come() {
    let system = SystemConfig { attempts: 1, ..SystemConfig::named("rewoo").unwrap() };
    let engine = Engine::with(KNOWLEDGE.clone(), system, common::policy(&KNOWLEDGE)).unwrap();
    let sample = &PREPARED.test[0];
    let heard: Arc<Mutex<Vec<u32>>> = Arc::default();
    let hears = heard.clone();
    let mut job = Job::new(TaskInput::of_sample(TaskKind::Rating, &KNOWLEDGE, sample, 10), sample.cut_off);
    job.listener = Some(Arc::new(move |event| hears.lock().unwrap().push(event.seq)));
    let done = futures_executor::block_on(engine.run(job));
    let numbers: Vec<u32> = (0..done.events.len() as u32).collect();
    assert_eq!(*heard.lock().unwrap(), numbers);
    assert_eq!(done.events.iter().map(|event| event.seq).collect::<Vec<_>>(), numbers);
}

#[test]
fn a_prefix_goes_unless_it_is_part_of_the_id() {
    let lines = ["Analyse[user, user_1]", "UserInfo[user_1]", "ItemInfo[item_3]", "Finish[x]", "Finish[3]"];
    let system = SystemConfig::named("analyse").unwrap();
    let mut data = common::dataset();
    data.users = (1..=common::USERS).map(|user| format!("user_{user}")).collect();
    data.items = (1..=common::ITEMS).map(|item| format!("item_{item}")).collect();
    let prepared = agents::protocol::prepare(data, &Default::default()).unwrap();
    let prefixed = common::knowledge(&prepared);
    for (prepared, knowledge, id) in [(&*PREPARED, &*KNOWLEDGE, "1"), (&prepared, &prefixed, "user_1")] {
        let script = Script::new(&lines);
        let engine = Engine::with(knowledge.clone(), system.clone(), script.clone()).unwrap();
        let sample = &prepared.test[0];
        let task = TaskInput::of_sample(TaskKind::Rating, knowledge, sample, 10);
        let outcome = futures_executor::block_on(engine.run(Job::new(task, sample.cut_off))).outcome;
        assert_eq!((outcome.valid, outcome.tool_calls, outcome.tool_errors), (true, 2, 0), "{id}");
        let views = script.views.lock().unwrap();
        assert!(matches!(&views[1].assignment, Assignment::Analyse { id: own, .. } if own == id));
        let ranking = TaskInput::of_sample(TaskKind::Ranking, knowledge, sample, 10);
        let ids: Vec<String> = ranking.candidates.iter().map(|card| card.id.clone()).collect();
        assert_eq!(ranking.check(&Json::from(ids.clone())), Ok(Answer::Ranking(ids)));
    }
}

#[test]
fn the_exported_calls_are_of_the_attempt_that_answered() {
    let system = SystemConfig::named("reflect_analyse").unwrap();
    let script = Script::new(&[
        "Analyse[user, 1]",
        "UserInfo[1]",
        "Finish[rates high]",
        "Finish[2]",
        "Verdict[false, try again]",
        "Dance[]",
    ]);
    let done = run(&system, TaskKind::Rating, &script);
    assert_eq!(done.outcome.attempts, [Some(Answer::Rating(2.0)), None]);
    assert_eq!(done.outcome.answered_in(), Some(1));
    let trajectory = agents::export::trajectory(&done.events, &done.outcome).unwrap();
    // Task, call, result, answer.
    assert_eq!(trajectory.messages.len(), 4, "{:?}", trajectory.messages);
    assert_eq!(trajectory.messages[1].tool_calls[0].name, "user_info");
}

#[test]
fn samples_of_a_long_dialogue_have_names_of_their_own() {
    let engine =
        Engine::with(KNOWLEDGE.clone(), SystemConfig::named("chat").unwrap(), Script::new(&[])).unwrap();
    let mut session = agents::session::Session::new("s");
    let names: std::collections::BTreeSet<String> = (0..205)
        .map(|_| futures_executor::block_on(session.say(&engine, "hello", None, None)).outcome.sample)
        .collect();
    assert_eq!((names.len(), session.turns.len()), (205, agents::limits::TURNS));
    assert!(names.contains("s-1") && names.contains("s-205"));
}

#[test]
fn the_rule_based_team_answers_every_sample_of_every_system_validly() {
    for system in SystemConfig::built_in() {
        for kind in system.tasks.clone().into_iter().filter(|kind| *kind != TaskKind::Conversation) {
            let engine = Engine::with(KNOWLEDGE.clone(), system.clone(), common::policy(&KNOWLEDGE)).unwrap();
            for sample in PREPARED.test.iter().take(12) {
                let task = TaskInput::of_sample(kind, &KNOWLEDGE, sample, 10);
                let done = futures_executor::block_on(engine.run(Job::new(task, sample.cut_off)));
                let outcome = &done.outcome;
                assert!(
                    outcome.valid && outcome.refused == 0 && outcome.tool_errors == 0,
                    "{} {kind:?}: {outcome:?}",
                    system.name
                );
                assert_eq!(outcome.supported as usize, outcome.claims.len(), "{} {kind:?}", system.name);
                if kind == TaskKind::Explanation {
                    assert!(!outcome.claims.is_empty());
                }
            }
        }
    }
}

#[test]
fn plan_and_rewoo_come_to_the_answer_of_the_stepwise_system() {
    let answer = |name: &str, sample| {
        let system = SystemConfig { attempts: 1, ..SystemConfig::named(name).unwrap() };
        let engine = Engine::with(KNOWLEDGE.clone(), system, common::policy(&KNOWLEDGE)).unwrap();
        let task = TaskInput::of_sample(TaskKind::Rating, &KNOWLEDGE, sample, 10);
        futures_executor::block_on(engine.run(Job::new(task, sample.cut_off))).outcome
    };
    for sample in PREPARED.test.iter().take(10) {
        let stepwise = answer("reflect_analyse_search_interpret", sample).answer;
        assert_eq!(answer("plan", sample).answer, stepwise);
        assert_eq!(answer("rewoo", sample).answer, stepwise);
    }
}

#[test]
fn systems_that_do_not_hold_together_are_refused() {
    for (text, part) in [
        ("name='x'\ntasks=['rating']\nmax_steps=1\n[agents]\nanalyst={}", "no manager"),
        ("name='x'\ntasks=['rating']\nmax_steps=0\n[agents]\nmanager={}", "max_steps: 0"),
        ("name='x'\ntasks=['rating']\nmax_steps=1\nattempts=2\n[agents]\nmanager={}", "needs a reflector"),
        ("name='x'\ntasks=[]\nmax_steps=1\n[agents]\nmanager={}", "tasks: is empty"),
        ("name='x'\ntasks=['rating']\nmax_steps=1\ncolour='red'\n[agents]\nmanager={}", "colour"),
        (
            "name='x'\ntasks=['rating']\nmax_steps=1\n[agents]\nmanager={}\nanalyst={max_turns=0}",
            "analyst.max_turns",
        ),
    ] {
        let error = SystemConfig::parse(text).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(
        SystemConfig::named("nobody").unwrap_err().to_string().contains("reflect_analyse_search_interpret")
    );
    for system in SystemConfig::built_in() {
        system.validate().unwrap();
        assert!(system.describe().contains("manager"));
    }
}
