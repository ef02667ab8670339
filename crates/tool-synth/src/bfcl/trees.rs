//! Answers in Java and JavaScript, through the grammars of tree-sitter.

use std::borrow::Cow;
use std::cell::RefCell;

use tree_sitter::{Language, Node, Parser, Tree};

use super::decode::call;
use crate::value::{Dict, Str, Value};

/// Python's recursion limit, about. Nothing that a test asks for comes near.
const MAX_DEPTH: usize = 400;

thread_local! {
    static JAVA: RefCell<Parser> = RefCell::new(parser(&tree_sitter_java::language()));
    static JAVASCRIPT: RefCell<Parser> = RefCell::new(parser(&tree_sitter_javascript::language()));
}

fn parser(language: &Language) -> Parser {
    let mut parser = Parser::new();
    parser.set_language(language).expect("the grammar's version is pinned to the library's");
    parser
}

/// The tree, unless something in it could not be parsed. A missing token is no error.
fn tree(parser: &RefCell<Parser>, source: &str) -> Option<Tree> {
    let tree = parser.borrow_mut().parse(source, None)?;
    let root = tree.root_node();
    let wrong = root.is_error() || root.has_error() && root.to_sexp().contains("ERROR");
    (!wrong).then_some(tree)
}

/// The first call in Java source; an empty dictionary if there is none.
pub(super) fn decode_java(source: &str) -> Option<Value> {
    let tree = JAVA.with(|parser| tree(parser, source))?;
    let java = Java { source };
    Some(java.find(tree.root_node(), 0)?.map_or(Value::Dict(Dict::new()), |call| Value::List(vec![call])))
}

struct Java<'a> {
    source: &'a str,
}

impl<'a> Java<'a> {
    /// The text of a node, by the official slice: byte offsets counted as characters.
    fn text(&self, node: Node<'_>) -> Cow<'a, str> {
        let (start, end) = (node.start_byte(), node.end_byte());
        if self.source.is_ascii() {
            return Cow::Borrowed(&self.source[start..end]);
        }
        Cow::Owned(self.source.chars().skip(start).take(end - start).collect())
    }

    /// The first call in pre-order. Outer nothing if the official decoder raises.
    fn find(&self, node: Node<'_>, depth: usize) -> Option<Option<Value>> {
        if depth > MAX_DEPTH {
            return None;
        }
        if node.kind() != "method_invocation" {
            for child in children(node) {
                if let Some(found) = self.find(child, depth + 1)? {
                    return Some(Some(found));
                }
            }
            return Some(None);
        }
        let mut name = self.text(node.child_by_field_name("name")?).into_owned();
        if let Some(object) = node.child_by_field_name("object") {
            name = format!("{}.{name}", self.text(object));
        }
        let Some(arguments) = node.child_by_field_name("arguments") else { return Some(None) };
        Some(Some(call(Value::from(name), Value::Dict(self.arguments(arguments)?))))
    }

    fn arguments(&self, node: Node<'_>) -> Option<Dict> {
        let mut arguments = Dict::new();
        for child in children(node) {
            let (name, value) = match child.kind() {
                "assignment_expression" => {
                    let name = Value::from(&*self.text(child.child(0)?));
                    (name, self.render(child.child(2)?, false, 0)?)
                }
                "identifier" | "class_literal" | "set" => (Value::None, self.render(child, false, 0)?),
                _ => continue,
            };
            if arguments.insert(name, Value::from(value)).is_some() {
                return None;
            }
        }
        Some(arguments)
    }

    fn render(&self, node: Node<'_>, nested: bool, depth: usize) -> Option<String> {
        if depth > MAX_DEPTH {
            return None;
        }
        match node.kind() {
            "string_literal" | "character_literal" => {
                let text = self.text(node);
                if nested {
                    return Some(text.into_owned());
                }
                let mut characters = text.chars();
                characters.next();
                characters.next_back();
                Some(characters.as_str().to_owned())
            }
            "identifier" | "class_literal" | "type_identifier" | "method_invocation" => {
                Some(self.text(node).into_owned())
            }
            "array_creation_expression" => {
                let kind = self.render(node.child_by_field_name("type")?, true, depth + 1)?;
                let value = self.render(node.child_by_field_name("value")?, true, depth + 1)?;
                Some(format!("new {kind}[]{value}"))
            }
            "object_creation_expression" => {
                let kind = self.render(node.child_by_field_name("type")?, true, depth + 1)?;
                let Some(arguments) = node.child_by_field_name("arguments") else {
                    return Some(format!("new {kind}()"));
                };
                let arguments: Option<Vec<String>> = children(arguments)
                    .filter(|child| !matches!(child.kind(), "," | "(" | ")"))
                    .map(|child| self.render(child, true, depth + 1))
                    .collect();
                Some(format!("new {kind}({})", arguments?.join(", ")))
            }
            _ if node.child_count() > 0 => {
                children(node).map(|child| self.render(child, true, depth + 1)).collect()
            }
            _ => Some(self.text(node).into_owned()),
        }
    }
}

/// The call of the first expression statement that is one; `None` if there is none.
pub(super) fn decode_javascript(source: &str) -> Option<Value> {
    let tree = JAVASCRIPT.with(|parser| tree(parser, source))?;
    let root = tree.root_node();
    if root.kind() != "program" {
        return Some(Value::None);
    }
    let text = |node: Node<'_>| &source[node.byte_range()];
    for statement in children(root).filter(|child| child.kind() == "expression_statement") {
        let Some(found) = children(statement).find(|child| child.kind() == "call_expression") else {
            continue;
        };
        let name = text(found.child(0)?);
        let mut arguments = Dict::new();
        for child in children(found.child(1)?) {
            let (name, value) = match child.kind() {
                "assignment_expression" => {
                    let value = text(child.child(2)?);
                    let quoted = |quote: char| value.starts_with(quote) && value.ends_with(quote);
                    let value = if quoted('"') || quoted('\'') {
                        value.get(1..value.len().max(2) - 1).unwrap_or("")
                    } else {
                        value
                    };
                    (Value::from(text(child.child(0)?)), value)
                }
                "identifier" | "true" => (Value::None, text(child)),
                _ => continue,
            };
            if arguments.insert(name, Value::Str(Str::from(value))).is_some() {
                return None;
            }
        }
        return Some(Value::List(vec![call(Value::from(name), Value::Dict(arguments))]));
    }
    Some(Value::None)
}

fn children(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    (0..node.child_count()).filter_map(move |at| node.child(at))
}
