//! Python expressions: what is read is written, and what is written is read as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tool_synth::pyexpr::parse;

fuzz_target!(|text: &str| {
    let Ok(expression) = parse(text) else { return };
    expression.fold();
    if let Some(written) = expression.unparse() {
        let again = parse(&written).expect("what is written is an expression");
        assert_eq!(again.unparse().as_deref(), Some(written.as_str()));
    }
});
