//! Running an experiment: a child process for each run, several at a time, each in a run folder of its own.
//!
//! A stage is a list of runs: the supervised policies of its seeds first, then everything that begins with them, seed by seed, so that
//! rows of few seeds can be compared long before the last is there.

use std::path::{Path, PathBuf};

use rec_core::run::{RunFolder, Start};

use super::experiment::ToolExperiment;
use super::outcome::{Calibrated, RowResult, ToolComparison, Tried};
use super::rows::{Kind, Row};
use super::training::{BASE, Judged, ToolJob, ToolRun, as_text};
use crate::children::{self, Said, side_by_side};
use crate::cli::Existing;
use crate::error::{Error, Result};
use crate::machine::Machine;
use crate::output;

/// The hidden command that children run.
pub const CHILD: &str = "tool-rl-child";

/// How runs are run.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// What to do with runs that exist.
    pub existing: Existing,
    /// How many at a time.
    pub jobs: usize,
    /// Look at what is finished and run nothing.
    pub only_look: bool,
}

struct Planned {
    title: String,
    job: ToolJob,
    path: PathBuf,
}

impl ToolExperiment {
    fn job(&self, row: &str, seed: u64, judged: Judged) -> ToolJob {
        ToolJob {
            row: row.to_owned(),
            seed,
            rate: None,
            method: None,
            judged,
            device: self.device.clone(),
            setup: self.setup.clone(),
            expert: self.expert.clone(),
        }
    }

    /// The supervised policies of seeds.
    fn bases(&self, folder: &Path, seeds: &[u64]) -> Vec<Planned> {
        let base = |&seed: &u64| Planned {
            title: format!("sft (seed {seed})"),
            job: self.job(BASE, seed, Judged::Test),
            path: folder.join("base").join(seed.to_string()),
        };
        seeds.iter().map(base).collect()
    }
}

/// The result of a finished run, without touching it.
fn finished(planned: &Planned) -> Option<ToolRun> {
    let stored: ToolJob = children::read_job(&planned.path).ok()?;
    if stored != planned.job {
        return None;
    }
    let text = std::fs::read_to_string(planned.path.join("result.json")).ok()?;
    serde_json::from_str(&text).ok()
}

/// Runs all, in their order, and gives their results in it. A run that failed is an error of its own; one that is not there,
/// when nothing is to be run, is none.
fn run_all(runs: &[Planned], running: Running) -> Vec<Option<Result<ToolRun>>> {
    if running.only_look {
        return runs.iter().map(|planned| finished(planned).map(Ok)).collect();
    }
    let bar = output::progress(runs.len() as u64);
    let threads = (running.jobs > 1).then_some(1);
    let run = |planned: &Planned| -> Result<ToolRun> {
        bar.set_message(planned.title.clone());
        let result = |folder: RunFolder| Ok::<_, Error>(folder.result::<ToolRun>()?);
        if let Some(done) = result(children::prepare(&planned.path, &planned.job, running.existing)?)? {
            return Ok(done);
        }
        children::run(CHILD, &planned.path, threads, |said| {
            let Said::Beat(beat) = said else { return };
            let pass = beat.quality.map(|pass| format!(", {:.0} % pass", 100.0 * pass)).unwrap_or_default();
            bar.set_message(format!("{}: {} of {}{pass}", planned.title, beat.epoch, beat.epochs));
        })?;
        result(children::open(&planned.path, &planned.job, Start::Resume)?)?
            .ok_or_else(|| Error::Failed(format!("{}: no result", planned.path.display())))
    };
    let outcomes = side_by_side(runs, running.jobs, |_, planned| {
        let outcome = run(planned);
        bar.inc(1);
        if let Err(error) = &outcome {
            bar.suspend(|| output::warn(format!("{} failed: {error}", planned.title)));
        }
        outcome
    });
    bar.finish_and_clear();
    outcomes.into_iter().map(Some).collect()
}

/// Supervised policies, which everything of their seeds needs: the first failure ends the stage.
fn run_bases(runs: &[Planned], running: Running) -> Result<Vec<Option<ToolRun>>> {
    run_all(runs, running).into_iter().map(Option::transpose).collect()
}

/// Tries the degrees of the experts' care: a supervised policy for each and each seed, sampled on validation tasks.
///
/// # Errors
/// [`Error::Usage`] for an experiment that names none; what the runs report.
pub fn calibrate(experiment: &ToolExperiment, folder: &Path, running: Running) -> Result<Vec<Calibrated>> {
    experiment.rows()?;
    let calibration = &experiment.calibration;
    if calibration.careful.is_empty() || calibration.seeds.is_empty() {
        return Err(Error::Usage("[calibration] names no degrees of care, or no seeds".into()));
    }
    let mut runs = Vec::new();
    for careful in &calibration.careful {
        for &seed in &calibration.seeds {
            let mut job = experiment.job(BASE, seed, Judged::Validation);
            job.expert.careful = *careful;
            let name = careful.map(|share| share.to_string()).join("-");
            let path = folder.join("calibration").join(&name).join(seed.to_string());
            runs.push(Planned { title: format!("care {name} (seed {seed})"), job, path });
        }
    }
    let mut found = run_bases(&runs, running)?.into_iter();
    let of = |&careful: &[f64; 4]| Calibrated {
        careful,
        runs: found.by_ref().take(calibration.seeds.len()).flatten().collect(),
    };
    Ok(calibration.careful.iter().map(of).collect())
}

