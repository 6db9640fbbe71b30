//! What holds for any bytes: no panic, one verdict however they are split, and one reading of what is accepted.

use bytes::BytesMut;
use proptest::prelude::*;

use super::{read, read_in_parts, summary};
use crate::head::{HeadReader, RequestHead};
use crate::limits::Limits;

fn head(input: &[u8]) -> Option<RequestHead> {
    HeadReader::default().read(&mut BytesMut::from(input), &Limits::default()).ok().flatten()
}

/// A head written anew from what the accessors say.
fn serialised(head: &RequestHead) -> Vec<u8> {
    let line = format!("{} {} {}\r\n", head.method(), head.target(), head.version().as_str());
    let fields = head.fields().flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"]);
    [line.as_bytes()].into_iter().chain(fields).chain([&b"\r\n"[..]]).collect::<Vec<_>>().concat()
}

fn token() -> impl Strategy<Value = String> {
    "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}"
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![9 => 0x21..0x7f_u8, 1 => Just(b' '), 1 => Just(b'\t'), 1 => 0x80..=0xff_u8];
    prop::collection::vec(byte, 0..24)
}

/// Bytes that are nearly a request: pieces of requests in any order, and noise.
fn near_request() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"GET",
        b"POST",
        b"OPTIONS",
        b" ",
        b"/",
        b"*",
        b"?",
        b"%2e",
        b"..",
        b"http://h",
        b"#",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b"\t",
        b":",
        b"Host: h",
        b"Host:",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"chunked",
        b"Connection: close",
        b"Expect: 100-continue",
        b"GET / HTTP/1.1\r\nHost: h\r\n",
        b"GET /a?b HTTP/1.1\r\nHost: h\r\n",
        b"X: y\r\n",
    ];
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn cuts_of(input: &[u8], fractions: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<usize> = fractions.iter().map(|at| at.index(input.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_the_splits(
        input in near_request(),
        fractions in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let limits = Limits { head_bytes_max: 96, target_bytes_max: 24, fields_max: 3, ..Limits::default() };
        let whole = read_in_parts(&input, &[], &limits);
        let each: Vec<usize> = (1..input.len()).collect();
        prop_assert_eq!(&read_in_parts(&input, &cuts_of(&input, &fractions), &limits), &whole);
        prop_assert_eq!(&read_in_parts(&input, &each, &limits), &whole);
    }

    #[test]
    fn any_bytes_get_a_verdict_or_wait(input in prop::collection::vec(any::<u8>(), 0..512)) {
        let each: Vec<usize> = (1..input.len()).collect();
        let limits = Limits::default();
        prop_assert_eq!(read_in_parts(&input, &each, &limits), read_in_parts(&input, &[], &limits));
    }

    #[test]
    fn what_is_accepted_reads_the_same_when_written_anew(input in near_request()) {
        if let Some(once) = head(&input) {
            let again = head(&serialised(&once)).expect("accepted once, accepted again");
            prop_assert_eq!(summary(&once), summary(&again));
            prop_assert!(once.fields().eq(again.fields()));
        }
    }

    #[test]
    fn well_formed_heads_are_accepted_with_their_fields(
        method in "[A-Z]{1,20}".prop_filter("CONNECT has rules of its own", |name| name != "CONNECT"),
        path in "(/[a-z0-9!$&'()*+,;=:@_~-]{0,8}){1,5}",
        query in prop::option::of("[a-z0-9/?&=%-]{0,12}".prop_map(|text| text.replace('%', "%41"))),
        fields in prop::collection::vec((token().prop_map(|name| format!("x-{name}")), value()), 0..30),
    ) {
        let target = query.as_ref().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let mut input = format!("{method} {target} HTTP/1.1\r\nHost: h\r\n").into_bytes();
        for (name, value) in &fields {
            input.extend([name.as_bytes(), b":", value, b"\r\n"].concat());
        }
        input.extend(b"\r\n");
        let head = head(&input).expect("a well-formed head");
        prop_assert_eq!(head.method(), method);
        prop_assert_eq!(head.path(), path);
        prop_assert_eq!(head.query(), query.as_deref());
        prop_assert_eq!(head.uri(), target);
        prop_assert_eq!(&head.raw()[..], &input[..]);
        let sent = fields.iter().map(|(name, value)| (name.as_str(), value.trim_ascii()));
        prop_assert!(head.fields().skip(1).eq(sent));
    }

    /// No byte put into an accepted head, at any place, may change what we read without changing the fields we report.
    #[test]
    fn a_foreign_byte_never_hides_a_field(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let plain = b"POST /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n";
        let mut input = plain.to_vec();
        input.insert(at.index(plain.len()), byte);
        if let Some(Ok(_)) = read(&input, &Limits::default()) {
            let head = head(&input).expect("accepted");
            let te = head.fields_named("transfer-encoding").next();
            prop_assert_eq!(head.framing() == crate::Framing::Chunked, te.is_some());
            let lines = head.raw().split(|byte| *byte == b'\n').count();
            prop_assert_eq!(head.fields().len() + 3, lines);
        }
    }
}
