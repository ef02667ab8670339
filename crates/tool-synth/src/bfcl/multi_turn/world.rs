//! A world: one instance of each class that a task involves, stepped by calls.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, LazyLock};

use super::decode::ROOM;
use super::error::{Exception, Fallible, Kind};
use super::file_system::{self, FileSystem};
use super::long_context::LongContext;
use super::message::{self, Messages};
use super::object::{Dict, Object};
use super::posting::{self, Posts};
use super::signature::{Arguments, Method};
use super::text::result_text;
use super::ticket::{self, Tickets};
use super::trading::{self, Trading};
use super::travel::{self, Travel};
use super::vehicle::{self, Vehicle};
use super::{Attributes, Scenario, evaluate, math};
use crate::bfcl::Arena;
use crate::bfcl::quick::python::plain_call;
use crate::pyexpr::{self, Expr};
use crate::value::{Members, Node, Value};

/// A simulated class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A tree of files: `GorillaFileSystem`.
    FileSystem,
    /// Arithmetic: `MathAPI`.
    Math,
    /// Messages between users: `MessageAPI`.
    Message,
    /// Posts: `TwitterAPI`.
    Posting,
    /// Support tickets: `TicketAPI`.
    Ticket,
    /// Stocks: `TradingBot`.
    Trading,
    /// Flights: `TravelAPI`.
    Travel,
    /// A car: `VehicleControlAPI`.
    Vehicle,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 8] = [
        Class::FileSystem,
        Class::Math,
        Class::Message,
        Class::Posting,
        Class::Ticket,
        Class::Trading,
        Class::Travel,
        Class::Vehicle,
    ];

    /// The name in the benchmark's files.
    pub fn name(self) -> &'static str {
        match self {
            Class::FileSystem => "GorillaFileSystem",
            Class::Math => "MathAPI",
            Class::Message => "MessageAPI",
            Class::Posting => "TwitterAPI",
            Class::Ticket => "TicketAPI",
            Class::Trading => "TradingBot",
            Class::Travel => "TravelAPI",
            Class::Vehicle => "VehicleControlAPI",
        }
    }

    /// The class of this name.
    pub fn from_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|c| c.name() == name)
    }

    /// Its public methods.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Class::FileSystem => file_system::METHODS,
            Class::Math => math::METHODS,
            Class::Message => message::METHODS,
            Class::Posting => posting::METHODS,
            Class::Ticket => ticket::METHODS,
            Class::Trading => trading::METHODS,
            Class::Travel => travel::METHODS,
            Class::Vehicle => vehicle::METHODS,
        }
    }
}

/// A method with its class.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The class.
    pub class: Class,
    /// The method.
    pub method: &'static Method,
}

static METHODS: LazyLock<HashMap<&'static str, Found, BuildHasherDefault<Short>>> = LazyLock::new(|| {
    Class::ALL
        .into_iter()
        .flat_map(|class| class.methods().iter().map(move |method| (method.name, Found { class, method })))
        .collect()
});

/// A hash of short names that nobody chooses to collide (FNV-1a).
#[derive(Default)]
struct Short(u64);

impl Hasher for Short {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The class that has a method of this name; no two have the same.
pub fn find_method(name: &str) -> Option<Found> {
    METHODS.get(name).copied()
}

/// Settings that the official code takes from its surroundings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The padding of long contexts; only for tasks of that category.
    pub long_context: Option<Arc<LongContext>>,
    /// Year, month and day on which travellers' ages are counted; the official code takes the day it runs on.
    pub today: [i64; 3],
    /// What the names of the instances start with. It shows where a string holds a method's name before a bracket,
    /// since the official executor rewrites such strings too.
    pub instance_prefix: String,
}

impl Default for Settings {
    /// A short context on 2026-01-01.
    fn default() -> Self {
        Settings { long_context: None, today: [2026, 1, 1], instance_prefix: "world".into() }
    }
}

#[derive(Clone, Debug)]
enum Instance {
    FileSystem(FileSystem),
    Math,
    Message(Box<Messages>),
    Posting(Box<Posts>),
    Ticket(Box<Tickets>),
    Trading(Box<Trading>),
    Travel(Box<Travel>),
    Vehicle(Box<Vehicle>),
}

/// Instances of the classes that a task involves. Cloning takes a snapshot: states are shared until one side changes them.
///
/// A world has no clock, files or network: the same calls give the same results.
#[derive(Clone, Debug)]
pub struct World {
    instances: Vec<(Class, Instance)>,
    prefix: Arc<str>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The text that the official executor reports, of a result or of an error.
    Text(String),
    /// The call needs Python beyond what is simulated; the reason.
    Unsupported(String),
}

