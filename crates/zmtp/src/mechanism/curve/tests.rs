//! CURVE against a client of its own: what is accepted, and each thing that is not.

use bytes::BytesMut;
use proptest::prelude::*;

use super::client::Client;
use super::*;
use crate::frame::Frame;
use crate::mechanism::Security;
use crate::session::{Event, Local, Oversized, PeerInfo, Session};
use crate::socket::SocketType;

const GREETING: usize = 64;

struct Pair {
    session: Session,
    client: Client,
    /// Bytes read from the session and not looked at.
    output: Vec<u8>,
}

fn greeting() -> Vec<u8> {
    let mut bytes = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE".to_vec();
    bytes.resize(GREETING, 0);
    bytes
}

fn properties(socket: &'static str) -> Vec<(Bytes, Bytes)> {
    let property = |name: &'static str, value: &'static str| (name.into(), value.into());
    vec![property("Socket-Type", socket), property("Identity", "it")]
}

impl Pair {
    /// The session's key, and whom it permits beside the client if not everyone.
    fn new(socket: SocketType, permitted: Option<Vec<PublicKey>>) -> Self {
        let server = SecretKey::generate();
        let client = Client::of(server.public_key(), SecretKey::generate());
        let local = Local {
            socket,
            identity: Bytes::from_static(b"me"),
            security: Security::Curve(Arc::new(CurveServer::new(server, permitted))),
            subscription: Bytes::from_static(b"ab"),
            message_bytes_max: 3000,
        };
        let mut pair = Self { session: Session::new(Arc::new(local)), client, output: vec![] };
        assert_eq!(pair.feed(&greeting()), Ok(vec![]));
        assert_eq!(&pair.output[12..33], b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
        pair.output.clear();
        pair
    }

    fn feed(&mut self, input: &[u8]) -> Result<Vec<Event>, ProtocolFault> {
        self.feed_in_steps(input, usize::MAX)
    }

    fn feed_in_steps(&mut self, input: &[u8], step: usize) -> Result<Vec<Event>, ProtocolFault> {
        let (mut events, mut buffer) = (vec![], BytesMut::new());
        for chunk in input.chunks(step) {
            buffer.extend_from_slice(chunk);
            loop {
                let got = self.session.receive(&mut buffer);
                self.session.take_output(&mut self.output);
                match got? {
                    Some(event) => events.push(event),
                    None => break,
                }
            }
        }
        Ok(events)
    }

    fn welcomed(&mut self) -> ([u8; 32], Vec<u8>) {
        let hello = self.client.hello(1);
        assert_eq!(self.feed(&hello), Ok(vec![]));
        self.client.welcome(&std::mem::take(&mut self.output))
    }

    /// The client's end of a finished handshake; what followed READY stays in `output`.
    fn ready(&mut self, socket: &'static str) -> (PeerInfo, Channel) {
        let (short, cookie) = self.welcomed();
        let initiate = self.client.initiate((&short, &cookie), 2, &properties(socket));
        let events = self.feed(&initiate).unwrap();
        let [Event::Ready(info)] = &events[..] else { panic!("{events:?}") };
        let length = 2 + usize::from(self.output[1]);
        let rest = self.output.split_off(length);
        let (metadata, channel) = self.client.ready(&short, &self.output, 2);
        assert!(metadata.starts_with(b"\x0bSocket-Type\0\0\0"), "{}", metadata.escape_ascii());
        self.output = rest;
        (info.clone(), channel)
    }
}

/// Everything in these frames, out of its boxes.
fn opened(channel: &mut Channel, mut bytes: &[u8]) -> Vec<(bool, bool, Bytes)> {
    let mut found = vec![];
    while !bytes.is_empty() {
        let (header, size) = FrameHeader::decode(bytes, usize::MAX).unwrap().unwrap();
        let (body, rest) = bytes[size..].split_at(header.length);
        let (inner, payload) = channel.open(body).unwrap();
        found.push((inner.command, inner.more, payload));
        bytes = rest;
    }
    found
}

fn sealed(channel: &mut Channel, more: bool, command: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    let header = FrameHeader { more, command, length: payload.len() };
    channel.seal(header, payload, &mut out);
    out
}

#[test]
fn a_publisher_is_let_in_and_heard() {
    let mut pair = Pair::new(SocketType::Sub, None);
    let (info, mut channel) = pair.ready("PUB");
    let key = pair.client.secret.public_key();
    assert_eq!(
        info,
        PeerInfo {
            socket: SocketType::Pub,
            identity: "it".into(),
            version: (3, 1),
            credential: Credential::Key(key)
        }
    );
    let subscription = opened(&mut channel, &std::mem::take(&mut pair.output));
    assert_eq!(subscription, [(true, false, Bytes::from_static(b"\x09SUBSCRIBEab"))]);

    let mut bytes = sealed(&mut channel, true, false, b"abc");
    bytes.extend(sealed(&mut channel, false, false, b""));
    bytes.extend(sealed(&mut channel, false, true, b"\x04PING\0\x0ahi"));
    bytes.extend(sealed(&mut channel, false, false, b"not wanted"));
    bytes.extend(sealed(&mut channel, false, false, &b"ab".repeat(1500)));
    let frame = |more, payload: &[u8]| {
        Event::Frame(Frame { more, payload: Bytes::copy_from_slice(payload) })
    };
    let want = [
        frame(true, b"abc"),
        frame(false, b""),
        Event::Ping { ttl: 10 },
        frame(false, &b"ab".repeat(1500)),
    ];
    assert_eq!(pair.feed_in_steps(&bytes, 7).unwrap(), want);
    let pong = opened(&mut channel, &pair.output);
    assert_eq!(pong, [(true, false, Bytes::from_static(b"\x04PONGhi"))]);
}

#[test]
fn who_is_not_in_the_list_is_told() {
    let other = SecretKey::generate().public_key();
    let mut pair = Pair::new(SocketType::Push, Some(vec![other]));
    let (short, cookie) = pair.welcomed();
    let initiate = pair.client.initiate((&short, &cookie), 2, &properties("PULL"));
    let key = pair.client.secret.public_key().to_string();
    assert_eq!(pair.feed(&initiate), Err(ProtocolFault::ClientKey { key }));
    assert_eq!(pair.output, b"\x04\x0a\x05ERROR\x03400");
}

#[test]
fn who_is_in_the_list_is_let_in() {
    let secret = SecretKey::generate();
    let mut pair = Pair::new(SocketType::Push, Some(vec![secret.public_key()]));
    pair.client.secret = secret;
    let (info, _) = pair.ready("PULL");
    assert_eq!(info.socket, SocketType::Pull);
}

#[test]
fn another_server_key_is_found_out_at_once() {
    let mut pair = Pair::new(SocketType::Push, None);
    pair.client.server = SecretKey::generate().public_key();
    let hello = pair.client.hello(1);
    assert_eq!(pair.feed(&hello), Err(ProtocolFault::ServerKey));
    assert_eq!(pair.output, b"");
}

#[test]
fn a_socket_that_does_not_fit_is_told_and_gets_no_ready() {
    let mut pair = Pair::new(SocketType::Push, None);
    let (short, cookie) = pair.welcomed();
    let initiate = pair.client.initiate((&short, &cookie), 2, &properties("SUB"));
    let fault = ProtocolFault::SocketType { theirs: "SUB".into(), ours: "PUSH" };
    assert_eq!(pair.feed(&initiate), Err(fault));
    assert_eq!(pair.output, b"\x04\x1a\x05ERROR\x13Invalid socket type");
}

#[test]
fn no_byte_of_the_handshake_may_change() {
    let hello = Pair::new(SocketType::Push, None).client.hello(1).len();
    // The header, the name, the version, and all behind the padding.
    for at in (2..10).chain(82..hello).step_by(3) {
        let mut pair = Pair::new(SocketType::Push, None);
        let mut hello = pair.client.hello(1);
        hello[at] ^= 1;
        assert!(pair.feed(&hello).is_err(), "byte {at} of HELLO");
    }
    let initiate = {
        let mut pair = Pair::new(SocketType::Push, None);
        let (short, cookie) = pair.welcomed();
        pair.client.initiate((&short, &cookie), 2, &properties("PULL")).len()
    };
    for at in (9..initiate).step_by(5) {
        let mut pair = Pair::new(SocketType::Push, None);
        let (short, cookie) = pair.welcomed();
        let mut initiate = pair.client.initiate((&short, &cookie), 2, &properties("PULL"));
        initiate[at] ^= 1;
        assert!(pair.feed(&initiate).is_err(), "byte {at} of INITIATE");
    }
}

#[test]
fn a_handshake_can_not_be_played_again() {
    let mut first = Pair::new(SocketType::Push, None);
    let (short, cookie) = first.welcomed();
    let initiate = first.client.initiate((&short, &cookie), 2, &properties("PULL"));
    let mut second = Pair::new(SocketType::Push, None);
    second.welcomed();
    assert_eq!(second.feed(&initiate), Err(ProtocolFault::Sealed { name: "INITIATE" }));
    let stale = first.client.initiate((&short, &cookie), 1, &properties("PULL"));
    assert_eq!(first.feed(&stale), Err(ProtocolFault::Nonce { name: "INITIATE" }));
}

#[test]
fn messages_come_once_in_order_and_in_boxes_only() {
    let run = |attack: &dyn Fn(&mut Channel) -> Vec<u8>| {
        let mut pair = Pair::new(SocketType::Sub, None);
        let (_, mut channel) = pair.ready("PUB");
        let bytes = attack(&mut channel);
        pair.feed(&bytes).unwrap_err()
    };
    let twice = run(&|channel| sealed(channel, false, false, b"ab").repeat(2));
    assert_eq!(twice, ProtocolFault::Nonce { name: "MESSAGE" });
    let swapped = run(&|channel| {
        let first = sealed(channel, false, false, b"ab");
        [sealed(channel, false, false, b"ab"), first].concat()
    });
    assert_eq!(swapped, ProtocolFault::Nonce { name: "MESSAGE" });
    assert_eq!(run(&|_| b"\0\x02ab".to_vec()), ProtocolFault::Unencrypted);
    assert_eq!(run(&|_| b"\0\x08\x07MESSAGE".to_vec()), ProtocolFault::Command { name: "MESSAGE" });
    let changed = run(&|channel| {
        let mut bytes = sealed(channel, false, false, b"ab");
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    });
    assert_eq!(changed, ProtocolFault::Sealed { name: "MESSAGE" });
    let both = run(&|channel| sealed(channel, true, true, b"ab"));
    assert_eq!(both, ProtocolFault::Flags { flags: 3 });
    let long = run(&|_| b"\x02\0\0\0\0\0\0\x0b\xda".to_vec());
    assert_eq!(long, ProtocolFault::TooLarge { size: 3034, max: 3000 + Channel::OVERHEAD });
}

#[test]
fn of_what_is_too_long_only_the_size_is_known() {
    let mut pair = Pair::new(SocketType::Sub, None);
    let (_, mut channel) = pair.ready("PUB");
    pair.session.pass_over_oversized();
    let mut bytes = sealed(&mut channel, false, false, &b"ab".repeat(1501));
    bytes.extend(sealed(&mut channel, false, false, b"ab"));
    let want = [
        Event::Oversized(Oversized { size: 3002, max: 3000, begins: None }),
        Event::Frame(Frame { more: false, payload: "ab".into() }),
    ];
    assert_eq!(pair.feed_in_steps(&bytes, 700).unwrap(), want);
}

#[test]
fn no_secret_is_shown() {
    let secret = SecretKey::generate();
    let text = secret.to_z85();
    let server = CurveServer::new(secret, None::<Vec<PublicKey>>);
    assert!(!format!("{server:?}").contains(text.as_str()));
    assert!(!format!("{:?}", Security::Curve(Arc::new(server))).contains(text.as_str()));
}

#[test]
fn a_key_that_is_struck_off_ends_what_it_let_in() {
    let (ours, theirs) = (SecretKey::generate(), SecretKey::generate().public_key());
    let curve = |secret: &SecretKey, clients: Option<Vec<PublicKey>>| {
        Security::Curve(Arc::new(CurveServer::new(secret.clone(), clients)))
    };
    let then = curve(&ours, None);
    for (now, want) in [
        (curve(&ours, None), true),
        (curve(&ours, Some(vec![theirs])), true),
        (curve(&ours, Some(vec![])), false),
        (curve(&SecretKey::generate(), None), false),
        (Security::Null, false),
    ] {
        assert_eq!(now.still_admits(&then, &Credential::Key(theirs)), want, "{now:?}");
        assert!(!now.still_admits(&Security::Null, &Credential::None) || now.name() == "NULL");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_frames_arrive_as_they_were(
        payloads in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..2500)), 0..10),
        step in 1usize..5000,
    ) {
        let mut pair = Pair::new(SocketType::Sub, None);
        let (_, mut channel) = pair.ready("PUB");
        let (mut bytes, mut frames) = (vec![], vec![]);
        for (more, payload) in payloads {
            let payload = [&b"ab"[..], &payload].concat();
            bytes.extend(sealed(&mut channel, more, false, &payload));
            frames.push(Event::Frame(Frame { more, payload: payload.into() }));
        }
        prop_assert_eq!(pair.feed_in_steps(&bytes, step), Ok(frames));
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, stage in 0..3, step in 1usize..40) {
        let mut pair = Pair::new(SocketType::Sub, None);
        match stage {
            0 => {}
            1 => drop(pair.welcomed()),
            _ => drop(pair.ready("PUB")),
        }
        pair.feed_in_steps(&bytes, step).ok();
    }
}
