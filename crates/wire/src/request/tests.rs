//! Requests: exact bytes, both syntaxes, and what the decoder accepts.

use std::borrow::Cow;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::json_text;

fn encoded(request: &HandlerRequest<'_, '_>, protocol: Protocol) -> BytesMut {
    let mut out = BytesMut::new();
    request.encode(protocol, &mut out);
    out
}

fn full_dict<'a>() -> HeaderDict<'a> {
    let mut client = ClientFields::default();
    for (name, value) in
        [("Host", "h"), ("Accept", "a"), ("X-Q", "\"\\\t\u{1}"), ("accept", "b"), ("ACCEPT", "c")]
    {
        client.push(name.as_bytes(), value.as_bytes());
    }
    HeaderDict {
        client,
        forwarded_for: Some("10.0.0.1"),
        server: ServerFields {
            flags: Some(0x8a),
            peer_cert_sha1: Some("AB"),
            upload_stream: Some(7),
            upload_stream_done: true,
            download_credits: Some(102_400),
            upload_start: Some(b"up.1"),
            upload_done: Some(b"up.2"),
            more: &[("x-mongrel2-trace", b"t")],
        },
        method: b"GET",
        version: Some("HTTP/1.1"),
        uri: Some(b"/p?q"),
        query: Some(b"q"),
        fragment: Some(b""),
        pattern: b"/",
        url_scheme: "https",
        remote_addr: "10.0.0.1",
    }
}

#[test]
fn keys_have_a_fixed_order() {
    let headers = full_dict();
    let request =
        HandlerRequest { sender: "me", conn: 9, path: b"/p", headers: &headers, body: b"a,b" };
    let json = r#"{"PATH":"/p","host":"h","accept":["a","b","c"],"x-q":"\"\\\t\u0001","x-forwarded-for":"10.0.0.1","FLAGS":"0x8A","PEER_CERT_SHA1":"AB","UPLOAD_STREAM":"7","UPLOAD_STREAM_DONE":"1","DOWNLOAD_CREDITS":"102400","x-mongrel2-upload-start":"up.1","x-mongrel2-upload-done":"up.2","x-mongrel2-trace":"t","METHOD":"GET","VERSION":"HTTP/1.1","URI":"/p?q","QUERY":"q","FRAGMENT":"","PATTERN":"/","URL_SCHEME":"https","REMOTE_ADDR":"10.0.0.1"}"#;
    let want = format!("me 9 /p {}:{json},3:a,b,", json.len());
    assert_eq!(encoded(&request, Protocol::Json), want.as_str());
    let tnet = "4:PATH,2:/p,4:host,1:h,6:accept,12:1:a,1:b,1:c,]3:x-q,4:\"\\\t\u{1},15:x-forwarded-for,8:10.0.0.1,5:FLAGS,4:0x8A,14:PEER_CERT_SHA1,2:AB,13:UPLOAD_STREAM,1:7,18:UPLOAD_STREAM_DONE,1:1,16:DOWNLOAD_CREDITS,6:102400,23:x-mongrel2-upload-start,4:up.1,22:x-mongrel2-upload-done,4:up.2,16:x-mongrel2-trace,1:t,6:METHOD,3:GET,7:VERSION,8:HTTP/1.1,3:URI,4:/p?q,5:QUERY,1:q,8:FRAGMENT,0:,7:PATTERN,1:/,10:URL_SCHEME,5:https,11:REMOTE_ADDR,8:10.0.0.1,";
    let want = format!("me 9 /p {}:{tnet}}}3:a,b,", tnet.len());
    assert_eq!(encoded(&request, Protocol::Tnetstring), want.as_str());
}

#[test]
fn messages_are_appended() {
    let headers = full_dict();
    let request =
        HandlerRequest { sender: "me", conn: 1, path: b"/", headers: &headers, body: b"" };
    for protocol in [Protocol::Json, Protocol::Tnetstring] {
        let once = encoded(&request, protocol);
        let mut twice = once.clone();
        request.encode(protocol, &mut twice);
        assert_eq!(twice, [&once[..], &once[..]].concat());
    }
}

#[test]
fn notices_have_mongrel2s_bytes() {
    let check = |write: &dyn Fn(Protocol, &mut BytesMut), json: &str, tnet: &str| {
        for (protocol, want) in [(Protocol::Json, json), (Protocol::Tnetstring, tnet)] {
            let mut out = BytesMut::new();
            write(protocol, &mut out);
            assert_eq!(out, want);
        }
    };
    check(
        &|protocol, out| encode_disconnect("ID", 31, protocol, out),
        "ID 31 @* 17:{\"METHOD\":\"JSON\"},21:{\"type\":\"disconnect\"},",
        "ID 31 @* 16:6:METHOD,4:JSON,}21:{\"type\":\"disconnect\"},",
    );
    check(
        &|protocol, out| encode_credits("ID", 3, 40, protocol, out),
        "ID 3 @* 41:{\"METHOD\":\"JSON\",\"DOWNLOAD_CREDITS\":\"40\"},18:{\"type\":\"credits\"},",
        "ID 3 @* 41:16:DOWNLOAD_CREDITS,2:40,6:METHOD,4:JSON,}18:{\"type\":\"credits\"},",
    );
    let part =
        UploadPart { sender: "ID", conn: 2, path: b"/h", offset: 4000, done: true, bytes: b"xyz" };
    check(
        &|protocol, out| part.encode(protocol, out),
        "ID 2 /h 49:{\"UPLOAD_STREAM\":\"4000\",\"UPLOAD_STREAM_DONE\":\"1\"},3:xyz,",
        "ID 2 /h 50:18:UPLOAD_STREAM_DONE,1:1,13:UPLOAD_STREAM,4:4000,}3:xyz,",
    );
    let part = UploadPart { done: false, offset: 0, ..part };
    check(
        &|protocol, out| part.encode(protocol, out),
        "ID 2 /h 21:{\"UPLOAD_STREAM\":\"0\"},3:xyz,",
        "ID 2 /h 21:13:UPLOAD_STREAM,1:0,}3:xyz,",
    );
}

