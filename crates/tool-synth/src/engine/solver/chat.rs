//! Answers without a tool: sums, words, dates, small talk; and a polite no.

use rec_core::ToolSpec;

use super::compose::offer;
use super::lexicon::Verbs;
use super::mention::{Token, Value, mentions, tokens};
use super::rank::query;
use crate::tss::join_and;

/// Answers a message for which no tool fits.
pub fn answer(text: &str, tools: &[ToolSpec]) -> String {
    let tokens = tokens(text);
    let lower = text.to_lowercase();
    let numbers: Vec<f64> = mentions(&tokens, &[])
        .into_iter()
        .filter_map(|mention| match mention.value {
            Value::Number(number) => Some(number),
            _ => None,
        })
        .collect();
    let has = |word: &str| tokens.iter().any(|token| !token.quoted && token.lower == word);
    sums(&numbers, &has)
        .or_else(|| words(&tokens, &lower))
        .or_else(|| days(&tokens, &lower))
        .or_else(|| small_talk(&lower, &has, tools))
        .unwrap_or_else(|| decline(&tokens, tools))
}

fn figure(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if rounded == rounded.trunc() { format!("{rounded:.0}") } else { format!("{rounded}") }
}

fn sums(numbers: &[f64], has: &impl Fn(&str) -> bool) -> Option<String> {
    if has("average") && numbers.len() > 1 {
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        return Some(format!("The average is {}.", figure(mean)));
    }
    if has("largest") && numbers.len() > 1 {
        return Some(format!("The largest is {}.", figure(numbers.iter().copied().fold(f64::MIN, f64::max))));
    }
    let [a, b] = numbers else {
        if let [a] = numbers {
            if has("metres") && has("kilometres") {
                return Some(format!("{} kilometres are {} metres.", figure(*a), figure(a * 1_000.0)));
            }
            if has("minutes") && has("hours") {
                return Some(format!("{} hours are {} minutes.", figure(*a), figure(a * 60.0)));
            }
        }
        return None;
    };
    if has("percent") {
        return Some(format!("{} percent of {} is {}.", figure(*a), figure(*b), figure(a * b / 100.0)));
    }
    let (word, result) = if has("plus") {
        ("plus", a + b)
    } else if has("minus") {
        ("minus", a - b)
    } else if has("times") {
        ("times", a * b)
    } else {
        return None;
    };
    Some(format!("{} {word} {} makes {}.", figure(*a), figure(*b), figure(result)))
}

fn words(tokens: &[Token], lower: &str) -> Option<String> {
    let quoted = tokens.iter().find(|token| token.quoted).map(|token| token.text.as_str());
    if let Some(text) = quoted {
        if lower.contains("capital letters") {
            return Some(format!("In capital letters it reads \"{}\".", text.to_uppercase()));
        }
        if lower.contains("how many words") {
            return Some(format!("It has {} words.", text.split_whitespace().count()));
        }
        if lower.contains("how many letters") {
            let count = text.chars().filter(|letter| letter.is_alphabetic()).count();
            return Some(format!("It has {count} letters."));
        }
        if lower.contains("backwards") {
            return Some(format!("Backwards it reads \"{}\".", text.chars().rev().collect::<String>()));
        }
    }
    let (_, list) = lower.split_once(':')?;
    let mut list: Vec<String> = list
        .trim_end_matches(['.', '?', '!'])
        .replace(" and ", ", ")
        .split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect();
    if lower.contains("alphabetical order") {
        list.sort();
        return Some(format!("In alphabetical order: {}.", join_and(&list)));
    }
    if lower.contains("longest word") {
        let longest = list.iter().max_by_key(|word| word.chars().count())?;
        return Some(format!("The longest of them is \"{longest}\"."));
    }
    None
}

fn days(tokens: &[Token], lower: &str) -> Option<String> {
    let dates: Vec<i64> = mentions(tokens, &[])
        .into_iter()
        .filter_map(|mention| match mention.value {
            Value::Date(date) => day_number(&date),
            _ => None,
        })
        .collect();
    match dates[..] {
        [a, b] if lower.contains("how many days") => {
            Some(format!("There are {} days between them.", (b - a).abs()))
        }
        [a] if lower.contains("day of the week") => {
            // Day 0 of the count is a Thursday.
            let names = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
            Some(format!("That is a {}.", names[a.rem_euclid(7) as usize]))
        }
        _ => None,
    }
}

/// Days since 1 January 1970.
fn day_number(iso: &str) -> Option<i64> {
    let mut parts = iso.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // March counts first, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century = year.div_euclid(400);
    let of_century = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(century * 146_097 + of_century * 365 + of_century / 4 - of_century / 100 + of_year - 719_468)
}

fn small_talk(lower: &str, has: &impl Fn(&str) -> bool, tools: &[ToolSpec]) -> Option<String> {
    if lower.contains("what can you do") || lower.contains("what are you able to do") {
        let offers: Vec<String> = tools.iter().take(3).map(offer).collect();
        return Some(if offers.is_empty() {
            "I can answer small questions about numbers, words and dates.".to_owned()
        } else {
            format!("With the tools I have, I can {}.", offers.join("; or "))
        });
    }
    if (has("thanks") || has("thank")) && lower.split_whitespace().count() < 14 && !has("find") {
        return Some("You are welcome. Let me know if there is anything else.".to_owned());
    }
    if (has("hello") || has("hi") || has("morning") || has("evening"))
        && lower.split_whitespace().count() < 12
        && lower.contains("how are you")
    {
        return Some("Hello! I am doing well and ready to help.".to_owned());
    }
    None
}

fn decline(tokens: &[Token], tools: &[ToolSpec]) -> String {
    let (words, verb) = query(tokens, &Verbs::of(tools));
    if words.is_empty() && verb.is_none() {
        return "I am not sure what you need. Could you tell me more?".to_owned();
    }
    let offers: Vec<String> = tools.iter().take(2).map(offer).collect();
    if offers.is_empty() {
        return "I am sorry, I have no tool at hand that can do this.".to_owned();
    }
    format!(
        "I am sorry, none of the tools that I have can do this. What I can do is to {}.",
        offers.join(", or to ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_computed() {
        for (question, expected) in [
            ("What is 17 plus 25?", "makes 42."),
            ("What is 15 percent of 240?", "is 36."),
            ("What is the average of 3, 5 and 10?", "is 6."),
            ("Put these words in alphabetical order: pear, apple and fig.", "apple, fig and pear."),
            ("How many days are there between 27 February 2028 and 1 March 2028?", "are 3 days"),
            ("Which day of the week is 25 November 2026?", "Wednesday"),
            ("How many words are in \"the old mill\"?", "3 words"),
            ("How many metres are 2.5 kilometres?", "2500 metres"),
        ] {
            let said = answer(question, &[]);
            assert!(said.contains(expected), "{question} {said}");
        }
    }
}
