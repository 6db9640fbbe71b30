//! Messages without HTTP on a connection: whom they may concern, and how they are answered.

use crate::audience::{Audience, Audiences};
use crate::backlog::Place;
use crate::line::Line;
use crate::peer::Peer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::sync::Arc;
use wire::message_socket::Message;

/// The number of no exchange: messages belong to none, and any number of them may be on their way.
pub const NO_EXCHANGE: u64 = 0;

/// A message, and the connection that it came from.
#[derive(Debug)]
pub struct SocketMessage<'m> {
    pub peer: &'m Peer,
    pub message: &'m Message,
    /// To be held with the bytes that go to a handler.
    pub place: Place,
    pub(crate) line: &'m Line,
    pub(crate) audiences: &'m mut Audiences,
}

/// How replies to a connection that has no request open are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    /// As the handler sends them: after HTTP, and with `raw_payload`.
    #[default]
    Raw,
    /// In base64, each for itself, nothing between them; a NUL at a reply's end is dropped first.
    Base64,
}

impl SocketMessage<'_> {
    /// From now on `audience` may write to this connection, and hears of its end.
    pub fn open(&mut self, audience: &Arc<dyn Audience>) {
        self.audiences.join(self.line.conn(), audience);
        self.line.open();
    }
}

impl Replies {
    pub(crate) fn encode(self, bytes: Bytes) -> Bytes {
        match self {
            Self::Raw => bytes,
            Self::Base64 => {
                Bytes::from(STANDARD.encode(bytes.strip_suffix(b"\0").unwrap_or(&bytes)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_is_base64_of_its_own() {
        for (reply, text) in [
            (&b"{\"ok\":1}"[..], "eyJvayI6MX0="),
            (b"{\"ok\":1}\0", "eyJvayI6MX0="),
            (b"\0\0", "AA=="),
            (b"\0", ""),
        ] {
            assert_eq!(Replies::Base64.encode(Bytes::from_static(reply)), text);
            assert_eq!(Replies::Raw.encode(Bytes::from_static(reply)), reply);
        }
    }
}
