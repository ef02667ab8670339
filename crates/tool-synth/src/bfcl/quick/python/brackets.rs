//! Lists, tuples, sets and dictionaries.

use super::{Found, Read, Reader, Stop};
use crate::value::{Node, dictionary};

impl<'a> Reader<'a> {
    /// Values with commas between them, from the opening bracket up to and with the closing one.
    pub(super) fn sequence(&mut self, close: u8) -> Read<&'a [Node<'a>]> {
        self.at += 1;
        self.items_until(close, self.items.len())
    }

    /// The items of the stack from `start` on, with those that come up to and with the closing bracket.
    pub(super) fn items_until(&mut self, close: u8, start: usize) -> Read<&'a [Node<'a>]> {
        loop {
            self.skip_blanks()?;
            if self.peek() == close {
                self.at += 1;
                return Ok(self.items_from(start));
            }
            self.item()?;
            match self.peek() {
                b',' => self.at += 1,
                byte if byte == close => {}
                _ => {
                    self.skip_operators()?;
                    self.at += usize::from(self.peek() == b',');
                }
            }
        }
    }

    /// A tuple, or an expression in parentheses. Neither is read twice, or the time would double with every level.
    pub(super) fn parentheses(&mut self) -> Read<Found<'a>> {
        self.at += 1;
        self.skip_blanks()?;
        if self.peek() == b')' {
            self.at += 1;
            return Ok(Found::Value(Node::Tuple(&[])));
        }
        let start = self.at;
        let computes = matches!(self.peek(), b'"' | b'\'' | b'0'..=b'9');
        let found = self.node()?;
        let item = self.as_value(found, start);
        let operates = !matches!(self.peek(), b')' | b',');
        if operates {
            self.skip_operators()?;
        }
        if self.peek() == b')' {
            self.at += 1;
            self.skip_blanks()?;
            // It may be called or the like.
            return if matches!(self.peek(), b'.' | b'(' | b'[') { Err(Stop::Unsure) } else { Ok(found) };
        }
        if self.peek() != b',' {
            return self.unexpected();
        }
        if computes && operates {
            // A number or text that is computed with, of which only what it began with is kept here.
            return Err(Stop::Unsure);
        }
        self.at += 1;
        let first = self.items.len();
        self.items.push(item?);
        self.items_until(b')', first).map(|items| Found::Value(Node::Tuple(items)))
    }

    /// A dictionary or a set.
    pub(super) fn braces(&mut self) -> Read<Found<'a>> {
        self.at += 1;
        let start = self.members.len();
        let mut set = false;
        loop {
            self.skip_blanks()?;
            if self.peek() == b'}' {
                self.at += 1;
                let members = dictionary(self.arena, &mut self.members, start);
                return Ok(if set { self.valueless() } else { Found::Value(Node::Dict(members)) });
            }
            let key = self.value()?;
            if set || self.members.len() == start && matches!(self.peek(), b',' | b'}') {
                if self.literal {
                    return Err(Stop::Unsure);
                }
                set = true;
            } else {
                if self.peek() != b':' || self.peek_after(1) == b'=' {
                    self.skip_operators()?;
                    return Err(Stop::Unsure);
                }
                self.at += 1;
                self.skip_blanks()?;
                let value = self.value()?;
                let hashable = key.is_hashable();
                self.fails |= !hashable;
                self.members.push((if hashable { key } else { Node::None }, value));
            }
            match self.peek() {
                b',' => self.at += 1,
                b'}' => {}
                _ => {
                    self.skip_operators()?;
                    self.at += usize::from(self.peek() == b',');
                }
            }
        }
    }
}
