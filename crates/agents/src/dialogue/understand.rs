//! From a message to intent and slots: titles, genres, years, numbers, what is liked and what is not. Rules over words, no
//! language model; what they do not understand stays [`Intent::Other`] and is answered by a question.

use rec_core::ItemId;

use super::lexicon::{decade, genres_of_word, number, ordinal, year};
use super::{DialogueState, Intent};
use crate::knowledge::Knowledge;
use crate::text::{TitleMatch, words};
use crate::{limits, untrusted};

/// How alike a misspelt title has to be.
const MISSPELT: f32 = 0.78;

const DISLIKE: &[&str] = &[
    "hate",
    "hated",
    "dislike",
    "disliked",
    "boring",
    "awful",
    "terrible",
    "worst",
    "bad",
    "avoid",
    "overrated",
];
const LIKE: &[&str] = &[
    "like",
    "liked",
    "love",
    "loved",
    "enjoy",
    "enjoyed",
    "favourite",
    "favorite",
    "favourites",
    "favorites",
    "great",
    "amazing",
    "adore",
    "adored",
    "fan",
    "best",
];
const NEGATION: &[&str] = &[
    "no", "not", "without", "dont", "didnt", "isnt", "wasnt", "nothing", "never", "except", "neither", "nor",
    "non",
];
const TITLE_CUE: &[&str] = &[
    "like",
    "liked",
    "love",
    "loved",
    "enjoy",
    "enjoyed",
    "hate",
    "hated",
    "dislike",
    "disliked",
    "about",
    "to",
    "watched",
    "saw",
    "seen",
    "is",
    "was",
    "recommend",
    "film",
    "movie",
    "films",
    "movies",
    "and",
    "or",
    "why",
    "favourite",
    "favorite",
];

/// A word of the message with its place in the text.
struct Word {
    text: String,
    start: usize,
    end: usize,
    /// Parted from the word before by a full stop, comma, colon or the like.
    after_break: bool,
}

fn tokens(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut start = None;
    let mut breaks = true;
    let mut close = |start: usize, end: usize, breaks: &mut bool| {
        if let Some(word) = words(&text[start..end]).into_iter().next() {
            found.push(Word { text: word, start, end, after_break: *breaks });
            *breaks = false;
        }
    };
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric() || matches!(c, '\'' | '’');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                close(from, at, &mut breaks);
                start = None;
                breaks |= matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '\n');
            }
            (false, None) => breaks |= matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '\n'),
            (true, Some(_)) => {}
        }
    }
    if let Some(from) = start {
        close(from, text.len(), &mut breaks);
    }
    found
}

/// A title in the message: which words, which item.
struct Mention {
    first: usize,
    end: usize,
    item: ItemId,
}

