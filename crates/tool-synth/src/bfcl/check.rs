//! Calls against the expected ones.

use bumpalo::Bump;

use super::{Language, Outcome};
use crate::value::Node;

/// Why a call does not pass.
pub(super) enum Failure {
    Error(&'static str),
    Raise,
}

pub(super) type Checked<T = ()> = Result<T, Failure>;

pub(super) fn wrong<T>(error: &'static str) -> Checked<T> {
    Err(Failure::Error(error))
}

/// How the calls of an answer are paired with the expected ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// One call against the first function and the first expected call.
    Simple,
    /// As many calls as expected ones; the first is checked, against the function of the expected name.
    Multiple,
    /// Every expected call, in order, takes the first call left that passes.
    Parallel,
}

impl Pairing {
    /// What the benchmark does in a category: by whether "parallel", or else "multiple", is in its name.
    pub fn of(category: &str) -> Self {
        if category.contains("parallel") {
            Self::Parallel
        } else if category.contains("multiple") {
            Self::Multiple
        } else {
            Self::Simple
        }
    }
}

/// What is the same for all calls of an answer.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// From it is taken what conversions of values need.
    pub arena: &'a Bump,
    pub language: Language,
    /// Whether a dot in an expected name is an underscore.
    pub underscores: bool,
}

/// The expected calls of an entry: prepared, or as the benchmark has them.
pub(super) trait Expectations {
    /// An expected call with a function.
    type Call<'e>: Copy
    where
        Self: 'e;

    fn count(&self) -> usize;

    /// The first expected call with the first function. The official checker raises if there is none.
    fn first(&self) -> Checked<Self::Call<'_>>;

    /// The expected call at a place with the function of its name. The official checker raises if there is none.
    fn call(&self, at: usize) -> Checked<Self::Call<'_>>;

    /// Checks a decoded call.
    fn one<'a>(context: Context<'a>, expected: Self::Call<'_>, call: &Node<'a>) -> Checked;
}

/// Checks decoded calls, each a dictionary with one member.
pub(super) fn check<'a, E: Expectations>(
    context: Context<'a>,
    expectations: &E,
    calls: &[Node<'a>],
    pairing: Pairing,
) -> Outcome {
    let checked = match pairing {
        Pairing::Parallel => parallel(context, expectations, calls),
        Pairing::Multiple if calls.len() == expectations.count() => {
            expectations.call(0).and_then(|expected| E::one(context, expected, &calls[0]))
        }
        Pairing::Multiple => wrong("multiple_function_checker:wrong_count"),
        Pairing::Simple if calls.len() == 1 => {
            expectations.first().and_then(|expected| E::one(context, expected, &calls[0]))
        }
        Pairing::Simple => wrong("simple_function_checker:wrong_count"),
    };
    match checked {
        Ok(()) => Outcome::Valid,
        Err(Failure::Error(error)) => Outcome::Invalid(error),
        Err(Failure::Raise) => Outcome::Raise,
    }
}

fn parallel<'a, E: Expectations>(context: Context<'a>, expectations: &E, calls: &[Node<'a>]) -> Checked {
    if calls.len() != expectations.count() {
        return wrong("parallel_function_checker_no_order:wrong_count");
    }
    let mut few = [false; 8];
    let mut many = Vec::new();
    let matched = if calls.len() <= few.len() {
        &mut few[..calls.len()]
    } else {
        many.resize(calls.len(), false);
        &mut many[..]
    };
    for at in 0..expectations.count() {
        let expected = expectations.call(at)?;
        let mut found = false;
        for (call, matched) in calls.iter().zip(&mut *matched).filter(|(_, matched)| !**matched) {
            match E::one(context, expected, call) {
                Ok(()) => {
                    *matched = true;
                    found = true;
                    break;
                }
                Err(Failure::Error(_)) => {}
                Err(Failure::Raise) => return Err(Failure::Raise),
            }
        }
        if !found {
            return wrong("parallel_function_checker_no_order:cannot_find_match");
        }
    }
    Ok(())
}
