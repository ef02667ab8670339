//! Lists of the outside ids of users and items, beside lists of interactions.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rec_core::read;

static FOLDER: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("rec-core-fuzz-ids-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    std::fs::write(folder.join("train.txt"), "1 2 3\n2 3\n").expect("a temporary file");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let folder = FOLDER.as_path();
    let half = bytes.len() / 2;
    std::fs::write(folder.join("item_list.txt"), &bytes[..half]).expect("a temporary file");
    std::fs::write(folder.join("user_list.txt"), &bytes[half..]).expect("a temporary file");
    if let Ok(data) = read::folder(folder) {
        data.validate().expect("what a reader accepts is valid");
    }
});
