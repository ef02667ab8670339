//! The worlds by name: which data set, where its files lie, when its users leave.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rl_env::datasets::{Log, QuitSettings, coat, kuairand, kuairec, movielens, mt_mini, yahoo};
use rl_env::{Compat, ItemTables, Source, WindowMode, World};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::data;
use crate::error::{Error, Result};

/// A world that can be named on the command line.
#[derive(Debug)]
pub struct KnownWorld {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Whether it is made of files, rather than of random numbers.
    files: bool,
    load: fn(&Path, &Compat) -> rl_env::Result<Source>,
}

/// All worlds.
pub const WORLDS: &[KnownWorld] = &[
    KnownWorld {
        name: "mt-mini",
        about: "MovieTweetings, the data set that comes with the repository",
        files: true,
        load: |folder, _| mt_mini::load(folder, &Default::default()),
    },
    KnownWorld {
        name: "coat",
        about: "Coat: 290 users rate 300 coats",
        files: true,
        load: |folder, _| coat::load(folder),
    },
    KnownWorld {
        name: "movielens",
        about: "MovieLens-1M",
        files: true,
        load: |folder, compat| {
            let options = movielens::Options { shift_popularity: compat.ml_pop_shift, ..Default::default() };
            movielens::load(folder, &options)
        },
    },
    KnownWorld {
        name: "yahoo",
        about: "Yahoo! R3: songs",
        files: true,
        load: |folder, _| yahoo::load(folder, &Default::default()),
    },
    KnownWorld {
        name: "kuairec",
        about: "KuaiRec: short videos, almost every pair watched",
        files: true,
        load: |folder, _| kuairec::load(folder, &Default::default()),
    },
    KnownWorld {
        name: "kuairand",
        about: "KuaiRand-Pure: short videos shown at random",
        files: true,
        load: |folder, _| kuairand::load(folder, &Default::default()),
    },
];

/// The world called `name`.
///
/// # Errors
/// [`Error::Usage`] listing the names.
pub fn find(name: &str) -> Result<&'static KnownWorld> {
    WORLDS.iter().find(|world| world.name == name).ok_or_else(|| {
        let known: Vec<&str> = WORLDS.iter().map(|world| world.name).collect();
        Error::Usage(format!("no world {name}; there are {}", known.join(", ")))
    })
}

/// A world as a run records it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSpec {
    /// Its name.
    pub name: String,
    /// The folder of its files; empty for a synthetic one.
    pub data: String,
    /// The hash of everything that was read.
    pub sha256: String,
    /// When users leave.
    pub quit: QuitSettings,
}

/// What `--quit` changes: the window and the threshold of the quit rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuitChange {
    /// How many of the latest items count.
    pub window: usize,
    /// The distance, or the number of occurrences.
    pub threshold: f64,
}

impl std::str::FromStr for QuitChange {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parse = || {
            let (window, threshold) = text.split_once('/')?;
            Some(Self { window: window.trim().parse().ok()?, threshold: threshold.trim().parse().ok()? })
        };
        parse().ok_or_else(|| format!("expected WINDOW/THRESHOLD such as 7/6, not {text}"))
    }
}

/// A world that was read.
pub struct Loaded {
    /// Truth, log, features.
    pub source: Source,
    /// The hash of all of it.
    pub sha256: String,
}

/// The folder of a world's files: `data` if given, else where data sets lie.
///
/// # Errors
/// [`Error::Usage`] if it takes a `--data` that is not given, [`Error::Data`] if there is no such folder.
pub fn folder(world: &KnownWorld, data: Option<&str>) -> Result<PathBuf> {
    match data {
        _ if !world.files => Ok(PathBuf::new()),
        Some(data) => data::locate(data),
        None => data::locate(world.name).map_err(|error| {
            Error::Usage(format!(
                "world {}: --data FOLDER must say where its files lie ({error})",
                world.name
            ))
        }),
    }
}

/// Reads a world.
///
/// # Errors
/// What the reader reports.
pub fn load(name: &str, folder: &Path, compat: &Compat) -> Result<Loaded> {
    let source = (find(name)?.load)(folder, compat)?;
    let sha256 = hash(&source);
    Ok(Loaded { source, sha256 })
}

impl Loaded {
    /// The published quit rule with what was changed.
    pub fn quit(&self, change: Option<QuitChange>, compat: &Compat) -> QuitSettings {
        let mut quit = self.source.quit;
        if let Some(change) = change {
            (quit.window, quit.threshold) = (change.window, change.threshold);
        }
        if compat.window_slice {
            quit.mode = WindowMode::PythonSlice;
        }
        quit
    }

