//! Interim responses: passed on, withheld where they are not wanted, bounded; and Expect, whose answer is one.

use super::support::{Wire, bench, bench_under, field, serve, status, text, within};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const WAITING: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
const MOMENT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn they_reach_a_client_that_knows_them() {
    let bench = bench().await;
    const HINTS: &str =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n";
    const PASSED: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    // At once, and together with the response.
    for at_once in [true, false] {
        let mut client = bench.client().await;
        client.send(GET).await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        if at_once {
            backend.send(HINTS).await;
            assert_eq!(client.head().await, PASSED);
            backend.send("HTTP/1.1 102 Processing\r\n\r\n").await;
            assert_eq!(client.head().await, "HTTP/1.1 102 Processing\r\n\r\n");
            backend.send(OK).await;
        } else {
            backend.send(format!("{HINTS}{HINTS}{OK}")).await;
            assert_eq!(client.head().await, PASSED);
            assert_eq!(client.head().await, PASSED);
        }
        let answer = client.message(false).await;
        assert_eq!((status(&answer.head), &answer.body[..]), (200, &b"ok"[..]));
        backend.close();
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_and_one_that_did_not_ask_get_none() {
    let bench = bench().await;
    for (request, interim) in [
        ("GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        (GET, "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let mut client = bench.client().await;
        client.send(request).await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.send(format!("{interim}{OK}")).await;
        assert_eq!(status(&client.head().await), 200, "{request}");
        backend.close();
    }
}

#[tokio::test]
async fn without_end_they_are_502_and_others_are_served() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send(GET).await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.send_aside("HTTP/1.1 102 P\r\n\r\n".repeat(1 << 20).into_bytes());
    // None is cut short, and the answer is whole.
    let mut count = 0;
    let answer = loop {
        let head = client.head().await;
        if status(&head) != 102 {
            break head;
        }
        count += 1;
    };
    assert_eq!(status(&answer), 502);
    assert!(count < 10_000, "{count} were passed on");
}

#[tokio::test]
async fn they_do_not_put_the_deadline_off() {
    let limits = site::Limits { proxy_response_deadline: 5 * MOMENT, ..site::Limits::default() };
    let bench = bench_under(limits).await;
    let mut client = bench.client().await;
    client.send(GET).await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    let answer = async {
        loop {
            let head = client.head().await;
            if status(&head) != 102 {
                break head;
            }
        }
    };
    let mut answer = std::pin::pin!(answer);
    let answer = within(async {
        loop {
            backend.send("HTTP/1.1 102 Processing\r\n\r\n").await;
            if let Ok(answer) = timeout(MOMENT, &mut answer).await {
                break answer;
            }
        }
    });
    assert_eq!(status(&answer.await), 504);
}

#[tokio::test]
async fn a_client_that_waits_with_its_body_is_invited_by_the_back_end() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send(WAITING).await;
    let mut backend = bench.accepted().await;
    assert_eq!(field(&backend.head().await, "expect"), Some("100-continue"));
    let quiet = timeout(MOMENT, client.head()).await;
    assert!(quiet.is_err(), "invited by us: {quiet:?}");
    backend.send("HTTP/1.1 100 Continue\r\nX: y\r\n\r\n".repeat(2)).await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hi").await;
    assert_eq!(backend.bytes(2).await, b"hi");
    backend.send(OK).await;
    let answer = client.message(false).await;
    assert_eq!((status(&answer.head), field(&answer.head, "connection")), (200, None));
    // Both connections go on.
    client.send(GET).await;
    backend.head().await;
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
}

#[tokio::test]
async fn a_client_that_is_not_invited_is_told_that_nobody_will_ask() {
    let bench = bench().await;
    for (answer, body) in [
        ("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno", "no"),
        ("HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n", ""),
    ] {
        let mut client = bench.client().await;
        client.send(WAITING).await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.send(answer).await;
        let head = client.head().await;
        assert_eq!((status(&head), field(&head, "connection")), (401, Some("close")));
        if body.is_empty() {
            backend.send("0\r\n\r\n").await;
            assert_eq!(text(&client.rest().await), "0\r\n\r\n");
        } else {
            assert_eq!(text(&client.rest().await), body);
        }
        // Of the request, only a part was sent: its connection carries no other.
        assert_eq!(backend.rest().await, b"");
    }
}

#[tokio::test]
async fn a_client_that_sends_its_body_uninvited_is_served() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send(format!("{WAITING}hi")).await;
    let mut backend = bench.accepted().await;
    assert_eq!(backend.message(false).await.body, b"hi");
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
}

#[tokio::test]
async fn a_client_that_waits_hears_at_once_that_there_is_no_back_end() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut client = Wire::to(serve("127.0.0.1", unused, site::Limits::default()).await).await;
    client.send(WAITING).await;
    assert_eq!(status(&client.head().await), 502);
}
