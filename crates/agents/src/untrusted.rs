//! Text from outside: item titles, web pages, a model's words. It is data and stays data.

/// At most `limit` characters of `text`; a cut is marked.
pub fn clip(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}… [cut]", &text[..at]),
    }
}

/// `text` without control and bidirectional-override characters; line breaks become blanks.
pub fn clean(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\r' | '\t' => Some(' '),
        c if c.is_control() => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => None,
        c => Some(c),
    };
    text.chars().filter_map(visible).collect()
}

/// `text` cleaned and fenced for a prompt, so that a model can tell it from instructions. The fence cannot be closed
/// from inside: its marks are replaced.
pub fn fence(text: &str) -> String {
    format!("⟦{}⟧", clean(text).replace('⟦', "[").replace('⟧', "]"))
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
