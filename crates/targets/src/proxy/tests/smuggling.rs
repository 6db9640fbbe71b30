//! Requests that two readers might understand differently: faults that other proxies had.

use super::support::{bench, field, status, text};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1|Host: a||";

#[tokio::test]
async fn ambiguous_framing_never_reaches_the_back_end() {
    let bench = bench().await;
    for (request, expected) in [
        ("POST / HTTP/1.1|Host: a|Content-Length: 4|Transfer-Encoding: chunked||0||", 400),
        ("POST / HTTP/1.1|Host: a|Content-Length: 4|Content-Length: 5||abcde", 400),
        ("POST / HTTP/1.1|Host: a|Content-Length: 4|Content-Length: 4||abcd", 400),
        ("POST / HTTP/1.1|Host: a|Content-Length: +4||abcd", 400),
        ("POST / HTTP/1.1|Host: a|Content-Length : 4||abcd", 400),
        ("POST / HTTP/1.1|Host: a|Transfer-Encoding: xchunked||0||", 501),
        // Stacked codings (CVE-2024-1135, CVE-2024-6827).
        ("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked, identity||0||", 400),
        ("POST / HTTP/1.1|Host: a|Transfer-Encoding: identity, chunked||0||", 501),
        ("POST / HTTP/1.1|Host: a|Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||", 400),
        ("POST / HTTP/1.1|Host: a|Transfer-Encoding: x|Transfer-Encoding: chunked||0||", 501),
        ("POST / HTTP/1.1|Host: a|Transfer-Encoding:\u{b}chunked||0||", 400),
        // Codings in HTTP/1.0 (CVE-2026-2835).
        ("POST / HTTP/1.0|Host: a|Transfer-Encoding: chunked||0||", 400),
        ("POST / HTTP/1.0|Host: a|Transfer-Encoding: identity, chunked||0||", 400),
        ("GET / HTTP/1.1|Host: a|Host: b||", 400),
        ("GET http://b/ HTTP/1.1|Host: a||", 400),
        ("GET / HTTP/1.1|Host: a|X: b\n c||", 400),
        ("GET / HTTP/1.1|Host: a\nX: b||", 400),
        ("GET / HTTP/1.1|Host: a|X: b| c||", 400),
    ] {
        let mut client = bench.client().await;
        client.send(format!("{request}{SMUGGLED}").replace('|', "\r\n")).await;
        let answer = bench.opens_none_before(client.rest()).await;
        let answer = text(&answer);
        assert_eq!(status(&answer), expected, "{request:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
    }
}

/// Sends `request`, answers it, and returns all that the back end gets while the client, which
/// sends nothing more, is answered.
async fn seen(request: &str) -> String {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send(request.replace('|', "\r\n")).await;
    let mut backend = bench.accepted().await;
    let first = backend.message(false).await;
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok", "{request}");
    client.close();
    bench.opens_none_before(async {}).await;
    format!("{}{}", first.head, text(&first.body)).replace("\r\n", "|")
}

#[tokio::test]
async fn what_follows_a_request_for_an_upgrade_waits_for_its_answer() {
    // CVE-2026-2833: it was passed on before the back end had agreed.
    let bench = bench().await;
    let mut client = bench.client().await;
    let request = "GET /ws HTTP/1.1|Host: a|Connection: upgrade|Upgrade: websocket||";
    client.send(format!("{request}{SMUGGLED}").replace('|', "\r\n")).await;
    let mut backend = bench.accepted().await;
    let head = backend.head().await;
    assert!(head.starts_with("GET /ws ") && field(&head, "upgrade").is_none(), "{head}");
    assert!(backend.has_nothing_more());
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
    assert!(backend.head().await.starts_with("GET /smuggled "));
}

#[tokio::test]
async fn a_connection_field_takes_nothing_away_that_decides() {
    // CVE-2026-105299: it named fields that the proxy itself adds.
    let got = seen(
        "POST / HTTP/1.1|Host: a|Connection: close, Host, Content-Length, X-Forwarded-For, \
         X-Forwarded-Host, X-Forwarded-Proto, Via, Transfer-Encoding|X-Forwarded-For: 1.1.1.1|\
         Content-Length: 2||hi",
    )
    .await;
    let expected = "POST / HTTP/1.1|Host: a|Content-Length: 2|X-Forwarded-For: 1.1.1.1, 127.0.0.1|\
                    X-Forwarded-Host: a|X-Forwarded-Proto: http|Via: 1.1 lurcher||hi";
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_body_is_a_body_whatever_the_method_and_version() {
    for (request, expected) in [
        (
            "GET / HTTP/1.1|Host: a|Connection: close|Content-Length: 35||BODY",
            "Content-Length: 35|",
        ),
        (
            "OPTIONS * HTTP/1.1|Host: a|Connection: close|Content-Length: 35||BODY",
            "Content-Length: 35|",
        ),
        ("POST / HTTP/1.0|Host: a|Content-Length: 35||BODY", "Content-Length: 35|"),
        (
            "GET / HTTP/1.1|Host: a|Connection: close|Transfer-Encoding: chunked||23|BODY|0||",
            "Transfer-Encoding: chunked|",
        ),
    ] {
        let got = seen(&request.replace("BODY", SMUGGLED)).await;
        assert!(got.contains(expected), "{got}");
        assert!(got.ends_with(SMUGGLED), "{got}");
    }
}
