//! Calls as text: `[find_film(title="Heat", year=1995), Market Trends API(region="EU")]`, the form of ToolACE's
//! assistants and of BFCL's prompts.
//!
//! It is Python in all but the names: ToolACE has tools whose names hold blanks. A reader that knows the tools therefore
//! looks for the longest of their names first.
//!
//! ```
//! use rec_core::tool::call_text;
//! let calls = call_text::read("[Market Trends API(regions=['EU', 'US'], top=3)]", &["Market Trends API"])?;
//! assert_eq!(calls[0].arguments.to_string(), r#"{"regions":["EU","US"],"top":3}"#);
//! assert_eq!(call_text::write(&calls)?, r#"[Market Trends API(regions=["EU", "US"], top=3)]"#);
//! # Ok::<(), rec_core::Error>(())
//! ```

use super::ToolCall;
use super::literal::{self, Cursor};
use crate::error::{Error, Result};
use crate::json::{Json, Object};

/// The calls in `text`: a list in square brackets, or one call alone. `names` are the tools that may be meant; a name that
/// is none of them ends at the parenthesis. Calls have no ids.
///
/// # Errors
/// [`Error::Invalid`] with the character, where the text is anything else: prose, arguments without names, values that
/// are no literals, a second value for one name.
pub fn read(text: &str, names: &[&str]) -> Result<Vec<ToolCall>> {
    let mut cursor = Cursor::new(text.trim());
    let list = cursor.take("[");
    let mut calls = Vec::new();
    loop {
        cursor.skip_blanks();
        if list && cursor.take("]") {
            break;
        }
        calls.push(call(&mut cursor, names)?);
        cursor.skip_blanks();
        if !list {
            break;
        }
        if !cursor.take(",") && cursor.peek() != Some(']') {
            return Err(cursor.error("expected a comma or the end of the list"));
        }
    }
    if cursor.rest().is_empty() { Ok(calls) } else { Err(cursor.error("text after the calls")) }
}

fn call(cursor: &mut Cursor<'_>, names: &[&str]) -> Result<ToolCall> {
    let rest = cursor.rest();
    let is_called = |name: &&&str| {
        !name.is_empty() && rest.strip_prefix(**name).is_some_and(|rest| rest.trim_start().starts_with('('))
    };
    let name = match names.iter().filter(is_called).max_by_key(|name| name.len()) {
        Some(known) => *known,
        None => {
            let end = rest.find(['(', '[', ']', '{', '}', ',', '=', '"', '\'', '\n']).unwrap_or(rest.len());
            let name = rest[..end].trim_end();
            if !rest[end..].starts_with('(') || name.is_empty() {
                return Err(cursor.error("expected the name of a tool and a parenthesis"));
            }
            name
        }
    };
    cursor.advance(name.len());
    cursor.skip_blanks();
    // Checked above.
    cursor.take("(");
    let mut arguments = Object::new();
    loop {
        cursor.skip_blanks();
        if cursor.take(")") {
            return Ok(ToolCall::new("", name, Json::Object(arguments)));
        }
        let rest = cursor.rest();
        let end = rest.find(['=', '(', ')', '[', ']', '{', '}', ',', '"', '\'', '\n']).unwrap_or(rest.len());
        let argument = rest[..end].trim_end();
        if !rest[end..].starts_with('=') || argument.is_empty() {
            return Err(cursor.error("expected the name of an argument and an equals sign"));
        }
        if arguments.contains_key(argument) {
            return Err(cursor.error("a second value for one argument"));
        }
        cursor.advance(end + 1);
        let value = cursor.value()?;
        arguments.insert(argument.to_owned(), value);
        cursor.skip_blanks();
        if !cursor.take(",") && cursor.peek() != Some(')') {
            return Err(cursor.error("expected a comma or the end of the call"));
        }
    }
}

/// The calls as a list in square brackets.
///
/// # Errors
/// [`Error::Invalid`] if the arguments of a call are no object.
pub fn write(calls: &[ToolCall]) -> Result<String> {
    let mut text = String::from("[");
    for (at, call) in calls.iter().enumerate() {
        let Some(arguments) = call.arguments.as_object() else {
            let (name, kind) = (&call.name, call.arguments.kind());
            return Err(Error::invalid(format!("the arguments of {name} are of type {kind}, not object")));
        };
        text.push_str(if at > 0 { ", " } else { "" });
        text.push_str(&call.name);
        text.push('(');
        for (at, (name, value)) in arguments.iter().enumerate() {
            text.push_str(if at > 0 { ", " } else { "" });
            text.push_str(name);
            text.push('=');
            literal::write(value, &mut text);
        }
        text.push(')');
    }
    text.push(']');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> String {
        read(&format!("f(x={text})"), &[]).unwrap()[0].arguments.get("x").unwrap().to_string()
    }

    #[test]
    fn literals_are_pythons() {
        for (python, json) in [
            ("True", "true"),
            ("None", "null"),
            ("null", "null"),
            ("-1_000", "-1000"),
            ("+2.50", "2.5"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("'it\\'s'", "\"it's\""),
            ("\"a\\u00e9\\x41\\101\\n\\q\"", "\"aéAA\\n\\\\q\""),
            ("'\\ud83d\\ude00'", "\"😀\""),
            ("'a' \"b\"", "\"ab\""),
            ("'''a'b'''", "\"a'b\""),
            ("''", "\"\""),
            ("(1, 2)", "[1,2]"),
            ("(1,)", "[1]"),
            ("(1)", "1"),
            ("[1, [2,],]", "[1,[2]]"),
            ("{'a': {1: None, True: []}}", "{\"a\":{\"1\":null,\"true\":[]}}"),
        ] {
            assert_eq!(arguments(python), json, "{python}");
        }
    }

    #[test]
    fn what_is_no_call_is_refused_with_its_place() {
        for (text, what) in [
            ("Sure, I can help.", "character 1: expected the name"),
            ("[f(x=1) g()]", "character 9: expected a comma"),
            ("[f(1)]", "character 4: expected the name of an argument"),
            ("f(x=1, x=2)", "character 8: a second value"),
            ("f(x=open('a'))", "character 5: a word"),
            ("f(x='a)", "character 5: a string without an end"),
            ("f(x=inf)", "character 5: a word"),
            ("f(x=-inf)", "character 5: not a number"),
            ("f(x=1e999)", "character 5: not a number"),
            ("f() and more", "character 5: text after"),
            ("f(x='\\ud800')", "no character"),
            ("f(x='\\x4')", "too few digits"),
            ("f(x={[1]: 2})", "a key that is a list"),
            ("f(", "expected the name of an argument"),
            ("", "expected the name"),
        ] {
            let message = read(text, &[]).unwrap_err().to_string();
            assert!(message.contains(what), "{text}: {message}");
        }
        assert!(
            read(&format!("f(x={})", "[".repeat(100_000)), &[]).unwrap_err().to_string().contains("deeper")
        );
    }

    #[test]
    fn names_may_hold_blanks_and_parentheses_if_the_tools_are_known() {
        let names = ["Get Weather", "Get Weather (v2)", "Get"];
        let calls = read("[Get Weather (v2)(a=1), Get Weather(), math.sqrt (x=4)]", &names).unwrap();
        let called: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(called, ["Get Weather (v2)", "Get Weather", "math.sqrt"]);
    }
}
