//! `package`: what publication would check, crate by crate.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cli::Package;
use crate::error::{Error, Result};
use crate::machine::workspace;
use crate::output;

/// One check of one crate.
struct Check {
    name: &'static str,
    /// What is wrong; nothing if it holds.
    problems: Vec<String>,
}

/// Checks every crate that may be published.
///
/// # Errors
/// [`Error::Usage`] for a crate that does not exist or is not published, [`Error::Failed`] if a check fails.
pub fn package(arguments: &Package) -> Result<()> {
    let metadata = metadata()?;
    let crates = publishable(&metadata)?;
    for name in &arguments.crates {
        if !crates.iter().any(|package| package["name"] == name.as_str()) {
            let known: Vec<&str> = crates.iter().filter_map(|package| package["name"].as_str()).collect();
            return Err(Error::Usage(format!("no published crate {name}; there are {}", known.join(", "))));
        }
    }
    if !arguments.no_verify {
        forget_packed(&metadata, &crates)?;
    }
    let mut rows = Vec::new();
    let mut values = Vec::new();
    let mut failed = Vec::new();
    let mut complaint = String::new();
    let mut examples = None;
    let chosen = |name: &str| arguments.crates.is_empty() || arguments.crates.iter().any(|own| own == name);
    for &package in &crates {
        let name = package["name"].as_str().unwrap_or_default();
        if !chosen(name) {
            continue;
        }
        output::note(format!("── {name}"));
        let mut checks = vec![description(package), contents(name, arguments)?];
        checks.push(docs(name)?);
        checks.push(readme(package, &mut examples)?);
        if !arguments.no_verify {
            checks.push(verify(name, &metadata, arguments)?);
        }
        for check in &checks {
            let passed = check.problems.is_empty();
            rows.push(vec![
                name.to_owned(),
                check.name.to_owned(),
                if passed { "passed" } else { "FAILED" }.to_owned(),
            ]);
            if !passed {
                let _ = write!(complaint, "\n{name}, {}:\n{}\n", check.name, check.problems.join("\n"));
                failed.push(format!("{name} ({})", check.name));
            }
        }
        values.push(json!({
            "crate": name,
            "checks": checks.iter().map(|check| json!({
                "name": check.name,
                "passed": check.problems.is_empty(),
                "problems": check.problems,
            })).collect::<Vec<_>>(),
        }));
    }
    let table = crate::table::text(&["crate", "check", "result"], rows.into_iter());
    crate::table::show(&arguments.json, &json!({"passed": failed.is_empty(), "crates": values}), &table)?;
    if !complaint.is_empty() {
        output::note(complaint);
    }
    if failed.is_empty() { Ok(()) } else { Err(Error::Failed(format!("failed: {}", failed.join(", ")))) }
}

/// Runs cargo in the workspace, with more of an environment if `more` has a name and a value.
fn cargo(arguments: &[&str], more: Option<(&str, &str)>) -> Result<Output> {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .envs(more)
        .current_dir(workspace())
        .output()
        .map_err(|error| Error::Failed(format!("cargo could not be started: {error}")))
}

/// How many lines of a failed command are shown.
const SHOWN: usize = 40;

/// What a failed command said, from its first error on.
fn complaints(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = text.lines().collect();
    // Without a line of that kind the reason is what was said last.
    let first =
        said.iter().position(|line| line.starts_with("error")).unwrap_or(said.len().saturating_sub(SHOWN));
    let lines: Vec<String> = said[first..].iter().take(SHOWN).map(|&line| line.to_owned()).collect();
    if lines.is_empty() {
        vec![format!("cargo said nothing and ended with {}", output.status)]
    } else {
        lines
    }
}

fn metadata() -> Result<Value> {
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps"], None)?;
    if !output.status.success() {
        return Err(Error::Failed(complaints(&output).join("; ")));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| Error::Failed(format!("cargo metadata is not JSON: {error}")))
}

/// The packages of the workspace that may be published (`publish = false` reads as an empty list).
fn publishable(metadata: &Value) -> Result<Vec<&Value>> {
    let packages = metadata["packages"]
        .as_array()
        .ok_or_else(|| Error::Failed("cargo metadata has no packages".into()))?;
    Ok(packages.iter().filter(|package| package["publish"] != json!([])).collect())
}

