//! From the text of a Java or JavaScript value to a value.

use std::sync::LazyLock;

use bumpalo::Bump;
use regex::Regex;

use crate::value::text::{digit_value, is_space, parse_float, parse_int};
use crate::value::{Int, Members, Node, Stack, Value, dictionary};

/// The official converter raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised;

type Converted<'a> = Result<Node<'a>, Raised>;

/// A type of Java, as far as the converter tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Java {
    Integer,
    Long,
    Float,
    Double,
    Boolean,
    Text,
    Any,
    ArrayList,
    Array,
    HashMap,
    /// The converter raises.
    Other,
}

impl Java {
    pub fn from_name(name: &str) -> Self {
        match name {
            "byte" | "short" | "integer" => Self::Integer,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "boolean" => Self::Boolean,
            "char" | "String" => Self::Text,
            "any" => Self::Any,
            "ArrayList" => Self::ArrayList,
            "Array" => Self::Array,
            "HashMap" => Self::HashMap,
            _ => Self::Other,
        }
    }
}

/// A type of JavaScript, as far as the converter tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JavaScript {
    Text,
    Integer,
    Float,
    Bigint,
    Boolean,
    Any,
    Dict,
    Array,
    /// The converter raises.
    Other,
}

impl JavaScript {
    pub fn from_name(name: &str) -> Self {
        match name {
            "String" => Self::Text,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "Bigint" => Self::Bigint,
            "Boolean" => Self::Boolean,
            "any" => Self::Any,
            "dict" => Self::Dict,
            "array" => Self::Array,
            _ => Self::Other,
        }
    }
}

/// How the text of an argument becomes a value: by its type and the type of its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    Java(Java, Option<Java>),
    JavaScript(JavaScript, Option<JavaScript>),
}

impl Conversion {
    pub fn convert<'a>(self, arena: &'a Bump, text: &'a str) -> Converted<'a> {
        match self {
            Self::Java(kind, item) => java(arena, text, kind, item),
            Self::JavaScript(kind, item) => javascript(arena, text, kind, item),
        }
    }
}

/// Converts the text of a Java value of a type, with the type of its items where it has any.
///
/// # Errors
/// If the official converter raises: for types that it does not know, or knows and cannot convert.
pub fn convert_java(text: &str, kind: &str, item: Option<&str>) -> Result<Value, Raised> {
    let arena = Bump::new();
    Ok(java(&arena, text, Java::from_name(kind), item.map(Java::from_name))?.to_value())
}

/// Converts the text of a JavaScript value of a type, with the type of its items where it has any.
///
/// # Errors
/// If the official converter raises: for types that it does not know.
pub fn convert_javascript(text: &str, kind: &str, item: Option<&str>) -> Result<Value, Raised> {
    let arena = Bump::new();
    Ok(javascript(&arena, text, JavaScript::from_name(kind), item.map(JavaScript::from_name))?.to_value())
}

fn integer<'a>(arena: &'a Bump, text: &str) -> Option<Node<'a>> {
    // Most are short and plain, and then the system's reader says what Python says.
    if text.len() <= 18
        && let Ok(value) = text.parse()
    {
        return Some(Node::Int(value));
    }
    Some(match parse_int(text)? {
        Int::Small(value) => Node::Int(value),
        big => Node::Big(arena.alloc_str(&big.to_string())),
    })
}

fn float<'a>(text: &str) -> Option<Node<'a>> {
    parse_float(text).map(Node::Float)
}

fn collect<'a>(arena: &'a Bump, items: impl Iterator<Item = Converted<'a>>) -> Converted<'a> {
    let mut list = Stack::new_in(arena);
    for item in items {
        list.push(item?);
    }
    Ok(Node::List(list.into_bump_slice()))
}

fn collect_members<'a>(arena: &'a Bump, items: impl Iterator<Item = (Node<'a>, Node<'a>)>) -> Members<'a> {
    let mut members = Stack::new_in(arena);
    members.extend(items);
    dictionary(arena, &mut members, 0)
}

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

fn java<'a>(arena: &'a Bump, text: &'a str, kind: Java, item: Option<Java>) -> Converted<'a> {
    match kind {
        Java::Integer if is_integer(text) => raise(integer(arena, text)),
        Java::Long if is_long(text) => raise(integer(arena, without_suffix(text))),
        Java::Float if has_suffix(text, ['f', 'F']).is_some() => raise(float(without_suffix(text))),
        Java::Double if shape(text).is_some_and(|shape| shape.suffix.is_none()) => raise(float(text)),
        Java::Boolean if matches!(text, "true" | "false") => Ok(Node::Bool(text == "true")),
        Java::Integer | Java::Long | Java::Float | Java::Double | Java::Boolean | Java::Text | Java::Any => {
            Ok(Node::Str(text))
        }
        Java::ArrayList => java_list(arena, text, item),
        Java::Array => java_array(arena, text, item),
        Java::HashMap => Ok(java_map(arena, text)),
        Java::Other => Err(Raised),
    }
}