impl World {
    /// Instances of `classes` in the states that `scenario` (a dictionary from class names to their scenarios) gives.
    ///
    /// # Errors
    /// If a state is not as its class needs it.
    pub fn new(classes: &[Class], scenario: &Value, settings: &Settings) -> Fallible<World> {
        let long = settings.long_context.as_ref();
        let mut instances = Vec::with_capacity(classes.len());
        let nothing = Scenario::new();
        for &class in classes {
            let given = match scenario.get(class.name()) {
                None => &nothing,
                Some(Value::Dict(given)) => given,
                Some(other) => {
                    let name = Object::from(other).type_name();
                    return Err(Exception::unsupported(format!("a scenario of type {name}")));
                }
            };
            let instance = match class {
                Class::FileSystem => Instance::FileSystem(FileSystem::load(given, long.map(|l| &**l))?),
                Class::Math => Instance::Math,
                Class::Message => Instance::Message(Box::new(Messages::load(given)?)),
                Class::Posting => Instance::Posting(Box::new(Posts::load(given)?)),
                Class::Ticket => Instance::Ticket(Box::new(Tickets::load(given))),
                Class::Trading => Instance::Trading(Box::new(Trading::load(given, long)?)),
                Class::Travel => Instance::Travel(Box::new(Travel::load(given, long, settings.today)?)),
                Class::Vehicle => Instance::Vehicle(Box::new(Vehicle::load(given, long)?)),
            };
            instances.push((class, instance));
        }
        Ok(World { instances, prefix: settings.instance_prefix.as_str().into() })
    }

    /// The same world under another name for its instances.
    #[must_use]
    pub fn named(&self, prefix: &str) -> World {
        World { instances: self.instances.clone(), prefix: prefix.into() }
    }

    /// Gives the instances another name.
    pub(super) fn rename(&mut self, prefix: &str) {
        self.prefix = prefix.into();
    }

    /// Whether the world has an instance of the class.
    pub fn has(&self, class: Class) -> bool {
        self.instances.iter().any(|(c, _)| *c == class)
    }

