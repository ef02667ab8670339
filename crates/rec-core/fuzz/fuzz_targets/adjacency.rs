//! Adjacency lists in both styles.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::read::{Builder, adjacency};

fuzz_target!(|bytes: &[u8]| {
    for style in [adjacency::Style::Blank, adjacency::Style::Colon] {
        let mut builder = Builder::new("fuzz");
        let path = Path::new("fuzz.txt");
        let read = adjacency::records(bytes, path, style, &mut |_, record| builder.push(record));
        if let (Ok(()), Ok((data, _))) = (read, builder.finish()) {
            data.validate().expect("what a reader accepts is valid");
        }
    }
});
