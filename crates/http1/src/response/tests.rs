//! Tests of response tracking: a table of handler replies, each fed whole, byte by byte and in random splits.

use proptest::prelude::*;

use super::*;

/// What came of a whole stream of reply bytes.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Where the response ended, counted from its first byte.
    end: Option<usize>,
    broken: Option<&'static str>,
    ending: Ending,
    status: Option<u16>,
    body_bytes: u64,
    persistent: bool,
}

fn track(request_is_head: bool, input: &[u8], cuts: &[usize]) -> Outcome {
    let mut tracker = ResponseTracker::new(request_is_head);
    let mut outcome = (None, None);
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        match tracker.feed(&input[from..to]) {
            Ok(Progress::Complete { consumed }) if outcome.0.is_none() => {
                outcome.0 = Some(from + consumed);
            }
            Ok(_) => {}
            Err(Broken::Excess { end }) => {
                outcome = (Some(from + end), Some("excess"));
                break;
            }
            Err(broken) => {
                outcome.1 = Some(broken.name());
                break;
            }
        }
        from = to;
    }
    Outcome {
        end: outcome.0,
        broken: outcome.1,
        ending: if outcome.1.is_some() { Ending::CutShort } else { tracker.finish() },
        status: tracker.status(),
        body_bytes: tracker.body_bytes(),
        persistent: tracker.persistent() && outcome.1.is_none(),
    }
}

fn track_every_way(request_is_head: bool, input: &[u8]) -> Outcome {
    let whole = track(request_is_head, input, &[]);
    let each: Vec<usize> = (1..input.len()).collect();
    let shown = input.escape_ascii();
    assert_eq!(track(request_is_head, input, &each), whole, "byte by byte: {shown}");
    for cut in 0..=input.len() {
        assert_eq!(track(request_is_head, input, &[cut]), whole, "cut at {cut}: {shown}");
    }
    whole
}

/// The outcome in a line: `end status body`, then what is to be noted.
fn line(outcome: &Outcome) -> String {
    let status = outcome.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let end = match (outcome.broken, outcome.end) {
        (Some(broken), Some(end)) => format!("{broken}@{end}"),
        (Some(broken), None) => broken.to_owned(),
        (None, Some(_)) => "complete".to_owned(),
        (None, None) => format!("{:?}", outcome.ending),
    };
    let keep = if outcome.persistent { " keep" } else { "" };
    format!("{end} {status} {}{keep}", outcome.body_bytes)
}

