//! A text so far as stacks of unfinished values, fed byte by byte.

use super::schema::{Grammar, Node};

/// The values that are not finished, the innermost last. A text may be several of them as long as it is not told which
/// of several schemas, literals or keys it follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Stack(Vec<Frame>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Frame {
    /// A value that has not begun; a blank may come first.
    Value {
        node: usize,
        blank: bool,
    },
    /// A text of which `at` bytes are written.
    Literal {
        node: usize,
        which: usize,
        at: usize,
    },
    Text(Text),
    Number {
        whole: bool,
        stage: Digits,
        count: u8,
    },
    Array {
        node: usize,
        count: usize,
    },
    Object {
        node: usize,
        used: u64,
        stage: Member,
    },
    Dictionary {
        value: usize,
        stage: Member,
    },
}

/// Inside a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Text {
    Plain,
    Escape,
    /// Hexadecimal digits to come.
    Hex(u8),
    /// Bytes of a character to come, the next one within limits (RFC 3629).
    Rest {
        count: u8,
        from: u8,
        to: u8,
    },
}

/// Inside a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    Exponent,
    Sign,
    Power,
}

/// Inside an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Member {
    /// After the brace.
    First,
    /// After a comma; a blank may come first.
    Comma { blank: bool },
    /// In a key of which `at` bytes are written.
    Key { which: usize, at: usize },
    /// After a key.
    Colon,
    /// After a value.
    Next,
}

/// Digits of a number before or after the point: what an f64 tells apart.
const DIGITS: u8 = 15;

impl Stack {
    /// Whether nothing is left to finish.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the text may end here.
    pub fn is_whole(&self) -> bool {
        match self.0.as_slice() {
            [] => true,
            [Frame::Number { stage, .. }] => stage.may_end(),
            _ => false,
        }
    }

    fn with(mut self, frame: Frame) -> Self {
        self.0.push(frame);
        self
    }
}

impl Digits {
    fn may_end(self) -> bool {
        matches!(self, Self::Zero | Self::Whole | Self::Fraction | Self::Power)
    }

    /// Where a byte leads, and how many digits the part then has.
    fn step(self, whole: bool, count: u8, byte: u8) -> Option<(Self, u8)> {
        let digit = byte.is_ascii_digit();
        match self {
            Self::Minus if byte == b'0' => Some((Self::Zero, 1)),
            Self::Minus if digit => Some((Self::Whole, 1)),
            Self::Whole if digit && count < DIGITS => Some((Self::Whole, count + 1)),
            Self::Zero | Self::Whole if byte == b'.' && !whole => Some((Self::Point, 0)),
            Self::Point if digit => Some((Self::Fraction, 1)),
            Self::Fraction if digit && count < DIGITS => Some((Self::Fraction, count + 1)),
            Self::Zero | Self::Whole | Self::Fraction if matches!(byte, b'e' | b'E') && !whole => {
                Some((Self::Exponent, 0))
            }
            Self::Exponent if matches!(byte, b'+' | b'-') => Some((Self::Sign, 0)),
            Self::Exponent | Self::Sign if digit => Some((Self::Power, 1)),
            Self::Power if digit && count < 2 => Some((Self::Power, count + 1)),
            _ => None,
        }
    }
}

impl Text {
    /// Where a byte leads; `Err(true)` at the closing quote.
    fn step(self, byte: u8) -> Result<Self, bool> {
        let rest = |count, from, to| Ok(Self::Rest { count, from, to });
        match self {
            Self::Plain => match byte {
                b'"' => Err(true),
                b'\\' => Ok(Self::Escape),
                0x20..=0x7f => Ok(Self::Plain),
                0xc2..=0xdf => rest(1, 0x80, 0xbf),
                0xe0 => rest(2, 0xa0, 0xbf),
                0xed => rest(2, 0x80, 0x9f),
                0xe1..=0xef => rest(2, 0x80, 0xbf),
                0xf0 => rest(3, 0x90, 0xbf),
                0xf1..=0xf3 => rest(3, 0x80, 0xbf),
                0xf4 => rest(3, 0x80, 0x8f),
                _ => Err(false),
            },
            Self::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(Self::Plain),
                b'u' => Ok(Self::Hex(4)),
                _ => Err(false),
            },
            // Surrogates begin with d; half of one is no text.
            Self::Hex(4) if matches!(byte, b'd' | b'D') => Err(false),
            Self::Hex(left) if byte.is_ascii_hexdigit() => {
                Ok(if left == 1 { Self::Plain } else { Self::Hex(left - 1) })
            }
            Self::Hex(_) => Err(false),
            Self::Rest { count, from, to } if (from..=to).contains(&byte) => {
                if count == 1 {
                    Ok(Self::Plain)
                } else {
                    rest(count - 1, 0x80, 0xbf)
                }
            }
            Self::Rest { .. } => Err(false),
        }
    }
}

impl Grammar {
    /// Before the first byte.
    pub fn start(&self) -> Stack {
        Stack::default().with(Frame::Value { node: self.root, blank: false })
    }

    /// After one more byte; empty if it cannot follow.
    pub fn step(&self, stacks: &[Stack], byte: u8) -> Vec<Stack> {
        let mut next = Vec::with_capacity(stacks.len());
        stacks.iter().for_each(|stack| self.follow(stack.clone(), byte, &mut next));
        next.sort_unstable();
        next.dedup();
        next
    }

