//! The metrics of a run: reading them and opening a log on them agree.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rec_core::run::{MetricLog, read_metrics};

static FILE: LazyLock<std::path::PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("rec-core-fuzz-{}.jsonl", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    let file = FILE.as_path();
    std::fs::write(file, bytes).expect("a temporary file");
    match (read_metrics(file), MetricLog::open(file)) {
        (Ok(records), Ok(mut log)) => {
            assert_eq!(records.last().map(|record| record.epoch), log.last_epoch());
            let next = records.last().map_or(1, |record| record.epoch.saturating_add(1));
            log.append(next, &[("loss", 0.5)]).expect("a line fits");
            let again = read_metrics(file).expect("what was read is still there");
            assert_eq!(
                again.last().map(|record| (record.epoch, record.get("loss"))),
                Some((next, Some(0.5)))
            );
        }
        (Err(_), Err(_)) => assert_eq!(std::fs::read(file).expect("it is there"), bytes),
        (read, opened) => panic!("{read:?}, but {opened:?}"),
    }
});
