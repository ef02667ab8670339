//! Comma-separated text with quoted fields (RFC 4180), columns found by name.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use rec_core::read::MAX_LINE_BYTES;

use super::files::{MAX_ID, open, parse_error, quoted};
use crate::Result;

/// A file with a header, read row by row; a row is one line.
pub(crate) struct Csv<R> {
    reader: R,
    path: PathBuf,
    line: u64,
    bytes: Vec<u8>,
    header: Vec<String>,
    /// The fields of the current row, unquoted, one after the other.
    text: String,
    ends: Vec<usize>,
}

impl Csv<BufReader<File>> {
    /// Opens `path` and reads its header.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Self::new(open(path)?, path)
    }
}

impl<R: BufRead> Csv<R> {
    pub(crate) fn new(reader: R, path: &Path) -> Result<Self> {
        let mut csv = Self {
            reader,
            path: path.to_owned(),
            line: 0,
            bytes: Vec::new(),
            header: Vec::new(),
            text: String::new(),
            ends: Vec::new(),
        };
        if !csv.advance()? {
            return Err(parse_error(path, 0, 0, "the file is empty (a header was expected)"));
        }
        let header = Row { csv: &csv }.fields().map(|name| name.trim().to_owned()).collect();
        csv.header = header;
        Ok(csv)
    }

    /// The column called `name`, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The column called `name`.
    pub(crate) fn column(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let what = format!("no column {name:?}; the header has {}", self.header.join(", "));
            parse_error(&self.path, 1, 0, what)
        })
    }

    /// The next row, or `None` at the end. Empty lines are skipped.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_, R>>> {
        if !self.advance()? {
            return Ok(None);
        }
        let (found, expected) = (self.ends.len(), self.header.len());
        if found != expected {
            let what = format!("{found} fields, but the header has {expected}");
            return Err(parse_error(&self.path, self.line, found.min(expected) + 1, what));
        }
        Ok(Some(Row { csv: self }))
    }

    fn advance(&mut self) -> Result<bool> {
        loop {
            self.bytes.clear();
            let limit = MAX_LINE_BYTES as u64 + 1;
            let read = (&mut self.reader).take(limit).read_until(b'\n', &mut self.bytes);
            if read.map_err(|error| rec_core::Error::io(&self.path, error))? == 0 {
                return Ok(false);
            }
            self.line += 1;
            if self.bytes.last() == Some(&b'\n') {
                self.bytes.pop();
            } else if self.bytes.len() > MAX_LINE_BYTES {
                let what = format!("the line is longer than {MAX_LINE_BYTES} bytes");
                return Err(parse_error(&self.path, self.line, 0, what));
            }
            if self.bytes.last() == Some(&b'\r') {
                self.bytes.pop();
            }
            if !self.bytes.is_empty() {
                break;
            }
        }
        self.split()?;
        Ok(true)
    }

    /// Parts the line into fields.
    fn split(&mut self) -> Result<()> {
        let Self { path, line, bytes, text, ends, .. } = self;
        let start = if *line == 1 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut rest = std::str::from_utf8(&bytes[start..]).map_err(|error| {
            let what = format!("byte {} of the line is not UTF-8", error.valid_up_to() + start + 1);
            parse_error(path, *line, 0, what)
        })?;
        text.clear();
        ends.clear();
        loop {
            let column = ends.len() + 1;
            if let Some(quoted) = rest.strip_prefix('"') {
                rest = quoted;
                loop {
                    let Some(end) = rest.find('"') else {
                        return Err(parse_error(path, *line, column, "the quote is not closed on this line"));
                    };
                    text.push_str(&rest[..end]);
                    rest = &rest[end + 1..];
                    match rest.strip_prefix('"') {
                        Some(after) => {
                            text.push('"');
                            rest = after;
                        }
                        None => break,
                    }
                }
                if !rest.is_empty() && !rest.starts_with(',') {
                    return Err(parse_error(path, *line, column, "text after the closing quote"));
                }
            } else {
                let end = rest.find(',').unwrap_or(rest.len());
                text.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            ends.push(text.len());
            match rest.strip_prefix(',') {
                Some(after) => rest = after,
                None => return Ok(()),
            }
        }
    }
}

/// One row. Columns count from 0 here, from 1 in messages.
pub(crate) struct Row<'a, R> {
    csv: &'a Csv<R>,
}

impl<'a, R> Row<'a, R> {
    fn fields(&self) -> impl Iterator<Item = &'a str> + use<'a, R> {
        let csv = self.csv;
        (0..csv.ends.len()).map(move |column| Row { csv }.text(column))
    }

