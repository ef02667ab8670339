//! Fetching data sets into the cache, and telling whether what lies there is still what was fetched.

use std::fs::{self, File};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use md5::Md5;
use rec_core::read;
use rec_core::read::registry::{Entry, Kind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cli::DataFetch;
use crate::data::{cache, registry};
use crate::error::{Error, Result};
use crate::machine::workspace;
use crate::{output, table};

/// The name of the note that says where a fetched data set is from.
const SOURCE: &str = "SOURCE.toml";

/// Where a data set is from and what its files were: `SOURCE.toml` beside them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Source {
    name: String,
    title: String,
    page: String,
    licence: String,
    terms: String,
    /// Seconds since 1970.
    fetched: u64,
    /// What was downloaded or imported.
    #[serde(default)]
    downloads: Vec<Stored>,
    /// What lies in the folder.
    #[serde(default)]
    files: Vec<Stored>,
}

/// A file by its checksum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stored {
    /// Its name, or the address it came from.
    name: String,
    bytes: u64,
    sha256: String,
}

/// A data set that is here.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Where.
    pub folder: PathBuf,
    /// Whether it is part of the repository.
    pub shipped: bool,
}

/// Where the data set of `entry` lies, if it is here.
pub fn held(entry: &Entry) -> Option<Held> {
    let (folder, shipped) = match &entry.folder {
        Some(folder) => (workspace().join("datasets").join(folder), true),
        None => (cache().join(&entry.name), false),
    };
    folder.is_dir().then_some(Held { folder, shipped })
}

/// What a check of one file found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The file.
    pub name: String,
    /// What is wrong with it, if anything.
    pub problem: Option<String>,
}

/// Compares the files of a data set with what was recorded of them.
///
/// # Errors
/// [`Error::Data`] if nothing was recorded, [`Error::Io`].
pub fn verify(held: &Held) -> Result<Vec<Verdict>> {
    let recorded = if held.shipped { shipped_checksums(&held.folder)? } else { source(&held.folder)?.files };
    recorded
        .into_iter()
        .map(|file| {
            let path = held.folder.join(&file.name);
            let problem = if !path.is_file() {
                Some("missing".to_owned())
            } else {
                let found = checksums(&path)?.sha256;
                (found != file.sha256).then(|| format!("sha256 is {found}, recorded is {}", file.sha256))
            };
            Ok(Verdict { name: file.name, problem })
        })
        .collect()
}

