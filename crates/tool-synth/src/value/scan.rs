//! Walking over text many bytes at once.

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The lowest byte that is zero has its high bit set, and no bit below it is.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// How many bytes stand before the first of those that are looked for: the byte at whose place eight bytes' marks are lowest.
#[inline]
fn length_before(bytes: &[u8], marks: impl Fn(u64) -> u64, is_stop: impl Fn(u8) -> bool) -> usize {
    let mut length = 0;
    while let Some(chunk) = bytes[length..].first_chunk() {
        let found = marks(u64::from_le_bytes(*chunk)) & HIGH;
        if found != 0 {
            return length + found.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + bytes[length..].iter().position(|&byte| is_stop(byte)).unwrap_or(bytes.len() - length)
}

/// How many bytes stand before the first of some (or the end).
#[inline]
pub(crate) fn length_until<const N: usize>(bytes: &[u8], stops: [u8; N]) -> usize {
    let marks = |word| stops.iter().fold(0, |marks, &stop| marks | zeros(word ^ (ONES * u64::from(stop))));
    length_before(bytes, marks, |byte| stops.contains(&byte))
}

/// How many bytes stand before the first of some or of the control characters (or the end).
#[inline]
pub(crate) fn plain_length<const N: usize>(bytes: &[u8], stops: [u8; N]) -> usize {
    let controls = |word: u64| word.wrapping_sub(ONES * 0x20) & !word;
    let marks = |word| {
        stops.iter().fold(controls(word), |marks, &stop| marks | zeros(word ^ (ONES * u64::from(stop))))
    };
    length_before(bytes, marks, |byte| byte < 0x20 || stops.contains(&byte))
}

/// The bytes from one up to another have their high bits set; for words of ASCII.
fn within(word: u64, first: u8, last: u8) -> u64 {
    let at_least = word + ONES * u64::from(0x80 - first);
    let beyond = word + ONES * u64::from(0x7f - last);
    at_least & !beyond & HIGH
}

/// How many letters, digits and underscores stand at the beginning.
#[inline]
pub(crate) fn word_length(bytes: &[u8]) -> usize {
    let marks = |word: u64| {
        // Without their high bits no byte of a sum reaches into the next one.
        let ascii = word & !HIGH;
        let letters = within(ascii | (ONES * 0x20), b'a', b'z');
        !(letters | within(ascii, b'0', b'9') | within(ascii, b'_', b'_')) | word
    };
    length_before(bytes, marks, |byte| !byte.is_ascii_alphanumeric() && byte != b'_')
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
                    let place = |found: bool| if found { at } else { length };
                    let plain = !matches!(byte, b'"' | b'\\' | 0..0x20);
                    assert_eq!(plain_length(&bytes, [b'"', b'\\']), place(!plain), "{bytes:?}");
                    assert_eq!(length_until(&bytes, [b'<']), place(byte == b'<'), "{bytes:?}");
                    let word = byte.is_ascii_alphanumeric() || byte == b'_';
                    assert_eq!(word_length(&bytes), place(!word), "{bytes:?}");
                    // What comes after the first stop does not matter.
                    bytes[length - 1] = b'"';
                    let first = if plain { length - 1 } else { at };
                    assert_eq!(plain_length(&bytes, [b'"', b'\\']), first, "{bytes:?}");
                }
            }
        }
    }
}
