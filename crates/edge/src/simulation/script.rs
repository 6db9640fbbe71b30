//! What a simulated client sends, made at random, and what the model says must come back.

use super::Random;
use super::service::{BIG, BODY_MAX, STREAM, digest};
use http1::{CloseReason, Limit};

/// A client's whole life.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) sends: Vec<Send>,
    pub(super) last: Last,
    pub(super) expected: Vec<Expected>,
    /// Why the last exchange ends the connection, where nothing on the wire tells.
    pub(super) reason: Option<CloseReason>,
}

/// Bytes that are sent in any number of parts.
#[derive(Clone)]
pub(super) struct Send {
    pub(super) bytes: Vec<u8>,
    pub(super) after: After,
}

/// What the client waits for before it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Nothing,
    /// So many final answers.
    Answers(usize),
    /// Another answer, or `100 Continue`.
    WordBeyond(usize),
}

/// How the client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// Ends its side when everything is sent.
    HalfClose,
    /// Says nothing more and waits for the server.
    Silence,
    /// Stops reading as well.
    ReadNoMore,
    /// Breaks off when it has heard so many bytes.
    Reset { after_bytes: usize },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) closes: bool,
    pub(super) to_head: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length,
    Chunked,
}

/// A request as the model knows it.
#[derive(Debug)]
struct Request {
    path: &'static str,
    method: &'static str,
    is_http10: bool,
    connection: Option<&'static str>,
    framing: Framing,
    body: Vec<u8>,
    expects: bool,
}

/// Bytes a strict server refuses: in the head, and the status.
const BAD_FIELDS: &[(&str, u16)] = &[
    ("X-A : b\r\n", 400),
    ("X-A: a\nX-B: b\r\n", 400),
    ("X-A: a\r\n b\r\n", 400),
    ("X-A: \0\r\n", 400),
    ("X-A: a\rb\r\n", 400),
    ("Host: other\r\n", 400),
    ("no colon\r\n", 400),
    ("Content-Length: +3\r\n", 400),
    ("Content-Length: 3\r\nContent-Length: 3\r\n", 400),
    ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Transfer-Encoding: gzip\r\n", 501),
    ("Transfer-Encoding: chunked, chunked\r\n", 400),
    ("Expect: more\r\n", 417),
];
const BAD_LINES: &[(&str, u16)] = &[
    ("GET / HTTP/2.0", 505),
    ("GET /", 400),
    ("GET  / HTTP/1.1", 400),
    ("GET /../x HTTP/1.1", 400),
    ("GET /%00 HTTP/1.1", 400),
    ("GET http://other/ HTTP/1.1", 400),
    ("CONNECT h:1 HTTP/1.1", 501),
    (" GET / HTTP/1.1", 400),
];
const BAD_CHUNKS: &[&str] = &["0x3\r\n", "g\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "-1\r\n", "\r\n"];

/// A body this long is not read past when nobody wanted it.
const SKIPPED_MAX: usize = 256 << 10;

impl Script {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut script =
            Self { sends: Vec::new(), last: Last::Silence, expected: Vec::new(), reason: None };
        let mut is_open = true;
        for _ in 0..random.below(8) {
            let request = Request::new(random);
            is_open = script.add(&request, random);
            if !is_open {
                break;
            }
        }
        if !is_open {
            // What stands behind it is never read.
            if random.one_in(2) {
                script.send(Request::new(random).head());
            }
        } else if random.one_in(2) {
            script.add_broken(random);
        }
        script.end(random);
        script
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.sends.push(Send { bytes, after: After::Nothing });
    }

    /// An error of ours, which ends the connection.
    fn expect(&mut self, status: u16) {
        let body = String::new();
        self.expected.push(Expected { status, body, closes: true, to_head: false });
    }

    /// Sends a whole request; false if the connection ends with it.
    fn add(&mut self, request: &Request, random: &mut Random) -> bool {
        let answer = request.answer();
        let ends = answer.closes || request.is_too_long_to_skip();
        if ends && !answer.closes {
            self.reason = Some(CloseReason::Limit(Limit::SkipBytes));
        }
        let waits = request.is_invited() && random.one_in(2);
        let before = self.expected.len();
        let (head, body) = match waits {
            true => (After::Answers(before), After::WordBeyond(before)),
            false => (After::Nothing, After::Nothing),
        };
        self.sends.push(Send { bytes: request.head(), after: head });
        self.sends.push(Send { bytes: request.framed_body(random), after: body });
        self.expected.push(answer);
        !ends
    }

    /// A request that a strict server refuses, or one that stops.
    fn add_broken(&mut self, random: &mut Random) {
        let host = "Host: localhost\r\n";
        match random.below(5) {
            0 => {
                let (line, status) = random.pick(BAD_LINES);
                self.send(format!("{line}\r\n{host}\r\n").into_bytes());
                self.expect(status);
            }
            1 => {
                let (field, status) = random.pick(BAD_FIELDS);
                self.send(format!("POST /echo HTTP/1.1\r\n{host}{field}\r\nabc").into_bytes());
                self.expect(status);
            }
            2 => {
                let chunk = random.pick(BAD_CHUNKS);
                let fields = "Transfer-Encoding: chunked\r\n";
                let begin = format!("POST /echo HTTP/1.1\r\n{host}{fields}\r\n5\r\nhello\r\n");
                self.send(format!("{begin}{chunk}0\r\n\r\n").into_bytes());
                self.expect(400);
            }
            3 => {
                // Half a head: nothing is owed if the client ends, 408 if it only stops.
                let whole = format!("GET /echo HTTP/1.1\r\n{host}X-A: b\r\n\r\n");
                let cut = 1 + random.below(whole.len() - 1);
                self.send(whole.into_bytes()[..cut].to_vec());
                if random.one_in(2) {
                    self.last = Last::HalfClose;
                } else {
                    self.expect(408);
                }
            }
            _ => {
                let begin = format!("POST /echo HTTP/1.1\r\n{host}Content-Length: 10\r\n\r\n");
                self.send([begin.as_bytes(), &b"0123456789"[..random.below(10)]].concat());
                let ends = random.one_in(2);
                self.last = if ends { Last::HalfClose } else { Last::Silence };
                self.expect(if ends { 400 } else { 408 });
            }
        }
    }

    fn end(&mut self, random: &mut Random) {
        let half = self.expected.last().is_some_and(|last| matches!(last.status, 400 | 408));
        if half || self.last == Last::HalfClose {
            // The model has counted on the end that was chosen.
            return;
        }
        self.last = match random.below(8) {
            0 => Last::Reset { after_bytes: random.below(600) },
            1 => Last::ReadNoMore,
            2..5 => Last::HalfClose,
            _ => Last::Silence,
        };
    }
}

