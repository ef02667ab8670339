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

impl Method {
    /// The arguments in the order of the parameters; left-out ones are `None` in the option.
    pub(crate) fn bind(
        &self,
        class: &str,
        positional: Vec<Object>,
        keywords: Vec<(&str, Object)>,
    ) -> Fallible<Vec<Option<Object>>> {
        let title = || format!("{class}.{}()", self.name);
        let given = positional.len();
        let mut slots: Vec<Option<Object>> =
            positional.into_iter().take(self.parameters.len()).map(Some).collect();
        slots.resize(self.parameters.len(), None);
        for (name, value) in keywords {
            let Some(i) = self.parameters.iter().position(|(p, _)| *p == name) else {
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
            if slots[i].is_some() {
                return Err(Exception::type_error(format!(
                    "{} got multiple values for argument '{name}'",
                    title()
                )));
            }
            slots[i] = Some(value);
        }
        if given > self.parameters.len() {
            let most = self.parameters.len() + 1;
            let optional = self.parameters.iter().filter(|(_, d)| !matches!(d, Default::Required)).count();
            let takes =
                if optional > 0 { format!("from {} to {most}", most - optional) } else { most.to_string() };
            let plural = if most == 1 && optional == 0 { "" } else { "s" };
            return Err(Exception::type_error(format!(
                "{} takes {takes} positional argument{plural} but {} were given",
                title(),
                given + 1
            )));
        }
        let missing: Vec<&str> = self
            .parameters
            .iter()
            .zip(&slots)
            .filter(|((_, d), s)| s.is_none() && matches!(d, Default::Required))
            .map(|((p, _), _)| *p)
            .collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { "" } else { "s" };
            return Err(Exception::type_error(format!(
                "{} missing {} required positional argument{plural}: {}",
                title(),
                missing.len(),
                quoted_list(&missing)
            )));
        }
        Ok(slots)
    }

    /// The default of parameter `i`; the shared list is the caller's to keep.
    pub(crate) fn default(&self, i: usize) -> Object {
        match self.parameters[i].1 {
            Default::Required | Default::None => Object::None,
            Default::Str(s) => Object::from(s),
            Default::Int(n) => Object::Int(n),
            Default::Bool(b) => Object::Bool(b),
            Default::List => Object::from(Vec::new()),
        }
    }
}
