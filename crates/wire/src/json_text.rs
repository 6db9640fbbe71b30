//! Bytes as JSON text and back: always valid JSON, and nothing is lost.
//!
//! The rule: valid UTF-8 is copied, with `"`, `\`, the control characters and DEL escaped. A byte
//! that is not part of valid UTF-8 becomes the private-use character U+EF00 + byte, so U+EF80 to
//! U+EFFF (the range of MirBSD's OPTU-8). A genuine character of that range counts as three invalid
//! bytes, so the mapping stays reversible. Characters of the range are written as `\uefxx`.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

/// Appends `bytes` as the inside of a JSON string, without the quotes.
pub fn escape(bytes: &[u8], out: &mut BytesMut) {
    out.reserve(bytes.len());
    for chunk in bytes.utf8_chunks() {
        escape_valid(chunk.valid(), out);
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, out));
    }
}

/// The bytes that [`escape`] was given, from the text a JSON parser returned.
#[must_use]
pub fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(is_stand_in) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut utf8 = [0; 4];
    for character in text.chars() {
        match stand_in_byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut utf8).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The byte that a character of U+EF80 to U+EFFF stands for.
pub(crate) fn stand_in_byte(character: char) -> Option<u8> {
    if !is_stand_in(character) {
        return None;
    }
    u8::try_from(u32::from(character) & 0xff).ok()
}

fn is_stand_in(character: char) -> bool {
    ('\u{ef80}'..='\u{efff}').contains(&character)
}

fn escape_valid(text: &str, out: &mut BytesMut) {
    let mut plain = 0;
    for (index, byte) in text.bytes().enumerate() {
        if !needs_escape(byte) {
            continue;
        }
        // 0xEE begins U+E000 to U+EFFF; only U+EF80 to U+EFFF, so EE BE/BF, is special.
        let bytes = text.as_bytes();
        if byte == 0xee && !matches!(bytes.get(index.saturating_add(1)), Some(0xbe | 0xbf)) {
            continue;
        }
        let width = if byte == 0xee { 3 } else { 1 };
        out.put_slice(bytes.get(plain..index).unwrap_or_default());
        plain = index.saturating_add(width);
        bytes.get(index..plain).unwrap_or_default().iter().for_each(|b| escape_byte(*b, out));
    }
    out.put_slice(text.as_bytes().get(plain..).unwrap_or_default());
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f | 0xee)
}

fn escape_byte(byte: u8, out: &mut BytesMut) {
    match byte {
        b'"' => out.put_slice(b"\\\""),
        b'\\' => out.put_slice(b"\\\\"),
        b'\t' => out.put_slice(b"\\t"),
        b'\n' => out.put_slice(b"\\n"),
        b'\r' => out.put_slice(b"\\r"),
        _ => {
            out.put_slice(if byte < 0x80 { b"\\u00" } else { b"\\uef" });
            out.put_u8(hex_digit(byte >> 4));
            out.put_u8(hex_digit(byte & 0xf));
        }
    }
}

fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0'.wrapping_add(nibble),
        _ => b'a'.wrapping_add(nibble.wrapping_sub(10)),
    }
}
