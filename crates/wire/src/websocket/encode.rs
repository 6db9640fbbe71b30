//! Writes the frames of a server: whole messages, never masked.

use bytes::{BufMut, Bytes, BytesMut};

use super::flags;

/// The longest payload of a control frame.
pub(super) const CONTROL_MAX: usize = 125;

/// Appends a frame with these [`flags`] and this payload.
pub fn frame(flags: u8, payload: &[u8], out: &mut BytesMut) {
    out.reserve(payload.len().saturating_add(10));
    out.put_u8(flags);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => out.put_u8(length),
        (_, Ok(length)) => {
            out.put_u8(126);
            out.put_u16(length);
        }
        _ => {
            out.put_u8(127);
            out.put_u64(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        }
    }
    out.put_slice(payload);
}

/// A close frame with a [`code`](super::code) and a reason, of which at most 123 bytes are sent.
#[must_use]
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(CONTROL_MAX.saturating_sub(2));
    while !reason.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let mut payload = BytesMut::with_capacity(CONTROL_MAX);
    payload.put_u16(code);
    payload.put_slice(reason.as_bytes().get(..end).unwrap_or_default());
    let mut out = BytesMut::new();
    frame(flags::CLOSE, &payload, &mut out);
    out.freeze()
}
