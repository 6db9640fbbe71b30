//! The protocol by tables: raw bytes in, events and raw bytes out.

use proptest::prelude::*;

use super::*;
use crate::mechanism::PlainUsers;

fn local(socket: SocketType) -> Arc<Local> {
    Arc::new(Local {
        socket,
        identity: Bytes::from_static(b"me"),
        security: Security::Null,
        subscription: Bytes::from_static(b"ab"),
        message_bytes_max: 3000,
    })
}

/// Feeds `input` in steps; all events, the fault if any, and all output.
fn feed(
    session: &mut Session,
    input: &[u8],
    step: usize,
) -> (Vec<Event>, Option<ProtocolFault>, Vec<u8>) {
    let (mut events, mut output, mut buffer) = (Vec::new(), Vec::new(), BytesMut::new());
    for chunk in input.chunks(step) {
        buffer.extend_from_slice(chunk);
        loop {
            let got = session.receive(&mut buffer);
            session.take_output(&mut output);
            match got {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(fault) => return (events, Some(fault), output),
            }
        }
    }
    (events, None, output)
}

/// The same for whole input and for input byte by byte.
fn check(socket: SocketType, input: &[u8], want: (&[Event], Option<ProtocolFault>)) -> Vec<u8> {
    let got = feed(&mut Session::new(local(socket)), input, usize::MAX);
    let slow = feed(&mut Session::new(local(socket)), input, 1);
    assert_eq!(got, slow, "at once and byte by byte: {}", input.escape_ascii());
    assert_eq!((&got.0[..], got.1), want, "{}", input.escape_ascii());
    got.2
}

fn greeting(minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xff\0\0\0\0\0\0\0\0\x7f\x03".to_vec();
    bytes.push(minor);
    bytes.extend_from_slice(mechanism);
    bytes.resize(64, 0);
    bytes
}

fn v3(minor: u8, rest: &[u8]) -> Vec<u8> {
    [&greeting(minor, b"NULL"), rest].concat()
}

fn ready(socket: SocketType, version: (u8, u8), identity: &'static [u8]) -> Event {
    let (identity, credential) = (Bytes::from_static(identity), Credential::None);
    Event::Ready(PeerInfo { socket, version, identity, credential })
}

fn frame(more: bool, payload: &'static [u8]) -> Event {
    Event::Frame(Frame { more, payload: Bytes::from_static(payload) })
}

const READY_PULL: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL";
const READY_PUB: &[u8] = b"\x04\x28\x05READY\x0bSocket-Type\0\0\0\x03PUB\x08identity\0\0\0\x02ph";
const READY_REQ: &[u8] = b"\x04\x19\x05READY\x0bSOCKET-TYPE\0\0\0\x03REQ";
const OUR_GREETING: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL";

#[test]
fn version_3_greets_and_is_ready() {
    for (minor, version) in [(0, (3, 0)), (1, (3, 1)), (9, (3, 1))] {
        let want = ready(SocketType::Pull, version, b"");
        let out = check(SocketType::Push, &v3(minor, READY_PULL), (&[want], None));
        assert_eq!(&out[..16], OUR_GREETING);
        assert!(out[16..64].iter().all(|&byte| byte == 0));
        assert_eq!(
            &out[64..],
            b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x04PUSH\x08Identity\0\0\0\x02me"
        );
    }
    let mut later = v3(0, READY_PULL);
    later[10] = 4;
    check(SocketType::Push, &later, (&[ready(SocketType::Pull, (3, 1), b"")], None));
}

#[test]
fn the_greeting_is_sent_as_the_peer_proves_itself() {
    let mut session = Session::new(local(SocketType::Push));
    let mut out = Vec::new();
    session.take_output(&mut out);
    assert_eq!(out, greeting::SIGNATURE);
    assert_eq!(feed(&mut session, &greeting(1, b"NULL")[..10], 10).2, b"\x03");
    assert_eq!(feed(&mut session, b"\x03", 1).2.len(), 53);
}

