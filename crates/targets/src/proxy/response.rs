//! The back end's response as the client gets it.

use super::failure::Stop;
use super::hop::{Named, ends_here, list};
use super::passage::Passage;
use super::relay::{Relay, Start};
use bytes::Bytes;
use edge::{Body, Fault, FaultKind, Fields, Response};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, SERVER, TRANSFER_ENCODING,
};
use std::future::poll_fn;
use std::task::Poll;

/// A guess at the size of a head, so that most are written without moving.
const HEAD_BYTES: usize = 512;

/// Makes the client's response. Content that is already here goes along with the head.
pub(super) async fn response<'r>(
    passage: Passage<'r>,
    head_only: bool,
    response: hyper::Response<Incoming>,
) -> Result<Response<'r>, Stop> {
    let (head, incoming) = response.into_parts();
    let mut response = Response::new(head.status.as_u16());
    if let Err(wrong) = check(response.status, &head.headers) {
        let text = format!("The back end {} sent {wrong}.", passage.address());
        return Err(Fault::new(FaultKind::UpstreamBroken, text).into());
    }
    response.fields = fields(&head.headers);
    let length = incoming.size_hint().exact();
    let mut relay = Relay::new(passage, incoming);
    response.body = match poll_fn(|cx| Poll::Ready(relay.start(cx))).await? {
        Start::Whole(_) if head_only => Body::Absent { length: declared_length(&head.headers) },
        Start::Whole(content) if content.is_empty() => Body::Empty,
        Start::Whole(content) => Body::Bytes(content),
        Start::Streaming => Body::Stream { source: Box::new(relay), length },
    };
    Ok(response)
}

/// What hyper lets through and we can't pass on truthfully; `Err` says what it is.
fn check(status: u16, fields: &HeaderMap) -> Result<(), &'static str> {
    if status == 101 {
        return Err("101, but no upgrade was asked for");
    }
    if !fields.contains_key(TRANSFER_ENCODING) {
        return Ok(());
    }
    if fields.contains_key(CONTENT_LENGTH) {
        return Err("both Content-Length and Transfer-Encoding (RFC 9112 section 6.3)");
    }
    let mut codings =
        fields.get_all(TRANSFER_ENCODING).into_iter().flat_map(|value| list(value.as_bytes()));
    match (codings.next(), codings.next()) {
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        // It undoes `chunked` only, and the field that names the others ends here.
        _ => Err("a transfer coding other than chunked"),
    }
}

/// Field lines for the client. Names are written in the usual case, as hyper keeps no other.
fn fields(fields: &HeaderMap) -> Fields {
    let options = fields.get_all(CONNECTION).into_iter().flat_map(|value| list(value.as_bytes()));
    let named = Named::by(options);
    let mut lines = Vec::with_capacity(HEAD_BYTES);
    for (name, value) in fields {
        if is_the_writers(name) || ends_here(name, &named) {
            continue;
        }
        let start = lines.len();
        lines.extend_from_slice(name.as_str().as_bytes());
        title_case(&mut lines[start..]);
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    Fields::shared(Bytes::from(lines))
}

/// Fields that every response of ours has anyway.
fn is_the_writers(name: &HeaderName) -> bool {
    *name == CONTENT_LENGTH || *name == DATE || *name == SERVER
}

fn title_case(name: &mut [u8]) {
    let mut begins = true;
    for byte in name {
        if begins {
            byte.make_ascii_uppercase();
        }
        begins = *byte == b'-';
    }
}

fn declared_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
