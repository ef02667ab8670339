//! Item and user tables in atomic form.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use rec_core::read::{Builder, Record, Roles, atomic};

fuzz_target!(|bytes: &[u8]| {
    let options = atomic::Options::default();
    if let Ok(features) = atomic::features(bytes, Path::new("fuzz.item"), &options, "item_id") {
        let mut builder = Builder::new("fuzz");
        let (user, item) = ("u", "1");
        builder.push(Record::Interaction { user, item, rating: None, time: None }).expect("one row");
        builder.item_features(features.clone(), Roles::default());
        builder.user_features(features);
        builder.finish().expect("one row").0.validate().expect("what a reader accepts is valid");
    }
});
