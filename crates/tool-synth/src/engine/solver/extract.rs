//! Slot extraction: which of the mentioned values belongs to which parameter.

use rand::RngExt;
use rec_core::Json;
use rec_core::random::Random;

use super::lexicon::{self, ROLES, stem};
use super::mention::{Mention, Token, Value, currency, is_boundary, is_capitalised, is_mark, mentions};
use super::parameters::{Expected, Parameter};
use crate::schema;

/// What was found for a parameter.
#[derive(Clone, Debug)]
pub struct Filled {
    /// Index into the parameters.
    pub parameter: usize,
    /// The value; several for a parameter that takes one mean several calls.
    pub values: Vec<Json>,
}

/// How sure the solver must be of an optional parameter.
const SURE: f64 = 1.0;
/// How sure of a required one.
const PLAUSIBLE: f64 = 0.25;

/// Fills what can be filled. `noise` is the width of the errors that are made on purpose, so that votes differ.
pub fn extract(tokens: &[Token], parameters: &[Parameter], noise: f64, random: &mut Random) -> Vec<Filled> {
    let listed: Vec<String> = parameters
        .iter()
        .filter(|parameter| matches!(parameter.expected, Expected::Pairs(..)))
        .flat_map(|parameter| parameter.name.iter().cloned())
        .collect();
    let mentions = mentions(tokens, &listed);
    let mut scored: Vec<(f64, usize, usize, Json)> = Vec::new();
    for (at, parameter) in parameters.iter().enumerate() {
        if matches!(parameter.expected, Expected::Enum(_) | Expected::Flag) {
            continue;
        }
        for (index, mention) in mentions.iter().enumerate() {
            if let Some((value, base)) = read(parameter, mention, tokens) {
                let jitter = if noise > 0.0 { random.random_range(-noise..noise) } else { 0.0 };
                let score = base + cue(parameter, &mentions, index, tokens) + jitter;
                scored.push((score, at, index, value));
            }
        }
    }
    // Stable: of equal scores the first parameter gets the first mention.
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut out: Vec<Filled> = Vec::new();
    let mut taken = vec![false; mentions.len()];
    for (score, at, index, value) in &scored {
        let parameter = &parameters[*at];
        let least = if parameter.required { PLAUSIBLE } else { SURE };
        if taken[*index] || *score < least || out.iter().any(|filled| filled.parameter == *at) {
            continue;
        }
        taken[*index] = true;
        let mut values = vec![value.clone()];
        let mut last = *index;
        while let Some((next, value)) = following(parameter, &mentions, last, tokens, &taken) {
            taken[next] = true;
            values.push(value);
            last = next;
        }
        let mut first = *index;
        // The surest of an enumeration need not be its first.
        while let Some((before, value)) = preceding(parameter, &mentions, first, tokens, &taken) {
            taken[before] = true;
            values.insert(0, value);
            first = before;
        }
        if parameter.many {
            values = vec![Json::Array(values)];
        }
        out.push(Filled { parameter: *at, values });
    }
    for (at, parameter) in parameters.iter().enumerate() {
        let found = match &parameter.expected {
            Expected::Enum(values) => enumerated(parameter, values, tokens),
            Expected::Flag => flag(parameter, tokens),
            _ => None,
        };
        if let Some((value, score, _)) = found {
            let jitter = if noise > 0.0 { random.random_range(-noise..noise) } else { 0.0 };
            let least = if parameter.required { PLAUSIBLE } else { SURE };
            if score + jitter >= least {
                out.push(Filled { parameter: at, values: vec![value] });
            }
        }
    }
    out.sort_by_key(|filled| filled.parameter);
    out
}

fn joined(tokens: &[Token], from: usize, to: usize) -> bool {
    from < to && tokens[from..to].iter().all(|token| token.text == "," || token.lower == "and")
}

