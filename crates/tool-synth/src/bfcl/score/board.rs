//! The summaries of all models: the six tables that version 4 of the benchmark defines, as CSV.

use std::collections::HashMap;

use super::{Settings, category_of, files, folders, format_configurations, read_lines, rounded, write_file};
use crate::bfcl::package::Model;
use crate::error::Result;
use crate::value::Value;
use crate::value::text::float_repr;

/// US dollars for an hour of the machine that locally run models are reckoned with, and the requests it serves at once.
const MACHINE: (f64, f64) = (23.92, 100.0);

/// Tokens and seconds that a model's results name.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    input: Vec<f64>,
    output: Vec<f64>,
    seconds: Vec<f64>,
}

impl Usage {
    pub fn add(&mut self, results: &[Value]) {
        for result in results {
            for (name, into) in [
                ("latency", &mut self.seconds),
                ("input_token_count", &mut self.input),
                ("output_token_count", &mut self.output),
            ] {
                match result.get(name) {
                    Some(Value::List(turns)) if turns.iter().all(|turn| turn.as_list().is_some()) => {
                        into.extend(turns.iter().filter_map(Value::as_list).flatten().filter_map(number));
                    }
                    Some(value) => into.extend(number(value)),
                    None => {}
                }
            }
        }
    }

    /// Cost, mean, standard deviation and 95th percentile of the latency, as text.
    fn columns(&self, model: &Model) -> [Cell; 4] {
        let cost = match (model.input_price, model.output_price) {
            (Some(input), Some(output)) => (!self.input.is_empty() && !self.output.is_empty()).then(|| {
                self.input.iter().sum::<f64>() * input / 1e6 + self.output.iter().sum::<f64>() * output / 1e6
            }),
            _ => (!self.seconds.is_empty())
                .then(|| self.seconds.iter().sum::<f64>() / 3600.0 * MACHINE.0 / MACHINE.1),
        };
        let count = self.seconds.len() as f64;
        let mean = self.seconds.iter().sum::<f64>() / count;
        let deviation =
            (self.seconds.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (count - 1.0)).sqrt();
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let percentile = || {
            let place = 0.95 * (count - 1.0);
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        let plain = |value: Option<f64>| value.map_or(Cell::Missing, |value| Cell::Plain(rounded(value)));
        let several = self.seconds.len() > 1;
        [
            plain(cost),
            plain(several.then_some(mean)),
            plain(several.then_some(deviation)),
            plain(several.then(percentile)),
        ]
    }
}

/// A number that is no zero.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(int) => int.to_f64(),
        Value::Float(float) => Some(*float),
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        _ => None,
    }
    .filter(|value| *value != 0.0)
}

/// A cell of a table.
#[derive(Clone, Debug)]
enum Cell {
    Text(String),
    /// A share, written in percent.
    Share(f64),
    /// A number, written as it is.
    Plain(f64),
    Missing,
}

impl Cell {
    fn write(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Share(share) => format!("{:.2}%", share * 100.0),
            Self::Plain(value) => float_repr(*value),
            Self::Missing => "N/A".into(),
        }
    }

    /// By what rows are ordered: what is missing comes last.
    fn rank(&self) -> f64 {
        match self {
            Self::Share(value) | Self::Plain(value) => *value,
            _ => -1.0,
        }
    }
}

/// An accuracy, by how many entries it is, and whether all parts of it are there.
#[derive(Clone, Copy, Debug)]
struct Part {
    accuracy: f64,
    count: usize,
    complete: bool,
}

impl Part {
    fn cell(self) -> Cell {
        if self.complete { Cell::Share(self.accuracy) } else { Cell::Missing }
    }

    /// The accuracy with what is missing counted as zero.
    fn overall(self) -> Cell {
        Cell::Share(self.accuracy)
    }
}

/// Parts with weights.
fn weighted(parts: &[(Part, f64)]) -> Part {
    let weights: f64 = parts.iter().map(|(_, weight)| weight).sum();
    Part {
        accuracy: parts.iter().map(|(part, weight)| part.accuracy * (weight / weights)).sum(),
        count: parts.iter().map(|(part, _)| part.count).sum(),
        complete: parts.iter().all(|(part, _)| part.complete),
    }
}

