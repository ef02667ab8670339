//! How much a step served the answer, by rules.

use std::collections::{BTreeMap, BTreeSet};

use rec_core::{Json, ToolCall};

use crate::env::Status;
use crate::episode::{Episode, Scores};

/// The length of the longest common subsequence of two texts, in characters. `O(mn)` time, `O(n)` space.
pub fn longest_common_subsequence(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row = vec![0_usize; b.len() + 1];
    for x in a.chars() {
        let mut diagonal = 0;
        for (at, &y) in b.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if x == y { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

/// The longest common subsequence of a step's reply and the final answer, as a share of the reply.
pub(super) fn lcs_share(episode: &Episode, at: usize) -> f32 {
    let reply = text(&episode.steps[at].reply.response);
    let answer = episode.final_answer().unwrap_or_default();
    let length = reply.chars().count();
    if length == 0 { 0.0 } else { longest_common_subsequence(&reply, &answer) as f32 / length as f32 }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The share of the n-grams of words of `reply` that occur in `answer`. Long common subsequences grow with common letters, and
/// long replies push the share down; whole words do neither as much.
pub fn ngram_overlap(reply: &str, answer: &str, n: usize) -> f32 {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let (reply, answer) = (words(reply), words(answer));
    let n = n.max(1);
    let known: BTreeSet<&[String]> = answer.windows(n).collect();
    let all = reply.windows(n).count();
    let shared = reply.windows(n).filter(|gram| known.contains(gram)).count();
    if all == 0 { 0.0 } else { shared as f32 / all as f32 }
}

fn collect_values(value: &Json, values: &mut BTreeSet<String>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| collect_values(item, values)),
        Json::Object(members) => members.values().for_each(|member| collect_values(member, values)),
        Json::Null | Json::Bool(_) => {}
        leaf => {
            values.insert(text(leaf));
        }
    }
}

/// The share of the values in a step's reply that were not among earlier replies or the question and that a later call or the
/// final answer uses.
pub fn reused_values(episode: &Episode, at: usize) -> f32 {
    let step = &episode.steps[at];
    if !step.reply.status.is_success() {
        return 0.0;
    }
    let (mut values, mut earlier, mut later) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    collect_values(&step.reply.response, &mut values);
    episode.steps[..at].iter().for_each(|step| collect_values(&step.reply.response, &mut earlier));
    earlier.extend(episode.query.split_whitespace().map(str::to_owned));
    episode.steps[at + 1..].iter().for_each(|step| collect_values(&step.call.arguments, &mut later));
    values.retain(|value| !earlier.contains(value));
    let used = values.iter().filter(|value| later.contains(*value)).count();
    if values.is_empty() { 0.0 } else { used as f32 / values.len() as f32 }
}

/// The released rule for success: the reply has an empty `error` and no `status` 400; a text holds neither "wrong", "error" nor
/// "is empty" and does not begin with "Please".
pub fn rule_success(error: &str, response: &Json) -> bool {
    let is_400 = |value: &Json| match value.get("status") {
        Some(Json::String(text)) => text == "400",
        Some(value) => value.as_i64() == Some(400),
        None => false,
    };
    if !error.is_empty() || is_400(response) {
        return false;
    }
    match response.as_str() {
        Some(text) => {
            !["wrong", "error", "is empty"].iter().any(|word| text.contains(word))
                && !text.starts_with("Please")
        }
        None => true,
    }
}

/// The rule annotator as released, for every step but the last: success by [`rule_success`], contribution 1 where the longest common
/// subsequence of reply and answer is at least 0.3 of the reply.
pub fn rule_scores(episode: &mut Episode) {
    let scores: Vec<Scores> = (0..episode.steps.len())
        .map(|at| {
            let reply = &episode.steps[at].reply;
            let success = reply.status == Status::Ok && rule_success(&reply.error, &reply.response);
            let contribution = lcs_share(episode, at) >= 0.3;
            Scores { success: f32::from(u8::from(success)), contribution: f32::from(u8::from(contribution)) }
        })
        .collect();
    for (step, scores) in episode.steps.iter_mut().zip(scores) {
        step.scores = Some(scores);
    }
}

/// How well calls match reference calls, 0 to 1, under the best pairing: a third each for the share of names found, of
/// argument names found in calls of the same tool, and of argument values found (after ToolRL, arXiv 2504.13958, which sums the three
/// and scales to -3 to 3). Pairs are taken greedily by score, which is the best pairing wherever calls of one tool do not
/// compete; ties go to the earlier call.
pub fn match_calls(calls: &[ToolCall], reference: &[ToolCall]) -> f32 {
    if calls.is_empty() && reference.is_empty() {
        return 1.0;
    }
    let counts = |calls: &[ToolCall]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        calls.iter().for_each(|call| *counts.entry(call.name.clone()).or_default() += 1);
        counts
    };
    let (ours, theirs) = (counts(calls), counts(reference));
    let shared: usize =
        theirs.iter().map(|(name, count)| (*count).min(ours.get(name).copied().unwrap_or(0))).sum();
    let union = (calls.len() + reference.len() - shared) as f32;
    let names = shared as f32 / union;
    let score = |call: &ToolCall, wanted: &ToolCall| -> Option<(f32, f32)> {
        let (found, expected) = (call.arguments.as_object()?, wanted.arguments.as_object()?);
        if call.name != wanted.name {
            return None;
        }
        if expected.is_empty() {
            return Some((1.0, 1.0));
        }
        let keys = expected.keys().filter(|key| found.contains_key(*key)).count() as f32;
        let all = (found.len() + expected.len()) as f32 - keys;
        let values = expected.iter().filter(|(key, value)| found.get(*key) == Some(value)).count() as f32;
        Some((keys / all, values / expected.len() as f32))
    };
    let mut pairs: Vec<(f32, f32, usize, usize)> = Vec::new();
    for (i, call) in calls.iter().enumerate() {
        for (j, wanted) in reference.iter().enumerate() {
            if let Some((keys, values)) = score(call, wanted) {
                pairs.push((keys, values, i, j));
            }
        }
    }
    pairs.sort_by(|a, b| (b.0 + b.1).total_cmp(&(a.0 + a.1)).then((a.2, a.3).cmp(&(b.2, b.3))));
    let (mut taken, mut served) = (BTreeSet::new(), BTreeSet::new());
    let (mut keys, mut values) = (0.0, 0.0);
    for (key, value, i, j) in pairs {
        if !taken.contains(&i) && !served.contains(&j) {
            taken.insert(i);
            served.insert(j);
            keys += key;
            values += value;
        }
    }
    let most = reference.len().max(1) as f32;
    (names + keys / most + values / most) / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn subsequences_by_hand() {
        assert_eq!(longest_common_subsequence("ABCBDAB", "BDCABA"), 4);
        assert_eq!(longest_common_subsequence("", "x"), 0);
        assert_eq!(longest_common_subsequence("größe", "größer"), 5);
    }

    #[test]
    fn the_rule_for_success() {
        for (error, response, ok) in [
            ("", "\"fine\"", true),
            ("busy", "\"fine\"", false),
            ("", "{\"status\":400}", false),
            ("", "{\"status\":\"400\"}", false),
            ("", "{\"status\":200}", true),
            ("", "\"something went wrong\"", false),
            ("", "\"the list is empty\"", false),
            ("", "\"Please subscribe\"", false),
            ("", "\"an error occurred\"", false),
        ] {
            assert_eq!(rule_success(error, &response.parse().unwrap()), ok, "{error} {response}");
        }
    }

    #[test]
    fn calls_are_matched_as_well_as_they_can_be() {
        let call = |name: &str, arguments: &str| ToolCall::new("", name, arguments.parse().unwrap());
        let wanted = [call("f", r#"{"a":1,"b":2}"#), call("g", "{}")];
        assert_eq!(match_calls(&wanted, &wanted), 1.0);
        assert_eq!(match_calls(&[wanted[1].clone(), wanted[0].clone()], &wanted), 1.0);
        assert_eq!(match_calls(&[], &wanted), 0.0);
        let close = match_calls(&[call("f", r#"{"a":1,"b":3}"#), call("g", "{}")], &wanted);
        assert!((close - (1.0 + 1.0 + 0.75) / 3.0).abs() < 1e-6, "{close}");
        assert!(match_calls(&[call("f", r#"{"c":1}"#)], &wanted) < 0.4);
    }

    #[test]
    fn overlap_of_words() {
        assert_eq!(ngram_overlap("The price is 12", "it costs 12, the price", 1), 0.75);
        assert!((ngram_overlap("The price is 12", "it costs 12, the price", 2) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(ngram_overlap("", "x", 1), 0.0);
    }

    proptest! {
        #[test]
        fn a_subsequence_is_no_longer_than_either(a in "[a-c]{0,12}", b in "[a-c]{0,12}") {
            let length = longest_common_subsequence(&a, &b);
            prop_assert!(length <= a.len().min(b.len()));
            prop_assert_eq!(length, longest_common_subsequence(&b, &a));
            prop_assert_eq!(longest_common_subsequence(&a, &a), a.len());
        }
    }
}
