//! Text from outside: item titles, web pages, a model's words. It is data and stays data.

/// At most `limit` characters of `text`; a cut is marked.
pub fn clip(text: &str, limit: usize) -> String {
    // No text has more characters than bytes.
    if text.len() <= limit {
        return text.to_owned();
    }
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}… [cut]", &text[..at]),
    }
}

/// `text` without control and bidirectional-override characters; line breaks become blanks.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    write_clean(&mut out, text, |c| c);
    out
}

/// `text` cleaned and fenced for a prompt, so that a model can tell it from instructions. The fence cannot be closed
/// from inside: its marks are replaced.
pub fn fence(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 6);
    write_fenced(&mut out, text);
    out
}

/// Writes what [`fence`] gives.
pub fn write_fenced(out: &mut String, text: &str) {
    write_all_fenced(out, [text]);
}

/// Writes what [`fence`] gives of `texts` with commas between.
pub fn write_all_fenced<'a>(out: &mut String, texts: impl IntoIterator<Item = &'a str>) {
    out.push('⟦');
    for (at, text) in texts.into_iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_clean(out, text, |c| match c {
            '⟦' => '[',
            '⟧' => ']',
            c => c,
        });
    }
    out.push('⟧');
}

fn write_clean(out: &mut String, text: &str, replace: impl Fn(char) -> char) {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    // Nearly all titles and reports: nothing to take out. Without a way out of the loop it becomes vector instructions.
    if text.as_bytes().chunks(64).all(|piece| piece.iter().fold(true, |plain, byte| plain & is_plain(*byte)))
    {
        out.push_str(text);
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        out.push_str(&rest[..at]);
        let mut characters = rest[at..].chars();
        match characters.next() {
            Some('\n' | '\r' | '\t') => out.push(' '),
            Some(c) if c.is_control() => {}
            Some(
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}',
            ) => {}
            Some(c) => out.push(replace(c)),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// Whether the byte `at` of `text` stands between fences.
pub fn is_fenced(text: &str, at: usize) -> bool {
    let before = &text[..at];
    match (before.rfind('⟦'), before.rfind('⟧')) {
        (Some(open), Some(close)) => open > close,
        (Some(_), None) => true,
        (None, _) => false,
    }
}
