//! Reads what [`layout`](super::layout) recognised.

use std::path::Path;

use super::atomic::Options;
use super::builder::{At, Builder, Record, Report, Visit};
use super::features::Features;
use super::layout::{Format, Layout, Part, Table, recognise};
use super::lines::{Lines, open, parse_error, quoted};
use super::{adjacency, atomic, delimited, dense, movielens, sequence};
use crate::split::SplitSpec;
use crate::{Dataset, Error, Result, Split};

/// Reads the data set in the folder `path` (or in the single interaction file `path`): the union of its
/// interaction files in the order train, validation, test, with item and user tables where there are any. Its
/// name is the folder's.
///
/// Recognised are: one atomic data set (whole or in parts, histories included), MovieLens' `u.data` and
/// `ratings.dat`, dense matrices (`train.ascii`), `train`/`valid`/`test` files as adjacency lists or delimited
/// text, `data1.txt` with `test1.txt`, and `user.txt` with `random.txt`. Folders below `path` are not looked at.
///
/// # Errors
/// [`Error::Invalid`] where nothing, or more than one thing, is recognised (the message lists what was looked
/// for); [`Error::Parse`] and [`Error::Io`] from the files.
pub fn folder(path: impl AsRef<Path>) -> Result<Dataset> {
    Ok(folder_with(path, &Options::default())?.0)
}

/// [`folder`] with field names and separators for atomic files, and with the report of what was repaired.
///
/// # Errors
/// As [`folder`].
pub fn folder_with(path: impl AsRef<Path>, options: &Options) -> Result<(Dataset, Report)> {
    let path = path.as_ref();
    let layout = recognise(path, options)?;
    read(&name_of(path, &layout), &layout, options)
}

/// Reads the train, validation and test files of the folder `path` as parts of `dataset`, whose ids they share.
///
/// Each row of the files becomes the row of `dataset` with the same user and item, with its rating, time and
/// place in the order; where a pair occurs several times, the first row of the files is the first of the data
/// set, and so on. A file that names a pair more often than the data set has it names its last row again; no row can be
/// in two parts. A folder without validation file gives an empty validation part; a file `fold-in` holds what
/// is known of held-out users.
///
/// # Errors
/// [`Error::Parse`] with line and column for a user, item or pair that is not in `dataset`, or a pair whose every row
/// another part has already; [`Error::Invalid`] where the folder holds no train and test files, and as [`folder`].
pub fn parts(path: impl AsRef<Path>, dataset: &Dataset) -> Result<Split> {
    parts_with(path, &Options::default(), dataset)
}

/// [`parts`] with field names and separators for atomic files.
///
/// # Errors
/// As [`parts`].
pub fn parts_with(path: impl AsRef<Path>, options: &Options, dataset: &Dataset) -> Result<Split> {
    let path = path.as_ref();
    let spec = SplitSpec::Given(path.to_owned());
    let rows = part_rows(path, options, dataset)?;
    Split::from_rows(dataset, &spec, 0, &rows)
}

fn name_of(path: &Path, layout: &Layout) -> String {
    let own = |path: &Path| {
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        name.map(|name| name.to_string_lossy().into_owned())
    };
    let name = own(path).or_else(|| own(&path.canonicalize().ok()?)).unwrap_or_else(|| "data".to_owned());
    match &layout.suffix {
        Some(suffix) => format!("{name}-{suffix}"),
        None => name,
    }
}

/// Calls `visit` for every record of one file; dense matrices give their shape.
fn records(
    path: &Path,
    format: &Format,
    options: &Options,
    visit: &mut Visit<'_>,
) -> Result<Option<(usize, usize)>> {
    let reader = open(path)?;
    match format {
        Format::Atomic => atomic::records(reader, path, options, visit)?,
        Format::Sequence(take) => sequence::records(reader, path, options, *take, visit)?,
        Format::Adjacency(style) => adjacency::records(reader, path, *style, visit)?,
        Format::Delimited(layout) => delimited::records(reader, path, layout, visit)?,
        Format::Dense => return dense::records(reader, path, visit).map(Some),
    }
    Ok(None)
}

fn read(name: &str, layout: &Layout, options: &Options) -> Result<(Dataset, Report)> {
    let mut builder = Builder::new(name);
    if layout.whole.iter().any(|(_, format)| *format == Format::Dense) {
        // The rows and columns of a matrix are its ids, whether rated or not.
        for (path, _) in &layout.whole {
            let (n_users, n_items) = dense::records(open(path)?, path, &mut |_, _| Ok(()))?;
            builder.number(n_users, n_items)?;
        }
    }
    for (path, format) in &layout.whole {
        records(path, format, options, &mut |_, record| builder.push(record))?;
        builder.end_file();
    }
    if let Some(found) = &layout.items {
        builder.item_features(table(found, options)?, options.roles.clone());
    }
    if let Some(found) = &layout.users {
        builder.user_features(table(found, options)?);
    }
    builder.finish()
}

