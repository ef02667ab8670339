//! Which way a text points: whether it speaks of liking or of not liking, by a list of words. It is coarse on purpose and knows no
//! irony; what it is for is the question whether an explanation says the opposite of the rating that it explains.

use crate::text::words;

/// The way a rating or a text points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polarity {
    /// More than usual, in favour.
    Up,
    /// Less than usual, against.
    Down,
    /// Neither.
    Level,
}

/// The share of the scale that a rating has to be off from a user's mean to point anywhere.
const STEP: f32 = 0.125;

const FOR: &[&str] = &[
    "above",
    "adore",
    "adored",
    "amazing",
    "appreciate",
    "appreciated",
    "appreciates",
    "beautiful",
    "best",
    "better",
    "brilliant",
    "charming",
    "compelling",
    "delight",
    "delighted",
    "enjoy",
    "enjoyed",
    "enjoys",
    "excellent",
    "fan",
    "fantastic",
    "favorite",
    "favorites",
    "favourite",
    "favourites",
    "fond",
    "fun",
    "good",
    "great",
    "high",
    "higher",
    "highly",
    "impressed",
    "impressive",
    "like",
    "liked",
    "likes",
    "love",
    "loved",
    "loves",
    "loving",
    "masterpiece",
    "perfect",
    "perfectly",
    "pleased",
    "positive",
    "praise",
    "prefers",
    "recommend",
    "recommended",
    "strong",
    "superb",
    "terrific",
    "wonderful",
];

const AGAINST: &[&str] = &[
    "annoying",
    "avoid",
    "avoids",
    "awful",
    "bad",
    "badly",
    "below",
    "bland",
    "bored",
    "boring",
    "disappointed",
    "disappointing",
    "disappointment",
    "disappoints",
    "dislike",
    "disliked",
    "dislikes",
    "dreadful",
    "dull",
    "fail",
    "failed",
    "fails",
    "flat",
    "flawed",
    "frustrating",
    "hate",
    "hated",
    "hates",
    "horrible",
    "lacking",
    "lacks",
    "letdown",
    "low",
    "lower",
    "mediocre",
    "mess",
    "negative",
    "poor",
    "poorly",
    "regret",
    "slow",
    "terrible",
    "tedious",
    "uninteresting",
    "waste",
    "weak",
    "worse",
    "worst",
];

/// They turn the next word that points, if it is one of the three that follow.
const TURNING: &[&str] = &[
    "barely", "cannot", "cant", "didnt", "doesnt", "dont", "hardly", "isnt", "less", "never", "no", "not",
    "wasnt", "without",
];

/// The way `text` points.
pub fn of_text(text: &str) -> Polarity {
    let words = words(text);
    let mut sum = 0_i32;
    // How many more words a turning one reaches.
    let mut reach = 0_u32;
    for (at, word) in words.iter().enumerate() {
        let word = word.as_str();
        let own = i32::from(FOR.contains(&word)) - i32::from(AGAINST.contains(&word));
        if own != 0 {
            // "Liked it less than most": the word that turns comes after.
            let after = &words[at + 1..words.len().min(at + 3)];
            let turned = reach > 0 || (own > 0 && after.iter().any(|word| word == "less"));
            sum += if turned { -own } else { own };
            reach = 0;
        } else if TURNING.contains(&word) {
            reach = 3;
        } else {
            reach = reach.saturating_sub(1);
        }
    }
    match sum {
        1.. => Polarity::Up,
        0 => Polarity::Level,
        _ => Polarity::Down,
    }
}

/// The way `rating` points on `scale`, against the user's `usual` rating.
pub fn of_rating(rating: f32, usual: f32, scale: (f32, f32)) -> Polarity {
    let step = STEP * (scale.1 - scale.0);
    match rating - usual {
        off if off >= step => Polarity::Up,
        off if off <= -step => Polarity::Down,
        _ => Polarity::Level,
    }
}
