//! A benchmark entry, read once and made ready for many checks.

use smallvec::SmallVec;

use super::Language;
use super::argument::{self, iterated, may_be_missing};
use super::check::{Checked, Context, Expectations, Failure, wrong};
use super::documented::Documented;
use super::normal::equal_names;
use crate::error::{Error, Result};
use crate::value::{Dict, Node, Str, Value};

/// Functions and expected calls of one entry.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) language: Language,
    /// The expected calls, each with the function of its name; nothing where there is none.
    // Nearly always there is one, which then needs no place of its own in memory.
    answers: SmallVec<[Option<Expected>; 1]>,
    /// The first expected call with the first function, where that has another name.
    first: Option<Box<Expected>>,
}

/// An expected call and the documentation of a function, as far as the checker looks at them: all that a check needs lies
/// side by side.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    name: Str,
    /// Whether the official checker raises, as the list of required parameters is missing.
    raises: bool,
    /// Which of the first 64 slots are required by the documentation, and which by the expected call.
    required: u64,
    needed: u64,
    /// The parameters, documented ones first.
    slots: Box<[Slot]>,
    /// The allowed values of all parameters.
    values: Box<[Value]>,
}

/// A parameter: what the documentation and the expected call have to say about it.
#[derive(Clone, Debug)]
struct Slot {
    name: Str,
    /// Its documented type, if it has one and the expected call has it.
    documented: Option<Documented>,
    required: bool,
    /// Its place in the expected call, if that has it.
    place: Option<u16>,
    /// Whether it may be left out.
    optional: bool,
    /// Whether the allowed values are no list, at which the official checker raises.
    raises: bool,
    values: (u32, u32),
}

impl Slot {
    /// Whether an answer without it is wrong.
    fn is_needed(&self) -> bool {
        self.place.is_some() && !self.optional
    }
}

/// A function's documentation.
struct Function<'a> {
    name: &'a str,
    /// Nothing if it is missing or no list of texts.
    required: Option<&'a [Value]>,
    properties: &'a Dict,
}

/// An expected call.
struct Answer<'a> {
    name: &'a str,
    parameters: &'a Dict,
}

