//! RecBole's atomic files: `NAME.inter`, `NAME.item`, `NAME.user`.
//!
//! The first line is a header whose columns read `field:type`, with the types `token`, `token_seq`, `float` and
//! `float_seq`; columns are parted by a tab and elements of sequences by one blank (both can be changed). There
//! is no quoting: bytes are taken literally. Tokens stay text, `007` is not `7`. Empty lines are skipped.
//!
//! Missing values (empty fields): a row without user or item is dropped and counted in the
//! [`Report`](super::Report); a missing rating or time becomes the mean of its column, also counted; in item and
//! user tables the cell stays empty. **Nothing is scaled**: ratings and times are what the file says.

use std::io::BufRead;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::builder::{At, Record, Visit};
use super::features::{Features, Roles};
use super::lines::{Lines, finite, parse_error, quoted, rating, time};
use crate::{Error, Result};

const RATING: &str = "rating";
const TIMESTAMP: &str = "timestamp";

/// Separators, field names, and which columns to load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What parts columns.
    pub separator: String,
    /// What parts the elements of a sequence.
    pub sequence_separator: String,
    /// The field of the user.
    pub user_field: String,
    /// The field of the item.
    pub item_field: String,
    /// The field of the rating; empty = do not load ratings. A name other than the default must exist.
    pub rating_field: String,
    /// The field of the time; empty = do not load times. A name other than the default must exist.
    pub time_field: String,
    /// The field of the history in sequence files.
    pub history_field: String,
    /// The columns of item and user tables to load; `None` = all.
    pub columns: Option<Vec<String>>,
    /// Which columns of the item table are titles and categories.
    pub roles: Roles,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            separator: "\t".into(),
            sequence_separator: " ".into(),
            user_field: "user_id".into(),
            item_field: "item_id".into(),
            rating_field: RATING.into(),
            time_field: TIMESTAMP.into(),
            history_field: "item_id_list".into(),
            columns: None,
            roles: Roles::default(),
        }
    }
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One name.
    Token,
    /// Several names.
    TokenSeq,
    /// One number.
    Float,
    /// Several numbers.
    FloatSeq,
}

/// The header's fields and their types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header(Vec<(String, Kind)>);

impl Header {
    /// Parses a header line.
    ///
    /// # Errors
    /// [`Error::Parse`] for a column without a type, an unknown type or a repeated field.
    pub fn parse(line: &str, separator: &str, path: &Path) -> Result<Self> {
        let mut fields: Vec<(String, Kind)> = Vec::new();
        for (column, text) in (1..).zip(line.split(separator)) {
            let fail = |what: String| Err(parse_error(path, 1, column, what));
            let Some((field, kind)) = text.rsplit_once(':').filter(|(field, _)| !field.is_empty()) else {
                return fail(format!("{} is not a header column (field:type)", quoted(text)));
            };
            let kind = match kind {
                "token" => Kind::Token,
                "token_seq" => Kind::TokenSeq,
                "float" => Kind::Float,
                "float_seq" => Kind::FloatSeq,
                _ => {
                    let accepted = "token, token_seq, float or float_seq";
                    return fail(format!("unknown column type {}: expected {accepted}", quoted(kind)));
                }
            };
            if fields.iter().any(|(other, _)| other == field) {
                return fail(format!("the field {} appears twice", quoted(field)));
            }
            fields.push((field.to_owned(), kind));
        }
        Ok(Self(fields))
    }

    /// The position (from 0) and type of `field`.
    pub fn find(&self, field: &str) -> Option<(usize, Kind)> {
        self.0.iter().position(|(name, _)| name == field).map(|column| (column, self.0[column].1))
    }

    /// How many columns there are.
    pub fn width(&self) -> usize {
        self.0.len()
    }

    /// The position of `field`, which must exist with type `kind`.
    pub(crate) fn require(&self, field: &str, kind: Kind, path: &Path) -> Result<usize> {
        match self.find(field) {
            Some((column, found)) if found == kind => Ok(column),
            Some((column, found)) => {
                let what = format!("the field {field} has type {found:?}, expected {kind:?}");
                Err(parse_error(path, 1, column + 1, what))
            }
            None => {
                let names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
                let what = format!("no field {}; the header has {}", quoted(field), names.join(", "));
                Err(parse_error(path, 1, 0, what))
            }
        }
    }

    /// The position of an optional number column; see [`Options::rating_field`].
    fn optional(&self, field: &str, default: &str, path: &Path) -> Result<Option<usize>> {
        if field.is_empty() || (field == default && self.find(field).is_none()) {
            return Ok(None);
        }
        self.require(field, Kind::Float, path).map(Some)
    }
}

/// A file's header and its rows as fields.
pub(crate) struct Rows<R> {
    lines: Lines<R>,
    pub(crate) header: Header,
    separator: String,
    path: std::path::PathBuf,
}

