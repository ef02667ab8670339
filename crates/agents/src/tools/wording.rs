//! Text at hand: what it says in short, what it asks for.

use std::collections::HashMap;

use rec_core::Json;
use rec_core::json::Object;

use super::{object, read};
use crate::action::Kind;
use crate::text::words;
use crate::tool::{ToolContext, ToolError, ToolOutput};

/// Extractive: sentences scored by how rare their words are within the text and where they stand.
pub(super) fn summarize(context: &mut ToolContext<'_>, arguments: &Object) -> Result<ToolOutput, ToolError> {
    let wanted: u32 = read(arguments, "sentences", Kind::Count)?;
    let sentences: Vec<&str> =
        context.text.split(['.', '!', '?', '\n']).map(str::trim).filter(|text| !text.is_empty()).collect();
    let of: Vec<Vec<String>> = sentences.iter().map(|sentence| words(sentence)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for sentence in &of {
        let mut distinct: Vec<&str> = sentence.iter().map(String::as_str).collect();
        distinct.sort_unstable();
        distinct.dedup();
        for word in distinct {
            *counts.entry(word).or_default() += 1;
        }
    }
    let n = sentences.len() as f32;
    let score = |at: usize| {
        let weight = |word: &String| (1.0 + n / counts[word.as_str()] as f32).ln();
        let sum: f32 = of[at].iter().filter(|word| word.len() > 3).map(weight).sum();
        let place = if at + 1 == sentences.len() || at == 0 { 1.5 } else { 1.0 };
        place * sum / (of[at].len() as f32).sqrt().max(1.0)
    };
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
    order.truncate(wanted as usize);
    order.sort_unstable();
    let kept: Vec<&str> = order.into_iter().map(|at| sentences[at]).collect();
    let text = crate::untrusted::fence(&kept.join(". "));
    Ok(ToolOutput { value: object([("sentences", Json::from(kept))]), text })
}

pub(super) fn understand(context: &mut ToolContext<'_>, _: &Object) -> Result<ToolOutput, ToolError> {
    let state = crate::dialogue::understand(context.knowledge, &context.dialogue, &context.text);
    let value: Json =
        serde_json::to_string(&state).expect("a state has a text").parse().map_err(crate::Error::from)?;
    let name = |id: &String| {
        let item = context.knowledge.item(id)?;
        Some((id.clone(), Json::from(context.knowledge.card(item).name())))
    };
    let spoken = state.focus.iter().chain(&state.request.liked).chain(&state.request.disliked);
    let names: Json = spoken.filter_map(name).collect();
    let mut value = value;
    if let Some(members) = value.as_object_mut() {
        members.insert("names".into(), names);
    }
    context.dialogue = state;
    Ok(ToolOutput { text: crate::untrusted::clean(&value.to_string()), value })
}