fn following(
    parameter: &Parameter,
    mentions: &[Mention],
    at: usize,
    tokens: &[Token],
    taken: &[bool],
) -> Option<(usize, Json)> {
    let next = mentions.get(at + 1).filter(|_| !taken[at + 1])?;
    if !joined(tokens, mentions[at].end, next.start) {
        return None;
    }
    alike(parameter, &mentions[at], next, tokens).map(|value| (at + 1, value))
}

fn preceding(
    parameter: &Parameter,
    mentions: &[Mention],
    at: usize,
    tokens: &[Token],
    taken: &[bool],
) -> Option<(usize, Json)> {
    let before = at.checked_sub(1).filter(|before| !taken[*before])?;
    if !joined(tokens, mentions[before].end, mentions[at].start) {
        return None;
    }
    alike(parameter, &mentions[at], &mentions[before], tokens).map(|value| (before, value))
}

/// The value of `other` if it is of the sort of `one`: an enumeration does not mix quotations and words.
fn alike(parameter: &Parameter, one: &Mention, other: &Mention, tokens: &[Token]) -> Option<Json> {
    let same = std::mem::discriminant(&one.value) == std::mem::discriminant(&other.value);
    let nested = matches!(one.value, Value::Pairs(_) | Value::Rows(_) | Value::Week(_));
    if !same || nested {
        return None;
    }
    read(parameter, other, tokens).map(|(value, _)| value)
}

/// The mention as a value of the parameter, and how much its look alone says.
fn read(parameter: &Parameter, mention: &Mention, tokens: &[Token]) -> Option<(Json, f64)> {
    let fits = |value: Json, base: f64| {
        schema::violations(&value, parameter.item()).is_empty().then_some((value, base))
    };
    match (&parameter.expected, &mention.value) {
        (Expected::Integer, Value::Number(number)) if *number == number.trunc() => {
            fits(Json::from(*number as i64), 0.0)
        }
        (Expected::Number, Value::Number(number)) => fits(Json::from(*number), 0.0),
        (Expected::Date, Value::Date(date)) => fits(Json::from(date.as_str()), 1.0),
        (Expected::Time, Value::Time(time)) => fits(Json::from(time.as_str()), 1.0),
        (Expected::Code, Value::Code(code)) => fits(Json::from(code.as_str()), 1.5),
        (Expected::Pairs(name, count), Value::Pairs(pairs)) => {
            let item = |(text, number): &(String, i64)| -> Json {
                [(name.as_str(), Json::from(text.as_str())), (count.as_str(), Json::from(*number))]
                    .into_iter()
                    .collect()
            };
            fits(Json::Array(pairs.iter().map(item).collect()), 1.5)
        }
        (Expected::Rows, Value::Rows(rows)) => {
            let row = |row: &Vec<f64>| Json::Array(row.iter().map(|cell| Json::from(*cell)).collect());
            fits(Json::Array(rows.iter().map(row).collect()), 1.5)
        }
        (Expected::Week(open, close), Value::Week(days)) => {
            let hours = |from: &str, to: &str| -> Json {
                [(open.as_str(), from), (close.as_str(), to)].into_iter().collect()
            };
            let week: Json = days.iter().map(|(day, from, to)| (day.as_str(), hours(from, to))).collect();
            fits(week, 1.5)
        }
        (Expected::Currency, Value::Text(_)) => {
            let start = (mention.start..mention.end).find(|at| currency(tokens, *at).is_some())?;
            // The head of a request is no value: "convert euros".
            let (code, _) = currency(tokens, start)?;
            fits(Json::from(code), 1.0)
        }
        (Expected::Text, Value::Quoted(text)) => fits(Json::from(text.as_str()), 0.5),
        (Expected::Code, Value::Quoted(text)) => fits(Json::from(text.as_str()), 0.0),
        (
            Expected::Text | Expected::City | Expected::Country | Expected::Person | Expected::Language,
            Value::Text(_),
        ) => {
            let (text, capital) = content(parameter, mention, tokens)?;
            let lower = text.to_lowercase();
            let country = lexicon::COUNTRIES.contains(&lower.as_str());
            let language = lexicon::LANGUAGES.contains(&lower.as_str());
            let words = text.split(' ').count();
            let base = match &parameter.expected {
                Expected::Language if language => 1.5,
                Expected::Country if country => 1.0,
                Expected::City if capital && !country && !language => 0.5,
                Expected::Person if capital && words == 2 && !country && !language => 0.5,
                // A list may hold what looks like a place: last resort.
                Expected::Text if !language || parameter.many => {
                    if capital {
                        0.1
                    } else {
                        0.0
                    }
                }
                _ => return None,
            };
            fits(Json::from(text), base)
        }
        _ => None,
    }
}

