//! Clients that do not read: what a handler or a limit says about them takes effect at once.

use crate::harness::{Client, Handler, Running, SiteBuilder};
use std::time::Duration;

/// `timeout.write` is a minute: whatever ends sooner did not wait for it.
const SOON: Duration = Duration::from_secs(10);

/// A client that has taken some megabytes into its buffers and reads no more.
async fn stuck(server: &Running, handler: &mut Handler) -> (Client, u64) {
    let mut client = Client::connect_with_small_buffer(server.addr()).await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let conn = handler.request().await.conn;
    handler.reply(conn, "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n").await;
    handler.reply(conn, vec![b'x'; 6 << 20]).await;
    client.until(b"\r\n\r\n").await;
    (client, conn)
}

#[tokio::test]
async fn a_cancel_closes_at_once_and_no_notice_follows() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (_client, conn) = stuck(&server, &mut handler).await;
    let id = conn.to_string();
    let cancel = format!("raw-handler {}:X {id}, 26:3:ctl,16:6:cancel,4:true!}}]", id.len() + 2);
    handler.send(cancel).await;
    tokio::time::timeout(SOON, server.until_open(0)).await.expect("a cancel does not wait");
    handler.expect_silence(&server, "/h").await;
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/h", "200", "handler_closed"));
}

#[tokio::test]
async fn a_full_queue_closes_at_once_and_its_handler_hears_of_it() {
    let site = SiteBuilder::new().handler("/h", "main").setting("limits.connection_queue", "1000");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let (_client, conn) = stuck(&server, &mut handler).await;
    for _ in 0..2 {
        handler.reply(conn, vec![b'x'; 900]).await;
    }
    let noticed = tokio::time::timeout(SOON, handler.notice()).await;
    assert_eq!(noticed, Ok(conn), "the queue's limit does not wait");
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/h", "200", "limit_reply_queue"));
}

/// A handler has done its work once its answer is here, whoever takes it when.
#[tokio::test]
async fn an_answer_that_its_client_does_not_take_frees_its_handler() {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.max_pending", "1");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let mut slow = Client::connect_with_small_buffer(server.addr()).await;
    slow.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let conn = handler.request().await.conn;
    let page = vec![b'x'; 12 << 20];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
    handler.reply(conn, [head.as_bytes(), &page].concat()).await;
    slow.until(b"\r\n\r\n").await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    handler.answer(&request, "served").await;
    assert_eq!(client.reply().await.text(), "served");
}
