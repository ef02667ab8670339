//! `synthesize`: dialogues with tools, verified, in shards; and what is made of them.

use rec_core::{Observer, Progress};
use tool_synth::shard::{self, Shard, Summary};
use tool_synth::synthesis::Config;

use crate::cli::{Synthesize, SynthesizeAction};
use crate::error::{Error, Result};
use crate::{output, table};

/// Shows how many blocks are made.
#[derive(Default)]
pub struct Bar(Option<indicatif::ProgressBar>);

impl Observer for Bar {
    fn progress(&mut self, progress: &Progress<'_>) {
        let bar = self.0.get_or_insert_with(|| output::progress(progress.epochs as u64));
        bar.set_position(progress.epoch as u64);
    }
}

/// Makes a shard, and all that follows from the shards if it is the only one; or merges the shards that are there.
///
/// # Errors
/// Settings that are not accepted, a folder begun with others, blocks that are missing.
pub fn synthesize(arguments: &Synthesize) -> Result<()> {
    if let Some(SynthesizeAction::Merge) = arguments.action {
        return told(&shard::finish(&arguments.out, "offline")?, arguments);
    }
    if arguments.engine != "offline" {
        return Err(Error::Usage(format!("--engine {}: only offline is there", arguments.engine)));
    }
    let part: Shard = arguments.shard.parse()?;
    let mut config = Config { count: arguments.count, seed: arguments.seed, ..Config::default() };
    config.pool.apis = arguments.apis;
    if arguments.out.join("config.json").exists() && !arguments.resume && part == Shard::WHOLE {
        return Err(Error::Stale(format!(
            "{} exists: --resume goes on, another --out begins anew",
            arguments.out.display()
        )));
    }
    let workers = rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build()
        .map_err(|error| Error::Failed(error.to_string()))?;
    workers.install(|| shard::run_offline(&config, &arguments.out, part, &mut Bar::default()))?;
    if part == Shard::WHOLE {
        return told(&shard::finish(&arguments.out, "offline")?, arguments);
    }
    output::note(format!(
        "shard {} is made; once all are, `synthesize merge --out {}`",
        arguments.shard,
        arguments.out.display()
    ));
    Ok(())
}

fn told(summary: &Summary, arguments: &Synthesize) -> Result<()> {
    let text = serde_json::to_string_pretty(summary).map_err(|error| Error::Failed(error.to_string()))?;
    match arguments.json.json.as_deref() {
        Some(path) if path == std::path::Path::new("-") => {
            output::line(text);
            return Ok(());
        }
        Some(path) => table::write(path, &text)?,
        None => {}
    }
    lines(summary).into_iter().for_each(output::line);
    for path in &summary.files {
        output::note(format!("wrote {}", path.display()));
    }
    Ok(())
}

/// The summary for people.
pub fn lines(summary: &Summary) -> Vec<String> {
    let tally = &summary.tally;
    let head = format!("{} verified dialogues over {} APIs", summary.samples, summary.apis);
    let kinds = summary.types.iter().map(|(kind, count)| format!("  {kind:<12} {count}"));
    let funnel = format!(
        "{} plans, {} spoken as the goal asks, {} pass the rules, {} the experts",
        tally.attempts, tally.spoken, tally.rules, tally.experts
    );
    std::iter::once(head).chain(kinds).chain([funnel]).collect()
}
