//! From the text of a Java or JavaScript value to a value.

use std::sync::LazyLock;

use regex::Regex;

use crate::value::text::{digit_value, is_space, parse_float, parse_int};
use crate::value::{Dict, Value};

/// The official converter raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised;

type Converted = Result<Value, Raised>;

/// Compiles a pattern of Python's `re`: its classes of blanks and word characters are not those of this crate's engine.
fn pattern(pattern: &str) -> Regex {
    let pattern = pattern.replace(r"\s", r"[\s\x1c-\x1f]").replace(r"\w", r"[\p{L}\p{N}_]");
    Regex::new(&pattern).expect("the pattern is fixed")
}

macro_rules! patterns {
    ($($name:ident = $pattern:literal;)*) => {$(
        static $name: LazyLock<Regex> = LazyLock::new(|| pattern($pattern));
    )*};
}

patterns! {
    AS_LIST = r"new\s+ArrayList<\w*>\(Arrays\.asList\((.+?)\)\)";
    ADDING_LIST = r"(?s)new\s+ArrayList<\w*>\(\)\s*\{\{\s*(.+?)\s*\}\}";
    ADDITION = r"add\((.+?)\)";
    EMPTY_LIST = r"new\s+ArrayList<\w*>\(\)";
    ARRAY = r"new\s+\w+\[\]\s*\{(.*?)\}";
    MAP = r"(?s)new\s+HashMap<.*?>\s*\(\)\s*\{\s*\{?\s*(.*?)\s*\}?\s*\}";
    MEMBER = r#"put\("(.*?)",\s*(.*?)\)"#;
    EMPTY_MAP = r"new\s+HashMap<.*?>\s*\(\)";
    JS_TABLE = r"^(?:\[\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\]|new\s+Array\(\s*\[.*?\]\s*(,\s*\[.*?\]\s*)*\))";
    JS_ROW = r"\[(.*?)\]";
    JS_ARRAY = r"^(?:\[(.*?)\]|new\s+Array\((.*?)\))";
    JS_OBJECT = r"^\{(.*?)\}";
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Text without its first and last character.
fn inner(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.next_back();
    characters.as_str()
}

fn raise<T>(value: Option<T>) -> Result<T, Raised> {
    value.ok_or(Raised)
}

/// What the text of a number looks like.
#[derive(Default)]
struct Shape {
    fraction: bool,
    exponent: bool,
    /// What follows the number, at most one letter.
    suffix: Option<char>,
}

/// Takes a number apart: sign, digits, fraction, exponent, one letter. A line end may follow, as `$` allows one.
fn shape(text: &str) -> Option<Shape> {
    let digits = |text: &str| text.find(|c| digit_value(c).is_none()).unwrap_or(text.len());
    let mut shape = Shape::default();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 {
        return None;
    }
    rest = &rest[whole..];
    if let Some(after) = rest.strip_prefix('.')
        && digits(after) > 0
    {
        shape.fraction = true;
        rest = &after[digits(after)..];
    }
    if let Some(after) = rest.strip_prefix(['e', 'E']) {
        let after = after.strip_prefix(['+', '-']).unwrap_or(after);
        if digits(after) > 0 {
            shape.exponent = true;
            rest = &after[digits(after)..];
        }
    }
    let mut letters = rest.chars();
    shape.suffix = letters.next();
    letters.next().is_none().then_some(shape)
}

fn is_integer(text: &str) -> bool {
    shape(text).is_some_and(|shape| !shape.fraction && !shape.exponent && shape.suffix.is_none())
}

fn has_suffix(text: &str, letters: [char; 2]) -> Option<Shape> {
    shape(text).filter(|shape| shape.suffix.is_some_and(|suffix| letters.contains(&suffix)))
}

fn is_long(text: &str) -> bool {
    has_suffix(text, ['l', 'L']).is_some_and(|shape| !shape.fraction && !shape.exponent)
}

/// The number without its one letter.
fn without_suffix(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    &text[..text.len() - 1]
}

/// Converts the text of a Java value of a type, with the type of its items where it has any.
///
/// # Errors
/// If the official converter raises: for types that it does not know, or knows and cannot convert.
pub fn convert_java(text: &str, kind: &str, item: Option<&str>) -> Converted {
    let unchanged = || Ok(Value::from(text));
    match kind {
        "byte" | "short" | "integer" if is_integer(text) => raise(parse_int(text)).map(Value::Int),
        "long" if is_long(text) => raise(parse_int(without_suffix(text))).map(Value::Int),
        "float" if has_suffix(text, ['f', 'F']).is_some() => {
            raise(parse_float(without_suffix(text))).map(Value::Float)
        }
        "double" if shape(text).is_some_and(|shape| shape.suffix.is_none()) => {
            raise(parse_float(text)).map(Value::Float)
        }
        "boolean" if matches!(text, "true" | "false") => Ok(Value::Bool(text == "true")),
        "byte" | "short" | "integer" | "long" | "float" | "double" | "boolean" | "char" | "String"
        | "any" => unchanged(),
        "ArrayList" => java_list(text, item),
        "Array" => java_array(text, item),
        "HashMap" => Ok(java_map(text)),
        _ => Err(Raised),
    }
}

fn java_list(text: &str, item: Option<&str>) -> Converted {
    let convert = |element: &str| {
        let element = trim(element);
        match item {
            Some("char" | "String") => Ok(Value::from(inner(element))),
            Some(kind) => convert_java(element, kind, None),
            None => Ok(java_free(element)),
        }
    };
    if let Some(found) = AS_LIST.captures(text) {
        return found[1].split(',').map(convert).collect::<Result<_, _>>().map(Value::List);
    }
    if let Some(found) = ADDING_LIST.captures(text) {
        let additions = ADDITION.captures_iter(&found[1]).map(|addition| convert(&addition[1]));
        return additions.collect::<Result<_, _>>().map(Value::List);
    }
    Ok(if EMPTY_LIST.is_match(text) { Value::List(Vec::new()) } else { Value::from(text) })
}

fn java_array(text: &str, item: Option<&str>) -> Converted {
    let Some(found) = ARRAY.captures(text) else { return Ok(Value::from(text)) };
    let elements = found[1].split(',').map(trim).filter(|element| !element.is_empty());
    let convert =
        |element| item.map_or_else(|| Ok(java_free(element)), |kind| convert_java(element, kind, None));
    elements.map(convert).collect::<Result<_, _>>().map(Value::List)
}

fn java_map(text: &str) -> Value {
    if let Some(found) = MAP.captures(text) {
        let mut dict = Dict::new();
        for member in MEMBER.captures_iter(&found[1]) {
            dict.insert(Value::from(&member[1]), java_free(trim(&member[2])));
        }
        return Value::Dict(dict);
    }
    if EMPTY_MAP.is_match(text) { Value::Dict(Dict::new()) } else { Value::from(text) }
}

/// A Java value whose type is not known.
fn java_free(text: &str) -> Value {
    if matches!(text, "true" | "false") {
        Value::Bool(text == "true")
    } else if text.starts_with('"') && text.ends_with('"') {
        Value::from(inner(text))
    } else if is_long(text) {
        parse_int(without_suffix(text)).map_or(Value::None, Value::Int)
    } else if has_suffix(text, ['f', 'F']).is_some() {
        parse_float(without_suffix(text)).map_or(Value::None, Value::Float)
    } else {
        number_or_text(text)
    }
}

fn number_or_text(text: &str) -> Value {
    if let Some(int) = parse_int(text) {
        Value::Int(int)
    } else if let Some(float) = parse_float(text) {
        Value::Float(float)
    } else {
        Value::from(text)
    }
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|&quote| text.starts_with(quote) && text.ends_with(quote))
}

