//! The public implementation's files, and templates held to golden files.

use pref_opt::records::{
    PromptTemplate, TextRecord, Wording, read_pairs, read_records, unquote, write_pairs, write_records,
};

fn record() -> TextRecord {
    let wording = Wording {
        instruction: "Recommend a film.".into(),
        lead: "Seen so far: ".into(),
        close: ". What next?".into(),
    };
    TextRecord::new(&wording, &["Alien", "The \"Big\" Sleep"], "Brazil")
}

fn alpaca() -> PromptTemplate {
    PromptTemplate::Alpaca { preamble: "A task, and what it is about.".into() }
}

#[test]
fn templates_are_the_golden_ones() {
    assert_eq!(alpaca().render(&record()), include_str!("golden/alpaca.txt"));
    assert_eq!(PromptTemplate::Compact.render(&record()), include_str!("golden/compact.txt"));
}

#[test]
fn files_are_read_as_they_were_written_and_errors_name_the_place() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("train.json");
    write_records(&path, &[record()]).unwrap();
    assert_eq!(read_records(&path).unwrap(), [record()]);
    let pair = alpaca().pair(&record(), "Dune", 0).unwrap();
    assert_eq!((pair.chosen.as_str(), pair.rejected.as_str()), ("\"Brazil\"\n", "\"Dune\"\n"));
    let pairs = place.path().join("dpo.jsonl");
    write_pairs(&pairs, std::slice::from_ref(&pair)).unwrap();
    assert_eq!(read_pairs(&pairs).unwrap(), [pair]);
    assert!(
        alpaca()
            .pair(&record(), "Brazil", 7)
            .unwrap_err()
            .to_string()
            .starts_with("row 7: chosen and rejected")
    );
    std::fs::write(&pairs, "{\"prompt\": \"\", \"chosen\": \"\", \"rejected\": \"\"}\n{\"prompt\": 1}\n")
        .unwrap();
    assert!(read_pairs(&pairs).unwrap_err().to_string().contains("dpo.jsonl:2:"));
}

#[test]
fn titles_keep_their_own_quotes() {
    assert_eq!(unquote("\"The \"Big\" Sleep\"\n"), "The \"Big\" Sleep");
    assert_eq!(unquote("  Brazil \n and more"), "Brazil");
    assert_eq!(record().target(), "Brazil");
}
