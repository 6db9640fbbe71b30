//! Reads request messages, from this server or from Mongrel2 itself.

use std::borrow::Cow;

use super::Protocol;
use super::json_object::{self, JsonObjectError};
use crate::tnetstring::{self, TnetError, Value};

/// A request message as a handler sees it; bytes are borrowed from the message where it holds
/// them unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedRequest<'a> {
    /// The `send_ident` of the server.
    pub sender: &'a [u8],
    /// Connection id.
    pub conn: u64,
    /// Path as received, or `@*` in a notice.
    pub path: &'a [u8],
    /// The header dictionary.
    pub headers: Headers<'a>,
    /// The body.
    pub body: &'a [u8],
    /// How the header dictionary was written.
    pub protocol: Protocol,
}

/// The header dictionary in message order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers<'a>(pub Vec<(Cow<'a, [u8]>, HeaderValue<'a>)>);

/// One value, or the values of a header that was sent more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// The usual case.
    One(Cow<'a, [u8]>),
    /// Values in arrival order.
    Many(Vec<Cow<'a, [u8]>>),
}

/// Why bytes are not a request message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A word of `SENDER CONN PATH ` has no space behind it.
    #[error("request message has no {0}, expected 'SENDER CONN PATH HEADERS BODY'")]
    Missing(&'static str),
    /// The connection id is not a decimal number of 64 bits.
    #[error("connection id of a request message is not a decimal number of 64 bits")]
    BadConn,
    /// The headers are no netstring.
    #[error("headers of a request message are not a netstring")]
    HeadersFraming(#[source] TnetError),
    /// The headers' type byte is neither `,` nor `}`.
    #[error("headers of a request message have type 0x{0:02x}, expected ',' (JSON) or '}}'")]
    HeadersType(u8),
    /// The headers are no JSON object of strings.
    #[error("headers of a request message are not a JSON object of strings")]
    HeadersJson(#[source] JsonObjectError),
    /// The headers are no tnetstring dictionary.
    #[error("headers of a request message are not a tnetstring dictionary")]
    HeadersTnetstring(#[source] TnetError),
    /// A header is neither a string nor a list of strings.
    #[error("header value in a request message is neither a string nor a list of strings")]
    HeaderType,
    /// The body is no netstring.
    #[error("body of a request message is not a netstring")]
    BodyFraming(#[source] TnetError),
    /// The body's type byte is not `,`.
    #[error("body of a request message has type 0x{0:02x}, expected ','")]
    BodyType(u8),
    /// Bytes follow the body.
    #[error("{0} bytes follow the body of a request message, expected its end")]
    Trailing(usize),
}

impl<'a> ParsedRequest<'a> {
    /// Reads a whole message. JSON headers are read as Mongrel2 writes them, raw control
    /// characters and bytes that are not UTF-8 included.
    ///
    /// # Errors
    ///
    /// A [`RequestError`] that names the part that is malformed.
    pub fn parse(message: &'a [u8]) -> Result<Self, RequestError> {
        let (sender, rest) = word(message).ok_or(RequestError::Missing("sender"))?;
        let (conn, rest) = word(rest).ok_or(RequestError::Missing("connection id"))?;
        let conn = decimal_u64(conn).ok_or(RequestError::BadConn)?;
        let (path, rest) = word(rest).ok_or(RequestError::Missing("path"))?;
        let (payload, tag, rest) = tnetstring::split(rest).map_err(RequestError::HeadersFraming)?;
        let (protocol, headers) = match tag {
            b',' => (Protocol::Json, json_headers(payload)?),
            b'}' => (Protocol::Tnetstring, tnetstring_headers(payload)?),
            other => return Err(RequestError::HeadersType(other)),
        };
        let (body, tag, rest) = tnetstring::split(rest).map_err(RequestError::BodyFraming)?;
        if tag != b',' {
            return Err(RequestError::BodyType(tag));
        }
        if !rest.is_empty() {
            return Err(RequestError::Trailing(rest.len()));
        }
        Ok(Self { sender, conn, path, headers, body, protocol })
    }

    /// The client of this connection has left. No client can forge this: whatever it sends arrives
    /// with a `PATH`.
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        self.is_notice() && self.body == b"{\"type\":\"disconnect\"}"
    }

    /// Whether this is the last message for a handler that asked for no more requests.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_notice() && self.conn == 0 && self.body == b"{\"type\":\"drained\"}"
    }

    /// Bytes of replies that have reached the client, if this is a credits notice.
    #[must_use]
    pub fn credits(&self) -> Option<u64> {
        if !self.is_notice() || self.body != b"{\"type\":\"credits\"}" {
            return None;
        }
        decimal_u64(self.headers.get(b"DOWNLOAD_CREDITS")?)
    }

    fn is_notice(&self) -> bool {
        self.path == b"@*"
            && self.headers.get(b"METHOD") == Some(b"JSON")
            && self.headers.get(b"PATH").is_none()
    }
}

impl<'a> Headers<'a> {
    /// The first value of `name`, compared exactly: client headers are in lower case, what the
    /// server says of the request (`METHOD`, `URI`) is in upper case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// All values of `name` in arrival order.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let entry = self.0.iter().find(|(key, _)| **key == *name);
        entry.into_iter().flat_map(|(_, value)| value.as_slice()).map(|value| &**value)
    }
}

impl<'a> HeaderValue<'a> {
    /// The values, one or many.
    #[must_use]
    pub fn as_slice(&self) -> &[Cow<'a, [u8]>] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

fn word(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', input)?;
    let (word, rest) = input.split_at_checked(end)?;
    Some((word, rest.get(1..)?))
}

/// A decimal number without sign.
fn decimal_u64(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn json_headers(payload: &[u8]) -> Result<Headers<'_>, RequestError> {
    json_object::parse(payload).map(Headers).map_err(RequestError::HeadersJson)
}

fn tnetstring_headers(payload: &[u8]) -> Result<Headers<'_>, RequestError> {
    let entries = tnetstring::parse_dict(payload).map_err(RequestError::HeadersTnetstring)?;
    let headers = entries.into_iter().map(|(name, value)| {
        let value = match value {
            Value::Bytes(bytes) => HeaderValue::One(Cow::Borrowed(bytes)),
            Value::List(items) => HeaderValue::Many(
                items
                    .iter()
                    .map(|item| item.as_bytes().map(Cow::Borrowed).ok_or(RequestError::HeaderType))
                    .collect::<Result<_, _>>()?,
            ),
            _ => return Err(RequestError::HeaderType),
        };
        Ok((Cow::Borrowed(name), value))
    });
    headers.collect::<Result<_, _>>().map(Headers)
}
