//! A data set in parts: blocks of samples, made by any number of machines, merged to the same bytes.
//!
//! ```text
//! OUT/config.json           what decides the data; all shards must have the same
//! OUT/blocks/000000.jsonl   one sample a line; replaced as a whole, never half there
//! OUT/blocks/000000.json    what happened to its plans, and which program made it
//! ```
//!
//! Shard i of n makes the blocks whose number leaves i when divided by n. A block that is there is not made again, so a run
//! that was cut off goes on where it was, and running it twice changes nothing. Blocks of another version of the program or of another
//! grammar (the embedded one, documents, or both) are not mixed with this one's. (Blocks from before they told are taken on trust.)

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rayon::prelude::*;
use rec_core::run::replace_file;
use rec_core::{Json, Observer, Progress, Trajectory};
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, RuleEngine};
use crate::error::{Error, Result};
use crate::synthesis::{Config, Synthesizer, Tally};
use crate::tss::{Diversity, Grammar, Pool};
use crate::{export, report};

/// Samples in a block.
pub const BLOCK: u64 = 250;

/// Which part of the blocks: `2/8` is the third of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u64,
    /// How many there are.
    pub of: u64,
}

impl Shard {
    /// All blocks.
    pub const WHOLE: Self = Self { index: 0, of: 1 };
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::config("shard", format!("{text}: INDEX/COUNT with INDEX from 0 and below COUNT"));
        let (index, of) = text.split_once('/').ok_or_else(wrong)?;
        let (index, of) = (index.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if index < of { Ok(Self { index, of }) } else { Err(wrong()) }
    }
}

/// What decides the data beside the configuration.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Program {
    version: String,
    grammar_sha256: String,
}

impl Program {
    fn this(grammar: &Grammar) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), grammar_sha256: grammar.digest().to_owned() }
    }
}

/// What stands beside a block's samples.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Note {
    Made {
        program: Program,
        tally: Tally,
    },
    /// Of an older program.
    Bare(Tally),
}

fn block_paths(out: &Path, block: u64) -> (PathBuf, PathBuf) {
    let folder = out.join("blocks");
    (folder.join(format!("{block:06}.jsonl")), folder.join(format!("{block:06}.json")))
}

/// Writes the configuration, or checks that the folder has the same.
///
/// # Errors
/// [`Error::Config`] if the folder was begun with other settings; [`Error::Io`].
pub fn open(out: &Path, config: &Config) -> Result<()> {
    config.validate()?;
    let folder = out.join("blocks");
    fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, source))?;
    let text = serde_json::to_string_pretty(config).expect("a configuration has a text") + "\n";
    let path = out.join("config.json");
    match fs::read_to_string(&path) {
        Ok(before) if before == text => Ok(()),
        Ok(_) => Err(Error::config(
            "out",
            format!("{} was begun with other settings: take another folder", out.display()),
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Several shards may begin at once: each writes a file of its own, and whoever renames last renames the same bytes.
            let own = out.join(format!(".config.json.{}", std::process::id()));
            fs::write(&own, &text).map_err(|source| Error::io(&own, source))?;
            fs::rename(&own, &path).map_err(|source| Error::io(&path, source))
        }
        Err(error) => Err(Error::io(&path, error)),
    }
}

/// Makes the blocks of a shard that are not there yet. The observer hears of each block: `samples`, `attempts`.
///
/// # Errors
/// Settings that differ from the folder's, a block of another version of the program, a block that cannot be written, or what the engine fails with.
pub fn run(
    synthesizer: &Synthesizer<'_>,
    config: &Config,
    out: &Path,
    shard: Shard,
    observer: &mut dyn Observer,
) -> Result<()> {
    open(out, config)?;
    let blocks: Vec<u64> =
        (0..config.count.div_ceil(BLOCK)).filter(|block| block % shard.of == shard.index).collect();
    for (done, block) in blocks.iter().enumerate() {
        let (samples, tally) = block_paths(out, *block);
        // The tally is written last: where it is, the block is whole.
        if !tally.exists() {
            make(synthesizer, config, *block, &samples, &tally)?;
        }
        let read: Tally = read_tally(&tally, synthesizer.grammar())?;
        // A plan that is rewritten passes more than once; a sample is missing or there.
        let samples = BLOCK.min(config.count - block * BLOCK) - read.missing;
        let values = [("attempts", read.attempts as f64), ("samples", samples as f64)];
        observer.progress(&Progress { epoch: done + 1, epochs: blocks.len(), values: &values });
    }
    Ok(())
}

