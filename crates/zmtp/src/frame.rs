//! Frames: a flag byte, a length of one or eight bytes, a body (RFC 15 and RFC 37, "Framing").

use bytes::Bytes;

use crate::fault::ProtocolFault;

/// One frame of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether the message goes on in the next frame.
    pub more: bool,
    /// The body.
    pub payload: Bytes,
}

impl Frame {
    /// A message of one frame.
    pub fn last(payload: Bytes) -> Self {
        Self { more: false, payload }
    }

    /// The header that goes before the payload.
    pub fn header(&self) -> FrameHeader {
        FrameHeader { more: self.more, command: false, length: self.payload.len() }
    }
}

/// What stands before a frame's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether the message goes on in the next frame.
    pub more: bool,
    /// Whether the body is a command (ZMTP 3 only).
    pub command: bool,
    /// Bytes of the body.
    pub length: usize,
}

impl FrameHeader {
    /// Longest header.
    pub const BYTES_MAX: usize = 9;

    /// Reads a header: the header and its size, or `None` while bytes are missing.
    ///
    /// `max` bounds the length before any of the body has arrived.
    pub fn decode(input: &[u8], max: usize) -> Result<Option<(Self, usize)>, ProtocolFault> {
        let Some((&flags, rest)) = input.split_first() else { return Ok(None) };
        let more = flags & MORE != 0;
        let command = flags & COMMAND != 0;
        if flags & RESERVED != 0 || (more && command) {
            return Err(ProtocolFault::Flags { flags });
        }
        let (length, size) = if flags & LONG == 0 {
            let Some(&length) = rest.first() else { return Ok(None) };
            (u64::from(length), 2)
        } else {
            let Some(length) = rest.first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*length), Self::BYTES_MAX)
        };
        match usize::try_from(length) {
            Ok(length) if length <= max => Ok(Some((Self { more, command, length }, size))),
            _ => Err(ProtocolFault::TooLarge { size: length, max }),
        }
    }

    /// Appends the header, in its short form where that fits.
    pub fn encode(self, out: &mut Vec<u8>) {
        let flags = if self.more { MORE } else { 0 } | if self.command { COMMAND } else { 0 };
        match u8::try_from(self.length) {
            Ok(length) => out.extend_from_slice(&[flags, length]),
            Err(_) => {
                out.push(flags | LONG);
                out.extend_from_slice(&(self.length as u64).to_be_bytes());
            }
        }
    }
}

const MORE: u8 = 0x01;
const LONG: u8 = 0x02;
const COMMAND: u8 = 0x04;
const RESERVED: u8 = 0xf8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &[u8], want: Result<Option<(FrameHeader, usize)>, ProtocolFault>) {
        assert_eq!(FrameHeader::decode(input, 1000), want, "{input:02x?}");
    }

    #[test]
    fn headers() {
        let header = |more, command, length| FrameHeader { more, command, length };
        check(b"", Ok(None));
        check(b"\x00", Ok(None));
        check(b"\x00\x00", Ok(Some((header(false, false, 0), 2))));
        check(b"\x01\x05rest", Ok(Some((header(true, false, 5), 2))));
        check(b"\x04\x08", Ok(Some((header(false, true, 8), 2))));
        check(b"\x02\0\0\0\0\0\0\0", Ok(None));
        check(b"\x02\0\0\0\0\0\0\0\x05", Ok(Some((header(false, false, 5), 9))));
        check(b"\x06\0\0\0\0\0\0\x01\0", Ok(Some((header(false, true, 256), 9))));
        check(b"\x05\x00", Err(ProtocolFault::Flags { flags: 5 }));
        check(b"\x08", Err(ProtocolFault::Flags { flags: 8 }));
        check(b"\xff", Err(ProtocolFault::Flags { flags: 255 }));
        check(
            b"\x02\xff\xff\xff\xff\xff\xff\xff\xff",
            Err(ProtocolFault::TooLarge { size: u64::MAX, max: 1000 }),
        );
        check(b"\x02\0\0\0\0\0\0\x03\xe9", Err(ProtocolFault::TooLarge { size: 1001, max: 1000 }));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(more: bool, command: bool, length in 0usize..100_000) {
            let header = FrameHeader { more: more && !command, command, length };
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            for cut in 0..bytes.len() {
                prop_assert_eq!(FrameHeader::decode(&bytes[..cut], usize::MAX), Ok(None));
            }
            prop_assert_eq!(
                FrameHeader::decode(&bytes, usize::MAX),
                Ok(Some((header, bytes.len())))
            );
        }

        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, max in 0usize..5000) {
            if let Ok(Some((header, size))) = FrameHeader::decode(&bytes, max) {
                prop_assert!(header.length <= max && size <= bytes.len());
            }
        }
    }
}