#[test]
fn a_subscription_is_a_command_in_3_1_and_a_message_before() {
    for (input, version, want) in [
        (v3(1, READY_PUB), (3, 1), &b"\x04\x0c\x09SUBSCRIBEab"[..]),
        (v3(0, READY_PUB), (3, 0), b"\0\x03\x01ab"),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x01\0\x02ph".to_vec(), (2, 0), b"\0\x03\x01ab"),
    ] {
        let out = check(SocketType::Sub, &input, (&[ready(SocketType::Pub, version, b"ph")], None));
        assert!(out.ends_with(want), "{}", out.escape_ascii());
    }
}

#[test]
fn version_2_names_type_and_identity() {
    let input = b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x07\0\0";
    let out = check(SocketType::Push, input, (&[ready(SocketType::Pull, (2, 0), b"")], None));
    assert_eq!(out, b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x08\0\x02me");
    for (rest, fault) in [
        (&b"\x01\x08"[..], ProtocolFault::SocketType { theirs: "PUSH".into(), ours: "PUSH" }),
        (b"\x01\x2a", ProtocolFault::SocketType { theirs: "type 42".into(), ours: "PUSH" }),
        (b"\x01\x07\x01\0", ProtocolFault::Flags { flags: 1 }),
        (b"\x01\x07\x04\0", ProtocolFault::Flags { flags: 4 }),
        (b"\x01\x07\x02\0\0\0\0\0\0\x01\0", ProtocolFault::TooLarge { size: 256, max: 255 }),
        (b"\x00", ProtocolFault::Revision { revision: 0 }),
        (b"\x02", ProtocolFault::Revision { revision: 2 }),
    ] {
        let input = [&b"\xff\0\0\0\0\0\0\0\x01\x7f"[..], rest].concat();
        check(SocketType::Push, &input, (&[], Some(fault)));
    }
    let command = b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x01\0\0\x04\x01a";
    let want = [ready(SocketType::Pub, (2, 0), b"")];
    check(SocketType::Sub, command, (&want, Some(ProtocolFault::Flags { flags: 4 })));
}

#[test]
fn handshake_faults() {
    let too_large = ProtocolFault::TooLarge { size: 1 << 40, max: COMMAND_BYTES_MAX };
    for (input, fault) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), ProtocolFault::Signature),
        (b"\x01\0".to_vec(), ProtocolFault::Signature),
        (b"\xff\0\0\0\0\0\0\0\0\x7e".to_vec(), ProtocolFault::Signature),
        (greeting(1, b"PLAIN"), ProtocolFault::Mechanism { theirs: "PLAIN".into(), ours: "NULL" }),
        (
            greeting(1, b"\x1b[2J567890123456789012345"),
            ProtocolFault::Mechanism { theirs: "\\x1b[2J5678901234567890".into(), ours: "NULL" },
        ),
        (v3(1, b"\0\x01a"), ProtocolFault::Message),
        (v3(1, b"\x04\x06\x05HELLO"), ProtocolFault::Handshake { expected: "READY" }),
        (v3(1, b"\x04\x03\x05HE"), ProtocolFault::Command { name: "nameless" }),
        (
            v3(1, b"\x04\x06\x05READY"),
            ProtocolFault::SocketType { theirs: String::new(), ours: "PUSH" },
        ),
        (v3(1, READY_PUB), ProtocolFault::SocketType { theirs: "PUB".into(), ours: "PUSH" }),
        (v3(1, b"\x04\x09\x05ERROR\x02no"), ProtocolFault::Reported { reason: "no".into() }),
        (v3(1, b"\x06\0\0\x01\0\0\0\0\0"), too_large),
    ] {
        let out = check(SocketType::Push, &input, (&[], Some(fault.clone())));
        let told = out.ends_with(b"\x04\x1a\x05ERROR\x13Invalid socket type");
        assert_eq!(told, matches!(fault, ProtocolFault::SocketType { .. }));
        let told = out.ends_with(b"\x04\x22\x05ERROR\x1bSecurity mechanism mismatch");
        assert_eq!(told, matches!(fault, ProtocolFault::Mechanism { .. }));
    }
}

