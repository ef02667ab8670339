//! The registry of public data sets (`datasets/datasets.toml`).
