//! The data card and the pages to leaf through, as HTML files that need nothing else.

use std::collections::BTreeMap;
use std::fmt::Write;

use rec_core::tool::call_text;
use rec_core::{Json, Role, Trajectory};

use crate::dlv::{self, Expert, RULES};
use crate::synthesis::{Config, Tally};
use crate::tss::Diversity;

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;\
background:#fff}h1,h2{line-height:1.2}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;text-align:left;\
border-bottom:1px solid #d8dee6}td.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}\
.user,.assistant,.tool{border-left:4px solid #4878a8;padding:.25rem .75rem;margin:.5rem 0;white-space:pre-wrap;\
overflow-wrap:anywhere}.assistant{border-color:#4f9a6b}.tool{border-color:#b98a3c;font:13px/1.4 ui-monospace,monospace}\
.rules span{display:inline-block;min-width:2.2rem;margin:2px;padding:1px 4px;border-radius:4px;background:#dff0e4;color:#17532c;\
text-align:center;font-size:13px}.rules span.bad{background:#f7d9d5;color:#7c1d12}nav button{font:inherit;padding:.3rem 1rem}\
small{color:#5b6675}@media(prefers-color-scheme:dark){body{background:#14181d;color:#dfe5ec}td,th{border-color:#333c47}\
.rules span{background:#1e4630;color:#c8efd6}.rules span.bad{background:#64261e;color:#ffd9d2}small{color:#9aa6b4}\
svg text{fill:#dfe5ec}}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )
}

/// Horizontal bars, longest first if `sorted`.
fn bars(title: &str, values: &[(String, f64)]) -> String {
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(1e-12);
    let height = values.len() * 22 + 6;
    let mut out = format!(
        "<h3>{}</h3><svg viewBox=\"0 0 720 {height}\" role=\"img\" aria-label=\"{0}\">",
        escape(title)
    );
    for (at, (name, value)) in values.iter().enumerate() {
        let y = at * 22;
        let width = value / most * 380.0;
        let shown = if *value == value.trunc() { format!("{value:.0}") } else { format!("{value:.3}") };
        let _ = write!(
            out,
            "<text x=\"232\" y=\"{}\" text-anchor=\"end\" font-size=\"13\">{}</text>\
             <rect x=\"240\" y=\"{}\" width=\"{width:.1}\" height=\"16\" fill=\"#4878a8\"/>\
             <text x=\"{:.1}\" y=\"{}\" font-size=\"13\">{shown}</text>",
            y + 15,
            escape(name),
            y + 3,
            246.0 + width,
            y + 15
        );
    }
    out.push_str("</svg>");
    out
}

fn histogram(title: &str, values: &[f64], bins: usize) -> String {
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
    if values.is_empty() || low >= high {
        return String::new();
    }
    let mut counts = vec![0_usize; bins];
    for value in values {
        let at = ((value - low) / (high - low) * bins as f64) as usize;
        counts[at.min(bins - 1)] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or(1).max(1);
    let width = 680.0 / bins as f64;
    let mut out =
        format!("<h3>{}</h3><svg viewBox=\"0 0 720 240\" role=\"img\" aria-label=\"{0}\">", escape(title));
    for (at, count) in counts.iter().enumerate() {
        let height = *count as f64 / most as f64 * 190.0;
        let _ = write!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"#4878a8\"/>",
            20.0 + at as f64 * width,
            205.0 - height,
            width - 1.0
        );
    }
    let _ = write!(
        out,
        "<text x=\"20\" y=\"225\" font-size=\"13\">{low:.2}</text>\
         <text x=\"700\" y=\"225\" font-size=\"13\" text-anchor=\"end\">{high:.2}</text>\
         <text x=\"20\" y=\"14\" font-size=\"13\">most: {most}</text></svg>"
    );
    out
}

fn counted(values: impl IntoIterator<Item = String>) -> Vec<(String, f64)> {
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1.0;
    }
    let mut all: Vec<(String, f64)> = counts.into_iter().collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

fn member<'a>(sample: &'a Trajectory, name: &str) -> &'a str {
    sample.metadata.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn rate(part: u64, whole: u64) -> String {
    format!("{part} of {whole} ({:.1} %)", 100.0 * part as f64 / whole.max(1) as f64)
}

/// The data card: counts, diversity, pass rate of each layer, reasons of rejection, complexity.
pub fn data_card(samples: &[Trajectory], tally: &Tally, diversity: &Diversity, config: &Config) -> String {
    let mut body = format!(
        "<h1>Synthesised dialogues with tools</h1><p>{} verified dialogues over {} APIs of {} domains. Engine: {}. Seed {}. \
         Made after ToolACE (arXiv 2409.00920); nothing in it comes from people, and names, addresses and figures are \
         invented.</p>",
        samples.len(),
        diversity.apis,
        diversity.domains.len(),
        escape(&config.engine),
        config.seed
    );
    let used: std::collections::HashSet<&str> =
        samples.iter().flat_map(|sample| sample.calls()).map(|call| call.name.as_str()).collect();
    let offered: std::collections::HashSet<&str> =
        samples.iter().flat_map(|sample| &sample.tools).map(|tool| tool.name.as_str()).collect();
    let mut rows: Vec<(&str, String)> = vec![
        ("plans", tally.attempts.to_string()),
        ("spoken as the goal asks", rate(tally.spoken, tally.attempts)),
        ("of those, pass the rules", rate(tally.rules, tally.spoken)),
        ("of those, pass the experts", rate(tally.experts, tally.rules)),
        ("rewrites towards the range of complexity", tally.rewrites.to_string()),
        ("samples not made within the attempts", tally.missing.to_string()),
        ("APIs on offer in some dialogue", offered.len().to_string()),
        ("APIs called in some dialogue", used.len().to_string()),
        ("messages left out of the loss", {
            let masked = samples.iter().flat_map(|sample| &sample.messages);
            masked.filter(|message| message.weight == Some(0.0)).count().to_string()
        }),
    ];
    rows.push(("different names over APIs", format!("{:.3}", diversity.distinct_names)));
    rows.push(("required over all parameters", format!("{:.3}", diversity.required_ratio)));
    rows.push(("entropy of parameter types", format!("{:.3} bits", diversity.type_entropy)));
    rows.push(("mean similarity of two APIs", format!("{:.3}", diversity.mean_similarity)));
    rows.push(("leaves of the tree that are owned", format!("{:.3}", diversity.coverage)));
    rows.push(("clusters hit, of 30", diversity.clusters.to_string()));
    let [lists, objects, dicts] = diversity.nested;
    rows.push((
        "APIs with lists of lists, lists of objects, objects of objects",
        format!("{lists}, {objects}, {dicts}"),
    ));
    body.push_str("<table>");
    for (name, value) in &rows {
        let _ = write!(body, "<tr><td>{name}</td><td class=\"n\">{value}</td></tr>");
    }
    body.push_str("</table>");
    let numbers = |counts: &BTreeMap<String, usize>| -> Vec<(String, f64)> {
        let mut all: Vec<(String, f64)> =
            counts.iter().map(|(name, count)| (name.clone(), *count as f64)).collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all
    };
    body.push_str(&bars(
        "Dialogues by type",
        &counted(samples.iter().map(|sample| member(sample, "type").to_owned())),
    ));
    body.push_str(&bars(
        "No-tool dialogues",
        &counted(
            samples.iter().map(|sample| member(sample, "no_tool").to_owned()).filter(|kind| !kind.is_empty()),
        ),
    ));
    body.push_str(&bars(
        "Styles of users",
        &counted(samples.iter().map(|sample| member(sample, "style").to_owned())),
    ));
    let mut rejects: Vec<(String, f64)> =
        tally.rejects.iter().map(|(name, count)| (name.clone(), *count as f64)).collect();
    rejects.sort_by(|a, b| b.1.total_cmp(&a.1));
    body.push_str(&bars("Why plans were given up", &rejects));
    let complexity: Vec<f64> = samples
        .iter()
        .filter_map(|sample| sample.metadata.get("complexity").and_then(Json::as_f64))
        .collect();
    body.push_str(&histogram("Complexity H, nats a token", &complexity, 40));
    body.push_str(&bars(
        "Place in the range of complexity",
        &counted(samples.iter().map(|sample| member(sample, "complexity_range").to_owned())),
    ));
    let order = |mut values: Vec<(String, f64)>| {
        values.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then(a.0.cmp(&b.0)));
        values
    };
    body.push_str(&bars(
        "Tools on offer",
        &order(counted(samples.iter().map(|sample| sample.tools.len().to_string()))),
    ));
    body.push_str(&bars(
        "Calls in a dialogue",
        &order(counted(samples.iter().map(|sample| sample.calls().count().to_string()))),
    ));
    body.push_str(&bars("APIs by domain", &numbers(&diversity.domains)));
    body.push_str(&bars("Parameters by type", &numbers(&diversity.types)));
    let nesting: Vec<(String, f64)> =
        diversity.nesting.iter().map(|(depth, count)| (depth.to_string(), *count as f64)).collect();
    body.push_str(&bars("Parameters by depth of nesting", &nesting));
    body.push_str(&bars("APIs by operator", &numbers(&diversity.operators)));
    page("Data card", &body)
}

/// A page to leaf through samples, one at a time, with the verdict of each rule and expert.
pub fn leaf_through(samples: &[Trajectory]) -> String {
    let mut body = format!(
        "<h1>{} dialogues</h1><nav><button id=\"back\">Back</button> <span id=\"at\"></span> \
         <button id=\"next\">Next</button> <small>or the arrow keys</small></nav>",
        samples.len()
    );
    for sample in samples {
        let _ = write!(
            body,
            "<article hidden><h2>{} <small>{}, {}, {} tools, H {}</small></h2>",
            escape(&sample.id),
            escape(member(sample, "type")),
            escape(member(sample, "style")),
            sample.tools.len(),
            sample.metadata.get("complexity").map_or_else(String::new, Json::to_string)
        );
        for message in &sample.messages {
            let class = match message.role {
                Role::System => continue,
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            };
            let calls = if message.tool_calls.is_empty() {
                String::new()
            } else {
                call_text::write(&message.tool_calls).unwrap_or_default()
            };
            let mark =
                if message.weight == Some(0.0) { " <small>(left out of the loss)</small>" } else { "" };
            let _ = write!(
                body,
                "<div class=\"{class}\">{}{}{mark}</div>",
                escape(&message.content),
                escape(&calls)
            );
        }
        body.push_str("<p class=\"rules\">");
        let findings = dlv::check(sample);
        for rule in &RULES {
            let found = findings.iter().find(|finding| finding.rule == rule.id);
            let (class, title) = match found {
                Some(finding) => (" class=\"bad\"", format!("{}: {}", finding.path, finding.message)),
                None => ("", rule.title.to_owned()),
            };
            let _ = write!(body, "<span{class} title=\"{}\">{}</span>", escape(&title), rule.id);
        }
        for expert in Expert::ALL {
            let opinion = dlv::examine_offline(expert, sample);
            let class = if opinion.pass { "" } else { " class=\"bad\"" };
            let _ =
                write!(body, "<span{class} title=\"{}\">{}</span>", escape(&opinion.evidence), expert.name());
        }
        body.push_str("</p><details><summary>Tools</summary><ul>");
        for tool in &sample.tools {
            let _ = write!(
                body,
                "<li><b>{}</b> {} <code>{}</code></li>",
                escape(&tool.name),
                escape(&tool.description),
                escape(&tool.parameters.to_string())
            );
        }
        body.push_str("</ul></details></article>");
    }
    body.push_str(
        "<script>const all=[...document.querySelectorAll('article')];let at=Math.max(0,Math.min(all.length-1,\
         (parseInt(location.hash.slice(1))||1)-1));function show(to){all[at].hidden=true;at=(to+all.length)%all.length;\
         all[at].hidden=false;document.getElementById('at').textContent=(at+1)+' of '+all.length;\
         history.replaceState(null,'','#'+(at+1));}if(all.length){show(at);\
         document.getElementById('back').onclick=()=>show(at-1);document.getElementById('next').onclick=()=>show(at+1);\
         onkeydown=e=>{if(e.key==='ArrowLeft')show(at-1);if(e.key==='ArrowRight')show(at+1);};}</script>",
    );
    page("Dialogues", &body)
}
