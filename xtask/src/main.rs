//! Sextant's command line.
fn main() {}