    /// The method of this name, if the world has an instance with it.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        find_method(name).filter(|found| self.has(found.class))
    }

    /// Calls a method with evaluated arguments.
    pub(super) fn call<'k>(
        &mut self,
        name: &str,
        positional: Vec<Object>,
        keywords: impl IntoIterator<Item = (&'k str, Object)>,
    ) -> Fallible<Object> {
        let found = self.find(name).ok_or_else(|| undefined(name))?;
        let arguments = found.method.bind(found.class.name(), positional, keywords)?;
        self.apply(found, &arguments)
    }

    /// Fails as a name does that the world has no instance for.
    pub(super) fn require(&self, found: Found) -> Fallible<()> {
        if self.has(found.class) { Ok(()) } else { Err(undefined(found.method.name)) }
    }

    /// Calls a method with arguments by its parameters.
    pub(super) fn apply(&mut self, found: Found, arguments: &Arguments) -> Fallible<Object> {
        let name = found.method.name;
        let instance = self.instances.iter_mut().find(|(c, _)| *c == found.class);
        let (_, instance) = instance.ok_or_else(|| undefined(name))?;
        let a = &arguments.values[..];
        match instance {
            Instance::FileSystem(x) => x.call(name, a),
            Instance::Math => math::call(name, a),
            Instance::Message(x) => x.call(name, a),
            // Only posting a tweet looks whether the mentions were given, its third parameter.
            Instance::Posting(x) => x.call(name, a, !arguments.gives(2)),
            Instance::Ticket(x) => x.call(name, a),
            Instance::Trading(x) => x.call(name, a),
            Instance::Travel(x) => x.call(name, a),
            Instance::Vehicle(x) => x.call(name, a),
        }
    }

    /// Executes a call written as Python, `name(argument, key=argument)`, as the official executor does.
    pub fn execute(&mut self, call: &str) -> Outcome {
        outcome(self.run(call))
    }

    pub(super) fn run(&mut self, call: &str) -> Fallible<Object> {
        if let Some(result) = self.run_plain(call) {
            return result;
        }
        let prepared = super::rewrite::prepare(call, &self.prefix, |name| self.find(name).map(|f| f.class))?;
        let parsed = pyexpr::parse(&prepared).map_err(|_| {
            // The text of Python's syntax errors is not simulated.
            Exception::unsupported("text that is no Python expression")
        })?;
        if super::rewrite::repeats_a_keyword(&parsed) {
            return Err(Exception::unsupported("a repeated keyword"));
        }
        evaluate::evaluate(&parsed, Some(self))
    }

    /// Executes a call that has nothing to be rewritten and only named literals as arguments; nothing if it is another one.
    fn run_plain(&mut self, call: &str) -> Option<Fallible<Object>> {
        if !has_one_bracket(call) {
            return None;
        }
        let arena = Arena::with_capacity(ROOM);
        let (found, arguments) = self.read_plain(&arena, call)?;
        Some(bind_members(found, arguments).and_then(|arguments| self.apply(found, &arguments)))
    }

    /// Such a call, if it has no more brackets than its own.
    fn read_plain<'a>(&self, arena: &'a Arena, call: &'a str) -> Option<(Found, Members<'a>)> {
        let (name, arguments) = plain_call(arena, call)?;
        let named = arguments.iter().all(|(key, _)| matches!(key, Node::Str(_)));
        self.find(name).filter(|_| named).map(|found| (found, arguments))
    }

    /// A call of one of the world's methods with literals, bound without executing anything; nothing if it is another one or its
    /// arguments do not meet the parameters. Executing its text is the same, whatever the names of the instances.
    pub(super) fn prepare(&self, arena: &Arena, call: &str) -> Option<(Found, Arguments)> {
        if !has_one_bracket(call) {
            return None;
        }
        if let Some((found, arguments)) = self.read_plain(arena, call) {
            return Some((found, bind_members(found, arguments).ok()?));
        }
        let parsed = pyexpr::parse(call).ok().filter(|parsed| !super::rewrite::repeats_a_keyword(parsed))?;
        let Expr::Call { function, arguments, keywords } = &parsed else { return None };
        let Expr::Name(name) = &**function else { return None };
        let found = self.find(name)?;
        let literal = |e: &Expr| evaluate::literal(e).ok();
        let positional = arguments.iter().map(literal).collect::<Option<Vec<_>>>()?;
        let keywords = keywords.iter().map(|k| Some((k.name.as_deref()?, literal(&k.value)?)));
        let keywords = keywords.collect::<Option<Vec<_>>>()?;
        Some((found, found.method.bind(found.class.name(), positional, keywords).ok()?))
    }

    /// The compared state: for each class a dictionary of attributes; of files, the tree of their contents.
    pub fn state(&self) -> Value {
        let mut all = Dict::default();
        for (class, instance) in &self.instances {
            let attributes = match instance {
                Instance::FileSystem(x) => Dict(vec![("root".into(), x.to_object())]),
                other => Dict(other.attributes().iter().map(|(k, v)| ((*k).into(), (*v).clone())).collect()),
            };
            all.insert(class.name().into(), attributes.into());
        }
        Value::from(&Object::from(all))
    }

    /// The first class whose public attributes differ between two worlds of the same classes.
    ///
    /// # Errors
    /// If the comparison would not end in Python either (a directory copied into itself).
    pub fn difference(&self, other: &World) -> Fallible<Option<Class>> {
        for ((class, a), (twin, b)) in self.instances.iter().zip(&other.instances) {
            let same = match (a, b) {
                (Instance::FileSystem(a), Instance::FileSystem(b)) => a.same_state(b)?,
                (Instance::Vehicle(a), Instance::Vehicle(b)) => a.same_state(b),
                (a, b) => {
                    let (a, b) = (a.attributes(), b.attributes());
                    class == twin && a.iter().zip(&b).all(|((_, a), (_, b))| a == b)
                }
            };
            if !same {
                return Ok(Some(*class));
            }
        }
        Ok(None)
    }

    /// Whether another world that came from the same `start` by the same calls would compare as equal. It is so nearly always; but
    /// a NaN that a call made equals no other.
    ///
    /// # Errors
    /// As [`difference`](Self::difference) with that world.
    pub(super) fn equals_its_twin(&self, start: &World) -> Fallible<bool> {
        for ((_, now), (_, before)) in self.instances.iter().zip(&start.instances) {
            let same = match (now, before) {
                (Instance::FileSystem(now), Instance::FileSystem(before)) => now.equals_its_twin(before)?,
                (now, before) => now
                    .attributes()
                    .iter()
                    .zip(before.attributes())
                    .all(|((_, now), (_, before))| !now.has_new_nan(Some(before))),
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Instance {
    /// The compared attributes of what is no file system.
    fn attributes(&self) -> Attributes<'_> {
        match self {
            Instance::FileSystem(_) | Instance::Math => Attributes::new(),
            Instance::Message(x) => x.attributes(),
            Instance::Posting(x) => x.attributes(),
            Instance::Ticket(x) => x.attributes(),
            Instance::Trading(x) => x.attributes(),
            Instance::Travel(x) => x.attributes(),
            Instance::Vehicle(x) => x.attributes(),
        }
    }
}

fn undefined(name: &str) -> Exception {
    Exception::other(format!("name '{name}' is not defined"))
}

/// Whether the bracket of the call is the only one. Before another one there may be a method's name, which is rewritten.
pub(super) fn has_one_bracket(call: &str) -> bool {
    call.bytes().filter(|byte| *byte == b'(').count() == 1
}

/// Named arguments by the parameters of a method.
pub(super) fn bind_members(found: Found, members: Members<'_>) -> Fallible<Arguments> {
    let named = members.iter().filter_map(|(key, value)| match key {
        Node::Str(key) => Some((*key, Object::from(value))),
        _ => None,
    });
    found.method.bind(found.class.name(), Vec::new(), named)
}

pub(super) fn outcome(result: Fallible<Object>) -> Outcome {
    match result {
        Ok(object) => Outcome::Text(result_text(&object)),
        Err(e) if e.kind == Kind::Unsupported => Outcome::Unsupported(e.text),
        Err(e) => Outcome::Text(format!("Error during execution: {}", e.text)),
    }
}
