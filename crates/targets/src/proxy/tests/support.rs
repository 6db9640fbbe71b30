//! A server with one proxy, and both ends of it as raw sockets.

use crate::proxy::Upstream;
use edge::{AccessRecord, Answer, Edge, Exchange, Registry, Rules, Service};
use http1::CloseReason;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// No step of a test takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(10);

struct OneProxy {
    upstream: Upstream,
    rules: Arc<Rules>,
    outcomes: UnboundedSender<Outcome>,
}

/// The status of an exchange, and why its connection ended, if it did.
pub(super) type Outcome = (u16, Option<CloseReason>);

impl Service for OneProxy {
    type Trace = ();

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }

    async fn serve<'r>(&self, exchange: Exchange<'r, '_>) -> (Answer<'r>, ()) {
        (self.upstream.serve(exchange).await, ())
    }

    fn record(&self, record: AccessRecord<'_, ()>) {
        // Only some tests listen.
        let _heard = self.outcomes.send((record.status, record.close));
    }
}

/// Both sides of a proxy, in one process.
pub(super) struct Bench {
    server: SocketAddr,
    backend: TcpListener,
    outcomes: UnboundedReceiver<Outcome>,
}

pub(super) async fn bench() -> Bench {
    bench_under(site::Limits::default()).await
}

pub(super) async fn bench_under(limits: site::Limits) -> Bench {
    let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = backend.local_addr().unwrap().port();
    let (server, outcomes) = start("127.0.0.1", port, limits).await;
    Bench { server, backend, outcomes }
}

/// Starts a server whose only target is a proxy to `addr:port`.
pub(super) async fn serve(addr: &str, port: u16, limits: site::Limits) -> SocketAddr {
    start(addr, port, limits).await.0
}

async fn start(
    addr: &str,
    port: u16,
    limits: site::Limits,
) -> (SocketAddr, UnboundedReceiver<Outcome>) {
    let proxy = Arc::new(site::Proxy { index: 0, id: 1, addr: addr.to_owned(), port });
    let upstream = Upstream::new(proxy, &limits);
    let http = http1::Limits::default();
    let rules = Arc::new(Rules { limits, http, tcp_keepalive: false });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let (outcomes, heard) = unbounded_channel();
    let edge = Edge::new(OneProxy { upstream, rules, outcomes }, Arc::new(Registry::default()));
    tokio::spawn(edge.accept(listener, Default::default()));
    (server, heard)
}

impl Bench {
    pub(super) async fn client(&self) -> Wire {
        Wire::to(self.server).await
    }

    /// The next connection that the proxy opens.
    pub(super) async fn accepted(&self) -> Wire {
        let (stream, _) = within(self.backend.accept()).await.unwrap();
        Wire::over(stream)
    }

    /// What became of the next exchange to end.
    pub(super) async fn outcome(&mut self) -> Outcome {
        within(self.outcomes.recv()).await.expect("the server runs")
    }

    pub(super) fn backend_port(&self) -> u16 {
        self.backend.local_addr().unwrap().port()
    }

    /// Whether the proxy opens a connection before `event` happens.
    pub(super) async fn opens_none_before<T>(&self, event: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            _ = self.backend.accept() => panic!("the proxy opened a connection"),
            value = within(event) => value,
        }
    }
}

pub(super) async fn within<F: Future>(step: F) -> F::Output {
    timeout(PATIENCE, step).await.expect("the step hangs")
}

/// One end of a connection.
pub(super) struct Wire {
    read: OwnedReadHalf,
    /// `None` while something is sent aside.
    write: Option<OwnedWriteHalf>,
    buffer: Vec<u8>,
}