/// Tries learning rates for every row that has one of its own, on the grid's seeds and validation tasks.
///
/// # Errors
/// [`Error::Usage`] for an experiment without a grid; what supervised policies report. Runs that fail count as none.
pub fn search(experiment: &ToolExperiment, folder: &Path, running: Running) -> Result<Vec<Tried>> {
    let rows = experiment.rows()?;
    let grid = &experiment.grid;
    if grid.rates.is_empty() || grid.seeds.is_empty() {
        return Err(Error::Usage("[grid] names no learning rates, or no seeds".into()));
    }
    let bases = run_bases(&experiment.bases(folder, &grid.seeds), running)?;
    let own: Vec<&Row> =
        rows.iter().filter(|row| row.rate_from == row.name && row.kind.method().is_some()).collect();
    let mut runs = Vec::new();
    for &seed in &grid.seeds {
        for row in &own {
            for &rate in &grid.rates {
                let mut job = experiment.job(row.name, seed, Judged::Validation);
                job.rate = Some(rate);
                job.method = row.kind.method().map(as_text);
                let name = format!("{}-{rate:e}", row.name);
                let path = folder.join("grid").join(&name).join(seed.to_string());
                runs.push(Planned { title: format!("{name} (seed {seed})"), job, path });
            }
        }
    }
    let outcomes = run_all(&runs, running);
    let supervised = bases.into_iter().flatten().collect::<Vec<_>>();
    let mut tried: Vec<Tried> = own
        .iter()
        .flat_map(|row| grid.rates.iter().map(|&rate| (row.name, rate)))
        .map(|(row, rate)| Tried {
            row: row.to_owned(),
            rate,
            runs: Vec::new(),
            failed: 0,
            before: supervised.clone(),
        })
        .collect();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let place = &mut tried[index % (own.len() * grid.rates.len())];
        match outcome {
            Some(Ok(run)) => place.runs.push(run),
            Some(Err(_)) => place.failed += 1,
            None => {}
        }
    }
    Ok(tried)
}

/// Runs the tables' rows under `folder`. Runs that fail are part of the result.
///
/// # Errors
/// [`Error::Usage`] for an experiment that does not hold or learning rates that are not frozen; what supervised policies report.
pub fn execute(
    name: &str,
    experiment: &ToolExperiment,
    folder: &Path,
    running: Running,
) -> Result<ToolComparison> {
    let rows = experiment.rows()?;
    let rates = rows.iter().map(|row| experiment.rate_of(row)).collect::<Result<Vec<_>>>()?;
    let most = rows.iter().map(|row| experiment.seeds_of(row.name).len()).max().unwrap_or(1);
    let bases = run_bases(&experiment.bases(folder, &experiment.seeds[..most]), running)?;

    // What the claim rests on goes first, seed by seed; then the other tables' rows in the same way.
    let is_claimed = |row: &Row| experiment.claim_rows.iter().any(|name| name == row.name);
    let mut order = Vec::new();
    for of_the_claim in [true, false] {
        for (at, &seed) in experiment.seeds.iter().enumerate() {
            for (place, row) in rows.iter().enumerate() {
                let own = at < experiment.seeds_of(row.name).len();
                if own && is_claimed(row) == of_the_claim && row.kind != Kind::Supervised {
                    order.push((place, seed));
                }
            }
        }
    }
    let planned = |&(place, seed): &(usize, u64)| {
        let row = &rows[place];
        let mut job = experiment.job(row.name, seed, Judged::Test);
        job.rate = rates[place];
        job.method = row.kind.method().map(as_text);
        let path = folder.join("table").join(row.name).join(seed.to_string());
        Planned { title: format!("{} (seed {seed})", row.name), job, path }
    };
    let runs: Vec<Planned> = order.iter().map(planned).collect();
    let outcomes = run_all(&runs, running);

    let result = |(row, rate): (&Row, &Option<f64>)| RowResult {
        row: row.clone(),
        rate: *rate,
        runs: Vec::new(),
        failures: Vec::new(),
    };
    let mut results: Vec<RowResult> = rows.iter().zip(&rates).map(result).collect();
    for result in results.iter_mut().filter(|result| result.row.kind == Kind::Supervised) {
        let own = experiment.seeds_of(result.row.name).len();
        result.runs = bases.iter().take(own).flatten().cloned().collect();
    }
    for ((place, seed), outcome) in order.into_iter().zip(outcomes) {
        match outcome {
            Some(Ok(run)) => results[place].runs.push(run),
            Some(Err(error)) => results[place].failures.push((seed, error.to_string())),
            None => {}
        }
    }
    Ok(ToolComparison {
        name: name.to_owned(),
        experiment: experiment.clone(),
        demonstrations_passed: bases
            .iter()
            .flatten()
            .filter_map(|run| run.metrics.get("demonstrations_passed").copied())
            .collect(),
        rows: results,
        episodes: Vec::new(),
        machine: Machine::this(),
    }
    .with_episodes(folder))
}
