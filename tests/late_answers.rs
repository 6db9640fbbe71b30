//! A handler that is late: another is asked, and only one of the two is heard.

use crate::harness::{Client, Handler, Message, Running, SiteBuilder, until};

/// A client that has asked, and a handler that has the request and lets it wait.
async fn start(request: &str) -> (Running, Handler, Client, Message) {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.timeout", "1");
    let server = Running::start(&site).await;
    let mut late = server.handler("main").await;
    server.until_peers(1).await;
    let mut client = server.client().await;
    client.send(request).await;
    let request = late.request().await;
    (server, late, client, request)
}

const GET: &str = "GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn another_handler_answers_and_the_late_one_is_not_heard() {
    let (server, mut late, mut client, request) =
        start("PUT /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").await;
    let mut quick = server.handler("main").await;
    let again = quick.request().await;
    assert_eq!((again.conn, &again.raw), (request.conn, &request.raw));
    quick.reply(again.conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nquick").await;
    let begun = client.until(b"quick").await;
    let begun = String::from_utf8_lossy(&begun);
    assert!(begun.starts_with("HTTP/1.1 200 OK\r\nConnection: close\r\n"), "{begun}");
    // In the midst of the other's answer.
    late.answer(&request, "late").await;
    late.send("no reply, to know that the one before it was read").await;
    until(|| server.server.live().handler(0).malformed().count() == 1).await;
    quick.reply(again.conn, "+more").await;
    assert_eq!(client.rest().await, b"+more", "and then the connection ends");
    assert_eq!(server.stop().await[0].short(), ("/h", "200", "handler_lost"));
}

#[tokio::test]
async fn the_late_one_is_heard_if_it_is_first_after_all() {
    let (server, mut late, mut client, request) = start(GET).await;
    let mut second = server.handler("main").await;
    let again = second.request().await;
    late.answer(&request, "late").await;
    let reply = client.reply().await;
    assert_eq!((reply.text(), reply.field("connection")), ("late", Some("close")));
    client.closed().await;
    second.answer(&again, "second").await;
    assert_eq!(server.stop().await[0].short(), ("/h", "200", "handler_lost"));
}

#[tokio::test]
async fn the_first_to_answer_dies_in_the_midst_of_it() {
    let (server, mut late, mut client, request) = start(GET).await;
    let mut second = server.handler("main").await;
    second.request().await;
    late.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    client.until(b"half").await;
    drop(late);
    client.closed().await;
    assert_eq!(server.stop().await[0].short(), ("/h", "200", "handler_lost"));
}

#[tokio::test]
async fn what_may_not_be_sent_twice_is_not() {
    let (server, _late, mut client, _) =
        start("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").await;
    let _other = server.handler("main").await;
    server.until_peers(2).await;
    assert_eq!(client.reply().await.status, 504);
    assert_eq!(server.server.live().handler(0).link().stats().retries, 0);
}
