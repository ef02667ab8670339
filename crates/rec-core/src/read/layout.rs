//! What a folder holds: which files are interactions, which are parts of a split, which are tables.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::adjacency::Style;
use super::atomic::{Header, Options};
use super::delimited;
use super::lines::{Lines, open};
use super::sequence::Take;
use crate::{Error, Result};

/// A part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Train,
    Valid,
    Test,
    /// What is known of held-out users.
    FoldIn,
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        match name {
            "train" => Some(Self::Train),
            "valid" | "val" | "validation" | "dev" => Some(Self::Valid),
            "test" => Some(Self::Test),
            "fold-in" => Some(Self::FoldIn),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
            Self::FoldIn => "fold-in",
        }
    }
}

/// How an interaction file is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    Atomic,
    Sequence(Take),
    Adjacency(Style),
    Delimited(delimited::Options),
    Dense,
}

/// A table about items or users.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Table {
    AtomicItems(PathBuf),
    AtomicUsers(PathBuf),
    Movies(PathBuf),
    Users(PathBuf),
    Items100k { items: PathBuf, genres: PathBuf },
    Users100k(PathBuf),
    Dense { values: PathBuf, names: PathBuf },
    IdList(PathBuf),
}

/// What was recognised.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Layout {
    /// Added to the folder's name where the files are a part of the data set only.
    pub(crate) suffix: Option<String>,
    /// The files whose union is the data set.
    pub(crate) whole: Vec<(PathBuf, Format)>,
    /// The files of a split, if there is one.
    pub(crate) parts: Vec<(Part, PathBuf, Format)>,
    pub(crate) items: Option<Table>,
    pub(crate) users: Option<Table>,
}

const LOOKED_FOR: &str = "NAME.inter (whole, or NAME.part1.inter …, or NAME.train.inter …); train.ascii; u.data; \
     ratings.dat; data1.txt with test1.txt; train.{txt,tsv,csv} with valid and test beside it; user.txt with \
     random.txt";

/// The names of the files of a folder.
struct Folder<'a> {
    path: &'a Path,
    names: Vec<String>,
}

impl Folder<'_> {
    fn has(&self, name: &str) -> Option<PathBuf> {
        self.names.iter().any(|other| other == name).then(|| self.path.join(name))
    }

    fn ending<'b>(&'b self, suffix: &'b str) -> impl Iterator<Item = &'b str> {
        self.names.iter().filter_map(move |name| name.strip_suffix(suffix))
    }

    fn ambiguous(&self, what: String) -> Error {
        Error::invalid(format!("{}: {what}", self.path.display()))
    }
}

/// Recognises the layout of `path`, a folder or a single interaction file.
pub(crate) fn recognise(path: &Path, options: &Options) -> Result<Layout> {
    if path.is_file() {
        return single_file(path, options);
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| Error::io(path, error))? {
        let entry = entry.map_err(|error| Error::io(path, error))?;
        if entry.path().is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    let folder = Folder { path, names };
    let mut found: Vec<(&str, Layout)> = Vec::new();
    let mut add = |kind, layout: Option<Layout>| found.extend(layout.map(|layout| (kind, layout)));
    let atomic = atomic(&folder, options)?;
    let atomic_parts = atomic.as_ref().is_some_and(|layout| !layout.parts.is_empty());
    add("atomic files", atomic);
    let dense = dense(&folder);
    let is_dense = dense.is_some();
    add("dense matrices", dense);
    add("MovieLens files", movielens(&folder)?);
    add("data1.txt and test1.txt", pair(&folder, "data1.txt", "test1.txt")?);
    // Two kinds of folder hold the same data twice: a split as atomic files and as pairs, and Coat as matrices
    // and as triplets.
    if !atomic_parts {
        add("a train file", text_parts(&folder)?);
    }
    if !is_dense {
        add("user.txt and random.txt", pair(&folder, "user.txt", "random.txt")?);
    }
    match found.len() {
        1 => Ok(found.remove(0).1),
        0 => Err(folder.ambiguous(format!("no interactions found; looked for {LOOKED_FOR}"))),
        _ => {
            let kinds: Vec<&str> = found.iter().map(|(kind, _)| *kind).collect();
            let what = format!("holds several kinds of interactions ({}); name one file", kinds.join(", "));
            Err(folder.ambiguous(what))
        }
    }
}

fn single_file(path: &Path, options: &Options) -> Result<Layout> {
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("inter") => atomic_format(path, Take::All, options)?,
        Some("ascii") => Format::Dense,
        _ => text_format(&[path])?,
    };
    let mut layout = Layout { whole: vec![(path.to_owned(), format)], ..Layout::default() };
    if path.extension().is_some_and(|extension| extension == "inter") {
        let beside = |extension: &str| Some(path.with_extension(extension)).filter(|path| path.is_file());
        layout.items = beside("item").map(Table::AtomicItems);
        layout.users = beside("user").map(Table::AtomicUsers);
    }
    Ok(layout)
}

