//! Messages that need no tool, with what a right answer contains.

use rand::RngExt;
use rec_core::random::Random;
use serde::{Deserialize, Serialize};

use crate::tss::kind::{date_after, distinct, pick, say_date};

/// A message without need of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// What the user says.
    pub message: String,
    /// What the answer must contain, in lower case; empty where many answers are right.
    pub answer: String,
}

const WORDS: &[&str] = &[
    "pear",
    "lantern",
    "quilt",
    "harbour",
    "mountain",
    "fig",
    "button",
    "violin",
    "cabinet",
    "river",
    "apron",
    "telescope",
    "oak",
    "juniper",
    "saddle",
    "yarn",
];

/// Draws one.
pub fn talk(random: &mut Random) -> Talk {
    let a: i64 = random.random_range(11..90);
    let b: i64 = random.random_range(3..60);
    let (message, answer) = match random.random_range(0..15) {
        0 => (
            format!("{} {a} plus {b}?", pick(&["What is", "Quick question, what is"], random)),
            (a + b).to_string(),
        ),
        1 => (format!("How much is {} minus {b}?", a + b), a.to_string()),
        2 => (format!("What does {a} times {b} make?"), (a * b).to_string()),
        3 => (format!("What is {} percent of {}?", b, a * 100), (a * b).to_string()),
        4 => {
            let numbers = [a, a + 2 * b, a + b];
            (
                format!("What is the average of {}, {} and {}?", numbers[0], numbers[1], numbers[2]),
                (a + b).to_string(),
            )
        }
        5 => (format!("Which is the largest of {a}, {} and {b}?", a + b + 1), (a + b + 1).to_string()),
        6 => {
            let words = distinct(WORDS, 4, random);
            let mut sorted: Vec<&str> = words.iter().map(|word| **word).collect();
            let message = format!(
                "Put these words in alphabetical order: {}, {}, {} and {}.",
                sorted[0], sorted[1], sorted[2], sorted[3]
            );
            sorted.sort_unstable();
            (message, format!("{}, {}, {} and {}", sorted[0], sorted[1], sorted[2], sorted[3]))
        }
        7 => {
            let words = distinct(WORDS, 2, random);
            let text = format!("the {} and the {}", words[0], words[1]);
            (format!("Please write \"{text}\" in capital letters."), text.to_lowercase())
        }
        8 => {
            let words = distinct(WORDS, 3, random);
            let text = format!("a {} by the {} and a {}", words[0], words[1], words[2]);
            (format!("How many words are in \"{text}\"?"), "8".to_owned())
        }
        9 => {
            let word = *pick(WORDS, random);
            (format!("How many letters does \"{word}\" have?"), word.len().to_string())
        }
        10 => {
            let day: u16 = random.random_range(0..200);
            let gap: u16 = random.random_range(3..90);
            let (from, to) = (say_date(&date_after(day), 0), say_date(&date_after(day + gap), 0));
            (format!("How many days are there between {from} and {to}?"), gap.to_string())
        }
        11 => (format!("How many metres are {b} kilometres?"), (b * 1_000).to_string()),
        12 => (format!("How many minutes are in {b} hours?"), (b * 60).to_string()),
        13 => {
            let message = *pick(
                &[
                    "Thanks, that is all for today!",
                    "Thank you, you have been very helpful.",
                    "Great, thanks a lot!",
                    "Perfect, thank you so much!",
                ],
                random,
            );
            (message.to_owned(), "welcome".to_owned())
        }
        _ => {
            let message = *pick(
                &[
                    "Hello, how are you today?",
                    "Hi there, how are you doing?",
                    "Good morning, how are you?",
                    "Good evening! How are you?",
                ],
                random,
            );
            (message.to_owned(), "hello".to_owned())
        }
    };
    Talk { message, answer }
}
