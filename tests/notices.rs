//! When a client is gone, and what existing handlers rely on: told once, soon, and by nobody else.

use crate::harness::{Client, Handler, Running, SiteBuilder, asked, ok, within};
use std::time::Duration;
use store::Cell;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n";

/// A client in the middle of a response that it does not read.
async fn in_the_middle(server: &Running, handler: &mut Handler) -> (Client, u64) {
    let mut client = Client::connect_with_small_buffer(server.addr()).await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    handler.reply(request.conn, [HEAD.as_bytes(), &vec![b'x'; 6 << 20]].concat()).await;
    client.until(b"\r\n\r\n").await;
    (client, request.conn)
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_being_answered_is_told_at_once() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (client, conn) = in_the_middle(&server, &mut handler).await;
    client.reset();
    let soon = Duration::from_secs(5);
    let noticed = tokio::time::timeout(soon, handler.notice()).await;
    assert_eq!(noticed, Ok(conn), "timeout.write is a minute");
    let (client, conn) = in_the_middle(&server, &mut handler).await;
    // With bytes unread its kernel resets the connection.
    drop(client);
    assert_eq!(tokio::time::timeout(soon, handler.notice()).await, Ok(conn));
    // What the handler still had to say changes nothing.
    handler.reply(conn, vec![b'x'; 2 << 20]).await;
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn a_client_that_stalls_and_ends_its_side_is_told_by_the_deadline() {
    let site = SiteBuilder::new().handler("/h", "main").setting("timeout.write", "1");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let (mut client, conn) = in_the_middle(&server, &mut handler).await;
    client.shutdown().await;
    assert_eq!(handler.notice().await, conn);
    handler.expect_silence(&server, "/h").await;
}

/// Handler libraries give their `recv_ident` a blank at the end, so that it is no prefix of another.
#[tokio::test]
async fn a_recv_ident_may_end_in_a_blank() {
    let site = SiteBuilder::new().handler("/h", "main").rows(|rows| {
        rows.handlers[0].recv_ident = Cell::Text("raw-handler ".to_owned());
    });
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let id = request.conn.to_string();
    for sender in ["other", "raw-handlers", "raw-handle"] {
        let from_another = format!("{sender} {}:{id}, {}", id.len(), ok("another's"));
        handler.send(from_another).await;
    }
    handler.answer(&request, "its own").await;
    assert_eq!(client.reply().await.text(), "its own");
}

/// A handler that answers whatever it gets, notices too, must not keep the link busy with itself.
#[tokio::test]
async fn a_handler_that_answers_notices_starts_no_storm() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    for _ in 0..50 {
        let (client, request) = asked(&server, &mut handler, "/h").await;
        drop(client);
        let conn = handler.notice().await;
        assert_eq!(conn, request.conn);
        for _ in 0..3 {
            handler.reply(conn, ok("to nobody")).await;
            handler.close(conn).await;
        }
    }
    within(handler.expect_silence(&server, "/h")).await;
}

/// Nor may one that takes its time with it.
#[tokio::test]
async fn a_notice_that_is_answered_late_is_not_sent_again() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (client, request) = asked(&server, &mut handler, "/h").await;
    drop(client);
    assert_eq!(handler.notice().await, request.conn);
    for _ in 0..2 {
        let silence = tokio::time::timeout(Duration::from_millis(1100), handler.next()).await;
        assert!(silence.is_err(), "{silence:?}");
        handler.reply(request.conn, ok("to nobody")).await;
    }
    within(handler.expect_silence(&server, "/h")).await;
}

/// A client whose request no handler had is nobody's.
#[tokio::test]
async fn who_was_never_sent_to_a_handler_is_not_told_of() {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.queue_max", "1");
    let server = Running::start(&site).await;
    let mut waiting = server.client().await;
    waiting.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.until_waiting(1).await;
    let mut refused = server.client().await;
    assert_eq!(refused.get("/h").await.status, 503);
    drop(waiting);
    server.until_waiting(0).await;
    let mut handler = server.handler("main").await;
    drop(refused);
    server.until_open(0).await;
    handler.expect_silence(&server, "/h").await;
}

/// Everything that a handler which has seen the connection may do to it leaves one notice for each
/// of the others.
#[tokio::test]
async fn each_handler_hears_of_the_end_once_however_it_comes() {
    let site = SiteBuilder::new().handler("/a", "one").handler("/b", "two").handler("@c", "two");
    let server = Running::start(&site).await;
    let mut one = server.handler("one").await;
    let mut two = server.handler("two").await;
    for closed_by_one in [false, true] {
        let mut client = server.client().await;
        for _ in 0..2 {
            client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            let request = one.request().await;
            one.answer(&request, "a").await;
            assert_eq!(client.reply().await.text(), "a");
            client.send("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            let request = two.request().await;
            two.answer(&request, "b").await;
            assert_eq!(client.reply().await.text(), "b");
        }
        client.send(b"@c {}\0").await;
        let conn = two.request().await.conn;
        if closed_by_one {
            one.close(conn).await;
            client.closed().await;
        } else {
            drop(client);
            assert_eq!(one.notice().await, conn);
        }
        assert_eq!(two.notice().await, conn);
    }
    one.expect_silence(&server, "/a").await;
    two.expect_silence(&server, "/b").await;
}

/// A client may send and leave: a beacon is a request all the same, and Mongrel2 hands it over.
#[tokio::test]
async fn a_client_that_leaves_right_after_its_request_has_still_made_it() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    for request in [
        "POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
        "GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        for _ in 0..20 {
            let mut client = server.client().await;
            client.send(request).await;
            drop(client);
            let request = handler.request().await;
            assert_eq!(handler.notice().await, request.conn);
        }
    }
}
