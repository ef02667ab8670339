//! A vocabulary of words learned from texts, with letters to spell what it does not know.
//!
//! Models that begin from nothing have little use for bytes: a call would be a hundred tokens. Here a word that is frequent is one
//! token, with the blank before it; digits and marks are tokens of their own; and a rare word is spelled in bytes. So every text
//! can be written, and decoding gives the very text back.

use std::collections::{BTreeMap, HashMap};

use rec_core::{Json, ToolCall, ToolSpec};
use serde::{Deserialize, Serialize};

use crate::codec::ActionCodec;
use crate::env::{FINISH, Reply};

/// Bytes, then marks, then words.
const BYTES: u32 = 256;
const END: u32 = 256;
const BEGIN: u32 = 257;
const QUERY: u32 = 258;
const GO: u32 = 259;
const SEEN: u32 = 260;
const FIRST_WORD: u32 = 261;

/// A codec over learned words. A prompt is the tools, each with its parameters (a star at those it needs), and the question; an action is
/// the tool's name and its arguments as JSON; an observation the reply's text, cut.
///
/// In files it is the list of its words, or words and settings where a setting is not the usual one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct WordCodec {
    words: Vec<String>,
    places: HashMap<String, u32>,
    /// Tokens of an observation at most; 96 unless set.
    pub most_seen: usize,
}

const MOST_SEEN: usize = 96;

/// No words: everything is spelled.
impl Default for WordCodec {
    fn default() -> Self {
        Vec::new().into()
    }
}

/// The form in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Kept {
    Words(Vec<String>),
    Set { words: Vec<String>, most_seen: usize },
}

impl From<Kept> for WordCodec {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Words(words) => words.into(),
            Kept::Set { words, most_seen } => Self { most_seen, ..words.into() },
        }
    }
}

impl From<WordCodec> for Kept {
    fn from(WordCodec { words, most_seen, .. }: WordCodec) -> Self {
        if most_seen == MOST_SEEN { Self::Words(words) } else { Self::Set { words, most_seen } }
    }
}

impl From<Vec<String>> for WordCodec {
    fn from(words: Vec<String>) -> Self {
        let places = words.iter().enumerate().map(|(at, word)| (word.clone(), FIRST_WORD + at as u32));
        Self { places: places.collect(), words, most_seen: MOST_SEEN }
    }
}

/// Letters with the blank before them, or one other character.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut characters = rest.char_indices();
        let (_, first) = characters.next()?;
        let blank = usize::from(first == ' ');
        let letters = rest[blank..].find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len() - blank);
        let end = if letters > 0 { blank + letters } else { first.len_utf8() };
        let (piece, other) = rest.split_at(end);
        rest = other;
        Some(piece)
    })
}

impl WordCodec {
    /// The words that occur at least `least` times in texts, the most frequent `most` of them.
    pub fn learn<'a>(texts: impl IntoIterator<Item = &'a str>, least: usize, most: usize) -> Self {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for text in texts {
            for piece in pieces(text).filter(|piece| piece.len() > 1) {
                *counts.entry(piece).or_default() += 1;
            }
        }
        let mut frequent: Vec<(&str, usize)> =
            counts.into_iter().filter(|(_, count)| *count >= least).collect();
        frequent.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        frequent.truncate(most);
        frequent.into_iter().map(|(word, _)| word.to_owned()).collect::<Vec<_>>().into()
    }

    /// A text in tokens.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        for piece in pieces(text) {
            match self.places.get(piece) {
                Some(&place) => tokens.push(place),
                None => tokens.extend(piece.bytes().map(u32::from)),
            }
        }
        tokens
    }

    /// The text of tokens; marks are left out, and what is no UTF-8 becomes a replacement character.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::new();
        for &token in tokens {
            match token {
                byte if byte < BYTES => bytes.push(byte as u8),
                word => {
                    let place = word.checked_sub(FIRST_WORD).and_then(|at| self.words.get(at as usize));
                    bytes.extend(place.iter().flat_map(|word| word.bytes()));
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A tool in a line: its name, its parameters, a star at those it needs.
fn signature(tool: &ToolSpec) -> String {
    let needed = tool.parameters.get("required").and_then(Json::as_array).unwrap_or(&[]);
    let parameters = tool.parameters.get("properties").and_then(Json::as_object);
    let names = parameters.into_iter().flat_map(|parameters| parameters.keys()).map(|name| {
        let star = if needed.iter().any(|own| own.as_str() == Some(name)) { "*" } else { "" };
        format!("{name}{star}")
    });
    format!(" {}({})", tool.name, names.collect::<Vec<_>>().join(","))
}

impl ActionCodec for WordCodec {
    fn vocabulary(&self) -> usize {
        FIRST_WORD as usize + self.words.len()
    }

    fn end(&self) -> u32 {
        END
    }

    fn prompt(&self, query: &str, tools: &[ToolSpec]) -> Vec<u32> {
        let mut tokens = vec![BEGIN];
        for tool in tools.iter().filter(|tool| tool.name != FINISH) {
            tokens.extend(self.encode(&signature(tool)));
        }
        tokens.push(QUERY);
        tokens.extend(self.encode(&format!(" {query}")));
        tokens.push(GO);
        tokens
    }

    fn action(&self, call: &ToolCall) -> Option<Vec<u32>> {
        let mut tokens = self.encode(&format!(" {}{}", call.name, call.arguments));
        tokens.push(END);
        Some(tokens)
    }

    fn read_action(&self, tokens: &[u32]) -> ToolCall {
        let text = self.decode(tokens);
        let at = text.find('{').unwrap_or(text.len());
        let (name, arguments) = text.split_at(at);
        let arguments = arguments.parse().unwrap_or_else(|_| Json::from(arguments));
        ToolCall::new("", name.trim(), arguments)
    }

    fn reply(&self, reply: &Reply) -> Vec<u32> {
        let text = if reply.error.is_empty() { reply.response.to_string() } else { reply.error.clone() };
        let mut tokens = vec![SEEN];
        tokens.extend(self.encode(&text).into_iter().take(self.most_seen));
        tokens.push(GO);
        tokens
    }

    fn allowed(&self, _: &[ToolSpec], _: &[u32]) -> Option<Vec<u32>> {
        None
    }
}
