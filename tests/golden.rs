//! What was recorded between Mongrel2, its clients and its handlers, replayed against this server.

use crate::harness::{Client, Handler, HandlerSpec, Message, Running, SiteBuilder, pinned};
use serde_json::Value;
use store::Cell;
use store::rows::RouteRow;

/// Requests that we answer or pass on in another way: what the client gets, and the rule by which.
const REQUESTS_THAT_DIFFER: [(&str, &str, &str); 11] = [
    ("json-no-host", "HTTP/1.1 400", "HTTP/1.1 needs a Host (RFC 9112 section 3.2)"),
    ("json-fragment", "HTTP/1.1 400", "a target has no fragment (RFC 9112 section 3.2)"),
    ("json-empty-fragment", "HTTP/1.1 400", "a target has no fragment (RFC 9112 section 3.2)"),
    ("json-query-fragment", "HTTP/1.1 400", "a target has no fragment (RFC 9112 section 3.2)"),
    ("tnet-full", "HTTP/1.1 400", "a target has no fragment (RFC 9112 section 3.2)"),
    ("json-header-ctl", "HTTP/1.1 400", "no control bytes in a value (RFC 9110 section 5.5)"),
    ("json-header-trailing-space", "HTTP/1.1 200", "trailing whitespace is no part of a value"),
    ("json-hijack", "HTTP/1.1 200", "field names with `_` can be taken for those with `-`"),
    ("json-path-percent", "HTTP/1.1 400", "%00 and dot segments could be read two ways"),
    ("json-absolute-uri", "HTTP/1.1 400", "the target and Host name different hosts"),
    ("json-head", "HTTP/1.1 200", "an answer to HEAD has no content: it would be the next answer"),
];

/// Replies that do something else here, and the rule by which.
const REPLIES_THAT_DIFFER: [(&str, &str, &str); 4] = [
    ("reply-128", "HTTP/1.1 200", "a handler is told once that a connection is gone"),
    ("reply-id-overflow", "", "ids are 64 bits wide and never cut to 32"),
    ("x-ctl-notdict", "HTTP/1.1 200", "a malformed extended reply closes nothing"),
    ("x-unknown-ext", "HTTP/1.1 200", "an unknown extension closes nothing"),
];

/// Bursts to a client that does not read are bounded by bytes, not by 16 messages: see
/// `a_client_that_does_not_read_is_dropped_and_the_server_goes_on`.
const ELSEWHERE: [&str; 2] = ["queue-small-40", "queue-big-40"];

struct Case {
    name: String,
    events: Vec<Event>,
}

struct Event {
    who: String,
    /// What went over the wire; one for each frame.
    frames: Vec<Vec<u8>>,
    text: String,
    conn: usize,
    times: usize,
}

/// What a case comes to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// Messages to the handler, in parts; notices as they are.
    messages: Vec<String>,
    /// For each client: what it got, and whether the server closed.
    clients: Vec<(String, bool)>,
}

fn cases(file: &str) -> Vec<Case> {
    let path = format!("{}/golden/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file: Value = serde_json::from_str(&text).unwrap();
    let case = |case: &Value| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        events: case["events"].as_array().unwrap().iter().map(Event::read).collect(),
    };
    file["cases"].as_array().unwrap().iter().map(case).collect()
}

/// One character is one byte; `...<N bytes in all>...` stands for what was cut out.
fn latin1(text: &str) -> Vec<u8> {
    if let Some((start, rest)) = text.split_once("...<") {
        let (total, end) = rest.split_once(" bytes in all>...").unwrap();
        let (start, end) = (latin1(start), latin1(end));
        let missing = total.parse::<usize>().unwrap() - start.len() - end.len();
        let filler = vec![*start.last().unwrap(); missing];
        return [start, filler, end].concat();
    }
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// Whether connection ids have to be the recorded ones.
#[derive(Clone, Copy)]
enum Ids {
    Any,
    Recorded,
}

impl Ids {
    fn of(self, message: &Message) -> String {
        match self {
            Self::Any => "ID".to_owned(),
            Self::Recorded => message.conn.to_string(),
        }
    }
}

impl Event {
    fn read(event: &Value) -> Self {
        let data = &event["data"];
        let frames = match data {
            Value::String(text) => vec![latin1(text)],
            Value::Array(frames) => frames.iter().filter_map(Value::as_str).map(latin1).collect(),
            _ => Vec::new(),
        };
        let number = |key: &str, default| event[key].as_u64().map_or(default, |n| n as usize);
        Self {
            who: event["who"].as_str().unwrap().to_owned(),
            frames,
            text: data.as_str().unwrap_or_default().to_owned(),
            conn: number("conn", 0),
            times: number("times", 1),
        }
    }
}

impl Case {
    fn of<'a>(&'a self, who: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.who == who)
    }

    /// What the transcript shows, for so many clients.
    fn recorded(&self, clients: usize, ids: Ids) -> Outcome {
        let mut outcome =
            Outcome { clients: vec![Default::default(); clients], ..Outcome::default() };
        for event in &self.events {
            match event.who.as_str() {
                "server->handler" => {
                    let message = Message::read(event.frames[0].clone());
                    outcome.messages.extend(vec![parts(&message, &ids.of(&message)); event.times]);
                }
                "server->client" => {
                    outcome.clients[event.conn].0.push_str(&own_words(&event.frames[0]));
                }
                "server-closed" => outcome.clients[event.conn].1 = true,
                _ => {}
            }
        }
        outcome
    }
}

