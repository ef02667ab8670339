//! The one place that prints: results on standard output, remarks and progress on standard error.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this module is the program's voice")]

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Prints a result to standard output. A reader that went away (`| head`) ends the program quietly.
pub fn line(text: impl AsRef<str>) {
    if try_line(text.as_ref()).is_err() {
        std::process::exit(0);
    }
}

/// Writes one line to standard output at once, and says whether somebody still reads.
///
/// # Errors
/// What the operating system said, such as a broken pipe.
pub fn try_line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints a JSON value to standard output, indented.
pub fn json(value: &serde_json::Value) {
    line(format!("{value:#}"));
}

/// Prints a remark to standard error.
pub fn note(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Prints a warning to standard error.
pub fn warn(text: impl AsRef<str>) {
    eprintln!("warning: {}", text.as_ref());
}

/// Prints an error to standard error.
pub fn error(text: impl AsRef<str>) {
    eprintln!("error: {}", text.as_ref());
}

/// Asks a question on the terminal; without a terminal the answer is no.
pub fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// A progress bar of `length` steps on standard error; silent if that is not a terminal.
pub fn progress(length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), target());
    bar.set_style(
        ProgressStyle::with_template("{bar:24} {pos}/{len} {elapsed_precise}  {msg}")
            .expect("the template is well-formed"),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}
