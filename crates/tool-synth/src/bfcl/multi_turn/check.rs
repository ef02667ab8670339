//! The checker: after each turn the model's instances must be in the state of the ground truth's, and the ground truth's
//! results must be among the model's.

use std::sync::Arc;

use super::decode::{Asked, Call};
use super::error::{Exception, Fallible, Kind};
use super::rewrite;
use super::truth::{Reply, Truth, Turn, execute, is_asked};
use super::world::{Class, Outcome, Settings, World, has_one_bracket};
use crate::bfcl::Arena;
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

/// An entry made ready for answers: its initial world and its ground truth.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    id: String,
    start: World,
    ground_truth: Arc<[Vec<String>]>,
}

impl Entry {
    /// # Errors
    /// As [`Task::new`].
    pub(super) fn new(
        entry: &Value,
        ground_truth: Arc<[Vec<String>]>,
        settings: &Settings,
    ) -> Fallible<Self> {
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
        Ok(Self { id: id.into(), start, ground_truth })
    }

    /// Whether a string of the ground truth holds a method's name before a bracket: then results depend on the model's name.
    fn depends_on_names(&self) -> bool {
        self.ground_truth.iter().flatten().filter(|call| !has_one_bracket(call)).any(|call| {
            let class_of = |name: &str| self.start.find(name).map(|f| f.class);
            let text = |prefix| rewrite::prepare(call, prefix, class_of).ok().map(|t| t.into_owned());
            text("a") != text("b")
        })
    }

    /// The initial world, its instances named as the official executor names them for this model.
    fn world(&self, model: &str) -> World {
        self.start.named(&self.prefix(model))
    }

    fn prefix(&self, model: &str) -> String {
        format!("{model}_eval_{}", self.id)
    }

    /// Judges an answer of so many turns, of which `asked` gives the calls. Turns after the one that is wrong are not looked at.
    ///
    /// As long as the turns of the answer are those of the ground truth, its calls are not executed: the same world and the same
    /// results came of them already. From the first turn on that is another, the answer has a world of its own.
    fn check<'a>(
        &self,
        arena: &'a Arena,
        mut truth: Truth<'_>,
        (turns, mut asked): (usize, impl FnMut(usize, &mut Vec<Asked<'a>>)),
        model: &str,
    ) -> Verdict {
        let needed = self.ground_truth.len();
        if turns != needed {
            return Verdict::Invalid { error: ErrorType::ForceTerminated, turn: turns.min(needed) };
        }
        let mut own: Option<(World, Vec<Reply>)> = None;
        let mut taken: Vec<bool> = Vec::new();
        let mut calls: Vec<Asked<'a>> = Vec::new();
        for turn in 0..turns {
            let invalid = |error| Verdict::Invalid { error, turn };
            let is_needed = !self.ground_truth[turn].is_empty();
            calls.clear();
            asked(turn, &mut calls);
            if is_needed && calls.is_empty() {
                return invalid(ErrorType::EmptyTurn);
            }
            let wanted = truth.calls(arena);
            if own.is_some() || !is_asked(wanted, &calls) {
                let (world, results) = own
                    .get_or_insert_with(|| (truth.world().named(&self.prefix(model)), truth.all_results()));
                for call in &calls {
                    match Reply::new(call.run(world)) {
                        Ok(reply) => results.push(reply),
                        Err(why) => return Verdict::Unsupported(why),
                    }
                }
            }
            if let Err(why) = truth.advance() {
                return Verdict::Unsupported(format!("{}: ground truth: {why}", self.id));
            }
            if !is_needed {
                continue;
            }
            let is_equal = match &own {
                None => truth.equals_its_twin(),
                Some((world, _)) => world.difference(truth.world()).map(|class| class.is_none()),
            };
            match is_equal {
                Ok(true) => {}
                Ok(false) => return invalid(ErrorType::StateMismatch),
                Err(e) if e.kind == Kind::Recursion => return Verdict::Raise("RecursionError"),
                Err(e) => return Verdict::Unsupported(e.text),
            }
            let Some((_, results)) = &own else { continue };
            taken.clear();
            taken.resize(results.len(), false);
            for wanted in truth.results() {
                // Found most often among the latest results.
                let mut free = (0..results.len()).rev().filter(|&i| !taken[i]);
                match free.find(|&i| results[i].prints_as(wanted)) {
                    Some(i) => taken[i] = true,
                    None => return invalid(ErrorType::ResponseMismatch),
                }
            }
        }
        Verdict::Valid
    }

    /// Judges an answer, executing the ground truth beside it.
    pub(super) fn check_once<'a>(
        &self,
        arena: &'a Arena,
        asked: (usize, impl FnMut(usize, &mut Vec<Asked<'a>>)),
        model: &str,
    ) -> Verdict {
        let truth = Truth::new(&self.start, &self.ground_truth, model, &self.id);
        self.check(arena, truth, asked, model)
    }
}

/// A task: its initial world and its ground truth, executed once.
#[derive(Clone, Debug)]
pub struct Task {
    entry: Entry,
    turns: Result<Vec<Turn>, String>,
    /// Whether the turns have to be executed for each model.
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
        let entry = Entry::new(entry, ground_truth.into(), settings)?;
        let turns = execute(&entry.start, &entry.ground_truth, &entry.id);
        let turns = turns.map_err(|why| format!("{}: ground truth: {why}", entry.id));
        Ok(Task { named: entry.depends_on_names(), entry, turns })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.entry.id
    }

    /// The initial world, its instances named as the official executor names them for this model.
    pub fn world(&self, model: &str) -> World {
        self.entry.world(model)
    }

    /// Judges an answer: for each turn its steps, for each step its calls. Steps that could not be decoded, or have no calls, are `None`
    /// or empty and do not count. `model` is the model's name, which shows only in strings that name a method.
    pub fn check(&self, turns: &[Vec<Option<Vec<Call>>>], model: &str) -> Verdict {
        let arena = Arena::new();
        let asked = |turn: usize, asked: &mut Vec<_>| {
            asked.extend(turns[turn].iter().flatten().flatten().map(|call| call.asked(&arena)));
        };
        self.check_asked(&arena, (turns.len(), asked), model)
    }

    /// [`check`](Self::check) of calls in an arena, given by turns.
    pub(super) fn check_asked<'a>(
        &self,
        arena: &'a Arena,
        asked: (usize, impl FnMut(usize, &mut Vec<Asked<'a>>)),
        model: &str,
    ) -> Verdict {
        match &self.turns {
            Ok(turns) if !self.named => {
                let truth = Truth::Kept { start: &self.entry.start, turns, over: 0 };
                self.entry.check(arena, truth, asked, model)
            }
            Err(why) if !self.named && asked.0 == self.turns() => Verdict::Unsupported(why.clone()),
            _ => self.entry.check_once(arena, asked, model),
        }
    }

    /// The number of turns.
    pub fn turns(&self) -> usize {
        self.entry.ground_truth.len()
    }

    /// Plays an answer and the ground truth up to and with a turn, and keeps the texts of the results.
    pub(super) fn play(&self, turns: &[Vec<Vec<Call>>], model: &str, last: usize) -> Played {
        let mut world = self.world(model);
        let mut truth = self.world(&format!("{model}_ground_truth"));
        let text = |outcome| match outcome {
            Outcome::Text(text) | Outcome::Unsupported(text) => text,
        };
        let mut results = Vec::new();
        for (steps, calls) in turns.iter().zip(&*self.entry.ground_truth).take(last + 1) {
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
