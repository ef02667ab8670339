//! Quoted CSV and Parquet, through polars (feature `polars`).
//!
//! Only the named columns are loaded. Ids are text: those of CSV stay as written, whole numbers of Parquet get
//! their decimal form. A row without user or item is dropped and counted, a missing rating or time becomes the
//! mean of its column, as for [atomic files](super::atomic).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::{
    Column, CsvReadOptions, DataFrame, DataType, ParquetReader, ParquetWriter, PlSmallStr, PolarsError,
    SerReader,
};
use serde::{Deserialize, Serialize};

use super::builder::{Builder, Record, Report};
use super::lines::{parse_error, quoted};
use crate::run::replace_file_with;
use crate::{Dataset, Error, Result};

/// The names of the columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Columns {
    /// The user.
    pub user: String,
    /// The item.
    pub item: String,
    /// The rating, if it is to be loaded.
    pub rating: Option<String>,
    /// The time, if it is to be loaded. Dates and times of Parquet become their whole number (microseconds for
    /// most writers); nothing is scaled.
    pub time: Option<String>,
}

impl Default for Columns {
    fn default() -> Self {
        Self { user: "user_id".into(), item: "item_id".into(), rating: None, time: None }
    }
}

impl Columns {
    fn names(&self) -> Vec<String> {
        let optional = [&self.rating, &self.time].into_iter().flatten();
        [&self.user, &self.item].into_iter().chain(optional).cloned().collect()
    }
}

/// Reads a CSV file with a header; fields may be quoted.
///
/// # Errors
/// [`Error::Io`]; [`Error::Config`] for a column that does not exist; [`Error::Parse`] for what is not CSV, and
/// with the row (as the line, the header being 1) for a rating or time that is not a finite number.
pub fn csv(path: impl AsRef<Path>, columns: &Columns, separator: u8) -> Result<(Dataset, Report)> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let options = CsvReadOptions::default()
        .with_has_header(true)
        // Without inference every column is text, and `007` stays what it is.
        .with_infer_schema_length(Some(0))
        .map_parse_options(|options| options.with_separator(separator));
    let all = options.clone().with_n_rows(Some(0)).into_reader_with_file_handle(file).finish();
    known(path, columns, &all.map_err(|error| table_error(path, error))?)?;
    let names: Arc<[PlSmallStr]> = columns.names().iter().map(|name| name.as_str().into()).collect();
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let frame = options.with_columns(Some(names)).into_reader_with_file_handle(file).finish();
    dataset(path, columns, &frame.map_err(|error| table_error(path, error))?)
}

/// Reads a Parquet file.
///
/// # Errors
/// As [`csv`].
pub fn parquet(path: impl AsRef<Path>, columns: &Columns) -> Result<(Dataset, Report)> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let mut reader = ParquetReader::new(file);
    let schema = reader.schema().map_err(|error| table_error(path, error))?;
    let names = columns.names();
    if let Some(missing) = names.iter().find(|name| !schema.contains(name.as_str())) {
        let found: Vec<&str> = schema.iter_names().map(PlSmallStr::as_str).collect();
        return Err(no_column(path, missing, &found));
    }
    let frame = reader.with_columns(Some(names)).finish().map_err(|error| table_error(path, error))?;
    dataset(path, columns, &frame)
}

/// Writes the interactions as Parquet, as a whole or not at all: `user_id` and `item_id` as text, `rating` as 32-bit and `timestamp` as
/// 64-bit float where there are any.
///
/// # Errors
/// [`Error::Io`], and [`Error::Invalid`] where polars refuses the table.
pub fn write_parquet(data: &Dataset, path: impl AsRef<Path>) -> Result<()> {
    data.validate()?;
    let path = path.as_ref();
    let rows = &data.interactions;
    let users: Vec<&str> = rows.users.iter().map(|user| data.users.token(user.0)).collect();
    let items: Vec<&str> = rows.items.iter().map(|item| data.items.token(item.0)).collect();
    let mut columns = vec![
        Column::new("user_id".into(), users.as_slice()),
        Column::new("item_id".into(), items.as_slice()),
    ];
    columns.extend(rows.ratings.as_ref().map(|ratings| Column::new("rating".into(), ratings.as_slice())));
    columns.extend(rows.timestamps.as_ref().map(|times| Column::new("timestamp".into(), times.as_slice())));
    let refused = |error: PolarsError| Error::invalid(format!("{}: {error}", path.display()));
    let mut frame = DataFrame::new(rows.len(), columns).map_err(refused)?;
    replace_file_with(path, |file| ParquetWriter::new(file).finish(&mut frame).map(drop).map_err(refused))
}

fn table_error(path: &Path, error: PolarsError) -> Error {
    match error {
        PolarsError::IO { error, .. } => Error::io(path, std::io::Error::other(error.to_string())),
        other => parse_error(path, 0, 0, other.to_string()),
    }
}

fn no_column(path: &Path, missing: &str, found: &[&str]) -> Error {
    let what = format!("{} has no column {}; it has {}", path.display(), quoted(missing), found.join(", "));
    Error::config("columns", what)
}

fn known(path: &Path, columns: &Columns, frame: &DataFrame) -> Result<()> {
    let found: Vec<&str> = frame.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
    match columns.names().iter().find(|name| !found.contains(&name.as_str())) {
        Some(missing) => Err(no_column(path, missing, &found)),
        None => Ok(()),
    }
}

