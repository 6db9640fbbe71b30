//! How a response is put on an HTTP/1 wire: its head, and what delimits its content (RFC 9112 section 6).

use crate::answer::{self, Wants, reason};
use crate::date;
use crate::response::{Body, Response};
use http1::{RequestHead, Version};
use std::io::Write as _;

/// What a response must know of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) head_only: bool,
    pub(crate) version: Version,
    pub(crate) persistent: bool,
    pub(crate) wants: Wants,
}

/// How the end of the content is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delimiting {
    /// There is no content.
    None,
    Length(u64),
    Chunked,
    /// The end of the connection, for HTTP/1.0 clients.
    Close,
}

impl Asked {
    pub(crate) fn by(head: &RequestHead) -> Self {
        Self {
            head_only: head.is_head(),
            version: head.version(),
            persistent: head.persistent(),
            wants: answer::wants(head.fields_named("accept")),
        }
    }

    /// For a request that could not be read: nothing may follow its answer.
    pub(crate) fn unreadable() -> Self {
        Self { head_only: false, version: Version::Http11, persistent: false, wants: Wants::Text }
    }

    /// For a request that was refused. What its head seems to ask for decides over the form of the
    /// refusal and over nothing else.
    pub(crate) fn refused(head: &[u8]) -> Self {
        let lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let accept = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
            let (name, value) = line.split_at_checked("accept:".len())?;
            name.eq_ignore_ascii_case(b"accept:").then_some(value)
        });
        let wants = match answer::wants(accept) {
            Wants::Json => Wants::Json,
            Wants::Anything | Wants::Text => Wants::Text,
        };
        Self { head_only: head.starts_with(b"HEAD "), wants, ..Self::unreadable() }
    }

    pub(crate) fn delimiting(self, response: &Response<'_>) -> Delimiting {
        match (&response.body, response.body.length()) {
            _ if bodiless(response.status) || self.head_only => Delimiting::None,
            (Body::Absent { .. }, _) => Delimiting::None,
            (_, Some(length)) => Delimiting::Length(length),
            (_, None) if self.version == Version::Http10 => Delimiting::Close,
            (_, None) => Delimiting::Chunked,
        }
    }
}

/// Writes the status line and all fields, through the empty line.
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    response: &Response<'_>,
    asked: Asked,
    delimiting: Delimiting,
    keep: bool,
) {
    write_status_line(out, response);
    if !response.is_dated {
        out.extend_from_slice(b"Date: ");
        date::now(|date| out.extend_from_slice(date));
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Server: Lurcher\r\n");
    for lines in response.fields.lines() {
        out.extend_from_slice(lines);
    }
    match (delimiting, response.body.length()) {
        (Delimiting::Chunked, _) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        (Delimiting::None, _) if bodiless(response.status) => {}
        (_, Some(length)) => write_field_u64(out, b"Content-Length: ", length),
        (_, None) => {}
    }
    if !keep {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if asked.version == Version::Http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(out: &mut Vec<u8>, response: &Response<'_>) {
    let status = response.status;
    match &response.reason {
        None if status == 200 => out.extend_from_slice(b"HTTP/1.1 200 OK\r\n"),
        None => {
            write!(out, "HTTP/1.1 {status} {}\r\n", reason(status)).expect("a Vec takes all");
        }
        Some(reason) => {
            write!(out, "HTTP/1.1 {status} ").expect("a Vec takes all");
            out.extend_from_slice(reason);
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn write_field_u64(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    write!(out, "{value}\r\n").expect("a Vec takes all");
}

/// Responses that never have content (RFC 9110 sections 15.2, 15.3.5, 15.4.5).
fn bodiless(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Fields;
    use bytes::Bytes;

    const GET: Asked = Asked {
        head_only: false,
        version: Version::Http11,
        persistent: true,
        wants: Wants::Anything,
    };

    fn head(response: &Response<'_>, asked: Asked, keep: bool) -> (Delimiting, String) {
        let delimiting = asked.delimiting(response);
        let mut out = Vec::new();
        write_head(&mut out, response, asked, delimiting, keep);
        let text = String::from_utf8(out).unwrap();
        let (status, rest) = text.split_once("\r\nDate: ").unwrap();
        (delimiting, format!("{status}|{}", &rest[date::DATE_BYTES + 2..].replace("\r\n", "|")))
    }

    #[test]
    fn content_is_delimited_by_its_kind_and_the_clients_version() {
        let asked_head = Asked { head_only: true, ..GET };
        let http10 = Asked { version: Version::Http10, ..GET };
        let bytes = || Body::Bytes(Bytes::from_static(b"hello"));
        let absent = |length| Body::Absent { length };
        for (status, body, asked, keep, delimiting, expected) in [
            (
                200,
                bytes(),
                GET,
                true,
                Delimiting::Length(5),
                "200 OK|Server: Lurcher|Content-Length: 5||",
            ),
            (
                200,
                bytes(),
                GET,
                false,
                Delimiting::Length(5),
                "200 OK|Server: Lurcher|Content-Length: 5|Connection: close||",
            ),
            (
                200,
                bytes(),
                http10,
                true,
                Delimiting::Length(5),
                "200 OK|Server: Lurcher|Content-Length: 5|Connection: keep-alive||",
            ),
            (
                200,
                bytes(),
                asked_head,
                true,
                Delimiting::None,
                "200 OK|Server: Lurcher|Content-Length: 5||",
            ),
            (
                200,
                absent(Some(9)),
                asked_head,
                true,
                Delimiting::None,
                "200 OK|Server: Lurcher|Content-Length: 9||",
            ),
            (304, Body::Empty, GET, true, Delimiting::None, "304 Not Modified|Server: Lurcher||"),
            (204, Body::Empty, GET, true, Delimiting::None, "204 No Content|Server: Lurcher||"),
            (
                404,
                Body::Empty,
                GET,
                true,
                Delimiting::Length(0),
                "404 Not Found|Server: Lurcher|Content-Length: 0||",
            ),
        ] {
            let mut response = Response::new(status);
            response.body = body;
            let expected = format!("HTTP/1.1 {expected}");
            assert_eq!(head(&response, asked, keep), (delimiting, expected));
        }
    }

    #[test]
    fn a_date_and_a_reason_of_the_response_itself_are_kept() {
        let mut response = Response::new(299);
        response.reason = Some(b"Almost \xe4".as_slice().into());
        response.fields = Fields::shared(Bytes::from_static(b"Date: then\r\n"));
        response.is_dated = true;
        let mut out = Vec::new();
        write_head(&mut out, &response, GET, Delimiting::Length(0), true);
        let expected = b"HTTP/1.1 299 Almost \xe4\r\nServer: Lurcher\r\nDate: then\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(out, expected);
    }
}
