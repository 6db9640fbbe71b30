//! The bounds on what a peer may send, each with its unit, its default and the reason for it.

/// Bounds on one request. The defaults are those of DESIGN section 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of request line, fields and the empty line; 16 384 fits, one more is 431.
    pub head_bytes_max: usize,
    /// Fields in a head, and again in a trailer section; one more is 431.
    pub fields_max: usize,
    /// Bytes of the request target; RFC 9112 section 3 asks for at least 8 000. One more is 414.
    pub target_bytes_max: usize,
    /// `request.relaxed`: the target may also hold `{`, `}` and `^`. Relaxes nothing else.
    pub relaxed_uri: bool,
    /// Bytes of one chunk-size line with its extensions, without CRLF.
    pub chunk_line_max: usize,
    /// Bytes of a whole trailer section, its last CRLF included.
    pub trailer_bytes_max: usize,
}

/// Bytes of a method. The longest registered one has 17 (`UPDATEREDIRECTREF`); RFC 9112 section 3 asks for 501
/// when a method is longer than any we serve.
pub const METHOD_BYTES_MAX: usize = 32;

/// Bytes of chunk extensions in a whole body: one-byte chunks with long extensions are an amplification
/// (CVE-2023-39326), which a bound on each line alone does not stop.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a handler's response head. Larger than a request's, since handlers are ours and cookies are not small.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes_max: 16 * 1024,
            fields_max: 100,
            target_bytes_max: 8 * 1024,
            relaxed_uri: false,
            chunk_line_max: 1024,
            trailer_bytes_max: 8 * 1024,
        }
    }
}
