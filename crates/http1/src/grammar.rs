//! The character classes of RFC 9110 and RFC 3986, and the one scan that finds what may not stand in a line.

const TOKEN: u8 = 1;
const TARGET: u8 = 2;
const TARGET_RELAXED: u8 = 4;
const HOST: u8 = 8;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = class(byte as u8);
        byte += 1;
    }
    table
};

const fn class(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            TOKEN | TARGET | TARGET_RELAXED | HOST
        }
        b'!' | b'$' | b'&' | b'\'' | b'*' | b'+' => TOKEN | TARGET | TARGET_RELAXED | HOST,
        b'(' | b')' | b';' | b'=' => TARGET | TARGET_RELAXED | HOST,
        // A comma in a host would read as a list, a percent escape as another name.
        b',' | b'/' | b':' | b'?' | b'@' => TARGET | TARGET_RELAXED,
        b'%' => TOKEN | TARGET | TARGET_RELAXED,
        b'^' => TOKEN | TARGET_RELAXED,
        b'{' | b'}' => TARGET_RELAXED,
        b'#' | b'`' | b'|' => TOKEN,
        _ => 0,
    }
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

/// A `tchar` of RFC 9110 section 5.6.2.
pub(crate) fn is_token_char(byte: u8) -> bool {
    is(byte, TOKEN)
}

/// A `token` of RFC 9110 section 5.6.2.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_char(*byte))
}

/// A byte that may stand in a path or query; `%` is one, and its digits are checked apart.
pub(crate) fn is_target_char(byte: u8, relaxed: bool) -> bool {
    is(byte, if relaxed { TARGET_RELAXED } else { TARGET })
}

/// A byte of a registered name, as a server that wants one reading takes it.
pub(crate) fn is_host_char(byte: u8) -> bool {
    is(byte, HOST)
}

/// Without spaces and tabs at both ends: the OWS of RFC 9110 section 5.6.3.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |at| at + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// The elements of a comma-separated list, trimmed; empty ones included (RFC 9110 section 5.6.1).
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}

/// A `1*DIGIT` below 2^64; signs, spaces and lists are no numbers (RFC 9110 section 8.6).
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The first control byte other than tab: a line's end, or what no line may hold.
#[inline]
pub(crate) fn next_control(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        if may_hold_control(u64::from_le_bytes(*word))
            && let Some(found) = word.iter().position(is_control)
        {
            return Some(at + found);
        }
        at += 8;
    }
    rest.iter().position(is_control).map(|found| at + found)
}

fn is_control(byte: &u8) -> bool {
    (*byte < b' ' && *byte != b'\t') || *byte == 0x7f
}

/// Eight bytes at once: true if one of them is below 0x20 or is 0x7f, and for nothing else but tab.
fn may_hold_control(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let not_del = word ^ (ONES * 0x7f);
    let del = not_del.wrapping_sub(ONES) & !not_del;
    (below_space | del) & HIGH != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_characters_are_those_of_rfc_9110_section_5_6_2() {
        for byte in 0..=255_u8 {
            let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(is_token_char(byte), expected, "byte {byte:#04x}");
        }
    }

    #[test]
    fn target_characters_are_those_of_the_reference() {
        let strict = b"!$&'()*+,-./:;=?@_~%";
        for byte in 0..=255_u8 {
            let expected = byte.is_ascii_alphanumeric() || strict.contains(&byte);
            assert_eq!(is_target_char(byte, false), expected, "byte {byte:#04x}");
            let relaxed = expected || b"{}^".contains(&byte);
            assert_eq!(is_target_char(byte, true), relaxed, "byte {byte:#04x}, relaxed");
        }
    }

    #[test]
    fn each_control_byte_is_found_at_each_place() {
        for place in 0..40 {
            for byte in 0..=255_u8 {
                let mut line = [b'\t'; 40];
                line[place] = byte;
                line[place + 1..].fill(0xff);
                let control = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
                assert_eq!(next_control(&line), control.then_some(place), "{byte:#04x} at {place}");
            }
        }
    }

    #[test]
    fn decimals_are_digits_below_two_to_the_sixty_fourth() {
        let cases: [(&str, Option<u64>); 10] = [
            ("0", Some(0)),
            ("00005", Some(5)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("+5", None),
            ("-1", None),
            ("5 ", None),
            ("5.0", None),
            ("0x5", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decimal(text.as_bytes()), expected, "{text:?}");
        }
    }
}
