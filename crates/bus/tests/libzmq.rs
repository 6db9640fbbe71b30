//! Links and the control port against libzmq, through pyzmq.
//!
//! `LURCHER_PYTHON` names the interpreter. Without pyzmq the tests are skipped, or fail if `CI` is
//! `true`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "clippy knows test functions only, not what they share"
)]

#[path = "libzmq/security.rs"]
mod security;

use std::collections::BTreeSet;
use std::process::{Command as Check, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bus::{
    ControlPort, Delivery, Link, LinkEvents, LinkLimits, LinkSpec, Notice, Outgoing, Publisher,
    Security, Tag, Undelivered,
};
use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

fn python() -> Option<String> {
    let python = std::env::var("LURCHER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Check::new(&python)
        .args(["-c", "import zmq"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if there {
        return Some(python);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{python} has no pyzmq");
    eprintln!("skipped: {python} has no pyzmq");
    None
}

/// A Python process; killed when dropped.
struct Peer {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(python: &str, role: &str, specs: &(String, String), options: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer.py");
        let mut child = Command::new(python)
            .args([script, role, &specs.0, &specs.1])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, input, lines }
    }

    async fn line(&mut self) -> String {
        within(self.lines.next_line()).await.unwrap().expect("the peer lives")
    }

    async fn kill(&mut self) {
        within(self.child.kill()).await.unwrap();
    }
}

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

    fn notice(&self, _notice: Notice) -> Bytes {
        Bytes::new()
    }

    fn undelivered(&self, tag: Tag, why: Undelivered) {
        self.0.send(Heard::Undelivered(tag.conn, why)).ok();
    }
}

struct Bound {
    link: Link,
    heard: mpsc::UnboundedReceiver<Heard>,
}

async fn bound(specs: (&str, &str), recv_ident: &str, limits: LinkLimits) -> Bound {
    secured(specs, recv_ident, limits, Security::Null).await
}

async fn secured(
    specs: (&str, &str),
    recv_ident: &str,
    limits: LinkLimits,
    security: Security,
) -> Bound {
    let (ear, heard) = mpsc::unbounded_channel();
    let spec = LinkSpec {
        send_spec: specs.0.to_owned(),
        send_ident: "the-server".to_owned(),
        recv_spec: specs.1.to_owned(),
        recv_ident: recv_ident.to_owned(),
    };
    let link = Link::bind_secured(spec, limits, security, Arc::new(Ear(ear))).await.unwrap();
    Bound { link, heard }
}

const TCP: (&str, &str) = ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*");

impl Bound {
    fn send(&self, conn: u64, message: impl Into<Bytes>, replayable: bool) {
        let tag = Tag { conn, exchange: 0 };
        let delivery = Delivery::Request { tag, replayable };
        self.link.send(Outgoing { message: message.into(), delivery }).unwrap();
    }

    async fn next(&mut self) -> Heard {
        within(self.heard.recv()).await.unwrap()
    }

    async fn expect(&mut self, message: &str) {
        assert_eq!(self.next().await, Heard::Message(message.to_owned().into()));
    }

    async fn peers(&self, count: usize) {
        within(async {
            while self.link.peers() != count {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.expect("in time")
}

#[tokio::test]
async fn both_directions_over_tcp_and_ipc() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let ipc = |name: &str| format!("ipc://{}/{name}", dir.path().display());
    for specs in [TCP, (&ipc("s"), &ipc("r"))] {
        let mut bound = bound(specs, "", LinkLimits::default()).await;
        bound.send(0, "waiting", true);
        let mut peer = Peer::start(&python, "echo", &bound.link.bound(), &["identity=snake"]);
        assert_eq!(peer.line().await, "ready 01");
        bound.expect("waiting").await;
        for n in 1..1000 {
            bound.send(n, n.to_string(), true);
        }
        for n in 1..1000 {
            bound.expect(&n.to_string()).await;
            bound.link.answered(Tag { conn: n, exchange: 0 });
        }
        let large = "x".repeat(5 << 20);
        bound.send(1, large.clone(), true);
        assert!(bound.next().await == Heard::Message(large.into()));
        bound.send(2, "multipart", true);
        bound.expect("part one").await;
        bound.expect("part two").await;
        let stats = bound.link.stats();
        assert_eq!((stats.peers.len(), stats.publishers.len()), (1, 1));
        assert_eq!((stats.peers[0].name.version, stats.peers[0].pending), ((3, 1), 3));
        assert_eq!((stats.sent, stats.received), (1002, 1003));
    }
}

#[tokio::test]
async fn a_message_over_the_limit_ends_its_connection_and_no_other() {
    let Some(python) = python() else { return };
    let mut bound = bound(TCP, "", LinkLimits::default()).await;
    let mut other = Peer::start(&python, "echo", &bound.link.bound(), &[]);
    assert_eq!(other.line().await, "ready 01");
    let mut peer = Peer::start(&python, "publish", &bound.link.bound(), &[]);
    // 100 MiB, and what is allowed: that goes out when it has connected again.
    within(peer.input.write_all(b"104857600\n67108864\n")).await.unwrap();
    let Heard::Message(message) = bound.next().await else { panic!("undelivered") };
    assert_eq!(message.len(), 64 << 20);
    bound.send(1, "still there", true);
    bound.expect("still there").await;
}

#[tokio::test]
async fn a_subscription_prefix_is_kept() {
    let Some(python) = python() else { return };
    let mut bound = bound(TCP, "sender-7 ", LinkLimits::default()).await;
    let mut peer = Peer::start(&python, "echo", &bound.link.bound(), &[]);
    let prefix: String = b"\x01sender-7 ".iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(peer.line().await, format!("ready {prefix}"));
    bound.send(1, "sender-8 no", true);
    bound.send(2, "sender-7 yes", true);
    bound.expect("sender-7 yes").await;
}

#[tokio::test]
async fn heartbeats_of_either_side_are_kept() {
    let Some(python) = python() else { return };
    let limits = LinkLimits {
        heartbeat_interval: Duration::from_millis(20),
        heartbeat_timeout: Duration::from_millis(2000),
        ..LinkLimits::default()
    };
    let mut bound = bound(TCP, "", limits).await;
    let mut peer = Peer::start(&python, "echo", &bound.link.bound(), &["heartbeat=50"]);
    assert_eq!(peer.line().await, "ready 01");
    bound.peers(1).await;
    let name = bound.link.stats().peers[0].name.clone();
    // Many times both intervals, and longer than the peer's own timeout of a second.
    let silence = timeout(Duration::from_millis(1500), bound.heard.recv()).await;
    assert!(silence.is_err());
    bound.send(1, "still here", true);
    bound.expect("still here").await;
    assert_eq!(bound.link.stats().peers[0].name, name, "the same connection");
}

#[tokio::test]
async fn a_stopped_process_is_found_out_by_its_heartbeat() {
    let Some(python) = python() else { return };
    let limits = LinkLimits {
        heartbeat_interval: Duration::from_millis(50),
        heartbeat_timeout: Duration::from_millis(1000),
        ..LinkLimits::default()
    };
    let mut bound = bound(TCP, "", limits).await;
    let mut peer = Peer::start(&python, "hoard", &bound.link.bound(), &[]);
    peer.line().await;
    bound.peers(1).await;
    bound.send(1, "one", false);
    assert_eq!(peer.line().await, "one");
    let pid = peer.child.id().unwrap().to_string();
    assert!(Check::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    assert_eq!(bound.next().await, Heard::Undelivered(1, Undelivered::PeerLost));
}

#[tokio::test]
async fn a_killed_handlers_requests_go_to_another() {
    let Some(python) = python() else { return };
    let mut bound = bound(TCP, "", LinkLimits::default()).await;
    let mut hoarder = Peer::start(&python, "hoard", &bound.link.bound(), &[]);
    hoarder.line().await;
    bound.peers(1).await;
    for n in 0..100 {
        bound.send(n, format!("request {n}"), n % 10 != 0);
    }
    assert_eq!(hoarder.line().await, "request 0");
    bound.link.answered(Tag { conn: 50, exchange: 0 });
    let mut echo = Peer::start(&python, "echo", &bound.link.bound(), &[]);
    assert_eq!(echo.line().await, "ready 01");
    bound.peers(2).await;
    hoarder.kill().await;
    let mut lost = BTreeSet::new();
    let mut again = BTreeSet::new();
    while lost.len() + again.len() < 99 {
        match bound.next().await {
            Heard::Undelivered(conn, Undelivered::PeerLost) => assert!(lost.insert(conn)),
            Heard::Message(message) => assert!(again.insert(message)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lost, [0, 10, 20, 30, 40, 60, 70, 80, 90].into());
    assert_eq!(again.len(), 90);
}

#[tokio::test]
async fn handlers_come_back_after_our_restart() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let ipc = |name: &str| format!("ipc://{}/{name}", dir.path().display());
    for specs in [TCP, (&ipc("s"), &ipc("r"))] {
        let first = bound(specs, "", LinkLimits::default()).await;
        let (send, recv) = first.link.bound();
        let mut peer = Peer::start(&python, "echo", &(send.clone(), recv.clone()), &[]);
        assert_eq!(peer.line().await, "ready 01");
        first.peers(1).await;
        within(first.link.close()).await;
        drop(first);
        let mut second = bound((&send, &recv), "", LinkLimits::default()).await;
        within(async {
            while second.link.stats().publishers.is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // The publisher may not have its subscription yet, and PUB drops what nobody wants.
        for n in 1.. {
            second.send(n, "hello again", true);
            if timeout(Duration::from_millis(100), second.heard.recv()).await.is_ok() {
                break;
            }
            assert!(n < 100);
        }
    }
}

#[tokio::test]
async fn a_slow_handler_gives_what_it_does_not_read_to_others() {
    let Some(python) = python() else { return };
    let mut bound = bound(TCP, "", LinkLimits::default()).await;
    let mut stopped = Peer::start(&python, "hoard", &bound.link.bound(), &["hwm=1"]);
    stopped.line().await;
    bound.peers(1).await;
    let pid = stopped.child.id().unwrap().to_string();
    assert!(Check::new("kill").args(["-STOP", &pid]).status().unwrap().success());
    let body = "y".repeat(1 << 20);
    for n in 0..40 {
        bound.send(n, body.clone(), true);
    }
    within(async {
        while bound.link.stats().queued == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let waiting = bound.link.stats().queued;
    let mut echo = Peer::start(&python, "echo", &bound.link.bound(), &[]);
    assert_eq!(echo.line().await, "ready 01");
    for _ in 0..waiting {
        assert!(matches!(bound.next().await, Heard::Message(_)));
    }
    assert_eq!(bound.link.stats().queued, 0);
    stopped.kill().await;
    for _ in waiting..40 {
        assert!(matches!(bound.next().await, Heard::Message(_)));
    }
}

#[tokio::test]
async fn the_control_port_answers_req() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let spec = format!("ipc://{}/control", dir.path().display());
    let mut port = ControlPort::bind(&spec).await.unwrap();
    let client = async {
        let mut peer = Peer::start(&python, "ask", &(spec.clone(), String::new()), &[]);
        assert_eq!(peer.line().await, "ready");
        for question in ["10:4:time,0:}]", "10:4:uuid,0:}]"] {
            peer.input.write_all(format!("{question}\n").as_bytes()).await.unwrap();
            assert_eq!(peer.line().await, format!("re: {question}"));
        }
    };
    let answer = |question: Bytes| async move { [b"re: ", &question[..]].concat().into() };
    tokio::select! {
        () = port.serve(answer) => {}
        () = within(client) => {}
    }
}
