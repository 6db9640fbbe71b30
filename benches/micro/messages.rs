//! Messages of handlers: a request written, a reply read.

use benches::Ruler;
use bytes::{Bytes, BytesMut};
use http1::{HeadReader, Limits, RequestHead};
use wire::request::{ClientFields, FieldPolicy};
use wire::{HandlerRequest, HeaderDict, Protocol, Reply};

use crate::REQUEST;

pub(crate) fn measure(ruler: &Ruler) {
    let head = HeadReader::default()
        .read(&mut BytesMut::from(REQUEST), &Limits::default())
        .ok()
        .flatten()
        .expect("the request is well-formed and complete");
    let mut out = BytesMut::with_capacity(64 * 1024);
    for (name, protocol) in [
        ("wire: request to JSON", Protocol::Json),
        ("wire: request to tnetstring", Protocol::Tnetstring),
    ] {
        ruler.measure(name, || encode(&head, protocol, &mut out));
    }

    for (name, targets) in [("wire: reply to 1", 1), ("wire: reply to 128", 128)] {
        let message = reply(targets);
        ruler.measure(name, || {
            Reply::parse(&message, 128).expect("the reply is well-formed").targets.len()
        });
    }
}

/// What the server does for each request that goes to a handler.
fn encode(head: &RequestHead, protocol: Protocol, out: &mut BytesMut) -> usize {
    let mut client = ClientFields::new(FieldPolicy::default());
    for (name, value) in head.fields() {
        client.push(name.as_bytes(), value);
    }
    let headers = HeaderDict {
        client,
        forwarded_for: Some("192.0.2.7"),
        method: head.method().as_bytes(),
        version: Some(head.version().as_str()),
        uri: Some(head.uri().as_bytes()),
        query: head.query().map(str::as_bytes),
        pattern: b"/articles/",
        url_scheme: "http",
        remote_addr: "192.0.2.7",
        ..HeaderDict::default()
    };
    let request = HandlerRequest {
        sender: "82209006-86FF-4982-B5EA-D1E29E55D481",
        conn: 1_234_567,
        path: head.path().as_bytes(),
        headers: &headers,
        body: b"",
    };
    out.clear();
    request.encode(protocol, out);
    out.len()
}

/// A kilobyte for that many connections.
fn reply(targets: usize) -> Bytes {
    let ids: Vec<String> = (0..targets).map(|n| (1_000_000 + n).to_string()).collect();
    let ids = ids.join(" ");
    let page = "x".repeat(1024);
    let sender = "82209006-86FF-4982-B5EA-D1E29E55D481";
    Bytes::from(format!(
        "{sender} {}:{ids}, HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n{page}",
        ids.len()
    ))
}
