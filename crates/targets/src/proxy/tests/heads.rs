//! Heads: what the back end gets of a request and the client of a response.

use super::support::{Bench, bench, field};

/// Sends `request` and returns the head that the back end gets, in `|` for CRLF.
async fn asked(bench: &Bench, request: &str) -> String {
    let mut client = bench.client().await;
    client.send(request.replace('|', "\r\n")).await;
    let mut backend = bench.accepted().await;
    let head = backend.head().await;
    backend.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    backend.close();
    assert!(client.head().await.starts_with("HTTP/1.1 204 "), "{request}");
    head.replace("\r\n", "|")
}

/// Answers `request` with `response` and returns what the client gets, without its Date.
async fn answered(bench: &Bench, request: &str, response: &str) -> String {
    let mut client = bench.client().await;
    client.send(format!("{request} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.send(response.replace('|', "\r\n")).await;
    backend.close();
    let answer = client.message(request == "HEAD").await;
    let date = field(&answer.head, "date").expect("a response has a Date").to_owned();
    let head = answer.head.replace(&format!("Date: {date}\r\n"), "").replace("\r\n", "|");
    head + &String::from_utf8(answer.body).unwrap()
}

/// What follows the client's fields.
const OURS: &str =
    "X-Forwarded-For: 127.0.0.1|X-Forwarded-Host: a:1|X-Forwarded-Proto: http|Via: 1.1 lurcher||";

#[tokio::test]
async fn a_request_reaches_the_back_end_without_what_ends_here() {
    let bench = bench().await;
    for (request, expected) in [
        ("GET /x?a=b HTTP/1.1|Host: a:1||", "GET /x?a=b HTTP/1.1|Host: a:1|OURS"),
        ("GET /x? HTTP/1.1|Host: a:1||", "GET /x? HTTP/1.1|Host: a:1|OURS"),
        ("GET //b.c/x HTTP/1.1|Host: a:1||", "GET //b.c/x HTTP/1.1|Host: a:1|OURS"),
        ("GET /%2F%41~;a=b HTTP/1.1|Host: a:1||", "GET /%2F%41~;a=b HTTP/1.1|Host: a:1|OURS"),
        ("OPTIONS * HTTP/1.1|Host: a:1||", "OPTIONS * HTTP/1.1|Host: a:1|OURS"),
        ("PURGE /x HTTP/1.1|Host: a:1||", "PURGE /x HTTP/1.1|Host: a:1|OURS"),
        ("GET http://a:1/y HTTP/1.1|Host: a:1||", "GET /y HTTP/1.1|Host: a:1|OURS"),
        ("GET http://a:1?q HTTP/1.1|Host: a:1||", "GET /?q HTTP/1.1|Host: a:1|OURS"),
        (
            "GET / HTTP/1.1|accept: x|X-A: 1|HOST: a:1|x-b: \t2 |Cookie: c|X-A: 3|Cookie: d||",
            "GET / HTTP/1.1|Host: a:1|Accept: x|X-A: 1|X-A: 3|X-B: 2|Cookie: c|Cookie: d|OURS",
        ),
        (
            "GET / HTTP/1.1|Host: a:1|Connection: keep-alive, X-Hop|X-Hop: 1|Keep-Alive: 5|\
             Proxy-Connection: keep-alive|TE: trailers|Trailer: X|Upgrade: h2c|\
             HTTP2-Settings: AAMA|X-End: 1||",
            "GET / HTTP/1.1|Host: a:1|X-End: 1|OURS",
        ),
        (
            "GET / HTTP/1.1|Host: a:1|Connection: Upgrade|Upgrade: websocket||",
            "GET / HTTP/1.1|Host: a:1|OURS",
        ),
        (
            "GET / HTTP/1.1|Host: a:1|X_Forwarded_For: 9.9.9.9|Content_Length: 5|A-B: 1||",
            "GET / HTTP/1.1|Host: a:1|A-B: 1|OURS",
        ),
        (
            "GET / HTTP/1.1|Host: a:1|X-Forwarded-For: 1.2.3.4|X-Forwarded-For: 5.6.7.8|\
             X-Forwarded-Host: evil|X-Forwarded-Proto: https|Via: 1.1 front||",
            "GET / HTTP/1.1|Host: a:1|Via: 1.1 front|Via: 1.1 lurcher|\
             X-Forwarded-For: 1.2.3.4, 5.6.7.8, 127.0.0.1|X-Forwarded-Host: a:1|\
             X-Forwarded-Proto: http||",
        ),
        (
            "GET / HTTP/1.0|Host: a:1||",
            "GET / HTTP/1.1|Host: a:1|X-Forwarded-For: 127.0.0.1|X-Forwarded-Host: a:1|\
             X-Forwarded-Proto: http|Via: 1.0 lurcher||",
        ),
        (
            "GET / HTTP/1.0||",
            "GET / HTTP/1.1|Host: BACKEND|X-Forwarded-For: 127.0.0.1|X-Forwarded-Host: BACKEND|\
             X-Forwarded-Proto: http|Via: 1.0 lurcher||",
        ),
        (
            "POST / HTTP/1.1|Host: a:1|Content-Length: 0||",
            "POST / HTTP/1.1|Host: a:1|Content-Length: 0|OURS",
        ),
    ] {
        let own_address = format!("127.0.0.1:{}", bench.backend_port());
        let expected = expected.replace("OURS", OURS).replace("BACKEND", &own_address);
        assert_eq!(asked(&bench, request).await, expected, "{request}");
    }
}

#[tokio::test]
async fn bytes_above_ascii_pass_through_a_field_value() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: \xc3\xa4\xff\r\n\r\n").await;
    let mut backend = bench.accepted().await;
    backend.until(b"\r\nX-A: \xc3\xa4\xff\r\n").await;
    backend.head().await;
    backend.send(b"HTTP/1.1 204 No Content\r\nX-B: \xe9\r\n\r\n").await;
    let answer = client.until(b"X-B: \xe9\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_response_reaches_the_client_without_what_ends_here() {
    let bench = bench().await;
    for (request, response, expected) in [
        (
            "GET",
            "HTTP/1.1 200 OK|Content-Length: 5||hello",
            "HTTP/1.1 200 OK|Server: Lurcher|Content-Length: 5||hello",
        ),
        (
            "GET",
            "HTTP/1.1 201 Made|content-length: 0|location: /x|set-cookie: a|x: y|set-cookie: b||",
            "HTTP/1.1 201 Made|Server: Lurcher|Location: /x|Set-Cookie: a|Set-Cookie: b|X: y|\
             Content-Length: 0||",
        ),
        // No reason part.
        (
            "GET",
            "HTTP/1.1 404|Content-Length: 2||no",
            "HTTP/1.1 404 Not Found|Server: Lurcher|Content-Length: 2||no",
        ),
        // The back end's words about its own connection are not for the client.
        (
            "GET",
            "HTTP/1.1 200 OK|Connection: close, X-Hop|X-Hop: 1|Keep-Alive: timeout=5|\
             Proxy-Connection: close|Upgrade: h2c|Server: b|Date: then|Content-Length: 1||x",
            "HTTP/1.1 200 OK|Server: Lurcher|Content-Length: 1||x",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK|Transfer-Encoding: Chunked||5;a=b|hello|0||",
            "HTTP/1.1 200 OK|Server: Lurcher|Content-Length: 5||hello",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|he|3|llo|0||",
            "HTTP/1.1 200 OK|Server: Lurcher|Transfer-Encoding: chunked||hello",
        ),
        // Trailers are left out.
        (
            "GET",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Trailer: X-T||5|hello|0|X-T: 1||",
            "HTTP/1.1 200 OK|Server: Lurcher|Content-Length: 5||hello",
        ),
        // Until the back end closes.
        (
            "GET",
            "HTTP/1.0 200 OK|X-A: 1||hello",
            "HTTP/1.1 200 OK|Server: Lurcher|X-A: 1|Content-Length: 5||hello",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK|Content-Length: 500000||",
            "HTTP/1.1 200 OK|Server: Lurcher|Content-Length: 500000||",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK|Transfer-Encoding: chunked||",
            "HTTP/1.1 200 OK|Server: Lurcher||",
        ),
        (
            "GET",
            "HTTP/1.1 304 Not Modified|ETag: \"x\"|Content-Length: 500||",
            "HTTP/1.1 304 Not Modified|Server: Lurcher|Etag: \"x\"||",
        ),
        ("GET", "HTTP/1.1 204 No Content||", "HTTP/1.1 204 No Content|Server: Lurcher||"),
    ] {
        assert_eq!(answered(&bench, request, response).await, expected, "{request} {response}");
    }
}

#[tokio::test]
async fn a_response_says_what_it_is_in_the_back_ends_words() {
    let bench = bench().await;
    for (response, expected) in [
        (
            "HTTP/1.1 299 So so|Content-Length: 0||",
            "HTTP/1.1 299 So so|Server: Lurcher|Content-Length: 0||",
        ),
        (
            "HTTP/1.1 413 Payload Too Large|Content-Length: 0||",
            "HTTP/1.1 413 Payload Too Large|Server: Lurcher|Content-Length: 0||",
        ),
        (
            "HTTP/1.1 407 Proxy Authentication Required|Content-Length: 0||",
            "HTTP/1.1 407 Proxy Authentication Required|Server: Lurcher|Content-Length: 0||",
        ),
        // What it wants to be asked in belongs to the answer (RFC 9110 section 15.5.22).
        (
            "HTTP/1.1 426 Upgrade Required|Upgrade: x/2, y|Connection: Upgrade|Content-Length: 0||",
            "HTTP/1.1 426 Upgrade Required|Server: Lurcher|Upgrade: x/2, y|Connection: Upgrade|\
             Content-Length: 0||",
        ),
    ] {
        assert_eq!(answered(&bench, "GET", response).await, expected, "{response}");
    }
}

#[tokio::test]
async fn the_date_is_the_back_ends_if_it_has_one() {
    let bench = bench().await;
    const THEN: &str = "Date: Mon, 01 Jan 2001 00:00:00 GMT|";
    for (dates, is_kept) in [
        (THEN, true),
        ("Date: Monday, 01-Jan-01 00:00:00 GMT|", true),
        ("", false),
        ("Date: yesterday|", false),
        (&THEN.repeat(2), false),
    ] {
        let mut client = bench.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        let response = format!("HTTP/1.1 200 OK|{dates}Content-Length: 0||");
        backend.send(response.replace('|', "\r\n")).await;
        backend.close();
        let head = client.head().await;
        assert_eq!(head.matches("Date: ").count(), 1, "{head}");
        let kept = !dates.is_empty() && head.contains(dates.trim_end_matches('|'));
        assert_eq!(kept, is_kept, "{dates}: {head}");
    }
}

#[tokio::test]
async fn a_trace_or_options_request_goes_no_further_than_it_may() {
    let bench = bench().await;
    for method in ["TRACE", "OPTIONS"] {
        for (sent, passed) in [("1", "0"), ("10", "9"), ("x", "x"), ("", "")] {
            let request = format!("{method} /x HTTP/1.1|Host: a:1|Max-Forwards: {sent}||");
            let expected = format!("{method} /x HTTP/1.1|Host: a:1|Max-Forwards: {passed}|{OURS}");
            assert_eq!(asked(&bench, &request).await, expected);
        }
        let (status_line, body) = match method {
            "TRACE" => ("HTTP/1.1 405 Method Not Allowed\r\n", true),
            _ => ("HTTP/1.1 204 No Content\r\n", false),
        };
        let mut client = bench.client().await;
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")).await;
        let answer = bench.opens_none_before(client.message(false)).await;
        assert!(answer.head.starts_with(status_line), "{}", answer.head);
        assert!(field(&answer.head, "allow").is_some(), "{}", answer.head);
        assert_eq!(!answer.body.is_empty(), body);
    }
    // To other methods it says nothing.
    let request = "GET /x HTTP/1.1|Host: a:1|Max-Forwards: 0||";
    let expected = format!("GET /x HTTP/1.1|Host: a:1|Max-Forwards: 0|{OURS}");
    assert_eq!(asked(&bench, request).await, expected);
}

#[tokio::test]
async fn what_is_not_a_response_is_502() {
    let bench = bench().await;
    let long = format!("HTTP/1.1 200 OK|X: {}||", "x".repeat(20_000));
    let many = format!("HTTP/1.1 200 OK|{}|", "X: y|".repeat(101));
    for response in [
        "",
        "HTTP/1.1 200 OK|Content-Le",
        "hello|",
        "SSH-2.0-OpenSSH_9.9|",
        "HTTP/2.0 200 OK||",
        "HTTP/1.1 20 OK||",
        "HTTP/1.1 200 OK|no colon||",
        "HTTP/1.1 200 OK|X : space||",
        "HTTP/1.1 200 OK|X: folded| line||",
        "HTTP/1.1 200 OK|X: nul \0||",
        "HTTP/1.1 200 OK|Content-Length: -1||",
        "HTTP/1.1 200 OK|Content-Length: 1|Content-Length: 2||xx",
        "HTTP/1.1 200 OK|Content-Length: 5|Transfer-Encoding: chunked||5|hello|0||",
        "HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||5|hello|0||",
        "HTTP/1.1 200 OK|Transfer-Encoding: gzip||hello",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||",
        "HTTP/1.0 200 OK|Transfer-Encoding: chunked||0||",
        "HTTP/1.1 101 Switching Protocols|Connection: upgrade|Upgrade: x||",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked||zz|",
        &long,
        &many,
    ] {
        let mut client = bench.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.send(response.replace('|', "\r\n")).await;
        backend.close();
        let answer = client.message(false).await;
        assert!(answer.head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{response}");
        let body = String::from_utf8(answer.body).unwrap();
        assert!(!body.contains("127.0.0.1"), "the client hears where it is: {body}");
        assert_eq!(field(&answer.head, "connection"), None, "{response}: the client stays");
    }
}
