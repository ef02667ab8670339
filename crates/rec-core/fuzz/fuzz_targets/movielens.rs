//! The tables of MovieLens.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::read::movielens;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz.dat");
    let _ = movielens::movies(bytes, path);
    let _ = movielens::users(bytes, path);
    let _ = movielens::users_100k(bytes, path);
    let genres = movielens::genre_names(bytes, path).unwrap_or_else(|_| vec!["unknown".to_owned()]);
    let _ = movielens::items_100k(bytes, path, &genres);
});