/// Whether an `.inter` file holds histories.
fn atomic_format(path: &Path, take: Take, options: &Options) -> Result<Format> {
    let mut lines = Lines::new(open(path)?, path);
    let Some((_, line)) = lines.next_line()? else {
        return Ok(Format::Atomic); // the reader reports that it is empty
    };
    let header = Header::parse(line, &options.separator, path)?;
    let history = header.find(&options.history_field).is_some();
    Ok(if history { Format::Sequence(take) } else { Format::Atomic })
}

#[derive(Default)]
struct Stem {
    whole: Option<PathBuf>,
    named: BTreeMap<Part, PathBuf>,
    numbered: BTreeMap<u32, PathBuf>,
}

fn atomic(folder: &Folder<'_>, options: &Options) -> Result<Option<Layout>> {
    let mut stems: BTreeMap<String, Stem> = BTreeMap::new();
    for name in folder.ending(".inter") {
        let path = folder.path.join(format!("{name}.inter"));
        let (stem, last) = name.rsplit_once('.').unwrap_or(("", name));
        if let Some(part) = Part::named(last) {
            if stems.entry(stem.to_owned()).or_default().named.insert(part, path).is_some() {
                return Err(folder.ambiguous(format!("two files for the same part of {stem:?}")));
            }
        } else if let Some(number) = last.strip_prefix("part").and_then(|number| number.parse().ok()) {
            stems.entry(stem.to_owned()).or_default().numbered.insert(number, path);
        } else {
            stems.entry(name.to_owned()).or_default().whole = Some(path);
        }
    }
    if stems.is_empty() {
        return Ok(None);
    }
    let own = folder.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let chosen = if stems.len() == 1 {
        stems.keys().next().expect("there is one").clone()
    } else if stems.contains_key(own) {
        own.to_owned()
    } else {
        let names: Vec<&str> = stems.keys().map(String::as_str).collect();
        let what = format!("several atomic data sets ({}), none with the folder's name", names.join(", "));
        return Err(folder.ambiguous(what));
    };
    let stem = stems.remove(&chosen).expect("chosen from the keys");
    let mut layout = Layout::default();
    let mut part_files: Vec<(Part, PathBuf)> = stem.named.into_iter().collect();
    if part_files.is_empty() && !stem.numbered.is_empty() {
        let order: &[Part] = match stem.numbered.len() {
            2 => &[Part::Train, Part::Test],
            3 => &[Part::Train, Part::Valid, Part::Test],
            n => return Err(folder.ambiguous(format!("{n} numbered parts; expected 2 or 3"))),
        };
        part_files = order.iter().copied().zip(stem.numbered.into_values()).collect();
    }
    let format = |path: &Path| atomic_format(path, Take::All, options);
    let last = part_files.iter().rfind(|(part, _)| *part != Part::FoldIn).map(|(_, path)| path.clone());
    if let Some(path) = last.filter(|_| stem.whole.is_none())
        && matches!(format(&path)?, Format::Sequence(_))
    {
        // The rows of the last part hold the whole history; a train part would repeat it prefix by prefix.
        layout.whole = vec![(path.clone(), Format::Sequence(Take::All))];
        let next = Format::Sequence(Take::Next);
        let (history, valid) = match part_files.iter().find(|(part, _)| *part == Part::Valid) {
            Some((_, valid)) => (valid.clone(), Some((Part::Valid, valid.clone(), next.clone()))),
            None => (path.clone(), None),
        };
        layout.parts.push((Part::Train, history, Format::Sequence(Take::History)));
        layout.parts.extend(valid);
        layout.parts.push((Part::Test, path, next));
    } else {
        for (part, path) in part_files {
            let format = format(&path)?;
            layout.parts.push((part, path, format));
        }
        layout.whole = match stem.whole {
            Some(path) => {
                let format = format(&path)?;
                if layout.parts.is_empty() && matches!(format, Format::Sequence(_)) {
                    let history = Format::Sequence(Take::History);
                    layout.parts.push((Part::Train, path.clone(), history));
                    layout.parts.push((Part::Test, path.clone(), Format::Sequence(Take::Next)));
                }
                vec![(path, format)]
            }
            None => layout.parts.iter().map(|(_, path, format)| (path.clone(), format.clone())).collect(),
        };
    }
    let table = |suffix: &str| {
        folder.has(&format!("{chosen}{suffix}")).or_else(|| {
            let mut all = folder.ending(suffix);
            all.next()
                .filter(|_| all.next().is_none())
                .map(|name| folder.path.join(format!("{name}{suffix}")))
        })
    };
    layout.items = table(".item").map(Table::AtomicItems);
    layout.users = table(".user").map(Table::AtomicUsers);
    Ok(Some(layout))
}

