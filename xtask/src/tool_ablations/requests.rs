//! Dialogues in tokens, as short as a small decoder needs them: the request, the tools on offer, and which of them are called
//! with which arguments.
//!
//! ```text
//! ask   find flight from oslo to rome on 2026 03 05
//! tools tool cancel booking <0> .booking_id *   tool search = <1> .origin * .destination * .date
//! go    <1> .origin .destination .date end
//! ```
//!
//! A tool is a number behind the words of its name and before its parameters, so that one whose name nobody has seen can be
//! called; a star follows what it needs. Words of its name that the request has too are written as one mark: comparing words is what a decoder of this size
//! learns last. Values are left out: they are not learnt at all, and cost most of the tokens.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rec_core::{Role, Trajectory};
use tool_synth::schema::{properties, required};

/// A token before it has a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Piece {
    /// One of the marks.
    Mark(u32),
    /// The tool at this place.
    Tool(usize),
    /// A parameter's name.
    Name(String),
    /// A word.
    Word(String),
}

const UNKNOWN: u32 = 0;
const ASK: u32 = 1;
const TOOL: u32 = 2;
const GO: u32 = 3;
/// Of an answer without a call.
const NONE: u32 = 4;
/// Ends an answer.
pub const END: u32 = 5;
/// A word of a tool's name that the request has.
const SAID: u32 = 6;
/// Follows a parameter that the tool needs.
const NEEDED: u32 = 7;
const MARKS: u32 = 8;
/// Places that tools may have.
const PLACES: u32 = 16;

/// A request with the answer that it should get.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What is read.
    pub prompt: Vec<Piece>,
    /// What is to be written.
    pub answer: Vec<Piece>,
}

/// A call without its values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The tool's place.
    pub tool: usize,
    /// The names of its arguments.
    pub arguments: BTreeSet<String>,
}

/// Words and numbers in small letters, without the plural's s; capitals and marks part words.
fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in text.chars() {
        let joins = letter.is_alphanumeric()
            && before.is_alphanumeric()
            && letter.is_numeric() == before.is_numeric()
            && !(letter.is_uppercase() && before.is_lowercase());
        match found.last_mut() {
            Some(last) if joins => last.extend(letter.to_lowercase()),
            _ if letter.is_alphanumeric() => found.push(letter.to_lowercase().collect()),
            _ => {}
        }
        before = letter;
    }
    for word in &mut found {
        if word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") {
            word.pop();
        }
    }
    found
}

fn name(text: &str) -> Piece {
    Piece::Name(words(text).join("_"))
}

/// The first request of a dialogue and all calls that it led to.
pub fn request(sample: &Trajectory) -> Request {
    let first = sample.messages.iter().find(|message| message.role == Role::User);
    let asked = words(first.map_or("", |message| &message.content));
    let known = |word: String| {
        if asked.contains(&word) { Piece::Mark(SAID) } else { Piece::Word(word) }
    };
    let mut prompt = vec![Piece::Mark(ASK)];
    prompt.extend(asked.iter().cloned().map(Piece::Word));
    for (place, tool) in sample.tools.iter().enumerate() {
        prompt.push(Piece::Mark(TOOL));
        prompt.extend(words(&tool.name).into_iter().map(known));
        prompt.push(Piece::Tool(place));
        let needed: Vec<&str> = required(&tool.parameters).collect();
        for (parameter, _) in properties(&tool.parameters) {
            prompt.push(name(parameter));
            prompt.extend(needed.contains(&parameter).then_some(Piece::Mark(NEEDED)));
        }
    }
    prompt.push(Piece::Mark(GO));
    let mut answer = Vec::new();
    for call in sample.calls() {
        let place = sample.tools.iter().position(|tool| tool.name == call.name);
        answer.push(place.map_or(Piece::Mark(UNKNOWN), Piece::Tool));
        let arguments = call.arguments.as_object();
        answer.extend(arguments.into_iter().flat_map(|own| own.keys()).map(|own| name(own)));
    }
    if answer.is_empty() {
        answer.push(Piece::Mark(NONE));
    }
    answer.push(Piece::Mark(END));
    Request { prompt, answer }
}

/// The calls of an answer, sorted; nothing if it is no answer.
pub fn calls(answer: &[Piece]) -> Option<Vec<Call>> {
    let (Piece::Mark(END), rest) = answer.split_last()? else { return None };
    if rest == [Piece::Mark(NONE)] {
        return Some(Vec::new());
    }
    let mut found: Vec<Call> = Vec::new();
    for piece in rest {
        match piece {
            Piece::Tool(tool) => found.push(Call { tool: *tool, arguments: BTreeSet::new() }),
            Piece::Name(name) => found.last_mut()?.arguments.extend([name.clone()]),
            Piece::Word(_) | Piece::Mark(_) => return None,
        }
    }
    found.sort_unstable();
    Some(found)
}

/// The numbers of pieces.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    places: HashMap<Piece, u32>,
    pieces: Vec<Piece>,
}

