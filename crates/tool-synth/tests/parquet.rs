//! Dialogues as Parquet: what is written is read back, over more than one group of rows.
#![cfg(feature = "parquet")]

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use rec_core::{Json, Message, ToolCall, ToolSpec, Trajectory};
use tool_synth::export;

/// As many samples as do not fit in one group.
const SAMPLES: usize = 4_100;

fn sample(number: usize) -> Trajectory {
    let arguments: Json = format!(r#"{{"side": {number}, "unit": "é"}}"#).parse().unwrap();
    let tool: ToolSpec = serde_json::from_str(
        r#"{"name": "area", "description": "The area of a square.", "parameters": {"type": "object",
            "properties": {"side": {"type": "integer"}, "unit": {"type": "string"}}, "required": ["side"]}}"#,
    )
    .unwrap();
    let mut sample = Trajectory {
        id: format!("sample_{number}"),
        tools: vec![tool],
        messages: vec![
            Message::user(format!("How large is a square of side {number}?")),
            Message::calls(vec![ToolCall::new("c1", "area", arguments)]),
        ],
        ..Trajectory::default()
    };
    sample.metadata.insert("type".into(), Json::from("single"));
    if number.is_multiple_of(2) {
        sample.metadata.insert("complexity".into(), Json::from(number as f64 / 8.0));
    }
    sample
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("samples.parquet");
    let samples: Vec<Trajectory> = (0..SAMPLES).map(sample).collect();
    export::parquet(&samples, &path).unwrap();

    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let mut rows = 0;
    for (row, sample) in reader.get_row_iter(None).unwrap().zip(&samples) {
        let row = row.unwrap();
        rows += 1;
        assert_eq!(row.get_string(0).unwrap(), &sample.id);
        assert_eq!(row.get_string(1).unwrap(), "single");
        let tools: Vec<ToolSpec> = serde_json::from_str(row.get_string(2).unwrap()).unwrap();
        let messages: Vec<Message> = serde_json::from_str(row.get_string(3).unwrap()).unwrap();
        assert_eq!((&tools, &messages), (&sample.tools, &sample.messages));
        let complexity = row.get_double(4).unwrap();
        match sample.metadata.get("complexity").and_then(Json::as_f64) {
            Some(expected) => assert_eq!(complexity, expected),
            None => assert!(complexity.is_nan()),
        }
        assert_eq!((row.get_int(5).unwrap(), row.get_int(6).unwrap()), (1, 1));
    }
    assert_eq!(rows, SAMPLES);
}

#[test]
fn a_folder_that_is_not_there_is_an_error_that_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("samples.parquet");
    let error = export::parquet(&[sample(0)], &path).unwrap_err().to_string();
    assert!(error.contains("samples.parquet"), "{error}");
}
