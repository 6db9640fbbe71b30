//! A whole HTTP response in one message.

use bytes::{BufMut, Bytes, BytesMut};

/// A response with a body of known length. `Content-Length` is added when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Response {
    /// An empty response.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// A response of `text/plain` in UTF-8.
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status).header("Content-Type", "text/plain; charset=utf-8").body(body)
    }

    /// A response of `text/html` in UTF-8.
    pub fn html(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status).header("Content-Type", "text/html; charset=utf-8").body(body)
    }

    /// A response of `application/json`.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status).header("Content-Type", "application/json").body(body)
    }

    /// Adds a header field. What could end the field early (CR, LF, NUL, and for names `:` and
    /// spaces too) is left out, so no value can add fields of its own.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let ends_field = |c: char| matches!(c, '\r' | '\n' | '\0');
        let name = name.replace(|c| ends_field(c) || matches!(c, ':' | ' ' | '\t'), "");
        self.headers.push((name, value.replace(ends_field, "")));
        self
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes to send; `head_only` leaves the body out, as an answer to HEAD must.
    #[must_use]
    pub fn encode(&self, head_only: bool) -> Bytes {
        let mut out = BytesMut::with_capacity(self.body.len().saturating_add(256));
        out.put_slice(format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).as_bytes());
        for (name, value) in &self.headers {
            out.put_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        // RFC 9110 section 8.6: 1xx and 204 have no length; a 304's would be another response's.
        let bodiless = matches!(self.status, 100..=199 | 204 | 304);
        if !bodiless {
            out.put_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        out.put_slice(b"\r\n");
        if !bodiless && !head_only {
            out.put_slice(&self.body);
        }
        out.freeze()
    }
}

/// RFC 9110 section 15; clients ignore the phrase, people read it.
fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_whole() {
        let check = |response: &Response, head_only, want: &str| {
            assert_eq!(response.encode(head_only), want.as_bytes(), "{response:?}");
        };
        let text = Response::new(200).header("X", "y").body("hi");
        check(&text, false, "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\nhi");
        check(&text, true, "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 2\r\n\r\n");
        check(&Response::new(204), false, "HTTP/1.1 204 No Content\r\n\r\n");
        check(&Response::new(299), false, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
        check(
            &Response::new(404).header("A: b\r\nC", "d\r\nSet-Cookie: e"),
            false,
            "HTTP/1.1 404 Not Found\r\nAbC: dSet-Cookie: e\r\nContent-Length: 0\r\n\r\n",
        );
    }
}
