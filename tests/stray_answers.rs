//! Answers that may still come when their exchange is over: they must not become answers to something else.

use crate::harness::{Client, Handler, Running, SiteBuilder, asked, within};
use std::time::Duration;

fn impatient() -> SiteBuilder {
    SiteBuilder::new().handler("/h", "main").setting("handler.queue_timeout", "1")
}

async fn is_alone(server: &Running) {
    server.until_peers(0).await;
}

/// The handler is gone; its answer may still be on its way.
#[tokio::test]
async fn a_503_for_what_a_handler_has_had_ends_the_connection() {
    let server = Running::start(&impatient()).await;
    let mut handler = server.handler("main").await;
    let (mut client, _request) = asked(&server, &mut handler, "/h").await;
    drop(handler);
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")), "{}", reply.text());
    assert_eq!(reply.field("connection"), Some("close"));
    client.closed().await;
    assert_eq!(server.stop().await[0].short(), ("/h", "503", "answered:503"));
}

/// It was sent to nobody: the connection goes on, and who comes later hears nothing of it.
#[tokio::test]
async fn a_request_that_nobody_had_leaves_no_trace() {
    let server = Running::start(&impatient()).await;
    let mut client = server.client().await;
    let reply = client.get("/h").await;
    assert_eq!((reply.status, reply.field("connection")), (503, None), "{}", reply.text());
    let mut handler = server.handler("main").await;
    drop(client);
    server.until_open(0).await;
    handler.expect_silence(&server, "/h").await;
}

/// A handler that ends in good order takes no more requests and answers those that it has, however
/// long that takes; so does one whose connection was cut and comes back.
#[tokio::test]
async fn what_a_handler_has_stays_with_it_while_it_publishes() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut ending = server.handler("main").await;
    let (mut begun, stream) = asked(&server, &mut ending, "/h").await;
    ending.reply(stream.conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\none").await;
    begun.until(b"one").await;
    let (mut waiting, request) = asked(&server, &mut ending, "/h").await;
    let mut other = server.handler("main").await;
    ending.take_no_more().await;
    server.until_peers(1).await;
    // Longer than the half second in which a handler that was killed may still be heard.
    let again = tokio::time::timeout(Duration::from_millis(1500), other.next()).await;
    assert!(again.is_err(), "{again:?}");
    ending.reply(stream.conn, "two").await;
    ending.answer(&request, "at last").await;
    assert_eq!(begun.exactly(3).await, b"two");
    assert_eq!(waiting.reply().await.text(), "at last");
    other.expect_silence(&server, "/h").await;
    assert!(server.stop().await.iter().all(|line| line.status == "200" && line.close == "-"));
}

/// A handler that comes back is told who has left meanwhile.
#[tokio::test]
async fn notices_wait_for_the_next_handler() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut first = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut first, "/h").await;
    first.answer(&request, "ok").await;
    client.reply().await;
    drop(first);
    is_alone(&server).await;
    drop(client);
    server.until_open(0).await;
    let mut next = server.handler("main").await;
    assert_eq!(next.notice().await, request.conn);
    next.expect_silence(&server, "/h").await;
}

/// A handler that has heard of an upload's start may answer that.
#[tokio::test]
async fn an_upload_whose_end_nobody_takes_ends_its_connection() {
    let site = impatient()
        .setting("limits.content_length", "10")
        .setting("upload.temp_store", "{}/body.XXXXXX");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    client
        .send("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n0123456789")
        .await;
    let start = handler.request().await;
    handler.take_no_more().await;
    is_alone(&server).await;
    client.send("0123456789").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (503, Some("close")), "{}", reply.text());
    handler.answer(&start, "late").await;
    client.closed().await;
}

const HANDSHAKE: &str = "GET /h HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn shakes_hands(server: &Running, handler: &mut Handler) -> (Client, u64) {
    let mut client = server.client().await;
    client.send(HANDSHAKE).await;
    let request = handler.request().await;
    assert_eq!(request.header("METHOD"), Some("WEBSOCKET_HANDSHAKE"));
    (client, request.conn)
}

/// A second 101 would stand among the frames.
#[tokio::test]
async fn a_handshake_that_two_handlers_have_is_not_the_beginning_of_a_websocket() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut first = server.handler("main").await;
    let (mut client, conn) = shakes_hands(&server, &mut first).await;
    drop(first);
    let mut second = server.handler("main").await;
    assert_eq!(second.request().await.conn, conn);
    second.reply(conn, SWITCHING).await;
    client.until(b"\r\n\r\n").await;
    let rest = client.rest().await;
    assert!(
        rest.starts_with(b"\x88") && rest[2..4] == 1013u16.to_be_bytes(),
        "{}",
        rest.escape_ascii()
    );
    assert_eq!(server.stop().await[0].short(), ("/h", "101", "handler_lost"));
}

/// What is killed while its messages wait is not told that it has made a mistake.
#[tokio::test]
async fn a_kill_among_waiting_messages_says_nothing() {
    let site = SiteBuilder::new().handler("/h", "main").handler("@chat", "main");
    let server = Running::start(&site).await;
    let mut client = server.client().await;
    client.send("@chat {}\0".repeat(70)).await;
    server.until_waiting(64).await;
    let mut handler = server.handler("main").await;
    let (mut socket, _) = {
        for _ in 0..70 {
            assert_eq!(handler.request().await.path, "@chat");
        }
        shakes_hands(&server, &mut handler).await
    };
    let conn = server.server.registry().len();
    assert_eq!(conn, 2);
    handler.reply(2, SWITCHING).await;
    socket.until(b"\r\n\r\n").await;
    handler.take_no_more().await;
    is_alone(&server).await;
    socket.send(b"\x81\x80\0\0\0\0".repeat(70)).await;
    server.until_waiting(64).await;
    client.send("@chat {}\0".repeat(70)).await;
    server.until_waiting(128).await;
    server.server.registry().kill();
    for client in [&mut client, &mut socket] {
        let rest = within(client.rest()).await;
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
    }
    for line in server.stop().await {
        assert_eq!(line.close, "killed", "{line:?}");
    }
}

/// Nothing has been said to the client yet: it can be told.
#[tokio::test]
async fn a_first_word_that_is_not_http_is_502() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    for broken in [
        "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let (mut client, request) = asked(&server, &mut handler, "/h").await;
        handler.reply(request.conn, broken).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.field("connection")), (502, Some("close")), "{broken}");
        client.closed().await;
        assert_eq!(handler.notice().await, request.conn);
    }
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "ICY 200 OK\r\n\r\n").await;
    handler.close(request.conn).await;
    assert_eq!(client.rest().await, b"ICY 200 OK\r\n\r\n");
    let log = tokio::time::timeout(Duration::from_secs(20), server.stop()).await.unwrap();
    for line in &log[..3] {
        assert_eq!(line.short(), ("/h", "502", "handler_broke_framing"));
    }
}
