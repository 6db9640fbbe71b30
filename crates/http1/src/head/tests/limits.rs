//! The bounds on a head, each at its edge, and the cost of input that drips.

use std::time::Instant;

use bytes::BytesMut;

use super::{read, read_every_way};
use crate::head::HeadReader;
use crate::limits::Limits;
use crate::refusal::Refusal;

/// A head of exactly `len` bytes, filled up by one field.
fn head_of(len: usize) -> Vec<u8> {
    let frame = "GET / HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n".len();
    format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(len - frame)).into_bytes()
}

fn with_fields(count: usize) -> Vec<u8> {
    let lines: String = (1..count).map(|number| format!("X{number}: y\r\n")).collect();
    format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n").into_bytes()
}

fn with_target(len: usize) -> Vec<u8> {
    format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(len - 1)).into_bytes()
}

/// Small enough that every case can be run byte by byte in a moment.
const SMALL: Limits = Limits {
    head_bytes_max: 256,
    fields_max: 5,
    target_bytes_max: 64,
    relaxed_uri: false,
    chunk_line_max: 32,
    trailer_bytes_max: 64,
};

#[test]
fn each_bound_lets_its_value_through_and_no_more() {
    let cases: [(&str, Vec<u8>, Result<(), Refusal>); 6] = [
        ("head_bytes_max", head_of(256), Ok(())),
        ("head_bytes_max", head_of(257), Err(Refusal::HeadTooLarge)),
        ("fields_max", with_fields(5), Ok(())),
        ("fields_max", with_fields(6), Err(Refusal::TooManyFields)),
        ("target_bytes_max", with_target(64), Ok(())),
        ("target_bytes_max", with_target(65), Err(Refusal::TargetTooLong)),
    ];
    for (name, input, expected) in cases {
        let verdict = read_every_way(&input, &SMALL).expect("a verdict");
        assert_eq!(verdict.map(|_| ()), expected, "{name}, {} bytes", input.len());
    }
}

#[test]
fn a_bound_is_met_before_the_head_is_whole() {
    let cases: [(&str, Vec<u8>, Option<Refusal>); 8] = [
        ("a head as long as allowed", head_of(300)[..256].to_vec(), None),
        ("one byte more", head_of(300)[..257].to_vec(), Some(Refusal::HeadTooLarge)),
        ("a target as long as allowed", with_target(99)[..4 + 64].to_vec(), None),
        ("one byte more", with_target(99)[..4 + 65].to_vec(), Some(Refusal::TargetTooLong)),
        (
            "the fields allowed",
            with_fields(6)[..b"GET / HTTP/1.1\r\nHost: h\r\n".len()].to_vec(),
            None,
        ),
        ("a method of 32 bytes", vec![b'A'; 32], None),
        ("a method of 33 bytes", vec![b'A'; 33], Some(Refusal::MethodTooLong)),
        (
            "spaces without end",
            [b"GET / ".as_slice(), &[b' '; 300]].concat(),
            Some(Refusal::HeadTooLarge),
        ),
    ];
    for (what, input, expected) in cases {
        let verdict = read_every_way(&input, &SMALL);
        assert_eq!(verdict.map(|verdict| verdict.unwrap_err()), expected, "{what}");
    }
}

#[test]
fn the_earlier_fault_is_the_one_reported() {
    let long = "a".repeat(100);
    let cases = [
        ("a long target before a NUL", format!("GET /{long}\0"), Refusal::TargetTooLong),
        ("a NUL before the target is too long", format!("GET /\0{long}"), Refusal::Nul),
        ("a bad method before a NUL", "G(T\0".to_owned(), Refusal::Method),
        (
            "a NUL beyond the head's bound",
            format!("GET / HTTP/1.1\r\nX: {long}{long}{long}\0"),
            Refusal::HeadTooLarge,
        ),
        ("a fold before a NUL", "GET / HTTP/1.1\r\nHost: h\r\n \0".to_owned(), Refusal::ObsFold),
    ];
    for (what, input, expected) in cases {
        assert_eq!(read_every_way(input.as_bytes(), &SMALL), Some(Err(expected)), "{what}");
    }
}

/// peers.md A.3: the rows on sizes, at the default limits.
#[test]
fn sizes_of_the_smuggling_table() {
    let field = |len: usize| format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(len));
    let cases = [
        ("101 fields", with_fields(101), Err(Refusal::TooManyFields)),
        ("100 fields", with_fields(100), Ok(())),
        ("one 9 KiB field", field(9 * 1024).into_bytes(), Ok(())),
        ("9 KiB target", with_target(9 * 1024), Err(Refusal::TargetTooLong)),
        ("40 KiB of fields", field(40 * 1024).into_bytes(), Err(Refusal::HeadTooLarge)),
        ("a head of 16 KiB", head_of(16 * 1024), Ok(())),
        ("a head of 16 KiB and a byte", head_of(16 * 1024 + 1), Err(Refusal::HeadTooLarge)),
    ];
    for (name, input, expected) in cases {
        let verdict = read(&input, &Limits::default()).expect("a verdict");
        assert_eq!(verdict.map(|_| ()), expected, "{name}");
    }
}

#[test]
fn fields_are_kept_whatever_their_number() {
    for count in [1, 15, 16, 17, 100] {
        let mut input = BytesMut::from(&with_fields(count)[..]);
        let read = HeadReader::default().read(&mut input, &Limits::default());
        let head = read.unwrap().expect("a whole head");
        assert_eq!(head.fields().len(), count);
        assert!(head.fields().skip(1).all(|(name, value)| name.starts_with('X') && value == b"y"));
        assert_eq!(head.field("x1"), (count > 1).then_some(&b"y"[..]));
    }
}

/// A head that comes in single bytes must not be looked at from its beginning each time.
#[test]
fn drip_fed_input_costs_linear_time() {
    let limits = Limits { head_bytes_max: 1 << 20, target_bytes_max: 1 << 19, ..Limits::default() };
    for input in [head_of(1 << 20), with_target(1 << 19)] {
        let began = Instant::now();
        let mut reader = HeadReader::default();
        let mut buffer = BytesMut::with_capacity(input.len());
        let mut heads = 0;
        for byte in &input {
            buffer.extend_from_slice(&[*byte]);
            heads += usize::from(reader.read(&mut buffer, &limits).unwrap().is_some());
        }
        assert_eq!(heads, 1);
        // A million looks at up to a megabyte each would take minutes.
        assert!(began.elapsed().as_secs() < 10, "took {:?}", began.elapsed());
    }
}