fn source(folder: &Path) -> Result<Source> {
    let path = folder.join(SOURCE);
    let text =
        fs::read_to_string(&path).map_err(|error| Error::Data(format!("{}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| Error::Data(format!("{}: {error}", path.display())))
}

/// The checksums that a shipped data set has in its `NAME.stats.json`, by extension.
fn shipped_checksums(folder: &Path) -> Result<Vec<Stored>> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = folder.join(format!("{name}.stats.json"));
    let broken = |what: String| Error::Data(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| broken(error.to_string()))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
    let sums = value["sha256"].as_object().ok_or_else(|| broken("no checksums".into()))?;
    let stored = |(extension, sum): (&String, &serde_json::Value)| Stored {
        name: format!("{name}.{extension}"),
        bytes: 0,
        sha256: sum.as_str().unwrap_or_default().to_owned(),
    };
    Ok(sums.iter().map(stored).collect())
}

/// Fetches or imports a data set.
///
/// # Errors
/// [`Error::Usage`] for a name that does not exist or terms that are not accepted, [`Error::Data`] for downloads that
/// fail or are not what their checksum says.
pub fn fetch(arguments: &DataFetch) -> Result<()> {
    let registry = registry()?;
    let entry = registry.get(&arguments.name)?;
    let folder = cache().join(&entry.name);
    let done = |what: &str, folder: &Path| {
        let value = json!({"name": entry.name, "path": folder, "done": what});
        table::show(&arguments.json, &value, &format!("{}: {what}, {}", entry.name, folder.display()))
    };
    if let Some(held) = held(entry).filter(|held| held.shipped || !arguments.fresh) {
        let what =
            if held.shipped { "part of the repository" } else { "fetched before (--fresh fetches again)" };
        return done(what, &held.folder);
    }
    output::note(format!(
        "{}\n  from     {}\n  licence  {}\n  terms    {}",
        entry.title, entry.page, entry.licence, entry.terms
    ));
    if entry.asks_first() && !arguments.accept_terms && !output::confirm("Do you accept these terms?") {
        return Err(Error::Usage(format!(
            "{}: the terms were not accepted; --accept-terms accepts them without a terminal",
            entry.name
        )));
    }
    if entry.files.is_empty() && arguments.from.is_none() {
        return Err(Error::Data(format!(
            "{}: there is nothing that may be downloaded without further ado; get it from {} and import it with \
             --from",
            entry.name, entry.page
        )));
    }
    let partial = cache().join(format!(".{}.partial", entry.name));
    remove(&partial)?;
    make(&partial)?;
    let before = source(&folder).ok();
    let result = gather(entry, arguments.from.as_deref(), before.as_ref(), &partial)
        .and_then(|downloads| settle(entry, downloads, &partial));
    if let Err(error) = result {
        remove(&partial)?;
        return Err(error);
    }
    remove(&folder)?;
    fs::rename(&partial, &folder).map_err(|error| Error::io(&folder, error))?;
    done(if arguments.from.is_some() { "imported" } else { "fetched" }, &folder)
}

/// Brings the files to `folder`, unpacked, and says what was downloaded or imported.
fn gather(entry: &Entry, from: Option<&Path>, before: Option<&Source>, folder: &Path) -> Result<Vec<Stored>> {
    let mut downloads = Vec::new();
    let mut take = |path: &Path, name: &str, url: Option<&str>| -> Result<()> {
        let stored = checksums(path)?;
        let file_name = path.file_name().unwrap_or_default();
        let known = entry.files.iter().find(|file| match url {
            Some(url) => file.url == url,
            None => Path::new(&file.url).file_name() == Some(file_name),
        });
        let recorded = before.and_then(|source| source.downloads.iter().find(|old| old.name == name));
        let expected = [
            ("sha256", known.and_then(|file| file.sha256.as_deref()), &stored.sha256),
            ("md5", known.and_then(|file| file.md5.as_deref()), &stored.md5),
            ("sha256 of the first fetch", recorded.map(|old| old.sha256.as_str()), &stored.sha256),
        ];
        for (kind, expected, found) in expected {
            if let Some(expected) = expected.filter(|expected| expected != found) {
                return Err(Error::Data(format!("{name}: {kind} is {found}, expected {expected}")));
            }
        }
        if known.is_none_or(|file| file.sha256.is_none() && file.md5.is_none()) && recorded.is_none() {
            output::note(format!("{name}: no published checksum; recorded sha256 {}", stored.sha256));
        }
        downloads.push(Stored { name: name.to_owned(), bytes: stored.bytes, sha256: stored.sha256 });
        unpack(path)
    };
    match from {
        Some(from) if from.is_dir() => {
            for path in files_of(from)? {
                let name = path.file_name().unwrap_or_default();
                if name == SOURCE {
                    continue;
                }
                let copy = folder.join(name);
                fs::copy(&path, &copy).map_err(|error| Error::io(&path, error))?;
                take(&copy, &name.to_string_lossy(), None)?;
            }
        }
        Some(from) => {
            let name =
                from.file_name().ok_or_else(|| Error::Usage(format!("{}: not a file", from.display())))?;
            let copy = folder.join(name);
            fs::copy(from, &copy).map_err(|error| Error::Data(format!("{}: {error}", from.display())))?;
            take(&copy, &name.to_string_lossy(), None)?;
        }
        None => {
            for file in &entry.files {
                let name = file.url.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("download");
                let path = folder.join(name);
                download(&file.url, &path)?;
                take(&path, &file.url, Some(&file.url))?;
            }
        }
    }
    Ok(downloads)
}

/// Writes the source note, and reads the data once to see that it can be read.
fn settle(entry: &Entry, downloads: Vec<Stored>, folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    for path in files_of(folder)? {
        let stored = checksums(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(Stored { name, bytes: stored.bytes, sha256: stored.sha256 });
    }
    let source = Source {
        name: entry.name.clone(),
        title: entry.title.clone(),
        page: entry.page.clone(),
        licence: entry.licence.clone(),
        terms: entry.terms.clone(),
        fetched: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        downloads,
        files,
    };
    let text =
        toml::to_string_pretty(&source).map_err(|error| Error::Failed(format!("{SOURCE}: {error}")))?;
    table::write(&folder.join(SOURCE), &text)?;
    if entry.kind == Kind::Interactions {
        match read::folder(folder) {
            Ok(dataset) => output::note(format!(
                "{} users, {} items, {} interactions",
                table::grouped(dataset.n_users()),
                table::grouped(dataset.n_items()),
                table::grouped(dataset.interactions.len())
            )),
            Err(error) => output::warn(format!("{}: fetched, but not read as it is: {error}", entry.name)),
        }
    }
    Ok(())
}

fn download(url: &str, path: &Path) -> Result<()> {
    output::note(format!("downloading {url}"));
    let loud = if std::io::stderr().is_terminal() { "--progress-bar" } else { "--silent" };
    let status = Command::new("curl")
        .args([loud, "--show-error", "--fail", "--location", "--proto", "=https", "--retry", "3", "--output"])
        .arg(path)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| {
            Error::Failed(format!(
                "curl could not be started ({error}); install it, or use --from with a local copy"
            ))
        })?;
    if status.success() { Ok(()) } else { Err(Error::Data(format!("{url}: curl ended with {status}"))) }
}

/// Unpacks an archive in place: its files come to lie beside it, without their folders, and it is removed. Anything
/// else stays as it is.
fn unpack(path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().unwrap_or(Path::new("."));
    let inner = folder.join(".unpacked");
    let mut command = if name.ends_with(".zip") {
        let mut command = Command::new("unzip");
        command.arg("-q").arg("-o").arg(path).arg("-d").arg(&inner);
        command
    } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
        let mut command = Command::new("tar");
        command.arg("-xzf").arg(path).arg("-C").arg(&inner);
        command
    } else if name.ends_with(".gz") {
        let mut command = Command::new("gzip");
        command.arg("-d").arg("-f").arg(path);
        command
    } else {
        return Ok(());
    };
    make(&inner)?;
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Error::Failed(format!("{program} could not be started: {error}")))?;
    if !status.success() {
        return Err(Error::Data(format!("{name}: {program} ended with {status}")));
    }
    let mut folders = vec![inner.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(|error| Error::io(&next, error))? {
            let from = entry.map_err(|error| Error::io(&next, error))?.path();
            // Links could point anywhere.
            let kind = fs::symlink_metadata(&from).map_err(|error| Error::io(&from, error))?;
            if kind.is_dir() {
                folders.push(from);
            } else if kind.is_file() {
                let to = folder.join(from.file_name().unwrap_or_default());
                if to.exists() {
                    return Err(Error::Data(format!("{name}: holds two files called {}", to.display())));
                }
                fs::rename(&from, &to).map_err(|error| Error::io(&to, error))?;
            }
        }
    }
    remove(&inner)?;
    match fs::remove_file(path) {
        // gzip has replaced its file already.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, error)),
        _ => Ok(()),
    }
}

