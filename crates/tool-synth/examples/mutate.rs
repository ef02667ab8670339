//! Throws mutated answers at the decoders, for those who have no nightly compiler for the targets in `fuzz`:
//! `mutate CORPUS.jsonl.gz SECONDS SEED`.
//!
//! Answers of a corpus are cut, spliced, repeated and peppered with marks, and every decoder and converter reads them.
//! A panic ends the program and shows itself; the number of texts is printed last.
#![allow(clippy::print_stdout)]

use std::io::Read;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use tool_synth::bfcl::multi_turn::decode_prompted;
use tool_synth::bfcl::{Format, convert_java, convert_javascript, decode, decode_native};
use tool_synth::pyexpr;
use tool_synth::value::{Value, json};

const FORMATS: [Format; 6] =
    [Format::Python, Format::Java, Format::JavaScript, Format::Json, Format::VerboseXml, Format::ConciseXml];
const MARKS: [&str; 48] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    ".",
    ":",
    ";",
    "'",
    "\"",
    "`",
    "\\",
    "#",
    "\n",
    "\r",
    "\t",
    "\0",
    " ",
    "é",
    "\u{a0}",
    "東",
    "**",
    "*",
    "-",
    "~",
    "not ",
    "lambda: ",
    "f'{",
    "r'",
    "'''",
    "1e",
    "0x",
    "9999999999",
    "...",
    "new ",
    "{{",
    "}}",
    "->",
    "=>",
    "<",
    ">",
    "</functions>",
    "<TOOLCALL>",
    "&amp;",
    "\u{fffd}",
];

struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count.max(1)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, seconds, seed] = &arguments[..] else {
        return Err("usage: mutate CORPUS.jsonl.gz SECONDS SEED".into());
    };
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut text)?;
    let mut answers: Vec<String> = Vec::new();
    for line in text.lines() {
        match json::parse(line)?.get("raw") {
            Some(Value::Str(text)) => answers.push(text.to_string()),
            Some(Value::List(calls)) => answers
                .extend(calls.iter().filter_map(|call| Some(call.as_list()?.get(1)?.as_str()?.to_owned()))),
            _ => {}
        }
    }
    let (mut random, end) = (Random(seed.parse()?), Instant::now() + Duration::from_secs(seconds.parse()?));
    let mut texts = 0u64;
    while Instant::now() < end {
        let mut characters: Vec<char> = answers[random.below(answers.len())].chars().collect();
        for _ in 0..=random.below(5) {
            let at = random.below(characters.len() + 1);
            match random.below(6) {
                0 => characters.truncate(at),
                1 => drop(characters.drain(..at)),
                2 => {
                    let mark =
                        MARKS[random.below(MARKS.len())].repeat(if random.below(40) == 0 { 700 } else { 1 });
                    characters.splice(at..at, mark.chars());
                }
                3 if at < characters.len() => drop(characters.remove(at)),
                4 => {
                    let other: Vec<char> = answers[random.below(answers.len())].chars().collect();
                    let from = random.below(other.len() + 1);
                    characters.splice(at..at, other[from..].iter().take(40).copied());
                }
                _ => {
                    let length = random.below(20).min(characters.len() - at);
                    let piece = characters[at..at + length].to_vec();
                    characters.splice(at..at, piece);
                }
            }
        }
        let text: String = characters.into_iter().collect();
        for format in FORMATS {
            for tagged in [false, true] {
                std::hint::black_box(decode(&text, format, tagged).map(|value| value.repr()));
            }
        }
        std::hint::black_box((decode_native([("f", text.as_str())]), decode_prompted(&text)));
        let kinds = ["integer", "float", "any", "Array", "ArrayList", "HashMap", "array", "dict", "String"];
        let (kind, item) =
            (kinds[random.below(kinds.len())], [None, Some("String"), Some("integer")][random.below(3)]);
        let _ =
            std::hint::black_box((convert_java(&text, kind, item), convert_javascript(&text, kind, item)));
        if let Ok(expression) = pyexpr::parse(&text) {
            expression.fold();
            if let Some(written) = expression.unparse() {
                pyexpr::parse(&written)
                    .map_err(|error| format!("{text:?} is written as {written:?}: {error}"))?;
            }
        }
        texts += 1;
    }
    println!("texts {texts}");
    Ok(())
}
