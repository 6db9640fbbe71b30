//! The message a handler receives: its parts, how it is written and how it is read.
//!
//! ```text
//! SENDER SP CONN SP PATH SP LENGTH:HEADERS, LENGTH:BODY,
//! ```
//!
//! with no space between the two netstrings. `HEADERS` is a JSON object, or a tnetstring
//! dictionary (then its type byte is `}`). Keys come in this order: `PATH`, client headers by first
//! occurrence, `x-forwarded-for`, those the server makes, `METHOD`, `VERSION`, `URI`, `QUERY`,
//! `FRAGMENT`, `PATTERN`, `URL_SCHEME`, `REMOTE_ADDR`.

mod encode;
mod fields;
mod json_object;
mod notice;
mod parse;

use bytes::BytesMut;

pub use encode::ServerFields;
pub use fields::{Admission, ClientFields, FieldPolicy, VALUES_MAX};
pub use json_object::JsonObjectError;
pub use notice::{UploadPart, encode_credits, encode_disconnect, encode_drained};
pub use parse::{HeaderValue, Headers, ParsedRequest, RequestError};

/// How the header dictionary is written; `handler.protocol` in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// A JSON object. Bytes that are not UTF-8 are written as [`crate::json_text`] says.
    #[default]
    Json,
    /// A tnetstring dictionary, binary safe.
    Tnetstring,
}

/// One request on its way to a handler.
#[derive(Debug, Clone, Copy)]
pub struct HandlerRequest<'a, 'h> {
    /// The `send_ident` of the handler's row; holds no space.
    pub sender: &'a str,
    /// Connection id.
    pub conn: u64,
    /// Path as received: not decoded, without the query. Holds no space: request lines and
    /// message headers end at one.
    pub path: &'a [u8],
    /// The header dictionary, without `PATH`.
    pub headers: &'a HeaderDict<'h>,
    /// The body, at most `limits.content_length` bytes.
    pub body: &'a [u8],
}

/// The header dictionary without `PATH`. Everything is borrowed; one dictionary may be sent many
/// times, as it is for the frames of a WebSocket.
#[derive(Debug, Clone, Default)]
pub struct HeaderDict<'a> {
    /// What the client sent.
    pub client: ClientFields<'a>,
    /// `x-forwarded-for`: the peer's address, `None` with `no_clobber_xff`.
    pub forwarded_for: Option<&'a str>,
    /// What the server adds for uploads, WebSockets and TLS.
    pub server: ServerFields<'a>,
    /// `METHOD`: `GET` and so on, `JSON`, `XML`, `WEBSOCKET_HANDSHAKE`, `WEBSOCKET`.
    pub method: &'a [u8],
    /// `VERSION`: `HTTP/1.0` or `HTTP/1.1`; HTTP only.
    pub version: Option<&'a str>,
    /// `URI`: path and query, no fragment; HTTP only.
    pub uri: Option<&'a [u8]>,
    /// `QUERY`: what follows the `?`, if there was one.
    pub query: Option<&'a [u8]>,
    /// `FRAGMENT`: what follows the `#`, if there was one.
    pub fragment: Option<&'a [u8]>,
    /// `PATTERN`: the route's path as configured.
    pub pattern: &'a [u8],
    /// `URL_SCHEME`: `http` or `https`.
    pub url_scheme: &'a str,
    /// `REMOTE_ADDR`: the peer's address.
    pub remote_addr: &'a str,
}

impl HandlerRequest<'_, '_> {
    /// Appends the whole message to `out`: one pass over the parts, one copy of the body.
    pub fn encode(&self, protocol: Protocol, out: &mut BytesMut) {
        encode::request(self, protocol, out);
    }
}

#[cfg(test)]
mod tests;
