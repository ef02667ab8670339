//! Criterion benchmarks of the hot paths (`cargo bench -p benches --profile dev`), and what `cargo xtask bench` and the program
//! `lm_throughput` time of language models.

pub mod language_model;