impl Entry {
    /// Reads the `function` list of a question and the `ground_truth` of its answer.
    ///
    /// # Errors
    /// If they do not have the benchmark's form: a list of objects with `name` and `parameters.properties`; a list of
    /// objects with one member, whose value is an object.
    pub fn new(functions: &Value, answers: &Value, language: Language) -> Result<Self> {
        let no_list = |what: &str| Error::invalid(format!("{what} must be a list"));
        let functions = functions.as_list().ok_or_else(|| no_list("the functions of an entry"))?;
        let answers = answers.as_list().ok_or_else(|| no_list("the ground truth of an entry"))?;
        let functions: SmallVec<[Function<'_>; 4]> =
            functions.iter().map(Function::read).collect::<Result<_>>()?;
        let answers: SmallVec<[Answer<'_>; 4]> = answers.iter().map(Answer::read).collect::<Result<_>>()?;
        let named = |name: &str| functions.iter().position(|function| function.name == name);
        let first = match (functions.first(), answers.first()) {
            (Some(function), Some(answer)) if named(answer.name) != Some(0) => {
                Some(Box::new(Expected::new(function, answer, language)))
            }
            _ => None,
        };
        let answers = answers
            .iter()
            .map(|answer| {
                named(answer.name).map(|function| Expected::new(&functions[function], answer, language))
            })
            .collect();
        Ok(Self { language, answers, first })
    }
}

impl Expected {
    fn new(function: &Function<'_>, answer: &Answer<'_>, language: Language) -> Self {
        let required = function.required.unwrap_or_default();
        let mut slots: Vec<Slot> = Vec::with_capacity(function.properties.len().max(answer.parameters.len()));
        let mut values = Vec::with_capacity(2 * answer.parameters.len());
        let named = function.properties.keys().chain(answer.parameters.keys()).chain(required);
        for name in named.filter_map(Value::as_str) {
            if slots.iter().any(|slot| slot.name == name) {
                continue;
            }
            let place = answer.parameters.keys().position(|other| other.as_str() == Some(name));
            let allowed = place.and_then(|place| answer.parameters.values().nth(place));
            let start = values.len();
            let iterated = allowed.and_then(iterated);
            values.extend_from_slice(iterated.as_deref().unwrap_or_default());
            // Of a parameter that no answer may have, the type does not matter.
            let property = function.properties.get_str(name).filter(|_| place.is_some());
            slots.push(Slot {
                name: name.into(),
                documented: property.map(|property| Documented::read(property, language)),
                required: required.iter().any(|other| other.as_str() == Some(name)),
                place: place.map(|place| u16::try_from(place).unwrap_or(u16::MAX)),
                optional: allowed.is_some_and(|allowed| may_be_missing(allowed).unwrap_or(false)),
                raises: allowed.is_some() && iterated.is_none(),
                values: (start as u32, values.len() as u32),
            });
        }
        let mask = |is: fn(&Slot) -> bool| {
            slots.iter().take(64).enumerate().fold(0, |mask, (at, slot)| mask | u64::from(is(slot)) << at)
        };
        Self {
            required: mask(|slot| slot.required),
            needed: mask(Slot::is_needed),
            name: function.name.into(),
            raises: function.required.is_none(),
            slots: slots.into(),
            values: values.into(),
        }
    }

    /// The allowed values of a parameter.
    fn values(&self, slot: &Slot) -> Option<&[Value]> {
        (!slot.raises).then(|| &self.values[slot.values.0 as usize..slot.values.1 as usize])
    }
}

/// The place of an argument that is no parameter.
const NOWHERE: u32 = u32::MAX;

impl Expectations for Entry {
    type Call<'e> = &'e Expected;

    fn count(&self) -> usize {
        self.answers.len()
    }

    fn first(&self) -> Checked<&Expected> {
        let first = self.first.as_deref().or_else(|| self.answers.first()?.as_ref());
        first.ok_or(Failure::Raise)
    }

    fn call(&self, at: usize) -> Checked<&Expected> {
        self.answers.get(at).and_then(Option::as_ref).ok_or(Failure::Raise)
    }

    fn one<'a>(context: Context<'a>, expected: &Expected, call: &Node<'a>) -> Checked {
        if expected.raises {
            return Err(Failure::Raise);
        }
        let arguments = match *call {
            Node::Dict([(Node::Str(name), Node::Dict(arguments))])
                if equal_names(name, &expected.name, context.underscores) =>
            {
                *arguments
            }
            _ => return wrong("simple_function_checker:wrong_func_name"),
        };
        let slots = &*expected.slots;
        // The place of each argument among the slots; most answers name them in the documented order.
        let mut few = [NOWHERE; 16];
        let mut many = Vec::new();
        let places = if arguments.len() <= few.len() {
            &mut few[..arguments.len()]
        } else {
            many.resize(arguments.len(), NOWHERE);
            &mut many[..]
        };
        let mut next = 0;
        let mut given = 0u64;
        for (place, (name, _)) in places.iter_mut().zip(arguments) {
            let Node::Str(name) = name else { continue };
            let is = |slot: &Slot| slot.name == name;
            let found = slots[next..].iter().position(is).map(|at| next + at);
            if let Some(at) = found.or_else(|| slots[..next].iter().position(is)) {
                *place = at as u32;
                given |= 1u64.checked_shl(at as u32).unwrap_or(0);
                next = at + 1;
            }
        }
        // Beyond the bits of the masks there are slots in no entry that exists.
        let lacks = |at: usize| !places.contains(&(at as u32));
        let far = || slots.iter().enumerate().skip(64).filter(|(at, _)| lacks(*at));
        if expected.required & !given != 0 || far().any(|(_, slot)| slot.required) {
            return wrong("simple_function_checker:missing_required");
        }
        for (&place, (_, value)) in places.iter().zip(arguments) {
            let slot = slots.get(place as usize);
            match slot.and_then(|slot| slot.documented.as_ref().zip(Some(slot))) {
                Some((documented, slot)) => {
                    argument::check(context, documented, expected.values(slot), *value)?;
                }
                None => return wrong("simple_function_checker:unexpected_param"),
            }
        }
        if expected.needed & !given == 0 && !far().any(|(_, slot)| slot.is_needed()) {
            return Ok(());
        }
        let missing = slots.iter().enumerate().filter(|(at, slot)| slot.is_needed() && lacks(*at));
        match missing.min_by_key(|(_, slot)| slot.place) {
            Some((_, first)) if first.raises => Err(Failure::Raise),
            _ => wrong("simple_function_checker:missing_optional"),
        }
    }
}

impl<'a> Function<'a> {
    fn read(value: &'a Value) -> Result<Self> {
        let missing =
            |what: &str| Error::invalid(format!("a function's documentation lacks {what}: {value}"));
        let parameters = value.get("parameters").ok_or_else(|| missing("its parameters"))?;
        let properties = parameters.get("properties").and_then(Value::as_dict);
        let required = parameters.get("required").and_then(Value::as_list);
        Ok(Self {
            name: value.get("name").and_then(Value::as_str).ok_or_else(|| missing("its name"))?,
            required: required.filter(|items| items.iter().all(|item| item.as_str().is_some())),
            properties: properties.ok_or_else(|| missing("parameters.properties"))?,
        })
    }
}

impl<'a> Answer<'a> {
    fn read(value: &'a Value) -> Result<Self> {
        let wrong =
            || Error::invalid(format!("an expected call must be {{name: {{parameter: […]}}}}: {value}"));
        let (name, parameters) = value.as_dict().and_then(|dict| dict.iter().next()).ok_or_else(wrong)?;
        Ok(Self {
            name: name.as_str().ok_or_else(wrong)?,
            parameters: parameters.as_dict().ok_or_else(wrong)?,
        })
    }
}
