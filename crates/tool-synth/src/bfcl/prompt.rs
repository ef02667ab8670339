//! What a prompted model is asked, in the words of the user's copy of the package.

use std::collections::HashMap;

use super::package::{Package, add_hint};
use super::score::SINGLE_TURN;
use super::{Language, language, multi_turn};
use crate::error::{Error, Result};
use crate::pyexpr::{Constant, Expr};
use crate::value::json::{self, Layout};
use crate::value::{Dict, Value};

/// The messages of an entry, by turns.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// The entry's id.
    pub id: String,
    /// Turns of messages, each with `role` and `content`.
    pub turns: Vec<Value>,
}

/// The prompts of a category's entries: the questions with the official default system prompt before the first.
///
/// Categories of Java and JavaScript, whose documentation is rewritten first, are not there, nor are web search and memory.
///
/// # Errors
/// If the package lacks the category or its prompts are not as they were.
pub fn prompts(package: &Package, category: &str) -> Result<Vec<Prompt>> {
    let turns = multi_turn::CATEGORIES.contains(&category);
    if !turns && !SINGLE_TURN.contains(&category) || language(category) != Language::Python {
        return Err(Error::config("category", format!("there are no prompts of {category}")));
    }
    let words = Words { assigned: package.assignments("constants/default_prompts.py")? };
    let hint = package.python_hint()?;
    let questions =
        if turns { package.multi_turn_questions(category)? } else { package.questions(category)? };
    let mut prompts = Vec::new();
    for mut question in questions {
        add_hint(&mut question, &hint);
        let id = question.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut turns = question.get("question").and_then(Value::as_list).unwrap_or_default().to_vec();
        let system = words.system(question.get("function").unwrap_or(&Value::None))?;
        if let Some(Value::List(messages)) = turns.first_mut() {
            add_system(messages, system);
        }
        prompts.push(Prompt { id, turns });
    }
    Ok(prompts)
}

/// Puts the system prompt first, before the text of one that is there.
fn add_system(messages: &mut Vec<Value>, mut text: String) {
    if let Some(Value::Dict(first)) = messages.first_mut()
        && first.get_str("role").and_then(Value::as_str) == Some("system")
    {
        if let Some(content) = first.get_str("content").and_then(Value::as_str) {
            text.push_str("\n\n");
            text.push_str(content);
        }
        first.insert(Value::from("content"), Value::from(text));
        return;
    }
    let members = [(Value::from("role"), Value::from("system")), (Value::from("content"), Value::from(text))];
    messages.insert(0, Value::Dict(members.into_iter().collect::<Dict>()));
}

/// The constants of the package that prompts are made of.
struct Words {
    assigned: HashMap<String, Expr>,
}

impl Words {
    fn resolve<'a>(&'a self, expression: &'a Expr) -> Option<&'a Expr> {
        match expression {
            Expr::Name(name) => self.assigned.get(name.as_str()),
            other => Some(other),
        }
    }

    /// The text under keys of a dictionary of dictionaries.
    fn text(&self, name: &str, keys: &[&str]) -> Result<&str> {
        let member = |expression: &'_ Expr, key: &str| {
            match expression {
            Expr::Dict(members) => members.iter().position(|(other, _)| {
                matches!(other, Some(Expr::Constant(Constant::Str { value, .. })) if value == key)
            }),
            _ => None,
        }
        };
        let found = self.assigned.get(name).and_then(|start| {
            let mut at = start;
            for key in keys {
                let place = member(at, key)?;
                let Expr::Dict(members) = at else { return None };
                at = self.resolve(&members[place].1)?;
            }
            match at {
                Expr::Constant(Constant::Str { value, .. }) => Some(value.as_str()),
                _ => None,
            }
        });
        found.ok_or_else(|| Error::invalid(format!("the package's prompts have no {name} {keys:?}")))
    }

    fn system(&self, functions: &Value) -> Result<String> {
        let style = |name: &str| self.text("PROMPT_STYLE_TEMPLATES", &["classic", name]);
        let mut documents = String::new();
        json::write(&mut documents, functions, Layout { unicode: false, indent: Some(4) });
        let calls = fill(
            style("tool_call_no_tag")?,
            &[
                ("output_format", self.text("OUTPUT_FORMAT_MAPPING", &["python"])?),
                ("param_types", self.text("PARAM_TYPE_MAPPING", &["python"])?),
            ],
        );
        let tools = fill(style("available_tools")?, &[("format", "json"), ("functions", &documents)]);
        Ok(fill(
            self.text("PROMPT_TEMPLATE_MAPPING", &["plaintext"])?,
            &[
                ("persona", style("persona")?),
                ("task", style("task")?),
                ("tool_call_format", &calls),
                ("multiturn_behavior", style("multiturn_behavior")?),
                ("available_tools", &tools),
            ],
        ))
    }
}

/// A template with its fields filled in; what is filled in is not looked at again.
fn fill(template: &str, fields: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let field =
            fields.iter().find(|(name, _)| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with('}')));
        match field {
            Some((name, value)) => {
                out.push_str(value);
                rest = &rest[name.len() + 1..];
            }
            None => out.push('{'),
        }
    }
    out.push_str(rest);
    out
}
