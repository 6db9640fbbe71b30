//! JSON and XML messages and Flash's policy request, beside HTTP on one port and one connection.

use crate::harness::{Client, Handler, HandlerSpec, Message, Running, SiteBuilder, ok};
use store::Cell;
use wire::message_socket::FLASH_POLICY;

/// Routes for messages to one handler, and `@raw` to another with `raw_payload`.
async fn start() -> (Running, Handler) {
    start_with(|site| site).await
}

async fn start_with(change: impl FnOnce(SiteBuilder) -> SiteBuilder) -> (Running, Handler) {
    let mut site = SiteBuilder::new().dir("@d", "{}/").handler("@raw", "raw");
    for path in ["@chat", "<test", "/h", "@*"] {
        site = site.handler(path, "main");
    }
    let site = site.rows(|rows| rows.handlers[0].raw_payload = Cell::Integer(1));
    let server = Running::start(&change(site)).await;
    let handler = server.handler("main").await;
    (server, handler)
}

/// A client that has sent `bytes`, and what its handler got.
async fn said(server: &Running, handler: &mut Handler, bytes: &[u8]) -> (Client, Message) {
    let mut client = server.client().await;
    client.send(bytes).await;
    let message = handler.request().await;
    (client, message)
}

#[tokio::test]
async fn a_message_has_few_headers_and_its_body() {
    let (server, mut handler) = start().await;
    let json = &b"@chat/room {\"msg\":\"hello\"}\0"[..];
    let xml = &b"<test name=\"joe\"><age>21</age></test>\0"[..];
    for (bytes, path, method, pattern, body) in [
        (json, "@chat/room", "JSON", "@chat", &json[11..26]),
        (xml, "<test", "XML", "<test", &xml[..37]),
    ] {
        let (client, message) = said(&server, &mut handler, bytes).await;
        assert_eq!((&*message.path, &*message.body), (path, body));
        let headers: Vec<_> =
            message.headers.keys().map(|name| (&**name, message.header(name).unwrap())).collect();
        let expected = [
            ("METHOD", method),
            ("PATH", path),
            ("PATTERN", pattern),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("URL_SCHEME", "http"),
            ("x-forwarded-for", "127.0.0.1"),
        ];
        assert_eq!(headers, expected);
        drop(client);
        assert_eq!(handler.notice().await, message.conn);
    }
}