/// Everything that matters of a message, its connection id as `id`.
fn parts(message: &Message, id: &str) -> String {
    let Message { sender, conn, path, headers, body, raw, is_disconnect } = message;
    let start = [sender, format!(" {conn} {path} ").as_bytes()].concat();
    let end = [format!("{}:", body.len()).as_bytes(), body, b","].concat();
    assert!(raw.starts_with(&start) && raw.ends_with(&end), "{}", raw.escape_ascii());
    if *is_disconnect {
        let raw = String::from_utf8(raw.clone()).unwrap();
        return raw.replacen(&format!(" {conn} "), &format!(" {id} "), 1);
    }
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, values)| {
            let values: Vec<String> =
                values.iter().map(|value| value.escape_ascii().to_string()).collect();
            format!("{name}={values:?}")
        })
        .collect();
    let (sender, body) = (sender.escape_ascii(), body.escape_ascii());
    let kind =
        if raw[start.len()..].windows(3).any(|at| at == b":{\"") { "json" } else { "tnetstring" };
    format!("{sender} {id} {path} {kind} {headers:?} {body}")
}

/// An answer of either server's own making, by its status; all others as they are.
fn own_words(answer: &[u8]) -> String {
    let is_own = |name: &[u8]| answer.windows(name.len()).any(|at| at == name);
    if is_own(b"\r\nServer: Mongrel2/") || is_own(b"\r\nServer: Lurcher\r\n") {
        answer[..12].escape_ascii().to_string()
    } else {
        answer.escape_ascii().to_string()
    }
}

async fn start() -> (Running, Handler, Handler) {
    let tnetstring = HandlerSpec { protocol: "tnetstring", ..HandlerSpec::named("t") };
    let site = SiteBuilder::new().handler("/h", "h").handler_with("/t", &tnetstring).rows(|rows| {
        let path = Cell::Text("/p/([0-9]+)".to_owned());
        rows.routes.push(RouteRow { id: 3, path, ..rows.routes[0].clone() });
    });
    let server = Running::start(&site).await;
    let (json, tnetstring) = (server.handler("h").await, server.handler("t").await);
    (server, json, tnetstring)
}

