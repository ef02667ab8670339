//! Plain delimited text without quoting: `user,item,rating`, `user<TAB>item<TAB>count`, `user::item::rating::time`,
//! pairs, with or without a header.
//!
//! Separators may be several characters long; a single blank stands for any run of blanks. Empty lines are
//! skipped. Ids are text and stay as written (`007` is not `7`) unless [`Ids::Numbers`] asks that they be whole
//! numbers. For quoted CSV see the `tables` module behind the feature `polars`.

use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::builder::{At, Record, Visit};
use super::lines::{Lines, parse_error, quoted, rating, time};
use crate::{Error, Result};

/// What an id may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// Any text.
    #[default]
    Tokens,
    /// A whole number from 0 to 2^64 - 1, as it is written: anything else is an error.
    Numbers,
}

/// How a delimited file is laid out. Columns are counted from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What parts columns; a single blank = any run of blanks.
    pub separator: String,
    /// Whether the first line is a header, to be skipped.
    pub header: bool,
    /// The column of the user.
    pub user: usize,
    /// The column of the item.
    pub item: usize,
    /// The column of the rating (or count).
    pub rating: Option<usize>,
    /// The column of the time.
    pub time: Option<usize>,
    /// What ids may be.
    pub ids: Ids,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            separator: "\t".into(),
            header: false,
            user: 0,
            item: 1,
            rating: None,
            time: None,
            ids: Ids::Tokens,
        }
    }
}

impl Options {
    /// `user SEP item SEP rating SEP time` without a header, as in MovieLens `u.data` (tab) and `ratings.dat`
    /// (`::`).
    pub fn movielens(separator: &str) -> Self {
        let separator = separator.to_owned();
        Self { separator, rating: Some(2), time: Some(3), ids: Ids::Numbers, ..Self::default() }
    }

    /// Recognises the layout from the first lines of a file: the separator (`::`, tab, comma, semicolon, blank,
    /// in this order), a header by its column names, and otherwise the meaning by the number of columns: two =
    /// user item, three = and a rating, four = and a time.
    ///
    /// # Errors
    /// [`Error::Parse`] when it cannot be told.
    pub fn sniff(lines: &[String], path: &Path) -> Result<Self> {
        let fail = |what: &str| Err(parse_error(path, 1, 0, what));
        let Some(first) = lines.iter().find(|line| !line.is_empty()) else {
            return fail("the file is empty");
        };
        let Some(separator) = ["::", "\t", ",", ";", " "].into_iter().find(|text| first.contains(text))
        else {
            return fail("no separator found (`::`, tab, comma, semicolon or blank)");
        };
        let options = Self { separator: separator.to_owned(), ..Self::default() };
        let fields = options.fields(first);
        let named = |names: &[&str]| {
            fields.iter().position(|field| {
                let name = field.trim_matches('"').split(':').next().unwrap_or("").to_ascii_lowercase();
                names.contains(&name.as_str())
            })
        };
        let user = named(&["user_id", "user", "userid", "uid"]);
        let item = named(&["item_id", "item", "itemid", "iid", "movie_id", "movieid"]);
        if let (Some(user), Some(item)) = (user, item) {
            let rating = named(&["rating", "value", "score", "count", "weight"]);
            let time = named(&["timestamp", "time", "ts"]);
            let ids = Self { header: true, user, item, ..options.clone() }.kind_of_ids(lines.get(1));
            return Ok(Self { header: true, user, item, rating, time, ids, ..options });
        }
        let (rating, time) = match fields.len() {
            2 => (None, None),
            3 => (Some(2), None),
            4 => (Some(2), Some(3)),
            n => return fail(&format!("{n} columns without a header; expected 2 to 4, or a header")),
        };
        let ids = options.kind_of_ids(Some(first));
        Ok(Self { rating, time, ids, ..options })
    }

    /// Numbers if the ids of this first row are numbers: the rest of such a file has to keep to them.
    fn kind_of_ids(&self, row: Option<&String>) -> Ids {
        let fields = row.map(|row| self.fields(row)).unwrap_or_default();
        let number = |column: usize| fields.get(column).is_some_and(|text| is_number(text));
        if number(self.user) && number(self.item) { Ids::Numbers } else { Ids::Tokens }
    }

