//! Handlers that hear what has reached their clients (`download.flow_control`).

use crate::harness::{Handler, Message, Running, SiteBuilder, asked, ok};

const CREDITS: usize = 102_400;

async fn start() -> (Running, Handler) {
    let site = SiteBuilder::new().handler("/h", "main").setting("download.flow_control", "1");
    let server = Running::start(&site).await;
    let handler = server.handler("main").await;
    (server, handler)
}

/// What a credits notice says.
fn written(message: &Message) -> usize {
    assert_eq!((&*message.path, message.header("METHOD")), ("@*", Some("JSON")));
    assert_eq!(message.body, br#"{"type":"credits"}"#);
    message.header("DOWNLOAD_CREDITS").unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_reply_is_acknowledged_when_it_is_written() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    assert_eq!(request.header("DOWNLOAD_CREDITS"), Some("102400"));
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
    for reply in [head, "abc", "def"] {
        handler.reply(request.conn, reply).await;
        assert_eq!(written(&handler.next().await), reply.len());
    }
    assert_eq!(client.reply().await.text(), "abcdef");
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let second = handler.request().await;
    assert_eq!(second.header("DOWNLOAD_CREDITS"), None, "only the first request tells");
    handler.answer(&second, "ok").await;
    assert_eq!(written(&handler.next().await), ok("ok").len());
    // Also while no request is open.
    client.reply().await;
    handler.reply(second.conn, "more").await;
    assert_eq!(written(&handler.next().await), 4);
    handler.close(second.conn).await;
    assert_eq!(client.rest().await, b"more");
    handler.expect_quiet(&server).await;
}

impl Handler {
    /// As `expect_silence`, past the credits of its own answer.
    async fn expect_quiet(&mut self, server: &Running) {
        let (_client, request) = asked(server, self, "/h").await;
        self.answer(&request, "quiet").await;
        assert_eq!(written(&self.next().await), ok("quiet").len());
    }
}

#[tokio::test]
async fn many_bytes_pass_as_long_as_they_are_waited_for() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let count = 40;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", count * CREDITS);
    handler.reply(request.conn, &head).await;
    assert_eq!(written(&handler.next().await), head.len());
    let read = tokio::spawn(async move { client.reply().await.body.len() });
    for _ in 0..count {
        handler.reply(request.conn, vec![b'x'; CREDITS]).await;
        assert_eq!(written(&handler.next().await), CREDITS);
    }
    assert_eq!(read.await.unwrap(), count * CREDITS);
}

#[tokio::test]
async fn more_than_the_credits_closes_and_says_so() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, vec![b'x'; CREDITS + 1]).await;
    client.closed().await;
    assert_eq!(handler.notice().await, request.conn);

    let (client, request) = asked(&server, &mut handler, "/h").await;
    // The client reads nothing: sooner or later the replies are not written at once.
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40);
    handler.reply(request.conn, &head).await;
    for _ in 0..400 {
        handler.reply(request.conn, vec![b'x'; CREDITS / 2 + 1]).await;
    }
    loop {
        let message = handler.next().await;
        if message.is_disconnect {
            break;
        }
        written(&message);
    }
    drop(client);
}
