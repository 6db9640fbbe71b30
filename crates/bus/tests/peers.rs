//! Links and the control port against ZeroMQ that is not ours: every test runs with each peer that
//! can play its part.
//!
//! `LURCHER_PYTHON` names the interpreter that has pyzmq, and with it libzmq. Without it those tests
//! are skipped, or fail if `CI` is `true`.
#![expect(clippy::unwrap_used, reason = "clippy knows test functions only, not what they share")]

#[path = "peers/judge.rs"]
mod judge;
#[path = "peers/security.rs"]
mod security;
#[path = "peers/zeromq_crate.rs"]
mod zeromq_crate;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bus::{
    ControlPort, Delivery, Link, LinkEvents, LinkLimits, LinkSpec, Notice, Outgoing, Publisher,
    Security, Tag, Undelivered,
};
use bytes::Bytes;
use judge::Judge;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The tests that each judge can judge, and more that this one can.
macro_rules! judged_by {
    ($judge:ident as $module:ident $($more:ident)*) => {
        judged_by! { @each $judge $module
            both_directions_over_tcp_and_ipc
            a_message_over_the_limit_is_passed_over
            a_subscription_prefix_is_kept
            heartbeats_of_either_side_are_kept
            a_killed_handlers_requests_go_to_another
            handlers_come_back_after_our_restart
            a_slow_handler_gives_what_it_does_not_read_to_others
            the_control_port_answers_req
            $($more)*
        }
    };
    (@each $judge:ident $module:ident $($test:ident)*) => {
        mod $module {
            $(#[tokio::test]
            async fn $test() {
                if super::Judge::$judge.is_there() {
                    super::$test(super::Judge::$judge).await;
                }
            })*
        }
    };
}

// Who speaks an older ZMTP has no heartbeats to be found out by.
judged_by! { Libzmq as libzmq a_stopped_process_is_found_out_by_its_heartbeat }
judged_by! { ZeromqCrate as the_zeromq_crate }
judged_by! { Jeromq as jeromq }

#[derive(Debug, PartialEq)]
enum Heard {
    Message(Bytes),
    Oversized(Bytes, usize),
    Undelivered(u64, Undelivered),
}

struct Ear(mpsc::UnboundedSender<Heard>);

impl LinkEvents for Ear {
    fn message(&self, _from: Publisher, message: Bytes) {
        // A test may end while messages still come.
        self.0.send(Heard::Message(message)).ok();
    }

