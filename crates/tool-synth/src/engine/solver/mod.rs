//! The offline assistant: reads messages and tools as a model does, and decides.
//!
//! It ranks tools lexically (BM25 and the words of their names), fills slots by what values look like and which words announce
//! them, defers calls that need a result, asks for what is missing and abstains where no tool fits. It knows English, the
//! calendar and some geography (`lexicon`), and neither the generator's grammar nor any goal.

mod chat;
mod compose;
mod extract;
mod lexicon;
mod mention;
mod parameters;
mod rank;

use rand::RngExt;
use rec_core::json::Object;
use rec_core::random::{Random, stream};
use rec_core::tool::call_text;
use rec_core::{Json, Message, Role, ToolCall, ToolSpec};

use self::extract::{Filled, extract};
use self::lexicon::Verbs;
use self::mention::{Token, tokens};
use self::parameters::Expected;
use self::rank::{Fit, Known, query, rank};
use super::action::{Decision, Origin, render};
use crate::schema::{self, put};
use crate::tss::join_and;

pub(crate) use self::lexicon::{MONTHS, words_of};

/// Below this a tool does not fit.
const THRESHOLD: f64 = 0.42;
/// Two tools that are nearer than this cannot be told apart.
const MARGIN: f64 = 0.004;

/// One request in a message, and what it comes to.
struct Wanted {
    tool: usize,
    tokens: Vec<Token>,
    score: f64,
    rival: f64,
}

/// A call that is ready, or what it lacks.
enum Planned {
    Ready(ToolCall, Vec<Origin>),
    /// The parameter that a result will give, and the rest.
    Deferred,
    Missing(String, Vec<String>),
}

/// The assistant's next message. `noise` is the width of the errors that are made on purpose: votes of several seeds differ
/// where the solver is unsure.
pub fn solve(messages: &[Message], tools: &[ToolSpec], noise: f64, seed: u64) -> String {
    let mut random = stream(seed, "solver", 0);
    let verbs = Verbs::of(tools);
    let known: Vec<Known<'_>> = tools.iter().map(|tool| Known::new(tool, &verbs)).collect();
    let (text, done, results) = current(messages);
    let last = messages.iter().rev().find(|message| message.role == Role::User);
    let last = last.map_or("", |message| message.content.as_str());
    let wanted = requests(&text, &known, &verbs, noise, &mut random);
    if wanted.is_empty() {
        let decision = Decision::default();
        return render(&decision, &chat::answer(last, tools));
    }
    if let Some(unsure) = wanted.iter().find(|wanted| wanted.score - wanted.rival < MARGIN) {
        let decision = Decision { need_tool: true, ..Decision::default() };
        let name = compose::offer(&tools[unsure.tool]);
        return render(
            &decision,
            &format!("I have several tools that could do this. Do you want me to {name}?"),
        );
    }
    let mut planned: Vec<(usize, Planned)> = Vec::new();
    for request in &wanted {
        let tool = &known[request.tool];
        for plan in plan(request, tool, &results, noise, &mut random, !planned.is_empty()) {
            planned.push((request.tool, plan));
        }
    }
    let mut decision = Decision {
        need_tool: true,
        apis: planned.iter().map(|(tool, _)| tools[*tool].name.clone()).collect(),
        ..Decision::default()
    };
    let missing: Vec<(&usize, &String, &Vec<String>)> = planned
        .iter()
        .filter_map(|(tool, plan)| match plan {
            Planned::Missing(title, names) => Some((tool, title, names)),
            _ => None,
        })
        .collect();
    if let Some((tool, title, _)) = missing.first() {
        decision.missing = missing.iter().flat_map(|(_, _, names)| (*names).clone()).collect();
        return render(&decision, &compose::ask(&tools[**tool], title));
    }
    let mut calls = Vec::new();
    let mut matched: Vec<bool> = vec![false; done.len()];
    for (_, plan) in planned {
        if let Planned::Ready(call, origins) = plan {
            let key = call.canonical();
            if let Some(at) = (0..done.len()).find(|at| !matched[*at] && done[*at].canonical() == key) {
                matched[at] = true;
                continue;
            }
            decision.args.extend(origins);
            calls.push(call);
        }
    }
    if calls.is_empty() {
        decision.args.clear();
        let answer = compose::summary(messages, tools);
        return render(&decision, &answer);
    }
    match call_text::write(&calls) {
        Ok(text) => render(&decision, &text),
        Err(error) => render(&decision, &format!("I cannot call the tool: {error}.")),
    }
}