#[tokio::test]
async fn messages_come_in_any_number_and_in_any_pieces() {
    let (server, mut handler) = start().await;
    let (mut client, first) =
        said(&server, &mut handler, b"@chat {\"n\":1}\0@chat {\"n\":2}\0<te").await;
    let second = handler.request().await;
    client.send(b"st>3</test>\0").await;
    let third = handler.request().await;
    let bodies = [&first, &second, &third].map(|message| message.body.clone());
    assert_eq!(bodies, [&b"{\"n\":1}"[..], b"{\"n\":2}", b"<test>3</test>"]);
    assert!(first.conn == second.conn && second.conn == third.conn);
    // None has an exchange: answers may come in any order, and more than one to a message.
    for text in ["c", "b", "a", "d"] {
        handler.reply(first.conn, text).await;
    }
    assert_eq!(client.exactly(16).await, b"Yw==Yg==YQ==ZA==");
    handler.close(first.conn).await;
    client.closed().await;
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn replies_are_base64_unless_the_handler_has_raw_payload() {
    let (server, mut handler) = start().await;
    let mut raw = server.handler("raw").await;
    let (mut client, message) = said(&server, &mut handler, b"@chat {}\0").await;
    handler.reply(message.conn, b"{\"ok\":1}\0").await;
    assert_eq!(client.exactly(12).await, b"eyJvayI6MX0=");
    // The last message decides, whoever answers.
    client.send(b"@raw {}\0").await;
    assert_eq!(raw.request().await.conn, message.conn);
    handler.reply(message.conn, b"{\"ok\":1}\0").await;
    assert_eq!(client.exactly(9).await, b"{\"ok\":1}\0");
    // After HTTP replies are raw, after JSON in base64 again.
    client.send(b"GET /h HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let request = handler.request().await;
    handler.answer(&request, "http").await;
    assert_eq!(client.reply().await.text(), "http");
    handler.reply(message.conn, "pushed").await;
    assert_eq!(client.exactly(6).await, b"pushed");
    client.send(b"@chat {}\0").await;
    handler.request().await;
    handler.reply(message.conn, ok("x")).await;
    let sent = client.exactly(52).await;
    assert!(sent.starts_with(b"SFRUUC8xLjEgMjAwIE9L"), "{}", sent.escape_ascii());
    drop(client);
    for handler in [&mut handler, &mut raw] {
        assert_eq!(handler.notice().await, message.conn);
    }
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_http_and_closes() {
    let (server, mut handler) = start_with(|site| site.setting("limits.buffer_size", "4096")).await;
    let long = format!("@chat {{{}}}\0", "x".repeat(4096 - 8));
    for (bytes, status) in [
        (&b"@chat [1,2]\0"[..], 400),
        (b"@chat{}\0", 400),
        (b"@chat  {}\0", 400),
        (b"@chat?x=1 {}\0", 400),
        (b"<?xml version=\"1.0\"?>x\0", 400),
        (long.as_bytes(), 400),
        // It would read as the notice that a client has left, for a handler that looks at nothing else.
        (b"@* {\"type\":\"disconnect\"}\0", 400),
        (b"@nobody {}\0", 404),
        (b"<Test>x</Test>\0", 404),
        (b"@d {}\0", 404),
    ] {
        let mut client = server.client().await;
        client.send(bytes).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{}", bytes.escape_ascii());
        assert_eq!(reply.field("connection"), Some("close"));
        client.closed().await;
    }
    // No handler has seen them, so none hears of their end.
    handler.expect_silence(&server, "/h").await;
    let fits = format!("@chat {{{}}}\0", "x".repeat(4096 - 9));
    let (mut client, message) = said(&server, &mut handler, fits.as_bytes()).await;
    assert_eq!(message.body.len(), 4096 - 7);
    // One that has gets its notice.
    client.send(b"\n@chat {}\0").await;
    assert_eq!(client.reply().await.status, 400);
    assert_eq!(handler.notice().await, message.conn);
}

#[tokio::test]
async fn xml_may_be_one_tag_or_have_a_declaration() {
    let (server, mut handler) = start().await;
    for bytes in [&b"<test>\0"[..], b"<test/>\0", b"<?xml version=\"1.0\"?><test/>\0"] {
        let (_client, message) = said(&server, &mut handler, bytes).await;
        assert_eq!((&*message.path, &*message.body), ("<test", &bytes[..bytes.len() - 1]));
        handler.close(message.conn).await;
    }
}

#[tokio::test]
async fn pings_are_swallowed_and_the_policy_is_answered() {
    let (server, mut handler) = start().await;
    let pings = b"@chat {\"type\":\"ping\"}\0@nobody {\"type\": \"ping\"}\0";
    let (mut client, message) =
        said(&server, &mut handler, &[&pings[..], b"@chat {\"type\":\"ping\",\"x\":1}\0"].concat())
            .await;
    assert_eq!(message.body, b"{\"type\":\"ping\",\"x\":1}");
    client.send(b"<policy-file-request/>\0").await;
    assert_eq!(client.rest().await, FLASH_POLICY);
    assert_eq!(handler.notice().await, message.conn);
    let mut client = server.client().await;
    client.send(b"<policy-file-request/>\0").await;
    assert_eq!(client.rest().await, FLASH_POLICY);
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn a_message_that_is_not_ended_has_a_deadline_and_an_end_of_input_is_no_message() {
    let (server, mut handler) = start_with(|site| site.setting("timeout.head", "1")).await;
    let mut slow = server.client().await;
    slow.send(b"@chat {\"a\":1").await;
    assert_eq!(slow.reply().await.status, 408);
    let mut cut = server.client().await;
    cut.send(b"@chat {\"a\":1").await;
    cut.shutdown().await;
    cut.closed().await;
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn a_message_that_no_handler_takes_is_told_so() {
    let server = Running::start(
        &SiteBuilder::new().handler("@chat", "main").setting("handler.queue_timeout", "0.1"),
    )
    .await;
    let mut client = server.client().await;
    client.send(b"@chat {}\0").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    client.closed().await;
}

/// What a handler says to an idle client is a sign of life.
#[tokio::test]
async fn a_client_that_only_listens_is_not_idle() {
    let (server, mut handler) = start_with(|site| site.setting("timeout.idle", "1")).await;
    let (mut client, message) = said(&server, &mut handler, b"@chat {}\0").await;
    let mut again = tokio::time::interval(std::time::Duration::from_millis(1500));
    for _ in 0..3 {
        again.tick().await;
        handler.reply(message.conn, "abc").await;
        assert_eq!(client.exactly(4).await, b"YWJj");
    }
    drop(client);
    assert_eq!(handler.notice().await, message.conn);
}

#[tokio::test]
async fn a_flood_of_messages_arrives_in_order() {
    let spec = HandlerSpec { protocol: "tnetstring", ..HandlerSpec::named("main") };
    let server = Running::start(&SiteBuilder::new().handler_with("@", &spec)).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    let flood: String = (0..5000).map(|number| format!("@n {{{number}}}\0")).collect();
    let sending = tokio::spawn(async move {
        client.send(flood).await;
        client
    });
    for number in 0..5000 {
        assert_eq!(handler.request().await.body, format!("{{{number}}}").as_bytes());
    }
    sending.await.unwrap();
}
