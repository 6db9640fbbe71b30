//! Mongrel2's recorded verdicts on requests: ours are equal, or listed here with the rule by which they differ.

use std::collections::BTreeMap;

use bytes::BytesMut;
use serde_json::Value;

use super::{read_every_way, shown};
use crate::body::{BodyDecoder, Piece};
use crate::head::HeadReader;
use crate::limits::Limits;
use crate::refusal::Refusal as R;

fn golden(name: &str) -> Value {
    let path = format!("{}/../../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).expect("the golden file")).expect("JSON")
}

/// Golden strings hold one byte per character.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("latin-1")).collect()
}

/// `00-20,22` as a set of bytes.
fn bytes_of(ranges: &str) -> Vec<u8> {
    let hex = |text: &str| u8::from_str_radix(text, 16).expect("hexadecimal");
    let ranges = ranges.split(',').filter(|range| !range.is_empty());
    ranges
        .flat_map(|range| match range.split_once('-') {
            Some((from, to)) => hex(from)..=hex(to),
            None => hex(range)..=hex(range),
        })
        .collect()
}

/// The bytes that Mongrel2 accepts and we refuse, then those that only we accept, in each place of a request.
const OTHER_BYTES: [(&str, &str, &str, &str); 8] = [
    ("method", "", "21,23-27,2a-2b,2d-2e,5e-7a,7c,7e", "RFC 9110 9.1: a method is any token"),
    ("path", "23", "", "peers.md A.3: # in the target"),
    ("query", "23", "", "peers.md A.3: # in the target"),
    ("fragment", "21,24,26-3b,3d,3f-5a,5f,61-7a,7e", "", "peers.md A.3: # in the target"),
    ("header-name", "01-08,0a-1f", "", "RFC 9110 5.1: a name is a token"),
    ("header-name-first", "01-08,0b-1f", "", "RFC 9110 5.1: a name is a token"),
    ("header-value", "01-08,0b-0c,0e-1f", "", "RFC 9110 5.5: no control bytes"),
    ("header-value-first", "01-08,0b-0c,0e-1f", "", "RFC 9110 5.5: no control bytes"),
];

#[test]
fn each_byte_in_each_place() {
    let file = golden("04-accepted-bytes.json");
    let mut places = 0;
    for (place, only_theirs, only_ours, rule) in OTHER_BYTES {
        let template = latin1(file["templates"][place].as_str().expect("a template"));
        let at = template.windows(6).position(|part| part == b"{BYTE}").expect("a place");
        let (before, after) = (&template[..at], &template[at + 6..]);
        let theirs = bytes_of(file["cases"][0][place]["200"].as_str().expect("ranges"));
        let (only_theirs, only_ours) = (bytes_of(only_theirs), bytes_of(only_ours));
        for byte in 0..=255_u8 {
            let input = [before, &[byte], after].concat();
            let verdict = read_every_way(&input, &Limits::default());
            let differs = only_theirs.contains(&byte) || only_ours.contains(&byte);
            let expected = theirs.contains(&byte) != differs;
            let accepted = matches!(verdict, Some(Ok(_)));
            assert_eq!(accepted, expected, "{byte:#04x} in the {place} ({rule}): {verdict:?}");
            assert!(verdict.is_some(), "{byte:#04x} in the {place} keeps the peer waiting");
        }
        places += 1;
    }
    assert_eq!(places, file["templates"].as_object().expect("templates").len());
}

