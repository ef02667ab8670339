//! The words that decide what a message says, apart from genres, years and numbers.

/// Words that say that something is not liked.
#[rustfmt::skip]
pub(super) const DISLIKE: &[&str] = &[
    "hate", "hated", "dislike", "disliked", "boring", "awful", "terrible", "worst", "bad", "avoid",
    "overrated",
];

/// Words that say that something is liked.
#[rustfmt::skip]
pub(super) const LIKE: &[&str] = &[
    "like", "liked", "love", "loved", "enjoy", "enjoyed", "favourite", "favorite", "favourites",
    "favorites", "great", "amazing", "adore", "adored", "fan", "best",
];

/// Words that turn what follows.
#[rustfmt::skip]
pub(super) const NEGATION: &[&str] = &[
    "no", "not", "without", "dont", "didnt", "isnt", "wasnt", "nothing", "never", "except", "neither",
    "nor", "non",
];

/// Words after which a title is to be expected; the first twelve say what somebody thinks or asks of it.
#[rustfmt::skip]
pub(super) const TITLE_CUE: &[&str] = &[
    "like", "liked", "love", "loved", "enjoy", "enjoyed", "hate", "hated", "dislike", "disliked", "about",
    "to", "watched", "saw", "seen", "is", "was", "recommend", "film", "movie", "films", "movies", "and",
    "or", "why", "favourite", "favorite",
];

/// Words that happen to be titles but are said of other things.
#[rustfmt::skip]
const EVERYDAY: &[&str] = &[
    "a", "about", "after", "again", "all", "am", "an", "and", "any", "are", "as", "at", "bad", "be", "before",
    "best", "big", "but", "by", "can", "could", "do", "else", "family", "film", "films", "first", "for", "from",
    "fun", "funny", "get", "give", "go", "good", "great", "happy", "has", "have", "he", "hello", "help", "her",
    "here", "hey", "hi", "him", "his", "how", "i", "if", "im", "in", "is", "it", "its", "just", "kids", "last",
    "less", "light", "like", "liked", "long", "look", "love", "loved", "made", "make", "maybe", "me", "more",
    "movie", "movies", "much", "my", "new", "next", "nice", "night", "no", "not", "now", "of", "off", "ok",
    "old", "on", "once", "one", "or", "other", "our", "out", "please", "really", "recent", "recommend", "same",
    "second", "see", "seen", "she", "short", "show", "similar", "so", "some", "something", "soon", "sure",
    "tell", "ten", "thanks", "that", "the", "them", "then", "there", "these", "they", "thing", "things", "this",
    "those", "three", "time", "to", "today", "tonight", "too", "top", "two", "up", "us", "very", "want", "was",
    "watch", "we", "weekend", "were", "what", "when", "which", "who", "why", "will", "with", "without", "would",
    "year", "yes", "you", "your", "hate",
];

/// Whether `word` is said every day, so that it is hardly meant as a title.
pub(super) fn is_everyday(word: &str) -> bool {
    EVERYDAY.contains(&word)
}
