//! Any bytes as a chunked body give the same data and the same end whole and byte by byte.
#![no_main]

use bytes::BytesMut;
use http1::{BodyDecoder, Framing, Limits, Piece, Refusal};
use libfuzzer_sys::fuzz_target;

type Outcome = (Vec<u8>, Result<bool, Refusal>);

fn decode(input: &[u8], step: usize) -> Outcome {
    let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
    let mut buffer = BytesMut::new();
    let mut body = Vec::new();
    for part in input.chunks(step) {
        buffer.extend_from_slice(part);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Piece::Data(data)) => body.extend_from_slice(&data),
                Ok(Piece::NeedMore) => break,
                Ok(Piece::Done) => return (body, Ok(true)),
                Err(refusal) => return (body, Err(refusal)),
            }
        }
    }
    (body, Ok(false))
}

fuzz_target!(|input: &[u8]| {
    let whole = decode(input, input.len().max(1));
    assert_eq!(decode(input, 1), whole);
    assert_eq!(decode(input, 7), whole);
    assert!(whole.0.len() <= input.len());
});
