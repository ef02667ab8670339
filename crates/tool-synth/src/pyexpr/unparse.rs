//! Source text in the canonical form of CPython 3.11's `ast.unparse`.

use super::{Binary, Clause, Comparison, Constant, Expr, FormatPart, Keyword, Parameter, Parameters, Unary};
use crate::value::text::{complex_repr, float_repr, is_printable, write_escape};
use crate::value::{Str, Value};

/// How strongly an expression has to bind to stand without parentheses.
type Strength = u8;

const NAMED: Strength = 0;
const TUPLE: Strength = 1;
const YIELD: Strength = 2;
const TEST: Strength = 3;
const OR: Strength = 4;
const AND: Strength = 5;
const NOT: Strength = 6;
const COMPARE: Strength = 7;
const BIT_OR: Strength = 8;
const BIT_XOR: Strength = 9;
const BIT_AND: Strength = 10;
const SHIFT: Strength = 11;
const SUM: Strength = 12;
const TERM: Strength = 13;
const FACTOR: Strength = 14;
const POWER: Strength = 15;
const AWAIT: Strength = 16;
const ATOM: Strength = 17;

const QUOTES: [&str; 4] = ["'", "\"", "\"\"\"", "'''"];

impl Expr {
    /// The canonical source text; nothing if CPython cannot write it (a backslash in the field of an f-string).
    pub fn unparse(&self) -> Option<String> {
        let mut writer = Writer { out: String::new(), avoid_backslashes: false };
        writer.expression(self, TEST).ok()?;
        Some(writer.out)
    }
}

/// CPython refuses to write the expression.
struct Refused;

type Written = Result<(), Refused>;

struct Writer {
    out: String,
    avoid_backslashes: bool,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Writes in parentheses if the surroundings bind more strongly than what is written.
    fn guarded(
        &mut self,
        around: Strength,
        own: Strength,
        write: impl FnOnce(&mut Self) -> Written,
    ) -> Written {
        let guard = around > own;
        if guard {
            self.push("(");
        }
        write(self)?;
        if guard {
            self.push(")");
        }
        Ok(())
    }

