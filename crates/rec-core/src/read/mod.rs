//! Readers: from public files to a [`Dataset`](crate::Dataset).
//!
//! [`folder`] recognises what a folder holds and reads it; [`parts`] reads the train/validation/test files of a
//! folder against a data set. Below them stands one module a format, each with a function `records` that takes
//! any byte stream and calls back for every row, so that nothing is held but what is kept:
//!
//! | module | files |
//! |---|---|
//! | [`atomic`] | RecBole `.inter`, `.item`, `.user` |
//! | [`sequence`] | atomic files with one history a row |
//! | [`delimited`] | `user,item,rating`, MovieLens ratings, pairs |
//! | [`adjacency`] | NGCF / LightGCN and SELFRec lists |
//! | [`dense`] | rating matrices as text |
//! | [`movielens`] | MovieLens' movie and user tables |
//! | `tables` | quoted CSV and Parquet (feature `polars`) |
//!
//! Every reader works line by line with a [bound](MAX_LINE_BYTES) on the length of a line. Ragged rows, NaN and
//! infinite numbers, ids that are not ids, text that is not UTF-8, wrong headers and empty files are errors with
//! file, line and column; nothing panics on outside input. Numbers are never scaled.

pub mod adjacency;
pub mod atomic;
mod builder;
pub mod delimited;
pub mod dense;
mod features;
mod folder;
mod layout;
mod lines;
pub mod movielens;
pub mod registry;
pub mod sequence;
#[cfg(feature = "polars")]
pub mod tables;

pub use builder::{At, Builder, Record, Report, Visit};
pub use features::{Features, Roles};
pub(crate) use folder::part_rows;
pub use folder::{folder, folder_with, parts, parts_with};
pub use lines::MAX_LINE_BYTES;