impl<R: BufRead> Rows<R> {
    pub(crate) fn open(reader: R, path: &Path, options: &Options) -> Result<Self> {
        if options.separator.is_empty() {
            return Err(Error::config(
                "separator",
                "is empty; give what parts the columns, a tab for instance",
            ));
        }
        if options.sequence_separator.is_empty() {
            return Err(Error::config("sequence_separator", "is empty; give what parts the elements"));
        }
        let mut lines = Lines::new(reader, path);
        let Some((_, line)) = lines.next_line()? else {
            return Err(parse_error(path, 0, 0, "the file is empty (a header was expected)"));
        };
        let header = Header::parse(line, &options.separator, path)?;
        Ok(Self { lines, header, separator: options.separator.clone(), path: path.to_owned() })
    }

    /// The next row with its line, put into `fields`; `None` at the end.
    pub(crate) fn next<'a>(&'a mut self, fields: &mut Vec<&'a str>) -> Result<Option<u64>> {
        fields.clear();
        let width = self.header.width();
        let Some((line, text)) = self.lines.next_filled(false)? else { return Ok(None) };
        fields.extend(text.split(self.separator.as_str()));
        if fields.len() != width {
            let what = format!("{} fields, but the header has {width}", fields.len());
            return Err(parse_error(&self.path, line, fields.len().min(width) + 1, what));
        }
        Ok(Some(line))
    }
}

/// Calls `visit` for every row of an `.inter` file.
///
/// # Errors
/// [`Error::Parse`] with line and column for anything that is not in the format, [`Error::Io`], and whatever
/// `visit` returns.
pub fn records(reader: impl BufRead, path: &Path, options: &Options, visit: &mut Visit<'_>) -> Result<()> {
    let mut rows = Rows::open(reader, path, options)?;
    let user = rows.header.require(&options.user_field, Kind::Token, path)?;
    let item = rows.header.require(&options.item_field, Kind::Token, path)?;
    let ratings = rows.header.optional(&options.rating_field, RATING, path)?;
    let times = rows.header.optional(&options.time_field, TIMESTAMP, path)?;
    loop {
        let mut fields = Vec::new();
        let Some(line) = rows.next(&mut fields)? else { return Ok(()) };
        let at = At { line, user_column: user + 1, item_column: item + 1 };
        if fields[user].is_empty() || fields[item].is_empty() {
            visit(at, Record::Nameless)?;
            continue;
        }
        let rating = match ratings.map(|column| (column, fields[column])) {
            Some((column, text)) if !text.is_empty() => Some(rating(path, line, column + 1, text)?),
            _ => None,
        };
        let time = match times.map(|column| (column, fields[column])) {
            Some((column, text)) if !text.is_empty() => Some(time(path, line, column + 1, text)?),
            _ => None,
        };
        visit(at, Record::Interaction { user: fields[user], item: fields[item], rating, time })?;
    }
}

