//! Messages from server to handler: framing, ids, paths and bodies byte for byte, headers by value.

use std::collections::BTreeMap;

use bytes::BytesMut;
use wire::request::{
    ClientFields, FieldPolicy, ServerFields, UploadPart, encode_credits, encode_disconnect,
};
use wire::{HandlerRequest, HeaderDict, ParsedRequest, Protocol};

use super::vectors::cases;

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    requests: usize,
    disconnects: usize,
    credits: usize,
    upload_parts: usize,
    /// Messages whose JSON Mongrel2 made invalid beyond reading.
    unreadable: usize,
}

#[test]
fn every_recorded_message_is_read_and_written_again() {
    let check = |file: &str, want: [usize; 5]| {
        let [requests, disconnects, credits, upload_parts, unreadable] = want;
        let want = Count { requests, disconnects, credits, upload_parts, unreadable };
        assert_eq!(check_file(file), want, "messages in {file}");
    };
    check("03-request-messages", [30, 30, 0, 0, 0]);
    check("03-handler-replies", [0, 9, 0, 0, 0]);
    check("04-http", [67, 68, 0, 0, 0]);
    check("07-proxy", [2, 2, 0, 0, 0]);
    check("08-uploads", [53, 26, 0, 0, 0]);
    check("08-uploads-modes", [4, 2, 0, 0, 0]);
    check("08-upload-stream", [16, 10, 0, 28, 0]);
    check("08-download-flow", [10, 6, 11, 0, 0]);
    check("09-websocket", [87, 51, 0, 0, 0]);
    check("10-msg-sockets", [37, 31, 0, 0, 0]);
    check("12-tls", [11, 11, 0, 0, 0]);
    check("14-settings", [15, 14, 0, 0, 0]);
    check("17-filters", [1, 1, 0, 0, 0]);
}

fn check_file(file: &str) -> Count {
    let mut count = Count::default();
    for case in cases(file) {
        for event in case.events.iter().filter(|event| event.who == "server->handler") {
            let Some(message) = &event.bytes else { continue };
            let label = format!("{file} {}", case.name);
            check_message(&label, message, &mut count);
        }
    }
    count
}

fn check_message(label: &str, message: &[u8], count: &mut Count) {
    let request = match ParsedRequest::parse(message) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("{label}: {error}: {}", message.escape_ascii());
            count.unreadable += 1;
            return;
        }
    };
    let sender = std::str::from_utf8(request.sender).unwrap();
    let mut out = BytesMut::new();
    if request.is_disconnect() {
        count.disconnects += 1;
        encode_disconnect(sender, request.conn, request.protocol, &mut out);
        assert_eq!(out, message, "{label}");
    } else if let Some(written) = request.credits() {
        count.credits += 1;
        encode_credits(sender, request.conn, written, request.protocol, &mut out);
        assert_eq!(out, message, "{label}");
    } else if request.headers.get(b"PATH").is_none() {
        count.upload_parts += 1;
        upload_part(sender, &request).encode(request.protocol, &mut out);
        assert_eq!(out, message, "{label}");
    } else {
        count.requests += 1;
        check_request(label, message, &request);
    }
}

fn upload_part<'a>(sender: &'a str, request: &'a ParsedRequest<'a>) -> UploadPart<'a> {
    UploadPart {
        sender,
        conn: request.conn,
        path: request.path,
        offset: number(request, b"UPLOAD_STREAM").expect("a part has an offset"),
        done: request.headers.get(b"UPLOAD_STREAM_DONE").is_some(),
        bytes: request.body,
    }
}

