//! The metrics of a run, one JSON object a line, written as they come.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::{Error, Place, Result};

use super::{Observer, Progress};

/// One line of the metrics: `{"epoch":3,"loss":0.25,…}`. A value that is not a finite number is written as `null`
/// and read as NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The epoch that the values belong to.
    pub epoch: usize,
    /// The values by name, sorted by it.
    pub values: Vec<(String, f64)>,
}

impl Record {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

/// The metrics file of a run, open for appending. Every line reaches the operating system before
/// [`MetricLog::append`] returns, so a killed process loses at most the line that it was writing.
#[derive(Debug)]
pub struct MetricLog {
    path: PathBuf,
    file: File,
    last_epoch: Option<usize>,
    /// Where the whole lines end.
    end: u64,
    /// Behind them is a part of a line that could not be written.
    torn: bool,
    failure: Option<Error>,
}

impl MetricLog {
    /// Opens the file at `path`, or makes it. A last line without its line break was cut off while it was written
    /// and is removed.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Parse`] for a whole line that is not a record.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| Error::io(&path, source))?;
        let mut log = Self { path, file, last_epoch: None, end: 0, torn: false, failure: None };
        log.keep(usize::MAX)?;
        Ok(log)
    }

    /// The epoch of the last line.
    pub fn last_epoch(&self) -> Option<usize> {
        self.last_epoch
    }

    /// Drops the lines from the first one that is later than `epoch`.
    ///
    /// [`append`](MetricLog::append) does this by itself when an epoch comes again.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Parse`] for a whole line that is not a record.
    pub fn rewind(&mut self, epoch: usize) -> Result<()> {
        if self.last_epoch.is_some_and(|last| last > epoch) { self.keep(epoch) } else { Ok(()) }
    }

    /// Writes one line. Earlier lines of this epoch or of later ones are dropped first: a run that went back to its
    /// checkpoint tells them anew. If a line could not be written, what there is of it is removed, at the latest
    /// before the next one.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] for a value called `epoch`.
    pub fn append(&mut self, epoch: usize, values: &[(&str, f64)]) -> Result<()> {
        match epoch.checked_sub(1) {
            Some(before) => self.rewind(before)?,
            None => self.cut(0, None)?,
        }
        let mut line = Map::with_capacity(values.len());
        for &(name, value) in values {
            if name == "epoch" {
                return Err(Error::invalid("a value of a run may not be called epoch"));
            }
            line.insert(name.to_owned(), Value::from(value));
        }
        let body = Value::Object(line).to_string();
        let separator = if values.is_empty() { "" } else { "," };
        let text = format!("{{\"epoch\":{epoch}{separator}{}\n", &body[1..]);
        if self.torn {
            self.cut(self.end, self.last_epoch)?;
        }
        if let Err(source) = self.file.write_all(text.as_bytes()) {
            // A disk that is full may still make a file shorter.
            self.torn = true;
            let _ = self.cut(self.end, self.last_epoch);
            return Err(Error::io(&self.path, source));
        }
        self.end += text.len() as u64;
        self.last_epoch = Some(epoch);
        Ok(())
    }

    /// Waits until the lines are on the disk.
    ///
    /// # Errors
    /// [`Error::Io`]; what an [`Observer::progress`] could not report, once.
    pub fn sync(&mut self) -> Result<()> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.file.sync_data().map_err(|source| Error::io(&self.path, source)),
        }
    }

    /// Cuts the file after the last whole line of an epoch up to `epoch`.
    fn keep(&mut self, epoch: usize) -> Result<()> {
        let mut text = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut text));
        read.map_err(|source| Error::io(&self.path, source))?;
        let mut end = 0;
        let mut last = None;
        for (line, bytes) in (1..).zip(whole_lines(&text)) {
            let record = parse(&self.path, line, bytes)?;
            if record.epoch > epoch {
                break;
            }
            last = Some(record.epoch);
            end += bytes.len() + 1;
        }
        self.cut(end as u64, last)
    }

    fn cut(&mut self, end: u64, last_epoch: Option<usize>) -> Result<()> {
        let cut = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        cut.map_err(|source| Error::io(&self.path, source))?;
        (self.end, self.torn, self.last_epoch) = (end, false, last_epoch);
        Ok(())
    }
}

/// Writes every epoch down. What goes wrong is kept for [`MetricLog::sync`]: training does not stop for its log.
impl Observer for MetricLog {
    fn progress(&mut self, progress: &Progress<'_>) {
        if let Err(error) = self.append(progress.epoch, progress.values) {
            self.failure.get_or_insert(error);
        }
    }
}

/// The lines of a metrics file, also of a run that is going on. A last line without its line break is left out.
///
/// # Errors
/// [`Error::Io`]; [`Error::Parse`] for a whole line that is not a record.
pub fn read_metrics(path: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    (1..).zip(whole_lines(&text)).map(|(line, bytes)| parse(path, line, bytes)).collect()
}

