//! Bodies: both ways, at once, broken off, and held back.

use super::support::{Bench, Wire, bench, bench_under, field, serve, status, text, within};
use http1::{CloseReason, Limit};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Sends `request` and returns what the back end gets as the body, and its head.
async fn upload(bench: &Bench, request: &[u8]) -> (String, Vec<u8>) {
    let mut client = bench.client().await;
    client.send(request).await;
    let mut backend = bench.accepted().await;
    let message = backend.message(false).await;
    backend.send(OK).await;
    backend.close();
    assert_eq!(client.message(false).await.body, b"ok");
    (message.head, message.body)
}

#[tokio::test]
async fn a_request_body_keeps_its_framing() {
    let bench = bench().await;
    for method in ["POST", "PUT", "GET", "DELETE"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        let (head, body) = upload(&bench, request.as_bytes()).await;
        assert_eq!(field(&head, "content-length"), Some("5"), "{head}");
        assert_eq!(field(&head, "transfer-encoding"), None, "{head}");
        assert_eq!(body, b"hello");
        let request = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n"
        );
        let (head, body) = upload(&bench, request.as_bytes()).await;
        assert_eq!(field(&head, "transfer-encoding"), Some("chunked"), "{head}");
        assert_eq!(field(&head, "content-length"), None, "{head}");
        assert_eq!(body, b"hello");
    }
}

#[tokio::test]
async fn an_empty_chunked_body_is_a_body() {
    let bench = bench().await;
    let request = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let (head, body) = upload(&bench, request).await;
    assert_eq!(field(&head, "transfer-encoding"), Some("chunked"));
    assert!(body.is_empty());
}

#[tokio::test]
async fn pieces_flow_as_they_come_in_both_directions() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert_eq!(status(&client.head().await), 200);
    for round in 0..5 {
        let word = format!("word{round}");
        let chunk = format!("5\r\n{word}\r\n");
        client.send(&chunk).await;
        assert_eq!(backend.chunk().await, word.as_bytes());
        backend.send(&chunk).await;
        assert_eq!(client.chunk().await, word.as_bytes());
    }
    client.send("0\r\n\r\n").await;
    assert!(backend.chunk().await.is_empty());
    backend.send("0\r\n\r\n").await;
    assert!(client.chunk().await.is_empty());
    // Both connections can be used again.
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    backend.head().await;
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
}

#[tokio::test]
async fn a_response_that_comes_byte_by_byte_is_read_all_the_same() {
    let bench = bench().await;
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n\
         0\r\nX-Trailer: 1\r\n\r\n",
    ] {
        let mut client = bench.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        let answer = tokio::join!(client.message(false), async {
            for byte in response.bytes() {
                backend.send([byte]).await;
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(answer.0.body, b"hello", "{response}");
        backend.close();
    }
}

#[tokio::test]
async fn content_that_only_the_end_of_the_stream_delimits_ends_in_a_reset_if_it_is_cut_short() {
    let bench = bench().await;
    for (rest, is_cut) in [("2\r\nlo\r\n", true), ("2\r\nlo\r\n0\r\n\r\n", false)] {
        let mut client = bench.client().await;
        client.send("GET / HTTP/1.0\r\n\r\n").await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n").await;
        client.head().await;
        assert_eq!(client.bytes(3).await, b"hel");
        backend.send(rest).await;
        assert_eq!(client.bytes(2).await, b"lo");
        backend.close();
        assert_eq!(client.is_reset().await, is_cut);
    }
}

/// A back end that sends back what it gets, as it gets it; a body of known length.
async fn echo(backend: TcpListener) {
    let (stream, _) = backend.accept().await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(read.read_u8().await.unwrap());
    }
    let head = text(&head);
    let lengths = ["content-length", "transfer-encoding"];
    let framing = lengths.map(|name| field(&head, name).map(|value| format!("{name}: {value}")));
    let framing = framing.into_iter().flatten().next().unwrap();
    write.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes()).await.unwrap();
    // Chunks go back as they are.
    tokio::io::copy(&mut read, &mut write).await.unwrap();
}

