//! Frames: each rule once, every split alike, and what is written is read back.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

const MAX: usize = 1000;

/// A client's frame, masked.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut plain = BytesMut::new();
    frame(first, payload, &mut plain);
    let (head, mask) = (plain.len() - payload.len(), [0x37, 0xfa, 0x21, 0x3d]);
    let mut out = plain[..head].to_vec();
    out[1] |= 0x80;
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// What `input` says in pieces of `size` bytes: messages, then the violation if there is one.
fn read(input: &[u8], size: usize, extensions: Extensions) -> (Vec<Message>, Option<Violation>) {
    let mut decoder = Decoder::new(MAX, extensions);
    let mut messages = Vec::new();
    for piece in input.chunks(size) {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match decoder.next(&mut piece) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
        assert!(piece.is_empty(), "what is read is taken");
    }
    (messages, None)
}

fn check(input: &[u8], want: &[(u8, &[u8])], violation: Option<Violation>) {
    let want: Vec<Message> = want
        .iter()
        .map(|(flags, payload)| Message { flags: *flags, payload: Bytes::copy_from_slice(payload) })
        .collect();
    for size in [1, 2, 3, 7, input.len().max(1)] {
        let read = read(input, size, Extensions::None);
        assert_eq!(read, (want.clone(), violation), "{} by {size}", input.escape_ascii());
    }
}

#[test]
fn messages_are_joined_and_unmasked() {
    check(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", &[(0x81, b"Hello")], None);
    check(&masked(0x82, b"\0\xff"), &[(0x82, b"\0\xff")], None);
    check(&masked(0x81, b""), &[(0x81, b"")], None);
    check(&masked(0x82, &[7; 126]), &[(0x82, &[7; 126])], None);
    check(&masked(0x82, &[7; MAX]), &[(0x82, &[7; MAX])], None);
    let fragments = [
        masked(0x01, b"one, "),
        masked(0x89, b"ping"),
        masked(0x00, b""),
        masked(0x00, b"two, "),
        masked(0x8A, b""),
        masked(0x80, b"three"),
        masked(0x82, b"next"),
    ];
    let whole: &[(u8, &[u8])] =
        &[(0x89, b"ping"), (0x8A, b""), (0x81, b"one, two, three"), (0x82, b"next")];
    check(&fragments.concat(), whole, None);
    // A character may be cut by fragments.
    check(&[masked(0x01, b"\xc3"), masked(0x80, b"\xa9")].concat(), &[(0x81, b"\xc3\xa9")], None);
}

#[test]
fn nothing_is_heard_after_a_close() {
    let after = masked(0x81, b"more");
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe8bye", b"\x0b\xb8", b"\x13\x87", b"\x03\xf6"] {
        check(&[masked(0x88, payload), after.clone()].concat(), &[(0x88, payload)], None);
    }
    check(&[masked(0x88, b""), b"not a frame at all".to_vec()].concat(), &[(0x88, b"")], None);
}

#[test]
fn each_rule_has_its_violation_and_code() {
    let mut announced = b"\x82\xff".to_vec();
    announced.extend(u64::MAX.to_be_bytes());
    let mut huge = b"\x82\xff".to_vec();
    huge.extend(1_900_000_000_u64.to_be_bytes());
    let first = masked(0x81, b"ok");
    for (input, violation, code) in [
        (b"\x81\x05hello".to_vec(), Violation::Unmasked, 1002),
        (masked(0xC1, b"x"), Violation::ReservedBits, 1002),
        (masked(0xA1, b"x"), Violation::ReservedBits, 1002),
        (masked(0x99, b"x"), Violation::ReservedBits, 1002),
        (masked(0x83, b"x"), Violation::UnknownOpcode(3), 1002),
        (masked(0x8B, b"x"), Violation::UnknownOpcode(11), 1002),
        (masked(0x8F, b"x"), Violation::UnknownOpcode(15), 1002),
        (b"\x81\xfe\x00\x05\0\0\0\0hello".to_vec(), Violation::LengthForm, 1002),
        (b"\x81\xff\0\0\0\0\0\0\x01\x00".to_vec(), Violation::LengthForm, 1002),
        (announced, Violation::LengthForm, 1002),
        (masked(0x09, b"x"), Violation::FragmentedControl, 1002),
        (masked(0x08, b""), Violation::FragmentedControl, 1002),
        (masked(0x89, &[b'x'; 126]), Violation::LongControl, 1002),
        (masked(0x80, b"x"), Violation::NothingToContinue, 1002),
        (masked(0x00, b"x"), Violation::NothingToContinue, 1002),
        ([masked(0x01, b"x"), masked(0x81, b"y")].concat(), Violation::Interleaved, 1002),
        (masked(0x88, b"\x03"), Violation::CloseCode, 1002),
        (masked(0x88, b"\x03\xe7"), Violation::CloseCode, 1002),
        (masked(0x88, b"\x03\xed"), Violation::CloseCode, 1002),
        (masked(0x88, b"\x03\xf7"), Violation::CloseCode, 1002),
        (masked(0x88, b"\x13\x88"), Violation::CloseCode, 1002),
        (masked(0x88, b"\x03\xe8\xff"), Violation::NotUtf8, 1007),
        (masked(0x81, b"\xff"), Violation::NotUtf8, 1007),
        (masked(0x81, b"\xed\xa0\x80"), Violation::NotUtf8, 1007),
        (masked(0x82, &[0; MAX + 1]), Violation::TooBig { max: MAX }, 1009),
        (huge, Violation::TooBig { max: MAX }, 1009),
        (
            [masked(0x02, &[0; MAX]), masked(0x00, b""), masked(0x80, b"x")].concat(),
            Violation::TooBig { max: MAX },
            1009,
        ),
    ] {
        check(&[&first[..], &input].concat(), &[(0x81, b"ok")], Some(violation));
        assert_eq!(violation.code(), code, "{violation}");
    }
}

