//! The checker against recorded verdicts of the official package.
#![cfg(feature = "bfcl-java-js")]
// A test that is skipped says so.
#![allow(clippy::print_stderr)]

use std::path::Path;

use tool_synth::bfcl::replay::Corpus;

fn assert_no_difference(path: &Path) {
    let corpus = Corpus::open(path).unwrap();
    let replay = corpus.replay();
    assert!(replay.cases > 1000, "{} records are no corpus", replay.cases);
    assert_eq!(replay.differences, 0, "{}", replay.examples.join("\n"));
}

/// Entries that a script made up (no row of the benchmark), with what `bfcl-eval` 2026.3.23 said to each answer.
#[test]
fn synthetic_entries_get_the_official_verdicts() {
    assert_no_difference(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/bfcl-synthetic.jsonl.gz"
    )));
}

/// A corpus of the reader's own, made from the official package: `SEXTANT_BFCL_CORPUS=FILE.jsonl.gz`.
#[test]
fn a_corpus_of_the_official_package_has_no_differences() {
    match std::env::var_os("SEXTANT_BFCL_CORPUS") {
        Some(path) => assert_no_difference(Path::new(&path)),
        None => eprintln!("skipped: SEXTANT_BFCL_CORPUS names no corpus"),
    }
}

/// A replay that finds nothing shows something only if it would find something.
#[test]
fn a_changed_verdict_is_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("corpus.jsonl");
    let lines = [
        r#"{"kind":"entry","id":"e","cat":"simple_python","function":[{"name":"f","parameters":{"type":"dict","properties":{"x":{"type":"integer"}},"required":["x"]}}],"ground_truth":[{"d":[["f",{"d":[["x",[{"i":"1"}]]]}]]}]}"#,
        r#"{"kind":"case","entry":"e","path":"ast","cat":"simple_python","ret":"python","tag":false,"raw":"f(x=1)","dec":{"v":[{"d":[["f",{"d":[["x",{"i":"1"}]]}]]}]},"out":"valid"}"#,
        r#"{"kind":"case","entry":"e","path":"ast","cat":"simple_python","ret":"python","tag":false,"raw":"f(x=2)","dec":{"v":[{"d":[["f",{"d":[["x",{"i":"2"}]]}]]}]},"out":"valid"}"#,
        r#"{"kind":"case","entry":"e","path":"ast","cat":"simple_python","ret":"python","tag":false,"raw":"f(x=1)","dec":{"v":[{"d":[["f",{"d":[["x",{"f":"1.0"}]]}]]}]},"out":"valid"}"#,
        r#"{"kind":"std","in":"A b","o":"a b"}"#,
        r#"{"kind":"conv","lang":"java","type":"long","nested":null,"in":"1L","o":{"v":{"i":"2"}}}"#,
    ];
    std::fs::write(&path, lines.join("\n")).unwrap();
    let replay = Corpus::open(&path).unwrap().replay();
    assert_eq!((replay.cases, replay.differences), (5, 4), "{}", replay.examples.join("\n"));
}
