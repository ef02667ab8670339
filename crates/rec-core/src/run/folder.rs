//! The folder of a run.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use crate::{Error, Place, Result};

use super::MetricLog;

/// What to do about a run that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Refuse to touch it.
    #[default]
    New,
    /// Go on with it, if its configuration is the same; start it if it is not there.
    Resume,
    /// Delete what it wrote by [`RunFolder`] and start again. Files of others stay.
    Replace,
}

/// A run's folder, held by this process: no other can open it meanwhile. See the [module](super) for what is in it.
///
/// ```
/// use rec_core::run::{RunFolder, Start};
///
/// #[derive(serde::Serialize)]
/// struct Config { learning_rate: f64 }
///
/// # let place = tempfile::tempdir().unwrap();
/// # let path = place.path().join("directau/2020");
/// let mut run = RunFolder::open(&path, &Config { learning_rate: 1e-3 }, Start::New)?;
/// run.metrics().append(1, &[("loss", 0.5)])?;
/// run.write_checkpoint(b"weights")?;
/// drop(run); // or killed
///
/// let error = RunFolder::open(&path, &Config { learning_rate: 1e-2 }, Start::Resume).unwrap_err();
/// assert_eq!(error.to_string(), "learning_rate: is 0.01, but the run was started with 0.001");
/// let run = RunFolder::open(&path, &Config { learning_rate: 1e-3 }, Start::Resume)?;
/// assert_eq!(run.read_checkpoint()?.as_deref(), Some(&b"weights"[..]));
/// # Ok::<(), rec_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: MetricLog,
    /// The operating system unlocks it when the process ends, however it ends.
    _lock: File,
}

const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
const CHECKPOINT: &str = "checkpoint.safetensors";
const RESULT: &str = "result.json";
const LOCK: &str = ".lock";
/// The names of the files of the run's own, one a line: what goes with it when it is replaced.
const OWN: &str = ".own-files";
/// What every run writes. The result goes first when a run is replaced: without it the run is not finished.
const OUTPUTS: [&str; 3] = [RESULT, CHECKPOINT, METRICS];

impl RunFolder {
    /// Opens the run at `path` (usually `runs/NAME/SEED`) for this configuration, making the folder if need be.
    ///
    /// # Errors
    /// [`Error::Config`] if the run is there and `start` is [`Start::New`], if the folder has a run's results without
    /// its configuration and they are not to be replaced, if the run was started with another configuration (naming the first key that differs), or if the configuration cannot be written as TOML;
    /// [`Error::Busy`] while another process has the run; [`Error::Io`]; [`Error::Parse`] if the run's own files are
    /// damaged.
    pub fn open<C: Serialize>(path: impl Into<PathBuf>, config: &C, start: Start) -> Result<Self> {
        let path = path.into();
        let text =
            toml::to_string_pretty(config).map_err(|error| Error::config("config", error.to_string()))?;
        fs::create_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        let lock = lock(&path)?;
        let config_path = path.join(CONFIG);
        let refuse = |what: &str| Err(Error::config("run", format!("{} {what}", path.display())));
        match (read_if_there(&config_path)?, start) {
            (Some(_), Start::New) => {
                return refuse("is there already; resume it, replace it or choose another name");
            }
            (Some(stored), Start::Resume) => compare(&config_path, &stored, &text)?,
            (None, Start::New | Start::Resume) => {
                if OUTPUTS.iter().any(|name| path.join(name).exists()) {
                    return refuse(
                        "has results of a run but no config.toml; replace it or choose another name",
                    );
                }
                replace_file(&config_path, text.as_bytes())?;
            }
            (_, Start::Replace) => {
                for name in OUTPUTS {
                    remove_if_there(&path.join(name))?;
                }
                // The list goes last: what a kill leaves is found the next time.
                for name in own_files(&path)? {
                    remove_if_there(&path.join(name))?;
                }
                remove_if_there(&path.join(OWN))?;
                replace_file(&config_path, text.as_bytes())?;
            }
        }
        let metrics = MetricLog::open(path.join(METRICS))?;
        Ok(Self { path, metrics, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metrics; give it to a training loop as its [`Observer`](super::Observer).
    pub fn metrics(&mut self) -> &mut MetricLog {
        &mut self.metrics
    }

    /// Where the checkpoint is; a training loop that writes it itself uses [`replace_file`].
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// The last checkpoint, if there is one.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read_checkpoint(&self) -> Result<Option<Vec<u8>>> {
        read_if_there(&self.checkpoint_path())
    }

    /// Replaces the checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_checkpoint(&mut self, bytes: &[u8]) -> Result<()> {
        self.metrics.sync()?;
        replace_file(&self.checkpoint_path(), bytes)
    }

    /// Writes a file of the run's own, such as `embeddings.safetensors`, as a whole. It goes when the run is replaced.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Invalid`] for a name that is no file's in this folder, or that of a file which the run folder
    /// has anyway.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if !is_own(name) {
            return Err(Error::invalid(format!("{name:?} cannot be a file of the run's own")));
        }
        let mut own = own_files(&self.path)?;
        if !own.iter().any(|known| known == name) {
            // Before the file: one that is listed and not there does no harm.
            own.push(name.to_owned());
            replace_file(&self.path.join(OWN), format!("{}\n", own.join("\n")).as_bytes())?;
        }
        replace_file(&self.path.join(name), bytes)
    }

    /// Writes the result, which marks the run as finished.
    ///
    /// # Errors
    /// [`Error::Io`], also what the metrics could not report earlier; [`Error::Invalid`] for a result that JSON cannot
    /// hold.
    pub fn finish<R: Serialize>(&mut self, result: &R) -> Result<()> {
        self.metrics.sync()?;
        let mut text = serde_json::to_string_pretty(result)
            .map_err(|error| Error::invalid(format!("the result cannot be written as JSON: {error}")))?;
        text.push('\n');
        replace_file(&self.path.join(RESULT), text.as_bytes())
    }

    /// The result, if the run is finished.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Parse`] if the file is not such a result.
    pub fn result<R: DeserializeOwned>(&self) -> Result<Option<R>> {
        let path = self.path.join(RESULT);
        let Some(text) = read_if_there(&path)? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|error| Error::Parse {
            place: Place { path, line: error.line() as u64, column: error.column() as u32 },
            what: error.to_string(),
        })
    }
}

