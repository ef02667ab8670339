//! The ground truth of an answer: its calls, made ready, and what came of them turn by turn.

use super::decode::Asked;
use super::error::{Exception, Fallible, Kind};
use super::object::Object;
use super::signature::Arguments;
use super::text::result_text;
use super::world::{Found, World};
use crate::bfcl::Arena;
use crate::value::Node;

/// A call of the ground truth with its arguments; nothing where only executing its text tells what it does.
type Ready = Option<(Found, Arguments)>;

/// What came of a call, printed only when it has to be.
#[derive(Clone, Debug)]
pub(super) struct Reply(Fallible<Object>);

impl Reply {
    /// # Errors
    /// With the reason, if the call is not simulated.
    pub(super) fn new(result: Fallible<Object>) -> Result<Self, String> {
        match result {
            Err(e) if e.kind == Kind::Unsupported => Err(e.text),
            result => Ok(Self(result)),
        }
    }

    /// Whether the texts that the official executor reports are the same.
    pub(super) fn prints_as(&self, other: &Reply) -> bool {
        let known = match (&self.0, &other.0) {
            (Err(a), Err(b)) => Some(a.text == b.text),
            (Ok(Object::Str(a)), Ok(Object::Str(b))) => Some(**a == **b),
            // A string stands as it is, and may look like anything.
            (Ok(Object::Str(_) | Object::Printed(_)), _) | (_, Ok(Object::Str(_) | Object::Printed(_))) => {
                None
            }
            (Ok(a), Ok(b)) => a.prints_as(b),
            // Nothing else begins like an error.
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => Some(false),
        };
        known.unwrap_or_else(|| self.text() == other.text())
    }

    fn text(&self) -> String {
        match &self.0 {
            Ok(object) => result_text(object),
            Err(Exception { text, .. }) => format!("Error during execution: {text}"),
        }
    }
}

/// The ground truth after one turn.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    calls: Vec<Ready>,
    results: Vec<Reply>,
    world: World,
    /// What [`World::equals_its_twin`] says.
    equals_its_twin: Fallible<bool>,
}

/// A ground truth on its way: its calls of the next turn, and the world and the results after the turns before.
pub(super) enum Truth<'a> {
    /// One that was executed before.
    Kept {
        /// The world before the first turn.
        start: &'a World,
        /// All turns.
        turns: &'a [Turn],
        /// How many of them are over.
        over: usize,
    },
    /// One that is executed turn by turn, as far as it is asked for.
    Running {
        /// The world before the first turn.
        start: &'a World,
        /// The calls of all turns.
        texts: &'a [Vec<String>],
        /// The model's name and the entry's, by which the world is named when a call's text is executed first.
        names: Option<(&'a str, &'a str)>,
        /// How many turns are over.
        over: usize,
        /// The world after them.
        world: World,
        /// The results of all their calls.
        results: Vec<Reply>,
        /// Where the results of the last one begin.
        last: usize,
        /// The calls of the next turn.
        calls: Vec<Ready>,
    },
}

impl<'a> Truth<'a> {
    /// A ground truth to be executed, beside an answer of this model to this entry.
    pub(super) fn new(start: &'a World, texts: &'a [Vec<String>], model: &'a str, entry: &'a str) -> Self {
        let (results, calls) = (Vec::with_capacity(16), Vec::with_capacity(8));
        let (names, world) = (Some((model, entry)), start.clone());
        Self::Running { start, texts, names, over: 0, world, results, last: 0, calls }
    }

    /// Reads the calls of the next turn.
    pub(super) fn calls(&mut self, arena: &Arena) -> &[Ready] {
        match self {
            Self::Kept { turns, over, .. } => &turns[*over].calls,
            Self::Running { texts, over, world, calls, .. } => {
                calls.clear();
                calls.extend(texts[*over].iter().map(|text| world.prepare(arena, text)));
                calls
            }
        }
    }

    /// Goes on by a turn, whose calls were read.
    ///
    /// # Errors
    /// If a call is not simulated.
    pub(super) fn advance(&mut self) -> Result<(), String> {
        match self {
            Self::Kept { over, .. } => *over += 1,
            Self::Running { texts, names, over, world, results, last, calls, .. } => {
                *last = results.len();
                for (ready, text) in calls.iter().zip(&texts[*over]) {
                    let result = match ready {
                        Some((found, arguments)) => world.apply(*found, arguments),
                        None => {
                            if let Some((model, entry)) = names.take() {
                                world.rename(&format!("{model}_ground_truth_eval_{entry}"));
                            }
                            world.run(text)
                        }
                    };
                    results.push(Reply::new(result)?);
                }
                *over += 1;
            }
        }
        Ok(())
    }

    /// The world after the last turn.
    pub(super) fn world(&self) -> &World {
        match self {
            Self::Kept { start, turns, over } => {
                over.checked_sub(1).map_or(*start, |last| &turns[last].world)
            }
            Self::Running { world, .. } => world,
        }
    }

