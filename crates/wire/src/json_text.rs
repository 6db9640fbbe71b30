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
    if bytes.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(bytes);
    } else {
        escape_chunks(bytes, out);
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

/// Printable ASCII that stands for itself: nearly all of what clients send.
fn is_plain(byte: u8) -> bool {
    // One bit each for 0x20 to 0x7e, without `"` and `\`; wider than a jump per range.
    const PLAIN: u128 = {
        let printable = (u128::MAX << 0x20) & !(1 << 0x7f);
        printable & !(1 << b'"') & !(1 << b'\\')
    };
    byte < 0x80 && (PLAIN >> byte) & 1 == 1
}

#[cold]
fn escape_chunks(bytes: &[u8], out: &mut BytesMut) {
    for chunk in bytes.utf8_chunks() {
        escape_valid(chunk.valid(), out);
        chunk.invalid().iter().for_each(|byte| escape_byte(*byte, out));
    }
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
        out.extend_from_slice(bytes.get(plain..index).unwrap_or_default());
        plain = index.saturating_add(width);
        bytes.get(index..plain).unwrap_or_default().iter().for_each(|b| escape_byte(*b, out));
    }
    out.extend_from_slice(text.as_bytes().get(plain..).unwrap_or_default());
}

fn needs_escape(byte: u8) -> bool {
    matches!(byte, 0..=0x1f | b'"' | b'\\' | 0x7f | 0xee)
}

fn escape_byte(byte: u8, out: &mut BytesMut) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => {
            out.extend_from_slice(if byte < 0x80 { b"\\u00" } else { b"\\uef" });
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        let mut out = BytesMut::new();
        escape(bytes, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn escapes_follow_the_rule() {
        let check = |bytes: &[u8], want: &str| assert_eq!(escaped(bytes), want, "{bytes:?}");
        check(b"", "");
        check(b"plain", "plain");
        check(b"a\"b\\c/d", "a\\\"b\\\\c/d");
        check(b"\t\n\r\x00\x1f\x7f", "\\t\\n\\r\\u0000\\u001f\\u007f");
        check("café \u{10ffff}".as_bytes(), "café \u{10ffff}");
        check(b"caf\xe9!", "caf\\uefe9!");
        check(b"\xe2\x28", "\\uefe2(");
        check(b"\xf0\x9f\x98", "\\ueff0\\uef9f\\uef98");
        check("\u{ef7f}\u{f000}\u{e000}".as_bytes(), "\u{ef7f}\u{f000}\u{e000}");
        check("\u{ef80}".as_bytes(), "\\uefee\\uefbe\\uef80");
        check("x\u{efff}\"".as_bytes(), "x\\uefee\\uefbf\\uefbf\\\"");
        check("\u{2028}".as_bytes(), "\u{2028}");
    }

    #[test]
    fn unescape_borrows_what_has_no_stand_in() {
        assert!(matches!(unescape("café"), Cow::Borrowed(_)));
        assert_eq!(&*unescape("caf\u{efe9}"), b"caf\xe9");
    }

    fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
        let special = prop_oneof![
            Just(b"\xee\xbe\x80".to_vec()),
            Just(b"\xee\xbf\xbf".to_vec()),
            Just(b"\xee\xbe".to_vec()),
            Just(b"\"\\".to_vec()),
            any::<char>().prop_map(|c| c.to_string().into_bytes()),
            any::<Vec<u8>>(),
        ];
        prop::collection::vec(special, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_pass_through_a_json_parser(bytes in any_bytes()) {
            let json = format!("\"{}\"", escaped(&bytes));
            let text: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(unescape(&text).into_owned(), bytes);
        }
    }
}
