//! Chunked framing, both ways: the state machine that follows it and the few bytes that make it.

/// The interim response that asks for the body (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Ends a chunk's data.
pub const CRLF: &[u8] = b"\r\n";
/// Ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The size line of one chunk, built without allocating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    bytes: [u8; 18],
    start: u8,
}

/// The size line for a chunk of `len` bytes. `len` must not be 0: that would end the body.
pub fn encode_chunk_header(len: u64) -> ChunkHeader {
    debug_assert!(len > 0, "a chunk of 0 bytes ends the body; write LAST_CHUNK instead");
    let mut bytes = *b"0000000000000000\r\n";
    let mut left = len;
    let mut start = 16;
    for (at, slot) in bytes.iter_mut().enumerate().take(16).rev() {
        let digit = (left & 0xf) as u8;
        *slot = if digit < 10 { b'0' | digit } else { b'a'.wrapping_add(digit.wrapping_sub(10)) };
        left >>= 4;
        start = at as u8;
        if left == 0 {
            break;
        }
    }
    ChunkHeader { bytes, start }
}

impl AsRef<[u8]> for ChunkHeader {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(usize::from(self.start)..).unwrap_or_default()
    }
}
