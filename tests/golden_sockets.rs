//! What was recorded of Mongrel2's WebSockets and message sockets, replayed; the differences are a list.

use crate::harness::{Client, Handler, HandlerSpec, PATIENCE, Running, SiteBuilder, UUID};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use store::Cell;
use tokio::time::timeout;
use wire::ParsedRequest;

/// How long a case may take that is known to differ.
const DIFFERENT_WITHIN: Duration = Duration::from_secs(3);

/// Cases of 09 in which we differ, and why.
const WEBSOCKET_DIFFERENCES: &[(&str, &str)] = &[
    ("handshake-no-reply", "no frame is passed on before a handler has answered with 101"),
    ("handshake-no-host", "18: HTTP/1.1 without Host is refused"),
    ("handshake-upgrade-h2c", "29: Upgrade may be a list (RFC 6455 section 4.2.1)"),
    ("handshake-version-8", "29: another version than 13 is told so with 426"),
    ("handshake-post", "29: only GET is a handshake"),
    ("handshake-http10", "29: HTTP/1.0 has no upgrades"),
    ("handshake-empty-key", "29: a key is 16 bytes in base64"),
    ("handshake-dir", "29: on a directory it is an ordinary request"),
    ("handshake-404", "4.1: a 404 of ours keeps the connection"),
    ("handshake-on-keepalive", "29: any request of a connection may be the handshake"),
    ("unmasked", "29: closed with 1002"),
    ("frag-interleaved", "29: closed with 1002"),
    ("cont-first", "29: closed with 1002"),
    ("ping-126", "29: closed with 1002"),
    ("ping-frag", "29: closed with 1002"),
    ("close-then-text", "29: nothing is heard after a close (RFC 6455 section 1.4)"),
    ("rsv1", "29: closed with 1002"),
    ("opcode-3", "29: closed with 1002"),
    ("opcode-11", "29: closed with 1002"),
    ("bad-utf8", "29: closed with 1007"),
    ("len-nonminimal", "29: closed with 1002"),
    ("len-8-high-bit", "29: closed with 1002"),
    ("len-2gb", "29: closed with 1009"),
    ("http-after-ws", "29: closed with 1002"),
];

/// Cases of 10 in which we differ, and why.
const MESSAGE_DIFFERENCES: &[(&str, &str)] = &[
    ("json-short", "5: a route that is longer than the path never matches"),
    ("json-to-dir", "10.1: a directory takes no messages, which is said with 404"),
    ("xml-simple", "30: <test> is a whole message"),
    ("xml-decl", "10.3: a declaration may stand before the tag"),
];

/// One recorded event.
#[derive(Clone, Debug)]
struct Event {
    who: String,
    data: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Case {
    name: String,
    events: Vec<Event>,
}

impl Case {
    /// Long strings are cut in the recording; such a case can't be replayed.
    fn is_cut(&self) -> bool {
        let cut = b" bytes in all>...";
        self.events.iter().any(|event| event.data.windows(cut.len()).any(|part| part == cut))
    }
}

fn cases(file: &str) -> Vec<Case> {
    let path = format!("{}/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let recorded: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let latin1 = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    };
    let event = |event: &Value| Event {
        who: event["who"].as_str().unwrap().to_owned(),
        data: latin1(&event["data"]),
    };
    let cases = recorded["cases"].as_array().unwrap().iter().map(|case| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        events: case["events"].as_array().unwrap().iter().map(event).collect(),
    });
    cases.collect()
}

/// The handlers of a recording: route, name, protocol.
type Routes = &'static [(&'static str, &'static str, &'static str)];

const WEBSOCKET_ROUTES: Routes = &[("/ws", "main", "json"), ("/t", "tnet", "tnetstring")];
const MESSAGE_ROUTES: Routes = &[
    ("@chat", "main", "json"),
    ("@t", "tnet", "tnetstring"),
    ("<test", "main", "json"),
    ("<p", "main", "json"),
    ("@raw", "raw", "json"),
    ("/h", "main", "json"),
    ("@", "any", "json"),
];

/// A server as it was recorded, with its handlers.
struct Stage {
    server: Running,
    routes: Routes,
    handlers: BTreeMap<&'static str, Handler>,
}

async fn stage(routes: Routes, dir: &str) -> Stage {
    let mut site = SiteBuilder::new().dir(dir, "{}/").setting("limits.buffer_size", "4096");
    for (path, name, protocol) in routes {
        let spec = HandlerSpec { protocol, ..HandlerSpec::named(name) };
        site = site.handler_with(path, &spec);
    }
    let site = site.rows(|rows| {
        let raw =
            rows.handlers.iter_mut().filter(|row| format!("{:?}", row.send_spec).contains("/raw."));
        raw.for_each(|row| row.raw_payload = Cell::Integer(1));
    });
    let server = Running::start(&site).await;
    let mut handlers = BTreeMap::new();
    for (_, name, _) in routes {
        if !handlers.contains_key(name) {
            handlers.insert(*name, server.handler(name).await);
        }
    }
    Stage { server, routes, handlers }
}

