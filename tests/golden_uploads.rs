//! Exchanges recorded from Mongrel2, replayed: uploads to files, in parts, and download credits.

use crate::harness::{Client, Handler, HandlerSpec, Message, Running, SiteBuilder, until};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Cases that are not replayed, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("upload-limit-plus-1", "it hung"),
    ("upload-forged-headers", "client-sent x-mongrel2-* never reach a handler"),
    ("upload-forged-start", "client-sent x-mongrel2-* never reach a handler"),
    ("upload-pipelined", "the next request was written into the file"),
    ("upload-client-half", "closed without a word; now 400"),
    ("upload-chunked-bad-size", "it was taken for the end; now 400"),
    ("upload-chunked-negative", "it was taken for the end; now 400"),
    ("upload-chunked-lf", "closed without a word; now 400"),
    ("upload-chunked-big-chunk", "chunks have no limit of their own"),
    ("stream-1000-credits", "the first part may be no larger than limits.content_length"),
    ("stream-no-credits", "the same"),
    ("stream-abort-empty", "the same"),
    ("stream-abort-cancel", "the same"),
    ("stream-client-leaves", "the same"),
    ("stream-expect", "the client is invited by the first credits"),
    ("stream-forged", "names with an underscore never reach a handler"),
    ("flow-over", "depends on how fast replies are written; closing is now said"),
    ("flow-one-too-big", "closing is now said"),
];

struct Replay {
    server: Running,
    /// By route.
    handlers: Vec<(&'static str, Handler)>,
}

impl Replay {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let mut tnetstring = HandlerSpec::named("t");
        tnetstring.protocol = "tnetstring";
        let site = SiteBuilder::new().handler("/h", "h").handler_with("/t", &tnetstring);
        let set = |site: SiteBuilder, (key, value): &(&str, &str)| site.setting(key, value);
        let site = settings.iter().fold(site, set);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let server = Running::start_in(folder, &site, listen).await;
        let handlers = vec![("/h", server.handler("h").await), ("/t", server.handler("t").await)];
        Self { server, handlers }
    }

    async fn case(&mut self, case: &Value) {
        let name = case["name"].as_str().unwrap();
        let events = case["events"].as_array().unwrap();
        let is_tnetstring = events.iter().any(|event| {
            event["data"]
                .as_str()
                .is_some_and(|data| data.starts_with("POST /t") || data.starts_with("GET /t"))
        });
        let handler = &mut self.handlers[usize::from(is_tnetstring)].1;
        let mut client = Some(self.server.client().await);
        let mut conn = None;
        for event in events {
            let data = event["data"].as_str().map(expand).unwrap_or_default();
            for _ in 0..event["times"].as_u64().unwrap_or(1) {
                match event["who"].as_str().unwrap() {
                    "client->server" => client.as_mut().unwrap().try_send(&data).await,
                    "server->client" => {
                        let got = client.as_mut().unwrap().exactly(data.len()).await;
                        assert!(got == data, "{name}: {}", got.escape_ascii());
                    }
                    "server->handler" => {
                        let got = handler.next().await;
                        compare(name, &got, &Message::read(data.clone()));
                        assert_eq!(*conn.get_or_insert(got.conn), got.conn, "{name}");
                    }
                    "handler->server" => handler.send(redirected(&data, conn.unwrap())).await,
                    "server-closed" => client.as_mut().unwrap().closed().await,
                    "client-shutdown-write" => client.as_mut().unwrap().shutdown().await,
                    "still-open" | "client-close" => client = None,
                    "temp files left" => files(self.server.folder(), name, event).await,
                    "temp file content" | "error.log" | "access.log" => {}
                    other => panic!("{name}: {other}"),
                }
            }
        }
        // What the case leaves unsaid about its end must not disturb the next one.
        if client.take().is_some() || events.iter().all(|event| !says_disconnect(event)) {
            until(|| self.server.server.registry().is_empty()).await;
            self.forget(is_tnetstring).await;
        }
        for path in uploads(self.server.folder()) {
            std::fs::remove_file(path).unwrap();
        }
    }

    /// A client that has announced an upload.
    async fn begin(&self) -> Client {
        let mut client = self.server.client().await;
        client.send("POST /h HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n").await;
        client
    }