fn mean(parts: &[Part]) -> Part {
    Part {
        accuracy: parts.iter().map(|part| part.accuracy).sum::<f64>() / parts.len() as f64,
        count: parts.iter().map(|part| part.count).sum(),
        complete: parts.iter().all(|part| part.complete),
    }
}

/// The mean over all entries of the parts.
fn pooled(parts: &[Part]) -> Part {
    let count: usize = parts.iter().map(|part| part.count).sum();
    Part {
        accuracy: parts.iter().map(|part| part.accuracy * part.count as f64).sum::<f64>() / count as f64,
        count,
        complete: parts.iter().all(|part| part.complete),
    }
}

const NON_LIVE: &str = "Rank,Model,Non-Live Overall Acc,AST Summary,Simple AST,Python Simple AST,Java Simple AST,JavaScript Simple AST,\
    Multiple AST,Parallel AST,Parallel Multiple AST,Irrelevance Detection";
const LIVE: &str = "Rank,Model,Live Overall Acc,AST Summary,Python Simple AST,Python Multiple AST,Python Parallel AST,\
    Python Parallel Multiple AST,Irrelevance Detection,Relevance Detection";
const MULTI_TURN: &str = "Rank,Model,Multi Turn Overall Acc,Base,Miss Func,Miss Param,Long Context";
const AGENTIC: &str = "Rank,Model,Agentic Overall Acc,Web Search Summary,Web Search Base,Web Search No Snippet,Memory Summary,Memory KV,\
    Memory Vector,Memory Recursive Summarization";
const FORMATS: &str = "Rank,Model,Format Sensitivity Max Delta,Format Sensitivity Standard Deviation";
const OVERALL: &str = "Rank,Overall Acc,Model,Model Link,Total Cost ($),Latency Mean (s),Latency Standard Deviation (s),\
    Latency 95th Percentile (s),Non-Live AST Acc,Non-Live Simple AST,Non-Live Multiple AST,Non-Live Parallel AST,\
    Non-Live Parallel Multiple AST,Live Acc,Live Simple AST,Live Multiple AST,Live Parallel AST,Live Parallel Multiple AST,\
    Multi Turn Acc,Multi Turn Base,Multi Turn Miss Func,Multi Turn Miss Param,Multi Turn Long Context,Web Search Acc,Web Search Base,\
    Web Search No Snippet,Memory Acc,Memory KV,Memory Vector,Memory Recursive Summarization,Relevance Detection,\
    Irrelevance Detection,Format Sensitivity Max Delta,Format Sensitivity Standard Deviation,Organization,License";

