//! From the text of a pattern to its items; what is malformed is refused here, not at a request.

use super::{ByteSet, Item, Pattern};

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {what}")]
pub struct PatternFault {
    /// Bytes from the start of the pattern.
    pub offset: usize,
    pub what: PatternFaultKind,
}

/// The rule that a pattern breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFaultKind {
    #[error("a pattern can't end in \\, write \\\\ for a backslash")]
    EndsInEscape,
    #[error("this [ has no ], write \\[ for a bracket")]
    UnclosedSet,
    #[error("\\b needs the two characters to balance, as in \\b()")]
    BalanceWithoutPair,
    #[error("\\f needs a set, as in \\f[a-z]")]
    FrontierWithoutSet,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The first rule that `text` breaks, with the place.
    pub fn compile(text: &str) -> Result<Self, PatternFault> {
        let mut reader = Reader { text: text.as_bytes(), at: 0 };
        let mut items = Vec::new();
        let mut to_the_end = false;
        while let Some(byte) = reader.peek(0) {
            match (byte, reader.peek(1)) {
                // Parentheses only mark where the pattern begins; there are no captures.
                (b'(' | b')', _) => reader.at += 1,
                (b'$', None) => {
                    to_the_end = true;
                    reader.at += 1;
                }
                (b'\\', Some(b'b')) => items.push(reader.balanced()?),
                (b'\\', Some(b'f')) => items.push(reader.frontier()?),
                _ => items.push(reader.single()?),
            }
        }
        Ok(Self { items: items.into(), to_the_end })
    }

    /// The same pattern for texts in lower case: letters match in either case.
    #[must_use]
    pub fn fold_case(mut self) -> Self {
        for item in &mut self.items {
            match item {
                Item::One(set)
                | Item::Optional(set)
                | Item::Many(set)
                | Item::Some(set)
                | Item::Frontier(set) => *set = set.fold_case(),
                Item::Balanced(open, close) => {
                    open.make_ascii_lowercase();
                    close.make_ascii_lowercase();
                }
            }
        }
        self
    }
}

/// A place in the text of a pattern.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn fault(&self, what: PatternFaultKind) -> PatternFault {
        PatternFault { offset: self.at, what }
    }

    fn balanced(&mut self) -> Result<Item, PatternFault> {
        let (Some(open), Some(close)) = (self.peek(2), self.peek(3)) else {
            return Err(self.fault(PatternFaultKind::BalanceWithoutPair));
        };
        self.at += 4;
        Ok(Item::Balanced(open, close))
    }

    fn frontier(&mut self) -> Result<Item, PatternFault> {
        if self.peek(2) != Some(b'[') {
            return Err(self.fault(PatternFaultKind::FrontierWithoutSet));
        }
        self.at += 2;
        Ok(Item::Frontier(self.set()?))
    }

    /// One character, class or set with the quantifier that may follow it.
    fn single(&mut self) -> Result<Item, PatternFault> {
        let set = match self.peek(0) {
            Some(b'[') => self.set()?,
            Some(b'\\') => self.class()?,
            Some(b'.') => {
                self.at += 1;
                ByteSet::ALL
            }
            other => {
                self.at += 1;
                other.map_or_else(ByteSet::default, ByteSet::of)
            }
        };
        let item = match self.peek(0) {
            Some(b'?') => Item::Optional(set),
            Some(b'*' | b'-') => Item::Many(set),
            Some(b'+') => Item::Some(set),
            _ => return Ok(Item::One(set)),
        };
        self.at += 1;
        Ok(item)
    }

    /// `\a` and the like; any other character after `\` is itself.
    fn class(&mut self) -> Result<ByteSet, PatternFault> {
        let Some(name) = self.peek(1) else {
            return Err(self.fault(PatternFaultKind::EndsInEscape));
        };
        self.at += 2;
        let set = match name.to_ascii_lowercase() {
            b'a' => ByteSet::from_fn(|b| b.is_ascii_alphabetic()),
            b'c' => ByteSet::from_fn(|b| b.is_ascii_control()),
            b'd' => ByteSet::from_fn(|b| b.is_ascii_digit()),
            b'l' => ByteSet::from_fn(|b| b.is_ascii_lowercase()),
            b'p' => ByteSet::from_fn(|b| b.is_ascii_punctuation()),
            // C's isspace, which has the vertical tab.
            b's' => ByteSet::from_fn(|b| b.is_ascii_whitespace() || b == 0x0b),
            b'u' => ByteSet::from_fn(|b| b.is_ascii_uppercase()),
            b'w' => ByteSet::from_fn(|b| b.is_ascii_alphanumeric()),
            b'x' => ByteSet::from_fn(|b| b.is_ascii_hexdigit()),
            b'z' => ByteSet::of(0),
            _ => return Ok(ByteSet::of(name)),
        };
        Ok(if name.is_ascii_uppercase() { set.complement() } else { set })
    }

    /// `[...]`; a `]` that comes first is an ordinary character.
    fn set(&mut self) -> Result<ByteSet, PatternFault> {
        let unclosed = self.fault(PatternFaultKind::UnclosedSet);
        self.at += 1;
        let negated = self.peek(0) == Some(b'^');
        if negated {
            self.at += 1;
        }
        let mut set = ByteSet::default();
        let mut first = true;
        loop {
            match self.peek(0) {
                None => return Err(unclosed),
                Some(b']') if !first => break,
                Some(b'\\') => {
                    let class = self.class().map_err(|_| unclosed)?;
                    set = set.union(class);
                }
                Some(low) => {
                    self.at += 1;
                    match (self.peek(0), self.peek(1)) {
                        (Some(b'-'), Some(high)) if high != b']' => {
                            self.at += 2;
                            (low..=high).for_each(|b| set.insert(b));
                        }
                        _ => set.insert(low),
                    }
                }
            }
            first = false;
        }
        self.at += 1;
        Ok(if negated { set.complement() } else { set })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_patterns_are_refused_with_the_place() {
        let check = |text: &str, offset: usize, what: PatternFaultKind| {
            assert_eq!(Pattern::compile(text), Err(PatternFault { offset, what }), "{text}");
        };
        check("(a\\", 2, PatternFaultKind::EndsInEscape);
        check("([0-9)$", 1, PatternFaultKind::UnclosedSet);
        check("[", 0, PatternFaultKind::UnclosedSet);
        check("[]", 0, PatternFaultKind::UnclosedSet);
        check("[^]", 0, PatternFaultKind::UnclosedSet);
        check("x[a\\", 1, PatternFaultKind::UnclosedSet);
        check("x[a\\]", 1, PatternFaultKind::UnclosedSet);
        check("(\\b(", 1, PatternFaultKind::BalanceWithoutPair);
        check("\\fa", 0, PatternFaultKind::FrontierWithoutSet);
        check("\\f[a", 2, PatternFaultKind::UnclosedSet);
    }
}
