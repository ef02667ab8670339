//! Opening files, and errors that name the place.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use rec_core::read::dense::{self, Matrix};
use rec_core::{Place, read};

use super::Log;
use crate::{Error, Result};

/// Ids stay below this: tables with a row for each id must fit into memory.
pub(crate) const MAX_ID: u32 = 1 << 24;

/// An error at `line` and `column` (from 1, 0 = unknown) of `path`.
pub(crate) fn parse_error(path: &Path, line: u64, column: usize, what: impl Into<String>) -> Error {
    let column = u32::try_from(column).unwrap_or(u32::MAX);
    rec_core::Error::Parse { place: Place { path: path.to_owned(), line, column }, what: what.into() }.into()
}

/// `text` in quotes for a message, cut after 40 characters.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Opens `path` for buffered reading.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(|error| rec_core::Error::io(path, error))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// The first of `places` (relative to `folder`) that is a file; the first of all where none is, so that opening it
/// tells what is missing.
pub(crate) fn first_of(folder: &Path, places: &[&str]) -> PathBuf {
    let paths = places.iter().map(|place| folder.join(place));
    paths.clone().find(|path| path.is_file()).unwrap_or_else(|| folder.join(places[0]))
}

/// A dense matrix of the given shape (`None` = any), whose values `accepts` holds for.
pub(crate) fn matrix(
    path: &Path,
    shape: (Option<usize>, Option<usize>),
    accepts: impl Fn(f64) -> bool,
    accepted: &str,
) -> Result<Matrix> {
    let matrix = dense::matrix(open(path)?, path)?;
    let rows = shape.0.unwrap_or(matrix.n_rows);
    let columns = shape.1.unwrap_or(matrix.n_columns);
    if (matrix.n_rows, matrix.n_columns) != (rows, columns) {
        let what =
            format!("a matrix of {} x {}, expected {rows} x {columns}", matrix.n_rows, matrix.n_columns);
        return Err(parse_error(path, 0, 0, what));
    }
    if let Some(at) = matrix.values.iter().position(|&value| !accepts(value)) {
        let (row, column) = (at / columns, at % columns);
        let what = format!("{}, expected {accepted}", matrix.values[at]);
        return Err(parse_error(path, row as u64 + 1, column + 1, what));
    }
    Ok(matrix)
}

/// The rated cells (those that are not 0) of a matrix of ratings, row by row.
pub(crate) fn rated(matrix: &Matrix) -> Log {
    let mut log = Log::default();
    for (at, &value) in matrix.values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
        log.push((at / matrix.n_columns) as u32, (at % matrix.n_columns) as u32, value as f32);
    }
    log
}

/// A rating between 1 and 5, or 0 for none.
pub(crate) fn is_rating(value: f64) -> bool {
    (1.0..=5.0).contains(&value) || value == 0.0
}

/// The rows of a delimited file whose ids count from 1, as ids from 0.
pub(crate) fn ratings(path: &Path, options: &read::delimited::Options, range: (f32, f32)) -> Result<Log> {
    let mut log = Log::default();
    let mut times = Vec::new();
    let from_one = |line, column, text: &str| match text.parse::<u32>() {
        Ok(id) if id > 0 && id < MAX_ID => Ok(id - 1),
        _ => Err(parse_error(path, line, column, format!("{} is not an id (a number from 1)", quoted(text)))),
    };
    let mut failure = None;
    let visited = read::delimited::records(open(path)?, path, options, &mut |at, record| {
        let mut row = || -> Result<()> {
            let read::Record::Interaction { user, item, rating, time } = record else {
                return Err(parse_error(path, at.line, 0, "the user or the item is missing"));
            };
            let column = options.rating.map_or(0, |column| column + 1);
            let Some(rating) = rating else {
                return Err(parse_error(path, at.line, column, "the rating is missing"));
            };
            if !(range.0..=range.1).contains(&rating) {
                let what = format!("the rating {rating} is not between {} and {}", range.0, range.1);
                return Err(parse_error(path, at.line, column, what));
            }
            let user = from_one(at.line, at.user_column, user)?;
            log.push(user, from_one(at.line, at.item_column, item)?, rating);
            if options.time.is_some() {
                let column = options.time.map_or(0, |column| column + 1);
                let time = time.ok_or_else(|| parse_error(path, at.line, column, "the time is missing"))?;
                times.push(time);
            }
            Ok(())
        };
        row().map_err(|error| {
            failure = Some(error);
            rec_core::Error::invalid("a row was refused")
        })
    });
    match failure {
        Some(error) => return Err(error),
        None => visited?,
    }
    log.times = options.time.is_some().then_some(times);
    Ok(log)
}
