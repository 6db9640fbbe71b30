//! What is refused where it is read, before any target hears of it, and bounds on connections.

use crate::harness::{Running, SiteBuilder, asked, ok};

const HEAD: &str = "GET /h HTTP/1.1\r\nHost: localhost\r\n";

/// Each request, its status, and the close reason that stands in the access log.
#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let server = Running::start(&SiteBuilder::new().handler("/", "main")).await;
    let mut handler = server.handler("main").await;
    let length = "Content-Length: 5\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases: Vec<(String, u16, &str)> = vec![
        (format!("{HEAD}{length}{chunked}\r\n0\r\n\r\n"), 400, "length_and_encoding"),
        (format!("{HEAD}{chunked}{length}\r\n0\r\n\r\n"), 400, "length_and_encoding"),
        (format!("{HEAD}{length}Content-Length: 6\r\n\r\nhello"), 400, "content_length_repeated"),
        (format!("{HEAD}Content-Length: +5\r\n\r\nhello"), 400, "content_length"),
        (format!("{HEAD}Content-Length: 5,5\r\n\r\nhello"), 400, "content_length"),
        (format!("{HEAD}Content-Length: 18446744073709551616\r\n\r\n"), 400, "content_length"),
        (
            format!("{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
            501,
            "encoding_unknown",
        ),
        (
            format!("{HEAD}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
            400,
            "encoding_list",
        ),
        (format!("{HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 501, "encoding_unknown"),
        (format!("GET /h HTTP/1.0\r\n{chunked}\r\n0\r\n\r\n"), 400, "encoding_on_http_1_0"),
        ("GET /h HTTP/1.1\nHost: localhost\n\n".to_owned(), 400, "bare_lf"),
        (format!("{HEAD}X: 1\nY: 2\r\n\r\n"), 400, "bare_lf"),
        (format!("{HEAD}X: a\rb\r\n\r\n"), 400, "bare_cr"),
        (format!("{HEAD}X: a\0b\r\n\r\n"), 400, "nul"),
        (format!("{HEAD}X: a\r\n b\r\n\r\n"), 400, "obs_fold"),
        (format!("{HEAD}X : a\r\n\r\n"), 400, "space_before_colon"),
        (format!("{HEAD}Host: other\r\n\r\n"), 400, "host_repeated"),
        ("GET /h HTTP/1.1\r\n\r\n".to_owned(), 400, "host_missing"),
        ("GET /h HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(), 505, "version_unsupported"),
        ("GET /h\r\n\r\n".to_owned(), 400, "http_0_9"),
        ("GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 400, "dot_segment"),
        ("GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 400, "percent_nul"),
        ("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n".to_owned(), 501, "connect"),
    ];
    let count = cases.len();
    for (request, status, _) in &cases {
        let mut client = server.client().await;
        // What stands behind it must never be read as a request.
        client.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")).await;
        let reply = client.reply().await;
        assert_eq!(
            (reply.status, reply.field("connection")),
            (*status, Some("close")),
            "{request}"
        );
        client.closed().await;
    }
    handler.expect_silence(&server, "/").await;
    let log = server.stop().await;
    let reasons: Vec<&str> = log.iter().take(count).map(|line| line.close.as_str()).collect();
    let expected: Vec<String> =
        cases.iter().map(|(_, _, reason)| format!("bad_request:{reason}")).collect();
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn a_broken_chunked_body_is_refused() {
    let server = Running::start(&SiteBuilder::new().handler("/", "main")).await;
    let mut handler = server.handler("main").await;
    for body in [
        "x\r\n",
        "-1\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "11111111111111111\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5;\0\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = server.client().await;
        client.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}")).await;
        assert_eq!(client.reply().await.status, 400, "{body:?}");
        client.closed().await;
    }
    handler.expect_silence(&server, "/").await;
}

#[tokio::test]
async fn heads_have_a_size() {
    let site = SiteBuilder::new()
        .dir("/", "{}/")
        .setting("limits.buffer_size", "20000")
        .setting("limits.header_count", "10")
        .setting("limits.url_path", "9000");
    let server = Running::start(&site).await;
    let line = "GET /x HTTP/1.1\r\nHost: localhost\r\n";
    let filler = |bytes: usize| format!("{line}X: {}\r\n\r\n", "x".repeat(bytes - line.len() - 7));
    let fields = |count: usize| format!("{line}{}\r\n", "X: 1\r\n".repeat(count - 1));
    let target = |bytes: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(bytes - 1))
    };
    for (what, request, status) in [
        ("a head of the limit", filler(20_000), 404),
        ("a head beyond it", filler(20_001), 431),
        ("fields up to the limit", fields(10), 404),
        ("a field more", fields(11), 431),
        ("a target of the limit", target(9000), 404),
        ("a target beyond it", target(9001), 414),
        ("a head that does not end", format!("{line}X: {}", "x".repeat(100_000)), 431),
        ("a target that does not end", format!("GET /{}", "x".repeat(100_000)), 414),
    ] {
        let mut client = server.client().await;
        client.try_send(&request).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{what}");
        if status != 404 {
            client.closed().await;
        }
    }
}

#[tokio::test]
async fn one_connection_too_many_is_turned_away() {
    let server =
        Running::start(&SiteBuilder::new().dir("/", "{}/").setting("limits.connections", "2"))
            .await;
    let (mut first, mut second) = (server.client().await, server.client().await);
    assert_eq!((first.get("/x").await.status, second.get("/x").await.status), (404, 404));
    let mut third = server.client().await;
    let reply = third.reply().await;
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    third.closed().await;
    assert_eq!(first.get("/x").await.status, 404, "those inside are served");
    drop(second);
    server.until_open(1).await;
    let mut fourth = server.client().await;
    assert_eq!(fourth.get("/x").await.status, 404);
}

#[tokio::test]
async fn a_reply_larger_than_message_max_is_502_and_costs_no_other() {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.message_max", "10000");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let (mut one, first) = asked(&server, &mut handler, "/h/1").await;
    let (mut two, second) = asked(&server, &mut handler, "/h/2").await;
    let (mut begun, third) = asked(&server, &mut handler, "/h/3").await;
    let (mut other, fourth) = asked(&server, &mut handler, "/h/4").await;
    handler.reply(third.conn, "HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\nbegun").await;
    begun.until(b"begun").await;
    let conns = [first.conn, second.conn, third.conn];
    handler.reply_to_many(&conns, ok(&"x".repeat(2_000_000))).await;
    handler.answer(&fourth, "small").await;
    for client in [&mut one, &mut two] {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.field("connection")), (502, Some("close")));
        assert!(reply.text().contains("handler.message_max, 10000 bytes"), "{}", reply.text());
        client.closed().await;
    }
    begun.closed().await;
    assert_eq!(other.reply().await.text(), "small");
    let log = server.stop().await;
    let line = |path: &str| log.iter().find(|line| line.path == path).unwrap().short();
    assert_eq!(line("/h/1"), ("/h/1", "502", "limit_reply_bytes"));
    assert_eq!(line("/h/3"), ("/h/3", "200", "limit_reply_bytes"));
    assert_eq!(line("/h/4"), ("/h/4", "200", "-"));
}

#[tokio::test]
async fn a_reply_too_large_between_two_requests_ends_the_connection() {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.message_max", "10000");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.answer(&request, "small").await;
    assert_eq!(client.reply().await.text(), "small");
    handler.reply(request.conn, vec![b'x'; 10_001]).await;
    client.closed().await;
}
