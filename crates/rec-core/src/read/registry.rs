//! The registry of public data sets (`datasets/datasets.toml`): where each is, under what terms, and how it is
//! read. Nothing here downloads anything.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// All data sets known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// One entry a data set, names being unique.
    #[serde(rename = "dataset")]
    pub datasets: Vec<Entry>,
}

/// One data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The name by which it is asked for.
    pub name: String,
    /// Its full name.
    pub title: String,
    /// What it holds.
    pub kind: Kind,
    /// Where it comes from, for people.
    pub page: String,
    /// What to download; empty where there is nothing that may be fetched without further ado (`terms` says
    /// why), or where the data set is part of the repository.
    #[serde(default)]
    pub files: Vec<Download>,
    /// Where it lies in the repository, for the sets that ship with it.
    #[serde(default)]
    pub folder: Option<String>,
    /// The licence of the data, as its source states it.
    pub licence: String,
    /// Whether it may be passed on.
    pub redistribution: Redistribution,
    /// How its files are written.
    pub format: Format,
    /// How many users it has.
    #[serde(default)]
    pub users: Option<u64>,
    /// How many items.
    #[serde(default)]
    pub items: Option<u64>,
    /// How many interactions, or rows of another kind.
    #[serde(default)]
    pub rows: Option<u64>,
    /// What a user agrees to by fetching it, in a sentence.
    pub terms: String,
    /// What else one has to know.
    #[serde(default)]
    pub note: Option<String>,
}

impl Entry {
    /// Whether a user has to agree to terms before it is fetched.
    pub fn asks_first(&self) -> bool {
        self.redistribution != Redistribution::Yes
    }
}

/// What a data set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Users and items.
    Interactions,
    /// Items or users without interactions.
    Metadata,
    /// Tool calls and dialogues.
    Tools,
    /// Plain text.
    Text,
}

/// Whether a data set may be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Redistribution {
    /// Its licence allows it, with the notice kept.
    Yes,
    /// Only under its own licence, kept apart.
    Separate,
    /// Not, or not known.
    No,
}

/// How the files of a data set are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// RecBole atomic files ([`atomic`](super::atomic)).
    Atomic,
    /// Histories in atomic files ([`sequence`](super::sequence)).
    Sequence,
    /// Adjacency lists ([`adjacency`](super::adjacency)).
    Adjacency,
    /// Delimited text ([`delimited`](super::delimited)).
    Delimited,
    /// MovieLens' own files ([`movielens`](super::movielens)).
    Movielens,
    /// Matrices as text ([`dense`](super::dense)).
    Dense,
    /// Quoted CSV or Parquet (`tables`, feature `polars`).
    Table,
    /// JSON or JSON lines, read by the crate that uses them.
    Json,
    /// Something that is not read here.
    Other,
}

/// One file to download.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// The address.
    pub url: String,
    /// The published or measured checksum; without one, that of the first download is recorded and held to.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The published checksum of sources that give MD5 only.
    #[serde(default)]
    pub md5: Option<String>,
}

impl Registry {
    /// Reads a registry file.
    ///
    /// # Errors
    /// [`Error::Io`], and as [`Registry::parse`].
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        Self::parse(&text, path)
    }

    /// Parses a registry; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Parse`] with line and column for text that is not a registry; [`Error::Invalid`] for a name that
    /// appears twice or is not made of `a-z`, `0-9` and `-`, an address that is not `https`, or a checksum that
    /// is not one.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let registry: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let before = text.get(..start).unwrap_or_default();
            let line = 1 + before.bytes().filter(|&byte| byte == b'\n').count() as u64;
            let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
            super::lines::parse_error(path, line, column, error.message())
        })?;
        let mut names = std::collections::HashSet::new();
        for entry in &registry.datasets {
            let name = &entry.name;
            let invalid =
                |what: &str| Err(Error::invalid(format!("{}: the data set {name:?} {what}", path.display())));
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(plain) {
                return invalid("has a name that is not made of a-z, 0-9 and -");
            }
            if !names.insert(name) {
                return invalid("appears twice");
            }
            let hex = |text: &Option<String>, length: usize| {
                let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                text.as_ref().is_none_or(|text| text.len() == length && text.bytes().all(digit))
            };
            for file in &entry.files {
                if !file.url.starts_with("https://") {
                    return invalid("has an address that does not begin with https://");
                }
                if !hex(&file.sha256, 64) || !hex(&file.md5, 32) {
                    return invalid("has a checksum that is not lower-case hexadecimal of the right length");
                }
            }
        }
        Ok(registry)
    }

    /// The entry called `name`.
    ///
    /// # Errors
    /// [`Error::Config`] that lists the names there are.
    pub fn get(&self, name: &str) -> Result<&Entry> {
        self.datasets.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.datasets.iter().map(|entry| entry.name.as_str()).collect();
            Error::config("dataset", format!("{name:?} is not known; there are {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "[[dataset]]\nname = \"a-1\"\ntitle = \"A\"\nkind = \"interactions\"\npage = \"p\"\n\
        licence = \"MIT\"\nredistribution = \"yes\"\nformat = \"atomic\"\nterms = \"t\"\n";

    fn parse(text: &str) -> Result<Registry> {
        Registry::parse(text, Path::new("r.toml"))
    }

    #[test]
    fn entries_and_their_mistakes() {
        let registry = parse(ENTRY).unwrap();
        assert!(!registry.get("a-1").unwrap().asks_first());
        assert!(registry.get("b").unwrap_err().to_string().contains("there are a-1"));
        let error = |text: String| parse(&text).unwrap_err().to_string();
        assert!(error(format!("{ENTRY}{ENTRY}")).contains("appears twice"));
        assert!(error(ENTRY.replace("a-1", "A 1")).contains("a-z, 0-9 and -"));
        assert!(error(format!("{ENTRY}colour = 1\n")).starts_with("r.toml:10:1: unknown field `colour`"));
        assert!(error(format!("{ENTRY}[[dataset.files]]\nurl = \"http://x\"\n")).contains("https://"));
        assert!(
            error(format!("{ENTRY}[[dataset.files]]\nurl = \"https://x\"\nmd5 = \"00\"\n"))
                .contains("checksum")
        );
    }

    #[test]
    fn the_registry_of_this_repository() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/datasets.toml");
        if !path.exists() {
            return; // the packaged crate does not carry it
        }
        let registry = Registry::load(&path).unwrap();
        let mini = registry.get("mt-mini").unwrap();
        assert_eq!((mini.users, mini.items, mini.rows), (Some(2_290), Some(2_146), Some(53_556)));
        for entry in &registry.datasets {
            assert!(!entry.terms.is_empty() && !entry.licence.is_empty(), "{}", entry.name);
        }
    }
}