#[tokio::test]
async fn megabytes_flow_both_ways_at_once() {
    const MEGABYTES: usize = 16;
    for is_chunked in [false, true] {
        let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = backend.local_addr().unwrap().port();
        tokio::spawn(echo(backend));
        let server = serve("127.0.0.1", port, site::Limits::default()).await;
        let mut client = Wire::to(server).await;
        let megabyte: Vec<u8> = (0..1 << 20).map(|at: u32| (at / 7) as u8).collect();
        let mut request = if is_chunked {
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()
        } else {
            let length = MEGABYTES << 20;
            format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into()
        };
        for _ in 0..MEGABYTES {
            if is_chunked {
                request.extend(b"100000\r\n");
                request.extend(&megabyte);
                request.extend(b"\r\n");
            } else {
                request.extend(&megabyte);
            }
        }
        if is_chunked {
            request.extend(b"0\r\n\r\n");
        }
        client.send_aside(request);
        let answer = client.message(false).await;
        assert_eq!(status(&answer.head), 200);
        assert_eq!(answer.body.len(), MEGABYTES << 20, "chunked: {is_chunked}");
        assert!(answer.body.chunks(1 << 20).all(|chunk| chunk == megabyte));
    }
}

#[tokio::test]
async fn a_request_that_breaks_off_is_never_whole_for_the_back_end() {
    let bench = bench().await;
    for (framing, sent, expected) in [
        ("Content-Length: 10", "hello", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n"),
        // Not a chunk: refused, and the client hears it.
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0x0\r\n\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\n\n", "5\r\nhello\r\n"),
    ] {
        let mut client = bench.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n")).await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        client.send(sent).await;
        client.finish().await;
        assert_eq!(text(&backend.rest().await), expected, "{framing}: {sent}");
        let answer = text(&client.rest().await);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{framing}: {sent}: {answer}");
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_never_whole_for_the_client() {
    let bench = bench().await;
    for (framing, sent, expected) in [
        ("Content-Length: 10", "hello", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\nzz\r\n", "5\r\nhello\r\n"),
    ] {
        let mut client = bench.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await;
        assert_eq!(status(&client.head().await), 200);
        backend.send(sent).await;
        backend.finish().await;
        assert_eq!(text(&client.rest().await), expected, "{framing}: {sent}");
    }
}

#[tokio::test]
async fn a_body_over_the_upload_limit_is_refused() {
    let limits = site::Limits { upload_size_max: Some(10), ..Default::default() };
    let mut bench = bench_under(limits).await;
    let outcome = (413, Some(CloseReason::Limit(Limit::BodyBytes)));
    for rest in ["\r\n", "Expect: 100-continue\r\n\r\n", "\r\nhello world"] {
        let mut client = bench.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n{rest}")).await;
        let answer = bench.opens_none_before(client.message(false)).await;
        assert_eq!(status(&answer.head), 413);
        client.close();
        assert_eq!(bench.outcome().await, outcome);
    }
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for is_answered in [false, true] {
        let mut client = bench.client().await;
        client.send(chunked).await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        assert_eq!(backend.chunk().await, b"hello");
        if is_answered {
            backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            client.head().await;
        }
        client.send("6\r\n world\r\n0\r\n\r\n").await;
        assert_eq!(text(&backend.rest().await), "", "nothing that could pass for an end");
        let answer = text(&client.rest().await);
        assert_eq!(answer.starts_with("HTTP/1.1 413 "), !is_answered, "{answer}");
        assert_eq!(answer.is_empty(), is_answered, "{answer}");
        let status = if is_answered { 200 } else { 413 };
        assert_eq!(bench.outcome().await, (status, outcome.1));
    }
    for framed in [
        "Content-Length: 10\r\n\r\n0123456789",
        "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{framed}");
        assert_eq!(upload(&bench, request.as_bytes()).await.1, b"0123456789");
    }
}

#[tokio::test]
async fn an_early_answer_reaches_the_client() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello").await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nlong").await;
    let answer = client.message(false).await;
    assert_eq!((status(&answer.head), answer.body.as_slice()), (413, &b"long"[..]));
    // The rest of the request has nowhere to go.
    backend.rest().await;
    client.rest().await;
}

const MOMENT: Duration = Duration::from_millis(200);
/// Far more than sockets hold, far less than would be sent in a moment.
const HELD_BYTES_MAX: usize = 24 << 20;

#[tokio::test]
async fn a_back_end_that_does_not_read_stops_the_client() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").await;
    let _backend = bench.accepted().await;
    let taken = within(client.flood(&[b'x'; 1 << 16], MOMENT)).await;
    assert!(taken < HELD_BYTES_MAX, "{taken} bytes went somewhere");
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_back_end() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await;
    let taken = within(backend.flood(&[b'x'; 1 << 16], MOMENT)).await;
    assert!(taken < HELD_BYTES_MAX, "{taken} bytes went somewhere");
}
