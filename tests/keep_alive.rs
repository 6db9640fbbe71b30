//! How long a connection lives: versions, Connection fields, bodies that nobody read, and silence.

use crate::harness::{Running, SiteBuilder, ok, within};
use std::time::{Duration, Instant};

fn site() -> SiteBuilder {
    SiteBuilder::new().dir("/", "{}/")
}

#[tokio::test]
async fn versions_and_connection_fields_decide() {
    let server = Running::start(&site()).await;
    for (version, fields, keeps) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: x, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let mut client = server.client().await;
        let request = format!("GET /x HTTP/{version}\r\nHost: localhost\r\n{fields}\r\n");
        client.send(&request).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 404, "{request}");
        let connection = reply.field("connection");
        if keeps {
            assert_eq!(connection, (version == "1.0").then_some("keep-alive"), "{request}");
            client.send(request).await;
            assert_eq!(client.reply().await.status, 404);
        } else {
            assert_eq!(connection, Some("close"), "{request}");
            client.closed().await;
        }
    }
}

#[tokio::test]
async fn an_http_1_0_client_gets_a_response_it_can_read() {
    let site = SiteBuilder::new().handler("/h", "main");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.0\r\n\r\n").await;
    let request = handler.request().await;
    assert_eq!(request.header("VERSION"), Some("HTTP/1.0"));
    handler.answer(&request, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte_and_after_an_empty_line() {
    let server = Running::start(&site()).await;
    let mut client = server.client().await;
    for _ in 0..2 {
        for byte in b"\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n" {
            client.send([*byte]).await;
        }
        assert_eq!(client.reply().await.status, 404);
    }
}

#[tokio::test]
async fn idle_connections_close_and_busy_ones_do_not() {
    let server = Running::start(&site().setting("timeout.idle", "1")).await;
    let (mut idle, mut busy) = (server.client().await, server.client().await);
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while began.elapsed() < Duration::from_millis(2500) {
        assert_eq!(busy.get("/x").await.status, 404);
        tick.tick().await;
    }
    idle.closed().await;
    busy.closed().await;
    server.until_open(0).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    let log = server.stop().await;
    let ends: Vec<_> =
        log.iter().filter(|line| line.path == "-").map(|line| line.short()).collect();
    assert_eq!(ends, [("-", "0", "deadline_idle"); 2]);
}

/// A client that is done is no news.
#[tokio::test]
async fn a_connection_that_its_client_closes_between_requests_has_no_line_of_its_own() {
    let server = Running::start(&site()).await;
    let mut client = server.client().await;
    client.get("/x").await;
    drop(client);
    server.until_open(0).await;
    assert_eq!(server.stop().await.len(), 1);
}

#[tokio::test]
async fn a_head_that_stops_coming_is_408() {
    let server = Running::start(&site().setting("timeout.head", "1")).await;
    let mut client = server.client().await;
    client.send("GET /x HTTP/1.1\r\nHo").await;
    let began = Instant::now();
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (408, Some("close")));
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    client.closed().await;
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("-", "408", "deadline_head"));
}

/// One byte now and then is no progress: the deadline is on the whole head.
#[tokio::test]
async fn a_head_that_trickles_is_408() {
    let server = Running::start(&site().setting("timeout.head", "1")).await;
    let mut client = server.client().await;
    client.send("GET /x HTTP/1.1\r\nX-Long: ").await;
    client.trickle().await;
    assert_eq!(client.reply().await.status, 408);
}