fn table(table: &Table, options: &Options) -> Result<Features> {
    match table {
        Table::AtomicItems(path) => atomic::features(open(path)?, path, options, &options.item_field),
        Table::AtomicUsers(path) => atomic::features(open(path)?, path, options, &options.user_field),
        Table::Movies(path) => movielens::movies(open(path)?, path),
        Table::Users(path) => movielens::users(open(path)?, path),
        Table::Items100k { items, genres } => {
            let genres = movielens::genre_names(open(genres)?, genres)?;
            movielens::items_100k(open(items)?, items, &genres)
        }
        Table::Users100k(path) => movielens::users_100k(open(path)?, path),
        Table::Dense { values, names } => dense::features(open(values)?, values, open(names)?, names),
        Table::IdList(path) => id_list(path),
    }
}

/// `org_id remap_id`: the original name of every id, as NGCF's folders have it.
fn id_list(path: &Path) -> Result<Features> {
    let mut lines = Lines::new(open(path)?, path);
    let Some((_, header)) = lines.next_line()? else {
        return Err(parse_error(path, 0, 0, "the file is empty"));
    };
    let names: Vec<String> = header.split_ascii_whitespace().map(str::to_owned).collect();
    let Some(id) = names.iter().position(|name| name == "remap_id") else {
        return Err(parse_error(path, 1, 0, "no column remap_id"));
    };
    let others = names.iter().enumerate().filter(|(column, _)| *column != id);
    let mut features = Features::new(others.map(|(_, name)| name.clone()).collect(), " ");
    while let Some((line, text)) = lines.next_filled(true)? {
        let mut fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() != names.len() {
            let what = format!("{} fields, but the header has {}", fields.len(), names.len());
            return Err(parse_error(path, line, fields.len().min(names.len()) + 1, what));
        }
        let token = fields.remove(id);
        features.push(path, line, token, fields.into_iter().map(str::to_owned).collect())?;
    }
    Ok(features)
}

/// The rows of `dataset` that the train, validation, test and fold-in files of `path` name, each ascending.
pub(crate) fn part_rows(path: &Path, options: &Options, dataset: &Dataset) -> Result<[Vec<usize>; 4]> {
    let layout = recognise(path, options)?;
    for (part, name) in [(Part::Train, "train"), (Part::Test, "test")] {
        if !layout.parts.iter().any(|(other, ..)| *other == part) {
            let what = format!("{}: no {name} file; a given split has train and test", path.display());
            return Err(Error::invalid(what));
        }
    }
    let mut pairs = Pairs::new(dataset);
    let mut rows: [Vec<usize>; 4] = Default::default();
    for (part, path, format) in &layout.parts {
        let rows = &mut rows[*part as usize];
        records(path, format, options, &mut |at, record| {
            if let Some(row) = pairs.take(*part, path, at, record)? {
                rows.push(row);
            }
            Ok(())
        })?;
        rows.sort_unstable();
    }
    Ok(rows)
}

/// Finds the rows of a data set by user and item.
struct Pairs<'a> {
    dataset: &'a Dataset,
    /// Row numbers, by user, item and row.
    order: Vec<usize>,
    /// At the first position of each pair in `order`: how many of its rows were taken, and by which part the last.
    taken: Vec<(usize, Option<Part>)>,
}

impl<'a> Pairs<'a> {
    fn new(dataset: &'a Dataset) -> Self {
        let rows = &dataset.interactions;
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by_key(|&row| (rows.users[row], rows.items[row], row));
        Self { dataset, taken: vec![(0, None); order.len()], order }
    }

    fn take(&mut self, part: Part, path: &Path, at: At, record: Record<'_>) -> Result<Option<usize>> {
        let (user, item) = match record {
            Record::Interaction { user, item, .. } => (user, item),
            Record::User(_) => return Ok(None),
            Record::Nameless => {
                return Err(parse_error(path, at.line, at.user_column, "the user or the item is missing"));
            }
        };
        let data = self.dataset;
        let unknown = |column, what: &str, token| {
            let what = format!("the {what} {} is not in the data set {}", quoted(token), data.name);
            parse_error(path, at.line, column, what)
        };
        let user_id = data.users.get(user).ok_or_else(|| unknown(at.user_column, "user", user))?;
        let item_id = data.items.get(item).ok_or_else(|| unknown(at.item_column, "item", item))?;
        let key = |row: usize| (data.interactions.users[row].0, data.interactions.items[row].0);
        let first = self.order.partition_point(|&row| key(row) < (user_id, item_id));
        if self.order.get(first).is_none_or(|&row| key(row) != (user_id, item_id)) {
            let pair = format!("user {} with item {}", quoted(user), quoted(item));
            let what = format!("{pair} is not a row of the data set {} (was it filtered?)", data.name);
            return Err(parse_error(path, at.line, at.item_column, what));
        }
        let (taken, taker) = self.taken[first];
        if self.order.get(first + taken).is_some_and(|&row| key(row) == (user_id, item_id)) {
            self.taken[first] = (taken + 1, Some(part));
            return Ok(Some(self.order[first + taken]));
        }
        // What was learnt from would be judged by.
        if let Some(taker) = taker.filter(|taker| *taker != part) {
            let pair = format!("user {} with item {}", quoted(user), quoted(item));
            let what = format!(
                "{pair} is in {} already, and the data set {} has no more than {taken} row(s) of them",
                taker.name(),
                data.name
            );
            return Err(parse_error(path, at.line, at.item_column, what));
        }
        // A pair that a file names more often than the data set stays its last row.
        Ok(Some(self.order[first + taken - 1]))
    }
}
