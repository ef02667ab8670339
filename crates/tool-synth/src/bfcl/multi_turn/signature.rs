//! How a call's arguments meet a method's parameters: Python's rules, and its words where they do not meet.

use super::error::{Exception, Fallible};
use super::object::Object;

/// What a parameter is when the call leaves it out.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// It must be given.
    Required,
    /// `None`.
    None,
    /// A string.
    Str(&'static str),
    /// An integer.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// The one empty list made with the method and shared by all its calls.
    List,
}

/// A public method.
#[derive(Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its parameters without the instance, in order.
    pub parameters: &'static [(&'static str, Default)],
}

/// A method's name and parameters, written down: `m!(add(a, b))`, `m!(ls(a = Bool(false)))`.
macro_rules! m {
    ($name:ident ( $($p:ident $(= $d:expr)?),* )) => {
        $crate::bfcl::multi_turn::signature::Method {
            name: stringify!($name),
            parameters: &[ $( (stringify!($p), m!(@ $($d)?)) ),* ],
        }
    };
    (@ $d:expr) => { $d };
    (@) => { $crate::bfcl::multi_turn::signature::Default::Required };
}
pub(crate) use m;

fn quoted_list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("'{n}'")).collect();
    match &quoted[..] {
        [] => String::new(),
        [one] => one.clone(),
        [a, b] => format!("{a} and {b}"),
        [head @ .., last] => format!("{}, and {last}", head.join(", ")),
    }
}

/// The arguments of a call by the parameters of its method.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// One for each parameter, its default where the call leaves it out.
    pub values: Vec<Object>,
    /// Bit `i` tells whether the call gives parameter `i`.
    given: u32,
}

impl Arguments {
    /// Whether the call gives parameter `i`.
    pub fn gives(&self, i: usize) -> bool {
        self.given >> i & 1 == 1
    }

    /// How many parameters the call gives.
    pub fn given(&self) -> usize {
        self.given.count_ones() as usize
    }
}

impl Method {
    /// The place of a parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|(p, _)| *p == name)
    }

    /// The arguments by parameters.
    pub(crate) fn bind<'k>(
        &self,
        class: &str,
        positional: Vec<Object>,
        keywords: impl IntoIterator<Item = (&'k str, Object)>,
    ) -> Fallible<Arguments> {
        let title = || format!("{class}.{}()", self.name);
        let most = self.parameters.len();
        let surplus = positional.len().saturating_sub(most);
        let mut values = positional;
        values.truncate(most);
        let mut given = (1u32 << values.len()) - 1;
        values.resize_with(most, || Object::None);
        for (name, value) in keywords {
            let Some(i) = self.parameter(name) else {
                if name == "self" {
                    return Err(Exception::type_error(format!(
                        "{} got multiple values for argument 'self'",
                        title()
                    )));
                }
                return Err(Exception::type_error(format!(
                    "{} got an unexpected keyword argument '{name}'",
                    title()
                )));
            };
            if given >> i & 1 == 1 {
                return Err(Exception::type_error(format!(
                    "{} got multiple values for argument '{name}'",
                    title()
                )));
            }
            given |= 1 << i;
            values[i] = value;
        }
        if surplus > 0 {
            let optional = self.parameters.iter().filter(|(_, d)| !matches!(d, Default::Required)).count();
            let takes = if optional > 0 {
                format!("from {} to {}", most + 1 - optional, most + 1)
            } else {
                (most + 1).to_string()
            };
            let plural = if most == 0 && optional == 0 { "" } else { "s" };
            return Err(Exception::type_error(format!(
                "{} takes {takes} positional argument{plural} but {} were given",
                title(),
                most + surplus + 1
            )));
        }
        let mut missing: Vec<&str> = Vec::new();
        for (i, (name, default)) in self.parameters.iter().enumerate() {
            match default {
                _ if given >> i & 1 == 1 => {}
                Default::Required => missing.push(name),
                Default::None => {}
                Default::Str(s) => values[i] = Object::from(*s),
                Default::Int(n) => values[i] = Object::Int(*n),
                Default::Bool(b) => values[i] = Object::Bool(*b),
                // Who needs to know that it is a shared one asks whether it was given.
                Default::List => values[i] = Object::from(Vec::new()),
            }
        }
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            return Err(Exception::type_error(format!(
                "{} missing {} required positional argument{plural}: {}",
                title(),
                missing.len(),
                quoted_list(&missing)
            )));
        }
        Ok(Arguments { values, given })
    }
}
