//! Answers in every format that needs no grammar of tree-sitter, with and without tags, and as native arguments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tool_synth::bfcl::{Format, decode, decode_native, multi_turn::decode_prompted};

fuzz_target!(|text: &str| {
    for format in [Format::Python, Format::Json, Format::VerboseXml, Format::ConciseXml] {
        for tagged in [false, true] {
            if let Some(value) = decode(text, format, tagged) {
                value.repr();
            }
        }
    }
    decode_native([("f", text)]);
    decode_prompted(text);
});
