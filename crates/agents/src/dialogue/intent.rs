//! What a message is for.

use super::Intent;
use super::tokens::Word;

#[rustfmt::skip]
const INFO: &[&str] = &[
    "tell me about", "what is", "whats", "who is in", "info on", "information about", "know about", "describe",
    "what about", "what kind of",
];
const WHY: &[&str] = &["why", "how come", "explain", "what makes you"];
#[rustfmt::skip]
const SIMILAR: &[&str] = &[
    "similar to", "something like", "anything like", "more like", "films like", "movies like", "film like", "movie like",
    "ones like", "similar", "in the style of", "such as", "reminds me of", "along the lines of",
];
#[rustfmt::skip]
const REJECT: &[&str] = &[
    "seen it", "seen them", "seen that", "seen those", "seen all", "already seen", "already saw", "already watched",
    "not those", "not these", "none of", "not interested", "dont want", "not that", "no thanks", "not for me",
];
const MORE: &[&str] = &["more", "another", "others", "other ones", "else", "next", "different ones", "again"];
#[rustfmt::skip]
const ASK: &[&str] = &[
    "recommend", "suggest", "suggestion", "suggestions", "recommendation", "recommendations", "want", "need", "show",
    "find", "give", "looking", "watch", "mood", "any", "something", "list", "which", "top",
];
#[rustfmt::skip]
const HELP: &[&str] = &[
    "help", "what can you do", "how does this work", "how do you work", "what can i ask", "who are you",
];
const THANKS: &[&str] = &["thanks", "thank you", "bye", "goodbye", "cheers", "perfect", "thats all"];
const GREET: &[&str] = &["hi", "hello", "hey", "hallo"];
const GREET_PHRASE: &[&str] = &["good morning", "good evening", "good afternoon"];

/// What the phrases of a message ask, whatever they are about.
pub(super) struct Asked {
    /// What an item is.
    pub(super) info: bool,
    /// Why something was recommended.
    pub(super) why: bool,
    /// Something like an item.
    pub(super) similar: bool,
    /// Not what was shown.
    pub(super) rejects: bool,
    /// More of the same.
    pub(super) more: bool,
    /// To be recommended something.
    pub(super) items: bool,
    help: bool,
    thanks: bool,
    greets: bool,
}

impl Asked {
    /// What `words` ask; words that belong to a title are `taken`.
    pub(super) fn of(words: &[Word], taken: &[bool]) -> Self {
        let joined =
            format!(" {} ", words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" "));
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| joined.contains(&format!(" {phrase} ")));
        Self {
            info: says(INFO),
            why: says(WHY),
            similar: says(SIMILAR),
            rejects: says(REJECT),
            more: says(MORE),
            items: has(words, taken, ASK),
            help: says(HELP),
            thanks: says(THANKS),
            greets: has(words, taken, GREET) || says(GREET_PHRASE),
        }
    }
}

/// Whether one of `list` is among the words that are not taken.
pub(super) fn has(words: &[Word], taken: &[bool], list: &[&str]) -> bool {
    words.iter().zip(taken).any(|(word, taken)| !taken && list.contains(&word.text.as_str()))
}

/// What else was found in a message.
pub(super) struct Found {
    /// Titles, or items that were pointed at.
    pub(super) items: bool,
    /// Titles.
    pub(super) titles: bool,
    /// What might be a title but is none.
    pub(super) unknown: bool,
    /// A change of what is wanted.
    pub(super) change: bool,
    /// A word on whether an item is liked.
    pub(super) feedback: bool,
    /// Items had been shown before.
    pub(super) shown: bool,
}

/// The intent; the first rule that applies.
pub(super) fn decide(asked: &Asked, found: &Found) -> Intent {
    if asked.why && (found.items || found.shown) {
        Intent::Explain
    } else if asked.info && found.items && !asked.similar {
        Intent::Info
    } else if asked.rejects && found.shown && !found.titles && !found.change {
        Intent::Reject
    } else if asked.similar && found.items {
        Intent::Similar
    } else if asked.more && found.shown && !found.change && !found.feedback {
        Intent::More
    } else if found.change && found.shown && !found.items {
        Intent::Filter
    } else if found.change || (asked.items && (found.feedback || !found.unknown)) {
        Intent::Recommend
    } else if found.feedback {
        Intent::Feedback
    } else if asked.help {
        Intent::Help
    } else if asked.thanks {
        Intent::Thanks
    } else if asked.greets {
        Intent::Greet
    } else if asked.more && found.shown {
        Intent::More
    } else if found.titles {
        Intent::Similar
    } else {
        Intent::Other
    }
}

/// Whether the message asks to start over, and nothing else.
pub(super) fn is_reset(words: &[Word]) -> bool {
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    matches!(
        texts[..],
        ["reset"] | ["restart"] | ["start", "over"] | ["forget", "everything"] | ["new", "search"]
    )
}
