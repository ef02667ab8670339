//! The values of numbers and strings.

use num_bigint::BigInt;

use super::{Constant, ParseError};
use crate::value::Int;
use crate::value::text::MAX_INT_DIGITS;

/// The value of a number token.
pub(super) fn number(text: &str, at: usize) -> Result<Constant, ParseError> {
    let fail = ParseError { at, what: "a number with too many digits" };
    let plain;
    let text = if text.contains('_') {
        plain = text.replace('_', "");
        plain.as_str()
    } else {
        text
    };
    let radix = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => 16,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'b' | b'B', ..] => 2,
        _ => 10,
    };
    if radix != 10 {
        return match i64::from_str_radix(&text[2..], radix) {
            Ok(value) => Ok(Constant::Int(value.into())),
            Err(_) => BigInt::parse_bytes(&text.as_bytes()[2..], radix)
                .map(|value| Constant::Int(value.into()))
                .ok_or(fail),
        };
    }
    if let Some(imaginary) = text.strip_suffix(['j', 'J']) {
        return imaginary.parse().map(Constant::Imaginary).map_err(|_| fail);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        if text.len() > MAX_INT_DIGITS {
            return Err(fail);
        }
        return text.parse::<Int>().map(Constant::Int).map_err(|_| fail);
    }
    text.parse().map(Constant::Float).map_err(|_| fail)
}

/// A string token, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Literal<'a> {
    pub bytes: bool,
    pub format: bool,
    pub raw: bool,
    pub unicode: bool,
    /// What stands between the quotes.
    pub body: &'a str,
    /// Where it stands.
    pub at: usize,
}

impl<'a> Literal<'a> {
    /// Takes a string token apart.
    pub fn split(token: &'a str, at: usize) -> Self {
        let quote = token.find(['"', '\'']).unwrap_or(0);
        let (prefix, quoted) = token.split_at(quote);
        let mark = &quoted[..1];
        let width = if quoted.len() >= 6 && quoted.starts_with(&mark.repeat(3)) { 3 } else { 1 };
        let has = |letter: char| prefix.chars().any(|c| c.to_ascii_lowercase() == letter);
        Self {
            bytes: has('b'),
            format: has('f'),
            raw: has('r'),
            unicode: prefix.starts_with('u'),
            body: &quoted[width..quoted.len() - width],
            at: at + quote + width,
        }
    }

    /// Adds the bytes of a byte string.
    pub fn decode_bytes(&self, out: &mut Vec<u8>) -> Result<(), ParseError> {
        let fail = |at: usize, what| Err(ParseError { at: self.at + at, what });
        if !self.body.is_ascii() {
            return fail(0, "a byte string beyond ASCII");
        }
        let body = self.body.as_bytes();
        if self.raw {
            out.extend_from_slice(body);
            return Ok(());
        }
        let mut at = 0;
        while at < body.len() {
            if body[at] != b'\\' || at + 1 >= body.len() {
                out.push(body[at]);
                at += 1;
                continue;
            }
            let escaped = body[at + 1];
            at += 2;
            if let Some(byte) = simple_escape(escaped) {
                out.push(byte);
            } else if escaped == b'\n' {
            } else if matches!(escaped, b'0'..=b'7') {
                let (value, end) = octal(body, at - 1);
                out.push(value as u8);
                at = end;
            } else if escaped == b'x' {
                let Some(value) = hexadecimal(body, at, 2) else {
                    return fail(at, "an escape without its digits");
                };
                out.push(value as u8);
                at += 2;
            } else {
                out.extend([b'\\', escaped]);
            }
        }
        Ok(())
    }

    /// Adds the text of a string without fields.
    pub fn decode_text(&self, out: &mut String) -> Result<(), ParseError> {
        decode_text(self.body, self.raw, self.at, out)
    }
}

/// Adds the text that stands in a string or in a part of one.
pub(crate) fn decode_text(text: &str, raw: bool, offset: usize, out: &mut String) -> Result<(), ParseError> {
    let fail = |at: usize| Err(ParseError { at: offset + at, what: "an escape without its digits" });
    if raw || !text.contains('\\') {
        out.push_str(text);
        return Ok(());
    }
    let body = text.as_bytes();
    let mut at = 0;
    while let Some(next) = text[at..].find('\\') {
        out.push_str(&text[at..at + next]);
        at += next + 1;
        let Some(escaped) = text[at..].chars().next() else {
            out.push('\\');
            return Ok(());
        };
        let start = at;
        at += escaped.len_utf8();
        match escaped {
            '\n' => {}
            '0'..='7' => {
                let (value, end) = octal(body, start);
                out.push(char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER));
                at = end;
            }
            'x' | 'u' | 'U' => {
                let digits = match escaped {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let Some(point) = hexadecimal(body, at, digits).filter(|&point| point <= 0x10_ffff) else {
                    return fail(at);
                };
                out.push(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
                at += digits;
            }
            'N' => {
                let name =
                    text[at..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
                let Some(character) =
                    name.filter(|name| !name.is_empty()).and_then(unicode_names2::character)
                else {
                    return fail(at);
                };
                out.push(character);
                at += name.map_or(0, str::len) + 2;
            }
            _ => match u8::try_from(escaped).ok().and_then(simple_escape) {
                Some(byte) => out.push(char::from(byte)),
                None => {
                    out.push('\\');
                    out.push(escaped);
                }
            },
        }
    }
    out.push_str(&text[at..]);
    Ok(())
}

fn simple_escape(escaped: u8) -> Option<u8> {
    Some(match escaped {
        b'\\' | b'\'' | b'"' => escaped,
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        _ => return None,
    })
}

/// Up to three octal digits from `at` on, and where they end.
fn octal(body: &[u8], at: usize) -> (u32, usize) {
    let digits = body[at..].iter().take(3).take_while(|digit| matches!(digit, b'0'..=b'7'));
    let (value, length) =
        digits.fold((0, 0), |(value, length), digit| (value * 8 + u32::from(digit - b'0'), length + 1));
    (value, at + length)
}

fn hexadecimal(body: &[u8], at: usize, digits: usize) -> Option<u32> {
    let digits = body.get(at..at + digits)?;
    digits.iter().try_fold(0u32, |value, &digit| Some((value << 4) | char::from(digit).to_digit(16)?))
}
