//! From a message to intent and slots: titles, genres, years, numbers, what is liked and what is not. Rules over words, no
//! language model; what they do not understand stays [`Intent::Other`] and is answered by a question.

use rec_core::ItemId;

use super::feedback::{Sentiment, dislike, exclude, like, sentiment};
use super::intent::{Asked, Found, decide, has, is_reset};
use super::slots::{negated, pointed, read_count, read_genres, read_user, read_years};
use super::titles::mentions;
use super::tokens::tokens;
use super::vocabulary::{DISLIKE, LIKE};
use super::{DialogueState, Intent};
use crate::knowledge::Knowledge;
use crate::{limits, untrusted};

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
    let mut change = read_genres(knowledge, &words, &taken, &negated, &mut next);
    change |= read_years(knowledge, &words, &taken, &mut next);
    change |= read_user(knowledge, &words, &mut taken, &mut next);
    read_count(&words, &taken, &mut next);
    let pointed = pointed(&words, &taken, &state.shown);
    let asked = Asked::of(&words, &taken);

    let id = |item: &ItemId| knowledge.dataset.items.token(item.0).to_owned();
    for item in mentions.iter().map(|mention| id(&mention.item)).chain(pointed.iter().cloned()) {
        if !next.focus.contains(&item) {
            next.focus.push(item);
        }
    }

    let mut feedback = false;
    // A question about an item says nothing about liking it.
    if !asked.why && (!asked.info || asked.similar) {
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
            if asked.rejects || has(&words, &taken, DISLIKE) || turned {
                feedback |= dislike(&mut next, name);
            } else if has(&words, &taken, LIKE) {
                feedback |= like(&mut next, name);
            }
        }
    }

    next.intent = decide(
        &asked,
        &Found {
            items: !next.focus.is_empty(),
            titles: !mentions.is_empty(),
            unknown: !next.unknown.is_empty(),
            change,
            feedback,
            shown: !state.shown.is_empty(),
        },
    );
    if next.intent == Intent::Reject {
        for item in state.shown.clone() {
            exclude(&mut next, &item);
        }
    }
    next
}