/// Takes the person's `message` into `state`.
pub fn understand(knowledge: &Knowledge, state: &DialogueState, message: &str) -> DialogueState {
    let message = untrusted::clip(&untrusted::clean(message), limits::MESSAGE);
    let words = tokens(&message);
    let mut next = state.clone();
    next.turn += 1;
    next.focus.clear();
    next.unknown.clear();
    next.corrected.clear();
    next.request.count = None;
    if is_reset(&words) {
        return DialogueState { turn: next.turn, intent: Intent::Reset, ..DialogueState::default() };
    }

    let mentions = mentions(knowledge, &message, &words, &mut next);
    let mut taken = vec![false; words.len()];
    for mention in &mentions {
        taken[mention.first..mention.end].fill(true);
    }
    let negated = negated(&words, &taken);
    let mut changed = read_genres(knowledge, &words, &taken, &negated, &mut next);
    changed |= read_years(knowledge, &words, &taken, &mut next);
    changed |= read_user(knowledge, &words, &mut taken, &mut next);
    read_count(&words, &taken, &mut next);
    let pointed = pointed(&words, &taken, &state.shown);

    let has = |list: &[&str]| {
        words.iter().zip(&taken).any(|(word, taken)| !taken && list.contains(&word.text.as_str()))
    };
    let joined = format!(" {} ", words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "));
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| joined.contains(&format!(" {phrase} ")));

    let asks_info = says(&[
        "tell me about",
        "what is",
        "whats",
        "who is in",
        "info on",
        "information about",
        "know about",
        "describe",
        "what about",
        "what kind of",
    ]);
    let asks_why = says(&["why", "how come", "explain", "what makes you"]);
    let asks_similar = says(&[
        "similar to",
        "something like",
        "anything like",
        "more like",
        "films like",
        "movies like",
        "film like",
        "movie like",
        "ones like",
        "similar",
        "in the style of",
        "such as",
        "reminds me of",
        "along the lines of",
    ]);
    let rejects = says(&[
        "seen it",
        "seen them",
        "seen that",
        "seen those",
        "seen all",
        "already seen",
        "already saw",
        "already watched",
        "not those",
        "not these",
        "none of",
        "not interested",
        "dont want",
        "not that",
        "no thanks",
        "not for me",
    ]);
    let asks_more =
        says(&["more", "another", "others", "other ones", "else", "next", "different ones", "again"]);
    let asks = has(&[
        "recommend",
        "suggest",
        "suggestion",
        "suggestions",
        "recommendation",
        "recommendations",
        "want",
        "need",
        "show",
        "find",
        "give",
        "looking",
        "watch",
        "mood",
        "any",
        "something",
        "list",
        "which",
        "top",
    ]);

    let id = |item: &ItemId| knowledge.dataset.items.token(item.0).to_owned();
    for item in mentions.iter().map(|mention| id(&mention.item)).chain(pointed.iter().cloned()) {
        if !next.focus.contains(&item) {
            next.focus.push(item);
        }
    }
    let names_items = !next.focus.is_empty();

    let mut feedback = false;
    // A question about an item says nothing about liking it.
    if !asks_why && (!asks_info || asks_similar) {
        for mention in &mentions {
            let name = id(&mention.item);
            match sentiment(&words, &taken, &negated, mention) {
                Sentiment::Bad => feedback |= dislike(&mut next, &name),
                Sentiment::Good => feedback |= like(&mut next, &name),
                Sentiment::Seen => {
                    feedback = true;
                    exclude(&mut next, &name);
                }
            }
        }
        let turned =
            words.iter().zip(&negated).any(|(word, negated)| *negated && LIKE.contains(&word.text.as_str()));
        for name in &pointed {
            if rejects || has(DISLIKE) || turned {
                feedback |= dislike(&mut next, name);
            } else if has(LIKE) {
                feedback |= like(&mut next, name);
            }
        }
    }

    next.intent = if asks_why && (names_items || !state.shown.is_empty()) {
        Intent::Explain
    } else if asks_info && names_items && !asks_similar {
        Intent::Info
    } else if rejects && !state.shown.is_empty() && mentions.is_empty() && !changed {
        Intent::Reject
    } else if asks_similar && names_items {
        Intent::Similar
    } else if asks_more && !state.shown.is_empty() && !changed && !feedback {
        Intent::More
    } else if changed && !state.shown.is_empty() && !names_items {
        Intent::Filter
    } else if changed || (asks && (feedback || next.unknown.is_empty())) {
        Intent::Recommend
    } else if feedback {
        Intent::Feedback
    } else if says(&[
        "help",
        "what can you do",
        "how does this work",
        "how do you work",
        "what can i ask",
        "who are you",
    ]) {
        Intent::Help
    } else if says(&["thanks", "thank you", "bye", "goodbye", "cheers", "perfect", "thats all"]) {
        Intent::Thanks
    } else if has(&["hi", "hello", "hey", "hallo"])
        || says(&["good morning", "good evening", "good afternoon"])
    {
        Intent::Greet
    } else if asks_more && !state.shown.is_empty() {
        Intent::More
    } else if !mentions.is_empty() {
        Intent::Similar
    } else {
        Intent::Other
    };
    if next.intent == Intent::Reject {
        for item in state.shown.clone() {
            exclude(&mut next, &item);
        }
    }
    next
}

