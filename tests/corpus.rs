//! Golden requests and what the server answers, each sent in one piece and byte by byte.
//!
//! `corpus/manifest` says of each case, by hand, which section it shows, which statuses come back
//! and how the connection ends; `NAME.request` is what is sent, `NAME.response` what was recorded.
//! `LURCHER_ACCEPT=1` records anew; what it writes is then to be read beside the section.

use crate::harness::{Handler, Message, PATIENCE, Running, SiteBuilder};
use http1::{Progress, ResponseTracker};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

/// Asked for behind a case whose connection stays open: its answer proves that it did.
const SENTINEL: &[u8] = b"GET /sentinel HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Instead of the Date that the server sent.
const EPOCH: &[u8] = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
/// `Sun, 09 Sep 2001 01:46:40 GMT`, when every file was written.
const WRITTEN: Duration = Duration::from_secs(1_000_000_000);

/// A line of the manifest.
#[derive(Debug)]
struct Case {
    name: String,
    /// Statuses in order, interim ones too; those that answer HEAD are marked.
    answers: Vec<Answer>,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    to_head: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The connection takes another request.
    Open,
    /// The server closes it by itself.
    Closed,
    /// The client ends its side behind the last byte.
    Cut,
}

#[derive(Clone, Copy, Debug)]
enum Pace {
    OneWrite,
    ByteByByte,
}

impl Case {
    fn read(line: &str) -> Self {
        let fields: Vec<&str> = line.split(" | ").collect();
        let [name, section, answers, end, what] = fields[..] else { panic!("{line:?}") };
        assert!(section.starts_with("RFC ") || section.starts_with("peers A.3"), "{line:?}");
        assert!(!what.is_empty(), "{line:?}");
        let end = match end {
            "open" => End::Open,
            "closed" => End::Closed,
            "cut" => End::Cut,
            other => panic!("an end {other:?} in {line:?}"),
        };
        let answers = answers.split(' ').filter(|answer| *answer != "-").map(Answer::read);
        Self { name: name.to_owned(), answers: answers.collect(), end }
    }
}

impl Answer {
    fn read(text: &str) -> Self {
        let bare = text.strip_prefix("HEAD:");
        let status = bare.unwrap_or(text).parse().expect("a status in the manifest");
        Self { status, to_head: bare.is_some() }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn manifest() -> Vec<Case> {
    let text = std::fs::read_to_string(folder().join("manifest")).unwrap();
    text.lines().map(Case::read).collect()
}

async fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().join("www");
    std::fs::create_dir_all(www.join("sub")).unwrap();
    for (name, content) in [
        ("index.html", "<h1>home</h1>\n"),
        ("a.txt", "0123456789"),
        ("empty.txt", ""),
        ("sentinel", "still open\n"),
        ("sub/b.txt", "b"),
    ] {
        let file = std::fs::File::create(www.join(name)).unwrap();
        std::io::Write::write_all(&mut &file, content.as_bytes()).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + WRITTEN).unwrap();
    }
    let site = SiteBuilder::new()
        .dir("/", "{}/www/")
        .handler("/h", "echo")
        .host("bare.example")
        .handler("/h", "echo");
    Running::start_in(folder, &site, Some("127.0.0.1:0".parse().unwrap())).await
}

/// Answers each request with the message it came in, less the number of its connection, and closes
/// where the client asks for it, as handlers of Mongrel2 had to; not for `/h/keep`.
async fn echo(mut handler: Handler) {
    loop {
        let message = handler.next().await;
        if message.is_disconnect {
            continue;
        }
        let told = without_connection(&message.raw);
        let mut reply = b"HTTP/1.1 200 OK\r\n".to_vec();
        reply.extend_from_slice(format!("Content-Length: {}\r\n\r\n", told.len()).as_bytes());
        if message.header("METHOD") != Some("HEAD") {
            reply.extend_from_slice(told);
        }
        handler.reply(message.conn, reply).await;
        if wants_close(&message) && message.path != "/h/keep" {
            handler.close(message.conn).await;
        }
    }
}

/// `path size:headers,size:body,` of a message.
fn without_connection(raw: &[u8]) -> &[u8] {
    let mut spaces = raw.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    let (at, _) = spaces.nth(1).expect("sender, connection, path");
    &raw[at + 1..]
}

