//! The simulated APIs against recorded results of the official ones, and the laws of a world.
#![cfg(feature = "bfcl")]

use proptest::prelude::*;
use tool_synth::Value;
use tool_synth::bfcl::multi_turn::{
    Class, ErrorType, Outcome, Settings, Task, Verdict, World, decode_native, decode_prompted,
};
use tool_synth::value::json;

/// Made by `tests/golden/multi_turn_worlds.py 5 80`.
const GOLDEN: &str = include_str!("golden/multi_turn_worlds.jsonl");

fn record_parts(record: &Value) -> (Class, &Value, Vec<(&str, &str)>) {
    let class = record.get("class").and_then(Value::as_str).and_then(Class::from_name).unwrap();
    let list = |key| record.get(key).and_then(Value::as_list).unwrap().iter().map(|v| v.as_str().unwrap());
    (class, record.get("scenario").unwrap(), list("calls").zip(list("results")).collect())
}

fn settings() -> Settings {
    Settings { instance_prefix: "world_w".into(), today: [2026, 11, 25], ..Settings::default() }
}

#[test]
fn every_recorded_result_is_the_official_one() {
    let (mut calls, mut unsupported) = (0, 0);
    for line in GOLDEN.lines() {
        let record = json::parse(line).unwrap();
        let (class, scenario, pairs) = record_parts(&record);
        let mut world = World::new(&[class], scenario, &settings()).unwrap();
        for (call, result) in pairs {
            calls += 1;
            match world.execute(call) {
                // The order of a printed set hangs on the hash seed of the process that recorded it.
                Outcome::Text(text)
                    if text.contains("Must be one of") && result.contains("Must be one of") => {}
                Outcome::Text(text) => assert_eq!(text, result, "{class:?}: {call}"),
                Outcome::Unsupported(_) => {
                    unsupported += 1;
                    break;
                }
            }
        }
    }
    assert!(calls > 1000, "only {calls} calls");
    assert!(unsupported * 100 < calls, "{unsupported} of {calls} calls unsupported");
}

#[test]
fn a_snapshot_stays_as_it_was_and_the_same_calls_give_the_same_world() {
    for line in GOLDEN.lines() {
        let record = json::parse(line).unwrap();
        let (class, scenario, pairs) = record_parts(&record);
        let mut world = World::new(&[class], scenario, &settings()).unwrap();
        let (start, state) = (world.clone(), world.state().repr());
        let run = |world: &mut World| pairs.iter().map(|(call, _)| world.execute(call)).collect::<Vec<_>>();
        let first = run(&mut world);
        assert_eq!(start.state().repr(), state, "the snapshot of {class:?} moved");
        let mut again = start.clone();
        assert_eq!(run(&mut again), first);
        assert_eq!(again.state().repr(), world.state().repr());
        assert_eq!(again.difference(&world), Ok(None));
    }
}

fn task() -> Task {
    let entry = json::parse(
        r#"{"id": "own_0", "involved_classes": ["TicketAPI", "MathAPI"], "initial_config": {"TicketAPI": {"current_user": "kim"}}}"#,
    )
    .unwrap();
    let truth = vec![
        vec!["create_ticket(title='A', priority=2)".into(), "add(1, 2)".into()],
        vec![],
        vec!["close_ticket(ticket_id=1)".into()],
    ];
    Task::new(&entry, truth, &Settings::default()).unwrap()
}

fn verdict(turns: &[&[&str]]) -> Verdict {
    let decoded: Vec<Vec<_>> =
        turns.iter().map(|steps| steps.iter().map(|s| decode_prompted(s)).collect()).collect();
    task().check(&decoded, "m")
}

#[test]
fn verdicts_name_what_is_wrong_and_where() {
    let first = "[create_ticket(title='A', priority=2), add(a=1, b=2)]";
    let invalid = |error, turn| Verdict::Invalid { error, turn };
    assert_eq!(verdict(&[&[first], &["I am done."], &["close_ticket(ticket_id=1)"]]), Verdict::Valid);
    // More calls than needed, in other steps and another order, do no harm.
    assert_eq!(
        verdict(&[
            &["add(a=1, b=2)", "get_ticket(ticket_id=7)", "create_ticket(title='A', priority=2)"],
            &[],
            &["close_ticket(ticket_id=1)"]
        ]),
        Verdict::Valid
    );
    assert_eq!(verdict(&[&[first], &[]]), invalid(ErrorType::ForceTerminated, 2));
    assert_eq!(verdict(&[&[first], &[], &["Closed it for you."]]), invalid(ErrorType::EmptyTurn, 2));
    assert_eq!(
        verdict(&[&["create_ticket(title='B', priority=2)", "add(a=1, b=2)"], &[], &[]]),
        invalid(ErrorType::StateMismatch, 0)
    );
    // Positional arguments get lost on the way from a prompted answer.
    assert_eq!(
        verdict(&[&["create_ticket(title='A', priority=2)", "add(1, 2)"], &[], &[]]),
        invalid(ErrorType::ResponseMismatch, 0)
    );
    assert!(matches!(
        verdict(&[&[first, "abs(x=1)"], &[], &["close_ticket(ticket_id=1)"]]),
        Verdict::Unsupported(_)
    ));
}

fn entry(classes: &[&str], scenario: &Value) -> Value {
    let classes = Value::List(classes.iter().map(|class| Value::from(*class)).collect());
    let members =
        [("id", Value::from("own_1")), ("involved_classes", classes), ("initial_config", scenario.clone())];
    Value::Dict(members.into_iter().map(|(name, value)| (Value::from(name), value)).collect())
}

