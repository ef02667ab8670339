//! Vectors for other programs: NumPy's `.npy`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rec_core::{Error, Result};

/// Writes a row-major table `[rows, dim]` as an `.npy` file of format 1.0, type `<f4`, to be read by `numpy.load`.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
///
/// # Panics
/// If `values` is not a whole number of rows of length `dim`.
pub fn npy(path: impl AsRef<Path>, values: &[f32], dim: usize) -> Result<()> {
    let path = path.as_ref();
    write(path, values, dim).map_err(|source| Error::io(path, source))
}

fn write(path: &Path, values: &[f32], dim: usize) -> std::io::Result<()> {
    assert!(dim > 0 && values.len().is_multiple_of(dim), "not rows of {dim}");
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(&header(values.len() / dim, dim))?;
    for value in values {
        file.write_all(&value.to_le_bytes())?;
    }
    file.into_inner()?.sync_all()
}

/// Magic, version, length of the description, the description: padded so that the numbers start at a multiple of 64.
fn header(rows: usize, dim: usize) -> Vec<u8> {
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let before = 6 + 2 + 2;
    let total = (before + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', total - before - text.len() - 1));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_that_numpy_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.npy");
        npy(&path, &[1.0, -2.0, 0.5, 4.0, 0.0, 6.0], 3).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut expected =
            b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".to_vec();
        expected.resize(127, b' ');
        expected.push(b'\n');
        for value in [1.0f32, -2.0, 0.5, 4.0, 0.0, 6.0] {
            expected.extend(value.to_le_bytes());
        }
        assert_eq!(bytes, expected);
        assert!(npy(folder.path().join("missing/items.npy"), &[1.0], 1).is_err());
    }
}
