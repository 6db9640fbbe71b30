//! The control port on real sockets, with our own client and the `zeromq` crate.

use tokio::io::AsyncWriteExt;
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

#[tokio::test]
async fn a_peer_that_would_wait_in_vain_is_dropped() {
    let too_deep = [b"\x01\x01x".repeat(17), b"\x01\0\0\x01q".to_vec()].concat();
    let unread = b"\x01\0\0\x01q".repeat(200);
    for requests in [too_deep, unread] {
        let mut port = ControlPort::bind("tcp://127.0.0.1:*").await.unwrap();
        let desk = Arc::clone(&port.desk);
        let mut stream = dealer(&port.bound()).await;
        let client = async {
            within(async {
                while desk.visitors().is_empty() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            stream.write_all(&requests).await.unwrap();
            is_dismissed(&desk).await;
        };
        let answer = Bytes::from(vec![0; 1 << 20]);
        tokio::select! {
            () = port.serve(|_| std::future::ready(answer.clone())) => {}
            () = client => {}
        }
    }
}
