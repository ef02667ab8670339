//! The checker: after each turn the model's instances must be in the state of the ground truth's, and the ground truth's
//! results must be among the model's.

use std::sync::{Arc, OnceLock};

use super::decode::Call;
use super::error::{Fallible, Kind};
use super::object::Object;
use super::rewrite;
use super::world::{Class, Outcome, Settings, World, find_method, outcome};
use crate::value::Value;

/// Why a task fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// The answer is no list of turns.
    Inference,
    /// The model stopped before the last turn, or has turns too many.
    ForceTerminated,
    /// A turn that needs calls has none.
    EmptyTurn,
    /// The state of an instance differs.
    StateMismatch,
    /// A result of the ground truth is missing.
    ResponseMismatch,
}

impl ErrorType {
    /// The name in the benchmark's score files.
    pub fn name(self) -> &'static str {
        match self {
            ErrorType::Inference => "multi_turn:inference_error",
            ErrorType::ForceTerminated => "multi_turn:force_terminated",
            ErrorType::EmptyTurn => "multi_turn:empty_turn_model_response",
            ErrorType::StateMismatch => "multi_turn:instance_state_mismatch",
            ErrorType::ResponseMismatch => "multi_turn:execution_response_mismatch",
        }
    }
}

/// The judgement on a model's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right.
    Valid,
    /// Wrong in the turn given, counted from 0.
    Invalid {
        /// Why.
        error: ErrorType,
        /// The turn.
        turn: usize,
    },
    /// The official checker raises this Python exception itself.
    Raise(&'static str),
    /// Something was called that is not simulated; there is no verdict.
    Unsupported(String),
}

/// A call's result, printed only when it has to be.
#[derive(Clone, Debug)]
struct Reply {
    result: Fallible<Object>,
    text: OnceLock<String>,
}

impl Reply {
    /// # Errors
    /// With the reason, if the call is not simulated.
    fn new(result: Fallible<Object>) -> Result<Self, String> {
        match result {
            Err(e) if e.kind == Kind::Unsupported => Err(e.text),
            result => Ok(Reply { result, text: OnceLock::new() }),
        }
    }

    fn prints_as(&self, other: &Reply) -> bool {
        matches!((&self.result, &other.result), (Ok(a), Ok(b)) if a.prints_as(b))
    }

    /// Whether the texts may be equal: dictionaries of other sizes or with another first key never print the same.
    fn may_print_as(&self, other: &Reply) -> bool {
        match (&self.result, &other.result) {
            (Ok(Object::Dict(a)), Ok(Object::Dict(b))) => match (a.iter().next(), b.iter().next()) {
                (Some((Object::Str(k), _)), Some((Object::Str(q), _))) => a.len() == b.len() && **k == **q,
                _ => a.len() == b.len(),
            },
            (Ok(Object::Dict(_)), Err(_)) | (Err(_), Ok(Object::Dict(_))) => false,
            _ => true,
        }
    }

    fn text(&self) -> &str {
        self.text.get_or_init(|| match outcome(self.result.clone()) {
            Outcome::Text(text) | Outcome::Unsupported(text) => text,
        })
    }
}

/// The ground truth after one turn.
#[derive(Clone, Debug)]
struct Turn {
    results: Vec<Reply>,
    world: World,
}

/// A task: its initial world and its ground truth, executed once.
#[derive(Clone, Debug)]
pub struct Task {
    id: String,
    start: World,
    ground_truth: Arc<[Vec<String>]>,
    turns: Result<Vec<Turn>, String>,
    /// A string of the ground truth holds a method's name before a bracket: results depend on the model's name.
    named: bool,
}