    fn follow(&self, mut stack: Stack, byte: u8, next: &mut Vec<Stack>) {
        let Some(frame) = stack.0.pop() else { return };
        match frame {
            Frame::Value { node, blank: true } if byte == b' ' => {
                next.push(stack.with(Frame::Value { node, blank: false }));
            }
            Frame::Value { node, .. } => self.begin(stack, node, byte, next),
            Frame::Literal { node, which, at } => {
                let Node::Literals(texts) = &self.nodes[node] else { return };
                if texts[which][at] == byte {
                    let more = at + 1 < texts[which].len();
                    next.push(if more {
                        stack.with(Frame::Literal { node, which, at: at + 1 })
                    } else {
                        stack
                    });
                }
            }
            Frame::Text(text) => match text.step(byte) {
                Ok(text) => next.push(stack.with(Frame::Text(text))),
                Err(true) => next.push(stack),
                Err(false) => {}
            },
            Frame::Number { whole, stage, count } => {
                if let Some((stage, count)) = stage.step(whole, count, byte) {
                    next.push(stack.with(Frame::Number { whole, stage, count }));
                } else if stage.may_end() {
                    // Only what comes after a number tells that it has ended.
                    self.follow(stack, byte, next);
                }
            }
            Frame::Array { node, count } => {
                let Node::Array { item, least, most } = self.nodes[node] else { return };
                let item = |blank| Frame::Value { node: item, blank };
                if byte == b']' {
                    if count >= least {
                        next.push(stack);
                    }
                } else if count == 0 && most > 0 {
                    self.follow(stack.with(Frame::Array { node, count: 1 }).with(item(false)), byte, next);
                } else if count > 0 && count < most && byte == b',' {
                    next.push(stack.with(Frame::Array { node, count: count + 1 }).with(item(true)));
                }
            }
            Frame::Object { node, used, stage } => self.member(stack, node, used, stage, byte, next),
            Frame::Dictionary { value, stage } => {
                let own = |stage| Frame::Dictionary { value, stage };
                match (stage, byte) {
                    (Member::First | Member::Comma { .. }, b'"') => {
                        next.push(stack.with(own(Member::Colon)).with(Frame::Text(Text::Plain)));
                    }
                    (Member::Comma { blank: true }, b' ') => {
                        next.push(stack.with(own(Member::Comma { blank: false })));
                    }
                    (Member::Colon, b':') => {
                        next.push(
                            stack.with(own(Member::Next)).with(Frame::Value { node: value, blank: true }),
                        );
                    }
                    (Member::Next, b',') => next.push(stack.with(own(Member::Comma { blank: true }))),
                    (Member::First | Member::Next, b'}') => next.push(stack),
                    _ => {}
                }
            }
        }
    }

    /// The first byte of a value.
    fn begin(&self, stack: Stack, node: usize, byte: u8, next: &mut Vec<Stack>) {
        match &self.nodes[node] {
            Node::Choice(choices) => {
                choices.iter().for_each(|&choice| self.begin(stack.clone(), choice, byte, next));
            }
            Node::Literals(texts) => {
                for (which, text) in texts.iter().enumerate().filter(|(_, text)| text.first() == Some(&byte))
                {
                    let stack = stack.clone();
                    let more = text.len() > 1;
                    next.push(if more { stack.with(Frame::Literal { node, which, at: 1 }) } else { stack });
                }
            }
            Node::String if byte == b'"' => next.push(stack.with(Frame::Text(Text::Plain))),
            &Node::Number { whole } => {
                let stage = match byte {
                    b'-' => Digits::Minus,
                    b'0' => Digits::Zero,
                    b'1'..=b'9' => Digits::Whole,
                    _ => return,
                };
                next.push(stack.with(Frame::Number { whole, stage, count: 1 }));
            }
            Node::Array { .. } if byte == b'[' => next.push(stack.with(Frame::Array { node, count: 0 })),
            Node::Object { .. } if byte == b'{' => {
                next.push(stack.with(Frame::Object { node, used: 0, stage: Member::First }));
            }
            &Node::Dictionary { value } if byte == b'{' => {
                next.push(stack.with(Frame::Dictionary { value, stage: Member::First }));
            }
            _ => {}
        }
    }

    fn member(&self, stack: Stack, node: usize, used: u64, stage: Member, byte: u8, next: &mut Vec<Stack>) {
        let Node::Object { keys, required } = &self.nodes[node] else { return };
        let own = |used, stage| Frame::Object { node, used, stage };
        match (stage, byte) {
            (Member::First | Member::Comma { .. }, b'"') => {
                for which in (0..keys.len()).filter(|which| used >> which & 1 == 0) {
                    next.push(stack.clone().with(own(used, Member::Key { which, at: 1 })));
                }
            }
            (Member::Comma { blank: true }, b' ') => {
                next.push(stack.with(own(used, Member::Comma { blank: false })));
            }
            (Member::Key { which, at }, _) => {
                let (key, value) = &keys[which];
                if at < key.len() {
                    if key[at] == byte {
                        next.push(stack.with(own(used, Member::Key { which, at: at + 1 })));
                    }
                } else if byte == b':' {
                    let value = Frame::Value { node: *value, blank: true };
                    next.push(stack.with(own(used | 1 << which, Member::Next)).with(value));
                }
            }
            (Member::Next, b',') if (used.count_ones() as usize) < keys.len() => {
                next.push(stack.with(own(used, Member::Comma { blank: true })));
            }
            (Member::First | Member::Next, b'}') if used & required == *required => next.push(stack),
            _ => {}
        }
    }
}
