//! A handler that is late: another is asked, and only one of the two is heard.

use crate::harness::{Running, SiteBuilder, until};

async fn start() -> Running {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.timeout", "1");
    Running::start(&site).await
}

/// Connected one after the other: requests go to them in this order.
async fn until_connected(server: &Running, peers: usize) {
    until(|| server.server.live().handler(0).link().peers() == peers).await;
}

#[tokio::test]
async fn another_handler_answers_and_the_late_one_is_not_heard() {
    let server = start().await;
    let mut late = server.handler("main").await;
    until_connected(&server, 1).await;
    let mut client = server.client().await;
    client.send("PUT /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").await;
    let request = late.request().await;
    let mut quick = server.handler("main").await;
    let again = quick.request().await;
    assert_eq!((again.conn, &again.raw), (request.conn, &request.raw));
    quick.reply(again.conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nquick").await;
    client.until(b"quick").await;
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
    let server = start().await;
    let mut late = server.handler("main").await;
    until_connected(&server, 1).await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = late.request().await;
    let mut second = server.handler("main").await;
    let again = second.request().await;
    late.answer(&request, "late").await;
    assert_eq!(client.reply().await.text(), "late");
    client.closed().await;
    second.answer(&again, "second").await;
    assert_eq!(server.stop().await[0].short(), ("/h", "200", "handler_lost"));
}

#[tokio::test]
async fn the_first_to_answer_dies_in_the_midst_of_it() {
    let server = start().await;
    let mut late = server.handler("main").await;
    until_connected(&server, 1).await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = late.request().await;
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
    let server = start().await;
    let mut late = server.handler("main").await;
    until_connected(&server, 1).await;
    let mut client = server.client().await;
    client.send("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").await;
    late.request().await;
    let _other = server.handler("main").await;
    until_connected(&server, 2).await;
    assert_eq!(client.reply().await.status, 504);
    assert_eq!(server.server.live().handler(0).link().stats().retries, 0);
}
