//! The same clients and the same handler before Debian's mongrel2 and before us: what differs is a list.
//!
//! A script says what the client and the handler do. What each of them then sees is written down,
//! on both servers, and compared: messages as values, bytes as bytes, answers that a server words
//! itself by their status. The numbers name sections of the reference, or rows of its section 18.

use crate::harness::{
    Handler, HandlerSpec, Message, Mongrel2, Running, SiteBuilder, ok, pinned, within,
};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long something may take before it counts as not coming.
const SOON: Duration = Duration::from_secs(3);

/// Every script on which we differ, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("trailing blank", "3.3: a value ends before its last blanks (RFC 9110 section 5.5)"),
    ("fragment", "3.3: a target with a fragment is refused"),
    ("late reply", "3.5: a connection's end is told once"),
    ("id over 32 bits", "18: row 28, Mongrel2 cuts ids to 32 bits"),
    ("unknown extended reply", "3.8: nothing is closed by a name that nobody knows"),
    ("ctl without a dictionary", "3.8: nothing is closed by a reply that is malformed"),
    ("two lengths", "18: row 5, conflicting Content-Length is refused"),
    ("no host", "4.3: HTTP/1.1 without Host is refused"),
    ("connection after 404", "4.1: a 404 of ours keeps the connection"),
    ("xml of one tag", "18: row 30, <test> is a whole message"),
    ("xml with declaration", "10.3: a declaration may stand before the tag"),
    ("json to a directory", "10.1: which is said with 404"),
    ("upgrade of a later request", "18: row 29"),
    ("upgrade for another version", "18: row 29"),
    ("unmasked frame", "18: row 29, closed with 1002"),
    ("reserved bits", "18: row 29, closed with 1002"),
    ("frame after close", "18: row 29, nothing is heard after a close"),
    ("upgrade to a directory", "18: row 29, an ordinary request"),
];

