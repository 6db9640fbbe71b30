//! Answers the server makes itself: a fault as a small well-formed response.

use crate::fault::{Fault, FaultKind};
use crate::response::{Body, Response};
use bytes::Bytes;
use std::fmt::Write as _;

/// The reason phrase of a status (IANA's registry); empty for one that has no name.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// In which form a client is told of an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wants {
    /// It has not said: the operator's page, if there is one, else text.
    #[default]
    Anything,
    Json,
    /// Text, and no page.
    Text,
}

/// The response to a fault: JSON or plain text where the client asks for it, else `page`, which is
/// HTML, or plain text.
pub(crate) fn answer(fault: &Fault, wants: Wants, page: Option<Bytes>) -> Response<'static> {
    let verdict = fault.kind.verdict();
    let mut response = Response::new(verdict.status);
    response.close = !fault.keeps();
    match fault.kind {
        FaultKind::MethodNotAllowed(allow) => {
            response.fields.add("Allow", allow);
        }
        FaultKind::RangeNotSatisfiable { length } => {
            response.fields.add("Content-Range", format!("bytes */{length}"));
        }
        FaultKind::WebSocketVersion => {
            response.fields.add("Connection", "Upgrade");
            response.fields.add("Upgrade", "websocket").add("Sec-WebSocket-Version", "13");
        }
        FaultKind::NoHandler { retry_after } | FaultKind::Overloaded { retry_after } => {
            response.fields.add("Retry-After", retry_after.to_string());
        }
        FaultKind::Draining => {
            response.fields.add("Retry-After", "1");
        }
        _ => {}
    }
    let (content_type, body) = match (wants, page) {
        (Wants::Json, _) => {
            ("application/json", Bytes::from(json_body(verdict.status, fault.text())))
        }
        (Wants::Anything, Some(page)) => ("text/html; charset=utf-8", page),
        (Wants::Anything, None) | (Wants::Text, _) => {
            let text = format!("{} {}\n{}\n", verdict.status, reason(verdict.status), fault.text());
            ("text/plain; charset=utf-8", Bytes::from(text))
        }
    };
    response.fields.add("Content-Type", content_type);
    response.fields.add("Vary", "Accept");
    response.body = Body::Bytes(body);
    response
}

/// What Accept fields ask of an error: what they name first of JSON, HTML and other text. A weight
/// of 0 rules out, other weights are not read; a person's browser names text/html first, a program
/// JSON.
pub(crate) fn wants<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Wants {
    accept.flat_map(|value| value.split(|&byte| byte == b',')).find_map(named).unwrap_or_default()
}

fn named(range: &[u8]) -> Option<Wants> {
    let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let media = parts.next().unwrap_or_default();
    let is_zero = |weight: &[u8]| {
        let digits = weight.strip_prefix(b"q=").or_else(|| weight.strip_prefix(b"Q="));
        digits.is_some_and(|digits| digits.iter().all(|byte| matches!(byte, b'0' | b'.')))
    };
    if parts.any(is_zero) {
        return None;
    }
    if media.eq_ignore_ascii_case(b"application/json") {
        return Some(Wants::Json);
    }
    if media.eq_ignore_ascii_case(b"text/plain") {
        return Some(Wants::Text);
    }
    let is_text = media.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/"));
    is_text.then_some(Wants::Anything)
}

fn json_body(status: u16, text: &str) -> String {
    let mut body = format!("{{\"status\":{status},\"error\":\"{}\",\"detail\":\"", reason(status));
    for ch in text.chars() {
        match ch {
            '"' | '\\' => body.extend(['\\', ch]),
            ch if ch.is_control() => {
                write!(body, "\\u{:04x}", u32::from(ch)).expect("a String takes all");
            }
            ch => body.push(ch),
        }
    }
    body.push_str("\"}\n");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_is_named_first() {
        for (accept, form) in [
            ("", Wants::Anything),
            ("*/*", Wants::Anything),
            ("application/json", Wants::Json),
            ("application/json;q=0.9, text/html", Wants::Json),
            ("text/html,application/json", Wants::Anything),
            ("image/png, Application/JSON", Wants::Json),
            ("application/json;q=0, text/html", Wants::Anything),
            ("application/json; q=0.000, text/plain", Wants::Text),
            ("application/json;q=0.1, text/plain", Wants::Json),
            ("image/png\napplication/json", Wants::Json),
            ("text/plain, */*", Wants::Text),
            ("text/*", Wants::Anything),
        ] {
            assert_eq!(wants(accept.split('\n').map(str::as_bytes)), form, "{accept}");
        }
    }

    #[test]
    fn a_page_is_for_those_who_take_html() {
        let page = || Some(Bytes::from_static(b"<p>lost"));
        for (wants, page, content_type) in [
            (Wants::Anything, page(), "text/html; charset=utf-8"),
            (Wants::Anything, None, "text/plain; charset=utf-8"),
            (Wants::Text, page(), "text/plain; charset=utf-8"),
            (Wants::Json, page(), "application/json"),
        ] {
            let response = answer(&FaultKind::NotFound.into(), wants, page);
            let lines = response.fields.lines().concat();
            assert_eq!(
                lines,
                format!("Content-Type: {content_type}\r\nVary: Accept\r\n").as_bytes()
            );
        }
    }

    #[test]
    fn a_detail_can_hold_anything() {
        let body = json_body(404, "a \"b\"\n\\");
        assert_eq!(
            body,
            "{\"status\":404,\"error\":\"Not Found\",\"detail\":\"a \\\"b\\\"\\u000a\\\\\"}\n"
        );
    }
}
