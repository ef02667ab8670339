//! Values as Python writes them, and text as Python reads it.

use std::fmt::Write as _;

use super::tables::{DIGIT_ZEROS, UNPRINTABLE};
use super::{Int, Value};

/// Python's limit on the digits of an integer read from or written to decimal text.
pub const MAX_INT_DIGITS: usize = 4300;

/// Writes Python's `repr` of a value.
pub fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(value) => {
            let _ = write!(out, "{value}");
        }
        Value::Float(value) => out.push_str(&float_repr(*value)),
        Value::Complex(real, imaginary) => out.push_str(&complex_repr(*real, *imaginary)),
        Value::Bytes(bytes) => write_bytes_repr(out, bytes),
        Value::Str(text) => write_str_repr(out, text),
        Value::List(items) => write_items(out, items, "[", "]"),
        Value::Tuple(items) if items.len() == 1 => {
            out.push('(');
            write_repr(out, &items[0]);
            out.push_str(",)");
        }
        Value::Tuple(items) => write_items(out, items, "(", ")"),
        Value::Set(items) if items.is_empty() => out.push_str("set()"),
        Value::Set(items) => write_items(out, items, "{", "}"),
        Value::Dict(dict) => {
            out.push('{');
            for (at, (key, value)) in dict.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_repr(out, key);
                out.push_str(": ");
                write_repr(out, value);
            }
            out.push('}');
        }
    }
}

fn write_items(out: &mut String, items: &[Value], open: &str, close: &str) {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_repr(out, item);
    }
    out.push_str(close);
}

/// Python's `repr` of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
pub fn float_repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = format!("{value}");
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// Python's `repr` of a complex number.
pub fn complex_repr(real: f64, imaginary: f64) -> String {
    let part = |value: f64| {
        let text = float_repr(value);
        text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
    };
    if real == 0.0 && real.is_sign_positive() {
        return part(imaginary) + "j";
    }
    let imaginary = part(imaginary);
    let sign = if imaginary.starts_with('-') { "" } else { "+" };
    format!("({}{sign}{imaginary}j)", part(real))
}

/// Python's `repr` of text.
pub fn write_str_repr(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_printable(c) => out.push(c),
            c => write_escape(out, c),
        }
    }
    out.push(quote);
}

/// Writes a character as `\x..`, `\u....` or `\U........`, the shortest that holds it.
pub(crate) fn write_escape(out: &mut String, character: char) {
    let point = character as u32;
    let _ = match point {
        0..=0xff => write!(out, "\\x{point:02x}"),
        0x100..=0xffff => write!(out, "\\u{point:04x}"),
        _ => write!(out, "\\U{point:08x}"),
    };
}

fn write_bytes_repr(out: &mut String, bytes: &[u8]) {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { b'"' } else { b'\'' };
    out.push('b');
    out.push(char::from(quote));
    for &byte in bytes {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b if b == quote => {
                out.push('\\');
                out.push(char::from(b));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(char::from(quote));
}

/// Python's `str.isprintable` for one character.
pub fn is_printable(character: char) -> bool {
    let point = character as u32;
    if point < 0x7f {
        return point >= 0x20;
    }
    let at = UNPRINTABLE.partition_point(|&(_, last)| last < point);
    UNPRINTABLE.get(at).is_none_or(|&(first, _)| point < first)
}

/// Python's `str.isspace` for one character.
pub fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

/// The value of a decimal digit of any script.
pub fn digit_value(character: char) -> Option<u32> {
    let point = character as u32;
    if point < 0x80 {
        return character.to_digit(10);
    }
    let at = DIGIT_ZEROS.partition_point(|&zero| zero <= point);
    let zero = *DIGIT_ZEROS.get(at.checked_sub(1)?)?;
    (point - zero < 10).then_some(point - zero)
}

/// The text of a number after Python's trimming, with the digits of every script turned into ASCII.
fn ascii_number(text: &str) -> Option<String> {
    let text = text.trim_matches(is_space);
    text.chars()
        .map(|c| {
            if c.is_ascii() { Some(c) } else { digit_value(c).and_then(|digit| char::from_digit(digit, 10)) }
        })
        .collect()
}

/// Removes the underscores that stand between two digits. Nothing if another underscore is there.
fn without_underscores(text: &str) -> Option<String> {
    if !text.contains('_') {
        return Some(text.to_owned());
    }
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let allowed =
        (0..bytes.len()).all(|at| bytes[at] != b'_' || digit(at.checked_sub(1)) && digit(Some(at + 1)));
    allowed.then(|| text.replace('_', ""))
}

/// Python's `int(text)`; nothing where it raises.
pub fn parse_int(text: &str) -> Option<Int> {
    let text = without_underscores(&ascii_number(text)?)?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(&text);
    if digits.is_empty() || digits.len() > MAX_INT_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    text.strip_prefix('+').unwrap_or(&text).parse().ok()
}

/// Python's `float(text)`; nothing where it raises.
pub fn parse_float(text: &str) -> Option<f64> {
    let text = without_underscores(&ascii_number(text)?)?;
    // Rust reads what Python reads, and nothing more once the letters are those of numbers.
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e22, "1e+22"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float_repr(value), text);
        }
        assert_eq!(complex_repr(0.0, 1.0), "1j");
        assert_eq!(complex_repr(-0.0, 1.5), "(-0+1.5j)");
        assert_eq!(complex_repr(2.0, -3.0), "(2-3j)");
    }

    #[test]
    fn text_is_quoted_as_python_quotes_it() {
        let repr = |text: &str| Value::from(text).repr();
        assert_eq!(repr("a'b"), "\"a'b\"");
        assert_eq!(repr("a'b\""), "'a\\'b\"'");
        assert_eq!(repr("\n\u{a0}é\u{200b}\u{e000}\u{10ffff}"), "'\\n\\xa0é\\u200b\\ue000\\U0010ffff'");
        assert_eq!(Value::Bytes((*b"a'\x00").into()).repr(), "b\"a'\\x00\"");
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        assert_eq!(parse_int(" 1_0\n"), Some(10.into()));
        assert_eq!(parse_int("+\u{663}"), Some(3.into()));
        for wrong in ["", "-", "1__0", "_1", "1_", "0x1", "1.0", "- 1"] {
            assert_eq!(parse_int(wrong), None, "{wrong}");
        }
        assert_eq!(parse_float("1_0.5e1_0"), Some(10.5e10));
        assert_eq!(parse_float(" -Infinity "), Some(f64::NEG_INFINITY));
        assert_eq!(parse_float(".5"), Some(0.5));
        assert_eq!(parse_float("5."), Some(5.0));
        assert!(parse_float("+nan").is_some_and(f64::is_nan));
        for wrong in ["", ".", "1e", "1_.0", "1._0", "e5", "0x1p3", "infinit", "1 2"] {
            assert_eq!(parse_float(wrong), None, "{wrong}");
        }
    }
}
