//! Walking over what is no argument, and telling what is no expression at all.

use super::{Read, Reader, Stop, WORD, is};
use crate::pyexpr::lex::is_expression_keyword;

impl Reader<'_> {
    /// Where only some marks can come next, and none of them does: walks to the next comma or closing bracket if what comes is an
    /// operator whose result is no argument. An operator behind an enclosing bracket may still make a value of it, which is then seen
    /// there; where values do not count, the grammar has to decide whether it is an expression at all.
    pub(super) fn skip_operators(&mut self) -> Read<()> {
        let operator = match self.peek() {
            b'a'..=b'z' => {
                matches!(self.word_at(self.at), "and" | "or" | "if" | "in" | "is" | "not" | "for" | "async")
            }
            mark @ (b'<' | b'>') => self.peek_after(1) != mark && self.peek_after(1) != b'=',
            b'=' | b'!' => self.peek_after(1) == b'=',
            _ => false,
        };
        if !operator || self.literal {
            return self.unexpected();
        }
        if self.ignored > 0 {
            return Err(Stop::Unsure);
        }
        self.skip_rest(false)
    }

    /// Walks to the next comma or closing bracket, over something that is no argument. With `lambda` it began with that word. A comma
    /// among the parameters of a lambda ends nothing, and behind the colon of a key comes more; the grammar has to walk over these.
    pub(super) fn skip_rest(&mut self, lambda: bool) -> Read<()> {
        self.fails = true;
        let mut depth = 0;
        // Lambdas whose colon is still to come.
        let mut open = usize::from(lambda);
        loop {
            match self.peek() {
                b',' if depth == 0 => return if open == 0 { Ok(()) } else { Err(Stop::Unsure) },
                b')' | b']' | b'}' if depth == 0 => return Ok(()),
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth -= 1,
                b'"' | b'\'' => {
                    self.string("")?;
                    continue;
                }
                0 if self.at == self.bytes.len() => {
                    return if depth == 0 { Ok(()) } else { Err(Stop::Wrong) };
                }
                b'#' | b'\\' | b'\r' | 0 => return Err(Stop::Unsure),
                b':' if depth == 0 && open == 0 => return Err(Stop::Unsure),
                b':' if depth == 0 => open -= 1,
                b'l' if depth == 0
                    && self.word_at(self.at) == "lambda"
                    && !is(self.bytes[self.at - 1], WORD) =>
                {
                    open += 1;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Where only some marks can come next, and none of them does: whether that surely is an error.
    pub(super) fn unexpected<T>(&self) -> Read<T> {
        let wrong = match self.peek() {
            // At the end brackets are open.
            0 => self.at == self.bytes.len(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                let word = self.word_at(self.at);
                let touches = self.bytes.get(self.at + word.len()).is_some_and(|byte| !byte.is_ascii());
                !touches && !is_expression_keyword(word)
            }
            b'0'..=b'9' | b'"' | b'\'' | b'{' | b';' | b'$' | b'?' | b'`' => true,
            b'!' => self.peek_after(1) != b'=',
            b'=' => self.peek_after(1) != b'=',
            b')' | b']' | b'}' | b',' => true,
            b':' => self.peek_after(1) != b'=',
            0x80.. => !self.next_is_letter(),
            _ => false,
        };
        Err(if wrong { Stop::Wrong } else { Stop::Unsure })
    }
}
