//! Lexical ranking: which tool does a request ask for?

use std::collections::{HashMap, HashSet};

use rec_core::ToolSpec;

use super::lexicon::{Verbs, is_stop, stem, words_of};
use super::mention::{Token, is_boundary};
use super::parameters::{Expected, Parameter, parameters};

/// A tool, read.
pub struct Known<'a> {
    /// The tool.
    pub spec: &'a ToolSpec,
    /// Its leaves.
    pub parameters: Vec<Parameter>,
    /// Groups of the verbs in its name and description.
    verbs: HashSet<usize>,
    /// Whether the name begins with its verb; a "manage" tool has its verbs elsewhere.
    verb_in_name: Option<usize>,
    /// Stems of the nouns and adjectives of its name.
    nouns: Vec<String>,
    /// Stems of the description.
    about: HashSet<String>,
    /// How often each stem occurs, by weight of the place.
    counts: HashMap<String, f64>,
    length: f64,
}

/// Words of names that name nothing.
const EMPTY: &[&str] = &["type", "kind", "by", "v2", "v3", "v4", "manag", "id"];

impl<'a> Known<'a> {
    /// Reads a tool.
    pub fn new(spec: &'a ToolSpec, verbs_known: &Verbs) -> Self {
        // What stands before a point is a module.
        let (module, own) = spec.name.rsplit_once('.').unwrap_or(("", &spec.name));
        let name: Vec<String> =
            words_of(own).iter().filter(|word| !is_stop(word)).map(|word| stem(word)).collect();
        let description = words_of(&spec.description);
        let about: HashSet<String> =
            description.iter().filter(|word| !is_stop(word)).map(|word| stem(word)).collect();
        let first_verb = name.first().and_then(|word| verbs_known.group(word));
        let verb_in_name =
            first_verb.filter(|_| name.first().is_some_and(|word| !EMPTY.contains(&word.as_str())));
        let parameters = parameters(spec);
        let mut verbs: HashSet<usize> = verb_in_name.into_iter().collect();
        for parameter in &parameters {
            if let Expected::Enum(values) = &parameter.expected {
                verbs.extend(values.iter().filter_map(|value| verbs_known.group(&stem(value))));
            }
        }
        let nouns: Vec<String> = name
            .iter()
            .enumerate()
            .filter(|(at, word)| (*at > 0 || first_verb.is_none()) && !EMPTY.contains(&word.as_str()))
            .map(|(_, word)| word.clone())
            .collect();
        let mut counts: HashMap<String, f64> = HashMap::new();
        for word in &name {
            *counts.entry(word.clone()).or_default() += 3.0;
        }
        for word in about.iter().cloned().chain(words_of(module).iter().map(|word| stem(word))) {
            *counts.entry(word).or_default() += 2.0;
        }
        for parameter in &parameters {
            for word in parameter.name.iter().chain(&parameter.about) {
                *counts.entry(word.clone()).or_default() += 0.5;
            }
            if let Expected::Enum(values) = &parameter.expected {
                for word in values.iter().flat_map(|value| words_of(value)) {
                    *counts.entry(stem(&word)).or_default() += 1.0;
                }
            }
        }
        let length = counts.values().sum();
        Self { spec, parameters, verbs, verb_in_name, nouns, about, counts, length }
    }
}

/// How well a tool fits a request.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    /// Index of the tool.
    pub tool: usize,
    /// The higher the better; about 0 to 1.
    pub score: f64,
    /// Whether the request names what the tool is about.
    pub named: bool,
}

/// Stems of a request's words, and the group of its first verb.
pub fn query(tokens: &[Token], verbs: &Verbs) -> (Vec<String>, Option<usize>) {
    let mut words: Vec<String> = Vec::new();
    let mut verb = None;
    let mut searching = true;
    for token in tokens {
        // Verbs come before the first condition.
        searching &= !is_boundary(token)
            || matches!(token.lower.as_str(), "to" | "please" | "that" | "then" | "also" | "make" | "thanks");
        if token.quoted || is_stop(&token.lower) {
            continue;
        }
        if searching && verb.is_none() && words.is_empty() {
            verb = verbs.group(&token.stem);
            if verb.is_some() {
                continue;
            }
        } else if searching && verb.is_none() && words.len() <= 1 {
            // "Place an order": the verb says nothing, its object does.
            verb = verbs.group(&token.stem);
        }
        for part in token.lower.split('-') {
            if part.len() > 1 && part.bytes().all(|byte| !byte.is_ascii_digit()) {
                words.push(stem(part));
            }
        }
    }
    (words, verb)
}

/// The tools, best first.
pub fn rank(tokens: &[Token], tools: &[Known<'_>], verbs: &Verbs, filled: impl Fn(usize) -> f64) -> Vec<Fit> {
    let (words, verb) = query(tokens, verbs);
    let mean = tools.iter().map(|tool| tool.length).sum::<f64>() / tools.len().max(1) as f64;
    let unique: HashSet<&String> = words.iter().collect();
    // In a fixed order: sums of floats depend on it.
    let mut unique: Vec<&String> = unique.into_iter().collect();
    unique.sort_unstable();
    let idf: Vec<f64> = unique
        .iter()
        .map(|word| {
            let with = tools.iter().filter(|tool| tool.counts.contains_key(*word)).count() as f64;
            (1.0 + (tools.len() as f64 - with + 0.5) / (with + 0.5)).ln()
        })
        .collect();
    let mut fits: Vec<Fit> = tools
        .iter()
        .enumerate()
        .map(|(at, tool)| {
            let mut bm25 = 0.0;
            for (word, idf) in unique.iter().zip(&idf) {
                let count = tool.counts.get(*word).copied().unwrap_or(0.0);
                bm25 += idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * tool.length / mean.max(1.0)));
            }
            let hits = tool.nouns.iter().filter(|noun| words.contains(noun)).count();
            let cover = hits as f64 / tool.nouns.len().max(1) as f64;
            let about = words.iter().take(4).filter(|word| tool.about.contains(*word)).count();
            let same_verb = match (verb, tool.verb_in_name) {
                (Some(verb), Some(own)) if verb == own => 1.0,
                (Some(verb), _) if tool.verbs.contains(&verb) => 0.8,
                (None, _) => 0.3,
                _ => 0.0,
            };
            let named = hits > 0 || about > 0;
            let mut score = 0.3 * same_verb
                + 0.35 * cover
                + 0.04 * hits.min(4) as f64
                + 0.03 * about.min(3) as f64
                + 0.2 * bm25 / (bm25 + 2.0);
            if named {
                score += 0.12 * filled(at);
            }
            Fit { tool: at, score, named }
        })
        .collect();
    fits.sort_by(|a, b| b.score.total_cmp(&a.score));
    fits
}