fn check_plain(input: &[u8], want: (&[Event], Option<ProtocolFault>)) -> Vec<u8> {
    let users = PlainUsers::parse(b"alice:secret").unwrap();
    let security = Security::Plain(Arc::new(users));
    let local = Arc::new(Local { security, ..Local::clone(&local(SocketType::Push)) });
    let got = feed(&mut Session::new(Arc::clone(&local)), input, usize::MAX);
    let slow = feed(&mut Session::new(local), input, 1);
    assert_eq!(got, slow, "at once and byte by byte: {}", input.escape_ascii());
    assert_eq!((&got.0[..], got.1), want, "{}", input.escape_ascii());
    got.2
}

#[test]
fn plain_asks_for_a_password() {
    let plain = |rest: &[&[u8]]| [&greeting(1, b"PLAIN"), &rest.concat()[..]].concat();
    let hello = &b"\x04\x13\x05HELLO\x05alice\x06secret"[..];
    let initiate = &b"\x04\x1d\x08INITIATE\x0bSocket-Type\0\0\0\x04PULL"[..];
    let info = PeerInfo {
        socket: SocketType::Pull,
        identity: Bytes::new(),
        version: (3, 1),
        credential: Credential::User("alice".into()),
    };
    let out = check_plain(&plain(&[hello, initiate]), (&[Event::Ready(info)], None));
    assert_eq!(&out[12..33], b"PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
    assert_eq!(
        &out[64..],
        b"\x04\x08\x07WELCOME\
          \x04\x29\x05READY\x0bSocket-Type\0\0\0\x04PUSH\x08Identity\0\0\0\x02me"
    );
    let expected = |expected| ProtocolFault::Handshake { expected };
    let malformed = |name| ProtocolFault::Command { name };
    let user = |user: &str| ProtocolFault::Credentials { user: user.to_owned() };
    for (rest, fault) in [
        (&[&b"\x04\x13\x05HELLO\x05alice\x06secreT"[..]][..], user("alice")),
        (&[b"\x04\x0d\x05HELLO\x05alice\0"], user("alice")),
        (&[b"\x04\x08\x05HELLO\0\0"], user("")),
        (&[b"\x04\x09\x05HELLO\x01\x1b\0"], user("\\x1b")),
        (&[b"\x04\x07\x05HELLO\x01"], malformed("HELLO")),
        (&[b"\x04\x14\x05HELLO\x05alice\x06secret!"], malformed("HELLO")),
        (&[initiate], expected("HELLO")),
        (&[READY_PULL], expected("HELLO")),
        (&[hello, hello], expected("INITIATE")),
        (&[hello, b"\x04\x0b\x08INITIATE\x01a"], malformed("INITIATE")),
        (&[b"\x04\x09\x05ERROR\x02no"], ProtocolFault::Reported { reason: "no".into() }),
    ] {
        let out = check_plain(&plain(rest), (&[], Some(fault.clone())));
        let refused = out.ends_with(b"\x04\x0a\x05ERROR\x03400");
        assert_eq!(refused, matches!(fault, ProtocolFault::Credentials { .. }));
    }
    for (input, theirs) in [
        (v3(1, READY_PULL), "NULL"),
        (greeting(1, b"CURVE"), "CURVE"),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x07".to_vec(), "none, as ZMTP 2.0"),
    ] {
        let fault = ProtocolFault::Mechanism { theirs: theirs.into(), ours: "PLAIN" };
        check_plain(&input, (&[], Some(fault)));
    }
}

#[test]
fn two_servers_part_at_once() {
    let mut input = greeting(1, b"PLAIN");
    input[32] = 1;
    let fault = ProtocolFault::BothServers { mechanism: "PLAIN" };
    let out = check_plain(&input, (&[], Some(fault)));
    assert!(out.ends_with(b"\x05ERROR\x16Both sides are servers"));
    // With NULL it means nothing.
    let mut input = v3(1, READY_PULL);
    input[32] = 1;
    check(SocketType::Push, &input, (&[ready(SocketType::Pull, (3, 1), b"")], None));
}

#[test]
fn frames_and_heartbeats() {
    let input = v3(
        1,
        &[
            READY_PUB,
            b"\0\x03abc\x01\x02ab\0\x01x\0\x02ax\x01\x01x\0\x02ab",
            b"\x04\x09\x04PING\0\x0ahi\x04\x08\x04PONGyes\x04\x05\x04JOIN\0\x02ab",
        ]
        .concat(),
    );
    let want = [
        ready(SocketType::Pub, (3, 1), b"ph"),
        frame(false, b"abc"),
        frame(true, b"ab"),
        frame(false, b"x"),
        Event::Ping { ttl: 10 },
        Event::Pong,
        frame(false, b"ab"),
    ];
    let out = check(SocketType::Sub, &input, (&want, None));
    assert!(out.ends_with(b"\x04\x07\x04PONGhi"), "{}", out.escape_ascii());
}

#[test]
fn a_push_socket_drops_what_its_peers_say() {
    let input = v3(1, &[READY_PULL, b"\x01\x03abc\0\x01x\x04\x07\x04PING\0\0"].concat());
    let want = [ready(SocketType::Pull, (3, 1), b""), Event::Ping { ttl: 0 }];
    check(SocketType::Push, &input, (&want, None));
}

#[test]
fn what_means_nothing_is_an_event_once_in_a_thousand_frames() {
    let rest = [&b"\0\x01x"[..], b"\x04\x05\x04JOIN"].concat().repeat(PASSED_OVER_FRAMES);
    let input = v3(1, &[READY_PULL, &rest].concat());
    let want = [ready(SocketType::Pull, (3, 1), b""), Event::PassedOver, Event::PassedOver];
    check(SocketType::Push, &input, (&want, None));
}

#[test]
fn a_rep_socket_takes_every_frame() {
    let want = [ready(SocketType::Req, (3, 1), b""), frame(true, b""), frame(false, b"q")];
    check(SocketType::Rep, &v3(1, &[READY_REQ, b"\x01\0\0\x01q"].concat()), (&want, None));
}

#[test]
fn traffic_faults() {
    let ready = ready(SocketType::Pub, (3, 1), b"ph");
    for (rest, fault) in [
        (&b"\x02\0\0\0\0\0\0\x0b\xb9"[..], ProtocolFault::TooLarge { size: 3001, max: 3000 }),
        (b"\x80\0", ProtocolFault::Flags { flags: 0x80 }),
        (b"\x04\0", ProtocolFault::Command { name: "nameless" }),
        (b"\x04\x06\x04PING\0", ProtocolFault::Command { name: "PING" }),
        (b"\x04\x08\x05ERROR\x01\x07", ProtocolFault::Reported { reason: "\\x07".into() }),
    ] {
        let input = v3(1, &[READY_PUB, rest].concat());
        check(SocketType::Sub, &input, (std::slice::from_ref(&ready), Some(fault)));
    }
}

/// The events of a session that passes over frames of more than 3000 bytes, whole and in steps.
fn check_passing_over(rest: &[u8], want: &[Event], fault: Option<ProtocolFault>) {
    let input = v3(1, &[READY_PUB, rest].concat());
    for step in [1, 7, 1000, usize::MAX] {
        let mut session = Session::new(local(SocketType::Sub));
        session.pass_over_oversized();
        let (events, got, _) = feed(&mut session, &input, step);
        assert_eq!(events[0], ready(SocketType::Pub, (3, 1), b"ph"));
        assert_eq!((&events[1..], &got), (want, &fault), "in steps of {step}");
    }
}

#[test]
fn what_is_too_long_is_passed_over() {
    let long = |flags: u8, prefix: &str, length: usize| {
        let mut frame = vec![flags | 2];
        frame.extend_from_slice(&(length as u64).to_be_bytes());
        frame.extend_from_slice(prefix.as_bytes());
        frame.resize(9 + length, b'.');
        frame
    };
    let told = |size: usize| {
        let mut begins = b"abc".to_vec();
        begins.resize(size.min(16 << 10), b'.');
        Event::Oversized(Oversized { size, max: 3000, begins: Some(begins.into()) })
    };
    let next = frame(false, b"ab");
    let then = |frame: Vec<u8>| [&frame[..], b"\0\x02ab"].concat();
    check_passing_over(&then(long(0, "abc", 3001)), &[told(3001), next.clone()], None);
    check_passing_over(&then(long(0, "abc", 70_000)), &[told(70_000), next.clone()], None);
    check_passing_over(&then(long(0, "xyz", 3001)), &[next], None);
    let more = frame(false, b"xy");
    let multipart = [&long(1, "abc", 3001)[..], b"\0\x02xy"].concat();
    check_passing_over(&multipart, &[told(3001), more], None);
    // Nobody means this.
    let (size, max) = (1 << 40, 3000);
    let mut huge = long(0, "abc", 16 << 10);
    huge[1..9].copy_from_slice(&(size as u64).to_be_bytes());
    let mut begins = b"abc".to_vec();
    begins.resize(16 << 10, b'.');
    let told = Event::Oversized(Oversized { size, max, begins: Some(begins.into()) });
    let fault = ProtocolFault::TooLarge { size: size as u64, max };
    check_passing_over(&huge, &[told], Some(fault));
    // A command has a bound of its own.
    let fault = ProtocolFault::TooLarge { size: 70_000, max };
    check_passing_over(&long(4, "\x04PING", 70_000), &[], Some(fault));
}

#[test]
fn only_the_newest_ping_is_answered() {
    let mut session = Session::new(local(SocketType::Push));
    feed(&mut session, &v3(1, READY_PULL), usize::MAX);
    let mut flood = BytesMut::from(&b"\x04\x08\x04PING\0\0a\x04\x08\x04PING\0\0b"[..]);
    while session.receive(&mut flood).unwrap().is_some() {}
    let mut out = Vec::new();
    session.take_output(&mut out);
    assert_eq!(out, b"\x04\x06\x04PONGb");
    assert!(!session.has_output());
}

#[test]
fn what_is_missing_is_known() {
    let mut session = Session::new(local(SocketType::Sub));
    feed(&mut session, &v3(1, READY_PUB), usize::MAX);
    let mut input = BytesMut::from(&b"\x02\0\0\0\0\0\0\x08\0abcd"[..]);
    assert_eq!(session.receive(&mut input), Ok(None));
    assert_eq!(session.wanted(), 2044);
    input.extend_from_slice(&[0; 2044]);
    assert!(matches!(session.receive(&mut input), Ok(Some(Event::Frame(_)))));
}

proptest! {
    #[test]
    fn two_sessions_understand_each_other(
        payloads in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..2500)), 0..20),
        step in 1usize..5000,
    ) {
        let mut receiver = Session::new(local(SocketType::Sub));
        let mut sender = Session::new(local(SocketType::Pub));
        let (mut to_receiver, mut to_sender) = (BytesMut::new(), BytesMut::new());
        let mut ready = 0;
        for turn in 0..12 {
            let (session, input, output) = if turn % 2 == 0 {
                (&mut receiver, &mut to_receiver, &mut to_sender)
            } else {
                (&mut sender, &mut to_sender, &mut to_receiver)
            };
            while session.receive(input).unwrap().is_some() { ready += 1; }
            let mut out = Vec::new();
            session.take_output(&mut out);
            output.extend_from_slice(&out);
        }
        prop_assert_eq!(ready, 2);
        let mut bytes = Vec::new();
        let mut frames = Vec::new();
        for (more, payload) in payloads {
            let payload = [&b"ab"[..], &payload].concat();
            let frame = Frame { more, payload: payload.into() };
            frame.header().encode(&mut bytes);
            bytes.extend_from_slice(&frame.payload);
            frames.push(Event::Frame(frame));
        }
        let (events, fault, _) = feed(&mut receiver, &bytes, step);
        prop_assert_eq!((events, fault), (frames, None));
    }

    #[test]
    fn any_bytes_are_survived(prefix in 0usize..100, bytes: Vec<u8>, step in 1usize..40) {
        let good = v3(1, READY_PUB);
        let input = [&good[..prefix.min(good.len())], &bytes].concat();
        for passes_over in [false, true] {
            let mut session = Session::new(local(SocketType::Sub));
            if passes_over {
                session.pass_over_oversized();
            }
            feed(&mut session, &input, step);
        }
    }
}

