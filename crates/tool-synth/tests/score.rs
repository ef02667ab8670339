//! Score files against the official ones, for entries and answers of our own (`tests/golden/make_scores.py`).
#![cfg(feature = "bfcl-java-js")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tool_synth::Value;
use tool_synth::bfcl::package::Package;
use tool_synth::bfcl::score::{Score, Settings, score};
use tool_synth::value::json;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/score")
}

fn run(
    results: &Path,
    scores: &Path,
    categories: &[String],
    partial: bool,
) -> tool_synth::Result<Vec<Score>> {
    let package = Package::open(&data()).unwrap();
    let (models, today) = (&[][..], [2026, 1, 1]);
    score(&Settings { package: &package, results, scores, models, categories, partial, today })
}

/// The texts of all files under a folder, by their names from there on.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// A line of a score file without the reason of a decoding failure, which is CPython's and left out of the recorded ones too.
fn without_reason(line: &str) -> String {
    let mut row = json::parse(line).unwrap();
    if let Value::Dict(row) = &mut row
        && let Some(Value::List(errors)) = row.get_mut(&Value::from("error"))
    {
        for error in errors {
            let Some(text) = error.as_str() else { continue };
            for head in [
                "Invalid syntax. Failed to decode AST. ",
                "Invalid syntax. Failed to decode AST when it should have. ",
            ] {
                if text.starts_with(head) {
                    *error = Value::from(head.trim_end());
                    break;
                }
            }
        }
    }
    json::to_string(&row)
}

#[test]
fn score_files_and_tables_are_the_official_ones() {
    let out = tempfile::tempdir().unwrap();
    let scores = run(&data().join("result"), out.path(), &[], false).unwrap();
    assert_eq!(scores.len(), 15);
    let (ours, theirs) = (files(out.path()), files(&data().join("score")));
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, expected) in &theirs {
        let found = &ours[name];
        if name.extension().is_some_and(|extension| extension == "csv") {
            assert_eq!(found.trim_end(), expected.trim_end(), "{}", name.display());
            continue;
        }
        let found: Vec<String> = found.lines().map(without_reason).collect();
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(found, expected, "{}", name.display());
    }
}

#[test]
fn a_part_of_the_results_is_scored_only_if_asked_for() {
    let (results, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let name = "example-prompted/non_live/BFCL_v4_simple_python_result.json";
    let text = std::fs::read_to_string(data().join("result").join(name)).unwrap();
    let path = results.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let part: Vec<&str> = text.lines().take(2).collect();
    std::fs::write(&path, part.join("\n")).unwrap();
    let refused = run(results.path(), out.path(), &[], false).unwrap_err().to_string();
    assert!(refused.contains("2 results for 5 entries"), "{refused}");
    let scores = run(results.path(), out.path(), &[], true).unwrap();
    assert_eq!((scores.len(), scores[0].total), (1, 2));
}

#[test]
fn categories_are_chosen_by_name() {
    let out = tempfile::tempdir().unwrap();
    let scores = run(&data().join("result"), out.path(), &["multiple".into()], false).unwrap();
    let found: Vec<(&str, usize, usize)> =
        scores.iter().map(|score| (score.model.as_str(), score.correct, score.total)).collect();
    assert_eq!(found, [("example-native", 1, 2), ("example-prompted", 1, 2)]);
}
