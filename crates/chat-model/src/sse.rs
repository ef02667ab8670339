//! Server-sent events, from bytes as they come.
//!
//! Lines end in CR, LF or CRLF, wherever the network cuts them; comments are skipped; the `data` lines of an event are
//! joined by LF. (WHATWG HTML, section "Server-sent events".)

use crate::error::{Error, Result};

/// More than any event holds: an endpoint that never ends a line must not fill the memory.
const LONGEST: usize = 16 << 20;

/// Cuts bytes into the data of events.
#[derive(Debug, Default)]
pub struct SseParser {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The data of the event that has not ended yet.
    data: Option<String>,
    /// The last byte was a CR: an LF after it belongs to it.
    after_cr: bool,
    /// No byte has come yet: a byte order mark may.
    started: bool,
}

impl SseParser {
    /// Takes the next bytes and returns the data of the events that end in them.
    ///
    /// # Errors
    /// [`Error::Decode`] for a line that is not UTF-8 and for an event of more than 16 MiB.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\r' | b'\n' => events.extend(self.end_line()?),
                byte => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, String::len) > LONGEST {
                return Err(Error::decode("an event of more than 16 MiB"));
            }
        }
        Ok(events)
    }

    /// The event that the end of the bytes cut off, if it held whole lines. The standard drops it; servers that do not end
    /// their last event are seen.
    ///
    /// # Errors
    /// As [`SseParser::push`].
    pub fn finish(mut self) -> Result<Option<String>> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        Ok(self.data)
    }

    fn end_line(&mut self) -> Result<Option<String>> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8(line).map_err(|_| Error::decode("an event that is not UTF-8"))?;
        let line = if std::mem::replace(&mut self.started, true) {
            line.as_str()
        } else {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        };
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        // A comment has an empty field. Names and ids of events mean nothing in chat completions.
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "\u{feff}: hello\r\ndata: {\"a\":\r\ndata:  \"é😀\"}\r\n\r\nevent: x\nid: 1\ndata:two\n\n\
                        data: three\r\rdata\n\nretry: 5\n\ndata: [DONE]\n\n";

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let mut parser = SseParser::default();
        pieces.iter().flat_map(|piece| parser.push(piece).unwrap()).collect()
    }

    #[test]
    fn lines_comments_and_fields() {
        let expected = ["{\"a\":\n \"é😀\"}", "two", "three", "", "[DONE]"];
        assert_eq!(events(&[TEXT.as_bytes()]), expected);
        let bytes: Vec<&[u8]> = TEXT.as_bytes().chunks(1).collect();
        assert_eq!(events(&bytes), expected);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(mut cuts in prop::collection::vec(0..TEXT.len(), 0..6)) {
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&TEXT.as_bytes()[from..cut]);
                from = cut;
            }
            pieces.push(&TEXT.as_bytes()[from..]);
            prop_assert_eq!(events(&pieces), events(&[TEXT.as_bytes()]));
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
            let mut parser = SseParser::default();
            for piece in &pieces {
                if parser.push(piece).is_err() {
                    return Ok(());
                }
            }
            let _ = parser.finish();
        }
    }

    #[test]
    fn what_is_not_utf8_is_refused_and_an_unended_event_is_kept() {
        assert!(SseParser::default().push(b"data: \xff\n").is_err());
        let mut parser = SseParser::default();
        assert!(parser.push(b"data: [DONE]").unwrap().is_empty());
        assert_eq!(parser.finish().unwrap().as_deref(), Some("[DONE]"));
    }
}
