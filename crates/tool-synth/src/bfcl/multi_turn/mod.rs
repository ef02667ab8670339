//! The multi-turn categories: eight simulated APIs, the executor of call texts and the checker of states and responses.
//!
//! A [`World`] holds one instance of each class a task involves. It is an environment of its own: [`World::execute`] takes a
//! call as Python text and returns the text of its result, cloning takes a snapshot, [`World::state`] shows the state.
//!
//! ```
//! use tool_synth::Value;
//! use tool_synth::bfcl::multi_turn::{Class, Outcome, Settings, World};
//! let mut world = World::new(&[Class::Math, Class::FileSystem], &Value::None, &Settings::default()).unwrap();
//! assert_eq!(world.execute("add(a=1, b=2.5)"), Outcome::Text(r#"{"result": 3.5}"#.into()));
//! let before = world.clone();
//! assert_eq!(world.execute("touch('notes.txt')"), Outcome::Text("None".into()));
//! assert_eq!(world.difference(&before), Ok(Some(Class::FileSystem)));
//! ```
//!
//! Everything is as the wheel `bfcl-eval` 2026.3.23 has it, Python's error texts included. What would need more of Python
//! than literals, operators and calls of the methods is reported as [`Outcome::Unsupported`], never guessed.

mod arithmetic;
mod check;
mod dates;
mod decode;
mod error;
mod evaluate;
mod file_system;
mod long_context;
mod math;
mod message;
mod object;
mod operators;
mod posting;
mod precise;
mod random;
mod replay;
mod rewrite;
mod score;
mod signature;
mod text;
mod ticket;
mod trading;
mod travel;
mod truth;
mod vehicle;
mod world;

pub use check::{ErrorType, Task, Verdict};
pub use dates::today;
pub use decode::{Call, decode_native, decode_prompted};
pub use error::{Exception, Fallible, Kind};
pub use long_context::LongContext;
pub(crate) use replay::judge_record;
pub use replay::{CATEGORIES, Difference, Replay, Tasks};
pub use score::{Explanation, Scores, explain, judge};
pub use signature::{Default, Method};
pub use world::{Class, Found, Outcome, Settings, World, find_method};

use object::{Object, dict};
use smallvec::SmallVec;

use crate::value::Value;

/// The set of travel classes as it may be printed. Its order hangs on the hash seed of the Python process and says nothing; the
/// first one is printed here, and a replay takes the others for it.
const CLASS_SETS: [&str; 6] = [
    "{'business', 'economy', 'first'}",
    "{'business', 'first', 'economy'}",
    "{'economy', 'business', 'first'}",
    "{'economy', 'first', 'business'}",
    "{'first', 'business', 'economy'}",
    "{'first', 'economy', 'business'}",
];

/// Names and values of the compared attributes; no class but the car has more than nine.
type Attributes<'a> = SmallVec<[(&'static str, &'a Object); 9]>;

/// What the methods return where they refuse.
fn failure(text: impl Into<Failure>) -> Object {
    dict! {"error": text.into().0}
}

/// An error's text as an object.
struct Failure(Object);
impl From<&str> for Failure {
    fn from(s: &str) -> Self {
        Failure(Object::str(s))
    }
}
impl From<String> for Failure {
    fn from(s: String) -> Self {
        Failure(Object::from(s))
    }
}

/// What a class starts from: values by the names of its attributes. Each becomes an object when its attribute is made.
type Scenario = crate::value::Dict;

/// A scenario's value, or the default where it has none.
fn or_default(scenario: &Scenario, key: &str, default: impl FnOnce() -> Object) -> Object {
    scenario.get_str(key).map_or_else(default, Object::from)
}

/// The dictionary of a scenario on which the method `name` is called.
fn members<'v>(value: &'v Value, name: &str) -> Fallible<&'v Scenario> {
    value.as_dict().ok_or_else(|| Exception::attribute(&Object::from(value), name))
}

/// `value["key"]` in a scenario.
fn member<'v>(value: &'v Value, key: &'static str) -> Fallible<&'v Value> {
    let found = value.as_dict().and_then(|members| members.get_str(key));
    found.ok_or_else(|| match operators::field(&Object::from(value), key) {
        Err(why) => why,
        Ok(_) => unreachable!("only a dictionary has something under a string"),
    })
}

/// The generator of a scenario.
fn seeded(scenario: &Scenario, default: i64) -> Fallible<random::Random> {
    match scenario.get_str("random_seed").map(Object::from) {
        None => Ok(random::Random::of_class(default)),
        Some(seed) => match seed.integer() {
            Some(seed) => Ok(random::Random::new(&seed)),
            None => Err(Exception::unsupported("a random seed that is no integer")),
        },
    }
}

/// `list.remove(value)` of something that is in the list.
fn remove(list: &mut Object, value: &Object) -> Fallible<()> {
    match list {
        Object::List(items) => {
            let items = std::sync::Arc::make_mut(items);
            let at = items
                .iter()
                .position(|x| x == value)
                .ok_or_else(|| Exception::value_error("list.remove(x): x not in list"))?;
            items.remove(at);
            Ok(())
        }
        other => Err(Exception::attribute(other, "remove")),
    }
}
