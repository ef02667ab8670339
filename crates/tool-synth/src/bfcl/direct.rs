//! Checks against the benchmark's own data, of which nothing is prepared: for an answer that comes alone.

use super::argument::{self, may_be_missing};
use super::check::{Checked, Context, Expectations, Failure, wrong};
use super::documented::Documented;
use super::normal::equal_names;
use crate::value::{Dict, Members, Node, Value};

/// The `function` list of a question and the `ground_truth` of its answer.
pub(super) struct Direct<'e> {
    pub functions: &'e [Value],
    pub answers: &'e [Value],
}

/// An expected call with a function.
#[derive(Clone, Copy)]
pub(super) struct Call<'e> {
    name: &'e str,
    required: &'e [Value],
    documented: &'e Dict,
    allowed: &'e Dict,
}

impl<'e> Call<'e> {
    /// Nothing where the official checker raises, for data that have not the benchmark's form.
    fn read(function: &'e Value, allowed: &'e Dict) -> Option<Self> {
        let parameters = function.get("parameters")?;
        Some(Self {
            name: function.get("name")?.as_str()?,
            required: parameters.get("required")?.as_list()?,
            documented: parameters.get("properties")?.as_dict()?,
            allowed,
        })
    }
}

/// The name and the parameters of an expected call.
fn expected(answer: &Value) -> Option<(&Value, &Dict)> {
    let (name, allowed) = answer.as_dict()?.iter().next()?;
    Some((name, allowed.as_dict()?))
}

/// Whether there is an argument of a name. `next` is where it stands if arguments come in the order of what is looked for.
fn is_given(arguments: Members<'_>, name: &Value, next: &mut usize) -> bool {
    let is = |(other, _): &(Node<'_>, Node<'_>)| other.equals(name);
    let found = arguments.get(*next).is_some_and(is) || arguments.iter().any(is);
    *next += 1;
    found
}

impl Expectations for Direct<'_> {
    type Call<'e>
        = Call<'e>
    where
        Self: 'e;

    fn count(&self) -> usize {
        self.answers.len()
    }

    fn first(&self) -> Checked<Call<'_>> {
        let (_, allowed) = self.answers.first().and_then(expected).ok_or(Failure::Raise)?;
        self.functions.first().and_then(|function| Call::read(function, allowed)).ok_or(Failure::Raise)
    }

    fn call(&self, at: usize) -> Checked<Call<'_>> {
        let (name, allowed) = self.answers.get(at).and_then(expected).ok_or(Failure::Raise)?;
        let mut functions = self.functions.iter();
        let function = functions.find(|function| function.get("name") == Some(name));
        function.and_then(|function| Call::read(function, allowed)).ok_or(Failure::Raise)
    }

    fn one<'a>(context: Context<'a>, expected: Call<'_>, call: &Node<'a>) -> Checked {
        let arguments = match *call {
            Node::Dict([(Node::Str(name), Node::Dict(arguments))])
                if equal_names(name, expected.name, context.underscores) =>
            {
                *arguments
            }
            _ => return wrong("simple_function_checker:wrong_func_name"),
        };
        let mut next = 0;
        if !expected.required.iter().all(|name| is_given(arguments, name, &mut next)) {
            return wrong("simple_function_checker:missing_required");
        }
        let mut next = (0, 0);
        for (name, value) in arguments {
            let Node::Str(name) = name else { return wrong("simple_function_checker:unexpected_param") };
            let documented = expected.documented.find_from(&mut next.0, name);
            let Some((documented, allowed)) = documented.zip(expected.allowed.find_from(&mut next.1, name))
            else {
                return wrong("simple_function_checker:unexpected_param");
            };
            let documented = Documented::read(documented, context.language);
            argument::check(context, &documented, argument::iterated(allowed).as_deref(), *value)?;
        }
        // Whatever is given is allowed, and comes once.
        if arguments.len() == expected.allowed.len() {
            return Ok(());
        }
        let mut next = 0;
        for (name, allowed) in expected.allowed.iter() {
            if !is_given(arguments, name, &mut next) && !may_be_missing(allowed)? {
                return wrong("simple_function_checker:missing_optional");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::bfcl::{Arena, Format, Language, Outcome, Pairing, decode_in, judge_once};
    use crate::value::json::parse;

    #[test]
    fn only_what_an_answer_names_is_looked_at() {
        let answers = parse(r#"[{"f": {"x": [1], "unit": "cm"}}]"#).unwrap();
        let functions = |properties: &str| {
            let required = r#""required": ["x"]"#;
            parse(&format!(
                r#"[{{"name": "f", "parameters": {{{required}, "properties": {{{properties}}}}}}}, {{"name": 7}}]"#
            ))
            .unwrap()
        };
        let judge = |text: &str, properties: &str| {
            let arena = Arena::new();
            let functions = functions(properties);
            let decoded = decode_in(&arena, text, Format::Python, false);
            judge_once(&arena, (&functions, &answers, Language::Python), decoded, Pairing::Simple, false)
        };
        let properties = r#""x": {"type": "integer"}, "unit": {"type": "unknown"}"#;
        // Text as a list of allowed values holds the empty one, as in Python.
        assert_eq!(judge("f(x=1)", properties), Outcome::Valid);
        assert_eq!(judge("f(x=2)", properties), Outcome::Invalid("value_error:others"));
        assert_eq!(judge("f(x=1, unit='cm')", properties), Outcome::Raise);
        assert_eq!(
            judge("f(unit='cm')", properties),
            Outcome::Invalid("simple_function_checker:missing_required")
        );
        assert_eq!(
            judge("f(x=1, y=2)", properties),
            Outcome::Invalid("simple_function_checker:unexpected_param")
        );
        assert_eq!(judge("f(x=1)", r#""x": 3"#), Outcome::Raise);
        assert_eq!(judge("g(x=1)", r#""x": 3"#), Outcome::Invalid("simple_function_checker:wrong_func_name"));
    }
}
