//! WebSocket frames: no panic, a bound on what is kept, the same messages whatever the pieces.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::websocket::{Decoder, Extensions, Message, Violation};

const MAX: usize = 300;

fn read(pieces: &[&[u8]], extensions: Extensions) -> (Vec<Message>, Option<Violation>) {
    let mut decoder = Decoder::new(MAX, extensions);
    let mut messages = Vec::new();
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(message)) => {
                    assert!(message.payload.len() <= MAX);
                    messages.push(message);
                }
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
        assert!(piece.is_empty());
    }
    (messages, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&cut, input)) = input.split_first() else { return };
    let (first, second) = input.split_at(usize::from(cut).min(input.len()));
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    for extensions in [Extensions::None, Extensions::Agreed] {
        let whole = read(&[input], extensions);
        assert_eq!(read(&[first, second], extensions), whole);
        assert_eq!(read(&bytes, extensions), whole);
    }
});
