//! A handler against plain ZeroMQ sockets that a test binds, as the server does.

use std::convert::Infallible;
use std::time::Duration;

use handler::{ConnectError, Event, Handler, HandlerOptions, Request, Response, SendError};
use tempfile::TempDir;
use tokio::time::timeout;
use zeromq::{PushSocket, Socket, SocketRecv, SocketSend, SubSocket, ZmqError, ZmqMessage};

const DEADLINE: Duration = Duration::from_secs(20);

/// The sockets that a server binds for a handler.
struct Server {
    push: PushSocket,
    sub: SubSocket,
    send_spec: String,
    recv_spec: String,
}

impl Server {
    async fn bind(send_spec: &str, recv_spec: &str, recv_ident: &str) -> Self {
        let mut push = PushSocket::new();
        let send_spec = push.bind(send_spec).await.unwrap().to_string();
        let mut sub = SubSocket::new();
        sub.subscribe(recv_ident).await.unwrap();
        let recv_spec = sub.bind(recv_spec).await.unwrap().to_string();
        Self { push, sub, send_spec, recv_spec }
    }

    async fn new() -> Self {
        Self::bind("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "").await
    }

    fn options(&self) -> HandlerOptions {
        HandlerOptions::new(&self.send_spec, &self.recv_spec).sender_id("test-1")
    }

    async fn handler(&self) -> Handler {
        within(Handler::connect(self.options())).await.unwrap()
    }

    /// Sends as soon as a handler is connected.
    async fn push(&mut self, message: &str) {
        let mut message = ZmqMessage::from(message);
        within(async {
            while let Err(error) = self.push.send(message).await {
                let ZmqError::ReturnToSender { message: unsent, .. } = error else {
                    panic!("{error}");
                };
                message = unsent;
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    async fn push_get(&mut self, conn: u64) {
        self.push(&get(conn)).await;
    }

    async fn push_for_ever(&mut self, conn: u64) -> Infallible {
        loop {
            self.push_get(conn).await;
            tokio::task::yield_now().await;
        }
    }

    async fn recv(&mut self) -> String {
        let message = within(self.sub.recv()).await.unwrap();
        String::try_from(message).unwrap()
    }

    /// On paths of their own: a TCP port that is free for a moment may get another owner.
    async fn on_paths(directory: &TempDir) -> Self {
        let spec = |name: &str| format!("ipc://{}", directory.path().join(name).display());
        Self::bind(&spec("send"), &spec("recv"), "").await
    }

    /// Ends this server; the next one has the same addresses.
    async fn restart(self) -> Self {
        let (send_spec, recv_spec) = (self.send_spec.clone(), self.recv_spec.clone());
        assert!(self.push.close().await.is_empty());
        assert!(self.sub.close().await.is_empty());
        within(Self::bind(&send_spec, &recv_spec, "")).await
    }
}

fn get(conn: u64) -> String {
    let json = r#"{"PATH":"/h","METHOD":"GET","VERSION":"HTTP/1.1","URI":"/h"}"#;
    format!("ID {conn} /h {}:{json},0:,", json.len())
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("in time")
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

async fn next(handler: &mut Handler) -> Request {
    within(handler.next()).await.unwrap()
}

#[tokio::test]
async fn the_first_reply_is_never_lost() {
    for conn in 0..20 {
        let mut server = Server::new().await;
        let handler = server.handler().await;
        handler.reply_many(&[conn], "first").await.unwrap();
        assert_eq!(server.recv().await, format!("test-1 {}:{conn}, first", conn.to_string().len()));
    }
}

#[tokio::test]
async fn requests_are_answered_in_order() {
    let mut server = Server::new().await;
    let mut handler = server.handler().await;
    for conn in [1, 2, 3] {
        server.push_get(conn).await;
        let request = next(&mut handler).await;
        assert_eq!((request.conn(), &*request.path()), (conn, "/h"));
        handler.reply_http(&request, &Response::new(200).body("ok")).await.unwrap();
        handler.close(&request).await.unwrap();
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(server.recv().await, format!("test-1 1:{conn}, {response}"));
        assert_eq!(server.recv().await, format!("test-1 1:{conn}, "));
    }
}

#[tokio::test]
async fn ipc_works_like_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::on_paths(&directory).await;
    let mut handler = server.handler().await;
    server.push_get(1).await;
    let request = next(&mut handler).await;
    handler.reply(&request, "raw").await.unwrap();
    assert_eq!(server.recv().await, "test-1 1:1, raw");
}

#[tokio::test]
async fn connect_waits_for_a_server_that_starts_later() {
    let directory = tempfile::tempdir().unwrap();
    let first = Server::on_paths(&directory).await;
    let options = first.options();
    let (send_spec, recv_spec) = (first.send_spec.clone(), first.recv_spec.clone());
    assert!(first.push.close().await.is_empty() && first.sub.close().await.is_empty());
    let mut connecting = Box::pin(Handler::connect(options));
    assert!(timeout(Duration::from_millis(50), &mut connecting).await.is_err(), "nobody is there");
    let mut server = Server::bind(&send_spec, &recv_spec, "test").await;
    let handler = within(connecting).await.unwrap();
    handler.reply_many(&[1], "x").await.unwrap();
    assert_eq!(server.recv().await, "test-1 1:1, x");
}

#[tokio::test]
async fn connect_tells_what_is_missing() {
    let check = |options: HandlerOptions, want: &'static str| async move {
        let options = options.connect_timeout(Duration::from_millis(300));
        let error = within(Handler::connect(options)).await.unwrap_err();
        assert!(error.to_string().contains(want), "{error}, expected {want}");
        error
    };
    let server = Server::bind("tcp://127.0.0.1:0", "tcp://127.0.0.1:0", "other").await;
    let options = server.options();
    let error = check(options.clone(), "has not subscribed to \"test-1\"").await;
    assert!(matches!(error, ConnectError::NotSubscribed { .. }));
    let nobody =
        HandlerOptions { recv_spec: "ipc:///nonexistent/socket".into(), ..options.clone() };
    check(nobody, "expected the SUB socket that the server binds as recv_spec").await;
    let server = Server::new().await;
    let nobody =
        HandlerOptions { send_spec: "ipc:///nonexistent/socket".into(), ..server.options() };
    check(nobody, "expected the PUSH socket that the server binds as send_spec").await;
    let swapped = HandlerOptions::new(&server.recv_spec, &server.send_spec);
    check(swapped, "expected the SUB socket").await;
    check(options.clone().sender_id("a_b"), "is not made of letters, digits").await;
    check(HandlerOptions { send_spec: "tcp://x".into(), ..options }, "\"tcp://x\" is neither")
        .await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::on_paths(&directory).await;
    let mut handler = server.handler().await;
    for restarts in 1..=2 {
        server.push_get(restarts).await;
        let old = next(&mut handler).await;
        server = server.restart().await;
        server.push_get(7).await;
        let request = next(&mut handler).await;
        assert_eq!(handler.restarts(), restarts);
        assert!(handler.is_stale(&old) && !handler.is_stale(&request));
        handler.reply(&request, "new").await.unwrap();
        assert_eq!(server.recv().await, "test-1 1:7, new");
        // The new server's connection with the old id is somebody else's.
        handler.reply(&old, "old").await.unwrap();
        handler.close(&old).await.unwrap();
        handler.reply_many(&[8], "end").await.unwrap();
        assert_eq!(server.recv().await, "test-1 1:8, end");
    }
}

/// Requests that can't be answered must not come, and those that are here are for others.
#[tokio::test]
async fn either_link_is_lost_with_the_other() {
    for loses_replies in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Server::on_paths(&directory).await;
        let mut handler = server.handler().await;
        server.push_get(5).await;
        let old = next(&mut handler).await;
        if loses_replies {
            let recv_spec = server.recv_spec.clone();
            assert!(server.sub.close().await.is_empty());
            server.sub = SubSocket::new();
            // Nobody is there to subscribe yet.
            within(until(|| handler.is_stale(&old))).await;
            server.sub.subscribe("").await.unwrap();
            within(server.sub.bind(&recv_spec)).await.unwrap();
        } else {
            let send_spec = server.send_spec.clone();
            assert!(server.push.close().await.is_empty());
            server.push = PushSocket::new();
            within(server.push.bind(&send_spec)).await.unwrap();
        }
        // The crate's PUSH gives some to a peer that has just left.
        let request = tokio::select! {
            request = next(&mut handler) => request,
            never = server.push_for_ever(6) => match never {},
        };
        assert_eq!((request.conn(), handler.restarts()), (6, 1));
        handler.reply(&old, "old").await.unwrap();
        handler.reply(&request, "new").await.unwrap();
        assert_eq!(server.recv().await, "test-1 1:6, new");
    }
}

#[tokio::test]
async fn replies_without_requests_end_with_the_link() {
    let mut server = Server::new().await;
    let handler = server.handler().await;
    let replies = handler.replies().clone();
    drop(handler);
    replies.reply_many(&[1], "alone").await.unwrap();
    assert_eq!(server.recv().await, "test-1 1:1, alone");
    drop(server);
    // Whether it is seen in time or not: it is dropped.
    replies.reply_many(&[1], "nobody hears it").await.unwrap();
    within(replies.flush()).await.unwrap();
}

#[tokio::test]
async fn many_connections_are_split_into_messages() {
    let mut server = Server::new().await;
    let handler = server.handler().await;
    let conns: Vec<u64> = (1000..1300).collect();
    handler.reply_many(&conns, "hi").await.unwrap();
    for chunk in conns.chunks(128) {
        let ids: Vec<String> = chunk.iter().map(u64::to_string).collect();
        let ids = ids.join(" ");
        assert_eq!(server.recv().await, format!("test-1 {}:{ids}, hi", ids.len()));
    }
    assert_eq!(handler.reply_many(&conns, "").await, Err(SendError::Empty));
    handler.reply_many(&[], "nobody").await.unwrap();
    handler.close_many(&[1, 2]).await.unwrap();
    assert_eq!(server.recv().await, "test-1 3:1 2, ");
}

#[tokio::test]
async fn extended_replies_and_events() {
    let mut server = Server::new().await;
    let mut handler = server.handler().await;
    handler.keep_alive(&[43]).await.unwrap();
    assert_eq!(server.recv().await, "test-1 4:X 43, 31:3:ctl,21:10:keep-alive,4:true!}]");
    handler.credits(&[48], 100).await.unwrap();
    assert_eq!(server.recv().await, "test-1 4:X 48, 26:3:ctl,16:7:credits,3:100#}]");
    handler.cancel(&[45]).await.unwrap();
    assert_eq!(server.recv().await, "test-1 4:X 45, 26:3:ctl,16:6:cancel,4:true!}]");

    server.push_get(1).await;
    let request = next(&mut handler).await;
    assert!(handler.start_events(&request).await.unwrap());
    let head = server.recv().await;
    assert!(head.starts_with("test-1 1:1, HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
    handler.send_event(&[1], &Event::new("7")).await.unwrap();
    assert_eq!(server.recv().await, "test-1 1:1, 9\r\ndata: 7\n\n\r\n");
    handler.end_events(&[1]).await.unwrap();
    assert_eq!(server.recv().await, "test-1 1:1, 0\r\n\r\n");

    server.push(&get(2).replace("HTTP/1.1", "HTTP/1.0")).await;
    let request = next(&mut handler).await;
    assert!(!handler.start_events(&request).await.unwrap());
    assert!(
        server.recv().await.starts_with("test-1 1:2, HTTP/1.1 505 HTTP Version Not Supported\r\n")
    );
}

#[tokio::test]
async fn a_malformed_message_is_skipped() {
    let mut server = Server::new().await;
    let mut handler = server.handler().await;
    server.push("nonsense").await;
    server.push("ID 1 /h 3:{\"a,0:,").await;
    server.push_get(3).await;
    assert_eq!(next(&mut handler).await.conn(), 3);
    assert_eq!(handler.malformed(), 2);
}

#[tokio::test]
async fn shutdown_writes_what_is_queued() {
    let mut server = Server::new().await;
    let handler = server.handler().await;
    let big = "x".repeat(1 << 20);
    for _ in 0..8 {
        handler.reply_many(&[1], &big).await.unwrap();
    }
    let read = tokio::spawn(async move {
        let mut total = 0;
        for _ in 0..8 {
            total += server.recv().await.len();
        }
        total
    });
    within(handler.shutdown()).await.unwrap();
    assert_eq!(within(read).await.unwrap(), 8 * (big.len() + "test-1 1:1, ".len()));
}
