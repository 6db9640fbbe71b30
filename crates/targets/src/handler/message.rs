//! Writes an exchange as the message its handler gets.

use super::{Terms, wire_protocol};
use bytes::{Bytes, BytesMut};
use edge::Exchange;
use http1::Version;
use wire::request::{
    Admission, ClientFields, FieldPolicy, HandlerRequest, HeaderDict, ServerFields,
};

/// Which of a request's messages this is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written<'a> {
    /// The only one, with the body.
    Whole(&'a [u8]),
    /// The body is about to be written to this file.
    UploadStart(&'a str),
    /// The body is in this file.
    UploadDone(&'a str),
}

pub(super) fn encode(
    handler: &site::Handler,
    exchange: &Exchange<'_, '_>,
    terms: Terms<'_>,
    what: Written<'_>,
) -> Bytes {
    let (head, peer) = (exchange.head, exchange.peer);
    let mut server = ServerFields::default();
    let body = match what {
        Written::Whole(body) => body,
        Written::UploadStart(file) => {
            server.upload_start = Some(file.as_bytes());
            &[]
        }
        Written::UploadDone(file) => {
            server.upload_start = Some(file.as_bytes());
            server.upload_done = Some(file.as_bytes());
            &[]
        }
    };
    let clobber = !terms.options.no_clobber_xff;
    let headers = HeaderDict {
        client: client_fields(exchange, clobber),
        forwarded_for: clobber.then_some(&*peer.remote_addr),
        server,
        method: head.method().as_bytes(),
        version: Some(match head.version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }),
        uri: Some(head.uri().as_bytes()),
        query: head.query().map(str::as_bytes),
        // A target with a fragment is refused: a client keeps it to itself.
        fragment: None,
        pattern: terms.pattern.as_bytes(),
        url_scheme: if peer.tls { "https" } else { "http" },
        remote_addr: &peer.remote_addr,
    };
    let request = HandlerRequest {
        sender: &handler.send_ident,
        conn: peer.conn.0,
        path: head.path().as_bytes(),
        headers: &headers,
        body,
    };
    // The head with its keys quoted, the fields the server adds, and the body.
    let mut message = BytesMut::with_capacity(head.raw().len() * 2 + 256 + body.len());
    request.encode(wire_protocol(handler.protocol), &mut message);
    message.freeze()
}

fn client_fields<'a>(exchange: &Exchange<'a, '_>, clobber: bool) -> ClientFields<'a> {
    let policy = FieldPolicy { keep_forwarded_for: !clobber, keep_underscores: false };
    let mut fields = ClientFields::new(policy);
    for (name, value) in exchange.head.fields() {
        match fields.push(name.as_bytes(), value) {
            Admission::Kept | Admission::Reserved => {}
            Admission::Underscore | Admission::TooManyValues => {
                tracing::debug!(conn = %exchange.peer.conn, name, "a field does not go to the handler");
            }
        }
    }
    fields
}