impl Stage {
    /// Plays one case; panics where the server does something else.
    async fn play(mut self, case: Case) {
        let mut client = Some(self.server.client().await);
        let (mut conn, mut last, mut notice_to) = (0, "main", None);
        for event in case.events {
            match event.who.as_str() {
                "client->server" => client.as_mut().unwrap().send(&event.data).await,
                "client-shutdown-write" => client.as_mut().unwrap().shutdown().await,
                "client-close" => client = None,
                "server->client" => expect(client.as_mut().unwrap(), &event.data).await,
                "server-closed" => client.as_mut().unwrap().closed().await,
                "server->handler" if is_notice(&event.data) => notice_to = Some(last),
                "server->handler" => (conn, last) = self.message(&event.data, conn).await,
                "handler->server" => {
                    let body = event.data.splitn(3, |&byte| byte == b' ').nth(2).unwrap();
                    self.handlers.get_mut(last).unwrap().reply(conn, body).await;
                }
                "still-open" | "error.log" | "access.log" => {}
                other => panic!("unknown event {other}"),
            }
        }
        drop(client);
        // Recorded anywhere near the close, and twice where a reply came late: we say it once.
        if let Some(last) = notice_to {
            assert_eq!(self.handlers.get_mut(last).unwrap().notice().await, conn);
        }
        self.server.stop().await;
        for handler in self.handlers.values_mut() {
            handler.ended().await;
        }
    }

    /// A handler gets this message and no other; which connection, and which handler.
    async fn message(&mut self, data: &[u8], conn: u64) -> (u64, &'static str) {
        let expected = ParsedRequest::parse(data).unwrap();
        let pattern = expected.headers.get(b"PATTERN").unwrap();
        let route = self.routes.iter().find(|(path, ..)| path.as_bytes() == pattern).unwrap();
        let message = self.handlers.get_mut(route.1).unwrap().request().await;
        assert!(conn == 0 || message.conn == conn, "another connection");
        assert_eq!(message.sender, UUID.as_bytes());
        assert_eq!((message.path.as_bytes(), &*message.body), (expected.path, expected.body));
        let headers: BTreeMap<String, Vec<Vec<u8>>> = (expected.headers.0.iter())
            .map(|(name, value)| {
                let values = value.as_slice().iter().map(|value| value.to_vec()).collect();
                (String::from_utf8(name.to_vec()).unwrap(), values)
            })
            .collect();
        assert_eq!(message.headers, headers);
        (message.conn, route.1)
    }
}

fn is_notice(data: &[u8]) -> bool {
    ParsedRequest::parse(data).unwrap().is_disconnect()
}

/// Bytes of a handler as they are; of an answer that the server makes, the status.
async fn expect(client: &mut Client, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if text.contains("\r\nServer: Mongrel2/") {
        assert_eq!(client.reply().await.status.to_string(), text[9..12]);
        return;
    }
    assert_eq!(client.exactly(data.len()).await, data);
}

async fn check(
    file: &str,
    routes: Routes,
    dir: &'static str,
    differences: &[(&str, &str)],
    cut: &[&str],
) {
    let cases = cases(file);
    for (name, _) in differences {
        assert!(cases.iter().any(|case| case.name == *name), "{name} is not in {file}");
    }
    let found: Vec<&str> = cases.iter().filter(|c| c.is_cut()).map(|c| c.name.as_str()).collect();
    assert_eq!(found, cut, "cases that the recording has cut");
    let names: Vec<String> =
        cases.iter().filter(|case| !case.is_cut()).map(|case| case.name.clone()).collect();
    let playing: Vec<_> = (cases.into_iter().filter(|case| !case.is_cut()))
        .map(|case| {
            let known = differences.iter().any(|(name, _)| *name == case.name);
            // One that differs may also wait for what never comes.
            let patience = if known { DIFFERENT_WITHIN } else { 2 * PATIENCE };
            let play = async move { stage(routes, dir).await.play(case).await };
            tokio::spawn(timeout(patience, play))
        })
        .collect();
    let mut different = Vec::new();
    for (name, playing) in names.iter().zip(playing) {
        if !matches!(playing.await, Ok(Ok(()))) {
            different.push(name.as_str());
        }
    }
    let listed: Vec<&str> = differences.iter().map(|(name, _)| *name).collect();
    assert_eq!(different, listed, "cases that differ, and those that are listed");
}

#[tokio::test]
async fn websockets_are_as_recorded_but_for_the_list() {
    let cut = ["len-65535", "len-65536", "len-300000"];
    check("09-websocket.json", WEBSOCKET_ROUTES, "/d/", WEBSOCKET_DIFFERENCES, &cut).await;
}

#[tokio::test]
async fn message_sockets_are_as_recorded_but_for_the_list() {
    let cut = ["json-big", "json-4096"];
    check("10-msg-sockets.json", MESSAGE_ROUTES, "@d", MESSAGE_DIFFERENCES, &cut).await;
}
