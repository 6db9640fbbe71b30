//! Messages from handler to server: what we read in them is what Mongrel2 did.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use wire::reply::{self, TARGETS_MAX};
use wire::{Extended, Reply, ReplyBody};

use super::vectors::{Case, cases};

/// Where we differ on purpose, with the reason.
const DIFFERENT: [(&str, &str); 3] = [
    ("reply-id-overflow", "ids are 64 bits wide and never cut to 32"),
    ("x-ctl-notdict", "a malformed extended reply closes nothing"),
    ("x-unknown-ext", "an unknown extension closes nothing; the server logs it"),
];

/// What a case does to its connections, by id.
#[derive(Debug, Default, PartialEq, Eq)]
struct Effects {
    /// Bytes written and whether the connection was closed.
    connections: BTreeMap<u64, (Vec<u8>, bool)>,
    /// Ids of disconnect notices, sorted.
    notices: Vec<u64>,
    /// Messages that were refused.
    refused: bool,
}

#[test]
fn replies_do_what_they_did_to_mongrel2() {
    let (mut equal, mut different) = (0, 0);
    for case in cases("03-handler-replies") {
        if case.name.starts_with("queue-") {
            continue;
        }
        let (ours, recorded) = (expected(&case), recorded(&case));
        if DIFFERENT.iter().any(|(name, _)| *name == case.name) {
            assert_ne!(ours, recorded, "{}", case.name);
            different += 1;
        } else {
            assert_eq!(ours, recorded, "{}", case.name);
            equal += 1;
        }
    }
    assert_eq!((equal, different), (52, 3), "equal and different cases");
}

#[test]
fn every_recorded_reply_is_written_again() {
    let check = |file: &str, want: usize| {
        let mut count = 0;
        for case in cases(file) {
            for event in case.events.iter().filter(|event| event.who == "handler->server") {
                let Some(message) = &event.bytes else { continue };
                written_again(&case.name, message);
                count += event.times;
            }
        }
        assert_eq!(count, want, "replies in {file}");
    };
    check("03-request-messages", 30);
    check("04-http", 67);
    check("07-proxy", 2);
    check("08-uploads", 30);
    check("08-uploads-modes", 2);
    check("08-upload-stream", 43);
    check("08-download-flow", 35);
    check("09-websocket", 65);
    check("10-msg-sockets", 39);
    check("14-settings", 14);
    check("17-filters", 1);
}

fn parse(message: &[u8]) -> Result<Reply, wire::ReplyError> {
    Reply::parse(&Bytes::copy_from_slice(message), TARGETS_MAX)
}

fn written_again(case: &str, message: &[u8]) {
    let reply = parse(message).unwrap_or_else(|e| panic!("{case}: {e}"));
    let sender = std::str::from_utf8(&reply.sender).unwrap();
    let mut out = BytesMut::new();
    match &reply.body {
        ReplyBody::Close => reply::encode(sender, &reply.targets, b"", &mut out),
        ReplyBody::Data(body) => reply::encode(sender, &reply.targets, body, &mut out),
        ReplyBody::Extended(Extended::Ctl(ctl)) => {
            reply::encode_ctl(sender, &reply.targets, *ctl, &mut out);
        }
        ReplyBody::Extended(Extended::Drain(drain)) => {
            reply::encode_drain(sender, &reply.targets, drain, &mut out);
        }
        ReplyBody::Extended(filter @ Extended::Filter { name, .. }) => {
            let name = std::str::from_utf8(name).unwrap();
            reply::encode_filter(sender, &reply.targets, name, &filter.args(), &mut out);
        }
    }
    assert_eq!(out, message, "{case}");
}

/// The ids in `ids ['3', '4']`.
fn ids(case: &Case) -> Vec<u64> {
    let setup = case.events.iter().find(|event| event.who == "setup").expect("a setup event");
    setup.lines.split('\'').skip(1).step_by(2).map(|id| id.parse().unwrap()).collect()
}

/// What our reading of the messages would do.
fn expected(case: &Case) -> Effects {
    let mut effects = Effects::default();
    for id in ids(case) {
        effects.connections.insert(id, Default::default());
    }
    let frames = case.events.iter().filter(|event| event.who.starts_with("handler->server"));
    for message in frames.flat_map(frames_of) {
        match parse(&message) {
            Ok(reply) => apply(&reply, &mut effects),
            Err(_) => effects.refused = true,
        }
    }
    effects.notices.sort_unstable();
    effects
}

fn frames_of(event: &super::vectors::Event) -> Vec<Vec<u8>> {
    match &event.bytes {
        Some(bytes) => vec![bytes.clone()],
        None => serde_json::from_str::<Vec<String>>(&event.lines)
            .unwrap()
            .iter()
            .map(|frame| super::vectors::latin1(frame))
            .collect(),
    }
}

fn apply(reply: &Reply, effects: &mut Effects) {
    let cancels = matches!(&reply.body, ReplyBody::Extended(Extended::Ctl(ctl)) if ctl.cancel);
    for id in &reply.targets {
        let Some((written, closed)) =
            effects.connections.get_mut(id).filter(|(_, closed)| !*closed)
        else {
            if !cancels {
                effects.notices.push(*id);
            }
            continue;
        };
        match &reply.body {
            ReplyBody::Close => *closed = true,
            ReplyBody::Data(bytes) => written.extend_from_slice(bytes),
            ReplyBody::Extended(_) => *closed = cancels,
        }
    }
}

/// What the transcript shows.
fn recorded(case: &Case) -> Effects {
    let ids = ids(case);
    let mut effects = Effects::default();
    for id in &ids {
        effects.connections.insert(*id, Default::default());
    }
    for event in &case.events {
        let connection = event.conn.and_then(|index| effects.connections.get_mut(&ids[index]));
        match (event.who.as_str(), connection) {
            ("server->client", Some((written, _))) => {
                written.extend_from_slice(event.bytes.as_ref().unwrap());
            }
            ("server-closed", Some((_, closed))) => *closed = true,
            ("server->handler", _) => {
                let message = event.bytes.as_ref().unwrap();
                let notice = wire::ParsedRequest::parse(message).unwrap();
                assert!(notice.is_disconnect(), "{}", case.name);
                effects.notices.extend(std::iter::repeat_n(notice.conn, event.times));
            }
            ("error.log", _) => effects.refused = true,
            _ => {}
        }
    }
    effects.notices.sort_unstable();
    effects
}
