//! Recognising a folder with a train and a test file, and reading it as a data set and as a split.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rec_core::read::{self, atomic};

static FOLDER: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("rec-core-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.as_path();
    let half = bytes.len() / 2;
    std::fs::write(folder.join("train.txt"), &bytes[..half]).expect("a temporary file");
    std::fs::write(folder.join("test.txt"), &bytes[half..]).expect("a temporary file");
    if let Ok((data, report)) = read::folder_with(folder, &atomic::Options::default()) {
        data.validate().expect("what a reader accepts is valid");
        let split = read::parts(folder, &data);
        if let (Ok(split), true) = (split, report.is_clean()) {
            assert_eq!(split.train.len() + split.test.len(), data.interactions.len());
        }
    }
});
