//! Rows of every format: whatever is read as one is written as what reads the same, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rec_core::Json;
use rec_core::tool::{Format, mcp, openapi, toolbench};

fuzz_target!(|text: &str| {
    let Ok(row) = text.parse::<Json>() else { return };
    let _ = (openapi::tools(&row), mcp::tools(&row), toolbench::read_instruction(&row));
    for format in Format::ALL {
        let Ok(trajectory) = format.read(&row) else { continue };
        for other in Format::ALL {
            let Ok(written) = other.write(&trajectory) else { continue };
            let read = other.read(&written).expect("a written row reads");
            assert_eq!(read.calls().count(), trajectory.calls().count());
        }
    }
});
