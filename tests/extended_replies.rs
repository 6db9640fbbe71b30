//! Extended replies: files by `sendfile`, control of connections, and names that nobody knows.

use crate::harness::{Handler, Message, Running, SiteBuilder, asked};
use std::fs;
use wire::tnetstring::{Value, write_value};

/// A server that may send files below `files`, beside which lies a secret.
async fn start(change: impl FnOnce(SiteBuilder) -> SiteBuilder) -> (Running, Handler) {
    let site = SiteBuilder::new().handler("/h", "main").setting("sendfile.base", "{}/files");
    let server = Running::start(&change(site)).await;
    let files = server.folder().join("files");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("a.txt"), "0123456789").unwrap();
    fs::write(files.join("big"), vec![b'x'; 3 << 20]).unwrap();
    fs::write(server.folder().join("secret"), "SECRET").unwrap();
    std::os::unix::fs::symlink("../secret", files.join("out")).unwrap();
    let handler = server.handler("main").await;
    (server, handler)
}

/// An extended reply for one connection.
async fn extended(handler: &mut Handler, conn: u64, list: &Value<'_>) {
    let mut body = Default::default();
    write_value(&mut body, list);
    let ids = format!("X {conn}");
    let head = format!("raw-handler {}:{ids}, ", ids.len());
    handler.send([head.as_bytes(), &body].concat()).await;
}

async fn sendfile(handler: &mut Handler, to: &Message, args: &[(&str, Value<'_>)]) {
    let args = args.iter().map(|(name, value)| (name.as_bytes(), value.clone())).collect();
    let list = Value::List(vec![Value::Bytes(b"sendfile"), Value::Dict(args)]);
    extended(handler, to.conn, &list).await;
}

fn text(text: &str) -> Value<'_> {
    Value::Bytes(text.as_bytes())
}

#[tokio::test]
async fn a_file_goes_out_in_order_with_the_other_replies() {
    let (server, mut handler) = start(|site| site).await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let path = |path| ("path", text(path));
    // Head and length by the server.
    sendfile(
        &mut handler,
        &request,
        &[path("a.txt"), ("head", text("HTTP/1.1 200 OK\r\nX: y\r\n"))],
    )
    .await;
    let reply = client.reply().await;
    assert_eq!((reply.field("x"), reply.text()), (Some("y"), "0123456789"));
    // Part of a file between two replies.
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n<").await;
    let part = [path("a.txt"), ("offset", Value::Integer(2)), ("length", Value::Integer(5))];
    sendfile(&mut handler, &request, &part).await;
    handler.reply(request.conn, ">").await;
    assert_eq!(client.reply().await.text(), "<23456>");
    // A HEAD request gets the head and no file, and the connection goes on.
    client.send("HEAD /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    sendfile(&mut handler, &request, &[path("big"), ("head", text("HTTP/1.1 200 OK\r\n"))]).await;
    let reply = client.reply_to("HEAD").await;
    assert_eq!(reply.field("content-length"), Some("3145728"));
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    sendfile(&mut handler, &request, &[path("big"), ("head", text("HTTP/1.1 200 OK\r\n\r\n"))])
        .await;
    handler.close(request.conn).await;
    let sent = client.rest().await;
    assert_eq!(sent.len(), (3 << 20) + "HTTP/1.1 200 OK\r\n\r\n".len());
    let log = server.stop().await;
    let logged: Vec<_> =
        log.iter().map(|line| (line.status.as_str(), line.sent.as_str())).collect();
    assert_eq!(logged, [("200", "10"), ("200", "7"), ("200", "0"), ("200", "3145728")]);
}

#[tokio::test]
async fn a_file_outside_the_base_is_not_there() {
    let (server, mut handler) = start(|site| site).await;
    let secret = server.folder().join("secret");
    for path in ["../secret", "out", secret.to_str().unwrap(), "/etc/passwd", ".", "nothing"] {
        let (mut client, request) = asked(&server, &mut handler, "/h").await;
        let head = ("head", text("HTTP/1.1 200 OK\r\n"));
        sendfile(&mut handler, &request, &[("path", text(path)), head]).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(!reply.text().contains("SECRET") && !reply.text().contains("files"));
        drop(client);
        handler.notice().await;
    }
    // Behind the handler's own head there is nothing left to say.
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n").await;
    sendfile(&mut handler, &request, &[("path", text("../secret"))]).await;
    assert_eq!(client.rest().await, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
}

#[tokio::test]
async fn a_file_longer_than_its_head_says_closes() {
    let (server, mut handler) = start(|site| site).await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
    sendfile(&mut handler, &request, &[("path", text("a.txt")), ("head", text(head))]).await;
    assert_eq!(client.rest().await, head.as_bytes());
    let log = server.stop().await;
    assert_eq!(log[0].close, "handler_broke_framing");
}

#[tokio::test]
async fn without_a_base_and_with_unknown_names_nothing_closes() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    sendfile(&mut handler, &request, &[("path", text("a.txt"))]).await;
    for list in [
        vec![text("nobody"), Value::Dict(vec![])],
        vec![text("sendfile"), Value::Null],
        vec![text("ctl"), Value::Null],
        vec![text("ctl"), Value::Dict(vec![(b"unknown", Value::Bool(true))])],
        vec![text("sendfile")],
    ] {
        extended(&mut handler, request.conn, &Value::List(list)).await;
    }
    handler.answer(&request, "still here").await;
    assert_eq!(client.reply().await.text(), "still here");
}

#[tokio::test]
async fn a_reload_changes_the_base() {
    let (server, mut handler) = start(|site| site).await;
    let site = SiteBuilder::new().handler("/h", "main").setting("sendfile.base", "{}/others");
    fs::create_dir(server.folder().join("others")).unwrap();
    fs::write(server.folder().join("others/a.txt"), "another").unwrap();
    server.reload(&site).await.unwrap();
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let head = ("head", text("HTTP/1.1 200 OK\r\n"));
    sendfile(&mut handler, &request, &[("path", text("a.txt")), head]).await;
    assert_eq!(client.reply().await.text(), "another");
}

/// `cancel` drops what is queued and brings no notice, for a known id and for an unknown one.
#[tokio::test]
async fn a_cancel_closes_at_once_and_without_a_notice() {
    let (server, mut handler) = start(|site| site).await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let cancel = Value::Dict(vec![(b"cancel", Value::Bool(true))]);
    let list = Value::List(vec![text("ctl"), cancel]);
    extended(&mut handler, request.conn, &list).await;
    client.closed().await;
    extended(&mut handler, request.conn, &list).await;
    extended(&mut handler, 4_294_967_296 + request.conn, &list).await;
    handler.expect_silence(&server, "/h").await;
}
