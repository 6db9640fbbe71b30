//! Replies of handlers: no input panics, limits hold, and what was read is written and read back.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use wire::reply::{TARGETS_MAX, encode, encode_ctl, encode_drain, encode_filter};
use wire::{Extended, Reply, ReplyBody};

fuzz_target!(|input: &[u8]| {
    let message = Bytes::copy_from_slice(input);
    let Ok(reply) = Reply::parse(&message, TARGETS_MAX) else { return };
    assert!((1..=TARGETS_MAX).contains(&reply.targets.len()));
    let sender = std::str::from_utf8(&reply.sender).expect("a sender is ASCII");
    let mut out = BytesMut::new();
    match &reply.body {
        ReplyBody::Close => encode(sender, &reply.targets, b"", &mut out),
        ReplyBody::Data(body) => {
            assert!(!body.is_empty());
            encode(sender, &reply.targets, body, &mut out);
        }
        ReplyBody::Extended(Extended::Ctl(ctl)) => {
            encode_ctl(sender, &reply.targets, *ctl, &mut out);
        }
        ReplyBody::Extended(Extended::Drain(drain)) => {
            encode_drain(sender, &reply.targets, drain, &mut out);
        }
        ReplyBody::Extended(filter @ Extended::Filter { name, .. }) => {
            // Names are any bytes; the writer takes text.
            let Ok(name) = std::str::from_utf8(name) else { return };
            encode_filter(sender, &reply.targets, name, &filter.args(), &mut out);
            // Numbers may be written shorter than they were sent.
            Reply::parse(&out.freeze(), TARGETS_MAX).expect("our own writing is read");
            return;
        }
    }
    assert_eq!(Reply::parse(&out.freeze(), TARGETS_MAX), Ok(reply));
});