/// One step of a script.
#[derive(Clone, Copy)]
enum Do {
    /// The client sends.
    Say(&'static str),
    /// The same for bytes.
    Send(&'static [u8]),
    /// The client ends its side.
    EndOutput,
    /// The client goes away.
    Leave,
    /// The client reads so many bytes.
    Take(usize),
    /// The client reads one answer that the server words.
    Status,
    /// The client reads to the end, if there is one.
    End,
    /// The handler gets a message.
    Hear,
    /// The handler answers the connection of its last message with these bytes; none: a close.
    Answer(&'static str),
    /// The handler answers with a whole response.
    Ok(&'static str),
    /// The handler sends a message; `{}` stands for the connection's id, `{+}` for one too large.
    Raw(&'static str),
}

use Do::{Answer, End, EndOutput, Hear, Leave, Ok as Respond, Raw, Say, Send, Status, Take};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const GET: &str = "GET /h HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The bytes of `Ok("ok")`.
const OK: usize = 40;

const SCRIPTS: &[(&str, &[Do])] = &[
    (
        "headers",
        &[
            Say("GET /h/a%20b?x=1&y HTTP/1.1\r\nhOST: localhost\r\nCookie: a=1\r\nX-Q: \"\\\r\n\
                 cookie: b=2\r\nCOOKIE: c\r\nX-Forwarded-For: 6.6.6.6\r\nEmpty:\r\n\r\n"),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    (
        "trailing blank",
        &[Say("GET /h HTTP/1.1\r\nHost: x\r\nA: b \r\n\r\n"), Hear, Respond("ok"), Take(OK)],
    ),
    (
        "tab and latin-1",
        &[
            Send(b"GET /h HTTP/1.1\r\nHost: x\r\nA: b\tc\xe9\r\n\r\n"),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    (
        "seven values",
        &[
            Say(
                "GET /h HTTP/1.1\r\nHost: x\r\nA: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\nA: 6\r\nA: 7\r\n\r\n",
            ),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    ("empty query", &[Say("GET /h? HTTP/1.1\r\nHost: x\r\n\r\n"), Hear, Respond("ok"), Take(OK)]),
    ("fragment", &[Say("GET /h#f HTTP/1.1\r\nHost: x\r\n\r\n"), Hear, Respond("ok"), Take(OK)]),
    (
        "body",
        &[
            Say("POST /h HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\na\0b,c"),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    (
        "body in pieces",
        &[
            Say("POST /h HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nab"),
            Say("cd"),
            Say("ef"),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    ("http/1.0", &[Say("GET /h HTTP/1.0\r\n\r\n"), Hear, Respond("ok"), Take(OK), Answer(""), End]),
    (
        "keep-alive",
        &[Say(GET), Hear, Respond("ok"), Take(OK), Say(GET), Hear, Respond("ok"), Take(OK)],
    ),
    (
        "connection: close is the handler's",
        &[
            Say("GET /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
            Hear,
            Respond("ok"),
            Take(OK),
            Raw("S 2:{}, pushed"),
            Respond("ok"),
            Take(OK),
        ],
    ),
    (
        "pipelined",
        &[
            Send(b"GET /h?1 HTTP/1.1\r\nHost: x\r\n\r\nGET /h?2 HTTP/1.1\r\nHost: x\r\n\r\n"),
            Hear,
            Respond("ok"),
            Take(OK),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    (
        "three messages",
        &[Say(GET), Hear, Answer("HTTP/1.1 200 OK\r\n\r\n"), Answer("hello"), Answer(""), End],
    ),
    ("not HTTP", &[Say(GET), Hear, Answer("ICY 200 OK\r\n\r\n"), Answer("la la"), Answer(""), End]),
    (
        "head",
        &[
            Say("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n"),
            Hear,
            Answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            Take(38),
            Say(GET),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    ("pushed while idle", &[Say(GET), Hear, Respond("ok"), Take(OK), Answer("pushed"), Take(6)]),
    ("client leaves", &[Say(GET), Hear, Leave]),
    ("half a close", &[Say(GET), Hear, EndOutput, End]),
    ("late reply", &[Say(GET), Hear, Leave, Hear, Respond("late"), Respond("late")]),
    ("unknown id", &[Say(GET), Hear, Raw("S 9:999999999, x"), Respond("ok"), Take(OK)]),
    (
        "the same id twice",
        &[
            Say(GET),
            Hear,
            Answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"),
            Take(38),
            Raw("S {2}:{} {}, ab"),
            Take(4),
        ],
    ),
    (
        "malformed replies",
        &[
            Say(GET),
            Hear,
            Raw("nonsense that is long enough"),
            Raw("S 5:{}, length"),
            Raw("S 1:x, letters"),
            Raw("S_ {1}:{}, sender"),
            Raw("S {1}:{},comma"),
            Respond("ok"),
            Take(OK),
        ],
    ),
    (
        "keep-alive reply",
        &[
            Say(GET),
            Hear,
            Raw("S {X}:X {}, 31:3:ctl,21:10:keep-alive,4:true!}]"),
            Respond("ok"),
            Take(OK),
        ],
    ),
    ("cancel", &[Say(GET), Hear, Raw("S {X}:X {}, 26:3:ctl,16:6:cancel,4:true!}]"), End]),
    (
        "unknown extended reply",
        &[Say(GET), Hear, Raw("S {X}:X {}, 9:1:x,2:ab,]"), Respond("ok"), Take(OK)],
    ),
    (
        "ctl without a dictionary",
        &[Say(GET), Hear, Raw("S {X}:X {}, 9:3:ctl,0:~]"), Respond("ok"), Take(OK)],
    ),
    ("id over 32 bits", &[Say(GET), Hear, Raw("S {L}:{+}, x"), Respond("ok"), Take(OK)]),
    ("no route", &[Say("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"), Status]),
    ("connection after 404", &[Say("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"), Status, End]),
    ("no request", &[Say("NOT HTTP\r\n\r\n"), Status, End]),
    (
        "too large",
        &[Say("POST /h HTTP/1.1\r\nHost: x\r\nContent-Length: 20481\r\n\r\n"), Status, End],
    ),
    (
        "two lengths",
        &[
            Say("POST /h HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    ("no host", &[Say("GET /h HTTP/1.1\r\n\r\n"), Hear, Respond("ok"), Take(OK)]),
    (
        "json",
        &[
            Say("@chat {\"a\":1}\0@chat/x {\"b\":\"\0\"}\0"),
            Hear,
            Answer("one\0"),
            Hear,
            Answer("two"),
            Take(8),
            Answer(""),
            End,
        ],
    ),
    ("json in pieces", &[Say("@ch"), Say("at {\"a\""), Say(":1}\0"), Hear, Answer("x"), Take(4)]),
    (
        "json and http",
        &[
            Say("@chat {}\0"),
            Hear,
            Answer("x"),
            Take(4),
            Say(GET),
            Hear,
            Respond("ok"),
            Take(OK),
            Answer("raw"),
            Take(3),
            Say("@chat {}\0"),
            Hear,
            Answer("x"),
            Take(4),
        ],
    ),
    (
        "json ping",
        &[
            // Alone in its packet: Mongrel2 hears nothing of what stands behind a ping.
            Say("@chat {\"type\":\"ping\"}\0"),
            Hear,
            Say("@chat {\"a\":1}\0"),
            Hear,
        ],
    ),
    ("json array", &[Say("@chat [1]\0"), Status, End]),
    ("json with query", &[Say("@chat?x {}\0"), Status, End]),
    ("json without route", &[Say("@nobody {}\0"), Status, End]),
    ("json to a directory", &[Say("@d {}\0"), End]),
    ("json cut short", &[Say("@chat {"), EndOutput, End]),
    ("xml", &[Say("<test a='1'>x</test>\0<test/>\0"), Hear, Hear, Answer("x"), Take(4)]),
    ("xml of one tag", &[Say("<test>\0"), Hear]),
    ("xml with declaration", &[Say("<?xml version='1.0'?><test/>\0"), Hear]),
    ("xml without route", &[Say("<other/>\0"), Status, End]),
    ("flash policy", &[Say("@chat {}\0"), Hear, Say("<policy-file-request/>\0"), End]),
    (
        "websocket",
        &[
            Say(HANDSHAKE),
            Hear,
            Answer(SWITCHING),
            Take(129),
            Send(b"\x81\x85\0\0\0\0hello"),
            Hear,
            Send(b"\x01\x81\0\0\0\0a\x89\x80\0\0\0\0\x80\x81\0\0\0\0b"),
            Hear,
            Hear,
            Answer("\u{1}"),
            Take(1),
            Send(b"\x88\x82\0\0\0\0\x03\xe8"),
            Hear,
            Answer(""),
            End,
        ],
    ),
    (
        "refused upgrade",
        &[
            Say(HANDSHAKE),
            Hear,
            Answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
            Answer(""),
            End,
        ],
    ),
    (
        "frame behind the handshake",
        &[Say(HANDSHAKE), Send(b"\x82\x81\0\0\0\0x"), Hear, Answer(SWITCHING), Take(129), Hear],
    ),
    (
        "upgrade of a later request",
        &[Say(GET), Hear, Respond("ok"), Take(OK), Say(HANDSHAKE), Hear],
    ),
    (
        "upgrade for another version",
        &[
            Say(
                "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n",
            ),
            Hear,
        ],
    ),
    (
        "upgrade without a key",
        &[
            Say(
                "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
            ),
            Hear,
            Respond("ok"),
            Take(OK),
        ],
    ),
    (
        "upgrade to a directory",
        &[
            Say(
                "GET /d/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            ),
            Status,
        ],
    ),
    (
        "unmasked frame",
        &[Say(HANDSHAKE), Hear, Answer(SWITCHING), Take(129), Send(b"\x81\x01a"), End],
    ),
    (
        "reserved bits",
        &[Say(HANDSHAKE), Hear, Answer(SWITCHING), Take(129), Send(b"\xc1\x81\0\0\0\0a"), Hear],
    ),
    (
        "frame after close",
        &[
            Say(HANDSHAKE),
            Hear,
            Answer(SWITCHING),
            Take(129),
            Send(b"\x88\x80\0\0\0\0\x81\x81\0\0\0\0a"),
            Hear,
            Hear,
        ],
    ),
];

/// One of the two servers, with its handler.
struct Side {
    addr: SocketAddr,
    handler: Handler,
}

/// The client's side of a script.
struct Tap {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Tap {
    /// `None` at the end, or when nothing comes.
    async fn more(&mut self) -> Option<usize> {
        let mut buffer = [0; 4096];
        let count = timeout(SOON, self.stream.read(&mut buffer)).await.ok()?.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        Some(count)
    }

    async fn take(&mut self, count: usize) -> String {
        while self.read.len() < count && self.more().await.is_some_and(|count| count > 0) {}
        let end = count.min(self.read.len());
        let taken: Vec<u8> = self.read.drain(..end).collect();
        format!("took {}", taken.escape_ascii())
    }

    async fn status(&mut self) -> String {
        let whole = |read: &[u8]| {
            let head = read.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text.split_once("content-length: ")?.1.split_once('\r')?.0;
            Some(head + length.parse::<usize>().ok()?).filter(|end| *end <= read.len())
        };
        let end = loop {
            if let Some(end) = whole(&self.read) {
                break end;
            }
            if self.more().await.is_none_or(|count| count == 0) {
                return "no answer".to_owned();
            }
        };
        let answer: Vec<u8> = self.read.drain(..end).collect();
        format!("status {}", answer[9..12].escape_ascii())
    }

    async fn end(&mut self) -> String {
        loop {
            match self.more().await {
                Some(0) => return format!("end after {}", self.read.escape_ascii()),
                Some(_) => {}
                None => return "open".to_owned(),
            }
        }
    }
}

/// What a handler makes of a message; its connection only as known or not.
fn shown(message: &Message, conn: Option<u64>) -> String {
    let conn = if conn.is_none_or(|conn| conn == message.conn) { "its" } else { "another" };
    if message.is_disconnect {
        return format!("notice for {conn} connection");
    }
    let headers: Vec<String> = message
        .headers
        .iter()
        .map(|(name, values)| {
            let values: Vec<_> =
                values.iter().map(|value| value.escape_ascii().to_string()).collect();
            format!("{name}={values:?}")
        })
        .collect();
    let body = message.body.escape_ascii();
    format!(
        "{conn} {} {} {} {body}",
        message.sender.escape_ascii(),
        message.path,
        headers.join(" ")
    )
}

impl Side {
    async fn connect(addr: SocketAddr, folder: &Path) -> Self {
        let spec = HandlerSpec::named("main").within(folder);
        Self { addr, handler: Handler::connect(&spec).await }
    }

    /// What the client saw, then what the handler saw.
    async fn play(&mut self, script: &[Do]) -> Vec<String> {
        let stream = within(TcpStream::connect(self.addr)).await.unwrap();
        let mut client = Some(Tap { stream, read: Vec::new() });
        let (mut seen, mut heard, mut conn) = (Vec::new(), Vec::new(), None);
        for step in script {
            match step {
                Say(text) => self.say(client.as_mut(), text.as_bytes()).await,
                Send(bytes) => self.say(client.as_mut(), bytes).await,
                EndOutput => client.as_mut().unwrap().stream.shutdown().await.unwrap(),
                Leave => client = None,
                Take(count) => seen.push(client.as_mut().unwrap().take(*count).await),
                Status => seen.push(client.as_mut().unwrap().status().await),
                End => seen.push(client.as_mut().unwrap().end().await),
                Hear => match timeout(SOON, self.handler.next()).await {
                    Ok(message) => {
                        heard.push(shown(&message, conn));
                        conn = conn.or(Some(message.conn));
                    }
                    Err(_) => heard.push("nothing".to_owned()),
                },
                Answer(text) => self.handler.reply(conn.unwrap_or(0), text).await,
                Respond(text) => self.handler.reply(conn.unwrap_or(0), ok(text)).await,
                Raw(text) => self.handler.send(filled(text, conn.unwrap_or(0))).await,
            }
        }
        drop(client);
        self.settle(conn, &mut heard).await;
        seen.extend(heard);
        seen
    }

    async fn say(&self, client: Option<&mut Tap>, bytes: &[u8]) {
        // A server that has closed already does not take what comes next.
        let _taken = client.unwrap().stream.write_all(bytes).await;
    }

    /// Everything the handler got before two more requests.
    async fn settle(&mut self, conn: Option<u64>, heard: &mut Vec<String>) {
        for uri in ["/h?settle-1", "/h?settle-2"] {
            let stream = within(TcpStream::connect(self.addr)).await.unwrap();
            let mut tap = Tap { stream, read: Vec::new() };
            let request = format!("GET {uri} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            tap.stream.write_all(request.as_bytes()).await.unwrap();
            loop {
                let message = within(self.handler.next()).await;
                if message.header("URI") == Some(uri) {
                    self.handler.answer(&message, "settled").await;
                    self.handler.close(message.conn).await;
                    break;
                }
                heard.push(shown(&message, conn));
            }
            tap.end().await;
        }
    }
}

/// `{}` is the id, `{1}` its length, `{2}` that of two ids, `{X}` that behind `X `, `{+}` an id that
/// is the same in 32 bits, `{L}` its length.
fn filled(text: &str, conn: u64) -> String {
    let id = conn.to_string();
    let large = (conn + (1 << 32)).to_string();
    text.replace("{}", &id)
        .replace("{1}", &id.len().to_string())
        .replace("{2}", &(2 * id.len() + 1).to_string())
        .replace("{X}", &(id.len() + 2).to_string())
        .replace("{+}", &large)
        .replace("{L}", &large.len().to_string())
}

fn site(protocol: &'static str) -> SiteBuilder {
    let spec = HandlerSpec { protocol, ..HandlerSpec::named("main") };
    let mut site = SiteBuilder::new();
    for path in ["/h", "/ws", "@chat", "<test"] {
        site = site.handler_with(path, &spec);
    }
    site.dir("/d/", "static/").dir("@d", "static/")
}

async fn check(protocol: &'static str) {
    let theirs = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(_mongrel2) = Mongrel2::start(theirs.path(), port, site(protocol)).await else {
        return;
    };
    let ours = Running::start(&site(protocol)).await;
    let mut reference = Side::connect(([127, 0, 0, 1], port).into(), theirs.path()).await;
    let mut server = Side::connect(ours.addr(), ours.folder()).await;
    let (mut different, mut ours_instead) = (Vec::new(), String::new());
    for (name, script) in SCRIPTS {
        let (wanted, got) = (reference.play(script).await, server.play(script).await);
        if wanted == got {
            continue;
        }
        different.push(*name);
        writeln!(ours_instead, "{name}: {got:#?}").unwrap();
        if !DIFFERENCES.iter().any(|(listed, _)| listed == name) {
            println!("-- {name}\nmongrel2 {wanted:#?}\nwe {got:#?}");
        }
    }
    let mut listed: Vec<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    listed.sort_by_key(|name| SCRIPTS.iter().position(|(script, _)| script == name));
    assert_eq!(different, listed, "scripts that differ, and those that are listed");
    pinned("scripts", &ours_instead);
}

#[tokio::test]
async fn handlers_that_read_json_see_the_same_but_for_the_list() {
    check("json").await;
}

#[tokio::test]
async fn handlers_that_read_tnetstrings_see_the_same_but_for_the_list() {
    check("tnetstring").await;
}
