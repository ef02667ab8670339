//! Answers in Java, and the text of Java values.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tool_synth::bfcl::{Format, convert_java, decode};

fuzz_target!(|text: &str| {
    decode(text, Format::Java, false);
    for kind in ["integer", "float", "any", "Array", "ArrayList", "HashMap", "array", "dict", "String"] {
        for item in [None, Some("String"), Some("integer")] {
            let _ = convert_java(text, kind, item);
        }
    }
});