/// Converts the text of a JavaScript value of a type, with the type of its items where it has any.
///
/// # Errors
/// If the official converter raises: for types that it does not know.
pub fn convert_javascript(text: &str, kind: &str, item: Option<&str>) -> Converted {
    let plain = |shape: &Shape| !shape.exponent && shape.suffix.is_none();
    match kind {
        "String" if is_quoted(text) => Ok(Value::from(inner(text))),
        "integer" if is_integer(text) => raise(parse_int(text)).map(Value::Int),
        "float" if shape(text).is_some_and(|shape| plain(&shape)) => {
            raise(parse_float(text)).map(Value::Float)
        }
        // `[:-1]` takes the line end away and leaves the letter, which no integer has.
        "Bigint" if has_suffix(text, ['n', 'n']).is_some_and(|shape| !shape.fraction && !shape.exponent) => {
            raise(parse_int(inner_end(text))).map(Value::Int)
        }
        "Boolean" if matches!(text, "true" | "false") => Ok(Value::Bool(text == "true")),
        "String" | "integer" | "float" | "Bigint" | "Boolean" | "any" => Ok(Value::from(text)),
        "dict" => Ok(js_object(trim(text))),
        "array" => Ok(js_array(trim(text), item)),
        _ => Err(Raised),
    }
}

