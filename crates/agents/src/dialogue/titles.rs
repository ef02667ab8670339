//! The titles that a message names: quoted, exact, or misspelt.

use rec_core::ItemId;

use super::DialogueState;
use super::lexicon::{decade, genres_of_word, number, year};
use super::tokens::{Word, quotes};
use super::vocabulary::{TITLE_CUE, is_everyday};
use crate::knowledge::Knowledge;
use crate::text::TitleMatch;

/// How alike a misspelt title has to be.
const MISSPELT: f32 = 0.78;

/// A title in the message: which words, which item.
pub(super) struct Mention {
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) item: ItemId,
}

/// The titles of the message: quoted text, the longest runs of words that are a title, and misspelt ones where a title is
/// to be expected.
pub(super) fn mentions(
    knowledge: &Knowledge,
    message: &str,
    words: &[Word],
    state: &mut DialogueState,
) -> Vec<Mention> {
    let mut found: Vec<Mention> = Vec::new();
    let mut used = vec![false; words.len()];
    for (start, end) in quotes(message) {
        let Some(first) = words.iter().position(|word| word.start >= start) else { continue };
        let end_word = words.iter().position(|word| word.start >= end).unwrap_or(words.len());
        if first >= end_word {
            continue;
        }
        used[first..end_word].fill(true);
        let written = &message[start..end];
        match knowledge.titles.find(written, 1).first() {
            Some(best) if best.likeness >= MISSPELT => {
                note_spelling(knowledge, state, written, best);
                found.push(Mention { first, end: end_word, item: best.item });
            }
            _ => state.unknown.push(written.trim().to_owned()),
        }
    }
    let longest = knowledge.titles.longest().min(12);
    let mut at = 0;
    while at < words.len() {
        let mut next = at + 1;
        for end in (at + 1..=words.len().min(at + longest)).rev() {
            if used[at..end].iter().any(|used| *used) {
                continue;
            }
            let key: Vec<&str> = words[at..end].iter().map(|word| word.text.as_str()).collect();
            // A year right after a title tells which one.
            let told = words.get(end).and_then(|word| year(&word.text));
            let Some(item) = knowledge.titles.exact(&key.join(" "), told) else { continue };
            if !is_meant(knowledge, message, words, at, end) {
                continue;
            }
            let mut end = end;
            if told.is_some() && knowledge.year(item) == told {
                end += 1;
            }
            used[at..end].fill(true);
            found.push(Mention { first: at, end, item });
            next = end;
            break;
        }
        at = next;
    }
    misspelt(knowledge, message, words, &mut used, &mut found, state);
    found.sort_by_key(|mention| mention.first);
    found
}

fn note_spelling(knowledge: &Knowledge, state: &mut DialogueState, written: &str, best: &TitleMatch) {
    if best.likeness < 1.0 {
        state.corrected.push((written.trim().to_owned(), knowledge.card(best.item).title));
    }
}

/// Whether words that happen to be a title are meant as one. Several words usually are; a single word is if it is written
/// like a name, or follows a cue and is no everyday word.
fn is_meant(knowledge: &Knowledge, message: &str, words: &[Word], first: usize, end: usize) -> bool {
    let span = &words[first..end];
    let capital = |word: &Word| message[word.start..].chars().next().is_some_and(char::is_uppercase);
    let everyday =
        |word: &Word| is_everyday(&word.text) || genres_of_word(&word.text, knowledge.genres()).is_some();
    let cue = first > 0 && TITLE_CUE.contains(&words[first - 1].text.as_str());
    let number = |word: &Word| word.text.bytes().all(|byte| byte.is_ascii_digit());
    if span.len() > 1 {
        let telling = span.iter().any(|word| !everyday(word) && !number(word));
        return telling || span.iter().filter(|word| capital(word)).count() * 2 > span.len();
    }
    let word = &span[0];
    if number(word) {
        // `2012` is a film and a year; `12` is a number of films.
        return false;
    }
    let begins = first == 0;
    if everyday(word) {
        return capital(word) && !begins && cue;
    }
    (capital(word) && !begins) || cue || words.len() <= 2
}

/// Runs of capitalised words, and what follows a cue to the end of its clause, compared with titles letter by letter.
fn misspelt(
    knowledge: &Knowledge,
    message: &str,
    words: &[Word],
    used: &mut [bool],
    found: &mut Vec<Mention>,
    state: &mut DialogueState,
) {
    let capital = |at: usize| message[words[at].start..].chars().next().is_some_and(char::is_uppercase);
    let mut at = 0;
    while at < words.len() {
        let cue = at > 0 && TITLE_CUE.contains(&words[at - 1].text.as_str()) && !used[at - 1];
        let starts = !used[at] && ((capital(at) && at > 0 && words[at].text.len() > 1) || cue);
        if !starts {
            at += 1;
            continue;
        }
        let by_capitals = capital(at);
        let mut end = at + 1;
        while end < words.len() && !used[end] && !words[end].after_break && end - at < 8 {
            let joins =
                ["of", "the", "and", "in", "a", "to", "for", "on"].contains(&words[end].text.as_str());
            if by_capitals && !capital(end) && !joins {
                break;
            }
            end += 1;
        }
        while end > at + 1 && by_capitals && !capital(end - 1) {
            end -= 1;
        }
        let mut best: Option<(TitleMatch, usize)> = None;
        for stop in (at + 1..=end).rev() {
            let written = &message[words[at].start..words[stop - 1].end];
            if words[at..stop].iter().all(|word| {
                is_everyday(&word.text) || genres_of_word(&word.text, knowledge.genres()).is_some()
            }) || written.chars().count() < 5
            {
                continue;
            }
            if let Some(found) = knowledge.titles.find(written, 1).first()
                && found.likeness >= MISSPELT
                && best.is_none_or(|(known, _)| found.likeness > known.likeness)
            {
                best = Some((*found, stop));
            }
        }
        match best {
            Some((title, stop)) => {
                let written = message[words[at].start..words[stop - 1].end].to_owned();
                note_spelling(knowledge, state, &written, &title);
                used[at..stop].fill(true);
                found.push(Mention { first: at, end: stop, item: title.item });
                at = stop;
            }
            None => {
                let telling = words[at..end].iter().any(|word| {
                    !is_everyday(&word.text)
                        && genres_of_word(&word.text, knowledge.genres()).is_none()
                        && number(&word.text).is_none()
                        && decade(&word.text).is_none()
                });
                let after_cue = at > 0 && TITLE_CUE[..12].contains(&words[at - 1].text.as_str());
                if by_capitals && telling && after_cue {
                    state.unknown.push(message[words[at].start..words[end - 1].end].to_owned());
                }
                at = if by_capitals { end } else { at + 1 };
            }
        }
    }
}
