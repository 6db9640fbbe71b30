//! What Mongrel2 got wrong and what we once got wrong: none of it comes back.

use crate::harness::{Running, SiteBuilder, asked};

fn uploads() -> SiteBuilder {
    SiteBuilder::new()
        .handler("/up", "main")
        .setting("limits.content_length", "1000")
        .setting("upload.temp_store", "{}/body.XXXXXX")
}

/// Mongrel2 waited for ever when more of a large body than the limit came with its head.
#[tokio::test]
async fn an_upload_that_comes_in_one_packet_with_its_head_does_not_hang() {
    let server = Running::start(&uploads()).await;
    let mut handler = server.handler("main").await;
    for length in [1001, 1002, 5000, 15_000] {
        let mut client = server.client().await;
        let body = "b".repeat(length);
        client
            .send(format!(
                "POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
            .await;
        handler.request().await;
        let done = handler.request().await;
        let file = done.header("x-mongrel2-upload-done").unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), body);
        handler.answer(&done, "ok").await;
        assert_eq!(client.reply().await.text(), "ok");
        drop(client);
        assert_eq!(handler.notice().await, done.conn);
    }
}

/// Mongrel2 wrote the next request into the file.
#[tokio::test]
async fn a_request_behind_an_upload_is_a_request() {
    let server = Running::start(&uploads()).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    let body = "b".repeat(30_000);
    client
        .send(format!(
            "POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000\r\n\r\n{body}\
             GET /up/next HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ))
        .await;
    handler.request().await;
    let done = handler.request().await;
    let file = done.header("x-mongrel2-upload-done").unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), body);
    handler.answer(&done, "first").await;
    assert_eq!(client.reply().await.text(), "first");
    let next = handler.request().await;
    assert_eq!(next.path, "/up/next");
    handler.answer(&next, "second").await;
    assert_eq!(client.reply().await.text(), "second");
}

/// Mongrel2 copied tabs and stray bytes into JSON strings.
#[tokio::test]
async fn what_handlers_get_is_json_whatever_a_client_sends() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let values: [&[u8]; 7] =
        [b"a\tb", b"\"", b"\\", b"\\u0000", b"caf\xe9", b"\xff\xfe", b"\xed\xa0\x80\xf0\x9f\x98"];
    for value in values {
        let mut client = server.client().await;
        let request = [b"GET /h HTTP/1.1\r\nHost: localhost\r\nX-V: ", value, b"\r\n\r\n"];
        client.send(request.concat()).await;
        let message = handler.request().await;
        let start = message.raw.iter().position(|byte| *byte == b'{').unwrap();
        let json = &message.raw[start..message.raw.len() - b",0:,".len()];
        let json: serde_json::Value = serde_json::from_slice(json)
            .unwrap_or_else(|error| panic!("{error}: {}", json.escape_ascii()));
        assert!(json["x-v"].is_string());
        assert_eq!(message.headers["x-v"], [value.to_vec()], "and the bytes can be had back");
        drop(client);
        assert_eq!(handler.notice().await, message.conn);
    }
}

/// Mongrel2 sent `/us` to the route `/users`.
#[tokio::test]
async fn a_route_longer_than_the_path_does_not_match() {
    let server = Running::start(&SiteBuilder::new().handler("/users", "main")).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    for path in ["/", "/us", "/user"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
    let (_client, request) = asked(&server, &mut handler, "/users").await;
    assert_eq!(request.path, "/users");
}

/// Mongrel2 gave the ids of connections that had left to new ones, whose handlers' late replies
/// then reached strangers.
#[tokio::test]
async fn a_late_reply_never_reaches_a_stranger() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (client, gone) = asked(&server, &mut handler, "/h").await;
    drop(client);
    assert_eq!(handler.notice().await, gone.conn);
    let mut strangers = Vec::new();
    for _ in 0..50 {
        let (client, request) = asked(&server, &mut handler, "/h").await;
        assert!(request.conn > gone.conn);
        strangers.push((client, request));
    }
    handler.answer(&gone, "not for you").await;
    for (client, request) in &mut strangers {
        handler.answer(request, "yours").await;
        assert_eq!(client.reply().await.text(), "yours");
    }
}

/// The excess took what was right before it along: the client got nothing at all.
#[tokio::test]
async fn of_an_answer_with_too_much_the_client_gets_the_answer() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\n").await;
    assert_eq!(client.rest().await, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

/// A reply behind a handler's own close was swallowed if it came quickly, told if it came late.
#[tokio::test]
async fn a_reply_behind_a_close_brings_a_notice_however_quickly_it_comes() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    for _ in 0..20 {
        let (mut client, request) = asked(&server, &mut handler, "/h").await;
        handler.close(request.conn).await;
        handler.reply(request.conn, "too late").await;
        client.closed().await;
        assert_eq!(handler.notice().await, request.conn);
    }
}