/// What follows `new ArrayList<…>` at the beginning, where that is written plainly.
fn after_list(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("new ArrayList<")?;
    rest[plain_word(rest)?..].strip_prefix('>')
}

/// The length of the plain word at the beginning; nothing if the text ends with it.
fn plain_word(text: &str) -> Option<usize> {
    text.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_')
}

/// What stands before the first closing mark; nothing if that is another line.
fn line_until<'a>(text: &'a str, close: &str) -> Option<&'a str> {
    let (inside, _) = text.split_once(close)?;
    (!inside.contains('\n')).then_some(inside)
}

fn java_list<'a>(arena: &'a Bump, text: &'a str, item: Option<Java>) -> Converted<'a> {
    let convert = |element: &'a str| {
        let element = trim(element);
        match item {
            Some(Java::Text) => Ok(Node::Str(inner(element))),
            Some(kind) => java(arena, element, kind, None),
            None => Ok(java_free(arena, element)),
        }
    };
    let rest = after_list(text);
    if rest == Some("()") {
        return Ok(Node::List(&[]));
    }
    // The plain beginning of what the first pattern asks for; at least one character has to be inside.
    let plain = rest
        .and_then(|rest| rest.strip_prefix("(Arrays.asList("))
        .and_then(|rest| line_until(rest, "))"))
        .filter(|inside| !inside.is_empty());
    if let Some(inside) =
        plain.or_else(|| AS_LIST.captures(text).and_then(|found| found.get(1)).map(|inside| inside.as_str()))
    {
        return collect(arena, inside.split(',').map(convert));
    }
    if let Some(found) = ADDING_LIST.captures(text).and_then(|found| found.get(1)) {
        let additions = ADDITION.captures_iter(found.as_str());
        return collect(
            arena,
            additions.map(|addition| convert(addition.get(1).map_or("", |inside| inside.as_str()))),
        );
    }
    Ok(if EMPTY_LIST.is_match(text) { Node::List(&[]) } else { Node::Str(text) })
}

fn java_array<'a>(arena: &'a Bump, text: &'a str, item: Option<Java>) -> Converted<'a> {
    let plain = || {
        let rest = text.strip_prefix("new ")?;
        let end = plain_word(rest).filter(|&end| end > 0)?;
        line_until(rest[end..].strip_prefix("[]")?.trim_start_matches(' ').strip_prefix('{')?, "}")
    };
    let inside = plain().or_else(|| Some(ARRAY.captures(text)?.get(1)?.as_str()));
    let Some(inside) = inside else { return Ok(Node::Str(text)) };
    let elements = inside.split(',').map(trim).filter(|element| !element.is_empty());
    let convert =
        |element| item.map_or_else(|| Ok(java_free(arena, element)), |kind| java(arena, element, kind, None));
    collect(arena, elements.map(convert))
}

fn java_map<'a>(arena: &'a Bump, text: &'a str) -> Node<'a> {
    // Without a brace the first pattern finds nothing.
    if text.contains('{')
        && let Some(found) = MAP.captures(text).and_then(|found| found.get(1))
    {
        let part = |member: &regex::Captures<'a>, at| member.get(at).map_or("", |part| part.as_str());
        let members = MEMBER
            .captures_iter(found.as_str())
            .map(|member| (Node::Str(part(&member, 1)), java_free(arena, trim(part(&member, 2)))));
        return Node::Dict(collect_members(arena, members));
    }
    let plain = text.starts_with("new HashMap<") && text.ends_with(">()") && !text.contains('\n');
    if plain || EMPTY_MAP.is_match(text) { Node::Dict(&[]) } else { Node::Str(text) }
}

/// A Java value whose type is not known.
fn java_free<'a>(arena: &'a Bump, text: &'a str) -> Node<'a> {
    if matches!(text, "true" | "false") {
        Node::Bool(text == "true")
    } else if text.starts_with('"') && text.ends_with('"') {
        Node::Str(inner(text))
    } else if is_long(text) {
        integer(arena, without_suffix(text)).unwrap_or_default()
    } else if has_suffix(text, ['f', 'F']).is_some() {
        float(without_suffix(text)).unwrap_or_default()
    } else {
        number_or_text(arena, text)
    }
}

fn number_or_text<'a>(arena: &'a Bump, text: &'a str) -> Node<'a> {
    integer(arena, text).or_else(|| float(text)).unwrap_or(Node::Str(text))
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|&quote| text.starts_with(quote) && text.ends_with(quote))
}