#[test]
fn an_extension_may_use_reserved_bits() {
    let input = [masked(0xC1, b"\xff\0"), masked(0x81, b"plain")].concat();
    let (messages, violation) = read(&input, 3, Extensions::Agreed);
    assert_eq!(violation, None);
    assert_eq!(messages[0], Message { flags: 0xC1, payload: Bytes::from_static(b"\xff\0") });
    assert_eq!(messages[1].flags, 0x81);
    let text = masked(0x81, b"\xff");
    assert_eq!(read(&text, 1, Extensions::Agreed).1, Some(Violation::NotUtf8));
    let control = masked(0xC9, b"");
    assert_eq!(read(&control, 1, Extensions::Agreed).1, Some(Violation::ReservedBits));
}

#[test]
fn announced_bytes_take_no_memory() {
    let mut decoder = Decoder::new(usize::MAX, Extensions::None);
    let mut head = b"\x82\xff\0\0\0\x01\0\0\0\0mask".to_vec();
    head.extend(b"x");
    assert_eq!(decoder.next(&mut Bytes::from(head)), Ok(None));
    let capacity = decoder.message.as_ref().unwrap().payload.capacity();
    assert!(capacity < 64 << 10, "{capacity}");
}

#[test]
fn servers_frames_have_the_shortest_length() {
    for (length, head) in [
        (0, &b"\x82\x00"[..]),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65_535, b"\x82\x7e\xff\xff"),
        (65_536, b"\x82\x7f\0\0\0\0\0\x01\0\0"),
    ] {
        let mut out = BytesMut::new();
        frame(flags::BINARY, &vec![1; length], &mut out);
        assert!(out.starts_with(head) && out.len() == head.len() + length, "{length}");
    }
    assert_eq!(close_frame(code::NORMAL, "bye"), &b"\x88\x05\x03\xe8bye"[..]);
    let long = close_frame(code::NORMAL, &"é".repeat(100));
    assert_eq!((long.len(), long[1]), (126, 124), "no half character");
}

proptest! {
    #[test]
    fn every_split_gives_the_same(
        messages in prop::collection::vec((any::<bool>(), ".{0,60}", 1..4_usize), 1..6),
        size in 1..40_usize,
    ) {
        let mut input = Vec::new();
        for (text, payload, parts) in &messages {
            let opcode = if *text { 1 } else { 2 };
            let pieces: Vec<&[u8]> = payload.as_bytes().chunks(payload.len() / parts + 1).collect();
            let pieces = if pieces.is_empty() { vec![&b""[..]] } else { pieces };
            for (at, piece) in pieces.iter().enumerate() {
                let fin = if at + 1 == pieces.len() { 0x80 } else { 0 };
                input.extend(masked(fin | if at == 0 { opcode } else { 0 }, piece));
            }
        }
        let (read, violation) = read(&input, size, Extensions::None);
        prop_assert_eq!(violation, None);
        let wanted: Vec<_> = messages
            .iter()
            .map(|(text, payload, _)| (if *text { 0x81 } else { 0x82 }, payload.as_bytes().to_vec()))
            .collect();
        let read: Vec<_> =
            read.into_iter().map(|message| (message.flags, message.payload.to_vec())).collect();
        prop_assert_eq!(read, wanted);
    }

    #[test]
    fn any_bytes_give_the_same_in_any_pieces(input in any::<Vec<u8>>(), size in 1..20_usize) {
        for extensions in [Extensions::None, Extensions::Agreed] {
            prop_assert_eq!(read(&input, size, extensions), read(&input, input.len().max(1), extensions));
        }
    }
}