    fn oversized(&self, _from: Publisher, begins: &Bytes, max: usize) {
        self.0.send(Heard::Oversized(begins.clone(), max)).ok();
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
    timeout(PATIENCE, future).await.expect("in time")
}

/// A Java machine takes its time to start.
const PATIENCE: Duration = Duration::from_secs(60);

fn patient() -> LinkLimits {
    LinkLimits { queue_timeout: PATIENCE, silence_patience: PATIENCE, ..LinkLimits::default() }
}

async fn both_directions_over_tcp_and_ipc(judge: Judge) {
    let dir = tempfile::tempdir().unwrap();
    for (send, recv) in judge.specs(dir.path()) {
        let specs = (&*send, &*recv);
        let mut bound = bound(specs, "", patient()).await;
        bound.send(0, "waiting", true);
        let mut peer = judge.plays("echo", &bound.link.bound(), &["identity=snake"]);
        peer.says("ready 01").await;
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
        let puller = &stats.peers[0];
        assert_eq!((puller.name.version, puller.pending), (judge.version(), 3));
        assert_eq!(puller.name.identity, judge.identity("snake"));
        assert_eq!((stats.sent, stats.received), (1002, 1003));
    }
}

async fn a_message_over_the_limit_is_passed_over(judge: Judge) {
    let mut bound = bound(TCP, "", patient()).await;
    let mut peer = judge.plays("publish", &bound.link.bound(), &[]);
    // 100 MiB, and what is allowed.
    peer.tell("104857600\n67108864").await;
    let Heard::Oversized(begins, max) = bound.next().await else { panic!("not told") };
    assert_eq!((begins.len(), max), (16 << 10, 64 << 20));
    let Heard::Message(message) = bound.next().await else { panic!("undelivered") };
    assert_eq!(message.len(), 64 << 20);
    assert_eq!(bound.link.stats().received, 1);
}

async fn a_subscription_prefix_is_kept(judge: Judge) {
    let mut bound = bound(TCP, "sender-7 ", patient()).await;
    let mut peer = judge.plays("echo", &bound.link.bound(), &[]);
    let prefix: String = b"\x01sender-7 ".iter().map(|byte| format!("{byte:02x}")).collect();
    peer.says(&format!("ready {prefix}")).await;
    bound.send(1, "sender-8 no", true);
    bound.send(2, "sender-7 yes", true);
    bound.expect("sender-7 yes").await;
}

async fn heartbeats_of_either_side_are_kept(judge: Judge) {
    let limits = LinkLimits {
        heartbeat_interval: Duration::from_millis(20),
        heartbeat_timeout: Duration::from_millis(2000),
        ..patient()
    };
    let mut bound = bound(TCP, "", limits).await;
    let mut peer = judge.plays("echo", &bound.link.bound(), &["heartbeat=50"]);
    peer.says("ready 01").await;
    bound.peers(1).await;
    let name = bound.link.stats().peers[0].name.clone();
    // Many times both intervals, and longer than the peer's own timeout of a second.
    let silence = timeout(Duration::from_millis(1500), bound.heard.recv()).await;
    assert!(silence.is_err());
    bound.send(1, "still here", true);
    bound.expect("still here").await;
    assert_eq!(bound.link.stats().peers[0].name, name, "the same connection");
}

async fn a_stopped_process_is_found_out_by_its_heartbeat(judge: Judge) {
    let limits = LinkLimits {
        heartbeat_interval: Duration::from_millis(50),
        heartbeat_timeout: Duration::from_millis(1000),
        ..patient()
    };
    let mut bound = bound(TCP, "", limits).await;
    let mut peer = judge.plays("hoard", &bound.link.bound(), &[]);
    peer.says("ready").await;
    bound.peers(1).await;
    bound.send(1, "one", false);
    peer.says("one").await;
    peer.stop();
    assert_eq!(bound.next().await, Heard::Undelivered(1, Undelivered::PeerLost));
}

async fn a_killed_handlers_requests_go_to_another(judge: Judge) {
    let mut bound = bound(TCP, "", patient()).await;
    let mut hoarder = judge.plays("hoard", &bound.link.bound(), &[]);
    hoarder.says("ready").await;
    bound.peers(1).await;
    for n in 0..100 {
        bound.send(n, format!("request {n}"), n % 10 != 0);
    }
    hoarder.says("request 0").await;
    bound.link.answered(Tag { conn: 50, exchange: 0 });
    let mut echo = judge.plays("echo", &bound.link.bound(), &[]);
    echo.says("ready 01").await;
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

async fn handlers_come_back_after_our_restart(judge: Judge) {
    let dir = tempfile::tempdir().unwrap();
    for (send, recv) in judge.specs(dir.path()) {
        let specs = (&*send, &*recv);
        let first = bound(specs, "", patient()).await;
        let (send, recv) = first.link.bound();
        let mut peer = judge.plays("echo", &(send.clone(), recv.clone()), &[]);
        peer.says("ready 01").await;
        first.peers(1).await;
        within(first.link.close()).await;
        drop(first);
        let mut second = bound((&send, &recv), "", patient()).await;
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

async fn a_slow_handler_gives_what_it_does_not_read_to_others(judge: Judge) {
    let mut bound = bound(TCP, "", patient()).await;
    let mut stopped = judge.plays("hoard", &bound.link.bound(), &["hwm=1"]);
    stopped.says("ready").await;
    bound.peers(1).await;
    stopped.stop();
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
    let mut echo = judge.plays("echo", &bound.link.bound(), &[]);
    echo.says("ready 01").await;
    let mut given = 0;
    // A system that has more room than it seemed lets the stopped one have more.
    while given + bound.link.stats().peers[0].pending < 40 {
        assert!(matches!(bound.next().await, Heard::Message(_)));
        given += 1;
    }
    assert!(given > 0);
    stopped.kill().await;
    for _ in given..40 {
        assert!(matches!(bound.next().await, Heard::Message(_)));
    }
}

async fn the_control_port_answers_req(judge: Judge) {
    let dir = tempfile::tempdir().unwrap();
    let (spec, _) = judge.specs(dir.path()).pop().unwrap();
    let mut port = ControlPort::bind(&spec).await.unwrap();
    let spec = port.bound();
    let client = async {
        let mut peer = judge.plays("ask", &(spec.clone(), String::new()), &[]);
        peer.says("ready").await;
        for question in ["10:4:time,0:}]", "10:4:uuid,0:}]"] {
            peer.tell(question).await;
            peer.says(&format!("re: {question}")).await;
        }
    };
    let answer = |question: Bytes| async move { [b"re: ", &question[..]].concat().into() };
    tokio::select! {
        () = port.serve(answer) => {}
        () = within(client) => {}
    }
}
