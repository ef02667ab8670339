//! The constants that long contexts are padded with. They are read from the user's copy of the benchmark, never kept here.

use std::path::Path;

use super::error::{Exception, Fallible};
use super::object::Object;
use super::operators::iterate;
use crate::pyexpr;

/// Where the constants stand in an unpacked `bfcl_eval` package.
pub const SOURCE: &str = "eval_checker/multi_turn_eval/func_source_code/long_context.py";

/// The constants.
#[derive(Clone, Debug)]
pub struct LongContext {
    pub(super) watch_list: Object,
    pub(super) transaction_history: Object,
    pub(super) ma_5: Object,
    pub(super) ma_20: Object,
    pub(super) technology: Object,
    pub(super) automobile: Object,
    pub(super) order_details: Object,
    pub(super) file_content: Object,
    pub(super) populate_files: Vec<Object>,
    pub(super) files_tail_used: Vec<Object>,
    pub(super) car_status: Object,
    pub(super) weather: Object,
    pub(super) parking_brake: Object,
    pub(super) intermediary_cities: Object,
    pub(super) credit_cards: Object,
    pub(super) bookings: Object,
}

impl LongContext {
    /// Reads the constants of the package unpacked at `package` (the folder `bfcl_eval`).
    ///
    /// # Errors
    /// If the file is missing or one of its constants is not as expected.
    pub fn read(package: &Path) -> std::io::Result<Self> {
        let path = package.join(SOURCE);
        let source = std::fs::read_to_string(&path)?;
        Self::parse(&source).map_err(|e| std::io::Error::other(format!("{}: {}", path.display(), e.text)))
    }

    /// Reads the constants from the text of the module: assignments of literals at the start of lines.
    ///
    /// # Errors
    /// With the name of the constant that is missing or no literal.
    pub fn parse(source: &str) -> Fallible<Self> {
        let mut constants: Vec<(&str, &str)> = Vec::new();
        let mut from = 0;
        let mut open: Option<(&str, usize)> = None;
        let bytes_end = source.len();
        for line in source.split_inclusive('\n') {
            let name_end =
                line.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(0);
            let rest = line[name_end..].trim_start();
            if name_end > 2 && rest.starts_with('=') {
                if let Some((name, start)) = open {
                    constants.push((name, &source[start..from]));
                }
                let equals = from + line.len() - rest.len();
                open = Some((&line[..name_end], equals + 1));
            }
            from += line.len();
        }
        if let Some((name, start)) = open {
            constants.push((name, &source[start..bytes_end]));
        }
        let get = |name: &str| -> Fallible<Object> {
            let (_, text) = constants
                .iter()
                .find(|(n, _)| *n == name)
                .ok_or_else(|| Exception::other(format!("{name} is missing")))?;
            let expression =
                pyexpr::parse(text.trim()).map_err(|e| Exception::other(format!("{name}: {e}")))?;
            super::evaluate::literal(&expression).map_err(|e| Exception::other(format!("{name}: {}", e.text)))
        };
        Ok(LongContext {
            watch_list: get("WATCH_LIST_EXTENSION")?,
            transaction_history: get("TRANSACTION_HISTORY_EXTENSION")?,
            ma_5: get("MA_5_EXTENSION")?,
            ma_20: get("MA_20_EXTENSION")?,
            technology: get("TECHNOLOGY_EXTENSION")?,
            automobile: get("AUTOMOBILE_EXTENSION")?,
            order_details: get("ORDER_DETAIL_EXTENSION")?,
            file_content: get("FILE_CONTENT_EXTENSION")?,
            populate_files: iterate(&get("POPULATE_FILE_EXTENSION")?)?,
            files_tail_used: iterate(&get("FILES_TAIL_USED")?)?,
            car_status: get("CAR_STATUS_METADATA_EXTENSION")?,
            weather: get("LONG_WEATHER_EXTENSION")?,
            parking_brake: get("PARKING_BRAKE_INSTRUCTION")?,
            intermediary_cities: get("INTERMEDIARY_CITIES")?,
            credit_cards: get("CREDIT_CARD_EXTENSION")?,
            bookings: get("BOOKING_RECORD_EXTENSION")?,
        })
    }
}
