//! WebSocket frames (RFC 6455 section 5): what a client sends, strictly read, and what a server sends.

mod decode;
mod encode;

use bytes::Bytes;

pub use decode::{Decoder, Extensions};
pub use encode::{close_frame, frame};

/// First byte of a frame that is whole in itself: FIN and the opcode.
pub mod flags {
    /// A text message.
    pub const TEXT: u8 = 0x81;
    /// A binary message.
    pub const BINARY: u8 = 0x82;
    /// The peer closes.
    pub const CLOSE: u8 = 0x88;
    /// Wants a pong with the same payload.
    pub const PING: u8 = 0x89;
    /// Answers a ping, or nothing.
    pub const PONG: u8 = 0x8A;
}

/// Why a WebSocket is closed, as RFC 6455 section 7.4.1 numbers it.
pub mod code {
    /// Done.
    pub const NORMAL: u16 = 1000;
    /// The server goes down.
    pub const GOING_AWAY: u16 = 1001;
    /// A rule of the protocol was broken.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// Text that is not UTF-8.
    pub const INVALID_PAYLOAD: u16 = 1007;
    /// A message larger than is taken.
    pub const TOO_BIG: u16 = 1009;
    /// Nobody can serve it now.
    pub const TRY_AGAIN_LATER: u16 = 1013;
}

/// A whole message or control frame of a client, unmasked, its fragments joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// First byte of its first frame, with FIN set; see [`flags`].
    pub flags: u8,
    /// The payload, at most the decoder's limit; for a control frame at most 125 bytes.
    pub payload: Bytes,
}

/// A rule that a client broke; after it nothing more can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// Section 5.1.
    #[error("frame of a client is not masked")]
    Unmasked,
    /// Section 5.2.
    #[error("frame has reserved bits set and no extension was agreed upon")]
    ReservedBits,
    /// Section 5.2.
    #[error("frame has the unknown opcode {0}, expected 0, 1, 2, 8, 9 or 10")]
    UnknownOpcode(u8),
    /// Section 5.2: the shortest form that holds it, the first bit 0.
    #[error("length of a frame is not written in its shortest form")]
    LengthForm,
    /// Section 5.5.
    #[error("control frame is fragmented")]
    FragmentedControl,
    /// Section 5.5.
    #[error("control frame is longer than 125 bytes")]
    LongControl,
    /// Section 5.4.
    #[error("continuation frame comes without a message that it continues")]
    NothingToContinue,
    /// Section 5.4.
    #[error("new message begins before the last one has ended")]
    Interleaved,
    /// Section 5.5.1.
    #[error("close frame has half a status code, or one that may not be sent")]
    CloseCode,
    /// Section 8.1.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// Section 10.4; `limits.websocket_message`.
    #[error("message is larger than limits.websocket_message, {max} bytes")]
    TooBig {
        /// The limit in force.
        max: usize,
    },
}

impl Violation {
    /// The code that the close frame carries.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::NotUtf8 => code::INVALID_PAYLOAD,
            Self::TooBig { .. } => code::TOO_BIG,
            _ => code::PROTOCOL_ERROR,
        }
    }
}

#[cfg(test)]
mod tests;
