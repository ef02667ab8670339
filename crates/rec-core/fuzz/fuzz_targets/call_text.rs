//! Calls as text: what is read is written to text that reads the same, once the names are known.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rec_core::tool::call_text;

fuzz_target!(|text: &str| {
    if let Ok(calls) = call_text::read(text, &["Market Trends API", "f"]) {
        let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
        let written = call_text::write(&calls).expect("calls that were read have objects as arguments");
        assert_eq!(call_text::read(&written, &names).expect("own text reads"), calls);
    }
});
