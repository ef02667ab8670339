//! Delimited text; the first byte picks the separator and what ids may be.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::read::{Builder, delimited};

fuzz_target!(|bytes: &[u8]| {
    let Some((&pick, bytes)) = bytes.split_first() else { return };
    let separator = ["\t", "::", ",", " "][usize::from(pick % 4)];
    let mut options = delimited::Options::movielens(separator);
    options.header = pick & 4 != 0;
    if pick & 8 != 0 {
        options.ids = delimited::Ids::Tokens;
    }
    let mut builder = Builder::new("fuzz");
    let path = Path::new("fuzz.dat");
    let read = delimited::records(bytes, path, &options, &mut |_, record| builder.push(record));
    if let (Ok(()), Ok((data, _))) = (read, builder.finish()) {
        data.validate().expect("what a reader accepts is valid");
    }
});
