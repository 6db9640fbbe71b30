//! Messages without HTTP: no panic, the same messages whatever the pieces, paths that are safe to pass on.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use wire::message_socket::{Message, MessageError, MessageReader, begins};

const MAX: usize = 300;

fn read(pieces: &[&[u8]]) -> (Vec<Message>, Option<MessageError>) {
    let (mut reader, mut input) = (MessageReader::default(), BytesMut::new());
    let mut messages = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        while input.first().is_some_and(|&first| begins(first)) {
            match reader.next(&mut input, MAX) {
                Ok(Some(message)) => {
                    assert!(message.path.iter().all(u8::is_ascii_graphic));
                    assert_ne!(&*message.path, b"@*");
                    messages.push(message);
                }
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&cut, input)) = input.split_first() else { return };
    let (first, second) = input.split_at(usize::from(cut).min(input.len()));
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    let whole = read(&[input]);
    assert_eq!(read(&[first, second]), whole);
    assert_eq!(read(&bytes), whole);
});