/// Cases of `04-http.json` whose first request we read otherwise than Mongrel2.
const OTHER_VERDICTS: &[(&str, Result<(), R>)] = &[
    // RFC 9112 2.2: one empty line before a request is ignored.
    ("leading-crlf", Ok(())),
    // RFC 9110 9.1: a method is any token.
    ("lowercase-method", Ok(())),
    ("method-21", Ok(())),
    ("method-hyphen", Ok(())),
    // RFC 9110 6.2: a higher minor version is served.
    ("http-1.2", Ok(())),
    // RFC 9112 2.2: lines end in CRLF.
    ("lf-only", Err(R::BareLf)),
    ("header-name-lf", Err(R::BareLf)),
    ("header-value-bare-lf", Err(R::BareLf)),
    // RFC 9112 2.2.
    ("header-name-cr", Err(R::BareCr)),
    // RFC 9112 3.2: the four forms of a target; Mongrel2 finds no route for most others.
    ("relative-path", Err(R::TargetForm)),
    ("query-only", Err(R::TargetForm)),
    ("scheme-colon-path", Err(R::TargetForm)),
    ("scheme-colon-rootless", Err(R::TargetForm)),
    // RFC 9112 3.
    ("empty-uri", Err(R::RequestLine)),
    // RFC 9110 9.3.6.
    ("connect-authority", Err(R::Connect)),
    // RFC 9112 5.
    ("header-line-no-colon", Err(R::FieldNoColon)),
    // RFC 9112 3.2: 1.1 has one Host.
    ("no-headers-ok", Err(R::HostMissing)),
    ("cl-5", Err(R::HostMissing)),
    ("cl-00005", Err(R::HostMissing)),
    ("uri-3000", Err(R::HostMissing)),
    ("path-300", Err(R::HostMissing)),
    ("pipeline-d", Err(R::HostMissing)),
    ("404-then-more", Err(R::HostMissing)),
    ("404-basic", Err(R::HostMissing)),
    ("404-post-body", Err(R::HostMissing)),
    // RFC 9112 3.2.
    ("host-two", Err(R::HostRepeated)),
    // RFC 9110 4.2.1.
    ("host-empty", Err(R::HostSyntax)),
    // RFC 9112 6.3: a length is digits.
    ("cl-+5", Err(R::ContentLength)),
    ("cl-5, 5", Err(R::ContentLength)),
    ("cl-5abc", Err(R::ContentLength)),
    ("cl-5.0", Err(R::ContentLength)),
    // RFC 9112 6.3.
    ("cl-dup-same", Err(R::ContentLengthRepeated)),
    ("cl-dup-diff2", Err(R::ContentLengthRepeated)),
    // RFC 9112 6.2: a large length is a length; how large is for the target to say.
    ("cl-99999999999", Ok(())),
    ("cl-2147483648", Ok(())),
    // RFC 9112 7: codings are case-insensitive, whitespace does not count.
    ("te-Chunked-case", Ok(())),
    ("te-chunked-space", Ok(())),
    // RFC 9112 7.1: what Mongrel2 runs as a second request is a broken chunk size.
    ("te-smuggle-get", Err(R::ChunkSize)),
    // RFC 9110 10.1.1.
    ("expect-other", Err(R::Expectation)),
    ("expect-dir-other", Err(R::Expectation)),
    // DESIGN section 5: 16 KiB, in any number of packets.
    ("header-total-4097", Ok(())),
    ("header-total-5000", Ok(())),
    ("packets-4", Ok(())),
    ("packets-5", Ok(())),
    ("packets-6", Ok(())),
    ("packets-7", Ok(())),
    // DESIGN section 5: 100 fields.
    ("many-headers", Err(R::TooManyFields)),
];

#[test]
fn recorded_requests() {
    let file = golden("04-http.json");
    let mut others: BTreeMap<&str, Result<(), R>> = OTHER_VERDICTS.iter().copied().collect();
    let mut compared = 0;
    for case in file["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        let events = case["events"].as_array().expect("events");
        let texts = |who: &str| {
            let of = events.iter().filter(move |event| event["who"] == who);
            of.filter_map(|event| event["data"].as_str()).map(str::to_owned).collect::<Vec<_>>()
        };
        let sent = texts("client->server").concat();
        if sent.contains(" bytes in all>") {
            continue;
        }
        let answers = texts("server->client");
        let theirs = !answers.iter().any(|answer| answer.starts_with("HTTP/1.1 400"));
        let ours = conversation(&latin1(&sent));
        compared += 1;
        match others.remove(name) {
            Some(expected) => assert_eq!(ours, expected, "{name}: {}", shown(&latin1(&sent))),
            None => {
                assert_eq!(ours.is_ok(), theirs, "{name}: {ours:?} for {}", shown(&latin1(&sent)))
            }
        }
    }
    assert!(compared > 100, "only {compared} cases were compared");
    assert!(others.is_empty(), "not in the file: {others:?}");
}

/// Reads all requests of a connection, bodies too; the first refusal ends it.
fn conversation(sent: &[u8]) -> Result<(), R> {
    let limits = Limits::default();
    let mut input = BytesMut::from(sent);
    let mut reader = HeadReader::default();
    while let Some(head) = reader.read(&mut input, &limits)? {
        let mut body = BodyDecoder::new(head.framing(), &limits);
        while let Piece::Data(_) = body.decode(&mut input)? {}
        if !body.is_done() {
            break;
        }
    }
    Ok(())
}