/// Reads all score files under the folder for scores and writes the tables beside them.
pub(super) fn write(
    settings: &Settings<'_>,
    known: &HashMap<String, Model>,
    usage: &HashMap<String, Usage>,
) -> Result<()> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for category in ["live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"] {
        counts.insert(category, settings.package.questions(category)?.len());
    }
    let configurations = format_configurations();
    let mut tables: [Vec<Vec<Cell>>; 6] = Default::default();
    for folder in folders(settings.scores)? {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let mut heads: HashMap<String, Value> = HashMap::new();
        for file in files(&folder, "_score.json")? {
            if let (Some(category), Some(head)) = (category_of(&file), read_lines(&file)?.into_iter().next())
            {
                heads.insert(category, head);
            }
        }
        let unknown = || Model { display_name: name.clone(), ..Model::default() };
        let model = known.get(&name.replace('_', "/")).cloned().unwrap_or_else(unknown);
        let part = |category: &str| match heads.get(category) {
            Some(head) => Part {
                accuracy: head.get("accuracy").and_then(number).unwrap_or(0.0),
                count: head.get("total_count").and_then(number).unwrap_or(0.0) as usize,
                complete: true,
            },
            None => {
                Part { accuracy: 0.0, count: counts.get(category).copied().unwrap_or(0), complete: false }
            }
        };
        let label = || Cell::Text(model.display_name.clone());
        let [python, java, javascript] = ["simple_python", "simple_java", "simple_javascript"].map(part);
        let [multiple, parallel, both, irrelevance] =
            ["multiple", "parallel", "parallel_multiple", "irrelevance"].map(part);
        let simple = mean(&[python, java, javascript]);
        let non_live = mean(&[simple, multiple, parallel, both]);
        tables[0].push(vec![
            label(),
            non_live.overall(),
            non_live.cell(),
            simple.cell(),
            python.cell(),
            java.cell(),
            javascript.cell(),
            multiple.cell(),
            parallel.cell(),
            both.cell(),
            irrelevance.cell(),
        ]);
        let live_parts =
            ["live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"].map(part);
        let [live_irrelevance, relevance] = ["live_irrelevance", "live_relevance"].map(part);
        let live = pooled(&live_parts);
        let mut row = vec![label(), live.overall(), live.cell()];
        row.extend(live_parts.map(Part::cell));
        row.extend([live_irrelevance.cell(), relevance.cell()]);
        tables[1].push(row);
        let turns = crate::bfcl::multi_turn::CATEGORIES.map(part);
        let multi_turn = mean(&turns);
        let mut row = vec![label(), multi_turn.overall()];
        row.extend(turns.map(Part::cell));
        tables[2].push(row);
        let web = ["web_search_base", "web_search_no_snippet"].map(part);
        let memory = ["memory_kv", "memory_vector", "memory_rec_sum"].map(part);
        let (all_web, all_memory) = (mean(&web), mean(&memory));
        let agentic = mean(&[all_web, all_memory]);
        let mut details = vec![all_web.cell()];
        details.extend(web.map(Part::cell));
        details.push(all_memory.cell());
        details.extend(memory.map(Part::cell));
        let mut row = vec![label(), agentic.overall()];
        row.extend(details.iter().cloned());
        tables[3].push(row);
        let formats = heads.get("format_sensitivity");
        let plain = |name: &str| {
            let value = match formats.and_then(|head| head.get(name)) {
                Some(Value::Int(int)) => int.to_f64(),
                Some(Value::Float(float)) => Some(*float),
                _ => None,
            };
            value.map_or(Cell::Missing, Cell::Plain)
        };
        let (delta, deviation) = (plain("accuracy_max_delta"), plain("accuracy_std"));
        let mut row = vec![label(), delta.clone(), deviation.clone()];
        row.extend(configurations.iter().map(|configuration| {
            let members = formats.and_then(|head| head.get(configuration));
            match members.and_then(|members| members.get("accuracy")) {
                Some(accuracy) => Cell::Share(number(accuracy).unwrap_or(0.0)),
                None => Cell::Missing,
            }
        }));
        tables[4].push(row);
        let all_irrelevance = mean(&[irrelevance, live_irrelevance]);
        let total = weighted(&[
            (non_live, 10.0),
            (live, 10.0),
            (all_irrelevance, 10.0),
            (multi_turn, 30.0),
            (agentic, 40.0),
        ]);
        let mut row = vec![total.overall(), label(), Cell::Text(model.url.clone())];
        row.extend(usage.get(&name).cloned().unwrap_or_default().columns(&model));
        row.extend([non_live, simple, multiple, parallel, both].map(Part::cell));
        row.push(live.overall());
        row.extend(live_parts.map(Part::cell));
        row.push(multi_turn.overall());
        row.extend(turns.map(Part::cell));
        row.extend(details);
        row.extend([relevance.cell(), all_irrelevance.cell(), delta, deviation]);
        row.extend([model.organization, model.license].map(Cell::Text));
        tables[5].push(row);
    }
    let formats =
        configurations.iter().fold(FORMATS.to_owned(), |head, name| format!("{head},Config {name}"));
    let heads = [NON_LIVE, LIVE, MULTI_TURN, AGENTIC, &formats, OVERALL];
    let names = ["non_live", "live", "multi_turn", "agentic", "format_sensitivity", "overall"];
    for ((name, head), mut rows) in names.into_iter().zip(heads).zip(tables) {
        // The column after the name, except where the score comes before it.
        let by = usize::from(name != "overall");
        rows.sort_by(|a, b| b[by].rank().total_cmp(&a[by].rank()));
        let mut text = head.to_owned();
        for (at, row) in rows.iter().enumerate() {
            text.push_str(&format!("\n{}", at + 1));
            for cell in row {
                text.push(',');
                text.push_str(&cell.write());
            }
        }
        write_file(&settings.scores.join(format!("data_{name}.csv")), &text)?;
    }
    Ok(())
}
