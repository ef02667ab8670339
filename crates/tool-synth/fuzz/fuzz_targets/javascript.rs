//! Answers in JavaScript, and the text of JavaScript values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tool_synth::bfcl::{Format, convert_javascript, decode};

fuzz_target!(|text: &str| {
    decode(text, Format::JavaScript, false);
    for kind in ["integer", "float", "any", "Array", "ArrayList", "HashMap", "array", "dict", "String"] {
        for item in [None, Some("String"), Some("integer")] {
            let _ = convert_javascript(text, kind, item);
        }
    }
});
