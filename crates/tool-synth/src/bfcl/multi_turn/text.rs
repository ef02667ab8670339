//! The printed forms: `repr`, `str` and `json.dumps`.

use std::fmt::Write;

use super::object::{Dict, Object};

/// Appends `repr(float)`.
pub fn write_float(out: &mut String, f: f64) {
    if f.is_nan() {
        out.push_str("nan");
        return;
    }
    if f.is_infinite() {
        out.push_str(if f > 0.0 { "inf" } else { "-inf" });
        return;
    }
    let magnitude = f.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let start = out.len();
        let _ = write!(out, "{f:e}");
        // Rust writes 1e-7, Python 1e-07.
        let e = start + out[start..].find('e').expect("an exponent");
        let exponent: i32 = out[e + 1..].parse().expect("an integer");
        out.truncate(e);
        let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    } else {
        let start = out.len();
        let _ = write!(out, "{f}");
        if !out[start..].contains('.') {
            out.push_str(".0");
        }
    }
}

/// Appends the canonical text of a string.
pub fn write_str_repr(out: &mut String, s: &str) {
    // Most strings need no escape: copy them whole.
    if s.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'\'' && b != b'\\') {
        out.push('\'');
        out.push_str(s);
        out.push('\'');
    } else {
        crate::value::text::write_str_repr(out, s);
    }
}

fn write_items(out: &mut String, items: &[Object]) {
    for (i, x) in items.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        write_repr(out, x);
    }
}

/// Appends `repr(object)`.
pub fn write_repr(out: &mut String, object: &Object) {
    match object {
        Object::None => out.push_str("None"),
        Object::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
        Object::Int(i) => {
            let _ = write!(out, "{i}");
        }
        Object::Big(i) => {
            let _ = write!(out, "{i}");
        }
        Object::Float(f) => write_float(out, *f),
        Object::Complex(re, im) => out.push_str(&crate::value::text::complex_repr(*re, *im)),
        Object::Bytes(b) => out.push_str(&crate::value::Value::Bytes((**b).into()).repr()),
        Object::Str(s) => write_str_repr(out, s),
        Object::List(v) => {
            out.push('[');
            write_items(out, v);
            out.push(']');
        }
        Object::Tuple(v) => {
            out.push('(');
            write_items(out, v);
            out.push_str(if v.len() == 1 { ",)" } else { ")" });
        }
        Object::Dict(d) => {
            out.push('{');
            for (i, (k, v)) in d.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_repr(out, k);
                out.push_str(": ");
                write_repr(out, v);
            }
            out.push('}');
        }
        Object::Set(v) if v.is_empty() => out.push_str("set()"),
        Object::Set(v) => {
            out.push('{');
            write_items(out, v);
            out.push('}');
        }
        Object::Printed(s) => out.push_str(s),
    }
}

/// `repr(object)`.
pub fn repr(object: &Object) -> String {
    let mut out = String::new();
    write_repr(&mut out, object);
    out
}

/// `str(object)`.
pub fn str_of(object: &Object) -> String {
    match object {
        Object::Str(s) => s.to_string(),
        _ => repr(object),
    }
}

/// An object inside a formatted string.
impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Object::Str(s) => f.write_str(s),
            Object::Int(i) => write!(f, "{i}"),
            _ => f.write_str(&repr(self)),
        }
    }
}

fn write_json_str(out: &mut String, s: &str) {
    out.push('"');
    let mut from = 0;
    for (i, c) in s.char_indices() {
        if (' '..='~').contains(&c) && c != '"' && c != '\\' {
            continue;
        }
        out.push_str(&s[from..i]);
        from = i + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            _ => {
                let mut units = [0u16; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push_str(&s[from..]);
    out.push('"');
}

fn write_json_float(out: &mut String, f: f64) {
    match f {
        f if f.is_nan() => out.push_str("NaN"),
        f if f.is_infinite() => out.push_str(if f > 0.0 { "Infinity" } else { "-Infinity" }),
        f => write_float(out, f),
    }
}

fn write_json_key(out: &mut String, key: &Object) -> Result<(), NotJson> {
    out.push('"');
    match key {
        Object::None => out.push_str("null"),
        Object::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Object::Int(_) | Object::Big(_) => write_repr(out, key),
        Object::Float(f) => write_json_float(out, *f),
        _ => return Err(NotJson),
    }
    out.push('"');
    Ok(())
}

/// The object holds something `json.dumps` refuses.
#[derive(Debug)]
pub struct NotJson;

/// Appends `json.dumps(object)`.
pub fn write_json(out: &mut String, object: &Object) -> Result<(), NotJson> {
    match object {
        Object::None => out.push_str("null"),
        Object::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Object::Int(_) | Object::Big(_) => write_repr(out, object),
        Object::Float(f) => write_json_float(out, *f),
        Object::Str(s) => write_json_str(out, s),
        Object::List(v) | Object::Tuple(v) => {
            out.push('[');
            for (i, x) in v.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_json(out, x)?;
            }
            out.push(']');
        }
        Object::Dict(d) => return write_json_dict(out, d),
        Object::Complex(..) | Object::Bytes(_) | Object::Set(_) | Object::Printed(_) => return Err(NotJson),
    }
    Ok(())
}

fn write_json_dict(out: &mut String, dict: &Dict) -> Result<(), NotJson> {
    out.push('{');
    for (i, (k, v)) in dict.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        match k {
            Object::Str(s) => write_json_str(out, s),
            k => write_json_key(out, k)?,
        }
        out.push_str(": ");
        write_json(out, v)?;
    }
    out.push('}');
    Ok(())
}

/// The text of a call's result as the executor reports it: strings as they are, dictionaries as JSON where they can be, the rest as `str`.
pub fn result_text(object: &Object) -> String {
    match object {
        Object::Str(s) => s.to_string(),
        Object::Dict(d) => {
            let mut out = String::with_capacity(64);
            match write_json_dict(&mut out, d) {
                Ok(()) => out,
                Err(NotJson) => repr(object),
            }
        }
        _ => repr(object),
    }
}
