//! Bodies in parts, as handlers grant credits for them (`upload.stream`).

use crate::harness::uploads::{self, CHUNKED, body, head, start};
use crate::harness::{Client, Handler, Message, SiteBuilder, until};

fn site() -> SiteBuilder {
    uploads::large_bodies().setting("upload.stream", "1")
}

async fn control(handler: &mut Handler, conn: u64, dict: &str) {
    let body = format!("3:ctl,{}:{dict}}}", dict.len());
    let targets = format!("X {conn}");
    let message = format!("raw {}:{targets}, {}:{body}]", targets.len(), body.len());
    handler.send(message).await;
}

async fn grant(handler: &mut Handler, conn: u64, credits: i64) {
    let credits = credits.to_string();
    control(handler, conn, &format!("7:credits,{}:{credits}#", credits.len())).await;
}

/// A part of the body: its offset, its bytes, whether it is the last.
fn part(message: &Message) -> (u64, &[u8], bool) {
    let offset = message.header("UPLOAD_STREAM").unwrap().parse().unwrap();
    let done = message.header("UPLOAD_STREAM_DONE").inspect(|done| assert_eq!(*done, "1"));
    (offset, &message.body, done.is_some())
}

async fn announce(client: &mut Client, handler: &mut Handler, length: usize) -> u64 {
    let first = uploads::announce(client, handler, length).await;
    assert_eq!(first.header("METHOD"), Some("POST"));
    assert_eq!(part(&first), (0, &b""[..], false));
    first.conn
}

/// Grants credits until the last part has come.
async fn receive(handler: &mut Handler, conn: u64, credits: i64) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        grant(handler, conn, credits).await;
        let message = handler.next().await;
        assert_eq!((message.conn, &*message.path), (conn, "/up"));
        let (offset, bytes, done) = part(&message);
        assert_eq!(offset, whole.len() as u64);
        assert!(bytes.len() <= 1000, "{} bytes in one part", bytes.len());
        whole.extend_from_slice(bytes);
        if done {
            return whole;
        }
        assert!(!bytes.is_empty());
    }
}

#[tokio::test]
async fn a_body_comes_in_parts_and_the_connection_goes_on() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    for length in [1001, 2000, 200_000] {
        let body = body(length);
        let conn = announce(&mut client, &mut handler, length).await;
        let (whole, ()) = tokio::join!(receive(&mut handler, conn, 1000), client.send(&body));
        assert!(whole == body, "{length} bytes");
        handler.reply(conn, crate::harness::ok("thanks")).await;
        assert_eq!(client.reply().await.text(), "thanks");
    }
    client.send("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody").await;
    let small = handler.request().await;
    assert_eq!((small.header("UPLOAD_STREAM"), &*small.body), (None, &b"body"[..]));
}

#[tokio::test]
async fn what_came_with_the_head_goes_with_it_but_never_all() {
    let (server, mut handler) = start(&site()).await;
    for (length, sent, with_head) in [(1001, 1001, 1000), (5000, 700, 700), (5000, 5000, 1000)] {
        let mut client = server.client().await;
        let body = body(length);
        client.send([head(length).as_bytes(), &body[..sent]].concat()).await;
        let first = handler.request().await;
        assert_eq!(part(&first), (0, &body[..with_head], false));
        client.send(&body[sent..]).await;
        let mut whole = first.body.clone();
        loop {
            grant(&mut handler, first.conn, 1000).await;
            let message = handler.next().await;
            let (offset, bytes, done) = part(&message);
            assert_eq!(offset, whole.len() as u64);
            whole.extend_from_slice(bytes);
            if done {
                break;
            }
        }
        assert!(whole == body);
        handler.answer(&first, "ok").await;
        assert_eq!(client.reply().await.text(), "ok");
        client.shutdown().await;
        assert_eq!(handler.notice().await, first.conn);
    }
}

#[tokio::test]
async fn chunks_are_parts_and_the_end_is_one_of_its_own() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    client.send(format!("{CHUNKED}5\r\nhello\r\n6;x=1\r\n world\r\n0\r\nT: 1\r\n\r\n")).await;
    let first = handler.request().await;
    assert_eq!(part(&first), (0, &b""[..], false));
    grant(&mut handler, first.conn, 3).await;
    assert_eq!(part(&handler.next().await), (0, &b"hello"[..], false));
    // 3 - 5 + 3 is 1, and 1 - 6 + 5 is nothing.
    grant(&mut handler, first.conn, 3).await;
    assert_eq!(part(&handler.next().await), (5, &b" world"[..], false));
    grant(&mut handler, first.conn, 5).await;
    grant(&mut handler, first.conn, 1).await;
    assert_eq!(part(&handler.next().await), (11, &b""[..], true));
    handler.answer(&first, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
}

