//! `data`: lists, fetches, checks, describes and converts data sets.

use std::path::{Path, PathBuf};

use rec_core::dataset::Statistics;
use rec_core::{Dataset, write};
use serde_json::json;

use crate::cli::{Data, DataCheck, DataConvert, DataList, DataStats, Format};
use crate::data::{load, registry};
use crate::error::{Error, Result};
use crate::fetch::{self, Held};
use crate::{output, table};

/// Runs the command.
///
/// # Errors
/// What the commands report.
pub fn data(command: &Data) -> Result<()> {
    match command {
        Data::List(arguments) => list(arguments),
        Data::Fetch(arguments) => fetch::fetch(arguments),
        Data::Check(arguments) => check(arguments),
        Data::Stats(arguments) => stats(arguments),
        Data::Convert(arguments) => convert(arguments),
    }
}

fn list(arguments: &DataList) -> Result<()> {
    let registry = registry()?;
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for entry in &registry.datasets {
        let held = fetch::held(entry);
        let count = |count: Option<u64>| count.map_or("-".into(), |count| table::grouped(count as usize));
        let state = match &held {
            Some(Held { shipped: true, .. }) => "in the repository",
            Some(_) => "fetched",
            None if entry.files.is_empty() => "by hand",
            None => "to fetch",
        };
        rows.push(vec![
            entry.name.clone(),
            state.into(),
            count(entry.users),
            count(entry.items),
            count(entry.rows),
            entry.licence.clone(),
            entry.title.clone(),
        ]);
        let mut value = json!(entry);
        value["state"] = json!(state);
        value["path"] = json!(held.map(|held| held.folder));
        values.push(value);
    }
    let text =
        table::text(&["data set", "state", "users", "items", "rows", "licence", "title"], rows.into_iter());
    table::show(&arguments.json, &json!(values), &text)
}

fn check(arguments: &DataCheck) -> Result<()> {
    let registry = registry()?;
    let mut named = Vec::new();
    for name in &arguments.names {
        named.push(registry.get(name)?);
    }
    let mut rows = Vec::new();
    let mut values = Vec::new();
    let mut broken = Vec::new();
    let every = named.is_empty();
    for entry in if every { registry.datasets.iter().collect() } else { named } {
        let Some(held) = fetch::held(entry) else {
            if !every {
                return Err(Error::Data(format!(
                    "{}: not here; `cargo xtask data fetch {0}` gets it",
                    entry.name
                )));
            }
            continue;
        };
        for file in fetch::verify(&held)? {
            let said = file.problem.as_deref().unwrap_or("as recorded");
            rows.push(vec![entry.name.clone(), file.name.clone(), said.into()]);
            values.push(json!({"dataset": entry.name, "file": file.name, "problem": file.problem}));
            if file.problem.is_some() {
                broken.push(format!("{}/{}", entry.name, file.name));
            }
        }
    }
    let text = table::text(&["data set", "file", "state"], rows.into_iter());
    table::show(&arguments.json, &json!({"whole": broken.is_empty(), "files": values}), &text)?;
    if broken.is_empty() { Ok(()) } else { Err(Error::Data(format!("broken: {}", broken.join(", ")))) }
}

fn stats(arguments: &DataStats) -> Result<()> {
    let dataset = load(&arguments.data)?;
    let statistics = Statistics::of(&dataset);
    let value = json!({
        "name": dataset.name,
        "sha256": dataset.sha256(),
        "statistics": statistics,
        "catalogue": {
            "titles": dataset.catalogue.titles.is_some(),
            "categories": dataset.catalogue.category_names,
            "columns": dataset.catalogue.columns.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        },
        "user_columns": dataset.user_columns.iter().map(|(name, _)| name).collect::<Vec<_>>(),
    });
    let spread = |spread: rec_core::dataset::Spread| {
        format!("{} to {}, median {}", spread.min, spread.max, spread.median)
    };
    let mut rows = vec![
        ("name", dataset.name.clone()),
        ("users", table::grouped(statistics.users)),
        ("items", table::grouped(statistics.items)),
        ("interactions", table::grouped(statistics.interactions)),
        ("density", format!("{:.6}", statistics.density)),
        ("interactions of a user", spread(statistics.per_user)),
        ("interactions of an item", spread(statistics.per_item)),
    ];
    if let Some(mean) = statistics.mean_rating {
        rows.push(("mean rating", format!("{mean:.4}")));
    }
    if let Some((first, last)) = statistics.time_range {
        rows.push(("times", format!("{first} to {last}")));
    }
    rows.push(("titles", if dataset.catalogue.titles.is_some() { "yes" } else { "no" }.into()));
    if !dataset.catalogue.category_names.is_empty() {
        rows.push(("categories", dataset.catalogue.category_names.len().to_string()));
    }
    rows.push(("sha256", dataset.sha256()));
    let text =
        table::text(&["", "value"], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]));
    table::show(&arguments.json, &value, &text)
}

fn convert(arguments: &DataConvert) -> Result<()> {
    let dataset = load(&arguments.data)?;
    let folder = &arguments.out;
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let delimited = |extension: &str, separator: &str| -> Result<_> {
        let path = folder.join(format!("{}.{extension}", dataset.name));
        write::delimited(&dataset, &path, separator)?;
        Ok(vec![path])
    };
    let files = match arguments.to {
        Format::Atomic => write::atomic(&dataset, folder, &dataset.name)?,
        Format::Tsv => delimited("tsv", "\t")?,
        Format::Csv => delimited("csv", ",")?,
        Format::Parquet => parquet(&dataset, folder)?,
    };
    let shown = |path: &Path| path.display().to_string();
    let names: Vec<String> = files.iter().map(|path| shown(path)).collect();
    table::show(&arguments.json, &json!({"files": names}), &names.join("\n"))?;
    output::note(format!("{} interactions", table::grouped(dataset.interactions.len())));
    Ok(())
}

#[cfg(feature = "polars")]
fn parquet(dataset: &Dataset, folder: &Path) -> Result<Vec<PathBuf>> {
    let path = folder.join(format!("{}.parquet", dataset.name));
    rec_core::read::tables::write_parquet(dataset, &path)?;
    Ok(vec![path])
}

#[cfg(not(feature = "polars"))]
fn parquet(_: &Dataset, _: &Path) -> Result<Vec<PathBuf>> {
    Err(Error::Usage("--to parquet needs a build with the feature polars".into()))
}
