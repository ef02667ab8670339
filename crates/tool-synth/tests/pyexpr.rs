//! The parser on text that no one would write.
#![cfg(feature = "bfcl")]

use proptest::prelude::*;
use tool_synth::bfcl::{Format, decode};
use tool_synth::pyexpr::parse;

const PIECES: &[&str] = &[
    "f(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "=",
    ":=",
    "'",
    "\"",
    "'''",
    "\\",
    "\n",
    " ",
    "\t",
    "#",
    ".",
    "..",
    "...",
    "1",
    "0x",
    "1e",
    "_",
    "j",
    "é",
    "\u{a0}",
    "x",
    "lambda",
    " if ",
    " else ",
    " for ",
    " in ",
    "not ",
    " is ",
    "await ",
    "async ",
    "(yield ",
    "*",
    "**",
    "-",
    "~",
    "@",
    "f'{",
    "}'",
    "!r",
    "rb'",
    "\\N{BULLET}",
    "\\x4",
    "\\u00e9",
    "True",
    "None",
    "\r",
    "\0",
    "<TOOLCALL>",
    "</TOOLCALL>",
    "<functions>",
    "</functions>",
    "<function name='f'>",
    "&amp;",
    "&#x",
    "]]>",
    "<!--",
    "1/0",
    "9**9**9",
    "'a'*99999999",
    "1<<99999999",
    "new HashMap<>() {{ put(\"a\", 1); }}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![9 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Neither the parser nor a decoder panics, and what was parsed and written is parsed to the same again.
    #[test]
    fn nothing_panics_and_the_canonical_form_is_stable(text in text()) {
        for format in [Format::Python, Format::Json, Format::VerboseXml, Format::ConciseXml] {
            let _ = decode(&text, format, false);
            let _ = decode(&text, format, true);
        }
        if let Ok(expression) = parse(&text) {
            let _ = expression.fold();
            if let Some(written) = expression.unparse() {
                let again = parse(&written).map_err(|error| TestCaseError::fail(format!("{written:?}: {error}")))?;
                prop_assert_eq!(again.unparse(), Some(written));
            }
        }
    }
}

#[test]
fn depth_is_an_error_and_no_overflow() {
    let deep = |open: &str, inner: &str, close: &str| open.repeat(50_000) + inner + &close.repeat(50_000);
    for source in [
        deep("(", "1", ")"),
        deep("[", "", "]"),
        deep("{1:", "1", "}"),
        deep("-", "1", ""),
        deep("not ", "1", ""),
        deep("lambda:", "1", ""),
        deep("1 if 1 else ", "1", ""),
        deep("1**", "1", ""),
        deep("1+", "1", ""),
        deep("a.", "a", ""),
        deep("a", "", "()"),
        deep("f(x=", "1", ")"),
    ] {
        assert!(parse(&source).is_err());
        assert!(decode(&source, Format::Python, false).is_none());
    }
    assert!(parse(&("[".repeat(200) + &"]".repeat(200))).is_ok());
    assert!(parse(&("[".repeat(201) + &"]".repeat(201))).is_err());
    assert!(
        parse(&("-".repeat(590) + "1")).is_ok_and(|deep| deep.unparse().is_some() && deep.fold().is_some())
    );
}

#[test]
fn the_canonical_form_is_cpythons() {
    // Pairs of source and `ast.unparse(ast.parse(source, mode="eval"))` of CPython 3.11.
    for (source, written) in [
        ("2**-1", "2 ** (-1)"),
        ("(1,)", "(1,)"),
        ("a[1:2,::3]", "a[1:2, ::3]"),
        ("not(a and b or c)", "not (a and b or c)"),
        ("lambda x,/,y=1,*,z:x", "lambda x, /, y=1, *, z: x"),
        ("3 .real", "3 .real"),
        ("u'a' 'b'", "u'ab'"),
        ("1e999", "1e309"),
        ("{**a,'b':1}", "{**a, 'b': 1}"),
        ("[x for x,y in z if x if y]", "[x for x, y in z if x if y]"),
        ("(x:=1)", "(x := 1)"),
        ("f'{x!r:>{w}}'", "f'{x!r:>{w}}'"),
        ("-(-1)", "--1"),
        ("a<b<c", "a < b < c"),
        ("(a<b)<c", "(a < b) < c"),
        ("await x", "await x"),
    ] {
        assert_eq!(parse(source).unwrap().unparse().as_deref(), Some(written), "{source}");
    }
}
