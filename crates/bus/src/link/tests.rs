//! Links on real sockets, with peers of the `zeromq` crate and peers written byte by byte.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use zeromq::{PubSocket, PullSocket, Socket, SocketRecv, SocketSend};

use super::*;

#[derive(Debug, PartialEq)]
enum Heard {
    Message(Bytes),
    Undelivered(u64, Undelivered),
}

struct Ear(mpsc::UnboundedSender<Heard>);

impl LinkEvents for Ear {
    fn message(&self, _from: Publisher, message: Bytes) {
        // A test may end while messages still come.
        self.0.send(Heard::Message(message)).ok();
    }

    fn notice(&self, notice: Notice) -> Bytes {
        format!("bye {}", notice.conn).into()
    }

    fn undelivered(&self, tag: Tag, why: Undelivered) {
        self.0.send(Heard::Undelivered(tag.conn, why)).ok();
    }
}

struct Bound {
    link: Link,
    heard: mpsc::UnboundedReceiver<Heard>,
    next_conn: AtomicU64,
}

async fn bound_at(send_spec: &str, recv_spec: &str, limits: LinkLimits) -> Bound {
    let (ear, heard) = mpsc::unbounded_channel();
    let spec = LinkSpec {
        send_spec: send_spec.into(),
        send_ident: "server".into(),
        recv_spec: recv_spec.into(),
        recv_ident: String::new(),
    };
    let link = Link::bind(spec, limits, Arc::new(Ear(ear))).await.unwrap();
    Bound { link, heard, next_conn: AtomicU64::new(1) }
}

/// Where peers that only pull need not be waited for.
async fn bound(limits: LinkLimits) -> Bound {
    let limits = LinkLimits { arrival_grace: Duration::ZERO, ..limits };
    bound_at("tcp://127.0.0.1:*", "tcp://127.0.0.1:*", limits).await
}

impl Bound {
    fn send(&self, message: impl Into<Bytes>, replayable: bool) -> Tag {
        let tag = Tag { conn: self.next_conn.fetch_add(1, Ordering::Relaxed), exchange: 0 };
        let delivery = Delivery::Request { tag, replayable };
        self.link.send(Outgoing { message: message.into(), delivery }).unwrap();
        tag
    }

    async fn next(&mut self) -> Heard {
        within(self.heard.recv()).await.unwrap()
    }

