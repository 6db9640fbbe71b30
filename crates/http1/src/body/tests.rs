//! Tests of request bodies: a table of framings, each run whole, byte by byte and in random splits.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::limits::CHUNK_EXTENSION_BYTES_MAX;
use crate::refusal::Refusal as R;

const LIMITS: Limits = Limits {
    head_bytes_max: 1024,
    fields_max: 3,
    target_bytes_max: 1024,
    relaxed_uri: false,
    chunk_line_max: 64,
    trailer_bytes_max: 128,
};

/// The body and what is left behind it; `None` while it is incomplete.
type Outcome = Result<Option<(Vec<u8>, Vec<u8>)>, R>;

fn decode(framing: Framing, input: &[u8], cuts: &[usize], limits: &Limits) -> Outcome {
    let mut decoder = BodyDecoder::new(framing, limits);
    let mut buffer = BytesMut::new();
    let mut body = Vec::new();
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        buffer.extend_from_slice(&input[from..to]);
        from = to;
        loop {
            match decoder.decode(&mut buffer)? {
                Piece::Data(data) => {
                    assert!(!data.is_empty(), "a piece of data holds some");
                    body.extend_from_slice(&data);
                }
                Piece::NeedMore => {
                    assert!(buffer.is_empty() && !decoder.is_done());
                    break;
                }
                Piece::Done => {
                    assert!(decoder.is_done());
                    return Ok(Some((body, [&buffer[..], &input[to..]].concat())));
                }
            }
        }
    }
    Ok(None)
}

fn decode_every_way(framing: Framing, input: &[u8], limits: &Limits) -> Outcome {
    let whole = decode(framing, input, &[], limits);
    let each: Vec<usize> = (1..input.len()).collect();
    assert_eq!(
        decode(framing, input, &each, limits),
        whole,
        "byte by byte: {}",
        input.escape_ascii()
    );
    for cut in 0..input.len() {
        let halves = decode(framing, input, &[cut], limits);
        assert_eq!(halves, whole, "cut at {cut}: {}", input.escape_ascii());
    }
    whole
}

