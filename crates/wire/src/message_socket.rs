//! Messages that clients send without HTTP: JSON (`@path {…}` NUL), XML (`<tag …>` NUL) and Flash's policy request.

use bytes::{Buf, Bytes, BytesMut};

/// What a message is written in; its first byte tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `@path {…}`.
    Json,
    /// `<tag …>`.
    Xml,
}

/// A whole message, without its NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is written in.
    pub kind: Kind,
    /// `@path` or `<tag`: printable ASCII without a space.
    pub path: Bytes,
    /// The object of a JSON message; all of an XML message.
    pub body: Bytes,
}

/// Why bytes are not a message; the client is told, and the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MessageError {
    /// A path is `@` and letters, digits or any of `-._~!$&'()*+,;=:@/%`, up to a space.
    #[error("path of a JSON message holds the byte {0:#04x}, expected a space after it")]
    PathByte(u8),
    /// `@*` is where handlers are told that a client has left.
    #[error("path of a JSON message is @*, which is the server's own")]
    ReservedPath,
    /// One space, then an object.
    #[error("JSON message has the byte {0:#04x} after its path and a space, expected '{{'")]
    NoObject(u8),
    /// A tag is letters, digits, `.` and `-`, up to a `/`, a blank or a `>`.
    #[error("tag of an XML message holds the byte {0:#04x}")]
    TagByte(u8),
    /// `limits.buffer_size`.
    #[error("message is longer than limits.buffer_size, {max} bytes")]
    TooLong {
        /// The limit in force.
        max: usize,
    },
}

/// Takes messages off a client's bytes; looks at each byte once, whatever pieces they come in.
#[derive(Debug, Default)]
pub struct MessageReader {
    phase: Phase,
    /// Up to here the input has been looked at.
    at: usize,
    /// Where the path begins and ends.
    path: (usize, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Start,
    JsonPath,
    JsonOpen,
    JsonBody,
    /// Behind `<`, which may also begin `<?xml …?>`.
    XmlStart,
    XmlDeclaration,
    /// Behind a declaration: blanks, then `<`.
    XmlAfterDeclaration,
    XmlTag,
    XmlBody,
}

/// Whether a connection's next bytes are a message and not HTTP.
#[must_use]
pub fn begins(first_byte: u8) -> bool {
    matches!(first_byte, b'@' | b'<')
}

impl MessageReader {
    /// Takes the next message off the front of `input`, of at most `bytes_max` bytes with its NUL;
    /// `None` while more must come. The first byte must be one that [`begins`] a message.
    ///
    /// # Errors
    ///
    /// A [`MessageError`], as soon as the bytes show it.
    pub fn next(
        &mut self,
        input: &mut BytesMut,
        bytes_max: usize,
    ) -> Result<Option<Message>, MessageError> {
        // What lies beyond the bound is not looked at: the error is the same in any pieces.
        let within = input.get(..bytes_max).unwrap_or(input);
        let Some(end) = self.scan(within)? else {
            let is_full = input.len() >= bytes_max;
            return if is_full { Err(MessageError::TooLong { max: bytes_max }) } else { Ok(None) };
        };
        let is_json = self.phase == Phase::JsonBody;
        let (from, to) = self.path;
        *self = Self::default();
        let message = input.split_to(end).freeze();
        input.advance(1);
        let path = message.slice(from..to);
        if *path == *b"@*" {
            return Err(MessageError::ReservedPath);
        }
        Ok(Some(if is_json {
            Message { kind: Kind::Json, path, body: message.slice(to.saturating_add(1)..) }
        } else {
            Message { kind: Kind::Xml, path, body: message }
        }))
    }