#[test]
fn only_the_server_can_say_disconnect() {
    let is_disconnect = |message: &str| {
        ParsedRequest::parse(message.as_bytes())
            .unwrap_or_else(|e| panic!("{message}: {e}"))
            .is_disconnect()
    };
    assert!(is_disconnect("ID 1 @* 17:{\"METHOD\":\"JSON\"},21:{\"type\":\"disconnect\"},"));
    assert!(is_disconnect("ID 1 @* 16:6:METHOD,4:JSON,}21:{\"type\":\"disconnect\"},"));
    assert!(!is_disconnect(
        "ID 1 @* 29:{\"PATH\":\"@*\",\"METHOD\":\"JSON\"},21:{\"type\":\"disconnect\"},"
    ));
    assert!(!is_disconnect("ID 1 @c 17:{\"METHOD\":\"JSON\"},21:{\"type\":\"disconnect\"},"));
    assert!(!is_disconnect("ID 1 @* 17:{\"METHOD\":\"JSON\"},18:{\"type\":\"credits\"},"));
}

#[test]
fn reads_mongrel2s_raw_json() {
    let json = b"{\"a\":\"caf\xe9\t\x01\", \"B\" : [\"x\\\"\", \"\"]}";
    let message = [format!("ID 1 /h {}:", json.len()).as_bytes(), json, b",0:,"].concat();
    let request = ParsedRequest::parse(&message).unwrap();
    assert_eq!(request.headers.get(b"a"), Some(b"caf\xe9\t\x01".as_slice()));
    assert_eq!(request.headers.values(b"B").collect::<Vec<_>>(), [b"x\"".as_slice(), b""]);
    assert_eq!(request.headers.get(b"b"), None);
    assert!(matches!(&request.headers.0[0].1, HeaderValue::One(Cow::Borrowed(_))));
}