    /// The world whose users leave by `quit`, and what the metrics need to know of its items.
    ///
    /// # Errors
    /// If a setting does not hold or the world lacks what it asks for.
    pub fn build(&self, quit: &QuitSettings) -> Result<(Arc<World>, Arc<ItemTables>)> {
        let (world, tables) = (self.source.world(quit)?, self.source.tables()?);
        Ok((Arc::new(world), Arc::new(tables)))
    }
}

/// The rows of `log` that `keep` keeps, each user's in the order of time, without the times.
pub fn in_order(log: &Log, keep: impl Fn(usize) -> bool) -> Log {
    let n_users = log.users.iter().max().map_or(0, |&user| user as usize + 1);
    let (_, order) = log.by_user(n_users);
    let mut out = Log::default();
    for row in order.into_iter().map(|row| row as usize).filter(|&row| keep(row)) {
        out.push(log.users[row], log.items[row], log.targets[row]);
    }
    out
}

/// A hash of everything in `source` that a run depends on.
fn hash(source: &Source) -> String {
    let mut hasher = Sha256::new();
    let mut words = |values: &mut dyn Iterator<Item = u32>| {
        // Each column starts with a mark, so that a value cannot move from one to the next.
        hasher.update(u32::MAX.to_le_bytes());
        let mut block = Vec::with_capacity(4096);
        for value in values {
            block.extend_from_slice(&value.to_le_bytes());
            if block.len() == block.capacity() {
                hasher.update(&block);
                block.clear();
            }
        }
        hasher.update(&block);
    };
    let floats = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    for matrix in [&source.truth, &source.distance_truth] {
        let (users, items) = (rl_env::Reward::n_users(&**matrix), rl_env::Reward::n_items(&**matrix));
        words(&mut [users as u32, items as u32].into_iter());
        let cells = (0..users as u32).flat_map(|user| (0..items as u32).map(move |item| (user, item)));
        words(&mut cells.map(|(user, item)| matrix.get(user, item).to_bits()));
    }
    words(&mut source.log.users.iter().copied());
    words(&mut source.log.items.iter().copied());
    words(&mut floats(&source.log.targets).into_iter());
    for time in source.log.times.iter().flatten() {
        words(&mut [time.to_bits() as u32, (time.to_bits() >> 32) as u32].into_iter());
    }
    for features in [&source.users, &source.items] {
        for column in &features.categorical {
            words(&mut std::iter::once(column.vocabulary).chain(column.values.iter().copied()));
        }
        if let Some(tags) = &features.tags {
            words(&mut std::iter::once(tags.vocabulary).chain(tags.values.iter().copied()));
        }
        for column in &features.dense {
            words(&mut floats(&column.values).into_iter());
        }
    }
    words(&mut source.truth_users.iter().copied());
    words(&mut source.truth_items.iter().copied());
    words(&mut floats(&source.popularity).into_iter());
    for mask in source.tags.iter().flatten() {
        words(&mut [*mask as u32, (*mask >> 32) as u32].into_iter());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_the_quit_rule_is_read() {
        assert_eq!("7/6".parse(), Ok(QuitChange { window: 7, threshold: 6.0 }));
        assert!("7".parse::<QuitChange>().unwrap_err().contains("7/6"));
        assert!("7/x".parse::<QuitChange>().is_err());
    }

    #[test]
    fn the_embedded_world_can_be_built() {
        let folder = folder(find("mt-mini").unwrap(), None).unwrap();
        let loaded = load("mt-mini", &folder, &Compat::default()).unwrap();
        let quit = loaded.quit(None, &Compat::default());
        let (world, tables) = loaded.build(&quit).unwrap();
        assert_eq!(world.n_items(), tables.n_items());
        let again = load("mt-mini", &folder, &Compat::default()).unwrap();
        assert_eq!(again.sha256, loaded.sha256);
        let changed = loaded.quit(Some(QuitChange { window: 2, threshold: 0.0 }), &Compat::easyrl4rec());
        assert_eq!((changed.window, changed.threshold, changed.mode), (2, 0.0, WindowMode::PythonSlice));
    }

    #[test]
    fn a_world_that_is_not_here_asks_for_its_folder() {
        let error = folder(find("kuairand").unwrap(), None).unwrap_err();
        assert!(error.to_string().contains("--data"), "{error}");
        assert_eq!(find("nowhere").unwrap_err().exit_code(), 2);
    }
}