/// Section of RFC 9112, what the case shows, input, verdict.
type Case = (&'static str, &'static str, &'static [u8], Result<(), R>);

/// The body is `hello` where it is accepted.
#[rustfmt::skip]
const CHUNKED: &[Case] = &[
    ("7.1", "one chunk", b"5\r\nhello\r\n0\r\n\r\n", Ok(())),
    ("7.1", "two chunks", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", Ok(())),
    ("7.1", "zeros first", b"0005\r\nhello\r\n000\r\n\r\n", Ok(())),
    ("7.1", "16 digits", b"0000000000000005\r\nhello\r\n0\r\n\r\n", Ok(())),
    ("7.1", "17 digits, peers.md A.3", b"00000000000000005\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "17 digits that overflow", b"10000000000000000\r\n", Err(R::ChunkSize)),
    ("7.1", "`0x3`, peers.md A.3", b"0x3\r\nabc\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "no size", b"\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "a plus", b"+5\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "a minus", b"-5\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "an underscore", b"0_5\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "a letter that is no digit", b"5g\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "space before the size", b" 5\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "NUL after the size", b"5\0\r\nhello\r\n0\r\n\r\n", Err(R::ChunkSize)),
    ("7.1", "space after the size", b"5 \r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1", "a second word", b"5 5\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1", "chunk line ends LF, peers.md A.3", b"5\nhello\r\n0\r\n\r\n", Err(R::BareLf)),
    ("7.1", "last chunk ends LF", b"5\r\nhello\r\n0\n\r\n", Err(R::BareLf)),
    ("7.1", "CR and no LF", b"5\rhello\r\n0\r\n\r\n", Err(R::BareCr)),
    ("7.1", "CR CR LF", b"5\r\r\nhello\r\n0\r\n\r\n", Err(R::BareCr)),
    ("7.1", "data too long", b"5\r\nhello!\r\n0\r\n\r\n", Err(R::ChunkEnd)),
    ("7.1", "data too short", b"6\r\nhello\r\n0\r\n\r\n", Err(R::ChunkEnd)),
    ("7.1", "data ends LF", b"5\r\nhello\n0\r\n\r\n", Err(R::ChunkEnd)),
    ("7.1", "data ends CR", b"5\r\nhello\r0\r\n\r\n", Err(R::ChunkEnd)),
    ("7.1", "data ends in any two bytes", b"5\r\nhelloXX0\r\n\r\n", Err(R::ChunkEnd)),
    ("7.1", "body ends LF", b"5\r\nhello\r\n0\r\n\n", Err(R::BareLf)),
    ("7.1", "body ends CR and another byte", b"5\r\nhello\r\n0\r\n\rX", Err(R::BareCr)),
    ("7.1.1", "an extension", b"5;a=b\r\nhello\r\n0\r\n\r\n", Ok(())),
    ("7.1.1", "an extension of the last chunk", b"5\r\nhello\r\n0;a\r\n\r\n", Ok(())),
    ("7.1.1", "several", b"5;a;b=c;d=\"e\"\r\nhello\r\n0\r\n\r\n", Ok(())),
    ("7.1.1", "bad whitespace", b"5 ; a = b ;\tc\r\nhello\r\n0\r\n\r\n", Ok(())),
    ("7.1.1", "quotes hold anything", b"5;a=\"; =\\\"\xff\t\"\r\nhello\r\n0\r\n\r\n", Ok(())),
    ("7.1.1", "a quoted line end", b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "a quoted LF", b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", Err(R::BareLf)),
    ("7.1.1", "an escaped LF", b"5;a=\"\\\n\"\r\nhello\r\n0\r\n\r\n", Err(R::BareLf)),
    ("7.1.1", "a quoted NUL", b"5;a=\"\0\"\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "open quotes", b"5;a=\"b\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "text after quotes", b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "no name", b"5;\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "no name, but a value", b"5;=b\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "no value", b"5;a=\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "two values", b"5;a=b=c\r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "whitespace at the end", b"5;a=b \r\nhello\r\n0\r\n\r\n", Err(R::ChunkExtension)),
    ("7.1.1", "LF in an extension", b"5;a\nhello\r\n0\r\n\r\n", Err(R::BareLf)),
    ("7.1.1", "CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n", Err(R::BareCr)),
    ("7.1.1", "a line of 64 bytes", b"5;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nhello\r\n0\r\n\r\n", Ok(())),
    ("7.1.1", "a line of 65 bytes", b"5;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nhello\r\n0\r\n\r\n", Err(R::ChunkLineTooLong)),
    ("7.1.2", "a trailer", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", Ok(())),
    ("7.1.2", "a trailer that would frame, were it not dropped", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", Ok(())),
    ("7.1.2", "an empty value", b"5\r\nhello\r\n0\r\nX:\r\n\r\n", Ok(())),
    ("7.1.2", "as many trailers as fields", b"5\r\nhello\r\n0\r\na:b\r\nc:d\r\ne:f\r\n\r\n", Ok(())),
    ("7.1.2", "one more", b"5\r\nhello\r\n0\r\na:b\r\nc:d\r\ne:f\r\ng:h\r\n\r\n", Err(R::TooManyFields)),
    ("5.2", "a folded trailer", b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n", Err(R::ObsFold)),
    ("5.1", "space before the colon", b"5\r\nhello\r\n0\r\nX : y\r\n\r\n", Err(R::SpaceBeforeColon)),
    ("5", "no colon", b"5\r\nhello\r\n0\r\nX\r\n\r\n", Err(R::FieldNoColon)),
    ("5", "no name", b"5\r\nhello\r\n0\r\n: y\r\n\r\n", Err(R::FieldNameEmpty)),
    ("5", "a request where trailers belong", b"5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n", Err(R::SpaceBeforeColon)),
    ("5", "a bracket in the name", b"5\r\nhello\r\n0\r\nX[: y\r\n\r\n", Err(R::FieldName)),
    ("2.2", "a trailer ends LF", b"5\r\nhello\r\n0\r\nX: y\n\r\n", Err(R::BareLf)),
    ("2.2", "CR in a trailer", b"5\r\nhello\r\n0\r\nX: y\rz\r\n\r\n", Err(R::BareCr)),
    ("2.2", "NUL in a trailer", b"5\r\nhello\r\n0\r\nX: y\0\r\n\r\n", Err(R::Nul)),
    ("2.2", "a control byte in a trailer", b"5\r\nhello\r\n0\r\nX: \x01\r\n\r\n", Err(R::ControlByte)),
];

#[test]
fn chunked() {
    for (section, what, input, expected) in CHUNKED.iter().copied() {
        let next = [input, b"GET / HTTP/1.1\r\n"].concat();
        let outcome = decode_every_way(Framing::Chunked, &next, &LIMITS);
        let expected = expected.map(|()| Some((b"hello".to_vec(), b"GET / HTTP/1.1\r\n".to_vec())));
        assert_eq!(outcome, expected, "RFC 9112 {section}, {what}: {}", input.escape_ascii());
    }
}

#[test]
fn trailers_are_bounded() {
    let section = |len: usize| format!("0\r\nX: {}\r\n\r\n", "y".repeat(len - 7)).into_bytes();
    assert_eq!(
        decode_every_way(Framing::Chunked, &section(128), &LIMITS),
        Ok(Some((Vec::new(), Vec::new())))
    );
    let outcome = decode_every_way(Framing::Chunked, &section(129), &LIMITS);
    assert_eq!(outcome, Err(R::TrailersTooLarge));
}

/// Lines that are each short enough may not add up to a body that is mostly extensions (CVE-2023-39326).
#[test]
fn extensions_are_bounded_over_the_whole_body() {
    let chunk = format!("1;{}\r\nx\r\n", "a".repeat(60));
    let chunks = |count: usize| chunk.repeat(count).into_bytes();
    let most = CHUNK_EXTENSION_BYTES_MAX / 61;
    assert_eq!(decode(Framing::Chunked, &chunks(most), &[], &LIMITS), Ok(None));
    let outcome = decode(Framing::Chunked, &chunks(most + 1), &[], &LIMITS);
    assert_eq!(outcome, Err(R::ChunkLineTooLong));
}

#[test]
fn lengths() {
    type Parts = Option<(&'static [u8], &'static [u8])>;
    let cases: [(Framing, &[u8], Parts); 7] = [
        (Framing::None, b"", Some((b"", b""))),
        (Framing::None, b"GET", Some((b"", b"GET"))),
        (Framing::Length(0), b"GET", Some((b"", b"GET"))),
        (Framing::Length(5), b"hello", Some((b"hello", b""))),
        (Framing::Length(5), b"helloGET", Some((b"hello", b"GET"))),
        (Framing::Length(5), b"hell", None),
        (Framing::Length(u64::MAX), b"hello", None),
    ];
    for (framing, input, expected) in cases {
        let expected = expected.map(|(body, rest)| (body.to_vec(), rest.to_vec()));
        let outcome = decode_every_way(framing, input, &LIMITS);
        assert_eq!(outcome, Ok(expected), "{framing:?}: {}", input.escape_ascii());
    }
}

#[test]
fn the_hint_is_what_is_still_to_come() {
    let mut decoder = BodyDecoder::new(Framing::Length(10), &LIMITS);
    assert_eq!(decoder.remaining_hint(), 10);
    decoder.decode(&mut BytesMut::from("abc")).unwrap();
    assert_eq!(decoder.remaining_hint(), 7);
    let mut decoder = BodyDecoder::new(Framing::Chunked, &LIMITS);
    assert_eq!(decoder.remaining_hint(), 0);
    decoder.decode(&mut BytesMut::from("a\r\nabc")).unwrap();
    assert_eq!(decoder.remaining_hint(), 7);
}

#[test]
fn data_is_split_off_without_a_copy() {
    let mut input = BytesMut::from("5\r\nhello\r\n");
    let at = input.as_ptr().addr();
    let piece = BodyDecoder::new(Framing::Chunked, &LIMITS).decode(&mut input).unwrap();
    let Piece::Data(data) = piece else { panic!("data expected") };
    assert_eq!(data.as_ptr().addr(), at + 3);
}

/// A body in chunks of the given sizes, with an extension or a trailer where asked.
fn encode(body: &[u8], sizes: &[usize], decorated: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(7));
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        rest = after;
        let header = crate::encode_chunk_header(chunk.len() as u64);
        let header = header.as_ref();
        if decorated {
            out.extend([&header[..header.len() - 2], b" ;n=\"v\"\r\n"].concat());
        } else {
            out.extend(header);
        }
        out.extend([chunk, crate::CRLF].concat());
    }
    out.extend(if decorated { b"0\r\nTrailer: v\r\n\r\n".as_slice() } else { crate::LAST_CHUNK });
    out
}

proptest! {
    #[test]
    fn the_data_of_any_chunking_is_the_body(
        body in prop::collection::vec(any::<u8>(), 0..300),
        sizes in prop::collection::vec(1..64_usize, 0..12),
        decorated in any::<bool>(),
        fractions in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let input = [encode(&body, &sizes, decorated), b"next".to_vec()].concat();
        let mut cuts: Vec<usize> = fractions.iter().map(|at| at.index(input.len())).collect();
        cuts.sort_unstable();
        let outcome = decode(Framing::Chunked, &input, &cuts, &LIMITS);
        prop_assert_eq!(outcome, Ok(Some((body, b"next".to_vec()))));
    }

    #[test]
    fn any_bytes_are_read_one_way(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "0", "1", "5", "a", "ff", "\r\n", "\r\n", "\r", "\n", ";", "=", "\"", " ", "x", "X: y", "\\", "\0", "\r\n0\r\n\r\n",
        ]), 0..14),
        fractions in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let input = pieces.concat().into_bytes();
        let whole = decode(Framing::Chunked, &input, &[], &LIMITS);
        let mut cuts: Vec<usize> = fractions.iter().map(|at| at.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(decode(Framing::Chunked, &input, &cuts, &LIMITS), whole);
    }
}
