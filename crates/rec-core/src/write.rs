//! Writers: data sets and splits as files that [`read`](crate::read) takes back. Each file appears as a whole, or stays as it
//! was.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::run::{remove_if_there, replace_file, replace_file_with};
use crate::{Dataset, Error, IdMap, Interactions, Result, Split};

/// Writes `NAME.inter`, and `NAME.item` and `NAME.user` where there is something to say, into `folder` (created
/// if needed), as RecBole atomic files. Returns the files written.
///
/// Titles become `movie_title:token_seq`, categories `class:token_seq`, every other column `NAME:token`. Where
/// an item or user file was read, only the ids it lists are written; ids without interactions keep a row.
///
/// # Errors
/// [`Error::Io`], and [`Error::Invalid`] for text that the format cannot hold: a tab or line break anywhere, an
/// empty id, a category with a blank in it, two columns of one name.
pub fn atomic(dataset: &Dataset, folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
    dataset.validate()?;
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let rows = &dataset.interactions;
    let mut written = Vec::new();
    let ratings = if rows.ratings.is_some() { "\trating:float" } else { "" };
    let times = if rows.timestamps.is_some() { "\ttimestamp:float" } else { "" };
    let path = folder.join(format!("{name}.inter"));
    text_file(&path, |file| {
        file.line(format_args!("user_id:token\titem_id:token{ratings}{times}"))?;
        write_rows(file, dataset, rows, "\t")
    })?;
    written.push(path);

    let catalogue = &dataset.catalogue;
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    if let Some(titles) = &catalogue.titles {
        columns.push(("movie_title:token_seq".into(), titles.clone()));
    }
    if let Some(categories) = &catalogue.categories {
        let names = &catalogue.category_names;
        if let Some(name) = names.iter().find(|name| name.is_empty() || name.contains(' ')) {
            let what = "cannot stand in an atomic file, where a blank parts categories; rename it";
            return Err(Error::invalid(format!("the category {name:?} {what}")));
        }
        let join = |own: &Vec<u32>| {
            own.iter().map(|&category| names[category as usize].as_str()).collect::<Vec<_>>().join(" ")
        };
        columns.push(("class:token_seq".into(), categories.iter().map(join).collect()));
    }
    let typed = |(name, values): &(String, Vec<String>)| (format!("{name}:token"), values.clone());
    columns.extend(catalogue.columns.iter().map(typed));
    let counts = rows.item_counts(dataset.n_items());
    let path = folder.join(format!("{name}.item"));
    let listed = catalogue.listed.as_deref();
    written.extend(table(&path, "item_id", &dataset.items, &columns, listed, &counts)?);

    let columns: Vec<_> = dataset.user_columns.iter().map(typed).collect();
    let counts = rows.user_counts(dataset.n_users());
    let path = folder.join(format!("{name}.user"));
    let listed = dataset.listed_users.as_deref();
    written.extend(table(&path, "user_id", &dataset.users, &columns, listed, &counts)?);
    Ok(written)
}

/// Writes an item or user table, if there is something in it that the interactions do not say.
fn table(
    path: &Path,
    id: &str,
    ids: &IdMap,
    columns: &[(String, Vec<String>)],
    listed: Option<&[bool]>,
    counts: &[u32],
) -> Result<Option<PathBuf>> {
    if columns.is_empty() && listed.is_none() && counts.iter().all(|&count| count > 0) {
        return Ok(None);
    }
    let mut header = format!("{id}:token");
    let mut fields = vec![id];
    for (name, _) in columns {
        let field = name.rsplit_once(':').map_or(name.as_str(), |(field, _)| field);
        if field.is_empty() || fields.contains(&field) {
            return Err(Error::invalid(format!("{}: two columns are called {field:?}", path.display())));
        }
        fields.push(field);
        header.push('\t');
        header.push_str(cell(name)?);
    }
    text_file(path, |file| {
        file.line(format_args!("{header}"))?;
        for (row, token) in ids.tokens().enumerate() {
            if listed.is_some_and(|listed| !listed[row] && counts[row] > 0) {
                continue;
            }
            let mut line = token_of(token)?.to_owned();
            for (_, values) in columns {
                line.push('\t');
                line.push_str(cell(&values[row])?);
            }
            file.line(format_args!("{line}"))?;
        }
        Ok(())
    })?;
    Ok(Some(path.to_owned()))
}