/// What the registry and readers ask for.
fn description(package: &Value) -> Check {
    let mut problems = Vec::new();
    for key in ["description", "license", "repository", "readme", "rust_version"] {
        if package[key].as_str().is_none_or(str::is_empty) {
            problems.push(format!("no {key}"));
        }
    }
    let count = |key: &str| package[key].as_array().map_or(0, Vec::len);
    for (key, most) in [("keywords", 5), ("categories", 5)] {
        match count(key) {
            0 => problems.push(format!("no {key}")),
            n if n > most => problems.push(format!("{n} {key}; at most {most} are allowed")),
            _ => {}
        }
    }
    let keywords = package["keywords"].as_array().into_iter().flatten().filter_map(Value::as_str);
    problems.extend(
        keywords
            .filter(|word| word.len() > 20)
            .map(|word| format!("keyword {word} has more than 20 letters")),
    );
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let name = dependency["name"].as_str().unwrap_or_default();
        // A path alone cannot be published, except for tests.
        if dependency["path"].is_string() && dependency["req"] == "*" && dependency["kind"] != "dev" {
            problems.push(format!("dependency {name} has a path but no version"));
        }
    }
    Check { name: "metadata", problems }
}

/// What would be in the package.
fn contents(name: &str, arguments: &Package) -> Result<Check> {
    let mut command = vec!["package", "--list", "--package", name];
    if arguments.allow_dirty {
        command.push("--allow-dirty");
    }
    let output = cargo(&command, None)?;
    let mut problems = if output.status.success() { Vec::new() } else { complaints(&output) };
    if problems.is_empty() {
        let text = String::from_utf8_lossy(&output.stdout);
        let files: Vec<&str> = text.lines().collect();
        for wanted in ["Cargo.toml", "README.md", "src/lib.rs"] {
            if !files.contains(&wanted) {
                problems.push(format!("{wanted} is missing"));
            }
        }
        let heavy = |file: &&&str| {
            std::fs::metadata(workspace().join("crates").join(name).join(file))
                .is_ok_and(|m| m.len() > 4 << 20)
        };
        problems.extend(files.iter().filter(heavy).map(|file| format!("{file} is larger than 4 MiB")));
    }
    Ok(Check { name: "contents", problems })
}

fn docs(name: &str) -> Result<Check> {
    let output = cargo(&["doc", "--package", name, "--no-deps"], Some(("RUSTDOCFLAGS", "-D warnings")))?;
    Ok(Check {
        name: "documentation",
        problems: if output.status.success() { Vec::new() } else { complaints(&output) },
    })
}

/// The README has an example, and the crate's tests compile it. `examples`: how the examples of all crates fared, once
/// they were run.
fn readme(package: &Value, examples: &mut Option<Output>) -> Result<Check> {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
    let folder = manifest.parent().unwrap_or(manifest);
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| Error::io(path, error))
    };
    let text = read("README.md")?;
    let mut problems = Vec::new();
    if !text.contains("```rust") {
        problems.push("README.md has no ```rust example".to_owned());
    }
    if !read("src/lib.rs")?.contains("include_str!(\"../README.md\")") {
        problems.push("src/lib.rs does not include README.md, so its example is not a test".to_owned());
    }
    if problems.is_empty() {
        // All crates' examples at once: one crate alone would have features of its own and be built anew.
        let output = match examples {
            Some(output) => output,
            None => examples.insert(cargo(&["test", "--doc", "--workspace", "--no-fail-fast"], None)?),
        };
        // Cargo names the crates whose examples fail; if it names none, it could not run them.
        let said = String::from_utf8_lossy(&output.stderr);
        let name = package["name"].as_str().unwrap_or_default();
        let ran = said.contains("--doc`");
        if !output.status.success() && (!ran || said.contains(&format!("-p {name} --doc`"))) {
            problems.extend(complaints(output));
            problems.extend(
                String::from_utf8_lossy(&output.stdout)
                    .lines()
                    .filter(|line| line.ends_with("FAILED"))
                    .map(str::to_owned),
            );
        }
    }
    Ok(Check { name: "readme", problems })
}

/// Where packaged files are built: apart from the user's own build, of which nothing need be thrown away.
fn build_folder(metadata: &Value) -> PathBuf {
    Path::new(metadata["target_directory"].as_str().unwrap_or("target")).join("package-check")
}