fn javascript<'a>(
    arena: &'a Bump,
    text: &'a str,
    kind: JavaScript,
    item: Option<JavaScript>,
) -> Converted<'a> {
    let plain = |shape: &Shape| !shape.exponent && shape.suffix.is_none();
    match kind {
        JavaScript::Text if is_quoted(text) => Ok(Node::Str(inner(text))),
        JavaScript::Integer if is_integer(text) => raise(integer(arena, text)),
        JavaScript::Float if shape(text).is_some_and(|shape| plain(&shape)) => raise(float(text)),
        // `[:-1]` takes the line end away and leaves the letter, which no integer has.
        JavaScript::Bigint
            if has_suffix(text, ['n', 'n']).is_some_and(|shape| !shape.fraction && !shape.exponent) =>
        {
            raise(integer(arena, inner_end(text)))
        }
        JavaScript::Boolean if matches!(text, "true" | "false") => Ok(Node::Bool(text == "true")),
        JavaScript::Text
        | JavaScript::Integer
        | JavaScript::Float
        | JavaScript::Bigint
        | JavaScript::Boolean
        | JavaScript::Any => Ok(Node::Str(text)),
        JavaScript::Dict => Ok(js_object(arena, trim(text))),
        JavaScript::Array => Ok(js_array(arena, trim(text), item)),
        JavaScript::Other => Err(Raised),
    }
}

/// Text without its last character.
fn inner_end(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next_back();
    characters.as_str()
}

fn js_array<'a>(arena: &'a Bump, code: &'a str, item: Option<JavaScript>) -> Node<'a> {
    // A bracket with no other one behind it begins no table.
    let list = code.strip_prefix('[').filter(|rest| !rest.trim_start_matches(is_space).starts_with('['));
    let plain = list.and_then(|rest| line_until(rest, "]"));
    let content = if let Some(content) = plain {
        content
    } else {
        if let Some(found) = JS_TABLE.find(code) {
            let row = |(at, row): (usize, regex::Captures<'a>)| {
                let row = trim(row.get(1).map_or("", |row| row.as_str()));
                let row = if at == 0 { row.strip_prefix('[').unwrap_or(row) } else { row };
                collect(arena, row.split(',').map(|element| Ok(js_free(arena, element))))
            };
            let rows = JS_ROW.captures_iter(found.as_str()).enumerate().map(row);
            return collect(arena, rows).unwrap_or(Node::Str(code));
        }
        let Some(found) = JS_ARRAY.captures(code) else { return Node::Str(code) };
        found.get(1).or_else(|| found.get(2)).map_or("", |content| content.as_str())
    };
    let content = trim(content);
    if content.is_empty() {
        return Node::List(&[]);
    }
    let convert = |element: &'a str| match item {
        Some(kind) => {
            let element = trim(element);
            let quoted = element.starts_with(['\'', '"']);
            javascript(arena, element, kind, quoted.then_some(JavaScript::Text))
        }
        None => Ok(js_free(arena, element)),
    };
    collect(arena, content.split(',').map(convert)).unwrap_or(Node::Str(code))
}

fn js_object<'a>(arena: &'a Bump, code: &'a str) -> Node<'a> {
    if code == "{}" {
        return Node::Dict(&[]);
    }
    let plain = code.strip_prefix('{').and_then(|rest| line_until(rest, "}"));
    let content = plain.or_else(|| Some(JS_OBJECT.captures(code)?.get(1)?.as_str()));
    let Some(mut rest) = content else { return Node::Str(code) };
    let mut members = Stack::new_in(arena);
    // A key reaches to the next colon and has at least one character.
    while let Some(colon) = rest.trim_start_matches(':').find(':') {
        let pair = rest.trim_start_matches(':');
        let value_text = pair[colon + 1..].trim_start_matches(is_space);
        let (value, after) = js_member(value_text);
        let key = trim(&pair[..colon]).trim_matches(['\'', '"']);
        let value = trim(value);
        let value = if value.starts_with('[') && value.ends_with(']') {
            js_array(arena, trim(value), None)
        } else if value.starts_with('{') && value.ends_with('}') {
            js_object(arena, trim(value))
        } else {
            js_free(arena, value.trim_matches(['\'', '"']))
        };
        members.push((Node::Str(key), value));
        rest = after;
    }
    Node::Dict(dictionary(arena, &mut members, 0))
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
fn js_free<'a>(arena: &'a Bump, text: &'a str) -> Node<'a> {
    let text = trim(text);
    if matches!(text, "true" | "false") {
        Node::Bool(text == "true")
    } else if is_quoted(text) {
        Node::Str(inner(text))
    } else {
        number_or_text(arena, text)
    }
}