/// The lines that end in a line break, without it.
fn whole_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"))
}

fn parse(path: &Path, line: u64, bytes: &[u8]) -> Result<Record> {
    let broken = |column: usize, what: String| Error::Parse {
        place: Place { path: path.to_owned(), line, column: column as u32 },
        what,
    };
    let mut object: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| broken(error.column(), error.to_string()))?;
    let epoch = object
        .remove("epoch")
        .and_then(|epoch| epoch.as_u64())
        .ok_or_else(|| broken(0, "expected a whole number called epoch".into()))?;
    let values = object.into_iter().map(|(name, value)| match value {
        Value::Null => Ok((name, f64::NAN)),
        Value::Number(number) => Ok((name, number.as_f64().unwrap_or(f64::NAN))),
        _ => Err(broken(0, format!("{name} is not a number"))),
    });
    Ok(Record { epoch: epoch as usize, values: values.collect::<Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(path: &Path) -> Vec<usize> {
        read_metrics(path).unwrap().iter().map(|record| record.epoch).collect()
    }

    #[test]
    fn lines_come_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricLog::open(&path).unwrap();
        let odd = 0.1 + 0.2;
        log.append(1, &[("loss", odd), ("alignment", f64::NAN), ("steps", 3.0)]).unwrap();
        log.append(2, &[]).unwrap();
        log.sync().unwrap();
        let records = read_metrics(&path).unwrap();
        assert_eq!(records[0].get("loss"), Some(odd));
        assert!(records[0].get("alignment").unwrap().is_nan());
        assert_eq!(records[0].get("nothing"), None);
        assert_eq!(records[1], Record { epoch: 2, values: Vec::new() });
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("{\"epoch\":1,"));
    }

    #[test]
    fn an_epoch_that_comes_again_replaces_itself_and_the_later_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricLog::open(&path).unwrap();
        for epoch in 1..=5 {
            log.progress(&Progress { epoch, epochs: 9, values: &[("loss", 1.0)] });
        }
        drop(log);
        // Killed in the middle of a line.
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"epoch\":6,\"lo");
        std::fs::write(&path, text).unwrap();
        assert_eq!(epochs(&path), [1, 2, 3, 4, 5]);
        let mut log = MetricLog::open(&path).unwrap();
        assert_eq!(log.last_epoch(), Some(5));
        log.append(4, &[("loss", 2.0)]).unwrap();
        log.append(5, &[("loss", 2.0)]).unwrap();
        assert_eq!(epochs(&path), [1, 2, 3, 4, 5]);
        assert_eq!(read_metrics(&path).unwrap()[3].get("loss"), Some(2.0));
        log.rewind(2).unwrap();
        assert_eq!((epochs(&path), log.last_epoch()), (vec![1, 2], Some(2)));
        log.append(0, &[]).unwrap();
        assert_eq!(epochs(&path), [0]);
    }

    #[test]
    fn a_broken_line_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        for (text, part) in [
            ("{\"epoch\":1}\n{\"epoch\":\n{\"epoch\":3}\n", ":2:"),
            ("{\"loss\":1}\n", ":1: expected a whole number called epoch"),
            ("{\"epoch\":1,\"loss\":\"low\"}\n", ":1: loss is not a number"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = MetricLog::open(&path).unwrap_err().to_string();
            assert!(error.contains("metrics.jsonl") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_line_that_was_written_in_part_is_not_continued() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let mut log = MetricLog::open(&path).unwrap();
        log.append(1, &[("loss", 1.0)]).unwrap();
        // As a full disk does: some bytes, then an error, and none that can be taken back now.
        let whole = std::mem::replace(&mut log.file, File::open(&path).unwrap());
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"epoch\":2,\"lo")
            .unwrap();
        assert!(matches!(log.append(2, &[("loss", 2.0)]), Err(Error::Io { .. })));
        log.file = whole;
        log.file.seek(SeekFrom::End(0)).unwrap();
        log.append(2, &[("loss", 3.0)]).unwrap();
        log.append(3, &[]).unwrap();
        assert_eq!(epochs(&path), [1, 2, 3]);
        assert_eq!(read_metrics(&path).unwrap()[1].get("loss"), Some(3.0));
        assert_eq!(MetricLog::open(&path).unwrap().last_epoch(), Some(3));
    }

    #[test]
    fn a_failed_line_is_told_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = MetricLog::open(folder.path().join("metrics.jsonl")).unwrap();
        log.progress(&Progress { epoch: 1, epochs: 2, values: &[("epoch", 1.0)] });
        log.progress(&Progress { epoch: 1, epochs: 2, values: &[("loss", 1.0)] });
        assert!(log.sync().unwrap_err().to_string().contains("epoch"));
        log.sync().unwrap();
        assert!(MetricLog::open(folder.path().join("no/such/folder")).is_err());
    }
}