    /// Where the NUL is that ends the message.
    fn scan(&mut self, input: &[u8]) -> Result<Option<usize>, MessageError> {
        while let Some(&byte) = input.get(self.at) {
            match self.phase {
                Phase::JsonBody => return Ok(self.find_end(input, b'}')),
                Phase::XmlBody => return Ok(self.find_end(input, b'>')),
                Phase::Start if byte == b'@' => self.begin_path(Phase::JsonPath),
                Phase::Start => self.begin_path(Phase::XmlStart),
                Phase::JsonPath if byte == b' ' => self.end_path(Phase::JsonOpen),
                Phase::JsonPath if is_path_byte(byte) => {}
                Phase::JsonPath => return Err(MessageError::PathByte(byte)),
                Phase::JsonOpen if byte == b'{' => self.phase = Phase::JsonBody,
                Phase::JsonOpen => return Err(MessageError::NoObject(byte)),
                Phase::XmlStart if byte == b'?' => self.phase = Phase::XmlDeclaration,
                Phase::XmlStart | Phase::XmlTag if is_tag_byte(byte) => self.phase = Phase::XmlTag,
                // The `>` of `<tag>` may itself be the one before the NUL, so it is looked at again.
                Phase::XmlTag if ends_tag(byte) => self.end_path(Phase::XmlBody),
                Phase::XmlStart | Phase::XmlTag => return Err(MessageError::TagByte(byte)),
                Phase::XmlDeclaration if byte == b'>' && self.follows(input, b'?') => {
                    self.phase = Phase::XmlAfterDeclaration;
                }
                Phase::XmlDeclaration if byte == 0 => return Err(MessageError::TagByte(byte)),
                Phase::XmlDeclaration => {}
                Phase::XmlAfterDeclaration if byte == b'<' => self.begin_path(Phase::XmlTag),
                Phase::XmlAfterDeclaration if byte.is_ascii_whitespace() => {}
                Phase::XmlAfterDeclaration => return Err(MessageError::TagByte(byte)),
            }
            self.at = self.at.saturating_add(1);
        }
        Ok(None)
    }

    fn begin_path(&mut self, phase: Phase) {
        self.path.0 = self.at;
        self.phase = phase;
    }

    fn end_path(&mut self, phase: Phase) {
        self.path.1 = self.at;
        self.phase = phase;
    }

    /// The first NUL that follows `last`.
    fn find_end(&mut self, input: &[u8], last: u8) -> Option<usize> {
        while let Some(found) = memchr::memchr(0, input.get(self.at..).unwrap_or_default()) {
            self.at = self.at.saturating_add(found);
            if self.follows(input, last) {
                return Some(self.at);
            }
            self.at = self.at.saturating_add(1);
        }
        self.at = input.len();
        None
    }

    /// Whether the byte before the present one is `byte`.
    fn follows(&self, input: &[u8], byte: u8) -> bool {
        self.at.checked_sub(1).and_then(|before| input.get(before)) == Some(&byte)
    }
}

impl Message {
    /// A sign of life, meant for the server: `{"type":"ping"}` to a path of lower-case letters
    /// and slashes.
    #[must_use]
    pub fn is_ping(&self) -> bool {
        let name = self.path.strip_prefix(b"@").unwrap_or_default();
        self.kind == Kind::Json
            && name.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'/'))
            && self
                .body
                .strip_prefix(b"{\"type\":")
                .is_some_and(|value| value.trim_ascii_start() == b"\"ping\"}")
    }

    /// Flash asks who may connect; the answer is [`FLASH_POLICY`].
    #[must_use]
    pub fn is_policy_request(&self) -> bool {
        *self.path == *b"<policy-file-request"
    }
}

/// Everybody may connect anywhere, as Mongrel2 has always said.
pub const FLASH_POLICY: &[u8] = b"<?xml version=\"1.0\"?>\
    <!DOCTYPE cross-domain-policy SYSTEM \
    \"http://www.macromedia.com/xml/dtds/cross-domain-policy.dtd\">\
    <cross-domain-policy> <allow-access-from domain=\"*\" to-ports=\"*\" /></cross-domain-policy>\0";

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte)
}

fn is_tag_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