impl Vocabulary {
    /// Words and names that occur at least `least` times.
    pub fn of<'a>(requests: impl IntoIterator<Item = &'a Request>, least: usize) -> Self {
        let mut counts: BTreeMap<&Piece, usize> = BTreeMap::new();
        for request in requests {
            for piece in request.prompt.iter().chain(&request.answer) {
                if matches!(piece, Piece::Name(_) | Piece::Word(_)) {
                    *counts.entry(piece).or_default() += 1;
                }
            }
        }
        let pieces: Vec<Piece> =
            counts.into_iter().filter(|(_, count)| *count >= least).map(|(piece, _)| piece.clone()).collect();
        let places = pieces.iter().cloned().zip(MARKS + PLACES..).collect();
        Self { places, pieces }
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        (MARKS + PLACES) as usize + self.pieces.len()
    }

    /// Pieces as numbers; what is not known is one of them.
    pub fn encode(&self, pieces: &[Piece]) -> Vec<u32> {
        let one = |piece: &Piece| match piece {
            Piece::Mark(mark) => *mark,
            Piece::Tool(place) => MARKS + (*place as u32).min(PLACES - 1),
            other => self.places.get(other).copied().unwrap_or(UNKNOWN),
        };
        pieces.iter().map(one).collect()
    }

    /// Numbers as pieces.
    pub fn decode(&self, tokens: &[u32]) -> Vec<Piece> {
        let one = |&token: &u32| match token.checked_sub(MARKS) {
            None => Piece::Mark(token),
            Some(place) if place < PLACES => Piece::Tool(place as usize),
            Some(at) => self.pieces.get((at - PLACES) as usize).cloned().unwrap_or(Piece::Mark(UNKNOWN)),
        };
        tokens.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use rec_core::{Json, Message, ToolCall, ToolSpec};

    use super::*;

    fn tool(name: &str, parameters: &str) -> ToolSpec {
        let text = format!(r#"{{"name": "{name}", "description": "It.", "parameters": {parameters}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn sample(calls: Vec<ToolCall>) -> Trajectory {
        Trajectory {
            tools: vec![
                tool("cancelBooking", r#"{"type": "object", "properties": {"booking_id": {}}}"#),
                tool(
                    "find_flights",
                    r#"{"type": "object", "properties": {"fromCity": {}, "date": {}}, "required": ["fromCity"]}"#,
                ),
            ],
            messages: vec![Message::user("Find flights from Oslo, please."), Message::calls(calls)],
            ..Trajectory::default()
        }
    }

    fn flights(arguments: &str) -> ToolCall {
        ToolCall::new("", "find_flights", arguments.parse::<Json>().unwrap())
    }

    #[test]
    fn a_request_holds_what_tools_need_and_what_was_said() {
        let own = request(&sample(vec![flights(r#"{"fromCity": "Oslo"}"#)]));
        let (mark, word) = (Piece::Mark, |text: &str| Piece::Word(text.into()));
        let name = |text: &str| Piece::Name(text.into());
        let ask = ["find", "flight", "from", "oslo", "please"].map(word);
        let cancel = [mark(TOOL), word("cancel"), word("booking"), Piece::Tool(0), name("booking_id")];
        let find = [mark(TOOL), mark(SAID), mark(SAID), Piece::Tool(1), name("from_city"), mark(NEEDED)];
        let expected = [&[mark(ASK)][..], &ask, &cancel, &find, &[name("date"), mark(GO)]].concat();
        assert_eq!(own.prompt, expected);
        assert_eq!(own.answer, [Piece::Tool(1), name("from_city"), mark(END)]);
    }

    #[test]
    fn calls_are_the_same_in_any_order_and_nothing_else_is_an_answer() {
        let (a, b) = (flights(r#"{"fromCity": "Oslo", "date": "x"}"#), flights(r#"{"date": "y"}"#));
        let of = |all: Vec<ToolCall>| calls(&request(&sample(all)).answer);
        assert_eq!(of(vec![a.clone(), b.clone()]), of(vec![b.clone(), a]));
        assert_ne!(of(vec![b.clone(), b.clone()]), of(vec![b]));
        assert_eq!(of(Vec::new()), Some(Vec::new()));
        let foreign = ToolCall::new("", "no_such_tool", Json::Null);
        assert_eq!(of(vec![foreign]), None);
        assert_eq!(calls(&[Piece::Name("date".into()), Piece::Mark(END)]), None);
        assert_eq!(calls(&[Piece::Tool(0)]), None);
    }

    #[test]
    fn known_pieces_come_back_from_their_numbers() {
        let own = request(&sample(vec![flights(r#"{"fromCity": "Oslo"}"#)]));
        let vocabulary = Vocabulary::of([&own], 1);
        let all = [own.prompt.clone(), own.answer.clone()].concat();
        let tokens = vocabulary.encode(&all);
        assert!(tokens.iter().all(|token| (*token as usize) < vocabulary.len()));
        assert_eq!(vocabulary.decode(&tokens), all);
        assert_eq!(Vocabulary::of([&own], 9).encode(&[Piece::Word("oslo".into())]), [UNKNOWN]);
    }
}