/// Text without its last character.
fn inner_end(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next_back();
    characters.as_str()
}

fn js_array(code: &str, item: Option<&str>) -> Value {
    if let Some(found) = JS_TABLE.find(code) {
        let row = |(at, row): (usize, regex::Captures<'_>)| {
            let row = row.get(1).map_or("", |row| row.as_str());
            let row = trim(row);
            let row = if at == 0 { row.strip_prefix('[').unwrap_or(row) } else { row };
            Value::List(row.split(',').map(js_free).collect())
        };
        return Value::List(JS_ROW.captures_iter(found.as_str()).enumerate().map(row).collect());
    }
    let Some(found) = JS_ARRAY.captures(code) else { return Value::from(code) };
    let content = trim(found.get(1).or_else(|| found.get(2)).map_or("", |content| content.as_str()));
    if content.is_empty() {
        return Value::List(Vec::new());
    }
    let convert = |element: &str| match item {
        Some(kind) => {
            let element = trim(element);
            let quoted = element.starts_with(['\'', '"']);
            convert_javascript(element, kind, quoted.then_some("String"))
        }
        None => Ok(js_free(element)),
    };
    let elements: Result<Vec<_>, _> = content.split(',').map(convert).collect();
    elements.map_or_else(|_| Value::from(code), Value::List)
}

fn js_object(code: &str) -> Value {
    if code == "{}" {
        return Value::Dict(Dict::new());
    }
    let Some(found) = JS_OBJECT.captures(code) else { return Value::from(code) };
    let mut dict = Dict::new();
    let mut rest = &found[1];
    // A key reaches to the next colon and has at least one character.
    while let Some(colon) = rest.trim_start_matches(':').find(':') {
        let pair = rest.trim_start_matches(':');
        let value_text = pair[colon + 1..].trim_start_matches(is_space);
        let (value, after) = js_member(value_text);
        let key = trim(&pair[..colon]).trim_matches(['\'', '"']);
        let value = trim(value);
        let value = if value.starts_with('[') && value.ends_with(']') {
            js_array(trim(value), None)
        } else if value.starts_with('{') && value.ends_with('}') {
            js_object(trim(value))
        } else {
            js_free(value.trim_matches(['\'', '"']))
        };
        dict.insert(Value::from(key), value);
        rest = after;
    }
    Value::Dict(dict)
}

/// The value at the beginning, and the text after it: a comma ends it only if a colon follows before the next comma.
fn js_member(text: &str) -> (&str, &str) {
    for (comma, _) in text.match_indices(',') {
        let after = &text[comma + 1..];
        let run = &after[..after.find(',').unwrap_or(after.len())];
        // Blanks belong to the comma, unless one of them has to be the key.
        let mut start = run.len() - run.trim_start_matches(is_space).len();
        loop {
            let mut key = run[start..].chars();
            if key.next().is_some() && key.as_str().contains(':') {
                return (&text[..comma], &after[start..]);
            }
            match run[..start].chars().next_back() {
                Some(blank) => start -= blank.len_utf8(),
                None => break,
            }
        }
    }
    (text, "")
}

/// A JavaScript value whose type is not known.
fn js_free(text: &str) -> Value {
    let text = trim(text);
    if matches!(text, "true" | "false") {
        Value::Bool(text == "true")
    } else if is_quoted(text) {
        Value::from(inner(text))
    } else {
        number_or_text(text)
    }
}
