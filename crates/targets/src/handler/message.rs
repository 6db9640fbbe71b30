//! Writes what a client sent as the message its handler gets.

use super::{Terms, wire_protocol};
use bytes::{Bytes, BytesMut};
use edge::{Exchange, Peer, SocketMessage};
use http1::Version;
use wire::message_socket::Kind;
use wire::request::{
    Admission, ClientFields, FieldPolicy, HandlerRequest, HeaderDict, ServerFields,
};
use wire::websocket;

/// Which of a request's messages this is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written<'a> {
    /// The only one, with the body.
    Whole(&'a [u8]),
    /// The body is about to be written to this file.
    UploadStart(&'a str),
    /// The body is in this file.
    UploadDone { file: &'a str, size: u64, digest: Option<&'a str> },
    /// The body comes in parts; the first of them.
    StreamStart(&'a [u8]),
    /// WebSocket is asked for; the accept key of a 101.
    Handshake(&'a str),
}

pub(super) fn encode(
    handler: &site::Handler,
    exchange: &Exchange<'_, '_>,
    terms: Terms<'_>,
    what: Written<'_>,
) -> Bytes {
    let (size_text, more);
    let mut headers = headers(exchange, terms);
    if terms.options.download_flow_control && exchange.client.is_new_to_handler() {
        headers.server.download_credits = Some(edge::DOWNLOAD_CREDITS);
    }
    let body = match what {
        Written::Whole(body) => body,
        Written::UploadStart(file) => {
            headers.server.upload_start = Some(file.as_bytes());
            &[]
        }
        Written::UploadDone { file, size, digest } => {
            headers.server.upload_start = Some(file.as_bytes());
            headers.server.upload_done = Some(file.as_bytes());
            size_text = size.to_string();
            more = [
                ("x-mongrel2-upload-size", size_text.as_bytes()),
                ("x-mongrel2-upload-digest", digest.unwrap_or_default().as_bytes()),
            ];
            headers.server.more = if digest.is_some() { &more } else { more.split_at(1).0 };
            &[]
        }
        Written::StreamStart(body) => {
            headers.server.upload_stream = Some(0);
            body
        }
        Written::Handshake(accept) => {
            headers.method = b"WEBSOCKET_HANDSHAKE";
            accept.as_bytes()
        }
    };
    request(handler, exchange, &headers, body)
}

/// A message of a WebSocket; `headers` are those of its handshake.
pub(super) fn encode_frame(
    handler: &site::Handler,
    exchange: &Exchange<'_, '_>,
    headers: &mut HeaderDict<'_>,
    message: &websocket::Message,
) -> Bytes {
    headers.method = b"WEBSOCKET";
    headers.server.flags = Some(message.flags);
    request(handler, exchange, headers, &message.payload)
}

/// A message that came without HTTP.
pub(super) fn encode_socket_message(
    handler: &site::Handler,
    socket: &SocketMessage<'_>,
    terms: Terms<'_>,
) -> Bytes {
    let (peer, message) = (socket.peer, socket.message);
    let headers = HeaderDict {
        method: match message.kind {
            Kind::Json => b"JSON",
            Kind::Xml => b"XML",
        },
        ..server_headers(peer, terms)
    };
    let (path, body) = (&message.path[..], &message.body[..]);
    let request = HandlerRequest {
        sender: &handler.send_ident,
        conn: peer.conn.0,
        path,
        headers: &headers,
        body,
    };
    let mut out = BytesMut::with_capacity(384 + path.len() + body.len());
    request.encode(wire_protocol(handler.protocol), &mut out);
    out.freeze()
}

/// All headers of a request.
pub(super) fn headers<'a>(exchange: &Exchange<'a, '_>, terms: Terms<'a>) -> HeaderDict<'a> {
    let (head, peer) = (exchange.head, exchange.peer);
    HeaderDict {
        client: client_fields(exchange, terms),
        method: head.method().as_bytes(),
        version: Some(match head.version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }),
        uri: Some(head.uri().as_bytes()),
        query: head.query().map(str::as_bytes),
        // A target with a fragment is refused: a client keeps it to itself.
        fragment: None,
        ..server_headers(peer, terms)
    }
}

/// What the server says of any client.
fn server_headers<'a>(peer: &'a Peer, terms: Terms<'a>) -> HeaderDict<'a> {
    let clobber = !terms.options.no_clobber_xff;
    HeaderDict {
        forwarded_for: clobber.then_some(&*peer.remote_addr),
        server: ServerFields::default(),
        pattern: terms.pattern.as_bytes(),
        url_scheme: if peer.tls { "https" } else { "http" },
        remote_addr: &peer.remote_addr,
        ..HeaderDict::default()
    }
}

fn request(
    handler: &site::Handler,
    exchange: &Exchange<'_, '_>,
    headers: &HeaderDict<'_>,
    body: &[u8],
) -> Bytes {
    let head = exchange.head;
    let request = HandlerRequest {
        sender: &handler.send_ident,
        conn: exchange.peer.conn.0,
        path: head.path().as_bytes(),
        headers,
        body,
    };
    // The head with its keys quoted, the fields the server adds, and the body.
    let mut message = BytesMut::with_capacity(head.raw().len() * 2 + 320 + body.len());
    request.encode(wire_protocol(handler.protocol), &mut message);
    message.freeze()
}

fn client_fields<'a>(exchange: &Exchange<'a, '_>, terms: Terms<'_>) -> ClientFields<'a> {
    let policy = FieldPolicy {
        keep_forwarded_for: terms.options.no_clobber_xff,
        keep_underscores: terms.options.underscore_headers,
    };
    let mut fields = ClientFields::new(policy);
    let head = exchange.head;
    // The authority of an absolute URI stands for the Host field (RFC 9112 section 3.2.2).
    let authority = head.authority().map(|authority| ("host", authority.as_bytes()));
    let of_client =
        head.fields().filter(|(name, _)| authority.is_none() || !name.eq_ignore_ascii_case("host"));
    for (name, value) in authority.into_iter().chain(of_client) {
        match fields.push(name.as_bytes(), value) {
            Admission::Kept | Admission::Reserved => {}
            Admission::Underscore | Admission::TooManyValues => {
                tracing::debug!(conn = %exchange.peer.conn, name, "a field does not go to the handler");
            }
        }
    }
    fields
}