/// The words of a mention without articles and what announces them: "the film Night Ferry" is "Night Ferry".
fn content(parameter: &Parameter, mention: &Mention, tokens: &[Token]) -> Option<(String, bool)> {
    // The first words of a request name what is wanted.
    if mention.start == 0
        || !(is_boundary(&tokens[mention.start - 1]) || tokens[mention.start - 1].text == ",")
    {
        return None;
    }
    let mut start = mention.start;
    while start < mention.end {
        let token = &tokens[start];
        let announces = !is_capitalised(token)
            && (parameter.name.contains(&token.stem) || parameter.about.contains(&token.stem));
        let article = matches!(token.lower.as_str(), "the" | "a" | "an" | "my" | "our");
        if (announces && start + 1 < mention.end) || article {
            start += 1;
        } else {
            break;
        }
    }
    let words = &tokens[start..mention.end];
    let capital = words.first().is_some_and(is_capitalised);
    // "in economy class": the end of a phrase that announces belongs to it too, but never all of it.
    let text: Vec<&str> = words.iter().map(|token| token.text.as_str()).collect();
    (!text.is_empty()).then(|| (text.join(" "), capital))
}

/// What the words around a mention say for a parameter.
fn cue(parameter: &Parameter, mentions: &[Mention], index: usize, tokens: &[Token]) -> f64 {
    let mention = &mentions[index];
    // Back to the value before it; words of a text mention before a number announce it ("a maximum price of 300").
    let mut from = mention.start.saturating_sub(6);
    if let Some(before) =
        mentions[..index].iter().rev().find(|before| !matches!(before.value, Value::Text(_)))
    {
        from = from.max(before.end);
    }
    if matches!(mention.value, Value::Text(_))
        && let Some(before) = index.checked_sub(1).map(|at| &mentions[at])
    {
        from = from.max(before.end);
    }
    if let Some(mark) = (from..mention.start).rev().find(|at| is_mark(&tokens[*at])) {
        from = mark + 1;
    }
    let mut hits: Vec<&str> = Vec::new();
    let mut score = 0.0;
    let mut count = |token: &Token, weight: f64, score: &mut f64| {
        if token.quoted {
            return;
        }
        for word in &parameter.name {
            if *word == token.stem && !hits.contains(&word.as_str()) {
                hits.push(word);
                *score += 2.0 * weight / parameter.name.len() as f64 + 0.5 * weight;
            }
        }
        if let Some(word) = parameter.about.get(&token.stem)
            && !hits.contains(&word.as_str())
        {
            hits.push(word);
            *score += 0.7 * weight;
        }
    };
    for token in &tokens[from..mention.start] {
        count(token, 1.0, &mut score);
    }
    // The announcing words at the head of a text mention itself.
    if matches!(mention.value, Value::Text(_)) {
        for token in tokens[mention.start..mention.end].iter().take_while(|token| !is_capitalised(token)) {
            count(token, 1.0, &mut score);
        }
        if tokens.get(mention.end).is_some_and(|token| token.lower == "as") {
            for token in tokens.iter().skip(mention.end + 1).take(2) {
                count(token, 1.5, &mut score);
            }
        }
    } else {
        for token in
            tokens[mention.end..].iter().take(2).take_while(|token| !is_boundary(token) && !is_mark(token))
        {
            count(token, 1.0, &mut score);
        }
    }
    if let Some(word) =
        tokens[from..mention.start].iter().rev().find(|token| is_boundary(token) && token.lower != "of")
        && let Some((_, roles)) = ROLES.iter().find(|(known, _)| *known == word.lower)
        && roles.iter().any(|role| {
            let role = stem(role);
            parameter.name.iter().chain(&parameter.about).any(|word| word.starts_with(&role))
        })
    {
        score += 1.2;
    }
    score
}