/// How many are equal and how many differ as they should.
fn compare(
    file: &str,
    outcomes: &[(String, Outcome, Outcome)],
    differ: &[(&str, &str, &str)],
) -> (usize, usize) {
    let mut wrong = Vec::new();
    for (name, ours, recorded) in outcomes {
        let listed = differ.iter().find(|(listed, ..)| listed == name);
        let is_right = match listed {
            Some((_, start, _)) => ours != recorded && ours.clients[0].0.starts_with(start),
            None => ours == recorded,
        };
        if !is_right {
            wrong.push(format!("{name}:\n  ours     {ours:?}\n  recorded {recorded:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
    let listed =
        outcomes.iter().filter(|(name, ..)| differ.iter().any(|(listed, ..)| listed == name));
    let text: String = listed.map(|(name, ours, _)| format!("{name}: {ours:#?}\n")).collect();
    pinned(file, &text);
    (outcomes.len() - differ.len(), differ.len())
}

#[tokio::test]
async fn requests_become_the_recorded_messages() {
    let (server, mut json, mut tnetstring) = start().await;
    let mut outcomes = Vec::new();
    for case in cases("03-request-messages") {
        let request = &case.of("client->server").next().unwrap().frames[0];
        let to_tnetstring = request.windows(3).any(|at| at == b" /t");
        let handler = if to_tnetstring { &mut tnetstring } else { &mut json };
        let ours = replay_request(&server, handler, request).await;
        outcomes.push((case.name.clone(), ours, case.recorded(1, Ids::Any)));
    }
    assert_eq!(
        compare("requests", &outcomes, &REQUESTS_THAT_DIFFER),
        (24, 11),
        "equal and different"
    );
}

/// Sends a request and answers it as the recorder did: always with the same two bytes.
async fn replay_request(server: &Running, handler: &mut Handler, request: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut client = server.client().await;
    client.send(request).await;
    let message = tokio::select! {
        message = handler.next() => Some(message),
        true = client.ready() => None,
    };
    let Some(message) = message else {
        outcome.clients.push((own_words(&client.rest().await), true));
        return outcome;
    };
    outcome.messages.push(parts(&message, "ID"));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    handler.reply(message.conn, answer).await;
    let came = client.up_to(answer.len()).await;
    let is_open = came.len() == answer.len() && is_open(&mut client, handler, message.conn).await;
    client.shutdown().await;
    let notice = handler.next().await;
    assert_eq!(notice.conn, message.conn);
    outcome.messages.push(parts(&notice, "ID"));
    outcome.clients.push((came.escape_ascii().to_string(), !is_open));
    outcome
}

/// Whether what the handler says next is what the client hears next.
async fn is_open(client: &mut Client, handler: &mut Handler, conn: u64) -> bool {
    let marker = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nopen";
    handler.reply(conn, marker).await;
    let heard = client.up_to(marker.len()).await;
    assert!(heard.is_empty() || heard == marker.as_bytes(), "{}", heard.escape_ascii());
    !heard.is_empty()
}

#[tokio::test]
async fn replies_do_what_they_did() {
    let mut outcomes = Vec::new();
    for case in cases("03-handler-replies") {
        if ELSEWHERE.contains(&case.name.as_str()) {
            continue;
        }
        let setup = &case.of("setup").next().unwrap().text;
        let ids: Vec<u64> =
            setup.split('\'').skip(1).step_by(2).map(|id| id.parse().unwrap()).collect();
        let recorded = case.recorded(ids.len(), Ids::Recorded);
        let ours = replay_replies(&case, &ids, setup.contains("/t;")).await;
        outcomes.push((case.name.clone(), ours, recorded));
    }
    assert_eq!(compare("replies", &outcomes, &REPLIES_THAT_DIFFER), (51, 4), "equal and different");
}

async fn replay_replies(case: &Case, ids: &[u64], to_tnetstring: bool) -> Outcome {
    let (server, mut json, mut tnetstring) = start().await;
    let handler = if to_tnetstring { &mut tnetstring } else { &mut json };
    // Connections are numbered from 1: those before the recorded ids are used up.
    for _ in 1..ids[0] {
        drop(server.client().await);
    }
    let mut clients = Vec::new();
    for id in ids {
        let path = if to_tnetstring { "/t" } else { "/h" };
        let (client, request) = crate::harness::asked(&server, handler, path).await;
        assert_eq!(request.conn, *id);
        clients.push(client);
    }
    for event in case.events.iter().filter(|event| event.who.starts_with("handler->server")) {
        for _ in 0..event.times {
            handler.send_frames(&event.frames).await;
        }
    }
    let recorded = case.recorded(ids.len(), Ids::Recorded);
    let is_silent =
        REPLIES_THAT_DIFFER.iter().any(|(name, ours, _)| *name == case.name && ours.is_empty());
    let mut outcome = Outcome::default();
    for (index, (client, id)) in clients.iter_mut().zip(ids).enumerate() {
        let to_it = case.of("server->client").filter(|event| event.conn == index && !is_silent);
        let expected: usize = to_it.map(|event| event.frames[0].len()).sum();
        let mut came = client.up_to(expected).await;
        let is_closed = if recorded.clients[index].1 {
            let more = client.up_to(12).await;
            came.extend(&more);
            more.is_empty()
        } else {
            came.len() < expected || !is_open(client, handler, *id).await
        };
        outcome.clients.push((came.escape_ascii().to_string(), is_closed));
    }
    // Whatever came before the last request is what the replies brought.
    let path = if to_tnetstring { "/t?end" } else { "/h?end" };
    let mut last = server.client().await;
    last.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    loop {
        let message = handler.next().await;
        if message.header("QUERY") == Some("end") {
            return outcome;
        }
        outcome.messages.push(parts(&message, &message.conn.to_string()));
    }
}
