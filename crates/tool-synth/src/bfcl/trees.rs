//! Answers in Java and JavaScript, through the grammars of tree-sitter.

use std::borrow::Cow;
use std::cell::RefCell;

use bumpalo::Bump;
use tree_sitter::{Language, Node as Branch, Parser, Tree};

use super::decode::call;
use super::quick::javascript::without_quotes;
use super::quick::{Known, java, javascript};
use crate::value::{Dict, Node, Str, Value};

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
    (!holds_error(&tree)).then_some(tree)
}

/// Whether a node of the tree is an error.
fn holds_error(tree: &Tree) -> bool {
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        if node.is_error() {
            return true;
        }
        // A missing token counts here too, so that what has an error may hold no such node.
        if node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return false;
            }
        }
    }
}

/// The first call in Java source; an empty dictionary if there is none.
pub(super) fn decode_java<'a>(arena: &'a Bump, source: &'a str) -> Option<Node<'a>> {
    match java::decode(arena, source) {
        Some(Known::Value(value)) => Some(value),
        Some(Known::Failure) => None,
        None => Some(Node::copy_of(&java_by_grammar(source)?, arena)),
    }
}

fn java_by_grammar(source: &str) -> Option<Value> {
    let tree = JAVA.with(|parser| tree(parser, source))?;
    let java = Java { source };
    Some(java.find(tree.root_node(), 0)?.map_or(Value::Dict(Dict::new()), |call| Value::List(vec![call])))
}

struct Java<'a> {
    source: &'a str,
}

