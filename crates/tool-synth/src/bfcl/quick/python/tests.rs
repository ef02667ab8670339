//! The quick reader held to the grammar.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::bfcl::decode::{bracketed, decode_python};
use crate::bfcl::structured::literal_by_grammar;
use crate::value::Value;

/// Pieces of answers: marks, and from [`VALUES`] on mostly values.
const PIECES: &[&str] = &[
    "f(",
    "a.b(",
    "g()",
    "x=",
    "y = ",
    "key=",
    "class=",
    "True=",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ", ",
    ", ",
    ",",
    ",\n",
    " ",
    "\n",
    "\t",
    "\r",
    ":",
    ": ",
    "=",
    "==",
    ":=",
    ";",
    ".",
    "!",
    "$",
    "`",
    "'",
    "\"",
    "#",
    "# c\n",
    "\\",
    "\\\n",
    "*",
    "**",
    "*args",
    "**kw",
    "-",
    "+",
    "~",
    "not ",
    " and ",
    " if ",
    " else ",
    " for ",
    " in ",
    "lambda: ",
    "await ",
    "...",
    "<",
    "@",
    "1",
    "-5",
    "+7",
    "3.14",
    "5.",
    ".5",
    "1e3",
    "1e",
    "007",
    "0",
    "0x1F",
    "1_0",
    "2j",
    "1e400",
    "12345678901234567890",
    "'a'",
    "\"it's\"",
    "'it\\'s'",
    "'\\u00e9\\n'",
    "'\\x4'",
    "'\\q'",
    "r'\\d'",
    "u'x'",
    "b'x'",
    "f'{x}'",
    "rb'x'",
    "'a' 'b'",
    "'''t\n'u'''",
    "\"\"\"\"\"\"",
    "'a\nb'",
    "None",
    "True",
    "true",
    "name",
    "x.y",
    "a[0]",
    "a['k']",
    "é",
    "\u{2019}",
    "\u{a0}",
    "foo(1, 'b')",
    "foo(x,0)",
    "[i for i in x]",
    "[1, 2] * 2",
    "1 + 2",
    "7 - 2.5",
    "6 & 3",
    "1 / 4",
    "'a' + 'b'",
    "x + 1",
    "a[1:2]",
    "a[::2]",
    "a[1::]",
    "a[-1]",
    "a[0, 1]",
    "a[...]",
    "-[1]",
    "-'a'",
    "-x",
    "-True",
    "--1",
    "await z",
    "not x",
    "not 5",
    "b'a' b'c'",
    "5j",
    "-1.5j",
    "f(x=1) + 2",
    "(1 and 2)",
    "{x: 1 or 2}",
    "x == 1",
    "[1, 2][0]",
    "f'{x}' 'y'",
    "lambda x, y=1: 1",
    "1 or lambda *x, y: 2",
];
const VALUES: usize = 56;

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8192)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_quick_reader_agrees_with_the_grammar(
        pieces in vec(0..PIECES.len(), 0..14),
        wrapped in any::<bool>(),
        values in vec(VALUES..PIECES.len(), 0..6),
        edits in vec(any::<(u16, u16)>(), 0..2),
    ) {
        let mut text: String = pieces.iter().map(|&piece| PIECES[piece]).collect();
        if wrapped {
            // Mostly well-formed.
            let values: Vec<String> =
                values.iter().enumerate().map(|(at, &value)| format!("k{at}={}", PIECES[value])).collect();
            text = format!("[f({}), g(x={text})]", values.join(", "));
        }
        let mut characters: Vec<char> = text.chars().collect();
        for (at, what) in edits {
            let at = usize::from(at) % (characters.len() + 1);
            if what % 2 == 0 && at < characters.len() {
                characters.remove(at);
            } else {
                characters.splice(at..at, PIECES[usize::from(what) / 2 % PIECES.len()].chars());
            }
        }
        let text: String = characters.into_iter().collect();
        let text = text.trim_matches(['`', '\n', ' ']);
        let arena = Bump::new();
        let agree = |quick: Option<Known<Node<'_>>>, found: Option<Value>| {
            let expected = match quick {
                None => return Ok(()),
                Some(Known::Failure) => None,
                Some(Known::Value(value)) => Some(value.to_value()),
            };
            let same = match (&expected, &found) {
                (Some(a), Some(b)) => a.same(b),
                (a, b) => a.is_none() == b.is_none(),
            };
            prop_assert!(same, "{text:?}\n  quick   {expected:?}\n  grammar {found:?}");
            Ok(())
        };
        agree(decode(&arena, text), decode_python(&bracketed(text)))?;
        for text in [text.to_owned(), format!("[{text}]"), format!("{{'a': {text}}}"), format!("({text},)")] {
            agree(literal(&arena, &text), literal_by_grammar(&text))?;
        }
    }
}

/// A test that never compares anything would pass.
#[test]
fn the_quick_reader_takes_the_usual_answers() {
    for text in [
        "f(x=1)",
        "[a.b(x='é', y=[1, -2.5, {'k': (1, \"b\")}]), g()]",
        "f(x='a\\n', y=z, w=h(a=1), v=h())",
        "f(1, *a, x=a[0])",
    ] {
        assert!(matches!(decode(&Bump::new(), text), Some(Known::Value(_))), "{text}");
    }
    for text in [
        "I am sorry.",
        "f(x=1",
        "Sure! f(x=1)",
        "[f(x=1)], done",
        "42",
        "f(x=a.b)",
        "f(x={1, 2})",
        "python\n[f(x=1)]",
        "f(x=1 2)",
    ] {
        assert!(matches!(decode(&Bump::new(), text), Some(Known::Failure)), "{text}");
    }
}

#[test]
fn a_prefix_of_text_behind_stars_is_no_name() {
    for text in ["f(**rb'x')", "f(*b'x', y=1)", "f(**r'x')"] {
        assert!(decode(&Bump::new(), text).is_none(), "{text}");
    }
}

#[test]
fn commas_among_the_parameters_of_a_lambda_end_nothing() {
    // The arguments of these calls do not count, so that the answers decode.
    for text in [
        "[f(x=lambda y, z=1: 1).g()]",
        "[f(x={lambda: 1: 2, 'k': 3}).g()]",
        "[f(x={1, lambda y, z: 2}).g()]",
        "[f(x=g(a=lambda y, z=1: 2)[0])]",
    ] {
        let by_grammar = decode_python(text).unwrap_or_else(|| panic!("{text} decodes"));
        match decode(&Bump::new(), text) {
            None => {}
            Some(Known::Value(value)) => assert!(value.to_value().same(&by_grammar), "{text}"),
            Some(Known::Failure) => panic!("{text} is no failure"),
        }
    }
}

#[test]
fn time_does_not_double_with_every_level() {
    for (open, close) in
        [("(", ",)"), ("(1%", ",)"), ("(a+", ",)"), ("(a(", "),)"), ("[(", ",)]"), ("{1:(", ",)}")]
    {
        for levels in [15, 35] {
            let text = format!("f(x={}1{})", open.repeat(levels), close.repeat(levels));
            let arena = Bump::new();
            let _ = decode(&arena, &text);
            let _ = literal(&arena, &text);
        }
    }
}