    fn fields<'a>(&self, line: &'a str) -> Vec<&'a str> {
        match self.separator.as_str() {
            " " => line.split_ascii_whitespace().collect(),
            separator => line.split(separator).collect(),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

/// Calls `visit` for every row.
///
/// # Errors
/// [`Error::Parse`] with line and column (a row with another number of columns than the first included),
/// [`Error::Config`] for an empty separator, [`Error::Io`], and whatever `visit` returns.
pub fn records(reader: impl BufRead, path: &Path, options: &Options, visit: &mut Visit<'_>) -> Result<()> {
    if options.separator.is_empty() {
        return Err(Error::config("separator", "is empty; give what parts the columns, a tab for instance"));
    }
    let last = [Some(options.user), Some(options.item), options.rating, options.time];
    let needed = last.into_iter().flatten().max().unwrap_or(0) + 1;
    let mut lines = Lines::new(reader, path);
    let mut width = None;
    let mut header = options.header;
    let mut any = false;
    while let Some((line, text)) = lines.next_filled(options.separator == " ")? {
        any = true;
        let fields = options.fields(text);
        let expected = *width.get_or_insert(fields.len());
        if fields.len() != expected || expected < needed {
            let expected = expected.max(needed);
            let what = format!("{} fields, expected {expected}", fields.len());
            return Err(parse_error(path, line, fields.len().min(expected) + 1, what));
        }
        if std::mem::take(&mut header) {
            continue;
        }
        let at = At { line, user_column: options.user + 1, item_column: options.item + 1 };
        let (user, item) = (fields[options.user].trim(), fields[options.item].trim());
        if user.is_empty() || item.is_empty() {
            visit(at, Record::Nameless)?;
            continue;
        }
        if options.ids == Ids::Numbers {
            for (column, text) in [(at.user_column, user), (at.item_column, item)] {
                if !is_number(text) {
                    let what = format!("{} is not an id (a whole number from 0 to 2^64 - 1)", quoted(text));
                    return Err(parse_error(path, line, column, what));
                }
            }
        }
        let present = |column: Option<usize>| {
            column.map(|column| (column + 1, fields[column])).filter(|(_, text)| !text.is_empty())
        };
        let rating = match present(options.rating) {
            Some((column, text)) => Some(rating(path, line, column, text)?),
            None => None,
        };
        let time = match present(options.time) {
            Some((column, text)) => Some(time(path, line, column, text)?),
            None => None,
        };
        visit(at, Record::Interaction { user, item, rating, time })?;
    }
    if !any {
        return Err(parse_error(path, 0, 0, "the file is empty"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Builder;

    fn read(text: &str, options: &Options) -> Result<crate::Dataset> {
        let mut builder = Builder::new("t");
        records(text.as_bytes(), Path::new("t.dat"), options, &mut |_, record| builder.push(record))?;
        Ok(builder.finish()?.0)
    }

    fn sniffed(text: &str) -> Options {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Options::sniff(&lines, Path::new("t.dat")).unwrap()
    }

    #[test]
    fn the_usual_layouts_are_recognised() {
        let movielens = sniffed("1::1193::5::978300760\n");
        assert_eq!(movielens, Options::movielens("::"));
        assert_eq!(sniffed("196\t242\t3\t881250949\n"), Options::movielens("\t"));
        let triple = sniffed("1265,1876,5\n");
        assert_eq!((triple.separator.as_str(), triple.rating, triple.time), (",", Some(2), None));
        let headed = sniffed("timestamp,userId,movieId,rating\n1,a,b,3\n");
        assert!(headed.header);
        assert_eq!((headed.user, headed.item, headed.rating, headed.time), (1, 2, Some(3), Some(0)));
        assert_eq!(headed.ids, Ids::Tokens);
        let pairs = sniffed("user_id\titem_id\n1\t2\n");
        assert_eq!((pairs.header, pairs.rating, pairs.ids), (true, None, Ids::Numbers));
        assert!(Options::sniff(&["a b c d e".into()], Path::new("t")).is_err());
        assert!(Options::sniff(&["abc".into()], Path::new("t")).is_err());
    }

    #[test]
    fn reads_values() {
        let data = read("1::10::4::7\n2::10::2.5::8\n", &Options::movielens("::")).unwrap();
        assert_eq!((data.n_users(), data.n_items()), (2, 1));
        assert_eq!(data.interactions.ratings, Some(vec![4.0, 2.5]));
        assert_eq!(data.interactions.timestamps, Some(vec![7.0, 8.0]));
        let blanks = Options { separator: " ".into(), ..Options::default() };
        assert_eq!(read(" a   b \n   \n", &blanks).unwrap().items.token(0), "b");
    }

    #[test]
    fn errors_name_the_place() {
        let error = |text: &str| read(text, &Options::movielens("::")).unwrap_err().to_string();
        assert_eq!(error(""), "t.dat: the file is empty");
        assert_eq!(error("1::2::3\n"), "t.dat:1:4: 3 fields, expected 4");
        assert_eq!(error("1::2::3::4\n1::2\n"), "t.dat:2:3: 2 fields, expected 4");
        assert!(error("-1::2::3::4\n").starts_with("t.dat:1:1: \"-1\" is not an id"));
        assert!(error("1::184467440737095516160::3::4\n").starts_with("t.dat:1:2: "));
        assert!(error("1::2::NaN::4\n").starts_with("t.dat:1:3: \"NaN\" is not a finite number"));
        assert!(error("1::2::3::inf\n").starts_with("t.dat:1:4: "));
    }
}