/// Writes `bytes` to `path` so that at any moment, whatever happens to the process or the machine, the file holds
/// either its old content or all of the new one. There must be only one writer of `path` at a time.
///
/// # Errors
/// [`Error::Io`].
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_file_with(path, |file| file.write_all(bytes).map_err(|source| Error::io(path, source)))
}

/// As [`replace_file`], for what is too large to be held in memory: `write` writes it. If that fails, nothing has changed.
///
/// # Errors
/// [`Error::Io`], and what `write` returns.
pub fn replace_file_with(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let name = path.file_name().ok_or_else(|| Error::invalid(format!("{} names no file", path.display())))?;
    let mut partial_name = std::ffi::OsString::from(".");
    partial_name.push(name);
    partial_name.push(".partial");
    let partial = path.with_file_name(partial_name);
    let file = File::create(&partial).map_err(|source| Error::io(&partial, source))?;
    let mut file = BufWriter::new(file);
    let written = write(&mut file).and_then(|()| {
        let flushed = file.flush().and_then(|()| file.get_ref().sync_all());
        flushed.and_then(|()| fs::rename(&partial, path)).map_err(|source| Error::io(path, source))
    });
    if let Err(error) = written {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    // The rename itself is on the disk only once the folder is. Only Unix can open a folder for that.
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|source| Error::io(folder, source))?;
    }
    Ok(())
}

/// Whether `name` can be a file of a run's own.
fn is_own(name: &str) -> bool {
    let kept = [CONFIG, LOCK, OWN].contains(&name) || OUTPUTS.contains(&name);
    // A list that somebody else has written must not lead out of the folder.
    let plain = Path::new(name).file_name().is_some_and(|file| file == name);
    plain && !kept && !name.contains(['/', '\\', '\n', '\r'])
}

/// The files of its own that the run in `folder` has written.
fn own_files(folder: &Path) -> Result<Vec<String>> {
    let text = read_if_there(&folder.join(OWN))?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter(|name| is_own(name)).map(str::to_owned).collect())
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| Error::io(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::io(path, source)),
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::io(path, source)),
    }
}

/// Removes a file that may not be there.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::io(path, source)),
        _ => Ok(()),
    }
}

