//! Tnetstrings: no input panics, and what was read is written and read back.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use wire::control::{Command, Reply};
use wire::tnetstring::{parse, write_value};

fuzz_target!(|input: &[u8]| {
    if let Ok((value, rest)) = parse(input) {
        assert!(rest.len() < input.len());
        let mut out = BytesMut::new();
        write_value(&mut out, &value);
        let (again, rest) = parse(&out).expect("our own writing is read");
        assert!(rest.is_empty());
        assert_eq!(again, value);
    }
    let _ = Command::parse(input);
    if let Ok(reply) = Reply::parse(input) {
        let mut out = BytesMut::new();
        reply.encode(&mut out);
        assert_eq!(Reply::parse(&out), Ok(reply));
    }
});
