//! WebSocket through handlers: what reaches them, what closes the connection, and what is said then.

use crate::harness::{Client, Handler, HandlerSpec, Message, Running, SiteBuilder, within};
use ::handler as sdk;
use sdk::WebSocket;

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// A client's frame, masked.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match payload.len() {
        length @ ..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ ..=65_535 => {
            frame.push(0xfe);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

async fn start() -> (Running, Handler) {
    start_with(|site| site).await
}

async fn start_with(change: impl FnOnce(SiteBuilder) -> SiteBuilder) -> (Running, Handler) {
    let site = SiteBuilder::new().handler("/ws", "main").dir("/d/", "{}/");
    let server = Running::start(&change(site)).await;
    let handler = server.handler("main").await;
    (server, handler)
}

/// A client whose handshake has been answered.
async fn open(server: &Running, handler: &mut Handler) -> (Client, Message) {
    let mut client = server.client().await;
    client.send(handshake("/ws")).await;
    let request = handler.request().await;
    handler.reply(request.conn, SWITCHING).await;
    assert_eq!(client.until(b"\r\n\r\n").await, SWITCHING.as_bytes());
    (client, request)
}

/// Reads the server's close frame, the last thing it says, and returns its code.
async fn closed_with(client: &mut Client) -> u16 {
    let frame = client.rest().await;
    assert!(frame.len() >= 4 && frame[0] == 0x88, "{}", frame.escape_ascii());
    assert_eq!(usize::from(frame[1]), frame.len() - 2, "one unmasked frame and nothing else");
    assert!(frame[1] <= 125 && std::str::from_utf8(&frame[4..]).is_ok());
    u16::from_be_bytes([frame[2], frame[3]])
}

#[tokio::test]
async fn the_handshake_carries_the_accept_key_and_messages_its_headers() {
    for protocol in ["json", "tnetstring"] {
        let spec = HandlerSpec { protocol, ..HandlerSpec::named("main") };
        let server = Running::start(&SiteBuilder::new().handler_with("/ws", &spec)).await;
        let mut handler = server.handler("main").await;
        let (mut client, request) = open(&server, &mut handler).await;
        assert_eq!(request.header("METHOD"), Some("WEBSOCKET_HANDSHAKE"));
        assert_eq!(request.body, ACCEPT.as_bytes());
        client.send(masked(0x81, b"hello")).await;
        let message = handler.request().await;
        let mut expected = request.headers.clone();
        expected.insert("METHOD".to_owned(), vec![b"WEBSOCKET".to_vec()]);
        expected.insert("FLAGS".to_owned(), vec![b"0x81".to_vec()]);
        assert_eq!(message.headers, expected);
        assert_eq!((message.conn, &*message.body), (request.conn, &b"hello"[..]));
        handler.reply(message.conn, b"\x81\x05hello").await;
        assert_eq!(client.exactly(7).await, b"\x81\x05hello");
        drop(client);
        assert_eq!(handler.notice().await, request.conn);
    }
}

#[tokio::test]
async fn every_kind_of_frame_is_passed_on_and_nothing_is_answered() {
    let (server, mut handler) = start().await;
    let (mut client, request) = open(&server, &mut handler).await;
    let mut burst = Vec::new();
    for (first, payload) in
        [(0x01, "one, "), (0x89, "ping"), (0x00, ""), (0x80, "two"), (0x82, ""), (0x8A, "pong")]
    {
        burst.extend(masked(first, payload.as_bytes()));
    }
    burst.extend(masked(0x88, b"\x03\xe8bye"));
    burst.extend(masked(0x81, b"nobody hears this"));
    client.send(burst).await;
    for (flags, body) in [
        ("0x89", &b"ping"[..]),
        ("0x81", b"one, two"),
        ("0x82", b""),
        ("0x8A", b"pong"),
        ("0x88", b"\x03\xe8bye"),
    ] {
        let message = handler.request().await;
        assert_eq!((message.header("FLAGS"), &*message.body), (Some(flags), body));
    }
    // The handler closes; the server has added nothing.
    handler.reply(request.conn, b"\x88\x02\x03\xe8").await;
    handler.close(request.conn).await;
    assert_eq!(client.rest().await, b"\x88\x02\x03\xe8");
    handler.expect_silence(&server, "/ws").await;
    let log = server.stop().await;
    assert_eq!(log[0].short(), ("/ws", "101", "handler_closed"));
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_the_code_and_the_handler_gets_one_notice() {
    let limit = |site: SiteBuilder| site.setting("limits.websocket_message", "1000");
    let (server, mut handler) = start_with(limit).await;
    let huge = [b"\x82\xff", &1_900_000_000_u64.to_be_bytes()[..], b"\0\0\0\0"].concat();
    let cases = [
        (b"\x81\x05hello".to_vec(), 1002),
        (masked(0xC1, b"x"), 1002),
        (masked(0x83, b"x"), 1002),
        (masked(0x80, b"x"), 1002),
        (b"\x81\xfe\0\x05\0\0\0\0hello".to_vec(), 1002),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 1002),
        (masked(0x81, b"\xff"), 1007),
        (masked(0x82, &[0; 1001]), 1009),
        ([masked(0x02, &[0; 1000]), masked(0x80, b"x")].concat(), 1009),
        (huge, 1009),
    ];
    for (bytes, code) in &cases {
        let (mut client, request) = open(&server, &mut handler).await;
        // What was whole before it is delivered.
        client.send([masked(0x81, b"fine"), bytes.clone()].concat()).await;
        assert_eq!(handler.request().await.body, b"fine");
        assert_eq!(closed_with(&mut client).await, *code, "{}", bytes.escape_ascii());
        assert_eq!(handler.notice().await, request.conn);
    }
    handler.expect_silence(&server, "/ws").await;
    let log = server.stop().await;
    for (line, (_, code)) in log.iter().zip(&cases) {
        assert_eq!(line.close, format!("websocket:{code}"));
    }
}

#[tokio::test]
async fn a_message_of_the_largest_size_is_whole() {
    let (server, mut handler) = start().await;
    let (mut client, request) = open(&server, &mut handler).await;
    let payload: Vec<u8> = (0..1_048_576_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    client.send(masked(0x82, &payload)).await;
    assert!(handler.request().await.body == payload);
    let mut echo = vec![0x82, 127];
    echo.extend((payload.len() as u64).to_be_bytes());
    echo.extend(&payload);
    handler.reply(request.conn, &echo).await;
    assert!(client.exactly(echo.len()).await == echo);
}

#[tokio::test]
async fn a_handshake_may_come_as_a_later_request_and_with_bytes_behind_it() {
    let (server, mut handler) = start().await;
    let mut client = server.client().await;
    client.send("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let first = handler.request().await;
    assert_eq!(first.header("METHOD"), Some("GET"));
    handler.answer(&first, "plain").await;
    assert_eq!(client.reply().await.text(), "plain");
    let frame = masked(0x81, b"early");
    client.send([handshake("/ws").as_bytes(), &frame[..3]].concat()).await;
    let request = handler.request().await;
    assert_eq!((request.conn, &*request.body), (first.conn, ACCEPT.as_bytes()));
    // A 101 in two messages, the second with a frame behind it.
    let (begin, end) = SWITCHING.split_at(40);
    handler.reply(request.conn, begin).await;
    handler.reply(request.conn, [end.as_bytes(), b"\x81\x02hi"].concat()).await;
    assert_eq!(client.until(b"\r\n\r\n").await, SWITCHING.as_bytes());
    assert_eq!(client.exactly(4).await, b"\x81\x02hi");
    client.send(&frame[3..]).await;
    assert_eq!(handler.request().await.body, b"early");
}

#[tokio::test]
async fn a_refused_handshake_leaves_http() {
    let (server, mut handler) = start().await;
    let mut client = server.client().await;
    let next = "GET /ws/next HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.send(handshake("/ws") + next).await;
    let request = handler.request().await;
    handler.reply(request.conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 403);
    let request = handler.request().await;
    assert_eq!((&*request.path, request.header("METHOD")), ("/ws/next", Some("GET")));
    handler.answer(&request, "still HTTP").await;
    assert_eq!(client.reply().await.text(), "still HTTP");
}

#[tokio::test]
async fn other_versions_are_told_which_one_is_spoken() {
    let (server, _handler) = start().await;
    let mut client = server.client().await;
    client.send(handshake("/ws").replace("Version: 13", "Version: 8")).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.field("sec-websocket-version")), (426, Some("13")));
    assert_eq!(reply.field("upgrade"), Some("websocket"));
}

#[tokio::test]
async fn on_a_directory_a_handshake_is_an_ordinary_request() {
    let (server, _handler) = start().await;
    std::fs::write(server.folder().join("a.txt"), "a file").unwrap();
    let mut client = server.client().await;
    client.send(handshake("/d/a.txt")).await;
    assert_eq!(client.reply().await.text(), "a file");
    client.send(handshake("/nowhere")).await;
    assert_eq!(client.reply().await.status, 404);
}

#[tokio::test]
async fn an_extension_that_the_handler_agrees_to_may_use_reserved_bits() {
    let (server, mut handler) = start().await;
    let mut client = server.client().await;
    client.send(handshake("/ws")).await;
    let request = handler.request().await;
    let agreed = "Connection: Upgrade\r\nSec-WebSocket-Extensions: permessage-deflate";
    handler.reply(request.conn, SWITCHING.replace("Connection: Upgrade", agreed)).await;
    client.until(b"\r\n\r\n").await;
    client.send(masked(0xC1, b"\xf3\x48\0\0")).await;
    let message = handler.request().await;
    assert_eq!(message.header("FLAGS"), Some("0xC1"));
    assert_eq!(message.body, b"\xf3\x48\0\0");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_once_after_what_it_said() {
    let (server, mut handler) = start().await;
    let (mut client, request) = open(&server, &mut handler).await;
    client.send(masked(0x81, b"last words")).await;
    client.shutdown().await;
    assert_eq!(handler.request().await.body, b"last words");
    assert_eq!(handler.notice().await, request.conn);
    handler.expect_silence(&server, "/ws").await;
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let (server, mut handler) = start().await;
    let (mut client, request) = open(&server, &mut handler).await;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(closed_with(&mut client).await, 1001);
    assert_eq!(handler.notice().await, request.conn);
    drop(client);
    let log = within(stopping).await.unwrap();
    assert_eq!(log[0].short(), ("/ws", "101", "draining"));
}

#[tokio::test]
async fn a_message_that_no_handler_takes_closes_with_try_again_later() {
    let impatient = |site: SiteBuilder| site.setting("handler.queue_timeout", "0.1");
    let (server, mut handler) = start_with(impatient).await;
    let (mut client, _request) = open(&server, &mut handler).await;
    drop(handler);
    client.send(masked(0x81, b"anybody?")).await;
    assert_eq!(closed_with(&mut client).await, 1013);
}

/// The SDK's names for all of it.
#[tokio::test]
async fn a_handler_of_the_sdk_accepts_answers_and_closes() {
    let server = Running::start(&SiteBuilder::new().handler("/ws", "main")).await;
    let spec = HandlerSpec::named("main").within(server.folder());
    let options = sdk::HandlerOptions::new(spec.send_spec, spec.recv_spec);
    let mut handler = within(sdk::Handler::connect(options)).await.unwrap();
    let mut client = server.client().await;
    client.send(handshake("/ws")).await;
    let request = within(handler.next()).await.unwrap();
    assert_eq!(request.websocket(), Some(WebSocket::Handshake));
    handler.accept(&request, Some("chat")).await.unwrap();
    let head = client.until(b"\r\n\r\n").await;
    let fields = format!("Sec-WebSocket-Accept: {ACCEPT}\r\nSec-WebSocket-Protocol: chat\r\n\r\n");
    assert!(head.ends_with(fields.as_bytes()), "{}", head.escape_ascii());
    client.send([masked(0x89, b"?"), masked(0x81, "é".as_bytes())].concat()).await;
    let ping = within(handler.next()).await.unwrap();
    assert!(matches!(ping.websocket(), Some(WebSocket::Ping(_))));
    handler.pong(&ping).await.unwrap();
    let text = within(handler.next()).await.unwrap();
    assert_eq!(text.websocket(), Some(WebSocket::Text("é".into())));
    handler.send_text(&[text.conn()], "text").await.unwrap();
    handler.send_binary(&[text.conn()], b"\0").await.unwrap();
    handler.close_websocket(&[text.conn()], 1000, "bye").await.unwrap();
    assert_eq!(client.rest().await, b"\x8a\x01?\x81\x04text\x82\x01\0\x88\x05\x03\xe8bye");
}

/// After the handshake any handler may get a message, and any may answer.
#[tokio::test]
async fn messages_go_to_whoever_is_there() {
    let (server, mut handler) = start().await;
    let (mut client, request) = open(&server, &mut handler).await;
    drop(handler);
    let mut second = server.handler("main").await;
    client.send(masked(0x81, b"hello again")).await;
    let message = loop {
        // The first one's end may be noticed later than the second one's coming.
        let message = second.request().await;
        if message.body == b"hello again" {
            break message;
        }
    };
    assert_eq!(message.conn, request.conn);
    second.reply(request.conn, b"\x81\x02ok").await;
    assert_eq!(client.exactly(4).await, b"\x81\x02ok");
}

#[tokio::test]
async fn a_flood_of_small_messages_arrives_in_order() {
    let (server, mut handler) = start().await;
    let (mut client, _request) = open(&server, &mut handler).await;
    let count = 5000_u32;
    let flood: Vec<u8> =
        (0..count).flat_map(|number| masked(0x82, &number.to_be_bytes())).collect();
    let sending = tokio::spawn(async move {
        client.send(flood).await;
        client
    });
    for number in 0..count {
        assert_eq!(handler.request().await.body, number.to_be_bytes());
    }
    sending.await.unwrap();
}