    /// The text of `column`.
    pub(crate) fn text(&self, column: usize) -> &'a str {
        let start = if column == 0 { 0 } else { self.csv.ends[column - 1] };
        &self.csv.text[start..self.csv.ends[column]]
    }

    /// An error at `column`.
    pub(crate) fn error(&self, column: usize, what: impl Into<String>) -> crate::Error {
        parse_error(&self.csv.path, self.csv.line, column + 1, what)
    }

    /// The finite number in `column`.
    pub(crate) fn number(&self, column: usize) -> Result<f64> {
        let text = self.text(column);
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| self.error(column, format!("{} is not a finite number", quoted(text))))
    }

    /// The finite number in `column`, `None` if the field is empty.
    pub(crate) fn optional_number(&self, column: usize) -> Result<Option<f64>> {
        if self.text(column).trim().is_empty() { Ok(None) } else { self.number(column).map(Some) }
    }

    /// The id (a whole number from 0) in `column`; a decimal form such as `17.0` counts.
    pub(crate) fn id(&self, column: usize) -> Result<u32> {
        let text = self.text(column).trim();
        let whole = text.strip_suffix(".0").unwrap_or(text);
        let digits = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
        match whole.parse::<u32>() {
            Ok(id) if digits && id < MAX_ID => Ok(id),
            _ => {
                let what = format!("{} is not an id (a whole number from 0)", quoted(text));
                Err(self.error(column, what))
            }
        }
    }

    /// The numbers in `column`, written `[8]`, `[27, 9]`, `27,9` or not at all.
    pub(crate) fn id_list(&self, column: usize) -> Result<Vec<u32>> {
        let text = self.text(column).trim();
        let inner = match (text.strip_prefix('['), text.strip_suffix(']')) {
            (Some(_), Some(_)) if text.len() >= 2 => &text[1..text.len() - 1],
            (None, None) => text,
            _ => return Err(self.error(column, format!("{} is not a list of ids", quoted(text)))),
        };
        if inner.trim().is_empty() {
            return Ok(Vec::new());
        }
        let mut ids = Vec::new();
        for part in inner.split(',') {
            let id = part.trim().parse::<u32>();
            let id = id.map_err(|_| self.error(column, format!("{} is not a list of ids", quoted(text))))?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Csv<&[u8]> {
        Csv::new(text.as_bytes(), Path::new("t.csv")).unwrap()
    }

    fn failure(text: &str) -> String {
        let mut csv = match Csv::new(text.as_bytes(), Path::new("t.csv")) {
            Ok(csv) => csv,
            Err(error) => return error.to_string(),
        };
        loop {
            match csv.next_row() {
                Ok(Some(_)) => {}
                Ok(None) => return String::new(),
                Err(error) => return error.to_string(),
            }
        }
    }

    #[test]
    fn quoted_fields_and_lists_are_read() {
        let mut csv = csv(
            "\u{feff}video_id,feat\r\n0,[8]\r\n\r\n1,\"[27, 9]\"\n2,\"a \"\"b\"\", c\"\n3,\n4.0,\"9,9,2\"",
        );
        assert_eq!(csv.header, ["video_id", "feat"]);
        let feat = csv.column("feat").unwrap();
        assert_eq!(csv.next_row().unwrap().unwrap().id_list(feat).unwrap(), [8]);
        let row = csv.next_row().unwrap().unwrap();
        assert_eq!((row.csv.line, row.id(0).unwrap(), row.id_list(feat).unwrap()), (4, 1, vec![27, 9]));
        let row = csv.next_row().unwrap().unwrap();
        assert_eq!(row.text(1), "a \"b\", c");
        assert_eq!(
            row.id_list(1).unwrap_err().to_string(),
            "t.csv:5:2: \"a \\\"b\\\", c\" is not a list of ids"
        );
        let row = csv.next_row().unwrap().unwrap();
        assert_eq!((row.id_list(1).unwrap(), row.optional_number(1).unwrap()), (vec![], None));
        let row = csv.next_row().unwrap().unwrap();
        assert_eq!((row.id(0).unwrap(), row.id_list(1).unwrap()), (4, vec![9, 2]));
        assert!(csv.next_row().unwrap().is_none());
    }

    #[test]
    fn what_is_not_csv_is_refused_with_its_place() {
        assert_eq!(failure(""), "t.csv: the file is empty (a header was expected)");
        assert_eq!(failure("a,b\n1\n"), "t.csv:2:2: 1 fields, but the header has 2");
        assert_eq!(failure("a,b\n1,2,3\n"), "t.csv:2:3: 3 fields, but the header has 2");
        assert_eq!(failure("a,b\n1,\"2\n3\"\n"), "t.csv:2:2: the quote is not closed on this line");
        assert_eq!(failure("a,b\n1,\"2\"3\n"), "t.csv:2:2: text after the closing quote");
        assert!(csv("a,b\n").column("c").is_err_and(|error| error.to_string().contains("has a, b")));
        let mut bytes = Csv::new(&b"a\n\xff\n"[..], Path::new("t.csv")).unwrap();
        assert!(bytes.next_row().is_err_and(|error| error.to_string().contains("byte 1 of the line")));
        let mut rows = csv("a,b\n-1,nan\n");
        let row = rows.next_row().unwrap().unwrap();
        assert_eq!(
            row.id(0).unwrap_err().to_string(),
            "t.csv:2:1: \"-1\" is not an id (a whole number from 0)"
        );
        assert_eq!(row.number(1).unwrap_err().to_string(), "t.csv:2:2: \"nan\" is not a finite number");
    }
}