/// Reads an `.item` (or `.user`) file whose ids stand in `id_field`. Rows without an id are skipped; numbers are
/// checked and kept as text.
///
/// # Errors
/// [`Error::Parse`] with line and column, [`Error::Config`] for a wanted column that does not exist,
/// [`Error::Io`].
pub fn features(reader: impl BufRead, path: &Path, options: &Options, id_field: &str) -> Result<Features> {
    let mut rows = Rows::open(reader, path, options)?;
    let id = rows.header.require(id_field, Kind::Token, path)?;
    for wanted in options.columns.iter().flatten() {
        if rows.header.find(wanted).is_none() {
            let what = format!("{} has no field {}", path.display(), quoted(wanted));
            return Err(Error::config("columns", what));
        }
    }
    let loaded: Vec<(usize, String, Kind)> = rows
        .header
        .0
        .iter()
        .enumerate()
        .filter(|(column, (name, _))| {
            *column != id && options.columns.as_ref().is_none_or(|wanted| wanted.contains(name))
        })
        .map(|(column, (name, kind))| (column, name.clone(), *kind))
        .collect();
    let names = loaded.iter().map(|(_, name, _)| name.clone()).collect();
    let mut table = Features::new(names, &options.sequence_separator);
    loop {
        let mut fields = Vec::new();
        let Some(line) = rows.next(&mut fields)? else { return Ok(table) };
        if fields[id].is_empty() {
            continue;
        }
        for &(column, _, kind) in &loaded {
            let text = fields[column];
            let mut numbers: Box<dyn Iterator<Item = &str>> = match kind {
                Kind::Token | Kind::TokenSeq => continue,
                Kind::Float => Box::new(std::iter::once(text)),
                Kind::FloatSeq => Box::new(text.split(options.sequence_separator.as_str())),
            };
            if let Some(bad) = numbers.find(|number| !number.is_empty() && finite(number).is_none()) {
                let what = format!("{} is not a finite number", quoted(bad));
                return Err(parse_error(path, line, column + 1, what));
            }
        }
        let values = loaded.iter().map(|(column, ..)| fields[*column].to_owned()).collect();
        table.push(path, line, fields[id], values)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Builder;

    fn read(text: &str, options: &Options) -> Result<(crate::Dataset, crate::read::Report)> {
        let mut builder = Builder::new("t");
        records(text.as_bytes(), Path::new("t.inter"), options, &mut |_, record| builder.push(record))?;
        builder.finish()
    }

    fn error(text: &str) -> String {
        read(text, &Options::default()).unwrap_err().to_string()
    }

    #[test]
    fn reads_columns_by_name_and_keeps_values() {
        let text = "item_id:token\ttags:token_seq\tuser_id:token\trating:float\ttimestamp:float\tv:float_seq\n\
                    i1\ta b\t007\t4.5\t881250949\t1 2\r\n\n\
                    i2\t\t7\t-1\t1e9\t\n";
        let (data, report) = read(text, &Options::default()).unwrap();
        assert!(report.is_clean());
        assert_eq!(data.users.tokens().collect::<Vec<_>>(), ["007", "7"]);
        assert_eq!(data.items.tokens().collect::<Vec<_>>(), ["i1", "i2"]);
        assert_eq!(data.interactions.ratings, Some(vec![4.5, -1.0]));
        assert_eq!(data.interactions.timestamps, Some(vec![881_250_949.0, 1e9]));
    }

    #[test]
    fn other_names_and_separators() {
        let options = Options {
            separator: "||".into(),
            user_field: "u".into(),
            item_field: "i".into(),
            rating_field: "label".into(),
            time_field: String::new(),
            ..Options::default()
        };
        let (data, _) =
            read("u:token||i:token||label:float||timestamp:float\na||b||1||2\n", &options).unwrap();
        assert_eq!(data.interactions.ratings, Some(vec![1.0]));
        assert_eq!(data.interactions.timestamps, None);
        let wrong = read("u:token||i:token\na||b\n", &options).unwrap_err().to_string();
        assert_eq!(wrong, "t.inter:1: no field \"label\"; the header has u, i");
    }

    #[test]
    fn rows_without_ids_are_counted_and_dropped() {
        let (data, report) =
            read("user_id:token\titem_id:token\na\tb\n\tb\na\t\n", &Options::default()).unwrap();
        assert_eq!((data.interactions.len(), report.rows_without_id), (1, 2));
    }

    #[test]
    fn errors_name_the_place() {
        let head = "user_id:token\titem_id:token\trating:float\n";
        assert_eq!(error(""), "t.inter: the file is empty (a header was expected)");
        assert_eq!(
            error("user_id\titem_id\n"),
            "t.inter:1:1: \"user_id\" is not a header column (field:type)"
        );
        assert!(
            error("user_id:token\titem_id:int\n").starts_with("t.inter:1:2: unknown column type \"int\"")
        );
        assert_eq!(
            error("user_id:float\titem_id:token\n"),
            "t.inter:1:1: the field user_id has type Float, expected Token"
        );
        assert!(error("user_id:token\tuser_id:token\n").contains("1:2: the field \"user_id\" appears twice"));
        assert_eq!(error(&format!("{head}a\tb\n")), "t.inter:2:3: 2 fields, but the header has 3");
        assert_eq!(error(&format!("{head}a\tb\t1\t2\n")), "t.inter:2:4: 4 fields, but the header has 3");
        for bad in ["nan", "NaN", "inf", "-inf", "1e999", "1e40", "x"] {
            assert!(error(&format!("{head}a\tb\t1\na\tb\t{bad}\n")).starts_with("t.inter:3:3: "), "{bad}");
        }
        assert_eq!(error(head), "t: there is no interaction");
    }

    #[test]
    fn feature_tables() {
        let text = "item_id:token\ttitle:token_seq\tyear:token\tprice:float\tv:float_seq\n\
                    i1\tToy  Story\t1995\t1.5\t1 2  3\n\
                    i2\t\t\t\t\n";
        let table = features(text.as_bytes(), Path::new("t.item"), &Options::default(), "item_id").unwrap();
        assert_eq!(table.columns(), ["title", "year", "price", "v"]);
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows[0].0, "i1");
        assert_eq!(rows[0].1, ["Toy  Story", "1995", "1.5", "1 2  3"]);
        let two = Options { columns: Some(vec!["year".into()]), ..Options::default() };
        let table = features(text.as_bytes(), Path::new("t.item"), &two, "item_id").unwrap();
        assert_eq!(table.columns(), ["year"]);
        let missing = Options { columns: Some(vec!["colour".into()]), ..Options::default() };
        assert!(features(text.as_bytes(), Path::new("t.item"), &missing, "item_id").is_err());
        let bad = text.replace("1 2  3", "1 x");
        let error = features(bad.as_bytes(), Path::new("t.item"), &Options::default(), "item_id");
        assert_eq!(error.unwrap_err().to_string(), "t.item:2:5: \"x\" is not a finite number");
    }
}
