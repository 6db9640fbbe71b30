//! Any bytes, at once and in pieces, before and after a handshake of any mechanism, give the same
//! events and never more output than input allows.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use zmtp::{
    CurveServer, Event, Local, PlainUsers, ProtocolFault, PublicKey, SecretKey, Security, Session,
    SocketType,
};

const HELLO: &[u8] = b"\x04\x0a\x05HELLO\x01u\x01p";

static PLAIN: LazyLock<Security> =
    LazyLock::new(|| Security::Plain(Arc::new(PlainUsers::parse(b"u:p").expect("a line"))));
static CURVE: LazyLock<Security> = LazyLock::new(|| {
    Security::Curve(Arc::new(CurveServer::new(SecretKey::generate(), None::<[PublicKey; 0]>)))
});

fn feed(
    (socket, security): (SocketType, &Security),
    bytes: &[u8],
    step: usize,
) -> (Vec<Event>, Option<ProtocolFault>) {
    let mut session = Session::new(Arc::new(Local {
        socket,
        identity: Bytes::new(),
        security: security.clone(),
        subscription: Bytes::from_static(b"a"),
        message_bytes_max: 4096,
    }));
    if socket == SocketType::Sub {
        session.pass_over_oversized();
    }
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
    assert!(output.len() <= 512 + 4 * bytes.len());
    (events, None)
}

fuzz_target!(|input: (u8, u8, u8, u8, Vec<u8>)| {
    let (socket, mechanism, stage, step, bytes) = input;
    let socket = match socket % 3 {
        0 => SocketType::Push,
        1 => SocketType::Sub,
        _ => SocketType::Rep,
    };
    let security = match mechanism % 3 {
        0 => &Security::Null,
        1 => &*PLAIN,
        _ => &*CURVE,
    };
    let mut whole = Vec::new();
    if stage > 0 {
        whole.extend_from_slice(b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01");
        whole.extend_from_slice(security.name().as_bytes());
        whole.resize(64, 0);
    }
    if stage > 1 && matches!(security, Security::Plain(_)) {
        whole.extend_from_slice(HELLO);
    }
    whole.extend_from_slice(&bytes);
    let at_once = feed((socket, security), &whole, usize::MAX);
    assert_eq!(at_once, feed((socket, security), &whole, usize::from(step) + 1));
});
