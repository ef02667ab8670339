//! Digests as text.

use std::fmt::Write;

/// Lower-case hexadecimal digits, two for each byte.
///
/// ```
/// assert_eq!(rec_core::digest::hex(&[0, 10, 255]), "000aff");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}