/// Writes the interactions as delimited text with the header `user_id item_id [rating] [timestamp]`.
///
/// # Errors
/// [`Error::Io`], [`Error::Config`] for an empty separator, and [`Error::Invalid`] for an id that contains the
/// separator or a line break, or begins or ends with a blank.
pub fn delimited(dataset: &Dataset, path: &Path, separator: &str) -> Result<()> {
    dataset.validate()?;
    rows(dataset, &dataset.interactions, path, separator)
}

fn rows(dataset: &Dataset, interactions: &Interactions, path: &Path, separator: &str) -> Result<()> {
    if separator.is_empty() {
        return Err(Error::config("separator", "is empty; give what parts the columns, a tab for instance"));
    }
    let mut header = vec!["user_id", "item_id"];
    header.extend(interactions.ratings.as_ref().map(|_| "rating"));
    header.extend(interactions.timestamps.as_ref().map(|_| "timestamp"));
    text_file(path, |file| {
        file.line(format_args!("{}", header.join(separator)))?;
        write_rows(file, dataset, interactions, separator)
    })
}

/// Writes `train.tsv`, `valid.tsv` and `test.tsv` (and `fold-in.tsv` where users are held out) with a header,
/// and the manifest as `manifest.json`, into `folder` (created if needed). `given:FOLDER` reads them back.
///
/// A split that was written there before is replaced, and of its files those that this one does not have are removed. A
/// folder that is half the one and half the other, after a kill, has no `test.tsv` and is no split.
///
/// # Errors
/// As [`delimited`].
pub fn split(split: &Split, dataset: &Dataset, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    let (test, manifest_path) = (folder.join("test.tsv"), folder.join("manifest.json"));
    remove_if_there(&manifest_path)?;
    remove_if_there(&test)?;
    rows(dataset, &split.train, &folder.join("train.tsv"), "\t")?;
    for (part, name) in [(&split.valid, "valid.tsv"), (&split.fold_in, "fold-in.tsv")] {
        match part.is_empty() {
            true => remove_if_there(&folder.join(name))?,
            false => rows(dataset, part, &folder.join(name), "\t")?,
        }
    }
    rows(dataset, &split.test, &test, "\t")?;
    let mut manifest = serde_json::to_string_pretty(&split.manifest)
        .map_err(|error| Error::invalid(format!("the manifest cannot be written as JSON: {error}")))?;
    manifest.push('\n');
    replace_file(&manifest_path, manifest.as_bytes())
}

fn write_rows(
    file: &mut TextFile<'_>,
    dataset: &Dataset,
    rows: &Interactions,
    separator: &str,
) -> Result<()> {
    use std::fmt::Write;
    let mut line = String::new();
    for (row, (user, item)) in rows.pairs().enumerate() {
        line.clear();
        for (column, token) in [dataset.users.token(user.0), dataset.items.token(item.0)].iter().enumerate() {
            if token.contains(separator) || token.trim() != *token {
                let what = "contains the separator, or begins or ends with a blank";
                return Err(Error::invalid(format!("the id {token:?} {what}")));
            }
            if column > 0 {
                line.push_str(separator);
            }
            line.push_str(token_of(token)?);
        }
        if let Some(ratings) = &rows.ratings {
            write!(line, "{separator}{}", ratings[row]).expect("writing to a string does not fail");
        }
        if let Some(times) = &rows.timestamps {
            write!(line, "{separator}{}", times[row]).expect("writing to a string does not fail");
        }
        file.line(format_args!("{line}"))?;
    }
    Ok(())
}

/// Text of one field of an atomic file.
fn cell(text: &str) -> Result<&str> {
    if text.contains(['\t', '\n', '\r']) {
        return Err(Error::invalid(format!("{text:?} contains a tab or a line break")));
    }
    Ok(text)
}

fn token_of(token: &str) -> Result<&str> {
    if token.is_empty() { Err(Error::invalid("an id is empty")) } else { cell(token) }
}

/// Writes a text file, as a whole or not at all.
fn text_file(path: &Path, write: impl FnOnce(&mut TextFile<'_>) -> Result<()>) -> Result<()> {
    replace_file_with(path, |writer| write(&mut TextFile { path, writer }))
}

/// A text file that knows its path when something fails.
struct TextFile<'a> {
    path: &'a Path,
    writer: &'a mut BufWriter<File>,
}

impl TextFile<'_> {
    fn line(&mut self, text: std::fmt::Arguments<'_>) -> Result<()> {
        writeln!(self.writer, "{text}").map_err(|error| Error::io(self.path, error))
    }
}
