//! Tables for the terminal, and the choice between them and JSON.

use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use serde_json::Value;

use crate::cli::Json;
use crate::error::{Error, Result};
use crate::output;

/// A line under the head, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─'));

/// A table without frames: the first column to the left, the others to the right.
pub fn plain(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    build(head, rows, |column| if column == 0 { CellAlignment::Left } else { CellAlignment::Right })
}

/// A table of text: every column to the left.
pub fn text(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    build(head, rows, |_| CellAlignment::Left)
}

fn build(
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
    align: impl Fn(usize) -> CellAlignment,
) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(align(index));
    }
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Prints `text`; or, as `--json` says, writes `value` to a file beside it or prints it instead.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
pub fn show(json: &Json, value: &Value, text: &str) -> Result<()> {
    match json.json.as_deref() {
        Some(path) if path == Path::new("-") => output::json(value),
        Some(path) => {
            write(path, &format!("{value:#}\n"))?;
            output::line(text);
            output::note(format!("wrote {}", path.display()));
        }
        None => output::line(text),
    }
    Ok(())
}

/// Writes a file, making its folder, so that a reader sees the old or the new content and nothing between.
///
/// # Errors
/// [`Error::Io`].
pub fn write(path: &Path, content: &str) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    std::fs::write(&new, content).map_err(|error| Error::io(&new, error))?;
    std::fs::rename(&new, path).map_err(|error| Error::io(path, error))
}

/// Seconds for reading: 0.012 s, 3.4 s, 2 min 5 s.
pub fn seconds(value: f64) -> String {
    match value {
        value if value < 0.0995 => format!("{value:.3} s"),
        value if value < 9.95 => format!("{value:.2} s"),
        value if value < 119.5 => format!("{value:.0} s"),
        value => {
            let whole = value.round() as u64;
            format!("{} min {} s", whole / 60, whole % 60)
        }
    }
}

/// A whole number with thin groups of three digits: 1,027,370.
pub fn grouped(value: usize) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_027_370), "1,027,370");
    }

    #[test]
    fn seconds_read_well() {
        assert_eq!(seconds(0.0123), "0.012 s");
        assert_eq!(seconds(3.456), "3.46 s");
        assert_eq!(seconds(125.0), "2 min 5 s");
        assert_eq!(seconds(119.9), "2 min 0 s");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file.json");
        write(&path, "1").unwrap();
        write(&path, "2").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "2");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
