//! The back office in words: a closed vocabulary, and the grammar of calls over it.
//!
//! A prompt is `<begin> tool … <task> word … <go>`; an action `<act> tool parameter value … <end>`; an observation
//! `<seen> status member value …`. Every word is one token, numbers below 200 included.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use rec_core::json::Object;
use rec_core::{Json, ToolCall, ToolSpec};

use super::task::QUESTION_WORDS;
use super::tools::{DECOYS, Domain, USEFUL, USELESS};
use super::world::{
    CITIES, CURRENCIES, DEPOTS, EMPLOYEES, ITEMS, LABELS, NAMES, NUMBERS, ORDERS, SCOPES, TOKENS,
};
use crate::codec::ActionCodec;
use crate::env::{FINISH, Reply, Status};

const MARKS: [&str; 6] = ["<begin>", "<task>", "<go>", "<act>", "<end>", "<seen>"];
const PARAMETERS: [&str; 16] = [
    "@name", "@label", "@emp", "@item", "@city", "@depot", "@from", "@to", "@order", "@scope", "@token",
    "@amount", "@a", "@b", "@kind", "@value",
];
const MEMBERS: [&str; 16] = [
    "@query",
    "@currency",
    "@price",
    "@stock",
    "@fee",
    "@sum",
    "@refunded",
    "@text",
    "@weather",
    "none",
    "sun",
    "rain",
    "value",
    "give_up",
    "?",
    "...",
];
const STATUS: [(&str, Status); 13] = [
    ("ok", Status::Ok),
    ("no_such_tool", Status::NoSuchTool),
    ("bad_input", Status::BadInput),
    ("final_answer", Status::FinalAnswer),
    ("gave_up", Status::GiveUp),
    ("timeout", Status::Timeout),
    ("not_working", Status::NotWorking),
    ("unauthorised", Status::Unauthorised),
    ("unsubscribed", Status::Unsubscribed),
    ("busy", Status::TooManyRequests),
    ("rate_limit", Status::RateLimit),
    ("message_error", Status::MessageError),
    ("request_error", Status::RequestError),
];

#[derive(Debug)]
struct Vocabulary {
    words: Vec<String>,
    places: HashMap<String, u32>,
}

static VOCABULARY: LazyLock<Arc<Vocabulary>> = LazyLock::new(|| {
    let mut words: Vec<String> = Vec::new();
    let mut extend = |more: &mut dyn Iterator<Item = String>| words.extend(more);
    let own = |list: &'static [&'static str]| list.iter().map(|&word| word.to_owned());
    extend(&mut own(&MARKS));
    extend(&mut own(&USEFUL).chain(own(&USELESS)).chain([FINISH.to_owned()]));
    extend(&mut DECOYS.iter().flat_map(|(name, unseen, _)| [(*name).to_owned(), (*unseen).to_owned()]));
    extend(&mut own(&PARAMETERS).chain(own(&MEMBERS)));
    extend(&mut STATUS.iter().map(|(word, _)| (*word).to_owned()));
    extend(&mut own(&QUESTION_WORDS));
    extend(
        &mut own(&NAMES).chain(own(&LABELS)).chain(own(&CITIES)).chain(own(&CURRENCIES)).chain(own(&SCOPES)),
    );
    // An order that is placed has the next number.
    for (prefix, count) in [("e", EMPLOYEES), ("i", ITEMS), ("d", DEPOTS), ("o", ORDERS + 1), ("k", TOKENS)] {
        extend(&mut (0..count).map(|at| format!("{prefix}{at}")));
    }
    extend(&mut (0..NUMBERS).map(|number| number.to_string()));
    let places = words.iter().enumerate().map(|(at, word)| (word.clone(), at as u32)).collect();
    Arc::new(Vocabulary { words, places })
});

fn place(word: &str) -> Option<u32> {
    VOCABULARY.places.get(word).copied()
}