/// The plain files of a folder by name, hidden ones left out.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| Error::io(folder, error))? {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

struct Checksums {
    bytes: u64,
    sha256: String,
    md5: String,
}

fn checksums(path: &Path) -> Result<Checksums> {
    let io = |error| Error::io(path, error);
    let mut file = File::open(path).map_err(io)?;
    let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let n = file.read(&mut buffer).map_err(io)?;
        if n == 0 {
            break;
        }
        bytes += n as u64;
        sha256.update(&buffer[..n]);
        md5.update(&buffer[..n]);
    }
    let hex = |digest: &[u8]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(Checksums { bytes, sha256: hex(&sha256.finalize()), md5: hex(&md5.finalize()) })
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        let found = checksums(&path).unwrap();
        assert_eq!(found.md5, "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(found.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(found.bytes, 3);
    }

    #[test]
    fn the_shipped_data_is_whole_and_a_changed_copy_is_not() {
        let folder = workspace().join("datasets/mt-mini");
        let held = Held { folder: folder.clone(), shipped: true };
        let verdicts = verify(&held).unwrap();
        assert_eq!(verdicts.len(), 3);
        assert!(verdicts.iter().all(|verdict| verdict.problem.is_none()), "{verdicts:?}");

        let place = tempfile::tempdir().unwrap();
        let copy = place.path().join("mt-mini");
        make(&copy).unwrap();
        for path in files_of(&folder).unwrap() {
            fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        fs::write(copy.join("mt-mini.user"), "user_id:token\n1\n").unwrap();
        fs::remove_file(copy.join("mt-mini.item")).unwrap();
        let verdicts = verify(&Held { folder: copy, shipped: true }).unwrap();
        let broken: Vec<&str> =
            verdicts.iter().filter(|v| v.problem.is_some()).map(|v| v.name.as_str()).collect();
        assert_eq!(broken, ["mt-mini.item", "mt-mini.user"]);
    }

    #[test]
    fn archives_are_unpacked_flat() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("set");
        make(&inner).unwrap();
        fs::write(inner.join("u.data"), "1\t2\t3\t4\n").unwrap();
        let archive = folder.path().join("set.tar.gz");
        let packed =
            Command::new("tar").arg("-czf").arg(&archive).arg("-C").arg(folder.path()).arg("set").status();
        if !packed.is_ok_and(|status| status.success()) {
            return; // a system without tar
        }
        remove(&inner).unwrap();
        unpack(&archive).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("u.data")).unwrap(), "1\t2\t3\t4\n");
        assert!(!archive.exists() && !folder.path().join(".unpacked").exists());
    }
}