/// A response, or a request, as it came.
pub(super) struct Message {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Wire {
    pub(super) async fn to(addr: SocketAddr) -> Self {
        Self::over(within(TcpStream::connect(addr)).await.unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        let (read, write) = stream.into_split();
        Self { read, write: Some(write), buffer: Vec::new() }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.writer().write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends while the answer is being read.
    pub(super) fn send_aside(&mut self, bytes: Vec<u8>) {
        let mut write = self.write.take().expect("one side sends at a time");
        tokio::spawn(async move {
            write.write_all(&bytes).await.unwrap();
            // Kept open: a client that closes its side is taken for gone.
            std::future::pending::<()>().await;
        });
    }

    /// Through the empty line.
    pub(super) async fn head(&mut self) -> String {
        String::from_utf8(self.until(b"\r\n\r\n").await).unwrap()
    }

    /// Everything through the first `end`.
    pub(super) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = find(&self.buffer, end) {
                return self.buffer.drain(..at + end.len()).collect();
            }
            assert!(self.read().await > 0, "closed before {:?}", text(end));
        }
    }

    pub(super) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            let missing = count - self.buffer.len();
            assert!(self.read().await > 0, "closed {missing} bytes early");
        }
        self.buffer.drain(..count).collect()
    }

    /// One chunk's data; empty for the last one.
    pub(super) async fn chunk(&mut self) -> Vec<u8> {
        let size = text(&self.until(b"\r\n").await).trim_end().to_owned();
        let size = usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("chunk {size:?}"));
        let mut data = self.bytes(size + 2).await;
        assert_eq!(data.split_off(size), b"\r\n");
        data
    }

    /// A message with the body that its framing promises; `head_only` for an answer to HEAD.
    pub(super) async fn message(&mut self, head_only: bool) -> Message {
        let head = self.head().await;
        let mut body = Vec::new();
        if let Some(length) = field(&head, "content-length").filter(|_| !head_only) {
            body = self.bytes(length.parse().unwrap()).await;
        } else if field(&head, "transfer-encoding") == Some("chunked") && !head_only {
            loop {
                let chunk = self.chunk().await;
                if chunk.is_empty() {
                    break;
                }
                body.extend(chunk);
            }
        }
        Message { head, body }
    }

    /// What is left until the other side closes; a reset counts as a close.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        while self.read().await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether nothing has come beyond what was read.
    pub(super) fn has_nothing_more(&self) -> bool {
        let mut byte = [0];
        self.buffer.is_empty() && self.read.try_read(&mut byte).is_err()
    }

    /// What comes within a moment in which nothing should come.
    pub(super) async fn silence(&mut self, moment: Duration) -> String {
        let _came = timeout(moment, self.read()).await;
        text(&std::mem::take(&mut self.buffer))
    }

    /// Whether the other side still takes anything.
    pub(super) async fn try_send(&mut self, bytes: &str) -> bool {
        within(self.writer().write_all(bytes.as_bytes())).await.is_ok()
    }

    /// Whether the stream ends with a reset.
    pub(super) async fn is_reset(&mut self) -> bool {
        let mut byte = [0];
        within(self.read.read(&mut byte)).await.is_err()
    }

    /// Ends our side only.
    pub(super) async fn finish(&mut self) {
        within(self.writer().shutdown()).await.unwrap();
    }

    pub(super) fn close(self) {}

    /// Closes with a reset, as a process does that dies with unread input.
    pub(super) fn reset(self) {
        self.read.as_ref().set_zero_linger().unwrap();
        if let Some(write) = self.write {
            write.forget();
        }
    }

    /// Sends until the other side takes no more for a moment; returns what it took.
    pub(super) async fn flood(&mut self, piece: &[u8], moment: Duration) -> usize {
        let mut taken = 0;
        while let Ok(count) = timeout(moment, self.writer().write(piece)).await {
            taken += count.unwrap();
        }
        taken
    }

    fn writer(&mut self) -> &mut OwnedWriteHalf {
        self.write.as_mut().expect("nothing is sent aside")
    }

    async fn read(&mut self) -> usize {
        within(self.read.read_buf(&mut self.buffer)).await.unwrap_or(0)
    }
}

pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

pub(super) fn status(head: &str) -> u16 {
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
