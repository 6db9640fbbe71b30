//! A handler whose process is stopped: it is found out, and what it had goes on.

use crate::harness::{
    Client, HandlerSpec, Running, SiteBuilder, Sockets, Speaks, UUID, has_pyzmq, token_handler,
    until,
};
use nix::sys::signal::Signal;

async fn send(client: &mut Client, method: &str) {
    client
        .send(format!("{method} /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"))
        .await;
}

#[tokio::test]
async fn another_handler_gets_what_a_stopped_one_had() {
    if !has_pyzmq() {
        return;
    }
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.heartbeat", "0.5");
    let server = Running::start(&site).await;
    let HandlerSpec { send_spec, recv_spec, .. } =
        HandlerSpec::named("main").within(server.folder());
    let sockets = [Sockets { sender: UUID.to_owned(), send_spec, recv_spec }];
    let mut stopped = token_handler(Speaks::Libzmq, &sockets);
    stopped.says("ready").await;
    let link = server.server.live().handler(0);
    let (mut get, mut post) = (server.client().await, server.client().await);
    for client in [&mut get, &mut post] {
        send(client, "GET").await;
        assert_eq!(client.reply().await.status, 200);
    }
    stopped.signal(Signal::SIGSTOP);
    send(&mut get, "GET").await;
    send(&mut post, "POST").await;
    until(|| link.link().stats().open == 2).await;
    let mut other = server.handler("main").await;
    let request = other.request().await;
    assert_eq!(request.header("METHOD"), Some("GET"));
    other.answer(&request, "by the other").await;
    assert_eq!(get.reply().await.text(), "by the other");
    let reply = post.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (502, Some("close")));
    until(|| (link.link().stats().publishers.len(), link.link().peers()) == (1, 1)).await;
    stopped.signal(Signal::SIGCONT);
    until(|| (link.link().stats().publishers.len(), link.link().peers()) == (2, 2)).await;
}
