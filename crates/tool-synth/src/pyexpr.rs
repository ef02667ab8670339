//! Python 3.11 expressions: reading, constant folding, and writing in CPython's canonical form.
//!
//! A model answers with the text of calls. To judge it as Python would, all of Python's expression grammar has to be read,
//! since any expression may stand where it is then ignored. [`parse`] accepts what `ast.parse(source, mode="eval")`
//! accepts, [`Expr`] has its nodes, [`unparse`](Expr::unparse) writes what `ast.unparse` writes, and
//! [`fold`](Expr::fold) computes what needs no name. Nothing is ever executed.
//!
//! ```
//! use tool_synth::pyexpr::parse;
//! let call = parse("f( 'a' \"b\",x = (1+2) * 3 )")?;
//! assert_eq!(call.unparse().as_deref(), Some("f('ab', x=(1 + 2) * 3)"));
//! assert_eq!(parse("7 // -2 ** 2")?.fold().map(|value| value.repr()).as_deref(), Some("-2"));
//! assert!(parse("f(x=1, 2)").is_err());
//! # Ok::<(), tool_synth::pyexpr::ParseError>(())
//! ```
//!
//! Where it differs from CPython: expressions nested more than [`MAX_DEPTH`] deep without brackets are refused (CPython
//! stops near 2,980), and a lone surrogate written as an escape becomes U+FFFD, as text here is UTF-8.

mod fold;
mod format_string;
pub(crate) mod lex;
pub(crate) mod literal;
mod parse;
mod target;
mod unparse;

use crate::value::{Int, Str};

pub use parse::parse;

/// How deep brackets may be nested, as in CPython.
pub const MAX_BRACKETS: usize = 200;

/// How deep an expression may be nested otherwise.
pub const MAX_DEPTH: usize = 600;

/// Why text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Python expression: {what} at byte {at}")]
pub struct ParseError {
    /// The byte of the source.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// `...`.
    Ellipsis,
    /// An integer.
    Int(Int),
    /// A float; infinite if the literal overflows.
    Float(f64),
    /// An imaginary number.
    Imaginary(f64),
    /// A byte string.
    Bytes(Box<[u8]>),
    /// Text.
    Str {
        /// The text, adjacent literals joined.
        value: Str,
        /// Whether the first literal has the prefix `u`, which the canonical form keeps.
        unicode: bool,
    },
}

/// An operator before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `~`
    Invert,
    /// `not`
    Not,
}

/// An arithmetic or bitwise operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    MatrixMultiply,
    Divide,
    Modulo,
    FloorDivide,
    Power,
    ShiftLeft,
    ShiftRight,
    And,
    Or,
    Xor,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Is,
    IsNot,
    In,
    NotIn,
}

/// A named argument of a call, or `**value` if it has no name.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyword {
    /// The name.
    pub name: Option<Str>,
    /// The value.
    pub value: Expr,
}

/// One `for … in … if …` of a comprehension.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// Whether it is `async for`.
    pub is_async: bool,
    /// What is assigned.
    pub target: Expr,
    /// What is walked.
    pub iterable: Expr,
    /// The conditions.
    pub conditions: Vec<Expr>,
}

/// A parameter of a lambda with its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// The name.
    pub name: Str,
    /// The default.
    pub default: Option<Expr>,
}

/// The parameters of a lambda.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// Positional ones.
    pub positional: Vec<Parameter>,
    /// How many of them stand before `/`.
    pub positional_only: usize,
    /// `*name`.
    pub rest: Option<Str>,
    /// Those after `*`.
    pub keyword_only: Vec<Parameter>,
    /// `**name`.
    pub keywords: Option<Str>,
}

/// A part of an f-string.
#[derive(Clone, Debug, PartialEq)]
pub enum FormatPart {
    /// Text.
    Text(Str),
    /// `{value!conversion:spec}`.
    Field {
        /// The expression.
        value: Expr,
        /// `s`, `r` or `a`.
        conversion: Option<char>,
        /// What follows the colon.
        spec: Option<Vec<FormatPart>>,
    },
}

/// An expression; the nodes of Python's `ast` module.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Expr {
    Constant(Constant),
    Name(Str),
    Attribute {
        value: Box<Expr>,
        name: Str,
    },
    Subscript {
        value: Box<Expr>,
        index: Box<Expr>,
    },
    Slice {
        lower: Option<Box<Expr>>,
        upper: Option<Box<Expr>>,
        step: Option<Box<Expr>>,
    },
    Starred(Box<Expr>),
    Call {
        function: Box<Expr>,
        arguments: Vec<Expr>,
        keywords: Vec<Keyword>,
    },
    Unary {
        operator: Unary,
        operand: Box<Expr>,
    },
    Binary {
        operator: Binary,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare {
        left: Box<Expr>,
        rest: Vec<(Comparison, Expr)>,
    },
    Conditional {
        test: Box<Expr>,
        body: Box<Expr>,
        otherwise: Box<Expr>,
    },
    Lambda {
        parameters: Box<Parameters>,
        body: Box<Expr>,
    },
    Named {
        target: Str,
        value: Box<Expr>,
    },
    Await(Box<Expr>),
    Yield(Option<Box<Expr>>),
    YieldFrom(Box<Expr>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Set(Vec<Expr>),
    /// A member without a key is `**value`.
    Dict(Vec<(Option<Expr>, Expr)>),
    ListComprehension {
        element: Box<Expr>,
        clauses: Vec<Clause>,
    },
    SetComprehension {
        element: Box<Expr>,
        clauses: Vec<Clause>,
    },
    Generator {
        element: Box<Expr>,
        clauses: Vec<Clause>,
    },
    DictComprehension {
        key: Box<Expr>,
        value: Box<Expr>,
        clauses: Vec<Clause>,
    },
    FormatString(Vec<FormatPart>),
}