/// The place of a word that is in the vocabulary by construction; `?` for any other.
fn known(word: &str) -> u32 {
    place(word).or_else(|| place("?")).unwrap_or_default()
}

fn value_word(value: &Json) -> Option<u32> {
    match value {
        Json::String(text) => place(text),
        Json::Number(number) => place(&number.to_string()),
        _ => None,
    }
}

/// The values of a domain.
pub(super) fn words_of(domain: Domain) -> Vec<Json> {
    let words = |list: &[&str]| list.iter().map(|&word| Json::from(word)).collect();
    let ids = |prefix: &str, count| (0..count).map(|at| Json::from(format!("{prefix}{at}"))).collect();
    match domain {
        Domain::Name => words(&NAMES),
        Domain::Label => words(&LABELS),
        Domain::Employee => ids("e", EMPLOYEES),
        Domain::Item => ids("i", ITEMS),
        Domain::City => words(&CITIES),
        Domain::Depot => ids("d", DEPOTS),
        Domain::Currency => words(&CURRENCIES),
        Domain::Order => ids("o", ORDERS + 1),
        Domain::Scope => words(&SCOPES),
        Domain::Token => ids("k", TOKENS),
        Domain::Number => (0..NUMBERS).map(Json::from).collect(),
        Domain::Kind => words(&["value", "give_up"]),
        Domain::Anything => {
            [Domain::City, Domain::Number, Domain::Order, Domain::Label, Domain::Name, Domain::Depot]
                .into_iter()
                .flat_map(words_of)
                .collect()
        }
    }
}

/// The codec of the back office.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackofficeCodec;

impl BackofficeCodec {
    /// The word of a token.
    pub fn word(token: u32) -> &'static str {
        VOCABULARY.words.get(token as usize).map_or("?", String::as_str)
    }

    /// The words of tokens, with blanks between them.
    pub fn text(tokens: &[u32]) -> String {
        tokens.iter().map(|&token| Self::word(token)).collect::<Vec<_>>().join(" ")
    }
}

fn parameters(tool: &ToolSpec) -> impl Iterator<Item = &String> {
    tool.parameters.get("properties").and_then(Json::as_object).into_iter().flat_map(|members| members.keys())
}

fn is_required(tool: &ToolSpec, name: &str) -> bool {
    let required = tool.parameters.get("required").and_then(Json::as_array).unwrap_or_default();
    required.iter().any(|required| required.as_str() == Some(name))
}

impl ActionCodec for BackofficeCodec {
    fn vocabulary(&self) -> usize {
        VOCABULARY.words.len()
    }

    fn end(&self) -> u32 {
        known("<end>")
    }

    fn prompt(&self, query: &str, tools: &[ToolSpec]) -> Vec<u32> {
        let mut tokens = vec![known("<begin>")];
        tokens.extend(tools.iter().map(|tool| known(&tool.name)));
        tokens.push(known("<task>"));
        tokens.extend(query.split(' ').map(known));
        tokens.push(known("<go>"));
        tokens
    }

    fn action(&self, call: &ToolCall) -> Option<Vec<u32>> {
        let mut tokens = vec![known("<act>"), place(&call.name)?];
        for (name, value) in call.arguments.as_object()? {
            tokens.extend([place(&format!("@{name}"))?, value_word(value)?]);
        }
        tokens.push(self.end());
        Some(tokens)
    }

    fn read_action(&self, tokens: &[u32]) -> ToolCall {
        let tokens = tokens.strip_suffix(&[self.end()]).unwrap_or(tokens);
        let broken = |name: &str| ToolCall::new("", name, Self::text(tokens).into());
        let [act, tool, rest @ ..] = tokens else { return broken("") };
        let name = Self::word(*tool);
        if *act != known("<act>") || !rest.len().is_multiple_of(2) {
            return broken(name);
        }
        let mut members = Object::new();
        for pair in rest.chunks_exact(2) {
            let (Some(parameter), word) = (Self::word(pair[0]).strip_prefix('@'), Self::word(pair[1])) else {
                return broken(name);
            };
            let value = word.parse::<i64>().map_or_else(|_| Json::from(word), Json::from);
            members.insert(parameter.to_owned(), value);
        }
        ToolCall::new("", name, members.into())
    }

