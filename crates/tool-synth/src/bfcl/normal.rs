//! Text as the checker compares it.

use std::borrow::Cow;

/// Text as the checker compares it: without blanks and `,./-_*^`, in lower case, single quotes as double ones.
pub fn normalize(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let is_dropped = |c: char| matches!(c, ' ' | ',' | '.' | '/' | '-' | '_' | '*' | '^');
    if text.is_ascii() {
        let mut out = String::with_capacity(text.len());
        for byte in text.bytes().filter(|&byte| !is_dropped(char::from(byte))) {
            out.push(if byte == b'\'' { '"' } else { char::from(byte.to_ascii_lowercase()) });
        }
        return Cow::Owned(out);
    }
    let kept: String = text.chars().filter(|&c| !is_dropped(c)).collect();
    Cow::Owned(kept.to_lowercase().replace('\'', "\""))
}

/// What becomes of an ASCII character in normalised text; [`DROPPED`] if nothing.
static NORMAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b' ' | b',' | b'.' | b'/' | b'-' | b'_' | b'*' | b'^' => DROPPED,
            b'\'' => b'"',
            0x80.. => BEYOND,
            other => other.to_ascii_lowercase(),
        };
        byte += 1;
    }
    table
};

const DROPPED: u8 = 0xff;
/// Of characters beyond ASCII the whole text has to be known.
const BEYOND: u8 = 0xfe;

/// Whether two texts are equal when normalised.
pub(super) fn equal_texts(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let (mut left, mut right) = (one.bytes(), other.bytes());
    // The next character that is kept.
    let next = |bytes: &mut std::str::Bytes<'_>| loop {
        match bytes.next().map(|byte| NORMAL[usize::from(byte)]) {
            Some(DROPPED) => {}
            kept => return kept,
        }
    };
    loop {
        match (next(&mut left), next(&mut right)) {
            (Some(BEYOND), _) | (_, Some(BEYOND)) => break,
            (None, None) => return true,
            (a, b) if a == b => {}
            _ => return false,
        }
    }
    normalize(one) == normalize(other)
}

/// Whether two names are equal; with `underscores`, a dot in the second is an underscore.
pub(super) fn equal_names(name: &str, other: &str, underscores: bool) -> bool {
    if !underscores {
        return name == other;
    }
    let shown = |byte| if byte == b'.' { b'_' } else { byte };
    name.len() == other.len() && name.bytes().eq(other.bytes().map(shown))
}