/// The layout whose whole is the union of its parts.
fn of_parts(parts: Vec<(Part, PathBuf, Format)>) -> Layout {
    let whole = parts.iter().map(|(_, path, format)| (path.clone(), format.clone())).collect();
    Layout { whole, parts, ..Layout::default() }
}

fn dense(folder: &Folder<'_>) -> Option<Layout> {
    folder.has("train.ascii")?;
    let files = [(Part::Train, "train.ascii"), (Part::Valid, "valid.ascii"), (Part::Test, "test.ascii")];
    let parts = files.into_iter().filter_map(|(part, name)| Some((part, folder.has(name)?, Format::Dense)));
    let mut layout = of_parts(parts.collect());
    let features = |name: &str| {
        let values = folder.has(&format!("{name}_features.ascii"))?;
        Some(Table::Dense { values, names: folder.has(&format!("{name}_features_map.txt"))? })
    };
    layout.items = features("item");
    layout.users = features("user");
    Some(layout)
}

fn movielens(folder: &Folder<'_>) -> Result<Option<Layout>> {
    if let Some(path) = folder.has("u.data") {
        let items = folder.has("u.item").zip(folder.has("u.genre"));
        return Ok(Some(Layout {
            whole: vec![(path, Format::Delimited(delimited::Options::movielens("\t")))],
            items: items.map(|(items, genres)| Table::Items100k { items, genres }),
            users: folder.has("u.user").map(Table::Users100k),
            ..Layout::default()
        }));
    }
    let (path, suffix) = match folder.has("ratings.dat") {
        Some(path) => (path, None),
        None => {
            let samples: Vec<&str> = folder.ending(".ratings.dat").collect();
            match samples[..] {
                [] => return Ok(None),
                // A file with a name of its own is a sample of the data set; the result's name says so.
                [name] => (folder.path.join(format!("{name}.ratings.dat")), Some(name.to_owned())),
                _ => return Err(folder.ambiguous("several NAME.ratings.dat; name one file".into())),
            }
        }
    };
    Ok(Some(Layout {
        suffix,
        whole: vec![(path, Format::Delimited(delimited::Options::movielens("::")))],
        items: folder.has("movies.dat").map(Table::Movies),
        users: folder.has("users.dat").map(Table::Users),
        ..Layout::default()
    }))
}

