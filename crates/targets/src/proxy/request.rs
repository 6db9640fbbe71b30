//! The head of a request as the back end gets it.

use super::forwards::{self, MAX_FORWARDS};
use super::hop::{Named, ends_here};
use super::upload::Content;
use bytes::Bytes;
use edge::{Fault, FaultKind, Peer};
use http1::{Framing, Refusal, RequestHead, Version};
use hyper::header::{
    CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, VIA,
};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri};
use std::io::Write as _;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Fields that we add to a request, Host and framing among them.
const OWN_FIELDS: usize = 7;
/// An IPv6 address in full, and then some.
const ADDRESS_BYTES_MAX: usize = 64;

/// Makes the head of the request to the back end. `authority` stands in for the Host that an
/// HTTP/1.0 client need not send.
///
/// What the grammar of our own head reader lets through and hyper's does not is refused, so that
/// no two readers of one request can differ.
pub(super) fn request(
    head: &RequestHead,
    peer: &Peer,
    authority: &HeaderValue,
    (content, room): (Content, HeaderMap),
) -> Result<Request<Content>, Fault> {
    let mut request = Request::new(content);
    *request.method_mut() = Method::from_bytes(head.method().as_bytes())
        .map_err(|_| FaultKind::Refused(Refusal::Method))?;
    *request.uri_mut() = uri(head)?;
    *request.headers_mut() = fields(head, peer, authority, room)?;
    Ok(request)
}

/// Whether sending the request twice is as good as sending it once (RFC 9110 section 9.2.2).
pub(super) fn is_idempotent(head: &RequestHead) -> bool {
    use http1::Method::{Delete, Get, Head, Options, Other, Patch, Post, Put, Trace};
    match head.known_method() {
        Get | Head | Options | Trace | Put | Delete => true,
        Post | Patch | Other => false,
    }
}

fn uri(head: &RequestHead) -> Result<Uri, Fault> {
    let path = PathAndQuery::from_maybe_shared(shared(head, head.uri().as_bytes()))
        .map_err(|_| FaultKind::Refused(Refusal::TargetByte))?;
    Ok(Uri::from(path))
}

fn fields(
    head: &RequestHead,
    peer: &Peer,
    authority: &HeaderValue,
    mut fields: HeaderMap,
) -> Result<HeaderMap, FaultKind> {
    let named = Named::by(head.connection_options());
    fields.reserve(head.fields().len() + OWN_FIELDS);
    let host = match head.host() {
        Some(host) => value(head, host.as_bytes())?,
        None => authority.clone(),
    };
    fields.insert(HOST, host.clone());
    let mut forwarded_for = Vec::new();
    for (name, text) in head.fields() {
        // A back end that reads `_` as `-`, as CGI does, would take it for another field.
        if name.contains('_') {
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| FaultKind::Refused(Refusal::FieldName))?;
        if name == X_FORWARDED_FOR {
            forwarded_for.extend_from_slice(text);
            forwarded_for.extend_from_slice(b", ");
        } else if !is_ours(&name) && !ends_here(&name, &named) {
            fields.append(name, value(head, text)?);
        }
    }
    if let Some(left) = forwards::left(head)
        && let Some(known) = fields.get_mut(MAX_FORWARDS)
    {
        *known = HeaderValue::from(left.saturating_sub(1));
    }
    if head.expects_continue() {
        fields.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    match head.framing() {
        Framing::None => {}
        Framing::Length(length) => {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        Framing::Chunked => {
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    fields.insert(X_FORWARDED_FOR, with_address(forwarded_for, peer)?);
    fields.insert(X_FORWARDED_HOST, host);
    let proto = if peer.tls { "https" } else { "http" };
    fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    let via = match head.version() {
        Version::Http10 => "1.0 lurcher",
        Version::Http11 => "1.1 lurcher",
    };
    fields.append(VIA, HeaderValue::from_static(via));
    Ok(fields)
}

/// `before`, and the address of `peer` after it.
fn with_address(mut before: Vec<u8>, peer: &Peer) -> Result<HeaderValue, FaultKind> {
    let mut room = [0; ADDRESS_BYTES_MAX];
    let mut left = &mut room[..];
    write!(left, "{}", peer.remote.ip().to_canonical()).expect("an address has room");
    let unused = left.len();
    let address = &room[..ADDRESS_BYTES_MAX - unused];
    if before.is_empty() {
        return checked(Bytes::copy_from_slice(address));
    }
    before.extend_from_slice(address);
    checked(Bytes::from(before))
}

/// Fields of which the back end sees our word and not the client's.
fn is_ours(name: &HeaderName) -> bool {
    *name == HOST
        || *name == CONTENT_LENGTH
        || *name == X_FORWARDED_HOST
        || *name == X_FORWARDED_PROTO
}

fn value(head: &RequestHead, text: &[u8]) -> Result<HeaderValue, FaultKind> {
    checked(shared(head, text))
}

fn checked(text: Bytes) -> Result<HeaderValue, FaultKind> {
    HeaderValue::from_maybe_shared(text).map_err(|_| FaultKind::Refused(Refusal::FieldValue))
}

/// The bytes of a part of `head`, without a copy where it is one.
fn shared(head: &RequestHead, part: &[u8]) -> Bytes {
    let (raw, part_at) = (head.raw(), part.as_ptr().addr());
    let start = raw.as_ptr().addr();
    let is_part = part_at >= start && part_at + part.len() <= start + raw.len();
    if is_part { raw.slice_ref(part) } else { Bytes::copy_from_slice(part) }
}
