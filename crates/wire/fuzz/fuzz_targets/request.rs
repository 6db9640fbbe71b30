//! Requests: the decoder never panics, and any header bytes become JSON that serde_json accepts.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use wire::request::ClientFields;
use wire::{HandlerRequest, HeaderDict, ParsedRequest, Protocol};

fuzz_target!(|input: &[u8]| {
    let _ = ParsedRequest::parse(input);

    let mut lines = input.split(|byte| *byte == b'\n');
    let path: Vec<u8> =
        lines.next().unwrap_or_default().iter().copied().filter(|byte| *byte != b' ').collect();
    let mut client = ClientFields::default();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        client.push(name, value);
    }
    let headers = HeaderDict { client, method: input, ..HeaderDict::default() };
    let request =
        HandlerRequest { sender: "me", conn: 1, path: &path, headers: &headers, body: input };
    for protocol in [Protocol::Json, Protocol::Tnetstring] {
        let mut out = BytesMut::new();
        request.encode(protocol, &mut out);
        let parsed = ParsedRequest::parse(&out).expect("our own writing is read");
        assert_eq!(parsed.path, path);
        assert_eq!(parsed.body, input);
        assert_eq!(parsed.headers.get(b"METHOD"), Some(input));
        if protocol == Protocol::Json {
            let envelope = b"me 1  ".len() + path.len();
            let colon = out[envelope..].iter().position(|byte| *byte == b':').expect("a length");
            let length: usize =
                std::str::from_utf8(&out[envelope..envelope + colon]).unwrap().parse().unwrap();
            let json = &out[envelope + colon + 1..][..length];
            serde_json::from_slice::<serde_json::Value>(json).expect("valid JSON");
        }
    }
});