/// The verdict on an answer, and the one on it after a call that does nothing, which no ground truth begins with: as long as an
/// answer asks what the ground truth asks, nothing is executed again, and that must not show.
fn along_and_apart(task: &Task, turns: &[Vec<&str>]) -> [Verdict; 2] {
    let decode = |before: &[&str]| {
        let mut decoded: Vec<Vec<_>> = turns
            .iter()
            .map(|calls| calls.iter().map(|call| decode_prompted(&format!("[{call}]"))).collect())
            .collect();
        decoded[0].splice(0..0, before.iter().map(|call| decode_prompted(call)));
        decoded
    };
    [task.check(&decode(&[]), "m"), task.check(&decode(&["[absolute_value(number=-7)]"]), "m")]
}

#[test]
fn an_answer_that_goes_along_with_the_ground_truth_is_judged_like_one_that_does_not() {
    let mut verdicts = std::collections::HashMap::<String, usize>::new();
    for line in GOLDEN.lines() {
        let record = json::parse(line).unwrap();
        let (class, scenario, pairs) = record_parts(&record);
        let calls: Vec<&str> = pairs.iter().map(|(call, _)| *call).collect();
        let turns: Vec<Vec<&str>> = calls.chunks(4).map(<[_]>::to_vec).collect();
        let truth: Vec<Vec<String>> =
            turns.iter().map(|turn| turn.iter().map(|call| (*call).to_owned()).collect()).collect();
        let task = Task::new(&entry(&[class.name(), "MathAPI"], scenario), truth, &settings()).unwrap();
        for left_out in [None, Some(2), Some(9), Some(17)] {
            let mut turns = turns.clone();
            if let Some(call) = left_out
                && let Some(turn) = turns.get_mut(call / 4)
                && call % 4 < turn.len()
            {
                turn.remove(call % 4);
            }
            let [along, apart] = along_and_apart(&task, &turns);
            assert_eq!(along, apart, "{class:?} without {left_out:?}: {turns:?}");
            let kind = format!("{along:?}");
            *verdicts.entry(kind.split([' ', '(']).next().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    assert!(verdicts["Valid"] > 20 && verdicts["Invalid"] > 20, "{verdicts:?}");
}

#[test]
fn the_same_calls_need_not_lead_to_equal_worlds() {
    let check = |class: &str, scenario: &str, calls: &[&str]| {
        let truth: Vec<Vec<String>> = calls.iter().map(|call| vec![(*call).to_owned()]).collect();
        let scenario = json::parse(scenario).unwrap();
        let task = Task::new(&entry(&[class, "MathAPI"], &scenario), truth, &settings()).unwrap();
        let turns: Vec<Vec<&str>> = calls.iter().map(|call| vec![*call]).collect();
        along_and_apart(&task, &turns)
    };
    // A directory in itself cannot be compared.
    let calls = ["mkdir(dir_name='a')", "cp(source='a', destination='a')"];
    assert_eq!(check("GorillaFileSystem", "{}", &calls), [const { Verdict::Raise("RecursionError") }; 2]);
    // A number that is none equals nothing.
    let scenario = r#"{"VehicleControlAPI": {"acTemperature": NaN}}"#;
    let mismatch = Verdict::Invalid { error: ErrorType::StateMismatch, turn: 0 };
    let calls = ["fillFuelTank(fuelAmount=1)"];
    assert_eq!(check("VehicleControlAPI", scenario, &calls), [mismatch.clone(), mismatch]);
}

#[test]
fn native_calls_are_executed_like_prompted_ones() {
    let answer = json::parse(
        r#"[{"create_ticket": "{\"title\": \"A\", \"priority\": 2}"}, {"add": {"a": 1, "b": 2}}]"#,
    )
    .unwrap();
    let close = json::parse(r#"[{"close_ticket": "{\"ticket_id\": 1}"}]"#).unwrap();
    let turns = vec![vec![decode_native(&answer)], vec![], vec![decode_native(&close)]];
    assert_eq!(task().check(&turns, "m"), Verdict::Valid);
}

proptest! {
    #[test]
    fn no_text_makes_the_executor_panic(text in "[a-z_]{0,12}\\(?[ -~]{0,40}\\)?") {
        let mut world = World::new(&Class::ALL, &Value::None, &Settings::default()).unwrap();
        world.execute(&text);
        let _ = decode_prompted(&text);
    }
}

#[test]
fn a_name_before_a_point_is_not_defined() {
    let mut world = World::new(&[Class::Math], &Value::None, &settings()).unwrap();
    for (call, name) in
        [("MathAPI.add(a=1, b=2)", "MathAPI"), ("self.x.add(a=1)", "self"), ("a.b(c=add(d=1))", "a")]
    {
        let text = format!("Error during execution: name '{name}' is not defined");
        assert_eq!(world.execute(call), Outcome::Text(text), "{call}");
    }
    // But where the official module has it.
    for call in ["json.dumps(obj=1)", "module.x(a=1)", "[].append(x=1)"] {
        assert!(matches!(world.execute(call), Outcome::Unsupported(_)), "{call}");
    }
}

#[test]
fn bytes_are_read_as_numbers_where_text_is() {
    let mut world = World::new(&[Class::Vehicle], &Value::None, &settings()).unwrap();
    let call = "setCruiseControl(speed=65, activate=True, distanceToNextVehicle=b'ab')";
    let text = "Error during execution: could not convert string to float: b'ab'";
    assert_eq!(world.execute(call), Outcome::Text(text.into()));
}