    fn reply(&self, reply: &Reply) -> Vec<u32> {
        let status = STATUS.iter().find(|(_, status)| *status == reply.status).map_or("?", |(word, _)| word);
        let mut tokens = vec![known("<seen>"), known(status)];
        match &reply.response {
            Json::Object(members) => {
                for (name, value) in members {
                    tokens.extend([
                        known(&format!("@{name}")),
                        value_word(value).unwrap_or_else(|| known("?")),
                    ]);
                }
            }
            Json::Null => {}
            // What is left of a reply that was cut.
            _ => tokens.push(known("...")),
        }
        tokens
    }

    /// `<act>`, a tool on offer, its parameters in their order with values of their kinds, `<end>`.
    fn allowed(&self, tools: &[ToolSpec], written: &[u32]) -> Option<Vec<u32>> {
        let tool = |token: u32| tools.iter().find(|tool| tool.name == Self::word(token));
        let mut allowed = match written {
            [] => vec![known("<act>")],
            [_] => tools.iter().filter_map(|tool| place(&tool.name)).collect(),
            [_, name, rest @ ..] => {
                let tool = tool(*name)?;
                if rest.len() % 2 == 1 {
                    let parameter = Self::word(rest[rest.len() - 1]).trim_start_matches('@');
                    words_of(Domain::of(parameter)).iter().filter_map(value_word).collect()
                } else {
                    let left: Vec<&String> = parameters(tool).skip(rest.len() / 2).collect();
                    let mut next: Vec<u32> =
                        left.first().and_then(|name| place(&format!("@{name}"))).into_iter().collect();
                    if left.iter().all(|name| !is_required(tool, name)) {
                        next.push(self.end());
                    }
                    next
                }
            }
        };
        allowed.sort_unstable();
        allowed.dedup();
        Some(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Backoffice, TaskConfig, random_call};
    use super::*;
    use rec_core::random::stream;

    #[test]
    fn every_word_is_there_once() {
        assert_eq!(VOCABULARY.words.len(), VOCABULARY.places.len());
        assert!(VOCABULARY.words.len() <= 512, "{}", VOCABULARY.words.len());
    }

    #[test]
    fn calls_survive_tokens_and_keep_to_the_grammar() {
        let office = Backoffice::new(0.0).unwrap();
        let codec = BackofficeCodec;
        let mut rng = stream(5, "test", 0);
        for index in 0..200 {
            let task = office.task(&TaskConfig::default(), index).unwrap();
            assert!(
                codec.prompt(&task.query, &task.tools).iter().all(|&token| token != known("?")),
                "{}",
                task.query
            );
            let call = random_call(&task, &mut rng);
            let tokens = codec.action(&call).unwrap();
            assert_eq!(codec.read_action(&tokens), call);
            for at in 0..tokens.len() {
                let allowed = codec.allowed(&task.tools, &tokens[..at]).unwrap();
                assert!(allowed.contains(&tokens[at]), "{call:?} at {at}");
            }
        }
    }

    #[test]
    fn broken_tokens_are_calls_that_are_refused() {
        let codec = BackofficeCodec;
        for words in [
            &["<end>"][..],
            &["<act>"],
            &["<go>", "add"],
            &["<act>", "add", "@a"],
            &["<act>", "add", "5", "@a"],
        ] {
            let tokens: Vec<u32> = words.iter().map(|word| known(word)).collect();
            let call = codec.read_action(&tokens);
            assert!(call.name.is_empty() || call.arguments.as_str().is_some(), "{call:?}");
        }
        assert_eq!(codec.read_action(&[]).name, "");
    }
}