/// The user's text that is still to be answered, the calls made for it, and all results so far with the tools they come from.
fn current(messages: &[Message]) -> (String, Vec<&ToolCall>, Vec<(&str, Json)>) {
    let mut start = 0;
    let mut last_user = None;
    for (at, message) in messages.iter().enumerate() {
        match message.role {
            Role::User => last_user = Some(at),
            // What is answered is over; a question is not.
            Role::Assistant
                if message.tool_calls.is_empty()
                    && !message.content.trim_end().ends_with('?')
                    && at + 1 < messages.len() =>
            {
                start = at + 1;
            }
            _ => {}
        }
    }
    let open = &messages[start.min(last_user.unwrap_or(0))..];
    let said: Vec<&str> = open
        .iter()
        .filter(|message| message.role == Role::User)
        .map(|message| message.content.as_str())
        .collect();
    let done = open.iter().flat_map(|message| &message.tool_calls).collect();
    let calls: Vec<&ToolCall> = messages.iter().flat_map(|message| &message.tool_calls).collect();
    let results = messages
        .iter()
        .filter(|message| message.role == Role::Tool)
        .filter_map(|message| {
            let id = message.tool_call_id.as_deref().unwrap_or_default();
            let name = calls.iter().find(|call| call.id == id).map(|call| call.name.as_str());
            Some((name.or(message.name.as_deref()).unwrap_or_default(), message.content.parse().ok()?))
        })
        .collect();
    (said.join(" "), done, results)
}

/// Cuts a text into requests; what asks for nothing belongs to the request before it.
fn requests(text: &str, tools: &[Known<'_>], verbs: &Verbs, noise: f64, random: &mut Random) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for clause in clauses(tokens(text)) {
        let (words, verb) = query(&clause, verbs);
        let fits = if words.is_empty() { Vec::new() } else { ranked(&clause, tools, verbs, noise, random) };
        // A clause without a verb of its own tells more of the request before it.
        let continues = verb.is_none() && !wanted.is_empty();
        match fits.first().filter(|best| best.named && best.score >= THRESHOLD && !continues) {
            Some(best) => wanted.push(Wanted {
                tool: best.tool,
                tokens: clause,
                score: best.score,
                rival: fits.get(1).filter(|rival| rival.named).map_or(0.0, |rival| rival.score),
            }),
            None => {
                if let Some(before) = wanted.last_mut() {
                    before.tokens.extend(tokens(";"));
                    before.tokens.extend(clause);
                }
            }
        }
    }
    wanted
}