impl Task {
    /// Loads a task's entry and executes its ground truth, a list of calls per turn.
    ///
    /// # Errors
    /// If the entry has no `id`, `initial_config` or `involved_classes` of the right form, names an unknown class, or a
    /// scenario does not load.
    pub fn new(
        entry: &Value,
        ground_truth: impl Into<Arc<[Vec<String>]>>,
        settings: &Settings,
    ) -> Fallible<Task> {
        let ground_truth = ground_truth.into();
        use super::error::Exception;
        let id =
            entry.get("id").and_then(Value::as_str).ok_or_else(|| Exception::other("an entry without id"))?;
        let classes = entry
            .get("involved_classes")
            .and_then(Value::as_list)
            .ok_or_else(|| Exception::other(format!("{id}: no involved_classes")))?;
        let mut known = Vec::with_capacity(classes.len());
        for class in classes {
            let name = class.as_str().unwrap_or_default();
            known.push(
                Class::from_name(name)
                    .ok_or_else(|| Exception::unsupported(format!("{id}: class {name}")))?,
            );
        }
        let scenario = entry
            .get("initial_config")
            .ok_or_else(|| Exception::other(format!("{id}: no initial_config")))?;
        let start = World::new(&known, scenario, settings)?;
        let class_of = |name: &str| find_method(name).filter(|f| start.has(f.class)).map(|f| f.class);
        // Without a second bracket none stands in a string.
        let brackets = |call: &&String| call.bytes().filter(|byte| *byte == b'(').count() > 1;
        let named = ground_truth.iter().flatten().filter(brackets).any(|c| {
            let text = |prefix| rewrite::prepare(c, prefix, class_of).ok().map(|t| t.into_owned());
            text("a") != text("b")
        });
        let mut task = Task { id: id.into(), start, ground_truth, turns: Ok(Vec::new()), named };
        task.turns = task.execute_ground_truth("");
        Ok(task)
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The initial world, its instances named as the official executor names them for this model.
    pub fn world(&self, model: &str) -> World {
        self.start.named(&format!("{model}_eval_{}", self.id))
    }

    fn execute_ground_truth(&self, model: &str) -> Result<Vec<Turn>, String> {
        let mut world = self.world(&format!("{model}_ground_truth"));
        let mut turns = Vec::with_capacity(self.ground_truth.len());
        for calls in &*self.ground_truth {
            let mut results = Vec::with_capacity(calls.len());
            for call in calls {
                match Reply::new(world.run(call)) {
                    Ok(reply) => results.push(reply),
                    Err(why) => return Err(format!("{}: ground truth: {why}", self.id)),
                }
            }
            turns.push(Turn { results, world: world.clone() });
        }
        Ok(turns)
    }

    /// Judges an answer: for each turn its steps, for each step its calls. Steps that could not be decoded, or have no calls, are `None`
    /// or empty and do not count. `model` is the model's name, which shows only in strings that name a method.
    pub fn check(&self, turns: &[Vec<Option<Vec<Call>>>], model: &str) -> Verdict {
        if turns.len() != self.ground_truth.len() {
            return Verdict::Invalid {
                error: ErrorType::ForceTerminated,
                turn: turns.len().min(self.ground_truth.len()),
            };
        }
        let executed;
        let expected = match if self.named {
            executed = self.execute_ground_truth(model);
            &executed
        } else {
            &self.turns
        } {
            Ok(turns) => turns,
            Err(why) => return Verdict::Unsupported(why.clone()),
        };
        let mut world = self.world(model);
        let mut results: Vec<Reply> = Vec::new();
        let mut taken: Vec<bool> = Vec::new();
        for (turn, (steps, expected)) in turns.iter().zip(expected).enumerate() {
            let mut steps_done = 0;
            for calls in steps.iter().flatten().filter(|c| !c.is_empty()) {
                steps_done += 1;
                for call in calls {
                    match Reply::new(call.run(&mut world)) {
                        Ok(reply) => results.push(reply),
                        Err(why) => return Verdict::Unsupported(why),
                    }
                }
            }
            if self.ground_truth[turn].is_empty() {
                continue;
            }
            if steps_done == 0 {
                return Verdict::Invalid { error: ErrorType::EmptyTurn, turn };
            }
            match world.difference(&expected.world) {
                Ok(None) => {}
                Ok(Some(_)) => return Verdict::Invalid { error: ErrorType::StateMismatch, turn },
                Err(e) if e.kind == Kind::Recursion => return Verdict::Raise("RecursionError"),
                Err(e) => return Verdict::Unsupported(e.text),
            }
            taken.clear();
            taken.resize(results.len(), false);
            for wanted in &expected.results {
                // Found most often among the latest results, and without printing it.
                let free = || (0..results.len()).rev().filter(|&i| !taken[i]);
                let found = free().find(|&i| results[i].prints_as(wanted)).or_else(|| {
                    free().find(|&i| results[i].may_print_as(wanted) && results[i].text() == wanted.text())
                });
                match found {
                    Some(i) => taken[i] = true,
                    None => return Verdict::Invalid { error: ErrorType::ResponseMismatch, turn },
                }
            }
        }
        Verdict::Valid
    }

    /// The number of turns.
    pub fn turns(&self) -> usize {
        self.ground_truth.len()
    }

    /// Plays an answer and the ground truth up to and with a turn, and keeps the texts of the results.
    pub(super) fn play(&self, turns: &[Vec<Vec<Call>>], model: &str, last: usize) -> Played {
        let mut world = self.world(model);
        let mut truth = self.world(&format!("{model}_ground_truth"));
        let text = |outcome| match outcome {
            Outcome::Text(text) | Outcome::Unsupported(text) => text,
        };
        let mut results = Vec::new();
        for (steps, calls) in turns.iter().zip(&*self.ground_truth).take(last + 1) {
            let mut execute =
                |calls: &Vec<Call>| calls.iter().map(|call| text(call.execute(&mut world))).collect();
            let ours = steps.iter().map(&mut execute).collect();
            results.push((ours, calls.iter().map(|call| text(truth.execute(call))).collect()));
        }
        Played { results, world, truth }
    }
}

/// What came of the calls of an answer and of the ground truth.
pub(super) struct Played {
    /// By turns: the results of the answer by steps, and of the ground truth.
    pub results: Vec<(Vec<Vec<String>>, Vec<String>)>,
    world: World,
    truth: World,
}

impl Played {
    /// The first class whose states differ, and both states as score files have them.
    pub fn states(&self, long_context: bool) -> (&'static str, Value, Value) {
        let class = self.world.difference(&self.truth).ok().flatten();
        let name = class.map_or("", |class| class.name());
        let state = |world: &World| {
            let mut state = world.state().get(name).cloned().unwrap_or_default();
            if class != Some(Class::FileSystem) {
                // An attribute that never differs, so worlds do not keep it.
                if let (Some(Class::Trading | Class::Travel), Value::Dict(members)) = (class, &mut state) {
                    members.insert(Value::from("long_context"), Value::from(long_context));
                }
                return state;
            }
            // Files are shown as the text of an object, and beside them what is compared too.
            let root = state.get("root").and_then(Value::as_dict).and_then(|root| root.iter().next());
            let root = root.map_or(String::new(), |(name, tree)| show_file(&name.to_text(), "None", tree));
            let members = [
                (Value::from("long_context"), Value::from(long_context)),
                (Value::from("root"), Value::from(root)),
            ];
            Value::Dict(members.into_iter().collect())
        };
        (name, state(&self.world), state(&self.truth))
    }
}

/// A file or folder as Python prints it; a folder's content is a dictionary, a file's is text.
fn show_file(name: &str, parent: &str, content: &Value) -> String {
    let Value::Dict(members) = content else {
        return format!("<<File: {name}, Content: {}>>", content.to_text());
    };
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{}: {}", key.repr(), show_file(&key.to_text(), name, value)))
        .collect();
    format!("<Directory: {name}, Parent: {parent}, Contents: {{{}}}>", members.join(", "))
}
