//! Request heads: from the bytes of a connection to a head that broke no rule.

use benches::Ruler;
use bytes::BytesMut;
use http1::{HeadReader, Limits, RequestHead};

use crate::REQUEST;

/// What wrk sends.
const SMALL: &[u8] = b"GET /static/1k.txt HTTP/1.1\r\nHost: 127.0.0.1:6767\r\n\r\n";

pub(crate) fn measure(ruler: &Ruler) {
    let mut input = BytesMut::with_capacity(64 * 1024);
    ruler.measure("http1: head, small", || read(SMALL, &mut input));
    ruler.measure("http1: head, browser", || read(REQUEST, &mut input));
    ruler.measure("http1: head, browser, byte by byte", || drip(REQUEST));
}

/// The buffer is reused as a connection reuses it.
fn read(request: &[u8], input: &mut BytesMut) -> RequestHead {
    input.extend_from_slice(request);
    let head = HeadReader::default().read(input, &Limits::default());
    head.ok().flatten().expect("the request is well-formed and complete")
}

fn drip(request: &[u8]) -> Option<RequestHead> {
    let (mut input, mut reader) = (BytesMut::new(), HeadReader::default());
    request.iter().find_map(|byte| {
        input.extend_from_slice(&[*byte]);
        reader.read(&mut input, &Limits::default()).expect("the request is well-formed")
    })
}
