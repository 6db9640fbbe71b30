//! Tests of what the writer of chunks uses.

use super::*;

#[test]
fn chunk_headers_are_lower_case_hexadecimal_without_zeros_first() {
    let cases: [(u64, &str); 8] = [
        (1, "1\r\n"),
        (9, "9\r\n"),
        (10, "a\r\n"),
        (255, "ff\r\n"),
        (256, "100\r\n"),
        (65536, "10000\r\n"),
        (0xdead_beef, "deadbeef\r\n"),
        (u64::MAX, "ffffffffffffffff\r\n"),
    ];
    for (len, expected) in cases {
        assert_eq!(encode_chunk_header(len).as_ref(), expected.as_bytes());
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut chunks = Chunks::new(&Limits::default());
    for len in [1_u64, 15, 16, 4096] {
        let header = encode_chunk_header(len);
        assert_eq!(chunks.step(header.as_ref()), Ok(Span::More));
        let data = vec![b'x'; len as usize];
        assert_eq!(chunks.step(&data), Ok(Span::Data { skip: 0, len: data.len() }));
        assert_eq!(chunks.step(CRLF), Ok(Span::More));
    }
    assert_eq!(chunks.step(LAST_CHUNK), Ok(Span::Done { skip: LAST_CHUNK.len() }));
    assert!(chunks.is_done());
}