fn make(
    synthesizer: &Synthesizer<'_>,
    config: &Config,
    block: u64,
    samples_path: &Path,
    tally_path: &Path,
) -> Result<()> {
    let range = block * BLOCK..((block + 1) * BLOCK).min(config.count);
    let made: Vec<_> = range.into_par_iter().map(|index| synthesizer.sample(index)).collect::<Result<_>>()?;
    let mut text = String::new();
    let mut total = Tally::default();
    for (sample, tally) in &made {
        total.add(tally);
        if let Some(sample) = sample {
            text.push_str(&serde_json::to_string(sample).expect("a sample has a text"));
            text.push('\n');
        }
    }
    replace_file(samples_path, text.as_bytes())?;
    let note = Note::Made { program: Program::this(synthesizer.grammar()), tally: total };
    let tally = serde_json::to_string(&note).expect("a tally has a text");
    Ok(replace_file(tally_path, tally.as_bytes())?)
}

fn read_tally(path: &Path, grammar: &Grammar) -> Result<Tally> {
    let text = fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
    let note = serde_json::from_str(&text).map_err(|error| Error::format(path, None, error.to_string()))?;
    match note {
        // Such blocks are of the embedded grammar.
        Note::Bare(tally) if grammar.digest() == Grammar::embedded().digest() => Ok(tally),
        Note::Bare(_) => {
            let what = format!(
                "{} was not made of these documents: delete the block, or take another folder",
                path.display()
            );
            Err(Error::config("out", what))
        }
        Note::Made { program, tally } if program == Program::this(grammar) => Ok(tally),
        Note::Made { program: Program { version, .. }, .. } => {
            let what = format!(
                "{} was made by version {version} with its grammar, not by this {} with this one: delete the block, or take another folder",
                path.display(),
                env!("CARGO_PKG_VERSION")
            );
            Err(Error::config("out", what))
        }
    }
}

/// Joins all blocks to `OUT/samples.jsonl`: the same bytes however the blocks were shared out. Returns the samples and what
/// happened to all plans. Blocks that other folders hold can be copied into `OUT/blocks` before.
///
/// # Errors
/// [`Error::Invalid`] naming the blocks that are missing; [`Error::Config`] for a block of another version of the program.
pub fn merge(out: &Path) -> Result<(Vec<Trajectory>, Tally, Config)> {
    let path = out.join("config.json");
    let text = fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
    let config: Config =
        serde_json::from_str(&text).map_err(|error| Error::format(&path, None, error.to_string()))?;
    let grammar = config.documents.grammar()?;
    let blocks = config.count.div_ceil(BLOCK);
    let missing: Vec<String> = (0..blocks)
        .filter(|block| !block_paths(out, *block).1.exists())
        .map(|block| block.to_string())
        .collect();
    if !missing.is_empty() {
        let shown = missing[..missing.len().min(10)].join(", ");
        return Err(Error::invalid(format!("{} of {blocks} blocks are missing: {shown} …", missing.len())));
    }
    let mut all = String::new();
    let mut total = Tally::default();
    let mut samples = Vec::new();
    for block in 0..blocks {
        let (samples_path, tally_path) = block_paths(out, block);
        let text = fs::read_to_string(&samples_path).map_err(|source| Error::io(&samples_path, source))?;
        for (line, row) in text.lines().enumerate() {
            let sample: Trajectory = serde_json::from_str(row)
                .map_err(|error| Error::format(&samples_path, Some(line + 1), error.to_string()))?;
            samples.push(sample);
        }
        all.push_str(&text);
        total.add(&read_tally(&tally_path, &grammar)?);
    }
    replace_file(&out.join("samples.jsonl"), all.as_bytes())?;
    Ok((samples, total, config))
}

