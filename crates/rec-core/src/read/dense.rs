//! Dense matrices as text: one line a row, numbers parted by blanks (the form of the Coat data set).
//!
//! As ratings, zero means "not rated"; rows are users and columns items, both numbered from 0, and all of them
//! get an id whether rated or not.

use std::io::BufRead;
use std::path::Path;

use super::builder::{At, Record, Visit};
use super::features::Features;
use super::lines::{Lines, finite, parse_error, quoted};
use crate::Result;

/// A dense matrix in row-major order; every value is finite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matrix {
    /// How many rows there are.
    pub n_rows: usize,
    /// How many columns there are.
    pub n_columns: usize,
    /// `n_rows * n_columns` values, row by row.
    pub values: Vec<f64>,
}

impl Matrix {
    /// The values of one row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n_columns..(row + 1) * self.n_columns]
    }
}

/// Calls `visit` for every row of the file with its line number and values, all rows being of one length.
fn rows(
    reader: impl BufRead,
    path: &Path,
    visit: &mut dyn FnMut(u64, &[f64]) -> Result<()>,
) -> Result<(usize, usize)> {
    let mut lines = Lines::new(reader, path);
    let mut values = Vec::new();
    let mut shape = None;
    while let Some((line, text)) = lines.next_filled(true)? {
        values.clear();
        for (column, text) in (1..).zip(text.split_ascii_whitespace()) {
            let value = finite(text).ok_or_else(|| {
                parse_error(path, line, column, format!("{} is not a finite number", quoted(text)))
            })?;
            values.push(value);
        }
        let (n_rows, width) = shape.get_or_insert((0, values.len()));
        if values.len() != *width {
            let what = format!("{} values, but the first row has {width}", values.len());
            return Err(parse_error(path, line, values.len().min(*width) + 1, what));
        }
        *n_rows += 1;
        visit(line, &values)?;
    }
    shape.ok_or_else(|| parse_error(path, 0, 0, "the file is empty"))
}

/// Reads a whole matrix: estimated ratings, propensities, one-hot features.
///
/// # Errors
/// [`Error::Parse`](crate::Error::Parse) with line and column, [`Error::Io`](crate::Error::Io).
pub fn matrix(reader: impl BufRead, path: &Path) -> Result<Matrix> {
    let mut values = Vec::new();
    let (n_rows, n_columns) = rows(reader, path, &mut |_, row| {
        values.extend_from_slice(row);
        Ok(())
    })?;
    Ok(Matrix { n_rows, n_columns, values })
}

/// Calls `visit` for every rating (non-zero entry) of a matrix; returns how many users (rows) and items
/// (columns) it has.
///
/// # Errors
/// As [`matrix`], and whatever `visit` returns.
pub fn records(reader: impl BufRead, path: &Path, visit: &mut Visit<'_>) -> Result<(usize, usize)> {
    let mut user = 0usize;
    let mut names: Vec<String> = Vec::new();
    rows(reader, path, &mut |line, row| {
        names.extend((names.len()..row.len()).map(|item| item.to_string()));
        let name = user.to_string();
        for (column, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let rating = value as f32;
            if !rating.is_finite() {
                return Err(parse_error(path, line, column + 1, format!("{value} is too large a rating")));
            }
            let at = At { line, user_column: 0, item_column: column + 1 };
            let item = names[column].as_str();
            visit(at, Record::Interaction { user: &name, item, rating: Some(rating), time: None })?;
        }
        user += 1;
        Ok(())
    })
}

/// Reads a feature matrix whose columns are named, one a line, in `names`: row r describes id r.
///
/// # Errors
/// As [`matrix`], and when the names are not as many as the columns or one appears twice.
pub fn features(
    reader: impl BufRead,
    path: &Path,
    names: impl BufRead,
    names_path: &Path,
) -> Result<Features> {
    let mut columns: Vec<String> = Vec::new();
    let mut lines = Lines::new(names, names_path);
    while let Some((line, name)) = lines.next_filled(true)? {
        let name = name.trim();
        if columns.iter().any(|other| other == name) {
            return Err(parse_error(names_path, line, 1, format!("{} appears twice", quoted(name))));
        }
        columns.push(name.to_owned());
    }
    let width = columns.len();
    let mut table = Features::new(columns, " ");
    let mut row = 0usize;
    rows(reader, path, &mut |line, values| {
        if values.len() != width {
            let what = format!("{} values, but {} names {width}", values.len(), names_path.display());
            return Err(parse_error(path, line, values.len().min(width) + 1, what));
        }
        table.push(path, line, &row.to_string(), values.iter().map(f64::to_string).collect())?;
        row += 1;
        Ok(())
    })?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_missing() {
        let mut rows = Vec::new();
        let shape = records(&b"0 3 0\n0 0 0\n1 0 2.5\n"[..], Path::new("t"), &mut |_, record| {
            if let Record::Interaction { user, item, rating, .. } = record {
                rows.push((user.to_owned(), item.to_owned(), rating.unwrap()));
            }
            Ok(())
        });
        assert_eq!(shape.unwrap(), (3, 3));
        let expected = [("0", "1", 3.0), ("2", "0", 1.0), ("2", "2", 2.5)];
        assert_eq!(rows, expected.map(|(u, i, r)| (u.to_owned(), i.to_owned(), r)));
    }

    #[test]
    fn errors_name_the_place() {
        let error = |text: &str| matrix(text.as_bytes(), Path::new("t")).unwrap_err().to_string();
        assert_eq!(error(""), "t: the file is empty");
        assert_eq!(error("1 2\n1\n"), "t:2:2: 1 values, but the first row has 2");
        assert_eq!(error("1 2\n1 2 3\n"), "t:2:3: 3 values, but the first row has 2");
        assert_eq!(error("1 nan\n"), "t:1:2: \"nan\" is not a finite number");
        assert_eq!(matrix(&b"1 2\n-3 4e1\n"[..], Path::new("t")).unwrap().row(1), [-3.0, 40.0]);
    }

    #[test]
    fn named_features() {
        let read = |text: &str, names: &str| {
            features(text.as_bytes(), Path::new("f"), names.as_bytes(), Path::new("n"))
        };
        let table = read("0 1\n1 0\n", "gender:men\nage:over 60").unwrap();
        assert_eq!(table.columns(), ["gender:men", "age:over 60"]);
        assert_eq!(table.rows().nth(1).unwrap().1, ["1", "0"]);
        assert!(read("0 1\n", "one").is_err());
        assert!(read("0 1\n", "one\none").is_err());
    }
}