fn ranked(clause: &[Token], tools: &[Known<'_>], verbs: &Verbs, noise: f64, random: &mut Random) -> Vec<Fit> {
    let fill = |at: usize| {
        let parameters = &tools[at].parameters;
        let required = parameters.iter().filter(|parameter| parameter.required).count();
        let found = extract(clause, parameters, 0.0, &mut stream(0, "fill", 0))
            .iter()
            .filter(|filled| parameters[filled.parameter].required)
            .count();
        if required == 0 { 0.5 } else { found as f64 / required as f64 }
    };
    let mut fits = rank(clause, tools, verbs, fill);
    if noise > 0.0 {
        for fit in &mut fits {
            fit.score += random.random_range(-noise..noise) * 0.3;
        }
        fits.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    fits
}

fn clauses(tokens: Vec<Token>) -> Vec<Vec<Token>> {
    let mut out: Vec<Vec<Token>> = vec![Vec::new()];
    let mut iter = tokens.into_iter().peekable();
    while let Some(token) = iter.next() {
        let ends = !token.quoted && matches!(token.text.as_str(), "." | "?" | "!" | ";");
        let splits = token.lower == "and"
            && iter.peek().is_some_and(|next| matches!(next.lower.as_str(), "then" | "also"));
        if ends || splits {
            out.push(Vec::new());
        } else if let Some(last) = out.last_mut() {
            last.push(token);
        }
    }
    out.retain(|clause| !clause.is_empty());
    out
}

/// What one request comes to: a call, or several if an enumeration was given where one value is taken.
fn plan(
    request: &Wanted,
    tool: &Known<'_>,
    results: &[(&str, Json)],
    noise: f64,
    random: &mut Random,
    follows: bool,
) -> Vec<Planned> {
    let filled = extract(&request.tokens, &tool.parameters, noise, random);
    let mut resolved: Vec<(usize, Json)> = Vec::new();
    let mut missing: Vec<usize> = Vec::new();
    for (at, parameter) in tool.parameters.iter().enumerate() {
        if !parameter.required
            || parameter.schema.get("default").is_some()
            || filled.iter().any(|filled| filled.parameter == at)
        {
            continue;
        }
        let reference = reference(&request.tokens);
        // Identifiers are codes, or numbers that are called so.
        let names_one = matches!(parameter.expected, Expected::Code)
            || (matches!(parameter.expected, Expected::Integer)
                && parameter.name.last().is_some_and(|word| word == "id"));
        let taken = names_one.then_some(reference).flatten();
        match taken {
            Some(which) => match resolve(parameter, which, results) {
                Some(value) => resolved.push((at, value)),
                None if follows => return vec![Planned::Deferred],
                None => missing.push(at),
            },
            None => missing.push(at),
        }
    }
    if !missing.is_empty() {
        let titles: Vec<String> =
            missing.iter().map(|at| format!("the {}", tool.parameters[*at].title())).collect();
        let names = missing.iter().map(|at| tool.parameters[*at].path.join(".")).collect();
        return vec![Planned::Missing(join_and(&titles), names)];
    }
    let count = filled.iter().map(|filled| filled.values.len()).max().unwrap_or(1).max(1);
    (0..count)
        .map(|index| {
            let mut arguments = Object::new();
            let mut origins = Vec::new();
            for (at, parameter) in tool.parameters.iter().enumerate() {
                let from_text = filled.iter().find(|filled| filled.parameter == at).map(|filled: &Filled| {
                    // What is given once holds for all calls.
                    (
                        filled.values.get(index).unwrap_or(&filled.values[filled.values.len() - 1]).clone(),
                        "user",
                    )
                });
                let from_result = || {
                    resolved
                        .iter()
                        .find(|(known, _)| *known == at)
                        .map(|(_, value)| (value.clone(), "result"))
                };
                if let Some((value, origin)) = from_text.or_else(from_result) {
                    origins.push(Origin {
                        name: parameter.path.join("."),
                        value: value.clone(),
                        origin: origin.to_owned(),
                    });
                    put(&mut arguments, &parameter.path, value);
                }
            }
            Planned::Ready(ToolCall::new("", tool.spec.name.as_str(), Json::Object(arguments)), origins)
        })
        .collect()
}

/// Which of several results is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reference {
    Place(usize),
    Cheapest,
    BestRated,
    Last,
}

fn reference(tokens: &[Token]) -> Option<Reference> {
    let has = |word: &str| tokens.iter().any(|token| !token.quoted && token.lower == word);
    if has("cheapest") {
        return Some(Reference::Cheapest);
    }
    if has("best-rated") {
        return Some(Reference::BestRated);
    }
    for (place, word) in ["first", "second", "third"].into_iter().enumerate() {
        if has(word) {
            return Some(Reference::Place(place));
        }
    }
    let pronoun = has("it")
        || has("one")
        || tokens.windows(2).any(|pair| pair[0].lower == "that" && !mention::is_mark(&pair[1]));
    pronoun.then_some(Reference::Last)
}

/// The value of a parameter out of the results, the latest first.
fn resolve(parameter: &parameters::Parameter, which: Reference, results: &[(&str, Json)]) -> Option<Json> {
    let words = words_of(parameter.path.last()?);
    let member = |record: &Json| -> Option<Json> {
        let mut members = record.as_object().into_iter().flatten();
        members.find(|(name, _)| words_of(name) == words).map(|(_, value)| value.clone())
    };
    for (_, result) in results.iter().rev() {
        let list = result.as_object().into_iter().flatten().find_map(|(_, value)| {
            value.as_array().filter(|items| items.iter().any(|item| member(item).is_some()))
        });
        let record = match list {
            Some(list) => {
                let figure = |word: &str, record: &Json| {
                    record.as_object().into_iter().flatten().find_map(|(name, value)| {
                        words_of(name).iter().any(|part| part == word).then(|| value.as_f64()).flatten()
                    })
                };
                let by = |word: &str, sign: f64| {
                    list.iter().filter(|record| figure(word, record).is_some()).min_by(|a, b| {
                        let key = |record: &Json| sign * figure(word, record).unwrap_or(0.0);
                        key(a).total_cmp(&key(b))
                    })
                };
                match which {
                    Reference::Cheapest => by("price", 1.0)?,
                    Reference::BestRated => by("rating", -1.0)?,
                    Reference::Place(place) => list.get(place)?,
                    Reference::Last => list.first()?,
                }
            }
            None => result,
        };
        if let Some(value) =
            member(record).filter(|value| schema::violations(value, &parameter.schema).is_empty())
        {
            return Some(value);
        }
    }
    None
}
