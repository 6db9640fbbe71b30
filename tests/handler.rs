//! Handlers over ZeroMQ: what reaches them, what of theirs reaches clients, and what they are told.

use crate::harness::{
    Client, Handler, HandlerSpec, Running, SiteBuilder, asked, free_ports, ok, within,
};
use std::time::{Duration, Instant};

async fn start() -> (Running, Handler) {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let handler = server.handler("main").await;
    (server, handler)
}

#[tokio::test]
async fn a_request_arrives_with_all_its_parts() {
    let (server, mut handler) = start().await;
    let mut client = server.client().await;
    client
        .send(
            b"POST /h/x%20y?a=1&b HTTP/1.1\r\nHost: LOCALHOST:99\r\nX-One: 1\r\nx-one: two\r\n\
             X-Forwarded-For: 9.9.9.9\r\nContent-Length: 7\r\n\r\nbo\0dy\xC3\xA9",
        )
        .await;
    let request = handler.request().await;
    assert_eq!(request.sender, crate::harness::UUID.as_bytes());
    assert_eq!(request.path, "/h/x%20y");
    assert_eq!(request.body, b"bo\0dy\xC3\xA9");
    for (name, value) in [
        ("PATH", "/h/x%20y"),
        ("METHOD", "POST"),
        ("VERSION", "HTTP/1.1"),
        ("URI", "/h/x%20y?a=1&b"),
        ("QUERY", "a=1&b"),
        ("PATTERN", "/h"),
        ("URL_SCHEME", "http"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("x-forwarded-for", "127.0.0.1"),
        ("host", "LOCALHOST:99"),
        ("content-length", "7"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert_eq!(request.headers["x-one"], [b"1".to_vec(), b"two".to_vec()]);
    handler.answer(&request, "done").await;
    assert_eq!(client.reply().await.text(), "done");
}

/// Each reply arrives as it was sent, and the connection then serves another request.
#[tokio::test]
async fn framings_that_end_by_themselves_keep_the_connection() {
    let (server, mut handler) = start().await;
    let mut client = server.client().await;
    for (what, method, messages, body) in [
        ("one message", "GET", &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"][..], "hello"),
        (
            "three messages",
            "GET",
            &["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "hello", "world"],
            "helloworld",
        ),
        (
            "a head in two messages",
            "GET",
            &["HTTP/1.1 200 OK\r\nConte", "nt-Length: 2\r\n\r", "\nhi"],
            "hi",
        ),
        (
            "chunks",
            "GET",
            &[
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "3\r\nabc\r\n",
                "2;x=y\r\nde\r\n0\r\n\r\n",
            ],
            "abcde",
        ),
        (
            "chunks cut anywhere",
            "GET",
            &[
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3",
                "\r\nab",
                "c\r\n0\r\n",
                "\r\n",
            ],
            "abc",
        ),
        ("no content", "GET", &["HTTP/1.1 204 No Content\r\n\r\n"], ""),
        ("not modified", "GET", &["HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"], ""),
        ("head", "HEAD", &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"], ""),
        ("empty", "GET", &["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], ""),
        ("LF only", "GET", &["HTTP/1.1 200 OK\nContent-Length: 2\n\r\nhi"], "hi"),
    ] {
        client.send(format!("{method} /h HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let request = handler.request().await;
        for message in messages {
            handler.reply(request.conn, message).await;
        }
        let sent = messages.concat();
        assert_eq!(client.exactly(sent.len()).await, sent.as_bytes(), "{what}: {body}");
    }
    drop(client);
    handler.notice().await;
    let log = server.stop().await;
    assert_eq!(log.len(), 10);
    for line in log {
        assert_eq!((line.close.as_str(), line.target.as_str()), ("-", "handler"), "{line:?}");
    }
}

#[tokio::test]
async fn interim_responses_go_before_the_final_one() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
    assert!(client.until(b"\r\n\r\n").await.starts_with(b"HTTP/1.1 103 "));
    handler.answer(&request, "later").await;
    assert_eq!(client.reply().await.text(), "later");
}

#[tokio::test]
async fn a_handler_that_dies_after_an_interim_response_is_502_or_asked_of_another() {
    let (server, mut handler) = start().await;
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let mut clients = Vec::new();
    for (method, said, received) in [
        ("GET", [interim, ""], interim),
        ("POST", [interim, ""], interim),
        // A piece of a head can't be taken back.
        ("PUT", [interim, "HTTP/1.1 20"], "HTTP/1.1 20"),
    ] {
        let mut client = server.client().await;
        client
            .send(format!("{method} /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"))
            .await;
        let request = handler.request().await;
        for said in said.iter().filter(|said| !said.is_empty()) {
            handler.reply(request.conn, said).await;
        }
        client.until(received.as_bytes()).await;
        clients.push(client);
    }
    drop(handler);
    let [get, post, put] = &mut clients[..] else { panic!("three clients") };
    assert_eq!(post.reply().await.status, 502);
    post.closed().await;
    put.closed().await;
    let mut other = server.handler("main").await;
    let again = other.request().await;
    assert_eq!(again.header("METHOD"), Some("GET"));
    other.answer(&again, "by another").await;
    assert_eq!(get.reply().await.text(), "by another");
    let log = server.stop().await;
    let closes: Vec<_> =
        log.iter().map(|line| (&*line.method, &*line.status, &*line.close)).collect();
    assert!(closes.contains(&("PUT", "0", "handler_lost")), "{closes:?}");
}

#[tokio::test]
async fn a_response_that_the_close_ends_is_whole_and_closes() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "HTTP/1.0 200 OK\r\n\r\npart one, ").await;
    handler.reply(request.conn, "part two").await;
    handler.close(request.conn).await;
    assert_eq!(client.rest().await, b"HTTP/1.0 200 OK\r\n\r\npart one, part two");
    handler.expect_silence(&server, "/h").await;
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/h", "200", "handler_closed"));
    assert_eq!(log[0].sent, "18");
}

#[tokio::test]
async fn one_reply_serves_many_connections() {
    let (server, mut handler) = start().await;
    let (mut clients, mut conns) = (Vec::new(), Vec::new());
    for _ in 0..128 {
        let (client, request) = asked(&server, &mut handler, "/h").await;
        clients.push(client);
        conns.push(request.conn);
    }
    handler.reply_to_many(&conns, ok("for all")).await;
    for client in &mut clients {
        assert_eq!(client.reply().await.text(), "for all");
    }
    // One more than limits.handler_targets: dropped whole.
    conns.push(conns[0]);
    handler.reply_to_many(&conns, ok("for none")).await;
    handler.expect_silence(&server, "/h").await;
    handler.reply_to_many(&conns[..2], "\0raw").await;
    for client in &mut clients[..2] {
        assert_eq!(client.exactly(4).await, b"\0raw");
    }
    handler.reply_to_many(&conns[..128], "").await;
    for client in &mut clients {
        client.closed().await;
    }
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn the_empty_reply_closes_after_what_was_sent_before() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let body = vec![b'x'; 900_000];
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    handler.reply(request.conn, [head.as_bytes(), &body].concat()).await;
    handler.close(request.conn).await;
    let reply = client.reply().await;
    assert!(reply.body == body, "{} bytes came", reply.body.len());
    client.closed().await;
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn a_notice_tells_once_that_a_client_has_left() {
    let (server, mut handler) = start().await;
    let with_open_request = [true, false];
    for open in with_open_request {
        for how in ["close", "reset", "half-close", "bad request"] {
            let (mut client, request) = asked(&server, &mut handler, "/h").await;
            if !open {
                handler.answer(&request, "answered").await;
                client.reply().await;
            }
            match how {
                "close" => drop(client),
                "reset" => client.reset(),
                "half-close" => {
                    client.shutdown().await;
                    client.closed().await;
                }
                _ => {
                    client.send("nonsense\r\n\r\n").await;
                    if open {
                        // It is not looked at before the request ahead of it is answered.
                        handler.answer(&request, "answered").await;
                        client.reply().await;
                    }
                    assert_eq!(client.reply().await.status, 400);
                    client.closed().await;
                }
            }
            assert_eq!(handler.notice().await, request.conn, "{how}, request open: {open}");
            // Whoever writes to it now is not told again.
            handler.reply(request.conn, "late").await;
            handler.expect_silence(&server, "/h").await;
        }
    }
}

#[tokio::test]
async fn no_notice_follows_the_handlers_own_close() {
    let (server, mut handler) = start().await;
    for idle in [false, true] {
        let (mut client, request) = asked(&server, &mut handler, "/h").await;
        if idle {
            handler.answer(&request, "answered").await;
            client.reply().await;
        }
        handler.close(request.conn).await;
        client.closed().await;
        handler.expect_silence(&server, "/h").await;
        // Only who goes on writing to it hears that it is gone.
        handler.reply(request.conn, "late").await;
        assert_eq!(handler.notice().await, request.conn);
        handler.reply(request.conn, "later").await;
        handler.expect_silence(&server, "/h").await;
    }
}

#[tokio::test]
async fn an_unknown_id_brings_one_notice() {
    let (server, mut handler) = start().await;
    handler.expect_silence(&server, "/h").await;
    for _ in 0..3 {
        handler.reply(u64::MAX, ok("to nobody")).await;
        handler.reply(4_000_000, "").await;
    }
    assert_eq!(handler.notice().await, u64::MAX);
    assert_eq!(handler.notice().await, 4_000_000);
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn a_client_that_never_asked_a_handler_can_not_be_written_to() {
    let site = SiteBuilder::new().handler("/h", "main");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let mut stranger = server.client().await;
    assert_eq!(stranger.get("/nothing").await.status, 404);
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    for conn in 1..=request.conn {
        handler.reply(conn, ok("x")).await;
    }
    assert_eq!(client.reply().await.text(), "x");
    for _ in 1..request.conn {
        assert_ne!(handler.notice().await, request.conn);
    }
    stranger.send("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(stranger.reply().await.status, 404, "nothing else came before");
}

#[tokio::test]
async fn malformed_replies_harm_nothing() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let id = request.conn;
    let length = id.to_string().len();
    let cases: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        b"hello world".to_vec(),
        b"\xff\xfe\0".to_vec(),
        format!("uuid {}:{id}, bad length", length + 7).into(),
        format!("uuid {length}:{id} no comma").into(),
        format!("uuid {length}:{id},no blank").into(),
        format!("uuid {length}:{id}").into(),
        format!("u_id {length}:{id}, bad sender").into(),
        format!(" {length}:{id}, no sender").into(),
        b"uuid 3:abc, x".to_vec(),
        b"uuid 2:-1, x".to_vec(),
        b"uuid 0:, x".to_vec(),
        b"uuid 99999999999999999999:1, x".to_vec(),
        b"uuid 20:99999999999999999999, x".to_vec(),
        format!("uuid {}:{id} {id}, x", length * 2).into(),
        format!("uuid {}:{id},{id}, x", length * 2 + 1).into(),
        format!("uuid {}:X {id}, not a tnetstring", length + 2).into(),
        format!("uuid {}:X {id}, 9:3:ctl,0:}}]trailing", length + 2).into(),
        format!("uuid {}:X {id}, 12:6:nosuch,0:}}]", length + 2).into(),
        format!("uuid {}:X {id}, 10:3:ctl,1:x,]", length + 2).into(),
        vec![b'A'; 100_000],
        [&b"uuid 200000:"[..], &vec![b'1'; 200_000], b", x"].concat(),
    ];
    for case in &cases {
        handler.send(case).await;
    }
    handler.reply(id, ok("still here")).await;
    let reply = client.reply().await;
    assert_eq!(reply.text(), "still here", "{}", reply.head);
    let counted = server.server.live().handler(0).malformed().count();
    assert_eq!(counted, cases.len() as u64);
    handler.expect_silence(&server, "/h").await;
    // Whatever it is that names a connection which is gone.
    handler.send("uuid 9:X 4000000, 12:6:nosuch,0:~]").await;
    assert_eq!(handler.notice().await, 4_000_000);
}

#[tokio::test]
async fn frames_of_one_message_are_replies_of_their_own() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let id = request.conn;
    let frame = |text: &str| format!("uuid {}:{id}, {text}", id.to_string().len()).into_bytes();
    handler
        .send_frames(&[frame("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), frame("ok")])
        .await;
    assert_eq!(client.reply().await.text(), "ok");
}

#[tokio::test]
async fn a_handler_may_speak_while_no_request_is_open() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.answer(&request, "first").await;
    assert_eq!(client.reply().await.text(), "first");
    handler.reply(request.conn, "anything at all").await;
    assert_eq!(client.exactly(15).await, b"anything at all");
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let again = handler.request().await;
    assert_eq!(again.conn, request.conn, "one id for the life of a connection");
    handler.answer(&again, "second").await;
    assert_eq!(client.reply().await.text(), "second");
}

#[tokio::test]
async fn replies_keep_their_order_on_each_connection() {
    let (server, mut handler) = start().await;
    let (mut clients, mut conns) = (Vec::new(), Vec::new());
    for _ in 0..8 {
        let (client, request) = asked(&server, &mut handler, "/h").await;
        clients.push(client);
        conns.push(request.conn);
    }
    handler.reply_to_many(&conns, "HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n").await;
    for round in 0..300 {
        // Now to all at once, now one by one in another order.
        let piece = format!("{round:09},");
        if round % 3 == 0 {
            handler.reply_to_many(&conns, &piece).await;
        } else {
            for conn in conns.iter().rev() {
                handler.reply(*conn, &piece).await;
            }
        }
    }
    let expected: String = (0..300).map(|round| format!("{round:09},")).collect();
    for client in &mut clients {
        assert_eq!(client.reply().await.text(), expected);
    }
}

#[tokio::test]
async fn two_routes_have_two_handlers() {
    let site = SiteBuilder::new().handler("/a", "a").handler("/b", "b");
    let server = Running::start(&site).await;
    let (mut a, mut b) = (server.handler("a").await, server.handler("b").await);
    let (mut client, to_a) = asked(&server, &mut a, "/a/1").await;
    // Any handler may answer, as long as the connection has been seen by one.
    b.reply(to_a.conn, ok("from b")).await;
    assert_eq!(client.reply().await.text(), "from b");
    client.send("GET /b/2 HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let to_b = b.request().await;
    assert_eq!((to_b.conn, to_b.path.as_str()), (to_a.conn, "/b/2"));
    b.answer(&to_b, "b").await;
    assert_eq!(client.reply().await.text(), "b");
    drop(client);
    assert_eq!((a.notice().await, b.notice().await), (to_a.conn, to_b.conn), "both have seen it");
    a.expect_silence(&server, "/a").await;
    b.expect_silence(&server, "/b").await;
}

#[tokio::test]
async fn the_close_of_one_handler_is_told_to_the_other() {
    let site = SiteBuilder::new().handler("/a", "a").handler("/b", "b");
    let server = Running::start(&site).await;
    let (mut a, mut b) = (server.handler("a").await, server.handler("b").await);
    let (mut client, to_a) = asked(&server, &mut a, "/a").await;
    a.answer(&to_a, "a").await;
    client.reply().await;
    client.send("GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let to_b = b.request().await;
    b.close(to_b.conn).await;
    client.closed().await;
    assert_eq!(a.notice().await, to_a.conn);
    b.expect_silence(&server, "/b").await;
}

#[tokio::test]
async fn many_handlers_share_the_requests_of_one_route() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handlers = [server.handler("main").await, server.handler("main").await];
    server.until_peers(2).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = server.client().await;
        client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        clients.push(client);
    }
    for (handler, text) in handlers.iter_mut().zip(["one", "two"]) {
        for _ in 0..5 {
            let request = handler.request().await;
            handler.answer(&request, text).await;
        }
    }
    let mut texts = Vec::new();
    for client in &mut clients {
        texts.push(client.reply().await.text().to_owned());
    }
    texts.sort_unstable();
    assert_eq!(texts, [["one"; 5], ["two"; 5]].concat());
}

#[tokio::test]
async fn tnetstrings_instead_of_json() {
    let spec = HandlerSpec { protocol: "tnetstring", ..HandlerSpec::named("main") };
    let server = Running::start(&SiteBuilder::new().handler_with("/h", &spec)).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    let request = b"GET /h?q HTTP/1.1\r\nHost: localhost\r\nX-Bytes: a\xff\"\\\t\xc3\r\nAccept: a\r\nAccept: b\r\n\r\n";
    client.send(request).await;
    let message = handler.request().await;
    assert_eq!(message.headers["x-bytes"], [b"a\xff\"\\\t\xc3".to_vec()], "binary safe");
    assert_eq!(message.headers["accept"], [b"a".to_vec(), b"b".to_vec()]);
    assert_eq!(message.header("QUERY"), Some("q"));
    handler.answer(&message, "ok").await;
    assert_eq!(client.reply().await.text(), "ok");
    drop(client);
    let notice = handler.next().await;
    assert!(notice.is_disconnect);
    let expected = format!(
        "{} {} @* 16:6:METHOD,4:JSON,}}21:{{\"type\":\"disconnect\"}},",
        crate::harness::UUID,
        message.conn
    );
    assert_eq!(notice.raw, expected.as_bytes());
}

#[tokio::test]
async fn handlers_over_tcp() {
    let [send, recv] = free_ports();
    let spec = HandlerSpec {
        send_spec: format!("tcp://127.0.0.1:{send}"),
        recv_spec: format!("tcp://127.0.0.1:{recv}"),
        protocol: "json",
    };
    let server = Running::start(&SiteBuilder::new().handler_with("/h", &spec)).await;
    let mut handler = Handler::connect(&spec).await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.answer(&request, "by tcp").await;
    assert_eq!(client.reply().await.text(), "by tcp");
}

#[tokio::test]
async fn a_handler_on_the_sdk() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let spec = HandlerSpec::named("main").within(server.folder());
    let options = handler::HandlerOptions::new(spec.send_spec, spec.recv_spec);
    let mut handler = within(handler::Handler::connect(options)).await.unwrap();
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = within(handler.next()).await.unwrap();
    assert_eq!(request.method(), "GET");
    let response = handler::Response::text(200, "by the SDK");
    within(handler.reply_http(&request, &response)).await.unwrap();
    assert_eq!(client.reply().await.text(), "by the SDK");
    drop(client);
    let notice = within(handler.next()).await.unwrap();
    assert!(notice.is_notice() && notice.conn() == request.conn());
}

#[tokio::test]
async fn pipelined_requests_reach_handlers_one_at_a_time() {
    let (server, mut handler) = start().await;
    let mut client = server.client().await;
    let requests: Vec<String> = (0..5)
        .map(|n| format!("POST /h/{n} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{n}"))
        .collect();
    client.send(requests.concat()).await;
    for n in 0..5 {
        let request = handler.request().await;
        assert_eq!(request.path, format!("/h/{n}"));
        assert_eq!(request.body, n.to_string().as_bytes());
        // The next one is not on its way while this one is open.
        handler.expect_silence(&server, "/h").await;
        handler.answer(&request, &n.to_string()).await;
        assert_eq!(client.reply().await.text(), n.to_string());
    }
}

/// What a handler sends beyond its own framing is not passed on as if it were the next response.
#[tokio::test]
async fn a_handler_that_breaks_framing_ends_the_connection() {
    let (server, mut handler) = start().await;
    let cases = [
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, too long", "ok"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nmore",
            "x",
        ),
    ];
    for (method, reply, body) in cases {
        let mut client = server.client().await;
        client.send(format!("{method} /h HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let request = handler.request().await;
        handler.reply(request.conn, reply).await;
        let came = client.reply_to(method).await;
        assert_eq!((came.status, came.text()), (200, body), "{reply}");
        client.closed().await;
        assert_eq!(handler.notice().await, request.conn);
    }
    let log = server.stop().await;
    assert_eq!(log.len(), cases.len());
    for line in log {
        assert_eq!(line.short(), ("/h", "200", "handler_broke_framing"));
    }
}

#[tokio::test]
async fn a_response_cut_short_by_its_handler_is_logged_as_such() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    handler.close(request.conn).await;
    assert!(client.rest().await.ends_with(b"\r\n\r\nhalf"));
    handler.expect_silence(&server, "/h").await;
    assert_eq!(server.stop().await[0].short(), ("/h", "200", "handler_broke_framing"));
}

#[tokio::test]
async fn without_a_handler_there_is_503_after_the_queue_timeout() {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.queue_timeout", "1");
    let server = Running::start(&site).await;
    let mut client = server.client().await;
    let began = Instant::now();
    let reply = client.get("/h").await;
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(reply.status, 503);
    assert_eq!(reply.field("retry-after"), Some("1"));
    assert_eq!(client.get("/nothing").await.status, 404, "the connection goes on");
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/h", "503", "-"));
}

#[tokio::test]
async fn a_full_queue_is_503_at_once() {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.queue_max", "2");
    let server = Running::start(&site).await;
    let mut waiting = Vec::new();
    for n in 0..2 {
        let mut client = server.client().await;
        client.send(format!("GET /h/{n} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        server.until_waiting(n + 1).await;
        waiting.push(client);
    }
    let mut client = server.client().await;
    let began = Instant::now();
    let reply = client.get("/h/2").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    // Who waits is served when a handler comes, in order.
    let mut handler = server.handler("main").await;
    for (n, mut client) in waiting.into_iter().enumerate() {
        let request = handler.request().await;
        assert_eq!(request.path, format!("/h/{n}"));
        handler.answer(&request, "at last").await;
        assert_eq!(client.reply().await.text(), "at last");
    }
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_is_never_sent_to_a_handler() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut client = server.client().await;
    client.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.until_waiting(1).await;
    drop(client);
    server.until_waiting(0).await;
    let mut handler = server.handler("main").await;
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn a_handler_killed_with_a_request_means_502() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut handler = server.handler("main").await;
    let mut client = server.client().await;
    client.send("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    handler.request().await;
    let began = Instant::now();
    drop(handler);
    let reply = client.reply().await;
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // A late answer must not be taken for the answer to a next request.
    assert_eq!(reply.field("connection"), Some("close"));
    client.closed().await;
}

#[tokio::test]
async fn a_handler_killed_in_the_middle_of_a_response_ends_the_connection() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    client.until(b"half").await;
    // Though it is a GET, nobody else is asked: two answers would be mixed.
    let mut next = server.handler("main").await;
    drop(handler);
    client.closed().await;
    assert_eq!(next.notice().await, request.conn);
    assert_eq!(server.stop().await[0].short(), ("/h", "200", "handler_lost"));
}

#[tokio::test]
async fn an_answer_counts_though_its_handler_takes_no_more_requests() {
    let (server, mut handler) = start().await;
    let mut client = server.client().await;
    client.send("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    let request = handler.request().await;
    handler.take_no_more().await;
    server.until_peers(0).await;
    handler.answer(&request, "a last word").await;
    assert_eq!(client.reply().await.text(), "a last word");
}

#[tokio::test]
async fn a_safe_request_of_a_killed_handler_goes_to_the_next() {
    let server = Running::start(&SiteBuilder::new().handler("/h", "main")).await;
    let mut first = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut first, "/h").await;
    let mut second = server.handler("main").await;
    drop(first);
    let again = second.request().await;
    assert_eq!(again.raw, request.raw);
    second.answer(&again, "by the second").await;
    assert_eq!(client.reply().await.text(), "by the second");
    // The first may have answered, too: that must not be taken for the answer to a next request.
    client.closed().await;
    assert_eq!(server.stop().await[0].short(), ("/h", "200", "handler_lost"));
}

#[tokio::test]
async fn no_answer_within_handler_timeout_is_504() {
    let site = SiteBuilder::new().handler("/h", "main").setting("handler.timeout", "1");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("connection")), (504, Some("close")));
    // The late answer must not be taken for the answer to a next request.
    client.closed().await;
    assert_eq!(handler.notice().await, request.conn);
    handler.answer(&request, "late").await;
    handler.expect_silence(&server, "/h").await;
    assert_eq!(server.stop().await[0].short(), ("/h", "504", "answered:504"));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped_and_the_server_goes_on() {
    let site =
        SiteBuilder::new().handler("/h", "main").setting("limits.connection_queue", "100000");
    let server = Running::start(&site).await;
    let mut handler = server.handler("main").await;
    let mut slow = Client::connect_with_small_buffer(server.addr()).await;
    slow.send("GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let request = handler.request().await;
    let (mut quick, other) = asked(&server, &mut handler, "/h").await;
    let piece = vec![b'x'; 90_000];
    handler.reply(request.conn, "HTTP/1.1 200 OK\r\nContent-Length: 90000000\r\n\r\n").await;
    let mut pieces = 0;
    while server.server.registry().len() == 2 {
        assert!(pieces < 1000, "the server takes {pieces} pieces for a client that reads none");
        handler.reply(request.conn, &piece).await;
        pieces += 1;
    }
    assert_eq!(handler.notice().await, request.conn);
    handler.answer(&other, "all is well").await;
    assert_eq!(quick.reply().await.text(), "all is well");
    drop((quick, slow));
    let log = server.stop().await;
    assert!(log.iter().any(|line| line.close == "limit_reply_queue"), "{log:?}");
}

#[tokio::test]
async fn control_replies_cancel_and_keep_alive() {
    let (server, mut handler) = start().await;
    let (mut client, request) = asked(&server, &mut handler, "/h").await;
    let id = request.conn;
    let ctl = |args: &str| {
        let dict = format!("3:ctl,{}:{args}}}", args.len());
        format!("uuid {}:X {id}, {}:{dict}]", id.to_string().len() + 2, dict.len())
    };
    for harmless in ["10:keep-alive,4:true!", "7:credits,3:100#", "3:zzz,1:1#", ""] {
        handler.send(ctl(harmless)).await;
    }
    handler.reply(id, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
    client.until(b"half").await;
    handler.send(ctl("6:cancel,4:true!")).await;
    client.closed().await;
    handler.expect_silence(&server, "/h").await;
}

#[tokio::test]
async fn field_names_with_underscores_reach_handlers_only_where_that_is_set() {
    for (value, wanted) in [("0", None), ("1", Some("a"))] {
        let site =
            SiteBuilder::new().handler("/h", "main").setting("handler.underscore_headers", value);
        let server = Running::start(&site).await;
        let mut handler = server.handler("main").await;
        let mut client = server.client().await;
        client.send("GET /h HTTP/1.1\r\nHost: localhost\r\nX_Under: a\r\nX-Dash: b\r\n\r\n").await;
        let request = handler.request().await;
        assert_eq!((request.header("x_under"), request.header("x-dash")), (wanted, Some("b")));
    }
}
