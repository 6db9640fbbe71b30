//! The control port on real sockets, with our own client and the `zeromq` crate.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeromq::{DealerSocket, ReqSocket, Socket, SocketRecv, SocketSend};

use super::*;

async fn within<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("in time")
}

async fn shout(request: Bytes) -> Bytes {
    request.to_ascii_uppercase().into()
}

#[tokio::test]
async fn questions_are_answered_over_tcp_and_ipc() {
    let dir = tempfile::tempdir().unwrap();
    let ipc = format!("ipc://{}/control", dir.path().display());
    for spec in ["tcp://127.0.0.1:*", &ipc] {
        let mut port = ControlPort::bind(spec).await.unwrap();
        let spec = port.bound();
        let client = async {
            let within = Duration::from_secs(10);
            for question in ["one", ""] {
                let answer = ask(&spec, question.into(), within).await.unwrap();
                assert_eq!(answer, question.to_uppercase());
            }
            let mut req = ReqSocket::new();
            req.connect(&spec).await.unwrap();
            for question in ["three", "four"] {
                req.send(question.into()).await.unwrap();
                let answer = req.recv().await.unwrap().into_vec();
                assert_eq!(answer, [question.to_uppercase()]);
            }
        };
        tokio::select! {
            () = port.serve(shout) => {}
            () = within(client) => {}
        }
        within(port.close()).await;
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_envelope_comes_back_and_nonsense_is_dropped() {
    let mut port = ControlPort::bind("tcp://127.0.0.1:*").await.unwrap();
    let spec = port.bound();
    let client = async {
        let mut dealer = DealerSocket::new();
        dealer.connect(&spec).await.unwrap();
        dealer.send("no delimiter".into()).await.unwrap();
        let frames = ["way", "back", "", "q", "ignored"].map(Bytes::from);
        dealer.send(frames.to_vec().try_into().unwrap()).await.unwrap();
        assert_eq!(dealer.recv().await.unwrap().into_vec(), ["way", "back", "", "Q"]);
    };
    tokio::select! {
        () = port.serve(shout) => {}
        () = within(client) => {}
    }
}

#[tokio::test]
async fn who_gives_no_answer_is_named() {
    let short = Duration::from_millis(50);
    let port = ControlPort::bind("tcp://127.0.0.1:*").await.unwrap();
    let spec = port.bound();
    let fault = ask(&spec, Bytes::new(), short).await.unwrap_err();
    assert_eq!(fault.to_string(), format!("{spec} gave no answer within 50ms"));
    within(port.close()).await;
    let fault = ask(&spec, Bytes::new(), short).await.unwrap_err();
    assert_eq!(fault.to_string(), format!("cannot connect to {spec}"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = format!("tcp://{}", listener.local_addr().unwrap());
    let slam = async {
        drop(listener.accept().await.unwrap());
        std::future::pending::<()>().await;
    };
    let fault = tokio::select! {
        () = slam => unreachable!(),
        fault = within(ask(&spec, Bytes::new(), Duration::from_secs(10))) => fault.unwrap_err(),
    };
    assert_eq!(fault.to_string(), format!("{spec} closed the connection before it answered"));
}

/// A DEALER after its handshake, written byte by byte.
async fn dealer(spec: &str) -> TcpStream {
    let mut stream = TcpStream::connect(spec.strip_prefix("tcp://").unwrap()).await.unwrap();
    let mut hello = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x01NULL".to_vec();
    hello.resize(64, 0);
    hello.extend_from_slice(b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06DEALER");
    stream.write_all(&hello).await.unwrap();
    stream
}

async fn is_dismissed(desk: &Desk) {
    within(async {
        while !desk.visitors().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// What `requests` brings a peer that never reads, where every answer has `size` bytes.
async fn check_dismissed(requests: &[u8], size: usize, want: Result<(), Refusal>) {
    let mut port = ControlPort::bind("tcp://127.0.0.1:*").await.unwrap();
    let desk = Arc::clone(&port.desk);
    let mut stream = dealer(&port.bound()).await;
    let answered = AtomicUsize::new(0);
    let client = within(async {
        while desk.visitors().is_empty() {
            tokio::task::yield_now().await;
        }
        stream.write_all(requests).await.unwrap();
        match want {
            Err(_) => is_dismissed(&desk).await,
            Ok(()) => {
                let asked = requests.windows(4).filter(|bytes| *bytes == QUESTION).count();
                while answered.load(Ordering::Relaxed) < asked {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let answer = Bytes::from(vec![0; size]);
    tokio::select! {
        () = port.serve(|_| {
            answered.fetch_add(1, Ordering::Relaxed);
            std::future::ready(answer.clone())
        }) => {}
        () = client => {}
    }
    assert_eq!(desk.visitors().len(), usize::from(want.is_ok()), "{want:?}");
}

/// A DEALER's, with its delimiter.
const QUESTION: &[u8] = b"\x01\0\0\x01q";

#[tokio::test]
async fn a_peer_that_would_wait_in_vain_is_dropped() {
    let deep = |frames: usize| [&b"\x01\x01x".repeat(frames), QUESTION].concat();
    let wide = |bytes: usize| [&long(1, bytes)[..], QUESTION].concat();
    let ask = |bytes: usize| [b"\x01\0", &long(0, bytes)[..]].concat();
    check_dismissed(&deep(15), 1, Ok(())).await;
    check_dismissed(&deep(17), 1, Err(Refusal::Envelope)).await;
    check_dismissed(&wide(255), 1, Ok(())).await;
    check_dismissed(&wide(256), 1, Err(Refusal::Envelope)).await;
    check_dismissed(&ask(4096), 1, Ok(())).await;
    check_dismissed(&ask(4097), 1, Err(Refusal::NoRequest)).await;
    // As much as the system takes goes out all the same.
    check_dismissed(&QUESTION.repeat(8), 1 << 20, Ok(())).await;
    check_dismissed(&QUESTION.repeat(60), 256 << 10, Err(Refusal::Unread)).await;
    check_dismissed(&QUESTION.repeat(8), 40 << 20, Err(Refusal::Unread)).await;
    check_dismissed(QUESTION, 40 << 20, Ok(())).await;
}

/// A frame of so many bytes.
fn long(flags: u8, bytes: usize) -> Vec<u8> {
    let mut frame = vec![flags | 2];
    frame.extend_from_slice(&(bytes as u64).to_be_bytes());
    frame.resize(9 + bytes, b'x');
    frame
}

#[tokio::test]
async fn there_is_always_a_place_for_one_more() {
    let mut port = ControlPort::bind("tcp://127.0.0.1:*").await.unwrap();
    let (spec, desk) = (port.bound(), Arc::clone(&port.desk));
    let client = within(async {
        let mut held = Vec::new();
        while held.len() < PEERS_MAX {
            held.push(dealer(&spec).await);
            while desk.visitors().len() + 1 < held.len() {
                tokio::task::yield_now().await;
            }
            if held.len() == PEERS_MAX - 1 {
                let mut answer = [0; QUESTION.len()];
                held[0].write_all(QUESTION).await.unwrap();
                while !answer.ends_with(b"Q") {
                    answer.rotate_left(1);
                    answer[QUESTION.len() - 1] = held[0].read_u8().await.unwrap();
                }
            }
        }
        for _ in 0..3 {
            assert_eq!(ask(&spec, "q".into(), Duration::from_secs(10)).await.unwrap(), "Q");
        }
        let there: Vec<_> = desk.visitors().keys().copied().collect();
        assert!(there.contains(&0) && !there.contains(&1), "{there:?}");
    });
    tokio::select! {
        () = port.serve(shout) => {}
        () = client => {}
    }
}
