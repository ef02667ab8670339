//! JSON: what is read is written to text that reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rec_core::Json;

fuzz_target!(|text: &str| {
    let _ = Json::read_prefix(text);
    if let Ok(value) = text.parse::<Json>() {
        assert_eq!(value.to_string().parse::<Json>().expect("own text is JSON"), value);
    }
});