/// A train and a test file with names of their own.
fn pair(folder: &Folder<'_>, train: &str, test: &str) -> Result<Option<Layout>> {
    let (Some(train), Some(test)) = (folder.has(train), folder.has(test)) else { return Ok(None) };
    let format = text_format(&[&train, &test])?;
    Ok(Some(of_parts(vec![(Part::Train, train, format.clone()), (Part::Test, test, format)])))
}

/// `train.txt`, `NAME.train.tsv` and the like.
fn text_parts(folder: &Folder<'_>) -> Result<Option<Layout>> {
    let mut parts: BTreeMap<Part, PathBuf> = BTreeMap::new();
    for name in &folder.names {
        let Some((stem, "txt" | "tsv" | "csv" | "data" | "rating")) = name.rsplit_once('.') else { continue };
        let last = stem.rsplit_once('.').map_or(stem, |(_, last)| last);
        let Some(part) = Part::named(last) else { continue };
        if let Some(other) = parts.insert(part, folder.path.join(name)) {
            let what = format!("{} and {name} are the same part of a split; name one file", other.display());
            return Err(folder.ambiguous(what));
        }
    }
    if !parts.contains_key(&Part::Train) {
        return Ok(None);
    }
    let paths: Vec<&Path> = parts.values().map(PathBuf::as_path).collect();
    let format = text_format(&paths)?;
    let mut layout = of_parts(parts.into_iter().map(|(part, path)| (part, path, format.clone())).collect());
    layout.items = folder.has("item_list.txt").map(Table::IdList);
    layout.users = folder.has("user_list.txt").map(Table::IdList);
    Ok(Some(layout))
}

/// How many lines of each file are looked at to tell its format.
const SAMPLE_LINES: usize = 200;

/// Tells adjacency lists from delimited text by looking at the first lines of all `paths`, which share one
/// format.
fn text_format(paths: &[&Path]) -> Result<Format> {
    let mut head: Vec<String> = Vec::new();
    let mut widths: HashSet<usize> = HashSet::new();
    let mut repeated_user = false;
    for (index, path) in paths.iter().enumerate() {
        let mut users: HashSet<String> = HashSet::new();
        let mut lines = Lines::new(open(path)?, path);
        for _ in 0..SAMPLE_LINES {
            let Some((_, line)) = lines.next_filled(true)? else { break };
            let mut fields = line.split_ascii_whitespace();
            let user = fields.next().unwrap_or_default();
            repeated_user |= !users.insert(user.to_owned());
            widths.insert(1 + fields.count());
            if index == 0 && head.len() < 2 {
                head.push(line.to_owned());
            }
        }
    }
    let path = paths[0];
    let Some(first) = head.first() else {
        return Err(super::lines::parse_error(path, 0, 0, "the file is empty"));
    };
    if first.contains('"') {
        let what = "quoted text; read it as a table (feature `polars`) with the columns named";
        return Err(super::lines::parse_error(path, 1, 0, what));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((user, items)) = first.split_once(':')
        && digits(user.trim_ascii())
        && items.split_ascii_whitespace().all(digits)
    {
        return Ok(Format::Adjacency(Style::Colon));
    }
    let numbers = first.split_ascii_whitespace().all(digits);
    if numbers && widths.len() > 1 {
        return Ok(Format::Adjacency(Style::Blank));
    }
    let blanks = !["::", "\t", ",", ";"].iter().any(|separator| first.contains(separator));
    if blanks && numbers && !repeated_user {
        let what = "cannot tell `user item item …` from `user item rating`: every line has the same number of \
                    fields and another user; read it with the reader of its format";
        return Err(super::lines::parse_error(path, 0, 0, what));
    }
    delimited::Options::sniff(&head, path).map(Format::Delimited)
}
