//! A request head: one frozen buffer, the places in it that matter, and what they mean.

mod fields;
mod lines;
mod reader;
mod request_line;
mod target;

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::body::Framing;
use crate::grammar::list;
use fields::Facts;
pub(crate) use fields::{Codings, Options};
pub use reader::HeadReader;
use request_line::RequestLine;

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

/// A request head that broke no rule.
#[derive(Debug, Clone)]
pub struct RequestHead {
    raw: Bytes,
    line: RequestLine,
    fields: Vec<Field>,
    facts: Facts,
    /// Path and query of an absolute URI that has a query but no path: `http://h?q` asks for `/?q`.
    built_uri: Option<Box<str>>,
}

/// A part of a head, by its place in it. Heads are far smaller than 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    value: Span,
}

impl Method {
    fn of(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

impl Version {
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

impl RequestHead {
    fn new(raw: Bytes, line: RequestLine, fields: Vec<Field>, facts: Facts) -> Self {
        let built_uri = match line.target {
            target::Target { path, query: Some(query), .. } if path.is_empty() => {
                Some(format!("/?{}", text(&raw, query)).into_boxed_str())
            }
            _ => None,
        };
        Self { raw, line, fields, facts, built_uri }
    }

    /// The method as sent.
    pub fn method(&self) -> &str {
        self.text(self.line.method)
    }

    /// The method as one of those treated apart.
    pub fn known_method(&self) -> Method {
        self.line.known_method
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
        self.text(self.line.target.whole)
    }

    /// The path, percent escapes untouched; never empty. Where an absolute URI has none it is `/`, and `*` for
    /// OPTIONS (RFC 9112 section 3.2.4).
    pub fn path(&self) -> &str {
        let path = self.line.target.path;
        if path.is_empty() { self.empty_path() } else { self.text(path) }
    }

    /// What stands after the first `?`, which may be nothing; `None` without a `?`.
    pub fn query(&self) -> Option<&str> {
        self.line.target.query.map(|query| self.text(query))
    }

    /// Path and `?query`, without scheme and authority.
    pub fn uri(&self) -> &str {
        let target = self.line.target;
        match (&self.built_uri, target.query) {
            (Some(uri), _) => uri,
            (None, Some(query)) => self.text(Span { start: target.path.start, end: query.end }),
            (None, None) => self.path(),
        }
    }

    /// The version it is served as.
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// Authority of an absolute URI, else the Host field; with the port, if any. `None` only in HTTP/1.0.
    pub fn host(&self) -> Option<&str> {
        self.facts.host.map(|host| self.text(host))
    }

    /// The authority of an absolute URI, which counts for more than the Host field (RFC 9112 section 3.2.2).
    pub fn authority(&self) -> Option<&str> {
        self.line.target.authority.map(|(authority, _)| self.text(authority))
    }

    /// Whether an absolute URI asks for `https` (RFC 9110 section 4.2.2).
    pub fn asks_for_https(&self) -> bool {
        self.line.target.authority.is_some_and(|(_, default_port)| default_port == "443")
    }

    /// All fields in the order sent: name as sent, value without the spaces and tabs around it.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| (self.text(field.name), field.value.of(&self.raw)))
    }

    /// Value of the first field of that name, in any case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| self.is_named(field, name))?;
        Some(field.value.of(&self.raw))
    }

    /// Values of all fields of that name, in any case, in the order sent.
    pub fn fields_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.fields.iter().filter(move |field| self.is_named(field, name));
        named.map(|field| field.value.of(&self.raw))
    }

    /// How the body ends.
    pub fn framing(&self) -> Framing {
        self.facts.framing
    }

    /// Whether the peer may send another request on this connection (RFC 9112 section 9.3).
    pub fn persistent(&self) -> bool {
        self.facts.persistent
    }

    /// Whether the peer waits for `100 Continue` before a body (RFC 9110 section 10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.facts.expects_continue
    }

    /// The protocols asked for, when the request may be upgraded: HTTP/1.1 with `upgrade` in Connection.
    pub fn upgrade(&self) -> Option<&[u8]> {
        self.facts.upgrade.map(|upgrade| upgrade.of(&self.raw))
    }

    /// The options of all Connection fields, as sent: `close`, `keep-alive`, and names that are hop-by-hop here.
    pub fn connection_options(&self) -> impl Iterator<Item = &[u8]> {
        self.fields_named("connection").flat_map(list).filter(|option| !option.is_empty())
    }

    /// The head as it came, from the method to the empty line.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    fn empty_path(&self) -> &'static str {
        let asterisk = self.known_method() == Method::Options && self.query().is_none();
        if asterisk { "*" } else { "/" }
    }

    fn is_named(&self, field: &Field, name: &str) -> bool {
        field.name.of(&self.raw).eq_ignore_ascii_case(name.as_bytes())
    }

    fn text(&self, span: Span) -> &str {
        text(&self.raw, span)
    }
}

/// Only for parts whose grammar is ASCII; they are never replaced by the empty default.
fn text(head: &[u8], span: Span) -> &str {
    str::from_utf8(span.of(head)).unwrap_or_default()
}

impl Span {
    fn new(start: usize, end: usize) -> Self {
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: place(start), end: place(end) }
    }

    fn of(self, head: &[u8]) -> &[u8] {
        head.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The first `len` bytes of it.
    fn up_to(self, len: usize) -> Self {
        Self::new(self.start as usize, self.start as usize + len)
    }

    /// What is left after the first `len` bytes of it.
    fn from(self, len: usize) -> Self {
        Self::new(self.start as usize + len, self.end as usize)
    }

    fn is_empty(self) -> bool {
        self.start >= self.end
    }
}