    fn list(&mut self, items: &[Expr], strength: Strength) -> Written {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            self.expression(item, strength)?;
        }
        Ok(())
    }

    /// Items as in a tuple: one item has a comma after it.
    fn items(&mut self, items: &[Expr]) -> Written {
        self.list(items, TEST)?;
        if items.len() == 1 {
            self.push(",");
        }
        Ok(())
    }

    fn expression(&mut self, expression: &Expr, around: Strength) -> Written {
        match expression {
            Expr::Constant(constant) => {
                self.constant(constant);
                Ok(())
            }
            Expr::Name(name) => {
                self.push(name);
                Ok(())
            }
            Expr::Attribute { value, name } => {
                self.expression(value, ATOM)?;
                // `3.real` would be a float and a word.
                if matches!(**value, Expr::Constant(Constant::Int(_) | Constant::Bool(_))) {
                    self.push(" ");
                }
                self.push(".");
                self.push(name);
                Ok(())
            }
            Expr::Subscript { value, index } => {
                self.expression(value, ATOM)?;
                self.push("[");
                match &**index {
                    Expr::Tuple(items) if !items.is_empty() => self.items(items)?,
                    other => self.expression(other, TEST)?,
                }
                self.push("]");
                Ok(())
            }
            Expr::Slice { lower, upper, step } => {
                if let Some(lower) = lower {
                    self.expression(lower, TEST)?;
                }
                self.push(":");
                if let Some(upper) = upper {
                    self.expression(upper, TEST)?;
                }
                if let Some(step) = step {
                    self.push(":");
                    self.expression(step, TEST)?;
                }
                Ok(())
            }
            Expr::Starred(value) => {
                self.push("*");
                self.expression(value, BIT_OR)
            }
            Expr::Call { function, arguments, keywords } => self.call(function, arguments, keywords),
            Expr::Unary { operator, operand } => {
                let (text, own) = match operator {
                    Unary::Plus => ("+", FACTOR),
                    Unary::Minus => ("-", FACTOR),
                    Unary::Invert => ("~", FACTOR),
                    Unary::Not => ("not ", NOT),
                };
                self.guarded(around, own, |writer| {
                    writer.push(text);
                    writer.expression(operand, own)
                })
            }
            Expr::Binary { operator, left, right } => {
                let (text, own) = binary(*operator);
                let (on_left, on_right) = if own == POWER { (own + 1, own) } else { (own, own + 1) };
                self.guarded(around, own, |writer| {
                    writer.expression(left, on_left)?;
                    writer.push(text);
                    writer.expression(right, on_right)
                })
            }
            Expr::And(values) => self.guarded(around, AND, |writer| writer.boolean(values, " and ", AND)),
            Expr::Or(values) => self.guarded(around, OR, |writer| writer.boolean(values, " or ", OR)),
            Expr::Compare { left, rest } => self.guarded(around, COMPARE, |writer| {
                writer.expression(left, COMPARE + 1)?;
                for (comparison, right) in rest {
                    writer.push(compare(*comparison));
                    writer.expression(right, COMPARE + 1)?;
                }
                Ok(())
            }),
            Expr::Conditional { test, body, otherwise } => self.guarded(around, TEST, |writer| {
                writer.expression(body, TEST + 1)?;
                writer.push(" if ");
                writer.expression(test, TEST + 1)?;
                writer.push(" else ");
                writer.expression(otherwise, TEST)
            }),
            Expr::Lambda { parameters, body } => self.guarded(around, TEST, |writer| {
                writer.push("lambda");
                let before = writer.out.len();
                writer.parameters(parameters)?;
                if writer.out.len() > before {
                    writer.out.insert(before, ' ');
                }
                writer.push(": ");
                writer.expression(body, TEST)
            }),
            Expr::Named { target, value } => self.guarded(around, NAMED, |writer| {
                writer.push(target);
                writer.push(" := ");
                writer.expression(value, ATOM)
            }),
            Expr::Await(value) => self.guarded(around, AWAIT, |writer| {
                writer.push("await ");
                writer.expression(value, ATOM)
            }),
            Expr::Yield(value) => self.guarded(around, YIELD, |writer| {
                writer.push("yield");
                let Some(value) = value else { return Ok(()) };
                writer.push(" ");
                writer.expression(value, ATOM)
            }),
            Expr::YieldFrom(value) => self.guarded(around, YIELD, |writer| {
                writer.push("yield from ");
                writer.expression(value, ATOM)
            }),
            Expr::List(items) => {
                self.push("[");
                self.list(items, TEST)?;
                self.push("]");
                Ok(())
            }
            Expr::Tuple(items) => {
                let guard = items.is_empty() || around > TUPLE;
                self.push(if guard { "(" } else { "" });
                self.items(items)?;
                self.push(if guard { ")" } else { "" });
                Ok(())
            }
            Expr::Set(items) => {
                self.push("{");
                self.list(items, TEST)?;
                self.push("}");
                Ok(())
            }
            Expr::Dict(members) => self.dictionary(members),
            Expr::ListComprehension { element, clauses } => self.comprehension("[", element, clauses, "]"),
            Expr::SetComprehension { element, clauses } => self.comprehension("{", element, clauses, "}"),
            Expr::Generator { element, clauses } => self.comprehension("(", element, clauses, ")"),
            Expr::DictComprehension { key, value, clauses } => {
                self.push("{");
                self.expression(key, TEST)?;
                self.push(": ");
                self.expression(value, TEST)?;
                self.clauses(clauses)?;
                self.push("}");
                Ok(())
            }
            Expr::FormatString(parts) => self.format_string(parts),
        }
    }

    fn call(&mut self, function: &Expr, arguments: &[Expr], keywords: &[Keyword]) -> Written {
        self.expression(function, ATOM)?;
        self.push("(");
        self.list(arguments, TEST)?;
        for (at, keyword) in keywords.iter().enumerate() {
            if at > 0 || !arguments.is_empty() {
                self.push(", ");
            }
            match &keyword.name {
                Some(name) => {
                    self.push(name);
                    self.push("=");
                }
                None => self.push("**"),
            }
            self.expression(&keyword.value, TEST)?;
        }
        self.push(")");
        Ok(())
    }

    /// CPython raises the strength from operand to operand.
    fn boolean(&mut self, values: &[Expr], text: &str, own: Strength) -> Written {
        let mut strength = own;
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.push(text);
            }
            strength = (strength + 1).min(ATOM);
            self.expression(value, strength)?;
        }
        Ok(())
    }

    fn dictionary(&mut self, members: &[(Option<Expr>, Expr)]) -> Written {
        self.push("{");
        for (at, (key, value)) in members.iter().enumerate() {
            if at > 0 {
                self.push(", ");
            }
            match key {
                Some(key) => {
                    self.expression(key, TEST)?;
                    self.push(": ");
                    self.expression(value, TEST)?;
                }
                None => {
                    self.push("**");
                    self.expression(value, BIT_OR)?;
                }
            }
        }
        self.push("}");
        Ok(())
    }

    fn comprehension(&mut self, open: &str, element: &Expr, clauses: &[Clause], close: &str) -> Written {
        self.push(open);
        self.expression(element, TEST)?;
        self.clauses(clauses)?;
        self.push(close);
        Ok(())
    }

    fn clauses(&mut self, clauses: &[Clause]) -> Written {
        for clause in clauses {
            self.push(if clause.is_async { " async for " } else { " for " });
            self.expression(&clause.target, TUPLE)?;
            self.push(" in ");
            self.expression(&clause.iterable, TEST + 1)?;
            for condition in &clause.conditions {
                self.push(" if ");
                self.expression(condition, TEST + 1)?;
            }
        }
        Ok(())
    }

    fn parameters(&mut self, parameters: &Parameters) -> Written {
        let mut first = true;
        let mut separate = |writer: &mut Self| {
            if !std::mem::take(&mut first) {
                writer.push(", ");
            }
        };
        let one = |writer: &mut Self, parameter: &Parameter| {
            writer.push(&parameter.name);
            let Some(default) = &parameter.default else { return Ok(()) };
            writer.push("=");
            writer.expression(default, TEST)
        };
        for (at, parameter) in parameters.positional.iter().enumerate() {
            separate(self);
            one(self, parameter)?;
            if at + 1 == parameters.positional_only {
                self.push(", /");
            }
        }
        if parameters.rest.is_some() || !parameters.keyword_only.is_empty() {
            separate(self);
            self.push("*");
            self.push(parameters.rest.as_deref().unwrap_or_default());
        }
        for parameter in &parameters.keyword_only {
            self.push(", ");
            one(self, parameter)?;
        }
        if let Some(keywords) = &parameters.keywords {
            separate(self);
            self.push("**");
            self.push(keywords);
        }
        Ok(())
    }

    fn constant(&mut self, constant: &Constant) {
        // What the source wrote as a literal that overflows is written as one again.
        let finite = |text: String| text.replace("inf", "1e309");
        match constant {
            Constant::None => self.push("None"),
            Constant::Bool(true) => self.push("True"),
            Constant::Bool(false) => self.push("False"),
            Constant::Ellipsis => self.push("..."),
            Constant::Int(value) => self.push(&value.to_string()),
            Constant::Float(value) => self.push(&finite(float_repr(*value))),
            Constant::Imaginary(value) => self.push(&finite(complex_repr(0.0, *value))),
            Constant::Bytes(bytes) => self.push(&Value::Bytes(bytes.clone()).repr()),
            Constant::Str { value, unicode } => {
                if *unicode {
                    self.push("u");
                }
                if self.avoid_backslashes {
                    self.text_avoiding_backslashes(value);
                } else {
                    self.push(&repr(value));
                }
            }
        }
    }

    fn text_avoiding_backslashes(&mut self, text: &str) {
        let (body, quotes) = quoted(text, &QUOTES, false);
        self.push(quotes[0]);
        self.push(&body);
        self.push(quotes[0]);
    }

    fn format_string(&mut self, parts: &[FormatPart]) -> Written {
        self.push("f");
        if self.avoid_backslashes {
            let inner = self.buffered(|writer| parts.iter().try_for_each(|part| writer.format_part(part)))?;
            self.text_avoiding_backslashes(&inner);
            return Ok(());
        }
        let mut pieces = Vec::new();
        for part in parts {
            let text = self.buffered(|writer| writer.format_part(part))?;
            pieces.push((text, matches!(part, FormatPart::Text(_))));
        }
        let mut quotes: Vec<&str> = QUOTES.to_vec();
        let mut body = String::new();
        for (text, is_text) in &pieces {
            let (piece, possible) = quoted(text, &quotes, *is_text);
            body.push_str(&piece);
            if !possible.iter().any(|quote| quotes.contains(quote)) {
                // No quote fits all parts.
                body.clear();
                for (text, _) in &pieces {
                    let forced = repr(&format!("\"{text}"));
                    body.push_str(&forced[2..forced.len() - 1]);
                }
                quotes = vec!["'''"];
                break;
            }
            quotes = possible;
        }
        self.push(quotes[0]);
        self.push(&body);
        self.push(quotes[0]);
        Ok(())
    }

    fn buffered(&mut self, write: impl FnOnce(&mut Self) -> Written) -> Result<String, Refused> {
        let before = std::mem::take(&mut self.out);
        write(self)?;
        Ok(std::mem::replace(&mut self.out, before))
    }

    fn format_part(&mut self, part: &FormatPart) -> Written {
        match part {
            FormatPart::Text(text) => self.push(&text.replace('{', "{{").replace('}', "}}")),
            FormatPart::Field { value, conversion, spec } => {
                let mut inner = Self { out: String::new(), avoid_backslashes: true };
                inner.expression(value, TEST + 1)?;
                if inner.out.contains('\\') {
                    return Err(Refused);
                }
                self.push(if inner.out.starts_with('{') { "{ " } else { "{" });
                self.push(&inner.out);
                if let Some(conversion) = conversion {
                    self.out.push('!');
                    self.out.push(*conversion);
                }
                if let Some(spec) = spec {
                    self.push(":");
                    spec.iter().try_for_each(|part| self.format_part(part))?;
                }
                self.push("}");
            }
        }
        Ok(())
    }
}