#[test]
fn a_frame_pins_no_buffer_much_larger_than_itself() {
    for (length, shared) in [(1, false), (10_000, false), (16_384, false), (20_000, true)] {
        let mut local = Local::clone(&local(SocketType::Rep));
        local.message_bytes_max = 1 << 20;
        let mut session = Session::new(Arc::new(local));
        let mut buffer = BytesMut::with_capacity(64 << 10);
        buffer.extend_from_slice(&v3(1, READY_REQ));
        assert!(matches!(session.receive(&mut buffer), Ok(Some(Event::Ready(_)))));
        let mut header = Vec::new();
        FrameHeader { more: false, command: false, length }.encode(&mut header);
        buffer.extend_from_slice(&header);
        buffer.resize(buffer.len() + length, b'x');
        let range = buffer.as_ptr_range();
        let Ok(Some(Event::Frame(frame))) = session.receive(&mut buffer) else {
            panic!("no frame of {length}");
        };
        assert_eq!(frame.payload.len(), length);
        assert_eq!(range.contains(&frame.payload.as_ptr()), shared, "{length}");
    }
}

#[test]
fn the_room_of_a_buffer_is_not_what_is_left_of_it() {
    let mut local = Local::clone(&local(SocketType::Rep));
    local.message_bytes_max = 1 << 20;
    let mut session = Session::new(Arc::new(local));
    let mut buffer = BytesMut::with_capacity(1 << 20);
    buffer.extend_from_slice(&v3(1, READY_REQ));
    assert!(matches!(session.receive(&mut buffer), Ok(Some(Event::Ready(_)))));
    let mut frame = Vec::new();
    FrameHeader { more: false, command: false, length: 20_000 }.encode(&mut frame);
    frame.resize(frame.len() + 20_000, b'x');
    let mut is_shared = |buffer: &mut BytesMut| {
        buffer.extend_from_slice(&frame);
        let range = buffer.as_ptr_range();
        let Ok(Some(Event::Frame(frame))) = session.receive(buffer) else { panic!("no frame") };
        range.contains(&frame.payload.as_ptr())
    };
    while buffer.capacity() > 20_009 {
        assert!(!is_shared(&mut buffer), "{} left", buffer.capacity());
    }
    assert!(is_shared(&mut BytesMut::with_capacity(64 << 10)));
}

#[test]
fn an_identity_does_not_keep_its_command() {
    let mut ready = b"\x05READY\x0bSocket-Type\0\0\0\x03REQ\x08Identity\0\0\0\x02me".to_vec();
    ready.extend_from_slice(b"\x01X\0\0\x20\0");
    ready.resize(ready.len() + 0x2000, 0);
    let mut input = greeting(1, b"NULL");
    FrameHeader { more: false, command: true, length: ready.len() }.encode(&mut input);
    input.extend_from_slice(&ready);
    let (events, ..) = feed(&mut Session::new(local(SocketType::Rep)), &input, usize::MAX);
    let [Event::Ready(info)] = <[Event; 1]>::try_from(events).unwrap() else { panic!() };
    assert_eq!(info.identity, "me");
    let kept = info.identity.try_into_mut().unwrap().capacity();
    assert!(kept < 300, "{kept} bytes");
}
