//! Back ends through the whole server: requests and responses stream both ways.

use crate::harness::{Client, Running, SiteBuilder, within};
use tokio::net::TcpListener;

/// A back end that is played by the test.
struct Backend {
    listener: TcpListener,
}

impl Backend {
    async fn start() -> (Self, Running) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Running::start(&SiteBuilder::new().proxy("/p", port)).await;
        (Self { listener }, server)
    }

    async fn accept(&self) -> Client {
        Client::over(within(self.listener.accept()).await.unwrap().0)
    }
}

async fn head_of(backend: &mut Client) -> String {
    String::from_utf8(backend.until(b"\r\n\r\n").await).unwrap()
}

#[tokio::test]
async fn a_get_goes_there_and_comes_back() {
    let (backend, server) = Backend::start().await;
    let mut client = server.client().await;
    client
        .send(
            "GET /p/x?q=1 HTTP/1.1\r\nHost: localhost\r\nX-Own: 1\r\nConnection: X-Hop\r\n\
             X-Hop: 1\r\nTE: trailers\r\n\r\n",
        )
        .await;
    let mut upstream = backend.accept().await;
    let head = head_of(&mut upstream).await;
    assert!(head.starts_with("GET /p/x?q=1 HTTP/1.1\r\n"), "{head}");
    let head = head.to_ascii_lowercase();
    for field in
        ["\r\nhost: localhost\r\n", "\r\nx-own: 1\r\n", "\r\nx-forwarded-for: 127.0.0.1\r\n"]
    {
        assert!(head.contains(field), "{field:?} in {head}");
    }
    for field in ["x-hop", "\r\nte:"] {
        assert!(!head.contains(field), "{field:?} in {head}");
    }
    upstream
        .send(
            "HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX-Back: 2\r\nConnection: X-Gone\r\n\
             X-Gone: 1\r\n\r\nback",
        )
        .await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text()), (201, "back"));
    assert_eq!((reply.field("x-back"), reply.field("x-gone")), (Some("2"), None));
    // Both connections are used again.
    client.send("GET /p/again HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head_of(&mut upstream).await.starts_with("GET /p/again "));
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.reply().await.text(), "ok");
    assert_eq!(server.stop().await[0].target, "proxy");
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    let (backend, server) = Backend::start().await;
    let mut client = server.client().await;
    client
        .send(
            "POST /p HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n",
        )
        .await;
    let mut upstream = backend.accept().await;
    let head = head_of(&mut upstream).await.to_ascii_lowercase();
    assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
    upstream.until(b"one\r\n").await;
    // The back end has the first piece while the client has not sent the second.
    client.send("3\r\ntwo\r\n").await;
    upstream.until(b"two\r\n").await;
    client.send("0\r\n\r\n").await;
    upstream.until(b"0\r\n\r\n").await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nback\r\n").await;
    let head = String::from_utf8(client.until(b"\r\n\r\n").await).unwrap();
    assert!(head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
    client.until(b"back\r\n").await;
    upstream.send("5\r\nagain\r\n0\r\n\r\n").await;
    client.until(b"again\r\n").await;
    assert_eq!(client.until(b"0\r\n\r\n").await, b"0\r\n\r\n");
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let (backend, server) = Backend::start().await;
    let body: Vec<u8> = (0..1_u32 << 21).flat_map(u32::to_be_bytes).collect();
    let head =
        format!("PUT /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    let (mut client, sent) = (server.client().await, body.clone());
    let sending = tokio::spawn(async move {
        client.send(head).await;
        client.send(sent).await;
        client
    });
    let mut upstream = backend.accept().await;
    head_of(&mut upstream).await;
    let came = upstream.exactly(body.len()).await;
    assert!(came == body, "8 MiB to the back end");
    upstream.send("HTTP/1.0 200 OK\r\n\r\n").await;
    let mut client = within(sending).await.unwrap();
    let answering = tokio::spawn(async move {
        upstream.send(came).await;
    });
    let reply = client.reply().await;
    assert!(reply.body == body, "8 MiB back");
    within(answering).await.unwrap();
}

#[tokio::test]
async fn head_has_no_content() {
    let (backend, server) = Backend::start().await;
    let mut client = server.client().await;
    client.send("HEAD /p HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut upstream = backend.accept().await;
    assert!(head_of(&mut upstream).await.starts_with("HEAD /p "));
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n").await;
    let reply = client.reply_to("HEAD").await;
    assert_eq!((reply.status, reply.field("content-length")), (200, Some("99")));
    client.send("GET /p HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(head_of(&mut upstream).await.starts_with("GET /p "));
    upstream.send("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("etag")), (304, Some("\"x\"")));
}

#[tokio::test]
async fn what_can_not_be_reached_or_read_is_502() {
    let (backend, server) = Backend::start().await;
    let mut client = server.client().await;
    for answer in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
        client.send("POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
        let mut upstream = backend.accept().await;
        upstream.until(b"\r\n\r\nhi").await;
        upstream.send(answer).await;
        drop(upstream);
        assert_eq!(client.reply().await.status, 502, "{answer:?}");
    }
    drop(backend);
    assert_eq!(client.get("/p").await.status, 502, "nobody listens");
    assert_eq!(client.get("/nothing").await.status, 404, "the connection goes on");
}

#[tokio::test]
async fn a_back_end_that_breaks_off_is_not_taken_for_one_that_has_finished() {
    let (backend, server) = Backend::start().await;
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "half"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "4\r\nhalf\r\n"),
    ] {
        let mut client = server.client().await;
        client.send("POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
        let mut upstream = backend.accept().await;
        head_of(&mut upstream).await;
        upstream.send(answer).await;
        client.until(b"half").await;
        drop(upstream);
        let rest = client.rest().await;
        assert!(!rest.windows(3).any(|end| end == b"0\r\n"), "{answer}: ended as if whole");
        assert!(body.as_bytes().ends_with(&rest), "{answer}");
    }
    for line in server.stop().await {
        assert_eq!(line.short(), ("/p", "200", "upstream_failed"));
    }
}

#[tokio::test]
async fn a_back_end_that_says_nothing_is_504() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let site = SiteBuilder::new().proxy("/p", port).setting("proxy.response_timeout", "1");
    let server = Running::start(&site).await;
    let mut client = server.client().await;
    client.send("GET /p HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let (_silent, _) = within(listener.accept()).await.unwrap();
    assert_eq!(client.reply().await.status, 504);
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_request_to_the_back_end() {
    let (backend, server) = Backend::start().await;
    let mut client = server.client().await;
    client.send("GET /p HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut upstream = backend.accept().await;
    head_of(&mut upstream).await;
    client.reset();
    upstream.closed().await;
    server.until_open(0).await;
}