impl Request {
    fn new(random: &mut Random) -> Self {
        let is_http10 = random.one_in(5);
        let connection = match random.below(6) {
            0 if is_http10 || random.one_in(4) => Some("close"),
            1..4 => Some("keep-alive"),
            _ => None,
        };
        let path = random.pick(&[
            "/echo", "/echo", "/echo", "/early", "/stream", "/slow", "/none", "/big", "/close",
        ]);
        let framing = match random.below(4) {
            0 => Framing::Length,
            1 if !is_http10 => Framing::Chunked,
            _ => Framing::None,
        };
        let size = match random.below(10) {
            0 => 0,
            1 | 2 => 300_000,
            3 => 60_000,
            _ => random.below(3000),
        };
        let body = match framing {
            Framing::None => Vec::new(),
            _ => (0..size).map(|_| random.next() as u8).collect(),
        };
        let method = match framing {
            Framing::None => random.pick(&["GET", "GET", "GET", "HEAD", "POST"]),
            _ => random.pick(&["POST", "PUT", "GET"]),
        };
        let expects = framing != Framing::None && random.one_in(5);
        Self { path, method, is_http10, connection, framing, body, expects }
    }

    fn head(&self) -> Vec<u8> {
        let version = if self.is_http10 { "1.0" } else { "1.1" };
        let mut head =
            format!("{} {} HTTP/{version}\r\nHost: localhost\r\n", self.method, self.path);
        if let Some(connection) = self.connection {
            head += &format!("Connection: {connection}\r\n");
        }
        match self.framing {
            Framing::None => {}
            Framing::Length => head += &format!("Content-Length: {}\r\n", self.body.len()),
            Framing::Chunked => head += "Transfer-Encoding: chunked\r\n",
        }
        if self.expects {
            head += "Expect: 100-continue\r\n";
        }
        (head + "\r\n").into_bytes()
    }

    fn framed_body(&self, random: &mut Random) -> Vec<u8> {
        if self.framing != Framing::Chunked {
            return self.body.clone();
        }
        let mut framed = Vec::new();
        let mut left = self.body.as_slice();
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(1 + random.below(left.len()));
            let extension = if random.one_in(8) { ";a=b" } else { "" };
            framed.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            framed.extend_from_slice(chunk);
            framed.extend_from_slice(b"\r\n");
            left = rest;
        }
        framed.extend_from_slice(b"0\r\n");
        if random.one_in(8) {
            framed.extend_from_slice(b"X-Trailer: t\r\n");
        }
        framed.extend_from_slice(b"\r\n");
        framed
    }

    /// Whether the server hears `Expect` at all: not in 1.0, not without a body to wait for.
    fn is_invited(&self) -> bool {
        self.expects && !self.is_http10 && self.has_body()
    }

    fn has_body(&self) -> bool {
        match self.framing {
            Framing::None => false,
            Framing::Length => !self.body.is_empty(),
            Framing::Chunked => true,
        }
    }

    fn is_read(&self) -> bool {
        self.path == "/echo"
    }

    /// RFC 9112 section 9.3.
    fn persists(&self) -> bool {
        match self.connection {
            Some("close") => false,
            Some("keep-alive") => true,
            _ => !self.is_http10,
        }
    }

    /// Whether the server has said that it keeps the connection, and then finds the body too long.
    fn is_too_long_to_skip(&self) -> bool {
        let is_known_before = self.framing == Framing::Length && self.path != "/stream";
        !self.is_read() && !is_known_before && self.body.len() > SKIPPED_MAX
    }

    fn answer(&self) -> Expected {
        let stuck = !self.is_read()
            && self.has_body()
            && (self.is_invited()
                || (self.framing == Framing::Length && self.body.len() > SKIPPED_MAX));
        let (status, body, closes) = match self.path {
            "/echo" if self.body.len() as u64 > BODY_MAX => (413, String::new(), true),
            "/echo" => (200, digest(&self.body), false),
            "/early" => (200, "early".to_owned(), stuck),
            "/slow" => (200, "at last".to_owned(), stuck),
            "/close" => (200, "closing".to_owned(), true),
            "/big" => (200, "b".repeat(BIG), stuck),
            "/stream" => (200, STREAM.to_owned(), self.is_http10 && self.method != "HEAD"),
            _ => (404, String::new(), stuck),
        };
        // A streamed answer can't be taken back: the body behind it is read past or ends it.
        let to_head = self.method == "HEAD";
        let body = if to_head { String::new() } else { body };
        Expected { status, body, closes: closes || !self.persists(), to_head }
    }
}

impl std::fmt::Debug for Send {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.bytes[..self.bytes.len().min(300)];
        write!(f, "{} bytes", self.bytes.len())?;
        write!(f, ", after {:?}: {}", self.after, start.escape_ascii())
    }
}
