//! Every recorded exchange of a Mongrel2 directory, sent to ours over a socket.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use edge::{AccessRecord, Answer, Edge, Exchange, FaultKind, Registry, Rules, Service};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::{PATIENCE, mime};
use crate::dir::Directory;

/// Cases whose answer differs from Mongrel2's, with our status and why.
const DIFFERENT: &[(&str, u16, &str)] = &[
    ("percent-slash2", 404, "an encoded slash is not a separator"),
    ("nul", 400, "%00 is refused"),
    ("nd-exact", 301, "the base is a directory, too"),
    ("dir-no-slash-nohost", 400, "HTTP/1.1 has a Host field"),
    ("trav-1", 400, "a path with dot segments can be read two ways"),
    ("trav-2", 400, "a path with dot segments can be read two ways"),
    ("trav-3", 400, "a path with dot segments can be read two ways"),
    ("trav-4", 400, "a path with dot segments can be read two ways"),
    ("trav-sibling", 400, "Mongrel2 served the sibling"),
    ("trav-sibling-pct", 400, "Mongrel2 served the sibling"),
    ("trav-base", 400, "a path with dot segments can be read two ways"),
    ("dot", 400, "a path with dot segments can be read two ways"),
    ("redirect-dot", 400, "a path with dot segments can be read two ways"),
    ("trailing-dots", 400, "a path with dot segments can be read two ways"),
    ("inm-match", 200, "our tags are quoted"),
    ("inm-match-head", 200, "our tags are quoted"),
    ("304-keepalive", 200, "our tags are quoted"),
    ("im-match", 412, "our tags are quoted"),
    ("im-other-etag-shape", 412, "If-Match compares the tag"),
    ("ims-rfc850", 304, "all three forms of a date are read"),
    ("ims-asctime", 304, "all three forms of a date are read"),
    ("ius-ok", 200, "Mongrel2 answered 500"),
    ("inm-no-ims-match", 200, "If-None-Match outranks If-Modified-Since"),
    ("range", 206, "ranges are served"),
    ("empty-segment", 301, "a file has one path"),
    ("percent-char", 301, "a file has one path"),
    ("sub-noindex-slash-slash", 301, "a file has one path"),
    ("double-slash", 301, "a file has one path"),
    ("index-encoded-slash", 404, "an encoded slash is not a separator"),
];

/// Cases about change over time, which other tests show without waiting.
const OVER_TIME: &[&str] =
    &["changed-file-same-second", "changed-file", "ttl-1", "ttl-2", "ttl-deleted"];

/// Mongrel2's `Location` began with the host and had the query before the slash.
const LOCATIONS: &[(&str, &str)] = &[
    ("dir-no-slash-query", "/d/sub/?a=1"),
    ("root-double", "/sub/"),
    ("nd-exact", "/nd/"),
    ("empty-segment", "/d/"),
    ("percent-char", "/d/a.txt"),
    ("double-slash", "/d/a.txt"),
    ("sub-noindex-slash-slash", "/d/sub/"),
];

#[tokio::test]
async fn mongrel2s_answers_are_ours_but_for_those_listed() {
    let server = Server::start("06-dir.json").await;
    assert_eq!(server.check_all().await, 95);
}

#[tokio::test]
async fn mongrel2s_further_answers_are_ours_but_for_those_listed() {
    let server = Server::start("06-dir-2.json").await;
    assert_eq!(server.check_all().await, 14);
}

#[test]
fn every_listed_case_was_recorded() {
    let cases = ["06-dir.json", "06-dir-2.json"].map(recorded);
    let cases = cases.iter().flat_map(|recorded| recorded["cases"].as_array().unwrap());
    let names: Vec<_> = cases.map(|case| case["name"].as_str().unwrap()).collect();
    let different = DIFFERENT.iter().map(|(name, ..)| name);
    for name in different.chain(OVER_TIME).chain(LOCATIONS.iter().map(|(name, _)| name)) {
        assert!(names.contains(name), "{name}");
    }
}

fn recorded(name: &str) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

struct Routes {
    directories: Vec<(&'static str, Directory)>,
    rules: Arc<Rules>,
}

impl Service for Routes {
    type Trace = ();

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    async fn serve<'r>(&self, exchange: Exchange<'r, '_>) -> (Answer<'r>, ()) {
        let path = exchange.head.path();
        for (prefix, directory) in &self.directories {
            let Some(rest) = path.strip_prefix(prefix) else { continue };
            if *prefix == "/m/" && !rest.ends_with(".txt") {
                continue;
            }
            let served = directory.serve(exchange.head, rest).await;
            return (served.map_or_else(Answer::Fault, Answer::Response), ());
        }
        (Answer::Fault(FaultKind::NotFound.into()), ())
    }

