//! The ground truth: what every user would pay for every item.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use half::f16;
use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::Reward;
use crate::{Error, Result};

/// A dense matrix of rewards, users by items, row-major. Environments share one through an `Arc`.
///
/// Cells are held as `f32`, as `f16` (half the memory, three significant digits), or in a file mapped into memory, of
/// which the system loads what is touched: KuaiRand's 27,285 x 7,583 cells take 828 MB as `f32`.
///
/// # The file
/// 64 bytes of header, then the cells, all little-endian: `SXREWARD`, version (`u32`, 1), kind of cells (`u32`: 0 for
/// `f32`, 1 for `f16`), users (`u64`), items (`u64`), SHA-256 of the cells (32 bytes).
#[derive(Clone, Debug)]
pub struct RewardMatrix {
    users: usize,
    items: usize,
    cells: Cells,
    range: (f32, f32),
}

#[derive(Clone, Debug)]
enum Cells {
    F32(Vec<f32>),
    F16(Vec<f16>),
    /// The whole file.
    MappedF32(Arc<Mmap>),
    MappedF16(Arc<Mmap>),
}

/// What the cells of a matrix are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Four bytes.
    F32,
    /// Two bytes.
    F16,
}

const MAGIC: &[u8; 8] = b"SXREWARD";
const VERSION: u32 = 1;
const HEADER: usize = 64;

impl CellKind {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

impl RewardMatrix {
    /// The matrix whose row-major cells are `cells`.
    ///
    /// # Errors
    /// If there are no cells, their number is not `users * items`, or one is not finite.
    pub fn new(users: usize, items: usize, cells: Vec<f32>) -> Result<Self> {
        Self::check(users, items, Cells::F32(cells))
    }

    /// The same for cells of half precision.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn new_f16(users: usize, items: usize, cells: Vec<f16>) -> Result<Self> {
        Self::check(users, items, Cells::F16(cells))
    }

    fn check(users: usize, items: usize, cells: Cells) -> Result<Self> {
        let mut this = Self { users, items, cells, range: (f32::MAX, f32::MIN) };
        let count = this.count();
        if count == 0 || users.checked_mul(items) != Some(count) || users.max(items) > u32::MAX as usize {
            return Err(Error::invalid(format!("{count} rewards do not make {users} x {items}")));
        }
        for at in 0..count {
            let cell = this.cell(at);
            if !cell.is_finite() {
                let (user, item) = (at / items, at % items);
                return Err(Error::invalid(format!("the reward of user {user}, item {item} is {cell}")));
            }
            this.range = (this.range.0.min(cell), this.range.1.max(cell));
        }
        Ok(this)
    }

    /// The same matrix with cells rounded to the nearest half-precision number.
    ///
    /// # Errors
    /// If a cell is beyond 65504, the largest such number.
    pub fn to_f16(&self) -> Result<Self> {
        let cells = (0..self.count()).map(|at| f16::from_f32(self.cell(at))).collect();
        Self::new_f16(self.users, self.items, cells)
    }

