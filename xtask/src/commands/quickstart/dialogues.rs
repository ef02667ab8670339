//! Dialogues with tools, made and verified.

use std::fmt::Write;
use std::path::Path;

use rec_core::tool::call_text;
use rec_core::{Json, Role, Trajectory};
use serde_json::json;
use tool_synth::dlv::{self, Expert, RULES};
use tool_synth::shard::{self, Shard, Summary};
use tool_synth::synthesis::Config;

use super::{Outcome, printed};
use crate::cli::Quickstart;
use crate::commands::synthesize::{Bar, lines};
use crate::error::{Error, Result};
use crate::output;
use crate::report::html::{self, Cell, Section};
use crate::report::svg::escape;

const COUNT: u64 = 500;

/// Makes 500 verified dialogues and the pages to leaf through them.
///
/// # Errors
/// A folder that cannot be written; [`Error::Stale`] with `--resume` if it was begun with other settings.
pub fn run(arguments: &Quickstart, out: &Path) -> Result<Outcome> {
    let out = out.join("dialogues");
    if !arguments.existing.resume && out.exists() {
        std::fs::remove_dir_all(&out).map_err(|error| Error::io(&out, error))?;
    }
    output::note(format!("{COUNT} dialogues with tools; data in {}", out.display()));
    let config = Config { count: COUNT, ..Config::default() };
    shard::run_offline(&config, &out, Shard::WHOLE, &mut Bar::default())?;
    let summary = shard::finish(&out)?;
    let (samples, _, _) = shard::merge(&out)?;
    let tally = &summary.tally;
    Ok(Outcome {
        lead: format!(
            "{} dialogues with tools over {} made-up APIs passed all {} rules and {} experts.",
            summary.samples,
            summary.apis,
            RULES.len(),
            Expert::ALL.len()
        ),
        facts: format!("{} plans for {} dialogues", tally.attempts, summary.samples),
        sections: vec![Section {
            id: "dialogues".into(),
            title: "Dialogues with tools".into(),
            body: body(&samples, &summary),
        }],
        json: json!(summary),
        told: Box::new(move |json| {
            if !printed(json) {
                lines(&summary).into_iter().for_each(output::line);
            }
            Ok(())
        }),
    })
}

fn body(samples: &[Trajectory], summary: &Summary) -> String {
    let tally = &summary.tally;
    let mut body = html::paragraph(
        "Training data for function calling after ToolACE, made without a key, a network or weights: a planner sets a goal, \
         a user speaks it, an assistant that sees neither plan nor goal answers by what the tools' schemas say, and \
         what it did is compared with the goal. Then every rule and expert looks at the dialogue.",
    );
    body += "<p>All of them, one at a time with every verdict: <a href=\"dialogues/browse.html\">leaf through</a>. What is in \
             them: <a href=\"dialogues/data_card.html\">data card</a>.</p>";
    let share = |part: u64, whole: u64| format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64);
    let row = |name: &str, part: u64, whole: u64| {
        (name.to_owned(), vec![Cell::plain(part.to_string()), Cell::plain(share(part, whole))])
    };
    body += &html::table(
        "From plan to data. A dialogue that is too easy or too hard is rewritten and judged again.",
        &["", "dialogues", "of those before"].map(str::to_owned),
        &[
            row("planned", tally.attempts, tally.attempts),
            row("did what the goal asks", tally.spoken, tally.attempts),
            row("pass the rules", tally.rules, tally.spoken),
            row("pass the experts", tally.experts, tally.rules),
        ],
    );
    // One that needs the result of a call for the next shows most.
    let kind = |sample: &&Trajectory| sample.metadata.get("type").and_then(Json::as_str) == Some("dependent");
    if let Some(sample) = samples.iter().find(kind).or(samples.first()) {
        body += &dialogue(sample);
    }
    body
}

/// A dialogue with the verdicts on it.
fn dialogue(sample: &Trajectory) -> String {
    let mut out = String::from("<h3>One of them</h3><ol class=\"turns\">");
    for message in &sample.messages {
        let (who, class) = match message.role {
            Role::System => continue,
            Role::User => ("user", "c0"),
            Role::Assistant => ("assistant", "c2"),
            Role::Tool => ("tool", "c4"),
        };
        let calls = call_text::write(&message.tool_calls).unwrap_or_default();
        let code = if message.role == Role::Tool { message.content.as_str() } else { calls.as_str() };
        let said = if message.role == Role::Tool { "" } else { message.content.as_str() };
        let _ = write!(out, "<li class=\"{class}\"><b>{who}</b> {}", escape(said));
        if !code.is_empty() && code != "[]" {
            let _ = write!(out, "<code>{}</code>", escape(code));
        }
        out.push_str("</li>");
    }
    out.push_str("</ol>");
    let findings = dlv::check(sample);
    let verdict = |text: Option<String>| text.unwrap_or_else(|| "holds".into());
    let mut rows: Vec<(String, String)> = RULES
        .iter()
        .map(|rule| {
            let found = findings.iter().find(|finding| finding.rule == rule.id);
            let found = found.map(|finding| format!("{}: {}", finding.path, finding.message));
            (format!("{} {}", rule.id, rule.title), verdict(found))
        })
        .collect();
    for expert in Expert::ALL {
        let opinion = dlv::examine_offline(expert, sample);
        let found = (!opinion.pass).then_some(opinion.evidence);
        rows.push((format!("expert: {}", expert.name()), verdict(found)));
    }
    let holds = rows.iter().filter(|(_, verdict)| verdict == "holds").count();
    let _ = write!(
        out,
        "<details><summary>{holds} of {} verdicts hold</summary>{}</details>",
        rows.len(),
        html::facts("The verdict of each rule and expert on this dialogue", &rows)
    );
    out
}