/// Whether the stored configuration is the given one, as TOML; else the first key that differs.
fn compare(path: &Path, stored: &[u8], given: &str) -> Result<()> {
    let damaged = |what: String| Error::Parse { place: Place::file(path), what };
    let stored = std::str::from_utf8(stored).map_err(|error| damaged(error.to_string()))?;
    let stored: Table = stored.parse().map_err(|error: toml::de::Error| damaged(error.message().into()))?;
    let given: Table = given
        .parse()
        .map_err(|error: toml::de::Error| Error::config("config", error.message().to_owned()))?;
    match difference("", &stored, &given) {
        None => Ok(()),
        Some((key, stored, given)) => {
            let show = |value: Option<&Value>| value.map_or("not set".to_owned(), ToString::to_string);
            let what = format!("is {}, but the run was started with {}", show(given), show(stored));
            Err(Error::config(key, what))
        }
    }
}

type Difference<'a> = (String, Option<&'a Value>, Option<&'a Value>);

fn difference<'a>(prefix: &str, stored: &'a Table, given: &'a Table) -> Option<Difference<'a>> {
    let mut keys: Vec<&String> = given.keys().chain(stored.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().find_map(|key| {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (stored.get(key), given.get(key)) {
            (Some(Value::Table(stored)), Some(Value::Table(given))) => difference(&path, stored, given),
            (stored, given) if stored == given => None,
            (stored, given) => Some((path, stored, given)),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::run::read_metrics;

    #[derive(Clone, Serialize, Deserialize, PartialEq, Debug)]
    struct Config {
        model: String,
        patience: Option<u32>,
        training: Training,
    }

    #[derive(Clone, Serialize, Deserialize, PartialEq, Debug)]
    struct Training {
        learning_rate: f64,
        ks: Vec<u32>,
    }

    fn config() -> Config {
        Config {
            model: "directau".into(),
            patience: None,
            training: Training { learning_rate: 0.1 + 0.2, ks: vec![10, 20] },
        }
    }

    #[test]
    fn a_run_goes_on_where_it_was_cut_off() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("directau/2020");
        let mut run = RunFolder::open(&path, &config(), Start::New).unwrap();
        assert_eq!(run.read_checkpoint().unwrap(), None);
        for epoch in 1..=3 {
            run.metrics().append(epoch, &[("loss", 1.0 / epoch as f64)]).unwrap();
            if epoch == 2 {
                run.write_checkpoint(b"two").unwrap();
            }
        }
        drop(run);
        let stored: Config = toml::from_str(&fs::read_to_string(path.join(CONFIG)).unwrap()).unwrap();
        assert_eq!(stored, config());

        let mut run = RunFolder::open(&path, &config(), Start::Resume).unwrap();
        assert_eq!(run.read_checkpoint().unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(run.result::<f64>().unwrap(), None);
        for epoch in 3..=4 {
            run.metrics().append(epoch, &[("loss", 1.0 / epoch as f64)]).unwrap();
        }
        run.finish(&0.25).unwrap();
        assert_eq!(run.result::<f64>().unwrap(), Some(0.25));
        let epochs: Vec<usize> =
            read_metrics(&path.join(METRICS)).unwrap().iter().map(|record| record.epoch).collect();
        assert_eq!(epochs, [1, 2, 3, 4]);
    }

    #[test]
    fn another_configuration_is_refused_by_key() {
        let place = tempfile::tempdir().unwrap();
        drop(RunFolder::open(place.path(), &config(), Start::New).unwrap());
        let message = |change: fn(&mut Config)| {
            let mut other = config();
            change(&mut other);
            RunFolder::open(place.path(), &other, Start::Resume).unwrap_err().to_string()
        };
        assert_eq!(
            message(|other| other.training.learning_rate = 0.5),
            "training.learning_rate: is 0.5, but the run was started with 0.30000000000000004"
        );
        assert_eq!(
            message(|other| other.patience = Some(3)),
            "patience: is 3, but the run was started with not set"
        );
        assert!(message(|other| other.training.ks = vec![]).starts_with("training.ks: is []"));
        assert!(RunFolder::open(place.path(), &config(), Start::Resume).is_ok());
    }

    #[test]
    fn a_run_is_not_overwritten_by_chance() {
        let place = tempfile::tempdir().unwrap();
        let mut run = RunFolder::open(place.path(), &config(), Start::New).unwrap();
        run.metrics().append(1, &[]).unwrap();
        run.write_checkpoint(b"one").unwrap();
        run.finish(&1).unwrap();
        drop(run);
        let error = RunFolder::open(place.path(), &config(), Start::New).unwrap_err();
        assert!(matches!(&error, Error::Config { key, .. } if key == "run"), "{error}");
        let mut other = config();
        other.model = "bpr".into();
        let mut run = RunFolder::open(place.path(), &other, Start::Replace).unwrap();
        assert_eq!(run.read_checkpoint().unwrap(), None);
        assert_eq!(run.result::<i32>().unwrap(), None);
        assert_eq!(run.metrics().last_epoch(), None);
    }

    #[test]
    fn a_replaced_run_takes_its_own_files_along_and_no_others() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("run");
        let run = RunFolder::open(&path, &config(), Start::New).unwrap();
        for round in [1, 2, 4, 2] {
            run.write_file(&format!("round-{round}.json"), b"{}").unwrap();
        }
        for name in ["", ".", "..", "a/b", "../round-1.json", CONFIG, LOCK, RESULT, OWN, "a\nb"] {
            let error = run.write_file(name, b"").unwrap_err();
            assert!(matches!(error, Error::Invalid { .. }), "{name}: {error}");
        }
        drop(run);
        fs::write(path.join("notes.txt"), "of somebody else").unwrap();
        fs::write(place.path().join("beside.txt"), "outside").unwrap();
        let names = || -> Vec<String> {
            let names = fs::read_dir(&path).unwrap().map(|file| file.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        // Going on keeps them.
        drop(RunFolder::open(&path, &config(), Start::Resume).unwrap());
        assert!(names().contains(&"round-4.json".to_owned()));
        let mut list = fs::read_to_string(path.join(OWN)).unwrap();
        list.push_str("../beside.txt\nconfig.toml\n");
        fs::write(path.join(OWN), list).unwrap();
        let run = RunFolder::open(&path, &config(), Start::Replace).unwrap();
        assert_eq!(names(), [LOCK, CONFIG, METRICS, "notes.txt"]);
        assert!(place.path().join("beside.txt").exists());
        run.write_file("round-1.json", b"{}").unwrap();
        assert_eq!(own_files(&path).unwrap(), ["round-1.json"]);
    }

    #[test]
    fn only_one_process_has_a_run() {
        let place = tempfile::tempdir().unwrap();
        let run = RunFolder::open(place.path(), &config(), Start::New).unwrap();
        for start in [Start::New, Start::Resume, Start::Replace] {
            let error = RunFolder::open(place.path(), &config(), start).unwrap_err();
            assert!(matches!(&error, Error::Busy { path } if path == place.path()), "{error}");
        }
        drop(run);
        RunFolder::open(place.path(), &config(), Start::Resume).unwrap();
    }

    #[test]
    fn a_folder_without_its_configuration_was_not_started() {
        // Killed while the configuration was being written.
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(".config.toml.partial"), "mod").unwrap();
        drop(RunFolder::open(place.path(), &config(), Start::Resume).unwrap());
        assert!(!place.path().join(".config.toml.partial").exists());
        // But what somebody else left is not taken for ours, nor deleted.
        fs::remove_file(place.path().join(CONFIG)).unwrap();
        fs::write(place.path().join(CHECKPOINT), "precious").unwrap();
        for start in [Start::New, Start::Resume] {
            let error = RunFolder::open(place.path(), &config(), start).unwrap_err().to_string();
            assert!(error.contains("no config.toml"), "{error}");
        }
        assert_eq!(fs::read(place.path().join(CHECKPOINT)).unwrap(), b"precious");
        let run = RunFolder::open(place.path(), &config(), Start::Replace).unwrap();
        assert_eq!(run.read_checkpoint().unwrap(), None);
    }

    #[test]
    fn damaged_files_say_so() {
        let place = tempfile::tempdir().unwrap();
        let mut run = RunFolder::open(place.path(), &config(), Start::New).unwrap();
        run.finish(&"text").unwrap();
        assert!(matches!(run.result::<f64>(), Err(Error::Parse { place, .. }) if place.line == 1));
        drop(run);
        fs::write(place.path().join(CONFIG), "model = ").unwrap();
        let error = RunFolder::open(place.path(), &config(), Start::Resume).unwrap_err();
        assert!(matches!(error, Error::Parse { .. }), "{error}");
    }

    #[test]
    fn replacing_leaves_nothing_beside() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        replace_file(&path, b"old").unwrap();
        replace_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        assert!(replace_file(&place.path().join("no/such"), b"").is_err());
        // What fails half-way leaves the old content, and nothing beside it either.
        let error = replace_file_with(&path, |file| {
            file.write_all(&[0; 100_000]).unwrap();
            Err(Error::invalid("half-way"))
        });
        assert_eq!(error.unwrap_err().to_string(), "half-way");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
