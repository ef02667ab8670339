//! What is liked and what is not.

use super::DialogueState;
use super::titles::Mention;
use super::tokens::Word;
use super::vocabulary::{DISLIKE, LIKE};

/// Takes down that `item` is liked.
pub(super) fn like(state: &mut DialogueState, item: &str) -> bool {
    state.request.disliked.retain(|known| known != item);
    if !state.request.liked.iter().any(|known| known == item) {
        state.request.liked.push(item.to_owned());
    }
    exclude(state, item);
    true
}

/// Takes down that `item` is not liked.
pub(super) fn dislike(state: &mut DialogueState, item: &str) -> bool {
    state.request.liked.retain(|known| known != item);
    if !state.request.disliked.iter().any(|known| known == item) {
        state.request.disliked.push(item.to_owned());
    }
    exclude(state, item);
    true
}

/// Takes down that `item` is not to be shown again.
pub(super) fn exclude(state: &mut DialogueState, item: &str) {
    if !state.request.exclude.iter().any(|known| known == item) {
        state.request.exclude.push(item.to_owned());
    }
}

/// What is said of a title.
pub(super) enum Sentiment {
    Good,
    Bad,
    Seen,
}

/// What the clause before (or right after) a title says of it.
pub(super) fn sentiment(words: &[Word], taken: &[bool], negated: &[bool], mention: &Mention) -> Sentiment {
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