    /// Maps a file that [`save`](Self::save) wrote into memory, after reading it once: its length, its checksum and
    /// every cell are checked.
    ///
    /// The file must not be changed while it is mapped. Replacing it, as [`save`](Self::save) does, is no change: the
    /// mapping keeps the old content.
    ///
    /// # Errors
    /// [`Error::Core`] if it cannot be read; [`Error::Format`] if it is no such file, was cut off or altered, or has a
    /// cell that is not finite.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io = |source| Error::Core(rec_core::Error::io(path, source));
        let format = |what: String| Error::Format { path: path.to_owned(), what };
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut header = [0; HEADER];
        if length < HEADER as u64 {
            return Err(format(format!("{length} bytes are no matrix of rewards")));
        }
        file.read_exact(&mut header).map_err(io)?;
        let u32_at =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if &header[..8] != MAGIC {
            return Err(format("no matrix of rewards: it does not start with SXREWARD".into()));
        }
        if u32_at(8) != VERSION {
            return Err(format(format!("version {} of the format; this program reads {VERSION}", u32_at(8))));
        }
        let kind = match u32_at(12) {
            0 => CellKind::F32,
            1 => CellKind::F16,
            other => return Err(format(format!("cells of kind {other}; 0 (f32) and 1 (f16) are known"))),
        };
        let (users, items) = (u64_at(16), u64_at(24));
        let bytes = users.checked_mul(items).and_then(|cells| cells.checked_mul(kind.bytes() as u64));
        if bytes.and_then(|bytes| bytes.checked_add(HEADER as u64)) != Some(length) {
            let what = format!("{length} bytes are not a header and {users} x {items} cells of {kind:?}");
            return Err(format(what));
        }
        // SAFETY: the mapping is only read, through bounds-checked slices of bytes; that nobody changes the file in
        // place meanwhile is asked of the caller in the documentation, as every use of a mapping has to.
        let map = Arc::new(unsafe { Mmap::map(&file) }.map_err(io)?);
        if Sha256::digest(&map[HEADER..])[..] != header[32..] {
            return Err(format(
                "the checksum of its cells is not the one in its header: it was damaged".into(),
            ));
        }
        let cells = match kind {
            CellKind::F32 => Cells::MappedF32(map),
            CellKind::F16 => Cells::MappedF16(map),
        };
        let (users, items) = (users as usize, items as usize);
        Self::check(users, items, cells).map_err(|error| format(error.to_string()))
    }

    /// Writes the matrix to `path`; [`open`](Self::open) maps it. Whatever happens, the file holds its old content or
    /// all of the new one.
    ///
    /// # Errors
    /// [`Error::Core`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let Some(name) = path.file_name() else {
            return Err(Error::invalid(format!("{} names no file", path.display())));
        };
        // As rec_core's `replace_file`, but without a second copy of the matrix in memory.
        let mut partial = std::ffi::OsString::from(".");
        partial.push(name);
        partial.push(".partial");
        let partial = path.with_file_name(partial);
        self.write(&partial).map_err(|source| rec_core::Error::io(&partial, source))?;
        fs::rename(&partial, path).map_err(|source| rec_core::Error::io(path, source))?;
        #[cfg(unix)]
        {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new("."));
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(|source| rec_core::Error::io(folder, source))?;
        }
        Ok(())
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(&[0; HEADER])?;
        let mut hasher = Sha256::new();
        let mut row = Vec::new();
        for user in 0..self.users {
            row.clear();
            for at in user * self.items..(user + 1) * self.items {
                match &self.cells {
                    Cells::F32(_) | Cells::MappedF32(_) => row.extend(self.cell(at).to_le_bytes()),
                    Cells::F16(cells) => row.extend(cells[at].to_le_bytes()),
                    Cells::MappedF16(map) => row.extend_from_slice(&map[HEADER + 2 * at..][..2]),
                }
            }
            hasher.update(&row);
            file.write_all(&row)?;
        }
        file.seek(SeekFrom::Start(0))?;
        file.write_all(MAGIC)?;
        file.write_all(&VERSION.to_le_bytes())?;
        file.write_all(&u32::from(self.kind() == CellKind::F16).to_le_bytes())?;
        file.write_all(&(self.users as u64).to_le_bytes())?;
        file.write_all(&(self.items as u64).to_le_bytes())?;
        file.write_all(&hasher.finalize())?;
        file.into_inner().map_err(|error| error.into_error())?.sync_all()
    }

    /// What the cells are.
    pub fn kind(&self) -> CellKind {
        match self.cells {
            Cells::F32(_) | Cells::MappedF32(_) => CellKind::F32,
            Cells::F16(_) | Cells::MappedF16(_) => CellKind::F16,
        }
    }

    /// The reward of `item` for `user`.
    ///
    /// # Panics
    /// If there is no such cell.
    #[inline]
    pub fn get(&self, user: u32, item: u32) -> f32 {
        assert!((item as usize) < self.items, "no item {item}");
        self.cell(user as usize * self.items + item as usize)
    }

    /// What `user` would pay for each item, into `row`.
    ///
    /// # Panics
    /// If there is no such user, or `row` is not as long as there are items.
    pub fn row_into(&self, user: u32, row: &mut [f32]) {
        assert_eq!(row.len(), self.items, "a place for each item");
        let start = user as usize * self.items;
        if let Cells::F32(cells) = &self.cells {
            row.copy_from_slice(&cells[start..start + self.items]);
        } else {
            for (cell, at) in row.iter_mut().zip(start..) {
                *cell = self.cell(at);
            }
        }
    }

    fn count(&self) -> usize {
        match &self.cells {
            Cells::F32(cells) => cells.len(),
            Cells::F16(cells) => cells.len(),
            Cells::MappedF32(map) => (map.len() - HEADER) / 4,
            Cells::MappedF16(map) => (map.len() - HEADER) / 2,
        }
    }

    #[inline]
    fn cell(&self, at: usize) -> f32 {
        match &self.cells {
            Cells::F32(cells) => cells[at],
            Cells::F16(cells) => cells[at].to_f32(),
            Cells::MappedF32(map) => {
                let bytes = &map[HEADER + 4 * at..][..4];
                f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
            }
            Cells::MappedF16(map) => {
                let bytes = &map[HEADER + 2 * at..][..2];
                f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
            }
        }
    }
}

