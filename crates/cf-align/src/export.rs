//! Vectors for other programs: NumPy's `.npy`, and Parquet with the names beside the vectors (feature `parquet`).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
#[cfg(feature = "parquet")]
use std::sync::Arc;

#[cfg(feature = "parquet")]
use ::parquet::{
    data_type::{ByteArray, ByteArrayType, FloatType},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
#[cfg(feature = "parquet")]
use rec_core::IdMap;
use rec_core::run::replace_file_with;
use rec_core::{Error, Result};

/// Writes a row-major table `[rows, dim]` as an `.npy` file of format 1.0, type `<f4`, to be read by `numpy.load`; as a whole
/// or not at all.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
///
/// # Panics
/// If `values` is not a whole number of rows of length `dim`.
pub fn npy(path: impl AsRef<Path>, values: &[f32], dim: usize) -> Result<()> {
    let path = path.as_ref();
    assert!(dim > 0 && values.len().is_multiple_of(dim), "not rows of {dim}");
    replace_file_with(path, |file| write_npy(file, values, dim).map_err(|source| Error::io(path, source)))
}

fn write_npy(file: &mut BufWriter<File>, values: &[f32], dim: usize) -> std::io::Result<()> {
    file.write_all(&header(values.len() / dim, dim))?;
    values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
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

/// Writes a table as an uncompressed Parquet file with two columns: `name`, text, and `vector`, a list of 32-bit
/// floats; one row for each name, in the order of the ids. The file appears as a whole or not at all.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written.
///
/// # Panics
/// If `values` is not one row of length `dim` for each name.
#[cfg(feature = "parquet")]
pub fn parquet(path: impl AsRef<Path>, names: &IdMap, values: &[f32], dim: usize) -> Result<()> {
    let path = path.as_ref();
    assert!(dim > 0 && values.len() == names.len() * dim, "not a row of {dim} for each name");
    let failed = |error| {
        let source = match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(source) => *source,
                Err(source) => std::io::Error::other(source),
            },
            other => std::io::Error::other(other),
        };
        Error::io(path, source)
    };
    replace_file_with(path, |file| write_parquet(file, names, values, dim).map_err(failed))
}

#[cfg(feature = "parquet")]
fn write_parquet(
    file: &mut BufWriter<File>,
    names: &IdMap,
    values: &[f32],
    dim: usize,
) -> std::result::Result<(), ParquetError> {
    /// Rows that go to the writer at once.
    const ROWS: usize = 1024;
    let schema = "message vectors {
        required binary name (STRING);
        required group vector (LIST) { repeated group list { required float element; } }
    }";
    // Hardly two numbers of a table are equal: a dictionary would only cost.
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let schema = Arc::new(parse_message_type(schema)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
    let mut rows = writer.next_row_group()?;
    if let Some(mut column) = rows.next_column()? {
        let tokens: Vec<ByteArray> = names.tokens().map(ByteArray::from).collect();
        column.typed::<ByteArrayType>().write_batch(&tokens, None, None)?;
        column.close()?;
    }
    if let Some(mut column) = rows.next_column()? {
        // The first number of a row begins a list, the others go on with it; all are there.
        let begins: Vec<i16> = (0..ROWS * dim).map(|at| i16::from(at % dim != 0)).collect();
        let defined = vec![1; ROWS * dim];
        for rows in values.chunks(ROWS * dim) {
            let (defined, begins) = (&defined[..rows.len()], &begins[..rows.len()]);
            column.typed::<FloatType>().write_batch(rows, Some(defined), Some(begins))?;
        }
        column.close()?;
    }
    rows.close()?;
    writer.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "parquet")]
    #[test]
    fn parquet_gives_names_and_vectors_back() {
        use ::parquet::file::reader::{FileReader, SerializedFileReader};
        use ::parquet::record::{Field, ListAccessor, RowAccessor};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items.parquet");
        // More rows than go to the writer at once, and names that are not ASCII.
        let names: IdMap = (0..2500).map(|id| format!("Amélie {id}")).collect();
        let values: Vec<f32> = (0..2500 * 3).map(|at| (at as f32).sin()).collect();
        parquet(&path, &names, &values, 3).unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), 2500);
        for (id, row) in rows.iter().enumerate() {
            assert_eq!(row.get_string(0).unwrap(), names.token(id as u32));
            let list = row.get_list(1).unwrap();
            let vector: Vec<f32> = (0..list.len()).map(|at| list.get_float(at).unwrap()).collect();
            assert_eq!(vector, values[id * 3..(id + 1) * 3]);
        }
        assert_eq!(
            rows[0].get_column_iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["name", "vector"]
        );
        assert!(matches!(rows[0].get_column_iter().nth(1), Some((_, Field::ListInternal(_)))));
        let error = parquet(folder.path().join("missing/items.parquet"), &IdMap::numbered(1), &[1.0], 1);
        assert!(matches!(error, Err(Error::Io { .. })), "{error:?}");
        parquet(&path, &IdMap::default(), &[], 3).unwrap();
        assert_eq!(
            SerializedFileReader::new(File::open(&path).unwrap())
                .unwrap()
                .metadata()
                .file_metadata()
                .num_rows(),
            0
        );
    }

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
        // Another table in its place, by way of a new file: who reads the old one goes on reading it.
        let old = File::open(&path).unwrap();
        npy(&path, &[1.0], 1).unwrap();
        assert_eq!(old.metadata().unwrap().len() as usize, expected.len());
        assert_eq!(std::fs::read(&path).unwrap().len(), 128 + 4);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