#[test]
fn json_escapes_are_read() {
    let check = |json: &str, want: &[u8]| {
        let message = format!("ID 1 /h {}:{json},0:,", json.len());
        let request = ParsedRequest::parse(message.as_bytes());
        let request = request.unwrap_or_else(|e| panic!("{json}: {e:?}"));
        assert_eq!(request.headers.get(b"k"), Some(want), "{json}");
    };
    check(r#"{"k":"\"\\\/\b\f\n\r\t"}"#, b"\"\\/\x08\x0c\n\r\t");
    check(r#"{"k":"\u0041\u00e9"}"#, "Aé".as_bytes());
    check(r#"{"k":"\ud83d\ude00"}"#, "😀".as_bytes());
    check(r#"{"k":"\uefe9\uEF80"}"#, b"\xe9\x80");
    // Mongrel2 copies the client's bytes, and these are a character of theirs.
    check("{\"k\":\"\u{ef80}\"}", "\u{ef80}".as_bytes());
    check(r#"{"k":["a"]}"#, b"a");
}

#[test]
fn refuses_what_is_no_request() {
    let check = |message: &str, want: &str| {
        let error = ParsedRequest::parse(message.as_bytes()).expect_err(message);
        let debug = format!("{error:?}");
        assert!(debug.starts_with(want), "{message:?}: {debug}, expected {want}");
    };
    check("", "Missing(\"sender\")");
    check("a 1", "Missing(\"connection id\")");
    check("a 1 /h", "Missing(\"path\")");
    check("a x /h 2:{},0:,", "BadConn");
    check("a  /h 2:{},0:,", "BadConn");
    check("a +1 /h 2:{},0:,", "BadConn");
    check("a 18446744073709551616 /h 2:{},0:,", "BadConn");
    check("a 1 /h {},0:,", "HeadersFraming(LengthMissing");
    check("a 1 /h 9:{},0:,", "HeadersFraming(Truncated");
    check("a 1 /h 2:{}#0:,", "HeadersType(35)");
    check("a 1 /h 2:{},", "BodyFraming(Truncated)");
    check("a 1 /h 2:{},0:#", "BodyType(35)");
    check("a 1 /h 2:{},0:,x", "Trailing(1)");
    check("a 1 /h 2:[],0:,", "HeadersJson(Expected { at: 0");
    check("a 1 /h 8:{\"a\":\"b},0:,", "HeadersJson(Unclosed { at: 5");
    check("a 1 /h 7:{\"a\":1},0:,", "HeadersJson(Expected { at: 5");
    check("a 1 /h 9:{\"a\":[1]},0:,", "HeadersJson(Expected { at: 6");
    check("a 1 /h 9:{\"a\":\"\"}x,0:,", "HeadersJson(Expected { at: 8");
    check("a 1 /h 10:{\"a\":\"\\x\"},0:,", "HeadersJson(BadEscape { at: 7");
    check("a 1 /h 14:{\"a\":\"\\ud800\"},0:,", "HeadersJson(BadEscape { at: 7");
    check("a 1 /h 14:{\"a\":\"\\udc00\"},0:,", "HeadersJson(BadEscape { at: 7");
    check("a 1 /h 4:1:1#}0:,", "HeadersTnetstring(BadKey");
    check("a 1 /h 8:1:a,1:1#}0:,", "HeaderType");
    check("a 1 /h 11:1:a,4:1:1#]}0:,", "HeaderType");
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn any_pairs() -> impl Strategy<Value = Pairs> {
    let name = prop_oneof![
        "[a-zA-Z]{0,3}".prop_map(String::into_bytes),
        any::<Vec<u8>>().prop_map(|bytes| [b"h".as_slice(), &bytes].concat()),
    ];
    let value = prop_oneof![any::<Vec<u8>>(), ".{0,9}".prop_map(String::into_bytes)];
    prop::collection::vec((name, value), 0..40)
}

/// What the dictionary must hold of `pairs`, by lower-cased name.
fn expected(pairs: &Pairs) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut named: Vec<(Vec<u8>, Vec<Vec<u8>>)> = Vec::new();
    for (name, value) in pairs {
        let name = name.to_ascii_lowercase();
        match named.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) if values.len() < VALUES_MAX => values.push(value.clone()),
            Some(_) => {}
            None => named.push((name, vec![value.clone()])),
        }
    }
    named
}

fn dict_of(pairs: &Pairs) -> HeaderDict<'_> {
    let policy = FieldPolicy { keep_underscores: true, ..FieldPolicy::default() };
    let mut client = ClientFields::new(policy);
    for (name, value) in pairs {
        client.push(name, value);
    }
    HeaderDict { client, method: b"GET", pattern: b"/", ..HeaderDict::default() }
}

proptest! {
    #[test]
    fn any_fields_are_read_back(
        pairs in any_pairs(),
        conn in any::<u64>(),
        body in any::<Vec<u8>>(),
        path in "/[!-~]{0,20}",
    ) {
        let headers = dict_of(&pairs);
        let request = HandlerRequest {
            sender: "me", conn, path: path.as_bytes(), headers: &headers, body: &body,
        };
        for protocol in [Protocol::Json, Protocol::Tnetstring] {
            let message = encoded(&request, protocol);
            let parsed = ParsedRequest::parse(&message).unwrap();
            prop_assert_eq!(parsed.sender, b"me");
            prop_assert_eq!(parsed.conn, conn);
            prop_assert_eq!(parsed.path, path.as_bytes());
            prop_assert_eq!(parsed.body, &body);
            prop_assert_eq!(parsed.protocol, protocol);
            prop_assert_eq!(parsed.headers.get(b"PATH"), Some(path.as_bytes()));
            for (name, values) in expected(&pairs) {
                let read: Vec<_> = parsed.headers.values(&name).map(<[u8]>::to_vec).collect();
                prop_assert_eq!(read, values, "{:?}", name);
            }
        }
    }

    #[test]
    fn serde_json_reads_any_fields(pairs in any_pairs(), path in "/[!-z~é]{0,20}") {
        let headers = dict_of(&pairs);
        let request = HandlerRequest {
            sender: "me", conn: 1, path: path.as_bytes(), headers: &headers, body: b"",
        };
        let message = encoded(&request, Protocol::Json);
        let start = message.iter().position(|byte| *byte == b'{').unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&message[start..message.len() - 4]).unwrap();
        for (name, values) in expected(&pairs) {
            let mut key = BytesMut::new();
            json_text::escape(&name, &mut key);
            let key: String = serde_json::from_str(&format!("\"{}\"", str::from_utf8(&key).unwrap())).unwrap();
            let read: Vec<Vec<u8>> = match &json[key] {
                serde_json::Value::String(text) => vec![json_text::unescape(text).into_owned()],
                serde_json::Value::Array(items) => items
                    .iter()
                    .map(|item| json_text::unescape(item.as_str().unwrap()).into_owned())
                    .collect(),
                other => panic!("{other}"),
            };
            prop_assert_eq!(read, values);
        }
    }

    #[test]
    fn no_input_panics(input in any::<Vec<u8>>(), json in "[{}\\[\\]\",:\\\\ua-f0-9 ]{0,40}") {
        drop(ParsedRequest::parse(&input));
        drop(ParsedRequest::parse(format!("a 1 / {}:{json},0:,", json.len()).as_bytes()));
    }
}
