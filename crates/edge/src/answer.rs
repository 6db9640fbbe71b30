//! Answers the server makes itself: a fault as a small well-formed response.

use crate::fault::{Fault, FaultKind};
use crate::response::{Body, Response};
use bytes::Bytes;
use std::fmt::Write as _;

/// The reason phrase of a status (RFC 9110 section 15); empty for one that has no name.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
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
        406 => "Not Acceptable",
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
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

/// The response to a fault: plain text, or JSON where the client asks for it.
pub(crate) fn answer(fault: &Fault, json: bool) -> Response<'static> {
    let verdict = fault.kind.verdict();
    let mut response = Response::new(verdict.status);
    response.close = !verdict.keep;
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
        _ => {}
    }
    let (content_type, body) = if json {
        ("application/json", json_body(verdict.status, fault.text()))
    } else {
        let phrase = reason(verdict.status);
        ("text/plain; charset=utf-8", format!("{} {phrase}\n{}\n", verdict.status, fault.text()))
    };
    response.fields.add("Content-Type", content_type);
    response.body = Body::Bytes(Bytes::from(body));
    response
}

/// Whether an Accept value prefers JSON for an error: it names it and does not name text or HTML
/// before it. Weights are not read; a person's browser names text/html first, a program JSON.
pub(crate) fn prefers_json(accept: &[u8]) -> bool {
    for range in accept.split(|&byte| byte == b',') {
        let media = range.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if media.eq_ignore_ascii_case(b"application/json") {
            return true;
        }
        if media.len() >= 5 && media[..5].eq_ignore_ascii_case(b"text/") {
            return false;
        }
    }
    false
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
    fn json_is_for_those_who_ask() {
        for (accept, json) in [
            ("", false),
            ("*/*", false),
            ("application/json", true),
            ("application/json;q=0.9, text/html", true),
            ("text/html,application/json", false),
            ("image/png, Application/JSON", true),
        ] {
            assert_eq!(prefers_json(accept.as_bytes()), json, "{accept}");
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