fn dataset(path: &Path, columns: &Columns, frame: &DataFrame) -> Result<(Dataset, Report)> {
    let cast = |name: &str, to: &DataType| {
        let column = frame.column(name).map_err(|error| table_error(path, error))?;
        // Text of a number column is checked below, where the row is known.
        let to = if *to == DataType::Float64 && *column.dtype() == DataType::String {
            &DataType::String
        } else {
            to
        };
        column.cast(to).map_err(|error| table_error(path, error))
    };
    let text = |name: &str| cast(name, &DataType::String);
    let (users, items) = (text(&columns.user)?, text(&columns.item)?);
    let as_text = |column: &'_ Column| column.str().cloned().map_err(|error| table_error(path, error));
    let (users, items) = (as_text(&users)?, as_text(&items)?);
    let number = |name: &Option<String>| match name {
        Some(name) => cast(name, &DataType::Float64).map(Some),
        None => Ok(None),
    };
    let numbers = |column: Option<Column>| -> Result<Option<Vec<Option<f64>>>> {
        let Some(column) = column else { return Ok(None) };
        let bad = |row: usize, found: String| {
            parse_error(path, row as u64 + 2, 0, format!("{}: {found} is not a finite number", column.name()))
        };
        let failed = |error| table_error(path, error);
        let mut values = Vec::with_capacity(column.len());
        if *column.dtype() == DataType::String {
            for (row, text) in column.str().map_err(failed)?.iter().enumerate() {
                values.push(match text.filter(|text| !text.is_empty()) {
                    Some(text) => Some(super::lines::finite(text).ok_or_else(|| bad(row, quoted(text)))?),
                    None => None,
                });
            }
        } else {
            for (row, value) in column.f64().map_err(failed)?.iter().enumerate() {
                match value {
                    Some(value) if !value.is_finite() => return Err(bad(row, value.to_string())),
                    other => values.push(other),
                }
            }
        }
        Ok(Some(values))
    };
    let (ratings, times) = (numbers(number(&columns.rating)?)?, numbers(number(&columns.time)?)?);
    let name = path.file_stem().map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned());
    let mut builder = Builder::new(name);
    for (row, (user, item)) in users.iter().zip(items.iter()).enumerate() {
        let record = match (user, item) {
            (Some(user), Some(item)) if !user.is_empty() && !item.is_empty() => {
                let rating = match ratings.as_ref().and_then(|column| column[row]) {
                    Some(rating) if !(rating as f32).is_finite() => {
                        let what = format!("{rating} is too large a rating");
                        return Err(parse_error(path, row as u64 + 2, 0, what));
                    }
                    rating => rating.map(|rating| rating as f32),
                };
                Record::Interaction {
                    user,
                    item,
                    rating,
                    time: times.as_ref().and_then(|column| column[row]),
                }
            }
            _ => Record::Nameless,
        };
        builder.push(record)?;
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Columns {
        Columns { rating: Some("rating".into()), time: Some("timestamp".into()), ..Columns::default() }
    }

    #[test]
    fn quoted_csv() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(
            "title,user_id,item_id,rating,timestamp\n\"a, \"\"b\"\"\",007,\"x,y\",4.5,10\nz,7,w,,20\n,,w,1,2\n",
        );
        let (data, report) = csv(&path, &all(), b',').unwrap();
        assert_eq!(data.users.tokens().collect::<Vec<_>>(), ["007", "7"]);
        assert_eq!(data.items.tokens().collect::<Vec<_>>(), ["x,y", "w"]);
        assert_eq!(data.interactions.ratings, Some(vec![4.5, 4.5]));
        assert_eq!(data.interactions.timestamps, Some(vec![10.0, 20.0]));
        assert_eq!((report.rows_without_id, report.ratings_filled), (1, 1));
        write("user_id,item_id,rating,timestamp\na,b,1,2\na,c,nan,2\n");
        let error = csv(&path, &all(), b',').unwrap_err().to_string();
        assert!(error.ends_with("t.csv:3: rating: \"nan\" is not a finite number"), "{error}");
        let error = csv(&path, &Columns { user: "who".into(), ..all() }, b',').unwrap_err().to_string();
        assert!(error.contains("no column \"who\"; it has user_id, item_id"), "{error}");
        write("");
        assert!(csv(&path, &all(), b',').is_err());
    }

    #[test]
    fn parquet_round_trip() {
        let mut builder = Builder::new("t");
        for (user, item, rating, time) in
            [("007", "x", 4.5, 1e9), ("7", "y", -1.0, 2.5), ("007", "x", 3.0, 0.0)]
        {
            let (rating, time) = (Some(rating), Some(time));
            builder.push(Record::Interaction { user, item, rating, time }).unwrap();
        }
        let (data, _) = builder.finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.parquet");
        write_parquet(&data, &path).unwrap();
        assert_eq!(parquet(&path, &all()).unwrap(), (data.clone(), Report::default()));
        let bare = parquet(&path, &Columns::default()).unwrap().0;
        assert_eq!((bare.interactions.ratings, bare.interactions.users), (None, data.interactions.users));
        let error = parquet(&path, &Columns { item: "what".into(), ..all() }).unwrap_err().to_string();
        assert!(error.contains("no column \"what\""), "{error}");
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 3, 10, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(parquet(&path, &all()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn numbers_as_ids() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.parquet");
        let mut frame = DataFrame::new(
            2,
            vec![
                Column::new("user_id".into(), &[5i64, 6]),
                Column::new("item_id".into(), &[1u8, 2]),
                Column::new("rating".into(), &[3i8, 4]),
                Column::new("timestamp".into(), &[1_000_000_000_i64, 7]),
            ],
        )
        .unwrap();
        ParquetWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
        let (data, _) = parquet(&path, &all()).unwrap();
        assert_eq!(data.users.tokens().collect::<Vec<_>>(), ["5", "6"]);
        assert_eq!(data.interactions.ratings, Some(vec![3.0, 4.0]));
        assert_eq!(data.interactions.timestamps, Some(vec![1e9, 7.0]));
    }
}
