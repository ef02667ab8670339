//! Walking over text many bytes at once.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The lowest byte that is zero has its high bit set, and no bit below it is.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// How many bytes stand before the first quote, backslash or control character (or the end).
#[inline]
pub(crate) fn text_length(bytes: &[u8], quote: u8) -> usize {
    let mut length = 0;
    while let Some(chunk) = bytes[length..].first_chunk() {
        let word = u64::from_le_bytes(*chunk);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let is = |byte: u8| zeros(word ^ (ONES * u64::from(byte)));
        let stops = controls | is(quote) | is(b'\\');
        if stops != 0 {
            return length + stops.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    let is_stop = |&byte: &u8| byte == quote || byte == b'\\' || byte < 0x20;
    length + bytes[length..].iter().position(is_stop).unwrap_or(bytes.len() - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place_is_told_from_the_others() {
        for length in 0..20 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut bytes = vec![b'a'; length];
                    bytes[at] = byte;
                    let stops = matches!(byte, b'"' | b'\\' | 0..0x20);
                    assert_eq!(text_length(&bytes, b'"'), if stops { at } else { length }, "{bytes:?}");
                    // What comes after the first stop does not matter.
                    bytes[length - 1] = b'"';
                    let stops = stops || at == length - 1;
                    assert_eq!(text_length(&bytes, b'"'), if stops { at } else { length - 1 }, "{bytes:?}");
                }
            }
        }
    }
}
