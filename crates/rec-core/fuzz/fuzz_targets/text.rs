//! Splits, intervals, feedback and the registry as text.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::filter::{Feedback, Intervals};
use rec_core::read::registry::Registry;
use rec_core::split::SplitSpec;

fuzz_target!(|text: &str| {
    if let Ok(spec) = text.parse::<SplitSpec>() {
        assert_eq!(spec.to_string().parse::<SplitSpec>().expect("a split reads itself"), spec);
    }
    if let Ok(intervals) = text.parse::<Intervals>() {
        assert_eq!(intervals.to_string().parse::<Intervals>().expect("intervals read themselves"), intervals);
    }
    if let Ok(feedback) = text.parse::<Feedback>() {
        assert_eq!(feedback.to_string().parse::<Feedback>().expect("feedback reads itself"), feedback);
    }
    let _ = Registry::parse(text, Path::new("fuzz.toml"));
});
