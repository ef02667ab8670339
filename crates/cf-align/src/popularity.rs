//! The most popular items.
/// A fitted model.
#[derive(Clone, Debug)]
pub struct Popularity {}