    fn record(&self, _record: AccessRecord<'_, ()>) {}
}

struct Server {
    recorded: Value,
    addr: std::net::SocketAddr,
    _root: TempDir,
}

impl Server {
    async fn start(recording: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let files = root.path().join("static");
        build(root.path(), recording == "06-dir-2.json");
        let directory = |base: PathBuf, index: &str, ctype: &str| {
            let mut dir = (*super::dir(&base, Duration::ZERO)).clone();
            (dir.index_file, dir.default_ctype) = (index.to_owned(), ctype.to_owned());
            Directory::new(Arc::new(dir), mime())
        };
        let plain = || directory(files.clone(), "index.html", "text/plain");
        let mut directories: Vec<_> =
            ["/d/", "/nd", "/m/", "/ttl/", "/deep/er/"].map(|prefix| (prefix, plain())).into();
        let noidx = directory(files.join("sub"), "nope.html", "application/x-zzz");
        directories.push(("/noidx/", noidx));
        if recording == "06-dir-2.json" {
            directories.push(("/", plain()));
        }
        let (limits, http) = Default::default();
        let rules = Arc::new(Rules { limits, http, tcp_keepalive: false });
        let edge = Edge::new(Routes { directories, rules }, Arc::new(Registry::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(edge.accept(listener, Default::default()));
        Self { recorded: recorded(recording), addr, _root: root }
    }

    /// The number of cases that were checked.
    async fn check_all(&self) -> usize {
        let mut checked = 0;
        for case in self.recorded["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            if !OVER_TIME.contains(&name) {
                timeout(PATIENCE, self.check(name, &case["events"])).await.expect(name);
                checked += 1;
            }
        }
        checked
    }

    async fn check(&self, name: &str, events: &Value) {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let mut is_head = false;
        let mut first = true;
        for event in events.as_array().unwrap() {
            let data = latin1(event["data"].as_str().unwrap_or_default());
            match event["who"].as_str().unwrap() {
                "client->server" => {
                    is_head = data.starts_with(b"HEAD ");
                    stream.write_all(&data).await.unwrap();
                }
                "server->client" => {
                    let mut theirs = &*data;
                    while !theirs.is_empty() {
                        let their =
                            Received::read(&mut theirs, is_head && name != "head-404").await;
                        let our = Received::read(&mut stream, is_head).await;
                        compare(name, first, &their, &our);
                        first = false;
                    }
                }
                _ => {}
            }
        }
    }
}

fn compare(name: &str, first: bool, their: &Received, our: &Received) {
    let different = DIFFERENT.iter().find(|(case, ..)| *case == name && first);
    let status = different.map_or(their.status, |(_, status, _)| *status);
    assert_eq!(our.status, status, "{name}: {our:?}");
    if let Some((_, status, why)) = different {
        assert_ne!(*status, their.status, "{name} does not differ any more: {why}");
    }
    if status == 301 {
        let location = LOCATIONS.iter().find(|(case, _)| *case == name).map_or_else(
            || {
                let their = their.field("location").unwrap();
                their.trim_start_matches('/').split_once('/').map(|(_, path)| format!("/{path}"))
            },
            |(_, location)| Some((*location).to_owned()),
        );
        assert_eq!(our.field("location").map(str::to_owned), location, "{name}");
    }
    if (status, their.status) != (200, 200) {
        return;
    }
    for field in ["content-type", "content-length"] {
        assert_eq!(our.field(field), their.field(field), "{name}: {field}");
    }
    if their.field("last-modified").unwrap().contains("2020") {
        assert_eq!(our.field("last-modified"), their.field("last-modified"), "{name}");
    }
    assert_eq!(our.body, their.body, "{name}");
    assert_eq!(our.field("accept-ranges"), Some("bytes"), "{name}");
    let tag = our.field("etag").unwrap();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{name}: {tag}");
}

#[derive(Debug)]
struct Received {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Received {
    async fn read(from: &mut (impl tokio::io::AsyncRead + Unpin), is_head: bool) -> Self {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(from.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut received = Self { status, head, body: Vec::new() };
        if !is_head && status != 304 {
            let length = received.field("content-length").unwrap().parse().unwrap();
            received.body = vec![0; length];
            from.read_exact(&mut received.body).await.unwrap();
        }
        received
    }

    fn field(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| {
            line.split_once(": ").is_some_and(|(field, _)| field.eq_ignore_ascii_case(name))
        };
        self.head.lines().find(named).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }
}

/// The files that the recordings were made over.
fn build(root: &Path, second: bool) {
    let files = root.join("static");
    for dir in ["static/sub", "static/emptydir", "static/only", "static2"] {
        fs::create_dir_all(root.join(dir)).unwrap();
    }
    for secret in ["secret.txt", "static2/s.txt"] {
        fs::write(root.join(secret), "SECRET").unwrap();
    }
    for (name, content) in [
        ("a.txt", "hello a\n"),
        ("index.html", if second { "x" } else { "<p>index</p>\n" }),
        ("empty.txt", ""),
        ("noext", "noext\n"),
        ("UP.HTML", "up\n"),
        ("x.tar.gz", "gz"),
        ("y.tar.qq", "qq"),
        ("y.qq", "qq2"),
        ("jpg", "jpgnoext"),
        ("html", "h"),
        ("tml", "x"),
        ("foo.unknownext", "u"),
        ("a.zz", "zz"),
        (".hidden", "hidden\n"),
        ("sp ace.txt", "space\n"),
        ("plus+x.txt", "plus\n"),
        ("per%41.txt", "pct\n"),
        ("utf\u{e9}.txt", "u\n"),
        ("noperm.txt", "x"),
        ("sub/b.txt", "b\n"),
        ("sub/index.html", if second { "s" } else { "subindex\n" }),
        ("big.bin", &"x".repeat(204_800)),
    ] {
        fs::write(files.join(name), content).unwrap();
    }
    for (link, target) in
        [("link_in.txt", "a.txt"), ("link_out.txt", "../secret.txt"), ("link_dir", "sub")]
    {
        symlink(target, files.join(link)).unwrap();
    }
    for (name, gibibytes) in [("huge.bin", 3), ("huge5.bin", 5)] {
        fs::File::create(files.join(name)).unwrap().set_len(gibibytes << 30).unwrap();
    }
    let recorded = SystemTime::UNIX_EPOCH + Duration::from_secs(0x5e0d_5da5);
    for name in ["a.txt", "index.html", "big.bin", "huge.bin", "huge5.bin"] {
        if !(second && name == "index.html") {
            let file = fs::File::options().write(true).open(files.join(name)).unwrap();
            file.set_modified(recorded).unwrap();
        }
    }
}

/// The recordings hold one character per byte.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|ch| u8::try_from(u32::from(ch)).unwrap()).collect()
}
