//! Runs: a folder with the configuration as used, metrics as they come, checkpoints, and the result.
//!
//! ```text
//! runs/NAME/SEED/
//!   config.toml             the configuration as used
//!   metrics.jsonl           one line an epoch, as it goes
//!   checkpoint.safetensors  what a run that was cut off goes on from; always whole
//!   result.json             at the end
//!   …                       files that a run writes besides, by their names in .own-files; they go when it is replaced
//! ```
//!
//! A process can be killed at any moment: files that matter are replaced as a whole ([`replace_file`]), a half-written
//! last line of the metrics is cut when the run goes on, and lines after the checkpoint are dropped when their epochs
//! come again, so that nothing is told twice.

mod folder;
mod log;

pub use folder::{RunFolder, Start, remove_if_there, replace_file, replace_file_with};
pub use log::{MetricLog, Record, read_metrics};

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

/// Somebody who watches a training loop: a progress bar, a [`MetricLog`], a test. Libraries never print.
pub trait Observer {
    /// Called after every epoch.
    fn progress(&mut self, progress: &Progress<'_>);

    /// Called with what a user should know before hours are spent, such as a setting under which training cannot succeed;
    /// not heard unless an observer says otherwise.
    fn warning(&mut self, text: &str) {
        let _ = text;
    }
}

/// Watches nothing.
impl Observer for () {
    fn progress(&mut self, _: &Progress<'_>) {}
}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn progress(&mut self, progress: &Progress<'_>) {
        (**self).progress(progress);
    }

    fn warning(&mut self, text: &str) {
        (**self).warning(text);
    }
}

/// Two who watch together.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn progress(&mut self, progress: &Progress<'_>) {
        self.0.progress(progress);
        self.1.progress(progress);
    }

    fn warning(&mut self, text: &str) {
        self.0.warning(text);
        self.1.warning(text);
    }
}