fn check_request(label: &str, message: &[u8], recorded: &ParsedRequest<'_>) {
    let headers = dict_of(recorded);
    let mut out = BytesMut::new();
    let request = HandlerRequest {
        sender: std::str::from_utf8(recorded.sender).unwrap(),
        conn: recorded.conn,
        path: recorded.path,
        headers: &headers,
        body: recorded.body,
    };
    request.encode(recorded.protocol, &mut out);
    let ours = ParsedRequest::parse(&out).unwrap_or_else(|e| panic!("{label}: {e}"));
    assert_eq!(by_name(&ours), by_name(recorded), "{label}");

    let (head, json, tail) = parts(&out, recorded);
    let (recorded_head, recorded_json, recorded_tail) = parts(message, recorded);
    assert_eq!((head, tail), (recorded_head, recorded_tail), "{label}");
    let readable = recorded.protocol == Protocol::Json
        && serde_json::from_slice::<serde_json::Value>(recorded_json).is_ok();
    if readable || recorded.protocol == Protocol::Tnetstring {
        assert_eq!(json.len(), recorded_json.len(), "{label}");
    }
    if recorded.protocol == Protocol::Json {
        serde_json::from_slice::<serde_json::Value>(json)
            .unwrap_or_else(|e| panic!("{label}: {e}"));
    }
}

/// What stands before the header netstring's length, the headers, and the body's netstring.
fn parts<'m>(message: &'m [u8], request: &ParsedRequest<'_>) -> (&'m [u8], &'m [u8], &'m [u8]) {
    let spaces = message.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    let head_end = spaces.map(|(at, _)| at + 1).nth(2).unwrap();
    let body = request.body.len();
    let tail_start = message.len() - body - body.to_string().len() - 2;
    let colon = message[head_end..].iter().position(|byte| *byte == b':').unwrap() + head_end;
    (&message[..head_end], &message[colon + 1..tail_start - 1], &message[tail_start..])
}

fn by_name<'a>(request: &'a ParsedRequest<'_>) -> BTreeMap<&'a [u8], Vec<&'a [u8]>> {
    let headers = request.headers.0.iter();
    headers
        .map(|(name, value)| (&**name, value.as_slice().iter().map(|v| &**v).collect()))
        .collect()
}

fn text<'a>(request: &'a ParsedRequest<'_>, name: &[u8]) -> Option<&'a str> {
    request.headers.get(name).map(|value| std::str::from_utf8(value).unwrap())
}

fn number(request: &ParsedRequest<'_>, name: &[u8]) -> Option<u64> {
    text(request, name).map(|value| value.parse().unwrap())
}

fn dict_of<'a>(request: &'a ParsedRequest<'_>) -> HeaderDict<'a> {
    let forwarded = request.headers.values(b"x-forwarded-for").count();
    let keep_forwarded_for =
        forwarded > 1 || text(request, b"x-forwarded-for") != text(request, b"REMOTE_ADDR");
    let policy = FieldPolicy { keep_forwarded_for, keep_underscores: true };
    let mut client = ClientFields::new(policy);
    for (name, value) in &request.headers.0 {
        let of_client = !name.iter().any(u8::is_ascii_uppercase) || name.is_empty();
        if of_client {
            value.as_slice().iter().for_each(|value| {
                client.push(name, value);
            });
        }
    }
    let required = |name: &[u8]| request.headers.get(name).unwrap();
    let required_text = |name: &[u8]| text(request, name).unwrap();
    let flags = text(request, b"FLAGS")
        .map(|flags| u8::from_str_radix(flags.strip_prefix("0x").unwrap(), 16).unwrap());
    HeaderDict {
        client,
        forwarded_for: text(request, b"x-forwarded-for").filter(|_| !keep_forwarded_for),
        server: ServerFields {
            flags,
            peer_cert_sha1: text(request, b"PEER_CERT_SHA1"),
            upload_stream: number(request, b"UPLOAD_STREAM"),
            upload_stream_done: request.headers.get(b"UPLOAD_STREAM_DONE").is_some(),
            download_credits: number(request, b"DOWNLOAD_CREDITS"),
            upload_start: request.headers.get(b"x-mongrel2-upload-start"),
            upload_done: request.headers.get(b"x-mongrel2-upload-done"),
            more: &[],
        },
        method: required(b"METHOD"),
        version: text(request, b"VERSION"),
        uri: request.headers.get(b"URI"),
        query: request.headers.get(b"QUERY"),
        fragment: request.headers.get(b"FRAGMENT"),
        pattern: required(b"PATTERN"),
        url_scheme: required_text(b"URL_SCHEME"),
        remote_addr: required_text(b"REMOTE_ADDR"),
    }
}