fn ends_tag(byte: u8) -> bool {
    matches!(byte, b'/' | b'>' | b'\x0b') || byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 64;

    /// The messages of `input`, given in pieces of `size` bytes, then the error if there is one.
    fn read(input: &[u8], size: usize) -> (Vec<Message>, Option<MessageError>, usize) {
        let (mut reader, mut buffer) = (MessageReader::default(), BytesMut::new());
        let mut messages = Vec::new();
        for piece in input.chunks(size) {
            buffer.extend_from_slice(piece);
            while buffer.first().is_some_and(|first| begins(*first)) {
                match reader.next(&mut buffer, MAX) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error), buffer.len()),
                }
            }
        }
        (messages, None, buffer.len())
    }

    fn check(input: &[u8], want: &[(&str, &str)], error: Option<MessageError>) {
        for size in [1, 2, 3, 5, input.len()] {
            let (read, found, _) = read(input, size);
            let read: Vec<_> = read
                .iter()
                .map(|m| (str::from_utf8(&m.path).unwrap(), str::from_utf8(&m.body).unwrap()))
                .collect();
            assert_eq!((read, found), (want.to_vec(), error), "{} by {size}", input.escape_ascii());
        }
    }

    #[test]
    fn json_is_a_path_and_an_object() {
        check(b"@chat {\"a\":1}\0", &[("@chat", "{\"a\":1}")], None);
        check(b"@a/b;c=%20 {}\0@ {}\0", &[("@a/b;c=%20", "{}"), ("@", "{}")], None);
        check(b"@t {\"a\":\"\0\"}\0", &[("@t", "{\"a\":\"\0\"}")], None);
        check(b"@t {no json}\0", &[("@t", "{no json}")], None);
        check(b"@t {\"b\":{}} \0", &[], None);
        check(b"@t {\"b\":{}}", &[], None);
        check(b"@t [1]\0", &[], Some(MessageError::NoObject(b'[')));
        check(b"@t  {}\0", &[], Some(MessageError::NoObject(b' ')));
        check(b"@t{}\0", &[], Some(MessageError::PathByte(b'{')));
        check(b"@t?x {}\0", &[], Some(MessageError::PathByte(b'?')));
        check(b"@t\xff {}\0", &[], Some(MessageError::PathByte(0xff)));
        check(b"@* {\"type\":\"disconnect\"}\0", &[], Some(MessageError::ReservedPath));
        check(b"@** {}\0", &[("@**", "{}")], None);
    }

    #[test]
    fn xml_is_named_by_its_tag() {
        check(b"<t a=\"1\">x</t>\0", &[("<t", "<t a=\"1\">x</t>")], None);
        check(b"<t/>\0<a.b-C9\n>\0", &[("<t", "<t/>"), ("<a.b-C9", "<a.b-C9\n>")], None);
        check(b"<t>\0", &[("<t", "<t>")], None);
        check(b"<t>a\0b</t>\0", &[("<t", "<t>a\0b</t>")], None);
        check(b"<?xml a?>\n <t/>\0", &[("<t", "<?xml a?>\n <t/>")], None);
        check(b"<t>x</t>", &[], None);
        check(b"< t>\0", &[], Some(MessageError::TagByte(b' ')));
        check(b"<t\xff>\0", &[], Some(MessageError::TagByte(0xff)));
        check(b"<?xml?>x\0", &[], Some(MessageError::TagByte(b'x')));
        check(b"<?xml\0", &[], Some(MessageError::TagByte(0)));
    }

    #[test]
    fn the_bound_counts_the_nul() {
        let sized = |size: usize| format!("@t {{{}}}\0", "x".repeat(size - 6)).into_bytes();
        assert_eq!(read(&sized(MAX), MAX).0.len(), 1);
        for size in [1, 7, MAX + 1] {
            let (messages, error, held) = read(&sized(MAX + 1), size);
            assert_eq!((messages.len(), error), (0, Some(MessageError::TooLong { max: MAX })));
            assert!(held <= MAX + size);
        }
        // A byte beyond the bound that would be an error of its own.
        let beyond = [b"@", &b"t".repeat(MAX)[..], b"?"].concat();
        for size in [1, 7, MAX + 2] {
            assert_eq!(read(&beyond, size).1, Some(MessageError::TooLong { max: MAX }));
        }
    }

    #[test]
    fn pings_and_policy_requests_are_known() {
        for (input, ping, policy) in [
            ("@chat {\"type\":\"ping\"}\0", true, false),
            ("@a/b {\"type\": \t\"ping\"}\0", true, false),
            ("@Chat {\"type\":\"ping\"}\0", false, false),
            ("@chat {\"type\":\"ping\",\"x\":1}\0", false, false),
            ("@chat {\"type\":\"pong\"}\0", false, false),
            ("<policy-file-request/>\0", false, true),
            ("<policy-file-request x=\"1\"></policy-file-request>\0", false, true),
            ("<policy-file-requests/>\0", false, false),
        ] {
            let message = &read(input.as_bytes(), 3).0[0];
            assert_eq!((message.is_ping(), message.is_policy_request()), (ping, policy), "{input}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_same_in_any_pieces(
            begin in prop::sample::select(vec!["@", "<", "<?", "@a {", "<a>"]),
            rest in prop::collection::vec(prop::sample::select(b"@aaaaaa {}<>/?\0\xff*".to_vec()), 0..120),
            size in 1..9_usize,
        ) {
            let input = [begin.as_bytes(), &rest].concat();
            let (whole, split) = (read(&input, input.len()), read(&input, size));
            prop_assert_eq!(&whole.0, &split.0);
            prop_assert_eq!(whole.1, split.1);
        }
    }
}