#[tokio::test]
async fn clients_that_wait_are_invited_or_answered() {
    let site = SiteBuilder::new().handler("/h", "main").dir("/", "{}/");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    let post =
        "POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    client.send(post).await;
    assert_eq!(client.until(b"\r\n\r\n").await, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi").await;
    let request = handler.request().await;
    assert_eq!(request.body, b"hi");
    handler.answer(&request, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
    // A client that did not wait is not invited.
    client.send(format!("{post}hi")).await;
    let request = handler.request().await;
    handler.answer(&request, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
    // A final answer instead: the client may send the body or not, so the connection must end.
    client
        .send("POST /file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (405, Some("close")));
    client.closed().await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 417);
}

#[tokio::test]
async fn an_unread_body_is_skipped_if_it_is_small() {
    let server = Running::start(&site()).await;
    let mut client = server.client().await;
    for (framing, body) in [
        ("Content-Length: 100000", "x".repeat(100_000)),
        (
            "Transfer-Encoding: chunked",
            format!("{:x}\r\n{}\r\n0\r\n\r\n", 70_000, "x".repeat(70_000)),
        ),
    ] {
        client
            .send(format!("POST /x HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n{body}"))
            .await;
        assert_eq!(client.reply().await.status, 405, "{framing}");
        assert_eq!(client.get("/x").await.status, 404, "{framing}: the next request is the next");
    }
}

#[tokio::test]
async fn a_large_unread_body_ends_the_connection_after_the_answer() {
    let server = Running::start(&site()).await;
    for framing in ["Content-Length: 100000000", "Transfer-Encoding: chunked"] {
        let mut client = server.client().await;
        client.send(format!("POST /x HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n")).await;
        let mut chunk = b"2710\r\n".to_vec();
        chunk.extend_from_slice(&[b'x'; 10_000]);
        chunk.extend_from_slice(b"\r\n");
        // The answer must arrive although the client goes on sending.
        for _ in 0..60 {
            client.try_send(&chunk).await;
        }
        assert_eq!(client.reply().await.status, 405, "{framing}");
        client.closed().await;
    }
    within(server.stop()).await;
}

/// A request that waits behind an answer must not begin with what is left of that answer.
#[tokio::test]
async fn bytes_from_before_a_request_are_no_part_of_its_answer() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2)).await;
    let first = handler.request().await;
    // One reply to the connection twice over: the second copy has come before the next request.
    handler.reply_to_many(&[first.conn, first.conn], ok("first")).await;
    let second = handler.request().await;
    assert_eq!(client.reply().await.text(), "first");
    assert_eq!(client.reply().await.text(), "first", "as on an idle connection, it goes out");
    assert!(!client.has_input().await, "and the second request still waits for its own");
    handler.answer(&second, "second").await;
    assert_eq!(client.reply().await.text(), "second");
}

/// More than is read ahead hides neither a reset nor the end of the client's side.
#[tokio::test]
async fn a_client_that_leaves_behind_many_pipelined_requests_is_noticed_at_once() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    for ends in [true, false] {
        let mut client = server.client().await;
        client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2000)).await;
        let request = handler.request().await;
        if ends {
            client.shutdown().await;
        } else {
            client.reset();
        }
        let soon = Duration::from_secs(5);
        assert_eq!(tokio::time::timeout(soon, handler.notice()).await, Ok(request.conn));
    }
}

/// The content of an answer to HEAD, in a message of its own, is no answer to the next request.
#[tokio::test]
async fn what_is_no_response_does_not_answer_the_next_request() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    client.send("HEAD /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    let head = ok("hello").replace("\r\n\r\nhello", "\r\n\r\n");
    handler.reply(request.conn, &head).await;
    handler.request().await;
    handler.reply(request.conn, "hello").await;
    assert_eq!(client.rest().await, head.as_bytes());
    assert_eq!(handler.notice().await, request.conn);
    let log = server.stop().await;
    let ends: Vec<_> = log.iter().map(|line| line.close.as_str()).collect();
    assert_eq!(ends, ["-", "handler_broke_framing"]);
}

#[tokio::test]
async fn keep_alive_of_a_handler_and_messages_hold_an_idle_connection() {
    let site = SiteBuilder::new()
        .handler("/h", "main")
        .handler("@chat", "chat")
        .setting("timeout.idle", "1");
    let server = Running::start(&site).await;
    let (mut main, mut chat) = (server.handler("main").await, server.handler("chat").await);
    let (mut idle, mut held, mut socket) =
        (server.client().await, server.client().await, server.client().await);
    socket.send("@chat {\"type\":\"join\"}\0").await;
    let joined = chat.request().await.conn;
    idle.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = main.request().await;
    main.answer(&request, "idle").await;
    idle.reply().await;
    held.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = main.request().await;
    main.answer(&request, "held").await;
    held.reply().await;
    let id = request.conn.to_string();
    let alive =
        format!("raw-handler {}:X {id}, 31:3:ctl,21:10:keep-alive,4:true!}}]", id.len() + 2);
    // The idle one goes in a second; the other two are still there after three.
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while began.elapsed() < Duration::from_secs(3) {
        main.send(&alive).await;
        tick.tick().await;
    }
    idle.closed().await;
    assert_eq!(held.get("/none").await.status, 404);
    chat.reply(joined, "still there").await;
    socket.until(b"c3RpbGwgdGhlcmU=").await;
}
