//! What a message wants apart from titles: genres, years, a user, a number of items, one of the shown items.

use rec_core::ItemId;

use super::DialogueState;
use super::lexicon::{decade, genres_of_word, number, ordinal, year};
use super::tokens::Word;
use super::vocabulary::{DISLIKE, NEGATION};
use crate::knowledge::Knowledge;

/// Which words stand under a negation: from the negation to the next break or `but`.
pub(super) fn negated(words: &[Word], taken: &[bool]) -> Vec<bool> {
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

/// Takes the genres that are wanted and unwanted; whether there were some.
pub(super) fn read_genres(
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

/// Takes the years that are wanted; whether they changed.
pub(super) fn read_years(
    knowledge: &Knowledge,
    words: &[Word],
    taken: &[bool],
    state: &mut DialogueState,
) -> bool {
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

/// Takes the user whom the person says to be; whether there is one.
pub(super) fn read_user(
    knowledge: &Knowledge,
    words: &[Word],
    taken: &mut [bool],
    state: &mut DialogueState,
) -> bool {
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

/// Takes how many items are wanted.
pub(super) fn read_count(words: &[Word], taken: &[bool], state: &mut DialogueState) {
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
pub(super) fn pointed(words: &[Word], taken: &[bool], shown: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let word = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    for at in (0..words.len()).filter(|&at| !taken[at]) {
        let place = match word(at) {
            "number" | "no" => {
                number(word(at + 1)).map(|place| place as usize).and_then(|n| n.checked_sub(1))
            }
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
