//! Runs: a folder with the configuration as used, metrics as they come, checkpoints, and the result.

/// What a training loop tells about itself after each epoch (or evaluation).
#[derive(Clone, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The number of finished epochs (or steps, where a loop has no epochs).
    pub epoch: usize,
    /// The most there can be.
    pub epochs: usize,
    /// Named values of this epoch: loss, alignment, uniformity, seconds, validation metrics …
    pub values: &'a [(&'a str, f64)],
}

/// Somebody who watches a training loop: a progress bar, a JSONL file, a test. Libraries never print.
pub trait Observer {
    /// Called after every epoch.
    fn progress(&mut self, progress: &Progress<'_>);
}

/// Watches nothing.
impl Observer for () {
    fn progress(&mut self, _: &Progress<'_>) {}
}
