//! A client that says just what it is told and reads just what comes.

use super::{PATIENCE, within};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

/// One response, its body framed by Content-Length, by chunks, or by the close.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::over(within(TcpStream::connect(addr)).await.unwrap())
    }

    /// Whoever is at the other end of `stream`.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    /// A client whose kernel takes little in advance of what it reads.
    pub(crate) async fn connect_with_small_buffer(addr: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::over(within(socket.connect(addr)).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    pub(crate) fn local_port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// Sends to a server that may have closed already.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.ok();
    }

    /// Returns when the server has said something, or closed.
    pub(crate) async fn ready(&self) -> bool {
        within(self.stream.readable()).await.is_ok()
    }

    /// Whether the server has said anything.
    pub(crate) async fn has_input(&self) -> bool {
        let wait = Duration::from_millis(1);
        !self.read.is_empty() || tokio::time::timeout(wait, self.stream.readable()).await.is_ok()
    }

    /// A byte now and then, until the server says something or closes.
    pub(crate) async fn trickle(&mut self) {
        let began = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while !self.has_input().await {
            tick.tick().await;
            assert!(began.elapsed() < PATIENCE, "nothing within {PATIENCE:?}");
            self.try_send("x").await;
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        self.reply().await
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        self.reply_to("GET").await
    }

    /// Reads a whole response to a request of this method.
    pub(crate) async fn reply_to(&mut self, method: &str) -> Reply {
        let head = self.until(b"\r\n\r\n").await;
        let head = String::from_utf8(head).unwrap();
        let status = head.get(9..12).and_then(|code| code.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        let mut reply = Reply { status, head, body: Vec::new() };
        if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
            return reply;
        }
        let chunked = reply.field("transfer-encoding").is_some_and(|value| value == "chunked");
        let length = reply.field("content-length").map(|value| value.parse().unwrap());
        reply.body = match length {
            Some(length) => self.exactly(length).await,
            None if chunked => self.chunks().await,
            None => self.rest().await,
        };
        reply
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(
                self.fill().await > 0,
                "closed after {:?}",
                self.read.escape_ascii().to_string()
            );
        }
        self.read.drain(..length).collect()
    }

    pub(crate) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                return self.read.drain(..at + end.len()).collect();
            }
            assert!(
                self.fill().await > 0,
                "closed after {:?}",
                self.read.escape_ascii().to_string()
            );
        }
    }

    /// So many bytes, or fewer if the server closes before.
    pub(crate) async fn up_to(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length && self.fill().await > 0 {}
        self.read.drain(..length.min(self.read.len())).collect()
    }

    /// All there is until the server closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.read)
    }

    /// Waits for the server to close, having sent nothing more.
    pub(crate) async fn closed(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "before the close came {:?}", rest.escape_ascii().to_string());
    }

    pub(crate) async fn shutdown(&mut self) {
        within(self.stream.shutdown()).await.unwrap();
    }

    /// A reset instead of an orderly close.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = self.until(b"\r\n").await;
            let size = std::str::from_utf8(&line).unwrap().trim_end();
            let size = usize::from_str_radix(size, 16).unwrap();
            if size == 0 {
                assert_eq!(self.until(b"\r\n").await, b"\r\n");
                return body;
            }
            body.extend(self.exactly(size).await);
            assert_eq!(self.exactly(2).await, b"\r\n");
        }
    }

    /// Reads once; a reset counts as a close.
    async fn fill(&mut self) -> usize {
        self.read.reserve(16 << 10);
        within(self.stream.read_buf(&mut self.read)).await.unwrap_or(0)
    }
}
