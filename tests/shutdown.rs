//! Stopping: what has begun is finished, the idle leave at once, and nothing waits for ever.

use crate::harness::{Handler, HandlerSpec, Running, SiteBuilder, asked, free_ports, within};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

fn site() -> SiteBuilder {
    SiteBuilder::new().handler("/h", "main").dir("/", "{}/")
}

#[tokio::test]
async fn an_open_request_is_answered_and_idle_connections_close() {
    let server = Running::start(&site()).await;
    let addr = server.addr();
    let mut handler = server.handler("main").await;
    let (mut idle, mut used) = (server.client().await, server.client().await);
    assert_eq!(used.get("/x").await.status, 404);
    idle.get("/x").await;
    let (mut busy, request) = asked(&server, &mut handler, "/h").await;
    let stopping = tokio::spawn(server.stop());
    idle.closed().await;
    used.closed().await;
    assert!(within(TcpStream::connect(addr)).await.is_err(), "nobody is let in any more");
    assert!(!stopping.is_finished(), "a request is open");
    handler.answer(&request, "to the end").await;
    assert_eq!(busy.reply().await.text(), "to the end");
    busy.closed().await;
    assert_eq!(handler.notice().await, request.conn);
    handler.ended().await;
    let log = within(stopping).await.unwrap();
    let last = log.last().unwrap();
    assert_eq!((last.path.as_str(), last.status.as_str()), ("/h", "200"));
}

#[tokio::test]
async fn a_response_in_the_middle_is_finished() {
    let server = Running::start(&site()).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").await;
    client.until(b"first").await;
    let stopping = tokio::spawn(server.stop());
    handler.reply(request.conn, "after").await;
    assert_eq!(client.exactly(5).await, b"after");
    client.closed().await;
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn after_the_drain_deadline_handlers_are_told_and_all_is_closed() {
    let server = Running::start(&site().setting("timeout.drain", "1")).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let mut half = server.client().await;
    half.send("GET /x HTTP/1.1\r\nHo").await;
    let began = Instant::now();
    let stopping = tokio::spawn(server.stop());
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (503, Some("close")));
    assert!(reply.text().contains("The server is going down."), "{}", reply.text());
    client.closed().await;
    assert_eq!(handler.notice().await, request.conn);
    half.rest().await;
    handler.ended().await;
    let log = within(stopping).await.unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
    let line = log.iter().find(|line| line.path == "/h").unwrap();
    assert_eq!((line.status.as_str(), line.close.as_str()), ("503", "draining"));
}

#[tokio::test]
async fn a_request_that_waits_for_a_handler_is_not_left_hanging() {
    let server = Running::start(&site().setting("timeout.drain", "1")).await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.until_waiting(1).await;
    within(server.stop()).await;
    assert_eq!(client.reply().await.status, 503);
    client.closed().await;
}

/// One has had half its answer, the other has left its client in the dark but for an interim response.
#[tokio::test]
async fn what_has_begun_ends_with_the_drain_and_what_has_not_is_503() {
    let server = Running::start(&site().setting("timeout.drain", "1")).await;
    let mut handler = server.handler("main").await;
    let (mut begun, first) = asked(&server, &mut handler, "/h/begun").await;
    let (mut informed, second) = asked(&server, &mut handler, "/h/informed").await;
    handler.reply(first.conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    handler.reply(second.conn, "HTTP/1.1 103 Early Hints\r\n\r\n").await;
    begun.until(b"half").await;
    informed.until(b"\r\n\r\n").await;
    let stopping = tokio::spawn(server.stop());
    begun.closed().await;
    assert_eq!(informed.reply().await.status, 503);
    informed.closed().await;
    let log = within(stopping).await.unwrap();
    let line = |path: &str| log.iter().find(|line| line.path == path).unwrap().short();
    assert_eq!(line("/h/begun"), ("/h/begun", "200", "draining"));
    assert_eq!(line("/h/informed"), ("/h/informed", "503", "draining"));
}

#[tokio::test]
async fn port_and_sockets_are_free_afterwards() {
    let [port] = free_ports();
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], port)));
    let [send, recv] = free_ports();
    let spec = HandlerSpec {
        send_spec: format!("tcp://127.0.0.1:{send}"),
        recv_spec: format!("tcp://127.0.0.1:{recv}"),
        protocol: "json",
    };
    let site = SiteBuilder::new().handler_with("/h", &spec);
    for _ in 0..3 {
        let server = Running::start_in(tempfile::tempdir().unwrap(), &site, listen).await;
        let mut handler = Handler::connect(&spec).await;
        let (mut client, request) = asked(&server, &mut handler, "/h").await;
        handler.answer(&request, "ok").await;
        client.reply().await;
        server.stop().await;
        client.closed().await;
    }
}