#[tokio::test]
async fn without_credits_nothing_is_read_and_tcp_holds_the_client_back() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    let conn = announce(&mut client, &mut handler, 1 << 30).await;
    // More than socket buffers take.
    let zeros = vec![0; 1 << 20];
    let blocked = tokio::time::timeout(std::time::Duration::from_secs(1), async {
        for _ in 0..256 {
            client.send(&zeros).await;
        }
    });
    assert!(blocked.await.is_err(), "256 MiB went somewhere");
    handler.expect_silence(&server, "/up").await;
    grant(&mut handler, conn, 1).await;
    assert_eq!(part(&handler.next().await).1.len(), 1000);
    handler.expect_silence(&server, "/up").await;
}

#[tokio::test]
async fn a_client_that_leaves_without_credits_is_noticed() {
    let (server, mut handler) = start(&site()).await;
    // Nothing unread; less than the server reads ahead; more than that.
    for unread in [0, 2000, 60_000] {
        for how in ["close", "reset", "half-close"] {
            let mut client = server.client().await;
            let conn = announce(&mut client, &mut handler, 500_000).await;
            client.send(body(unread)).await;
            match how {
                "close" => drop(client),
                "reset" => client.reset(),
                _ => client.shutdown().await,
            }
            assert_eq!(handler.notice().await, conn, "{how} behind {unread} bytes");
            until(|| server.server.registry().is_empty()).await;
        }
    }
}