fn is_reset(words: &[Word]) -> bool {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    matches!(
        texts[..],
        ["reset"] | ["restart"] | ["start", "over"] | ["forget", "everything"] | ["new", "search"]
    )
}

fn like(state: &mut DialogueState, item: &str) -> bool {
    state.request.disliked.retain(|known| known != item);
    if !state.request.liked.iter().any(|known| known == item) {
        state.request.liked.push(item.to_owned());
    }
    exclude(state, item);
    true
}

fn dislike(state: &mut DialogueState, item: &str) -> bool {
    state.request.liked.retain(|known| known != item);
    if !state.request.disliked.iter().any(|known| known == item) {
        state.request.disliked.push(item.to_owned());
    }
    exclude(state, item);
    true
}

fn exclude(state: &mut DialogueState, item: &str) {
    if !state.request.exclude.iter().any(|known| known == item) {
        state.request.exclude.push(item.to_owned());
    }
}

/// The titles of the message: quoted text, the longest runs of words that are a title, and misspelt ones where a title is
/// to be expected.
fn mentions(knowledge: &Knowledge, message: &str, words: &[Word], state: &mut DialogueState) -> Vec<Mention> {
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

/// The places of text in quotation marks.
fn quotes(message: &str) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut open = None;
    for (at, c) in message.char_indices() {
        match (c, open) {
            ('"' | '“' | '”', None) => open = Some(at + c.len_utf8()),
            ('"' | '“' | '”', Some(start)) => {
                places.push((start, at));
                open = None;
            }
            _ => {}
        }
    }
    places
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

fn is_everyday(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "a",
        "about",
        "after",
        "again",
        "all",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "bad",
        "be",
        "before",
        "best",
        "big",
        "but",
        "by",
        "can",
        "could",
        "do",
        "else",
        "family",
        "film",
        "films",
        "first",
        "for",
        "from",
        "fun",
        "funny",
        "get",
        "give",
        "go",
        "good",
        "great",
        "happy",
        "has",
        "have",
        "he",
        "hello",
        "help",
        "her",
        "here",
        "hey",
        "hi",
        "him",
        "his",
        "how",
        "i",
        "if",
        "im",
        "in",
        "is",
        "it",
        "its",
        "just",
        "kids",
        "last",
        "less",
        "light",
        "like",
        "liked",
        "long",
        "look",
        "love",
        "loved",
        "made",
        "make",
        "maybe",
        "me",
        "more",
        "movie",
        "movies",
        "much",
        "my",
        "new",
        "next",
        "nice",
        "night",
        "no",
        "not",
        "now",
        "of",
        "off",
        "ok",
        "old",
        "on",
        "once",
        "one",
        "or",
        "other",
        "our",
        "out",
        "please",
        "really",
        "recent",
        "recommend",
        "same",
        "second",
        "see",
        "seen",
        "she",
        "short",
        "show",
        "similar",
        "so",
        "some",
        "something",
        "soon",
        "sure",
        "tell",
        "ten",
        "thanks",
        "that",
        "the",
        "them",
        "then",
        "there",
        "these",
        "they",
        "thing",
        "things",
        "this",
        "those",
        "three",
        "time",
        "to",
        "today",
        "tonight",
        "too",
        "top",
        "two",
        "up",
        "us",
        "very",
        "want",
        "was",
        "watch",
        "we",
        "weekend",
        "were",
        "what",
        "when",
        "which",
        "who",
        "why",
        "will",
        "with",
        "without",
        "would",
        "year",
        "yes",
        "you",
        "your",
        "hate",
    ];
    WORDS.contains(&word)
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

/// Which words stand under a negation: from the negation to the next break or `but`.
fn negated(words: &[Word], taken: &[bool]) -> Vec<bool> {
    let mut inside = false;
    let mut flags = Vec::with_capacity(words.len());
    for (word, taken) in words.iter().zip(taken) {
        let turns = ["but", "just", "only", "rather", "instead", "please"].contains(&word.text.as_str());
        if word.after_break || turns {
            inside = false;
        }
        if !taken && (NEGATION.contains(&word.text.as_str()) || DISLIKE.contains(&word.text.as_str())) {
            inside = true;
        }
        flags.push(inside);
    }
    flags
}

enum Sentiment {
    Good,
    Bad,
    Seen,
}

/// What the clause before (or right after) a title says of it.
fn sentiment(words: &[Word], taken: &[bool], negated: &[bool], mention: &Mention) -> Sentiment {
    let mut at = mention.first;
    let mut seen = false;
    while at > 0 {
        at -= 1;
        let text = words[at].text.as_str();
        if !taken[at] {
            if DISLIKE.contains(&text) {
                return Sentiment::Bad;
            }
            if LIKE.contains(&text) {
                return if negated[at] { Sentiment::Bad } else { Sentiment::Good };
            }
            if ["not", "except", "without"].contains(&text) {
                return Sentiment::Bad;
            }
            seen |= ["seen", "saw", "watched"].contains(&text);
            if text == "but" {
                break;
            }
        }
        if words[at].after_break && !["and", "or"].contains(&text) && !taken[at] {
            break;
        }
    }
    for (word, taken) in words[mention.end..].iter().zip(&taken[mention.end..]).take(6) {
        if *taken || word.after_break {
            break;
        }
        if DISLIKE.contains(&word.text.as_str()) {
            return Sentiment::Bad;
        }
    }
    if seen { Sentiment::Seen } else { Sentiment::Good }
}

fn read_genres(
    knowledge: &Knowledge,
    words: &[Word],
    taken: &[bool],
    negated: &[bool],
    state: &mut DialogueState,
) -> bool {
    let mut changed = false;
    let mut at = 0;
    let mut last_negated: Option<usize> = None;
    while at < words.len() {
        let mut step = 1;
        for length in [2, 1] {
            let end = at + length;
            if end > words.len() || taken[at..end].iter().any(|taken| *taken) {
                continue;
            }
            let text = words[at..end].iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            let Some(genre) = genres_of_word(&text, knowledge.genres()) else { continue };
            // In `no horror, war or drama` the negation holds for the list.
            let listed = last_negated.is_some_and(|last| {
                words[last..at].iter().all(|word| {
                    ["or", "nor", "and"].contains(&word.text.as_str())
                        || genres_of_word(&word.text, knowledge.genres()).is_some()
                })
            });
            let (add, remove) = (&mut state.request.genres, &mut state.request.without_genres);
            let (add, remove) = if negated[at] || listed { (remove, add) } else { (add, remove) };
            remove.retain(|known| known != genre);
            if !add.iter().any(|known| known == genre) {
                add.push(genre.to_owned());
            }
            last_negated = (negated[at] || listed).then_some(at);
            changed = true;
            step = length;
            break;
        }
        at += step;
    }
    changed
}

fn read_years(knowledge: &Knowledge, words: &[Word], taken: &[bool], state: &mut DialogueState) -> bool {
    let request = &mut state.request;
    let before = (request.from_year, request.to_year);
    let latest =
        (0..knowledge.dataset.n_items()).filter_map(|item| knowledge.year(ItemId::from_index(item))).max();
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    for at in (0..words.len()).filter(|&at| !taken[at]) {
        let last = if at > 0 { word(at - 1) } else { "" };
        if let Some((from, to)) = decade(word(at)) {
            match last {
                "before" => (request.from_year, request.to_year) = (None, Some(from - 1)),
                "after" | "since" => {
                    (request.from_year, request.to_year) =
                        (Some(if last == "since" { from } else { to + 1 }), None)
                }
                _ => (request.from_year, request.to_year) = (Some(from), Some(to)),
            }
        } else if let Some(year) = year(word(at)) {
            let earlier = at >= 2 && ["and", "to", "until"].contains(&last);
            let first = if earlier { self::year(word(at - 2)) } else { None };
            match (first, last) {
                (Some(first), _) => {
                    (request.from_year, request.to_year) = (Some(first.min(year)), Some(first.max(year)))
                }
                (None, "before" | "until" | "than") => {
                    (request.from_year, request.to_year) = (None, Some(year - 1))
                }
                (None, "after") => (request.from_year, request.to_year) = (Some(year + 1), None),
                (None, "since") => (request.from_year, request.to_year) = (Some(year), None),
                _ => (request.from_year, request.to_year) = (Some(year), Some(year)),
            }
        } else if ["recent", "newer", "modern"].contains(&word(at))
            || (word(at) == "new" && last != "something")
        {
            (request.from_year, request.to_year) = (latest.map(|year| year - 5), None);
        } else if ["classic", "classics", "older"].contains(&word(at))
            || (word(at) == "old" && last != "year")
        {
            (request.from_year, request.to_year) = (None, Some(1975));
        } else if word(at) == "any" && ["year", "time", "decade", "age"].contains(&word(at + 1)) {
            (request.from_year, request.to_year) = (None, None);
        }
    }
    before != (request.from_year, request.to_year)
}

fn read_user(knowledge: &Knowledge, words: &[Word], taken: &mut [bool], state: &mut DialogueState) -> bool {
    for at in 1..words.len() {
        let before = words[at - 1].text.as_str();
        let is_user =
            before == "user" || (before == "is" && at >= 2 && words[at - 2].text == "id") || before == "id";
        if is_user && knowledge.user(&words[at].text).is_some() {
            taken[at] = true;
            state.request.user = Some(words[at].text.clone());
            return true;
        }
    }
    false
}

fn read_count(words: &[Word], taken: &[bool], state: &mut DialogueState) {
    const NOUNS: &[&str] = &[
        "film",
        "films",
        "movie",
        "movies",
        "more",
        "others",
        "ones",
        "titles",
        "suggestions",
        "recommendations",
        "items",
    ];
    for at in (0..words.len()).filter(|&at| !taken[at]) {
        let Some(count) = number(&words[at].text).filter(|count| (1..=20).contains(count)) else { continue };
        let after = words[at + 1..].iter().take(3).any(|word| NOUNS.contains(&word.text.as_str()));
        let top = at > 0
            && ["top", "best", "give", "show", "recommend", "suggest"].contains(&words[at - 1].text.as_str())
            || (at > 1 && words[at - 1].text == "me");
        let one_of = words[at].text == "one" && !top;
        if (after && !one_of) || top {
            state.request.count = Some(count);
        }
    }
}

/// The shown items that the message points at: `the second one`, `number 3`, `the last one`, `that one`.
fn pointed(words: &[Word], taken: &[bool], shown: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    for at in (0..words.len()).filter(|&at| !taken[at]) {
        let place = match word(at) {
            "number" | "no" => super::lexicon::number(word(at + 1))
                .map(|place| place as usize)
                .and_then(|n| n.checked_sub(1)),
            "last" if ["one", "film", "movie"].contains(&word(at + 1)) => shown.len().checked_sub(1),
            "that" | "this" if ["one", "film", "movie"].contains(&word(at + 1)) => Some(0),
            text => ordinal(text).filter(|_| {
                let after = word(at + 1);
                after.is_empty() || ["one", "film", "movie", "suggestion", "and"].contains(&after)
            }),
        };
        found.extend(
            place
                .and_then(|place| shown.get(place))
                .filter(|id| !found.contains(id))
                .cloned()
                .into_iter()
                .collect::<Vec<_>>(),
        );
    }
    found
}
