//! The `zeromq` crate's peers: this test binary, run again for one test that plays a role.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::process::Command;
use tokio::sync::mpsc;
use zeromq::{
    PullSocket, ReqSocket, Socket, SocketOptions, SocketRecv, SocketSend, XPubSocket, ZmqMessage,
};

use super::judge::MARK;

/// Role, specs and options, one per line.
const WORDS: &str = "BUS_TEST_PEER";

pub(super) fn process(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "zeromq_crate::the_process_of_a_peer";
    command.args([name, "--exact", "--ignored", "--nocapture"]).env(WORDS, words.join("\n"));
    command
}

#[tokio::test]
#[ignore = "the other tests run it as a process"]
async fn the_process_of_a_peer() {
    let words = std::env::var(WORDS).unwrap();
    let mut words = words.split('\n');
    let [role, send_spec, recv_spec] = [(); 3].map(|()| words.next().unwrap());
    let identity = words.find_map(|option| option.strip_prefix("identity="));
    match role {
        "echo" => echo(send_spec, recv_spec, identity).await,
        "hoard" => hoard(send_spec).await,
        "ask" => ask(send_spec).await,
        "publish" => publish(recv_spec).await,
        _ => panic!("the crate plays no {role}"),
    }
}

#[expect(clippy::print_stdout, reason = "what the test reads")]
fn say(words: &str) {
    println!("{MARK}{words}");
}

async fn echo(send_spec: &str, recv_spec: &str, identity: Option<&str>) {
    loop {
        let mut requests: PullSocket = connected(send_spec, identity).await;
        let mut replies: XPubSocket = connected(recv_spec, identity).await;
        let Some(subscription) = receive(&mut replies).await else { continue };
        let bytes = &subscription[0];
        say(&format!(
            "ready {}",
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        ));
        loop {
            let request = tokio::select! {
                request = receive(&mut requests) => request,
                other = receive(&mut replies) => {
                    if other.is_none() { None } else { continue }
                }
            };
            let Some(mut parts) = request else { break };
            if parts == ["multipart"] {
                parts = ["part one", "part two"].map(Bytes::from).to_vec();
            }
            replies.send(parts.try_into().unwrap()).await.unwrap();
        }
    }
}

async fn hoard(send_spec: &str) {
    let mut requests: PullSocket = connected(send_spec, None).await;
    say("ready");
    while let Some(parts) = receive(&mut requests).await {
        say(std::str::from_utf8(&parts[0]).unwrap());
    }
}

async fn publish(recv_spec: &str) {
    let mut lines = input();
    loop {
        let mut replies: XPubSocket = connected(recv_spec, None).await;
        if receive(&mut replies).await.is_none() {
            continue;
        }
        loop {
            let size: usize = tokio::select! {
                biased;
                other = receive(&mut replies) => {
                    if other.is_none() { break } else { continue }
                }
                line = lines.recv() => line.unwrap().parse().unwrap(),
            };
            // A connection that is cut meanwhile is no error to the crate; the next read tells.
            replies.send(vec![0; size].into()).await.unwrap();
            if tokio::time::timeout(Duration::from_millis(100), receive(&mut replies)).await
                == Ok(None)
            {
                break;
            }
        }
    }
}

async fn ask(spec: &str) {
    let mut lines = input();
    let mut port: ReqSocket = connected(spec, None).await;
    say("ready");
    while let Some(line) = lines.recv().await {
        port.send(line.into()).await.unwrap();
        say(std::str::from_utf8(&port.recv().await.unwrap().into_vec()[0]).unwrap());
    }
}

/// Lines of standard input.
fn input() -> mpsc::UnboundedReceiver<String> {
    let (heard, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| heard.send(line))
    });
    lines
}

/// A socket with one connection, however long that takes.
async fn connected<S: Socket>(spec: &str, identity: Option<&str>) -> S {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    loop {
        again.tick().await;
        let mut options = SocketOptions::default();
        options.connect_timeout(Duration::from_secs(1));
        if let Some(identity) = identity {
            options.peer_identity(identity.parse().unwrap());
        }
        let mut socket = S::with_options(options);
        if socket.connect(spec).await.is_ok() {
            return socket;
        }
    }
}

/// The parts of the next message; `None` when the peer has gone, which the crate tells nobody: the
/// read half of a connection shares the socket's options while there is one.
async fn receive<S: Socket + SocketRecv>(socket: &mut S) -> Option<Vec<Bytes>> {
    let backend = socket.backend();
    let mut message = pin!(socket.recv());
    poll_fn(|context| match message.as_mut().poll(context) {
        Poll::Ready(message) => Poll::Ready(message.ok().map(ZmqMessage::into_vec)),
        Poll::Pending if Arc::strong_count(backend.socket_options()) > 1 => Poll::Pending,
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
