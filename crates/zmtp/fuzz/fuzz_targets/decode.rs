//! Any bytes, at once and in pieces, give the same events and never more output than input allows.
#![no_main]

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use zmtp::{Event, Local, ProtocolFault, Security, Session, SocketType};

fn feed(socket: SocketType, bytes: &[u8], step: usize) -> (Vec<Event>, Option<ProtocolFault>) {
    let mut session = Session::new(Arc::new(Local {
        socket,
        identity: Bytes::new(),
        security: Security::default(),
        subscription: Bytes::from_static(b"a"),
        message_bytes_max: 4096,
    }));
    let (mut events, mut output, mut input) = (Vec::new(), Vec::new(), BytesMut::new());
    for chunk in bytes.chunks(step) {
        input.extend_from_slice(chunk);
        loop {
            match session.receive(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(fault) => return (events, Some(fault)),
            }
        }
        session.take_output(&mut output);
        assert!(input.len() <= (16 << 10) + 9, "no more than one frame is kept");
    }
    assert!(output.len() <= 256 + 4 * bytes.len());
    (events, None)
}

fuzz_target!(|input: (u8, u8, bool, Vec<u8>)| {
    let (socket, step, greeted, bytes) = input;
    let socket = match socket % 3 {
        0 => SocketType::Push,
        1 => SocketType::Sub,
        _ => SocketType::Rep,
    };
    let mut whole = Vec::new();
    if greeted {
        whole.extend_from_slice(b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL");
        whole.resize(64, 0);
    }
    whole.extend_from_slice(&bytes);
    let at_once = feed(socket, &whole, usize::MAX);
    assert_eq!(at_once, feed(socket, &whole, usize::from(step) + 1));
});
