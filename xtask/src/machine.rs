//! What a run ran on, and how much memory it took.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine and the build, as far as the operating system tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// How many threads run at once.
    pub threads: usize,
    /// Main memory in GiB.
    pub memory_gib: Option<f64>,
    /// Operating system and architecture.
    pub system: String,
    /// This program's version.
    pub version: String,
    /// The commit of the working tree, with `+` if files differ from it.
    pub commit: Option<String>,
}

impl Machine {
    /// Asks the operating system.
    pub fn this() -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| field(&text, "model name").map(str::to_owned))
            .or_else(|| output("sysctl", &["-n", "machdep.cpu.brand_string"]))
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let memory_gib = std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| kibibytes(&text, "MemTotal"))
            .map(|kib| kib / 1024.0 / 1024.0);
        Self {
            cpu,
            threads: rayon::current_num_threads(),
            memory_gib,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit(),
        }
    }
}

/// Seconds that this process's threads have computed so far, where `/proc` tells it (in hundredths, Linux's clock for it).
pub fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold blanks and brackets; the fields after it do not. User and system time are the 14th and 15th.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    (ticks.len() == 2).then(|| (ticks[0] + ticks[1]) / 100.0)
}

/// The largest resident size of this process so far in MiB, where `/proc` tells it.
pub fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kibibytes(&status, "VmHWM").map(|kib| kib / 1024.0)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn kibibytes(text: &str, name: &str) -> Option<f64> {
    field(text, name)?.strip_suffix("kB")?.trim().parse().ok()
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn commit() -> Option<String> {
    let root = workspace();
    let root = root.to_str()?;
    let hash = output("git", &["-C", root, "rev-parse", "--short=12", "HEAD"])?;
    let changed = output("git", &["-C", root, "status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if changed { hash + "+" } else { hash })
}

/// The workspace's root folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_files_are_found() {
        let text = "Name:\txtask\nVmHWM:\t   12345 kB\nmodel name\t: A CPU\n";
        assert_eq!(kibibytes(text, "VmHWM"), Some(12345.0));
        assert_eq!(field(text, "model name"), Some("A CPU"));
        assert_eq!(kibibytes(text, "VmRSS"), None);
    }

    #[test]
    fn memory_is_positive_where_proc_exists() {
        if Path::new("/proc/self/status").exists() {
            assert!(peak_rss_mib().unwrap() > 1.0);
        }
        assert!(Machine::this().threads > 0);
    }
}
