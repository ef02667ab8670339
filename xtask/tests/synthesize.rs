//! `synthesize` as a user runs it: over HTTP, killed and gone on with, and in shards.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

const COMMON: [&str; 4] = ["--count", "60", "--apis", "200"];

fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("synthesize").args(arguments);
    command
}

fn run(arguments: &[&str]) {
    let output = xtask(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn samples(out: &Path) -> String {
    std::fs::read_to_string(out.join("samples.jsonl")).unwrap()
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.flatten().map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_run_over_http_that_was_killed_goes_on_to_the_bytes_of_one_offline() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let serve = xtask(&["serve", "--apis", "200", "--latency", "2"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut serve = Killed(serve);
    let mut address = String::new();
    BufReader::new(serve.0.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let out = path("http").display().to_string();
    let over_http =
        [&COMMON[..], &["--engine", address.trim(), "--concurrency", "8", "--resume", "--out", &out]]
            .concat();
    let child = xtask(&over_http).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = Killed(child);
    let start = Instant::now();
    while files(&path("http").join("replies")) < 300 {
        assert!(start.elapsed() < Duration::from_secs(120), "no replies came");
        assert!(child.0.try_wait().unwrap().is_none(), "it was done before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(child);
    assert!(!path("http").join("samples.jsonl").exists());
    run(&over_http);

    let offline = path("offline").display().to_string();
    run(&[&COMMON[..], &["--out", &offline]].concat());
    assert_eq!(samples(&path("http")).lines().count(), 60);
    assert_eq!(samples(&path("http")), samples(&path("offline")));

    // The same folder does not take another engine's dialogues.
    let other = xtask(&[&COMMON[..], &["--resume", "--out", &out]].concat()).output().unwrap();
    assert_eq!(other.status.code(), Some(2), "{}", String::from_utf8_lossy(&other.stderr));
}

#[test]
fn an_endpoint_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let arguments = ["--engine", "ftp://127.0.0.1/v1", "--out", &out];
    let output = xtask(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ftp is not http or https"));
}

#[test]
fn shards_come_together_to_the_bytes_of_one_run_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Two blocks, so that each shard makes one.
    let count = ["--count", "300", "--apis", "200"];
    let (whole, shards) = (path("whole").display().to_string(), path("shards").display().to_string());
    run(&[&count[..], &["--out", &whole]].concat());
    for shard in ["1/2", "0/2"] {
        run(&[&count[..], &["--shard", shard, "--out", &shards]].concat());
    }
    assert!(!path("shards").join("samples.parquet").exists());
    run(&["merge", "--out", &shards]);
    for name in ["samples.jsonl", "samples.parquet"] {
        let bytes = |from: &str| std::fs::read(path(from).join(name)).unwrap();
        assert_eq!(bytes("whole"), bytes("shards"), "{name}");
    }
    let file = std::fs::File::open(path("whole").join("samples.parquet")).unwrap();
    let table = SerializedFileReader::new(file).unwrap();
    let ids: Vec<String> =
        table.get_row_iter(None).unwrap().map(|row| row.unwrap().get_string(0).unwrap().to_owned()).collect();
    let expected: Vec<String> = samples(&path("whole"))
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids, expected);
}

/// The documents of `tool-synth`'s tests.
fn document(name: &str) -> String {
    format!("{}/../crates/tool-synth/tests/data/documents/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn dialogues_over_documents() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").display().to_string();
    let files = format!("{},{}", document("clinic.json"), document("rental.json"));
    let over = ["--count", "12", "--documents", &files, "--documents-only", "--out", &out];
    let output = xtask(&over).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("16 of 16 tools are the documents'"), "{told}");
    assert!(told.contains("clinic.json: PUT /api/v1/pets/{petId}/photo: left out"), "{told}");
    let text = samples(Path::new(&out));
    assert!(text.contains("cancelAppointment") && !text.contains("bookFlight"));
    // Other documents do not go on in this folder.
    let other = xtask(&["--count", "12", "--resume", "--out", &out]).output().unwrap();
    assert_eq!(other.status.code(), Some(2), "{}", String::from_utf8_lossy(&other.stderr));

    let wrong = folder.path().join("wrong.json");
    let parameter = r#"{"openapi": "3.0.0", "paths": {"/pets": {"get": {"parameters": [{"in": "query"}]}}}}"#;
    for (text, place) in [(parameter, "wrong.json: /paths/~1pets/get/parameters/0"), ("{", "wrong.json")] {
        std::fs::write(&wrong, text).unwrap();
        let output = xtask(&["--documents", &wrong.display().to_string(), "--out", &out]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(place), "{told}");
    }
    let output = xtask(&["--documents-only", "--out", &out]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