/// Makes a shard with `engine`, over the pool that the configuration asks for.
///
/// # Errors
/// As for [`run`], and [`Error::Config`] if the configuration names another engine.
pub fn run_with(
    engine: &dyn Engine,
    config: &Config,
    out: &Path,
    shard: Shard,
    observer: &mut dyn Observer,
) -> Result<()> {
    if engine.name() != config.engine {
        let told = format!("{} in the configuration, but {} is there", config.engine, engine.name());
        return Err(Error::config("engine", told));
    }
    open(out, config)?;
    let grammar = config.documents.grammar()?;
    let grammar: &Grammar = &grammar;
    let pool = Pool::synthesise(grammar, &config.pool, config.seed)?;
    let synthesizer = Synthesizer::new(grammar, &pool, config, engine)?;
    run(&synthesizer, config, out, shard, observer)
}

/// Makes a shard with the offline engine: pool, engine and pipeline from the configuration alone.
///
/// # Errors
/// As for [`run`].
pub fn run_offline(config: &Config, out: &Path, shard: Shard, observer: &mut dyn Observer) -> Result<()> {
    open(out, config)?;
    let grammar = config.documents.grammar()?;
    let grammar: &Grammar = &grammar;
    let pool = Pool::synthesise(grammar, &config.pool, config.seed)?;
    let engine = RuleEngine::new(grammar, &pool, config.noise);
    let synthesizer = Synthesizer::new(grammar, &pool, config, &engine)?;
    run(&synthesizer, config, out, shard, observer)
}

/// What a finished data set comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Verified dialogues.
    pub samples: usize,
    /// APIs of the pool.
    pub apis: usize,
    /// Dialogues by type.
    pub types: BTreeMap<String, usize>,
    /// What happened to all plans.
    pub tally: Tally,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// Merges the blocks and writes everything that is made of them: the exports, `apis.jsonl`, `data_card.html`, and `browse.html`
/// with the first 500 dialogues.
///
/// # Errors
/// As for [`merge`] and [`export::write_all`].
pub fn finish(out: &Path) -> Result<Summary> {
    let (samples, tally, config) = merge(out)?;
    let grammar = config.documents.grammar()?;
    let grammar: &Grammar = &grammar;
    let pool = Pool::synthesise(grammar, &config.pool, config.seed)?;
    let diversity = Diversity::of(&pool, grammar);
    let mut files = export::write_all(&samples, out)?;
    let mut apis = String::new();
    for api in &pool.apis {
        let row: Json =
            [("tool", serde_json::to_string(&api.spec)), ("lineage", serde_json::to_string(&api.lineage))]
                .into_iter()
                .map(|(name, text)| {
                    (name, text.expect("an API has a text").parse::<Json>().unwrap_or_default())
                })
                .collect();
        apis.push_str(&format!("{row}\n"));
    }
    let card = report::data_card(&samples, &tally, &diversity, &config);
    let pages = report::leaf_through(&samples[..samples.len().min(500)]);
    for (name, text) in [("apis.jsonl", &apis), ("data_card.html", &card), ("browse.html", &pages)] {
        let path = out.join(name);
        replace_file(&path, text.as_bytes())?;
        files.push(path);
    }
    let mut types = BTreeMap::new();
    for sample in &samples {
        let kind = sample.metadata.get("type").and_then(Json::as_str).unwrap_or_default();
        *types.entry(kind.to_owned()).or_default() += 1;
    }
    Ok(Summary { samples: samples.len(), apis: pool.apis.len(), types, tally, files })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_another_program_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("000000.json");
        let tally = Tally { attempts: 3, ..Tally::default() };
        let grammar = Grammar::embedded();
        let own = Program::this(grammar);
        let newer = Program { version: "99.0.0".into(), ..Program::this(grammar) };
        let changed = Program { grammar_sha256: "0".into(), ..Program::this(grammar) };
        for (program, accepted) in [(own, true), (newer, false), (changed, false)] {
            let note = Note::Made { program, tally: tally.clone() };
            fs::write(&path, serde_json::to_string(&note).unwrap()).unwrap();
            match read_tally(&path, grammar) {
                Ok(read) => assert!(accepted && read == tally),
                Err(error) => {
                    assert!(!accepted && error.to_string().contains("000000.json was made"), "{error}")
                }
            }
        }
        fs::write(&path, serde_json::to_string(&tally).unwrap()).unwrap();
        assert_eq!(read_tally(&path, grammar).unwrap(), tally);
    }

    #[test]
    fn shards_are_read() {
        assert_eq!("2/8".parse::<Shard>().unwrap(), Shard { index: 2, of: 8 });
        for wrong in ["8/8", "1", "a/2", "0/0", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
