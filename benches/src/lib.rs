//! Criterion benchmarks of the hot paths; run with `cargo bench -p benches --profile dev`.
