//! Bodies too large for one message: a file, between an upload's start and its done message.

use crate::harness::uploads::{
    self, CHUNKED, DONE, START, body, files, head, start, stored as site,
};
use crate::harness::{Client, Handler, Message, SiteBuilder, until};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Announces a body of `length` bytes; gives what the handler hears then.
async fn announce(client: &mut Client, handler: &mut Handler, length: usize) -> Message {
    let start = uploads::announce(client, handler, length).await;
    assert!(start.header(START).is_some() && start.header(DONE).is_none(), "{start:?}");
    assert_eq!(start.body, b"");
    start
}

#[tokio::test]
async fn a_large_body_goes_to_a_file_between_two_messages() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    for length in [1001, 600_000, 5_000_000] {
        let body = body(length);
        let start = announce(&mut client, &mut handler, length).await;
        let name = start.header(START).unwrap().to_owned();
        assert!(
            name.starts_with(server.folder().join("uploads/body.").to_str().unwrap()),
            "{name}"
        );
        client.send(&body).await;
        let done = handler.request().await;
        assert_eq!((done.header(START), done.header(DONE)), (Some(&*name), Some(&*name)));
        assert_eq!((done.conn, done.body.as_slice()), (start.conn, &b""[..]));
        assert_eq!(done.header("content-length"), Some(&*length.to_string()));
        assert!(std::fs::read(&name).unwrap() == body, "{length} bytes in the file");
        handler.answer(&done, "thanks").await;
        assert_eq!(client.reply().await.text(), "thanks");
        // From now on it is the handler's file.
        std::fs::remove_file(&name).unwrap();
    }
    assert_eq!(files(server.folder()), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_body_within_the_limit_is_part_of_the_message() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    let body = body(1000);
    client.send(head(1000)).await;
    client.send(&body).await;
    let request = handler.request().await;
    assert!(request.header(START).is_none() && request.body == body);
    assert_eq!(files(server.folder()), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_handler_refuses_an_upload_by_the_empty_reply() {
    let (server, mut handler) = start(&site()).await;
    for words in ["", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"] {
        let mut client = server.client().await;
        let start = announce(&mut client, &mut handler, 5_000_000).await;
        client.send(body(500_000)).await;
        until(|| files(server.folder()).len() == 1).await;
        if !words.is_empty() {
            handler.reply(start.conn, words).await;
        }
        handler.close(start.conn).await;
        assert_eq!(client.rest().await, words.as_bytes());
        until(|| files(server.folder()).is_empty()).await;
        handler.expect_silence(&server, "/up").await;
    }
}

#[tokio::test]
async fn a_handler_may_answer_before_the_body_is_whole() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    let body = body(100_000);
    let start = announce(&mut client, &mut handler, body.len()).await;
    client.send(&body[..50_000]).await;
    handler.answer(&start, "early").await;
    assert_eq!(client.reply().await.text(), "early");
    client.send(&body[50_000..]).await;
    // The handler is told that the file is there; its answer has been given, and a second one
    // must not become the answer to a next request.
    let done = handler.request().await;
    assert_eq!(done.header(DONE), start.header(START));
    assert!(std::fs::read(done.header(DONE).unwrap()).unwrap() == body);
    handler.answer(&done, "once more").await;
    client.closed().await;
    assert_eq!(handler.notice().await, start.conn);
    handler.expect_silence(&server, "/up").await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_takes_its_file_along() {
    let (server, mut handler) = start(&site()).await;
    for how in ["close", "reset", "bad chunk"] {
        let mut client = server.client().await;
        let conn = if how == "bad chunk" {
            client.send(format!("{CHUNKED}4\r\nbody\r\n")).await;
            handler.request().await.conn
        } else {
            announce(&mut client, &mut handler, 2_000_000).await.conn
        };
        until(|| files(server.folder()).len() == 1).await;
        match how {
            "close" => {
                client.send(body(700_000)).await;
                drop(client);
            }
            "reset" => client.reset(),
            _ => {
                client.send("nonsense\r\n").await;
                assert_eq!(client.reply().await.status, 400);
                client.closed().await;
            }
        }
        assert_eq!(handler.notice().await, conn, "{how}");
        until(|| files(server.folder()).is_empty()).await;
        handler.expect_silence(&server, "/up").await;
    }
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let (server, mut handler) = start(&site().setting("timeout.body", "1")).await;
    let mut client = server.client().await;
    let start = announce(&mut client, &mut handler, 2_000_000).await;
    client.send(body(1000)).await;
    assert_eq!(client.reply().await.status, 408);
    client.closed().await;
    assert_eq!(handler.notice().await, start.conn);
    until(|| files(server.folder()).is_empty()).await;
}

#[tokio::test]
async fn without_a_store_a_large_body_is_413() {
    let site = uploads::large_bodies();
    let (server, mut handler) = start(&site).await;
    let mut client = server.client().await;
    client
        .send("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 413, "and no invitation to send it");
    client.closed().await;
    let mut client = server.client().await;
    client.send(format!("{CHUNKED}3e9\r\n")).await;
    client.send(body(1001)).await;
    assert_eq!(client.reply().await.status, 413);
    client.closed().await;
    handler.expect_silence(&server, "/up").await;
    for line in server.stop().await.iter().filter(|line| line.status == "413") {
        assert_eq!(line.close, "limit_body_bytes");
    }
}

#[tokio::test]
async fn no_upload_is_larger_than_upload_size() {
    let (server, mut handler) = start(&site().setting("limits.upload_size", "5000")).await;
    let (mut client, start) = uploads::too_large(&server, &mut handler).await;
    client.send(body(5001)).await;
    assert_eq!(client.reply().await.status, 413);
    assert_eq!(handler.notice().await, start.conn);
    until(|| files(server.folder()).is_empty()).await;
}

#[tokio::test]
async fn a_chunked_body_is_an_upload() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    client.send(CHUNKED).await;
    let start = handler.request().await;
    let name = start.header(START).unwrap().to_owned();
    client
        .send("5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Mongrel2-Upload-Done: /etc/passwd\r\n\r\n")
        .await;
    let done = handler.request().await;
    assert_eq!(done.header(DONE), Some(&*name));
    assert!(!done.raw.windows(6).any(|at| at == b"passwd"), "trailers are no headers");
    assert_eq!(std::fs::read(&name).unwrap(), b"hello world");
    handler.answer(&done, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
}

#[tokio::test]
async fn a_client_that_waits_for_it_is_invited() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    client
        .send("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n")
        .await;
    handler.request().await;
    assert_eq!(client.until(b"\r\n\r\n").await, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body(2000)).await;
    let done = handler.request().await;
    handler.answer(&done, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
}

/// A handler opens the file that these headers name: they must be ours alone.
#[tokio::test]
async fn forged_headers_never_reach_a_handler() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    let forged = "X-Mongrel2-Upload-Start: /etc/passwd\r\nx-mongrel2-upload-done: /etc/passwd\r\n\
                  X_Mongrel2_Upload_Done: /etc/passwd\r\nX-Mongrel2-Other: 1\r\n\
                  X-MONGREL2-UPLOAD-DONE: /etc/passwd\r\nx-mongrel2-upload-done:/etc/passwd\r\n\
                  x-mongrel2-upload-start:\t/etc/passwd\r\nx-mongrel2-UPLOAD-size: passwd\r\n";
    client.send(format!("GET /up HTTP/1.1\r\nHost: localhost\r\n{forged}\r\n")).await;
    let request = handler.request().await;
    assert!(!request.raw.windows(6).any(|at| at == b"passwd"), "{}", request.raw.escape_ascii());
    handler.answer(&request, "ok").await;
    client.reply().await;
    client
        .send(format!(
            "POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n{forged}\r\n"
        ))
        .await;
    client.send(body(2000)).await;
    for _ in 0..2 {
        let message = handler.request().await;
        assert!(!message.raw.windows(6).any(|at| at == b"passwd"), "{message:?}");
    }
}

#[tokio::test]
async fn the_file_has_the_mode_that_was_asked_for() {
    for (setting, mode) in [(None, 0o600), (Some("0644"), 0o644), (Some("0666"), 0o666)] {
        let site = setting.map_or_else(site, |mode| site().setting("upload.temp_store_mode", mode));
        let (server, mut handler) = start(&site).await;
        let mut client = server.client().await;
        let start = announce(&mut client, &mut handler, 2000).await;
        let metadata = std::fs::metadata(start.header(START).unwrap()).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{setting:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_not_there_is_500_and_the_server_goes_on() {
    let site =
        site().rows(|rows| rows.settings[1].value = store::Cell::Text("/nowhere/XXXXXX".into()));
    let (server, mut handler) = start(&site).await;
    let mut client = server.client().await;
    client.send(head(2000)).await;
    assert_eq!(client.reply().await.status, 500);
    handler.expect_silence(&server, "/up").await;
}

fn chunked(body: &[u8], sizes: impl Iterator<Item = usize>) -> Vec<u8> {
    let (mut rest, mut bytes) = (body, Vec::new());
    for size in sizes {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        if chunk.is_empty() {
            break;
        }
        let extension = if bytes.is_empty() { ";x=\"y\"" } else { "" };
        bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    assert!(rest.is_empty());
    bytes
}

const NEXT: &str = "GET /up?next HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What comes fast is read by another thread, which must not read it in another way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fast_bodies_of_every_shape_arrive_whole_and_end_where_they_end() {
    let (server, mut handler) = start(&site()).await;
    let addr = server.addr();
    let body = body(3_000_000);
    let sizes: [fn(usize) -> usize; 4] =
        [|_| 7, |_| 65_536, |_| 3_000_000, |at| 1 + at * 7919 % 200_000];
    for size in [None].into_iter().chain(sizes.map(Some)) {
        let mut bytes = match size {
            None => [head(3_000_000).as_bytes(), &body[..]].concat(),
            Some(size) => {
                [CHUNKED.as_bytes(), &chunked(&body, (0..).map(size)), b"0\r\n\r\n"].concat()
            }
        };
        bytes.extend(NEXT.as_bytes());
        let mut client = Client::connect(addr).await;
        let sending = tokio::spawn(async move {
            client.send(bytes).await;
            client
        });
        handler.request().await;
        let done = handler.request().await;
        let name = done.header(DONE).unwrap();
        assert!(std::fs::read(name).unwrap() == body);
        std::fs::remove_file(name).unwrap();
        handler.answer(&done, "ok").await;
        let next = handler.request().await;
        assert_eq!(next.header("URI"), Some("/up?next"));
        handler.answer(&next, "next").await;
        let mut client = sending.await.unwrap();
        assert_eq!((client.reply().await.text(), client.reply().await.text()), ("ok", "next"));
        client.shutdown().await;
        assert_eq!(handler.notice().await, done.conn);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fast_bodies_are_refused_as_slow_ones_are() {
    let whole = |bytes: usize| chunked(&body(bytes), [bytes].into_iter());
    for (setting, status, bytes) in [
        ("upload.digest=sha256", 400, [&whole(2_000_000)[..], b"zz\r\n"].concat()),
        ("upload.store_max=2400000", 507, whole(2_500_000)),
        ("limits.upload_size=2400000", 413, whole(2_500_000)),
    ] {
        let (key, value) = setting.split_once('=').unwrap();
        let site = site().setting(key, value);
        let (server, mut handler) = start(&site).await;
        let mut client = server.client().await;
        let (bytes, conn) = tokio::join!(
            async {
                client.send(CHUNKED).await;
                client.try_send(&bytes).await;
                client
            },
            async { handler.request().await.conn }
        );
        let mut client = bytes;
        assert_eq!(client.reply().await.status, status, "{setting}");
        client.closed().await;
        assert_eq!(handler.notice().await, conn, "{setting}");
        until(|| files(server.folder()).is_empty()).await;
        handler.expect_silence(&server, "/up").await;
    }
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_goes_on_sending() {
    let (server, mut handler) = start(&site()).await;
    for at_once in [0, 400_000] {
        let mut client = server.client().await;
        let start = announce(&mut client, &mut handler, 8 << 20).await;
        client.send(body(at_once)).await;
        let no = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
        handler.reply(start.conn, no).await;
        handler.close(start.conn).await;
        client.try_send(vec![b'x'; (8 << 20) - at_once]).await;
        assert_eq!(client.rest().await, no.as_bytes());
        until(|| files(server.folder()).is_empty()).await;
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_uploads_too() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    client.send("POST /up HTTP/1.0\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n").await;
    handler.request().await;
    client.send(body(2000)).await;
    let done = handler.request().await;
    assert_eq!(done.header("VERSION"), Some("HTTP/1.0"));
    assert!(std::fs::read(done.header(DONE).unwrap()).unwrap() == body(2000));
    handler.answer(&done, "ok").await;
    handler.close(done.conn).await;
    assert!(client.rest().await.ends_with(b"\r\n\r\nok"));
}

/// One rule is enough to kill, and it is looked at ten times a second.
fn strict() -> SiteBuilder {
    site()
        .setting("limits.kill_limit", "0")
        .setting("limits.tick_timer", "0.1")
        .setting("limits.min_ping", "0")
        .setting("limits.min_write_rate", "0")
        .setting("limits.min_read_rate", "100000")
}

#[tokio::test]
async fn a_body_slower_than_min_read_rate_is_given_up() {
    let (server, mut handler) = start(&strict()).await;
    let mut client = server.client().await;
    let start = announce(&mut client, &mut handler, 2_000_000).await;
    client.send(body(1000)).await;
    client.closed().await;
    assert_eq!(handler.notice().await, start.conn);
    until(|| files(server.folder()).is_empty()).await;
    let log = server.stop().await;
    assert_eq!((&*log[0].status, &*log[0].close), ("0", "limit_read_rate"));
}

#[tokio::test]
async fn too_large_is_said_before_the_body_is_invited() {
    let site = site().setting("limits.upload_size", "5000").setting("upload.store_max", "4000");
    let (server, mut handler) = start(&site).await;
    for (length, status) in [(5001, 413), (4001, 413), (1001, 100)] {
        let mut client = server.client().await;
        client
            .send(format!("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"))
            .await;
        assert_eq!(client.reply().await.status, status, "{length}");
        if status == 413 {
            client.closed().await;
        } else {
            handler.request().await;
        }
    }
}
