//! Lines of bounded length from any byte stream.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::{Error, Place, Result};

/// The longest line a reader takes, in bytes. The longest in public data sets are adjacency lines of some
/// hundred kilobytes; anything far beyond is not a text file of ours.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// What bytes that are not UTF-8 mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// They are an error.
    #[default]
    Utf8,
    /// A line that is not UTF-8 is Latin-1, as in the files of the first MovieLens releases.
    Utf8OrLatin1,
}

/// A line reader that never holds more than one line, and refuses a line longer than [`MAX_LINE_BYTES`].
///
/// Line ends are `\n` or `\r\n`; a byte order mark before the first line is dropped.
pub(crate) struct Lines<R> {
    reader: R,
    path: PathBuf,
    line: u64,
    bytes: Vec<u8>,
    latin1: String,
    encoding: Encoding,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R, path: &Path) -> Self {
        Self::with_encoding(reader, path, Encoding::Utf8)
    }

    pub(crate) fn with_encoding(reader: R, path: &Path, encoding: Encoding) -> Self {
        let (bytes, latin1) = (Vec::new(), String::new());
        Self { reader, path: path.to_owned(), line: 0, bytes, latin1, encoding }
    }

    /// The next line with its number (from 1), or `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<(u64, &str)>> {
        if self.advance()? { self.text().map(Some) } else { Ok(None) }
    }

    /// Like [`Lines::next_line`], but passes over empty lines (and over blank ones, with `blank`).
    pub(crate) fn next_filled(&mut self, blank: bool) -> Result<Option<(u64, &str)>> {
        loop {
            if !self.advance()? {
                return Ok(None);
            }
            let skip = if blank { self.bytes.trim_ascii().is_empty() } else { self.bytes.is_empty() };
            if !skip {
                return self.text().map(Some);
            }
        }
    }

    /// Brings the next line into the buffer, without its end; false at the end of the file.
    fn advance(&mut self) -> Result<bool> {
        self.bytes.clear();
        let mut any = false;
        loop {
            let chunk = match self.reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io(&self.path, error)),
            };
            if chunk.is_empty() {
                break;
            }
            any = true;
            let newline = chunk.iter().position(|&byte| byte == b'\n');
            let taken = newline.unwrap_or(chunk.len());
            if self.bytes.len() + taken > MAX_LINE_BYTES {
                let what = format!("the line is longer than {MAX_LINE_BYTES} bytes");
                return Err(parse_error(&self.path, self.line + 1, 0, what));
            }
            self.bytes.extend_from_slice(&chunk[..taken]);
            self.reader.consume(taken + usize::from(newline.is_some()));
            if newline.is_some() {
                break;
            }
        }
        if !any {
            return Ok(false);
        }
        self.line += 1;
        if self.bytes.last() == Some(&b'\r') {
            self.bytes.pop();
        }
        Ok(true)
    }

    /// The line in the buffer as text.
    fn text(&mut self) -> Result<(u64, &str)> {
        let start = if self.line == 1 && self.bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let bytes = &self.bytes[start..];
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok((self.line, text)),
            Err(_) if self.encoding == Encoding::Utf8OrLatin1 => {
                self.latin1.clear();
                self.latin1.extend(bytes.iter().map(|&byte| char::from(byte)));
                Ok((self.line, &self.latin1))
            }
            Err(error) => {
                let what = format!("byte {} of the line is not UTF-8", error.valid_up_to() + start + 1);
                Err(parse_error(&self.path, self.line, 0, what))
            }
        }
    }
}

/// Opens `path` for buffered reading.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// An [`Error::Parse`]; `line` and `column` count from 1, 0 = unknown.
pub(crate) fn parse_error(path: &Path, line: u64, column: usize, what: impl Into<String>) -> Error {
    let column = u32::try_from(column).unwrap_or(u32::MAX);
    Error::Parse { place: Place { path: path.to_owned(), line, column }, what: what.into() }
}

/// `text` in quotes for a message, cut after 40 characters.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A finite number, or `None` for anything else ("nan" and "inf" included).
pub(crate) fn finite(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The number in `text` as a rating: finite in 32 bits.
pub(crate) fn rating(path: &Path, line: u64, column: usize, text: &str) -> Result<f32> {
    match finite(text).map(|number| number as f32).filter(|number| number.is_finite()) {
        Some(rating) => Ok(rating),
        None => {
            let what = format!("{} is not a finite number (a rating was expected)", quoted(text));
            Err(parse_error(path, line, column, what))
        }
    }
}

/// The number in `text` as a time: finite.
pub(crate) fn time(path: &Path, line: u64, column: usize, text: &str) -> Result<f64> {
    finite(text).ok_or_else(|| {
        let what = format!("{} is not a finite number (a time was expected)", quoted(text));
        parse_error(path, line, column, what)
    })
}

/// An id of a format whose ids are whole numbers counted from zero: its canonical text.
pub(crate) fn dense_id(path: &Path, line: u64, column: usize, text: &str) -> Result<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(id) if digits => Ok(id),
        _ => {
            let what = format!("{} is not an id (a whole number from 0 to {})", quoted(text), u32::MAX);
            Err(parse_error(path, line, column, what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(bytes, Path::new("x"));
        let mut out = Vec::new();
        while let Some((number, line)) = lines.next_line().unwrap() {
            out.push(format!("{number}:{line}"));
        }
        out
    }

    #[test]
    fn line_ends_and_byte_order_mark() {
        assert_eq!(all(b""), [""; 0]);
        assert_eq!(all(b"\n"), ["1:"]);
        assert_eq!(all(b"\xef\xbb\xbfa\r\nb\n\nc"), ["1:a", "2:b", "3:", "4:c"]);
    }

    #[test]
    fn bad_utf8_names_line_and_byte() {
        let mut lines = Lines::new(&b"ok\nab\xffc\n"[..], Path::new("x"));
        lines.next_line().unwrap();
        assert_eq!(lines.next_line().unwrap_err().to_string(), "x:2: byte 3 of the line is not UTF-8");
        let mut lines =
            Lines::with_encoding(&b"caf\xe9\ncaf\xc3\xa9"[..], Path::new("x"), Encoding::Utf8OrLatin1);
        assert_eq!(lines.next_line().unwrap(), Some((1, "café")));
        assert_eq!(lines.next_line().unwrap(), Some((2, "café")));
    }

    #[test]
    fn ids_are_plain_digits() {
        let id = |text| dense_id(Path::new("x"), 1, 1, text).ok();
        assert_eq!(id("0"), Some(0));
        assert_eq!(id("4294967295"), Some(u32::MAX));
        for bad in ["", "-1", "+1", "4294967296", "1.0", "a", "99999999999999999999999"] {
            assert_eq!(id(bad), None, "{bad}");
        }
    }
}
