//! Which documents a data set's tools are made of: part of its configuration, whole.
//!
//! The documents stand in the configuration itself, not their names: shards on other machines need no file, and a folder that was begun
//! with one document does not take another under its name.

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;

use rec_core::Json;
use serde::{Deserialize, Serialize};

use super::grammar::Grammar;
use crate::error::{Error, Result};

/// A document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// What errors call it: its file.
    pub name: String,
    /// OpenAPI 3, or a list of tools: see [`Grammar::of_document`].
    pub content: Json,
}

/// Documents beside the embedded grammar, or instead of it. None by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Documents {
    /// Whether the embedded grammar is left out.
    pub only: bool,
    /// The documents, in order.
    pub files: Vec<Document>,
}

impl Documents {
    /// Reads files of JSON.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Format`] for a file that is not JSON.
    pub fn read(paths: &[PathBuf], only: bool) -> Result<Self> {
        let read = |path: &PathBuf| -> Result<Document> {
            let text = fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
            let content = text
                .parse()
                .map_err(|error: rec_core::Error| Error::format(path, None, error.to_string()))?;
            // Without its folder, which may be another on the machine of another shard.
            let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            Ok(Document { name, content })
        };
        Ok(Self { only, files: paths.iter().map(read).collect::<Result<_>>()? })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.only
    }

    /// The grammar of the documents, after the embedded one where that is wanted.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the document and the place in it, or if there is no document and no embedded grammar.
    pub fn grammar(&self) -> Result<Cow<'static, Grammar>> {
        let mut all = (!self.only).then(|| Cow::Borrowed(Grammar::embedded()));
        for Document { name, content } in &self.files {
            let mut grammar =
                Grammar::of_document(content).map_err(|error| Error::invalid(format!("{name}: {error}")))?;
            grammar.left_out.iter_mut().for_each(|line| *line = format!("{name}: {line}"));
            all = Some(Cow::Owned(match all {
                Some(before) => before.joined(&grammar),
                None => grammar,
            }));
        }
        all.ok_or_else(|| Error::config("documents.only", "there is no document"))
    }
}