    /// A raw PULL peer after its handshake.
    async fn puller(&self) -> TcpStream {
        let mut stream = dial(&self.link.bound().0).await;
        stream.write_all(GREETING).await.unwrap();
        stream.write_all(READY_PULL).await.unwrap();
        // No more than the handshake: what waits for a peer follows at once.
        let mut handshake = [0; 64 + 47];
        within(stream.read_exact(&mut handshake)).await.unwrap();
        assert!(handshake.ends_with(b"Identity\0\0\0\x06server"));
        stream
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("in time")
}

async fn dial(spec: &str) -> TcpStream {
    TcpStream::connect(spec.strip_prefix("tcp://").unwrap()).await.unwrap()
}

async fn read_to(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut got = Vec::new();
    while !got.windows(end.len()).any(|window| window == end) {
        let read = within(stream.read_buf(&mut got)).await.unwrap();
        assert!(read > 0, "ended after {}", got.escape_ascii());
    }
    got
}

async fn until(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

const GREETING: &[u8; 64] =
    b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const READY_PULL: &[u8] = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL";

#[tokio::test]
async fn the_zeromq_crate_over_tcp_and_ipc() {
    let dir = tempfile::tempdir().unwrap();
    let ipc = |name: &str| format!("ipc://{}/{name}", dir.path().display());
    for (send, recv) in
        [("tcp://127.0.0.1:*".to_owned(), "tcp://127.0.0.1:0".to_owned()), (ipc("s"), ipc("r"))]
    {
        let mut bound = bound_at(&send, &recv, LinkLimits::default()).await;
        let early = bound.send("early", true);
        let (send, recv) = bound.link.bound();
        let mut pull = PullSocket::new();
        pull.connect(&send).await.unwrap();
        let mut reply = PubSocket::new();
        reply.connect(&recv).await.unwrap();
        assert_eq!(within(pull.recv()).await.unwrap().into_vec(), ["early"]);
        until(|| !bound.link.stats().publishers.is_empty()).await;
        // The subscription needs to have arrived: PUB drops what nobody wants.
        let mut got = None;
        while got.is_none() {
            within(reply.send("answer".into())).await.unwrap();
            got = timeout(Duration::from_millis(20), bound.heard.recv()).await.ok();
        }
        assert_eq!(got.unwrap(), Some(Heard::Message("answer".into())));
        bound.link.answered(early);
        let large = Bytes::from(vec![b'x'; 3 << 20]);
        bound.send(large.clone(), false);
        assert!(within(pull.recv()).await.unwrap().into_vec() == [large.clone()]);
        reply.send(large.clone().into()).await.unwrap();
        while bound.next().await != Heard::Message(large.clone()) {}
        within(bound.link.close()).await;
        assert_eq!(bound.next().await, Heard::Undelivered(2, Undelivered::PeerLost));
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_lost_peer_is_known_at_once() {
    let limits = LinkLimits { orphan_grace: Duration::ZERO, ..LinkLimits::default() };
    let mut bound = bound(limits).await;
    let mut first = bound.puller().await;
    until(|| bound.link.peers() == 1).await;
    let answered = bound.send("answered", true);
    bound.send("once", false);
    bound.send("again", true);
    read_to(&mut first, b"\0\x05again").await;
    bound.link.answered(answered);
    drop(first);
    assert_eq!(bound.next().await, Heard::Undelivered(2, Undelivered::PeerLost));
    let mut second = bound.puller().await;
    assert!(read_to(&mut second, b"again").await.ends_with(b"\0\x05again"));
    drop(second);
    until(|| bound.link.peers() == 0).await;
    let stats = bound.link.stats();
    assert_eq!((stats.lost, stats.retries, stats.open, stats.queued), (1, 2, 1, 1));
}

#[tokio::test]
async fn a_peer_that_stops_reading_holds_up_nobody() {
    let limits = LinkLimits { orphan_grace: Duration::ZERO, ..LinkLimits::default() };
    let mut bound = bound(limits).await;
    let stuck = bound.puller().await;
    until(|| bound.link.peers() == 1).await;
    let body = Bytes::from(vec![7; 1 << 20]);
    for _ in 0..32 {
        bound.send(body.clone(), true);
    }
    until(|| bound.link.stats().queued > 0).await;
    let mut healthy = bound.puller().await;
    bound.send("for the healthy one", true);
    read_to(&mut healthy, b"for the healthy one").await;
    let stats = bound.link.stats();
    assert_eq!((stats.queued, stats.open), (0, 33));
    drop(stuck);
    within(async {
        let mut got = vec![0; 1 << 16];
        while bound.link.peers() == 2 || bound.link.stats().peers[0].queued > 0 {
            assert!(healthy.read(&mut got).await.unwrap() > 0);
        }
    })
    .await;
    assert_eq!(bound.link.stats().peers[0].pending, 33);
    assert!(bound.heard.try_recv().is_err());
}

#[tokio::test]
async fn without_a_peer_requests_time_out() {
    let limits = LinkLimits {
        queue_max: 2,
        queue_timeout: Duration::from_millis(50),
        ..LinkLimits::default()
    };
    let mut bound = bound(limits).await;
    bound.send("a", true);
    let left = bound.send("b", true);
    let third = Outgoing { message: "c".into(), delivery: Delivery::Message { tag: left } };
    assert_eq!(bound.link.send(third), Err(NotSent::QueueFull));
    bound.link.answered(left);
    assert_eq!(bound.next().await, Heard::Undelivered(1, Undelivered::NoHandler));
    bound.send("d", true);
    assert_eq!(bound.next().await, Heard::Undelivered(3, Undelivered::NoHandler));
}

#[tokio::test]
async fn many_peers_get_their_turns() {
    let bound = bound(LinkLimits::default()).await;
    let mut pulls = Vec::new();
    for _ in 0..20 {
        pulls.push(bound.puller().await);
    }
    until(|| bound.link.peers() == 20).await;
    for n in 0..200 {
        bound.send(format!("{n:03}"), true);
    }
    for (n, pull) in pulls.iter_mut().enumerate() {
        let got = read_to(pull, format!("{:03}", 180 + n).as_bytes()).await;
        assert_eq!(got.len(), 10 * 5);
    }
    assert!(bound.link.stats().peers.iter().all(|peer| peer.pending == 10));
}

#[tokio::test]
async fn both_sockets_are_bound_or_neither() {
    let bound = bound(LinkLimits::default()).await;
    let (taken, _) = bound.link.bound();
    let dir = tempfile::tempdir().unwrap();
    let free = format!("ipc://{}/s", dir.path().display());
    for (send, recv) in [(&taken, &free), (&free, &taken)] {
        let spec = LinkSpec {
            send_spec: send.clone(),
            send_ident: String::new(),
            recv_spec: recv.clone(),
            recv_ident: String::new(),
        };
        let (ear, _) = mpsc::unbounded_channel();
        let fault = Link::bind(spec, LinkLimits::default(), Arc::new(Ear(ear))).await.unwrap_err();
        assert_eq!(fault.spec, taken);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn a_dropped_link_gives_everything_back() {
    let mut bound = bound(LinkLimits::default()).await;
    bound.send("a", true);
    let spec = bound.link.bound().0;
    drop(bound.link);
    let heard = within(bound.heard.recv()).await;
    assert_eq!(heard, Some(Heard::Undelivered(1, Undelivered::Closed)));
    within(async {
        while TcpStream::connect(spec.strip_prefix("tcp://").unwrap()).await.is_ok() {}
    })
    .await;
}

#[tokio::test]
async fn an_answer_may_come_after_its_handlers_requests_have_ended() {
    let limits = LinkLimits { orphan_grace: Duration::from_secs(600), ..LinkLimits::default() };
    let mut bound = bound(limits).await;
    let mut pull = bound.puller().await;
    let tag = bound.send("once", false);
    read_to(&mut pull, b"once").await;
    drop(pull);
    until(|| bound.link.peers() == 0).await;
    assert_eq!((bound.link.stats().orphaned, bound.link.stats().lost), (1, 0));
    assert_eq!(bound.link.answered(tag), Holders::One);
    assert_eq!(bound.link.stats().open, 0);
    assert!(bound.heard.try_recv().is_err());
}

#[tokio::test]
async fn the_grace_ends_while_a_later_time_is_waited_for() {
    let limits = LinkLimits {
        queue_timeout: Duration::from_secs(600),
        orphan_grace: Duration::from_millis(20),
        pending_max: 1,
        ..LinkLimits::default()
    };
    let mut bound = bound(limits).await;
    let mut pull = bound.puller().await;
    until(|| bound.link.peers() == 1).await;
    bound.send("lost", false);
    bound.send("waits", false);
    read_to(&mut pull, b"lost").await;
    drop(pull);
    assert_eq!(bound.next().await, Heard::Undelivered(1, Undelivered::PeerLost));
}

#[tokio::test]
async fn an_earlier_time_is_noticed_when_limits_change() {
    let limits = LinkLimits { queue_timeout: Duration::from_secs(600), ..LinkLimits::default() };
    let mut bound = bound(limits.clone()).await;
    bound.send("waits", true);
    bound.link.adopt(LinkLimits { queue_timeout: Duration::from_millis(20), ..limits });
    assert_eq!(bound.next().await, Heard::Undelivered(1, Undelivered::NoHandler));
}

/// As when all clients of a chat leave at once while its handler is busy.
#[tokio::test]
async fn a_busy_handler_hears_every_notice() {
    let limits = LinkLimits { queue_max: 2, ..LinkLimits::default() };
    let mut bound = bound(limits).await;
    let mut busy = bound.puller().await;
    until(|| bound.link.peers() == 1).await;
    bound.send(vec![b'x'; 16 << 20], true);
    for conn in 0..10_000 {
        bound.link.notify(Notice { conn, news: News::Left }).unwrap();
    }
    assert!(bound.link.stats().notices > 0, "more than a peer's queue holds");
    let got = read_to(&mut busy, b"bye 9999").await;
    // Each frame begins with a NUL and its length.
    let conns = got.split(|byte| *byte == 0).filter_map(|frame| {
        std::str::from_utf8(frame.get(1..)?).ok()?.strip_prefix("bye ")?.parse::<u64>().ok()
    });
    assert!(conns.eq(0..10_000));
    assert!(bound.heard.try_recv().is_err());
}

#[tokio::test]
async fn a_handler_without_a_publisher_is_not_waited_for_without_end() {
    let limits =
        LinkLimits { silence_patience: Duration::from_millis(50), ..LinkLimits::default() };
    let mut bound = bound(limits).await;
    let mut pull = bound.puller().await;
    let mut publisher = PubSocket::new();
    publisher.connect(&bound.link.bound().1).await.unwrap();
    until(|| !bound.link.stats().publishers.is_empty()).await;
    bound.send("asked", true);
    read_to(&mut pull, b"asked").await;
    assert!(timeout(Duration::from_millis(150), bound.heard.recv()).await.is_err());
    drop(publisher);
    assert_eq!(bound.next().await, Heard::Undelivered(1, Undelivered::PeerLost));
    bound.send("asked again", true);
    read_to(&mut pull, b"asked again").await;
    assert_eq!(bound.next().await, Heard::Undelivered(2, Undelivered::PeerLost));
    assert_eq!((bound.link.peers(), bound.link.stats().open), (1, 0));
}

#[tokio::test]
async fn handlers_beyond_the_bound_wait_until_there_is_room() {
    let limits = LinkLimits { peers_max: 1, ..LinkLimits::default() };
    let bound = bound(limits.clone()).await;
    let _first = bound.puller().await;
    until(|| bound.link.peers() == 1).await;
    let mut second = dial(&bound.link.bound().0).await;
    second.write_all(GREETING).await.unwrap();
    second.write_all(READY_PULL).await.unwrap();
    let waits = timeout(Duration::from_millis(50), second.read_u8()).await;
    assert!(waits.is_err(), "it is not served yet");
    bound.link.adopt(LinkLimits { peers_max: 2, ..limits });
    read_to(&mut second, b"READY").await;
    until(|| bound.link.peers() == 2).await;
}