/// Makes cargo forget what an earlier check packed and built of these crates.
///
/// Cargo holds that a version never changes once it is packed: it neither unpacks nor builds the same version again, so
/// a crate would be checked against its neighbours as they were when they were first packed.
fn forget_packed(metadata: &Value, crates: &[&Value]) -> Result<()> {
    let own: Vec<String> =
        crates.iter().filter_map(|package| Some(format!("{}-", package["name"].as_str()?))).collect();
    let mut folders = vec![build_folder(metadata).join("debug/.fingerprint")];
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    // What is packed here is unpacked beside what comes from registries. If one of those has a crate of the same name,
    // cargo unpacks it again when it is needed.
    folders.extend(entries(&home.unwrap_or_default().join("registry/src"))?);
    for folder in folders {
        for entry in entries(&folder)? {
            let name = name_of(&entry);
            let rest = own.iter().find_map(|own| name.strip_prefix(own.as_str()));
            // `rec-core-0.1.0` or `rec-core-0f3a…`, but not `rec-core-extras-…`.
            if rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit() || b == b'.')) {
                std::fs::remove_dir_all(&entry).map_err(|error| Error::io(entry, error))?;
            }
        }
    }
    Ok(())
}

/// What a folder holds; nothing if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(folder, error)),
    };
    listed.map(|entry| entry.map(|entry| entry.path()).map_err(|error| Error::io(folder, error))).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Builds the crate from its packaged files, without default features: backends are heavy, and the tests build them
/// from the same files. Crates that depend on each other are packed together, so that the one finds the other before
/// either is published.
fn verify(name: &str, metadata: &Value, arguments: &Package) -> Result<Check> {
    let target = build_folder(metadata).display().to_string();
    let mut command = vec!["package", "--no-default-features", "--target-dir", &target, "--package", name];
    let own: Vec<String> = local_dependencies(metadata, name);
    for dependency in &own {
        command.extend(["--package", dependency]);
    }
    if arguments.allow_dirty {
        command.push("--allow-dirty");
    }
    // Built once: what incremental builds keep would only fill the disk.
    let output = cargo(&command, Some(("CARGO_INCREMENTAL", "0")))?;
    Ok(Check {
        name: "build",
        problems: if output.status.success() { Vec::new() } else { complaints(&output) },
    })
}

/// The workspace's crates that `name` needs, directly and through others.
fn local_dependencies(metadata: &Value, name: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut next = vec![name.to_owned()];
    while let Some(name) = next.pop() {
        let package = metadata["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|package| package["name"] == name.as_str());
        let dependencies =
            package.and_then(|package| package["dependencies"].as_array()).into_iter().flatten();
        for dependency in dependencies.filter(|dependency| dependency["path"].is_string()) {
            let dependency = dependency["name"].as_str().unwrap_or_default().to_owned();
            if !found.contains(&dependency) {
                found.push(dependency.clone());
                next.push(dependency);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_the_metadata_are_named() {
        let package = json!({
            "name": "x", "description": "d", "license": "MIT", "repository": "r", "readme": "README.md",
            "rust_version": "1.95", "keywords": ["a"], "categories": ["science"],
            "dependencies": [{"name": "y", "path": "/y", "req": "^0.1", "kind": null}],
        });
        assert!(description(&package).problems.is_empty());
        let mut bare = package.clone();
        bare["license"] = Value::Null;
        bare["keywords"] = json!([]);
        bare["dependencies"][0]["req"] = json!("*");
        assert_eq!(
            description(&bare).problems,
            ["no license", "no keywords", "dependency y has a path but no version"]
        );
    }

    #[test]
    fn unpublished_crates_are_left_out_and_dependencies_found() {
        let metadata = json!({"packages": [
            {"name": "a", "publish": null, "dependencies": [{"name": "b", "path": "/b"}]},
            {"name": "b", "publish": null, "dependencies": [{"name": "c", "path": "/c"}, {"name": "serde"}]},
            {"name": "c", "publish": null, "dependencies": []},
            {"name": "xtask", "publish": [], "dependencies": []},
        ]});
        assert_eq!(publishable(&metadata).unwrap().len(), 3);
        assert_eq!(local_dependencies(&metadata, "a"), ["b", "c"]);
    }
}