impl Reward for RewardMatrix {
    fn n_users(&self) -> usize {
        self.users
    }

    fn n_items(&self) -> usize {
        self.items
    }

    #[inline]
    fn reward(&self, user: u32, item: u32, _: &[u32]) -> f32 {
        self.get(user, item)
    }

    fn range(&self) -> (f32, f32) {
        self.range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> RewardMatrix {
        // All of them are half-precision numbers but the last.
        RewardMatrix::new(2, 3, vec![0.5, -1.0, 3.0, 2.0, 65504.0, 0.1]).unwrap()
    }

    fn cells(matrix: &RewardMatrix) -> Vec<f32> {
        (0..2).flat_map(|user| (0..3).map(move |item| (user, item))).map(|(u, i)| matrix.get(u, i)).collect()
    }

    #[test]
    fn a_file_gives_back_every_bit_in_both_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth");
        for matrix in [small(), small().to_f16().unwrap()] {
            matrix.save(&path).unwrap();
            let mapped = RewardMatrix::open(&path).unwrap();
            assert_eq!(cells(&mapped), cells(&matrix));
            assert_eq!((mapped.range(), mapped.kind()), (matrix.range(), matrix.kind()));
            assert_eq!((mapped.n_users(), mapped.n_items()), (2, 3));
            // Saving over the mapped file leaves the mapping as it was; a mapped matrix can be saved itself.
            let bytes = fs::read(&path).unwrap();
            mapped.save(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            RewardMatrix::new(1, 1, vec![9.0]).unwrap().save(&path).unwrap();
            assert_eq!(cells(&mapped), cells(&matrix));
            assert_eq!(cells(&mapped.to_f16().unwrap()), cells(&small().to_f16().unwrap()));
            let mut row = [0.0; 3];
            mapped.row_into(1, &mut row);
            assert_eq!(row, cells(&matrix)[3..]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn half_precision_rounds_to_the_nearest() {
        let half = small().to_f16().unwrap();
        assert_eq!(cells(&half)[..5], cells(&small())[..5]);
        assert_eq!(cells(&half)[5], 0.099_975_586);
        assert!(RewardMatrix::new(1, 1, vec![70000.0]).unwrap().to_f16().is_err());
    }

    #[test]
    fn damaged_files_are_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("truth");
        small().save(&path).unwrap();
        let good = fs::read(&path).unwrap();
        assert_eq!(good.len(), 64 + 24);
        let refusal = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = RewardMatrix::open(&path).unwrap_err();
            assert!(matches!(error, Error::Format { .. }), "{error}");
            error.to_string()
        };
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert!(refusal(&[]).ends_with("0 bytes are no matrix of rewards"));
        assert!(refusal(&good[..63]).ends_with("63 bytes are no matrix of rewards"));
        assert!(refusal(&good[..87]).ends_with("87 bytes are not a header and 2 x 3 cells of F32"));
        assert!(refusal(&[&good[..], b"\n"].concat()).contains("89 bytes are not"));
        assert!(refusal(&changed(0, b'P')).contains("SXREWARD"));
        assert!(refusal(&changed(8, 2)).contains("version 2"));
        assert!(refusal(&changed(12, 7)).contains("kind 7"));
        assert!(refusal(&changed(12, 1)).contains("cells of F16"));
        // A product of users and items beyond all numbers.
        assert!(refusal(&changed(23, 255)).contains("bytes are not"));
        assert!(refusal(&changed(70, 1)).contains("checksum"));
        assert!(refusal(&changed(40, 1)).contains("checksum"));
        let mut nan = good.clone();
        nan[64 + 16..64 + 20].copy_from_slice(&f32::NAN.to_le_bytes());
        let digest = Sha256::digest(&nan[64..]);
        nan[32..64].copy_from_slice(&digest);
        assert!(refusal(&nan).ends_with("the reward of user 1, item 1 is NaN"));
        let missing = RewardMatrix::open(folder.path().join("none"));
        assert!(matches!(missing, Err(Error::Core(rec_core::Error::Io { .. }))));
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        assert!(RewardMatrix::new(0, 0, vec![]).is_err());
        assert!(RewardMatrix::new(2, 2, vec![1.0; 3]).is_err());
        let error = RewardMatrix::new(1, 2, vec![1.0, f32::INFINITY]).unwrap_err();
        assert_eq!(error.to_string(), "the reward of user 0, item 1 is inf");
    }
}
