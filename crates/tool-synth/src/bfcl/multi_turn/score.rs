//! Scores of a model's results in the official layout: turns of steps, each a text or a list of native calls.

use super::check::{ErrorType, Task, Verdict};
use super::decode::{Call, decode_native, decode_prompted};
use super::replay::CATEGORIES;
use crate::value::{Dict, Value};

/// Turns, steps, calls; a step that cannot be decoded is nothing.
type Decoded = Vec<Vec<Option<Vec<Call>>>>;

/// The calls in the `result` of a task; nothing if it is no list of turns.
fn decode(result: &Value) -> Option<Decoded> {
    let step = |s: &Value| s.as_str().map_or_else(|| decode_native(s), decode_prompted);
    let turn = |turn: &Value| Some(turn.as_list()?.iter().map(step).collect());
    result.as_list()?.iter().map(turn).collect()
}

/// Judges the `result` of a task: a list of turns, each a list of steps. A step is a text in prompting mode and a list of
/// one-key dictionaries (name to arguments) in native mode; steps that cannot be decoded do not count.
pub fn judge(task: &Task, result: &Value, model: &str) -> Verdict {
    match decode(result) {
        Some(decoded) => task.check(&decoded, model),
        None => Verdict::Invalid { error: ErrorType::Inference, turn: 0 },
    }
}

/// Why a result is wrong, as score files have it.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Message, type and details.
    pub error: Value,
    /// The calls by turns and steps, as texts; nothing where nothing was decoded.
    pub decoded: Option<Value>,
}

/// Explains a wrong result, by the error and the turn that [`judge`] found.
pub fn explain(task: &Task, result: &Value, model: &str, error: ErrorType, turn: usize) -> Explanation {
    let fields = |message: Value, rest: Vec<(&str, Value)>| -> Value {
        let first = [("error_message", message), ("error_type", Value::from(error.name()))];
        let members = first.into_iter().chain(rest).map(|(name, value)| (Value::from(name), value));
        Value::Dict(members.collect())
    };
    let list = |text: String| Value::List(vec![Value::from(text)]);
    let turns = result.as_list().map_or(0, <[Value]>::len);
    let before = match error {
        ErrorType::Inference => {
            Some("Error during inference phase. Model did not output a list of model responses.".to_owned())
        }
        ErrorType::ForceTerminated => Some(format!(
            "Model was force-terminated during inference phase. The length of the model result turns ({turns}) does not match the length of the ground truth turns ({}).",
            task.turns()
        )),
        _ => None,
    };
    if let Some(message) = before {
        return Explanation { error: fields(list(message), Vec::new()), decoded: None };
    }
    let decoded: Vec<Vec<Vec<Call>>> = decode(result)
        .unwrap_or_default()
        .into_iter()
        .map(|turn| turn.into_iter().flatten().filter(|calls| !calls.is_empty()).collect())
        .collect();
    let texts = |calls: &Vec<Call>| Value::List(calls.iter().map(|call| Value::from(call.text())).collect());
    let steps = |turn: &Vec<Vec<Call>>| Value::List(turn.iter().map(texts).collect());
    let shown = Value::List(decoded.iter().map(steps).collect());
    let played = task.play(&decoded, model, turn);
    let strings =
        |texts: &[String]| Value::List(texts.iter().map(|text| Value::from(text.as_str())).collect());
    let execution = || {
        let one = |(model, truth): &(Vec<Vec<String>>, Vec<String>)| {
            let steps = Value::List(model.iter().map(|step| strings(step)).collect());
            Value::Dict(
                [(Value::from("model"), steps), (Value::from("ground_truth"), strings(truth))]
                    .into_iter()
                    .collect(),
            )
        };
        Value::List(played.results.iter().map(one).collect())
    };
    let error = match error {
        ErrorType::EmptyTurn => {
            let details = [(Value::from("execution_result"), execution())].into_iter().collect();
            let message = Value::from(format!("Model response list is empty for turn {turn}"));
            fields(message, vec![("details", Value::Dict(details))])
        }
        ErrorType::StateMismatch => {
            let (class, ours, theirs) = played.states(task.id().contains("long_context"));
            let message =
                format!("Model instance for {class} does not match the state with ground truth instance.");
            let mut differences = Dict::new();
            for (name, expected) in theirs.as_dict().into_iter().flat_map(Dict::iter) {
                let found = ours.as_dict().and_then(|ours| ours.get(name)).cloned().unwrap_or_default();
                if found != *expected {
                    let pair =
                        [(Value::from("model"), found), (Value::from("ground_truth"), expected.clone())];
                    differences.insert(name.clone(), Value::Dict(pair.into_iter().collect()));
                }
            }
            let details = [
                (Value::from("differences"), Value::Dict(differences)),
                (Value::from("model_instance_state"), ours),
                (Value::from("ground_truth_instance_state"), theirs),
            ];
            let details = Value::Dict(details.into_iter().collect());
            fields(Value::from(message), vec![("details", details), ("execution_result", execution())])
        }
        _ => {
            let all: Vec<String> =
                played.results.iter().flat_map(|(model, _)| model.iter().flatten()).cloned().collect();
            let truth = played.results.last().map_or(Vec::new(), |(_, truth)| truth.clone());
            let (mut left, mut missing) = (all.clone(), Vec::new());
            for text in &truth {
                match left.iter().position(|other| other == text) {
                    Some(at) => drop(left.remove(at)),
                    None => missing.push(text.clone()),
                }
            }
            let message = format!(
                "Model response execution results so far does not contain all the ground truth response execution results for turn {turn}."
            );
            let details = [
                (Value::from("missing_items"), strings(&missing)),
                (Value::from("model_response (including all previous turns)"), strings(&all)),
                (Value::from("ground_truth_response (only the current turn)"), strings(&truth)),
            ];
            fields(Value::from(message), vec![("details", Value::Dict(details.into_iter().collect()))])
        }
    };
    Explanation { error, decoded: Some(shown) }
}

/// Counts of right answers by category, in the order of [`CATEGORIES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    right: [usize; 4],
    judged: [usize; 4],
}

impl Scores {
    /// Counts the verdict on the task `id`. Returns whether the id belongs to a multi-turn category.
    pub fn count(&mut self, id: &str, verdict: &Verdict) -> bool {
        let category = id.rsplit_once('_').map_or(id, |(category, _)| category);
        let Some(i) = CATEGORIES.iter().position(|c| *c == category) else { return false };
        self.judged[i] += 1;
        self.right[i] += (*verdict == Verdict::Valid) as usize;
        true
    }

    /// The accuracy in each category; a category without results counts 0, as in the official table.
    pub fn accuracies(&self) -> [f64; 4] {
        std::array::from_fn(|i| {
            if self.judged[i] == 0 { 0.0 } else { self.right[i] as f64 / self.judged[i] as f64 }
        })
    }

    /// The multi-turn score of version 4: the mean of the four accuracies.
    pub fn overall(&self) -> f64 {
        self.accuracies().iter().sum::<f64>() / 4.0
    }
}
