//! Any bytes get the same verdict whole and byte by byte, and what is accepted reads the same when written anew.
#![no_main]

use bytes::BytesMut;
use http1::{HeadReader, Limits, Refusal, RequestHead};
use libfuzzer_sys::fuzz_target;

fn read(input: &[u8], step: usize) -> Result<Option<RequestHead>, Refusal> {
    let mut reader = HeadReader::default();
    let mut buffer = BytesMut::new();
    for part in input.chunks(step) {
        buffer.extend_from_slice(part);
        if let Some(head) = reader.read(&mut buffer, &Limits::default())? {
            return Ok(Some(head));
        }
    }
    Ok(None)
}

fn serialised(head: &RequestHead) -> Vec<u8> {
    let mut out =
        format!("{} {} {}\r\n", head.method(), head.target(), head.version().as_str()).into_bytes();
    for (name, value) in head.fields() {
        out.extend_from_slice(&[name.as_bytes(), b":", value, b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out
}

fuzz_target!(|input: &[u8]| {
    let whole = read(input, input.len().max(1));
    let drip = read(input, 1);
    match (&whole, &drip) {
        (Ok(Some(one)), Ok(Some(other))) => assert_eq!(one.raw(), other.raw()),
        (Ok(None), Ok(None)) => {}
        (Err(one), Err(other)) => assert_eq!(one, other),
        _ => panic!("{whole:?} whole, {drip:?} byte by byte"),
    }
    if let Ok(Some(head)) = whole {
        let again = read(&serialised(&head), usize::MAX);
        let again = again.expect("not refused").expect("not incomplete");
        assert!(head.fields().eq(again.fields()));
        assert_eq!(
            (head.method(), head.uri(), head.host(), head.framing(), head.persistent()),
            (again.method(), again.uri(), again.host(), again.framing(), again.persistent())
        );
    }
});