fn enumerated(parameter: &Parameter, values: &[String], tokens: &[Token]) -> Option<(Json, f64, usize)> {
    let mut best: Option<(Json, f64, usize)> = None;
    for value in values {
        let words: Vec<String> = value.to_lowercase().split([' ', '_', '-']).map(str::to_owned).collect();
        let mut at = 0;
        while at < tokens.len() {
            let Some(length) = spells(&tokens[at..], &words) else {
                at += 1;
                continue;
            };
            let end = at + length;
            let near =
                |token: &Token| parameter.name.contains(&token.stem) || parameter.about.contains(&token.stem);
            let before = tokens[..at].iter().rev().take(3).take_while(|token| !is_mark(token)).any(near);
            let after = tokens[end..].iter().take(2).take_while(|token| !is_mark(token)).any(near);
            let introduced = tokens[..at]
                .iter()
                .rev()
                .find(|token| !matches!(token.lower.as_str(), "a" | "an" | "the"))
                .is_some_and(|token| is_boundary(token) || token.lower == "and");
            let mut score = 0.6;
            if before || after {
                score += 0.8;
            }
            if introduced {
                score += 0.5;
            }
            if words.len() > 1 || words[0].contains('-') {
                score += 0.5;
            }
            // What is asked for comes first: the verb of an action, the adjective of an object.
            if at <= 6 && !introduced {
                score += 0.5;
            }
            if best.as_ref().is_none_or(|(_, known, _)| score > *known) {
                best = Some((Json::from(value.as_str()), score, at));
            }
            at = end;
        }
    }
    best
}

/// How many tokens spell the words.
fn spells(tokens: &[Token], words: &[String]) -> Option<usize> {
    if tokens
        .first()
        .is_some_and(|token| !token.quoted && token.lower.split('-').eq(words.iter().map(String::as_str)))
    {
        return Some(1);
    }
    (tokens.len() >= words.len()
        && tokens.iter().zip(words).all(|(token, word)| !token.quoted && token.lower == *word))
    .then_some(words.len())
}

fn flag(parameter: &Parameter, tokens: &[Token]) -> Option<(Json, f64, usize)> {
    let generic = ["only", "has", "is", "include", "with", "allow"].map(stem);
    let telling: Vec<&String> = parameter.name.iter().filter(|word| !generic.contains(word)).collect();
    let first = *telling.first()?;
    for (at, token) in tokens.iter().enumerate() {
        if token.quoted || token.stem != *first {
            continue;
        }
        let all = telling
            .iter()
            .enumerate()
            .all(|(offset, word)| tokens.get(at + offset).is_some_and(|token| token.stem == **word));
        if !all {
            continue;
        }
        let before =
            tokens[..at].iter().rev().find(|token| !matches!(token.lower.as_str(), "a" | "an" | "the"));
        let before = before.map_or("", |token| token.lower.as_str());
        let next = tokens.get(at + telling.len()).map_or("", |token| token.lower.as_str());
        if matches!(before, "without" | "no" | "not") {
            return Some((Json::from(false), 2.0, at));
        }
        if matches!(before, "with" | "are" | "is" | "be" | "including" | "include") || next == "only" {
            return Some((Json::from(true), 2.0, at));
        }
    }
    None
}