impl<'a> Java<'a> {
    /// The text of a node, by the official slice: byte offsets counted as characters.
    fn text(&self, node: Branch<'_>) -> Cow<'a, str> {
        let (start, end) = (node.start_byte(), node.end_byte());
        if self.source.is_ascii() {
            return Cow::Borrowed(&self.source[start..end]);
        }
        Cow::Owned(self.source.chars().skip(start).take(end - start).collect())
    }

    /// The first call in pre-order. Outer nothing if the official decoder raises.
    fn find(&self, node: Branch<'_>, depth: usize) -> Option<Option<Value>> {
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

    fn arguments(&self, node: Branch<'_>) -> Option<Dict> {
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

    fn render(&self, node: Branch<'_>, nested: bool, depth: usize) -> Option<String> {
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
pub(super) fn decode_javascript<'a>(arena: &'a Bump, source: &'a str) -> Option<Node<'a>> {
    match javascript::decode(arena, source) {
        Some(Known::Value(value)) => Some(value),
        Some(Known::Failure) => None,
        None => Some(Node::copy_of(&javascript_by_grammar(source)?, arena)),
    }
}

fn javascript_by_grammar(source: &str) -> Option<Value> {
    let tree = JAVASCRIPT.with(|parser| tree(parser, source))?;
    let root = tree.root_node();
    if root.kind() != "program" {
        return Some(Value::None);
    }
    let text = |node: Branch<'_>| &source[node.byte_range()];
    for statement in children(root).filter(|child| child.kind() == "expression_statement") {
        let Some(found) = children(statement).find(|child| child.kind() == "call_expression") else {
            continue;
        };
        let name = text(found.child(0)?);
        let mut arguments = Dict::new();
        for child in children(found.child(1)?) {
            let (name, value) = match child.kind() {
                "assignment_expression" => {
                    (Value::from(text(child.child(0)?)), without_quotes(text(child.child(2)?)))
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

fn children(node: Branch<'_>) -> impl Iterator<Item = Branch<'_>> {
    (0..node.child_count()).filter_map(move |at| node.child(at))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Writes source in and near what the quick readers take, by a tape of choices.
    struct Writer<'a> {
        tape: std::slice::Iter<'a, u16>,
        out: String,
    }

    const NAMES: [&str; 15] = [
        "a",
        "key",
        "Foo",
        "x_1",
        "$v",
        "class",
        "to",
        "record",
        "of",
        "get",
        "this",
        "undefined",
        "int",
        "yield",
        "é",
    ];
    const TEXTS: [&str; 20] = [
        "\"x\"",
        "\"\"",
        "\"it's\"",
        "'c'",
        "'abc'",
        "''",
        "\"a, b\"",
        "\"http://x.y/*z\"",
        "\"//\"",
        "\"é, ü\"",
        "'東'",
        "\"a\\nb\"",
        "\"\\\"\"",
        "'it\\'s'",
        "\"{}[]\"",
        "\"\"\"b\"\"\"",
        "\"open",
        "\"Z\\u00fcrich\"",
        "'\\u00e9'",
        "\"\\u12\"",
    ];
    const NUMBERS: [&str; 20] = [
        "0", "12", "007", "3.14", "3.14f", ".5", "5.", "1e3", "1E-3", "2e3F", "10L", "7l", "10d", "123n",
        "0x1F", "1_000", "1e", "1.2.3", "9a", "0b1",
    ];
    const ODD: [&str; 38] = [
        "{}",
        "[]",
        "[1]",
        "[1, 2]",
        "['a', \"b\"]",
        "[[1, 2], [3]]",
        "[[1], [2]]",
        "{a: 1}",
        "{'a': {b: 2}}",
        "{\"k\": [1, null]}",
        "{3: x, 'y': -1.5}",
        "function() { return 1; }",
        "function() {}",
        "() => 1",
        "x => x + 1",
        "x -> x",
        "() -> 5",
        "`tpl`",
        "`a${b}`",
        "/re/g",
        "/a/",
        "#",
        "\\",
        "@x",
        "é",
        "a?b:c",
        "a < b",
        "a == b",
        "a = b",
        "!x",
        "--x",
        "x++",
        "// c\n",
        "/* c */ 1",
        "(int) 3",
        "(a) b",
        "(a) - b",
        "(a + 1)",
    ];
    const BLANKS: [&str; 8] = ["", "", "", "", " ", "  ", "\n", "\t"];
    const MARKS: [&str; 22] = [
        ",", "(", ")", "[", "]", "{", "}", "=", ";", ".", "-", "+", "*", "\"", "'", "`", "#", " ", ":", "<",
        ">", "new ",
    ];

    impl Writer<'_> {
        fn choose(&mut self, count: usize) -> usize {
            self.tape.next().map_or(0, |&choice| usize::from(choice) % count)
        }

        fn one(&mut self, of: &[&str]) {
            let at = self.choose(of.len());
            self.out.push_str(of[at]);
        }

        fn list(&mut self, close: &str, mut item: impl FnMut(&mut Self)) {
            for at in 0..self.choose(4) {
                if at > 0 {
                    self.out.push(',');
                    self.one(&BLANKS);
                }
                item(self);
                self.one(&BLANKS);
            }
            self.out.push_str(close);
        }

        fn name(&mut self) {
            let common = self.choose(6) > 0;
            self.one(if common { &NAMES[..5] } else { &NAMES });
        }

        fn expression(&mut self, depth: usize) {
            let kinds = if depth > 3 { 8 } else { 22 };
            match self.choose(kinds) {
                0..=2 => self.name(),
                3..=4 => self.one(&TEXTS),
                5 => self.one(&NUMBERS),
                6 => self.one(&["true", "false", "null", "Foo.class", "A::b", "a.b.c", "undefined", "NaN"]),
                7 => self.one(&ODD),
                8 => {
                    self.one(&["-", "+", "!", "- ", "~"]);
                    self.expression(depth + 1);
                }
                9 | 10 => {
                    self.expression(depth + 1);
                    self.one(&BLANKS);
                    self.one(&["+", "-", "*", "/", "&&"]);
                    self.one(&BLANKS);
                    self.expression(depth + 1);
                }
                11 | 12 => {
                    self.name();
                    self.one(&["", "", ".b", ".b.c", "[0].d"]);
                    self.out.push('(');
                    self.list(")", |writer| writer.expression(depth + 1));
                }
                13 => {
                    self.name();
                    self.out.push('[');
                    self.expression(depth + 1);
                    self.out.push(']');
                }
                14 => {
                    self.out.push('(');
                    self.expression(depth + 1);
                    self.out.push(')');
                }
                15 | 16 => {
                    self.out.push_str("new ");
                    self.one(&["int", "String", "a.B", "HashMap<>", "Object", "Array"]);
                    self.one(&["[]{", "[]{", "[] {", "[][]{", "[3]{"]);
                    self.list("}", |writer| writer.expression(depth + 1));
                }
                17 | 18 => {
                    self.out.push_str("new ");
                    self.one(&[
                        "Foo",
                        "a.B",
                        "HashMap<>",
                        "ArrayList<String>",
                        "Map<A, List<B>>",
                        "Array",
                        "Date",
                        "M< A ,B >",
                    ]);
                    self.out.push('(');
                    self.list(")", |writer| writer.expression(depth + 1));
                    if self.choose(3) == 0 {
                        self.one(&[" {{ ", "{{", " { { "]);
                        for _ in 0..self.choose(3) {
                            self.one(&["add(", "put(", "x.put("]);
                            self.list(")", |writer| writer.expression(depth + 1));
                            self.one(&["; ", ";", "; ", ""]);
                        }
                        self.one(&["}}", " }}", "} }"]);
                    }
                }
                19 => {
                    self.out.push('[');
                    self.list("]", |writer| writer.expression(depth + 1));
                }
                20 => {
                    self.out.push('{');
                    self.list("}", |writer| {
                        writer.one(&["a", "'k'", "\"k\"", "3", "class"]);
                        writer.one(&[": ", ":", "=", " : "]);
                        writer.expression(depth + 1);
                    });
                }
                _ => {
                    self.one(&["() => ", "x => ", "x -> ", "() -> ", "(x) => ", "(int) ", "(long)"]);
                    self.expression(depth + 1);
                }
            }
        }

        fn call(&mut self) {
            self.name();
            self.one(&["", "", ".b", ".b.c", ".get", ".class"]);
            self.out.push('(');
            self.list(")", |writer| {
                if writer.choose(6) > 0 {
                    writer.name();
                    writer.one(&["=", "=", " = ", "= ", "=", "==", ":", " : "]);
                }
                writer.expression(0);
            });
        }

        fn program(&mut self) {
            if self.choose(8) == 0 {
                self.one(&["[", "\t[", "python\n[", "Sure! [", "Sure [", "!["]);
            }
            let parenthesized = self.choose(8) == 0;
            if parenthesized {
                self.one(&["(", "( "]);
            }
            self.call();
            if parenthesized {
                self.one(&[")", " )"]);
            }
            if self.choose(4) == 0 {
                self.one(&[";", " ;", ", ", " ", "; ", "\n", "]", "] ", "]\r", ")", "][", "]\n\n"]);
                if self.choose(2) == 0 {
                    self.call();
                }
            }
        }
    }

    fn source(tape: &[u16], edits: &[(u16, u16)]) -> String {
        let mut writer = Writer { tape: tape.iter(), out: String::new() };
        writer.program();
        let mut characters: Vec<char> = writer.out.chars().collect();
        for &(at, what) in edits {
            let (at, what) = (usize::from(at), usize::from(what));
            match what % 3 {
                0 if !characters.is_empty() => drop(characters.remove(at % characters.len())),
                1 => characters.truncate(at % (characters.len() + 1)),
                _ => {
                    let at = at % (characters.len() + 1);
                    characters.splice(at..at, MARKS[what / 3 % MARKS.len()].chars());
                }
            }
        }
        characters.into_iter().collect()
    }

    fn assert_agreement(
        source: &str,
        quick: Option<Known<Node<'_>>>,
        grammar: impl Fn(&str) -> Option<Value>,
    ) -> Result<(), TestCaseError> {
        let expected = match quick {
            None => return Ok(()),
            Some(Known::Failure) => None,
            Some(Known::Value(value)) => Some(value.to_value()),
        };
        let found = grammar(source);
        let same = match (&expected, &found) {
            (Some(a), Some(b)) => a.same(b),
            (a, b) => a.is_none() == b.is_none(),
        };
        prop_assert!(same, "{source}\n  quick   {expected:?}\n  grammar {found:?}");
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(4096), ..ProptestConfig::default() })]

        #[test]
        fn quick_readers_agree_with_the_grammars(
            tape in vec(any::<u16>(), 0..120), edits in vec(any::<(u16, u16)>(), 0..3), edited in any::<bool>(),
        ) {
            let source = source(&tape, if edited { &edits } else { &[] });
            let arena = Bump::new();
            assert_agreement(&source, java::decode(&arena, &source), java_by_grammar)?;
            assert_agreement(&source, javascript::decode(&arena, &source), javascript_by_grammar)?;
        }
    }

    #[test]
    fn the_parts_of_a_name_are_sliced_apart() {
        let source = "Größe.of.höhe(width=1, height=20)";
        let read = java::decode(&Bump::new(), source).map(|known| match known {
            Known::Value(value) => Some(value.to_value()),
            Known::Failure => None,
        });
        // Byte offsets count as characters, so that what comes after two letters of two bytes is sliced two places on.
        assert_eq!(read, Some(java_by_grammar(source)));
    }

    /// A test that never compares anything would pass.
    #[test]
    fn quick_readers_take_the_usual_answers() {
        for text in [
            "a.B.c(x=1, y = \"e\", z=new int[]{1, 2}, w=new HashMap<String, Object>() {{ put(\"k\", 1); }})",
            "f(x=new ArrayList<>(Arrays.asList(\"a\", 2.5f)), y=-5L, z=foo.bar(a, 'b'), u=A.class, v=1 + b)",
            "(f(text=\"Z\\u00fcrich\", class=true, count=300))",
        ] {
            assert!(matches!(java::decode(&Bump::new(), text), Some(Known::Value(_))), "{text}");
        }
        for text in [
            "f(x={'a': 1})",
            "f(x=[1, \"b\"])",
            "f(x=`t`)",
            "f(x=1), g(y=2)",
            "f(name=1, name=2, count=300)",
            "f(x=new int[3], name = \"c\")",
            "f(name=\"a\", count=300)]\r",
            "f(name: \"a\", count=300)",
            "python\n[f(name=\"a\", count=300), g()",
        ] {
            assert!(matches!(java::decode(&Bump::new(), text), Some(Known::Failure)), "{text}");
        }
        for text in [
            "f(x=1, y = 'a', z=[1, {b: \"c\"}], g=() => 1)",
            "a.f(x=new Date(), y=a.b(c)[0], true)",
            "f(x=1), g()",
            "a.get(x=\"\\u00fc\")",
            "(f(x=1))",
        ] {
            assert!(matches!(javascript::decode(&Bump::new(), text), Some(Known::Value(_))), "{text}");
        }
        for text in [
            "f(x=10L)",
            "f(x=1, x=2)",
            "f(x=new int[]{1})",
            "f(x=(int) 3)",
            "f(x=1)] Done.",
            "f(x: 1)",
            "Sure! [f(x=1), g(y=[2])",
        ] {
            assert!(matches!(javascript::decode(&Bump::new(), text), Some(Known::Failure)), "{text}");
        }
    }
}
