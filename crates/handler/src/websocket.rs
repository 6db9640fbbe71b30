//! WebSocket: the server passes messages on, and the handler writes what the client gets (RFC 6455).

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use wire::websocket::{close_frame, flags, frame};

use crate::replies::{Replies, SendError};
use crate::request::Request;

/// What a client said on a WebSocket. The server has joined fragments, unmasked them, and checked
/// that text is UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebSocket<'a> {
    /// It wants one: [`Replies::accept`], or refuse with any HTTP response.
    Handshake,
    /// A text message.
    Text(Cow<'a, str>),
    /// A binary message.
    Binary(&'a Bytes),
    /// Wants [`Replies::pong`]; the server does not answer by itself.
    Ping(&'a Bytes),
    /// Answers a ping.
    Pong(&'a Bytes),
    /// Wants to close: answer with [`Replies::close_websocket`]. No message follows.
    Close {
        /// RFC 6455 section 7.4; 1000 is a normal end.
        code: Option<u16>,
        /// For people.
        reason: Cow<'a, str>,
    },
}

impl Request {
    /// What this request says if it belongs to a WebSocket.
    #[must_use]
    pub fn websocket(&self) -> Option<WebSocket<'_>> {
        match &*self.method() {
            "WEBSOCKET_HANDSHAKE" => return Some(WebSocket::Handshake),
            "WEBSOCKET" => {}
            _ => return None,
        }
        let body = self.body();
        Some(match self.flags()? {
            flags::BINARY => WebSocket::Binary(body),
            flags::PING => WebSocket::Ping(body),
            flags::PONG => WebSocket::Pong(body),
            flags::CLOSE => {
                let (code, reason) = match body.split_first_chunk() {
                    Some((code, reason)) => (Some(u16::from_be_bytes(*code)), reason),
                    None => (None, &[][..]),
                };
                WebSocket::Close { code, reason: String::from_utf8_lossy(reason) }
            }
            _ => WebSocket::Text(String::from_utf8_lossy(body)),
        })
    }
}

impl Replies {
    /// Answers a handshake with 101. `protocol` is one of those that the client lists in
    /// `Sec-WebSocket-Protocol`, if it lists any that is spoken here.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn accept(&self, request: &Request, protocol: Option<&str>) -> Result<(), SendError> {
        let accept = String::from_utf8_lossy(request.body());
        let mut head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n"
        );
        if let Some(protocol) = protocol {
            let is_token = |c: &char| c.is_ascii_graphic() && !matches!(c, ',' | ':' | ';' | '"');
            head += "Sec-WebSocket-Protocol: ";
            head.extend(protocol.chars().filter(is_token));
            head += "\r\n";
        }
        self.reply(request, head + "\r\n").await
    }

    /// Sends a text message to any number of WebSockets.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn send_text(&self, conns: &[u64], text: &str) -> Result<(), SendError> {
        self.send_frame(conns, flags::TEXT, text.as_bytes()).await
    }

    /// Sends a binary message to any number of WebSockets.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn send_binary(&self, conns: &[u64], bytes: &[u8]) -> Result<(), SendError> {
        self.send_frame(conns, flags::BINARY, bytes).await
    }

    /// Asks WebSockets for a sign of life; they answer with [`WebSocket::Pong`].
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn ping(&self, conns: &[u64]) -> Result<(), SendError> {
        self.send_frame(conns, flags::PING, b"").await
    }

    /// Answers a [`WebSocket::Ping`].
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn pong(&self, ping: &Request) -> Result<(), SendError> {
        let mut out = BytesMut::new();
        frame(flags::PONG, ping.body(), &mut out);
        self.reply(ping, out).await
    }

    /// Says goodbye, with a code of RFC 6455 section 7.4 and a reason for people, and closes.
    ///
    /// # Errors
    ///
    /// [`SendError::LinkEnded`].
    pub async fn close_websocket(
        &self,
        conns: &[u64],
        code: u16,
        reason: &str,
    ) -> Result<(), SendError> {
        self.reply_many(conns, close_frame(code, reason)).await?;
        self.close_many(conns).await
    }

    async fn send_frame(&self, conns: &[u64], flags: u8, payload: &[u8]) -> Result<(), SendError> {
        let mut out = BytesMut::new();
        frame(flags, payload, &mut out);
        self.reply_many(conns, out).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, flags: &str, body: &[u8]) -> Request {
        let headers = format!(r#"{{"METHOD":"{method}","FLAGS":"{flags}"}}"#);
        let mut message =
            format!("ID 7 /ws {}:{headers},{}:", headers.len(), body.len()).into_bytes();
        message.extend_from_slice(body);
        message.push(b',');
        Request::parse(message.into(), 0).unwrap()
    }

    #[test]
    fn messages_are_named_by_their_flags() {
        let hi = &Bytes::from_static(b"hi");
        for (method, flags, body, want) in [
            ("GET", "0x81", &b"hi"[..], None),
            ("WEBSOCKET_HANDSHAKE", "", b"key", Some(WebSocket::Handshake)),
            ("WEBSOCKET", "0x81", b"hi", Some(WebSocket::Text("hi".into()))),
            ("WEBSOCKET", "0x82", b"hi", Some(WebSocket::Binary(hi))),
            ("WEBSOCKET", "0x89", b"hi", Some(WebSocket::Ping(hi))),
            ("WEBSOCKET", "0x8A", b"hi", Some(WebSocket::Pong(hi))),
            ("WEBSOCKET", "0x88", b"", Some(WebSocket::Close { code: None, reason: "".into() })),
            (
                "WEBSOCKET",
                "0x88",
                b"\x03\xe9bye",
                Some(WebSocket::Close { code: Some(1001), reason: "bye".into() }),
            ),
        ] {
            assert_eq!(request(method, flags, body).websocket(), want, "{method} {flags}");
        }
    }
}
