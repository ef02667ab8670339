//! The checker of the Berkeley Function-Calling Leaderboard (BFCL), version 4, with the official verdicts.
//!
//! A model's answer is decoded ([`decode`]) into calls, which are then held against a function's documentation and the
//! allowed values of each parameter ([`Entry`]). Every verdict, every error type and every decoded value is the one that
//! the package `bfcl-eval` 2026.3.23 gives; `cargo run -p tool-synth --example replay` shows it on a corpus made by that package. The
//! benchmark's own data are read from the user's copy of the package and are no part of this crate.
//!
//! ```
//! use tool_synth::bfcl::{Entry, Format, Language, Outcome, evaluate};
//! use tool_synth::value::json::parse;
//!
//! let functions = parse(r#"[{"name": "area", "parameters": {"type": "dict", "required": ["side"],
//!     "properties": {"side": {"type": "integer"}, "unit": {"type": "string"}}}}]"#)?;
//! let answers = parse(r#"[{"area": {"side": [3], "unit": ["cm", ""]}}]"#)?;
//! let entry = Entry::new(&functions, &answers, Language::Python)?;
//! let judge = |text| evaluate(&entry, text, "simple_python", Format::Python, false);
//! assert_eq!(judge("area(side=3)"), Outcome::Valid);
//! assert_eq!(judge("area(side=3.0)"), Outcome::Invalid("type_error:simple"));
//! assert_eq!(judge("The area is 9."), Outcome::Invalid("ast_decoder:decoder_failed"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod argument;
mod check;
mod convert;
mod decode;
mod direct;
mod documented;
mod entry;
mod explain;
pub mod multi_turn;
mod normal;
pub mod package;
pub mod prompt;
mod quick;
pub mod replay;
pub mod score;
mod structured;
#[cfg(feature = "bfcl-java-js")]
mod trees;
mod xml;

use self::check::{Context, Expectations};
use self::direct::Direct;
use crate::value::{Node, Value};

/// Memory for what is decoded. One that is [`reset`](Arena::reset) after each answer takes no memory for most of them.
pub use bumpalo::Bump as Arena;
pub use check::Pairing;
pub use convert::{convert_java, convert_javascript};
pub use decode::{decode, decode_in, decode_native, decode_native_in, is_call_list};
pub use entry::Entry;
pub use explain::{Explanation, explain};
pub use normal::normalize;

/// The language whose types a function's documentation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Language {
    Python,
    Java,
    JavaScript,
}

/// The form in which a model was asked to write its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    Python,
    Java,
    JavaScript,
    Json,
    VerboseXml,
    ConciseXml,
}

impl Format {
    /// The format of a name as the benchmark writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "python" => Self::Python,
            "java" => Self::Java,
            "javascript" => Self::JavaScript,
            "json" => Self::Json,
            "verbose_xml" => Self::VerboseXml,
            "concise_xml" => Self::ConciseXml,
            _ => return None,
        })
    }
}

/// What the official checker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Right.
    Valid,
    /// Wrong, and the official type of the error.
    Invalid(&'static str),
    /// The official checker raises an exception instead of an answer. Its own data never make it do so.
    Raise,
}

/// The language of a category.
pub fn language(category: &str) -> Language {
    if category.contains("javascript") {
        Language::JavaScript
    } else if category.contains("java") {
        Language::Java
    } else {
        Language::Python
    }
}

/// Decodes and checks the text of an answer. `category` decides how calls and answers are paired.
pub fn evaluate(entry: &Entry, text: &str, category: &str, format: Format, tagged: bool) -> Outcome {
    let arena = Arena::new();
    judge(&arena, entry, decode_in(&arena, text, format, tagged), Pairing::of(category), false)
}

/// Checks what decoding gave (nothing if it failed). With `underscores`, a dot in an expected name is an underscore, as
/// in native calls.
pub fn judge<'a>(
    arena: &'a Arena,
    entry: &Entry,
    decoded: Option<Node<'a>>,
    pairing: Pairing,
    underscores: bool,
) -> Outcome {
    judge_against(arena, entry, entry.language, decoded, pairing, underscores)
}

/// [`judge`] for an answer that comes alone: against the `function` list of a question and the `ground_truth` of its answer as
/// they are, of which nothing is prepared. Data that have not the benchmark's form are an [`Outcome::Raise`] where they are looked at.
pub fn judge_once<'a>(
    arena: &'a Arena,
    (functions, answers, language): (&Value, &Value, Language),
    decoded: Option<Node<'a>>,
    pairing: Pairing,
    underscores: bool,
) -> Outcome {
    let (Some(functions), Some(answers)) = (functions.as_list(), answers.as_list()) else {
        return Outcome::Raise;
    };
    judge_against(arena, &Direct { functions, answers }, language, decoded, pairing, underscores)
}

fn judge_against<'a>(
    arena: &'a Arena,
    expectations: &impl Expectations,
    language: Language,
    decoded: Option<Node<'a>>,
    pairing: Pairing,
    underscores: bool,
) -> Outcome {
    let Some(decoded) = decoded else { return Outcome::Invalid("ast_decoder:decoder_failed") };
    match decoded {
        Node::List(calls) if is_call_list(&decoded) => {
            check::check(Context { arena, language, underscores }, expectations, calls, pairing)
        }
        _ => Outcome::Invalid("ast_decoder:decoder_wrong_output_format"),
    }
}

/// Checks that an answer holds a call, or none if the category's name has "irrelevance" in it.
pub fn evaluate_relevance(text: &str, category: &str) -> Outcome {
    judge_relevance(decode_in(&Arena::new(), text, Format::Python, false), category)
}

/// [`evaluate_relevance`] on what decoding gave.
pub fn judge_relevance(decoded: Option<Node<'_>>, category: &str) -> Outcome {
    let has_call = decoded.is_some_and(|value| is_call_list(&value) && !matches!(value, Node::List([])));
    match (category.contains("irrelevance"), has_call) {
        (true, false) | (false, true) => Outcome::Valid,
        (true, true) => Outcome::Invalid("irrelevance_error:decoder_success"),
        (false, false) => Outcome::Invalid("relevance_error:decoder_failed"),
    }
}