    /// The results of the last turn.
    pub(super) fn results(&self) -> &[Reply] {
        match self {
            Self::Kept { turns, over, .. } => over.checked_sub(1).map_or(&[], |last| &turns[last].results),
            Self::Running { results, last, .. } => &results[*last..],
        }
    }

    /// The results of all turns so far.
    pub(super) fn all_results(&self) -> Vec<Reply> {
        match self {
            Self::Kept { turns, over, .. } => {
                turns[..*over].iter().flat_map(|turn| &turn.results).cloned().collect()
            }
            Self::Running { results, .. } => results.clone(),
        }
    }

    /// Whether another world in which the same calls were executed would compare as equal.
    ///
    /// # Errors
    /// As [`World::difference`] with that world.
    pub(super) fn equals_its_twin(&self) -> Fallible<bool> {
        match self {
            Self::Kept { turns, over, .. } => {
                over.checked_sub(1).map_or(Ok(true), |last| turns[last].equals_its_twin.clone())
            }
            Self::Running { start, world, .. } => world.equals_its_twin(start),
        }
    }
}

/// Executes a ground truth, to be kept.
///
/// # Errors
/// If a call is not simulated.
pub(super) fn execute(start: &World, texts: &[Vec<String>], entry: &str) -> Result<Vec<Turn>, String> {
    let mut arena = Arena::new();
    let mut truth = Truth::new(start, texts, "", entry);
    let turn = |_| {
        arena.reset();
        let calls = truth.calls(&arena).to_vec();
        truth.advance()?;
        let (results, world) = (truth.results().to_vec(), truth.world().clone());
        Ok(Turn { calls, results, world, equals_its_twin: truth.equals_its_twin() })
    };
    (0..texts.len()).map(turn).collect()
}

/// Whether the calls of a turn are those of the ground truth, in the same order.
pub(super) fn is_asked(calls: &[Ready], asked: &[Asked<'_>]) -> bool {
    let same = |(ready, asked): (&Ready, &Asked<'_>)| match (ready, asked) {
        (Some((found, arguments)), Asked::Bound(other, members)) => {
            std::ptr::eq(found.method, other.method)
                && members.len() == arguments.given()
                && members.iter().all(|(key, value)| match key {
                    Node::Str(key) => found
                        .method
                        .parameter(key)
                        .is_some_and(|i| arguments.gives(i) && is_same(value, &arguments.values[i])),
                    _ => false,
                })
        }
        _ => false,
    };
    calls.len() == asked.len() && calls.iter().zip(asked).all(same)
}

/// Whether an argument would become this very object. What is rare need not be recognised.
fn is_same(node: &Node<'_>, object: &Object) -> bool {
    match (node, object) {
        (Node::None, Object::None) => true,
        (Node::Bool(a), Object::Bool(b)) => a == b,
        (Node::Int(a), Object::Int(b)) => a == b,
        (Node::Float(a), Object::Float(b)) => a.to_bits() == b.to_bits(),
        (Node::Str(a), Object::Str(b)) => **a == **b,
        (Node::List(a), Object::List(b)) | (Node::Tuple(a), Object::Tuple(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| is_same(a, b))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::prelude::*;

    use super::super::object::Dict;
    use super::*;

    fn object() -> impl Strategy<Value = Object> {
        let text = || prop_oneof!["[ab\"'1\\\\]{0,2}", Just("é\u{80}\n".to_owned()), Just("1".to_owned())];
        let plain = prop_oneof![
            Just(Object::None),
            any::<bool>().prop_map(Object::Bool),
            (-1i64..2).prop_map(Object::Int),
            prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(f64::NAN), Just(f64::INFINITY)]
                .prop_map(Object::Float),
            text().prop_map(Object::from),
            Just(Object::Complex(1.0, 0.0)),
            Just(Object::from(BigInt::from(10).pow(20))),
            Just(Object::Printed("1.0".into())),
        ];
        plain.prop_recursive(3, 16, 3, move |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..3);
            let key = prop_oneof![
                text().prop_map(Object::from),
                Just(Object::Int(1)),
                Just(Object::Bool(true)),
                Just(Object::None),
                Just(Object::Tuple(vec![Object::Int(1)].into())),
            ];
            prop_oneof![
                list.clone().prop_map(Object::from),
                list.clone().prop_map(|items| Object::Tuple(items.into())),
                list.prop_map(|items| Object::Set(items.into())),
                proptest::collection::vec((key, inner), 0..3).prop_map(|members| {
                    let mut dict = Dict::default();
                    for (key, value) in members {
                        dict.insert(key, value);
                    }
                    Object::from(dict)
                }),
            ]
        })
    }

    fn reply() -> impl Strategy<Value = Reply> {
        prop_oneof![
            9 => object().prop_map(|object| Reply(Ok(object))),
            1 => "[ab]?".prop_map(|text| Reply(Err(Exception::other(text)))),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn replies_print_alike_where_their_texts_are_the_same(a in reply(), b in reply()) {
            prop_assert_eq!(a.prints_as(&b), a.text() == b.text(), "{} and {}", a.text(), b.text());
            prop_assert!(a.prints_as(&a.clone()));
        }
    }
}
