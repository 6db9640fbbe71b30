//! Connections to the back end: kept, lost, refused, late.

use super::support::{Bench, Wire, bench, bench_under, field, serve, status, text, within};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{interval, timeout};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const EMPTY_POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const SOON: Duration = Duration::from_millis(150);

/// One whole exchange; leaves both connections idle.
async fn exchange(client: &mut Wire, backend: &mut Wire, request: &str) {
    client.send(request).await;
    backend.message(false).await;
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
}

/// A client and a back end with one exchange behind them.
async fn acquainted(bench: &Bench) -> (Wire, Wire) {
    let mut client = bench.client().await;
    client.send(GET).await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
    (client, backend)
}

#[tokio::test]
async fn clients_share_an_idle_connection() {
    let bench = bench().await;
    let (mut client, mut backend) = acquainted(&bench).await;
    let requests = async {
        let mut other = bench.client().await;
        for request in [GET, POST, EMPTY_POST, GET] {
            exchange(&mut client, &mut backend, request).await;
            exchange(&mut other, &mut backend, request).await;
        }
        for (request, head_only, response) in [
            (
                "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
                true,
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            ),
            (GET, false, "HTTP/1.1 204 No Content\r\n\r\n"),
            (GET, false, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
            (
                GET,
                false,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            ),
            (GET, false, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ] {
            client.send(request).await;
            backend.head().await;
            backend.send(response).await;
            client.message(head_only).await;
        }
        exchange(&mut client, &mut backend, GET).await;
    };
    bench.opens_none_before(requests).await;
}

#[tokio::test]
async fn pipelined_requests_are_passed_on_one_at_a_time() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send(format!("{POST}{GET}{POST}")).await;
    let mut backend = bench.accepted().await;
    for expected in ["POST", "GET", "POST"] {
        let request = backend.message(false).await;
        assert!(request.head.starts_with(expected), "{}", request.head);
        assert_eq!(request.body, if expected == "POST" { &b"hi"[..] } else { b"" });
        backend.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{expected:<4}")).await;
    }
    for expected in ["POST", "GET ", "POST"] {
        assert_eq!(text(&client.message(false).await.body), expected);
    }
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_not_used() {
    let bench = bench().await;
    for request in [GET, POST, EMPTY_POST] {
        let (mut client, backend) = acquainted(&bench).await;
        backend.close();
        client.send(request).await;
        let mut backend = bench.accepted().await;
        backend.message(false).await;
        backend.send(OK).await;
        assert_eq!(client.message(false).await.body, b"ok", "{request}");
        backend.close();
    }
}

#[tokio::test]
async fn an_idempotent_request_is_sent_again_once_when_its_old_connection_is_lost() {
    let bench = bench().await;
    for reset in [false, true] {
        let (mut client, mut backend) = acquainted(&bench).await;
        client.send(GET).await;
        backend.head().await;
        if reset {
            backend.reset()
        } else {
            backend.close()
        }
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.send(OK).await;
        assert_eq!(client.message(false).await.body, b"ok");
        // The second connection is lost too: that is the end of it.
        client.send(GET).await;
        backend.head().await;
        backend.close();
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.close();
        let answer = bench.opens_none_before(client.message(false)).await;
        assert_eq!(status(&answer.head), 502);
        assert_eq!(field(&answer.head, "connection"), None);
    }
}

#[tokio::test]
async fn what_may_have_been_acted_on_is_not_sent_again() {
    let bench = bench().await;
    const PUT: &str = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    const PATCH: &str = "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n";
    for request in [POST, EMPTY_POST, PATCH, PUT] {
        let (mut client, mut backend) = acquainted(&bench).await;
        client.send(request).await;
        backend.message(false).await;
        backend.close();
        let answer = bench.opens_none_before(client.message(false)).await;
        assert_eq!(status(&answer.head), 502, "{request}");
    }
    // Neither is anything on a connection of its own.
    let mut client = bench.client().await;
    client.send(GET).await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.close();
    let answer = bench.opens_none_before(client.message(false)).await;
    assert_eq!(status(&answer.head), 502);
}

#[tokio::test]
async fn a_back_end_that_closes_does_not_close_the_client() {
    let bench = bench().await;
    let mut client = bench.client().await;
    for _ in 0..3 {
        client.send(GET).await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        backend.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        let answer = client.message(false).await;
        assert_eq!(answer.body, b"ok");
        assert_eq!(field(&answer.head, "connection"), None);
        backend.rest().await;
    }
}

#[tokio::test]
async fn a_connection_with_stray_bytes_is_not_used_again() {
    let stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
    let bench = bench().await;
    for at_once in [true, false] {
        let mut client = bench.client().await;
        client.send(GET).await;
        let mut backend = bench.accepted().await;
        backend.head().await;
        if at_once {
            backend.send(format!("{OK}{stray}")).await;
        } else {
            backend.send(OK).await;
        }
        assert_eq!(client.message(false).await.body, b"ok");
        if !at_once {
            backend.send(stray).await;
        }
        client.send(GET).await;
        let mut fresh = bench.accepted().await;
        fresh.head().await;
        fresh.send(OK).await;
        assert_eq!(client.message(false).await.body, b"ok");
        fresh.close();
    }
}

#[tokio::test]
async fn a_back_end_that_is_not_there_is_502_and_the_client_stays() {
    let bench = bench().await;
    let port = bench.backend_port();
    let mut client = bench.client().await;
    drop(bench);
    client.send(GET).await;
    let answer = client.message(false).await;
    assert_eq!(status(&answer.head), 502);
    assert!(!text(&answer.body).contains("127.0.0.1"), "{}", text(&answer.body));
    let backend = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    client.send(GET).await;
    within(backend.accept()).await.unwrap();
    assert_eq!(status(&client.head().await), 502);

    let server = serve("no-such-host.invalid", 80, site::Limits::default()).await;
    let mut client = Wire::to(server).await;
    client.send(GET).await;
    let answer = client.message(false).await;
    assert_eq!(status(&answer.head), 502);
    assert!(!text(&answer.body).contains("no-such-host"), "{}", text(&answer.body));
}

#[tokio::test]
async fn a_name_is_looked_up_and_all_its_addresses_are_tried() {
    // `localhost` may have an IPv6 address too, where nobody listens.
    let bench = bench().await;
    let mut client =
        Wire::to(serve("localhost", bench.backend_port(), site::Limits::default()).await).await;
    client.send("GET / HTTP/1.0\r\n\r\n").await;
    let mut backend = bench.accepted().await;
    let expected = format!("localhost:{}", bench.backend_port());
    assert_eq!(field(&backend.head().await, "host"), Some(expected.as_str()));
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
}

#[tokio::test]
async fn a_back_end_that_does_not_accept_is_502_after_the_deadline() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let backend = socket.listen(0).unwrap();
    let address = backend.local_addr().unwrap();
    // Until the kernel takes no more.
    let mut held = Vec::new();
    while let Ok(stream) = timeout(SOON, TcpStream::connect(address)).await {
        held.push(stream.unwrap());
    }
    let limits = site::Limits { proxy_connect_deadline: SOON, ..site::Limits::default() };
    let mut client = Wire::to(serve("127.0.0.1", address.port(), limits).await).await;
    client.send(GET).await;
    assert_eq!(status(&client.head().await), 502);
}

fn impatient() -> site::Limits {
    site::Limits { proxy_response_deadline: SOON, ..site::Limits::default() }
}

#[tokio::test]
async fn a_back_end_that_does_not_answer_is_504() {
    let bench = bench_under(impatient()).await;
    for request in [GET, POST] {
        let mut client = bench.client().await;
        client.send(request).await;
        let mut backend = bench.accepted().await;
        let answer = client.message(false).await;
        assert_eq!(status(&answer.head), 504);
        assert_eq!(field(&answer.head, "connection"), None);
        backend.rest().await;
    }
    // The deadline begins anew with each request on a connection.
    let (mut client, mut backend) = acquainted(&bench).await;
    for _ in 0..4 {
        exchange(&mut client, &mut backend, GET).await;
    }
    client.send(GET).await;
    assert_eq!(status(&client.head().await), 504);
}

#[tokio::test]
async fn a_back_end_that_stops_within_a_response_ends_it() {
    let bench = bench_under(impatient()).await;
    let mut client = bench.client().await;
    client.send(GET).await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    assert_eq!(status(&client.head().await), 200);
    assert_eq!(client.rest().await, b"hello");
}

#[tokio::test]
async fn a_back_end_that_does_not_take_the_request_is_504() {
    let bench = bench_under(impatient()).await;
    let mut client = bench.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").await;
    let _backend = bench.accepted().await;
    within(client.flood(&[b'x'; 1 << 16], SOON / 3)).await;
    assert_eq!(status(&client.head().await), 504);
}

#[tokio::test]
async fn the_clients_own_pauses_are_not_the_back_ends() {
    let bench = bench_under(impatient()).await;
    let mut client = bench.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh").await;
    let mut backend = bench.accepted().await;
    backend.head().await;
    let quiet = timeout(3 * SOON, client.head()).await;
    assert!(quiet.is_err(), "answered {quiet:?}");
    client.send("i").await;
    assert_eq!(backend.bytes(2).await, b"hi");
    backend.send(OK).await;
    assert_eq!(client.message(false).await.body, b"ok");
}

#[tokio::test]
async fn a_client_that_ends_its_side_while_it_waits_is_answered() {
    let mut bench = bench().await;
    for request in [GET, POST, EMPTY_POST] {
        let mut client = bench.client().await;
        client.send(format!("{request}{GET}")).await;
        client.finish().await;
        let mut backend = bench.accepted().await;
        backend.message(false).await;
        assert_eq!(backend.silence(SOON).await, "", "{request}");
        backend.send(OK).await;
        assert_eq!(client.message(false).await.body, b"ok", "{request}");
        backend.head().await;
        backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        client.head().await;
        assert_eq!(client.chunk().await, b"x");
        backend.send("1\r\ny\r\n0\r\n\r\n").await;
        assert_eq!(text(&client.rest().await), "1\r\ny\r\n0\r\n\r\n", "{request}");
        assert_eq!(bench.outcome().await, (200, None), "{request}");
        assert_eq!(bench.outcome().await, (200, None), "{request}");
        backend.close();
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_with_it() {
    let bench = bench().await;
    for request in [GET, POST] {
        let mut client = bench.client().await;
        client.send(request).await;
        let mut backend = bench.accepted().await;
        backend.message(false).await;
        client.reset();
        assert_eq!(backend.rest().await, b"");
        // The same while the back end has begun to answer and is silent.
        let mut client = bench.client().await;
        client.send(request).await;
        let mut backend = bench.accepted().await;
        backend.message(false).await;
        backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
        client.head().await;
        assert_eq!(client.chunk().await, b"x");
        client.reset();
        assert_eq!(backend.rest().await, b"");
    }
}

#[tokio::test]
async fn a_client_that_has_closed_is_found_out_when_it_is_sent_something() {
    let bench = bench().await;
    let mut client = bench.client().await;
    client.send(GET).await;
    let mut backend = bench.accepted().await;
    backend.message(false).await;
    client.close();
    backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let mut pieces = interval(SOON / 10);
    within(async {
        while backend.try_send("1\r\nx\r\n").await {
            pieces.tick().await;
        }
    })
    .await;
}
