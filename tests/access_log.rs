//! The access log: one line for each request, with what an operator asks of it.

use crate::harness::{LogLine, Running, SiteBuilder, asked};
use std::time::{SystemTime, UNIX_EPOCH};

#[tokio::test]
async fn a_line_says_who_what_and_how_it_ended() {
    let site =
        SiteBuilder::new().handler("/h", "main").dir("/", "{}/").host("b.example").dir("/", "{}/");
    let server = Running::start(&site).await;
    std::fs::write(server.folder().join("f.txt"), "0123456789").unwrap();
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    let port = client.local_port().to_string();
    client.get("/f.txt?query").await;
    client.send("HEAD /f.txt HTTP/1.1\r\nHost: b.example\r\n\r\n").await;
    client.reply_to("HEAD").await;
    client.send("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
    let request = handler.request().await;
    handler.reply(request.conn, "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    handler.reply(request.conn, "5\r\nhello\r\n0\r\n\r\n").await;
    client.reply().await;
    client.send("GET /none HTTP/1.0\r\n\r\n").await;
    client.reply().await;
    client.closed().await;
    let log = server.stop().await;
    let parts = |line: &LogLine| {
        let LogLine { host, method, path, version, status, sent, target, close, .. } = line.clone();
        [host, method, path, version, status, sent, target, close]
    };
    assert_eq!(
        log.iter().map(parts).collect::<Vec<_>>(),
        [
            ["localhost", "GET", "/f.txt", "HTTP/1.1", "200", "10", "dir", "-"],
            ["b.example", "HEAD", "/f.txt", "HTTP/1.1", "200", "0", "dir", "-"],
            ["localhost", "POST", "/h", "HTTP/1.1", "201", "5", "handler", "-"],
            [
                "localhost",
                "GET",
                "/none",
                "HTTP/1.0",
                "404",
                &log[3].sent,
                "dir",
                "peer_asked_close"
            ],
        ]
    );
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    for line in log {
        assert_eq!((line.remote.as_str(), &line.remote_port), ("127.0.0.1", &port));
        let age = now - line.time.parse::<u64>().unwrap();
        assert!(age < 60, "{line:?}");
        assert!(line.took.parse::<u64>().unwrap() < 60_000_000, "{line:?}");
    }
}

/// Mongrel2's log could be given lines of a client's making.
#[tokio::test]
async fn no_request_can_forge_a_line() {
    let server = Running::start(&SiteBuilder::new().handler("/", "main")).await;
    let mut handler = server.handler("main").await;
    let hostile = ["/a\",1:1#%0a9:forged,", "/%22%5d%0A", "/0:~%5D", "/,,,]]]"];
    let mut clients = Vec::new();
    for path in hostile {
        let mut client = server.client().await;
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        if path.contains(['"', ']']) {
            assert_eq!(client.reply().await.status, 400);
        } else {
            let request = handler.request().await;
            handler.answer(&request, "ok").await;
            client.reply().await;
            clients.push(client);
        }
    }
    // `stop` reads each line as one tnetstring and fails on anything else.
    assert_eq!(server.stop().await.len(), hostile.len());
}

#[tokio::test]
async fn an_answer_that_is_not_http_has_no_status() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "not HTTP at all").await;
    handler.close(request.conn).await;
    assert_eq!(client.rest().await, b"not HTTP at all");
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/h", "0", "handler_closed"));
    assert_eq!(log[0].sent, "15");
}

#[tokio::test]
async fn access_logging_can_be_turned_off() {
    let site = SiteBuilder::new().dir("/", "{}/").setting("disable.access_logging", "1");
    let server = Running::start(&site).await;
    server.client().await.get("/x").await;
    assert!(!server.folder().join("access.log").exists());
    assert_eq!(server.stop().await, []);
}

#[tokio::test]
async fn after_a_rotation_a_reload_opens_a_new_file() {
    let site = SiteBuilder::new().dir("/", "{}/");
    let server = Running::start(&site).await;
    let mut client = server.client().await;
    client.get("/before").await;
    let log = server.folder().join("access.log");
    let rotated = server.folder().join("access.log.1");
    std::fs::rename(&log, &rotated).unwrap();
    client.get("/between").await;
    server.reload(&site).await.unwrap();
    client.get("/after").await;
    let paths = |lines: Vec<u8>| {
        let text = String::from_utf8(lines).unwrap();
        ["/before", "/between", "/after"].map(|path| text.contains(path))
    };
    let folder = server.folder().to_owned();
    let kept = std::fs::File::open(&rotated).unwrap();
    let after = server.stop().await;
    assert_eq!(after.iter().map(|line| line.path.as_str()).collect::<Vec<_>>(), ["/after"]);
    assert!(!folder.exists(), "the test's folder is gone, its files are read through descriptors");
    let mut before = Vec::new();
    std::io::Read::read_to_end(&mut &kept, &mut before).unwrap();
    assert_eq!(paths(before), [true, true, false]);
}