    /// Reads up to the answer to a request of its own.
    async fn forget(&mut self, is_tnetstring: bool) {
        let (path, handler) = &mut self.handlers[usize::from(is_tnetstring)];
        let mut client = self.server.client().await;
        client.send(format!("GET {path}?forget HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        loop {
            let message = handler.next().await;
            if message.header("QUERY") == Some("forget") {
                handler.close(message.conn).await;
                client.closed().await;
                return;
            }
        }
    }
}

async fn files(folder: &Path, name: &str, event: &Value) {
    let recorded = event["data"].as_array().unwrap();
    let describe = |path: &std::path::PathBuf| {
        let metadata = std::fs::metadata(path).unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        format!("up.XXXXXX size={} mode={mode:o}", metadata.len())
    };
    let expected: Vec<&str> = recorded.iter().map(|file| file.as_str().unwrap()).collect();
    until(|| uploads(folder).len() == expected.len()).await;
    let found: Vec<String> = uploads(folder).iter().map(describe).collect();
    assert_eq!(found, expected, "{name}");
}

/// The bytes of a string, with the middle of a long one made up again: bodies are digits in turn,
/// or one letter over and over.
fn expand(text: &str) -> Vec<u8> {
    let latin1 = |text: &str| text.chars().map(|char| char as u8).collect::<Vec<u8>>();
    let Some((before, rest)) = text.split_once("...<") else { return latin1(text) };
    let (count, after) = rest.split_once(" bytes in all>...").unwrap();
    let (mut bytes, after) = (latin1(before), latin1(after));
    let count: usize = count.parse().unwrap();
    while bytes.len() + after.len() < count {
        let next = match *bytes.last().unwrap() {
            b'9' => b'0',
            digit @ b'0'..=b'8' => digit + 1,
            letter => letter,
        };
        bytes.push(next);
    }
    bytes.extend(after);
    bytes
}

/// A recorded reply, to the connection that has this case's number now.
fn redirected(reply: &[u8], conn: u64) -> Vec<u8> {
    let text = String::from_utf8(reply.to_vec()).unwrap();
    let (sender, rest) = text.split_once(' ').unwrap();
    let (targets, body) = rest.split_once(", ").unwrap();
    let control = if targets.contains(":X ") { "X " } else { "" };
    let targets = format!("{control}{conn}");
    format!("{sender} {}:{targets}, {body}", targets.len()).into_bytes()
}

fn says_disconnect(event: &Value) -> bool {
    event["data"].as_str().is_some_and(|data| data.contains("{\"type\":\"disconnect\"}"))
}

fn uploads(folder: &Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(folder.join("tmp")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.')).collect()
}

fn compare(name: &str, got: &Message, recorded: &Message) {
    assert_eq!(got.path, recorded.path, "{name}");
    assert!(got.body == recorded.body, "{name}: {}", got.raw.escape_ascii());
    let mut headers = got.headers.clone();
    // New: how large the file is.
    headers.remove("x-mongrel2-upload-size");
    let names = |message: &Message| message.headers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(headers.keys().cloned().collect::<Vec<_>>(), names(recorded), "{name}");
    for (key, value) in &headers {
        if key.starts_with("x-mongrel2-upload-") {
            let file = std::str::from_utf8(&value[0]).unwrap();
            assert!(file.contains("/tmp/up."), "{name}: {file}");
            assert_eq!(got.header("x-mongrel2-upload-start"), Some(file), "{name}");
        } else {
            assert_eq!(value, &recorded.headers[key], "{name}: {key}");
        }
    }
}

fn recorded(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn replay(file: &str, settings: &[(&str, &str)], at_least: usize) {
    let recorded = recorded(file);
    let mut replay = Replay::start(settings).await;
    let mut count = 0;
    for case in recorded["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        if DIFFERENT.iter().all(|(different, _)| *different != name) {
            replay.case(case).await;
            count += 1;
        }
    }
    assert!(count >= at_least, "only {count} cases of {file}");
}

#[tokio::test]
async fn uploads_to_files() {
    let settings = [("upload.temp_store", "{}/tmp/up.XXXXXX"), ("limits.content_length", "1000")];
    replay("08-uploads.json", &settings, 15).await;
}

/// Settings that Mongrel2 took and looked at with the first upload.
#[tokio::test]
async fn modes_and_templates() {
    /// What becomes of a case that is not equal.
    #[derive(Debug, Clone, Copy)]
    enum Now {
        Equal,
        /// The file is made, with this mode.
        Mode(u32),
        /// The configuration is refused, naming the setting.
        Refused,
        /// The client is told.
        Status(u16),
    }
    let now = |name: &str| match name {
        "mode-0666" => Now::Equal,
        // A mode is octal with and without its 0; read as decimal it became 01232.
        "mode-666" => Now::Mode(0o666),
        "mode-bad" | "no-X" => Now::Refused,
        // It was closed without a word; it is warned of at start.
        "no-dir" => Now::Status(500),
        other => panic!("a case that nobody has looked at: {other}"),
    };
    let recorded = recorded("08-uploads-modes.json");
    for case in recorded["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let about = case["about"].as_str().unwrap();
        let setting: Vec<&str> = about.split('\'').collect();
        let (key, value) = (setting[1], setting[3]);
        let value =
            if key == "upload.temp_store" { format!("{{}}/{value}") } else { value.to_owned() };
        let mut settings =
            vec![("upload.temp_store", "{}/tmp/up.XXXXXX"), ("limits.content_length", "1000")];
        settings.retain(|setting| setting.0 != key);
        settings.push((key, &value));
        match now(name) {
            Now::Equal => Replay::start(&settings).await.case(case).await,
            Now::Refused => {
                let replay = Replay::start(&[]).await;
                let site = settings
                    .iter()
                    .fold(SiteBuilder::new(), |site, (key, value)| site.setting(key, value));
                let fault = replay.server.reload(&site).await.unwrap_err();
                assert!(fault.contains(key), "{name}: {fault}");
            }
            Now::Mode(mode) => {
                let replay = Replay::start(&settings).await;
                let _client = replay.begin().await;
                until(|| uploads(replay.server.folder()).len() == 1).await;
                let made = std::fs::metadata(&uploads(replay.server.folder())[0]).unwrap();
                assert_eq!(made.permissions().mode() & 0o7777, mode, "{name}");
            }
            Now::Status(status) => {
                let replay = Replay::start(&settings).await;
                assert_eq!(replay.begin().await.reply().await.status, status, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn uploads_in_parts() {
    let settings = [("upload.stream", "1"), ("limits.content_length", "1000")];
    replay("08-upload-stream.json", &settings, 7).await;
}

#[tokio::test]
async fn download_credits() {
    replay("08-download-flow.json", &[("download.flow_control", "1")], 6).await;
}
