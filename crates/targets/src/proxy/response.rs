//! The back end's response as the client gets it.

use super::failure::Stop;
use super::hop::{Named, ends_here, list};
use super::passage::Passage;
use super::relay::{Relay, Start};
use edge::{Body, Fields, Response};
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, SERVER,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::response::Parts;
use std::future::poll_fn;
use std::task::Poll;

/// A guess at the size of a head, so that most are written without moving.
const HEAD_BYTES: usize = 512;
const UPGRADE_REQUIRED: u16 = 426;

/// Makes the client's response. Content that is already here goes along with the head.
pub(super) async fn response<'r>(
    mut passage: Passage<'r>,
    head_only: bool,
    response: hyper::Response<Incoming>,
) -> Result<Response<'r>, Stop> {
    let (head, incoming) = response.into_parts();
    let mut response = Response::new(head.status.as_u16());
    if let Err(wrong) = check(response.status, &head.headers) {
        return Err(passage.broken(format_args!("it sent {wrong}")).into());
    }
    response.reason = reason(&head);
    let mut lines = Vec::with_capacity(HEAD_BYTES);
    write_fields(&mut lines, response.status, &head.headers);
    response.is_dated = write_date(&mut lines, &head.headers);
    response.fields = Fields::from(lines);
    let length = incoming.size_hint().exact();
    let declared = declared_length(&head.headers);
    passage.link().give_room(head.headers);
    let mut relay = Relay::new(passage, incoming);
    response.body = match poll_fn(|cx| Poll::Ready(relay.start(cx))).await? {
        Start::Whole(_) if head_only => Body::Absent { length: declared },
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

/// The back end's own, where ours would be another.
fn reason(head: &Parts) -> Option<Box<[u8]>> {
    let usual = edge::reason(head.status.as_u16()).as_bytes();
    let reason = match head.extensions.get::<ReasonPhrase>() {
        Some(reason) => reason.as_bytes(),
        None => head.status.canonical_reason().unwrap_or_default().as_bytes(),
    };
    (!reason.is_empty() && reason != usual).then(|| reason.into())
}

/// A Date that is one stays: what else the response says of time goes by it. False if there is none.
fn write_date(lines: &mut Vec<u8>, fields: &HeaderMap) -> bool {
    let mut dates = fields.get_all(DATE).into_iter();
    let (Some(date), None) = (dates.next(), dates.next()) else { return false };
    if !date.to_str().is_ok_and(|date| httpdate::parse_http_date(date).is_ok()) {
        return false;
    }
    write_line(lines, "Date", date);
    true
}

/// Field lines for the client. Names are written in the usual case, as hyper keeps no other.
pub(super) fn write_fields(lines: &mut Vec<u8>, status: u16, fields: &HeaderMap) {
    let options = fields.get_all(CONNECTION).into_iter().flat_map(|value| list(value.as_bytes()));
    let named = Named::by(options);
    for (name, value) in fields {
        if is_the_writers(name) || ends_here(name, &named) {
            continue;
        }
        let start = lines.len();
        write_line(lines, name.as_str(), value);
        title_case(&mut lines[start..start + name.as_str().len()]);
    }
    if status == UPGRADE_REQUIRED {
        // Not of this connection, but of the answer (RFC 9110 section 15.5.22).
        for value in fields.get_all(UPGRADE) {
            write_line(lines, "Upgrade", value);
        }
        lines.extend_from_slice(b"Connection: Upgrade\r\n");
    }
}

fn write_line(lines: &mut Vec<u8>, name: &str, value: &HeaderValue) {
    lines.extend_from_slice(name.as_bytes());
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value.as_bytes());
    lines.extend_from_slice(b"\r\n");
}

/// Fields that every response of ours has anyway, or may have.
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