#[rustfmt::skip]
const REPLIES: &[(&str, &str, &[u8], &str)] = &[
    ("RFC 9112 6.3", "a length", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "complete 200 2 keep"),
    ("RFC 9112 6.3", "length 0", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "complete 200 0 keep"),
    ("RFC 9112 6.3", "a length not reached", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "CutShort 200 2"),
    ("RFC 9112 6.3", "a length passed", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", "excess@40 200 2"),
    ("RFC 9112 6.3", "a second response", b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "excess@19 204 0"),
    ("RFC 9112 6.3", "no length", b"HTTP/1.1 200 OK\r\n\r\nok", "Whole 200 2"),
    ("RFC 9112 6.3", "no length, no body", b"HTTP/1.1 200 OK\r\n\r\n", "Whole 200 0"),
    ("RFC 9112 4", "no reason phrase", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "complete 200 0 keep"),
    ("RFC 9112 4", "no space after the code", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "complete 200 0 keep"),
    ("RFC 9112 4", "a reason of several words", b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n", "complete 418 0 keep"),
    ("RFC 9112 4", "four digits", b"HTTP/1.1 2000 OK\r\n\r\n", "status_line - 0"),
    ("RFC 9112 4", "two digits", b"HTTP/1.1 20 OK\r\n\r\n", "status_line - 0"),
    ("RFC 9112 4", "letters", b"HTTP/1.1 abc OK\r\n\r\n", "status_line - 0"),
    ("RFC 9112 4", "below 100", b"HTTP/1.1 099 OK\r\n\r\n", "status_line - 0"),
    ("RFC 9112 4", "600", b"HTTP/1.1 600 OK\r\n\r\n", "status_line - 0"),
    ("RFC 9112 4", "two spaces", b"HTTP/1.1  200 OK\r\n\r\n", "status_line - 0"),
    ("RFC 9112 4", "no minor version", b"HTTP/1.x 200 OK\r\n\r\n", "status_line - 0"),
    ("RFC 9112 2.2", "lines of LF alone", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "complete 200 2 keep"),
    ("RFC 9112 6.2", "an equal length twice", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "complete 200 2 keep"),
    ("RFC 9112 6.3", "two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "content_length - 0"),
    ("RFC 9112 6.3", "a bad length", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", "content_length - 0"),
    ("RFC 9112 6.3", "an empty length", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", "content_length - 0"),
    ("RFC 9112 5.1", "a space before the colon still frames", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", "complete 200 2 keep"),
    ("RFC 9112 5.2", "a folded field", b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", "complete 200 2 keep"),
    ("RFC 9112 5.2", "a folded length", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n 3\r\n\r\nok", "folded_framing - 0"),
    ("RFC 9112 5", "a line without a colon", b"HTTP/1.1 200 OK\r\nwhat\r\nContent-Length: 2\r\n\r\nok", "complete 200 2 keep"),
    ("RFC 9112 7.1", "chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "complete 200 2 keep"),
    ("RFC 9112 7.1", "chunked, in upper case", b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n", "complete 200 2 keep"),
    ("RFC 9112 7.1.2", "chunked with trailers", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n1;a=b\r\n!\r\n0\r\nX: y\r\n\r\n", "complete 200 3 keep"),
    ("RFC 9112 7.1", "chunked and more", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nmore", "excess@59 200 2"),
    ("RFC 9112 7.1", "chunked, no last chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "CutShort 200 2"),
    ("RFC 9112 7.1", "a bad chunk size", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nok\r\n", "chunk_size 200 0"),
    ("RFC 9112 7.1", "data not as long as it says", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nok\r\n", "chunk_end 200 1"),
    ("RFC 9112 6.3", "gzip, chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "complete 200 2 keep"),
    ("RFC 9112 6.3", "gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", "Whole 200 2"),
    ("RFC 9112 6.1", "length and chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", "length_and_encoding - 0"),
    ("RFC 9112 6.1", "chunked on 1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "encoding_on_http_1_0 - 0"),
    ("RFC 9112 6.3", "204", b"HTTP/1.1 204 No Content\r\n\r\n", "complete 204 0 keep"),
    ("RFC 9112 6.3", "304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "complete 304 0 keep"),
    ("RFC 9112 6.3", "304 with a body", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "excess@48 304 0"),
    ("RFC 9110 15.2", "100 before it", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "complete 200 2 keep"),
    ("RFC 9110 15.2", "fields of an interim response do not count", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\nConnection: close\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "complete 204 0 keep"),
    ("RFC 9110 15.2", "only 100", b"HTTP/1.1 100 Continue\r\n\r\n", "Nothing - 0"),
    ("RFC 9110 15.2.2", "101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi", "Opaque 101 4"),
    ("RFC 9112 9.3", "close", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "complete 200 2"),
    ("RFC 9112 9.3", "close in a list", b"HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 2\r\n\r\nok", "complete 200 2"),
    ("RFC 9112 9.3", "1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "complete 200 2"),
    ("RFC 9112 9.3", "1.0 with keep-alive", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "complete 200 2 keep"),
    ("RFC 9112 8", "half a status line", b"HTTP/1.1 20", "CutShort - 0"),
    ("RFC 9112 8", "half a head", b"HTTP/1.1 200 OK\r\nContent-Len", "CutShort - 0"),
    ("RFC 9112 2.3", "another version", b"HTTP/2 200\r\n\r\n", "Opaque - 14"),
    ("RFC 9112 2.3", "lower case", b"http/1.1 200 OK\r\n\r\n", "Opaque - 19"),
    ("RFC 9112 2.1", "ICY", b"ICY 200 OK\r\n\r\nmusic", "Opaque - 19"),
    ("RFC 9112 2.1", "any bytes", b"\x81\x05hello", "Opaque - 7"),
    ("RFC 9112 2.1", "bytes that begin like HTTP", b"HTTP is what?", "Opaque - 13"),
    ("RFC 9112 8", "nothing", b"", "Nothing - 0"),
];

#[test]
fn replies() {
    for (section, what, input, expected) in REPLIES.iter().copied() {
        let outcome = track_every_way(false, input);
        assert_eq!(line(&outcome), expected, "{section}, {what}: {}", input.escape_ascii());
    }
}

/// RFC 9112 section 6.3: a response to HEAD ends with its head, whatever that says.
#[test]
fn replies_to_head() {
    let cases: [(&[u8], &str); 4] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "complete 200 0 keep"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "complete 200 0 keep"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "complete 200 0 keep"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "excess@38 200 0"),
    ];
    for (input, expected) in cases {
        assert_eq!(line(&track_every_way(true, input)), expected, "{}", input.escape_ascii());
    }
}

#[test]
fn heads_are_bounded() {
    let head = |len: usize| format!("HTTP/1.1 204 No\r\nX: {}\r\n\r\n", "a".repeat(len - 24));
    for (len, expected) in [
        (RESPONSE_HEAD_BYTES_MAX, "complete 204 0 keep"),
        (RESPONSE_HEAD_BYTES_MAX + 1, "head_too_large - 0"),
    ] {
        let head = head(len).into_bytes();
        assert_eq!(head.len(), len);
        let each: Vec<usize> = (1..len).collect();
        assert_eq!(line(&track(false, &head, &[])), expected, "{len} bytes");
        assert_eq!(line(&track(false, &head, &each)), expected, "{len} bytes, one by one");
    }
}

#[test]
fn a_reply_in_messages_is_followed_through_them() {
    let mut tracker = ResponseTracker::new(false);
    assert_eq!(tracker.feed(b"HTTP/1.1 200 OK\r\n"), Ok(Progress::Pending));
    assert_eq!(tracker.status(), None);
    assert_eq!(tracker.feed(b"Content-Length: 4\r\n\r\n"), Ok(Progress::Pending));
    assert_eq!((tracker.status(), tracker.ends_with_close()), (Some(200), false));
    assert_eq!(tracker.feed(b"ab"), Ok(Progress::Pending));
    assert!(!tracker.persistent(), "not before the end");
    assert_eq!(tracker.feed(b"cd"), Ok(Progress::Complete { consumed: 2 }));
    assert!(tracker.persistent());
    assert_eq!(tracker.feed(b""), Ok(Progress::Complete { consumed: 0 }));
    assert_eq!(tracker.feed(b"e"), Err(Broken::Excess { end: 0 }));
}

proptest! {
    #[test]
    fn any_bytes_are_followed_one_way(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "HTTP/1.1 ", "HTTP/1.0 ", "200 OK\r\n", "100 Continue\r\n\r\n", "204\r\n", "101 x\r\n", "\r\n", "\r\n\r\n",
            "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", " fold\r\n",
            "3\r\nabc\r\n", "0\r\n\r\n", "abc", "\n", "\r", "HTTP/1.1 200 OK\r\n", "junk",
        ]), 0..10),
        noise in prop::collection::vec(any::<u8>(), 0..6),
        head in any::<bool>(),
        fractions in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let input = [pieces.concat().as_bytes(), &noise].concat();
        let whole = track(head, &input, &[]);
        let mut cuts: Vec<usize> = fractions.iter().map(|at| at.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(track(head, &input, &cuts), whole);
    }

    #[test]
    fn a_well_formed_reply_ends_where_it_ends(body in prop::collection::vec(any::<u8>(), 0..200), chunked in any::<bool>()) {
        let mut input = if chunked {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes()
        };
        if chunked {
            for chunk in body.chunks(13) {
                let header = crate::encode_chunk_header(chunk.len() as u64);
                input.extend([header.as_ref(), chunk, crate::CRLF].concat());
            }
            input.extend(crate::LAST_CHUNK);
        } else {
            input.extend(&body);
        }
        let outcome = track(false, &input, &[]);
        prop_assert_eq!(outcome.end, Some(input.len()));
        prop_assert_eq!(outcome.body_bytes, body.len() as u64);
        prop_assert!(outcome.persistent);
    }
}

#[test]
fn content_may_pass_unseen() {
    for (head, length, complete, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 9, Ok(true), 9),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 8, Ok(false), 8),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 10, Err("excess"), 0),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1, Err("excess"), 0),
        ("HTTP/1.1 200 OK\r\n", 1, Err("excess"), 0),
        ("HTTP/1.1 200 OK\r\n\r\n", 7, Ok(false), 7),
        ("HTTP/1.1 204 No Content\r\n\r\n", 0, Ok(true), 0),
    ] {
        let mut tracker = ResponseTracker::new(false);
        tracker.feed(head.as_bytes()).unwrap();
        let fed = tracker.feed_unseen(length).map_err(Broken::name);
        let fed = fed.map(|progress| matches!(progress, Progress::Complete { .. }));
        assert_eq!((fed, tracker.body_bytes()), (complete, status), "{head} {length}");
    }
}

#[test]
fn extensions_are_agreed_upon_by_a_field() {
    for (field, agrees) in [("", false), ("sec-webSocket-Extensions: permessage-deflate\r\n", true)]
    {
        let mut tracker = ResponseTracker::new(false);
        let head = format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n{field}\r\n");
        assert_eq!(tracker.feed(head.as_bytes()), Ok(Progress::Opaque));
        assert_eq!((tracker.status(), tracker.agrees_on_extensions()), (Some(101), agrees));
    }
}
