//! Writes tnetstrings: appends to a buffer and patches lengths in place.

use bytes::{BufMut, BytesMut};

use super::Value;

/// Appends `LENGTH:bytes,`.
pub fn write_bytes(out: &mut BytesMut, bytes: &[u8]) {
    write_payload(out, bytes, b',');
}

/// Appends an integer, `2:42#`.
pub fn write_integer(out: &mut BytesMut, number: i64) {
    // A sign, and the digits at the end.
    let mut text = [b'-'; 1 + DECIMAL_MAX];
    let magnitude = |digits| decimal(number.unsigned_abs(), digits).len();
    let digits = text.last_chunk_mut().map_or(0, magnitude);
    let length = digits.saturating_add(usize::from(number < 0));
    let start = text.len().saturating_sub(length);
    write_payload(out, text.get(start..).unwrap_or_default(), b'#');
}

/// Appends a float in the shortest form that reads back equal; what is not finite becomes null.
pub fn write_float(out: &mut BytesMut, number: f64) {
    if number.is_finite() {
        write_payload(out, number.to_string().as_bytes(), b'^');
    } else {
        write_null(out);
    }
}

/// Appends `4:true!` or `5:false!`.
pub fn write_bool(out: &mut BytesMut, value: bool) {
    out.extend_from_slice(if value { b"4:true!" } else { b"5:false!" });
}

/// Appends `0:~`.
pub fn write_null(out: &mut BytesMut) {
    out.extend_from_slice(b"0:~");
}

/// Appends a list whose items `items` writes.
pub fn write_list(out: &mut BytesMut, items: impl FnOnce(&mut BytesMut)) {
    write_container(out, b']', items);
}

/// Appends a dictionary; `entries` writes each key by [`write_bytes`], then its value.
pub fn write_dict(out: &mut BytesMut, entries: impl FnOnce(&mut BytesMut)) {
    write_container(out, b'}', entries);
}

/// Appends any value.
pub fn write_value(out: &mut BytesMut, value: &Value<'_>) {
    match value {
        Value::Null => write_null(out),
        Value::Bool(value) => write_bool(out, *value),
        Value::Integer(number) => write_integer(out, *number),
        Value::Float(number) => write_float(out, *number),
        Value::Bytes(bytes) => write_bytes(out, bytes),
        Value::List(items) => {
            write_list(out, |out| items.iter().for_each(|item| write_value(out, item)));
        }
        Value::Dict(entries) => write_dict(out, |out| {
            for (key, value) in entries {
                write_bytes(out, key);
                write_value(out, value);
            }
        }),
    }
}

/// Room for 2^64 - 1.
pub(crate) const DECIMAL_MAX: usize = 20;

/// The decimal digits of `number`, written to the end of `digits`.
pub(crate) fn decimal(number: u64, digits: &mut [u8; DECIMAL_MAX]) -> &[u8] {
    let mut rest = number;
    let mut start = DECIMAL_MAX;
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        start = index;
        if rest == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

/// Most containers of this protocol are 100 to 999 bytes; a right guess saves moving them.
const LENGTH_GUESS: &[u8] = b"000:";

/// Leaves room for a length and its colon; returns where the payload begins.
pub(crate) fn reserve_length(out: &mut BytesMut) -> usize {
    out.extend_from_slice(LENGTH_GUESS);
    out.len()
}

/// Writes the length of what was appended since [`reserve_length`] returned `payload_start`.
pub(crate) fn patch_length(out: &mut BytesMut, payload_start: usize) {
    let payload_len = out.len().saturating_sub(payload_start);
    let length_start = payload_start.saturating_sub(LENGTH_GUESS.len());
    let mut digits = [0; DECIMAL_MAX];
    let length = decimal(to_u64(payload_len), &mut digits);
    let new_start = length_start.saturating_add(length.len()).saturating_add(1);
    if new_start > payload_start {
        out.put_bytes(0, new_start.saturating_sub(payload_start));
    }
    if new_start != payload_start {
        out.copy_within(payload_start..payload_start.saturating_add(payload_len), new_start);
        out.truncate(new_start.saturating_add(payload_len));
    }
    if let Some(prefix) = out.get_mut(length_start..new_start)
        && let Some((colon, place)) = prefix.split_last_mut()
    {
        place.copy_from_slice(length);
        *colon = b':';
    }
}

fn write_container(out: &mut BytesMut, tag: u8, content: impl FnOnce(&mut BytesMut)) {
    let payload_start = reserve_length(out);
    content(out);
    patch_length(out, payload_start);
    out.put_u8(tag);
}

fn write_payload(out: &mut BytesMut, payload: &[u8], tag: u8) {
    // The digits at the end, and a colon.
    let mut text = [b':'; DECIMAL_MAX + 1];
    let length = |digits| decimal(to_u64(payload.len()), digits).len();
    let digits = text.first_chunk_mut().map_or(0, length);
    let prefix = text.get(DECIMAL_MAX.saturating_sub(digits)..).unwrap_or_default();
    out.reserve(prefix.len().saturating_add(payload.len()).saturating_add(1));
    out.extend_from_slice(prefix);
    out.extend_from_slice(payload);
    out.put_u8(tag);
}

/// `usize` is at most 64 bits wide on every platform Rust has.
fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
