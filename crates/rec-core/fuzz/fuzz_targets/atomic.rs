//! Interaction files in atomic form.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::read::{Builder, atomic};

fuzz_target!(|bytes: &[u8]| {
    let mut builder = Builder::new("fuzz");
    let path = Path::new("fuzz.inter");
    let read =
        atomic::records(bytes, path, &atomic::Options::default(), &mut |_, record| builder.push(record));
    if let (Ok(()), Ok((data, _))) = (read, builder.finish()) {
        data.validate().expect("what a reader accepts is valid");
    }
});
