//! Histories in atomic form.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::read::{Builder, atomic, sequence};

fuzz_target!(|bytes: &[u8]| {
    let mut builder = Builder::new("fuzz");
    let (path, options) = (Path::new("fuzz.inter"), atomic::Options::default());
    let all = sequence::Take::All;
    let read = sequence::records(bytes, path, &options, all, &mut |_, record| builder.push(record));
    if let (Ok(()), Ok((data, _))) = (read, builder.finish()) {
        data.validate().expect("what a reader accepts is valid");
    }
});
