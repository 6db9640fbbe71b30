//! A handler that receives what it is sent, byte for byte, and sends whatever it is told.

mod zmtp;

use super::{Client, HandlerSpec, Running, within};
use std::collections::BTreeMap;
use tokio::task::AbortHandle;
use wire::ParsedRequest;
use zmtp::Wire;

pub(crate) use zmtp::Zmtp;

/// The name that replies carry.
const SENDER: &str = "raw-handler";

/// Connected to both sockets of a handler row; dropping it is what a killed process looks like.
#[derive(Debug)]
pub(crate) struct Handler {
    pull: Wire,
    publish: Wire,
}

/// A message from the server, in parts.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) raw: Vec<u8>,
    pub(crate) sender: Vec<u8>,
    pub(crate) conn: u64,
    pub(crate) path: String,
    /// Values by name; a header that was sent more than once has more than one.
    pub(crate) headers: BTreeMap<String, Vec<Vec<u8>>>,
    pub(crate) body: Vec<u8>,
    pub(crate) is_disconnect: bool,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving(AbortHandle);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Message {
    pub(crate) fn read(raw: Vec<u8>) -> Self {
        let parsed = ParsedRequest::parse(&raw)
            .unwrap_or_else(|error| panic!("{error}: {}", raw.escape_ascii()));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = parsed.headers.0.iter().map(|(name, value)| {
            (text(name), value.as_slice().iter().map(|value| value.to_vec()).collect())
        });
        Self {
            sender: parsed.sender.to_vec(),
            conn: parsed.conn,
            path: text(parsed.path),
            headers: headers.collect(),
            body: parsed.body.to_vec(),
            is_disconnect: parsed.is_disconnect(),
            raw: raw.clone(),
        }
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers.get(name)?;
        assert_eq!(values.len(), 1, "values of {name}");
        Some(std::str::from_utf8(&values[0]).unwrap())
    }
}

impl Handler {
    /// Returns when the server has subscribed to what this handler sends.
    pub(crate) async fn connect(spec: &HandlerSpec) -> Self {
        Self::connect_speaking(Zmtp::V3_0, spec).await
    }

    pub(crate) async fn connect_speaking(zmtp: Zmtp, spec: &HandlerSpec) -> Self {
        let mut publish = Wire::open(&spec.recv_spec, "PUB", zmtp).await;
        publish.subscribed().await;
        Self { pull: Wire::open(&spec.send_spec, "PULL", zmtp).await, publish }
    }

    pub(crate) async fn next(&mut self) -> Message {
        Message::read(self.pull.message().await.expect("the server closed the link"))
    }

    /// The next message, which is a request.
    pub(crate) async fn request(&mut self) -> Message {
        let message = self.next().await;
        assert!(!message.is_disconnect, "a notice for {} instead of a request", message.conn);
        message
    }

    /// The connection of the next message, which is a notice that it has ended.
    pub(crate) async fn notice(&mut self) -> u64 {
        let message = self.next().await;
        assert!(message.is_disconnect, "{} instead of a notice", message.raw.escape_ascii());
        message.conn
    }

    /// Waits to be asked on both connections whether it is there, having been sent nothing else.
    pub(crate) async fn pinged(&mut self) {
        self.pull.pinged().await;
        self.publish.pinged().await;
    }

    /// Closes the connection on which requests come.
    pub(crate) async fn take_no_more(&mut self) {
        self.pull.shutdown().await;
    }

    /// Waits until the server has closed the link, having sent nothing more.
    pub(crate) async fn ended(&mut self) {
        let message = self.pull.message().await;
        assert!(message.is_none(), "{:?}", message.map(|raw| raw.escape_ascii().to_string()));
    }

    /// Proves that no message waits: the next one to arrive is the request made here.
    pub(crate) async fn expect_silence(&mut self, server: &Running, path: &str) {
        let mut client = server.client().await;
        let path = format!("{path}?silence");
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let next = self.next().await;
        let shown = next.raw.escape_ascii();
        assert_eq!(next.header("URI"), Some(path.as_str()), "there was a message: {shown}");
        self.answer(&next, "silence").await;
        assert_eq!(client.reply().await.text(), "silence");
        client.shutdown().await;
        assert_eq!(self.notice().await, next.conn);
    }

    /// Sends `message` as it is.
    pub(crate) async fn send(&mut self, message: impl AsRef<[u8]>) {
        self.publish.send(0, message.as_ref()).await;
    }

    /// Sends one ZeroMQ message of several frames.
    pub(crate) async fn send_frames(&mut self, frames: &[Vec<u8>]) {
        for (at, frame) in frames.iter().enumerate() {
            self.publish.send(u8::from(at + 1 < frames.len()), frame).await;
        }
    }

    pub(crate) async fn reply(&mut self, conn: u64, bytes: impl AsRef<[u8]>) {
        self.reply_to_many(&[conn], bytes).await;
    }

    pub(crate) async fn reply_to_many(&mut self, conns: &[u64], bytes: impl AsRef<[u8]>) {
        self.send(reply(conns, bytes.as_ref())).await;
    }

    /// Asks the server to close a connection.
    pub(crate) async fn close(&mut self, conn: u64) {
        self.reply(conn, b"").await;
    }

    /// Answers a request with 200 and `text`.
    pub(crate) async fn answer(&mut self, request: &Message, text: &str) {
        self.reply(request.conn, ok(text)).await;
    }

    /// Answers each request with its path, in a task of its own.
    pub(crate) fn serve(mut self) -> Serving {
        let task = tokio::spawn(async move {
            while let Some(raw) = self.pull.try_message().await {
                let message = Message::read(raw);
                if !message.is_disconnect {
                    self.answer(&message, &message.path).await;
                }
            }
        });
        Serving(task.abort_handle())
    }
}

fn reply(conns: &[u64], bytes: &[u8]) -> Vec<u8> {
    let ids: Vec<String> = conns.iter().map(u64::to_string).collect();
    let ids = ids.join(" ");
    [format!("{SENDER} {}:{ids}, ", ids.len()).as_bytes(), bytes].concat()
}

/// A whole response with `text`.
pub(crate) fn ok(text: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
}

/// A client that has asked for `path`, and what its handler got.
pub(crate) async fn asked(
    server: &Running,
    handler: &mut Handler,
    path: &str,
) -> (Client, Message) {
    let mut client = server.client().await;
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    let request = within(handler.request()).await;
    (client, request)
}