fn wants_close(message: &Message) -> bool {
    message.header("VERSION") == Some("HTTP/1.0")
        || message.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// What the server says to `bytes`, until it closes.
async fn conversation(server: &Running, bytes: &[u8], end: End, pace: Pace) -> Vec<u8> {
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (read, mut write) = stream.into_split();
    let heard = tokio::spawn(listen(read));
    let sentinel = if end == End::Open { SENTINEL } else { b"" };
    // A server that has refused need not take the rest.
    match pace {
        Pace::OneWrite => {
            let _taken = write.write_all(&[bytes, sentinel].concat()).await;
        }
        Pace::ByteByByte => {
            for byte in bytes.iter().chain(sentinel) {
                if write.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }
    if end == End::Cut {
        let _gone = write.shutdown().await;
    }
    let heard = tokio::time::timeout(PATIENCE, heard).await.expect("the server closes").unwrap();
    drop(write);
    heard
}

async fn listen(mut read: OwnedReadHalf) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut buffer = [0; 16 << 10];
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        heard.extend_from_slice(&buffer[..count]);
    }
    heard
}

/// With each Date checked and replaced.
fn normalised(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"Date: ") {
            assert!(line.len() == EPOCH.len() && line.ends_with(b" GMT\r\n"), "{}", shown(line));
            out.extend_from_slice(EPOCH);
        } else {
            out.extend_from_slice(line);
        }
    }
    out
}

/// The statuses of all status lines; no case has one in a body.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for at in memfind(bytes, b"HTTP/1.1 ") {
        let code = bytes.get(at + 9..at + 12).and_then(|code| std::str::from_utf8(code).ok());
        statuses.extend(code.and_then(|code| code.parse::<u16>().ok()));
    }
    statuses
}

fn memfind<'a>(bytes: &'a [u8], what: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(what.len()).enumerate().filter(move |(_, window)| *window == what).map(|it| it.0)
}

/// Every final answer ends where the next begins, and the last one at the end.
fn check_framing(bytes: &[u8], answers: &[Answer]) -> Result<(), String> {
    let mut rest = bytes;
    for answer in answers.iter().filter(|answer| answer.status >= 200) {
        let mut tracker = ResponseTracker::new(answer.to_head);
        let consumed = match tracker.feed(rest) {
            Ok(Progress::Complete { consumed }) => consumed,
            Err(http1::Broken::Excess { end }) => end,
            other => return Err(format!("{answer:?} has no end: {other:?}")),
        };
        rest = &rest[consumed..];
    }
    let interim = answers.iter().all(|answer| answer.status < 200);
    if rest.is_empty() || interim { Ok(()) } else { Err(format!("behind it: {}", shown(rest))) }
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// The whole of what came back, normalised, without the answer to the sentinel.
async fn answered(server: &Running, case: &Case, pace: Pace) -> Result<Vec<u8>, String> {
    let request = std::fs::read(folder().join(format!("{}.request", case.name))).unwrap();
    let all = normalised(&conversation(server, &request, case.end, pace).await);
    let mut own = all.as_slice();
    if case.end == End::Open {
        let last = memfind(&all, b"HTTP/1.1 ").last().unwrap_or(0);
        let (before, sentinel) = all.split_at(last);
        if !sentinel.ends_with(b"\r\n\r\nstill open\n") {
            return Err(format!("the connection does not stay open: {}", shown(&all)));
        }
        own = before;
    }
    let expected: Vec<u16> = case.answers.iter().map(|answer| answer.status).collect();
    if statuses(own) != expected {
        return Err(format!("answered {:?}, not {expected:?}: {}", statuses(own), shown(own)));
    }
    check_framing(own, &case.answers)?;
    Ok(own.to_vec())
}

async fn check(server: &Running, case: &Case, accept: bool) -> Result<(), String> {
    let path = folder().join(format!("{}.response", case.name));
    let got = answered(server, case, Pace::OneWrite).await?;
    if accept {
        std::fs::write(&path, &got).unwrap();
    }
    let expected = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if got != expected {
        return Err(format!("came {}\n  recorded {}", shown(&got), shown(&expected)));
    }
    let dripped = answered(server, case, Pace::ByteByByte).await?;
    if dripped != expected {
        return Err(format!(
            "byte by byte came {}\n  in one {}",
            shown(&dripped),
            shown(&expected)
        ));
    }
    Ok(())
}

#[tokio::test]
async fn every_request_gets_its_answer_whole_and_byte_by_byte() {
    let server = start().await;
    let echo = tokio::spawn(echo(server.handler("echo").await));
    let accept = std::env::var_os("LURCHER_ACCEPT").is_some();
    let only = std::env::var("LURCHER_CASE").ok();
    let mut failures = String::new();
    for case in manifest() {
        if only.as_ref().is_some_and(|only| *only != case.name) {
            continue;
        }
        if let Err(why) = check(&server, &case, accept).await {
            writeln!(failures, "{}: {why}", case.name).unwrap();
        }
    }
    echo.abort();
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn the_manifest_and_the_files_agree() {
    let manifest = manifest();
    assert!(manifest.len() >= 200, "{} cases", manifest.len());
    let cases = manifest
        .iter()
        .flat_map(|case| [format!("{}.request", case.name), format!("{}.response", case.name)]);
    let expected: BTreeSet<String> = cases.chain(["manifest".to_owned()]).collect();
    let entries = std::fs::read_dir(folder()).unwrap();
    let found: BTreeSet<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let differ: Vec<&String> = found.symmetric_difference(&expected).collect();
    assert!(differ.is_empty(), "only a file or only in the manifest: {differ:?}");
}