#[tokio::test]
async fn a_handler_refuses_a_stream() {
    let (server, mut handler) = start(&site()).await;
    for how in ["empty", "answer and empty", "cancel", "answer"] {
        let mut client = server.client().await;
        let conn = announce(&mut client, &mut handler, 5000).await;
        let no = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
        match how {
            "empty" => handler.close(conn).await,
            "cancel" => control(&mut handler, conn, "6:cancel,4:true!").await,
            "answer" => handler.reply(conn, no).await,
            _ => {
                handler.reply(conn, no).await;
                handler.close(conn).await;
            }
        }
        if how == "answer" {
            // What is left of the body is thrown away, and the connection can be kept.
            assert_eq!(client.reply().await.status, 403);
            client.send(body(5000)).await;
            client.send("GET /up HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            let next = handler.request().await;
            assert_eq!(next.header("METHOD"), Some("GET"));
            handler.answer(&next, "next").await;
            assert_eq!(client.reply().await.text(), "next");
            continue;
        }
        let answer = if how.starts_with("answer") { no } else { "" };
        assert_eq!(client.rest().await, answer.as_bytes(), "{how}");
        handler.expect_silence(&server, "/up").await;
    }
}

#[tokio::test]
async fn whoever_waits_is_invited_by_the_first_credits() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    client
        .send("POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1500\r\nExpect: 100-continue\r\n\r\n")
        .await;
    let first = handler.request().await;
    assert!(!client.has_input().await);
    grant(&mut handler, first.conn, 5000).await;
    assert_eq!(client.until(b"\r\n\r\n").await, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body(1500)).await;
    assert_eq!(receive(&mut handler, first.conn, 1).await, body(1500));
    handler.answer(&first, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
}

#[tokio::test]
async fn a_handler_that_dies_ends_its_stream() {
    let (server, mut handler) = start(&site()).await;
    let mut client = server.client().await;
    announce(&mut client, &mut handler, 5000).await;
    drop(handler);
    assert_eq!(client.reply().await.status, 502);
    client.closed().await;
}

#[tokio::test]
async fn a_stream_stays_with_the_handler_that_has_its_beginning() {
    let (server, mut first) = start(&site()).await;
    let mut second = server.handler("main").await;
    server.until_peers(2).await;
    let bodies = [body(20_500), body(30_001)];
    let [mut one, mut two] = [server.client().await, server.client().await];
    let to_first = announce(&mut one, &mut first, bodies[0].len()).await;
    let to_second = announce(&mut two, &mut second, bodies[1].len()).await;
    one.send(&bodies[0]).await;
    two.send(&bodies[1]).await;
    let (ours, theirs) =
        tokio::join!(receive(&mut first, to_first, 1500), receive(&mut second, to_second, 1500));
    assert!(ours == bodies[0] && theirs == bodies[1]);
    // Who answers is their own business.
    second.reply(to_first, crate::harness::ok("one")).await;
    first.reply(to_second, crate::harness::ok("two")).await;
    assert_eq!((one.reply().await.text(), two.reply().await.text()), ("one", "two"));
}

#[tokio::test]
async fn a_stream_ends_with_its_handler_whoever_else_is_there() {
    let (server, mut first) = start(&site()).await;
    let mut second = server.handler("main").await;
    server.until_peers(2).await;
    let mut client = server.client().await;
    let conn = announce(&mut client, &mut first, 50_000).await;
    grant(&mut first, conn, 1_000_000).await;
    client.send(&body(50_000)[..20_000]).await;
    assert_eq!(part(&first.next().await).0, 0);
    drop(first);
    client.send(&body(50_000)[20_000..49_000]).await;
    assert_eq!(client.reply().await.status, 502);
    client.closed().await;
    assert_eq!(second.notice().await, conn, "no part of it came here");
    second.expect_silence(&server, "/up").await;
    let log = server.stop().await;
    assert_eq!((&*log[0].status, &*log[0].close), ("502", "answered:502"));
}

#[tokio::test]
async fn a_handler_that_reads_less_than_it_grants_holds_the_client_back() {
    let (server, mut handler) = start(&site().setting("limits.content_length", "20000")).await;
    let mut client = server.client().await;
    let length = 64 << 20;
    let conn = announce(&mut client, &mut handler, length).await;
    grant(&mut handler, conn, 1 << 40).await;
    let mut sent = 0;
    let blocked = tokio::time::timeout(std::time::Duration::from_secs(1), async {
        while sent < length {
            client.send(vec![b'x'; 1 << 16]).await;
            sent += 1 << 16;
        }
    });
    assert!(blocked.await.is_err(), "{sent} bytes went somewhere");
    let stats = server.server.live().handler(0).link().stats();
    assert!(stats.peers[0].queued < 100, "{stats:?}");
    // It goes on as soon as the handler does.
    let rest = async {
        while sent < length {
            let more = (length - sent).min(1 << 16);
            client.try_send(vec![b'x'; more]).await;
            sent += more;
        }
    };
    let reading = async {
        let mut received = 0;
        loop {
            let message = handler.next().await;
            let (offset, bytes, done) = part(&message);
            assert_eq!(offset, received);
            received += bytes.len() as u64;
            if done {
                return received;
            }
        }
    };
    let (received, ()) = tokio::join!(reading, rest);
    assert_eq!(received, length as u64);
}

#[tokio::test]
async fn a_handler_that_says_nothing_in_time_ends_its_stream() {
    let (server, mut handler) = start(&site().setting("handler.timeout", "0.2")).await;
    let mut client = server.client().await;
    let conn = announce(&mut client, &mut handler, 5000).await;
    assert_eq!(client.reply().await.status, 504);
    assert_eq!(handler.notice().await, conn);
}

#[tokio::test]
async fn no_stream_is_longer_than_upload_size() {
    let (server, mut handler) = start(&site().setting("limits.upload_size", "5000")).await;
    let (mut client, first) = uploads::too_large(&server, &mut handler).await;
    grant(&mut handler, first.conn, 100_000).await;
    client.send(body(5001)).await;
    assert_eq!(client.reply().await.status, 413);
    while !handler.next().await.is_disconnect {}
}

/// Its host has lost power, behind more bytes than we read ahead: nothing more will ever come.
#[tokio::test]
async fn a_client_that_says_nothing_more_is_given_up() {
    let strict = site()
        .setting("limits.tick_timer", "0.1")
        .setting("limits.min_ping", "0.3")
        .setting("limits.kill_limit", "0")
        .setting("limits.min_read_rate", "0")
        .setting("limits.min_write_rate", "0");
    // By the signs of life, by what its handler promised, and once it could send.
    for (site, credits) in [
        (strict, 0),
        (site().setting("handler.timeout", "0.3"), 0),
        (site().setting("timeout.body", "0.3"), 500_000),
    ] {
        let (server, mut handler) = start(&site).await;
        let mut client = server.client().await;
        let conn = announce(&mut client, &mut handler, 500_000).await;
        client.send(body(60_000)).await;
        if credits > 0 {
            grant(&mut handler, conn, credits).await;
        }
        while !handler.next().await.is_disconnect {}
        until(|| server.server.registry().is_empty()).await;
    }
}

#[tokio::test]
async fn a_granted_body_that_stops_coming_is_408() {
    let (server, mut handler) = start(&site().setting("timeout.body", "0.3")).await;
    let mut client = server.client().await;
    let conn = announce(&mut client, &mut handler, 5000).await;
    grant(&mut handler, conn, 5000).await;
    client.send(body(1000)).await;
    assert_eq!(part(&handler.next().await).1.len(), 1000);
    assert_eq!(client.reply().await.status, 408);
    client.closed().await;
    assert_eq!(handler.notice().await, conn);
}
