//! Tables about items and users, before they are put in id order.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lines::{parse_error, quoted};
use crate::{Catalogue, IdMap, Result};

/// Which columns of an item table hold titles and categories. The first name present wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Names of title columns.
    pub titles: Vec<String>,
    /// Names of category columns (sequences).
    pub categories: Vec<String>,
}

impl Default for Roles {
    fn default() -> Self {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
        Self {
            titles: names(&["movie_title", "title", "item_name"]),
            categories: names(&["class", "genres", "genre", "categories"]),
        }
    }
}

/// A table with one row for each item (or user), as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    columns: Vec<String>,
    /// Row-major, `columns.len()` a row.
    values: Vec<String>,
    tokens: Vec<String>,
    index: HashMap<String, usize>,
    sequence_separator: String,
}

impl Features {
    /// An empty table; elements of sequences are parted by `sequence_separator`.
    pub fn new(columns: Vec<String>, sequence_separator: impl Into<String>) -> Self {
        Self { columns, sequence_separator: sequence_separator.into(), ..Self::default() }
    }

    /// Appends the row of `token`.
    ///
    /// # Errors
    /// [`Error::Parse`](crate::Error::Parse) at `line` of `path` if `token` has a row already.
    ///
    /// # Panics
    /// If `values` does not have one entry for each column.
    pub fn push(&mut self, path: &Path, line: u64, token: &str, values: Vec<String>) -> Result<()> {
        assert_eq!(values.len(), self.columns.len(), "one value a column");
        if self.index.contains_key(token) {
            return Err(parse_error(path, line, 1, format!("{} has a row already", quoted(token))));
        }
        self.index.insert(token.to_owned(), self.tokens.len());
        self.tokens.push(token.to_owned());
        self.values.extend(values);
        Ok(())
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Every token with its values, in file order.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &[String])> {
        let width = self.columns.len();
        self.tokens
            .iter()
            .enumerate()
            .map(move |(row, token)| (&**token, &self.values[row * width..(row + 1) * width]))
    }

    /// For each id whether it has a row.
    pub(crate) fn listed(&self, ids: &IdMap) -> Vec<bool> {
        ids.tokens().map(|token| self.index.contains_key(token)).collect()
    }

    /// The columns as text in the order of `ids`, empty for ids without a row.
    pub(crate) fn into_columns(self, ids: &IdMap) -> Vec<(String, Vec<String>)> {
        let width = self.columns.len();
        let rows: Vec<Option<usize>> = ids.tokens().map(|token| self.index.get(token).copied()).collect();
        let mut values = self.values;
        self.columns
            .into_iter()
            .enumerate()
            .map(|(column, name)| {
                // Each cell is read once, so it can be moved out.
                let cells = rows.iter().map(|row| match row {
                    Some(row) => std::mem::take(&mut values[row * width + column]),
                    None => String::new(),
                });
                (name, cells.collect())
            })
            .collect()
    }

    /// The table as a catalogue in the order of `ids`.
    pub(crate) fn into_catalogue(self, ids: &IdMap, roles: &Roles) -> Catalogue {
        let separator = self.sequence_separator.clone();
        let listed = self.listed(ids);
        let mut columns = self.into_columns(ids);
        let mut take = |names: &[String]| {
            let position =
                names.iter().find_map(|name| columns.iter().position(|(column, _)| column == name))?;
            Some(columns.remove(position).1)
        };
        let titles = take(&roles.titles);
        let mut names = IdMap::default();
        let categories = take(&roles.categories).map(|cells| {
            let split = |cell: String| {
                let mut ids: Vec<u32> = Vec::new();
                for name in cell.split(separator.as_str()).filter(|name| !name.is_empty()) {
                    let id = names.insert(name);
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                ids
            };
            cells.into_iter().map(split).collect()
        });
        let category_names = names.tokens().map(str::to_owned).collect();
        Catalogue { titles, category_names, categories, columns, listed: Some(listed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_follow_the_ids_and_leave_gaps_empty() {
        let mut table = Features::new(vec!["title".into(), "class".into(), "year".into()], " ");
        let row = |a: &str, b: &str, c: &str| vec![a.to_owned(), b.to_owned(), c.to_owned()];
        table.push(Path::new("x"), 2, "b", row("B", "Drama  Drama Crime", "1999")).unwrap();
        table.push(Path::new("x"), 3, "a", row("A", "", "")).unwrap();
        assert!(table.push(Path::new("x"), 4, "a", row("", "", "")).is_err());
        let ids: IdMap = ["a", "z", "b"].into_iter().collect();
        let catalogue = table.into_catalogue(&ids, &Roles::default());
        assert_eq!(catalogue.titles.unwrap(), ["A", "", "B"]);
        assert_eq!(catalogue.category_names, ["Drama", "Crime"]);
        assert_eq!(catalogue.categories.unwrap(), [vec![], vec![], vec![0, 1]]);
        assert_eq!(catalogue.columns, [("year".to_owned(), row("", "", "1999"))]);
        assert_eq!(catalogue.listed.unwrap(), [true, false, true]);
    }
}