fn repr(text: &str) -> String {
    Value::Str(Str::from(text)).repr()
}

/// Text to stand between quotes with as few escapes as can be, and the quotes that it can stand between, best first.
fn quoted<'q>(text: &str, quotes: &[&'q str], escape_blanks: bool) -> (String, Vec<&'q str>) {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' if !escape_blanks => escaped.push(character),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            '\\' => escaped.push_str("\\\\"),
            c if is_printable(c) => escaped.push(c),
            c => write_escape(&mut escaped, c),
        }
    }
    let fits = |quote: &&&str| !escaped.contains(**quote) && (quote.len() == 3 || !escaped.contains('\n'));
    let mut possible: Vec<&str> = quotes.iter().filter(fits).copied().collect();
    if possible.is_empty() {
        let text = repr(text);
        let own = if text.starts_with('"') { "\"" } else { "'" };
        let quote = quotes.iter().find(|quote| quote.contains(own)).copied().unwrap_or(if own == "'" {
            "'"
        } else {
            "\""
        });
        return (text[1..text.len() - 1].to_owned(), vec![quote]);
    }
    if let Some(last) = escaped.chars().last() {
        possible.sort_by_key(|quote| quote.starts_with(last));
        if possible[0].starts_with(last) {
            escaped.pop();
            escaped.push('\\');
            escaped.push(last);
        }
    }
    (escaped, possible)
}

fn binary(operator: Binary) -> (&'static str, Strength) {
    match operator {
        Binary::Add => (" + ", SUM),
        Binary::Subtract => (" - ", SUM),
        Binary::Multiply => (" * ", TERM),
        Binary::MatrixMultiply => (" @ ", TERM),
        Binary::Divide => (" / ", TERM),
        Binary::Modulo => (" % ", TERM),
        Binary::FloorDivide => (" // ", TERM),
        Binary::Power => (" ** ", POWER),
        Binary::ShiftLeft => (" << ", SHIFT),
        Binary::ShiftRight => (" >> ", SHIFT),
        Binary::And => (" & ", BIT_AND),
        Binary::Or => (" | ", BIT_OR),
        Binary::Xor => (" ^ ", BIT_XOR),
    }
}

fn compare(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => " == ",
        Comparison::NotEqual => " != ",
        Comparison::Less => " < ",
        Comparison::LessEqual => " <= ",
        Comparison::Greater => " > ",
        Comparison::GreaterEqual => " >= ",
        Comparison::Is => " is ",
        Comparison::IsNot => " is not ",
        Comparison::In => " in ",
        Comparison::NotIn => " not in ",
    }
}
