//! As much XML as an answer can hold, with expat's strictness: elements, attributes, text, entities, comments, sections.
//!
//! The text begins with its root element, so that declarations and document types cannot occur.

use std::borrow::Cow;

/// Elements may be nested this deep.
const MAX_DEPTH: usize = 500;

/// An element.
#[derive(Debug, Default)]
pub(super) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    /// The text before the first child.
    pub text: String,
    children: Vec<Element>,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The children of a name.
    pub fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// The root element, or nothing if the text is not well-formed.
pub(super) fn parse(text: &str) -> Option<Element> {
    let text = if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    };
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n'));
    if !plain && !text.chars().all(is_character) {
        return None;
    }
    let mut reader = Reader { text: &text, at: 0 };
    let root = reader.element(0)?;
    (reader.at == text.len()).then_some(root)
}

fn is_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn accept(&mut self, mark: &str) -> bool {
        let is = self.rest().starts_with(mark);
        if is {
            self.at += mark.len();
        }
        is
    }

    fn skip_blanks(&mut self) -> bool {
        let start = self.at;
        while matches!(self.text.as_bytes().get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.at > start
    }

    /// Everything up to a mark, which is walked over.
    fn until(&mut self, mark: &str) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.find(mark)?;
        self.at += end + mark.len();
        Some(&rest[..end])
    }

    fn name(&mut self) -> Option<&'a str> {
        let starts = |c: char| c == '_' || c.is_alphabetic();
        let goes_on =
            |c: char| starts(c) || matches!(c, '-' | '.' | ':' | '\u{b7}') || c.is_numeric() || is_mark(c);
        let rest = self.rest();
        if !rest.starts_with(starts) {
            return None;
        }
        let ascii = rest.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'_'));
        let end = match ascii {
            Some(end) if !matches!(rest.as_bytes()[end], 0x80..|b'-'| b'.' | b':') => end,
            _ => rest.find(|c| !goes_on(c)).unwrap_or(rest.len()),
        };
        let name = &rest[..end];
        self.at += name.len();
        // No prefix is bound but this one, and one colon is all that a name may hold.
        (!name.contains(':') || name.starts_with("xml:") && name.matches(':').count() == 1 && name.len() > 4)
            .then_some(name)
    }

    fn element(&mut self, depth: usize) -> Option<Element> {
        if depth > MAX_DEPTH || !self.accept("<") {
            return None;
        }
        let name = self.name()?;
        let mut element = Element { name: name.to_owned(), ..Element::default() };
        loop {
            let blank = self.skip_blanks();
            if self.accept("/>") {
                return Some(element);
            }
            if self.accept(">") {
                break;
            }
            if !blank {
                return None;
            }
            let attribute = self.name()?.to_owned();
            self.skip_blanks();
            if !self.accept("=") || element.attribute(&attribute).is_some() {
                return None;
            }
            self.skip_blanks();
            let quote = if self.accept("\"") { "\"" } else { self.accept("'").then_some("'")? };
            let raw = self.until(quote)?;
            if raw.contains('<') {
                return None;
            }
            let value = if raw.bytes().any(|byte| matches!(byte, b'\t' | b'\n' | b'\r')) {
                unescape(&raw.replace(['\t', '\n', '\r'], " "))?
            } else {
                unescape(raw)?
            };
            element.attributes.push((attribute, value));
        }
        // A default namespace renames the element and those in it.
        if let Some(space) = element.attribute("xmlns").filter(|space| !space.is_empty()) {
            element.name = format!("{{{space}}}{name}");
        }
        element.attributes.retain(|(name, _)| name != "xmlns");
        self.content(&mut element, depth)?;
        if self.name()? != name {
            return None;
        }
        self.skip_blanks();
        self.accept(">").then_some(element)
    }

    /// The content of an element, up to and with the `</` of its end.
    fn content(&mut self, element: &mut Element, depth: usize) -> Option<()> {
        loop {
            let rest = self.rest();
            let text = &rest[..rest.find('<')?];
            if text.contains("]]>") {
                return None;
            }
            self.at += text.len();
            let text = unescape(text)?;
            if element.children.is_empty() {
                element.text.push_str(&text);
            }
            if self.accept("</") {
                return Some(());
            } else if self.accept("<!--") {
                if self.until("--")?.contains("--") || !self.accept(">") {
                    return None;
                }
            } else if self.accept("<![CDATA[") {
                let section = self.until("]]>")?;
                if element.children.is_empty() {
                    element.text.push_str(section);
                }
            } else if self.accept("<?") {
                let target = self.name()?;
                if target.eq_ignore_ascii_case("xml") || !self.rest().starts_with("?>") && !self.skip_blanks()
                {
                    return None;
                }
                self.until("?>")?;
            } else {
                let child = self.element(depth + 1)?;
                element.children.push(child);
            }
        }
    }
}

fn is_mark(character: char) -> bool {
    matches!(character, '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// Text with its entities replaced; nothing if one is unknown.
fn unescape(text: &str) -> Option<String> {
    if !text.as_bytes().contains(&b'&') {
        return Some(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('&') {
        out.push_str(plain);
        let (entity, after) = after.split_once(';')?;
        let character = match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let digits = entity.strip_prefix('#')?;
                let (digits, radix) = digits.strip_prefix('x').map_or((digits, 10), |digits| (digits, 16));
                if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
                    return None;
                }
                char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|&c| is_character(c))?
            }
        };
        out.push(character);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
