//! Reads the one JSON shape headers have: an object of strings and lists of strings.
//!
//! Not `serde_json`: Mongrel2 copies control characters and bytes that are not UTF-8 into its
//! strings as they are, and a handler must still read the other headers of such a message.

use std::borrow::Cow;

use super::HeaderValue;
use crate::json_text;

/// Why bytes are not a JSON object of header values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonObjectError {
    /// Another byte, or the end, where the grammar asks for one of a few.
    #[error("at byte {at} of the JSON: expected {expected}")]
    Expected {
        /// Offset in the header text.
        at: usize,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A string without its closing quote.
    #[error("at byte {at} of the JSON: the string has no closing quote")]
    Unclosed {
        /// Offset of the opening quote.
        at: usize,
    },
    /// A backslash that begins no JSON escape.
    #[error("at byte {at} of the JSON: the backslash begins no JSON escape")]
    BadEscape {
        /// Offset behind the backslash.
        at: usize,
    },
}

type Entry<'a> = (Cow<'a, [u8]>, HeaderValue<'a>);

pub(super) fn parse(text: &[u8]) -> Result<Vec<Entry<'_>>, JsonObjectError> {
    let mut reader = Reader { text, at: 0 };
    let mut entries = Vec::new();
    reader.expect(b'{', "'{'")?;
    if !reader.take(b'}') {
        loop {
            let name = reader.string("a name in quotes")?;
            reader.expect(b':', "':'")?;
            entries.push((name, reader.value()?));
            if !reader.take(b',') {
                break;
            }
        }
        reader.expect(b'}', "',' or '}'")?;
    }
    reader.skip_blanks();
    if reader.at < text.len() {
        return Err(reader.expected("the end"));
    }
    Ok(entries)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<HeaderValue<'a>, JsonObjectError> {
        if !self.take(b'[') {
            return self.string("a string or a list of strings").map(HeaderValue::One);
        }
        let mut values = Vec::new();
        if self.take(b']') {
            return Ok(HeaderValue::Many(values));
        }
        loop {
            values.push(self.string("a string")?);
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b']', "',' or ']'")?;
        Ok(HeaderValue::Many(values))
    }

    fn string(&mut self, expected: &'static str) -> Result<Cow<'a, [u8]>, JsonObjectError> {
        self.expect(b'"', expected)?;
        let start = self.at;
        let unclosed = JsonObjectError::Unclosed { at: start.saturating_sub(1) };
        let rest = self.text.get(start..).unwrap_or_default();
        let end = memchr::memchr2(b'"', b'\\', rest).ok_or(unclosed)?;
        self.at = start.saturating_add(end);
        let plain = self.text.get(start..self.at).unwrap_or_default();
        if self.take_raw(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut bytes = plain.to_vec();
        while !self.take_raw(b'"') {
            match self.next().ok_or(unclosed)? {
                b'\\' => self.escape(&mut bytes)?,
                byte => bytes.push(byte),
            }
        }
        Ok(Cow::Owned(bytes))
    }

    /// Reads what follows a backslash. An escaped U+EF80 to U+EFFF is a byte of its own
    /// ([`json_text`]); the same character written raw is itself, as Mongrel2 sends it.
    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), JsonObjectError> {
        let bad = JsonObjectError::BadEscape { at: self.at };
        let plain = match self.next().ok_or(bad)? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = self.unicode_escape().ok_or(bad)?;
                match json_text::stand_in_byte(character) {
                    Some(byte) => bytes.push(byte),
                    None => {
                        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                return Ok(());
            }
            _ => return Err(bad),
        };
        bytes.push(plain);
        Ok(())
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let unit = self.hex4()?;
        let pair = if (0xd800..0xdc00).contains(&unit) {
            if !(self.take_raw(b'\\') && self.take_raw(b'u')) {
                return None;
            }
            Some(self.hex4()?)
        } else {
            None
        };
        char::decode_utf16(std::iter::once(unit).chain(pair)).next()?.ok()
    }

    fn hex4(&mut self) -> Option<u16> {
        let end = self.at.checked_add(4)?;
        let digits = self.text.get(self.at..end)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        self.at = end;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonObjectError> {
        if self.take(byte) { Ok(()) } else { Err(self.expected(expected)) }
    }

    fn expected(&self, expected: &'static str) -> JsonObjectError {
        JsonObjectError::Expected { at: self.at, expected }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        self.take_raw(byte)
    }

    fn take_raw(&mut self, byte: u8) -> bool {
        let found = self.text.get(self.at) == Some(&byte);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at = self.at.saturating_add(1);
        Some(byte)
    }

    fn skip_blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at = self.at.saturating_add(1);
        }
    }
}
